/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the decoder fuzz targets. The same bytes are decoded at once and in a window that grows by a
 * few bytes; both must say the same. Every frame must pass the check and survive encoding.
 */
#ifndef WEIR_TESTS_FUZZ_DECODE_FUZZ_H
#define WEIR_TESTS_FUZZ_DECODE_FUZZ_H

#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/keyhash.h"
#include "engine/core/decode.h"

#define FUZZ_CAP 2048

static void *fuzz_alloc(void *ctx, size_t size, size_t align)
{
	void *p = calloc(1, size ? size : 1);

	(void)ctx;
	weir_assert(p && (uintptr_t)p % align == 0);
	return p;
}

static void fuzz_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem fuzz_mem = {.alloc = fuzz_alloc, .free = fuzz_free};

struct fuzz {
	struct weir_decoder *d;
	struct weir_decoder_spec spec;
	struct weir_encoder_spec enc;
};

struct fuzz_sum {
	uint64_t hash;
	uint64_t records, rejects;
	int rc;
};

static inline void fuzz_field(struct weir_schema *s, const char *name, const char *type)
{
	struct weir_field f;
	int rc = weir_type_parse(weir_str_c(type), &f, NULL);

	weir_assert(rc == 0);
	rc = weir_schema_add(s, weir_str_c(name), f.type, f.nullable);
	weir_assert(rc >= 0);
	memcpy(s->field[s->field_count - 1].format, f.format, sizeof(f.format));
	weir_schema_seal(s);
}

static inline void mix(struct fuzz_sum *sum, const void *p, size_t n)
{
	sum->hash = weir_hash_mix(sum->hash ^ weir_hash_text((struct weir_str){p, n}));
}

static inline void fuzz_step(struct fuzz *z, const struct weir_decoded *r, const uint64_t *frame,
			     struct fuzz_sum *sum)
{
	static char text[4 * FUZZ_CAP * 6];
	const struct weir_frame *f = (const struct weir_frame *)(const void *)frame;
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	if (r->kind == WEIR_DECODE_RECORD) {
		const struct weir_schema *s = z->spec.schema[r->stream];
		int rc = weir_frame_check(f, FUZZ_CAP, s);

		weir_assert(rc == 0);
		weir_encode_record(&z->enc, &b, f);
		/* Texts that overlap may add up to more than any buffer. */
		weir_assert(b.full || b.len > 0);
		mix(sum, f, f->size);
		sum->records++;
	} else if (r->kind == WEIR_DECODE_REJECT) {
		weir_assert(r->reason[0] != 0 && strlen(r->reason) < sizeof(r->reason));
		mix(sum, r->reason, strlen(r->reason));
		mix(sum, r->record.p, r->record.n);
		mix(sum, &r->line, 8);
		mix(sum, &r->column, 4);
		sum->rejects++;
	}
}

/* Each window is a block of its own: reading outside of it is seen. */
static inline struct fuzz_sum fuzz_decode(struct fuzz *z, const uint8_t *p, size_t n, size_t step)
{
	uint64_t *frame = malloc(FUZZ_CAP);
	struct fuzz_sum sum = {0};
	size_t at = 0, seen = 0;

	weir_assert(frame);
	weir_decoder_restart(z->d);
	for (;;) {
		size_t k = seen - at;
		char *window = malloc(k ? k : 1);
		struct weir_decoded r;
		struct weir_err err = {0};

		weir_assert(window);
		memcpy(window, p + at, k);
		sum.rc = weir_decode(z->d, window, k, seen == n, frame, FUZZ_CAP, &r, &err);
		if (sum.rc) {
			weir_assert(err.text[0] != 0 && err.code == sum.rc);
			free(window);
			break;
		}
		weir_assert(r.consumed <= k);
		weir_assert(r.kind == WEIR_DECODE_MORE ? r.consumed == 0 : r.consumed > 0);
		fuzz_step(z, &r, frame, &sum);
		free(window);
		at += r.consumed;
		if (r.kind != WEIR_DECODE_MORE)
			continue;
		if (seen == n)
			break;
		seen = step < n - seen ? seen + step : n;
	}
	weir_assert(sum.rc || at == n);
	free(frame);
	return sum;
}

/* Decodes both ways. Steps that are small beside the text would take quadratic time. */
static inline void fuzz_both(struct fuzz *z, const uint8_t *p, size_t n)
{
	struct fuzz_sum a = fuzz_decode(z, p, n, SIZE_MAX);
	struct fuzz_sum b = fuzz_decode(z, p, n, 1 + n / 200);

	weir_assert(a.rc == b.rc && a.hash == b.hash && a.records == b.records &&
		    a.rejects == b.rejects);
}

static inline void fuzz_open(struct fuzz *z)
{
	static struct weir_region region;
	struct weir_err err = {0};
	int rc;

	if (!region.mem)
		weir_region_init(&region, &fuzz_mem);
	rc = weir_decoder_new(&z->spec, &region, &z->d, &err);
	weir_assert(rc == 0);
	z->enc = (struct weir_encoder_spec){.format = z->spec.format,
					    .csv = z->spec.csv,
					    .stream_count = z->spec.stream_count,
					    .schema = z->spec.schema,
					    .stream_name = z->spec.stream_name,
					    .type_field = z->spec.type_field};
}

#endif
