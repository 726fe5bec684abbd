/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks without a cursor (stdout, tcp, blackhole), and what `weir explain` says of all. */
#include "tests/unit/engine/sink_rig.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "host/address.h"

/* ---- standard output leads to a file or a pipe for as long as a test needs it ---- */

static int saved_stdout;

static void stdout_to(int fd)
{
	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	assert_true(saved_stdout >= 0);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
}

static void stdout_back(void)
{
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdout);
}

static int out_file(void)
{
	int fd = open(path_of("out.txt"), O_RDWR | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void check_out(const struct rig *r, int64_t rows)
{
	char *text = calloc(1, 1);
	size_t n = 0;

	assert_non_null(text);
	text = rig_read("out.txt", text, &n);
	rig_check_rows(r, text, n, rows);
	free(text);
}

static off_t out_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void test_stdout_waits_for_the_commit(void **state)
{
	struct rig r;
	struct rig_epoch *e;
	uint64_t cursor;
	int fd = out_file();

	(void)state;
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_JSONL);
	stdout_to(fd);
	rig_up(&r);
	rig_rows(&r, 20000);
	e = rig_barrier(&r);
	rig_rows(&r, 5000);
	rig_commit(&r, e);
	assert_int_equal(out_bytes(fd), 0);
	assert_true(r.node.held > 0);
	assert_int_equal(rig_apply(&r, e), 0);
	stdout_back();
	check_out(&r, 20000);
	assert_int_equal(r.node.cls->sink->cursor(&r.node, &cursor, &r.err), 0);
	assert_int_equal(cursor, 1);
	stdout_to(fd);
	assert_int_equal(rig_apply(&r, e), 0); /* in this life: once */
	rig_finish(&r);
	stdout_back();
	check_out(&r, 25000);
	rig_fini(&r);
	close(fd);
}

static void test_nothing_new_is_no_part(void **state)
{
	struct rig r;
	int fd = out_file();

	(void)state;
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_CSV);
	stdout_to(fd);
	rig_up(&r);
	rig_epoch(&r, 2);
	assert_null(rig_barrier(&r));
	/* A base round says again that the header is out. */
	assert_true(r.node.cls->state->touch(&r.node, true, 1));
	rig_epoch(&r, 0);
	assert_int_equal(r.count, 2);
	free(r.e[0].part);
	r.e[0] = r.e[1];
	r.count = 1;
	rig_down(&r);
	rig_up(&r);
	rig_epoch(&r, 3);
	assert_null(rig_end(&r));
	stdout_back();
	check_out(&r, 5);
	rig_fini(&r);
	close(fd);
}

static void test_an_epoch_comes_again_after_a_crash(void **state)
{
	struct rig r;
	struct rig_epoch *e;
	int fd = out_file();

	(void)state;
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_CSV);
	stdout_to(fd);
	rig_up(&r);
	rig_epoch(&r, 10);
	rig_rows(&r, 10);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	rig_down(&r); /* committed and not written */
	rig_up(&r);
	assert_int_equal(rig_apply(&r, e), 0);
	rig_epoch(&r, 5);
	rig_finish(&r);
	stdout_back();
	check_out(&r, 25); /* with one header */
	rig_fini(&r);
	close(fd);
}

static void test_folded_parts(void **state)
{
	struct rig r;
	struct rig_epoch *a, *b;
	uint8_t *both;
	int fd = out_file();

	(void)state;
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_JSONL);
	stdout_to(fd);
	rig_up(&r);
	rig_rows(&r, 3);
	a = rig_barrier(&r);
	rig_rows(&r, 4);
	b = rig_barrier(&r);
	both = malloc(a->bytes + b->bytes);
	assert_non_null(both);
	memcpy(both, a->part, a->bytes);
	memcpy(both + a->bytes, b->part, b->bytes);
	free(a->part);
	free(b->part);
	*a = (struct rig_epoch){.epoch = 2, .part = both, .bytes = a->bytes + b->bytes};
	r.count = 1;
	rig_commit(&r, a);
	assert_int_equal(rig_apply(&r, a), 0);
	stdout_back();
	check_out(&r, 7);
	rig_fini(&r);
	close(fd);
}

