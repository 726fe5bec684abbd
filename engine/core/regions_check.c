/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs where and reads from where. Nothing here depends on the region that is planned. */
#include "engine/core/regions_int.h"

static uint32_t all(const struct weir__regions *x)
{
	return (uint32_t)((UINT64_C(1) << x->env->region_count) - 1);
}

/* "eu, us" */
static const char *names(struct weir__regions *x, uint32_t set)
{
	char text[WEIR__REGIONS_MAX * (WEIR_REGION_MAX + 2)];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	for (uint32_t i = 0; i < x->env->region_count; i++) {
		if (!(set & weir__region_bit(i)))
			continue;
		if (out.len)
			weir_buf_lit(&out, ", ");
		weir_buf_lit(&out, x->env->region[i]);
	}
	return weir_region_strdup(x->region, (struct weir_str){text, out.len});
}

static const char *plural(uint32_t set)
{
	return set & (set - 1) ? "s" : "";
}

/* A region of the list as a set; 0: reported. */
static uint32_t find(struct weir__regions *x, const struct weir_region_ref *ref)
{
	struct weir_str name = weir_str_c(ref->name);
	const char *near;

	for (uint32_t i = 0; i < x->env->region_count; i++)
		if (weir_str_is(name, x->env->region[i]))
			return weir__region_bit(i);
	near = weir_str_suggest(name, x->env->region, x->env->region_count);
	if (near)
		weir_diag(x->diags, ref->pos, "cluster `%s` has no region `%s`; did you mean `%s`?",
			  x->env->cluster, ref->name, near);
	else
		weir_diag(x->diags, ref->pos, "cluster `%s` has no region `%s`; its regions are %s",
			  x->env->cluster, ref->name, names(x, all(x)));
	return 0;
}

/* ---- who runs where ---- */

static bool check_places(struct weir__regions *x)
{
	bool ok = true;

	x->runs = weir_region_array(x->region, uint32_t, x->p->step_count);
	for (uint32_t s = 0; s < x->p->step_count; s++) {
		const struct weir_region_list *l = &x->p->step[s].regions;

		x->runs[s] = l->count ? 0 : all(x);
		for (uint32_t i = 0; i < l->count; i++) {
			uint32_t bit = find(x, &l->ref[i]);

			x->runs[s] |= bit;
			ok = ok && bit;
		}
	}
	return ok;
}

/* ---- who reads from where ---- */

static const char *output_of(struct weir__regions *x, const struct weir_input *in)
{
	const struct weir_step *from = &x->p->step[in->step];
	const char *port = from->port[in->port].name;

	return weir_region_printf(x->region, "%s%s%s", from->name, *port ? "." : "", port);
}

static bool check_plain(struct weir__regions *x, uint32_t step, const struct weir_input *in)
{
	uint32_t none = x->runs[step] & ~x->runs[in->step];
	const char *from = x->p->step[in->step].name;

	if (!none)
		return true;
	weir_diag(x->diags, in->pos,
		  "`from`: `%s` does not run in region%s %s, where `%s` runs; say `regions: [%s]` "
		  "there, or read from other regions with {step: %s, regions: all}",
		  from, plural(none), names(x, none), x->p->step[step].name,
		  names(x, x->runs[in->step]), from);
	return false;
}

static bool check_remote(struct weir__regions *x, uint32_t step, uint32_t i)
{
	const struct weir_input *in = &x->p->step[step].input[i];
	const struct weir_region_list *l = &in->remote->regions;
	uint32_t *from = &x->from[step][i];
	bool ok = true;

	*from = l->count ? 0 : x->runs[in->step];
	for (uint32_t k = 0; k < l->count; k++) {
		uint32_t bit = find(x, &l->ref[k]);

		if (bit & ~x->runs[in->step])
			weir_diag(x->diags, l->ref[k].pos,
				  "`from`: `%s` does not run in region %s; it runs in %s",
				  x->p->step[in->step].name, l->ref[k].name,
				  names(x, x->runs[in->step]));
		ok = ok && (bit & x->runs[in->step]);
		*from |= bit;
	}
	if (in->remote->keys && x->p->step[step].regions.count == 1) {
		weir_diag(x->diags, in->pos,
			  "`spread: keys` is for steps that run in several regions, and `%s` runs "
			  "in %s only",
			  x->p->step[step].name, names(x, x->runs[step]));
		ok = false;
	}
	return ok;
}

