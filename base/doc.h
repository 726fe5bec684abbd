/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/doc.h - a parsed document (mapping, list, text) with places, and a list of diagnostics.
 *
 * The YAML reader (host/yaml.c, libyaml) makes one; everything that walks a document stays
 * pure. Scalars are texts: what they mean is decided by the schema that reads them.
 * Memory: the caller's region.
 */
#ifndef WEIR_BASE_DOC_H
#define WEIR_BASE_DOC_H

#include "base/base.h"
#include "base/mem.h"
#include "base/str.h"

struct weir_doc_pos {
	uint32_t line, column; /* from 1; 0: unknown */
};

enum weir_doc_kind { WEIR_DOC_NULL = 0, WEIR_DOC_SCALAR = 1, WEIR_DOC_LIST = 2, WEIR_DOC_MAP = 3 };

struct weir_doc_entry;

struct weir_doc {
	enum weir_doc_kind kind;
	bool quoted; /* scalar written in quotes or as a block */
	bool verbatim; /* scalar: the text stands in the file on one line as it is (behind the quote) */
	struct weir_doc_pos pos;
	struct weir_str text; /* scalar */
	struct weir_doc **item; /* list */
	struct weir_doc_entry *entry; /* map, in file order; keys are unique (the reader checks) */
	uint32_t count;
};

struct weir_doc_entry {
	struct weir_str key;
	struct weir_doc_pos pos;
	struct weir_doc *value;
};

struct weir_diag {
	struct weir_doc_pos pos;
	const char *text;
};

#define WEIR_DIAGS_MAX 100 /* more are counted, not kept */

struct weir_diags {
	struct weir_region *region;
	struct weir_diag *diag; /* WEIR_DIAGS_MAX */
	uint32_t count; /* kept */
	uint32_t dropped;
};

void weir_diags_init(struct weir_diags *d, struct weir_region *keep_region);
void weir_diag(struct weir_diags *d, struct weir_doc_pos pos, const char *fmt, ...)
	weir_printf_like(3, 4);
void weir_diags_sort(struct weir_diags *d);

/* Value of a key, or NULL. */
struct weir_doc *weir_doc_get(const struct weir_doc *map, const char *key);

#endif
