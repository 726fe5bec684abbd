/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/task_rig.h"

#define RINGS 4

struct fixture {
	struct weir_region region;
	struct weir_task task;
	struct weir_node node;
	struct rig_ring ring[RINGS];
	uint32_t ring_count;
	struct weir_outlet *o;
	uint64_t mem[WEIR_BATCH_ROWS][ROW_BYTES_MAX / 8 + 1];
};

static const uint16_t key[1] = {ROW_K};

static struct fixture *start(enum weir_spread spread, uint32_t rings, uint64_t capacity)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	weir_region_init(&f->region, &weir_test_mem);
	f->ring_count = rings;
	node_init(&f->node, &f->task, "");
	f->task.node = &f->node;
	f->task.node_count = 1;
	f->o = weir_outlet_init(&f->node, spread, row_schema(), key, spread == WEIR_SPREAD_KEY,
				rings, &f->region);
	for (uint32_t i = 0; i < rings; i++) {
		ring_open(&f->ring[i], capacity, 128);
		weir_ring_tx_init(&f->o->tx[i], f->ring[i].block, f->ring[i].base);
	}
	return f;
}

static void stop(struct fixture *f)
{
	for (uint32_t i = 0; i < f->ring_count; i++)
		ring_close(&f->ring[i]);
	weir_region_fini(&f->region);
	free(f);
}

/* A batch of rows n = first .. with key n * 7 and `text` bytes of text; they carry an old hash. */
static void batch(struct fixture *f, int64_t first, uint32_t count, size_t text)
{
	f->node.in.pos = f->node.in.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct weir_frame *r = row_build(f->mem[i], 0, first + i, (first + i) * 7, 0, text);

		r->key_hash = 0xdead;
		r->flags |= WEIR_FRAME_F_HASHED;
		f->node.in.row[f->node.in.count++] = r;
	}
}

static void ctl(struct fixture *f, unsigned kind, int64_t value)
{
	f->node.in.ctl = (struct weir_ctl){.kind = (uint8_t)kind, .value = value};
}

static int run(struct fixture *f)
{
	return weir_task_drain(&f->task);
}

static void test_outlet_forward_keeps_order_and_takes_the_hash_off(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_FORWARD, 1, 65536);

	(void)state;
	batch(f, 0, 200, 13);
	ctl(f, WEIR_FRAME_WATERMARK, 150);
	assert_true(run(f) > 0);
	assert_true(weir_task_idle(&f->task));
	for (int64_t n = 0; n < 200; n++) {
		const struct weir_frame *r = ring_get(&f->ring[0]);

		row_check(r);
		assert_int_equal(row_get(r, ROW_N), n);
		assert_int_equal(r->key_hash, 0);
		assert_int_equal(r->flags, WEIR_FRAME_F_TIMED);
	}
	assert_int_equal(ring_get(&f->ring[0])->time_ns, 150);
	assert_null(ring_get(&f->ring[0]));
	assert_int_equal(f->node.watermark, 150);
	assert_int_equal(f->node.rows_in, 200);
	assert_int_equal(f->o->blocked, -1);
	stop(f);
}

static void test_outlet_key_goes_to_one_ring_by_group(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_KEY, 3, 65536);
	uint32_t rows = 0;

	(void)state;
	/* Ranges of groups are contiguous, in order, and nearly equal. */
	for (uint32_t g = 0; g < WEIR_KEY_GROUPS; g++) {
		uint32_t r = f->o->group_ring[g];

		assert_true(r < 3);
		if (g)
			assert_true(r == f->o->group_ring[g - 1] ||
				    r == f->o->group_ring[g - 1] + 1u);
	}
	assert_int_equal(f->o->group_ring[0], 0);
	assert_int_equal(f->o->group_ring[WEIR_KEY_GROUPS - 1], 2);
	for (uint32_t round = 0; round < 2; round++) {
		batch(f, 0, 250, 3);
		assert_true(run(f) > 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		int64_t last = -1;
		const struct weir_frame *r;
		bool second = false;

		while ((r = ring_get(&f->ring[i]))) {
			uint64_t h = weir_key_hash(r, row_schema(), key, 1);

			row_check(r);
			assert_int_equal(r->key_hash, h);
			assert_int_equal(r->flags, WEIR_FRAME_F_TIMED | WEIR_FRAME_F_HASHED);
			assert_int_equal(f->o->group_ring[weir_key_group(h)], i);
			if (row_get(r, ROW_N) <= last) {
				assert_false(second); /* in order within each round */
				second = true;
			}
			last = row_get(r, ROW_N);
			rows++;
		}
		assert_true(second);
	}
	assert_int_equal(rows, 500);
	stop(f);
}

