/* SPDX-License-Identifier: Apache-2.0 */
/* The postgres sink when sessions are killed, answers are lost, the server is down or hangs. */
#include "tests/unit/engine/postgres_case.h"

static struct sink s;

static int down(void **state)
{
	(void)state;
	sink_down(&s);
	return 0;
}

static struct epoch at_hand;
static int applied;

static void *apply_thread(void *arg)
{
	(void)arg;
	applied = sink_apply(&s, &at_hand);
	return NULL;
}

/* Goes on when the server says that the session waits like that. */
static pthread_t run_until(void *(*fn)(void *), const char *waiting)
{
	char sql[256];
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, fn, NULL), 0);
	snprintf(
		sql, sizeof(sql),
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'weir out' AND "
		"%s",
		waiting);
	until(sql);
	return t;
}

/* One applied epoch, and another one at hand. */
static void prepare_unknown(void)
{
	sink_init(&s);
	sink_up(&s, 1, 0);
	sink_epoch(&s, 1, 5);
	sink_rows(&s, 2000);
	at_hand = sink_barrier(&s, 2);
}

/* The session dies in the middle of the rows. */
static void test_postgres_killed_in_copy(void **state)
{
	struct weir_pg locker;
	struct weir_err err;
	pthread_t t;

	(void)state;
	prepare_unknown();
	assert_int_equal(weir_pg_init(&locker, server_connection, "locker", &err), 0);
	assert_int_equal(weir_pg_connect(&locker, &err), 0);
	assert_int_equal(weir_pg_exec(&locker, "BEGIN", 0, NULL, &err), 0);
	assert_int_equal(weir_pg_exec(&locker, "LOCK TABLE t", 0, NULL, &err), 0);
	t = run_until(apply_thread, "wait_event_type = 'Lock'");
	query(TERMINATE);
	pthread_join(t, NULL);
	assert_int_equal(applied, WEIR_SINK_UNKNOWN);
	expect_text(&s, "step `out`: database postgres on /tmp/weir-test-pg-");
	weir_pg_fini(&locker);
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 1);
	expect_rows(5);
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(2005);
	free(at_hand.part);
}

/* The commit happens, its answer does not arrive: the server waits for a standby that is not there. */
static void test_postgres_killed_behind_commit(void **state)
{
	pthread_t t;

	(void)state;
	prepare_unknown();
	query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	query("SELECT pg_reload_conf()");
	until("SELECT setting = 'nobody' FROM pg_settings WHERE name = 'synchronous_standby_names'");
	t = run_until(apply_thread, "wait_event = 'SyncRep'");
	query(TERMINATE);
	pthread_join(t, NULL);
	query("ALTER SYSTEM RESET synchronous_standby_names");
	query("SELECT pg_reload_conf()");
	assert_int_equal(applied, WEIR_SINK_UNKNOWN);
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 2);
	/* And whoever tries again all the same does no harm. */
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(2005);
	free(at_hand.part);
}

static void *cursor_thread(void *arg)
{
	(void)arg;
	applied = sink_cursor(&s);
	return NULL;
}

/* Our old session is still at it over there: whoever looks waits for its end, and does not go by it. */
static void test_postgres_old_session_is_slow(void **state)
{
	static void *(*const who[])(void *) = {apply_thread, cursor_thread};
	struct weir_pg old;
	struct weir_err err;
	pthread_t t;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(who); i++) {
		prepare_unknown();
		assert_int_equal(weir_pg_init(&old, server_connection, "old", &err), 0);
		assert_int_equal(weir_pg_connect(&old, &err), 0);
		assert_int_equal(weir_pg_exec(&old, "BEGIN", 0, NULL, &err), 0);
		assert_int_equal(
			weir_pg_exec(&old, "UPDATE weir_cursor SET epoch = 2", 0, NULL, &err), 0);
		t = run_until(who[i], "wait_event_type = 'Lock'");
		assert_int_equal(weir_pg_exec(&old, "COMMIT", 0, NULL, &err), 0);
		pthread_join(t, NULL);
		weir_pg_fini(&old);
		assert_int_equal(applied, 0);
		if (who[i] == cursor_thread)
			assert_int_equal(s.cursor, 2);
		expect_rows(5);
		free(at_hand.part);
		sink_down(&s);
	}
}

