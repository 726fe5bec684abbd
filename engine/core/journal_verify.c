/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hooks.h"
#include "engine/core/journal_int.h"

#define STRANGE_MAX 64u

struct verify {
	struct weir_journal *j;
	bool repair;
	void (*fn)(void *ctx, const struct weir_journal_finding *f);
	void (*done)(void *ctx, const char *what);
	void *ctx;
	char strange[STRANGE_MAX][64];
	uint32_t strange_count;
};

static void on_finding(void *ctx, const struct weir_journal_finding *f)
{
	struct verify *v = ctx;

	v->fn(v->ctx, f);
}

static void on_file(void *ctx, const char *name, uint64_t bytes)
{
	static const char *const ours[] = {WEIR_JNL_FILE_SUPER, WEIR_JNL_FILE_RING,
					   WEIR_JNL_FILE_LOCK};
	struct verify *v = ctx;
	uint32_t number;

	(void)bytes;
	for (size_t i = 0; i < WEIR_COUNT_OF(ours); i++)
		if (strcmp(name, ours[i]) == 0)
			return;
	if (weir_jnl_segment_number(name, &number) || v->strange_count == STRANGE_MAX)
		return;
	snprintf(v->strange[v->strange_count++], sizeof(v->strange[0]), "%.63s", name);
}

static int tell_strange(struct verify *v, struct weir_err *err)
{
	const struct weir_disk *d = v->j->disk;
	int r = d->ops->list(d->ctx, on_file, v);

	for (uint32_t i = 0; i < v->strange_count; i++)
		weir_jnl_tell_one(v->j, WEIR_JOURNAL_STRANGE, v->strange[i], 0, 0, 0, 0,
				  "not a file of a journal; it is left alone, repair moves it to "
				  "quarantine");
	return r < 0 ? weir_err_set(err, r, "cannot list the state directory: %s", weir_strerror(r))
		     : 0;
}

static void say(struct verify *v, const char *what)
{
	if (v->done)
		v->done(v->ctx, what);
}

static int quarantine(struct verify *v)
{
	const struct weir_disk *d = v->j->disk;

	for (uint32_t i = 0; i < v->strange_count; i++) {
		char to[96], text[160];
		int r;

		snprintf(to, sizeof(to), "quarantine/%s", v->strange[i]);
		r = d->ops->rename(d->ctx, v->strange[i], to);
		if (r < 0)
			return weir_jnl_fail(v->j, v->strange[i], 0, r);
		snprintf(text, sizeof(text), "%s: moved to quarantine", v->strange[i]);
		say(v, text);
	}
	return 0;
}

static int repair_super(struct verify *v)
{
	uint32_t bad = 0;
	int r;

	for (uint32_t i = 0; i < WEIR_JNL_COPIES; i++)
		bad += !v->j->copy_ok[i];
	if (!bad)
		return 0;
	r = weir_jnl_super_repair(v->j);
	if (r == 0)
		say(v, "superblock: bad copies written again from the good ones");
	return r;
}

static int repair_records(struct verify *v)
{
	struct weir_journal *j = v->j;
	bool some = !j->has_ring;
	int r;

	for (uint64_t i = 0; i < j->live_count; i++)
		some |= weir_jnl_live(j, i)->unit_bad || weir_jnl_live(j, i)->slot_bad;
	if (!some)
		return 0;
	r = weir_jnl_heal(j);
	if (r == 0)
		say(v, "commit records: bad ones written again from their copies");
	return r;
}

/* Zeroes the first block behind the last commit record: nothing continues the chain then. */
static int repair_torn(struct verify *v)
{
	struct weir_journal *j = v->j;
	struct weir_jnl_segment *s = weir_jnl_segment_find(j, j->end.segment);
	char name[WEIR_JNL_FILE_NAME], text[96];
	struct weir_jnl_sync w;
	int file, r;

	if (!j->torn)
		return 0;
	weir_jnl_segment_name(j->end.segment, name);
	file = s ? weir_jnl_segment_open(j, s) : -ENOENT;
	if (file < 0)
		return weir_jnl_fail(j, name, j->end.offset, file);
	memset(j->page, 0, WEIR_DISK_BLOCK);
	w = (struct weir_jnl_sync){file, name, j->end.offset, j->page};
	r = weir_jnl_write_wait(j, &w, 1);
	snprintf(text, sizeof(text), "%s: torn tail at offset %llu cut off", name,
		 (unsigned long long)j->end.offset);
	if (r == 0)
		say(v, text);
	return r;
}

static int repair(struct verify *v, struct weir_err *err)
{
	int r = repair_super(v);

	if (r == 0 && !v->j->damaged)
		r = repair_records(v);
	if (r == 0 && !v->j->damaged)
		r = repair_torn(v);
	if (r == 0)
		r = quarantine(v);
	return r < 0 ? weir_jnl_failed(v->j, err) : 0;
}

/* The first error counts, but all is looked at. */
static int look(struct verify *v, struct weir_err *err)
{
	struct weir_journal *j = v->j;
	struct weir_err other;
	int r = weir_jnl_list(j, err), e;

	if (r < 0)
		return r;
	if (!j->has_super) {
		r = weir_jnl_super_missing(j, err);
		return r < 0 ? r
			     : weir_err_set(err, -ENOENT,
					    "there is no journal in the state directory");
	}
	r = weir_jnl_super_vote(j, err);
	if (r < 0)
		return r;
	weir_jnl_ring_read(j);
	r = weir_jnl_scan(j, err);
	if (r < 0 && r != WEIR_E_CORRUPT)
		return r;
	e = tell_strange(v, &other);
	if (e == 0 && v->repair)
		e = repair(v, &other);
	if (r == 0 && e < 0)
		return weir_err_set(err, e, "%s", other.text);
	return r;
}

int weir_journal_verify(const struct weir_disk *disk, const struct weir_mem *mem, bool repair_now,
			void (*fn)(void *ctx, const struct weir_journal_finding *f),
			void (*done)(void *ctx, const char *what), void *ctx, struct weir_err *err)
{
	struct verify v = {.repair = repair_now, .fn = fn, .done = done, .ctx = ctx};
	int r;

	v.j = weir_jnl_new(disk, mem);
	v.j->segment_bytes = WEIR_JOURNAL_SEGMENT_DEFAULT;
	v.j->tell = on_finding;
	v.j->tell_ctx = &v;
	r = look(&v, err);
	weir_journal_close(v.j);
	return r;
}
