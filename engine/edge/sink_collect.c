/* SPDX-License-Identifier: Apache-2.0 */
/* Output that waits in memory for the commit of its epoch, and goes out in the sink thread. */
#include "base/assert.h"
#include "engine/edge/sink.h"

#define HEADED 1u
#define DIRECT 2u

/* One of the states in a part. */
struct piece {
	uint8_t flags;
	uint64_t position; /* direct */
	const uint8_t *p;
	size_t bytes;
};

/* 1, 0 at the end, WEIR_E_CORRUPT. */
static int piece_read(struct weir_reader *r, struct piece *ret)
{
	uint64_t n;

	if (!r->bad && weir_reader_left(r) == 0)
		return 0;
	ret->flags = weir_read_u8(r);
	n = weir_read_u64(r);
	ret->position = n;
	ret->bytes = ret->flags & DIRECT ? 0 : (size_t)n;
	ret->p = weir_read(r, ret->bytes);
	return r->bad || ret->flags > (HEADED | DIRECT) ? WEIR_E_CORRUPT : 1;
}

static int damaged(const struct weir_node *n, uint64_t epoch, struct weir_err *err)
{
	return weir_err_set(err, WEIR_E_CORRUPT,
			    "step `%s`: its part of epoch %llu in the journal is damaged",
			    n->step_name, (unsigned long long)epoch);
}

void weir_sink_collect_init(struct weir_sink_collect *c, struct weir_node *n,
			    const struct weir_conn_env *env)
{
	n->op = c;
	c->direct = weir_sink_guarantee(env) == WEIR_GUARANTEE_AT_LEAST_ONCE;
	weir_sink_text_init(&c->text, n, env);
}

void weir_sink_collect_fini(struct weir_sink_collect *c)
{
	if (c->out.mem)
		weir_out_fini(&c->out);
}

/* ---- worker ---- */

static void spill(struct weir_node *n, struct weir_sink_collect *c)
{
	weir_assert(n->part); /* a pipeline with a guarantee has epochs */
	if (!c->out.mem)
		weir_out_init(&c->out, n->part->mem);
	weir_out_put(&c->out, c->text.buf.p, c->text.buf.len);
	c->text.buf.len = 0;
	n->held = c->out.bytes;
}

int weir_sink_collect_run(struct weir_node *n)
{
	struct weir_sink_collect *c = n->op;
	int progress = 0;

	if (!c->headed) {
		weir_encode_head(&c->text.enc, &c->text.buf);
		c->headed = true;
	}
	while (n->in.pos < n->in.count) {
		progress += (int)weir_sink_text_take(&c->text, n);
		if (n->in.pos < n->in.count || c->text.buf.len > c->text.buf.cap / 2)
			spill(n, c);
	}
	if (n->in.ctl.kind) {
		if (n->in.ctl.kind == WEIR_FRAME_BARRIER || n->in.ctl.kind == WEIR_FRAME_EOS)
			spill(n, c);
		weir_sink_control(n);
		progress = 1;
	}
	return progress;
}

static void collect_freeze(struct weir_node *n, struct weir_out *o)
{
	struct weir_sink_collect *c = n->op;
	bool news = c->direct ? c->position != c->frozen : c->out.bytes > 0;

	weir_assert(c->text.buf.len == 0);
	n->held = 0;
	if (!news && !c->touched)
		return;
	weir_out_u8(o, (c->headed ? HEADED : 0) | (c->direct ? DIRECT : 0));
	weir_out_u64(o, c->direct ? c->position : c->out.bytes);
	if (c->out.bytes)
		weir_out_append(o, &c->out);
	c->frozen = c->position;
	c->touched = false;
}

static bool collect_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct weir_sink_collect *c = n->op;

	(void)begin;
	(void)budget;
	c->touched = c->headed;
	return true;
}

/* The bytes themselves are not needed: epochs that did not get out come again through apply(). */
static int collect_restore(struct weir_node *n, struct weir_restore *r)
{
	struct weir_sink_collect *c = n->op;
	struct piece piece;
	int k;

	while ((k = piece_read(&r->in, &piece)) > 0)
		c->headed |= (piece.flags & HEADED) != 0;
	return k < 0 ? damaged(n, r->epoch, &n->task->err) : 0;
}

static void collect_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct weir_sink_collect *c = n->op;

	weir_buf_lit(b, n->cls->name);
	weir_buf_lit(b, c->direct ? " at once" : " after the commit");
	weir_sink_text_sign(&c->text, b);
}

const struct weir_state_ops weir_sink_collect_state = {.freeze = collect_freeze,
						       .touch = collect_touch,
						       .restore = collect_restore,
						       .sign = collect_sign};

/* ---- sink thread ---- */

int weir_sink_collect_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
			   uint64_t *ret_cursor, struct weir_err *err)
{
	struct weir_sink_collect *c = n->op;

	(void)fence;
	(void)fresh;
	(void)err;
	c->known = known;
	*ret_cursor = known;
	return 0;
}

int weir_sink_collect_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			      struct weir_err *err)
{
	(void)n;
	(void)e;
	(void)err;
	return 0; /* the bundle holds the output */
}

int weir_sink_collect_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	const struct weir_sink_collect *c = n->op;

	(void)err;
	if (c->epoch > c->applied)
		*ret_cursor = c->prev; /* on its way: not in */
	else
		*ret_cursor = c->applied ? c->applied : c->known;
	return 0;
}

static int send_rest(struct weir_node *n, const struct weir_sink_epoch *e,
		     const struct weir_sink_way *way, struct weir_err *err)
{
	struct weir_sink_collect *c = n->op;
	struct weir_reader part = e->part;
	uint64_t skip = c->at;
	struct piece piece;
	int k;

	while ((k = piece_read(&part, &piece)) > 0) {
		size_t over = (size_t)WEIR_MIN(skip, piece.bytes), sent = 0;

		skip -= over;
		if (over == piece.bytes)
			continue;
		k = way->send(n, piece.p + over, piece.bytes - over, &sent, err);
		c->at += sent;
		if (k)
			return k;
	}
	return k < 0 ? damaged(n, e->epoch, err) : 0;
}

int weir_sink_collect_apply(struct weir_node *n, const struct weir_sink_epoch *e,
			    const struct weir_sink_way *way, struct weir_err *err)
{
	struct weir_sink_collect *c = n->op;
	int r;

	/* Of this life only: what an earlier life wrote nobody knows, and the caller gives again. */
	if (e->epoch <= c->applied)
		return 0;
	if (c->epoch != e->epoch)
		c->at = 0;
	c->epoch = e->epoch;
	c->prev = e->prev;
	r = send_rest(n, e, way, err);
	if (r == 0)
		r = way->settle(n, err);
	if (r == 0)
		c->applied = e->epoch;
	return r;
}

int weir_sink_direct_apply(struct weir_node *n, const struct weir_sink_epoch *e,
			   struct weir_err *err)
{
	struct weir_sink_collect *c = n->op;

	(void)err;
	c->epoch = c->applied = WEIR_MAX(c->applied, e->epoch);
	return 0;
}

int weir_sink_direct_position(struct weir_node *n, const struct weir_sink_epoch *e,
			      uint64_t *ret_position, struct weir_err *err)
{
	struct weir_reader part = e->part;
	struct piece piece;
	int k;

	*ret_position = 0;
	while ((k = piece_read(&part, &piece)) > 0)
		if (piece.flags & DIRECT)
			*ret_position = piece.position;
	return k < 0 ? damaged(n, e->epoch, err) : 0;
}