static size_t drain(int fd, char **text, size_t n)
{
	ssize_t k;

	do {
		*text = realloc(*text, n + 65536);
		assert_non_null(*text);
		k = read(fd, *text + n, 65536);
		if (k > 0)
			n += (size_t)k;
	} while (k > 0);
	return n;
}

/* A pipe that nobody empties: the epoch stays on its way, and goes on where it was. */
static void test_slow_reader(void **state)
{
	struct rig r;
	struct rig_epoch *e;
	char *text = NULL;
	uint64_t cursor;
	size_t n;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_JSONL);
	stdout_to(p[1]);
	rig_up(&r);
	rig_epoch(&r, 10);
	rig_rows(&r, 2500);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	assert_int_equal(rig_apply(&r, e), WEIR_SINK_UNKNOWN);
	assert_int_equal(r.node.cls->sink->cursor(&r.node, &cursor, &r.err), 0);
	assert_int_equal(cursor, e->prev);
	n = drain(p[0], &text, 0);
	while (rig_apply(&r, e) == WEIR_SINK_UNKNOWN)
		n = drain(p[0], &text, n);
	n = drain(p[0], &text, n);
	stdout_back();
	rig_check_rows(&r, text, n, 2510);
	assert_int_equal(r.node.cls->sink->cursor(&r.node, &cursor, &r.err), 0);
	assert_int_equal(cursor, e->epoch);
	/* And one that is gone. */
	stdout_to(p[1]);
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	rig_rows(&r, 1);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	assert_int_equal(rig_apply(&r, e), -EPIPE);
	stdout_back();
	assert_non_null(strstr(r.err.text, "step `out`: cannot write to standard output"));
	close(p[1]);
	free(text);
	rig_fini(&r);
}

/* One task is within an epoch: the other waits for its turn. */
static void test_tasks_take_turns(void **state)
{
	struct rig r[2];
	char *text = NULL;
	size_t n;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	stdout_to(p[1]);
	for (uint32_t i = 0; i < 2; i++) {
		rig_init(&r[i], WEIR_CONN_STDIO, WEIR_FORMAT_JSONL);
		r[i].instance = i;
		r[i].instances = 2;
		rig_up(&r[i]);
	}
	rig_rows(&r[0], 2500);
	rig_commit(&r[0], rig_barrier(&r[0]));
	r[1].n = 2500;
	rig_rows(&r[1], 10);
	rig_commit(&r[1], rig_barrier(&r[1]));
	assert_int_equal(rig_apply(&r[0], &r[0].e[0]), WEIR_SINK_UNKNOWN);
	assert_int_equal(rig_apply(&r[1], &r[1].e[0]), WEIR_SINK_UNKNOWN);
	n = drain(p[0], &text, 0);
	while (rig_apply(&r[0], &r[0].e[0]) == WEIR_SINK_UNKNOWN)
		n = drain(p[0], &text, n);
	assert_int_equal(rig_apply(&r[1], &r[1].e[0]), 0);
	n = drain(p[0], &text, n);
	stdout_back();
	rig_check_rows(&r[0], text, n, 2510);
	free(text);
	for (uint32_t i = 0; i < 2; i++) {
		rig_fini(&r[i]);
		close(p[i]);
	}
}

static void test_at_least_once_is_out_before_the_commit(void **state)
{
	struct rig r;
	struct rig_epoch *e;
	uint64_t cursor;
	int fd = out_file();

	(void)state;
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_CSV);
	r.pipeline.state.guarantee = WEIR_GUARANTEE_AT_LEAST_ONCE;
	stdout_to(fd);
	rig_up(&r);
	rig_rows(&r, 100);
	e = rig_barrier(&r);
	check_out(&r, 100);
	assert_int_equal(rig_prepare(&r, e), 0);
	assert_true(e->bytes < 32); /* no output in the bundle */
	rig_commit(&r, e);
	assert_int_equal(rig_apply(&r, e), 0);
	assert_int_equal(r.node.cls->sink->cursor(&r.node, &cursor, &r.err), 0);
	assert_int_equal(cursor, e->epoch);
	assert_null(rig_barrier(&r));
	rig_down(&r);
	rig_up(&r);
	rig_rows(&r, 20);
	rig_finish(&r);
	stdout_back();
	check_out(&r, 120);
	rig_fini(&r);
	close(fd);
}

