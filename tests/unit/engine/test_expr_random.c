/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random expressions over random records: the vector evaluator against a plain recursive
 * interpreter, written from docs/expressions.md, over int64, float64, bool, null and errors.
 */
#include "tests/unit/engine/expr_lib.h"

enum { INT, FLOAT, BOOL };
enum what {
	LITERAL,
	FIELD,
	NEG,
	NOT,
	ABS,
	ADD,
	SUB,
	MUL,
	DIV,
	MOD,
	EQ,
	NE,
	LT,
	LE,
	GT,
	GE,
	AND,
	OR,
	COND,
	COALESCE,
	MIN,
	MAX,
	TO_INT,
	TO_FLOAT,
	IS_NULL,
	NOT_NULL,
	IN,
	WHAT_COUNT
};

struct node {
	enum what what;
	int type;
	struct node *arg[3];
	unsigned count;
	int64_t i;
	double f;
	unsigned field;
};

struct value {
	unsigned state;
	int64_t i;
	double f;
};

static const char *const names[] = {"ia", "ib", "in1", "fa", "fb", "fn", "ba", "bb", "bn"};
static const char *const types[] = {"int64",	"int64", "int64?", "float64", "float64",
				    "float64?", "bool",	 "bool",   "bool?"};

static uint64_t rng_state;

