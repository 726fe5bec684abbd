/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/postgres.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "engine/edge/engine_impl.h"

#define CONNECT_SECONDS "10"
#define STATEMENT_MS 30000
#define PATIENCE_MS 10000 /* beyond the server's own time-out */
#define COPY_PIECE ((size_t)64 << 10)

/* ---- the connection string ---- */

static const char *part_of(const PQconninfoOption *o, const char *key)
{
	for (; o->keyword; o++) {
		if (!strcmp(o->keyword, key))
			return o->val ? o->val : "";
	}
	return "";
}

static void describe(struct weir_pg *pg, const PQconninfoOption *o)
{
	const char *host = part_of(o, "host"), *port = part_of(o, "port");
	const char *db = part_of(o, "dbname"), *user = part_of(o, "user");

	if (!*host)
		host = part_of(o, "hostaddr");
	snprintf(pg->where, sizeof(pg->where), "database %.63s%s%.127s%s%.15s%s%.63s",
		 *db ? db : "(default)", *host ? " on " : "", host, *port ? ":" : "", port,
		 *user ? " as " : "", user);
}

int weir_pg_init(struct weir_pg *pg, const char *keep_connection, const char *step,
		 struct weir_err *err)
{
	/* libpq's own message may have a piece of a password in it. */
	PQconninfoOption *o = PQconninfoParse(keep_connection, NULL);
	bool ok = o && !strchr(part_of(o, "dbname"), '=') && !strstr(part_of(o, "dbname"), "://");

	memset(pg, 0, sizeof(*pg));
	pg->connection = keep_connection;
	pg->patience_ms = STATEMENT_MS + PATIENCE_MS;
	snprintf(pg->app, sizeof(pg->app), "weir %.56s", step);
	if (ok)
		describe(pg, o);
	PQconninfoFree(o);
	if (ok)
		return 0;
	return weir_err_set(
		err, WEIR_E_CONFIG,
		"`connection` is no connection string: write `host=db.example.org "
		"dbname=shop user=weir` or postgresql://weir@db.example.org/shop; values "
		"with spaces go in single quotes");
}

/* ---- errors ---- */

/* Will the same statement succeed later, without anybody changing data or tables? */
static bool passes(const char *state)
{
	static const char *const list[] = {
		"08", /* connection */
		"25006", /* read only: a standby, until it takes over */
		"25P", /* transaction aborted or timed out */
		"40", /* serialization, deadlock */
		"53", /* disk, memory, connections are full */
		"55006", "55P03", /* in use, locked */
		"57", /* cancelled, time-out, shutdown, starting up */
		"58", /* input or output on the server */
	};

	for (size_t i = 0; i < WEIR_COUNT_OF(list); i++) {
		if (!strncmp(state, list[i], strlen(list[i])))
			return true;
	}
	return false;
}

/* The first line, without what libpq puts in front. */
static void one_line(char *ret, size_t cap, const char *text)
{
	size_t n = strcspn(text, "\n");

	snprintf(ret, cap, "%.*s", (int)WEIR_MIN(n, cap - 1), text);
}

static int lost(struct weir_pg *pg, const char *doing, struct weir_err *err)
{
	char why[256];

	one_line(why, sizeof(why), pg->conn ? PQerrorMessage(pg->conn) : "");
	weir_err_set(err, -ECONNRESET, "%s: %s: %s", pg->where, doing,
		     *why ? why : "the connection is gone");
	weir_pg_drop(pg);
	return WEIR_SINK_UNKNOWN;
}

