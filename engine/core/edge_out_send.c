/* SPDX-License-Identifier: Apache-2.0 */
/* Sending end of an edge: parts become batches on the lane. */
#include "base/checksum.h"
#include "engine/core/edge_int.h"

/* ---- answers ---- */

bool weir__edge_out_say(struct weir_edge_out *o, const struct weir_lane_io *io,
			enum weir_lane_type type, struct weir_lane_head *h, struct weir_str body)
{
	h->f.key_hash = o->edge;
	h->fence = o->fence;
	if (!weir__edge_write(io, type, h, body))
		return false;
	o->info.frames_out++;
	o->info.bytes_out += WEIR_ALIGN_UP(EDGE_HEAD + body.n, 8u);
	return true;
}

bool weir__edge_out_answers(struct weir_edge_out *o, const struct weir_lane_io *io, uint64_t now)
{
	uint64_t session = o->info.in_session ? o->info.session : 0;

	if (!o->info.lane_open)
		return false;
	if (o->say_fork) {
		struct weir_lane_head h = {.f = {.time_ns = (int64_t)o->info.session},
					   .seq = o->fork_seq,
					   .chain = o->fork_chain};

		o->say_fork = !weir__edge_out_say(o, io, WEIR_LANE_FORK, &h, (struct weir_str){0});
	}
	if (o->fail.code)
		return false;
	if (o->say_trimmed) {
		struct weir_lane_head h = {.f = {.time_ns = (int64_t)o->trimmed_session},
					   .seq = o->base.seq,
					   .chain = o->base.chain};

		o->say_trimmed =
			!weir__edge_out_say(o, io, WEIR_LANE_TRIMMED, &h, (struct weir_str){0});
	}
	if (edge_timer_due(&o->hello_timer, now)) {
		weir_probe("edge.out_hello_again");
		o->say_hello = true;
		edge_timer_again(&o->hello_timer, now);
	}
	if (o->say_hello) {
		struct weir_lane_head h = {.f = {.time_ns = (int64_t)session},
					   .chain = weir_hash64_seed(o->hello, o->hello_bytes, 0)};

		o->say_hello = !weir__edge_out_say(o, io, WEIR_LANE_HELLO, &h,
						   (struct weir_str){(const char *)o->hello,
								     o->hello_bytes});
	}
	return !o->say_hello;
}

void weir_edge_out_step(struct weir_edge_out *o, const struct weir_lane_io *io, uint64_t mono_ns)
{
	weir__edge_out_answers(o, io, mono_ns);
}

/* ---- account of epochs ---- */

/* The entry that holds the epoch, a new one, or NULL: the table is full. */
static struct edge_epoch *epoch_of(struct weir_edge_out *o, uint64_t epoch,
				   const struct weir_edge_walk *w)
{
	uint32_t low = 0, high = o->count;
	struct edge_epoch *last = o->count ? edge_epoch_at(o, o->count - 1) : NULL, *e;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (edge_epoch_at(o, mid)->epoch < epoch)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < o->count)
		return edge_epoch_at(o, low);
	if (o->count == WEIR_EDGE_EPOCHS) {
		weir_probe("edge.out_table_full");
		/* Below the place where the receiver is, the newest of several will do. */
		if (!o->info.in_session || w->end.seq > o->asked.seq - o->asked.count)
			return NULL;
		last->epoch = epoch;
		last->end = w->end;
		return last;
	}
	e = edge_epoch_at(o, o->count++);
	*e = (struct edge_epoch){.epoch = epoch, .end = w->end};
	return e;
}

/* Where does the part stand? 0: known, or behind all that is known; 1: there is something between; <0: nowhere. */
static int place_of(const struct weir_edge_out *o, uint64_t epoch, const struct weir_edge_walk *w)
{
	const struct edge_epoch *last = o->count ? edge_epoch_at(o, o->count - 1) : NULL;
	struct weir_edge_pos end = last ? last->end : o->base;

	if (last && epoch <= last->epoch)
		return w->end.seq <= last->end.seq ? 0 : WEIR_E_CORRUPT;
	if (w->at.seq > end.seq)
		return 1;
	return w->at.seq == end.seq && w->at.chain == end.chain ? 0 : WEIR_E_CORRUPT;
}

