/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML reader: shapes, places, and what it refuses. */
#include "tests/lib/test.h"

#include "base/buf.h"
#include "base/err.h"
#include "host/yaml.h"

struct fixture {
	struct weir_region region;
	struct weir_diags diags;
	struct weir_doc *doc;
	int rc;
};

static void parse_n(struct fixture *f, const char *text, size_t n)
{
	weir_region_init(&f->region, &weir_test_mem);
	weir_diags_init(&f->diags, &f->region);
	f->rc = weir_yaml_parse((struct weir_str){text, n}, &f->region, &f->doc, &f->diags);
}

static void parse(struct fixture *f, const char *text)
{
	parse_n(f, text, strlen(text));
}

/* A document as one line of text, with all places: "map@1:1{a@1:1=text@1:4}". */
static void show(struct weir_buf *b, const struct weir_doc *d)
{
	static const char *const kind[] = {"null", "text", "list", "map"};

	weir_buf_printf(b, "%s@%u:%u", kind[d->kind], d->pos.line, d->pos.column);
	if (d->kind == WEIR_DOC_SCALAR)
		weir_buf_printf(b, "%s%s(%.*s)", d->quoted ? "q" : "", d->verbatim ? "v" : "",
				(int)d->text.n, d->text.p);
	for (uint32_t i = 0; i < d->count; i++) {
		weir_buf_char(b, i ? ' ' : d->kind == WEIR_DOC_MAP ? '{' : '[');
		if (d->kind == WEIR_DOC_MAP) {
			weir_buf_printf(b, "%.*s@%u:%u=", (int)d->entry[i].key.n, d->entry[i].key.p,
					d->entry[i].pos.line, d->entry[i].pos.column);
			show(b, d->entry[i].value);
		} else {
			show(b, d->item[i]);
		}
	}
	if (d->count)
		weir_buf_char(b, d->kind == WEIR_DOC_MAP ? '}' : ']');
}

static void expect_doc(const char *text, const char *expected)
{
	char out[4096] = "";
	struct weir_buf b = weir_buf_of(out, sizeof(out) - 1);
	struct fixture f;

	parse(&f, text);
	assert_int_equal(f.rc, 0);
	assert_int_equal(f.diags.count, 0);
	show(&b, f.doc);
	assert_string_equal(out, expected);
	weir_region_fini(&f.region);
}

static void expect_errors_n(const char *text, size_t n, bool keeps_doc, const char *expected)
{
	char out[4096] = "";
	struct weir_buf b = weir_buf_of(out, sizeof(out) - 1);
	struct fixture f;

	parse_n(&f, text, n);
	for (uint32_t i = 0; i < f.diags.count; i++)
		weir_buf_printf(&b, "%u:%u: %s\n", f.diags.diag[i].pos.line,
				f.diags.diag[i].pos.column, f.diags.diag[i].text);
	assert_string_equal(out, expected);
	assert_int_equal(f.rc, WEIR_E_CONFIG);
	assert_int_equal(f.doc != NULL, keeps_doc);
	weir_region_fini(&f.region);
}

static void expect_errors(const char *text, bool keeps_doc, const char *expected)
{
	expect_errors_n(text, strlen(text), keeps_doc, expected);
}

static void test_yaml_shapes(void **state)
{
	(void)state;
	expect_doc("", "null@1:1");
	expect_doc("# only a comment\n", "null@1:1");
	expect_doc("a", "text@1:1v(a)");
	expect_doc("---\na\n...\n", "text@2:1v(a)");
	expect_doc("a: 1\nb:\n  - x\n  - {c: d}\n",
		   "map@1:1{a@1:1=text@1:4v(1) b@2:1=list@3:3[text@3:5v(x) "
		   "map@4:5{c@4:6=text@4:9v(d)}]}");
	expect_doc("[]", "list@1:1");
	expect_doc("a: {}\nb: []\n", "map@1:1{a@1:1=map@1:4 b@2:1=list@2:4}");
	expect_doc("\xef\xbb\xbf"
		   "a: b\n",
		   "map@1:1{a@1:1=text@1:4v(b)}");
	expect_doc("a: b\r\nc: d\r\n", "map@1:1{a@1:1=text@1:4v(b) c@2:1=text@2:4v(d)}");
}

static void test_yaml_nothing(void **state)
{
	(void)state;
	expect_doc("a:\nb: ~\nc: null\nd: ''\ne: 'null'\n",
		   "map@1:1{a@1:1=null@1:3 b@2:1=null@2:4 c@3:1=null@3:4 d@4:1=text@4:4qv() "
		   "e@5:1=text@5:4qv(null)}");
}

