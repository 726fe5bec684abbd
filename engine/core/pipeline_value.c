/* SPDX-License-Identifier: Apache-2.0 */
/* Single values of a pipeline file: strict, and a doubtful spelling gets a hint, never a guess. */
#include <stdio.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/time.h"
#include "engine/core/pipeline_int.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(struct weir_str s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && is_digit(s.p[at + n]))
		n++;
	return n;
}

/* ---- why a number was not accepted ---- */

/* Hints that counts, sizes and durations share; "" when none fits. */
static const char *number_hint(struct weir_build *b, struct weir_str s)
{
	size_t n = digits(s, 0);

	if (s.n == 0)
		return "";
	if (s.p[0] == '-')
		return "; it cannot be negative";
	if (s.p[0] == '+')
		return "; write it without `+`";
	if (s.n > 1 && s.p[0] == '0' &&
	    (s.p[1] == 'x' || s.p[1] == 'X' || s.p[1] == 'b' || s.p[1] == 'o'))
		return "; write it in decimal digits";
	if (n == 0)
		return "";
	if (n > 1 && s.p[0] == '0') {
		size_t zeros = 0;

		while (zeros + 1 < n && s.p[zeros] == '0')
			zeros++;
		return weir_region_printf(b->region, "; a leading zero is not allowed, write %s",
					  weir_show(b,
						    (struct weir_str){s.p + zeros, s.n - zeros}));
	}
	if (n < s.n && (s.p[n] == 'e' || s.p[n] == 'E') && digits(s, n + 1))
		return "; write all the digits";
	if (n < s.n && (s.p[n] == '_' || s.p[n] == ',' || s.p[n] == '\''))
		return "; write the digits without separators";
	if (n < s.n && s.p[n] == ' ')
		return "; write it without spaces";
	return "";
}

/* Fraction as thousandths, when it has at most three digits: ".5" is 500. -1: no such fraction. */
static int64_t milli_fraction(struct weir_str s, size_t at, size_t *ret_end)
{
	size_t n;
	int64_t v = 0;

	if (at >= s.n || s.p[at] != '.')
		return -1;
	n = digits(s, at + 1);
	if (n == 0 || n > 3)
		return -1;
	for (size_t i = 0; i < 3; i++)
		v = 10 * v + (i < n ? s.p[at + 1 + i] - '0' : 0);
	*ret_end = at + 1 + n;
	return v;
}

struct smaller_unit {
	const char *unit, *smaller;
	int64_t factor;
};

static const struct smaller_unit smaller_size[] = {
	{"TiB", "GiB", 1024}, {"GiB", "MiB", 1024}, {"MiB", "KiB", 1024}, {"KiB", "B", 1024},
	{"TB", "GB", 1000},   {"GB", "MB", 1000},   {"MB", "kB", 1000},	  {"kB", "B", 1000},
};

static const struct smaller_unit smaller_time[] = {
	{"d", "h", 24},	   {"h", "m", 60},     {"m", "s", 60},
	{"s", "ms", 1000}, {"ms", "us", 1000}, {"us", "ns", 1000},
};

