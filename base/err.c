/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>

static const char *const err_text[WEIR_ERR_COUNT] = {
#define WEIR_ERR(name, text) [name##_INDEX] = text,
#include "base/err.def"
#undef WEIR_ERR
};

const char *weir_strerror(int code)
{
	if (code == 0)
		return "no error";
	if (code <= -5000 && code > -5000 - (int)WEIR_ERR_COUNT)
		return err_text[-5000 - code];
	if (code < 0 && code > -4096) {
		/* strerrordesc_np() is pure: a table, no locale, no buffer. */
		const char *s = strerrordesc_np(-code);

		return s ? s : "unknown system error";
	}
	return "unknown error";
}

int weir_err_set(struct weir_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int weir_err_prefix(struct weir_err *err, const char *fmt, ...)
{
	char tail[sizeof(err->text)];
	va_list ap;
	int n;

	if (!err)
		return 0;
	memcpy(tail, err->text, sizeof(tail));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n + 3 < sizeof(err->text)) {
		char *p = err->text + n;
		size_t room = sizeof(err->text) - (size_t)n - 3;
		size_t len = strnlen(tail, sizeof(tail));

		if (len > room)
			len = room;
		memcpy(p, ": ", 2);
		memcpy(p + 2, tail, len);
		p[2 + len] = 0;
	}
	return err->code;
}
