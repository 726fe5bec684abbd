/* SPDX-License-Identifier: Apache-2.0 */
/* `scope: global`: its keys, the fields it adds, and the three steps that it becomes (engine/core/global.h). */
#include "base/assert.h"
#include "base/buf.h"
#include "engine/core/global.h"
#include "engine/core/pipeline_int.h"

#define PROVISIONAL_DEFAULT (5 * (int64_t)WEIR_NS_PER_S)
#define PROVISIONAL_MIN ((int64_t)10 * WEIR_NS_PER_MS)
#define PROVISIONAL_MAX ((int64_t)86400 * WEIR_NS_PER_S)

/* ---- keys of the step ---- */

static const struct weir_choice scope_choice[] = {
	{"region", 0},
	{"global", 1},
	{NULL, 0},
};

static bool read_provisional(struct weir_build *b, const struct weir_doc *doc, int64_t *ret)
{
	*ret = PROVISIONAL_DEFAULT;
	if (!doc)
		return true;
	if (doc->kind == WEIR_DOC_SCALAR && weir_str_is(doc->text, "off")) {
		*ret = 0;
		return true;
	}
	return weir_value_duration(b, doc, "provisional", PROVISIONAL_MIN, PROVISIONAL_MAX, ret);
}

bool weir_global_read(struct weir_build *b, struct weir_draft *d)
{
	const struct weir_doc *scope = weir_doc_get(d->doc, "scope");
	const struct weir_doc *provisional = weir_doc_get(d->doc, "provisional");
	struct weir_aggregate_spec *spec = &d->step->aggregate;
	struct weir_global_spec *g;
	int global = 0;
	bool ok;

	if (scope && !weir_value_choice(b, scope, "scope", scope_choice, &global))
		return false;
	if (!global) {
		if (!provisional)
			return true;
		weir_diag(
			b->diags, provisional->pos,
			"`provisional` goes with `scope: global`: results of one region are given "
			"when its window closes");
		return false;
	}
	g = weir_region_new(b->region, struct weir_global_spec);
	spec->global = g;
	ok = read_provisional(b, provisional, &g->provisional_ns);
	if (spec->window.kind == WEIR_WINDOW_SESSION) {
		weir_diag(
			b->diags, scope->pos,
			"`scope`: session windows cannot be global: where a session ends would be "
			"known only with the records of all regions; use a tumbling or a sliding "
			"window");
		ok = false;
	}
	if (b->p->state.guarantee == WEIR_GUARANTEE_NONE) {
		weir_diag(b->diags, scope->pos,
			  "`scope: global` needs epochs, which `guarantee: none` has not; leave it "
			  "out, or say at_least_once");
		ok = false;
	}
	return ok;
}

/* ---- the result's schema ---- */

static const struct {
	const char *name;
	unsigned type;
} added[] = {
	{"out_ver", WEIR_INT64},
	{"final", WEIR_BOOL},
	{"regions", WEIR_STRING},
	{"missing", WEIR_STRING},
};

static const char *const alone[] = {WEIR_GLOBAL_ALONE};

static struct weir_doc_pos place_of(const struct weir_draft *d, const char *name)
{
	for (uint32_t i = 0; i < d->value->count; i++)
		if (weir_str_is(d->value->entry[i].key, name))
			return d->value->entry[i].pos;
	return d->key_by->pos;
}

bool weir_global_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in,
		      struct weir_schema *out)
{
	struct weir_aggregate_spec *spec = &d->step->aggregate;
	struct weir_global_spec *g = weir_region_new(b->region, struct weir_global_spec);
	bool ok = true;

