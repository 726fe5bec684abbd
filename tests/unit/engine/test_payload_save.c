/* SPDX-License-Identifier: Apache-2.0 */
/* States of aggregate and top through their payload: bytes, histories, damage, signatures. */
#include "base/buf.h"
#include "engine/core/window.h"
#include "tests/lib/winref.h"
#include "tests/unit/engine/save_case.h"

#define ROWS 120

static const struct weir_window_spec tumbling = {
	.kind = WEIR_WINDOW_TUMBLING, .size_ns = 20, .slide_ns = 20};

static struct winref w;
static struct weir_oprig rig;
static struct weir_window_payload p;
static struct weir_slab slab;
static struct weir_prng rnd;
static struct weir_frame *row[ROWS];

static void begin(weir_op_init_fn init)
{
	uint64_t seed = 5;

	assert_int_equal(weir_oprig_init(&rig, init, &w.step, &w.in), 0);
	p = ((struct weir_window_op *)rig.node[0].op)->payload;
	weir_slab_init(&slab, &weir_test_mem);
	rnd = weir_prng_of(3, "payloads");
	for (uint32_t i = 0; i < ROWS; i++)
		row[i] = winref_random(&w, &seed, (int64_t)weir_prng_below(&rnd, 10));
}

static void begin_aggregate(void)
{
	winref_init(&w, tumbling, WINREF_KEY_INT);
	begin(weir_aggregate_init);
}

static void begin_top(const char *by, uint32_t k, bool smallest, bool ties)
{
	winref_init(&w, tumbling, WINREF_KEY_INT);
	winref_top(&w, by, k, smallest, ties);
	begin(weir_top_init);
}

static void end(void)
{
	for (uint32_t i = 0; i < ROWS; i++)
		free(row[i]);
	assert_int_equal(slab.used, 0);
	weir_slab_fini(&slab);
	weir_oprig_fini(&rig);
	winref_fini(&w);
}

static void *state_new(void)
{
	void *s = calloc(1, p.bytes);

	assert_non_null(s);
	return s;
}

static void state_free(void *s)
{
	p.release(p.ctx, &slab, s);
	free(s);
}

static void add(void *s, uint32_t i)
{
	const struct weir_frame *f = row[i];
	const uint8_t *bad = p.prepare(p.ctx, &f, 1);
	uint16_t lane = 0;
	uint8_t *at = s;
	struct weir_slab *sl = &slab;
	struct weir_agg_rows rows = {
		.count = 1, .lane = &lane, .at = &at, .slab = &sl, .frame = &f};

	if (!bad || bad[0] <= WEIR_LANE_NULL)
		p.update(p.ctx, &rows);
}

static void add_range(void *s, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		add(s, i);
}

static struct saved save(const void *s)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	p.save(p.ctx, s, &o);
	return saved_of(&o);
}

static void *load(const struct saved *b)
{
	struct weir_reader r = weir_reader_of(b->p, b->n);
	void *s = state_new();

	assert_int_equal(p.load(p.ctx, &slab, s, &r), 0);
	assert_int_equal(weir_reader_left(&r), 0);
	return s;
}

static void *reload(void *s)
{
	struct saved b = save(s);
	void *t;

	state_free(s);
	t = load(&b);
	saved_free(&b);
	return t;
}

static void same(const void *s, const void *t)
{
	struct saved a = save(s), b = save(t);

	saved_same(&a, &b);
	saved_free(&a);
	saved_free(&b);
}

static void *merge(void *to, void *from)
{
	p.merge(p.ctx, &slab, to, from);
	state_free(from);
	return to;
}

static void come_back(void)
{
	for (uint32_t n = 0; n < ROWS; n += 1 + n / 4) {
		void *s = state_new(), *t;
		struct saved b;

		add_range(s, 0, n);
		b = save(s);
		t = load(&b);
		saved_free(&b);
		same(s, t);
		add_range(s, n / 2, ROWS);
		add_range(t, n / 2, ROWS);
		same(s, t);
		state_free(s);
		state_free(t);
	}
}

