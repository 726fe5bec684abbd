/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap: one more target behind a port of a running task, that copies rows into a ring of its own and
 * drops what does not fit. It is put in and taken out by the task's worker between two turns, when it
 * holds no rows itself; when there is no tap it costs one relaxed load a turn.
 */
#include <errno.h>

#include "engine/edge/engine_impl.h"

#define NO_STEP UINT32_MAX

/* tap_want: number of the tap, output, step (UINT32_MAX in the low half: none). */
static uint64_t pack_want(uint32_t number, uint32_t step, uint32_t port)
{
	return (uint64_t)number << 32 | port << 16 | step;
}

static uint32_t want_step(uint64_t want)
{
	return (uint32_t)want == NO_STEP ? NO_STEP : (uint32_t)want & 0xffff;
}

static uint32_t want_port(uint64_t want)
{
	return (uint32_t)want >> 16;
}

struct tap {
	struct weir_ring_tx tx;
	struct weir_engine *engine;
	struct weir_port *port;
};

static int tap_run(struct weir_node *n)
{
	struct tap *o = n->op;
	uint64_t dropped = 0;

	for (; n->in.pos < n->in.count; n->in.pos++)
		dropped += !weir_ring_put_frame(&o->tx, n->in.row[n->in.pos]);
	weir_ring_publish(&o->tx);
	if (dropped)
		atomic_fetch_add(&o->engine->tap_dropped, dropped);
	n->in.ctl.kind = 0;
	return 1;
}

static const struct weir_op_class tap_class = {.name = "tap", .run = tap_run};

static void take_out(struct engine_task *t)
{
	struct tap *o = t->tap_node->op;

	/* It was the last target of the port. */
	o->port->target_count--;
	t->unit.task.node_count--;
	t->tap_in = false;
}

/* The ring may still hold frames of an earlier tap on another step: a marker with the number of this tap
 * tells the reader where its own begin. false: no room for it yet. */
static bool put_in(struct engine_task *t, uint64_t want)
{
	struct weir_engine *e = t->engine;
	uint32_t ring = e->tap_ring + t->index, step = want_step(want);

	for (uint32_t i = 0; i < t->step_node_count; i++) {
		struct weir_node *n = &t->unit.task.node[i];
		struct tap *o = t->tap_node->op;

		if (n->step != step || n->port_count == 0)
			continue;
		if (!o)
			o = weir_region_new(&t->region, struct tap);
		memset(t->tap_node, 0, sizeof(*t->tap_node));
		weir_ring_tx_init(&o->tx, &e->segment.ring[ring], e->segment.ring_base[ring]);
		t->tap_node->op = o;
		if (!weir_ring_put_control(&o->tx, WEIR_FRAME_MARKER, want >> 32, 0))
			return false;
		weir_ring_publish(&o->tx);
		o->engine = e;
		o->port = &n->port[want_port(want)];
		t->tap_node->cls = &tap_class;
		t->tap_node->task = &t->unit.task;
		t->tap_node->step_name = "";
		t->tap_node->step = NO_STEP;
		o->port->target[o->port->target_count++] = t->tap_node;
		t->unit.task.node_count++;
		t->tap_in = true;
		return true;
	}
	return true;
}

void weir__tap_check(struct engine_task *t)
{
	uint64_t want = atomic_load_explicit(&t->engine->tap_want, memory_order_acquire);

	if (weir_likely(want == t->tap_have))
		return;
	/* A task held up by what is behind it may never be idle, but the tap itself always drains. */
	if (t->tap_in && !weir_batch_empty(&t->tap_node->in))
		return;
	if (t->tap_in)
		take_out(t);
	if (want_step(want) != NO_STEP &&
	    t->engine->plan.tasks.step_chain[want_step(want)] == t->chain && !put_in(t, want))
		return; /* the reader makes room; next turn */
	t->tap_have = want;
}

int weir_engine_tap_start(struct weir_engine *e, uint32_t step, uint32_t port, struct weir_err *err)
{
	uint32_t chain = e->plan.tasks.step_chain[step];
	const struct weir_chain *c = &e->plan.tasks.chain[chain];

	if (e->tap_active)
		return weir_err_set(err, WEIR_E_BUSY, "another tap is open on this pipeline");
	if (e->p->step[step].kind == WEIR_STEP_SINK)
		return weir_err_set(err, -EINVAL,
				    "a sink emits nothing: tap the step it reads from");
	if (!e->p->step[step].port[port].uses) {
		const char *name = e->p->step[step].port[port].name;

		return weir_err_set(err, -EINVAL,
				    "nobody reads `%s%s%s`, so nothing is emitted there",
				    e->p->step[step].name, *name ? "." : "", name);
	}
	if (!e->tap_rx) {
		e->tap_rx = weir_region_array(&e->region, struct weir_ring_rx,
					      e->plan.tasks.task_count);
		e->tap_synced = weir_region_array(&e->region, bool, e->plan.tasks.task_count);
	}
	for (uint32_t i = 0; i < c->parallelism; i++) {
		uint32_t t = c->first_task + i, ring = e->tap_ring + t;
		int r = weir_segment_map_ring(&e->segment, ring, err);

		if (r < 0)
			return r;
		weir_ring_rx_init(&e->tap_rx[t], &e->segment.ring[ring],
				  e->segment.ring_base[ring]);
		e->tap_synced[t] = false;
	}
	atomic_store(&e->tap_dropped, 0);
	e->tap_active = true;
	atomic_store_explicit(&e->tap_want, pack_want(++e->tap_number, step, port),
			      memory_order_release);
	return 0;
}

void weir_engine_tap_stop(struct weir_engine *e)
{
	atomic_store(&e->tap_want, (uint64_t)e->tap_number << 32 | NO_STEP);
	e->tap_active = false;
}

uint32_t weir_engine_tap_read(struct weir_engine *e,
			      void (*fn)(void *ctx, const struct weir_frame *f,
					 const struct weir_schema *s),
			      void *ctx, uint32_t most, uint64_t *ret_dropped)
{
	uint64_t want = atomic_load(&e->tap_want);
	uint32_t step = want_step(want), total = 0;
	const struct weir_chain *c;

	if (step == NO_STEP)
		return 0;
	c = &e->plan.tasks.chain[e->plan.tasks.step_chain[step]];
	for (uint32_t i = 0; i < c->parallelism; i++) {
		struct weir_ring_rx *rx = &e->tap_rx[c->first_task + i];
		const void *p;
		uint64_t n = weir_ring_peek(rx, 1, &p), at = 0;

		while (at < n && total < most) {
			const struct weir_frame *f = (const void *)((const uint8_t *)p + at);

			at += weir_frame_stride(f);
			if (f->kind == WEIR_FRAME_MARKER) {
				e->tap_synced[c->first_task + i] = f->key_hash == e->tap_number;
			} else if (e->tap_synced[c->first_task + i]) {
				fn(ctx, f, e->p->step[step].port[want_port(want)].schema);
				total++;
			}
		}
		weir_ring_consume(rx, at);
		weir_ring_release(rx);
	}
	*ret_dropped += atomic_exchange(&e->tap_dropped, 0);
	return total;
}
