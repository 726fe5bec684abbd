/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of 3 to 5 regions under everything edges and regions can do to them. In the end all replicas have the same bytes, and what a
 * second implementation makes of all changes. WEIR_SEED=N runs one world alone, WEIR_RUNS=N more of them. In a build with planted
 * bugs each of those of tables must be found.
 */
#include <setjmp.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "tests/unit/engine/table_world.h"

static jmp_buf panicked;
static char panic_text[200];

static void on_panic(const char *file, int line, const char *what)
{
	snprintf(panic_text, sizeof(panic_text), "%s:%d: %s", file, line, what);
	longjmp(panicked, 1);
}

/* ---- steps ---- */

static bool going(const struct tw_world *w)
{
	return !w->why[0];
}

/* One replica loses a value of a row, unseen: its sums are right for what it has. */
static void corrupt(struct tw_world *w, uint32_t i)
{
	struct weir_rtable_store *s = &w->r[i].t.store;

	for (uint32_t n = 0; n < s->rows.table.high; n++) {
		struct weir_rtable_entry *e;

		if (!weir_rtable_alive(s, n) || weir_rtable_is_conflict(s, n))
			continue;
		e = weir_rtable_at(s, n);
		/* What only others wrote: nobody could give its own back. */
		if (e->version || !e->value[TW_MAX + 1].n)
			continue;
		weir_rtable_touch(s, n);
		weir_rtable_value_set(s, n, TW_MAX + 1, (struct weir_str){NULL, 0});
		weir_rtable_touched(s, n, false);
		w->corrupted = true;
	}
}

static void random_step(struct tw_world *w)
{
	uint32_t i = (uint32_t)weir_prng_below(&w->rnd, w->regions);
	uint32_t k = (uint32_t)weir_prng_below(&w->rnd, w->regions);
	struct tw_queue *q = &w->q[k][i];

	w->now_ns += (int64_t)weir_prng_below(&w->rnd, 40) * TW_MS;
	switch (weir_prng_below(&w->rnd, 10)) {
	case 0:
	case 1:
	case 2:
		tw_change(w, i);
		break;
	case 3:
	case 4:
		tw_barrier(w, i);
		break;
	case 5:
	case 6:
	case 7:
		for (uint64_t n = weir_prng_below(&w->rnd, 12); n && k != i && !q->paused; n--)
			tw_hear(w, k, i);
		break;
	case 8:
		if (w->pauses && tw_dice(w, 1, 6))
			q->paused = !q->paused;
		break;
	default:
		if (w->crashes && tw_dice(w, 1, 8))
			tw_crash(w, i);
		else if (w->wipes && tw_dice(w, 1, 60))
			tw_wipe(w, i);
		else if (w->skews && tw_dice(w, 1, 20))
			w->r[i].skew_ns = (int64_t)weir_prng_below(&w->rnd, 4) * 300 * TW_MS;
		else if (w->corrupts && !w->corrupted && tw_dice(w, 1, 30))
			corrupt(w, i);
	}
}

/* Nothing is lost any more, everybody hears everything, until nobody has anything to say but sums. */
static void heal(struct tw_world *w)
{
	for (uint32_t i = 0; i < w->regions; i++)
		w->r[i].skew_ns = 0;
	/* Clocks that were ahead are caught up with. */
	w->now_ns += 5 * WEIR_NS_PER_S;
	if (w->corrupts && !w->corrupted)
		corrupt(w, 0);
	for (uint32_t round = 0; round < (w->small_window ? 300u : 40u) && going(w); round++) {
		w->now_ns += WEIR_NS_PER_S;
		for (uint32_t i = 0; i < w->regions; i++) {
			for (uint32_t k = 0; k < w->regions; k++) {
				struct tw_queue *q = &w->q[k][i];

				q->paused = false;
				while (k != i && q->taken < q->count && going(w))
					tw_hear(w, k, i);
			}
			tw_barrier(w, i);
		}
	}
}

/* ---- what must be ---- */

