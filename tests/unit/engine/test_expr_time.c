/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

#define OVER "error: arithmetic overflow"
#define OLD "timestamp('1969-12-31T23:59:58.75Z')"

EXPR_CASES(test_arithmetic, {"t - timestamp('2016-02-29T13:00:00Z')", "duration 30m4s910ms"},
	   {"t + duration('30m')", "timestamp 2016-02-29T14:00:04.91Z"},
	   {"duration('30m') + t", "timestamp 2016-02-29T14:00:04.91Z"},
	   {"t - duration('1d')", "timestamp 2016-02-28T13:30:04.91Z"},
	   {"d + d", "duration 3h0m0s500ms"}, {"d - duration('2h')", "duration -29m59s750ms"},
	   {"d * 2", "duration 3h0m0s500ms"}, {"2 * d", "duration 3h0m0s500ms"},
	   {"duration('1h') / 4", "duration 15m0s"}, {"d / 0", "error: division by zero"},
	   {"-duration('1s')", "duration -1s"}, {"abs(-d) == d", "bool true"},
	   {"t + duration('100000d')", OVER}, {"t - duration('-100000d')", OVER},
	   {"timestamp(-9000000000) - timestamp(9000000000)", OVER}, {"d * max64", OVER},
	   {"t - t", "duration 0s"}, {"nt - t", "null"})

EXPR_CASES(test_comparison, {"t > timestamp('2016-01-01T00:00:00Z')", "bool true"},
	   {"timestamp('2016-01-01T00:00:00+01:00') == timestamp('2015-12-31T23:00:00Z')",
	    "bool true"},
	   {"d >= duration('1h30m')", "bool true"}, {"t - t < d", "bool true"},
	   {"min(t, timestamp(0))", "timestamp 1970-01-01T00:00:00Z"},
	   {"max(d, duration('2h'))", "duration 2h0m0s"}, {"t in [timestamp(0), t]", "bool true"},
	   {"nt == t", "null"})

EXPR_CASES(test_parts, {"t.getFullYear()", "int64 2016"}, {"t.getMonth()", "int64 1"},
	   {"t.getDate()", "int64 29"}, {"t.getDayOfMonth()", "int64 28"},
	   {"t.getDayOfWeek()", "int64 1"}, {"t.getDayOfYear()", "int64 59"},
	   {"t.getHours()", "int64 13"}, {"t.getMinutes()", "int64 30"},
	   {"t.getSeconds()", "int64 4"}, {"t.getMilliseconds()", "int64 910"},
	   {OLD ".getFullYear()", "int64 1969"}, {OLD ".getMonth()", "int64 11"},
	   {OLD ".getHours()", "int64 23"}, {OLD ".getMinutes()", "int64 59"},
	   {OLD ".getSeconds()", "int64 58"}, {OLD ".getMilliseconds()", "int64 750"},
	   {OLD ".getDayOfWeek()", "int64 3"}, {OLD ".getDayOfYear()", "int64 364"},
	   {"timestamp(0).getDayOfWeek()", "int64 4"},
	   {"timestamp('2023-01-01T00:00:00Z').getDayOfWeek()", "int64 0"},
	   {"d.getHours()", "int64 1"}, {"d.getMinutes()", "int64 90"},
	   {"d.getSeconds()", "int64 5400"}, {"d.getMilliseconds()", "int64 250"},
	   {"duration('-90s').getMinutes()", "int64 -1"}, {"nt.getHours()", "null"})

EXPR_CASES(test_truncate, {"t.truncate(duration('1h'))", "timestamp 2016-02-29T13:00:00Z"},
	   {"t.truncate(duration('1d'))", "timestamp 2016-02-29T00:00:00Z"},
	   {"t.truncate(duration('100ms'))", "timestamp 2016-02-29T13:30:04.9Z"},
	   {OLD ".truncate(duration('1h'))", "timestamp 1969-12-31T23:00:00Z"},
	   {"t.truncate(d - d)", "error: division by zero"},
	   {"t.truncate(-d)", "error: conversion failed"},
	   {"(timestamp(-9223372036) - duration('800ms')).truncate(duration('1d'))", OVER},
	   {"nt.truncate(d)", "null"},
	   {"t.truncate(duration('1s')) == timestamp(int(t))", "bool true"})

EXPR_CASES(
	test_folding,
	{"timestamp('2016-01-01T00:00:00Z') + duration('1h') > timestamp('2016-01-01T00:30:00Z')",
	 "bool true"},
	{"timestamp('2016-02-30T00:00:00Z')", "10+22 TYPE: '2016-02-30T00:00:00Z' is not a valid "
					      "timestamp: write it like 2016-01-31T10:00:00Z"},
	{"duration('1x')", "9+4 TYPE: '1x' is not a valid duration: write it like 1h30m or 10s"},
	{"string(timestamp(0))", "string 1970-01-01T00:00:00Z"})

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_comparison),
	cmocka_unit_test(test_parts),	   cmocka_unit_test(test_truncate),
	cmocka_unit_test(test_folding),
};

WEIR_TEST_MAIN("expr_time", tests)
