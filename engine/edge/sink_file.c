/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: file. The path is a directory of part files. A part is written under a hidden temporary name,
 * synced, and renamed when it is complete: whoever reads the directory sees whole parts only.
 * With epochs a part also waits for the commit of the epoch that completed it (sink_file_epoch.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/durable.h"
#include "engine/edge/sink_file.h"

static const char *format_extension(enum weir_format f)
{
	return f == WEIR_FORMAT_CSV ? ".csv" : f == WEIR_FORMAT_RAW ? ".raw" : ".jsonl";
}

static int fail(struct weir_file_sink *o, int code, const char *doing, const char *what)
{
	return weir__file_fail(&o->dir, &o->task->err, code, doing, what);
}

int weir__file_failed(struct weir_file_sink *o, int r)
{
	struct weir_err was;

	weir_err_prefix(&o->task->err, "step `%s`: %s", o->dir.step, o->dir.path);
	was = o->task->err;
	if (o->epochs && (r == -ENOSPC || r == -EDQUOT))
		weir_err_set(
			&o->task->err, r,
			"%.300s. Nothing is lost: make room and start again, the pipeline goes "
			"on from its state directory",
			was.text);
	return r;
}

static void wrote(void *ctx, const void *p, size_t n)
{
	weir_running_sum_add((struct weir_running_sum *)ctx, p, n);
}

int weir__file_output(struct weir_file_sink *o)
{
	struct weir_output_options opt = {.fd = o->fd,
					  .name = o->tmp,
					  .compression = o->spec->compression,
					  .wrote = o->epochs ? wrote : NULL,
					  .ctx = o->sum};

	return weir_output_open(&opt, &o->out, &o->task->err);
}

int weir__file_part_open(struct weir_file_sink *o)
{
	char head[65536];
	struct weir_buf b = weir_buf_of(head, sizeof(head));
	int r;

	o->number++;
	weir__file_name(&o->dir, o->number, false, o->name);
	weir__file_name(&o->dir, o->number, true, o->tmp);
	o->fd = openat(o->dir.fd, o->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		       0640);
	if (o->fd < 0)
		return fail(o, -errno, "create", o->tmp);
	o->begun = true;
	o->opened_ns = o->task->mono_ns;
	if (o->epochs)
		weir_running_sum_start(o->sum);
	r = weir__file_output(o);
	if (r < 0 || (o->headed && o->spec->format != WEIR_FORMAT_RAW))
		return r;
	/* One header for all parts of a step, so that `cat part-*` is a well-formed file. Raw parts stand
	 * alone. */
	weir_encode_head(&o->text.enc, &b);
	o->headed = true;
	return weir_output_write(o->out, b.p, b.len, &o->task->err);
}

int weir__file_write_out(struct weir_file_sink *o)
{
	int r;

	if (o->text.buf.len == 0)
		return 0;
	if (!o->out) {
		r = weir__file_part_open(o);
		if (r < 0)
			return r;
	}
	r = weir_output_write(o->out, o->text.buf.p, o->text.buf.len, &o->task->err);
	o->node->held += o->text.buf.len;
	o->text.buf.len = 0;
	return r < 0 ? weir__file_failed(o, r) : 0;
}

/* Without epochs: the part becomes visible, whole. */
static int close_part(struct weir_file_sink *o)
{
	int r = weir__file_write_out(o);

	o->node->held = 0;
	if (r < 0 || !o->out)
		return r;
	r = weir_output_finish(o->out, &o->task->err);
	if (r < 0)
		return weir__file_failed(o, r);
	weir_output_close(o->out);
	o->out = NULL;
	/* Results of earlier runs were refused or removed at the start. */
	r = weir_durable_rename(o->dir.fd, o->fd, o->tmp, o->name, false);
	if (r < 0)
		return fail(o, r, "put in place", o->name);
	close(o->fd);
	o->fd = -1;
	o->begun = false;
	return 0;
}

static int write_rows(struct weir_file_sink *o)
{
	int r = weir__file_write_out(o);

	if (r < 0 || !o->out || weir_output_bytes_written(o->out) < o->spec->part_bytes)
		return r;
	return close_part(o);
}

static int write_rows_epochs(struct weir_file_sink *o)
{
	int r = weir__file_write_out(o);

	if (r < 0 || !o->out || o->sum->bytes < o->spec->part_bytes)
		return r;
	return weir__file_seal(o);
}

static int control(struct weir_file_sink *o, struct weir_node *n)
{
	unsigned kind = n->in.ctl.kind;
	bool end = kind == WEIR_FRAME_EOS;
	int r = 0;

	if (o->epochs && (end || kind == WEIR_FRAME_BARRIER))
		r = weir__file_collect(o, end);
	else if (end)
		r = close_part(o);
	if (r >= 0)
		weir_sink_control(n);
	return r;
}

static int sink_file_run(struct weir_node *n)
{
	struct weir_file_sink *o = n->op;
	int progress = 0, r;

	while (n->in.pos < n->in.count) {
		progress += (int)weir_sink_text_take(&o->text, n);
		if (n->in.pos < n->in.count || o->text.buf.len > o->text.buf.cap / 2) {
			r = o->epochs ? write_rows_epochs(o) : write_rows(o);
			if (r < 0)
				return r;
		}
	}
	if (n->in.ctl.kind) {
		progress = 1;
		r = control(o, n);
		if (r < 0)
			return r;
	}
	return progress;
}

static int sink_file_tick(struct weir_node *n)
{
	struct weir_file_sink *o = n->op;

	if (o->out == NULL && o->text.buf.len) {
		int r = weir__file_write_out(o);

		if (r < 0)
			return r;
	}
	if (o->out && o->spec->part_ns &&
	    o->task->mono_ns - o->opened_ns >= (uint64_t)o->spec->part_ns)
		return close_part(o);
	return 0;
}

static void sink_file_fini(struct weir_node *n)
{
	struct weir_file_sink *o = n->op;

	weir_output_close(o->out);
	if (o->fd >= 0)
		close(o->fd);
	/* Stopped in the middle: without epochs nothing goes on with an unfinished part. */
	if (o->begun && !o->epochs)
		unlinkat(o->dir.fd, o->tmp, 0);
	if (o->box.fd >= 0)
		close(o->box.fd);
	if (o->dir.fd >= 0)
		close(o->dir.fd);
	if (o->sealed.mem)
		weir_out_fini(&o->sealed);
	free(o->pending);
}

static const struct weir_op_class sink_file_class = {
	.name = "file", .run = sink_file_run, .tick = sink_file_tick, .fini = sink_file_fini};

static const struct weir_op_class sink_file_epochs_class = {.name = "file",
							    .run = sink_file_run,
							    .fini = sink_file_fini,
							    .state = &weir__file_state_ops,
							    .sink = &weir_sink_file_ops};

static int make_dirs(const char *path)
{
	char p[4096];
	size_t n = strlen(path);

	if (n >= sizeof(p))
		return -ENAMETOOLONG;
	memcpy(p, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (p[i] != '/' && p[i] != 0)
			continue;
		p[i] = 0;
		if (mkdir(p, 0750) && errno != EEXIST)
			return -errno;
		p[i] = path[i];
	}
	return 0;
}

static void name_all(struct weir_file_sink *o, const struct weir_conn_env *env)
{
	struct weir_file_dir *d = &o->dir;
	char task[16] = "";

	d->path = o->spec->path;
	d->pipeline = env->pipeline ? weir_pipeline_instance(env->pipeline) : "";
	d->step = env->step->name;
	d->instance = env->instance;
	d->instances = env->instances;
	if (env->instances > 1)
		snprintf(task, sizeof(task), "t%u", env->instance);
	snprintf(d->suffix, sizeof(d->suffix), "%s%s%s%s", *task ? "-" : "", task,
		 format_extension(o->spec->format),
		 weir_compression_extension(o->spec->compression));
	snprintf(d->manifest, sizeof(d->manifest), ".%s%s%s.manifest", d->step, *task ? "." : "",
		 task);
}

static int open_dir(struct weir_file_sink *o)
{
	int r = make_dirs(o->spec->path);

	if (r < 0)
		return fail(o, r, "create", "");
	o->dir.fd = open(o->spec->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return o->dir.fd < 0 ? fail(o, -errno, "open", "") : 0;
}

int weir_sink_file_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct weir_file_sink *o = weir_region_new(env->region, struct weir_file_sink);
	int r;

	n->op = o;
	o->epochs = weir_sink_guarantee(env) != WEIR_GUARANTEE_NONE;
	n->cls = o->epochs ? &sink_file_epochs_class : &sink_file_class;
	o->dir.fd = o->fd = o->box.fd = -1;
	o->spec = &env->step->sink;
	o->node = n;
	o->task = n->task;
	o->headed =
		env->instance > 0 || (o->spec->format == WEIR_FORMAT_CSV && !o->spec->csv.header);
	weir_sink_text_init(&o->text, n, env);
	name_all(o, env);
	if (env->dry)
		return 0;
	r = open_dir(o);
	if (r < 0)
		return r;
	if (o->epochs) { /* what is in the directory is looked at when the epoch is known */
		o->sum = weir_region_new(env->region, struct weir_running_sum);
		o->box.sum = weir_region_new(env->region, struct weir_running_sum);
		return 0;
	}
	if (!env->fresh)
		r = weir__file_refuse(&o->dir, true, &o->task->err);
	return r < 0 ? r : weir__file_clean(&o->dir, env->fresh, 0, &o->task->err);
}
