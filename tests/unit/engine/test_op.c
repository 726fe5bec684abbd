/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "tests/unit/engine/task_rig.h"

#define NODES 6

struct fixture {
	struct weir_region region;
	struct weir_task task;
	struct weir_node node[NODES];
	struct collector c[NODES];
	uint64_t mem[300][ROW_BYTES_MAX / 8 + 1];
};

static int never(struct weir_node *n)
{
	(void)n;
	fail_msg("a source is not drained");
	return 0;
}

static const struct weir_op_class source_class = {.name = "source", .run = never, .source = true};

/* The root is a source: tests give it rows with emit(), or another class. */
static struct fixture *start(uint32_t nodes)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	weir_region_init(&f->region, &weir_test_mem);
	f->task.mem = &weir_test_mem;
	f->task.node = f->node;
	f->task.node_count = nodes;
	f->task.record_max = 1024;
	f->node[0].cls = &source_class;
	for (uint32_t i = 0; i < nodes; i++)
		node_init(&f->node[i], &f->task, i ? "child" : "root");
	return f;
}

static void stop(struct fixture *f)
{
	weir_region_fini(&f->region);
	free(f);
}

static void pass_node(struct weir_node *n)
{
	struct weir_op_env env = {0};

	assert_int_equal(weir_pass_init(n, &env), 0);
}

/* Puts a row of its own scratch memory into port 0; false: it must wait. */
static bool emit(struct weir_node *n, int64_t number, size_t text)
{
	struct weir_port *p = &n->port[0];
	struct weir_frame *f;
	uint32_t cap;
	void *mem;

	if (!weir_port_room(p))
		return false;
	mem = weir_port_claim(p, n->task->record_max, &cap);
	if (!mem)
		return false;
	assert_true(cap >= n->task->record_max && cap % 8 == 0);
	f = row_build(mem, 0, number, 0, 0, text);
	weir_port_keep(p, weir_frame_stride(f));
	weir_port_push(p, f);
	return true;
}

/* ---- room ---- */

static void test_port_room_is_that_of_the_fullest_target(void **state)
{
	struct fixture *f = start(3);
	struct weir_node *target[2] = {&f->node[1], &f->node[2]};
	struct weir_port p = {.target = target, .target_count = 2};

	(void)state;
	assert_int_equal(weir_port_room(&p), WEIR_BATCH_ROWS);
	f->node[1].in.count = 10;
	assert_int_equal(weir_port_room(&p), WEIR_BATCH_ROWS - 10);
	f->node[2].in.count = WEIR_BATCH_ROWS;
	assert_int_equal(weir_port_room(&p), 0);
	/* Some consumed does not help: the batch is wound back when all are. */
	f->node[2].in.pos = 100;
	assert_int_equal(weir_port_room(&p), 0);
	f->node[2].in.pos = WEIR_BATCH_ROWS;
	assert_int_equal(weir_port_room(&p), WEIR_BATCH_ROWS - 10);
	assert_int_equal(f->node[2].in.count, 0);
	f->node[2].in.ctl.kind = WEIR_FRAME_IDLE;
	assert_int_equal(weir_port_room(&p), 0);
	p.target_count = 0;
	assert_int_equal(weir_port_room(&p), WEIR_BATCH_ROWS);
	stop(f);
}

static void test_port_push_goes_to_every_target(void **state)
{
	struct fixture *f = start(3);
	struct weir_node *target[2] = {&f->node[1], &f->node[2]};
	struct weir_port p = {.target = target, .target_count = 2};
	const struct weir_frame *r = row_build(f->mem[0], 0, 1, 0, 0, 0);

	(void)state;
	weir_port_push(&p, r);
	assert_ptr_equal(f->node[1].in.row[0], r);
	assert_ptr_equal(f->node[2].in.row[0], r);
	assert_int_equal(p.rows, 1);
	stop(f);
}

/* ---- scratch memory ---- */

static void test_claim_waits_until_the_targets_have_drained(void **state)
{
	struct fixture *f = start(2);
	int64_t n = 0;

	(void)state;
	node_ports(&f->node[0], &f->region, 1, &f->node[1], 4096);
	collector_init(&f->node[1], &f->c[1]);
	f->c[1].appetite = 1;
	while (emit(&f->node[0], n, 500))
		n++;
	assert_in_range(n, 4, 8);
	assert_int_equal(weir_task_drain(&f->task), 1);
	assert_false(emit(&f->node[0], n, 500)); /* others still lie there */
	f->c[1].appetite = UINT32_MAX;
	assert_true(weir_task_drain(&f->task) > 0);
	assert_true(emit(&f->node[0], n, 500));
	assert_ptr_equal(f->node[1].in.row[0], f->node[0].port[0].scratch);
	stop(f);
}

