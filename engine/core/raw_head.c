/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/raw_head.h"

#include "base/keyhash.h"
#include "engine/core/decode.h"

/* ---- writing ---- */

/* Tab, line feed and backslash would end a word or a line. */
static void put_word(struct weir_buf *b, struct weir_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '\t':
			weir_buf_lit(b, "\\t");
			break;
		case '\n':
			weir_buf_lit(b, "\\n");
			break;
		case '\\':
			weir_buf_lit(b, "\\\\");
			break;
		default:
			weir_buf_char(b, s.p[i]);
			break;
		}
	}
}

static void put_stream(struct weir_buf *b, const struct weir_schema *s, const char *name)
{
	weir_buf_lit(b, "stream\t");
	put_word(b, weir_str_c(name ? name : ""));
	weir_buf_char(b, '\n');
	for (unsigned i = 0; i < s->field_count; i++) {
		char text[WEIR_FORMAT_MAX + 64];
		struct weir_buf type = weir_buf_of(text, sizeof(text));

		weir_buf_type(&type, &s->field[i]);
		weir_buf_lit(b, "field\t");
		put_word(b, weir_str_c(s->field[i].name));
		weir_buf_char(b, '\t');
		put_word(b, (struct weir_str){text, type.len});
		weir_buf_char(b, '\n');
	}
}

void weir__raw_head_write(struct weir_buf *b, uint32_t count,
			  const struct weir_schema *const *schema, const char *const *name)
{
	size_t start = b->len;
	uint32_t version = WEIR__RAW_VERSION, bytes = 0;
	uint64_t sum;

	weir_buf_lit(b, WEIR__RAW_MAGIC);
	weir_buf_put(b, &version, 4);
	weir_buf_put(b, &bytes, 4);
	for (uint32_t i = 0; i < count; i++)
		put_stream(b, schema[i], name ? name[i] : NULL);
	while ((b->len - start) % 8 && !b->full)
		weir_buf_char(b, 0);
	if (b->full)
		return;
	bytes = (uint32_t)(b->len - start) + 8;
	memcpy(b->p + start + 12, &bytes, 4);
	sum = weir_hash_text((struct weir_str){b->p + start, b->len - start});
	weir_buf_put(b, &sum, 8);
}

/* ---- reading ---- */

int weir__raw_head_open(struct weir__raw_head *h, const void *p, size_t n, struct weir_err *err)
{
	const char *text = p;
	uint32_t version, bytes;
	uint64_t sum;

	if (memcmp(text, WEIR__RAW_MAGIC, WEIR_MIN(n, (size_t)8)) != 0)
		return weir_err_set(err, WEIR_E_FORMAT,
				    "not a raw file: it does not start with \"%s\"",
				    WEIR__RAW_MAGIC);
	if (n < 16)
		return weir_err_set(err, WEIR_E_TOO_SMALL, "the head is not complete");
	memcpy(&version, text + 8, 4);
	memcpy(&bytes, text + 12, 4);
	if (version != WEIR__RAW_VERSION)
		return weir_err_set(err, WEIR_E_VERSION,
				    "raw format version %u; this program knows version %u", version,
				    WEIR__RAW_VERSION);
	if (bytes < WEIR__RAW_HEAD_MIN || bytes > WEIR__RAW_HEAD_MAX || bytes % 8)
		return weir_err_set(err, WEIR_E_CORRUPT, "damaged head: its size cannot be %u",
				    bytes);
	if (n < bytes)
		return weir_err_set(err, WEIR_E_TOO_SMALL, "the head is not complete");
	memcpy(&sum, text + bytes - 8, 8);
	if (sum != weir_hash_text((struct weir_str){text, bytes - 8}))
		return weir_err_set(err, WEIR_E_CORRUPT, "damaged head: wrong checksum");
	h->p = text + 16;
	h->end = text + bytes - 8;
	h->streams = 0;
	h->bytes = bytes;
	/* The padding is less than a word; anything else there is damage. */
	for (unsigned i = 0; i < 7 && h->end > h->p && h->end[-1] == 0; i++)
		h->end--;
	return 0;
}

