/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/life.h"

#include <stdlib.h>

#include "tests/sim/disk.h"
#include "tests/sim/graph.h"
#include "tests/sim/mem.h"
#include "tests/sim/moment.h"
#include "tests/sim/regions.h"
#include "tests/sim/sink.h"
#include "tests/sim/situation.h"
#include "tests/sim/source.h"
#include "tests/sim/user.h"
#include "tests/sim/world.h"

/* ---- building ---- */

static void ring_of(void *ctx, uint32_t ring, struct weir_ring_block **ret_block,
		    uint8_t **ret_base)
{
	struct sim_life *l = ctx;

	*ret_block = l->ring[ring]->block;
	*ret_base = l->ring[ring]->base;
}

static int make_source(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct sim_life *l = ctx;

	if (l->s->user)
		return sim_user_source(l->s, n, env, l->p);
	if (env->step->source.connector == WEIR_CONN_EDGE)
		return sim_edge_source_init(l, n, env);
	return sim_source_init(l->s, n, env);
}

static int make_sink(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct sim_life *l = ctx;

	if (env->step->sink.connector == WEIR_CONN_EDGE)
		return sim_edge_sink_init(l, n, env);
	return sim_sink_init(l->s, n, env);
}

static int make_oper(void *ctx, struct weir_node *n, const struct weir_op_env *env)
{
	struct sim_life *l = ctx;

	return l->s->user ? sim_user_oper(n, env) : sim_operator_init(l->s, n, env);
}

static uint64_t ring_capacity(const struct weir_pipeline *p)
{
	uint64_t n = 4096;

	while (n < p->ring_bytes)
		n *= 2;
	return n;
}

static int assemble(struct sim_life *l)
{
	struct weir_assembly a = {.p = l->p,
				  .tasks = &l->tasks,
				  .regex = l->s->user ? sim_user_regex() : NULL,
				  .epochs = true,
				  .ring = ring_of,
				  .source = make_source,
				  .sink = make_sink,
				  .oper = make_oper,
				  .ctx = l};
	uint64_t capacity = ring_capacity(l->p);
	uint32_t n = l->tasks.task_count;

	l->ring = weir_region_array(&l->region, struct sim_ring *, l->tasks.ring_count);
	for (uint32_t i = 0; i < l->tasks.ring_count; i++)
		l->ring[i] = sim_ring_take(capacity, capacity / 16);
	l->unit = weir_region_array(&l->region, struct weir_unit, n);
	l->units = weir_region_array(&l->region, struct weir_unit *, n);
	l->assembled = weir_region_array(&l->region, struct weir_assembled, n);
	l->task = weir_region_array(&l->region, struct sim_task, n);
	l->report_mem = weir_region_array(&l->region, struct weir_report, n);
	for (uint32_t i = 0; i < n; i++) {
		int r;

		l->units[i] = &l->unit[i];
		l->unit[i].task.mem = &l->mem.mem;
		l->unit[i].task.now_ns = sim_wall(l->s);
		l->unit[i].task.mono_ns = l->s->now;
		r = weir_assemble_task(&a, i, &l->region, &l->unit[i], &l->assembled[i]);
		if (r < 0) {
			l->err = l->unit[i].task.err;
			return r;
		}
		weir_unit_epochs(&l->unit[i], &l->region, &l->mem.mem);
		if (l->s->user && l->unit[i].source)
			sim_user_pace(l->s, l->unit[i].source,
				      l->tasks.chain[l->tasks.task_chain[i]].parallelism);
	}
	return 0;
}

static int open_journal(struct sim_life *l)
{
	const struct sim_options *o = &l->s->opt;
	struct weir_journal_options jo = {.pipeline = l->p->name,
					  .segment_bytes = o->segment_bytes,
					  .in_flight = o->journal_bytes};

	memcpy(jo.identity, "simulated world!", 16);
	return weir_journal_open(&jo, &l->disk, &l->mem.mem, &l->journal, &l->found, &l->err);
}

static int open_cell(struct sim_life *l)
{
	const struct sim_options *o = &l->s->opt;
	struct weir_cell_options co = {.epoch_ns = o->epoch_ns,
				       .epoch_bytes = o->epoch_bytes,
				       .in_flight = o->in_flight,
				       .deadline_ns = o->deadline_ns,
				       .base_bytes = o->base_bytes,
				       .stream_memory = o->stream_memory,
				       .space_min = (uint64_t)1 << 20};
	int r = weir_cell_open(&l->cell, &co, l->p, &l->tasks, l->units, l->journal, &l->mem.mem,
			       &l->region, &l->err);

	l->cell_open = r == 0;
	l->rest = l->cell.ended;
	return r;
}

