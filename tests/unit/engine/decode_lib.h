/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the decoder tests: schemas from text, and a transcript of what a decoder says about a text,
 * so that a test compares one string with another. Any window growth gives the same transcript.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_DECODE_LIB_H
#define WEIR_TESTS_UNIT_ENGINE_DECODE_LIB_H

#include "tests/lib/test.h"

#include <string.h>

#include "base/buf.h"
#include "engine/core/decode.h"

#define FRAME_CAP 8192

struct bench {
	struct weir_region region;
	struct weir_schema schema[4];
	const struct weir_schema *schemas[4];
	const char *names[4];
	int32_t time_field[4];
	struct weir_decoder_spec spec;
	struct weir_decoder *d;
	char text[1 << 16]; /* transcript */
};

/* "a:int64 b:string?": fields apart by spaces; '~' in a type stands for a space. */
static inline void schema_of(struct weir_schema *s, const char *text)
{
	char copy[4096], *save = NULL;

	memset(s, 0, sizeof(*s));
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *colon = strchr(w, ':');
		struct weir_field f;
		struct weir_err err = {0};

		for (char *c = colon; *c; c++)
			*c = *c == '~' ? ' ' : *c;
		if (weir_type_parse(weir_str_c(colon + 1), &f, &err))
			fail_msg("%s: %s", w, err.text);
		assert_true(weir_schema_add(s, (struct weir_str){w, (size_t)(colon - w)}, f.type,
					    f.nullable) >= 0);
		memcpy(s->field[s->field_count - 1].format, f.format, sizeof(f.format));
	}
	weir_schema_seal(s);
}

static inline struct bench *bench_new(enum weir_format format)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	weir_region_init(&b->region, &weir_test_mem);
	b->spec.format = format;
	b->spec.csv = (struct weir_csv_options){.delimiter = ',', .header = true, .null_text = ""};
	for (int i = 0; i < 4; i++) {
		b->schemas[i] = &b->schema[i];
		b->time_field[i] = -1;
	}
	b->spec.stream_count = 1;
	b->spec.schema = b->schemas;
	b->spec.stream_name = b->names;
	b->spec.time_field = b->time_field;
	for (int i = 0; i < WEIR_STREAMS_MAX; i++)
		b->spec.want[i] = true;
	return b;
}

static inline void bench_free(struct bench *b)
{
	weir_region_fini(&b->region);
	free(b);
}

static inline void bench_open(struct bench *b)
{
	struct weir_err err = {0};
	int rc = weir_decoder_new(&b->spec, &b->region, &b->d, &err);

	if (rc)
		fail_msg("decoder: %s", err.text);
}

/* What weir_decoder_new() has against the spec. */
static inline const char *bench_open_error(struct bench *b)
{
	static struct weir_err err;

	err.code = 0;
	assert_int_equal(weir_decoder_new(&b->spec, &b->region, &b->d, &err), WEIR_E_CONFIG);
	assert_int_equal(err.code, WEIR_E_CONFIG);
	return err.text;
}

static inline void say_one(struct bench *b, struct weir_buf *out, const struct weir_decoded *r,
			   const void *frame)
{
	const struct weir_frame *f = frame;

	switch (r->kind) {
	case WEIR_DECODE_RECORD:
		assert_int_equal(weir_frame_check(f, weir_frame_stride(f), b->schemas[r->stream]),
				 0);
		assert_int_equal(f->stream, b->schemas[r->stream]->stream);
		if (b->spec.stream_count > 1)
			weir_buf_printf(out, "%u", r->stream);
		if (f->flags & WEIR_FRAME_F_TIMED)
			weir_buf_printf(out, "@%lld", (long long)f->time_ns);
		weir_buf_record_json(out, f, b->schemas[r->stream]);
		weir_buf_char(out, '\n');
		break;
	case WEIR_DECODE_REJECT:
		weir_buf_printf(out, "! %llu:%u %s [", (unsigned long long)r->line, r->column,
				r->reason);
		if (b->spec.format == WEIR_FORMAT_RAW)
			weir_buf_printf(out, "%zu bytes", r->record.n);
		else
			weir_buf_str(out, r->record);
		weir_buf_lit(out, "]\n");
		break;
	default:
		break;
	}
}

/* The transcript when the window grows by `step` bytes whenever the decoder asks for more. Each window
 * is a block of its own, so that a sanitizer sees every byte read outside of it. */
