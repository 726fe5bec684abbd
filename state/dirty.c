/* SPDX-License-Identifier: Apache-2.0 */
#include "state/dirty.h"

#define CAP_MIN 64u

static void list_free(struct weir_dirty *d, uint32_t *list, uint32_t cap)
{
	if (cap)
		d->mem->free(d->mem->ctx, list, (size_t)cap * sizeof(*list));
}

void weir_dirty_init(struct weir_dirty *d, const struct weir_mem *keep_mem)
{
	*d = (struct weir_dirty){.mem = keep_mem, .now = 2};
}

void weir_dirty_fini(struct weir_dirty *d)
{
	list_free(d, d->changed, d->changed_cap);
	list_free(d, d->frozen, d->frozen_cap);
	weir_dirty_init(d, d->mem);
}

void weir_dirty_clear(struct weir_dirty *d)
{
	d->changed_count = d->frozen_count = d->frozen_at = 0;
}

void weir_dirty__grow(struct weir_dirty *d)
{
	uint32_t cap = d->changed_cap ? d->changed_cap * 2 : CAP_MIN;
	uint32_t *list = d->mem->alloc(d->mem->ctx, (size_t)cap * sizeof(*list), 16);

	if (d->changed_count)
		memcpy(list, d->changed, (size_t)d->changed_count * sizeof(*list));
	list_free(d, d->changed, d->changed_cap);
	d->changed = list;
	d->changed_cap = cap;
}
