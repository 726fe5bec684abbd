/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/sink.h - what the file, stdout and tcp sinks share.
 *
 *   text     rows encoded into one buffer
 *   collect  output that waits in memory for the commit of its epoch: sinks with no place for a cursor
 *
 * By guarantee of the pipeline: none: written when it comes. exactly_once: the file sink goes by cursor
 * (engine/core/sink_ops.h), stdout and tcp collect. at_least_once: files the same; stdout and tcp write at once
 * and see to it that what stood before a barrier is out before that epoch is committed.
 */
#ifndef WEIR_ENGINE_EDGE_SINK_H
#define WEIR_ENGINE_EDGE_SINK_H

#include "engine/core/decode.h"
#include "engine/core/freeze.h"
#include "engine/core/sink_ops.h"
#include "engine/edge/connector.h"

/* Of the pipeline; NONE also when it says nothing. */
enum weir_guarantee weir_sink_guarantee(const struct weir_conn_env *env);

/* What `weir explain` prints: the functions of a file, stdout, tcp or blackhole sink under that guarantee. NULL
 * for NONE, and for other connectors. */
const struct weir_sink_ops *weir_sink_ops_of(enum weir_connector c, enum weir_guarantee g);

/* Takes the control of an otherwise empty batch; at a barrier the node is frozen. Output before it must have been
 * collected: freeze() cannot fail. true when it was the end of the stream. */
bool weir_sink_control(struct weir_node *n);

/* ---- text ---- */

struct weir_sink_text {
	struct weir_encoder_spec enc;
	const struct weir_schema *schema[1];
	struct weir_buf buf;
};

void weir_sink_text_init(struct weir_sink_text *t, struct weir_node *n,
			 const struct weir_conn_env *env);

/* Encodes waiting rows until the buffer is full. Number of rows taken. */
uint32_t weir_sink_text_take(struct weir_sink_text *t, struct weir_node *n);

/* For struct weir_state_ops' sign(): the format, and the fields where the order of the bytes depends on them. */
void weir_sink_text_sign(const struct weir_sink_text *t, struct weir_buf *b);

/* ---- collect ---- */

/*
 * First member of node->op. Part of an epoch, possibly several times (folded epochs):
 *   u8 flags (1: the header is out, 2: written at once), u64 bytes, the bytes
 *   with flag 2: u64 position in the stream instead, and no bytes
 */
struct weir_sink_collect {
	struct weir_sink_text text;
	bool headed; /* the header line is out, or there is none */
	bool direct; /* at_least_once */
	/* the worker's */
	struct weir_out out; /* output of the open epoch */
	bool touched; /* say again what is known */
	uint64_t position, frozen; /* direct: bytes written since the start; at the last barrier */
	/* the sink thread's */
	uint64_t known, applied; /* epochs: at the start, newest that is out since */
	uint64_t epoch, prev,
		at; /* epoch that is on its way out, the one before it, bytes that are out */
};

/* How collected bytes get out; in the sink thread. */
struct weir_sink_way {
	/* Writes what it can in a second or so; *ret_sent is set in any case. 0: all is out, WEIR_SINK_UNKNOWN: call
	 * again with the rest, <0: error. */
	int (*send)(struct weir_node *n, const uint8_t *p, size_t bytes, size_t *ret_sent,
		    struct weir_err *err);
	/* All of an epoch was sent: 0: it is safe, WEIR_SINK_UNKNOWN: ask again, <0. */
	int (*settle)(struct weir_node *n, struct weir_err *err);
};

void weir_sink_collect_init(struct weir_sink_collect *c, struct weir_node *n,
			    const struct weir_conn_env *env);
void weir_sink_collect_fini(struct weir_sink_collect *c);
int weir_sink_collect_run(struct weir_node *n); /* struct weir_op_class */

extern const struct weir_state_ops weir_sink_collect_state; /* also when direct */

/* For struct weir_sink_ops. */
int weir_sink_collect_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
			   uint64_t *ret_cursor, struct weir_err *err);
int weir_sink_collect_prepare(struct weir_node *n, const struct weir_sink_epoch *e,
			      struct weir_err *err);
int weir_sink_collect_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err);
int weir_sink_collect_apply(struct weir_node *n, const struct weir_sink_epoch *e,
			    const struct weir_sink_way *way, struct weir_err *err);
/* Direct: everything went out before the commit. */
int weir_sink_direct_apply(struct weir_node *n, const struct weir_sink_epoch *e,
			   struct weir_err *err);
/* Newest position that a part names; WEIR_E_CORRUPT. */
int weir_sink_direct_position(struct weir_node *n, const struct weir_sink_epoch *e,
			      uint64_t *ret_position, struct weir_err *err);

extern const struct weir_sink_ops weir_sink_file_ops, weir_sink_stdout_ops,
	weir_sink_stdout_direct_ops, weir_sink_tcp_ops, weir_sink_tcp_direct_ops,
	weir_sink_blackhole_ops;

#endif
