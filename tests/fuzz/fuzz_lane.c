/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a lane from an end that says anything, and parts and hellos that are any bytes.
 *
 * Input: first byte 0xff: the rest is a part. 0xfe: a frame. 0xfd: what the other end says in HELLO. 0xfc: a packed batch, first
 *        its codec. Else instructions: each a byte that says what (low 4 bits) and how much (high 4 bits); behind "frame" come
 *        its fields.
 * Checks: what passes is used, and stays inside; a receiver emits whole records with no number left out and keeps no more than it
 *        granted; a sender writes only whole frames, and its cursor never moves back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "engine/core/edge_int.h"
#include "engine/edge/lane_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EDGE UINT64_C(5)
#define STAGING 4000u
#define READY 4000u
#define BATCHES 8
#define EPOCHS 4

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
static struct weir_schema schema;
static uint8_t *part[EPOCHS + 1];
static size_t part_bytes[EPOCHS + 1];
static struct weir_edge_batch good[BATCHES];
static struct weir_lane_pack *pack;

/* Epochs of two batches each, and what a receiver would expect of them. */
static void set_up(void)
{
	static uint64_t room[32];
	struct weir_edge_writer w;
	uint64_t row[16];
	uint32_t n = 0;

	if (pack)
		return;
	weir_schema_add(&schema, WEIR_STR("id"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&schema, WEIR_STR("text"), weir_type_of(WEIR_STRING), true);
	weir_schema_seal(&schema);
	weir_edge_writer_init(&w, &mem, room, sizeof(room));
	for (int e = 1; e <= EPOCHS; e++) {
		struct weir_edge_walk walk;
		struct weir_out o;

		for (int i = 0; i < 6; i++) {
			struct weir_builder b;

			weir_build_begin(&b, row, sizeof(row), &schema);
			weir_build_i64(&b, 0, e * 100 + i);
			weir_build_str(&b, 1, WEIR_STR("some text"));
			weir_assert(weir_build_end(&b));
			weir_edge_writer_add(&w, b.f);
		}
		weir_out_init(&o, &mem);
		weir_edge_writer_part(&w, &o);
		part_bytes[e] = (size_t)o.bytes;
		part[e] = take(NULL, part_bytes[e], 16);
		weir_out_copy(&o, part[e]);
		weir_out_fini(&o);
		weir_assert(weir_edge_walk_begin(&walk, weir_reader_of(part[e], part_bytes[e])) ==
			    0);
		while (n < BATCHES && weir_edge_walk_next(&walk, &good[n]) > 0)
			n++;
	}
	weir_assert(n == BATCHES);
	pack = weir_lane_pack_new(NULL, NULL, NULL);
	weir_assert(pack);
}

/* ---- bytes ---- */

static void any_part(struct weir_reader in)
{
	struct weir_edge_walk w;
	struct weir_edge_batch b = {0};
	uint64_t seq;
	int r = weir_edge_walk_begin(&w, in);

	if (r < 0)
		return;
	seq = w.at.seq;
	while ((r = weir_edge_walk_next(&w, &b)) > 0) {
		weir_assert(b.seq == seq && b.count > 0);
		weir_assert(b.p >= in.p && b.p + b.bytes <= in.end);
		seq += b.count;
	}
	weir_assert(r < 0 || (w.end.seq == seq && w.end.chain == b.chain_after));
}

static void any_frame(const uint8_t *p, size_t n)
{
	struct weir_lane_head *h = take(NULL, n, 8);
	int64_t stride;

	memcpy(h, p, n);
	stride = weir_lane_stride(h, n, WEIR_LANE_FRAME_LIMIT);
	weir_assert(stride <= (int64_t)WEIR_LANE_FRAME_LIMIT);
	if (weir_lane_check(h, n) == 0)
		weir_assert(stride > 0 && (uint64_t)stride <= n);
	free(h);
}

static void any_hello(const uint8_t *p, size_t n)
{
	struct weir_out o;
	uint8_t *ours;
	size_t bytes;
	char what[256];

	weir_out_init(&o, &mem);
	weir_edge_hello_put(&o, "home", "orders", "parse", "", "eu", "us", &schema);
	bytes = (size_t)o.bytes;
	ours = take(NULL, bytes, 8);
	weir_out_copy(&o, ours);
	weir_out_fini(&o);
	memset(what, 1, sizeof(what));
	weir__edge_hello_differ((struct weir_str){(char *)ours, bytes},
				(struct weir_str){(const char *)p, n}, what, sizeof(what));
	weir_assert(memchr(what, 0, sizeof(what)));
	free(ours);
}

static void any_packed(const uint8_t *p, size_t n)
{
	const struct weir_lane_codecs *c = weir_lane_pack_codecs(pack);
	uint32_t raw = n > 1 ? 8u * p[1] : 8;
	uint8_t *out = take(NULL, raw, 8);

	if (n > 2)
		c->unpack(c->ctx, p[0], p + 2, (uint32_t)(n - 2), out, raw);
	free(out);
}

/* ---- both ends ---- */

struct world {
	struct weir_reader in;
	struct weir_edge_in *r;
	struct weir_edge_out *s;
	struct weir_lane_io io;
	uint64_t *claimed;
	uint64_t now, next, cursor, epoch;
	uint32_t heard; /* frames the ends wrote */
	uint64_t session; /* newest RESUME */
	bool r_over, s_over;
};

static void *claim(void *ctx, uint32_t n)
{
	struct world *w = ctx;

	free(w->claimed);
	w->claimed = take(NULL, n, 8);
	return w->claimed;
}

static void keep(void *ctx, uint32_t n)
{
	struct world *w = ctx;
	const struct weir_lane_head *h = (const void *)w->claimed;

	weir_assert(weir_lane_check(h, n) == 0 && h->f.key_hash == EDGE);
	if (h->f.flags == WEIR_LANE_RESUME)
		w->session = (uint64_t)h->f.time_ns;
	w->heard++;
}

static void give_frame(struct world *w, const struct weir_lane_head *h, bool to_receiver)
{
	struct weir_err err = {0};
	int r;

	if (to_receiver) {
		r = weir_edge_in_receive(w->r, h, w->now, &err);
		weir_assert(!w->r_over || r < 0);
		w->r_over = r < 0;
	} else {
		r = weir_edge_out_receive(w->s, h, w->now, &err);
		weir_assert(!w->s_over || r < 0);
		w->s_over = r < 0;
	}
	weir_assert((r < 0) == (err.text[0] != 0));
}

/* A frame with fields from the input; sessions, numbers and chains are small, so that they often fit. */
static void wild_frame(struct world *w, bool to_receiver)
{
	uint8_t type = weir_read_u8(&w->in), session = weir_read_u8(&w->in);
	uint8_t seq = weir_read_u8(&w->in), count = weir_read_u8(&w->in);
	uint8_t fence = weir_read_u8(&w->in), chain = weir_read_u8(&w->in);
	uint8_t n = weir_read_u8(&w->in);
	struct weir_reader body = weir_read_part(&w->in, n);
	uint64_t frame[(64 + 256) / 8] = {0};
	struct weir_lane_head *h = (struct weir_lane_head *)(void *)frame;

	n = (uint8_t)weir_reader_left(&body);
	h->f.key_hash = EDGE + (session == 255);
	h->f.time_ns = session < 128 ? (int64_t)(w->session - session) : session - 128;
	h->seq = seq == 255 ? UINT64_MAX - 3 : seq;
	h->count = count;
	h->fence = fence;
	h->epoch = (uint64_t)fence << 8;
	h->chain = chain < BATCHES ? good[chain].chain_before : chain;
	type = (uint8_t)(type % WEIR_LANE_TYPE_COUNT);
	if (type == 0 || (type == WEIR_LANE_DATA && n <= sizeof(struct weir_lane_data)))
		return;
	if (type != WEIR_LANE_HELLO && type != WEIR_LANE_DATA && type != WEIR_LANE_STATUS &&
	    type != WEIR_LANE_CLOSED)
		n = 0;
	if (n)
		memcpy(h + 1, body.p, n);
	if (type == WEIR_LANE_HELLO && chain & 1)
		h->chain = weir_hash64_seed(h + 1, n, 0);
	weir_lane_seal_body(h, (enum weir_lane_type)type, n);
	give_frame(w, h, to_receiver);
}

/* What a sender says that is all right. */
static void good_frame(struct world *w, enum weir_lane_type type, unsigned k)
{
	uint64_t frame[(64 + 16 + 256) / 8] = {0};
	struct weir_lane_head *h = (struct weir_lane_head *)(void *)frame;
	const struct weir_edge_batch *b = &good[k % BATCHES];
	struct weir_lane_data d = {.raw_bytes = b->bytes};
	uint32_t n = 0;

	h->f.key_hash = EDGE;
	h->f.time_ns = (int64_t)w->session;
	h->fence = 3;
	h->seq = b->seq;
	if (type == WEIR_LANE_HELLO) {
		memcpy(h + 1, "hi", n = 2);
		h->chain = weir_hash64_seed("hi", 2, 0);
		if (k & 1)
			h->f.time_ns = 0;
	} else if (type == WEIR_LANE_DATA) {
		memcpy(h + 1, &d, sizeof(d));
		memcpy((uint8_t *)(h + 1) + sizeof(d), b->p, b->bytes);
		n = (uint32_t)sizeof(d) + b->bytes;
		h->count = b->count;
		h->chain = b->chain_before;
	} else if (type == WEIR_LANE_COMMIT) {
		h->seq += b->count;
		h->chain = b->chain_after;
	}
	weir_lane_seal_body(h, type, n);
	give_frame(w, h, true);
}

static void take_rows(struct world *w, uint32_t cap)
{
	const struct weir_frame *row[16], *ctl;
	uint32_t n = weir_edge_in_take(w->r, row, cap, &ctl);

	weir_assert(n <= cap && (!ctl || n == 0));
	for (uint32_t i = 0; i < n; i++)
		weir_assert(row[i]->kind == WEIR_FRAME_DATA &&
			    weir_frame_check(row[i], weir_frame_stride(row[i]), &schema) == 0);
	w->next += n + (ctl != NULL);
}

static void restart_receiver(struct world *w)
{
	struct weir_edge_in_options o = {.edge = EDGE,
					 .life = ++w->epoch,
					 .hello = WEIR_STR("hi"),
					 .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					 .staging_bytes = STAGING,
					 .ready_bytes = READY,
					 .schema = &schema,
					 .codecs = weir_lane_pack_codecs(pack),
					 .mem = &mem};
	struct weir_out place;
	uint8_t *p;

	weir_out_init(&place, &mem);
	if (w->r) {
		weir_edge_in_put(w->r, &place);
		weir_edge_in_free(w->r);
	}
	w->r = weir_edge_in_new(&o);
	w->r_over = false;
	if (place.bytes) {
		struct weir_reader in;

		p = take(NULL, (size_t)place.bytes, 8);
		weir_out_copy(&place, p);
		in = weir_reader_of(p, (size_t)place.bytes);
		weir_assert(weir_edge_in_restore(w->r, &in) == 0);
		free(p);
	}
	weir_out_fini(&place);
}

/* Any bytes as a place: refused, or a place that can be gone on from. */
static void any_place(struct world *w)
{
	struct weir_reader in = weir_read_part(&w->in, WEIR_MIN(weir_reader_left(&w->in), 45u));
	struct weir_edge_in *fresh;

	fresh = w->r;
	w->r = NULL;
	restart_receiver(w);
	weir_edge_in_restore(w->r, &in);
	weir_edge_in_free(w->r);
	w->r = fresh;
}

static void offer(struct world *w, unsigned e, bool committed)
{
	struct weir_err err = {0};
	int r;

	e = e % EPOCHS + 1;
	r = weir_edge_out_offer(w->s, e, e - 1, weir_reader_of(part[e], part_bytes[e]), committed,
				&w->io, w->now, &err);
	weir_assert(r <= WEIR_EDGE_LATER && (r < 0) == (err.text[0] != 0));
	w->s_over |= r < 0;
}

static void check(struct world *w)
{
	struct weir_edge_in_info i;

	weir_edge_in_info(w->r, &i);
	weir_assert(i.next_seq == w->next && i.durable <= i.next_seq);
	weir_assert(i.staged_bytes <= STAGING);
	weir_assert(weir_edge_out_cursor(w->s) >= w->cursor);
	w->cursor = weir_edge_out_cursor(w->s);
	weir_edge_in_deadline(w->r);
	weir_edge_out_again(w->s);
}

static void instruction(struct world *w)
{
	uint8_t op = weir_read_u8(&w->in), much = op >> 4;

	switch (op & 15) {
	case 0:
	case 1:
		wild_frame(w, op & 1);
		break;
	case 2:
		good_frame(w, WEIR_LANE_OPEN, 0);
		break;
	case 3:
		good_frame(w, WEIR_LANE_HELLO, much);
		break;
	case 4:
		if (weir_edge_in_room(w->r))
			good_frame(w, WEIR_LANE_DATA, much);
		break;
	case 5:
		good_frame(w, WEIR_LANE_COMMIT, much);
		break;
	case 6:
		take_rows(w, much);
		break;
	case 7:
		weir_edge_in_frozen(w->r, ++w->epoch);
		break;
	case 8:
		weir_edge_in_durable(w->r, w->epoch - WEIR_MIN((uint64_t)much, w->epoch));
		break;
	case 9:
		weir_edge_in_step(w->r, &w->io, much & 1 ? "sink@us" : "", w->now);
		break;
	case 10:
		weir_edge_out_step(w->s, &w->io, w->now);
		break;
	case 11:
		w->now += (uint64_t)WEIR_NS_PER_MS << much;
		break;
	case 12:
	case 13:
		offer(w, much, op & 1);
		break;
	case 14:
		restart_receiver(w);
		break;
	default:
		any_place(w);
		break;
	}
	check(w);
}

static void instructions(struct weir_reader in)
{
	struct weir_edge_out_options o = {.edge = EDGE,
					  .fence = 3,
					  .knows_end = weir_reader_left(&in) & 1,
					  .renewable = weir_reader_left(&in) & 2,
					  .end = 6,
					  .hello = WEIR_STR("hi"),
					  .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					  .codecs = weir_lane_pack_codecs(pack),
					  .mem = &mem};
	struct world w = {.in = in, .now = 1000 * (uint64_t)WEIR_NS_PER_MS};

	w.io = (struct weir_lane_io){claim, keep, &w};
	w.s = weir_edge_out_new(&o, 0, (struct weir_edge_pos){0, 0});
	restart_receiver(&w);
	while (weir_reader_left(&w.in) && !w.in.bad)
		instruction(&w);
	weir_edge_out_free(w.s);
	weir_edge_in_free(w.r);
	free(w.claimed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	if (size == 0)
		return 0;
	set_up();
	/* A copy of exactly this size, so that the sanitizer sees the first byte too many. */
	exact = take(NULL, size - 1, 1);
	memcpy(exact, data + 1, size - 1);
	if (data[0] == 0xff)
		any_part(weir_reader_of(exact, size - 1));
	else if (data[0] == 0xfe)
		any_frame(exact, size - 1);
	else if (data[0] == 0xfd)
		any_hello(exact, size - 1);
	else if (data[0] == 0xfc)
		any_packed(exact, size - 1);
	else
		instructions(weir_reader_of(exact, size - 1));
	free(exact);
	return 0;
}
