/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two halves of a plan are made one after the other:
 *
 * cpus   As many cores as there are workers, from the smallest part of the machine (L3, node,
 *        package, all) that has enough; the second threads of cores only after all the first ones.
 *        The order keeps neighbours together, so that worker numbers that are close are near.
 *
 * tasks  Heaviest first, each to the worker that comes first in this order: least overload, fewest
 *        instances of the same group, most traffic kept near, least load, lowest number. A worker
 *        is overloaded above 9/8 of its fair share (a task heavier than that has a worker alone).
 *        Then a few passes move single tasks nearer to their neighbours where the first two terms
 *        do not get worse: the greedy pass cannot see neighbours placed later.
 */
#include "numa/plan.h"

#define WORKERS_MAX 1024u
#define TASKS_MAX (1u << 24) /* so that sums of indices stay in 32 bits */
#define LINKS_MAX (1u << 30)
#define PASSES_MAX 4
#define EXCHANGE_MAX 256u /* workers; the cost grows with the third power */
#define NO_GROUP UINT32_MAX

/* ---- workers to cpus ---- */

enum { BY_L3, BY_NODE, BY_PACKAGE, BY_MACHINE, LEVEL_COUNT };

static uint32_t domain(const struct weir_cpu *c, int level)
{
	switch (level) {
	case BY_L3:
		return c->l3;
	case BY_NODE:
		return c->node;
	case BY_PACKAGE:
		return c->package;
	default:
		return 0;
	}
}

/* How many cores (first threads) share this cpu's domain. */
static uint32_t domain_cores(const struct weir_topo *t, const struct weir_cpu *c, int level)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->cpu_count; i++)
		n += t->cpu[i].smt == 0 && domain(&t->cpu[i], level) == domain(c, level);
	return n;
}

/* What decides the order of cpus: smaller first, term by term. */
#define RANK_TERMS 9
struct rank {
	uint32_t term[RANK_TERMS];
};

static void rank_of(const struct weir_topo *t, const struct weir_cpu *c, int inside_level,
		    uint32_t inside, struct rank *ret)
{
	uint32_t *r = ret->term;

	*r++ = domain(c, inside_level) != inside;
	*r++ = c->smt;
	/* Large domains first, so that few of them are used. */
	for (int level = BY_PACKAGE; level >= BY_L3; level--) {
		*r++ = UINT32_MAX - domain_cores(t, c, level);
		*r++ = domain(c, level);
	}
	*r = c->core;
}

static bool rank_less(const struct rank *a, const struct rank *b)
{
	for (int i = 0; i < RANK_TERMS; i++)
		if (a->term[i] != b->term[i])
			return a->term[i] < b->term[i];
	return false;
}

/* The smallest domain with at least `want` cores; the lowest number among equals. */
static void smallest_fit(const struct weir_topo *t, uint32_t want, int *ret_level,
			 uint32_t *ret_domain)
{
	for (int level = BY_L3; level < BY_MACHINE; level++) {
		uint32_t best = UINT32_MAX, best_domain = 0;

		for (uint32_t i = 0; i < t->cpu_count; i++) {
			uint32_t d = domain(&t->cpu[i], level);
			uint32_t n = domain_cores(t, &t->cpu[i], level);

			if (n >= want && (n < best || (n == best && d < best_domain))) {
				best = n;
				best_domain = d;
			}
		}
		if (best != UINT32_MAX) {
			*ret_level = level;
			*ret_domain = best_domain;
			return;
		}
	}
	*ret_level = BY_MACHINE;
	*ret_domain = 0;
}

static void place_workers(const struct weir_topo *t, struct weir_region *region,
			  struct weir_plan *plan)
{
	struct rank *rank = weir_region_array(region, struct rank, t->cpu_count);
	uint32_t *order = weir_region_array(region, uint32_t, t->cpu_count);
	uint32_t inside;
	int level;

