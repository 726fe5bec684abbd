/* SPDX-License-Identifier: Apache-2.0 */
#include "state/crdt_int.h"

#define MERGED_VERSION 1u

static bool part_read(struct weir_reader *r, struct crdt_part *p)
{
	p->writer = weir_read_varint(r);
	p->version = weir_read_varint(r);
	p->body = weir_read_text(r);
	return !r->bad && p->version > 0 && p->version < UINT64_MAX;
}

int weir__crdt_parse(const struct weir_crdt *t, struct weir_str v, struct crdt_parts *ret)
{
	struct weir_reader r = crdt_reader(v);
	weir_writer last = 0;

	ret->n = 0;
	ret->has_merged = false;
	while (weir_reader_left(&r)) {
		struct crdt_part p;

		if (!part_read(&r, &p))
			return WEIR_E_CORRUPT;
		if (p.writer == 0 && t->type == WEIR_CRDT_CUSTOM && !ret->has_merged && !ret->n &&
		    p.version == MERGED_VERSION) {
			ret->has_merged = true;
			ret->merged = p.body;
			continue;
		}
		if (p.writer <= last || ret->n == WEIR_CRDT_PARTS)
			return WEIR_E_CORRUPT;
		last = p.writer;
		ret->p[ret->n++] = p;
	}
	return 0;
}

int weir__crdt_parse_all(const struct weir_crdt *t, struct weir_str v, struct crdt_parts *ret)
{
	int rc = weir__crdt_parse(t, v, ret);

	for (uint32_t i = 0; rc == 0 && i < ret->n; i++)
		if (!weir__crdt_classes[t->type]->check(t, &ret->p[i]))
			rc = WEIR_E_CORRUPT;
	if (rc == 0 && t->type == WEIR_CRDT_CUSTOM && !weir__crdt_custom_canonical(ret))
		rc = WEIR_E_CORRUPT;
	return rc;
}

static void part_write(const struct crdt_part *p, struct weir_out *o)
{
	weir_out_varint(o, p->writer);
	weir_out_varint(o, p->version);
	weir_out_text(o, p->body);
}

void weir__crdt_write(const struct crdt_parts *v, struct weir_out *o)
{
	if (v->has_merged) {
		struct crdt_part p = {.version = MERGED_VERSION, .body = v->merged};

		part_write(&p, o);
	}
	for (uint32_t i = 0; i < v->n; i++)
		part_write(&v->p[i], o);
}

const struct crdt_part *weir__crdt_part_of(const struct crdt_parts *v, weir_writer w)
{
	for (uint32_t i = 0; i < v->n; i++)
		if (v->p[i].writer == w)
			return &v->p[i];
	return NULL;
}

struct weir_str weir__crdt_flat(const struct weir_out *o, struct weir_out *hold)
{
	void *p;

	weir_out_init(hold, o->mem);
	if (!o->bytes)
		return (struct weir_str){"", 0};
	p = weir_out_claim(hold, (size_t)o->bytes);
	weir_out_copy(o, p);
	weir_out_keep(hold, (size_t)o->bytes);
	return (struct weir_str){p, (size_t)o->bytes};
}

void weir__crdt_drop(struct crdt_parts *v, const bool *gone)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->n; i++)
		if (!gone[i])
			v->p[n++] = v->p[i];
	v->n = n;
}

bool weir__crdt_is_stable(const struct crdt_stable *s, weir_writer w, uint64_t version)
{
	return s->of(s->ctx, w) >= version;
}

int weir__crdt_dot_cmp(const struct weir_dot *a, const struct weir_dot *b)
{
	int c = crdt_order(a->hlc, b->hlc);

	if (!c)
		c = crdt_order(a->writer, b->writer);
	return c ? c : crdt_order(a->version, b->version);
}
