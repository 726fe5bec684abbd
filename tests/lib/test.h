/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/lib/test.h - what every cmocka program includes.
 *
 * A test program ends with WEIR_TEST_MAIN("name", tests): it reads WEIR_TEST (a filter with * and ?)
 * and, when WEIR_TEST_XML names a file, writes JUnit XML there instead of text.
 * WEIR_SKIP("why") says the reason and skips; tests/lib/run.sh counts these.
 */
#ifndef WEIR_TESTS_LIB_TEST_H
#define WEIR_TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

int weir_test_main(const char *name, const struct CMUnitTest *tests, size_t count);

#define WEIR_TEST_MAIN(name, tests)                                                                \
	int main(void)                                                                             \
	{                                                                                          \
		return weir_test_main((name), (tests), sizeof(tests) / sizeof((tests)[0]));        \
	}

#define WEIR_SKIP(...)                                                                             \
	do {                                                                                       \
		fprintf(stderr, "SKIP: ");                                                         \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fprintf(stderr, "\n");                                                             \
		skip();                                                                            \
	} while (0)

/* malloc-backed memory for pure code. Zeroed. */
extern const struct weir_mem weir_test_mem;

#endif
