/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/pipeline_file.h"

#include "host/text_file.h"
#include "host/yaml.h"

int weir_pipeline_parse(struct weir_str text, const char *name, const char *dir,
			const struct weir_build_ops *ops, struct weir_region *region,
			struct weir_pipeline **ret, struct weir_diags *diags, struct weir_err *err)
{
	struct weir_pipeline *p = NULL;
	struct weir_doc *doc;
	int rc, built = 0;

	weir_diags_init(diags, region);
	rc = weir_yaml_parse(text, region, &doc, diags);
	if (doc)
		built = weir_pipeline_build(doc, dir, ops, region, &p, diags);
	weir_diags_sort(diags);
	if (rc == 0)
		rc = built;
	if (rc)
		return weir_err_set(err, rc, "%s: %u %s", name, diags->count + diags->dropped,
				    diags->count + diags->dropped == 1 ? "error" : "errors");
	p->file = weir_region_strdup(region, weir_str_c(name));
	*ret = p;
	return 0;
}

int weir_pipeline_load(const char *path, const struct weir_build_ops *ops,
		       struct weir_region *region, struct weir_pipeline **ret,
		       struct weir_diags *diags, struct weir_err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct weir_str text = {"", 0};
	int rc;

	weir_diags_init(diags, region);
	rc = weir_text_file_read(path, WEIR_YAML_BYTES_MAX, region, &text, err);
	if (rc)
		return rc;
	return weir_pipeline_parse(text, is_stdin ? "stdin" : path,
				   is_stdin ? "" : weir_text_file_folder(path, region), ops, region,
				   ret, diags, err);
}