	for (size_t i = 0; i < WEIR_COUNT_OF(added); i++) {
		if (weir_schema_find(out, weir_str_c(added[i].name)) >= 0) {
			weir_diag(b->diags, place_of(d, added[i].name),
				  "`%s`: a global result has a field of this name, which says how "
				  "complete it is; choose another one",
				  added[i].name);
			ok = false;
			continue;
		}
		weir_assert(weir_schema_add(out, weir_str_c(added[i].name),
					    weir_type_of(added[i].type), false) >= 0);
	}
	*g = *spec->global;
	g->in = in;
	g->member = alone;
	g->member_count = 1;
	g->here = alone[0];
	spec->global = g;
	return ok;
}

/* ---- the three steps ---- */

struct rewrite {
	struct weir_build *b;
	struct weir_step *step; /* the new ones */
	uint32_t count;
	uint16_t place[WEIR_STEPS_MAX]; /* of a step of the file; of a global one where it merges */
	uint16_t part[WEIR_STEPS_MAX]; /* of a global one, where its late records are */
	bool whole[WEIR_STEPS_MAX]; /* has global results in it: each region has all of them */
};

static void name_end(struct weir_build *b, const struct weir_step *of, const char *tail,
		     char ret[static WEIR_NAME_MAX + 1])
{
	size_t n = strlen(of->name), t = strlen(tail);

	if (n + t > WEIR_NAME_MAX) {
		weir_diag(
			b->diags, of->pos,
			"`%s%s`, a step of the global aggregate, has a name of %zu bytes; at most "
			"%d are allowed: give the step a shorter name",
			of->name, tail, n + t, WEIR_NAME_MAX);
		n = 0;
	}
	memcpy(ret, of->name, n);
	memcpy(ret + n, tail, t + 1);
}

static bool is_global(const struct weir_step *s)
{
	return s->kind == WEIR_STEP_AGGREGATE && s->aggregate.global;
}

/* Inputs as the file has them. */
static bool reads_whole(const struct rewrite *w, const struct weir_input *in)
{
	return w->whole[in->step] && !(in->port && is_global(&w->b->p->step[in->step]));
}

static void check_inputs(const struct rewrite *w, const struct weir_step *s)
{
	for (uint32_t i = 0; i < s->input_count; i++) {
		const struct weir_input *in = &s->input[i];
		const char *from = w->b->p->step[in->step].name;

		if (in->remote)
			weir_diag(
				w->b->diags, in->pos,
				"`from`: with `scope: global` each region takes its own `%s`, and "
				"the results are put together; say `from: %s`",
				from, from);
		else if (reads_whole(w, in))
			weir_diag(
				w->b->diags, in->pos,
				"`from`: `%s` has the results of all regions in each region, and "
				"`scope: global` would count them once for each; leave `scope` out",
				from);
	}
}

/* From several regions they would come several times. */
static void check_once(const struct rewrite *w, const struct weir_input *in)
{
	const struct weir_step *from = &w->b->p->step[in->step];

	if (!in->remote || in->remote->regions.count == 1 || from->regions.count == 1 ||
	    !reads_whole(w, in))
		return;
	weir_diag(w->b->diags, in->pos,
		  "`from`: `%s` has the results of all regions in each region; read it there with "
		  "`from: %s`, or from one of them with {step: %s, region: NAME}",
		  from->name, from->name, from->name);
}

static struct weir_port_def *ports_of(struct rewrite *w, const struct weir_step *s)
{
	struct weir_port_def *port =
		weir_region_array(w->b->region, struct weir_port_def, s->port_count);

	memcpy(port, s->port, s->port_count * sizeof(*port));
	return port;
}

static struct weir_step *add_step(struct rewrite *w, const struct weir_step *like, uint16_t *ret_at)
{
	struct weir_step *s = &w->step[w->count];

	*ret_at = (uint16_t)w->count++;
	*s = *like;
	return s;
}

/* One task, one output, one input. */
static void make_one(struct rewrite *w, struct weir_step *s, enum weir_step_kind kind,
		     uint16_t from)
{
	s->kind = kind;
	s->parallelism = 1;
	s->keyed = false;
	s->key_count = 0;
	s->late_port = -1;
	s->input_count = 1;
	s->input[0] = (struct weir_input){.step = from, .pos = s->pos};
	s->port = ports_of(w, s);
}