/* Steps of a user's file keep the tasks they had, as in the engine. */
static int keep_tasks(void *ctx, const struct weir_bundle_head *h, uint64_t epoch)
{
	struct sim_life *l = ctx;

	(void)epoch;
	for (uint32_t i = 0; i < h->step_count; i++) {
		int k = weir_pipeline_find(l->p, h->step[i].name);

		if (k >= 0 &&
		    (h->step[i].kind == WEIR_STEP_SOURCE || h->step[i].kind == WEIR_STEP_SINK))
			l->p->step[k].parallelism = h->step[i].tasks;
	}
	return 0;
}

int sim_life_start(struct sim *s, uint32_t parallelism, struct sim_life **ret)
{
	struct sim_life *l = sim_alloc(sizeof(*l));
	struct weir_bundle_head *head;
	int r;

	*ret = l;
	l->s = s;
	l->parallelism = parallelism;
	sim_mem_init(&l->mem);
	weir_region_init(&l->region, &l->mem.mem);
	l->disk = sim_disk_of(s->disk);
	r = s->user	? sim_user_build(s, &l->region, &l->p, &l->err)
	    : s->region ? sim_region_build(l)
			: sim_graph_build(&s->opt, parallelism, &l->region, &l->p, &l->err);
	if (r == 0)
		r = open_journal(l);
	if (r < 0)
		return r;
	s->disk->reads_bytes = 0;
	head = weir_region_new(&l->region, struct weir_bundle_head);
	r = weir_cell_recall(l->journal, head, keep_tasks, l, &l->err);
	if (r >= 0)
		r = weir_tasks_plan(l->p, s->user ? s->opt.parallelism : 1, &l->region, &l->tasks,
				    &l->err);
	if (r == 0)
		r = assemble(l);
	if (r == 0 && !s->user && !s->region)
		sim_shadow_wrap(l);
	if (r == 0)
		r = open_cell(l);
	return r;
}

int sim_life_shadow(struct sim *s, uint32_t parallelism, struct sim_life **ret)
{
	struct sim_life *l = sim_alloc(sizeof(*l));
	int r;

	*ret = s->life_shadow = l;
	l->s = s;
	l->parallelism = parallelism;
	sim_mem_init(&l->mem);
	weir_region_init(&l->region, &l->mem.mem);
	r = sim_graph_build(&s->opt, parallelism, &l->region, &l->p, &l->err);
	if (r == 0)
		r = weir_tasks_plan(l->p, 1, &l->region, &l->tasks, &l->err);
	return r < 0 ? r : assemble(l);
}

void sim_life_close_nodes(struct sim_life *l)
{
	for (uint32_t i = 0; l->unit && i < l->tasks.task_count; i++)
		weir_disassemble_task(&l->unit[i]);
}

void sim_life_end(struct sim_life *l)
{
	if (l->s->user)
		sim_life_close_nodes(l);
	for (uint32_t i = 0; l->ring && i < l->tasks.ring_count; i++)
		sim_ring_give(l->ring[i]);
	if (l->lanes)
		sim_lanes_end(l->lanes);
	sim_mem_fini(&l->mem);
	free(l);
}

/* ---- work ---- */

#define LOOK_NS ((uint64_t)10 * WEIR_NS_PER_MS)

void sim_life_look(struct sim_life *l)
{
	if (l->s->now < l->look_ns)
		return;
	l->look_ns = l->s->now + LOOK_NS;
	l->cell_rung = true;
	for (uint32_t i = 0; i < l->tasks.task_count; i++)
		l->task[i].rung = true;
}

bool sim_life_rung(const struct sim_life *l, uint32_t task)
{
	const struct weir_unit *u = &l->unit[task];
	const struct weir_cell *c = &l->cell;
	const struct sim_task *k = &l->task[task];
	uint64_t now = l->s->now;

	if (k->report && k->report_ns <= now)
		return true;
	if (u->done || l->rest)
		return l->s->region && sim_edge_is_source(l, task) &&
		       (k->rung || sim_edge_rung(l, task));
	if (k->rung || u->barrier_want != c->barrier || u->hold != c->hold ||
	    u->round_want != c->round || u->touch_bytes != c->touch_bytes ||
	    u->durable != c->durable)
		return true;
	if (l->s->region && sim_edge_is_source(l, task))
		return sim_edge_rung(l, task);
	return u->source && !u->hold && !u->passed && !u->blocked && now >= u->wait_until_ns;
}

bool sim_life_cell_rung(const struct sim_life *l)
{
	uint64_t next = l->cell.next_ns;

	return l->cell_rung || (next && l->s->now >= next) || sim_disk_news(l->s->disk);
}

