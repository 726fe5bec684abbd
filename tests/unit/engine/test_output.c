/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/file_lib.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "engine/edge/input.h"
#include "engine/edge/output.h"

static struct weir_output *open_on(int fd, const char *name, enum weir_compression c)
{
	struct weir_output_options o = {.fd = fd, .name = name, .compression = c};
	struct weir_output *out = NULL;
	struct weir_err err = {0};

	assert_int_equal(weir_output_open(&o, &out, &err), 0);
	return out;
}

/* What a file holds, unpacked by its extension. Freed by the caller. */
static char *content(const char *name, size_t *ret_n)
{
	struct weir_input_options o = {.path = path_of(name)};
	struct weir_byte_input *in;
	struct weir_err err = {0};
	struct weir_input_window w = {0};
	char *text = NULL;
	size_t n = 0;

	assert_int_equal(weir_input_open(&o, &in, &err), 0);
	assert_int_equal(weir_input_fill(in, &err), WEIR_INPUT_FILE);
	while (!w.eof) {
		if (weir_input_fill(in, &err) < 0)
			fail_msg("%s", err.text);
		weir_input_window(in, &w);
		text = realloc(text, n + w.n + 1);
		assert_non_null(text);
		memcpy(text + n, w.p, w.n);
		n += w.n;
		weir_input_consume(in, w.n);
	}
	weir_input_close(in);
	*ret_n = n;
	return text;
}

static void check_round_trip(const char *name, size_t piece)
{
	size_t total = 700000, n;
	char *text = malloc(total), *back;
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct weir_output *out = open_on(fd, path_of(name), WEIR_COMPRESSION_AUTO);
	struct weir_err err = {0};
	struct stat st;
	uint32_t x = 1;

	assert_true(text && fd >= 0);
	for (size_t i = 0; i < total; i++)
		text[i] = (char)(i % 1000 < 600 ? (x = x * 1664525 + 1013904223) >> 24 : 'x');
	for (size_t at = 0; at < total; at += piece)
		assert_int_equal(
			weir_output_write(out, text + at, WEIR_MIN(piece, total - at), &err), 0);
	assert_int_equal(weir_output_finish(out, &err), 0);
	assert_int_equal(weir_output_bytes_in(out), total);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(weir_output_bytes_written(out), st.st_size);
	weir_output_close(out);
	close(fd);
	back = content(name, &n);
	assert_int_equal(n, total);
	assert_memory_equal(back, text, total);
	free(back);
	free(text);
}

static void test_what_is_written_reads_back(void **state)
{
	static const char *const name[] = {"a", "a.gz", "a.zst"};
	static const size_t piece[] = {99, 65536, 262144, 700000};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 4; k++)
			check_round_trip(name[i], piece[k]);
}

static void test_nothing_written_is_a_valid_file(void **state)
{
	static const char *const name[] = {"a", "a.gz", "a.zst"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = open(path_of(name[i]), O_WRONLY | O_CREAT, 0600);
		struct weir_output *out = open_on(fd, name[i], WEIR_COMPRESSION_AUTO);
		size_t n;

		assert_int_equal(weir_output_write(out, NULL, 0, NULL), 0);
		assert_int_equal(weir_output_finish(out, NULL), 0);
		weir_output_close(out);
		close(fd);
		free(content(name[i], &n));
		assert_int_equal(n, 0);
	}
}

