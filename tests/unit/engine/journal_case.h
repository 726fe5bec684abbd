/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/journal_case.h - a journal on a disk in memory, and bundles whose bytes follow from their epoch.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_JOURNAL_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_JOURNAL_CASE_H

#include <errno.h>

#include "tests/lib/test.h"

#include "base/hooks.h"
#include "engine/core/journal.h"
#include "engine/core/journal_format.h"
#include "tests/lib/memdisk.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define CASE_EPOCHS 512

struct jcase {
	struct memdisk d;
	struct weir_journal_options o;
	struct weir_journal *j;
	struct weir_journal_report report;
	struct weir_err err;
	uint64_t size[CASE_EPOCHS]; /* bytes + 1 of the bundle of an epoch; 0: never appended */
	uint32_t salt[CASE_EPOCHS]; /* another run appends other bytes */
	uint64_t newest; /* appended */
	uint32_t run;
	bool started;
	/* replay */
	uint64_t first, last, count, fence;
};

static inline void jcase_init(struct jcase *c, uint64_t seed, uint64_t segment_bytes)
{
	memset(c, 0, sizeof(*c));
	memdisk_init(&c->d, seed);
	c->o = (struct weir_journal_options){.pipeline = "test",
					     .segment_bytes = segment_bytes,
					     .identity = {1, 2, 3, (uint8_t)seed},
					     .in_flight = (uint32_t)(2 * MIB)};
}

static inline struct jcase *jcase_new(uint64_t seed, uint64_t segment_bytes)
{
	struct jcase *c = malloc(sizeof(*c));

	assert_non_null(c);
	jcase_init(c, seed, segment_bytes);
	return c;
}

static inline void jcase_close(struct jcase *c)
{
	if (c->j)
		weir_journal_close(c->j);
	c->j = NULL;
	c->started = false;
}

static inline void jcase_free(struct jcase *c)
{
	jcase_close(c);
	memdisk_fini(&c->d);
	free(c);
}

static inline int jcase_try_open(struct jcase *c)
{
	int r;

	c->j = NULL;
	r = weir_journal_open(&c->o, &c->d.disk, &weir_test_mem, &c->j, &c->report, &c->err);
	assert_int_equal(r < 0, c->j == NULL);
	if (r < 0)
		assert_true(c->err.text[0]);
	return r;
}

static inline void jcase_open(struct jcase *c)
{
	int r = jcase_try_open(c);

	if (r)
		fprintf(stderr, "open: %s\n", c->err.text);
	assert_int_equal(r, 0);
}

static inline int jcase_try_start(struct jcase *c)
{
	int r = weir_journal_start(c->j, &c->err);

	c->run++;
	c->started = r == 0;
	return r;
}

static inline void jcase_start(struct jcase *c)
{
	assert_int_equal(jcase_try_start(c), 0);
}

static inline uint8_t jcase_byte(const struct jcase *c, uint64_t epoch, uint64_t i)
{
	return (uint8_t)((epoch * 131 + i * 7 + i / 251 + c->salt[epoch] * 17) ^ i >> 12);
}

static inline int jcase_append(struct jcase *c, uint64_t epoch, uint64_t bytes)
{
	struct weir_out out;
	int r;

	assert_true(epoch < CASE_EPOCHS);
	c->salt[epoch] = c->run;
	weir_out_init(&out, &weir_test_mem);
	for (uint64_t at = 0; at < bytes;) {
		uint64_t n = WEIR_MIN(bytes - at, 1 + (epoch * 977 + at) % 70000);
		uint8_t *p = weir_out_claim(&out, n);

		for (uint64_t i = 0; i < n; i++)
			p[i] = jcase_byte(c, epoch, at + i);
		weir_out_keep(&out, n);
		at += n;
	}
	r = weir_journal_append(c->j, epoch, &out, &c->err);
	if (r == 0) {
		assert_int_equal(out.bytes, 0);
		assert_null(out.first);
		c->size[epoch] = bytes + 1;
		c->newest = epoch;
	} else if (r != WEIR_E_IO) {
		assert_int_equal(out.bytes, bytes);
	}
	weir_out_fini(&out);
	return r;
}

static inline int jcase_drain(struct jcase *c)
{
	int r = 0;

	for (uint32_t i = 0; i < 100000 && r == 0 && !weir_journal_idle(c->j); i++)
		r = weir_journal_step(c->j, 1000, &c->err);
	return r;
}

/* Appends and waits until it is durable. */
static inline void jcase_add(struct jcase *c, uint64_t epoch, uint64_t bytes)
{
	assert_int_equal(jcase_append(c, epoch, bytes), 0);
	assert_int_equal(jcase_drain(c), 0);
	assert_int_equal(weir_journal_durable(c->j), epoch);
}

static inline int jcase_on_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *in)
{
	struct jcase *c = ctx;
	size_t n = weir_reader_left(in);
	const uint8_t *p = weir_read(in, n);

	assert_true(epoch > c->last && epoch < CASE_EPOCHS);
	assert_true(fence >= c->fence);
	assert_int_equal(c->size[epoch], n + 1);
	for (size_t i = 0; i < n; i++)
		if (p[i] != jcase_byte(c, epoch, i))
			fail_msg("epoch %llu, byte %zu", (unsigned long long)epoch, i);
	c->first = c->first ? c->first : epoch;
	c->last = epoch;
	c->fence = fence;
	c->count++;
	return 0;
}

/* Every epoch between covered and durable that was ever appended, in order, byte by byte. */
static inline int jcase_try_replay(struct jcase *c)
{
	c->first = c->last = c->count = c->fence = 0;
	return weir_journal_replay(c->j, jcase_on_bundle, c, &c->err);
}

static inline void jcase_replay(struct jcase *c)
{
	uint64_t want = 0;

	assert_int_equal(jcase_try_replay(c), 0);
	for (uint64_t e = weir_journal_covered(c->j) + 1; e <= weir_journal_durable(c->j); e++)
		want += c->size[e] != 0;
	assert_int_equal(c->count, want);
	if (c->count)
		assert_int_equal(c->last, weir_journal_durable(c->j));
}

/* Epochs above the frontier are gone for good; their numbers may be used again. */
static inline void jcase_reopen(struct jcase *c)
{
	jcase_close(c);
	jcase_open(c);
	for (uint64_t e = weir_journal_durable(c->j) + 1; e < CASE_EPOCHS; e++)
		c->size[e] = 0;
	jcase_replay(c);
}

static inline bool jcase_found(const struct jcase *c, enum weir_journal_fault fault,
			       const char *file)
{
	for (uint32_t i = 0; i < c->report.count; i++)
		if (c->report.finding[i].fault == fault &&
		    strcmp(c->report.finding[i].file, file) == 0)
			return true;
	return false;
}

static inline int jcase_base(struct jcase *c, uint64_t epoch)
{
	int r;

	do
		r = weir_journal_base(c->j, epoch, &c->err);
	while (r == 1);
	return r;
}

#endif
