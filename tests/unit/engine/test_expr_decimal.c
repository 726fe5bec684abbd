/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

#define OVER "error: arithmetic overflow"
#define CONV "error: conversion failed"

EXPR_CASES(test_arithmetic, {"p", "decimal(10,2) 10.50"}, {"p + p", "decimal(11,2) 21.00"},
	   {"p + q", "decimal(18,6) 9.265433"}, {"q - p", "decimal(18,6) -11.734567"},
	   {"p + 1", "decimal(11,2) 11.50"}, {"1 - p", "decimal(11,2) -9.50"},
	   {"p + i", "decimal(18,2) 17.50"}, {"p + 0.125", "decimal(12,3) 10.625"},
	   {"0.125 + p", "decimal(12,3) 10.625"}, {"p + -0.5", "decimal(11,2) 10.00"},
	   {"p * p", "decimal(18,4) 110.2500"}, {"p * 2", "decimal(11,2) 21.00"},
	   {"p * 1.19", "decimal(13,4) 12.4950"}, {"p * i", "decimal(18,2) 73.50"},
	   {"-p", "decimal(10,2) -10.50"}, {"abs(q)", "decimal(18,6) 1.234567"},
	   {"p / 4", "float64 2.625"}, {"p / p", "float64 1"}, {"p / f", "float64 4.2"},
	   {"1 / p", "float64 0.09523809523809523"}, {"p / 0", "error: division by zero"},
	   {"p / (p - p)", "error: division by zero"}, {"min(p, q)", "decimal(18,6) -1.234567"},
	   {"max(p, 11)", "decimal(10,2) 11.00"}, {"max(p, 10.555)", "decimal(11,3) 10.555"},
	   {"b ? p : 0", "decimal(10,2) 10.50"}, {"b ? 1.5 : p", "decimal(10,2) 1.50"})

EXPR_CASES(test_overflow, {"p + max64", OVER}, {"max64 + p", OVER}, {"p * max64", OVER},
	   {"decimal(999999999999999999, 18, 0) + 1.0", OVER},
	   {"decimal(999999999999999999, 18, 0) * decimal(i, 18, 0)", OVER},
	   {"q * 1000000000000", OVER}, {"q * 100000000", "decimal(18,6) -123456700.000000"},
	   {"max(p, max64)", CONV}, {"q * q * q", OVER},
	   {"q * q * q * q",
	    "0+13 TYPE: decimal(18,18) * decimal(18,6) would need 24 fraction digits, 18 are "
	    "possible: round one with decimal(x, precision, scale), or use double(x)"},
	   {"p - min64", OVER})

EXPR_CASES(test_comparison, {"p == 10.5", "bool true"}, {"p == 10.50", "bool true"},
	   {"10.5 == p", "bool true"}, {"p == 10.505", "bool false"}, {"p < 10.505", "bool true"},
	   {"10.505 > p", "bool true"}, {"p > 10.495", "bool true"},
	   {"p != 10.500001", "bool true"}, {"p > 10", "bool true"}, {"p > i", "bool true"},
	   {"i < p", "bool true"}, {"p > q", "bool true"}, {"q < p", "bool true"},
	   {"p <= max64", "bool true"}, {"p >= min64", "bool true"},
	   {"q == -1.234567", "bool true"}, {"q == -1.2345670", "bool true"},
	   {"q < -1.2345669", "bool true"}, {"p == 9223372036854775807", "bool false"},
	   {"p == 1.05e1", "bool true"}, {"p < 1e17", "bool true"}, {"p >= p", "bool true"},
	   {"p * 10 == 105", "bool true"}, {"lp[0] == 2.5", "bool true"},
	   {"0.1 + p == 10.6", "bool true"}, {"p == decimal('10.5', 3, 1)", "bool true"},
	   {"q <= decimal(p, 18, 6)", "bool true"})

EXPR_CASES(test_conversion, {"decimal(i, 5, 2)", "decimal(5,2) 7.00"},
	   {"decimal(max64, 18, 0)", CONV}, {"decimal(p, 3, 1)", "decimal(3,1) 10.5"},
	   {"decimal(q, 5, 2)", "decimal(5,2) -1.23"}, {"decimal(q, 5, 1)", "decimal(5,1) -1.2"},
	   {"decimal(10.45, 5, 1)", "decimal(5,1) 10.5"},
	   {"decimal(-10.45, 5, 1)", "decimal(5,1) -10.5"},
	   {"decimal(p + 0.45, 5, 1)", "decimal(5,1) 11.0"},
	   {"decimal(p - 0.06, 5, 1)", "decimal(5,1) 10.4"}, {"decimal(p, 2, 1)", CONV},
	   {"decimal(f, 5, 1)", "decimal(5,1) 2.5"}, {"decimal(f, 5, 0)", "decimal(5,0) 3"},
	   {"decimal(-f, 5, 0)", "decimal(5,0) -3"},
	   {"decimal(f + 0.175, 10, 2)", "decimal(10,2) 2.68"}, {"decimal(nan, 5, 2)", CONV},
	   {"decimal(f * 1e300, 5, 2)", CONV}, {"decimal(f * 1e-300, 5, 2)", "decimal(5,2) 0.00"},
	   {"decimal(f * 1e-17, 18, 18)", "decimal(18,18) 0.000000000000000025"},
	   {"decimal(f * 1000, 5, 2)", CONV},
	   {"decimal(f * 100000000000000000.0, 18, 0)", "decimal(18,0) 250000000000000000"},
	   {"decimal(f * 1e18, 18, 0)", CONV}, {"decimal('12.34', 5, 2)", "decimal(5,2) 12.34"},
	   {"decimal(string(p), 10, 2) == p", "bool true"}, {"decimal(s, 5, 2)", CONV},
	   {"decimal(string(q), 5, 2)", CONV}, {"int(p)", "int64 10"},
	   {"double(q)", "float64 -1.234567"},
	   {"double(decimal('123456789012345678', 18, 0))", "float64 123456789012345680"},
	   {"double(decimal('0.123456789012345678', 18, 18))", "float64 0.12345678901234568"},
	   {"string(q)", "string -1.234567"})

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_arithmetic),
	cmocka_unit_test(test_overflow),
	cmocka_unit_test(test_comparison),
	cmocka_unit_test(test_conversion),
};

WEIR_TEST_MAIN("expr_decimal", tests)
