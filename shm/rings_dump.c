/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-rings dump: the frames that are in the rings, decoded by the schema in the segment.
 */
#include <stdlib.h>

#include "base/time.h"
#include "shm/rings_tool.h"

#define DUMP_FRAME_MAX (UINT64_C(16) << 20) /* larger frames: header only */
#define DUMP_LINE_MAX (UINT64_C(64) << 20) /* a record as JSON: quotes make it longer */

struct dump {
	struct rings_tool *t;
	struct rings_segment s;
	void *frame;
	struct weir_buf b;
	uint64_t left;
	int code;
};

static const char *dump_kind(unsigned kind)
{
	static const char *const name[WEIR_FRAME_KIND_COUNT] = {
		[WEIR_FRAME_NONE] = "none",
		[WEIR_FRAME_DATA] = "data",
		[WEIR_FRAME_WATERMARK] = "watermark",
		[WEIR_FRAME_BARRIER] = "barrier",
		[WEIR_FRAME_EOS] = "eos",
		[WEIR_FRAME_MARKER] = "marker",
		[WEIR_FRAME_IDLE] = "idle",
	};

	return kind < WEIR_FRAME_KIND_COUNT ? name[kind] : "unknown";
}

/* Time as people read it; the two ends of time have no date. */
static void dump_time(struct weir_buf *b, int64_t t_ns)
{
	if (t_ns == WEIR_TIME_MIN)
		weir_buf_lit(b, "none");
	else if (t_ns == WEIR_TIME_MAX)
		weir_buf_lit(b, "end");
	else
		weir_buf_time(b, t_ns);
}

static bool dump_has_time(const struct weir_frame *f)
{
	return f->kind == WEIR_FRAME_WATERMARK ||
	       (f->kind == WEIR_FRAME_DATA && (f->flags & WEIR_FRAME_F_TIMED));
}

static void dump_start(struct dump *d, const struct weir_inspect_ring *r, uint64_t pos)
{
	char name[sizeof(r->b.name)];

	d->b.len = 0;
	d->b.full = false;
	if (d->t->json) {
		weir_buf_char(&d->b, '{');
		rings_key_u64(&d->b, "ring", r->b.index);
		rings_key_str(&d->b, "name", r->b.name);
		rings_key_u64(&d->b, "position", pos);
	} else {
		strcpy(name, r->b.name);
		rings_clean(name);
		weir_buf_printf(&d->b, "%s @%llu ", name, (unsigned long long)pos);
	}
}

static void dump_end(struct dump *d)
{
	if (d->t->json)
		weir_buf_char(&d->b, '}');
	rings_put(d->t, &d->b);
}

static void dump_frame_json(struct dump *d, const struct weir_frame *f)
{
	struct weir_buf *b = &d->b;

	rings_key_str(b, "kind", dump_kind(f->kind));
	rings_key_u64(b, "size", f->size);
	rings_key_u64(b, "stream", f->stream);
	if (dump_has_time(f)) {
		rings_key(b, "time");
		weir_buf_char(b, '"');
		dump_time(b, f->time_ns);
		weir_buf_char(b, '"');
	}
	if (f->kind == WEIR_FRAME_MARKER) {
		rings_key(b, "monotonic_ns");
		weir_buf_i64(b, f->time_ns);
	}
	if (f->kind == WEIR_FRAME_BARRIER)
		rings_key_u64(b, "epoch", f->key_hash);
	if (f->kind == WEIR_FRAME_DATA && (f->flags & WEIR_FRAME_F_HASHED)) {
		rings_key(b, "key_hash");
		weir_buf_printf(b, "\"%016llx\"", (unsigned long long)f->key_hash);
	}
}

static void dump_frame_text(struct dump *d, const struct weir_frame *f)
{
	struct weir_buf *b = &d->b;

	weir_buf_printf(b, "%s %u bytes", dump_kind(f->kind), f->size);
	if (dump_has_time(f)) {
		weir_buf_lit(b, " at ");
		dump_time(b, f->time_ns);
	}
	if (f->kind == WEIR_FRAME_MARKER)
		weir_buf_printf(b, " at %lld ns (monotonic)", (long long)f->time_ns);
	if (f->kind == WEIR_FRAME_BARRIER)
		weir_buf_printf(b, " epoch %llu", (unsigned long long)f->key_hash);
	if (f->kind == WEIR_FRAME_DATA && (f->flags & WEIR_FRAME_F_HASHED))
		weir_buf_printf(b, " key %016llx", (unsigned long long)f->key_hash);
}

