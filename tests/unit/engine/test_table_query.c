/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a table: rows, pieces, places that somebody made up; the log of conflicts, trimmed and restored. */
#include <stdio.h>

#include "engine/core/table_node.h"
#include "tests/lib/test.h"

#define KEEP 60

struct rig {
	struct weir_task task;
	struct weir_node node;
	struct weir_port port[2];
	struct weir_schema rows;
	struct weir_region region;
	struct weir_table_field field[1];
	struct weir_table_spec spec;
	struct weir_rtable o;
	struct weir_query_out out;
	char bytes[WEIR_QUERY_BYTES];
	char text[WEIR_QUERY_BYTES + 1];
};
static struct rig rig;

static struct weir_rtable_store *store(void)
{
	return &rig.o.machine.store;
}

static int setup(void **state)
{
	static const struct weir_crdt crdt[1] = {{.type = WEIR_CRDT_LWW}};
	struct rig *r = &rig;

	(void)state;
	memset(r, 0, sizeof(*r));
	weir_schema_add(&r->rows, WEIR_STR("k"), weir_type_of(WEIR_STRING), false);
	weir_schema_add(&r->rows, WEIR_STR("v"), weir_type_of(WEIR_INT64), true);
	weir_schema_add(&r->rows, WEIR_STR("deleted"), weir_type_of(WEIR_BOOL), false);
	weir_schema_seal(&r->rows);
	r->task.mem = &weir_test_mem;
	r->task.record_max = 4096;
	r->node.task = &r->task;
	r->node.step_name = "t";
	r->node.port = r->port;
	r->node.op = &r->o;
	r->port[0].schema = &r->rows;
	snprintf(r->field[0].name, sizeof(r->field[0].name), "v");
	r->field[0].crdt = crdt[0];
	r->field[0].type = weir_type_of(WEIR_INT64);
	r->spec = (struct weir_table_spec){.key_count = 1, .field_count = 1, .field = r->field};
	r->o.spec = &r->spec;
	weir_region_init(&r->region, &weir_test_mem);
	weir_rtable_store_init(store(), &r->node, false, crdt, 1, true, KEEP, &r->region);
	weir_rtable_store_start(store(), 0, INT64_C(1700000000) * (int64_t)WEIR_NS_PER_S);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_rtable_store_fini(store());
	weir_region_fini(&rig.region);
	return 0;
}

static struct weir_str key_of(const char *name, char to[64])
{
	size_t n = strlen(name);

	to[0] = WEIR_TABLE_KEY_ROW;
	to[1] = (char)n;
	memcpy(to + 2, name, n);
	return (struct weir_str){to, n + 2};
}

static void change(const char *name, bool gone)
{
	const uint8_t set[] = {0, 1, WEIR_CRDT_SET, 0, 0, 0, 0, 0, 0, 0,
			       0, 8, 0x80,	    0, 0, 0, 0, 0, 0, 7};
	uint32_t value;
	char key[64];

	assert_int_equal(
		weir_rtable_change(store(), key_of(name, key),
				   gone ? WEIR_STR("\1")
					: (struct weir_str){(const char *)set, sizeof(set)},
				   0, &value),
		0);
}

/* Number i, with the clock of `hlc`. */
static void conflict(uint64_t i, uint64_t hlc)
{
	struct weir_crdt_conflict c = {.won = {.writer = 1, .version = i, .hlc = hlc},
				       .lost = {.writer = 2, .version = i, .hlc = 1}};
	char key[64];

	weir_rtable_conflict_found(store(), key_of(i % 2 ? "odd" : "even", key), 1, &c);
	weir_rtable_conflicts_keep(store());
}

static int ask(const struct weir_query *q, uint32_t limit)
{
	int r;

	weir_query_out_init(&rig.out, rig.bytes, limit);
	r = weir__rtable_query(&rig.node, q, &rig.out);
	memcpy(rig.text, rig.out.rows.p, rig.out.rows.len);
	rig.text[rig.out.rows.len] = 0;
	return r;
}

/* All pieces from the place of q on, which moves to the end. */
static uint32_t all(struct weir_query *q, uint32_t limit)
{
	uint32_t n = 0;
	int r;

	do {
		r = ask(q, limit);
		assert_in_range(r, 0, 1);
		n += rig.out.count;
		q->at = rig.out.at;
	} while (r == 1);
	return n;
}