static int damaged(struct weir_edge_out *o, uint64_t epoch, const char *what)
{
	return weir_err_set(
		&o->fail, WEIR_E_CORRUPT,
		"the records of epoch %llu for the other region are damaged (%s): run weir "
		"verify on the state directory",
		(unsigned long long)epoch, what);
}

/* ---- chains ---- */

/* Is the place the receiver asked for in our records? Reads on to it. */
static int compare(struct weir_edge_out *o, uint64_t epoch, struct weir_edge_walk w)
{
	uint64_t chain = w.end.chain;
	bool same = true;

	/* Of the next part: its end, when it asks for the inside of a batch. */
	if (o->next > w.end.seq || (o->next == w.end.seq && o->asked.count))
		return 0;
	if (o->next < w.end.seq) {
		struct weir_edge_batch b;

		do {
			if (weir_edge_walk_next(&w, &b) <= 0)
				return damaged(o, epoch, "a batch makes no sense");
		} while (b.seq + b.count <= o->next);
		chain = o->asked.count ? b.chain_after : b.chain_before;
		same = b.seq == o->next && o->asked.count < b.count;
	}
	if ((!same || chain != o->asked.chain) && !weir_planted(EDGE_NO_CHAIN))
		return weir__edge_out_fork(o, o->next, chain);
	weir_probe("edge.out_same_chain");
	o->unsure = false;
	weir__edge_out_trim(o);
	return 0;
}

/* ---- batches ---- */

/* 0, WEIR_EDGE_LATER: no room. */
static int send_batch(struct weir_edge_out *o, uint64_t epoch, const struct weir_edge_batch *b,
		      const struct weir_lane_io *io)
{
	uint32_t n = EDGE_DATA_HEAD + b->bytes;
	struct weir_lane_data d = {.raw_bytes = b->bytes};
	struct weir_lane_head *h;
	uint8_t *body;

	h = weir_buggify("edge.out_no_room") ? NULL : io->claim(io->ctx, n);
	if (!h) {
		weir_probe("edge.out_ring_full");
		return WEIR_EDGE_LATER;
	}
	*h = (struct weir_lane_head){.f = {.key_hash = o->edge,
					   .time_ns = (int64_t)o->info.session},
				     .epoch = epoch,
				     .seq = b->seq,
				     .fence = o->fence,
				     .chain = b->chain_before,
				     .count = b->count};
	body = (uint8_t *)(h + 1);
	n = 0;
	if (o->codecs && o->codecs->pack)
		n = o->codecs->pack(o->codecs->ctx, b->p, b->bytes, body + sizeof(d), b->bytes - 1,
				    &d.codec);
	if (n == 0) {
		d.codec = WEIR_LANE_PLAIN;
		memcpy(body + sizeof(d), b->p, b->bytes);
		n = b->bytes;
	}
	memcpy(body, &d, sizeof(d));
	weir_lane_seal_body(h, WEIR_LANE_DATA, (uint32_t)sizeof(d) + n);
	io->keep(io->ctx, weir_frame_stride(&h->f));
	o->info.frames_out++;
	o->info.bytes_out += weir_frame_stride(&h->f);
	o->info.raw_bytes_out += b->bytes;
	if (b->seq < o->sent)
		o->info.resent++;
	o->sent = WEIR_MAX(o->sent, b->seq + b->count);
	return 0;
}

static int send_commit(struct weir_edge_out *o, struct edge_epoch *e, uint64_t epoch,
		       const struct weir_edge_walk *w, const struct weir_lane_io *io)
{
	struct weir_lane_head h = {.f = {.time_ns = (int64_t)o->info.session},
				   .epoch = epoch,
				   .seq = w->end.seq,
				   .chain = w->end.chain};

	if (!weir__edge_out_say(o, io, WEIR_LANE_COMMIT, &h, (struct weir_str){0}))
		return WEIR_EDGE_LATER;
	o->committed = w->end.seq;
	o->confirmable = WEIR_MAX(o->confirmable, w->end.seq);
	o->staged -= e->staged;
	e->staged = 0;
	return 0;
}

/* Goes on where the last call for the same part stopped, when nothing before that is wanted. */
static void walk_from(const struct weir_edge_out *o, uint64_t epoch, struct weir_reader part,
		      struct weir_edge_walk *w)
{
	if (o->walk_epoch != epoch || o->walk_bytes != weir_reader_left(&part) ||
	    o->walk.at.seq > o->next)
		return;
	*w = o->walk;
	w->in = weir_reader_of(part.p + o->walk_at, o->walk_bytes - o->walk_at);
}

