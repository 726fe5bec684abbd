/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the tests of state/crdt.h: copies of a value, in memory that is given back at the end of the process.
 */
#ifndef WEIR_TESTS_UNIT_STATE_TEST_CRDT_RIG_H
#define WEIR_TESTS_UNIT_STATE_TEST_CRDT_RIG_H

#include <string.h>

#include "state/crdt.h"
#include "tests/lib/test.h"

#define W(i) weir_writer_of((i), 1)

/* One region's copy. */
struct rig {
	const struct weir_crdt *t;
	weir_writer w;
	uint64_t version, hlc;
	struct weir_str x;
};

static inline struct rig rig_of(const struct weir_crdt *t, uint32_t region)
{
	return (struct rig){.t = t, .w = W(region), .x = {"", 0}};
}

/* All copies ever made; each a piece of its own, so that a sanitizer sees the first byte too many. */
static struct rig_piece {
	struct rig_piece *next;
	char data[];
} * rig_pieces;

__attribute__((destructor)) static void rig_pieces_free(void)
{
	for (struct rig_piece *p = rig_pieces, *next; p; p = next) {
		next = p->next;
		free(p);
	}
}

static inline struct weir_str rig_take(struct weir_out *o)
{
	struct rig_piece *p = malloc(sizeof(*p) + (size_t)o->bytes);
	struct weir_str s = {p->data, (size_t)o->bytes};

	p->next = rig_pieces;
	rig_pieces = p;
	weir_out_copy(o, p->data);
	weir_out_fini(o);
	return s;
}

static inline int rig_op(struct rig *r, struct weir_crdt_op op)
{
	struct weir_dot dot = {r->w, r->version + 1, ++r->hlc};
	struct weir_out o;
	int rc;

	weir_out_init(&o, &weir_test_mem);
	rc = weir_crdt_apply(r->t, r->x, &op, &dot, &o);
	if (rc) {
		assert_int_equal(o.bytes, 0);
		weir_out_fini(&o);
		return rc;
	}
	r->version++;
	r->x = rig_take(&o);
	assert_int_equal(weir_crdt_check(r->t, r->x), 0);
	return 0;
}

static inline int rig_amount(struct rig *r, enum weir_crdt_verb verb, int64_t amount)
{
	return rig_op(r, (struct weir_crdt_op){.verb = verb, .amount = amount});
}

static inline int rig_text(struct rig *r, enum weir_crdt_verb verb, const char *text)
{
	return rig_op(r, (struct weir_crdt_op){
				 .verb = verb, .value = weir_str_c(text), .key = weir_str_c(text)});
}

static inline struct weir_str rig_join(const struct weir_crdt *t, struct weir_str a,
				       struct weir_str b)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	assert_int_equal(weir_crdt_join(t, a, b, &o, NULL), 0);
	return rig_take(&o);
}

static inline struct weir_str rig_own(const struct rig *r)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	assert_int_equal(weir_crdt_own(r->t, r->x, r->w, &o), 0);
	return rig_take(&o);
}

/* What `from` wrote comes to `to`. */
static inline void rig_tell(const struct rig *from, struct rig *to)
{
	to->x = rig_join(to->t, to->x, rig_own(from));
}

static inline void rig_meet(struct rig *a, struct rig *b)
{
	rig_tell(a, b);
	rig_tell(b, a);
}

static inline uint64_t rig_all(void *ctx, weir_writer w)
{
	(void)ctx;
	(void)w;
	return UINT64_MAX;
}

static inline uint64_t rig_none(void *ctx, weir_writer w)
{
	(void)ctx;
	(void)w;
	return 0;
}

static inline struct weir_str rig_pruned(const struct weir_crdt *t, struct weir_str v,
					 uint64_t (*stable)(void *ctx, weir_writer w))
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	assert_int_equal(weir_crdt_prune(t, v, stable, NULL, &o), 0);
	return rig_take(&o);
}

static inline int64_t rig_number(const struct rig *r)
{
	int64_t n = -1;

	assert_int_equal(weir_crdt_number(r->t, r->x, &n), 0);
	return n;
}

/* All elements, "key=value*amount" and a space behind each. */
static inline const char *rig_items(const struct rig *r)
{
	static char text[4096];
	struct weir_crdt_item item;
	uint64_t at = 0;
	size_t n = 0;

	text[0] = 0;
	while (weir_crdt_next(r->t, r->x, &at, &item)) {
		if (item.key.n)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s=", (int)item.key.n,
					      item.key.p);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s", (int)item.value.n,
				      item.value.p);
		if (item.amount)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "*%lld",
					      (long long)item.amount);
		n += (size_t)snprintf(text + n, sizeof(text) - n, " ");
	}
	return text;
}

static inline const char *rig_value(const struct rig *r)
{
	static char text[256];
	struct weir_str v;

	if (!weir_crdt_value(r->t, r->x, &v))
		return "(none)";
	snprintf(text, sizeof(text), "%.*s", (int)v.n, v.p);
	return text;
}

#endif
