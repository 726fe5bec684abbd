/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append -> queue -> units (as buffers get free) -> commit record, one at a time.
 *
 * Places and heads of a bundle's units and of its commit record are fixed when the bundle is cut into units; only
 * the writes wait. So units of later bundles are on their way while a commit record waits for those before it.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define DONE_MAX 32u

/* ---- failure: one is enough (I35) ---- */

int weir_jnl_fail(struct weir_journal *j, const char *file, uint64_t offset, int code)
{
	weir_probe("journal.failed");
	if (!j->failed.code)
		weir_err_set(
			&j->failed, WEIR_E_IO,
			"%s, offset %llu: %s; no epoch is committed any more: see to the disk, then "
			"start again, it goes on from the last committed epoch",
			file, (unsigned long long)offset, weir_strerror(code));
	return j->failed.code;
}

int weir_jnl_failed(const struct weir_journal *j, struct weir_err *err)
{
	return weir_err_set(err, j->failed.code, "%s", j->failed.text);
}

static void fail_at(struct weir_journal *j, struct weir_jnl_pos at, int code)
{
	char name[WEIR_JNL_FILE_NAME];

	weir_jnl_segment_name(at.segment, name);
	weir_jnl_fail(j, name, at.offset, code);
}

/* ---- completions ---- */

static struct weir_jnl_queued *queued(struct weir_journal *j, uint64_t n)
{
	return &j->queue[n % WEIR_JNL_QUEUE];
}

/* A segment that is written no more needs no handle. */
static void segment_done(struct weir_journal *j, uint32_t number)
{
	struct weir_jnl_segment *s = weir_jnl_segment_find(j, number);

	weir_assert(s && s->writes);
	if (--s->writes == 0 && number < j->end.segment)
		weir_jnl_segment_close(j, s);
}

static void on_durable(struct weir_journal *j)
{
	struct weir_jnl_queued *q = queued(j, j->head);

	weir_jnl_live_add(j, &q->b);
	j->durable = q->b.epoch;
	j->commits++;
	j->head++;
	j->ahead_failed = false;
	j->space_free = j->disk->ops->space(j->disk->ctx);
}

static void on_commit(struct weir_journal *j, uint64_t token, int result)
{
	struct weir_jnl_queued *q = queued(j, j->head);

	weir_assert(j->commit_writes);
	j->commit_writes--;
	if (token == WEIR_JNL_TOKEN_COMMIT) {
		segment_done(j, q->b.commit.segment);
		if (result < 0)
			fail_at(j, q->b.commit, result);
	} else if (result < 0) {
		weir_jnl_fail(j, WEIR_JNL_FILE_RING,
			      q->commit.number % WEIR_JNL_SLOTS * WEIR_DISK_BLOCK, result);
	}
	if (!j->commit_writes)
		j->commit_done = true;
}

static void on_unit(struct weir_journal *j, uint64_t token, int result)
{
	struct weir_jnl_io *io = &j->io[token];

	weir_assert(token < j->io_count && io->busy);
	io->busy = false;
	queued(j, io->bundle)->writes--;
	segment_done(j, io->at.segment);
	if (result < 0)
		fail_at(j, io->at, result);
}

static void on_done(struct weir_journal *j, const struct weir_disk_done *d)
{
	int result = weir_planted(IO_ERROR_IGNORED) ? 0 : d->result;

	j->flight--;
	if (d->token >= WEIR_JNL_TOKEN_WAIT) {
		const struct weir_jnl_sync *w = &j->wait[d->token - WEIR_JNL_TOKEN_WAIT];

		weir_assert(j->wait_count);
		j->wait_count--;
		if (result < 0)
			weir_jnl_fail(j, w->name, w->offset, result);
	} else if (d->token >= WEIR_JNL_TOKEN_COMMIT) {
		on_commit(j, d->token, result);
	} else {
		on_unit(j, d->token, result);
	}
}

