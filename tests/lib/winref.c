/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/winref.h"

#include <math.h>

#include "base/keyhash.h"

struct agg_def {
	const char *name;
	enum weir_agg_fn fn;
	int arg, by;
};

static const struct agg_def aggs[] = {
	{"n", WEIR_AGG_COUNT, -1, -1},
	{"nv", WEIR_AGG_COUNT, WINREF_V, -1},
	{"sum_v", WEIR_AGG_SUM, WINREF_V, -1},
	{"sum_f", WEIR_AGG_SUM, WINREF_F, -1},
	{"sum_d", WEIR_AGG_SUM, WINREF_D, -1},
	{"avg_v", WEIR_AGG_AVG, WINREF_V, -1},
	{"avg_f", WEIR_AGG_AVG, WINREF_F, -1},
	{"avg_d", WEIR_AGG_AVG, WINREF_D, -1},
	{"min_v", WEIR_AGG_MIN, WINREF_V, -1},
	{"max_v", WEIR_AGG_MAX, WINREF_V, -1},
	{"min_f", WEIR_AGG_MIN, WINREF_F, -1},
	{"max_f", WEIR_AGG_MAX, WINREF_F, -1},
	{"min_s", WEIR_AGG_MIN, WINREF_S, -1},
	{"max_s", WEIR_AGG_MAX, WINREF_S, -1},
	{"first_s", WEIR_AGG_FIRST, WINREF_S, -1},
	{"last_s", WEIR_AGG_LAST, WINREF_S, -1},
	{"first_f", WEIR_AGG_FIRST, WINREF_F, -1},
	{"last_v", WEIR_AGG_LAST, WINREF_V, -1},
	{"amin_sv", WEIR_AGG_ARG_MIN, WINREF_S, WINREF_V},
	{"amax_vs", WEIR_AGG_ARG_MAX, WINREF_V, WINREF_S},
	{"amax_df", WEIR_AGG_ARG_MAX, WINREF_D, WINREF_F},
	{"amin_ff", WEIR_AGG_ARG_MIN, WINREF_F, WINREF_F},
	{"dist_v", WEIR_AGG_DISTINCT, WINREF_V, -1},
	{"dist_f", WEIR_AGG_DISTINCT, WINREF_F, -1},
	{"dist_s", WEIR_AGG_DISTINCT, WINREF_S, -1},
};

uint64_t winref_rand(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return weir_hash_mix(*seed);
}

/* ---- set-up ---- */

static void add_field(struct weir_schema *s, const char *name, struct weir_typeinfo t, bool null)
{
	assert_true(weir_schema_add(s, weir_str_c(name), t, null) >= 0);
}

static struct weir_typeinfo result_type(const struct weir_schema *in, const struct agg_def *a)
{
	struct weir_typeinfo t = a->arg >= 0 ? in->field[a->arg].type : weir_type_of(WEIR_INT64);

	if (a->fn == WEIR_AGG_COUNT || a->fn == WEIR_AGG_DISTINCT)
		return weir_type_of(WEIR_INT64);
	if (a->fn == WEIR_AGG_AVG)
		return weir_type_of(WEIR_FLOAT64);
	if (a->fn == WEIR_AGG_SUM && t.type == WEIR_DECIMAL)
		t.precision = 18;
	return t;
}

static void spec_fill(struct winref *w)
{
	struct weir_aggregate_spec *spec = &w->step.aggregate;

	spec->agg_count = WEIR_COUNT_OF(aggs);
	for (uint32_t i = 0; i < spec->agg_count; i++) {
		const struct agg_def *d = &aggs[i];
		struct weir_agg_spec *a = &spec->agg[i];
		bool never_null = d->fn == WEIR_AGG_COUNT || d->fn == WEIR_AGG_DISTINCT;

		strcpy(a->name, d->name);
		a->fn = d->fn;
		a->result_type = result_type(&w->in, d);
		a->result_nullable = !never_null;
		if (d->arg >= 0) {
			a->arg = w->in.field[d->arg].name;
			a->arg_type = w->in.field[d->arg].type;
			a->arg_nullable = w->in.field[d->arg].nullable;
		}
		if (d->by >= 0) {
			a->by = w->in.field[d->by].name;
			a->by_type = w->in.field[d->by].type;
			a->by_nullable = w->in.field[d->by].nullable;
		}
		add_field(&w->out, d->name, a->result_type, !never_null);
	}
}

