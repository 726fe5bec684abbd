/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "shm/inspect.h"
#include "shm/role.h"

struct checker {
	const struct weir_inspect *in;
	bool processes;
	void *buf;
	uint64_t cap;
	weir_finding_fn fn;
	void *ctx;
	uint64_t problems;
	uint32_t ring;
};

static void check_say(struct checker *c, bool problem, const char *fmt, ...) weir_printf_like(3, 4);

static void check_say(struct checker *c, bool problem, const char *fmt, ...)
{
	struct weir_finding f = {.problem = problem, .ring = c->ring};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	c->problems += problem;
	c->fn(c->ctx, &f);
}

static void check_header(struct checker *c)
{
	const struct weir_seg_header *h = &c->in->h;
	uint32_t state = weir_inspect_state(c->in);

	if (c->in->size < h->total_size)
		check_say(c, true, "cut: %llu of %llu bytes are there",
			  (unsigned long long)c->in->size, (unsigned long long)h->total_size);
	if (h->backing > WEIR_BACKING_1G)
		check_say(c, true, "header: backing is %u", h->backing);
	if (state == WEIR_SEG_CLOSED)
		check_say(c, false, "closed by its creator");
	else if (state == WEIR_SEG_COPY)
		check_say(c, false, "a copy: processes are not looked for");
	else if (state > WEIR_SEG_COPY)
		check_say(c, true, "header: state is %u", state);
	if (state != WEIR_SEG_CREATING && state != WEIR_SEG_READY)
		c->processes = false;
	if (c->processes && (weir_process_start_time(h->creator_pid) != h->creator_start_time))
		check_say(c, true, "creator (process %u) is gone and has not closed the segment",
			  h->creator_pid);
	else if (state == WEIR_SEG_CREATING)
		check_say(c, true, "not ready: its creator has not finished it");
}

static void check_counters(struct checker *c)
{
	struct weir_inspect_counter v;
	struct weir_err err;

	for (uint32_t i = 0; i < c->in->h.counter_count; i++) {
		int r = weir_inspect_counter(c->in, i, &v, &err);

		if (r < 0)
			check_say(c, true, "%s", err.text);
		if (r == WEIR_E_TOO_SMALL)
			break; /* and all behind it */
	}
}

static void check_schemas(struct checker *c)
{
	struct weir_schema s;
	struct weir_err err;

	for (uint32_t i = 0; i < c->in->h.schema_count; i++) {
		int r = weir_inspect_schema(c->in, i, &s, &err);

		if (r == WEIR_E_TOO_SMALL || r == WEIR_E_CORRUPT) {
			check_say(c, true, "%s", err.text);
			break; /* texts follow each other: nothing behind it either */
		}
		if (r < 0)
			check_say(c, true, "schema %u: %s", i, err.text);
	}
}

static void check_role(struct checker *c, const char *who, const struct weir_inspect_role *role)
{
	if (role->state > WEIR_ROLE_CLAIMING) {
		check_say(c, true, "%s: role state is %u", who, role->state);
		return;
	}
	if (c->processes && weir_role_judge(role->state_gen, role->start_time) == WEIR_PEER_DEAD)
		check_say(c, true, "%s (process %u) is dead", who, role->pid);
}

static void check_frames(struct checker *c, const struct weir_inspect_ring *r)
{
	const struct weir_frame *f;
	struct weir_inspect_frames it;
	struct weir_schema schema;
	struct weir_err err = {0};
	bool has_schema, skipped = false;
	uint64_t bad = 0, large = 0, pos;
	enum weir_inspect_step step;

	has_schema = r->b.schema != UINT32_MAX &&
		     weir_inspect_schema(c->in, r->b.schema, &schema, NULL) == 0;
	weir_inspect_frames(&it, c->in, r, has_schema ? &schema : NULL, c->buf, c->cap);
	while ((step = weir_inspect_next(&it, &f, &pos, &err)) != WEIR_INSPECT_END) {
		large += step == WEIR_INSPECT_LARGE;
		skipped |= step == WEIR_INSPECT_CHANGED;
		if (step != WEIR_INSPECT_BAD)
			continue;
		if (bad++ < 3)
			check_say(c, true, "frame at %llu: %s", (unsigned long long)pos, err.text);
	}
	if (bad > 3)
		check_say(c, true, "%llu more wrong frames", (unsigned long long)bad - 3);
	if (skipped)
		check_say(c, false, "in use: some frames were given back while they were read");
	if (large)
		check_say(c, false, "%llu frames are too large to look into",
			  (unsigned long long)large);
}

static void check_ring(struct checker *c, uint64_t *inout_data_end)
{
	struct weir_inspect_ring a, b;
	struct weir_err err;

	if (weir_inspect_ring(c->in, c->ring, inout_data_end, &a, &err) < 0) {
		check_say(c, true, "%s", err.text);
		return;
	}
	check_role(c, "producer", &a.producer);
	check_role(c, "consumer", &a.consumer);
	if (!a.positions_ok) {
		check_say(c, true, "R1 is broken: head %llu, tail %llu, capacity %llu",
			  (unsigned long long)a.head, (unsigned long long)a.tail,
			  (unsigned long long)a.b.capacity);
		return;
	}
	check_frames(c, &a);
	if (weir_inspect_ring(c->in, c->ring, NULL, &b, &err) < 0 || !b.positions_ok ||
	    (a.steady && (b.head < a.head || b.tail < a.tail)))
		check_say(c, true, "R3 is broken: a position went back");
}

uint64_t weir_inspect_check(const struct weir_inspect *in, bool processes, void *borrow_buf,
			    uint64_t cap, weir_finding_fn fn, void *ctx)
{
	struct checker c = {
		.in = in,
		.processes = processes,
		.buf = borrow_buf,
		.cap = cap,
		.fn = fn,
		.ctx = ctx,
		.ring = UINT32_MAX,
	};
	uint64_t block = in->h.rings_off, data_end = 0;
	uint32_t i;

	check_header(&c);
	check_counters(&c);
	check_schemas(&c);
	for (i = 0; i < in->h.ring_count; i++, block += sizeof(struct weir_ring_block)) {
		if (block + sizeof(struct weir_ring_block) > in->size)
			break;
		c.ring = i;
		check_ring(&c, &data_end);
	}
	c.ring = UINT32_MAX;
	if (i < in->h.ring_count)
		check_say(&c, true, "rings %u to %u are behind the end of the file", i,
			  in->h.ring_count - 1);
	return c.problems;
}
