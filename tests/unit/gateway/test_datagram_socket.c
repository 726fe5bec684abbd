/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams over real sockets: both back ends, IPv4 and IPv6, on the loopback. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/edge/datagram_plugin.h"
#include "host/clock.h"
#include "tests/lib/test.h"

#define PATIENCE_NS ((uint64_t)5 * WEIR_NS_PER_S)

static uint8_t pattern[70000];

static const struct way {
	enum weir_net_backend backend;
	const char *listen;
} ways[] = {
	{WEIR_NET_EPOLL, "127.0.0.1:0"},
	{WEIR_NET_EPOLL, "[::1]:0"},
	{WEIR_NET_URING, "127.0.0.1:0"},
	{WEIR_NET_URING, "[::1]:0"},
};

static struct weir_dgram_io *open_on(enum weir_net_backend backend, const char *listen,
				     uint32_t buffer_bytes, struct weir_err *err)
{
	struct weir_dgram_options o = {
		.listen = listen, .backend = backend, .buffer_bytes = buffer_bytes};
	struct weir_dgram_io *io = NULL;

	*err = (struct weir_err){0};
	return weir_dgram_open(&o, &io, err) < 0 ? NULL : io;
}

/* NULL: this machine cannot; said once. */
static struct weir_dgram_io *open_way(const struct way *w)
{
	static bool said[WEIR_COUNT_OF(ways)];
	struct weir_err err;
	struct weir_dgram_io *io = open_on(w->backend, w->listen, 0, &err);

	if (!io && !said[w - ways]) {
		said[w - ways] = true;
		fprintf(stderr, "SKIP: %s: %s\n", w->listen, err.text);
	}
	if (w->backend == WEIR_NET_EPOLL && w->listen[0] != '[')
		assert_non_null(io);
	return io;
}

#define EACH_WAY(a, b)                                                                             \
	for (const struct way *w = ways; w < ways + WEIR_COUNT_OF(ways); w++)                      \
		for (struct weir_dgram_io *a = open_way(w), *b = a ? open_way(w) : NULL; a;        \
		     a->ops->close(a), b->ops->close(b), a = NULL)

static struct weir_dgram to(const struct weir_dgram_io *io, const void *p, uint32_t n, uint16_t seg)
{
	return (struct weir_dgram){
		.peer = io->local, .peer_len = io->local_len, .p = p, .n = n, .seg = seg};
}

static void send_one(struct weir_dgram_io *a, struct weir_dgram d)
{
	assert_int_equal(a->ops->send(a, &d, 1), 1);
}

/* The next entries; fails after a while. */
static uint32_t recv_some(struct weir_dgram_io *b, struct weir_dgram *ret, uint32_t cap)
{
	uint64_t end = weir_mono_ns() + PATIENCE_NS;
	int n;

	while ((n = b->ops->recv(b, ret, cap)) == 0) {
		assert_true(weir_mono_ns() < end);
		assert_int_equal(b->ops->wait(b, -1, false, WEIR_NS_PER_MS), 0);
	}
	assert_true(n > 0);
	return (uint32_t)n;
}

static struct weir_dgram_stats stats_of(struct weir_dgram_io *io)
{
	struct weir_dgram_stats s;

	io->ops->stats(io, &s);
	return s;
}

static void test_there_and_back(void **state)
{
	(void)state;
	EACH_WAY(a, b)
	{
		struct weir_dgram d[4];

		assert_string_equal(a->ops->name,
				    w->backend == WEIR_NET_EPOLL ? "epoll" : "io_uring");
		assert_int_equal(strncmp(a->text, a->ops->name, strlen(a->ops->name)), 0);
		assert_true(a->payload_max >= 1200);
		for (uint8_t ecn = 0; ecn < 4; ecn++) {
			d[0] = to(b, pattern + ecn, 100u + ecn, 0);
			d[0].ecn = ecn;
			send_one(a, d[0]);
			assert_int_equal(recv_some(b, d, 4), 1);
			assert_int_equal(d[0].n, 100 + ecn);
			assert_int_equal(d[0].seg, 0);
			assert_int_equal(d[0].ecn, ecn);
			assert_memory_equal(d[0].p, pattern + ecn, d[0].n);
			assert_int_equal(d[0].peer_len, a->local_len);
			assert_memory_equal(&d[0].peer, &a->local, a->local_len);
		}
		/* Back to where it came from. */
		d[1] = to(a, pattern, 7, 0);
		d[1].peer = d[0].peer;
		d[1].peer_len = d[0].peer_len;
		send_one(b, d[1]);
		assert_int_equal(recv_some(a, d, 4), 1);
		assert_int_equal(d[0].n, 7);
		assert_int_equal(stats_of(a).out, 4);
		assert_int_equal(stats_of(a).out_bytes, 406);
		assert_int_equal(stats_of(b).in, 4);
		assert_int_equal(stats_of(b).in_bytes, 406);
	}
}

