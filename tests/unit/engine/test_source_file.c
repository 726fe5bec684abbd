/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/source_rig.h"

#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "engine/core/decode.h"

#define FILE_CAP (1 << 20)

static char content[FILE_CAP];

/* Rows [from, to) as a file; the columns of csv stand in another order than in the schema. */
static size_t make_file(enum weir_format format, bool header, int from, int to)
{
	struct weir_buf b = weir_buf_of(content, sizeof(content));

	if (format == WEIR_FORMAT_CSV && header)
		weir_buf_lit(&b, "\xef\xbb\xbfs,other,k\n");
	for (int i = from; i < to; i++) {
		int n = i * 7 % 61;

		if (format == WEIR_FORMAT_JSONL)
			weir_buf_printf(
				&b, "{\"k\":%d,\"s\":\"%.*s\"}\n", i, n,
				"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij");
		else if (header)
			weir_buf_printf(&b, "\"row\n%d\",x,%d%s", i, i, i % 3 ? "\n" : "\r\n");
		else
			weir_buf_printf(&b, "%d,row %d\n", i, i);
		if (i % 17 == 0)
			weir_buf_lit(&b, format == WEIR_FORMAT_JSONL ? "broken\n" : "1,2,3,4,5\n");
	}
	assert_false(b.full);
	return b.len;
}

static size_t make_raw(const struct weir_schema *s, int from, int to)
{
	const struct weir_schema *schema[1] = {s};
	const char *name[1] = {""};
	struct weir_encoder_spec e = {.format = WEIR_FORMAT_RAW,
				      .stream_count = 1,
				      .schema = schema,
				      .stream_name = name};
	struct weir_buf b = weir_buf_of(content, sizeof(content));

	weir_encode_head(&e, &b);
	for (int i = from; i < to; i++) {
		uint64_t mem[64];
		struct weir_builder row;

		weir_build_begin(&row, mem, sizeof(mem), s);
		weir_build_i64(&row, 0, i);
		weir_build_str(&row, 1, (struct weir_str){"abcdefghijklmnop", (size_t)i % 17});
		assert_true(weir_build_end(&row));
		weir_encode_record(&e, &b, row.f);
	}
	assert_false(b.full);
	return b.len;
}

static size_t pack(const char *how, const char *p, size_t n, char *dst, size_t cap)
{
	z_stream z = {0};

	if (strcmp(how, "zst") == 0) {
		size_t k = ZSTD_compress(dst, cap, p, n, 3);

		assert_false(ZSTD_isError(k));
		return k;
	}
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)dst;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void put(const char *name, size_t n)
{
	static char packed[FILE_CAP];
	const char *dot = strrchr(name, '.');

	if (dot && (strcmp(dot, ".gz") == 0 || strcmp(dot, ".zst") == 0)) {
		size_t k = pack(dot + 1, content, n, packed, sizeof(packed));

		write_file_by(name, packed, k, O_TRUNC);
	} else {
		write_file_by(name, content, n, O_TRUNC);
	}
}

static void crashes(struct source_rig *g, int seeds)
{
	char *want = rig_whole(g);

	assert_true(strlen(want) > 0 || g->instances > 1);
	for (int seed = 1; seed <= seeds; seed++)
		rig_crash_and_compare(g, want, (uint64_t)seed * 77, 12);
	free(want);
}

static void test_every_format(void **state)
{
	static const struct {
		const char *name;
		enum weir_format format;
		bool header;
	} a[] = {
		{"a.csv", WEIR_FORMAT_CSV, true},	  {"a.csv", WEIR_FORMAT_CSV, false},
		{"a.jsonl", WEIR_FORMAT_JSONL, false},	  {"a.raw", WEIR_FORMAT_RAW, false},
		{"a.csv.gz", WEIR_FORMAT_CSV, true},	  {"a.csv.zst", WEIR_FORMAT_CSV, true},
		{"a.jsonl.gz", WEIR_FORMAT_JSONL, false}, {"a.raw.zst", WEIR_FORMAT_RAW, false},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(a); i++) {
		struct source_rig g;

		rig_init(&g, WEIR_CONN_FILE, a[i].format);
		put(a[i].name, a[i].format == WEIR_FORMAT_RAW
				       ? make_raw(&g.schema[0], 0, 2000)
				       : make_file(a[i].format, a[i].header, 0, 2000));
		g.step.source.path = path_of(a[i].name);
		g.step.source.csv.header = a[i].header;
		g.step.on_error = WEIR_ON_ERROR_SKIP;
		crashes(&g, 6);
		rig_fini(&g);
	}
}