	smallest_fit(t, plan->worker_count, &level, &inside);
	for (uint32_t i = 0; i < t->cpu_count; i++) {
		uint32_t at = i;

		rank_of(t, &t->cpu[i], level, inside, &rank[i]);
		/* Insertion: at most 1024 cpus, nearly in order already. */
		for (; at > 0 && rank_less(&rank[i], &rank[order[at - 1]]); at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	for (uint32_t w = 0; w < plan->worker_count; w++)
		plan->worker_cpu[w] = order[w % t->cpu_count];
}

/* ---- tasks to workers ---- */

struct neighbour {
	uint32_t task, weight;
};

struct placer {
	const struct weir_topo *topo;
	const struct weir_plan_task *task;
	struct weir_plan *plan;
	uint32_t task_count;
	uint32_t *first; /* task -> its first neighbour; task_count + 1 entries */
	struct neighbour *neighbour;
	uint32_t *group; /* task -> row of `members`, or NO_GROUP when alone in it */
	uint32_t *members; /* row * worker_count + worker -> instances there */
	uint64_t *load; /* of each worker */
	uint64_t share; /* no worker should have more, in 1/8 of a weight unit */
	uint64_t *near[LEVEL_COUNT]; /* traffic of the task in hand with each domain */
	uint64_t *own; /* and with each worker */
};

/* Greater is better: what each worker is judged by. */
struct score {
	uint64_t overload; /* less is better, as for members and load */
	uint32_t members;
	uint64_t nearness;
	uint64_t load;
};

static bool score_better(const struct score *a, const struct score *b)
{
	if (a->overload != b->overload)
		return a->overload < b->overload;
	if (a->members != b->members)
		return a->members < b->members;
	if (a->nearness != b->nearness)
		return a->nearness > b->nearness;
	return a->load < b->load;
}

static const struct weir_cpu *cpu_of(const struct placer *p, uint32_t worker)
{
	return &p->topo->cpu[p->plan->worker_cpu[worker]];
}

/* Traffic counts 1 on the same package, 2 on the same node, 4 on the same L3, 8 on the same worker.
 * Placed neighbours add to (sign 1) or leave (sign -1) the sums. */
static void add_traffic(struct placer *p, uint32_t task, int64_t sign)
{
	for (uint32_t i = p->first[task]; i < p->first[task + 1]; i++) {
		uint32_t w = p->plan->task_worker[p->neighbour[i].task];
		uint64_t weight = (uint64_t)(sign * (int64_t)p->neighbour[i].weight);

		if (w == UINT32_MAX)
			continue;
		p->near[BY_PACKAGE][cpu_of(p, w)->package] += weight;
		p->near[BY_NODE][cpu_of(p, w)->node] += weight;
		p->near[BY_L3][cpu_of(p, w)->l3] += 2 * weight;
		p->own[w] += 4 * weight;
	}
}

static uint64_t nearness(const struct placer *p, uint32_t worker)
{
	const struct weir_cpu *c = cpu_of(p, worker);

	return p->near[BY_PACKAGE][c->package] + p->near[BY_NODE][c->node] + p->near[BY_L3][c->l3] +
	       p->own[worker];
}

static uint32_t *members_at(const struct placer *p, uint32_t task, uint32_t worker)
{
	return &p->members[(size_t)p->group[task] * p->plan->worker_count + worker];
}

/* How good it would be to put the task there (it is nowhere at the moment). */
static struct score judge(const struct placer *p, uint32_t task, uint32_t worker)
{
	uint64_t after = p->load[worker] + p->task[task].weight;
	uint64_t limit = WEIR_MAX(p->share, UINT64_C(8) * p->task[task].weight);

	return (struct score){
		.overload = 8 * after > limit ? 8 * after - limit : 0,
		.members = p->group[task] == NO_GROUP ? 0 : *members_at(p, task, worker),
		.nearness = nearness(p, worker),
		.load = p->load[worker],
	};
}

static void put(struct placer *p, uint32_t task, uint32_t worker)
{
	p->plan->task_worker[task] = worker;
	p->load[worker] += p->task[task].weight;
	if (p->group[task] != NO_GROUP)
		(*members_at(p, task, worker))++;
}

static void take(struct placer *p, uint32_t task)
{
	uint32_t worker = p->plan->task_worker[task];

	p->load[worker] -= p->task[task].weight;
	if (p->group[task] != NO_GROUP)
		(*members_at(p, task, worker))--;
	p->plan->task_worker[task] = UINT32_MAX;
}

/* Heaviest first, then by number: a shell sort of indices, stable through the second term. */
static void sort_by_weight(const struct weir_plan_task *task, uint32_t *order, uint32_t n)
{
	for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
		for (uint32_t i = gap; i < n; i++) {
			uint32_t x = order[i], at = i;

			for (; at >= gap; at -= gap) {
				uint32_t y = order[at - gap];

				if (task[y].weight > task[x].weight ||
				    (task[y].weight == task[x].weight && y < x))
					break;
				order[at] = y;
			}
			order[at] = x;
		}
	}
}

/* 9/8 of the fair share of what is left once every task above that share has a worker alone. */
static uint64_t fair_share(const struct weir_plan_task *task, const uint32_t *heaviest_first,
			   uint32_t n, uint32_t workers)
{
	uint64_t rest = 0;
	uint32_t i;

	for (i = 0; i < n; i++)
		rest += task[i].weight;
	for (i = 0; i < n && workers > 1; i++, workers--) {
		uint64_t w = task[heaviest_first[i]].weight;

		if (w * workers <= rest)
			break;
		rest -= w;
	}
	return 9 * rest / workers;
}

/* Neighbours of each task in both directions, in one array. */
static void index_links(struct placer *p, const struct weir_plan_link *link, uint32_t link_count,
			struct weir_region *region)
{
	uint32_t *at = weir_region_array(region, uint32_t, p->task_count);

