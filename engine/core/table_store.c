/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of a table: changes made here, parts of other writers. */
#include "base/assert.h"
#include "engine/core/table_int.h"

#define EPOCH_2020_S INT64_C(1577836800)

/* Presence is a flag: an upsert enables it, and wins over a delete that has not seen it. */
static const struct weir_crdt presence = {.type = WEIR_CRDT_FLAG};

static bool clears(unsigned type)
{
	return type == WEIR_CRDT_FLAG || type == WEIR_CRDT_FLAG_OFF || type == WEIR_CRDT_LWW ||
	       type == WEIR_CRDT_MV || type == WEIR_CRDT_ORSET || type == WEIR_CRDT_ORMAP;
}

void weir_rtable_store_init(struct weir_rtable_store *s, struct weir_node *keep_node, bool epochs,
			    const struct weir_crdt *crdt, uint32_t fields, bool deletable,
			    uint64_t conflict_max, struct weir_region *region)
{
	static const uint16_t key_field[1] = {WEIR_TABLE_F_KEY};
	const struct weir_mem *mem = keep_node->task->mem;
	struct weir_crdt *all = weir_region_array(region, struct weir_crdt, fields + 1);

	memset(s, 0, sizeof(*s));
	weir_assert(weir_window_key_init(&s->key, weir_rtable_schema(), key_field, 1) == 0 &&
		    s->key.bytes == 24);
	all[0] = presence;
	memcpy(all + 1, crdt, fields * sizeof(*crdt));
	s->node = keep_node;
	s->mem = mem;
	s->crdt = all;
	s->values = fields + 1;
	s->deletable = deletable;
	s->conflict_max = conflict_max;
	s->part_max = keep_node->task->record_max / 2;
	s->next = weir_region_array(region, struct weir_str, s->values);
	s->next_set = weir_region_array(region, bool, s->values);
	weir_track_init(&s->track, keep_node, epochs, &s->key,
			(uint32_t)(24 + sizeof(struct weir_rtable_entry) +
				   s->values * sizeof(struct weir_str)),
			weir_rtable_save, s);
	weir_tracked_init(&s->track, &s->rows);
	weir_slab_init(&s->slab, mem);
	weir_out_init(&s->a, mem);
	weir_out_init(&s->b, mem);
	weir_out_init(&s->found, mem);
}

static void give(const struct weir_rtable_store *s, void *p, size_t bytes)
{
	if (p)
		s->mem->free(s->mem->ctx, p, bytes);
}

void weir_rtable_store_fini(struct weir_rtable_store *s)
{
	weir_tracked_fini(&s->rows);
	weir_track_fini(&s->track);
	weir_slab_fini(&s->slab);
	weir_out_fini(&s->a);
	weir_out_fini(&s->b);
	weir_out_fini(&s->found);
	give(s, s->flat, s->flat_cap);
	give(s, s->writer, s->writer_cap * sizeof(*s->writer));
	give(s, s->seen, s->writer_cap * sizeof(*s->seen));
	give(s, s->out, s->out_cap * sizeof(*s->out));
	give(s, s->oldest, s->oldest_cap * sizeof(*s->oldest));
	give(s, s->arrival, s->arrival_cap * sizeof(*s->arrival));
}

/* ---- writers, clock ---- */

void weir_rtable_store_start(struct weir_rtable_store *s, uint32_t region, int64_t now_ns)
{
	int64_t life = now_ns / WEIR_NS_PER_S - EPOCH_2020_S;

	if (s->me)
		return;
	if (weir_planted(TABLE_REUSE_WRITER))
		life = 1;
	/* A life of its own: never the one of a state that is lost. */
	s->me = weir_writer_of(region,
			       (uint32_t)WEIR_MIN(WEIR_MAX(life, INT64_C(1)), (int64_t)UINT32_MAX));
	weir_assert(weir_rtable_writer_get(s, s->me));
}