static void histories(void)
{
	for (uint32_t n = 1; n < ROWS; n += 1 + n / 4) {
		void *s = state_new(), *part[3] = {state_new(), state_new(), state_new()};

		add_range(s, 0, n);
		for (uint32_t i = n; i-- > 0;) {
			uint64_t k = weir_prng_below(&rnd, 3);

			add(part[k], i);
			if (weir_prng_chance(&rnd, 1, 6))
				part[k] = reload(part[k]);
		}
		part[1] = reload(merge(part[1], part[0]));
		merge(part[2], part[1]);
		same(s, part[2]);
		state_free(s);
		state_free(part[2]);
	}
}

/* As in test_agg_save.c: what is taken is what is given again. */
static void try_load(const struct saved *b, bool must_fail)
{
	struct weir_reader r = weir_reader_of(b->p, b->n);
	size_t used = slab.used;
	uint8_t *s = state_new();
	int code = p.load(p.ctx, &slab, s, &r);

	if (code < 0) {
		assert_int_equal(code, WEIR_E_CORRUPT);
		assert_int_equal(slab.used, used);
		for (uint32_t i = 0; i < p.bytes; i++)
			assert_int_equal(s[i], 0);
	} else {
		struct saved again = save(s);

		assert_false(must_fail);
		assert_int_equal(again.n, (size_t)(r.p - b->p));
		assert_memory_equal(again.p, b->p, again.n);
		saved_free(&again);
		add_range(s, 0, 20);
	}
	state_free(s);
	assert_int_equal(slab.used, used);
}

static void damage(void)
{
	for (uint32_t n = 0; n < ROWS; n += 1 + n) {
		void *s = state_new();
		struct saved b;

		add_range(s, 0, n);
		b = save(s);
		saved_try_damage(&b, &rnd, 500, try_load);
		saved_free(&b);
		state_free(s);
	}
}

static void for_all(void (*one)(void))
{
	static const char *const by[] = {"v",  "f",    "s", "d", "f * 2.0", "s + string(v)",
					 "-v", "v > 0"};

	begin_aggregate();
	one();
	end();
	for (size_t i = 0; i < WEIR_COUNT_OF(by); i++) {
		for (unsigned how = 0; how < 4; how++) {
			begin_top(by[i], 1 + 2 * how, how & 1, how & 2);
			one();
			end();
		}
	}
}

static void test_states_come_back(void **state)
{
	(void)state;
	for_all(come_back);
}

static void test_bytes_do_not_depend_on_history(void **state)
{
	(void)state;
	for_all(histories);
}

static void test_damaged_bytes_leave_nothing(void **state)
{
	(void)state;
	for_all(damage);
}

/* What a record came with in its header does not show in the bytes. */
static void test_top_keeps_only_the_time_of_a_header(void **state)
{
	void *s, *t;

	(void)state;
	begin_top("d", 3, false, false);
	s = state_new();
	t = state_new();
	add_range(s, 0, 10);
	for (uint32_t i = 0; i < 10; i++) {
		row[i]->key_hash = i * 77;
		row[i]->flags |= WEIR_FRAME_F_HASHED;
		row[i]->stream = 3;
	}
	add_range(t, 0, 10);
	same(s, t);
	state_free(s);
	state_free(t);
	end();
}