	p->first = weir_region_array(region, uint32_t, (size_t)p->task_count + 1);
	p->neighbour = weir_region_array(region, struct neighbour, 2 * (size_t)link_count);
	for (uint32_t i = 0; i < link_count; i++) {
		p->first[link[i].from + 1]++;
		p->first[link[i].to + 1]++;
	}
	for (uint32_t i = 0; i < p->task_count; i++) {
		p->first[i + 1] += p->first[i];
		at[i] = p->first[i];
	}
	for (uint32_t i = 0; i < link_count; i++) {
		p->neighbour[at[link[i].from]++] = (struct neighbour){link[i].to, link[i].weight};
		p->neighbour[at[link[i].to]++] = (struct neighbour){link[i].from, link[i].weight};
	}
}

/* Rows for the groups that have more than one member. */
static void index_groups(struct placer *p, struct weir_region *region)
{
	uint32_t rows = 0, slots = 16;
	uint32_t *table; /* open addressing: first task of each group */

	while (slots < 2 * p->task_count)
		slots *= 2;
	table = weir_region_array(region, uint32_t, slots);
	p->group = weir_region_array(region, uint32_t, p->task_count);
	memset(table, 0xff, slots * sizeof(*table));
	for (uint32_t i = 0; i < p->task_count; i++) {
		uint32_t at = p->task[i].group * UINT32_C(2654435761) & (slots - 1);

		p->group[i] = NO_GROUP;
		while (table[at] != UINT32_MAX && p->task[table[at]].group != p->task[i].group)
			at = (at + 1) & (slots - 1);
		if (table[at] == UINT32_MAX) {
			table[at] = i;
			continue;
		}
		if (p->group[table[at]] == NO_GROUP)
			p->group[table[at]] = rows++;
		p->group[i] = p->group[table[at]];
	}
	p->members = weir_region_array(region, uint32_t, (size_t)rows * p->plan->worker_count);
}

static void place_tasks(struct placer *p, const uint32_t *order)
{
	for (uint32_t i = 0; i < p->task_count; i++) {
		uint32_t best = 0;
		struct score best_score;

		add_traffic(p, order[i], 1);
		best_score = judge(p, order[i], 0);
		for (uint32_t w = 1; w < p->plan->worker_count; w++) {
			struct score s = judge(p, order[i], w);

			if (score_better(&s, &best_score)) {
				best = w;
				best_score = s;
			}
		}
		add_traffic(p, order[i], -1);
		put(p, order[i], best);
	}
}

/* One pass of single moves in task order; says whether anything moved. Each move brings traffic
 * nearer and harms neither balance nor spread, so passes end by themselves; the limit is for time. */
static bool improve(struct placer *p)
{
	bool moved = false;

	for (uint32_t i = 0; i < p->task_count; i++) {
		uint32_t from = p->plan->task_worker[i], best = from;
		struct score best_score;

		if (p->first[i] == p->first[i + 1])
			continue;
		take(p, i);
		add_traffic(p, i, 1);
		best_score = judge(p, i, from);
		for (uint32_t w = 0; w < p->plan->worker_count; w++) {
			struct score s = judge(p, i, w);

			if (s.overload <= best_score.overload && s.members <= best_score.members &&
			    s.nearness > best_score.nearness) {
				best = w;
				best_score = s;
			}
		}
		add_traffic(p, i, -1);
		put(p, i, best);
		moved |= best != from;
	}
	return moved;
}

/* How near two workers are: the sum of what add_traffic() counts. */
static int64_t closeness(const struct placer *p, uint32_t a, uint32_t b)
{
	const struct weir_cpu *x = cpu_of(p, a), *y = cpu_of(p, b);

	return (x->package == y->package) + (x->node == y->node) + 2 * (x->l3 == y->l3);
}

/* What is won when all tasks of workers a and b change places. */
static int64_t exchange_gain(const struct placer *p, const uint64_t *traffic, uint32_t a,
			     uint32_t b)
{
	uint32_t n = p->plan->worker_count;
	int64_t gain = 0;

	for (uint32_t c = 0; c < n; c++)
		if (c != a && c != b)
			gain += ((int64_t)traffic[a * n + c] - (int64_t)traffic[b * n + c]) *
				(closeness(p, b, c) - closeness(p, a, c));
	return gain;
}

static void exchange(uint64_t *traffic, uint32_t *label, uint32_t n, uint32_t a, uint32_t b)
{
	for (uint32_t c = 0; c < n; c++) {
		uint64_t t = traffic[a * n + c];

		traffic[a * n + c] = traffic[b * n + c];
		traffic[b * n + c] = t;
	}
	for (uint32_t c = 0; c < n; c++) {
		uint64_t t = traffic[c * n + a];

		traffic[c * n + a] = traffic[c * n + b];
		traffic[c * n + b] = t;
	}
	for (uint32_t w = 0; w < n; w++)
		label[w] = label[w] == a ? b : label[w] == b ? a : label[w];
}

/* Exchanges workers until no pair is worth it. Load and spread are per worker: they only move. */
static void exchange_workers(struct placer *p, const struct weir_plan_link *link,
			     uint32_t link_count, struct weir_region *region)
{
	uint32_t n = p->plan->worker_count;
	uint64_t *traffic = weir_region_array(region, uint64_t, (size_t)n * n);
	uint32_t *label = weir_region_array(region, uint32_t, n);
	bool moved = true;

	for (uint32_t i = 0; i < link_count; i++) {
		uint32_t a = p->plan->task_worker[link[i].from];
		uint32_t b = p->plan->task_worker[link[i].to];

		traffic[a * n + b] += link[i].weight;
		traffic[b * n + a] += link[i].weight;
	}
	for (uint32_t w = 0; w < n; w++)
		label[w] = w;
	for (int pass = 0; pass < PASSES_MAX && moved; pass++) {
		moved = false;
		for (uint32_t a = 0; a < n; a++) {
			for (uint32_t b = a + 1; b < n; b++) {
				if (exchange_gain(p, traffic, a, b) <= 0)
					continue;
				exchange(traffic, label, n, a, b);
				moved = true;
			}
		}
	}
	for (uint32_t i = 0; i < p->task_count; i++)
		p->plan->task_worker[i] = label[p->plan->task_worker[i]];
}

static uint32_t core_count(const struct weir_topo *topo)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < topo->cpu_count; i++)
		n += topo->cpu[i].smt == 0;
	return n;
}

