/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: edge, the sending end of an edge to another region.
 *
 * The worker numbers rows and controls into batches; they are the epoch's part. The edges' thread hands parts over to the
 * protocol (engine/core/edge.h), which ships them over the lane, and reads the cursor from what the receiver confirms.
 * The two sides share nothing. The protocol's end begins where the outbox does, which the cell says in resume().
 *
 * Part: as docs/formats/edge.md. Its brief form, when all that is needed of it is where the next one begins:
 *       u32 magic "WEDB", u8 flags (1: the end was in it), u64 next sequence, u64 chain
 */
#include "base/assert.h"
#include "engine/core/freeze.h"
#include "engine/core/unit.h"
#include "engine/edge/edge_end.h"
#include "engine/edge/lane_pack.h"
#include "engine/edge/sink.h"
#include "host/cluster.h"

#define BRIEF_MAGIC UINT32_C(0x42444557)
#define BRIEF_ENDED 1u
#define HANDED 512 /* epochs whose age is known one by one */

struct handed {
	uint64_t epoch, ns;
};

struct sink_edge {
	const struct weir_edge_end *edge;
	const struct weir_schema *schema;
	struct weir_lane_end *lane;
	struct weir_str hello;
	const struct weir_cluster *cluster;
	const struct weir_journal *journal;
	/* the worker's */
	struct weir_edge_writer w;
	uint8_t *batch;
	uint32_t batch_cap;
	int64_t watermark; /* to be written yet; WEIR_TIME_MIN: none */
	uint32_t rows_since; /* the last one that was */
	bool ended; /* the end is written: a start after it brings the end once more */
	_Atomic uint64_t records, raw_bytes, newest_seq;
	/* set before the start */
	uint64_t fence;
	/* the edges' thread's */
	struct weir_edge_out *out;
	struct weir_lane_pack *pack; /* NULL: the lane has codecs */
	const struct weir_lane_codecs *codecs;
	bool again; /* the receiver wants epochs once more, and nobody was told */
	uint64_t cursor, newest; /* confirmed; newest that was applied */
	struct handed handed[HANDED];
	uint32_t first, count;
	pthread_mutex_t lock; /* view */
	struct weir_edge_view view;
};

/* ---- worker ---- */

static void writer_ready(struct weir_node *n, struct sink_edge *o)
{
	weir_assert(n->part); /* a pipeline with edges has epochs */
	if (!o->w.batch)
		weir_edge_writer_init(&o->w, n->part->mem, o->batch, o->batch_cap);
}

static void add(struct sink_edge *o, const struct weir_frame *f)
{
	weir_edge_writer_add(&o->w, f);
}

/* Nothing of an epoch is applied before its end: of many watermarks the newest will do, and some on the way in a long one. */
static void add_watermark(struct sink_edge *o)
{
	struct weir_frame f = {.size = sizeof(f), .kind = WEIR_FRAME_WATERMARK};

	if (o->watermark == WEIR_TIME_MIN)
		return;
	f.time_ns = o->watermark;
	add(o, &f);
	o->watermark = WEIR_TIME_MIN;
	o->rows_since = 0;
}

static void add_control(struct weir_node *n, struct sink_edge *o)
{
	struct weir_frame f = {.size = sizeof(f), .kind = n->in.ctl.kind};

	switch (n->in.ctl.kind) {
	case WEIR_FRAME_WATERMARK:
		if (n->in.ctl.value <= n->watermark)
			return;
		o->watermark = n->in.ctl.value;
		if (o->rows_since >= WEIR_WATERMARK_ROWS)
			add_watermark(o);
		return;
	case WEIR_FRAME_BARRIER:
		add_watermark(o);
		return;
	case WEIR_FRAME_IDLE:
		add_watermark(o);
		break;
	case WEIR_FRAME_EOS:
		/* With epochs nothing ends because the pipeline stops: this is the end of the input. */
		if (o->ended)
			return;
		o->ended = true;
		add_watermark(o);
		break;
	default:
		return;
	}
	add(o, &f);
}

static void note_newest(struct sink_edge *o)
{
	atomic_store_explicit(&o->newest_seq, o->w.pos.seq + o->w.count, memory_order_relaxed);
}

