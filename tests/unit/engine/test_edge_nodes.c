/* SPDX-License-Identifier: Apache-2.0 */
/* The two nodes of an edge by hand: what a part keeps, when which answer goes out, what is asked for again. */
#include "engine/core/freeze.h"
#include "engine/edge/edge_end.h"
#include "tests/unit/engine/journal_case.h"
#include "tests/unit/engine/task_rig.h"

#define RING ((uint64_t)1 << 20)
#define PARTS 16

/* A node with its lane; the test is the gateway. */
struct end {
	struct weir_region region;
	struct weir_task task;
	struct weir_node node, reader; /* behind a source */
	struct collector got;
	struct weir_out part;
	struct rig_ring out, in;
	struct weir_lane_end lane;
	bool is_up;
};

struct part {
	uint64_t epoch;
	uint8_t *p;
	size_t bytes;
};

static struct world {
	struct weir_pipeline p;
	struct weir_step sink, source;
	struct weir_port_def port;
	struct jcase *journal;
	struct end a, b; /* sender, receiver */
	struct part part[PARTS];
	uint32_t parts;
	uint64_t epoch, durable; /* sender's; highest DURABLE that came back */
	int64_t n; /* next row */
	struct weir_err err;
} w;

/* ---- nodes ---- */

static void lane_up(struct end *x)
{
	ring_open(&x->out, RING, 4096);
	ring_open(&x->in, RING, 4096);
	x->out.block->frame_max = x->in.block->frame_max = weir_edge_frame_max(4096);
	weir_lane_end_open(&x->lane, x->out.block, x->out.base, x->in.block, x->in.base, NULL, 0);
}

static void node_up(struct end *x, bool source)
{
	struct weir_conn_env env = {.pipeline = &w.p,
				    .step = source ? &w.source : &w.sink,
				    .in = row_schema(),
				    .region = &x->region,
				    .rejects_port = -1,
				    .instances = 1,
				    .epochs = true,
				    .lane = &x->lane,
				    .journal = w.journal->j};

	memset(x, 0, sizeof(*x));
	weir_region_init(&x->region, &weir_test_mem);
	x->task.mem = &weir_test_mem;
	x->task.record_max = 4096;
	x->task.mono_ns = 1000 * (uint64_t)WEIR_NS_PER_MS;
	lane_up(x);
	node_init(&x->node, &x->task, source ? "x@eu" : "x>us");
	if (source) {
		node_init(&x->reader, &x->task, "reader");
		collector_init(&x->reader, &x->got);
		node_ports(&x->node, &x->region, 1, &x->reader, 64);
	}
	assert_int_equal(source ? weir_source_open(&x->node, &env) : weir_sink_open(&x->node, &env),
			 0);
	weir_out_init(&x->part, &weir_test_mem);
	x->node.part = &x->part;
	x->is_up = true;
}

static void node_down(struct end *x)
{
	if (!x->is_up)
		return;
	x->node.cls->fini(&x->node);
	weir_out_fini(&x->part);
	weir_lane_end_close(&x->lane);
	ring_close(&x->out);
	ring_close(&x->in);
	weir_region_fini(&x->region);
	x->is_up = false;
}

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	strcpy(w.p.name, "shop");
	w.p.cluster = "test";
	w.p.state.guarantee = WEIR_GUARANTEE_EXACTLY_ONCE;
	w.port.schema = (struct weir_schema *)(uintptr_t)row_schema();
	w.sink.kind = WEIR_STEP_SINK;
	w.sink.sink.connector = WEIR_CONN_EDGE;
	w.sink.sink.edge =
		(struct weir_edge_end){.id = 7, .of = "x", .port = "", .from = "eu", .to = "us"};
	w.source.kind = WEIR_STEP_SOURCE;
	w.source.port = &w.port;
	w.source.port_count = 1;
	w.source.source.connector = WEIR_CONN_EDGE;
	w.source.source.edge = w.sink.sink.edge;
	w.source.source.time_field = -1;
	w.journal = jcase_new(1, MIB);
	assert_int_equal(jcase_try_open(w.journal), 0);
	assert_int_equal(weir_journal_start(w.journal->j, &w.err), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_down(&w.a);
	node_down(&w.b);
	for (uint32_t i = 0; i < w.parts; i++)
		free(w.part[i].p);
	jcase_free(w.journal);
	return 0;
}

