/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stress/epochs_rig.h - a whole engine in this process: a folder, pipelines in it, somebody who looks at their
 * statistics all the time, and a receiver on the loopback. All waits have a limit: a lost wake-up is a failure.
 */
#ifndef WEIR_TESTS_STRESS_EPOCHS_RIG_H
#define WEIR_TESTS_STRESS_EPOCHS_RIG_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/edge/build_ops.h"
#include "engine/edge/engine.h"
#include "engine/edge/epochs.h"
#include "engine/edge/pipeline_file.h"
#include "engine/edge/regex.h"
#include "tests/stress/stress.h"

#define STUCK_NS (60 * WEIR_NS_PER_S)
#define CONNS 32

/* ---- folder and files ---- */

static char rig_dir[64];

static int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static int rig_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(rig_dir, sizeof(rig_dir), "%.30s/weir-stress-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(rig_dir) ? 0 : -1;
}

static int rig_teardown(void **state)
{
	(void)state;
	return nftw(rig_dir, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct lines {
	char *text;
	size_t bytes, cap;
	char **line;
	size_t count;
};

static inline void lines_add(struct lines *l, const char *p, size_t n)
{
	while (l->bytes + n + 1 > l->cap)
		l->cap = l->cap ? l->cap * 2 : 65536;
	l->text = realloc(l->text, l->cap);
	assert_non_null(l->text);
	memcpy(l->text + l->bytes, p, n);
	l->bytes += n;
	l->text[l->bytes] = 0;
}

static inline int lines_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Takes the text apart; unique: the same line counts once. */
static inline void lines_sort(struct lines *l, bool unique)
{
	size_t k = 0;

	for (size_t i = 0; i < l->bytes; i++)
		l->count += l->text[i] == '\n';
	l->line = calloc(l->count + 1, sizeof(*l->line));
	assert_non_null(l->line);
	for (char *p = l->text, *end; p && (end = strchr(p, '\n')); p = end + 1) {
		*end = 0;
		l->line[k++] = p;
	}
	qsort(l->line, l->count, sizeof(*l->line), lines_order);
	for (size_t i = k = 0; unique && i < l->count; i++)
		if (i == 0 || strcmp(l->line[i], l->line[k - 1]))
			l->line[k++] = l->line[i];
	l->count = unique ? k : l->count;
}

static inline void lines_free(struct lines *l)
{
	free(l->text);
	free(l->line);
	memset(l, 0, sizeof(*l));
}

/* All visible parts of a file sink. */
static inline void lines_read(struct lines *l, const char *name)
{
	char path[512], buf[65536];
	struct dirent *e;
	size_t n;
	DIR *d;

	memset(l, 0, sizeof(*l));
	snprintf(path, sizeof(path), "%s/%s", rig_dir, name);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		FILE *f;

		if (strncmp(e->d_name, "part-", 5))
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", rig_dir, name, e->d_name);
		f = fopen(path, "r");
		assert_non_null(f);
		while ((n = fread(buf, 1, sizeof(buf), f)))
			lines_add(l, buf, n);
		fclose(f);
	}
	if (d)
		closedir(d);
}

static inline void lines_same(const struct lines *a, const struct lines *b, const char *what)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->line[i], b->line[i]))
			fail_msg("%s: line %zu of %zu, %zu:\n%s\n%s", what, i, a->count, b->count,
				 a->line[i], b->line[i]);
	if (a->count != b->count)
		fail_msg("%s: %zu lines and %zu", what, a->count, b->count);
}

/* ---- a pipeline ---- */

struct rig {
	struct weir_region region;
	struct weir_pipeline *p;
	struct weir_engine *e;
	struct weir_err err;
	pthread_t watcher;
	bool started;
	_Atomic bool leave;
};

