/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/postgres.h - one session with a PostgreSQL server, in which nothing waits for ever.
 *
 * Use:    weir_pg_init(), weir_pg_connect(), then statements; weir_pg_fini(). After anything but 0 the session is
 *         gone (and with it an open transaction): weir_pg_connect() makes a new one.
 * Waits:  connecting takes at most connect_timeout of the connection string (default 10 s) per address. A statement is
 *         given up by the server after its statement_timeout (30 s when the server has none), and by us
 *         when nothing was heard for 10 s more.
 * Errors: 0; WEIR_SINK_UNKNOWN: the server is away, busy or shutting down, and whether the statement was carried out
 *         is not known; <0: it was not, and trying again does not help. Texts have the server's message, and never
 *         anything of the connection string but host, port, database and user.
 * Memory: malloc, by libpq. Thread: one session, one thread at a time.
 */
#ifndef WEIR_ENGINE_EDGE_POSTGRES_H
#define WEIR_ENGINE_EDGE_POSTGRES_H

#include "engine/core/sink_ops.h"

#define WEIR_PG_STATE_MAX 8

struct weir_pg {
	const char *connection; /* keeps */
	char where[320]; /* "database shop on db.example.org as weir" */
	char app[64]; /* as the server's administrator sees us */
	void *conn; /* NULL: no session */
	void *result; /* of the last statement */
	uint64_t patience_ms; /* for an answer */
	char state[WEIR_PG_STATE_MAX]; /* SQLSTATE of the last error; "" */
};

/* Does not connect. WEIR_E_CONFIG: not a connection string. */
int weir_pg_init(struct weir_pg *pg, const char *keep_connection, const char *step,
		 struct weir_err *err);
void weir_pg_fini(struct weir_pg *pg);

/* One attempt; nothing to do when there is a session. */
int weir_pg_connect(struct weir_pg *pg, struct weir_err *err);
bool weir_pg_connected(const struct weir_pg *pg);
void weir_pg_drop(struct weir_pg *pg);

/* One statement; $1 .. $n are texts (NULL: null). */
int weir_pg_exec(struct weir_pg *pg, const char *sql, unsigned n, const char *const *param,
		 struct weir_err *err);
/* Of the last statement. */
unsigned weir_pg_rows(const struct weir_pg *pg); /* that came back */
uint64_t weir_pg_changed(const struct weir_pg *pg); /* of an INSERT, UPDATE, DELETE */
const char *weir_pg_value(const struct weir_pg *pg, unsigned row, unsigned column); /* null: "" */
bool weir_pg_is_tag(const struct weir_pg *pg, const char *tag); /* "COMMIT" */

/* COPY ... FROM STDIN with these bytes. */
int weir_pg_copy(struct weir_pg *pg, const char *sql, const void *p, size_t n,
		 struct weir_err *err);

/* "name" in double quotes, ready for SQL, for names of at most WEIR_NAME_MAX bytes. */
#define WEIR_PG_NAME_CAP (2 * WEIR_NAME_MAX + 3)
void weir_pg_name(char ret[WEIR_PG_NAME_CAP], struct weir_str name);

#endif
