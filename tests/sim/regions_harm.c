/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways that are not to be trusted: they lose, double and forge frames on their way to an engine, with checksums that are right.
 * Only what an end of an edge must notice by itself; and a gateway that lost or forged something loses its links soon, so that a new
 * session begins.
 */
#include <stdlib.h>

#include "tests/sim/regions.h"

#define EXCUSE_NS (15 * (uint64_t)WEIR_NS_PER_S) /* edges may stop until then */

/* Into the past of this gateway: all its links break by then. */
static void ends_in(struct sim_regions *w, struct sim_gate *k, enum sim_fault_class c, uint32_t ms)
{
	k->forged_ns = w->now + sim_fault_pick(w->s, c, ms) * WEIR_NS_PER_MS;
}

/* ---- forged ---- */

/* A frame of another kind, without a body. */
static uint32_t becomes(struct weir_lane_head *h, enum weir_lane_type type, uint64_t seq)
{
	h->f.flags = (uint8_t)type;
	h->seq = seq;
	return 0;
}

/* Of these the receiver stops; of another session or a lower fence it must not even take notice. Bytes left in the frame. */
static uint32_t forge_batch(struct weir_lane_head *h, unsigned kind)
{
	uint32_t body = h->f.size - (uint32_t)sizeof(*h);
	uint8_t *p = (uint8_t *)(h + 1);

	switch (kind) {
	case 0: /* in the middle of the batch */
		p[sizeof(struct weir_lane_data) + (body - sizeof(struct weir_lane_data)) / 2] ^= 4;
		return body;
	case 1:
		h->chain ^= 0x100;
		return body;
	case 2:
		h->seq += h->count;
		return body;
	case 3:
		h->f.time_ns--; /* another session */
		return body;
	case 4:
		return becomes(h, WEIR_LANE_TRIMMED, h->seq + h->count);
	case 5:
		return becomes(h, WEIR_LANE_TRIMMED, 0);
	case 6:
		return becomes(h, WEIR_LANE_FORK, h->seq);
	default:
		return becomes(h, WEIR_LANE_RESUME, h->seq); /* no sender says that */
	}
}

static bool ends_commit(const struct sim_lane *l, const struct weir_lane_head *h)
{
	return h->seq + h->count == l->commit && h->f.time_ns == l->commit_session;
}

static void forge(struct sim_regions *w, const struct sim_lane *l, struct weir_lane_head *h)
{
	static const unsigned kinds[] = {0, 0, 0, 0, 1, 2,
					 3, 4, 5, 6, 7, 8}; /* other records most often */
	unsigned kind = kinds[sim_fault_pick(w->s, SIM_LANE_FORGE, WEIR_COUNT_OF(kinds))];
	uint32_t body = h->f.size - (uint32_t)sizeof(*h);

	sim_trace(w->s, SIM_EV_FORGED, l->edge, h->seq, kind);
	if (h->f.flags == WEIR_LANE_HELLO) {
		/* Only where the receiver has heard of the right one. */
		if (l->fence == h->fence)
			h->fence--;
		kind = 3;
	} else if (kind == 8 || (kind == 0 && !ends_commit(l, h))) {
		/* Only at the end of what is committed: elsewhere it is seen with the batch behind it, and may have been
		 * applied by then. */
		((uint8_t *)(h + 1))[body - 1] ^= 1; /* its checksum tells */
		return;
	} else {
		body = forge_batch(h, kind);
	}
	weir_lane_seal_body(h, (enum weir_lane_type)h->f.flags, body);
	if (kind != 3)
		w->excuse_ns = w->now + EXCUSE_NS;
}

/* The same for a sender. What it cannot know, what is durable elsewhere, stays as it is. */
static void forge_back(struct sim_regions *w, const struct sim_lane *l, struct weir_lane_head *h)
{
	unsigned kind = (unsigned)sim_fault_pick(w->s, SIM_LANE_BACK, 5);
	bool asks = h->f.flags == WEIR_LANE_RESUME || h->f.flags == WEIR_LANE_GAP;

	sim_trace(w->s, SIM_EV_FORGED, l->edge, h->seq, 10 + kind);
	if (kind == 0 && asks) {
		h->chain ^= 0x100;
	} else if (kind == 1) {
		h->f.flags = WEIR_LANE_FORK;
	} else if (kind == 2) {
		h->f.flags = WEIR_LANE_FENCED;
		h->fence += 1000;
	} else if (kind == 3) {
		h->f.flags = WEIR_LANE_COMMIT; /* no receiver says that */
	} else {
		h->f.time_ns--;
	}
	weir_lane_seal(h, (enum weir_lane_type)h->f.flags, 0);
	w->excuse_ns = w->now + EXCUSE_NS;
}

/* ---- doubled ---- */

static bool is_answer(unsigned type)
{
	return type == WEIR_LANE_RESUME || type == WEIR_LANE_GAP || type == WEIR_LANE_RECEIVED ||
	       type == WEIR_LANE_DURABLE;
}

static const struct weir_lane_head *head(const struct sim_bytes *b)
{
	return (const void *)b->p;
}

/* Of batches the first ones of those that are not committed: when their sender dies they never will be. */
static struct sim_bytes *place_of(const struct sim_regions *w, struct sim_edge *e)
{
	uint64_t durable = w->region[e->from].s->check->durable;

