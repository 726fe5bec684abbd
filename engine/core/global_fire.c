/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which results of a merging step are given, and in which order: windows by their end, within a window the keys by their bytes. So
 * final results come in the same order in every region.
 */
#include "engine/core/global_int.h"

static struct weir_str entry_key(const struct global_merge *m, const struct global_window *w,
				 uint32_t number)
{
	struct weir_str s;

	memcpy(&s, (const uint8_t *)weir_table_entry(&w->keys.table, number) + m->key.at[0],
	       sizeof(s));
	return s;
}

/* Heap sort by key: the order of results is the same in every region. */
static void sift(const struct global_merge *m, const struct global_window *w, uint32_t *v,
		 uint32_t at, uint32_t n)
{
	for (;;) {
		uint32_t child = 2 * at + 1, keep;

		if (child >= n)
			return;
		if (child + 1 < n &&
		    weir_str_cmp(entry_key(m, w, v[child]), entry_key(m, w, v[child + 1])) < 0)
			child++;
		if (weir_str_cmp(entry_key(m, w, v[at]), entry_key(m, w, v[child])) >= 0)
			return;
		keep = v[at];
		v[at] = v[child];
		v[child] = keep;
		at = child;
	}
}

static void order_make(struct global_merge *m, const struct global_window *w)
{
	uint32_t n = w->keys.table.high;

	if (n > m->order_cap) {
		if (m->order_cap)
			m->mem->free(m->mem->ctx, m->order, m->order_cap * sizeof(*m->order));
		m->order_cap = WEIR_MAX(n, 2 * m->order_cap);
		m->order = m->mem->alloc(m->mem->ctx, m->order_cap * sizeof(*m->order), 8);
	}
	for (uint32_t i = 0; i < n; i++)
		m->order[i] = i;
	for (uint32_t i = n / 2; i-- > 0;)
		sift(m, w, m->order, i, n);
	for (uint32_t i = n; i-- > 1;) {
		uint32_t keep = m->order[0];

		m->order[0] = m->order[i];
		m->order[i] = keep;
		sift(m, w, m->order, 0, i);
	}
	m->order_count = n;
	m->order_at = 0;
}

/* Results of window w from order_at on. 0, 1: no room, <0. */
static int fire_window(struct global_merge *m, struct global_window *w)
{
	bool final = m->firing == GLOBAL_FINAL;
	uint32_t mask = weir__global_mask(m, w);

	if (!m->order_count)
		order_make(m, w);
	for (; m->order_at < m->order_count; m->order_at++) {
		uint32_t number = m->order[m->order_at];
		void *entry = weir_table_entry(&w->keys.table, number);
		uint64_t ver = weir__global_out_ver(m, entry, mask);
		int r;

		if (!final && *global_told(m, entry) == ver)
			continue;
		r = weir__global_emit(m, w, entry, mask, final);
		if (r)
			return r;
		/* A window that is done goes as it was at the last barrier: its epoch may not be written yet. */
		if (final)
			continue;
		if (m->track.on)
			weir_track_change(&m->track, &w->keys, number);
		*global_told(m, entry) = ver;
	}
	m->order_count = 0;
	return 0;
}

/* The next window that has something to give, or NULL. */
static struct global_window *window_next(struct global_merge *m)
{
	if (m->firing == GLOBAL_FINAL)
		return m->live_count && global_horizon(m, m->live[0]->start) <= m->passed
			       ? m->live[0]
			       : NULL;
	for (; m->at < m->live_count; m->at++) {
		struct global_window *w = m->live[m->at];

		if (!w->due_ns)
			w->due_ns = m->now_ns + m->provisional_ns;
		/* A clock that was set back must not stop results. */
		w->due_ns = WEIR_MIN(w->due_ns, m->now_ns + m->provisional_ns);
		if (w->due_ns <= m->now_ns)
			return w;
	}
	return NULL;
}

int weir__global_fire(struct global_merge *m)
{
	struct global_window *w;

	while ((w = window_next(m)) != NULL) {
		int r = fire_window(m, w);

		if (r)
			return r;
		w->due_ns = m->now_ns + m->provisional_ns;
		if (m->firing == GLOBAL_FINAL)
			weir__global_drop_first(m);
		else
			m->at++;
	}
	m->firing = GLOBAL_REST;
	return 0;
}
