/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "tests/sim/sim.h"

#define PAGE 4096u
#define CLASSES 40u /* one per power of two */

/* The list of free blocks lies outside of them: they stay zeroed. */
static struct pages_class {
	void **p;
	size_t count, cap;
} class[CLASSES];

static unsigned class_of(size_t n)
{
	unsigned c = 12;

	while ((size_t)1 << c < n)
		c++;
	return c;
}

void *sim_pages_take(size_t n)
{
	unsigned c = class_of(n);
	void *p;

	if (class[c].count)
		return class[c].p[--class[c].count];
	p = mmap(NULL, (size_t)1 << c, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}

/* How far memory was written. n: a multiple of PAGE. */
static size_t used(const uint8_t *p, size_t n)
{
	while (n) {
		uint64_t any = 0, w[32];

		memcpy(w, p + n - sizeof(w), sizeof(w));
		for (unsigned i = 0; i < WEIR_COUNT_OF(w); i++)
			any |= w[i];
		if (any)
			break;
		n -= sizeof(w);
	}
	return n;
}

void sim_pages_give_used(void *p, size_t n, size_t upto)
{
	struct pages_class *k = &class[class_of(n)];

	memset(p, 0, upto);
	k->p = sim_grow(k->p, &k->cap, k->count + 1, sizeof(*k->p));
	k->p[k->count++] = p;
}

void sim_pages_give(void *p, size_t n)
{
	if (p)
		sim_pages_give_used(p, n, used(p, WEIR_ALIGN_UP(n, (size_t)PAGE)));
}

void sim_pages_free(void)
{
	for (unsigned c = 0; c < CLASSES; c++) {
		while (class[c].count)
			munmap(class[c].p[--class[c].count], (size_t)1 << c);
		free(class[c].p);
		class[c] = (struct pages_class){0};
	}
}
