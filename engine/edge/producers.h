/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/producers.h - producers with a name, how far each one's stream was taken, and how far that is durable.
 *
 *   freeze(epoch)    writes the streams that moved since the last freeze, and remembers: when `epoch` is durable,
 *                    so are these offsets
 *   settle(durable)  raises `durable` of those whose epoch is
 *
 * Offsets: bytes from the start of the producer's stream, at the end of a record (or of a piece of one that was
 *          too long).
 * Bounds:  WEIR_PRODUCERS_MAX names for ever; names are WEIR_PRODUCER_NAME_MAX bytes of visible ASCII.
 * Memory:  own (malloc). Thread: one.
 */
#ifndef WEIR_ENGINE_EDGE_PRODUCERS_H
#define WEIR_ENGINE_EDGE_PRODUCERS_H

#include "engine/core/source_state.h"

#define WEIR_PRODUCERS_MAX 65536u
#define WEIR_PRODUCER_NAME_MAX 200u

struct weir_producer {
	char *name;
	uint64_t hash;
	uint64_t taken, durable; /* offsets */
	struct weir_decoder_place place; /* at taken */
	bool moved; /* in the list of those the next part has */
};

struct weir_producers {
	struct weir_producer *p;
	uint32_t count, cap;
	uint32_t *slot; /* number + 1 by hash; 0: free */
	uint32_t slot_count;
	uint32_t *moved;
	uint32_t moved_count, moved_cap;
	/* What was frozen and is not durable yet, oldest first: [wait_at, wait_count). */
	struct weir_producer_wait {
		uint64_t epoch, offset;
		uint32_t producer;
	} * wait;
	size_t wait_at, wait_count, wait_cap;
	uint32_t touch_at;
	bool immediate; /* no epochs: what is taken counts */
};

void weir_producers_fini(struct weir_producers *l);

bool weir_producer_name_ok(struct weir_str name);
/* Number of the producer, a new one when nobody had the name. -ENOMEM, WEIR_E_LIMIT. */
int64_t weir_producers_of(struct weir_producers *l, struct weir_str name);
/* 0 or -ENOMEM. */
int weir_producers_took(struct weir_producers *l, uint32_t i, uint64_t bytes,
			const struct weir_decoder *d);

void weir_producers_freeze(struct weir_producers *l, struct weir_out *o, uint64_t epoch);
/* true: all have been marked. */
bool weir_producers_touch(struct weir_producers *l, bool begin, size_t budget);
/* Everything restored is durable. 0, -ENOMEM, or WEIR_E_CORRUPT. */
int weir_producers_restore(struct weir_producers *l, struct weir_reader *in);
/* true: some offset became durable. */
bool weir_producers_settle(struct weir_producers *l, uint64_t durable);

#endif
