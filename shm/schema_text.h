/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/schema_text.h - a schema as text inside the segment, so that tools decode frames without the
 * pipeline file.
 *
 * Shape:  "stream 3\n", then one line "NAME TYPE\n" for each field, types as in a pipeline file
 *         ("int64", "decimal(10,2)?", "timestamp(%Y/%m/%d %H:%M:%S)"). In both, a backslash and
 *         bytes below 0x20 (in names also the blank and 0x7f) are written \xHH.
 */
#ifndef WEIR_SHM_SCHEMA_TEXT_H
#define WEIR_SHM_SCHEMA_TEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/schema.h"

/* Always enough for one schema, with the final 0. */
#define WEIR_SCHEMA_TEXT_MAX (32 + WEIR_FIELDS_MAX * (4 * WEIR_NAME_MAX + 4 * WEIR_FORMAT_MAX + 64))

void weir_buf_schema_text(struct weir_buf *b, const struct weir_schema *s);

/* Seals the schema. WEIR_E_FORMAT or WEIR_E_RANGE; err says where. Never reads past text.n. */
int weir_schema_text_parse(struct weir_str text, struct weir_schema *ret, struct weir_err *err);

/* Text number i of those in `all`, each ended by a 0. false: there are fewer. */
bool weir_schema_text_at(struct weir_str all, uint32_t i, struct weir_str *ret);

#endif