static void test_claim_starts_over_early_only_when_nobody_holds_rows(void **state)
{
	struct fixture *f = start(3);
	struct weir_port *p = &f->node[0].port[0];
	int64_t n = 0;
	const struct weir_frame *first;

	(void)state;
	node_ports(&f->node[0], &f->region, 1, &f->node[1], 128 * 1024);
	p = &f->node[0].port[0];
	pass_node(&f->node[1]);
	node_ports(&f->node[1], &f->region, 1, &f->node[2], 0);
	collector_init(&f->node[2], &f->c[2]);
	f->c[2].appetite = 0;
	assert_true(emit(&f->node[0], n++, 500));
	weir_task_drain(&f->task);
	assert_true(weir_batch_empty(&f->node[1].in)); /* the grandchild holds the row */
	first = f->node[2].in.row[0];
	while (p->scratch_used < 80000) {
		assert_true(emit(&f->node[0], n++, 500));
		weir_task_drain(&f->task);
		assert_ptr_equal(f->node[2].in.row[0], first);
	}
	row_check(first);
	/* A control alone holds the memory too: rows may lie in front of it further down. */
	f->c[2].appetite = UINT32_MAX;
	f->c[2].refuse_ctl = true;
	f->node[1].in.ctl = (struct weir_ctl){.kind = WEIR_FRAME_MARKER};
	weir_task_drain(&f->task);
	assert_int_equal(f->node[2].in.pos, f->node[2].in.count);
	assert_true(emit(&f->node[0], n++, 500));
	assert_true(p->scratch_used > 80000);
	f->c[2].refuse_ctl = false;
	weir_task_drain(&f->task);
	assert_true(weir_task_idle(&f->task));
	assert_true(emit(&f->node[0], n++, 500));
	assert_true(p->scratch_used < 1024); /* started over */
	/* Below 64 KiB it goes on behind what it has. */
	weir_task_drain(&f->task);
	assert_true(emit(&f->node[0], n++, 500));
	assert_true(p->scratch_used > 1024);
	weir_task_drain(&f->task);
	assert_int_equal(f->c[2].rows, n);
	stop(f);
}

/* A builder over a passing node over two readers of unequal hunger: bytes are checked when they are
 * consumed, in any interleaving. */
static void test_claim_random_interleavings_keep_every_row(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct fixture *f = start(4);
		uint64_t r = seed;
		uint32_t scratch = 2048 + 8 * (uint32_t)(rig_rand(&r) % 12000);
		int64_t n = 0;

		node_ports(&f->node[0], &f->region, 1, &f->node[1], scratch);
		pass_node(&f->node[1]);
		node_ports(&f->node[1], &f->region, 2, &f->node[2], 0);
		/* Both readers behind one port. */
		f->node[1].port_count = 1;
		f->node[1].port[0].target = weir_region_array(&f->region, struct weir_node *, 2);
		f->node[1].port[0].target[0] = &f->node[2];
		f->node[1].port[0].target[1] = &f->node[3];
		f->node[1].port[0].target_count = 2;
		collector_init(&f->node[2], &f->c[2]);
		collector_init(&f->node[3], &f->c[3]);
		for (uint32_t round = 0; round < 400; round++) {
			for (uint64_t k = rig_rand(&r) % 40; k; k--)
				n += emit(&f->node[0], n, rig_rand(&r) % ROW_TEXT_MAX);
			f->c[2].appetite = (uint32_t)(rig_rand(&r) % 50);
			f->c[3].appetite = (uint32_t)(rig_rand(&r) % 50);
			assert_true(weir_task_drain(&f->task) >= 0);
		}
		f->c[2].appetite = f->c[3].appetite = UINT32_MAX;
		weir_task_drain(&f->task);
		assert_int_equal(f->c[2].rows, n);
		assert_int_equal(f->c[3].rows, n);
		assert_true(n > 400);
		stop(f);
	}
}

/* ---- controls ---- */

static void send(struct fixture *f, unsigned kind, int64_t value)
{
	f->node[0].in.ctl = (struct weir_ctl){.kind = (uint8_t)kind, .value = value};
}

