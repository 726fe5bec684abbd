/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that looks after lanes: gateways that come and go, the cause others are told, sources whose task is over. */
#include <stdio.h>

#include "engine/edge/cell_impl.h"
#include "engine/edge/lanes_impl.h"
#include "engine/edge/roots.h"
#include "host/log.h"
#include "shm/doorbell.h"
#include "shm/role.h"

#define LOOK_NS (50 * (uint64_t)WEIR_NS_PER_MS)
#define CAUSE_NS (100 * (uint64_t)WEIR_NS_PER_MS)
#define HURRY_NS (2 * (uint64_t)WEIR_NS_PER_MS) /* while somebody waits for the farewell */
/* A farewell waits so long, and so long when no gateway is there. */
#define FAREWELL_NS (30 * (uint64_t)WEIR_NS_PER_S)
#define FAREWELL_ALONE_NS ((uint64_t)WEIR_NS_PER_S)

/* ---- gateways ---- */

static struct lanes_gateway *find(struct engine_lanes *ls, uint32_t pid, uint64_t start_time)
{
	for (unsigned i = 0; i < LANES_GATEWAYS; i++)
		if (ls->gateway[i].pid == pid && ls->gateway[i].start_time == start_time)
			return &ls->gateway[i];
	return NULL;
}

static struct lanes_gateway *enter(struct engine_lanes *ls, uint32_t pid, uint64_t start_time)
{
	struct lanes_gateway *g = find(ls, pid, start_time);

	if (g)
		return g;
	g = find(ls, 0, 0);
	if (!g)
		g = &ls->gateway
			     [0]; /* more processes than gateways can be: the log says too much */
	*g = (struct lanes_gateway){.pid = pid, .start_time = start_time};
	return g;
}

static void say(const struct engine_lanes *ls, enum weir_log_level level, const char *text,
		const struct lanes_gateway *g)
{
	char pid[16], lanes[16];

	snprintf(pid, sizeof(pid), "%u", g->pid);
	snprintf(lanes, sizeof(lanes), "%u", g->lanes);
	weir_log(level, text, "pipeline", weir_pipeline_instance(ls->engine->p), "pid", pid,
		 g->lanes ? "edges" : NULL, lanes, NULL);
}

/* The holder of the lane is gone, or there is a living one. */
static void look_at_lane(struct engine_lanes *ls, struct engine_lane *l)
{
	struct weir_segment *s = &ls->engine->segment;
	const struct weir_ring_role *role = &s->ring[l->in_ring].producer;
	uint64_t word = weir_load_acquire(&role->state_gen);
	enum weir_peer peer = weir_ring_role_peer(role);
	uint64_t start_time = weir_load_acquire(&role->start_time);

	if (weir_load_acquire(&role->state_gen) != word)
		return; /* it changes hands: the next look will tell */
	if (peer == WEIR_PEER_ALIVE && weir_role_state(word) == WEIR_ROLE_ATTACHED)
		enter(ls, weir_role_pid(word), start_time)->lanes++;
	if ((peer == WEIR_PEER_DEAD || peer == WEIR_PEER_LEFT) &&
	    l->gateway != weir_role_generation(word)) {
		l->gateway = weir_role_generation(word);
		weir_lane_end_gone(&l->end, l->gateway);
		weir_doorbell_ring(&s->doorbell[s->ring[l->in_ring].consumer_doorbell]);
	}
}

static void look_at_gateways(struct engine_lanes *ls)
{
	for (unsigned i = 0; i < LANES_GATEWAYS; i++)
		ls->gateway[i].lanes = 0;
	for (uint32_t i = 0; i < ls->count; i++)
		look_at_lane(ls, &ls->lane[i]);
	for (unsigned i = 0; i < LANES_GATEWAYS; i++) {
		struct lanes_gateway *g = &ls->gateway[i];

		if (!g->pid)
			continue;
		if (g->lanes && !g->lives) {
			say(ls, WEIR_LOG_INFO,
			    ls->ever ? "a gateway is back: its edges go on"
				     : "a gateway has taken edges to other regions",
			    g);
			g->lives = ls->ever = true;
		} else if (!g->lanes) {
			if (weir_process_start_time(g->pid) == g->start_time)
				say(ls, WEIR_LOG_INFO, "a gateway has given its edges back", g);
			else
				say(ls, WEIR_LOG_WARN,
				    "a gateway is dead: its edges wait until it, or another one, "
				    "is there",
				    g);
			*g = (struct lanes_gateway){0};
		}
	}
}

static bool gateway_there(const struct engine_lanes *ls)
{
	for (uint32_t i = 0; i < ls->count; i++) {
		const struct weir_segment *s = &ls->engine->segment;

		if (weir_ring_role_peer(&s->ring[ls->lane[i].in_ring].producer) == WEIR_PEER_ALIVE)
			return true;
	}
	return false;
}

/* ---- what holds us up ---- */

static void tell_causes(struct engine_lanes *ls, uint64_t now)
{
	struct weir_engine *e = ls->engine;

	if (now - ls->cause_ns < CAUSE_NS)
		return;
	ls->cause_ns = now;
	weir_engine_stats_read(e, ls->stats);
	for (uint32_t i = 0; i < ls->count; i++) {
		struct engine_lane *l = &ls->lane[i];
		char cause[WEIR_LANE_CAUSE_MAX];

		if (l->edge->out)
			continue;
		weir_root_of_edge(e, ls->stats, l->edge->step, cause, sizeof(cause));
		weir_lane_end_say(&l->end, cause);
	}
}

