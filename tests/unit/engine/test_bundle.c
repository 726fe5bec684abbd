/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "engine/core/bundle.h"
#include "tests/unit/engine/save_case.h"

static struct weir_bundle_head *head(void)
{
	struct weir_bundle_head *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	*h = (struct weir_bundle_head){
		.flags = WEIR_BUNDLE_ENDED,
		.folded_from = 41,
		.wall_ns = -7,
		.route = UINT64_C(0x1122334455667788),
		.step_count = 3,
		.step = {{.name = WEIR_STR("read"),
			  .tasks = 1,
			  .kind = WEIR_STEP_SOURCE,
			  .sign = WEIR_STR("file a.csv")},
			 {.name = WEIR_STR("count"), .tasks = 300, .kind = WEIR_STEP_AGGREGATE},
			 {.name = WEIR_STR("out"),
			  .tasks = 2,
			  .kind = WEIR_STEP_SINK,
			  .sign = WEIR_STR("stdout")}}};
	return h;
}

static struct saved bundle(void)
{
	struct weir_bundle_head *h = head();
	struct weir_out o, part;

	weir_out_init(&o, &weir_test_mem);
	weir_out_init(&part, &weir_test_mem);
	weir_bundle_head_put(&o, h);
	weir_out_put(&part, "position", 8);
	weir_bundle_part_put(&o, WEIR_PART_NODE, 0, 0, &part);
	assert_int_equal(part.bytes, 0);
	weir_bundle_part_put(&o, WEIR_PART_TASK, 1, 299, &part);
	for (uint32_t i = 0; i < 5000; i++)
		weir_out_u64(&part, i);
	weir_bundle_part_put(&o, WEIR_PART_SINK, 2, 1, &part);
	free(h);
	return saved_of(&o);
}

static void part_is(struct weir_reader *r, const struct weir_bundle_head *h,
		    enum weir_part_kind kind, uint32_t step, uint32_t task, size_t bytes)
{
	struct weir_part part;
	struct weir_err err;

	assert_int_equal(weir_bundle_part_read(r, h, &part, &err), 1);
	assert_int_equal(part.kind, kind);
	assert_int_equal(part.step, step);
	assert_int_equal(part.task, task);
	assert_int_equal(weir_reader_left(&part.in), bytes);
}

static void test_bundle_comes_back(void **state)
{
	struct saved s = bundle();
	struct weir_bundle_head *h = head(), *got = calloc(1, sizeof(*got));
	struct weir_reader r = weir_reader_of(s.p, s.n);
	struct weir_part part;
	struct weir_err err;

	(void)state;
	assert_memory_equal(s.p, "WBDL\1\0\1\0", 8);
	assert_int_equal(weir_bundle_head_read(&r, got, &err), 0);
	assert_int_equal(got->flags, h->flags);
	assert_int_equal(got->folded_from, h->folded_from);
	assert_int_equal(got->wall_ns, h->wall_ns);
	assert_true(got->route == h->route);
	assert_int_equal(got->step_count, h->step_count);
	for (uint32_t i = 0; i < h->step_count; i++) {
		assert_true(weir_str_eq(got->step[i].name, h->step[i].name));
		assert_true(weir_str_eq(got->step[i].sign, h->step[i].sign));
		assert_int_equal(got->step[i].tasks, h->step[i].tasks);
		assert_int_equal(got->step[i].kind, h->step[i].kind);
	}
	part_is(&r, got, WEIR_PART_NODE, 0, 0, 8);
	part_is(&r, got, WEIR_PART_TASK, 1, 299, 0);
	part_is(&r, got, WEIR_PART_SINK, 2, 1, 40000);
	assert_int_equal(weir_bundle_part_read(&r, got, &part, &err), 0);
	free(h);
	free(got);
	saved_free(&s);
}

/* Reads all of it; the sanitizer sees whether it stays in its bytes. */
static int read_all(const struct saved *s, struct weir_err *err)
{
	struct weir_bundle_head *h = malloc(sizeof(*h));
	struct weir_reader r = weir_reader_of(s->p, s->n);
	struct weir_part part;
	int k = weir_bundle_head_read(&r, h, err);

	while (k == 0) {
		k = weir_bundle_part_read(&r, h, &part, err);
		if (k <= 0)
			break;
		assert_true(part.step < h->step_count && part.task < h->step[part.step].tasks);
		assert_true(part.in.p >= s->p && part.in.end <= s->p + s->n);
		k = 0;
	}
	free(h);
	return k;
}

