/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/sink.h"

#include "base/assert.h"

void weir_sink_text_init(struct weir_sink_text *t, struct weir_node *n,
			 const struct weir_conn_env *env)
{
	/* JSON may need several bytes for one: the largest record always fits into an empty buffer. */
	size_t cap = WEIR_MAX((size_t)256 * 1024, (size_t)n->task->record_max * 8);

	t->schema[0] = env->in;
	t->enc = (struct weir_encoder_spec){.format = env->step->sink.format,
					    .csv = env->step->sink.csv,
					    .stream_count = 1,
					    .schema = t->schema};
	t->buf = weir_buf_of(weir_region_alloc(env->region, cap), cap);
}

uint32_t weir_sink_text_take(struct weir_sink_text *t, struct weir_node *n)
{
	struct weir_batch *in = &n->in;
	uint32_t before = in->pos;

	for (; in->pos < in->count; in->pos++) {
		size_t at = t->buf.len;

		weir_encode_record(&t->enc, &t->buf, in->row[in->pos]);
		if (weir_unlikely(t->buf.full)) {
			weir_assert(at > 0);
			t->buf.full = false;
			t->buf.len = at;
			break;
		}
	}
	n->rows_in += in->pos - before;
	return in->pos - before;
}

bool weir_sink_control(struct weir_node *n)
{
	struct weir_ctl ctl = n->in.ctl;

	n->in.ctl.kind = 0;
	if (ctl.kind == WEIR_FRAME_WATERMARK)
		n->watermark = WEIR_MAX(n->watermark, ctl.value);
	if (ctl.kind == WEIR_FRAME_EOS)
		n->watermark = WEIR_TIME_MAX;
	return ctl.kind == WEIR_FRAME_EOS;
}