static void ring(struct sim_life *l, uint32_t task, bool moved)
{
	struct sim_task *k = &l->task[task];

	/* A turn behind one that did something may give room in a ring back. */
	for (uint32_t i = 0; (moved || k->moved) && i < l->tasks.task_count; i++)
		l->task[i].rung = true;
	k->rung = k->moved = moved;
}

/* What a sink that streams has of the open epoch. */
static uint64_t held(const struct sim_life *l, uint32_t stream)
{
	const struct weir_node *n = l->cell.stream[stream].node;

	return n->held + n->part->bytes;
}

static uint32_t brake(const struct sim_life *l, uint32_t task)
{
	const uint32_t *reach;
	uint32_t n = weir_cell_reached(&l->cell, task, &reach), most = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct weir_cell_stream *x = &l->cell.stream[reach[i]];

		most = WEIR_MAX(most, weir_cell_fill(x->outstanding, held(l, reach[i]), x->limit));
	}
	if (most == WEIR_BRAKE_MAX)
		sim_situation(SIM_SAW_BRAKE_FULL);
	return most;
}

int sim_life_turn(struct sim_life *l, uint32_t task, uint32_t batches)
{
	struct weir_unit *u = &l->unit[task];
	int r;

	if (u->done || l->rest)
		return l->s->region ? sim_edge_attend(l, task) : 0;
	u->barrier_want = l->cell.barrier;
	u->hold = l->cell.hold;
	u->round_want = l->cell.round;
	u->touch_bytes = l->cell.touch_bytes;
	u->durable = l->cell.durable;
	u->brake = brake(l, task);
	u->task.mono_ns = l->s->now;
	u->task.now_ns = sim_wall(l->s);
	r = weir_unit_turn(u, batches);
	if (r < 0)
		l->err = u->task.err;
	ring(l, task, r > 0);
	if (r)
		sim_trace(l->s, SIM_EV_TURN, task, (uint64_t)r, 0);
	return r;
}

bool sim_life_report(struct sim_life *l, uint32_t task)
{
	struct sim_task *t = &l->task[task];
	struct weir_unit *u = &l->unit[task];

	if (t->report && t->report_ns <= l->s->now) {
		struct weir_report *r = t->report;

		sim_moment(l->s, SIM_AT_REPORT);
		sim_trace(l->s, SIM_EV_REPORT, task, r->epoch, r->final);
		t->report = NULL;
		weir_cell_report(&l->cell, r);
		l->cell_rung = true;
		return true;
	}
	if (t->report || u->phase != WEIR_FREEZE_READY)
		return false;
	t->report = &l->report_mem[task];
	memset(t->report, 0, offsetof(struct weir_report, part));
	t->report->task = task;
	if (!weir_unit_take(u, t->report)) {
		t->report = NULL;
		return false;
	}
	t->rung = true;
	t->report_ns = l->s->now;
	if (l->s->story && l->s->story->late_report &&
	    l->s->story->late_report(l->s, task, t->report->epoch))
		t->report_ns += 2 * l->s->opt.deadline_ns;
	if (sim_fault(l->s, SIM_LATE_REPORT, l->s->opt.task_rate * 20))
		t->report_ns += sim_fault_pick(l->s, SIM_LATE_REPORT, 200) * WEIR_NS_PER_MS;
	return true;
}

int sim_life_step(struct sim_life *l)
{
	struct weir_cell_now now = {
		.mono_ns = l->s->now, .wall_ns = sim_wall(l->s), .stop = l->stop};
	int r;

	for (uint32_t t = 0; t < l->tasks.task_count; t++) {
		if (l->unit[t].source)
			now.input_rows += l->unit[t].source->rows;
		for (uint32_t i = 0; i < l->unit[t].task.node_count; i++)
			now.output_bytes += l->unit[t].task.node[i].held;
	}
	for (uint32_t k = 0; k < l->cell.stream_count; k++)
		now.urge |= weir_cell_urges(held(l, k), l->cell.stream[k].limit);
	if (l->s->user && l->s->user->collect)
		l->s->user->input = WEIR_MAX(l->s->user->input, now.input_rows);
	l->cell_rung = false;
	r = weir_cell_journal(&l->cell, 0, &l->err);
	if (r == 0)
		r = weir_cell_step(&l->cell, &now, &l->err);
	sim_check_cell(l->s, &l->cell);
	return r;
}

static uint64_t service_ns(struct sim *s)
{
	uint64_t ns = weir_prng_range(&s->prng_sink, 50000, 2000000);

	if (sim_fault(s, SIM_SINK_SLOW, s->opt.sink_rate / 4))
		ns *= 1 + sim_fault_pick(s, SIM_SINK_SLOW, 300);
	return ns;
}

