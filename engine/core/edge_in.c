/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving end of an edge: what it hears. edge_in_batch.c keeps batches, edge_in_say.c answers. */
#include "base/checksum.h"
#include "engine/core/edge_int.h"

#define PLACE_VERSION 1u
#define SESSIONS_OF_A_LIFE 20 /* bits */

struct weir_edge_in *weir_edge_in_new(const struct weir_edge_in_options *o)
{
	struct weir_edge_in *i = o->mem->alloc(o->mem->ctx, sizeof(*i), 16);

	weir_assert(o->life > 0 && o->life < (uint64_t)1 << (64 - SESSIONS_OF_A_LIFE));
	weir_assert(o->frame_max >= WEIR_LANE_FRAME_MIN_MAX &&
		    o->frame_max <= WEIR_LANE_FRAME_LIMIT);
	weir_assert(o->schema);
	i->edge = o->edge;
	i->renewable = o->renewable;
	i->frame_max = o->frame_max;
	i->staging_max = o->staging_bytes ? o->staging_bytes : EDGE_CREDIT;
	i->ready_max = o->ready_bytes ? o->ready_bytes : EDGE_CREDIT;
	i->schema = o->schema;
	i->codecs = o->codecs;
	i->mem = o->mem;
	i->hello = i->mem->alloc(i->mem->ctx, o->hello.n, 16);
	i->hello_bytes = o->hello.n;
	memcpy(i->hello, o->hello.p, o->hello.n);
	i->session_number = o->life << SESSIONS_OF_A_LIFE;
	return i;
}

void weir_edge_in_free(struct weir_edge_in *i)
{
	const struct weir_mem *m = i->mem;

	weir__edge_in_free_all(i);
	m->free(m->ctx, i->hello, i->hello_bytes);
	m->free(m->ctx, i, sizeof(*i));
}

/* ---- place ---- */

void weir_edge_in_put(const struct weir_edge_in *i, struct weir_out *o)
{
	weir_out_u8(o, PLACE_VERSION);
	weir_out_u64(o, i->next);
	weir_out_u32(o, i->skip);
	weir_out_u64(o, i->chain);
	weir_out_u64(o, i->ready.first ? i->ready.first->chain_after : i->behind);
	weir_out_u64(o, i->fence);
	weir_out_u64(o, i->session_number);
}

int weir_edge_in_restore(struct weir_edge_in *i, struct weir_reader *in)
{
	uint8_t version = weir_read_u8(in);
	uint64_t next = weir_read_u64(in);
	uint32_t skip = weir_read_u32(in);
	uint64_t chain = weir_read_u64(in), behind = weir_read_u64(in);
	uint64_t fence = weir_read_u64(in), session = weir_read_u64(in);

	weir_assert(!i->info.lane_open && !i->ready.first);
	if (in->bad || version != PLACE_VERSION || skip > next)
		return WEIR_E_CORRUPT;
	i->next = next;
	i->chain = chain;
	i->behind = behind;
	i->skip = weir_planted(EDGE_RESTORE_NO_CHAIN_POS) ? 0 : skip;
	i->durable = next;
	/* I11 */
	i->fence = WEIR_MAX(i->fence, fence);
	/* Also when a clock went back: behind all sessions of the life that wrote this. */
	session = ((session >> SESSIONS_OF_A_LIFE) + 1) << SESSIONS_OF_A_LIFE;
	i->session_number = WEIR_MAX(i->session_number, session);
	return 0;
}

void weir_edge_in_frozen(struct weir_edge_in *i, uint64_t epoch)
{
	struct edge_frozen *last = i->frozen_count ? &i->frozen[i->frozen_count - 1] : NULL;

	weir_assert(!last || (epoch >= last->epoch && i->next >= last->seq));
	if (last && (epoch == last->epoch || i->frozen_count == EDGE_FROZEN)) {
		/* Too many at once: what is durable is told with the newest of them. */
		weir_probe("edge.in_frozen_merged");
		*last = (struct edge_frozen){epoch, i->next};
	} else {
		i->frozen[i->frozen_count++] = (struct edge_frozen){epoch, i->next};
	}
	if (weir_planted(EDGE_CURSOR_EARLY))
		i->durable = i->next;
}

