/* SPDX-License-Identifier: Apache-2.0 */
/* tcp and http sources over real sockets; epochs are made durable by hand. */
#include "tests/unit/engine/source_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "host/address.h"
#include "engine/edge/intake.h"
#include "engine/edge/producers.h"

static void rig_net(struct source_rig *g, enum weir_connector connector)
{
	rig_init(g, connector, WEIR_FORMAT_JSONL);
	g->step.source.listen = "127.0.0.1:0";
	g->step.source.ack = connector == WEIR_CONN_TCP;
}

static int dial(struct source_rig *g)
{
	struct weir_err err;
	int fd;

	if (weir_address_connect(weir_source_address(&g->node[0]), 5000, &fd, &err))
		fail_msg("%s", err.text);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void turn(struct source_rig *g)
{
	g->task.mono_ns = now_ns();
	if (rig_run(g, 7) < 0)
		fail_msg("%s", g->task.err.text);
}

/* Turns until the socket has said all of `want`. "|" at the end: and was closed. */
static void hear(struct source_rig *g, int fd, const char *want)
{
	static char said[1 << 16];
	size_t n = 0;
	uint64_t start = now_ns();

	said[0] = 0;
	while (strcmp(said, want)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (g)
			turn(g);
		if (poll(&p, 1, 1) > 0) {
			/* Byte by byte: what comes later is for the next call. */
			ssize_t k = recv(fd, said + n, 1, 0);

			if (k <= 0)
				said[n] = '|';
			said[++n] = 0;
			if (k <= 0 && strcmp(said, want))
				assert_string_equal(said, want);
		}
		if (now_ns() - start > UINT64_C(10000000000))
			assert_string_equal(said, want);
	}
}

/* Nothing comes for a while. */
static void silence(struct source_rig *g, int fd)
{
	for (int i = 0; i < 10; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		turn(g);
		assert_int_equal(poll(&p, 1, 1), 0);
	}
}

static void until_rows(struct source_rig *g, uint64_t rows)
{
	uint64_t start = now_ns();

	while (rig_source(g)->rows < rows) {
		turn(g);
		assert_true(now_ns() - start < UINT64_C(10000000000));
	}
	assert_int_equal(rig_source(g)->rows, rows);
}

static void durable(struct source_rig *g)
{
	rig_freeze(g, false);
	weir_source_settle(&g->node[0], g->epoch);
}

#define ROW(k) "{\"k\":" #k ",\"s\":\"\"}\n" /* 15 bytes with one digit */

/* ---- tcp ---- */

static void test_acknowledged_when_durable(void **state)
{
	struct source_rig g;
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	rig_start(&g);
	fd = dial(&g);
	put(fd, "weir 1 alice\n" ROW(1) ROW(2) "{\"k\":");
	hear(&g, fd, "ok 0\n");
	until_rows(&g, 2);
	silence(&g, fd);
	rig_freeze(&g, false);
	silence(&g, fd);
	/* Epoch 1 has two records; what comes later does not count with it. */
	put(fd, "3,\"s\":\"\"}\n");
	until_rows(&g, 3);
	weir_source_settle(&g.node[0], 1);
	hear(&g, fd, "durable 30\n");
	silence(&g, fd);
	durable(&g);
	hear(&g, fd, "durable 45\n");
	/* Whoever has said everything still hears of it. */
	put(fd, ROW(4));
	shutdown(fd, SHUT_WR);
	until_rows(&g, 4);
	silence(&g, fd);
	durable(&g);
	hear(&g, fd, "durable 60\n|");
	close(fd);
	rig_fini(&g);
}

static void test_goes_on_after_a_crash(void **state)
{
	struct source_rig g;
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	rig_start(&g);
	fd = dial(&g);
	put(fd, "weir 1 bob\n" ROW(1) ROW(2));
	hear(&g, fd, "ok 0\n");
	until_rows(&g, 2);
	durable(&g);
	put(fd, ROW(3) "{\"k\"");
	until_rows(&g, 3);
	close(fd);
	rig_start(&g);
	fd = dial(&g);
	put(fd, "weir 1 bob\n");
	hear(&g, fd, "ok 30\n");
	put(fd, ROW(3) ROW(4));
	until_rows(&g, 4);
	assert_string_equal(g.text, "0@0 {\"k\":1,\"s\":\"\"}\n0@0 {\"k\":2,\"s\":\"\"}\n"
				    "0@0 {\"k\":3,\"s\":\"\"}\n0@0 {\"k\":4,\"s\":\"\"}\n");
	close(fd);
	rig_fini(&g);
}

/* What was taken and is not durable comes again and counts once. */
static void test_comes_again_without_a_crash(void **state)
{
	struct source_rig g;
	int a, b;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	rig_start(&g);
	a = dial(&g);
	put(a, "weir 1 carol\n" ROW(1));
	hear(&g, a, "ok 0\n");
	until_rows(&g, 1);
	durable(&g);
	hear(&g, a, "durable 15\n");
	put(a, ROW(2) "{\"k\":3,");
	until_rows(&g, 2);
	/* The second connection takes the name from the first. */
	b = dial(&g);
	put(b, "weir 1 carol\n");
	hear(&g, b, "ok 15\n");
	hear(&g, a, "error another connection has this name\n|");
	put(b, "{\"k\":2,\"s");
	silence(&g, b);
	assert_int_equal(rig_source(&g)->rows, 2);
	put(b, "\":\"\"}\n" ROW(3));
	until_rows(&g, 3);
	durable(&g);
	hear(&g, b, "durable 45\n");
	assert_string_equal(g.text, "0@0 {\"k\":1,\"s\":\"\"}\n0@0 {\"k\":2,\"s\":\"\"}\n"
				    "0@0 {\"k\":3,\"s\":\"\"}\n");
	close(a);
	close(b);
	rig_fini(&g);
}

static void test_first_lines(void **state)
{
	static const char *const bad[] = {
		"hello\n", "weir 2 x\n", "weir 1 \n", "weir 1 a b\n", "weir 1 x\r\n", "\n",
	};
	static const char *const no =
		"error the first line must be: weir 1 NAME (1 to 200 visible ASCII characters)\n|";
	struct source_rig g;
	char line[512];
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	rig_start(&g);
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		fd = dial(&g);
		put(fd, bad[i]);
		hear(&g, fd, no);
		close(fd);
	}
	memset(line, 'x', sizeof(line));
	memcpy(line, "weir 1 ", 7);
	line[256] = 0;
	fd = dial(&g);
	put(fd, line);
	hear(&g, fd, no);
	close(fd);
	line[207] = '\n';
	line[208] = 0;
	fd = dial(&g);
	put(fd, line);
	hear(&g, fd, "ok 0\n");
	/* Whoever says nothing is sent away after a while. */
	close(fd);
	fd = dial(&g);
	turn(&g);
	g.task.mono_ns += UINT64_C(20000000000);
	for (int i = 0; i < 3; i++)
		assert_true(rig_run(&g, 7) >= 0);
	hear(NULL, fd, "|");
	close(fd);
	rig_fini(&g);
}

