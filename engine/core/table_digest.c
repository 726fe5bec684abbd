/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over the content of a table by bucket: additive, never XOR, over keys and values (docs/formats/table.md).
 *
 * What is hashed of a value is what would be left of it if all regions had everything: the rest is only needed until then, and
 * regions drop it at different moments.
 */
#include "engine/core/table_int.h"

uint32_t weir_rtable_bucket(struct weir_str key)
{
	return (uint32_t)(weir_hash_text(key) >> 32) % WEIR_TABLE_BUCKETS;
}

uint64_t weir_rtable_everything(void *ctx, weir_writer id)
{
	(void)ctx;
	(void)id;
	return UINT64_MAX;
}

struct weir_digest weir_rtable_digest(struct weir_rtable_store *s, uint32_t number)
{
	const struct weir_rtable_entry *e = weir_rtable_at(s, number);
	struct weir_str key = weir_rtable_key(s, number);
	bool conflict = weir_rtable_is_conflict(s, number);

	for (uint32_t i = 0; i < weir_rtable_values(s, number); i++) {
		if (!e->value[i].n)
			continue;
		if (conflict)
			weir_out_put(&s->a, e->value[i].p, e->value[i].n);
		else if (weir_crdt_prune(&s->crdt[i], e->value[i], weir_rtable_everything, NULL,
					 &s->a) < 0)
			weir_out_fini(&s->a);
		if (!s->a.bytes)
			continue;
		weir_out_varint(&s->b, i);
		weir_out_varint(&s->b, s->a.bytes);
		weir_out_append(&s->b, &s->a);
	}
	/* A deleted row may be gone elsewhere. */
	if (!s->b.bytes)
		return (struct weir_digest){0, 0};
	if (weir_planted(TABLE_XOR_DIGEST)) {
		weir_out_fini(&s->b);
		return weir_digest_of(WEIR_STR(""), WEIR_STR(""));
	}
	return weir_digest_of(key, weir_rtable_flat(s, &s->b));
}

void weir_rtable_sum(struct weir_rtable_store *s, uint32_t number, bool add)
{
	const struct weir_rtable_entry *e = weir_rtable_at(s, number);
	struct weir_digest *d = &s->sum[weir_rtable_bucket(weir_rtable_key(s, number))];

	if (weir_planted(TABLE_XOR_DIGEST)) {
		d->lo ^= e->digest.lo;
		d->hi ^= e->digest.hi;
	} else if (add) {
		weir_digest_add(d, e->digest);
	} else {
		weir_digest_sub(d, e->digest);
	}
}

uint64_t weir_rtable_bucket_versions(const struct weir_rtable_store *s, uint32_t bucket)
{
	uint64_t h = WEIR_KEYHASH_SEED;

	for (uint32_t i = 0; i < s->writer_count; i++) {
		const struct weir_rtable_writer *w = &s->writer[i];
		/* Of an earlier life of its region all have all, or not: in which parts it came says nothing. */
		bool newest = i + 1 == s->writer_count ||
			      weir_writer_region(w[1].id) != weir_writer_region(w->id);
		uint64_t version = newest ? w->bucket[bucket] : w->version;

		if (w->bucket[bucket] > w->version)
			return 0;
		if (!version)
			continue;
		h = weir_hash_mix(h ^ w->id);
		h = weir_hash_mix(h ^ version);
	}
	return h ? h : 1;
}
