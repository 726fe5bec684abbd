/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways: the gateway's core on the lanes of the engine of its region. What gateway/edge/attach.c does in a real one is here:
 * lanes that nobody holds are claimed, the engine's death is seen a little later.
 *
 * A kill may come at any frame and loses everything but the rings. Rings have no room now and then.
 * LANE: only whole, checked frames of the edge get to the engine; bytes of a stream stay until they have come; nobody is taken for
 * one who sends broken frames as long as no byte was damaged.
 */
#include <stdlib.h>

#include "shm/role.h"
#include "tests/sim/regions.h"

#define COURTESY_NS ((uint64_t)40 * WEIR_NS_PER_MS)
#define LOOK_NS ((uint64_t)25 * WEIR_NS_PER_MS)
#define STEPS_MAX 64u
#define GATE_BYTES_MAX ((size_t)64 << 20) /* L5 */

static struct sim_regions *the; /* the world of the gate that runs: ops have the gate only */

/* ---- rings ---- */

static struct sim_gate_held *held(void *ctx, uint32_t lane)
{
	struct sim_gate *k = ctx;

	sim_regions_check(lane < k->held_count && k->lanes, "ASSERT",
			  "gateway %u asks for lane %u of %u", k->node, lane, k->held_count);
	return &k->held[lane];
}

static void maybe_die(void)
{
	if (the->out && sim_fault(the->s, SIM_GATE_KILL, the->s->opt.link_rate / 20))
		longjmp(*the->out, SIM_JUMP_KILL);
}

static uint64_t out_peek(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p)
{
	struct sim_gate_held *h = held(ctx, lane);
	const void *p;
	uint64_t n = weir_ring_peek(&h->rx, UINT64_MAX, &p);

	if (n <= skip)
		return 0;
	*ret_p = (const uint8_t *)p + skip;
	return n - skip;
}

static void out_done(void *ctx, uint32_t lane, uint64_t bytes)
{
	struct sim_gate_held *h = held(ctx, lane);
	const void *p;

	maybe_die();
	/* What was given back is the engine's to write to. */
	if (weir_ring_peek(&h->rx, UINT64_MAX, &p) >= bytes)
		memset((void *)(uintptr_t)p, 0xee, bytes);
	weir_ring_consume(&h->rx, bytes);
	weir_ring_release(&h->rx);
	sim_region_wake(&the->region[((struct sim_gate *)ctx)->region]);
}

static void *in_claim(void *ctx, uint32_t lane, uint32_t size)
{
	struct sim_gate *k = ctx;

	if (sim_fault(the->s, SIM_LANE_FULL, the->s->opt.link_rate * 20)) {
		k->again_ns =
			the->now + (1 + sim_fault_pick(the->s, SIM_LANE_FULL, 50)) * WEIR_NS_PER_MS;
		return NULL;
	}
	return weir_ring_claim(&held(ctx, lane)->tx, size);
}

/* What comes over a link is not believed: whole frames of this edge, checked, get to the engine, and none that only a gateway
 * itself may say. */
static void frame_check(const struct sim_gate *k, struct sim_lane *l,
			const struct weir_lane_head *h, uint32_t size)
{
	bool fine = weir_lane_stride(h, size, l->to_engine->block->frame_max) == size &&
		    weir_lane_check(h, size) == 0 && h->f.key_hash == l->edge;

	sim_regions_check(fine, "LANE", "gateway %u gives the engine a broken frame", k->node);
	if (h->f.flags == WEIR_LANE_OPEN)
		l->kept = 0;
	else if (h->f.flags != WEIR_LANE_CLOSED)
		l->kept += size;
}

static void in_keep(void *ctx, uint32_t lane, uint32_t size)
{
	struct sim_gate_held *x = held(ctx, lane);
	struct sim_gate *k = ctx;
	struct sim_lane *l = &k->lanes->lane[x->lane];
	const struct weir_lane_head *h = weir_ring_claim(&x->tx, size);

	maybe_die();
	frame_check(k, l, h, size);
	sim_harm_keep(the, k, x, size);
	weir_ring_publish(&x->tx);
	sim_region_wake(&the->region[k->region]);
}

static uint64_t in_used(void *ctx, uint32_t lane)
{
	struct sim_gate_held *h = held(ctx, lane);

	return h->tx.tail - WEIR_MIN(h->tx.block->head, h->tx.tail);
}

