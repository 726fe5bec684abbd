/* SPDX-License-Identifier: Apache-2.0 */
/* Records as COPY text: each type word for word, and random records against a little decoder. */
#include "tests/unit/engine/decode_lib.h"

#include "base/num.h"
#include "base/time.h"
#include "engine/core/encode_copy.h"

#define LINE_CAP 65536

static char line[LINE_CAP];

static size_t encode(const struct weir_copy_spec *c, const struct weir_frame *f)
{
	struct weir_buf b = weir_buf_of(line, sizeof(line) - 1);

	assert_int_equal(weir_copy_record(c, &b, f), -1);
	assert_false(b.full);
	assert_true(b.len <= weir_copy_room(f));
	line[b.len] = 0;
	return b.len;
}

/* ---- word for word ---- */

static struct bench *bench;
static struct weir_copy_spec spec;
static uint64_t frame_mem[FRAME_CAP / 8];

static int open_bench(void **state)
{
	(void)state;
	bench = bench_new(WEIR_FORMAT_JSONL);
	memset(&spec, 0, sizeof(spec));
	spec.schema = &bench->schema[0];
	return 0;
}

static int free_bench(void **state)
{
	(void)state;
	bench_free(bench);
	return 0;
}

static void of_schema(const char *text)
{
	schema_of(&bench->schema[0], text);
	bench_open(bench);
}

static const struct weir_frame *frame_of(const char *json)
{
	struct weir_decoded r;
	struct weir_err err = {0};

	weir_decoder_restart(bench->d);
	assert_int_equal(weir_decode(bench->d, json, strlen(json), true, frame_mem,
				     sizeof(frame_mem), &r, &err),
			 0);
	if (r.kind != WEIR_DECODE_RECORD)
		fail_msg("%s: %s", json, r.reason);
	return (const struct weir_frame *)(void *)frame_mem;
}

static void expect_copy(const char *json, const char *copy)
{
	encode(&spec, frame_of(json));
	assert_string_equal(line, copy);
}

static void test_copy_scalars(void **state)
{
	(void)state;
	of_schema("b:bool i:int64 f:float64 d:decimal(5,2)");
	expect_copy("{\"b\":true,\"i\":-7,\"f\":1.5,\"d\":-0.05}", "true\t-7\t1.5\t-0.05\n");
	expect_copy("{\"b\":false,\"i\":9223372036854775807,\"f\":\"NaN\",\"d\":123.4}",
		    "false\t9223372036854775807\tNaN\t123.40\n");
	expect_copy("{\"b\":false,\"i\":-9223372036854775808,\"f\":\"-Infinity\",\"d\":0}",
		    "false\t-9223372036854775808\t-Infinity\t0.00\n");
}

static void test_copy_text(void **state)
{
	(void)state;
	of_schema("a:string b:string?");
	expect_copy("{\"a\":\"x\",\"b\":null}", "x\t\\N\n");
	expect_copy("{\"a\":\"\",\"b\":\"\"}", "\t\n");
	/* Not a null, not an end of data. */
	expect_copy("{\"a\":\"\\\\N\",\"b\":\"\\\\.\"}", "\\\\N\t\\\\.\n");
	expect_copy("{\"a\":\"a\\tb\\nc\\rd\\\\e\",\"b\":\"\\u00e4\\u20ac\"}",
		    "a\\tb\\nc\\rd\\\\e\t\xc3\xa4\xe2\x82\xac\n");
	expect_copy("{\"a\":\"\\b\\f\\u000b\\u0001\",\"b\":\"'\\\"\"}", "\b\f\v\1\t'\"\n");
}

static void test_copy_bytes(void **state)
{
	(void)state;
	of_schema("y:bytes z:bytes?");
	expect_copy("{\"y\":\"AAH/XA==\",\"z\":\"\"}", "\\\\x0001ff5c\t\\\\x\n");
}

