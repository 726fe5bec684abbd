/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/crdt.h - values that several regions change at once and that agree in the end.
 *
 * Shape:   a value is canonical bytes: one part per writer that changed it, in the order of writers. Equal values are equal bytes, and
 *          the empty string is the value nobody wrote. One encoding serves memory, bundles, the wire, digests and tests
 *          (docs/formats/crdt.md).
 * Merge:   a part says all that its writer did and what it had seen then; only that writer makes newer versions of it. join keeps
 *          the newer version of each part, and nothing more: which element lives, which write won, is decided when it is read. So
 *          own(x, w) depends on the changes of w alone and is the same bytes in every region that has them: digests may be compared.
 * Laws:    join is idempotent, commutative and associative, byte for byte; join(x, apply(x)) == apply(x) == join(x, own(apply(x), me));
 *          join(own(x, w) over all writers w) == x; join(prune(x), x) == x. Checked by state/crdt_laws.h for every type and for users'
 *          merges.
 * Writers: (region, incarnation) as one number, never used by two lives. A writer numbers its changes upwards: a dot (writer, version)
 *          names one change for ever. Values are absolute, never increments. At most WEIR_CRDT_PARTS of them per value.
 * Numbers: sums are int64 with a check, or decimals as int64 of a fixed scale: no float is ever added.
 * Clocks:  hybrid logical clocks (48 bit ms, 16 bit counter) break ties between concurrent writes and do nothing else.
 * Errors:  WEIR_E_CORRUPT for bytes that are not canonical: all functions take bytes from anywhere. WEIR_E_RANGE: a sum past int64,
 *          a set past its limit, a verb the type has not, a version that is not above the writer's last. On error nothing is
 *          written to `o`.
 * Sources: Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types" (2011); Almeida, Shoker, Baquero,
 *          "Delta state replicated data types" (2018); Preguica et al., "Dotted version vectors" (2012); Balegas et al., "Extending
 *          eventually consistent cloud databases for enforcing numeric invariants" (bounded counter, 2015).
 * Pure. Any thread.
 */
#ifndef WEIR_STATE_CRDT_H
#define WEIR_STATE_CRDT_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

typedef uint64_t weir_writer; /* region number << 32 | incarnation; 0: nobody */

weir_inline weir_writer weir_writer_of(uint32_t region, uint32_t incarnation)
{
	return (weir_writer)region << 32 | incarnation;
}
weir_inline uint32_t weir_writer_region(weir_writer w)
{
	return (uint32_t)(w >> 32);
}

#define WEIR_CRDT_PARTS 128 /* writers in one value */

enum weir_crdt_type {
	WEIR_CRDT_PCOUNT = 1, /* sum of what all writers added; may go down */
	WEIR_CRDT_MAX = 2,
	WEIR_CRDT_MIN = 3,
	WEIR_CRDT_FLAG = 4, /* enable wins */
	WEIR_CRDT_FLAG_OFF = 5, /* disable wins */
	WEIR_CRDT_LWW = 6, /* last write; concurrent: higher (hlc, writer), and a conflict */
	WEIR_CRDT_MV = 7, /* all concurrent writes */
	WEIR_CRDT_ORSET = 8, /* set; add wins */
	WEIR_CRDT_ORMAP = 9, /* text to lww value; put wins over remove */
	WEIR_CRDT_BCOUNT = 10, /* never below zero: a writer takes only what it has the right to */
	WEIR_CRDT_LOG = 11, /* append only */
	WEIR_CRDT_HLL = 12, /* distinct values, HyperLogLog 2^12 registers, sparse while small */
	WEIR_CRDT_DDSKETCH = 13, /* quantiles with 1 % relative error */
	WEIR_CRDT_COUNTMIN = 14,
	WEIR_CRDT_TOPK =
		15, /* the k keys with the largest counts, from per-writer counts (mergeable, space saving per writer) */
	WEIR_CRDT_CUSTOM = 16, /* bytes and a user's join */
	WEIR_CRDT_TYPE_COUNT
};

/* What a change is made with. */
struct weir_dot {
	weir_writer writer;
	uint64_t version; /* of the writer; from 1, larger than any before */
	uint64_t hlc;
};

/* One decision between concurrent writes (lww, ormap, custom), told when the two meet. Texts point into the inputs of join(). */
struct weir_crdt_conflict {
	struct weir_dot won, lost;
	struct weir_str won_value, lost_value;
	struct weir_str key; /* ormap */
};
struct weir_crdt_conflicts {
	void (*found)(void *ctx, const struct weir_crdt_conflict *c);
	void *ctx;
};

/* A user's merge: engine/weir.h. Deterministic, no clock, no randomness, no addresses. It is asked when writes are concurrent; when it
 * cannot, the higher (hlc, writer, version) wins. */
struct weir_crdt_custom {
	/* join of a and b into out (cap bytes); length, or -1: cannot. */
	int64_t (*join)(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
			size_t cap);
	/* instead: three ways; base is the newest common ancestor as far as known, else empty. */
	int64_t (*merge3)(void *ctx, const void *base, size_t basen, const void *a, size_t an,
			  const void *b, size_t bn, void *out, size_t cap);
	void *ctx;
};

struct weir_crdt {
	enum weir_crdt_type type;
	/* Living elements of a set or map (default 65536), entries of a log (1000), k of topk (10), bytes of custom (65536). 0: default. */
	uint32_t limit;
	const struct weir_crdt_custom *custom;
};