static int sink_edge_run(struct weir_node *n)
{
	struct sink_edge *o = n->op;
	struct weir_batch *in = &n->in;
	uint32_t rows = in->count - in->pos;
	int progress = rows > 0;

	writer_ready(n, o);
	if (rows) {
		uint64_t bytes = 0;

		for (; in->pos < in->count; in->pos++) {
			bytes += weir_frame_stride(in->row[in->pos]);
			add(o, in->row[in->pos]);
		}
		n->rows_in += rows;
		o->rows_since += rows;
		atomic_store_explicit(&o->records, n->rows_in, memory_order_relaxed);
		atomic_fetch_add_explicit(&o->raw_bytes, bytes, memory_order_relaxed);
	}
	if (in->ctl.kind)
		add_control(n, o);
	n->held = o->w.out.bytes + o->w.used;
	note_newest(o);
	if (in->ctl.kind) {
		weir_sink_control(n);
		progress = 1;
	}
	return progress;
}

static void sink_edge_freeze(struct weir_node *n, struct weir_out *out)
{
	struct sink_edge *o = n->op;

	writer_ready(n, o);
	weir_edge_writer_part(&o->w, out);
	n->held = 0;
}

/* Is the last record of the part the end of the stream? */
static bool part_ends(struct weir_reader part)
{
	struct weir_edge_batch b = {0};
	struct weir_edge_walk w;
	uint8_t kind = 0;

	if (weir_edge_walk_begin(&w, part) < 0)
		return false;
	while (weir_edge_walk_next(&w, &b) > 0)
		continue;
	for (uint32_t at = 0; b.bytes - at >= sizeof(struct weir_frame);) {
		struct weir_frame f; /* of any alignment */

		memcpy(&f, b.p + at, sizeof(f));
		kind = f.kind;
		if (f.size < sizeof(f) || weir_frame_stride(&f) > b.bytes - at)
			return false;
		at += weir_frame_stride(&f);
	}
	return kind == WEIR_FRAME_EOS;
}

static int damaged(const struct weir_node *n, uint64_t epoch, struct weir_err *err)
{
	return weir_err_set(err, WEIR_E_CORRUPT,
			    "step `%s`: its part of epoch %llu in the journal is damaged",
			    n->step_name, (unsigned long long)epoch);
}

static void sink_edge_brief(const struct weir_node *n, struct weir_reader part, struct weir_out *o)
{
	struct weir_edge_walk w;

	(void)n;
	if (weir_edge_walk_begin(&w, part) < 0) {
		weir_out_put(o, part.p, weir_reader_left(&part)); /* for restore() to complain of */
		return;
	}
	weir_out_u32(o, BRIEF_MAGIC);
	weir_out_u8(o, part_ends(part) ? BRIEF_ENDED : 0);
	weir_out_u64(o, w.end.seq);
	weir_out_u64(o, w.end.chain);
}

/* 1: it was one, 0: it is a whole part, <0. */
static int restore_brief(struct sink_edge *o, struct weir_reader in)
{
	uint8_t flags;

	if (weir_read_u32(&in) != BRIEF_MAGIC)
		return 0;
	flags = weir_read_u8(&in);
	o->w.pos.seq = weir_read_u64(&in);
	o->w.pos.chain = weir_read_u64(&in);
	o->w.part = o->w.pos;
	o->ended = flags & BRIEF_ENDED;
	return in.bad || flags > BRIEF_ENDED || weir_reader_left(&in) ? WEIR_E_CORRUPT : 1;
}

static int sink_edge_restore(struct weir_node *n, struct weir_restore *r)
{
	struct sink_edge *o = n->op;
	int k;

	writer_ready(n, o);
	k = restore_brief(o, r->in);
	if (k)
		return k < 0 ? damaged(n, r->epoch, &n->task->err) : 0;
	if (weir_edge_writer_restore(&o->w, r->in) < 0)
		return damaged(n, r->epoch, &n->task->err);
	o->ended = part_ends(r->in);
	return 0;
}

static void sink_edge_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct sink_edge *o = n->op;

	weir_edge_sign(b, o->edge, o->schema);
}

