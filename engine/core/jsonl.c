/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonl in one pass, directed by the schema: no tree is built. A member whose name is the expected one
 * is known by comparing 16 bytes; its value goes straight to the field's slot. Which field comes
 * after which is learned from the records before, so any fixed order is as fast as the schema's.
 */
#include "engine/core/json.h"

#include "base/assert.h"

static struct weir_str name_of(const struct weir__reader *r)
{
	return (struct weir_str){r->field->name, r->name_bytes};
}

/* ---- names ---- */

static unsigned name_hash(struct weir_str s)
{
	uint64_t a = 0, b = 0;

	if (s.n >= 8) {
		memcpy(&a, s.p, 8);
		memcpy(&b, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		memcpy(&a, s.p, 4);
		memcpy(&b, s.p + s.n - 4, 4);
	} else {
		for (size_t i = 0; i < s.n; i++)
			a = a << 8 | (uint8_t)s.p[i];
	}
	a = (a ^ s.n) * UINT64_C(0x9e3779b97f4a7c15) ^ b;
	return (unsigned)((a * UINT64_C(0xff51afd7ed558ccd)) >> 56);
}

/* Index of the field, or -1. */
static int name_find(const struct weir__stream *s, struct weir_str name)
{
	for (unsigned h = name_hash(name); s->table[h]; h = (h + 1) & 255) {
		int i = s->table[h] - 1;

		if (weir_str_eq(name, name_of(&s->reader[i])))
			return i;
	}
	return -1;
}

static void key_init(struct weir__reader *r)
{
	size_t n = strlen(r->field->name);

	r->name_bytes = (uint8_t)n;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)r->field->name[i];

		if (c < 0x20 || c == '"' || c == '\\')
			return;
	}
	r->key[0] = '"';
	memcpy(r->key + 1, r->field->name, n);
	memcpy(r->key + 1 + n, "\":", 2);
	r->key_bytes = (uint8_t)(n + 3);
	r->key_mask = n + 3 >= 16 ? 0xffff : (1u << (n + 3)) - 1;
}

void weir__jsonl_init(struct weir_decoder *d)
{
	for (uint32_t i = 0; i < d->stream_count; i++) {
		struct weir__stream *s = &d->stream[i];
		uint32_t n = s->schema->field_count;

		for (uint32_t k = 0; k < n; k++) {
			struct weir__reader *r = &s->reader[k];
			unsigned h;

			key_init(r);
			r->after = (uint8_t)(k + 1 == n ? 0 : k + 1);
			for (h = name_hash(name_of(r)); s->table[h]; h = (h + 1) & 255)
				;
			s->table[h] = (uint8_t)(k + 1);
		}
	}
}

/* Is the text at p this key? Then the place behind the colon, else NULL. */
weir_inline const char *key_match(const struct weir__json *c, const char *p,
				  const struct weir__reader *r)
{
	if (weir_unlikely(c->limit - p < WEIR_MAX(16, r->key_bytes) || r->key_bytes == 0))
		return NULL;
	if ((weir__mask_equal(p, r->key) & r->key_mask) != r->key_mask)
		return NULL;
	if (r->key_bytes > 16 && memcmp(p + 16, r->key + 16, r->key_bytes - 16u) != 0)
		return NULL;
	return p + r->key_bytes;
}

/*
 * Reads a name and its colon. *ret_name is the name as meant, or of length SIZE_MAX when it is longer
 * than any field's.
 */
static const char *name_read(struct weir_decoder *d, struct weir__json *c, const char *p,
			     struct weir_str *ret_name)
{
	const char *start = p + 1;
	bool escaped, full = false;

