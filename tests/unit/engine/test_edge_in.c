/* SPDX-License-Identifier: Apache-2.0 */
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

static void rig_batches(struct rig *r, uint64_t first, uint32_t text)
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

static struct rig *rig_new(void)
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

static void rig_free(struct rig *r)
{
	free(r->part.p);
	edge_wire_clear(&r->wire);
	weir_edge_in_free(r->i);
}

static int hear_frame(struct rig *r, struct edge_wire_frame *f)
{
	int rc;

	r->err = (struct weir_err){0};
	rc = weir_edge_in_receive(r->i, edge_head(f), r->now, &r->err);
	assert_true((rc < 0) == (r->err.text[0] != 0));
	free(f);
	return rc;
}

static int hear(struct rig *r, enum weir_lane_type type, struct weir_lane_head h,
		struct weir_str body)
{
	h.f.key_hash = h.f.key_hash ? h.f.key_hash : EDGE_ID;
	return hear_frame(r, edge_frame(type, h, body.p, body.n));
}

/* Of the session at hand, from a sender with fence 5. */
static struct weir_lane_head at(const struct rig *r, uint64_t seq, uint64_t chain)
{
	return (struct weir_lane_head){
		.f = {.time_ns = (int64_t)r->session}, .seq = seq, .fence = 5, .chain = chain};
}

static int say_hello(struct rig *r, uint64_t session, uint64_t fence, struct weir_str body)
{
	struct weir_lane_head h = {.f = {.time_ns = (int64_t)session},
				   .fence = fence,
				   .chain = weir_hash64_seed(body.p, body.n, 0)};

	return hear(r, WEIR_LANE_HELLO, h, body);
}

static struct edge_wire_frame *data_frame(const struct rig *r, struct weir_lane_head h,
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

static int batch(struct rig *r, int k)
{
	return hear_frame(r, data_frame(r, at(r, r->b[k].seq, r->b[k].chain_before), &r->b[k], 0));
}

/* Up to and with batch k. */
static int commit(struct rig *r, int k)
{
	return hear(r, WEIR_LANE_COMMIT, at(r, r->b[k].seq + ROWS, r->b[k].chain_after),
		    (struct weir_str){0});
}

static void step(struct rig *r)
{
	weir_edge_in_step(r->i, &r->wire.io, "", r->now);
}

static struct weir_edge_in_info info_of(const struct rig *r)
{
	struct weir_edge_in_info i;

	weir_edge_in_info(r->i, &i);
	return i;
}

/* The lane is open, the receiver has asked; *r->session is known. */
static struct weir_lane_head ask(struct rig *r)
{
	struct weir_lane_head h;

	hear(r, WEIR_LANE_OPEN, (struct weir_lane_head){0}, (struct weir_str){0});
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_RESUME);
	r->session = (uint64_t)h.f.time_ns;
	return h;
}

static struct rig *rig_open(void)
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
static void take(struct rig *r, uint64_t first, uint32_t n)
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

static void nothing_to_take(struct rig *r)
{
	const struct weir_frame *row[8], *ctl = NULL;

	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 0);
	assert_null(ctl);
}

/* ---- the way it goes ---- */

static void test_in_applies_after_the_commit(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	assert_int_equal(batch(r, 0), 0);
	assert_int_equal(batch(r, 1), 0);
	assert_int_equal(batch(r, 2), 0);
	nothing_to_take(r);
	assert_int_equal(info_of(r).staged_bytes, 3 * 1328);
	assert_int_equal(commit(r, 1), 0);
	take(r, 0, 10);
	nothing_to_take(r);
	assert_int_equal(info_of(r).staged_bytes, 1328);
	assert_int_equal(commit(r, 2), 0);
	take(r, 10, 5);
	/* The commit first: batches below it are applied as they come. */
	assert_int_equal(commit(r, 4), 0);
	assert_int_equal(batch(r, 3), 0);
	assert_int_equal(info_of(r).staged_bytes, 0);
	take(r, 15, 3);
	assert_int_equal(batch(r, 4), 0);
	take(r, 18, 7);
	assert_int_equal(info_of(r).next_seq, 25);
	rig_free(r);
}

