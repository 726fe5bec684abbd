/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/mirror.h - mapping one range of a file twice in a row, so that a ring never wraps.
 */
#ifndef WEIR_SHM_MIRROR_H
#define WEIR_SHM_MIRROR_H

#include "base/base.h"

/* size and offset: multiples of the page size of fd; align: a power of two, at least that page
 * size. 0 or negative errno. */
int weir_mirror_map(int fd, uint64_t offset, uint64_t size, uint64_t align, bool writable,
		    uint8_t **ret_base);
void weir_mirror_unmap(uint8_t *base, uint64_t size);

#endif