static void test_copy_times(void **state)
{
	(void)state;
	of_schema("t:timestamp u:timestamp d:duration e:duration");
	expect_copy(
		"{\"t\":\"2016-01-01T00:30:04.91Z\",\"u\":\"2016-01-01T00:59:59.999999999Z\","
		"\"d\":\"1m30s\",\"e\":\"1500ns\"}",
		"2016-01-01T00:30:04.91Z\t2016-01-01T00:59:59.999999Z\t90.000000 s\t0.000001 s\n");
	/* Times go to the past, durations to zero. */
	expect_copy(
		"{\"t\":\"1969-12-31T23:59:59.999999999Z\",\"u\":\"1969-12-31T23:59:59.0000001Z\","
		"\"d\":\"-1500ns\",\"e\":\"-500ms\"}",
		"1969-12-31T23:59:59.999999Z\t1969-12-31T23:59:59Z\t-0.000001 s\t-0.500000 s\n");
	spec.whole_ns[1] = spec.whole_ns[3] = true;
	expect_copy("{\"t\":\"1970-01-01T00:00:01Z\",\"u\":\"1970-01-01T00:00:01.000000001Z\","
		    "\"d\":\"0s\",\"e\":\"-1500ns\"}",
		    "1970-01-01T00:00:01Z\t1000000001\t0.000000 s\t-1500\n");
}

static void test_copy_lists(void **state)
{
	(void)state;
	of_schema("l:list<string> n:list<int64> t:list<timestamp>? y:list<bytes> b:list<bool>");
	expect_copy("{\"l\":[],\"n\":[],\"t\":[],\"y\":[],\"b\":[]}", "{}\t{}\t{}\t{}\t{}\n");
	expect_copy(
		"{\"l\":[\"a b\",\"\",\"NULL\",\"{,}\"],\"n\":[1,-2],\"t\":null,"
		"\"y\":[\"AAE=\",\"\"],\"b\":[true,false]}",
		"{\"a b\",\"\",\"NULL\",\"{,}\"}\t{1,-2}\t\\N\t{\"\\\\\\\\x0001\",\"\\\\\\\\x\"}\t"
		"{true,false}\n");
	expect_copy("{\"l\":[\"q\\\"q\",\"b\\\\b\",\"t\\tn\\nr\\r\"],\"n\":[0],"
		    "\"t\":[\"1970-01-01T00:00:00.0000015Z\"],\"y\":[],\"b\":[]}",
		    "{\"q\\\\\"q\",\"b\\\\\\\\b\",\"t\\tn\\nr\\r\"}\t{0}\t"
		    "{1970-01-01T00:00:00.000001Z}\t{}\t{}\n");
	spec.whole_ns[2] = true;
	expect_copy(
		"{\"l\":[],\"n\":[],\"t\":[\"1970-01-01T00:00:00.0000015Z\"],\"y\":[],\"b\":[]}",
		"{}\t{}\t{1500}\t{}\t{}\n");
}

/* What the server would refuse is found before it is in the journal. */
static void test_copy_text_that_cannot_be(void **state)
{
	struct weir_buf b = weir_buf_of(line, sizeof(line));
	static const struct weir_str bad[] = {
		{"a\0b", 3}, {"\0", 1}, {"\xff", 1}, {"\xc3", 1}, {"\xed\xa0\x80", 3}};
	uint64_t mem[64];
	struct weir_builder w;

	(void)state;
	of_schema("i:int64 s:string y:bytes");
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		weir_build_begin(&w, mem, sizeof(mem), spec.schema);
		weir_build_str(&w, 1, bad[i]);
		assert_true(weir_build_end(&w));
		assert_int_equal(weir_copy_record(&spec, &b, w.f), 1);
		/* Bytes may be anything. */
		weir_build_begin(&w, mem, sizeof(mem), spec.schema);
		weir_build_str(&w, 2, bad[i]);
		assert_true(weir_build_end(&w));
		assert_int_equal(weir_copy_record(&spec, &b, w.f), -1);
	}
	of_schema("i:int64 l:list<string>");
	frame_of("{\"i\":1,\"l\":[\"good\",\"a\\u0000b\"]}");
	assert_int_equal(weir_copy_record(&spec, &b, (const struct weir_frame *)(void *)frame_mem),
			 1);
}

/* With any room: either the whole line, or full; never a byte beyond. */
static void test_copy_room(void **state)
{
	const char *json = "{\"s\":\"a\\tb\\\\\",\"y\":\"AAH/XA==\",\"l\":[\"q\\\"\\\\\"],"
			   "\"t\":\"2016-01-01T00:30:04.91Z\",\"d\":\"1m30s\",\"f\":1e300}";
	const struct weir_frame *f;
	char whole[512], *room;
	size_t n;

	(void)state;
	of_schema("s:string y:bytes l:list<string> t:timestamp d:duration f:float64");
	f = frame_of(json);
	n = encode(&spec, f);
	memcpy(whole, line, n);
	for (size_t cap = 0; cap <= n; cap++) {
		struct weir_buf b;

		room = malloc(cap ? cap : 1);
		assert_non_null(room);
		b = weir_buf_of(room, cap);
		assert_int_equal(weir_copy_record(&spec, &b, f), -1);
		assert_int_equal(b.full, cap < n);
		if (!b.full)
			assert_memory_equal(room, whole, n);
		free(room);
	}
}

