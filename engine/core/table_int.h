/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/table_int.h - the machine of a table: store, log of conflicts, peers.
 *
 *   entry:   | hash | key: pointer, length | weir_rtable_entry | value of presence, of each field | mark |
 *   key:     first byte 0: a row, then its key fields; 1: a conflict, then its id (16 bytes)
 *   value:   CRDT bytes (state/crdt.h) in the slab. Value 0 of a row is its presence (only with `delete`), value 0 of a
 *            conflict is its record; value i + 1 is field i
 *
 * Lists run through the entries by number + 1, 0 is nobody: `own` in the order of the version of the last change made here,
 * `loose` those with something that not all regions have.
 *
 * Version vector: version of a writer up to which everything it wrote is in here. It only moves with END, over an interval that
 * begins where we are (I15).
 * Memory: node->task->mem and the slab. Thread: the node's. Pure.
 */
#ifndef WEIR_ENGINE_CORE_TABLE_INT_H
#define WEIR_ENGINE_CORE_TABLE_INT_H

#include "engine/core/table.h"
#include "engine/core/track.h"

_Static_assert(sizeof(struct weir_str) == 16, "of an entry");

#define WEIR_TABLE_BUCKETS 256u
#define WEIR_TABLE_WRITERS_MAX 4096u
#define WEIR_TABLE_KEY_ROW 0u
#define WEIR_TABLE_KEY_CONFLICT 1u
#define WEIR_TABLE_VALUE_TEXT_MAX                                                                  \
	256u /* bytes of a value, and of a key, in a record of a conflict */
#define WEIR_TABLE_MARKS 32u
#define WEIR_TABLE_BODY_FIXED 128u /* of a record: all but key and body */

struct weir_rtable_link {
	uint32_t prev, next; /* number + 1 */
};
struct weir_rtable_list {
	uint32_t first, last;
};
enum { WEIR_TABLE_OWN, WEIR_TABLE_LOOSE, WEIR_TABLE_LISTS };

#define WEIR_TABLE_OUT 1u /* waits to be given downstream */
#define WEIR_TABLE_KNOWN 2u /* was given downstream, and is not deleted there */
#define WEIR_TABLE_IS_LOOSE 4u
#define WEIR_TABLE_ALIVE 8u

struct weir_rtable_entry {
	uint64_t version, hlc; /* of the last change made here; 0: none */
	struct weir_digest digest;
	struct weir_rtable_link link[WEIR_TABLE_LISTS];
	uint32_t flags;
	uint32_t reserved;
	struct weir_str value[];
};

/* What is known of a writer. */
struct weir_rtable_writer {
	weir_writer id;
	uint64_t version; /* complete up to here */
	uint64_t stable; /* all regions are */
	uint64_t bucket[WEIR_TABLE_BUCKETS]; /* highest version seen in a part */
};

struct weir_rtable_oldest {
	uint64_t hlc;
	uint64_t serial; /* of its arrival */
	uint32_t number;
};

/* Conflicts in the order in which they came, so that a reader can go on behind the last one. */
struct weir_rtable_arrival {
	uint64_t serial; /* ascending; near the clock, so that it goes on after a restart */
	uint32_t number; /* WEIR_TABLE_NONE: gone */
};

struct weir_rtable_store {
	struct weir_node *node;
	const struct weir_mem *mem;
	struct weir_window_key key;
	struct weir_track track;
	struct weir_tracked rows;
	struct weir_slab slab;
	bool deletable;
	uint32_t values; /* of a row: fields + 1 */
	const struct weir_crdt *crdt; /* of each value */
	uint64_t part_max; /* bytes of one field's part */
	weir_writer me; /* 0: not started */
	uint64_t counter; /* version of the last own change */
	uint64_t hlc; /* highest seen */
	uint64_t vv_serial; /* grows when the vector of others does */
	uint64_t former_serial; /* ... that of our region's earlier lives */
	uint64_t joined; /* parts that changed something */
	uint32_t writer_count, writer_cap;
	struct weir_rtable_writer *writer; /* by id */
	struct weir_crdt_seen *seen; /* the vector, for changes of what is not there; writer_cap */
	struct weir_rtable_list list[WEIR_TABLE_LISTS];
	uint32_t cursor_count;
	uint32_t cursor[WEIR_TABLE_PEERS_MAX]; /* next of `own` to be sent, number + 1 */
	struct weir_digest sum[WEIR_TABLE_BUCKETS];
	uint32_t out_count, out_cap;
	uint32_t *out; /* numbers; may be gone meanwhile: the flag decides */
	uint64_t row_count, conflict_count, conflict_max;
	uint32_t oldest_count, oldest_cap;
	struct weir_rtable_oldest *oldest; /* heap of all conflicts */
	uint32_t arrival_count, arrival_cap, arrival_gone;
	struct weir_rtable_arrival *arrival;
	uint32_t settle_at; /* next of `loose` to look at, number + 1 */
	struct weir_out a, b; /* scratch */
	struct weir_out found; /* conflicts of the join at hand: key, record */
	uint8_t *flat;
	size_t flat_cap;
	struct weir_str *next; /* values of the change at hand */
	bool *next_set;
};

