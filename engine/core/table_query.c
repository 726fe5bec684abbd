/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a table: rows as they would be given now, and the log of conflicts.
 *
 * Places: of a list the number of the next entry; of conflicts the serial of the last one that was looked at, so that later ones
 * are behind it also when that one is gone.
 */
#include "base/assert.h"
#include "engine/core/table_node.h"
#include "engine/core/window_key_text.h"

struct ask {
	struct weir_node *n;
	struct weir_rtable *o;
	const struct weir_query *q;
	struct weir_query_out *out;
	struct weir_slab slab; /* of the piece */
	struct weir_schema keys; /* the key fields alone */
	struct weir_window_key key;
	void *entry; /* of the key at hand */
	void *frame; /* record_max bytes */
	struct weir_str want; /* key as bytes; p is NULL: any */
	uint32_t value; /* of conflicts: 0: any */
};

static void begin(struct ask *a)
{
	uint16_t field[WEIR_KEYS_MAX];
	uint32_t count = a->o->spec->key_count;

	a->keys = *a->n->port[WEIR_TABLE_PORT_ROWS].schema;
	a->keys.field_count = (uint16_t)count;
	weir_schema_seal(&a->keys);
	for (uint32_t i = 0; i < count; i++)
		field[i] = (uint16_t)i;
	weir_assert(weir_window_key_init(&a->key, &a->keys, field, count) == 0);
	weir_slab_init(&a->slab, a->n->task->mem);
	a->frame = weir_slab_alloc(&a->slab, a->n->task->record_max);
	a->entry = weir_slab_alloc(&a->slab, a->key.bytes);
}

/* ---- the key that was asked for ---- */

static int want_key(struct ask *a)
{
	struct weir_builder b;
	struct weir_out o;
	uint8_t *p;
	int r = weir_window_key_parse(&a->key, a->q->key, &a->slab, a->entry, &a->out->err);

	if (r < 0) {
		weir_err_prefix(&a->out->err, "step `%s`", a->n->step_name);
		return r;
	}
	weir_build_begin(&b, a->frame, a->n->task->record_max, &a->keys);
	weir_window_key_build(&a->key, a->entry, &b);
	if (!weir_build_end(&b))
		return weir_err_set(&a->out->err, WEIR_E_LIMIT, "step `%s`: the key is too long",
				    a->n->step_name);
	weir_out_init(&o, a->n->task->mem);
	weir_rtable_key_of(b.f, &a->keys, a->key.field, a->key.count, &o);
	a->want.n = (size_t)o.bytes;
	p = weir_slab_alloc(&a->slab, a->want.n);
	weir_out_copy(&o, p);
	weir_out_fini(&o);
	a->want.p = (const char *)p;
	return 0;
}

static bool key_begins(struct ask *a, struct weir_str key)
{
	struct weir_builder b;
	bool yes;

	if (!a->q->prefix.n)
		return true;
	weir_build_begin(&b, a->frame, a->n->task->record_max, &a->keys);
	if (!weir_rtable_key_build(&a->keys, a->key.count, key, &b) || !weir_build_end(&b))
		return false;
	memset(a->entry, 0, a->key.bytes);
	weir_window_key_store(&a->key, b.f, &a->slab, a->entry);
	yes = weir_window_key_begins(&a->key, a->entry, a->q->prefix);
	weir_window_key_release(&a->key, &a->slab, a->entry);
	return yes;
}

/* ---- rows ---- */

static bool show(struct ask *a, uint32_t number)
{
	const struct weir_schema *rows = a->n->port[WEIR_TABLE_PORT_ROWS].schema;
	struct weir_rtable_store *s = &a->o->machine.store;
	bool conflict = weir_rtable_is_conflict(s, number), fits;
	const struct weir_schema *out = conflict ? weir_rtable_conflict_schema() : rows;
	struct weir_buf *row = weir_query_row(a->out);
	struct weir_builder b;

	weir_build_begin(&b, a->frame, a->n->task->record_max, out);
	fits = conflict ? weir_rtable_conflict_build(s, a->o->spec, rows, number, &b)
			: weir_rtable_row_build(s, a->o->spec, number, &b);
	if (fits)
		weir_buf_record_json(row, b.f, out);
	else
		weir_buf_lit(row, "{\"error\":\"the row is larger than record_max\"}");
	return weir_query_row_end(a->out);
}

static int get(struct ask *a)
{
	uint32_t number = weir_rtable_find_key(&a->o->machine.store, a->want);

	return number != WEIR_TABLE_NONE && !show(a, number);
}

static int list(struct ask *a)
{
	const struct weir_rtable_store *s = &a->o->machine.store;
	uint64_t at = a->q->at.n[0];

	for (; at < s->rows.table.high; at++) {
		uint32_t number = (uint32_t)at;

		a->out->at.n[0] = at;
		if (!weir_query_room(a->out, 1))
			return 1;
		if (!weir_rtable_alive(s, number) || weir_rtable_is_conflict(s, number) ||
		    weir_rtable_deleted(s, number) || !key_begins(a, weir_rtable_key(s, number)))
			continue;
		if (!show(a, number))
			return 1;
	}
	a->out->at.n[0] = at;
	return 0;
}

/* ---- conflicts ---- */

static int want_field(struct ask *a)
{
	const struct weir_table_spec *spec = a->o->spec;

	for (uint32_t i = 0; a->q->field.n && i < spec->field_count; i++)
		if (weir_str_is(a->q->field, spec->field[i].name))
			a->value = i + 1;
	if (!a->q->field.n || a->value)
		return 0;
	return weir_err_set(&a->out->err, WEIR_E_USAGE, "step `%s`: the table has no field `%.*s`",
			    a->n->step_name, (int)WEIR_MIN(a->q->field.n, (size_t)WEIR_NAME_MAX),
			    a->q->field.p);
}

static bool wanted(const struct ask *a, uint32_t number)
{
	const struct weir_rtable_store *s = &a->o->machine.store;
	struct weir_rtable_conflict c;
	struct weir_str key = a->want;

	weir_assert(weir_rtable_conflict_read(s, weir_rtable_at(s, number)->value[0], &c));
	if (a->value && c.value != a->value)
		return false;
	key.n = WEIR_MIN(key.n, (size_t)WEIR_TABLE_VALUE_TEXT_MAX);
	return !key.p || weir_str_eq(c.key, key);
}

static int conflicts(struct ask *a)
{
	const struct weir_rtable_store *s = &a->o->machine.store;
	uint32_t i = weir_rtable_arrival_after(s, a->q->at.n[0]);

	a->out->at = a->q->at;
	for (; i < s->arrival_count; i++) {
		const struct weir_rtable_arrival *x = &s->arrival[i];

		if (!weir_query_room(a->out, 1))
			return 1;
		if (x->number != WEIR_TABLE_NONE && wanted(a, x->number) && !show(a, x->number))
			return 1;
		a->out->at.n[0] = x->serial;
	}
	return 0;
}

int weir__rtable_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out)
{
	struct ask a = {.n = n, .o = n->op, .q = q, .out = out};
	int r = 0;

	begin(&a);
	if (q->verb == WEIR_QUERY_GET || (q->verb == WEIR_QUERY_CONFLICTS && q->key.p))
		r = want_key(&a);
	if (r == 0 && q->verb == WEIR_QUERY_CONFLICTS)
		r = want_field(&a);
	if (r == 0)
		r = q->verb == WEIR_QUERY_GET	 ? get(&a)
		    : q->verb == WEIR_QUERY_LIST ? list(&a)
						 : conflicts(&a);
	weir_slab_fini(&a.slab);
	return r;
}
