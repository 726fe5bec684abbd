/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/lib/oprig.h - drives one operator node with rows and controls, and collects what each port gives.
 *
 * Use:    fill a step (ports, late_port, rejects_port, the operator's part), weir_oprig_init(), then
 *         weir_oprig_put() and weir_oprig_watermark(), weir_oprig_eos(); look at rig->out[port].
 *         Rows wait until weir_oprig_run(), a control, or a full batch.
 * Checks: an input frame is freed as soon as the node has consumed it, and an output is copied right
 *         after the call that made it, so that the address sanitizer sees a stale use. Each call
 *         gives the ports `room` rows of room (0 .. room when `seed` is set), so that every
 *         emission is interrupted somewhere.
 */
#ifndef WEIR_TESTS_LIB_OPRIG_H
#define WEIR_TESTS_LIB_OPRIG_H

#include "engine/core/op.h"
#include "engine/core/pipeline.h"
#include "tests/lib/test.h"

#define WEIR_OPRIG_PORTS 8

/* One field: text for string and bytes, f for float64, i for the others. */
struct weir_oprig_value {
	int64_t i;
	double f;
	const char *text;
	bool null;
};
#define WEIR_ROW_I(v) ((struct weir_oprig_value){.i = (v)})
#define WEIR_ROW_F(v) ((struct weir_oprig_value){.f = (v)})
#define WEIR_ROW_S(v) ((struct weir_oprig_value){.text = (v)})
#define WEIR_ROW_NULL ((struct weir_oprig_value){.null = true})

/* Rows and controls of a port in order; controls are frames of their kind with the value in time_ns. */
struct weir_oprig_out {
	struct weir_frame **frame;
	uint32_t count, cap;
	uint32_t rows; /* data frames among them */
};

struct weir_oprig {
	struct weir_region region;
	struct weir_task task;
	struct weir_node node[1 + WEIR_OPRIG_PORTS]; /* the operator, a collector per port */
	struct weir_port port[WEIR_OPRIG_PORTS];
	struct weir_node *target[WEIR_OPRIG_PORTS];
	struct weir_oprig_out out[WEIR_OPRIG_PORTS];
	struct weir_frame *held[WEIR_BATCH_ROWS]; /* input frames */
	const struct weir_schema *in;
	uint32_t held_count, room;
	uint64_t seed;
	int failed; /* code of a call that failed; nothing runs after it */
};

typedef int (*weir_op_init_fn)(struct weir_node *n, const struct weir_op_env *env);

/* Room is 256 and record_max 4 KiB; change rig->room and rig->seed afterwards. Result of init. */
int weir_oprig_init(struct weir_oprig *rig, weir_op_init_fn init, const struct weir_step *keep_step,
		    const struct weir_schema *keep_in);
void weir_oprig_fini(struct weir_oprig *rig);

/* A frame in malloc memory. */
struct weir_frame *weir_oprig_frame(const struct weir_schema *s, int64_t time_ns,
				    const struct weir_oprig_value *value);
void weir_oprig_put(struct weir_oprig *rig, int64_t time_ns, const struct weir_oprig_value *value);
void weir_oprig_put_frame(struct weir_oprig *rig, const struct weir_frame *f); /* copies */

void weir_oprig_run(struct weir_oprig *rig); /* until the rows are consumed */
void weir_oprig_watermark(struct weir_oprig *rig, int64_t watermark);
void weir_oprig_eos(struct weir_oprig *rig);
void weir_oprig_ctl(struct weir_oprig *rig, uint8_t kind, int64_t value);

/* Output i of a port as JSON (controls as "watermark 5", "eos"); valid until the rig ends. */
const char *weir_oprig_text(struct weir_oprig *rig, uint32_t port, uint32_t i);
/* The same for any frame. */
const char *weir_oprig_json(struct weir_oprig *rig, const struct weir_frame *f,
			    const struct weir_schema *s);

#endif