void weir_edge_in_durable(struct weir_edge_in *i, uint64_t epoch)
{
	uint32_t n = 0;

	for (; n < i->frozen_count && i->frozen[n].epoch <= epoch; n++)
		i->durable = WEIR_MAX(i->durable, i->frozen[n].seq);
	if (!n)
		return;
	i->frozen_count -= n;
	memmove(i->frozen, i->frozen + n, i->frozen_count * sizeof(*i->frozen));
	weir_assert(i->durable <= i->next);
}

/* ---- ends of the edge ---- */

int weir__edge_in_fail(struct weir_edge_in *i, struct weir_err *err)
{
	i->info.in_session = false;
	return weir_err_set(err, i->fail.code, "%s", i->fail.text);
}

int weir__edge_in_fork(struct weir_edge_in *i, uint64_t seq, uint64_t chain)
{
	weir_probe("edge.in_fork");
	i->say_fork = true;
	i->fork_seq = seq;
	i->fork_chain = chain;
	return weir_err_set(
		&i->fail, WEIR_E_CORRUPT,
		"the sender's records are not those that came before number %llu: one of the two "
		"state directories is older than what it once confirmed; nothing was dropped, "
		"restore that directory from its newest copy",
		(unsigned long long)seq);
}

/* ---- the session ---- */

static void session_over(struct weir_edge_in *i)
{
	weir__edge_in_drop_staged(i);
	i->heard = i->early = i->broken = false;
	i->say_gap = i->say_resume = false;
	i->gap_timer.at_ns = i->doubt_ns = 0;
	i->hole = i->asked = 0;
	i->told_received = i->told_durable = 0;
	i->told_blocked[0] = 0;
	if (i->ready.last) {
		const struct edge_batch *b = i->ready.last;

		i->expect = (struct weir_edge_pos){b->seq + b->count, b->chain_after};
		i->front = 0;
	} else {
		i->expect = (struct weir_edge_pos){i->next - i->skip, i->chain};
		i->front = i->skip;
	}
	i->commit = i->expect;
}

void weir__edge_in_session(struct weir_edge_in *i, uint64_t now)
{
	session_over(i);
	/* I13: nothing of an older session, so of an older sender, is left. */
	weir_assert(!i->staged.first && i->staged.cost == 0);
	i->session_number++;
	i->say_resume = true;
	if (i->resume_timer.wait_ns == 0)
		edge_timer_start(&i->resume_timer, now);
	else
		edge_timer_again(&i->resume_timer, now);
	i->info.sessions++;
}

/* The sender did what it must not: a new session, but not at once. */
static void session_broken(struct weir_edge_in *i, uint64_t now)
{
	weir_probe("edge.in_broken_session");
	session_over(i);
	i->broken = true;
	i->info.dropped++;
	edge_timer_again(&i->resume_timer, now);
}

/* Somebody talks, and not in our session. When nobody talks in ours from now on, the two ends misunderstand each other. */
static void foreign(struct weir_edge_in *i, uint64_t now)
{
	weir_probe("edge.in_old_session");
	i->info.dropped++;
	if (i->heard && i->doubt_ns == 0)
		i->doubt_ns = now + EDGE_WAIT_FIRST;
}

/* Everything begins anew, at a place of the sender's records. */
static void begin_at(struct weir_edge_in *i, struct weir_edge_pos at, uint64_t now)
{
	weir_assert(i->renewable && !i->ready.first);
	i->next = at.seq;
	i->chain = at.chain;
	i->behind = 0;
	i->skip = 0;
	i->frozen_count = 0;
	i->durable = 0;
	i->resume_timer.wait_ns = 0;
	weir__edge_in_session(i, now);
}

