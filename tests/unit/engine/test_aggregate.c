/* SPDX-License-Identifier: Apache-2.0 */
#include "base/keyhash.h"
#include "tests/unit/engine/agg_case.h"

static struct weir_window_spec tumbling(int64_t size, int64_t lateness)
{
	return (struct weir_window_spec){.kind = WEIR_WINDOW_TUMBLING,
					 .size_ns = size,
					 .slide_ns = size,
					 .lateness_ns = lateness};
}

static struct weir_window_spec sliding(int64_t size, int64_t slide, int64_t offset,
				       int64_t lateness)
{
	return (struct weir_window_spec){.kind = WEIR_WINDOW_SLIDING,
					 .size_ns = size,
					 .slide_ns = slide,
					 .offset_ns = offset,
					 .lateness_ns = lateness};
}

static void test_tumbling_fires_at_its_last_instant(void **state)
{
	(void)state;
	start_count(tumbling(10, 0));
	row(0, 1);
	row(9, 1);
	row(9, 2);
	row(10, 1);
	row(-1, 7);
	weir_oprig_watermark(&rig, 8);
	expect(0, 7, -10, 0, 1);
	assert_string_equal(weir_oprig_text(&rig, 0, 1), "watermark 8");
	assert_int_equal(rig.out[0].count, 2);
	weir_oprig_watermark(&rig, 9);
	expect(2, 1, 0, 10, 2);
	expect(3, 2, 0, 10, 1);
	assert_int_equal(rig.out[0].count, 5);
	weir_oprig_eos(&rig);
	expect(5, 1, 10, 20, 1);
	assert_string_equal(weir_oprig_text(&rig, 0, 6), "eos");
	assert_int_equal(rig.node[0].rows_in, 5);
	stop();
}

static void test_late_rows_go_to_the_late_port_unchanged(void **state)
{
	(void)state;
	start_count(tumbling(10, 0));
	rig.room = 1;
	row(5, 1);
	weir_oprig_watermark(&rig, 9);
	row(9, 3);
	row(10, 4);
	row(2, 5);
	weir_oprig_run(&rig);
	assert_int_equal(rig.node[0].late, 2);
	assert_int_equal(rig.out[1].rows, 2);
	assert_int_equal(rig.out[1].frame[1]->time_ns, 9);
	assert_int_equal(weir_get_i64(rig.out[1].frame[2], &w.in, 0), 5);
	stop();
	/* Nobody listens: counted all the same. */
	winref_init(&w, tumbling(10, 0), WINREF_KEY_INT);
	w.step.late_port = -1;
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), 0);
	weir_oprig_watermark(&rig, 9);
	row(9, 3);
	weir_oprig_run(&rig);
	assert_int_equal(rig.node[0].late, 1);
	stop();
}

static void test_allowed_lateness_fires_the_changed_key_again(void **state)
{
	(void)state;
	start_count(tumbling(10, 5));
	row(1, 1);
	row(1, 2);
	weir_oprig_watermark(&rig, 13);
	assert_int_equal(rig.out[0].count, 3);
	row(3, 2);
	row(4, 2);
	row(4, 3);
	row(12, 2);
	weir_oprig_run(&rig);
	expect(3, 2, 0, 10, 3);
	expect(4, 3, 0, 10, 1);
	assert_int_equal(rig.out[0].count, 5);
	weir_oprig_watermark(&rig, 14);
	row(9, 2);
	weir_oprig_run(&rig);
	assert_int_equal(rig.node[0].late, 1);
	assert_int_equal(rig.out[0].count, 6);
	stop();
}

static void test_sliding_late_row_counts_in_the_windows_that_remain(void **state)
{
	(void)state;
	start_count(sliding(10, 5, 0, 0));
	row(6, 1);
	weir_oprig_watermark(&rig, 9);
	expect(0, 1, 0, 10, 1);
	row(7, 1);
	weir_oprig_eos(&rig);
	expect(2, 1, 5, 15, 2);
	assert_int_equal(rig.out[0].rows, 2);
	assert_int_equal(rig.node[0].late, 0);
	stop();
}

