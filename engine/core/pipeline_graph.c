/* SPDX-License-Identifier: Apache-2.0 */
/* Who reads whom: inputs by name, cycles, topological order, outputs nobody reads. */
#include "base/buf.h"
#include "engine/core/pipeline_int.h"

#define NONE UINT32_MAX

static uint32_t find_draft(const struct weir_build *b, struct weir_str name)
{
	for (uint32_t i = 0; i < b->p->step_count; i++) {
		if (weir_str_is(name, b->draft[i].step->name))
			return i;
	}
	return NONE;
}

/* ---- one input ---- */

static void use_all(const struct weir_draft *d)
{
	for (uint32_t i = 0; i < d->plain_ports; i++)
		d->step->port[i].uses++;
}

/* Reports a step that is not there. The one that was meant, most likely, is not unread then. */
static void report_step(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos)
{
	const char *known[WEIR_STEPS_MAX];
	const char *near;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->p->step_count; i++) {
		if (b->draft[i].step->name[0])
			known[n++] = b->draft[i].step->name;
	}
	weir_diag(b->diags, pos, "`from`: there is no step `%s`%s", weir_show(b, name),
		  weir_walk_hint(b, name, known, n));
	near = weir_str_suggest(name, known, n);
	if (near)
		use_all(&b->draft[find_draft(b, weir_str_c(near))]);
}

/* "a, b, c": the outputs of a step. */
static const char *output_names(struct weir_build *b, const struct weir_draft *d)
{
	char text[1024];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	for (uint32_t i = 0; i < d->step->port_count; i++) {
		const char *name = d->step->port[i].name;

		if (out.len)
			weir_buf_lit(&out, ", ");
		weir_buf_lit(&out, d->step->name);
		if (name[0])
			weir_buf_char(&out, '.');
		weir_buf_lit(&out, name);
	}
	return weir_region_strdup(b->region, (struct weir_str){text, out.len});
}

static uint32_t find_port(const struct weir_draft *d, struct weir_str name)
{
	/* A step with one plain output gives it when none is named, whatever its name is. */
	if (name.n == 0)
		return d->plain_ports == 1 ? 0 : NONE;
	for (uint32_t i = 0; i < d->step->port_count; i++) {
		if (weir_str_is(name, d->step->port[i].name))
			return i;
	}
	return NONE;
}

static void report_output(struct weir_build *b, const struct weir_draft *d, struct weir_str output,
			  struct weir_doc_pos pos)
{
	if (output.n == 0 && d->plain_ports > 1)
		weir_diag(b->diags, pos, "`%s` has several outputs; choose one of: %s",
			  d->step->name, output_names(b, d));
	else if (weir_str_is(output, "rejects") && weir_step_has_rejects(d->step->kind))
		weir_diag(b->diags, pos,
			  "`%s.rejects` is there only when step `%s` says `on_error: route`",
			  d->step->name, d->step->name);
	else
		weir_diag(b->diags, pos, "step `%s` has no output `%s`; its outputs are: %s",
			  d->step->name, weir_show(b, output), output_names(b, d));
}

/* Resolves "step" or "step.output". true: *ret is set. */
static bool resolve(struct weir_build *b, struct weir_draft *d, struct weir_str ref,
		    struct weir_doc_pos pos, struct weir_input *ret)
{
	const char *dot = memchr(ref.p, '.', ref.n);
	struct weir_str name = ref, output = {"", 0};
	struct weir_draft *from;
	uint32_t step, port;

	if (dot) {
		name.n = (size_t)(dot - ref.p);
		output = (struct weir_str){dot + 1, ref.n - name.n - 1};
	}
	step = find_draft(b, name);
	if (step == NONE) {
		report_step(b, name, pos);
		return false;
	}
	from = &b->draft[step];
	if (dot && output.n == 0) {
		weir_diag(b->diags, pos, "`from`: the name of an output is missing behind `%s`",
			  weir_show(b, ref));
		use_all(from);
		return false;
	}
	if (from == d) {
		weir_diag(b->diags, pos, "step `%s` reads itself", d->step->name);
		return false;
	}
	if (from->step->kind == WEIR_STEP_SINK) {
		weir_diag(b->diags, pos, "`from`: `%s` is a sink, which has no output",
			  from->step->name);
		return false;
	}
	ret->step = (uint16_t)step;
	ret->port = 0;
	if (!from->ports_known)
		return true;
	port = find_port(from, output);
	if (port == NONE) {
		report_output(b, from, output, pos);
		use_all(from);
		return false;
	}
	ret->port = (uint16_t)port;
	from->step->port[port].uses++;
	return true;
}

/* "x" and "x.bid" of a source with one stream are the same. What comes from which region is seen with a cluster. */
static bool read_before(const struct weir_step *s, const struct weir_input *in)
{
	for (uint32_t k = 0; k < s->input_count; k++)
		if (!in->remote && !s->input[k].remote && s->input[k].step == in->step &&
		    s->input[k].port == in->port)
			return true;
	return false;
}