	if (weir__json_at(c, p) != '"')
		return weir__json_expected(c, p, "a member name in quotes");
	p = weir__json_string_skip(c, start, &escaped);
	if (!p)
		return NULL;
	*ret_name = (struct weir_str){start, (size_t)(p - 1 - start)};
	if (escaped) {
		ret_name->p = d->scratch;
		weir__json_string_copy(c, start, d->scratch, sizeof(d->scratch), &ret_name->n,
				       &full);
	}
	if (full || ret_name->n > WEIR_NAME_MAX)
		ret_name->n = SIZE_MAX;
	p = weir__json_space(c, p);
	if (weir__json_at(c, p) != ':')
		return weir__json_expected(c, p, "':'");
	return p + 1;
}

/* ---- values ---- */

struct row {
	struct weir_decoder *d;
	struct weir__stream *s;
	struct weir_builder b;
	uint64_t seen[2];
};

static const char *wrong_value(struct weir__json *c, const struct weir__reader *r, unsigned type,
			       const char *p)
{
	const char *end = weir__json_skip(c, p, 1);

	/* A value that is no JSON at all has its own reason already. */
	if (end)
		weir__reject_value(c->ret, r, type, (struct weir_str){p, (size_t)(end - p)},
				   WEIR_E_FORMAT);
	return NULL;
}

static const char *read_number(struct weir__json *c, const struct weir__reader *r, unsigned type,
			       const char *p, uint64_t *ret)
{
	struct weir__num num;
	const char *end = weir__num_scan(p, c->end, &num);
	int64_t i = 0;
	double f = 0;
	int code;

	if (weir_unlikely(!end))
		return wrong_value(c, r, type, p);
	if (type == WEIR_INT64) {
		code = weir__num_i64(&num, &i);
	} else if (type == WEIR_DECIMAL) {
		code = weir__num_decimal(&num, r->field->type, &i);
	} else {
		code = weir__num_f64(&num, (struct weir_str){p, (size_t)(end - p)}, &f);
		memcpy(&i, &f, 8);
	}
	if (weir_unlikely(code)) {
		weir__reject_value(c->ret, r, type, (struct weir_str){p, (size_t)(end - p)}, code);
		return NULL;
	}
	*ret = (uint64_t)i;
	return end;
}

/* A value that stands in a string, or as a bare number for a timestamp of format %s or %Q. */
static const char *read_text(struct weir_decoder *d, struct weir__json *c, struct weir__reader *r,
			     unsigned type, const char *p, uint64_t *ret)
{
	struct weir_str text = {p, 0};
	bool escaped = false, full = false;
	const char *end;
	int code;

	if (weir__json_at(c, p) == '"') {
		end = weir__json_string_skip(c, p + 1, &escaped);
		if (!end)
			return NULL;
		text = (struct weir_str){p + 1, (size_t)(end - p - 2)};
		if (escaped) {
			weir__json_string_copy(c, p + 1, d->scratch, sizeof(d->scratch), &text.n,
					       &full);
			text.p = d->scratch;
		}
	} else if (r->number && type == WEIR_TIMESTAMP) {
		struct weir__num num;

		end = weir__num_scan(p, c->end, &num);
		if (!end)
			return wrong_value(c, r, type, p);
		text.n = (size_t)(end - p);
	} else {
		return wrong_value(c, r, type, p);
	}
	if (full)
		code = WEIR_E_FORMAT;
	else
		code = weir__value_read(r, type, text, ret);
	if (weir_unlikely(code)) {
		weir__reject_value(c->ret, r, type, text, code);
		if (escaped)
			c->ret->column = (uint32_t)(p - c->ret->record.p) + 1;
		return NULL;
	}
	return end;
}