static uint32_t reap(struct weir_journal *j, uint64_t wait_ns)
{
	struct weir_disk_done d[DONE_MAX];
	uint32_t n = j->disk->ops->poll(j->disk->ctx, wait_ns, d, DONE_MAX);

	for (uint32_t i = 0; i < n; i++)
		on_done(j, &d[i]);
	return n;
}

int weir_jnl_write_wait(struct weir_journal *j, const struct weir_jnl_sync *w, uint32_t count)
{
	if (j->failed.code)
		return j->failed.code;
	j->wait = w;
	j->wait_count = count;
	j->flight += count;
	for (uint32_t i = 0; i < count; i++)
		j->disk->ops->write(j->disk->ctx, w[i].file, w[i].offset, w[i].p, WEIR_DISK_BLOCK,
				    WEIR_JNL_TOKEN_WAIT + i);
	while (j->wait_count)
		reap(j, WEIR_JNL_WAIT_NS);
	j->wait = NULL;
	j->bytes_written += (uint64_t)count * WEIR_DISK_BLOCK;
	return j->failed.code;
}

/* ---- units ---- */

static struct weir_jnl_io *free_io(struct weir_journal *j)
{
	for (uint32_t i = 0; i < j->io_count; i++)
		if (!j->io[i].busy)
			return &j->io[i];
	return NULL;
}

/* n bytes of the bundle to p; chunks that are used up are given back. */
static void take_bytes(struct weir_jnl_queued *q, uint8_t *p, uint32_t n)
{
	const struct weir_mem *mem = q->rest.mem;

	q->rest.bytes -= n;
	while (n) {
		struct weir_out_chunk *c = q->rest.first;
		uint32_t part = WEIR_MIN(n, c->used - q->used);

		memcpy(p, c->data + q->used, part);
		p += part;
		n -= part;
		q->used += part;
		if (q->used < c->used)
			continue;
		q->rest.first = c->next;
		q->used = 0;
		mem->free(mem->ctx, c, sizeof(*c) + c->cap);
	}
	if (!q->rest.bytes) {
		/* Empty chunks may be left. */
		weir_out_fini(&q->rest);
		q->used = 0;
	}
}

/* The segment that the next unit goes to, with a handle. */
static struct weir_jnl_segment *segment_now(struct weir_journal *j, int *ret_file)
{
	struct weir_jnl_segment *s;
	int r = weir_jnl_segment_make(j, j->end.segment, &s);

	if (r == 0)
		r = *ret_file = weir_jnl_segment_open(j, s);
	if (r >= 0)
		return s;
	weir_probe("journal.segment_refused");
	fail_at(j, j->end, r);
	return NULL;
}

static struct weir_jnl_head head_of(struct weir_journal *j, enum weir_jnl_type type,
				    const struct weir_jnl_queued *q, uint32_t bytes,
				    const struct weir_jnl_segment *s)
{
	struct weir_jnl_head h = {
		.type = (uint8_t)type,
		.fence = q->b.fence,
		.epoch = q->b.epoch,
		.offset = j->end.offset,
		.segment = j->end.segment,
		.segment_blocks = (uint32_t)(s->bytes / WEIR_DISK_BLOCK),
		.bytes = bytes,
		.before = j->chain,
	};

	memcpy(h.identity, j->super.identity, sizeof(h.identity));
	return h;
}

static void placed(struct weir_journal *j, const struct weir_jnl_head *h)
{
	j->chain = weir_jnl_head_hash(h);
	j->log_end += weir_jnl_padded(h->bytes);
	j->end = weir_jnl_behind(h, j->end);
}

static uint32_t unit_bytes(const struct weir_journal *j, const struct weir_jnl_queued *q,
			   const struct weir_jnl_segment *s)
{
	uint64_t room = s->bytes - j->end.offset;
	uint64_t n = WEIR_MIN(room, (uint64_t)WEIR_JNL_UNIT_MAX);

	/* Any cut is right; small ones make chains long. */
	if (weir_buggify("journal.small_unit"))
		n = WEIR_DISK_BLOCK;
	return (uint32_t)WEIR_MIN(n - WEIR_JNL_HEAD, q->rest.bytes);
}

