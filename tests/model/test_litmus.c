/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker itself, on the litmus tests every memory model is explained with: it has to find all
 * results that C11 allows (without load buffering, which no compiler or processor that weir runs on
 * combines with a data dependency) and no other.
 */
#include "tests/model/model.h"

#include "shm/atomic.h"
#include "tests/lib/test.c"

static weir_atomic_u32 x, y;
static uint64_t plain[8];
static unsigned r[4];
static unsigned seen; /* bit r0 + 2*r1 + 4*r2 + 8*r3 */
static bool fences, order;

static void setup(void)
{
	x = y = 0;
	memset(r, 0, sizeof(r));
	model_name(&x, "x");
	model_name(&y, "y");
	model_data_area(plain, sizeof(plain), 1, 8);
}

static void finish(void)
{
	seen |= 1u << (r[0] + 2 * r[1] + 4 * r[2] + 8 * r[3]);
}

static unsigned outcomes(struct model_scenario s)
{
	struct model_result res;

	s.setup = setup;
	if (!s.finish)
		s.finish = finish;
	for (unsigned i = 0; i < s.thread_count; i++)
		s.thread[i].name = "thread";
	s.no_merge = true; /* results lie outside of the machine: keep histories apart */
	seen = 0;
	model_explore(&s, true, &res);
	assert_false(res.failed);
	return seen;
}

static void sb_a(void *arg)
{
	(void)arg;
	weir_store_relaxed(&x, 1);
	if (fences)
		weir_fence_seq_cst();
	r[0] = weir_load_relaxed(&y);
}

static void sb_b(void *arg)
{
	(void)arg;
	weir_store_relaxed(&y, 1);
	if (fences)
		weir_fence_seq_cst();
	r[1] = weir_load_relaxed(&x);
}

static void test_store_buffering(void **state)
{
	struct model_scenario s = {.thread_count = 2, .thread = {{.run = sb_a}, {.run = sb_b}}};

	(void)state;
	fences = false;
	assert_int_equal(outcomes(s), 0xf);
	fences = true;
	assert_int_equal(outcomes(s), 0xe); /* not both 0 */
}

static void mp_a(void *arg)
{
	(void)arg;
	weir_store_relaxed(&x, 1);
	if (order)
		weir_store_release(&y, 1);
	else
		weir_store_relaxed(&y, 1);
}

static void mp_b(void *arg)
{
	(void)arg;
	r[0] = order ? weir_load_acquire(&y) : weir_load_relaxed(&y);
	r[1] = weir_load_relaxed(&x);
}

static void test_message_passing(void **state)
{
	struct model_scenario s = {.thread_count = 2, .thread = {{.run = mp_a}, {.run = mp_b}}};

	(void)state;
	order = false;
	assert_int_equal(outcomes(s), 0xf);
	order = true;
	assert_int_equal(outcomes(s), 0xd); /* not r0 = 1, r1 = 0 */
}

/* A fence between the stores and one between the loads do what release and acquire do. */
static void mp_fence_a(void *arg)
{
	(void)arg;
	weir_store_relaxed(&x, 1);
	weir_fence_seq_cst();
	weir_store_relaxed(&y, 1);
}

static void mp_fence_b(void *arg)
{
	(void)arg;
	r[0] = weir_load_relaxed(&y);
	weir_fence_acquire();
	r[1] = weir_load_relaxed(&x);
}

static void test_message_passing_with_fences(void **state)
{
	struct model_scenario s = {.thread_count = 2,
				   .thread = {{.run = mp_fence_a}, {.run = mp_fence_b}}};

	(void)state;
	assert_int_equal(outcomes(s), 0xd);
}

static void write_x(void *arg)
{
	(void)arg;
	weir_store_release(&x, 1);
}

static void write_y(void *arg)
{
	(void)arg;
	weir_store_release(&y, 1);
}

static void iriw_xy(void *arg)
{
	(void)arg;
	r[0] = weir_load_acquire(&x);
	if (fences)
		weir_fence_seq_cst();
	r[1] = weir_load_acquire(&y);
}

static void iriw_yx(void *arg)
{
	(void)arg;
	r[2] = weir_load_acquire(&y);
	if (fences)
		weir_fence_seq_cst();
	r[3] = weir_load_acquire(&x);
}

/* Two readers may see two independent writes in different orders, unless fences forbid it. */
static void test_independent_reads(void **state)
{
	struct model_scenario s = {
		.thread_count = 4,
		.thread = {{.run = write_x}, {.run = write_y}, {.run = iriw_xy}, {.run = iriw_yx}}};
	unsigned different = 1u << (1 + 4);

	(void)state;
	fences = false;
	assert_int_equal(outcomes(s), 0xffff);
	fences = true;
	assert_int_equal(outcomes(s), 0xffff & ~different);
}

