/* SPDX-License-Identifier: Apache-2.0 */
/* Asks over the tasks of a step. The worker is the test: it serves when it likes to, or never. */
#define WEIR_ASK_BUSY_NS (30 * (uint64_t)WEIR_NS_PER_MS)
#include "engine/edge/query.c"

#include <unistd.h>

#include "tests/lib/test.h"

#define TASKS 3

static struct weir_pipeline pipeline;
static struct weir_step step[2];
static struct weir_chain chain;
static uint32_t step_chain[2];
static struct engine_task task[TASKS];
static struct weir_node node[TASKS][2];
static struct engine_worker worker;
static struct weir_doorbell doorbell;
static struct weir_engine engine;
static uint32_t keys_of[TASKS]; /* rows of each task */
static uint32_t served[TASKS];
static bool hashed;
static uint32_t big; /* bytes of a row's text */

/* Rows are "T.I"; GET gives one row in the task that has the key. */
static int fake_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out)
{
	uint32_t t = (uint32_t)(n - &node[0][0]) / 2;
	uint64_t i = q->at.n[0];

	served[t]++;
	if (weir_str_eq(q->key, weir_str_c("bad")))
		return weir_err_set(&out->err, WEIR_E_FORMAT, "a bad key");
	out->hashed = hashed;
	out->hash = UINT64_MAX; /* of the last task */
	for (; i < keys_of[t]; i++) {
		struct weir_buf *b;

		out->at.n[0] = i;
		if (!weir_query_room(out, 1))
			return 1;
		b = weir_query_row(out);
		weir_buf_printf(b, "{\"r\":\"%u.%llu%*s\"}", t, (unsigned long long)i, (int)big,
				"");
		if (!weir_query_row_end(out))
			return 1;
	}
	out->at.n[0] = i;
	return 0;
}

static const struct weir_op_class asked = {.name = "fake", .query = fake_query};
static const struct weir_op_class other = {.name = "other"};

static int setup(void **state)
{
	(void)state;
	memset(task, 0, sizeof(task));
	memset(served, 0, sizeof(served));
	memset(&worker, 0, sizeof(worker));
	strcpy(step[0].name, "a");
	step[0].kind = WEIR_STEP_AGGREGATE;
	strcpy(step[1].name, "b");
	step[1].kind = WEIR_STEP_TOP;
	pipeline.step = step;
	pipeline.step_count = 2;
	chain = (struct weir_chain){.parallelism = TASKS};
	engine = (struct weir_engine){.p = &pipeline, .task = task};
	engine.plan.tasks.chain = &chain;
	engine.plan.tasks.step_chain = step_chain;
	worker.doorbell = &doorbell;
	hashed = false;
	big = 0;
	for (uint32_t i = 0; i < TASKS; i++) {
		keys_of[i] = i + 1;
		task[i].worker = &worker;
		task[i].unit.task.node = node[i];
		task[i].step_node_count = 2;
		node[i][0] = (struct weir_node){.cls = &asked, .step = 0};
		node[i][1] = (struct weir_node){.cls = &other, .step = 1};
	}
	return 0;
}

static struct weir_ask *begin(struct weir_ask_question q)
{
	struct weir_err err = {0};
	struct weir_ask *a = NULL;

	if (!q.step)
		q.step = "a";
	if (!q.limit)
		q.limit = WEIR_ASK_LIMIT_MAX;
	assert_int_equal(weir_ask_begin(&engine, &q, &a, &err), 0);
	return a;
}

static void serve_all(void)
{
	for (uint32_t i = 0; i < TASKS; i++)
		weir__query_serve(&task[i]);
}

