/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/err.h - error codes and error texts with context.
 *
 * Shapes: functions return 0 or a negative code: -1..-4095 are errno values, -5000 and below are
 *         project codes from err.def. struct weir_err carries a sentence for the user; each layer
 *         may put its part in front of it.
 * Thread: plain data, owned by the caller.
 */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#include <stdarg.h>

#include "base/base.h"

/* Position in err.def; the code is -5000 minus that. */
enum weir_err_index {
#define WEIR_ERR(name, text) name##_INDEX,
#include "base/err.def"
#undef WEIR_ERR
	WEIR_ERR_COUNT
};

enum {
#define WEIR_ERR(name, text) name = -5000 - (int)name##_INDEX,
#include "base/err.def"
#undef WEIR_ERR
};

struct weir_err {
	int code; /* 0: no error */
	char text[512]; /* one sentence, no newline at the end */
};

/* Text of a code: of err.def, or of the C library for errno values. Never NULL. */
const char *weir_strerror(int code);

/* Replaces the text. err may be NULL. Returns code, so that callers can "return weir_err_set(..)". */
int weir_err_set(struct weir_err *err, int code, const char *fmt, ...) weir_printf_like(3, 4);

/* Puts "prefix: " in front of the text; the tail is cut when it does not fit. Returns err->code. */
int weir_err_prefix(struct weir_err *err, const char *fmt, ...) weir_printf_like(2, 3);

#endif
