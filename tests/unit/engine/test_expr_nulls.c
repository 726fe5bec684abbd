/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/expr_lib.h"

#define ZERO "error: division by zero"

EXPR_CASES(test_null_operands, {"ni", "null"}, {"ni + 1", "null"}, {"1 + ni", "null"},
	   {"ni + i", "null"}, {"i - ni", "null"}, {"ni * ni", "null"}, {"ni / 0", "null"},
	   {"i / ni", "null"}, {"-ni", "null"}, {"nf + 1.5", "null"}, {"nf * f", "null"},
	   {"-nf", "null"}, {"!nb", "null"}, {"ns + s", "null"}, {"s + ns + s", "null"},
	   {"np + p", "null"}, {"np * 2", "null"}, {"ni == 1", "null"}, {"ni != 1", "null"},
	   {"ni < i", "null"}, {"nf >= 1.0", "null"}, {"nf == i", "null"}, {"ns == s", "null"},
	   {"np == p", "null"}, {"np < q", "null"}, {"nb == b", "null"}, {"nt < t", "null"},
	   {"ni == ni", "null"}, {"ni in [1, 2]", "null"}, {"ns in ['a']", "null"},
	   {"ni in [j, i]", "null"}, {"7 in nl", "null"}, {"ni in li", "null"}, {"nl", "null"},
	   {"nl[0]", "null"}, {"li[ni]", "null"}, {"size(nl)", "null"}, {"size(ns)", "null"},
	   {"ns.startsWith('a')", "null"}, {"s.contains(ns)", "null"}, {"ns.lowerAscii()", "null"},
	   {"ns.trim()", "null"}, {"s.replace(ns, 'a')", "null"}, {"s.replace('a', ns)", "null"},
	   {"s.count(ns)", "null"}, {"ns.indexOf('a')", "null"}, {"string(ni)", "null"},
	   {"int(nf)", "null"}, {"double(np)", "null"}, {"decimal(ni, 5, 1)", "null"},
	   {"decimal(nf, 5, 1)", "null"}, {"bool(ns)", "null"}, {"timestamp(ns)", "null"},
	   {"min(ni, 1)", "null"}, {"max(i, ni)", "null"}, {"abs(ni)", "null"})

EXPR_CASES(test_null_tests, {"ni == null", "bool true"}, {"null == ni", "bool true"},
	   {"ni != null", "bool false"}, {"i == null", "bool false"}, {"i != null", "bool true"},
	   {"null != i", "bool true"}, {"null == null", "bool true"},
	   {"null != null", "bool false"}, {"ns == null", "bool true"}, {"nl == null", "bool true"},
	   {"li != null", "bool true"}, {"has(ni)", "bool false"}, {"has(i)", "bool true"},
	   {"has(ni + 1)", "bool false"}, {"i / z == null", ZERO},
	   {"(ni == null) == true", "bool true"}, {"1 == null", "bool false"})

EXPR_CASES(test_null_logic, {"nb && true", "null"}, {"nb && false", "bool false"},
	   {"false && nb", "bool false"}, {"nb || true", "bool true"}, {"true || nb", "bool true"},
	   {"nb || false", "null"}, {"nb || nb", "null"}, {"nb && b", "null"}, {"b && nb", "null"},
	   {"nb && i / z > 0", ZERO}, {"i / z > 0 || nb", ZERO}, {"nb && nb && !b", "bool false"},
	   {"nb || i / z > 0 || b", "bool true"}, {"ni > 5 || b", "bool true"})

EXPR_CASES(test_null_choice, {"nb ? 1 : 2", "null"}, {"b ? ni : 1", "null"},
	   {"b ? i : ni", "int64 7"}, {"b ? null : 1", "null"}, {"!b ? null : 1", "int64 1"},
	   {"b ? null : s", "null"}, {"!b ? null : p", "decimal(10,2) 10.50"},
	   {"nb ? i / z : 2", "null"}, {"coalesce(ni, 5)", "int64 5"},
	   {"coalesce(ni, nf, 5)", "float64 5"}, {"coalesce(null, ni, i)", "int64 7"},
	   {"coalesce(ni, ni)", "null"}, {"coalesce(i, 1)", "int64 7"},
	   {"coalesce(ni, i / z)", ZERO}, {"coalesce(i, i / z)", "int64 7"},
	   {"coalesce(i / z, i)", ZERO}, {"coalesce(ns, s)", "string Hello, W\\xc3\\xb6rld"},
	   {"coalesce(ns, string(i))", "string 7"}, {"coalesce(nl, li)", "list<int64> 3,7,-1"},
	   {"coalesce(np, 0)", "decimal(10,2) 0.00"}, {"coalesce(nb, false)", "bool false"},
	   {"coalesce(nt, t) == t", "bool true"}, {"coalesce(null, 1, 2)", "int64 1"},
	   {"coalesce(nf, ni, 1)", "float64 1"}, {"coalesce(ni, null)", "null"})

/* What is computed for a null lane must not fail: x / null-as-zero. */
EXPR_CASES(test_nothing_behind_a_null_fails, {"i / ni", "null"}, {"i % ni", "null"},
	   {"max64 + ni", "null"}, {"li[coalesce(ni, 5) * ni]", "null"}, {"p / np", "null"},
	   {"t.truncate(coalesce(d, d) * ni)", "null"}, {"s.substring(ni + 100)", "null"},
	   {"int(ns)", "null"}, {"timestamp(ni * max64)", "null"})

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_null_operands),
	cmocka_unit_test(test_null_tests),
	cmocka_unit_test(test_null_logic),
	cmocka_unit_test(test_null_choice),
	cmocka_unit_test(test_nothing_behind_a_null_fails),
};

WEIR_TEST_MAIN("expr_nulls", tests)