/* g: the step of the file with inputs among the new steps. */
static void add_global(struct rewrite *w, uint32_t index, const struct weir_step *g)
{
	struct weir_schema *between = (struct weir_schema *)(uintptr_t)weir_global_schema();
	struct weir_remote *all = weir_region_new(w->b->region, struct weir_remote);
	struct weir_step *s;
	uint16_t at;

	/* It runs wherever its input does. Where several inputs do not run together is seen with the cluster. */
	s = add_step(w, g, &w->part[index]);
	name_end(w->b, g, "+part", s->name);
	s->regions = w->step[s->input[0].step].regions;
	s->port = ports_of(w, s);
	s->port[0].schema = between;
	s->port[0].uses = 1;

	s = add_step(w, g, &at);
	name_end(w->b, g, "+mark", s->name);
	s->regions = w->step[w->part[index]].regions;
	make_one(w, s, WEIR_STEP_GLOBAL_MARK, w->part[index]);
	s->on_error = WEIR_ON_ERROR_STOP;
	s->rejects_port = -1;
	s->port_count = 1;
	s->port[0].schema = between;
	s->port[0].uses = 1;

	s = add_step(w, g, &w->place[index]);
	make_one(w, s, WEIR_STEP_GLOBAL_MERGE, at);
	all->own = true;
	s->input[0].remote = all;
	/* main, late, rejects: late is the part's. */
	if (s->rejects_port >= 0) {
		s->port[1] = s->port[s->rejects_port];
		s->rejects_port = 1;
	}
	s->port_count = s->rejects_port >= 0 ? 2 : 1;
	w->whole[index] = true;
}

/* Rejects are those of both; late records the part's. */
static void add_input(struct rewrite *w, struct weir_step *s, const struct weir_input *in)
{
	const struct weir_step *from = &w->b->p->step[in->step];
	struct weir_input to = *in;
	bool global = is_global(from), rejects = global && (int)in->port == from->rejects_port;

	if (s->input_count + rejects >= WEIR_INPUTS_MAX) {
		weir_diag(w->b->diags, in->pos, "`from`: more than %d inputs", WEIR_INPUTS_MAX);
		return;
	}
	to.step = w->place[in->step];
	if (rejects) {
		to.port = 1;
		s->input[s->input_count++] = to;
		to.port = in->port;
	}
	if (global && in->port)
		to.step = w->part[in->step];
	s->input[s->input_count++] = to;
}

void weir_global_rewrite(struct weir_build *b)
{
	struct weir_pipeline *p = b->p;
	struct rewrite *w;
	uint32_t globals = 0;

	for (uint32_t i = 0; i < p->step_count; i++)
		globals += is_global(&p->step[i]);
	if (!globals)
		return;
	if (p->step_count + 2 * globals > WEIR_STEPS_MAX) {
		weir_diag(b->diags, p->pos,
			  "with those of global aggregates there are more than %d steps",
			  WEIR_STEPS_MAX);
		return;
	}
	w = weir_region_new(b->region, struct rewrite);
	w->b = b;
	w->step = weir_region_array(b->region, struct weir_step, p->step_count + 2 * globals);
	for (uint32_t i = 0; i < p->step_count; i++) {
		const struct weir_step *old = &p->step[i];
		struct weir_step s = *old;

		if (is_global(old))
			check_inputs(w, old);
		s.input_count = 0;
		for (uint32_t k = 0; k < old->input_count; k++) {
			w->whole[i] |= reads_whole(w, &old->input[k]);
			if (!is_global(old))
				check_once(w, &old->input[k]);
			add_input(w, &s, &old->input[k]);
		}
		if (is_global(old))
			add_global(w, i, &s);
		else
			*add_step(w, &s, &w->place[i]) = s;
	}
	p->step = w->step;
	p->step_count = w->count;
}