static void test_bundle_every_prefix(void **state)
{
	struct saved s = bundle();
	struct weir_err err;
	uint32_t good = 0;

	(void)state;
	assert_int_equal(read_all(&s, &err), 0);
	for (size_t n = 0; n < s.n; n++) {
		struct saved cut = saved_copy(&s, n);
		int r = read_all(&cut, &err);

		if (r == 0)
			good++;
		else
			assert_int_equal(r, WEIR_E_CORRUPT);
		saved_free(&cut);
	}
	/* Only where a part ends: what is missing is told by the journal, not here. */
	assert_int_equal(good, 3);
	saved_free(&s);
}

static void test_bundle_flips(void **state)
{
	struct weir_prng rnd = weir_prng_of(3, "flips");
	struct saved s = bundle();
	struct weir_err err;

	(void)state;
	for (uint32_t i = 0; i < 200 * 8; i++) {
		struct saved bad = saved_copy(&s, s.n);

		bad.p[i / 8] ^= (uint8_t)(1u << i % 8);
		(void)read_all(&bad, &err);
		saved_free(&bad);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		struct saved bad = saved_damaged(&s, &rnd);

		(void)read_all(&bad, &err);
		saved_free(&bad);
	}
	saved_free(&s);
}

static void expect_head(const struct weir_bundle_head *h, int r, const char *text)
{
	struct weir_err err = {0};
	struct weir_out o;
	struct saved s;

	weir_out_init(&o, &weir_test_mem);
	weir_bundle_head_put(&o, h);
	s = saved_of(&o);
	assert_int_equal(read_all(&s, &err), r);
	if (!strstr(err.text, text))
		fail_msg("%s", err.text);
	saved_free(&s);
}

static void test_bundle_heads_that_cannot_be(void **state)
{
	struct weir_bundle_head *h = head();
	struct saved s = bundle();
	struct weir_err err;
	static char big[65600];

	(void)state;
	expect_head(h, 0, "");
	h->step_count = WEIR_STEPS_MAX;
	expect_head(h, WEIR_E_CORRUPT, "step table"); /* names are empty */
	h->step_count = 3;
	h->step[1].tasks = 0;
	expect_head(h, WEIR_E_CORRUPT, "step table");
	h->step[1].tasks = 65537;
	expect_head(h, WEIR_E_CORRUPT, "step table");
	h->step[1].tasks = 65536;
	expect_head(h, 0, "");
	h->step[1].kind = 0;
	expect_head(h, WEIR_E_CORRUPT, "step table");
	h->step[1].kind = WEIR_STEP_KIND_COUNT;
	expect_head(h, WEIR_E_CORRUPT, "step table");
	h->step[1].kind = WEIR_STEP_MAP;
	memset(big, 'x', sizeof(big));
	h->step[1].name = (struct weir_str){big, WEIR_NAME_MAX + 1};
	expect_head(h, WEIR_E_CORRUPT, "step table");
	h->step[1].name.n = WEIR_NAME_MAX;
	h->step[1].sign = (struct weir_str){big, 65537};
	expect_head(h, WEIR_E_CORRUPT, "step table");
	h->step[1].sign.n = 65536;
	expect_head(h, 0, "");
	/* Not a bundle, a later version, too many steps. */
	s.p[0] = 'X';
	assert_int_equal(read_all(&s, &err), WEIR_E_CORRUPT);
	assert_non_null(strstr(err.text, "it does not begin as one"));
	s.p[0] = 'W';
	s.p[4] = 2;
	assert_int_equal(read_all(&s, &err), WEIR_E_VERSION);
	assert_string_equal(err.text,
			    "a bundle has version 2, this program reads 1: use the version "
			    "of weir that wrote it");
	s.p[4] = 1;
	s.p[32] = 0x81;
	s.p[33] = 0x02;
	assert_int_equal(read_all(&s, &err), WEIR_E_CORRUPT);
	assert_non_null(strstr(err.text, "number of steps"));
	free(h);
	saved_free(&s);
}

static void test_bundle_parts_that_cannot_be(void **state)
{
	static const uint8_t bad[][4] = {
		{0, 0, 0, 0}, {4, 0, 0, 0}, {1, 3, 0, 0}, {1, 0, 1, 0}, {3, 2, 2, 0}, {1, 0, 0, 1},
	};
	struct weir_bundle_head *h = head();
	struct weir_part part;
	struct weir_err err;

	(void)state;
	for (uint32_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		struct weir_reader r = weir_reader_of(bad[i], 4);

		assert_int_equal(weir_bundle_part_read(&r, h, &part, &err), WEIR_E_CORRUPT);
		assert_string_equal(err.text, "a bundle is damaged: head of a part");
	}
	free(h);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_bundle_comes_back),
	cmocka_unit_test(test_bundle_every_prefix),
	cmocka_unit_test(test_bundle_flips),
	cmocka_unit_test(test_bundle_heads_that_cannot_be),
	cmocka_unit_test(test_bundle_parts_that_cannot_be),
};

WEIR_TEST_MAIN("bundle", tests)
