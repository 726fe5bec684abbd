/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"
#include "tests/unit/engine/edge_case.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)
#define EPOCHS 8

/* A sender with epochs of four batches of five records each. */
struct rig {
	struct edge_wire wire;
	struct weir_edge_writer w;
	uint64_t batch[160];
	struct weir_edge_out_options opt;
	struct weir_edge_out *o;
	struct edge_bytes part[EPOCHS + 1];
	struct weir_edge_pos end[EPOCHS + 1];
	uint64_t now;
	struct weir_err err;
	int last; /* result of the last frame */
};

static struct rig rig;

static struct rig *rig_new(const struct weir_lane_codecs *codecs)
{
	struct rig *r = &rig;
	uint64_t id = 0;

	memset(r, 0, sizeof(*r));
	edge_wire_init(&r->wire);
	/* 24 + 16 + 200 of text: 5 in a batch. */
	weir_edge_writer_init(&r->w, &weir_test_mem, r->batch, 1200);
	for (int e = 1; e <= EPOCHS; e++) {
		for (int i = 0; i < 20; i++)
			weir_edge_writer_add(&r->w, edge_row(id++, 200));
		r->part[e] = edge_part_of(&r->w);
		r->end[e] = r->w.pos;
	}
	r->opt = (struct weir_edge_out_options){.edge = EDGE_ID,
						.fence = 5,
						.knows_end = true,
						.hello = EDGE_HELLO,
						.frame_max = WEIR_LANE_FRAME_MIN_MAX,
						.codecs = codecs,
						.mem = &weir_test_mem};
	r->o = weir_edge_out_new(&r->opt, 0, (struct weir_edge_pos){0, 0});
	r->now = 1000 * MS;
	return r;
}

static void rig_free(struct rig *r)
{
	for (int e = 1; e <= EPOCHS; e++)
		free(r->part[e].p);
	edge_wire_clear(&r->wire);
	weir_edge_out_free(r->o);
}

static int hear_body(struct rig *r, enum weir_lane_type type, struct weir_lane_head h,
		     const char *body)
{
	struct edge_wire_frame *f;

	h.f.key_hash = h.f.key_hash ? h.f.key_hash : EDGE_ID;
	f = edge_frame(type, h, body, strlen(body));
	r->err = (struct weir_err){0};
	r->last = weir_edge_out_receive(r->o, edge_head(f), r->now, &r->err);
	assert_true((r->last < 0) == (r->err.text[0] != 0));
	free(f);
	return r->last;
}

static int hear(struct rig *r, enum weir_lane_type type, struct weir_lane_head h)
{
	return hear_body(r, type, h, "");
}

#define AT(s, q, ...)                                                                              \
	((struct weir_lane_head){.f = {.time_ns = (s)}, .seq = (q), .fence = 5, ##__VA_ARGS__})

static int offer(struct rig *r, int e, bool committed)
{
	r->err = (struct weir_err){0};
	return weir_edge_out_offer(r->o, (uint64_t)e, (uint64_t)e - 1, edge_reader(&r->part[e]),
				   committed, &r->wire.io, r->now, &r->err);
}

static void step(struct rig *r)
{
	weir_edge_out_step(r->o, &r->wire.io, r->now);
}

/* Everything on the wire; how many batches, and the sequence behind the last one. */
static uint32_t batches(struct rig *r, uint64_t *ret_end)
{
	uint32_t n = 0;

	while (r->wire.first && edge_head(r->wire.first)->f.flags == WEIR_LANE_DATA) {
		struct weir_lane_head h = edge_wire_expect(&r->wire, WEIR_LANE_DATA);

		*ret_end = h.seq + h.count;
		n++;
	}
	return n;
}

/* Session s of a receiver that wants everything from seq on. */
static void session(struct rig *r, int64_t s, uint64_t seq, uint64_t chain)
{
	struct weir_lane_head h;

	assert_int_equal(hear(r, WEIR_LANE_RESUME, AT(s, seq, .chain = chain, .epoch = 4 << 20)),
			 0);
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	assert_int_equal(h.f.time_ns, s);
	assert_int_equal(h.fence, 5);
	assert_true(h.chain == weir_hash64_seed("hello", 5, 0));
}

static struct rig *rig_open(const struct weir_lane_codecs *codecs)
{
	struct rig *r = rig_new(codecs);

	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_HELLO).f.time_ns, 0);
	session(r, 1, 0, 0);
	return r;
}