static void test_in_controls_come_one_by_one(void **state)
{
	struct rig *r = rig_open();
	const struct weir_frame *row[8], *ctl;
	struct weir_edge_writer w;
	uint64_t room[64];
	struct weir_edge_walk walk;
	struct edge_bytes p;

	(void)state;
	weir_edge_writer_init(&w, &weir_test_mem, room, sizeof(room));
	weir_edge_writer_add(&w, edge_row(0, 3));
	weir_edge_writer_add(&w, edge_ctl(WEIR_FRAME_WATERMARK, 77));
	weir_edge_writer_add(&w, edge_ctl(WEIR_FRAME_IDLE, 0));
	weir_edge_writer_add(&w, edge_row(3, 3));
	weir_edge_writer_add(&w, edge_ctl(WEIR_FRAME_EOS, 0));
	p = edge_part_of(&w);
	weir_edge_walk_begin(&walk, edge_reader(&p));
	weir_edge_walk_next(&walk, &r->b[0]);
	assert_int_equal(batch(r, 0), 0);
	assert_int_equal(commit(r, 0), 0);
	assert_int_equal(weir_edge_in_take(r->i, row, 0, &ctl), 0);
	assert_null(ctl);
	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 1);
	assert_null(ctl);
	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 0);
	assert_int_equal(ctl->kind, WEIR_FRAME_WATERMARK);
	assert_int_equal(ctl->time_ns, 77);
	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 0);
	assert_int_equal(ctl->kind, WEIR_FRAME_IDLE);
	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 1);
	assert_int_equal(weir_edge_in_take(r->i, row, 8, &ctl), 0);
	assert_int_equal(ctl->kind, WEIR_FRAME_EOS);
	assert_int_equal(info_of(r).next_seq, 5);
	nothing_to_take(r);
	free(p.p);
	rig_free(r);
}

static void test_in_tells_what_is_received_and_durable(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h;

	(void)state;
	commit(r, 4);
	for (int k = 0; k < 5; k++)
		batch(r, k);
	take(r, 0, 7);
	weir_edge_in_frozen(r->i, 1);
	take(r, 7, 5);
	weir_edge_in_frozen(r->i, 2);
	weir_edge_in_frozen(r->i, 2); /* folded: the same once more */
	/* Not at once, but soon. */
	step(r);
	edge_wire_nothing(&r->wire);
	assert_int_equal(weir_edge_in_deadline(r->i), r->now + 20 * MS);
	r->now += 20 * MS;
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_RECEIVED);
	assert_true(h.seq == 12 && h.fence == 5 && h.f.time_ns == (int64_t)r->session);
	edge_wire_nothing(&r->wire);
	assert_int_equal(weir_edge_in_deadline(r->i), 0);
	/* Frozen is not durable. */
	assert_int_equal(info_of(r).durable, 0);
	weir_edge_in_durable(r->i, 1);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_DURABLE).seq, 7);
	weir_edge_in_durable(r->i, 1);
	step(r);
	edge_wire_nothing(&r->wire);
	/* No room: later. */
	weir_edge_in_durable(r->i, 5);
	r->wire.room = 0;
	step(r);
	r->wire.room = 8;
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_DURABLE).seq, 12);
	/* A new session hears it again. */
	ask(r);
	say_hello(r, r->session, 5, EDGE_HELLO);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_DURABLE).seq, 12);
	rig_free(r);
}

static void test_in_many_frozen_epochs_share_a_place(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	commit(r, 11);
	for (uint64_t e = 1; e <= 100; e++) {
		if (e % 10 == 1)
			batch(r, (int)(e / 10));
		if (e % 2)
			take(r, e / 2, 1);
		weir_edge_in_frozen(r->i, e);
	}
	weir_edge_in_durable(r->i, 63);
	assert_int_equal(info_of(r).durable, 32);
	weir_edge_in_durable(r->i, 99); /* the last place stands for 64 to 100 */
	assert_int_equal(info_of(r).durable, 32);
	weir_edge_in_durable(r->i, 100);
	assert_int_equal(info_of(r).durable, 50);
	rig_free(r);
}

