/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/raw_head.h - the head of a raw file, stream by stream. Layout: docs/formats/raw.md.
 *
 * Pure. Never trusts a byte: the checksum comes first, but the text is checked as well.
 */
#ifndef WEIR_ENGINE_CORE_RAW_HEAD_H
#define WEIR_ENGINE_CORE_RAW_HEAD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/schema.h"

#define WEIR__RAW_MAGIC "weir-raw"
#define WEIR__RAW_VERSION 1u
#define WEIR__RAW_HEAD_MIN 24u
#define WEIR__RAW_HEAD_MAX (1u << 20)

struct weir__raw_head {
	const char *p, *end; /* text lines not read yet */
	uint32_t streams; /* read so far */
	size_t bytes; /* of the whole head */
};

/* 0, WEIR_E_TOO_SMALL, WEIR_E_FORMAT, WEIR_E_VERSION, WEIR_E_CORRUPT. */
int weir__raw_head_open(struct weir__raw_head *h, const void *p, size_t n, struct weir_err *err);

/* The next stream: 1 and *ret_name, *ret_schema; 0 behind the last one; WEIR_E_CORRUPT. */
int weir__raw_head_next(struct weir__raw_head *h, char ret_name[WEIR_NAME_MAX + 1],
			struct weir_schema *ret_schema, struct weir_err *err);

void weir__raw_head_write(struct weir_buf *b, uint32_t count,
			  const struct weir_schema *const *schema, const char *const *name);

#endif
