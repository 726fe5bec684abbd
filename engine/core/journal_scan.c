/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: follows the chain from the replay start and decides what its end is (correctness.md 1.10).
 *
 *   a unit does not continue the chain, and ...
 *     its place is that of the next commit record, which is whole in the ring     take it from there, go on
 *     behind it stands a commit record at its own place                           damage: WEIR_E_CORRUPT
 *     the ring holds a commit record above the last one of the chain              damage: WEIR_E_CORRUPT
 *     neither                                                                     torn tail: the log ends at the
 *                                                                                 last commit record
 * Why a commit record behind the break is proof: it is written only when all units of its bundle and all commit
 * records before it are durable; one of an earlier life of the segment has another address. So a
 * power cut leaves none there.
 */
#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define DOUBTS 16u

struct doubt {
	struct weir_jnl_pos at;
	uint64_t bytes;
	enum weir_jnl_bad bad;
	bool missing; /* the file is gone */
};

struct scan {
	struct weir_journal *j;
	struct weir_jnl_pos at;
	struct weir_hash128 chain;
	bool lost; /* the chain is broken; the next unit is taken as it is */
	bool broken; /* the bundle that is being read is not whole */
	bool end, cut; /* cut: only with TRUNCATE_COMMITTED */
	struct weir_jnl_bundle b; /* being read */
	uint64_t epoch, fence; /* of the last commit record */
	struct weir_hash128 commit_chain;
	struct weir_jnl_pos torn_from, torn_to;
	uint64_t torn_epoch;
	bool shorter; /* the last segment is shorter than its units say: something cut it */
	/* Told when a commit record shows that the place was committed. */
	struct doubt doubt[DOUBTS];
	uint32_t doubts;
};

/* ---- findings ---- */

