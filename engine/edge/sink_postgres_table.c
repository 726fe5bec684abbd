/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the table fit? Every value a field may have must fit into its column: what the server would refuse only
 * when the rows arrive would stop a pipeline whose epoch is committed.
 */
#include <stdio.h>

#include "base/buf.h"
#include "engine/edge/sink_postgres.h"

/* ---- types ---- */

static void sql_scalar(struct weir_buf *b, unsigned kind, struct weir_typeinfo t)
{
	static const char *const name[WEIR_TYPE_COUNT] = {
		[WEIR_BOOL] = "boolean",
		[WEIR_INT64] = "bigint",
		[WEIR_FLOAT64] = "double precision",
		[WEIR_STRING] = "text",
		[WEIR_BYTES] = "bytea",
		[WEIR_TIMESTAMP] = "timestamp with time zone",
		[WEIR_DURATION] = "interval",
	};

	if (kind == WEIR_DECIMAL)
		weir_buf_printf(b, "numeric(%u,%u)", t.precision, t.scale);
	else
		weir_buf_lit(b, name[kind]);
}

static void sql_type(struct weir_buf *b, struct weir_typeinfo t)
{
	bool list = t.type == WEIR_LIST;

	sql_scalar(b, list ? t.elem : t.type, t);
	if (list)
		weir_buf_lit(b, "[]");
}

/* numeric, or one with room for the digits in front of the point and behind it. */
static bool numeric_fits(const char *column, int whole, int fraction)
{
	int p, s, end = 0;

	if (!strcmp(column, "numeric"))
		return true;
	return sscanf(column, "numeric(%d,%d)%n", &p, &s, &end) == 2 && end && !column[end] &&
	       s >= fraction && p - s >= whole;
}

static bool scalar_fits(unsigned kind, struct weir_typeinfo t, const char *column,
			bool *ret_whole_ns)
{
	*ret_whole_ns = false;
	switch (kind) {
	case WEIR_BOOL:
		return !strcmp(column, "boolean");
	case WEIR_INT64:
		return !strcmp(column, "bigint") || numeric_fits(column, 19, 0);
	case WEIR_FLOAT64:
		return !strcmp(column, "double precision");
	case WEIR_DECIMAL:
		return numeric_fits(column, t.precision - t.scale, t.scale);
	case WEIR_STRING:
		return !strcmp(column, "text") || !strcmp(column, "character varying");
	case WEIR_BYTES:
		return !strcmp(column, "bytea");
	case WEIR_TIMESTAMP:
		*ret_whole_ns = !strcmp(column, "bigint");
		return *ret_whole_ns || !strcmp(column, "timestamp with time zone") ||
		       !strcmp(column, "timestamp without time zone");
	case WEIR_DURATION:
		*ret_whole_ns = !strcmp(column, "bigint");
		return *ret_whole_ns || !strcmp(column, "interval");
	default:
		return false;
	}
}

static bool type_fits(struct weir_typeinfo t, const char *column, bool *ret_whole_ns)
{
	char elem[128];
	size_t n = strlen(column);

	if (t.type != WEIR_LIST)
		return scalar_fits(t.type, t, column, ret_whole_ns);
	if (n < 2 || n >= sizeof(elem) || strcmp(column + n - 2, "[]") != 0)
		return false;
	memcpy(elem, column, n - 2);
	elem[n - 2] = 0;
	return scalar_fits(t.elem, t, elem, ret_whole_ns);
}

/* ---- messages ---- */

static const char *create_table(const struct sink_postgres *o, const char *table)
{
	size_t cap = 256 + (size_t)o->in->field_count * (WEIR_PG_NAME_CAP + 64);
	char *text = weir_region_alloc(o->region, cap);
	struct weir_buf b = weir_buf_of(text, cap - 1);
	char name[WEIR_PG_NAME_CAP];

	weir_buf_printf(&b, "CREATE TABLE %s (", table);
	for (unsigned i = 0; i < o->in->field_count; i++) {
		const struct weir_field *f = &o->in->field[i];

		weir_pg_name(name, weir_str_c(f->name));
		weir_buf_printf(&b, "%s%s ", i ? ", " : "", name);
		sql_type(&b, f->type);
		if (!f->nullable)
			weir_buf_lit(&b, " NOT NULL");
	}
	weir_buf_lit(&b, ");");
	return text;
}

