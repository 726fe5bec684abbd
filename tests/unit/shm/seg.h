/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/shm/seg.h - a small segment for the tests of shm/: 2 doorbells, 3 rings, 2 counters,
 * 1 schema (id int64, name string?), all in plain pages unless asked otherwise.
 */
#ifndef WEIR_TESTS_UNIT_SHM_SEG_H
#define WEIR_TESTS_UNIT_SHM_SEG_H

#include <fcntl.h>
#include <unistd.h>

#include "shm/segment.h"
#include "tests/lib/test.h"

#define SEG_NONE UINT32_MAX

struct seg_options {
	struct weir_schema schema;
	const struct weir_schema *schemas[1];
	struct weir_ring_spec ring[3];
	struct weir_counter_spec counter[2];
	struct weir_segment_options opt;
};

static inline void seg_schema(struct weir_schema *s)
{
	memset(s, 0, sizeof(*s));
	s->stream = 7;
	weir_schema_add(s, WEIR_STR("id"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(s, WEIR_STR("name"), weir_type_of(WEIR_STRING), true);
	weir_schema_seal(s);
}

static inline void seg_options(struct seg_options *o)
{
	memset(o, 0, sizeof(*o));
	seg_schema(&o->schema);
	o->schemas[0] = &o->schema;
	o->ring[0] = (struct weir_ring_spec){"a to b", 4096, 0, 256, 0, 1};
	o->ring[1] = (struct weir_ring_spec){"b to c", 5000, 0, 256, SEG_NONE, SEG_NONE};
	o->ring[2] = (struct weir_ring_spec){"plain", 1, SEG_NONE, 0, SEG_NONE, 0};
	o->counter[0] = (struct weir_counter_spec){"step.a.rows_in", 0};
	o->counter[1] = (struct weir_counter_spec){"step.a.lag", 1};
	o->opt = (struct weir_segment_options){
		.name = "test",
		.doorbell_count = 2,
		.ring_count = 3,
		.ring = o->ring,
		.counter_count = 2,
		.counter = o->counter,
		.schema_count = 1,
		.schema = o->schemas,
		.node = -1,
	};
}

static inline void seg_create(struct weir_segment *s)
{
	struct weir_err err = {0};
	struct seg_options o;

	seg_options(&o);
	if (weir_segment_create(&o.opt, s, &err) < 0)
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(weir_segment_map_ring(s, i, &err), 0);
}

/* A data frame of the test schema in mem (at least 256 bytes). */
static inline struct weir_frame *seg_frame(void *mem, const struct weir_schema *schema, int64_t id,
					   const char *name)
{
	struct weir_builder b;

	weir_build_begin(&b, mem, 256, schema);
	weir_build_i64(&b, 0, id);
	if (name)
		weir_build_str(&b, 1, weir_str_c(name));
	else
		weir_build_null(&b, 1);
	assert_true(weir_build_end(&b));
	return b.f;
}

#endif
