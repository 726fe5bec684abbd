/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/wan.h"

#include "base/assert.h"
#include "base/prng.h"

#define OVERHEAD 24u /* preamble, frame check, gap */
#define PATH_LIMIT 10000u

struct path {
	struct weir_wan_path set;
	struct weir_wan_stats stats;
	struct weir_prng prng;
	uint64_t free_ns; /* the rate lets the next frame go then */
};

struct slot {
	uint64_t due_ns, order;
	uint32_t from, to, n, cap;
	uint8_t *p;
};

struct weir_wan {
	const struct weir_mem *mem;
	uint32_t regions, slots, waiting;
	uint64_t order;
	struct path *path;
	struct slot *slot;
	uint32_t *heap; /* slots by time; those behind `waiting` are free */
};

static struct path *path_of(const struct weir_wan *w, uint32_t from, uint32_t to)
{
	weir_assert(from < w->regions && to < w->regions);
	return &w->path[from * w->regions + to];
}

struct weir_wan *weir_wan_new(uint32_t regions, uint64_t seed, uint32_t frames_max,
			      const struct weir_mem *mem)
{
	struct weir_wan *w = mem->alloc(mem->ctx, sizeof(*w), 16);

	weir_assert(regions > 0 && regions <= WEIR_WAN_REGIONS_MAX && frames_max > 0);
	w->mem = mem;
	w->regions = regions;
	w->slots = frames_max;
	w->path = mem->alloc(mem->ctx, sizeof(*w->path) * regions * regions, 16);
	w->slot = mem->alloc(mem->ctx, sizeof(*w->slot) * frames_max, 16);
	w->heap = mem->alloc(mem->ctx, sizeof(*w->heap) * frames_max, 16);
	for (uint32_t i = 0; i < regions * regions; i++) {
		w->path[i].set.limit = PATH_LIMIT;
		w->path[i].prng = weir_prng_of(seed + i * UINT64_C(0x9e3779b97f4a7c15), "wan");
	}
	for (uint32_t i = 0; i < frames_max; i++)
		w->heap[i] = i;
	return w;
}

void weir_wan_free(struct weir_wan *w)
{
	const struct weir_mem *mem = w->mem;

	for (uint32_t i = 0; i < w->slots; i++)
		if (w->slot[i].p)
			mem->free(mem->ctx, w->slot[i].p, w->slot[i].cap);
	mem->free(mem->ctx, w->heap, sizeof(*w->heap) * w->slots);
	mem->free(mem->ctx, w->slot, sizeof(*w->slot) * w->slots);
	mem->free(mem->ctx, w->path, sizeof(*w->path) * w->regions * w->regions);
	mem->free(mem->ctx, w, sizeof(*w));
}

struct weir_wan_path *weir_wan_path(struct weir_wan *w, uint32_t from, uint32_t to)
{
	return &path_of(w, from, to)->set;
}

void weir_wan_stats(const struct weir_wan *w, uint32_t from, uint32_t to,
		    struct weir_wan_stats *ret)
{
	*ret = path_of(w, from, to)->stats;
}

/* ---- heap ---- */

static bool sooner(const struct weir_wan *w, uint32_t a, uint32_t b)
{
	const struct slot *x = &w->slot[w->heap[a]], *y = &w->slot[w->heap[b]];

	return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->order < y->order;
}

static void swap(struct weir_wan *w, uint32_t a, uint32_t b)
{
	uint32_t x = w->heap[a];

	w->heap[a] = w->heap[b];
	w->heap[b] = x;
}

static void up(struct weir_wan *w, uint32_t i)
{
	while (i > 0 && sooner(w, i, (i - 1) / 2)) {
		swap(w, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void down(struct weir_wan *w)
{
	for (uint32_t i = 0;;) {
		uint32_t least = i;

		for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < w->waiting; c++)
			if (sooner(w, c, least))
				least = c;
		if (least == i)
			return;
		swap(w, i, least);
		i = least;
	}
}

/* ---- frames ---- */

/* When it comes out. */
static uint64_t due(struct path *p, uint32_t n, uint64_t now)
{
	const struct weir_wan_path *s = &p->set;
	uint64_t at = now, spread = WEIR_MIN(s->jitter_ns, s->delay_ns);

	if (s->rate) {
		p->free_ns = WEIR_MAX(p->free_ns, now) +
			     (uint64_t)(n + OVERHEAD) * 8 * (uint64_t)WEIR_NS_PER_S / s->rate;
		at = p->free_ns;
	}
	if (s->reorder && weir_prng_chance(&p->prng, s->reorder, 1000000)) {
		p->stats.reordered++;
		return at;
	}
	at += s->delay_ns;
	if (spread)
		at += weir_prng_below(&p->prng, 2 * spread + 1) - spread;
	return at;
}

static void enqueue(struct weir_wan *w, struct path *p, uint32_t from, uint32_t to,
		    const void *bytes, uint32_t n, uint64_t now)
{
	struct slot *s;

	if (p->stats.waiting >= p->set.limit || w->waiting == w->slots || n > WEIR_WAN_FRAME_MAX) {
		p->stats.full++;
		return;
	}
	s = &w->slot[w->heap[w->waiting]];
	if (s->cap < n) {
		if (s->p)
			w->mem->free(w->mem->ctx, s->p, s->cap);
		s->cap = WEIR_ALIGN_UP(n, 512u);
		s->p = w->mem->alloc(w->mem->ctx, s->cap, 16);
	}
	memcpy(s->p, bytes, n);
	s->n = n;
	s->from = from;
	s->to = to;
	s->order = w->order++;
	s->due_ns = due(p, n, now);
	if (p->set.corrupt && n && weir_prng_chance(&p->prng, p->set.corrupt, 1000000)) {
		s->p[weir_prng_below(&p->prng, n)] ^= (uint8_t)(1u << weir_prng_below(&p->prng, 8));
		p->stats.corrupted++;
	}
	p->stats.waiting++;
	up(w, w->waiting++);
}

void weir_wan_put(struct weir_wan *w, uint32_t from, uint32_t to, const void *bytes, uint32_t n,
		  uint64_t now)
{
	struct path *p = path_of(w, from, to);

	p->stats.in++;
	if (p->set.cut) {
		p->stats.cut++;
		return;
	}
	if (p->set.loss && weir_prng_chance(&p->prng, p->set.loss, 1000000)) {
		p->stats.lost++;
		return;
	}
	enqueue(w, p, from, to, bytes, n, now);
	if (p->set.dup && weir_prng_chance(&p->prng, p->set.dup, 1000000)) {
		p->stats.duplicated++;
		enqueue(w, p, from, to, bytes, n, now);
	}
}

bool weir_wan_next(struct weir_wan *w, uint64_t now, struct weir_wan_frame *ret)
{
	struct slot *s = w->waiting ? &w->slot[w->heap[0]] : NULL;
	struct path *p;

	if (!s || s->due_ns > now)
		return false;
	swap(w, 0, --w->waiting);
	down(w);
	p = path_of(w, s->from, s->to);
	p->stats.waiting--;
	p->stats.out++;
	p->stats.bytes_out += s->n;
	*ret = (struct weir_wan_frame){
		.from = s->from, .to = s->to, .due_ns = s->due_ns, .n = s->n, .p = s->p};
	return true;
}

uint64_t weir_wan_due(const struct weir_wan *w)
{
	return w->waiting ? w->slot[w->heap[0]].due_ns : UINT64_MAX;
}
