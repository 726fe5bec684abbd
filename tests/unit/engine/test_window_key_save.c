/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/buf.h"
#include "engine/core/window_key.h"
#include "tests/unit/engine/save_case.h"

enum { B, I, F, D, S, Y, T, U, MI, MS, MF, FIELDS };

#define ENTRY_BYTES 512

struct entry {
	uint64_t word[ENTRY_BYTES / 8];
};

static struct weir_schema in;
static struct weir_slab slab;
static struct weir_prng rnd;
static uint64_t mem[256];

static void field(const char *name, struct weir_typeinfo t, bool nullable)
{
	assert_true(weir_schema_add(&in, weir_str_c(name), t, nullable) >= 0);
}

static int set_up(void **state)
{
	(void)state;
	memset(&in, 0, sizeof(in));
	field("b", weir_type_of(WEIR_BOOL), false);
	field("i", weir_type_of(WEIR_INT64), false);
	field("f", weir_type_of(WEIR_FLOAT64), false);
	field("d", (struct weir_typeinfo){WEIR_DECIMAL, 0, 10, 2}, false);
	field("s", weir_type_of(WEIR_STRING), false);
	field("y", weir_type_of(WEIR_BYTES), false);
	field("t", weir_type_of(WEIR_TIMESTAMP), false);
	field("u", weir_type_of(WEIR_DURATION), false);
	field("mi", weir_type_of(WEIR_INT64), true);
	field("ms", weir_type_of(WEIR_STRING), true);
	field("mf", weir_type_of(WEIR_FLOAT64), true);
	weir_schema_seal(&in);
	strcpy(in.field[T].format, "%Y");
	weir_slab_init(&slab, &weir_test_mem);
	rnd = weir_prng_of(7, "window keys");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(slab.used, 0);
	weir_slab_fini(&slab);
	return 0;
}

static const struct weir_frame *random_frame(void)
{
	static const double odd[] = {NAN, -NAN, INFINITY, 0.0, -0.0, 1.5, -2.25};
	struct weir_builder b;
	char text[300];

	memset(text, 'x', sizeof(text));
	weir_build_begin(&b, mem, sizeof(mem), &in);
	for (unsigned i = 0; i < FIELDS; i++) {
		unsigned type = in.field[i].type.type;

		if (in.field[i].nullable && weir_prng_chance(&rnd, 1, 3))
			weir_build_null(&b, i);
		else if (weir_type_is_text(type))
			weir_build_str(&b, i,
				       (struct weir_str){text,
							 weir_prng_chance(&rnd, 1, 3)
								 ? 0
								 : weir_prng_below(&rnd, 300)});
		else if (type == WEIR_FLOAT64)
			weir_build_f64(&b, i, odd[weir_prng_below(&rnd, WEIR_COUNT_OF(odd))]);
		else
			weir_build_slot(&b, i,
					type == WEIR_BOOL ? weir_prng_below(&rnd, 2)
							  : weir_prng_u64(&rnd));
	}
	assert_true(weir_build_end(&b));
	return b.f;
}

static void random_key(struct weir_window_key *k)
{
	uint16_t f[WEIR_KEYS_MAX];
	uint32_t n = (uint32_t)weir_prng_below(&rnd, 6);

	for (uint32_t i = 0; i < n; i++)
		f[i] = (uint16_t)weir_prng_below(&rnd, FIELDS);
	assert_int_equal(weir_window_key_init(k, &in, f, n), 0);
	assert_true(k->bytes <= ENTRY_BYTES);
}

static struct saved save(const struct weir_window_key *k, const struct entry *e)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	weir_window_key_save(k, e, &o);
	return saved_of(&o);
}

static struct entry store(const struct weir_window_key *k, const struct weir_frame *f)
{
	struct entry e = {{weir_key_hash(f, &in, k->field, k->count)}};

	weir_window_key_store(k, f, &slab, &e);
	return e;
}

/* The hash stands in e before and after. */
static int load(const struct weir_window_key *k, const struct saved *s, struct entry *e,
		uint64_t hash)
{
	struct weir_reader r = weir_reader_of(s->p, s->n);
	size_t used = slab.used;
	int code;

	*e = (struct entry){{hash}};
	code = weir_window_key_load(k, &r, &slab, e);
	assert_true(e->word[0] == hash);
	if (code == 0) {
		assert_int_equal(weir_reader_left(&r), 0);
		return 0;
	}
	assert_int_equal(code, WEIR_E_CORRUPT);
	assert_int_equal(slab.used, used);
	for (uint32_t i = 1; i < WEIR_COUNT_OF(e->word); i++)
		assert_int_equal(e->word[i], 0);
	return code;
}

