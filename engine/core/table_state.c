/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table in bundles.
 *
 *   part:    | head: length u32, bytes | gone | records ... |   (gone, records: engine/core/track.h)
 *   head:    | me u64 | counter, hlc, writers varint: (id u64, version, stable, buckets: count, (bucket, version) ...) |
 *              peers: count, (region, writer, place, ended, acked, heard, unacked, flags, job, want, vector) |
 *   record:  | key | version, hlc varint | flags u8 | values: text ... |
 *
 * The head is absolute, so the newest one counts. Lists, sums and the heap of conflicts are made again from the entries.
 */
#include "base/assert.h"
#include "engine/core/table_node.h"

#define PEER_HELLO 1u
#define PEER_ASK 2u
#define PEER_GAP 4u
#define PEER_FORMER 8u

void weir_rtable_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o)
{
	const struct weir_rtable_store *s = ctx;
	const struct weir_rtable_entry *e = weir_rtable_at(s, number);

	weir_window_key_save(&s->key, weir_table_entry(&t->table, number), o);
	weir_out_varint(o, e->version);
	weir_out_varint(o, e->hlc);
	weir_out_u8(o, e->flags & WEIR_TABLE_KNOWN);
	for (uint32_t i = 0; i < weir_rtable_values(s, number); i++)
		weir_out_text(o, e->value[i]);
}

/* ---- head ---- */

static void writer_put(const struct weir_rtable_writer *w, struct weir_out *o)
{
	uint32_t n = 0;

	weir_out_u64(o, w->id);
	weir_out_varint(o, w->version);
	weir_out_varint(o, w->stable);
	for (uint32_t i = 0; i < WEIR_TABLE_BUCKETS; i++)
		n += w->bucket[i] != 0;
	weir_out_varint(o, n);
	for (uint32_t i = 0; i < WEIR_TABLE_BUCKETS; i++) {
		if (!w->bucket[i])
			continue;
		weir_out_u8(o, (uint8_t)i);
		weir_out_varint(o, w->bucket[i]);
	}
}

static void peer_put(const struct weir_rtable_peer *p, struct weir_out *o)
{
	weir_out_varint(o, p->region);
	weir_out_u64(o, p->writer);
	weir_out_varint(o, p->place);
	weir_out_varint(o, p->ended);
	weir_out_varint(o, p->acked);
	weir_out_varint(o, p->heard);
	weir_out_varint(o, p->unacked);
	weir_out_u8(o, (uint8_t)((p->hello ? PEER_HELLO : 0) | (p->ask ? PEER_ASK : 0) |
				 (p->gap ? PEER_GAP : 0) | (p->former ? PEER_FORMER : 0)));
	for (uint32_t i = 0; i < WEIR_COUNT_OF(p->job); i++) {
		weir_out_u64(o, p->job[i]);
		weir_out_u64(o, p->want[i]);
	}
	weir_out_varint(o, p->seen_count);
	for (uint32_t i = 0; i < p->seen_count; i++) {
		weir_out_u64(o, p->seen[i].id);
		weir_out_varint(o, p->seen[i].version);
	}
}

void weir_rtable_head_put(const struct weir_rtable_machine *t, struct weir_out *o)
{
	const struct weir_rtable_store *s = &t->store;

	weir_out_u64(o, s->me);
	weir_out_varint(o, s->counter);
	weir_out_varint(o, s->hlc);
	weir_out_varint(o, s->writer_count);
	for (uint32_t i = 0; i < s->writer_count; i++)
		writer_put(&s->writer[i], o);
	weir_out_varint(o, t->peer_count);
	for (uint32_t i = 0; i < t->peer_count; i++)
		peer_put(&t->peer[i], o);
}

static bool writer_get(struct weir_rtable_store *s, struct weir_reader *r)
{
	weir_writer id = weir_read_u64(r);
	struct weir_rtable_writer *w = weir_rtable_writer_get(s, id);
	uint64_t version = weir_read_varint(r), stable = weir_read_varint(r);
	uint64_t n = weir_read_varint(r);

	if (r->bad || !w || n > WEIR_TABLE_BUCKETS)
		return false;
	w->version = version;
	w->stable = stable;
	for (; n; n--) {
		uint32_t bucket = weir_read_u8(r);

		w->bucket[bucket] = weir_read_varint(r);
	}
	return !r->bad;
}

static struct weir_rtable_peer *peer_find(struct weir_rtable_machine *t, uint64_t region)
{
	for (uint32_t i = 0; i < t->peer_count; i++)
		if (t->peer[i].region == region)
			return &t->peer[i];
	return NULL;
}

