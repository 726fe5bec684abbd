/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/num.h - reading numbers, sizes, durations and decimals strictly: all of the text or nothing.
 *
 * Errors: 0, WEIR_E_FORMAT (not such a number, or bytes left over) or WEIR_E_RANGE (does not fit;
 *         nothing is ever cut or wrapped silently). Outputs are untouched on failure.
 * Pure.
 */
#ifndef WEIR_BASE_NUM_H
#define WEIR_BASE_NUM_H

#include "base/base.h"
#include "base/str.h"

/* [+-]digits. Leading zeros are decimal digits here ("012" is 12): use it for data. */
int weir_parse_i64(struct weir_str s, int64_t *ret);

/* Decimal floating point, [+-]digits[.digits][e[+-]digits], also NaN, Infinity, inf (any case).
 * Correctly rounded. Overflow to infinity is WEIR_E_RANGE; underflow gives the nearest double. */
int weir_parse_f64(struct weir_str s, double *ret);

/* "true"/"false" (any case), "1"/"0", "t"/"f", "yes"/"no". */
int weir_parse_bool(struct weir_str s, bool *ret);

/* value * 10^-scale as int64. More fraction digits than scale: accepted only when they are zeros,
 * else WEIR_E_RANGE. More digits than precision (1..18): WEIR_E_RANGE. */
int weir_parse_decimal(struct weir_str s, unsigned precision, unsigned scale, int64_t *ret);

/* Settings, where a doubtful spelling must not be guessed: a count with no leading zero ("012" and
 * "0x10" are WEIR_E_FORMAT), no sign, "_" not allowed. */
int weir_parse_count(struct weir_str s, uint64_t *ret);

/* Count with a unit: "64MiB", "10kB", "1GiB", "512" or "512B". KiB MiB GiB TiB are powers of 1024,
 * kB MB GB TB of 1000. A fraction or an unknown unit is WEIR_E_FORMAT. */
int weir_parse_size(struct weir_str s, uint64_t *ret_bytes);

/* "10s", "1h30m", "250ms", "5us", "7ns", "2d". A bare number is WEIR_E_FORMAT (which unit?), except 0. */
int weir_parse_duration(struct weir_str s, int64_t *ret_ns);

/* 10^0 .. 10^18, all that fit an int64. */
extern const int64_t weir_pow10[19];

struct weir_buf;
void weir_buf_decimal(struct weir_buf *b, int64_t v, unsigned scale); /* exactly scale digits */
void weir_buf_duration(struct weir_buf *b, int64_t ns); /* "1h30m0s", "250ms": parses back */
void weir_buf_size(struct weir_buf *b,
		   uint64_t bytes); /* "2MiB" when exact, else "12345B"; parses back */

#endif
