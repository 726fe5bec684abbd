/* SPDX-License-Identifier: Apache-2.0 */
/* sink: stdout, and sink: blackhole (counts and forgets). */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/sink.h"

#define FLUSH_NS ((uint64_t)WEIR_NS_PER_MS)
#define PIECE_BYTES ((size_t)4096) /* poll() promises a pipe so much room (PIPE_BUF) */
#define RETRY_NS (100 * (uint64_t)WEIR_NS_PER_US)

struct sink_stdout {
	struct weir_sink_text text;
	uint64_t flushed_ns;
	size_t sent; /* bytes of the buffer that are out */
	bool headed, regular;
};

/* Who is in the middle of its records: several tasks must not mix theirs. */
static struct sink_stdout *_Atomic writer;

static bool take_turn(struct sink_stdout *o)
{
	struct sink_stdout *nobody = NULL;

	return atomic_compare_exchange_strong(&writer, &nobody, o) || nobody == o;
}

/* One write that does not wait: a worker has other tasks, and must see a signal. */
static ssize_t write_some(const struct sink_stdout *o)
{
	struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
	size_t n = o->text.buf.len - o->sent;

	if (!o->regular) {
		if (poll(&p, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		n = WEIR_MIN(n, PIECE_BYTES);
	}
	return write(STDOUT_FILENO, o->text.buf.p + o->sent, n);
}

/* 1: all out, 0: later, <0: error. */
static int flush(struct weir_node *n, struct sink_stdout *o)
{
	if (o->text.buf.len && !take_turn(o)) {
		n->task->retry_ns = RETRY_NS;
		return 0;
	}
	while (o->sent < o->text.buf.len) {
		ssize_t w = write_some(o);

		if (w < 0 && (errno == EAGAIN || errno == EINTR)) {
			n->task->retry_ns = (uint64_t)WEIR_NS_PER_MS;
			return 0;
		}
		if (w < 0)
			return weir_err_set(&n->task->err, -errno,
					    "step `%s`: cannot write to standard output: %s",
					    n->step_name, weir_strerror(-errno));
		o->sent += (size_t)w;
	}
	if (o->text.buf.len)
		atomic_store(&writer, NULL);
	o->sent = o->text.buf.len = 0;
	o->flushed_ns = n->task->mono_ns;
	return 1;
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
		if (o->sent == 0)
			progress += (int)weir_sink_text_take(&o->text, n);
		if (n->in.pos < n->in.count || n->task->mono_ns - o->flushed_ns > FLUSH_NS) {
			r = flush(n, o);
			if (r < 0)
				return r;
			if (r == 0)
				return progress;
		}
	}
	if (n->in.ctl.kind) {
		if (n->in.ctl.kind == WEIR_FRAME_EOS) {
			r = flush(n, o);
			if (r <= 0)
				return r < 0 ? r : progress;
		}
		weir_sink_control(n);
		progress = 1;
	}
	return progress;
}

static int sink_stdout_tick(struct weir_node *n)
{
	int r = flush(n, n->op);

	return r < 0 ? r : 0;
}

static void sink_stdout_fini(struct weir_node *n)
{
	struct sink_stdout *me = n->op;

	atomic_compare_exchange_strong(&writer, &me, NULL);
}

static const struct weir_op_class sink_stdout_class = {.name = "stdout",
						       .run = sink_stdout_run,
						       .tick = sink_stdout_tick,
						       .fini = sink_stdout_fini};

int weir_sink_stdout_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_stdout *o = weir_region_new(env->region, struct sink_stdout);
	struct stat st;

	n->cls = &sink_stdout_class;
	n->op = o;
	o->regular = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	weir_sink_text_init(&o->text, n, env);
	o->headed = env->instance > 0 ||
		    (o->text.enc.format == WEIR_FORMAT_CSV && !env->step->sink.csv.header);
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
