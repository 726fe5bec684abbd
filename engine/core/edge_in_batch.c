/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving end of an edge: batches that came, staged until their commit, ready until the source has taken them. */
#include "engine/core/edge_int.h"

/* ---- lists ---- */

static uint64_t cost_of(const struct edge_batch *b)
{
	return b->bytes + WEIR_EDGE_BATCH_COST;
}
_Static_assert(sizeof(struct edge_batch) <= WEIR_EDGE_BATCH_COST, "counts for what it takes");

static void batch_free(struct weir_edge_in *i, struct edge_batch *b)
{
	i->mem->free(i->mem->ctx, b, sizeof(*b) + b->bytes);
}

static void append(struct edge_list *l, struct edge_batch *b)
{
	b->next = NULL;
	if (l->last)
		l->last->next = b;
	else
		l->first = b;
	l->last = b;
	l->cost += cost_of(b);
}

static struct edge_batch *pop(struct edge_list *l)
{
	struct edge_batch *b = l->first;

	l->first = b->next;
	if (!l->first)
		l->last = NULL;
	l->cost -= cost_of(b);
	return b;
}

void weir__edge_in_drop_staged(struct weir_edge_in *i)
{
	while (i->staged.first)
		batch_free(i, pop(&i->staged));
}

void weir__edge_in_free_all(struct weir_edge_in *i)
{
	weir__edge_in_drop_staged(i);
	while (i->ready.first)
		batch_free(i, pop(&i->ready));
	if (i->spent)
		batch_free(i, i->spent);
}

/* ---- in ---- */

/* The bytes are whole records of the schema. What means something in the sender's process only is replaced. */
static bool records_fine(const struct weir_edge_in *i, struct edge_batch *b)
{
	uint32_t at = 0;

	for (uint32_t k = 0; k < b->count; k++) {
		struct weir_frame *f = (struct weir_frame *)(void *)(b->data + at);

		if (weir_frame_check(f, b->bytes - at, i->schema) < 0 ||
		    !weir__edge_record_kind(f->kind))
			return false;
		f->stream = i->schema->stream;
		f->flags &= WEIR_FRAME_F_TIMED;
		at += weir_frame_stride(f);
	}
	return at == b->bytes;
}

static bool unpack(const struct weir_edge_in *i, const struct weir_lane_head *h,
		   const struct weir_lane_data *d, struct edge_batch *b)
{
	const uint8_t *body = (const uint8_t *)(h + 1) + sizeof(*d);
	uint32_t n = h->f.size - EDGE_DATA_HEAD;

	if (d->codec != WEIR_LANE_PLAIN)
		return i->codecs && i->codecs->unpack &&
		       i->codecs->unpack(i->codecs->ctx, d->codec, body, n, b->data, b->bytes);
	memcpy(b->data, body, n);
	return true;
}

static int no_records(struct weir_edge_in *i, const struct weir_lane_head *h)
{
	weir_probe("edge.in_no_records");
	return weir_err_set(
		&i->fail, WEIR_E_CORRUPT,
		"what the sender gives for records %llu to %llu are no records of this edge: "
		"both regions need the same version of weir; if they have it, run weir verify on "
		"the sender's state directory",
		(unsigned long long)h->seq, (unsigned long long)h->seq + h->count - 1);
}

/* It becomes the next one, or the edge stops. */
static int accept(struct weir_edge_in *i, struct edge_batch *b)
{
	uint64_t end = b->seq + b->count;
	bool committed = end <= i->commit.seq, begun = i->front && !i->staged.first;

	/* A commit is between batches, and knows what comes before it. A batch of which records are through already must be the
	 * same one. */
	if (((!committed && b->seq < i->commit.seq) ||
	     (end == i->commit.seq && b->chain_after != i->commit.chain) ||
	     (begun && (i->front >= b->count || b->chain_after != i->behind))) &&
	    !weir_planted(EDGE_NO_CHAIN))
		return weir__edge_in_fork(i, i->expect.seq, i->expect.chain);
	append(&i->staged, b);
	i->expect = (struct weir_edge_pos){end, b->chain_after};
	i->resume_timer.wait_ns = 0;
	weir__edge_in_promote(i);
	return 0;
}

