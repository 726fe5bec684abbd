/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text by the formats that weir_time_parse() reads. */
#include "base/buf.h"
#include "base/time.h"
#include "engine/core/decode_impl.h"

static const char month_name[12][10] = {"January",   "February", "March",    "April",
					"May",	     "June",	 "July",     "August",
					"September", "October",	 "November", "December"};

struct writing {
	struct weir_buf *b;
	struct weir_civil c;
	int64_t t_ns;
	bool names_fraction; /* the format has %f */
};

static void digits(struct weir_buf *b, uint32_t v, unsigned n)
{
	char text[10];

	for (unsigned i = n; i-- > 0; v /= 10)
		text[i] = (char)('0' + v % 10);
	weir_buf_put(b, text, n);
}

/* Without zeros at the end, but at least one digit. */
static void fraction(struct weir_buf *b, uint32_t ns)
{
	unsigned n = 9;

	for (; n > 1 && ns % 10 == 0; ns /= 10)
		n--;
	digits(b, ns, n);
}

static void seconds(const struct writing *w, char next)
{
	digits(w->b, w->c.second, 2);
	if (w->c.ns && !w->names_fraction && next != '.') {
		weir_buf_char(w->b, '.');
		fraction(w->b, w->c.ns);
	}
}

static void unix_time(const struct writing *w, uint64_t unit_ns)
{
	uint64_t t = w->t_ns < 0 ? 0 - (uint64_t)w->t_ns : (uint64_t)w->t_ns;

	if (w->t_ns < 0)
		weir_buf_char(w->b, '-');
	weir_buf_u64(w->b, t / unit_ns);
	if (unit_ns == (uint64_t)WEIR_NS_PER_S && t % unit_ns) {
		weir_buf_char(w->b, '.');
		fraction(w->b, (uint32_t)(t % unit_ns));
	}
}

static void conversion(const struct writing *w, char what, char next)
{
	const struct weir_civil *c = &w->c;
	struct weir_buf *b = w->b;

	switch (what) {
	case 'Y':
		digits(b, (uint32_t)c->year, 4);
		break;
	case 'y':
		digits(b, (uint32_t)c->year % 100, 2);
		break;
	case 'm':
		digits(b, c->month, 2);
		break;
	case 'b':
		weir_buf_put(b, month_name[c->month - 1], 3);
		break;
	case 'B':
		weir_buf_lit(b, month_name[c->month - 1]);
		break;
	case 'd':
		digits(b, c->day, 2);
		break;
	case 'e':
		if (c->day < 10)
			weir_buf_char(b, ' ');
		weir_buf_u64(b, c->day);
		break;
	case 'j':
		digits(b, c->yearday + 1u, 3);
		break;
	case 'H':
		digits(b, c->hour, 2);
		break;
	case 'I':
		digits(b, (c->hour + 11u) % 12 + 1, 2);
		break;
	case 'p':
		weir_buf_lit(b, c->hour < 12 ? "AM" : "PM");
		break;
	case 'M':
		digits(b, c->minute, 2);
		break;
	case 'S':
		seconds(w, next);
		break;
	case 'f':
		fraction(b, c->ns);
		break;
	case 'z':
		weir_buf_char(b, 'Z');
		break;
	case 'Z':
		weir_buf_lit(b, "UTC");
		break;
	case 's':
		unix_time(w, (uint64_t)WEIR_NS_PER_S);
		break;
	case 'Q':
		unix_time(w, (uint64_t)WEIR_NS_PER_MS);
		break;
	case 'T':
		conversion(w, 'H', ':');
		weir_buf_char(b, ':');
		conversion(w, 'M', ':');
		weir_buf_char(b, ':');
		seconds(w, next);
		break;
	case 'D':
		conversion(w, 'm', '/');
		weir_buf_char(b, '/');
		conversion(w, 'd', '/');
		weir_buf_char(b, '/');
		conversion(w, 'y', next);
		break;
	case 'F':
		conversion(w, 'Y', '-');
		weir_buf_char(b, '-');
		conversion(w, 'm', '-');
		weir_buf_char(b, '-');
		conversion(w, 'd', next);
		break;
	default:
		weir_buf_char(b, what);
		break;
	}
}

static bool has_fraction(const char *f)
{
	for (; (f = strchr(f, '%')) && f[1]; f += 2) {
		if (f[1] == 'f')
			return true;
	}
	return false;
}

void weir__buf_time_format(struct weir_buf *b, int64_t t_ns, const char *format)
{
	struct writing w = {.b = b, .t_ns = t_ns};

	weir_time_to_civil(t_ns, &w.c);
	w.names_fraction = has_fraction(format);
	for (const char *f = format; *f; f++) {
		if (*f != '%' || !f[1]) {
			weir_buf_char(b, *f);
			continue;
		}
		f++;
		conversion(&w, *f, f[1]);
	}
}