static void test_in_says_what_holds_it_up(void **state)
{
	struct rig *r = rig_open();
	struct edge_wire_frame *f;
	char text[200];

	(void)state;
	weir_edge_in_step(r->i, &r->wire.io, "sink@us", r->now);
	f = edge_wire_pop(&r->wire);
	assert_int_equal(edge_head(f)->f.flags, WEIR_LANE_STATUS);
	assert_memory_equal(edge_head(f) + 1, "sink@us", 8);
	free(f);
	weir_edge_in_step(r->i, &r->wire.io, "sink@us", r->now);
	edge_wire_nothing(&r->wire);
	memset(text, 'x', sizeof(text));
	text[199] = 0;
	r->wire.room = 0;
	weir_edge_in_step(r->i, &r->wire.io, text, r->now);
	r->wire.room = 9;
	weir_edge_in_step(r->i, &r->wire.io, text, r->now);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_STATUS).f.size, 64 + 125);
	weir_edge_in_step(r->i, &r->wire.io, text, r->now);
	edge_wire_nothing(&r->wire);
	weir_edge_in_step(r->i, &r->wire.io, NULL, r->now);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_STATUS).f.size, 64);
	rig_free(r);
}

/* ---- sessions ---- */

static void test_in_asks_until_it_is_answered(void **state)
{
	struct rig *r = rig_new();
	uint64_t wait[] = {500, 1000, 2000, 4000, 5000, 5000};
	struct weir_lane_head h;

	(void)state;
	step(r);
	edge_wire_nothing(&r->wire);
	assert_int_equal(weir_edge_in_deadline(r->i), 0);
	h = ask(r);
	assert_int_equal(h.f.time_ns, (3 << 20) + 1);
	for (size_t k = 0; k < WEIR_COUNT_OF(wait); k++) {
		assert_int_equal(weir_edge_in_deadline(r->i), r->now + wait[k] * MS);
		r->now += wait[k] * MS - 1;
		step(r);
		edge_wire_nothing(&r->wire);
		r->now++;
		step(r);
		h = edge_wire_expect(&r->wire, WEIR_LANE_RESUME);
		assert_int_equal(h.f.time_ns, r->session);
	}
	/* The sender asks for it: at once. */
	say_hello(r, 0, 5, EDGE_HELLO);
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_RESUME);
	assert_int_equal(h.f.time_ns, r->session);
	assert_false(info_of(r).in_session);
	say_hello(r, r->session, 5, EDGE_HELLO);
	assert_true(info_of(r).in_session);
	hear(r, WEIR_LANE_CLOSED, (struct weir_lane_head){0}, WEIR_STR("the link is down"));
	assert_string_equal(info_of(r).reason, "the link is down");
	assert_int_equal(info_of(r).closed_since_ns, r->now);
	assert_false(info_of(r).in_session);
	step(r);
	edge_wire_nothing(&r->wire);
	rig_free(r);
}

static void test_in_a_new_sender_gets_a_new_session(void **state)
{
	struct rig *r = rig_open();
	uint64_t session = r->session;

	(void)state;
	batch(r, 0);
	say_hello(r, 0, 6, EDGE_HELLO);
	assert_int_equal(info_of(r).staged_bytes, 0); /* I13 */
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_RESUME).f.time_ns, session + 1);
	/* It answers, and so does another one. */
	say_hello(r, session + 1, 6, EDGE_HELLO);
	say_hello(r, session + 1, 6, EDGE_HELLO);
	assert_true(info_of(r).in_session);
	say_hello(r, session + 1, 7, EDGE_HELLO);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_RESUME).f.time_ns, session + 2);
	assert_int_equal(info_of(r).fence, 7);
	rig_free(r);
}

static void test_in_an_old_sender_is_refused(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h;

	(void)state;
	say_hello(r, 0, 4, EDGE_HELLO);
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_FENCED);
	assert_true(h.fence == 5 && h.f.time_ns == 0);
	assert_true(info_of(r).in_session);
	/* Even when its records are others. */
	assert_int_equal(say_hello(r, r->session, 4, WEIR_STR("other")), 0);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_FENCED).f.time_ns, r->session);
	assert_int_equal(info_of(r).fence, 5);
	rig_free(r);
}

static void test_in_goes_on_where_it_was_in_a_new_session(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h;

	(void)state;
	commit(r, 2);
	for (int k = 0; k < 5; k++)
		batch(r, k);
	take(r, 0, 7);
	h = ask(r);
	assert_true(h.seq == 15 && h.count == 0 && h.chain == r->b[2].chain_after);
	say_hello(r, r->session, 5, EDGE_HELLO);
	/* What was ready stays ready; the old commit is forgotten with its session. */
	take(r, 7, 8);
	nothing_to_take(r);
	batch(r, 3);
	nothing_to_take(r);
	commit(r, 3);
	take(r, 15, 5);
	rig_free(r);
}

