/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/task_rig.h"

#define RINGS 3

struct fixture {
	struct weir_region region;
	struct rig_ring ring[RINGS];
	struct weir_inlet in;
	struct weir_batch b;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	weir_region_init(&f->region, &weir_test_mem);
	weir_inlet_init(&f->in, RINGS, &f->region);
	for (int i = 0; i < RINGS; i++) {
		ring_open(&f->ring[i], 4096, 256);
		weir_ring_rx_init(&f->in.ring[i].rx, f->ring[i].block, f->ring[i].base);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < RINGS; i++)
		ring_close(&f->ring[i]);
	weir_region_fini(&f->region);
	free(f);
	return 0;
}

/* The next batch; the one before is given back. */
static bool next(struct fixture *f)
{
	weir_inlet_release(&f->in);
	memset(&f->b, 0, offsetof(struct weir_batch, row));
	return weir_inlet_fill(&f->in, &f->b);
}

static void expect_ctl(struct fixture *f, unsigned kind, int64_t value)
{
	assert_true(next(f));
	assert_int_equal(f->b.count, 0);
	assert_int_equal(f->b.ctl.kind, kind);
	assert_int_equal(f->b.ctl.value, value);
}

static void expect_rows(struct fixture *f, uint32_t count, int64_t first)
{
	assert_true(next(f));
	assert_int_equal(f->b.count, count);
	assert_int_equal(f->b.pos, 0);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(row_get(f->b.row[i], ROW_N), first + i);
}

static void expect_nothing(struct fixture *f)
{
	assert_false(next(f));
	assert_true(weir_batch_empty(&f->b));
}

static void test_inlet_takes_the_rings_in_turn(void **state)
{
	struct fixture *f = *state;

	expect_nothing(f);
	ring_put_row(&f->ring[1], 1, 10, 0);
	ring_put_row(&f->ring[1], 1, 11, 0);
	ring_put_row(&f->ring[2], 2, 20, 0);
	expect_rows(f, 2, 10);
	ring_put_row(&f->ring[0], 0, 1, 0);
	ring_put_row(&f->ring[1], 1, 12, 0);
	expect_rows(f, 1, 20);
	expect_rows(f, 1, 1);
	expect_rows(f, 1, 12);
	expect_nothing(f);
	assert_int_equal(f->in.rows, 5);
}

static void test_inlet_frames_stay_until_they_are_released(void **state)
{
	struct fixture *f = *state;
	uint64_t mem[ROW_BYTES_MAX / 8 + 1] = {0}, used = 0;
	int64_t n = 0, expected = 0;

	while (ring_put(&f->ring[0], row_build(mem, 0, n, 0, 0, 200)))
		n++;
	assert_true(next(f));
	assert_int_equal(f->b.count, n);
	assert_false(ring_put(&f->ring[0], row_build(mem, 0, n, 0, 0, 200)));
	for (uint32_t i = 0; i < f->b.count; i++) {
		row_check(f->b.row[i]);
		used += weir_frame_stride(f->b.row[i]);
	}
	assert_int_equal(f->ring[0].block->head, 0);
	weir_inlet_release(&f->in);
	weir_inlet_release(&f->in); /* nothing held: nothing happens */
	assert_int_equal(f->ring[0].block->head, used);
	assert_true(ring_put(&f->ring[0], row_build(mem, 0, n, 0, 0, 200)));
	expected = n;
	expect_rows(f, 1, expected);
}