/* ---- random records ---- */

/* What COPY makes of a field: its bytes, unescaped in place. */
struct cell {
	char *p;
	size_t n;
	bool null;
};

static char *unescape(char *p, struct cell *ret)
{
	char *to = p;

	ret->p = p;
	ret->null = p[0] == '\\' && p[1] == 'N' && (p[2] == '\t' || p[2] == '\n');
	while (*p != '\t' && *p != '\n') {
		char c = *p++;

		assert_int_not_equal(c, '\r');
		if (c == '\\') {
			c = *p++;
			if (!ret->null)
				assert_non_null(memchr("\\ntr", c, 4));
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
		}
		*to++ = c;
	}
	ret->n = (size_t)(to - ret->p);
	return p;
}

/* Elements of an array text. */
static uint32_t elements(const struct cell *list, struct cell *ret, uint32_t cap)
{
	char *p = list->p + 1, *end = list->p + list->n - 1;
	uint32_t n = 0;

	assert_true(list->n >= 2 && *list->p == '{' && *end == '}');
	while (p < end) {
		struct cell *c = &ret[n++];
		char *to = p;
		bool quoted = *p == '"';

		assert_true(n <= cap);
		c->p = p;
		c->null = false;
		for (p += quoted; quoted ? *p != '"' : p < end && *p != ','; p++) {
			assert_true(p < end);
			if (quoted && *p == '\\')
				p++;
			*to++ = *p;
		}
		p += quoted;
		c->n = (size_t)(to - c->p);
		assert_true(p == end || *p == ',');
		p++;
	}
	return n;
}

static struct weir_str str_of(const struct cell *c)
{
	return (struct weir_str){c->p, c->n};
}

static void check_bytes(const struct cell *c, struct weir_str s)
{
	assert_int_equal(c->n, 2 + 2 * s.n);
	assert_memory_equal(c->p, "\\x", 2);
	for (size_t i = 0; i < s.n; i++) {
		char hex[3];

		snprintf(hex, sizeof(hex), "%02x", (uint8_t)s.p[i]);
		assert_memory_equal(c->p + 2 + 2 * i, hex, 2);
	}
}

static void check_time(const struct cell *c, int64_t t)
{
	int64_t got;

	assert_int_equal(weir_time_parse_rfc3339(str_of(c), &got), 0);
	assert_int_equal(got % 1000, 0);
	/* At the very first instant there is nothing further in the past. */
	if (t >= INT64_MIN + 1000)
		assert_true(got <= t && t - got < 1000);
	else
		assert_true(got - t < 1000);
}

static void check_duration(const struct cell *c, int64_t ns)
{
	int64_t us;

	assert_true(c->n > 2 && !memcmp(c->p + c->n - 2, " s", 2));
	assert_int_equal(weir_parse_decimal((struct weir_str){c->p, c->n - 2}, 18, 6, &us), 0);
	assert_int_equal(us, ns / 1000);
}

static void check_value(const struct weir_frame *f, unsigned kind, struct weir_typeinfo t,
			uint64_t slot, bool whole_ns, const struct cell *c)
{
	int64_t i;
	double d, want;
	bool b;

	memcpy(&want, &slot, 8);
	if (kind == WEIR_STRING) {
		struct weir_str s = weir_slot_str(f, slot);

		assert_int_equal(c->n, s.n);
		assert_true(!s.n || !memcmp(c->p, s.p, s.n));
	} else if (kind == WEIR_BYTES) {
		check_bytes(c, weir_slot_str(f, slot));
	} else if (kind == WEIR_BOOL) {
		assert_int_equal(weir_parse_bool(str_of(c), &b), 0);
		assert_int_equal(b, slot);
	} else if (kind == WEIR_FLOAT64) {
		assert_int_equal(weir_parse_f64(str_of(c), &d), 0);
		assert_true(d == want || (d != d && want != want));
	} else if (kind == WEIR_DECIMAL) {
		assert_int_equal(weir_parse_decimal(str_of(c), t.precision, t.scale, &i), 0);
		assert_int_equal(i, (int64_t)slot);
	} else if (kind == WEIR_TIMESTAMP && !whole_ns) {
		check_time(c, (int64_t)slot);
	} else if (kind == WEIR_DURATION && !whole_ns) {
		check_duration(c, (int64_t)slot);
	} else {
		assert_int_equal(weir_parse_i64(str_of(c), &i), 0);
		assert_int_equal(i, (int64_t)slot);
	}
}

