/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/schema.h"
#include "tests/lib/test.h"

static struct weir_schema every, other;
static uint64_t mem[128], mem2[128];
static char text[2048];

static void add(struct weir_schema *s, const char *name, const char *type)
{
	struct weir_field f;
	int i;

	assert_int_equal(weir_type_parse(weir_str_c(type), &f, NULL), 0);
	i = weir_schema_add(s, weir_str_c(name), f.type, f.nullable);
	assert_int_equal(i, s->field_count - 1);
}

enum { BOOL, INT, FLOAT, DEC, STR, BYTES, TIME, DUR, WORDS, NUMBERS, EVERY_COUNT };

/* One nullable field of each type and lists of fixed and of variable elements. */
static int set_up(void **state)
{
	(void)state;
	memset(&every, 0, sizeof(every));
	every.stream = 7;
	add(&every, "b", "bool?");
	add(&every, "i", "int64?");
	add(&every, "f", "float64?");
	add(&every, "d", "decimal(10,2)?");
	add(&every, "s", "string?");
	add(&every, "y", "bytes?");
	add(&every, "t", "timestamp?");
	add(&every, "u", "duration?");
	add(&every, "w", "list<string>?");
	add(&every, "n", "list<decimal(4,1)>?");
	weir_schema_seal(&every);

	/* The same fields backwards, not nullable. */
	memset(&other, 0, sizeof(other));
	for (int i = EVERY_COUNT - 1; i >= 0; i--)
		assert_true(weir_schema_add(&other, weir_str_c(every.field[i].name),
					    every.field[i].type, false) >= 0);
	weir_schema_seal(&other);
	memset(mem, 0xee, sizeof(mem));
	memset(mem2, 0xdd, sizeof(mem2));
	return 0;
}

static void put_words(struct weir_builder *b, unsigned i, const char *const *word, uint32_t n)
{
	uint32_t at, offset;
	uint8_t *to = weir_build_tail(b, 8 * (size_t)n, 8, &at);

	assert_non_null(to);
	assert_int_equal(at % 8, 0);
	for (uint32_t k = 0; k < n; k++) {
		size_t len = strlen(word[k]);
		void *p = weir_build_tail(b, len, 1, &offset);
		uint64_t v = (uint64_t)offset | (uint64_t)len << 32;

		assert_non_null(p);
		memcpy(p, word[k], len);
		memcpy(to + 8 * k, &v, 8);
	}
	weir_build_slot(b, i, (uint64_t)at | (uint64_t)n << 32);
}

static const char *const words[] = {"north", "", "s\"outh"};

static struct weir_frame *build_every(void)
{
	struct weir_builder b;
	int64_t *number;
	uint32_t at;

	weir_build_begin(&b, mem, sizeof(mem), &every);
	weir_build_slot(&b, BOOL, 1);
	weir_build_i64(&b, INT, -5);
	weir_build_f64(&b, FLOAT, 2.5);
	weir_build_i64(&b, DEC, 1250);
	weir_build_str(&b, STR, WEIR_STR("hey"));
	weir_build_str(&b, BYTES, WEIR_STR("\x00\xff\x10"));
	weir_build_i64(&b, TIME, INT64_C(1451608204910000000));
	weir_build_i64(&b, DUR, 1500 * WEIR_NS_PER_MS);
	put_words(&b, WORDS, words, 3);
	number = weir_build_tail(&b, 16, 8, &at);
	assert_non_null(number);
	number[0] = 15;
	number[1] = -1;
	weir_build_slot(&b, NUMBERS, (uint64_t)at | UINT64_C(2) << 32);
	assert_true(weir_build_end(&b));
	return b.f;
}

static const char every_json[] =
	"{\"b\":true,\"i\":-5,\"f\":2.5,\"d\":12.50,\"s\":\"hey\",\"y\":\"AP8Q\","
	"\"t\":\"2016-01-01T00:30:04.91Z\",\"u\":\"1s500ms\",\"w\":[\"north\",\"\",\"s\\\"outh\"],"
	"\"n\":[1.5,-0.1]}";

static void json_is(const struct weir_frame *f, const struct weir_schema *s, const char *want)
{
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	weir_buf_record_json(&b, f, s);
	weir_buf_char(&b, 0);
	assert_false(b.full);
	assert_string_equal(text, want);
}

