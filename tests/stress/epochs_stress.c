/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs of a real engine with all its threads: stopped at any time and started again until the input has ended,
 * files hold what a run without epochs gives. Idle and blocked pipelines cost nothing and come to an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "tests/stress/epochs_producer.h"

#define EVENTS 40000

/* ---- stopped at any time ---- */

/* Keyed windows and a socket; without epochs the lines for the socket go to a file. */
static const char *windows(char *p, size_t cap, int guarantee, unsigned port)
{
	const char *name = guarantee ? "windows" : "plain";
	int n = head(p, cap, guarantee, name);

	n += snprintf(
		p + n, cap - (size_t)n,
		"  events: {source: {nexmark: {events: %u}}, parallelism: 2}\n"
		"  counts:\n"
		"    from: events.bid\n"
		"    key_by: [auction]\n"
		"    parallelism: 2\n"
		"    window: {tumbling: 1s}\n"
		"    aggregate: {n: count(), most: max(price), last: last(bidder)}\n"
		"  out: {from: counts, sink: {file: {path: %s, part_size: 64KiB, part_interval: "
		"20ms}}}\n"
		"  bids: {from: events.bid, select: [auction, bidder, price, dateTime]}\n"
		"  nothing: {from: events.person, sink: blackhole}\n",
		EVENTS, name);
	if (port)
		snprintf(p + n, cap - (size_t)n,
			 "  sent: {from: bids, sink: {tcp: {address: \"127.0.0.1:%u\"}}}\n", port);
	else
		snprintf(p + n, cap - (size_t)n,
			 "  sent: {from: bids, sink: {file: {path: bids}}}\n");
	return p;
}

/* From files to a file with a header line. */
static const char *sessions(char *p, size_t cap, int guarantee)
{
	const char *name = guarantee ? "sessions" : "sessions_plain";
	int n = head(p, cap, guarantee, name);

	snprintf(p + n, cap - (size_t)n,
		 "  bids:\n"
		 "    source: {file: {path: bids, format: jsonl}}\n"
		 "    schema: {auction: int64, bidder: int64, price: int64, dateTime: timestamp}\n"
		 "    event_time: {field: dateTime, lateness: 2s}\n"
		 "  sums:\n"
		 "    from: bids\n"
		 "    key_by: [bidder]\n"
		 "    window: {session: 500ms}\n"
		 "    aggregate: {n: count(), paid: sum(price)}\n"
		 "  out: {from: sums, sink: {file: {path: %s, format: csv, part_size: 8KiB}}}\n",
		 name);
	return p;
}

struct stopper {
	struct weir_engine *e;
	uint32_t how, first_us, second_us;
};

static void *stopper_main(void *arg)
{
	const struct stopper *s = arg;

	stress_pause((int64_t)s->first_us * 1000);
	weir_engine_stop(s->e, s->how == 0);
	if (s->how == 2) {
		stress_pause((int64_t)s->second_us * 1000);
		weir_engine_stop(s->e, true);
	}
	return NULL;
}

/* One run that does not get to the end, perhaps. */
static void cut_short(const char *yaml, uint32_t workers)
{
	static const uint32_t within_us[] = {1, 2000, 20000, 100000};
	static struct rig g;
	struct stopper s;
	pthread_t t;
	int r;

	rig_open(&g, yaml, workers);
	s = (struct stopper){g.e, pick(4), pick(within_us[pick(4)]), pick(3000)};
	if (pick(16) == 0) { /* never started */
		weir_engine_stop(g.e, pick(2));
		rig_close(&g);
		return;
	}
	rig_start(&g);
	if (s.how == 3) { /* close alone has to do */
		stress_pause((int64_t)s.first_us * 1000);
		rig_close(&g);
		return;
	}
	assert_int_equal(pthread_create(&t, NULL, stopper_main, &s), 0);
	r = rig_wait(&g);
	pthread_join(t, NULL);
	if (r && (s.how == 1 || r != WEIR_E_STOPPED))
		fail_msg("stop %u: %s", s.how, g.err.text);
	rig_close(&g);
}

/* Until the input has ended, and once more. `make` gives the same pipeline with other numbers each time. */
static void again_and_again(const char *(*make)(char *, size_t, int, unsigned), int guarantee,
			    unsigned port)
{
	char yaml[4096];
	static struct rig g;

	for (uint32_t i = 3 + pick(5); i; i--)
		cut_short(make(yaml, sizeof(yaml), guarantee, port), 1 + pick(4));
	rig_run(make(yaml, sizeof(yaml), guarantee, port), 1 + pick(4));
	rig_open(&g, yaml, 2);
	assert_true(weir_engine_had_ended(g.e));
	rig_start(&g);
	assert_int_equal(rig_wait(&g), 0);
	rig_close(&g);
}