/* false: no buffer is free, or the journal has failed. */
static bool place_unit(struct weir_journal *j, struct weir_jnl_queued *q)
{
	struct weir_jnl_io *io = free_io(j);
	struct weir_jnl_segment *s;
	struct weir_jnl_head h;
	uint32_t n, padded;
	int file;

	if (!io)
		return false;
	s = segment_now(j, &file);
	if (!s)
		return false;
	n = unit_bytes(j, q, s);
	padded = weir_jnl_padded(n);
	h = head_of(j, WEIR_JNL_DATA, q, n, s);
	take_bytes(q, io->mem + WEIR_JNL_HEAD, n);
	memset(io->mem + WEIR_JNL_HEAD + n, 0, padded - WEIR_JNL_HEAD - n);
	weir_jnl_seal(&h, io->mem + WEIR_JNL_HEAD);
	memcpy(io->mem, &h, sizeof(h));
	io->busy = true;
	io->at = j->end;
	io->bundle = j->placing;
	s->writes++;
	j->flight++;
	j->units_written++;
	j->bytes_written += padded;
	j->disk->ops->write(j->disk->ctx, file, io->at.offset, io->mem, padded,
			    (uint64_t)(io - j->io));
	placed(j, &h);
	q->writes++;
	q->b.units++;
	q->b.heads = weir_hash128_chain(q->b.heads, j->chain);
	return true;
}

/* The commit record gets its place and its bytes; it is written later. */
static bool place_commit(struct weir_journal *j, struct weir_jnl_queued *q)
{
	struct weir_jnl_segment *s;
	int file;

	s = segment_now(j, &file);
	if (!s)
		return false;
	q->b.number = ++j->number;
	q->commit = (struct weir_jnl_commit){.number = q->b.number,
					     .epoch = q->b.epoch,
					     .fence = q->b.fence,
					     .bytes = q->b.bytes,
					     .units = q->b.units,
					     .heads = q->b.heads,
					     .before = j->commit_chain};
	q->head = head_of(j, WEIR_JNL_COMMIT, q, sizeof(q->commit), s);
	weir_jnl_seal(&q->head, &q->commit);
	q->b.commit = j->end;
	placed(j, &q->head);
	q->b.after = j->commit_chain = j->chain;
	q->b.next = j->end;
	q->b.log_end = j->log_end;
	return true;
}

static void place(struct weir_journal *j)
{
	while (j->placing < j->tail && !j->failed.code) {
		struct weir_jnl_queued *q = queued(j, j->placing);

		if (!q->b.start.segment) {
			q->b.start = j->end;
			q->b.before = j->chain;
		}
		while (q->rest.bytes)
			if (!place_unit(j, q))
				return;
		if (!place_commit(j, q))
			return;
		j->placing++;
	}
}

/* ---- commit records ---- */

/* Both places of the record of the oldest bundle, when all its units are durable. The one before is durable then. */
static void commit(struct weir_journal *j)
{
	struct weir_jnl_queued *q = queued(j, j->head);
	struct weir_jnl_segment *s;
	int file;

	if (j->head == j->placing || j->commit_writes || j->commit_done || j->failed.code)
		return;
	if (q->writes && !weir_planted(COMMIT_EARLY))
		return;
	s = weir_jnl_segment_find(j, q->b.commit.segment);
	weir_assert(s);
	file = weir_jnl_segment_open(j, s);
	if (file < 0) {
		fail_at(j, q->b.commit, file);
		return;
	}
	weir_jnl_commit_block(j->commit_page, &q->head, &q->commit);
	weir_jnl_slot_block(j->commit_page + WEIR_DISK_BLOCK, &q->head, &q->commit);
	s->writes++;
	j->flight += 2;
	j->commit_writes = 2;
	j->bytes_written += 2 * (uint64_t)WEIR_DISK_BLOCK;
	j->disk->ops->write(j->disk->ctx, file, q->b.commit.offset, j->commit_page, WEIR_DISK_BLOCK,
			    WEIR_JNL_TOKEN_COMMIT);
	j->disk->ops->write(j->disk->ctx, j->ring_file,
			    q->commit.number % WEIR_JNL_SLOTS * WEIR_DISK_BLOCK,
			    j->commit_page + WEIR_DISK_BLOCK, WEIR_DISK_BLOCK, WEIR_JNL_TOKEN_RING);
	if (weir_planted(ACK_BEFORE_DURABLE))
		j->durable = q->b.epoch;
}

