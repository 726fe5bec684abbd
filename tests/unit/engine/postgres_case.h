/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/postgres_case.h - a server of PostgreSQL for one test program, and postgres sinks by hand.
 *
 * The server starts with the first test (tests/lib/postgres.sh) and goes with the program. A sink node is made as a
 * start of the engine makes it; sink_down() drops it as a crash does.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_POSTGRES_CASE_H
#define WEIR_TESTS_UNIT_ENGINE_POSTGRES_CASE_H

#include "tests/lib/test.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/core/freeze.h"
#include "host/log.h"
#include "engine/edge/sink_postgres.h"

/* ---- the server ---- */

static char server_dir[64], server_connection[128], server_skip[160];
static struct weir_pg admin;

static inline int server_do(const char *what, char *ret_line, size_t cap)
{
	char command[192];
	FILE *f;
	int status;

	snprintf(command, sizeof(command), "exec tests/lib/postgres.sh %s %s", what, server_dir);
	f = popen(command, "r");
	assert_non_null(f);
	if (!fgets(ret_line, (int)cap, f))
		*ret_line = 0;
	ret_line[strcspn(ret_line, "\n")] = 0;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void server(const char *what)
{
	char line[160];

	assert_int_equal(server_do(what, line, sizeof(line)), 0);
}

static inline void server_gone(void)
{
	char line[160];

	weir_pg_fini(&admin);
	server_do("remove", line, sizeof(line));
}

static inline void need_server(void)
{
	struct weir_err err;
	int r;

	if (!*server_dir) {
		strcpy(server_dir, "/tmp/weir-test-pg-XXXXXX");
		assert_non_null(mkdtemp(server_dir));
		r = server_do("start", server_connection, sizeof(server_connection));
		if (r == 77) {
			snprintf(server_skip, sizeof(server_skip), "%s", server_connection);
			rmdir(server_dir);
		} else {
			atexit(server_gone);
			assert_int_equal(r, 0);
		}
		weir_log_level(WEIR_LOG_ERROR + 1);
	}
	if (*server_skip)
		WEIR_SKIP("%s", server_skip);
	if (!admin.connection)
		assert_int_equal(weir_pg_init(&admin, server_connection, "admin", &err), 0);
	if (weir_pg_connect(&admin, &err))
		fail_msg("%s", err.text);
}

/* The first value that comes back, or "". */
static inline const char *query(const char *sql)
{
	struct weir_err err;

	if (weir_pg_exec(&admin, sql, 0, NULL, &err))
		fail_msg("%s: %s", sql, err.text);
	return weir_pg_rows(&admin) ? weir_pg_value(&admin, 0, 0) : "";
}

static inline void until(const char *sql)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (*query(sql) == 't')
			return;
		usleep(10000);
	}
	fail_msg("never true: %s", sql);
}

/* ---- a sink ---- */

struct sink {
	struct weir_pipeline pipeline;
	struct weir_step step;
	struct weir_schema schema;
	uint32_t instance, instances;
	bool plain; /* no epochs */

	struct weir_region region;
	struct weir_task task;
	struct weir_node node;
	struct weir_out part;
	bool up;
	uint64_t fence, cursor, prev;
	int64_t next; /* number of the next row */
	struct weir_err err;
};

/* "a:int64 b:string?" */
static inline void sink_schema(struct sink *s, const char *text)
{
	char copy[1024], *save = NULL;

	memset(&s->schema, 0, sizeof(s->schema));
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *colon = strchr(w, ':');
		struct weir_field f;

		assert_int_equal(weir_type_parse(weir_str_c(colon + 1), &f, NULL), 0);
		weir_schema_add(&s->schema, (struct weir_str){w, (size_t)(colon - w)}, f.type,
				f.nullable);
	}
	weir_schema_seal(&s->schema);
}

static inline void sink_init(struct sink *s)
{
	need_server();
	memset(s, 0, sizeof(*s));
	strcpy(s->pipeline.name, "shop");
	s->pipeline.record_max = 65536;
	strcpy(s->step.name, "out");
	s->step.kind = WEIR_STEP_SINK;
	s->step.sink.connector = WEIR_CONN_POSTGRES;
	s->step.sink.connection = server_connection;
	s->step.sink.table = "t";
	s->instances = 1;
	sink_schema(s, "n:int64 s:string?");
	query("DROP TABLE IF EXISTS t, weir_cursor CASCADE");
	query("CREATE TABLE t (n bigint NOT NULL, s text)");
}

/* The node, as far as its connector makes it. */
static inline int sink_make(struct sink *s, bool fresh)
{
	struct weir_conn_env env = {.pipeline = &s->pipeline,
				    .step = &s->step,
				    .in = &s->schema,
				    .region = &s->region,
				    .instance = s->instance,
				    .instances = s->instances,
				    .fresh = fresh,
				    .epochs = !s->plain};
	int r;

	assert_false(s->up);
	weir_region_init(&s->region, &weir_test_mem);
	memset(&s->task, 0, sizeof(s->task));
	memset(&s->node, 0, sizeof(s->node));
	s->task.mem = &weir_test_mem;
	s->task.record_max = s->pipeline.record_max;
	s->node.task = &s->task;
	s->node.step_name = s->step.name;
	weir_out_init(&s->part, &weir_test_mem);
	s->node.part = s->plain ? NULL : &s->part;
	s->up = true;
	r = weir_sink_postgres_open(&s->node, &env);
	s->err = s->task.err;
	return r;
}