/* The check, in memory that ends where the frame ends. */
static int check_tight(const void *f, size_t n, const struct weir_schema *s)
{
	void *p = malloc(n ? n : 1);
	int rc;

	memcpy(p, f, n);
	rc = weir_frame_check(p, n, s);
	free(p);
	return rc;
}

static void test_record_every_type_as_json(void **state)
{
	struct weir_frame *f = build_every();

	(void)state;
	assert_int_equal(f->kind, WEIR_FRAME_DATA);
	assert_int_equal(f->stream, 7);
	assert_int_equal(check_tight(f, weir_frame_stride(f), &every), 0);
	json_is(f, &every, every_json);
	assert_int_equal(weir_get_i64(f, &every, INT), -5);
	assert_true(weir_get_f64(f, &every, FLOAT) == 2.5);
	assert_true(weir_str_is(weir_get_str(f, &every, STR), "hey"));
	assert_false(weir_null(f, &every, INT));
}

static void test_record_null_and_unset(void **state)
{
	struct weir_builder b;

	(void)state;
	weir_build_begin(&b, mem, sizeof(mem), &every);
	for (unsigned i = 0; i < EVERY_COUNT; i++)
		weir_build_null(&b, i);
	assert_true(weir_build_end(&b));
	assert_int_equal(b.f->size, 24 + 8 + 80);
	assert_int_equal(weir_frame_check(mem, sizeof(mem), &every), 0);
	json_is(b.f, &every,
		"{\"b\":null,\"i\":null,\"f\":null,\"d\":null,\"s\":null,\"y\":null,\"t\":null,"
		"\"u\":null,\"w\":null,\"n\":null}");

	weir_build_begin(&b, mem, sizeof(mem), &other);
	/* A field that cannot be null stays zero. */
	weir_build_null(&b, 0);
	assert_true(weir_build_end(&b));
	assert_int_equal(weir_frame_check(mem, sizeof(mem), &other), 0);
	assert_false(weir_null(b.f, &other, 0));
	json_is(b.f, &other,
		"{\"n\":[],\"w\":[],\"u\":\"0s\",\"t\":\"1970-01-01T00:00:00Z\",\"y\":\"\","
		"\"s\":\"\",\"d\":0.00,\"f\":0,\"i\":0,\"b\":false}");
}

static void test_record_base64_padding(void **state)
{
	static const char *const want[] = {"\"\"",	  "\"Zg==\"",	  "\"Zm8=\"",
					   "\"Zm9v\"",	  "\"Zm9vYg==\"", "\"Zm9vYmE=\"",
					   "\"Zm9vYmFy\""};

	(void)state;
	for (size_t n = 0; n < WEIR_COUNT_OF(want); n++) {
		struct weir_builder b;
		struct weir_buf out = weir_buf_of(text, sizeof(text));

		weir_build_begin(&b, mem, sizeof(mem), &every);
		weir_build_str(&b, BYTES, (struct weir_str){"foobar", n});
		assert_true(weir_build_end(&b));
		weir_buf_value_json(&out, b.f, weir_slot(b.f, &every, BYTES),
				    every.field[BYTES].type);
		weir_buf_char(&out, 0);
		assert_string_equal(text, want[n]);
	}
}

static void test_record_json_odd_values(void **state)
{
	struct weir_builder b;
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	(void)state;
	weir_build_begin(&b, mem, sizeof(mem), &every);
	weir_build_f64(&b, FLOAT, NAN);
	assert_true(weir_build_end(&b));
	weir_buf_value_json(&out, b.f, weir_slot(b.f, &every, FLOAT), every.field[FLOAT].type);
	weir_buf_value_json(&out, b.f, 0, weir_type_of(WEIR_NONE));
	weir_buf_char(&out, 0);
	assert_string_equal(text, "\"NaN\"null");
}

static void test_record_json_stops_when_full(void **state)
{
	struct weir_frame *f = build_every();

	(void)state;
	for (size_t cap = 0; cap < sizeof(every_json) - 1; cap++) {
		char *p = malloc(cap ? cap : 1);
		struct weir_buf b = weir_buf_of(p, cap);

		weir_buf_record_json(&b, f, &every);
		assert_true(b.full);
		assert_true(b.len <= cap);
		free(p);
	}
}

