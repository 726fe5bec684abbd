/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to aggregates: what a list shows is what the windows give when the input ends there. */
#include <jansson.h>

#include "engine/core/query.h"
#include "engine/core/window_key_text.h"
#include "tests/unit/engine/agg_case.h"

static struct weir_window_spec window(int64_t size, int64_t slide, int64_t lateness)
{
	return (struct weir_window_spec){.kind = slide == size ? WEIR_WINDOW_TUMBLING
							       : WEIR_WINDOW_SLIDING,
					 .size_ns = size,
					 .slide_ns = slide,
					 .lateness_ns = lateness};
}

static struct weir_window_spec session(int64_t gap, int64_t lateness)
{
	return (struct weir_window_spec){
		.kind = WEIR_WINDOW_SESSION, .size_ns = gap, .lateness_ns = lateness};
}

static char bytes[WEIR_QUERY_BYTES];
static struct weir_query_out out;

static int ask(const struct weir_query *q, uint32_t limit)
{
	weir_query_out_init(&out, bytes, limit);
	return rig.node[0].cls->query(&rig.node[0], q, &out);
}

static void refused(struct weir_query q, int code, const char *text)
{
	assert_int_equal(ask(&q, 10), code);
	assert_int_equal(out.err.code, code);
	assert_string_equal(out.err.text, text);
	assert_int_equal(out.count, 0);
}

/* A float beyond 2^63 looks like an integer that does not fit. */
static json_t *load(const char *text, size_t n)
{
	json_t *v = json_loadb(text, n, 0, NULL);

	return v ? v : json_loadb(text, n, JSON_DECODE_INT_AS_REAL, NULL);
}

static json_t *rows_of_piece(void)
{
	char text[WEIR_QUERY_BYTES + 2];
	json_t *a;

	text[0] = '[';
	memcpy(text + 1, out.rows.p, out.rows.len);
	text[out.rows.len + 1] = ']';
	a = load(text, out.rows.len + 2);
	assert_non_null(a);
	assert_int_equal(json_array_size(a), out.count);
	return a;
}

/* The whole answer in pieces of `limit` rows. */
static json_t *ask_all(struct weir_query q, uint32_t limit)
{
	json_t *all = json_array();
	int r = 1;

	for (uint32_t pieces = 0; r == 1; pieces++) {
		json_t *some;

		assert_true(pieces < 100000);
		r = ask(&q, limit);
		assert_true(r >= 0);
		some = rows_of_piece();
		json_array_extend(all, some);
		json_decref(some);
		q.at = out.at;
	}
	return all;
}

static void expect_rows(json_t *got, const char *want)
{
	char *text = json_dumps(got, JSON_COMPACT);

	assert_string_equal(text, want);
	free(text);
	json_decref(got);
}

static json_t *get(const char *key)
{
	return ask_all((struct weir_query){.verb = WEIR_QUERY_GET,
					   .key = key ? weir_str_c(key) : (struct weir_str){0}},
		       100);
}

static json_t *list(const char *prefix, uint32_t limit)
{
	return ask_all((struct weir_query){.verb = WEIR_QUERY_LIST, .prefix = weir_str_c(prefix)},
		       limit);
}

#define ROW(k, from, to, n)                                                                        \
	"{\"key0\":" #k ",\"window_start\":\"1970-01-01T00:00:00" from                             \
	"Z\",\"window_end\":\"1970-01-01T00:00:00" to "Z\",\"n\":" #n "}"

static void test_tumbling(void **state)
{
	(void)state;
	start_count(window(10, 10, 0));
	expect_rows(list("", 10), "[]");
	expect_rows(get("1"), "[]");
	row(1, 1);
	row(2, 1);
	row(3, 22);
	row(11, 1);
	weir_oprig_run(&rig);
	expect_rows(get("1"),
		    "[" ROW(1, "", ".00000001", 2) "," ROW(1, ".00000001", ".00000002", 1) "]");
	expect_rows(get("+22"), "[" ROW(22, "", ".00000001", 1) "]");
	expect_rows(get("3"), "[]");
	expect_rows(list("2", 10), "[" ROW(22, "", ".00000001", 1) "]");
	/* Fired: no longer open. */
	weir_oprig_watermark(&rig, 9);
	expect(0, 1, 0, 10, 2);
	expect_rows(get("1"), "[" ROW(1, ".00000001", ".00000002", 1) "]");
	stop();
}