/* More than a buffer, so that the window slides; and a last line without its end. */
static void test_a_large_file(void **state)
{
	struct source_rig g;
	char *want;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	write_file("big", "");
	for (int i = 0; i < 4; i++)
		write_file_by("big", content,
			      make_file(WEIR_FORMAT_JSONL, false, i * 9000, i * 9000 + 9000),
			      O_APPEND);
	append_file("big", "{\"k\":1,\"s\":\"last\"}");
	g.step.source.path = path_of("big");
	g.step.on_error = WEIR_ON_ERROR_SKIP;
	want = rig_whole(&g);
	for (uint64_t seed = 1; seed < 4; seed++)
		rig_crash_and_compare(&g, want, seed, 20);
	free(want);
	rig_fini(&g);
}

static void test_several_files_and_tasks(void **state)
{
	(void)state;
	for (uint32_t instances = 1; instances <= 3; instances++) {
		for (uint32_t instance = 0; instance < instances; instance++) {
			struct source_rig g;

			rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_CSV);
			for (int i = 0; i < 7; i++) {
				char name[16];

				snprintf(name, sizeof(name), "%d.csv%s", i, i == 3 ? ".gz" : "");
				put(name,
				    make_file(WEIR_FORMAT_CSV, true, i * 100, i * 100 + i * 30));
			}
			g.step.source.path = scratch_dir;
			g.step.on_error = WEIR_ON_ERROR_SKIP;
			g.instance = instance;
			g.instances = instances;
			crashes(&g, 6);
			rig_fini(&g);
		}
	}
}

static void run_until(struct source_rig *g, size_t lines)
{
	for (;;) {
		size_t n = 0;

		for (size_t i = 0; i < g->text_len; i++)
			n += g->text[i] == '\n';
		assert_true(n <= lines);
		if (n == lines)
			return;
		assert_false(rig_source(g)->ended);
		if (rig_run(g, 1) < 0)
			fail_msg("%s", g->task.err.text);
	}
}

/* Files that come and go while the process is away change nothing in its order and share. */
static void test_the_list_stays_as_it_was(void **state)
{
	struct source_rig g;
	char *want;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	write_file("b", "{\"k\":1,\"s\":\"b\"}\n");
	write_file("d", "{\"k\":2,\"s\":\"d\"}\n{\"k\":3,\"s\":\"d\"}\n");
	write_file("f", "{\"k\":4,\"s\":\"f\"}\n");
	g.step.source.path = path_of("?");
	want = rig_whole(&g);
	rig_start(&g);
	run_until(&g, 2);
	rig_freeze(&g, false);
	unlink(path_of("b"));
	write_file("a", "x");
	write_file("c", "x");
	write_file("e", "x");
	rig_start(&g);
	while (!rig_source(&g)->ended)
		assert_true(rig_run(&g, 1) >= 0);
	assert_string_equal(g.text, want);
	/* Moved as a whole, and named in another way. */
	g.text_len = 0;
	g.step.source.path = scratch_dir;
	rig_fini(&g);
	free(want);
}

static const char *start_error(struct source_rig *g)
{
	assert_int_equal(rig_try_start(g), WEIR_E_CONFIG);
	return g->task.err.text;
}