static void test_outlet_key_groups_of_as_many_rings_as_groups(void **state)
{
	struct weir_node n = {0};
	struct weir_region region;
	struct weir_outlet *o;

	(void)state;
	weir_region_init(&region, &weir_test_mem);
	o = weir_outlet_init(&n, WEIR_SPREAD_KEY, row_schema(), key, 1, WEIR_KEY_GROUPS, &region);
	for (uint32_t g = 0; g < WEIR_KEY_GROUPS; g++)
		assert_int_equal(o->group_ring[g], g);
	weir_region_fini(&region);
}

static void test_outlet_turn_gives_whole_batches(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_TURN, 3, 16384);

	(void)state;
	for (int64_t b = 0; b < 6; b++) {
		batch(f, b * 10, 10, 5);
		assert_true(run(f) > 0);
	}
	for (int64_t b = 0; b < 6; b++) {
		for (int64_t n = 0; n < 10; n++)
			assert_int_equal(row_get(ring_get(&f->ring[b % 3]), ROW_N), b * 10 + n);
	}
	/* A control alone is no batch. */
	ctl(f, WEIR_FRAME_IDLE, 0);
	assert_true(run(f) > 0);
	assert_int_equal(f->o->turn, 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(ring_get(&f->ring[i])->kind, WEIR_FRAME_IDLE);
		assert_null(ring_get(&f->ring[i]));
	}
	stop(f);
}

static void test_outlet_turn_stays_at_a_full_ring(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_TURN, 2, 4096);
	int64_t n = 0;

	(void)state;
	batch(f, 0, 100, 0); /* 64 bytes each: 62 of them fit */
	assert_true(run(f) > 0);
	assert_int_equal(f->o->blocked, 0);
	assert_int_equal(f->node.in.pos, 62);
	assert_int_equal(run(f), 0);
	assert_null(ring_get(&f->ring[1]));
	while (n < 100) {
		const struct weir_frame *r = ring_get(&f->ring[0]);

		if (!r) {
			assert_true(run(f) > 0);
			continue;
		}
		assert_int_equal(row_get(r, ROW_N), n++);
	}
	assert_null(ring_get(&f->ring[0]));
	assert_null(ring_get(&f->ring[1]));
	assert_int_equal(f->o->turn, 1);
	assert_int_equal(f->o->blocked, -1);
	stop(f);
}

/* Resumes with room for 1, 2, ... frames at a time: nothing is lost, doubled, or out of order. */
static void test_outlet_resumes_at_every_room(void **state)
{
	static const enum weir_spread spread[] = {WEIR_SPREAD_FORWARD, WEIR_SPREAD_KEY,
						  WEIR_SPREAD_TURN};

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		for (uint32_t step = 1; step <= 70; step += step < 8 ? 1 : 9) {
			uint32_t rings = s ? 3 : 1, got = 0, eos = 0, stalled = 0;
			struct fixture *f = start(spread[s], rings, 4096);
			int64_t last[RINGS] = {-1, -1, -1, -1};
			bool seen[256] = {0};

			batch(f, 0, 256, 100);
			ctl(f, WEIR_FRAME_EOS, 0);
			while (eos < rings) {
				uint64_t tail[RINGS];
				int r;

				for (uint32_t i = 0; i < rings; i++)
					tail[i] = f->ring[i].block->tail;
				r = run(f);
				for (uint32_t i = 0; i < rings && r == 0; i++)
					assert_int_equal(f->ring[i].block->tail, tail[i]);
				stalled = r ? 0 : stalled + 1;
				assert_true(stalled < 300);
				for (uint32_t k = 0; k < step; k++) {
					uint32_t i = k % rings;
					const struct weir_frame *x = ring_get(&f->ring[i]);

					if (!x)
						continue;
					if (x->kind == WEIR_FRAME_EOS) {
						eos++;
						last[i] = INT64_MAX;
						continue;
					}
					row_check(x);
					assert_true(row_get(x, ROW_N) > last[i]);
					last[i] = row_get(x, ROW_N);
					assert_false(seen[last[i]]);
					seen[last[i]] = true;
					got++;
				}
				/* What was read last is still held: read on to give it back. */
				for (uint32_t i = 0; i < rings; i++)
					weir_ring_release(&f->ring[i].rx);
				if (step < rings)
					step = rings;
			}
			assert_int_equal(got, 256);
			stop(f);
		}
	}
}

