/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/regex.h - regular expressions for expressions, by PCRE2.
 *
 * Use:    hand weir_regex_pcre2() to weir_expr_compile() in struct weir_expr_env.
 * Syntax: Perl's. Patterns and subjects are UTF-8; bytes that are not UTF-8 never match. \C is off.
 * Limits: a match that takes too many steps or too much memory is reported as < 0, so that no
 *         pattern can stop a worker.
 * Thread: one compiled pattern is used by one thread at a time (it holds its match memory).
 */
#ifndef WEIR_ENGINE_EDGE_REGEX_H
#define WEIR_ENGINE_EDGE_REGEX_H

#include "engine/core/expr.h"

const struct weir_regex_ops *weir_regex_pcre2(void);

#endif