static void test_flush_shows_everything_so_far(void **state)
{
	static const enum weir_compression kind[] = {WEIR_COMPRESSION_NONE, WEIR_COMPRESSION_GZIP,
						     WEIR_COMPRESSION_ZSTD};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int fd = open(path_of("f"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		struct weir_output *out = open_on(fd, "f.gz", kind[i]);
		struct weir_input_options o = {.path = path_of("f"), .compression = kind[i]};
		struct weir_byte_input *in;
		struct weir_input_window w;
		struct weir_err err = {0};

		assert_int_equal(weir_output_write(out, "hello", 5, &err), 0);
		assert_int_equal(weir_output_flush(out, &err), 0);
		assert_int_equal(weir_input_open(&o, &in, &err), 0);
		assert_int_equal(weir_input_fill(in, &err), WEIR_INPUT_FILE);
		assert_int_equal(weir_input_fill(in, &err), WEIR_INPUT_BYTES);
		weir_input_window(in, &w);
		assert_int_equal(w.n, 5);
		assert_memory_equal(w.p, "hello", 5);
		weir_input_close(in);
		/* Nothing new: still fine. */
		assert_int_equal(weir_output_flush(out, &err), 0);
		weir_output_close(out);
		close(fd);
	}
}

static void test_full_disk_is_told_and_stays(void **state)
{
	static const enum weir_compression kind[] = {WEIR_COMPRESSION_NONE, WEIR_COMPRESSION_GZIP,
						     WEIR_COMPRESSION_ZSTD};
	char *noise = malloc(1 << 20);
	uint32_t x = 1;

	(void)state;
	assert_non_null(noise);
	for (size_t i = 0; i < 1 << 20; i++)
		noise[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
	for (size_t i = 0; i < 3; i++) {
		int fd = open("/dev/full", O_WRONLY);
		struct weir_output *out = open_on(fd, "out/x", kind[i]);
		struct weir_err err = {0};

		if (fd < 0)
			WEIR_SKIP("no /dev/full");
		assert_int_equal(weir_output_write(out, "small", 5, &err), 0);
		assert_int_equal(weir_output_write(out, noise, 1 << 20, &err), -ENOSPC);
		assert_string_equal(err.text, "cannot write out/x: No space left on device");
		err.text[0] = 0;
		assert_int_equal(weir_output_write(out, "", 0, &err), -ENOSPC);
		assert_int_equal(weir_output_flush(out, NULL), -ENOSPC);
		assert_int_equal(weir_output_finish(out, &err), -ENOSPC);
		assert_string_equal(err.text, "cannot write out/x: No space left on device");
		weir_output_close(out);
		/* When all of it fits into the buffer, finish is where it shows. */
		out = open_on(fd, "out/x", kind[i]);
		assert_int_equal(weir_output_write(out, "small", 5, &err), 0);
		assert_int_equal(weir_output_finish(out, &err), -ENOSPC);
		weir_output_close(out);
		close(fd);
	}
	free(noise);
	weir_output_close(NULL);
}

struct reader {
	int fd;
	size_t n;
};

static void *read_slowly(void *arg)
{
	struct reader *r = arg;
	char buf[4096];
	ssize_t k;

	while ((k = read(r->fd, buf, sizeof(buf))) > 0)
		r->n += (size_t)k;
	return NULL;
}

static void test_descriptor_that_would_block(void **state)
{
	int fd[2];
	struct reader r = {0};
	pthread_t t;
	struct weir_output *out;
	char *zeros = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(zeros);
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	assert_int_equal(fcntl(fd[0], F_SETFL, 0), 0);
	r.fd = fd[0];
	out = open_on(fd[1], "pipe", WEIR_COMPRESSION_NONE);
	assert_int_equal(pthread_create(&t, NULL, read_slowly, &r), 0);
	assert_int_equal(weir_output_write(out, zeros, 1 << 20, NULL), 0);
	assert_int_equal(weir_output_finish(out, NULL), 0);
	weir_output_close(out);
	close(fd[1]);
	pthread_join(t, NULL);
	assert_int_equal(r.n, 1 << 20);
	close(fd[0]);
	free(zeros);
}

static void test_extensions(void **state)
{
	(void)state;
	assert_string_equal(weir_compression_extension(WEIR_COMPRESSION_GZIP), ".gz");
	assert_string_equal(weir_compression_extension(WEIR_COMPRESSION_ZSTD), ".zst");
	assert_string_equal(weir_compression_extension(WEIR_COMPRESSION_NONE), "");
	assert_string_equal(weir_compression_extension(WEIR_COMPRESSION_AUTO), "");
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	IN_SCRATCH(test_what_is_written_reads_back),
	IN_SCRATCH(test_nothing_written_is_a_valid_file),
	IN_SCRATCH(test_flush_shows_everything_so_far),
	IN_SCRATCH(test_full_disk_is_told_and_stays),
	IN_SCRATCH(test_descriptor_that_would_block),
	IN_SCRATCH(test_extensions),
};

WEIR_TEST_MAIN("output", tests)