static void test_inlet_batch_limit_and_release_by_the_quarter(void **state)
{
	struct fixture *f = *state;
	struct rig_ring big;
	uint32_t left, stride;

	ring_open(&big, 65536, 256);
	weir_ring_rx_init(&f->in.ring[0].rx, big.block, big.base);
	for (int64_t n = 0; n < 600; n++)
		ring_put_row(&big, 0, n, 0);
	ring_put_ctl(&big, WEIR_FRAME_MARKER, 5);
	ring_put_row(&big, 0, 600, 0);
	expect_rows(f, WEIR_BATCH_ROWS, 0);
	stride = weir_frame_stride(f->b.row[0]);
	/* These are 256 rows of 64 bytes: exactly a quarter goes back. */
	assert_int_equal(stride, 64);
	weir_inlet_release(&f->in);
	assert_int_equal(big.block->head, 65536 / 4);
	left = 600 - WEIR_BATCH_ROWS;
	expect_rows(f, WEIR_BATCH_ROWS, 256);
	weir_inlet_release(&f->in);
	left -= WEIR_BATCH_ROWS;
	/* 88 rows, then the marker: the row behind it waits, and less than a quarter is kept back. */
	expect_rows(f, left, 512);
	assert_int_equal(f->b.ctl.kind, WEIR_FRAME_MARKER);
	weir_inlet_release(&f->in);
	assert_true(big.block->head < f->in.ring[0].rx.head);
	expect_rows(f, 1, 600);
	weir_inlet_release(&f->in);
	/* Nothing is waiting: all of it goes back. */
	assert_int_equal(big.block->head, big.block->tail);
	weir_ring_rx_init(&f->in.ring[0].rx, f->ring[0].block, f->ring[0].base);
	ring_close(&big);
}

static void test_inlet_watermark_is_the_lowest_and_never_goes_back(void **state)
{
	struct fixture *f = *state;

	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 10);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 20);
	expect_nothing(f); /* ring 2 has none yet */
	ring_put_ctl(&f->ring[2], WEIR_FRAME_WATERMARK, 5);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 5);
	ring_put_ctl(&f->ring[2], WEIR_FRAME_WATERMARK, 3);
	expect_nothing(f);
	ring_put_ctl(&f->ring[2], WEIR_FRAME_WATERMARK, 30);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 10);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 40);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 20);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 20);
	expect_nothing(f);
}

static void test_inlet_watermark_comes_after_the_rows_before_it(void **state)
{
	struct fixture *f = *state;

	for (int i = 1; i < RINGS; i++)
		ring_put_ctl(&f->ring[i], WEIR_FRAME_WATERMARK, 100);
	expect_nothing(f);
	ring_put_row(&f->ring[0], 0, 1, 0);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 1);
	ring_put_row(&f->ring[0], 0, 2, 0);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 1); /* not news: no end of a batch */
	ring_put_row(&f->ring[0], 0, 3, 0);
	expect_rows(f, 1, 1);
	assert_int_equal(f->b.ctl.kind, WEIR_FRAME_WATERMARK);
	assert_int_equal(f->b.ctl.value, 1);
	expect_rows(f, 2, 2);
	assert_int_equal(f->b.ctl.kind, 0);
}

static void test_inlet_idle_rings_do_not_hold_the_watermark_back(void **state)
{
	struct fixture *f = *state;

	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 10);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 20);
	ring_put_ctl(&f->ring[2], WEIR_FRAME_IDLE, 0);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 10);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_IDLE, 0);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 20);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_IDLE, 0);
	expect_ctl(f, WEIR_FRAME_IDLE, 0);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_IDLE, 0);
	expect_nothing(f);
	/* A watermark ends idleness; one behind what was said is no news. */
	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 15);
	expect_nothing(f);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 25);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 25);
	/* Rows end it too: ring 1 holds the watermark at its 20 again. */
	ring_put_row(&f->ring[1], 1, 24, 0);
	expect_rows(f, 1, 24);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 50);
	expect_nothing(f);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 30);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 30);
}

static void test_inlet_idle_right_behind_rows_counts(void **state)
{
	struct fixture *f = *state;

	ring_put_ctl(&f->ring[2], WEIR_FRAME_EOS, 0);
	expect_nothing(f);
	/* Seen in one go: rows, then idle. */
	ring_put_row(&f->ring[0], 0, 1, 0);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_IDLE, 0);
	expect_rows(f, 1, 1);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 7);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 7);
	/* Idle, then rows: not idle. */
	ring_put_ctl(&f->ring[0], WEIR_FRAME_IDLE, 0);
	ring_put_row(&f->ring[0], 0, 2, 0);
	expect_rows(f, 1, 2);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 9);
	expect_nothing(f);
}