static void test_windows_that_have_fired_are_not_shown_while_they_are_kept(void **state)
{
	(void)state;
	start_count(window(20, 10, 50));
	row(15, 1);
	weir_oprig_watermark(&rig, 19);
	expect_rows(get("1"), "[" ROW(1, ".00000001", ".00000003", 1) "]");
	expect_rows(list("", 1), "[" ROW(1, ".00000001", ".00000003", 1) "]");
	stop();
	start_count(session(10, 50));
	row(0, 1);
	weir_oprig_watermark(&rig, 9);
	expect_rows(get("1"), "[]");
	row(3, 1); /* grows: open again */
	weir_oprig_run(&rig);
	expect_rows(get("1"), "[" ROW(1, "", ".000000013", 2) "]");
	stop();
}

static void test_sessions_newest_first(void **state)
{
	(void)state;
	start_count(session(10, 0));
	expect_rows(get("1"), "[]");
	row(0, 1);
	row(20, 1);
	row(40, 1);
	row(0, 2);
	weir_oprig_run(&rig);
	expect_rows(get("2"), "[" ROW(2, "", ".00000001", 1) "]");
	for (uint32_t limit = 1; limit < 6; limit++)
		expect_rows(list("", limit),
			    "[" ROW(1, ".00000004", ".00000005",
				    1) "," ROW(1, ".00000002", ".00000003",
					       1) "," ROW(1, "", ".00000001",
							  1) "," ROW(2, "", ".00000001", 1) "]");
	expect_rows(list("2", 1), "[" ROW(2, "", ".00000001", 1) "]");
	/* Key 2 goes with its session; its place in the table is vacant. */
	weir_oprig_watermark(&rig, 9);
	expect_rows(get("2"), "[]");
	expect_rows(list("", 5), "[" ROW(1, ".00000004", ".00000005",
					 1) "," ROW(1, ".00000002", ".00000003", 1) "]");
	stop();
}

/* ---- against the windows themselves ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted(char **line, size_t n)
{
	size_t bytes_all = 1;
	char *text;

	qsort(line, n, sizeof(*line), by_text);
	for (size_t i = 0; i < n; i++)
		bytes_all += strlen(line[i]) + 1;
	text = calloc(1, bytes_all);
	for (size_t i = 0; i < n; i++) {
		strcat(strcat(text, line[i]), "\n");
		free(line[i]);
	}
	return text;
}

static char *sorted_json(const json_t *rows)
{
	size_t n = json_array_size(rows);
	char **line = calloc(n + 1, sizeof(*line)), *text;

	for (size_t i = 0; i < n; i++)
		line[i] = json_dumps(json_array_get(rows, i), JSON_COMPACT | JSON_SORT_KEYS);
	text = sorted(line, n);
	free(line);
	return text;
}

/* What the rig's output got from row `from` on, as rows. */
static json_t *emitted(uint32_t from)
{
	json_t *rows = json_array();

	for (uint32_t i = from; i < rig.out[0].count; i++) {
		const char *text = weir_oprig_text(&rig, 0, i);

		if (rig.out[0].frame[i]->kind == WEIR_FRAME_DATA)
			json_array_append_new(rows, load(text, strlen(text)));
	}
	return rows;
}

/* The key of a row as text. */
static void key_text(const json_t *row, uint32_t fields, char *ret)
{
	const json_t *ks = json_object_get(row, "key0");
	char *s = json_dumps(ks, JSON_ENCODE_ANY);

	if (fields == 1)
		sprintf(ret, "%s", json_is_string(ks) ? json_string_value(ks) : s);
	else
		sprintf(ret, "%s,%s", json_is_null(ks) ? "\\N" : s, "");
	if (fields == 1 && json_is_null(ks))
		strcpy(ret, "\\N");
	if (fields == 2)
		sprintf(ret + strlen(ret), "%.0f", json_number_value(json_object_get(row, "key1")));
	free(s);
}

static bool same_key(const json_t *a, const json_t *b)
{
	return (!json_object_get(a, "key0") ||
		json_equal(json_object_get(a, "key0"), json_object_get(b, "key0"))) &&
	       (!json_object_get(a, "key1") ||
		json_equal(json_object_get(a, "key1"), json_object_get(b, "key1")));
}

