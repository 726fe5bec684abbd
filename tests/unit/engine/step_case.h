/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/step_case.h - one step over rows (i int64, n int64?, s string, l list<int64>).
 *
 * n is null for odd i, else i / 2. The last port is the one for rejects when the policy is to route.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_STEP_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_STEP_CASE_H

#include <string.h>

#include "tests/lib/oprig.h"

enum { CASE_I, CASE_N, CASE_S, CASE_L, CASE_FIELDS };

struct step_case {
	struct weir_schema in, out;
	struct weir_step step;
	struct weir_port_def port[WEIR_OPRIG_PORTS];
	struct weir_oprig rig;
};

static inline void step_case_init(struct step_case *c, enum weir_step_kind kind,
				  enum weir_on_error policy, uint32_t ports)
{
	memset(c, 0, sizeof(*c));
	weir_schema_add(&c->in, WEIR_STR("i"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&c->in, WEIR_STR("n"), weir_type_of(WEIR_INT64), true);
	weir_schema_add(&c->in, WEIR_STR("s"), weir_type_of(WEIR_STRING), false);
	weir_schema_add(&c->in, WEIR_STR("l"),
			(struct weir_typeinfo){.type = WEIR_LIST, .elem = WEIR_INT64}, true);
	weir_schema_seal(&c->in);
	c->out = c->in;
	strcpy(c->step.name, "it");
	c->step.kind = kind;
	c->step.on_error = policy;
	c->step.late_port = c->step.rejects_port = -1;
	c->step.port = c->port;
	for (uint32_t i = 0; i < ports; i++)
		c->port[i].schema = &c->out;
	c->step.port_count = ports;
	if (policy == WEIR_ON_ERROR_ROUTE) {
		c->port[ports].schema = (struct weir_schema *)(uintptr_t)weir_rejects_schema();
		c->step.rejects_port = (int32_t)ports;
		c->step.port_count++;
	}
}

static inline void step_case_start(struct step_case *c, weir_op_init_fn init)
{
	assert_int_equal(weir_oprig_init(&c->rig, init, &c->step, &c->in), 0);
}

static inline void step_case_fini(struct step_case *c)
{
	weir_oprig_fini(&c->rig);
}

/* A list of `count` elements 100, 101, ...; count < 0: null. */
static inline void step_case_put_list(struct step_case *c, int64_t time, int64_t i, const char *s,
				      int64_t count)
{
	static uint64_t mem[16384];
	struct weir_builder b;

	weir_build_begin(&b, mem, sizeof(mem), &c->in);
	weir_build_i64(&b, CASE_I, i);
	if (i % 2)
		weir_build_null(&b, CASE_N);
	else
		weir_build_i64(&b, CASE_N, i / 2);
	weir_build_str(&b, CASE_S, weir_str_c(s));
	if (count < 0) {
		weir_build_null(&b, CASE_L);
	} else if (count) {
		uint32_t at;
		uint64_t *v = weir_build_tail(&b, 8 * (size_t)count, 8, &at);

		assert_non_null(v);
		for (int64_t k = 0; k < count; k++)
			v[k] = (uint64_t)(100 + k);
		weir_build_slot(&b, CASE_L, (uint64_t)at | (uint64_t)count << 32);
	}
	assert_true(weir_build_end(&b));
	b.f->time_ns = time;
	b.f->flags = WEIR_FRAME_F_TIMED | WEIR_FRAME_F_HASHED;
	b.f->key_hash = 77;
	weir_oprig_put_frame(&c->rig, b.f);
}

static inline void step_case_put(struct step_case *c, int64_t time, int64_t i, const char *s)
{
	step_case_put_list(c, time, i, s, 0);
}

#endif
