/* SPDX-License-Identifier: Apache-2.0 */
#include "base/schema.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/num.h"
#include "base/time.h"

static const char *const type_name[WEIR_TYPE_COUNT] = {
	[WEIR_NONE] = "none",	    [WEIR_BOOL] = "bool",	    [WEIR_INT64] = "int64",
	[WEIR_FLOAT64] = "float64", [WEIR_DECIMAL] = "decimal",	    [WEIR_STRING] = "string",
	[WEIR_BYTES] = "bytes",	    [WEIR_TIMESTAMP] = "timestamp", [WEIR_DURATION] = "duration",
	[WEIR_LIST] = "list",
};

const char *weir_type_name(unsigned type)
{
	return type < WEIR_TYPE_COUNT ? type_name[type] : "unknown";
}

/* ---- schemas ---- */

void weir_schema_seal(struct weir_schema *s)
{
	bool nullable = false;

	weir_assert(s->field_count <= WEIR_FIELDS_MAX);
	for (unsigned i = 0; i < s->field_count; i++)
		nullable |= s->field[i].nullable;
	s->null_words = nullable ? (uint16_t)((s->field_count + 63u) / 64u) : 0;
	s->fixed_size = 8u * ((uint32_t)s->null_words + s->field_count);
}

int weir_schema_find(const struct weir_schema *s, struct weir_str name)
{
	for (unsigned i = 0; i < s->field_count; i++)
		if (weir_str_is(name, s->field[i].name))
			return (int)i;
	return -1;
}

static bool typeinfo_same(struct weir_typeinfo a, struct weir_typeinfo b)
{
	if (a.type != b.type || (a.type == WEIR_LIST && a.elem != b.elem))
		return false;
	if (a.type == WEIR_DECIMAL || (a.type == WEIR_LIST && a.elem == WEIR_DECIMAL))
		return a.precision == b.precision && a.scale == b.scale;
	return true;
}

bool weir_schema_same(const struct weir_schema *a, const struct weir_schema *b)
{
	if (a->field_count != b->field_count)
		return false;
	for (unsigned i = 0; i < a->field_count; i++) {
		const struct weir_field *fa = &a->field[i], *fb = &b->field[i];

		if (fa->nullable != fb->nullable || !typeinfo_same(fa->type, fb->type) ||
		    strcmp(fa->name, fb->name) != 0)
			return false;
	}
	return true;
}

int weir_schema_add(struct weir_schema *s, struct weir_str name, struct weir_typeinfo type,
		    bool nullable)
{
	struct weir_field *f;

	if (s->field_count >= WEIR_FIELDS_MAX || name.n == 0 || name.n > WEIR_NAME_MAX ||
	    memchr(name.p, 0, name.n) || weir_schema_find(s, name) >= 0)
		return -1;
	f = &s->field[s->field_count];
	memset(f, 0, sizeof(*f));
	memcpy(f->name, name.p, name.n);
	f->type = type;
	f->nullable = nullable;
	return s->field_count++;
}

/* ---- type texts ---- */

/* "list<string>" is head "list", open '<', arg "string"; "int64" has open 0. */
struct type_text {
	struct weir_str head, arg;
	char open;
};

static bool split_type(struct weir_str s, struct type_text *ret)
{
	size_t i = 0;
	char close;

	while (i < s.n && s.p[i] != '(' && s.p[i] != '<')
		i++;
	*ret = (struct type_text){.head = {s.p, i}};
	if (i == s.n)
		return true;
	ret->open = s.p[i];
	close = ret->open == '(' ? ')' : '>';
	if (s.p[s.n - 1] != close || i == s.n - 1)
		return false;
	ret->arg = (struct weir_str){s.p + i + 1, s.n - i - 2};
	return true;
}