/* GET of some of the keys gives their rows of the list. */
static void check_gets(const json_t *rows, uint32_t fields)
{
	for (size_t i = 0; i < json_array_size(rows); i += 1 + i / 4) {
		json_t *row = json_array_get(rows, i), *want = json_array(), *got;
		char key[256], *a, *b;

		key_text(row, fields, key);
		for (size_t k = 0; k < json_array_size(rows); k++)
			if (same_key(row, json_array_get(rows, k)))
				json_array_append(want, json_array_get(rows, k));
		got = get(fields ? key : NULL);
		a = sorted_json(got);
		b = sorted_json(want);
		assert_string_equal(a, b);
		free(a);
		free(b);
		json_decref(got);
		json_decref(want);
	}
}

struct shape {
	struct weir_window_spec spec;
	enum winref_key key;
	uint32_t fields;
};

static void compare(const struct shape *s, uint64_t seed, uint32_t limit)
{
	uint32_t before;
	json_t *shown, *given;
	char *a, *b;

	start(s->spec, s->key);
	for (int i = 0; i < 150; i++) {
		int64_t t = i + (int64_t)(winref_rand(&seed) % 60);
		struct weir_frame *f = winref_random(&w, &seed, t);

		weir_oprig_put_frame(&rig, f);
		free(f);
		if (i % 40 == 39)
			weir_oprig_watermark(&rig, i - 5);
	}
	weir_oprig_run(&rig);
	before = rig.out[0].count;
	shown = list("", limit);
	check_gets(shown, s->fields);
	weir_oprig_eos(&rig);
	given = emitted(before);
	assert_true(json_array_size(given) > 0);
	a = sorted_json(shown);
	b = sorted_json(given);
	assert_string_equal(a, b);
	free(a);
	free(b);
	json_decref(shown);
	json_decref(given);
	stop();
}

static void test_a_list_is_what_the_end_of_the_input_gives(void **state)
{
	const struct shape shapes[] = {
		{window(20, 20, 0), WINREF_KEY_INT, 1},	  {window(20, 20, 0), WINREF_KEY_BOTH, 2},
		{window(20, 20, 0), WINREF_KEY_FLOAT, 1}, {window(30, 10, 0), WINREF_KEY_NONE, 0},
		{window(30, 12, 0), WINREF_KEY_BOTH, 2},  {window(30, 10, 25), WINREF_KEY_INT, 1},
		{window(10, 25, 0), WINREF_KEY_INT, 1},	  {window(40, 1, 0), WINREF_KEY_INT, 1},
		{session(5, 0), WINREF_KEY_BOTH, 2},	  {session(3, 0), WINREF_KEY_NONE, 0},
		{session(4, 9), WINREF_KEY_INT, 1},
	};
	const uint32_t limits[] = {1, 3, 256};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(shapes); i++)
		for (size_t k = 0; k < WEIR_COUNT_OF(limits); k++)
			compare(&shapes[i], 100 * i + k, limits[k]);
}

/* A place is safe whatever it says, and a list goes on when the slice it stood in is gone. */
static void test_any_place_is_safe(void **state)
{
	const uint64_t some[] = {
		0, 1, 7, INT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 3, UINT64_MAX};
	const struct weir_window_spec spec[] = {window(30, 10, 0), session(10, 0)};

	(void)state;
	for (size_t s = 0; s < WEIR_COUNT_OF(spec); s++) {
		start_count(spec[s]);
		for (int64_t i = 0; i < 40; i++)
			row(i, i % 7);
		weir_oprig_run(&rig);
		for (size_t i = 0; i < 7 * 7 * 7; i++) {
			struct weir_query q = {
				.verb = WEIR_QUERY_LIST,
				.at = {{some[i % 7], some[i / 7 % 7], some[i / 49]}}};

			assert_true(ask(&q, 5) >= 0);
			q.verb = WEIR_QUERY_GET;
			q.key = weir_str_c("3");
			assert_true(ask(&q, 5) >= 0);
		}
		stop();
	}
	start_count(window(10, 10, 0));
	for (int64_t i = 0; i < 20; i++)
		row(i, i);
	weir_oprig_run(&rig);
	{
		struct weir_query q = {.verb = WEIR_QUERY_LIST};

		assert_int_equal(ask(&q, 3), 1);
		q.at = out.at;
		weir_oprig_watermark(&rig, 9);
		assert_int_equal(ask(&q, 100), 0);
		assert_int_equal(out.count, 10);
	}
	stop();
}