static const struct weir_sink_ops *ops(void)
{
	return w.a.node.cls->sink;
}

/* A sender as a start makes it: state from all parts (the older ones perhaps in short), an outbox from `cursor` on. */
static void sender_up(uint64_t cursor, bool brief)
{
	struct weir_reader first = {0};
	uint64_t known = w.parts ? w.part[w.parts - 1].epoch : 0, got = cursor;

	node_up(&w.a, false);
	assert_int_equal(ops()->open(&w.a.node, 5, known, false, &got, &w.err), 0);
	assert_int_equal(got, cursor);
	for (uint32_t i = 0; i < w.parts; i++) {
		struct weir_restore r = {.in = weir_reader_of(w.part[i].p, w.part[i].bytes),
					 .epoch = w.part[i].epoch,
					 .instances = 1,
					 .instances_then = 1};
		uint8_t text[256];
		struct weir_out o;

		if (!first.p && w.part[i].epoch > cursor)
			first = r.in;
		weir_out_init(&o, &weir_test_mem);
		if (brief) {
			ops()->brief(&w.a.node, r.in, &o);
			assert_true(o.bytes < w.part[i].bytes && o.bytes <= sizeof(text));
			weir_out_copy(&o, text);
			r.in = weir_reader_of(text, (size_t)o.bytes);
		}
		assert_int_equal(w.a.node.cls->state->restore(&w.a.node, &r), 0);
		weir_out_fini(&o);
	}
	assert_int_equal(ops()->resume(&w.a.node, cursor, first, &w.err), 0);
}

/* ---- epochs ---- */

static void sink_rows(uint32_t count)
{
	static uint64_t mem[WEIR_BATCH_ROWS][ROW_BYTES_MAX / 8 + 1];

	w.a.node.in.pos = w.a.node.in.count = 0;
	for (uint32_t i = 0; i < count; i++, w.n++)
		weir_batch_add(&w.a.node, row_build(mem[i], 0, w.n, w.n, 0, (size_t)(w.n % 50)));
	assert_true(w.a.node.cls->run(&w.a.node) > 0);
}

static void sink_ctl(unsigned kind, int64_t value)
{
	w.a.node.in.ctl = (struct weir_ctl){.kind = (uint8_t)kind, .value = value};
	assert_true(w.a.node.cls->run(&w.a.node) > 0);
	assert_int_equal(w.a.node.in.ctl.kind, 0);
}

/* false: the epoch gave nothing. */
static bool sink_epoch(void)
{
	struct part *p = &w.part[w.parts];

	w.a.node.frozen = false;
	w.a.task.epoch = ++w.epoch;
	sink_ctl(WEIR_FRAME_BARRIER, (int64_t)w.epoch);
	assert_int_equal(w.a.node.held, 0);
	if (!w.a.part.bytes)
		return false;
	*p = (struct part){.epoch = w.epoch, .bytes = (size_t)w.a.part.bytes};
	p->p = malloc(p->bytes);
	assert_non_null(p->p);
	weir_out_copy(&w.a.part, p->p);
	weir_out_fini(&w.a.part);
	w.parts++;
	return true;
}

static struct weir_sink_epoch epoch_of(uint32_t i)
{
	return (struct weir_sink_epoch){.epoch = w.part[i].epoch,
					.prev = i ? w.part[i - 1].epoch : 0,
					.fence = 5,
					.part = weir_reader_of(w.part[i].p, w.part[i].bytes)};
}

static int apply(uint32_t i)
{
	struct weir_sink_epoch e = epoch_of(i);

	return ops()->apply(&w.a.node, &e, &w.err);
}

static int prepare(uint32_t i)
{
	struct weir_sink_epoch e = epoch_of(i);

	return ops()->prepare(&w.a.node, &e, &w.err);
}

