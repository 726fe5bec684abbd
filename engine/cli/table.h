/* SPDX-License-Identifier: Apache-2.0 */
/* engine/cli/table.h - the step table of `weir status` and `weir top`. */
#ifndef WEIR_ENGINE_CLI_TABLE_H
#define WEIR_ENGINE_CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* Prints one sample; with an earlier one also rates and shares of the time between them. */
void weir_table_print(FILE *f, json_t *now, json_t *before);

#endif