static void copy_all(struct weir_builder *b, const struct weir_frame *f)
{
	for (unsigned i = 0; i < EVERY_COUNT; i++)
		weir_build_copy(b, EVERY_COUNT - 1 - i, f, &every, i);
}

static void test_record_copy_moves_the_tail(void **state)
{
	struct weir_frame *f = build_every();
	struct weir_builder b;

	(void)state;
	weir_build_begin(&b, mem2, sizeof(mem2), &other);
	copy_all(&b, f);
	assert_true(weir_build_end(&b));
	/* Nothing of the copy refers to the original. */
	memset(mem, 0x99, sizeof(mem));
	assert_int_equal(check_tight(b.f, weir_frame_stride(b.f), &other), 0);
	json_is(b.f, &other,
		"{\"n\":[1.5,-0.1],\"w\":[\"north\",\"\",\"s\\\"outh\"],\"u\":\"1s500ms\","
		"\"t\":\"2016-01-01T00:30:04.91Z\",\"y\":\"AP8Q\",\"s\":\"hey\",\"d\":12.50,"
		"\"f\":2.5,\"i\":-5,\"b\":true}");
}

static void test_record_copy_of_null(void **state)
{
	struct weir_builder b;
	struct weir_frame *f;

	(void)state;
	weir_build_begin(&b, mem, sizeof(mem), &every);
	for (unsigned i = 0; i < EVERY_COUNT; i++)
		weir_build_null(&b, i);
	assert_true(weir_build_end(&b));
	f = b.f;
	weir_build_begin(&b, mem2, sizeof(mem2), &every);
	for (unsigned i = 0; i < EVERY_COUNT; i++)
		weir_build_copy(&b, i, f, &every, i);
	assert_true(weir_build_end(&b));
	assert_memory_equal(mem, mem2, f->size);
	weir_build_begin(&b, mem2, sizeof(mem2), &other);
	copy_all(&b, f);
	assert_true(weir_build_end(&b));
	assert_int_equal(weir_frame_check(mem2, sizeof(mem2), &other), 0);
}

static void test_record_copy_of_empty_list(void **state)
{
	struct weir_builder b;

	(void)state;
	weir_build_begin(&b, mem, sizeof(mem), &every);
	assert_true(weir_build_end(&b));
	weir_build_begin(&b, mem2, sizeof(mem2), &every);
	weir_build_copy(&b, WORDS, (struct weir_frame *)mem, &every, WORDS);
	assert_true(weir_build_end(&b));
	assert_int_equal(b.f->size, 24 + every.fixed_size);
}

/* Whatever room there is: either all fits, or full is said and nothing is written outside. */
static void test_record_builder_never_overflows(void **state)
{
	struct weir_frame *f = build_every();
	size_t need = weir_frame_stride(f), fits = 0;

	(void)state;
	for (size_t cap = 0; cap <= need + 32; cap++) {
		uint64_t *p = malloc(cap ? cap : 1);
		struct weir_builder b;
		bool end;

		weir_build_begin(&b, p, cap, &other);
		copy_all(&b, f);
		end = weir_build_end(&b);
		assert_int_equal(end, !b.full);
		if (end) {
			fits = fits ? fits : cap;
			assert_int_equal(weir_frame_check(p, cap, &other), 0);
		} else {
			assert_int_equal(fits, 0);
		}
		free(p);
	}
	assert_true(fits > 0 && fits <= need);
}

static void test_record_tail(void **state)
{
	struct weir_builder b;
	uint32_t at = 99;
	uint8_t *p;

	(void)state;
	weir_build_begin(&b, mem, 24 + other.fixed_size + 24, &other);
	p = weir_build_tail(&b, 3, 1, &at);
	assert_int_equal(at, other.fixed_size);
	memset(p, 0x11, 3);
	p = weir_build_tail(&b, 8, 8, &at);
	assert_int_equal(at, other.fixed_size + 8);
	/* The gap is zero, so that equal records have equal bytes. */
	assert_memory_equal(p - 5, "\0\0\0\0\0", 5);
	assert_null(weir_build_tail(&b, 9, 1, &at));
	assert_true(b.full);
	assert_null(weir_build_tail(&b, 0, 1, &at));
	assert_int_equal(at, other.fixed_size + 8);
	assert_false(weir_build_end(&b));

	weir_build_begin(&b, mem, sizeof(mem), &other);
	assert_null(weir_build_tail(&b, SIZE_MAX, 8, &at));
	assert_true(b.full);
}

