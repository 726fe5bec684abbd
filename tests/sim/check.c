/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check.h"

#include "tests/sim/disk.h"
#include "tests/sim/life.h"
#include "tests/sim/mem.h"

#define ALIGN_NS_MAX ((uint64_t)30 * WEIR_NS_PER_S)
#define LIFE_BYTES_MAX ((size_t)1 << 30)

/* Rows the sources had given up to an epoch, and rows `audit` had taken: the cut goes through between them. */
static void check_cut(struct sim *s, uint64_t epoch)
{
	uint64_t given = 0, taken = 0;

	if (s->user)
		return;
	for (uint32_t i = 0; i < s->opt.sources; i++)
		given += sim_mark_at(&s->check->position[i], epoch);
	for (uint32_t i = 0; i < s->stores->count; i++)
		if (strcmp(s->stores->store[i]->step, "audit") == 0)
			taken += sim_mark_at(&s->stores->store[i]->frozen, epoch);
	sim_check(s, given == taken, "I5",
		  "epoch %llu: the sources say %llu records, behind them are %llu",
		  (unsigned long long)epoch, (unsigned long long)given, (unsigned long long)taken);
}

static void check_sources(struct sim *s, uint64_t epoch)
{
	const struct sim_life *l = s->life;

	if (s->user || !l || l->cell.ended)
		return;
	for (uint32_t t = 0; t < l->tasks.task_count; t++) {
		const struct weir_step *step = &l->p->step[l->unit[t].task.node[0].step];
		uint32_t p = t - l->tasks.chain[l->tasks.task_chain[t]].first_task;
		uint64_t want = sim_mark_at(&s->check->position[p], epoch);

		if (!l->unit[t].source || step->source.connector == WEIR_CONN_EDGE)
			continue;
		sim_check(s, l->unit[t].source->rows == want, "I5",
			  "source task %u goes on at %llu, epoch %llu ended at %llu", p,
			  (unsigned long long)l->unit[t].source->rows, (unsigned long long)epoch,
			  (unsigned long long)want);
	}
}

void sim_check_life(struct sim *s, uint64_t fence, uint64_t epoch)
{
	struct sim_check *k = s->check;

	sim_check(s, fence > k->fence, "I2", "an engine starts with fence %llu after %llu",
		  (unsigned long long)fence, (unsigned long long)k->fence);
	sim_check(s, epoch >= k->durable, "I34",
		  "epoch %llu was durable, a restart comes back at epoch %llu",
		  (unsigned long long)k->durable, (unsigned long long)epoch);
	for (uint32_t i = 0; i < s->stores->count; i++) {
		struct sim_store *t = s->stores->store[i];

		sim_check(s, t->cursor <= epoch, "I7",
			  "sink %s.%u has epoch %llu, the journal only %llu", t->step, t->task,
			  (unsigned long long)t->cursor, (unsigned long long)epoch);
		sim_mark_cut(&t->frozen, epoch);
		t->taken = sim_mark_at(&t->frozen, epoch);
	}
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++)
		sim_mark_cut(&k->position[i], epoch);
	k->fence = fence;
	k->durable = k->live_durable = epoch;
	k->open = k->aligned = k->folded = k->covered = k->recovered = 0;
	k->flying_count = 0;
	k->folding = false;
	k->open_since_ns = 0;
	k->covered_reads = 0;
	k->error_told = s->disk->error_told;
	check_cut(s, epoch);
	check_sources(s, epoch);
}

void sim_check_position(struct sim *s, uint32_t task, uint64_t epoch, uint64_t rows)
{
	sim_mark(&s->check->position[task % SIM_TASKS_MAX], epoch, rows);
}

static void check_flying(struct sim *s, const struct weir_cell *c)
{
	struct sim_check *k = s->check;
	uint32_t n = 0;

	if (c->aligned != k->aligned && c->folded == k->folded && k->aligned) {
		sim_check(s, k->flying_count < WEIR_COUNT_OF(k->flying), "I6", "too many epochs");
		k->flying[k->flying_count++] = c->aligned;
	}
	for (uint32_t i = 0; i < k->flying_count; i++)
		if (k->flying[i] > c->durable)
			k->flying[n++] = k->flying[i];
	k->flying_count = n;
	/* One more: it is sealed at the very end. */
	sim_check(s, n <= s->opt.in_flight + 1, "I6", "%u epochs are aligned and not durable", n);
}

static void check_times(struct sim *s, const struct weir_cell *c)
{
	struct sim_check *k = s->check;

	if (c->open == c->aligned || c->open != k->open)
		k->open_since_ns = s->now;
	sim_check(s, !k->open_since_ns || s->now - k->open_since_ns < ALIGN_NS_MAX, "L3",
		  "epoch %llu does not align", (unsigned long long)c->open);
	sim_check(s, s->life->mem.bytes < LIFE_BYTES_MAX, "L5", "%zu bytes of memory",
		  s->life->mem.bytes);
}

