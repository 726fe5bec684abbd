/* SPDX-License-Identifier: Apache-2.0 */
/* source: file (one, a directory, a pattern; plain or packed; followed) and stdin. */
#include <stdio.h>
#include <unistd.h>

#include "engine/core/source_state.h"
#include "engine/edge/input.h"
#include "engine/edge/records.h"

struct source_file {
	struct weir_records r;
	struct weir_byte_input *input;
	bool hungry; /* the decoder wants more bytes */
	bool shared; /* other tasks read the same path */
	struct weir_decoder_place place; /* restored */
	bool put_back; /* there is something to go back to */
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
				o->r.source.ended = o->r.source.cut =
					true; /* what was read is through */
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

/* ---- state ---- */

static void source_file_freeze(struct weir_node *n, struct weir_out *out)
{
	struct source_file *o = n->op;
	struct weir_decoder_place place;

	weir_source_put(&o->r.source, out);
	if (!o->input)
		return;
	weir_decoder_place(o->r.decoder, &place);
	weir_source_place_put(out, &place);
	weir_input_freeze(o->input, out);
}

static bool source_file_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct source_file *o = n->op;

	(void)begin;
	(void)budget;
	if (o->input)
		weir_input_touch(o->input);
	return true;
}

static int source_file_restore(struct weir_node *n, struct weir_restore *r)
{
	struct source_file *o = n->op;
	int rc = weir_source_get(n, r);

	if (rc)
		return rc;
	if (!o->input) {
		o->r.source.ended = true;
		return 0;
	}
	weir_source_place_get(&r->in, &o->place);
	if (r->in.bad)
		return weir_source_damaged(n, "too short");
	o->put_back = true;
	rc = weir_input_restore(o->input, &r->in, &n->task->err);
	if (rc)
		return weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return weir_reader_left(&r->in) ? weir_source_damaged(n, "too long") : 0;
}

/* The columns of a csv file, or the streams of a raw one, are found in its head again. */
static int read_head(struct source_file *o, struct weir_err *err)
{
	for (;;) {
		struct weir_decoder_place at;
		struct weir_input_window w;
		struct weir_decoded d;
		int r;

		weir_input_window(o->input, &w);
		/* Nothing is built before the head is through. */
		r = weir_decode(o->r.decoder, w.p, w.n, w.eof, NULL, 0, &d, err);
		if (r < 0)
			return weir_input_changed(o->input, err, "%.150s", err->text);
		weir_input_consume(o->input, d.consumed);
		weir_decoder_place(o->r.decoder, &at);
		if (at.headed)
			return 0;
		if (d.kind != WEIR_DECODE_MORE)
			continue;
		if (w.eof)
			return weir_input_changed(o->input, err, "it ends inside its head");
		r = weir_input_fill(o->input, err);
		if (r < 0)
			return r;
	}
}

static int go_back(struct source_file *o, struct weir_err *err)
{
	int r = weir_input_reopen(o->input, err);

	weir_decoder_restart(o->r.decoder);
	if (r != WEIR_INPUT_FILE)
		return r;
	if (o->place.headed && weir_decoder_has_head(o->r.decoder)) {
		r = read_head(o, err);
		if (r < 0)
			return r;
	}
	r = weir_input_seek(o->input, err);
	if (r == 0)
		weir_decoder_put_back(o->r.decoder, &o->place);
	return r;
}

static int source_file_restored(struct weir_node *n)
{
	struct source_file *o = n->op;
	int r;

	if (!o->put_back || o->r.source.ended)
		return 0;
	r = go_back(o, &n->task->err);
	return r < 0 ? weir_err_prefix(&n->task->err, "step `%s`", n->step_name) : 0;
}

static void source_file_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct source_file *o = n->op;
	const struct weir_source_spec *s = o->r.spec;

	if (!s) {
		weir_buf_lit(b, "stdin");
		return;
	}
	weir_buf_printf(b, "%s %s", s->connector == WEIR_CONN_FILE ? "file" : "stdin",
			s->format == WEIR_FORMAT_CSV	 ? "csv"
			: s->format == WEIR_FORMAT_JSONL ? "jsonl"
							 : "raw");
	if (s->format == WEIR_FORMAT_CSV && s->csv.header)
		weir_buf_lit(b, " header");
	/* Tasks share a followed directory in another way: a file could change hands. */
	if (o->shared)
		weir_buf_lit(b, s->follow ? " by name" : " in turn");
}

static const struct weir_state_ops source_file_state = {
	.freeze = source_file_freeze,
	.touch = source_file_touch,
	.restore = source_file_restore,
	.restored = source_file_restored,
	.sign = source_file_sign,
};

static const struct weir_op_class source_file_class = {
	.name = "file",
	.run = source_file_run,
	.fini = source_file_fini,
	.source = true,
	.state = &source_file_state,
};

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
	o->shared = env->instances > 1;
	o->r.source.drains = true;
	if (s->connector == WEIR_CONN_STDIO && env->instance > 0) {
		/* Standard input can be read by one only. */
		weir_source_setup(&o->r.source, env);
		o->r.source.ended = true;
		return 0;
	}
	r = weir_records_init(&o->r, n, env);
	if (r < 0 || env->dry)
		return r;
	r = weir_input_open(&in, &o->input, &n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
