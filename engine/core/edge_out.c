/* SPDX-License-Identifier: Apache-2.0 */
/* Sending end of an edge: what it hears. edge_out_send.c is what it says. */
#include "engine/core/edge_int.h"

struct weir_edge_out *weir_edge_out_new(const struct weir_edge_out_options *o, uint64_t cursor,
					struct weir_edge_pos base)
{
	struct weir_edge_out *s = o->mem->alloc(o->mem->ctx, sizeof(*s), 16);

	weir_assert(o->hello.n <= WEIR_LANE_FRAME_MIN_MAX - EDGE_HEAD);
	weir_assert(o->frame_max >= WEIR_LANE_FRAME_MIN_MAX &&
		    o->frame_max <= WEIR_LANE_FRAME_LIMIT);
	s->edge = o->edge;
	s->fence = o->fence;
	s->renewable = o->renewable;
	s->frame_max = o->frame_max;
	s->codecs = o->codecs;
	s->mem = o->mem;
	s->hello = s->mem->alloc(s->mem->ctx, o->hello.n, 16);
	s->hello_bytes = o->hello.n;
	memcpy(s->hello, o->hello.p, o->hello.n);
	s->table = s->mem->alloc(s->mem->ctx, WEIR_EDGE_EPOCHS * sizeof(*s->table), 16);
	s->cursor = cursor;
	s->base = base;
	s->next = s->floor = s->sent = s->confirmable = base.seq;
	s->knows_end = o->knows_end;
	if (o->knows_end)
		s->confirmable = WEIR_MAX(base.seq, o->end);
	s->info.received = s->info.durable = base.seq;
	return s;
}

void weir_edge_out_free(struct weir_edge_out *o)
{
	const struct weir_mem *m = o->mem;

	m->free(m->ctx, o->hello, o->hello_bytes);
	m->free(m->ctx, o->table, WEIR_EDGE_EPOCHS * sizeof(*o->table));
	m->free(m->ctx, o, sizeof(*o));
}

/* ---- ends of the edge ---- */

int weir__edge_out_fail(struct weir_edge_out *o, struct weir_err *err)
{
	o->info.in_session = false;
	return weir_err_set(err, o->fail.code, "%s", o->fail.text);
}

int weir__edge_out_fork(struct weir_edge_out *o, uint64_t seq, uint64_t chain)
{
	weir_probe("edge.out_fork");
	o->say_fork = true;
	o->fork_seq = seq;
	o->fork_chain = chain;
	return weir_err_set(
		&o->fail, WEIR_E_CORRUPT,
		"the receiver has other records than this region before number %llu: one of the "
		"two state directories is older than what it once confirmed; nothing was dropped, "
		"restore that directory from its newest copy",
		(unsigned long long)seq);
}

/* ---- the session ---- */

void weir__edge_out_trim(struct weir_edge_out *o)
{
	uint64_t durable = weir_planted(EDGE_TRIM_ON_RECEIPT) ? o->info.received : o->info.durable;

	/* Before the chains were compared, the receiver may mean other records than ours. */
	if (o->unsure)
		return;
	while (o->count && edge_epoch_at(o, 0)->end.seq <= durable) {
		struct edge_epoch *e = edge_epoch_at(o, 0);

		/* I10: nothing that is not durable at the receiver is given up. */
		weir_assert(e->end.seq <= o->info.durable || weir_planted(EDGE_TRIM_ON_RECEIPT));
		weir_assert(e->epoch > o->cursor && e->end.seq > o->base.seq);
		o->cursor = e->epoch;
		o->base = e->end;
		o->staged -= e->staged;
		o->first = (o->first + 1) % WEIR_EDGE_EPOCHS;
		o->count--;
	}
	/* An old GAP may have led below: nobody wants that any more. */
	o->next = WEIR_MAX(o->next, o->base.seq);
}

/* Do we know the chain there without walking through a part? *ret: the chain. */
static bool chain_known(const struct weir_edge_out *o, uint64_t seq, uint64_t *ret)
{
	uint32_t low = 0, high = o->count;

	if (seq == o->base.seq) {
		*ret = o->base.chain;
		return true;
	}
	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (edge_epoch_at(o, mid)->end.seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == o->count || edge_epoch_at(o, low)->end.seq != seq)
		return false;
	*ret = edge_epoch_at(o, low)->end.chain;
	return true;
}

