/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define BASE_BYTES ((uint64_t)4 << 20) /* read in one call */

/* ---- one bundle, unit by unit ---- */

void weir_jnl_cursor_open(struct weir_jnl_cursor *c, const struct weir_jnl_bundle *b)
{
	*c = (struct weir_jnl_cursor){.at = b->start, .chain = b->before};
}

static int damaged(const struct weir_jnl_bundle *b, struct weir_jnl_pos at, enum weir_jnl_bad bad,
		   struct weir_err *err)
{
	char name[WEIR_JNL_FILE_NAME];

	weir_probe("journal.damage_read_back");
	weir_jnl_segment_name(at.segment, name);
	return weir_err_set(err, WEIR_E_CORRUPT,
			    "%s, offset %llu: epoch %llu is damaged (%s); restore the file from a "
			    "backup, or start over with `weir run --fresh`",
			    name, (unsigned long long)at.offset, (unsigned long long)b->epoch,
			    weir_jnl_bad_text(bad));
}

/* The bundle's units are read: the commit record behind them, unless only the ring holds it. */
static int cursor_end(struct weir_journal *j, const struct weir_jnl_cursor *c,
		      const struct weir_jnl_bundle *b, struct weir_err *err)
{
	struct weir_jnl_unit u;
	enum weir_jnl_bad bad = WEIR_JNL_OK;

	if (!weir_jnl_chain_ok(c->heads, b->heads) || c->bytes != b->bytes)
		return damaged(b, c->at, WEIR_JNL_MISFIT, err);
	if (b->unit_bad)
		return 0;
	bad = weir_jnl_unit_read(j, b->commit, &u);
	if (!bad && !weir_jnl_chain_ok(u.hash, b->after))
		bad = WEIR_JNL_CHAIN;
	return bad ? damaged(b, b->commit, bad, err) : 0;
}

int weir_jnl_cursor_next(struct weir_journal *j, struct weir_jnl_cursor *c,
			 const struct weir_jnl_bundle *b, struct weir_jnl_unit *ret,
			 struct weir_err *err)
{
	enum weir_jnl_bad bad;

	if (c->units == b->units)
		return cursor_end(j, c, b, err);
	bad = weir_jnl_unit_read(j, c->at, ret);
	if (!bad && !weir_jnl_chain_ok(ret->head.before, c->chain))
		bad = WEIR_JNL_CHAIN;
	if (!bad && (ret->head.type != WEIR_JNL_DATA || ret->head.bytes > b->bytes - c->bytes ||
		     ((ret->head.epoch != b->epoch || ret->head.fence != b->fence) &&
		      !weir_planted(NO_CHAIN_CHECK))))
		bad = WEIR_JNL_MISFIT;
	if (bad)
		return damaged(b, c->at, bad, err);
	c->at = weir_jnl_behind(&ret->head, c->at);
	c->chain = ret->hash;
	c->heads = weir_hash128_chain(c->heads, ret->hash);
	c->units++;
	c->bytes += ret->head.bytes;
	return 1;
}

/* ---- giving segments back ---- */

/* A new name far enough ahead that nothing in it can be taken for a unit of its new place. */
static int recycle(struct weir_journal *j, struct weir_jnl_segment *s, const char *name)
{
	uint32_t next = j->segment[j->segment_count - 1].number + 1;
	uint64_t bytes = s->bytes;
	char new_name[WEIR_JNL_FILE_NAME];
	int r;

	next = WEIR_MAX(next, j->end.segment + 1);
	weir_jnl_segment_name(next, new_name);
	weir_probe("journal.segment_recycled");
	weir_jnl_segment_drop(j, s);
	r = j->disk->ops->rename(j->disk->ctx, name, new_name);
	if (r < 0)
		return weir_jnl_fail(j, name, 0, r);
	weir_jnl_segment_add(j, next, bytes);
	return 0;
}