static void test_rows(void **state)
{
	struct weir_query q = {.verb = WEIR_QUERY_GET, .key = WEIR_STR("b")};
	char name[16];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		change(name, false);
	}
	change("b", false);
	conflict(1, 5);
	assert_int_equal(ask(&q, 10), 0);
	assert_string_equal(rig.text, "{\"k\":\"b\",\"v\":7,\"deleted\":false}");
	change("b", true);
	assert_int_equal(ask(&q, 10), 0);
	assert_string_equal(rig.text, "{\"k\":\"b\",\"v\":null,\"deleted\":true}");
	q.key = WEIR_STR("c");
	assert_int_equal(ask(&q, 10), 0);
	assert_int_equal(rig.out.count, 0);
	q.key = (struct weir_str){NULL, 0};
	assert_int_equal(ask(&q, 10), WEIR_E_FORMAT);
	assert_non_null(strstr(rig.out.err.text, "step `t`: which key? It is `k`"));

	q = (struct weir_query){.verb = WEIR_QUERY_LIST};
	assert_int_equal(all(&q, 7), 2000);
	q = (struct weir_query){.verb = WEIR_QUERY_LIST, .prefix = WEIR_STR("a199")};
	assert_int_equal(all(&q, 100), 11);
	q = (struct weir_query){.verb = WEIR_QUERY_LIST, .at = {{UINT64_MAX, 1, 2}}};
	assert_int_equal(all(&q, 7), 0);
}

static void test_row_too_large(void **state)
{
	struct weir_query q = {.verb = WEIR_QUERY_GET, .key = WEIR_STR("a")};
	static char key[5000];

	(void)state;
	change("a", false);
	rig.task.record_max = 40;
	assert_int_equal(ask(&q, 10), 0);
	assert_string_equal(rig.text, "{\"error\":\"the row is larger than record_max\"}");
	memset(key, 'k', sizeof(key));
	q.key = (struct weir_str){key, sizeof(key)};
	assert_int_equal(ask(&q, 10), WEIR_E_LIMIT);
	q = (struct weir_query){.verb = WEIR_QUERY_LIST, .prefix = WEIR_STR("a")};
	rig.task.record_max = 16;
	assert_int_equal(all(&q, 10), 0);
}

static void test_conflicts(void **state)
{
	struct weir_query q = {.verb = WEIR_QUERY_CONFLICTS}, other;

	(void)state;
	assert_int_equal(all(&q, 10), 0);
	for (uint64_t i = 1; i <= 50; i++)
		conflict(i, 1000 - i); /* clocks are not in order */
	conflict(50, 950); /* known already */
	assert_int_equal(all(&q, 7), 50);
	assert_int_equal(all(&q, 7), 0);
	conflict(51, 10);
	assert_int_equal(all(&q, 7), 1);
	assert_non_null(strstr(rig.text, "\"key\":\"odd\",\"field\":\"v\",\"rule\":\"lww\""));

	other = (struct weir_query){.verb = WEIR_QUERY_CONFLICTS, .key = WEIR_STR("even")};
	assert_int_equal(all(&other, 7), 25);
	other = (struct weir_query){.verb = WEIR_QUERY_CONFLICTS, .field = WEIR_STR("v")};
	assert_int_equal(all(&other, 7), 51);
	other.field = WEIR_STR("w");
	assert_int_equal(ask(&other, 7), WEIR_E_USAGE);
	assert_non_null(strstr(rig.out.err.text, "the table has no field `w`"));
	other = (struct weir_query){.verb = WEIR_QUERY_CONFLICTS,
				    .at = {{UINT64_MAX, UINT64_MAX, UINT64_MAX}}};
	assert_int_equal(all(&other, 7), 0);

	/* The oldest go. Who follows sees each that stays once. */
	for (uint64_t i = 52; i <= 1000; i++) {
		conflict(i, 2000 + i % 7 * 20 + i * 10);
		weir_rtable_conflicts_trim(store());
		assert_int_equal(all(&q, 7), 1);
	}
	other = (struct weir_query){.verb = WEIR_QUERY_CONFLICTS};
	assert_int_equal(all(&other, 7), KEEP);
	assert_true(store()->arrival_count <= 2 * KEEP + 2);
	/* One that is older than all that are kept. */
	conflict(1001, 1);
	weir_rtable_conflicts_trim(store());
	assert_int_equal(all(&q, 7), 0);
}

static void test_conflicts_after_restore(void **state)
{
	struct weir_rtable_store *s = store();
	struct weir_query q = {.verb = WEIR_QUERY_CONFLICTS};

	(void)state;
	for (uint64_t i = 1; i <= 50; i++)
		conflict(i, 1000 + i * 37 % 50);
	weir_rtable_conflicts_rebuilt(s);
	assert_int_equal(s->arrival_count, 50);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(s->arrival[i].serial, 1000 + i);
	assert_int_equal(all(&q, 7), 50);
	conflict(51, 7);
	assert_int_equal(all(&q, 7), 1);
	for (uint64_t i = 52; i <= 200; i++)
		conflict(i, 3000 + i);
	weir_rtable_conflicts_trim(s);
	q.at = (struct weir_query_at){{0}};
	assert_int_equal(all(&q, 7), KEEP);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
	cmocka_unit_test_setup_teardown(test_row_too_large, setup, teardown),
	cmocka_unit_test_setup_teardown(test_conflicts, setup, teardown),
	cmocka_unit_test_setup_teardown(test_conflicts_after_restore, setup, teardown),
};

WEIR_TEST_MAIN("engine/table_query", tests)