static void test_a_changed_input_is_refused(void **state)
{
	static char name[PATH_CAP];
	struct source_rig g;

	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		const char *file = packed ? "x.csv.gz" : "x.csv";
		size_t n = make_file(WEIR_FORMAT_CSV, true, 0, 1000);
		char keep;

		rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_CSV);
		snprintf(name, sizeof(name), "%s", path_of(file));
		put(file, n);
		g.step.source.path = name;
		g.step.on_error = WEIR_ON_ERROR_SKIP;
		rig_start(&g);
		run_until(&g, 900);
		rig_freeze(&g, false);
		rig_start(&g);

		/* Grown: goes on. */
		memcpy(content + n, "end,x,1\n", 8);
		put(file, n + 8);
		rig_start(&g);
		/* A byte at the start, one just before the place, one behind the place. */
		keep = content[40];
		content[40] = 'Z';
		put(file, n);
		assert_non_null(
			strstr(start_error(&g), packed ? "is not the one that was read"
						       : "it begins with other bytes; put that "
							 "one back, or start over with --fresh"));
		content[40] = keep;
		keep = content[n * 9 / 10 - 700];
		content[n * 9 / 10 - 700] = '#';
		put(file, n);
		if (!packed)
			assert_non_null(strstr(start_error(&g), "other bytes stand before byte"));
		else
			assert_non_null(strstr(start_error(&g), "is not the one that was read"));
		content[n * 9 / 10 - 700] = keep;
		content[n - 3] ^= 1;
		put(file, n);
		if (!packed)
			rig_start(&g);
		content[n - 3] ^= 1;
		/* Other columns; cut inside the head; cut; empty; a directory; gone. */
		content[5] = 'X';
		content[3] = 'X';
		put(file, n);
		assert_non_null(strstr(start_error(&g), "is not the one that was read"));
		content[5] = ',';
		content[5] = 'o';
		content[4] = ',';
		content[3] = 's';
		make_file(WEIR_FORMAT_CSV, true, 0, 1000);
		put(file, 5);
		assert_non_null(strstr(start_error(&g),
				       packed ? "is not the one that was read" : "of which"));
		put(file, n / 2);
		assert_non_null(strstr(start_error(&g), "is not the one that was read"));
		put(file, n);
		rig_start(&g);
		rig_fini(&g);
	}
}

static void test_a_file_that_is_gone(void **state)
{
	struct source_rig g;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	write_file("a", "{\"k\":1,\"s\":\"\"}\n{\"k\":2,\"s\":\"\"}\n");
	write_file("b", "{\"k\":3,\"s\":\"\"}\n");
	g.step.source.path = scratch_dir;
	rig_start(&g);
	run_until(&g, 1);
	rig_freeze(&g, false);
	unlink(path_of("a"));
	assert_non_null(strstr(start_error(&g), "No such file or directory"));
	assert_int_equal(mkdir(path_of("a"), 0700), 0);
	assert_non_null(strstr(start_error(&g), "no regular file"));
	rig_fini(&g);
}

static void pause_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

static void follow_until(struct source_rig *g, const char *want)
{
	for (int i = 0; i < 5000 && strcmp(g->text, want); i++) {
		if (rig_run(g, 3) < 0)
			fail_msg("%s", g->task.err.text);
		if (rig_source(g)->wait_ns)
			pause_ms(1);
	}
	assert_string_equal(g->text, want);
}

static void test_following_goes_on(void **state)
{
	struct source_rig g;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_CSV);
	g.step.source.follow = true;
	g.step.source.path = scratch_dir;
	rig_start(&g);
	rig_freeze(&g, false);
	write_file("m.csv", "s,k\na,1\nb,");
	follow_until(&g, "0@0 {\"k\":1,\"s\":\"a\"}\n");
	rig_freeze(&g, false);
	/* It grows, and a new one comes, while nobody looks. */
	append_file("m.csv", "2\nc,3\n");
	rig_start(&g);
	follow_until(
		&g,
		"0@0 {\"k\":1,\"s\":\"a\"}\n0@0 {\"k\":2,\"s\":\"b\"}\n0@0 {\"k\":3,\"s\":\"c\"}\n");
	rig_freeze(&g, false);
	write_file("a.csv", "k,s\n4,d\n");
	rig_start(&g);
	follow_until(
		&g,
		"0@0 {\"k\":1,\"s\":\"a\"}\n0@0 {\"k\":2,\"s\":\"b\"}\n0@0 {\"k\":3,\"s\":\"c\"}\n"
		"0@0 {\"k\":4,\"s\":\"d\"}\n");
	/* Finished files may go; the set of them is known after a base too. */
	rig_freeze(&g, true);
	rig_freeze(&g, false);
	rig_start(&g);
	append_file("a.csv", "5,e\n");
	follow_until(
		&g,
		"0@0 {\"k\":1,\"s\":\"a\"}\n0@0 {\"k\":2,\"s\":\"b\"}\n0@0 {\"k\":3,\"s\":\"c\"}\n"
		"0@0 {\"k\":4,\"s\":\"d\"}\n0@0 {\"k\":5,\"s\":\"e\"}\n");
	for (int i = 0; i < 100; i++) {
		assert_true(rig_run(&g, 100) >= 0);
		pause_ms(1);
	}
	assert_non_null(strstr(g.text, "e\"}\n"));
	assert_null(strstr(strstr(g.text, "e\"}\n") + 3, "@"));
	rig_fini(&g);
}

