/* SPDX-License-Identifier: Apache-2.0 */
#include "base/doc.h"

#include <stdarg.h>
#include <stdio.h>

void weir_diags_init(struct weir_diags *d, struct weir_region *keep_region)
{
	memset(d, 0, sizeof(*d));
	d->region = keep_region;
	d->diag = weir_region_array(keep_region, struct weir_diag, WEIR_DIAGS_MAX);
}

void weir_diag(struct weir_diags *d, struct weir_doc_pos pos, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	if (d->count == WEIR_DIAGS_MAX) {
		d->dropped++;
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	n = WEIR_MAX(n, 0);
	text = weir_region_alloc(d->region, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	d->diag[d->count++] = (struct weir_diag){pos, text};
}

static bool after(struct weir_doc_pos a, struct weir_doc_pos b)
{
	return a.line != b.line ? a.line > b.line : a.column > b.column;
}

/* Stable: what was said first about a place stays first. The list is short. */
void weir_diags_sort(struct weir_diags *d)
{
	for (uint32_t i = 1; i < d->count; i++) {
		struct weir_diag x = d->diag[i];
		uint32_t k = i;

		for (; k > 0 && after(d->diag[k - 1].pos, x.pos); k--)
			d->diag[k] = d->diag[k - 1];
		d->diag[k] = x;
	}
}

struct weir_doc *weir_doc_get(const struct weir_doc *map, const char *key)
{
	if (!map || map->kind != WEIR_DOC_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->count; i++)
		if (weir_str_is(map->entry[i].key, key))
			return map->entry[i].value;
	return NULL;
}
