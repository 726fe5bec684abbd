/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as values of a type: first byte the type, second how long the first value is, then two values. What is taken must be taken
 * again after join, apply, own and prune; a value joined with itself is itself, and both orders are the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "state/crdt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *take(void *ctx, size_t size, size_t align)
{
	void *p = calloc(1, size ? size : 1);

	(void)ctx;
	(void)align;
	if (!p)
		abort();
	return p;
}

static void give(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem mem = {.alloc = take, .free = give};

/* The larger text: a join. */
static int64_t larger(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		      size_t cap)
{
	struct weir_str x = {a, an}, y = {b, bn};
	struct weir_str *best = weir_str_cmp(x, y) >= 0 ? &x : &y;

	(void)ctx;
	if (best->n > cap)
		return -1;
	memcpy(out, best->p, best->n);
	return (int64_t)best->n;
}

static const struct weir_crdt_custom custom = {.join = larger};

/* Exactly as long as it is, so that the sanitizer sees the first byte too many. */
static struct weir_str copy(const void *p, size_t n)
{
	char *c = malloc(n ? n : 1);

	weir_assert(c);
	if (n)
		memcpy(c, p, n);
	return (struct weir_str){c, n};
}

static struct weir_str out_take(struct weir_out *o)
{
	char *p = malloc(o->bytes ? o->bytes : 1);
	struct weir_str s = {p, (size_t)o->bytes};

	weir_assert(p);
	weir_out_copy(o, p);
	weir_out_fini(o);
	return s;
}

static void drop(struct weir_str s)
{
	free((void *)(uintptr_t)s.p);
}

static void conflict(void *ctx, const struct weir_crdt_conflict *c)
{
	(void)ctx;
	weir_assert(c->won.writer != c->lost.writer);
}

static const struct weir_crdt_conflicts conflicts = {.found = conflict};

static uint64_t some(void *ctx, weir_writer w)
{
	return w & 1 ? *(uint64_t *)ctx : UINT64_MAX;
}

static struct weir_str join(const struct weir_crdt *t, struct weir_str a, struct weir_str b)
{
	struct weir_out o;
	int rc;

	weir_out_init(&o, &mem);
	rc = weir_crdt_join(t, a, b, &o, &conflicts);
	weir_assert(rc == 0 || (rc == WEIR_E_RANGE && o.bytes == 0));
	return out_take(&o);
}

static void read_all(const struct weir_crdt *t, struct weir_str v)
{
	struct weir_crdt_item item;
	struct weir_str value;
	uint64_t at = 0;
	int64_t n;

	weir_crdt_number(t, v, &n);
	weir_crdt_value(t, v, &value);
	for (int i = 0; i < 4 && weir_crdt_next(t, v, &at, &item); i++)
		;
	weir_crdt_quantile(v, 0.5);
	weir_crdt_estimate(v, WEIR_STR("a"));
	weir_crdt_seen(t, v, 1);
}

static void change(const struct weir_crdt *t, struct weir_str v, struct weir_str text)
{
	for (int verb = WEIR_CRDT_ADD; verb <= WEIR_CRDT_CLEAR; verb++) {
		const struct weir_crdt_op op = {.verb = (enum weir_crdt_verb)verb,
						.amount = 3,
						.to = 2,
						.key = text,
						.value = text};
		const struct weir_dot dot = {.writer = 1, .version = UINT64_MAX - 1, .hlc = 7};
		struct weir_str after;
		struct weir_out o;
		int rc;

		weir_out_init(&o, &mem);
		rc = weir_crdt_apply(t, v, &op, &dot, &o);
		weir_assert(rc == 0 || (rc == WEIR_E_RANGE && o.bytes == 0));
		after = out_take(&o);
		rc = weir_crdt_check(t, after);
		weir_assert(rc == 0);
		drop(after);
	}
}

static void parts(const struct weir_crdt *t, struct weir_str v, uint64_t stable)
{
	struct weir_out o;
	struct weir_str s;
	int rc;

	weir_out_init(&o, &mem);
	rc = weir_crdt_prune(t, v, some, &stable, &o);
	weir_assert(rc == 0);
	s = out_take(&o);
	rc = weir_crdt_check(t, s);
	weir_assert(rc == 0);
	drop(s);
	weir_out_init(&o, &mem);
	rc = weir_crdt_own(t, v, 1, &o);
	weir_assert(rc == 0);
	s = out_take(&o);
	rc = weir_crdt_check(t, s);
	weir_assert(rc == 0);
	drop(s);
}

static void both(const struct weir_crdt *t, struct weir_str a, struct weir_str b)
{
	struct weir_str ab = join(t, a, b), ba = join(t, b, a), again;

	weir_assert(weir_str_eq(ab, ba));
	again = join(t, ab, ab);
	weir_assert(weir_str_eq(ab, again));
	drop(again);
	again = join(t, ab, a);
	weir_assert(weir_str_eq(ab, again) || ab.n == 0);
	drop(again);
	read_all(t, ab);
	drop(ab);
	drop(ba);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_crdt t = {.limit = 4, .custom = &custom};
	struct weir_str a, b;
	size_t n;

	if (size < 2)
		return 0;
	t.type = (enum weir_crdt_type)(1 + data[0] % (WEIR_CRDT_TYPE_COUNT - 1));
	if (t.type == WEIR_CRDT_CUSTOM)
		t.limit = 1024;
	n = WEIR_MIN((size_t)data[1] * 2, size - 2);
	a = copy(data + 2, n);
	b = copy(data + 2 + n, size - 2 - n);
	read_all(&t, a);
	if (weir_crdt_check(&t, a) == 0) {
		change(&t, a, (struct weir_str){b.p, WEIR_MIN(b.n, (size_t)8)});
		parts(&t, a, data[1]);
		if (weir_crdt_check(&t, b) == 0)
			both(&t, a, b);
		else
			both(&t, a, a);
	}
	drop(a);
	drop(b);
	return 0;
}
