/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer with a valid certificate and bad manners, and noise from nobody; test_hostile.sh starts it.
 *
 *   hostile_tool MODE CLUSTER REGION TO SECONDS     region REGION of the cluster file misbehaves towards the first gateway of TO
 *   hostile_tool expired DIR CLUSTER_NAME REGION    makes a certificate that is not valid any more
 *
 *   frames    streams for every lane that was announced: bytes that are no frames, frames that are too large, of a gateway, of another
 *             edge, with a wrong checksum
 *   headers   streams with headers that are none, for lanes of others, and requests to relay to nowhere
 *   streams   as many streams as the link takes, again and again
 *   messages  control messages as fast as they go
 *   nonsense  control messages that make no sense, and a second hello
 *   control   a control message larger than one may be, as bytes of the control stream
 *   hello     hellos of another cluster, another version, another region
 *   silent    links that never say hello
 *   slow      handshakes that are begun and never ended
 *   replay    a link of good manners; then all its datagrams again, from its own address and from others
 *   flood     datagrams that are nothing, or nearly something
 *
 * Links that end are dialled again. At the end it prints "MODE: N links, N streams, ..." and each reason it was given, with a count.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/prng.h"
#include "gateway/core/gate_msg.h"
#include "gateway/edge/certs.h"
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"
#include "tests/multi/hostile_net.h"

#define JUNK ((size_t)1 << 20)
#define REASONS 32u
#define EDGES 8u
#define KINDS 7u
#define OPEN_MAX 2000u /* streams of one try */

static const char *mode;
static const struct weir_cluster *cluster;
static uint32_t here, there;
static struct wrapped wrap;
static struct weir_quic *quic;
static const struct weir_link_ops *ops;
static struct weir_prng prng;
static uint8_t junk[JUNK];
static uint64_t edge[EDGES]; /* lanes that were announced */
static uint32_t edges;
static union {
	struct weir_lane_head h;
	uint64_t words[16];
} frame[EDGES][KINDS]; /* each wrong in one way */
static weir_link_id link_id;
static bool up, greeted;
static uint64_t redial_ns, tick_ns;
static uint64_t links, opened, said, datagrams;
static struct {
	char text[200];
	uint64_t count;
} reason[REASONS];
/* What a stream sends: edge and kind of frame[]; junk when below 0. */
static int8_t content[1u << 20];

static bool mode_is(const char *name)
{
	return !strcmp(mode, name);
}

static void reason_add(const char *text)
{
	for (uint32_t i = 0; i < REASONS; i++) {
		if (*reason[i].text && strcmp(reason[i].text, text) != 0)
			continue;
		snprintf(reason[i].text, sizeof(reason[i].text), "%s", text);
		reason[i].count++;
		return;
	}
}

/* ---- what is sent on streams ---- */

static void frames_make(uint32_t e)
{
	struct weir_lane_head h = {.f = {.key_hash = edge[e], .time_ns = 1}, .epoch = 1};

	h.f.kind = WEIR_FRAME_LANE;
	weir_lane_seal(&h, WEIR_LANE_DATA, 64);
	h.f.size = 0xfffffff8;
	h.crc = weir_crc32c(0, &h, offsetof(struct weir_lane_head, crc));
	frame[e][0].h = h;
	weir_lane_seal(&h, WEIR_LANE_DATA, WEIR_LANE_FRAME_LIMIT - sizeof(h));
	frame[e][1].h = h;
	weir_lane_seal(&h, WEIR_LANE_OPEN, 0);
	frame[e][2].h = h;
	weir_lane_seal(&h, WEIR_LANE_COMMIT, 0);
	frame[e][3].h = h; /* nothing wrong, but nobody waits for it; then silence */
	h.f.key_hash = ~edge[e];
	weir_lane_seal(&h, WEIR_LANE_COMMIT, 0);
	frame[e][4].h = h;
	h.f.key_hash = edge[e];
	frame[e][5].h = h;
	weir_lane_seal_body(&frame[e][5].h, WEIR_LANE_DATA, 64);
	frame[e][5].words[14] ^= 1; /* behind the checksum */
	weir_lane_seal(&h, WEIR_LANE_HELLO, 64);
	frame[e][6].h = h; /* a hello that says zeros */
}

static uint32_t peek(void *ctx, weir_stream_id stream, uint64_t offset, const uint8_t **ret_p)
{
	int c = content[stream % WEIR_COUNT_OF(content)];
	uint64_t n = c < 0 ? JUNK : c % 8 < 5 ? sizeof(struct weir_lane_head) : sizeof(frame[0][0]);

	(void)ctx;
	if (offset >= n)
		return 0;
	*ret_p = (c < 0 ? junk : (const uint8_t *)&frame[c / 8][c % 8]) + offset;
	return (uint32_t)(n - offset);
}

static void stream_open(const void *header, uint32_t n, int8_t c)
{
	weir_stream_id s = ops->open(ops->ctx, link_id, header, n);

	if (!s)
		return;
	content[s % WEIR_COUNT_OF(content)] = c;
	opened++;
	ops->ready(ops->ctx, s);
}

