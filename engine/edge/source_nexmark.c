/* SPDX-License-Identifier: Apache-2.0 */
/* source: nexmark, the built-in generator. Task i of n makes the blocks of 50 events i, i+n, ... */
#include "engine/core/nexmark.h"

#include "engine/core/source_state.h"
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

/* ---- state ---- */

static void source_nexmark_freeze(struct weir_node *n, struct weir_out *out)
{
	const struct source_nexmark *o = n->op;

	weir_source_put(&o->source, out);
	weir_out_varint(out, o->next);
	weir_out_u8(out, (uint8_t)o->in_block);
	weir_out_i64(out, o->opt.base_time_ns);
}

static int source_nexmark_restore(struct weir_node *n, struct weir_restore *r)
{
	struct source_nexmark *o = n->op;
	int rc = weir_source_get(n, r);
	uint64_t since;

	if (rc)
		return rc;
	o->next = weir_read_varint(&r->in);
	o->in_block = weir_read_u8(&r->in);
	/* A live stream goes on with the clock it began with. */
	o->opt.base_time_ns = weir_read_i64(&r->in);
	since = o->next - o->opt.first_event;
	if (r->in.bad || weir_reader_left(&r->in) || o->next < o->opt.first_event ||
	    since % BLOCK != o->in_block || since / BLOCK % r->instances != r->instance)
		return weir_source_damaged(n, "no place in the stream");
	return 0;
}

/* What event n looks like; how many there are, and how fast they come, may change. */
static void source_nexmark_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct source_nexmark *o = n->op;
	const struct weir_nexmark_options *p = &o->opt;

	weir_buf_printf(
		b,
		"nexmark first %llu seed %llu per second %llu out of order %lld hot %u %u %u "
		"region ",
		(unsigned long long)p->first_event, (unsigned long long)p->seed,
		(unsigned long long)p->events_per_second, (long long)p->out_of_order_ns,
		p->hot_auction_ratio, p->hot_bidder_ratio, p->hot_seller_ratio);
	weir_buf_json_str(b, weir_str_c(p->region));
	if (p->live)
		weir_buf_lit(b, " live");
	else
		weir_buf_printf(b, " from %lld", (long long)p->base_time_ns);
}

static const struct weir_state_ops source_nexmark_state = {
	.freeze = source_nexmark_freeze,
	.restore = source_nexmark_restore,
	.sign = source_nexmark_sign,
};

static const struct weir_op_class source_nexmark_class = {
	.name = "nexmark",
	.run = source_nexmark_run,
	.source = true,
	.state = &source_nexmark_state,
};

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
