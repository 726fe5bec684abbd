/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/verify.h - is this header, this ring block what the format allows? Used by attach (which
 * refuses) and by the inspector (which reports).
 *
 * Use:    on private copies, so that what was checked cannot change afterwards. Pure.
 * Errors: WEIR_E_FORMAT (not a segment), WEIR_E_VERSION, WEIR_E_CORRUPT; err says which field.
 */
#ifndef WEIR_SHM_VERIFY_H
#define WEIR_SHM_VERIFY_H

#include "base/err.h"
#include "shm/layout.h"

#define WEIR_SEG_DOORBELLS_MAX 65536u
#define WEIR_SEG_COUNTERS_MAX 1048576u
#define WEIR_SEG_RINGS_MAX 65536u
#define WEIR_SEG_SCHEMAS_MAX 65536u
#define WEIR_SEG_TEXTS_MAX (UINT64_C(1) << 30)
#define WEIR_RING_CAPACITY_MAX (UINT64_C(1) << 40)
#define WEIR_SEG_SIZE_MAX (UINT64_C(1) << 46)

/* Everything except how long the file really is. */
int weir_seg_verify_header(const struct weir_seg_header *h, struct weir_err *err);

/* h verified. *inout_data_end: end of the data area before this one (start with 0): areas come in
 * ring order and do not overlap. Moved on also when the block is bad, as far as it can be known. */
int weir_seg_verify_ring(const struct weir_seg_header *h, const struct weir_ring_block *b,
			 uint32_t index, uint64_t *inout_data_end, struct weir_err *err);

/* First byte behind header, doorbells, counters, rings and texts, as it is mapped. */
weir_inline uint64_t weir_seg_meta_size(const struct weir_seg_header *h)
{
	return WEIR_ALIGN_UP(h->rings_end, h->data_align);
}

/* 0-terminated inside n bytes? */
weir_inline bool weir_seg_text_ok(const char *p, size_t n)
{
	return memchr(p, 0, n) != NULL;
}

#endif
