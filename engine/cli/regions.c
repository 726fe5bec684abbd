/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cli/regions.h"

#include "base/buf.h"
#include "engine/cli/cli.h"

/* "eu, us" */
static const char *known(const struct weir_cluster *c, struct weir_region *region)
{
	char text[WEIR_REGIONS_MAX * (WEIR_REGION_MAX + 2)];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	for (uint32_t i = 0; i < c->region_count; i++) {
		weir_buf_lit(&out, i ? ", " : "");
		weir_buf_lit(&out, c->region[i].name);
	}
	return weir_region_strdup(region, (struct weir_str){text, out.len});
}

static int load(const char *verb, const char *file, bool json, struct weir_region *region,
		const struct weir_cluster **ret)
{
	struct weir_cluster *c = NULL;
	struct weir_diags diags;
	struct weir_err err = {0};
	int r = weir_cluster_load(file, region, &c, &diags, &err);

	if (r == 0) {
		*ret = c;
		return 0;
	}
	if (r != WEIR_E_CONFIG && json)
		weir_diag(&diags, (struct weir_doc_pos){0, 0}, "%s", err.text);
	else if (r != WEIR_E_CONFIG)
		return weir_cli_error(WEIR_EXIT_FILE, verb, "%s", err.text);
	weir_cli_diags(file, &diags, json);
	return WEIR_EXIT_FILE;
}

int weir_cli_cluster(const char *verb, struct weir_cli_regions *r, bool one, bool json,
		     struct weir_region *region)
{
	int rc, i;

	if (!r->file)
		return r->name ? weir_cli_usage(verb,
						"--region %s: of which cluster? --cluster FILE "
						"says it",
						r->name)
			       : 0;
	rc = load(verb, r->file, json, region, &r->cluster);
	if (rc)
		return rc;
	if (!r->name)
		return one ? weir_cli_usage(verb,
					    "--cluster: which region is this? --region NAME "
					    "says it; %s has %s",
					    r->file, known(r->cluster, region))
			   : 0;
	i = weir_cluster_find(r->cluster, weir_str_c(r->name));
	if (i < 0)
		return weir_cli_usage(verb, "--region %s: %s has no such region; it has %s",
				      r->name, r->file, known(r->cluster, region));
	r->region = (uint32_t)i;
	return 0;
}

int weir_cli_plan(const struct weir_cli_regions *r, uint32_t index, const char *file, bool json,
		  struct weir_region *region, struct weir_pipeline **p)
{
	const struct weir_cluster *c = r->cluster;
	const char *name[WEIR_REGIONS_MAX];
	struct weir_regions_env env = {
		.cluster = c->name, .region = name, .region_count = c->region_count, .here = index};
	struct weir_pipeline *made = NULL;
	struct weir_diags diags;

	for (uint32_t i = 0; i < c->region_count; i++)
		name[i] = c->region[i].name;
	weir_diags_init(&diags, region);
	if (weir_regions_plan(*p, &env, region, &made, &diags)) {
		weir_cli_diags(file, &diags, json);
		return WEIR_EXIT_FILE;
	}
	if (!made->state.dir_given)
		made->state.dir =
			weir_region_printf(region, "%s/%s", c->region[index].data, made->name);
	*p = made;
	return 0;
}

int weir_cli_needs_cluster(const char *verb, const char *file)
{
	return weir_cli_usage(verb,
			      "%s is for several regions: --cluster FILE names them, --region NAME "
			      "says which one this is",
			      file);
}

int weir_cli_region(const char *verb, const struct weir_cli_regions *r, const char *file, bool json,
		    struct weir_region *region, struct weir_pipeline **p)
{
	int rc;

	if (!r->cluster)
		return weir_regions_used(*p) ? weir_cli_needs_cluster(verb, file) : 0;
	rc = weir_cli_plan(r, r->region, file, json, region, p);
	if (rc == 0 && (*p)->step_count == 0)
		return weir_cli_usage(verb, "--region %s: no step of %s runs there", r->name, file);
	return rc;
}
