/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a pipeline file, and the limits of one. */
#include "tests/unit/engine/pipeline_case.h"

#include <sys/stat.h>
#include <unistd.h>

#include "host/yaml.h"

#define HEAD "pipeline: p\nsteps:\n"
#define GOOD                                                                                       \
	"pipeline: p\nsteps: {s: {source: {file: {path: a.csv}}, schema: {a: int64}}, "            \
	"o: {from: s, sink: {file: {path: out}}}}\n"

static char folder[] = "/tmp/weir-test-XXXXXX";

static const char *path_in(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(path_in(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int load(struct parsed *r, const char *path)
{
	memset(r, 0, sizeof(*r));
	weir_region_init(&r->region, &weir_test_mem);
	r->rc = weir_pipeline_load(path, &played_ops, &r->region, &r->p, &r->diags, &r->err);
	return r->rc;
}

static void test_pipeline_file_loads(void **state)
{
	char expected[256];
	struct parsed r;

	(void)state;
	write_file("good.yaml", GOOD);
	assert_int_equal(load(&r, path_in("good.yaml")), 0);
	assert_string_equal(r.p->file, path_in("good.yaml"));
	snprintf(expected, sizeof(expected), "%s/a.csv", folder);
	assert_string_equal(r.p->step[0].source.path, expected);
	snprintf(expected, sizeof(expected), "%s/out", folder);
	assert_string_equal(r.p->step[1].sink.path, expected);
	parsed_free(&r);
}

/* A file in the working directory: its paths stay as they are. */
static void test_pipeline_file_in_working_directory(void **state)
{
	char old[4096];
	struct parsed r;

	(void)state;
	write_file("good.yaml", GOOD);
	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(load(&r, "good.yaml"), 0);
	assert_string_equal(r.p->step[0].source.path, "a.csv");
	parsed_free(&r);
	assert_int_equal(chdir(old), 0);
}

static void test_pipeline_file_from_stdin(void **state)
{
	int keep = dup(STDIN_FILENO);
	struct parsed r;

	(void)state;
	write_file("in.yaml", GOOD);
	assert_non_null(freopen(path_in("in.yaml"), "r", stdin));
	assert_int_equal(load(&r, "-"), 0);
	assert_string_equal(r.p->file, "stdin");
	assert_string_equal(r.p->step[0].source.path, "a.csv");
	parsed_free(&r);
	assert_true(dup2(keep, STDIN_FILENO) >= 0);
	close(keep);
}

static void test_pipeline_file_that_cannot_be_read(void **state)
{
	char expected[256];
	struct parsed r;

	(void)state;
	assert_int_equal(load(&r, path_in("none.yaml")), -ENOENT);
	snprintf(expected, sizeof(expected), "cannot open %s/none.yaml: No such file or directory",
		 folder);
	assert_string_equal(r.err.text, expected);
	assert_int_equal(r.diags.count, 0);
	parsed_free(&r);
	assert_int_equal(load(&r, folder), -EISDIR);
	assert_non_null(strstr(r.err.text, "cannot read /tmp/weir-test-"));
	parsed_free(&r);
}

static void test_pipeline_file_counts_errors(void **state)
{
	char expected[256];
	struct parsed r;

	(void)state;
	write_file("bad.yaml", "pipeline: p\nsteps: {}\nworkers: 0\n");
	assert_int_equal(load(&r, path_in("bad.yaml")), WEIR_E_CONFIG);
	snprintf(expected, sizeof(expected), "%s/bad.yaml: 2 errors", folder);
	assert_string_equal(r.err.text, expected);
	assert_int_equal(r.diags.diag[0].pos.line, 2);
	assert_int_equal(r.diags.diag[1].pos.line, 3);
	parsed_free(&r);
	write_file("bad.yaml", "pipeline: p\nsteps: [\n");
	assert_int_equal(load(&r, path_in("bad.yaml")), WEIR_E_CONFIG);
	snprintf(expected, sizeof(expected), "%s/bad.yaml: 1 error", folder);
	assert_string_equal(r.err.text, expected);
	parsed_free(&r);
}

static void test_pipeline_file_too_large(void **state)
{
	FILE *f = fopen(path_in("large.yaml"), "w");
	struct parsed r;

	(void)state;
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), (off_t)WEIR_YAML_BYTES_MAX + 100), 0);
	fclose(f);
	assert_int_equal(load(&r, path_in("large.yaml")), WEIR_E_CONFIG);
	assert_int_equal(r.diags.count, 1);
	assert_non_null(strstr(r.diags.diag[0].text, "at most 4194304 are read"));
	parsed_free(&r);
}

/* ---- limits ---- */

static char text[1 << 20];

static struct weir_buf text_buf(void)
{
	return weir_buf_of(text, sizeof(text) - 1);
}