static void test_forward_ctl_watermarks_only_grow(void **state)
{
	struct fixture *f = start(3);

	(void)state;
	node_ports(&f->node[0], &f->region, 2, &f->node[1], 0);
	collector_init(&f->node[1], &f->c[1]);
	collector_init(&f->node[2], &f->c[2]);
	send(f, WEIR_FRAME_WATERMARK, 5);
	assert_true(weir_node_forward_ctl(&f->node[0]));
	assert_int_equal(f->node[0].watermark, 5);
	assert_int_equal(f->node[0].in.ctl.kind, 0);
	assert_int_equal(f->node[1].in.ctl.value, 5);
	assert_int_equal(f->node[2].in.ctl.value, 5);
	/* One target has not taken it: nothing is done, for the other one neither. */
	f->node[2].in.ctl.kind = 0;
	send(f, WEIR_FRAME_WATERMARK, 6);
	assert_false(weir_node_forward_ctl(&f->node[0]));
	assert_int_equal(f->node[0].watermark, 5);
	assert_int_equal(f->node[0].in.ctl.value, 6);
	assert_int_equal(f->node[2].in.ctl.kind, 0);
	/* Not above the last one: gone, whatever the targets hold. */
	send(f, WEIR_FRAME_WATERMARK, 5);
	assert_true(weir_node_forward_ctl(&f->node[0]));
	assert_int_equal(f->node[0].in.ctl.kind, 0);
	assert_int_equal(f->node[2].in.ctl.kind, 0);
	f->node[1].in.ctl.kind = 0;
	for (unsigned kind = WEIR_FRAME_BARRIER; kind < WEIR_FRAME_KIND_COUNT; kind++) {
		send(f, kind, 3);
		assert_true(weir_node_forward_ctl(&f->node[0]));
		assert_int_equal(f->node[1].in.ctl.kind, kind);
		assert_int_equal(f->node[2].in.ctl.value, 3);
		assert_int_equal(f->node[0].watermark, kind >= WEIR_FRAME_EOS ? WEIR_TIME_MAX : 5);
		f->node[1].in.ctl.kind = f->node[2].in.ctl.kind = 0;
	}
	stop(f);
}

static int fails(struct weir_node *n)
{
	return weir_err_set(&n->task->err, WEIR_E_RANGE, "on purpose");
}

static void test_drain_runs_to_the_end_and_stops_at_errors(void **state)
{
	static const struct weir_op_class failing = {.name = "failing", .run = fails};
	struct fixture *f = start(3);

	(void)state;
	node_ports(&f->node[0], &f->region, 1, &f->node[1], 4096);
	node_ports(&f->node[1], &f->region, 1, &f->node[2], 0);
	pass_node(&f->node[1]);
	collector_init(&f->node[2], &f->c[2]);
	assert_int_equal(weir_task_drain(&f->task), 0);
	assert_true(weir_task_idle(&f->task));
	assert_true(emit(&f->node[0], 1, 0));
	f->node[1].in.ctl.kind = WEIR_FRAME_EOS;
	assert_false(weir_task_idle(&f->task));
	assert_true(weir_task_drain(&f->task) >= 2);
	assert_true(weir_task_idle(&f->task));
	assert_true(f->c[2].eos);
	assert_int_equal(f->node[1].rows_in, 1);
	f->node[2].cls = &failing;
	assert_true(emit(&f->node[0], 2, 0));
	assert_int_equal(weir_task_drain(&f->task), WEIR_E_RANGE);
	stop(f);
}

static void test_pass_waits_for_room(void **state)
{
	struct fixture *f = start(2);

	(void)state;
	node_ports(&f->node[0], &f->region, 1, &f->node[1], 0);
	pass_node(&f->node[0]);
	collector_init(&f->node[1], &f->c[1]);
	f->c[1].appetite = 0;
	f->node[1].in.count = WEIR_BATCH_ROWS - 3;
	for (uint32_t i = 0; i < WEIR_BATCH_ROWS - 3; i++)
		f->node[1].in.row[i] = row_build(f->mem[i], 0, i, 0, 0, 0);
	for (uint32_t i = 0; i < 10; i++)
		f->node[0].in.row[i] = row_build(f->mem[290 + i], 0, 290 + i, 0, 0, 0);
	f->node[0].in.count = 10;
	send(f, WEIR_FRAME_EOS, 0);
	assert_int_equal(weir_task_drain(&f->task), 1);
	assert_int_equal(f->node[0].in.pos, 3);
	assert_int_equal(f->node[0].in.ctl.kind, WEIR_FRAME_EOS);
	f->c[1].appetite = UINT32_MAX;
	assert_true(weir_task_drain(&f->task) > 0);
	assert_int_equal(f->c[1].rows, WEIR_BATCH_ROWS + 7);
	assert_true(f->c[1].eos);
	stop(f);
}