static void test_acks_that_nobody_reads(void **state)
{
	struct source_rig g;
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	rig_start(&g);
	fd = dial(&g);
	put(fd, "weir 1 deaf\n");
	hear(&g, fd, "ok 0\n");
	for (uint64_t i = 1; i < 300; i++) {
		put(fd, ROW(1));
		until_rows(&g, i);
		rig_freeze(&g, i % 100 == 0);
		weir_source_settle(&g.node[0], g.epoch);
	}
	close(fd);
	rig_fini(&g);
}

/* Lines of several connections are in flight at once. */
static void test_many_connections(void **state)
{
	struct source_rig g;
	int fd[20];

	(void)state;
	for (int ack = 0; ack < 2; ack++) {
		rig_net(&g, WEIR_CONN_TCP);
		g.step.source.ack = ack;
		rig_start(&g);
		for (int i = 0; i < 20; i++) {
			char name[64];

			fd[i] = dial(&g);
			snprintf(name, sizeof(name), "weir 1 p%d\n", i);
			if (ack) {
				put(fd[i], name);
				hear(&g, fd[i], "ok 0\n");
			}
		}
		for (int round = 0; round < 30; round++) {
			for (int i = 0; i < 20; i++) {
				put(fd[i], round % 3 == 0   ? "{\"k\":1,\"s\":\"some longer"
					   : round % 3 == 1 ? " text\""
							    : "}\n");
				turn(&g);
			}
		}
		until_rows(&g, 200);
		for (int i = 0; i < 20; i++)
			close(fd[i]);
		rig_fini(&g);
	}
}