static void test_stopped_windows(void **state)
{
	int64_t end = stress_now_ns() + stress_part_ns(3);
	char yaml[4096];

	(void)state;
	rig_run(windows(yaml, sizeof(yaml), WITHOUT, 0), 2);
	for (int guarantee = EXACTLY; guarantee == EXACTLY || stress_now_ns() < end;
	     guarantee = 1 + (int)pick(2)) {
		static struct receiver v;

		receiver_start(&v, true);
		again_and_again(windows, guarantee, v.port);
		receiver_stop(&v);
		compare("plain", "windows");
		compare_received(&v);
		remove_folder("windows");
		remove_folder("windows.state");
	}
}

static const char *sessions_of(char *p, size_t cap, int guarantee, unsigned port)
{
	(void)port;
	return sessions(p, cap, guarantee);
}

static void test_stopped_files(void **state)
{
	int64_t end = stress_now_ns() + stress_part_ns(4);
	char yaml[4096];

	(void)state;
	rig_run(windows(yaml, sizeof(yaml), WITHOUT, 0), 2);
	rig_run(sessions(yaml, sizeof(yaml), WITHOUT), 2);
	do {
		again_and_again(sessions_of, EXACTLY, 0);
		compare("sessions_plain", "sessions");
		remove_folder("sessions");
		remove_folder("sessions.state");
	} while (stress_now_ns() < end);
}

/* ---- a producer that is told what is durable ---- */

#define PRODUCED 20000

static void produced_open(struct rig *g, struct producer *q)
{
	char yaml[2048];
	int n = head(yaml, sizeof(yaml), EXACTLY, "produced");

	snprintf(yaml + n, sizeof(yaml) - (size_t)n,
		 "  in: {source: {tcp: {listen: \"127.0.0.1:0\", format: jsonl, ack: true}},\n"
		 "       schema: {n: int64}, parallelism: 1}\n"
		 "  out: {from: in, fuse: false, sink: {file: {path: produced, part_size: 16KiB,\n"
		 "        part_interval: 10ms}}}\n");
	rig_open(g, yaml, 2);
	pthread_mutex_lock(&q->lock);
	snprintf(q->address, sizeof(q->address), "%s",
		 weir_engine_address(g->e, (uint32_t)weir_pipeline_find(g->p, weir_str_c("in"))));
	pthread_mutex_unlock(&q->lock);
	rig_start(g);
}

static void test_stopped_producer(void **state)
{
	struct producer q = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct lines want = {0}, have;
	int64_t end;
	pthread_t t;
	static struct rig g;

	(void)state;
	for (uint32_t i = 0; i < PRODUCED; i++) {
		char line[32];

		lines_add(&want, line, (size_t)snprintf(line, sizeof(line), "{\"n\":%u}\n", i));
	}
	q.text = malloc(want.bytes);
	assert_non_null(q.text);
	memcpy(q.text, want.text, want.bytes);
	q.bytes = want.bytes;
	assert_int_equal(pthread_create(&t, NULL, producer_main, &q), 0);
	for (int i = 0; i < 12; i++) {
		produced_open(&g, &q);
		stress_pause((int64_t)pick(40) * WEIR_NS_PER_MS);
		weir_engine_stop(g.e, pick(2));
		rig_wait(&g);
		rig_close(&g);
	}
	produced_open(&g, &q);
	for (end = stress_now_ns() + STUCK_NS;;) {
		lines_read(&have, "produced");
		if (have.bytes >= want.bytes && atomic_load(&q.durable) == want.bytes)
			break;
		if (stress_now_ns() > end)
			fail_msg("%zu of %zu bytes are there, %llu are durable", have.bytes,
				 want.bytes, (unsigned long long)atomic_load(&q.durable));
		lines_free(&have);
		stress_pause(5 * WEIR_NS_PER_MS);
	}
	weir_engine_stop(g.e, false);
	assert_int_equal(rig_wait(&g), 0);
	rig_close(&g);
	atomic_store(&q.leave, true);
	pthread_join(t, NULL);
	lines_sort(&want, false);
	lines_sort(&have, false);
	lines_same(&want, &have, "produced");
	lines_free(&want);
	lines_free(&have);
	free(q.text);
}

/* ---- at rest ---- */

/* Processor time while nothing can be done, in percent of one core. */
static int64_t cpu_percent(int64_t ns)
{
	int64_t before = rig_cpu_ns();

	stress_pause(ns);
	return (rig_cpu_ns() - before) * 100 / ns;
}