static void test_in_broken_sessions(void **state)
{
	struct rig *r = rig_open();
	uint64_t session = r->session;
	struct weir_lane_head h;

	(void)state;
	/* More than the credit. */
	for (int k = 0; k < 7; k++)
		assert_int_equal(batch(r, k), 0);
	assert_int_equal(info_of(r).staged_bytes, 0);
	assert_false(info_of(r).in_session);
	step(r);
	edge_wire_nothing(&r->wire);
	/* Nothing of it is heard any more, and a new one comes after a while. */
	assert_int_equal(batch(r, 0), 0);
	assert_int_equal(info_of(r).staged_bytes, 0);
	say_hello(r, r->session, 5, EDGE_HELLO);
	say_hello(r, 0, 5, EDGE_HELLO);
	assert_false(info_of(r).in_session);
	step(r);
	edge_wire_nothing(&r->wire);
	r->now += 500 * MS;
	step(r);
	r->now += 500 * MS;
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_RESUME);
	assert_int_equal(h.f.time_ns, session + 1);
	r->session = session + 1;
	say_hello(r, r->session, 5, EDGE_HELLO);
	/* Committed batches need no credit, only room. */
	commit(r, 11);
	for (int k = 0; k < 6; k++) {
		assert_true(weir_edge_in_room(r->i));
		assert_int_equal(batch(r, k), 0);
	}
	assert_false(weir_edge_in_room(r->i));
	take(r, 0, 5);
	assert_true(weir_edge_in_room(r->i));
	/* A batch with another fence than HELLO's. */
	h = at(r, r->b[6].seq, r->b[6].chain_before);
	h.fence = 4;
	assert_int_equal(hear_frame(r, data_frame(r, h, &r->b[6], 0)), 0);
	assert_false(info_of(r).in_session);
	rig_free(r);
}

static void test_in_when_only_other_sessions_are_heard(void **state)
{
	struct rig *r = rig_open();
	uint64_t session = r->session;
	struct weir_lane_head h = at(r, 0, 0);

	(void)state;
	h.f.time_ns--;
	hear_frame(r, data_frame(r, h, &r->b[0], 0));
	assert_int_equal(weir_edge_in_deadline(r->i), r->now + 500 * MS);
	r->now += 499 * MS;
	step(r);
	edge_wire_nothing(&r->wire);
	batch(r, 0); /* ours: no doubt */
	r->now += 5000 * MS;
	step(r);
	edge_wire_nothing(&r->wire);
	say_hello(r, session - 1, 5, EDGE_HELLO);
	r->now += 500 * MS;
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_RESUME).f.time_ns, session + 1);
	rig_free(r);
}

/* ---- duplicates, gaps, order ---- */

static void test_in_takes_the_next_one_only(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h;

	(void)state;
	batch(r, 0);
	batch(r, 0);
	assert_int_equal(info_of(r).duplicates, 1);
	batch(r, 3);
	batch(r, 2);
	assert_int_equal(info_of(r).gaps, 2);
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_GAP);
	assert_true(h.seq == 5 && h.count == 0 && h.chain == r->b[0].chain_after);
	step(r);
	edge_wire_nothing(&r->wire); /* once for each place */
	batch(r, 1);
	batch(r, 4);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_GAP).seq, 10);
	/* The hole stays: asked again, and again. */
	assert_int_equal(weir_edge_in_deadline(r->i), r->now + 500 * MS);
	for (uint64_t wait = 500; wait <= 5000; wait = wait < 2000 ? wait * 2 : wait + 1500) {
		r->now += wait * MS;
		step(r);
		assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_GAP).seq, 10);
		if (wait == 2000)
			break;
	}
	for (int k = 2; k <= 4; k++)
		batch(r, k);
	assert_int_equal(info_of(r).staged_bytes, 5 * 1328);
	r->now += 60000 * MS;
	step(r);
	edge_wire_nothing(&r->wire);
	commit(r, 4);
	commit(r, 3);
	commit(r, 4);
	assert_int_equal(info_of(r).duplicates, 2);
	take(r, 0, 25);
	rig_free(r);
}