static int cursor(uint64_t *ret)
{
	return ops()->cursor(&w.a.node, ret, &w.err);
}

/* ---- the gateway ---- */

static void tell(struct end *x, enum weir_lane_type type)
{
	struct weir_lane_head h = {.f = {.key_hash = 7, .time_ns = 1}};

	weir_lane_seal(&h, type, 0);
	memcpy(weir_ring_claim(&x->in.tx, sizeof(h)), &h, sizeof(h));
	weir_ring_keep(&x->in.tx, sizeof(h));
	weir_ring_publish(&x->in.tx);
}

static uint32_t pass(struct end *from, struct end *to)
{
	const struct weir_frame *f;
	uint32_t n = 0;

	while ((f = ring_get(&from->out))) {
		const struct weir_lane_head *h = (const struct weir_lane_head *)(const void *)f;
		uint32_t stride = weir_frame_stride(f);

		if (f->flags == WEIR_LANE_DURABLE)
			w.durable = WEIR_MAX(w.durable, h->seq);
		memcpy(weir_ring_claim(&to->in.tx, stride), f, stride);
		weir_ring_keep(&to->in.tx, stride);
		n++;
	}
	weir_ring_publish(&to->in.tx);
	return n;
}

static void receive(void)
{
	struct weir_source *s = w.b.node.op;

	w.b.task.mono_ns += 50 * (uint64_t)WEIR_NS_PER_MS;
	s->budget = WEIR_BATCH_ROWS;
	assert_true(w.b.node.cls->attend(&w.b.node, true) >= 0);
	while (w.b.node.cls->run(&w.b.node) > 0)
		while (!weir_batch_empty(&w.b.reader.in))
			assert_true(w.b.reader.cls->run(&w.b.reader) > 0);
	assert_true(w.b.node.cls->attend(&w.b.node, true) >= 0);
}

/* Until nothing moves. The sender is asked for its cursor as the edges' thread does it: true when it wanted all again. */
static bool pump(void)
{
	bool again = false;
	uint32_t moved = 1;
	uint64_t at;

	while (moved) {
		int r = cursor(&at);

		assert_true(r == 0 || r == WEIR_SINK_AGAIN);
		again |= r == WEIR_SINK_AGAIN;
		moved = pass(&w.a, &w.b);
		receive();
		moved += pass(&w.b, &w.a);
	}
	return again;
}

static void both_open(void)
{
	tell(&w.a, WEIR_LANE_OPEN);
	tell(&w.b, WEIR_LANE_OPEN);
	assert_true(pump()); /* the first session asks for everything from the cursor on */
}

static void receiver_freezes(uint64_t epoch)
{
	w.b.task.epoch = epoch;
	w.b.node.frozen = false;
	weir_node_freeze(&w.b.node);
}

/* ---- tests ---- */

/* What was frozen is not durable: the sender hears of it when the epoch is, and not before. */
static void test_edge_nodes_durable_when_settled(void **state)
{
	uint64_t at;

	(void)state;
	node_up(&w.b, true);
	sender_up(0, false);
	both_open();
	sink_rows(100);
	assert_true(sink_epoch());
	assert_int_equal(prepare(0), 0);
	pump();
	assert_int_equal(w.b.got.rows, 0); /* not committed */
	assert_int_equal(apply(0), 0);
	pump();
	assert_int_equal(w.b.got.rows, 100);
	assert_int_equal(w.durable, 0);
	receiver_freezes(9);
	pump();
	assert_int_equal(w.durable, 0);
	assert_int_equal(cursor(&at), 0);
	assert_int_equal(at, 0);
	weir_source_settle(&w.b.node, 8);
	pump();
	assert_int_equal(w.durable, 0);
	weir_source_settle(&w.b.node, 9);
	pump();
	assert_int_equal(w.durable, 100);
	assert_int_equal(cursor(&at), 0);
	assert_int_equal(at, w.part[0].epoch);
}