weir_inline struct weir_rtable_entry *weir_rtable_at(const struct weir_rtable_store *s,
						     uint32_t number)
{
	return (struct weir_rtable_entry *)(void *)((uint8_t *)weir_table_entry(&s->rows.table,
										number) +
						    24);
}
weir_inline struct weir_str weir_rtable_key(const struct weir_rtable_store *s, uint32_t number)
{
	struct weir_str k;

	memcpy(&k, (const uint8_t *)weir_table_entry(&s->rows.table, number) + 8, sizeof(k));
	return k;
}
weir_inline bool weir_rtable_is_conflict(const struct weir_rtable_store *s, uint32_t number)
{
	return weir_rtable_key(s, number).p[0] == WEIR_TABLE_KEY_CONFLICT;
}
weir_inline bool weir_rtable_alive(const struct weir_rtable_store *s, uint32_t number)
{
	return weir_rtable_at(s, number)->flags & WEIR_TABLE_ALIVE;
}
/* How many values the entry has. */
weir_inline uint32_t weir_rtable_values(const struct weir_rtable_store *s, uint32_t number)
{
	return weir_rtable_is_conflict(s, number) ? 1 : s->values;
}

/* ---- table_store.c ---- */

/* keep_crdt: of `fields` fields. */
void weir_rtable_store_init(struct weir_rtable_store *s, struct weir_node *keep_node, bool epochs,
			    const struct weir_crdt *crdt, uint32_t fields, bool deletable,
			    uint64_t conflict_max, struct weir_region *region);
void weir_rtable_store_fini(struct weir_rtable_store *s);
/* Takes a writer of its own, if it has none: for a table without state. */
void weir_rtable_store_start(struct weir_rtable_store *s, uint32_t region, int64_t now_ns);
/* Highest version of it that was seen in any part. */
uint64_t weir_rtable_writer_max(const struct weir_rtable_writer *w);
uint32_t weir_rtable_find_key(const struct weir_rtable_store *s, struct weir_str key);
struct weir_rtable_writer *weir_rtable_writer_find(const struct weir_rtable_store *s,
						   weir_writer id);
/* NULL: too many. */
struct weir_rtable_writer *weir_rtable_writer_get(struct weir_rtable_store *s, weir_writer id);
/*
 * A change of a row (body of a record of kind CHANGE). 0; WEIR_E_RANGE, _LIMIT: refused, nothing was changed, *ret_value says which
 * value it was; WEIR_E_CORRUPT.
 */
int weir_rtable_change(struct weir_rtable_store *s, struct weir_str key, struct weir_str body,
		       int64_t now_ns, uint32_t *ret_value);
/* A part of a writer. 0, or WEIR_E_CORRUPT, _RANGE, _LIMIT: nothing was changed. */
int weir_rtable_join(struct weir_rtable_store *s, weir_writer writer, uint64_t version,
		     struct weir_str key, struct weir_str body);
uint64_t weir_rtable_part_hlc(struct weir_str body); /* 0: damaged */
/* Body of a part of `writer` of an entry from value *at on, as much as fits `max` bytes; in s->flat. *at 0: it was the last. false: the
 * writer has nothing there. */
bool weir_rtable_part(struct weir_rtable_store *s, uint32_t number, weir_writer writer,
		      uint64_t hlc, uint32_t *at, size_t max, struct weir_str *ret);
