/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/records.h"

#include <stdio.h>

int weir_records_init(struct weir_records *r, struct weir_node *n, const struct weir_conn_env *env)
{
	const struct weir_step *step = env->step;
	const struct weir_source_spec *s = &step->source;
	const struct weir_schema **schema =
		weir_region_array(env->region, const struct weir_schema *, s->stream_count);
	const char **name = weir_region_array(env->region, const char *, s->stream_count);
	int32_t *time_field = weir_region_array(env->region, int32_t, s->stream_count);
	struct weir_decoder_spec *spec = &r->decoder_spec;

	*spec = (struct weir_decoder_spec){.format = s->format,
					   .csv = s->csv,
					   .stream_count = s->stream_count,
					   .schema = schema,
					   .stream_name = name,
					   .type_field = s->type_field,
					   .time_field = time_field};

	if (s->stream_count > WEIR_STREAMS_MAX)
		return weir_err_set(&n->task->err, WEIR_E_LIMIT,
				    "step `%s`: at most %d streams in one source", step->name,
				    WEIR_STREAMS_MAX);
	for (uint32_t i = 0; i < s->stream_count; i++) {
		schema[i] = step->port[i].schema;
		name[i] = step->port[i].name;
		time_field[i] = -1;
		if (s->time_field >= 0)
			time_field[i] = weir_schema_find(
				schema[i], weir_str_c(schema[0]->field[s->time_field].name));
		spec->want[i] = step->port[i].uses > 0;
	}
	r->spec = s;
	r->stream_count = s->stream_count;
	r->policy = step->on_error;
	r->rejects_port = env->rejects_port;
	weir_source_setup(&r->source, env);
	r->decoder = weir_records_decoder(r, n, env->region);
	return r->decoder ? 0 : n->task->err.code;
}

struct weir_decoder *weir_records_decoder(struct weir_records *r, struct weir_node *n,
					  struct weir_region *region)
{
	struct weir_decoder *d = NULL;

	weir_decoder_new(&r->decoder_spec, region, &d, &n->task->err);
	return d;
}

/* 0: handled, 1: no room, <0: stop. */
static int reject(struct weir_records *r, struct weir_node *n, const struct weir_decoded *d,
		  const char *name, int64_t offset)
{
	char reason[256];

	if (r->policy == WEIR_ON_ERROR_SKIP) {
		n->rejects++;
		return 0;
	}
	if (r->policy == WEIR_ON_ERROR_ROUTE && r->rejects_port >= 0)
		return weir_node_reject_text(n, r->rejects_port, d->reason, name, d->line, offset,
					     d->record);
	snprintf(reason, sizeof(reason), "%.*s", (int)WEIR_MIN(d->record.n, (size_t)100),
		 d->record.p);
	return weir_err_set(&n->task->err, WEIR_E_REJECT,
			    "step `%s`: %s:%llu: %s in `%s` (on_error: skip or route would go on)",
			    n->step_name, name, (unsigned long long)d->line, d->reason, reason);
}

/*
 * Frames of all streams are built in the memory of one port. A source runs only while its task is idle,
 * so that memory is free as a whole when a run starts, whoever held rows of it.
 */
static struct weir_port *scratch_port(struct weir_records *r, struct weir_node *n)
{
	for (uint32_t i = 0; i < r->stream_count; i++) {
		if (!n->port[i].scratch_cap)
			continue;
		n->port[i].scratch_used = r->fresh ? 0 : n->port[i].scratch_used;
		r->fresh = false;
		return &n->port[i];
	}
	return NULL;
}

/* A reject must find room when it comes: the decoder does not take a record back. */
static bool reject_room(const struct weir_records *r, struct weir_node *n)
{
	uint32_t cap;

	if (r->policy != WEIR_ON_ERROR_ROUTE || r->rejects_port < 0)
		return true;
	return weir_port_room(&n->port[r->rejects_port]) &&
	       weir_port_claim(&n->port[r->rejects_port], n->task->record_max, &cap);
}

int weir_records_emit(struct weir_records *r, struct weir_node *n, const char *p, size_t size,
		      bool eof, const char *name, int64_t offset, size_t *ret_used)
{
	struct weir_source *s = &r->source;
	struct weir_port *port = scratch_port(r, n);
	uint32_t room = s->budget;
	size_t used = 0;
	int end = WEIR_RECORDS_BUDGET;

	*ret_used = 0;
	if (!port)
		return weir_err_set(&n->task->err, WEIR_E_CONFIG, "step `%s`: nobody reads it",
				    n->step_name);
	for (uint32_t i = 0; i < r->stream_count; i++)
		room = WEIR_MIN(room, weir_port_room(&n->port[i]));
	while (room && port->scratch_cap - port->scratch_used >= n->task->record_max) {
		struct weir_decoded d;
		uint8_t *mem = port->scratch + port->scratch_used;
		int x;

		if (!reject_room(r, n))
			break;
		x = weir_decode(r->decoder, p + used, size - used, eof, mem, n->task->record_max,
				&d, &n->task->err);
		if (x < 0) {
			weir_err_prefix(&n->task->err, "step `%s`: %s", n->step_name, name);
			*ret_used = used;
			return x;
		}
		if (d.kind == WEIR_DECODE_MORE) {
			end = WEIR_RECORDS_MORE;
			break;
		}
		if (d.kind == WEIR_DECODE_RECORD) {
			const struct weir_frame *f = (const struct weir_frame *)(void *)mem;

			weir_port_keep(port, weir_frame_stride(f));
			weir_port_push(&n->port[d.stream], f);
			weir_source_saw(s, f->time_ns);
			s->rows++;
			room--;
		} else if (d.kind == WEIR_DECODE_REJECT) {
			x = reject(r, n, &d, name, offset < 0 ? -1 : offset + (int64_t)used);
			if (x < 0) {
				*ret_used = used;
				return x;
			}
		}
		used += d.consumed;
	}
	*ret_used = used;
	return end;
}