static void same_bytes(struct tw_world *w, uint32_t i)
{
	const struct weir_rtable_store *a = &w->r[0].t.store, *b = &w->r[i].t.store;

	if (a->row_count != b->row_count || a->conflict_count != b->conflict_count)
		tw_wrong(w, "region 0 has %llu rows and %llu conflicts, region %u %llu and %llu",
			 (unsigned long long)a->row_count, (unsigned long long)a->conflict_count, i,
			 (unsigned long long)b->row_count, (unsigned long long)b->conflict_count);
	for (uint32_t n = 0; n < a->rows.table.high && going(w); n++) {
		uint32_t m;

		if (!weir_rtable_alive(a, n))
			continue;
		m = weir_rtable_find_key(b, weir_rtable_key(a, n));
		if (m == WEIR_TABLE_NONE) {
			tw_wrong(w, "region %u lacks an entry", i);
			return;
		}
		for (uint32_t v = 0; v < weir_rtable_values(a, n); v++)
			if (!weir_str_eq(weir_rtable_at(a, n)->value[v],
					 weir_rtable_at(b, m)->value[v]))
				tw_wrong(w, "value %u of key %c differs in region %u", v,
					 weir_rtable_key(a, n).p[1], i);
	}
	if (memcmp(a->sum, b->sum, sizeof(a->sum)) != 0)
		tw_wrong(w, "sums of region %u differ", i);
}

static int64_t number_of_value(const struct weir_rtable_store *s, uint32_t n, uint32_t field)
{
	int64_t x = 0;

	weir_crdt_number(&tw_crdt[field], weir_rtable_at(s, n)->value[field + 1], &x);
	return x;
}

static uint32_t set_of(const struct weir_rtable_store *s, uint32_t n)
{
	struct weir_crdt_item item;
	uint64_t at = 0;
	uint32_t ret = 0;

	while (weir_crdt_next(&tw_crdt[TW_SET], weir_rtable_at(s, n)->value[TW_SET + 1], &at,
			      &item))
		ret |= 1u << (weir_crdt_i64_of((const uint8_t *)item.value.p) + 2);
	return ret;
}

static void as_expected(struct tw_world *w, uint8_t key)
{
	const struct weir_rtable_store *s = &w->r[0].t.store;
	struct tw_expect e = tw_expected(w, key);
	char bytes[2];
	uint32_t n = weir_rtable_find_key(s, tw_key(key, bytes));
	struct weir_str v;

	if (n == WEIR_TABLE_NONE) {
		if (e.there)
			tw_wrong(w, "key %c is not there", 'a' + key);
		return;
	}
	if (weir_rtable_deleted(s, n) == e.there)
		tw_wrong(w, "key %c is %s", 'a' + key, e.there ? "deleted" : "there");
	if (number_of_value(s, n, TW_COUNT) != e.count)
		tw_wrong(w, "key %c counts %lld, not %lld", 'a' + key,
			 (long long)number_of_value(s, n, TW_COUNT), (long long)e.count);
	if (e.has_max != weir_crdt_value(&tw_crdt[TW_MAX], weir_rtable_at(s, n)->value[TW_MAX + 1],
					 &v) ||
	    (e.has_max && weir_crdt_i64_of((const uint8_t *)v.p) != e.max))
		tw_wrong(w, "key %c has another maximum", 'a' + key);
	if (set_of(s, n) != e.set)
		tw_wrong(w, "key %c has set %x, not %x", 'a' + key, set_of(s, n), e.set);
	if (e.has_lww != weir_crdt_value(&tw_crdt[TW_LWW], weir_rtable_at(s, n)->value[TW_LWW + 1],
					 &v) ||
	    (e.has_lww && weir_crdt_i64_of((const uint8_t *)v.p) != e.lww))
		tw_wrong(w, "key %c has another register", 'a' + key);
}

/* I20: one record for each pair of dots. */
static void conflicts_once(struct tw_world *w)
{
	struct weir_rtable_store *s = &w->r[0].t.store;

	for (uint32_t n = 0; n < s->rows.table.high; n++) {
		struct weir_rtable_conflict a, b;

		if (!weir_rtable_alive(s, n) || !weir_rtable_is_conflict(s, n) ||
		    !weir_rtable_conflict_read(s, weir_rtable_at(s, n)->value[0], &a))
			continue;
		for (uint32_t m = 0; m < n; m++)
			if (weir_rtable_alive(s, m) && weir_rtable_is_conflict(s, m) &&
			    weir_rtable_conflict_read(s, weir_rtable_at(s, m)->value[0], &b) &&
			    weir_str_eq(a.key, b.key) && a.value == b.value &&
			    a.c.won.writer == b.c.won.writer &&
			    a.c.won.version == b.c.won.version &&
			    a.c.lost.writer == b.c.lost.writer &&
			    a.c.lost.version == b.c.lost.version)
				tw_wrong(w, "one conflict is in the log twice");
	}
}

