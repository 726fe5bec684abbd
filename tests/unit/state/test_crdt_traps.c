/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong with CRDTs elsewhere. A test is named after the trap. */
#include "base/prng.h"
#include "tests/unit/state/test_crdt_rig.h"

/* akka-core#21647, #22606, akka.net#4200 (9 became 42): pruning moved the share of a removed node into another's, and it counted again
 * when the removed node's entry came back. */
static void test_trap_akka_21647_pruning_does_not_double_counters(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_PCOUNT};
	struct rig a = rig_of(&t, 1), gone = rig_of(&t, 2), c = rig_of(&t, 3);

	(void)state;
	rig_amount(&a, WEIR_CRDT_ADD, 4);
	rig_amount(&gone, WEIR_CRDT_ADD, 5);
	rig_tell(&gone, &a);
	rig_tell(&gone, &c);
	rig_tell(&a, &c);
	for (int i = 0; i < 5; i++) {
		a.x = rig_pruned(&t, a.x, rig_all);
		rig_meet(&a, &c);
		rig_tell(&gone, &a);
		assert_int_equal(rig_number(&a), 9);
		assert_int_equal(rig_number(&c), 9);
	}
	assert_true(weir_str_eq(a.x, c.x));
}

/* akka-core#22130, scylladb#3560: what was deleted came back when a marker went by the clock. Here nothing goes before all have it. */
static void test_trap_scylla_3560_nothing_goes_by_time(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_ORSET};
	struct rig a = rig_of(&t, 1), late = rig_of(&t, 2);

	(void)state;
	rig_text(&a, WEIR_CRDT_ADD, "x");
	rig_meet(&a, &late);
	rig_text(&late, WEIR_CRDT_ADD, "y");
	rig_tell(&late, &a);
	rig_text(&a, WEIR_CRDT_REMOVE, "y");
	rig_text(&a, WEIR_CRDT_REMOVE, "x");
	a.hlc += UINT64_C(1) << 40;
	a.x = rig_pruned(&t, a.x, rig_none);
	rig_meet(&a, &late);
	assert_int_equal(rig_number(&a), 0);
	assert_int_equal(rig_number(&late), 0);
	assert_int_equal(rig_pruned(&t, a.x, rig_all).n, 0);
}

/* riak_dt#98: a counter inside a map could not be reset. A counter here says so. */
static void test_trap_riak_dt_98_counters_have_no_reset(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_PCOUNT}, b = {.type = WEIR_CRDT_BCOUNT};
	struct rig p = rig_of(&t, 1), q = rig_of(&b, 1);

	(void)state;
	rig_amount(&p, WEIR_CRDT_ADD, 1);
	rig_amount(&q, WEIR_CRDT_ADD, 1);
	assert_int_equal(rig_amount(&p, WEIR_CRDT_CLEAR, 0), WEIR_E_RANGE);
	assert_int_equal(rig_amount(&q, WEIR_CRDT_CLEAR, 1), WEIR_E_RANGE);
	assert_int_equal(rig_number(&p), 1);
}

/* akka#22890: an OR-set lost elements although its vector covered them. Against a model that keeps every add, who removed it, and who
 * had seen it dead when writing: what is dead for a writer may be dead for those who hear of the writer, nothing else may. */
#define DOTS 400
struct model_add {
	char key;
	uint32_t by;
	uint64_t version;
	/* Per writer, the version of the part that removed it, or was made when it was dead there; 0: none. */
	uint64_t removed[3], dead[3];
};
struct model {
	uint32_t n;
	struct model_add add[DOTS];
	uint64_t seen[3][3]; /* by copy: version of each writer's part */
};

static bool model_lives(const struct model *m, const struct model_add *a, const uint64_t *gone,
			uint32_t at)
{
	if (a->version > m->seen[at][a->by])
		return false;
	for (unsigned w = 0; w < 3; w++)
		if (gone[w] && gone[w] <= m->seen[at][w])
			return false;
	return true;
}

static void model_compare(const struct model *m, uint32_t at, const struct rig *r)
{
	const char *items = rig_items(r);

	for (char key = 'a'; key < 'g'; key++) {
		bool must = false, may = false, is = strchr(items, key) != NULL;

		for (uint32_t i = 0; i < m->n; i++) {
			if (m->add[i].key != key)
				continue;
			must |= model_lives(m, &m->add[i], m->add[i].dead, at);
			may |= model_lives(m, &m->add[i], m->add[i].removed, at);
		}
		assert_true(is || !must);
		assert_true(!is || may);
	}
}

