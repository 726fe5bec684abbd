/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/cli/state_rows.h - rows of a step's state over the control socket, as a table or as JSON: `weir state`,
 * `weir conflicts`.
 */
#ifndef WEIR_ENGINE_CLI_STATE_ROWS_H
#define WEIR_ENGINE_CLI_STATE_ROWS_H

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

#define WEIR_ROWS_DEFAULT 100u
#define WEIR_ROWS_MAX 1000000u

/* Asks, and asks on from where each answer ended, until there are `limit` rows or no more. req: the request without
 * limit and next (*io_next: where to begin, "" or NULL; set to where to go on, or NULL; the caller frees it). The
 * first answer with the rows of all; NULL with err. */
json_t *weir_rows_ask(int fd, const json_t *req, uint64_t limit, char **io_next,
		      struct weir_err *err);

/* Adds rows of a second answer to a first one. */
void weir_rows_join(json_t *answer, const json_t *more);

/* A table of the rows: a column for each member, in the order in which they come. head: with the names. */
void weir_rows_print(FILE *f, const json_t *rows, bool head);
/* What is above the table: the step, how many rows, and the durable epoch. */
void weir_rows_title(FILE *f, const json_t *answer);

/* One JSON value on a line of its own. */
void weir_rows_json(FILE *f, const json_t *v);

#endif
