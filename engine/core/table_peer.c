/* SPDX-License-Identifier: Apache-2.0 */
/* What a table hears of other regions. table_send.c is what it says. */
#include <stdio.h>

#include "base/assert.h"
#include "engine/core/table_int.h"

#define ASK_AGAIN_NS WEIR_NS_PER_S
#define ASK_MOST_NS (60 * WEIR_NS_PER_S)

static void alarm_set(struct weir_rtable_machine *t, const char *what, uint32_t region)
{
	snprintf(t->alarm, sizeof(t->alarm), "table `%s`: %s (region %u)", t->store.node->step_name,
		 what, region);
}

uint64_t weir_rtable_peer_has(const struct weir_rtable_peer *p, weir_writer id)
{
	for (uint32_t i = 0; i < p->seen_count; i++)
		if (p->seen[i].id == id)
			return p->seen[i].version;
	return 0;
}

/* ---- vectors ---- */

static bool vector_read(struct weir_rtable_machine *t, struct weir_rtable_peer *p,
			struct weir_reader *r)
{
	const struct weir_mem *mem = t->store.mem;
	uint64_t n = weir_read_varint(r);

	if (r->bad || n > WEIR_TABLE_WRITERS_MAX || n > weir_reader_left(r) / 9)
		return false;
	if (n > p->seen_cap) {
		if (p->seen_cap)
			mem->free(mem->ctx, p->seen, p->seen_cap * sizeof(*p->seen));
		p->seen_cap = (uint32_t)WEIR_ALIGN_UP(n, UINT64_C(8));
		p->seen = mem->alloc(mem->ctx, p->seen_cap * sizeof(*p->seen), 16);
	}
	p->seen_count = (uint32_t)n;
	for (uint32_t i = 0; i < n; i++) {
		p->seen[i].id = weir_read_u64(r);
		p->seen[i].version = weir_read_varint(r);
	}
	return !r->bad;
}

/* Is there something of an earlier life of its region that it has not? */
static bool former_missing(const struct weir_rtable_machine *t, const struct weir_rtable_peer *p)
{
	for (uint32_t i = 0; i < t->store.writer_count; i++) {
		const struct weir_rtable_writer *w = &t->store.writer[i];

		if (weir_writer_region(w->id) == p->region && w->id != p->writer &&
		    weir_rtable_writer_max(w) > weir_rtable_peer_has(p, w->id))
			return true;
	}
	return false;
}

/* I14: nobody has more of our changes than we made. */
static int check_us(struct weir_rtable_machine *t, const struct weir_rtable_peer *p)
{
	if (weir_rtable_peer_has(p, t->store.me) <= t->store.counter)
		return 0;
	return weir_err_set(
		&t->store.node->task->err, WEIR_E_CORRUPT,
		"table `%s`: region number %u has changes of this region that its own state does not: "
		"the state directory is older than what was told to others; restore its newest copy, "
		"or start this region without state",
		t->store.node->step_name, p->region);
}

/* ---- HELLO ---- */

/* It says what it has: we go on from there. */
static void start_from(struct weir_rtable_machine *t, uint32_t peer, uint64_t place)
{
	struct weir_rtable_peer *p = &t->peer[peer];

	p->place = p->ended = p->acked = WEIR_MIN(place, t->store.counter);
	p->unacked = p->unmarked = 0;
	p->mark_count = 0;
	p->value = 0;
	p->ack_serial = UINT64_MAX;
	p->digest_bucket = 0;
	p->ours_serial = UINT64_MAX;
	t->store.cursor[peer] = weir_rtable_behind(&t->store, p->place);
}

/* What we have of our region's earlier lives is what there is of them: we speak for those. */
static void former_ends(struct weir_rtable_store *s, uint32_t here)
{
	for (uint32_t i = 0; i < s->writer_count; i++) {
		struct weir_rtable_writer *w = &s->writer[i];
		uint64_t max = weir_rtable_writer_max(w);

		if (weir_writer_region(w->id) != here || w->id == s->me || w->version >= max)
			continue;
		weir_probe("table.former_ends");
		w->version = max;
		s->vv_serial++;
		s->former_serial++;
	}
}

