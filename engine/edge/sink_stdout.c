/* SPDX-License-Identifier: Apache-2.0 */
/* sink: stdout, and sink: blackhole (counts and forgets). */
#include <errno.h>
#include <unistd.h>

#include "engine/edge/sink.h"

#define FLUSH_NS ((uint64_t)WEIR_NS_PER_MS)

struct sink_stdout {
	struct weir_sink_text text;
	uint64_t flushed_ns;
	bool headed;
};

static int flush(struct weir_node *n, struct sink_stdout *o)
{
	size_t at = 0;

	while (at < o->text.buf.len) {
		ssize_t w = write(STDOUT_FILENO, o->text.buf.p + at, o->text.buf.len - at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return weir_err_set(&n->task->err, -errno,
					    "step `%s`: cannot write to standard output: %s",
					    n->step_name, weir_strerror(-errno));
		at += (size_t)w;
	}
	o->text.buf.len = 0;
	o->flushed_ns = n->task->mono_ns;
	return 0;
}

static int sink_stdout_run(struct weir_node *n)
{
	struct sink_stdout *o = n->op;
	int progress = 0, r;

	if (!o->headed) {
		weir_encode_head(&o->text.enc, &o->text.buf);
		o->headed = true;
	}
	while (n->in.pos < n->in.count) {
		progress += (int)weir_sink_text_take(&o->text, n);
		if (n->in.pos < n->in.count || n->task->mono_ns - o->flushed_ns > FLUSH_NS) {
			r = flush(n, o);
			if (r < 0)
				return r;
		}
	}
	if (n->in.ctl.kind) {
		progress = 1;
		if (weir_sink_control(n)) {
			r = flush(n, o);
			if (r < 0)
				return r;
		}
	}
	return progress;
}

static int sink_stdout_tick(struct weir_node *n)
{
	return flush(n, n->op);
}

static const struct weir_op_class sink_stdout_class = {
	.name = "stdout", .run = sink_stdout_run, .tick = sink_stdout_tick};

int weir_sink_stdout_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_stdout *o = weir_region_new(env->region, struct sink_stdout);

	n->cls = &sink_stdout_class;
	n->op = o;
	weir_sink_text_init(&o->text, n, env);
	o->headed = env->instance > 0 || (o->text.enc.format == WEIR_FORMAT_CSV &&
					  !env->step->sink.csv.header);
	return 0;
}

static int blackhole_run(struct weir_node *n)
{
	n->rows_in += n->in.count - n->in.pos;
	n->in.pos = n->in.count;
	if (n->in.ctl.kind)
		weir_sink_control(n);
	return 1;
}

static const struct weir_op_class blackhole_class = {.name = "blackhole", .run = blackhole_run};

int weir_sink_blackhole_open(struct weir_node *n, const struct weir_conn_env *env)
{
	(void)env;
	n->cls = &blackhole_class;
	return 0;
}
