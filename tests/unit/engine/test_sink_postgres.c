/* SPDX-License-Identifier: Apache-2.0 */
/* The postgres sink against a real server: epochs, restarts, fences, and what cannot be. */
#include "tests/unit/engine/postgres_case.h"

static struct sink s;

static int down(void **state)
{
	(void)state;
	sink_down(&s);
	return 0;
}

/* ---- as it should be ---- */

static void test_postgres_epochs(void **state)
{
	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	assert_int_equal(s.cursor, 0);
	expect_cursor(0, 1);
	sink_epoch(&s, 1, 10);
	expect_cursor(1, 1);
	sink_epoch(&s, 2, 3000);
	/* Epoch 3 gives nothing: no part, and nothing at the server. */
	sink_epoch(&s, 4, 1);
	expect_cursor(4, 1);
	expect_rows(3011);
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 4);
	assert_string_equal(query("SELECT count(*) FROM pg_prepared_xacts"), "0");
}

static void test_postgres_nothing_before_apply(void **state)
{
	struct epoch e;

	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_rows(&s, 300);
	assert_true(s.node.held > 300 * 8);
	e = sink_barrier(&s, 1);
	sink_rows(&s, 5);
	expect_rows(0);
	assert_int_equal(sink_apply(&s, &e), 0);
	expect_rows(300);
	free(e.part);
	e = sink_barrier(&s, 2);
	assert_int_equal(e.prev, 1);
	assert_int_equal(sink_apply(&s, &e), 0);
	expect_rows(305);
	free(e.part);
	e = sink_barrier(&s, 3);
	assert_int_equal(e.bytes, 0);
	free(e.part);
}

static void test_postgres_apply_twice(void **state)
{
	struct epoch e;

	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_rows(&s, 7);
	e = sink_barrier(&s, 1);
	assert_int_equal(sink_apply(&s, &e), 0);
	assert_int_equal(sink_apply(&s, &e), 0);
	expect_rows(7);
	expect_cursor(1, 1);
	free(e.part);
	sink_epoch(&s, 2, 1);
	expect_rows(8);
}

static void test_postgres_restart(void **state)
{
	struct epoch e;

	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_epoch(&s, 1, 4);
	sink_rows(&s, 5);
	e = sink_barrier(&s, 3); /* committed, but not applied */
	sink_rows(&s, 2); /* not committed: comes again */
	sink_down(&s);
	sink_up(&s, 2, 3);
	assert_int_equal(s.cursor, 1);
	expect_cursor(1, 2);
	assert_int_equal(sink_apply(&s, &e), 0);
	free(e.part);
	s.next = 9;
	sink_epoch(&s, 4, 2);
	expect_rows(11);
	expect_cursor(4, 2);
}

/* Each task has its own row. */
static void test_postgres_two_tasks(void **state)
{
	static struct sink other;

	(void)state;
	sink_init(&s);
	s.instances = 2;
	memcpy(&other, &s, sizeof(s));
	other.instance = 1;
	sink_up(&s, 1, 0);
	sink_up(&other, 1, 0);
	sink_epoch(&s, 1, 5);
	other.next = 5;
	sink_epoch(&other, 1, 5);
	expect_rows(10);
	sink_down(&other);
	assert_string_equal(query("SELECT string_agg(task || ':' || epoch, ' ' ORDER BY task) FROM "
				  "weir_cursor"),
			    "0:1 1:1");
	/* One task is enough for a fresh run. */
	sink_down(&s);
	s.instances = 1;
	assert_int_equal(sink_open(&s, 1, 0, true), 0);
	assert_string_equal(query("SELECT string_agg(task || ':' || epoch, ' ') FROM weir_cursor"),
			    "0:0");
}