static void test_a_piece_ends_by_work(void **state)
{
	struct weir_query q = {.verb = WEIR_QUERY_LIST, .prefix = weir_str_c("no")};
	uint32_t pieces = 1;

	(void)state;
	start_count(window(10, 10, 0));
	for (int64_t i = 0; i < 5000; i++)
		row(1, i);
	weir_oprig_run(&rig);
	for (; ask(&q, 100) == 1; pieces++) {
		assert_int_equal(out.count, 0);
		q.at = out.at;
	}
	assert_int_equal(pieces, 5);
	/* GET of a key that many slices do not have. */
	for (int64_t i = 0; i < 3000; i++)
		row(10 * i, 1);
	weir_oprig_run(&rig);
	q = (struct weir_query){.verb = WEIR_QUERY_GET, .key = weir_str_c("7777")};
	for (pieces = 1; ask(&q, 100) == 1; pieces++)
		q.at = out.at;
	assert_int_equal(pieces, 3);
	stop();
}

static void test_refused(void **state)
{
	(void)state;
	start_count(window(10, 10, 0));
	refused((struct weir_query){.verb = WEIR_QUERY_CONFLICTS}, WEIR_E_USAGE,
		"step `win` is an aggregate: only tables have conflicts");
	refused((struct weir_query){.verb = WEIR_QUERY_GET}, WEIR_E_FORMAT,
		"step `win`: which key? It is `k`");
	refused((struct weir_query){.verb = WEIR_QUERY_GET, .key = weir_str_c("x")}, WEIR_E_FORMAT,
		"step `win`: `x` is no value of `k`, which is int64: not in the expected format");
	stop();
	start(window(10, 10, 0), WINREF_KEY_NONE);
	refused((struct weir_query){.verb = WEIR_QUERY_GET, .key = weir_str_c("")}, WEIR_E_FORMAT,
		"step `win`: there is one state for all records, ask without a key");
	stop();
	winref_init(&w, window(10, 10, 0), WINREF_KEY_INT);
	winref_top(&w, "v", 2, false, false);
	assert_int_equal(weir_oprig_init(&rig, weir_top_init, &w.step, &w.in), 0);
	assert_null(rig.node[0].cls->query);
	stop();
}

/* A sum that overflows has no value; text that is longer than the first guess, or than a record may be. */
static void test_results_that_cannot_be_given(void **state)
{
	static char big[3000];
	struct weir_oprig_value v[WINREF_FIELDS] = {WEIR_ROW_I(1),	   WEIR_ROW_NULL,
						    WEIR_ROW_I(INT64_MAX), WEIR_ROW_NULL,
						    WEIR_ROW_NULL,	   WEIR_ROW_I(0)};
	json_t *rows;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	start(window(10, 10, 0), WINREF_KEY_INT);
	weir_oprig_put(&rig, 1, v);
	weir_oprig_put(&rig, 1, v);
	weir_oprig_run(&rig);
	rows = get("1");
	assert_non_null(json_object_get(json_array_get(rows, 0), "error"));
	json_decref(rows);
	v[0] = WEIR_ROW_I(2);
	v[WINREF_S] = WEIR_ROW_S(big + 2500);
	weir_oprig_put(&rig, 1, v);
	v[0] = WEIR_ROW_I(3);
	v[WINREF_S] = WEIR_ROW_S(big);
	weir_oprig_put(&rig, 1, v);
	weir_oprig_run(&rig);
	rows = get("2");
	assert_null(json_object_get(json_array_get(rows, 0), "error"));
	assert_int_equal(
		strlen(json_string_value(json_object_get(json_array_get(rows, 0), "min_s"))), 499);
	json_decref(rows);
	rows = get("3");
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "error")),
			    "window result larger than record_max");
	json_decref(rows);
	stop();
}

/* ---- rows ---- */

