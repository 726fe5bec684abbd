/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: file. The path is a directory of part files. A part is written under a hidden temporary name,
 * synced, and renamed when it is complete: whoever reads the directory sees whole parts only.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/engine_impl.h"
#include "engine/edge/output.h"
#include "engine/edge/sink.h"

#define NAME_CAP 192

struct sink_file {
	struct weir_sink_text text;
	const struct weir_sink_spec *spec;
	const char *step;
	struct weir_task *task;
	int dir_fd, fd;
	struct weir_output *out;
	uint64_t part; /* number of the open or next one */
	uint64_t opened_ns; /* monotonic */
	char suffix[48]; /* "-t1.jsonl.zst" */
	char tmp[NAME_CAP], name[NAME_CAP];
	bool headed; /* the header line is out */
	bool begun; /* a file with the name tmp is there */
};

static const char *format_extension(enum weir_format f)
{
	return f == WEIR_FORMAT_CSV ? ".csv" : f == WEIR_FORMAT_RAW ? ".raw" : ".jsonl";
}

static int fail(struct sink_file *o, int code, const char *doing, const char *what)
{
	return weir_err_set(&o->task->err, code, "step `%s`: cannot %s %s/%s: %s", o->step, doing,
			    o->spec->path, what, weir_strerror(code));
}

static int open_part(struct sink_file *o)
{
	struct weir_output_options opt = {.compression = o->spec->compression};
	int r;

	o->part++;
	snprintf(o->name, sizeof(o->name), "part-%s-%08llu%s", o->step, (unsigned long long)o->part,
		 o->suffix);
	snprintf(o->tmp, sizeof(o->tmp), ".%.180s.tmp", o->name);
	o->fd = openat(o->dir_fd, o->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (o->fd < 0)
		return fail(o, -errno, "create", o->tmp);
	o->begun = true;
	o->opened_ns = o->task->mono_ns;
	opt.fd = o->fd;
	opt.name = o->tmp;
	r = weir_output_open(&opt, &o->out, &o->task->err);
	if (r < 0)
		return r;
	if (!o->headed || o->spec->format == WEIR_FORMAT_RAW) {
		/* One header for all parts of a step, so that `cat part-*` is a well-formed file. Raw
		 * parts stand alone. */
		char head[65536];
		struct weir_buf b = weir_buf_of(head, sizeof(head));

		weir_encode_head(&o->text.enc, &b);
		o->headed = true;
		return weir_output_write(o->out, b.p, b.len, &o->task->err);
	}
	return 0;
}

static int write_out(struct sink_file *o)
{
	int r = 0;

	if (o->text.buf.len == 0)
		return 0;
	if (!o->out)
		r = open_part(o);
	if (r >= 0)
		r = weir_output_write(o->out, o->text.buf.p, o->text.buf.len, &o->task->err);
	o->text.buf.len = 0;
	if (r < 0)
		weir_err_prefix(&o->task->err, "step `%s`", o->step);
	return r;
}

/* The part becomes visible, whole. */
static int close_part(struct sink_file *o)
{
	int r = write_out(o);

	if (r < 0 || !o->out)
		return r;
	r = weir_output_finish(o->out, &o->task->err);
	if (r < 0)
		return weir_err_prefix(&o->task->err, "step `%s`", o->step);
	weir_output_close(o->out);
	o->out = NULL;
	if (fsync(o->fd))
		return fail(o, -errno, "sync", o->tmp);
	close(o->fd);
	o->fd = -1;
	if (renameat(o->dir_fd, o->tmp, o->dir_fd, o->name))
		return fail(o, -errno, "rename", o->tmp);
	o->begun = false;
	if (fsync(o->dir_fd))
		return fail(o, -errno, "sync", "");
	return 0;
}

static int sink_file_run(struct weir_node *n)
{
	struct sink_file *o = n->op;
	int progress = 0, r;

	while (n->in.pos < n->in.count) {
		progress += (int)weir_sink_text_take(&o->text, n);
		if (n->in.pos < n->in.count || o->text.buf.len > o->text.buf.cap / 2) {
			r = write_out(o);
			if (r < 0)
				return r;
			if (o->out && weir_output_bytes_written(o->out) >= o->spec->part_bytes) {
				r = close_part(o);
				if (r < 0)
					return r;
			}
		}
	}
	if (n->in.ctl.kind) {
		progress = 1;
		if (weir_sink_control(n)) {
			r = close_part(o);
			if (r < 0)
				return r;
		}
	}
	return progress;
}

static int sink_file_tick(struct weir_node *n)
{
	struct sink_file *o = n->op;

	if (o->out == NULL && o->text.buf.len) {
		int r = write_out(o);

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
	struct sink_file *o = n->op;

	weir_output_close(o->out);
	if (o->fd >= 0)
		close(o->fd);
	if (o->begun) /* stopped in the middle: an unfinished part is never shown */
		unlinkat(o->dir_fd, o->tmp, 0);
	if (o->dir_fd >= 0)
		close(o->dir_fd);
}

static const struct weir_op_class sink_file_class = {
	.name = "file", .run = sink_file_run, .tick = sink_file_tick, .fini = sink_file_fini};

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

/* Looks for parts of this step. fresh: removes them, else they are an error. Leftovers of a crash
 * (hidden temporary names) always go. */
static int clean(struct sink_file *o, bool fresh)
{
	char ours[NAME_CAP];
	int n = snprintf(ours, sizeof(ours), "part-%s-", o->step), r = 0;
	DIR *d = fdopendir(dup(o->dir_fd));
	struct dirent *e;

	if (!d)
		return fail(o, -errno, "read", "");
	rewinddir(d);
	while (r == 0 && (e = readdir(d))) {
		bool tmp = e->d_name[0] == '.' && !strncmp(e->d_name + 1, ours, (size_t)n);

		if (!tmp && strncmp(e->d_name, ours, (size_t)n))
			continue;
		if (!tmp && !fresh)
			r = weir_err_set(&o->task->err, -EEXIST,
					 "step `%s`: %s holds results of an earlier run (%s): "
					 "--fresh replaces them, or choose another path",
					 o->step, o->spec->path, e->d_name);
		else if (unlinkat(o->dir_fd, e->d_name, 0))
			r = fail(o, -errno, "remove", e->d_name);
	}
	closedir(d);
	return r;
}

int weir_sink_file_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_file *o = weir_region_new(env->region, struct sink_file);
	int r;

	n->cls = &sink_file_class;
	n->op = o;
	o->dir_fd = o->fd = -1;
	o->spec = &env->step->sink;
	o->step = env->step->name;
	o->task = n->task;
	o->headed =
		env->instance > 0 || (o->spec->format == WEIR_FORMAT_CSV && !o->spec->csv.header);
	weir_sink_text_init(&o->text, n, env);
	if (env->instances > 1)
		snprintf(o->suffix, sizeof(o->suffix), "-t%u", env->instance);
	snprintf(o->suffix + strlen(o->suffix), sizeof(o->suffix) - strlen(o->suffix), "%s%s",
		 format_extension(o->spec->format),
		 weir_compression_extension(o->spec->compression));
	r = make_dirs(o->spec->path);
	if (r < 0)
		return fail(o, r, "create", "");
	o->dir_fd = open(o->spec->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->dir_fd < 0)
		return fail(o, -errno, "open", "");
	/* The first task looks before any of them writes. */
	return env->instance == 0 ? clean(o, env->fresh) : 0;
}