static void test_gaps_between_windows_take_no_rows(void **state)
{
	(void)state;
	start_count(sliding(5, 10, 0, 0));
	row(4, 1);
	row(5, 1);
	row(9, 1);
	row(10, 1);
	weir_oprig_eos(&rig);
	expect(0, 1, 0, 5, 1);
	expect(1, 1, 10, 15, 1);
	assert_int_equal(rig.out[0].rows, 2);
	assert_int_equal(rig.node[0].late, 0);
	stop();
}

static void test_times_at_the_ends_are_rejected(void **state)
{
	(void)state;
	start_count(tumbling(1000, 0));
	row(INT64_MAX, 1);
	row(INT64_MIN, 1);
	row(INT64_MAX - 100000, 1);
	row(INT64_MIN + 100000, 1);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.node[0].rejects, 2);
	assert_int_equal(rig.out[2].rows, 2);
	assert_int_equal(rig.out[0].rows, 2);
	assert_non_null(strstr(weir_oprig_text(&rig, 2, 0), "event time out of range"));
	stop();
}

static void test_sum_overflow_follows_the_policy(void **state)
{
	struct weir_oprig_value v[WINREF_FIELDS] = {WEIR_ROW_I(1), WEIR_ROW_NULL, WEIR_ROW_NULL,
						    WEIR_ROW_NULL, WEIR_ROW_NULL, WEIR_ROW_I(0)};

	(void)state;
	v[WINREF_V] = WEIR_ROW_I(INT64_MAX);
	start(tumbling(10, 0), WINREF_KEY_INT);
	for (int i = 0; i < 2; i++)
		weir_oprig_put(&rig, 5, v);
	v[WINREF_K] = WEIR_ROW_I(2);
	weir_oprig_put(&rig, 5, v);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.node[0].rejects, 1);
	assert_int_equal(rig.out[0].rows, 1);
	assert_non_null(strstr(weir_oprig_text(&rig, 2, 0), "sum overflows 64 bits"));
	assert_non_null(strstr(weir_oprig_text(&rig, 2, 0), "\\\"n\\\":2"));
	stop();
	winref_init(&w, tumbling(10, 0), WINREF_KEY_INT);
	w.step.on_error = WEIR_ON_ERROR_STOP;
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), 0);
	for (int i = 0; i < 2; i++)
		weir_oprig_put(&rig, 5, v);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, WEIR_E_REJECT);
	assert_non_null(strstr(rig.task.err.text, "step `win`: sum overflows"));
	stop();
}

static void test_result_larger_than_the_limit_is_rejected(void **state)
{
	static char text[3001];
	struct weir_oprig_value v[WINREF_FIELDS] = {WEIR_ROW_I(1), WEIR_ROW_NULL, WEIR_ROW_NULL,
						    WEIR_ROW_NULL, WEIR_ROW_NULL, WEIR_ROW_I(0)};

	(void)state;
	memset(text, 'x', 3000);
	start(tumbling(10, 0), WINREF_KEY_INT);
	v[WINREF_S] = WEIR_ROW_S(text);
	weir_oprig_put(&rig, 5, v);
	v[WINREF_K] = WEIR_ROW_I(2);
	v[WINREF_S] = WEIR_ROW_S("short");
	weir_oprig_put(&rig, 5, v);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.out[0].rows, 1);
	assert_int_equal(rig.out[2].rows, 1);
	assert_non_null(strstr(weir_oprig_text(&rig, 2, 0), "larger than record_max"));
	stop();
}

static void test_other_controls_pass_and_watermarks_never_fall(void **state)
{
	(void)state;
	start_count(tumbling(10, 0));
	row(1, 1);
	weir_oprig_ctl(&rig, WEIR_FRAME_BARRIER, 3);
	weir_oprig_watermark(&rig, 9);
	weir_oprig_watermark(&rig, 5);
	row(3, 1);
	weir_oprig_ctl(&rig, WEIR_FRAME_MARKER, 4);
	assert_string_equal(weir_oprig_text(&rig, 0, 0), "control 3");
	expect(1, 1, 0, 10, 1);
	assert_string_equal(weir_oprig_text(&rig, 0, 2), "watermark 9");
	assert_string_equal(weir_oprig_text(&rig, 0, 3), "control 5");
	assert_int_equal(rig.node[0].late, 1);
	stop();
}

