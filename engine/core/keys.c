/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys: each record to the output whose part of the key groups has its key. Parts are equal and contiguous, as in an
 * exchange by key (outlet.c); here an output is a region (regions.h).
 */
#include "base/assert.h"
#include "base/keyhash.h"
#include "engine/core/op.h"
#include "engine/core/pipeline.h"

struct keys {
	const struct weir_step *step;
	const struct weir_schema *in;
	uint8_t part[WEIR_KEY_GROUPS]; /* key group to port */
};

static void keys_rows(struct weir_node *n, const struct keys *o, uint32_t k)
{
	const struct weir_frame *const *row = n->in.row + n->in.pos;
	uint64_t hash[WEIR_BATCH_ROWS];

	weir_key_hash_rows(row, k, o->in, o->step->keys.key, o->step->keys.key_count, hash);
	for (uint32_t i = 0; i < k; i++)
		weir_port_push(&n->port[o->part[weir_key_group(hash[i])]], row[i]);
	n->in.pos += k;
	n->rows_in += k;
}

static int keys_run(struct weir_node *n)
{
	int progress = 0;

	if (n->in.pos < n->in.count) {
		uint32_t k = n->in.count - n->in.pos;

		for (uint32_t p = 0; p < n->port_count; p++)
			k = WEIR_MIN(k, weir_port_room(&n->port[p]));
		if (k == 0)
			return 0;
		keys_rows(n, n->op, k);
		progress = 1;
	}
	if (n->in.pos == n->in.count && n->in.ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

static const struct weir_op_class keys_class = {.name = "keys", .run = keys_run};

int weir_keys_init(struct weir_node *n, const struct weir_op_env *env)
{
	struct keys *o = weir_region_new(env->region, struct keys);

	weir_assert(n->port_count > 0 && n->port_count <= UINT8_MAX &&
		    env->step->keys.key_count > 0);
	o->step = env->step;
	o->in = env->in;
	for (uint32_t g = 0; g < WEIR_KEY_GROUPS; g++)
		o->part[g] = (uint8_t)(g * n->port_count / WEIR_KEY_GROUPS);
	n->cls = &keys_class;
	n->op = o;
	return 0;
}
