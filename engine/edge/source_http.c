/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: http. The bodies of POST requests are records, one per line. A body is taken whole or not at all, and
 * is answered when the epoch that took it is durable (docs/formats/ingress.md).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/core/source_state.h"
#include "host/address.h"
#include "engine/edge/engine.h"
#include "engine/edge/intake.h"
#include "engine/edge/records.h"

#define EPOCHS_MAX 128u /* that were frozen and are not durable; more are joined to the newest */

struct source_http {
	struct weir_records r;
	int listen_fd; /* until the server has it */
	char address[128];
	bool epochs, listening;
	struct weir_intake *intake;

	struct weir_intake_body *body; /* being taken; behind `at` are its records still to come */
	size_t at;
	uint64_t taken; /* ticket of the last body that is through */
	uint64_t frozen; /* ticket that the newest epoch has */
	struct {
		uint64_t epoch, ticket;
	} wait[EPOCHS_MAX]; /* oldest first */
	uint32_t waits;

	/* the HTTP thread's */
	struct weir_region region;
	struct weir_decoder *checker;
	void *check_mem;
	uint32_t record_max;
};

/* ---- in the HTTP thread ---- */

static int64_t not_a_record(struct weir_buf *why, const char *text, const struct weir_decoded *d)
{
	weir_buf_lit(why, "\"error\":");
	weir_buf_json_str(why, weir_str_c(text));
	weir_buf_printf(why, ",\"line\":%llu", (unsigned long long)d->line);
	if (d->column)
		weir_buf_printf(why, ",\"column\":%u", d->column);
	return -1;
}

static int64_t check(void *ctx, const char *p, size_t n, struct weir_buf *why)
{
	struct source_http *o = ctx;
	int64_t records = 0;
	size_t at = 0;

	weir_decoder_restart(o->checker);
	for (;;) {
		struct weir_err err = {0};
		struct weir_decoded d;

		if (weir_decode(o->checker, p + at, n - at, true, o->check_mem, o->record_max, &d,
				&err))
			return not_a_record(why, err.text, &d);
		if (d.kind == WEIR_DECODE_MORE)
			return records;
		if (d.kind == WEIR_DECODE_REJECT)
			return not_a_record(why, d.reason, &d);
		records += d.kind == WEIR_DECODE_RECORD;
		at += d.consumed;
	}
}

/* ---- in the worker ---- */

static void settle(struct source_http *o)
{
	uint64_t ticket = o->epochs ? 0 : o->taken;
	uint32_t k = 0;

	for (; k < o->waits && o->wait[k].epoch <= o->r.source.durable; k++)
		ticket = o->wait[k].ticket;
	if (k) {
		o->waits -= k;
		memmove(o->wait, o->wait + k, o->waits * sizeof(*o->wait));
	}
	weir_intake_settle(o->intake, ticket);
}

/* Begins only now: ids of an earlier run must be there before a repeated request is. */
static int start(struct weir_node *n, struct source_http *o)
{
	int fd = o->listen_fd;

	o->listening = true;
	if (weir_intake_listen(o->intake, fd))
		return weir_err_set(&n->task->err, -EIO,
				    "step `%s`: cannot start the HTTP server on %s", n->step_name,
				    o->address);
	o->listen_fd = -1;
	return 0;
}

static int source_http_run(struct weir_node *n)
{
	struct source_http *o = n->op;
	struct weir_source *s = &o->r.source;
	size_t used;
	int r = o->listening ? 0 : start(n, o);

	if (r < 0)
		return r;
	if (s->stopping)
		weir_intake_close(o->intake);
	if (!o->epochs)
		settle(o);
	if (!o->body) {
		o->body = weir_intake_next(o->intake);
		o->at = 0;
		weir_decoder_restart(o->r.decoder);
	}
	if (!o->body) {
		s->wait_ns = (uint64_t)WEIR_NS_PER_MS;
		s->ended = s->cut = s->stopping;
		return s->ended;
	}
	o->r.fresh = true;
	r = weir_records_emit(&o->r, n, o->body->data + o->at, o->body->n - o->at, true, o->address,
			      (int64_t)o->at, &used);
	if (r < 0)
		return r;
	o->at += used;
	if (r == WEIR_RECORDS_MORE) {
		o->taken = o->body->ticket;
		free(o->body);
		o->body = NULL;
	}
	return 1;
}

static void source_http_settled(struct weir_node *n)
{
	struct source_http *o = n->op;

	if (o->intake)
		settle(o);
}

static void source_http_fini(struct weir_node *n)
{
	struct source_http *o = n->op;

	source_http_settled(n); /* what is still to be said */
	weir_intake_free(o->intake);
	free(o->body);
	if (o->listen_fd >= 0)
		close(o->listen_fd);
	weir_region_fini(&o->region);
}

/* ---- state ---- */