static inline const char *transcript(struct bench *b, struct weir_str text, size_t step, size_t cap)
{
	struct weir_buf out = weir_buf_of(b->text, sizeof(b->text) - 1);
	uint64_t *frame = malloc(cap ? cap : 8);
	size_t at = 0, seen = 0;

	assert_non_null(frame);
	weir_decoder_restart(b->d);
	for (;;) {
		struct weir_decoded r;
		struct weir_err err = {0};
		size_t n = seen - at;
		char *window = malloc(n ? n : 1);
		int rc;

		assert_non_null(window);
		memcpy(window, text.p + at, n);
		rc = weir_decode(b->d, window, n, seen == text.n, frame, cap, &r, &err);
		if (rc) {
			weir_buf_printf(&out, "E %s\n", err.text);
			/* It stays so. */
			err.text[0] = 0;
			assert_int_equal(weir_decode(b->d, window, n, true, frame, cap, &r, &err),
					 rc);
			assert_true(err.text[0] != 0);
			free(window);
			break;
		}
		assert_true(r.consumed <= n);
		say_one(b, &out, &r, frame);
		free(window);
		at += r.consumed;
		if (r.kind == WEIR_DECODE_MORE) {
			assert_int_equal(r.consumed, 0);
			if (seen == text.n)
				break;
			seen = step < text.n - seen ? seen + step : text.n;
		}
	}
	if (at != text.n && !strstr(b->text, "E "))
		weir_buf_printf(&out, "left over: %zu\n", text.n - at);
	free(frame);
	b->text[out.len] = 0;
	assert_false(out.full);
	return b->text;
}

/* Decodes all at once and in windows that grow by 1, 2, 3 and 7 bytes: all must say `want`. */
static inline void expect_bytes(struct bench *b, struct weir_str text, const char *want)
{
	static const size_t steps[] = {1, 2, 3, 7, 40};

	assert_string_equal(transcript(b, text, SIZE_MAX, FRAME_CAP), want);
	for (size_t i = 0; i < WEIR_COUNT_OF(steps); i++)
		assert_string_equal(transcript(b, text, steps[i], FRAME_CAP), want);
}

static inline void expect(struct bench *b, const char *text, const char *want)
{
	expect_bytes(b, weir_str_c(text), want);
}

/* ---- random records ---- */

static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline size_t random_text(uint64_t *seed, char *dst, bool bytes)
{
	static const char *const piece[] = {"a",
					    "Z",
					    ",",
					    "\"",
					    "\n",
					    "\r",
					    "\\",
					    "\t",
					    " ",
					    "\xc3\xa9",
					    "\x01",
					    "NULL",
					    ";",
					    "'",
					    "{",
					    "\x7f",
					    "\xf0\x9f\x98\x80",
					    "0123456789abcdefg"};
	size_t n = 0, pieces = rnd(seed) % 9;

	if (rnd(seed) % 4 == 0)
		pieces = 0;
	while (pieces--) {
		const char *p = piece[rnd(seed) % WEIR_COUNT_OF(piece)];

		if (bytes || rnd(seed) % 20 == 0) {
			dst[n++] = bytes ? (char)rnd(seed) : 0;
			continue;
		}
		memcpy(dst + n, p, strlen(p));
		n += strlen(p);
	}
	return n;
}

static inline uint64_t random_slot(uint64_t *seed, unsigned type, unsigned precision)
{
	static const int64_t edge[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1000000000, -5, 999};
	static const double real[] = {0.0, -0.0, 1.5, -2.25e300, 1e-310, 0.1, 123456789012345680.0};
	uint64_t limit = 1, v = rnd(seed) % 3 ? rnd(seed) >> rnd(seed) % 64
					      : (uint64_t)edge[rnd(seed) % WEIR_COUNT_OF(edge)];
	double d;

	switch (type) {
	case WEIR_BOOL:
		return rnd(seed) & 1;
	case WEIR_DECIMAL:
		while (precision--)
			limit *= 10;
		v %= limit;
		return rnd(seed) & 1 ? v : -v;
	case WEIR_FLOAT64:
		if (rnd(seed) % 8 == 0) {
			static const uint64_t special[] = {UINT64_C(0x7ff8000000000000),
							   UINT64_C(0x7ff0000000000000),
							   UINT64_C(0xfff0000000000000)};

			return special[rnd(seed) % 3];
		}
		d = real[rnd(seed) % WEIR_COUNT_OF(real)];
		if (rnd(seed) & 1)
			d = (double)(int64_t)v / 1000;
		memcpy(&v, &d, 8);
		return v;
	default:
		return v;
	}
}