/* The answer to the end; "next" of it in next[]. */
static char next[128];
static void expect_answer(struct weir_ask_question q, const char *rows, bool more)
{
	struct weir_ask *a = begin(q);
	struct weir_err err = {0};
	struct weir_str text = {0};
	const char *end, *p;
	char want[512];

	while (!weir_ask_poll(a))
		serve_all();
	assert_true(weir_ask_poll(a));
	assert_int_equal(weir_ask_answer(a, &text, &err), 0);
	snprintf(
		want, sizeof(want),
		"{\"ok\":true,\"step\":\"a\",\"kind\":\"aggregate\",\"durable\":null,\"rows\":[%s],"
		"\"more\":%s,\"next\":",
		rows, more ? "true" : "false");
	assert_true(text.n > strlen(want));
	assert_memory_equal(text.p, want, strlen(want));
	p = text.p + strlen(want);
	end = text.p + text.n - 1;
	next[0] = 0;
	if (*p == '"')
		snprintf(next, sizeof(next), "%.*s", (int)(end - p - 2), p + 1);
	else
		assert_memory_equal(p, "null}", 5);
	weir_ask_end(a);
}

static void expect_error(struct weir_ask_question q, int code, const char *text, bool serve)
{
	struct weir_ask *a = begin(q);
	struct weir_err err = {0};
	struct weir_str none;

	while (!weir_ask_poll(a))
		if (serve)
			serve_all();
	assert_int_equal(weir_ask_answer(a, &none, &err), code);
	assert_non_null(strstr(err.text, text));
	weir_ask_end(a);
	for (uint32_t i = 0; i < TASKS; i++)
		assert_false(weir_query_box_has(&task[i].query));
}

#define R(x) "{\"r\":\"" x "\"}"

static void test_a_list_is_of_all_tasks(void **state)
{
	(void)state;
	expect_answer((struct weir_ask_question){.verb = WEIR_QUERY_LIST},
		      R("0.0") "," R("1.0") "," R("1.1") "," R("2.0") "," R("2.1") "," R("2.2"),
		      false);
	assert_string_equal(next, "");
	/* In parts. */
	expect_answer((struct weir_ask_question){.verb = WEIR_QUERY_LIST, .limit = 2},
		      R("0.0") "," R("1.0"), true);
	assert_string_equal(next, "0.1.1.0.0");
	expect_answer((struct weir_ask_question){.verb = WEIR_QUERY_LIST, .limit = 3, .next = next},
		      R("1.1") "," R("2.0") "," R("2.1"), true);
	expect_answer((struct weir_ask_question){.verb = WEIR_QUERY_LIST, .limit = 3, .next = next},
		      R("2.2"), false);
}

static void test_a_key_is_asked_of_its_owner(void **state)
{
	const struct weir_ask_question q = {
		.verb = WEIR_QUERY_GET, .key_count = 2, .key = {"x", "y"}};

	(void)state;
	keys_of[0] = keys_of[1] = 0;
	keys_of[2] = 1;
	expect_answer(q, R("2.0") "," R("2.0"), false);
	assert_int_equal(served[1], 2);
	hashed = true;
	expect_answer(q, R("2.0") "," R("2.0"), false);
	assert_int_equal(served[1], 2);
	assert_int_equal(served[2], 4);
}

/* Later ones are behind the last: the place stays at the end. */
static void test_conflicts_go_on_at_the_end(void **state)
{
	struct weir_ask_question q = {.verb = WEIR_QUERY_CONFLICTS};

	(void)state;
	chain.parallelism = 1;
	expect_answer(q, R("0.0"), false);
	assert_string_equal(next, "0.0.1.0.0");
	keys_of[0] = 3;
	q.next = next;
	expect_answer(q, R("0.1") "," R("0.2"), false);
	assert_string_equal(next, "0.0.3.0.0");
	q.key_count = 1;
	q.key[0] = "k";
	expect_answer(q, "", false);
}

static void test_an_answer_is_bounded(void **state)
{
	struct weir_ask *a;
	struct weir_err err = {0};
	struct weir_str text = {0};

	(void)state;
	keys_of[0] = 100000;
	big = 1000;
	a = begin((struct weir_ask_question){.verb = WEIR_QUERY_LIST});
	while (!weir_ask_poll(a))
		serve_all();
	assert_int_equal(weir_ask_answer(a, &text, &err), 0);
	assert_in_range(text.n, WEIR_QUERY_BYTES - 2048, ANSWER_BYTES);
	assert_non_null(memmem(text.p, text.n, "\"more\":true", 11));
	weir_ask_end(a);
}