static void model_change(struct model *m, uint32_t at, char key, bool add, uint64_t version)
{
	for (uint32_t i = 0; i < m->n; i++) {
		struct model_add *a = &m->add[i];

		if (a->version > m->seen[at][a->by])
			continue;
		if (!model_lives(m, a, a->dead, at) && !a->dead[at])
			a->dead[at] = version;
		/* What its own writer replaced is not in that one's part any more: nothing to be said about. */
		if (a->by != at && a->removed[a->by] && a->removed[a->by] <= m->seen[at][a->by])
			continue;
		if (a->key == key && (!add || a->by == at)) {
			a->removed[at] = a->removed[at] ? a->removed[at] : version;
			a->dead[at] = a->dead[at] ? a->dead[at] : version;
		}
	}
	if (add)
		m->add[m->n++] = (struct model_add){.key = key, .by = at, .version = version};
	m->seen[at][at] = version;
}

static void model_step(struct model *m, struct rig *r, struct weir_prng *rnd)
{
	uint32_t at = (uint32_t)weir_prng_below(rnd, 3), other = (uint32_t)weir_prng_below(rnd, 3);
	char key[2] = {(char)('a' + weir_prng_below(rnd, 6)), 0};
	uint64_t what = weir_prng_below(rnd, 10);

	if (what < 6) {
		rig_text(&r[at], what < 3 ? WEIR_CRDT_ADD : WEIR_CRDT_REMOVE, key);
		model_change(m, at, key[0], what < 3, r[at].version);
		other = at;
	} else {
		rig_tell(&r[at], &r[other]);
		m->seen[other][at] = m->seen[at][at];
	}
	model_compare(m, other, &r[other]);
}

static void test_trap_akka_22890_sets_lose_no_element(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_ORSET};

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct rig r[3] = {rig_of(&t, 1), rig_of(&t, 2), rig_of(&t, 3)};
		struct weir_prng rnd = weir_prng_of(seed, "orset");
		struct model *m = calloc(1, sizeof(*m));

		for (int i = 0; i < 120; i++)
			model_step(m, r, &rnd);
		free(m);
	}
}

/* basho/riak_kv#679, #1027: a writer that lost its state and kept its name was below what it had said before, and its writes vanished.
 * With a new incarnation they count; with the old name the change is refused as soon as the old part is there. */
static void test_trap_riak_kv_679_a_lost_writer_takes_a_new_name(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_PCOUNT};
	struct rig a = rig_of(&t, 1), peer = rig_of(&t, 2), again = rig_of(&t, 1);

	(void)state;
	rig_amount(&a, WEIR_CRDT_ADD, 7);
	rig_amount(&a, WEIR_CRDT_ADD, 1);
	rig_tell(&a, &peer);
	again.w = weir_writer_of(1, 2);
	rig_amount(&again, WEIR_CRDT_ADD, 2);
	rig_tell(&again, &peer);
	assert_int_equal(rig_number(&peer), 10);
	peer.w = a.w;
	assert_int_equal(rig_amount(&peer, WEIR_CRDT_ADD, 1), WEIR_E_RANGE);
	assert_int_equal(weir_writer_region(again.w), 1);
}

/* ferrosadb#339: XOR of hashes cancels pairs; #47: only keys were hashed. */
static void test_trap_ferrosa_339_digests_see_pairs_and_contents(void **state)
{
	struct weir_digest x = weir_digest_of(WEIR_STR("k"), WEIR_STR("1")), sum = {0}, zero = {0};
	struct weir_digest y = weir_digest_of(WEIR_STR("k"), WEIR_STR("2"));

	(void)state;
	weir_digest_add(&sum, x);
	weir_digest_add(&sum, x);
	assert_memory_not_equal(&sum, &zero, sizeof(sum));
	assert_memory_not_equal(&x, &y, sizeof(x));
	x = weir_digest_of(WEIR_STR("k1"), WEIR_STR(""));
	y = weir_digest_of(WEIR_STR("k"), WEIR_STR("1"));
	assert_memory_not_equal(&x, &y, sizeof(x));
	weir_digest_sub(&sum, weir_digest_of(WEIR_STR("k"), WEIR_STR("1")));
	weir_digest_sub(&sum, weir_digest_of(WEIR_STR("k"), WEIR_STR("1")));
	assert_memory_equal(&sum, &zero, sizeof(sum));
	weir_digest_sub(&sum, x);
	weir_digest_add(&sum, x);
	assert_memory_equal(&sum, &zero, sizeof(sum));
}

