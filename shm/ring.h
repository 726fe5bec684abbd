/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/ring.h - one-producer one-consumer byte ring in shared memory.
 *
 * Use:        one ring is one connection between two tasks, or a task and a gateway.
 * Shape:      a byte ring whose data area is mapped twice in a row:
 *
 *               base            base+capacity        base+2*capacity
 *               | data           | the same data again |
 *                     ^ head & mask      ^ tail & mask (+capacity): always one contiguous span
 *
 *             Positions are bytes since creation, 64 bit, never wrap. All are multiples of 8.
 * Roles:      producer (weir_ring_tx), consumer (weir_ring_rx), any number of read-only inspectors.
 * Memory:     handles are private to their thread; the block and data belong to the segment.
 * Batching:   claim/keep as often as you like, then publish once; peek/consume, then release once.
 * Control:    data claims leave `reserve` bytes free, control claims may use them.
 * Invariants: R1 0 <= tail - head <= capacity
 *             R2 bytes in [head, tail) belong to the consumer, the others to the producer
 *             R3 only the producer writes tail, only the consumer writes head; both only grow
 * Crash:      a dead peer leaves R1..R3 true: what was not published was never there.
 * Waiting:    none here. shm/doorbell.h wakes sleepers; a polling side just looks again.
 * Source:     Lamport's ring; cached remote index after MCRingBuffer (Lee et al., IPDPS 2010);
 *             mirrored mapping as in the "magic ring buffer".
 * Tests:      tests/unit/shm/test_ring.c, tests/stress, tests/model (exhaustive, C11 model)
 */
#ifndef WEIR_SHM_RING_H
#define WEIR_SHM_RING_H

#include "base/assert.h"
#include "base/schema.h"
#include "shm/layout.h"

struct weir_ring_tx {
	uint8_t *base;
	uint64_t tail; /* next byte to write; ahead of the published one inside a batch */
	uint64_t head_cache; /* the consumer's head as last seen */
	uint64_t mask, capacity, data_capacity;
	struct weir_ring_block *block;
	uint64_t published;
};

struct weir_ring_rx {
	const uint8_t *base;
	uint64_t head; /* next byte to read; ahead of the released one inside a batch */
	uint64_t tail_cache; /* the producer's tail as last seen */
	uint64_t mask;
	struct weir_ring_block *block;
	uint64_t released;
};

/* base: the doubly mapped data area. Handles continue at the positions in the block (so a restarted
 * peer goes on where the last one published or released). Does not claim the role. */
void weir_ring_tx_init(struct weir_ring_tx *tx, struct weir_ring_block *block, uint8_t *base);
void weir_ring_rx_init(struct weir_ring_rx *rx, struct weir_ring_block *block, const uint8_t *base);

/* ---- producer ---- */

weir_inline uint64_t weir_ring__free(struct weir_ring_tx *tx, uint64_t capacity, uint64_t want)
{
	/* Signed on purpose: data_capacity may lie behind the tail after control frames. */
	int64_t room = (int64_t)(tx->head_cache + capacity - tx->tail);

	if (weir_unlikely(room < (int64_t)want)) {
		/* P1: pairs with C2 in weir_ring_release(): the consumer has read what it gave back. */
		tx->head_cache = weir_load_acquire(&tx->block->head);
		room = (int64_t)(tx->head_cache + capacity - tx->tail);
	}
	return room > 0 ? (uint64_t)room : 0;
}

/* Bytes of data that can be claimed now; looks at the consumer's position when fewer than want. */
weir_inline uint64_t weir_ring_room(struct weir_ring_tx *tx, uint64_t want)
{
	return weir_ring__free(tx, tx->data_capacity, want);
}

/* Contiguous span of n bytes (a multiple of 8), or NULL when the ring is too full. May be called
 * again without keeping anything. */
weir_inline void *weir_ring_claim(struct weir_ring_tx *tx, uint64_t n)
{
	if (weir_unlikely(weir_ring_room(tx, n) < n))
		return NULL;
	return tx->base + (tx->tail & tx->mask);
}