/* The last line of a connection with a name is whole only with its end; without names the end will do. */
static void test_the_end_of_a_connection(void **state)
{
	struct source_rig g;
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	rig_start(&g);
	fd = dial(&g);
	put(fd, "weir 1 x\n{\"k\":1,\"s\":\"\"}");
	shutdown(fd, SHUT_WR);
	hear(&g, fd, "ok 0\n|");
	assert_int_equal(rig_source(&g)->rows, 0);
	close(fd);
	rig_source(&g)->stopping = true;
	for (int i = 0; i < 100 && !rig_source(&g)->ended; i++)
		turn(&g);
	assert_true(rig_source(&g)->ended && rig_source(&g)->cut);
	rig_freeze(&g, true);
	rig_damage(&g, 8, 500);
	rig_fini(&g);

	rig_net(&g, WEIR_CONN_TCP);
	g.step.source.ack = false;
	rig_start(&g);
	fd = dial(&g);
	put(fd, "{\"k\":1,\"s\":\"\"}");
	close(fd);
	until_rows(&g, 1);
	rig_freeze(&g, false);
	rig_start(&g);
	assert_false(rig_source(&g)->ended);
	rig_fini(&g);
}

static void test_without_epochs(void **state)
{
	struct source_rig g;
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_TCP);
	g.epochs = false;
	rig_start(&g);
	fd = dial(&g);
	put(fd, "weir 1 eve\n" ROW(1));
	hear(&g, fd, "ok 0\ndurable 15\n");
	close(fd);
	g.instances = 2;
	assert_int_equal(rig_try_start(&g), WEIR_E_CONFIG);
	assert_non_null(strstr(g.task.err.text, "parallelism: 1"));
	g.instances = 1;
	g.step.source.format = WEIR_FORMAT_CSV;
	assert_int_equal(rig_try_start(&g), WEIR_E_CONFIG);
	rig_fini(&g);
}

/* ---- http ---- */

static int post(struct source_rig *g, const char *path, const char *headers, const char *body)
{
	char text[4096];
	int fd = dial(g);

	snprintf(
		text, sizeof(text),
		"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
		path, headers, strlen(body), body);
	put(fd, text);
	return fd;
}

/* The answer: "200 body". */
static const char *reply(struct source_rig *g, int fd)
{
	static char said[8192], text[4096];
	uint64_t start = now_ns();
	size_t n = 0;
	const char *body;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t k;

		if (g)
			turn(g);
		if (now_ns() - start > UINT64_C(10000000000))
			fail_msg("no answer");
		if (poll(&p, 1, 1) <= 0)
			continue;
		k = recv(fd, said + n, sizeof(said) - n - 1, 0);
		if (k <= 0)
			break;
		n += (size_t)k;
	}
	said[n] = 0;
	close(fd);
	body = strstr(said, "\r\n\r\n");
	if (!body)
		return "";
	snprintf(text, sizeof(text), "%.3s%s %s", said + 9,
		 strstr(said, "Retry-After: 1") ? " later" : "", body + 4);
	return text;
}

static void test_http_waits_for_its_epoch(void **state)
{
	struct source_rig g;
	int a, b;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	rig_start(&g);
	a = post(&g, "/", "", ROW(1) ROW(2) "\n{\"k\":3,\"s\":\"\"}");
	until_rows(&g, 3);
	silence(&g, a);
	rig_freeze(&g, false);
	b = post(&g, "/src", "", ROW(4));
	until_rows(&g, 4);
	silence(&g, a);
	weir_source_settle(&g.node[0], g.epoch);
	assert_string_equal(reply(&g, a), "200 {\"records\":3}\n");
	silence(&g, b);
	durable(&g);
	assert_string_equal(reply(&g, b), "200 {\"records\":1}\n");
	assert_string_equal(reply(&g, post(&g, "/", "", "")), "200 {\"records\":0}\n");
	assert_string_equal(reply(&g, post(&g, "/", "", "\n\n")), "200 {\"records\":0}\n");
	rig_fini(&g);
}

