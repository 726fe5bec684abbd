/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/window_key_text.h"

#include "base/num.h"
#include "base/time.h"
#include "engine/core/text.h"

/* How far a value is quoted in messages. */
#define SHOWN 40

static bool is_null_text(struct weir_str s)
{
	return weir_str_eq(s, weir_str_c("\\N"));
}

static int parse_time(struct weir_str s, const char *format, int64_t *ret)
{
	int r = weir_time_parse_rfc3339(s, ret);

	return r < 0 && *format ? weir_time_parse(s, format, ret) : r;
}

static int parse_slot(const struct weir_field *f, struct weir_str s, uint64_t *ret)
{
	int64_t i = 0;
	double d = 0;
	bool b = false;
	int r;

	switch (f->type.type) {
	case WEIR_BOOL:
		r = weir_parse_bool(s, &b);
		*ret = b;
		return r;
	case WEIR_FLOAT64:
		r = weir_parse_f64(s, &d);
		memcpy(ret, &d, 8);
		*ret = weir_hash_f64_slot(*ret);
		return r;
	case WEIR_DECIMAL:
		r = weir_parse_decimal(s, f->type.precision, f->type.scale, &i);
		break;
	case WEIR_TIMESTAMP:
		r = parse_time(s, f->format, &i);
		break;
	case WEIR_DURATION:
		r = weir_parse_duration(s, &i);
		break;
	default:
		r = weir_parse_i64(s, &i);
		break;
	}
	*ret = (uint64_t)i;
	return r;
}

static int bad_value(const struct weir_field *f, struct weir_str s, int code, struct weir_err *err)
{
	char type[96];
	struct weir_buf b = weir_buf_of(type, sizeof(type) - 1);

	weir_buf_type(&b, f);
	type[b.len] = 0;
	return weir_err_set(err, code, "`%.*s` is no value of `%s`, which is %s: %s",
			    (int)WEIR_MIN(s.n, (size_t)SHOWN), s.p, f->name, type,
			    weir_strerror(code));
}

static int parse_text(const struct weir_field *f, struct weir_str s, struct weir_slab *slab,
		      struct weir_str *ret, struct weir_err *err)
{
	char *p;
	ptrdiff_t n;

	*ret = s;
	if (f->type.type != WEIR_BYTES)
		return 0;
	p = weir_slab_alloc(slab, WEIR__BASE64_ROOM(s.n));
	n = weir__base64_decode(p, s.p, s.n);
	if (n < 0)
		return bad_value(f, s, WEIR_E_FORMAT, err);
	*ret = (struct weir_str){p, (size_t)n};
	return 0;
}

/* One field of the key into its entry, and into the hash. */
static int parse_field(const struct weir_window_key *k, uint32_t i, struct weir_str s, bool quoted,
		       struct weir_slab *slab, uint8_t *e, uint64_t *h, struct weir_err *err)
{
	const struct weir_field *f = &k->in->field[k->field[i]];
	struct weir_str text;
	uint64_t slot;
	int r;

	if (f->nullable && !quoted && is_null_text(s)) {
		uint64_t nulls;

		memcpy(&nulls, e + k->null_at, 8);
		nulls |= UINT64_C(1) << i;
		memcpy(e + k->null_at, &nulls, 8);
		*h = weir_hash_mix(*h ^ WEIR_KEYHASH_NULL);
		return 0;
	}
	if (weir_type_is_text(k->type[i])) {
		r = parse_text(f, s, slab, &text, err);
		if (r < 0)
			return r;
		*h = weir_hash_mix(*h ^ weir_hash_text(text));
		memcpy(e + k->at[i], &text, sizeof(text));
		return 0;
	}
	r = parse_slot(f, s, &slot);
	if (r < 0)
		return bad_value(f, s, r, err);
	*h = weir_hash_mix(*h ^ slot);
	memcpy(e + k->at[i], &slot, 8);
	return 0;
}