void winref_init(struct winref *w, struct weir_window_spec window, enum winref_key key)
{
	struct weir_aggregate_spec *spec = &w->step.aggregate;

	memset(w, 0, sizeof(*w));
	w->watermark = WEIR_TIME_MIN;
	add_field(&w->in, "k", weir_type_of(WEIR_INT64), false);
	add_field(&w->in, "ks", weir_type_of(WEIR_STRING), true);
	add_field(&w->in, "v", weir_type_of(WEIR_INT64), true);
	add_field(&w->in, "f", weir_type_of(WEIR_FLOAT64), true);
	add_field(&w->in, "s", weir_type_of(WEIR_STRING), true);
	add_field(&w->in, "d",
		  (struct weir_typeinfo){.type = WEIR_DECIMAL, .precision = 10, .scale = 2}, false);
	weir_schema_seal(&w->in);
	strcpy(w->step.name, "win");
	w->step.kind = WEIR_STEP_AGGREGATE;
	w->step.port = w->port;
	w->step.port_count = 3;
	w->step.late_port = 1;
	w->step.rejects_port = 2;
	w->step.on_error = WEIR_ON_ERROR_ROUTE;
	w->port[0].schema = &w->out;
	w->port[1].schema = &w->in;
	w->port[2].schema = (struct weir_schema *)(uintptr_t)weir_rejects_schema();
	spec->window = window;
	if (key == WINREF_KEY_BOTH)
		spec->key[spec->key_count++] = WINREF_KS;
	if (key == WINREF_KEY_BOTH || key == WINREF_KEY_INT)
		spec->key[spec->key_count++] = WINREF_K;
	if (key == WINREF_KEY_FLOAT)
		spec->key[spec->key_count++] = WINREF_F;
	for (uint32_t i = 0; i < spec->key_count; i++)
		add_field(&w->out, i == 0 ? "key0" : "key1", w->in.field[spec->key[i]].type,
			  w->in.field[spec->key[i]].nullable);
	add_field(&w->out, "window_start", weir_type_of(WEIR_TIMESTAMP), false);
	add_field(&w->out, "window_end", weir_type_of(WEIR_TIMESTAMP), false);
	spec_fill(w);
	weir_schema_seal(&w->out);
}

void winref_top(struct winref *w, const char *by, uint32_t k, bool smallest, bool ties)
{
	struct weir_aggregate_spec spec = w->step.aggregate;
	struct weir_top_spec *t = &w->step.top;

	memset(t, 0, sizeof(*t));
	w->step.kind = WEIR_STEP_TOP;
	t->window = spec.window;
	t->key_count = spec.key_count;
	memcpy(t->key, spec.key, sizeof(t->key));
	t->by = by;
	t->k = k;
	t->smallest = smallest;
	t->ties = ties;
	w->out = w->in;
	add_field(&w->out, "window_start", weir_type_of(WEIR_TIMESTAMP), false);
	add_field(&w->out, "window_end", weir_type_of(WEIR_TIMESTAMP), false);
	weir_schema_seal(&w->out);
}

void winref_fini(struct winref *w)
{
	for (uint32_t i = 0; i < w->row_count; i++)
		free(w->row[i]);
	for (uint32_t i = 0; i < w->group_count; i++)
		free(w->group[i].row);
	free(w->group);
}

struct weir_frame *winref_random(struct winref *w, uint64_t *seed, int64_t t)
{
	static const char *const text[] = {
		"", "a", "b", "ab", "abc", "zebra", "a longer text here", "a longer text hers"};
	static const double number[] = {0.0, -0.0, 1.25, -2.5, 1000.75, 0.25, NAN, -7.5};
	struct weir_oprig_value v[WINREF_FIELDS];
	uint64_t r = winref_rand(seed), q = winref_rand(seed);

