/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small net in memory with its own clock, and gateways on it: each end has a transport (weir_quic) and a core that writes down
 * what it is told, sends bytes of a pattern and checks what it gets against it.
 *
 * Use: world_init(), world_open() for each gateway, then world_run(). Faults: loss, delay, cut, and `hook`, which sees every datagram.
 */
#ifndef WEIR_TESTS_QUIC_WORLD_H
#define WEIR_TESTS_QUIC_WORLD_H

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/prng.h"
#include "gateway/edge/certs.h"
#include "gateway/edge/quic_priv.h"
#include "tests/lib/test.h"

#define ENDS 8
#define STREAMS 2048
#define LINKS 512
#define PATTERN 65521u
#define MS (UINT64_C(1000000))

struct letter {
	struct letter *next;
	uint64_t due;
	int from;
	uint32_t n;
	uint8_t data[];
};

struct app_stream {
	weir_stream_id id;
	bool ours, closed, wrong;
	uint8_t shift; /* of the pattern, told in the header */
	uint64_t limit; /* bytes to send; 0: none */
	uint64_t acked, got, given; /* given: credit */
	bool greedy; /* gives credit for all it gets */
	char header[64], text[256];
	const uint8_t *own; /* instead of the pattern */
};

struct app_link {
	weir_link_id id;
	int up, down;
	bool ours;
	char region[32], gateway[64], text[256], control[64];
	uint32_t controls;
};

struct end {
	struct weir_dgram_io io; /* first */
	struct world *w;
	int index;
	struct weir_quic *q;
	uint64_t next;
	struct letter *first, **last, *lent;
	uint64_t sent, sent_segments, blocked; /* entries, datagrams */
	bool no_room; /* send() takes nothing */
	struct app_link link[LINKS];
	uint32_t links;
	struct app_stream stream[STREAMS];
	uint32_t streams;
	bool stingy; /* accepted streams give no credit */
	uint64_t reply; /* bytes to send on an accepted stream */
	char certs[96];
};

struct world {
	uint64_t now, delay;
	uint32_t loss; /* 1/65536 */
	struct weir_prng prng;
	uint32_t cut; /* ends that are cut off, as bits */
	bool (*hook)(struct world *w, int from, int to, const uint8_t *p,
		     uint32_t n); /* false: drop */
	void *hook_ctx;
	struct weir_cluster cluster;
	char dir[64]; /* of certificates, "" none yet */
	uint8_t pattern[2 * PATTERN];
	struct end end[ENDS];
};

static inline struct sockaddr_storage world_address(int i)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&sa;

	in->sin_family = AF_INET;
	in->sin_port = htons(7400);
	in->sin_addr.s_addr = htonl(UINT32_C(0x0a000001) + (uint32_t)i);
	return sa;
}

static inline void world_post(struct world *w, int from, int to, const uint8_t *p, uint32_t n)
{
	struct end *e = &w->end[to];
	struct letter *l = (struct letter *)malloc(sizeof(*l) + n);

	*l = (struct letter){.due = w->now + w->delay, .from = from, .n = n};
	memcpy(l->data, p, n);
	*e->last = l;
	e->last = &l->next;
}

static int world_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count)
{
	struct end *e = (struct end *)(void *)io;
	struct world *w = e->w;

	if (e->no_room) {
		e->blocked++;
		return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&d[i].peer;
		uint32_t to = ntohl(in->sin_addr.s_addr) - UINT32_C(0x0a000001), at = 0, n;
		const uint8_t *p;

		e->sent++;
		assert_true(d[i].n <= WEIR_DGRAM_BYTES_MAX);
		assert_true(weir_dgram_count(&d[i]) <= WEIR_DGRAM_SEGS);
		while (weir_dgram_next(&d[i], &at, &p, &n)) {
			e->sent_segments++;
			assert_true(n <= io->payload_max);
			if (to >= ENDS || (w->cut >> to & 1) || (w->cut >> e->index & 1) ||
			    weir_prng_chance(&w->prng, w->loss, 65536) ||
			    (w->hook && !w->hook(w, e->index, (int)to, p, n)))
				continue;
			world_post(w, e->index, (int)to, p, n);
		}
	}
	return (int)count;
}

static void letters_free(struct letter *l)
{
	while (l) {
		struct letter *next = l->next;

		free(l);
		l = next;
	}
}

