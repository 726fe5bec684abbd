/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/nexmark_table.h - constant data of the Nexmark generator (engine/core/nexmark.c only).
 */
#ifndef WEIR_ENGINE_CORE_NEXMARK_TABLE_H
#define WEIR_ENGINE_CORE_NEXMARK_TABLE_H

#include "base/base.h"

/* Texts are slices of the letters: any start below the first number, up to the second long. */
#define WEIR_NEXMARK_LETTERS 4096
#define WEIR_NEXMARK_LETTERS_MORE 640

extern const char weir_nexmark_letters[WEIR_NEXMARK_LETTERS + WEIR_NEXMARK_LETTERS_MORE + 1];
extern const uint64_t weir_nexmark_price[257];

#endif
