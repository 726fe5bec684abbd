/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/regions_int.h - what the files that plan regions share.
 *
 *   regions.c        the plan as a whole; its edges
 *   regions_check.c  who runs where and reads from where, and what is wrong about it: the same for all regions
 *   regions_steps.c  the steps of one region
 *   regions_text.c   what their paths and addresses say of it
 *   regions_table.c  what regions tell each other about a table
 *   regions_global.c whose records are in a global aggregate
 *
 * Sets of regions are words: bit i is region i of the cluster. Memory: the caller's region.
 */
#ifndef WEIR_ENGINE_CORE_REGIONS_INT_H
#define WEIR_ENGINE_CORE_REGIONS_INT_H

#include "base/buf.h"
#include "engine/core/regions.h"

#define WEIR__REGIONS_MAX 32u /* bits of a set */

/* Key groups of a step's output, spread over regions. Readers with the same key and the same regions share one. */
struct weir__keying {
	uint16_t step, port; /* of the file's pipeline */
	uint32_t regions;
	uint32_t number; /* among those of the output, from 1 */
	const struct weir_step *reader; /* the first: its key */
};

struct weir__regions {
	const struct weir_pipeline *p;
	const struct weir_regions_env *env;
	struct weir_region *region;
	struct weir_diags *diags;
	uint32_t *runs; /* step -> where it runs */
	uint32_t **from; /* step, input -> where it reads from; of a plain input 0 */
	uint32_t keying_count;
	struct weir__keying *keying;
};

weir_inline uint32_t weir__region_bit(uint32_t region)
{
	return UINT32_C(1) << region;
}

/* Where input i of a step that runs in `at` comes from. */
weir_inline uint32_t weir__regions_from(const struct weir__regions *x, uint32_t step, uint32_t i,
					uint32_t at)
{
	return x->p->step[step].input[i].remote ? x->from[step][i] : weir__region_bit(at);
}

/* Keying of an input; NULL: records are copied (or only one region owns all keys). */
const struct weir__keying *weir__regions_keying(const struct weir__regions *x, uint32_t step,
						uint32_t i);

/* regions_check.c. What is wrong is in diags; false: something is. */
bool weir__regions_check(struct weir__regions *x);

/* regions_text.c: "{region}" is the name of env->here. */
bool weir__regions_texts_used(const struct weir_step *s);
void weir__regions_texts(struct weir__regions *x, struct weir_step *s);

/* regions_global.c: members of a mark or merge step, as the step of the file's pipeline with this index. */
void weir__regions_global(struct weir__regions *x, uint32_t step, struct weir_step *s);

/* regions_table.c: ports, sources and sinks of a table for the regions that have it too. s: not among the steps yet. */
struct weir__steps;
void weir__regions_table(struct weir__regions *x, struct weir__steps *t, uint32_t step,
			 struct weir_step *s);
void weir__regions_table_sinks(struct weir__regions *x, struct weir__steps *t,
			       const struct weir_step *s, uint16_t at);
/* regions_steps.c: a new end of an edge; one more input. */
struct weir_step *weir__steps_end(struct weir__steps *t, const char *name, enum weir_step_kind kind,
				  struct weir_doc_pos pos, uint16_t *ret_at);
void weir__steps_input(struct weir__steps *t, struct weir_step *s, uint16_t step, uint16_t port,
		       struct weir_doc_pos pos);

/* regions_steps.c: the steps of env->here, or false with what is wrong in diags. */
bool weir__regions_steps(struct weir__regions *x, struct weir_step **ret_step, uint32_t *ret_count);

#endif
