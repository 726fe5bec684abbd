/* SPDX-License-Identifier: Apache-2.0 */
/* A source under a brake: how much it may read, and how evenly; against an edge that is emptied at a pace of its own. */
#include "engine/core/pace.h"
#include "tests/lib/test.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)

/* An edge of `room` rows, emptied by `drain` rows a second, in pieces of what `piece_ns` bring. */
struct world {
	struct weir_pace p;
	uint64_t now, emptied_ns, piece_ns;
	uint64_t room, inside, drain, speed, rows;
	uint64_t window_ns, window_rows, low, high; /* rows of a second: the fewest and the most */
};

static void start(struct world *w, uint64_t room, uint64_t drain, uint64_t speed)
{
	memset(w, 0, sizeof(*w));
	w->now = w->emptied_ns = 1000 * S;
	w->piece_ns = 300 * MS;
	w->room = room;
	w->drain = drain;
	w->speed = speed;
}

static void windows(struct world *w)
{
	if (w->now - w->window_ns < S)
		return;
	w->low = WEIR_MIN(w->low, w->rows - w->window_rows);
	w->high = WEIR_MAX(w->high, w->rows - w->window_rows);
	w->window_rows = w->rows;
	w->window_ns = w->now;
}

/* The source could have `speed` rows a second, in batches of 256. */
static void run(struct world *w, uint64_t ns)
{
	uint64_t end = w->now + ns, wait;

	w->window_ns = w->now;
	w->window_rows = w->rows;
	w->low = UINT64_MAX;
	w->high = 0;
	while (w->now < end) {
		uint32_t n;

		if (w->now - w->emptied_ns >= w->piece_ns) {
			uint64_t all = w->drain * (w->now - w->emptied_ns) / S;

			w->inside -= WEIR_MIN(w->inside, all);
			w->emptied_ns = w->now;
		}
		windows(w);
		weir_pace_turn(&w->p,
			       (uint32_t)WEIR_MIN(w->inside * 1024 / w->room, UINT64_C(1024)),
			       w->now);
		wait = weir_pace_wait(&w->p);
		n = weir_pace_rows(&w->p, 256);
		assert_int_equal(n == 0, wait > 0);
		if (wait) {
			assert_in_range(wait, WEIR_PACE_NS_MIN, WEIR_PACE_NS_MAX);
			w->now += wait;
			continue;
		}
		weir_pace_took(&w->p, n);
		w->inside += n;
		w->rows += n;
		w->now += WEIR_MAX(n * S / w->speed, UINT64_C(1));
	}
}

static void test_pace_without_a_brake_is_the_clock(void **state)
{
	struct weir_pace p = {0};
	uint64_t now = 77;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		weir_pace_turn(&p, i % 513, now);
		assert_int_equal(p.time_ns, now);
		assert_int_equal(weir_pace_wait(&p), 0);
		assert_int_equal(weir_pace_rows(&p, 256), 256);
		weir_pace_took(&p, i % 256);
		now += i * i;
	}
}

/* However much faster the source is, and however large the edge: what comes through is what is taken, second by second. */
static void test_pace_comes_to_what_the_edge_takes(void **state)
{
	static const struct {
		uint64_t room, drain, speed;
	} is[] = {
		{10000, 900, 3700},	    {10000, 900, 1000000},  {10000, 5000, 10000000},
		{100000, 900, 1000000},	    {400000, 900, 1000000}, {1000, 300, 100000},
		{1000000, 100000, 5000000},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(is); i++) {
		struct world w;

		start(&w, is[i].room, is[i].drain, is[i].speed);
		/* The more of its own time an edge holds, the longer it takes. */
		run(&w, 60 * S + w.room / w.drain * S);
		run(&w, 120 * S);
		if (w.low < is[i].drain / 2 || w.high > is[i].drain * 2)
			fail_msg("room %llu, %llu a second of %llu: between %llu and %llu",
				 (unsigned long long)is[i].room, (unsigned long long)is[i].drain,
				 (unsigned long long)is[i].speed, (unsigned long long)w.low,
				 (unsigned long long)w.high);
		assert_in_range(w.inside * 100 / w.room, 50, 99);
	}
}

