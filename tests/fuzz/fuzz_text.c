/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a number, time, duration, size or type text. The first byte chooses the reader. What
 * is read is written, and must read back the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/num.h"
#include "base/schema.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char mem[4096];

static struct weir_str written(const struct weir_buf *b)
{
	weir_assert(!b->full);
	return (struct weir_str){b->p, b->len};
}

static void doubles(struct weir_str s)
{
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));
	double v, again, libc;
	char *text;

	if (weir_parse_f64(s, &v))
		return;
	weir_buf_f64(&b, v);
	weir_assert(weir_parse_f64(written(&b), &again) == 0);
	if (v != v) {
		weir_assert(again != again);
		return;
	}
	weir_assert(memcmp(&v, &again, 8) == 0);
	text = strndup(s.p, s.n);
	libc = strtod(text, NULL);
	weir_assert(v == libc);
	free(text);
}

static void double_bits(struct weir_str s)
{
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));
	double v, again;

	if (s.n < 8)
		return;
	memcpy(&v, s.p, 8);
	weir_buf_f64(&b, v);
	weir_assert(weir_parse_f64(written(&b), &again) == 0);
	weir_assert(v != v ? again != again : memcmp(&v, &again, 8) == 0);
}

static void types(struct weir_str s)
{
	struct weir_buf b = weir_buf_of(mem, sizeof(mem));
	struct weir_field f, again;

	memset(&f, 0, sizeof(f));
	memset(&again, 0, sizeof(again));
	if (weir_type_parse(s, &f, NULL))
		return;
	weir_buf_type(&b, &f);
	weir_assert(weir_type_parse(written(&b), &again, NULL) == 0);
	weir_assert(memcmp(&f, &again, sizeof(f)) == 0);
}

/* "format|text". */
static void times(struct weir_str s)
{
	char *text = strndup(s.n ? s.p : "", s.n), *bar = strchr(text, '|');
	int64_t v;
	size_t at;

	if (bar) {
		*bar = 0;
		if (weir_time_format_check(text, &at))
			weir_assert(at < strlen(text));
		weir_time_parse(weir_str_c(bar + 1), text, &v);
	}
	free(text);
}

#define READ_WRITE_READ(type, parse, write)                                                        \
	do {                                                                                       \
		struct weir_buf b = weir_buf_of(mem, sizeof(mem));                                 \
		type v, again;                                                                     \
		if (parse(s, &v))                                                                  \
			break;                                                                     \
		write(&b, v);                                                                      \
		weir_assert(parse(written(&b), &again) == 0 && v == again);                        \
	} while (0)

static int parse_decimal(struct weir_str s, int64_t *ret)
{
	return weir_parse_decimal(s, 9, 4, ret);
}

static void write_decimal(struct weir_buf *b, int64_t v)
{
	weir_buf_decimal(b, v, 4);
}

static void use(unsigned reader, struct weir_str s)
{
	struct weir_buf json = weir_buf_of(mem, sizeof(mem));
	bool flag;

	switch (reader) {
	case 0:
		READ_WRITE_READ(int64_t, weir_parse_i64, weir_buf_i64);
		break;
	case 1:
		doubles(s);
		break;
	case 2:
		double_bits(s);
		break;
	case 3:
		READ_WRITE_READ(int64_t, parse_decimal, write_decimal);
		break;
	case 4:
		READ_WRITE_READ(uint64_t, weir_parse_size, weir_buf_size);
		break;
	case 5:
		READ_WRITE_READ(int64_t, weir_parse_duration, weir_buf_duration);
		break;
	case 6:
		READ_WRITE_READ(int64_t, weir_time_parse_rfc3339, weir_buf_time);
		break;
	case 7:
		times(s);
		break;
	case 8:
		types(s);
		break;
	case 9:
		READ_WRITE_READ(uint64_t, weir_parse_count, weir_buf_u64);
		break;
	case 10:
		weir_parse_bool(s, &flag);
		break;
	default:
		weir_buf_json_str(&json, s);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size - 1;
	char *exact;

	if (size == 0)
		return 0;
	/* A copy of exactly this size, so that the sanitizer sees the first byte too many. */
	exact = n ? malloc(n) : NULL;
	if (n)
		memcpy(exact, data + 1, n);
	use(data[0] % 12, (struct weir_str){exact, n});
	free(exact);
	return 0;
}
