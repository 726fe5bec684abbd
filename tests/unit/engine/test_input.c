/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/file_lib.h"

#include <errno.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "engine/edge/input.h"

static char said[1 << 16];

/* Names in the scratch directory without it. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static struct weir_byte_input *open_with(struct weir_input_options o)
{
	struct weir_byte_input *in = NULL;
	struct weir_err err = {0};
	int rc = weir_input_open(&o, &in, &err);

	if (rc)
		fail_msg("%s", err.text);
	return in;
}

static struct weir_byte_input *open_path(const char *path)
{
	return open_with((struct weir_input_options){.path = path});
}

/*
 * Reads on until `until` states of that kind or the end were seen: "name:" for a file, its bytes, "|" at
 * its end, "~text" for a note, "!text" for an error. The text stays and grows over several calls.
 */
static struct weir_buf out;

static void begin(void)
{
	out = weir_buf_of(said, sizeof(said) - 1);
}

static int read_on(struct weir_byte_input *in, size_t eat)
{
	struct weir_err err = {0};
	struct weir_input_window w;
	int state = weir_input_fill(in, &err);
	const char *note = weir_input_note(in);

	if (note)
		weir_buf_printf(&out, "~%s", base_name(note));
	assert_null(weir_input_note(in));
	if (state < 0) {
		weir_buf_printf(&out, "!%s", err.text);
		assert_int_equal(err.code, state);
		/* An error stays. */
		err.code = 0;
		assert_int_equal(weir_input_fill(in, &err), state);
		assert_int_equal(err.code, state);
		assert_int_equal(weir_input_fill(in, NULL), state);
	} else if (state == WEIR_INPUT_FILE) {
		weir_buf_printf(&out, "%s:", base_name(weir_input_name(in)));
	} else if (state == WEIR_INPUT_BYTES) {
		weir_input_window(in, &w);
		while (w.n) {
			size_t n = WEIR_MIN(eat, w.n);

			weir_buf_put(&out, w.p, n);
			weir_input_consume(in, n);
			weir_input_window(in, &w);
			if (eat != SIZE_MAX)
				break;
		}
		if (w.eof && w.n == 0)
			weir_buf_char(&out, '|');
	}
	out.p[out.len] = 0;
	return state;
}

static const char *read_all(struct weir_byte_input *in, size_t eat)
{
	int state;

	begin();
	do {
		state = read_on(in, eat);
	} while (state > 0);
	if (state == 0)
		assert_int_equal(weir_input_fill(in, NULL), WEIR_INPUT_END);
	weir_input_close(in);
	return said;
}

/* Reads until the text is the wanted one; what must come from outside is there already. */
static void read_until(struct weir_byte_input *in, const char *want)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (strcmp(said, want) != 0) {
		struct timespec nap = {0, 1000000};

		if (read_on(in, SIZE_MAX) == WEIR_INPUT_WAIT)
			nanosleep(&nap, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > 20)
			assert_string_equal(said, want);
	}
}

static const char *open_error(struct weir_input_options o, int code)
{
	static struct weir_err err;
	struct weir_byte_input *in = NULL;

	err.code = 0;
	assert_int_equal(weir_input_open(&o, &in, &err), code);
	assert_null(in);
	return err.text;
}

static void test_one_file(void **state)
{
	struct weir_byte_input *in;

	(void)state;
	write_file("a.txt", "hello\nworld\n");
	in = open_path(path_of("a.txt"));
	assert_string_equal(weir_input_name(in), "");
	assert_int_equal(weir_input_file_count(in), 1);
	assert_int_equal(weir_input_total_bytes(in), 12);
	assert_int_equal(weir_input_bytes(in), 0);
	assert_string_equal(read_all(in, SIZE_MAX), "a.txt:hello\nworld\n|");
	/* Byte by byte: fill at the end of a file waits for its last bytes to be consumed. */
	assert_string_equal(read_all(open_path(path_of("a.txt")), 1), "a.txt:hello\nworld\n|");
	write_file("empty", "");
	assert_string_equal(read_all(open_path(path_of("empty")), 1), "empty:|");
}

