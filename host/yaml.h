/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/yaml.h - YAML text to a document (base/doc.h), by libyaml.
 *
 * Use:     the only file that knows libyaml. JSON of the same shape is read too.
 * Rules:   a strict subset, so that a file means what it shows: one document, UTF-8, no anchors,
 *          aliases, tags, merge keys or directives, no key twice, keys are texts. Scalars stay texts.
 * Limits:  WEIR_YAML_BYTES_MAX, WEIR_YAML_DEPTH_MAX, WEIR_YAML_NODES_MAX; the memory used is bounded
 *          by them.
 * Thread:  any; nothing is shared.
 * Fuzzed:  tests/fuzz/fuzz_pipeline.c.
 */
#ifndef WEIR_HOST_YAML_H
#define WEIR_HOST_YAML_H

#include "base/doc.h"

#define WEIR_YAML_BYTES_MAX ((size_t)4 << 20)
#define WEIR_YAML_DEPTH_MAX 32
#define WEIR_YAML_NODES_MAX 200000

/*
 * 0, or WEIR_E_CONFIG with what is wrong in diags (unsorted). On error *ret_doc is NULL, or the
 * document without the offending parts (a key given twice, an anchor, a tag), so that the caller
 * can go on and report more.
 */
int weir_yaml_parse(struct weir_str text, struct weir_region *region, struct weir_doc **ret_doc,
		    struct weir_diags *diags);

#endif
