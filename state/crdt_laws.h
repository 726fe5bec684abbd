/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/crdt_laws.h - do a CRDT's laws hold, byte for byte? For the types of weir, and for users' merges before they are let in.
 *
 * Case:    up to four writers change one value at random and tell each other their own parts: doubled, late and out of order; or in order,
 *          with pruning, and with a twin of every copy that is never pruned. Then all must agree.
 * Laws:    join: idempotent, commutative, associative, above both; apply: above what was there, and what own() tells of it is all of the
 *          change; own: parts build the value again, an older part changes nothing, equal in every copy; prune: nothing that is read
 *          changes, once or twice is the same, everybody who pruned agrees. A user's join is also held against the first three by
 *          itself, and must give the same bytes when it is asked again; merge3 must be commutative, must give x for (b, x, x), and the
 *          side that changed when the other did not.
 * Errors:  WEIR_E_FORMAT and a text with law, type, seed, case, steps and the bytes. The steps are the fewest with which this case
 *          fails; the same seed and case fail again.
 * Pure. Any thread. Takes memory for one case at a time.
 */
#ifndef WEIR_STATE_CRDT_LAWS_H
#define WEIR_STATE_CRDT_LAWS_H

#include "state/crdt.h"

/* Values for custom, where not all bytes are one: up to cap bytes for this random number. */
struct weir_crdt_values {
	size_t (*value)(void *ctx, uint64_t random, void *out, size_t cap);
	void *ctx;
};

int weir_crdt_laws(const struct weir_crdt *t, uint64_t seed, uint64_t cases,
		   const struct weir_mem *mem, struct weir_err *err);
/* values may be NULL: any few bytes. */
int weir_crdt_laws_with(const struct weir_crdt *t, const struct weir_crdt_values *values,
			uint64_t seed, uint64_t cases, const struct weir_mem *mem,
			struct weir_err *err);

#endif