static void test_keys_come_back(void **state)
{
	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct weir_window_key k;
		struct entry a, b;
		struct saved s, t;
		const struct weir_frame *f;

		random_key(&k);
		f = random_frame();
		a = store(&k, f);
		s = save(&k, &a);
		assert_int_equal(load(&k, &s, &b, a.word[0]), 0);
		assert_true(weir_window_key_is_entry(&a, &b, &k));
		assert_true(weir_window_key_is_frame(&b, f, &k));
		t = save(&k, &b);
		saved_same(&s, &t);
		assert_true(k.count == 0 || load(&k, &s, &(struct entry){{0}}, a.word[0] ^ 1) < 0);
		saved_free(&s);
		saved_free(&t);
		weir_window_key_release(&k, &slab, &a);
		weir_window_key_release(&k, &slab, &b);
	}
}

/* No key that differs has the same hash here, so that all damage is seen. */
static void test_damaged_keys_leave_nothing(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct weir_window_key k;
		struct entry a, b;
		struct saved s, bad;

		random_key(&k);
		a = store(&k, random_frame());
		s = save(&k, &a);
		for (size_t cut = 0; cut < s.n; cut++) {
			bad = saved_copy(&s, cut);
			assert_true(load(&k, &bad, &b, a.word[0]) < 0);
			saved_free(&bad);
		}
		for (int i = 0; s.n && i < 50; i++) {
			bad = saved_damaged(&s, &rnd);
			if (memcmp(bad.p, s.p, s.n) != 0)
				assert_true(load(&k, &bad, &b, a.word[0]) < 0);
			saved_free(&bad);
		}
		saved_free(&s);
		weir_window_key_release(&k, &slab, &a);
	}
}

/* The hash of bytes alone would be right: only canonical values are keys. */
static void refused(const struct weir_window_key *k, uint64_t nulls, uint64_t slot)
{
	struct weir_out o;
	struct entry e;
	struct saved s;

	weir_out_init(&o, &weir_test_mem);
	if (k->null_at)
		weir_out_varint(&o, nulls);
	weir_out_u64(&o, slot);
	s = saved_of(&o);
	assert_true(load(k, &s, &e, weir_hash_mix(WEIR_KEYHASH_SEED ^ slot)) < 0);
	saved_free(&s);
}

static void test_only_canonical_values_are_keys(void **state)
{
	struct weir_window_key k;

	(void)state;
	assert_int_equal(weir_window_key_init(&k, &in, (const uint16_t[]){F}, 1), 0);
	refused(&k, 0, UINT64_C(1) << 63);
	refused(&k, 0, UINT64_C(0xfff8000000000000));
	assert_int_equal(weir_window_key_init(&k, &in, (const uint16_t[]){B}, 1), 0);
	refused(&k, 0, 2);
	assert_int_equal(weir_window_key_init(&k, &in, (const uint16_t[]){MI}, 1), 0);
	refused(&k, 2, 5);
}

static void test_null_bits_are_for_nullable_keys(void **state)
{
	struct weir_window_key k;
	struct entry e;
	uint8_t bytes[] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
	struct saved s = {bytes, sizeof(bytes)};
	uint64_t h = weir_hash_mix(weir_hash_mix(WEIR_KEYHASH_SEED ^ WEIR_KEYHASH_NULL));

	(void)state;
	assert_int_equal(weir_window_key_init(&k, &in, (const uint16_t[]){I, MI}, 2), 0);
	assert_true(load(&k, &s, &e, h) < 0);
	assert_int_equal(weir_window_key_init(&k, &in, (const uint16_t[]){MI, I}, 2), 0);
	assert_int_equal(load(&k, &s, &e, h), 0);
}

static void test_signature_names_fields_and_types(void **state)
{
	struct weir_window_key k;
	char text[256];
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	(void)state;
	assert_int_equal(weir_window_key_init(&k, &in, (const uint16_t[]){MS, D, T}, 3), 0);
	weir_window_key_sign(&k, &b);
	assert_true(weir_str_is((struct weir_str){text, b.len},
				"key \"ms\" string?, \"d\" decimal(10,2), \"t\" timestamp\n"));
	b.len = 0;
	assert_int_equal(weir_window_key_init(&k, &in, NULL, 0), 0);
	weir_window_key_sign(&k, &b);
	assert_true(weir_str_is((struct weir_str){text, b.len}, "key\n"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(test_keys_come_back),
	CASE(test_damaged_keys_leave_nothing),
	CASE(test_only_canonical_values_are_keys),
	CASE(test_null_bits_are_for_nullable_keys),
	CASE(test_signature_names_fields_and_types),
};

WEIR_TEST_MAIN("engine/window_key_save", tests)
