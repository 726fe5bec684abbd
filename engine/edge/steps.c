/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/steps.h"

#include "engine/core/assemble.h"
#include "engine/core/cell.h"
#include "engine/edge/connector.h"
#include "engine/edge/disk.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/operator.h"
#include "engine/edge/state_dir.h"

struct dry {
	const struct weir_pipeline *p;
	struct weir_ring_block block; /* one for all: nothing goes through it */
	uint8_t *base;
};

static void ring_at(void *ctx, uint32_t ring, struct weir_ring_block **ret_block,
		    uint8_t **ret_base)
{
	struct dry *d = ctx;

	(void)ring;
	*ret_block = &d->block;
	*ret_base = d->base;
}

static struct weir_conn_env conn_env(const struct dry *d, const struct weir_op_env *env)
{
	return (struct weir_conn_env){.pipeline = d->p,
				      .step = env->step,
				      .in = env->in,
				      .region = env->region,
				      .rejects_port = env->rejects_port,
				      .instance = env->instance,
				      .instances = env->instances,
				      .epochs = true,
				      .dry = true};
}

static int make_source(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_conn_env conn = conn_env(ctx, env);

	return weir_source_open(n, &conn);
}

static int make_sink(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_conn_env conn = conn_env(ctx, env);

	return weir_sink_open(n, &conn);
}

static int make_oper(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	(void)ctx;
	return weir_operator_init(n, env);
}

int weir_steps_table(const struct weir_pipeline *p, const struct weir_engine_options *opt,
		     struct weir_region *region, struct weir_bundle_head *ret, struct weir_err *err)
{
	struct weir_engine_plan *plan = weir_region_new(region, struct weir_engine_plan);
	struct dry d = {.p = p, .block = {.capacity = 4096}, .base = weir_region_alloc(region, 64)};
	struct weir_assembly a = {.p = p,
				  .tasks = &plan->tasks,
				  .regex = opt->regex,
				  .epochs = true,
				  .ring = ring_at,
				  .source = make_source,
				  .sink = make_sink,
				  .oper = make_oper,
				  .ctx = &d};
	struct weir_unit **unit;
	uint32_t built = 0;
	int r = weir_engine_plan(p, opt, region, plan, err);

	if (r < 0)
		return r;
	unit = weir_region_array(region, struct weir_unit *, plan->tasks.task_count);
	while (built < plan->tasks.task_count && r == 0) {
		struct weir_assembled made;

		unit[built] = weir_region_new(region, struct weir_unit);
		unit[built]->task.mem = &weir_heap_mem;
		r = weir_assemble_task(&a, built, region, unit[built], &made);
		if (r < 0)
			*err = unit[built]->task.err;
		built++;
	}
	if (r == 0)
		weir_cell_step_table(p, &plan->tasks, unit, region, ret);
	for (uint32_t i = 0; i < built; i++)
		weir_disassemble_task(unit[i]);
	return r;
}

struct then {
	struct weir_region *region;
	struct weir_bundle_head *ret;
	const char **name;
	uint64_t epoch;
};

static int keep(void *ctx, const struct weir_bundle_head *h, uint64_t epoch)
{
	struct then *t = ctx;

	for (uint32_t i = 0; i < h->step_count; i++) {
		struct weir_bundle_step *s = &t->ret->step[i];

		/* h is *ret: its texts go with the bundle. */
		t->name[i] = s->name.p = weir_region_strdup(t->region, s->name);
		s->sign.p = weir_region_strdup(t->region, s->sign);
	}
	t->epoch = epoch;
	return 0;
}

int weir_steps_then(const char *dir, const char *pipeline, struct weir_region *region,
		    struct weir_bundle_head *ret, const char **ret_name, uint64_t *ret_epoch,
		    struct weir_err *err)
{
	static struct weir_journal_report rep;
	struct weir_journal_options o = {.read_only = true, .pipeline = pipeline};
	struct weir_disk_options d = {.read_only = true};
	struct then t = {.region = region, .ret = ret, .name = ret_name};
	struct weir_state_dir state;
	struct weir_disk disk = {0};
	struct weir_journal *j = NULL;
	int r = weir_state_dir_open(dir, WEIR_STATE_DIR_READ, &state, err);

	if (r < 0)
		return r;
	r = weir_disk_open(dir, &d, &disk, err);
	if (r == 0)
		r = weir_journal_open(&o, &disk, &weir_heap_mem, &j, &rep, err);
	if (r == 0)
		r = weir_cell_recall(j, ret, keep, &t, err);
	*ret_epoch = t.epoch;
	if (j)
		weir_journal_close(j);
	weir_disk_close(&disk);
	weir_state_dir_close(&state);
	return r;
}
