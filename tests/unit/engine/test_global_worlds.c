/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Global aggregates in random worlds of three regions, against a count of all windows by other means. WEIR_SEED=N runs one world
 * alone, WEIR_RUNS=N more of them. In a build with planted bugs each of those of global aggregates must be found.
 */
#include <setjmp.h>

#include "base/assert.h"
#include "tests/unit/engine/global_world.h"

#define STARTS 256
#define START_BIAS 60

enum {
	F_KEY,
	F_START,
	F_END,
	F_LOW,
	F_N,
	F_TOTAL,
	F_F,
	F_WHO,
	F_D,
	F_MEAN,
	F_VER,
	F_FINAL,
	F_REGIONS,
	F_MISSING
};

static struct world world;

/* ---- steps ---- */

static void deliver(struct world *w, uint32_t from, uint32_t to, uint32_t most)
{
	struct world_region *a = &w->region[from], *b = &w->region[to];
	uint32_t have = a->durable.log;

	if (w->cut[from][to] || from == to)
		return;
	merge_takes(b, from, &a->log, WEIR_MIN(have, b->now.cursor[from] + most));
	/* Something it has had comes again. */
	if (w->can_repeat && b->now.cursor[from] && world_dice(w, 1, 4)) {
		const struct weir_frame *f =
			a->log.frame[weir_prng_below(&w->rnd, b->now.cursor[from])];

		if (f->kind == WEIR_FRAME_DATA) {
			weir_oprig_put_frame(&b->rig[WORLD_MERGE], f);
			weir_oprig_run(&b->rig[WORLD_MERGE]);
		}
	}
	check_failed(w, b);
}

static void random_step(struct world *w)
{
	uint32_t r = (uint32_t)weir_prng_below(&w->rnd, WORLD_REGIONS);
	uint32_t q = (uint32_t)weir_prng_below(&w->rnd, WORLD_REGIONS);
	uint64_t dice = weir_prng_below(&w->rnd, 100);

	w->now_ns += (int64_t)weir_prng_below(&w->rnd, 8) * WORLD_MS;
	if (dice < 30)
		region_read(w, &w->region[r], (uint32_t)weir_prng_below(&w->rnd, 12));
	else if (dice < 50)
		region_barrier(w, &w->region[r]);
	else if (dice < 65)
		region_encode(w, &w->region[r], weir_prng_below(&w->rnd, 600));
	else if (dice < 90)
		deliver(w, r, q, (uint32_t)weir_prng_below(&w->rnd, 20));
	else if (dice < 94 && w->can_cut)
		w->cut[r][q] = !w->cut[r][q];
	else if (dice < 97 && w->can_crash)
		region_crash(w, &w->region[r]);
}

static void heal(struct world *w)
{
	memset(w->cut, 0, sizeof(w->cut));
	for (int round = 0; round < 3; round++) {
		for (uint32_t r = 0; r < WORLD_REGIONS; r++) {
			region_read(w, &w->region[r], WORLD_INPUT);
			region_barrier(w, &w->region[r]);
			while (w->region[r].encoding)
				region_encode(w, &w->region[r], 1000);
		}
		for (uint32_t r = 0; r < WORLD_REGIONS; r++)
			for (uint32_t q = 0; q < WORLD_REGIONS; q++)
				deliver(w, r, q, UINT32_MAX / 2);
	}
}

/* ---- what must come out ---- */

struct group {
	int64_t n, total, low;
	uint32_t texts; /* bits */
};

static struct group wanted[STARTS][WORLD_KEYS];
static uint64_t rows_late[WORLD_REGIONS];

static uint32_t start_index(const struct world *w, int64_t start)
{
	int64_t i = start / w->slide + START_BIAS;

	assert_true(start % w->slide == 0 && i >= 0 && i < STARTS);
	return (uint32_t)i;
}

static void want_row(struct world *w, uint32_t region, const struct world_input *in)
{
	int64_t start = in->time;
	bool late = true;

	while (start % w->slide)
		start--;
	for (; start + w->size > in->time; start -= w->slide) {
		struct group *g;

		if (in->watermark != WEIR_TIME_MIN &&
		    start + w->size - 1 + w->lateness <= in->watermark)
			continue;
		late = false;
		g = &wanted[start_index(w, start)][in->key];
		g->low = g->n ? WEIR_MIN(g->low, in->v) : in->v;
		g->n++;
		g->total += in->v;
		g->texts |= 1u << in->s;
	}
	rows_late[region] += late;
}

