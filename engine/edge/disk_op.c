/* SPDX-License-Identifier: Apache-2.0 */
/* Writes on the way: kept and given back in the thread that polls. */
#include <errno.h>
#include <unistd.h>

#include "base/assert.h"
#include "engine/edge/disk_impl.h"
#include "engine/edge/engine.h"

#define WRITE_MAX ((size_t)1 << 30) /* the kernel cuts a write at 2 GiB */

struct weir_disk_op *weir_disk_op_new(struct weir_disk_base *b, int file, uint64_t offset,
				      const void *buf, size_t n, uint64_t token)
{
	struct weir_disk_op *op = b->free_ops;
	struct weir_disk_file *f;

	weir_assert(file >= 0 && file < WEIR_DISK_FILES_MAX);
	f = &b->file[file];
	weir_assert(f->used && !f->closing);
	weir_assert(n && n <= WRITE_MAX && n % WEIR_DISK_BLOCK == 0);
	weir_assert(offset % WEIR_DISK_BLOCK == 0 && (uintptr_t)buf % WEIR_DISK_BLOCK == 0);
	if (op)
		b->free_ops = op->next;
	else
		op = weir_heap_mem.alloc(NULL, sizeof(*op), sizeof(void *));
	*op = (struct weir_disk_op){
		.buf = buf, .n = n, .offset = offset, .token = token, .file = file, .fd = f->fd};
	f->pending++;
	b->pending++;
	return op;
}

void weir_disk_op_end(struct weir_disk_base *b, struct weir_disk_op *op, struct weir_disk_done *ret)
{
	struct weir_disk_file *f = &b->file[op->file];

	*ret = (struct weir_disk_done){.token = op->token, .result = op->result};
	weir_assert(f->pending && b->pending);
	if (--b->pending == 0)
		weir_disk_release_retired(b);
	if (--f->pending == 0 && f->closing) {
		close(f->fd);
		f->used = f->closing = false;
	}
	op->next = b->free_ops;
	b->free_ops = op;
}

void weir_disk_ops_free(struct weir_disk_base *b)
{
	struct weir_disk_op *op;

	while ((op = b->free_ops)) {
		b->free_ops = op->next;
		weir_heap_mem.free(NULL, op, sizeof(*op));
	}
}

int weir_disk_wrote(const struct weir_disk_op *op, int64_t wrote)
{
	if (wrote < 0)
		return (int)wrote;
	return (uint64_t)wrote == op->n ? 0 : -EIO;
}
