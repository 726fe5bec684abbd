/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/query_box.h"

#include <sched.h>
#include <stddef.h>

bool weir_query_box_post(struct weir_query_box *b, struct weir_query_post *p)
{
	struct weir_query_post *none = NULL;

	atomic_store_explicit(&p->answered, false, memory_order_relaxed);
	return atomic_compare_exchange_strong_explicit(&b->post, &none, p, memory_order_release,
						       memory_order_relaxed);
}

bool weir_query_box_cancel(struct weir_query_box *b, struct weir_query_post *p)
{
	struct weir_query_post *mine = p;

	/* Not another post at the same address: this one is alive. */
	if (atomic_compare_exchange_strong_explicit(&b->post, &mine, NULL, memory_order_acquire,
						    memory_order_relaxed))
		return false;
	while (!weir_query_box_answered(p))
		sched_yield();
	return true;
}

struct weir_query_post *weir_query_box_take(struct weir_query_box *b)
{
	return atomic_exchange_explicit(&b->post, NULL, memory_order_acquire);
}

void weir_query_box_done(struct weir_query_post *p)
{
	atomic_store_explicit(&p->answered, true, memory_order_release);
}
