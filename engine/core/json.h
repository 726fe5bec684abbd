/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/json.h - walking over JSON text inside one record; shared by the parts of the jsonl
 * decoder.
 *
 * Functions take the place to read at and give the place behind what they read, or NULL after
 * making c->ret a reject. Everything that is walked over is checked (RFC 8259, UTF-8).
 */
#ifndef WEIR_ENGINE_CORE_JSON_H
#define WEIR_ENGINE_CORE_JSON_H

#include "engine/core/decode_impl.h"
#include "engine/core/text.h"

#define WEIR__JSON_DEPTH_MAX 64

struct weir__json {
	const char *end; /* of the record: its line feed, or the end of the window */
	const char *limit; /* bytes below this may be read */
	struct weir_decoded *ret;
};

/* The byte at p; at the end of the record a line feed, which is no part of any JSON token. */
weir_inline char weir__json_at(const struct weir__json *c, const char *p)
{
	return weir_likely(p < c->end) ? *p : '\n';
}

weir_inline const char *weir__json_space(const struct weir__json *c, const char *p)
{
	while (p < c->end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* p is behind the opening quote; result behind the closing one. */
const char *weir__json_string_skip(struct weir__json *c, const char *p, bool *ret_escaped);

/*
 * Copies a string to dst with escapes undone. *ret_n is its length. A string that does not fit into
 * room sets *ret_full and is walked over.
 */
const char *weir__json_string_copy(struct weir__json *c, const char *p, char *dst, size_t room,
				   size_t *ret_n, bool *ret_full);

/* Any value, with everything in it. depth: levels around it. */
const char *weir__json_skip(struct weir__json *c, const char *p, unsigned depth);

/* The word (true, false, null) at p. */
bool weir__json_word(const struct weir__json *c, const char *p, const char *word, size_t n);

/* A reject that names what was expected at p. Returns NULL. */
const char *weir__json_expected(struct weir__json *c, const char *p, const char *what);

#endif
