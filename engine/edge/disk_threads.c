/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk without io_uring: a few threads take writes from a queue and wait for each of them. Files are
 * open with O_DSYNC, so a pwrite() that came back is durable.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/disk_impl.h"
#include "engine/edge/engine.h"
#include "engine/edge/engine_impl.h"

#define THREADS_MAX 4
#define WAIT_MAX_NS ((uint64_t)1000000 * WEIR_NS_PER_S)

struct threads {
	struct weir_disk_base base; /* first: it is the ctx */
	pthread_t thread[THREADS_MAX];
	uint32_t count;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct weir_disk_queue todo, ended; /* under lock */
	bool stop; /* under lock */
};

static void *thread_main(void *arg)
{
	struct threads *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct weir_disk_op *op;
		ssize_t w;

		while (!t->stop && !t->todo.first)
			pthread_cond_wait(&t->work, &t->lock);
		if (t->stop)
			break;
		op = weir_disk_pop(&t->todo);
		pthread_mutex_unlock(&t->lock);
		do {
			w = pwrite(op->fd, op->buf, op->n, (off_t)op->offset);
		} while (w < 0 && errno == EINTR); /* nothing was written */
		op->result = weir_disk_wrote(op, w < 0 ? -errno : w);
		pthread_mutex_lock(&t->lock);
		weir_disk_push(&t->ended, op);
		pthread_cond_signal(&t->done);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void threads_write(void *ctx, int file, uint64_t offset, const void *buf, size_t n,
			  uint64_t token)
{
	struct threads *t = ctx;
	struct weir_disk_op *op = weir_disk_op_new(&t->base, file, offset, buf, n, token);

	pthread_mutex_lock(&t->lock);
	if (t->base.read_only) {
		op->result = -EROFS;
		weir_disk_push(&t->ended, op);
	} else {
		weir_disk_push(&t->todo, op);
		pthread_cond_signal(&t->work);
	}
	pthread_mutex_unlock(&t->lock);
}

/* Under lock. */
static void wait_for_one(struct threads *t, uint64_t wait_ns)
{
	uint64_t until = weir_mono_ns() + WEIR_MIN(wait_ns, WAIT_MAX_NS);
	struct timespec ts = {.tv_sec = (time_t)(until / WEIR_NS_PER_S),
			      .tv_nsec = (long)(until % WEIR_NS_PER_S)};

	while (!t->ended.first && pthread_cond_timedwait(&t->done, &t->lock, &ts) == 0)
		;
}

static uint32_t threads_poll(void *ctx, uint64_t wait_ns, struct weir_disk_done *ret, uint32_t cap)
{
	struct threads *t = ctx;
	uint32_t n = 0;

	if (!t->base.pending || !cap)
		return 0;
	pthread_mutex_lock(&t->lock);
	if (wait_ns)
		wait_for_one(t, wait_ns);
	while (n < cap && t->ended.first)
		weir_disk_op_end(&t->base, weir_disk_pop(&t->ended), &ret[n++]);
	pthread_mutex_unlock(&t->lock);
	return n;
}

static void threads_fini(struct weir_disk_base *b)
{
	struct threads *t = (struct threads *)(void *)b;
	struct weir_disk_op *op;
	struct weir_disk_done done;

	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (uint32_t i = 0; i < t->count; i++)
		pthread_join(t->thread[i], NULL);
	while ((op = weir_disk_pop(&t->todo)) || (op = weir_disk_pop(&t->ended)))
		weir_disk_op_end(b, op, &done);
	weir_disk_base_fini(b);
	pthread_cond_destroy(&t->work);
	pthread_cond_destroy(&t->done);
	pthread_mutex_destroy(&t->lock);
	weir_heap_mem.free(NULL, t, sizeof(*t));
}

static const struct weir_disk_ops threads_ops = {WEIR_DISK_BASE_OPS, .write = threads_write,
						 .poll = threads_poll};

static int start(struct threads *t, uint32_t count)
{
	sigset_t all, before;
	int r = 0;

	/* Signals belong to the program's own threads; here they would cut writes short. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (t->count < count && r == 0) {
		r = -pthread_create(&t->thread[t->count], NULL, thread_main, t);
		if (r == 0)
			t->count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int weir_disk_threads_new(const struct weir_disk_options *o, struct weir_disk_base **ret,
			  const struct weir_disk_ops **ret_ops)
{
	struct threads *t = weir_heap_mem.alloc(NULL, sizeof(*t), sizeof(void *));
	pthread_condattr_t attr;
	int r;

	weir_assert(o->threads <= THREADS_MAX);
	t->base.fini = threads_fini;
	t->base.dir_fd = t->base.quarantine_fd = -1;
	snprintf(t->base.how, sizeof(t->base.how), "threads");
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->work, NULL);
	pthread_cond_init(&t->done, &attr);
	pthread_condattr_destroy(&attr);
	r = start(t, o->threads);
	if (r < 0) {
		threads_fini(&t->base);
		return r;
	}
	*ret = &t->base;
	*ret_ops = &threads_ops;
	return 0;
}