static void test_segments(void **state)
{
	(void)state;
	for (int gso = 1; gso >= 0; gso--) {
		EACH_WAY(a, b)
		{
			uint32_t got = 0, parts = 0;
			struct weir_dgram d[8];

			if (!gso)
				a->gso = false;
			d[0] = to(b, pattern, 10 * 1200 + 500, 1200);
			d[0].ecn = 2;
			send_one(a, d[0]);
			while (got < 12500) {
				uint32_t n = recv_some(b, d, 8);

				/* One call, one message, when both ends can. */
				if (a->gso && strstr(b->text, "GSO and GRO"))
					assert_int_equal(d[0].seg, 1200);
				for (uint32_t i = 0; i < n; i++) {
					const uint8_t *p;
					uint32_t at = 0, len;

					assert_int_equal(d[i].ecn, 2);
					while (weir_dgram_next(&d[i], &at, &p, &len)) {
						assert_int_equal(len, got < 12000 ? 1200 : 500);
						assert_memory_equal(p, pattern + got, len);
						got += len;
						parts++;
					}
				}
			}
			assert_int_equal(parts, 11);
			assert_int_equal(stats_of(a).out, 11);
			assert_int_equal(stats_of(b).in, 11);
		}
	}
}

/* More than there are buffers wait; they are taken a few at a time, in order, and all are there. */
static void test_many(void **state)
{
	enum { N = 600 };

	(void)state;
	EACH_WAY(a, b)
	{
		for (int round = 0; round < 3; round++) {
			struct weir_dgram d[N];
			uint32_t got = 0;

			for (uint32_t i = 0; i < N; i++)
				d[i] = to(b, pattern + i, 1 + i, 0);
			assert_int_equal(a->ops->send(a, d, N), N);
			while (got < N) {
				uint32_t n = recv_some(b, d, round == 2 ? N : 7u + round * 60u);

				for (uint32_t i = 0; i < n; i++, got++) {
					assert_int_equal(d[i].n, 1 + got);
					assert_memory_equal(d[i].p, pattern + got, d[i].n);
				}
			}
		}
		assert_int_equal(a->ops->recv(a, (struct weir_dgram[1]){0}, 1), 0);
		assert_int_equal(stats_of(b).in_dropped, 0);
	}
}

static void test_wait(void **state)
{
	int fd[2] = {eventfd(0, 0), eventfd(0, 0)};
	uint64_t one = 1;

	(void)state;
	EACH_WAY(a, b)
	{
		struct weir_dgram d[1];
		uint64_t t = weir_mono_ns();

		for (uint64_t end = t + PATIENCE_NS; weir_mono_ns() - t < 3000000;) {
			assert_int_equal(b->ops->wait(b, fd[0], false, 3000000), 0);
			assert_true(weir_mono_ns() < end);
		}
		/* Readable before, and while it waits; then another one. */
		for (int i = 0; i < 2; i++) {
			assert_int_equal(write(fd[i], &one, 8), 8);
			assert_int_equal(b->ops->wait(b, fd[i], false, -1), 0);
			assert_int_equal(b->ops->wait(b, fd[i], false, -1), 0);
			assert_int_equal(read(fd[i], &one, 8), 8);
		}
		/* The first again: what was said about the second no longer counts. */
		assert_int_equal(b->ops->wait(b, fd[0], false, 0), 0);
		assert_int_equal(write(fd[0], &one, 8), 8);
		assert_int_equal(b->ops->wait(b, fd[0], false, -1), 0);
		assert_int_equal(read(fd[0], &one, 8), 8);
		/* Room. */
		assert_int_equal(b->ops->wait(b, fd[0], true, -1), 0);
		assert_int_equal(b->ops->wait(b, -1, true, -1), 0);
		assert_int_equal(b->ops->wait(b, -1, false, 0), 0);
		/* A datagram, also when it is not taken at once. */
		send_one(a, to(b, pattern, 9, 0));
		assert_int_equal(b->ops->wait(b, fd[0], false, -1), 0);
		assert_int_equal(b->ops->wait(b, -1, false, -1), 0);
		assert_int_equal(recv_some(b, d, 1), 1);
		/* What is armed when it is closed holds nothing up. */
		assert_int_equal(b->ops->wait(b, fd[1], true, 0), 0);
	}
	close(fd[0]);
	close(fd[1]);
}

