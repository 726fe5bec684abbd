/* SPDX-License-Identifier: Apache-2.0 */
/* union and key_by: records pass as they are; the merging or spreading is done by the rings around. */
#include "engine/core/op.h"

static int pass_run(struct weir_node *n)
{
	struct weir_batch *in = &n->in;
	int progress = 0;

	if (in->pos < in->count) {
		uint32_t k = WEIR_MIN(in->count - in->pos, weir_port_room(&n->port[0]));

		weir_port_push_rows(&n->port[0], in->row + in->pos, k);
		in->pos += k;
		n->rows_in += k;
		progress = k > 0;
	}
	if (in->pos == in->count && in->ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

static const struct weir_op_class pass_class = {.name = "pass", .run = pass_run};

int weir_pass_init(struct weir_node *n, const struct weir_op_env *env)
{
	(void)env;
	n->cls = &pass_class;
	return 0;
}