bool weir_rtable_deleted(const struct weir_rtable_store *s, uint32_t number);
/* The bytes of an output in one piece, valid until the next call; the output is empty then. */
struct weir_str weir_rtable_flat(struct weir_rtable_store *s, struct weir_out *o);
void weir_rtable_value_set(struct weir_rtable_store *s, uint32_t number, uint32_t value,
			   struct weir_str bytes);

/* Around every change of an entry; `made`: it was inserted right before. */
void weir_rtable_touch(struct weir_rtable_store *s, uint32_t number);
/* own: with version and hlc of now. */
void weir_rtable_touched(struct weir_rtable_store *s, uint32_t number, bool own);
uint32_t weir_rtable_make(struct weir_rtable_store *s, struct weir_str key);
void weir_rtable_drop(struct weir_rtable_store *s, uint32_t number);
/* The values of the change at hand become the entry's, or are forgotten. */
void weir_rtable_next(struct weir_rtable_store *s, uint32_t number, bool keep);
void weir_rtable_tick(struct weir_rtable_store *s, int64_t now_ns); /* the clock for changes */
struct weir_dot weir_rtable_dot(struct weir_rtable_store *s);

/* ---- table_list.c: lists, the order of what is to be sent, and what is settled ---- */

void weir_rtable_list_add(struct weir_rtable_store *s, unsigned list, uint32_t number);
void weir_rtable_list_drop(struct weir_rtable_store *s, unsigned list, uint32_t number);
/* To the end of `own`; cursors follow. */
void weir_rtable_own(struct weir_rtable_store *s, uint32_t number);
/* The first of `own` behind this version, number + 1. */
uint32_t weir_rtable_behind(const struct weir_rtable_store *s, uint64_t version);
void weir_rtable_out_add(struct weir_rtable_store *s, uint32_t number);
/* What all regions have is pruned, and goes if it was deleted. Looks at `budget` entries. true: through. */
bool weir_rtable_settle(struct weir_rtable_store *s, uint32_t budget);
/* After restore: lists, sums and the heap are made from the entries. */
void weir_rtable_rebuild(struct weir_rtable_store *s);

/* ---- table_digest.c ---- */

uint32_t weir_rtable_bucket(struct weir_str key);
/* For weir_crdt_prune(): as if all regions had all. */
uint64_t weir_rtable_everything(void *ctx, weir_writer id);
struct weir_digest weir_rtable_digest(struct weir_rtable_store *s, uint32_t number);
void weir_rtable_sum(struct weir_rtable_store *s, uint32_t number, bool add);
/* Hash of all writers' versions in a bucket; 0: not everything of it is covered by the vector. */
uint64_t weir_rtable_bucket_versions(const struct weir_rtable_store *s, uint32_t bucket);

/* ---- table_conflict.c ---- */

struct weir_rtable_conflict {
	uint32_t value; /* of the row: field + 1 */
	uint8_t type; /* enum weir_crdt_type */
	struct weir_crdt_conflict c;
	struct weir_str key; /* of the row, cut */
	uint32_t decided_by; /* region */
};

/* Found here while the row's value is joined: noted, and kept when that is done. */
void weir_rtable_conflicts_keep(struct weir_rtable_store *s);
void weir_rtable_conflict_found(struct weir_rtable_store *s, struct weir_str key, uint32_t value,
				const struct weir_crdt_conflict *c);
/* The record; texts point into it. false: damaged. */
bool weir_rtable_conflict_read(const struct weir_rtable_store *s, struct weir_str record,
			       struct weir_rtable_conflict *ret);
/* Joined with what is there (""): the lower of two regions that decided. In s->a. */
int weir_rtable_conflict_join(struct weir_rtable_store *s, struct weir_str mine,
			      struct weir_str other);
void weir_rtable_conflict_added(struct weir_rtable_store *s, uint32_t number);
/* After restore: as if they had come in the order of their clocks. */
void weir_rtable_conflicts_rebuilt(struct weir_rtable_store *s);
/* The first arrival behind this serial, as an index. */
uint32_t weir_rtable_arrival_after(const struct weir_rtable_store *s, uint64_t serial);
/* Those beyond the limit go, the oldest first. */
void weir_rtable_conflicts_trim(struct weir_rtable_store *s);

/* ---- table_peer.c: what it hears; table_send.c: what it says ---- */

struct weir_rtable_msg {
	unsigned kind;
	weir_writer writer;
	uint64_t version;
	struct weir_str key, body;
};

