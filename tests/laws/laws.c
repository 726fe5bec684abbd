/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The laws of CRDTs at length: laws CASES SEED [TYPE]. Exit status 1 and the case when one does not hold.
 */
#include <stdio.h>
#include <stdlib.h>

#include "state/crdt_laws.h"

static void *take(void *ctx, size_t size, size_t align)
{
	void *p = calloc(1, size ? size : 1);

	(void)ctx;
	(void)align;
	if (!p)
		abort();
	return p;
}

static void give(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

/* The larger text. */
static int64_t larger(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		      size_t cap)
{
	struct weir_str x = {a, an}, y = {b, bn};
	const struct weir_str *best = weir_str_cmp(x, y) >= 0 ? &x : &y;

	(void)ctx;
	if (best->n > cap)
		return -1;
	if (best->n)
		memcpy(out, best->p, best->n);
	return (int64_t)best->n;
}

/* Small limits, so that the ends are met. */
static uint32_t limit_of(unsigned type)
{
	switch (type) {
	case WEIR_CRDT_TOPK:
		return 1;
	case WEIR_CRDT_CUSTOM:
		return 64;
	default:
		return 4;
	}
}

int main(int argc, char **argv)
{
	const struct weir_mem mem = {.alloc = take, .free = give};
	const struct weir_crdt_custom custom = {.join = larger};
	uint64_t cases = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	for (unsigned i = 1; i < WEIR_CRDT_TYPE_COUNT; i++) {
		const struct weir_crdt t = {
			.type = (enum weir_crdt_type)i, .limit = limit_of(i), .custom = &custom};
		struct weir_err err = {0};

		if (argc > 3 && (int)i != weir_crdt_find(weir_str_c(argv[3])))
			continue;
		if (weir_crdt_laws(&t, seed, cases, &mem, &err)) {
			printf("%s\n", err.text);
			return 1;
		}
		printf("%s: %llu cases\n", weir_crdt_name(i), (unsigned long long)cases);
		fflush(stdout);
	}
	return 0;
}
