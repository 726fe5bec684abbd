/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels: texts. Positions and lengths count code points, with a short way for plain ASCII. */
#include "engine/core/expr_impl.h"

#define DST(r, in) ((r)->reg[(in)->dst])
#define A(r, in) ((const struct weir_vec *)(r)->reg[(in)->a])
#define B(r, in) ((const struct weir_vec *)(r)->reg[(in)->b])
#define C(r, in) ((const struct weir_vec *)(r)->reg[(in)->c])

static const struct weir_str empty = {"", 0};

/* Lane has operands and is needed. */
static bool wanted(const struct weir_expr_run *r, const struct weir_vec *d, uint32_t i)
{
	return weir_vec_state(d, i) == WEIR_LANE_OK && weir__expr_active(r, i);
}

/* One operand more into the states that two have given. */
static void merge_third(const struct weir_expr_run *r, struct weir_vec *d, const struct weir_vec *c)
{
	if (c->clean)
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		unsigned s = WEIR_MAX(weir_vec_state(d, i), (unsigned)c->state[i]);

		weir__vec_mark(d, i, WEIR_LANE_OK); /* the states are there from now on */
		d->state[i] = (uint8_t)s;
	}
}

static bool continuation(char c)
{
	return ((uint8_t)c & 0xc0) == 0x80;
}

/* Code points in s: all bytes but continuation bytes (so bytes that are not UTF-8 count one each). */
static size_t count_points(struct weir_str s)
{
	size_t n = s.n, i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;

		memcpy(&w, s.p + i, 8);
		w = w >> 7 & ~(w >> 6) & UINT64_C(0x0101010101010101);
		n -= (size_t)((w * UINT64_C(0x0101010101010101)) >> 56);
	}
	for (; i < s.n; i++)
		n -= continuation(s.p[i]);
	return n;
}

/* Byte offset of the point with this number, s.n for the one behind the last; SIZE_MAX: not there. */
static size_t point_offset(struct weir_str s, int64_t point)
{
	size_t i = 0;

	if (point < 0 || (uint64_t)point > s.n)
		return SIZE_MAX;
	for (; point >= 8 && i + 8 <= s.n; i += 8, point -= 8) {
		uint64_t w;

		memcpy(&w, s.p + i, 8);
		if (w & UINT64_C(0x8080808080808080))
			break;
	}
	for (; i < s.n; i++) {
		if (continuation(s.p[i]))
			continue;
		if (point-- == 0)
			return i;
	}
	return point == 0 ? s.n : SIZE_MAX;
}

/* Next place of `what` in s from byte `from` on, or SIZE_MAX. */
static size_t find(struct weir_str s, struct weir_str what, size_t from)
{
	const char *p;

	if (what.n == 0)
		return from;
	if (s.n - from < what.n)
		return SIZE_MAX;
	if (what.n == 1)
		p = memchr(s.p + from, what.p[0], s.n - from);
	else
		p = memmem(s.p + from, s.n - from, what.p, what.n);
	return p ? (size_t)(p - s.p) : SIZE_MAX;
}

static size_t count_found(struct weir_str s, struct weir_str what)
{
	size_t n = 0;

	if (what.n == 0)
		return 0;
	for (size_t at = find(s, what, 0); at != SIZE_MAX; at = find(s, what, at + what.n))
		n++;
	return n;
}

/* ---- questions ---- */

void weir__k_size_str(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = (int64_t)count_points(a->str[i]);
}

void weir__k_size_bytes(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = (int64_t)a->str[i].n;
}

void weir__k_starts(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_str *x = A(r, in)->str, *y = B(r, in)->str;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] =
			x[i].n >= y[i].n && (y[i].n == 0 || memcmp(x[i].p, y[i].p, y[i].n) == 0);
}

void weir__k_ends(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_str *x = A(r, in)->str, *y = B(r, in)->str;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = x[i].n >= y[i].n &&
			    (y[i].n == 0 || memcmp(x[i].p + x[i].n - y[i].n, y[i].p, y[i].n) == 0);
}

void weir__k_contains(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_str *x = A(r, in)->str, *y = B(r, in)->str;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = wanted(r, d, i) && find(x[i], y[i], 0) != SIZE_MAX;
}

void weir__k_count_str(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_str *x = A(r, in)->str, *y = B(r, in)->str;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++)
		d->i64[i] = wanted(r, d, i) ? (int64_t)count_found(x[i], y[i]) : 0;
}

