/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/shm/seg.h"

struct pair {
	struct weir_segment s;
	struct weir_ring_tx tx;
	struct weir_ring_rx rx;
};

static int setup(void **state)
{
	struct pair *p = test_calloc(1, sizeof(*p));

	seg_create(&p->s);
	weir_ring_tx_init(&p->tx, &p->s.ring[0], p->s.ring_base[0]);
	weir_ring_rx_init(&p->rx, &p->s.ring[0], p->s.ring_base[0]);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	weir_segment_close(&p->s);
	test_free(p);
	return 0;
}

static void put_u64(struct pair *p, uint64_t v)
{
	void *m = weir_ring_claim(&p->tx, 8);

	assert_non_null(m);
	memcpy(m, &v, 8);
	weir_ring_keep(&p->tx, 8);
}

static void test_ring_empty_gives_nothing(void **state)
{
	struct pair *p = *state;
	const void *m;

	assert_int_equal(weir_ring_peek(&p->rx, 1, &m), 0);
	assert_int_equal(weir_ring_room(&p->tx, 1), p->tx.capacity - p->s.ring[0].reserve);
}

static void test_ring_kept_is_invisible_until_published(void **state)
{
	struct pair *p = *state;
	const void *m;
	uint64_t v;

	put_u64(p, 17);
	put_u64(p, 18);
	assert_int_equal(weir_ring_peek(&p->rx, 1, &m), 0);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 1, &m), 16);
	memcpy(&v, m, 8);
	assert_int_equal(v, 17);
	memcpy(&v, (const char *)m + 8, 8);
	assert_int_equal(v, 18);
}

static void test_ring_peek_with_enough_does_not_look_again(void **state)
{
	struct pair *p = *state;
	const void *m;

	put_u64(p, 1);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 8, &m), 8);
	put_u64(p, 2);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 8, &m), 8);
	assert_int_equal(weir_ring_peek(&p->rx, 16, &m), 16);
}

static void test_ring_discard_forgets_only_the_unpublished(void **state)
{
	struct pair *p = *state;
	const void *m;
	uint64_t v;

	put_u64(p, 1);
	weir_ring_publish(&p->tx);
	put_u64(p, 2);
	weir_ring_discard(&p->tx);
	put_u64(p, 3);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 16, &m), 16);
	memcpy(&v, (const char *)m + 8, 8);
	assert_int_equal(v, 3);
}

static void test_ring_publish_and_release_without_news_write_nothing(void **state)
{
	struct pair *p = *state;

	/* A foreign value in the shared words shows whether they are written. */
	weir_store_relaxed(&p->s.ring[0].tail, 4242);
	weir_store_relaxed(&p->s.ring[0].head, 4242);
	weir_ring_publish(&p->tx);
	weir_ring_release(&p->rx);
	assert_int_equal(weir_load_relaxed(&p->s.ring[0].tail), 4242);
	assert_int_equal(weir_load_relaxed(&p->s.ring[0].head), 4242);
}

static void test_ring_full_leaves_the_reserve_to_control_frames(void **state)
{
	struct pair *p = *state;
	uint64_t reserve = p->s.ring[0].reserve, control = 0;

	while (weir_ring_claim(&p->tx, 8))
		weir_ring_keep(&p->tx, 8);
	assert_int_equal(p->tx.tail, p->tx.capacity - reserve);
	assert_int_equal(weir_ring_room(&p->tx, 8), 0);
	while (weir_ring_put_control(&p->tx, WEIR_FRAME_WATERMARK, 0, 5))
		control++;
	assert_int_equal(control, reserve / WEIR_CONTROL_BYTES);
	assert_true(control > 0);
	assert_true(p->tx.tail <= p->tx.capacity);
	/* The tail is now beyond the data capacity: still no room, and no wrap to a huge number. */
	assert_int_equal(weir_ring_room(&p->tx, 8), 0);
	assert_null(weir_ring_claim(&p->tx, 8));
}

static void test_ring_release_gives_room_back(void **state)
{
	struct pair *p = *state;
	const void *m;

	while (weir_ring_claim(&p->tx, 64))
		weir_ring_keep(&p->tx, 64);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 1, &m), p->tx.tail);
	weir_ring_consume(&p->rx, 64);
	assert_null(weir_ring_claim(&p->tx, 64)); /* consumed, not released */
	weir_ring_release(&p->rx);
	assert_non_null(weir_ring_claim(&p->tx, 64));
	assert_null(weir_ring_claim(&p->tx, 128));
}