static int world_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap)
{
	struct end *e = (struct end *)(void *)io;
	struct letter **tail = &e->lent;
	uint32_t n = 0;

	letters_free(e->lent);
	e->lent = NULL;
	while (n < cap && e->first && e->first->due <= e->w->now) {
		struct letter *l = e->first;

		e->first = l->next;
		if (!e->first)
			e->last = &e->first;
		l->next = NULL;
		*tail = l;
		tail = &l->next;
		ret[n++] = (struct weir_dgram){.peer = world_address(l->from),
					       .peer_len = sizeof(struct sockaddr_in),
					       .p = l->data,
					       .n = l->n};
	}
	return (int)n;
}

static const struct weir_dgram_ops world_ops = {
	.name = "world", .recv = world_recv, .send = world_send};

/* ---- the core of an end ---- */

static struct app_link *app_link(struct end *e, weir_link_id id)
{
	for (uint32_t i = e->links; i-- > 0;)
		if (e->link[i].id == id)
			return &e->link[i];
	assert_true(e->links < LINKS);
	e->link[e->links] = (struct app_link){.id = id};
	return &e->link[e->links++];
}

static struct app_stream *app_stream(struct end *e, weir_stream_id id)
{
	for (uint32_t i = e->streams; i-- > 0;)
		if (e->stream[i].id == id)
			return &e->stream[i];
	return NULL;
}

static struct app_stream *app_stream_new(struct end *e, weir_stream_id id, const void *header,
					 uint32_t n)
{
	struct app_stream *s = &e->stream[e->streams++];

	assert_true(e->streams <= STREAMS);
	*s = (struct app_stream){.id = id, .greedy = !e->stingy};
	snprintf(s->header, sizeof(s->header), "%.*s", (int)n, (const char *)header);
	s->shift = n ? ((const uint8_t *)header)[n - 1] : 0;
	return s;
}

static const struct weir_link_ops *ops_of(struct end *e)
{
	return weir_quic_ops(e->q);
}

static void app_data(struct end *e, struct app_stream *s, const struct weir_link_event *ev)
{
	uint64_t at = (s->got + s->shift) % PATTERN;

	for (uint32_t i = 0; i < ev->n;) {
		uint32_t k = (uint32_t)WEIR_MIN((uint64_t)ev->n - i, PATTERN);

		if (memcmp(e->w->pattern + at, ev->data + i, k))
			s->wrong = true;
		i += k;
		at = (at + k) % PATTERN;
	}
	s->got += ev->n;
	if (s->greedy) {
		s->given += ev->n;
		ops_of(e)->credit(ops_of(e)->ctx, s->id, ev->n);
	}
}

static void app_event(void *ctx, const struct weir_link_event *ev)
{
	struct end *e = (struct end *)ctx;
	struct app_link *l = app_link(e, ev->link);
	struct app_stream *s = app_stream(e, ev->stream);

	assert_true(l->up || ev->kind == WEIR_LINK_UP || ev->kind == WEIR_LINK_DOWN);
	assert_false(l->down);
	switch (ev->kind) {
	case WEIR_LINK_UP:
		l->up++;
		l->ours = ev->ours;
		snprintf(l->region, sizeof(l->region), "%s", ev->region);
		snprintf(l->gateway, sizeof(l->gateway), "%s", ev->gateway);
		break;
	case WEIR_LINK_DOWN:
		l->down++;
		snprintf(l->text, sizeof(l->text), "%s", ev->text);
		break;
	case WEIR_LINK_CONTROL:
		l->controls++;
		snprintf(l->control, sizeof(l->control), "%.*s", (int)ev->n,
			 (const char *)ev->data);
		break;
	case WEIR_LINK_STREAM_OPEN:
		assert_null(s);
		s = app_stream_new(e, ev->stream, ev->data, ev->n);
		s->limit = e->reply;
		if (e->reply)
			ops_of(e)->ready(ops_of(e)->ctx, s->id);
		break;
	case WEIR_LINK_STREAM_DATA:
		assert_non_null(s);
		assert_false(s->closed);
		app_data(e, s, ev);
		break;
	case WEIR_LINK_STREAM_ACKED:
		assert_non_null(s);
		assert_true(ev->offset > s->acked && ev->offset <= s->limit);
		s->acked = ev->offset;
		break;
	case WEIR_LINK_STREAM_CLOSED:
		assert_non_null(s);
		assert_false(s->closed);
		s->closed = true;
		snprintf(s->text, sizeof(s->text), "%s", ev->text);
		break;
	}
}

