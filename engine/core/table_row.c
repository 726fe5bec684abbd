/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table and records of conflicts, as they go downstream; keys as bytes; schemas. */
#include <stdio.h>

#include "base/assert.h"
#include "engine/core/table_int.h"

/* clang-format off */
static const struct weir_schema table_schema = {
	.field_count = 5,
	.fixed_size = 8 * 5,
	.field = {
		{.name = "kind", .type = {.type = WEIR_INT64}},
		{.name = "writer", .type = {.type = WEIR_INT64}},
		{.name = "version", .type = {.type = WEIR_INT64}},
		{.name = "key", .type = {.type = WEIR_BYTES}},
		{.name = "body", .type = {.type = WEIR_BYTES}},
	},
};

static const struct weir_schema conflict_schema = {
	.field_count = 13,
	.fixed_size = 8 * 13,
	.field = {
		{.name = "id", .type = {.type = WEIR_STRING}},
		{.name = "key", .type = {.type = WEIR_STRING}},
		{.name = "field", .type = {.type = WEIR_STRING}},
		{.name = "rule", .type = {.type = WEIR_STRING}},
		{.name = "won", .type = {.type = WEIR_STRING}},
		{.name = "won_version", .type = {.type = WEIR_INT64}},
		{.name = "won_hlc", .type = {.type = WEIR_INT64}},
		{.name = "won_value", .type = {.type = WEIR_STRING}},
		{.name = "lost", .type = {.type = WEIR_STRING}},
		{.name = "lost_version", .type = {.type = WEIR_INT64}},
		{.name = "lost_hlc", .type = {.type = WEIR_INT64}},
		{.name = "lost_value", .type = {.type = WEIR_STRING}},
		{.name = "decided_by", .type = {.type = WEIR_STRING}},
	},
};
/* clang-format on */

const struct weir_schema *weir_rtable_schema(void)
{
	return &table_schema;
}

const struct weir_schema *weir_rtable_conflict_schema(void)
{
	return &conflict_schema;
}

struct weir_schema *weir_rtable_peer_schema(struct weir_region *region, uint32_t peer)
{
	struct weir_schema *s = weir_region_new(region, struct weir_schema);

	*s = table_schema;
	s->stream = (uint16_t)(peer + 1);
	return s;
}

/* ---- keys: null bits as a varint if a field may be null, then the fields that are not ---- */

void weir_rtable_key_of(const struct weir_frame *f, const struct weir_schema *s,
			const uint16_t *field, uint32_t count, struct weir_out *o)
{
	uint64_t nulls = 0;
	bool any = false;

	weir_out_u8(o, WEIR_TABLE_KEY_ROW);
	for (uint32_t i = 0; i < count; i++) {
		any |= s->field[field[i]].nullable;
		nulls |= (uint64_t)weir_null(f, s, field[i]) << i;
	}
	if (any)
		weir_out_varint(o, nulls);
	for (uint32_t i = 0; i < count; i++) {
		unsigned type = s->field[field[i]].type.type;
		uint64_t slot = weir_slot(f, s, field[i]);

		if (nulls >> i & 1)
			continue;
		if (weir_type_is_text(type))
			weir_out_text(o, weir_get_str(f, s, field[i]));
		else
			weir_out_u64(o, type == WEIR_FLOAT64 ? weir_hash_f64_slot(slot) : slot);
	}
}

bool weir_rtable_key_build(const struct weir_schema *s, uint32_t count, struct weir_str key,
			   struct weir_builder *b)
{
	struct weir_reader r = weir_reader_of(key.p, key.n);
	uint64_t nulls = 0;
	bool any = false;

	weir_read_u8(&r);
	for (uint32_t i = 0; i < count; i++)
		any |= s->field[i].nullable;
	if (any)
		nulls = weir_read_varint(&r);
	for (uint32_t i = 0; i < count && !r.bad; i++) {
		unsigned type = s->field[i].type.type;

		if (nulls >> i & 1 && s->field[i].nullable)
			weir_build_null(b, i);
		else if (weir_type_is_text(type))
			weir_build_str(b, i, weir_read_text(&r));
		else
			weir_build_slot(b, i,
					type == WEIR_BOOL ? weir_read_u64(&r) & 1
							  : weir_read_u64(&r));
	}
	return !r.bad && !weir_reader_left(&r);
}

/* ---- values ---- */

/* The slot of a value of 8 bytes; texts go to *ret_text. */
static bool value_slot(unsigned type, struct weir_str v, uint64_t *ret)
{
	double d;

	if (v.n != 8)
		return false;
	if (type == WEIR_FLOAT64) {
		d = weir_crdt_f64_of((const uint8_t *)v.p);
		memcpy(ret, &d, 8);
	} else {
		*ret = (uint64_t)weir_crdt_i64_of((const uint8_t *)v.p);
		if (type == WEIR_BOOL)
			*ret &= 1;
	}
	return true;
}