static void test_in_batches_before_hello(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	ask(r);
	batch(r, 0);
	commit(r, 0);
	assert_int_equal(info_of(r).dropped, 2);
	say_hello(r, r->session, 5, EDGE_HELLO);
	step(r);
	assert_int_equal(edge_wire_expect(&r->wire, WEIR_LANE_GAP).seq, 0);
	edge_wire_clear(&r->wire);
	rig_free(r);
}

/* ---- place ---- */

static struct edge_bytes place_of(struct rig *r)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	weir_edge_in_put(r->i, &o);
	return edge_bytes_of(&o);
}

static int restart(struct rig *r, const struct edge_bytes *place, uint64_t life)
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

static void test_in_restarts_inside_of_a_batch(void **state)
{
	struct rig *r = rig_open();
	struct edge_bytes p, again;
	struct weir_lane_head h;

	(void)state;
	commit(r, 3);
	for (int k = 0; k < 4; k++)
		batch(r, k);
	take(r, 0, 13);
	p = place_of(r);
	assert_int_equal(p.n, 45);
	assert_int_equal(restart(r, &p, 4), 0);
	assert_int_equal(info_of(r).next_seq, 13);
	assert_int_equal(info_of(r).durable, 13);
	assert_int_equal(info_of(r).fence, 5); /* I11 */
	/* What was not touched since is written as it was read, but for the session. */
	again = place_of(r);
	assert_memory_equal(again.p, p.p, 37);
	free(again.p);
	h = ask(r);
	assert_int_equal(h.f.time_ns, (4 << 20) + 1);
	assert_true(h.seq == 13 && h.count == 3 && h.chain == r->b[2].chain_after);
	assert_int_equal(h.fence, 5);
	say_hello(r, r->session, 5, EDGE_HELLO);
	/* The batch comes early, and its front is cut when it is committed. */
	batch(r, 2);
	nothing_to_take(r);
	batch(r, 3);
	commit(r, 2);
	take(r, 13, 2);
	commit(r, 3);
	take(r, 15, 5);
	free(p.p);
	rig_free(r);
}

static void test_in_sessions_are_never_used_twice(void **state)
{
	struct rig *r = rig_open();
	struct edge_bytes p = place_of(r);
	uint64_t session = r->session;

	(void)state;
	/* A clock that went back: life 1 after life 3. */
	assert_int_equal(restart(r, &p, 1), 0);
	ask(r);
	assert_true(r->session > session);
	assert_int_equal(r->session, (4 << 20) + 1);
	free(p.p);
	rig_free(r);
}

static void test_in_places_that_make_no_sense(void **state)
{
	struct rig *r = rig_open();
	struct edge_bytes p = place_of(r), q = {.p = malloc(p.n)};

	(void)state;
	for (q.n = 0; q.n < p.n; q.n++) {
		memcpy(q.p, p.p, q.n);
		assert_int_equal(restart(r, &q, 4), WEIR_E_CORRUPT);
	}
	memcpy(q.p, p.p, p.n);
	q.p[0] = 2;
	assert_int_equal(restart(r, &q, 4), WEIR_E_CORRUPT);
	q.p[0] = 1;
	q.p[9] = 1; /* one record of a batch before record 0 */
	assert_int_equal(restart(r, &q, 4), WEIR_E_CORRUPT);
	free(p.p);
	free(q.p);
	rig_free(r);
}

/* ---- what ends it ---- */

static void stopped(struct rig *r, int code, const char *what)
{
	assert_int_equal(r->err.code, code);
	if (!strstr(r->err.text, what))
		fail_msg("\"%s\" says nothing of \"%s\"", r->err.text, what);
	/* For good. */
	assert_int_equal(batch(r, 0), code);
	assert_non_null(strstr(r->err.text, what));
	assert_int_equal(weir_edge_in_deadline(r->i), 0);
	rig_free(r);
}

static void fork_is_told(struct rig *r, uint64_t seq)
{
	struct weir_lane_head h;

	r->wire.room = 0;
	step(r);
	r->wire.room = 5;
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_FORK);
	assert_int_equal(h.seq, seq);
	step(r);
	edge_wire_nothing(&r->wire);
	stopped(r, WEIR_E_CORRUPT, "not those that came before number");
}

