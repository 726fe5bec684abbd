/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that says anything: control messages, stream headers, bytes of streams, acknowledgements, in any order. The gate must stay
 * sound: what is read back is the same message, every frame the engine gets is whole and of its edge, and in the end a link that behaves works.
 *
 * Input: a first byte of 0xff: the rest is one message, read, written, compared. 0xfe: one header. Else instructions: a byte that says
 *        what, a byte which link or stream, a length byte, that many bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "gateway/core/gate_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MS UINT64_C(1000000)
#define EDGE UINT64_C(7)
#define RING ((size_t)128 << 10)

static void *take(void *ctx, size_t size, size_t align)
{
	void *p = calloc(1, size ? size : 1);

	(void)ctx;
	(void)align;
	if (!p)
		abort();
	return p;
}

static void give(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem mem = {.alloc = take, .free = give};

/* ---- one message, one header ---- */

static void message(const uint8_t *p, uint32_t n)
{
	static uint8_t again[WEIR_LINK_CONTROL_MAX];
	struct weir_gate_msg m;

	if (weir_gate_msg_read(p, n, &m) != 0)
		return;
	if (m.kind == WEIR_GATE_MSG_HELLO && m.hello.version != WEIR_GATE_VERSION)
		return;
	weir_assert(weir_gate_msg_put(again, &m) == n);
	weir_assert(memcmp(again, p, n) == 0);
}

static void header(const uint8_t *p, uint32_t n)
{
	static uint8_t again[WEIR_GATE_HEADER_MAX];
	struct weir_gate_header h;

	if (weir_gate_header_read(p, n, &h) != 0)
		return;
	weir_assert(weir_gate_header_put(again, &h) == n);
	weir_assert(memcmp(again, p, n) == 0);
}

/* ---- a gate with one lane, and everything else from the input ---- */

static struct {
	struct weir_gate *g;
	uint64_t now, used, tail;
	uint32_t claimed;
	bool full;
	uint32_t ids;
	bool open;
	uint8_t out[256];
	uint64_t out_at, out_n;
	_Alignas(8) uint8_t in[2 * RING];
} t;

static weir_link_id dial(void *ctx, uint32_t region, uint32_t gateway)
{
	(void)ctx;
	weir_assert(region != 1 && gateway == 0);
	return 1000 + ++t.ids;
}

static void close_link(void *ctx, weir_link_id link, const char *why)
{
	(void)ctx;
	(void)link;
	weir_assert(*why);
}

static bool control(void *ctx, weir_link_id link, const void *p, uint32_t n)
{
	(void)ctx;
	(void)link;
	message((const uint8_t *)p, n);
	return n % 3 != 0;
}

static weir_stream_id open_stream(void *ctx, weir_link_id link, const void *p, uint32_t n)
{
	(void)ctx;
	(void)link;
	header((const uint8_t *)p, n);
	return ++t.ids % 8 ? 1000 + t.ids : 0;
}

static void ready(void *ctx, weir_stream_id stream)
{
	(void)ctx;
	weir_assert(stream != 0);
}

static void credit(void *ctx, weir_stream_id stream, uint64_t bytes)
{
	(void)ctx;
	weir_assert(stream != 0 && bytes > 0 && bytes <= WEIR_STREAM_CREDIT);
}

static uint64_t out_peek(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p)
{
	(void)ctx;
	weir_assert(lane == 0 && skip <= t.out_n - t.out_at);
	*ret_p = t.out + t.out_at + skip;
	return t.out_n - t.out_at - skip;
}

static void out_done(void *ctx, uint32_t lane, uint64_t bytes)
{
	(void)ctx;
	weir_assert(lane == 0 && bytes <= t.out_n - t.out_at);
	t.out_at += bytes;
}

static void *in_claim(void *ctx, uint32_t lane, uint32_t size)
{
	(void)ctx;
	weir_assert(lane == 0 && size % 8 == 0);
	if (t.full || t.used + size > RING)
		return NULL;
	t.claimed = size;
	return t.in + t.tail;
}

static void in_keep(void *ctx, uint32_t lane, uint32_t size)
{
	const struct weir_lane_head *h =
		(const struct weir_lane_head *)(const void *)(t.in + t.tail);

	(void)ctx;
	weir_assert(lane == 0 && size == t.claimed);
	weir_assert(weir_lane_check(h, size) == 0 && weir_frame_stride(&h->f) == size);
	weir_assert(h->f.key_hash == EDGE);
	if (h->f.flags == WEIR_LANE_OPEN) {
		weir_assert(!t.open);
		t.open = true;
	} else if (h->f.flags == WEIR_LANE_CLOSED) {
		t.open = false;
	} else {
		weir_assert(t.open);
	}
	t.claimed = 0;
	t.used += size;
	t.tail = t.tail + size > RING ? 0 : t.tail + size;
}

static uint64_t in_used(void *ctx, uint32_t lane)
{
	(void)ctx;
	(void)lane;
	return t.used;
}

static const struct weir_link_ops link_ops = {.dial = dial,
					      .close = close_link,
					      .control = control,
					      .open = open_stream,
					      .shut = close_link,
					      .ready = ready,
					      .credit = credit};
static const struct weir_gate_lane_ops lane_ops = {.out_peek = out_peek,
						   .out_done = out_done,
						   .in_claim = in_claim,
						   .in_keep = in_keep,
						   .in_used = in_used};

static void begin(void)
{
	static const char *const region[] = {"eu", "us", "ap"};
	static const char *const gw[] = {"gw0"};
	static const char *const *const names[] = {gw, gw, gw};
	static const uint32_t count[] = {1, 1, 1};
	static const struct weir_gate_lane lane = {
		.edge = EDGE, .peer = 0, .frame_max = 65536, .in_bytes = RING};
	const struct weir_gate_options o = {.cluster = "c",
					    .region_count = 3,
					    .here = 1,
					    .region = region,
					    .gateway_count = count,
					    .gateway_name = names,
					    .heartbeat_ns = 250 * MS,
					    .suspect_ns = 1000 * MS,
					    .dead_ns = 3000 * MS,
					    .incarnation = 5,
					    .mem = &mem,
					    .link = &link_ops};
	struct weir_lane_head h = {.f.key_hash = EDGE};

	memset(&t, 0, offsetof(__typeof__(t), in));
	t.now = 1000 * MS;
	weir_lane_seal(&h, WEIR_LANE_COMMIT, 0);
	for (t.out_n = 0; t.out_n < sizeof(t.out); t.out_n += sizeof(h))
		memcpy(t.out + t.out_n, &h, sizeof(h));
	t.g = weir_gate_new(&o);
	weir_gate_lanes(t.g, &lane, 1, &lane_ops, t.now);
}

static void step(uint64_t ns)
{
	t.now += ns;
	for (unsigned i = 0; weir_gate_step(t.g, t.now, 3) <= t.now; i++)
		weir_assert(i < 16);
}

static void event(struct weir_link_event e)
{
	weir_gate_event(t.g, &e, t.now);
	step(0);
}

static void come_up(weir_link_id link, bool ours, unsigned who, bool greets)
{
	static const char *const region[] = {"eu", "us", "ap", "xx"};
	struct weir_gate_msg m = {.kind = WEIR_GATE_MSG_HELLO,
				  .hello = {.version = WEIR_GATE_VERSION,
					    .incarnation = 6,
					    .cluster = WEIR_STR("c"),
					    .region = weir_str_c(region[who % 4]),
					    .gateway = WEIR_STR("gw0")}};
	uint8_t bytes[WEIR_LINK_CONTROL_MAX];

	event((struct weir_link_event){.kind = WEIR_LINK_UP,
				       .link = link,
				       .ours = ours,
				       .region = region[who % 4],
				       .gateway = "gw0"});
	if (greets)
		event((struct weir_link_event){.kind = WEIR_LINK_CONTROL,
					       .link = link,
					       .data = bytes,
					       .n = weir_gate_msg_put(bytes, &m)});
}

static void instruction(uint8_t what, uint8_t which, const uint8_t *p, uint32_t n)
{
	struct weir_link_event e = {.link = which, .stream = which, .data = p, .n = n};
	const uint8_t *bytes;

	switch (what % 10) {
	case 0:
		return come_up(which, false, n, what & 0x80);
	case 1:
		e.kind = WEIR_LINK_CONTROL;
		return event(e);
	case 2:
		e.kind = WEIR_LINK_STREAM_OPEN;
		e.stream = 1 + what;
		return event(e);
	case 3:
		e.kind = WEIR_LINK_STREAM_DATA;
		return event(e);
	case 4:
		e.kind = WEIR_LINK_STREAM_ACKED;
		e.offset = (uint64_t)n * 8;
		return event(e);
	case 5:
		e.kind = what & 0x80 ? WEIR_LINK_DOWN : WEIR_LINK_STREAM_CLOSED;
		e.text = "gone";
		return event(e);
	case 6:
		t.full = !(what & 0x80);
		t.used = what & 0x40 ? 0 : t.used;
		return step(0);
	case 7:
		return step((uint64_t)n * 20 * MS);
	case 8:
		return come_up(1000 + which, true, n, what & 0x80);
	default:
		weir_gate_peek(t.g, which, n, &bytes);
		weir_gate_peek(t.g, 1000 + which, n, &bytes);
		return;
	}
}

/* Streams are never of one number twice. */
static bool fresh(uint8_t what, bool *seen)
{
	if (what % 10 != 2)
		return true;
	if (seen[what])
		return false;
	seen[what] = true;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	bool links[256] = {false}, streams[256] = {false};
	struct weir_gate_region_info info;
	size_t at = 0;

	if (size)
		memcpy(exact, data, size);
	if (size && exact[0] == 0xff) {
		message(exact + 1, (uint32_t)size - 1);
	} else if (size && exact[0] == 0xfe) {
		header(exact + 1, (uint32_t)size - 1);
	} else {
		begin();
		while (size - at >= 3 && at < 8192) {
			uint8_t what = exact[at], which = exact[at + 1];
			uint32_t n = (uint32_t)WEIR_MIN((size_t)exact[at + 2], size - at - 3);

			if (what % 10 == 0 && links[which])
				what++;
			links[which] |= what % 10 == 0;
			if (fresh(what, streams))
				instruction(what, which, exact + at + 3, n);
			at += 3 + n;
		}
		/* Whatever was said: a peer that behaves gets its link, at the latest when the others are silent. */
		step(4000 * MS);
		come_up(900, false, 2, true);
		weir_gate_region(t.g, 2, &info);
		weir_assert(info.links == 1 && info.health == WEIR_GATE_ALIVE);
		weir_gate_free(t.g);
	}
	free(exact);
	return 0;
}