static void test_a_busy_task(void **state)
{
	const struct weir_ask_question q = {.verb = WEIR_QUERY_LIST};
	struct weir_query_post *stands = calloc(1, sizeof(*stands));

	(void)state;
	expect_error(q, WEIR_E_BUSY, "step `a` is busy", false);
	/* The box is full all the time. */
	assert_true(weir_query_box_post(&task[0].query, stands));
	{
		struct weir_ask *a = begin(q);
		struct weir_err err = {0};
		struct weir_str none;

		while (!weir_ask_poll(a))
			;
		assert_int_equal(weir_ask_answer(a, &none, &err), WEIR_E_BUSY);
		weir_ask_end(a);
	}
	assert_false(weir_query_box_cancel(&task[0].query, stands));
	free(stands);
	/* Answered at last, before anyone looked. */
	{
		struct weir_ask *a = begin(q);

		assert_false(weir_ask_poll(a));
		usleep(50000);
		serve_all();
		while (!weir_ask_poll(a))
			serve_all();
		assert_int_equal(a->err.code, 0);
		weir_ask_end(a);
	}
}

static void test_a_worker_that_has_left(void **state)
{
	const struct weir_ask_question q = {.verb = WEIR_QUERY_LIST};
	struct weir_ask *a = begin(q);

	(void)state;
	/* It answered, and left then. */
	assert_false(weir_ask_poll(a));
	serve_all();
	atomic_store(&worker.left, true);
	while (!weir_ask_poll(a))
		;
	assert_int_equal(a->err.code, WEIR_E_STOPPED);
	assert_int_equal(a->rows, 1);
	weir_ask_end(a);
	expect_error(q, WEIR_E_STOPPED, "step `a` has ended", true);
}

static void test_an_end_in_the_middle(void **state)
{
	struct weir_ask *a = begin((struct weir_ask_question){.verb = WEIR_QUERY_LIST});

	(void)state;
	assert_false(weir_ask_poll(a));
	assert_true(weir_query_box_has(&task[0].query));
	weir_ask_end(a);
	assert_false(weir_query_box_has(&task[0].query));
	serve_all();
	assert_int_equal(served[0], 0);
	weir_ask_end(NULL);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {"0.3.0.0.0",
					    "1.0.0.0.0",
					    "0.0.0.0",
					    "0.0.0.0.0.0",
					    "0.0.0.0.",
					    "-1.0.0.0.0",
					    "0.0.12345678901234567.0.0",
					    "0.0.0.0.0 "};
	struct weir_ask_question q = {.verb = WEIR_QUERY_LIST, .step = "b", .limit = 1};
	struct weir_err err = {0};
	struct weir_ask *a;

	(void)state;
	assert_int_equal(weir_ask_begin(&engine, &q, &a, &err), WEIR_E_USAGE);
	assert_string_equal(err.text, "step `b` (top) cannot be asked: aggregates and tables can");
	q.step = "c";
	assert_int_equal(weir_ask_begin(&engine, &q, &a, &err), -ENOENT);
	q.step = "a";
	for (size_t i = 0; i < WEIR_COUNT_OF(wrong); i++) {
		q.next = wrong[i];
		assert_int_equal(weir_ask_begin(&engine, &q, &a, &err), WEIR_E_USAGE);
	}
	expect_error(
		(struct weir_ask_question){.verb = WEIR_QUERY_GET, .key_count = 1, .key = {"bad"}},
		WEIR_E_FORMAT, "a bad key", true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_a_list_is_of_all_tasks, setup),
	cmocka_unit_test_setup(test_a_key_is_asked_of_its_owner, setup),
	cmocka_unit_test_setup(test_conflicts_go_on_at_the_end, setup),
	cmocka_unit_test_setup(test_an_answer_is_bounded, setup),
	cmocka_unit_test_setup(test_a_busy_task, setup),
	cmocka_unit_test_setup(test_a_worker_that_has_left, setup),
	cmocka_unit_test_setup(test_an_end_in_the_middle, setup),
	cmocka_unit_test_setup(test_refused, setup),
};

WEIR_TEST_MAIN("engine/ask", tests)
