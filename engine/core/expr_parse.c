/* SPDX-License-Identifier: Apache-2.0 */
/* Recursive descent over the grammar of docs/expressions.md. */
#include "engine/core/expr_impl.h"

static struct weir_expr_node *parse_expr(struct weir_expr_cx *cx);
static struct weir_expr_node *parse_unary(struct weir_expr_cx *cx);

struct weir_expr_node *weir__expr_node(struct weir_expr_cx *cx, unsigned kind, size_t offset,
				       size_t length)
{
	struct weir_expr_node *n = weir_region_new(&cx->scratch, struct weir_expr_node);

	n->kind = (uint8_t)kind;
	n->offset = (uint32_t)offset;
	n->length = (uint32_t)length;
	n->height = 1;
	return n;
}

/* Later passes recurse over the tree, so its height is bounded where it grows. */
static bool grow(struct weir_expr_cx *cx, struct weir_expr_node *n, struct weir_expr_node *child)
{
	if (child->height >= WEIR_EXPR_HEIGHT_MAX) {
		weir__expr_fail(
			cx, WEIR_E_LIMIT, n->offset, n->length,
			"more than %u operators in a row: use parentheses or steps of their "
			"own",
			WEIR_EXPR_HEIGHT_MAX);
		return false;
	}
	n->height = (uint16_t)WEIR_MAX(n->height, child->height + 1u);
	return true;
}

static struct weir_expr_node *with_args(struct weir_expr_cx *cx, struct weir_expr_node *n,
					unsigned count, struct weir_expr_node *const *arg)
{
	n->count = count;
	n->arg = weir_region_array(&cx->scratch, struct weir_expr_node *, count);
	for (unsigned i = 0; i < count; i++) {
		n->arg[i] = arg[i];
		if (!grow(cx, n, arg[i]))
			return NULL;
	}
	return n;
}

/* From the first byte of a to the last of b. */
static struct weir_expr_node *span(struct weir_expr_cx *cx, unsigned kind,
				   const struct weir_expr_node *a, size_t end)
{
	return weir__expr_node(cx, kind, a->offset, end - a->offset);
}

static size_t end_of(const struct weir_expr_node *n)
{
	return (size_t)n->offset + n->length;
}

static bool next(struct weir_expr_cx *cx)
{
	return weir__expr_next(cx) == 0;
}

static bool accept(struct weir_expr_cx *cx, unsigned tok)
{
	return cx->tok.kind == tok && next(cx);
}

/* SQL and Python spellings that people try. */
static const char *word_hint(struct weir_str w)
{
	static const char *const hints[][2] = {{"and", "&&"},
					       {"or", "||"},
					       {"AND", "&&"},
					       {"OR", "||"},
					       {"not", "!"},
					       {"NOT", "!"},
					       {"is", "== null"},
					       {"IS", "== null"},
					       {"mod", "%"},
					       {"MOD", "%"},
					       {"div", "/"},
					       {"like", "contains, startsWith or matches"},
					       {"LIKE", "contains, startsWith or matches"},
					       {"IN", "in"},
					       {"if", "condition ? a : b"},
					       {"between", ">= and <="},
					       {"BETWEEN", ">= and <="}};

	for (size_t i = 0; i < WEIR_COUNT_OF(hints); i++)
		if (weir_str_is(w, hints[i][0]))
			return hints[i][1];
	return NULL;
}

static void unexpected(struct weir_expr_cx *cx, const char *wanted)
{
	const struct weir_expr_token *t = &cx->tok;
	const char *hint = t->kind == WEIR_TOK_NAME ? word_hint(t->s) : NULL;

	if (cx->code)
		return;
	if (t->kind == WEIR_TOK_END)
		weir__expr_fail(cx, WEIR_E_FORMAT, t->offset, 0, "the expression ends, %s expected",
				wanted);
	else if (hint)
		weir__expr_fail(cx, WEIR_E_FORMAT, t->offset, t->length,
				"'%.*s' is written %s here", (int)t->s.n, t->s.p, hint);
	else
		weir__expr_fail(cx, WEIR_E_FORMAT, t->offset, t->length,
				"'%.*s' is not expected here, %s is", (int)WEIR_MIN(t->length, 40u),
				cx->text.p + t->offset, wanted);
}

static bool expect(struct weir_expr_cx *cx, unsigned tok, const char *what)
{
	if (accept(cx, tok))
		return true;
	unexpected(cx, what);
	return false;
}

