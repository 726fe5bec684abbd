/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/global_case.h - one step of a global aggregate, with records made by hand. */
#ifndef WEIR_TESTS_UNIT_ENGINE_GLOBAL_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_GLOBAL_CASE_H

#include "base/keyhash.h"
#include "engine/core/global_int.h"
#include "engine/core/window_key_text.h"
#include "tests/lib/oprig.h"
#include "tests/unit/engine/regions_case.h"
#include "tests/unit/engine/save_case.h"

#define PIPE(tail)                                                                                       \
	SOURCE "  a: {from: s, key_by: k, window: {tumbling: 100ns, lateness: 10ns}, scope: global" tail \
	       "aggregate: {n: count(), total: sum(v), t: max(k)}}\n"                                    \
	       "  o: {from: a, sink: blackhole}\n"
#define MS INT64_C(1000000)

static struct weir_step step;
static const struct weir_schema *in;
static struct weir_oprig rig;
static struct weir_out part;
static uint32_t record_max, epoch;

static inline int make(struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_op_env e = *env;

	e.epochs = true;
	n->part = &part;
	if (record_max)
		n->task->record_max = record_max;
	return step.kind == WEIR_STEP_GLOBAL_MERGE  ? weir_global_merge_init(n, &e)
	       : step.kind == WEIR_STEP_GLOBAL_MARK ? weir_global_mark_init(n, &e)
						    : weir_aggregate_init(n, &e);
}

static inline int start_again(void)
{
	weir_out_init(&part, &weir_test_mem);
	return weir_oprig_init(&rig, make, &step, in);
}

/* Step `name` in eu, of so many regions. */
static inline void start(const char *yaml, const char *name, uint32_t regions)
{
	const struct weir_pipeline *p;
	int at;

	parse(yaml);
	p = plan_of(0, regions);
	assert_non_null(p);
	at = weir_pipeline_find(p, weir_str_c(name));
	assert_true(at >= 0);
	step = p->step[at];
	in = p->step[step.input[0].step].port[step.input[0].port].schema;
	epoch = 0;
	assert_int_equal(start_again(), 0);
}

static inline int stop(void **state)
{
	(void)state;
	weir_oprig_fini(&rig);
	weir_out_fini(&part);
	parsed_free(&parsed);
	record_max = 0;
	return 0;
}

/* ---- records ---- */

struct record {
	int64_t kind, region, version, start, end;
	struct weir_out key, body;
};

static inline struct record record_of(int64_t kind, const char *region, int64_t version)
{
	struct record r = {
		.kind = kind, .region = weir_global_region_id(region), .version = version};

	weir_out_init(&r.key, &weir_test_mem);
	weir_out_init(&r.body, &weir_test_mem);
	return r;
}

static inline void put_bytes(struct weir_builder *b, unsigned field, struct weir_out *o)
{
	uint32_t at;
	void *p = weir_build_tail(b, o->bytes, 1, &at);

	assert_non_null(p);
	weir_out_copy(o, p);
	weir_build_slot(b, field, at | o->bytes << 32);
	weir_out_fini(o);
}

static inline void put(struct record r)
{
	static _Alignas(8) uint8_t mem[16384];
	struct weir_builder b;

	weir_build_begin(&b, mem, sizeof(mem), weir_global_schema());
	weir_build_i64(&b, WEIR_GLOBAL_KIND, r.kind);
	weir_build_i64(&b, WEIR_GLOBAL_REGION, r.region);
	weir_build_i64(&b, WEIR_GLOBAL_VERSION, r.version);
	weir_build_i64(&b, WEIR_GLOBAL_START, r.start);
	weir_build_i64(&b, WEIR_GLOBAL_END, r.end);
	put_bytes(&b, WEIR_GLOBAL_KEY, &r.key);
	put_bytes(&b, WEIR_GLOBAL_BODY, &r.body);
	assert_true(weir_build_end(&b));
	weir_oprig_put_frame(&rig, b.f);
	weir_oprig_run(&rig);
}

static inline struct record part_of(const char *region, int64_t version, const char *key,
				    int64_t from, uint64_t n, int64_t total)
{
	struct record r = record_of(WEIR_GLOBAL_PART, region, version);
	struct weir_str k = weir_str_c(key);

	r.start = from;
	r.end = from + 100;
	weir_out_u64(&r.key, weir_hash_mix(WEIR_KEYHASH_SEED ^ weir_hash_text(k)));
	weir_out_text(&r.key, k);
	weir_out_varint(&r.body, n);
	weir_out_varint(&r.body, n);
	if (total == 0) {
		weir_out_u8(&r.body, 0);
	} else if (total >= -128 && total <= 127) {
		weir_out_u8(&r.body, 1);
		weir_out_u8(&r.body, (uint8_t)total);
	} else {
		weir_out_u8(&r.body, 8);
		weir_out_i64(&r.body, total);
	}
	weir_out_u8(&r.body, 1);
	weir_out_text(&r.body, k);
	return r;
}

static inline struct record mark_of(const char *region, int64_t version, int64_t watermark)
{
	struct record r = record_of(WEIR_GLOBAL_MARK, region, version);

	r.end = watermark;
	weir_global_counts_put(&r.body, &(struct weir_global_counts){.in = 3});
	return r;
}

/* Barrier, and all of the part; its bytes are the caller's. */
static inline struct saved barrier(int64_t now_ns)
{
	struct weir_node *n = &rig.node[0];

	rig.task.now_ns = now_ns;
	weir_oprig_ctl(&rig, WEIR_FRAME_BARRIER, ++epoch);
	assert_true(n->frozen);
	while (n->cls->state->encode && !n->cls->state->encode(n, n->part, 1))
		;
	n->frozen = false;
	return saved_of(&part);
}

static inline void tick(int64_t now_ns)
{
	struct saved s = barrier(now_ns);

	saved_free(&s);
}

static inline void out_is(uint32_t port, uint32_t i, const char *text)
{
	assert_string_equal(weir_oprig_text(&rig, port, i), text);
}

static inline int restore(const struct saved *s)
{
	struct weir_node *n = &rig.node[0];
	struct weir_restore r = {
		.in = weir_reader_of(s->p, s->n), .instances_then = 1, .instances = 1};

	return n->cls->state->restore(n, &r);
}

#define RESULT(k, n, total, ver, final, regions, missing)                                          \
	"{\"k\":\"" k                                                                              \
	"\",\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:"             \
	"00:00.0000001Z\",\"n\":" n ",\"total\":" total ",\"t\":\"" k "\",\"out_ver\":" ver        \
	",\"final\":" final ",\"regions\":\"" regions "\",\"missing\":\"" missing "\"}"

#endif