static void test_directory_and_pattern_in_order_of_names(void **state)
{
	(void)state;
	write_file("b.csv", "B");
	write_file("a.csv", "A");
	write_file("c.txt", "C");
	write_file("B.csv", "upper");
	write_file(".hidden", "H");
	assert_int_equal(mkdir(path_of("sub.csv"), 0700), 0);
	assert_string_equal(read_all(open_path(scratch_dir), SIZE_MAX),
			    "B.csv:upper|a.csv:A|b.csv:B|c.txt:C|");
	assert_string_equal(read_all(open_path(path_of("")), SIZE_MAX),
			    "B.csv:upper|a.csv:A|b.csv:B|c.txt:C|");
	assert_string_equal(read_all(open_path(path_of("[a-b].csv")), SIZE_MAX),
			    "a.csv:A|b.csv:B|");
	assert_string_equal(read_all(open_path(path_of("*.csv")), SIZE_MAX),
			    "B.csv:upper|a.csv:A|b.csv:B|");
	/* The name of a file that is there is no pattern. */
	write_file("[a-b].csv", "odd");
	assert_string_equal(read_all(open_path(path_of("[a-b].csv")), SIZE_MAX), "[a-b].csv:odd|");
}

static void test_shares_of_several_readers(void **state)
{
	struct weir_byte_input *in;

	(void)state;
	write_file("1", "a");
	write_file("2", "b");
	write_file("3", "c");
	in = open_with((struct weir_input_options){.path = scratch_dir, .instances = 2});
	assert_int_equal(weir_input_file_count(in), 3);
	assert_string_equal(read_all(in, SIZE_MAX), "1:a|3:c|");
	in = open_with(
		(struct weir_input_options){.path = scratch_dir, .instance = 1, .instances = 2});
	assert_string_equal(read_all(in, SIZE_MAX), "2:b|");
	in = open_with(
		(struct weir_input_options){.path = scratch_dir, .instance = 4, .instances = 5});
	assert_string_equal(read_all(in, SIZE_MAX), "");
}

static void test_what_cannot_be_opened(void **state)
{
	char want[PATH_CAP + 64];
	struct weir_byte_input *in;

	(void)state;
	snprintf(want, sizeof(want), "cannot open %s: No such file or directory", path_of("none"));
	assert_string_equal(
		open_error((struct weir_input_options){.path = path_of("none")}, -ENOENT), want);
	snprintf(want, sizeof(want), "%s: no file is there", scratch_dir);
	assert_string_equal(
		open_error((struct weir_input_options){.path = scratch_dir}, WEIR_E_CONFIG), want);
	snprintf(want, sizeof(want), "%s: no file is there", path_of("*.csv"));
	assert_string_equal(open_error((struct weir_input_options){.path = path_of("*.csv")},
				       WEIR_E_CONFIG),
			    want);
	/* Gone, or a directory, between the listing and the reading. */
	write_file("gone", "x");
	in = open_path(path_of("gone"));
	unlink(path_of("gone"));
	snprintf(want, sizeof(want), "!cannot open %s: No such file or directory", path_of("gone"));
	assert_string_equal(read_all(in, SIZE_MAX), want);
	write_file("gone", "x");
	in = open_path(path_of("gone"));
	unlink(path_of("gone"));
	assert_int_equal(mkdir(path_of("gone"), 0700), 0);
	snprintf(want, sizeof(want), "!cannot read %s: Is a directory", path_of("gone"));
	assert_string_equal(read_all(in, SIZE_MAX), want);
	/* A descriptor that cannot be read. */
	in = open_with((struct weir_input_options){.fd = -1, .name = "nothing"});
	assert_string_equal(read_all(in, SIZE_MAX), "!cannot read nothing: Bad file descriptor");
	if (geteuid() == 0)
		return;
	write_file("secret", "x");
	chmod(path_of("secret"), 0);
	snprintf(want, sizeof(want), "!cannot open %s: Permission denied", path_of("secret"));
	assert_string_equal(read_all(open_path(path_of("secret")), SIZE_MAX), want);
}

static void test_window_slides_over_a_large_file(void **state)
{
	size_t n = 5 * WEIR_INPUT_CHUNK / 2, at = 0;
	char *text = malloc(n);
	struct weir_byte_input *in;
	struct weir_input_window w;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(i * 31 >> 3);
	write_file_by("big", text, n, O_TRUNC);
	in = open_with((struct weir_input_options){.path = path_of("big"), .window_max = 1000});
	assert_int_equal(weir_input_fill(in, NULL), WEIR_INPUT_FILE);
	do {
		size_t keep = at % 900;

		assert_int_equal(weir_input_fill(in, NULL), WEIR_INPUT_BYTES);
		weir_input_window(in, &w);
		assert_int_equal(w.offset, at);
		assert_memory_equal(w.p, text + at, w.n);
		keep = w.eof ? 0 : WEIR_MIN(keep, w.n);
		weir_input_consume(in, w.n - keep);
		at += w.n - keep;
	} while (!w.eof);
	assert_int_equal(at, n);
	assert_int_equal(weir_input_bytes(in), n);
	weir_input_close(in);
	free(text);
}