static int hello(struct weir_rtable_machine *t, uint32_t peer, const struct weir_rtable_msg *m)
{
	struct weir_rtable_peer *p = &t->peer[peer];
	struct weir_reader r = weir_reader_of(m->body.p, m->body.n);
	uint64_t sign = weir_read_u64(&r);
	bool answer = weir_read_u8(&r) != 0;

	if (r.bad || weir_writer_region(m->writer) != p->region || !vector_read(t, p, &r)) {
		t->info.refused++;
		alarm_set(t, "a greeting is damaged", p->region);
		return 0;
	}
	if (sign != t->sign)
		return weir_err_set(
			&t->store.node->task->err, WEIR_E_CONFIG,
			"table `%s`: region number %u has other fields, types or keys in it: all "
			"regions need the same pipeline file",
			t->store.node->step_name, p->region);
	weir_probe("table.hello");
	/* It began anew, and will not say to its end what it was saying of our earlier lives: that becomes all there is. */
	if (p->writer && p->writer != m->writer)
		former_ends(&t->store, t->here);
	p->writer = m->writer;
	if (!weir_rtable_writer_get(&t->store, p->writer))
		return 0;
	start_from(t, peer, weir_rtable_peer_has(p, t->store.me));
	if (former_missing(t, p) && !weir_planted(TABLE_NO_FORMER)) {
		weir_probe("table.former");
		p->former = true;
		p->job_at = p->job_writer = p->job_value = 0;
	}
	p->hello |= answer;
	return check_us(t, p);
}

/* ---- PART, END ---- */

static bool too_far_ahead(uint64_t hlc, int64_t now_ns)
{
	return (int64_t)(hlc >> 16) > now_ns / WEIR_NS_PER_MS + (int64_t)WEIR_TABLE_SKEW_MS;
}

static void part(struct weir_rtable_machine *t, struct weir_rtable_peer *p,
		 const struct weir_rtable_msg *m, int64_t now_ns)
{
	uint64_t before = t->store.joined;
	int r;

	if (too_far_ahead(weir_rtable_part_hlc(m->body), now_ns)) {
		weir_probe("table.quarantine");
		t->info.quarantined++;
		alarm_set(t, "its clock is more than 500 ms ahead; what it wrote is not applied",
			  p->region);
		p->gap = true;
		return;
	}
	/* I14: nobody else writes in our name. What our own earlier lives wrote comes from others. */
	r = m->writer ? weir_rtable_join(&t->store, m->writer, m->version, m->key, m->body)
		      : WEIR_E_CORRUPT;
	if (r < 0) {
		weir_probe("table.refused");
		t->info.refused++;
		alarm_set(t, "a part is damaged and was not applied", p->region);
		p->gap = true;
		return;
	}
	t->info.parts_in++;
	/* Of an earlier life: who is being told of those is told all of it, from the beginning. What we had already was told. */
	if (m->writer == p->writer || t->store.joined == before)
		return;
	for (uint32_t i = 0; i < t->peer_count; i++)
		if (t->peer[i].former || t->peer[i].ours)
			t->peer[i].job_at = t->peer[i].job_writer = t->peer[i].job_value = 0;
}

static void end(struct weir_rtable_machine *t, struct weir_rtable_peer *p,
		const struct weir_rtable_msg *m)
{
	struct weir_reader r = weir_reader_of(m->body.p, m->body.n);
	uint64_t from = weir_read_varint(&r);
	struct weir_rtable_writer *w = weir_rtable_writer_get(&t->store, m->writer);
	bool all = weir_read_u8(&r) != 0;
	bool gap = p->gap || r.bad || !w || w->version < from;

	if (m->writer == p->writer) {
		p->heard = m->version;
		p->ack = true;
	}
	if (!all)
		return;
	p->gap = false;
	if (m->writer == t->store.me)
		return;
	/* I15: only an interval that begins where we are. */
	if (gap && !(weir_planted(TABLE_SKIP_PART) && w)) {
		weir_probe("table.gap");
		t->info.gaps++;
		p->ask = true;
		return;
	}
	if (m->writer == p->writer) {
		p->ask = false;
		p->ask_wait = 0;
	}
	if (m->version > w->version) {
		w->version = m->version;
		t->store.vv_serial++;
		t->store.former_serial += weir_writer_region(m->writer) == t->here;
	}
}