/* "1.5GiB": "; no fractions, write 1536MiB". */
static const char *fraction_hint(struct weir_build *b, struct weir_str s,
				 const struct smaller_unit *unit, size_t count)
{
	size_t n = digits(s, 0), end = 0;
	int64_t milli = n && n < 10 ? milli_fraction(s, n, &end) : -1, whole = 0;

	if (n && n < s.n && s.p[n] == '.' && milli < 0)
		return "; fractions are not allowed, use a smaller unit";
	if (milli < 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		whole = 10 * whole + (s.p[i] - '0');
	for (size_t i = 0; i < count; i++) {
		if (!weir_str_is((struct weir_str){s.p + end, s.n - end}, unit[i].unit) ||
		    milli * unit[i].factor % 1000)
			continue;
		return weir_region_printf(
			b->region, "; fractions are not allowed, write %lld%s",
			(long long)(whole * unit[i].factor + milli * unit[i].factor / 1000),
			unit[i].smaller);
	}
	return "; fractions are not allowed, use a smaller unit";
}

static bool range_error(struct weir_build *b, const struct weir_doc *d, const char *key,
			const char *low, const char *high)
{
	weir_diag(b->diags, d->pos, "`%s`: %s is out of range; allowed are %s to %s", key,
		  weir_show(b, d->text), low, high);
	return false;
}

/* ---- the kinds ---- */

bool weir_value_bool(struct weir_build *b, const struct weir_doc *d, const char *key, bool *ret)
{
	if (!weir_walk_scalar(b, d, key, "true or false"))
		return false;
	if (!d->quoted && weir_str_is(d->text, "true")) {
		*ret = true;
		return true;
	}
	if (!d->quoted && weir_str_is(d->text, "false")) {
		*ret = false;
		return true;
	}
	weir_diag(b->diags, d->pos, "`%s`: expected true or false, found `%s`%s", key,
		  weir_show(b, d->text), d->quoted ? " in quotes" : "");
	return false;
}

bool weir_value_count(struct weir_build *b, const struct weir_doc *d, const char *key, uint64_t min,
		      uint64_t max, uint64_t *ret)
{
	const char *hint;
	uint64_t v;
	int rc;

	if (!weir_walk_scalar(b, d, key, "a whole number"))
		return false;
	rc = weir_parse_count(d->text, &v);
	if (rc == WEIR_E_RANGE || (rc == 0 && (v < min || v > max))) {
		char low[24], high[24];

		snprintf(low, sizeof(low), "%llu", (unsigned long long)min);
		snprintf(high, sizeof(high), "%llu", (unsigned long long)max);
		return range_error(b, d, key, low, high);
	}
	if (rc) {
		hint = number_hint(b, d->text);
		if (!*hint && digits(d->text, 0) && memchr(d->text.p, '.', d->text.n))
			hint = "; fractions are not allowed";
		weir_diag(b->diags, d->pos, "`%s`: expected a whole number, found `%s`%s", key,
			  weir_show(b, d->text), hint);
		return false;
	}
	*ret = v;
	return true;
}

/* The same text but for upper and lower case. */
static bool same_letters(struct weir_str s, const char *unit)
{
	bool same = s.n == strlen(unit);

	for (size_t i = 0; same && i < s.n; i++)
		same = (s.p[i] | 0x20) == (unit[i] | 0x20);
	return same;
}

static const char *size_hint(struct weir_build *b, struct weir_str s)
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB"};
	const char *hint = fraction_hint(b, s, smaller_size, WEIR_COUNT_OF(smaller_size));
	size_t n = digits(s, 0);
	struct weir_str tail = {s.p + n, s.n - n};

	if (hint)
		return hint;
	hint = number_hint(b, s);
	if (*hint)
		return hint;
	if (n == 0 || tail.n == 0)
		return "; write it as 64MiB, 10kB or 512";
	if (tail.n == 1 && strchr("kKmMgGtT", tail.p[0])) {
		char c = tail.p[0] >= 'a' ? (char)(tail.p[0] - 'a' + 'A') : tail.p[0];

		return weir_region_printf(b->region,
					  "; `%c` has two meanings, write %.*s%ciB (1024) or "
					  "%.*s%cB (1000)",
					  tail.p[0], (int)n, s.p, c, (int)n, s.p,
					  c == 'K' ? 'k' : c);
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(unit); i++) {
		if (same_letters(tail, unit[i]))
			return weir_region_printf(b->region, "; write %.*s%s", (int)n, s.p,
						  unit[i]);
	}
	return "; units are KiB MiB GiB TiB (1024) and kB MB GB TB (1000)";
}

bool weir_value_size(struct weir_build *b, const struct weir_doc *d, const char *key, uint64_t min,
		     uint64_t max, uint64_t *ret_bytes)
{
	uint64_t v;
	int rc;

	if (!weir_walk_scalar(b, d, key, "a size such as 64MiB"))
		return false;
	rc = weir_parse_size(d->text, &v);
	if (rc == WEIR_E_RANGE || (rc == 0 && (v < min || v > max))) {
		char low[32] = "", high[32] = "";
		struct weir_buf lo = weir_buf_of(low, sizeof(low) - 1);
		struct weir_buf hi = weir_buf_of(high, sizeof(high) - 1);

		weir_buf_size(&lo, min);
		weir_buf_size(&hi, max);
		return range_error(b, d, key, low, high);
	}
	if (rc) {
		weir_diag(b->diags, d->pos, "`%s`: expected a size, found `%s`%s", key,
			  weir_show(b, d->text), size_hint(b, d->text));
		return false;
	}
	*ret_bytes = v;
	return true;
}

