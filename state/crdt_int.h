/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/crdt_int.h - what the families of CRDTs share: parts, contexts, and a class per type.
 *
 * Shape:  value = [merged] part*, part = varint writer, varint version, text body; writers ascend, none is 0. merged (custom only,
 *         and only while writes are concurrent) has writer 0 and version 1, and is made from the parts.
 * Memory: parts point into the value. Bodies are checked before a class sees them (check()), so its other functions may trust.
 * Pure.
 */
#ifndef WEIR_STATE_CRDT_INT_H
#define WEIR_STATE_CRDT_INT_H

#include "state/crdt.h"

struct crdt_part {
	weir_writer writer;
	uint64_t version;
	struct weir_str body;
};

struct crdt_parts {
	uint32_t n;
	bool has_merged;
	struct weir_str merged;
	struct crdt_part p[WEIR_CRDT_PARTS];
};

typedef uint64_t (*crdt_stable_fn)(void *ctx, weir_writer w);

/* What prune() works on. */
struct crdt_stable {
	crdt_stable_fn of;
	void *ctx;
};

struct crdt_class {
	/* Is the body of part p what this type writes? */
	bool (*check)(const struct weir_crdt *t, const struct crdt_part *p);
	/* Writes the new body of dot->writer; mine: its part, or NULL. 0, 1: nothing changes, or an error. */
	int (*apply)(const struct weir_crdt *t, const struct crdt_parts *v,
		     const struct crdt_part *mine, const struct weir_crdt_op *op,
		     const struct weir_dot *dot, struct weir_out *body);
	/* Takes parts out that nobody needs any more. NULL: none ever. */
	void (*prune)(const struct weir_crdt *t, struct crdt_parts *v, const struct crdt_stable *s);
	/* Pairs of concurrent writes that a and b bring together in v. NULL: nothing is decided. */
	void (*conflicts)(const struct weir_crdt *t, const struct crdt_parts *a,
			  const struct crdt_parts *b, const struct crdt_parts *v,
			  const struct weir_crdt_conflicts *to);
	int (*number)(const struct weir_crdt *t, const struct crdt_parts *v, int64_t *ret);
	bool (*value)(const struct weir_crdt *t, const struct crdt_parts *v, struct weir_str *ret);
	bool (*next)(const struct weir_crdt *t, const struct crdt_parts *v, uint64_t *at,
		     struct weir_crdt_item *ret);
	/* NULL: next() does. */
	void (*each)(const struct weir_crdt *t, const struct crdt_parts *v, weir_crdt_item_fn fn,
		     void *ctx);
};

extern const struct crdt_class weir__crdt_pcount, weir__crdt_bcount, weir__crdt_max, weir__crdt_min,
	weir__crdt_flag, weir__crdt_flag_off, weir__crdt_lww, weir__crdt_mv, weir__crdt_orset,
	weir__crdt_ormap, weir__crdt_log, weir__crdt_hll, weir__crdt_ddsketch, weir__crdt_countmin,
	weir__crdt_topk, weir__crdt_custom;

extern const struct crdt_class *const weir__crdt_classes[WEIR_CRDT_TYPE_COUNT];

/* ---- parts (crdt_parts.c) ---- */

/* Bodies are not looked at. 0 or WEIR_E_CORRUPT. */
int weir__crdt_parse(const struct weir_crdt *t, struct weir_str v, struct crdt_parts *ret);
/* The same, bodies checked. */
int weir__crdt_parse_all(const struct weir_crdt *t, struct weir_str v, struct crdt_parts *ret);
void weir__crdt_write(const struct crdt_parts *v, struct weir_out *o);
const struct crdt_part *weir__crdt_part_of(const struct crdt_parts *v, weir_writer w);
/* All bytes of o in one piece, which stays in `hold` (initialised with o's memory by this function). */
struct weir_str weir__crdt_flat(const struct weir_out *o, struct weir_out *hold);
void weir__crdt_drop(struct crdt_parts *v, const bool *gone); /* by index */
bool weir__crdt_is_stable(const struct crdt_stable *s, weir_writer w, uint64_t version);

weir_inline int crdt_order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}
/* The order that decides ties: hlc, then writer, then version. */
int weir__crdt_dot_cmp(const struct weir_dot *a, const struct weir_dot *b);

weir_inline struct weir_reader crdt_reader(struct weir_str s)
{
	/* A text that could not be read has no address. */
	return weir_reader_of(s.p ? s.p : "", s.n);
}
weir_inline int64_t crdt_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
weir_inline uint64_t crdt_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

/* ---- registers with a context (crdt_reg.c): lww, mv, flags, custom ---- */

struct crdt_reg {
	const struct crdt_part *part;
	struct weir_dot dot;
	bool has_value, has_base;
	struct weir_str value, ctx, base_ctx, base; /* ctx: (writer, version)*, bare */
};
struct crdt_regs {
	uint32_t n;
	struct crdt_reg r[WEIR_CRDT_PARTS];
};

bool weir__crdt_reg_check(const struct weir_crdt *t, const struct crdt_part *p);
void crdt_reg_read(const struct crdt_part *p, struct crdt_reg *ret);
/* Those that no other one had seen, by writer. */
void weir__crdt_reg_live(const struct crdt_parts *v, struct crdt_regs *ret);
/* Version of w in a context; 0: none. */
uint64_t weir__crdt_ctx_of(struct weir_str ctx, weir_writer w);
bool weir__crdt_reg_saw(const struct crdt_reg *r, weir_writer w, uint64_t version);
void weir__crdt_reg_prune(const struct weir_crdt *t, struct crdt_parts *v,
			  const struct crdt_stable *s);
void weir__crdt_reg_conflicts(const struct weir_crdt *t, const struct crdt_parts *a,
			      const struct crdt_parts *b, const struct crdt_parts *v,
			      const struct weir_crdt_conflicts *to);
/* All that v and op have seen, without `me`: (writer, version)*. */
void weir__crdt_ctx_put(const struct crdt_parts *v, const struct weir_crdt_op *op, weir_writer me,
			struct weir_out *o);
void weir__crdt_reg_put(struct weir_out *o, const struct weir_dot *dot,
			const struct weir_str *value, struct weir_str ctx,
			const struct weir_str *base, struct weir_str base_ctx);
/* custom (weir__crdt_custom.c): is `merged` there exactly when it must be? Its bytes are believed by those who read only. */
bool weir__crdt_custom_canonical(const struct crdt_parts *v);
/* Makes v->merged. The text is kept by hold. */
void weir__crdt_custom_merge(const struct weir_crdt *t, struct crdt_parts *v,
			     struct weir_out *hold);

#endif