/* An answer that is an error; the session goes in any case. */
static int refused(struct weir_pg *pg, struct weir_err *err)
{
	const char *state = PQresultErrorField(pg->result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(pg->result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(pg->result, PG_DIAG_MESSAGE_DETAIL);
	const char *context = PQresultErrorField(pg->result, PG_DIAG_CONTEXT);
	char what[256], more[160], place[120];

	/* Without a state the trouble is the connection's. */
	if (!state)
		return lost(pg, "no answer", err);
	snprintf(pg->state, sizeof(pg->state), "%s", state);
	one_line(what, sizeof(what), text ? text : "error without a message");
	one_line(more, sizeof(more), detail ? detail : "");
	one_line(place, sizeof(place), context ? context : "");
	weir_err_set(err, passes(state) ? -EAGAIN : WEIR_E_IO, "%s: %s%s%s%s%s (SQLSTATE %s)",
		     pg->where, what, *more ? "; " : "", more, *place ? "; " : "", place, state);
	weir_pg_drop(pg);
	return passes(pg->state) ? WEIR_SINK_UNKNOWN : WEIR_E_IO;
}

/* ---- waiting ---- */

/* Until the socket is ready. false: too long. */
static bool wait_for(struct weir_pg *pg, short events)
{
	struct pollfd p = {.fd = PQsocket(pg->conn), .events = events};
	uint64_t until = weir_mono_ns() + pg->patience_ms * (uint64_t)WEIR_NS_PER_MS;
	int r;

	do {
		uint64_t now = weir_mono_ns();

		if (now >= until)
			return false;
		r = poll(&p, 1, (int)((until - now) / (uint64_t)WEIR_NS_PER_MS) + 1);
	} while (r == 0 || (r < 0 && errno == EINTR));
	return r > 0;
}

static int silent(struct weir_pg *pg, struct weir_err *err)
{
	weir_err_set(err, -ETIMEDOUT, "%s: no answer for %.1f s", pg->where,
		     (double)pg->patience_ms / 1000);
	weir_pg_drop(pg);
	return WEIR_SINK_UNKNOWN;
}

/* All that was given to libpq is sent; answers that come meanwhile are taken in, or both sides could wait. */
static int flush(struct weir_pg *pg, struct weir_err *err)
{
	for (;;) {
		int r = PQflush(pg->conn);

		if (r == 0)
			return 0;
		if (r < 0)
			return lost(pg, "sending", err);
		if (!wait_for(pg, POLLIN | POLLOUT))
			return silent(pg, err);
		if (!PQconsumeInput(pg->conn))
			return lost(pg, "sending", err);
	}
}

/* The next result in pg->result, NULL behind the last one. */
static int next_result(struct weir_pg *pg, struct weir_err *err)
{
	PQclear(pg->result);
	pg->result = NULL;
	while (PQisBusy(pg->conn)) {
		if (!wait_for(pg, POLLIN))
			return silent(pg, err);
		if (!PQconsumeInput(pg->conn))
			return lost(pg, "waiting for the answer", err);
	}
	pg->result = PQgetResult(pg->conn);
	return 0;
}

/* The one result of a statement; the NULL behind it is taken as well. */
static int finish(struct weir_pg *pg, struct weir_err *err)
{
	void *kept;
	int r = next_result(pg, err);

	if (r)
		return r;
	if (!pg->result)
		return lost(pg, "no answer", err);
	if (PQresultStatus(pg->result) != PGRES_COMMAND_OK &&
	    PQresultStatus(pg->result) != PGRES_TUPLES_OK)
		return refused(pg, err);
	kept = pg->result;
	pg->result = NULL;
	r = next_result(pg, err);
	if (r == 0 && !pg->result) {
		pg->result = kept;
		return 0;
	}
	PQclear(kept);
	/* Carried out, and then the session broke: for the caller the outcome is unknown. */
	return r ? r : lost(pg, "behind the answer", err);
}

/* ---- sessions ---- */

static PGconn *dial(const struct weir_pg *pg)
{
	PQconninfoOption *o = PQconninfoParse(pg->connection, NULL);
	/* Zero would mean: for ever. */
	const char *given =
		o && strtol(part_of(o, "connect_timeout"), NULL, 10) > 0 ? NULL : CONNECT_SECONDS;
	/* What stands behind the connection string overrides it. */
	const char *key[] = {"fallback_application_name",
			     "keepalives_idle",
			     "keepalives_interval",
			     "keepalives_count",
			     "tcp_user_timeout",
			     "dbname",
			     "client_encoding",
			     given ? "connect_timeout" : NULL,
			     NULL};
	const char *value[] = {pg->app,	       "10",   "5",   "3", "30000",
			       pg->connection, "UTF8", given, NULL};
	PGconn *c = PQconnectdbParams(key, value, 1);

	PQconninfoFree(o);
	return c;
}

/*
 * What must hold in a session. A commit is on disk when it is answered; a server process whose client is gone
 * gives its locks back soon; the server looks after the connection as we do.
 */
static const char settings_sql[] =
	"SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
	"WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false), "
	"set_config('statement_timeout', CASE current_setting('statement_timeout') WHEN '0' "
	"THEN '30s' ELSE current_setting('statement_timeout') END, false), "
	"set_config('idle_in_transaction_session_timeout', '60s', false), "
	"set_config('tcp_keepalives_idle', '10', false), "
	"set_config('tcp_keepalives_interval', '5', false), "
	"set_config('tcp_keepalives_count', '3', false)";

static int settings(struct weir_pg *pg, struct weir_err *err)
{
	const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
	int r;

	if (PQserverVersion(pg->conn) < 120000) {
		weir_err_set(err, WEIR_E_VERSION,
			     "%s: the server is older than PostgreSQL 12, which is needed",
			     pg->where);
		weir_pg_drop(pg);
		return WEIR_E_VERSION;
	}
	if (encoding && strcmp(encoding, "UTF8") != 0 && strcmp(encoding, "SQL_ASCII") != 0) {
		weir_err_set(err, WEIR_E_CONFIG,
			     "%s: its encoding is %s, which cannot hold every text; use a "
			     "database with ENCODING 'UTF8'",
			     pg->where, encoding);
		weir_pg_drop(pg);
		return WEIR_E_CONFIG;
	}
	r = weir_pg_exec(pg, settings_sql, 0, NULL, err);
	if (r == 0)
		r = weir_pg_exec(pg,
				 "SELECT setting FROM pg_catalog.pg_settings "
				 "WHERE name = 'statement_timeout'",
				 0, NULL, err);
	if (r == 0)
		pg->patience_ms = PATIENCE_MS + strtoull(weir_pg_value(pg, 0, 0), NULL, 10);
	return r;
}

/* What triggers and the like have to say is not for our log. */
static void ignore_notice(void *ctx, const PGresult *r)
{
	(void)ctx;
	(void)r;
}

int weir_pg_connect(struct weir_pg *pg, struct weir_err *err)
{
	if (pg->conn && PQstatus(pg->conn) == CONNECTION_OK)
		return 0;
	weir_pg_drop(pg);
	pg->conn = dial(pg);
	if (!pg->conn || PQstatus(pg->conn) != CONNECTION_OK || PQsetnonblocking(pg->conn, 1))
		return lost(pg, "cannot connect", err);
	PQsetNoticeReceiver(pg->conn, ignore_notice, NULL);
	return settings(pg, err);
}

bool weir_pg_connected(const struct weir_pg *pg)
{
	return pg->conn != NULL;
}

void weir_pg_drop(struct weir_pg *pg)
{
	PQclear(pg->result);
	PQfinish(pg->conn);
	pg->result = pg->conn = NULL;
}

void weir_pg_fini(struct weir_pg *pg)
{
	weir_pg_drop(pg);
}

/* ---- statements ---- */

int weir_pg_exec(struct weir_pg *pg, const char *sql, unsigned n, const char *const *param,
		 struct weir_err *err)
{
	int r;

	pg->state[0] = 0;
	if (!pg->conn || !PQsendQueryParams(pg->conn, sql, (int)n, NULL, param, NULL, NULL, 0))
		return lost(pg, "sending", err);
	r = flush(pg, err);
	return r ? r : finish(pg, err);
}

unsigned weir_pg_rows(const struct weir_pg *pg)
{
	return (unsigned)PQntuples(pg->result);
}

uint64_t weir_pg_changed(const struct weir_pg *pg)
{
	return strtoull(PQcmdTuples(pg->result), NULL, 10);
}

const char *weir_pg_value(const struct weir_pg *pg, unsigned row, unsigned column)
{
	weir_assert(row < weir_pg_rows(pg));
	return PQgetvalue(pg->result, (int)row, (int)column);
}

bool weir_pg_is_tag(const struct weir_pg *pg, const char *tag)
{
	return !strcmp(PQcmdStatus(pg->result), tag);
}

/* The server has said no in the middle, or the connection is gone: what it says comes as the result. */
static int copy_cut(struct weir_pg *pg, struct weir_err *err)
{
	int r = next_result(pg, err);

	if (r)
		return r;
	return pg->result ? refused(pg, err) : lost(pg, "sending", err);
}

int weir_pg_copy(struct weir_pg *pg, const char *sql, const void *p, size_t n, struct weir_err *err)
{
	const char *at = p;
	int r;

	pg->state[0] = 0;
	if (!pg->conn || !PQsendQuery(pg->conn, sql))
		return lost(pg, "sending", err);
	r = flush(pg, err);
	if (r == 0)
		r = next_result(pg, err);
	if (r)
		return r;
	if (!pg->result || PQresultStatus(pg->result) != PGRES_COPY_IN)
		return pg->result ? refused(pg, err) : lost(pg, "no answer", err);
	while (n) {
		size_t piece = WEIR_MIN(n, COPY_PIECE);

		/* libpq would keep without bound what the server does not take: each piece goes out first. */
		if (PQputCopyData(pg->conn, at, (int)piece) != 1)
			return copy_cut(pg, err);
		r = flush(pg, err);
		if (r)
			return r;
		at += piece;
		n -= piece;
	}
	if (PQputCopyEnd(pg->conn, NULL) != 1)
		return copy_cut(pg, err);
	r = flush(pg, err);
	return r ? r : finish(pg, err);
}

void weir_pg_name(char ret[WEIR_PG_NAME_CAP], struct weir_str name)
{
	char *to = ret;

	weir_assert(name.n <= WEIR_NAME_MAX);
	*to++ = '"';
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"')
			*to++ = '"';
		*to++ = name.p[i];
	}
	*to++ = '"';
	*to = 0;
}
