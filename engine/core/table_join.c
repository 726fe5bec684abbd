/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of a table: what one writer has to say about one key.
 *
 *   body:  hlc varint (0: a repair; 1: of an earlier life) | (value varint, its own part as text) ...
 *
 * A value that reads as if nobody had written it is dropped as a whole once all regions have all of it, at another moment in each.
 * A writer that has not dropped it yet says its part of it again with the next change of the row. So a part that all have, and that
 * is not here, was dropped here, and stays so. Only a repair brings it back: that has the parts of all writers.
 */
#include "base/assert.h"
#include "engine/core/table_int.h"

uint64_t weir_rtable_part_hlc(struct weir_str body)
{
	struct weir_reader r = weir_reader_of(body.p, body.n);
	uint64_t hlc = weir_read_varint(&r);

	return r.bad ? 0 : hlc;
}

bool weir_rtable_part(struct weir_rtable_store *s, uint32_t number, weir_writer writer,
		      uint64_t hlc, uint32_t *at, size_t max, struct weir_str *ret)
{
	const struct weir_rtable_entry *e = weir_rtable_at(s, number);
	uint32_t values = weir_rtable_values(s, number), i = *at;
	bool any = *at > 0, first = true;

	weir_out_varint(&s->b, hlc);
	for (*at = 0; i < values; i++) {
		if (weir_rtable_is_conflict(s, number)) {
			/* Whoever tells of it: all decisions are the same. */
			if (writer == s->me)
				weir_out_put(&s->a, e->value[i].p, e->value[i].n);
		} else {
			weir_assert(weir_crdt_own(&s->crdt[i], e->value[i], writer, &s->a) >= 0);
		}
		if (!s->a.bytes)
			continue;
		if (s->b.bytes + s->a.bytes + 16 > max && !first) {
			weir_out_fini(&s->a);
			*at = i;
			break;
		}
		any = true;
		first = false;
		weir_out_varint(&s->b, i);
		weir_out_varint(&s->b, s->a.bytes);
		weir_out_append(&s->b, &s->a);
	}
	*ret = weir_rtable_flat(s, &s->b);
	return any;
}

/* ---- joining ---- */

struct finding {
	struct weir_rtable_store *s;
	struct weir_str key;
	uint32_t value;
};

/* Texts point into what is joined: a change of the table would move them. */
static void found(void *ctx, const struct weir_crdt_conflict *c)
{
	struct finding *f = ctx;

	weir_rtable_conflict_found(f->s, f->key, f->value, c);
}

/* Is every value of the part one that could have been sent? */
static bool part_fine(const struct weir_rtable_store *s, bool conflict, struct weir_reader r)
{
	while (weir_reader_left(&r)) {
		uint64_t value = weir_read_varint(&r);
		struct weir_str v = weir_read_text(&r);
		struct weir_rtable_conflict c;

		if (r.bad || value >= (conflict ? 1 : s->values) || !v.n)
			return false;
		if (conflict ? !weir_rtable_conflict_read(s, v, &c)
			     : weir_crdt_check(&s->crdt[value], v) < 0)
			return false;
	}
	return !r.bad;
}

static bool key_fine(struct weir_str key)
{
	return key.n >= 1 && (key.p[0] == WEIR_TABLE_KEY_ROW ||
			      (key.p[0] == WEIR_TABLE_KEY_CONFLICT && key.n == 17));
}

static struct weir_str value_of(const struct weir_rtable_store *s, uint32_t number, uint32_t value)
{
	return number == WEIR_TABLE_NONE ? (struct weir_str){NULL, 0}
					 : weir_rtable_at(s, number)->value[value];
}

/* Was it dropped here? */
static bool dropped(const struct weir_crdt *t, const struct weir_rtable_writer *w,
		    struct weir_str mine, struct weir_str part)
{
	return weir_crdt_seen(t, part, w->id) <= w->stable && !weir_crdt_seen(t, mine, w->id);
}

/* The values as they will be, into `next`. */
static int join_values(struct weir_rtable_store *s, struct weir_str key, uint32_t number,
		       const struct weir_rtable_writer *w, struct weir_reader r)
{
	struct finding f = {.s = s, .key = key};
	const struct weir_crdt_conflicts conflicts = {.found = found, .ctx = &f};
	bool conflict = key.p[0] == WEIR_TABLE_KEY_CONFLICT;

	while (weir_reader_left(&r)) {
		uint32_t value = (uint32_t)weir_read_varint(&r);
		struct weir_str part = weir_read_text(&r), mine = value_of(s, number, value);
		struct weir_str new;
		uint8_t *p;
		int rc;

		f.value = value;
		if (s->next_set[value])
			return WEIR_E_CORRUPT;
		if (w && !conflict && dropped(&s->crdt[value], w, mine, part))
			continue;
		rc = conflict ? weir_rtable_conflict_join(s, mine, part)
			      : weir_crdt_join(&s->crdt[value], mine, part, &s->a, &conflicts);
		if (rc < 0) {
			weir_out_fini(&s->a);
			return rc;
		}
		new = weir_rtable_flat(s, &s->a);
		if (weir_str_eq(new, mine))
			continue;
		p = weir_slab_alloc(&s->slab, new.n);
		memcpy(p, new.p, new.n);
		s->next[value] = (struct weir_str){(const char *)p, new.n};
		s->next_set[value] = true;
	}
	return 0;
}

static bool any_next(const struct weir_rtable_store *s)
{
	for (uint32_t i = 0; i < s->values; i++)
		if (s->next_set[i])
			return true;
	return false;
}

static void take(struct weir_rtable_store *s, struct weir_str key, uint32_t number)
{
	bool made = number == WEIR_TABLE_NONE;

	if (made)
		number = weir_rtable_make(s, key);
	weir_rtable_touch(s, number);
	weir_rtable_next(s, number, true);
	weir_rtable_touched(s, number, false);
	s->joined++;
	if (key.p[0] == WEIR_TABLE_KEY_ROW)
		weir_rtable_out_add(s, number);
	else if (made)
		weir_rtable_conflict_added(s, number);
}

int weir_rtable_join(struct weir_rtable_store *s, weir_writer writer, uint64_t version,
		     struct weir_str key, struct weir_str body)
{
	struct weir_reader r = weir_reader_of(body.p, body.n);
	uint64_t hlc = weir_read_varint(&r);
	struct weir_rtable_writer *w;
	uint32_t number;
	int rc;

	if (r.bad || !key_fine(key) || !part_fine(s, key.p[0] == WEIR_TABLE_KEY_CONFLICT, r))
		return WEIR_E_CORRUPT;
	if (!weir_rtable_writer_get(s, writer))
		return WEIR_E_LIMIT;
	number = weir_rtable_find_key(s, key);
	rc = join_values(s, key, number, hlc ? weir_rtable_writer_find(s, writer) : NULL, r);
	if (rc < 0) {
		weir_rtable_next(s, number, false);
		weir_out_fini(&s->found);
		return rc;
	}
	s->hlc = WEIR_MAX(s->hlc, hlc);
	/* Where rows stay, one is there also when it has no values yet. */
	if (any_next(s) ||
	    (!s->deletable && number == WEIR_TABLE_NONE && key.p[0] == WEIR_TABLE_KEY_ROW))
		take(s, key, number);
	weir_rtable_conflicts_keep(s);
	w = weir_rtable_writer_get(s, writer);
	w->bucket[weir_rtable_bucket(key)] = WEIR_MAX(w->bucket[weir_rtable_bucket(key)], version);
	return 0;
}
