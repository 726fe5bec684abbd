/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jemalloc gets its extents from chunks that are mapped here: multiples of 2 MiB, bound to the
 * arena's node, from the best backing there is at that moment. An extent is cut from the newest
 * chunk while it fits. Nothing is given back before the arena closes: jemalloc keeps free extents
 * and uses them again, and a huge page that is returned in parts would be split.
 *
 * Source: jemalloc(3), "extent_hooks_t"; mmap(2), mbind(2), madvise(2).
 */
#include "numa/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "numa/arena_oom.h"
#include "numa/bind.h"

#define CHUNK_BYTES ((size_t)2 << 20)
#define HUGETLB_2M (21 << 26) /* log2 of the page size, shifted by MAP_HUGE_SHIFT */
#define POPULATE_WRITE 23 /* MADV_POPULATE_WRITE, Linux 5.14 */

/* jemalloc asks for growing extents (four steps per doubling): 64 bits are used up long before. */
#define CHUNKS_MAX 4096

enum backing { BACKING_HUGETLB = 0, BACKING_THP = 1, BACKING_PLAIN = 2, BACKING_COUNT };

static const char *const backing_name[BACKING_COUNT] = {
	[BACKING_HUGETLB] = "2 MiB huge pages",
	[BACKING_THP] = "transparent huge pages",
	[BACKING_PLAIN] = "4 KiB pages",
};

struct chunk {
	uint8_t *p;
	size_t size;
};

struct weir_arena {
	extent_hooks_t hooks; /* first: jemalloc hands us its address */
	struct weir_mem mem;
	unsigned index; /* jemalloc's */
	int flags; /* of mallocx */
	int os_node;
	bool huge, thp;
	/* A text for each set of backings in use, made beforehand: hooks must not allocate. */
	char text[1 << BACKING_COUNT][120];
	atomic_uint used; /* bit per backing */
	atomic_uint_least64_t bytes;
	pthread_mutex_t lock; /* of what follows */
	uint8_t *at, *end; /* rest of the newest chunk with room */
	unsigned chunk_count;
	struct chunk chunk[CHUNKS_MAX];
};

static uint8_t *map_hugetlb(const struct weir_arena *a, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | HUGETLB_2M, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (a->os_node >= 0)
		(void)weir_bind_memory(p, size, (unsigned)a->os_node);
	/* Pages are reserved but may be on a node that is not allowed to us: finding out now is an
	 * error code, later a signal. A kernel too old to know this call is trusted. */
	if (madvise(p, size, POPULATE_WRITE) && errno != EINVAL) {
		munmap(p, size);
		return NULL;
	}
	return p;
}

/* Aligned to align (a multiple of the page size), by cutting both ends of a larger mapping. */
static uint8_t *map_pages(const struct weir_arena *a, size_t size, size_t align)
{
	uint8_t *p, *aligned;
	size_t head;

	if (size > SIZE_MAX - align)
		return NULL;
	p = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	aligned = (uint8_t *)WEIR_ALIGN_UP((uintptr_t)p, (uintptr_t)align);
	head = (size_t)(aligned - p);
	if (head)
		munmap(p, head);
	if (align - head)
		munmap(aligned + size, align - head);
	if (a->os_node >= 0)
		(void)weir_bind_memory(aligned, size, (unsigned)a->os_node);
	return aligned;
}

static uint8_t *map_chunk(struct weir_arena *a, size_t size, size_t align)
{
	enum backing backing = BACKING_PLAIN;
	uint8_t *p = NULL;

	if (a->chunk_count == CHUNKS_MAX)
		return NULL;
	if (a->huge && align <= CHUNK_BYTES) {
		p = map_hugetlb(a, size);
		backing = BACKING_HUGETLB;
	}
	if (!p) {
		p = map_pages(a, size, align);
		backing = p && a->huge && a->thp && madvise(p, size, MADV_HUGEPAGE) == 0
				  ? BACKING_THP
				  : BACKING_PLAIN;
	}
	if (!p)
		return NULL;
	a->chunk[a->chunk_count++] = (struct chunk){p, size};
	atomic_fetch_or_explicit(&a->used, 1u << backing, memory_order_relaxed);
	atomic_fetch_add_explicit(&a->bytes, size, memory_order_relaxed);
	return p;
}

static void *hook_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment,
			bool *zero, bool *commit, unsigned arena_ind)
{
	struct weir_arena *a = (struct weir_arena *)hooks;
	uint8_t *p = NULL;

	(void)arena_ind;
	if (new_addr || size > SIZE_MAX / 2 || alignment > SIZE_MAX / 4)
		return NULL;
	pthread_mutex_lock(&a->lock);
	if (a->at) {
		uintptr_t from = WEIR_ALIGN_UP((uintptr_t)a->at, (uintptr_t)alignment);

		if (from <= (uintptr_t)a->end && size <= (uintptr_t)a->end - from) {
			p = (uint8_t *)from;
			a->at = p + size;
		}
	}
	if (!p) {
		size_t whole = WEIR_ALIGN_UP(size, CHUNK_BYTES);

		p = map_chunk(a, whole, WEIR_MAX(alignment, CHUNK_BYTES));
		if (p && whole - size > (size_t)(a->end - a->at)) {
			a->at = p + size;
			a->end = p + whole;
		}
	}
	pthread_mutex_unlock(&a->lock);
	if (p) {
		*zero = true; /* fresh from the kernel, used by nobody before */
		*commit = true;
	}
	return p;
}

