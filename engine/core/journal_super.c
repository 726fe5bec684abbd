/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define SUPER_BYTES ((uint64_t)WEIR_JNL_COPIES * WEIR_JNL_COPY_STEP)
#define RING_BYTES ((uint64_t)WEIR_JNL_SLOTS * WEIR_DISK_BLOCK)

struct vote {
	struct weir_jnl_super copy[WEIR_JNL_COPIES];
	enum weir_jnl_bad bad[WEIR_JNL_COPIES];
};

static int read_copies(struct weir_journal *j, struct vote *v, struct weir_err *err)
{
	int file = j->disk->ops->open(j->disk->ctx, WEIR_JNL_FILE_SUPER, 0);

	if (file < 0)
		return weir_err_set(err, file, "cannot open superblock: %s", weir_strerror(file));
	j->super_file = file;
	for (uint32_t i = 0; i < WEIR_JNL_COPIES; i++) {
		int r = j->disk->ops->read(j->disk->ctx, file, (uint64_t)i * WEIR_JNL_COPY_STEP,
					   j->page, WEIR_DISK_BLOCK);

		if (r < 0 && r != -EIO)
			return weir_err_set(err, r, "cannot read superblock: %s", weir_strerror(r));
		v->bad[i] =
			r < 0 ? WEIR_JNL_UNREADABLE : weir_jnl_super_read(j->page, i, &v->copy[i]);
		if (v->bad[i])
			continue;
		j->sequence = WEIR_MAX(j->sequence, v->copy[i].sequence);
		j->fence_seen = WEIR_MAX(j->fence_seen, v->copy[i].fence);
	}
	return 0;
}

static bool same(const struct vote *v, uint32_t a, uint32_t b)
{
	return !v->bad[a] && !v->bad[b] &&
	       memcmp(&v->copy[a], &v->copy[b], sizeof(v->copy[a])) == 0;
}

/* The newest version that two copies hold; -1: none. */
static int winner(const struct vote *v)
{
	int best = -1;

	for (uint32_t a = 0; a < WEIR_JNL_COPIES; a++) {
		uint32_t votes = 0;

		for (uint32_t b = 0; b < WEIR_JNL_COPIES; b++)
			votes += same(v, a, b);
		if (votes < (weir_planted(SUPER_ONE_COPY) ? 1 : 2))
			continue;
		if (best < 0 || v->copy[a].sequence > v->copy[best].sequence)
			best = (int)a;
	}
	return best;
}

static void tell_copies(struct weir_journal *j, const struct vote *v, int best)
{
	for (uint32_t i = 0; i < WEIR_JNL_COPIES; i++) {
		bool old = !v->bad[i];

		j->copy_ok[i] = best >= 0 && same(v, i, (uint32_t)best);
		if (j->copy_ok[i])
			continue;
		weir_probe("journal.super_vote");
		weir_jnl_tell_one(j, best < 0 ? WEIR_JOURNAL_DAMAGED : WEIR_JOURNAL_COPY,
				  WEIR_JNL_FILE_SUPER, (uint64_t)i * WEIR_JNL_COPY_STEP,
				  WEIR_DISK_BLOCK, 0, 0, "copy %u of the superblock: %s%s", i + 1,
				  old ? "it differs from the others" : weir_jnl_bad_text(v->bad[i]),
				  best < 0 ? ""
					   : "; the others agree, the next start writes it again");
	}
}

int weir_jnl_super_vote(struct weir_journal *j, struct weir_err *err)
{
	struct vote v = {0};
	uint32_t other = 0;
	int best, r = read_copies(j, &v, err);

	if (r < 0)
		return r;
	best = winner(&v);
	tell_copies(j, &v, best);
	for (uint32_t i = 0; i < WEIR_JNL_COPIES; i++)
		other += v.bad[i] == WEIR_JNL_OTHER_VERSION;
	if (best < 0 && other >= 2)
		return weir_err_set(
			err, WEIR_E_VERSION,
			"the journal was written by another version of weir: use that version");
	if (best < 0) {
		weir_probe("journal.super_lost");
		return weir_err_set(
			err, WEIR_E_CORRUPT,
			"superblock: no two of its 4 copies agree, so it is not known where the "
			"journal starts; restore the file from a backup, or start over with "
			"`weir run --fresh`");
	}
	j->super = v.copy[best];
	return 0;
}

static int write_copies(struct weir_journal *j, const struct weir_jnl_super *s, uint32_t which)
{
	struct weir_jnl_sync w[WEIR_JNL_COPIES];
	uint32_t n = 0;

	for (uint32_t i = 0; i < WEIR_JNL_COPIES; i++) {
		uint8_t *p = j->page + (size_t)n * WEIR_DISK_BLOCK;

		if (!(which & 1u << i))
			continue;
		weir_jnl_super_block(p, s, i);
		w[n++] = (struct weir_jnl_sync){j->super_file, WEIR_JNL_FILE_SUPER,
						(uint64_t)i * WEIR_JNL_COPY_STEP, p};
	}
	return n ? weir_jnl_write_wait(j, w, n) : 0;
}

/*
 * Two copies, then the other two. The two that wait hold the version that counts now (whichever these are),
 * so that at every moment two copies of one version are whole.
 */