/* Arguments that are computed: nulls are left out, an error rejects the row once. */
static void test_arguments_are_expressions(void **state)
{
	static const int64_t v[] = {5, 0, -1, 10, 2};
	struct weir_oprig_value x[WINREF_FIELDS] = {WEIR_ROW_I(1), WEIR_ROW_NULL,    WEIR_ROW_NULL,
						    WEIR_ROW_NULL, WEIR_ROW_S("ab"), WEIR_ROW_I(0)};
	const struct weir_frame *f;

	(void)state;
	winref_init(&w, tumbling(100, 0), WINREF_KEY_INT);
	w.step.aggregate.agg[2].arg = "100 / v"; /* sum_v */
	w.step.aggregate.agg[8].arg = "100 / v"; /* min_v */
	w.step.aggregate.agg[12].arg = "s + s"; /* min_s */
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), 0);
	rig.room = 1;
	for (size_t i = 0; i < WEIR_COUNT_OF(v); i++) {
		x[WINREF_V] = v[i] < 0 ? WEIR_ROW_NULL : WEIR_ROW_I(v[i]);
		weir_oprig_put(&rig, (int64_t)i, x);
	}
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.node[0].rejects, 1);
	assert_int_equal(rig.out[2].rows, 1);
	assert_non_null(strstr(weir_oprig_text(&rig, 2, 0), "\\\"v\\\":0"));
	assert_int_equal(rig.out[0].rows, 1);
	f = rig.out[0].frame[0];
	assert_int_equal(weir_get_i64(f, &w.out, 3), 4);
	assert_int_equal(weir_get_i64(f, &w.out, 3 + 2), 20 + 10 + 50);
	assert_int_equal(weir_get_i64(f, &w.out, 3 + 8), 10);
	assert_true(weir_str_is(weir_get_str(f, &w.out, 3 + 12), "abab"));
	stop();
}

static void test_bad_set_up_is_refused(void **state)
{
	(void)state;
	winref_init(&w, tumbling(0, 0), WINREF_KEY_INT);
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), WEIR_E_RANGE);
	stop();
	winref_init(&w, tumbling(10, 0), WINREF_KEY_INT);
	w.step.aggregate.agg[3].arg = "nothing";
	assert_true(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in) < 0);
	assert_non_null(strstr(rig.task.err.text, "aggregate `sum_f`"));
	stop();
	winref_init(&w, tumbling(10, 0), WINREF_KEY_INT);
	w.step.aggregate.agg[2].arg_type.type = WEIR_STRING;
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), WEIR_E_TYPE);
	assert_non_null(strstr(rig.task.err.text, "string"));
	stop();
}

/* Without lateness each result lies between the watermarks around it, by window end. */
static void check_order(void)
{
	int64_t low = WEIR_TIME_MIN, last = WEIR_TIME_MIN;
	uint32_t waiting = 0;

	for (uint32_t i = 0; i < rig.out[0].count; i++) {
		const struct weir_frame *f = rig.out[0].frame[i];

		if (f->kind == WEIR_FRAME_DATA) {
			assert_true(f->time_ns > low && f->time_ns >= last);
			last = f->time_ns;
			waiting++;
		} else if (f->kind == WEIR_FRAME_WATERMARK) {
			assert_true(!waiting || last <= f->time_ns);
			low = f->time_ns;
			waiting = 0;
		}
	}
}

struct shape {
	struct weir_window_spec spec;
	enum winref_key key;
	int64_t disorder, behind;
};

