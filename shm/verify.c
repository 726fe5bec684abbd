/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/verify.h"

static int verify_bad(struct weir_err *err, const char *field, uint64_t value)
{
	return weir_err_set(err, WEIR_E_CORRUPT, "header: %s is %llu", field,
			    (unsigned long long)value);
}

/* Each part begins where the part before it ends at the earliest, and is aligned for its type. */
static int verify_part(const char *name, uint64_t off, uint64_t align, uint64_t before,
		       struct weir_err *err)
{
	if (off < before || off % align || off > WEIR_SEG_SIZE_MAX)
		return verify_bad(err, name, off);
	return 0;
}

static int verify_counts(const struct weir_seg_header *h, struct weir_err *err)
{
	if (h->doorbell_count > WEIR_SEG_DOORBELLS_MAX)
		return verify_bad(err, "doorbell_count", h->doorbell_count);
	if (h->counter_count > WEIR_SEG_COUNTERS_MAX)
		return verify_bad(err, "counter_count", h->counter_count);
	if (h->ring_count > WEIR_SEG_RINGS_MAX)
		return verify_bad(err, "ring_count", h->ring_count);
	if (h->schema_count > WEIR_SEG_SCHEMAS_MAX)
		return verify_bad(err, "schema_count", h->schema_count);
	return 0;
}

static int verify_offsets(const struct weir_seg_header *h, struct weir_err *err)
{
	uint64_t at = sizeof(*h);
	int r;

	r = verify_part("doorbells_off", h->doorbells_off, 64, at, err);
	if (r < 0)
		return r;
	at = h->doorbells_off + (uint64_t)h->doorbell_count * sizeof(struct weir_doorbell);
	r = verify_part("counters_off", h->counters_off, 16, at, err);
	if (r < 0)
		return r;
	at = h->counters_off + (uint64_t)h->counter_count * sizeof(struct weir_counter);
	r = verify_part("rings_off", h->rings_off, 128, at, err);
	if (r < 0)
		return r;
	at = h->rings_off + (uint64_t)h->ring_count * sizeof(struct weir_ring_block);
	r = verify_part("names_off", h->names_off, 1, at, err);
	if (r < 0)
		return r;
	r = verify_part("schemas_off", h->schemas_off, 1, h->names_off, err);
	if (r < 0)
		return r;
	r = verify_part("rings_end", h->rings_end, 8, h->schemas_off, err);
	if (r < 0)
		return r;
	if (h->rings_end - h->names_off > WEIR_SEG_TEXTS_MAX)
		return verify_bad(err, "rings_end", h->rings_end);
	return 0;
}

int weir_seg_verify_header(const struct weir_seg_header *h, struct weir_err *err)
{
	int r;

	if (h->magic != WEIR_SEG_MAGIC)
		return weir_err_set(err, WEIR_E_FORMAT, "not a weir segment (wrong magic)");
	if (h->version != WEIR_SEG_VERSION)
		return weir_err_set(err, WEIR_E_VERSION,
				    "segment format version %u, this program knows %u", h->version,
				    WEIR_SEG_VERSION);
	if (h->header_size != sizeof(*h))
		return verify_bad(err, "header_size", h->header_size);
	if (!WEIR_IS_POW2(h->data_align) || h->data_align < 4096 ||
	    h->data_align > (UINT64_C(1) << 30))
		return verify_bad(err, "data_align", h->data_align);
	r = verify_counts(h, err);
	if (r < 0)
		return r;
	r = verify_offsets(h, err);
	if (r < 0)
		return r;
	if (h->total_size > WEIR_SEG_SIZE_MAX || h->total_size % h->data_align ||
	    h->total_size < weir_seg_meta_size(h))
		return verify_bad(err, "total_size", h->total_size);
	if (h->generation == 0)
		return verify_bad(err, "generation", h->generation);
	if (!weir_seg_text_ok(h->name, sizeof(h->name)))
		return weir_err_set(err, WEIR_E_CORRUPT, "header: name has no end");
	return 0;
}

static int verify_ring_bad(struct weir_err *err, uint32_t index, const char *field, uint64_t value)
{
	return weir_err_set(err, WEIR_E_CORRUPT, "ring %u: %s is %llu", index, field,
			    (unsigned long long)value);
}

int weir_seg_verify_ring(const struct weir_seg_header *h, const struct weir_ring_block *b,
			 uint32_t index, uint64_t *inout_data_end, struct weir_err *err)
{
	uint64_t before = WEIR_MAX(*inout_data_end, weir_seg_meta_size(h));

	if (b->magic != WEIR_RING_MAGIC)
		return verify_ring_bad(err, index, "magic", b->magic);
	if (b->index != index)
		return verify_ring_bad(err, index, "index", b->index);
	if (!WEIR_IS_POW2(b->capacity) || b->capacity < h->data_align ||
	    b->capacity > WEIR_RING_CAPACITY_MAX)
		return verify_ring_bad(err, index, "capacity", b->capacity);
	if (b->data_off % h->data_align || b->data_off > h->total_size ||
	    b->capacity > h->total_size - b->data_off)
		return verify_ring_bad(err, index, "data_off", b->data_off);
	*inout_data_end = WEIR_MAX(before, b->data_off + b->capacity);
	if (b->data_off < before)
		return weir_err_set(err, WEIR_E_CORRUPT,
				    "ring %u: data area at %llu overlaps what is before it", index,
				    (unsigned long long)b->data_off);
	if (b->reserve % 8 || b->reserve > b->capacity / 2)
		return verify_ring_bad(err, index, "reserve", b->reserve);
	if (b->frame_max > b->capacity - b->reserve)
		return verify_ring_bad(err, index, "frame_max", b->frame_max);
	if (b->schema != UINT32_MAX && b->schema >= h->schema_count)
		return verify_ring_bad(err, index, "schema", b->schema);
	if (b->producer_doorbell != UINT32_MAX && b->producer_doorbell >= h->doorbell_count)
		return verify_ring_bad(err, index, "producer_doorbell", b->producer_doorbell);
	if (b->consumer_doorbell != UINT32_MAX && b->consumer_doorbell >= h->doorbell_count)
		return verify_ring_bad(err, index, "consumer_doorbell", b->consumer_doorbell);
	if (!weir_seg_text_ok(b->name, sizeof(b->name)))
		return weir_err_set(err, WEIR_E_CORRUPT, "ring %u: name has no end", index);
	return 0;
}
