/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/lib/memdisk.h - a struct weir_disk in memory, for tests of the journal.
 *
 * Use:    memdisk_init(); d->disk goes to the journal. Writes are applied when poll() gives them back: in order, or
 *         shuffled with a seed. Power cut: after `die_at` steps (completions and changes of the directory) the disk
 *         is dead: everything fails with -EIO. memdisk_cut() then decides for each write that was on its way: there,
 *         not there, or torn at 512 bytes; the disk works again.
 * Faults: by number of the write, counted from 1: fail, lose (success, but nothing is written), misdirect (lands
 *         `misdirect_by` blocks away). By place: read_bad.
 * Checks: shapes, buffers that change while they are on their way, handles.
 */
#ifndef WEIR_TESTS_LIB_MEMDISK_H
#define WEIR_TESTS_LIB_MEMDISK_H

#include "base/prng.h"
#include "engine/core/disk.h"

#define MEMDISK_FILES 1024
#define MEMDISK_PENDING 256

struct memdisk_file {
	char name[96]; /* "": free */
	uint64_t bytes;
	uint8_t *data;
	uint32_t handles;
};

struct memdisk_write {
	int file;
	uint64_t offset, token, number;
	size_t n;
	const uint8_t *from; /* NULL: its buffer is gone */
	uint8_t *copy;
	bool late; /* started when the power was gone */
};

struct memdisk {
	struct weir_disk disk;
	struct memdisk_file file[MEMDISK_FILES];
	struct memdisk_write pending[MEMDISK_PENDING];
	uint32_t pending_count, open_files, buffers;
	struct weir_prng prng;
	bool shuffle, slow; /* slow: one completion for each poll() */
	bool dead;
	uint64_t steps, die_at, writes, reads;
	uint64_t fail_write, lose_write, misdirect_write;
	int64_t misdirect_by;
	uint64_t space; /* bytes that may be reserved */
	int open_error, rename_error, unlink_error, list_error; /* for the next call, then 0 */
	uint32_t open_error_at, list_error_at; /* the call after that many minus one; 0: the next */
	int create_error;
	const char *read_bad; /* file whose block at read_bad_at is unreadable */
	uint64_t read_bad_at;
	int read_error; /* 0: -EIO */
};

void memdisk_init(struct memdisk *d, uint64_t seed);
void memdisk_fini(struct memdisk *d);
void memdisk_cut(struct memdisk *d);
/* Same files; nothing on its way. dst is initialised here. */
void memdisk_copy(struct memdisk *dst, const struct memdisk *src);
struct memdisk_file *memdisk_find(struct memdisk *d, const char *name);
void memdisk_put(struct memdisk *d, const char *name, const void *p, uint64_t n, uint64_t bytes);
void memdisk_remove(struct memdisk *d, const char *name);

#endif
