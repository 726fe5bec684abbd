/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/segment.h - creating, attaching and mapping the shared segment.
 *
 * Use:     the engine creates one segment per pipeline; gateways and tools attach to it by the file
 *          descriptor they get over the control socket, or by path.
 * Backing: memfd with 2 MiB (or 1 GiB) huge pages when enough are free, else memfd with transparent
 *          huge pages, else plain pages. Never an error; weir_segment_backing_text() says what it
 *          is and why, in one line. With `path` in the options: a file (hugetlbfs, or any).
 * Errors:  negative errno; WEIR_E_RANGE, WEIR_E_FORMAT (options), WEIR_E_BUSY (path in use) from
 *          create; WEIR_E_FORMAT, WEIR_E_VERSION, WEIR_E_CORRUPT, WEIR_E_TOO_SMALL from attach,
 *          which validates every offset and count before anything is used; WEIR_E_STOPPED when
 *          it is not ready for writers (closed, a copy). A failed call leaves *ret untouched.
 * Thread:  create, attach and close from one thread; the rest is read-only.
 */
#ifndef WEIR_SHM_SEGMENT_H
#define WEIR_SHM_SEGMENT_H

#include "base/err.h"
#include "shm/ring.h"

struct weir_ring_spec {
	char name[72];
	uint64_t capacity; /* bytes; rounded up to a power of two and the page size */
	uint32_t schema; /* index into schemas, UINT32_MAX: none */
	uint32_t frame_max;
	uint32_t producer_doorbell, consumer_doorbell; /* UINT32_MAX: none */
};

struct weir_counter_spec {
	char name[120];
	uint32_t kind;
};

struct weir_segment_options {
	const char *name;
	const char
		*path; /* NULL: memfd. Else a new file; one left by a dead process is replaced, and
			   * an orderly close removes it. On hugetlbfs its page size is used. */
	bool huge; /* memfd: try huge pages */
	uint32_t doorbell_count;
	uint32_t ring_count;
	const struct weir_ring_spec *ring;
	uint32_t counter_count;
	const struct weir_counter_spec *counter;
	uint32_t schema_count;
	const struct weir_schema *const *schema;
	int node; /* NUMA node to prefer for all of it, -1: none (rings are bound one by one) */
};

struct weir_segment {
	int fd;
	uint8_t *map; /* header up to rings_end */
	size_t map_size;
	bool writable;
	struct weir_seg_header *header;
	struct weir_doorbell *doorbell;
	struct weir_counter *counter;
	struct weir_ring_block *ring;
	uint8_t **ring_base; /* doubly mapped data areas, NULL until mapped */
	/* As validated; later changes in shared memory are not believed. */
	uint32_t ring_count, schema_count;
	uint64_t data_align;
	struct weir_segment_area *area; /* of each ring */
	const char *schemas;
	size_t schemas_size;
	char *path; /* created here: removed by close */
	bool created; /* by this process */
	char backing_text[200];
};

struct weir_segment_area {
	uint64_t data_off, capacity;
};

int weir_segment_create(const struct weir_segment_options *opt, struct weir_segment *ret,
			struct weir_err *err);

/* Keeps fd on success. Read-only or read-write. */
int weir_segment_attach(int keep_fd, bool writable, struct weir_segment *ret, struct weir_err *err);

/* Maps the data area of one ring (twice in a row). Idempotent. Touches nothing, so that the caller
 * can bind the memory first (numa/bind.h). WEIR_E_CORRUPT when the positions break R1. */
int weir_segment_map_ring(struct weir_segment *s, uint32_t ring, struct weir_err *err);

/* Makes every page of a mapped ring present now, where it is bound. An error (no memory) is only a
 * warning for most callers: pages come with first use anyway. Huge pages are reserved already. */
int weir_segment_populate_ring(struct weir_segment *s, uint32_t ring);

/* Schema of index i, parsed from its text (shm/schema_text.h). */
int weir_segment_schema(const struct weir_segment *s, uint32_t i, struct weir_schema *ret,
			struct weir_err *err);

/* Unmaps, closes; marks the segment closed when this process created it. NULL-safe fields. */
void weir_segment_close(struct weir_segment *s);

/* One line: "2 MiB huge pages", or "4 KiB pages: no free huge pages (vm.nr_hugepages is 0)". */
const char *weir_segment_backing_text(const struct weir_segment *s);

/* Claims a ring end for this process. WEIR_E_BUSY when a living process holds it (also this one); a
 * dead holder is replaced (generation grows; *ret_was_dead, which may be NULL, says so). All
 * processes of a segment live in one pid namespace. */
int weir_ring_role_claim(struct weir_ring_role *role, bool *ret_was_dead);
/* Nothing happens when this process does not hold it. */
void weir_ring_role_drop(struct weir_ring_role *role);

enum weir_peer { WEIR_PEER_NONE = 0, WEIR_PEER_ALIVE = 1, WEIR_PEER_DEAD = 2, WEIR_PEER_LEFT = 3 };
/* Is the holder still there? pid and start time, not heartbeats. */
enum weir_peer weir_ring_role_peer(const struct weir_ring_role *role);

/* Start time of a process in clock ticks since boot, 0: no such process, or it has ended and only
 * waits to be reaped. */
uint64_t weir_process_start_time(uint32_t pid);

#endif