/* jemalloc's sign: true refuses. Refused memory stays jemalloc's and is used again. */
static bool hook_dalloc(extent_hooks_t *hooks, void *p, size_t size, bool committed, unsigned ind)
{
	(void)hooks, (void)p, (void)size, (void)committed, (void)ind;
	return true;
}

static bool hook_split(extent_hooks_t *hooks, void *p, size_t size, size_t a, size_t b,
		       bool committed, unsigned ind)
{
	(void)hooks, (void)p, (void)size, (void)a, (void)b, (void)committed, (void)ind;
	return false;
}

static bool hook_merge(extent_hooks_t *hooks, void *a, size_t a_size, void *b, size_t b_size,
		       bool committed, unsigned ind)
{
	(void)hooks, (void)a, (void)a_size, (void)b, (void)b_size, (void)committed, (void)ind;
	return false;
}

/* A missing hook is one that refuses: commit, decommit and purge are never wanted here. */
static const extent_hooks_t hooks_template = {
	.alloc = hook_alloc,
	.dalloc = hook_dalloc,
	.split = hook_split,
	.merge = hook_merge,
};

static void *arena_alloc(void *ctx, size_t size, size_t align)
{
	struct weir_arena *a = ctx;
	void *p =
		mallocx(WEIR_MAX(size, (size_t)1), a->flags | MALLOCX_ZERO | MALLOCX_ALIGN(align));

	if (weir_unlikely(!p))
		weir_arena_oom(size, atomic_load_explicit(&a->bytes, memory_order_relaxed));
	return p;
}

/* Not sdallocx(): it wants the alignment of the allocation too, which struct weir_mem forgets. */
static void arena_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	if (p)
		dallocx(p, MALLOCX_TCACHE_NONE);
}

/* "always [madvise] never": anything but never will do. */
static bool thp_enabled(void)
{
	char text[64];
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 && !strstr(text, "[never]");
}

static void make_texts(struct weir_arena *a)
{
	char node[32] = "";

	if (a->os_node >= 0)
		snprintf(node, sizeof(node), " on node %d", a->os_node);
	snprintf(a->text[0], sizeof(a->text[0]), "nothing yet");
	for (unsigned used = 1; used < 1u << BACKING_COUNT; used++) {
		size_t len = 0;

		for (unsigned b = 0; b < BACKING_COUNT; b++)
			if (used & 1u << b)
				len += (size_t)snprintf(a->text[used] + len,
							sizeof(a->text[used]) - len, "%s%s",
							len ? ", " : "", backing_name[b]);
		snprintf(a->text[used] + len, sizeof(a->text[used]) - len, "%s", node);
	}
}

static int set_decay(unsigned index, const char *kind)
{
	char name[48];
	ssize_t never = -1;

	snprintf(name, sizeof(name), "arena.%u.%s_decay_ms", index, kind);
	return mallctl(name, NULL, NULL, &never, sizeof(never));
}

int weir_arena_open(int os_node, bool huge, struct weir_arena **ret, struct weir_err *err)
{
	struct weir_arena *a = calloc(1, sizeof(*a));
	extent_hooks_t *hooks;
	size_t len = sizeof(a->index);
	int rc;

	if (!a)
		return weir_err_set(err, -ENOMEM, "no memory for an arena");
	a->hooks = hooks_template;
	a->os_node = os_node;
	a->huge = huge;
	a->thp = huge && thp_enabled();
	pthread_mutex_init(&a->lock, NULL);
	make_texts(a);
	hooks = &a->hooks;
	/* The arena's own bookkeeping comes through the hooks too: the first chunk is mapped now. */
	rc = mallctl("arenas.create", &a->index, &len, &hooks, sizeof(hooks));
	if (rc) {
		pthread_mutex_destroy(&a->lock);
		free(a);
		return weir_err_set(err, -rc, "cannot create a memory arena: %s",
				    weir_strerror(-rc));
	}
	/* Nothing can be purged, so looking for it would be lost time. Refusal would be harmless. */
	(void)set_decay(a->index, "dirty");
	(void)set_decay(a->index, "muzzy");
	a->flags = (int)MALLOCX_ARENA(a->index) | MALLOCX_TCACHE_NONE;
	a->mem = (struct weir_mem){.alloc = arena_alloc, .free = arena_free, .ctx = a};
	*ret = a;
	return 0;
}

const struct weir_mem *weir_arena_mem(struct weir_arena *a)
{
	return &a->mem;
}

const char *weir_arena_text(const struct weir_arena *a)
{
	return a->text[atomic_load_explicit(&a->used, memory_order_relaxed)];
}

uint64_t weir_arena_bytes(const struct weir_arena *a)
{
	return atomic_load_explicit(&a->bytes, memory_order_relaxed);
}

void weir_arena_close(struct weir_arena *a)
{
	char name[32];
	int rc;

	if (!a)
		return;
	snprintf(name, sizeof(name), "arena.%u.destroy", a->index);
	rc = mallctl(name, NULL, NULL, NULL, 0);
	weir_assert(rc == 0);
	for (unsigned i = 0; i < a->chunk_count; i++)
		munmap(a->chunk[i].p, a->chunk[i].size);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