static void test_idle_pipeline_sleeps(void **state)
{
	char yaml[1024];
	uint64_t before;
	int64_t cpu;
	static struct rig g;

	(void)state;
	snprintf(yaml, sizeof(yaml),
		 "pipeline: idle\nstate: {dir: idle.state, epoch: 5ms}\nsteps:\n"
		 "  events: {source: {nexmark: {rate: 1}}}\n"
		 "  bids: {from: events.bid, fuse: false, select: [auction]}\n"
		 "  out: {from: bids, sink: {file: {path: idle}}}\n");
	rig_open(&g, yaml, 2);
	assert_int_equal(weir_engine_start(g.e, &g.err), 0);
	stress_pause(300 * WEIR_NS_PER_MS);
	before = rig_number(&g, "durable");
	cpu = cpu_percent(700 * WEIR_NS_PER_MS);
	if (cpu > 40)
		fail_msg("%lld %% of a core for one event a second", (long long)cpu);
	assert_true(rig_number(&g, "durable") > before);
	weir_engine_stop(g.e, false);
	assert_int_equal(rig_wait(&g), 0);
	rig_close(&g);
}

/* ---- a sink that is blocked ---- */

#define ENDLESS 1000000
#define WAITING_MAX                                                                                \
	(8 << 20) /* a few epochs, and what was in rings and buffers when the input was held */

static const char *blocked_yaml(char *p, size_t cap, int guarantee, const char *sink,
				unsigned events, unsigned rate)
{
	int n = head(p, cap, guarantee, "blocked");

	snprintf(p + n, cap - (size_t)n,
		 "  events: {source: {nexmark: {events: %u, rate: %u}}}\n"
		 "  bids: {from: events.bid, fuse: false, select: [auction, bidder, price, "
		 "dateTime]}\n"
		 "  sent: {from: bids, parallelism: 1, sink: {%s}}\n",
		 events, rate, sink);
	return p;
}

static uint64_t records_in(struct rig *g)
{
	struct weir_region region;
	struct weir_engine_stats *s;
	uint64_t n;

	weir_region_init(&region, &weir_heap_mem);
	s = weir_engine_stats_new(g->e, &region);
	weir_engine_stats_read(g->e, s);
	n = s->records_in;
	weir_region_fini(&region);
	return n;
}

/* Says what is wrong: the caller may have to put things in order before it fails. */
#define WRONG(...) snprintf(wrong, sizeof(wrong), __VA_ARGS__)
static char wrong[256];

/* The input stands still, what waits is bounded, and nobody spins. */
static void look_at_blocked(struct rig *g)
{
	int64_t end = stress_now_ns() + STUCK_NS / 2, cpu = 0;
	uint64_t before = 0, waiting;
	int quiet = 0;

	/* A slow disk holds the input for a moment as well, and what is on its way there takes a while. */
	while ((quiet < 2 || cpu > 40) && stress_now_ns() < end) {
		before = records_in(g);
		cpu = cpu_percent(400 * WEIR_NS_PER_MS);
		quiet = rig_number(g, "hold") && records_in(g) == before ? quiet + 1 : 0;
	}
	waiting = rig_number(g, "waiting_bytes");
	if (quiet < 2 || before == ENDLESS)
		WRONG("the input goes on behind a sink that is blocked");
	else if (cpu > 40)
		WRONG("%lld %% of a core while all is blocked", (long long)cpu);
	else if (waiting > WAITING_MAX)
		WRONG("%llu bytes of %llu epochs wait, one may have %llu",
		      (unsigned long long)waiting,
		      (unsigned long long)rig_number(g, "waiting_epochs"),
		      (unsigned long long)g->p->state.epoch_bytes);
}

static void blocked_run(const char *yaml, bool now)
{
	int64_t from;
	static struct rig g;
	int r;

	*wrong = 0;
	rig_open(&g, yaml, 2);
	assert_int_equal(weir_engine_start(g.e, &g.err), 0);
	look_at_blocked(&g);
	from = stress_now_ns();
	weir_engine_stop(g.e, now);
	r = weir_engine_wait(g.e, STUCK_NS, &g.err);
	if (r != (now ? WEIR_E_STOPPED : 0) && !*wrong)
		WRONG("stop: %d %.200s", r, g.err.text);
	rig_close(&g);
	if (stress_now_ns() - from > 8 * WEIR_NS_PER_S && !*wrong)
		WRONG("a stop behind a blocked sink took %lld ms",
		      (long long)((stress_now_ns() - from) / WEIR_NS_PER_MS));
}

static const char *to_receiver(char *p, size_t cap, const struct receiver *v, unsigned events,
			       unsigned rate)
{
	char sink[64];

	snprintf(sink, sizeof(sink), "tcp: {address: \"127.0.0.1:%u\"}", v->port);
	return blocked_yaml(p, cap, EXACTLY, sink, events, rate);
}

