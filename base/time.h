/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/time.h - calendar arithmetic and time texts. UTC only, proleptic Gregorian, no time zone data.
 *
 * Shapes: times are int64 nanoseconds since 1970-01-01T00:00:00Z (1677-09-21 to 2262-04-11).
 * Source: days from civil, Howard Hinnant, "chrono-compatible low-level date algorithms".
 * Pure: no clock is read here.
 */
#ifndef WEIR_BASE_TIME_H
#define WEIR_BASE_TIME_H

#include "base/base.h"
#include "base/str.h"

struct weir_civil {
	int32_t year;
	uint8_t month, day, hour, minute, second; /* month 1..12, day 1..31 */
	uint8_t weekday; /* 0 is Sunday */
	uint16_t yearday; /* 0..365 */
	uint32_t ns;
};

void weir_time_to_civil(int64_t t_ns, struct weir_civil *ret);

/* WEIR_E_RANGE when a field or the result is out of range (31 April, second 60, year 2300). */
int weir_time_from_civil(const struct weir_civil *c, int64_t *ret_ns);

/* RFC 3339: "2016-01-01T00:30:04.91Z" or with an offset "+01:00"; 'T' may be a space or 't'.
 * Up to 9 fraction digits (more: WEIR_E_RANGE unless zeros). 0, WEIR_E_FORMAT, WEIR_E_RANGE. */
int weir_time_parse_rfc3339(struct weir_str s, int64_t *ret_ns);

/*
 * strptime-like: %Y %m %d %H %M %S (with an optional .fraction) %y %b %B %e %j %z (+hh:mm, +hhmm, Z)
 * %Z (UTC or GMT only) %I %p %f (fraction digits) %s (Unix seconds, optional fraction) %Q (Unix
 * milliseconds) %T %D %F %% ; other bytes must match; a space matches one or more spaces.
 * No zone given: UTC. All of the text must be used.
 */
int weir_time_parse(struct weir_str s, const char *format, int64_t *ret_ns);

/* 0, or WEIR_E_FORMAT with *ret_at at the conversion that is not known. */
int weir_time_format_check(const char *format, size_t *ret_at);

struct weir_buf;
/* "2016-01-01T00:30:04.91Z": fraction only as long as needed. */
void weir_buf_time(struct weir_buf *b, int64_t t_ns);

#endif