/* What the peer may still send, what waits and what the engine has not taken is at most the window. */
void sim_gate_credit(const struct sim_gate *k, uint64_t edge, uint64_t allowed)
{
	for (uint32_t i = 0; k->lanes && i < k->held_count; i++) {
		const struct sim_lane *l = &k->lanes->lane[k->held[i].lane];
		uint64_t window = WEIR_MAX(l->to_engine->capacity, WEIR_STREAM_CREDIT);
		uint64_t taken = l->kept - in_used((void *)(uintptr_t)k, i);

		if (l->edge != edge)
			continue;
		/* In the ring may also be what other streams have left. */
		sim_regions_check((int64_t)(allowed - taken) <= (int64_t)window, "L5",
				  "gateway %u: %llu bytes of a stream may be on their way, the "
				  "window is %llu",
				  k->node, (unsigned long long)(allowed - taken),
				  (unsigned long long)window);
	}
}

/* ---- holding lanes ---- */

static void let_go(struct sim_regions *w, struct sim_gate *k)
{
	for (uint32_t i = 0; i < k->held_count; i++) {
		struct sim_lane *l = &k->lanes->lane[k->held[i].lane];

		l->holder = 0;
		l->free_ns = w->now;
		l->gone_ns = w->now + weir_prng_below(&w->prng, 50) * WEIR_NS_PER_MS + 1;
	}
	k->held_count = 0;
}

static void hold(struct sim_gate *k, uint32_t lane)
{
	struct sim_lane *l = &k->lanes->lane[lane];
	struct sim_gate_held *h = &k->held[k->held_count++];

	if (l->gone_ns) { /* who watches has not seen that the other one is gone */
		l->gone_ns = 0;
		weir_lane_end_gone(&l->end, l->generation);
	}
	l->holder = k->number + 1;
	l->generation++;
	l->to_engine->block->producer.state_gen =
		weir_role_word(WEIR_ROLE_ATTACHED, 1 + k->node, l->generation);
	h->lane = lane;
	weir_ring_rx_init(&h->rx, l->to_gate->block, l->to_gate->base);
	weir_ring_tx_init(&h->tx, l->to_engine->block, l->to_engine->base);
}

static bool claim(struct sim_regions *w, struct sim_gate *k)
{
	bool changed = false;

	for (uint32_t i = 0; i < k->lanes->count; i++) {
		const struct sim_lane *l = &k->lanes->lane[i];

		if (l->holder ||
		    (l->edge % w->gates != k->number && w->now - l->free_ns < COURTESY_NS))
			continue;
		hold(k, i);
		changed = true;
	}
	return changed;
}

static void tell_lanes(struct sim_regions *w, struct sim_gate *k)
{
	struct weir_gate_lane is[WEIR_GATE_LANES_MAX];
	int r;

	for (uint32_t i = 0; i < k->held_count; i++) {
		const struct sim_lane *l = &k->lanes->lane[k->held[i].lane];

		is[i] = (struct weir_gate_lane){.edge = l->edge,
						.peer = l->peer,
						.frame_max = l->to_engine->block->frame_max,
						.in_bytes = l->to_engine->capacity};
	}
	r = weir_gate_lanes(k->g, is, k->held_count, &k->ops, w->now);
	sim_regions_check(r == 0, "ASSERT", "the gate does not take its lanes: %d", r);
	sim_trace(w->s, SIM_EV_LANES, k->node, k->held_count, 0);
	k->due = w->now;
}

/* Nobody has damaged anything: nobody may have been refused for it. */
static void check_frames(struct sim_regions *w, const struct sim_gate *k)
{
	struct weir_gate_region_info info;

	for (uint32_t r = 0; r < w->count && !sim_net_rotten(w->net); r++) {
		weir_gate_region(k->g, r, &info);
		sim_regions_check(info.bad_frames == 0, "LANE",
				  "gateway %u gets broken frames from %s: %s", k->node, w->name[r],
				  info.last_error);
	}
}

static void look(struct sim_regions *w, struct sim_gate *k)
{
	const struct sim_life *l = w->region[k->region].s->life;

	check_frames(w, k);
	k->look_ns = w->now + weir_prng_range(&w->prng, 1, 2 * LOOK_NS);
	if (k->lanes && k->lanes->dead) {
		weir_gate_lanes(k->g, NULL, 0, NULL, w->now);
		let_go(w, k);
		k->old = k->lanes;
		k->lanes = NULL;
		k->due = w->now;
		return;
	}
	if (!k->lanes && !k->old && l && l->cell_open) {
		k->lanes = l->lanes;
		k->lanes->refs++;
	}
	if (k->lanes && claim(w, k))
		tell_lanes(w, k);
}

/* ---- life ---- */

