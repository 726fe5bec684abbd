/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/query_box.h - where a task finds a question about its state: a place for one.
 *
 *   asker                             worker of the task
 *   post() ──▶ [ box ] ──▶ take(), answers in post->out, done()
 *   answered(), or after a while cancel()
 *
 * A post is the asker's memory. From post() until answered() is true or cancel() has returned it stays, and is left alone.
 * Who takes it out of the box decides: the worker, and then it will be answered shortly (a piece is bounded and waits
 * for nothing), or the asker, and then no worker has seen it and none will.
 * Thread: any number of askers, each with posts of its own; one worker for each box.
 */
#ifndef WEIR_ENGINE_EDGE_QUERY_BOX_H
#define WEIR_ENGINE_EDGE_QUERY_BOX_H

#include <stdatomic.h>

#include "engine/core/query.h"

struct weir_query_post {
	struct weir_query q;
	uint32_t step;
	int code; /* what the hook gave */
	struct weir_query_out out;
	_Atomic bool answered;
	char rows[WEIR_QUERY_BYTES]; /* of out */
};

struct weir_query_box {
	_Atomic(struct weir_query_post *) post; /* NULL: empty */
};

/* false: another question is in it; try again later. out must be ready (weir_query_out_init()). */
bool weir_query_box_post(struct weir_query_box *b, struct weir_query_post *p);

weir_inline bool weir_query_box_answered(struct weir_query_post *p)
{
	return atomic_load_explicit(&p->answered, memory_order_acquire);
}

/* Of a post that is in the box, or has been taken. false: it has not been answered and never will be. true: it has been, since
 * the worker was faster. Either way the post is the caller's again. */
bool weir_query_box_cancel(struct weir_query_box *b, struct weir_query_post *p);

/* Worker: is there something? One relaxed load. */
weir_inline bool weir_query_box_has(struct weir_query_box *b)
{
	return atomic_load_explicit(&b->post, memory_order_relaxed) != NULL;
}

/* Worker: NULL: nothing, or it has been cancelled just now. */
struct weir_query_post *weir_query_box_take(struct weir_query_box *b);
/* Worker: the post is no longer its. */
void weir_query_box_done(struct weir_query_post *p);

#endif
