/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/schema.h - types, schemas, and the record layout that rings, files and links share.
 *
 * Layout of a frame (all little endian, 8-byte aligned; docs/formats/record.md):
 *
 *   0        24               24 + 8*null_words         24 + fixed_size              size
 *   | header | null bit words | one 8-byte slot a field | tail: strings, lists, bytes |
 *
 *   slot of bool        0 or 1
 *           int64       two's complement
 *           float64     IEEE 754 bits
 *           decimal     value * 10^scale as int64 (precision at most 18)
 *           timestamp   ns since the Unix epoch;   duration: ns
 *           string,     low 32 bits: offset of the bytes from the payload start (offset 24 of
 *           bytes       the frame); high 32 bits: length in bytes
 *           list        the same with the number of elements; elements are 8-byte slots at an
 *                       8-byte aligned offset, string elements refer to payload offsets as above
 *   A null field has its bit set (bit i%64 of word i/64) and a zero slot. null_words is 0 for a
 *   schema without nullable fields.
 *
 * Memory: a schema is plain data; sharing one between threads read-only is fine.
 * Frames from another process, a file or the network go through weir_frame_check() first.
 */
#ifndef WEIR_BASE_SCHEMA_H
#define WEIR_BASE_SCHEMA_H

#include "base/base.h"
#include "base/str.h"

#define WEIR_FIELDS_MAX 128
#define WEIR_FORMAT_MAX 63 /* bytes of a timestamp format */
#define WEIR_DECIMAL_PRECISION_MAX 18

enum weir_type {
	WEIR_NONE = 0,
	WEIR_BOOL = 1,
	WEIR_INT64 = 2,
	WEIR_FLOAT64 = 3,
	WEIR_DECIMAL = 4,
	WEIR_STRING = 5,
	WEIR_BYTES = 6,
	WEIR_TIMESTAMP = 7,
	WEIR_DURATION = 8,
	WEIR_LIST = 9,
	WEIR_TYPE_COUNT
};

struct weir_typeinfo {
	uint8_t type; /* enum weir_type */
	uint8_t elem; /* WEIR_LIST: element type, never a list */
	uint8_t precision; /* WEIR_DECIMAL: 1..18 */
	uint8_t scale; /* WEIR_DECIMAL: 0..precision */
};

struct weir_field {
	char name[WEIR_NAME_MAX + 1];
	char format[WEIR_FORMAT_MAX + 1]; /* timestamp text format; "" is RFC 3339 */
	struct weir_typeinfo type;
	bool nullable;
};

struct weir_schema {
	uint16_t stream; /* number in the frame header */
	uint16_t field_count;
	uint16_t null_words;
	uint16_t reserved;
	uint32_t fixed_size; /* bytes of null words and slots; set by weir_schema_seal() */
	struct weir_field field[WEIR_FIELDS_MAX];
};

enum weir_frame_kind {
	WEIR_FRAME_NONE = 0, /* never valid: zeroed memory is not a frame */
	WEIR_FRAME_DATA = 1,
	WEIR_FRAME_WATERMARK = 2, /* time_ns: no earlier record follows; no payload */
	WEIR_FRAME_BARRIER = 3, /* key_hash: epoch; no payload */
	WEIR_FRAME_EOS = 4, /* end of stream; no payload */
	WEIR_FRAME_MARKER = 5, /* latency marker; time_ns: CLOCK_MONOTONIC at the source */
	WEIR_FRAME_IDLE = 6, /* the input is idle: leave it out of the watermark; no payload */
	WEIR_FRAME_LANE = 7, /* between an engine and a gateway only: shm/lane.h */
	WEIR_FRAME_KIND_COUNT
};

struct weir_frame {
	uint32_t size; /* header, slots and tail; the next frame starts at the next multiple of 8 */
	uint8_t kind;
	uint8_t flags; /* WEIR_FRAME_F_* */
	uint16_t stream;
	uint64_t key_hash; /* valid with WEIR_FRAME_F_HASHED */
	int64_t time_ns; /* event time */
};

/* A control frame in a ring fills a cache line with zeros behind its header, so that records of 64 bytes
 * stay on lines of their own. */
#define WEIR_CONTROL_BYTES 64u

