/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-rings stat: everything a segment says about itself at one moment, except the frames.
 */
#include "base/time.h"
#include "shm/backing.h"
#include "shm/rings_tool.h"

static void stat_header(struct rings_tool *t, const struct weir_inspect *in)
{
	const struct weir_seg_header *h = &in->h;
	char text[40] = "", name[sizeof(h->name)];
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	uint64_t now = weir_process_start_time(h->creator_pid);

	strcpy(name, h->name);
	rings_clean(name);
	weir_buf_time(&b, (int64_t)h->created_unix_ns);
	fprintf(t->out, "segment     %s\n", name);
	fprintf(t->out, "state       %s\n", rings_state_name(weir_inspect_state(in)));
	fprintf(t->out, "format      version %u\n", h->version);
	fprintf(t->out, "generation  %016llx\n", (unsigned long long)h->generation);
	fprintf(t->out, "created     %s by process %u%s\n", text, h->creator_pid,
		now == h->creator_start_time ? "" : " (gone)");
	fprintf(t->out, "memory      %llu bytes, %s\n", (unsigned long long)h->total_size,
		weir_backing_name(h->backing));
	if (in->size < h->total_size)
		fprintf(t->out, "cut         only %llu bytes are there\n",
			(unsigned long long)in->size);
}

static void stat_ring_text(struct rings_tool *t, const struct weir_inspect *in,
			   const struct weir_inspect_ring *r)
{
	char producer[40], consumer[40], name[sizeof(r->b.name)];

	strcpy(name, r->b.name);
	rings_clean(name);
	rings_role_text(producer, sizeof(producer), in, &r->producer);
	rings_role_text(consumer, sizeof(consumer), in, &r->consumer);
	fprintf(t->out, "\nring %u: %s\n", r->b.index, name);
	fprintf(t->out, "  used      %llu of %llu bytes (%.1f %%)%s\n",
		(unsigned long long)rings_used(r), (unsigned long long)r->b.capacity,
		100 * rings_used_share(r), r->positions_ok ? "" : ", positions are damaged");
	fprintf(t->out, "  head      %llu, consumer %s\n", (unsigned long long)r->head, consumer);
	fprintf(t->out, "  tail      %llu, producer %s\n", (unsigned long long)r->tail, producer);
	fprintf(t->out, "  blocked   %s, %.3f s in total\n", r->blocked_since_ns ? "yes" : "no",
		(double)r->blocked_ns / 1e9);
	fprintf(t->out, "  limits    frames up to %u bytes, %llu bytes for control frames\n",
		r->b.frame_max, (unsigned long long)r->b.reserve);
	if (r->b.schema != UINT32_MAX)
		fprintf(t->out, "  schema    %u\n", r->b.schema);
}

static int stat_rings(struct rings_tool *t, struct rings_segment *s, struct weir_buf *b)
{
	int code = RINGS_FINE;
	bool any = false;

	if (t->json)
		fputs(",\"rings\":[", t->out);
	for (uint32_t i = 0; i < s->in.h.ring_count; i++) {
		struct weir_inspect_ring r;
		struct weir_err err = {0};
		int e = weir_inspect_ring(&s->in, i, NULL, &r, &err);

		if (e < 0)
			code = rings_fail(t, "%s", err.text);
		if (e == WEIR_E_TOO_SMALL)
			break;
		if (!rings_wanted(t, i, &r))
			continue;
		if (t->json) {
			fputs(any ? "," : "", t->out);
			rings_ring_json(b, &s->in, &r, e < 0 ? err.text : NULL);
			rings_flush(t, b);
		} else if (e == 0) {
			stat_ring_text(t, &s->in, &r);
		}
		any = true;
	}
	if (t->json)
		fputc(']', t->out);
	if (!any && t->ring)
		code = rings_fail(t, "no ring is called \"%s\"", t->ring);
	return code;
}

static int stat_counters(struct rings_tool *t, struct rings_segment *s, struct weir_buf *b)
{
	int code = RINGS_FINE;

	if (t->json)
		fputs(",\"counters\":{", t->out);
	else if (s->in.h.counter_count)
		fputs("\ncounters\n", t->out);
	for (uint32_t i = 0, shown = 0; i < s->in.h.counter_count; i++) {
		struct weir_inspect_counter c;
		struct weir_err err = {0};
		int e = weir_inspect_counter(&s->in, i, &c, &err);

		if (e < 0) {
			code = rings_fail(t, "%s", err.text);
			if (e == WEIR_E_TOO_SMALL)
				break;
			continue;
		}
		if (t->json) {
			fputs(shown++ ? "," : "", t->out);
			rings_key(b, c.name);
		} else {
			rings_clean(c.name);
			weir_buf_printf(b, "  %-40s ", c.name);
		}
		if (c.kind)
			weir_buf_i64(b, (int64_t)c.value);
		else
			weir_buf_u64(b, c.value);
		if (t->json)
			rings_flush(t, b);
		else
			rings_put(t, b);
	}
	if (t->json)
		fputc('}', t->out);
	return code;
}

static int stat_doorbells(struct rings_tool *t, struct rings_segment *s)
{
	if (t->json)
		fputs(",\"doorbells\":[", t->out);
	else if (s->in.h.doorbell_count)
		fputs("\ndoorbells\n", t->out);
	for (uint32_t i = 0; i < s->in.h.doorbell_count; i++) {
		struct weir_err err = {0};
		uint32_t word;
		bool sleeping;

		if (weir_inspect_doorbell(&s->in, i, &word, &sleeping, &err) < 0)
			return rings_fail(t, "%s", err.text);
		if (t->json)
			fprintf(t->out, "%s{\"word\":%u,\"sleeping\":%s}", i ? "," : "", word,
				sleeping ? "true" : "false");
		else
			fprintf(t->out, "  %-4u rung %u times%s\n", i, word,
				sleeping ? ", its owner sleeps" : "");
	}
	if (t->json)
		fputc(']', t->out);
	return RINGS_FINE;
}

static int stat_run(struct rings_tool *t)
{
	char line[RINGS_LINE];
	struct weir_buf b = weir_buf_of(line, sizeof(line));
	struct rings_segment s;
	int code = rings_begin(t, &s);

	if (code)
		return code;
	if (t->json) {
		weir_buf_lit(&b, "{\"segment\":{");
		rings_header_json(&b, &s.in);
		weir_buf_char(&b, '}');
		rings_flush(t, &b);
	} else {
		stat_header(t, &s.in);
	}
	if (s.in.size < s.in.h.total_size)
		code = RINGS_PROBLEM;
	code |= stat_rings(t, &s, &b);
	if (!t->ring) {
		code |= stat_counters(t, &s, &b);
		code |= stat_doorbells(t, &s);
	}
	if (t->json)
		fputs("}\n", t->out);
	return rings_end(t, &s, code);
}

const struct rings_verb rings_verb_stat = {
	.name = "stat",
	.usage = "stat [-o text|json] [-r RING] SEGMENT",
	.summary = "header, rings, counters and doorbells, once",
	.text = "What the segment says about itself: who made it and when, every ring with its\n"
		"positions, ends and limits, every counter, every doorbell. With -r only that "
		"ring.",
	.options = "orh",
	.args_min = 1,
	.args_max = 1,
	.run = stat_run,
};
