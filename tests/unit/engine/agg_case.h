/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/agg_case.h - one aggregate node on the rig, for the tests of windows and sessions. */
#ifndef WEIR_TESTS_UNIT_ENGINE_AGG_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_AGG_CASE_H

#include "tests/lib/oprig.h"
#include "tests/lib/winref.h"

static struct winref w;
static struct weir_oprig rig;

static void start(struct weir_window_spec spec, enum winref_key key)
{
	winref_init(&w, spec, key);
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), 0);
}

/* Only count() by k, which most cases need. */
static void start_count(struct weir_window_spec spec)
{
	winref_init(&w, spec, WINREF_KEY_INT);
	w.step.aggregate.agg_count = 1;
	w.out.field_count = 4;
	weir_schema_seal(&w.out);
	assert_int_equal(weir_oprig_init(&rig, weir_aggregate_init, &w.step, &w.in), 0);
}

static void stop(void)
{
	weir_oprig_fini(&rig);
	winref_fini(&w);
}

static void row(int64_t t, int64_t k)
{
	const struct weir_oprig_value v[WINREF_FIELDS] = {WEIR_ROW_I(k), WEIR_ROW_NULL,
							  WEIR_ROW_NULL, WEIR_ROW_NULL,
							  WEIR_ROW_NULL, WEIR_ROW_I(0)};

	weir_oprig_put(&rig, t, v);
}

/* Output i is "key start end count" or a control. */
static void expect(uint32_t i, int64_t k, int64_t from, int64_t to, int64_t n)
{
	const struct weir_frame *f;

	assert_true(i < rig.out[0].count);
	f = rig.out[0].frame[i];
	assert_int_equal(f->kind, WEIR_FRAME_DATA);
	assert_int_equal(f->flags, WEIR_FRAME_F_TIMED);
	assert_int_equal(f->time_ns, to - 1);
	assert_int_equal(weir_get_i64(f, &w.out, 0), k);
	assert_int_equal(weir_get_i64(f, &w.out, 1), from);
	assert_int_equal(weir_get_i64(f, &w.out, 2), to);
	assert_int_equal(weir_get_i64(f, &w.out, 3), n);
}

#endif