static void build_value(struct weir_builder *b, unsigned i, unsigned type, struct weir_str v)
{
	uint64_t slot;

	if (weir_type_is_text(type))
		weir_build_str(b, i, v);
	else if (value_slot(type, v, &slot))
		weir_build_slot(b, i, slot);
	else
		weir_build_null(b, i);
}

struct list {
	struct weir_builder *b;
	unsigned elem;
	uint32_t n;
	uint64_t *slot; /* NULL: only counted */
};

static bool list_item(void *ctx, const struct weir_crdt_item *item)
{
	struct list *l = ctx;
	uint64_t slot = 0;
	uint32_t at;
	void *p;

	if (!l->slot) {
		l->n++;
		return true;
	}
	if (weir_type_is_text(l->elem)) {
		p = weir_build_tail(l->b, item->value.n, 1, &at);
		if (!p)
			return false;
		if (item->value.n)
			memcpy(p, item->value.p, item->value.n);
		slot = (uint64_t)at | (uint64_t)item->value.n << 32;
	} else {
		value_slot(l->elem, item->value, &slot);
	}
	memcpy(&l->slot[l->n++], &slot, 8);
	return true;
}

static void build_list(struct weir_builder *b, unsigned i, unsigned elem, const struct weir_crdt *t,
		       struct weir_str v)
{
	struct list l = {.b = b, .elem = elem};
	uint32_t at, count;

	if (weir_crdt_each(t, v, list_item, &l) < 0 || !l.n)
		return;
	count = l.n;
	l.slot = weir_build_tail(b, 8 * (size_t)count, 8, &at);
	l.n = 0;
	if (!l.slot)
		return;
	weir_crdt_each(t, v, list_item, &l);
	weir_build_slot(b, i, (uint64_t)at | (uint64_t)count << 32);
}

/* ---- rows ---- */

uint32_t weir_rtable_columns(const struct weir_table_field *f, struct weir_field ret[2])
{
	struct weir_field x = {.type = f->type};

	memcpy(x.name, f->name, sizeof(x.name));
	switch (f->crdt.type) {
	case WEIR_CRDT_MAX:
	case WEIR_CRDT_MIN:
	case WEIR_CRDT_LWW:
		x.nullable = true;
		break;
	case WEIR_CRDT_MV:
	case WEIR_CRDT_ORSET:
	case WEIR_CRDT_LOG:
		x.type.elem = f->type.type;
		x.type.type = WEIR_LIST;
		break;
	case WEIR_CRDT_FLAG:
	case WEIR_CRDT_FLAG_OFF:
		x.type = weir_type_of(WEIR_BOOL);
		break;
	case WEIR_CRDT_HLL:
		x.type = weir_type_of(WEIR_INT64);
		break;
	case WEIR_CRDT_DDSKETCH:
		x.type = weir_type_of(WEIR_FLOAT64);
		x.nullable = true;
		ret[0] = ret[1] = x;
		snprintf(ret[0].name, sizeof(ret[0].name), "%.*s_p50", (int)WEIR_NAME_MAX - 4,
			 f->name);
		snprintf(ret[1].name, sizeof(ret[1].name), "%.*s_p99", (int)WEIR_NAME_MAX - 4,
			 f->name);
		return 2;
	default:
		if (f->type.type == WEIR_DECIMAL)
			x.type.precision = WEIR_DECIMAL_PRECISION_MAX;
		break;
	}
	ret[0] = x;
	return 1;
}

static void build_quantile(struct weir_builder *b, unsigned i, struct weir_str v, double q)
{
	double d = weir_crdt_quantile(v, q);

	if (d != d)
		weir_build_null(b, i);
	else
		weir_build_f64(b, i, d);
}

static uint32_t build_field(const struct weir_table_field *f, struct weir_str v,
			    struct weir_builder *b, uint32_t i)
{
	struct weir_str value;
	int64_t number = 0;

	switch (f->crdt.type) {
	case WEIR_CRDT_MAX:
	case WEIR_CRDT_MIN:
	case WEIR_CRDT_LWW:
		if (weir_crdt_value(&f->crdt, v, &value))
			build_value(b, i, f->type.type, value);
		else
			weir_build_null(b, i);
		return i + 1;
	case WEIR_CRDT_MV:
	case WEIR_CRDT_ORSET:
	case WEIR_CRDT_LOG:
		build_list(b, i, f->type.type, &f->crdt, v);
		return i + 1;
	case WEIR_CRDT_DDSKETCH:
		build_quantile(b, i, v, 0.5);
		build_quantile(b, i + 1, v, 0.99);
		return i + 2;
	default:
		/* A sum past the type is told as the largest there is. */
		if (weir_crdt_number(&f->crdt, v, &number) < 0)
			number = INT64_MAX;
		weir_build_i64(b, i, number);
		return i + 1;
	}
}