/* Two saved states of one record each, joined to one of two. */
static void test_top_refuses_another_order_and_too_many(void **state)
{
	void *s = NULL;
	struct saved one[2], bad;
	uint8_t *at;

	(void)state;
	begin_top("d", 1, false, false);
	for (uint32_t i = 0; i < 2; i++) {
		s = state_new();
		add(s, i);
		one[i] = save(s);
		state_free(s);
	}
	end();
	/* d of the two rows differs: in one of the two orders the second is better. */
	for (uint32_t k = 1; k <= 2; k++) {
		uint32_t fine = 0;

		begin_top("d", k, false, false);
		for (uint32_t i = 0; i < 2; i++) {
			struct weir_reader r;

			bad.n = one[0].n + one[1].n - 1;
			at = bad.p = malloc(bad.n);
			assert_non_null(at);
			memcpy(at, one[i].p, one[i].n);
			memcpy(at + one[i].n, one[!i].p + 1, one[!i].n - 1);
			at[0] = 2;
			s = state_new();
			r = weir_reader_of(bad.p, bad.n);
			fine += p.load(p.ctx, &slab, s, &r) == 0;
			state_free(s);
			saved_free(&bad);
		}
		assert_int_equal(fine, k == 2);
		end();
	}
	saved_free(&one[0]);
	saved_free(&one[1]);
}

/* The bytes of the first row that has a `by`, with another rank at the end. */
static void refused_rank(const char *by, uint64_t rank)
{
	void *s;
	struct saved b;
	uint32_t i = 0;

	begin_top(by, 1, false, false);
	s = state_new();
	while (p.rows(p.ctx, s) == 0)
		add(s, i++);
	b = save(s);
	try_load(&b, false);
	memcpy(b.p + b.n - 8, &rank, 8);
	try_load(&b, true);
	saved_free(&b);
	state_free(s);
	end();
}

static void test_top_refuses_ranks_that_no_record_has(void **state)
{
	void *s;
	struct saved b;
	uint32_t i = 0;

	(void)state;
	refused_rank("v > 0", 2);
	refused_rank("f * 2.0", UINT64_C(0x7ff8000000000001));
	/* A record without `by` is never kept. */
	begin_top("d", 1, false, false);
	s = state_new();
	while (!weir_null(row[i], &w.in, WINREF_V))
		i++;
	add(s, i);
	b = save(s);
	state_free(s);
	end();
	begin_top("v", 1, false, false);
	try_load(&b, true);
	end();
	saved_free(&b);
}

static void test_signatures_say_what_the_bytes_mean(void **state)
{
	char text[4096];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	(void)state;
	begin_aggregate();
	p.sign(p.ctx, &b);
	assert_false(b.full);
	text[b.len] = 0;
	assert_ptr_equal(strstr(text, "aggregate \"n\" count()\n"
				      "aggregate \"nv\" count(\"v\" int64)\n"
				      "aggregate \"sum_v\" sum(\"v\" int64)\n"),
			 text);
	assert_non_null(strstr(text, "\naggregate \"sum_d\" sum(\"d\" decimal(10,2))\n"));
	assert_non_null(strstr(text, "\naggregate \"min_s\" min(\"s\" string)\n"));
	assert_non_null(
		strstr(text, "\naggregate \"amin_sv\" arg_min(\"s\" string, \"v\" int64)\n"));
	assert_non_null(strstr(text, "\naggregate \"dist_f\" distinct(\"f\" float64)\n"));
	end();
	begin_top("s + string(v)", 3, true, true);
	b.len = 0;
	p.sign(p.ctx, &b);
	text[b.len] = 0;
	assert_string_equal(text, "top 3 smallest ties by \"s + string(v)\" string\n"
				  "field \"k\" int64\nfield \"ks\" string?\nfield \"v\" int64?\n"
				  "field \"f\" float64?\nfield \"s\" string?\n"
				  "field \"d\" decimal(10,2)\n");
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_states_come_back),
	cmocka_unit_test(test_bytes_do_not_depend_on_history),
	cmocka_unit_test(test_damaged_bytes_leave_nothing),
	cmocka_unit_test(test_top_keeps_only_the_time_of_a_header),
	cmocka_unit_test(test_top_refuses_another_order_and_too_many),
	cmocka_unit_test(test_top_refuses_ranks_that_no_record_has),
	cmocka_unit_test(test_signatures_say_what_the_bytes_mean),
};

WEIR_TEST_MAIN("engine/payload_save", tests)
