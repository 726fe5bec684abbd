/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of one committed bundle, by its epoch: output that waits for another region and has no room in memory.
 *
 * The index is the list of bundles that recovery would read (weir_jnl_live()); the bundle's units are followed from its
 * first one, each checked as a recovery would. Units behind the last byte that is wanted are left alone.
 */
#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define FETCH_BYTES ((uint64_t)1 << 20) /* read in one call */

uint64_t weir_jnl_above(struct weir_journal *j, uint64_t epoch)
{
	uint64_t low = 0, high = j->live_count;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;

		if (weir_jnl_live(j, mid)->epoch <= epoch)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct weir_jnl_bundle *bundle_of(struct weir_journal *j, uint64_t epoch)
{
	uint64_t i = weir_jnl_above(j, epoch);

	if (i == 0 || weir_jnl_live(j, i - 1)->epoch != epoch)
		return NULL;
	return weir_jnl_live(j, i - 1);
}

static void begin(struct weir_journal *j, const struct weir_jnl_bundle *b, uint64_t from,
		  uint64_t n)
{
	j->fetch.active = true;
	j->fetch.epoch = b->epoch;
	j->fetch.from = from;
	j->fetch.n = n;
	weir_jnl_cursor_open(&j->fetch.cursor, b);
}

static bool same(const struct weir_journal *j, uint64_t epoch, uint64_t from, uint64_t n)
{
	return j->fetch.active && j->fetch.epoch == epoch && j->fetch.from == from &&
	       j->fetch.n == n;
}

/* What of a unit's body, whose first byte is byte `at` of the bundle, lies in [from, from + n). */
static void take(uint8_t *to, uint64_t from, uint64_t n, uint64_t at, const struct weir_jnl_unit *u)
{
	uint64_t first = WEIR_MAX(from, at), end = WEIR_MIN(from + n, at + u->head.bytes);

	if (first < end)
		memcpy(to + (first - from), u->body + (first - at), end - first);
}

int weir_journal_fetch(struct weir_journal *j, uint64_t epoch, uint64_t from, void *to, uint64_t n,
		       struct weir_err *err)
{
	const struct weir_jnl_bundle *b = bundle_of(j, epoch);
	struct weir_jnl_cursor *c = &j->fetch.cursor;
	uint64_t bytes = 0;

	if (!b || from > b->bytes || n > b->bytes - from)
		return weir_err_set(err, WEIR_E_RANGE,
				    "the journal has no bytes %llu to %llu of an epoch %llu",
				    (unsigned long long)from, (unsigned long long)(from + n),
				    (unsigned long long)epoch);
	if (!same(j, epoch, from, n))
		begin(j, b, from, n);
	/* Committed bytes do not change: a window that was read when this bundle was durable still holds. */
	if (j->window_epoch < epoch)
		weir_jnl_window_forget(j);
	while (c->bytes < from + n) {
		struct weir_jnl_unit u = {0};
		uint64_t at = c->bytes;
		int r;

		if (bytes >= FETCH_BYTES)
			return 1;
		r = weir_jnl_cursor_next(j, c, b, &u, err);
		if (r < 0) {
			j->fetch.active = false;
			weir_jnl_window_forget(j); /* whoever tries again reads again */
			return r;
		}
		weir_assert(r == 1); /* the end of a bundle comes with all its bytes */
		take(to, from, n, at, &u);
		bytes += weir_jnl_padded(u.head.bytes);
	}
	weir_probe("journal.fetched");
	j->fetch.active = false;
	return 0;
}

uint64_t weir_journal_bytes_above(const struct weir_journal *j, uint64_t epoch)
{
	uint64_t i = weir_jnl_above((struct weir_journal *)(uintptr_t)j, epoch);

	return j->log_end - (i ? j->live[j->live_first + i - 1].log_end : j->log_start);
}
