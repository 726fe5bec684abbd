/* SPDX-License-Identifier: Apache-2.0 */
/* Lists through the entries of a table, what waits to be given downstream, and what all regions have. */
#include "base/assert.h"
#include "engine/core/table_int.h"

static struct weir_rtable_link *link_of(struct weir_rtable_store *s, unsigned list, uint32_t number)
{
	return &weir_rtable_at(s, number)->link[list];
}

void weir_rtable_list_add(struct weir_rtable_store *s, unsigned list, uint32_t number)
{
	struct weir_rtable_list *l = &s->list[list];

	*link_of(s, list, number) = (struct weir_rtable_link){.prev = l->last};
	if (l->last)
		link_of(s, list, l->last - 1)->next = number + 1;
	else
		l->first = number + 1;
	l->last = number + 1;
}

void weir_rtable_list_drop(struct weir_rtable_store *s, unsigned list, uint32_t number)
{
	struct weir_rtable_list *l = &s->list[list];
	struct weir_rtable_link *k = link_of(s, list, number);

	for (uint32_t i = 0; list == WEIR_TABLE_OWN && i < s->cursor_count; i++)
		if (s->cursor[i] == number + 1)
			s->cursor[i] = k->next;
	if (list == WEIR_TABLE_LOOSE && s->settle_at == number + 1)
		s->settle_at = k->next;
	if (k->prev)
		link_of(s, list, k->prev - 1)->next = k->next;
	else
		l->first = k->next;
	if (k->next)
		link_of(s, list, k->next - 1)->prev = k->prev;
	else
		l->last = k->prev;
	*k = (struct weir_rtable_link){0};
}

void weir_rtable_own(struct weir_rtable_store *s, uint32_t number)
{
	if (weir_rtable_at(s, number)->version)
		weir_rtable_list_drop(s, WEIR_TABLE_OWN, number);
	weir_rtable_list_add(s, WEIR_TABLE_OWN, number);
	for (uint32_t i = 0; i < s->cursor_count; i++)
		if (!s->cursor[i])
			s->cursor[i] = number + 1;
}

uint32_t weir_rtable_behind(const struct weir_rtable_store *s, uint64_t version)
{
	uint32_t at = s->list[WEIR_TABLE_OWN].last, ret = 0;

	while (at && weir_rtable_at(s, at - 1)->version > version) {
		ret = at;
		at = weir_rtable_at(s, at - 1)->link[WEIR_TABLE_OWN].prev;
	}
	return ret;
}

void weir_rtable_out_add(struct weir_rtable_store *s, uint32_t number)
{
	struct weir_rtable_entry *e = weir_rtable_at(s, number);
	uint32_t cap = s->out_cap, *out;

	if (e->flags & WEIR_TABLE_OUT)
		return;
	e->flags |= WEIR_TABLE_OUT;
	if (s->out_count == cap) {
		s->out_cap = cap ? 2 * cap : 256;
		out = s->mem->alloc(s->mem->ctx, s->out_cap * sizeof(*out), 16);
		if (cap) {
			memcpy(out, s->out, cap * sizeof(*out));
			s->mem->free(s->mem->ctx, s->out, cap * sizeof(*out));
		}
		s->out = out;
	}
	s->out[s->out_count++] = number;
}

/* ---- what all regions have ---- */

static uint64_t stable_of(void *ctx, weir_writer id)
{
	const struct weir_rtable_writer *w = weir_rtable_writer_find(ctx, id);

	return w ? w->stable : 0;
}

static bool all_stable(const struct weir_rtable_store *s, uint32_t number)
{
	const struct weir_rtable_entry *e = weir_rtable_at(s, number);

	for (uint32_t w = 0; w < s->writer_count; w++) {
		const struct weir_rtable_writer *wr = &s->writer[w];

		if (wr->id == s->me && e->version > wr->stable)
			return false;
		if (wr->stable == wr->version &&
		    wr->stable >= wr->bucket[weir_rtable_bucket(weir_rtable_key(s, number))])
			continue;
		for (uint32_t i = 0; i < s->values; i++)
			if (weir_crdt_seen(&s->crdt[i], e->value[i], wr->id) > wr->stable)
				return false;
	}
	return true;
}

static bool empty(const struct weir_rtable_store *s, uint32_t number)
{
	for (uint32_t i = 0; i < s->values; i++)
		if (weir_rtable_at(s, number)->value[i].n)
			return false;
	return true;
}