static void test_followed_file_that_was_cut(void **state)
{
	struct source_rig g;
	static char name[PATH_CAP];

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	write_file("log", "{\"k\":1,\"s\":\"\"}\n");
	snprintf(name, sizeof(name), "%s", path_of("log"));
	g.step.source.path = name;
	g.step.source.follow = true;
	rig_start(&g);
	follow_until(&g, "0@0 {\"k\":1,\"s\":\"\"}\n");
	write_file("log", "");
	for (int i = 0; i < 200; i++) {
		assert_true(rig_run(&g, 3) >= 0);
		pause_ms(1);
	}
	/* Seen as cut: from the start. */
	rig_freeze(&g, false);
	append_file("log", "{\"k\":2,\"s\":\"\"}\n");
	rig_start(&g);
	follow_until(&g, "0@0 {\"k\":1,\"s\":\"\"}\n0@0 {\"k\":2,\"s\":\"\"}\n");
	rig_freeze(&g, false);
	/* Cut behind our back: an error. */
	write_file("log", "{\"k\":1}\n");
	assert_non_null(strstr(start_error(&g), "is not the one that was read"));
	rig_fini(&g);
}

static void test_asked_to_stop_is_not_the_end(void **state)
{
	struct source_rig g;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	write_file("a", "{\"k\":1,\"s\":\"\"}\n");
	write_file("b", "{\"k\":2,\"s\":\"\"}\n");
	g.step.source.path = scratch_dir;
	rig_start(&g);
	run_until(&g, 1);
	rig_source(&g)->stopping = true;
	while (!rig_source(&g)->ended)
		assert_true(rig_run(&g, 10) >= 0);
	assert_true(rig_source(&g)->cut);
	rig_freeze(&g, false);
	rig_start(&g);
	assert_false(rig_source(&g)->ended);
	run_until(&g, 2);
	while (!rig_source(&g)->ended)
		assert_true(rig_run(&g, 10) >= 0);
	rig_freeze(&g, false);
	/* And the end is the end, whatever happened to the files. */
	unlink(path_of("a"));
	rig_start(&g);
	assert_true(rig_source(&g)->ended);
	rig_fini(&g);
}

/* A pipe is read as it comes. */
static void test_a_pipe_cannot_be_put_back(void **state)
{
	struct source_rig g;
	static char name[PATH_CAP];
	int fd;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	snprintf(name, sizeof(name), "%s", path_of("fifo"));
	g.step.source.path = name;
	rig_start(&g);
	assert_true(rig_run(&g, 1) >= 0);
	fd = open(name, O_WRONLY);
	assert_int_equal(write(fd, "{\"k\":1,\"s\":\"\"}\n", 15), 15);
	run_until(&g, 1);
	rig_freeze(&g, false);
	close(fd);
	rig_start(&g);
	assert_true(rig_run(&g, 1) >= 0);
	fd = open(name, O_WRONLY);
	assert_int_equal(write(fd, "{\"k\":2,\"s\":\"\"}\n", 15), 15);
	run_until(&g, 2);
	close(fd);
	while (!rig_source(&g)->ended)
		assert_true(rig_run(&g, 10) >= 0);
	rig_fini(&g);
}

static const char *sign_of(struct source_rig *g)
{
	static char text[512];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	rig_start(g);
	g->node[0].cls->state->sign(&g->node[0], &b);
	text[b.len] = 0;
	return text;
}

static void test_stdin_and_signatures(void **state)
{
	struct source_rig g;

	(void)state;
	write_file("x", "");
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_CSV);
	g.step.source.path = path_of("x");
	assert_string_equal(sign_of(&g), "file csv header");
	g.instances = 2;
	assert_string_equal(sign_of(&g), "file csv header in turn");
	g.step.source.follow = true;
	assert_string_equal(sign_of(&g), "file csv header by name");
	g.step.source.connector = WEIR_CONN_STDIO;
	g.step.source.follow = false;
	g.step.source.format = WEIR_FORMAT_JSONL;
	g.instances = 1;
	assert_string_equal(sign_of(&g), "stdin jsonl");
	rig_freeze(&g, true);
	rig_start(&g);
	assert_false(rig_source(&g)->ended);
	g.instance = 1;
	g.instances = 2;
	assert_string_equal(sign_of(&g), "stdin");
	rig_freeze(&g, true);
	rig_start(&g);
	assert_true(rig_source(&g)->ended);
	rig_fini(&g);
}

