/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-rings check: is everything as the format says, and is everybody still there?
 */
#include <stdlib.h>

#include "shm/rings_tool.h"

#define CHECK_FRAME_MAX (UINT64_C(16) << 20)

struct check {
	struct rings_tool *t;
	bool any;
};

static void check_print(void *ctx, const struct weir_finding *f)
{
	struct check *c = ctx;
	char line[RINGS_LINE];
	struct weir_buf b = weir_buf_of(line, sizeof(line));

	if (c->t->json) {
		weir_buf_lit(&b, c->any ? ",{" : "{");
		rings_key_bool(&b, "problem", f->problem);
		if (f->ring != UINT32_MAX)
			rings_key_u64(&b, "ring", f->ring);
		rings_key_str(&b, "text", f->text);
		weir_buf_char(&b, '}');
		rings_flush(c->t, &b);
	} else {
		weir_buf_lit(&b, f->problem ? "problem: " : "note: ");
		if (f->ring != UINT32_MAX && strncmp(f->text, "ring ", 5) != 0)
			weir_buf_printf(&b, "ring %u: ", f->ring);
		weir_buf_lit(&b, f->text);
		rings_put(c->t, &b);
	}
	c->any = true;
}

static int check_run(struct rings_tool *t)
{
	struct check c = {.t = t};
	struct rings_segment s;
	uint64_t problems;
	void *frame;
	int code = rings_begin(t, &s);

	if (code)
		return code;
	frame = malloc(CHECK_FRAME_MAX);
	if (!frame)
		return rings_end(t, &s, rings_fail(t, "no memory"));
	if (t->json)
		fputs("{\"findings\":[", t->out);
	problems = weir_inspect_check(&s.in, true, frame, CHECK_FRAME_MAX, check_print, &c);
	if (t->json)
		fprintf(t->out, "],\"problems\":%llu}\n", (unsigned long long)problems);
	else if (problems == 0)
		fprintf(t->out, "fine: %u rings, %u counters, %u schemas\n", s.in.h.ring_count,
			s.in.h.counter_count, s.in.h.schema_count);
	else
		fprintf(t->out, "%llu problems\n", (unsigned long long)problems);
	free(frame);
	return rings_end(t, &s, problems ? RINGS_PROBLEM : RINGS_FINE);
}

const struct rings_verb rings_verb_check = {
	.name = "check",
	.usage = "check [-o text|json] SEGMENT",
	.summary = "verify the segment and look for dead processes",
	.text = "Verifies every offset, the positions of every ring, every frame between head and "
		"tail,\n"
		"names and schemas, and whether the processes that hold something are alive.\n"
		"Exit code 1 when there is a problem; notes are not problems.",
	.options = "oh",
	.args_min = 1,
	.args_max = 1,
	.run = check_run,
};