#define WEIR_FRAME_F_HASHED 1u
#define WEIR_FRAME_F_TIMED 2u /* time_ns is an event time (records of untimed streams lack it) */

_Static_assert(sizeof(struct weir_frame) == 24, "published format");

weir_inline uint32_t weir_frame_stride(const struct weir_frame *f)
{
	return WEIR_ALIGN_UP(f->size, 8u);
}

/* Copies a frame's stride (a multiple of 8). Frames are short: a loop beats a call. */
weir_inline void weir_frame_copy(void *to, const void *from, uint32_t n)
{
	uint8_t *d = (uint8_t *)to;
	const uint8_t *s = (const uint8_t *)from;

	for (; n >= 32; n -= 32, d += 32, s += 32)
		__builtin_memcpy(d, s, 32);
	if (n & 16) {
		__builtin_memcpy(d, s, 16);
		d += 16;
		s += 16;
	}
	if (n & 8)
		__builtin_memcpy(d, s, 8);
}

weir_inline const uint8_t *weir_payload(const struct weir_frame *f)
{
	return (const uint8_t *)(f + 1);
}

/* Computes null_words and fixed_size after the fields were filled in. */
void weir_schema_seal(struct weir_schema *s);

/* Index of the field, or -1. */
int weir_schema_find(const struct weir_schema *s, struct weir_str name);

/* Same field names, types and nullability in the same order (formats and stream do not count). */
bool weir_schema_same(const struct weir_schema *a, const struct weir_schema *b);

/* Appends a field; -1 when full, or the name is empty, too long or already there. Seal afterwards. */
int weir_schema_add(struct weir_schema *s, struct weir_str name, struct weir_typeinfo type,
		    bool nullable);

/* "int64", "decimal(10,2)", "list<string>", "timestamp(%Y)": as in a pipeline file. A trailing "?"
 * means nullable. WEIR_E_FORMAT or WEIR_E_RANGE; on error err (may be NULL) says what is wrong. */
struct weir_err;
int weir_type_parse(struct weir_str text, struct weir_field *ret_field, struct weir_err *err);
struct weir_buf;
void weir_buf_type(struct weir_buf *b, const struct weir_field *f); /* parses back */
const char *weir_type_name(unsigned type); /* "int64" ...; never NULL */

weir_inline struct weir_typeinfo weir_type_of(unsigned type)
{
	return (struct weir_typeinfo){.type = (uint8_t)type};
}

weir_inline bool weir_type_is_text(unsigned type)
{
	return type == WEIR_STRING || type == WEIR_BYTES;
}

/* ---- reading ---- */

weir_inline uint64_t weir_slot(const struct weir_frame *f, const struct weir_schema *s, unsigned i)
{
	uint64_t v;

	memcpy(&v, weir_payload(f) + 8 * (s->null_words + i), 8);
	return v;
}

weir_inline bool weir_null(const struct weir_frame *f, const struct weir_schema *s, unsigned i)
{
	uint64_t w;

	if (s->null_words == 0)
		return false;
	memcpy(&w, weir_payload(f) + 8 * (i / 64), 8);
	return (w >> (i % 64)) & 1;
}

weir_inline int64_t weir_get_i64(const struct weir_frame *f, const struct weir_schema *s,
				 unsigned i)
{
	return (int64_t)weir_slot(f, s, i);
}

weir_inline double weir_get_f64(const struct weir_frame *f, const struct weir_schema *s, unsigned i)
{
	uint64_t v = weir_slot(f, s, i);
	double d;

	memcpy(&d, &v, 8);
	return d;
}

weir_inline struct weir_str weir_slot_str(const struct weir_frame *f, uint64_t slot)
{
	return (struct weir_str){(const char *)weir_payload(f) + (uint32_t)slot, slot >> 32};
}

weir_inline struct weir_str weir_get_str(const struct weir_frame *f, const struct weir_schema *s,
					 unsigned i)
{
	return weir_slot_str(f, weir_slot(f, s, i));
}

/* ---- building ---- */

/* Builds one frame in place. Overflow is remembered, so only the end has to be checked. */
struct weir_builder {
	struct weir_frame *f;
	const struct weir_schema *s;
	uint32_t cap; /* bytes at f, a multiple of 8 */
	uint32_t tail; /* next free payload offset */
	bool full;
};

