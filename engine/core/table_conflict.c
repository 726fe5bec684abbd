/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of conflicts: entries of the table whose key is the id, so that it is kept, sent, repaired and compared as rows are.
 *
 *   id:      128-bit hash of type, key, value number, lower dot, higher dot: the same in every region
 *   record:  value number varint | type u8 | won: writer u64, version varint, hlc u64 | lost: the same |
 *            won value text | lost value text | key of the row text | region that decided varint
 *
 * Several regions may decide one conflict by themselves: the lowest of them is the one that did. Texts are cut at
 * WEIR_TABLE_VALUE_TEXT_MAX bytes.
 */
#include "base/assert.h"
#include "engine/core/table_int.h"

static struct weir_str cut(struct weir_str s)
{
	return (struct weir_str){s.p, WEIR_MIN(s.n, (size_t)WEIR_TABLE_VALUE_TEXT_MAX)};
}

static bool dot_below(const struct weir_dot *a, const struct weir_dot *b)
{
	return a->writer != b->writer ? a->writer < b->writer : a->version < b->version;
}

static void id_of(struct weir_rtable_store *s, struct weir_str key, uint32_t value,
		  const struct weir_crdt_conflict *c, uint8_t ret[17])
{
	bool won_first = dot_below(&c->won, &c->lost);
	const struct weir_dot *low = won_first ? &c->won : &c->lost;
	const struct weir_dot *high = won_first ? &c->lost : &c->won;
	uint64_t about[6] = {s->crdt[value].type, value,	low->writer,
			     low->version,	  high->writer, high->version};
	struct weir_digest d;

	if (weir_planted(TABLE_CONFLICT_TWICE))
		about[0] = s->me;
	d = weir_digest_of(key, (struct weir_str){(const char *)about, sizeof(about)});
	ret[0] = WEIR_TABLE_KEY_CONFLICT;
	memcpy(ret + 1, &d, 16);
}

static void dot_put(struct weir_out *o, const struct weir_dot *d)
{
	weir_out_u64(o, d->writer);
	weir_out_varint(o, d->version);
	weir_out_u64(o, d->hlc);
}

static struct weir_dot dot_get(struct weir_reader *r)
{
	struct weir_dot d;

	d.writer = weir_read_u64(r);
	d.version = weir_read_varint(r);
	d.hlc = weir_read_u64(r);
	return d;
}

static void record_put(struct weir_out *o, const struct weir_rtable_conflict *c)
{
	weir_out_varint(o, c->value);
	weir_out_u8(o, c->type);
	dot_put(o, &c->c.won);
	dot_put(o, &c->c.lost);
	weir_out_text(o, c->c.won_value);
	weir_out_text(o, c->c.lost_value);
	weir_out_text(o, c->key);
	weir_out_varint(o, c->decided_by);
}

bool weir_rtable_conflict_read(const struct weir_rtable_store *s, struct weir_str record,
			       struct weir_rtable_conflict *ret)
{
	struct weir_reader r = weir_reader_of(record.p, record.n);
	uint64_t value = weir_read_varint(&r), region;

	ret->value = (uint32_t)value;
	ret->type = weir_read_u8(&r);
	ret->c.won = dot_get(&r);
	ret->c.lost = dot_get(&r);
	ret->c.won_value = weir_read_text(&r);
	ret->c.lost_value = weir_read_text(&r);
	ret->key = weir_read_text(&r);
	region = weir_read_varint(&r);
	ret->decided_by = (uint32_t)region;
	return !r.bad && !weir_reader_left(&r) && value < s->values && region <= UINT32_MAX;
}

void weir_rtable_conflict_found(struct weir_rtable_store *s, struct weir_str key, uint32_t value,
				const struct weir_crdt_conflict *c)
{
	struct weir_rtable_conflict x = {.value = value,
					 .type = (uint8_t)s->crdt[value].type,
					 .c = *c,
					 .key = cut(key),
					 .decided_by = weir_writer_region(s->me)};
	struct weir_out record;
	uint8_t id[17];

	x.c.won_value = cut(c->won_value);
	x.c.lost_value = cut(c->lost_value);
	id_of(s, key, value, c, id);
	weir_out_init(&record, s->mem);
	record_put(&record, &x);
	weir_out_put(&s->found, id, sizeof(id));
	weir_out_varint(&s->found, record.bytes);
	weir_out_append(&s->found, &record);
}

int weir_rtable_conflict_join(struct weir_rtable_store *s, struct weir_str mine,
			      struct weir_str other)
{
	struct weir_rtable_conflict a, b;

	if (!weir_rtable_conflict_read(s, other, &b) ||
	    (mine.n && !weir_rtable_conflict_read(s, mine, &a)))
		return WEIR_E_CORRUPT;
	if (mine.n && a.decided_by <= b.decided_by)
		other = mine;
	weir_out_put(&s->a, other.p, other.n);
	return 0;
}

/* One that was found here. */
static void keep(struct weir_rtable_store *s, struct weir_str key, struct weir_str record)
{
	uint32_t number = weir_rtable_find_key(s, key);
	bool made = number == WEIR_TABLE_NONE;
	struct weir_rtable_conflict have;

	if (!made && (!weir_rtable_conflict_read(s, weir_rtable_at(s, number)->value[0], &have) ||
		      have.decided_by <= weir_writer_region(s->me)))
		return;
	if (made)
		number = weir_rtable_make(s, key);
	weir_rtable_touch(s, number);
	weir_rtable_value_set(s, number, 0, record);
	s->counter++;
	weir_rtable_touched(s, number, true);
	if (!made)
		return;
	weir_rtable_out_add(s, number);
	weir_rtable_conflict_added(s, number);
}