/* The next segment, before it is needed. That there is no space now is no error: the cell sees space_free. */
static void make_ahead(struct weir_journal *j)
{
	struct weir_jnl_segment *s;

	if (j->ahead_failed || weir_jnl_segment_find(j, j->end.segment + 1))
		return;
	if (weir_jnl_segment_make(j, j->end.segment + 1, &s) == 0) {
		weir_jnl_segment_close(j, s);
		return;
	}
	weir_probe("journal.no_segment_ahead");
	j->ahead_failed = true;
}

static void go_on(struct weir_journal *j)
{
	if (j->commit_done && !queued(j, j->head)->writes && !j->failed.code) {
		j->commit_done = false;
		on_durable(j);
	}
	place(j);
	commit(j);
	if (!j->failed.code)
		make_ahead(j);
}

/* ---- for the owner ---- */

int weir_journal_append(struct weir_journal *j, uint64_t epoch, struct weir_out *bundle,
			struct weir_err *err)
{
	struct weir_jnl_queued *q = queued(j, j->tail);

	weir_assert(j->started);
	if (j->failed.code)
		return weir_jnl_failed(j, err);
	if (epoch <= j->epoch)
		return weir_err_set(err, WEIR_E_RANGE, "epoch %llu is not above epoch %llu",
				    (unsigned long long)epoch, (unsigned long long)j->epoch);
	if (bundle->bytes > WEIR_JOURNAL_BUNDLE_MAX)
		return weir_err_set(err, WEIR_E_LIMIT,
				    "epoch %llu has %llu bytes, more than a bundle may have",
				    (unsigned long long)epoch, (unsigned long long)bundle->bytes);
	if (j->placing != j->tail || j->tail - j->head == WEIR_JNL_QUEUE) {
		weir_probe("journal.busy");
		return weir_err_set(err, WEIR_E_BUSY, "bundles before are still being written");
	}
	*q = (struct weir_jnl_queued){
		.b = {.epoch = epoch, .fence = j->fence, .bytes = bundle->bytes}};
	weir_out_init(&q->rest, bundle->mem);
	weir_out_append(&q->rest, bundle);
	if (!q->rest.bytes)
		weir_out_fini(&q->rest);
	j->tail++;
	j->epoch = epoch;
	go_on(j);
	return j->failed.code ? weir_jnl_failed(j, err) : 0;
}

int weir_journal_step(struct weir_journal *j, uint64_t wait_ns, struct weir_err *err)
{
	weir_assert(j->started);
	if (!j->failed.code)
		go_on(j);
	while (j->flight && reap(j, wait_ns)) {
		go_on(j);
		wait_ns = 0;
	}
	return j->failed.code ? weir_jnl_failed(j, err) : 0;
}

/* ---- start ---- */

int weir_jnl_writer_open(struct weir_journal *j)
{
	struct weir_jnl_segment *s;
	int file;

	s = segment_now(j, &file);
	if (!s)
		return j->failed.code;
	for (uint32_t i = 0; i < j->io_count; i++)
		j->io[i].mem = j->disk->ops->buffer(j->disk->ctx, WEIR_JNL_UNIT_MAX);
	j->commit_page = j->disk->ops->buffer(j->disk->ctx, 2 * (size_t)WEIR_DISK_BLOCK);
	make_ahead(j);
	return 0;
}