static void test_record_larger_than_the_window(void **state)
{
	struct weir_err err = {0};
	struct weir_byte_input *in;

	(void)state;
	write_file("a", "0123456789");
	in = open_with((struct weir_input_options){.path = path_of("a"), .window_max = 10});
	assert_int_equal(weir_input_fill(in, &err), WEIR_INPUT_FILE);
	assert_int_equal(weir_input_fill(in, &err), WEIR_INPUT_BYTES);
	assert_int_equal(weir_input_fill(in, &err), WEIR_E_LIMIT);
	assert_non_null(strstr(err.text, "the record at byte 0 is longer than 10 bytes"));
	weir_input_close(in);
}

/* ---- packed ---- */

static size_t gzip(const char *text, size_t n, char *dst, size_t cap)
{
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)dst;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return cap - z.avail_out;
}

static size_t pack(bool zstd, const char *text, size_t n, char *dst, size_t cap)
{
	size_t k;

	if (!zstd)
		return gzip(text, n, dst, cap);
	k = ZSTD_compress(dst, cap, text, n, 3);
	assert_false(ZSTD_isError(k));
	return k;
}

static void test_packed_files(void **state)
{
	static const char *const name[] = {"x.gz", "x.zst", "y.zstd"};
	char packed[4096], want[PATH_CAP + 100];

	(void)state;
	for (int i = 0; i < 3; i++) {
		bool zstd = i > 0;
		size_t n = pack(zstd, "hello ", 6, packed, sizeof(packed));

		/* Two members behind each other are one text. */
		n += pack(zstd, "world", 5, packed + n, sizeof(packed) - n);
		write_file_by(name[i], packed, n, O_TRUNC);
		snprintf(want, sizeof(want), "%s:hello world|", name[i]);
		assert_string_equal(read_all(open_path(path_of(name[i])), SIZE_MAX), want);
		/* By setting, whatever the name says. */
		write_file_by("plain", packed, n, O_TRUNC);
		assert_string_equal(read_all(open_with((struct weir_input_options){
						     .path = path_of("plain"),
						     .compression = zstd ? WEIR_COMPRESSION_ZSTD
									 : WEIR_COMPRESSION_GZIP}),
					     SIZE_MAX),
				    "plain:hello world|");
	}
	assert_true(
		read_all(open_with((struct weir_input_options){
				 .path = path_of("x.gz"), .compression = WEIR_COMPRESSION_NONE}),
			 SIZE_MAX) == said);
	assert_memory_equal(said, "x.gz:\x1f\x8b", 7);
}

static void test_packed_file_cut_or_damaged_anywhere(void **state)
{
	static const char text[] = "some text that is long enough, long enough, to be packed\n";

	(void)state;
	for (int zstd = 0; zstd < 2; zstd++) {
		const char *name = zstd ? "x.zst" : "x.gz", *kind = zstd ? "zstd" : "gzip";
		char packed[512], end[PATH_CAP + 100];
		size_t n = pack(zstd, text, sizeof(text) - 1, packed, sizeof(packed));

		for (size_t cut = 0; cut < n; cut++) {
			write_file_by(name, packed, cut, O_TRUNC);
			read_all(open_path(path_of(name)), SIZE_MAX);
			snprintf(end, sizeof(end), "!%s is %s data cut short at byte %zu",
				 path_of(name), kind, cut);
			assert_non_null(strstr(said, end));
		}
		write_file(name, "this is something else altogether");
		read_all(open_path(path_of(name)), SIZE_MAX);
		snprintf(end, sizeof(end), "%s:!%s is not %s data, near byte ", name, path_of(name),
			 kind);
		assert_memory_equal(said, end, strlen(end));
		/* Damage and garbage behind: an error, and what was good before it comes out. */
		packed[n] = 'x';
		packed[n + 1] = 'y';
		memset(packed + n + 2, 'z', 40);
		write_file_by(name, packed, n + 42, O_TRUNC);
		read_all(open_path(path_of(name)), SIZE_MAX);
		snprintf(end, sizeof(end), "%s:%s!%s is damaged %s data (", name, text,
			 path_of(name), kind);
		assert_memory_equal(said, end, strlen(end));
	}
}