static void test_postgres_fresh(void **state)
{
	(void)state;
	sink_init(&s);
	sink_up(&s, 7, 0);
	sink_epoch(&s, 5, 4);
	sink_down(&s);
	/* What is in the table belongs to the user. */
	assert_int_equal(sink_open(&s, 1, 0, true), 0);
	assert_int_equal(s.cursor, 0);
	expect_cursor(0, 1);
	expect_rows(4);
	s.prev = 0;
	sink_epoch(&s, 1, 2);
	expect_rows(6);
	sink_down(&s);
	s.step.sink.truncate = true;
	assert_int_equal(sink_open(&s, 1, 0, true), 0);
	expect_rows(0);
	s.prev = 0;
	s.next = 0;
	sink_epoch(&s, 1, 3);
	expect_rows(3);
	/* Not on other starts. */
	sink_down(&s);
	sink_up(&s, 2, 1);
	expect_rows(3);
}

static void test_postgres_bad_text(void **state)
{
	uint64_t mem[16];
	struct weir_builder b;

	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	weir_build_begin(&b, mem, sizeof(mem), &s.schema);
	weir_build_str(&b, 1, (struct weir_str){"a\0b", 3});
	assert_true(weir_build_end(&b));
	weir_batch_add(&s.node, b.f);
	assert_int_equal(sink_run(&s), WEIR_E_REJECT);
	assert_string_equal(
		s.err.text,
		"step `out`: a record has text in field `s` that PostgreSQL cannot hold "
		"(a zero byte, or bytes that are not UTF-8); leave such records out with "
		"a filter before the sink, or make the field bytes");
}

static struct epoch at_hand;

/* ---- what trying again does not help ---- */

static void test_postgres_constraint(void **state)
{
	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	query("ALTER TABLE t ADD CHECK (n < 5)");
	sink_rows(&s, 9);
	at_hand = sink_barrier(&s, 1);
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_E_IO);
	expect_text(&s, "step `out`: database postgres on ");
	expect_text(&s, "violates check constraint \"t_n_check\"");
	expect_text(&s, "SQLSTATE 23514");
	expect_text(&s, "COPY t, line 6");
	/* The user changes the table: the epoch is still there. */
	query("ALTER TABLE t DROP CONSTRAINT t_n_check");
	sink_down(&s);
	sink_up(&s, 2, 1);
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(9);
	free(at_hand.part);
}

static void test_postgres_table_goes(void **state)
{
	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	query("DROP TABLE t");
	sink_rows(&s, 9);
	at_hand = sink_barrier(&s, 1);
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_E_IO);
	expect_text(&s, "relation \"public.t\" does not exist");
	free(at_hand.part);
}

static void test_postgres_fence(void **state)
{
	static struct sink newer;

	(void)state;
	sink_init(&s);
	sink_up(&s, 3, 0);
	sink_epoch(&s, 1, 4);
	sink_rows(&s, 4);
	at_hand = sink_barrier(&s, 2);
	memcpy(&newer, &s, sizeof(s));
	newer.up = false;
	sink_up(&newer, 4, 2);
	assert_int_equal(newer.cursor, 1);
	/* The older run finds itself shut out. */
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_E_BUSY);
	expect_text(
		&s,
		"run 4 of this pipeline has taken over table \"public\".\"t\"; this one is run 3 "
		"and must not write any more");
	assert_int_equal(sink_cursor(&s), WEIR_E_BUSY);
	expect_rows(4);
	assert_int_equal(sink_apply(&newer, &at_hand), 0);
	expect_rows(8);
	sink_down(&newer);
	sink_down(&s);
	/* And does not get in again; nor does a copy of the state directory. */
	for (uint64_t fence = 3; fence <= 4; fence++) {
		assert_int_equal(sink_open(&s, fence, 2, false), WEIR_E_BUSY);
		expect_text(&s,
			    "\"public\".weir_cursor says that run 4 of this pipeline writes to it");
		sink_down(&s);
	}
	expect_cursor(2, 4);
	free(at_hand.part);
}

static void test_postgres_cursor_is_newer(void **state)
{
	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_epoch(&s, 7, 4);
	sink_down(&s);
	assert_int_equal(sink_open(&s, 2, 5, false), WEIR_E_CONFIG);
	expect_text(
		&s,
		"table \"public\".\"t\" has epoch 7, but the state directory ends with 5: it is "
		"older than the table, or new; use the right one, or start over with `weir run "
		"--fresh`");
	/* The fence was not taken. */
	expect_cursor(7, 1);
}