static const char *duration_hint(struct weir_build *b, struct weir_str s)
{
	static const struct {
		const char *word, *unit;
	} word[] = {
		{"sec", "s"},	     {"secs", "s"},  {"second", "s"}, {"seconds", "s"},
		{"min", "m"},	     {"mins", "m"},  {"minute", "m"}, {"minutes", "m"},
		{"hr", "h"},	     {"hour", "h"},  {"hours", "h"},  {"day", "d"},
		{"days", "d"},	     {"msec", "ms"}, {"usec", "us"},  {"nsec", "ns"},
		{"\xc2\xb5s", "us"}, {"S", "s"},     {"H", "h"},      {"D", "d"},
		{"MS", "ms"},
	};
	const char *hint = fraction_hint(b, s, smaller_time, WEIR_COUNT_OF(smaller_time));
	size_t n = digits(s, 0);
	struct weir_str tail = {s.p + n, s.n - n};

	if (hint)
		return hint;
	hint = number_hint(b, s);
	if (*hint)
		return hint;
	if (n && tail.n == 0)
		return weir_region_printf(b->region, "; which unit? write %ss, %sms, %sm ...",
					  weir_show(b, s), weir_show(b, s), weir_show(b, s));
	for (size_t i = 0; n && i < WEIR_COUNT_OF(word); i++) {
		if (weir_str_is(tail, word[i].word))
			return weir_region_printf(b->region, "; write %.*s%s", (int)n, s.p,
						  word[i].unit);
	}
	return "; write it as 10s, 250ms or 1h30m; units are d h m s ms us ns";
}

bool weir_value_duration(struct weir_build *b, const struct weir_doc *d, const char *key,
			 int64_t min_ns, int64_t max_ns, int64_t *ret_ns)
{
	int64_t v;
	int rc;

	if (!weir_walk_scalar(b, d, key, "a duration such as 10s"))
		return false;
	rc = weir_parse_duration(d->text, &v);
	if (rc == 0 && v < 0) {
		weir_diag(b->diags, d->pos, "`%s`: %s is negative", key, weir_show(b, d->text));
		return false;
	}
	if (rc == 0 && v == 0 && min_ns > 0) {
		weir_diag(b->diags, d->pos, "`%s`: %s is too short; it must be more than 0", key,
			  weir_show(b, d->text));
		return false;
	}
	if (rc == WEIR_E_RANGE || (rc == 0 && (v < min_ns || v > max_ns))) {
		char low[40] = "", high[40] = "";
		struct weir_buf lo = weir_buf_of(low, sizeof(low) - 1);
		struct weir_buf hi = weir_buf_of(high, sizeof(high) - 1);

		weir_buf_duration(&lo, min_ns);
		weir_buf_duration(&hi, max_ns);
		return range_error(b, d, key, low, high);
	}
	if (rc) {
		weir_diag(b->diags, d->pos, "`%s`: expected a duration, found `%s`%s", key,
			  weir_show(b, d->text), duration_hint(b, d->text));
		return false;
	}
	*ret_ns = v;
	return true;
}

bool weir_value_time(struct weir_build *b, const struct weir_doc *d, const char *key,
		     int64_t *ret_ns)
{
	if (!weir_walk_scalar(b, d, key, "a time such as 2024-01-31T12:00:00Z"))
		return false;
	if (weir_time_parse_rfc3339(d->text, ret_ns) == 0)
		return true;
	weir_diag(b->diags, d->pos,
		  "`%s`: expected a time such as 2024-01-31T12:00:00Z, found `%s`", key,
		  weir_show(b, d->text));
	return false;
}

/* "host:port" or "[v6]:port". */
static bool address_ok(struct weir_str s)
{
	size_t colon = s.n;
	uint64_t port;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || weir_parse_count((struct weir_str){s.p + colon, s.n - colon}, &port) ||
	    port > 65535)
		return false;
	colon--;
	if (s.p[0] == '[')
		return colon > 2 && s.p[colon - 1] == ']';
	for (size_t i = 0; i < colon; i++) {
		if (s.p[i] == ':' || s.p[i] == '/' || (unsigned char)s.p[i] <= ' ')
			return false;
	}
	return true;
}

bool weir_value_address(struct weir_build *b, const struct weir_doc *d, const char *key,
			const char **ret)
{
	if (!weir_walk_scalar(b, d, key, "an address and a port such as 127.0.0.1:9000"))
		return false;
	if (!address_ok(d->text)) {
		weir_diag(b->diags, d->pos,
			  "`%s`: expected an address and a port such as 127.0.0.1:9000, found "
			  "`%s`",
			  key, weir_show(b, d->text));
		return false;
	}
	*ret = weir_region_strdup(b->region, d->text);
	return true;
}

bool weir_value_choice(struct weir_build *b, const struct weir_doc *d, const char *key,
		       const struct weir_choice *choice, int *ret)
{
	const char *name[16];
	size_t n = 0;

	if (!weir_walk_text(b, d, key))
		return false;
	for (; choice[n].name && n < WEIR_COUNT_OF(name); n++) {
		if (weir_str_is(d->text, choice[n].name)) {
			*ret = choice[n].value;
			return true;
		}
		name[n] = choice[n].name;
	}
	weir_diag(b->diags, d->pos, "`%s`: unknown value `%s`%s", key, weir_show(b, d->text),
		  weir_walk_hint(b, d->text, name, n));
	return false;
}