/* The same output of the same region twice, in any of the regions where the step runs. */
static bool check_twice(struct weir__regions *x, uint32_t step, uint32_t i)
{
	const struct weir_step *s = &x->p->step[step];
	const struct weir_input *in = &s->input[i];

	for (uint32_t k = 0; k < i; k++) {
		uint32_t twice = 0;

		if (s->input[k].step != in->step || s->input[k].port != in->port)
			continue;
		for (uint32_t at = 0; at < x->env->region_count; at++)
			if (x->runs[step] & weir__region_bit(at))
				twice |= weir__regions_from(x, step, i, at) &
					 weir__regions_from(x, step, k, at);
		if (!twice)
			continue;
		weir_diag(x->diags, in->pos, "`from`: `%s` of region%s %s is read twice",
			  output_of(x, in), plural(twice), names(x, twice));
		return false;
	}
	return true;
}

static bool crosses(const struct weir__regions *x, uint32_t step, uint32_t i)
{
	for (uint32_t at = 0; at < x->env->region_count; at++)
		if ((x->runs[step] & weir__region_bit(at)) &&
		    (weir__regions_from(x, step, i, at) & ~weir__region_bit(at)))
			return true;
	return false;
}

/* What edges need of the pipeline as a whole; said once. */
static bool check_crossing(struct weir__regions *x, const struct weir_input *in)
{
	uint32_t max = WEIR_LANE_FRAME_LIMIT - 8 -
		       (uint32_t)(sizeof(struct weir_lane_head) + sizeof(struct weir_lane_data));

	if (x->p->state.guarantee == WEIR_GUARANTEE_NONE) {
		weir_diag(x->diags, in->pos,
			  "input from another region needs epochs: `guarantee: none` keeps nothing "
			  "that could be sent again; leave it out, or say at_least_once");
		return false;
	}
	if (x->p->record_max > max) {
		weir_diag(x->diags, in->pos,
			  "input from another region has records of at most %u bytes: lower "
			  "`record_max`",
			  max);
		return false;
	}
	return true;
}

static bool check_inputs(struct weir__regions *x)
{
	bool ok = true, crossing = false;

	x->from = weir_region_array(x->region, uint32_t *, x->p->step_count);
	for (uint32_t s = 0; s < x->p->step_count; s++) {
		const struct weir_step *step = &x->p->step[s];

		x->from[s] = weir_region_array(x->region, uint32_t, step->input_count);
		/* Regions tell each other about a table. That is a cycle, and no deadlock: a table waits for nobody. */
		if (step->kind == WEIR_STEP_TABLE && !crossing && (x->runs[s] & (x->runs[s] - 1))) {
			crossing = true;
			ok = check_crossing(x, &step->input[0]) && ok;
		}
		for (uint32_t i = 0; i < step->input_count; i++) {
			bool right = step->input[i].remote ? check_remote(x, s, i)
							   : check_plain(x, s, &step->input[i]);

			ok = right && ok;
			if (!right)
				continue;
			ok = check_twice(x, s, i) && ok;
			if (crossing || !crosses(x, s, i))
				continue;
			crossing = true;
			ok = check_crossing(x, &step->input[i]) && ok;
		}
	}
	return ok;
}

/* ---- who is read ---- */

/* Regions in which the output is read, there or from elsewhere. */
static uint32_t read_in(const struct weir__regions *x, uint32_t step, uint32_t port)
{
	uint32_t set = 0;

	for (uint32_t s = 0; s < x->p->step_count; s++) {
		const struct weir_step *to = &x->p->step[s];

		for (uint32_t i = 0; i < to->input_count; i++)
			if (to->input[i].step == step && to->input[i].port == port)
				set |= to->input[i].remote ? x->from[s][i] : x->runs[s];
	}
	return set;
}

