/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/journal.h"

#include <errno.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define IN_FLIGHT_DEFAULT ((uint32_t)16 << 20)

/* ---- open ---- */

static void to_report(void *ctx, const struct weir_journal_finding *f)
{
	struct weir_journal_report *r = ctx;

	if (r->count == WEIR_COUNT_OF(r->finding))
		r->more = true;
	else
		r->finding[r->count++] = *f;
}

struct weir_journal *weir_jnl_new(const struct weir_disk *disk, const struct weir_mem *mem)
{
	struct weir_journal *j = mem->alloc(mem->ctx, sizeof(*j), 64);

	j->disk = disk;
	j->mem = mem;
	j->super_file = j->ring_file = -1;
	j->window = disk->ops->buffer(disk->ctx, WEIR_JNL_UNIT_MAX);
	j->page = disk->ops->buffer(disk->ctx, (size_t)WEIR_JNL_COPIES * WEIR_DISK_BLOCK);
	return j;
}

static int options(struct weir_journal *j, const struct weir_journal_options *o,
		   struct weir_err *err)
{
	uint32_t in_flight = o->in_flight ? o->in_flight : IN_FLIGHT_DEFAULT;

	j->read_only = o->read_only;
	j->segment_bytes = o->segment_bytes ? o->segment_bytes : WEIR_JOURNAL_SEGMENT_DEFAULT;
	j->segment_bytes = WEIR_ALIGN_UP(j->segment_bytes, WEIR_DISK_BLOCK);
	j->segment_bytes = WEIR_MAX(j->segment_bytes, WEIR_JNL_SEGMENT_MIN);
	j->segment_bytes = WEIR_MIN(j->segment_bytes, WEIR_JNL_SEGMENT_MAX);
	j->io_count = WEIR_MAX(in_flight / WEIR_JNL_UNIT_MAX, 2u);
	j->io = j->mem->alloc(j->mem->ctx, j->io_count * sizeof(*j->io), sizeof(void *));
	if (o->pipeline && strlen(o->pipeline) >= WEIR_JNL_NAME_MAX)
		return weir_err_set(err, WEIR_E_CONFIG, "the name of the pipeline is too long");
	return 0;
}

static int check_name(const struct weir_journal *j, const struct weir_journal_options *o,
		      struct weir_err *err)
{
	if (!o->pipeline || strcmp(o->pipeline, j->super.pipeline) == 0)
		return 0;
	return weir_err_set(err, WEIR_E_CONFIG,
			    "the state directory belongs to the pipeline \"%s\", not to \"%s\": "
			    "give each pipeline a directory of its own",
			    j->super.pipeline, o->pipeline);
}

static int load(struct weir_journal *j, const struct weir_journal_options *o, struct weir_err *err)
{
	int r = weir_jnl_list(j, err);

	if (r == 0 && !j->has_super)
		r = weir_jnl_create(j, o, err);
	else if (r == 0)
		r = weir_jnl_super_vote(j, err);
	if (r == 0)
		r = check_name(j, o, err);
	if (r < 0)
		return r;
	j->fence = j->super.fence;
	if (!j->has_super) {
		j->end = (struct weir_jnl_pos){j->super.segment, 0};
		j->chain = j->commit_chain = j->super.chain;
		return 0;
	}
	weir_jnl_ring_read(j);
	return weir_jnl_scan(j, err);
}

int weir_journal_open(const struct weir_journal_options *o, const struct weir_disk *keep_disk,
		      const struct weir_mem *keep_mem, struct weir_journal **ret,
		      struct weir_journal_report *ret_report, struct weir_err *err)
{
	struct weir_journal *j = weir_jnl_new(keep_disk, keep_mem);
	int r;

	memset(ret_report, 0, sizeof(*ret_report));
	j->tell = to_report;
	j->tell_ctx = ret_report;
	r = options(j, o, err);
	if (r == 0)
		r = load(j, o, err);
	j->tell = NULL;
	if (r < 0) {
		weir_journal_close(j);
		return r;
	}
	j->space_free = keep_disk->ops->space(keep_disk->ctx);
	*ret = j;
	return 0;
}

/* ---- replay ---- */

typedef int (*bundle_fn)(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle);

static int read_bundle(struct weir_journal *j, const struct weir_jnl_bundle *b, uint8_t *p,
		       struct weir_err *err)
{
	struct weir_jnl_cursor c;
	struct weir_jnl_unit u;
	uint64_t at;
	int r;

	weir_jnl_cursor_open(&c, b);
	for (at = 0; (r = weir_jnl_cursor_next(j, &c, b, &u, err)) == 1; at = c.bytes)
		memcpy(p + at, u.body, u.head.bytes);
	return r;
}

static int give_bundle(struct weir_journal *j, const struct weir_jnl_bundle *b, bundle_fn fn,
		       void *ctx, struct weir_err *err)
{
	size_t n = WEIR_MAX(b->bytes, (uint64_t)1);
	uint8_t *p = j->mem->alloc(j->mem->ctx, n, 64);
	struct weir_reader in = weir_reader_of(p, b->bytes);
	int r = read_bundle(j, b, p, err);

	if (r == 0)
		r = fn(ctx, b->epoch, b->fence, &in);
	j->mem->free(j->mem->ctx, p, n);
	return WEIR_MIN(r, 0);
}