static void check(struct tw_world *w)
{
	for (uint32_t i = 1; i < w->regions && going(w); i++)
		same_bytes(w, i);
	conflicts_once(w);
	/* Nothing is repaired: sums are for damage. A greeting may run ahead of what a small window holds back. */
	for (uint32_t i = 0; i < w->regions; i++)
		w->missing += w->small_window ? w->r[i].t.info.missing : w->r[i].t.info.repairs;
	/* A full log drops conflicts before others have them. */
	if (w->missing && !w->wiped && !w->corrupted &&
	    w->r[0].t.store.conflict_count < w->r[0].t.store.conflict_max)
		tw_wrong(w, "%llu buckets lack what was said to be there, or differ",
			 (unsigned long long)w->missing);
	/* What was lost with a region's state nobody can know. */
	for (uint32_t k = 0; k < w->keys && !w->wiped && going(w); k++)
		as_expected(w, (uint8_t)k);
}

/* ---- worlds ---- */

static void set_up(struct tw_world *w, uint64_t seed)
{
	w->seed = seed;
	w->rnd = weir_prng_of(seed, "table world");
	w->regions = (uint32_t)weir_prng_range(&w->rnd, 2, TW_REGIONS);
	w->keys = (uint32_t)weir_prng_range(&w->rnd, 1, 12);
	w->now_ns = INT64_C(1700000000) * WEIR_NS_PER_S;
	w->deletable = tw_dice(w, 1, 2);
	w->crashes = tw_dice(w, 1, 2);
	w->wipes = tw_dice(w, 1, 5);
	w->skews = tw_dice(w, 1, 4);
	w->corrupts = tw_dice(w, 1, 4);
	w->pauses = tw_dice(w, 1, 2);
	w->small_window = tw_dice(w, 1, 4);
	for (uint32_t i = 0; i < w->regions; i++)
		tw_start(w, i);
}

static void tear_down(struct tw_world *w)
{
	for (uint32_t i = 0; i < w->regions; i++) {
		tw_stop(w, &w->r[i]);
		for (uint32_t k = 0; k < w->r[i].saved_count; k++)
			free(w->r[i].saved[k].p);
		for (uint32_t k = 0; k < w->regions; k++) {
			tw_queue_drop(&w->q[i][k], 0);
			free(w->q[i][k].msg);
		}
	}
}

static struct tw_world world;

/* true: right. */
static bool run(uint64_t seed, char *ret_why, size_t cap)
{
	struct tw_world *w = &world;
	uint64_t n;

	memset(w, 0, sizeof(*w));
	if (setjmp(panicked)) {
		snprintf(ret_why, cap, "assertion: %s", panic_text);
		return false; /* what it held is lost */
	}
	set_up(w, seed);
	n = weir_prng_range(&w->rnd, 50, 1500);
	for (uint64_t i = 0; i < n && going(w); i++)
		random_step(w);
	if (going(w))
		heal(w);
	if (going(w))
		check(w);
	snprintf(ret_why, cap, "%.290s", w->why);
	if (w->why[0])
		snprintf(ret_why, cap, "%.200s (%u regions%s%s%s%s%s%s%s)", w->why, w->regions,
			 w->deletable ? ", deletes" : "", w->crashes ? ", crashes" : "",
			 w->wiped ? ", wiped" : "", w->skews ? ", skews" : "",
			 w->corrupted ? ", corrupted" : "", w->pauses ? ", pauses" : "",
			 w->small_window ? ", small window" : "");
	tear_down(w);
	return !ret_why[0];
}

