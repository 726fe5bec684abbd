/* SPDX-License-Identifier: Apache-2.0 */
/* engine/core/table_node.h - the node of a table: what table_node.c and table_state.c share. Pure. */
#ifndef WEIR_ENGINE_CORE_TABLE_NODE_H
#define WEIR_ENGINE_CORE_TABLE_NODE_H

#include "engine/core/query.h"
#include "engine/core/table_int.h"

struct weir_rtable {
	const struct weir_table_spec *spec;
	const struct weir_schema *in;
	bool epochs;
	enum weir_on_error policy;
	bool flushing;
	uint32_t peer_at, out_at;
	uint32_t touch_at;
	uint32_t peer_of[WEIR_TABLE_PEERS_MAX]; /* region -> peer */
	struct weir_rtable_machine machine;
};

/* What keys and fields mean, the same in all regions. */
void weir_rtable_sign(const struct weir_table_spec *spec, const struct weir_schema *out,
		      struct weir_buf *b);
/* Head of a part: everything but the entries. */
void weir_rtable_head_put(const struct weir_rtable_machine *t, struct weir_out *o);
/* 0, or WEIR_E_CORRUPT with the text. */
int weir_rtable_head_get(struct weir_rtable_machine *t, struct weir_reader *r);
int weir_rtable_entries_get(struct weir_rtable_machine *t, struct weir_restore *r);
void weir_rtable_restored(struct weir_rtable_machine *t);
/* table_query.c; engine/core/query.h */
int weir__rtable_query(struct weir_node *n, const struct weir_query *q, struct weir_query_out *out);

#endif