static void test_large_packed_file(void **state)
{
	size_t n = 3 * WEIR_INPUT_CHUNK, cap = n + 4096;
	char *text = malloc(n), *packed = malloc(cap);
	uint32_t x = 1;

	(void)state;
	assert_true(text && packed);
	/* Half noise, so that several reads are needed; half zeros, so that one read gives a lot. */
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(i % 8192 < 4096 ? (x = x * 1664525 + 1013904223) >> 24 : 0);
	for (int zstd = 0; zstd < 2; zstd++) {
		struct weir_byte_input *in;
		struct weir_input_window w = {0};
		size_t at = 0;

		write_file_by("p", packed, pack(zstd, text, n, packed, cap), O_TRUNC);
		in = open_with((struct weir_input_options){
			.path = path_of("p"),
			.compression = zstd ? WEIR_COMPRESSION_ZSTD : WEIR_COMPRESSION_GZIP});
		assert_int_equal(weir_input_fill(in, NULL), WEIR_INPUT_FILE);
		while (!w.eof) {
			assert_int_equal(weir_input_fill(in, NULL), WEIR_INPUT_BYTES);
			weir_input_window(in, &w);
			assert_int_equal(w.offset, at);
			assert_memory_equal(w.p, text + at, w.n);
			weir_input_consume(in, w.n);
			at += w.n;
		}
		assert_int_equal(at, n);
		weir_input_close(in);
	}
	free(text);
	free(packed);
}

/* ---- pipes ---- */

static void test_pipe_never_waits(void **state)
{
	struct weir_byte_input *in;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	in = open_with((struct weir_input_options){.fd = fd[0]});
	assert_int_equal(weir_input_total_bytes(in), 0);
	assert_int_equal(weir_input_file_count(in), 1);
	begin();
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_FILE);
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	assert_int_equal(write(fd[1], "abc", 3), 3);
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_BYTES);
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	close(fd[1]);
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_BYTES);
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_END);
	assert_string_equal(said, "stdin:abc|");
	weir_input_close(in);
	close(fd[0]);
}

static void test_packed_pipe(void **state)
{
	struct weir_byte_input *in;
	char packed[256];
	size_t n = gzip("hello", 5, packed, sizeof(packed));
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	in = open_with((struct weir_input_options){
		.fd = fd[0], .name = "pipe", .compression = WEIR_COMPRESSION_GZIP});
	begin();
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_FILE);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(fd[1], packed + i, 1), 1);
		assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_BYTES);
		assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	}
	close(fd[1]);
	assert_string_equal(said, "pipe:hello");
	read_on(in, SIZE_MAX);
	assert_string_equal(said, "pipe:hello|");
	weir_input_close(in);
	close(fd[0]);
}

static void test_named_pipe_and_regular_file_as_descriptor(void **state)
{
	struct weir_byte_input *in;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	in = open_path(path_of("fifo"));
	begin();
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_FILE);
	/* Nobody has it open for writing yet: that is not its end. */
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	fd = open(path_of("fifo"), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	close(fd);
	while (read_on(in, SIZE_MAX) != WEIR_INPUT_END)
		;
	assert_string_equal(said, "fifo:abc|");
	weir_input_close(in);

	write_file("plain", "skip this");
	fd = open(path_of("plain"), O_RDONLY);
	assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
	in = open_with((struct weir_input_options){.fd = fd});
	assert_int_equal(weir_input_total_bytes(in), 9);
	assert_string_equal(read_all(in, SIZE_MAX), "stdin:this|");
	close(fd);
}

/* ---- following ---- */

static struct weir_byte_input *follow(const char *path)
{
	begin();
	said[0] = 0;
	return open_with((struct weir_input_options){.path = path, .follow = true});
}

static void test_follow_a_growing_file(void **state)
{
	struct weir_byte_input *in;

	(void)state;
	write_file("log", "one\n");
	in = follow(path_of("log"));
	read_until(in, "log:one\n");
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	append_file("log", "two\n");
	read_until(in, "log:one\ntwo\n");
	append_file("log", "three");
	read_until(in, "log:one\ntwo\nthree");
	weir_input_close(in);
}

static void test_follow_a_file_that_is_cut(void **state)
{
	struct weir_byte_input *in;

	(void)state;
	write_file("log", "one\ntwo");
	in = follow(path_of("log"));
	read_until(in, "log:one\ntwo");
	write_file("log", "new\n");
	read_until(in, "log:one\ntwo~log was truncated: reading it from the start|log:new\n");
	weir_input_close(in);
}