/*   u8 has a body; then place of the decoder, text: the rest of the body; then the ids */
static void source_http_freeze(struct weir_node *n, struct weir_out *out)
{
	struct source_http *o = n->op;
	/* What is left of a body is in the part, so the body is in this epoch. */
	uint64_t ticket = o->body && o->body->ticket ? o->body->ticket : o->taken;

	weir_source_put(&o->r.source, out);
	weir_out_u8(out, o->body != NULL);
	if (o->body) {
		struct weir_decoder_place place;

		weir_decoder_place(o->r.decoder, &place);
		weir_source_place_put(out, &place);
		weir_out_text(out, (struct weir_str){o->body->data + o->at, o->body->n - o->at});
	}
	weir_ids_freeze(weir_intake_ids_lock(o->intake), out, ticket);
	weir_intake_ids_unlock(o->intake);
	if (ticket == o->frozen)
		return;
	o->frozen = ticket;
	o->waits -= o->waits == EPOCHS_MAX;
	o->wait[o->waits].epoch = n->task->epoch;
	o->wait[o->waits++].ticket = ticket;
}

static bool source_http_touch(struct weir_node *n, bool begin, size_t budget)
{
	struct source_http *o = n->op;

	(void)begin;
	(void)budget;
	weir_ids_touch(weir_intake_ids_lock(o->intake));
	weir_intake_ids_unlock(o->intake);
	return true;
}

static int restore_body(struct weir_node *n, struct source_http *o, struct weir_reader *in)
{
	struct weir_decoder_place place;
	struct weir_str rest;

	weir_source_place_get(in, &place);
	rest = weir_read_text(in);
	if (in->bad || rest.n > WEIR_INTAKE_BODY_MAX)
		return weir_source_damaged(n, "a body");
	o->body = malloc(sizeof(*o->body) + rest.n);
	if (!o->body)
		return weir_err_set(&n->task->err, -ENOMEM, "step `%s`: out of memory",
				    n->step_name);
	*o->body = (struct weir_intake_body){.n = rest.n};
	memcpy(o->body->data, rest.p, rest.n);
	weir_decoder_restart(o->r.decoder);
	weir_decoder_put_back(o->r.decoder, &place);
	return 0;
}

static int source_http_restore(struct weir_node *n, struct weir_restore *r)
{
	struct source_http *o = n->op;
	int rc = weir_source_get(n, r);
	bool ok;

	if (rc)
		return rc;
	o->r.source.ended = false; /* a socket has no end */
	free(o->body);
	o->body = NULL;
	o->at = 0;
	if (weir_read_u8(&r->in)) {
		rc = restore_body(n, o, &r->in);
		if (rc)
			return rc;
	}
	ok = weir_ids_restore(weir_intake_ids_lock(o->intake), &r->in);
	weir_intake_ids_unlock(o->intake);
	return ok && !weir_reader_left(&r->in) ? 0 : weir_source_damaged(n, "ids");
}

static int source_http_restored(struct weir_node *n)
{
	struct source_http *o = n->op;
	bool ok = weir_ids_whole(weir_intake_ids_lock(o->intake));

	weir_intake_ids_unlock(o->intake);
	return ok ? 0 : weir_source_damaged(n, "ids are missing");
}

static void source_http_sign(const struct weir_node *n, struct weir_buf *b)
{
	(void)n;
	weir_buf_lit(b, "http");
}

static const struct weir_state_ops source_http_state = {
	.freeze = source_http_freeze,
	.touch = source_http_touch,
	.restore = source_http_restore,
	.restored = source_http_restored,
	.sign = source_http_sign,
};

static const struct weir_op_class source_http_class = {
	.name = "http",
	.run = source_http_run,
	.fini = source_http_fini,
	.settled = source_http_settled,
	.source = true,
	.state = &source_http_state,
};

const char *weir_source_http_address(const struct weir_node *n)
{
	const struct source_http *o = n->op;

	return n->cls == &source_http_class ? o->address : "";
}

static int open_intake(struct weir_node *n, struct source_http *o, const char *step)
{
	struct weir_intake_options opt = {.step = step, .check = check, .ctx = o};

	weir_region_init(&o->region, &weir_heap_mem);
	o->checker = weir_records_decoder(&o->r, n, &o->region);
	if (!o->checker)
		return n->task->err.code;
	o->record_max = n->task->record_max;
	o->check_mem = weir_region_alloc(&o->region, o->record_max);
	if (weir_intake_new(&opt, &o->intake))
		return weir_err_set(&n->task->err, -ENOMEM, "step `%s`: out of memory",
				    n->step_name);
	return 0;
}

int weir_source_http_open(struct weir_node *n, const struct weir_conn_env *env)
{
	const struct weir_source_spec *s = &env->step->source;
	struct source_http *o = weir_region_new(env->region, struct source_http);
	int r;

	n->cls = &source_http_class;
	n->op = o;
	o->listen_fd = -1;
	o->epochs = env->epochs;
	o->r.source.drains = true;
	if (s->format == WEIR_FORMAT_CSV && s->csv.header)
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: csv over http has no header line: write `header: false`",
			env->step->name);
	if (env->instances > 1)
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: repeated requests must find the first one again, so an "
			"http source has one task: write `parallelism: 1`",
			env->step->name);
	r = weir_records_init(&o->r, n, env);
	if (r == 0 && !env->dry)
		r = open_intake(n, o, env->step->name);
	if (r < 0 || env->dry)
		return r;
	r = weir_address_listen(s->listen, false, &o->listen_fd, o->address, sizeof(o->address),
				&n->task->err);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