static void lane_open(uint64_t id, uint8_t hop, const char *from, const char *to, int8_t c)
{
	struct weir_gate_header h = {
		.hop = hop, .edge = id, .from = weir_str_c(from), .to = weir_str_c(to)};
	uint8_t buf[WEIR_GATE_HEADER_MAX];

	stream_open(buf, weir_gate_header_put(buf, &h), c);
}

/* ---- manners ---- */

static void say(const void *p, uint32_t n)
{
	if (ops->control(ops->ctx, link_id, p, n))
		said++;
}

static void say_hello(uint16_t version, const char *of, const char *region)
{
	struct weir_gate_msg m = {
		.kind = WEIR_GATE_MSG_HELLO,
		.hello = {.version = version,
			  .incarnation = weir_prng_u64(&prng),
			  .cluster = weir_str_c(of),
			  .region = weir_str_c(region),
			  .gateway = weir_str_c(cluster->region[here].gateway[0].name)}};
	uint8_t buf[WEIR_LINK_CONTROL_MAX];

	say(buf, weir_gate_msg_put(buf, &m));
}

static void say_beat(uint64_t now)
{
	struct weir_gate_msg m = {.kind = WEIR_GATE_MSG_BEAT, .beat = {.time = now}};
	uint8_t buf[WEIR_LINK_CONTROL_MAX];

	say(buf, weir_gate_msg_put(buf, &m));
}

static void greet(void)
{
	const char *name = cluster->region[here].name;
	uint64_t turn = links % 3;

	if (mode_is("silent"))
		return;
	if (mode_is("hello"))
		return say_hello(turn == 0 ? WEIR_GATE_VERSION + 1 : WEIR_GATE_VERSION,
				 turn == 1 ? "elsewhere" : cluster->name,
				 turn == 2 ? cluster->region[there].name : name);
	say_hello(WEIR_GATE_VERSION, cluster->name, name);
}

/* The link's control stream gets bytes that are no message: the length says 65535. */
static void control_raw(void)
{
	struct weir_quic_link *l = weir_quic__link_find(quic, link_id);
	struct weir_quic_control *c = l ? &l->control : NULL;

	for (uint32_t i = 0; c && i < 2000 && c->tail - c->acked < WEIR_QUIC_CONTROL_RING; i++)
		c->ring[c->tail++ % WEIR_QUIC_CONTROL_RING] = i < 2 ? 0xff : junk[i];
	if (l)
		weir_quic__work(l);
}

/* Each few milliseconds on a link that greeted. */
static void misbehave(void)
{
	const char *us = cluster->region[here].name, *them = cluster->region[there].name;
	uint8_t *at = junk + weir_prng_u64(&prng) % (JUNK - WEIR_LINK_CONTROL_MAX);

	if (mode_is("frames")) {
		int c = (int)(opened / WEIR_MAX(edges, 1) % (KINDS + 1)) - 1;

		for (uint32_t e = 0; e < edges; e++)
			lane_open(edge[e], WEIR_GATE_DIRECT, us, them,
				  (int8_t)(c < 0 ? c : (int)e * 8 + c));
	} else if (mode_is("replay")) {
		for (uint32_t e = 0; e < edges && opened < 20; e++)
			lane_open(edge[e], WEIR_GATE_DIRECT, us, them, (int8_t)(e * 8 + 3));
	} else if (mode_is("headers")) {
		uint64_t id = weir_prng_u64(&prng);

		stream_open(at, 1 + (uint32_t)(id % 200), -1);
		lane_open(id, WEIR_GATE_DIRECT, us, them, -1);
		lane_open(id, WEIR_GATE_ASKS, us, them, -1);
		lane_open(id, WEIR_GATE_ASKS, us, "nowhere", -1);
		lane_open(id, WEIR_GATE_RELAYED, them, us, -1);
	} else if (mode_is("streams")) {
		for (uint32_t i = 0; i < OPEN_MAX && up; i++)
			lane_open(i, WEIR_GATE_DIRECT, us, them, -1);
	} else if (mode_is("messages")) {
		static uint8_t later[WEIR_LINK_CONTROL_MAX] = {200};

		for (uint32_t i = 0; i < 200; i++)
			say(later, sizeof(later));
	} else if (mode_is("nonsense")) {
		if (links & 1)
			return say_hello(WEIR_GATE_VERSION, cluster->name, us);
		at[0] = 1 + (uint8_t)(links / 2 % 3);
		say(at, 1 + (uint32_t)(weir_prng_u64(&prng) % 500));
	} else if (mode_is("control")) {
		control_raw();
	}
}