/* What the control and metrics threads do. */
static inline void *rig_watch(void *arg)
{
	struct rig *g = arg;
	static const size_t cap = (size_t)1 << 16;
	struct weir_region region;
	struct weir_engine_stats *s;
	char *text = malloc(cap);

	weir_region_init(&region, &weir_heap_mem);
	s = weir_engine_stats_new(g->e, &region);
	while (!atomic_load(&g->leave)) {
		struct weir_buf b = weir_buf_of(text, cap);

		weir_epochs_json(&b, g->e);
		weir_epochs_metrics(&b, g->e);
		weir_engine_stats_read(g->e, s);
		stress_pause(WEIR_NS_PER_MS / 2);
	}
	weir_region_fini(&region);
	free(text);
	return NULL;
}

/* 0 or the error of the open. */
static inline int rig_try_open(struct rig *g, const char *yaml, uint32_t workers)
{
	struct weir_engine_options o = {
		.workers = workers, .no_huge = true, .regex = weir_regex_pcre2()};
	struct weir_diags diags;
	int r;

	memset(g, 0, sizeof(*g));
	weir_region_init(&g->region, &weir_heap_mem);
	r = weir_pipeline_parse(weir_str_c(yaml), "stress", rig_dir, weir_build_ops(), &g->region,
				&g->p, &diags, &g->err);
	if (r == WEIR_E_CONFIG)
		fail_msg("%s\n%s", diags.diag[0].text, yaml);
	if (r == 0)
		r = weir_engine_open(g->p, &o, &g->e, &g->err);
	return r;
}

static inline void rig_open(struct rig *g, const char *yaml, uint32_t workers)
{
	if (rig_try_open(g, yaml, workers))
		fail_msg("open: %s", g->err.text);
}

static inline void rig_start(struct rig *g)
{
	assert_int_equal(pthread_create(&g->watcher, NULL, rig_watch, g), 0);
	g->started = true;
	if (weir_engine_start(g->e, &g->err))
		fail_msg("start: %s", g->err.text);
}

/* Its result; at most STUCK_NS. */
static inline int rig_wait(struct rig *g)
{
	int r = weir_engine_wait(g->e, STUCK_NS, &g->err);

	if (r == 1)
		fail_msg("stuck");
	return r;
}

static inline void rig_close(struct rig *g)
{
	atomic_store(&g->leave, true);
	if (g->started)
		pthread_join(g->watcher, NULL);
	weir_engine_close(g->e);
	weir_region_fini(&g->region);
}

/* From the start to the end of the input. */
static inline void rig_run(const char *yaml, uint32_t workers)
{
	static struct rig g;

	rig_open(&g, yaml, workers);
	rig_start(&g);
	if (rig_wait(&g))
		fail_msg("%s", g.err.text);
	rig_close(&g);
}

/* A number of the epochs' JSON: the first of that name. */
static inline uint64_t rig_number(struct rig *g, const char *name)
{
	char text[16384], key[64];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	const char *at;

	weir_epochs_json(&b, g->e);
	text[b.len] = 0;
	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(text, key);
	assert_non_null(at);
	at += strlen(key);
	return *at == 't' ? 1 : strtoull(at, NULL, 10);
}

static inline int64_t rig_cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * WEIR_NS_PER_S +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * (int64_t)1000;
}

/* ---- a receiver ---- */

struct receiver {
	pthread_t thread;
	int fd;
	unsigned port;
	_Atomic bool reads; /* else it accepts, and lets everything lie */
	_Atomic bool leave;
	_Atomic uint64_t bytes;
	uint32_t count;
	int conn[CONNS];
	struct lines part[CONNS];
	struct lines whole; /* complete lines only; after the end */
};

/* A connection that ends in the middle of a line: that line comes again. */
static inline void receiver_end(struct receiver *v, uint32_t i)
{
	struct lines *l = &v->part[i];

	while (l->bytes && l->text[l->bytes - 1] != '\n')
		l->bytes--;
	if (l->bytes)
		lines_add(&v->whole, l->text, l->bytes);
	lines_free(l);
	close(v->conn[i]);
	v->conn[i] = v->conn[--v->count];
	v->part[i] = v->part[v->count];
	memset(&v->part[v->count], 0, sizeof(v->part[0]));
}