/* verbatim: a column inside the text can be named. */
static void test_yaml_verbatim(void **state)
{
	(void)state;
	expect_doc("a: \"x y\"\n", "map@1:1{a@1:1=text@1:4qv(x y)}");
	expect_doc("a: \"x\\ty\"\n", "map@1:1{a@1:1=text@1:4q(x\ty)}");
	expect_doc("a: 'it''s'\n", "map@1:1{a@1:1=text@1:4q(it's)}");
	expect_doc("a: x\n  y\n", "map@1:1{a@1:1=text@1:4(x y)}");
	expect_doc("a: |\n  x\n", "map@1:1{a@1:1=text@1:4q(x\n)}");
	expect_doc("a: >-\n  x\n  y\n", "map@1:1{a@1:1=text@1:4q(x y)}");
	expect_doc("\xc3\xa4: \"\xc3\xb6\xf0\x9f\x8c\x8a\"\n",
		   "map@1:1{\xc3\xa4@1:1=text@1:4qv(\xc3\xb6\xf0\x9f\x8c\x8a)}");
}

static void test_yaml_json(void **state)
{
	(void)state;
	expect_doc("{\"a\": [1, true, null, \"x\\n\\u00e4\"],\n\t\"b\": {\"c\": -1.5e3}}",
		   "map@1:1{a@1:2=list@1:7[text@1:8v(1) text@1:11v(true) null@1:17 "
		   "text@1:23q(x\n\xc3\xa4)] b@2:2=map@2:7{c@2:8=text@2:13v(-1.5e3)}}");
}

static void test_yaml_refuses_and_goes_on(void **state)
{
	(void)state;
	expect_errors("a: 1\nb: 2\na: 3\na: 4\n", true,
		      "3:1: key `a` is given twice; the first is at 1:1\n"
		      "4:1: key `a` is given twice; the first is at 1:1\n");
	expect_errors(
		"a: &x 1\nb: &y {c: 1}\nd: &z [1]\n", true,
		"1:4: anchor `&x`: anchors are not used here; write the value out, or put a text "
		"that begins with & in quotes\n"
		"2:4: anchor `&y`: anchors are not used here; write the value out, or put a text "
		"that begins with & in quotes\n"
		"3:4: anchor `&z`: anchors are not used here; write the value out, or put a text "
		"that begins with & in quotes\n");
	expect_errors("a: !flag\nb: !!str 1\n", true,
		      "1:4: tag `!flag`: tags are not used here; put a text that begins with ! in "
		      "quotes\n"
		      "2:4: tag `tag:yaml.org,2002:str`: tags are not used here; put a text that "
		      "begins with ! in quotes\n");
	expect_errors("\"a\\nb\": 1\n\"a\\nb\": 2\n", true,
		      "2:1: key `a?b` is given twice; the first is at 1:1\n");
	expect_errors("a: !%0a x\n", true,
		      "1:4: tag `!?`: tags are not used here; put a text that begins with ! in "
		      "quotes\n");
	expect_errors("<<: {a: 1}\nb: 2\n", true,
		      "1:1: merge keys (<<) are not used here; write the keys out\n");
	expect_errors("%YAML 1.1\n---\na: 1\n", true,
		      "1:1: directives (%) are not used here; remove the line\n");
	expect_errors("\"\": 1\n", true, "1:1: the key is empty\n");
	expect_errors("a: 1\n?\n: 2\n", true, "2:2: the key is empty\n");
}

/* A quoted << is a key like any other. */
static void test_yaml_quoted_merge_key(void **state)
{
	(void)state;
	expect_doc("\"<<\": 1\n", "map@1:1{<<@1:1=text@1:7v(1)}");
}

static void test_yaml_refuses_and_stops(void **state)
{
	(void)state;
	expect_errors(
		"a: *x\n", false,
		"1:4: alias `*x`: aliases are not used here; write the value out, or put a text "
		"that begins with * in quotes\n");
	expect_errors("a: 1\n---\nb: 2\n", false,
		      "2:1: a second document begins here; a file holds one\n");
	expect_errors(
		"{[a]: 1}\n", false,
		"1:2: a key must be a text, not a list; put a text that begins with { or [ in "
		"quotes\n");
	expect_errors(
		"? {a: 1}\n: 2\n", false,
		"1:3: a key must be a text, not a mapping; put a text that begins with { or [ in "
		"quotes\n");
}

static void test_yaml_syntax(void **state)
{
	(void)state;
	expect_errors(
		"a:\n\tb: c\n", false,
		"2:1: found character that cannot start any token; indent with spaces, and put "
		"a text that begins with %, @ or ` in quotes\n");
	expect_errors(
		"a: b ? c : d\n", false,
		"1:10: mapping values are not allowed in this context; a text with `: ` in it "
		"must stand in quotes, and a nested key on its own line\n");
	expect_errors(
		"a: \"b\n", false,
		"2:1: found unexpected end of stream (while scanning a quoted scalar at 1:4); a "
		"quote or bracket is not closed\n");
	expect_errors(
		"{a: x[0]}\n", false,
		"1:6: did not find expected ',' or '}' (while parsing a flow mapping at 1:1); "
		"inside { } put a text with , [ ] { or } in quotes\n");
	expect_errors("a: 1\n b: 2\n", false,
		      "2:3: mapping values are not allowed in this context; a text with `: ` in it "
		      "must stand in quotes, and a nested key on its own line\n");
	expect_errors(
		"a: * b\n", false,
		"1:5: did not find expected alphabetic or numeric character (while scanning an "
		"alias at 1:4); put a text that begins with * or & in quotes\n");
}