/* ---- tcp ---- */

struct peer {
	int listener, fd;
	char address[80];
};

static void peer_open(struct peer *p)
{
	struct weir_err err = {0};

	assert_int_equal(weir_address_listen("127.0.0.1:0", false, &p->listener, p->address,
					     sizeof(p->address), &err),
			 0);
	p->fd = -1;
}

static void peer_accept(struct peer *p)
{
	p->fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(p->fd >= 0);
}

static void peer_close(struct peer *p)
{
	close(p->fd);
	close(p->listener);
}

static void check_tcp(enum weir_guarantee g)
{
	struct rig r;
	struct rig_epoch *e;
	struct peer p;
	char *text = NULL;
	size_t n;

	peer_open(&p);
	rig_init(&r, WEIR_CONN_TCP, WEIR_FORMAT_CSV);
	r.pipeline.state.guarantee = g;
	r.step.sink.address = p.address;
	rig_up(&r);
	peer_accept(&p);
	rig_rows(&r, 100);
	e = rig_barrier(&r);
	if (g == WEIR_GUARANTEE_EXACTLY_ONCE)
		assert_int_equal(drain(p.fd, &text, 0), 0);
	rig_commit(&r, e);
	if (g == WEIR_GUARANTEE_EXACTLY_ONCE)
		assert_int_equal(drain(p.fd, &text, 0), 0);
	assert_int_equal(rig_apply(&r, e), 0);
	n = drain(p.fd, &text, 0);
	rig_check_rows(&r, text, n, 100);
	close(p.fd);
	rig_down(&r);
	rig_up(&r);
	peer_accept(&p);
	rig_epoch(&r, 7);
	rig_finish(&r);
	n = drain(p.fd, &text, n);
	rig_check_rows(&r, text, n, 107); /* one header */
	free(text);
	rig_fini(&r);
	peer_close(&p);
}

static void test_tcp_exactly_once(void **state)
{
	(void)state;
	check_tcp(WEIR_GUARANTEE_EXACTLY_ONCE);
}

static void test_tcp_at_least_once(void **state)
{
	(void)state;
	check_tcp(WEIR_GUARANTEE_AT_LEAST_ONCE);
}

/* Output that the receiver's system has not taken is not out. */
static void test_tcp_slow_and_broken(void **state)
{
	struct linger reset = {.l_onoff = 1};
	struct rig r;
	struct rig_epoch *e;
	struct peer p;
	char *text = NULL;
	size_t n = 0;

	(void)state;
	peer_open(&p);
	rig_init(&r, WEIR_CONN_TCP, WEIR_FORMAT_JSONL);
	r.step.sink.address = p.address;
	rig_up(&r);
	peer_accept(&p);
	rig_rows(&r, 400000); /* more than the buffers of both sides hold */
	e = rig_barrier(&r);
	rig_commit(&r, e);
	assert_int_equal(rig_apply(&r, e), WEIR_SINK_UNKNOWN);
	while (rig_apply(&r, e) == WEIR_SINK_UNKNOWN)
		n = drain(p.fd, &text, n);
	n = drain(p.fd, &text, n);
	rig_check_rows(&r, text, n, 400000);
	free(text);
	setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(p.fd);
	rig_rows(&r, 10);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	assert_true(rig_apply(&r, e) < 0);
	assert_non_null(strstr(r.err.text, "step `out`: connection to 127.0.0.1:"));
	p.fd = -1;
	rig_fini(&r);
	peer_close(&p);
}

/* ---- all of them ---- */

