/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/pipeline_file.h - reads, parses and checks a pipeline file.
 *
 * Reference of the file: docs/pipeline.md. Memory: all in the region.
 */
#ifndef WEIR_ENGINE_EDGE_PIPELINE_FILE_H
#define WEIR_ENGINE_EDGE_PIPELINE_FILE_H

#include "base/err.h"
#include "engine/core/pipeline.h"

/*
 * path: a file, or "-" for stdin (paths in it are then relative to the working directory). diags is
 * initialised here, with this region.
 * 0; WEIR_E_CONFIG: what is wrong is in diags, sorted (err says how many); another code: the file
 * could not be read, text in err, diags is empty.
 */
int weir_pipeline_load(const char *path, const struct weir_build_ops *ops,
		       struct weir_region *region, struct weir_pipeline **ret,
		       struct weir_diags *diags, struct weir_err *err);

/* The same for a text that was already read; name is what messages and ->file say. */
int weir_pipeline_parse(struct weir_str text, const char *name, const char *dir,
			const struct weir_build_ops *ops, struct weir_region *region,
			struct weir_pipeline **ret, struct weir_diags *diags, struct weir_err *err);

#endif