static void check_line(const struct weir_copy_spec *c, const struct weir_frame *f)
{
	char *p = line;

	for (unsigned i = 0; i < c->schema->field_count; i++) {
		const struct weir_field *field = &c->schema->field[i];
		uint64_t slot = weir_slot(f, c->schema, i), elem;
		struct cell cell, item[16];
		uint32_t n;

		p = unescape(p, &cell);
		assert_int_equal(*p, i + 1u < c->schema->field_count ? '\t' : '\n');
		p++;
		assert_int_equal(cell.null, weir_null(f, c->schema, i));
		if (cell.null)
			continue;
		if (field->type.type != WEIR_LIST) {
			check_value(f, field->type.type, field->type, slot, c->whole_ns[i], &cell);
			continue;
		}
		n = elements(&cell, item, WEIR_COUNT_OF(item));
		assert_int_equal(n, slot >> 32);
		for (uint32_t k = 0; k < n; k++) {
			memcpy(&elem, weir_payload(f) + (uint32_t)slot + 8 * k, 8);
			check_value(f, field->type.elem, field->type, elem, c->whole_ns[i],
				    &item[k]);
		}
	}
	assert_int_equal(*p, 0);
}

static void random_schema(uint64_t *seed, struct weir_schema *s)
{
	memset(s, 0, sizeof(*s));
	for (uint64_t k = 1 + rnd(seed) % 12; k > 0; k--) {
		struct weir_typeinfo t = {.type = (uint8_t)(1 + rnd(seed) % WEIR_LIST)};
		char name[16];

		if (t.type == WEIR_LIST)
			t.elem = (uint8_t)(1 + rnd(seed) % (WEIR_LIST - 1));
		t.precision = (uint8_t)(1 + rnd(seed) % 18);
		t.scale = (uint8_t)(rnd(seed) % (t.precision + 1u));
		snprintf(name, sizeof(name), "f%u", (unsigned)k);
		weir_schema_add(s, weir_str_c(name), t, rnd(seed) & 1);
	}
	weir_schema_seal(s);
}

/* Does a text of the field have a zero byte? */
static bool has_zero(const struct weir_frame *f, const struct weir_schema *s, unsigned i)
{
	uint64_t slot = weir_slot(f, s, i), elem;
	struct weir_typeinfo t = s->field[i].type;
	bool zero = false;

	if (weir_null(f, s, i))
		return false;
	if (t.type == WEIR_STRING)
		return memchr(weir_slot_str(f, slot).p, 0, weir_slot_str(f, slot).n);
	for (uint64_t k = 0; t.type == WEIR_LIST && t.elem == WEIR_STRING && k < slot >> 32; k++) {
		memcpy(&elem, weir_payload(f) + (uint32_t)slot + 8 * k, 8);
		zero = zero || memchr(weir_slot_str(f, elem).p, 0, weir_slot_str(f, elem).n);
	}
	return zero;
}

static void test_copy_random(void **state)
{
	static uint64_t mem[FRAME_CAP / 8];
	static struct weir_schema s;
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		struct weir_copy_spec c = {.schema = &s};
		const struct weir_frame *f = (const struct weir_frame *)(void *)mem;
		struct weir_buf b = weir_buf_of(line, sizeof(line) - 1);
		int bad;

		if (round % 50 == 0)
			random_schema(&seed, &s);
		for (unsigned i = 0; i < s.field_count; i++)
			c.whole_ns[i] = rnd(&seed) & 1;
		random_record(&seed, &s, mem);
		bad = weir_copy_record(&c, &b, f);
		if (bad >= 0) {
			assert_true(has_zero(f, &s, (unsigned)bad));
			continue;
		}
		assert_false(b.full);
		assert_true(b.len <= weir_copy_room(f));
		line[b.len] = 0;
		check_line(&c, f);
	}
}

#define WITH_BENCH(f) cmocka_unit_test_setup_teardown(f, open_bench, free_bench)

static const struct CMUnitTest tests[] = {
	WITH_BENCH(test_copy_scalars), WITH_BENCH(test_copy_text),
	WITH_BENCH(test_copy_bytes),   WITH_BENCH(test_copy_times),
	WITH_BENCH(test_copy_lists),   WITH_BENCH(test_copy_text_that_cannot_be),
	WITH_BENCH(test_copy_room),    cmocka_unit_test(test_copy_random),
};

WEIR_TEST_MAIN("copy", tests)