static void test_postgres_server_crashes(void **state)
{
	pthread_t t;

	(void)state;
	prepare_unknown();
	query("BEGIN");
	query("LOCK TABLE t");
	t = run_until(apply_thread, "wait_event_type = 'Lock'");
	server("crash");
	pthread_join(t, NULL);
	assert_int_equal(applied, WEIR_SINK_UNKNOWN);
	weir_pg_drop(&admin);
	assert_int_equal(sink_cursor(&s), WEIR_SINK_UNKNOWN);
	expect_text(&s, "cannot connect");
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_SINK_UNKNOWN);
	server("again");
	need_server();
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 1);
	expect_rows(5);
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(2005);
	free(at_hand.part);
}

/* A session that has ended without our knowing: the first statement says so. */
static void test_postgres_server_restarts(void **state)
{
	(void)state;
	prepare_unknown();
	server("stop");
	weir_pg_drop(&admin);
	server("again");
	need_server();
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_SINK_UNKNOWN);
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 1);
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(2005);
	free(at_hand.part);
}

static uint64_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec;
}

/* It is there and does nothing: no call takes for ever. */
static void test_postgres_server_hangs(void **state)
{
	char connection[192];
	uint64_t from;

	(void)state;
	sink_init(&s);
	snprintf(connection, sizeof(connection), "%s connect_timeout=2", server_connection);
	s.step.sink.connection = connection;
	sink_up(&s, 1, 0);
	sink_rows(&s, 200000); /* more than a socket buffers */
	at_hand = sink_barrier(&s, 1);
	inside(&s)->pg.patience_ms = 300;
	server("freeze");
	from = seconds();
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_SINK_UNKNOWN);
	expect_text(&s, "no answer for 0.3 s");
	assert_int_equal(sink_cursor(&s), WEIR_SINK_UNKNOWN);
	expect_text(&s, "cannot connect");
	assert_true(seconds() - from < 10);
	server("thaw");
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 0);
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(200000);
	free(at_hand.part);
}

/* Refused for a reason that passes: a lock that somebody holds for longer than the statement may take. */
static void test_postgres_statement_timeout(void **state)
{
	char connection[192];

	(void)state;
	sink_init(&s);
	snprintf(connection, sizeof(connection), "%s options='-c statement_timeout=200'",
		 server_connection);
	s.step.sink.connection = connection;
	sink_up(&s, 1, 0);
	assert_int_equal(inside(&s)->pg.patience_ms, 10200);
	sink_rows(&s, 3);
	at_hand = sink_barrier(&s, 1);
	query("BEGIN");
	query("LOCK TABLE t");
	assert_int_equal(sink_apply(&s, &at_hand), WEIR_SINK_UNKNOWN);
	expect_text(&s, "statement timeout");
	query("ROLLBACK");
	assert_int_equal(sink_cursor(&s), 0);
	assert_int_equal(s.cursor, 0);
	assert_int_equal(sink_apply(&s, &at_hand), 0);
	expect_rows(3);
	free(at_hand.part);
}

#define TEST(f) cmocka_unit_test_teardown(f, down)

static const struct CMUnitTest tests[] = {
	TEST(test_postgres_killed_in_copy),	 TEST(test_postgres_killed_behind_commit),
	TEST(test_postgres_old_session_is_slow), TEST(test_postgres_server_crashes),
	TEST(test_postgres_server_restarts),	 TEST(test_postgres_server_hangs),
	TEST(test_postgres_statement_timeout),
};

WEIR_TEST_MAIN("sink_postgres_lost", tests)
