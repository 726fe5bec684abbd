/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/window_key_text.h - keys as people write them.
 *
 * A key of one field is its text as it is. Of several fields it is `a,b`: a field with a comma or a quote stands in double
 * quotes, a quote in it is doubled. `\N` is null. Values by type: numbers, true or false, RFC 3339 (or the field's
 * own format) for times, "1h30m" for durations, base64 for bytes.
 * Pure.
 */
#ifndef WEIR_ENGINE_CORE_WINDOW_KEY_TEXT_H
#define WEIR_ENGINE_CORE_WINDOW_KEY_TEXT_H

#include "base/err.h"
#include "engine/core/window_key.h"

/* Fills ret_entry (k->bytes, 8-byte aligned) with hash and key, to be looked for with weir_window_key_is_entry(). Its texts are
 * in `text` or in the slab. text.p is NULL when none was given: fine for a key without fields. 0, or WEIR_E_FORMAT or
 * WEIR_E_RANGE with a text that says what is expected. */
int weir_window_key_parse(const struct weir_window_key *k, struct weir_str text,
			  struct weir_slab *slab, void *ret_entry, struct weir_err *err);

/* Does the first field begin with these bytes, in the form of the records' JSON? Empty: always. */
bool weir_window_key_begins(const struct weir_window_key *k, const void *entry,
			    struct weir_str prefix);

#endif