/* ---- rejects ---- */

static const char *reject_json(const struct weir_frame *f)
{
	static char text[8192];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);

	assert_int_equal(weir_frame_check(f, f->size + 8, weir_rejects_schema()), 0);
	weir_buf_record_json(&b, f, weir_rejects_schema());
	text[b.len] = 0;
	return text;
}

static struct weir_str reject_text(const struct weir_frame *f, const char *field)
{
	int i = weir_schema_find(weir_rejects_schema(), weir_str_c(field));

	assert_true(i >= 0);
	return weir_get_str(f, weir_rejects_schema(), (unsigned)i);
}

static struct fixture *start_rejects(uint32_t scratch)
{
	struct fixture *f = start(2);

	node_ports(&f->node[0], &f->region, 1, &f->node[1], scratch);
	f->node[0].port[0].schema = weir_rejects_schema();
	return f;
}

static void test_rejects_schema_is_sealed(void **state)
{
	struct weir_schema s = *weir_rejects_schema();

	(void)state;
	weir_schema_seal(&s);
	assert_memory_equal(&s, weir_rejects_schema(), sizeof(s));
}

static void test_reject_policies(void **state)
{
	struct fixture *f = start_rejects(4096);
	struct weir_node *n = &f->node[0];
	const struct weir_frame *r = row_build(f->mem[0], 1, 2, 3, 4, 3);

	(void)state;
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_SKIP, 0, "odd", r, row_schema()), 0);
	assert_int_equal(n->rejects, 1);
	assert_int_equal(f->node[1].in.count, 0);
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_ROUTE, 0, "odd", r, row_schema()), 0);
	assert_int_equal(n->rejects, 2);
	assert_string_equal(reject_json(f->node[1].in.row[0]),
			    "{\"reason\":\"odd\",\"step\":\"root\",\"source\":null,\"line\":null,"
			    "\"offset\":null,\"record\":\"{\\\"p\\\":1,\\\"n\\\":2,\\\"k\\\":3,"
			    "\\\"via\\\":4,\\\"s\\\":\\\"opq\\\"}\"}");
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_STOP, 0, "odd", r, row_schema()),
			 WEIR_E_REJECT);
	assert_string_equal(f->task.err.text,
			    "step `root`: odd in record {\"p\":1,\"n\":2,\"k\":3,\"via\":4,"
			    "\"s\":\"opq\"} (on_error: skip or route would go on)");
	/* Nobody reads the rejects: as stop. */
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_ROUTE, -1, "odd", r, row_schema()),
			 WEIR_E_REJECT);
	assert_int_equal(n->rejects, 2);
	stop(f);
}

static void test_reject_waits_for_room_and_memory(void **state)
{
	struct fixture *f = start_rejects(1024);
	struct weir_node *n = &f->node[0];
	const struct weir_frame *r = row_build(f->mem[0], 1, 2, 3, 4, 3);

	(void)state;
	f->node[1].in.ctl.kind = WEIR_FRAME_MARKER;
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_ROUTE, 0, "odd", r, row_schema()), 1);
	assert_int_equal(weir_node_reject_text(n, 0, "odd", NULL, 0, -1, WEIR_STR("x")), 1);
	f->node[1].in.ctl.kind = 0;
	assert_int_equal(weir_node_reject_text(n, 0, "odd", NULL, 0, -1, WEIR_STR("x")), 0);
	/* Room, but no scratch memory. */
	assert_int_equal(weir_node_reject_text(n, 0, "odd", NULL, 0, -1, WEIR_STR("x")), 1);
	assert_int_equal(n->rejects, 1);
	stop(f);
}