void weir__k_index_of(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_str *x = A(r, in)->str, *y = B(r, in)->str;

	weir__vec_state2(d, A(r, in), B(r, in), r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		size_t at = wanted(r, d, i) ? find(x[i], y[i], 0) : SIZE_MAX;

		d->i64[i] =
			at == SIZE_MAX ? -1 : (int64_t)count_points((struct weir_str){x[i].p, at});
	}
}

/* ---- regular expressions ---- */

void weir__k_matches(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	const struct weir_regex_ops *ops = r->e->regex;
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		int rc = 0;

		if (wanted(r, d, i))
			rc = ops->match(ops->ctx, (void *)in->p, a->str[i], NULL, 0);
		d->i64[i] = rc > 0;
		if (weir_unlikely(rc < 0))
			weir__vec_mark(d, i, WEIR_LANE_LIMIT);
	}
}

void weir__k_extract(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	const struct weir_regex_ops *ops = r->e->regex;
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);
	struct weir_str group[WEIR_EXPR_GROUPS_MAX];

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		int rc;

		d->str[i] = empty;
		if (!wanted(r, d, i))
			continue;
		rc = ops->match(ops->ctx, (void *)in->p, a->str[i], group, (unsigned)in->k.i + 1);
		if (rc > 0 && group[in->k.i].p)
			d->str[i] = group[in->k.i];
		else
			weir__vec_mark(d, i, rc < 0 ? WEIR_LANE_LIMIT : WEIR_LANE_NULL);
	}
}

/* ---- changed texts ---- */

/* Text memory for lane i, or NULL and the lane is marked. */
static char *lane_text(struct weir_expr_run *r, struct weir_vec *d, uint32_t i, size_t n)
{
	char *p = weir__expr_text(r, i, n, 1);

	if (!p)
		weir__vec_mark(d, i, WEIR_LANE_LIMIT);
	return p;
}

void weir__k_concat(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const uint16_t *operand = in->p;
	const struct weir_vec *v[WEIR_EXPR_CONCAT_MAX];

	d->clean = true;
	for (unsigned k = 0; k < in->n; k++) {
		v[k] = r->reg[operand[k]];
		merge_third(r, d, v[k]);
	}
	for (uint32_t i = 0; i < r->n; i++) {
		size_t n = 0;
		char *p;

		d->str[i] = empty;
		if (!wanted(r, d, i))
			continue;
		for (unsigned k = 0; k < in->n; k++)
			n += v[k]->str[i].n;
		p = lane_text(r, d, i, n);
		if (!p)
			continue;
		d->str[i] = (struct weir_str){p, n};
		for (unsigned k = 0; k < in->n; k++) {
			if (v[k]->str[i].n)
				memcpy(p, v[k]->str[i].p, v[k]->str[i].n);
			p += v[k]->str[i].n;
		}
	}
}

/* Letters from..from+25 change case; a text without any is passed on. */
static void change_case(struct weir_expr_run *r, const struct weir_expr_ins *in, char from)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		struct weir_str s = a->str[i];
		size_t k = 0;
		char *p;

		d->str[i] = s;
		if (!wanted(r, d, i))
			continue;
		while (k < s.n && (uint8_t)(s.p[k] - from) >= 26)
			k++;
		if (k == s.n)
			continue;
		p = lane_text(r, d, i, s.n);
		if (!p)
			continue;
		memcpy(p, s.p, s.n);
		for (; k < s.n; k++)
			if ((uint8_t)(p[k] - from) < 26)
				p[k] = (char)(p[k] ^ 0x20);
		d->str[i].p = p;
	}
}

void weir__k_lower(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	change_case(r, in, 'A');
}

void weir__k_upper(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	change_case(r, in, 'a');
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void weir__k_trim(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in);

	weir__vec_copy_state(d, a, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		struct weir_str s = a->str[i];

		for (; s.n && is_space(s.p[0]); s.n--)
			s.p++;
		while (s.n && is_space(s.p[s.n - 1]))
			s.n--;
		d->str[i] = s;
	}
}

