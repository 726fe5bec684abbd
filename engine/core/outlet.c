/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/outlet.h"

#include "base/assert.h"

static bool send_row(struct weir_ring_tx *tx, const struct weir_frame *f, uint64_t hash,
		     uint8_t flags)
{
	uint32_t n = weir_frame_stride(f);
	struct weir_frame *to = weir_ring_claim(tx, n);

	if (weir_unlikely(!to))
		return false;
	weir_frame_copy(to, f, n);
	to->key_hash = hash;
	to->flags = flags;
	weir_ring_keep(tx, n);
	return true;
}

static uint32_t send_keyed(struct weir_outlet *o, const struct weir_frame *const *row, uint32_t n)
{
	uint64_t hash[WEIR_BATCH_ROWS];

	weir_key_hash_rows(row, n, o->schema, o->key, o->key_count, hash);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t ring = o->group_ring[weir_key_group(hash[i])];

		if (!send_row(&o->tx[ring], row[i], hash[i],
			      (uint8_t)(row[i]->flags | WEIR_FRAME_F_HASHED))) {
			o->blocked = (int32_t)ring;
			return i;
		}
	}
	return n;
}

static uint32_t send_to(struct weir_outlet *o, uint32_t ring, const struct weir_frame *const *row,
			uint32_t n)
{
	uint32_t done = weir_ring_put_frames(&o->tx[ring], row, n);

	if (done < n)
		o->blocked = (int32_t)ring;
	return done;
}

static bool send_ctl(struct weir_outlet *o, const struct weir_ctl *ctl)
{
	bool epoch = ctl->kind == WEIR_FRAME_BARRIER;

	for (; o->ctl_next < o->ring_count; o->ctl_next++) {
		if (!weir_ring_put_control(&o->tx[o->ctl_next], ctl->kind,
					   epoch ? (uint64_t)ctl->value : 0,
					   epoch ? 0 : ctl->value)) {
			o->blocked = (int32_t)o->ctl_next;
			return false;
		}
	}
	o->ctl_next = 0;
	return true;
}

static void gauge_ring(struct weir_ring_tx *tx, struct weir_outlet_gauge *g, uint64_t min,
		       uint64_t dt)
{
	uint64_t head = weir_load_acquire(&tx->block->head);
	uint64_t limit = tx->data_capacity;

	if (!g->max) {
		g->max = limit;
	} else if ((int64_t)(g->tail - head) > 0 || (g->met_full && dt > 2 * WEIR_OUTLET_NS)) {
		/* It has not even got through what was there at the last look, or it has while nobody could look, on the same
		 * core: this is as fast as it is. */
		uint64_t took = (uint64_t)((weir_u128)(head - g->head) * WEIR_OUTLET_NS / dt);

		limit = (3 * limit + WEIR_MIN(took, g->max)) / 4;
	} else {
		limit *= 2;
	}
	limit = WEIR_MIN(WEIR_MAX(limit, min), g->max);
	tx->data_capacity = limit;
	atomic_store_explicit(&g->limit, limit, memory_order_relaxed);
	g->head = head;
	g->tail = tx->tail;
	g->met_full = false;
}

static void gauge(struct weir_node *n, struct weir_outlet *o)
{
	uint64_t now = n->task->mono_ns, dt = now - o->looked_ns;

	if (dt < WEIR_OUTLET_NS)
		return;
	o->looked_ns = now;
	for (uint32_t i = 0; i < o->ring_count; i++)
		gauge_ring(&o->tx[i], &o->gauge[i],
			   WEIR_MAX(WEIR_OUTLET_BYTES_MIN, (uint64_t)n->task->record_max), dt);
}

static int outlet_run(struct weir_node *n)
{
	struct weir_outlet *o = n->op;
	struct weir_batch *in = &n->in;
	const struct weir_frame *const *row = in->row + in->pos;
	uint32_t count = in->count - in->pos, done = 0;
	int progress = 0;

	o->blocked = -1;
	gauge(n, o);
	if (count) {
		if (o->spread == WEIR_SPREAD_KEY) {
			done = send_keyed(o, row, count);
		} else {
			done = send_to(o, o->turn, row, count);
			if (done == count && o->spread == WEIR_SPREAD_TURN)
				o->turn = (o->turn + 1) % o->ring_count;
		}
		in->pos += done;
		n->rows_in += done;
		progress = done > 0;
	}
	if (done == count && in->ctl.kind) {
		uint32_t before = o->ctl_next;

		if (send_ctl(o, &in->ctl)) {
			if (in->ctl.kind == WEIR_FRAME_WATERMARK)
				n->watermark = in->ctl.value;
			in->ctl.kind = 0;
			progress = 1;
		} else if (o->ctl_next != before) {
			progress = 1;
		}
	}
	for (uint32_t i = 0; i < o->ring_count; i++)
		weir_ring_publish(&o->tx[i]);
	if (o->blocked >= 0)
		o->gauge[o->blocked].met_full = true;
	return progress;
}

static const struct weir_op_class outlet_class = {.name = "outlet", .run = outlet_run};

struct weir_outlet *weir_outlet_init(struct weir_node *n, enum weir_spread spread,
				     const struct weir_schema *schema, const uint16_t *key,
				     uint32_t key_count, uint32_t ring_count,
				     struct weir_region *region)
{
	struct weir_outlet *o = weir_region_new(region, struct weir_outlet);

	weir_assert(ring_count > 0 && key_count <= WEIR_COUNT_OF(o->key));
	o->spread = spread;
	o->schema = schema;
	o->key_count = key_count;
	for (uint32_t i = 0; i < key_count; i++)
		o->key[i] = key[i];
	o->ring_count = ring_count;
	o->tx = weir_region_array(region, struct weir_ring_tx, ring_count);
	o->woken = weir_region_array(region, uint64_t, ring_count);
	o->gauge = weir_region_array(region, struct weir_outlet_gauge, ring_count);
	o->blocked = -1;
	if (spread == WEIR_SPREAD_KEY) {
		o->group_ring = weir_region_array(region, uint16_t, WEIR_KEY_GROUPS);
		for (uint32_t g = 0; g < WEIR_KEY_GROUPS; g++)
			o->group_ring[g] = (uint16_t)((uint64_t)g * ring_count / WEIR_KEY_GROUPS);
	}
	n->cls = &outlet_class;
	n->op = o;
	return o;
}