/* Nothing of it goes later? What was removed has seen more than the parts say, and that may take longer to be everywhere. */
static bool pruned_out(struct weir_rtable_store *s, uint32_t number)
{
	for (uint32_t i = 0; i < s->values; i++) {
		struct weir_str v = weir_rtable_at(s, number)->value[i];

		if (!v.n)
			continue;
		weir_assert(weir_crdt_prune(&s->crdt[i], v, weir_rtable_everything, NULL, &s->a) >=
			    0);
		if (!weir_str_eq(v, weir_rtable_flat(s, &s->a)))
			return false;
	}
	return true;
}

static void prune(struct weir_rtable_store *s, uint32_t number)
{
	bool touched = false;

	for (uint32_t i = 0; i < s->values; i++) {
		struct weir_str v = weir_rtable_at(s, number)->value[i], new;

		if (!v.n)
			continue;
		weir_assert(weir_crdt_prune(&s->crdt[i], v, stable_of, s, &s->a) >= 0);
		new = weir_rtable_flat(s, &s->a);
		if (weir_str_eq(v, new))
			continue;
		if (!touched && s->track.on)
			weir_track_change(&s->track, &s->rows, number);
		touched = true;
		weir_rtable_value_set(s, number, i, new);
	}
}

/* One loose entry. */
static void settle(struct weir_rtable_store *s, uint32_t number)
{
	bool conflict = weir_rtable_is_conflict(s, number);
	bool stable = conflict || all_stable(s, number);

	if (!conflict)
		prune(s, number);
	if (!stable || weir_rtable_at(s, number)->flags & WEIR_TABLE_OUT)
		return;
	if (!conflict && !pruned_out(s, number))
		return;
	weir_rtable_at(s, number)->flags &= ~WEIR_TABLE_IS_LOOSE;
	weir_rtable_list_drop(s, WEIR_TABLE_LOOSE, number);
	/* I18: what goes is a deletion that every region has. */
	if (!conflict && s->deletable && empty(s, number)) {
		weir_probe("table.drop_row");
		weir_rtable_drop(s, number);
	}
}

bool weir_rtable_settle(struct weir_rtable_store *s, uint32_t budget)
{
	while (s->settle_at && budget--) {
		uint32_t number = s->settle_at - 1;

		s->settle_at = weir_rtable_at(s, number)->link[WEIR_TABLE_LOOSE].next;
		settle(s, number);
	}
	return !s->settle_at;
}

/* ---- after a restart ---- */

/* Heap of numbers by version: sorted in place. */
static void sift(const struct weir_rtable_store *s, uint32_t *v, uint32_t at, uint32_t n)
{
	for (;;) {
		uint32_t k = 2 * at + 1, x = v[at];

		if (k >= n)
			return;
		if (k + 1 < n &&
		    weir_rtable_at(s, v[k + 1])->version > weir_rtable_at(s, v[k])->version)
			k++;
		if (weir_rtable_at(s, v[k])->version <= weir_rtable_at(s, x)->version)
			return;
		v[at] = v[k];
		v[k] = x;
		at = k;
	}
}

static void sort(const struct weir_rtable_store *s, uint32_t *v, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift(s, v, i, n);
	for (uint32_t i = n; i-- > 1;) {
		uint32_t x = v[0];

		v[0] = v[i];
		v[i] = x;
		sift(s, v, 0, i);
	}
}

void weir_rtable_rebuild(struct weir_rtable_store *s)
{
	uint32_t high = s->rows.table.high, n = 0;
	size_t bytes = WEIR_MAX(high, 1u) * sizeof(uint32_t);
	uint32_t *own = s->mem->alloc(s->mem->ctx, bytes, 16);

	memset(s->list, 0, sizeof(s->list));
	memset(s->sum, 0, sizeof(s->sum));
	s->row_count = s->conflict_count = 0;
	for (uint32_t i = 0; i < high; i++) {
		struct weir_rtable_entry *e = weir_rtable_at(s, i);

		if (!weir_rtable_alive(s, i))
			continue;
		e->digest = weir_rtable_digest(s, i);
		weir_rtable_sum(s, i, true);
		e->flags |= WEIR_TABLE_IS_LOOSE;
		weir_rtable_list_add(s, WEIR_TABLE_LOOSE, i);
		if (e->version)
			own[n++] = i;
		if (weir_rtable_is_conflict(s, i)) {
			s->conflict_count++;
			weir_rtable_conflict_added(s, i);
		} else {
			s->row_count++;
		}
	}
	weir_rtable_conflicts_rebuilt(s);
	sort(s, own, n);
	for (uint32_t i = 0; i < n; i++)
		weir_rtable_list_add(s, WEIR_TABLE_OWN, own[i]);
	s->settle_at = s->list[WEIR_TABLE_LOOSE].first;
	s->mem->free(s->mem->ctx, own, bytes);
}
