/* SPDX-License-Identifier: Apache-2.0 */
#include "host/log.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "host/clock.h"

static bool log_json;
static enum weir_log_level log_least = WEIR_LOG_INFO;

void weir_log_format_json(bool json)
{
	log_json = json;
}

void weir_log_level(enum weir_log_level least)
{
	log_least = least;
}

static void put_value(struct weir_buf *b, const char *v)
{
	/* logfmt quotes only where a space, a quote or an equals sign would be misread. */
	if (!log_json && *v && strpbrk(v, " \"=\t\n\\") == NULL)
		weir_buf_lit(b, v);
	else
		weir_buf_json_str(b, weir_str_c(v));
}

static void put_pair(struct weir_buf *b, const char *key, const char *value)
{
	if (log_json) {
		weir_buf_char(b, b->len > 1 ? ',' : ' ');
		weir_buf_json_str(b, weir_str_c(key));
		weir_buf_char(b, ':');
	} else {
		if (b->len)
			weir_buf_char(b, ' ');
		weir_buf_lit(b, key);
		weir_buf_char(b, '=');
	}
	put_value(b, value);
}

void weir_log(enum weir_log_level level, const char *msg, ...)
{
	static const char *const name[] = {"info", "warn", "error"};
	char line[2048], when[40];
	struct weir_buf b = weir_buf_of(line, sizeof(line) - 2),
			t = weir_buf_of(when, sizeof(when) - 1);
	const char *key;
	va_list ap;

	if (level < log_least)
		return;
	weir_buf_time(&t, weir_wall_ns());
	when[t.len] = 0;
	if (log_json)
		weir_buf_char(&b, '{');
	put_pair(&b, "time", when);
	put_pair(&b, "level", name[level]);
	put_pair(&b, "msg", msg);
	va_start(ap, msg);
	while ((key = va_arg(ap, const char *)))
		put_pair(&b, key, va_arg(ap, const char *));
	va_end(ap);
	if (log_json)
		line[b.len++] = '}';
	line[b.len++] = '\n';
	if (write(STDERR_FILENO, line, b.len) < 0)
		return; /* nowhere left to say it */
}