/* The same for control frames, which may use the reserved room. */
weir_inline void *weir_ring_claim_control(struct weir_ring_tx *tx, uint64_t n)
{
	if (weir_unlikely(weir_ring__free(tx, tx->capacity, n) < n))
		return NULL;
	return tx->base + (tx->tail & tx->mask);
}

/* Keeps n claimed bytes; not yet visible. */
weir_inline void weir_ring_keep(struct weir_ring_tx *tx, uint64_t n)
{
	weir_data_written(tx->base + (tx->tail & tx->mask), n);
	tx->tail += n;
}

/* Makes everything kept visible. */
weir_inline void weir_ring_publish(struct weir_ring_tx *tx)
{
	if (tx->published == tx->tail)
		return; /* no write to a line the consumer polls unless there is news */
	tx->published = tx->tail;
	/* P2: pairs with C1 in weir_ring_peek(): the bytes are written before the position. */
	weir_store_release(&tx->block->tail, tx->tail);
}

/* Forgets what was kept and not published. */
weir_inline void weir_ring_discard(struct weir_ring_tx *tx)
{
	tx->tail = tx->published;
}

/* ---- consumer ---- */

/* Contiguous readable bytes at *ret_p; looks at the producer's position when fewer than want. */
weir_inline uint64_t weir_ring_peek(struct weir_ring_rx *rx, uint64_t want, const void **ret_p)
{
	uint64_t n = rx->tail_cache - rx->head;

	if (n < want) {
		/* C1: pairs with P2 in weir_ring_publish(). */
		rx->tail_cache = weir_load_acquire(&rx->block->tail);
		n = rx->tail_cache - rx->head;
	}
	*ret_p = rx->base + (rx->head & rx->mask);
	weir_data_read(*ret_p, n);
	return n;
}

/* Done with n bytes; the producer does not get them back yet. */
weir_inline void weir_ring_consume(struct weir_ring_rx *rx, uint64_t n)
{
	rx->head += n;
}

/* Gives everything consumed back to the producer. */
weir_inline void weir_ring_release(struct weir_ring_rx *rx)
{
	if (rx->released == rx->head)
		return;
	rx->released = rx->head;
	/* C2: pairs with P1 in weir_ring__free(): the bytes were read before the position moves. */
	weir_store_release(&rx->block->head, rx->head);
}

/* ---- frames on top ---- */

/* Copies a frame; false when the ring is too full (data frames leave the reserve alone). */
weir_inline bool weir_ring_put_frame(struct weir_ring_tx *tx, const struct weir_frame *f)
{
	uint32_t n = weir_frame_stride(f);
	void *p = f->kind == WEIR_FRAME_DATA ? weir_ring_claim(tx, n)
					     : weir_ring_claim_control(tx, n);

	if (weir_unlikely(!p))
		return false;
	weir_frame_copy(p, f, n);
	weir_ring_keep(tx, n);
	return true;
}

/* Copies data frames, as many as there is room for; returns how many. The hash of an earlier key means
 * nothing to the reader: copies lose it. */
weir_inline uint32_t weir_ring_put_frames(struct weir_ring_tx *tx,
					  const struct weir_frame *const *row, uint32_t count)
{
	int64_t room = (int64_t)(tx->head_cache + tx->data_capacity - tx->tail);
	uint64_t tail = tx->tail;
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint32_t n = weir_frame_stride(row[i]);
		struct weir_frame *to = (struct weir_frame *)(void *)(tx->base + (tail & tx->mask));

		if (weir_unlikely(room < (int64_t)n)) {
			tx->tail = tail;
			room = (int64_t)weir_ring_room(tx, n);
			if (room < (int64_t)n)
				break;
		}
		weir_frame_copy(to, row[i], n);
		weir_data_written(to, n);
		if (weir_unlikely(to->flags & WEIR_FRAME_F_HASHED)) {
			to->flags &= (uint8_t)~WEIR_FRAME_F_HASHED;
			to->key_hash = 0;
		}
		tail += n;
		room -= (int64_t)n;
	}
	tx->tail = tail;
	return i;
}

/* Control frame without a payload, WEIR_CONTROL_BYTES long. */
bool weir_ring_put_control(struct weir_ring_tx *tx, unsigned kind, uint64_t key_hash,
			   int64_t time_ns);

#endif