static bool peer_get(struct weir_rtable_machine *t, struct weir_reader *r)
{
	struct weir_rtable_peer none = {0}, *p = peer_find(t, weir_read_varint(r));
	const struct weir_mem *mem = t->store.mem;
	uint64_t n;
	uint8_t flags;

	p = p ? p : &none;
	p->writer = weir_read_u64(r);
	p->place = weir_read_varint(r);
	p->ended = weir_read_varint(r);
	p->acked = weir_read_varint(r);
	p->heard = weir_read_varint(r);
	p->unacked = weir_read_varint(r);
	flags = weir_read_u8(r);
	p->hello = flags & PEER_HELLO;
	p->ask = flags & PEER_ASK;
	p->gap = flags & PEER_GAP;
	p->former = flags & PEER_FORMER;
	p->ack = true;
	p->ack_serial = p->ours_serial = UINT64_MAX; /* once more does no harm */
	/* What is not confirmed yet, in one piece. */
	p->mark_count = p->unacked != 0;
	p->mark[0].version = p->place;
	p->mark[0].bytes = p->unacked;
	for (uint32_t i = 0; i < WEIR_COUNT_OF(p->job); i++) {
		p->job[i] = weir_read_u64(r);
		p->want[i] = weir_read_u64(r);
	}
	n = weir_read_varint(r);
	if (r->bad || n > weir_reader_left(r) / 9)
		return false;
	if (n > p->seen_cap && p != &none) {
		if (p->seen_cap)
			mem->free(mem->ctx, p->seen, p->seen_cap * sizeof(*p->seen));
		p->seen_cap = (uint32_t)n;
		p->seen = mem->alloc(mem->ctx, n * sizeof(*p->seen), 16);
	}
	p->seen_count = p == &none ? 0 : (uint32_t)n;
	for (uint32_t i = 0; i < n; i++) {
		struct weir_rtable_version v;

		v.id = weir_read_u64(r);
		v.version = weir_read_varint(r);
		if (i < p->seen_count)
			p->seen[i] = v;
	}
	return !r->bad && p->ended <= p->place &&
	       (p->place <= t->store.counter || weir_planted(TABLE_VERSION_LOST));
}

int weir_rtable_head_get(struct weir_rtable_machine *t, struct weir_reader *r)
{
	struct weir_rtable_store *s = &t->store;
	bool fine = true;

	s->me = weir_read_u64(r);
	s->counter = weir_read_varint(r);
	if (weir_planted(TABLE_VERSION_LOST))
		s->counter = 0;
	s->hlc = weir_read_varint(r);
	s->writer_count = 0;
	for (uint64_t n = weir_read_varint(r); n && fine; n--)
		fine = writer_get(s, r);
	for (uint64_t n = weir_read_varint(r); n && fine; n--)
		fine = peer_get(t, r);
	if (!fine || r->bad || weir_reader_left(r))
		return weir_track_corrupt(&s->track, "its head is not one");
	t->restored = true;
	return 0;
}

/* ---- entries ---- */

static int entry_get(struct weir_rtable_store *s, struct weir_reader *record, uint64_t hash)
{
	struct weir_rtable_entry *e;
	uint32_t number, values;
	struct weir_str key;
	bool fresh;
	int r = weir_track_take(&s->track, &s->rows, &s->slab, record, hash, &number, &fresh);

	if (r < 0)
		return r;
	e = weir_rtable_at(s, number);
	e->flags = WEIR_TABLE_ALIVE;
	key = weir_rtable_key(s, number);
	if (!key.n || (key.p[0] != WEIR_TABLE_KEY_ROW &&
		       (key.p[0] != WEIR_TABLE_KEY_CONFLICT || key.n != 17)))
		return weir_track_corrupt(&s->track, "a key is of no kind");
	values = weir_rtable_values(s, number);
	e->version = weir_read_varint(record);
	e->hlc = weir_read_varint(record);
	e->flags |= weir_read_u8(record) & WEIR_TABLE_KNOWN;
	for (uint32_t i = 0; i < values; i++) {
		struct weir_str v = weir_read_text(record);
		struct weir_rtable_conflict c;

		if (record->bad || (key.p[0] ? !weir_rtable_conflict_read(s, v, &c)
					     : weir_crdt_check(&s->crdt[i], v) < 0))
			return weir_track_corrupt(&s->track, "a value is damaged");
		weir_rtable_value_set(s, number, i, v);
	}
	return weir_reader_left(record) ? weir_track_corrupt(&s->track, "a row is too long") : 0;
}