int weir_plan_place(const struct weir_topo *topo, uint32_t workers,
		    const struct weir_plan_task *task, uint32_t task_count,
		    const struct weir_plan_link *link, uint32_t link_count,
		    struct weir_region *region, struct weir_plan *ret)
{
	struct placer p = {.topo = topo, .task = task, .plan = ret, .task_count = task_count};
	uint32_t *order;

	if (topo->cpu_count == 0 || task_count == 0 || workers > WORKERS_MAX ||
	    task_count > TASKS_MAX || link_count > LINKS_MAX)
		return WEIR_E_RANGE;
	for (uint32_t i = 0; i < link_count; i++)
		if (link[i].from >= task_count || link[i].to >= task_count)
			return WEIR_E_RANGE;
	ret->worker_count = workers ? workers : WEIR_MIN(core_count(topo), task_count);
	ret->oversubscribed = ret->worker_count > topo->cpu_count;
	ret->worker_cpu = weir_region_array(region, uint32_t, ret->worker_count);
	ret->task_worker = weir_region_array(region, uint32_t, task_count);
	place_workers(topo, region, ret);

	memset(ret->task_worker, 0xff, task_count * sizeof(*ret->task_worker));
	index_links(&p, link, link_count, region);
	index_groups(&p, region);
	p.load = weir_region_array(region, uint64_t, ret->worker_count);
	p.own = weir_region_array(region, uint64_t, ret->worker_count);
	for (int level = 0; level < BY_MACHINE; level++) {
		uint32_t domains = 0;

		for (uint32_t i = 0; i < topo->cpu_count; i++)
			domains = WEIR_MAX(domains, domain(&topo->cpu[i], level) + 1);
		p.near[level] = weir_region_array(region, uint64_t, domains);
	}
	order = weir_region_array(region, uint32_t, task_count);
	for (uint32_t i = 0; i < task_count; i++)
		order[i] = i;
	sort_by_weight(task, order, task_count);
	p.share = fair_share(task, order, task_count, ret->worker_count);
	place_tasks(&p, order);
	for (int pass = 0; pass < PASSES_MAX && improve(&p); pass++)
		continue;
	if (ret->worker_count <= EXCHANGE_MAX)
		exchange_workers(&p, link, link_count, region);
	return 0;
}
