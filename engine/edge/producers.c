/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/producers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/keyhash.h"

void weir_producers_fini(struct weir_producers *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		free(l->p[i].name);
	free(l->p);
	free(l->slot);
	free(l->moved);
	free(l->wait);
	memset(l, 0, sizeof(*l));
}

bool weir_producer_name_ok(struct weir_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return name.n && name.n <= WEIR_PRODUCER_NAME_MAX;
}

/* Room for one more element; NULL: no memory (p stays). */
static void *room(void *p, size_t count, size_t *cap, size_t size)
{
	size_t more = WEIR_MAX(*cap * 2, (size_t)64);

	if (count < *cap)
		return p;
	p = realloc(p, more * size);
	if (p)
		*cap = more;
	return p;
}

static bool room32(void **p, uint32_t count, uint32_t *cap, size_t size)
{
	size_t have = *cap;
	void *more = room(*p, count, &have, size);

	if (!more)
		return false;
	*p = more;
	*cap = (uint32_t)have;
	return true;
}

static uint32_t *find(const struct weir_producers *l, struct weir_str name, uint64_t hash)
{
	for (uint32_t at = (uint32_t)hash & (l->slot_count - 1);;
	     at = (at + 1) & (l->slot_count - 1)) {
		const struct weir_producer *p = &l->p[l->slot[at] - 1];

		if (!l->slot[at] || (p->hash == hash && weir_str_is(name, p->name)))
			return &l->slot[at];
	}
}

static bool more_slots(struct weir_producers *l)
{
	uint32_t n = WEIR_MAX(l->slot_count * 2, 128u);
	uint32_t *slot;

	if (l->count * 2 < l->slot_count)
		return true;
	slot = calloc(n, sizeof(*slot));
	if (!slot)
		return false;
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t at = (uint32_t)l->p[i].hash & (n - 1);

		while (slot[at])
			at = (at + 1) & (n - 1);
		slot[at] = i + 1;
	}
	free(l->slot);
	l->slot = slot;
	l->slot_count = n;
	return true;
}

int64_t weir_producers_of(struct weir_producers *l, struct weir_str name)
{
	uint64_t hash = weir_hash_text(name);
	struct weir_producer *p;
	uint32_t *slot;

	if (!more_slots(l))
		return -ENOMEM;
	slot = find(l, name, hash);
	if (*slot)
		return *slot - 1;
	if (l->count == WEIR_PRODUCERS_MAX)
		return WEIR_E_LIMIT;
	if (!room32((void **)&l->p, l->count, &l->cap, sizeof(*l->p)))
		return -ENOMEM;
	p = &l->p[l->count];
	*p = (struct weir_producer){.hash = hash,
				    .name = strndup(name.p, name.n),
				    .place = {.line = 1, .at_start = true}};
	if (!p->name)
		return -ENOMEM;
	*slot = ++l->count;
	return l->count - 1;
}

static bool mark(struct weir_producers *l, uint32_t i)
{
	if (l->p[i].moved)
		return true;
	if (!room32((void **)&l->moved, l->moved_count, &l->moved_cap, sizeof(*l->moved)))
		return false;
	l->moved[l->moved_count++] = i;
	l->p[i].moved = true;
	return true;
}

int weir_producers_took(struct weir_producers *l, uint32_t i, uint64_t bytes,
			const struct weir_decoder *d)
{
	struct weir_producer *p = &l->p[i];

	p->taken += bytes;
	weir_decoder_place(d, &p->place);
	if (l->immediate)
		p->durable = p->taken;
	return l->immediate || mark(l, i) ? 0 : -ENOMEM;
}

/* ---- state ---- */

static bool wait_for(struct weir_producers *l, uint32_t i, uint64_t epoch)
{
	void *more;

	if (l->wait_at) {
		memmove(l->wait, l->wait + l->wait_at,
			(l->wait_count - l->wait_at) * sizeof(*l->wait));
		l->wait_count -= l->wait_at;
		l->wait_at = 0;
	}
	more = room(l->wait, l->wait_count, &l->wait_cap, sizeof(*l->wait));
	if (!more)
		return false;
	l->wait = more;
	l->wait[l->wait_count++] =
		(struct weir_producer_wait){.epoch = epoch, .offset = l->p[i].taken, .producer = i};
	return true;
}

/*   (u8 1, text name, varint offset, place) each, then u8 0 */
void weir_producers_freeze(struct weir_producers *l, struct weir_out *o, uint64_t epoch)
{
	uint32_t again = 0;

	for (uint32_t k = 0; k < l->moved_count; k++) {
		uint32_t i = l->moved[k];
		struct weir_producer *p = &l->p[i];

		weir_out_u8(o, 1);
		weir_out_text(o, weir_str_c(p->name));
		weir_out_varint(o, p->taken);
		weir_source_place_put(o, &p->place);
		/* Without memory to remember the epoch, a later one will do. */
		if (p->taken == p->durable || wait_for(l, i, epoch))
			p->moved = false;
		else
			l->moved[again++] = i;
	}
	l->moved_count = again;
	weir_out_u8(o, 0);
}

bool weir_producers_touch(struct weir_producers *l, bool begin, size_t budget)
{
	size_t bytes = 0;

	if (begin)
		l->touch_at = 0;
	for (; l->touch_at < l->count && bytes < budget; l->touch_at++) {
		/* Tried again with the next piece. */
		if (!mark(l, l->touch_at))
			return false;
		bytes += strlen(l->p[l->touch_at].name) + 16;
	}
	return l->touch_at == l->count;
}

int weir_producers_restore(struct weir_producers *l, struct weir_reader *in)
{
	while (weir_read_u8(in) == 1) {
		struct weir_str name = weir_read_text(in);
		struct weir_producer *p;
		int64_t i;

		if (in->bad || !weir_producer_name_ok(name))
			return WEIR_E_CORRUPT;
		i = weir_producers_of(l, name);
		if (i < 0)
			return i == WEIR_E_LIMIT ? WEIR_E_CORRUPT : (int)i;
		p = &l->p[i];
		p->taken = p->durable = weir_read_varint(in);
		weir_source_place_get(in, &p->place);
	}
	return in->bad ? WEIR_E_CORRUPT : 0;
}

bool weir_producers_settle(struct weir_producers *l, uint64_t durable)
{
	bool news = false;

	for (; l->wait_at < l->wait_count && l->wait[l->wait_at].epoch <= durable; l->wait_at++) {
		const struct weir_producer_wait *w = &l->wait[l->wait_at];
		struct weir_producer *p = &l->p[w->producer];

		/* I1: a frontier only grows. */
		news |= w->offset > p->durable;
		p->durable = WEIR_MAX(p->durable, w->offset);
	}
	return news;
}
