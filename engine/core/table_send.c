/* SPDX-License-Identifier: Apache-2.0 */
/* What a table says to other regions, at a barrier. table_peer.c is what it hears. */
#include "base/assert.h"
#include "engine/core/table_int.h"

/* One barrier's worth of saying to one region. */
struct say {
	struct weir_rtable_machine *t;
	struct weir_rtable_store *s;
	struct weir_rtable_peer *p;
	uint32_t peer;
	const struct weir_rtable_io *io;
	int64_t now_ns;
};

static bool put(const struct say *y, unsigned kind, weir_writer writer, uint64_t version,
		struct weir_str key, struct weir_str body)
{
	struct weir_rtable_msg m = {
		.kind = kind, .writer = writer, .version = version, .key = key, .body = body};

	if (!y->io->put(y->io->ctx, y->peer, &m))
		return false;
	y->t->info.bytes_out += key.n + body.n + WEIR_TABLE_BODY_FIXED;
	return true;
}

static const struct weir_str nothing = {"", 0};

static size_t body_max(const struct say *y, size_t key)
{
	return y->t->record_max - WEIR_MIN(y->t->record_max / 2, key);
}

/* ---- HELLO, ACK ---- */

static void vector_put(const struct weir_rtable_store *s, struct weir_out *o)
{
	weir_out_varint(o, s->writer_count);
	for (uint32_t i = 0; i < s->writer_count; i++) {
		weir_out_u64(o, s->writer[i].id);
		weir_out_varint(o, s->writer[i].version);
	}
}

static bool say_hello(const struct say *y)
{
	struct weir_rtable_store *s = y->s;

	if (!y->p->hello)
		return true;
	weir_out_u64(&s->b, y->t->sign);
	/* Whoever does not know the other yet wants to. */
	weir_out_u8(&s->b, !y->p->writer);
	vector_put(s, &s->b);
	if (!put(y, WEIR_TABLE_HELLO, s->me, s->counter, nothing, weir_rtable_flat(s, &s->b)))
		return false;
	y->p->hello = false;
	return true;
}

static bool say_ack(const struct say *y)
{
	struct weir_rtable_store *s = y->s;
	bool all;

	if ((y->p->ack_serial == s->vv_serial || s->cursor[y->peer]) && !y->p->ack)
		return true;
	/* What we have is said behind all that we wrote before we had it: else it looked stable where that has not come. */
	all = !s->cursor[y->peer];
	if (all)
		vector_put(s, &s->b);
	else
		weir_out_varint(&s->b, 0);
	if (!put(y, WEIR_TABLE_ACK, s->me, y->p->heard, nothing, weir_rtable_flat(s, &s->b)))
		return false;
	if (all)
		y->p->ack_serial = s->vv_serial;
	y->p->ack = false;
	return true;
}

/* ---- what we wrote ---- */

/* All parts of one entry; false: no room, the rest next time. */
static bool say_entry(const struct say *y, uint32_t number, weir_writer writer, uint64_t version,
		      uint64_t hlc, bool own)
{
	uint32_t *value = own ? &y->p->value : &y->p->job_value;
	struct weir_rtable_store *s = y->s;
	struct weir_str key = weir_rtable_key(s, number);

	do {
		uint32_t at = *value;
		struct weir_str body;
		bool any = weir_rtable_part(s, number, writer, hlc, &at, body_max(y, key.n), &body);

		if (!any && !own)
			break;
		if (!put(y, WEIR_TABLE_PART, writer, version, key, body))
			return false;
		y->t->info.parts_out++;
		if (own)
			y->p->unmarked += key.n + body.n + WEIR_TABLE_BODY_FIXED;
		*value = at;
	} while (*value);
	return true;
}

static bool window_open(const struct say *y)
{
	return y->p->unacked + y->p->unmarked < y->t->send_window;
}

static void mark(struct weir_rtable_peer *p, uint64_t version)
{
	if (p->mark_count == WEIR_TABLE_MARKS) {
		p->mark_count--;
		p->unmarked += p->mark[p->mark_count].bytes;
		p->unacked -= p->mark[p->mark_count].bytes;
	}
	p->mark[p->mark_count].version = version;
	p->mark[p->mark_count++].bytes = p->unmarked;
	p->unacked += p->unmarked;
	p->unmarked = 0;
}

static bool say_own(const struct say *y)
{
	struct weir_rtable_peer *p = y->p;
	uint32_t *cursor = &y->s->cursor[y->peer];
	struct weir_out *o = &y->s->b;

	while (*cursor && (p->value || window_open(y))) {
		const struct weir_rtable_entry *e = weir_rtable_at(y->s, *cursor - 1);

		if (!say_entry(y, *cursor - 1, y->s->me, e->version, e->hlc, true))
			return false;
		weir_assert(e->version > p->place);
		p->place = e->version;
		*cursor = e->link[WEIR_TABLE_OWN].next;
	}
	if (!*cursor)
		p->place = y->s->counter;
	/* In between only the window moves: a key that changed again meanwhile is further behind, with all that was before. */
	if (*cursor ? !p->unmarked : p->place == p->ended)
		return true;
	weir_out_varint(o, p->ended);
	weir_out_u8(o, !*cursor);
	if (!put(y, WEIR_TABLE_END, y->s->me, p->place, nothing, weir_rtable_flat(y->s, o)))
		return false;
	if (!*cursor)
		p->ended = p->place;
	mark(p, p->place);
	return true;
}

/* ---- what it asked for ---- */