/* The statement goes into the message; a long one is printed by itself, and whole. */
static int say(const struct sink_postgres *o, struct weir_err *err, const char *wrong,
	       const char *lead, const char *table)
{
	const char *sql = create_table(o, table);

	if (strlen(wrong) + strlen(lead) + strlen(sql) < sizeof(err->text) - 100)
		return weir_err_set(err, WEIR_E_CONFIG, "%s; %s: %s", wrong, lead, sql);
	fprintf(stderr, "weir: step `%s`: %s:\n%s\n", o->step, lead, sql);
	return weir_err_set(err, WEIR_E_CONFIG, "%s; %s: see the statement printed above", wrong,
			    lead);
}

/* ---- the table ---- */

/* "schema"."table", or "table" alone: then the server's search path decides. */
static const char *quoted(const struct sink_postgres *o, const char *spec)
{
	const char *dot = strchr(spec, '.');
	char a[WEIR_PG_NAME_CAP], b[WEIR_PG_NAME_CAP];

	if (!dot) {
		weir_pg_name(a, weir_str_c(spec));
		return weir_region_printf(o->region, "%s", a);
	}
	weir_pg_name(a, (struct weir_str){spec, (size_t)(dot - spec)});
	weir_pg_name(b, weir_str_c(dot + 1));
	return weir_region_printf(o->region, "%s.%s", a, b);
}

static const char find_sql[] =
	"SELECT n.nspname, c.relname, c.relkind, c.relpersistence, c.oid, "
	"pg_catalog.has_any_column_privilege(c.oid, 'INSERT'), "
	"pg_catalog.row_security_active(c.oid), pg_catalog.quote_ident(current_user) "
	"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
	"WHERE c.oid = pg_catalog.to_regclass($1)";
enum { SCHEMA, TABLE, KIND, PERSISTENCE, OID, MAY_INSERT, ROW_SECURITY, USER };

/* The row of find_sql is there. */
static int check_kind(const struct sink_postgres *o, struct weir_err *err)
{
	const struct weir_pg *pg = &o->pg;
	char kind = *weir_pg_value(pg, 0, KIND);

	if (kind != 'r' && kind != 'p')
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s: %s is no table (a view, a foreign table, an index ...); "
				    "rows can go into tables only",
				    pg->where, o->table);
	if (o->epochs && *weir_pg_value(pg, 0, PERSISTENCE) != 'p')
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s: %s is UNLOGGED: it is empty after a crash of the server; "
				    "ALTER TABLE %s SET LOGGED, or say `guarantee: none`",
				    pg->where, o->table, o->table);
	if (*weir_pg_value(pg, 0, ROW_SECURITY) == 't')
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s: row-level security of %s applies to this user, and COPY "
				    "does not work with it; use a user with BYPASSRLS",
				    pg->where, o->table);
	if (*weir_pg_value(pg, 0, MAY_INSERT) != 't')
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s: this user may not write to %s: GRANT INSERT ON %s TO %s",
				    pg->where, o->table, o->table, weir_pg_value(pg, 0, USER));
	return 0;
}

static int find_table(struct sink_postgres *o, char *ret_oid, size_t oid_cap, struct weir_err *err)
{
	const char *asked = quoted(o, o->spec->table);
	char schema[WEIR_PG_NAME_CAP], table[WEIR_PG_NAME_CAP];
	int r = weir_pg_exec(&o->pg, find_sql, 1, &asked, err);

	if (r)
		return r;
	if (weir_pg_rows(&o->pg) == 0) {
		const char *wrong = weir_region_printf(o->region, "%s: there is no table %s",
						       o->pg.where, asked);

		return say(o, err, wrong, "make it first, such as", asked);
	}
	weir_pg_name(schema, weir_str_c(weir_pg_value(&o->pg, 0, SCHEMA)));
	weir_pg_name(table, weir_str_c(weir_pg_value(&o->pg, 0, TABLE)));
	o->table = weir_region_printf(o->region, "%s.%s", schema, table);
	o->cursor = weir_region_printf(o->region, "%s.weir_cursor", schema);
	snprintf(ret_oid, oid_cap, "%s", weir_pg_value(&o->pg, 0, OID));
	return check_kind(o, err);
}