void weir__k_substring(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *from = B(r, in), *to = in->n == 3 ? C(r, in) : NULL;

	weir__vec_state2(d, a, from, r->n);
	if (to)
		merge_third(r, d, to);
	for (uint32_t i = 0; i < r->n; i++) {
		struct weir_str s = a->str[i];
		size_t b, e;

		d->str[i] = empty;
		if (!wanted(r, d, i))
			continue;
		b = point_offset(s, from->i64[i]);
		e = to ? point_offset(s, to->i64[i]) : s.n;
		if (b == SIZE_MAX || e == SIZE_MAX || b > e)
			weir__vec_mark(d, i, WEIR_LANE_INDEX);
		else
			d->str[i] = (struct weir_str){s.p + b, e - b};
	}
}

void weir__k_replace(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in), *c = C(r, in);

	weir__vec_state2(d, a, b, r->n);
	merge_third(r, d, c);
	for (uint32_t i = 0; i < r->n; i++) {
		struct weir_str s = a->str[i], what = b->str[i], with = c->str[i];
		size_t found, from = 0;
		char *p;

		d->str[i] = s;
		found = wanted(r, d, i) ? count_found(s, what) : 0;
		if (found == 0)
			continue;
		p = lane_text(r, d, i, s.n - found * what.n + found * with.n);
		d->str[i] = p ? (struct weir_str){p, s.n - found * what.n + found * with.n} : empty;
		for (; p && found; found--) {
			size_t at = find(s, what, from);

			memcpy(p, s.p + from, at - from);
			p += at - from;
			if (with.n)
				memcpy(p, with.p, with.n);
			p += with.n;
			from = at + what.n;
		}
		if (p && s.n > from)
			memcpy(p, s.p + from, s.n - from);
	}
}

/* ---- pieces ---- */

/* The piece that starts at byte `from`; *ret_next is where the next one starts, SIZE_MAX: none. An
 * empty separator cuts between all code points. */
static struct weir_str piece(struct weir_str s, struct weir_str sep, size_t from, size_t *ret_next)
{
	size_t end;

	if (sep.n == 0) {
		for (end = from + 1; end < s.n && continuation(s.p[end]); end++)
			;
		*ret_next = end < s.n ? end : SIZE_MAX;
	} else {
		end = find(s, sep, from);
		*ret_next = end == SIZE_MAX ? SIZE_MAX : end + sep.n;
	}
	return (struct weir_str){s.p + from, (end == SIZE_MAX ? s.n : end) - from};
}

static bool no_pieces(struct weir_str s, struct weir_str sep)
{
	return s.n == 0 && sep.n == 0;
}

static size_t count_pieces(struct weir_str s, struct weir_str sep)
{
	size_t n = 0, from = 0;

	if (no_pieces(s, sep))
		return 0;
	for (; from != SIZE_MAX; n++)
		piece(s, sep, from, &from);
	return n;
}

void weir__k_split(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in);

	weir__vec_state2(d, a, b, r->n);
	for (uint32_t i = 0; i < r->n; i++) {
		size_t n, from = 0;
		struct weir_str *out;

		d->list[i] = (struct weir_list){0};
		if (!wanted(r, d, i))
			continue;
		n = count_pieces(a->str[i], b->str[i]);
		if (n == 0)
			continue;
		out = n > WEIR_EXPR_LANE_TEXT / sizeof(*out)
			      ? NULL
			      : weir__expr_text(r, i, n * sizeof(*out), 8);
		if (!out) {
			weir__vec_mark(d, i, WEIR_LANE_LIMIT);
			continue;
		}
		for (size_t k = 0; k < n; k++)
			out[k] = piece(a->str[i], b->str[i], from, &from);
		d->list[i].str = out;
		d->list[i].count = (uint32_t)n;
	}
}

void weir__k_split_at(struct weir_expr_run *r, const struct weir_expr_ins *in)
{
	struct weir_vec *d = DST(r, in);
	const struct weir_vec *a = A(r, in), *b = B(r, in), *c = C(r, in);

	weir__vec_state2(d, a, b, r->n);
	merge_third(r, d, c);
	for (uint32_t i = 0; i < r->n; i++) {
		int64_t at = c->i64[i];
		size_t from = 0;

		d->str[i] = empty;
		if (!wanted(r, d, i))
			continue;
		if (at < 0 || no_pieces(a->str[i], b->str[i]))
			from = SIZE_MAX;
		for (; from != SIZE_MAX && at > 0; at--)
			piece(a->str[i], b->str[i], from, &from);
		if (from == SIZE_MAX)
			weir__vec_mark(d, i, WEIR_LANE_INDEX);
		else
			d->str[i] = piece(a->str[i], b->str[i], from, &from);
	}
}
