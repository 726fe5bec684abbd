/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of an edge must agree on, and the edge's id. docs/formats/edge.md */
#include "base/assert.h"
#include "base/buf.h"
#include "base/checksum.h"
#include "engine/core/edge_int.h"

#define VERSION 1u
#define TEXTS 6 /* as in name[] */

static const char *const name[TEXTS] = {"cluster",     "pipeline",    "step",
					"output port", "region from", "region to"};

static void put_field(struct weir_out *o, const struct weir_field *f)
{
	weir_out_text(o, weir_str_c(f->name));
	weir_out_u8(o, f->type.type);
	weir_out_u8(o, f->type.elem);
	weir_out_u8(o, f->type.precision);
	weir_out_u8(o, f->type.scale);
	weir_out_u8(o, f->nullable);
}

void weir_edge_hello_put(struct weir_out *o, const char *cluster, const char *pipeline,
			 const char *step, const char *port, const char *from, const char *to,
			 const struct weir_schema *schema)
{
	const char *text[TEXTS] = {cluster, pipeline, step, port, from, to};

	weir_out_u8(o, VERSION);
	for (unsigned i = 0; i < TEXTS; i++)
		weir_out_text(o, weir_str_c(text[i]));
	weir_out_varint(o, schema->field_count);
	for (unsigned i = 0; i < schema->field_count; i++)
		put_field(o, &schema->field[i]);
}

/* ---- what is different ---- */

struct hello_field {
	struct weir_str name;
	uint8_t type[5]; /* as in put_field() */
};

static bool get_field(struct weir_reader *r, struct hello_field *ret)
{
	const void *p;

	ret->name = weir_read_text(r);
	p = weir_read(r, sizeof(ret->type));
	if (!p || ret->name.n == 0 || ret->name.n > WEIR_NAME_MAX)
		return false;
	memcpy(ret->type, p, sizeof(ret->type));
	return true;
}

static void show_field(struct weir_buf *b, const struct hello_field *f)
{
	weir_buf_printf(b, "`%.*s: %s", (int)f->name.n, f->name.p, weir_type_name(f->type[0]));
	if (f->type[0] == WEIR_DECIMAL)
		weir_buf_printf(b, "(%u,%u)", f->type[2], f->type[3]);
	if (f->type[0] == WEIR_LIST)
		weir_buf_printf(b, "<%s>", weir_type_name(f->type[1]));
	weir_buf_lit(b, f->type[4] ? "?`" : "`");
}

/* Readers stand at the number of fields. */
static void fields_differ(struct weir_reader *here, struct weir_reader *there, struct weir_buf *b)
{
	uint64_t n = weir_read_varint(here), m = weir_read_varint(there);

	for (uint64_t i = 0; i < n && i < m; i++) {
		struct hello_field x, y;

		if (!get_field(here, &x) || !get_field(there, &y))
			break;
		if (weir_str_eq(x.name, y.name) && memcmp(x.type, y.type, sizeof(x.type)) == 0)
			continue;
		weir_buf_printf(b, "field %u is ", (unsigned)i + 1);
		show_field(b, &x);
		weir_buf_lit(b, " here and ");
		show_field(b, &y);
		weir_buf_lit(b, " there");
		return;
	}
	if (!here->bad && !there->bad && n != m)
		weir_buf_printf(b, "records have %llu fields here and %llu there",
				(unsigned long long)n, (unsigned long long)m);
	else
		weir_buf_lit(b, "the other end's description is no description of records");
}

void weir__edge_hello_differ(struct weir_str ours, struct weir_str theirs, char *ret, size_t cap)
{
	struct weir_reader here = weir_reader_of(ours.p, ours.n),
			   there = weir_reader_of(theirs.p, theirs.n);
	struct weir_buf b = weir_buf_of(ret, cap - 1);

	if (weir_read_u8(&here) != weir_read_u8(&there)) {
		weir_buf_lit(&b, "the other end has another version");
		goto out;
	}
	for (unsigned i = 0; i < TEXTS; i++) {
		struct weir_str x = weir_read_text(&here), y = weir_read_text(&there);

		if (weir_str_eq(x, y) || there.bad)
			continue;
		weir_buf_printf(&b, "%s is `%.*s` here and `%.*s` there", name[i],
				(int)WEIR_MIN(x.n, (size_t)WEIR_NAME_MAX), x.p,
				(int)WEIR_MIN(y.n, (size_t)WEIR_NAME_MAX), y.p);
		goto out;
	}
	fields_differ(&here, &there, &b);
out:
	ret[b.len] = 0;
	/* The other end's bytes: nothing that upsets a terminal. */
	for (char *p = ret; *p; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

/* ---- id ---- */

static uint64_t add_text(uint64_t id, const char *s)
{
	size_t n = strlen(s);

	return weir_hash64_seed(s, n, id + n);
}

uint64_t weir_edge_id(const char *cluster, const char *pipeline, const char *step, const char *port,
		      const char *from, const char *to, uint32_t task, const char *spread)
{
	const char *text[] = {cluster, pipeline, step, port, from, to, spread};
	uint64_t id = task;

	for (unsigned i = 0; i < WEIR_COUNT_OF(text); i++)
		id = add_text(id, text[i]);
	return id ? id : 1; /* 0 is no edge */
}
