/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/steps.h - what the state of each step of a pipeline means, without running it: for `weir check --against`.
 *
 * The tasks are built dry: nothing outside is opened, written or waited for (operators' libraries are loaded).
 */
#ifndef WEIR_ENGINE_EDGE_STEPS_H
#define WEIR_ENGINE_EDGE_STEPS_H

#include "engine/core/bundle.h"
#include "engine/edge/engine.h"

/* Texts in the region. 0, or <0 with err. */
int weir_steps_table(const struct weir_pipeline *p, const struct weir_engine_options *opt,
		     struct weir_region *region, struct weir_bundle_head *ret,
		     struct weir_err *err);

/* Step table of the newest bundle of a state directory that no engine uses and that belongs to the pipeline. 1: there is one,
 * 0: it is empty, <0. */
int weir_steps_then(const char *dir, const char *pipeline, struct weir_region *region,
		    struct weir_bundle_head *ret, const char **ret_name, uint64_t *ret_epoch,
		    struct weir_err *err);

#endif