	for (unsigned i = 0; i < WEIR_COUNT_OF(e->old); i++)
		if (!e->old[i].n || head(&e->old[i])->epoch <= durable)
			return &e->old[i];
	return NULL;
}

static void remember(struct sim_regions *w, struct sim_edge *e, const struct weir_lane_head *h)
{
	struct sim_bytes *b = NULL;

	if (is_answer(h->f.flags))
		b = &e->back[e->backs++ % WEIR_COUNT_OF(e->back)];
	else if (h->f.flags == WEIR_LANE_HELLO && h->f.time_ns == 0)
		b = &e->hello;
	else if (h->f.flags == WEIR_LANE_DATA)
		b = place_of(w, e);
	if (!b)
		return;
	b->n = 0;
	sim_bytes_put(b, h, (size_t)weir_frame_stride(&h->f));
}

/* One that the engine has had, or that went to it in an earlier session. */
static void put_again(struct sim_gate_held *x, const struct sim_bytes *b)
{
	void *to = b->n ? weir_ring_claim(&x->tx, b->n) : NULL;

	if (!to)
		return;
	memcpy(to, b->p, b->n);
	weir_ring_keep(&x->tx, b->n);
}

static int by_number(const void *a, const void *b)
{
	const struct sim_bytes *x = a, *y = b;
	uint64_t p = x->n ? head(x)->seq : 0, q = y->n ? head(y)->seq : 0;

	return p < q ? -1 : p > q;
}

/* Behind what begins a session all of earlier ones, also what its sender never committed; else any of them. */
static void double_frames(struct sim_regions *w, struct sim_gate_held *x, enum sim_fault_class c,
			  struct sim_bytes *old, uint32_t n, bool begins)
{
	uint32_t rate = w->s->opt.link_rate;

	if (!sim_fault(w->s, c, begins ? 500 * rate : rate))
		return;
	if (!begins) {
		put_again(x, &old[sim_fault_pick(w->s, c, n)]);
		return;
	}
	qsort(old, n, sizeof(*old), by_number);
	for (uint32_t i = 0; i < n; i++)
		put_again(x, &old[i]);
}

/* ---- a frame ---- */

/* true: the frame is lost. */
static bool to_receiver(struct sim_regions *w, struct sim_gate *k, const struct sim_lane *l,
			struct weir_lane_head *h)
{
	uint32_t rate = w->s->opt.link_rate;
	bool data = h->f.flags == WEIR_LANE_DATA;

	if (!data && h->f.flags != WEIR_LANE_HELLO)
		return false;
	if (data && sim_fault(w->s, SIM_LANE_LOSE, rate)) {
		ends_in(w, k, SIM_LANE_LOSE, 800);
		return true;
	}
	if (sim_fault(w->s, SIM_LANE_FORGE, data ? 2 * rate : 10 * rate)) {
		forge(w, l, h);
		ends_in(w, k, SIM_LANE_FORGE, 300);
	}
	return false;
}

static bool to_sender(struct sim_regions *w, struct sim_gate *k, const struct sim_lane *l,
		      struct weir_lane_head *h)
{
	uint32_t rate = w->s->opt.link_rate;

	/* What begins a session is rare. */
	if (h->f.flags == WEIR_LANE_RESUME || h->f.flags == WEIR_LANE_GAP)
		rate *= 20;
	if (!is_answer(h->f.flags) || !sim_fault(w->s, SIM_LANE_BACK, rate))
		return false;
	ends_in(w, k, SIM_LANE_BACK, 500);
	if (sim_fault_pick(w->s, SIM_LANE_BACK, 2))
		return true;
	forge_back(w, l, h);
	return false;
}

/* A sender that was asked for an earlier place says its commits again. */
static void committed(struct sim_lane *l, const struct weir_lane_head *h)
{
	if (l->commit_session != h->f.time_ns)
		l->commit = 0;
	l->commit_session = h->f.time_ns;
	l->commit = WEIR_MAX(l->commit, h->seq);
}

void sim_harm_keep(struct sim_regions *w, struct sim_gate *k, struct sim_gate_held *x,
		   uint32_t size)
{
	struct sim_lane *l = &k->lanes->lane[x->lane];
	struct weir_lane_head *h = weir_ring_claim(&x->tx, size);
	struct sim_edge *e = sim_edge_find(w, l->edge);
	unsigned type = h->f.flags;

	if (l->out ? to_sender(w, k, l, h) : to_receiver(w, k, l, h))
		return;
	/* One of an earlier session is not taken notice of, and its fence neither. */
	if (h->f.flags == WEIR_LANE_HELLO && h->f.time_ns == 0)
		l->fence = WEIR_MAX(l->fence, h->fence);
	if (type == WEIR_LANE_COMMIT)
		committed(l, h);
	if (e && !k->forged_ns)
		remember(w, e, h);
	weir_ring_keep(&x->tx, weir_frame_stride(&h->f)); /* one that was forged may be shorter */
	if (e && l->out)
		double_frames(w, x, SIM_LANE_BACK, e->back, WEIR_COUNT_OF(e->back),
			      type == WEIR_LANE_RESUME);
	else if (e)
		double_frames(w, x, SIM_LANE_TWICE, e->old, WEIR_COUNT_OF(e->old),
			      type == WEIR_LANE_HELLO && h->f.time_ns != 0);
	if (e && !l->out && sim_fault(w->s, SIM_LANE_TWICE, w->s->opt.link_rate / 4))
		put_again(x, &e->hello);
}