static void test_any_bytes_for_a_part(void **state)
{
	struct rig r;
	struct rig_epoch *e;
	size_t bytes;
	int fd = out_file();

	(void)state;
	rig_init(&r, WEIR_CONN_STDIO, WEIR_FORMAT_JSONL);
	stdout_to(fd);
	rig_up(&r);
	rig_rows(&r, 3);
	e = rig_barrier(&r);
	bytes = e->bytes;
	for (e->bytes = 1; e->bytes < bytes; e->bytes++) {
		assert_int_equal(rig_apply(&r, e), WEIR_E_CORRUPT);
		e->committed = true;
		rig_down(&r);
		assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	}
	stdout_back();
	assert_int_equal(out_bytes(fd), 0);
	rig_fini(&r);
	close(fd);
}

static void test_what_explain_says(void **state)
{
	static const enum weir_connector c[] = {WEIR_CONN_FILE, WEIR_CONN_STDIO, WEIR_CONN_TCP,
						WEIR_CONN_BLACKHOLE};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(c); i++) {
		bool cursor = c[i] == WEIR_CONN_FILE || c[i] == WEIR_CONN_BLACKHOLE;

		assert_null(weir_sink_ops_of(c[i], WEIR_GUARANTEE_NONE));
		for (int g = WEIR_GUARANTEE_AT_LEAST_ONCE; g <= WEIR_GUARANTEE_EXACTLY_ONCE; g++) {
			const struct weir_sink_ops *ops =
				weir_sink_ops_of(c[i], (enum weir_guarantee)g);

			assert_non_null(ops);
			assert_true(strlen(ops->rests_on) > 10);
			assert_int_equal(ops->best, cursor ? WEIR_GUARANTEE_EXACTLY_ONCE
							   : WEIR_GUARANTEE_AT_LEAST_ONCE);
		}
	}
	assert_null(weir_sink_ops_of(WEIR_CONN_MEMORY, WEIR_GUARANTEE_EXACTLY_ONCE));
}

static void test_blackhole_has_no_part(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, WEIR_CONN_BLACKHOLE, WEIR_FORMAT_JSONL);
	assert_int_equal(rig_make(&r, false), 0);
	assert_null(r.node.cls->sink);
	rig_rows(&r, 5);
	assert_null(rig_barrier(&r));
	assert_null(rig_end(&r));
	assert_int_equal(r.node.rows_in, 5);
	rig_fini(&r);
}

static void test_signs_tell_modes_apart(void **state)
{
	char text[3][256];
	struct rig r;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct weir_buf b = weir_buf_of(text[i], sizeof(text[i]) - 1);

		rig_init(&r, WEIR_CONN_STDIO, i < 2 ? WEIR_FORMAT_CSV : WEIR_FORMAT_JSONL);
		r.pipeline.state.guarantee =
			i ? WEIR_GUARANTEE_EXACTLY_ONCE : WEIR_GUARANTEE_AT_LEAST_ONCE;
		assert_int_equal(rig_make(&r, false), 0);
		r.node.cls->state->sign(&r.node, &b);
		b.p[b.len] = 0;
		rig_fini(&r);
	}
	assert_string_equal(text[0], "stdout at once csv header \",\" n:int64 s:string");
	assert_string_equal(text[1], "stdout after the commit csv header \",\" n:int64 s:string");
	assert_string_equal(text[2], "stdout after the commit jsonl");
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	IN_SCRATCH(test_stdout_waits_for_the_commit),
	IN_SCRATCH(test_nothing_new_is_no_part),
	IN_SCRATCH(test_an_epoch_comes_again_after_a_crash),
	IN_SCRATCH(test_folded_parts),
	IN_SCRATCH(test_slow_reader),
	IN_SCRATCH(test_tasks_take_turns),
	IN_SCRATCH(test_at_least_once_is_out_before_the_commit),
	IN_SCRATCH(test_tcp_exactly_once),
	IN_SCRATCH(test_tcp_at_least_once),
	IN_SCRATCH(test_tcp_slow_and_broken),
	IN_SCRATCH(test_any_bytes_for_a_part),
	IN_SCRATCH(test_what_explain_says),
	IN_SCRATCH(test_blackhole_has_no_part),
	IN_SCRATCH(test_signs_tell_modes_apart),
};

WEIR_TEST_MAIN("sink_ops", tests)
