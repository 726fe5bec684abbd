/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State per key and timers of a custom operator. State that was handed out may be written until the call of the operator
 * ends, so its key counts as changed at once.
 */
#include "engine/core/oper_int.h"

static uint32_t find(struct weir_context *c, const struct weir_frame *f, uint64_t hash)
{
	if (!c->keys.table.count)
		return WEIR_TABLE_NONE;
	return weir_table_find(&c->keys.table, hash, weir_window_key_is_frame, f, &c->key);
}

static uint64_t hash_of(const struct weir_context *c, const struct weir_frame *f)
{
	return weir_key_hash(f, c->in, c->key.field, c->key.count);
}

static uint32_t find_or_add(struct weir_context *c, const struct weir_frame *f, int *ret_new)
{
	uint64_t hash = hash_of(c, f);
	uint32_t at = find(c, f, hash);
	uint64_t generation;

	if (ret_new)
		*ret_new = at == WEIR_TABLE_NONE;
	if (at != WEIR_TABLE_NONE)
		return at;
	at = weir_table_insert(&c->keys.table, hash);
	weir_window_key_store(&c->key, f, &c->slab, weir_table_entry(&c->keys.table, at));
	generation = ++c->generation;
	memcpy(weir_oper_entry_state(c, at) - 8, &generation, 8);
	return at;
}

static void change(struct weir_context *c, uint32_t at)
{
	if (c->track.on)
		weir_track_change(&c->track, &c->keys, at);
}

void *weir_oper_state(struct weir_context *c, const struct weir_record *r, int *ret_new)
{
	uint32_t at = find_or_add(c, (const struct weir_frame *)(const void *)r, ret_new);

	change(c, at);
	return weir_oper_entry_state(c, at);
}

void weir_oper_drop(struct weir_context *c, uint32_t at)
{
	uint64_t none = 0;

	if (c->track.on) {
		weir_track_forget(&c->track, &c->keys, at);
		weir_oper_pending_free(c, at);
	}
	memcpy(weir_oper_entry_state(c, at) - 8, &none, 8);
	weir_window_key_release(&c->key, &c->slab, weir_table_entry(&c->keys.table, at));
	weir_table_remove(&c->keys.table, at);
}

void weir_oper_state_drop(struct weir_context *c, const struct weir_record *r)
{
	const struct weir_frame *f = (const struct weir_frame *)(const void *)r;
	uint32_t at = find(c, f, hash_of(c, f));

	if (at != WEIR_TABLE_NONE)
		weir_oper_drop(c, at);
}

static bool timer_before(const struct timer *a, const struct timer *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	if (a->generation != b->generation)
		return a->generation < b->generation;
	/* Keys that were restored from several tasks may share a generation. */
	return a->entry < b->entry;
}

static void timer_up(struct timer *h, uint32_t i)
{
	while (i > 0 && timer_before(&h[i], &h[(i - 1) / 2])) {
		struct timer t = h[i];

		h[i] = h[(i - 1) / 2];
		h[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

static void timer_down(struct timer *h, uint32_t n, uint32_t i)
{
	for (;;) {
		uint32_t least = i, l = 2 * i + 1;
		struct timer t;

		if (l < n && timer_before(&h[l], &h[least]))
			least = l;
		if (l + 1 < n && timer_before(&h[l + 1], &h[least]))
			least = l + 1;
		if (least == i)
			return;
		t = h[i];
		h[i] = h[least];
		h[least] = t;
		i = least;
	}
}

static void heap_grow(struct weir_context *c)
{
	const struct weir_mem *mem = c->node->task->mem;
	uint32_t cap = c->timer_cap ? c->timer_cap * 2 : 256;
	struct timer *h = mem->alloc(mem->ctx, sizeof(*h) * cap, 16);

	if (c->heap) {
		memcpy(h, c->heap, sizeof(*h) * c->timers);
		mem->free(mem->ctx, c->heap, sizeof(*h) * c->timer_cap);
	}
	c->heap = h;
	c->timer_cap = cap;
}

void weir_oper_timer_add(struct weir_context *c, const struct timer *t)
{
	if (c->timers == c->timer_cap)
		heap_grow(c);
	c->heap[c->timers] = *t;
	timer_up(c->heap, c->timers++);
}

static struct pending *pending_add(struct weir_context *c, uint32_t at, int64_t time_ns)
{
	struct pending **list = weir_oper_pending(c, at);
	struct pending *p = weir_slab_alloc(&c->slab, sizeof(*p));

	*p = (struct pending){.next = *list, .time_ns = time_ns};
	if (*list)
		(*list)->prev = p;
	*list = p;
	return p;
}

static void pending_remove(struct weir_context *c, uint32_t at, struct pending *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		*weir_oper_pending(c, at) = p->next;
	if (p->next)
		p->next->prev = p->prev;
	weir_slab_free(&c->slab, p, sizeof(*p));
}

void weir_oper_pending_free(struct weir_context *c, uint32_t at)
{
	struct pending *p;

	while ((p = *weir_oper_pending(c, at)) != NULL)
		pending_remove(c, at, p);
}

void weir_oper_set_timer(struct weir_context *c, const struct weir_record *r, int64_t time_ns)
{
	uint32_t at = find_or_add(c, (const struct weir_frame *)(const void *)r, NULL);
	struct timer t = {.time_ns = time_ns,
			  .entry = at,
			  .generation = (uint32_t)weir_oper_generation(c, at)};

	if (c->track.on) {
		change(c, at);
		t.pending = pending_add(c, at, time_ns);
	}
	weir_oper_timer_add(c, &t);
}

bool weir_oper_timer_take(struct weir_context *c)
{
	struct timer t = c->heap[0], *h = c->heap;
	bool live =
		t.entry < c->keys.table.high && weir_oper_generation(c, t.entry) == t.generation;

	if (live)
		change(c, t.entry);
	/* The same time again for the same key counts once. */
	do {
		if (live && c->track.on)
			pending_remove(c, t.entry, h[0].pending);
		h[0] = h[--c->timers];
		timer_down(h, c->timers, 0);
	} while (c->timers && h[0].time_ns == t.time_ns && h[0].generation == t.generation &&
		 h[0].entry == t.entry);
	return live;
}

int64_t weir_oper_watermark(struct weir_context *c)
{
	return c->watermark;
}

void weir_oper_keys_init(struct weir_context *c, bool epochs)
{
	uint32_t bytes = c->state_at + WEIR_ALIGN_UP(c->op->state_bytes, 8u);

	c->pending_at = bytes;
	if (epochs)
		bytes += (uint32_t)sizeof(struct pending *);
	weir_track_init(&c->track, c->node, epochs, &c->key, bytes, weir_oper_save, c);
	weir_tracked_init(&c->track, &c->keys);
}
