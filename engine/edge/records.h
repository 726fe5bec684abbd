/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/records.h - from a window of bytes to rows in a source's ports: what the file, stdin, tcp
 * and memory sources share.
 */
#ifndef WEIR_ENGINE_EDGE_RECORDS_H
#define WEIR_ENGINE_EDGE_RECORDS_H

#include "engine/core/decode.h"
#include "engine/edge/connector.h"

struct weir_records {
	struct weir_source source; /* first: node->op of every source begins with it */
	const struct weir_source_spec *spec;
	struct weir_decoder *decoder;
	struct weir_decoder_spec decoder_spec;
	enum weir_on_error policy;
	int rejects_port;
	uint32_t stream_count; /* stream i goes to port i */
	bool fresh; /* a run() starts: the scratch memory is free; set by the source */
};

/* Decoder and shared parts from the step. */
int weir_records_init(struct weir_records *r, struct weir_node *n, const struct weir_conn_env *env);

/* One more decoder like the first: sources that read several inputs at once need one for each. NULL: n's
 * task->err says why. */
struct weir_decoder *weir_records_decoder(struct weir_records *r, struct weir_node *n,
					  struct weir_region *region);

enum weir_records_end {
	WEIR_RECORDS_BUDGET = 1, /* the run's rows are used up, or a port is full */
	WEIR_RECORDS_MORE = 2, /* more bytes are needed */
};

/*
 * Decodes and emits from [p, p+n). *ret_used bytes are done with. name and offset (of p, negative when
 * unknown) go into rejects. enum weir_records_end or <0.
 */
int weir_records_emit(struct weir_records *r, struct weir_node *n, const char *p, size_t size,
		      bool eof, const char *name, int64_t offset, size_t *ret_used);

#endif