	v[WINREF_K] = WEIR_ROW_I((int64_t)(r % 5) - 2);
	v[WINREF_KS] = r >> 8 & 3 ? WEIR_ROW_S(text[r >> 16 & 3]) : WEIR_ROW_NULL;
	v[WINREF_V] = q & 7 ? WEIR_ROW_I((int64_t)(q >> 8 & 15) - 7) : WEIR_ROW_NULL;
	if ((q >> 16 & 63) == 0)
		v[WINREF_V] = WEIR_ROW_I(INT64_MAX / 100000);
	v[WINREF_F] = q >> 24 & 7 ? WEIR_ROW_F(number[q >> 32 & 7]) : WEIR_ROW_NULL;
	v[WINREF_S] = q >> 40 & 7 ? WEIR_ROW_S(text[q >> 48 & 7]) : WEIR_ROW_NULL;
	v[WINREF_D] = WEIR_ROW_I((int64_t)(q >> 52) - 2048);
	return weir_oprig_frame(&w->in, t, v);
}

/* ---- windows ---- */

static bool same_key(const struct winref *w, const struct weir_frame *a, const struct weir_frame *b)
{
	const struct weir_aggregate_spec *agg = &w->step.aggregate;
	const struct weir_top_spec *top = &w->step.top;
	bool is_top = w->step.kind == WEIR_STEP_TOP;
	uint32_t count = is_top ? top->key_count : agg->key_count;

	for (uint32_t i = 0; i < count; i++) {
		unsigned k = is_top ? top->key[i] : agg->key[i];

		if (weir_null(a, &w->in, k) != weir_null(b, &w->in, k))
			return false;
		if (weir_null(a, &w->in, k))
			continue;
		if (weir_type_is_text(w->in.field[k].type.type)) {
			if (!weir_str_eq(weir_get_str(a, &w->in, k), weir_get_str(b, &w->in, k)))
				return false;
		} else if (w->in.field[k].type.type == WEIR_FLOAT64) {
			double x = weir_get_f64(a, &w->in, k), y = weir_get_f64(b, &w->in, k);

			if (x != y && !(isnan(x) && isnan(y)))
				return false;
		} else if (weir_slot(a, &w->in, k) != weir_slot(b, &w->in, k)) {
			return false;
		}
	}
	return true;
}

static struct winref_group *group_new(struct winref *w, int64_t start, int64_t end)
{
	if (w->group_count == w->group_cap) {
		w->group_cap = w->group_cap ? w->group_cap * 2 : 64;
		w->group = realloc(w->group, w->group_cap * sizeof(*w->group));
		assert_non_null(w->group);
	}
	w->group[w->group_count] = (struct winref_group){.start = start, .end = end};
	w->group[w->group_count].key_row = w->row_count - 1;
	return &w->group[w->group_count++];
}

static void group_row(struct winref_group *g, uint32_t row)
{
	if (g->count == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 8;
		g->row = realloc(g->row, g->cap * sizeof(*g->row));
		assert_non_null(g->row);
	}
	g->row[g->count++] = row;
}

static struct weir_window_spec *window_of(struct winref *w)
{
	return w->step.kind == WEIR_STEP_TOP ? &w->step.top.window : &w->step.aggregate.window;
}

static bool still_kept(const struct winref *w, int64_t end, int64_t lateness)
{
	return w->watermark == WEIR_TIME_MIN || end - 1 + lateness > w->watermark;
}

static void session_add(struct winref *w, struct weir_frame *f)
{
	const struct weir_window_spec *spec = window_of(w);
	int64_t gap = spec->size_ns, start = f->time_ns, end = f->time_ns + gap;
	struct winref_group *g, all = {0};

	for (uint32_t i = 0; i < w->group_count; i++) {
		g = &w->group[i];
		if (g->gone || g->merged || !same_key(w, f, w->row[g->key_row]) ||
		    g->start >= f->time_ns + gap || f->time_ns >= g->end)
			continue;
		start = WEIR_MIN(start, g->start);
		end = WEIR_MAX(end, g->end);
		for (uint32_t k = 0; k < g->count; k++)
			group_row(&all, g->row[k]);
		g->merged = true;
	}
	if (!still_kept(w, end, spec->lateness_ns)) {
		w->late++;
		return;
	}
	g = group_new(w, start, end);
	for (uint32_t k = 0; k < all.count; k++)
		group_row(g, all.row[k]);
	group_row(g, w->row_count - 1);
	free(all.row);
}

