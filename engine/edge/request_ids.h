/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/request_ids.h - ids of the last requests, so that a repeated one is not taken twice.
 *
 * Each id has a ticket: the place of its request in the order in which requests are taken. Ids that came back from a
 * part have ticket 0. The oldest id goes when there are WEIR_IDS_MAX.
 * Parts:  only ids that are new since the last part; all of them after a touch.
 * Bytes:  varint number of the oldest id, varint number of the first that follows, (u8 1, hash u64 u64) each, u8 0.
 *         Ids are counted from 0, for ever.
 * Memory: own (malloc), about 2 MiB. Thread: one at a time.
 */
#ifndef WEIR_ENGINE_EDGE_REQUEST_IDS_H
#define WEIR_ENGINE_EDGE_REQUEST_IDS_H

#include "base/bytes.h"
#include "base/checksum.h"

#define WEIR_IDS_MAX 65536u

struct weir_ids {
	struct weir_id {
		struct weir_hash128 hash;
		uint64_t ticket;
		uint32_t next; /* in its chain: place + 1 */
	} * id; /* by number modulo WEIR_IDS_MAX */
	uint32_t *chain; /* by hash: place + 1 of the newest */
	uint64_t oldest, end; /* numbers */
	uint64_t told; /* numbers below are in a part */
	uint64_t wanted; /* restored: the oldest that was there */
};

/* 0 or -ENOMEM. */
int weir_ids_init(struct weir_ids *l);
void weir_ids_fini(struct weir_ids *l);

/* NULL: not among them. */
const struct weir_id *weir_ids_find(const struct weir_ids *l, struct weir_hash128 hash);
void weir_ids_add(struct weir_ids *l, struct weir_hash128 hash, uint64_t ticket);

/* Ids up to this ticket. */
void weir_ids_freeze(struct weir_ids *l, struct weir_out *o, uint64_t ticket);
void weir_ids_touch(struct weir_ids *l);
/* One part; false: damaged. */
bool weir_ids_restore(struct weir_ids *l, struct weir_reader *in);
/* All parts are in; false: some are missing. */
bool weir_ids_whole(struct weir_ids *l);

#endif
