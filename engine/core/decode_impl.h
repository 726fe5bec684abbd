/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/decode_impl.h - what the parts of the decoder share. Not for others.
 *
 *   decode.c  life cycle, record size limit, file-level errors
 *   csv.c  csv_row.c  csv_header.c  jsonl.c  json.c  raw.c  raw_head.c    the formats
 *   value.c   text of a value to its slot;  text.c: UTF-8, base64
 */
#ifndef WEIR_ENGINE_CORE_DECODE_IMPL_H
#define WEIR_ENGINE_CORE_DECODE_IMPL_H

#include "engine/core/decode.h"

#define WEIR__COLUMNS_MAX 4096
#define WEIR__VALUE_TEXT_MAX 256 /* bytes of a non-text value after quotes or escapes were undone */

/* How the text of one field is read. */
struct weir__reader {
	const struct weir_field *field;
	uint8_t type, elem;
	bool nullable;

	/* Timestamps of the shape dddd?dd?dd?dd:dd:dd[.d+][Z] take a short cut; `fixed` says that
	 * sep holds the three separators, `zone` that the text must end with Z. The last date is
	 * kept, because the next record mostly has the same. */
	bool fixed, zone, number;
	bool day_known;
	char sep[3];
	char day[10];
	int64_t day_ns;

	/* jsonl: the member name with quotes and colon, compared at once when it fits. */
	uint8_t key_bytes; /* 0: needs the general way */
	uint8_t name_bytes;
	uint8_t after; /* the field that followed this one last time */
	uint32_t key_mask;
	char key[WEIR_NAME_MAX + 4];
};

struct weir__stream {
	const struct weir_schema *schema;
	const char *name;
	struct weir__reader *reader; /* of each field */
	int32_t time_field;
	bool want;
	uint8_t first; /* jsonl: field that came first last time */
	uint64_t full[2]; /* one bit a field */
	uint8_t table[256]; /* jsonl: hash of a name to field + 1 */
};

struct weir__cell {
	const char *p;
	uint32_t n;
	bool quoted, doubled; /* in quotes; with doubled quotes inside */
};

struct weir__csv {
	bool header_done;
	uint32_t columns;
	uint16_t *
		column; /* WEIR__COLUMNS_MAX + 1: field of each column, or WEIR_FIELDS_MAX for none */
	struct weir__cell cell[WEIR_FIELDS_MAX + 1];
};

struct weir__raw {
	bool head_done;
	uint32_t streams;
	uint8_t stream[256]; /* of the file, to ours; 255: not ours */
	uint64_t skip_bytes; /* rest of a record that was too large */
	uint64_t record;
	struct weir_schema *scratch;
};

struct weir_decoder {
	enum weir_format format;
	struct weir_csv_options csv_options;
	const char *type_field;
	uint32_t type_field_bytes;
	uint32_t stream_count, last_stream;
	uint32_t text_max;
	uint64_t line; /* of the next byte */
	size_t scanned; /* bytes of the window that hold no end of the first record */
	bool at_start, skipping;
	struct weir_err failed; /* the file does not fit: said again on every call */
	struct weir__stream *stream;
	struct weir__csv csv;
	struct weir__raw raw;
	char scratch[WEIR__VALUE_TEXT_MAX];
};

/* ---- value.c ---- */

void weir__reader_init(struct weir__reader *r, const struct weir_field *f);

/*
 * A value without tail: bool, int64, float64, decimal, timestamp, duration. type is the reader's
 * type or, for elements of a list, its elem. 0, WEIR_E_FORMAT or WEIR_E_RANGE.
 */
int weir__value_read(struct weir__reader *r, unsigned type, struct weir_str s, uint64_t *ret_slot);

/* A number by its digits: (neg) m * 10^exp10. */
struct weir__num {
	uint64_t m;
	int32_t exp10;
	bool neg;
	bool plain; /* neither point nor exponent */
	bool exact; /* m holds all digits that are not zero */
};

/* Scans a number by the JSON grammar; the first byte behind it, or NULL. */
const char *weir__num_scan(const char *p, const char *end, struct weir__num *ret);
int weir__num_i64(const struct weir__num *v, int64_t *ret);
int weir__num_f64(const struct weir__num *v, struct weir_str text, double *ret);
int weir__num_decimal(const struct weir__num *v, struct weir_typeinfo type, int64_t *ret);

/* ---- rejects ---- */

/* The text as it may stand in a message: short, in quotes, without control bytes; 0-terminated. */
void weir__quote(struct weir_str s, char *dst, size_t cap);

/* Makes ret a reject. at: place of the trouble in ret->record, or NULL. */
void weir__reject(struct weir_decoded *ret, const char *at, const char *fmt, ...)
	weir_printf_like(3, 4);
/* The same for a value that weir__value_read() refused with code. */
void weir__reject_value(struct weir_decoded *ret, const struct weir__reader *r, unsigned type,
			struct weir_str text, int code);

/* Closes the frame and sets its time; may turn ret into a reject. */
void weir__finish(const struct weir__stream *s, struct weir_builder *b, struct weir_decoded *ret);

/* ---- formats; n is cut to text_max, kind is MORE on entry ---- */

int weir__csv_init(struct weir_decoder *d, struct weir_region *region, struct weir_err *err);
int weir__csv_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
		     size_t cap, struct weir_decoded *ret, struct weir_err *err);

/* Called for each column in turn. */
typedef void (*weir__csv_cell_fn)(void *ctx, uint32_t column, const struct weir__cell *cell);

struct weir__csv_row {
	const char *end; /* behind the text */
	const char *next; /* behind the line end */
	uint32_t columns;
	uint64_t lines; /* line ends passed, also in quotes */
};

/* One row by the full rules of RFC 4180. false: more bytes are needed. A row that breaks the rules
 * makes ret a reject; it ends at the next line end. */
bool weir__csv_row(char delimiter, const char *p, size_t n, bool eof, weir__csv_cell_fn fn,
		   void *ctx, struct weir__csv_row *row, struct weir_decoded *ret);

/* Text of a cell with doubled quotes undone; false when it does not fit. */
bool weir__csv_text(const struct weir__cell *cell, char *dst, size_t cap, size_t *ret_n);

/* The first row: finds the column of each field. */
int weir__csv_header(struct weir_decoder *d, const char *p, size_t n, bool eof,
		     struct weir_decoded *ret, struct weir_err *err);

void weir__jsonl_init(struct weir_decoder *d);
void weir__jsonl_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
			size_t cap, struct weir_decoded *ret);

void weir__raw_init(struct weir_decoder *d, struct weir_region *region);
int weir__raw_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
		     size_t cap, struct weir_decoded *ret, struct weir_err *err);
int weir__raw_in_place(struct weir_decoder *d, char *p, size_t n, bool eof,
		       const struct weir_frame **ret_frame, struct weir_decoded *ret,
		       struct weir_err *err);

/* ---- encode_time.c ---- */

/* The reverse of weir_time_parse(): text that it reads back. A fraction of a second is written
 * behind %S, or by %f when the format has one. */
struct weir_buf;
void weir__buf_time_format(struct weir_buf *b, int64_t t_ns, const char *format);

#endif
