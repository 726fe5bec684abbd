/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/connector.h - sources and sinks: operators that do input and output.
 *
 * Each is a node class like any other (engine/core/op.h); a source's node->op begins with struct
 * weir_source. open() touches the outside (files, sockets); it runs before any worker starts, so that
 * a wrong path or a busy port is an error of the start. Errors are sentences for the user, in
 * node->task->err, naming the step and what to do.
 * Thread: open and close from the main thread, run and tick from the worker.
 */
#ifndef WEIR_ENGINE_EDGE_CONNECTOR_H
#define WEIR_ENGINE_EDGE_CONNECTOR_H

#include "engine/core/pipeline.h"
#include "engine/core/source.h"

struct weir_lane_end;
struct weir_cluster;
struct weir_journal;

struct weir_conn_env {
	const struct weir_pipeline *pipeline;
	const struct weir_step *step;
	const struct weir_schema *in; /* sink: what it gets */
	struct weir_region *region; /* lives as long as the task */
	int rejects_port;
	uint32_t instance, instances;
	bool fresh; /* sinks may replace the results of an earlier run */
	bool epochs; /* there are epochs: what is taken becomes durable later */
	struct weir_lane_end *lane; /* of an edge, open; NULL when dry */
	const struct weir_cluster *cluster; /* NULL: a pipeline without regions */
	const struct weir_journal
		*journal; /* of an edge; its fence is there when state comes back */
	bool dry; /* only the node and what its state means (sign()): nothing outside is touched, nothing runs */
};

/* Set node->cls and node->op; node->task, port, port_count are there. 0 or a code. */
int weir_source_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_open(struct weir_node *n, const struct weir_conn_env *env);

/* One per connector; called by the two above. */
int weir_source_file_open(struct weir_node *n, const struct weir_conn_env *env); /* also stdin */
int weir_source_memory_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_source_tcp_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_source_nexmark_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_source_http_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_source_edge_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_edge_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_file_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_stdout_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_tcp_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_postgres_open(struct weir_node *n, const struct weir_conn_env *env);
int weir_sink_blackhole_open(struct weir_node *n, const struct weir_conn_env *env);

/* Fills what all sources share from the step. */
void weir_source_setup(struct weir_source *s, const struct weir_conn_env *env);

/* Address a tcp or http source really listens on (port 0 asks for any), "" for others. */
const char *weir_source_address(const struct weir_node *n);
const char *weir_source_http_address(const struct weir_node *n);

#endif