static void test_reject_text_with_and_without_its_place(void **state)
{
	struct fixture *f = start_rejects(8192);
	struct weir_node *n = &f->node[0];

	(void)state;
	assert_int_equal(weir_node_reject_text(n, 0, "bad", "in.csv", 7, 120, WEIR_STR("a,\"b")),
			 0);
	assert_int_equal(weir_node_reject_text(n, 0, "bad", NULL, 0, -1, WEIR_STR("")), 0);
	assert_string_equal(
		reject_json(f->node[1].in.row[0]),
		"{\"reason\":\"bad\",\"step\":\"root\",\"source\":\"in.csv\",\"line\":7,"
		"\"offset\":120,\"record\":\"a,\\\"b\"}");
	assert_string_equal(reject_json(f->node[1].in.row[1]),
			    "{\"reason\":\"bad\",\"step\":\"root\",\"source\":null,\"line\":null,"
			    "\"offset\":null,\"record\":\"\"}");
	stop(f);
}

static void test_reject_fits_whatever_its_texts_are(void **state)
{
	struct fixture *f = start_rejects(65536);
	struct weir_node *n = &f->node[0];
	static char path[5000], reason[3000], record[9000];
	const struct weir_frame *r;
	struct weir_str s;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	memset(reason, 'r', sizeof(reason) - 1);
	for (size_t i = 0; i + 1 < sizeof(record); i++)
		record[i] = i % 2 ? '\xbc' : '\xc3';
	for (uint32_t max = 1024; max <= 4096; max += 8) {
		f->task.record_max = max;
		for (size_t cut = 0; cut < 2; cut++) {
			assert_int_equal(weir_node_reject_text(n, 0, reason, path, 1, 2,
							       weir_str_c(record + cut)),
					 0);
			r = f->node[1].in.row[f->node[1].in.count - 1];
			assert_true(r->size <= max);
			assert_true(r->size + 8 >= max);
			s = reject_text(r, "record");
			assert_true(s.n > 100 && s.n % 2 == cut); /* no half character */
		}
		f->node[1].in.pos = f->node[1].in.count;
		n->port[0].scratch_used = 0;
	}
	/* What is no text is cut at the limit. */
	memset(record, 0x80, sizeof(record) - 1);
	assert_int_equal(weir_node_reject_text(n, 0, "odd", NULL, 0, -1, weir_str_c(record)), 0);
	r = f->node[1].in.row[f->node[1].in.count - 1];
	assert_true(reject_text(r, "record").n > 3900);
	stop(f);
}

static void test_reject_keeps_long_records_whole(void **state)
{
	struct fixture *f = start_rejects(65536);
	struct weir_node *n = &f->node[0];
	const struct weir_frame *r = row_build(f->mem[0], 1, 2, 3, 4, ROW_TEXT_MAX);
	struct weir_str s;

	(void)state;
	f->task.record_max = 4096;
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_ROUTE, 0, "odd", r, row_schema()), 0);
	s = reject_text(f->node[1].in.row[0], "record");
	assert_true(s.n > ROW_TEXT_MAX);
	assert_int_equal(s.p[s.n - 1], '}');
	/* No room for all of it: marked as cut, and still a record. */
	f->task.record_max = 512;
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_ROUTE, 0, "odd", r, row_schema()), 0);
	s = reject_text(f->node[1].in.row[1], "record");
	assert_true(s.n < 512 && s.n > 10);
	assert_memory_equal(s.p + s.n - 3, "...", 3);
	assert_int_equal(weir_node_reject(n, WEIR_ON_ERROR_STOP, 0, "odd", r, row_schema()),
			 WEIR_E_REJECT);
	assert_non_null(strstr(f->task.err.text, "{\"p\":1,"));
	stop(f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_port_room_is_that_of_the_fullest_target),
	cmocka_unit_test(test_port_push_goes_to_every_target),
	cmocka_unit_test(test_claim_waits_until_the_targets_have_drained),
	cmocka_unit_test(test_claim_starts_over_early_only_when_nobody_holds_rows),
	cmocka_unit_test(test_claim_random_interleavings_keep_every_row),
	cmocka_unit_test(test_forward_ctl_watermarks_only_grow),
	cmocka_unit_test(test_drain_runs_to_the_end_and_stops_at_errors),
	cmocka_unit_test(test_pass_waits_for_room),
	cmocka_unit_test(test_rejects_schema_is_sealed),
	cmocka_unit_test(test_reject_policies),
	cmocka_unit_test(test_reject_waits_for_room_and_memory),
	cmocka_unit_test(test_reject_text_with_and_without_its_place),
	cmocka_unit_test(test_reject_fits_whatever_its_texts_are),
	cmocka_unit_test(test_reject_keeps_long_records_whole),
};

WEIR_TEST_MAIN("op", tests)
