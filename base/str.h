/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/str.h - a borrowed piece of text: pointer and length, not terminated.
 *
 * Memory: never owns; the bytes live as long as whatever they were taken from.
 */
#ifndef WEIR_BASE_STR_H
#define WEIR_BASE_STR_H

#include "base/base.h"

struct weir_str {
	const char *p;
	size_t n;
};

#define WEIR_STR(lit) ((struct weir_str){(lit), sizeof(lit) - 1})

weir_inline struct weir_str weir_str_c(const char *s)
{
	return (struct weir_str){s, strlen(s)};
}

weir_inline bool weir_str_eq(struct weir_str a, struct weir_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

weir_inline bool weir_str_is(struct weir_str a, const char *lit)
{
	return weir_str_eq(a, weir_str_c(lit));
}

/* Byte order; a shorter prefix comes first. <0, 0, >0. */
int weir_str_cmp(struct weir_str a, struct weir_str b);

/* Steps to turn a into b (insert, delete, replace, swap neighbours); case counts half.
 * Texts longer than 63 bytes are "far" (returns 1000). Unit: half steps. */
unsigned weir_str_distance(struct weir_str a, struct weir_str b);

/* The candidate nearest to name, or NULL when none is near enough to be a likely misspelling. */
const char *weir_str_suggest(struct weir_str name, const char *const *candidates, size_t count);

#endif
