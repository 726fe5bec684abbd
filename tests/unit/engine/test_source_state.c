/* SPDX-License-Identifier: Apache-2.0 */
/* nexmark and memory sources; producers and request ids, which the sockets' sources keep. */
#include "tests/unit/engine/source_rig.h"

#include "engine/core/nexmark.h"
#include "engine/edge/producers.h"
#include "engine/edge/request_ids.h"

/* ---- nexmark ---- */

static void rig_nexmark(struct source_rig *g, uint64_t events)
{
	rig_init(g, WEIR_CONN_NEXMARK, 0);
	weir_nexmark_defaults(&g->step.source.nexmark);
	g->step.source.nexmark.events = events;
	g->step.source.nexmark.seed = 7;
	g->step.source.stream_count = 3;
	g->step.port_count = 3;
	for (unsigned i = 0; i < 3; i++) {
		g->schema[i] = *weir_nexmark_schema(i);
		g->def[i].schema = &g->schema[i];
		g->def[i].uses = 1;
	}
}

static void test_nexmark(void **state)
{
	(void)state;
	for (uint32_t instances = 1; instances <= 3; instances++) {
		for (uint32_t i = 0; i < instances; i++) {
			struct source_rig g;
			char *want;

			rig_nexmark(&g, 1234);
			g.instance = i;
			g.instances = instances;
			for (g.only_port = 0; g.only_port < 3; g.only_port++) {
				want = rig_whole(&g);
				for (uint64_t seed = 1; seed < 6; seed++)
					rig_crash_and_compare(&g, want, seed, 10);
				free(want);
			}
			rig_fini(&g);
		}
	}
}

static void test_nexmark_live_keeps_its_clock(void **state)
{
	struct source_rig g;
	char first[64];

	(void)state;
	rig_nexmark(&g, 0);
	g.step.source.nexmark.live = true;
	g.step.source.nexmark.rate = 1000;
	rig_start(&g);
	g.task.now_ns = INT64_C(4000000000) * WEIR_NS_PER_S;
	rig_run(&g, 10);
	assert_true(g.text_len > 0);
	snprintf(first, sizeof(first), "%.30s", g.text);
	g.text_len = 0;
	rig_kill(&g);
	/* The same place, another day. */
	rig_start(&g);
	rig_freeze(&g, true);
	usleep(3000);
	rig_start(&g);
	rig_freeze(&g, true);
	usleep(3000);
	rig_start(&g);
	g.task.now_ns = INT64_C(4000000000) * WEIR_NS_PER_S;
	rig_run(&g, 1);
	assert_int_equal(g.part_bytes[0], g.part_bytes[g.parts - 1]);
	rig_freeze(&g, false);
	/* Base time stands at the end of a part. */
	assert_memory_equal(g.part[0] + g.part_bytes[0] - 8, g.part[1] + g.part_bytes[1] - 8, 8);
	rig_fini(&g);
}

static void test_nexmark_any_bytes(void **state)
{
	struct source_rig g;

	(void)state;
	rig_nexmark(&g, 100000);
	rig_start(&g);
	rig_run(&g, 130);
	rig_freeze(&g, true);
	rig_damage(&g, 3, 3000);
	rig_fini(&g);
}

/* ---- memory ---- */

static void write_rows(enum weir_format format, const char *name, const struct weir_schema *s,
		       int from, int to)
{
	static char text[1 << 16];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	const struct weir_schema *schema[1] = {s};
	const char *stream[1] = {""};
	struct weir_encoder_spec e = {.format = format,
				      .csv = {.delimiter = ',', .header = true, .null_text = ""},
				      .stream_count = 1,
				      .schema = schema,
				      .stream_name = stream};

	weir_encode_head(&e, &b);
	for (int i = from; i < to; i++) {
		uint64_t mem[64];
		struct weir_builder row;

		weir_build_begin(&row, mem, sizeof(mem), s);
		weir_build_i64(&row, 0, i);
		weir_build_str(&row, 1, (struct weir_str){"abcdefghijklmnop", (size_t)i % 17});
		if (s->field_count > 2)
			weir_build_i64(&row, 2, i * WEIR_NS_PER_S);
		assert_true(weir_build_end(&row));
		weir_encode_record(&e, &b, row.f);
	}
	assert_false(b.full);
	write_file_by(name, text, b.len, O_TRUNC);
}

