/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines and the lanes between them: everything arrives exactly once, whatever is cut or restarted. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <jansson.h>

#include "engine/edge/roots.h"
#include "engine/edge/status.h"
#include "tests/unit/engine/edge_rig.h"

enum { EU, US };

#define EVENTS "60000"

/* What eu makes, and us writes; eu writes it as well, so that both can be compared. */
static const char copy_yaml[] =
	"pipeline: shop\n"
	"state: {epoch: 20ms, base_size: 1MiB}\n"
	"steps:\n"
	"  events: {regions: [eu], parallelism: 1, source: {nexmark: {events: " EVENTS
	", rate: 40000}}}\n"
	"  here: {regions: [eu], from: events.bid, sink: {file: {path: here, format: jsonl}}}\n"
	"  there: {regions: [us], from: {step: events.bid, region: eu}, "
	"sink: {file: {path: there, format: jsonl}}}\n";

static struct rig rig;

static uint64_t rig_rand(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static int teardown(void **state)
{
	rig_fini(&rig);
	return scratch_close(state);
}

static void test_edge_lane_everything_arrives(void **state)
{
	struct weir_edge_stats out, in;

	(void)state;
	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	RIG_WAIT(5000, rig_edge(&rig, EU).state == WEIR_EDGE_LIVE);
	rig_ended(&rig, EU);
	rig_ended(&rig, US);
	rig_same("there", "here");
	out = rig_edge(&rig, EU);
	in = rig_edge(&rig, US);
	assert_int_equal(out.records, in.records);
	assert_int_equal(out.records, rig_count("here"));
	assert_int_equal(out.raw_bytes, in.raw_bytes);
	assert_true(out.bytes < out.raw_bytes); /* packed */
	assert_int_equal(out.outstanding_epochs, 0);
	assert_int_equal(out.lag, 0);
	assert_int_equal(in.lag, 0);
	assert_int_equal(out.resent, 0);
	assert_int_equal(out.sessions, 1);
}

/* What people and programs see of it. */
static void test_edge_lane_is_seen(void **state)
{
	static char text[1 << 20];
	static const char *const metric[] = {
		"weir_edge_records_total{pipeline=\"shop@eu\",step=\"events.bid>us\",from=\"eu\",to=\"us\"} ",
		"weir_region_pair_records_total{pipeline=\"shop@eu\",from=\"eu\",to=\"us\"} ",
		"weir_edge_state{pipeline=\"shop@eu\",step=\"events.bid>us\",from=\"eu\",to=\"us\"} 3\n",
	};
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	struct weir_region region;
	struct weir_engine_stats *s;
	json_error_t err;
	json_t *root, *x;

	(void)state;
	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	RIG_WAIT(20000, rig_edge(&rig, US).records > 1000);
	weir_region_init(&region, &weir_heap_mem);
	s = weir_engine_stats_new(rig.r[EU].e, &region);
	weir_engine_stats_read(rig.r[EU].e, s);
	weir_status_json(&b, rig.r[EU].e, s, "");
	root = json_loadb(b.p, b.len, 0, &err);
	if (!root)
		fail_msg("%s at %d: %.80s", err.text, err.position, b.p + err.position);
	x = json_array_get(json_object_get(root, "edges"), 0);
	assert_string_equal(json_string_value(json_object_get(x, "step")), "events.bid>us");
	assert_string_equal(json_string_value(json_object_get(x, "of")), "events");
	assert_string_equal(json_string_value(json_object_get(x, "output")), "bid");
	assert_string_equal(json_string_value(json_object_get(x, "state")), "live");
	assert_string_equal(json_string_value(json_object_get(x, "direction")), "out");
	assert_true(json_integer_value(json_object_get(x, "records")) > 1000);
	assert_true(json_integer_value(json_object_get(x, "limit_bytes")) == 64 << 20);
	json_decref(root);
	b = weir_buf_of(text, sizeof(text) - 1);
	weir_status_metrics(&b, rig.r[EU].e, s);
	text[b.len] = 0;
	assert_false(b.full);
	for (size_t i = 0; i < WEIR_COUNT_OF(metric); i++)
		if (!strstr(text, metric[i]))
			fail_msg("%s is missing in\n%s", metric[i], text);
	weir_region_fini(&region);
}

/* ---- cuts ---- */

static void set_open(bool open)
{
	atomic_store(&rig.want_open, open);
	RIG_WAIT(10000, atomic_load(&rig.is_open) == open);
}

/* The way breaks every few tens of milliseconds; half of the times what lies in the rings is lost as well. */
static void test_edge_lane_cuts_lose_nothing(void **state)
{
	struct weir_edge_stats out;
	uint64_t seed = 7;
	int cuts = 0;

	(void)state;
	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	while (weir_engine_wait(rig.r[US].e, (int64_t)(rig_rand(&seed) % 60) * WEIR_NS_PER_MS,
				&rig.r[US].err) == 1 &&
	       cuts < 40) {
		rig.drop_all = cuts++ % 2;
		set_open(false);
		usleep((useconds_t)(rig_rand(&seed) % 20000));
		set_open(true);
	}
	rig_ended(&rig, US);
	rig_ended(&rig, EU);
	rig_same("there", "here");
	out = rig_edge(&rig, EU);
	assert_true(cuts > 3 && out.sessions > 2);
	/* Whether something is on its way at a cut is up to the scheduler. */
	if (rig.lost == 0 || out.resent == 0)
		print_message("nothing had to be sent again\n");
}

/* ---- restarts ---- */

static void again(uint32_t i, bool now)
{
	rig_disconnect(&rig);
	rig_down(&rig, i, now);
	rig_up(&rig, i);
	rig_connect(&rig);
}

static bool running(uint32_t i, uint64_t ms)
{
	return weir_engine_wait(rig.r[i].e, (int64_t)ms * WEIR_NS_PER_MS, &rig.r[i].err) == 1;
}

static void restarts(uint32_t first, uint32_t step)
{
	uint64_t seed = 11 + first;

	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	for (uint32_t k = first, n = 0; n < 8 && running(US, 40 + rig_rand(&seed) % 120);
	     k += step, n++)
		again(k % 2, n % 3 != 2); /* most as if killed, some stopped in good order */
	rig_ended(&rig, US);
	rig_ended(&rig, EU);
	rig_same("there", "here");
}

static void test_edge_lane_sender_restarts(void **state)
{
	(void)state;
	restarts(EU, 2);
}

static void test_edge_lane_receiver_restarts(void **state)
{
	(void)state;
	restarts(US, 2);
}

static void test_edge_lane_both_restart(void **state)
{
	(void)state;
	restarts(EU, 1);
}

/* The receiver had ended before the sender could hear that all is durable: it says so when it is started again. */
static void test_edge_lane_ended_receiver_answers(void **state)
{
	(void)state;
	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	RIG_WAIT(60000, rig_edge(&rig, US).records > 20000);
	atomic_store(&rig.pause, 1u << 1); /* from us to eu */
	RIG_WAIT(60000, rig_edge(&rig, EU).outstanding_epochs > 0);
	RIG_WAIT(60000, rig_count("there") == rig_count("here") &&
				rig_edge(&rig, EU).records == rig_edge(&rig, US).records &&
				!strcmp(weir_edge_state_name(rig_edge(&rig, US).state), "live"));
	rig_disconnect(&rig);
	rig_ended(&rig, US); /* gives up: no gateway */
	rig_down(&rig, US, true);
	assert_true(running(EU, 50));
	rig_up(&rig, US);
	assert_true(weir_engine_had_ended(rig.r[US].e));
	atomic_store(&rig.pause, 0);
	rig_connect(&rig);
	rig_ended(&rig, EU);
	rig_ended(&rig, US);
	rig_same("there", "here");
}

/* ---- event time ---- */

/* The receiver's windows close by the sender's watermark, while the input goes on; also when nothing but a watermark comes. */
static const char window_yaml[] =
	"pipeline: shop\n"
	"state: {epoch: 20ms, base_size: 1MiB}\n"
	"steps:\n"
	"  events: {regions: [eu], parallelism: 1, source: {nexmark: {rate: 20000, "
	"events_per_second: 20000}}, event_time: {lateness: 0s}}\n"
	"  per_second: {regions: [us], from: {step: events.bid, region: eu}, key_by: [auction], "
	"window: {tumbling: 100ms}, aggregate: {n: count()}}\n"
	"  out: {regions: [us], from: per_second, sink: {file: {path: out, format: jsonl, part_interval: 50ms}}}\n";

static void test_edge_lane_windows_fire(void **state)
{
	(void)state;
	rig_init(&rig, window_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	RIG_WAIT(20000, rig_count("out") > 100);
	/* And go on from where they were after both have been away. */
	again(US, true);
	again(EU, true);
	RIG_WAIT(20000, rig_edge(&rig, US).records > 1000);
	RIG_WAIT(20000, rig_count("out") > 2000);
}

/* ---- backpressure ---- */

static const char throttle_yaml[] =
	"pipeline: shop\n"
	"state: {epoch: 20ms, epoch_size: 256KiB}\n"
	"steps:\n"
	"  events: {regions: [eu], parallelism: 1, source: {nexmark: {events: 200000}}}\n"
	"  here: {regions: [eu], from: events.bid, sink: blackhole}\n"
	"  slow: {regions: [us], from: {step: events.bid, region: eu}, sink: {tcp: {address: \"%s\"}}}\n";

struct server {
	int fd;
	char address[64];
	_Atomic bool read;
	_Atomic uint64_t lines;
	pthread_t thread;
};

static void *server_main(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	static char buf[1 << 16];
	ssize_t n;

	while (!atomic_load(&s->read))
		usleep(1000);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		uint64_t lines = 0;

		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
		atomic_fetch_add(&s->lines, lines);
	}
	close(fd);
	return NULL;
}

static void server_open(struct server *s)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int small = 4096;

	memset(s, 0, sizeof(*s));
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_close(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static uint64_t records_in(uint32_t i)
{
	struct weir_region region;
	struct weir_engine_stats *s;
	uint64_t n;

	weir_region_init(&region, &weir_heap_mem);
	s = weir_engine_stats_new(rig.r[i].e, &region);
	weir_engine_stats_read(rig.r[i].e, s);
	n = s->records_in;
	weir_region_fini(&region);
	return n;
}

/* us does not take its output: eu stops to read input, and knows why. Nothing is lost by it. */
static void test_edge_lane_slow_receiver_throttles(void **state)
{
	struct weir_edge_stats out;
	static struct server server;
	char yaml[1024];
	uint64_t before;

	(void)state;
	server_open(&server);
	snprintf(yaml, sizeof(yaml), throttle_yaml, server.address);
	rig_init(&rig, yaml, 2);
	rig.cluster.buffer_bytes = rig.cluster.spill_bytes = (uint64_t)2 << 20;
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	RIG_WAIT(20000, !strcmp(rig_edge(&rig, EU).blocked_by, "slow@us"));
	RIG_WAIT(20000, rig_edge(&rig, EU).fill >= 0.5);
	sleep(1);
	before = records_in(EU);
	sleep(1);
	/* At a stand, or nearly so: one epoch may still fit. */
	assert_true(records_in(EU) - before < 20000);
	assert_true(before < 150000);
	out = rig_edge(&rig, EU);
	assert_true(out.outstanding_bytes < 3 * rig.cluster.buffer_bytes);
	atomic_store(&server.read, true);
	RIG_WAIT(20000, !*rig_edge(&rig, EU).blocked_by);
	rig_ended(&rig, EU);
	rig_ended(&rig, US);
	out = rig_edge(&rig, EU);
	rig_down(&rig, US, true);
	server_close(&server);
	assert_int_equal(atomic_load(&server.lines), out.records);
}

/* ---- three regions ---- */

static const char hops_yaml[] =
	"pipeline: shop\n"
	"state: {epoch: 20ms, epoch_size: 256KiB}\n"
	"steps:\n"
	"  events: {regions: [eu], parallelism: 1, source: {nexmark: {events: 500000}}}\n"
	"  middle: {regions: [us], from: {step: events.bid, region: eu}, filter: price > 0}\n"
	"  slow: {regions: [ap], from: {step: middle, region: us}, sink: {tcp: {address: \"%s\"}}}\n";

/* The root is named over a region in between. */
static void test_edge_lane_cause_travels(void **state)
{
	struct weir_region region;
	struct weir_engine_stats *s;
	static struct server server;
	char yaml[1024], root[256];

	(void)state;
	server_open(&server);
	snprintf(yaml, sizeof(yaml), hops_yaml, server.address);
	rig_init(&rig, yaml, 3);
	rig.cluster.buffer_bytes = rig.cluster.spill_bytes = (uint64_t)1 << 20;
	for (uint32_t i = 0; i < 3; i++)
		rig_up(&rig, i);
	rig_connect(&rig);
	RIG_WAIT(30000, !strcmp(rig_edge(&rig, EU).blocked_by, "slow@ap"));
	weir_region_init(&region, &weir_heap_mem);
	s = weir_engine_stats_new(rig.r[EU].e, &region);
	RIG_WAIT(10000, (weir_engine_stats_read(rig.r[EU].e, s),
			 weir_root(rig.r[EU].e, s, root, sizeof(root)), !strcmp(root, "slow@ap")));
	weir_region_fini(&region);
	atomic_store(&server.read, true);
	for (uint32_t i = 0; i < 3; i++)
		rig_ended(&rig, i);
	rig_down(&rig, 2, true);
	server_close(&server);
	assert_int_equal(atomic_load(&server.lines), rig_edge(&rig, EU).records);
}

/* ---- gateways ---- */

/* A process that takes the gateway's part of all lanes, says OPEN, and dies when it is told to. */
static pid_t dying_gateway(int *ret_pipe)
{
	int fd[2], up[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		for (uint32_t i = 0; i < 2; i++) {
			const struct weir_segment *s = weir_engine_segment(rig.r[i].e);

			for (uint32_t k = 0; k < s->ring_count; k++) {
				struct rig_way w = {.edge = 1};
				char peer[WEIR_REGION_MAX + 1];
				bool out;

				if (!weir_lane_ring_parse(s->ring[k].name, &out, &w.edge, peer))
					continue;
				weir_ring_role_claim(
					out ? &s->ring[k].consumer : &s->ring[k].producer, NULL);
				if (out)
					continue;
				weir_ring_tx_init(&w.tx, &s->ring[k], s->ring_base[k]);
				w.to_bell = &s->doorbell[s->ring[k].consumer_doorbell];
				rig_tell(&w, WEIR_LANE_OPEN, 1, "");
			}
		}
		if (write(up[1], &c, 1) != 1 || read(fd[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(fd[0]);
	assert_int_equal(read(up[0], &c, 1), 1);
	close(up[0]);
	close(up[1]);
	*ret_pipe = fd[1];
	return pid;
}

static void test_edge_lane_gateway_dies(void **state)
{
	uint64_t from;
	pid_t pid;
	int fd;

	(void)state;
	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	assert_int_equal(rig_edge(&rig, EU).state, WEIR_EDGE_ALONE);
	pid = dying_gateway(&fd);
	RIG_WAIT(5000, rig_edge(&rig, EU).state == WEIR_EDGE_OPEN);
	RIG_WAIT(5000, rig_edge(&rig, US).state == WEIR_EDGE_OPEN);
	assert_string_equal(rig_edge(&rig, EU).reason, "");
	kill(pid, SIGKILL);
	from = weir_mono_ns();
	RIG_WAIT(5000, rig_edge(&rig, EU).state == WEIR_EDGE_ALONE);
	RIG_WAIT(5000, rig_edge(&rig, US).state == WEIR_EDGE_ALONE);
	/* A tenth of a second, and what a loaded machine takes. */
	assert_true(weir_mono_ns() - from < (uint64_t)(600 * WEIR_NS_PER_MS));
	assert_string_equal(rig_edge(&rig, EU).reason, "the gateway is gone");
	waitpid(pid, NULL, 0);
	close(fd);
	rig_connect(&rig);
	rig_ended(&rig, EU);
	rig_ended(&rig, US);
	rig_same("there", "here");
}

/* A gateway that writes what is no frame: the lane is closed, and opened again by one that knows how. */
static void test_edge_lane_gateway_writes_nonsense(void **state)
{
	const struct weir_segment *s;
	const struct weir_ring_block *in;
	struct weir_ring_tx tx;
	uint64_t edge;

	(void)state;
	rig_init(&rig, copy_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	edge = rig_edge(&rig, EU).edge->id;
	for (uint32_t i = 0; i < 2; i++) {
		s = weir_engine_segment(rig.r[i].e);
		in = rig_ring(s, false, edge);
		weir_ring_tx_init(&tx, &s->ring[in->index], s->ring_base[in->index]);
		memset(weir_ring_claim(&tx, 256), 0xa5, 256);
		weir_ring_keep(&tx, 256);
		weir_ring_publish(&tx);
		RIG_WAIT(5000, rig_edge(&rig, i).broken == 1);
		assert_string_equal(rig_edge(&rig, i).reason, "the gateway wrote what is no frame");
	}
	rig_connect(&rig);
	rig_ended(&rig, EU);
	rig_ended(&rig, US);
	rig_same("there", "here");
}

/* Two regions feed a third one, which has input of its own: an idle sender holds nobody's windows back. */
static const char idle_yaml[] =
	"pipeline: shop\n"
	"state: {epoch: 20ms, base_size: 1MiB}\n"
	"steps:\n"
	"  quiet: {regions: [eu], source: {tcp: {listen: \"127.0.0.1:0\", format: jsonl}}, "
	"schema: {t: timestamp, k: int64}, event_time: {field: t, idle: 100ms}}\n"
	"  live: {regions: [us], source: {nexmark: {rate: 20000, events_per_second: 20000}}, "
	"parallelism: 1}\n"
	"  times: {regions: [us], from: live.bid, map: {t: dateTime, k: auction}}\n"
	"  both: {regions: [us], union: true, from: [times, {step: quiet, region: eu}]}\n"
	"  per_second: {regions: [us], from: both, key_by: [k], window: {tumbling: 100ms}, "
	"aggregate: {n: count()}}\n"
	"  out: {regions: [us], from: per_second, sink: {file: {path: out, format: jsonl, part_interval: 50ms}}}\n";

static void test_edge_lane_idle_sender(void **state)
{
	(void)state;
	rig_init(&rig, idle_yaml, 2);
	rig_up(&rig, EU);
	rig_up(&rig, US);
	rig_connect(&rig);
	RIG_WAIT(20000, rig_count("out") > 100);
	/* Nobody says it again: that eu is idle is part of what us remembers. */
	again(US, true);
	RIG_WAIT(20000, rig_count("out") > 3000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_open, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_edge_lane_everything_arrives),
	TEST(test_edge_lane_is_seen),
	TEST(test_edge_lane_cuts_lose_nothing),
	TEST(test_edge_lane_sender_restarts),
	TEST(test_edge_lane_receiver_restarts),
	TEST(test_edge_lane_both_restart),
	TEST(test_edge_lane_ended_receiver_answers),
	TEST(test_edge_lane_windows_fire),
	TEST(test_edge_lane_idle_sender),
	TEST(test_edge_lane_slow_receiver_throttles),
	TEST(test_edge_lane_cause_travels),
	TEST(test_edge_lane_gateway_dies),
	TEST(test_edge_lane_gateway_writes_nonsense),
};

WEIR_TEST_MAIN("edge_lane", tests)