static const char *read_float(struct weir_decoder *d, struct weir__json *c,
			      const struct weir__reader *r, const char *p, uint64_t *ret)
{
	static const struct {
		const char *word;
		uint64_t bits;
	} special[] = {{"NaN", UINT64_C(0x7ff8000000000000)},
		       {"Infinity", UINT64_C(0x7ff0000000000000)},
		       {"-Infinity", UINT64_C(0xfff0000000000000)}};
	bool full = false;
	const char *end;
	size_t n;

	if (weir_likely(weir__json_at(c, p) != '"'))
		return read_number(c, r, WEIR_FLOAT64, p, ret);
	end = weir__json_string_copy(c, p + 1, d->scratch, sizeof(d->scratch), &n, &full);
	if (!end)
		return NULL;
	for (size_t i = 0; i < WEIR_COUNT_OF(special) && !full; i++) {
		if (weir_str_is((struct weir_str){d->scratch, n}, special[i].word)) {
			*ret = special[i].bits;
			return end;
		}
	}
	return wrong_value(c, r, WEIR_FLOAT64, p);
}

/* Strings and bytes go to the end of the frame. */
static const char *read_tail(struct weir__json *c, struct weir_builder *b,
			     const struct weir__reader *r, unsigned type, const char *p,
			     uint64_t *ret)
{
	const char *start = p;
	char *dst = (char *)(b->f + 1) + b->tail;
	size_t room = b->full ? 0 : b->cap - sizeof(struct weir_frame) - b->tail, n = 0;
	ptrdiff_t bytes;

	if (weir_unlikely(weir__json_at(c, p) != '"'))
		return wrong_value(c, r, type, p);
	p = weir__json_string_copy(c, p + 1, dst, room, &n, &b->full);
	if (weir_unlikely(!p))
		return NULL;
	if (type == WEIR_BYTES && !b->full) {
		bytes = weir__base64_decode(dst, dst, n);
		if (bytes < 0) {
			weir__reject(c->ret, start, "field %s: the text is not valid base64",
				     r->field->name);
			return NULL;
		}
		n = (size_t)bytes;
	}
	*ret = (uint64_t)b->tail | (uint64_t)n << 32;
	b->tail += (uint32_t)n;
	return p;
}

weir_inline const char *read_one(struct row *row, struct weir__json *c, struct weir__reader *r,
				 unsigned type, const char *p, uint64_t *ret)
{
	switch (type) {
	case WEIR_STRING:
	case WEIR_BYTES:
		return read_tail(c, &row->b, r, type, p, ret);
	case WEIR_INT64:
		return read_number(c, r, type, p, ret);
	case WEIR_FLOAT64:
		return read_float(row->d, c, r, p, ret);
	case WEIR_DECIMAL:
		if (weir__json_at(c, p) != '"')
			return read_number(c, r, type, p, ret);
		return read_text(row->d, c, r, type, p, ret);
	case WEIR_BOOL:
		if (weir__json_word(c, p, "true", 4)) {
			*ret = 1;
			return p + 4;
		}
		if (weir__json_word(c, p, "false", 5)) {
			*ret = 0;
			return p + 5;
		}
		return wrong_value(c, r, type, p);
	default:
		return read_text(row->d, c, r, type, p, ret);
	}
}

/* Number of elements; p is behind the bracket. NULL: not an array. */
static const char *count_elements(struct weir__json *c, const char *p, uint32_t *ret_count)
{
	uint32_t n = 0;

	p = weir__json_space(c, p);
	if (weir__json_at(c, p) == ']') {
		*ret_count = 0;
		return p + 1;
	}
	for (;;) {
		p = weir__json_skip(c, p, 2);
		if (!p)
			return NULL;
		n++;
		p = weir__json_space(c, p);
		if (weir__json_at(c, p) == ']')
			break;
		if (weir__json_at(c, p) != ',')
			return weir__json_expected(c, p, "',' or ']'");
		p = weir__json_space(c, p + 1);
	}
	*ret_count = n;
	return p + 1;
}

