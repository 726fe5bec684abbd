/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf/lib/bench.h - measuring two pinned threads on cores that may not stay where they are.
 *
 * Why:     a virtual machine does not know where its cores are. Its host moves them between hardware
 *          threads of one core, cores of one L3 and cores of different L3s, and the time of a hop
 *          differs by 3 to 10 times. So each round is bracketed by a cache-line ping-pong that tells
 *          the class; a round whose two classes differ is "mixed" and does not count.
 * Clean:   a round counts when both threads had their cores nearly all the time (thread CPU time
 *          against wall time) and the host took little away (steal time).
 * Use:     struct bench_pair p = {.cpu = {0, 1}}; bench_pair_run(&p, produce, consume, ctx);
 *          bench_samples_add(&samples, &p, value); bench_samples_median(&samples, class).
 * Memory:  bench_map() gives shared memory, on huge pages when asked for and enough are free.
 * C++:     may be included from it.
 */
#ifndef WEIR_PERF_LIB_BENCH_H
#define WEIR_PERF_LIB_BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BENCH_LINE 128 /* two lines: the neighbour is fetched together */
#define BENCH_SAMPLES_MAX 512

enum bench_class { BENCH_SMT, BENCH_L3, BENCH_FAR, BENCH_MIXED, BENCH_DIRTY, BENCH_CLASSES };

static inline const char *bench_class_name(int c)
{
	static const char *const name[] = {"smt", "same-l3", "far", "mixed", "dirty"};

	return name[c];
}

/* ---- time and place ---- */

static inline int64_t bench_clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t bench_now_ns(void)
{
	return bench_clock_ns(CLOCK_MONOTONIC);
}

static inline void bench_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

static inline void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set)) {
		fprintf(stderr, "cannot pin to core %d\n", cpu);
		exit(1);
	}
}

/* SCHED_FIFO keeps other processes away from a round of some milliseconds; without the right to it
 * the thread stays as it is, and disturbed rounds are told by their CPU time. */
static inline void bench_realtime(bool on)
{
	struct sched_param p;

	memset(&p, 0, sizeof(p));
	p.sched_priority = on ? 1 : 0;
	pthread_setschedparam(pthread_self(), on ? SCHED_FIFO : SCHED_OTHER, &p);
}

/* Time the host took away from all cores, in clock ticks. */
static inline long bench_steal_ticks(void)
{
	long v[8] = {0};
	FILE *f = fopen("/proc/stat", "r");

	if (!f)
		return 0;
	if (fscanf(f, "cpu %ld %ld %ld %ld %ld %ld %ld %ld", &v[0], &v[1], &v[2], &v[3], &v[4],
		   &v[5], &v[6], &v[7]) != 8)
		v[7] = 0;
	fclose(f);
	return v[7];
}

/* First two cores this process may use; false when there is only one. */
static inline bool bench_two_cores(int ret_cpu[2])
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return false;
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			ret_cpu[n++] = i;
	return n == 2;
}

/* ---- memory ---- */

