/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/task_rig.h - tasks by hand in tests: tiny rings in plain memory, trees of nodes, rows
 * whose bytes can be checked, and a collecting node with a limited appetite.
 *
 * A row is (p producer, n number, k key, via, s text that follows from n).
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_TASK_RIG_H
#define WEIR_TESTS_UNIT_ENGINE_TASK_RIG_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/core/outlet.h"
#include "shm/mirror.h"
#include "tests/lib/test.h"

enum { ROW_P, ROW_N, ROW_K, ROW_VIA, ROW_S, ROW_FIELDS };
#define ROW_TEXT_MAX 600
#define ROW_BYTES_MAX (24 + 8 * ROW_FIELDS + ROW_TEXT_MAX)

static inline const struct weir_schema *row_schema(void)
{
	static struct weir_schema s;

	if (!s.field_count) {
		weir_schema_add(&s, WEIR_STR("p"), weir_type_of(WEIR_INT64), false);
		weir_schema_add(&s, WEIR_STR("n"), weir_type_of(WEIR_INT64), false);
		weir_schema_add(&s, WEIR_STR("k"), weir_type_of(WEIR_INT64), false);
		weir_schema_add(&s, WEIR_STR("via"), weir_type_of(WEIR_INT64), false);
		weir_schema_add(&s, WEIR_STR("s"), weir_type_of(WEIR_STRING), false);
		weir_schema_seal(&s);
	}
	return &s;
}

static inline uint64_t rig_rand(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static inline char row_char(int64_t n, size_t i)
{
	return (char)('a' + ((uint64_t)n * 7 + i) % 26);
}

/* Builds a row at mem (at least ROW_BYTES_MAX bytes); its time is n. */
static inline struct weir_frame *row_build(void *mem, int64_t p, int64_t n, int64_t k, int64_t via,
					   size_t text)
{
	char s[ROW_TEXT_MAX];
	struct weir_builder b;

	for (size_t i = 0; i < text; i++)
		s[i] = row_char(n, i);
	weir_build_begin(&b, mem, WEIR_ALIGN_UP(ROW_BYTES_MAX, 8), row_schema());
	weir_build_i64(&b, ROW_P, p);
	weir_build_i64(&b, ROW_N, n);
	weir_build_i64(&b, ROW_K, k);
	weir_build_i64(&b, ROW_VIA, via);
	weir_build_str(&b, ROW_S, (struct weir_str){s, text});
	assert_true(weir_build_end(&b));
	b.f->time_ns = n;
	b.f->flags = WEIR_FRAME_F_TIMED;
	return b.f;
}

static inline int64_t row_get(const struct weir_frame *f, unsigned field)
{
	return weir_get_i64(f, row_schema(), field);
}

/* The bytes are those of row_build(), nobody wrote over them. */
static inline void row_check(const struct weir_frame *f)
{
	struct weir_str s;

	assert_int_equal(weir_frame_check(f, ROW_BYTES_MAX + 8, row_schema()), 0);
	s = weir_get_str(f, row_schema(), ROW_S);
	assert_int_equal(f->time_ns, row_get(f, ROW_N));
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(s.p[i], row_char(row_get(f, ROW_N), i));
}

/* ---- rings ---- */

struct rig_ring {
	struct weir_ring_block *block;
	uint8_t *base;
	struct weir_ring_tx tx; /* for tests that write */
	struct weir_ring_rx rx; /* and read by hand */
};

static inline void ring_open(struct rig_ring *r, uint64_t capacity, uint64_t reserve)
{
	int fd = memfd_create("ring", 0);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)capacity), 0);
	assert_int_equal(weir_mirror_map(fd, 0, capacity, 4096, true, &r->base), 0);
	close(fd);
	r->block = aligned_alloc(128, sizeof(*r->block));
	assert_non_null(r->block);
	memset(r->block, 0, sizeof(*r->block));
	r->block->capacity = capacity;
	r->block->reserve = reserve;
	weir_ring_tx_init(&r->tx, r->block, r->base);
	weir_ring_rx_init(&r->rx, r->block, r->base);
}