static void test_parts_of_another_task_are_refused(void **state)
{
	struct source_rig g;
	struct weir_restore r;

	(void)state;
	write_file("x", "{\"k\":1,\"s\":\"\"}\n");
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	g.step.source.path = path_of("x");
	rig_start(&g);
	rig_freeze(&g, false);
	r = (struct weir_restore){.in = weir_reader_of(g.part[0], g.part_bytes[0]),
				  .instances_then = 3,
				  .instances = 1};
	assert_int_equal(g.node[0].cls->state->restore(&g.node[0], &r), WEIR_E_CONFIG);
	assert_non_null(strstr(g.task.err.text, "write `parallelism: 3`"));
	g.part[0][0] = 9;
	assert_int_equal(rig_try_start(&g), WEIR_E_VERSION);
	rig_fini(&g);
}

static void test_any_bytes(void **state)
{
	struct source_rig g;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_CSV);
	put("1.csv.gz", make_file(WEIR_FORMAT_CSV, true, 0, 100));
	put("2.csv", make_file(WEIR_FORMAT_CSV, true, 100, 200));
	g.step.source.path = scratch_dir;
	g.step.on_error = WEIR_ON_ERROR_SKIP;
	rig_start(&g);
	run_until(&g, 50);
	rig_freeze(&g, false);
	rig_damage(&g, 1, 1500);
	rig_start(&g);
	run_until(&g, 150);
	rig_freeze(&g, true);
	rig_damage(&g, 2, 1500);
	rig_fini(&g);
}

/* Parts of a round: the first ones lack names, the touched one brings them all. */
static void test_parts_before_the_base(void **state)
{
	struct source_rig g;
	char *want;

	(void)state;
	rig_init(&g, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	write_file("a", "{\"k\":1,\"s\":\"\"}\n{\"k\":2,\"s\":\"\"}\n");
	write_file("b", "{\"k\":3,\"s\":\"\"}\n");
	g.step.source.path = scratch_dir;
	want = rig_whole(&g);
	rig_start(&g);
	rig_freeze(&g, false);
	run_until(&g, 1);
	rig_freeze(&g, false);
	/* The round began between the two. */
	free(g.part[0]);
	g.part[0] = g.part[1];
	g.part_bytes[0] = g.part_bytes[1];
	g.parts = 1;
	rig_kill(&g);
	assert_int_equal(rig_try_start(&g), WEIR_E_CORRUPT);
	assert_non_null(strstr(g.task.err.text, "names are missing"));
	rig_kill(&g);
	g.text_len = g.text_frozen = 0;
	g.parts = 0;
	free(g.part[0]);
	rig_start(&g);
	rig_freeze(&g, false);
	run_until(&g, 1);
	rig_freeze(&g, false);
	free(g.part[0]);
	g.part[0] = g.part[1];
	g.part_bytes[0] = g.part_bytes[1];
	g.parts = 1;
	g.node[0].cls->state->touch(&g.node[0], true, 1);
	run_until(&g, 2);
	rig_freeze(&g, false);
	run_until(&g, 3);
	rig_freeze(&g, false);
	rig_start(&g);
	while (!rig_source(&g)->ended)
		assert_true(rig_run(&g, 1) >= 0);
	assert_string_equal(g.text, want);
	free(want);
	rig_fini(&g);
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	IN_SCRATCH(test_every_format),
	IN_SCRATCH(test_a_large_file),
	IN_SCRATCH(test_several_files_and_tasks),
	IN_SCRATCH(test_the_list_stays_as_it_was),
	IN_SCRATCH(test_a_changed_input_is_refused),
	IN_SCRATCH(test_a_file_that_is_gone),
	IN_SCRATCH(test_following_goes_on),
	IN_SCRATCH(test_followed_file_that_was_cut),
	IN_SCRATCH(test_asked_to_stop_is_not_the_end),
	IN_SCRATCH(test_a_pipe_cannot_be_put_back),
	IN_SCRATCH(test_stdin_and_signatures),
	IN_SCRATCH(test_parts_of_another_task_are_refused),
	IN_SCRATCH(test_any_bytes),
	IN_SCRATCH(test_parts_before_the_base),
};

WEIR_TEST_MAIN("source_file", tests)
