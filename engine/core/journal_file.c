/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

/* ---- what is in the directory ---- */

struct weir_jnl_segment *weir_jnl_segment_find(struct weir_journal *j, uint32_t number)
{
	for (uint32_t i = 0; i < j->segment_count; i++)
		if (j->segment[i].number == number)
			return &j->segment[i];
	return NULL;
}

struct weir_jnl_segment *weir_jnl_segment_add(struct weir_journal *j, uint32_t number,
					      uint64_t bytes)
{
	uint32_t at = j->segment_count;

	if (j->segment_count == j->segment_cap) {
		uint32_t cap = j->segment_cap ? j->segment_cap * 2 : 16;
		struct weir_jnl_segment *s =
			j->mem->alloc(j->mem->ctx, cap * sizeof(*s), sizeof(void *));

		if (j->segment_cap) {
			memcpy(s, j->segment, j->segment_count * sizeof(*s));
			j->mem->free(j->mem->ctx, j->segment, j->segment_cap * sizeof(*s));
		}
		j->segment = s;
		j->segment_cap = cap;
	}
	for (; at && j->segment[at - 1].number > number; at--)
		j->segment[at] = j->segment[at - 1];
	j->segment[at] = (struct weir_jnl_segment){.number = number, .bytes = bytes, .file = -1};
	j->segment_count++;
	return &j->segment[at];
}

void weir_jnl_segment_drop(struct weir_journal *j, struct weir_jnl_segment *s)
{
	weir_assert(!s->writes);
	weir_jnl_segment_close(j, s);
	j->segment_count--;
	memmove(s, s + 1, (size_t)(j->segment + j->segment_count - s) * sizeof(*s));
}

static void on_file(void *ctx, const char *name, uint64_t bytes)
{
	struct weir_journal *j = ctx;
	uint32_t number;

	if (weir_jnl_segment_number(name, &number)) {
		weir_jnl_segment_add(j, number,
				     WEIR_MIN(bytes, WEIR_JNL_SEGMENT_MAX) &
					     ~(uint64_t)(WEIR_DISK_BLOCK - 1));
	} else if (strcmp(name, WEIR_JNL_FILE_SUPER) == 0) {
		j->has_super = true;
	} else if (strcmp(name, WEIR_JNL_FILE_SUPER_NEW) == 0) {
		j->has_super_new = true;
	} else if (strcmp(name, WEIR_JNL_FILE_RING) == 0) {
		j->has_ring = true;
		j->ring_short = bytes < (uint64_t)WEIR_JNL_SLOTS * WEIR_DISK_BLOCK;
	}
}

int weir_jnl_list(struct weir_journal *j, struct weir_err *err)
{
	int r = j->disk->ops->list(j->disk->ctx, on_file, j);

	return r < 0 ? weir_err_set(err, r, "cannot list the state directory: %s", weir_strerror(r))
		     : 0;
}

/* ---- segments ---- */

int weir_jnl_segment_open(struct weir_journal *j, struct weir_jnl_segment *s)
{
	char name[WEIR_JNL_FILE_NAME];

	if (s->file < 0) {
		weir_jnl_segment_name(s->number, name);
		s->file = j->disk->ops->open(j->disk->ctx, name, 0);
	}
	return s->file;
}

void weir_jnl_segment_close(struct weir_journal *j, struct weir_jnl_segment *s)
{
	if (s->file >= 0)
		j->disk->ops->close(j->disk->ctx, s->file);
	s->file = -1;
}

/* A file that was not made to its end. It lies above the end of the log: nothing was written to it. */
static int drop_short(struct weir_journal *j, struct weir_jnl_segment *s, const char *name)
{
	int r = j->disk->ops->unlink(j->disk->ctx, name);

	weir_probe("journal.segment_short");
	if (r == 0)
		weir_jnl_segment_drop(j, s);
	return r;
}

int weir_jnl_segment_make(struct weir_journal *j, uint32_t number, struct weir_jnl_segment **ret)
{
	struct weir_jnl_segment *s = weir_jnl_segment_find(j, number);
	char name[WEIR_JNL_FILE_NAME];
	int file, r = 0;

	weir_jnl_segment_name(number, name);
	if (s && s->bytes < WEIR_JNL_SEGMENT_MIN && !(j->end.segment == number && j->end.offset)) {
		r = drop_short(j, s, name);
		s = NULL;
	}
	if (r == 0 && !s) {
		file = j->disk->ops->open(j->disk->ctx, name, j->segment_bytes);
		if (file >= 0) {
			s = weir_jnl_segment_add(j, number, j->segment_bytes);
			s->file = file;
		}
		r = WEIR_MIN(file, 0);
		j->space_free = j->disk->ops->space(j->disk->ctx);
	}
	*ret = s;
	return r;
}