static void test_rows_fit_or_wait(void **state)
{
	static char big[WEIR_QUERY_BYTES];
	struct weir_str half = {big, sizeof(big) / 2};

	(void)state;
	memset(big, 'x', sizeof(big));
	weir_query_out_init(&out, bytes, 1000);
	assert_int_equal(out.limit, WEIR_QUERY_ROWS);
	weir_buf_json_str(weir_query_row(&out), half);
	assert_true(weir_query_row_end(&out));
	weir_buf_json_str(weir_query_row(&out), half);
	assert_false(weir_query_row_end(&out));
	assert_int_equal(out.count, 1);
	assert_int_equal(out.rows.len, half.n + 2);
	/* The largest alone has an answer too. */
	weir_query_out_init(&out, bytes, 1000);
	weir_buf_json_str(weir_query_row(&out), (struct weir_str){big, sizeof(big)});
	assert_true(weir_query_row_end(&out));
	expect_rows(rows_of_piece(), "[{\"error\":\"a row of more than 64 KiB is not shown\"}]");
}

static void test_a_piece_gets_on_and_ends(void **state)
{
	(void)state;
	weir_query_out_init(&out, bytes, 1);
	assert_true(weir_query_room(&out, UINT32_MAX));
	assert_false(weir_query_room(&out, 1));
	weir_query_out_init(&out, bytes, 1);
	assert_true(weir_query_room(&out, 1));
	weir_buf_lit(weir_query_row(&out), "1");
	assert_true(weir_query_row_end(&out));
	assert_false(weir_query_room(&out, 1));
	assert_int_equal(weir_query_place(INT64_MIN), 0);
	assert_int_equal(weir_query_value(weir_query_place(-5)), -5);
}

/* ---- keys as text ---- */

static struct weir_schema types;
static struct weir_window_key key;
static struct weir_slab slab;
static uint64_t entry[64];

static void types_start(void)
{
	const struct {
		const char *name;
		struct weir_typeinfo type;
		bool nullable;
	} f[] = {{"b", {.type = WEIR_BOOL}, false},
		 {"i", {.type = WEIR_INT64}, true},
		 {"f", {.type = WEIR_FLOAT64}, false},
		 {"d", {.type = WEIR_DECIMAL, .precision = 6, .scale = 2}, false},
		 {"t", {.type = WEIR_TIMESTAMP}, false},
		 {"u", {.type = WEIR_DURATION}, false},
		 {"s", {.type = WEIR_STRING}, true},
		 {"y", {.type = WEIR_BYTES}, false}};

	memset(&types, 0, sizeof(types));
	for (size_t i = 0; i < WEIR_COUNT_OF(f); i++)
		assert_true(weir_schema_add(&types, weir_str_c(f[i].name), f[i].type,
					    f[i].nullable) >= 0);
	strcpy(types.field[4].format, "%d.%m.%Y");
	weir_schema_seal(&types);
	weir_slab_init(&slab, &weir_test_mem);
}

static int parse(const char *text, struct weir_err *err)
{
	return weir_window_key_parse(&key, weir_str_c(text), &slab, entry, err);
}

static void key_of(const char *fields)
{
	uint16_t f[WEIR_KEYS_MAX];
	uint32_t n = 0;

	for (; fields[n]; n++)
		f[n] = (uint16_t)weir_schema_find(&types, (struct weir_str){fields + n, 1});
	assert_int_equal(weir_window_key_init(&key, &types, f, n), 0);
}

/* The hash is that of the record with these values, and so are the bytes. */
static void test_keys_of_all_types(void **state)
{
	const struct weir_oprig_value v[] = {WEIR_ROW_I(1),
					     WEIR_ROW_I(-7),
					     WEIR_ROW_F(0.0),
					     WEIR_ROW_I(1250),
					     WEIR_ROW_I(86400 * WEIR_NS_PER_S),
					     WEIR_ROW_I(90 * WEIR_NS_PER_S),
					     WEIR_ROW_S("a,\"b"),
					     WEIR_ROW_S("hi")};
	const char *text[] = {"true,-7,-0.0,12.5,02.01.1970,1m30s,\"a,\"\"b\",aGk=",
			      "1,-7,0,12.50,1970-01-02T00:00:00Z,90s,\"a,\"\"b\",\"aGk=\""};
	uint64_t store[64] = {0};
	struct weir_frame *f;
	struct weir_err err = {0};

	(void)state;
	types_start();
	key_of("bifdtusy");
	f = weir_oprig_frame(&types, 0, v);
	store[0] = weir_key_hash(f, &types, key.field, key.count);
	weir_window_key_store(&key, f, &slab, store);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(parse(text[i], &err), 0);
		assert_int_equal(entry[0], store[0]);
		assert_true(weir_window_key_is_entry(store, entry, &key));
		assert_true(weir_window_key_is_frame(entry, f, &key));
	}
	free(f);
	weir_slab_fini(&slab);
}

