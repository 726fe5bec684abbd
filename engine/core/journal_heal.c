/* SPDX-License-Identifier: Apache-2.0 */
/* Each commit record has two places, its unit and its slot in the ring. One that is lost is written again from the other. */
#include <errno.h>

#include "engine/core/journal_int.h"

/* A commit unit from its copy in the ring. */
static int heal_unit(struct weir_journal *j, struct weir_jnl_bundle *b)
{
	const struct weir_jnl_slot *slot = &j->slot[b->number % WEIR_JNL_SLOTS];
	char name[WEIR_JNL_FILE_NAME];
	struct weir_jnl_segment *s;
	struct weir_jnl_sync w;
	int r = weir_jnl_segment_make(j, b->commit.segment, &s);

	weir_jnl_segment_name(b->commit.segment, name);
	if (r == 0)
		r = weir_jnl_segment_open(j, s);
	if (r < 0)
		return weir_jnl_fail(j, name, b->commit.offset, r);
	weir_jnl_commit_block(j->page, &slot->head, &slot->commit);
	w = (struct weir_jnl_sync){r, name, b->commit.offset, j->page};
	r = weir_jnl_write_wait(j, &w, 1);
	weir_jnl_segment_close(j, s);
	b->unit_bad = r < 0;
	return r;
}

/* The other way round. */
static int heal_slot(struct weir_journal *j, struct weir_jnl_bundle *b)
{
	struct weir_jnl_sync w = {j->ring_file, WEIR_JNL_FILE_RING,
				  b->number % WEIR_JNL_SLOTS * WEIR_DISK_BLOCK, j->page};
	struct weir_jnl_commit c;
	struct weir_jnl_unit u;
	char name[WEIR_JNL_FILE_NAME];
	int r;

	if (weir_jnl_unit_read(j, b->commit, &u) ||
	    !weir_hash128_eq(weir_jnl_head_hash(&u.head), b->after)) {
		weir_jnl_segment_name(b->commit.segment, name);
		return weir_jnl_fail(j, name, b->commit.offset, -EIO);
	}
	memcpy(&c, u.body, sizeof(c));
	weir_jnl_slot_block(j->page, &u.head, &c);
	r = weir_jnl_write_wait(j, &w, 1);
	b->slot_bad = r < 0;
	return r;
}

static int make_ring(struct weir_journal *j)
{
	int r = 0;

	if (j->ring_short) {
		j->disk->ops->close(j->disk->ctx, j->ring_file);
		j->ring_file = -1;
		/* A short one is damaged; what is damaged is kept. */
		r = j->disk->ops->rename(j->disk->ctx, WEIR_JNL_FILE_RING,
					 "quarantine/" WEIR_JNL_FILE_RING);
		if (r ==
		    -EEXIST) /* there is one from before: this one holds no more than that did */
			r = j->disk->ops->unlink(j->disk->ctx, WEIR_JNL_FILE_RING);
	}
	if (r == 0)
		r = j->disk->ops->open(j->disk->ctx, WEIR_JNL_FILE_RING,
				       (uint64_t)WEIR_JNL_SLOTS * WEIR_DISK_BLOCK);
	if (r < 0)
		return weir_jnl_fail(j, WEIR_JNL_FILE_RING, 0, r);
	j->ring_file = r;
	j->has_ring = true;
	j->ring_short = false;
	return 0;
}

int weir_jnl_heal(struct weir_journal *j)
{
	int r = 0;

	/* Units first: a ring that is made again must not take the only copy away. */
	for (uint64_t i = 0; i < j->live_count && r == 0; i++)
		if (weir_jnl_live(j, i)->unit_bad)
			r = heal_unit(j, weir_jnl_live(j, i));
	if (r == 0 && !j->has_ring)
		r = make_ring(j);
	weir_jnl_window_forget(j);
	for (uint64_t i = 0; i < j->live_count && r == 0; i++)
		if (weir_jnl_live(j, i)->slot_bad)
			r = heal_slot(j, weir_jnl_live(j, i));
	return r;
}