int weir__edge_in_batch(struct weir_edge_in *i, const struct weir_lane_head *h)
{
	struct weir_lane_data d;
	struct edge_batch *b;
	int r;

	memcpy(&d, h + 1, sizeof(d));
	if (d.raw_bytes > i->frame_max - EDGE_DATA_HEAD)
		return no_records(i, h);
	if (h->seq >= i->commit.seq &&
	    i->staged.cost + d.raw_bytes + WEIR_EDGE_BATCH_COST > i->staging_max) {
		weir_probe("edge.in_over_credit");
		return 1;
	}
	b = i->mem->alloc(i->mem->ctx, sizeof(*b) + d.raw_bytes, 16);
	b->seq = h->seq;
	b->fence = h->fence;
	b->count = h->count;
	b->bytes = d.raw_bytes;
	b->chain_before = h->chain;
	if (!unpack(i, h, &d, b)) {
		r = no_records(i, h);
		goto fail;
	}
	b->chain_after = weir_edge_chain(b->chain_before, b->seq, b->data, b->bytes);
	r = records_fine(i, b) ? accept(i, b) : no_records(i, h);
	if (r == 0)
		return 0;
fail:
	batch_free(i, b);
	return r;
}

/* Records of the first batch that were through before the restart. */
static void cut_front(struct weir_edge_in *i)
{
	const struct edge_batch *b = i->ready.first;

	weir_probe("edge.in_front_cut");
	weir_assert(i->at == 0 && i->front == i->skip && i->front < b->count);
	for (; i->front; i->front--)
		i->at += weir_frame_stride((const void *)(b->data + i->at));
}

void weir__edge_in_promote(struct weir_edge_in *i)
{
	while (i->staged.first) {
		struct edge_batch *b = i->staged.first;
		const struct edge_batch *last = i->ready.last;

		if (b->seq + b->count > i->commit.seq && !weir_planted(EDGE_SHIP_BEFORE_COMMIT))
			return;
		pop(&i->staged);
		/* I8: every batch stands behind the one before. I13: and is of this session's sender. */
		if (!weir_planted(EDGE_NO_CHAIN)) {
			weir_assert(b->seq == (last ? last->seq + last->count : i->next - i->skip));
			weir_assert(b->chain_before == (last ? last->chain_after : i->chain));
		}
		weir_assert(b->fence == i->session_fence || weir_planted(EDGE_OLD_SESSION));
		append(&i->ready, b);
		if (i->front)
			cut_front(i);
	}
}

bool weir_edge_in_room(const struct weir_edge_in *i)
{
	return i->ready.cost < i->ready_max;
}

/* ---- out ---- */

static void batch_done(struct weir_edge_in *i)
{
	struct edge_batch *b = pop(&i->ready);

	i->chain = b->chain_after;
	i->skip = 0;
	i->at = 0;
	i->spent = b;
}

uint32_t weir_edge_in_take(struct weir_edge_in *i, const struct weir_frame **ret_row, uint32_t cap,
			   const struct weir_frame **ret_ctl)
{
	struct edge_batch *b = i->ready.first;
	uint32_t n = 0;

	*ret_ctl = NULL;
	if (i->spent) {
		batch_free(i, i->spent);
		i->spent = NULL;
	}
	if (!b || cap == 0)
		return 0;
	/* I8: exactly the next one. */
	weir_assert(b->seq + i->skip == i->next);
	while (n < cap && i->skip < b->count) {
		const struct weir_frame *f = (const struct weir_frame *)(void *)(b->data + i->at);

		if (f->kind != WEIR_FRAME_DATA) {
			if (n)
				break;
			*ret_ctl = f;
			cap = 0;
		} else {
			ret_row[n++] = f;
		}
		i->at += weir_frame_stride(f);
		i->skip++;
		i->next++;
	}
	if (i->skip == b->count)
		batch_done(i);
	return n;
}
