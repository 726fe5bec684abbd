/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recoveries that are tried out on the disk as it is, without the run noticing: read-only, without hooks.
 *
 * Damage (I33): a recovery from the damaged bytes either says so, or gives the very bundles that one from the right
 * bytes gives; it may end earlier only above what was called durable (I34).
 */
#include <stdlib.h>

#include "tests/sim/check.h"
#include "tests/sim/disk.h"
#include "tests/sim/life.h"
#include "tests/sim/mem.h"

typedef int (*journal_bundle_fn)(void *ctx, uint64_t epoch, uint64_t fence,
				 struct weir_reader *bundle);

struct tried {
	int result;
	struct weir_err err;
	uint64_t epoch, fence; /* newest */
	struct tried_one {
		uint64_t epoch;
		struct weir_hash128 bytes;
	} * bundle;
	uint32_t count;
	size_t cap;
};

static int tried_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct tried *x = ctx;
	struct weir_hash128 h = weir_hash128(bundle->p, weir_reader_left(bundle));

	/* I2 */
	if (epoch <= x->epoch || fence < x->fence)
		return WEIR_E_CORRUPT;
	x->bundle = sim_grow(x->bundle, &x->cap, x->count + 1u, sizeof(*x->bundle));
	x->bundle[x->count++] = (struct tried_one){.epoch = epoch, .bytes = h};
	x->epoch = epoch;
	x->fence = fence;
	return 0;
}

static int replay(struct sim *s, bool truth, journal_bundle_fn fn, void *ctx, uint64_t *ret_durable,
		  struct weir_err *err)
{
	struct weir_journal_options o = {.pipeline = s->life->p->name, .read_only = true};
	struct weir_disk view = sim_disk_view(s->disk);
	const struct weir_hooks *hooks = weir_hooks;
	struct weir_journal_report *report = sim_alloc(sizeof(*report));
	struct weir_journal *j = NULL;
	struct sim_mem mem;
	int r;

	weir_hooks = NULL; /* the checker's own work is no part of the run */
	s->disk->view_truth = truth;
	sim_mem_init(&mem);
	r = weir_journal_open(&o, &view, &mem.mem, &j, report, err);
	if (r == 0)
		r = weir_journal_replay(j, fn, ctx, err);
	*ret_durable = r == 0 ? weir_journal_durable(j) : 0;
	if (j)
		weir_journal_close(j);
	sim_mem_fini(&mem);
	free(report);
	s->disk->view_truth = false;
	weir_hooks = hooks;
	return r;
}

static void try_out(struct sim *s, bool truth, struct tried *x)
{
	uint64_t durable;

	x->result = replay(s, truth, tried_bundle, x, &durable, &x->err);
	x->epoch = WEIR_MAX(x->epoch, durable);
}

int sim_check_replay(struct sim *s, journal_bundle_fn fn, void *ctx, struct weir_err *err)
{
	uint64_t durable;

	return replay(s, true, fn, ctx, &durable, err);
}

uint64_t sim_check_recovery(struct sim *s, const char *id)
{
	struct tried x = {0};

	try_out(s, true, &x);
	free(x.bundle);
	sim_check(s, x.result == 0, id, "a recovery now would fail: %s", x.err.text);
	return x.epoch;
}

/* The same bundles where both have them. One may begin earlier: a new base may be known to one of them only. */
static bool same(const struct tried *a, const struct tried *b)
{
	uint32_t i = 0, k = 0;

	while (a->count && k < b->count && b->bundle[k].epoch < a->bundle[0].epoch)
		k++;
	while (b->count && i < a->count && a->bundle[i].epoch < b->bundle[0].epoch)
		i++;
	for (; i < a->count && k < b->count; i++, k++)
		if (a->bundle[i].epoch != b->bundle[k].epoch ||
		    !weir_hash128_eq(a->bundle[i].bytes, b->bundle[k].bytes))
			return false;
	return i == a->count;
}

void sim_check_damage(struct sim *s)
{
	struct tried is = {0}, truth = {0};
	bool fine;

	if (!s->life || !s->life->cell_open)
		return;
	try_out(s, true, &truth);
	try_out(s, false, &is);
	fine = same(&is, &truth);
	free(is.bundle);
	free(truth.bundle);
	sim_check(s, truth.result == 0, "I34", "a recovery now would fail: %s", truth.err.text);
	if (is.result < 0)
		return; /* found */
	sim_check(s, fine, "I33", "damage is not found, other bundles come back");
	sim_check(s, is.epoch >= s->check->durable, "I34",
		  "damage cuts epochs off: %llu is left of %llu", (unsigned long long)is.epoch,
		  (unsigned long long)s->check->durable);
}

void sim_unlinked(struct sim *s, const char *name, bool whole)
{
	struct sim_check *k = s->check;

	if (!s->life || !s->life->cell_open || strncmp(name, "journal-", 8) != 0)
		return;
	/* I36: the new base was read back, and what is left is enough. */
	sim_check(s, !whole || s->disk->reads_bytes > k->covered_reads, "I36",
		  "%s is given back, and nothing of the new base was read", name);
	sim_check(s, sim_check_recovery(s, "I36") >= k->live_durable, "I36", "%s was still needed",
		  name);
}
