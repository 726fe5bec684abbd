/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/sink.h - what the file, stdout and tcp sinks share: encoding rows into one buffer. */
#ifndef WEIR_ENGINE_EDGE_SINK_H
#define WEIR_ENGINE_EDGE_SINK_H

#include "engine/core/decode.h"
#include "engine/edge/connector.h"

struct weir_sink_text {
	struct weir_encoder_spec enc;
	const struct weir_schema *schema[1];
	struct weir_buf buf;
};

void weir_sink_text_init(struct weir_sink_text *t, struct weir_node *n,
			 const struct weir_conn_env *env);

/* Encodes waiting rows until the buffer is full. Number of rows taken. */
uint32_t weir_sink_text_take(struct weir_sink_text *t, struct weir_node *n);

/* Takes the control of an otherwise empty batch; true when it was the end of the stream. */
bool weir_sink_control(struct weir_node *n);

#endif