static void test_follow_a_file_that_is_replaced(void **state)
{
	struct weir_byte_input *in;

	(void)state;
	write_file("log", "one\n");
	in = follow(path_of("log"));
	read_until(in, "log:one\n");
	/* Away, and still written to; then a new one of that name. */
	assert_int_equal(rename(path_of("log"), path_of("log.1")), 0);
	append_file("log.1", "two\n");
	read_until(in, "log:one\ntwo\n");
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	write_file("log", "three\n");
	read_until(in, "log:one\ntwo\n~log was replaced: reading it from the start|log:three\n");
	weir_input_close(in);
}

static void test_follow_a_directory(void **state)
{
	struct weir_byte_input *in;
	char packed[256];
	size_t n = gzip("packed", 6, packed, sizeof(packed));

	(void)state;
	in = follow(scratch_dir);
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	write_file("b", "bbb");
	read_until(in, "b:bbb");
	append_file("b", "BB");
	read_until(in, "b:bbbBB");
	/* Whatever its name: a file that comes later is read later. */
	write_file("a", "aaa");
	read_until(in, "b:bbbBB|a:aaa");
	write_file_by("c.gz", packed, n, O_TRUNC);
	read_until(in, "b:bbbBB|a:aaa|c.gz:packed|");
	assert_int_equal(read_on(in, SIZE_MAX), WEIR_INPUT_WAIT);
	write_file("d", "d");
	write_file("e", "e");
	for (int i = 0; i < 2000 && !strchr(said, 'e'); i++) {
		struct timespec nap = {0, 1000000};

		if (read_on(in, SIZE_MAX) == WEIR_INPUT_WAIT)
			nanosleep(&nap, NULL);
	}
	read_until(in, "b:bbbBB|a:aaa|c.gz:packed|d:d|e:e");
	weir_input_close(in);
}

static void test_follow_shares_are_by_name(void **state)
{
	struct weir_byte_input *in[3];
	char all[3][256];

	(void)state;
	for (char c = 'a'; c < 'k'; c++)
		write_file((char[]){c, 0}, (char[]){c, 0});
	for (uint32_t i = 0; i < 3; i++) {
		begin();
		in[i] = open_with((struct weir_input_options){
			.path = scratch_dir, .follow = true, .instance = i, .instances = 3});
		while (read_on(in[i], SIZE_MAX) != WEIR_INPUT_WAIT)
			;
		snprintf(all[i], sizeof(all[i]), "%.200s", said);
		weir_input_close(in[i]);
	}
	/* Each file is read by exactly one. */
	for (char c = 'a'; c < 'k'; c++) {
		const char name[] = {c, ':', c, 0};
		int found = 0;

		for (int i = 0; i < 3; i++)
			found += strstr(all[i], name) != NULL;
		assert_int_equal(found, 1);
	}
}

static void test_follow_needs_a_plain_file(void **state)
{
	(void)state;
	write_file("x.gz", "");
	write_file("x", "");
	assert_non_null(strstr(
		open_error((struct weir_input_options){.path = path_of("x.gz"), .follow = true},
			   WEIR_E_CONFIG),
		"a packed file cannot be followed"));
	assert_non_null(
		strstr(open_error((struct weir_input_options){.path = path_of("x"),
							      .compression = WEIR_COMPRESSION_ZSTD,
							      .follow = true},
				  WEIR_E_CONFIG),
		       "a packed file cannot be followed"));
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	IN_SCRATCH(test_one_file),
	IN_SCRATCH(test_directory_and_pattern_in_order_of_names),
	IN_SCRATCH(test_shares_of_several_readers),
	IN_SCRATCH(test_what_cannot_be_opened),
	IN_SCRATCH(test_window_slides_over_a_large_file),
	IN_SCRATCH(test_record_larger_than_the_window),
	IN_SCRATCH(test_packed_files),
	IN_SCRATCH(test_packed_file_cut_or_damaged_anywhere),
	IN_SCRATCH(test_large_packed_file),
	IN_SCRATCH(test_pipe_never_waits),
	IN_SCRATCH(test_packed_pipe),
	IN_SCRATCH(test_named_pipe_and_regular_file_as_descriptor),
	IN_SCRATCH(test_follow_a_growing_file),
	IN_SCRATCH(test_follow_a_file_that_is_cut),
	IN_SCRATCH(test_follow_a_file_that_is_replaced),
	IN_SCRATCH(test_follow_a_directory),
	IN_SCRATCH(test_follow_shares_are_by_name),
	IN_SCRATCH(test_follow_needs_a_plain_file),
};

WEIR_TEST_MAIN("input", tests)
