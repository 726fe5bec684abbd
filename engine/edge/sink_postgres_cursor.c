/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction per epoch, and the row of weir_cursor that makes it happen once (I7).
 *
 *   open()    UPDATE weir_cursor SET fence = ours WHERE fence < ours      from now on no older run gets in
 *   apply()   UPDATE weir_cursor SET epoch = e WHERE epoch = prev AND fence = ours
 *             one row: COPY, COMMIT. The rows are sent only when the server has said that it was one
 *   cursor()  SELECT ... FOR UPDATE: waits for a transaction of ours that is still under way over there, so that
 *             what is read is the last word on it
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/log.h"
#include "engine/edge/sink_postgres.h"

#define SQL_CAP (2 * WEIR_PG_NAME_CAP + 512)

/* The row's key and two numbers, as parameters. */
struct params {
	char task[12], a[24], b[24];
	const char *p[6];
};

static const char *const *with(struct params *ret, const struct sink_postgres *o, uint64_t a,
			       uint64_t b)
{
	snprintf(ret->task, sizeof(ret->task), "%u", o->instance);
	snprintf(ret->a, sizeof(ret->a), "%" PRIu64, a);
	snprintf(ret->b, sizeof(ret->b), "%" PRIu64, b);
	ret->p[0] = o->pipeline;
	ret->p[1] = o->step;
	ret->p[2] = ret->task;
	ret->p[3] = ret->a;
	ret->p[4] = ret->b;
	return ret->p;
}

#define ROW "pipeline = $1 AND step = $2 AND task = $3::integer"

static uint64_t number(const struct sink_postgres *o, unsigned column)
{
	return strtoull(weir_pg_value(&o->pg, 0, column), NULL, 10);
}

static int statement(struct sink_postgres *o, const char *sql, struct weir_err *err)
{
	return weir_pg_exec(&o->pg, sql, 0, NULL, err);
}

/* ---- outcomes ---- */

/* What a call comes to: told once when the server goes away, and once when it takes results again. */
static int outcome(struct sink_postgres *o, int r, struct weir_err *err)
{
	if (r)
		weir_err_prefix(err, "step `%s`", o->step);
	if (r == WEIR_SINK_UNKNOWN && !o->away) {
		weir_log(WEIR_LOG_WARN, "postgres is away: results wait in the journal", "error",
			 err->text, NULL);
		o->away = true;
	}
	return r;
}

static void got_through(struct sink_postgres *o)
{
	if (o->away)
		weir_log(WEIR_LOG_INFO, "postgres takes results again", "step", o->step, NULL);
	o->away = false;
}

/* ---- the table of cursors ---- */

#define CURSOR_COLUMNS                                                                             \
	"(pipeline text NOT NULL, step text NOT NULL, task integer NOT NULL, "                     \
	"epoch bigint NOT NULL, fence bigint NOT NULL, "                                           \
	"changed timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (pipeline, step, task))"

/* Asks before it makes: a user who may not make tables can work with one that is there. */
static int make_cursors(struct sink_postgres *o, struct weir_err *err)
{
	char sql[SQL_CAP];
	struct weir_err why = {0};
	int r = weir_pg_exec(&o->pg, "SELECT pg_catalog.to_regclass($1)", 1, &o->cursor, err);

	if (r || *weir_pg_value(&o->pg, 0, 0))
		return r;
	/* Tasks that start together would trip over each other's catalog rows. */
	snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS %s " CURSOR_COLUMNS, o->cursor);
	r = statement(o, "BEGIN", err);
	if (r == 0)
		r = statement(o, "SELECT pg_catalog.pg_advisory_xact_lock(8604206351)", err);
	if (r == 0)
		r = weir_pg_exec(&o->pg, sql, 0, NULL, &why);
	else
		return r;
	if (r < 0)
		return weir_err_set(err, r,
				    "cannot make the table of cursors: %s; let an administrator "
				    "do it: CREATE TABLE %s %s",
				    why.text, o->cursor, CURSOR_COLUMNS);
	if (r)
		*err = why;
	return r ? r : statement(o, "COMMIT", err);
}

/* ---- open ---- */

static int insert_row(struct sink_postgres *o, uint64_t fence, const char *conflict,
		      struct weir_err *err)
{
	char sql[SQL_CAP];
	struct params p;

	snprintf(
		sql, sizeof(sql),
		"INSERT INTO %s (pipeline, step, task, epoch, fence) "
		"VALUES ($1, $2, $3::integer, 0, $4::bigint) ON CONFLICT (pipeline, step, task) %s",
		o->cursor, conflict);
	return weir_pg_exec(&o->pg, sql, 4, with(&p, o, fence, 0), err);
}

int weir__pg_fresh(struct sink_postgres *o, struct weir_err *err)
{
	char sql[SQL_CAP];

	if (!o->spec->truncate || o->instance > 0)
		return 0;
	snprintf(sql, sizeof(sql), "TRUNCATE TABLE %s", o->table);
	return statement(o, sql, err);
}