/* While rows of the last run are still in use nothing is read; answers go out all the same. */
static void test_edge_nodes_answers_while_blocked(void **state)
{
	(void)state;
	node_up(&w.b, true);
	sender_up(0, false);
	both_open();
	sink_rows(10);
	assert_true(sink_epoch());
	assert_int_equal(apply(0), 0);
	pump();
	receiver_freezes(1);
	sink_rows(10);
	assert_true(sink_epoch());
	assert_int_equal(apply(1), 0);
	pass(&w.a, &w.b);
	weir_source_settle(&w.b.node, 1);
	weir_lane_end_say(&w.b.lane, "slow@us");
	assert_true(w.b.node.cls->attend(&w.b.node, false) > 0);
	assert_true(weir_lane_end_waiting(&w.b.lane)); /* frames are left where they are */
	pass(&w.b, &w.a);
	assert_int_equal(w.durable, 10);
	pump();
	assert_int_equal(w.b.got.rows, 20);
	{
		struct weir_edge_view v;

		weir_sink_edge_view(&w.a.node, &v);
		assert_string_equal(v.out.blocked_by, "slow@us");
		assert_int_equal(v.newest_seq, 20);
	}
}

/* A cause that was found many times stays while it is not found now and then; one that was found once does not. */
static void test_edge_nodes_causes_fade(void **state)
{
	struct weir_lane_end *l = &w.b.lane;

	(void)state;
	node_up(&w.b, true);
	weir_lane_end_say(l, "slow@us");
	assert_string_equal(weir_lane_end_cause(l), "slow@us");
	weir_lane_end_say(l, "");
	assert_string_equal(weir_lane_end_cause(l), "");
	for (uint32_t i = 0; i < 30; i++)
		weir_lane_end_say(l, "slow@us");
	for (uint32_t i = 1; i < WEIR_LANE_CAUSE_SURE; i++) {
		weir_lane_end_say(l, "");
		assert_string_equal(weir_lane_end_cause(l), "slow@us");
	}
	/* Another one is news at once. */
	weir_lane_end_say(l, "slower@us");
	assert_string_equal(weir_lane_end_cause(l), "slower@us");
	weir_lane_end_say(l, "");
	assert_string_equal(weir_lane_end_cause(l), "slower@us");
	weir_lane_end_say(l, "");
	assert_string_equal(weir_lane_end_cause(l), "");
}

/* An outbox that has to go out again: no epoch before the first one. */
static void test_edge_nodes_again(void **state)
{
	uint64_t at;

	(void)state;
	node_up(&w.b, true);
	sender_up(0, false);
	both_open();
	for (uint32_t i = 0; i < 3; i++) {
		sink_rows(10);
		assert_true(sink_epoch());
		assert_int_equal(apply(i), 0);
	}
	while (ring_get(&w.a.out)) /* lost with the gateway */
		;
	tell(&w.a, WEIR_LANE_CLOSED);
	tell(&w.b, WEIR_LANE_CLOSED);
	pump();
	sink_rows(10);
	assert_true(sink_epoch());
	assert_int_equal(apply(3), WEIR_SINK_LATER); /* no way */
	tell(&w.a, WEIR_LANE_OPEN);
	tell(&w.b, WEIR_LANE_OPEN);
	receive();
	pass(&w.b, &w.a);
	/* Shipping early is no place to hear of it, and does not skip the three; applying is. */
	assert_int_equal(prepare(3), 0);
	assert_int_equal(apply(3), WEIR_SINK_AGAIN);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(apply(i), 0);
	pump();
	assert_int_equal(w.b.got.rows, 40);
	assert_int_equal(cursor(&at), 0);
	assert_int_equal(at, 0);
}

/* The next part after a restart is the same, whether older parts were read back whole or in short. */
static void test_edge_nodes_brief(void **state)
{
	uint8_t *expected;
	size_t bytes;

	(void)state;
	sender_up(0, false);
	for (uint32_t i = 0; i < 3; i++) {
		sink_rows(200);
		assert_true(sink_epoch());
	}
	sink_rows(50);
	assert_true(sink_epoch());
	w.parts--;
	expected = w.part[3].p;
	bytes = w.part[3].bytes;
	for (int brief = 0; brief < 2; brief++) {
		node_down(&w.a);
		sender_up(w.part[2].epoch, brief);
		w.n = 600;
		sink_rows(50);
		assert_true(sink_epoch());
		assert_int_equal(w.part[3].bytes, bytes);
		assert_memory_equal(w.part[3].p, expected, bytes);
		free(w.part[--w.parts].p);
	}
	free(expected);
}