static inline void sink_down(struct sink *s)
{
	if (!s->up)
		return;
	s->node.cls->fini(&s->node);
	weir_out_fini(&s->part);
	weir_region_fini(&s->region);
	s->up = false;
}

static inline int sink_open(struct sink *s, uint64_t fence, uint64_t known, bool fresh)
{
	int r = sink_make(s, fresh);

	s->fence = fence;
	return r ? r : s->node.cls->sink->open(&s->node, fence, known, fresh, &s->cursor, &s->err);
}

static inline void sink_up(struct sink *s, uint64_t fence, uint64_t known)
{
	if (sink_open(s, fence, known, false))
		fail_msg("%s", s->err.text);
}

static inline struct sink_postgres *inside(struct sink *s)
{
	return s->node.op;
}

static inline int sink_run(struct sink *s)
{
	int r;

	do
		r = s->node.cls->run(&s->node);
	while (r > 0 && !weir_batch_empty(&s->node.in));
	s->node.in.pos = s->node.in.count = 0;
	s->err = s->task.err;
	return r < 0 ? r : 0;
}

/* Rows (n, "row n"); of every third s is null. */
static inline void sink_rows(struct sink *s, uint32_t count)
{
	static uint64_t mem[WEIR_BATCH_ROWS][16];
	char text[32];

	while (count) {
		uint32_t k = WEIR_MIN(count, (uint32_t)WEIR_BATCH_ROWS);

		for (uint32_t i = 0; i < k; i++, s->next++) {
			struct weir_builder b;

			weir_build_begin(&b, mem[i], sizeof(mem[i]), &s->schema);
			weir_build_i64(&b, 0, s->next);
			snprintf(text, sizeof(text), "row %lld", (long long)s->next);
			if (s->next % 3)
				weir_build_str(&b, 1, weir_str_c(text));
			else
				weir_build_null(&b, 1);
			assert_true(weir_build_end(&b));
			weir_batch_add(&s->node, b.f);
		}
		assert_int_equal(sink_run(s), 0);
		count -= k;
	}
}

static inline int sink_ctl(struct sink *s, unsigned kind)
{
	s->node.in.ctl.kind = (uint8_t)kind;
	return sink_run(s);
}

struct epoch {
	uint64_t epoch, prev;
	uint8_t *part;
	size_t bytes;
};

/* The barrier of an epoch: what the journal gets of it. Freed by the caller. */
static inline struct epoch sink_barrier(struct sink *s, uint64_t epoch)
{
	struct epoch e = {.epoch = epoch, .prev = s->prev};

	s->node.frozen = false;
	assert_int_equal(sink_ctl(s, WEIR_FRAME_BARRIER), 0);
	assert_true(s->node.frozen);
	assert_int_equal(s->node.held, 0);
	e.bytes = s->part.bytes;
	e.part = malloc(e.bytes + 1);
	assert_non_null(e.part);
	weir_out_copy(&s->part, e.part);
	weir_out_fini(&s->part);
	if (e.bytes)
		s->prev = epoch;
	return e;
}

static inline int sink_apply(struct sink *s, const struct epoch *e)
{
	struct weir_sink_epoch se = {.epoch = e->epoch,
				     .prev = e->prev,
				     .fence = s->fence,
				     .part = weir_reader_of(e->part, e->bytes)};

	return s->node.cls->sink->apply(&s->node, &se, &s->err);
}

static inline int sink_cursor(struct sink *s)
{
	return s->node.cls->sink->cursor(&s->node, &s->cursor, &s->err);
}

/* A whole epoch of so many rows. */
static inline void sink_epoch(struct sink *s, uint64_t epoch, uint32_t rows)
{
	struct epoch e;

	sink_rows(s, rows);
	e = sink_barrier(s, epoch);
	if (sink_apply(s, &e))
		fail_msg("%s", s->err.text);
	free(e.part);
}

static inline void expect_text(const struct sink *s, const char *what)
{
	if (!strstr(s->err.text, what))
		fail_msg("`%s` is not in: %s", what, s->err.text);
}

#define TERMINATE                                                                                  \
	"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir out'"

/* Rows 0 .. count-1 are there, each once. */
static inline void expect_rows(uint32_t count)
{
	char sql[256];

	snprintf(
		sql, sizeof(sql),
		"SELECT count(*) = %u AND count(DISTINCT n) = %u AND coalesce(max(n), -1) < %u AND "
		"bool_and(s IS NOT DISTINCT FROM CASE n %% 3 WHEN 0 THEN NULL ELSE 'row ' || n END) "
		"IS NOT FALSE FROM t",
		count, count, count);
	if (*query(sql) != 't')
		fail_msg("not the rows 0 to %u, but %s", count, query("SELECT count(*) FROM t"));
}

static inline void expect_cursor(uint32_t epoch, uint32_t fence)
{
	char want[64];

	snprintf(want, sizeof(want), "%u/%u", epoch, fence);
	assert_string_equal(query("SELECT epoch || '/' || fence FROM weir_cursor WHERE pipeline = "
				  "'shop' AND step = 'out' AND task = 0"),
			    want);
}

#endif
