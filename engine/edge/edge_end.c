/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/edge_end.h"

#include "base/buf.h"
#include "engine/core/journal.h"
#include "host/heap.h"

uint32_t weir_edge_frame_max(uint32_t record_max)
{
	const uint32_t head =
		(uint32_t)(sizeof(struct weir_lane_head) + sizeof(struct weir_lane_data));

	if (record_max > WEIR_LANE_FRAME_LIMIT - head - 8)
		return 0;
	return WEIR_MAX(WEIR_LANE_FRAME_MIN_MAX, head + WEIR_ALIGN_UP(record_max, 8u));
}

struct weir_str weir_edge_hello(const struct weir_edge_end *edge, const struct weir_conn_env *env,
				const struct weir_schema *s)
{
	const struct weir_pipeline *p = env->pipeline;
	struct weir_out o;
	char *text;
	size_t n;

	weir_out_init(&o, &weir_heap_mem);
	weir_edge_hello_put(&o, p->cluster ? p->cluster : "", p->name, edge->of, edge->port,
			    edge->from, edge->to, s);
	n = (size_t)o.bytes;
	text = weir_region_alloc(env->region, n);
	weir_out_copy(&o, text);
	weir_out_fini(&o);
	return (struct weir_str){text, n};
}

uint64_t weir_edge_renewable_fence(const struct weir_journal *j, uint64_t fence)
{
	const uint8_t *p = weir_journal_identity(j);
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | p[i];
	return weir_edge_fence(ms / 1000, fence);
}

void weir_edge_sign(struct weir_buf *b, const struct weir_edge_end *edge,
		    const struct weir_schema *s)
{
	weir_buf_printf(b, "edge %016llx %s>%s", (unsigned long long)edge->id, edge->from,
			edge->to);
	for (uint32_t i = 0; i < s->field_count; i++) {
		weir_buf_char(b, ' ');
		weir_buf_str(b, weir_str_c(s->field[i].name));
		weir_buf_char(b, ':');
		weir_buf_type(b, &s->field[i]);
	}
}
