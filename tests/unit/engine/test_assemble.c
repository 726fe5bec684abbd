/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline with every kind of step, as tasks with rings of the test: how nodes, ports and rings hang together. */
#include "engine/core/assemble.h"
#include "engine/edge/regex.h"
#include "tests/unit/engine/pipeline_case.h"
#include "tests/unit/engine/task_rig.h"

#define RINGS 64

static const char *const yaml =
	"pipeline: all\n"
	"workers: 2\n"
	"steps:\n"
	"  in: {source: {file: {path: a.jsonl}}, schema: {t: timestamp, k: string, n: int64, "
	"tags: list<string>}, event_time: t}\n"
	"  few: {from: in, filter: n > 1, on_error: route}\n"
	"  more: {from: few, set: {m: n + 1}, on_error: skip}\n"
	"  flat: {from: more, flat_map: {field: tags, as: tag}}\n"
	"  two: {from: more, split: {big: n > 10}, on_error: skip}\n"
	"  all: {from: [two.big, two.rest], union: true}\n"
	"  by: {from: all, key_by: [k]}\n"
	"  sums: {from: by, key_by: [k], window: {tumbling: 1s}, aggregate: {c: count()}, "
	"parallelism: 3}\n"
	"  best: {from: all, key_by: [k], window: {tumbling: 1s}, top: {k: 2, by: n}, "
	"parallelism: 2}\n"
	"  own: {from: all, operator: {library: /played.so, name: own}, parallelism: 2}\n"
	"  bad: {from: few.rejects, sink: blackhole}\n"
	"  a: {from: flat, sink: blackhole}\n"
	"  b: {from: sums, sink: blackhole}\n"
	"  c: {from: best, sink: blackhole}\n"
	"  d: {from: own, sink: blackhole}\n";

struct made {
	struct weir_source source; /* first: the unit finds it as the node's op */
	uint32_t sources, sinks, opers, finis;
	uint32_t hashed;
	bool epochs;
	int fail;
	struct rig_ring ring[RINGS];
};

static struct made made;

static void count_fini(struct weir_node *n)
{
	(void)n;
	made.finis++;
}

static const struct weir_op_class source_cls = {.name = "s", .source = true, .fini = count_fini};
static const struct weir_op_class other_cls = {.name = "o", .fini = count_fini};

static void ring_of(void *ctx, uint32_t ring, struct weir_ring_block **ret_block,
		    uint8_t **ret_base)
{
	struct made *m = ctx;

	assert_true(ring < RINGS);
	if (!m->ring[ring].block)
		ring_open(&m->ring[ring], 4096, 256);
	*ret_block = m->ring[ring].block;
	*ret_base = m->ring[ring].base;
}

static int make_source(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct made *m = ctx;

	m->sources++;
	assert_null(env->in);
	assert_int_equal(env->epochs, m->epochs);
	n->cls = &source_cls;
	n->op = m;
	return 0;
}

static int make_other(struct made *m, struct weir_node *n, const struct weir_op_env *env)
{
	assert_non_null(env->in);
	assert_true(env->instance < env->instances);
	m->hashed += env->hashed;
	n->cls = &other_cls;
	return 0;
}

static int make_sink(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct made *m = ctx;

	m->sinks++;
	if (m->fail)
		return weir_err_set(&n->task->err, m->fail, "played sink");
	return make_other(m, n, env);
}

static int make_oper(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	((struct made *)ctx)->opers++;
	return make_other(ctx, n, env);
}

struct fixture {
	struct parsed parsed;
	struct weir_tasks tasks;
	struct weir_assembly a;
	struct weir_unit unit[RINGS];
	struct weir_assembled out[RINGS];
	struct weir_err err;
};

static struct fixture *start(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&made, 0, sizeof(made));
	parse_with(&f->parsed, yaml, "", &played_ops);
	if (!f->parsed.p) {
		static char text[4096];

		show_errors(&f->parsed, text, sizeof(text));
		fail_msg("%s", text);
	}
	assert_int_equal(weir_tasks_plan(f->parsed.p, 2, &f->parsed.region, &f->tasks, &f->err), 0);
	assert_true(f->tasks.ring_count <= RINGS && f->tasks.task_count <= RINGS);
	f->a = (struct weir_assembly){.p = f->parsed.p,
				      .tasks = &f->tasks,
				      .regex = weir_regex_pcre2(),
				      .ring = ring_of,
				      .source = make_source,
				      .sink = make_sink,
				      .oper = make_oper,
				      .ctx = &made};
	return f;
}

