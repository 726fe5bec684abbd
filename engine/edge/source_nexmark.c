/* SPDX-License-Identifier: Apache-2.0 */
/* source: nexmark, the built-in generator. Task i of n makes the blocks of 50 events i, i+n, ... */
#include "engine/core/nexmark.h"

#include "engine/edge/connector.h"
#include "engine/edge/engine_impl.h"

#define BLOCK 50u

struct source_nexmark {
	struct weir_source source;
	struct weir_nexmark_options opt;
	uint64_t next; /* event to make */
	uint64_t end; /* event behind the last; 0: endless */
	uint64_t stride; /* events from the end of a block to the next of this task */
	uint32_t in_block;
	bool want[3];
	struct weir_port *mem; /* port whose scratch memory takes the frames of all streams */
};

static void advance(struct source_nexmark *o)
{
	o->next++;
	if (++o->in_block == BLOCK) {
		o->in_block = 0;
		o->next += o->stride;
	}
}

/* First event of a live stream that is not due yet. */
static uint64_t due_end(const struct source_nexmark *o, int64_t now_ns)
{
	uint64_t since =
		now_ns > o->opt.base_time_ns ? (uint64_t)(now_ns - o->opt.base_time_ns) : 0;

	return (uint64_t)((weir_u128)since * o->opt.events_per_second / (uint64_t)WEIR_NS_PER_S) +
	       1;
}

static int source_nexmark_run(struct weir_node *n)
{
	struct source_nexmark *o = n->op;
	struct weir_source *s = &o->source;
	uint32_t room = s->budget;
	uint64_t before = s->rows, due = o->opt.live ? due_end(o, n->task->now_ns) : UINT64_MAX;
	int64_t w;

	for (int i = 0; i < 3; i++)
		room = WEIR_MIN(room, weir_port_room(&n->port[i]));
	o->mem->scratch_used = 0; /* the task is idle: nobody points there */
	for (; room; room--, advance(o)) {
		unsigned stream;
		struct weir_frame *f;

		if (o->end && o->next >= o->end) {
			s->ended = true;
			break;
		}
		if (o->next >= due)
			break;
		stream = weir_nexmark_stream_of(o->next);
		if (o->mem->scratch_cap - o->mem->scratch_used < WEIR_NEXMARK_FRAME_MAX)
			break;
		s->rows++;
		if (!o->want[stream])
			continue;
		f = (struct weir_frame *)(void *)(o->mem->scratch + o->mem->scratch_used);
		o->mem->scratch_used += weir_nexmark_event(&o->opt, o->next, f);
		weir_port_push(&n->port[stream], f);
	}
	w = weir_nexmark_watermark(&o->opt, o->next);
	s->watermark = WEIR_MAX(s->watermark, w);
	return s->rows != before || s->ended;
}

static const struct weir_op_class source_nexmark_class = {
	.name = "nexmark", .run = source_nexmark_run, .source = true};

int weir_source_nexmark_open(struct weir_node *n, const struct weir_conn_env *env)
{
	const struct weir_nexmark_options *opt = &env->step->source.nexmark;
	struct source_nexmark *o = weir_region_new(env->region, struct source_nexmark);

	weir_source_setup(&o->source, env);
	o->source.timed = true;
	if (opt->rate && !env->step->source.rate)
		o->source.rate = WEIR_MAX(opt->rate / env->instances, (uint64_t)1);
	o->opt = *opt;
	if (opt->live) {
		/* The pace is the event times themselves: nothing is made up for after a stall but what
		 * is due, and each record knows when it should have been sent. */
		o->opt.events_per_second = opt->rate;
		o->opt.base_time_ns = weir_wall_ns();
		o->source.rate = 0;
		o->source.wait_ns = 50 * (uint64_t)WEIR_NS_PER_US;
	}
	o->next = opt->first_event + (uint64_t)env->instance * BLOCK;
	o->end = opt->events ? opt->first_event + opt->events : 0;
	o->stride = (uint64_t)(env->instances - 1) * BLOCK;
	for (unsigned i = 0; i < 3; i++) {
		o->want[i] = env->step->port[i].uses > 0;
		if (!o->mem && n->port[i].scratch_cap)
			o->mem = &n->port[i];
	}
	n->cls = &source_nexmark_class;
	n->op = o;
	if (opt->live && opt->rate == 0)
		return weir_err_set(&n->task->err, WEIR_E_CONFIG,
				    "step `%s`: `live: true` needs a rate (events per second)",
				    n->step_name);
	if (!o->mem)
		return weir_err_set(&n->task->err, WEIR_E_CONFIG, "step `%s`: nobody reads it",
				    n->step_name);
	return 0;
}