int weir_jnl_give_back(struct weir_journal *j, uint32_t below)
{
	weir_jnl_window_forget(j);
	while (j->segment_count && j->segment[0].number < below && !j->failed.code) {
		struct weir_jnl_segment *s = &j->segment[0];
		char name[WEIR_JNL_FILE_NAME];
		uint32_t last = j->segment[j->segment_count - 1].number;
		int r;

		weir_jnl_segment_name(s->number, name);
		if (s->bytes == j->segment_bytes && last < j->end.segment + WEIR_JNL_SPARES) {
			recycle(j, s, name);
			continue;
		}
		weir_jnl_segment_drop(j, s);
		r = j->disk->ops->unlink(j->disk->ctx, name);
		if (r < 0)
			weir_jnl_fail(j, name, 0, r);
	}
	j->ahead_failed = false;
	j->space_free = j->disk->ops->space(j->disk->ctx);
	return j->failed.code;
}

/* ---- the base ---- */

static struct weir_jnl_bundle *by_number(struct weir_journal *j, uint64_t number)
{
	return weir_jnl_live(j, number - weir_jnl_live(j, 0)->number);
}

/* The first bundle above the epoch; there is one, as epoch is below the newest. */
static struct weir_jnl_bundle *first_above(struct weir_journal *j, uint64_t epoch)
{
	return weir_jnl_live(j, weir_jnl_above(j, epoch));
}

static void begin(struct weir_journal *j, uint64_t epoch)
{
	const struct weir_jnl_bundle *b = first_above(j, epoch);

	j->base.active = true;
	j->base.open = false;
	j->base.epoch = epoch;
	j->base.number = b->number;
	j->base.last = weir_jnl_live(j, j->live_count - 1)->number;
	if (weir_planted(TRIM_EARLY))
		weir_jnl_give_back(j, b->start.segment);
}

/* 1: there is more. */
static int read_back(struct weir_journal *j, struct weir_err *err)
{
	uint64_t bytes = 0;

	weir_jnl_window_forget(j);
	while (j->base.number <= j->base.last) {
		const struct weir_jnl_bundle *b = by_number(j, j->base.number);
		struct weir_jnl_unit u = {0};
		int r;

		if (bytes >= BASE_BYTES)
			return 1;
		if (!j->base.open)
			weir_jnl_cursor_open(&j->base.cursor, b);
		r = weir_jnl_cursor_next(j, &j->base.cursor, b, &u, err);
		if (r < 0)
			return r;
		j->base.open = r == 1;
		j->base.number += r == 0;
		bytes += r == 1 ? weir_jnl_padded(u.head.bytes) : WEIR_DISK_BLOCK;
	}
	return 0;
}

/* Old segments go only after the new superblock is durable, and it is written only after what it points to
 * was read back (I36). */
static int move_start(struct weir_journal *j)
{
	const struct weir_jnl_bundle *first = first_above(j, j->base.epoch);
	struct weir_jnl_super s = j->super;
	uint64_t gone = first->number - weir_jnl_live(j, 0)->number;
	int r;

	if (gone) {
		s.covered = weir_jnl_live(j, gone - 1)->epoch;
		s.number = first->number - 1;
		s.segment = first->start.segment;
		s.offset = first->start.offset;
		s.chain = first->before;
	}
	s.covered = WEIR_MAX(s.covered, j->base.epoch);
	r = weir_jnl_super_write(j, &s);
	if (r < 0)
		return r;
	weir_probe("journal.base_trim");
	if (gone)
		j->log_start = weir_jnl_live(j, gone - 1)->log_end;
	j->live_first += gone;
	j->live_count -= gone;
	return weir_jnl_give_back(j, s.segment);
}

int weir_journal_base(struct weir_journal *j, uint64_t epoch, struct weir_err *err)
{
	int r;

	weir_assert(j->started);
	if (j->failed.code)
		return weir_jnl_failed(j, err);
	if (epoch <= j->super.covered)
		return 0;
	if (epoch >= j->durable)
		return weir_err_set(err, WEIR_E_RANGE,
				    "a base at epoch %llu needs a durable epoch above it",
				    (unsigned long long)epoch);
	if (!j->base.active || j->base.epoch != epoch)
		begin(j, epoch);
	r = read_back(j, err);
	if (r == 0) {
		r = move_start(j);
		if (r < 0)
			r = weir_jnl_failed(j, err);
	}
	j->base.active = r == 1;
	return r;
}
