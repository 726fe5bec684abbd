/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of a merging step: which are live, and whom they wait for. */
#include "engine/core/global_int.h"

uint32_t weir__global_mask(const struct global_merge *m, const struct global_window *w)
{
	int64_t horizon = global_horizon(m, w->start);
	uint32_t mask = 0;

	for (uint32_t i = 0; i < m->member_count; i++)
		mask |= (uint32_t)(m->member[i].mark >= horizon) << i;
	return mask;
}

int weir__global_index(const struct global_merge *m, int64_t id)
{
	for (uint32_t i = 0; i < m->member_count; i++)
		if (m->member[i].id == id)
			return (int)i;
	return -1;
}

bool weir__global_start_fine(const struct global_merge *m, int64_t start)
{
	const struct weir_slicing *s = &m->slicing;

	return start >= s->time_min - s->size && start <= s->time_max &&
	       (start - s->offset) % s->slide == 0;
}

uint32_t weir__global_from(const struct global_merge *m, int64_t start)
{
	uint32_t low = 0, high = m->live_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (m->live[mid]->start >= start)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void live_grow(struct global_merge *m)
{
	uint32_t cap = m->live_cap ? m->live_cap * 2 : 64;
	struct global_window **live = m->mem->alloc(m->mem->ctx, cap * sizeof(*live), 8);

	if (m->live_cap) {
		memcpy(live, m->live, m->live_count * sizeof(*live));
		m->mem->free(m->mem->ctx, m->live, m->live_cap * sizeof(*live));
	}
	m->live = live;
	m->live_cap = cap;
}

struct global_window *weir__global_window(struct global_merge *m, int64_t start)
{
	uint32_t at = weir__global_from(m, start);
	struct global_window *w = m->spare;

	if (at < m->live_count && m->live[at]->start == start)
		return m->live[at];
	if (w) {
		m->spare = w->next;
	} else {
		w = m->mem->alloc(m->mem->ctx, sizeof(*w), WEIR_CACHELINE);
		memset(w, 0, sizeof(*w));
		weir_tracked_init(&m->track, &w->keys);
		weir_slab_init(&w->slab, m->mem);
	}
	w->start = start;
	w->due_ns = 0;
	if (m->live_count == m->live_cap)
		live_grow(m);
	memmove(m->live + at + 1, m->live + at, (m->live_count - at) * sizeof(*m->live));
	m->live[at] = w;
	m->live_count++;
	return w;
}

void weir__global_recycle(struct global_merge *m, struct global_window *w)
{
	weir_tracked_clear(&w->keys);
	weir_slab_reset(&w->slab);
	w->leaving = false;
	w->next = m->spare;
	m->spare = w;
}

void weir__global_drop_first(struct global_merge *m)
{
	struct global_window *w = m->live[0];

	m->live_count--;
	memmove(m->live, m->live + 1, m->live_count * sizeof(*m->live));
	if (w->frozen)
		w->leaving = true; /* its epoch is not written yet: encode() lets it go */
	else
		weir__global_recycle(m, w);
}

void weir__global_drop(struct global_merge *m)
{
	while (m->live_count && global_horizon(m, m->live[0]->start) <= m->passed)
		weir__global_drop_first(m);
}