static const struct weir_state_ops sink_edge_state = {
	.freeze = sink_edge_freeze,
	.restore = sink_edge_restore,
	.sign = sink_edge_sign,
};

static void sink_edge_fini(struct weir_node *n)
{
	struct sink_edge *o = n->op;

	if (o->out)
		weir_edge_out_free(o->out);
	if (o->pack)
		weir_lane_pack_free(o->pack);
	if (o->w.out.mem)
		weir_out_fini(&o->w.out);
	pthread_mutex_destroy(&o->lock);
}

/* ---- the edges' thread ---- */

static int sink_edge_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
			  uint64_t *ret_cursor, struct weir_err *err)
{
	struct sink_edge *o = n->op;

	(void)known;
	(void)fresh;
	(void)ret_cursor; /* far away: as the bundles say */
	(void)err;
	o->fence = o->edge->renewable ? weir_edge_renewable_fence(o->journal, fence) : fence;
	return 0;
}

static int sink_edge_resume(struct weir_node *n, uint64_t cursor, struct weir_reader first,
			    struct weir_err *err)
{
	struct sink_edge *o = n->op;
	struct weir_edge_out_options opt = {.edge = o->edge->id,
					    .renewable = o->edge->renewable,
					    .fence = o->fence,
					    .knows_end = true,
					    .end = o->w.pos.seq,
					    .hello = o->hello,
					    .frame_max = o->lane->frame_max,
					    .codecs = o->codecs,
					    .mem = o->lane->mem};
	struct weir_edge_walk w;

	writer_ready(n, o);
	note_newest(o);
	/* Nothing is unconfirmed: it goes on where the last part ended. */
	w.at = o->w.pos;
	if (weir_reader_left(&first) && weir_edge_walk_begin(&w, first) < 0)
		return damaged(n, cursor, err);
	o->cursor = o->newest = cursor;
	o->out = weir_edge_out_new(&opt, cursor, w.at);
	return 0;
}

static void sink_edge_flow(struct weir_node *n, struct weir_sink_flow *ret)
{
	struct sink_edge *o = n->op;

	ret->open = o->lane->is_open;
	ret->buffer_bytes = o->cluster ? o->cluster->buffer_bytes : WEIR_SINK_BUFFER_DEFAULT;
	ret->spill_bytes = o->cluster ? o->cluster->spill_bytes : WEIR_SINK_SPILL_DEFAULT;
}

static void show(struct sink_edge *o)
{
	pthread_mutex_lock(&o->lock);
	weir_edge_out_info(o->out, &o->view.out);
	o->view.unconfirmed_ns = o->count ? o->handed[o->first].ns : 0;
	o->view.bad = o->lane->bad;
	pthread_mutex_unlock(&o->lock);
}

static void note_handed(struct sink_edge *o, uint64_t epoch, uint64_t now)
{
	if (epoch <= o->newest)
		return; /* once more */
	o->newest = epoch;
	if (o->count == HANDED)
		return; /* counts as part of the one before */
	o->handed[(o->first + o->count++) % HANDED] = (struct handed){epoch, now};
}

static void note_confirmed(struct sink_edge *o)
{
	o->cursor = weir_edge_out_cursor(o->out);
	while (o->count && o->handed[o->first].epoch <= o->cursor) {
		o->first = (o->first + 1) % HANDED;
		o->count--;
	}
}

/* What the gateway has for us, and what is due. */
static int serve(struct weir_node *n, struct sink_edge *o, uint64_t now, struct weir_err *err)
{
	const struct weir_lane_head *h;
	int r = 0;

	while (r == 0 && (h = weir_lane_end_next(o->lane)))
		r = weir_edge_out_receive(o->out, h, now, err);
	/* Also when the edge must stop: the other end has to hear of it. */
	weir_edge_out_step(o->out, &o->lane->io, now);
	o->again |= weir_edge_out_again(o->out);
	note_confirmed(o);
	if (r < 0) {
		weir_lane_end_flush(o->lane);
		weir_err_prefix(err, "step `%s`", n->step_name);
	}
	return r;
}

static void done(struct sink_edge *o)
{
	weir_lane_end_flush(o->lane);
	show(o);
}