static int hello(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t now)
{
	struct weir_str theirs = {(const char *)(h + 1), h->f.size - EDGE_HEAD};
	struct weir_str ours = {(const char *)i->hello, i->hello_bytes};
	uint64_t session = edge_session(h);
	char what[256];

	/* Only bodies of batches have a checksum of their own in the frame. */
	if (h->chain != weir_hash64_seed(theirs.p, theirs.n, 0)) {
		weir_probe("edge.in_damaged_hello");
		i->info.dropped++;
		return 0;
	}
	if (h->fence < i->fence && !weir_planted(EDGE_FENCE_IGNORED)) {
		weir_probe("edge.in_fenced");
		i->say_fenced = true;
		i->fenced_session = session;
		i->info.dropped++;
		return 0;
	}
	if (session && (session != i->session_number || i->broken)) {
		weir_probe("edge.in_old_hello");
		foreign(i, now);
		return 0;
	}
	if (!weir_str_eq(theirs, ours)) {
		weir__edge_hello_differ(ours, theirs, what, sizeof(what));
		return weir_err_set(&i->fail, WEIR_E_CONFIG,
				    "the sender's records mean something else: %s; give both "
				    "regions the same pipeline and cluster files",
				    what);
	}
	if (i->renewable && edge_lineage(h->fence) > edge_lineage(i->fence)) {
		/* What was committed by the old one is applied first; the sender asks again. */
		if (i->ready.first) {
			weir_probe("edge.in_new_lineage_later");
			i->info.dropped++;
			return 0;
		}
		weir_probe("edge.in_new_lineage");
		i->fence = h->fence;
		begin_at(i, (struct weir_edge_pos){0}, now);
		return 0;
	}
	i->fence = WEIR_MAX(i->fence, h->fence); /* I11 */
	if (session == 0 && !i->heard) {
		if (!i->broken)
			i->say_resume = true;
		return 0;
	}
	if (session == 0 || (i->heard && h->fence != i->session_fence)) {
		weir_probe("edge.in_new_sender");
		i->resume_timer.wait_ns = 0;
		weir__edge_in_session(i, now);
		return 0;
	}
	/* What overtook it was dropped. */
	i->say_gap |= i->early;
	i->early = i->say_resume = false;
	i->heard = true;
	i->doubt_ns = 0;
	i->session_fence = h->fence;
	return 0;
}

static int trimmed(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t now)
{
	if (h->seq <= i->expect.seq) {
		weir_probe("edge.in_trimmed_below");
		i->info.dropped++;
		return 0;
	}
	if (i->renewable && i->expect.seq == 0 && i->next == 0 && !i->ready.first) {
		weir_probe("edge.in_began_behind");
		begin_at(i, (struct weir_edge_pos){h->seq, h->chain}, now);
		return 0;
	}
	weir_probe("edge.in_trimmed");
	if (weir_planted(EDGE_SKIP_TRIMMED)) {
		i->next = h->seq;
		i->chain = h->chain;
		i->skip = 0;
		edge_timer_start(&i->resume_timer, 0);
		weir__edge_in_session(i, 0);
		return 0;
	}
	return weir_err_set(
		&i->fail, WEIR_E_LIMIT,
		"records %llu to %llu are needed here, and the sender has given them up: this "
		"region had confirmed them as durable, so its state directory is older than that; "
		"restore it from its newest copy",
		(unsigned long long)i->expect.seq, (unsigned long long)h->seq - 1);
}

/* ---- batches and commits ---- */

static void missing(struct weir_edge_in *i, uint64_t end)
{
	weir_probe("edge.in_gap");
	i->info.gaps++;
	i->hole = WEIR_MAX(i->hole, end);
	if (i->asked != i->expect.seq + 1)
		i->say_gap = true;
}

static int data(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t now)
{
	uint64_t end;
	int r;

	if (__builtin_add_overflow(h->seq, (uint64_t)h->count, &end) || end <= i->expect.seq) {
		weir_probe("edge.in_duplicate");
		i->info.duplicates++;
		return 0;
	}
	if (weir_planted(EDGE_HIGH_WATERMARK) && h->seq > i->expect.seq)
		i->expect = (struct weir_edge_pos){h->seq, h->chain};
	if (h->seq > i->expect.seq) {
		missing(i, end);
		return 0;
	}
	/* Batches never change: one that only overlaps is cut otherwise, and so is not of our chain. */
	if ((h->seq != i->expect.seq || h->chain != i->expect.chain) &&
	    !weir_planted(EDGE_NO_CHAIN))
		return weir__edge_in_fork(i, i->expect.seq, i->expect.chain);
	r = weir__edge_in_batch(i, h);
	if (r > 0)
		session_broken(i, now);
	return r;
}

/* The chain at a place between batches that are staged. false: there is none. */
static bool chain_at(const struct weir_edge_in *i, uint64_t seq, uint64_t *ret)
{
	if (seq == i->expect.seq) {
		*ret = i->expect.chain;
		return true;
	}
	for (const struct edge_batch *b = i->staged.first; b; b = b->next)
		if (b->seq + b->count == seq) {
			*ret = b->chain_after;
			return true;
		}
	return false;
}

