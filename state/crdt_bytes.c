/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with the order of bytes, and digests. */
#include "base/checksum.h"
#include "state/crdt.h"

void weir_crdt_i64(int64_t v, uint8_t ret[8])
{
	uint64_t u = (uint64_t)v ^ (UINT64_C(1) << 63);

	for (unsigned i = 0; i < 8; i++)
		ret[i] = (uint8_t)(u >> (56 - 8 * i));
}

int64_t weir_crdt_i64_of(const uint8_t *p)
{
	uint64_t u = 0;

	for (unsigned i = 0; i < 8; i++)
		u = u << 8 | p[i];
	return (int64_t)(u ^ (UINT64_C(1) << 63));
}

/* Negative numbers: all bits turned, so that larger magnitudes come first. -0.0 counts as 0.0, every NaN as one above all. */
void weir_crdt_f64(double v, uint8_t ret[8])
{
	uint64_t u;

	memcpy(&u, &v, 8);
	if (v != v)
		u = UINT64_C(0x7ff8000000000000);
	else if (v == 0)
		u = 0;
	u = u >> 63 ? ~u ^ (UINT64_C(1) << 63) : u;
	weir_crdt_i64((int64_t)u, ret);
}

double weir_crdt_f64_of(const uint8_t *p)
{
	uint64_t u = (uint64_t)weir_crdt_i64_of(p);
	double v;

	u = u >> 63 ? ~u ^ (UINT64_C(1) << 63) : u;
	memcpy(&v, &u, 8);
	return v;
}

/* ---- digests ---- */

struct weir_digest weir_digest_of(struct weir_str key, struct weir_str bytes)
{
	struct weir_hash128 k = weir_hash128(key.p, key.n), b = weir_hash128(bytes.p, bytes.n);
	uint64_t all[6] = {k.lo, k.hi, key.n, b.lo, b.hi, bytes.n};
	struct weir_hash128 h = weir_hash128(all, sizeof(all));

	return (struct weir_digest){.lo = h.lo, .hi = h.hi};
}

void weir_digest_add(struct weir_digest *d, struct weir_digest x)
{
	weir_u128 sum = ((weir_u128)d->hi << 64 | d->lo) + ((weir_u128)x.hi << 64 | x.lo);

	d->lo = (uint64_t)sum;
	d->hi = (uint64_t)(sum >> 64);
}

void weir_digest_sub(struct weir_digest *d, struct weir_digest x)
{
	weir_u128 sum = ((weir_u128)d->hi << 64 | d->lo) - ((weir_u128)x.hi << 64 | x.lo);

	d->lo = (uint64_t)sum;
	d->hi = (uint64_t)(sum >> 64);
}
