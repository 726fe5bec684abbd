/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/disk_impl.h - what the back ends of engine/edge/disk.h share.
 *
 * Shape:  struct weir_disk_base is the first member of each back end, and the ctx of its operations.
 *         disk_dir.c and disk_file.c have all operations but write and poll; disk_pool.c the memory,
 *         disk_op.c the writes; disk.c chooses.
 * Writes: struct weir_disk_op from weir_disk_op_new(), given back by weir_disk_op_end(), which also closes a
 *         file whose close() came before. Both belong to the thread that polls.
 */
#ifndef WEIR_ENGINE_EDGE_DISK_IMPL_H
#define WEIR_ENGINE_EDGE_DISK_IMPL_H

#include "engine/edge/disk.h"

struct weir_disk_op {
	struct weir_disk_op *next;
	const void *buf;
	size_t n;
	uint64_t offset, token;
	int file, fd;
	int result;
};

/* First in, first out. */
struct weir_disk_queue {
	struct weir_disk_op *first, *last;
};

struct weir_disk_file {
	int fd;
	uint32_t pending; /* writes that poll() has not given back */
	bool used;
	bool closing; /* close() was called */
};

struct weir_disk_pool {
	uint8_t *p;
	size_t bytes;
	size_t registered; /* the first bytes of it, with io_uring; 0: none */
	uint8_t *used; /* one per block */
};

/* A buffer that came back while writes were on the way. */
struct weir_disk_retired {
	struct weir_disk_retired *next;
	void *p;
	size_t n;
};

struct weir_disk_base {
	int dir_fd, quarantine_fd; /* -1: not open */
	bool read_only, direct;
	uint32_t pending; /* of all files */
	struct weir_disk_file file[WEIR_DISK_FILES_MAX];
	struct weir_disk_pool pool;
	struct weir_disk_retired *retired;
	struct weir_disk_op *free_ops;
	void (*ready)(struct weir_disk_base *b); /* the pool is there; may be NULL */
	void (*fini)(struct weir_disk_base *b); /* ends all writes, frees the back end itself */
	char how[128]; /* the first words of describe() */
	char about[192];
};

/* ---- disk_dir.c ---- */

/* Opens the directory, finds out about O_DIRECT, removes unfinished files. */
int weir_disk_base_init(struct weir_disk_base *b, const char *dir,
			const struct weir_disk_options *o, struct weir_err *err);
void weir_disk_base_fini(struct weir_disk_base *b);

/* A name, taken apart. */
struct weir_disk_place {
	int dir;
	const char *name;
};
/* make: quarantine/ is made when it is not there. -EINVAL: not a name. */
int weir_disk_place_of(struct weir_disk_base *b, const char *name, bool make,
		       struct weir_disk_place *ret);
int weir_disk_move(struct weir_disk_place from, struct weir_disk_place to); /* never replaces */

int weir_disk_list(void *ctx, void (*fn)(void *fn_ctx, const char *name, uint64_t bytes),
		   void *fn_ctx);
int weir_disk_rename(void *ctx, const char *from, const char *to);
int weir_disk_unlink(void *ctx, const char *name);
uint64_t weir_disk_space(void *ctx);
const char *weir_disk_describe(void *ctx);

/* ---- disk_file.c ---- */

/* A descriptor; without O_DIRECT where that is refused. */
int weir_disk_open_at(struct weir_disk_base *b, struct weir_disk_place p, int flags);

int weir_disk_file_open(void *ctx, const char *name, uint64_t bytes);
void weir_disk_file_close(void *ctx, int file);
int weir_disk_read(void *ctx, int file, uint64_t offset, void *buf, size_t n);
void weir_disk_release_retired(struct weir_disk_base *b); /* no write is on the way */
void *weir_disk_buffer(void *ctx, size_t n);
void weir_disk_buffer_free(void *ctx, void *p, size_t n);

/* All operations but write and poll. */
#define WEIR_DISK_BASE_OPS                                                                         \
	.list = weir_disk_list, .open = weir_disk_file_open, .close = weir_disk_file_close,        \
	.read = weir_disk_read, .rename = weir_disk_rename, .unlink = weir_disk_unlink,            \
	.buffer = weir_disk_buffer, .buffer_free = weir_disk_buffer_free,                          \
	.space = weir_disk_space, .describe = weir_disk_describe

/* ---- disk_pool.c ---- */

int weir_disk_pool_init(struct weir_disk_pool *p, size_t bytes);
void weir_disk_pool_fini(struct weir_disk_pool *p);
void *weir_disk_pool_get(struct weir_disk_pool *p, size_t n); /* NULL: full */
bool weir_disk_pool_put(struct weir_disk_pool *p, void *at, size_t n); /* false: not of the pool */

/* ---- disk_op.c ---- */

struct weir_disk_op *weir_disk_op_new(struct weir_disk_base *b, int file, uint64_t offset,
				      const void *buf, size_t n, uint64_t token);
void weir_disk_op_end(struct weir_disk_base *b, struct weir_disk_op *op,
		      struct weir_disk_done *ret);
void weir_disk_ops_free(struct weir_disk_base *b);
/* Result of a write that returned `wrote` (or -errno). */
int weir_disk_wrote(const struct weir_disk_op *op, int64_t wrote);

weir_inline void weir_disk_push(struct weir_disk_queue *q, struct weir_disk_op *op)
{
	op->next = NULL;
	if (q->last)
		q->last->next = op;
	else
		q->first = op;
	q->last = op;
}

/* NULL: empty. */
weir_inline struct weir_disk_op *weir_disk_pop(struct weir_disk_queue *q)
{
	struct weir_disk_op *op = q->first;

	if (op) {
		q->first = op->next;
		if (!q->first)
			q->last = NULL;
	}
	return op;
}

/* ---- disk_uring.c, disk_threads.c: -errno when it is refused; o's numbers are set ---- */

int weir_disk_uring_new(const struct weir_disk_options *o, struct weir_disk_base **ret,
			const struct weir_disk_ops **ret_ops);
int weir_disk_threads_new(const struct weir_disk_options *o, struct weir_disk_base **ret,
			  const struct weir_disk_ops **ret_ops);

#endif
