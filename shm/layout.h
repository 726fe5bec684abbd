/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/layout.h - every byte that processes share. Published format: docs/formats/shm.md.
 *
 * A segment is one memory object (memfd or hugetlbfs file):
 *
 *   0                 header_size                                  rings_end        total_size
 *   | weir_seg_header | doorbells | counters | ring blocks | texts | data area of ring 0 | 1 | ..
 *
 *   Data areas start and end at multiples of data_align (the page size of the backing), so that a
 *   process can map each of them twice in a row.
 * Rules: offsets only, no pointers; one writer per field, named here; sizes asserted; readers trust
 *        nothing (shm/inspect.h).
 */
#ifndef WEIR_SHM_LAYOUT_H
#define WEIR_SHM_LAYOUT_H

#include "shm/atomic.h"

#define WEIR_SEG_MAGIC UINT64_C(0x3147455352494557) /* "WEIRSEG1" little endian */
#define WEIR_SEG_VERSION 1u
#define WEIR_RING_MAGIC UINT32_C(0x474e4952) /* "RING" */

enum weir_seg_state {
	WEIR_SEG_CREATING = 0,
	WEIR_SEG_READY = 1,
	WEIR_SEG_CLOSED = 2, /* the creator is done with it */
	WEIR_SEG_COPY = 3 /* made by weir-rings copy: nobody works on it */
};

/* Written by the creator before state becomes READY, then constant, except where said. */
struct weir_seg_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t total_size;
	uint64_t data_align;
	uint32_t doorbell_count, counter_count, ring_count, schema_count;
	/* In the file they follow each other: doorbells, counters, rings, names, schemas, rings_end. */
	uint64_t doorbells_off, counters_off, rings_off, schemas_off, names_off, rings_end;
	uint64_t generation; /* random; differs for every segment ever made */
	uint64_t created_unix_ns;
	uint32_t creator_pid;
	uint32_t backing; /* enum weir_backing */
	uint64_t creator_start_time; /* field 22 of /proc/PID/stat: tells a reused pid apart */
	char name[64]; /* of the pipeline, 0-terminated */
	weir_atomic_u32 state; /* enum weir_seg_state; creator */
	uint8_t reserved[4096 - 196];
};

/* One for each waiting thread. A sleeper sets sleeping, looks once more, then waits on the word. */
struct weir_doorbell {
	weir_atomic_u32 word; /* grows with every wake; ringers */
	weir_atomic_u32 sleeping; /* ticket of a sleeper, or 0; owner sets, anyone clears by CAS */
	weir_atomic_u32 ticket; /* last ticket used, never 0 after the first; owner */
	uint8_t reserved[52];
};

/* Statistics cell: name in the names text at name_off. One writer. */
struct weir_counter {
	weir_atomic_u64 value;
	uint32_t name_off; /* from names_off; "step.3.rows_in" style, 0-terminated */
	uint32_t kind; /* 0 counter (only grows), 1 gauge (int64) */
};

enum weir_role_state {
	WEIR_ROLE_FREE = 0,
	WEIR_ROLE_ATTACHED = 1,
	WEIR_ROLE_DETACHED = 2, /* dropped in good order */
	WEIR_ROLE_CLAIMING = 3 /* won, pid and start_time are being written */
};

/* Who holds one end. Written by the holder of the role; claiming it is a CAS on state_gen, which
 * also names the winner, so that a claimant that dies half way can be told from one at work. */
struct weir_ring_role {
	weir_atomic_u64 state_gen; /* bits 0-7 enum weir_role_state, 8-31 pid, 32-63 generation */
	weir_atomic_u64 start_time; /* of the holder, as in /proc/PID/stat */
	weir_atomic_u32 pid;
	uint32_t reserved;
};

/* Each ring: constant part, the producer's lines, the consumer's lines. */
struct weir_ring_block {
	/* constant after creation */
	uint32_t magic;
	uint32_t index;
	uint64_t data_off;
	uint64_t capacity; /* power of two, multiple of data_align */
	uint64_t reserve; /* bytes only control frames may use */
	uint32_t schema; /* index into the schema texts, UINT32_MAX: none */
	uint32_t frame_max;
	uint32_t producer_doorbell, consumer_doorbell; /* index, UINT32_MAX: none */
	char name[72];

	/* producer writes */
	weir_atomic_u64 tail __attribute__((aligned(128))); /* bytes published since creation */
	struct weir_ring_role producer;
	weir_atomic_u64 blocked_since_ns; /* CLOCK_MONOTONIC, 0: not blocked */
	weir_atomic_u64 blocked_ns; /* total */

	/* consumer writes */
	weir_atomic_u64 head __attribute__((aligned(128))); /* bytes given back since creation */
	struct weir_ring_role consumer;

	uint8_t pad[0] __attribute__((aligned(128)));
};

_Static_assert(sizeof(struct weir_seg_header) == 4096, "published format");
_Static_assert(sizeof(struct weir_doorbell) == 64, "published format");
_Static_assert(sizeof(struct weir_counter) == 16, "published format");
_Static_assert(sizeof(struct weir_ring_role) == 24, "published format");
_Static_assert(sizeof(struct weir_ring_block) == 384, "published format");

enum weir_backing {
	WEIR_BACKING_PAGES = 0, /* ordinary 4 KiB pages */
	WEIR_BACKING_THP = 1, /* ordinary, transparent huge pages asked for and allowed */
	WEIR_BACKING_2M = 2,
	WEIR_BACKING_1G = 3,
};

#endif
