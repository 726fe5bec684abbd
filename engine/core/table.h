/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/table.h - the step `table`: a keyed table that every region holds and may write.
 *
 *   records ──▶ [T+ops] ──changes──▶ [T] ──▶ rows as they are now, once per key and epoch
 *                  T+peers@q ─records─▶ [ ] ──▶ conflicts
 *                                    [ ] ──▶ T+peers>q: what region q has to know, for each other region q
 *
 * What regions tell each other are records of one schema over edges (docs/adr/0014-shared-state-rides-on-edges.md,
 * docs/formats/table.md). Frames of region q come with the stream q + 1, those of T+ops with stream 0: the receiving end of an
 * edge sets the stream, so no sender can speak for another region.
 *
 * Files:  table_store.c    entries, changes, joining parts         table_digest.c  sums by bucket
 *         table_conflict.c the log of conflicts                    table_peer*.c   what to say to a region, what to do with a record
 *         table_row.c      rows downstream                         table_node.c, table_state.c   ports, barriers; bundles
 *         table_query.c    questions
 *         table_ops.c      the node before it                      pipeline_table.c, regions_table.c   the file, the plan
 * Pure. Thread: the node's.
 */
#ifndef WEIR_ENGINE_CORE_TABLE_H
#define WEIR_ENGINE_CORE_TABLE_H

#include "engine/core/pipeline.h"
#include "state/crdt.h"

#define WEIR_TABLE_FIELDS_MAX 64
#define WEIR_TABLE_OPS_MAX 2 /* of one field in one record */
#define WEIR_TABLE_PEERS_MAX 32 /* regions of a cluster */
#define WEIR_TABLE_WINDOW_DEFAULT ((uint64_t)1 << 20)
#define WEIR_TABLE_DIGEST_DEFAULT (10 * (int64_t)WEIR_NS_PER_S)
#define WEIR_TABLE_CONFLICTS_DEFAULT 100000u
#define WEIR_TABLE_SKEW_MS 500u /* a clock that is further ahead is not believed */
#define WEIR_TABLE_NAME_TAIL "+ops" /* of the step that makes changes of records */

/* One verb of a field: what is given to weir_crdt_apply() for each record; a null does nothing. */
struct weir_table_verb {
	enum weir_crdt_verb verb;
	const char *text; /* expression over the input */
};

struct weir_table_field {
	char name[WEIR_NAME_MAX + 1];
	struct weir_crdt crdt;
	struct weir_typeinfo type; /* of a value, or of a counter's sum */
	uint32_t verb_count;
	struct weir_table_verb verb[WEIR_TABLE_OPS_MAX];
};

struct weir_table_spec {
	uint32_t key_count;
	uint16_t key[WEIR_KEYS_MAX]; /* fields of the input of T+ops, and the first ones of a row */
	uint32_t field_count;
	struct weir_table_field *field;
	const char *delete_text; /* NULL: rows stay */
	uint64_t send_window; /* bytes a region has not confirmed */
	int64_t digest_ns;
	uint64_t conflicts; /* the log keeps so many, the newest */
	/* Filled by weir_regions_plan(). Without a cluster region 0 is alone. */
	uint32_t here, region_count;
	const char *const *region;
	uint32_t peer_port[WEIR_TABLE_PEERS_MAX]; /* port of T for that region; 0: none */
};

/* Kinds of records. */
enum weir_table_kind {
	WEIR_TABLE_CHANGE = 0, /* from T+ops only */
	WEIR_TABLE_HELLO = 1,
	WEIR_TABLE_PART = 2,
	WEIR_TABLE_END = 3,
	WEIR_TABLE_ACK = 4,
	WEIR_TABLE_DIGEST = 5,
	WEIR_TABLE_REPAIR = 6,
	WEIR_TABLE_KIND_COUNT
};

enum {
	WEIR_TABLE_F_KIND,
	WEIR_TABLE_F_WRITER,
	WEIR_TABLE_F_VERSION,
	WEIR_TABLE_F_KEY,
	WEIR_TABLE_F_BODY
};

/* kind int64, writer int64, version int64, key bytes, body bytes. */
const struct weir_schema *weir_rtable_schema(void);
/* The same with the stream of a region; in the caller's region of memory. */
struct weir_schema *weir_rtable_peer_schema(struct weir_region *region, uint32_t peer);
/* Of the output `conflicts`. */
const struct weir_schema *weir_rtable_conflict_schema(void);

/* Ports of T: rows, conflicts, then one per other region. */
enum { WEIR_TABLE_PORT_ROWS, WEIR_TABLE_PORT_CONFLICTS, WEIR_TABLE_PORT_PEERS };

int weir_rtable_init(struct weir_node *n, const struct weir_op_env *env);
int weir_rtable_ops_init(struct weir_node *n, const struct weir_op_env *env);

/* Counted since the start. */
struct weir_rtable_info {
	uint64_t rows, conflicts; /* in the state */
	uint64_t parts_out, parts_in, bytes_out;
	uint64_t
		quarantined; /* parts from a clock that is too far ahead: not applied, asked for again */
	uint64_t refused; /* parts that are damaged, or whose join has no result */
	uint64_t gaps; /* ends of intervals whose start is not here */
	uint64_t repairs; /* buckets asked for again */
	uint64_t missing; /* of them those without parts that were said to be there */
	uint64_t diverged; /* of them those that differed twice at the same versions */
};
void weir_rtable_info(const struct weir_node *n, struct weir_rtable_info *ret);

#endif
