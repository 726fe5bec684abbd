/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of one region: those of the file that run there, and the ends of edges between them.
 *
 * In the file's order: before a step the sources "X@eu" that it is the first to need, behind it the sinks "X>us" and the
 * steps "X=keys" of its outputs. User's names have none of @ > = . # in them, so names cannot collide.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/keyhash.h"
#include "engine/core/edge.h"
#include "engine/core/regions_int.h"

#define NAME_CAP ((size_t)4 * (WEIR_NAME_MAX + 1))

/* A step that was made, for whoever needs the same one. */
struct made {
	uint16_t step, port; /* of the file's pipeline: whose records */
	uint32_t region; /* sources: from where */
	const struct weir__keying *keying; /* NULL: all records */
	bool source; /* else a keys step */
	uint16_t at;
};

struct weir__steps {
	struct weir__regions *x;
	uint32_t count;
	struct weir_step *step[WEIR_STEPS_MAX];
	uint16_t place[WEIR_STEPS_MAX]; /* of the file's steps */
	uint32_t made_count;
	struct made made[WEIR_STEPS_MAX];
	bool bad;
};

/* ---- key groups ---- */

/* Owners have equal, contiguous parts in the order of the cluster file, as outputs of a keys step. */
static void part_of(uint32_t index, uint32_t count, uint32_t *ret_first, uint32_t *ret_last)
{
	*ret_first = (index * WEIR_KEY_GROUPS + count - 1) / count;
	*ret_last = ((index + 1) * WEIR_KEY_GROUPS + count - 1) / count - 1;
}

static uint32_t owners(uint32_t set)
{
	return (uint32_t)__builtin_popcount(set);
}

/* Which part a region of the set has. */
static uint32_t part_index(uint32_t set, uint32_t region)
{
	return owners(set & (weir__region_bit(region) - 1));
}

/* ---- new steps ---- */

/* Too many: reported, and a step that nobody will see. */
static struct weir_step *add(struct weir__steps *t, struct weir_doc_pos pos, uint16_t *ret_at)
{
	struct weir__regions *x = t->x;
	struct weir_step *s = weir_region_new(x->region, struct weir_step);

	*ret_at = 0;
	if (t->count == WEIR_STEPS_MAX) {
		if (!t->bad)
			weir_diag(x->diags, pos,
				  "with the ends of its edges region %s has more than %d steps",
				  x->env->region[x->env->here], WEIR_STEPS_MAX);
		t->bad = true;
		return s;
	}
	*ret_at = (uint16_t)t->count;
	t->step[t->count++] = s;
	return s;
}

struct weir_step *weir__steps_end(struct weir__steps *t, const char *name, enum weir_step_kind kind,
				  struct weir_doc_pos pos, uint16_t *ret_at)
{
	struct weir_step *s = add(t, pos, ret_at);
	size_t n = strlen(name);

	if (n > WEIR_NAME_MAX) {
		weir_diag(t->x->diags, pos,
			  "`%s`, the name of an end of an edge, has %zu bytes; at most %d are "
			  "allowed: give the step a shorter name",
			  name, n, WEIR_NAME_MAX);
		t->bad = true;
		n = WEIR_NAME_MAX;
	}
	memcpy(s->name, name, n);
	s->kind = kind;
	s->pos = pos;
	s->parallelism = 1;
	s->fuse = true;
	s->late_port = s->rejects_port = -1;
	return s;
}

static const struct weir_port_def *port_of(const struct weir__steps *t, uint16_t step,
					   uint16_t port)
{
	return &t->x->p->step[step].port[port];
}

static bool timed(const struct weir__steps *t, uint16_t step, uint16_t port)
{
	const struct weir_step *s = &t->x->p->step[step];

	return s->timed && (int)port != s->rejects_port;
}

/* "X.late", and what stands behind it. */
static void end_name(const struct weir__steps *t, uint16_t step, uint16_t port, const char *tail,
		     char ret[static NAME_CAP])
{
	const char *p = port_of(t, step, port)->name;

	snprintf(ret, NAME_CAP, "%s%s%s%s", t->x->p->step[step].name, *p ? "." : "", p, tail);
}