static void random_run(const struct shape *s, uint64_t seed, uint32_t rows)
{
	int64_t now = -200, high = INT64_MIN;

	start(s->spec, s->key);
	rig.seed = seed;
	rig.room = 1 + (uint32_t)(winref_rand(&seed) % 5);
	for (uint32_t i = 0; i < rows; i++) {
		uint64_t r = winref_rand(&seed);
		int64_t t = now - (int64_t)(r >> 8) % (s->disorder + 1);
		struct weir_frame *f = winref_random(&w, &seed, t);

		weir_oprig_put_frame(&rig, f);
		winref_add(&w, f);
		high = WEIR_MAX(high, t);
		now += (int64_t)(r % 3);
		if ((r >> 40) % 200 == 0)
			now += 500;
		if ((r >> 50) % 25 == 0) {
			weir_oprig_watermark(&rig, high - s->behind);
			winref_watermark(&w, high - s->behind);
		}
	}
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	if (s->spec.lateness_ns == 0)
		check_order();
	assert_int_equal(rig.node[0].late, w.late);
	assert_int_equal(rig.out[1].rows, w.late);
	assert_string_equal(winref_actual(&w, &rig, s->spec.lateness_ns > 0),
			    winref_expected(&w, &rig));
	stop();
}

static void test_random_rows_equal_the_naive_result(void **state)
{
	const struct shape shapes[] = {
		{tumbling(20, 0), WINREF_KEY_INT, 10, 10},
		{tumbling(20, 0), WINREF_KEY_BOTH, 30, 5},
		{tumbling(7, 0), WINREF_KEY_NONE, 5, 0},
		{tumbling(50, 0), WINREF_KEY_FLOAT, 60, 20},
		{tumbling(20, 15), WINREF_KEY_BOTH, 40, 5},
		{sliding(30, 10, 3, 0), WINREF_KEY_INT, 20, 10},
		{sliding(30, 12, 5, 0), WINREF_KEY_BOTH, 40, 10},
		{sliding(30, 10, 0, 25), WINREF_KEY_BOTH, 60, 5},
		{sliding(25, 10, 9, 7), WINREF_KEY_NONE, 40, 0},
		{sliding(10, 25, 0, 5), WINREF_KEY_INT, 20, 0},
		{sliding(40, 1, 0, 0), WINREF_KEY_NONE, 20, 10},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(shapes); i++)
		for (uint64_t seed = 1; seed <= 6; seed++)
			random_run(&shapes[i], seed * 1000 + i, 400);
}

/* Rows in any order below the watermark give the same result. */
static void test_result_does_not_depend_on_arrival_order(void **state)
{
	char *first = NULL;

	(void)state;
	for (int run = 0; run < 3; run++) {
		struct weir_frame *f[300];
		uint64_t seed = 5;
		char *text;

		start(sliding(40, 20, 0, 0), WINREF_KEY_BOTH);
		for (uint32_t i = 0; i < 300; i++)
			f[i] = winref_random(&w, &seed, (int64_t)(winref_rand(&seed) % 100));
		seed = (uint64_t)run;
		for (uint32_t i = 299; i > 0 && run; i--) {
			uint32_t k = (uint32_t)(winref_rand(&seed) % (i + 1));
			struct weir_frame *x = f[i];

			f[i] = f[k];
			f[k] = x;
		}
		for (uint32_t i = 0; i < 300; i++) {
			weir_oprig_put_frame(&rig, f[i]);
			free(f[i]);
		}
		weir_oprig_eos(&rig);
		text = winref_actual(&w, &rig, false);
		if (first)
			assert_string_equal(text, first);
		else
			first = strdup(text);
		stop();
	}
	free(first);
}

