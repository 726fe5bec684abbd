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
#define PATIENCE_MS 1000 /* of the sink thread with a reader that does not read */
#define TURN_MS 10

struct sink_stdout {
	struct weir_sink_collect c;
	uint64_t flushed_ns;
	size_t sent; /* bytes of the buffer that are out */
	bool regular;
};

/* Who is in the middle of its records: several tasks must not mix theirs. */
static struct sink_stdout *_Atomic writer;

static bool take_turn(struct sink_stdout *o)
{
	struct sink_stdout *nobody = NULL;

	return atomic_compare_exchange_strong(&writer, &nobody, o) || nobody == o;
}

/* One write; waits for room at most wait_ms. A worker waits for nothing: it has other tasks, and must see a
 * signal. */
static ssize_t write_some(const struct sink_stdout *o, const void *p, size_t n, int wait_ms)
{
	struct pollfd pfd = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (!o->regular) {
		if (poll(&pfd, 1, wait_ms) == 0) {
			errno = EAGAIN;
			return -1;
		}
		n = WEIR_MIN(n, PIECE_BYTES);
	}
	return write(STDOUT_FILENO, p, n);
}

static int cannot_write(const struct weir_node *n, struct weir_err *err)
{
	return weir_err_set(err, -errno, "step `%s`: cannot write to standard output: %s",
			    n->step_name, weir_strerror(-errno));
}

/* ---- written when it comes ---- */

/* 1: all out, 0: later, <0: error. */
static int flush(struct weir_node *n, struct sink_stdout *o)
{
	struct weir_buf *b = &o->c.text.buf;

	if (b->len && !take_turn(o)) {
		n->task->retry_ns = RETRY_NS;
		return 0;
	}
	while (o->sent < b->len) {
		ssize_t w = write_some(o, b->p + o->sent, b->len - o->sent, 0);

		if (w < 0 && (errno == EAGAIN || errno == EINTR)) {
			n->task->retry_ns = (uint64_t)WEIR_NS_PER_MS;
			return 0;
		}
		if (w < 0)
			return cannot_write(n, &n->task->err);
		o->sent += (size_t)w;
	}
	if (b->len)
		atomic_store(&writer, NULL);
	o->c.position += b->len;
	o->sent = b->len = 0;
	o->flushed_ns = n->task->mono_ns;
	return 1;
}