static void want_all(struct world *w)
{
	memset(wanted, 0, sizeof(wanted));
	memset(rows_late, 0, sizeof(rows_late));
	for (uint32_t r = 0; r < WORLD_REGIONS; r++)
		for (uint32_t i = 0; i < WORLD_INPUT; i++)
			want_row(w, r, &w->input[r][i]);
}

/* ---- what came out ---- */

struct seen {
	int64_t ver, n;
	uint32_t mask;
	bool final;
};

static struct seen seen[STARTS][WORLD_KEYS];
static struct world_frames finals[WORLD_REGIONS];

static const struct weir_schema *out_schema(const struct world *w)
{
	return w->region[0].step[WORLD_MERGE].port[0].schema;
}

static uint32_t key_of(const struct weir_frame *f, const struct weir_schema *s)
{
	static const char *const text[] = {"a", "", "key", "another key"};
	struct weir_str k = weir_get_str(f, s, F_KEY);

	if (weir_null(f, s, F_KEY))
		return 4;
	for (uint32_t i = 0; i < 4; i++)
		if (weir_str_is(k, text[i]))
			return i;
	fail_msg("a key that is none");
	return 0;
}

/* "eu,ap" to bits; in the order of the cluster. */
static uint32_t mask_of(struct world *w, struct weir_str s)
{
	uint32_t mask = 0, last = 0;

	while (s.n) {
		const char *comma = memchr(s.p, ',', s.n);
		struct weir_str name = {s.p, comma ? (size_t)(comma - s.p) : s.n};
		uint32_t bit = 0;

		for (uint32_t i = 0; i < WORLD_REGIONS; i++)
			if (weir_str_is(name, five[i]))
				bit = 1u << i;
		if (bit <= last)
			world_wrong(w, "regions `%.*s`", (int)s.n, s.p);
		mask |= last = bit;
		s.p += name.n + !!comma;
		s.n -= name.n + !!comma;
	}
	return mask;
}

static void check_value(struct world *w, const struct weir_frame *f, const struct group *g)
{
	const struct weir_schema *s = out_schema(w);

	if (weir_get_i64(f, s, F_N) != g->n || weir_get_i64(f, s, F_TOTAL) != g->total ||
	    weir_get_i64(f, s, F_LOW) != g->low ||
	    weir_get_i64(f, s, F_D) != __builtin_popcount(g->texts))
		world_wrong(w, "final result of %lld: n %lld of %lld, total %lld of %lld",
			    (long long)weir_get_i64(f, s, F_START),
			    (long long)weir_get_i64(f, s, F_N), (long long)g->n,
			    (long long)weir_get_i64(f, s, F_TOTAL), (long long)g->total);
}

static void check_result(struct world *w, uint32_t region, const struct weir_frame *f)
{
	const struct weir_schema *s = out_schema(w);
	uint32_t i = start_index(w, weir_get_i64(f, s, F_START)), k = key_of(f, s);
	int64_t ver = weir_get_i64(f, s, F_VER), n = weir_get_i64(f, s, F_N);
	uint32_t mask = mask_of(w, weir_get_str(f, s, F_REGIONS));
	uint32_t missing = mask_of(w, weir_get_str(f, s, F_MISSING));
	bool final = weir_get_i64(f, s, F_FINAL);
	struct seen *x = &seen[i][k];

	if (x->final)
		world_wrong(w, "a result after the final one");
	if (ver <= x->ver)
		world_wrong(w, "out_ver %lld after %lld", (long long)ver, (long long)x->ver);
	if (x->mask & ~mask)
		world_wrong(w, "regions %x after %x", mask, x->mask);
	if (n < x->n)
		world_wrong(w, "n %lld after %lld", (long long)n, (long long)x->n);
	if ((mask ^ missing) != (1u << WORLD_REGIONS) - 1 || final != (missing == 0))
		world_wrong(w, "final %d, regions %x, missing %x", final, mask, missing);
	*x = (struct seen){.ver = ver, .n = n, .mask = mask, .final = final};
	if (!final)
		return;
	check_value(w, f, &wanted[i][k]);
	frames_add(&finals[region], f);
}

static void check_region(struct world *w, uint32_t region)
{
	const struct world_region *r = &w->region[region];
	int64_t watermark = WEIR_TIME_MIN;

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < r->out.count && !w->why[0]; i++) {
		const struct weir_frame *f = r->out.frame[i];

		if (f->kind == WEIR_FRAME_WATERMARK && f->time_ns <= watermark)
			world_wrong(w, "a watermark that does not grow");
		if (f->kind == WEIR_FRAME_WATERMARK)
			watermark = f->time_ns;
		if (f->kind != WEIR_FRAME_DATA)
			continue;
		if (f->time_ns <= watermark)
			world_wrong(w, "a result behind the watermark");
		check_result(w, region, f);
	}
	for (uint32_t i = 0; i < STARTS; i++)
		for (uint32_t k = 0; k < WORLD_KEYS; k++)
			if (wanted[i][k].n && !seen[i][k].final)
				world_wrong(w, "region %u has no final result of window %d, key %u",
					    region, (int)i - START_BIAS, k);
}