/* The text so far must give exactly this one error; "" means none. */
static void expect_one(struct weir_buf *b, const char *error)
{
	struct parsed r;
	char got[8192];

	assert_false(b->full);
	b->p[b->len] = 0;
	parse_with(&r, b->p, "", &played_ops);
	show_errors(&r, got, sizeof(got));
	assert_string_equal(got, error);
	assert_int_equal(r.rc, *error ? WEIR_E_CONFIG : 0);
	parsed_free(&r);
}

/* A chain as long as it may be, written from its end. */
static void steps_text(struct weir_buf *b, unsigned count)
{
	weir_buf_lit(b, HEAD "  o: {from: f1, sink: blackhole}\n");
	for (unsigned i = 1; i < count - 1; i++)
		weir_buf_printf(b, "  f%u: {from: f%u, filter: a > 1}\n", i, i + 1);
	weir_buf_printf(b, "  f%u: {source: {file: {path: a.csv}}, schema: {a: int64}}\n",
			count - 1);
}

static void test_pipeline_limit_steps(void **state)
{
	struct weir_buf b = text_buf();

	(void)state;
	steps_text(&b, WEIR_STEPS_MAX);
	expect_one(&b, "");
	b = text_buf();
	steps_text(&b, WEIR_STEPS_MAX + 1);
	expect_one(&b, "259:3: `steps`: more than 256 steps\n");
}

static void test_pipeline_limit_inputs(void **state)
{
	(void)state;
	for (unsigned n = WEIR_INPUTS_MAX; n <= WEIR_INPUTS_MAX + 1; n++) {
		struct weir_buf b = text_buf();

		weir_buf_lit(&b, HEAD "  s: {source: {file: {path: a.csv}}, schema: {a: int64}}\n");
		for (unsigned i = 0; i < n; i++)
			weir_buf_printf(&b, "  f%u: {from: s, filter: a > 1}\n", i);
		weir_buf_lit(&b, "  p: {from: s, sink: blackhole}\n  o: {sink: blackhole, from: [");
		for (unsigned i = 0; i < n; i++)
			weir_buf_printf(&b, "f%u,", i);
		weir_buf_lit(&b, "]}\n");
		if (n == WEIR_INPUTS_MAX) {
			expect_one(&b, "");
		} else {
			struct parsed r;

			b.p[b.len] = 0;
			parse_with(&r, b.p, "", &played_ops);
			assert_int_equal(r.rc, WEIR_E_CONFIG);
			assert_string_equal(r.diags.diag[r.diags.count - 1].text,
					    "`from`: more than 64 inputs");
			parsed_free(&r);
		}
	}
}

static void schema_text(struct weir_buf *b, unsigned fields)
{
	weir_buf_lit(b, HEAD "  s: {source: {file: {path: a.csv}}, event_time: t, schema: {t: "
			     "timestamp");
	for (unsigned i = 1; i < fields; i++)
		weir_buf_printf(b, ", f%u: int64", i);
	weir_buf_lit(b, "}}\n");
}

static void test_pipeline_limit_fields(void **state)
{
	struct weir_buf b = text_buf();

	(void)state;
	schema_text(&b, WEIR_FIELDS_MAX);
	weir_buf_lit(&b, "  o: {from: s, sink: blackhole}\n");
	expect_one(&b, "");
	b = text_buf();
	schema_text(&b, WEIR_FIELDS_MAX + 1);
	weir_buf_lit(&b, "  o: {from: s, sink: blackhole}\n");
	expect_one(&b, "3:1619: `schema`: more than 128 fields\n");
	b = text_buf();
	schema_text(&b, WEIR_FIELDS_MAX);
	weir_buf_lit(&b, "  x: {from: s, set: {t: f1, more: f1}}\n"
			 "  o: {from: x, sink: blackhole}\n");
	expect_one(&b, "4:29: `set`: more than 128 fields\n");
	b = text_buf();
	schema_text(&b, WEIR_FIELDS_MAX - 1);
	weir_buf_lit(&b, "  x: {from: s, window: {tumbling: 1s}, top: {by: f1}}\n"
			 "  o: {from: x, sink: blackhole}\n");
	expect_one(&b, "4:3: the result of `x` has more than 128 fields; drop some before\n");
}

static void test_pipeline_limit_aggregates(void **state)
{
	(void)state;
	for (unsigned n = WEIR_AGGREGATES_MAX; n <= WEIR_AGGREGATES_MAX + 1; n++) {
		struct weir_buf b = text_buf();

		schema_text(&b, 40);
		weir_buf_lit(&b, "  x:\n    from: s\n    window: {tumbling: 1s}\n    key_by: [");
		for (unsigned i = 0; i < WEIR_KEYS_MAX; i++)
			weir_buf_printf(&b, "f%u,", i + 1);
		weir_buf_lit(&b, "]\n    aggregate:\n");
		for (unsigned i = 0; i < n; i++)
			weir_buf_printf(&b, "      a%u: count()\n", i);
		weir_buf_lit(&b, "  o: {from: x, sink: blackhole}\n");
		expect_one(&b, n == WEIR_AGGREGATES_MAX
				       ? ""
				       : "73:7: `aggregate`: more than 64 aggregates\n");
	}
}

