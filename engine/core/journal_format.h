/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/journal_format.h - bytes of the journal's files. docs/formats/journal.md describes them.
 *
 * Everything on disk is a unit: a head of 128 bytes, a body, zeroes up to the next block. One check for all of
 * them: weir_jnl_check() (I33). "Valid" means right place, right journal, right bytes; the hash of the unit
 * before (right lineage) is compared by the caller, who knows it.
 *
 * Shapes: little-endian, as the structs lie in memory. Pure, no state.
 */
#ifndef WEIR_ENGINE_CORE_JOURNAL_FORMAT_H
#define WEIR_ENGINE_CORE_JOURNAL_FORMAT_H

#include "base/checksum.h"
#include "engine/core/disk.h"

#define WEIR_JNL_MAGIC UINT64_C(0x6c6e726a72696577) /* "weirjrnl" */
#define WEIR_JNL_VERSION 1
#define WEIR_JNL_HEAD 128u
#define WEIR_JNL_UNIT_MAX ((uint32_t)1 << 20) /* head, body and padding */
#define WEIR_JNL_SEGMENT_MIN ((uint64_t)64 << 10)
#define WEIR_JNL_SEGMENT_MAX ((uint64_t)1 << 40)
#define WEIR_JNL_SLOTS 64u /* of the commit ring, one block each */
#define WEIR_JNL_COPIES 4u /* of the superblock */
#define WEIR_JNL_COPY_STEP 16384u
#define WEIR_JNL_NAME_MAX 64

/* "Segment" of units in the two files that are no segments. */
#define WEIR_JNL_IN_SUPER UINT32_MAX
#define WEIR_JNL_IN_RING (UINT32_MAX - 1)
#define WEIR_JNL_SEGMENT_LAST (UINT32_MAX - 2)

enum weir_jnl_type {
	WEIR_JNL_DATA = 1, /* bytes of a bundle */
	WEIR_JNL_COMMIT = 2, /* struct weir_jnl_commit */
	WEIR_JNL_RING = 3, /* head and body of a commit unit once more */
	WEIR_JNL_SUPER = 4 /* struct weir_jnl_super */
};

struct weir_jnl_head {
	uint64_t magic;
	uint16_t version;
	uint8_t type;
	uint8_t zero_a;
	uint32_t crc; /* CRC-32C of this head with 0 here */
	uint8_t identity[16];
	uint64_t fence, epoch;
	uint64_t offset; /* own address */
	uint32_t segment;
	uint32_t segment_blocks; /* length of the file it was written to */
	uint32_t bytes; /* of the body */
	uint32_t zero_b;
	uint64_t zero_c;
	struct weir_hash128 body; /* hash of the body */
	struct weir_hash128 before; /* hash of the head of the unit before */
	uint64_t zero_d[2];
};

struct weir_jnl_commit {
	uint64_t number; /* commit records are numbered from 1 without gaps */
	uint64_t epoch, fence;
	uint64_t bytes; /* of the bundle */
	uint64_t units; /* data units of the bundle */
	struct weir_hash128 heads; /* chain over the hashes of their heads */
	struct weir_hash128 before; /* hash of the head of the commit unit before */
};

struct weir_jnl_super {
	uint64_t sequence;
	uint64_t fence;
	uint64_t covered; /* epochs up to here need no replay */
	uint64_t number; /* commit records up to covered */
	uint64_t offset; /* where replay starts */
	uint32_t segment;
	uint32_t zero;
	struct weir_hash128 chain; /* hash of the head of the unit before */
	uint8_t identity[16];
	char pipeline[WEIR_JNL_NAME_MAX];
};

_Static_assert(sizeof(struct weir_jnl_head) == WEIR_JNL_HEAD, "as documented");
_Static_assert(sizeof(struct weir_jnl_commit) == 72, "as documented");
_Static_assert(sizeof(struct weir_jnl_super) == 144, "as documented");

struct weir_jnl_pos {
	uint32_t segment;
	uint64_t offset;
};

/* Why bytes are no valid unit. */
enum weir_jnl_bad {
	WEIR_JNL_OK = 0,
	WEIR_JNL_NO_UNIT, /* no magic */
	WEIR_JNL_HEAD_CRC,
	WEIR_JNL_OTHER_VERSION,
	WEIR_JNL_OTHER_JOURNAL,
	WEIR_JNL_ADDRESS,
	WEIR_JNL_LENGTH,
	WEIR_JNL_BODY,
	WEIR_JNL_CHAIN,
	WEIR_JNL_MISFIT, /* a commit record that is not one of the units before it */
	WEIR_JNL_UNREADABLE,
	WEIR_JNL_FILE_END,
	WEIR_JNL_BAD_COUNT
};
const char *weir_jnl_bad_text(enum weir_jnl_bad bad); /* "the head's checksum is wrong" */

/* Bytes on disk of a unit with a body of n bytes. */
weir_inline uint32_t weir_jnl_padded(uint32_t n)
{
	return WEIR_ALIGN_UP(n + WEIR_JNL_HEAD, WEIR_DISK_BLOCK);
}

weir_inline bool weir_jnl_pos_eq(struct weir_jnl_pos a, struct weir_jnl_pos b)
{
	return a.segment == b.segment && a.offset == b.offset;
}

/* Sets magic, version, hash of the body (which lies behind the head's bytes or elsewhere) and checksum. */
void weir_jnl_seal(struct weir_jnl_head *h, const void *body);

/* Head at p (WEIR_JNL_HEAD bytes) alone. identity NULL: any. Also fills *ret when the address is wrong. */
enum weir_jnl_bad weir_jnl_check(const void *p, const uint8_t *identity, struct weir_jnl_pos at,
				 struct weir_jnl_head *ret);
bool weir_jnl_body_ok(const struct weir_jnl_head *h, const void *body);

struct weir_hash128 weir_jnl_head_hash(const struct weir_jnl_head *h);
/* What the first unit of a journal names as the one before. */
struct weir_hash128 weir_jnl_origin(const uint8_t identity[16]);

/* A commit unit's block, or (slot) that of its copy in the ring. p: WEIR_DISK_BLOCK bytes. */
void weir_jnl_commit_block(void *p, const struct weir_jnl_head *h, const struct weir_jnl_commit *c);
void weir_jnl_slot_block(void *p, const struct weir_jnl_head *h, const struct weir_jnl_commit *c);
/* The commit unit in a ring slot's block. */
enum weir_jnl_bad weir_jnl_slot_read(const void *p, const uint8_t *identity, uint32_t slot,
				     struct weir_jnl_head *ret_head,
				     struct weir_jnl_commit *ret_commit);

void weir_jnl_super_block(void *p, const struct weir_jnl_super *s, uint32_t copy);
enum weir_jnl_bad weir_jnl_super_read(const void *p, uint32_t copy, struct weir_jnl_super *ret);

#define WEIR_JNL_FILE_SUPER "superblock"
#define WEIR_JNL_FILE_SUPER_NEW "superblock.new"
#define WEIR_JNL_FILE_RING "commits"
#define WEIR_JNL_FILE_LOCK "lock"
#define WEIR_JNL_FILE_NAME 24

void weir_jnl_segment_name(uint32_t segment, char ret[WEIR_JNL_FILE_NAME]);
bool weir_jnl_segment_number(const char *name, uint32_t *ret); /* false: no name of a segment */

#endif
