/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the bytes: whole, torn, lost, at the wrong place, rotten; and what should stand there. */
#include "tests/sim/disk.h"

#include <stdlib.h>

#include "engine/core/journal_format.h"
#include "tests/sim/check.h"

#define SECTOR 512u
#define SECTORS (WEIR_DISK_BLOCK / SECTOR)

static struct sim_hurt *hurt_of(struct sim_disk *d, const struct sim_file *f, uint64_t block)
{
	for (uint32_t i = 0; i < d->hurt_count; i++)
		if (d->hurt[i].file == f && d->hurt[i].block == block)
			return &d->hurt[i];
	return NULL;
}

static struct sim_file *super_of(const struct sim_disk *d)
{
	for (uint32_t i = 0; i < d->file_count; i++)
		if (d->file[i]->there && strcmp(d->file[i]->name, WEIR_JNL_FILE_SUPER) == 0)
			return d->file[i];
	return NULL;
}

static void hurt_drop(struct sim_disk *d, struct sim_hurt *h)
{
	*h = d->hurt[--d->hurt_count];
	if (d->hurt_count == 0)
		d->damage = SIM_DAMAGE_NONE;
}

static struct sim_hurt *hurt_add(struct sim_disk *d, struct sim_file *f, uint64_t block,
				 const void *truth)
{
	struct sim_hurt *h;

	d->hurt = sim_grow(d->hurt, &d->hurt_cap, d->hurt_count + 1u, sizeof(*d->hurt));
	h = &d->hurt[d->hurt_count++];
	h->file = f;
	h->block = block;
	memcpy(h->truth, truth, WEIR_DISK_BLOCK);
	return h;
}

void sim_disk_forget_file(struct sim_disk *d, const struct sim_file *f)
{
	if (d->lost == f)
		d->lost = NULL;
	for (uint32_t i = d->hurt_count; i-- > 0;)
		if (d->hurt[i].file == f)
			hurt_drop(d, &d->hurt[i]);
}

static void put_sector(struct sim_disk *d, struct sim_file *f, uint64_t at, const uint8_t *p)
{
	struct sim_hurt *h = d->hurt_count ? hurt_of(d, f, at / WEIR_DISK_BLOCK) : NULL;

	memcpy(f->image + at, p, SECTOR);
	if (!h)
		return;
	memcpy(h->truth + at % WEIR_DISK_BLOCK, p, SECTOR);
	if (memcmp(h->truth, f->image + h->block * WEIR_DISK_BLOCK, WEIR_DISK_BLOCK) == 0)
		hurt_drop(d, h);
}

/* Now and before a unit that calls this very place its own: only its lineage tells them apart. */
static bool has_twin(const struct sim_file *f, uint64_t block)
{
	struct weir_jnl_head now, old;

	memcpy(&now, f->image + block * WEIR_DISK_BLOCK, sizeof(now));
	memcpy(&old, f->old + block * WEIR_DISK_BLOCK, sizeof(old));
	return f->written[block] && now.magic == WEIR_JNL_MAGIC && old.magic == WEIR_JNL_MAGIC &&
	       now.offset == old.offset && now.segment == old.segment &&
	       now.segment < WEIR_JNL_SEGMENT_LAST && memcmp(&now, &old, sizeof(now)) != 0;
}

/* Whether a block was written, and which ones have twins, is known without looking at all of them. */
static void note(struct sim_disk *d, struct sim_file *f, uint64_t offset, size_t n)
{
	for (uint64_t i = offset / WEIR_DISK_BLOCK; i < (offset + n) / WEIR_DISK_BLOCK; i++) {
		f->written[i] = 1;
		d->twin_seen |= has_twin(f, i);
	}
}

void sim_disk_put(struct sim_disk *d, const struct sim_write *w, enum sim_write_end end)
{
	struct weir_prng *p = &d->s->prng_disk;
	uint64_t sectors = w->n / SECTOR, upto = sectors;
	uint32_t odds = 8;

	if (end == SIM_WRITE_LOST)
		return;
	memcpy(w->file->old + w->offset, w->file->image + w->offset, w->n);
	if (end == SIM_WRITE_WHOLE && !d->hurt_count) {
		memcpy(w->file->image + w->offset, w->copy, w->n);
		note(d, w->file, w->offset, w->n);
		return;
	}
	if (end == SIM_WRITE_PREFIX)
		upto = weir_prng_below(p, w->n / WEIR_DISK_BLOCK + 1) * SECTORS;
	if (end == SIM_WRITE_TORN)
		odds = (uint32_t)weir_prng_range(p, 1, 7);
	for (uint64_t i = 0; i < upto; i++)
		if (odds == 8 || weir_prng_chance(p, odds, 8))
			put_sector(d, w->file, w->offset + i * SECTOR, w->copy + i * SECTOR);
	note(d, w->file, w->offset, upto * SECTOR);
}