void winref_add(struct winref *w, struct weir_frame *f)
{
	const struct weir_window_spec *spec = window_of(w);
	int64_t slide = spec->kind == WEIR_WINDOW_SLIDING ? spec->slide_ns : spec->size_ns;
	int64_t start = f->time_ns, late = true;

	assert_true(w->row_count < WINREF_ROWS_MAX);
	w->row[w->row_count++] = f;
	if (spec->kind == WEIR_WINDOW_SESSION) {
		session_add(w, f);
		return;
	}
	/* Step back to the start of a window, in the plainest way. */
	while ((start - spec->offset_ns) % slide != 0)
		start--;
	if (start + spec->size_ns <= f->time_ns)
		late = false; /* between windows */
	for (; start + spec->size_ns > f->time_ns; start -= slide) {
		struct winref_group *g = NULL;

		if (!still_kept(w, start + spec->size_ns, spec->lateness_ns))
			continue;
		late = false;
		for (uint32_t i = 0; i < w->group_count && !g; i++)
			if (w->group[i].start == start &&
			    same_key(w, f, w->row[w->group[i].key_row]))
				g = &w->group[i];
		if (!g)
			g = group_new(w, start, start + spec->size_ns);
		group_row(g, w->row_count - 1);
	}
	w->late += late;
}

void winref_watermark(struct winref *w, int64_t watermark)
{
	const struct weir_window_spec *spec = window_of(w);

	w->watermark = WEIR_MAX(w->watermark, watermark);
	for (uint32_t i = 0; i < w->group_count; i++)
		if (!still_kept(w, w->group[i].end, spec->lateness_ns))
			w->group[i].gone = true;
}

/* ---- aggregates ---- */

/* NaN above all when up, else below all; -0.0 below 0.0. */
static int cmp_f64(double a, double b, bool nan_up)
{
	if (isnan(a) || isnan(b))
		return (isnan(a) - isnan(b)) * (nan_up ? 1 : -1);
	if (a != b)
		return a < b ? -1 : 1;
	return !!signbit(b) - !!signbit(a);
}

static int cmp_field(const struct winref *w, const struct weir_frame *a, const struct weir_frame *b,
		     unsigned i, bool nan_up)
{
	int64_t x, y;

	if (weir_type_is_text(w->in.field[i].type.type))
		return weir_str_cmp(weir_get_str(a, &w->in, i), weir_get_str(b, &w->in, i));
	if (w->in.field[i].type.type == WEIR_FLOAT64)
		return cmp_f64(weir_get_f64(a, &w->in, i), weir_get_f64(b, &w->in, i), nan_up);
	x = weir_get_i64(a, &w->in, i);
	y = weir_get_i64(b, &w->in, i);
	return (x > y) - (x < y);
}

static bool replaces(const struct winref *w, const struct agg_def *d, const struct weir_frame *f,
		     const struct weir_frame *best)
{
	unsigned arg = (unsigned)d->arg, by = (unsigned)d->by;
	int c = 0;

	switch (d->fn) {
	case WEIR_AGG_MIN:
		return cmp_field(w, f, best, arg, true) < 0;
	case WEIR_AGG_MAX:
		return cmp_field(w, f, best, arg, false) > 0;
	case WEIR_AGG_FIRST:
		if (f->time_ns != best->time_ns)
			return f->time_ns < best->time_ns;
		return cmp_field(w, f, best, arg, true) < 0;
	case WEIR_AGG_LAST:
		if (f->time_ns != best->time_ns)
			return f->time_ns > best->time_ns;
		return cmp_field(w, f, best, arg, true) > 0;
	case WEIR_AGG_ARG_MIN:
		c = cmp_field(w, f, best, by, true);
		break;
	default:
		c = -cmp_field(w, f, best, by, false);
		break;
	}
	return c < 0 || (c == 0 && cmp_field(w, f, best, arg, true) < 0);
}

static bool same_value(const struct winref *w, const struct weir_frame *a,
		       const struct weir_frame *b, unsigned i)
{
	if (w->in.field[i].type.type == WEIR_FLOAT64) {
		double x = weir_get_f64(a, &w->in, i), y = weir_get_f64(b, &w->in, i);

		return x == y || (isnan(x) && isnan(y));
	}
	return cmp_field(w, a, b, i, true) == 0;
}