/* The receiver asked for a place: everything from there on is to be offered again. */
static int go_to(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	uint64_t chain, start = h->seq - h->count;

	o->asked = (struct edge_asked){.seq = h->seq, .chain = h->chain, .count = h->count};
	o->unsure = true;
	o->next = start;
	o->committed = o->floor;
	o->again = true;
	for (uint32_t i = o->count; i-- > 0;) {
		struct edge_epoch *e = edge_epoch_at(o, i);
		uint64_t begin = i ? edge_epoch_at(o, i - 1)->end.seq : o->base.seq;

		/* Of an epoch that goes again in part the rest counts twice: less is shipped early, never too much. */
		if (begin < start)
			break;
		o->staged -= e->staged;
		e->staged = 0;
	}
	/* Otherwise it is seen when the epoch is offered that has the batch. */
	if (h->count || !chain_known(o, start, &chain))
		return 0;
	if (chain != h->chain && !weir_planted(EDGE_NO_CHAIN))
		return weir__edge_out_fork(o, start, chain);
	o->unsure = false;
	weir__edge_out_trim(o);
	return 0;
}

static int fenced(struct weir_edge_out *o, uint64_t fence)
{
	weir_probe("edge.out_fenced");
	return weir_err_set(&o->fail, WEIR_E_BUSY,
			    "the receiver has heard a newer owner of this edge (fence %llu, ours "
			    "is %llu): this process was replaced and must not go on",
			    (unsigned long long)fence, (unsigned long long)o->fence);
}

static int session_begin(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	weir_probe("edge.out_session");
	o->info.in_session = true;
	o->info.session = edge_session(h);
	o->info.sessions++;
	o->info.blocked_by[0] = 0;
	o->say_hello = true;
	o->hello_timer.at_ns = 0;
	o->credit = h->epoch;
	o->confirmable = WEIR_MAX(o->confirmable, h->seq);
	/* A receiver that lost what it had confirmed: as long as it is all here, it gets it again. */
	o->info.durable = WEIR_MIN(o->info.durable, h->seq);
	o->info.received = WEIR_MIN(o->info.received, h->seq);
	if (weir_planted(EDGE_RESUME_GUESS)) {
		o->unsure = false;
		return 0;
	}
	o->floor = h->seq - h->count;
	/* Nothing is staged at the receiver now. */
	for (uint32_t i = 0; i < o->count; i++)
		edge_epoch_at(o, i)->staged = 0;
	o->staged = 0;
	return go_to(o, h);
}

static int resume(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	uint64_t session = edge_session(h);

	if (session == 0 || session < o->highest_session || h->count > h->seq) {
		weir_probe("edge.out_old_resume");
		o->info.dropped++;
		return 0;
	}
	if (o->info.in_session && session == o->info.session) {
		/* The answer was not heard yet. */
		weir_probe("edge.out_resume_twice");
		o->say_hello = true;
		return 0;
	}
	if (h->fence > o->fence && !weir_planted(EDGE_FENCE_IGNORED))
		return fenced(o, h->fence);
	if (o->renewable && edge_lineage(h->fence) < edge_lineage(o->fence)) {
		/* It means records of an earlier directory, or none: it has to hear of this one first. */
		weir_probe("edge.out_old_lineage");
		o->info.in_session = false;
		o->say_hello = true;
		o->info.dropped++;
		return 0;
	}
	o->highest_session = session;
	if (h->seq - h->count < o->base.seq) {
		weir_probe("edge.out_trimmed");
		o->say_trimmed = true;
		o->trimmed_session = session;
		o->info.in_session = false;
		o->hello_timer.at_ns = 0;
		return 0;
	}
	if (o->knows_end && h->seq > o->confirmable && !weir_planted(EDGE_NO_CHAIN)) {
		weir_probe("edge.out_receiver_ahead");
		return weir__edge_out_fork(o, o->confirmable, 0);
	}
	return session_begin(o, h);
}

static int gap(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	/* While chains are to be compared nothing was sent that could be missing. */
	if (o->unsure || h->count > h->seq || h->seq - h->count < o->floor ||
	    h->seq - h->count > o->next) {
		weir_probe("edge.out_old_gap");
		o->info.dropped++;
		return 0;
	}
	if (h->seq - h->count < o->base.seq) {
		/* From before it confirmed more, and then it drops the answer. Else it has to stop. */
		weir_probe("edge.out_gap_trimmed");
		o->say_trimmed = true;
		o->trimmed_session = o->info.session;
		return 0;
	}
	weir_probe("edge.out_gap");
	o->info.gaps++;
	return go_to(o, h);
}

