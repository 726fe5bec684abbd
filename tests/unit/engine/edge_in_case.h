/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/edge_in_case.h - a receiving end by hand: frames go in one by one, what it says is looked at. */
#ifndef WEIR_TESTS_UNIT_ENGINE_EDGE_IN_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_EDGE_IN_CASE_H

#include "base/checksum.h"
#include "tests/unit/engine/edge_case.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)
#define BATCHES 12
#define ROWS 5

/* A receiver, and twelve batches of five records that a sender might have for it. */
struct rig {
	struct edge_wire wire;
	struct weir_edge_in_options opt;
	struct weir_edge_in *i;
	struct edge_bytes part;
	struct weir_edge_batch b[BATCHES];
	uint64_t now;
	uint64_t session;
	struct weir_err err;
};

static struct rig rig;

static inline void rig_batches(struct rig *r, uint64_t first, uint32_t text)
{
	struct weir_edge_writer w;
	uint64_t room[160];
	struct weir_edge_walk walk;

	free(r->part.p);
	weir_edge_writer_init(&w, &weir_test_mem, room, ROWS * (24 + 16 + text));
	for (uint64_t k = 0; k < BATCHES * ROWS; k++)
		weir_edge_writer_add(&w, edge_row(first + k, text));
	r->part = edge_part_of(&w);
	assert_int_equal(weir_edge_walk_begin(&walk, edge_reader(&r->part)), 0);
	for (int k = 0; k < BATCHES; k++)
		assert_int_equal(weir_edge_walk_next(&walk, &r->b[k]), 1);
}

static inline struct rig *rig_new(void)
{
	struct rig *r = &rig;

	memset(r, 0, sizeof(*r));
	edge_wire_init(&r->wire);
	rig_batches(r, 0, 200);
	r->opt = (struct weir_edge_in_options){.edge = EDGE_ID,
					       .life = 3,
					       .hello = EDGE_HELLO,
					       .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					       .staging_bytes = 6 * 1328,
					       .ready_bytes = 6 * 1328,
					       .schema = edge_schema(),
					       .mem = &weir_test_mem};
	r->i = weir_edge_in_new(&r->opt);
	r->now = 1000 * MS;
	return r;
}

static inline void rig_free(struct rig *r)
{
	free(r->part.p);
	edge_wire_clear(&r->wire);
	weir_edge_in_free(r->i);
}

static inline int hear_frame(struct rig *r, struct edge_wire_frame *f)
{
	int rc;

	r->err = (struct weir_err){0};
	rc = weir_edge_in_receive(r->i, edge_head(f), r->now, &r->err);
	assert_true((rc < 0) == (r->err.text[0] != 0));
	free(f);
	return rc;
}

static inline int hear(struct rig *r, enum weir_lane_type type, struct weir_lane_head h,
		       struct weir_str body)
{
	h.f.key_hash = h.f.key_hash ? h.f.key_hash : EDGE_ID;
	return hear_frame(r, edge_frame(type, h, body.p, body.n));
}

/* Of the session at hand, from a sender with fence 5. */
static inline struct weir_lane_head at(const struct rig *r, uint64_t seq, uint64_t chain)
{
	return (struct weir_lane_head){
		.f = {.time_ns = (int64_t)r->session}, .seq = seq, .fence = 5, .chain = chain};
}

static inline int say_hello(struct rig *r, uint64_t session, uint64_t fence, struct weir_str body)
{
	struct weir_lane_head h = {.f = {.time_ns = (int64_t)session},
				   .fence = fence,
				   .chain = weir_hash64_seed(body.p, body.n, 0)};

	return hear(r, WEIR_LANE_HELLO, h, body);
}

static inline struct edge_wire_frame *data_frame(const struct rig *r, struct weir_lane_head h,
						 const struct weir_edge_batch *b, uint8_t codec)
{
	struct weir_lane_data d = {.raw_bytes = b->bytes, .codec = codec};
	uint8_t *body = malloc(sizeof(d) + b->bytes);
	struct edge_wire_frame *f;

	(void)r;
	memcpy(body, &d, sizeof(d));
	memcpy(body + sizeof(d), b->p, b->bytes);
	h.count = b->count;
	h.f.key_hash = EDGE_ID;
	f = edge_frame(WEIR_LANE_DATA, h, body, sizeof(d) + b->bytes);
	free(body);
	return f;
}

static inline int batch(struct rig *r, int k)
{
	return hear_frame(r, data_frame(r, at(r, r->b[k].seq, r->b[k].chain_before), &r->b[k], 0));
}

/* Up to and with batch k. */
static inline int commit(struct rig *r, int k)
{
	return hear(r, WEIR_LANE_COMMIT, at(r, r->b[k].seq + ROWS, r->b[k].chain_after),
		    (struct weir_str){0});
}

static inline void step(struct rig *r)
{
	weir_edge_in_step(r->i, &r->wire.io, "", r->now);
}

static inline struct weir_edge_in_info info_of(const struct rig *r)
{
	struct weir_edge_in_info i;

	weir_edge_in_info(r->i, &i);
	return i;
}

/* The lane is open, the receiver has asked; *r->session is known. */
static inline struct weir_lane_head ask(struct rig *r)
{
	struct weir_lane_head h;

	hear(r, WEIR_LANE_OPEN, (struct weir_lane_head){0}, (struct weir_str){0});
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_RESUME);
	r->session = (uint64_t)h.f.time_ns;
	return h;
}

static inline struct rig *rig_open(void)
{
	struct rig *r = rig_new();
	struct weir_lane_head h = ask(r);

	assert_true(h.seq == 0 && h.chain == 0 && h.count == 0 && h.epoch == 6 * 1328);
	assert_int_equal(say_hello(r, r->session, 5, EDGE_HELLO), 0);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_DURABLE).seq, 0);
	h = edge_wire_expect(&r->wire, WEIR_LANE_RECEIVED);
	assert_true(h.seq == 0 && h.epoch == 6 * 1328);
	edge_wire_nothing(&r->wire);
	return r;
}

/* Takes n records, which must be those from `first` on. */
static inline void take(struct rig *r, uint64_t first, uint32_t n)
{
	const struct weir_frame *row[64], *ctl;

	while (n) {
		uint32_t got = weir_edge_in_take(r->i, row, WEIR_MIN(n, 64u), &ctl);

		assert_null(ctl);
		assert_true(got > 0);
		for (uint32_t k = 0; k < got; k++) {
			assert_int_equal(weir_get_i64(row[k], edge_schema(), 0), first + k);
			assert_int_equal(row[k]->stream, 7);
			assert_int_equal(row[k]->time_ns, first + k);
		}
		first += got;
		n -= got;
	}
}

static inline void nothing_to_take(struct rig *r)
{
	const struct weir_frame *row[8], *ctl = NULL;

	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 0);
	assert_null(ctl);
}

static inline struct edge_bytes place_of(struct rig *r)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	weir_edge_in_put(r->i, &o);
	return edge_bytes_of(&o);
}

static inline int restart(struct rig *r, const struct edge_bytes *place, uint64_t life)
{
	struct weir_reader in = edge_reader(place);
	int rc;

	weir_edge_in_free(r->i);
	r->opt.life = life;
	r->i = weir_edge_in_new(&r->opt);
	rc = weir_edge_in_restore(r->i, &in);
	assert_true(rc < 0 || weir_reader_left(&in) == 0);
	return rc;
}

#endif