static bool check_output(struct weir__regions *x, uint32_t step, const char *port, uint32_t read)
{
	const struct weir_step *s = &x->p->step[step];
	uint32_t unread = x->runs[step] & ~read;

	if (!unread)
		return true;
	if (!*port && read)
		weir_diag(x->diags, s->pos,
			  "nobody reads `%s` in region%s %s: say `regions: [%s]`, or add a step "
			  "that reads it there",
			  s->name, plural(unread), names(x, unread), names(x, read));
	else
		weir_diag(x->diags, s->pos,
			  "nobody reads `%s%s%s` in region%s %s: add a step that reads it there",
			  s->name, *port ? "." : "", port, plural(unread), names(x, unread));
	return false;
}

/* The rules of one region (pipeline_graph.c) hold in each. */
static bool check_readers(struct weir__regions *x)
{
	bool ok = true;

	for (uint32_t i = 0; i < x->p->step_count; i++) {
		const struct weir_step *s = &x->p->step[i];
		bool split = s->kind == WEIR_STEP_SPLIT, right;
		uint32_t any = 0;

		if (s->kind == WEIR_STEP_SINK)
			continue;
		for (uint32_t k = 0; k < s->port_count; k++)
			if ((int)k != s->late_port && (int)k != s->rejects_port)
				any |= read_in(x, i, k);
		right = check_output(x, i, "", any);
		for (uint32_t k = 0; split && right && k < s->split.count; k++)
			right = check_output(x, i, s->port[k].name, read_in(x, i, k)) && right;
		if (s->rejects_port >= 0)
			right = check_output(x, i, "rejects",
					     read_in(x, i, (uint32_t)s->rejects_port)) &&
				right;
		ok = ok && right;
	}
	return ok;
}

/* ---- keys ---- */

static bool same_keying(const struct weir__keying *k, const struct weir_input *in,
			const struct weir_step *reader, uint32_t regions)
{
	return k->step == in->step && k->port == in->port && k->regions == regions &&
	       k->reader->key_count == reader->key_count &&
	       memcmp(k->reader->key, reader->key, reader->key_count * sizeof(*reader->key)) == 0;
}

const struct weir__keying *weir__regions_keying(const struct weir__regions *x, uint32_t step,
						uint32_t i)
{
	const struct weir_step *s = &x->p->step[step];
	const struct weir_input *in = &s->input[i];

	if (!in->remote || !in->remote->keys)
		return NULL;
	for (uint32_t k = 0; k < x->keying_count; k++)
		if (same_keying(&x->keying[k], in, s, x->runs[step]))
			return &x->keying[k];
	return NULL;
}

static void find_keyings(struct weir__regions *x)
{
	uint32_t cap = 0;

	for (uint32_t s = 0; s < x->p->step_count; s++)
		cap += x->p->step[s].input_count;
	x->keying = weir_region_array(x->region, struct weir__keying, cap);
	for (uint32_t s = 0; s < x->p->step_count; s++) {
		const struct weir_step *step = &x->p->step[s];

		for (uint32_t i = 0; i < step->input_count; i++) {
			const struct weir_input *in = &step->input[i];
			uint32_t number = 1;

			if (!in->remote || !in->remote->keys || !(x->runs[s] & (x->runs[s] - 1)) ||
			    weir__regions_keying(x, s, i))
				continue;
			for (uint32_t k = 0; k < x->keying_count; k++)
				number += x->keying[k].step == in->step &&
					  x->keying[k].port == in->port;
			x->keying[x->keying_count++] = (struct weir__keying){
				.step = in->step,
				.port = in->port,
				.regions = x->runs[s],
				.number = number,
				.reader = step,
			};
		}
	}
}

bool weir__regions_check(struct weir__regions *x)
{
	if (!check_places(x) || !check_inputs(x) || !check_readers(x))
		return false;
	find_keyings(x);
	return true;
}
