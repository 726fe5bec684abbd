/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/sink.h"

#include "base/assert.h"
#include "engine/edge/edge_end.h"
#include "engine/edge/sink_postgres.h"

enum weir_guarantee weir_sink_guarantee(const struct weir_conn_env *env)
{
	enum weir_guarantee g =
		env->pipeline ? env->pipeline->state.guarantee : WEIR_GUARANTEE_NONE;

	return g < WEIR_GUARANTEE_NONE ? WEIR_GUARANTEE_NONE : g;
}

const struct weir_sink_ops *weir_sink_ops_of(enum weir_connector c, enum weir_guarantee g)
{
	bool exactly = g == WEIR_GUARANTEE_EXACTLY_ONCE;

	if (g <= WEIR_GUARANTEE_NONE)
		return NULL;
	switch (c) {
	case WEIR_CONN_FILE:
		return &weir_sink_file_ops;
	case WEIR_CONN_STDIO:
		return exactly ? &weir_sink_stdout_ops : &weir_sink_stdout_direct_ops;
	case WEIR_CONN_TCP:
		return exactly ? &weir_sink_tcp_ops : &weir_sink_tcp_direct_ops;
	case WEIR_CONN_BLACKHOLE:
		return &weir_sink_blackhole_ops;
	case WEIR_CONN_POSTGRES:
		return &weir__pg_sink_ops;
	case WEIR_CONN_EDGE:
		return &weir_sink_edge_ops;
	default:
		return NULL;
	}
}

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

void weir_sink_text_sign(const struct weir_sink_text *t, struct weir_buf *b)
{
	const struct weir_schema *s = t->schema[0];

	if (t->enc.format == WEIR_FORMAT_JSONL) {
		weir_buf_lit(b, " jsonl");
		return;
	}
	weir_buf_lit(b, t->enc.format == WEIR_FORMAT_CSV ? " csv" : " raw");
	if (t->enc.format == WEIR_FORMAT_CSV) {
		weir_buf_lit(b, t->enc.csv.header ? " header " : " ");
		weir_buf_json_str(b, (struct weir_str){&t->enc.csv.delimiter, 1});
		if (t->enc.csv.null_text && *t->enc.csv.null_text)
			weir_buf_json_str(b, weir_str_c(t->enc.csv.null_text));
	}
	for (uint32_t i = 0; i < s->field_count; i++) {
		weir_buf_char(b, ' ');
		weir_buf_str(b, weir_str_c(s->field[i].name));
		weir_buf_char(b, ':');
		weir_buf_type(b, &s->field[i]);
	}
}

bool weir_sink_control(struct weir_node *n)
{
	struct weir_ctl ctl = n->in.ctl;

	if (ctl.kind == WEIR_FRAME_BARRIER)
		weir_node_freeze(n);
	n->in.ctl.kind = 0;
	if (ctl.kind == WEIR_FRAME_WATERMARK)
		n->watermark = WEIR_MAX(n->watermark, ctl.value);
	if (ctl.kind == WEIR_FRAME_EOS)
		n->watermark = WEIR_TIME_MAX;
	return ctl.kind == WEIR_FRAME_EOS;
}
