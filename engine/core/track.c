/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/track.h"

#include "base/assert.h"

#define SKIP_BYTES 8u /* what looking at an entry costs that needs no record */

/* A key as it lies in an entry. */
struct key_copy {
	uint64_t word[2 + WEIR_KEYS_MAX * sizeof(struct weir_str) / sizeof(uint64_t)];
};

void weir_track_init(struct weir_track *tr, struct weir_node *n, bool on,
		     const struct weir_window_key *keep_key, uint32_t entry_bytes,
		     void (*save)(void *, const struct weir_tracked *, uint32_t, struct weir_out *),
		     void *ctx)
{
	*tr = (struct weir_track){.node = n,
				  .on = on,
				  .key = keep_key,
				  .mark_at = WEIR_MAX(entry_bytes, 16u),
				  .save = save,
				  .ctx = ctx};
	weir_assert(keep_key->bytes <= sizeof(struct key_copy));
}

void weir_track_fini(struct weir_track *tr)
{
	if (tr->gone.mem)
		weir_out_fini(&tr->gone);
}

void weir_tracked_init(const struct weir_track *tr, struct weir_tracked *t)
{
	const struct weir_mem *mem = tr->node->task->mem;
	uint32_t mark = tr->on ? (uint32_t)sizeof(struct weir_track_mark) : 0;

	weir_table_init(&t->table, mem, tr->mark_at + mark);
	weir_dirty_init(&t->dirty, mem);
}

void weir_tracked_fini(struct weir_tracked *t)
{
	weir_table_fini(&t->table);
	weir_dirty_fini(&t->dirty);
}

void weir_tracked_clear(struct weir_tracked *t)
{
	weir_table_clear(&t->table);
	weir_dirty_clear(&t->dirty);
}

/* ---- records ---- */

struct record {
	uint8_t *length;
	uint64_t from;
};

static struct record record_begin(struct weir_out *o, uint64_t hash)
{
	struct record r = {.length = weir_out_claim(o, 4)};

	weir_out_keep(o, 4);
	r.from = o->bytes;
	weir_out_u64(o, hash);
	return r;
}

/* Chunks of an output do not move: the length is written where it belongs. */
static void record_end(const struct weir_out *o, const struct record *r)
{
	uint32_t length = (uint32_t)(o->bytes - r->from);

	weir_assert(o->bytes - r->from <= UINT32_MAX);
	memcpy(r->length, &length, 4);
}

static size_t entry_save(struct weir_track *tr, const struct weir_tracked *t, uint32_t number)
{
	struct weir_out *o = tr->part;
	uint64_t before = o->bytes;
	struct record r = record_begin(o, weir_table_hash(&t->table, number));

	tr->save(tr->ctx, t, number, o);
	record_end(o, &r);
	weir_track_mark(tr, t, number)->known = 1;
	tr->saved++;
	tr->saved_bytes += o->bytes - before;
	return (size_t)(o->bytes - before);
}

static void spend(size_t *left, size_t bytes)
{
	*left -= WEIR_MIN(*left, bytes);
}

/* ---- changes ---- */

weir_noinline void weir_track__change(struct weir_track *tr, struct weir_tracked *t,
				      uint32_t number)
{
	struct weir_track_mark *m = weir_track_mark(tr, t, number);

	if (weir_dirty_early(&t->dirty, m->mark)) {
		weir_probe("track.encode_early");
		entry_save(tr, t, number);
	}
	weir_dirty_add(&t->dirty, number, &m->mark);
}

void weir_track_forget(struct weir_track *tr, struct weir_tracked *t, uint32_t number)
{
	struct weir_track_mark *m = weir_track_mark(tr, t, number);

	if (weir_dirty_early(&t->dirty, m->mark)) {
		weir_probe("track.forget_early");
		entry_save(tr, t, number);
	}
	if (m->known && !weir_planted(FORGET_DELETE)) {
		const void *e = weir_table_entry(&t->table, number);
		struct record r;

		if (!tr->gone.mem)
			weir_out_init(&tr->gone, tr->node->part->mem);
		r = record_begin(&tr->gone, weir_table_hash(&t->table, number));
		weir_window_key_save(tr->key, e, &tr->gone);
		record_end(&tr->gone, &r);
	}
	*m = (struct weir_track_mark){0};
}

/* ---- parts ---- */

void weir_track_freeze(struct weir_track *tr, struct weir_out *o)
{
	weir_assert(tr->on && !tr->part);
	weir_out_varint(o, tr->gone.bytes);
	if (tr->gone.bytes) {
		weir_probe("track.gone");
		weir_out_append(o, &tr->gone);
	}
	tr->part = o;
}

bool weir_tracked_freeze(struct weir_tracked *t)
{
	weir_dirty_freeze(&t->dirty);
	return !weir_dirty_encoded(&t->dirty);
}

