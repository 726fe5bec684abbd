/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/bundle.h - what one epoch of a cell writes, as bytes.
 *
 *   | head | step table | part | part | ... |
 *
 *   head        "WBDL", version u16, flags u16 (1: the pipeline has ended), oldest folded epoch u64 (the epoch itself
 *               when nothing was folded), wall clock i64 ns, route version u64
 *   step table  varint count; per step: text name, varint tasks, u8 kind, text signature (freeze.h sign(); "" none)
 *   part        u8 kind, varint step (in the table), varint task of the step, varint bytes, the bytes
 *
 * Parts:  NODE  a node's freeze() and encode()        TASK  inlet and watermarks of a chain; step is its root
 *         SINK  u64 previous epoch with output, u8 has output, then the sink's freeze()
 *         A folded epoch's parts stand in front of those of the epoch it was folded into.
 * Errors: WEIR_E_CORRUPT for anything else. Pure. Fuzzed (tests/fuzz/fuzz_bundle.c).
 */
#ifndef WEIR_ENGINE_CORE_BUNDLE_H
#define WEIR_ENGINE_CORE_BUNDLE_H

#include "base/bytes.h"
#include "base/err.h"
#include "engine/core/pipeline.h"

#define WEIR_BUNDLE_ENDED 1u

enum weir_part_kind { WEIR_PART_NODE = 1, WEIR_PART_TASK = 2, WEIR_PART_SINK = 3 };

struct weir_bundle_step {
	struct weir_str name, sign;
	uint32_t tasks;
	uint8_t kind; /* enum weir_step_kind */
};

struct weir_bundle_head {
	uint16_t flags;
	uint64_t folded_from, route;
	int64_t wall_ns;
	uint32_t step_count;
	struct weir_bundle_step step[WEIR_STEPS_MAX];
};

struct weir_part {
	enum weir_part_kind kind;
	uint32_t step, task;
	struct weir_reader in;
};

void weir_bundle_head_put(struct weir_out *o, const struct weir_bundle_head *h);
/* Moves the bytes of `from` behind the part's head. */
void weir_bundle_part_put(struct weir_out *o, enum weir_part_kind kind, uint32_t step,
			  uint32_t task, struct weir_out *from);

/* Texts of *ret point into the reader's bytes. */
int weir_bundle_head_read(struct weir_reader *r, struct weir_bundle_head *ret,
			  struct weir_err *err);
/* 1: a part, 0: the end, <0. */
int weir_bundle_part_read(struct weir_reader *r, const struct weir_bundle_head *h,
			  struct weir_part *ret, struct weir_err *err);

#endif