static struct weir_edge_out_info info_of(const struct rig *r)
{
	struct weir_edge_out_info i;

	weir_edge_out_info(r->o, &i);
	return i;
}

/* ---- the way it goes ---- */

static void test_out_says_hello_until_it_is_asked(void **state)
{
	struct rig *r = rig_new(NULL);
	uint64_t wait[] = {500, 1000, 2000, 4000, 5000, 5000};

	(void)state;
	step(r);
	edge_wire_nothing(&r->wire); /* no stream yet */
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	assert_true(info_of(r).lane_open);
	assert_int_equal(info_of(r).open_since_ns, r->now);
	step(r);
	edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	for (size_t i = 0; i < WEIR_COUNT_OF(wait); i++) {
		r->now += wait[i] * MS - 1;
		step(r);
		edge_wire_nothing(&r->wire);
		r->now++;
		step(r);
		edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	}
	session(r, 3, 0, 0);
	r->now += 60000 * MS;
	step(r);
	edge_wire_nothing(&r->wire);
	rig_free(r);
}

static void test_out_ships_early_and_commits_later(void **state)
{
	struct rig *r = rig_open(NULL);
	struct weir_lane_head h;
	uint64_t end = 0;

	(void)state;
	assert_true(weir_edge_out_again(r->o));
	assert_false(weir_edge_out_again(r->o));
	assert_int_equal(offer(r, 1, false), 0);
	assert_int_equal(batches(r, &end), 4);
	assert_int_equal(end, 20);
	assert_int_equal(offer(r, 2, false), 0);
	assert_int_equal(batches(r, &end), 4);
	edge_wire_nothing(&r->wire);
	assert_int_equal(offer(r, 1, true), 0);
	h = edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_true(h.seq == 20 && h.epoch == 1 && h.chain == r->end[1].chain);
	/* Once is enough. */
	assert_int_equal(offer(r, 1, true), 0);
	edge_wire_nothing(&r->wire);
	/* Not shipped early: the commit goes first. */
	assert_int_equal(offer(r, 2, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(offer(r, 3, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(batches(r, &end), 4);
	edge_wire_nothing(&r->wire);
	assert_int_equal(info_of(r).next_seq, 60);
	assert_int_equal(weir_edge_out_cursor(r->o), 0);
	rig_free(r);
}

static void test_out_cursor_follows_whole_epochs_that_are_durable(void **state)
{
	struct rig *r = rig_open(NULL);
	uint64_t end;

	(void)state;
	for (int e = 1; e <= 3; e++) {
		assert_int_equal(offer(r, e, true), 0);
		edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
		batches(r, &end);
	}
	hear(r, WEIR_LANE_RECEIVED, AT(1, 60, .epoch = 1000));
	assert_int_equal(weir_edge_out_cursor(r->o), 0); /* I10 */
	hear(r, WEIR_LANE_DURABLE, AT(1, 19));
	assert_int_equal(weir_edge_out_cursor(r->o), 0);
	hear(r, WEIR_LANE_DURABLE, AT(1, 41));
	assert_int_equal(weir_edge_out_cursor(r->o), 2);
	hear(r, WEIR_LANE_DURABLE, AT(1, 10)); /* overtaken */
	assert_int_equal(weir_edge_out_cursor(r->o), 2);
	assert_int_equal(offer(r, 2, true), 0); /* confirmed: nothing to do */
	edge_wire_nothing(&r->wire);
	hear(r, WEIR_LANE_DURABLE, AT(1, 60));
	assert_int_equal(weir_edge_out_cursor(r->o), 3);
	assert_int_equal(info_of(r).durable, 60);
	assert_int_equal(info_of(r).received, 60);
	rig_free(r);
}

static void test_out_credit_bounds_what_is_not_committed(void **state)
{
	struct rig *r = rig_open(NULL);
	uint64_t end = 0;

	(void)state;
	/* Room for three batches of 1200 + 128 bytes. */
	hear(r, WEIR_LANE_RECEIVED, AT(1, 0, .epoch = 3 * 1328));
	assert_int_equal(offer(r, 1, false), 0);
	assert_int_equal(batches(r, &end), 3);
	assert_int_equal(offer(r, 1, false), 0);
	assert_int_equal(batches(r, &end), 0);
	/* The commit needs no credit, and gives it back. */
	assert_int_equal(offer(r, 1, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(batches(r, &end), 1);
	assert_int_equal(end, 20);
	assert_int_equal(offer(r, 2, false), 0);
	assert_int_equal(batches(r, &end), 3);
	rig_free(r);
}

static void test_out_waits_for_room_and_goes_on(void **state)
{
	struct rig *r = rig_open(NULL);
	uint64_t end = 0;
	uint32_t n = 0;

	(void)state;
	r->wire.room = 0;
	assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
	r->wire.room = 1;
	assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	for (int i = 0; i < 3; i++) {
		r->wire.room = 1;
		assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
		n += batches(r, &end);
	}
	r->wire.room = 1;
	assert_int_equal(offer(r, 1, true), 0);
	assert_int_equal(n + batches(r, &end), 4);
	assert_int_equal(end, 20);
	/* No room for HELLO, and so for nothing. */
	hear(r, WEIR_LANE_RESUME, AT(2, 20, .chain = r->end[1].chain));
	r->wire.room = 0;
	step(r);
	assert_int_equal(offer(r, 2, true), WEIR_EDGE_LATER);
	edge_wire_nothing(&r->wire);
	r->wire.room = 2;
	assert_int_equal(offer(r, 2, true), WEIR_EDGE_LATER);
	edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	rig_free(r);
}

static void test_out_without_a_session_nothing_goes(void **state)
{
	struct rig *r = rig_new(NULL);

	(void)state;
	assert_int_equal(offer(r, 1, false), 0);
	assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	step(r);
	edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
	session(r, 1, 0, 0);
	hear_body(r, WEIR_LANE_CLOSED, AT(0, 0), "link\tdown");
	assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
	edge_wire_nothing(&r->wire);
	assert_string_equal(info_of(r).reason, "link?down");
	assert_int_equal(info_of(r).closed_since_ns, r->now);
	r->now += MS;
	hear_body(r, WEIR_LANE_CLOSED, AT(0, 0), "still");
	assert_int_equal(info_of(r).closed_since_ns, r->now - MS);
	rig_free(r);
}

static void test_out_session_begins_inside_of_a_batch(void **state)
{
	struct rig *r = rig_new(NULL);
	struct weir_edge_walk w;
	struct weir_edge_batch b;
	uint64_t end = 0;

	(void)state;
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	weir_edge_walk_begin(&w, edge_reader(&r->part[2]));
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_edge_walk_next(&w, &b), 1);
	assert_int_equal(b.seq, 25);
	r->opt.end = 40;
	weir_edge_out_free(r->o);
	r->o = weir_edge_out_new(&r->opt, 0, (struct weir_edge_pos){0, 0});
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	hear(r, WEIR_LANE_RESUME, AT(9, 28, .count = 3, .chain = b.chain_after, .epoch = 1 << 20));
	/* Epochs below it are through. */
	assert_int_equal(offer(r, 1, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	assert_int_equal(offer(r, 2, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(edge_head(r->wire.first)->seq, 25);
	assert_int_equal(batches(r, &end), 3);
	/* Both become durable at once, and only now it is sure that they are ours. */
	hear(r, WEIR_LANE_DURABLE, AT(9, 40));
	assert_int_equal(weir_edge_out_cursor(r->o), 2);
	rig_free(r);
}

static void test_out_goes_back_when_a_batch_is_missing(void **state)
{
	struct rig *r = rig_open(NULL);
	struct weir_edge_walk w;
	struct weir_edge_batch b;
	uint64_t end = 0;

	(void)state;
	weir_edge_out_again(r->o);
	assert_int_equal(offer(r, 1, false), 0);
	assert_int_equal(offer(r, 2, false), 0);
	assert_int_equal(batches(r, &end), 8);
	offer(r, 1, true);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	weir_edge_walk_begin(&w, edge_reader(&r->part[1]));
	for (int i = 0; i < 3; i++)
		weir_edge_walk_next(&w, &b);
	assert_int_equal(b.seq, 10);
	hear(r, WEIR_LANE_GAP, AT(1, 10, .chain = b.chain_before));
	assert_true(weir_edge_out_again(r->o));
	/* Too new as long as the older one did not come again. */
	assert_int_equal(offer(r, 2, false), 0);
	assert_int_equal(offer(r, 2, true), WEIR_EDGE_LATER);
	edge_wire_nothing(&r->wire);
	assert_int_equal(offer(r, 1, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT); /* it may have been lost as well */
	assert_int_equal(batches(r, &end), 2);
	assert_int_equal(offer(r, 2, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(batches(r, &end), 4);
	assert_int_equal(end, 40);
	assert_int_equal(info_of(r).gaps, 1);
	assert_int_equal(info_of(r).resent, 6);
	/* At the end of an epoch the chain is known at once. */
	hear(r, WEIR_LANE_GAP, AT(1, 20, .chain = r->end[1].chain));
	assert_int_equal(offer(r, 2, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(batches(r, &end), 4);
	/* Places that cannot be meant. */
	hear(r, WEIR_LANE_GAP, AT(1, 60));
	hear(r, WEIR_LANE_GAP, AT(1, 3, .count = 4));
	assert_int_equal(info_of(r).dropped, 2);
	assert_int_equal(info_of(r).gaps, 2);
	rig_free(r);
}

static void test_out_an_old_gap_below_what_is_durable(void **state)
{
	struct rig *r = rig_open(NULL);
	uint64_t end;

	(void)state;
	for (int e = 1; e <= 3; e++)
		offer(r, e, true);
	edge_wire_clear(&r->wire);
	hear(r, WEIR_LANE_GAP, AT(1, 20, .chain = r->end[1].chain));
	hear(r, WEIR_LANE_DURABLE, AT(1, 60));
	assert_int_equal(weir_edge_out_cursor(r->o), 3);
	/* It goes on behind them, although nobody offers those epochs again. */
	assert_int_equal(offer(r, 4, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	assert_int_equal(batches(r, &end), 4);
	rig_free(r);
}

/* ---- what ends it ---- */

static void stopped(struct rig *r, int code, const char *what)
{
	assert_int_equal(r->err.code, code);
	if (!strstr(r->err.text, what))
		fail_msg("\"%s\" says nothing of \"%s\"", r->err.text, what);
	/* For good. */
	r->err = (struct weir_err){0};
	assert_int_equal(offer(r, 1, true), code);
	assert_non_null(strstr(r->err.text, what));
	assert_int_equal(hear(r, WEIR_LANE_OPEN, AT(2, 0)), code);
}

static void test_out_fork_at_resume(void **state)
{
	struct rig *r = rig_open(NULL);
	struct weir_lane_head h;

	(void)state;
	offer(r, 1, true);
	edge_wire_clear(&r->wire);
	assert_int_equal(hear(r, WEIR_LANE_RESUME, AT(2, 20, .chain = 99)), WEIR_E_CORRUPT);
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_FORK);
	assert_true(h.seq == 20 && h.chain == r->end[1].chain);
	step(r);
	edge_wire_nothing(&r->wire);
	stopped(r, WEIR_E_CORRUPT, "other records than this region before number 20");
	rig_free(r);
}

static void test_out_fork_inside_of_an_epoch(void **state)
{
	static const struct {
		uint64_t seq;
		uint32_t count;
		bool right;
	} ask[] = {{25, 0, false}, {27, 0, true}, {25, 2, false}, {30, 5, true}, {27, 2, false}};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(ask); i++) {
		struct rig *r = rig_new(NULL);
		struct weir_edge_walk w;
		struct weir_edge_batch b;

		weir_edge_walk_begin(&w, edge_reader(&r->part[2]));
		for (int k = 0; k < 2; k++)
			weir_edge_walk_next(&w, &b);
		r->opt.end = 40;
		weir_edge_out_free(r->o);
		r->o = weir_edge_out_new(&r->opt, 0, (struct weir_edge_pos){0, 0});
		hear(r, WEIR_LANE_OPEN, AT(1, 0));
		hear(r, WEIR_LANE_RESUME,
		     AT(9, ask[i].seq, .count = ask[i].count,
			.chain = ask[i].right ? b.chain_before : 99));
		assert_int_equal(offer(r, 1, true), 0);
		assert_int_equal(offer(r, 2, true), WEIR_E_CORRUPT);
		edge_wire_clear(&r->wire);
		stopped(r, WEIR_E_CORRUPT, "other records");
		rig_free(r);
	}
}

static void test_out_a_receiver_ahead_of_everything(void **state)
{
	struct rig *r = rig_open(NULL);

	(void)state;
	offer(r, 1, true);
	assert_int_equal(hear(r, WEIR_LANE_RESUME, AT(2, 21, .chain = 99)), WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "before number 20");
	rig_free(r);
}

static void test_out_trimmed(void **state)
{
	struct rig *r = rig_open(NULL);
	struct weir_lane_head h;

	(void)state;
	offer(r, 1, true);
	hear(r, WEIR_LANE_DURABLE, AT(1, 20));
	edge_wire_clear(&r->wire);
	assert_int_equal(hear(r, WEIR_LANE_RESUME, AT(2, 15, .chain = 7)), 0);
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_TRIMMED);
	assert_true(h.f.time_ns == 2 && h.seq == 20 && h.chain == r->end[1].chain);
	assert_false(info_of(r).in_session);
	/* The receiver did not hear it: it asks again. */
	assert_int_equal(hear(r, WEIR_LANE_RESUME, AT(2, 15, .chain = 7)), 0);
	step(r);
	edge_wire_expect(&r->wire, WEIR_LANE_TRIMMED);
	session(r, 3, 20, r->end[1].chain);
	rig_free(r);
}

static void test_out_fenced(void **state)
{
	struct rig *r = rig_open(NULL);

	(void)state;
	assert_int_equal(hear(r, WEIR_LANE_FENCED, AT(0, 0)), 0); /* our own */
	assert_int_equal(info_of(r).dropped, 1);
	assert_int_equal(hear(r, WEIR_LANE_FENCED, (struct weir_lane_head){.fence = 6}),
			 WEIR_E_BUSY);
	stopped(r, WEIR_E_BUSY, "fence 6, ours is 5");
	rig_free(r);
	r = rig_open(NULL);
	assert_int_equal(hear(r, WEIR_LANE_RESUME,
			      (struct weir_lane_head){.f = {.time_ns = 2}, .fence = 7}),
			 WEIR_E_BUSY);
	stopped(r, WEIR_E_BUSY, "fence 7");
	rig_free(r);
}

static void test_out_confirmations_of_what_was_not_committed(void **state)
{
	struct rig *r = rig_open(NULL);

	(void)state;
	offer(r, 1, true);
	offer(r, 2, false);
	assert_int_equal(hear(r, WEIR_LANE_DURABLE, AT(1, 20)), 0);
	assert_int_equal(hear(r, WEIR_LANE_DURABLE, AT(1, 21)), WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "confirms records below number 21, only those below 20");
	rig_free(r);
	/* Who does not know what was committed before cannot tell. */
	r = rig_new(NULL);
	r->opt.knows_end = false;
	weir_edge_out_free(r->o);
	r->o = weir_edge_out_new(&r->opt, 0, (struct weir_edge_pos){0, 0});
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	session(r, 1, 0, 0);
	assert_int_equal(hear(r, WEIR_LANE_DURABLE, AT(1, 21)), 0);
	rig_free(r);
}

static void test_out_told_of_a_fork(void **state)
{
	struct rig *r = rig_open(NULL);

	(void)state;
	assert_int_equal(hear(r, WEIR_LANE_FORK, AT(1, 33)), WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "number 33");
	rig_free(r);
}

static void test_out_parts_that_are_damaged(void **state)
{
	struct rig *r = rig_open(NULL);
	struct edge_bytes p;

	(void)state;
	offer(r, 1, true);
	assert_int_equal(offer(r, 3, false), 0); /* one is left out: not now */
	assert_int_equal(offer(r, 3, true), WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "does not go on where");
	rig_free(r);

	r = rig_open(NULL);
	r->part[1].p[0] ^= 1;
	assert_int_equal(offer(r, 1, true), WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "no part of an edge");
	rig_free(r);

	r = rig_open(NULL);
	offer(r, 1, true);
	r->part[2].p[24] ^= 1; /* the chain it begins with */
	assert_int_equal(offer(r, 2, false), WEIR_E_CORRUPT);
	rig_free(r);

	r = rig_open(NULL);
	r->part[1].p[48] ^= 1; /* bytes of a batch */
	assert_int_equal(offer(r, 1, true), WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "a batch makes no sense");
	rig_free(r);

	/* The same part in another shape. */
	r = rig_open(NULL);
	offer(r, 1, true);
	assert_int_equal(weir_edge_out_offer(r->o, 1, 0, edge_reader(&r->part[2]), true,
					     &r->wire.io, r->now, &r->err),
			 WEIR_E_CORRUPT);
	rig_free(r);

	/* Damaged since the last call: the second of two parts that were folded. */
	r = rig_open(NULL);
	p.n = r->part[1].n + r->part[2].n;
	p.p = malloc(p.n);
	memcpy(p.p, r->part[1].p, r->part[1].n);
	memcpy(p.p + r->part[1].n, r->part[2].p, r->part[2].n);
	free(r->part[1].p);
	r->part[1] = p;
	r->wire.room = 3;
	assert_int_equal(offer(r, 1, true), WEIR_EDGE_LATER);
	edge_wire_clear(&r->wire);
	r->wire.room = 99;
	p.p[p.n - r->part[2].n + 40] ^=
		1; /* the chain of its end: seen when the walk comes there */
	assert_int_equal(offer(r, 1, true), WEIR_E_CORRUPT);
	rig_free(r);

	/* While the place is looked for. */
	r = rig_new(NULL);
	r->opt.end = 40;
	weir_edge_out_free(r->o);
	r->o = weir_edge_out_new(&r->opt, 0, (struct weir_edge_pos){0, 0});
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	hear(r, WEIR_LANE_RESUME, AT(1, 10));
	r->part[1].p[48] ^= 1;
	assert_int_equal(offer(r, 1, true), WEIR_E_CORRUPT);
	rig_free(r);
}

static void test_out_a_record_larger_than_the_lane(void **state)
{
	struct rig *r = rig_open(NULL);
	struct edge_bytes p;
	struct weir_edge_writer w;

	(void)state;
	weir_edge_writer_init(&w, &weir_test_mem, r->batch, 1200);
	weir_edge_writer_add(&w, edge_row(0, 66000));
	p = edge_part_of(&w);
	assert_int_equal(weir_edge_out_offer(r->o, 1, 0, edge_reader(&p), true, &r->wire.io, r->now,
					     &r->err),
			 WEIR_E_CORRUPT);
	assert_non_null(strstr(r->err.text, "does not fit"));
	free(p.p);
	rig_free(r);
}

/* ---- what does not belong here ---- */

static void test_out_frames_that_do_not_belong_here(void **state)
{
	struct rig *r = rig_open(NULL);
	struct edge_wire_frame *f;
	uint64_t dropped = 0;

	(void)state;
#define DROPPED(type, ...)                                                                         \
	assert_int_equal(hear(r, type, __VA_ARGS__), 0);                                           \
	assert_int_equal(info_of(r).dropped, ++dropped)
	DROPPED(WEIR_LANE_DURABLE, AT(0, 20));
	DROPPED(WEIR_LANE_DURABLE, AT(2, 20));
	DROPPED(WEIR_LANE_FORK, AT(2, 20));
	DROPPED(WEIR_LANE_RESUME, AT(0, 0));
	DROPPED(WEIR_LANE_RESUME, AT(2, 3, .count = 4));
	DROPPED(WEIR_LANE_HELLO, AT(1, 0));
	DROPPED(WEIR_LANE_COMMIT, AT(1, 0));
	DROPPED(WEIR_LANE_TRIMMED, AT(1, 0));
	DROPPED(WEIR_LANE_DURABLE,
		(struct weir_lane_head){.f = {.key_hash = 77, .time_ns = 1}, .seq = 20});
	/* A session that is over. */
	session(r, 5, 0, 0);
	DROPPED(WEIR_LANE_RESUME, AT(4, 0));
	DROPPED(WEIR_LANE_DURABLE, AT(1, 0));
	/* No frame at all. */
	f = edge_frame(WEIR_LANE_DURABLE, AT(5, 0), NULL, 0);
	edge_head(f)->seq = 1;
	assert_int_equal(weir_edge_out_receive(r->o, edge_head(f), r->now, &r->err), 0);
	assert_int_equal(info_of(r).dropped, ++dropped);
	free(f);
	hear_body(r, WEIR_LANE_CLOSED, AT(0, 0), "");
	DROPPED(WEIR_LANE_RESUME, AT(6, 0));
#undef DROPPED
	edge_wire_nothing(&r->wire);
	assert_int_equal(info_of(r).durable, 0);
	rig_free(r);
}

static void test_out_a_receiver_with_lower_sessions_after_an_opening(void **state)
{
	struct rig *r = rig_open(NULL);

	(void)state;
	session(r, 1000, 0, 0);
	hear(r, WEIR_LANE_OPEN, AT(2, 0));
	step(r);
	edge_wire_expect(&r->wire, WEIR_LANE_HELLO);
	session(r, 3, 0, 0);
	/* Asked twice: HELLO once more, nothing else changes. */
	offer(r, 1, true);
	edge_wire_clear(&r->wire);
	hear(r, WEIR_LANE_RESUME, AT(3, 0));
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_HELLO).f.time_ns, 3);
	assert_int_equal(info_of(r).next_seq, 20);
	assert_int_equal(info_of(r).sessions, 3);
	rig_free(r);
}

static void test_out_shows_what_holds_the_receiver_up(void **state)
{
	struct rig *r = rig_open(NULL);
	char text[300];

	(void)state;
	hear_body(r, WEIR_LANE_STATUS, AT(1, 0), "sink@eu");
	assert_string_equal(info_of(r).blocked_by, "sink@eu");
	memset(text, 'x', 299);
	text[299] = 0;
	hear_body(r, WEIR_LANE_STATUS, AT(1, 0), text);
	assert_int_equal(strlen(info_of(r).blocked_by), sizeof(info_of(r).blocked_by) - 1);
	hear_body(r, WEIR_LANE_STATUS, AT(1, 0), "");
	assert_string_equal(info_of(r).blocked_by, "");
	rig_free(r);
}

/* ---- codecs and bounds ---- */

static uint32_t halve(void *ctx, const void *in, uint32_t n, void *out, uint32_t cap,
		      uint8_t *ret_codec)
{
	(void)ctx;
	assert_int_equal(cap, n - 1);
	memcpy(out, in, n / 2);
	*ret_codec = WEIR_LANE_LZ4;
	return n / 2;
}

static void test_out_packs_batches(void **state)
{
	struct weir_lane_codecs codecs = {.pack = halve};
	struct rig *r = rig_open(&codecs);
	struct edge_wire_frame *f;
	struct weir_lane_data d;

	(void)state;
	offer(r, 1, false);
	f = edge_wire_pop(&r->wire);
	memcpy(&d, edge_head(f) + 1, sizeof(d));
	assert_int_equal(d.codec, WEIR_LANE_LZ4);
	assert_int_equal(d.raw_bytes, 1200);
	assert_int_equal(edge_head(f)->f.size, 64 + 16 + 600);
	free(f);
	assert_int_equal(info_of(r).raw_bytes_out, 4800);
	assert_int_equal(info_of(r).bytes_out, 2 * 72 + 4 * (80 + 600)); /* with two HELLO */
	rig_free(r);
}

/* Parts of one record each, made when they are needed. */
static int offer_small(struct rig *r, struct weir_edge_writer *w, uint64_t e, bool committed)
{
	struct edge_bytes p;
	int rc;

	weir_edge_writer_add(w, edge_row(e, 0));
	p = edge_part_of(w);
	rc = weir_edge_out_offer(r->o, e, e - 1, edge_reader(&p), committed, &r->wire.io, r->now,
				 &r->err);
	free(p.p);
	return rc;
}

static void test_out_keeps_account_of_so_many_epochs(void **state)
{
	struct rig *r = rig_open(NULL);
	struct weir_edge_writer w, next;
	struct edge_bytes p;

	(void)state;
	weir_edge_writer_init(&w, &weir_test_mem, r->batch, 1200);
	for (uint64_t e = 1; e <= WEIR_EDGE_EPOCHS; e++)
		assert_int_equal(offer_small(r, &w, e, true), 0);
	next = w;
	assert_int_equal(offer_small(r, &next, WEIR_EDGE_EPOCHS + 1, true), WEIR_EDGE_LATER);
	next = w;
	assert_int_equal(offer_small(r, &next, WEIR_EDGE_EPOCHS + 1, false), 0);
	edge_wire_clear(&r->wire);
	hear(r, WEIR_LANE_DURABLE, AT(1, 1));
	assert_int_equal(weir_edge_out_cursor(r->o), 1);
	assert_int_equal(offer_small(r, &w, WEIR_EDGE_EPOCHS + 1, true), 0);
	edge_wire_expect(&r->wire, WEIR_LANE_COMMIT);
	/* A start finds more, and the receiver has them all but the last: they share a place in the account. */
	weir_edge_out_free(r->o);
	r->opt.end = WEIR_EDGE_EPOCHS + 3;
	r->o = weir_edge_out_new(&r->opt, 0, (struct weir_edge_pos){0, 0});
	edge_wire_clear(&r->wire);
	hear(r, WEIR_LANE_OPEN, AT(1, 0));
	weir_edge_writer_init(&w, &weir_test_mem, r->batch, 1200);
	for (uint64_t e = 1; e <= WEIR_EDGE_EPOCHS + 2; e++)
		weir_edge_writer_add(&w, edge_row(e, 0)), p = edge_part_of(&w), free(p.p);
	hear(r, WEIR_LANE_RESUME, AT(1, WEIR_EDGE_EPOCHS + 2, .chain = w.pos.chain));
	hear(r, WEIR_LANE_DURABLE, AT(1, WEIR_EDGE_EPOCHS + 2));
	weir_edge_writer_init(&w, &weir_test_mem, r->batch, 1200);
	for (uint64_t e = 1; e <= WEIR_EDGE_EPOCHS + 2; e++) {
		assert_int_equal(weir_edge_out_cursor(r->o), 0);
		assert_int_equal(offer_small(r, &w, e, true), 0);
	}
	assert_int_equal(weir_edge_out_cursor(r->o), WEIR_EDGE_EPOCHS + 2);
	edge_wire_clear(&r->wire);
	rig_free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_out_says_hello_until_it_is_asked),
	cmocka_unit_test(test_out_ships_early_and_commits_later),
	cmocka_unit_test(test_out_cursor_follows_whole_epochs_that_are_durable),
	cmocka_unit_test(test_out_credit_bounds_what_is_not_committed),
	cmocka_unit_test(test_out_waits_for_room_and_goes_on),
	cmocka_unit_test(test_out_without_a_session_nothing_goes),
	cmocka_unit_test(test_out_session_begins_inside_of_a_batch),
	cmocka_unit_test(test_out_goes_back_when_a_batch_is_missing),
	cmocka_unit_test(test_out_an_old_gap_below_what_is_durable),
	cmocka_unit_test(test_out_fork_at_resume),
	cmocka_unit_test(test_out_fork_inside_of_an_epoch),
	cmocka_unit_test(test_out_a_receiver_ahead_of_everything),
	cmocka_unit_test(test_out_trimmed),
	cmocka_unit_test(test_out_fenced),
	cmocka_unit_test(test_out_confirmations_of_what_was_not_committed),
	cmocka_unit_test(test_out_told_of_a_fork),
	cmocka_unit_test(test_out_parts_that_are_damaged),
	cmocka_unit_test(test_out_a_record_larger_than_the_lane),
	cmocka_unit_test(test_out_frames_that_do_not_belong_here),
	cmocka_unit_test(test_out_a_receiver_with_lower_sessions_after_an_opening),
	cmocka_unit_test(test_out_shows_what_holds_the_receiver_up),
	cmocka_unit_test(test_out_packs_batches),
	cmocka_unit_test(test_out_keeps_account_of_so_many_epochs),
};

WEIR_TEST_MAIN("engine/edge_out", tests)
