/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/build_ops.h - what checking a pipeline file needs from outside: regular expressions, the
 * heads of raw files, shared objects. Used by every program that reads a pipeline file.
 */
#ifndef WEIR_ENGINE_EDGE_BUILD_OPS_H
#define WEIR_ENGINE_EDGE_BUILD_OPS_H

#include "engine/core/pipeline.h"

const struct weir_build_ops *weir_build_ops(void);

#endif
