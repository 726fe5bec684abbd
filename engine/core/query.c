/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/query.h"

void weir_query_out_init(struct weir_query_out *out, void *rows, uint32_t limit)
{
	*out = (struct weir_query_out){.rows = weir_buf_of(rows, WEIR_QUERY_BYTES),
				       .limit = WEIR_MIN(limit, WEIR_QUERY_ROWS),
				       .work = WEIR_QUERY_WORK};
}

bool weir_query_room(struct weir_query_out *out, uint32_t work)
{
	if (out->work <= 0 || out->count >= out->limit)
		return false;
	out->work -= (int32_t)WEIR_MIN(work, (uint32_t)WEIR_QUERY_WORK);
	return true;
}

struct weir_buf *weir_query_row(struct weir_query_out *out)
{
	out->mark = out->rows.len;
	if (out->count)
		weir_buf_char(&out->rows, ',');
	return &out->rows;
}

bool weir_query_row_end(struct weir_query_out *out)
{
	if (weir_unlikely(out->rows.full)) {
		out->rows.full = false;
		out->rows.len = out->mark;
		if (out->count)
			return false;
		weir_buf_lit(&out->rows, "{\"error\":\"a row of more than 64 KiB is not shown\"}");
	}
	out->count++;
	return true;
}