void weir_rtable_conflicts_keep(struct weir_rtable_store *s)
{
	size_t n = (size_t)s->found.bytes;
	struct weir_reader r;
	uint8_t *all;

	if (!n)
		return;
	weir_probe("table.conflict");
	all = s->mem->alloc(s->mem->ctx, n, 16);
	weir_out_copy(&s->found, all);
	weir_out_fini(&s->found);
	r = weir_reader_of(all, n);
	while (weir_reader_left(&r)) {
		const char *id = weir_read(&r, 17);
		struct weir_str record = weir_read_text(&r);

		keep(s, (struct weir_str){id, 17}, record);
	}
	s->mem->free(s->mem->ctx, all, n);
}

/* ---- the newest stay: a heap with the oldest on top ---- */

static bool older(const struct weir_rtable_store *s, const struct weir_rtable_oldest *a,
		  const struct weir_rtable_oldest *b)
{
	struct weir_str x = weir_rtable_key(s, a->number), y = weir_rtable_key(s, b->number);

	return a->hlc != b->hlc ? a->hlc < b->hlc : memcmp(x.p, y.p, 17) < 0;
}

/* ---- the order in which they came ---- */

uint32_t weir_rtable_arrival_after(const struct weir_rtable_store *s, uint64_t serial)
{
	uint32_t low = 0, high = s->arrival_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (s->arrival[mid].serial <= serial)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint64_t arrive(struct weir_rtable_store *s, uint32_t number, uint64_t hlc)
{
	uint32_t n = s->arrival_count, cap = s->arrival_cap;
	uint64_t serial = WEIR_MAX(hlc, n ? s->arrival[n - 1].serial + 1 : 1);
	struct weir_rtable_arrival *a = s->arrival;

	if (n == cap) {
		s->arrival_cap = cap ? 2 * cap : 64;
		a = s->mem->alloc(s->mem->ctx, s->arrival_cap * sizeof(*a), 16);
		if (cap) {
			memcpy(a, s->arrival, cap * sizeof(*a));
			s->mem->free(s->mem->ctx, s->arrival, cap * sizeof(*a));
		}
		s->arrival = a;
	}
	a[s->arrival_count++] = (struct weir_rtable_arrival){serial, number};
	return serial;
}

/* The newest serial stays, so that none comes twice. */
static void depart(struct weir_rtable_store *s, uint64_t serial)
{
	struct weir_rtable_arrival *a = s->arrival;
	uint32_t n = 0;

	a[weir_rtable_arrival_after(s, serial - 1)].number = WEIR_TABLE_NONE;
	if (++s->arrival_gone <= s->arrival_count / 2)
		return;
	for (uint32_t i = 0; i < s->arrival_count; i++)
		if (a[i].number != WEIR_TABLE_NONE || i + 1 == s->arrival_count)
			a[n++] = a[i];
	s->arrival_count = n;
	s->arrival_gone = a[n - 1].number == WEIR_TABLE_NONE;
}

void weir_rtable_conflict_added(struct weir_rtable_store *s, uint32_t number)
{
	struct weir_rtable_oldest x = {.number = number}, *heap;
	uint32_t at = s->oldest_count, cap = s->oldest_cap;
	struct weir_rtable_conflict c;

	if (weir_rtable_conflict_read(s, weir_rtable_at(s, number)->value[0], &c))
		x.hlc = WEIR_MAX(c.c.won.hlc, c.c.lost.hlc);
	x.serial = arrive(s, number, x.hlc);
	if (at == cap) {
		s->oldest_cap = cap ? 2 * cap : 64;
		heap = s->mem->alloc(s->mem->ctx, s->oldest_cap * sizeof(*heap), 16);
		if (cap) {
			memcpy(heap, s->oldest, cap * sizeof(*heap));
			s->mem->free(s->mem->ctx, s->oldest, cap * sizeof(*heap));
		}
		s->oldest = heap;
	}
	heap = s->oldest;
	for (s->oldest_count++; at && older(s, &x, &heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = x;
}

static struct weir_rtable_oldest pop(struct weir_rtable_store *s)
{
	struct weir_rtable_oldest *heap = s->oldest, last = heap[--s->oldest_count];
	struct weir_rtable_oldest ret = heap[0];
	uint32_t at = 0;

	for (;;) {
		uint32_t k = 2 * at + 1;

		if (k >= s->oldest_count)
			break;
		if (k + 1 < s->oldest_count && older(s, &heap[k + 1], &heap[k]))
			k++;
		if (!older(s, &heap[k], &last))
			break;
		heap[at] = heap[k];
		at = k;
	}
	heap[at] = last;
	return ret;
}

void weir_rtable_conflicts_trim(struct weir_rtable_store *s)
{
	while (s->oldest_count > s->conflict_max) {
		struct weir_rtable_oldest x = pop(s);

		weir_rtable_drop(s, x.number);
		depart(s, x.serial);
	}
}

void weir_rtable_conflicts_rebuilt(struct weir_rtable_store *s)
{
	uint32_t n = s->oldest_count;
	struct weir_rtable_oldest *heap = s->oldest;

	s->arrival_count = s->arrival_gone = 0;
	/* What is taken off goes behind the rest: the oldest comes last, which is turned round. */
	while (s->oldest_count > 1) {
		struct weir_rtable_oldest x = pop(s);

		heap[s->oldest_count] = x;
	}
	for (uint32_t i = 0; i < n / 2; i++) {
		struct weir_rtable_oldest x = heap[i];

		heap[i] = heap[n - 1 - i];
		heap[n - 1 - i] = x;
	}
	s->oldest_count = n;
	for (uint32_t i = 0; i < n; i++)
		heap[i].serial = arrive(s, heap[i].number, heap[i].hlc);
}
