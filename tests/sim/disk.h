/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/disk.h - struct weir_disk over memory, with what disks do to writes.
 *
 *   submitted ──time──▶ completed: in the image, survives a power cut
 *       │ kill:      each is whole, not there, or there up to some block
 *       │ power cut: each is whole, not there, or torn at any 512 bytes, in any order
 *       │ error:     the same as a power cut, and the process is told -EIO from then on
 *
 * Damage: a stale write (acknowledged, did not happen), a misdirected write, rot. One at a time, and the model keeps
 *         what should stand there: as long as there is damage, a report of corruption is right; wrong results are
 *         never right; without damage a report is wrong. sim_disk_heal() is the operator who repairs from a good copy.
 * Names:  create, rename and unlink are durable when they return. A kill while a segment is made leaves no file, the
 *         file, or one that is cut short.
 * Checks: no two writes under way overlap; the buffer of a write does not change before it completes.
 */
#ifndef WEIR_TESTS_SIM_DISK_H
#define WEIR_TESTS_SIM_DISK_H

#include "engine/core/disk.h"
#include "tests/sim/sim.h"

enum sim_damage {
	SIM_DAMAGE_NONE = 0,
	SIM_DAMAGE_ROT, /* bits of a block */
	SIM_DAMAGE_BACK, /* a block is as it was before it was last written */
	SIM_DAMAGE_SCRATCH, /* three of the four copies of the superblock are gone */
	SIM_DAMAGE_GONE, /* a file was removed */
	SIM_DAMAGE_STALE, /* a write did not happen */
	SIM_DAMAGE_MISDIRECT, /* a write went elsewhere */
};

struct sim_file {
	char name[64];
	uint32_t id; /* of the trace: never used again */
	uint64_t bytes;
	uint64_t room; /* of image and old */
	bool making; /* it has a name, and not yet its length */
	uint8_t *image;
	uint8_t *old; /* what each block held before it was last written */
	uint8_t *written; /* per block */
	bool there;
	uint32_t open;
};

struct sim_write {
	struct sim_file *file;
	uint64_t offset;
	size_t n;
	const void *buf; /* the process's */
	uint8_t *copy;
	uint64_t token, due_ns;
	int result;
};

struct sim_hurt { /* one damaged block */
	struct sim_file *file;
	uint64_t block;
	uint8_t truth[WEIR_DISK_BLOCK];
};

#define SIM_WRITES_MAX 4096
#define SIM_FILES_MAX 4096

struct sim_disk {
	struct sim *s;
	struct sim_file *file[SIM_FILES_MAX];
	uint32_t file_count, next_id;
	uint32_t handles; /* open ones */
	struct sim_write *way; /* under way, in the order of submission */
	uint32_t way_count;
	struct weir_disk_done *done; /* completed, not yet told */
	uint32_t done_count;
	struct sim_buffer *buffers;
	enum sim_damage damage; /* kind of the damage at hand */
	struct sim_hurt *hurt;
	uint32_t hurt_count;
	struct sim_file *lost; /* removed behind the engine's back */
	size_t hurt_cap;
	bool reading; /* the engine is in a read */
	bool twin_seen; /* some block may have an older unit of the same place (sim_disk_twins) */
	bool view_truth; /* the view shows what should stand there */
	uint64_t full_until_ns, slow_until_ns;
	/* of this life: what excuses an error */
	bool write_failed, read_failed, full_seen;
	bool error_told; /* poll() has given an error back */
	uint64_t reads_bytes; /* of segments, since the journal was opened */
	uint64_t writes, bytes; /* of all lives */
};

struct sim_disk *sim_disk_new(struct sim *s);
void sim_disk_free(struct sim_disk *d);

struct weir_disk sim_disk_of(struct sim_disk *d);
/* The same files as they are now, without faults; refuses writes. For checkers. */
struct weir_disk sim_disk_view(struct sim_disk *d);

uint64_t
sim_disk_next(const struct sim_disk *d); /* when the next write completes; 0: none is under way */
void sim_disk_settle(struct sim_disk *d); /* completes what is due */
bool sim_disk_news(const struct sim_disk *d); /* poll() would give something */
void sim_disk_kill(struct sim_disk *d, bool power); /* the process is gone */
void sim_disk_rot(struct sim_disk *d); /* something at rest changes */
void sim_disk_twins(struct sim_disk *d); /* a block goes back to an older unit of the same place */
bool sim_disk_must_report(const struct sim_disk *d); /* nobody may start on what is there now */
void sim_disk_heal(struct sim_disk *d);
bool sim_disk_hurt(const struct sim_disk *d);

/* disk_fault.c: how a write ends. */
enum sim_write_end { SIM_WRITE_WHOLE, SIM_WRITE_LOST, SIM_WRITE_PREFIX, SIM_WRITE_TORN };
void sim_disk_put(struct sim_disk *d, const struct sim_write *w, enum sim_write_end end);
/* An acknowledged write, maybe with damage. */
void sim_disk_complete(struct sim_disk *d, const struct sim_write *w);
void sim_disk_truth(const struct sim_disk *d, const struct sim_file *f, uint64_t offset, void *buf,
		    size_t n);
void sim_disk_forget_file(struct sim_disk *d, const struct sim_file *f);

/* disk.c: what both of its interfaces use. */
#define SIM_DISK_PLENTY (UINT64_C(1) << 40)
struct sim_file *sim_disk_find(const struct sim_disk *d, const char *name);
int sim_disk_slot(const struct sim_disk *d, const struct sim_file *f);
int sim_disk_list(void *ctx, void (*fn)(void *fn_ctx, const char *name, uint64_t bytes),
		  void *fn_ctx);
void *sim_disk_buffer(void *ctx, size_t n);
void sim_disk_buffer_free(void *ctx, void *p, size_t n);
void sim_disk_buffer_for_reads(struct sim_disk *d, const void *p); /* nothing else writes to it */
void sim_disk_buffer_filled(struct sim_disk *d, const void *p, size_t n);
const char *sim_disk_describe(void *ctx);

#endif