/* Kingsbury on Riak: last write wins lost concurrent writes in silence. Both are told, in both orders, once. */
struct heard {
	int n;
	struct weir_crdt_conflict c;
};

static void hear(void *ctx, const struct weir_crdt_conflict *c)
{
	struct heard *h = ctx;

	h->n++;
	h->c = *c;
}

static struct heard heard_of(const struct weir_crdt *t, struct weir_str a, struct weir_str b)
{
	struct heard h = {0};
	struct weir_crdt_conflicts to = {hear, &h};
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	assert_int_equal(weir_crdt_join(t, a, b, &o, &to), 0);
	weir_out_fini(&o);
	return h;
}

static void test_trap_lww_tells_what_it_drops(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_LWW};
	struct rig a = rig_of(&t, 1), b = rig_of(&t, 2), c = rig_of(&t, 3);
	struct heard one, two;

	(void)state;
	rig_text(&a, WEIR_CRDT_SET, "from a");
	b.hlc = 5;
	rig_text(&b, WEIR_CRDT_SET, "from b");
	one = heard_of(&t, a.x, b.x);
	two = heard_of(&t, b.x, a.x);
	assert_int_equal(one.n, 1);
	assert_int_equal(two.n, 1);
	assert_int_equal(one.c.won.writer, b.w);
	assert_memory_equal(&one.c.won, &two.c.won, sizeof(one.c.won));
	assert_memory_equal(&one.c.lost, &two.c.lost, sizeof(one.c.lost));
	assert_true(weir_str_is(one.c.won_value, "from b"));
	assert_true(weir_str_is(one.c.lost_value, "from a"));
	rig_tell(&a, &c);
	rig_tell(&b, &c);
	assert_string_equal(rig_value(&c), "from b");
	/* Decided already: not told again. */
	assert_int_equal(heard_of(&t, c.x, a.x).n, 0);
	/* A write that has seen both is above both, whatever its clock says. */
	rig_text(&c, WEIR_CRDT_SET, "from c");
	assert_int_equal(heard_of(&t, c.x, rig_join(&t, a.x, b.x)).n, 0);
	rig_tell(&c, &a);
	assert_string_equal(rig_value(&a), "from c");
	rig_tell(&c, &b);
	assert_string_equal(rig_value(&b), "from c");
}

/* yorkie#1729: what merges need was not in the snapshot. There is one encoding: a copy made of own parts alone goes on like the first. */
static void test_trap_yorkie_1729_a_copy_of_parts_goes_on_the_same(void **state)
{
	const struct weir_crdt t = {.type = WEIR_CRDT_ORMAP};
	struct rig a = rig_of(&t, 1), b = rig_of(&t, 2), copy = rig_of(&t, 3);

	(void)state;
	rig_text(&a, WEIR_CRDT_PUT, "k");
	rig_text(&b, WEIR_CRDT_PUT, "l");
	rig_meet(&a, &b);
	rig_text(&b, WEIR_CRDT_REMOVE, "k");
	rig_tell(&b, &copy);
	rig_tell(&a, &copy);
	assert_string_equal(rig_items(&copy), "l=l ");
	rig_tell(&b, &a);
	assert_true(weir_str_eq(a.x, copy.x));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_trap_akka_21647_pruning_does_not_double_counters),
	cmocka_unit_test(test_trap_scylla_3560_nothing_goes_by_time),
	cmocka_unit_test(test_trap_riak_dt_98_counters_have_no_reset),
	cmocka_unit_test(test_trap_akka_22890_sets_lose_no_element),
	cmocka_unit_test(test_trap_riak_kv_679_a_lost_writer_takes_a_new_name),
	cmocka_unit_test(test_trap_ferrosa_339_digests_see_pairs_and_contents),
	cmocka_unit_test(test_trap_lww_tells_what_it_drops),
	cmocka_unit_test(test_trap_yorkie_1729_a_copy_of_parts_goes_on_the_same),
};

WEIR_TEST_MAIN("crdt_traps", tests)