void weir_jnl_tell_one(struct weir_journal *j, enum weir_journal_fault fault, const char *file,
		       uint64_t offset, uint64_t bytes, uint64_t first, uint64_t last,
		       const char *fmt, ...)
{
	struct weir_journal_finding f = {.fault = fault,
					 .offset = offset,
					 .bytes = bytes,
					 .epoch_first = first,
					 .epoch_last = last};
	va_list ap;

	snprintf(f.file, sizeof(f.file), "%s", file);
	va_start(ap, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	j->tell(j->tell_ctx, &f);
}

static void doubt(struct scan *s, struct weir_jnl_pos at, uint64_t bytes, enum weir_jnl_bad bad,
		  bool missing)
{
	if (s->doubts < DOUBTS)
		s->doubt[s->doubts++] = (struct doubt){at, bytes, bad, missing};
	s->broken = true;
}

/* The doubts are damage: epochs above the last commit record up to `last` are not whole. */
static void condemn(struct scan *s, uint64_t last)
{
	char name[WEIR_JNL_FILE_NAME];

	if (weir_planted(TRUNCATE_COMMITTED)) {
		s->end = s->cut = true;
		return;
	}
	weir_probe("journal.damage_below");
	for (uint32_t i = 0; i < s->doubts; i++) {
		const struct doubt *d = &s->doubt[i];

		weir_jnl_segment_name(d->at.segment, name);
		weir_jnl_tell_one(s->j, d->missing ? WEIR_JOURNAL_MISSING : WEIR_JOURNAL_DAMAGED,
				  name, d->at.offset, d->bytes, s->epoch + 1, last,
				  "committed data is damaged (%s); no other copy on this host: "
				  "restore the file from a backup or a peer; `weir run --fresh` "
				  "starts over",
				  d->missing ? "the file is missing" : weir_jnl_bad_text(d->bad));
	}
	s->doubts = 0;
	s->j->damaged = true;
}

/* ---- units that belong ---- */

struct weir_jnl_bundle *weir_jnl_live(struct weir_journal *j, uint64_t i)
{
	return &j->live[j->live_first + i];
}

void weir_jnl_live_add(struct weir_journal *j, const struct weir_jnl_bundle *b)
{
	if (j->live_first + j->live_count == j->live_cap) {
		uint64_t cap = WEIR_MAX(j->live_count * 2, (uint64_t)64);
		struct weir_jnl_bundle *live =
			j->mem->alloc(j->mem->ctx, cap * sizeof(*live), sizeof(uint64_t));

		if (j->live_cap) {
			memcpy(live, weir_jnl_live(j, 0), j->live_count * sizeof(*live));
			j->mem->free(j->mem->ctx, j->live, j->live_cap * sizeof(*live));
		}
		j->live = live;
		j->live_first = 0;
		j->live_cap = cap;
	}
	j->live[j->live_first + j->live_count++] = *b;
}

static void bundle_begin(struct scan *s)
{
	s->b = (struct weir_jnl_bundle){
		.start = s->at, .before = s->chain, .log_end = s->b.log_end};
	s->broken = false;
}

static void take_data(struct scan *s, const struct weir_jnl_head *h, struct weir_hash128 hash)
{
	if (s->b.units == 0) {
		s->b.epoch = h->epoch;
		s->b.fence = h->fence;
		if (!s->broken)
			s->torn_from = s->at;
	}
	/* Units of two bundles without a commit record between them: never written. */
	if ((s->b.epoch != h->epoch || s->b.fence != h->fence) && !weir_planted(NO_CHAIN_CHECK))
		doubt(s, s->at, weir_jnl_padded(h->bytes), WEIR_JNL_MISFIT, false);
	s->b.units++;
	s->b.bytes += h->bytes;
	s->b.heads = weir_hash128_chain(s->b.heads, hash);
	if (!s->broken) {
		s->torn_epoch = h->epoch;
		s->torn_to = weir_jnl_behind(h, s->at);
	}
}

/* (fence, epoch) only grows (I2). */
static bool commit_fits(struct scan *s, const struct weir_jnl_head *h,
			const struct weir_jnl_commit *c)
{
	struct weir_jnl_bundle b = s->b;

	b.number = s->j->number + 1;
	return weir_jnl_commit_fits(c, h, &b) && weir_jnl_chain_ok(c->before, s->commit_chain) &&
	       c->epoch > s->epoch && c->fence >= s->fence &&
	       (b.units == 0 || (b.epoch == h->epoch && b.fence == h->fence) ||
		weir_planted(NO_CHAIN_CHECK));
}

static void take_commit(struct scan *s, const struct weir_jnl_head *h, struct weir_hash128 hash,
			const struct weir_jnl_commit *c, bool from_ring)
{
	struct weir_journal *j = s->j;

	if (!s->broken && !commit_fits(s, h, c))
		doubt(s, s->at, WEIR_DISK_BLOCK, WEIR_JNL_MISFIT, false);
	if (s->doubts) {
		condemn(s, c->epoch);
		if (weir_planted(TRUNCATE_COMMITTED))
			return;
	}
	s->b.number = c->number;
	s->b.epoch = c->epoch;
	s->b.fence = c->fence;
	s->b.commit = s->at;
	s->b.next = weir_jnl_behind(h, s->at);
	s->b.after = hash;
	s->b.unit_bad = from_ring;
	if (!j->damaged) {
		weir_jnl_live_add(j, &s->b);
		j->end = s->b.next;
		j->chain = hash;
		j->log_end = s->b.log_end;
	}
	j->number = c->number;
	j->commit_chain = s->commit_chain = hash;
	s->epoch = c->epoch;
	s->fence = c->fence;
}

static void take(struct scan *s, const struct weir_jnl_head *h, struct weir_hash128 hash,
		 const void *body, bool from_ring)
{
	const struct weir_jnl_segment *seg = weir_jnl_segment_find(s->j, s->at.segment);
	struct weir_jnl_commit c;

	s->lost = false;
	s->shorter = seg && seg->bytes / WEIR_DISK_BLOCK < h->segment_blocks;
	s->b.log_end += weir_jnl_padded(h->bytes);
	if (h->type == WEIR_JNL_DATA) {
		take_data(s, h, hash);
	} else {
		memcpy(&c, body, sizeof(c));
		take_commit(s, h, hash, &c, from_ring);
		if (weir_planted(TRUNCATE_COMMITTED) && s->cut)
			return;
	}
	s->chain = hash;
	s->at = weir_jnl_behind(h, s->at);
	if (h->type == WEIR_JNL_COMMIT)
		bundle_begin(s);
}

/* ---- units that do not ---- */

/* The commit record that belongs here, from the ring. */
static bool heal(struct scan *s)
{
	const struct weir_jnl_slot *slot = &s->j->slot[(s->j->number + 1) % WEIR_JNL_SLOTS];
	struct weir_jnl_pos at = {slot->head.segment, slot->head.offset};

	if (s->lost || s->broken || slot->bad || !weir_jnl_pos_eq(at, s->at) ||
	    !weir_jnl_chain_ok(slot->head.before, s->chain) ||
	    !commit_fits(s, &slot->head, &slot->commit))
		return false;
	weir_probe("journal.commit_from_ring");
	take(s, &slot->head, weir_jnl_head_hash(&slot->head), &slot->commit, true);
	return true;
}

static bool unit_at(struct weir_journal *j, const uint8_t *p, struct weir_jnl_pos at)
{
	struct weir_jnl_head h;

	return weir_jnl_check(p, j->super.identity, at, &h) == WEIR_JNL_OK &&
	       (h.type == WEIR_JNL_DATA || h.type == WEIR_JNL_COMMIT);
}

/* The next place in this segment, from `at`, where a unit stands at its own address; else the segment's end. */
static uint64_t search(struct weir_journal *j, struct weir_jnl_pos at, uint64_t end)
{
	enum weir_jnl_bad bad;

	for (; at.offset < end && !j->hard; at.offset += WEIR_DISK_BLOCK) {
		const uint8_t *p = weir_jnl_window(j, at, WEIR_DISK_BLOCK, &bad);

		if (p && unit_at(j, p, at))
			break;
	}
	return at.offset;
}

/* The first segment from `number` on that is there; 0: none. */
static uint32_t segment_from(const struct weir_journal *j, uint32_t number)
{
	for (uint32_t i = 0; i < j->segment_count; i++)
		if (j->segment[i].number >= number)
			return j->segment[i].number;
	return 0;
}

/* Nothing that continues the chain stands at s->at. */
static void skip(struct scan *s, enum weir_jnl_bad bad)
{
	const struct weir_jnl_segment *seg = weir_jnl_segment_find(s->j, s->at.segment);
	struct weir_jnl_pos from = s->at;
	uint32_t number;

	if (seg) {
		s->at.offset += WEIR_DISK_BLOCK;
		s->at.offset = search(s->j, s->at, seg->bytes);
		doubt(s, from, s->at.offset - from.offset, bad, false);
		if (s->at.offset >= seg->bytes)
			s->at = (struct weir_jnl_pos){from.segment + 1, 0};
	} else {
		number = segment_from(s->j, from.segment);
		s->end = !number;
		if (s->end)
			return;
		weir_probe("journal.segment_missing");
		doubt(s, from, 0, WEIR_JNL_FILE_END, true);
		s->at = (struct weir_jnl_pos){number, 0};
	}
	s->lost = true;
}

static void step(struct scan *s)
{
	struct weir_jnl_unit u = {0};
	enum weir_jnl_bad bad = weir_jnl_unit_read(s->j, s->at, &u);
	bool follows = u.head_ok && weir_jnl_chain_ok(u.head.before, s->chain);

	if (u.head_ok && !s->lost && !follows)
		bad = WEIR_JNL_CHAIN;
	if (bad == WEIR_JNL_OK) {
		take(s, &u.head, u.hash, u.body, false);
		return;
	}
	if (s->j->hard || heal(s))
		return;
	if (follows && !s->lost && !s->broken) {
		/* A unit that was being written when the power went. */
		s->torn_from = s->b.units ? s->torn_from : s->at;
		s->torn_to = weir_jnl_behind(&u.head, s->at);
		s->torn_epoch = u.head.epoch;
	}
	skip(s, bad);
}

/* ---- the verdict ---- */

static const struct weir_jnl_slot *newest_slot(const struct weir_journal *j)
{
	const struct weir_jnl_slot *best = NULL;

	for (uint32_t i = 0; i < WEIR_JNL_SLOTS; i++)
		if (!j->slot[i].bad && (!best || j->slot[i].commit.number > best->commit.number))
			best = &j->slot[i];
	return best;
}

static bool slot_holds(const struct weir_journal *j, uint64_t number)
{
	const struct weir_jnl_slot *slot = &j->slot[number % WEIR_JNL_SLOTS];

	return !slot->bad && slot->commit.number == number;
}

/*
 * A commit record is written when the one before it is durable in both places. So a power cut may leave out the newest
 * slot of the ring, never the two newest: then the ring is damaged and does not say where the log ends.
 */
static bool ring_blind(const struct weir_journal *j)
{
	return !j->has_ring ||
	       (j->number > 1 && !slot_holds(j, j->number) && !slot_holds(j, j->number - 1));
}

static void tell_torn(struct scan *s)
{
	struct weir_journal *j = s->j;
	uint64_t bytes = s->torn_to.segment == s->torn_from.segment
				 ? s->torn_to.offset - s->torn_from.offset
				 : 0;
	char name[WEIR_JNL_FILE_NAME];

	if (!s->torn_epoch || !weir_jnl_pos_eq(s->torn_from, j->end))
		return;
	weir_probe("journal.torn_tail");
	j->torn = true;
	weir_jnl_segment_name(s->torn_from.segment, name);
	if (ring_blind(j)) {
		/* The ring would tell a tail that was never committed from one whose commit record is lost. */
		weir_probe("journal.undecidable");
		j->damaged = true;
		weir_jnl_tell_one(
			j, WEIR_JOURNAL_DAMAGED, name, s->torn_from.offset, bytes, s->torn_epoch,
			s->torn_epoch,
			"a bundle without a commit record, and the file commits is missing or damaged: "
			"it is not known whether it was committed; restore commits from a backup");
		return;
	}
	weir_jnl_tell_one(
		j, WEIR_JOURNAL_TORN, name, s->torn_from.offset, bytes, s->torn_epoch,
		s->torn_epoch,
		"a bundle that was being written when the process or the host ended; it was never "
		"committed, its input is read again");
}

static void verdict(struct scan *s)
{
	struct weir_journal *j = s->j;
	const struct weir_jnl_slot *newest = newest_slot(j);
	const struct weir_jnl_segment *first = weir_jnl_segment_find(j, j->super.segment);
	const struct weir_jnl_segment *last = weir_jnl_segment_find(j, j->end.segment);

	if (!s->cut && newest && newest->commit.number > j->number) {
		weir_probe("journal.commit_ring_newer");
		if (!s->doubts)
			doubt(s, s->at, 0, WEIR_JNL_FILE_END,
			      !weir_jnl_segment_find(j, s->at.segment));
		condemn(s, newest->commit.epoch);
	}
	if (!j->damaged && (!first || (last && last->bytes <= j->end.offset))) {
		/* Not known to have held anything; but files do not get lost or shorter. */
		s->doubts = 0;
		doubt(s, first ? j->end : (struct weir_jnl_pos){j->super.segment, 0}, 0,
		      WEIR_JNL_FILE_END, !first);
		condemn(s, s->epoch + 1);
	}
	if (!j->damaged && s->shorter && ring_blind(j)) {
		weir_probe("journal.cut_and_blind");
		s->doubts = 0;
		doubt(s, j->end, 0, WEIR_JNL_FILE_END, false);
		condemn(s, s->epoch + 1);
	}
	if (!j->damaged)
		tell_torn(s);
}

/* ---- the ring ---- */

void weir_jnl_ring_read(struct weir_journal *j)
{
	static const struct weir_jnl_head none;
	int file = j->has_ring ? j->disk->ops->open(j->disk->ctx, WEIR_JNL_FILE_RING, 0) : -ENOENT;

	for (uint32_t i = 0; i < WEIR_JNL_SLOTS; i++) {
		struct weir_jnl_slot *slot = &j->slot[i];

		*slot = (struct weir_jnl_slot){.bad = WEIR_JNL_UNREADABLE};
		if (file < 0 ||
		    j->disk->ops->read(j->disk->ctx, file, (uint64_t)i * WEIR_DISK_BLOCK, j->page,
				       WEIR_DISK_BLOCK) < 0)
			continue;
		slot->zero = memcmp(j->page, &none, sizeof(none)) == 0;
		slot->bad = weir_jnl_slot_read(j->page, j->super.identity, i, &slot->head,
					       &slot->commit);
		if (!slot->bad && slot->commit.number % WEIR_JNL_SLOTS != i)
			slot->bad = WEIR_JNL_MISFIT;
	}
	if (file < 0 && file != -ENOENT)
		j->hard = file;
	j->ring_file = file;
	if (!j->has_ring || j->ring_short) {
		weir_probe("journal.ring_missing");
		j->has_ring = j->has_ring && !j->ring_short;
		weir_jnl_tell_one(
			j, WEIR_JOURNAL_MISSING, WEIR_JNL_FILE_RING, 0, 0, 0, 0,
			"the file is missing or too short; the next start writes it again from the "
			"segments");
	}
}

/* Commit records that only one of their two places holds. */
static void tell_records(struct weir_journal *j)
{
	char name[WEIR_JNL_FILE_NAME];

	for (uint64_t i = 0; i < j->live_count; i++) {
		struct weir_jnl_bundle *b = weir_jnl_live(j, i);
		const struct weir_jnl_slot *slot = &j->slot[b->number % WEIR_JNL_SLOTS];

		b->slot_bad =
			b->number + WEIR_JNL_SLOTS > j->number &&
			(slot->bad || !weir_hash128_eq(weir_jnl_head_hash(&slot->head), b->after));
		weir_jnl_segment_name(b->commit.segment, name);
		if (b->unit_bad)
			weir_jnl_tell_one(
				j, WEIR_JOURNAL_COPY, name, b->commit.offset, WEIR_DISK_BLOCK,
				b->epoch, b->epoch,
				"the commit record is damaged; its copy in commits is good, the "
				"next start writes it again");
		if (b->slot_bad && j->has_ring)
			weir_jnl_tell_one(
				j, WEIR_JOURNAL_COPY, WEIR_JNL_FILE_RING,
				b->number % WEIR_JNL_SLOTS * WEIR_DISK_BLOCK, WEIR_DISK_BLOCK,
				b->epoch, b->epoch,
				"the copy of a commit record is missing or damaged; the record is "
				"good, the next start writes the copy again");
	}
}

static int corrupt(const struct scan *s, struct weir_err *err)
{
	return weir_err_set(
		err, WEIR_E_CORRUPT,
		"the journal is damaged at or below the last committed epoch (whole up to "
		"epoch %llu); nothing was changed: restore the files from a backup, or "
		"start over with `weir run --fresh`; `weir verify` lists the places",
		(unsigned long long)(s->j->live_count
					     ? weir_jnl_live(s->j, s->j->live_count - 1)->epoch
					     : s->j->super.covered));
}

int weir_jnl_scan(struct weir_journal *j, struct weir_err *err)
{
	struct scan s = {.j = j};

	j->number = j->super.number;
	j->end = s.at = (struct weir_jnl_pos){j->super.segment, j->super.offset};
	j->chain = j->commit_chain = s.chain = s.commit_chain = j->super.chain;
	s.epoch = j->super.covered;
	bundle_begin(&s);
	weir_jnl_window_forget(j);
	while (!s.end && !j->hard)
		step(&s);
	if (j->hard)
		return weir_err_set(err, j->hard, "cannot read the journal: %s",
				    weir_strerror(j->hard));
	verdict(&s);
	if (!s.cut)
		tell_records(j);
	if (j->damaged)
		return corrupt(&s, err);
	j->epoch = j->durable = s.epoch;
	j->fence_seen = WEIR_MAX(j->fence_seen, s.fence);
	return 0;
}