struct weir_rtable_io {
	/* false: no room, the same again later. */
	bool (*put)(void *ctx, uint32_t peer, const struct weir_rtable_msg *m);
	void *ctx;
};

struct weir_rtable_version {
	weir_writer id;
	uint64_t version;
};

struct weir_rtable_peer {
	uint32_t region;
	weir_writer writer; /* 0: not heard of */
	uint64_t place; /* everything of ours up to here was sent */
	uint64_t ended; /* it has all up to here, and was told so */
	uint64_t acked;
	uint64_t heard; /* version of its last END */
	bool ack; /* it has to be told so */
	uint64_t ack_serial; /* vv_serial when our vector was said */
	uint64_t unacked; /* bytes */
	uint64_t unmarked; /* of them behind the last END */
	uint32_t mark_count;
	struct {
		uint64_t version, bytes;
	} mark[WEIR_TABLE_MARKS];
	uint32_t seen_count, seen_cap;
	struct weir_rtable_version *seen; /* its vector, by id */
	bool hello; /* to be said */
	bool ask; /* ... with the wish for an answer, and for what is missing */
	bool gap; /* a part behind the last END was not applied */
	bool former; /* gets what we have of its region's earlier lives */
	bool ours; /* gets what our region's earlier lives wrote */
	uint64_t ours_serial; /* former_serial when it got that */
	uint32_t value; /* of the entry at hand: where the next part begins */
	uint32_t job_at, job_writer, job_value; /* of the repair that is going on */
	uint64_t job[WEIR_TABLE_BUCKETS / 64], want[WEIR_TABLE_BUCKETS / 64];
	uint32_t digest_bucket; /* next to be said */
	int64_t digest_at, ask_at, ask_wait;
	uint64_t differed[WEIR_TABLE_BUCKETS]; /* versions at which a bucket did */
};

struct weir_rtable_machine {
	struct weir_rtable_store store;
	uint32_t here, peer_count;
	struct weir_rtable_peer *peer; /* peer_count, by region */
	uint64_t send_window;
	int64_t digest_ns;
	size_t record_max; /* of key and body together */
	uint64_t sign; /* hash of what the fields mean: equal in all regions */
	struct weir_rtable_info info;
	char alarm[160]; /* newest thing a person should hear of; "" none */
	bool restored;
};

/* First thing at a barrier, before anything is sent. */
void weir_rtable_begin(struct weir_rtable_machine *t, int64_t now_ns);
/* A record of peer number `peer`. 0, or WEIR_E_CONFIG with the text in node->task->err. */
int weir_rtable_hear(struct weir_rtable_machine *t, uint32_t peer, const struct weir_rtable_msg *m,
		     int64_t now_ns);
/* All that is due to a peer. false: no room, call again. */
bool weir_rtable_say(struct weir_rtable_machine *t, uint32_t peer, const struct weir_rtable_io *io,
		     int64_t now_ns);
/* When all was said: what became stable is settled. */
void weir_rtable_end(struct weir_rtable_machine *t);
uint64_t weir_rtable_peer_has(const struct weir_rtable_peer *p, weir_writer id);

/* ---- table_row.c ---- */

struct weir_rtable_column {
	uint32_t value; /* of the entry */
	double quantile; /* of a ddsketch */
};
bool weir_rtable_key_build(const struct weir_schema *s, uint32_t count, struct weir_str key,
			   struct weir_builder *b);
/* Key of a frame as bytes, behind the byte that says row. */
void weir_rtable_key_of(const struct weir_frame *f, const struct weir_schema *s,
			const uint16_t *field, uint32_t count, struct weir_out *o);
/* A row. false: it does not fit the builder. */
bool weir_rtable_row_build(const struct weir_rtable_store *s, const struct weir_table_spec *spec,
			   uint32_t number, struct weir_builder *b);
bool weir_rtable_conflict_build(struct weir_rtable_store *s, const struct weir_table_spec *spec,
				const struct weir_schema *out, uint32_t number,
				struct weir_builder *b);
/* Fields of the output of one field: 1, or 2 for a sketch. */
uint32_t weir_rtable_columns(const struct weir_table_field *f, struct weir_field ret[2]);

/* ---- table_state.c ---- */

extern const struct weir_state_ops weir__rtable_state;
void weir_rtable_save(void *ctx, const struct weir_tracked *t, uint32_t number, struct weir_out *o);

#endif