/* Two rows with the same value, in one bucket, both of which a replica loses: their sums must not cancel. */
static bool twins(char *ret_why, size_t cap)
{
	struct tw_world *w = &world;
	char first[2], second[2];
	uint8_t a, b = 0;

	memset(w, 0, sizeof(*w));
	w->rnd = weir_prng_of(1, "twins");
	w->regions = 2;
	w->now_ns = INT64_C(1700000000) * WEIR_NS_PER_S;
	w->corrupts = true;
	for (a = 0; !b; a++)
		for (uint32_t k = a + 1u; k < 200 && !b; k++)
			if (weir_rtable_bucket(tw_key(a, first)) ==
			    weir_rtable_bucket(tw_key((uint8_t)k, second)))
				b = (uint8_t)k;
	a--;
	for (uint32_t i = 0; i < 2; i++)
		tw_start(w, i);
	weir_rtable_begin(&w->r[1].t, tw_now(w, 1));
	for (uint32_t i = 0; i < 2; i++) {
		static const char body[] = "\0\2\3\0\0\0\0\0\0\0\0\10\200\0\0\0\0\0\0\5";
		uint32_t which;
		char key[2];

		if (weir_rtable_change(&w->r[1].t.store, tw_key(i ? b : a, key),
				       (struct weir_str){body, sizeof(body) - 1}, tw_now(w, 1),
				       &which) < 0)
			tw_wrong(w, "a change is refused");
	}
	w->corrupted = true; /* not yet: later, when region 0 has them */
	heal(w);
	corrupt(w, 0);
	heal(w);
	same_bytes(w, 1);
	snprintf(ret_why, cap, "twins: %.200s", w->why);
	tear_down(w);
	return !w->why[0];
}

static void test_table_lost_twins_come_back(void **state)
{
	char why[300];

	(void)state;
	if (!twins(why, sizeof(why)))
		fail_msg("%s", why);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void test_table_random_worlds(void **state)
{
	uint64_t seed = number_of("WEIR_SEED", 0), runs = number_of("WEIR_RUNS", 300), i;
	char why[300];

	(void)state;
	for (i = seed ? seed : 1; i <= (seed ? seed : runs); i++)
		if (!run(i, why, sizeof(why)))
			fail_msg("seed %llu: %s", (unsigned long long)i, why);
}

/* Every place that the protocol takes on the way. */
static const char *const must[] = {
	"table.hello",	  "table.former",   "table.quarantine",	    "table.gap",
	"table.drop_row", "table.conflict", "table.digest_differs", "table.repaired",
};
static uint64_t hits[WEIR_COUNT_OF(must)];

static void on_probe(void *ctx, const char *name)
{
	(void)ctx;
	for (size_t i = 0; i < WEIR_COUNT_OF(must); i++)
		hits[i] += strcmp(must[i], name) == 0;
}

static bool on_buggify(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

static void test_table_worlds_are_various(void **state)
{
	struct weir_hooks hooks = {.probe = on_probe, .buggify = on_buggify};
	char why[300];

	(void)state;
	weir_hooks = &hooks;
	for (uint64_t seed = 1; seed <= 100; seed++)
		if (!run(seed, why, sizeof(why))) {
			weir_hooks = NULL;
			fail_msg("seed %llu: %s", (unsigned long long)seed, why);
		}
	weir_hooks = NULL;
	for (size_t i = 0; i < WEIR_COUNT_OF(must); i++)
		if (!hits[i])
			fail_msg("never met: %s", must[i]);
}

static void test_table_finds_planted_bugs(void **state)
{
	(void)state;
#ifdef WEIR_PLANTED
	static const char *const name[] = {
#define NAME(name, text) #name,
		WEIR_TABLE_PLANT_LIST(NAME)
#undef NAME
	};
	uint64_t runs = number_of("WEIR_RUNS", 1000);
	char why[300];

	for (size_t i = 0; i < WEIR_COUNT_OF(name); i++) {
		uint64_t seed = 1;

		weir_plant_now = (enum weir_plant)(WEIR_PLANT_TABLES + 1 + i);
		if (twins(why, sizeof(why)))
			while (seed <= runs && run(seed, why, sizeof(why)))
				seed++;
		weir_plant_now = WEIR_PLANT_NONE;
		if (seed > runs)
			fail_msg("%s is not found in %llu worlds", name[i],
				 (unsigned long long)runs);
		printf("%-24s seed %4llu  %s\n", name[i], (unsigned long long)seed, why);
	}
#else
	WEIR_SKIP("no bugs are planted in this build");
#endif
}

static int setup(void **state)
{
	(void)state;
	weir_panic_set_hook(on_panic);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_panic_set_hook(NULL);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_table_lost_twins_come_back, setup, teardown),
	cmocka_unit_test_setup_teardown(test_table_random_worlds, setup, teardown),
	cmocka_unit_test_setup_teardown(test_table_worlds_are_various, setup, teardown),
	cmocka_unit_test_setup_teardown(test_table_finds_planted_bugs, setup, teardown),
};

WEIR_TEST_MAIN("engine/table_worlds", tests)
