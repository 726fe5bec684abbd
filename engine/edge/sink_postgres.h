/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/sink_postgres.h - what the files of the postgres sink share.
 *
 *   sink_postgres.c         rows to COPY text, the part of an epoch; plain COPY without epochs
 *   sink_postgres_table.c   does the table fit the records? If not: what is wrong, and which would
 *   sink_postgres_cursor.c  weir_cursor: fence, one transaction per epoch, what the outcome was
 *
 * Part:   u8 version, text of the column list, u64 bytes, COPY text. The columns are in it so that a part of the
 *         journal means the same whatever the pipeline has become since.
 * Thread: rows and freeze() belong to the worker; the session to the main thread until the start, then to the sink
 *         thread (without epochs: to the worker).
 */
#ifndef WEIR_ENGINE_EDGE_SINK_POSTGRES_H
#define WEIR_ENGINE_EDGE_SINK_POSTGRES_H

#include "base/bytes.h"
#include "engine/core/encode_copy.h"
#include "engine/edge/connector.h"
#include "engine/edge/postgres.h"

#define WEIR_PG_PART_VERSION 1

struct sink_postgres {
	const char *pipeline, *step;
	const struct weir_sink_spec *spec;
	const struct weir_schema *in;
	struct weir_region *region; /* of the start only */
	uint32_t instance, instances;
	bool epochs;

	/* after weir__pg_table() */
	const char *table, *cursor; /* "schema"."table" and "schema"."weir_cursor" */
	const char *columns; /* "a", "b" */

	/* the worker's */
	struct weir_copy_spec copy;
	struct weir_out out; /* of the open epoch */
	const char *copy_sql; /* without epochs */
	struct weir_buf batch; /* without epochs: what is to be sent next */
	uint64_t batch_ns; /* of its first row, monotonic */

	/* the session's */
	struct weir_pg pg;
	uint64_t fence; /* as taken */
	bool away; /* and this has been said */
};

/* Looks the table up, checks its columns, and sets names, columns and how they are written. 0, WEIR_SINK_UNKNOWN or
 * <0. */
int weir__pg_table(struct sink_postgres *o, struct weir_err *err);

/* `on_fresh: truncate`, by the first task. */
int weir__pg_fresh(struct sink_postgres *o, struct weir_err *err);

extern const struct weir_sink_ops weir__pg_sink_ops;

#endif