static void test_in_fork_of_a_batch(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h;

	(void)state;
	batch(r, 0);
	h = at(r, 5, 77);
	assert_int_equal(hear_frame(r, data_frame(r, h, &r->b[1], 0)), WEIR_E_CORRUPT);
	fork_is_told(r, 5);
	/* Cut otherwise. */
	r = rig_open();
	batch(r, 0);
	h = at(r, 3, 0);
	assert_int_equal(hear_frame(r, data_frame(r, h, &r->b[1], 0)), WEIR_E_CORRUPT);
	fork_is_told(r, 5);
}

static void test_in_fork_of_a_commit(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	for (int k = 0; k < 3; k++)
		batch(r, k);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 15, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 15);
	/* Between batches, and another chain; inside of one; the same place twice. */
	r = rig_open();
	for (int k = 0; k < 3; k++)
		batch(r, k);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 10, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 10);
	r = rig_open();
	batch(r, 0);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 3, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 3);
	r = rig_open();
	commit(r, 2);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 15, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 15);
	/* It came first, and the batches are others. */
	r = rig_open();
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 5, 77), (struct weir_str){0}), 0);
	assert_int_equal(batch(r, 0), WEIR_E_CORRUPT);
	nothing_to_take(r);
	fork_is_told(r, 0);
	r = rig_open();
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 3, 77), (struct weir_str){0}), 0);
	assert_int_equal(batch(r, 0), WEIR_E_CORRUPT);
	nothing_to_take(r);
	fork_is_told(r, 0);
}

static void test_in_fork_of_the_batch_it_was_in(void **state)
{
	struct rig *r = rig_open();
	struct edge_bytes p;

	(void)state;
	commit(r, 0);
	batch(r, 0);
	take(r, 0, 3);
	p = place_of(r);
	assert_int_equal(restart(r, &p, 4), 0);
	ask(r);
	say_hello(r, r->session, 5, EDGE_HELLO);
	rig_batches(r, 1000, 200); /* the same chain before it, other records */
	assert_int_equal(batch(r, 0), WEIR_E_CORRUPT);
	free(p.p);
	fork_is_told(r, 0);
}

