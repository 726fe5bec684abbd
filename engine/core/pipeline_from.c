/* SPDX-License-Identifier: Apache-2.0 */
/* `regions` and `from` of a step: names of regions, and inputs that are a name or a mapping with regions. */
#include "engine/core/pipeline_int.h"

/* ---- names of regions ---- */

/* [a-z][a-z0-9-]*, at most WEIR_REGION_MAX: the cluster file allows no others. */
static bool region_name_ok(struct weir_str s)
{
	bool ok = s.n > 0 && s.n <= WEIR_REGION_MAX && s.p[0] >= 'a' && s.p[0] <= 'z';

	for (size_t i = 0; ok && i < s.n; i++)
		ok = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
		     s.p[i] == '-';
	return ok;
}

static bool read_region(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos,
			const char *what, struct weir_region_ref *ret)
{
	if (weir_str_is(name, "all")) {
		weir_diag(b->diags, pos,
			  "`%s`: `all` is no region; all of them are `regions: all`, not in a list",
			  what);
		return false;
	}
	if (!region_name_ok(name)) {
		weir_diag(b->diags, pos,
			  "`%s`: `%s` cannot be a region: names have at most %d small letters, "
			  "digits and `-`, and begin with a letter",
			  what, weir_show(b, name), WEIR_REGION_MAX);
		return false;
	}
	memcpy(ret->name, name.p, name.n);
	ret->pos = pos;
	return true;
}

bool weir_region_list_read(struct weir_build *b, const struct weir_doc *d,
			   struct weir_region_list *ret)
{
	struct weir_region_ref *ref;
	struct weir_str *name;
	struct weir_doc_pos *pos;
	bool ok = true;
	uint32_t n;

	*ret = (struct weir_region_list){0};
	if (d->kind == WEIR_DOC_SCALAR && weir_str_is(d->text, "all"))
		return true;
	n = weir_walk_names(b, d, "regions", &name, &pos);
	ref = weir_region_array(b->region, struct weir_region_ref, n);
	for (uint32_t i = 0; i < n; i++)
		ok = read_region(b, name[i], pos[i], "regions", &ref[i]) && ok;
	if (ok)
		*ret = (struct weir_region_list){n, ref};
	return ok && n > 0;
}

/* ---- inputs ---- */

struct from_options {
	const char *step;
	int keys;
};

static const struct weir_choice spread_choice[] = {
	{"copy", false},
	{"keys", true},
	{NULL, 0},
};

static const struct weir_opt from_opt[] = {
	WEIR_OPTION("step", WEIR_OPT_TEXT, struct from_options, step, .required = true),
	WEIR_OPTION_ANY("region"),
	WEIR_OPTION_ANY("regions"),
	WEIR_OPTION("spread", WEIR_OPT_CHOICE, struct from_options, keys, .choice = spread_choice),
};

static bool read_regions(struct weir_build *b, const struct weir_doc *region,
			 const struct weir_doc *regions, struct weir_region_list *ret)
{
	struct weir_region_ref *ref = weir_region_new(b->region, struct weir_region_ref);

	if (region && regions) {
		weir_diag(
			b->diags, regions->pos,
			"`from`: `region` is for one, `regions` for several; leave one of them out");
		return false;
	}
	if (regions)
		return weir_region_list_read(b, regions, ret);
	if (!weir_walk_text(b, region, "region") ||
	    !read_region(b, region->text, region->pos, "region", ref))
		return false;
	*ret = (struct weir_region_list){1, ref};
	return true;
}

static bool check_spread(struct weir_build *b, const struct weir_draft *d,
			 const struct weir_doc *spread, bool remote)
{
	if (!remote) {
		weir_diag(b->diags, spread->pos,
			  "`spread` goes with `region` or `regions`: input from the same region is "
			  "not spread");
		return false;
	}
	if (weir_str_is(spread->text, "keys") && !d->key_by) {
		weir_diag(b->diags, spread->pos,
			  "`spread: keys` needs `key_by` in step `%s`: the key says which region a "
			  "record belongs to",
			  d->step->name);
		return false;
	}
	return true;
}

/* {step: X, regions: all, spread: keys}. A mapping that is wrong still names its step, which is not unread then. */
static bool read_mapping(struct weir_build *b, struct weir_draft *d, const struct weir_doc *doc,
			 struct weir_from *ret)
{
	static const struct weir_walk walk = {"`from`", from_opt, WEIR_COUNT_OF(from_opt)};
	const struct weir_doc *region = weir_doc_get(doc, "region");
	const struct weir_doc *regions = weir_doc_get(doc, "regions");
	const struct weir_doc *spread = weir_doc_get(doc, "spread");
	const struct weir_doc *step = weir_doc_get(doc, "step");
	struct weir_remote *remote = weir_region_new(b->region, struct weir_remote);
	struct from_options o = {NULL, false};
	bool ok = true;

	if (!weir_walk_map(b, doc, "from"))
		return false;
	weir_walk_options(b, doc, &walk, &o, &ok);
	if (region || regions)
		ok = read_regions(b, region, regions, &remote->regions) && ok;
	if (spread && ok)
		ok = check_spread(b, d, spread, region || regions);
	d->broken = d->broken || !ok;
	if (!o.step)
		return false;
	remote->keys = o.keys;
	*ret = (struct weir_from){
		.ref = step->text,
		.pos = step->pos,
		.remote = ok && (region || regions) ? remote : NULL,
		.broken = !ok,
	};
	return true;
}

static bool listed(const struct weir_from *from, uint32_t n, struct weir_str name)
{
	for (uint32_t i = 0; i < n; i++)
		if (!from[i].remote && !from[i].broken && weir_str_eq(from[i].ref, name))
			return true;
	return false;
}

uint32_t weir_from_read(struct weir_build *b, struct weir_draft *d, const struct weir_doc *doc,
			struct weir_from **ret)
{
	const struct weir_doc *one[1] = {doc};
	const struct weir_doc *const *item = one;
	uint32_t n = 1, kept = 0;

	if (doc->kind == WEIR_DOC_NULL) {
		weir_diag(b->diags, doc->pos,
			  "`from`: expected a name, a mapping or a list of these, found nothing");
		return 0;
	}
	if (doc->kind == WEIR_DOC_LIST) {
		if (!weir_walk_list(b, doc, "from"))
			return 0;
		item = (const struct weir_doc *const *)doc->item;
		n = doc->count;
	}
	*ret = weir_region_array(b->region, struct weir_from, n);
	for (uint32_t i = 0; i < n; i++) {
		struct weir_from *f = &(*ret)[kept];

		if (item[i]->kind == WEIR_DOC_MAP) {
			if (read_mapping(b, d, item[i], f))
				kept++;
			else
				d->broken = true;
			continue;
		}
		if (!weir_walk_text(b, item[i], "from"))
			return 0;
		if (listed(*ret, kept, item[i]->text)) {
			weir_diag(b->diags, item[i]->pos, "`from`: `%s` is listed twice",
				  weir_show(b, item[i]->text));
			continue;
		}
		*f = (struct weir_from){.ref = item[i]->text, .pos = item[i]->pos};
		kept++;
	}
	return kept;
}