static int sink_edge_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			     struct weir_err *err)
{
	struct sink_edge *o = n->op;
	uint64_t now = o->lane->now_ns();
	int r = serve(n, o, now, err);

	if (r < 0)
		return r;
	/* With older epochs to come again first, this one has no place in the session yet. */
	if (!o->again)
		r = weir_edge_out_offer(o->out, e->epoch, e->prev, e->part, false, &o->lane->io,
					now, err);
	done(o);
	return r < 0 ? weir_err_prefix(err, "step `%s`", n->step_name) : 0;
}

static int sink_edge_apply(struct weir_node *n, const struct weir_sink_epoch *e,
			   struct weir_err *err)
{
	struct sink_edge *o = n->op;
	uint64_t now = o->lane->now_ns();
	int r = serve(n, o, now, err);

	if (r < 0)
		return r;
	if (o->again) {
		o->again = false;
		done(o);
		return WEIR_SINK_AGAIN;
	}
	note_handed(o, e->epoch, now); /* also when there is no way just now */
	r = weir_edge_out_offer(o->out, e->epoch, e->prev, e->part, true, &o->lane->io, now, err);
	done(o);
	if (r < 0)
		return weir_err_prefix(err, "step `%s`", n->step_name);
	return r == WEIR_EDGE_LATER ? WEIR_SINK_LATER : 0;
}

static int sink_edge_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct sink_edge *o = n->op;
	int r = serve(n, o, o->lane->now_ns(), err);

	if (r < 0)
		return r;
	*ret_cursor = o->cursor;
	done(o);
	if (!o->again)
		return 0;
	o->again = false;
	return WEIR_SINK_AGAIN;
}

const struct weir_sink_ops weir_sink_edge_ops = {
	.streams = true,
	.best = WEIR_GUARANTEE_EXACTLY_ONCE,
	.rests_on =
		"numbered and chained in the bundle, and kept until the other region has them in its own",
	.open = sink_edge_open,
	.prepare = sink_edge_prepare,
	.apply = sink_edge_apply,
	.cursor = sink_edge_cursor,
	.resume = sink_edge_resume,
	.flow = sink_edge_flow,
	.brief = sink_edge_brief,
};

static const struct weir_op_class sink_edge_class = {.name = "edge",
						     .run = sink_edge_run,
						     .fini = sink_edge_fini,
						     .state = &sink_edge_state,
						     .sink = &weir_sink_edge_ops};

int weir_sink_edge_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_edge *o = weir_region_new(env->region, struct sink_edge);

	n->cls = &sink_edge_class;
	n->op = o;
	pthread_mutex_init(&o->lock, NULL);
	o->edge = &env->step->sink.edge;
	o->schema = env->in;
	o->lane = env->lane;
	o->cluster = env->cluster;
	o->journal = env->journal;
	o->watermark = WEIR_TIME_MIN;
	if (env->dry)
		return 0;
	weir_assert(env->lane);
	o->batch_cap = WEIR_MAX(WEIR_EDGE_BATCH_BYTES, WEIR_ALIGN_UP(n->task->record_max, 8u));
	o->batch = weir_region_alloc(env->region, o->batch_cap);
	o->hello = weir_edge_hello(o->edge, env, env->in);
	o->codecs = o->lane->codecs;
	if (o->codecs)
		return 0;
	o->pack = weir_lane_pack_new(env->cluster, env->lane, &n->task->err);
	if (!o->pack)
		return n->task->err.code;
	o->codecs = weir_lane_pack_codecs(o->pack);
	return 0;
}

void weir_sink_edge_view(const struct weir_node *n, struct weir_edge_view *ret)
{
	struct sink_edge *o = n->op;

	pthread_mutex_lock(&o->lock);
	*ret = o->view;
	pthread_mutex_unlock(&o->lock);
	ret->records = atomic_load_explicit(&o->records, memory_order_relaxed);
	ret->raw_bytes = atomic_load_explicit(&o->raw_bytes, memory_order_relaxed);
	ret->newest_seq = atomic_load_explicit(&o->newest_seq, memory_order_relaxed);
}