/* A sink that streams: its jobs have no end, and what changes nothing is no event. */
static int stream_turn(struct sim_life *l, uint32_t i)
{
	struct sim *s = l->s;
	struct sim_job *j = &l->job[i];
	bool stale = j->parked && weir_cell_job_stale(&l->cell, i, &j->job);
	int r;

	if (!j->busy) {
		j->busy = weir_cell_job(&l->cell, i, s->now, &j->job);
		j->due_ns = s->now + service_ns(s);
		return 1;
	}
	if (!stale) {
		if (j->due_ns > s->now)
			return 0;
		weir_job_run(&j->job);
		j->parked = weir_job_changes_nothing(&j->job);
		j->due_ns = s->now + weir_prng_range(&s->prng_sink, 1, 20) * WEIR_NS_PER_MS;
		if (j->parked)
			return 0;
	}
	sim_trace(s, SIM_EV_JOB_DONE, i, j->job.kind, (uint64_t)(int64_t)j->job.result);
	j->busy = j->parked = false;
	l->cell_rung = true;
	r = weir_cell_job_done(&l->cell, i, s->now, &j->job, &l->err);
	return r < 0 ? r : 1;
}

int sim_life_sink(struct sim_life *l, uint32_t i)
{
	struct sim *s = l->s;
	struct sim_job *j = &l->job[i];
	struct weir_cell_sink_info info;
	int r;

	weir_cell_sink_info(&l->cell, i, &info);
	if (info.streams)
		return stream_turn(l, i);
	if (!j->busy) {
		if (!weir_cell_job(&l->cell, i, s->now, &j->job))
			return 0;
		j->busy = true;
		j->due_ns = s->now + service_ns(s);
		sim_trace(s, SIM_EV_JOB, i, j->job.kind, j->job.e.epoch);
		return 1;
	}
	if (j->due_ns > s->now)
		return 0;
	weir_job_run(&j->job);
	sim_trace(s, SIM_EV_JOB_DONE, i, j->job.kind, (uint64_t)(int64_t)j->job.result);
	j->busy = false;
	l->cell_rung = true;
	r = weir_cell_job_done(&l->cell, i, s->now, &j->job, &l->err);
	return r < 0 ? r : 1;
}

static void sooner(uint64_t *least, uint64_t now, uint64_t t)
{
	if (t > now && (!*least || t < *least))
		*least = t;
}

uint64_t sim_life_next(const struct sim_life *l)
{
	uint64_t least = 0, now = l->s->now;

	sooner(&least, now, l->cell.next_ns);
	sooner(&least, now, l->look_ns);
	for (uint32_t i = 0; i < l->tasks.task_count; i++) {
		sooner(&least, now, l->task[i].starved_until_ns);
		if (l->task[i].report)
			sooner(&least, now, l->task[i].report_ns);
		if (!l->unit[i].passed && !l->rest)
			sooner(&least, now, l->unit[i].wait_until_ns);
	}
	for (uint32_t i = 0; i < l->cell.sink_count; i++)
		if (l->job[i].busy)
			sooner(&least, now, l->job[i].due_ns);
	return least;
}

void sim_life_dump(const struct sim_life *l, FILE *to)
{
	const struct weir_cell *c = &l->cell;

	fprintf(to,
		"  cell: open %llu aligned %llu durable %llu covered %llu%s%s%s next in %.3f ms\n",
		(unsigned long long)c->open, (unsigned long long)c->aligned,
		(unsigned long long)c->durable, (unsigned long long)c->covered,
		c->hold ? " hold" : "", c->ended ? " ended" : "", l->stop ? " stopping" : "",
		c->next_ns > l->s->now ? (double)(c->next_ns - l->s->now) / 1e6 : 0.0);
	for (uint32_t i = 0; i < l->tasks.task_count; i++) {
		const struct weir_unit *u = &l->unit[i];

		fprintf(to, "  task %u %s: phase %d epoch %llu%s%s%s%s%s", i,
			u->task.node[0].step_name, u->phase, (unsigned long long)u->epoch,
			u->blocked ? " blocked" : "", u->ended ? " ended" : "",
			u->passed ? " passed" : "", u->done ? " done" : "",
			l->task[i].report ? " report" : "");
		for (uint32_t k = 0; k < u->inlet.ring_count; k++)
			fprintf(to, " %s",
				u->inlet.ring[k].aligned ? "A"
				: u->inlet.ring[k].ended ? "E"
							 : ".");
		fprintf(to, "\n");
	}
	for (uint32_t i = 0; i < c->sink_count; i++) {
		struct weir_cell_sink_info info;

		weir_cell_sink_info(c, i, &info);
		fprintf(to, "  sink %u: cursor %llu, %u waiting%s%s\n", i,
			(unsigned long long)info.cursor, info.waiting,
			info.unknown ? ", unknown" : "", l->job[i].busy ? ", busy" : "");
	}
}