static void test_http_takes_all_or_nothing(void **state)
{
	struct source_rig g;
	const char *said;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	rig_start(&g);
	said = reply(&g, post(&g, "/", "", ROW(1) "{\"k\":\"x\"}\n" ROW(2)));
	assert_non_null(strstr(said, "400 {\"error\":\""));
	assert_non_null(strstr(said, "\"line\":2"));
	assert_int_equal(rig_source(&g)->rows, 0);
	assert_non_null(strstr(reply(&g, post(&g, "/other", "", ROW(1))), "404 "));
	assert_non_null(strstr(reply(&g, post(&g, "/", "Weir-Id: a b\r\n", ROW(1))), "400 "));
	assert_non_null(
		strstr(reply(&g, post(&g, "/", "Content-Encoding: gzip\r\n", ROW(1))), "415 "));
	assert_int_equal(rig_source(&g)->rows, 0);
	rig_fini(&g);
}

static void test_http_other_methods_and_sizes(void **state)
{
	struct source_rig g;
	size_t n = ((size_t)8 << 20) + 100;
	char *big = malloc(n + 200);
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	rig_start(&g);
	fd = dial(&g);
	put(fd, "GET / HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(reply(&g, fd), "405 {\"error\":\"only POST\"}"));
	fd = dial(&g);
	put(fd, "POST / HTTP/1.0\r\nContent-Length: 9000000\r\n\r\n");
	assert_non_null(strstr(reply(&g, fd), "413 "));
	/* Too much, without saying so first. */
	fd = dial(&g);
	put(fd,
	    "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n800064\r\n");
	turn(&g);
	memset(big, '\n', n);
	for (size_t at = 0; at < n;) {
		ssize_t k = send(fd, big + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k < 0 && errno != EAGAIN)
			break;
		if (k > 0)
			at += (size_t)k;
	}
	send(fd, "\r\n0\r\n\r\n", 7, MSG_NOSIGNAL);
	assert_non_null(strstr(reply(&g, fd), "413 "));
	free(big);
	rig_fini(&g);
}

static void test_http_repeated_requests(void **state)
{
	struct source_rig g;
	int a, b;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	rig_start(&g);
	a = post(&g, "/", "Weir-Id: one\r\n", ROW(1));
	until_rows(&g, 1);
	/* While the first is under way the second waits with it. */
	b = post(&g, "/", "Weir-Id: one\r\n", ROW(1));
	silence(&g, b);
	durable(&g);
	assert_string_equal(reply(&g, a), "200 {\"records\":1}\n");
	assert_string_equal(reply(&g, b), "200 {\"duplicate\":true}\n");
	assert_string_equal(reply(&g, post(&g, "/", "Weir-Id: one\r\n", ROW(1))),
			    "200 {\"duplicate\":true}\n");
	/* Not durable: gone with the process, and taken again. */
	a = post(&g, "/", "Weir-Id: two\r\n", ROW(2));
	until_rows(&g, 2);
	rig_start(&g);
	assert_non_null(strstr(reply(NULL, a), "503 later "));
	assert_string_equal(reply(&g, post(&g, "/", "Weir-Id: one\r\n", ROW(1))),
			    "200 {\"duplicate\":true}\n");
	a = post(&g, "/", "Weir-Id: two\r\n", ROW(2));
	until_rows(&g, 2);
	durable(&g);
	assert_string_equal(reply(&g, a), "200 {\"records\":1}\n");
	/* After a base they are all known still. */
	rig_freeze(&g, true);
	rig_start(&g);
	assert_string_equal(reply(&g, post(&g, "/", "Weir-Id: one\r\n", ROW(1))),
			    "200 {\"duplicate\":true}\n");
	assert_string_equal(g.text, "0@0 {\"k\":1,\"s\":\"\"}\n0@0 {\"k\":2,\"s\":\"\"}\n");
	rig_fini(&g);
}