/* ---- its columns ---- */

static const char columns_sql[] =
	"SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull, "
	"atthasdef OR attidentity <> '', attgenerated <> '' OR attidentity = 'a' "
	"FROM pg_catalog.pg_attribute "
	"WHERE attrelid = $1::pg_catalog.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
enum { NAME, TYPE, NOT_NULL, DEFAULTED, GENERATED };

static bool flag(const struct weir_pg *pg, unsigned row, unsigned column)
{
	return *weir_pg_value(pg, row, column) == 't';
}

static void check_field(struct sink_postgres *o, unsigned i, struct weir_buf *wrong)
{
	const struct weir_field *f = &o->in->field[i];
	const struct weir_pg *pg = &o->pg;
	unsigned row = 0;

	while (row < weir_pg_rows(pg) && strcmp(weir_pg_value(pg, row, NAME), f->name) != 0)
		row++;
	if (row == weir_pg_rows(pg)) {
		weir_buf_printf(wrong, "; there is no column `%s`", f->name);
		return;
	}
	if (flag(pg, row, GENERATED)) {
		weir_buf_printf(wrong, "; column `%s` is generated by the server", f->name);
		return;
	}
	if (!type_fits(f->type, weir_pg_value(pg, row, TYPE), &o->copy.whole_ns[i])) {
		weir_buf_printf(wrong, "; column `%s` is %s, but must be ", f->name,
				weir_pg_value(pg, row, TYPE));
		sql_type(wrong, f->type);
	}
	if (f->nullable && flag(pg, row, NOT_NULL))
		weir_buf_printf(wrong, "; column `%s` is NOT NULL, but the field may be null",
				f->name);
}

/* A column that no field fills. */
static void check_column(const struct sink_postgres *o, unsigned row, struct weir_buf *wrong)
{
	const struct weir_pg *pg = &o->pg;
	const char *name = weir_pg_value(pg, row, NAME);

	if (weir_schema_find(o->in, weir_str_c(name)) < 0 && flag(pg, row, NOT_NULL) &&
	    !flag(pg, row, DEFAULTED) && !flag(pg, row, GENERATED))
		weir_buf_printf(wrong, "; no field fills column `%s`, which is NOT NULL", name);
}

static const char *column_list(const struct sink_postgres *o)
{
	size_t cap = (size_t)o->in->field_count * (WEIR_PG_NAME_CAP + 2) + 1;
	char *text = weir_region_alloc(o->region, cap);
	struct weir_buf b = weir_buf_of(text, cap - 1);
	char name[WEIR_PG_NAME_CAP];

	for (unsigned i = 0; i < o->in->field_count; i++) {
		weir_pg_name(name, weir_str_c(o->in->field[i].name));
		weir_buf_lit(&b, i ? ", " : "");
		weir_buf_lit(&b, name);
	}
	return text;
}

int weir__pg_table(struct sink_postgres *o, struct weir_err *err)
{
	char oid[16], text[300], *wrong;
	const char *param = oid;
	size_t whole = 0; /* bytes of complete complaints */
	struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
	int r = find_table(o, oid, sizeof(oid), err);

	if (r == 0)
		r = weir_pg_exec(&o->pg, columns_sql, 1, &param, err);
	if (r)
		return r;
	for (unsigned i = 0; i < o->in->field_count; i++) {
		check_field(o, i, &b);
		whole = b.full ? whole : b.len;
	}
	for (unsigned row = 0; row < weir_pg_rows(&o->pg); row++) {
		check_column(o, row, &b);
		whole = b.full ? whole : b.len;
	}
	o->columns = column_list(o);
	if (b.len == 0 && !b.full)
		return 0;
	text[whole] = 0;
	wrong = weir_region_printf(o->region, "%s: table %s does not fit%s%s", o->pg.where,
				   o->table, text, b.full ? "; and more" : "");
	return say(o, err, wrong, "this one would", o->table);
}
