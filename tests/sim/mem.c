/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a life: a list that is freed as a whole. Rings: mapped once, used by one life after the other. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/mirror.h"
#include "tests/sim/mem.h"
#include "tests/sim/pages.h"

struct sim_mem_block {
	struct sim_mem_block *prev, *next;
	size_t size;
	void *start; /* of the allocation */
	uint64_t magic;
};

#define MAGIC UINT64_C(0x77656972626c6f63)

static void *mem_alloc(void *ctx, size_t size, size_t align)
{
	struct sim_mem *m = ctx;
	struct sim_mem_block *b;
	uint8_t *start;
	uintptr_t at;

	align = WEIR_MAX(align, (size_t)16);
	start = sim_alloc(size + sizeof(*b) + align);
	at = ((uintptr_t)start + sizeof(*b) + align - 1) & ~(uintptr_t)(align - 1);
	b = (struct sim_mem_block *)(at - sizeof(*b));
	*b = (struct sim_mem_block){
		.next = m->blocks, .size = size, .start = start, .magic = MAGIC};
	if (m->blocks)
		m->blocks->prev = b;
	m->blocks = b;
	m->bytes += size;
	m->bytes_max = WEIR_MAX(m->bytes_max, m->bytes);
	return (void *)at;
}

static void mem_free(void *ctx, void *p, size_t size)
{
	struct sim_mem *m = ctx;
	struct sim_mem_block *b;

	if (!p)
		return;
	b = (struct sim_mem_block *)((uint8_t *)p - sizeof(*b));
	if (b->magic != MAGIC || b->size != size)
		sim_fail(sim_now, "L5", "memory is given back with another size than it was taken");
	b->magic = 0;
	if (b->prev)
		b->prev->next = b->next;
	else
		m->blocks = b->next;
	if (b->next)
		b->next->prev = b->prev;
	m->bytes -= size;
	free(b->start);
}

void sim_mem_init(struct sim_mem *m)
{
	memset(m, 0, sizeof(*m));
	m->mem = (struct weir_mem){.alloc = mem_alloc, .free = mem_free, .ctx = m};
}

void sim_mem_fini(struct sim_mem *m)
{
	while (m->blocks) {
		struct sim_mem_block *b = m->blocks;

		m->blocks = b->next;
		free(b->start);
	}
}

/* ---- rings ---- */

static struct sim_ring *rings;

struct sim_ring *sim_ring_take(uint64_t capacity, uint64_t reserve)
{
	struct sim_ring *r = rings;

	while (r && (r->used || r->capacity != capacity))
		r = r->next;
	if (!r) {
		int fd = memfd_create("ring", 0);

		r = sim_alloc(sizeof(*r));
		r->capacity = capacity;
		r->block = aligned_alloc(128, sizeof(*r->block));
		if (fd < 0 || !r->block || ftruncate(fd, (off_t)capacity) < 0 ||
		    weir_mirror_map(fd, 0, capacity, 4096, true, &r->base) < 0)
			abort();
		close(fd);
		r->next = rings;
		rings = r;
	}
	memset(r->block, 0, sizeof(*r->block));
	r->block->capacity = capacity;
	r->block->reserve = reserve;
	r->used = true;
	return r;
}

void sim_ring_give(struct sim_ring *r)
{
	r->used = false;
}

void sim_mem_free(void)
{
	while (rings) {
		struct sim_ring *r = rings;

		rings = r->next;
		weir_mirror_unmap(r->base, r->capacity);
		free(r->block);
		free(r);
	}
	sim_pages_free();
}