static uint32_t app_peek(void *ctx, weir_stream_id id, uint64_t offset, const uint8_t **ret_p)
{
	struct end *e = (struct end *)ctx;
	struct app_stream *s = app_stream(e, id);
	uint64_t at, n;

	assert_non_null(s);
	if (offset >= s->limit)
		return 0;
	at = (offset + s->shift) % PATTERN;
	n = WEIR_MIN(s->limit - offset, (uint64_t)PATTERN - at); /* like a ring: to its end only */
	if (s->own) {
		*ret_p = s->own + offset;
		return (uint32_t)(s->limit - offset);
	}
	*ret_p = e->w->pattern + at;
	return (uint32_t)n;
}

/* ---- running it ---- */

static inline void world_open_as(struct world *w, int i, uint32_t region, uint32_t gateway,
				 const char *certs, uint32_t half_open)
{
	struct end *e = &w->end[i];
	struct weir_err err = {0};
	struct weir_quic_options o = {.io = &e->io,
				      .cluster = &w->cluster,
				      .region = region,
				      .gateway = gateway,
				      .certs = certs,
				      .source = {app_peek, e},
				      .event = app_event,
				      .ctx = e,
				      .half_open_max = half_open};
	int r = weir_quic_open(&o, &e->q, &err);

	if (r)
		fail_msg("%s", err.text);
	e->links = e->streams = 0;
}

/* End i is gateway i % gateways of region i / gateways. */
static inline void world_open(struct world *w, int i)
{
	uint32_t per = w->cluster.region[0].gateway_count;

	world_open_as(w, i, (uint32_t)i / per, (uint32_t)i % per, w->dir, 0);
}

static inline void world_close(struct world *w, int i)
{
	weir_quic_close(w->end[i].q, w->now);
	w->end[i].q = NULL;
}

/* Forgets the transport of an end without a word to anyone. */
static inline void world_kill(struct world *w, int i)
{
	uint32_t cut = w->cut;

	w->cut |= 1u << i;
	world_close(w, i);
	w->cut = cut;
	letters_free(w->end[i].first);
	w->end[i].first = NULL;
	w->end[i].last = &w->end[i].first;
}

/* One moment: everybody's step, until nobody has anything to do now. Returns when the next is. */
static inline uint64_t world_moment(struct world *w)
{
	uint64_t next;

	for (int rounds = 0; rounds < 200; rounds++) {
		bool again = false;

		next = UINT64_MAX;
		for (int i = 0; i < ENDS; i++) {
			struct end *e = &w->end[i];

			if (!e->q) {
				while (e->first) { /* nobody home */
					struct letter *l = e->first;

					e->first = l->next;
					free(l);
				}
				e->last = &e->first;
				continue;
			}
			e->next = weir_quic_step(e->q, w->now);
			next = WEIR_MIN(next, e->next);
			again |= e->next <= w->now;
		}
		for (int i = 0; i < ENDS; i++)
			if (w->end[i].q && w->end[i].first) {
				next = WEIR_MIN(next, w->end[i].first->due);
				again |= w->end[i].first->due <= w->now;
			}
		if (!again)
			return next;
	}
	return w->now + 1000; /* a wire without delay: time goes on */
}

static inline void world_run(struct world *w, uint64_t ns)
{
	uint64_t until = w->now + ns;

	while (w->now < until)
		w->now = WEIR_MIN(until, WEIR_MAX(world_moment(w), w->now + 1));
	world_moment(w);
}

/* Runs until the condition holds, or ns passed; the value of the condition. */
#define world_until(w, ns, condition)                                                              \
	({                                                                                         \
		uint64_t until_ = (w)->now + (ns);                                                 \
		while (!(condition) && (w)->now < until_)                                          \
			(w)->now = WEIR_MIN(until_, WEIR_MAX(world_moment(w), (w)->now + 1));      \
		(condition);                                                                       \
	})