/* The elements are counted first, because their slots stand together. */
static const char *read_list(struct row *row, struct weir__json *c, struct weir__reader *r,
			     const char *p, uint64_t *ret)
{
	uint32_t count = 0, offset = 0;
	const char *end;
	uint8_t *slot;

	if (weir__json_at(c, p) != '[')
		return wrong_value(c, r, WEIR_LIST, p);
	end = count_elements(c, p + 1, &count);
	if (!end)
		return NULL;
	slot = weir_build_tail(&row->b, (size_t)count * 8, 8, &offset);
	if (!slot)
		return end;
	p = weir__json_space(c, p + 1);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = 0;

		if (weir__json_at(c, p) == 'n') {
			weir__reject(c->ret, p, "field %s: a list cannot hold null",
				     r->field->name);
			return NULL;
		}
		p = read_one(row, c, r, r->elem, p, &v);
		if (!p)
			return NULL;
		memcpy(slot + (size_t)i * 8, &v, 8);
		p = weir__json_space(c, weir__json_space(c, p) + 1);
	}
	*ret = (uint64_t)offset | (uint64_t)count << 32;
	return end;
}

static const char *read_value(struct row *row, struct weir__json *c, unsigned i, const char *p)
{
	struct weir__reader *r = &row->s->reader[i];
	uint64_t bit = UINT64_C(1) << (i % 64), v = 0;

	if (weir_unlikely(row->seen[i / 64] & bit)) {
		weir__reject(c->ret, p, "field %s is there twice", r->field->name);
		return NULL;
	}
	row->seen[i / 64] |= bit;
	if (weir_unlikely(weir__json_at(c, p) == 'n') && weir__json_word(c, p, "null", 4)) {
		if (!r->nullable) {
			weir__reject(c->ret, p, "field %s is null", r->field->name);
			return NULL;
		}
		weir_build_null(&row->b, i);
		return p + 4;
	}
	if (weir_unlikely(r->type == WEIR_LIST))
		p = read_list(row, c, r, p, &v);
	else
		p = read_one(row, c, r, r->type, p, &v);
	if (weir_likely(p != NULL))
		weir_build_slot(&row->b, i, v);
	return p;
}

/* ---- records ---- */

/* Fields that did not come: null, or a reject. */
static bool fill_missing(struct row *row, struct weir__json *c)
{
	for (unsigned w = 0; w < 2; w++) {
		uint64_t missing = row->s->full[w] & ~row->seen[w];

		for (; missing; missing &= missing - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(missing);

			if (!row->s->reader[i].nullable) {
				weir__reject(c->ret, NULL, "field %s is missing",
					     row->s->reader[i].field->name);
				return false;
			}
			weir_build_null(&row->b, i);
		}
	}
	return true;
}

/* Behind a member: behind its comma, or *ret_last and behind the closing brace. */
weir_inline const char *member_end(struct weir__json *c, const char *p, bool *ret_last)
{
	char b = weir__json_at(c, p);

	if (weir_unlikely(b != ',' && b != '}')) {
		p = weir__json_space(c, p);
		b = weir__json_at(c, p);
	}
	*ret_last = b == '}';
	if (weir_unlikely(b != ',' && b != '}'))
		return weir__json_expected(c, p, "',' or '}'");
	return p + 1;
}

/* p is behind the opening brace. */
static const char *members(struct row *row, struct weir__json *c, const char *p)
{
	struct weir__stream *s = row->s;
	uint8_t *guess = &s->first;
	bool last = false;

	p = weir__json_space(c, p);
	if (weir__json_at(c, p) == '}')
		return p + 1;
	while (!last) {
		unsigned i = *guess;
		const char *value = key_match(c, p, &s->reader[i]);

		if (weir_unlikely(!value)) {
			struct weir_str name;
			int found;

			value = name_read(row->d, c, p, &name);
			if (!value)
				return NULL;
			found = name.n == SIZE_MAX ? -1 : name_find(s, name);
			if (found < 0) {
				p = weir__json_skip(c, weir__json_space(c, value), 1);
				if (!p)
					return NULL;
				p = member_end(c, p, &last);
				if (!p)
					return NULL;
				p = weir__json_space(c, p);
				continue;
			}
			i = (unsigned)found;
			*guess = (uint8_t)i;
		}
		guess = &s->reader[i].after;
		p = read_value(row, c, i, weir__json_space(c, value));
		if (weir_unlikely(!p))
			return NULL;
		p = member_end(c, p, &last);
		if (weir_unlikely(!p))
			return NULL;
		if (!last)
			p = weir__json_space(c, p);
	}
	return p;
}