/* in = aggregated + late, as every region hears of every other one. */
static void check_counts(struct world *w, uint32_t region)
{
	const struct global_merge *m = w->region[region].rig[WORLD_MERGE].node[0].op;

	for (uint32_t i = 0; i < WORLD_REGIONS; i++) {
		const struct weir_global_counts *c = &m->member[i].counts;

		if (c->in != WORLD_INPUT || c->late != rows_late[i] || c->rejected)
			world_wrong(w, "region %u counted %llu records, %llu of %llu late", i,
				    (unsigned long long)c->in, (unsigned long long)c->late,
				    (unsigned long long)rows_late[i]);
	}
	if (m->live_count)
		world_wrong(w, "windows are left");
}

static void check_same(struct world *w)
{
	for (uint32_t r = 1; r < WORLD_REGIONS; r++) {
		if (finals[r].count != finals[0].count)
			world_wrong(w, "regions have %u and %u final results", finals[0].count,
				    finals[r].count);
		for (uint32_t i = 0; i < finals[r].count && !w->why[0]; i++)
			if (finals[r].frame[i]->size != finals[0].frame[i]->size ||
			    memcmp(finals[r].frame[i], finals[0].frame[i],
				   finals[0].frame[i]->size) != 0)
				world_wrong(w, "final result %u is another one in region %u", i, r);
	}
}

/* ---- runs ---- */

static jmp_buf panicked;
static char panic_text[200];

static void on_panic(const char *file, int line, const char *what)
{
	snprintf(panic_text, sizeof(panic_text), "%s:%d: %s", file, line, what);
	longjmp(panicked, 1);
}

/* true: right. */
static bool run(uint64_t seed, char *ret_why, size_t cap)
{
	struct world *w = &world;
	uint64_t n;

	if (setjmp(panicked)) {
		snprintf(ret_why, cap, "assertion: %s", panic_text);
		return false; /* what it held is lost */
	}
	world_init(w, seed);
	n = weir_prng_range(&w->rnd, 50, 600);
	for (uint64_t i = 0; i < n && !w->why[0]; i++)
		random_step(w);
	if (!w->why[0])
		heal(w);
	want_all(w);
	for (uint32_t r = 0; r < WORLD_REGIONS && !w->why[0]; r++) {
		check_region(w, r);
		check_counts(w, r);
	}
	if (!w->why[0])
		check_same(w);
	for (uint32_t r = 0; r < WORLD_REGIONS; r++) {
		frames_cut(&finals[r], 0);
		free(finals[r].frame);
		finals[r] = (struct world_frames){0};
	}
	snprintf(ret_why, cap, "%s", w->why);
	world_fini(w);
	return !ret_why[0];
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void test_global_random_worlds(void **state)
{
	uint64_t seed = number_of("WEIR_SEED", 0), runs = number_of("WEIR_RUNS", 300), i;
	char why[300];

	(void)state;
	for (i = seed ? seed : 1; i <= (seed ? seed : runs); i++)
		if (!run(i, why, sizeof(why)))
			fail_msg("seed %llu: %s", (unsigned long long)i, why);
}

static void test_global_finds_planted_bugs(void **state)
{
	(void)state;
#ifdef WEIR_PLANTED
	static const char *const name[] = {
#define NAME(name, text) #name,
		WEIR_GLOBAL_PLANT_LIST(NAME)
#undef NAME
	};
	unsigned missed = 0;

	weir_panic_set_hook(on_panic);
	for (unsigned i = 0; i < WEIR_COUNT_OF(name); i++) {
		uint64_t seed = 1;
		char why[300] = "";

		weir_plant_now = (enum weir_plant)(WEIR_PLANT_GLOBALS + 1 + i);
		while (seed <= 1000 && run(seed, why, sizeof(why)))
			seed++;
		weir_plant_now = WEIR_PLANT_NONE;
		missed += seed > 1000;
		printf("%-28s %6llu  %.150s\n", name[i], (unsigned long long)seed, why);
	}
	weir_panic_set_hook(NULL);
	assert_int_equal(missed, 0);
#else
	(void)on_panic;
	WEIR_SKIP("no bugs are planted in this build");
#endif
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_global_random_worlds),
	cmocka_unit_test(test_global_finds_planted_bugs),
};

WEIR_TEST_MAIN("engine/global_worlds", tests)
