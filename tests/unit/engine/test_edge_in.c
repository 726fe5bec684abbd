/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/edge_in_case.h"

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
};

WEIR_TEST_MAIN("engine/edge_in", tests)