/*
 * Which stream the object belongs to: the member type_field, wherever it stands. p is behind the
 * opening brace. NULL: reject.
 */
static struct weir__stream *find_stream(struct weir_decoder *d, struct weir__json *c, const char *p)
{
	bool last = false, full = false;
	char shown[80];
	size_t n = 0;

	p = weir__json_space(c, p);
	while (!last && weir__json_at(c, p) != '}') {
		struct weir_str name;
		bool ours;

		p = name_read(d, c, p, &name);
		if (!p)
			return NULL;
		p = weir__json_space(c, p);
		ours = name.n == d->type_field_bytes && memcmp(name.p, d->type_field, name.n) == 0;
		if (ours && weir__json_at(c, p) != '"') {
			weir__json_expected(c, p, "the stream's name in quotes");
			return NULL;
		}
		if (ours)
			goto found;
		p = weir__json_skip(c, p, 1);
		if (!p)
			return NULL;
		p = member_end(c, p, &last);
		if (!p)
			return NULL;
		p = weir__json_space(c, p);
	}
	weir__reject(c->ret, NULL, "field %s, which names the stream, is missing", d->type_field);
	return NULL;
found:
	if (!weir__json_string_copy(c, p + 1, d->scratch, sizeof(d->scratch), &n, &full))
		return NULL;
	for (uint32_t i = 0; i < d->stream_count && !full; i++) {
		/* The stream of the record before is the likeliest. */
		uint32_t k = (i + d->last_stream) % d->stream_count;

		if (weir_str_is((struct weir_str){d->scratch, n}, d->stream[k].name)) {
			d->last_stream = c->ret->stream = k;
			return &d->stream[k];
		}
	}
	weir__quote((struct weir_str){d->scratch, n}, shown, sizeof(shown));
	weir__reject(c->ret, p, "field %s: no stream has the name %s", d->type_field, shown);
	return NULL;
}

static void decode_object(struct weir_decoder *d, struct weir__json *c, const char *p, void *mem,
			  size_t cap)
{
	struct row row = {.d = d, .s = &d->stream[0]};

	p = weir__json_space(c, p);
	if (p == c->end) {
		c->ret->kind = WEIR_DECODE_SKIP;
		return;
	}
	if (*p != '{') {
		weir__json_expected(c, p, "'{' (one JSON object a line)");
		return;
	}
	if (d->stream_count > 1) {
		row.s = find_stream(d, c, p + 1);
		if (!row.s)
			return;
	}
	if (!row.s->want) {
		c->ret->kind = WEIR_DECODE_SKIP;
		return;
	}
	weir_build_begin(&row.b, mem, cap, row.s->schema);
	p = members(&row, c, p + 1);
	if (weir_unlikely(!p))
		return;
	p = weir__json_space(c, p);
	if (weir_unlikely(p != c->end)) {
		weir__json_expected(c, p, "the end of the line");
		return;
	}
	if (weir_unlikely(row.seen[0] != row.s->full[0] || row.seen[1] != row.s->full[1]) &&
	    !fill_missing(&row, c))
		return;
	weir__finish(row.s, &row.b, c->ret);
}

void weir__jsonl_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
			size_t cap, struct weir_decoded *ret)
{
	const char *eol = memchr(p, '\n', n);
	struct weir__json c = {.end = eol ? eol : p + n, .limit = p + n, .ret = ret};

	if (!eol && !eof)
		return;
	ret->record.n = (size_t)(c.end - p);
	if (ret->record.n && c.end[-1] == '\r')
		ret->record.n--;
	ret->consumed = (size_t)(c.end - p) + (eol != NULL);
	d->line += eol != NULL;
	decode_object(d, &c, p, mem, cap);
}