static void test_blocked_socket(void **state)
{
	static struct receiver deaf, v; /* static: after a failure they are left behind, at work */
	char yaml[1024];

	(void)state;
	rig_run(blocked_yaml(yaml, sizeof(yaml), WITHOUT, "file: {path: bids}", 4 * EVENTS, 0), 2);
	receiver_start(&deaf, false);
	/* Full speed, and at a pace: a source that waits for its time is held as well. */
	blocked_run(to_receiver(yaml, sizeof(yaml), &deaf, ENDLESS, 0), true);
	assert_string_equal(wrong, "");
	blocked_run(to_receiver(yaml, sizeof(yaml), &deaf, ENDLESS, 300000), false);
	assert_string_equal(wrong, "");
	receiver_stop(&deaf); /* what its system had taken it reads now */
	receiver_start(&v, true);
	rig_run(to_receiver(yaml, sizeof(yaml), &v, 4 * EVENTS, 0), 2);
	receiver_stop(&v);
	lines_add(&v.whole, deaf.whole.text, deaf.whole.bytes);
	lines_free(&deaf.whole);
	compare_received(&v);
}

static void test_blocked_pipe(void **state)
{
	int out = dup(STDOUT_FILENO), fd[2];
	char yaml[1024];

	(void)state;
	fflush(stdout);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	dup2(fd[1], STDOUT_FILENO);
	blocked_run(blocked_yaml(yaml, sizeof(yaml), EXACTLY, "stdout: {}", ENDLESS, 0), false);
	dup2(out, STDOUT_FILENO);
	close(out);
	close(fd[0]);
	close(fd[1]);
	assert_string_equal(wrong, "");
}

/* ---- failures ---- */

/* A worker fails while epochs are on the way. */
static void test_worker_fails(void **state)
{
	char yaml[1024];
	static struct rig g;

	(void)state;
	for (int i = 0; i < 6; i++) {
		int n = head(yaml, sizeof(yaml), EXACTLY, "failing");

		snprintf(yaml + n, sizeof(yaml) - (size_t)n,
			 "  events: {source: {nexmark: {events: 200000}}}\n"
			 "  bad: {from: events.bid, fuse: false, map: {x: 1 / (auction - 1500)}}\n"
			 "  out: {from: bad, sink: {file: {path: failing}}}\n");
		rig_open(&g, yaml, 1 + pick(3));
		rig_start(&g);
		assert_int_not_equal(rig_wait(&g), 0);
		assert_int_not_equal(g.err.code, WEIR_E_STOPPED);
		assert_non_null(strstr(g.err.text, "bad"));
		rig_close(&g);
	}
}

/* The disk takes no more while workers are at full speed, and later it does. */
static void test_journal_fails(void **state)
{
	struct rlimit was, none;
	char yaml[4096];
	static struct receiver v;
	static struct rig g;
	int r;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	rig_run(windows(yaml, sizeof(yaml), WITHOUT, 0), 2);
	receiver_start(&v, true);
	getrlimit(RLIMIT_FSIZE, &was);
	for (int i = 0; i < 4; i++) {
		rig_open(&g, windows(yaml, sizeof(yaml), EXACTLY, v.port), 1 + pick(3));
		none = (struct rlimit){1 << (10 + pick(10)), was.rlim_max};
		setrlimit(RLIMIT_FSIZE, &none);
		rig_start(&g);
		r = rig_wait(&g);
		setrlimit(RLIMIT_FSIZE, &was);
		assert_true(r < 0 && r != WEIR_E_STOPPED);
		rig_close(&g);
	}
	again_and_again(windows, EXACTLY, v.port);
	receiver_stop(&v);
	compare("plain", "windows");
	compare_received(&v);
}

/* A second engine on the same directory is turned away, in the same process as well. */
static void test_one_at_a_time(void **state)
{
	char yaml[4096];
	static struct rig a, b;

	(void)state;
	rig_run(windows(yaml, sizeof(yaml), WITHOUT, 0), 2);
	rig_open(&a, sessions(yaml, sizeof(yaml), EXACTLY), 2);
	assert_int_equal(rig_try_open(&b, yaml, 2), WEIR_E_BUSY);
	weir_region_fini(&b.region);
	rig_close(&a);
	rig_run(yaml, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_stopped_windows),	 TEST(test_stopped_files),  TEST(test_stopped_producer),
	TEST(test_idle_pipeline_sleeps), TEST(test_blocked_socket), TEST(test_blocked_pipe),
	TEST(test_worker_fails),	 TEST(test_journal_fails),  TEST(test_one_at_a_time),
};

int main(void)
{
	seed = stress_seed();
	fprintf(stderr, "WEIR_STRESS_SEED=%llu\n", (unsigned long long)seed);
	return weir_test_main("epochs_stress", tests, WEIR_COUNT_OF(tests));
}