static void fill(struct rig_ring *r)
{
	struct weir_frame c = {.size = sizeof(c), .kind = WEIR_FRAME_MARKER};
	struct weir_ring_tx tx;

	weir_ring_tx_init(&tx, r->block, r->base);
	while (weir_ring_put_frame(&tx, &c))
		;
	weir_ring_publish(&tx);
}

static uint32_t count_kind(struct rig_ring *r, unsigned kind)
{
	const struct weir_frame *f;
	uint32_t n = 0;

	while ((f = ring_get(r)))
		n += f->kind == kind;
	return n;
}

static void test_outlet_control_goes_once_to_each_ring_around_a_full_one(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_KEY, 4, 4096);

	(void)state;
	fill(&f->ring[1]);
	weir_ring_tx_init(&f->o->tx[1], f->ring[1].block, f->ring[1].base);
	fill(&f->ring[3]);
	weir_ring_tx_init(&f->o->tx[3], f->ring[3].block, f->ring[3].base);
	ctl(f, WEIR_FRAME_WATERMARK, 8);
	assert_int_equal(run(f), 1); /* ring 0 has it */
	assert_int_equal(f->o->blocked, 1);
	assert_int_equal(f->node.in.ctl.kind, WEIR_FRAME_WATERMARK);
	assert_int_equal(f->node.watermark, WEIR_TIME_MIN);
	assert_int_equal(run(f), 0);
	assert_int_equal(count_kind(&f->ring[0], WEIR_FRAME_WATERMARK), 1);
	assert_int_equal(count_kind(&f->ring[1], WEIR_FRAME_WATERMARK), 0);
	assert_int_equal(run(f), 1); /* rings 1 and 2 have it */
	assert_int_equal(f->o->blocked, 3);
	assert_int_equal(count_kind(&f->ring[3], WEIR_FRAME_WATERMARK), 0);
	assert_int_equal(run(f), 1);
	assert_int_equal(f->node.watermark, 8);
	assert_int_equal(count_kind(&f->ring[0], WEIR_FRAME_WATERMARK), 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(count_kind(&f->ring[i], WEIR_FRAME_WATERMARK), 1);
	/* The next control starts at the first ring again. */
	ctl(f, WEIR_FRAME_EOS, 0);
	assert_int_equal(run(f), 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(count_kind(&f->ring[i], WEIR_FRAME_EOS), 1);
	stop(f);
}

static void test_outlet_controls_use_the_reserve(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_FORWARD, 1, 4096);

	(void)state;
	batch(f, 0, 100, 0);
	ctl(f, WEIR_FRAME_MARKER, 5);
	assert_true(run(f) > 0);
	/* Rows are stuck, so the marker waits behind them. */
	assert_int_equal(f->node.in.ctl.kind, WEIR_FRAME_MARKER);
	assert_int_equal(f->o->blocked, 0);
	f->node.in.count = f->node.in.pos;
	assert_int_equal(run(f), 1);
	assert_int_equal(f->node.in.ctl.kind, 0);
	stop(f);
}

static void test_outlet_barrier_carries_its_epoch(void **state)
{
	struct fixture *f = start(WEIR_SPREAD_FORWARD, 1, 4096);
	const struct weir_frame *r;

	(void)state;
	ctl(f, WEIR_FRAME_BARRIER, 12);
	assert_int_equal(run(f), 1);
	r = ring_get(&f->ring[0]);
	assert_int_equal(r->kind, WEIR_FRAME_BARRIER);
	assert_int_equal(r->key_hash, 12);
	assert_int_equal(r->time_ns, 0);
	ctl(f, WEIR_FRAME_MARKER, 13);
	assert_int_equal(run(f), 1);
	r = ring_get(&f->ring[0]);
	assert_int_equal(r->time_ns, 13);
	assert_int_equal(r->key_hash, 0);
	stop(f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_outlet_forward_keeps_order_and_takes_the_hash_off),
	cmocka_unit_test(test_outlet_key_goes_to_one_ring_by_group),
	cmocka_unit_test(test_outlet_key_groups_of_as_many_rings_as_groups),
	cmocka_unit_test(test_outlet_turn_gives_whole_batches),
	cmocka_unit_test(test_outlet_turn_stays_at_a_full_ring),
	cmocka_unit_test(test_outlet_resumes_at_every_room),
	cmocka_unit_test(test_outlet_control_goes_once_to_each_ring_around_a_full_one),
	cmocka_unit_test(test_outlet_controls_use_the_reserve),
	cmocka_unit_test(test_outlet_barrier_carries_its_epoch),
};

WEIR_TEST_MAIN("outlet", tests)