/* Undoes put_word(); 0-terminates. false: too long, or no such escape. */
static bool get_word(struct weir_str s, char *dst, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\') {
			if (++i == s.n)
				return false;
			if (s.p[i] != 't' && s.p[i] != 'n' && s.p[i] != '\\')
				return false;
			c = s.p[i] == 't' ? '\t' : s.p[i] == 'n' ? '\n' : '\\';
		}
		if (c == 0 || n + 1 >= cap)
			return false;
		dst[n++] = c;
	}
	dst[n] = 0;
	return true;
}

/* Cuts the next line into words at tabs; number of words, or 0: not a line of at most 3 words. */
static unsigned next_line(struct weir__raw_head *h, struct weir_str word[3])
{
	const char *eol = memchr(h->p, '\n', (size_t)(h->end - h->p)), *p = h->p;
	unsigned n = 0;

	if (!eol)
		return 0;
	while (n < 3) {
		const char *tab = memchr(p, '\t', (size_t)(eol - p));

		word[n++] = (struct weir_str){p, (size_t)((tab ? tab : eol) - p)};
		if (!tab) {
			h->p = eol + 1;
			return n;
		}
		p = tab + 1;
	}
	return 0;
}

static bool add_field(struct weir_schema *s, const struct weir_str word[3])
{
	char name[WEIR_NAME_MAX + 1], type[WEIR_FORMAT_MAX + 64];
	struct weir_field f = {.nullable = false};

	if (!get_word(word[1], name, sizeof(name)) || !get_word(word[2], type, sizeof(type)))
		return false;
	if (weir_type_parse(weir_str_c(type), &f, NULL))
		return false;
	if (weir_schema_add(s, weir_str_c(name), f.type, f.nullable) < 0)
		return false;
	memcpy(s->field[s->field_count - 1].format, f.format, sizeof(f.format));
	return true;
}

int weir__raw_head_next(struct weir__raw_head *h, char ret_name[WEIR_NAME_MAX + 1],
			struct weir_schema *ret_schema, struct weir_err *err)
{
	struct weir_str word[3];

	if (h->p == h->end && h->streams > 0)
		return 0;
	if (h->streams == WEIR_STREAMS_MAX || next_line(h, word) != 2 ||
	    !weir_str_is(word[0], "stream") || !get_word(word[1], ret_name, WEIR_NAME_MAX + 1))
		goto bad;
	memset(ret_schema, 0, sizeof(*ret_schema));
	while (h->p < h->end && *h->p == 'f') {
		if (next_line(h, word) != 3 || !weir_str_is(word[0], "field") ||
		    !add_field(ret_schema, word))
			goto bad;
	}
	if (ret_schema->field_count == 0)
		goto bad;
	ret_schema->stream = (uint16_t)h->streams++;
	weir_schema_seal(ret_schema);
	return 1;
bad:
	return weir_err_set(err, WEIR_E_CORRUPT,
			    "damaged head: the text of stream %u makes no sense", h->streams);
}

int weir_raw_head_parse(const void *p, size_t n, struct weir_region *region,
			struct weir_schema **ret_schema, const char ***ret_name,
			uint32_t *ret_count, size_t *ret_head, struct weir_err *err)
{
	struct weir__raw_head h, again;
	char name[WEIR_NAME_MAX + 1];
	struct weir_schema scratch, *schema;
	const char **names;
	uint32_t count = 0;
	int rc = weir__raw_head_open(&h, p, n, err);

	if (rc)
		return rc;
	/* Everything is looked at once before memory is taken. */
	for (again = h; (rc = weir__raw_head_next(&again, name, &scratch, err)) > 0;)
		count++;
	if (rc)
		return rc;
	schema = weir_region_array(region, struct weir_schema, count);
	names = weir_region_array(region, const char *, count);
	for (uint32_t i = 0; i < count; i++) {
		weir__raw_head_next(&h, name, &schema[i], err);
		names[i] = weir_region_strdup(region, weir_str_c(name));
	}
	*ret_schema = schema;
	*ret_name = names;
	*ret_count = count;
	*ret_head = h.bytes;
	return 0;
}
