/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/source_state.h - what every source's part begins with, as bytes.
 *
 *   u8 version (1), u8 flags (1: ended), varint rows, i64 watermark ns; the source's own position follows
 *
 * Rules: a source that ended only because it was asked to stop is not written as ended. Pace and idleness
 *        start anew after a restore.
 * Errors: WEIR_E_CORRUPT, WEIR_E_VERSION, WEIR_E_CONFIG with text in node->task->err.
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_SOURCE_STATE_H
#define WEIR_ENGINE_CORE_SOURCE_STATE_H

#include "base/bytes.h"
#include "engine/core/decode.h"
#include "engine/core/freeze.h"
#include "engine/core/source.h"

void weir_source_put(const struct weir_source *s, struct weir_out *o);

/* Sets ended, rows and watermark of node->op. A source gets the parts of the same task only: positions cannot be
 * divided among another number of tasks. */
int weir_source_get(struct weir_node *n, struct weir_restore *r);

/* "step `x`: the saved position of the source is damaged (what)". WEIR_E_CORRUPT. */
int weir_source_damaged(struct weir_node *n, const char *what);

void weir_source_place_put(struct weir_out *o, const struct weir_decoder_place *p);
/* Any bytes give a place; look at in->bad. */
void weir_source_place_get(struct weir_reader *in, struct weir_decoder_place *ret);

#endif