/* A brief form that was cut short, or a part of something else, is damage and no place to go on from. */
static void test_edge_nodes_damaged(void **state)
{
	uint8_t text[64];
	struct weir_out o;

	(void)state;
	sender_up(0, false);
	sink_rows(20);
	assert_true(sink_epoch());
	weir_out_init(&o, &weir_test_mem);
	ops()->brief(&w.a.node, weir_reader_of(w.part[0].p, w.part[0].bytes), &o);
	weir_out_copy(&o, text);
	for (size_t n = 0; n <= (size_t)o.bytes + 1; n++) {
		struct weir_restore r = {.in = weir_reader_of(text, n), .epoch = 3};

		node_down(&w.a);
		node_up(&w.a, false);
		assert_int_equal(w.a.node.cls->state->restore(&w.a.node, &r),
				 n == (size_t)o.bytes ? 0 : WEIR_E_CORRUPT);
	}
	for (size_t n = 0; n < w.part[0].bytes; n++) {
		struct weir_restore r = {.in = weir_reader_of(w.part[0].p, n), .epoch = 3};

		node_down(&w.a);
		node_up(&w.a, false);
		assert_int_equal(w.a.node.cls->state->restore(&w.a.node, &r), WEIR_E_CORRUPT);
	}
	weir_out_fini(&o);
}

/* The end is said once, also when the task ends again after a restart; an epoch without records gives nothing. */
static void test_edge_nodes_end_once(void **state)
{
	(void)state;
	for (int brief = 0; brief < 2; brief++) {
		node_down(&w.a);
		while (w.parts)
			free(w.part[--w.parts].p);
		sender_up(0, false);
		sink_rows(5);
		sink_ctl(WEIR_FRAME_EOS, 0);
		assert_true(sink_epoch());
		assert_false(sink_epoch());
		node_down(&w.a);
		sender_up(0, brief);
		sink_ctl(WEIR_FRAME_EOS, 0);
		assert_false(sink_epoch());
	}
}

/* Watermarks, silence and the end are the sender's. */
static void test_edge_nodes_controls(void **state)
{
	struct weir_source *s;

	(void)state;
	node_up(&w.b, true);
	s = w.b.node.op;
	sender_up(0, false);
	both_open();
	sink_rows(5);
	sink_ctl(WEIR_FRAME_WATERMARK, 4);
	sink_ctl(WEIR_FRAME_WATERMARK, 3); /* not after 4 */
	sink_ctl(WEIR_FRAME_MARKER, 77);
	sink_ctl(WEIR_FRAME_IDLE, 0);
	assert_true(sink_epoch());
	assert_int_equal(apply(0), 0);
	pump();
	assert_int_equal(s->rows, 5);
	assert_int_equal(s->watermark, 4);
	assert_true(s->silent && !s->ended);
	sink_rows(1);
	sink_ctl(WEIR_FRAME_EOS, 0);
	assert_true(sink_epoch());
	assert_int_equal(apply(1), 0);
	pump();
	assert_int_equal(s->rows, 6);
	assert_true(!s->silent && s->ended);
	receiver_freezes(4);
	weir_source_settle(&w.b.node, 4);
	pump();
	assert_int_equal(w.durable, 9); /* 6 rows, a watermark, idle, end */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_edge_nodes_durable_when_settled),
	TEST(test_edge_nodes_answers_while_blocked),
	TEST(test_edge_nodes_causes_fade),
	TEST(test_edge_nodes_again),
	TEST(test_edge_nodes_brief),
	TEST(test_edge_nodes_damaged),
	TEST(test_edge_nodes_end_once),
	TEST(test_edge_nodes_controls),
};

WEIR_TEST_MAIN("edge_nodes", tests)
