/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/assemble.h - from a chain of the plan to the nodes, ports and rings of one task.
 *
 * The engine and the simulator build their tasks here; what differs comes from callbacks: where rings and memory
 * are, and who makes sources, sinks and operators.
 * Memory: the task's region. Pure.
 */
#ifndef WEIR_ENGINE_CORE_ASSEMBLE_H
#define WEIR_ENGINE_CORE_ASSEMBLE_H

#include "engine/core/tasks.h"
#include "engine/core/unit.h"

struct weir_assembly {
	const struct weir_pipeline *p;
	const struct weir_tasks *tasks;
	const struct weir_regex_ops *regex;
	bool epochs; /* nodes keep track of what changes */
	/* Block and doubly mapped data of a ring. */
	void (*ring)(void *ctx, uint32_t ring, struct weir_ring_block **ret_block,
		     uint8_t **ret_base);
	/* Make a node of that kind: n->task, port, step are there. env as for other operators. 0 or <0 with
	 * n->task->err. */
	int (*source)(void *ctx, struct weir_node *n, const struct weir_op_env *env);
	int (*sink)(void *ctx, struct weir_node *n, const struct weir_op_env *env);
	int (*oper)(void *ctx, struct weir_node *n, const struct weir_op_env *env);
	void *ctx;
};

struct weir_assembled {
	uint32_t step_nodes; /* the first ones; outlets follow, then one unused node */
	uint32_t outlet_count;
	struct weir_outlet **outlet;
	uint32_t *outlet_ring; /* per outlet: number of its first ring in the plan */
	uint32_t *inlet_ring; /* per input of the unit: number of the ring */
};

/* Builds task `index` of the plan into *u (zeroed, task.mem set). On an error what was built is to be taken down
 * with weir_disassemble_task() all the same. 0 or <0 with u->task.err. */
int weir_assemble_task(const struct weir_assembly *a, uint32_t index, struct weir_region *region,
		       struct weir_unit *u, struct weir_assembled *ret);
void weir_disassemble_task(struct weir_unit *u);

#endif