/* Rows of tasks that are no more go as well. */
static int start_fresh(struct sink_postgres *o, uint64_t fence, struct weir_err *err)
{
	char sql[SQL_CAP], count[12];
	const char *param[] = {o->pipeline, o->step, count};
	int r = weir__pg_fresh(o, err);

	snprintf(count, sizeof(count), "%u", o->instances);
	snprintf(sql, sizeof(sql),
		 "DELETE FROM %s WHERE pipeline = $1 AND step = $2 AND task >= $3::integer",
		 o->cursor);
	if (r == 0 && o->instance == 0)
		r = weir_pg_exec(&o->pg, sql, 3, param, err);
	return r ? r
		 : insert_row(o, fence,
			      "DO UPDATE SET epoch = 0, fence = $4::bigint, changed = now()", err);
}

/* The row did not take our fence. */
static int why_no_fence(struct sink_postgres *o, uint64_t fence, uint64_t known,
			struct weir_err *err)
{
	char sql[SQL_CAP];
	struct params p;
	int r;

	snprintf(sql, sizeof(sql), "SELECT fence FROM %s WHERE " ROW, o->cursor);
	r = weir_pg_exec(&o->pg, sql, 3, with(&p, o, 0, 0), err);
	if (r)
		return r;
	if (weir_pg_rows(&o->pg))
		return weir_err_set(
			err, WEIR_E_BUSY,
			"%s: %s says that run %" PRIu64 " of this pipeline writes to it, and this "
			"is run %" PRIu64 ": another engine has the pipeline, or the state "
			"directory is new or an old copy; `weir run --fresh` starts over",
			o->pg.where, o->cursor, number(o, 0), fence);
	if (known)
		return weir_err_set(
			err, WEIR_E_CONFIG,
			"%s: %s has no row for this sink, though epoch %" PRIu64 " was written: "
			"this is another database, or the row was deleted; `weir run --fresh` "
			"starts over",
			o->pg.where, o->cursor, known);
	r = insert_row(o, fence, "DO NOTHING", err);
	if (r == 0 && weir_pg_changed(&o->pg) != 1)
		return weir_err_set(err, WEIR_E_BUSY,
				    "%s: another engine has just started the same pipeline",
				    o->pg.where);
	return r;
}

static int take_fence(struct sink_postgres *o, uint64_t fence, uint64_t known, uint64_t *ret_cursor,
		      struct weir_err *err)
{
	char sql[SQL_CAP];
	struct params p;
	int r;

	*ret_cursor = 0;
	snprintf(sql, sizeof(sql),
		 "UPDATE %s SET fence = $4::bigint, changed = now() WHERE " ROW
		 " AND fence < $4::bigint RETURNING epoch",
		 o->cursor);
	r = weir_pg_exec(&o->pg, sql, 4, with(&p, o, fence, 0), err);
	if (r)
		return r;
	if (weir_pg_rows(&o->pg) == 0)
		return why_no_fence(o, fence, known, err);
	*ret_cursor = number(o, 0);
	if (*ret_cursor <= known)
		return 0;
	return weir_err_set(err, WEIR_E_CONFIG,
			    "%s: table %s has epoch %" PRIu64 ", but the state directory ends "
			    "with %" PRIu64 ": it is older than the table, or new; use the right "
			    "one, or start over with `weir run --fresh`",
			    o->pg.where, o->table, *ret_cursor, known);
}

static int open_sink(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
		     uint64_t *ret_cursor, struct weir_err *err)
{
	struct sink_postgres *o = n->op;
	int r = weir_pg_connect(&o->pg, err);

	*ret_cursor = 0;
	if (r == 0)
		r = make_cursors(o, err);
	if (r == 0)
		r = statement(o, "BEGIN ISOLATION LEVEL READ COMMITTED", err);
	if (r == 0)
		r = fresh ? start_fresh(o, fence, err)
			  : take_fence(o, fence, known, ret_cursor, err);
	if (r == 0)
		r = statement(o, "COMMIT", err);
	o->fence = fence;
	if (r == 0)
		return 0;
	weir_pg_drop(&o->pg); /* and the transaction with it */
	weir_err_prefix(err, "step `%s`", o->step);
	return r < 0 ? r : -EAGAIN; /* a start does not wait */
}

/* ---- cursor ---- */

/* 0 and the row's epoch; another fence than ours is an error. */
static int read_row(struct sink_postgres *o, uint64_t fence, uint64_t *ret_epoch,
		    struct weir_err *err)
{
	char sql[SQL_CAP];
	struct params p;
	int r;

	snprintf(sql, sizeof(sql), "SELECT epoch, fence FROM %s WHERE " ROW " FOR UPDATE",
		 o->cursor);
	r = weir_pg_exec(&o->pg, sql, 3, with(&p, o, 0, 0), err);
	if (r)
		return r;
	if (weir_pg_rows(&o->pg) == 0)
		return weir_err_set(err, WEIR_E_CONFIG, "%s: the row of this sink in %s is gone",
				    o->pg.where, o->cursor);
	if (number(o, 1) != fence)
		return weir_err_set(err, WEIR_E_BUSY,
				    "%s: run %" PRIu64 " of this pipeline has taken over table %s; "
				    "this one is run %" PRIu64 " and must not write any more",
				    o->pg.where, number(o, 1), o->table, fence);
	*ret_epoch = number(o, 0);
	return 0;
}