static void test_pipeline_limit_streams(void **state)
{
	(void)state;
	for (unsigned n = 16; n <= 17; n++) {
		struct weir_buf b = text_buf();

		weir_buf_lit(&b,
			     HEAD "  s:\n    source: {file: {path: a.jsonl}}\n    type_field: k\n"
				  "    schemas:\n");
		for (unsigned i = 0; i < n; i++)
			weir_buf_printf(&b, "      s%u: {a: int64}\n", i);
		weir_buf_lit(&b, "  o: {from: s.s1, sink: blackhole}\n");
		expect_one(&b, n == 16 ? "" : "23:7: `schemas`: more than 16 streams\n");
	}
}

static void test_pipeline_limit_split(void **state)
{
	struct weir_buf b = text_buf();

	(void)state;
	weir_buf_lit(&b, HEAD "  s: {source: {file: {path: a.csv}}, schema: {a: int64}}\n"
			      "  x:\n    from: s\n    split:\n");
	for (unsigned i = 0; i < 64; i++)
		weir_buf_printf(&b, "      s%u: a > %u\n", i, i);
	weir_buf_lit(&b, "  o: {from: [x.s1], sink: blackhole}\n");
	expect_one(&b, "70:7: `split`: more than 63 outputs\n");
}

/* What the build gets from outside is optional, and checked. */
static void test_pipeline_without_outside(void **state)
{
	struct parsed r;
	char got[1024];

	(void)state;
	parse_with(&r, HEAD "  s: {source: {file: {path: a.raw}}}\n  o: {from: s, sink: stdout}\n",
		   "", NULL);
	show_errors(&r, got, sizeof(got));
	assert_string_equal(got, "3:29: raw files cannot be read here\n");
	parsed_free(&r);
	parse_with(&r,
		   HEAD "  s: {source: {file: {path: a.csv}}, schema: {a: string}}\n"
			"  x: {from: s, operator: {library: a.so, name: a}}\n"
			"  y: {from: s, filter: a.matches('x')}\n"
			"  o: {from: x, sink: stdout}\n  q: {from: y, sink: stdout}\n",
		   "", NULL);
	assert_int_equal(r.diags.count, 2);
	assert_string_equal(r.diags.diag[0].text, "operators cannot be loaded here");
	parsed_free(&r);
	parse_with(&r,
		   HEAD "  s: {source: {file: {path: many.raw}}}\n  o: {from: s, sink: stdout}\n",
		   "", &played_ops);
	show_errors(&r, got, sizeof(got));
	assert_string_equal(got, "3:29: many.raw: 17 streams; 1 to 16 are allowed\n");
	parsed_free(&r);
}

/* Very long texts from the file are cut in messages, between characters. */
static void test_pipeline_long_texts(void **state)
{
	struct weir_buf b = text_buf();

	(void)state;
	weir_buf_lit(&b, "pipeline: p\nworkers: x");
	for (unsigned i = 0; i < 100; i++)
		weir_buf_lit(&b, "\xc3\xa4");
	weir_buf_lit(&b, "\nsteps: {s: {source: nexmark}, o: {from: s.bid, sink: stdout}}\n");
	expect_one(&b, "2:10: `workers`: expected a whole number, found "
		       "`x\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		       "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		       "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		       "\xc3\xa4\xc3\xa4...`\n");
	b = text_buf();
	weir_buf_lit(&b,
		     "pipeline: p\n\"a\\nb\": 1\nsteps: {s: {source: nexmark}, o: {from: s.bid, "
		     "sink: stdout}}\n");
	expect_one(&b, "2:1: unknown key `a?b` in a pipeline file; known are pipeline, steps, "
		       "workers, parallelism, ring_size, record_max, metrics, on_error, "
		       "guarantee, state\n");
}

static int group_setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int group_teardown(void **state)
{
	static const char *const name[] = {"good.yaml", "in.yaml", "bad.yaml", "large.yaml"};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(name); i++)
		unlink(path_in(name[i]));
	return rmdir(folder);
}

/* The folder is made by the first test and removed by the last. */
static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_pipeline_file_loads, group_setup),
	cmocka_unit_test(test_pipeline_file_in_working_directory),
	cmocka_unit_test(test_pipeline_file_from_stdin),
	cmocka_unit_test(test_pipeline_file_that_cannot_be_read),
	cmocka_unit_test(test_pipeline_file_counts_errors),
	cmocka_unit_test(test_pipeline_file_too_large),
	cmocka_unit_test(test_pipeline_limit_steps),
	cmocka_unit_test(test_pipeline_limit_inputs),
	cmocka_unit_test(test_pipeline_limit_fields),
	cmocka_unit_test(test_pipeline_limit_aggregates),
	cmocka_unit_test(test_pipeline_limit_streams),
	cmocka_unit_test(test_pipeline_limit_split),
	cmocka_unit_test(test_pipeline_without_outside),
	cmocka_unit_test_teardown(test_pipeline_long_texts, group_teardown),
};

WEIR_TEST_MAIN("pipeline_file", tests)