/* The field at the front of *s, which then begins behind its comma. false: a quote has no end. */
static bool next_field(struct weir_str *s, struct weir_slab *slab, struct weir_str *ret,
		       bool *ret_quoted, bool *ret_comma)
{
	const char *p = s->p, *end = s->p + s->n;
	char *copy;
	size_t n = 0;

	*ret_quoted = p < end && *p == '"';
	if (*ret_quoted) {
		copy = weir_slab_alloc(slab, s->n);
		for (p++; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++) {
			p += *p == '"';
			copy[n++] = *p;
		}
		if (p == end || (p + 1 < end && p[1] != ','))
			return false;
		p++;
		*ret = (struct weir_str){copy, n};
	} else {
		while (p < end && *p != ',')
			p++;
		*ret = (struct weir_str){s->p, (size_t)(p - s->p)};
	}
	*ret_comma = p < end;
	p += *ret_comma;
	*s = (struct weir_str){p, (size_t)(end - p)};
	return true;
}

static int wrong_shape(const struct weir_window_key *k, struct weir_str text, struct weir_err *err)
{
	char names[256];
	struct weir_buf b = weir_buf_of(names, sizeof(names) - 1);

	for (uint32_t i = 0; i < k->count; i++) {
		weir_buf_lit(&b, i ? "," : "");
		weir_buf_lit(&b, k->in->field[k->field[i]].name);
	}
	names[b.len] = 0;
	if (!text.p)
		return weir_err_set(err, WEIR_E_FORMAT, "which key? It is `%s`", names);
	if (k->count == 0)
		return weir_err_set(err, WEIR_E_FORMAT,
				    "there is one state for all records, ask without a key");
	return weir_err_set(err, WEIR_E_FORMAT, "`%.*s` is no key: it is `%s`",
			    (int)WEIR_MIN(text.n, (size_t)SHOWN), text.p, names);
}

int weir_window_key_parse(const struct weir_window_key *k, struct weir_str text,
			  struct weir_slab *slab, void *ret_entry, struct weir_err *err)
{
	struct weir_str rest = text, field = text;
	uint64_t h = WEIR_KEYHASH_SEED;
	uint8_t *e = ret_entry;
	bool quoted = false, comma = true;

	memset(e, 0, k->bytes);
	if ((k->count == 0) != (text.p == NULL))
		return wrong_shape(k, text, err);
	for (uint32_t i = 0; i < k->count; i++) {
		int r;

		if (k->count > 1 && (!comma || !next_field(&rest, slab, &field, &quoted, &comma)))
			return wrong_shape(k, text, err);
		r = parse_field(k, i, field, quoted, slab, e, &h, err);
		if (r < 0)
			return r;
	}
	if (k->count > 1 && comma)
		return wrong_shape(k, text, err);
	memcpy(e, &h, 8);
	return 0;
}

bool weir_window_key_begins(const struct weir_window_key *k, const void *entry,
			    struct weir_str prefix)
{
	const uint8_t *e = entry;
	char text[128];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	struct weir_str s;
	uint64_t nulls = 0, slot;

	if (prefix.n == 0)
		return true;
	if (k->null_at)
		memcpy(&nulls, e + k->null_at, 8);
	if (k->count == 0 || (nulls & 1))
		return false;
	if (k->type[0] == WEIR_STRING) {
		memcpy(&s, e + k->at[0], sizeof(s));
	} else if (k->type[0] == WEIR_BYTES) {
		/* Only as much as is needed; six bits a letter. */
		memcpy(&s, e + k->at[0], sizeof(s));
		s.n = WEIR_MIN(s.n, sizeof(text) / 4 * 3);
		weir__buf_base64(&b, s);
		s = (struct weir_str){text, b.len};
	} else {
		memcpy(&slot, e + k->at[0], 8);
		weir_buf_value_json(&b, NULL, slot, k->in->field[k->field[0]].type);
		s = (struct weir_str){text, b.len};
		if (s.n && *s.p == '"')
			s = (struct weir_str){s.p + 1, s.n - 2};
	}
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}