static inline void ring_close(struct rig_ring *r)
{
	weir_mirror_unmap(r->base, r->block->capacity);
	free(r->block);
}

static inline bool ring_put(struct rig_ring *r, const struct weir_frame *f)
{
	bool ok = weir_ring_put_frame(&r->tx, f);

	weir_ring_publish(&r->tx);
	return ok;
}

static inline void ring_put_row(struct rig_ring *r, int64_t p, int64_t n, int64_t k)
{
	uint64_t mem[ROW_BYTES_MAX / 8 + 1] = {0};

	assert_true(ring_put(r, row_build(mem, p, n, k, 0, 0)));
}

static inline void ring_put_ctl(struct rig_ring *r, unsigned kind, int64_t value)
{
	assert_true(weir_ring_put_control(&r->tx, kind, 0, value));
	weir_ring_publish(&r->tx);
}

/* Next published frame, which is given back at the next call; NULL: none. */
static inline const struct weir_frame *ring_get(struct rig_ring *r)
{
	const void *p;

	weir_ring_release(&r->rx);
	if (!weir_ring_peek(&r->rx, 1, &p))
		return NULL;
	weir_ring_consume(&r->rx, weir_frame_stride(p));
	return p;
}

/* ---- nodes ---- */

/* Takes at most `appetite` rows per call; checks bytes and the order of controls. */
struct collector {
	uint32_t appetite;
	bool refuse_ctl;
	bool eos;
	uint32_t rows, controls;
	int64_t watermark;
	void (*row)(struct collector *c, const struct weir_frame *f); /* may be NULL */
	void (*ctl)(struct collector *c, struct weir_ctl ctl); /* may be NULL */
	void *user;
};

static inline int collector_run(struct weir_node *n)
{
	struct collector *c = n->op;
	struct weir_batch *in = &n->in;
	uint32_t k = WEIR_MIN(in->count - in->pos, c->appetite);

	for (uint32_t i = 0; i < k; i++) {
		const struct weir_frame *f = in->row[in->pos + i];

		row_check(f);
		assert_false(c->eos);
		c->rows++;
		if (c->row)
			c->row(c, f);
	}
	in->pos += k;
	c->appetite -= k;
	if (in->pos < in->count || !in->ctl.kind || c->refuse_ctl)
		return k > 0;
	assert_false(c->eos);
	c->controls++;
	c->eos = in->ctl.kind == WEIR_FRAME_EOS;
	if (in->ctl.kind == WEIR_FRAME_WATERMARK) {
		assert_true(in->ctl.value > c->watermark);
		c->watermark = in->ctl.value;
	}
	if (c->ctl)
		c->ctl(c, in->ctl);
	in->ctl.kind = 0;
	return 1;
}

static const struct weir_op_class collector_class = {.name = "collector", .run = collector_run};

static inline void collector_init(struct weir_node *n, struct collector *c)
{
	c->appetite = UINT32_MAX;
	c->watermark = WEIR_TIME_MIN;
	n->cls = &collector_class;
	n->op = c;
}

static inline void node_init(struct weir_node *n, struct weir_task *t, const char *name)
{
	n->task = t;
	n->step_name = name;
	n->watermark = WEIR_TIME_MIN;
}

/* Gives a node `count` ports with one target each: targets are the nodes behind `first`. */
static inline void node_ports(struct weir_node *n, struct weir_region *region, uint32_t count,
			      struct weir_node *first, uint32_t scratch)
{
	n->port = weir_region_array(region, struct weir_port, count);
	n->port_count = count;
	for (uint32_t i = 0; i < count; i++) {
		n->port[i].name = "";
		n->port[i].schema = row_schema();
		n->port[i].target = weir_region_array(region, struct weir_node *, 1);
		n->port[i].target[0] = &first[i];
		n->port[i].target_count = 1;
		n->port[i].scratch_cap = scratch;
		n->port[i].scratch = weir_region_alloc(region, scratch);
	}
}

#endif
