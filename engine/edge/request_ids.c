/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/request_ids.h"

#include <errno.h>
#include <stdlib.h>

int weir_ids_init(struct weir_ids *l)
{
	memset(l, 0, sizeof(*l));
	l->id = calloc(WEIR_IDS_MAX, sizeof(*l->id));
	l->chain = calloc(WEIR_IDS_MAX, sizeof(*l->chain));
	return l->id && l->chain ? 0 : -ENOMEM;
}

void weir_ids_fini(struct weir_ids *l)
{
	free(l->id);
	free(l->chain);
	memset(l, 0, sizeof(*l));
}

static uint32_t *chain_of(const struct weir_ids *l, struct weir_hash128 hash)
{
	return &l->chain[hash.lo % WEIR_IDS_MAX];
}

const struct weir_id *weir_ids_find(const struct weir_ids *l, struct weir_hash128 hash)
{
	for (uint32_t at = *chain_of(l, hash); at; at = l->id[at - 1].next)
		if (weir_hash128_eq(l->id[at - 1].hash, hash))
			return &l->id[at - 1];
	return NULL;
}

static void forget_oldest(struct weir_ids *l)
{
	uint32_t place = (uint32_t)(l->oldest++ % WEIR_IDS_MAX);
	uint32_t *at = chain_of(l, l->id[place].hash);

	while (*at != place + 1)
		at = &l->id[*at - 1].next;
	*at = l->id[place].next;
}

void weir_ids_add(struct weir_ids *l, struct weir_hash128 hash, uint64_t ticket)
{
	uint32_t place = (uint32_t)(l->end % WEIR_IDS_MAX), *at;

	if (l->end - l->oldest == WEIR_IDS_MAX)
		forget_oldest(l);
	at = chain_of(l, hash);
	l->id[place] = (struct weir_id){.hash = hash, .ticket = ticket, .next = *at};
	*at = place + 1;
	l->end++;
}

void weir_ids_freeze(struct weir_ids *l, struct weir_out *o, uint64_t ticket)
{
	l->told = WEIR_MAX(l->told, l->oldest);
	weir_out_varint(o, l->oldest);
	weir_out_varint(o, l->told);
	for (; l->told < l->end; l->told++) {
		const struct weir_id *id = &l->id[l->told % WEIR_IDS_MAX];

		if (id->ticket > ticket)
			break;
		weir_out_u8(o, 1);
		weir_out_u64(o, id->hash.lo);
		weir_out_u64(o, id->hash.hi);
	}
	weir_out_u8(o, 0);
}

void weir_ids_touch(struct weir_ids *l)
{
	l->told = l->oldest;
}

/* Parts from before a base may begin in the middle; the one that has all of them comes later. */
bool weir_ids_restore(struct weir_ids *l, struct weir_reader *in)
{
	uint64_t oldest = weir_read_varint(in), number = weir_read_varint(in);

	if (in->bad || oldest > number)
		return false;
	if (number > l->end || number < l->oldest) {
		memset(l->chain, 0, WEIR_IDS_MAX * sizeof(*l->chain));
		l->oldest = l->end = number;
	}
	for (; weir_read_u8(in) == 1; number++) {
		struct weir_hash128 h = {.lo = weir_read_u64(in)};

		h.hi = weir_read_u64(in);
		if (number == l->end)
			weir_ids_add(l, h, 0);
	}
	l->wanted = oldest;
	return !in->bad;
}

bool weir_ids_whole(struct weir_ids *l)
{
	l->told = l->end;
	return l->oldest <= l->wanted;
}
