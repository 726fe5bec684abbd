/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: edge, the receiving end of an edge from another region.
 *
 * Frames of the lane are read, and rows handed on, only while nobody holds rows of the last run: those lie in the memory of the
 * protocol's end (engine/core/edge.h), which the next frame may change. Answers go out in every turn (attend()), so that the
 * sender hears what is durable, and what holds this region up, also while input is held or the task waits for room.
 * Watermarks, idleness and the end come as records of the edge: the source has none of its own.
 */
#include "base/assert.h"
#include "engine/core/journal.h"
#include "engine/core/source_state.h"
#include "engine/edge/edge_end.h"
#include "engine/edge/lane_pack.h"

#define SILENT 1u

struct source_edge {
	struct weir_source source; /* first */
	const struct weir_edge_end *edge;
	const struct weir_schema *schema;
	struct weir_lane_end *lane;
	struct weir_str hello;
	const struct weir_journal *journal;
	struct weir_edge_in *in; /* made when the fence is known: ready() */
	struct weir_lane_pack *pack; /* NULL: the lane has codecs */
	const struct weir_lane_codecs *codecs;
	uint64_t raw_bytes;
	pthread_mutex_t lock; /* view */
	struct weir_edge_view view;
	uint64_t shown_ns;
};

/* Looked at by people: a few times a second is enough. */
#define SHOW_NS (20 * (uint64_t)WEIR_NS_PER_MS)

/* The journal takes the fence of this start after the nodes are made and before they are given anything. */
static void ready(struct source_edge *o)
{
	struct weir_edge_in_options opt;

	if (o->in)
		return;
	opt = (struct weir_edge_in_options){.edge = o->edge->id,
					    .renewable = o->edge->renewable,
					    .life = weir_journal_fence(o->journal),
					    .hello = o->hello,
					    .frame_max = o->lane->frame_max,
					    .schema = o->schema,
					    .codecs = o->codecs,
					    .mem = o->lane->mem};
	o->in = weir_edge_in_new(&opt);
}

static void show(struct source_edge *o, uint64_t now)
{
	if (now - o->shown_ns < SHOW_NS)
		return;
	o->shown_ns = now;
	pthread_mutex_lock(&o->lock);
	weir_edge_in_info(o->in, &o->view.in);
	o->view.records = o->source.rows;
	o->view.raw_bytes = o->raw_bytes;
	o->view.bad = o->lane->bad;
	pthread_mutex_unlock(&o->lock);
}

/* ---- the lane ---- */

/* Frames that there is room for. >0: some came, 0, <0. */
static int take_frames(struct weir_node *n, struct source_edge *o)
{
	const struct weir_lane_head *h;
	int count = 0, r;

	while (weir_edge_in_room(o->in) && (h = weir_lane_end_next(o->lane))) {
		r = weir_edge_in_receive(o->in, h, n->task->mono_ns, &n->task->err);
		if (r < 0) {
			/* The other end has to hear of it. */
			weir_edge_in_step(o->in, &o->lane->io, "", n->task->mono_ns);
			weir_lane_end_flush(o->lane);
			weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
			return r;
		}
		count++;
	}
	return count;
}

int weir_source_edge_attend(struct weir_node *n, bool quiet)
{
	struct source_edge *o = n->op;
	int r = 0;

	ready(o);
	if (quiet)
		r = take_frames(n, o);
	if (r < 0)
		return r;
	weir_edge_in_step(o->in, &o->lane->io, weir_lane_end_cause(o->lane), n->task->mono_ns);
	if (weir_lane_end_flush(o->lane))
		r++;
	show(o, n->task->mono_ns);
	return r > 0;
}

/* ---- records ---- */

static void take_control(struct source_edge *o, const struct weir_frame *ctl)
{
	struct weir_source *s = &o->source;

	s->silent = ctl->kind == WEIR_FRAME_IDLE;
	switch (ctl->kind) {
	case WEIR_FRAME_WATERMARK:
		s->watermark = WEIR_MAX(s->watermark, ctl->time_ns);
		s->idle = false; /* so that it is said anew when nothing more comes */
		break;
	case WEIR_FRAME_EOS:
		s->ended = true;
		break;
	default:
		break;
	}
}