static void agg_build(const struct winref *w, const struct winref_group *g, const struct agg_def *d,
		      struct weir_builder *b, unsigned at)
{
	const struct weir_frame *best = NULL;
	unsigned type = d->arg >= 0 ? w->in.field[d->arg].type.type : WEIR_INT64;
	int64_t count = 0, distinct = 0, sum = 0;
	double sum_f = 0;

	for (uint32_t k = 0; k < g->count; k++) {
		const struct weir_frame *f = w->row[g->row[k]];
		bool seen = false;

		if (d->arg >= 0 && weir_null(f, &w->in, (unsigned)d->arg))
			continue;
		if (d->by >= 0 && weir_null(f, &w->in, (unsigned)d->by))
			continue;
		count++;
		if (d->arg < 0)
			continue;
		for (uint32_t p = 0; p < k && !seen && d->fn == WEIR_AGG_DISTINCT; p++)
			seen = !weir_null(w->row[g->row[p]], &w->in, (unsigned)d->arg) &&
			       same_value(w, f, w->row[g->row[p]], (unsigned)d->arg);
		distinct += !seen;
		if (type == WEIR_FLOAT64)
			sum_f += weir_get_f64(f, &w->in, (unsigned)d->arg);
		else if (!weir_type_is_text(type))
			sum += weir_get_i64(f, &w->in, (unsigned)d->arg);
		if (d->fn != WEIR_AGG_SUM && d->fn != WEIR_AGG_AVG && d->fn != WEIR_AGG_DISTINCT &&
		    d->fn != WEIR_AGG_COUNT && (!best || replaces(w, d, f, best)))
			best = f;
	}
	if (d->fn == WEIR_AGG_COUNT)
		weir_build_i64(b, at, count);
	else if (d->fn == WEIR_AGG_DISTINCT)
		weir_build_i64(b, at, distinct);
	else if (count == 0)
		weir_build_null(b, at);
	else if (d->fn == WEIR_AGG_SUM && type == WEIR_FLOAT64)
		weir_build_f64(b, at, sum_f);
	else if (d->fn == WEIR_AGG_SUM)
		weir_build_i64(b, at, sum);
	else if (d->fn == WEIR_AGG_AVG && type == WEIR_FLOAT64)
		weir_build_f64(b, at, sum_f / (double)count);
	else if (d->fn == WEIR_AGG_AVG)
		weir_build_f64(b, at,
			       (double)sum / (double)(count * (type == WEIR_DECIMAL ? 100 : 1)));
	else
		weir_build_copy(b, at, best, &w->in, (unsigned)d->arg);
}

/* ---- lines ---- */

struct lines {
	char **line;
	uint32_t count, cap;
};

static void line_add(struct lines *l, const char *text)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->line = realloc(l->line, l->cap * sizeof(*l->line));
		assert_non_null(l->line);
	}
	l->line[l->count++] = (char *)(uintptr_t)text;
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *lines_join(struct lines *l, struct weir_oprig *rig)
{
	size_t n = 1;
	char *text, *p;

	if (l->count)
		qsort(l->line, l->count, sizeof(*l->line), line_cmp);
	for (uint32_t i = 0; i < l->count; i++)
		n += strlen(l->line[i]) + 1;
	p = text = weir_region_alloc(&rig->region, n);
	for (uint32_t i = 0; i < l->count; i++)
		p += sprintf(p, "%s\n", l->line[i]);
	free(l->line);
	return text;
}

/* -0.0 and 0.0 are one key, shown as 0.0. */
static void key_build(const struct winref *w, const struct weir_frame *f, struct weir_builder *b)
{
	const struct weir_aggregate_spec *spec = &w->step.aggregate;

	for (uint32_t i = 0; i < spec->key_count; i++) {
		unsigned k = spec->key[i];

		if (w->in.field[k].type.type == WEIR_FLOAT64 && !weir_null(f, &w->in, k))
			weir_build_slot(b, i, weir_hash_f64_slot(weir_slot(f, &w->in, k)));
		else
			weir_build_copy(b, i, f, &w->in, k);
	}
}