static void remove_entry(void *ctx, uint32_t number)
{
	struct weir_rtable_store *s = ctx;
	struct weir_rtable_entry *e = weir_rtable_at(s, number);

	for (uint32_t i = 0; i < weir_rtable_values(s, number); i++)
		weir_slab_free(&s->slab, (void *)(uintptr_t)e->value[i].p, e->value[i].n);
	weir_window_key_release(&s->key, &s->slab, weir_table_entry(&s->rows.table, number));
	e->flags = 0;
	weir_table_remove(&s->rows.table, number);
}

int weir_rtable_entries_get(struct weir_rtable_machine *t, struct weir_restore *r)
{
	struct weir_rtable_store *s = &t->store;
	int rc = weir_track_read_gone(&s->track, &s->rows, &s->slab, r, remove_entry);

	while (!rc && weir_reader_left(&r->in)) {
		struct weir_reader record;
		uint64_t hash;

		if (!weir_track_read(&r->in, &record, &hash))
			return weir_track_corrupt(&s->track, "a row is cut short");
		rc = entry_get(s, &record, hash);
	}
	return rc;
}

void weir_rtable_restored(struct weir_rtable_machine *t)
{
	weir_rtable_rebuild(&t->store);
	for (uint32_t i = 0; i < t->peer_count; i++) {
		struct weir_rtable_peer *p = &t->peer[i];

		t->store.cursor[i] = weir_rtable_behind(&t->store, p->place);
		/* A region that is new in the cluster. */
		if (t->store.me && !p->writer)
			p->hello = true;
	}
}

/* ---- of the node ---- */

static void table_freeze(struct weir_node *n, struct weir_out *o)
{
	struct weir_rtable *x = n->op;
	struct weir_rtable_store *s = &x->machine.store;
	struct weir_out head;

	weir_out_init(&head, o->mem);
	weir_rtable_head_put(&x->machine, &head);
	weir_out_u32(o, (uint32_t)head.bytes);
	weir_out_append(o, &head);
	weir_track_freeze(&s->track, o);
	weir_tracked_freeze(&s->rows);
}

static bool table_encode(struct weir_node *n, struct weir_out *o, size_t budget)
{
	struct weir_rtable *x = n->op;
	struct weir_rtable_store *s = &x->machine.store;
	size_t left = WEIR_MAX(budget, (size_t)1);

	weir_assert(o == s->track.part);
	if (!weir_tracked_encode(&s->track, &s->rows, &left))
		return false;
	weir_track_done(&s->track);
	return true;
}

static bool table_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct weir_rtable *x = n->op;
	size_t left = WEIR_MAX(budget, (size_t)1);

	if (begin)
		x->touch_at = 0;
	return weir_tracked_touch(&x->machine.store.track, &x->machine.store.rows, &x->touch_at,
				  &left);
}

static int table_restore(struct weir_node *n, struct weir_restore *r)
{
	struct weir_rtable *x = n->op;
	uint32_t length = weir_read_u32(&r->in);
	struct weir_reader head = weir_read_part(&r->in, length);
	int rc;

	if (r->in.bad)
		return weir_track_corrupt(&x->machine.store.track, "it is cut short");
	rc = weir_rtable_head_get(&x->machine, &head);
	return rc < 0 ? rc : weir_rtable_entries_get(&x->machine, r);
}

static int table_restored(struct weir_node *n)
{
	struct weir_rtable *x = n->op;

	weir_rtable_restored(&x->machine);
	return 0;
}

void weir_rtable_sign(const struct weir_table_spec *spec, const struct weir_schema *out,
		      struct weir_buf *b)
{
	weir_buf_printf(b, "table 1 delete=%d key=(", spec->delete_text != NULL);
	for (uint32_t i = 0; i < spec->key_count; i++) {
		weir_buf_json_str(b, weir_str_c(out->field[i].name));
		weir_buf_char(b, ' ');
		weir_window_sign_type(b, out->field[i].type, out->field[i].nullable);
		weir_buf_char(b, ',');
	}
	weir_buf_lit(b, ")");
	for (uint32_t i = 0; i < spec->field_count; i++) {
		const struct weir_table_field *f = &spec->field[i];

		weir_buf_char(b, '\n');
		weir_buf_json_str(b, weir_str_c(f->name));
		weir_buf_printf(b, " %s ", weir_crdt_name(f->crdt.type));
		weir_window_sign_type(b, f->type, false);
	}
}

static void table_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct weir_rtable *x = n->op;

	weir_rtable_sign(x->spec, n->port[0].schema, b);
	/* Writers are numbered by the region's place in the cluster file. */
	weir_buf_printf(b, "\nregion=%u\n", x->spec->here);
}

const struct weir_state_ops weir__rtable_state = {
	.freeze = table_freeze,
	.encode = table_encode,
	.touch = table_touch,
	.restore = table_restore,
	.restored = table_restored,
	.sign = table_sign,
};
