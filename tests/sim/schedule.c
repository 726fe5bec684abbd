/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs next: everybody in a random order, some left out; when nobody has anything to do, the clock moves on. */
#include "tests/sim/disk.h"
#include "tests/sim/life.h"
#include "tests/sim/world.h"

#define ACTORS_MAX 256
#define STEP_NS_MAX ((uint64_t)20 * WEIR_NS_PER_MS)

static void tick(struct sim *s)
{
	/* A few microseconds of work. */
	s->now += 500 + (weir_prng_u64(&s->prng_schedule) & 4095);
}

static int task_turn(struct sim *s, uint32_t t)
{
	struct sim_life *l = s->life;
	struct sim_task *k = &l->task[t];
	bool reported;
	int r;

	if (sim_fault(s, SIM_STARVE, s->opt.task_rate * 3)) {
		k->starved_until_ns = s->now + sim_fault_pick(s, SIM_STARVE, 300) * WEIR_NS_PER_MS;
		return 0;
	}
	r = sim_life_turn(l, t, 1 + (uint32_t)weir_prng_below(&s->prng_schedule, 4));
	if (r < 0)
		return r;
	reported = sim_life_report(l, t);
	tick(s);
	return r > 0 || reported;
}

static int cell_turn(struct sim *s)
{
	const struct weir_cell *c = &s->life->cell;
	uint64_t open = c->open, durable = c->durable, aligned = c->aligned;
	bool news = sim_disk_news(s->disk);
	int r = sim_life_step(s->life);

	tick(s);
	if (r < 0)
		return r;
	return news || c->open != open || c->durable != durable || c->aligned != aligned ||
	       c->next_ns == 1;
}

static int sinks_turn(struct sim *s)
{
	int progress = 0;

	for (uint32_t i = 0; i < s->life->cell.sink_count; i++) {
		int r = sim_life_sink(s->life, i);

		if (r < 0)
			return r;
		progress |= r;
	}
	return progress;
}

static void sooner(uint64_t *least, uint64_t now, uint64_t t)
{
	if (t > now && t < *least)
		*least = t;
}

/* Nobody has anything to do. */
static void move_on(struct sim *s)
{
	uint64_t until = s->now + STEP_NS_MAX;

	sooner(&until, s->now, sim_disk_next(s->disk));
	sooner(&until, s->now, sim_stores_next(s->stores));
	sooner(&until, s->now, sim_life_next(s->life));
	if (s->region)
		s->idle_until = until;
	else
		s->now = until;
}

static int act(struct sim *s, uint32_t actor, uint32_t tasks)
{
	if (actor < tasks)
		return task_turn(s, actor);
	switch (actor - tasks) {
	case 0:
		return cell_turn(s);
	case 1:
		return sinks_turn(s);
	default:
		sim_disk_settle(s->disk);
		sim_stores_settle(s->stores);
		return sim_disk_news(s->disk);
	}
}

/* Who may have something to do. */
static uint32_t actors(struct sim *s, uint32_t *order)
{
	struct sim_life *l = s->life;
	uint32_t tasks = l->tasks.task_count, n = 0;

	sim_life_look(l);
	for (uint32_t i = 0; i < tasks; i++)
		if (l->task[i].starved_until_ns <= s->now && sim_life_rung(l, i))
			order[n++] = i;
	/* The cell looks at how large the epoch is whenever it likes. */
	if (sim_life_cell_rung(l) || (n && weir_prng_chance(&s->prng_schedule, 1, 4)))
		order[n++] = tasks;
	order[n++] = tasks + 1;
	order[n++] = tasks + 2;
	return n;
}

int sim_round(struct sim *s)
{
	uint32_t order[ACTORS_MAX], tasks = s->life->tasks.task_count, n = actors(s, order);
	bool progress = false, skipped = false;

	for (uint32_t i = 0; i < n && !s->life->cell.finished; i++) {
		uint32_t k = i + (uint32_t)weir_prng_below(&s->prng_schedule, n - i);
		uint32_t actor = order[k];
		int r;

		order[k] = order[i];
		if (weir_prng_chance(&s->prng_schedule, 1, 8)) {
			skipped = true;
			continue;
		}
		r = act(s, actor, tasks);
		if (r < 0)
			return r;
		progress |= r > 0;
	}
	if (!progress && !skipped)
		move_on(s);
	sim_moment(s, SIM_AT_ROUND);
	return 0;
}
