/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a bundle: head, step table, parts. What is read is written again, and must be the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "engine/core/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static const struct weir_mem mem = {.alloc = take, .free = give};
static struct weir_bundle_head head;

static bool parts(struct weir_reader *r, struct weir_out *o)
{
	struct weir_part part;
	struct weir_err err;
	int k;

	while ((k = weir_bundle_part_read(r, &head, &part, &err)) > 0) {
		struct weir_out body;

		weir_assert(part.step < head.step_count);
		weir_assert(part.task < head.step[part.step].tasks);
		weir_out_init(&body, &mem);
		weir_out_put(&body, part.in.p, weir_reader_left(&part.in));
		weir_bundle_part_put(o, part.kind, part.step, part.task, &body);
		weir_out_fini(&body);
	}
	weir_assert(k == 0 || err.text[0]);
	return k == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly this size, so that the sanitizer sees the first byte too many. */
	uint8_t *exact = calloc(1, size ? size : 1), *again;
	struct weir_reader r = weir_reader_of(exact, size);
	struct weir_err err = {0};
	struct weir_out o;

	if (size)
		memcpy(exact, data, size);
	weir_out_init(&o, &mem);
	if (weir_bundle_head_read(&r, &head, &err) < 0) {
		weir_assert(err.text[0]);
	} else {
		weir_bundle_head_put(&o, &head);
		if (parts(&r, &o)) {
			weir_assert(o.bytes == size);
			again = malloc(size);
			weir_out_copy(&o, again);
			weir_assert(memcmp(again, exact, size) == 0);
			free(again);
		}
	}
	weir_out_fini(&o);
	free(exact);
	return 0;
}
