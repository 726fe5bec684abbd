/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cluster_walk.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/num.h"

#define SHOW_MAX ((size_t)60)
#define KEYS_MAX 16

const char *weir__cluster_show(struct weir_cluster_read *r, struct weir_str s)
{
	size_t n = s.n;
	char *p;

	if (n > SHOW_MAX) {
		/* Not inside a character. */
		for (n = SHOW_MAX; n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80;)
			n--;
	}
	p = weir_region_printf(r->region, "%.*s%s", (int)n, s.p, n < s.n ? "..." : "");
	for (char *c = p; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return p;
}

/* ---- kinds ---- */

static bool wrong_kind(struct weir_cluster_read *r, const struct weir_doc *d, const char *what,
		       const char *expected)
{
	static const char *const found[] = {"nothing", "a text", "a list", "a mapping"};

	weir_diag(r->diags, d->pos, "`%s`: expected %s, found %s", what, expected, found[d->kind]);
	return false;
}

bool weir__cluster_map(struct weir_cluster_read *r, const struct weir_doc *d, const char *what)
{
	if (d->kind != WEIR_DOC_MAP)
		return wrong_kind(r, d, what, "a mapping");
	if (d->count == 0)
		weir_diag(r->diags, d->pos, "`%s`: the mapping is empty", what);
	return d->count > 0;
}

bool weir__cluster_list(struct weir_cluster_read *r, const struct weir_doc *d, const char *what)
{
	if (d->kind != WEIR_DOC_LIST)
		return wrong_kind(r, d, what, "a list");
	if (d->count == 0)
		weir_diag(r->diags, d->pos, "`%s`: the list is empty", what);
	return d->count > 0;
}

static bool scalar(struct weir_cluster_read *r, const struct weir_doc *d, const char *what,
		   const char *expected)
{
	if (d->kind != WEIR_DOC_SCALAR)
		return wrong_kind(r, d, what, expected);
	if (d->text.n == 0) {
		weir_diag(r->diags, d->pos, "`%s`: the text is empty", what);
		return false;
	}
	/* Texts end up as C strings. */
	if (memchr(d->text.p, 0, d->text.n)) {
		weir_diag(r->diags, d->pos, "`%s`: the text contains a zero byte", what);
		return false;
	}
	return true;
}

/* ---- values ---- */

static bool read_name(struct weir_cluster_read *r, const struct weir_doc *d, const char *key,
		      char *ret)
{
	struct weir_str s = d->text;
	bool ok;

	if (!scalar(r, d, key, "a name"))
		return false;
	ok = s.n <= WEIR_NAME_MAX;
	for (size_t i = 0; ok && i < s.n; i++) {
		char c = s.p[i];

		ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
		     (i > 0 && ((c >= '0' && c <= '9') || c == '-'));
	}
	if (!ok) {
		weir_diag(r->diags, d->pos,
			  "`%s`: `%s` is no name: at most %d letters, digits, `_` and `-`, the "
			  "first a letter or `_`",
			  key, weir__cluster_show(r, s), WEIR_NAME_MAX);
		return false;
	}
	memcpy(ret, s.p, s.n);
	ret[s.n] = 0;
	return true;
}

const char *weir__cluster_path(struct weir_cluster_read *r, struct weir_str path)
{
	size_t n = strlen(r->dir);

	if (n == 0 || path.p[0] == '/')
		return weir_region_strdup(r->region, path);
	return weir_region_printf(r->region, "%s%s%.*s", r->dir, r->dir[n - 1] == '/' ? "" : "/",
				  (int)path.n, path.p);
}

/* rc: of the number's reader. false: reported. */
static bool in_range(struct weir_cluster_read *r, const struct weir_doc *d,
		     const struct weir_ckey *k, int rc, uint64_t v)
{
	bool size = k->kind == WEIR_CKEY_SIZE;
	char low[40] = "", high[40] = "";
	struct weir_buf lo = weir_buf_of(low, sizeof(low) - 1);
	struct weir_buf hi = weir_buf_of(high, sizeof(high) - 1);

	if (rc == 0 && v >= k->min && v <= k->max)
		return true;
	if (rc && rc != WEIR_E_RANGE) {
		weir_diag(r->diags, d->pos, "`%s`: expected a %s, found `%s`; write it as %s",
			  k->key, size ? "size" : "duration", weir__cluster_show(r, d->text),
			  size ? "64MiB, 10kB or 512" : "10s, 250ms or 1h30m");
		return false;
	}
	if (size) {
		weir_buf_size(&lo, k->min);
		weir_buf_size(&hi, k->max);
	} else {
		weir_buf_duration(&lo, (int64_t)k->min);
		weir_buf_duration(&hi, (int64_t)k->max);
	}
	weir_diag(r->diags, d->pos, "`%s`: %s is out of range; allowed are %s to %s", k->key,
		  weir__cluster_show(r, d->text), low, high);
	return false;
}

static void read_size(struct weir_cluster_read *r, const struct weir_doc *d,
		      const struct weir_ckey *k, uint64_t *ret)
{
	uint64_t v = 0;
	int rc;

	if (!scalar(r, d, k->key, "a size such as 64MiB"))
		return;
	rc = weir_parse_size(d->text, &v);
	if (in_range(r, d, k, rc, v))
		*ret = v;
}

static void read_duration(struct weir_cluster_read *r, const struct weir_doc *d,
			  const struct weir_ckey *k, uint64_t *ret)
{
	int64_t v = 0;
	int rc;

	if (!scalar(r, d, k->key, "a duration such as 10s"))
		return;
	rc = weir_parse_duration(d->text, &v);
	if (rc == 0 && v < 0)
		rc = WEIR_E_RANGE;
	if (in_range(r, d, k, rc, (uint64_t)v))
		*ret = (uint64_t)v;
}

/* "; did you mean `x`?" or "; known are a, b, c" */
static const char *hint(struct weir_cluster_read *r, struct weir_str name, const char *const *known,
			size_t count)
{
	const char *near = weir_str_suggest(name, known, count);
	char text[512];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	if (near)
		return weir_region_printf(r->region, "; did you mean `%s`?", near);
	for (size_t i = 0; i < count; i++) {
		weir_buf_lit(&out, i ? ", " : "; known are ");
		weir_buf_lit(&out, known[i]);
	}
	return weir_region_strdup(r->region, (struct weir_str){text, out.len});
}

static void read_choice(struct weir_cluster_read *r, const struct weir_doc *d,
			const struct weir_ckey *k, int *ret)
{
	const char *name[KEYS_MAX];
	size_t n = 0;

	if (!scalar(r, d, k->key, "a text"))
		return;
	for (; k->choice[n].name; n++) {
		weir_assert(n < KEYS_MAX);
		name[n] = k->choice[n].name;
		if (weir_str_is(d->text, name[n])) {
			*ret = k->choice[n].value;
			return;
		}
	}
	weir_diag(r->diags, d->pos, "`%s`: unknown value `%s`%s", k->key,
		  weir__cluster_show(r, d->text), hint(r, d->text, name, n));
}

static void read_key(struct weir_cluster_read *r, const struct weir_doc *d,
		     const struct weir_ckey *k, void *to)
{
	switch (k->kind) {
	case WEIR_CKEY_NAME:
		read_name(r, d, k->key, to);
		return;
	case WEIR_CKEY_TEXT:
		if (scalar(r, d, k->key, "a text"))
			*(const char **)to = weir_region_strdup(r->region, d->text);
		return;
	case WEIR_CKEY_PATH:
		if (scalar(r, d, k->key, "a path"))
			*(const char **)to = weir__cluster_path(r, d->text);
		return;
	case WEIR_CKEY_LISTEN:
		if (scalar(r, d, k->key, "an address and a port such as 10.1.0.1:7400"))
			weir__cluster_listen(r, d, k->key, to);
		return;
	case WEIR_CKEY_SIZE:
		read_size(r, d, k, to);
		return;
	case WEIR_CKEY_DURATION:
		read_duration(r, d, k, to);
		return;
	case WEIR_CKEY_CHOICE:
		read_choice(r, d, k, to);
		return;
	default:
		return;
	}
}

/* ---- mappings ---- */

uint64_t weir__cluster_keys(struct weir_cluster_read *r, const struct weir_doc *map,
			    const char *what, const struct weir_ckey *key, size_t count, void *out)
{
	const char *known[KEYS_MAX];
	uint64_t given = 0, meant = 0;

	weir_assert(count <= KEYS_MAX);
	for (size_t i = 0; i < count; i++)
		known[i] = key[i].key;
	for (uint32_t e = 0; e < map->count; e++) {
		const struct weir_doc_entry *entry = &map->entry[e];
		const char *near = weir_str_suggest(entry->key, known, count);
		size_t i = 0;

		while (i < count && !weir_str_is(entry->key, known[i]))
			i++;
		if (i < count) {
			given |= UINT64_C(1) << i;
			read_key(r, entry->value, &key[i], (char *)out + key[i].offset);
			continue;
		}
		weir_diag(r->diags, entry->pos, "unknown key `%s` in %s%s",
			  weir__cluster_show(r, entry->key), what,
			  hint(r, entry->key, known, count));
		/* A misspelt key is not missing as well. */
		for (i = 0; near && i < count; i++)
			if (known[i] == near)
				meant |= UINT64_C(1) << i;
	}
	for (size_t i = 0; i < count; i++)
		if (key[i].required && !((given | meant) & UINT64_C(1) << i))
			weir_diag(r->diags, map->pos, "%s needs `%s`", what, known[i]);
	return given;
}