int weir_jnl_super_write(struct weir_journal *j, const struct weir_jnl_super *s)
{
	struct weir_jnl_super next = *s;
	uint32_t keep = 0, kept = 0;
	int r;

	for (uint32_t i = WEIR_JNL_COPIES; i-- && kept < 2;)
		if (j->copy_ok[i]) {
			keep |= 1u << i;
			kept++;
		}
	next.sequence = ++j->sequence;
	r = write_copies(j, &next, 0xf & ~keep);
	if (r == 0)
		r = write_copies(j, &next, keep);
	if (r < 0)
		return r;
	j->super = next;
	memset(j->copy_ok, true, sizeof(j->copy_ok));
	return 0;
}

int weir_jnl_super_repair(struct weir_journal *j)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < WEIR_JNL_COPIES; i++)
		bad |= j->copy_ok[i] ? 0 : 1u << i;
	return write_copies(j, &j->super, bad);
}

/* ---- a new journal ---- */

/* Whether a file holds anything but zeroes; unreadable counts as something. */
static bool has_bytes(struct weir_journal *j, const char *name, uint64_t blocks)
{
	int file = j->disk->ops->open(j->disk->ctx, name, 0);
	bool some = file < 0;

	for (uint64_t b = 0; b < blocks && !some; b++) {
		/* A file that was not made to its end is shorter. */
		if (j->disk->ops->read(j->disk->ctx, file, b * WEIR_DISK_BLOCK, j->page,
				       WEIR_DISK_BLOCK) < 0)
			break;
		for (uint32_t i = 0; i < WEIR_DISK_BLOCK && !some; i++)
			some = j->page[i] != 0;
	}
	if (file >= 0)
		j->disk->ops->close(j->disk->ctx, file);
	return some;
}

/* The superblock is made last. Without it there may only be what an interrupted creation leaves: empty files. */
int weir_jnl_super_missing(struct weir_journal *j, struct weir_err *err)
{
	char name[WEIR_JNL_FILE_NAME];
	bool lost = false;

	for (uint32_t i = 0; i < j->segment_count; i++) {
		weir_jnl_segment_name(j->segment[i].number, name);
		lost |= j->segment[i].number != 1 || has_bytes(j, name, 1);
	}
	lost |= j->has_ring && has_bytes(j, WEIR_JNL_FILE_RING, WEIR_JNL_SLOTS);
	if (!lost)
		return 0;
	weir_probe("journal.super_missing");
	weir_jnl_tell_one(j, WEIR_JOURNAL_MISSING, WEIR_JNL_FILE_SUPER, 0, 0, 0, 0,
			  "the superblock is missing, but there are other files of a journal; "
			  "restore it from a backup");
	return weir_err_set(
		err, WEIR_E_CORRUPT,
		"superblock is missing, but there are other files of a journal: restore "
		"it from a backup, or start over with `weir run --fresh`");
}

static int remove_leftovers(struct weir_journal *j)
{
	const struct weir_disk_ops *ops = j->disk->ops;
	char name[WEIR_JNL_FILE_NAME];
	int r = 0;

	if (j->has_super_new || j->has_ring || j->segment_count)
		weir_probe("journal.creation_interrupted");
	if (j->has_super_new)
		r = ops->unlink(j->disk->ctx, WEIR_JNL_FILE_SUPER_NEW);
	j->has_super_new = false; /* the new one gets the final name */
	if (r == 0 && j->has_ring)
		r = ops->unlink(j->disk->ctx, WEIR_JNL_FILE_RING);
	if (r == 0 && j->segment_count) {
		weir_jnl_segment_name(j->segment[0].number, name);
		weir_jnl_segment_drop(j, &j->segment[0]);
		r = ops->unlink(j->disk->ctx, name);
	}
	return r;
}

static int create_files(struct weir_journal *j, const struct weir_journal_options *o)
{
	const struct weir_disk_ops *ops = j->disk->ops;
	struct weir_jnl_super s = {.segment = 1};
	struct weir_jnl_segment *first;
	int r = ops->open(j->disk->ctx, WEIR_JNL_FILE_RING, RING_BYTES);

	if (r < 0)
		return r;
	j->ring_file = r;
	r = weir_jnl_segment_make(j, 1, &first);
	if (r < 0)
		return r;
	r = ops->open(j->disk->ctx, WEIR_JNL_FILE_SUPER_NEW, SUPER_BYTES);
	if (r < 0)
		return r;
	j->super_file = r;
	memcpy(s.identity, o->identity, sizeof(s.identity));
	memcpy(s.pipeline, o->pipeline, strlen(o->pipeline));
	s.chain = weir_jnl_origin(s.identity);
	r = weir_jnl_super_write(j, &s);
	if (r < 0)
		return r;
	r = ops->rename(j->disk->ctx, WEIR_JNL_FILE_SUPER_NEW, WEIR_JNL_FILE_SUPER);
	j->has_ring = true;
	j->ring_short = false;
	return r;
}

int weir_jnl_create(struct weir_journal *j, const struct weir_journal_options *o,
		    struct weir_err *err)
{
	int r;

	if (j->read_only)
		return weir_err_set(err, -ENOENT, "there is no journal in the state directory");
	r = weir_jnl_super_missing(j, err);
	if (r < 0)
		return r;
	r = remove_leftovers(j);
	if (r == 0)
		r = create_files(j, o);
	if (r < 0 && j->failed.code)
		return weir_jnl_failed(j, err);
	return r < 0 ? weir_err_set(err, r, "cannot make a new journal: %s", weir_strerror(r)) : 0;
}