bool weir_tracked_encode(struct weir_track *tr, struct weir_tracked *t, size_t *left)
{
	uint32_t number;

	while (*left && weir_dirty_next(&t->dirty, &number)) {
		struct weir_track_mark *m = weir_track_mark(tr, t, number);

		if (m->mark == t->dirty.now - 1) {
			spend(left, entry_save(tr, t, number));
			m->mark = 0;
		} else {
			spend(left, SKIP_BYTES);
		}
	}
	return weir_dirty_encoded(&t->dirty);
}

void weir_track_done(struct weir_track *tr)
{
	tr->part = NULL;
}

bool weir_tracked_touch(struct weir_track *tr, struct weir_tracked *t, uint32_t *at, size_t *left)
{
	uint32_t high = t->table.high;
	size_t bytes = tr->saved ? (size_t)(tr->saved_bytes / tr->saved) : 0;

	bytes = WEIR_MAX(bytes, (size_t)t->table.entry_bytes);
	if (weir_planted(BASE_SKIPS) && high > 1)
		high--;
	if (*at)
		weir_probe("track.touch_resumed");
	for (; *at < high && *left; ++*at) {
		bool fresh = weir_track_alive(tr, t, *at) &&
			     weir_dirty_is_new(&t->dirty, weir_track_mark(tr, t, *at)->mark);

		if (fresh)
			weir_track_change(tr, t, *at);
		spend(left, fresh ? bytes : SKIP_BYTES);
	}
	return *at >= high;
}

/* ---- restore ---- */

int weir_track_corrupt(const struct weir_track *tr, const char *what)
{
	return weir_err_set(&tr->node->task->err, WEIR_E_CORRUPT,
			    "step `%s`: its saved state is damaged: %s", tr->node->step_name, what);
}

bool weir_track_read(struct weir_reader *in, struct weir_reader *ret_record, uint64_t *ret_hash)
{
	uint32_t length = weir_read_u32(in);

	*ret_record = weir_read_part(in, length);
	*ret_hash = weir_read_u64(ret_record);
	return !in->bad && !ret_record->bad;
}

bool weir_track_mine(const struct weir_track *tr, const struct weir_restore *r, uint64_t hash)
{
	return tr->key->count == 0 || weir_restore_mine(r, hash);
}

static int key_read(struct weir_track *tr, struct weir_slab *slab, struct weir_reader *record,
		    uint64_t hash, struct key_copy *ret_key)
{
	memset(ret_key, 0, sizeof(*ret_key));
	memcpy(ret_key->word, &hash, 8);
	if (weir_window_key_load(tr->key, record, slab, ret_key->word) < 0)
		return weir_track_corrupt(tr, "a key cannot be read");
	return 0;
}

int weir_track_take(struct weir_track *tr, struct weir_tracked *t, struct weir_slab *slab,
		    struct weir_reader *record, uint64_t hash, uint32_t *ret_number, bool *ret_new)
{
	struct key_copy key;
	uint32_t e;
	int r = key_read(tr, slab, record, hash, &key);

	if (r < 0)
		return r;
	e = weir_table_find(&t->table, hash, weir_window_key_is_entry, key.word, tr->key);
	*ret_new = e == WEIR_TABLE_NONE;
	if (*ret_new) {
		e = weir_table_insert(&t->table, hash);
		memcpy(weir_table_entry(&t->table, e), key.word, tr->key->bytes);
	} else {
		weir_window_key_release(tr->key, slab, key.word);
	}
	*weir_track_mark(tr, t, e) = (struct weir_track_mark){.known = 1};
	*ret_number = e;
	return 0;
}

static int gone_read(struct weir_track *tr, struct weir_tracked *t, struct weir_slab *slab,
		     struct weir_reader *record, uint64_t hash, uint32_t *ret_number)
{
	struct key_copy key;
	int r = key_read(tr, slab, record, hash, &key);

	if (r < 0)
		return r;
	*ret_number = weir_table_find(&t->table, hash, weir_window_key_is_entry, key.word, tr->key);
	weir_window_key_release(tr->key, slab, key.word);
	return weir_reader_left(record) ? weir_track_corrupt(tr, "a key is too long") : 0;
}

int weir_track_read_gone(struct weir_track *tr, struct weir_tracked *t, struct weir_slab *slab,
			 struct weir_restore *r, void (*remove)(void *ctx, uint32_t number))
{
	uint64_t bytes = weir_read_varint(&r->in);
	struct weir_reader gone;

	if (r->in.bad || bytes > weir_reader_left(&r->in))
		return weir_track_corrupt(tr, "the list of removed keys is cut short");
	gone = weir_read_part(&r->in, (size_t)bytes);
	while (weir_reader_left(&gone)) {
		struct weir_reader record;
		uint64_t hash;
		uint32_t number;
		int rc;

		if (!weir_track_read(&gone, &record, &hash))
			return weir_track_corrupt(tr, "a removed key is cut short");
		if (!weir_track_mine(tr, r, hash))
			continue;
		rc = gone_read(tr, t, slab, &record, hash, &number);
		if (rc < 0)
			return rc;
		if (number != WEIR_TABLE_NONE) {
			*weir_track_mark(tr, t, number) = (struct weir_track_mark){0};
			remove(tr->ctx, number);
		}
	}
	return 0;
}