static int source_edge_run(struct weir_node *n)
{
	struct source_edge *o = n->op;
	const struct weir_frame *row[WEIR_BATCH_ROWS], *ctl = NULL;
	uint32_t room = WEIR_MIN(o->source.budget, weir_port_room(&n->port[0])), count;
	int r;

	if (!room)
		return 0;
	count = weir_edge_in_take(o->in, row, room, &ctl);
	if (!count && !ctl) {
		/* A source runs while its task is idle: rows of the last run are through. */
		r = take_frames(n, o);
		if (r < 0)
			return r;
		count = weir_edge_in_take(o->in, row, room, &ctl);
	}
	/* One control at a time, and no rows behind it: the unit tells it before they come. */
	if (ctl)
		take_control(o, ctl);
	if (!count)
		return ctl != NULL;
	o->source.silent = false;
	for (uint32_t i = 0; i < count; i++)
		o->raw_bytes += weir_frame_stride(row[i]);
	weir_port_push_rows(&n->port[0], row, count);
	o->source.rows += count;
	return (int)count;
}

/* ---- state ---- */

static void source_edge_settled(struct weir_node *n)
{
	struct source_edge *o = n->op;

	if (o->in) /* else nothing was frozen in this run */
		weir_edge_in_durable(o->in, o->source.durable);
}

/* Own part behind the common one: u8 flags (1: silent), then the place in the edge. */
static void source_edge_freeze(struct weir_node *n, struct weir_out *out)
{
	struct source_edge *o = n->op;

	weir_source_put(&o->source, out);
	weir_out_u8(out, o->source.silent ? SILENT : 0);
	weir_edge_in_put(o->in, out);
	weir_edge_in_frozen(o->in, n->task->epoch);
}

static int source_edge_restore(struct weir_node *n, struct weir_restore *r)
{
	struct source_edge *o = n->op;
	int rc = weir_source_get(n, r);
	uint8_t flags;

	if (rc)
		return rc;
	ready(o);
	flags = weir_read_u8(&r->in);
	if (r->in.bad || flags > SILENT || weir_edge_in_restore(o->in, &r->in) < 0 ||
	    weir_reader_left(&r->in))
		return weir_source_damaged(n, "no place in the edge");
	o->source.silent = flags & SILENT;
	return 0;
}

static void source_edge_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct source_edge *o = n->op;

	weir_edge_sign(b, o->edge, o->schema);
}

static const struct weir_state_ops source_edge_state = {
	.freeze = source_edge_freeze,
	.restore = source_edge_restore,
	.sign = source_edge_sign,
};

static void source_edge_fini(struct weir_node *n)
{
	struct source_edge *o = n->op;

	if (o->in) {
		/* The last word: what has become durable since the last turn. */
		weir_edge_in_step(o->in, &o->lane->io, "", o->lane->now_ns());
		weir_lane_end_flush(o->lane);
		weir_edge_in_free(o->in);
	}
	if (o->pack)
		weir_lane_pack_free(o->pack);
	pthread_mutex_destroy(&o->lock);
}

static const struct weir_op_class source_edge_class = {
	.name = "edge",
	.run = source_edge_run,
	.fini = source_edge_fini,
	.settled = source_edge_settled,
	.attend = weir_source_edge_attend,
	.source = true,
	.state = &source_edge_state,
};

int weir_source_edge_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct source_edge *o = weir_region_new(env->region, struct source_edge);

	n->cls = &source_edge_class;
	n->op = o;
	pthread_mutex_init(&o->lock, NULL);
	o->edge = &env->step->source.edge;
	o->schema = env->step->port[0].schema;
	weir_source_setup(&o->source, env);
	o->source.timed = true; /* also when records carry no times: watermarks are the sender's */
	o->source.idle_ns = 0;
	o->source.rate = 0;
	if (env->dry)
		return 0;
	weir_assert(env->lane);
	o->lane = env->lane;
	o->codecs = o->lane->codecs;
	if (!o->codecs) {
		o->pack = weir_lane_pack_new(env->cluster, NULL, &n->task->err);
		if (!o->pack)
			return n->task->err.code;
		o->codecs = weir_lane_pack_codecs(o->pack);
	}
	weir_assert(env->journal);
	o->journal = env->journal;
	o->hello = weir_edge_hello(o->edge, env, o->schema);
	return 0;
}

void weir_source_edge_view(const struct weir_node *n, struct weir_edge_view *ret)
{
	struct source_edge *o = n->op;

	pthread_mutex_lock(&o->lock);
	*ret = o->view;
	pthread_mutex_unlock(&o->lock);
}