static int commit(struct weir_edge_in *i, const struct weir_lane_head *h)
{
	uint64_t chain = h->chain;
	bool differs;

	if (h->seq < i->commit.seq) {
		weir_probe("edge.in_old_commit");
		i->info.duplicates++;
		return 0;
	}
	if (h->seq == i->commit.seq)
		differs = h->chain != i->commit.chain;
	else
		differs = h->seq <= i->expect.seq &&
			  (!chain_at(i, h->seq, &chain) || chain != h->chain);
	if (differs && !weir_planted(EDGE_NO_CHAIN))
		return weir__edge_in_fork(i, h->seq, chain);
	if (h->seq > i->expect.seq)
		weir_probe("edge.in_commit_first");
	i->commit = (struct weir_edge_pos){h->seq, h->chain};
	weir__edge_in_promote(i);
	return 0;
}

/* ---- frames ---- */

static int in_session(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t now)
{
	bool stale = edge_session(h) != i->session_number;

	switch (h->f.flags) {
	case WEIR_LANE_TRIMMED:
		return trimmed(i, h, now);
	case WEIR_LANE_FORK:
		weir_probe("edge.in_told_of_fork");
		return weir_err_set(&i->fail, WEIR_E_CORRUPT,
				    "the sender says that its records before number %llu are "
				    "others than those here: nothing was dropped; see its log",
				    (unsigned long long)h->seq);
	default:
		break;
	}
	if (!i->heard) {
		weir_probe("edge.in_before_hello");
		i->early = true;
		i->info.dropped++;
		return 0;
	}
	if (h->fence != i->session_fence && !stale) {
		session_broken(i, now);
		return 0;
	}
	i->doubt_ns = 0;
	return h->f.flags == WEIR_LANE_DATA ? data(i, h, now) : commit(i, h);
}

static int frame(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t now)
{
	switch (h->f.flags) {
	case WEIR_LANE_HELLO:
		return hello(i, h, now);
	case WEIR_LANE_DATA:
	case WEIR_LANE_COMMIT:
	case WEIR_LANE_TRIMMED:
	case WEIR_LANE_FORK:
		if (!i->broken &&
		    (edge_session(h) == i->session_number || weir_planted(EDGE_OLD_SESSION)))
			return in_session(i, h, now);
		foreign(i, now);
		return 0;
	default:
		weir_probe("edge.in_receivers_frame");
		i->info.dropped++;
		return 0;
	}
}

static void lane_opened(struct weir_edge_in *i, uint64_t now)
{
	weir_probe("edge.in_open");
	i->info.lane_open = true;
	i->info.closed_since_ns = 0;
	i->info.reason[0] = 0;
	i->resume_timer.wait_ns = 0;
	i->say_fenced = false;
	weir__edge_in_session(i, now);
}

static void lane_closed(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t now)
{
	weir_probe("edge.in_closed");
	if (i->info.lane_open || i->info.closed_since_ns == 0)
		i->info.closed_since_ns = now;
	i->info.lane_open = false;
	weir__edge_text(h, i->info.reason, sizeof(i->info.reason));
	session_over(i);
}

int weir_edge_in_receive(struct weir_edge_in *i, const struct weir_lane_head *h, uint64_t mono_ns,
			 struct weir_err *err)
{
	if (i->fail.code)
		return weir__edge_in_fail(i, err);
	i->info.frames_in++;
	i->info.bytes_in += weir_frame_stride(&h->f);
	if (weir_lane_check(h, weir_frame_stride(&h->f)) < 0) {
		weir_probe("edge.in_no_frame");
		i->info.dropped++;
		return 0;
	}
	if (h->f.flags == WEIR_LANE_OPEN) {
		lane_opened(i, mono_ns);
	} else if (h->f.flags == WEIR_LANE_CLOSED) {
		lane_closed(i, h, mono_ns);
	} else if (h->f.key_hash != i->edge || !i->info.lane_open) {
		weir_probe("edge.in_stray");
		i->info.dropped++;
	} else {
		frame(i, h, mono_ns);
	}
	return i->fail.code ? weir__edge_in_fail(i, err) : 0;
}

void weir_edge_in_info(const struct weir_edge_in *i, struct weir_edge_in_info *ret)
{
	*ret = i->info;
	ret->in_session = i->info.lane_open && i->heard && !i->fail.code;
	ret->session = i->session_number;
	ret->next_seq = i->next;
	ret->durable = i->durable;
	ret->fence = i->fence;
	ret->staged_bytes = (uint32_t)i->staged.cost;
	ret->ready_bytes = (uint32_t)i->ready.cost;
}