static void stop(struct fixture *f)
{
	for (uint32_t i = 0; i < RINGS; i++)
		if (made.ring[i].block)
			ring_close(&made.ring[i]);
	parsed_free(&f->parsed);
	free(f);
}

static int assemble(struct fixture *f, uint32_t i)
{
	f->unit[i].task.mem = &weir_test_mem;
	return weir_assemble_task(&f->a, i, &f->parsed.region, &f->unit[i], &f->out[i]);
}

/* Every target of a port is a node of the task, behind it, and each has one parent. */
static void check_tree(const struct weir_unit *u, const struct weir_assembled *out)
{
	uint32_t children = 0;

	for (uint32_t i = 0; i < u->task.node_count; i++) {
		const struct weir_node *n = &u->task.node[i];

		assert_ptr_equal(n->task, &u->task);
		assert_non_null(n->cls);
		assert_int_equal(*n->step_name == 0, i >= out->step_nodes);
		for (uint32_t p = 0; p < n->port_count; p++) {
			assert_true(!n->port[p].target_count || n->port[p].scratch);
			for (uint32_t k = 0; k < n->port[p].target_count; k++) {
				assert_true(n->port[p].target[k] > n);
				children++;
			}
		}
	}
	assert_int_equal(children, u->task.node_count - 1);
}

static void test_assemble_every_kind_of_step(void **state)
{
	struct fixture *f = start();
	uint32_t rings = 0, nodes = 0, outlets = 0;

	(void)state;
	for (uint32_t i = 0; i < f->tasks.task_count; i++) {
		assert_int_equal(assemble(f, i), 0);
		check_tree(&f->unit[i], &f->out[i]);
		assert_int_equal(f->unit[i].task.node_count,
				 f->out[i].step_nodes + f->out[i].outlet_count);
		assert_int_equal(f->unit[i].inlet.ring_count == 0, f->unit[i].source != NULL);
		for (uint32_t k = 0; k < f->unit[i].inlet.ring_count; k++)
			assert_int_equal(weir_tasks_ring_end(&f->tasks, f->out[i].inlet_ring[k], 1),
					 i);
		for (uint32_t k = 0; k < f->out[i].outlet_count; k++) {
			assert_int_equal(
				weir_tasks_ring_end(&f->tasks, f->out[i].outlet_ring[k], 0), i);
			rings += f->out[i].outlet[k]->ring_count;
		}
		nodes += f->out[i].step_nodes;
		outlets += f->out[i].outlet_count;
	}
	assert_int_equal(rings, f->tasks.ring_count);
	assert_int_equal(made.sources, 1);
	assert_true(made.sinks >= 5 && made.opers == 2 && made.hashed <= made.sinks + made.opers);
	assert_true(outlets >= 3 && nodes > 10);
	for (uint32_t i = 0; i < f->tasks.task_count; i++)
		weir_disassemble_task(&f->unit[i]);
	assert_int_equal(made.finis, made.sources + made.sinks + made.opers);
	stop(f);
}

static void test_assemble_says_that_there_are_epochs(void **state)
{
	struct fixture *f = start();

	(void)state;
	f->a.epochs = made.epochs = true;
	for (uint32_t i = 0; i < f->tasks.task_count; i++)
		assert_int_equal(assemble(f, i), 0);
	for (uint32_t i = 0; i < f->tasks.task_count; i++)
		weir_disassemble_task(&f->unit[i]);
	stop(f);
}

static void test_assemble_that_fails_can_be_taken_down(void **state)
{
	struct fixture *f = start();
	uint32_t failed = 0;

	(void)state;
	made.fail = WEIR_E_CONFIG;
	for (uint32_t i = 0; i < f->tasks.task_count; i++) {
		int r = assemble(f, i);

		if (r < 0) {
			assert_int_equal(r, WEIR_E_CONFIG);
			assert_string_equal(f->unit[i].task.err.text, "played sink");
			failed++;
		}
		weir_disassemble_task(&f->unit[i]);
	}
	assert_true(failed > 0);
	stop(f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_assemble_every_kind_of_step),
	cmocka_unit_test(test_assemble_says_that_there_are_epochs),
	cmocka_unit_test(test_assemble_that_fails_can_be_taken_down),
};

WEIR_TEST_MAIN("assemble", tests)