static uint64_t rng(void)
{
	/* splitmix64 */
	uint64_t z = rng_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned pick(unsigned n)
{
	return (unsigned)(rng() % n);
}

static int64_t random_int(void)
{
	static const int64_t special[] = {0,
					  1,
					  -1,
					  2,
					  INT64_MAX,
					  INT64_MIN,
					  1LL << 53,
					  (1LL << 53) + 1,
					  INT64_MAX - 1,
					  3037000500,
					  -3037000500,
					  10};

	return pick(2) ? special[pick(WEIR_COUNT_OF(special))] : (int64_t)pick(200) - 100;
}

static double random_float(void)
{
	static const double special[] = {0.0,
					 -0.0,
					 1,
					 -1,
					 0.5,
					 1e300,
					 -1e300,
					 9007199254740992.0,
					 9223372036854775808.0,
					 -9223372036854775808.0,
					 2.5,
					 1e-300};

	return pick(2) ? special[pick(WEIR_COUNT_OF(special))] : (double)pick(400) / 4 - 50;
}

/* ---- making ---- */

static struct node *new_node(struct weir_region *r, enum what what, int type)
{
	struct node *n = weir_region_new(r, struct node);

	n->what = what;
	n->type = type;
	return n;
}

static struct node *leaf(struct weir_region *r, int type)
{
	struct node *n = new_node(r, pick(3) ? FIELD : LITERAL, type);

	n->field = (unsigned)type * 3 + pick(3);
	n->i = type == BOOL ? pick(2) : random_int();
	n->f = random_float();
	return n;
}

static struct node *make(struct weir_region *r, int type, unsigned depth);

static void add(struct weir_region *r, struct node *n, int type, unsigned depth)
{
	n->arg[n->count++] = make(r, type, depth - 1);
}

static struct node *make(struct weir_region *r, int type, unsigned depth)
{
	static const enum what of_int[] = {NEG, ABS,  ADD,	SUB, MUL, DIV,
					   MOD, COND, COALESCE, MIN, MAX, TO_INT};
	static const enum what of_float[] = {NEG,  ABS,	     ADD, SUB, MUL,	DIV,
					     COND, COALESCE, MIN, MAX, TO_FLOAT};
	static const enum what of_bool[] = {NOT, EQ, NE, LT,   LE,	 GT,	  GE,	    AND,
					    AND, OR, OR, COND, COALESCE, IS_NULL, NOT_NULL, IN};
	struct node *n;

	if (depth == 0 || pick(8) == 0)
		return leaf(r, type);
	n = new_node(r,
		     type == INT ? of_int[pick(WEIR_COUNT_OF(of_int))]
				 : (type == FLOAT ? of_float[pick(WEIR_COUNT_OF(of_float))]
						  : of_bool[pick(WEIR_COUNT_OF(of_bool))]),
		     type);
	switch (n->what) {
	case NEG:
	case NOT:
	case ABS:
		add(r, n, type, depth);
		break;
	case EQ:
	case NE:
	case LT:
	case LE:
	case GT:
	case GE:
		add(r, n, (int)pick(2), depth);
		add(r, n, (int)pick(2), depth);
		break;
	case COND:
		add(r, n, BOOL, depth);
		add(r, n, type, depth);
		add(r, n, type, depth);
		break;
	case TO_INT:
		/* A literal that does not fit is a compile error; a sum is not. */
		n->arg[n->count++] = new_node(r, ADD, FLOAT);
		n->arg[0]->count = 2;
		n->arg[0]->arg[0] = make(r, FLOAT, depth - 1);
		n->arg[0]->arg[1] = leaf(r, FLOAT);
		n->arg[0]->arg[1]->what = FIELD;
		break;
	case TO_FLOAT:
		add(r, n, INT, depth);
		break;
	case IS_NULL:
	case NOT_NULL:
		add(r, n, (int)pick(3), depth);
		break;
	case IN:
		for (unsigned k = 0; k < 3; k++)
			add(r, n, INT, depth);
		break;
	case ADD:
	case SUB:
	case MUL:
	case DIV:
		add(r, n, type, depth);
		add(r, n, type == FLOAT ? (int)pick(2) : INT, depth);
		if (pick(2)) {
			struct node *t = n->arg[0];

			n->arg[0] = n->arg[1];
			n->arg[1] = t;
		}
		break;
	default:
		add(r, n, type, depth);
		add(r, n, type, depth);
	}
	return n;
}

/* ---- printing ---- */

static void print(struct weir_buf *b, const struct node *n)
{
	static const char *const infix[WHAT_COUNT] = {
		[ADD] = " + ", [SUB] = " - ",  [MUL] = " * ", [DIV] = " / ", [MOD] = " % ",
		[EQ] = " == ", [NE] = " != ",  [LT] = " < ",  [LE] = " <= ", [GT] = " > ",
		[GE] = " >= ", [AND] = " && ", [OR] = " || "};
	static const char *const call[WHAT_COUNT] = {
		[ABS] = "abs(", [COALESCE] = "coalesce(", [MIN] = "min(",
		[MAX] = "max(", [TO_INT] = "int(",	  [TO_FLOAT] = "double("};
	char text[64];
	struct weir_buf t = weir_buf_of(text, sizeof(text));

	if (n->what == FIELD) {
		weir_buf_lit(b, names[n->field]);
	} else if (n->what == LITERAL) {
		if (n->type == BOOL)
			weir_buf_lit(b, n->i ? "true" : "false");
		else if (n->type == INT)
			weir_buf_i64(b, n->i);
		else
			weir_buf_f64(&t, n->f);
		weir_buf_put(b, text, t.len);
		if (n->type == FLOAT && !memchr(text, '.', t.len) && !memchr(text, 'e', t.len))
			weir_buf_lit(b, ".0");
	} else if (call[n->what]) {
		weir_buf_lit(b, call[n->what]);
		for (unsigned i = 0; i < n->count; i++) {
			weir_buf_lit(b, i ? ", " : "");
			print(b, n->arg[i]);
		}
		weir_buf_char(b, ')');
	} else {
		weir_buf_char(b, '(');
		if (n->what == NEG || n->what == NOT) {
			/* -(-5): the sign of a literal would join. */
			weir_buf_lit(b, n->what == NEG ? "-(" : "!");
			print(b, n->arg[0]);
			weir_buf_lit(b, n->what == NEG ? ")" : "");
		} else if (n->what == COND) {
			print(b, n->arg[0]);
			weir_buf_lit(b, " ? ");
			print(b, n->arg[1]);
			weir_buf_lit(b, " : ");
			print(b, n->arg[2]);
		} else if (n->what == IN) {
			print(b, n->arg[0]);
			weir_buf_lit(b, " in [");
			print(b, n->arg[1]);
			weir_buf_lit(b, ", ");
			print(b, n->arg[2]);
			weir_buf_char(b, ']');
		} else if (n->what == IS_NULL || n->what == NOT_NULL) {
			print(b, n->arg[0]);
			weir_buf_lit(b, n->what == IS_NULL ? " == null" : " != null");
		} else {
			print(b, n->arg[0]);
			weir_buf_lit(b, infix[n->what]);
			print(b, n->arg[1]);
		}
		weir_buf_char(b, ')');
	}
}

/* ---- the reference ---- */

static double number(const struct node *n, struct value v)
{
	return n->type == INT ? (double)v.i : v.f;
}

static struct value failed(unsigned state)
{
	return (struct value){.state = state};
}

static struct value fit(weir_i128 v)
{
	if (v < INT64_MIN || v > INT64_MAX)
		return failed(WEIR_LANE_OVERFLOW);
	return (struct value){.i = (int64_t)v};
}

static struct value arith(const struct node *n, struct value a, struct value b)
{
	struct value r = {0};

	if (a.state || b.state)
		return failed(WEIR_MAX(a.state, b.state));
	if (n->type == FLOAT) {
		double x = number(n->arg[0], a), y = number(n->arg[1], b);

		r.f = n->what == ADD   ? x + y
		      : n->what == SUB ? x - y
		      : n->what == MUL ? x * y
				       : x / y;
		return r;
	}
	if ((n->what == DIV || n->what == MOD) && b.i == 0)
		return failed(WEIR_LANE_DIV_ZERO);
	switch (n->what) {
	case ADD:
		return fit((weir_i128)a.i + b.i);
	case SUB:
		return fit((weir_i128)a.i - b.i);
	case MUL:
		return fit((weir_i128)a.i * b.i);
	case DIV:
		return fit((weir_i128)a.i / b.i);
	default:
		return fit((weir_i128)a.i % b.i);
	}
}

/* The x87 format holds every int64 and every float64, so comparing there is exact. */
static bool holds(enum what rel, const struct node *n, struct value a, struct value b)
{
	long double x = n->arg[0]->type == INT ? (long double)a.i : (long double)a.f;
	long double y = n->arg[1]->type == INT ? (long double)b.i : (long double)b.f;

	switch (rel) {
	case EQ:
		return x == y;
	case NE:
		return x != y;
	case LT:
		return x < y;
	case LE:
		return x <= y;
	case GT:
		return x > y;
	default:
		return x >= y;
	}
}

static struct value truth(bool b)
{
	return (struct value){.i = b};
}

static struct value decide(struct value a, struct value b, bool decides)
{
	if ((!a.state && a.i == decides) || (!b.state && b.i == decides))
		return truth(decides);
	if (a.state || b.state)
		return failed(WEIR_MAX(a.state, b.state));
	return truth(!decides);
}

static struct value run(const struct node *n, const struct value *row)
{
	struct value a, b, r = {0};

	if (n->what == LITERAL)
		return (struct value){.i = n->i, .f = n->f};
	if (n->what == FIELD)
		return row[n->field];
	a = run(n->arg[0], row);
	switch (n->what) {
	case COND:
		if (a.state)
			return failed(a.state);
		return run(n->arg[a.i ? 1 : 2], row);
	case COALESCE:
		return a.state == WEIR_LANE_NULL ? run(n->arg[1], row) : a;
	case IS_NULL:
	case NOT_NULL:
		if (a.state > WEIR_LANE_NULL)
			return a;
		return truth((a.state == WEIR_LANE_NULL) == (n->what == IS_NULL));
	case AND:
	case OR:
		return decide(a, run(n->arg[1], row), n->what == OR);
	case IN:
		for (unsigned k = 1; k < 3; k++) {
			b = run(n->arg[k], row);
			b = a.state || b.state ? failed(WEIR_MAX(a.state, b.state))
					       : truth(a.i == b.i);
			r = k == 1 ? b : decide(r, b, true);
		}
		return r;
	case NEG:
	case ABS:
		if (a.state)
			return a;
		if (n->type == INT)
			return fit(n->what == NEG || a.i < 0 ? -(weir_i128)a.i : a.i);
		r.f = n->what == NEG ? -a.f : __builtin_fabs(a.f);
		return r;
	case NOT:
		return a.state ? a : truth(!a.i);
	case TO_FLOAT:
		r.state = a.state;
		r.f = (double)a.i;
		return r;
	case TO_INT:
		if (a.state)
			return failed(a.state);
		if (!(a.f >= -0x1p63 && a.f < 0x1p63))
			return failed(WEIR_LANE_CONVERT);
		r.i = (int64_t)a.f;
		return r;
	default:
		break;
	}
	b = run(n->arg[1], row);
	if (n->what >= ADD && n->what <= MOD)
		return arith(n, a, b);
	if (a.state || b.state)
		return failed(WEIR_MAX(a.state, b.state));
	if (n->what >= EQ && n->what <= GE)
		return truth(holds(n->what, n, a, b));
	if (n->type == INT)
		r.i = (n->what == MIN) == (a.i < b.i) ? a.i : b.i;
	else if (a.f != a.f || b.f != b.f)
		r.f = __builtin_nan("");
	else
		r.f = n->what == MIN ? (a.f <= b.f ? a.f : b.f) : (a.f >= b.f ? a.f : b.f);
	return r;
}

/* ---- the test ---- */

#define FIELDS WEIR_COUNT_OF(names)

static struct weir_schema schema;
static struct value rows[WEIR_EXPR_LANES][FIELDS];
static uint64_t frames[WEIR_EXPR_LANES][32];
static const struct weir_frame *frame[WEIR_EXPR_LANES];

static void make_rows(void)
{
	for (unsigned k = 0; k < WEIR_EXPR_LANES; k++) {
		struct weir_builder b;

		weir_build_begin(&b, frames[k], sizeof(frames[k]), &schema);
		for (unsigned i = 0; i < FIELDS; i++) {
			struct value v = {.i = i / 3 == BOOL ? pick(2) : random_int(),
					  .f = random_float()};

			if (i % 3 == 2 && pick(3) == 0)
				v = failed(WEIR_LANE_NULL);
			rows[k][i] = v;
			if (v.state)
				weir_build_null(&b, i);
			else if (i / 3 == FLOAT)
				weir_build_f64(&b, i, v.f);
			else
				weir_build_i64(&b, i, v.i);
		}
		assert_true(weir_build_end(&b));
		frame[k] = (const struct weir_frame *)frames[k];
	}
}

static bool same(const struct node *n, const struct weir_vec *v, uint32_t lane, struct value want)
{
	if (weir_vec_state(v, lane) != want.state)
		return false;
	if (want.state)
		return true;
	if (n->type != FLOAT)
		return v->i64[lane] == want.i;
	if (want.f != want.f)
		return v->f64[lane] != v->f64[lane];
	return memcmp(&v->f64[lane], &want.f, 8) == 0;
}

static void test_random_expressions(void **state)
{
	struct weir_expr_env env = {.schema = &schema};
	const char *rounds = getenv("WEIR_EXPR_ROUNDS");
	unsigned n_rounds = rounds ? (unsigned)atoi(rounds) : 3000, compiled = 0;
	static char text[WEIR_EXPR_TEXT_MAX];

	(void)state;
	for (unsigned i = 0; i < FIELDS; i++) {
		struct weir_field f;

		assert_int_equal(weir_type_parse(weir_str_c(types[i]), &f, NULL), 0);
		weir_schema_add(&schema, weir_str_c(names[i]), f.type, f.nullable);
	}
	weir_schema_seal(&schema);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct weir_buf b = weir_buf_of(text, sizeof(text) - 1);
		struct weir_region region;
		struct weir_expr_error err;
		struct weir_expr *e;
		const struct weir_vec *v;
		struct node *n;
		uint32_t lanes;

		rng_state = round;
		if (round % 16 == 0)
			make_rows();
		weir_region_init(&region, &weir_test_mem);
		n = make(&region, (int)pick(3), 1 + pick(5));
		print(&b, n);
		text[b.len] = 0;
		assert_false(b.full);
		lanes = 1 + pick(WEIR_EXPR_LANES);
		if (weir_expr_compile(&env, (struct weir_str){text, b.len}, &region, &e, &err))
			fail_msg("round %u: %s\n%s at %zu", round, text, err.text, err.offset);
		compiled++;
		v = weir_expr_eval(e, weir_evaluator_new(&region), frame, lanes);
		for (uint32_t k = 0; k < lanes; k++) {
			struct value want = run(n, rows[k]);

			if (!same(n, v, k, want))
				fail_msg("round %u lane %u: %s\nstate %u, want %u; int %lld, want "
					 "%lld; "
					 "float %g, want %g",
					 round, k, text, weir_vec_state(v, k), want.state,
					 (long long)v->i64[k], (long long)want.i, v->f64[k],
					 want.f);
			if (want.state == WEIR_LANE_NULL)
				assert_true(weir_expr_nullable(e));
		}
		weir_region_fini(&region);
	}
	assert_int_equal(compiled, n_rounds);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_random_expressions),
};

WEIR_TEST_MAIN("expr_random", tests)