static void test_in_told_of_a_fork(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	assert_int_equal(hear(r, WEIR_LANE_FORK, at(r, 44, 0), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "number 44");
}

static void test_in_trimmed(void **state)
{
	struct rig *r = rig_open();
	uint64_t before;

	(void)state;
	batch(r, 0);
	commit(r, 0);
	before = info_of(r).dropped;
	assert_int_equal(hear(r, WEIR_LANE_TRIMMED, at(r, 5, 0), (struct weir_str){0}), 0);
	assert_int_equal(info_of(r).dropped, before + 1);
	assert_int_equal(hear(r, WEIR_LANE_TRIMMED, at(r, 30, 0), (struct weir_str){0}),
			 WEIR_E_LIMIT);
	stopped(r, WEIR_E_LIMIT, "records 5 to 29");
}

static void test_in_another_hello(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	assert_int_equal(say_hello(r, 0, 5, WEIR_STR("Hello")), WEIR_E_CONFIG);
	stopped(r, WEIR_E_CONFIG, "records mean something else: the other end has another version");
}

static void hello_put(struct rig *r, const char *pipeline, const char *name, const char *type,
		      struct edge_bytes *ret)
{
	struct weir_schema s;
	struct weir_field f;
	struct weir_out o;

	(void)r;
	memset(&s, 0, sizeof(s));
	assert_int_equal(weir_type_parse(weir_str_c(type), &f, NULL), 0);
	weir_schema_add(&s, WEIR_STR("id"), weir_type_of(WEIR_INT64), false);
	if (*name)
		weir_schema_add(&s, weir_str_c(name), f.type, f.nullable);
	weir_out_init(&o, &weir_test_mem);
	weir_edge_hello_put(&o, "home", pipeline, "parse", "", "eu", "us", &s);
	*ret = edge_bytes_of(&o);
}

static void test_in_says_what_is_different(void **state)
{
	static const struct {
		const char *pipeline, *name, *type, *what;
		int cut; /* bytes of the other end's text that are missing */
	} other[] = {
		{"p2", "a", "string", "pipeline is `p1` here and `p2` there", 0},
		{"p\n", "a", "string", "`p?` there", 0},
		{"p1", "b", "string", "field 2 is `a: string` here and `b: string` there", 0},
		{"p1", "a", "list<int64>", "`a: list<int64>` there", 0},
		{"p1", "a", "decimal(9,2)?", "`a: decimal(9,2)?` there", 0},
		{"p1", "", "string", "2 fields here and 1 there", 0},
		{"p1", "a", "string", "no description of records", 1},
		{"p1", "a", "string", "no description of records", 25},
	};

	(void)state;
	for (size_t k = 0; k < WEIR_COUNT_OF(other); k++) {
		struct rig *r = rig_new();
		struct edge_bytes ours, theirs;

		hello_put(r, "p1", "a", "string", &ours);
		hello_put(r, other[k].pipeline, other[k].name, other[k].type, &theirs);
		theirs.n -= (size_t)other[k].cut;
		weir_edge_in_free(r->i);
		r->opt.hello = (struct weir_str){(char *)ours.p, ours.n};
		r->i = weir_edge_in_new(&r->opt);
		ask(r);
		assert_int_equal(
			say_hello(r, r->session, 5, (struct weir_str){(char *)ours.p, ours.n}), 0);
		assert_int_equal(say_hello(r, 0, 5, (struct weir_str){(char *)theirs.p, theirs.n}),
				 WEIR_E_CONFIG);
		free(ours.p);
		free(theirs.p);
		stopped(r, WEIR_E_CONFIG, other[k].what);
	}
}

/* Bytes of a batch are replaced, and everything about them is right but that. */
static void no_records(uint32_t at_byte, uint8_t v, uint32_t count, uint8_t codec)
{
	struct rig *r = rig_open();
	struct weir_edge_batch b = r->b[0];

	((uint8_t *)(uintptr_t)b.p)[at_byte] = v;
	b.count = count;
	assert_int_equal(hear_frame(r, data_frame(r, at(r, 0, 0), &b, codec)), WEIR_E_CORRUPT);
	nothing_to_take(r);
	stopped(r, WEIR_E_CORRUPT, "are no records of this edge");
}

static void test_in_records_that_are_none(void **state)
{
	(void)state;
	no_records(4, WEIR_FRAME_BARRIER, ROWS, WEIR_LANE_PLAIN);
	no_records(4, WEIR_FRAME_MARKER, ROWS, WEIR_LANE_PLAIN);
	no_records(4, WEIR_FRAME_LANE, ROWS, WEIR_LANE_PLAIN);
	no_records(0, 23, ROWS, WEIR_LANE_PLAIN);
	no_records(2, 1, ROWS, WEIR_LANE_PLAIN);
	no_records(39, 255, ROWS, WEIR_LANE_PLAIN); /* length of the text */
	no_records(0, 240, ROWS - 1, WEIR_LANE_PLAIN);
	no_records(0, 240, ROWS + 1, WEIR_LANE_PLAIN);
	no_records(0, 240, ROWS, WEIR_LANE_LZ4); /* nobody unpacks */
}

static void test_in_a_batch_larger_than_the_lane(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h = at(r, 0, 0);
	struct weir_lane_data d = {.raw_bytes = WEIR_LANE_FRAME_MIN_MAX, .codec = WEIR_LANE_ZSTD};
	uint64_t body[4] = {0};

	(void)state;
	memcpy(body, &d, sizeof(d));
	h.count = 1;
	assert_int_equal(hear(r, WEIR_LANE_DATA, h, (struct weir_str){(char *)body, sizeof(body)}),
			 WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "are no records of this edge");
}

static bool unpack(void *ctx, uint8_t codec, const void *in, uint32_t n, void *out, uint32_t raw)
{
	const struct rig *r = ctx;

	assert_int_equal(codec, WEIR_LANE_LZ4);
	assert_memory_equal(in, "packed", n);
	memcpy(out, r->b[0].p, raw);
	return n == 6;
}

static void test_in_unpacks(void **state)
{
	struct rig *r = rig_new();
	struct weir_lane_codecs codecs = {.unpack = unpack, .ctx = r};
	struct weir_lane_data d = {.codec = WEIR_LANE_LZ4};
	struct weir_lane_head h;
	uint8_t body[sizeof(d) + 6];

	(void)state;
	weir_edge_in_free(r->i);
	r->opt.codecs = &codecs;
	r->i = weir_edge_in_new(&r->opt);
	ask(r);
	say_hello(r, r->session, 5, EDGE_HELLO);
	d.raw_bytes = r->b[0].bytes;
	memcpy(body, &d, sizeof(d));
	memcpy(body + sizeof(d), "packed", 6);
	h = at(r, 0, 0);
	h.count = ROWS;
	assert_int_equal(hear(r, WEIR_LANE_DATA, h, (struct weir_str){(char *)body, sizeof(body)}),
			 0);
	commit(r, 0);
	take(r, 0, 5);
	rig_free(r);
}

/* ---- what does not belong here ---- */

static void test_in_frames_that_do_not_belong_here(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h = at(r, 0, 0);
	struct edge_wire_frame *f;
	uint64_t dropped = 0;

	(void)state;
#define DROPPED(type, body)                                                                        \
	assert_int_equal(hear(r, type, h, body), 0);                                               \
	assert_int_equal(info_of(r).dropped, ++dropped)
	DROPPED(WEIR_LANE_RESUME, (struct weir_str){0});
	DROPPED(WEIR_LANE_STATUS, WEIR_STR("x"));
	DROPPED(WEIR_LANE_DURABLE, (struct weir_str){0});
	h.f.key_hash = 99;
	DROPPED(WEIR_LANE_COMMIT, (struct weir_str){0});
	h.f.key_hash = 0;
	h.chain = 1; /* not the hash of the body */
	DROPPED(WEIR_LANE_HELLO, EDGE_HELLO);
	h.f.time_ns--;
	DROPPED(WEIR_LANE_COMMIT, (struct weir_str){0});
	DROPPED(WEIR_LANE_TRIMMED, (struct weir_str){0});
	DROPPED(WEIR_LANE_FORK, (struct weir_str){0});
#undef DROPPED
	f = data_frame(r, at(r, 0, 0), &r->b[0], 0);
	((uint8_t *)f->data)[100] ^= 1;
	assert_int_equal(hear_frame(r, f), 0);
	assert_int_equal(info_of(r).dropped, ++dropped);
	/* Numbers at the end of all numbers. */
	f = data_frame(r, at(r, UINT64_MAX - 2, 0), &r->b[0], 0);
	assert_int_equal(hear_frame(r, f), 0);
	assert_int_equal(info_of(r).duplicates, 1);
	hear(r, WEIR_LANE_CLOSED, (struct weir_lane_head){0}, WEIR_STR("a"));
	assert_int_equal(batch(r, 0), 0);
	assert_int_equal(info_of(r).dropped, ++dropped);
	nothing_to_take(r);
	rig_free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_in_applies_after_the_commit),
	cmocka_unit_test(test_in_controls_come_one_by_one),
	cmocka_unit_test(test_in_tells_what_is_received_and_durable),
	cmocka_unit_test(test_in_many_frozen_epochs_share_a_place),
	cmocka_unit_test(test_in_says_what_holds_it_up),
	cmocka_unit_test(test_in_asks_until_it_is_answered),
	cmocka_unit_test(test_in_a_new_sender_gets_a_new_session),
	cmocka_unit_test(test_in_an_old_sender_is_refused),
	cmocka_unit_test(test_in_goes_on_where_it_was_in_a_new_session),
	cmocka_unit_test(test_in_broken_sessions),
	cmocka_unit_test(test_in_when_only_other_sessions_are_heard),
	cmocka_unit_test(test_in_takes_the_next_one_only),
	cmocka_unit_test(test_in_batches_before_hello),
	cmocka_unit_test(test_in_restarts_inside_of_a_batch),
	cmocka_unit_test(test_in_sessions_are_never_used_twice),
	cmocka_unit_test(test_in_places_that_make_no_sense),
	cmocka_unit_test(test_in_fork_of_a_batch),
	cmocka_unit_test(test_in_fork_of_a_commit),
	cmocka_unit_test(test_in_fork_of_the_batch_it_was_in),
	cmocka_unit_test(test_in_told_of_a_fork),
	cmocka_unit_test(test_in_trimmed),
	cmocka_unit_test(test_in_another_hello),
	cmocka_unit_test(test_in_says_what_is_different),
	cmocka_unit_test(test_in_records_that_are_none),
	cmocka_unit_test(test_in_a_batch_larger_than_the_lane),
	cmocka_unit_test(test_in_unpacks),
	cmocka_unit_test(test_in_frames_that_do_not_belong_here),
};

WEIR_TEST_MAIN("engine/edge_in", tests)