static void test_inlet_idle_is_said_again_after_rows(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < RINGS; i++)
		ring_put_ctl(&f->ring[i], WEIR_FRAME_IDLE, 0);
	expect_ctl(f, WEIR_FRAME_IDLE, 0);
	/* A row without a new watermark: whoever reads this task takes it for active now. */
	ring_put_row(&f->ring[1], 1, 1, 0);
	expect_rows(f, 1, 1);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_IDLE, 0);
	expect_ctl(f, WEIR_FRAME_IDLE, 0);
	ring_put_row(&f->ring[1], 1, 2, 0);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_IDLE, 0);
	expect_rows(f, 1, 2);
	assert_int_equal(f->b.ctl.kind, WEIR_FRAME_IDLE);
	expect_nothing(f);
}

static void test_inlet_ends_when_all_rings_have_ended(void **state)
{
	struct fixture *f = *state;

	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 10);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 20);
	ring_put_row(&f->ring[2], 2, 1, 0);
	expect_rows(f, 1, 1);
	/* The end of a ring takes it out of the watermark. */
	ring_put_ctl(&f->ring[2], WEIR_FRAME_EOS, 0);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 10);
	ring_put_ctl(&f->ring[0], WEIR_FRAME_EOS, 0);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 20);
	/* All others have ended and the last one is idle. */
	ring_put_ctl(&f->ring[1], WEIR_FRAME_IDLE, 0);
	expect_ctl(f, WEIR_FRAME_IDLE, 0);
	ring_put_row(&f->ring[1], 1, 99, 0);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_EOS, 0);
	expect_rows(f, 1, 99);
	assert_int_equal(f->b.ctl.kind, WEIR_FRAME_EOS);
	expect_nothing(f);
}

static void test_inlet_markers_pass(void **state)
{
	struct fixture *f = *state;

	ring_put_ctl(&f->ring[1], WEIR_FRAME_MARKER, 77);
	expect_ctl(f, WEIR_FRAME_MARKER, 77);
	ring_put_row(&f->ring[2], 2, 1, 0);
	ring_put_ctl(&f->ring[2], WEIR_FRAME_MARKER, 78);
	expect_rows(f, 1, 1);
	assert_int_equal(f->b.ctl.kind, WEIR_FRAME_MARKER);
	expect_nothing(f);
}

/* The epoch is in the frame's hash, as the outlet writes it. */
static void put_barrier(struct fixture *f, int ring, uint64_t epoch)
{
	assert_true(weir_ring_put_control(&f->ring[ring].tx, WEIR_FRAME_BARRIER, epoch, 0));
	weir_ring_publish(&f->ring[ring].tx);
}

static void test_inlet_barrier_waits_for_all_rings(void **state)
{
	struct fixture *f = *state;

	put_barrier(f, 0, 3);
	ring_put_row(&f->ring[0], 0, 100, 0); /* of the next epoch */
	expect_nothing(f);
	/* Rings without their barrier go on, the other one waits (I3). */
	ring_put_row(&f->ring[1], 1, 1, 0);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_MARKER, 5);
	expect_rows(f, 1, 1);
	assert_int_equal(f->b.ctl.kind, WEIR_FRAME_MARKER);
	ring_put_row(&f->ring[1], 1, 2, 0);
	put_barrier(f, 1, 3);
	ring_put_row(&f->ring[1], 1, 101, 0);
	expect_rows(f, 1, 2);
	assert_int_equal(f->b.ctl.kind, 0);
	expect_nothing(f);
	/* The last one: it goes on at once. */
	put_barrier(f, 2, 3);
	ring_put_row(&f->ring[2], 2, 102, 0);
	expect_ctl(f, WEIR_FRAME_BARRIER, 3);
	expect_rows(f, 1, 100);
	expect_rows(f, 1, 101);
	expect_rows(f, 1, 102);
	expect_nothing(f);
	for (int i = 0; i < RINGS; i++)
		assert_int_equal(f->ring[i].block->head, f->ring[i].block->tail);
}

static void test_inlet_barrier_behind_rows_of_the_same_batch(void **state)
{
	struct fixture *f = *state;

	put_barrier(f, 0, 7);
	put_barrier(f, 1, 7);
	expect_nothing(f);
	ring_put_row(&f->ring[2], 2, 1, 0);
	put_barrier(f, 2, 7);
	ring_put_row(&f->ring[2], 2, 2, 0);
	expect_rows(f, 1, 1);
	assert_int_equal(f->b.ctl.kind, 0);
	expect_ctl(f, WEIR_FRAME_BARRIER, 7);
	expect_rows(f, 1, 2);
	/* The next one, in another order. */
	for (int i = RINGS - 1; i >= 0; i--)
		put_barrier(f, i, 8);
	expect_ctl(f, WEIR_FRAME_BARRIER, 8);
	expect_nothing(f);
}