/* ---- ACK ---- */

static int ack(struct weir_rtable_machine *t, struct weir_rtable_peer *p,
	       const struct weir_rtable_msg *m)
{
	struct weir_reader r = weir_reader_of(m->body.p, m->body.n);
	uint32_t done = 0;

	/* An empty vector: it has not said yet all that it wrote, so what it has counts later. */
	if (m->writer != p->writer || !m->body.n || (m->body.p[0] && !vector_read(t, p, &r))) {
		t->info.refused++;
		return 0;
	}
	p->acked = WEIR_MAX(p->acked, WEIR_MIN(m->version, p->place));
	while (done < p->mark_count && p->mark[done].version <= p->acked)
		p->unacked -= p->mark[done++].bytes;
	p->mark_count -= done;
	memmove(p->mark, p->mark + done, p->mark_count * sizeof(p->mark[0]));
	return check_us(t, p);
}

/* ---- DIGEST, REPAIR ---- */

static void want(struct weir_rtable_machine *t, struct weir_rtable_peer *p, uint32_t bucket)
{
	t->info.repairs++;
	p->want[bucket / 64] |= UINT64_C(1) << (bucket % 64);
}

static void compare(struct weir_rtable_machine *t, struct weir_rtable_peer *p, uint32_t bucket,
		    uint64_t version, uint64_t versions, struct weir_digest sum)
{
	struct weir_rtable_writer *w = weir_rtable_writer_get(&t->store, p->writer);
	const struct weir_digest *mine = &t->store.sum[bucket];

	if (w && w->bucket[bucket] < version) {
		/* All of its parts up to here should have come. */
		weir_probe("table.digest_missing");
		want(t, p, bucket);
		t->info.missing++;
		w->bucket[bucket] = version;
		return;
	}
	if (!versions || versions != weir_rtable_bucket_versions(&t->store, bucket))
		return;
	if (mine->lo == sum.lo && mine->hi == sum.hi) {
		p->differed[bucket] = 0;
		return;
	}
	weir_probe("table.digest_differs");
	want(t, p, bucket);
	/* Once may be a part that says more than its version; twice is damage. */
	if (p->differed[bucket] == versions) {
		t->info.diverged++;
		alarm_set(t, "the same versions have another content: it is being repaired",
			  p->region);
	}
	p->differed[bucket] = versions;
}

static void digest(struct weir_rtable_machine *t, struct weir_rtable_peer *p,
		   const struct weir_rtable_msg *m)
{
	struct weir_reader r = weir_reader_of(m->body.p, m->body.n);
	const struct weir_rtable_writer *w = weir_rtable_writer_find(&t->store, p->writer);
	uint64_t bucket = weir_read_varint(&r);

	if (m->writer != p->writer || weir_planted(TABLE_NO_DIGEST))
		return;
	/* What is asked for anyway is not compared. */
	if (!w || w->version < m->version)
		return;
	for (; weir_reader_left(&r) && bucket < WEIR_TABLE_BUCKETS; bucket++) {
		uint64_t version = weir_read_varint(&r), versions = weir_read_u64(&r);
		struct weir_digest sum = {0, 0};

		sum.lo = weir_read_u64(&r);
		sum.hi = weir_read_u64(&r);
		if (r.bad)
			break;
		compare(t, p, (uint32_t)bucket, version, versions, sum);
	}
	t->info.refused += r.bad;
}

static void repair(struct weir_rtable_peer *p, const struct weir_rtable_msg *m)
{
	struct weir_reader r = weir_reader_of(m->body.p, m->body.n);

	for (uint32_t i = 0; i < WEIR_COUNT_OF(p->job); i++)
		p->job[i] |= weir_read_u64(&r);
	/* From the beginning: those that are already through may be asked for again. */
	p->job_at = p->job_writer = p->job_value = 0;
}