static void read_from(struct weir_build *b, struct weir_draft *d)
{
	const struct weir_doc *doc = d->doc ? weir_draft_meant(d, "from") : NULL;
	struct weir_step *s = d->step;
	struct weir_from *from;
	bool several;
	uint32_t n;

	if (!doc || s->kind == WEIR_STEP_SOURCE)
		return;
	n = weir_from_read(b, d, doc, &from);
	if (n > WEIR_INPUTS_MAX) {
		weir_diag(b->diags, doc->pos, "`from`: more than %d inputs", WEIR_INPUTS_MAX);
		n = 0;
	}
	if (n == 0)
		d->broken = true;
	for (uint32_t i = 0; i < n; i++) {
		struct weir_input *in = &s->input[s->input_count];

		if (!resolve(b, d, from[i].ref, from[i].pos, in)) {
			d->broken = true;
			continue;
		}
		in->pos = from[i].pos;
		in->remote = from[i].remote;
		if (!from[i].broken && read_before(s, in)) {
			weir_diag(b->diags, in->pos, "`from`: `%s` is listed twice",
				  weir_show(b, from[i].ref));
			d->broken = true;
		}
		d->from_pos[s->input_count++] = in->pos;
	}
	several = n > 1 || (n == 1 && from[0].remote && from[0].remote->regions.count != 1);
	if (s->kind == WEIR_STEP_UNION && d->kind_key && n && !several) {
		weir_diag(b->diags, from[0].pos, "union `%s` needs at least two inputs", s->name);
		d->broken = true;
	}
}

/* ---- order ---- */

/* Reports the cycle that step `at` is in or leads to, following inputs that are not done. */
static void report_cycle(struct weir_build *b, const bool *done, uint8_t *seen, uint32_t at)
{
	char text[1024];
	struct weir_buf out = weir_buf_of(text, sizeof(text));
	uint32_t chain[WEIR_STEPS_MAX + 1], n = 0, first = 0;

	/* Walk against the stream until a step comes again. */
	while (seen[at] == 0) {
		const struct weir_step *s = b->draft[at].step;
		uint32_t next = NONE;

		seen[at] = 1;
		chain[n++] = at;
		for (uint32_t i = 0; i < s->input_count; i++) {
			if (!done[s->input[i].step])
				next = s->input[i].step;
		}
		at = next;
	}
	if (seen[at] == 1) {
		while (chain[first] != at)
			first++;
		/* The chain runs upstream; people read downstream. */
		weir_buf_lit(&out, b->draft[at].step->name);
		for (uint32_t i = n; i > first; i--) {
			weir_buf_lit(&out, " -> ");
			weir_buf_lit(&out, b->draft[chain[i - 1]].step->name);
		}
		weir_diag(b->diags, b->draft[at].from_pos[0],
			  "the steps form a cycle: %.*s; records would run around forever",
			  (int)out.len, text);
	}
	for (uint32_t i = 0; i < n; i++)
		seen[chain[i]] = 2;
}

uint32_t weir_graph_resolve(struct weir_build *b, uint16_t *order)
{
	uint32_t count = b->p->step_count, n = 0;
	bool done[WEIR_STEPS_MAX] = {false};
	uint8_t seen[WEIR_STEPS_MAX] = {0};

	for (uint32_t i = 0; i < count; i++)
		read_from(b, &b->draft[i]);
	/* The first step in the file whose inputs are all done comes next: the order is the file's
	 * as far as possible. Files are small, so quadratic time is fine. */
	for (bool progress = true; progress;) {
		progress = false;
		for (uint32_t i = 0; i < count && !progress; i++) {
			const struct weir_step *s = b->draft[i].step;
			bool ready = !done[i];

			for (uint32_t k = 0; k < s->input_count; k++)
				ready = ready && done[s->input[k].step];
			if (!ready)
				continue;
			done[i] = true;
			order[n++] = (uint16_t)i;
			progress = true;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (done[i])
			continue;
		report_cycle(b, done, seen, i);
		b->draft[i].broken = true;
	}
	return n;
}

/* ---- readers ---- */

void weir_graph_readers(struct weir_build *b)
{
	for (uint32_t i = 0; i < b->p->step_count; i++) {
		const struct weir_draft *d = &b->draft[i];
		const struct weir_step *s = d->step;
		uint32_t read = 0;

		if (!d->ports_known || s->kind == WEIR_STEP_SINK || !s->name[0])
			continue;
		if (s->rejects_port >= 0 && s->port[s->rejects_port].uses == 0)
			weir_diag(
				b->diags, d->route_pos,
				"nobody reads `%s.rejects`: add a step with `from: %s.rejects`, or "
				"say `on_error: skip`",
				s->name, s->name);
		for (uint32_t k = 0; k < d->plain_ports; k++)
			read += s->port[k].uses > 0;
		if (read == 0) {
			weir_diag(b->diags, s->pos,
				  "nobody reads `%s`: add a sink, or drop the step", s->name);
			continue;
		}
		/* Only `rest`, the last plain output, may be left unread: that drops its records. */
		for (uint32_t k = 0; s->kind == WEIR_STEP_SPLIT && k + 1 < d->plain_ports; k++) {
			if (s->port[k].uses == 0)
				weir_diag(b->diags, s->pos,
					  "nobody reads `%s.%s`: add a sink, or drop the output",
					  s->name, s->port[k].name);
		}
	}
}

void weir_graph_reorder(struct weir_build *b, const uint16_t *order)
{
	uint32_t count = b->p->step_count;
	uint16_t place[WEIR_STEPS_MAX];
	struct weir_step *step = weir_region_array(b->region, struct weir_step, count);

	for (uint32_t i = 0; i < count; i++)
		place[order[i]] = (uint16_t)i;
	for (uint32_t i = 0; i < count; i++) {
		step[i] = *b->draft[order[i]].step;
		for (uint32_t k = 0; k < step[i].input_count; k++)
			step[i].input[k].step = place[step[i].input[k].step];
	}
	b->p->step = step;
}