/* ---- sources whose task is over ---- */

static int attend(struct engine_lanes *ls, struct weir_err *err)
{
	struct engine_cell *x = ls->engine->cell;

	for (uint32_t i = 0; i < ls->count; i++) {
		struct engine_lane *l = &ls->lane[i];
		int r;

		if (!atomic_load_explicit(&l->orphan, memory_order_acquire))
			continue;
		l->node->task->mono_ns = weir_mono_ns();
		weir_source_settle(l->node, atomic_load(&x->durable));
		r = weir_source_edge_attend(l->node, true);
		if (r < 0) {
			*err = l->node->task->err;
			return r;
		}
		atomic_fetch_add(&l->attended, 1);
	}
	return 0;
}

static void *lanes_main(void *arg)
{
	struct engine_lanes *ls = arg;
	struct weir_err err = {0};
	uint64_t looked_ns = 0;
	int r = 0;

	pthread_setname_np(pthread_self(), "weir-lanes");
	pthread_mutex_lock(&ls->lock);
	while (!ls->quit && r == 0) {
		uint64_t now = weir_mono_ns();

		weir_cond_wait_until(&ls->cond, &ls->lock, now + (ls->hurry ? HURRY_NS : LOOK_NS));
		pthread_mutex_unlock(&ls->lock);
		now = weir_mono_ns();
		if (now - looked_ns >= LOOK_NS) {
			look_at_gateways(ls);
			looked_ns = now;
		}
		tell_causes(ls, now);
		r = attend(ls, &err);
		pthread_mutex_lock(&ls->lock);
	}
	pthread_mutex_unlock(&ls->lock);
	if (r < 0)
		weir__engine_fail(ls->engine, &err);
	return NULL;
}

/* ---- life ---- */

int weir__lanes_start(struct weir_engine *e, struct weir_err *err)
{
	struct engine_lanes *ls = e->lanes;
	int r;

	if (!ls)
		return 0;
	for (uint32_t i = 0; i < ls->count; i++)
		if (!ls->lane[i].edge->out && weir_engine_had_ended(e))
			atomic_store(&ls->lane[i].orphan, true); /* no worker will come */
	weir_region_init(&ls->region, &weir_heap_mem);
	ls->stats = weir_engine_stats_new(e, &ls->region);
	r = pthread_create(&ls->thread, NULL, lanes_main, ls);
	if (r) {
		weir_region_fini(&ls->region);
		return weir_err_set(err, -r, "cannot start the thread of the lanes: %s",
				    weir_strerror(-r));
	}
	ls->started = true;
	return 0;
}

void weir__lanes_stop(struct weir_engine *e)
{
	struct engine_lanes *ls = e->lanes;

	if (!ls || !ls->started)
		return;
	pthread_mutex_lock(&ls->lock);
	ls->quit = true;
	pthread_cond_signal(&ls->cond);
	pthread_mutex_unlock(&ls->lock);
	pthread_join(ls->thread, NULL);
	weir_region_fini(&ls->region);
	ls->started = false;
}

/* The sender's gateway has everything that was written here, and that all is durable was part of it. */
static bool has_heard(const struct weir_segment *s, struct engine_lane *l)
{
	const struct weir_ring_block *out = &s->ring[l->out_ring];
	struct weir_edge_view v;

	weir_source_edge_view(l->node, &v);
	return v.in.in_session && v.in.durable == v.in.next_seq &&
	       weir_load_acquire(&out->head) == weir_load_acquire(&out->tail);
}

static bool all_have_heard(struct engine_lanes *ls)
{
	bool all = true;

	for (uint32_t i = 0; i < ls->count; i++) {
		struct engine_lane *l = &ls->lane[i];

		/* Once is for good: nothing more comes, and a sender that has heard of it goes away. */
		if (!l->edge->out && !l->heard)
			l->heard = has_heard(&ls->engine->segment, l);
		all &= l->edge->out || l->heard;
	}
	return all;
}

void weir__lanes_farewell(struct weir_engine *e)
{
	struct engine_lanes *ls = e->lanes;
	uint64_t from = weir_mono_ns(), now = from;
	bool heard = false, said = false;

	if (!ls || !e->cell->cell.ended)
		return;
	pthread_mutex_lock(&ls->lock);
	ls->hurry = true;
	pthread_cond_signal(&ls->cond);
	/* The lock is free while it waits; nobody signals: it looks again after a while. */
	while (!ls->quit && atomic_load(&e->stop) != 2 && !atomic_load(&e->cell->stop)) {
		pthread_cond_t *c = &ls->farewell;

		heard = all_have_heard(ls);
		now = weir_mono_ns();
		if (heard || now - from > (gateway_there(ls) ? FAREWELL_NS : FAREWELL_ALONE_NS))
			break;
		if (!said && now - from > (uint64_t)WEIR_NS_PER_S) {
			weir_log(WEIR_LOG_INFO,
				 "all is done: waiting until other regions have heard that their "
				 "records are durable",
				 "pipeline", weir_pipeline_instance(e->p), NULL);
			said = true;
		}
		weir_cond_wait_until(c, &ls->lock, now + HURRY_NS);
	}
	pthread_mutex_unlock(&ls->lock);
	if (!heard)
		weir_log(WEIR_LOG_WARN,
			 "another region has not heard that its records are durable here: it keeps "
			 "them until the next start of this one",
			 "pipeline", weir_pipeline_instance(e->p), NULL);
}
