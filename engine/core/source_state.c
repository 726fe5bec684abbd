/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/source_state.h"

#define VERSION 1
#define ENDED 1u

enum { PLACE_AT_START = 1, PLACE_SKIPPING = 2, PLACE_HEADED = 4 };

void weir_source_put(const struct weir_source *s, struct weir_out *o)
{
	weir_out_u8(o, VERSION);
	weir_out_u8(o, s->ended && !s->cut ? ENDED : 0);
	weir_out_varint(o, s->rows);
	weir_out_i64(o, s->watermark);
}

int weir_source_damaged(struct weir_node *n, const char *what)
{
	return weir_err_set(&n->task->err, WEIR_E_CORRUPT,
			    "step `%s`: the saved position of the source is damaged (%s)",
			    n->step_name, what);
}

int weir_source_get(struct weir_node *n, struct weir_restore *r)
{
	struct weir_source *s = n->op;
	uint8_t version = weir_read_u8(&r->in), flags = weir_read_u8(&r->in);
	uint64_t rows = weir_read_varint(&r->in);
	int64_t watermark = weir_read_i64(&r->in);

	if (r->in.bad)
		return weir_source_damaged(n, "too short");
	if (version != VERSION)
		return weir_err_set(&n->task->err, WEIR_E_VERSION,
				    "step `%s`: the saved position of the source has version %u, "
				    "this weir reads %d",
				    n->step_name, version, VERSION);
	if (r->instances_then != r->instances || r->instance_then != r->instance)
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: the source ran with %u tasks and has %u now, but its "
			"positions cannot be divided anew: write `parallelism: %u`",
			n->step_name, r->instances_then, r->instances, r->instances_then);
	s->ended = flags & ENDED;
	s->rows = s->rows_told = rows;
	s->watermark = watermark;
	return 0;
}

void weir_source_place_put(struct weir_out *o, const struct weir_decoder_place *p)
{
	weir_out_u8(o,
		    (uint8_t)((p->at_start ? PLACE_AT_START : 0) |
			      (p->skipping ? PLACE_SKIPPING : 0) | (p->headed ? PLACE_HEADED : 0)));
	weir_out_varint(o, p->line);
	weir_out_varint(o, p->record);
	weir_out_varint(o, p->skip_bytes);
}

void weir_source_place_get(struct weir_reader *in, struct weir_decoder_place *ret)
{
	uint8_t flags = weir_read_u8(in);

	ret->at_start = flags & PLACE_AT_START;
	ret->skipping = flags & PLACE_SKIPPING;
	ret->headed = flags & PLACE_HEADED;
	ret->line = weir_read_varint(in);
	ret->record = weir_read_varint(in);
	ret->skip_bytes = weir_read_varint(in);
}