/* Two instances by key group hold together what one holds. */
static void test_partitions_together_equal_one(void **state)
{
	static struct weir_oprig part[2];
	uint64_t seed = 99;
	uint32_t rows;

	(void)state;
	start(tumbling(30, 0), WINREF_KEY_BOTH);
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_oprig_init(&part[i], weir_aggregate_init, &w.step, &w.in), 0);
	for (int64_t i = 0; i < 1000; i++) {
		struct weir_frame *f = winref_random(&w, &seed, i / 3);
		uint64_t hash =
			weir_key_hash(f, &w.in, w.step.aggregate.key, w.step.aggregate.key_count);

		weir_oprig_put_frame(&part[weir_key_group(hash) / 2048], f);
		winref_add(&w, f);
	}
	for (int i = 0; i < 2; i++)
		weir_oprig_eos(&part[i]);
	/* Gather both outputs in one list. */
	rows = part[0].out[0].rows + part[1].out[0].rows;
	assert_true(part[0].out[0].rows && part[1].out[0].rows);
	rig.out[0].frame = malloc(rows * sizeof(struct weir_frame *));
	assert_non_null(rig.out[0].frame);
	for (int i = 0; i < 2; i++) {
		for (uint32_t k = 0; k < part[i].out[0].count; k++) {
			struct weir_frame *f = part[i].out[0].frame[k];

			if (f->kind != WEIR_FRAME_DATA)
				continue;
			rig.out[0].frame[rig.out[0].count] = malloc(f->size);
			memcpy(rig.out[0].frame[rig.out[0].count++], f, f->size);
		}
	}
	rig.out[0].cap = rows;
	assert_string_equal(winref_actual(&w, &rig, false), winref_expected(&w, &rig));
	for (int i = 0; i < 2; i++)
		weir_oprig_fini(&part[i]);
	stop();
}

static int init_hashed(struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_op_env e = *env;

	e.hashed = true;
	return weir_aggregate_init(n, &e);
}

/* Behind an exchange the hash comes with the frame and is not computed again. */
static void test_hashes_of_the_exchange_are_used(void **state)
{
	uint64_t seed = 3;

	(void)state;
	winref_init(&w, sliding(20, 10, 0, 0), WINREF_KEY_BOTH);
	assert_int_equal(weir_oprig_init(&rig, init_hashed, &w.step, &w.in), 0);
	for (int64_t i = 0; i < 300; i++) {
		struct weir_frame *f = winref_random(&w, &seed, i / 4);

		/* Any function of the key will do; this one collides a lot. */
		f->key_hash = weir_key_hash(f, &w.in, w.step.aggregate.key, 1) & 0xfff;
		f->flags |= WEIR_FRAME_F_HASHED;
		weir_oprig_put_frame(&rig, f);
		winref_add(&w, f);
	}
	weir_oprig_eos(&rig);
	assert_string_equal(winref_actual(&w, &rig, false), winref_expected(&w, &rig));
	stop();
}

static void test_many_keys_grow_and_recycle(void **state)
{
	(void)state;
	start_count(tumbling(10, 0));
	for (int64_t round = 0; round < 3; round++) {
		for (int64_t k = 0; k < 30000; k++)
			row(round * 10, k * 7919 % 20000);
		weir_oprig_watermark(&rig, round * 10 + 9);
		assert_int_equal(rig.out[0].rows, 20000 * (round + 1));
	}
	stop();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_tumbling_fires_at_its_last_instant),
	cmocka_unit_test(test_late_rows_go_to_the_late_port_unchanged),
	cmocka_unit_test(test_allowed_lateness_fires_the_changed_key_again),
	cmocka_unit_test(test_sliding_late_row_counts_in_the_windows_that_remain),
	cmocka_unit_test(test_gaps_between_windows_take_no_rows),
	cmocka_unit_test(test_times_at_the_ends_are_rejected),
	cmocka_unit_test(test_sum_overflow_follows_the_policy),
	cmocka_unit_test(test_result_larger_than_the_limit_is_rejected),
	cmocka_unit_test(test_other_controls_pass_and_watermarks_never_fall),
	cmocka_unit_test(test_arguments_are_expressions),
	cmocka_unit_test(test_bad_set_up_is_refused),
	cmocka_unit_test(test_random_rows_equal_the_naive_result),
	cmocka_unit_test(test_result_does_not_depend_on_arrival_order),
	cmocka_unit_test(test_partitions_together_equal_one),
	cmocka_unit_test(test_hashes_of_the_exchange_are_used),
	cmocka_unit_test(test_many_keys_grow_and_recycle),
};

WEIR_TEST_MAIN("engine/aggregate", tests)