/* mem is 8-byte aligned. Fields not set stay null (nullable) or zero. */
weir_inline void weir_build_begin(struct weir_builder *b, void *mem, size_t cap,
				  const struct weir_schema *s)
{
	b->f = (struct weir_frame *)mem;
	b->s = s;
	b->cap = (uint32_t)WEIR_MIN(cap, (size_t)UINT32_MAX & ~(size_t)7);
	b->tail = s->fixed_size;
	b->full = b->cap < sizeof(struct weir_frame) + s->fixed_size;
	if (weir_unlikely(b->full))
		return;
	memset(b->f, 0, sizeof(struct weir_frame) + s->fixed_size);
	b->f->kind = WEIR_FRAME_DATA;
	b->f->stream = s->stream;
}

weir_inline void weir_build_slot(struct weir_builder *b, unsigned i, uint64_t v)
{
	if (weir_likely(!b->full))
		memcpy((uint8_t *)(b->f + 1) + 8 * (b->s->null_words + i), &v, 8);
}

weir_inline void weir_build_i64(struct weir_builder *b, unsigned i, int64_t v)
{
	weir_build_slot(b, i, (uint64_t)v);
}

weir_inline void weir_build_f64(struct weir_builder *b, unsigned i, double d)
{
	uint64_t v;

	memcpy(&v, &d, 8);
	weir_build_slot(b, i, v);
}

weir_inline void weir_build_null(struct weir_builder *b, unsigned i)
{
	uint64_t w;
	uint8_t *p = (uint8_t *)(b->f + 1) + 8 * (i / 64);

	if (b->full || b->s->null_words == 0)
		return;
	memcpy(&w, p, 8);
	w |= UINT64_C(1) << (i % 64);
	memcpy(p, &w, 8);
}

/* Reserves n payload bytes at an offset aligned to align (1 or 8); NULL and full when there is no room. */
void *weir_build_tail(struct weir_builder *b, size_t n, unsigned align, uint32_t *ret_offset);

weir_inline void weir_build_str(struct weir_builder *b, unsigned i, struct weir_str v)
{
	uint32_t room = b->cap - (uint32_t)sizeof(struct weir_frame) - b->tail;

	if (weir_unlikely(b->full || v.n > room)) {
		b->full = true;
		return;
	}
	if (v.n)
		memcpy((uint8_t *)(b->f + 1) + b->tail, v.p, v.n);
	weir_build_slot(b, i, (uint64_t)b->tail | (uint64_t)v.n << 32);
	b->tail += (uint32_t)v.n;
}

/* Closes the frame: sets size, zeroes the padding to the next multiple of 8. false when it did not fit. */
weir_inline bool weir_build_end(struct weir_builder *b)
{
	uint32_t size = (uint32_t)sizeof(struct weir_frame) + b->tail;

	if (weir_unlikely(b->full || WEIR_ALIGN_UP(size, 8u) > b->cap)) {
		b->full = true;
		return false;
	}
	b->f->size = size;
	for (uint32_t i = size; i < WEIR_ALIGN_UP(size, 8u); i++)
		((uint8_t *)b->f)[i] = 0;
	return true;
}

/* Copies field si of frame f (schema s) to field i of b, with its tail bytes and null bit. */
void weir_build_copy(struct weir_builder *b, unsigned i, const struct weir_frame *f,
		     const struct weir_schema *s, unsigned si);

/* ---- checking and printing ---- */

/*
 * Checks bytes that nobody vouches for: size fits into `available`, kind is known, every slot of a
 * data frame stays inside (s may be NULL: header only). 0, WEIR_E_TOO_SMALL (more bytes needed),
 * WEIR_E_CORRUPT. Never reads outside [f, f + available).
 */
int weir_frame_check(const void *f, size_t available, const struct weir_schema *s);

/* One JSON object with the fields in schema order; bytes as base64. Frame must have been checked. */
void weir_buf_record_json(struct weir_buf *b, const struct weir_frame *f,
			  const struct weir_schema *s);
/* One value as JSON. */
void weir_buf_value_json(struct weir_buf *b, const struct weir_frame *f, uint64_t slot,
			 struct weir_typeinfo type);

#endif