/* ---- what arrives from elsewhere ---- */

static struct weir_frame header(unsigned kind, uint32_t size)
{
	return (struct weir_frame){.size = size, .kind = (uint8_t)kind};
}

static void test_check_header(void **state)
{
	struct weir_frame h[2];

	(void)state;
	memset(h, 0, sizeof(h));
	for (size_t n = 0; n < 24; n++)
		assert_int_equal(check_tight(h, n, NULL), WEIR_E_TOO_SMALL);
	assert_int_equal(check_tight(h, 24, NULL), WEIR_E_CORRUPT);
	for (unsigned kind = 0; kind < 256; kind++) {
		h[0] = header(kind, 24);
		assert_int_equal(check_tight(h, 24, NULL),
				 kind >= 1 && kind < WEIR_FRAME_KIND_COUNT ? 0 : WEIR_E_CORRUPT);
	}
	h[0] = header(WEIR_FRAME_DATA, 23);
	assert_int_equal(check_tight(h, 24, NULL), WEIR_E_CORRUPT);
	h[0] = header(WEIR_FRAME_DATA, 25);
	assert_int_equal(check_tight(h, 24, NULL), WEIR_E_TOO_SMALL);
	/* The padding belongs to it: the next frame starts behind it. */
	assert_int_equal(check_tight(h, 25, NULL), WEIR_E_TOO_SMALL);
	assert_int_equal(check_tight(h, 32, NULL), 0);
	h[0] = header(WEIR_FRAME_DATA, UINT32_MAX);
	assert_int_equal(check_tight(h, 48, NULL), WEIR_E_CORRUPT);
	h[0] = header(WEIR_FRAME_DATA, UINT32_MAX - 7);
	assert_int_equal(check_tight(h, 48, NULL), WEIR_E_TOO_SMALL);
	h[0] = header(WEIR_FRAME_BARRIER, 32);
	assert_int_equal(check_tight(h, 32, NULL), WEIR_E_CORRUPT);
	h[0] = header(WEIR_FRAME_MARKER, 32);
	assert_int_equal(check_tight(h, 32, NULL), 0);
	h[0] = header(WEIR_FRAME_EOS, 24);
	assert_int_equal(check_tight(h, 24, &every), 0);
}

/* A control frame is its header, or fills a cache line; nothing else. */
static void test_check_control_sizes(void **state)
{
	static const struct {
		unsigned kind;
		bool any_size;
	} row[] = {
		{WEIR_FRAME_DATA, true}, {WEIR_FRAME_WATERMARK, false}, {WEIR_FRAME_BARRIER, false},
		{WEIR_FRAME_EOS, false}, {WEIR_FRAME_MARKER, true},	{WEIR_FRAME_IDLE, false},
	};
	uint64_t line[16] = {0};
	struct weir_frame *f = (struct weir_frame *)line;

	(void)state;
	assert_int_equal(WEIR_CONTROL_BYTES, 64);
	for (unsigned i = 0; i < WEIR_COUNT_OF(row); i++) {
		for (uint32_t size = 0; size <= sizeof(line); size++) {
			bool fine = size == 24 || size == 64 || (row[i].any_size && size >= 24);

			*f = header(row[i].kind, size);
			assert_int_equal(check_tight(f, WEIR_ALIGN_UP(WEIR_MAX(size, 24u), 8u),
						     NULL),
					 fine ? 0 : WEIR_E_CORRUPT);
		}
		*f = header(row[i].kind, 64);
		assert_int_equal(check_tight(f, 63, NULL), WEIR_E_TOO_SMALL);
		assert_int_equal(check_tight(f, 24, NULL), WEIR_E_TOO_SMALL);
	}
	/* What is behind the header is no record. */
	*f = header(WEIR_FRAME_BARRIER, 64);
	memset(f + 1, 0xff, 40);
	assert_int_equal(check_tight(f, 64, &every), 0);
}

static void set_slot(struct weir_frame *f, unsigned word, uint64_t v)
{
	memcpy((uint8_t *)(f + 1) + 8 * word, &v, 8);
}

static uint64_t ref(uint32_t offset, uint32_t n)
{
	return (uint64_t)offset | (uint64_t)n << 32;
}