static void test_keys_of_one_field_are_verbatim(void **state)
{
	struct weir_err err = {0};
	struct weir_str s;
	uint64_t null;

	(void)state;
	types_start();
	key_of("s");
	assert_int_equal(parse("a,\"b", &err), 0);
	memcpy(&s, (uint8_t *)entry + key.at[0], sizeof(s));
	assert_true(weir_str_eq(s, weir_str_c("a,\"b")));
	assert_int_equal(parse("", &err), 0);
	assert_int_equal(parse("\\N", &err), 0);
	memcpy(&null, (uint8_t *)entry + key.null_at, 8);
	assert_int_equal(null, 1);
	/* Quoted it is the text. */
	key_of("si");
	assert_int_equal(parse("\"\\N\",\\N", &err), 0);
	memcpy(&null, (uint8_t *)entry + key.null_at, 8);
	assert_int_equal(null, 2);
	assert_int_equal(parse(",5", &err), 0);
	weir_slab_fini(&slab);
}

static void test_keys_that_are_none(void **state)
{
	static const char *const shape[] = {"a", "a,1,", "a,1,2", "\"a,1", "\"a\"b,1", "\"a", ""};
	static const struct {
		const char *field, *text;
	} value[] = {{"b", "maybe"}, {"i", "1.5"},   {"i", "99999999999999999999"},
		     {"f", "x"},     {"d", "1.234"}, {"t", "yesterday"},
		     {"u", "5"},     {"y", "a"},     {"b", "\\N"}};
	struct weir_err err = {0};

	(void)state;
	types_start();
	key_of("si");
	for (size_t i = 0; i < WEIR_COUNT_OF(shape); i++) {
		assert_int_equal(parse(shape[i], &err), WEIR_E_FORMAT);
		assert_non_null(strstr(err.text, "is no key: it is `s,i`"));
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(value); i++) {
		key_of(value[i].field);
		assert_true(parse(value[i].text, &err) < 0);
		assert_non_null(strstr(err.text, "is no value of"));
	}
	weir_slab_fini(&slab);
}

static bool begins(const char *prefix)
{
	return weir_window_key_begins(&key, entry, weir_str_c(prefix));
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *field, *text, *yes, *no;
	} c[] = {{"s", "abc", "ab", "abcd"},
		 {"i", "-123", "-12", "12"},
		 {"y", "aGk=", "aG", "hi"},
		 {"u", "90s", "1m", "90"},
		 {"t", "1970-01-02T00:00:00Z", "1970-01-02", "02"},
		 {"b", "1", "tr", "1"}};
	struct weir_err err = {0};

	(void)state;
	types_start();
	for (size_t i = 0; i < WEIR_COUNT_OF(c); i++) {
		key_of(c[i].field);
		assert_int_equal(parse(c[i].text, &err), 0);
		assert_true(begins(""));
		assert_true(begins(c[i].yes));
		assert_false(begins(c[i].no));
	}
	key_of("i");
	assert_int_equal(parse("\\N", &err), 0);
	assert_true(begins(""));
	assert_false(begins("n"));
	key_of("");
	assert_false(begins("n"));
	weir_slab_fini(&slab);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_tumbling),
	cmocka_unit_test(test_windows_that_have_fired_are_not_shown_while_they_are_kept),
	cmocka_unit_test(test_sessions_newest_first),
	cmocka_unit_test(test_a_list_is_what_the_end_of_the_input_gives),
	cmocka_unit_test(test_any_place_is_safe),
	cmocka_unit_test(test_a_piece_ends_by_work),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_results_that_cannot_be_given),
	cmocka_unit_test(test_rows_fit_or_wait),
	cmocka_unit_test(test_a_piece_gets_on_and_ends),
	cmocka_unit_test(test_keys_of_all_types),
	cmocka_unit_test(test_keys_of_one_field_are_verbatim),
	cmocka_unit_test(test_keys_that_are_none),
	cmocka_unit_test(test_prefixes),
};

WEIR_TEST_MAIN("engine/query", tests)
