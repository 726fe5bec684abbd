/* SPDX-License-Identifier: Apache-2.0 */
/* How much a ring may hold: what its reader takes in a short time, so that barriers do not wait long behind it. */
#include "engine/core/outlet.h"
#include "tests/unit/engine/task_rig.h"

#define RING ((uint64_t)256 << 10)
#define LOOK WEIR_OUTLET_NS

struct fixture {
	struct weir_region region;
	struct weir_task task;
	struct weir_node node;
	struct weir_outlet *o;
	struct rig_ring ring;
	uint64_t row[ROW_BYTES_MAX / 8 + 1];
};

static void start(struct fixture *f, uint32_t record_max)
{
	memset(f, 0, sizeof(*f));
	weir_region_init(&f->region, &weir_test_mem);
	f->task.mem = &weir_test_mem;
	f->task.record_max = record_max;
	f->task.mono_ns = 1000 * LOOK;
	node_init(&f->node, &f->task, "outlet");
	f->o = weir_outlet_init(&f->node, WEIR_SPREAD_FORWARD, row_schema(), NULL, 0, 1,
				&f->region);
	ring_open(&f->ring, RING, 64);
	weir_ring_tx_init(&f->o->tx[0], f->ring.block, f->ring.base);
}

static void stop(struct fixture *f)
{
	ring_close(&f->ring);
	weir_region_fini(&f->region);
}

/* A turn `later` after the last one: rows until the ring is full, or `most`. Bytes that are in it then. */
static uint64_t fill(struct fixture *f, uint64_t later, uint32_t most)
{
	f->task.mono_ns += later;
	for (uint32_t n = 0; n < most; n++) {
		f->node.in.row[0] = row_build(f->row, 0, n, n, 0, 200);
		f->node.in.count = 1;
		f->node.in.pos = 0;
		f->node.cls->run(&f->node);
		if (f->node.in.pos == 0)
			break;
	}
	f->node.in.count = f->node.in.pos = 0;
	return f->o->tx[0].tail - weir_load_acquire(&f->ring.block->head);
}

static uint64_t drain(struct fixture *f, uint64_t bytes)
{
	const struct weir_frame *g;
	uint64_t got = 0;

	while (got < bytes && (g = ring_get(&f->ring)))
		got += weir_frame_stride(g);
	weir_ring_release(&f->ring.rx);
	return got;
}

static uint64_t limit(const struct fixture *f)
{
	return atomic_load(&f->o->gauge[0].limit);
}

/* Whoever takes nothing gets little, and no less than a record. */
static void test_outlet_limit_reader_stands_still(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, 1024);
	assert_true(fill(&f, 0, UINT32_MAX) > RING * 9 / 10);
	assert_int_equal(limit(&f), RING - 64);
	for (int i = 0; i < 40; i++)
		fill(&f, LOOK, 1);
	assert_int_equal(limit(&f), WEIR_OUTLET_BYTES_MIN);
	drain(&f, UINT64_MAX);
	assert_in_range(fill(&f, 0, UINT32_MAX), WEIR_OUTLET_BYTES_MIN - ROW_BYTES_MAX,
			WEIR_OUTLET_BYTES_MIN);
	stop(&f);
	start(&f, 100000);
	fill(&f, 0, UINT32_MAX);
	for (int i = 0; i < 40; i++)
		fill(&f, LOOK, 1);
	assert_int_equal(limit(&f), 100000);
	stop(&f);
}

/* Between two looks nothing is measured. */
static void test_outlet_limit_looks_now_and_then(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, 1024);
	fill(&f, 0, UINT32_MAX);
	for (int i = 0; i < 18; i++)
		fill(&f, LOOK / 20, 1);
	assert_int_equal(limit(&f), RING - 64);
	stop(&f);
}

/* It comes to hold what is taken in one look. */
static void test_outlet_limit_follows_the_reader(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, 1024);
	fill(&f, 0, UINT32_MAX);
	for (int i = 0; i < 60; i++) {
		drain(&f, 40000);
		fill(&f, LOOK, UINT32_MAX);
	}
	/* Where it just catches up it gets more, and then less again. */
	assert_in_range(limit(&f), 30000, 120000);
	stop(&f);
}

/* Enough for one that is fast: all of the ring. */
static void test_outlet_limit_grows_again(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, 1024);
	fill(&f, 0, UINT32_MAX);
	for (int i = 0; i < 40; i++)
		fill(&f, LOOK, 1);
	assert_int_equal(limit(&f), WEIR_OUTLET_BYTES_MIN);
	for (int i = 0; i < 6; i++) {
		drain(&f, UINT64_MAX);
		fill(&f, LOOK, UINT32_MAX);
	}
	assert_int_equal(limit(&f), RING - 64);
	stop(&f);
}

/* On one core the ring is empty whenever its writer looks, however long that took. */
static void test_outlet_limit_reader_on_the_same_core(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, 1024);
	fill(&f, 0, UINT32_MAX);
	for (int i = 0; i < 30; i++) {
		drain(&f, UINT64_MAX);
		fill(&f, 10 * LOOK, UINT32_MAX);
	}
	assert_in_range(limit(&f), WEIR_OUTLET_BYTES_MIN, 40000);
	/* Not where nobody waits: there it is the writer that has little. */
	for (int i = 0; i < 8; i++) {
		drain(&f, UINT64_MAX);
		fill(&f, 10 * LOOK, 1);
	}
	assert_int_equal(limit(&f), RING - 64);
	stop(&f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_outlet_limit_reader_stands_still),
	cmocka_unit_test(test_outlet_limit_looks_now_and_then),
	cmocka_unit_test(test_outlet_limit_follows_the_reader),
	cmocka_unit_test(test_outlet_limit_grows_again),
	cmocka_unit_test(test_outlet_limit_reader_on_the_same_core),
};

WEIR_TEST_MAIN("engine/outlet_limit", tests)