static void two_writes(void *arg)
{
	weir_atomic_u32 *first = arg ? &y : &x, *second = arg ? &x : &y;

	if (order) {
		weir_store_release(first, 1);
		weir_store_release(second, 2);
	} else {
		weir_store_relaxed(first, 1);
		weir_store_relaxed(second, 2);
	}
}

static void two_writes_finish(void)
{
	seen |= 1u << ((x - 1) + 2 * (y - 1));
}

/* 2+2W: both locations may end with the first write of the other thread; the modification order need
 * not follow the order of execution. */
static void test_two_writes(void **state)
{
	struct model_scenario s = {.thread_count = 2,
				   .finish = two_writes_finish,
				   .thread = {{.run = two_writes}, {.run = two_writes, .arg = r}}};

	(void)state;
	order = false;
	assert_int_equal(outcomes(s), 0xf);
	order = true;
	assert_int_equal(outcomes(s), 0xf);
}

static void read_twice(void *arg)
{
	(void)arg;
	r[0] = weir_load_relaxed(&x);
	r[1] = weir_load_relaxed(&x);
}

static void test_coherence(void **state)
{
	struct model_scenario s = {.thread_count = 2,
				   .thread = {{.run = write_x}, {.run = read_twice}}};

	(void)state;
	assert_int_equal(outcomes(s), 0xd); /* never 1, then 0 */
}

static void add(void *arg)
{
	uint32_t expected = weir_load_relaxed(&x);

	(void)arg;
	while (!weir_cas_acq_rel(&x, &expected, expected + 1))
		;
	weir_add_acq_rel(&y, 1);
}

static void add_finish(void)
{
	model_check(x == 3 && y == 3);
}

static void test_no_update_is_lost(void **state)
{
	struct model_scenario s = {.thread_count = 3,
				   .finish = add_finish,
				   .thread = {{.run = add}, {.run = add}, {.run = add}}};

	(void)state;
	outcomes(s);
}

/* A relaxed read-modify-write carries on what the release before it carried. */
static void sequence_a(void *arg)
{
	(void)arg;
	plain[0] = 1;
	weir_data_written(plain, 8);
	weir_store_release(&x, 1);
}

static void sequence_cas(void *arg)
{
	uint64_t was;

	(void)arg;
	model_cas(&x, sizeof(x), 1, 2, MODEL_RELAXED, __func__, &was);
}

static void sequence_read(void *arg)
{
	(void)arg;
	if (weir_load_acquire(&x) == 2)
		weir_data_read(plain, 8); /* a race would be reported */
}

static void test_release_sequence(void **state)
{
	struct model_scenario s = {
		.thread_count = 3,
		.thread = {{.run = sequence_a}, {.run = sequence_cas}, {.run = sequence_read}}};

	(void)state;
	outcomes(s);
}

static void race_a(void *arg)
{
	(void)arg;
	weir_data_written(plain, 8);
	weir_store_relaxed(&x, 1);
}

static void race_b(void *arg)
{
	(void)arg;
	if (weir_load_acquire(&x))
		weir_data_read(plain, 8);
}

static void spin_for_ever(void *arg)
{
	(void)arg;
	while (weir_load_relaxed(&x) != 2)
		model_spin();
}

static void sleep_for_ever(void *arg)
{
	(void)arg;
	model_futex_wait(&x, 0);
}

static void beyond(void *arg)
{
	(void)arg;
	(void)weir_load_relaxed(&x);
	weir_data_read(&plain[7], 16);
}

static void expect_failure(void (*a)(void *), void (*b)(void *), const char *text)
{
	struct model_scenario s = {.name = "failure",
				   .setup = setup,
				   .thread_count = 2,
				   .thread = {{.name = "A", .run = a}, {.name = "B", .run = b}}};
	struct model_result res;

	model_explore(&s, false, &res);
	assert_true(res.failed);
	if (!strstr(res.text, text))
		fail_msg("'%s' instead of '%s'", res.text, text);
}

static void test_failures_are_told(void **state)
{
	(void)state;
	expect_failure(race_a, race_b, "data race: read in race_b of B without order after A");
	expect_failure(write_x, spin_for_ever, "B waits for ever");
	expect_failure(write_y, sleep_for_ever, "B sleeps for ever");
	expect_failure(write_y, beyond, "outside the data area");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_store_buffering),
	cmocka_unit_test(test_message_passing),
	cmocka_unit_test(test_message_passing_with_fences),
	cmocka_unit_test(test_independent_reads),
	cmocka_unit_test(test_two_writes),
	cmocka_unit_test(test_coherence),
	cmocka_unit_test(test_no_update_is_lost),
	cmocka_unit_test(test_release_sequence),
	cmocka_unit_test(test_failures_are_told),
};

WEIR_TEST_MAIN("litmus", tests)