static void walk_keep(struct weir_edge_out *o, uint64_t epoch, struct weir_reader part,
		      const struct weir_edge_walk *w)
{
	o->walk = *w;
	o->walk_epoch = epoch;
	o->walk_at = (size_t)(w->in.p - part.p);
	o->walk_bytes = weir_reader_left(&part);
}

/* 0, WEIR_EDGE_LATER, <0. */
static int send_batches(struct weir_edge_out *o, struct edge_epoch *e, uint64_t epoch,
			struct weir_reader part, struct weir_edge_walk w,
			const struct weir_lane_io *io)
{
	int r = 0, k = 1;

	walk_from(o, epoch, part, &w);
	while (r == 0) {
		struct weir_edge_walk before = w;
		struct weir_edge_batch b;
		uint64_t cost;

		k = weir_edge_walk_next(&w, &b);
		if (k <= 0)
			break;
		if (b.seq < o->next)
			continue;
		cost = b.bytes + WEIR_EDGE_BATCH_COST;
		if (b.seq != o->next || b.bytes > o->frame_max - EDGE_DATA_HEAD)
			return damaged(o, epoch, "a batch does not fit");
		if (b.seq >= o->committed && o->staged + cost > o->credit) {
			weir_probe("edge.out_no_credit");
			r = WEIR_EDGE_LATER;
		} else {
			r = send_batch(o, epoch, &b, io);
		}
		if (r) {
			w = before;
			break;
		}
		o->next = b.seq + b.count;
		if (b.seq >= o->committed) {
			weir_probe("edge.out_ship_early");
			e->staged += cost;
			o->staged += cost;
		}
	}
	if (k < 0)
		return damaged(o, epoch, "a batch makes no sense");
	walk_keep(o, epoch, part, &w);
	return r;
}

/* The epoch is in the account, and in this session, from the place on that the receiver asked for. 1, 0, <0. */
static int enter(struct weir_edge_out *o, uint64_t epoch, const struct weir_edge_walk *w,
		 bool committed, struct edge_epoch **ret)
{
	int r = place_of(o, epoch, w);

	/* Epochs may be offered early with some left out; committed ones come one after the other. */
	if (r < 0 || (r > 0 && committed))
		return damaged(o, epoch, "it does not go on where the one before ended");
	*ret = r == 0 ? epoch_of(o, epoch, w) : NULL;
	return *ret && o->info.in_session && !o->say_hello;
}

/* <0, WEIR_EDGE_LATER, 0: nothing is left. */
static int offer(struct weir_edge_out *o, uint64_t epoch, struct weir_reader part, bool committed,
		 const struct weir_lane_io *io, uint64_t now)
{
	struct weir_edge_walk w;
	struct edge_epoch *e = NULL;
	int r;

	if (weir_edge_walk_begin(&w, part) < 0)
		return damaged(o, epoch, "it is no part of an edge");
	weir__edge_out_answers(o, io, now);
	r = enter(o, epoch, &w, committed, &e);
	if (r <= 0)
		return r < 0 ? r : WEIR_EDGE_LATER;
	if (w.at.seq > o->next) {
		/* Epochs before it have to come again first. */
		weir_probe("edge.out_too_new");
		return WEIR_EDGE_LATER;
	}
	if (o->unsure) {
		r = compare(o, epoch, w);
		if (r < 0)
			return r;
		/* All of it is confirmed, or below the place where the receiver is. */
		if (epoch <= o->cursor || o->unsure)
			return 0;
	}
	if (committed && o->committed < w.end.seq) {
		r = send_commit(o, e, epoch, &w, io);
		if (r)
			return r;
	}
	return o->next < w.end.seq ? send_batches(o, e, epoch, part, w, io) : 0;
}

int weir_edge_out_offer(struct weir_edge_out *o, uint64_t epoch, uint64_t prev,
			struct weir_reader part, bool committed, const struct weir_lane_io *io,
			uint64_t mono_ns, struct weir_err *err)
{
	int r;

	if (o->fail.code)
		return weir__edge_out_fail(o, err);
	weir_assert(prev < epoch);
	if (epoch <= o->cursor)
		return 0;
	r = offer(o, epoch, part, committed, io, mono_ns);
	if (r < 0)
		return weir__edge_out_fail(o, err);
	return committed ? r : 0;
}