static void test_ring_span_is_contiguous_over_the_end(void **state)
{
	struct pair *p = *state;
	uint64_t cap = p->tx.capacity;
	uint8_t *m;
	const void *r;

	/* Move both sides to 16 bytes before the end. */
	p->s.ring[0].tail = p->s.ring[0].head = cap - 16;
	weir_ring_tx_init(&p->tx, &p->s.ring[0], p->s.ring_base[0]);
	weir_ring_rx_init(&p->rx, &p->s.ring[0], p->s.ring_base[0]);
	m = weir_ring_claim(&p->tx, 256);
	assert_ptr_equal(m, p->s.ring_base[0] + cap - 16);
	for (unsigned i = 0; i < 256; i++)
		m[i] = (uint8_t)i;
	weir_ring_keep(&p->tx, 256);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 256, &r), 256);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(((const uint8_t *)r)[i], i);
	/* Both views are the same memory. */
	assert_int_equal(p->s.ring_base[0][0], 16);
}

static void test_ring_runs_for_many_laps(void **state)
{
	struct pair *p = *state;
	uint64_t sent = 0, got = 0;
	const void *m;

	while (got < 100000) {
		unsigned batch = 1 + (unsigned)(sent % 61);

		for (unsigned i = 0; i < batch && weir_ring_claim(&p->tx, 8); i++)
			put_u64(p, sent++);
		weir_ring_publish(&p->tx);
		for (uint64_t n = weir_ring_peek(&p->rx, 400, &m) / 8, i = 0; i < n; i++) {
			uint64_t v;

			memcpy(&v, (const char *)m + 8 * i, 8);
			assert_int_equal(v, got++);
			weir_ring_consume(&p->rx, 8);
		}
		weir_ring_release(&p->rx);
	}
	assert_int_equal(sent, got);
}

static void test_ring_positions_survive_large_values(void **state)
{
	struct pair *p = *state;
	uint64_t far = UINT64_C(1) << 62;
	const void *m;

	p->s.ring[0].tail = p->s.ring[0].head = far;
	weir_ring_tx_init(&p->tx, &p->s.ring[0], p->s.ring_base[0]);
	weir_ring_rx_init(&p->rx, &p->s.ring[0], p->s.ring_base[0]);
	put_u64(p, 9);
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 8, &m), 8);
	assert_int_equal(weir_load_relaxed(&p->s.ring[0].tail), far + 8);
}

static void test_ring_restarted_peers_continue(void **state)
{
	struct pair *p = *state;
	struct weir_ring_tx tx;
	struct weir_ring_rx rx;
	const void *m;
	uint64_t v;

	put_u64(p, 1);
	put_u64(p, 2);
	weir_ring_publish(&p->tx);
	put_u64(p, 3); /* dies before it publishes */
	weir_ring_tx_init(&tx, &p->s.ring[0], p->s.ring_base[0]);
	assert_int_equal(tx.tail, 16);
	weir_ring_peek(&p->rx, 8, &m);
	weir_ring_consume(&p->rx, 8);
	weir_ring_release(&p->rx);
	weir_ring_consume(&p->rx, 8); /* dies before it releases */
	weir_ring_rx_init(&rx, &p->s.ring[0], p->s.ring_base[0]);
	assert_int_equal(weir_ring_peek(&rx, 1, &m), 8);
	memcpy(&v, m, 8);
	assert_int_equal(v, 2);
}

static void test_ring_put_frame_uses_the_stride(void **state)
{
	struct pair *p = *state;
	uint64_t mem[32] = {0};
	struct weir_schema schema;
	struct weir_frame *f;
	const struct weir_frame *r;
	const void *m;

	seg_schema(&schema);
	f = seg_frame(mem, &schema, 5, "abc");
	assert_int_not_equal(f->size % 8, 0);
	assert_true(weir_ring_put_frame(&p->tx, f));
	assert_int_equal(p->tx.tail, weir_frame_stride(f));
	assert_true(weir_ring_put_control(&p->tx, WEIR_FRAME_BARRIER, 12, 34));
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 1, &m), weir_frame_stride(f) + WEIR_CONTROL_BYTES);
	r = m;
	assert_int_equal(weir_get_i64(r, &schema, 0), 5);
	r = (const struct weir_frame *)((const char *)m + weir_frame_stride(r));
	assert_int_equal(r->kind, WEIR_FRAME_BARRIER);
	assert_int_equal(r->size, WEIR_CONTROL_BYTES);
	assert_int_equal(r->key_hash, 12);
	assert_int_equal(r->time_ns, 34);
}