/* A crash in the middle of a body: the epoch that has its beginning has its rest too. */
static void test_http_body_in_two_epochs(void **state)
{
	struct source_rig g;
	char body[2048] = "";
	int fd;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	for (int i = 0; i < 50; i++)
		snprintf(body + strlen(body), 32, "{\"k\":%d,\"s\":\"\"}\n", i);
	rig_start(&g);
	fd = post(&g, "/", "Weir-Id: long\r\n", body);
	while (rig_source(&g)->rows == 0)
		turn(&g);
	assert_true(rig_source(&g)->rows < 50);
	durable(&g);
	rig_damage(&g, 6, 300);
	close(fd);
	rig_start(&g);
	until_rows(&g, 50);
	assert_string_equal(reply(&g, post(&g, "/", "Weir-Id: long\r\n", body)),
			    "200 {\"duplicate\":true}\n");
	until_rows(&g, 50);
	for (int i = 0; i < 50; i++) {
		char row[64];

		snprintf(row, sizeof(row), "{\"k\":%d,", i);
		assert_non_null(strstr(g.text, row));
	}
	/* And without a crash it is answered as soon as that epoch is durable. */
	fd = post(&g, "/", "", body);
	while (rig_source(&g)->rows == 50)
		turn(&g);
	durable(&g);
	assert_string_equal(reply(&g, fd), "200 {\"records\":50}\n");
	rig_fini(&g);
}

static void test_http_stopping_and_held(void **state)
{
	struct source_rig g;
	int fd, held;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	rig_start(&g);
	turn(&g);
	/* Nobody takes anything: the first one waits, later ones are asked to come again. */
	held = post(&g, "/", "", ROW(1));
	usleep(2500000);
	assert_string_equal(reply(NULL, post(&g, "/", "", ROW(2))),
			    "503 later {\"error\":\"the pipeline does not take input now\"}\n");
	until_rows(&g, 1);
	durable(&g);
	assert_string_equal(reply(&g, held), "200 {\"records\":1}\n");
	fd = post(&g, "/", "", ROW(3));
	usleep(20000);
	rig_source(&g)->stopping = true;
	assert_string_equal(reply(&g, fd), "503 later {\"error\":\"stopping\"}\n");
	assert_string_equal(reply(&g, post(&g, "/", "", ROW(3))),
			    "503 later {\"error\":\"stopping\"}\n");
	assert_true(rig_source(&g)->ended && rig_source(&g)->cut);
	assert_int_equal(rig_source(&g)->rows, 1);
	rig_fini(&g);
}

static void test_http_without_epochs(void **state)
{
	struct source_rig g;

	(void)state;
	rig_net(&g, WEIR_CONN_HTTP);
	g.epochs = false;
	rig_start(&g);
	assert_string_equal(reply(&g, post(&g, "/", "", ROW(1) ROW(2))), "200 {\"records\":2}\n");
	g.instances = 2;
	assert_int_equal(rig_try_start(&g), WEIR_E_CONFIG);
	g.instances = 1;
	g.step.source.format = WEIR_FORMAT_CSV;
	assert_int_equal(rig_try_start(&g), WEIR_E_CONFIG);
	g.step.source.csv.header = false;
	rig_start(&g);
	assert_string_equal(reply(&g, post(&g, "/", "", "1,a\n2,b\n")), "200 {\"records\":2}\n");
	rig_fini(&g);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_acknowledged_when_durable),
	cmocka_unit_test(test_goes_on_after_a_crash),
	cmocka_unit_test(test_comes_again_without_a_crash),
	cmocka_unit_test(test_first_lines),
	cmocka_unit_test(test_acks_that_nobody_reads),
	cmocka_unit_test(test_many_connections),
	cmocka_unit_test(test_the_end_of_a_connection),
	cmocka_unit_test(test_without_epochs),
	cmocka_unit_test(test_http_waits_for_its_epoch),
	cmocka_unit_test(test_http_takes_all_or_nothing),
	cmocka_unit_test(test_http_other_methods_and_sizes),
	cmocka_unit_test(test_http_repeated_requests),
	cmocka_unit_test(test_http_body_in_two_epochs),
	cmocka_unit_test(test_http_stopping_and_held),
	cmocka_unit_test(test_http_without_epochs),
};

WEIR_TEST_MAIN("source_net", tests)