static bool in_job(const struct weir_rtable_peer *p, uint32_t bucket)
{
	return p->job[bucket / 64] >> (bucket % 64) & 1;
}

static bool job_any(const struct weir_rtable_peer *p)
{
	return p->former || p->ours || p->job[0] | p->job[1] | p->job[2] | p->job[3];
}

/* Is it of an earlier life of a region, and to be told as a whole? */
static bool is_former(const struct say *y, weir_writer id)
{
	if (weir_writer_region(id) == y->p->region)
		return y->p->former && id != y->p->writer;
	return y->p->ours && weir_writer_region(id) == y->t->here && id != y->s->me;
}

/* Parts of all writers of one entry that are asked for. */
static bool say_all_parts(const struct say *y, uint32_t number)
{
	struct weir_rtable_peer *p = y->p;
	bool asked = in_job(p, weir_rtable_bucket(weir_rtable_key(y->s, number)));

	for (; p->job_writer < y->s->writer_count; p->job_writer++) {
		weir_writer id = y->s->writer[p->job_writer].id;
		uint64_t version = 0;

		if (!asked && !is_former(y, id))
			continue;
		for (uint32_t i = 0; i < y->s->values && !weir_rtable_is_conflict(y->s, number);
		     i++)
			version = WEIR_MAX(version,
					   weir_crdt_seen(&y->s->crdt[i],
							  weir_rtable_at(y->s, number)->value[i],
							  id));
		if (!say_entry(y, number, id, version, asked ? 0 : 1, false))
			return false;
	}
	p->job_writer = 0;
	return true;
}

/*
 * Of the earlier lives it has now all that we have. That may be more than the vector says: of an interval whose end was lost. Nothing
 * will come behind it, and the region itself makes one of what all have.
 */
static bool say_former_ends(const struct say *y)
{
	struct weir_rtable_peer *p = y->p;

	for (; p->job_writer < y->s->writer_count; p->job_writer++) {
		const struct weir_rtable_writer *w = &y->s->writer[p->job_writer];

		if (!is_former(y, w->id))
			continue;
		weir_out_varint(&y->s->b, 0);
		weir_out_u8(&y->s->b, 1);
		if (!put(y, WEIR_TABLE_END, w->id, weir_rtable_writer_max(w), nothing,
			 weir_rtable_flat(y->s, &y->s->b)))
			return false;
	}
	return true;
}

static bool say_job(const struct say *y)
{
	struct weir_rtable_peer *p = y->p;
	uint64_t before = y->t->info.bytes_out;

	if (!job_any(p))
		return true;
	while (p->job_at < y->s->rows.table.high) {
		/* The rest after the next barrier. */
		if (y->t->info.bytes_out - before >= y->t->send_window)
			return true;
		if (weir_rtable_alive(y->s, p->job_at) && !say_all_parts(y, p->job_at))
			return false;
		p->job_at++;
	}
	if (!say_former_ends(y))
		return false;
	weir_probe("table.repaired");
	p->former = p->ours = false;
	memset(p->job, 0, sizeof(p->job));
	p->job_at = p->job_writer = 0;
	return true;
}

/* ---- sums ---- */

static bool say_digest(const struct say *y)
{
	struct weir_rtable_peer *p = y->p;
	struct weir_rtable_store *s = y->s;
	size_t max = body_max(y, 0);

	if (!p->digest_bucket && (y->now_ns < p->digest_at || s->cursor[y->peer]))
		return true;
	do {
		uint32_t bucket = p->digest_bucket;

		weir_out_varint(&s->b, bucket);
		for (; bucket < WEIR_TABLE_BUCKETS && s->b.bytes + 40 <= max; bucket++) {
			const struct weir_rtable_writer *me = weir_rtable_writer_find(s, s->me);

			weir_out_varint(&s->b, me ? me->bucket[bucket] : 0);
			weir_out_u64(&s->b, weir_rtable_bucket_versions(s, bucket));
			weir_out_u64(&s->b, s->sum[bucket].lo);
			weir_out_u64(&s->b, s->sum[bucket].hi);
		}
		if (!put(y, WEIR_TABLE_DIGEST, s->me, p->ended, nothing,
			 weir_rtable_flat(s, &s->b)))
			return false;
		p->digest_bucket = bucket % WEIR_TABLE_BUCKETS;
	} while (p->digest_bucket);
	p->digest_at = y->now_ns + y->t->digest_ns;
	return true;
}

static bool say_repair(const struct say *y)
{
	struct weir_rtable_peer *p = y->p;

	if (!(p->want[0] | p->want[1] | p->want[2] | p->want[3]))
		return true;
	for (uint32_t i = 0; i < WEIR_COUNT_OF(p->want); i++)
		weir_out_u64(&y->s->b, p->want[i]);
	if (!put(y, WEIR_TABLE_REPAIR, y->s->me, 0, nothing, weir_rtable_flat(y->s, &y->s->b)))
		return false;
	memset(p->want, 0, sizeof(p->want));
	return true;
}

bool weir_rtable_say(struct weir_rtable_machine *t, uint32_t peer, const struct weir_rtable_io *io,
		     int64_t now_ns)
{
	struct say y = {.t = t,
			.s = &t->store,
			.p = &t->peer[peer],
			.peer = peer,
			.io = io,
			.now_ns = now_ns};

	if (!say_hello(&y))
		return false;
	/* Before its greeting we do not know where to begin. */
	if (!y.p->writer)
		return true;
	return say_own(&y) && say_job(&y) && say_ack(&y) && say_digest(&y) && say_repair(&y);
}