/* What is written should stand there and does not. */
static void put_truth_only(struct sim_disk *d, const struct sim_write *w)
{
	for (size_t at = 0; at < w->n; at += WEIR_DISK_BLOCK) {
		uint64_t block = (w->offset + at) / WEIR_DISK_BLOCK;

		if (memcmp(w->file->image + block * WEIR_DISK_BLOCK, w->copy + at,
			   WEIR_DISK_BLOCK) != 0)
			hurt_add(d, w->file, block, w->copy + at);
	}
}

static void put_elsewhere(struct sim_disk *d, const struct sim_write *w)
{
	struct sim_file *f = w->file;
	uint64_t blocks = f->bytes / WEIR_DISK_BLOCK, n = w->n / WEIR_DISK_BLOCK;
	uint64_t to = sim_fault_pick(d->s, SIM_MISDIRECT, blocks - n + 1);
	uint64_t from = w->offset / WEIR_DISK_BLOCK;

	put_truth_only(d, w);
	if (to + n > from && to < from + n)
		return; /* over itself: then it is only stale */
	for (uint64_t i = 0; i < n; i++) {
		uint8_t *at = f->image + (to + i) * WEIR_DISK_BLOCK;

		hurt_add(d, f, to + i, at);
		memcpy(at, w->copy + i * WEIR_DISK_BLOCK, WEIR_DISK_BLOCK);
	}
}

static void damaged(struct sim_disk *d, const struct sim_file *f, enum sim_damage kind)
{
	if (d->hurt_count == 0 && !d->lost)
		return; /* the same bytes as before: nobody can tell */
	d->damage = kind;
	sim_trace(d->s, SIM_EV_DAMAGE, f->id, kind, d->hurt_count);
	sim_check_damage(d->s);
}

void sim_disk_complete(struct sim_disk *d, const struct sim_write *w)
{
	struct sim *s = d->s;
	bool whole =
		!sim_disk_hurt(d); /* one at a time: two copies may be all there is of something */
	uint32_t rate = s->opt.damage_rate;

	if (whole && sim_fault(s, SIM_STALE, rate)) {
		put_truth_only(d, w);
		damaged(d, w->file, SIM_DAMAGE_STALE);
	} else if (whole && sim_fault(s, SIM_MISDIRECT, rate)) {
		put_elsewhere(d, w);
		damaged(d, w->file, SIM_DAMAGE_MISDIRECT);
	} else {
		sim_disk_put(d, w, SIM_WRITE_WHOLE);
	}
}

/* A block of the file for which `fit` holds, or UINT64_MAX. */
static uint64_t pick_block(struct sim_disk *d, const struct sim_file *f,
			   bool (*fit)(const struct sim_file *f, uint64_t block))
{
	uint64_t count = 0, pick;

	for (uint64_t i = 0; i < f->bytes / WEIR_DISK_BLOCK; i++)
		count += fit(f, i);
	if (!count)
		return UINT64_MAX;
	pick = sim_fault_pick(d->s, SIM_ROT, count);
	for (uint64_t i = 0;; i++)
		if (fit(f, i) && pick-- == 0)
			return i;
}

static bool is_written(const struct sim_file *f, uint64_t block)
{
	return f->written[block];
}

static bool has_old(const struct sim_file *f, uint64_t block)
{
	static const uint8_t zero[WEIR_DISK_BLOCK];
	const uint8_t *old = f->old + block * WEIR_DISK_BLOCK;

	return f->written[block] && memcmp(old, zero, sizeof(zero)) != 0 &&
	       memcmp(old, f->image + block * WEIR_DISK_BLOCK, WEIR_DISK_BLOCK) != 0;
}

