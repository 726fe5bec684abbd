/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/edge_case.h - records, parts and a lane in memory for tests of edges.
 *
 * Use:    edge_row() and edge_ctl() give frames; edge_part_of() makes a writer's part contiguous. struct edge_wire is
 *         what an end writes to: frames are kept one by one, edge_wire_pop() hands them on.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_EDGE_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_EDGE_CASE_H

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/edge.h"
#include "tests/lib/test.h"

#define EDGE_ID UINT64_C(0x1234)
#define EDGE_HELLO WEIR_STR("hello")

static inline const struct weir_schema *edge_schema(void)
{
	static struct weir_schema s;

	if (!s.field_count) {
		weir_schema_add(&s, WEIR_STR("id"), weir_type_of(WEIR_INT64), false);
		weir_schema_add(&s, WEIR_STR("text"), weir_type_of(WEIR_STRING), false);
		s.stream = 7;
		weir_schema_seal(&s);
	}
	return &s;
}

/* A record with its number and n bytes of text; valid until the next call. */
static inline const struct weir_frame *edge_row(uint64_t id, uint32_t n)
{
	static uint64_t mem[(256 << 10) / 8];
	static char text[128 << 10];
	struct weir_builder b;

	memset(text, 'a' + (int)(id % 26), n);
	weir_build_begin(&b, mem, sizeof(mem), edge_schema());
	weir_build_i64(&b, 0, (int64_t)id);
	weir_build_str(&b, 1, (struct weir_str){text, n});
	weir_assert(weir_build_end(&b));
	b.f->flags = WEIR_FRAME_F_TIMED;
	b.f->time_ns = (int64_t)id;
	return b.f;
}

static inline const struct weir_frame *edge_ctl(unsigned kind, int64_t time_ns)
{
	static struct weir_frame f;

	f = (struct weir_frame){.size = sizeof(f), .kind = (uint8_t)kind, .time_ns = time_ns};
	return &f;
}

struct edge_bytes {
	uint8_t *p;
	size_t n;
};

static inline struct edge_bytes edge_bytes_of(struct weir_out *o)
{
	struct edge_bytes b = {.n = (size_t)o->bytes};

	b.p = malloc(b.n ? b.n : 1);
	weir_out_copy(o, b.p);
	weir_out_fini(o);
	return b;
}

static inline struct edge_bytes edge_part_of(struct weir_edge_writer *w)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	weir_edge_writer_part(w, &o);
	return edge_bytes_of(&o);
}

static inline struct weir_reader edge_reader(const struct edge_bytes *b)
{
	return weir_reader_of(b->p, b->n);
}

/* ---- a lane's ring ---- */

struct edge_wire_frame {
	struct edge_wire_frame *next;
	uint32_t n;
	uint64_t data[]; /* as in a ring: aligned to 8 */
};

struct edge_wire {
	struct edge_wire_frame *first, *last, *claimed;
	uint32_t count, claimed_bytes;
	uint32_t room; /* frames it still takes */
	struct weir_lane_io io;
};

static inline void *edge_wire_claim(void *ctx, uint32_t n)
{
	struct edge_wire *w = ctx;

	weir_assert(n % 8 == 0 && n >= 64);
	free(w->claimed);
	w->claimed = NULL;
	if (w->room == 0)
		return NULL;
	/* Of exactly this size, so that the sanitizer sees the first byte too many. */
	w->claimed = malloc(sizeof(*w->claimed) + n);
	memset(w->claimed->data, 0xee, n);
	w->claimed_bytes = n;
	return w->claimed->data;
}

static inline void edge_wire_keep(void *ctx, uint32_t n)
{
	struct edge_wire *w = ctx;
	struct edge_wire_frame *f = w->claimed;

	weir_assert(f && n <= w->claimed_bytes && n % 8 == 0);
	weir_assert(weir_lane_check((void *)f->data, n) == 0);
	weir_assert(weir_lane_stride(f->data, n, WEIR_LANE_FRAME_LIMIT) == n);
	w->claimed = NULL;
	w->room--;
	f->n = n;
	f->next = NULL;
	if (w->last)
		w->last->next = f;
	else
		w->first = f;
	w->last = f;
	w->count++;
}

static inline void edge_wire_init(struct edge_wire *w)
{
	*w = (struct edge_wire){.room = UINT32_MAX,
				.io = {.claim = edge_wire_claim, .keep = edge_wire_keep, .ctx = w}};
}

/* NULL: empty. The caller frees it. */
static inline struct edge_wire_frame *edge_wire_pop(struct edge_wire *w)
{
	struct edge_wire_frame *f = w->first;

	if (!f)
		return NULL;
	w->first = f->next;
	if (!w->first)
		w->last = NULL;
	w->count--;
	return f;
}

static inline void edge_wire_clear(struct edge_wire *w)
{
	struct edge_wire_frame *f;

	while ((f = edge_wire_pop(w)))
		free(f);
	free(w->claimed);
	w->claimed = NULL;
}

static inline struct weir_lane_head *edge_head(struct edge_wire_frame *f)
{
	return (struct weir_lane_head *)(void *)f->data;
}

/* A frame with these fields, as the other end or the gateway gives it; the caller frees it. */
static inline struct edge_wire_frame *
edge_frame(enum weir_lane_type type, struct weir_lane_head fields, const void *body, size_t n)
{
	uint32_t stride = WEIR_ALIGN_UP(64 + (uint32_t)n, 8u);
	struct edge_wire_frame *f = calloc(1, sizeof(*f) + stride);

	f->n = stride;
	*edge_head(f) = fields;
	if (n)
		memcpy(edge_head(f) + 1, body, n);
	weir_lane_seal_body(edge_head(f), type, (uint32_t)n);
	return f;
}

/* The next frame must be of this type; its head. Gone with it: the body. */
static inline struct weir_lane_head edge_wire_expect(struct edge_wire *w, enum weir_lane_type type)
{
	struct edge_wire_frame *f = edge_wire_pop(w);
	struct weir_lane_head h;

	if (!f)
		fail_msg("no %s", weir_lane_type_name(type));
	h = *edge_head(f);
	free(f);
	if (h.f.flags != type)
		fail_msg("%s instead of %s", weir_lane_type_name(h.f.flags),
			 weir_lane_type_name(type));
	return h;
}

static inline void edge_wire_nothing(struct edge_wire *w)
{
	if (w->first)
		fail_msg("unexpected %s", weir_lane_type_name(edge_head(w->first)->f.flags));
}

#endif