bool weir_rtable_row_build(const struct weir_rtable_store *s, const struct weir_table_spec *spec,
			   uint32_t number, struct weir_builder *b)
{
	const struct weir_rtable_entry *e = weir_rtable_at(s, number);
	uint32_t i = spec->key_count;

	if (!weir_rtable_key_build(b->s, spec->key_count, weir_rtable_key(s, number), b))
		return false;
	for (uint32_t f = 0; f < spec->field_count; f++)
		i = build_field(&spec->field[f], e->value[f + 1], b, i);
	weir_build_i64(b, i, weir_rtable_deleted(s, number));
	return weir_build_end(b);
}

/* ---- conflicts ---- */

/* Fields of a small record as text: "a" or ["a",3]. */
static void fields_text(struct weir_buf *o, const struct weir_frame *f, const struct weir_schema *s,
			uint32_t count)
{
	if (count > 1)
		weir_buf_char(o, '[');
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			weir_buf_char(o, ',');
		if (weir_null(f, s, i))
			weir_buf_lit(o, "null");
		else if (count == 1 && s->field[i].type.type == WEIR_STRING)
			weir_buf_str(o, weir_get_str(f, s, i));
		else
			weir_buf_value_json(o, f, weir_slot(f, s, i), s->field[i].type);
	}
	if (count > 1)
		weir_buf_char(o, ']');
}

#define TEXT_MAX (6 * WEIR_TABLE_VALUE_TEXT_MAX)

static void build_value_text(struct weir_builder *b, unsigned i, struct weir_typeinfo type,
			     struct weir_str v)
{
	struct weir_schema one = {.field_count = 1};
	uint64_t mem[(WEIR_TABLE_VALUE_TEXT_MAX + 128) / 8];
	struct weir_builder small;
	char text[TEXT_MAX];
	struct weir_buf o = weir_buf_of(text, sizeof(text));

	one.field[0].type = type;
	one.field[0].nullable = true;
	weir_schema_seal(&one);
	weir_build_begin(&small, mem, sizeof(mem), &one);
	if (v.n || weir_type_is_text(type.type))
		build_value(&small, 0, type.type, v);
	else
		weir_build_null(&small, 0);
	if (weir_build_end(&small))
		fields_text(&o, small.f, &one, 1);
	weir_build_str(b, i, (struct weir_str){text, o.len});
}

static void build_key_text(struct weir_builder *b, unsigned i, const struct weir_schema *rows,
			   uint32_t count, struct weir_str key)
{
	struct weir_schema s = *rows;
	uint64_t mem[(WEIR_TABLE_VALUE_TEXT_MAX + 16 * WEIR_KEYS_MAX + 64) / 8];
	struct weir_builder small;
	char text[TEXT_MAX];
	struct weir_buf o = weir_buf_of(text, sizeof(text));

	s.field_count = (uint16_t)count;
	weir_schema_seal(&s);
	weir_build_begin(&small, mem, sizeof(mem), &s);
	/* One that was cut has no fields: it is shown as it is. */
	if (weir_rtable_key_build(&s, count, key, &small) && weir_build_end(&small))
		fields_text(&o, small.f, &s, count);
	else
		weir_buf_json_str(&o, key);
	weir_build_str(b, i, (struct weir_str){text, o.len});
}

static void build_region(struct weir_builder *b, unsigned i, const struct weir_table_spec *spec,
			 uint32_t region)
{
	char text[16];

	if (region < spec->region_count) {
		weir_build_str(b, i, weir_str_c(spec->region[region]));
		return;
	}
	snprintf(text, sizeof(text), "%u", region);
	weir_build_str(b, i, weir_str_c(text));
}

bool weir_rtable_conflict_build(struct weir_rtable_store *s, const struct weir_table_spec *spec,
				const struct weir_schema *out, uint32_t number,
				struct weir_builder *b)
{
	struct weir_str id = weir_rtable_key(s, number);
	struct weir_rtable_conflict c;
	struct weir_typeinfo type = weir_type_of(WEIR_BOOL);
	char hex[33];

	weir_assert(weir_rtable_conflict_read(s, weir_rtable_at(s, number)->value[0], &c));
	for (uint32_t i = 0; i < 16; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", (uint8_t)id.p[i + 1]);
	weir_build_str(b, 0, weir_str_c(hex));
	build_key_text(b, 1, out, spec->key_count, c.key);
	if (c.value)
		type = spec->field[c.value - 1].type;
	weir_build_str(b, 2, c.value ? weir_str_c(spec->field[c.value - 1].name) : WEIR_STR(""));
	weir_build_str(b, 3, weir_str_c(weir_crdt_name(c.type)));
	build_region(b, 4, spec, weir_writer_region(c.c.won.writer));
	weir_build_i64(b, 5, (int64_t)c.c.won.version);
	weir_build_i64(b, 6, (int64_t)c.c.won.hlc);
	build_value_text(b, 7, type, c.c.won_value);
	build_region(b, 8, spec, weir_writer_region(c.c.lost.writer));
	weir_build_i64(b, 9, (int64_t)c.c.lost.version);
	weir_build_i64(b, 10, (int64_t)c.c.lost.hlc);
	build_value_text(b, 11, type, c.c.lost_value);
	build_region(b, 12, spec, c.decided_by);
	return weir_build_end(b);
}
