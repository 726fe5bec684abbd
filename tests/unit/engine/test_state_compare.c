/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/core/cell.h"
#include "tests/lib/test.h"

struct tables {
	struct weir_bundle_head then, now;
	const char *name[WEIR_STEPS_MAX];
	struct weir_state_change ch[8];
	uint32_t n;
};

static void add(struct weir_bundle_head *h, const char *name, const char *sign, uint32_t tasks)
{
	h->step[h->step_count++] = (struct weir_bundle_step){.name = weir_str_c(name),
							     .sign = weir_str_c(sign),
							     .tasks = tasks,
							     .kind = WEIR_STEP_AGGREGATE};
}

static struct tables *tables(void)
{
	struct tables *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	return t;
}

static void compare(struct tables *t, uint32_t cap)
{
	for (uint32_t i = 0; i < t->then.step_count; i++)
		t->name[i] = t->then.step[i].name.p;
	memset(t->ch, 0xee, sizeof(t->ch));
	t->n = weir_state_compare(&t->then, &t->now, t->name, t->ch, cap);
}

static void expect(const struct tables *t, uint32_t i, unsigned what, const char *step,
		   const char *text)
{
	assert_true(i < t->n);
	assert_int_equal(t->ch[i].what, what);
	assert_string_equal(t->ch[i].step, step);
	assert_string_equal(t->ch[i].text, text);
}

static void test_compare_what_stays(void **state)
{
	struct tables *t = tables();

	(void)state;
	add(&t->then, "read", "file a.csv", 1);
	add(&t->then, "clean", "", 4);
	add(&t->then, "count", "tumbling 1 s", 4);
	/* Another order and more steps without state: nothing to say of them. */
	add(&t->now, "count", "tumbling 1 s", 4);
	add(&t->now, "filter", "", 7);
	add(&t->now, "clean", "", 2);
	add(&t->now, "read", "file a.csv", 1);
	compare(t, 8);
	assert_int_equal(t->n, 2);
	expect(t, 0, WEIR_STATE_KEPT, "count", "");
	expect(t, 1, WEIR_STATE_KEPT, "read", "");
	free(t);
}

static void test_compare_what_is_dealt_out_anew(void **state)
{
	struct tables *t = tables();

	(void)state;
	add(&t->then, "count", "tumbling 1 s", 4);
	add(&t->now, "count", "tumbling 1 s", 6);
	compare(t, 8);
	assert_int_equal(t->n, 1);
	expect(t, 0, WEIR_STATE_CONVERTED, "count", "state of 4 tasks is dealt out to 6");
	/* How many there will be is not known: no reason to say that they change. */
	t->now.step[0].tasks = 0;
	compare(t, 8);
	expect(t, 0, WEIR_STATE_KEPT, "count", "");
	free(t);
}

static void test_compare_what_is_new(void **state)
{
	struct tables *t = tables();

	(void)state;
	add(&t->then, "count", "", 1);
	add(&t->now, "count", "tumbling 1 s", 1);
	add(&t->now, "top", "top 3", 1);
	compare(t, 8);
	assert_int_equal(t->n, 2);
	expect(t, 0, WEIR_STATE_NEW, "count", "starts empty");
	expect(t, 1, WEIR_STATE_NEW, "top", "starts empty");
	free(t);
}

/* The descriptions have several lines: a message has one. */
static void test_compare_says_one_line(void **state)
{
	struct tables *t = tables();

	(void)state;
	add(&t->then, "count", "window 10 s\nsum(p int64)\n", 1);
	add(&t->then, "top", "key int64\ntop 3\nties\n", 1);
	add(&t->now, "count", "window 10 s\nsum(p int64)\nmax(p int64)\n", 1);
	add(&t->now, "top", "key int64\ntop 4\nties\n", 1);
	compare(t, 8);
	assert_int_equal(t->n, 2);
	expect(t, 0, WEIR_STATE_DROPPED, "count",
	       "means something else now: was ``, is `max(p int64)`");
	expect(t, 1, WEIR_STATE_DROPPED, "top", "means something else now: was `3`, is `4`");
	free(t);
}

static void test_compare_what_is_dropped(void **state)
{
	struct tables *t = tables();
	char then[400], now[400], text[200];

	(void)state;
	add(&t->then, "count", "tumbling 1 s", 1);
	add(&t->then, "top", "top 3", 1);
	add(&t->then, "old", "top 4", 1);
	add(&t->then, "plain", "", 1);
	add(&t->now, "count", "tumbling 2 s", 1);
	add(&t->now, "top", "", 1);
	compare(t, 8);
	assert_int_equal(t->n, 3);
	/* From the first word that is another one. */
	expect(t, 0, WEIR_STATE_DROPPED, "count", "means something else now: was `1 s`, is `2 s`");
	expect(t, 1, WEIR_STATE_DROPPED, "top", "means something else now: was `top 3`, is ``");
	expect(t, 2, WEIR_STATE_DROPPED, "old", "the pipeline has no step of this name any more");
	/* No more than what there is room for, and all are counted. */
	compare(t, 1);
	assert_int_equal(t->n, 3);
	expect(t, 0, WEIR_STATE_DROPPED, "count", "means something else now: was `1 s`, is `2 s`");
	assert_int_equal((unsigned char)t->ch[1].text[0], 0xee);
	/* Long texts are cut. */
	memset(then, 'a', sizeof(then));
	memset(now, 'b', sizeof(now));
	then[399] = now[399] = 0;
	t->then.step_count = t->now.step_count = 0;
	add(&t->then, "count", then, 1);
	add(&t->now, "count", now, 1);
	compare(t, 8);
	snprintf(text, sizeof(text), "means something else now: was `%.70s`, is `%.70s`", then,
		 now);
	expect(t, 0, WEIR_STATE_DROPPED, "count", text);
	free(t);
}

static void test_compare_a_name_is_the_whole_name(void **state)
{
	struct tables *t = tables();

	(void)state;
	add(&t->then, "count", "tumbling 1 s", 1);
	add(&t->now, "counter", "tumbling 1 s", 1);
	add(&t->now, "coun", "tumbling 1 s", 1);
	compare(t, 8);
	assert_int_equal(t->n, 3);
	expect(t, 0, WEIR_STATE_NEW, "counter", "starts empty");
	expect(t, 1, WEIR_STATE_NEW, "coun", "starts empty");
	expect(t, 2, WEIR_STATE_DROPPED, "count", "the pipeline has no step of this name any more");
	free(t);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_compare_what_stays),
	cmocka_unit_test(test_compare_what_is_dealt_out_anew),
	cmocka_unit_test(test_compare_what_is_new),
	cmocka_unit_test(test_compare_what_is_dropped),
	cmocka_unit_test(test_compare_says_one_line),
	cmocka_unit_test(test_compare_a_name_is_the_whole_name),
};

WEIR_TEST_MAIN("state compare", tests)