static void test_dropped(void **state)
{
	(void)state;
	EACH_WAY(a, b)
	{
		struct weir_dgram d[5] = {
			to(b, pattern, 65001, 0), /* more than an entry may have */
			to(b, pattern, 65, 1), /* too many */
			to(b, pattern, 5, 0),	  to(b, pattern, 65, 1), to(b, pattern, 6, 0),
		};
		struct weir_dgram wrong = to(b, pattern, 5, 0), in[2];
		uint32_t n = 0;

		assert_int_equal(a->ops->send(a, d, 5), 5);
		while (n < 2)
			n += recv_some(b, in, 2);
		assert_int_equal(in[n - 1 < 2 ? n - 1 : 1].n, 6);
		assert_int_equal(stats_of(a).out_dropped, 131);
		/* The kernel refuses the address; what follows goes out. */
		wrong.peer.ss_family = 99;
		d[0] = wrong;
		d[1] = to(b, pattern, 8, 0);
		assert_int_equal(a->ops->send(a, d, 2), 2);
		recv_some(b, in, 2);
		assert_int_equal(in[0].n, 8);
		assert_int_equal(stats_of(a).out_dropped, 132);
		assert_int_equal(stats_of(a).out, 3);
	}
}

static void test_receiver_full(void **state)
{
	(void)state;
	for (const struct way *w = ways; w < ways + WEIR_COUNT_OF(ways); w++) {
		struct weir_err err;
		struct weir_dgram_io *a = open_way(w);
		struct weir_dgram_io *b = a ? open_on(w->backend, w->listen, 4096, &err) : NULL;
		struct weir_dgram d[WEIR_DGRAM_BURST];
		struct weir_dgram_stats s;
		int n;

		if (!a)
			continue;
		assert_non_null(b);
		for (int i = 0; i < 1000; i++)
			send_one(a, to(b, pattern, 1000, 0));
		while ((n = b->ops->recv(b, d, WEIR_DGRAM_BURST)) > 0)
			;
		assert_int_equal(n, 0);
		s = stats_of(b);
		assert_true(s.in > 0);
		assert_true(s.in_dropped > 0);
		assert_int_equal(s.in + s.in_dropped, 1000);
		a->ops->close(a);
		b->ops->close(b);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *listen, *text;
	} bad[] = {
		{"7400", "host:port"},
		{"0.0.0.0:7400", "name the one"},
		{"[::]:7400", "name the one"},
		{"no.such.host.invalid:1", "cannot resolve"},
		{"192.0.2.99:7400", "no interface"},
	};
	struct weir_err err;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		assert_null(open_on(WEIR_NET_AUTO, bad[i].listen, 0, &err));
		assert_non_null(strstr(err.text, bad[i].text));
		assert_true(err.code < 0);
	}
	EACH_WAY(a, b)
	{
		const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->local;
		char taken[64];

		/* "host:0" and the number: cut the 0. */
		snprintf(taken, sizeof(taken), "%.*s%u", (int)strlen(w->listen) - 1, w->listen,
			 ntohs(sin->sin_port));
		assert_null(open_on(w->backend, taken, 0, &err));
		assert_int_equal(err.code, -EADDRINUSE);
		assert_non_null(strstr(err.text, "another gateway"));
		/* And free at once when it was closed. */
		b->ops->close(b);
		a->ops->close(a);
		a = open_on(w->backend, taken, 0, &err);
		assert_non_null(a);
		b = open_way(w);
	}
}

/* ---- in a process of its own --------------------------------------------------------------- */

/* Exit of the child: 0 good, 77 cannot, else the number of what is wrong. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int deny(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = WEIR_COUNT_OF(f), .filter = f};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int without_uring(void)
{
	struct weir_dgram_io *io;
	struct weir_err err;

	if (deny())
		return 77;
	if (open_on(WEIR_NET_URING, "127.0.0.1:0", 0, &err) || err.code != -EPERM ||
	    !strstr(err.text, "io_uring is refused"))
		return 1;
	io = open_on(WEIR_NET_AUTO, "127.0.0.1:0", 0, &err);
	if (!io || strcmp(io->ops->name, "epoll") || !strstr(io->text, "io_uring is refused: "))
		return 2;
	/* Nor has it the newer wait. */
	if (io->ops->wait(io, -1, false, 1) || io->ops->wait(io, -1, true, -1))
		return 3;
	io->ops->close(io);
	return 0;
}

