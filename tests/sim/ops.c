/* SPDX-License-Identifier: Apache-2.0 */
/* Operators of the simulated pipeline, over the same interface as anybody's (engine/weir.h). */
#include <stdio.h>

#include "engine/core/oper.h"
#include "tests/sim/graph.h"
#include "tests/sim/source.h"

/* ---- stamp: a nonce for each record ---- */

static int stamp_schema(const struct weir_host *host, const char *options,
			const struct weir_record_info *in, void *out, char *err, size_t err_cap)
{
	struct weir_field_info nonce = {.name = "nonce", .type = WEIR_VALUE_INT64};

	(void)options;
	(void)err;
	(void)err_cap;
	for (uint32_t i = 0; i < in->field_count; i++)
		if (host->add_field(out, &in->field[i]) < 0)
			return -1;
	return host->add_field(out, &nonce);
}

static int keep_info(const struct weir_host *host, const char *options,
		     const struct weir_record_info *in, const struct weir_record_info *out,
		     uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	(void)host;
	(void)options;
	(void)out;
	(void)task;
	(void)tasks;
	(void)err;
	(void)err_cap;
	*ret_self = (void *)(uintptr_t)in;
	return 0;
}

static uint32_t stamp_process(void *self, struct weir_context *c, const struct weir_span *in,
			      struct weir_writer *out)
{
	const struct weir_record_info *info = self;
	const struct weir_host *h = weir_oper_host();
	uint32_t i;

	(void)c;
	for (i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		int64_t nonce, id = weir_record_int(r, info, SIM_F_ID);

		if (!h->begin(out))
			break;
		/* 31 bits: sums of them never overflow. */
		nonce = (int64_t)(weir_prng_u64(&sim_now->prng_nonce) >> 33);
		sim_trace(sim_now, SIM_EV_NONCE, (uint64_t)id, (uint64_t)nonce, 0);
		h->set_int(out, SIM_F_T, weir_record_int(r, info, SIM_F_T));
		h->set_int(out, SIM_F_ID, id);
		h->set_int(out, SIM_F_K, weir_record_int(r, info, SIM_F_K));
		h->set_int(out, SIM_F_AMOUNT, weir_record_int(r, info, SIM_F_AMOUNT));
		h->set_text(out, SIM_F_KS, weir_record_text(r, info, SIM_F_KS).p,
			    weir_record_text(r, info, SIM_F_KS).n);
		h->set_text(out, SIM_F_NOTE, weir_record_text(r, info, SIM_F_NOTE).p,
			    weir_record_text(r, info, SIM_F_NOTE).n);
		h->set_int(out, SIM_F_NONCE, nonce);
		if (h->emit(out, r->time_ns) < 0)
			h->fail(c, "a stamped record does not fit");
	}
	return i;
}

static const struct weir_operator stamp = {.abi = WEIR_ABI,
					   .size = sizeof(struct weir_operator),
					   .schema = stamp_schema,
					   .open = keep_info,
					   .process = stamp_process};

/* ---- sums: per key what came since the last timer; a timer says it and forgets the key ---- */

struct sums {
	int64_t k, n, amounts, nonces;
};

static int sums_schema(const struct weir_host *host, const char *options,
		       const struct weir_record_info *in, void *out, char *err, size_t err_cap)
{
	static const char *const name[] = {"k", "n", "amounts", "nonces"};

	(void)options;
	(void)in;
	(void)err;
	(void)err_cap;
	for (unsigned i = 0; i < WEIR_COUNT_OF(name); i++) {
		struct weir_field_info f = {.name = name[i], .type = WEIR_VALUE_INT64};

		if (host->add_field(out, &f) < 0)
			return -1;
	}
	return 0;
}

static uint32_t sums_process(void *self, struct weir_context *c, const struct weir_span *in,
			     struct weir_writer *out)
{
	const struct weir_record_info *info = self;
	const struct weir_host *h = weir_oper_host();
	int64_t bucket = (int64_t)sim_now->opt.window_ns;

	(void)out;
	for (uint32_t i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		struct sums *s = h->state(c, r, NULL);

		s->k = weir_record_int(r, info, SIM_F_K);
		s->n++;
		s->amounts += weir_record_int(r, info, SIM_F_AMOUNT);
		s->nonces += weir_record_int(r, info, SIM_F_NONCE);
		h->set_timer(c, r, (r->time_ns / bucket + 1) * bucket);
	}
	return in->count;
}

static int sums_timer(void *self, struct weir_context *c, void *state, int64_t time_ns,
		      struct weir_writer *out)
{
	const struct weir_host *h = weir_oper_host();
	const struct sums *s = state;

	(void)self;
	if (!h->begin(out))
		return 0;
	h->set_int(out, 0, s->k);
	h->set_int(out, 1, s->n);
	h->set_int(out, 2, s->amounts);
	h->set_int(out, 3, s->nonces);
	if (h->emit(out, time_ns) < 0)
		h->fail(c, "a sum does not fit");
	return 1;
}

static const struct weir_operator sums = {.abi = WEIR_ABI,
					  .size = sizeof(struct weir_operator),
					  .state_bytes = sizeof(struct sums),
					  .schema = sums_schema,
					  .open = keep_info,
					  .process = sums_process,
					  .timer = sums_timer};

/* ---- marks: counts per key; some records drop the key unseen, and are said ---- */

static int marks_schema(const struct weir_host *host, const char *options,
			const struct weir_record_info *in, void *out, char *err, size_t err_cap)
{
	struct weir_field_info id = {.name = "id", .type = WEIR_VALUE_INT64};

	(void)options;
	(void)in;
	(void)err;
	(void)err_cap;
	return host->add_field(out, &id);
}

static uint32_t marks_process(void *self, struct weir_context *c, const struct weir_span *in,
			      struct weir_writer *out)
{
	const struct weir_record_info *info = self;
	const struct weir_host *h = weir_oper_host();
	uint32_t i;

	for (i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		int64_t id = weir_record_int(r, info, SIM_F_ID);

		if (!SIM_MARKED(id)) {
			++*(int64_t *)h->state(c, r, NULL);
			continue;
		}
		if (!h->begin(out))
			break;
		h->set_int(out, 0, id);
		if (h->emit(out, r->time_ns) < 0)
			h->fail(c, "a mark does not fit");
		h->state_drop(c, r);
	}
	return i;
}

static const struct weir_operator marks = {.abi = WEIR_ABI,
					   .size = sizeof(struct weir_operator),
					   .state_bytes = sizeof(int64_t),
					   .schema = marks_schema,
					   .open = keep_info,
					   .process = marks_process};

const struct weir_operator *sim_operator(const char *name)
{
	if (strcmp(name, "stamp") == 0)
		return &stamp;
	if (strcmp(name, "marks") == 0)
		return &marks;
	return strcmp(name, "sums") == 0 ? &sums : NULL;
}

int sim_operator_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env)
{
	(void)s;
	return weir_oper_init(n, env, env->step->oper.handle);
}