static int read_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct sink_postgres *o = n->op;
	int r = weir_pg_connect(&o->pg, err);

	if (r == 0)
		r = read_row(o, o->fence, ret_cursor, err);
	return outcome(o, r, err);
}

/* ---- apply ---- */

struct part {
	struct weir_str columns, rows;
};

static int read_part(const struct weir_sink_epoch *e, struct part *ret, struct weir_err *err)
{
	struct weir_reader in = e->part;
	uint64_t bytes;

	memset(ret, 0, sizeof(*ret));
	if (weir_reader_left(&in) == 0)
		return 0;
	if (weir_read_u8(&in) != WEIR_PG_PART_VERSION)
		return weir_err_set(err, WEIR_E_VERSION,
				    "the output of epoch %" PRIu64 " in the journal was not "
				    "written by this version, or by a sink of another kind",
				    e->epoch);
	ret->columns = weir_read_text(&in);
	bytes = weir_read_u64(&in);
	if (in.bad || bytes != weir_reader_left(&in) || ret->columns.n == 0)
		return weir_err_set(err, WEIR_E_CORRUPT,
				    "the output of epoch %" PRIu64 " in the journal is damaged",
				    e->epoch);
	ret->rows = (struct weir_str){weir_read(&in, bytes), bytes};
	return 0;
}

/* The row was not at `prev` under our fence. 0: because the epoch is in already. */
static int why_not(struct sink_postgres *o, const struct weir_sink_epoch *e, struct weir_err *err)
{
	uint64_t epoch = 0;
	int r = read_row(o, e->fence, &epoch, err);

	if (r || epoch == e->epoch)
		return r;
	return weir_err_set(err, WEIR_E_CORRUPT,
			    "%s: table %s has epoch %" PRIu64 ", but epoch %" PRIu64
			    " comes after %" PRIu64 ": somebody changed %s",
			    o->pg.where, o->table, epoch, e->epoch, e->prev, o->cursor);
}

static int copy_rows(struct sink_postgres *o, const struct part *p, struct weir_err *err)
{
	size_t cap = SQL_CAP + p->columns.n;
	char *sql;
	int r;

	if (p->rows.n == 0)
		return 0;
	sql = malloc(cap);
	if (!sql)
		return weir_err_set(err, -ENOMEM, "no memory");
	snprintf(sql, cap, "COPY %s (%.*s) FROM STDIN", o->table, (int)p->columns.n, p->columns.p);
	r = weir_pg_copy(&o->pg, sql, p->rows.p, p->rows.n, err);
	free(sql);
	return r;
}

static int transaction(struct sink_postgres *o, const struct weir_sink_epoch *e,
		       const struct part *part, struct weir_err *err)
{
	char sql[SQL_CAP], prev[24];
	struct params p;
	int r = statement(o, "BEGIN ISOLATION LEVEL READ COMMITTED", err);

	snprintf(sql, sizeof(sql),
		 "UPDATE %s SET epoch = $4::bigint, changed = now() WHERE " ROW
		 " AND epoch = $6::bigint AND fence = $5::bigint",
		 o->cursor);
	with(&p, o, e->epoch, e->fence);
	snprintf(prev, sizeof(prev), "%" PRIu64, e->prev);
	p.p[5] = prev;
	if (r == 0)
		r = weir_pg_exec(&o->pg, sql, 6, p.p, err);
	if (r)
		return r;
	/* The answer is waited for: rows that are sent ahead of it could get in twice. */
	if (weir_pg_changed(&o->pg) != 1) {
		r = why_not(o, e, err);
		return r ? r : statement(o, "ROLLBACK", err);
	}
	r = copy_rows(o, part, err);
	if (r == 0)
		r = statement(o, "COMMIT", err);
	if (r == 0 && !weir_pg_is_tag(&o->pg, "COMMIT"))
		return weir_err_set(err, WEIR_E_IO, "%s: the server rolled epoch %" PRIu64 " back",
				    o->pg.where, e->epoch);
	return r;
}

static int apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct sink_postgres *o = n->op;
	struct part part;
	int r = read_part(e, &part, err);

	if (r == 0)
		r = weir_pg_connect(&o->pg, err);
	if (r == 0)
		r = transaction(o, e, &part, err);
	if (r)
		weir_pg_drop(&o->pg); /* no transaction stays open */
	else
		got_through(o);
	return outcome(o, r, err);
}

const struct weir_sink_ops weir__pg_sink_ops = {
	.best = WEIR_GUARANTEE_EXACTLY_ONCE,
	.rests_on = "one transaction of rows and the sink's row in weir_cursor",
	.open = open_sink,
	.apply = apply,
	.cursor = read_cursor,
};
