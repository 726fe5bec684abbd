/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/global.h"

#include "base/keyhash.h"

/* clang-format off */
static const struct weir_schema schema = {
	.field_count = WEIR_GLOBAL_FIELDS,
	.fixed_size = 8 * WEIR_GLOBAL_FIELDS,
	.field = {
		[WEIR_GLOBAL_KIND] = {.name = "kind", .type = {.type = WEIR_INT64}},
		[WEIR_GLOBAL_REGION] = {.name = "region", .type = {.type = WEIR_INT64}},
		[WEIR_GLOBAL_VERSION] = {.name = "version", .type = {.type = WEIR_INT64}},
		[WEIR_GLOBAL_KEY] = {.name = "key", .type = {.type = WEIR_BYTES}},
		[WEIR_GLOBAL_START] = {.name = "window_start", .type = {.type = WEIR_TIMESTAMP}},
		[WEIR_GLOBAL_END] = {.name = "window_end", .type = {.type = WEIR_TIMESTAMP}},
		[WEIR_GLOBAL_BODY] = {.name = "body", .type = {.type = WEIR_BYTES}},
	},
};
/* clang-format on */

const struct weir_schema *weir_global_schema(void)
{
	return &schema;
}

int64_t weir_global_region_id(const char *name)
{
	int64_t id = (int64_t)weir_hash_text(weir_str_c(name));

	return id ? id : 1;
}

void weir_global_counts_put(struct weir_out *o, const struct weir_global_counts *c)
{
	weir_out_varint(o, c->in);
	weir_out_varint(o, c->late);
	weir_out_varint(o, c->rejected);
}

bool weir_global_counts_get(struct weir_str body, struct weir_global_counts *ret)
{
	struct weir_reader r = weir_reader_of(body.p, body.n);

	ret->in = weir_read_varint(&r);
	ret->late = weir_read_varint(&r);
	ret->rejected = weir_read_varint(&r);
	return !r.bad && !weir_reader_left(&r);
}