static void number_text(const struct weir__keying *k, char ret[static 16])
{
	ret[0] = 0;
	if (k->number > 1)
		snprintf(ret, 16, "%u", k->number);
}

/* ---- edges ---- */

/* What both ends have to say about the spread of a keyed edge, so that another key or other owners are another edge. */
static const char *spread_text(const struct weir__steps *t, const struct weir__keying *k,
			       const struct weir_edge_end *e)
{
	char text[WEIR_KEYS_MAX * (WEIR_NAME_MAX + 1) + 32];
	struct weir_buf out = weir_buf_of(text, sizeof(text));
	const struct weir_schema *s;

	if (!k)
		return "copy";
	s = port_of(t, k->step, k->port)->schema;
	weir_buf_printf(&out, "keys %u-%u", e->key_first, e->key_last);
	for (uint32_t i = 0; i < k->reader->key_count; i++) {
		weir_buf_char(&out, i ? ',' : ' ');
		weir_buf_lit(&out, s->field[k->reader->key[i]].name);
	}
	weir_assert(!out.full);
	return weir_region_strdup(t->x->region, (struct weir_str){text, out.len});
}

static struct weir_edge_end edge_end(const struct weir__steps *t, uint16_t step, uint16_t port,
				     const struct weir__keying *k, uint32_t from, uint32_t to)
{
	const struct weir_regions_env *env = t->x->env;
	struct weir_edge_end e = {
		.of = t->x->p->step[step].name,
		.port = port_of(t, step, port)->name,
		.from = weir_region_strdup(t->x->region, weir_str_c(env->region[from])),
		.to = weir_region_strdup(t->x->region, weir_str_c(env->region[to])),
		.keys = k != NULL,
		.key_last = WEIR_KEY_GROUPS - 1,
	};

	if (k)
		part_of(part_index(k->regions, to), owners(k->regions), &e.key_first, &e.key_last);
	e.id = weir_edge_id(env->cluster, t->x->p->name, e.of, e.port, e.from, e.to, 0,
			    spread_text(t, k, &e));
	return e;
}

static const struct made *find_made(const struct weir__steps *t, const struct weir_input *in,
				    const struct weir__keying *k, bool source, uint32_t region)
{
	for (uint32_t i = 0; i < t->made_count; i++) {
		const struct made *m = &t->made[i];

		if (m->source == source && m->step == in->step && m->port == in->port &&
		    m->keying == k && (!source || m->region == region))
			return m;
	}
	return NULL;
}

static void keep_made(struct weir__steps *t, struct made m)
{
	if (t->made_count < WEIR_COUNT_OF(t->made))
		t->made[t->made_count++] = m;
}

/* "X@eu": records of a step of another region. */
static uint16_t source_for(struct weir__steps *t, const struct weir_input *in,
			   const struct weir__keying *k, uint32_t from)
{
	const struct made *m = find_made(t, in, k, true, from);
	char name[NAME_CAP], tail[64], number[16];
	struct weir_step *s;
	uint16_t at;

	if (m)
		return m->at;
	snprintf(tail, sizeof(tail), "@%s", t->x->env->region[from]);
	if (k) {
		number_text(k, number);
		snprintf(tail, sizeof(tail), "@%s#keys%s", t->x->env->region[from], number);
	}
	end_name(t, in->step, in->port, tail, name);
	s = weir__steps_end(t, name, WEIR_STEP_SOURCE, in->pos, &at);
	s->timed = timed(t, in->step, in->port);
	s->port_count = 1;
	s->port = weir_region_new(t->x->region, struct weir_port_def);
	s->port[0].schema = port_of(t, in->step, in->port)->schema;
	s->source.connector = WEIR_CONN_EDGE;
	s->source.format = WEIR_FORMAT_RAW;
	s->source.stream_count = 1;
	s->source.time_field = -1; /* watermarks come over the edge */
	s->source.edge = edge_end(t, in->step, in->port, k, from, t->x->env->here);
	keep_made(t, (struct made){.step = in->step,
				   .port = in->port,
				   .region = from,
				   .keying = k,
				   .source = true,
				   .at = at});
	return at;
}