char *winref_expected(struct winref *w, struct weir_oprig *rig)
{
	struct lines l = {0};
	uint32_t keys = w->step.aggregate.key_count;
	uint64_t mem[1024];

	for (uint32_t i = 0; i < w->group_count; i++) {
		struct winref_group *g = &w->group[i];
		struct weir_builder b;

		if (g->merged)
			continue;
		weir_build_begin(&b, mem, sizeof(mem), &w->out);
		key_build(w, w->row[g->key_row], &b);
		weir_build_i64(&b, keys, g->start);
		weir_build_i64(&b, keys + 1, g->end);
		for (unsigned a = 0; a < WEIR_COUNT_OF(aggs); a++)
			agg_build(w, g, &aggs[a], &b, keys + 2 + a);
		assert_true(weir_build_end(&b));
		line_add(&l, weir_oprig_json(rig, b.f, &w->out));
	}
	return lines_join(&l, rig);
}

struct top_ctx {
	const struct winref *w;
	unsigned by;
	bool smallest;
};
static struct top_ctx top_ctx;

static int top_rank(const struct weir_frame *a, const struct weir_frame *b)
{
	int c = cmp_field(top_ctx.w, a, b, top_ctx.by, top_ctx.smallest);

	return top_ctx.smallest ? c : -c;
}

static int top_cmp(const void *x, const void *y)
{
	const struct weir_frame *a = *(const struct weir_frame *const *)x;
	const struct weir_frame *b = *(const struct weir_frame *const *)y;
	int c = top_rank(a, b);

	if (c == 0)
		c = (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
	if (c == 0)
		c = memcmp(a + 1, b + 1, WEIR_MIN(a->size, b->size) - sizeof(*a));
	return c ? c : (a->size > b->size) - (a->size < b->size);
}

char *winref_expected_top(struct winref *w, struct weir_oprig *rig, const char *by, uint32_t k,
			  bool smallest, bool ties)
{
	struct lines l = {0};
	int field = weir_schema_find(&w->in, weir_str_c(by));
	uint64_t mem[1024];

	top_ctx = (struct top_ctx){w, (unsigned)field, smallest};
	for (uint32_t i = 0; i < w->group_count; i++) {
		struct winref_group *g = &w->group[i];
		const struct weir_frame **f = malloc((g->count + 1) * sizeof(*f));
		uint32_t n = 0;

		assert_non_null(f);
		for (uint32_t r = 0; r < g->count; r++)
			if (!weir_null(w->row[g->row[r]], &w->in, (unsigned)field))
				f[n++] = w->row[g->row[r]];
		if (n)
			qsort(f, n, sizeof(*f), top_cmp);
		for (uint32_t r = 0; r < n && !g->merged; r++) {
			struct weir_builder b;

			if (r >= k && !(ties && top_rank(f[r], f[k - 1]) == 0))
				break;
			weir_build_begin(&b, mem, sizeof(mem), &w->out);
			for (unsigned c = 0; c < WINREF_FIELDS; c++)
				weir_build_copy(&b, c, f[r], &w->in, c);
			weir_build_i64(&b, WINREF_FIELDS, g->start);
			weir_build_i64(&b, WINREF_FIELDS + 1, g->end);
			assert_true(weir_build_end(&b));
			line_add(&l, weir_oprig_json(rig, b.f, &w->out));
		}
		free(f);
	}
	return lines_join(&l, rig);
}

char *winref_actual(struct winref *w, struct weir_oprig *rig, bool last_only)
{
	struct lines l = {0}, all = {0};

	(void)w;
	for (uint32_t i = 0; i < rig->out[0].count; i++)
		if (rig->out[0].frame[i]->kind == WEIR_FRAME_DATA)
			line_add(&all, weir_oprig_text(rig, 0, i));
	for (uint32_t i = 0; i < all.count; i++) {
		const char *cut = last_only ? strstr(all.line[i], "\"n\":") : NULL;
		bool again = false;

		for (uint32_t k = i + 1; cut && k < all.count && !again; k++)
			again = strncmp(all.line[i], all.line[k], (size_t)(cut - all.line[i])) == 0;
		if (!again)
			line_add(&l, all.line[i]);
	}
	free(all.line);
	return lines_join(&l, rig);
}