/* A change. Values are bytes whose order is memcmp's (weir_crdt_i64() ...). */
enum weir_crdt_verb {
	/* pcount, bcount: amount. orset, log: value. hll: value. topk, countmin: value, amount times; ddsketch: weir_crdt_f64() of a
	 * number in `value`, amount times (amount 0: once). */
	WEIR_CRDT_ADD = 1,
	WEIR_CRDT_SUB =
		2, /* pcount; bcount: WEIR_E_RANGE when the right is missing, nothing changes then */
	WEIR_CRDT_SET = 3, /* lww, mv, flag (value "" off, else on), max, min, custom */
	WEIR_CRDT_REMOVE = 4, /* sets, maps: value or key */
	WEIR_CRDT_PUT = 5, /* ormap: key and value */
	WEIR_CRDT_GRANT = 6, /* bcount: gives `amount` of own rights to writer `to` */
	WEIR_CRDT_CLEAR =
		7, /* everything that is seen here goes (lww: no value; sets, maps, mv, flag); counters: WEIR_E_RANGE */
};
struct weir_crdt_seen {
	weir_writer writer;
	uint64_t version;
};
struct weir_crdt_op {
	enum weir_crdt_verb verb;
	int64_t amount;
	struct weir_str key, value;
	weir_writer to;
	/* What this region has of each writer, ascending by writer; may be NULL. Read only when v is empty: a value that was pruned
	 * away looks like one that nobody wrote, and the change must still stand above what went. */
	const struct weir_crdt_seen *seen;
	uint32_t seen_count;
};

/* Are these bytes a canonical value? 0 or WEIR_E_CORRUPT. */
int weir_crdt_check(const struct weir_crdt *t, struct weir_str v);
/* a joined with b. conflicts may be NULL. */
int weir_crdt_join(const struct weir_crdt *t, struct weir_str a, struct weir_str b,
		   struct weir_out *o, const struct weir_crdt_conflicts *conflicts);
/* v after the change. */
int weir_crdt_apply(const struct weir_crdt *t, struct weir_str v, const struct weir_crdt_op *op,
		    const struct weir_dot *dot, struct weir_out *o);
/* The part of v that writer w made: what w tells others. May be empty. */
int weir_crdt_own(const struct weir_crdt *t, struct weir_str v, weir_writer w, struct weir_out *o);
/* Highest version of w seen in v; 0: none. */
uint64_t weir_crdt_seen(const struct weir_crdt *t, struct weir_str v, weir_writer w);
/* v without what is only needed against changes that everybody already has. Never changes what is read; empty when nothing is left
 * to read. stable(writer): every region has this version, and said so itself behind all it wrote before (causal stability: what a
 * third region says about it does not count, its own changes may still be on their way). A part that is absent here and not
 * above stable(its writer) was pruned: it must not be joined again. */
int weir_crdt_prune(const struct weir_crdt *t, struct weir_str v,
		    uint64_t (*stable)(void *ctx, weir_writer w), void *ctx, struct weir_out *o);

/* ---- reading ---- */

/* pcount, bcount (what is left over all writers), max, min of numbers, flag (0, 1), hll (estimate), number of elements of sets,
 * siblings, log entries. WEIR_E_RANGE when the sum does not fit. */
int weir_crdt_number(const struct weir_crdt *t, struct weir_str v, int64_t *ret);
/* The value of lww, max, min, custom; false: none. Points into v. */
bool weir_crdt_value(const struct weir_crdt *t, struct weir_str v, struct weir_str *ret);
/* Elements in canonical order: mv, orset (value), ormap (key, value), log (value, with dot), topk (value, amount). Start with at = 0.
 * false: no more. */
struct weir_crdt_item {
	struct weir_str key, value;
	int64_t amount;
	struct weir_dot dot;
};
bool weir_crdt_next(const struct weir_crdt *t, struct weir_str v, uint64_t *at,
		    struct weir_crdt_item *ret);
/* The same in one go, until fn says false: sets and logs cost one pass, not one per element. */
typedef bool (*weir_crdt_item_fn)(void *ctx, const struct weir_crdt_item *item);
int weir_crdt_each(const struct weir_crdt *t, struct weir_str v, weir_crdt_item_fn fn, void *ctx);
/* ddsketch: quantile q in 0..1, NaN when empty. countmin: estimate for a value. */
double weir_crdt_quantile(struct weir_str v, double q);
int64_t weir_crdt_estimate(struct weir_str v, struct weir_str value);

/* Values with memcmp's order: 8 bytes each. */
void weir_crdt_i64(int64_t v, uint8_t ret[8]);
int64_t weir_crdt_i64_of(const uint8_t *p);
void weir_crdt_f64(double v, uint8_t ret[8]);
double weir_crdt_f64_of(const uint8_t *p);

const char *weir_crdt_name(unsigned type); /* "pcount" ...; "?" */
int weir_crdt_find(struct weir_str name); /* the type, or -1 */

/* ---- digests: additive, so that a change costs one subtraction and one addition (never XOR: pairs would cancel) ---- */

struct weir_digest {
	uint64_t lo, hi;
};
/* XXH3-128 of key and bytes, with their lengths. */
struct weir_digest weir_digest_of(struct weir_str key, struct weir_str bytes);
void weir_digest_add(struct weir_digest *d, struct weir_digest x); /* modulo 2^128 */
void weir_digest_sub(struct weir_digest *d, struct weir_digest x);

#endif
