/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/segment_map.h - what segment.c and segment_create.c share. For nobody else.
 */
#ifndef WEIR_SHM_SEGMENT_MAP_H
#define WEIR_SHM_SEGMENT_MAP_H

#include "shm/segment.h"

/* Maps header to texts: size bytes of s->fd. */
int weir__segment_map(struct weir_segment *s, uint64_t size, struct weir_err *err);
/* Sets the pointers and the constants that are kept privately; h has been verified. */
void weir__segment_pointers(struct weir_segment *s, const struct weir_seg_header *h);
int weir__segment_tables(struct weir_segment *s, uint32_t ring_count);
/* Unmaps and frees everything but the descriptor. */
void weir__segment_drop(struct weir_segment *s);

#endif
