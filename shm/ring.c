/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/ring.h"

void weir_ring_tx_init(struct weir_ring_tx *tx, struct weir_ring_block *block, uint8_t *base)
{
	uint64_t tail = weir_load_acquire(&block->tail);

	*tx = (struct weir_ring_tx){
		.base = base,
		.tail = tail,
		.head_cache = weir_load_acquire(&block->head),
		.mask = block->capacity - 1,
		.capacity = block->capacity,
		.data_capacity = block->capacity - block->reserve,
		.block = block,
		.published = tail,
	};
}

void weir_ring_rx_init(struct weir_ring_rx *rx, struct weir_ring_block *block, const uint8_t *base)
{
	uint64_t head = weir_load_acquire(&block->head);

	*rx = (struct weir_ring_rx){
		.base = base,
		.head = head,
		.tail_cache = head,
		.mask = block->capacity - 1,
		.block = block,
		.released = head,
	};
}

bool weir_ring_put_control(struct weir_ring_tx *tx, unsigned kind, uint64_t key_hash,
			   int64_t time_ns)
{
	struct {
		struct weir_frame f;
		uint8_t zero[WEIR_CONTROL_BYTES - sizeof(struct weir_frame)];
	} c = {.f = {.size = WEIR_CONTROL_BYTES,
		     .kind = (uint8_t)kind,
		     .key_hash = key_hash,
		     .time_ns = time_ns}};

	weir_assert(kind > WEIR_FRAME_DATA && kind < WEIR_FRAME_KIND_COUNT);
	return weir_ring_put_frame(tx, &c.f);
}
