/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink: postgres. With epochs rows are collected as COPY text and go into the table when the epoch is
 * durable, in one transaction with the cursor (sink_postgres_cursor.c). Without epochs they are sent by
 * plain COPY, about a megabyte or a second at a time; a connection that breaks then stops the pipeline.
 */
#include "engine/edge/sink_postgres.h"

#include "engine/core/freeze.h"
#include "engine/edge/sink.h"

#define BATCH_BYTES ((size_t)1 << 20)
#define BATCH_NS ((uint64_t)WEIR_NS_PER_S)
#define ROW_MAX ((size_t)1 << 29)

/* ---- rows ---- */

static int bad_text(struct weir_node *n, const struct sink_postgres *o, int field)
{
	return weir_err_set(&n->task->err, WEIR_E_REJECT,
			    "step `%s`: a record has text in field `%s` that PostgreSQL cannot "
			    "hold (a zero byte, or bytes that are not UTF-8); leave such records "
			    "out with a filter before the sink, or make the field bytes",
			    o->step, o->in->field[field].name);
}

static int collect_row(struct weir_node *n, struct sink_postgres *o, const struct weir_frame *f)
{
	size_t room = weir_copy_room(f);

	for (;; room *= 2) {
		struct weir_buf b = weir_buf_of(weir_out_claim(&o->out, room), room);
		int bad = weir_copy_record(&o->copy, &b, f);

		if (weir_unlikely(bad >= 0))
			return bad_text(n, o, bad);
		if (weir_likely(!b.full)) {
			weir_out_keep(&o->out, b.len);
			return 0;
		}
		/* Strings that share their bytes take more. */
		if (room > ROW_MAX / 2)
			return weir_err_set(&n->task->err, WEIR_E_LIMIT,
					    "step `%s`: a record of more than 256 MiB as text",
					    o->step);
	}
}

static int collect(struct weir_node *n, struct sink_postgres *o)
{
	struct weir_batch *in = &n->in;

	if (weir_unlikely(!o->out.mem))
		weir_out_init(&o->out, n->part->mem);
	for (; in->pos < in->count; in->pos++, n->rows_in++) {
		int r = collect_row(n, o, in->row[in->pos]);

		if (r < 0)
			return r;
	}
	n->held = o->out.bytes;
	return 0;
}

/* ---- without epochs ---- */

static int send_batch(struct weir_node *n, struct sink_postgres *o)
{
	int r;

	if (o->batch.len == 0)
		return 0;
	r = weir_pg_copy(&o->pg, o->copy_sql, o->batch.p, o->batch.len, &n->task->err);
	o->batch.len = 0;
	if (r == 0)
		return 0;
	weir_err_prefix(&n->task->err, "step `%s`", o->step);
	return r < 0 ? r : WEIR_E_PEER;
}

static int send_rows(struct weir_node *n, struct sink_postgres *o)
{
	struct weir_batch *in = &n->in;

	while (in->pos < in->count) {
		size_t at = o->batch.len;
		int bad = weir_copy_record(&o->copy, &o->batch, in->row[in->pos]), r = 0;

		if (bad >= 0)
			return bad_text(n, o, bad);
		if (!o->batch.full) {
			if (at == 0)
				o->batch_ns = n->task->mono_ns;
			in->pos++;
			n->rows_in++;
			if (o->batch.len < BATCH_BYTES)
				continue;
			at = o->batch.len;
		} else if (at == 0) {
			return weir_err_set(&n->task->err, WEIR_E_LIMIT,
					    "step `%s`: a record of more than %zu bytes as text",
					    o->step, o->batch.cap);
		}
		o->batch.full = false;
		o->batch.len = at;
		r = send_batch(n, o);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sink_postgres_tick(struct weir_node *n)
{
	struct sink_postgres *o = n->op;

	if (o->batch.len && n->task->mono_ns - o->batch_ns >= BATCH_NS)
		return send_batch(n, o);
	return 0;
}

/* ---- the node ---- */

static int sink_postgres_run(struct weir_node *n)
{
	struct sink_postgres *o = n->op;
	int progress = n->in.pos < n->in.count, r = 0;

	if (progress)
		r = o->epochs ? collect(n, o) : send_rows(n, o);
	if (r == 0 && n->in.ctl.kind) {
		progress = 1;
		if (weir_sink_control(n) && !o->epochs)
			r = send_batch(n, o);
	}
	return r < 0 ? r : progress;
}

static void sink_postgres_freeze(struct weir_node *n, struct weir_out *part)
{
	struct sink_postgres *o = n->op;

	n->held = 0;
	if (o->out.bytes == 0)
		return;
	weir_out_u8(part, WEIR_PG_PART_VERSION);
	weir_out_text(part, weir_str_c(o->columns));
	weir_out_u64(part, o->out.bytes);
	weir_out_append(part, &o->out);
}

/* A part has its columns with it: fields and the table may change from run to run. */
static void sink_postgres_sign(const struct weir_node *n, struct weir_buf *b)
{
	(void)n;
	weir_buf_lit(b, "postgres");
}

static void sink_postgres_fini(struct weir_node *n)
{
	struct sink_postgres *o = n->op;

	if (o->out.mem)
		weir_out_fini(&o->out);
	weir_pg_fini(&o->pg);
}

static const struct weir_state_ops sink_postgres_state = {.freeze = sink_postgres_freeze,
							  .sign = sink_postgres_sign};

static const struct weir_op_class sink_postgres_class = {
	.name = "postgres",
	.run = sink_postgres_run,
	.fini = sink_postgres_fini,
	.tick = sink_postgres_tick,
	.state = &sink_postgres_state,
	.sink = &weir__pg_sink_ops,
};

/* Without epochs nobody calls the sink's open(). */
static int open_plain(struct sink_postgres *o, const struct weir_conn_env *env,
		      struct weir_err *err)
{
	size_t cap = WEIR_MAX(2 * BATCH_BYTES, (size_t)env->pipeline->record_max * 8);

	o->batch = weir_buf_of(weir_region_alloc(env->region, cap), cap);
	o->copy_sql =
		weir_region_printf(env->region, "COPY %s (%s) FROM STDIN", o->table, o->columns);
	return env->fresh ? weir__pg_fresh(o, err) : 0;
}

int weir_sink_postgres_open(struct weir_node *n, const struct weir_conn_env *env)
{
	struct sink_postgres *o = weir_region_new(env->region, struct sink_postgres);
	struct weir_err *err = &n->task->err;
	int r;

	n->cls = &sink_postgres_class;
	n->op = o;
	o->pipeline = weir_pipeline_instance(env->pipeline);
	o->step = env->step->name;
	o->spec = &env->step->sink;
	o->in = o->copy.schema = env->in;
	o->region = env->region;
	o->instance = env->instance;
	o->instances = env->instances;
	o->epochs = env->epochs;
	r = weir_pg_init(&o->pg, o->spec->connection, o->step, err);
	if (env->dry)
		return r;
	if (r == 0)
		r = weir_pg_connect(&o->pg, err);
	if (r == 0)
		r = weir__pg_table(o, err);
	if (r == 0 && !o->epochs)
		r = open_plain(o, env, err);
	if (r == 0)
		return 0;
	weir_err_prefix(err, "step `%s`", o->step);
	return r < 0 ? r : WEIR_E_PEER; /* a start does not wait */
}