static void test_ring_control_keeps_records_on_lines_of_their_own(void **state)
{
	struct pair *p = *state;
	uint64_t line[8] = {0};
	struct weir_frame *f = (struct weir_frame *)line;
	const uint8_t *zero;
	const void *m;

	*f = (struct weir_frame){.size = sizeof(line), .kind = WEIR_FRAME_DATA};
	/* What an earlier lap left there. */
	memset(p->s.ring_base[0], 0xa5, p->tx.capacity);
	for (int i = 0; i < 3; i++) {
		f->key_hash = (uint64_t)i;
		assert_true(weir_ring_put_frame(&p->tx, f));
		assert_true(weir_ring_put_control(&p->tx, WEIR_FRAME_WATERMARK, 0, i));
	}
	weir_ring_publish(&p->tx);
	assert_int_equal(weir_ring_peek(&p->rx, 1, &m), 6 * 64);
	for (int i = 0; i < 6; i++) {
		const struct weir_frame *r = (const struct weir_frame *)((const char *)m + 64 * i);

		assert_int_equal((uintptr_t)r % 64, 0);
		assert_int_equal(r->kind, i % 2 ? WEIR_FRAME_WATERMARK : WEIR_FRAME_DATA);
		assert_int_equal(weir_frame_check(r, 64, NULL), 0);
		if (i % 2 == 0) {
			assert_int_equal(r->key_hash, i / 2);
			continue;
		}
		zero = (const uint8_t *)(r + 1);
		for (unsigned k = 0; k < WEIR_CONTROL_BYTES - sizeof(*r); k++)
			assert_int_equal(zero[k], 0);
	}
}

static void test_ring_put_frame_on_a_full_ring_changes_nothing(void **state)
{
	struct pair *p = *state;
	struct weir_schema schema;
	struct weir_frame *f;
	uint64_t mem[32] = {0}, tail;

	seg_schema(&schema);
	f = seg_frame(mem, &schema, 5, "abc");
	while (weir_ring_put_frame(&p->tx, f))
		;
	tail = p->tx.tail;
	assert_false(weir_ring_put_frame(&p->tx, f));
	assert_int_equal(p->tx.tail, tail);
}

static void test_ring_put_control_refuses_other_kinds(void **state)
{
	struct pair *p = *state;
	static const unsigned bad[] = {WEIR_FRAME_NONE, WEIR_FRAME_DATA, WEIR_FRAME_KIND_COUNT};

	for (unsigned i = 0; i < WEIR_COUNT_OF(bad); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			signal(SIGILL, SIG_DFL); /* cmocka catches it */
			signal(SIGTRAP, SIG_DFL);
			weir_panic_set_hook(NULL);
			weir_ring_put_control(&p->tx, bad[i], 0, 0);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(test_ring_empty_gives_nothing),
	T(test_ring_kept_is_invisible_until_published),
	T(test_ring_peek_with_enough_does_not_look_again),
	T(test_ring_discard_forgets_only_the_unpublished),
	T(test_ring_publish_and_release_without_news_write_nothing),
	T(test_ring_full_leaves_the_reserve_to_control_frames),
	T(test_ring_release_gives_room_back),
	T(test_ring_span_is_contiguous_over_the_end),
	T(test_ring_runs_for_many_laps),
	T(test_ring_positions_survive_large_values),
	T(test_ring_restarted_peers_continue),
	T(test_ring_put_frame_uses_the_stride),
	T(test_ring_control_keeps_records_on_lines_of_their_own),
	T(test_ring_put_frame_on_a_full_ring_changes_nothing),
	T(test_ring_put_control_refuses_other_kinds),
};

WEIR_TEST_MAIN("ring", tests)