static inline struct app_link *world_dial(struct world *w, int i, uint32_t region, uint32_t gateway)
{
	struct end *e = &w->end[i];

	return app_link(e, ops_of(e)->dial(ops_of(e)->ctx, region, gateway));
}

/* The newest link of an end that it accepted and that is up. */
static inline struct app_link *world_accepted(struct world *w, int i)
{
	struct end *e = &w->end[i];

	for (uint32_t k = e->links; k-- > 0;)
		if (!e->link[k].ours && e->link[k].up && !e->link[k].down)
			return &e->link[k];
	return NULL;
}

static inline struct app_stream *world_stream(struct world *w, int i, const struct app_link *l,
					      const char *header, uint64_t bytes)
{
	struct end *e = &w->end[i];
	weir_stream_id id =
		ops_of(e)->open(ops_of(e)->ctx, l->id, header, (uint32_t)strlen(header));
	struct app_stream *s = app_stream_new(e, id, header, (uint32_t)strlen(header));

	assert_true(id);
	s->ours = true;
	s->limit = bytes;
	ops_of(e)->ready(ops_of(e)->ctx, id);
	return s;
}

static inline struct weir_quic_stats world_stats(const struct world *w, int i)
{
	struct weir_quic_stats s;

	weir_quic_stats(w->end[i].q, &s);
	return s;
}

static inline void world_certs(const char *dir, const char *cluster, const char *const *region,
			       uint32_t count, uint32_t days)
{
	struct weir_err err = {0};

	if (weir_certs_make_ca(dir, cluster, days, false, &err))
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < count; i++)
		if (weir_certs_make_region(dir, cluster, region[i], days, false, &err))
			fail_msg("%s", err.text);
}

static int world_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static inline void world_remove(const char *dir)
{
	nftw(dir, world_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *const world_region[] = {"eu", "us", "ap", "sa"};

static inline void world_cluster(struct weir_cluster *c, uint32_t gateways)
{
	static char listen[ENDS][32];

	*c = (struct weir_cluster){.name = "shop",
				   .file = "cluster.yaml",
				   .certs = "",
				   .region_count = WEIR_COUNT_OF(world_region),
				   .linger_ns = MS,
				   .window_bytes = UINT64_C(32) << 20,
				   .heartbeat_ns = 250 * MS,
				   .suspect_ns = 1000 * MS,
				   .dead_ns = 3000 * MS};
	for (uint32_t r = 0; r < c->region_count; r++) {
		strcpy(c->region[r].name, world_region[r]);
		c->region[r].gateway_count = gateways;
		for (uint32_t g = 0; g < gateways; g++) {
			uint32_t i = r * gateways + g;

			snprintf(c->region[r].gateway[g].name, WEIR_NAME_MAX, "gw%u", g);
			snprintf(listen[i], sizeof(listen[i]), "10.0.0.%u:7400", i + 1);
			c->region[r].gateway[g].listen = listen[i];
		}
	}
}

static inline struct world *world_new(uint32_t gateways, uint64_t seed)
{
	struct world *w = (struct world *)calloc(1, sizeof(*w));

	w->now = UINT64_C(1000000000);
	w->delay = MS;
	w->prng = weir_prng_of(seed, "world");
	for (uint32_t i = 0; i < PATTERN; i++)
		w->pattern[i] = w->pattern[PATTERN + i] = (uint8_t)weir_prng_u64(&w->prng);
	world_cluster(&w->cluster, gateways);
	for (int i = 0; i < ENDS; i++) {
		struct end *e = &w->end[i];

		e->w = w;
		e->index = i;
		e->io = (struct weir_dgram_io){.ops = &world_ops,
					       .local = world_address(i),
					       .local_len = sizeof(struct sockaddr_in),
					       .payload_max = WEIR_DGRAM_PAYLOAD_V4,
					       .gso = true};
		e->last = &e->first;
	}
	strcpy(w->dir, "/tmp/weir-test-quic.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	world_certs(w->dir, "shop", world_region, WEIR_COUNT_OF(world_region), 30);
	return w;
}

static inline void world_free(struct world *w)
{
	for (int i = 0; i < ENDS; i++)
		if (w->end[i].q)
			world_close(w, i);
	for (int i = 0; i < ENDS; i++) {
		letters_free(w->end[i].first);
		letters_free(w->end[i].lent);
	}
	world_remove(w->dir);
	free(w);
}

#endif