/* RECEIVED, DURABLE: the receiver cannot have applied what was never committed. */
static int confirm(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	if (o->knows_end && h->seq > o->confirmable) {
		weir_probe("edge.out_broken_confirmation");
		return weir_err_set(
			&o->fail, WEIR_E_CORRUPT,
			"the receiver confirms records below number %llu, only those below "
			"%llu were committed: the state of one of the two regions is damaged; "
			"run weir verify on both state directories",
			(unsigned long long)h->seq, (unsigned long long)o->confirmable);
	}
	o->info.received = WEIR_MAX(o->info.received, h->seq);
	if (h->f.flags == WEIR_LANE_DURABLE)
		o->info.durable = WEIR_MAX(o->info.durable, h->seq);
	else
		o->credit = h->epoch;
	weir__edge_out_trim(o);
	return 0;
}

static int in_session(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	switch (h->f.flags) {
	case WEIR_LANE_RECEIVED:
	case WEIR_LANE_DURABLE:
		return confirm(o, h);
	case WEIR_LANE_GAP:
		return gap(o, h);
	case WEIR_LANE_STATUS:
		weir__edge_text(h, o->info.blocked_by, sizeof(o->info.blocked_by));
		return 0;
	default:
		weir_probe("edge.out_told_of_fork");
		return weir_err_set(&o->fail, WEIR_E_CORRUPT,
				    "the receiver says that its records before number %llu are "
				    "others than those sent: nothing was dropped; see its log",
				    (unsigned long long)h->seq);
	}
}

/* ---- frames ---- */

static void lane_opened(struct weir_edge_out *o, uint64_t now)
{
	weir_probe("edge.out_open");
	o->info.lane_open = true;
	o->info.in_session = false;
	o->info.open_since_ns = now;
	o->info.closed_since_ns = 0;
	o->info.reason[0] = 0;
	/* Sessions of another opening: the receiver may have started anew with lower numbers. */
	o->highest_session = 0;
	o->say_hello = true;
	o->say_trimmed = false;
	edge_timer_start(&o->hello_timer, now);
}

static void lane_closed(struct weir_edge_out *o, const struct weir_lane_head *h, uint64_t now)
{
	weir_probe("edge.out_closed");
	if (o->info.lane_open || o->info.closed_since_ns == 0)
		o->info.closed_since_ns = now;
	o->info.lane_open = o->info.in_session = false;
	o->info.open_since_ns = 0;
	o->say_hello = o->say_trimmed = false;
	o->hello_timer.at_ns = 0;
	weir__edge_text(h, o->info.reason, sizeof(o->info.reason));
}

static int frame(struct weir_edge_out *o, const struct weir_lane_head *h)
{
	switch (h->f.flags) {
	case WEIR_LANE_RESUME:
		return resume(o, h);
	case WEIR_LANE_FENCED:
		if (h->fence > o->fence)
			return fenced(o, h->fence);
		break;
	case WEIR_LANE_RECEIVED:
	case WEIR_LANE_DURABLE:
	case WEIR_LANE_GAP:
	case WEIR_LANE_STATUS:
	case WEIR_LANE_FORK:
		if (o->info.in_session &&
		    (edge_session(h) == o->info.session || weir_planted(EDGE_OLD_SESSION)))
			return in_session(o, h);
		weir_probe("edge.out_old_session");
		break;
	default:
		weir_probe("edge.out_senders_frame");
		break;
	}
	o->info.dropped++;
	return 0;
}

int weir_edge_out_receive(struct weir_edge_out *o, const struct weir_lane_head *h, uint64_t mono_ns,
			  struct weir_err *err)
{
	if (o->fail.code)
		return weir__edge_out_fail(o, err);
	if (weir_lane_check(h, weir_frame_stride(&h->f)) < 0) {
		weir_probe("edge.out_no_frame");
		o->info.dropped++;
		return 0;
	}
	if (h->f.flags == WEIR_LANE_OPEN) {
		lane_opened(o, mono_ns);
	} else if (h->f.flags == WEIR_LANE_CLOSED) {
		lane_closed(o, h, mono_ns);
	} else if (h->f.key_hash != o->edge || !o->info.lane_open) {
		weir_probe("edge.out_stray");
		o->info.dropped++;
	} else {
		frame(o, h);
	}
	return o->fail.code ? weir__edge_out_fail(o, err) : 0;
}

uint64_t weir_edge_out_cursor(const struct weir_edge_out *o)
{
	return o->cursor;
}

bool weir_edge_out_again(struct weir_edge_out *o)
{
	bool again = o->again;

	o->again = false;
	return again;
}

void weir_edge_out_info(const struct weir_edge_out *o, struct weir_edge_out_info *ret)
{
	*ret = o->info;
	ret->next_seq = o->next;
}