/* Most of a block may be padding that nobody looks at: half of the flips hit its head. */
static void flip(struct sim_disk *d, struct sim_file *f, uint64_t block)
{
	uint8_t *at = f->image + block * WEIR_DISK_BLOCK;
	uint64_t bits = sim_fault_pick(d->s, SIM_ROT, 2) ? 8 * WEIR_DISK_BLOCK : 8 * 256;

	hurt_add(d, f, block, at);
	for (uint64_t n = 1 + sim_fault_pick(d->s, SIM_ROT, 8); n > 0; n--) {
		uint64_t bit = sim_fault_pick(d->s, SIM_ROT, bits);

		at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	if (memcmp(at, d->hurt[d->hurt_count - 1].truth, WEIR_DISK_BLOCK) == 0)
		hurt_drop(d, &d->hurt[d->hurt_count - 1]);
}

static void wipe(struct sim_disk *d, struct sim_file *f, uint64_t block)
{
	uint8_t *at = f->image + block * WEIR_DISK_BLOCK;

	hurt_add(d, f, block, at);
	memset(at, 0, WEIR_DISK_BLOCK);
}

static bool go_back(struct sim_disk *d, bool (*fit)(const struct sim_file *f, uint64_t block))
{
	uint32_t from = (uint32_t)sim_fault_pick(d->s, SIM_ROT, d->file_count);

	for (uint32_t i = 0; i < d->file_count; i++) {
		struct sim_file *f = d->file[(from + i) % d->file_count];
		uint64_t block = f->there ? pick_block(d, f, fit) : UINT64_MAX;

		if (block == UINT64_MAX || f == super_of(d))
			continue;
		hurt_add(d, f, block, f->image + block * WEIR_DISK_BLOCK);
		memcpy(f->image + block * WEIR_DISK_BLOCK, f->old + block * WEIR_DISK_BLOCK,
		       WEIR_DISK_BLOCK);
		damaged(d, f, SIM_DAMAGE_BACK);
		return true;
	}
	return false;
}

static void scratch(struct sim_disk *d, struct sim_file *f)
{
	uint64_t spare = sim_fault_pick(d->s, SIM_ROT, WEIR_JNL_COPIES);

	for (uint64_t i = 0; i < WEIR_JNL_COPIES; i++)
		if (i != spare)
			wipe(d, f, i * WEIR_JNL_COPY_STEP / WEIR_DISK_BLOCK);
	damaged(d, f, SIM_DAMAGE_SCRATCH);
}

void sim_disk_rot(struct sim_disk *d)
{
	struct sim_file *f;
	uint64_t block;

	if (sim_disk_hurt(d) || !d->file_count)
		return;
	if (super_of(d) && sim_fault_pick(d->s, SIM_ROT, 8) == 0) {
		scratch(d, super_of(d));
		return;
	}
	if (sim_fault_pick(d->s, SIM_ROT, 4) == 0 && go_back(d, has_old))
		return;
	/* The first ones are the superblock and the commits: there is one of each. */
	f = d->file[sim_fault_pick(d->s, SIM_ROT,
				   sim_fault_pick(d->s, SIM_ROT, 3) ? d->file_count
								    : WEIR_MIN(d->file_count, 2u))];
	if (f->there && sim_fault_pick(d->s, SIM_ROT, 8) == 0) {
		d->lost = f;
		f->there = false;
		damaged(d, f, SIM_DAMAGE_GONE);
		return;
	}
	block = f->there ? pick_block(d, f, is_written) : UINT64_MAX;
	if (block == UINT64_MAX)
		return;
	if (sim_fault_pick(d->s, SIM_ROT, 4) == 0)
		wipe(d, f, block);
	else
		flip(d, f, block);
	damaged(d, f, SIM_DAMAGE_ROT);
}

/* Rare, and the only damage that nothing but the chain of hashes tells: so it gets chances of its own. */
void sim_disk_twins(struct sim_disk *d)
{
	struct sim *s = d->s;

	if (!d->twin_seen || s->calm || sim_disk_hurt(d) || !sim_fault(s, SIM_ROT, 300000))
		return;
	d->twin_seen = go_back(d, has_twin);
}

/* Without two copies that agree nobody knows who the journal is (correctness.md 1.9). */
bool sim_disk_must_report(const struct sim_disk *d)
{
	const struct sim_file *f = super_of(d);
	uint32_t n = 0;

	if (d->lost && strcmp(d->lost->name, WEIR_JNL_FILE_SUPER) == 0)
		return true;

	for (uint32_t i = 0; i < d->hurt_count; i++)
		n += d->hurt[i].file == f &&
		     d->hurt[i].block % (WEIR_JNL_COPY_STEP / WEIR_DISK_BLOCK) == 0;
	return n >= WEIR_JNL_COPIES - 1;
}

void sim_disk_truth(const struct sim_disk *d, const struct sim_file *f, uint64_t offset, void *buf,
		    size_t n)
{
	for (uint32_t i = 0; i < d->hurt_count; i++) {
		uint64_t at = d->hurt[i].block * WEIR_DISK_BLOCK;

		if (d->hurt[i].file == f && at >= offset && at < offset + n)
			memcpy((uint8_t *)buf + (at - offset), d->hurt[i].truth, WEIR_DISK_BLOCK);
	}
}

static void give_file_back(struct sim_disk *d)
{
	struct sim_file *f = d->lost;

	d->lost = NULL;
	for (uint32_t i = 0; f && i < d->file_count; i++)
		if (d->file[i]->there && strcmp(d->file[i]->name, f->name) == 0)
			return; /* there is a new one of this name */
	if (f)
		f->there = true;
}

void sim_disk_heal(struct sim_disk *d)
{
	if (sim_disk_hurt(d))
		sim_trace(d->s, SIM_EV_HEAL, d->hurt_count, 0, 0);
	give_file_back(d);
	while (d->hurt_count) {
		struct sim_hurt *h = &d->hurt[d->hurt_count - 1];

		memcpy(h->file->image + h->block * WEIR_DISK_BLOCK, h->truth, WEIR_DISK_BLOCK);
		hurt_drop(d, h);
	}
}

bool sim_disk_hurt(const struct sim_disk *d)
{
	return d->hurt_count > 0 || d->lost;
}