static inline void receiver_read(struct receiver *v, uint32_t i)
{
	char buf[65536];
	ssize_t n = recv(v->conn[i], buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0) {
		lines_add(&v->part[i], buf, (size_t)n);
		atomic_fetch_add(&v->bytes, (uint64_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		receiver_end(v, i);
	}
}

static inline void *receiver_main(void *arg)
{
	struct receiver *v = arg;

	while (!atomic_load(&v->leave)) {
		struct pollfd p[CONNS + 1] = {{.fd = v->fd, .events = POLLIN}};
		uint32_t n = v->count;

		for (uint32_t i = 0; i < n; i++)
			p[i + 1] = (struct pollfd){.fd = v->conn[i],
						   .events = atomic_load(&v->reads) ? POLLIN : 0};
		poll(p, n + 1, 5);
		for (uint32_t i = n; i-- > 0;)
			if (atomic_load(&v->reads) && p[i + 1].revents)
				receiver_read(v, i);
		if (p[0].revents && v->count < CONNS)
			v->conn[v->count++] = accept(v->fd, NULL, NULL);
	}
	/* What was sent is here already: the senders waited for that. */
	while (v->count) {
		for (uint32_t n = v->count; n == v->count;)
			receiver_read(v, v->count - 1);
	}
	return NULL;
}

static inline void receiver_start(struct receiver *v, bool reads)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int small = 4096;

	memset(v, 0, sizeof(*v));
	atomic_store(&v->reads, reads);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(v->fd >= 0);
	if (!reads)
		setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(v->fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(v->fd, CONNS), 0);
	assert_int_equal(getsockname(v->fd, (struct sockaddr *)&a, &n), 0);
	v->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&v->thread, NULL, receiver_main, v), 0);
}

/* After the engine was closed, so that all connections come to an end. */
static inline void receiver_stop(struct receiver *v)
{
	atomic_store(&v->leave, true);
	pthread_join(v->thread, NULL);
	close(v->fd);
}

/* ---- what the tests share ---- */

static uint64_t seed;

static inline uint32_t pick(uint32_t n)
{
	return (uint32_t)(stress_random(&seed) % n);
}

enum { WITHOUT, EXACTLY, AT_LEAST };

/* The first lines: name, guarantee, state. */
static inline int head(char *p, size_t cap, int guarantee, const char *name)
{
	if (guarantee == WITHOUT)
		return snprintf(p, cap, "pipeline: %s\nguarantee: none\nsteps:\n", name);
	return snprintf(p, cap,
			"pipeline: %s\nguarantee: %s\n"
			"state: {dir: %s.state, epoch: %ums, epoch_size: %uKiB, in_flight: %u, "
			"segment_size: 4MiB, base_size: 1MiB, deadline: %ums}\nsteps:\n",
			name, guarantee == EXACTLY ? "exactly_once" : "at_least_once", name,
			1 + pick(5), 64u << pick(4), 1 + pick(4), pick(4) ? 10000 : 1 + pick(8));
}

static inline void remove_folder(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig_dir, name);
	nftw(path, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void compare(const char *want, const char *have)
{
	struct lines a, b;

	lines_read(&a, want);
	lines_read(&b, have);
	lines_sort(&a, false);
	lines_sort(&b, false);
	assert_true(a.count > 100);
	lines_same(&a, &b, have);
	lines_free(&a);
	lines_free(&b);
}

/* Nothing lost on a socket; what a stop left unknown may have come again. */
static inline void compare_received(struct receiver *v)
{
	struct lines want;

	lines_read(&want, "bids");
	lines_sort(&want, true);
	lines_sort(&v->whole, true);
	lines_same(&want, &v->whole, "socket");
	lines_free(&want);
	lines_free(&v->whole);
}

#endif