/* Shared memory of n bytes, touched. *huge is cleared when there are no free huge pages. */
static inline void *bench_map(size_t n, bool *huge)
{
	size_t page = (size_t)2 << 20;
	void *p = MAP_FAILED;

	if (*huge)
		p = mmap(NULL, (n + page - 1) & ~(page - 1), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE | MAP_HUGETLB, -1, 0);
	*huge = p != MAP_FAILED;
	if (p == MAP_FAILED)
		p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
			 -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

/* ---- two threads ---- */

#define BENCH_PROBES 4000

struct bench_shared {
	uint64_t ball __attribute__((aligned(BENCH_LINE)));
	int ready __attribute__((aligned(BENCH_LINE)));
	int gate[2] __attribute__((aligned(BENCH_LINE)));
	int end __attribute__((aligned(BENCH_LINE)));
};

struct bench_pair {
	int cpu[2];
	void (*fn[2])(void *ctx);
	void *ctx;
	struct bench_shared *shared;
	/* results of the last run */
	double rtt_ns[2]; /* ping-pong before and after */
	int64_t wall_ns[2], cpu_ns[2];
	int64_t span_ns; /* from the first begin to the last end */
	int64_t begin_ns[2], end_ns[2];
	int cls;
};

static inline void bench_meet(int *gate)
{
	__atomic_fetch_add(gate, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(gate, __ATOMIC_ACQUIRE) < 2)
		bench_relax();
}

/* Round trip of one line: side 0 writes odd numbers, side 1 even ones. */
static inline double bench_ping_pong(uint64_t *ball, int side, int rounds)
{
	uint64_t base = side ? 0 : __atomic_load_n(ball, __ATOMIC_RELAXED);
	int64_t t0 = bench_now_ns();

	for (int i = 0; i < rounds; i++) {
		if (side == 0) {
			base++;
			__atomic_store_n(ball, base, __ATOMIC_RELEASE);
			base++;
			while (__atomic_load_n(ball, __ATOMIC_ACQUIRE) != base)
				bench_relax();
		} else {
			while (!((base = __atomic_load_n(ball, __ATOMIC_ACQUIRE)) & 1))
				bench_relax();
			__atomic_store_n(ball, base + 1, __ATOMIC_RELEASE);
		}
	}
	return (double)(bench_now_ns() - t0) / rounds;
}

static inline void bench_side(struct bench_pair *p, int side)
{
	int64_t c0;

	/* The first hundred wake the cores up. */
	bench_ping_pong(&p->shared->ball, side, 100);
	p->rtt_ns[0] = bench_ping_pong(&p->shared->ball, side, BENCH_PROBES);
	bench_meet(&p->shared->gate[0]);
	c0 = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	p->begin_ns[side] = bench_now_ns();
	p->fn[side](p->ctx);
	p->end_ns[side] = bench_now_ns();
	p->cpu_ns[side] = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - c0;
	p->wall_ns[side] = p->end_ns[side] - p->begin_ns[side];
	bench_meet(&p->shared->gate[1]);
	if (side == 0)
		p->rtt_ns[1] = bench_ping_pong(&p->shared->ball, side, BENCH_PROBES);
	else
		bench_ping_pong(&p->shared->ball, side, BENCH_PROBES);
}

static inline void *bench_other(void *arg)
{
	struct bench_pair *p = (struct bench_pair *)arg;

	__atomic_store_n(&p->shared->ready, 1, __ATOMIC_RELEASE);
	bench_realtime(true);
	bench_side(p, 1);
	return NULL;
}

/* Limits between the classes, in ns of a round trip with a pause in the loop. Zen 4: 28 in one core,
 * 64 to 78 in one L3, 310 and more beyond. */
static inline int bench_class_of(double rtt_ns)
{
	return rtt_ns < 42 ? BENCH_SMT : rtt_ns < 130 ? BENCH_L3 : BENCH_FAR;
}

/* Runs fn0 on the first and fn1 on the second core at the same time. Returns the class. */
static inline int bench_pair_run(struct bench_pair *p, void (*fn0)(void *), void (*fn1)(void *),
				 void *ctx)
{
	static struct bench_shared shared;
	pthread_attr_t attr;
	pthread_t t;
	cpu_set_t set;
	long steal, hz = sysconf(_SC_CLK_TCK);
	double rtt0;
	int before, after;

	memset(&shared, 0, sizeof(shared));
	p->shared = &shared;
	p->fn[0] = fn0;
	p->fn[1] = fn1;
	p->ctx = ctx;
	bench_pin(p->cpu[0]);
	pthread_attr_init(&attr);
	CPU_ZERO(&set);
	CPU_SET(p->cpu[1], &set);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (pthread_create(&t, &attr, bench_other, p)) {
		fprintf(stderr, "cannot start a thread\n");
		exit(1);
	}
	pthread_attr_destroy(&attr);
	while (!__atomic_load_n(&shared.ready, __ATOMIC_ACQUIRE))
		sched_yield();
	steal = bench_steal_ticks();
	bench_realtime(true);
	bench_side(p, 0);
	bench_realtime(false);
	rtt0 = p->rtt_ns[0];
	pthread_join(t, NULL);
	steal = bench_steal_ticks() - steal;

	p->span_ns = (p->end_ns[0] > p->end_ns[1] ? p->end_ns[0] : p->end_ns[1]) -
		     (p->begin_ns[0] < p->begin_ns[1] ? p->begin_ns[0] : p->begin_ns[1]);
	before = bench_class_of(rtt0);
	after = bench_class_of(p->rtt_ns[1]);
	p->cls = before == after ? before : BENCH_MIXED;
	for (int i = 0; i < 2; i++)
		if ((double)p->cpu_ns[i] < 0.98 * (double)p->wall_ns[i] - 20000)
			p->cls = BENCH_DIRTY;
	/* One tick is the smallest there is. */
	if (steal > 1 && (double)steal / (double)hz > 0.02 * (double)p->span_ns / 1e9)
		p->cls = BENCH_DIRTY;
	return p->cls;
}

/* ---- samples ---- */

struct bench_samples {
	double v[BENCH_CLASSES][BENCH_SAMPLES_MAX];
	int n[BENCH_CLASSES];
};

static inline void bench_samples_add(struct bench_samples *s, int cls, double value)
{
	if (s->n[cls] < BENCH_SAMPLES_MAX)
		s->v[cls][s->n[cls]++] = value;
}

static inline int bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* q of 0..1; 0.5 is the median. 0 without samples. */
static inline double bench_samples_quantile(struct bench_samples *s, int cls, double q)
{
	int i;

	if (s->n[cls] == 0)
		return 0;
	qsort(s->v[cls], (size_t)s->n[cls], sizeof(double), bench_compare);
	i = (int)(q * s->n[cls]);
	return s->v[cls][i < s->n[cls] ? i : s->n[cls] - 1];
}

static inline double bench_larger(double a, double b)
{
	return a > b ? a : b;
}

static inline double bench_samples_median(struct bench_samples *s, int cls)
{
	return bench_samples_quantile(s, cls, 0.5);
}

/* ---- the machine ---- */

/* "AMD EPYC, 2 cores" as /proc/cpuinfo has it. */
/* Asked for at run time: objects may be older than the commit they are run at. */
static inline const char *bench_commit(void)
{
	const char *c = getenv("BENCH_COMMIT");

	return c ? c : "not said (BENCH_COMMIT)";
}

static inline const char *bench_machine(void)
{
	static char text[160];
	char line[256], model[128] = "unknown processor";
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		snprintf(model, sizeof(model), "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f)
		fclose(f);
	snprintf(text, sizeof(text), "%s, %ld cores", model, sysconf(_SC_NPROCESSORS_ONLN));
	return text;
}

#endif
