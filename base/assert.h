/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/assert.h - assertions that stay on in every build.
 *
 * Use:   for what only a bug in weir can break. Bytes from a file, the network or another
 *        process are validated instead; they never reach an assertion.
 * Crash: weir_panic() hands the text to the hook (programs print it), then traps.
 */
#ifndef WEIR_BASE_ASSERT_H
#define WEIR_BASE_ASSERT_H

#include "base/base.h"

typedef void (*weir_panic_fn)(const char *file, int line, const char *what);

/* Set once at program start, before threads exist. NULL: no text, only the trap. */
void weir_panic_set_hook(weir_panic_fn fn);

_Noreturn void weir_panic(const char *file, int line, const char *what);

#define weir_assert(x)                                                                             \
	do {                                                                                       \
		if (weir_unlikely(!(x)))                                                           \
			weir_panic(__FILE__, __LINE__, #x);                                        \
	} while (0)

/* Costly checks: debug, sanitizer and simulation builds only. */
#ifdef WEIR_VERIFY
#define weir_verify(x) weir_assert(x)
#else
#define weir_verify(x) ((void)sizeof(x))
#endif

#endif