static void event(void *ctx, const struct weir_link_event *e)
{
	struct weir_gate_msg m;

	(void)ctx;
	if (e->link != link_id && e->kind == WEIR_LINK_UP && !e->ours)
		return ops->close(ops->ctx, e->link, "not you");
	if (e->kind == WEIR_LINK_DOWN && (e->link == link_id || mode_is("slow"))) {
		reason_add(e->text ? e->text : "");
		up = up && e->link != link_id;
		redial_ns = 0;
	}
	if (e->link != link_id)
		return;
	if (e->kind == WEIR_LINK_UP) {
		up = true;
		links++;
		edges = 0;
		greet();
	} else if (e->kind == WEIR_LINK_STREAM_CLOSED) {
		reason_add(e->text ? e->text : "");
	} else if (e->kind == WEIR_LINK_CONTROL && weir_gate_msg_read(e->data, e->n, &m) == 0) {
		greeted |= m.kind == WEIR_GATE_MSG_HELLO;
		if (m.kind != WEIR_GATE_MSG_LANES)
			return;
		edges = WEIR_MIN(m.held.count, EDGES);
		for (uint32_t i = 0; i < edges; i++) {
			edge[i] = weir_gate_held_id(&m.held, i);
			frames_make(i);
		}
	}
}

static void turn(uint64_t now)
{
	if (mode_is("slow")) {
		for (int i = 0; i < 5; i++, links++)
			ops->dial(ops->ctx, there, 0);
		return;
	}
	if (!up && now >= redial_ns) {
		redial_ns = now + WEIR_NS_PER_S;
		greeted = false;
		link_id = ops->dial(ops->ctx, there, 0);
	}
	if (up && greeted) {
		say_beat(now);
		misbehave();
	}
}

static void talk(uint64_t until)
{
	uint64_t now;

	while ((now = weir_mono_ns()) < until) {
		uint64_t due;

		if (now >= tick_ns) {
			turn(now);
			tick_ns = now + 50 * (uint64_t)WEIR_NS_PER_MS;
		}
		due = weir_quic_step(quic, now);
		due = WEIR_MIN(due, tick_ns);
		now = weir_mono_ns();
		if (due > now)
			wrap.io.ops->wait(&wrap.io, -1, weir_quic_wants_send(quic),
					  (int64_t)(due - now));
	}
}

/* ---- the program ---- */

static int fail(const char *text)
{
	fprintf(stderr, "hostile_tool: %s\n", text);
	return 1;
}

static int region_number(const char *name, uint32_t *ret)
{
	int r = weir_cluster_find(cluster, weir_str_c(name));

	*ret = (uint32_t)r;
	return r;
}

static int attack(char **argv)
{
	struct weir_quic_options o = {.source = {.peek = peek}, .event = event};
	uint64_t seconds = strtoull(argv[5], NULL, 10), until;
	struct weir_diags diags = {0};
	struct weir_region region;
	struct weir_cluster *c;
	struct weir_err err = {0};

	weir_region_init(&region, &weir_heap_mem);
	if (weir_cluster_load(argv[2], &region, &c, &diags, &err) < 0)
		return fail(diags.count ? diags.diag[0].text : err.text);
	cluster = c;
	if (region_number(argv[3], &here) < 0 || region_number(argv[4], &there) < 0)
		return fail("no such region");
	until = weir_mono_ns() + seconds * WEIR_NS_PER_S;
	if (mode_is("flood")) {
		datagrams = flood(cluster->region[there].gateway[0].listen, until, &prng);
	} else {
		if (wrap_open(&wrap, cluster->region[here].gateway[0].listen, &err) < 0)
			return fail(err.text);
		wrap.deaf = mode_is("slow");
		wrap.keep = mode_is("replay");
		o.io = &wrap.io;
		o.cluster = cluster;
		o.region = here;
		if (weir_quic_open(&o, &quic, &err) < 0)
			return fail(err.text);
		ops = weir_quic_ops(quic);
		talk(mode_is("replay") ? weir_mono_ns() + WEIR_NS_PER_S : until);
		weir_quic_close(quic, weir_mono_ns());
		if (mode_is("replay"))
			datagrams = replay(&wrap, until);
		wrap.io.ops->close(&wrap.io);
	}
	printf("%s: %llu links, %llu streams, %llu messages, %llu datagrams\n", mode,
	       (unsigned long long)links, (unsigned long long)opened, (unsigned long long)said,
	       (unsigned long long)datagrams);
	for (uint32_t i = 0; i < REASONS && *reason[i].text; i++)
		printf("%8llu  %s\n", (unsigned long long)reason[i].count, reason[i].text);
	weir_region_fini(&region);
	return 0;
}

int main(int argc, char **argv)
{
	struct weir_err err;

	if (argc == 5 && !strcmp(argv[1], "expired"))
		return weir_certs_make_region(argv[2], argv[3], argv[4], 0, true, &err) < 0
			       ? fail(err.text)
			       : 0;
	if (argc != 6)
		return fail("MODE CLUSTER REGION TO SECONDS");
	mode = argv[1];
	signal(SIGPIPE, SIG_IGN);
	prng = weir_prng_of(7, mode);
	for (size_t i = 0; i < JUNK; i++)
		junk[i] = (uint8_t)weir_prng_u64(&prng);
	return attack(argv);
}