static int sink_stdout_run(struct weir_node *n)
{
	struct sink_stdout *o = n->op;
	int progress = 0, r;

	if (!o->c.headed) {
		weir_encode_head(&o->c.text.enc, &o->c.text.buf);
		o->c.headed = true;
	}
	while (n->in.pos < n->in.count) {
		if (o->sent == 0)
			progress += (int)weir_sink_text_take(&o->c.text, n);
		if (n->in.pos < n->in.count || n->task->mono_ns - o->flushed_ns > FLUSH_NS) {
			r = flush(n, o);
			if (r < 0)
				return r;
			if (r == 0)
				return progress;
		}
	}
	if (n->in.ctl.kind) {
		/* A barrier is through only when everything before it is out. */
		if (n->in.ctl.kind == WEIR_FRAME_EOS || n->in.ctl.kind == WEIR_FRAME_BARRIER) {
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
	struct sink_stdout *me = n->op, *mine = me;

	atomic_compare_exchange_strong(&writer, &mine, NULL);
	weir_sink_collect_fini(&me->c);
}

/* ---- the sink thread ---- */

static int settle(struct weir_node *n, struct weir_err *err)
{
	const struct sink_stdout *o = n->op;

	return o->regular && fdatasync(STDOUT_FILENO) ? cannot_write(n, err) : 0;
}

static int direct_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			  struct weir_err *err)
{
	(void)e;
	return settle(n, err);
}

static bool wait_for_turn(struct sink_stdout *o)
{
	for (int i = 0; !take_turn(o); i++) {
		if (i == TURN_MS)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

static int send_out(struct weir_node *n, const uint8_t *p, size_t bytes, size_t *ret_sent,
		    struct weir_err *err)
{
	struct sink_stdout *o = n->op;

	*ret_sent = 0;
	if (!wait_for_turn(o))
		return WEIR_SINK_UNKNOWN;
	while (*ret_sent < bytes) {
		ssize_t w = write_some(o, p + *ret_sent, bytes - *ret_sent, PATIENCE_MS);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN) /* keeps its turn: it may be within a record */
			return WEIR_SINK_UNKNOWN;
		if (w < 0)
			return cannot_write(n, err);
		*ret_sent += (size_t)w;
	}
	atomic_store(&writer, NULL);
	return 0;
}

static int stdout_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	static const struct weir_sink_way way = {.send = send_out, .settle = settle};

	return weir_sink_collect_apply(n, e, &way, err);
}

const struct weir_sink_ops weir_sink_stdout_ops = {
	.best = WEIR_GUARANTEE_AT_LEAST_ONCE,
	.rests_on =
		"written after the commit; a pipe keeps no cursor: an epoch whose outcome a crash "
		"left unknown is written again",
	.open = weir_sink_collect_open,
	.prepare = weir_sink_collect_prepare,
	.apply = stdout_apply,
	.cursor = weir_sink_collect_cursor,
};

const struct weir_sink_ops weir_sink_stdout_direct_ops = {
	.best = WEIR_GUARANTEE_AT_LEAST_ONCE,
	.rests_on =
		"written at once, and out before the epoch is committed: after a crash what came "
		"behind the last commit is written again",
	.open = weir_sink_collect_open,
	.prepare = direct_prepare,
	.apply = weir_sink_direct_apply,
	.cursor = weir_sink_collect_cursor,
};

static const struct weir_op_class stdout_class = {.name = "stdout",
						  .run = sink_stdout_run,
						  .tick = sink_stdout_tick,
						  .fini = sink_stdout_fini};

static const struct weir_op_class stdout_direct_class = {.name = "stdout",
							 .run = sink_stdout_run,
							 .tick = sink_stdout_tick,
							 .fini = sink_stdout_fini,
							 .state = &weir_sink_collect_state,
							 .sink = &weir_sink_stdout_direct_ops};

static const struct weir_op_class stdout_collect_class = {.name = "stdout",
							  .run = weir_sink_collect_run,
							  .fini = sink_stdout_fini,
							  .state = &weir_sink_collect_state,
							  .sink = &weir_sink_stdout_ops};

int weir_sink_stdout_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_stdout *o = weir_region_new(env->region, struct sink_stdout);
	enum weir_guarantee g = weir_sink_guarantee(env);
	struct stat st;

	n->cls = g == WEIR_GUARANTEE_EXACTLY_ONCE    ? &stdout_collect_class
		 : g == WEIR_GUARANTEE_AT_LEAST_ONCE ? &stdout_direct_class
						     : &stdout_class;
	weir_sink_collect_init(&o->c, n, env);
	o->regular = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	o->c.headed = env->instance > 0 ||
		      (o->c.text.enc.format == WEIR_FORMAT_CSV && !env->step->sink.csv.header);
	return 0;
}

/* ---- blackhole ---- */

static int blackhole_run(struct weir_node *n)
{
	n->rows_in += n->in.count - n->in.pos;
	n->in.pos = n->in.count;
	if (n->in.ctl.kind)
		weir_sink_control(n);
	return 1;
}

/* For `weir explain`; the node has no part in epochs. */
const struct weir_sink_ops weir_sink_blackhole_ops = {.best = WEIR_GUARANTEE_EXACTLY_ONCE,
						      .rests_on = "nothing is kept"};

static const struct weir_op_class blackhole_class = {.name = "blackhole", .run = blackhole_run};

int weir_sink_blackhole_open(struct weir_node *n, const struct weir_conn_env *env)
{
	(void)env;
	n->cls = &blackhole_class;
	return 0;
}