static inline uint64_t random_value(uint64_t *seed, struct weir_builder *b,
				    const struct weir_field *f, unsigned type)
{
	char text[512];
	uint32_t offset = 0;
	size_t n;
	void *p;

	if (!weir_type_is_text(type))
		return random_slot(seed, type, f->type.precision);
	n = random_text(seed, text, type == WEIR_BYTES);
	p = weir_build_tail(b, n, 1, &offset);
	assert_non_null(p);
	memcpy(p, text, n);
	return (uint64_t)offset | (uint64_t)n << 32;
}

static inline void random_record(uint64_t *seed, const struct weir_schema *s, void *mem)
{
	struct weir_builder b;

	weir_build_begin(&b, mem, FRAME_CAP, s);
	for (unsigned i = 0; i < s->field_count; i++) {
		const struct weir_field *f = &s->field[i];

		if (f->nullable && rnd(seed) % 3 == 0) {
			weir_build_null(&b, i);
		} else if (f->type.type == WEIR_LIST) {
			uint32_t count = (uint32_t)(rnd(seed) % 4), offset = 0;
			uint8_t *slot = weir_build_tail(&b, 8 * count, 8, &offset);

			assert_non_null(slot);
			for (uint32_t k = 0; k < count; k++) {
				uint64_t v = random_value(seed, &b, f, f->type.elem);

				memcpy(slot + 8 * k, &v, 8);
			}
			weir_build_slot(&b, i, (uint64_t)offset | (uint64_t)count << 32);
		} else {
			weir_build_slot(&b, i, random_value(seed, &b, f, f->type.type));
		}
	}
	assert_true(weir_build_end(&b));
}

/*
 * decode(encode(x)) == x: random records of the bench's schema through an encoder and back, in one window
 * and in growing ones; frames must come back byte by byte.
 */
static inline void round_trip(struct bench *b, unsigned records)
{
	struct weir_encoder_spec e = {.format = b->spec.format,
				      .csv = b->spec.csv,
				      .stream_count = b->spec.stream_count,
				      .schema = b->schemas,
				      .stream_name = b->names,
				      .type_field = b->spec.type_field};
	uint64_t *frame = calloc(records, FRAME_CAP), *back = malloc(FRAME_CAP), seed = 7;
	size_t cap = 1 << 20;
	char *text = malloc(cap);
	struct weir_buf buf = weir_buf_of(text, cap);

	assert_true(frame && back && text);
	weir_encode_head(&e, &buf);
	for (unsigned i = 0; i < records; i++) {
		uint64_t *f = frame + (size_t)i * FRAME_CAP / 8;

		random_record(&seed, b->schemas[i % b->spec.stream_count], f);
		weir_encode_record(&e, &buf, (const struct weir_frame *)(void *)f);
	}
	assert_false(buf.full);
	for (size_t step = 0; step < 3; step++) {
		size_t at = 0, seen = step ? 0 : buf.len;
		unsigned i = 0;

		weir_decoder_restart(b->d);
		for (;;) {
			struct weir_err err = {0};
			struct weir_decoded r;
			int rc = weir_decode(b->d, text + at, seen - at, seen == buf.len, back,
					     FRAME_CAP, &r, &err);

			if (rc)
				fail_msg("%s", err.text);
			at += r.consumed;
			if (r.kind == WEIR_DECODE_MORE) {
				if (seen == buf.len)
					break;
				seen = step == 1 ? seen + 1 : WEIR_MIN(seen + 97, buf.len);
			}
			if (r.kind == WEIR_DECODE_REJECT)
				fail_msg("record %u: %s [%.*s]", i, r.reason, (int)r.record.n,
					 r.record.p);
			if (r.kind != WEIR_DECODE_RECORD)
				continue;
			assert_true(i < records);
			assert_int_equal(r.stream, i % b->spec.stream_count);
			assert_memory_equal(back, frame + (size_t)i * FRAME_CAP / 8,
					    ((struct weir_frame *)(void *)back)->size);
			i++;
		}
		assert_int_equal(i, records);
		assert_int_equal(at, buf.len);
	}
	free(frame);
	free(back);
	free(text);
}

#endif
