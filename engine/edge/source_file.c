/* SPDX-License-Identifier: Apache-2.0 */
/* source: file (one, a directory, a pattern; plain or packed; followed) and stdin. */
#include <stdio.h>
#include <unistd.h>

#include "engine/edge/input.h"
#include "engine/edge/records.h"

struct source_file {
	struct weir_records r;
	struct weir_byte_input *input;
	bool hungry; /* the decoder wants more bytes */
};

/* Brings more bytes. 1: the window changed, 0: nothing now or the end, <0: error. */
static int feed(struct weir_node *n, struct source_file *o)
{
	int state = weir_input_fill(o->input, &n->task->err);
	const char *note = weir_input_note(o->input);

	if (note)
		fprintf(stderr, "weir: step `%s`: %s\n", n->step_name, note);
	switch (state) {
	case WEIR_INPUT_END:
		o->r.source.ended = true;
		return 0;
	case WEIR_INPUT_WAIT:
		o->r.source.wait_ns = (uint64_t)WEIR_NS_PER_MS;
		return 0;
	case WEIR_INPUT_FILE:
		weir_decoder_restart(o->r.decoder);
		return 1;
	case WEIR_INPUT_BYTES:
		return 1;
	default:
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
		return state;
	}
}

static int source_file_run(struct weir_node *n)
{
	struct source_file *o = n->op;
	uint64_t before = o->r.source.rows;

	o->r.fresh = true;
	for (int reads = 0; reads < 4;) {
		struct weir_input_window w;
		size_t used;
		int r;

		if (o->hungry) {
			if (o->r.source.stopping) {
				o->r.source.ended = true; /* what was read is through */
				return 1;
			}
			r = feed(n, o);
			if (r < 0)
				return r;
			if (r == 0)
				return o->r.source.ended || o->r.source.rows != before;
			reads++;
			o->hungry = false;
		}
		weir_input_window(o->input, &w);
		r = weir_records_emit(&o->r, n, w.p, w.n, w.eof, weir_input_name(o->input),
				      (int64_t)w.offset, &used);
		if (r < 0)
			return r;
		weir_input_consume(o->input, used);
		if (r == WEIR_RECORDS_BUDGET)
			return 1;
		o->hungry = true;
	}
	return 1;
}

static void source_file_fini(struct weir_node *n)
{
	struct source_file *o = n->op;

	weir_input_close(o->input);
}

static const struct weir_op_class source_file_class = {
	.name = "file", .run = source_file_run, .fini = source_file_fini, .source = true};

int weir_source_file_open(struct weir_node *n, const struct weir_conn_env *env)
{
	const struct weir_source_spec *s = &env->step->source;
	struct source_file *o = weir_region_new(env->region, struct source_file);
	struct weir_input_options in = {
		.path = s->connector == WEIR_CONN_FILE ? s->path : NULL,
		.fd = STDIN_FILENO,
		.compression = s->compression,
		.follow = s->follow,
		.window_max = WEIR_INPUT_WINDOW_DEFAULT,
		.instance = env->instance,
		.instances = env->instances,
	};
	int r;

	n->cls = &source_file_class;
	n->op = o;
	o->hungry = true;
	o->r.source.drains = true;
	if (s->connector == WEIR_CONN_STDIO && env->instance > 0) {
		/* Standard input can be read by one only. */
		weir_source_setup(&o->r.source, env);
		o->r.source.ended = true;
		return 0;
	}
	r = weir_records_init(&o->r, n, env);
	if (r < 0)
		return r;
	r = weir_input_open(&in, &o->input, &n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