/* ---- all ---- */

int weir_rtable_hear(struct weir_rtable_machine *t, uint32_t peer, const struct weir_rtable_msg *m,
		     int64_t now_ns)
{
	struct weir_rtable_peer *p = &t->peer[peer];

	if (m->kind == WEIR_TABLE_HELLO)
		return hello(t, peer, m);
	/* Before its greeting nothing of it can be placed. */
	if (!p->writer) {
		t->info.refused++;
		return 0;
	}
	switch (m->kind) {
	case WEIR_TABLE_PART:
		part(t, p, m, now_ns);
		break;
	case WEIR_TABLE_END:
		end(t, p, m);
		break;
	case WEIR_TABLE_ACK:
		return ack(t, p, m);
	case WEIR_TABLE_DIGEST:
		digest(t, p, m);
		break;
	case WEIR_TABLE_REPAIR:
		repair(p, m);
		break;
	default:
		t->info.refused++;
	}
	return 0;
}

/* ---- barriers ---- */

/* What everybody has of a writer. */
static uint64_t everybody_has(const struct weir_rtable_machine *t,
			      const struct weir_rtable_writer *w)
{
	uint64_t n = w->version;

	for (uint32_t i = 0; i < t->peer_count; i++) {
		uint64_t has = weir_rtable_peer_has(&t->peer[i], w->id);

		/* What a region wrote itself it has. */
		if (w->id == t->peer[i].writer)
			continue;
		if (weir_planted(TABLE_STABLE_EARLY))
			n = WEIR_MAX(n, has);
		else
			n = WEIR_MIN(n, has);
	}
	return n;
}

/* Our region speaks for its earlier lives: what one region has of them, all get. */
static bool ours_missing(const struct weir_rtable_machine *t, const struct weir_rtable_peer *p)
{
	for (uint32_t i = 0; i < t->store.writer_count; i++) {
		const struct weir_rtable_writer *w = &t->store.writer[i];

		if (weir_writer_region(w->id) == t->here && w->id != t->store.me &&
		    w->version > weir_rtable_peer_has(p, w->id))
			return true;
	}
	return false;
}

void weir_rtable_begin(struct weir_rtable_machine *t, int64_t now_ns)
{
	struct weir_rtable_store *s = &t->store;

	if (!s->me) {
		weir_rtable_store_start(s, t->here, now_ns);
		for (uint32_t i = 0; i < t->peer_count; i++)
			t->peer[i].hello = true;
	}
	for (uint32_t i = 0; i < t->peer_count; i++) {
		struct weir_rtable_peer *p = &t->peer[i];

		if (p->writer && p->ours_serial != s->former_serial && ours_missing(t, p)) {
			p->ours = true;
			p->ours_serial = s->former_serial;
			p->job_at = p->job_writer = p->job_value = 0;
		}
		/* What was on its way already is refused as well: more and more patience. */
		if (p->ask && now_ns >= p->ask_at) {
			p->hello = true;
			p->ask = false;
			p->ask_wait =
				WEIR_MIN(WEIR_MAX(2 * p->ask_wait, ASK_AGAIN_NS), ASK_MOST_NS);
			p->ask_at = now_ns + p->ask_wait;
		}
	}
}

void weir_rtable_end(struct weir_rtable_machine *t)
{
	struct weir_rtable_store *s = &t->store;
	bool moved = false;

	for (uint32_t i = 0; i < s->writer_count; i++) {
		struct weir_rtable_writer *w = &s->writer[i];
		uint64_t n = everybody_has(t, w);

		/* I18: a new life of a region does not take back what an earlier one had. */
		if (n <= w->stable)
			continue;
		w->stable = n;
		moved = true;
	}
	weir_rtable_conflicts_trim(s);
	if (moved || (t->peer_count == 0 && !s->settle_at))
		s->settle_at = s->list[WEIR_TABLE_LOOSE].first;
	weir_rtable_settle(s, 4096);
}