static void start(struct sim_regions *w, struct sim_gate *k)
{
	struct weir_gate_options o = {.cluster = w->cluster.name,
				      .region_count = w->count,
				      .here = k->region,
				      .region = w->name,
				      .gateway_count = w->gate_count,
				      .gateway = k->number,
				      .gateway_name = w->gate_name,
				      .heartbeat_ns = 250 * (uint64_t)WEIR_NS_PER_MS,
				      .suspect_ns = (uint64_t)WEIR_NS_PER_S,
				      .dead_ns = 3 * (uint64_t)WEIR_NS_PER_S,
				      .incarnation = weir_prng_u64(&w->prng),
				      .mem = &k->mem.mem,
				      .link = &k->link};

	sim_mem_init(&k->mem);
	sim_net_link_ops(w, k);
	k->ops = (struct weir_gate_lane_ops){.out_peek = out_peek,
					     .out_done = out_done,
					     .in_claim = in_claim,
					     .in_keep = in_keep,
					     .in_used = in_used,
					     .ctx = k};
	k->life++;
	sim_trace(w->s, SIM_EV_GATE_START, k->node, k->life, 0);
	k->g = weir_gate_new(&o);
	k->due = k->look_ns = w->now;
	k->forged_ns = k->again_ns = 0;
}

static void drop_lanes(struct sim_regions *w, struct sim_gate *k)
{
	if (k->lanes) {
		let_go(w, k);
		sim_lanes_unref(k->lanes);
	}
	if (k->old)
		sim_lanes_unref(k->old);
	k->lanes = k->old = NULL;
}

void sim_gate_kill(struct sim_regions *w, struct sim_gate *k)
{
	uint64_t ms = w->s->calm ? 10 : weir_prng_range(&w->prng, 5, 800);

	if (!k->g)
		return;
	sim_trace(w->s, SIM_EV_GATE_KILL, k->node, k->life, 0);
	drop_lanes(w, k);
	sim_net_gate_gone(w, k);
	sim_mem_fini(&k->mem);
	k->g = NULL;
	k->up_ns = w->now + ms * WEIR_NS_PER_MS;
}

void sim_gate_init(struct sim_regions *w, uint32_t region, uint32_t number)
{
	struct sim_gate *k = sim_alloc(sizeof(*k));

	k->region = region;
	k->number = number;
	k->node = region * SIM_GATES_MAX + number;
	k->up_ns = w->now + weir_prng_below(&w->prng, 50) * WEIR_NS_PER_MS;
	w->region[region].gate[number] = k;
}

void sim_gate_fini(struct sim_gate *k)
{
	if (!k)
		return;
	if (k->lanes)
		sim_lanes_unref(k->lanes);
	if (k->old)
		sim_lanes_unref(k->old);
	if (k->g)
		sim_mem_fini(&k->mem);
	free(k);
}

/* An event or a step; a kill in it ends here. */
static void run(struct sim_regions *w, struct sim_gate *k, const struct weir_link_event *e)
{
	jmp_buf out;

	the = w;
	w->out = &out;
	if (setjmp(out)) {
		w->out = NULL;
		sim_gate_kill(w, k);
		return;
	}
	if (e) {
		weir_gate_event(k->g, e, w->now);
		k->due = w->now;
	} else {
		k->due = weir_gate_step(k->g, w->now, weir_prng_u64(&w->prng));
	}
	if (k->again_ns)
		k->due = WEIR_MIN(k->due, k->again_ns);
	w->out = NULL;
}

void sim_gate_event(struct sim_regions *w, struct sim_gate *k, const struct weir_link_event *e)
{
	run(w, k, e);
}

bool sim_gate_turn(struct sim_regions *w, struct sim_gate *k)
{
	if (!k->g) {
		if (w->now < k->up_ns)
			return false;
		start(w, k);
		return true;
	}
	if (w->now < k->slow_until_ns)
		return false;
	if (k->forged_ns && w->now >= k->forged_ns) {
		k->forged_ns = 0;
		sim_net_break_gate(w, k);
	}
	if (w->now >= k->look_ns)
		look(w, k);
	if (w->now < k->due)
		return false;
	if (k->again_ns <= w->now)
		k->again_ns = 0;
	for (uint32_t i = 0; k->g && k->due <= w->now; i++) {
		sim_regions_check(i < STEPS_MAX, "L1", "gateway %u does not come to rest", k->node);
		run(w, k, NULL);
	}
	if (k->old) {
		sim_lanes_unref(k->old);
		k->old = NULL;
	}
	sim_regions_check(!k->g || k->mem.bytes < GATE_BYTES_MAX, "L5",
			  "gateway %u has %zu bytes of memory", k->node, k->mem.bytes);
	return true;
}

uint64_t sim_gate_next(const struct sim_gate *k)
{
	uint64_t next;

	if (!k->g)
		return k->up_ns;
	next = WEIR_MIN(k->due, k->look_ns);
	if (k->forged_ns)
		next = WEIR_MIN(next, k->forged_ns);
	return WEIR_MAX(next, k->slow_until_ns);
}