/* Arguments up to the closing token, which is consumed; *ret_end is behind it. */
static bool parse_args(struct weir_expr_cx *cx, unsigned close, const char *close_text,
		       struct weir_expr_node *receiver, struct weir_expr_node *owner)
{
	struct weir_expr_node *first = receiver, **last = receiver ? &receiver->next : &first;
	unsigned count = receiver ? 1 : 0;

	if (cx->tok.kind != close) {
		do {
			struct weir_expr_node *a;

			/* A comma before the end is fine, as in CEL lists. */
			if (close == WEIR_TOK_CLOSE_LIST && cx->tok.kind == close)
				break;
			a = parse_expr(cx);
			if (!a)
				return false;
			*last = a;
			last = &a->next;
			count++;
		} while (accept(cx, WEIR_TOK_COMMA));
	}
	if (cx->code)
		return false;
	if (cx->tok.kind != close) {
		unexpected(cx, close_text);
		return false;
	}
	owner->length = (uint32_t)(cx->tok.offset + cx->tok.length - owner->offset);
	if (!next(cx))
		return false;
	owner->count = count;
	owner->arg = weir_region_array(&cx->scratch, struct weir_expr_node *, count);
	for (unsigned i = 0; i < count; i++, first = first->next) {
		owner->arg[i] = first;
		if (!grow(cx, owner, first))
			return false;
	}
	return true;
}

static struct weir_expr_node *parse_literal(struct weir_expr_cx *cx, bool minus, size_t offset)
{
	struct weir_expr_token t = cx->tok;
	struct weir_expr_node *n =
		weir__expr_node(cx, WEIR_N_LITERAL, offset, t.offset + t.length - offset);

	switch (t.kind) {
	case WEIR_TOK_INT:
		n->type = weir_type_of(WEIR_INT64);
		if (t.i > (uint64_t)INT64_MAX + (minus ? 1 : 0)) {
			weir__expr_fail(cx, WEIR_E_FORMAT, n->offset, n->length,
					"number does not fit into int64");
			return NULL;
		}
		n->value.i = (int64_t)(minus ? 0 - t.i : t.i);
		break;
	case WEIR_TOK_FLOAT:
		n->type = weir_type_of(WEIR_FLOAT64);
		n->value.f = minus ? -t.f : t.f;
		n->text = t.s;
		break;
	case WEIR_TOK_STRING:
		n->type = weir_type_of(WEIR_STRING);
		n->value.s = t.s;
		break;
	case WEIR_TOK_BYTES:
		n->type = weir_type_of(WEIR_BYTES);
		n->value.s = t.s;
		break;
	case WEIR_TOK_TRUE:
	case WEIR_TOK_FALSE:
		n->type = weir_type_of(WEIR_BOOL);
		n->value.i = t.kind == WEIR_TOK_TRUE;
		break;
	default: /* null */
		n->nullable = true;
		break;
	}
	return next(cx) ? n : NULL;
}

static struct weir_expr_node *parse_name(struct weir_expr_cx *cx)
{
	struct weir_expr_token t = cx->tok;
	struct weir_expr_node *n = weir__expr_node(cx, WEIR_N_FIELD, t.offset, t.length);
	const char *hint = t.quoted ? NULL : word_hint(t.s);

	n->value.s = t.s;
	n->name_offset = t.offset;
	if (!next(cx))
		return NULL;
	if (cx->tok.kind == WEIR_TOK_OPEN && !t.quoted) {
		n->kind = WEIR_N_CALL;
		if (!next(cx) || !parse_args(cx, WEIR_TOK_CLOSE, "',' or ')'", NULL, n))
			return NULL;
		return n;
	}
	/* "not x": a name can not be followed by an operand. */
	if (hint && weir_schema_find(cx->env->schema, t.s) < 0) {
		weir__expr_fail(cx, WEIR_E_FORMAT, t.offset, t.length, "'%.*s' is written %s here",
				(int)t.s.n, t.s.p, hint);
		return NULL;
	}
	return n;
}

static struct weir_expr_node *parse_primary(struct weir_expr_cx *cx)
{
	struct weir_expr_node *n;
	size_t offset = cx->tok.offset;