/* What sinks do not wait for, they have. */
static void check_outbox(struct sim *s, const struct weir_cell *c)
{
	for (uint32_t i = 0; i < c->sink_count; i++) {
		struct weir_cell_sink_info info;
		const struct sim_store *t;
		uint64_t want;

		weir_cell_sink_info(c, i, &info);
		if (!s->life->store[i])
			s->life->store[i] =
				sim_store_find(s, c->p->step[info.step].name, info.task);
		t = s->life->store[i];
		if (!t)
			continue;
		want = sim_mark_at(&t->frozen, c->durable);
		if (t->loose)
			continue;
		sim_check(s, t->rows <= want, "I7",
			  "sink %s.%u has %llu rows, durable epochs gave %llu", t->step, t->task,
			  (unsigned long long)t->rows, (unsigned long long)want);
		sim_check(s, info.waiting || info.unknown || t->rows == want, "I27",
			  "sink %s.%u waits for nothing, but has %llu rows of %llu", t->step,
			  t->task, (unsigned long long)t->rows, (unsigned long long)want);
	}
}

static void moved(struct sim *s, const struct weir_cell *c)
{
	struct sim_check *k = s->check;

	if (c->open != k->open)
		sim_trace(s, SIM_EV_OPENED, c->open, 0, 0);
	if (c->folded != k->folded || c->aligned != k->aligned)
		k->folding = c->folded != k->folded;
	if (c->folded != k->folded)
		sim_trace(s, SIM_EV_FOLDED, c->folded, 0, 0);
	else if (c->aligned != k->aligned && k->aligned)
		sim_trace(s, SIM_EV_ALIGNED, c->aligned, 0, 0);
	if (c->durable != k->live_durable) {
		sim_trace(s, SIM_EV_DURABLE, c->durable, 0, 0);
		s->verdict.epochs++;
		sim_check(s, !k->error_told, "I35",
			  "epoch %llu became durable after a write had failed",
			  (unsigned long long)c->durable);
		check_cut(s, c->durable);
	}
	if (c->covered != k->covered) {
		if (k->covered)
			sim_trace(s, SIM_EV_COVERED, c->covered, 0, 0);
		k->covered_reads = s->disk->reads_bytes;
	}
}

void sim_check_cell(struct sim *s, const struct weir_cell *c)
{
	struct sim_check *k = s->check;

	sim_check(s, c->open >= c->aligned && c->aligned >= c->durable && c->durable >= c->covered,
		  "I1", "open %llu, aligned %llu, durable %llu, covered %llu",
		  (unsigned long long)c->open, (unsigned long long)c->aligned,
		  (unsigned long long)c->durable, (unsigned long long)c->covered);
	sim_check(s,
		  c->open >= k->open && c->aligned >= k->aligned && c->durable >= k->live_durable &&
			  c->covered >= k->covered,
		  "I1", "a frontier went back");
	moved(s, c);
	check_flying(s, c);
	check_times(s, c);
	check_outbox(s, c);
	sim_shadow_check(s, c, c->covered == k->covered);
	k->open = c->open;
	k->aligned = c->aligned;
	k->folded = c->folded;
	k->live_durable = c->durable;
	k->covered = c->covered;
	k->error_told = s->disk->error_told;
	k->durable = WEIR_MAX(k->durable, c->durable);
}

void sim_check_release(struct sim *s, uint64_t epoch)
{
	sim_check(s, !s->life || epoch <= s->life->cell.durable, "I7",
		  "epoch %llu is let go, durable is %llu", (unsigned long long)epoch,
		  (unsigned long long)(s->life ? s->life->cell.durable : 0));
	/* The journal's own word is not enough: now and then a recovery is tried out. */
	if (!weir_prng_chance(&s->prng_hook, 1, 16) || epoch <= s->check->recovered)
		return;
	s->check->recovered = sim_check_recovery(s, "I7");
	sim_check(s, s->check->recovered >= epoch, "I7",
		  "epoch %llu is let go, but a power cut now would lose it",
		  (unsigned long long)epoch);
}

void sim_check_apply(struct sim *s, const struct sim_store *t, const struct sim_request *r)
{
	sim_check(s, r->epoch > t->cursor || t->loose, "I25",
		  "sink %s.%u goes from epoch %llu back to %llu", t->step, t->task,
		  (unsigned long long)t->cursor, (unsigned long long)r->epoch);
	sim_check(s, r->epoch <= s->check->durable, "I7",
		  "sink %s.%u gets epoch %llu, durable is %llu", t->step, t->task,
		  (unsigned long long)r->epoch, (unsigned long long)s->check->durable);
}