static void test_inlet_barrier_does_not_wait_for_ended_rings(void **state)
{
	struct fixture *f = *state;

	/* Ended before, */
	ring_put_ctl(&f->ring[0], WEIR_FRAME_EOS, 0);
	expect_nothing(f);
	put_barrier(f, 1, 3);
	expect_nothing(f);
	/* and while the barrier waits: its end changes the watermark first. */
	ring_put_ctl(&f->ring[2], WEIR_FRAME_EOS, 0);
	expect_ctl(f, WEIR_FRAME_BARRIER, 3);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 9);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 9);
	put_barrier(f, 1, 4);
	expect_ctl(f, WEIR_FRAME_BARRIER, 4);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_EOS, 0);
	expect_ctl(f, WEIR_FRAME_EOS, 0);
	expect_nothing(f);
}

static void test_inlet_end_with_a_watermark_comes_before_the_barrier(void **state)
{
	struct fixture *f = *state;

	ring_put_ctl(&f->ring[0], WEIR_FRAME_WATERMARK, 10);
	put_barrier(f, 0, 3);
	ring_put_ctl(&f->ring[1], WEIR_FRAME_WATERMARK, 20);
	put_barrier(f, 1, 3);
	expect_nothing(f);
	ring_put_ctl(&f->ring[2], WEIR_FRAME_EOS, 0);
	expect_ctl(f, WEIR_FRAME_WATERMARK, 10);
	expect_ctl(f, WEIR_FRAME_BARRIER, 3);
	expect_nothing(f);
}

/* Every order of the rings: between two barriers exactly the rows of that epoch. */
static void test_inlet_barrier_random(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 5, epoch[RINGS] = {0}, at = 0;
	uint32_t rows = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t r = (uint32_t)(rig_rand(&seed) % RINGS);

		/* At most two epochs ahead: the rings are small. */
		if (epoch[r] < at + 2 && rig_rand(&seed) % 4 == 0)
			put_barrier(f, (int)r, ++epoch[r]);
		else if (rig_rand(&seed) % 2 &&
			 f->ring[r].block->tail - f->ring[r].block->head < 2048)
			ring_put_row(&f->ring[r], r, (int64_t)epoch[r], 0);
		if (rig_rand(&seed) % 3 || !next(f))
			continue;
		for (uint32_t k = 0; k < f->b.count; k++)
			assert_int_equal(row_get(f->b.row[k], ROW_N), at);
		rows += f->b.count;
		if (f->b.ctl.kind) {
			assert_int_equal(f->b.ctl.kind, WEIR_FRAME_BARRIER);
			assert_int_equal(f->b.ctl.value, ++at);
		}
	}
	assert_true(at > 100 && rows > 1000);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(test_inlet_takes_the_rings_in_turn),
	TEST(test_inlet_frames_stay_until_they_are_released),
	TEST(test_inlet_batch_limit_and_release_by_the_quarter),
	TEST(test_inlet_watermark_is_the_lowest_and_never_goes_back),
	TEST(test_inlet_watermark_comes_after_the_rows_before_it),
	TEST(test_inlet_idle_rings_do_not_hold_the_watermark_back),
	TEST(test_inlet_idle_right_behind_rows_counts),
	TEST(test_inlet_idle_is_said_again_after_rows),
	TEST(test_inlet_ends_when_all_rings_have_ended),
	TEST(test_inlet_markers_pass),
	TEST(test_inlet_barrier_waits_for_all_rings),
	TEST(test_inlet_barrier_behind_rows_of_the_same_batch),
	TEST(test_inlet_barrier_does_not_wait_for_ended_rings),
	TEST(test_inlet_end_with_a_watermark_comes_before_the_barrier),
	TEST(test_inlet_barrier_random),
};

WEIR_TEST_MAIN("inlet", tests)