	switch (cx->tok.kind) {
	case WEIR_TOK_INT:
	case WEIR_TOK_FLOAT:
	case WEIR_TOK_STRING:
	case WEIR_TOK_BYTES:
	case WEIR_TOK_TRUE:
	case WEIR_TOK_FALSE:
	case WEIR_TOK_NULL:
		return parse_literal(cx, false, offset);
	case WEIR_TOK_NAME:
		return parse_name(cx);
	case WEIR_TOK_OPEN:
		if (!next(cx))
			return NULL;
		n = parse_expr(cx);
		if (!n || !expect(cx, WEIR_TOK_CLOSE, "')'"))
			return NULL;
		return n;
	case WEIR_TOK_OPEN_LIST:
		n = weir__expr_node(cx, WEIR_N_LIST, offset, 1);
		if (!next(cx) || !parse_args(cx, WEIR_TOK_CLOSE_LIST, "',' or ']'", NULL, n))
			return NULL;
		return n;
	default:
		unexpected(cx, "a value");
		return NULL;
	}
}

static struct weir_expr_node *parse_method(struct weir_expr_cx *cx, struct weir_expr_node *on)
{
	struct weir_expr_token name;
	struct weir_expr_node *n;

	if (!next(cx))
		return NULL;
	name = cx->tok;
	if (name.kind != WEIR_TOK_NAME) {
		unexpected(cx, "the name of a function");
		return NULL;
	}
	n = span(cx, WEIR_N_CALL, on, name.offset + name.length);
	n->method = true;
	n->value.s = name.s;
	n->name_offset = name.offset;
	if (!next(cx))
		return NULL;
	if (cx->tok.kind != WEIR_TOK_OPEN) {
		weir__expr_fail(cx, WEIR_E_FORMAT, n->offset, n->length,
				"values have no members: a function is called as x.%.*s(), a field "
				"with a dot in its name is written in backticks",
				(int)WEIR_MIN(name.s.n, (size_t)WEIR_NAME_MAX), name.s.p);
		return NULL;
	}
	if (!next(cx) || !parse_args(cx, WEIR_TOK_CLOSE, "',' or ')'", on, n))
		return NULL;
	return n;
}

static struct weir_expr_node *parse_index(struct weir_expr_cx *cx, struct weir_expr_node *on)
{
	struct weir_expr_node *pair[2] = {on, NULL}, *n;
	size_t end;

	if (!next(cx))
		return NULL;
	pair[1] = parse_expr(cx);
	if (!pair[1])
		return NULL;
	end = (size_t)cx->tok.offset + cx->tok.length;
	if (!expect(cx, WEIR_TOK_CLOSE_LIST, "']'"))
		return NULL;
	n = span(cx, WEIR_N_INDEX, on, end);
	return with_args(cx, n, 2, pair);
}

static struct weir_expr_node *parse_member(struct weir_expr_cx *cx, struct weir_expr_node *n)
{
	while (n) {
		if (cx->tok.kind == WEIR_TOK_DOT)
			n = parse_method(cx, n);
		else if (cx->tok.kind == WEIR_TOK_OPEN_LIST)
			n = parse_index(cx, n);
		else
			break;
	}
	return n;
}

/* Every way into deeper nesting goes through here. */
static bool enter(struct weir_expr_cx *cx)
{
	if (++cx->depth <= WEIR_EXPR_DEPTH_MAX + 1)
		return true;
	weir__expr_fail(cx, WEIR_E_LIMIT, cx->tok.offset, cx->tok.length,
			"nested more than %u levels deep", WEIR_EXPR_DEPTH_MAX);
	return false;
}

static struct weir_expr_node *parse_unary(struct weir_expr_cx *cx)
{
	unsigned op = cx->tok.kind;
	size_t offset = cx->tok.offset;
	struct weir_expr_node *a, *n;

	if (op != WEIR_TOK_NOT && op != WEIR_TOK_MINUS)
		return parse_member(cx, parse_primary(cx));
	if (!next(cx))
		return NULL;
	/* The sign belongs to the literal, or -9223372036854775808 could not be written. */
	if (op == WEIR_TOK_MINUS &&
	    (cx->tok.kind == WEIR_TOK_INT || cx->tok.kind == WEIR_TOK_FLOAT))
		return parse_member(cx, parse_literal(cx, true, offset));
	a = enter(cx) ? parse_unary(cx) : NULL;
	cx->depth--;
	if (!a)
		return NULL;
	n = weir__expr_node(cx, WEIR_N_UNARY, offset, end_of(a) - offset);
	n->op = (uint16_t)op;
	return with_args(cx, n, 1, &a);
}