/* "X>us": for the readers of another region. Reads output `port` of `from`. */
static void add_sink(struct weir__steps *t, uint16_t step, uint16_t port,
		     const struct weir__keying *k, uint32_t to, uint16_t from, uint16_t from_port)
{
	char name[NAME_CAP], tail[64], number[16];
	struct weir_doc_pos pos = t->x->p->step[step].pos;
	struct weir_step *s;
	uint16_t at;

	snprintf(tail, sizeof(tail), ">%s", t->x->env->region[to]);
	if (k) {
		number_text(k, number);
		snprintf(tail, sizeof(tail), ">%s#keys%s", t->x->env->region[to], number);
	}
	end_name(t, step, port, tail, name);
	s = weir__steps_end(t, name, WEIR_STEP_SINK, pos, &at);
	s->timed = timed(t, step, port);
	s->input_count = 1;
	s->input[0] = (struct weir_input){.step = from, .port = from_port, .pos = pos};
	s->sink.connector = WEIR_CONN_EDGE;
	s->sink.format = WEIR_FORMAT_RAW;
	s->sink.edge = edge_end(t, step, port, k, t->x->env->here, to);
}

/* "X=keys": one output for each region that owns key groups. */
static uint16_t add_keys(struct weir__steps *t, const struct weir__keying *k)
{
	const struct weir_schema *in = port_of(t, k->step, k->port)->schema;
	const struct weir_regions_env *env = t->x->env;
	char name[NAME_CAP], tail[32], number[16];
	struct weir_step *s;
	uint16_t at;

	number_text(k, number);
	snprintf(tail, sizeof(tail), "=keys%s", number);
	end_name(t, k->step, k->port, tail, name);
	s = weir__steps_end(t, name, WEIR_STEP_KEYS, t->x->p->step[k->step].pos, &at);
	s->parallelism = 0; /* as its input: fused with it */
	s->timed = timed(t, k->step, k->port);
	s->input_count = 1;
	s->input[0] =
		(struct weir_input){.step = t->place[k->step], .port = k->port, .pos = s->pos};
	s->keys.key_count = k->reader->key_count;
	memcpy(s->keys.key, k->reader->key, sizeof(s->keys.key));
	s->port = weir_region_array(t->x->region, struct weir_port_def, owners(k->regions));
	for (uint32_t r = 0; r < env->region_count; r++) {
		struct weir_port_def *p = &s->port[s->port_count];

		if (!(k->regions & weir__region_bit(r)))
			continue;
		snprintf(p->name, sizeof(p->name), "%s", env->region[r]);
		p->schema = (struct weir_schema *)(uintptr_t)in;
		s->port_count++;
	}
	keep_made(t, (struct made){.step = k->step, .port = k->port, .keying = k, .at = at});
	return at;
}

/* ---- steps of the file ---- */

/* Does anybody in region `to` take this output of ours? */
static bool wanted(const struct weir__steps *t, uint16_t step, uint32_t port,
		   const struct weir__keying *k, uint32_t to)
{
	const struct weir__regions *x = t->x;

	for (uint32_t s = 0; s < x->p->step_count; s++) {
		const struct weir_step *reader = &x->p->step[s];

		if (!(x->runs[s] & weir__region_bit(to)))
			continue;
		for (uint32_t i = 0; i < reader->input_count; i++)
			if (reader->input[i].step == step && reader->input[i].port == port &&
			    (weir__regions_from(x, s, i, to) & weir__region_bit(x->env->here)) &&
			    weir__regions_keying(x, s, i) == k)
				return true;
	}
	return false;
}

static void send_keys(struct weir__steps *t, const struct weir__keying *k)
{
	const struct weir_regions_env *env = t->x->env;
	uint32_t want = 0;
	uint16_t at;

	for (uint32_t r = 0; r < env->region_count; r++)
		if (wanted(t, k->step, k->port, k, r))
			want |= weir__region_bit(r);
	if (!want)
		return;
	at = add_keys(t, k);
	for (uint32_t r = 0; r < env->region_count; r++)
		if (r != env->here && (want & weir__region_bit(r)))
			add_sink(t, k->step, k->port, k, r, at,
				 (uint16_t)part_index(k->regions, r));
}