static void rig_memory(struct source_rig *g, enum weir_format format)
{
	rig_init(g, WEIR_CONN_MEMORY, format);
	memset(&g->schema[0], 0, sizeof(g->schema[0]));
	weir_schema_add(&g->schema[0], WEIR_STR("k"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&g->schema[0], WEIR_STR("s"), weir_type_of(WEIR_STRING), false);
	weir_schema_add(&g->schema[0], WEIR_STR("t"), weir_type_of(WEIR_TIMESTAMP), false);
	weir_schema_seal(&g->schema[0]);
	g->step.source.time_field = 2;
	g->step.source.path = scratch_dir;
	g->step.source.loop = 4;
	for (int i = 0; i < 3; i++)
		write_rows(format, (char[]){(char)('a' + i), 0}, &g->schema[0], i * 100,
			   i * 100 + 60);
}

static void test_memory(void **state)
{
	static const enum weir_format format[] = {WEIR_FORMAT_CSV, WEIR_FORMAT_JSONL,
						  WEIR_FORMAT_RAW};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(format); i++) {
		struct source_rig g;
		char *want;

		rig_memory(&g, format[i]);
		want = rig_whole(&g);
		for (uint64_t seed = 1; seed < 10; seed++)
			rig_crash_and_compare(&g, want, seed, 10);
		free(want);

		/* Another input. */
		rig_start(&g);
		rig_run(&g, 10);
		rig_freeze(&g, true);
		rig_damage(&g, 5, 1000);
		write_rows(format[i], "b", &g.schema[0], 100, 161);
		assert_int_equal(rig_try_start(&g), WEIR_E_CONFIG);
		assert_non_null(strstr(g.task.err.text, "is not the one that was read"));
		rig_fini(&g);
	}
}

/* ---- producers ---- */

static struct weir_decoder *a_decoder(struct weir_region *region)
{
	static struct weir_schema s;
	static const struct weir_schema *schema[1] = {&s};
	static const int32_t untimed[1] = {-1};
	struct weir_decoder_spec spec = {.format = WEIR_FORMAT_JSONL,
					 .stream_count = 1,
					 .schema = schema,
					 .time_field = untimed};
	struct weir_decoder *d = NULL;

	if (!s.field_count) {
		weir_schema_add(&s, WEIR_STR("k"), weir_type_of(WEIR_INT64), false);
		weir_schema_seal(&s);
	}
	assert_int_equal(weir_decoder_new(&spec, region, &d, NULL), 0);
	return d;
}

static void restore_producers(struct weir_producers *l, const struct weir_out *o, int want)
{
	uint8_t *p = malloc(o->bytes + 1);
	struct weir_reader in = weir_reader_of(p, o->bytes);

	weir_out_copy(o, p);
	assert_int_equal(weir_producers_restore(l, &in), want);
	free(p);
}

static void test_producers(void **state)
{
	struct weir_producers l = {0}, again = {0};
	struct weir_region region;
	struct weir_out part;
	struct weir_decoder *d;
	char name[32];

	(void)state;
	weir_region_init(&region, &weir_test_mem);
	weir_out_init(&part, &weir_test_mem);
	d = a_decoder(&region);
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(weir_producers_of(&l, weir_str_c(name)), i);
		assert_int_equal(weir_producers_took(&l, i, i + 1, d), 0);
	}
	assert_int_equal(weir_producers_of(&l, WEIR_STR("p77")), 77);
	weir_producers_freeze(&l, &part, 5);
	restore_producers(&again, &part, 0);
	weir_out_fini(&part);
	assert_int_equal(again.count, 1000);
	assert_int_equal(again.p[77].durable, 78);
	assert_string_equal(again.p[77].name, "p77");

	/* Durable by epoch, in order; what moved since is in the next part alone. */
	assert_int_equal(weir_producers_took(&l, 3, 100, d), 0);
	weir_producers_freeze(&l, &part, 6);
	assert_true(part.bytes < 64);
	restore_producers(&again, &part, 0);
	assert_int_equal(again.p[3].taken, 104);
	weir_out_fini(&part);
	assert_false(weir_producers_settle(&l, 4));
	assert_int_equal(l.p[3].durable, 0);
	assert_true(weir_producers_settle(&l, 5));
	assert_int_equal(l.p[3].durable, 4);
	assert_true(weir_producers_settle(&l, 9));
	assert_int_equal(l.p[3].durable, 104);
	assert_false(weir_producers_settle(&l, 9));

	/* A round, in pieces. */
	assert_false(weir_producers_touch(&l, true, 64));
	while (!weir_producers_touch(&l, false, 64))
		;
	weir_producers_freeze(&l, &part, 10);
	weir_producers_fini(&again);
	restore_producers(&again, &part, 0);
	assert_int_equal(again.count, 1000);
	assert_int_equal(again.p[3].durable, 104);
	weir_out_fini(&part);
	weir_producers_fini(&again);
	weir_producers_fini(&l);
	weir_region_fini(&region);
}

static void test_producer_names(void **state)
{
	struct weir_producers l = {0};
	char name[256];

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_true(weir_producer_name_ok((struct weir_str){name, 200}));
	assert_false(weir_producer_name_ok((struct weir_str){name, 201}));
	assert_false(weir_producer_name_ok((struct weir_str){name, 0}));
	assert_false(weir_producer_name_ok(WEIR_STR("a b")));
	assert_false(weir_producer_name_ok(WEIR_STR("a\x7f")));
	assert_false(weir_producer_name_ok(WEIR_STR("\xc3\xa4")));
	for (uint32_t i = 0; i < WEIR_PRODUCERS_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(weir_producers_of(&l, weir_str_c(name)), i);
	}
	assert_int_equal(weir_producers_of(&l, WEIR_STR("one more")), WEIR_E_LIMIT);
	assert_int_equal(weir_producers_of(&l, WEIR_STR("65535")), 65535);
	weir_producers_fini(&l);
}

