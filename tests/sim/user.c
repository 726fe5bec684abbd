/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/user.h"

#include <stdlib.h>

#include "engine/edge/build_ops.h"
#include "engine/edge/connector.h"
#include "engine/edge/operator.h"
#include "engine/edge/pipeline_file.h"
#include "tests/sim/stores.h"

int sim_user_build(struct sim *s, struct weir_region *region, struct weir_pipeline **ret,
		   struct weir_err *err)
{
	struct weir_diags diags;
	int r = weir_pipeline_load(s->user->path, weir_build_ops(), region, ret, &diags, err);

	if (r == WEIR_E_CONFIG && diags.count)
		weir_err_set(err, r, "%s:%u:%u: %s", s->user->path, diags.diag[0].pos.line,
			     diags.diag[0].pos.column, diags.diag[0].text);
	if (r < 0)
		return r;
	/* Everything runs in one thread: as many tasks as the run's options say. */
	(*ret)->metrics = "";
	return 0;
}

int sim_user_source(struct sim *s, struct weir_node *n, const struct weir_op_env *env,
		    const struct weir_pipeline *p)
{
	struct weir_conn_env conn = {.pipeline = p,
				     .step = env->step,
				     .region = env->region,
				     .rejects_port = env->rejects_port,
				     .instance = env->instance,
				     .instances = env->instances};
	enum weir_connector c = env->step->source.connector;

	(void)s;
	if (c != WEIR_CONN_FILE && c != WEIR_CONN_MEMORY && c != WEIR_CONN_NEXMARK)
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: its source cannot be simulated: what comes over a network "
			"cannot be read a second time; use a file, memory or nexmark source",
			env->step->name);
	if (env->step->source.follow ||
	    (c == WEIR_CONN_NEXMARK &&
	     (!env->step->source.nexmark.events || env->step->source.nexmark.live)))
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: a source without an end cannot be simulated: leave `follow` "
			"out, give nexmark `events` and no `live`",
			env->step->name);
	return weir_source_open(n, &conn);
}

int sim_user_oper(struct weir_node *n, const struct weir_op_env *env)
{
	return weir_operator_init(n, env);
}

const struct weir_regex_ops *sim_user_regex(void)
{
	return weir_build_ops()->regex;
}

static struct sim_sum *sum_of(struct sim_user *u, const char *step)
{
	for (uint32_t i = 0; i < u->sums; i++)
		if (strcmp(u->sum[i].step, step) == 0)
			return &u->sum[i];
	if (u->sums == WEIR_COUNT_OF(u->sum))
		abort();
	snprintf(u->sum[u->sums].step, sizeof(u->sum[u->sums].step), "%s", step);
	return &u->sum[u->sums++];
}

static void sums_of(const struct sim *s, struct sim_user *ret)
{
	ret->sums = 0;
	for (uint32_t i = 0; i < s->stores->count; i++) {
		const struct sim_store *t = s->stores->store[i];
		struct sim_sum *sum = sum_of(ret, t->step);

		sum->rows += t->rows;
		for (size_t at = 0; at < t->bytes.n;) {
			struct weir_frame f;
			struct weir_hash128 h;
			uint8_t *p = t->bytes.p + at;

			memcpy(&f, p, sizeof(f));
			/* The hash of an earlier key is no part of the record. */
			((struct weir_frame *)(void *)p)->key_hash = 0;
			((struct weir_frame *)(void *)p)->flags &= (uint8_t)~WEIR_FRAME_F_HASHED;
			h = weir_hash128(p, f.size);
			sum->lo += h.lo;
			sum->hi += h.hi;
			at += weir_frame_stride(&f);
		}
	}
}

void sim_user_pace(const struct sim *s, struct weir_source *source, uint32_t tasks)
{
	if (s->user->input)
		source->rate = 1 + (uint64_t)((weir_u128)s->user->input * (uint64_t)WEIR_NS_PER_S /
					      s->opt.run_ns / tasks);
}

/* Another run without faults: what differs already there cannot be compared. */
static void compare_calm(struct sim_user *first, const struct sim_user *again)
{
	for (uint32_t i = 0; i < again->sums; i++) {
		const struct sim_sum *b = &again->sum[i];
		struct sim_sum *a = sum_of(first, b->step);

		a->rows_vary |= a->rows != b->rows;
		a->varies |= a->rows != b->rows || a->lo != b->lo || a->hi != b->hi;
	}
}

void sim_user_check(struct sim *s)
{
	struct sim_user *now = sim_scratch(s, sizeof(*now));

	for (uint32_t i = 0; i < s->stores->count; i++)
		s->verdict.rows += s->stores->store[i]->rows;
	sums_of(s, now);
	if (s->user->collect) {
		if (s->user->sums == 0)
			sums_of(s, s->user);
		else
			compare_calm(s->user, now);
		return;
	}
	for (uint32_t i = 0; i < s->user->sums; i++) {
		const struct sim_sum *want = &s->user->sum[i];
		const struct sim_sum *have = sum_of(now, want->step);

		if (want->rows_vary)
			continue;
		sim_check(s, have->rows == want->rows, "I26",
			  "sink `%s` has %llu records, a run without faults gives %llu", want->step,
			  (unsigned long long)have->rows, (unsigned long long)want->rows);
		sim_check(s, want->varies || (have->lo == want->lo && have->hi == want->hi), "I26",
			  "sink `%s` has as many records as a run without faults, but not the same",
			  want->step);
	}
}