/* Nothing more is taken, then everything: it stops, and is back as soon as there is room. */
static void test_pace_full_is_standstill(void **state)
{
	struct world w;
	uint64_t rows, time;

	(void)state;
	start(&w, 10000, 0, 1000000);
	run(&w, 5 * S);
	rows = w.rows;
	assert_in_range(rows, 9000, 10256);
	w.inside = w.room;
	weir_pace_turn(&w.p, 1024, w.now);
	time = w.p.time_ns;
	run(&w, 60 * S);
	assert_int_equal(w.rows, rows);
	assert_int_equal(weir_pace_wait(&w.p), WEIR_PACE_NS_MAX);
	assert_true(w.p.time_ns == time); /* and nothing is made up for */
	assert_int_equal(w.p.base, WEIR_PACE_BASE_MIN);
	w.drain = 20000;
	run(&w, 4 * S);
	assert_true(w.rows - rows > 60000);
	/* More than it is: full. */
	weir_pace_turn(&w.p, 5000, w.now + 5 * MS);
	assert_int_equal(weir_pace_wait(&w.p), WEIR_PACE_NS_MAX);
	assert_int_equal(weir_pace_rows(&w.p, 256), 0);
}

/* Faster again by a hundred: the edge does not run empty for long. */
static void test_pace_follows_a_faster_reader(void **state)
{
	struct world w;
	uint64_t rows;

	(void)state;
	start(&w, 100000, 1000, 1000000);
	run(&w, 60 * S);
	w.drain = 100000;
	run(&w, 10 * S);
	rows = w.rows;
	run(&w, 20 * S);
	assert_in_range(w.rows - rows, 20 * w.drain * 9 / 10, 20 * w.drain * 11 / 10);
}

static void test_pace_time_runs_slower(void **state)
{
	struct weir_pace p = {0};
	uint64_t from;

	(void)state;
	weir_pace_turn(&p, 0, 1000 * MS);
	from = p.time_ns;
	for (uint64_t i = 1; i <= 1000; i++)
		weir_pace_turn(&p, 896, 1000 * MS + i * MS);
	assert_int_equal(p.time_ns - from, 250 * MS);
}

/* What was not read in time is lost: no rush behind a pause. */
static void test_pace_credit_has_a_limit(void **state)
{
	struct weir_pace p = {0};

	(void)state;
	p.base = 100000;
	weir_pace_turn(&p, 768, 1000 * MS);
	weir_pace_turn(&p, 768, 1000 * MS + 10 * MS);
	assert_int_equal(weir_pace_rows(&p, 5000), 1000);
	weir_pace_turn(&p, 768, 1000 * MS + 40 * MS);
	assert_int_equal(weir_pace_rows(&p, 5000), 2000);
	weir_pace_took(&p, 1500);
	assert_int_equal(weir_pace_rows(&p, 5000), 500);
	weir_pace_took(&p, 5000);
	assert_int_equal(weir_pace_rows(&p, 5000), 0);
	assert_int_equal(weir_pace_wait(&p), WEIR_PACE_NS_MIN);
	/* A slow one still gets its row. */
	p = (struct weir_pace){.base = 10};
	weir_pace_turn(&p, 1000, 1000 * MS);
	for (uint64_t i = 1; !weir_pace_rows(&p, 256); i++) {
		assert_true(i < 5000);
		weir_pace_turn(&p, 1000, 1000 * MS + i * 5 * MS);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_pace_without_a_brake_is_the_clock),
	cmocka_unit_test(test_pace_comes_to_what_the_edge_takes),
	cmocka_unit_test(test_pace_full_is_standstill),
	cmocka_unit_test(test_pace_follows_a_faster_reader),
	cmocka_unit_test(test_pace_time_runs_slower),
	cmocka_unit_test(test_pace_credit_has_a_limit),
};

WEIR_TEST_MAIN("pace", tests)
