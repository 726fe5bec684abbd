/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/decode.h - from bytes of a file or socket to frames, and back. csv, jsonl, raw.
 *
 * Use:    the source hands over a window of bytes that starts at a record; the decoder takes one
 *         record, builds the frame in the caller's memory, and says how many bytes it used.
 * Rules:  strict. What does not fit the schema is a reject with a reason, never a guess.
 *         csv is RFC 4180 (quotes, doubled quotes, line breaks inside quotes, CRLF or LF; a BOM at the
 *         start is skipped). jsonl is one JSON object per line (RFC 8259, UTF-8 checked, no duplicate
 *         keys among the schema's fields, unknown members skipped, depth limit 64, lone surrogates
 *         rejected). raw is docs/formats/raw.md.
 * Memory: the caller's; no allocation per record. Pure. Fuzzed (tests/fuzz/fuzz_{csv,jsonl,raw}.c).
 */
#ifndef WEIR_ENGINE_CORE_DECODE_H
#define WEIR_ENGINE_CORE_DECODE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/schema.h"
#include "engine/core/pipeline.h"

#define WEIR_STREAMS_MAX 16
#define WEIR_TEXT_MAX_DEFAULT ((uint32_t)1 << 20)

struct weir_decoder_spec {
	enum weir_format format;
	struct weir_csv_options csv;
	uint32_t stream_count;
	const struct weir_schema *const *schema; /* of each stream; keeps */
	const char *const *stream_name; /* keeps; [0] may be NULL with one stream */
	const char
		*type_field; /* jsonl, several streams: member that names the stream; else NULL */
	const int32_t *time_field; /* of each stream, -1: untimed */
	bool want[WEIR_STREAMS_MAX]; /* streams somebody listens to; others are skipped early */
	uint32_t
		text_max; /* a record with more bytes of text is a reject; 0: 1 MiB. The window must
			    * be able to hold as many bytes. */
};

struct weir_decoder;

enum weir_decode_kind {
	WEIR_DECODE_MORE = 0, /* no complete record in the window (with eof: nothing is left) */
	WEIR_DECODE_RECORD = 1, /* frame built */
	WEIR_DECODE_SKIP = 2, /* header, empty line, record of a stream nobody wants */
	WEIR_DECODE_REJECT = 3, /* reason set; go on behind it */
};

struct weir_decoded {
	enum weir_decode_kind kind;
	size_t consumed; /* bytes of the window used up */
	uint32_t stream;
	uint64_t line; /* number of the first line of this record, from 1 (raw: record number) */
	uint32_t column; /* of the trouble, from 1; 0: unknown */
	char reason[160]; /* reject */
	struct weir_str record; /* reject: the text of the record, without its line end */
};

/* WEIR_E_CONFIG and text when the spec makes no sense (a schema without fields ...). */
int weir_decoder_new(const struct weir_decoder_spec *spec, struct weir_region *region,
		     struct weir_decoder **ret, struct weir_err *err);

/* Forget the position: a new file starts (header expected again, line 1). */
void weir_decoder_restart(struct weir_decoder *d);

/* Where a decoder is in its file: what another one needs to go on in the middle of it. */
struct weir_decoder_place {
	uint64_t line;
	uint64_t record, skip_bytes; /* raw: records seen; bytes left of one that was too large */
	bool at_start; /* a byte order mark may come */
	bool skipping; /* text: inside a record that was too long */
	bool headed; /* the head (csv header, raw head) is read */
};

void weir_decoder_place(const struct weir_decoder *d, struct weir_decoder_place *ret);
/* Does the format have a head, which must be read again before the decoder is put behind it? */
bool weir_decoder_has_head(const struct weir_decoder *d);
/* After weir_decoder_restart(), and after the head was decoded when it has one and the place is behind it. */
void weir_decoder_put_back(struct weir_decoder *d, const struct weir_decoder_place *p);

/*
 * Decodes one record from [p, p+n). eof: no byte follows the window. mem: 8-byte aligned, cap bytes;
 * a record that does not fit there is a reject. The window may hold more than one record; call again
 * behind ret->consumed. The frame's time is set and WEIR_FRAME_F_TIMED with a time_field.
 * 0, or WEIR_E_FORMAT / WEIR_E_CONFIG when the file as a whole does not fit (csv header lacks a field,
 * raw header wrong): text in err, nothing can be decoded from it.
 */
int weir_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem, size_t cap,
		struct weir_decoded *ret, struct weir_err *err);

/*
 * raw only: like weir_decode(), but the frame stays where it is: checked, and *ret_frame points at it in the
 * window (NULL unless ret->kind is WEIR_DECODE_RECORD). p must be 8-byte aligned; every step uses a
 * multiple of 8 bytes, so it stays so until the file ends. The window is written to: flags, time and
 * hash of the frame are set for this spec, and the same again on a second pass over the same memory.
 * frame->stream stays the number in the file; ret->stream is the spec's. Only one thread may read
 * a piece of memory this way.
 */
int weir_raw_next(struct weir_decoder *d, char *p, size_t n, bool eof,
		  const struct weir_frame **ret_frame, struct weir_decoded *ret,
		  struct weir_err *err);

struct weir_encoder_spec {
	enum weir_format format;
	struct weir_csv_options csv;
	uint32_t stream_count;
	const struct weir_schema *const *schema; /* keeps */
	const char *const *stream_name;
	const char *type_field; /* jsonl: written first into each object; NULL: none */
};

/* Head of a file (csv header line, raw header; empty for jsonl). */
void weir_encode_head(const struct weir_encoder_spec *e, struct weir_buf *b);
/* One record with its line end. Timestamps in the field's format for csv, RFC 3339 for jsonl. */
void weir_encode_record(const struct weir_encoder_spec *e, struct weir_buf *b,
			const struct weir_frame *f);

/* Raw files: parses the head. 0, WEIR_E_TOO_SMALL (give more bytes), WEIR_E_FORMAT, WEIR_E_VERSION,
 * WEIR_E_CORRUPT. Schemas and names from the region; *ret_head bytes until the first frame. */
int weir_raw_head_parse(const void *p, size_t n, struct weir_region *region,
			struct weir_schema **ret_schema, const char ***ret_name,
			uint32_t *ret_count, size_t *ret_head, struct weir_err *err);

#endif