static void test_postgres_other_database(void **state)
{
	(void)state;
	sink_init(&s);
	assert_int_equal(sink_open(&s, 2, 5, false), WEIR_E_CONFIG);
	expect_text(
		&s,
		"has no row for this sink, though epoch 5 was written: this is another database");
	sink_down(&s);
	sink_up(&s, 1, 0);
	query("DELETE FROM weir_cursor");
	assert_int_equal(sink_cursor(&s), WEIR_E_CONFIG);
	expect_text(&s, "the row of this sink in \"public\".weir_cursor is gone");
}

static void test_postgres_cursor_was_changed(void **state)
{
	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_epoch(&s, 2, 1);
	sink_rows(&s, 1);
	at_hand = sink_barrier(&s, 3);
	query("UPDATE weir_cursor SET epoch = 1");
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_E_CORRUPT);
	expect_text(&s, "has epoch 1, but epoch 3 comes after 2: somebody changed "
			"\"public\".weir_cursor");
	expect_rows(1);
	free(at_hand.part);
}

/* Bytes of the journal are not believed. */
static void test_postgres_damaged_part(void **state)
{
	struct epoch e;

	(void)state;
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_rows(&s, 3);
	at_hand = sink_barrier(&s, 1);
	e = at_hand;
	for (e.bytes = 1; e.bytes < at_hand.bytes; e.bytes++) {
		assert_int_equal(sink_apply(&s, &e), WEIR_E_CORRUPT);
		expect_text(&s, "the output of epoch 1 in the journal is damaged");
	}
	at_hand.part[0] ^= 8;
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_E_VERSION);
	expect_rows(0);
	free(at_hand.part);
}

/* ---- without epochs ---- */

static void test_postgres_plain(void **state)
{
	(void)state;
	sink_init(&s);
	s.plain = true;
	assert_int_equal(sink_make(&s, false), 0);
	sink_rows(&s, 100000);
	assert_true(strtoul(query("SELECT count(*) FROM t"), NULL, 10) > 50000);
	s.task.mono_ns = inside(&s)->batch_ns + (uint64_t)WEIR_NS_PER_S;
	assert_int_equal(s.node.cls->tick(&s.node), 0);
	expect_rows(100000);
	sink_rows(&s, 1);
	assert_int_equal(s.node.cls->tick(&s.node), 0);
	assert_int_equal(sink_ctl(&s, WEIR_FRAME_EOS), 0);
	expect_rows(100001);
	assert_string_equal(query("SELECT to_regclass('weir_cursor') IS NULL"), "t");
	sink_down(&s);
	s.step.sink.truncate = true;
	assert_int_equal(sink_make(&s, true), 0);
	expect_rows(0);
	sink_rows(&s, 1);
	query(TERMINATE);
	assert_int_equal(sink_ctl(&s, WEIR_FRAME_EOS), WEIR_E_PEER);
	expect_text(&s, "terminating connection due to administrator command");
}

#define TEST(f) cmocka_unit_test_teardown(f, down)

static const struct CMUnitTest tests[] = {
	TEST(test_postgres_epochs),
	TEST(test_postgres_nothing_before_apply),
	TEST(test_postgres_apply_twice),
	TEST(test_postgres_restart),
	TEST(test_postgres_two_tasks),
	TEST(test_postgres_fresh),
	TEST(test_postgres_bad_text),
	TEST(test_postgres_constraint),
	TEST(test_postgres_table_goes),
	TEST(test_postgres_fence),
	TEST(test_postgres_cursor_is_newer),
	TEST(test_postgres_other_database),
	TEST(test_postgres_cursor_was_changed),
	TEST(test_postgres_damaged_part),
	TEST(test_postgres_plain),
};

WEIR_TEST_MAIN("sink_postgres", tests)