static void dump_record(struct dump *d, const struct weir_frame *f, const struct weir_schema *s)
{
	struct weir_buf before;

	if (f->kind != WEIR_FRAME_DATA || !s)
		return;
	before = d->b;
	if (d->t->json)
		rings_key(&d->b, "record");
	else
		weir_buf_char(&d->b, ' ');
	weir_buf_record_json(&d->b, f, s);
	if (!d->b.full)
		return;
	d->b = before; /* longer than any line should be: the header alone */
	if (d->t->json)
		rings_key_bool(&d->b, "too_large", true);
	else
		weir_buf_lit(&d->b, " (too large to show)");
}

static void dump_note(struct dump *d, const char *key, const char *text)
{
	if (d->t->json)
		rings_key_str(&d->b, key, text);
	else
		weir_buf_printf(&d->b, "%s: %s", key, text);
}

static void dump_ring(struct dump *d, const struct weir_inspect_ring *r)
{
	const struct weir_schema *schema = rings_schema(&d->s, r->b.schema);
	struct weir_inspect_frames it;
	const struct weir_frame *f;
	enum weir_inspect_step step;
	struct weir_err err = {0};
	uint64_t pos;

	weir_inspect_frames(&it, &d->s.in, r, schema, d->frame,
			    WEIR_MIN(WEIR_MAX(r->b.capacity, 24u), DUMP_FRAME_MAX));
	while (d->left && (step = weir_inspect_next(&it, &f, &pos, &err)) != WEIR_INSPECT_END) {
		dump_start(d, r, pos);
		switch (step) {
		case WEIR_INSPECT_CHANGED:
			/* Not a problem: this is what looking at a live ring is like. */
			dump_note(d, "changed", "given back while it was read");
			break;
		case WEIR_INSPECT_BAD:
			dump_note(d, "problem", err.text);
			d->code = RINGS_PROBLEM;
			break;
		default:
			if (d->t->json)
				dump_frame_json(d, f);
			else
				dump_frame_text(d, f);
			if (step == WEIR_INSPECT_FRAME)
				dump_record(d, f, schema);
			d->left--;
			break;
		}
		dump_end(d);
	}
}

static void dump_rings(struct dump *d)
{
	bool any = false;

	for (uint32_t i = 0; i < d->s.in.h.ring_count; i++) {
		struct weir_inspect_ring r;
		struct weir_err err = {0};
		int e = weir_inspect_ring(&d->s.in, i, NULL, &r, &err);

		if (e < 0)
			d->code = rings_fail(d->t, "%s", err.text);
		if (e == WEIR_E_TOO_SMALL)
			break;
		if (e < 0 || !rings_wanted(d->t, i, &r))
			continue;
		any = true;
		if (!r.positions_ok)
			d->code = rings_fail(d->t, "ring %u: head or tail is damaged", i);
		dump_ring(d, &r);
	}
	if (!any && d->t->ring)
		d->code = rings_fail(d->t, "no ring is called \"%s\"", d->t->ring);
}

static int dump_run(struct rings_tool *t)
{
	struct dump d = {.t = t, .left = t->limit};
	char *line;

	d.code = rings_begin(t, &d.s);
	if (d.code)
		return d.code;
	/* Touched only as far as frames and lines are long. */
	d.frame = malloc(DUMP_FRAME_MAX);
	line = malloc(DUMP_LINE_MAX);
	if (d.frame && line) {
		d.b = weir_buf_of(line, DUMP_LINE_MAX);
		dump_rings(&d);
	} else {
		d.code = rings_fail(t, "no memory");
	}
	free(d.frame);
	free(line);
	return rings_end(t, &d.s, d.code);
}

const struct rings_verb rings_verb_dump = {
	.name = "dump",
	.usage = "dump [-o text|json] [-r RING] [-l N] SEGMENT",
	.summary = "the frames in the rings, decoded",
	.text = "Prints every frame between head and tail, oldest first, with its record as JSON "
		"when\n"
		"the ring has a schema. Nothing is taken out of the rings. Frames that are given "
		"back\n"
		"while they are read are marked as changed, damaged ones as problems.\n"
		"With -o json one line per frame.",
	.options = "orlh",
	.args_min = 1,
	.args_max = 1,
	.run = dump_run,
};
