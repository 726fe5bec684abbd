/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/lane_end.h"

#include <stdio.h>

#include "base/assert.h"
#include "host/clock.h"
#include "host/heap.h"
#include "shm/doorbell.h"
#include "shm/role.h"

static void *lane_claim(void *ctx, uint32_t size)
{
	struct weir_lane_end *l = ctx;

	weir_assert(size % 8 == 0);
	return weir_ring_claim(&l->tx, size);
}

static void lane_keep(void *ctx, uint32_t size)
{
	struct weir_lane_end *l = ctx;

	weir_ring_keep(&l->tx, size);
}

void weir_lane_end_open(struct weir_lane_end *l, struct weir_ring_block *out, uint8_t *out_base,
			struct weir_ring_block *in, const uint8_t *in_base,
			struct weir_doorbell *keep_bell, uint32_t bells)
{
	memset(l, 0, sizeof(*l));
	pthread_mutex_init(&l->lock, NULL);
	weir_ring_tx_init(&l->tx, out, out_base);
	weir_ring_rx_init(&l->rx, in, in_base);
	l->frame_max = in->frame_max;
	l->bell = keep_bell;
	l->bells = bells;
	l->io = (struct weir_lane_io){.claim = lane_claim, .keep = lane_keep, .ctx = l};
	l->mem = &weir_heap_mem;
	l->now_ns = weir_mono_ns;
}

void weir_lane_end_close(struct weir_lane_end *l)
{
	pthread_mutex_destroy(&l->lock);
}

/* What the gateway would have written. */
static const struct weir_lane_head *closed(struct weir_lane_end *l, const char *why)
{
	struct weir_lane_head *h = (struct weir_lane_head *)(void *)l->made_up;
	uint32_t n = (uint32_t)strlen(why);

	memset(l->made_up, 0, sizeof(l->made_up));
	weir_assert(sizeof(*h) + n <= sizeof(l->made_up));
	memcpy(h + 1, why, n);
	weir_lane_seal(h, WEIR_LANE_CLOSED, n);
	l->is_open = false;
	return h;
}

static uint32_t gateway_generation(const struct weir_lane_end *l)
{
	return weir_role_generation(weir_load_acquire(&l->rx.block->producer.state_gen));
}

static const struct weir_lane_head *frame(struct weir_lane_end *l, const uint8_t *p, uint64_t n)
{
	const struct weir_lane_head *h = (const struct weir_lane_head *)(const void *)p;
	int64_t stride = weir_lane_stride(p, WEIR_MIN(n, l->rx.mask + 1), l->frame_max);

	if (n > l->rx.mask + 1 || stride <= 0 || (uint64_t)stride > n) {
		/* Whole frames are published, so this is none, and where the next one begins nobody knows. */
		l->bad++;
		l->read = n;
		return closed(l, "the gateway wrote what is no frame");
	}
	l->read = (uint64_t)stride;
	if (h->f.flags == WEIR_LANE_OPEN) {
		l->is_open = true;
		l->open_by = gateway_generation(l);
	} else if (h->f.flags == WEIR_LANE_CLOSED) {
		l->is_open = false;
	}
	return h;
}

const struct weir_lane_head *weir_lane_end_next(struct weir_lane_end *l)
{
	uint32_t gone = atomic_load_explicit(&l->gone_by, memory_order_acquire);
	const void *p;
	uint64_t n;

	weir_ring_consume(&l->rx, l->read);
	l->read = 0;
	n = weir_ring_peek(&l->rx, 1, &p);
	if (n)
		return frame(l, p, n);
	/* What it had still written comes first. */
	if (gone == l->closed_at)
		return NULL;
	l->closed_at = gone;
	/* Its successor may have opened the lane already. */
	return l->is_open && l->open_by <= gone ? closed(l, "the gateway is gone") : NULL;
}

bool weir_lane_end_waiting(struct weir_lane_end *l)
{
	const void *p;

	return weir_ring_peek(&l->rx, l->read + 1, &p) > l->read ||
	       atomic_load_explicit(&l->gone_by, memory_order_relaxed) != l->closed_at;
}

bool weir_lane_end_flush(struct weir_lane_end *l)
{
	bool moved;

	weir_ring_consume(&l->rx, l->read);
	l->read = 0;
	moved = l->rx.released != l->rx.head || l->tx.published != l->tx.tail;
	if (!moved)
		return false;
	weir_ring_release(&l->rx);
	weir_ring_publish(&l->tx);
	for (uint32_t i = 0; i < l->bells; i++)
		weir_doorbell_ring(&l->bell[i]);
	return true;
}

void weir_lane_end_gone(struct weir_lane_end *l, uint32_t generation)
{
	atomic_store_explicit(&l->gone_by, generation, memory_order_release);
}

void weir_lane_end_say(struct weir_lane_end *l, const char *cause)
{
	pthread_mutex_lock(&l->lock);
	if (*cause)
		l->sure = WEIR_MIN(l->sure + 1, WEIR_LANE_CAUSE_SURE);
	else if (l->sure)
		l->sure--;
	if ((*cause || !l->sure) && strncmp(l->cause, cause, sizeof(l->cause) - 1)) {
		snprintf(l->cause, sizeof(l->cause), "%s", cause);
		atomic_fetch_add(&l->cause_no, 1);
	}
	pthread_mutex_unlock(&l->lock);
}

const char *weir_lane_end_cause(struct weir_lane_end *l)
{
	uint32_t no = atomic_load_explicit(&l->cause_no, memory_order_relaxed);

	if (no == l->said_no)
		return l->said;
	pthread_mutex_lock(&l->lock);
	l->said_no = atomic_load(&l->cause_no);
	memcpy(l->said, l->cause, sizeof(l->said));
	pthread_mutex_unlock(&l->lock);
	return l->said;
}