/* The frame with one payload word replaced. */
static int check_with(unsigned word, uint64_t v)
{
	struct weir_frame *f = build_every();

	set_slot(f, word, v);
	return check_tight(f, weir_frame_stride(f), &every);
}

#define SLOT(i) (1 + (i))

static void test_check_slots(void **state)
{
	struct weir_frame *f = build_every();
	uint32_t payload = f->size - 24, fixed = every.fixed_size;

	(void)state;
	assert_int_equal(check_with(SLOT(BOOL), 2), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(BOOL), 0), 0);
	assert_int_equal(check_with(SLOT(INT), UINT64_MAX), 0);

	assert_int_equal(check_with(SLOT(STR), ref(fixed, payload - fixed)), 0);
	assert_int_equal(check_with(SLOT(STR), ref(payload, 0)), 0);
	assert_int_equal(check_with(SLOT(STR), ref(0, 0)), 0);
	assert_int_equal(check_with(SLOT(STR), ref(fixed, payload - fixed + 1)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(STR), ref(payload + 1, 0)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(STR), ref(payload, 1)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(STR), ref(fixed - 1, 1)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(STR), ref(UINT32_MAX, UINT32_MAX)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(BYTES), ref(fixed, UINT32_MAX)), WEIR_E_CORRUPT);

	assert_int_equal(check_with(SLOT(NUMBERS), ref(WEIR_ALIGN_UP(fixed, 8u), 1)), 0);
	assert_int_equal(check_with(SLOT(NUMBERS), ref(fixed + 4, 1)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(NUMBERS), ref(fixed, UINT32_MAX)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(NUMBERS), ref(fixed, UINT32_C(0x20000000))),
			 WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(NUMBERS), ref(0, 1)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(SLOT(NUMBERS), ref(0, 0)), 0);
}

static void test_check_list_elements(void **state)
{
	struct weir_frame *f = build_every();
	unsigned first = (uint32_t)weir_slot(f, &every, WORDS) / 8;

	(void)state;
	assert_int_equal(check_with(first, ref(every.fixed_size, 3)), 0);
	assert_int_equal(check_with(first, ref(every.fixed_size, 3000)), WEIR_E_CORRUPT);
	assert_int_equal(check_with(first + 2, ref(8, 3)), WEIR_E_CORRUPT);

	memset(&other, 0, sizeof(other));
	add(&other, "l", "list<bool>");
	weir_schema_seal(&other);
	memset(mem, 0, sizeof(mem));
	f = (struct weir_frame *)mem;
	*f = header(WEIR_FRAME_DATA, 24 + 8 + 8);
	set_slot(f, 0, ref(8, 1));
	set_slot(f, 1, 1);
	assert_int_equal(check_tight(f, 40, &other), 0);
	json_is(f, &other, "{\"l\":[true]}");
	set_slot(f, 1, 2);
	assert_int_equal(check_tight(f, 40, &other), WEIR_E_CORRUPT);
}

static void test_check_null_bits(void **state)
{
	static struct weir_schema wide;
	struct weir_frame *f = (struct weir_frame *)mem;
	char name[16];

	(void)state;
	/* Null, yet with a value; a bit of a field that does not exist. */
	assert_int_equal(check_with(0, 1u << INT), WEIR_E_CORRUPT);
	assert_int_equal(check_with(0, UINT64_C(1) << EVERY_COUNT), WEIR_E_CORRUPT);
	assert_int_equal(check_with(0, UINT64_C(1) << 63), WEIR_E_CORRUPT);

	/* 70 fields, only the last may be null. */
	memset(&wide, 0, sizeof(wide));
	for (int i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		weir_schema_add(&wide, weir_str_c(name), weir_type_of(WEIR_INT64), i == 69);
	}
	weir_schema_seal(&wide);
	memset(mem, 0, sizeof(mem));
	*f = header(WEIR_FRAME_DATA, 24 + wide.fixed_size);
	assert_int_equal(check_tight(f, f->size, &wide), 0);
	set_slot(f, 1, 1u << 5);
	assert_int_equal(check_tight(f, f->size, &wide), 0);
	assert_true(weir_null(f, &wide, 69));
	set_slot(f, 1, 1u << 4);
	assert_int_equal(check_tight(f, f->size, &wide), WEIR_E_CORRUPT);
	set_slot(f, 1, 1u << 6);
	assert_int_equal(check_tight(f, f->size, &wide), WEIR_E_CORRUPT);
	set_slot(f, 1, 0);
	set_slot(f, 0, 1);
	assert_int_equal(check_tight(f, f->size, &wide), WEIR_E_CORRUPT);

	/* 64 fields: every bit of the word is one. */
	wide.field_count = 64;
	wide.field[63].nullable = true;
	weir_schema_seal(&wide);
	memset(mem, 0, sizeof(mem));
	*f = header(WEIR_FRAME_DATA, 24 + wide.fixed_size);
	set_slot(f, 0, UINT64_C(1) << 63);
	assert_int_equal(check_tight(f, f->size, &wide), 0);
}