static struct weir_str trim(struct weir_str s)
{
	while (s.n && s.p[0] == ' ') {
		s.p++;
		s.n--;
	}
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

static int shown(struct weir_str s)
{
	return (int)WEIR_MIN(s.n, (size_t)80);
}

static int parse_decimal_args(struct weir_str arg, struct weir_typeinfo *ret, struct weir_err *err)
{
	const char *comma = arg.n ? memchr(arg.p, ',', arg.n) : NULL;
	uint64_t precision, scale;
	size_t at;

	if (!comma)
		goto bad;
	at = (size_t)(comma - arg.p);
	if (weir_parse_count(trim((struct weir_str){arg.p, at}), &precision) ||
	    weir_parse_count(trim((struct weir_str){comma + 1, arg.n - at - 1}), &scale))
		goto bad;
	if (precision < 1 || precision > WEIR_DECIMAL_PRECISION_MAX)
		return weir_err_set(err, WEIR_E_RANGE, "decimal precision must be 1 to %d",
				    WEIR_DECIMAL_PRECISION_MAX);
	if (scale > precision)
		return weir_err_set(err, WEIR_E_RANGE,
				    "decimal scale must not be above the precision, %u",
				    (unsigned)precision);
	ret->precision = (uint8_t)precision;
	ret->scale = (uint8_t)scale;
	return 0;
bad:
	return weir_err_set(err, WEIR_E_FORMAT,
			    "decimal needs a precision and a scale, as in decimal(10,2)");
}

static int parse_timestamp_format(struct weir_str arg, struct weir_field *f, struct weir_err *err)
{
	size_t at;

	if (arg.n == 0)
		return weir_err_set(
			err, WEIR_E_FORMAT,
			"the timestamp format is empty; write \"timestamp\" for RFC 3339");
	if (arg.n > WEIR_FORMAT_MAX)
		return weir_err_set(err, WEIR_E_RANGE,
				    "the timestamp format is longer than %d bytes",
				    WEIR_FORMAT_MAX);
	if (memchr(arg.p, 0, arg.n))
		return weir_err_set(err, WEIR_E_FORMAT, "the timestamp format holds a zero byte");
	memcpy(f->format, arg.p, arg.n);
	if (weir_time_format_check(f->format, &at))
		return weir_err_set(
			err, WEIR_E_FORMAT,
			"timestamp format: \"%.2s\" is not a known conversion, or lacks "
			"its partner (%%I needs %%p)",
			f->format + at);
	return 0;
}

static int unknown_type(struct weir_str head, struct weir_err *err)
{
	const char *near =
		weir_str_suggest(head, type_name + WEIR_BOOL, WEIR_TYPE_COUNT - WEIR_BOOL);

	if (near)
		return weir_err_set(err, WEIR_E_FORMAT,
				    "unknown type \"%.*s\"; did you mean \"%s\"?", shown(head),
				    head.p, near);
	return weir_err_set(err, WEIR_E_FORMAT,
			    "unknown type \"%.*s\"; known are bool, int64, float64, decimal(p,s), "
			    "string, bytes, timestamp, duration, list<type>",
			    shown(head), head.p);
}

static int parse_type(struct weir_str text, bool in_list, struct weir_field *f,
		      struct weir_err *err)
{
	struct type_text t;
	unsigned type = WEIR_BOOL;

	if (!split_type(text, &t))
		return weir_err_set(err, WEIR_E_FORMAT, "type \"%.*s\" lacks its closing bracket",
				    shown(text), text.p);
	while (type < WEIR_TYPE_COUNT && !weir_str_is(t.head, type_name[type]))
		type++;
	if (type == WEIR_TYPE_COUNT)
		return unknown_type(t.head, err);
	if (in_list)
		f->type.elem = (uint8_t)type;
	else
		f->type.type = (uint8_t)type;

	switch (type) {
	case WEIR_DECIMAL:
		return parse_decimal_args(t.open == '(' ? trim(t.arg) : (struct weir_str){0},
					  &f->type, err);
	case WEIR_TIMESTAMP:
		if (t.open == '(')
			return parse_timestamp_format(t.arg, f, err);
		break;
	case WEIR_LIST:
		if (in_list)
			return weir_err_set(err, WEIR_E_FORMAT, "a list cannot hold lists");
		if (t.open != '<')
			return weir_err_set(err, WEIR_E_FORMAT,
					    "list needs the type of its elements, as in "
					    "list<string>");
		if (t.arg.n && t.arg.p[t.arg.n - 1] == '?')
			return weir_err_set(err, WEIR_E_FORMAT,
					    "elements of a list cannot be nullable");
		return parse_type(trim(t.arg), true, f, err);
	default:
		break;
	}
	if (t.open)
		return weir_err_set(err, WEIR_E_FORMAT, "%s takes nothing in brackets like these",
				    type_name[type]);
	return 0;
}

int weir_type_parse(struct weir_str text, struct weir_field *ret_field, struct weir_err *err)
{
	struct weir_field f;
	struct weir_str s = trim(text);
	int rc;

	memset(&f, 0, sizeof(f));
	if (s.n && s.p[s.n - 1] == '?') {
		f.nullable = true;
		s.n--;
	}
	if (s.n == 0)
		return weir_err_set(err, WEIR_E_FORMAT, "the type is empty");
	rc = parse_type(s, false, &f, err);
	if (rc)
		return rc;
	ret_field->type = f.type;
	ret_field->nullable = f.nullable;
	memcpy(ret_field->format, f.format, sizeof(f.format));
	return 0;
}

static void buf_plain_type(struct weir_buf *b, unsigned type, const struct weir_field *f)
{
	weir_buf_lit(b, weir_type_name(type));
	if (type == WEIR_DECIMAL)
		weir_buf_printf(b, "(%u,%u)", f->type.precision, f->type.scale);
	if (type == WEIR_TIMESTAMP && f->format[0]) {
		weir_buf_char(b, '(');
		weir_buf_lit(b, f->format);
		weir_buf_char(b, ')');
	}
}

void weir_buf_type(struct weir_buf *b, const struct weir_field *f)
{
	buf_plain_type(b, f->type.type, f);
	if (f->type.type == WEIR_LIST) {
		weir_buf_char(b, '<');
		buf_plain_type(b, f->type.elem, f);
		weir_buf_char(b, '>');
	}
	if (f->nullable)
		weir_buf_char(b, '?');
}