static int precedence(unsigned tok)
{
	switch (tok) {
	case WEIR_TOK_STAR:
	case WEIR_TOK_SLASH:
	case WEIR_TOK_PERCENT:
		return 3;
	case WEIR_TOK_PLUS:
	case WEIR_TOK_MINUS:
		return 2;
	case WEIR_TOK_EQ:
	case WEIR_TOK_NE:
	case WEIR_TOK_LT:
	case WEIR_TOK_LE:
	case WEIR_TOK_GT:
	case WEIR_TOK_GE:
	case WEIR_TOK_IN:
		return 1;
	default:
		return 0;
	}
}

/* Binary operators of at least this precedence, all of them left-associative. */
static struct weir_expr_node *parse_binary(struct weir_expr_cx *cx, int least)
{
	struct weir_expr_node *pair[2], *n;

	if (least > 3)
		return parse_unary(cx);
	pair[0] = parse_binary(cx, least + 1);
	while (pair[0] && precedence(cx->tok.kind) == least) {
		unsigned op = cx->tok.kind;

		if (!next(cx))
			return NULL;
		pair[1] = parse_binary(cx, least + 1);
		if (!pair[1])
			return NULL;
		n = span(cx, WEIR_N_BINARY, pair[0], end_of(pair[1]));
		n->op = (uint16_t)op;
		pair[0] = with_args(cx, n, 2, pair);
	}
	return pair[0];
}

/* a && b && c is one node with three arguments, so that long lists of conditions stay flat. */
static struct weir_expr_node *parse_logic(struct weir_expr_cx *cx, unsigned op)
{
	struct weir_expr_node *first, **last, *a, *n;
	unsigned count = 1;

	first = a = op == WEIR_TOK_OR ? parse_logic(cx, WEIR_TOK_AND) : parse_binary(cx, 1);
	if (!a || cx->tok.kind != op)
		return a;
	last = &first->next;
	while (cx->tok.kind == op) {
		if (!next(cx))
			return NULL;
		a = op == WEIR_TOK_OR ? parse_logic(cx, WEIR_TOK_AND) : parse_binary(cx, 1);
		if (!a)
			return NULL;
		*last = a;
		last = &a->next;
		count++;
	}
	n = span(cx, WEIR_N_LOGIC, first, end_of(a));
	n->op = (uint16_t)op;
	n->count = count;
	n->arg = weir_region_array(&cx->scratch, struct weir_expr_node *, count);
	for (unsigned i = 0; i < count; i++, first = first->next) {
		n->arg[i] = first;
		if (!grow(cx, n, first))
			return NULL;
	}
	return n;
}

/* c1 ? a1 : c2 ? a2 : b: read in a loop, so that a long case list is not deep nesting. */
static struct weir_expr_node *parse_cond(struct weir_expr_cx *cx)
{
	struct weir_expr_node *part[3], *n, *branches = NULL, *last;

	for (;;) {
		last = parse_logic(cx, WEIR_TOK_OR);
		if (!last || cx->tok.kind != WEIR_TOK_QUESTION)
			break;
		if (!next(cx))
			return NULL;
		part[0] = last;
		part[1] = parse_logic(cx, WEIR_TOK_OR);
		if (!part[1] || !expect(cx, WEIR_TOK_COLON, "':'"))
			return NULL;
		n = span(cx, WEIR_N_COND, part[0], end_of(part[1]));
		if (!with_args(cx, n, 2, part))
			return NULL;
		n->next = branches;
		branches = n;
	}
	if (!last)
		return NULL;
	while (branches) {
		n = branches;
		branches = n->next;
		n->next = NULL;
		part[0] = n->arg[0];
		part[1] = n->arg[1];
		part[2] = last;
		n->length = (uint32_t)(end_of(last) - n->offset);
		last = with_args(cx, n, 3, part);
		if (!last)
			return NULL;
	}
	return last;
}

static struct weir_expr_node *parse_expr(struct weir_expr_cx *cx)
{
	struct weir_expr_node *n = enter(cx) ? parse_cond(cx) : NULL;

	cx->depth--;
	return n;
}

struct weir_expr_node *weir__expr_parse(struct weir_expr_cx *cx)
{
	struct weir_expr_node *n;

	if (!next(cx))
		return NULL;
	if (cx->tok.kind == WEIR_TOK_END) {
		weir__expr_fail(cx, WEIR_E_FORMAT, 0, 0, "the expression is empty");
		return NULL;
	}
	n = parse_expr(cx);
	if (n && cx->tok.kind != WEIR_TOK_END) {
		unexpected(cx, "an operator or the end");
		return NULL;
	}
	return n;
}