static void test_check_truncated_at_every_byte(void **state)
{
	struct weir_frame *f = build_every();
	uint32_t size = f->size;

	(void)state;
	for (uint32_t n = 0; n < size; n++) {
		assert_int_equal(check_tight(f, n, &every), WEIR_E_TOO_SMALL);
		if (n < 24)
			continue;
		/* The same with a header that says it were all. */
		f->size = n;
		if (n < 24 + every.fixed_size)
			assert_int_equal(check_tight(f, WEIR_ALIGN_UP(n, 8u), &every),
					 WEIR_E_CORRUPT);
		else
			assert_true(check_tight(f, WEIR_ALIGN_UP(n, 8u), &every) <= 0);
		f->size = size;
	}
}

/* ---- docs/formats/record.md ---- */

/* The worked example of the document, byte by byte. A change here is a change of the format. */
static const uint8_t documented[] = {
	0x5e, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x00, /* size 94, data, timed, stream 3 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* key hash: none */
	0x80, 0xf7, 0xb3, 0xae, 0xf8, 0x25, 0x25, 0x14, /* event time */
	0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* null bits: field 2 */
	0x2a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* id 42 */
	0x28, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, /* name: 3 bytes at 40 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* price: null */
	0x30, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, /* tags: 2 elements at 48 */
	0x6b, 0x65, 0x79, 0x00, 0x00, 0x00, 0x00, 0x00, /* "key", gap */
	0x40, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, /* 1 byte at 64 */
	0x41, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, /* 5 bytes at 65 */
	0x61, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x00, 0x00, /* "a" "hello", padding */
};

static void test_record_is_as_documented(void **state)
{
	static const char *const tags[] = {"a", "hello"};
	static struct weir_schema s;
	struct weir_builder b;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.stream = 3;
	add(&s, "id", "int64");
	add(&s, "name", "string");
	add(&s, "price", "decimal(10,2)?");
	add(&s, "tags", "list<string>");
	weir_schema_seal(&s);
	weir_build_begin(&b, mem, sizeof(mem), &s);
	weir_build_i64(&b, 0, 42);
	weir_build_str(&b, 1, WEIR_STR("key"));
	weir_build_null(&b, 2);
	put_words(&b, 3, tags, 2);
	b.f->flags = WEIR_FRAME_F_TIMED;
	b.f->time_ns = INT64_C(1451608204910000000);
	assert_true(weir_build_end(&b));
	assert_int_equal(weir_frame_stride(b.f), sizeof(documented));
	assert_memory_equal(mem, documented, sizeof(documented));
	assert_int_equal(weir_frame_check(documented, sizeof(documented), &s), 0);
	json_is(b.f, &s, "{\"id\":42,\"name\":\"key\",\"price\":null,\"tags\":[\"a\",\"hello\"]}");
}

#define CASE(t) cmocka_unit_test_setup(t, set_up)

static const struct CMUnitTest tests[] = {
	CASE(test_record_every_type_as_json),
	CASE(test_record_null_and_unset),
	CASE(test_record_base64_padding),
	CASE(test_record_json_odd_values),
	CASE(test_record_json_stops_when_full),
	CASE(test_record_copy_moves_the_tail),
	CASE(test_record_copy_of_null),
	CASE(test_record_copy_of_empty_list),
	CASE(test_record_builder_never_overflows),
	CASE(test_record_tail),
	CASE(test_check_header),
	CASE(test_check_control_sizes),
	CASE(test_check_slots),
	CASE(test_check_list_elements),
	CASE(test_check_null_bits),
	CASE(test_check_truncated_at_every_byte),
	CASE(test_record_is_as_documented),
};

WEIR_TEST_MAIN("base_record", tests)
