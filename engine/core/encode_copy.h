/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/encode_copy.h - records as lines of PostgreSQL's COPY text format.
 *
 * Shapes: columns in the order of the schema, tabs between them, a line feed behind each record; null is \N.
 *         bool       true, false              int64, decimal  digits
 *         float64    shortest text that reads back; NaN, Infinity
 *         string     UTF-8, escaped           bytes           \x and hexadecimal digits
 *         timestamp  RFC 3339 in UTC, cut to microseconds (towards the past); or whole nanoseconds since 1970
 *         duration   "1.500000 s", cut to microseconds (towards zero); or whole nanoseconds
 *         list       {a,b}: an array of these
 * Errors: text that PostgreSQL cannot hold (a zero byte, bytes that are not UTF-8) is found here: once a batch
 *         is in the journal it must fit into the table.
 * Pure. Thread: plain data.
 */
#ifndef WEIR_ENGINE_CORE_ENCODE_COPY_H
#define WEIR_ENGINE_CORE_ENCODE_COPY_H

#include "base/buf.h"
#include "base/schema.h"

struct weir_copy_spec {
	const struct weir_schema *schema; /* keeps */
	bool whole_ns[WEIR_FIELDS_MAX]; /* timestamps, durations: the column is a bigint */
};

/* One record. -1, or the field whose text cannot be written. When it does not fit, b->full is set and what
 * was written is of no use. */
int weir_copy_record(const struct weir_copy_spec *c, struct weir_buf *b,
		     const struct weir_frame *f);

/* Enough room for most records: those whose strings do not share their bytes. */
weir_inline size_t weir_copy_room(const struct weir_frame *f)
{
	return 4 * (size_t)f->size + 64;
}

#endif