static void test_yaml_encoding(void **state)
{
	(void)state;
	expect_errors("a: 1\nb: \xc3\xa4\xff\n", false,
		      "2:5: byte 0xff is not UTF-8; save the file as UTF-8\n");
	/* Overlong, a surrogate, beyond Unicode, cut off. */
	expect_errors("\xc0\x80", false, "1:1: byte 0xc0 is not UTF-8; save the file as UTF-8\n");
	expect_errors("\xed\xa0\x80", false,
		      "1:1: byte 0xed is not UTF-8; save the file as UTF-8\n");
	expect_errors("\xf4\x90\x80\x80", false,
		      "1:1: byte 0xf4 is not UTF-8; save the file as UTF-8\n");
	expect_errors("a\xe2\x82", false, "1:2: byte 0xe2 is not UTF-8; save the file as UTF-8\n");
	expect_errors("\xff\xfe"
		      "a",
		      false, "1:1: the file is in UTF-16; save it as UTF-8\n");
	expect_errors_n("a: b\0c\n", 7, false,
			"1:5: control byte 0x00; in a text in double quotes write \\x00\n");
	expect_errors("a: \x1b[0m\n", false,
		      "1:4: control byte 0x1b; in a text in double quotes write \\x1b\n");
	expect_errors("a\rb\x7f", false,
		      "2:2: control byte 0x7f; in a text in double quotes write \\x7f\n");
}

static void test_yaml_too_large(void **state)
{
	size_t n = WEIR_YAML_BYTES_MAX + 1;
	char *text = malloc(n);

	(void)state;
	memset(text, ' ', n);
	expect_errors_n(text, n, false,
			"1:1: the file has 4194305 bytes; at most 4194304 are read\n");
	free(text);
}

static void test_yaml_depth(void **state)
{
	char text[256];
	struct fixture f;

	(void)state;
	memset(text, '[', WEIR_YAML_DEPTH_MAX);
	memset(text + WEIR_YAML_DEPTH_MAX, ']', WEIR_YAML_DEPTH_MAX);
	parse_n(&f, text, 2 * WEIR_YAML_DEPTH_MAX);
	assert_int_equal(f.rc, 0);
	weir_region_fini(&f.region);
	memset(text, '[', sizeof(text));
	expect_errors_n(text, sizeof(text), false, "1:33: nested deeper than 32 levels\n");
}

/* The number of values is bounded, whatever their shape. */
static void test_yaml_too_many_values(void **state)
{
	const char *const piece[] = {"a,", "[],", "{a: b},"};
	size_t count = WEIR_YAML_NODES_MAX + 10;
	char *text = malloc(8 * count + 2);

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(piece); i++) {
		struct weir_buf b = weir_buf_of(text, 8 * count + 2);
		struct fixture f;

		weir_buf_char(&b, '[');
		for (size_t k = 0; k < count; k++)
			weir_buf_lit(&b, piece[i]);
		parse_n(&f, b.p, b.len);
		assert_int_equal(f.rc, WEIR_E_CONFIG);
		assert_null(f.doc);
		assert_int_equal(f.diags.count, 1);
		assert_non_null(strstr(f.diags.diag[0].text, "more than 200000 values"));
		weir_region_fini(&f.region);
	}
	free(text);
}

/* Many keys take linear time; each duplicate is still found. */
static void test_yaml_many_keys(void **state)
{
	size_t count = 50000;
	char *text = malloc(16 * count);
	struct weir_buf b = weir_buf_of(text, 16 * count);
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < count; i++)
		weir_buf_printf(&b, "k%zu: 1\n", i == 40000 ? 7 : i);
	parse_n(&f, b.p, b.len);
	assert_int_equal(f.rc, WEIR_E_CONFIG);
	assert_int_equal(f.diags.count, 1);
	assert_string_equal(f.diags.diag[0].text, "key `k7` is given twice; the first is at 8:1");
	assert_int_equal(f.diags.diag[0].pos.line, 40001);
	assert_int_equal(f.doc->count, count - 1);
	weir_region_fini(&f.region);
	free(text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_yaml_shapes),
	cmocka_unit_test(test_yaml_nothing),
	cmocka_unit_test(test_yaml_verbatim),
	cmocka_unit_test(test_yaml_json),
	cmocka_unit_test(test_yaml_refuses_and_goes_on),
	cmocka_unit_test(test_yaml_quoted_merge_key),
	cmocka_unit_test(test_yaml_refuses_and_stops),
	cmocka_unit_test(test_yaml_syntax),
	cmocka_unit_test(test_yaml_encoding),
	cmocka_unit_test(test_yaml_too_large),
	cmocka_unit_test(test_yaml_depth),
	cmocka_unit_test(test_yaml_too_many_values),
	cmocka_unit_test(test_yaml_many_keys),
};

WEIR_TEST_MAIN("yaml", tests)