static void test_producers_any_bytes(void **state)
{
	static const uint8_t bad[][4] = {{1, 0}, {1, 2, 'a', ' '}, {1, 1, 'a'}, {1}};
	uint64_t seed = 9;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
		struct weir_producers l = {0};
		struct weir_reader in = weir_reader_of(bad[i], 3);

		assert_int_equal(weir_producers_restore(&l, &in), WEIR_E_CORRUPT);
		weir_producers_fini(&l);
	}
	for (int i = 0; i < 20000; i++) {
		struct weir_producers l = {0};
		uint8_t p[64];
		struct weir_reader in = weir_reader_of(p, sizeof(p));

		for (size_t k = 0; k < sizeof(p); k++)
			p[k] = (uint8_t)(k % 3 ? 'a' + rig_random(&seed) % 4
					       : rig_random(&seed) % 4);
		weir_producers_restore(&l, &in);
		weir_producers_fini(&l);
	}
}

/* ---- request ids ---- */

static struct weir_hash128 id(uint64_t i)
{
	/* Few chains, so that they become long. */
	return (struct weir_hash128){.lo = i % 97, .hi = i};
}

static bool give_ids(struct weir_ids *to, struct weir_ids *from, uint64_t ticket)
{
	struct weir_out o;
	struct weir_reader in;
	uint8_t *p;
	bool ok;

	weir_out_init(&o, &weir_test_mem);
	weir_ids_freeze(from, &o, ticket);
	p = malloc(o.bytes);
	weir_out_copy(&o, p);
	in = weir_reader_of(p, o.bytes);
	ok = weir_ids_restore(to, &in);
	/* Twice is once. */
	in = weir_reader_of(p, o.bytes);
	assert_int_equal(weir_ids_restore(to, &in), ok);
	weir_out_fini(&o);
	free(p);
	return ok;
}

static void test_request_ids(void **state)
{
	struct weir_ids a, b;
	const uint64_t all = WEIR_IDS_MAX + 5000;

	(void)state;
	assert_int_equal(weir_ids_init(&a), 0);
	assert_int_equal(weir_ids_init(&b), 0);
	assert_null(weir_ids_find(&a, id(1)));
	for (uint64_t i = 0; i < 100; i++)
		weir_ids_add(&a, id(i), i + 1);
	assert_int_equal(weir_ids_find(&a, id(55))->ticket, 56);
	/* Only those up to a ticket, and each once. */
	assert_true(give_ids(&b, &a, 50));
	assert_non_null(weir_ids_find(&b, id(49)));
	assert_null(weir_ids_find(&b, id(50)));
	assert_int_equal(weir_ids_find(&b, id(49))->ticket, 0);
	for (uint64_t i = 100; i < all; i++) {
		weir_ids_add(&a, id(i), i + 1);
		if (i % 1000 == 0)
			assert_true(give_ids(&b, &a, i));
	}
	assert_true(give_ids(&b, &a, all));
	assert_true(weir_ids_whole(&b));
	assert_null(weir_ids_find(&b, id(4999)));
	assert_non_null(weir_ids_find(&b, id(5000)));
	assert_non_null(weir_ids_find(&b, id(all - 1)));
	weir_ids_fini(&b);

	/* A base: a part from before it, then all of them. */
	assert_int_equal(weir_ids_init(&b), 0);
	weir_ids_add(&a, id(all), 1);
	assert_true(give_ids(&b, &a, all));
	assert_false(weir_ids_whole(&b));
	weir_ids_touch(&a);
	weir_ids_add(&a, id(all + 1), 1);
	assert_true(give_ids(&b, &a, all));
	assert_true(weir_ids_whole(&b));
	assert_non_null(weir_ids_find(&b, id(6000)));
	assert_non_null(weir_ids_find(&b, id(all + 1)));
	weir_ids_fini(&b);
	weir_ids_fini(&a);
}

static void test_request_ids_any_bytes(void **state)
{
	struct weir_ids l;
	uint64_t seed = 4;

	(void)state;
	assert_int_equal(weir_ids_init(&l), 0);
	for (int i = 0; i < 3000; i++) {
		uint8_t p[64];
		struct weir_reader in = weir_reader_of(p, rig_random(&seed) % sizeof(p));

		for (size_t k = 0; k < sizeof(p); k++)
			p[k] = (uint8_t)(rig_random(&seed) % 3);
		weir_ids_restore(&l, &in);
		weir_ids_whole(&l);
	}
	weir_ids_fini(&l);
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_nexmark),
	cmocka_unit_test(test_nexmark_live_keeps_its_clock),
	cmocka_unit_test(test_nexmark_any_bytes),
	IN_SCRATCH(test_memory),
	cmocka_unit_test(test_producers),
	cmocka_unit_test(test_producer_names),
	cmocka_unit_test(test_producers_any_bytes),
	cmocka_unit_test(test_request_ids),
	cmocka_unit_test(test_request_ids_any_bytes),
};

WEIR_TEST_MAIN("source_state", tests)
