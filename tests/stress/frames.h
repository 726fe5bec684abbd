/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stress/frames.h - frames whose every byte is known from their number, so that a reader can
 * tell a wrong, torn, lost or repeated one.
 *
 * Every 16th is a control frame (barrier). Data frames have 0 to 63 words of payload.
 */
#ifndef WEIR_TESTS_STRESS_FRAMES_H
#define WEIR_TESTS_STRESS_FRAMES_H

#include "shm/ring.h"
#include "tests/stress/stress.h"

#define FRAME_MAX (24 + 63 * 8)

static inline uint32_t frame_size_of(uint64_t seq)
{
	uint64_t r = seq + 77;

	if (seq % 16 == 15)
		return WEIR_CONTROL_BYTES;
	return (uint32_t)(sizeof(struct weir_frame) + 8 * (stress_random(&r) % 64));
}

/* false: no room now. */
static inline bool frame_put(struct weir_ring_tx *tx, uint64_t seq)
{
	uint32_t size = frame_size_of(seq);
	struct weir_frame *f;
	uint64_t r = seq;

	if (seq % 16 == 15)
		return weir_ring_put_control(tx, WEIR_FRAME_BARRIER, seq, (int64_t)~seq);
	f = weir_ring_claim(tx, size);
	if (!f)
		return false;
	*f = (struct weir_frame){
		.size = size, .kind = WEIR_FRAME_DATA, .key_hash = seq, .time_ns = (int64_t)~seq};
	for (uint64_t *w = (uint64_t *)(f + 1); w < (uint64_t *)((uint8_t *)f + size); w++)
		*w = stress_random(&r);
	weir_ring_keep(tx, size);
	return true;
}

/* Is this exactly frame number seq? */
static inline bool frame_is(const struct weir_frame *f, uint64_t available, uint64_t seq)
{
	uint32_t size = frame_size_of(seq);
	uint64_t r = seq, want;

	if (available < size || f->size != size || f->key_hash != seq ||
	    f->time_ns != (int64_t)~seq || f->stream != 0 || f->flags != 0 ||
	    f->kind != (seq % 16 == 15 ? WEIR_FRAME_BARRIER : WEIR_FRAME_DATA))
		return false;
	for (const uint64_t *w = (const uint64_t *)(f + 1);
	     w < (const uint64_t *)((const uint8_t *)f + size); w++) {
		want = f->kind == WEIR_FRAME_DATA ? stress_random(&r) : 0;
		if (*w != want)
			return false;
	}
	return true;
}

#endif
