/* SPDX-License-Identifier: Apache-2.0 */
/* perf/micro/json_weir.h - weir's JSON reader as the benchmark calls it. */
#ifndef WEIR_PERF_MICRO_JSON_WEIR_H
#define WEIR_PERF_MICRO_JSON_WEIR_H

#include <stddef.h>
#include <stdint.h>

/* Decodes lines of Nexmark bids into frames; a sum over their values. */
uint64_t json_weir(const char *p, size_t n);

#endif