/* First writer that is not below. */
static uint32_t writer_place(const struct weir_rtable_store *s, weir_writer id)
{
	uint32_t low = 0, high = s->writer_count;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (s->writer[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct weir_rtable_writer *weir_rtable_writer_find(const struct weir_rtable_store *s,
						   weir_writer id)
{
	uint32_t at = writer_place(s, id);

	return at < s->writer_count && s->writer[at].id == id ? &s->writer[at] : NULL;
}

struct weir_rtable_writer *weir_rtable_writer_get(struct weir_rtable_store *s, weir_writer id)
{
	uint32_t at = writer_place(s, id), cap = s->writer_cap;
	struct weir_rtable_writer *w;

	if (at < s->writer_count && s->writer[at].id == id)
		return &s->writer[at];
	if (s->writer_count == WEIR_TABLE_WRITERS_MAX)
		return NULL;
	if (s->writer_count == cap) {
		s->writer_cap = cap ? 2 * cap : 4;
		w = s->mem->alloc(s->mem->ctx, s->writer_cap * sizeof(*w), 16);
		if (cap)
			memcpy(w, s->writer, cap * sizeof(*w));
		give(s, s->writer, cap * sizeof(*w));
		give(s, s->seen, cap * sizeof(*s->seen));
		s->writer = w;
		s->seen = s->mem->alloc(s->mem->ctx, s->writer_cap * sizeof(*s->seen), 16);
	}
	w = &s->writer[at];
	memmove(w + 1, w, (s->writer_count - at) * sizeof(*w));
	memset(w, 0, sizeof(*w));
	w->id = id;
	s->writer_count++;
	return w;
}

uint64_t weir_rtable_writer_max(const struct weir_rtable_writer *w)
{
	uint64_t n = w->version;

	for (uint32_t i = 0; i < WEIR_TABLE_BUCKETS; i++)
		n = WEIR_MAX(n, w->bucket[i]);
	return n;
}

void weir_rtable_tick(struct weir_rtable_store *s, int64_t now_ns)
{
	uint64_t now = (uint64_t)WEIR_MAX(now_ns / WEIR_NS_PER_MS, INT64_C(0)) << 16;

	s->hlc = WEIR_MAX(s->hlc + 1, now);
}

struct weir_dot weir_rtable_dot(struct weir_rtable_store *s)
{
	weir_assert(s->me);
	return (struct weir_dot){.writer = s->me, .version = ++s->counter, .hlc = s->hlc};
}

/* ---- entries ---- */

static bool key_is(const void *entry, const void *key, const void *ctx)
{
	struct weir_str have;

	(void)ctx;
	memcpy(&have, (const uint8_t *)entry + 8, sizeof(have));
	return weir_str_eq(have, *(const struct weir_str *)key);
}

/* As weir_key_hash() of a record with this key. */
static uint64_t key_hash(struct weir_str key)
{
	return weir_hash_mix(WEIR_KEYHASH_SEED ^ weir_hash_text(key));
}

uint32_t weir_rtable_find_key(const struct weir_rtable_store *s, struct weir_str key)
{
	return weir_table_find(&s->rows.table, key_hash(key), key_is, &key, NULL);
}

static struct weir_str piece(struct weir_rtable_store *s, struct weir_str bytes)
{
	uint8_t *p;

	if (!bytes.n)
		return (struct weir_str){NULL, 0};
	p = weir_slab_alloc(&s->slab, bytes.n);
	memcpy(p, bytes.p, bytes.n);
	return (struct weir_str){(const char *)p, bytes.n};
}

static void piece_free(struct weir_rtable_store *s, struct weir_str p)
{
	weir_slab_free(&s->slab, (void *)(uintptr_t)p.p, p.n);
}

uint32_t weir_rtable_make(struct weir_rtable_store *s, struct weir_str key)
{
	uint32_t number = weir_table_insert(&s->rows.table, key_hash(key));
	struct weir_str k = piece(s, key);

	memcpy((uint8_t *)weir_table_entry(&s->rows.table, number) + 8, &k, sizeof(k));
	weir_rtable_at(s, number)->flags = WEIR_TABLE_ALIVE;
	if (key.p[0] == WEIR_TABLE_KEY_CONFLICT)
		s->conflict_count++;
	else
		s->row_count++;
	return number;
}

void weir_rtable_drop(struct weir_rtable_store *s, uint32_t number)
{
	struct weir_rtable_entry *e = weir_rtable_at(s, number);

	if (weir_rtable_is_conflict(s, number))
		s->conflict_count--;
	else
		s->row_count--;
	weir_rtable_sum(s, number, false);
	if (e->version)
		weir_rtable_list_drop(s, WEIR_TABLE_OWN, number);
	if (e->flags & WEIR_TABLE_IS_LOOSE)
		weir_rtable_list_drop(s, WEIR_TABLE_LOOSE, number);
	if (s->track.on)
		weir_track_forget(&s->track, &s->rows, number);
	for (uint32_t i = 0; i < weir_rtable_values(s, number); i++)
		piece_free(s, e->value[i]);
	weir_window_key_release(&s->key, &s->slab, weir_table_entry(&s->rows.table, number));
	e->flags = 0;
	weir_table_remove(&s->rows.table, number);
}

void weir_rtable_value_set(struct weir_rtable_store *s, uint32_t number, uint32_t value,
			   struct weir_str bytes)
{
	struct weir_str new = piece(s, bytes);
	struct weir_rtable_entry *e = weir_rtable_at(s, number);

	piece_free(s, e->value[value]);
	e->value[value] = new;
}

void weir_rtable_touch(struct weir_rtable_store *s, uint32_t number)
{
	if (s->track.on)
		weir_track_change(&s->track, &s->rows, number);
	weir_rtable_sum(s, number, false);
}

void weir_rtable_touched(struct weir_rtable_store *s, uint32_t number, bool own)
{
	struct weir_rtable_entry *e = weir_rtable_at(s, number);
	struct weir_str key = weir_rtable_key(s, number);

	e->digest = weir_rtable_digest(s, number);
	weir_rtable_sum(s, number, true);
	if (!(e->flags & WEIR_TABLE_IS_LOOSE)) {
		e->flags |= WEIR_TABLE_IS_LOOSE;
		weir_rtable_list_add(s, WEIR_TABLE_LOOSE, number);
		if (!s->settle_at)
			s->settle_at = number + 1;
	}
	if (!own)
		return;
	weir_rtable_own(s, number);
	e->version = s->counter;
	e->hlc = s->hlc;
	weir_rtable_writer_get(s, s->me)->bucket[weir_rtable_bucket(key)] = s->counter;
	weir_rtable_writer_get(s, s->me)->version = s->counter;
}

bool weir_rtable_deleted(const struct weir_rtable_store *s, uint32_t number)
{
	int64_t there = 0;

	return s->deletable &&
	       (weir_crdt_number(&s->crdt[0], weir_rtable_at(s, number)->value[0], &there) < 0 ||
		!there);
}

struct weir_str weir_rtable_flat(struct weir_rtable_store *s, struct weir_out *o)
{
	size_t n = (size_t)o->bytes;

	if (n > s->flat_cap) {
		give(s, s->flat, s->flat_cap);
		s->flat_cap = WEIR_ALIGN_UP(WEIR_MAX(n, 2 * s->flat_cap), (size_t)1024);
		s->flat = s->mem->alloc(s->mem->ctx, s->flat_cap, 16);
	}
	weir_out_copy(o, s->flat);
	weir_out_fini(o);
	return (struct weir_str){(const char *)s->flat, n};
}

/* ---- changes made here ---- */

static struct weir_str value_now(const struct weir_rtable_store *s, uint32_t number, uint32_t value)
{
	if (s->next_set[value])
		return s->next[value];
	return number == WEIR_TABLE_NONE ? (struct weir_str){NULL, 0}
					 : weir_rtable_at(s, number)->value[value];
}

/* One verb, into `next`. */
static int apply(struct weir_rtable_store *s, uint32_t number, uint32_t value,
		 struct weir_crdt_op op)
{
	struct weir_dot dot = weir_rtable_dot(s);
	struct weir_str now = value_now(s, number, value), new;
	int r;

	op.seen = s->seen;
	op.seen_count = s->writer_count;
	r = weir_crdt_apply(&s->crdt[value], now, &op, &dot, &s->a);

	if (r < 0) {
		weir_out_fini(&s->a);
		return r;
	}
	new = weir_rtable_flat(s, &s->a);
	if (new.n > s->part_max) {
		r = weir_crdt_own(&s->crdt[value], new, s->me, &s->a);
		if (r >= 0 && s->a.bytes > s->part_max)
			r = WEIR_E_LIMIT;
		weir_out_fini(&s->a);
		if (r < 0)
			return r;
	}
	new = piece(s, new);
	if (s->next_set[value])
		piece_free(s, s->next[value]);
	s->next[value] = new;
	s->next_set[value] = true;
	return 0;
}

static int apply_delete(struct weir_rtable_store *s, uint32_t number, uint32_t *ret_value)
{
	static const struct weir_crdt_op clear = {.verb = WEIR_CRDT_CLEAR};

	for (uint32_t i = 0; i < s->values; i++) {
		int r;

		if (!clears(s->crdt[i].type) || !value_now(s, number, i).n)
			continue;
		*ret_value = i;
		r = apply(s, number, i, clear);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_all(struct weir_rtable_store *s, uint32_t number, struct weir_reader *r,
		     uint32_t *ret_value)
{
	static const struct weir_crdt_op enable = {.verb = WEIR_CRDT_SET, .value = {"\1", 1}};
	int rc;

	*ret_value = 0;
	if (s->deletable) {
		rc = apply(s, number, 0, enable);
		if (rc < 0)
			return rc;
	}
	while (weir_reader_left(r)) {
		struct weir_crdt_op op = {0};
		uint64_t value = weir_read_varint(r);

		op.verb = weir_read_u8(r);
		op.amount = weir_read_i64(r);
		op.value = weir_read_text(r);
		if (r->bad || value == 0 || value >= s->values)
			return WEIR_E_CORRUPT;
		*ret_value = (uint32_t)value;
		rc = apply(s, number, (uint32_t)value, op);
		if (rc < 0)
			return rc;
	}
	return r->bad ? WEIR_E_CORRUPT : 0;
}

void weir_rtable_next(struct weir_rtable_store *s, uint32_t number, bool keep)
{
	for (uint32_t i = 0; i < s->values; i++) {
		if (!s->next_set[i])
			continue;
		s->next_set[i] = false;
		if (!keep) {
			piece_free(s, s->next[i]);
			continue;
		}
		piece_free(s, weir_rtable_at(s, number)->value[i]);
		weir_rtable_at(s, number)->value[i] = s->next[i];
	}
}

int weir_rtable_change(struct weir_rtable_store *s, struct weir_str key, struct weir_str body,
		       int64_t now_ns, uint32_t *ret_value)
{
	uint32_t number = weir_rtable_find_key(s, key);
	struct weir_reader r = weir_reader_of(body.p, body.n);
	bool gone = weir_read_u8(&r) != 0;
	uint64_t before = s->counter;
	int rc;

	weir_rtable_tick(s, now_ns);
	for (uint32_t i = 0; i < s->writer_count; i++)
		s->seen[i] = (struct weir_crdt_seen){s->writer[i].id, s->writer[i].version};
	if (gone && (number == WEIR_TABLE_NONE || weir_rtable_deleted(s, number)))
		return 0;
	rc = gone ? apply_delete(s, number, ret_value) : apply_all(s, number, &r, ret_value);
	if (rc < 0) {
		weir_rtable_next(s, number, false);
		return rc;
	}
	if (number == WEIR_TABLE_NONE)
		number = weir_rtable_make(s, key);
	weir_rtable_touch(s, number);
	weir_rtable_next(s, number, true);
	/* Also a record whose values are all null is an upsert. */
	s->counter += s->counter == before;
	weir_rtable_touched(s, number, true);
	weir_rtable_out_add(s, number);
	return 0;
}