/* What other regions take of this step. */
static void add_outputs(struct weir__steps *t, uint16_t step)
{
	const struct weir__regions *x = t->x;

	for (uint16_t port = 0; port < x->p->step[step].port_count; port++) {
		for (uint32_t r = 0; r < x->env->region_count; r++)
			if (r != x->env->here && wanted(t, step, port, NULL, r))
				add_sink(t, step, port, NULL, r, t->place[step], port);
		for (uint32_t k = 0; k < x->keying_count; k++)
			if (x->keying[k].step == step && x->keying[k].port == port)
				send_keys(t, &x->keying[k]);
	}
}

void weir__steps_input(struct weir__steps *t, struct weir_step *s, uint16_t step, uint16_t port,
		       struct weir_doc_pos pos)
{
	if (s->input_count == WEIR_INPUTS_MAX) {
		if (!t->bad)
			weir_diag(t->x->diags, pos,
				  "`from`: with those of other regions `%s` has more than %d "
				  "inputs in region %s",
				  s->name, WEIR_INPUTS_MAX, t->x->env->region[t->x->env->here]);
		t->bad = true;
		return;
	}
	s->input[s->input_count++] = (struct weir_input){.step = step, .port = port, .pos = pos};
}

/* One input of the file is one from here and one from each of the other regions. */
static void add_inputs(struct weir__steps *t, uint32_t step, uint32_t i, struct weir_step *s)
{
	const struct weir__regions *x = t->x;
	const struct weir_input *in = &x->p->step[step].input[i];
	const struct weir__keying *k = weir__regions_keying(x, step, i);
	uint32_t from = weir__regions_from(x, step, i, x->env->here);

	for (uint32_t r = 0; r < x->env->region_count; r++) {
		const struct made *m;

		if (!(from & weir__region_bit(r)))
			continue;
		if (r != x->env->here) {
			weir__steps_input(t, s, source_for(t, in, k, r), 0, in->pos);
		} else if (k) {
			m = find_made(t, in, k, false, 0);
			weir__steps_input(t, s, m ? m->at : 0, (uint16_t)part_index(k->regions, r),
					  in->pos);
		} else {
			weir__steps_input(t, s, t->place[in->step], in->port, in->pos);
		}
	}
}

static void add_step(struct weir__steps *t, uint32_t step)
{
	struct weir__regions *x = t->x;
	const struct weir_step *g = &x->p->step[step];
	struct weir_step *s = weir_region_new(x->region, struct weir_step), *to;

	/* Its inputs come before it. */
	*s = *g;
	s->input_count = 0;
	s->regions = (struct weir_region_list){0};
	if (s->kind == WEIR_STEP_GLOBAL_MARK || s->kind == WEIR_STEP_GLOBAL_MERGE)
		weir__regions_global(x, step, s);
	for (uint32_t i = 0; i < g->input_count; i++)
		add_inputs(t, step, i, s);
	s->port = weir_region_array(x->region, struct weir_port_def, g->port_count);
	for (uint32_t i = 0; i < g->port_count; i++) {
		s->port[i] = g->port[i];
		s->port[i].uses = 0;
	}
	if (s->kind == WEIR_STEP_TABLE)
		weir__regions_table(x, t, step, s);
	to = add(t, g->pos, &t->place[step]);
	*to = *s;
	if (s->kind == WEIR_STEP_TABLE)
		weir__regions_table_sinks(x, t, s, t->place[step]);
	add_outputs(t, (uint16_t)step);
}

bool weir__regions_steps(struct weir__regions *x, struct weir_step **ret_step, uint32_t *ret_count)
{
	struct weir__steps *t = weir_region_new(x->region, struct weir__steps);
	struct weir_step *step;

	t->x = x;
	for (uint32_t s = 0; s < x->p->step_count; s++)
		if (x->runs[s] & weir__region_bit(x->env->here))
			add_step(t, s);
	if (t->bad)
		return false;
	step = weir_region_array(x->region, struct weir_step, t->count);
	for (uint32_t s = 0; s < t->count; s++) {
		step[s] = *t->step[s];
		for (uint32_t i = 0; i < step[s].input_count; i++) {
			const struct weir_input *in = &step[s].input[i];

			weir_assert(in->step < s);
			step[in->step].port[in->port].uses++;
		}
	}
	*ret_step = step;
	*ret_count = t->count;
	return true;
}