/* ---- reading ---- */

void weir_jnl_window_forget(struct weir_journal *j)
{
	j->window_bytes = 0;
}

/* Of the segments that are only read, one has a handle. */
static int open_to_read(struct weir_journal *j, struct weir_jnl_segment *s)
{
	struct weir_jnl_segment *last = weir_jnl_segment_find(j, j->reading);

	if (last && last != s && !last->writes && !(j->started && last->number == j->end.segment))
		weir_jnl_segment_close(j, last);
	j->reading = s->number;
	return weir_jnl_segment_open(j, s);
}

static const uint8_t *window_fill(struct weir_journal *j, struct weir_jnl_segment *s,
				  struct weir_jnl_pos at, uint32_t n, enum weir_jnl_bad *ret_bad)
{
	uint64_t most = WEIR_MIN((uint64_t)WEIR_JNL_UNIT_MAX, s->bytes - at.offset);
	int file = open_to_read(j, s);
	int r = file < 0 ? file
			 : j->disk->ops->read(j->disk->ctx, file, at.offset, j->window, most);

	if (r == -EIO && most > n) {
		/* One bad block must not hide those before it. */
		weir_probe("journal.read_smaller");
		most = n;
		r = j->disk->ops->read(j->disk->ctx, file, at.offset, j->window, n);
	}
	j->window_at = at;
	j->window_bytes = r < 0 ? 0 : most;
	j->window_epoch = j->durable;
	if (r == 0)
		return j->window;
	*ret_bad = WEIR_JNL_UNREADABLE;
	if (r != -EIO)
		j->hard = r;
	return NULL;
}

const uint8_t *weir_jnl_window(struct weir_journal *j, struct weir_jnl_pos at, uint32_t n,
			       enum weir_jnl_bad *ret_bad)
{
	struct weir_jnl_segment *s;

	if (j->window_bytes && at.segment == j->window_at.segment &&
	    at.offset >= j->window_at.offset &&
	    at.offset + n <= j->window_at.offset + j->window_bytes)
		return j->window + (at.offset - j->window_at.offset);
	s = weir_jnl_segment_find(j, at.segment);
	if (!s || at.offset > s->bytes || s->bytes - at.offset < n) {
		*ret_bad = WEIR_JNL_FILE_END;
		return NULL;
	}
	return window_fill(j, s, at, n, ret_bad);
}

enum weir_jnl_bad weir_jnl_unit_read(struct weir_journal *j, struct weir_jnl_pos at,
				     struct weir_jnl_unit *ret)
{
	enum weir_jnl_bad bad = WEIR_JNL_OK;
	const uint8_t *p = weir_jnl_window(j, at, WEIR_DISK_BLOCK, &bad);

	ret->head_ok = false;
	if (!p)
		return bad;
	bad = weir_jnl_check(p, j->super.identity, at, &ret->head);
	if (bad == WEIR_JNL_OK && ret->head.type != WEIR_JNL_DATA &&
	    ret->head.type != WEIR_JNL_COMMIT)
		bad = WEIR_JNL_ADDRESS;
	if (bad)
		return bad;
	ret->hash = weir_jnl_head_hash(&ret->head);
	ret->head_ok = true;
	p = weir_jnl_window(j, at, weir_jnl_padded(ret->head.bytes), &bad);
	if (!p)
		return bad;
	ret->body = p + WEIR_JNL_HEAD;
	return weir_jnl_body_ok(&ret->head, ret->body) ? WEIR_JNL_OK : WEIR_JNL_BODY;
}

/* Units fill a segment to its last block: the next one starts right behind, or at 0 of the next segment. */
struct weir_jnl_pos weir_jnl_behind(const struct weir_jnl_head *h, struct weir_jnl_pos at)
{
	at.offset += weir_jnl_padded(h->bytes);
	if (at.offset >= (uint64_t)h->segment_blocks * WEIR_DISK_BLOCK)
		at = (struct weir_jnl_pos){at.segment + 1, 0};
	return at;
}

/* All lineage is compared here. */
bool weir_jnl_chain_ok(struct weir_hash128 a, struct weir_hash128 b)
{
	return weir_hash128_eq(a, b) || weir_planted(NO_CHAIN_CHECK);
}

/* b: what was read; its number, epoch and fence are those of the bundle's head, taken from the record by the caller. */
bool weir_jnl_commit_fits(const struct weir_jnl_commit *c, const struct weir_jnl_head *h,
			  const struct weir_jnl_bundle *b)
{
	return c->epoch == h->epoch && c->fence == h->fence && c->number == b->number &&
	       c->units == b->units && c->bytes == b->bytes &&
	       weir_jnl_chain_ok(c->heads, b->heads);
}
