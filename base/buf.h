/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/buf.h - bounded text output, and JSON on top of it.
 *
 * Use:    the caller gives the memory; what does not fit is dropped and `full` is set, so a row
 *         can be written, checked once, and written again later.
 * Thread: plain data.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/base.h"
#include "base/str.h"

struct weir_buf {
	char *p;
	size_t len, cap;
	bool full;
};

weir_inline struct weir_buf weir_buf_of(void *p, size_t cap)
{
	return (struct weir_buf){.p = (char *)p, .cap = cap};
}

weir_inline void weir_buf_put(struct weir_buf *b, const void *p, size_t n)
{
	if (weir_unlikely(n > b->cap - b->len)) {
		b->full = true;
		return;
	}
	if (n)
		memcpy(b->p + b->len, p, n);
	b->len += n;
}

weir_inline void weir_buf_char(struct weir_buf *b, char c)
{
	weir_buf_put(b, &c, 1);
}

weir_inline void weir_buf_str(struct weir_buf *b, struct weir_str s)
{
	weir_buf_put(b, s.p, s.n);
}

weir_inline void weir_buf_lit(struct weir_buf *b, const char *s)
{
	weir_buf_put(b, s, strlen(s));
}

void weir_buf_printf(struct weir_buf *b, const char *fmt, ...) weir_printf_like(2, 3);
void weir_buf_i64(struct weir_buf *b, int64_t v);
void weir_buf_u64(struct weir_buf *b, uint64_t v);

/* Shortest decimal text that reads back as the same double; "NaN", "Infinity", "-Infinity". */
void weir_buf_f64(struct weir_buf *b, double v);

/* With quotes; control bytes, quote and backslash escaped; bytes that are not UTF-8 become U+FFFD. */
void weir_buf_json_str(struct weir_buf *b, struct weir_str s);

/* NaN and infinities have no JSON number: written as strings. */
void weir_buf_json_f64(struct weir_buf *b, double v);

#endif