int weir_journal_replay(struct weir_journal *j, bundle_fn fn, void *ctx, struct weir_err *err)
{
	int r = 0;

	weir_assert(weir_journal_idle(j));
	weir_jnl_window_forget(j);
	for (uint64_t i = 0; i < j->live_count && r == 0; i++)
		r = give_bundle(j, weir_jnl_live(j, i), fn, ctx, err);
	return r;
}

int weir_journal_newest(struct weir_journal *j, bundle_fn fn, void *ctx, struct weir_err *err)
{
	weir_assert(weir_journal_idle(j));
	if (!j->live_count)
		return 0;
	weir_jnl_window_forget(j);
	return give_bundle(j, weir_jnl_live(j, j->live_count - 1), fn, ctx, err);
}

/* ---- start ---- */

/*
 * The fence is durable before any unit carries it. It is in every head, and heads are in the chain, so that what an
 * earlier run left above the frontier can never continue what this run writes.
 */
static int take_fence(struct weir_journal *j)
{
	struct weir_jnl_super s = j->super;

	s.fence = WEIR_MAX(j->fence_seen, s.fence) + 1;
	if (weir_planted(NO_FENCE))
		s.fence = WEIR_MAX(j->super.fence, 1u);
	j->fence = s.fence;
	return weir_jnl_super_write(j, &s);
}

int weir_journal_start(struct weir_journal *j, struct weir_err *err)
{
	int r;

	weir_assert(!j->started && !j->read_only);
	r = take_fence(j);
	if (r == 0)
		r = weir_jnl_heal(j);
	if (r == 0)
		r = weir_jnl_give_back(j, j->super.segment);
	if (r == 0 && j->has_super_new) {
		r = j->disk->ops->unlink(j->disk->ctx, WEIR_JNL_FILE_SUPER_NEW);
		if (r < 0)
			r = weir_jnl_fail(j, WEIR_JNL_FILE_SUPER_NEW, 0, r);
	}
	if (r == 0)
		r = weir_jnl_writer_open(j);
	if (r < 0)
		return weir_jnl_failed(j, err);
	j->started = true;
	return 0;
}

/* ---- what is known ---- */

uint64_t weir_journal_durable(const struct weir_journal *j)
{
	return j->durable;
}

uint64_t weir_journal_covered(const struct weir_journal *j)
{
	return j->super.covered;
}

uint64_t weir_journal_fence(const struct weir_journal *j)
{
	return j->fence;
}

const uint8_t *weir_journal_identity(const struct weir_journal *j)
{
	return j->super.identity;
}

bool weir_journal_idle(const struct weir_journal *j)
{
	return j->head == j->tail && j->flight == 0;
}

void weir_journal_stats(const struct weir_journal *j, struct weir_journal_stats *ret)
{
	*ret = (struct weir_journal_stats){
		.bytes_written = j->bytes_written,
		.units_written = j->units_written,
		.commits = j->commits,
		.segments = j->segment_count,
		.bytes_live = j->log_end - j->log_start,
		.space_free = j->space_free,
	};
	for (uint32_t i = 0; i < j->segment_count; i++)
		ret->segment_bytes += j->segment[i].bytes;
}

/* ---- close ---- */

static void buffers_free(struct weir_journal *j)
{
	const struct weir_disk *d = j->disk;

	for (uint32_t i = 0; i < j->io_count; i++)
		if (j->io[i].mem)
			d->ops->buffer_free(d->ctx, j->io[i].mem, WEIR_JNL_UNIT_MAX);
	if (j->commit_page)
		d->ops->buffer_free(d->ctx, j->commit_page, 2 * (size_t)WEIR_DISK_BLOCK);
	d->ops->buffer_free(d->ctx, j->window, WEIR_JNL_UNIT_MAX);
	d->ops->buffer_free(d->ctx, j->page, (size_t)WEIR_JNL_COPIES * WEIR_DISK_BLOCK);
}

void weir_journal_close(struct weir_journal *j)
{
	const struct weir_mem *mem = j->mem;

	for (; j->head < j->tail; j->head++)
		if (j->queue[j->head % WEIR_JNL_QUEUE].rest.first)
			weir_out_fini(&j->queue[j->head % WEIR_JNL_QUEUE].rest);
	for (uint32_t i = 0; i < j->segment_count; i++)
		weir_jnl_segment_close(j, &j->segment[i]);
	if (j->super_file >= 0)
		j->disk->ops->close(j->disk->ctx, j->super_file);
	if (j->ring_file >= 0)
		j->disk->ops->close(j->disk->ctx, j->ring_file);
	buffers_free(j);
	if (j->io)
		mem->free(mem->ctx, j->io, j->io_count * sizeof(*j->io));
	if (j->segment_cap)
		mem->free(mem->ctx, j->segment, j->segment_cap * sizeof(*j->segment));
	if (j->live_cap)
		mem->free(mem->ctx, j->live, j->live_cap * sizeof(*j->live));
	mem->free(mem->ctx, j, sizeof(*j));
}