static void test_refused(void **state)
{
	int r = in_child(without_uring);

	(void)state;
	if (r == 77)
		WEIR_SKIP("no system call can be refused here");
	assert_int_equal(r, 0);
}

/* A slow queue in a network namespace of its own: the send buffer fills up. */
static int no_room_of(enum weir_net_backend backend)
{
	struct weir_err err;
	struct weir_dgram_io *a = open_on(backend, "127.0.0.1:0", 20000, &err);
	struct weir_dgram_io *b = open_on(backend, "127.0.0.1:0", 0, &err);
	struct weir_dgram d[40], in[40];
	uint64_t end = weir_mono_ns() + PATIENCE_NS * 4;
	uint32_t sent = 0, got = 0;
	int n;

	if (!a || !b)
		return backend == WEIR_NET_URING ? 0 : 1;
	for (uint32_t i = 0; i < 40; i++)
		d[i] = to(b, pattern + i, 1400, 0);
	sent = (uint32_t)a->ops->send(a, d, 40);
	if (sent == 0 || sent >= 40)
		return 2;
	while (sent < 40) {
		if (weir_mono_ns() > end || a->ops->wait(a, -1, true, -1))
			return 3;
		n = a->ops->send(a, d + sent, 40 - sent);
		if (n < 0)
			return 4;
		sent += (uint32_t)n;
	}
	/* Nothing twice, nothing lost but what was counted. */
	while (got < stats_of(a).out) {
		if (weir_mono_ns() > end || b->ops->wait(b, -1, false, WEIR_NS_PER_S))
			return 5;
		n = b->ops->recv(b, in, 40);
		if (n < 0)
			return 6;
		got += (uint32_t)n;
	}
	if (stats_of(a).out + stats_of(a).out_dropped != 40)
		return 7;
	a->ops->close(a);
	b->ops->close(b);
	return 0;
}

static int no_room(void)
{
	int r;

	if (unshare(CLONE_NEWNET) ||
	    system("{ ip link set lo up && tc qdisc add dev lo root tbf rate 2mbit burst 2kb "
		   "limit 1mb; } >/dev/null 2>&1") ||
	    /* A datagram of 64 KiB would never fit the bucket. */
	    system("ip link set lo mtu 1500 >/dev/null 2>&1"))
		return 77;
	r = no_room_of(WEIR_NET_EPOLL);
	return r ? r : no_room_of(WEIR_NET_URING);
}

static void test_no_room(void **state)
{
	int r = in_child(no_room);

	(void)state;
	if (r == 77)
		WEIR_SKIP("no network namespace with a slow queue can be made here");
	assert_int_equal(r, 0);
}

/* ---- the plug-in --------------------------------------------------------------------------- */

static void test_plugin(void **state)
{
	char dir[] = "/tmp/weir-dgram-XXXXXX", file[64];
	struct weir_err err;
	Dl_info lib;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/" WEIR_DPDK_FILE, dir);
	setenv("WEIR_PLUGIN_DIR", dir, 1);
	assert_null(open_on(WEIR_NET_DPDK, "127.0.0.1:0", 0, &err));
	assert_int_equal(err.code, -ENOENT);
	assert_non_null(strstr(err.text, "libdpdk"));
	f = fopen(file, "w");
	fputs("no library", f);
	fclose(f);
	assert_null(open_on(WEIR_NET_DPDK, "127.0.0.1:0", 0, &err));
	assert_non_null(strstr(err.text, "cannot load"));
	unlink(file);
	/* A library, but not this one. */
	assert_true(dladdr((void *)(uintptr_t)cos, &lib));
	assert_int_equal(symlink(lib.dli_fname, file), 0);
	assert_null(open_on(WEIR_NET_DPDK, "127.0.0.1:0", 0, &err));
	assert_int_equal(err.code, WEIR_E_VERSION);
	unlink(file);
	rmdir(dir);
	unsetenv("WEIR_PLUGIN_DIR");
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 2654435761u >> 11);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_there_and_back, setup),
	cmocka_unit_test(test_segments),
	cmocka_unit_test(test_many),
	cmocka_unit_test(test_wait),
	cmocka_unit_test(test_dropped),
	cmocka_unit_test(test_receiver_full),
	cmocka_unit_test(test_errors),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_no_room),
	cmocka_unit_test(test_plugin),
};

WEIR_TEST_MAIN("datagram_socket", tests)
