/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/edge_pair.h - both ends of an edge with a sender's journal and a receiver's bundles around them, joined by
 * queues. Everything happens because a generator with a seed says so.
 *
 * Oracle: every record is known by a hash. `truth` is what the sender has committed, in order; what the receiver takes out must
 *         be that, and never more of it.
 * Use:    pair_run(seed, ...) runs one world. Errors of an end are failures, except where the world was told to restore an old
 *         copy of one end: then the edge must stop, or be right.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_EDGE_PAIR_H
#define WEIR_TESTS_UNIT_ENGINE_EDGE_PAIR_H

#include <setjmp.h>

#include "base/checksum.h"
#include "base/prng.h"
#include "tests/unit/engine/edge_case.h"

#define PAIR_EPOCHS 256
#define PAIR_RECORDS 8192
#define PAIR_FROZEN 6
#define PAIR_OLD 64
#define PAIR_STAGING 3000
#define PAIR_READY 2000

struct pair_epoch {
	uint64_t epoch, prev, end; /* end: sequence behind it */
	struct weir_reader part;
};

/* One life of the sending cell. A zombie is one whose successor has begun. */
struct pair_sender {
	struct pair *pair;
	uint64_t fence, salt, newest;
	struct weir_edge_writer w;
	uint64_t batch[128];
	struct weir_edge_out *out;
	struct pair_epoch epoch[PAIR_EPOCHS]; /* committed ones, then aligned ones */
	uint32_t committed, count, prepared, applied;
	uint64_t print[PAIR_RECORDS]; /* of every record it ever numbered */
	bool open, zombie;
};

struct pair_place {
	uint64_t epoch, applied;
	uint8_t bytes[96];
	size_t n;
};

struct pair_receiver {
	struct weir_edge_in *in;
	uint64_t life, applied, epoch;
	struct pair_place frozen[PAIR_FROZEN];
	uint32_t frozen_count;
	struct pair_place durable[PAIR_OLD]; /* newest last */
	uint32_t durable_count;
	bool open;
};

/* What may happen in this world. */
struct pair_faults {
	bool duplicate, reorder, corrupt, old, crash, close, zombie, narrow;
	bool old_receiver, old_sender; /* an end is restored from a copy that is too old */
};

struct pair {
	struct weir_prng rnd;
	struct pair_faults can;
	struct weir_region region;
	uint64_t now;
	struct pair_sender *s, *dead; /* dead: may come back as a zombie */
	struct pair_receiver r;
	struct edge_wire out, in; /* of the sender: towards the receiver, and from it */
	struct edge_wire grave; /* frames of earlier days */
	uint64_t truth[PAIR_RECORDS], truth_count; /* committed records */
	uint64_t saved_cursor, durable_ever, number;
	bool forked, must_stop;
	uint64_t resumed_session, resumed_at, first_of; /* a session begins where RESUME said */
	int stopped; /* code of the error that ended an end */
	char why[300]; /* "": right */
};

#define PAIR_MS ((uint64_t)WEIR_NS_PER_MS)

static inline bool pair_dice(struct pair *p, uint64_t num, uint64_t den)
{
	return weir_prng_chance(&p->rnd, num, den);
}

static inline void pair_wrong(struct pair *p, const char *fmt, ...) weir_printf_like(2, 3);
static inline void pair_wrong(struct pair *p, const char *fmt, ...)
{
	va_list ap;

	if (p->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
}

/* An end gave up. */
static inline void pair_error(struct pair *p, const char *who, const struct weir_err *err)
{
	p->stopped = err->code;
	if (p->forked && err->code == WEIR_E_CORRUPT)
		return;
	if (p->can.old_receiver && err->code == WEIR_E_LIMIT)
		return;
	pair_wrong(p, "%s stopped: %s", who, err->text);
}

static inline uint64_t pair_print(const struct weir_frame *f)
{
	uint64_t h = weir_hash64_seed(&f->time_ns, sizeof(f->time_ns), f->kind);

	return weir_hash64_seed(f + 1, f->size - sizeof(*f), h + f->size);
}

/* ---- the lane ---- */

static inline void pair_push(struct edge_wire *w, const struct edge_wire_frame *f, bool front)
{
	struct edge_wire_frame *c = malloc(sizeof(*c) + f->n);

	memcpy(c, f, sizeof(*c) + f->n);
	c->next = front ? w->first : NULL;
	if (front) {
		w->first = c;
		if (!w->last)
			w->last = c;
	} else {
		if (w->last)
			w->last->next = c;
		else
			w->first = c;
		w->last = c;
	}
	w->count++;
}

static inline void pair_bury(struct pair *p, const struct edge_wire_frame *f)
{
	if (p->can.old && p->grave.count < 64)
		pair_push(&p->grave, f, false);
}

static inline void pair_lose_all(struct pair *p)
{
	struct edge_wire *side[] = {&p->out, &p->in};

	for (int k = 0; k < 2; k++) {
		struct edge_wire_frame *f;

		while ((f = edge_wire_pop(side[k]))) {
			side[k]->room++;
			pair_bury(p, f);
			free(f);
		}
	}
}

/* What only the gateway says. */
static inline struct edge_wire_frame *pair_local(enum weir_lane_type type, const char *why)
{
	uint32_t n = (uint32_t)strlen(why);
	struct edge_wire_frame *f = calloc(1, sizeof(*f) + 64 + WEIR_ALIGN_UP(n, 8u));

	memcpy(edge_head(f) + 1, why, n);
	weir_lane_seal_body(edge_head(f), type, n);
	f->n = 64 + WEIR_ALIGN_UP(n, 8u);
	return f;
}

static inline void pair_sender_hears(struct pair_sender *s, struct edge_wire_frame *f);
static inline void pair_receiver_hears(struct pair *p, struct edge_wire_frame *f);

static inline void pair_open_side(struct pair *p, bool sender, bool open)
{
	struct edge_wire_frame *f =
		pair_local(open ? WEIR_LANE_OPEN : WEIR_LANE_CLOSED, open ? "" : "test\n");

	if (sender) {
		p->s->open = open;
		pair_sender_hears(p->s, f);
	} else {
		p->r.open = open;
		pair_receiver_hears(p, f);
	}
	free(f);
}

static inline void pair_close(struct pair *p)
{
	pair_lose_all(p);
	if (p->s->open)
		pair_open_side(p, true, false);
	if (p->r.open)
		pair_open_side(p, false, false);
}

/* ---- the sending cell ---- */

static inline void pair_sender_hears(struct pair_sender *s, struct edge_wire_frame *f)
{
	struct pair *p = s->pair;
	const struct weir_lane_head *h = edge_head(f);
	struct weir_edge_out_info info;
	struct weir_err err = {0};

	if (weir_edge_out_receive(s->out, h, p->now, &err) < 0) {
		if (s->zombie)
			p->dead = NULL; /* it knows now, or finds that others went on */
		else
			pair_error(p, "sender", &err);
		return;
	}
	weir_edge_out_info(s->out, &info);
	if (h->f.flags == WEIR_LANE_RESUME && info.in_session &&
	    info.session == (uint64_t)h->f.time_ns && info.session != p->resumed_session &&
	    !s->zombie) {
		p->resumed_session = info.session;
		p->resumed_at = h->seq - h->count;
	}
	if (weir_edge_out_again(s->out)) {
		uint64_t cursor = weir_edge_out_cursor(s->out);

		for (s->applied = 0; s->applied < s->committed; s->applied++)
			if (s->epoch[s->applied].epoch > cursor)
				break;
	}
	/* I10: what is given up is durable at the receiver. */
	for (uint32_t i = 0; i < s->count && s->epoch[i].epoch <= weir_edge_out_cursor(s->out); i++)
		if (s->epoch[i].end > p->durable_ever)
			pair_wrong(p, "epoch %llu is confirmed, and not durable",
				   (unsigned long long)s->epoch[i].epoch);
}

static inline void pair_produce(struct pair_sender *s, uint64_t records)
{
	struct pair *p = s->pair;

	for (; records && s->w.pos.seq + s->w.count < PAIR_RECORDS - 1; records--) {
		static const uint8_t kind[] = {WEIR_FRAME_WATERMARK, WEIR_FRAME_IDLE};
		uint64_t seq = s->w.pos.seq + s->w.count;
		const struct weir_frame *f =
			pair_dice(p, 1, 8)
				? edge_ctl(kind[weir_prng_below(&p->rnd, 2)], (int64_t)s->salt)
				: edge_row(seq + s->salt * 100000,
					   (uint32_t)weir_prng_below(
						   &p->rnd, pair_dice(p, 1, 50) ? 2000 : 80));

		s->print[seq] = pair_print(f);
		weir_edge_writer_add(&s->w, f);
	}
}

static inline struct weir_reader pair_keep(struct pair *p, struct weir_out *o)
{
	size_t n = (size_t)o->bytes;
	void *m = weir_region_alloc(&p->region, n);

	weir_out_copy(o, m);
	weir_out_fini(o);
	return weir_reader_of(m, n);
}

/* An epoch is aligned; now and then one of two that were folded. */
static inline void pair_freeze(struct pair_sender *s)
{
	struct weir_out o;

	if (s->count == PAIR_EPOCHS)
		return;
	weir_out_init(&o, &weir_test_mem);
	weir_edge_writer_part(&s->w, &o);
	if (o.bytes && pair_dice(s->pair, 1, 8)) {
		pair_produce(s, 1 + weir_prng_below(&s->pair->rnd, 5));
		weir_edge_writer_part(&s->w, &o);
		s->newest++;
	}
	s->newest++;
	if (o.bytes == 0)
		return;
	s->epoch[s->count] = (struct pair_epoch){
		.epoch = s->newest,
		.prev = s->count ? s->epoch[s->count - 1].epoch : 0,
		.end = s->w.pos.seq,
		.part = pair_keep(s->pair, &o),
	};
	s->count++;
}

static inline void pair_commit(struct pair_sender *s)
{
	struct pair *p = s->pair;

	if (s->committed == s->count)
		return;
	if (!s->zombie) {
		/* What was committed before an old copy was restored stays the truth. */
		for (; !p->must_stop && p->truth_count < s->epoch[s->committed].end;
		     p->truth_count++)
			p->truth[p->truth_count] = s->print[p->truth_count];
		p->saved_cursor = weir_edge_out_cursor(s->out);
	}
	s->committed++;
}

/* false: nothing more goes out now. */
static inline bool pair_offer(struct pair_sender *s, uint32_t i, bool committed)
{
	const struct pair_epoch *e = &s->epoch[i];
	struct pair *p = s->pair;
	struct weir_err err = {0};
	int r = weir_edge_out_offer(s->out, e->epoch, e->prev, e->part, committed, &p->out.io,
				    p->now, &err);

	if (r < 0 && !s->zombie)
		pair_error(p, "sender", &err);
	return r == 0;
}

static inline void pair_prepare(struct pair_sender *s)
{
	s->prepared = WEIR_MAX(s->prepared, s->committed);
	if (pair_dice(s->pair, 1, 10) && s->count)
		pair_offer(s, (uint32_t)weir_prng_below(&s->pair->rnd, s->count), false);
	else if (s->prepared < s->count)
		pair_offer(s, s->prepared++, false);
}

static inline void pair_apply(struct pair_sender *s)
{
	while (s->applied < s->committed && !s->pair->stopped && pair_offer(s, s->applied, true))
		s->applied++;
}

/* The next life: what was committed is there. */
static inline void pair_sender_start(struct pair *p, const struct pair_sender *old, uint32_t keep)
{
	struct pair_sender *s = weir_region_new(&p->region, struct pair_sender);
	uint64_t cursor = p->saved_cursor;
	struct weir_edge_out_options o = {.edge = EDGE_ID,
					  .hello = EDGE_HELLO,
					  .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					  .mem = &weir_test_mem};
	struct weir_edge_walk walk;

	s->pair = p;
	s->fence = o.fence = (old ? old->fence : 0) + 1;
	s->salt = ++p->number;
	weir_edge_writer_init(&s->w, &weir_test_mem, s->batch,
			      8 * (uint32_t)weir_prng_range(&p->rnd, 16, 128));
	s->committed = s->count = s->prepared = keep;
	for (uint32_t i = 0; i < keep; i++)
		s->epoch[i] = old->epoch[i];
	if (old)
		memcpy(s->print, old->print, sizeof(s->print));
	s->newest = old ? old->newest : 0;
	if (keep && weir_edge_writer_restore(&s->w, s->epoch[keep - 1].part) < 0)
		pair_wrong(p, "a part cannot be restored");
	if (keep == 0 || s->epoch[keep - 1].epoch < cursor)
		cursor = keep ? s->epoch[keep - 1].epoch : 0;
	while (s->applied < keep && s->epoch[s->applied].epoch <= cursor)
		s->applied++;
	o.knows_end = p->forked || pair_dice(p, 1, 2);
	o.end = s->w.pos.seq;
	memset(&walk, 0, sizeof(walk));
	if (s->applied < keep)
		weir_edge_walk_begin(&walk, s->epoch[s->applied].part);
	else
		walk.at = s->w.pos;
	s->out = weir_edge_out_new(&o, cursor, walk.at);
	p->s = s;
}

static inline void pair_sender_end(struct pair_sender *s)
{
	weir_out_fini(&s->w.out);
	if (s->out)
		weir_edge_out_free(s->out);
	s->out = NULL;
}

/* ---- the receiving cell ---- */

static inline void pair_receiver_hears(struct pair *p, struct edge_wire_frame *f)
{
	struct weir_edge_in_info info;
	struct weir_err err = {0};

	if (weir_edge_in_receive(p->r.in, edge_head(f), p->now, &err) < 0) {
		pair_error(p, "receiver", &err);
		return;
	}
	weir_edge_in_info(p->r.in, &info);
	if (info.staged_bytes > PAIR_STAGING || info.ready_bytes > PAIR_READY + PAIR_STAGING + 4096)
		pair_wrong(p, "%u bytes staged, %u ready", info.staged_bytes, info.ready_bytes);
}

static inline void pair_check_row(struct pair *p, const struct weir_frame *f)
{
	uint64_t seq = p->r.applied++;

	if (seq >= p->truth_count)
		pair_wrong(p, "record %llu is applied and not committed", (unsigned long long)seq);
	else if (p->truth[seq] != pair_print(f))
		pair_wrong(p, "record %llu is another one", (unsigned long long)seq);
}

static inline void pair_take(struct pair *p)
{
	const struct weir_frame *row[16], *ctl;
	uint32_t n = weir_edge_in_take(
		p->r.in, row, (uint32_t)weir_prng_range(&p->rnd, 1, WEIR_COUNT_OF(row)), &ctl);

	weir_assert(!ctl || n == 0);
	for (uint32_t i = 0; i < n; i++)
		pair_check_row(p, row[i]);
	if (ctl)
		pair_check_row(p, ctl);
}

static inline void pair_receiver_freeze(struct pair *p)
{
	struct pair_receiver *r = &p->r;
	struct pair_place *f = &r->frozen[r->frozen_count];
	struct weir_out o;

	if (r->frozen_count == PAIR_FROZEN)
		return;
	weir_out_init(&o, &weir_test_mem);
	weir_edge_in_put(r->in, &o);
	weir_assert(o.bytes <= sizeof(f->bytes));
	f->n = (size_t)o.bytes;
	weir_out_copy(&o, f->bytes);
	weir_out_fini(&o);
	f->epoch = ++r->epoch;
	f->applied = r->applied;
	weir_edge_in_frozen(r->in, f->epoch);
	r->frozen_count++;
}

static inline void pair_receiver_durable(struct pair *p, bool told)
{
	struct pair_receiver *r = &p->r;

	if (!r->frozen_count)
		return;
	if (r->durable_count == PAIR_OLD) {
		memmove(r->durable, r->durable + 1, (PAIR_OLD - 1) * sizeof(*r->durable));
		r->durable_count--;
	}
	r->durable[r->durable_count++] = r->frozen[0];
	p->durable_ever = WEIR_MAX(p->durable_ever, r->frozen[0].applied);
	r->frozen_count--;
	memmove(r->frozen, r->frozen + 1, r->frozen_count * sizeof(*r->frozen));
	if (told)
		weir_edge_in_durable(r->in, r->durable[r->durable_count - 1].epoch);
}

/* A new life from its newest bundle, or (back) an older one. */
static inline void pair_receiver_start(struct pair *p, uint32_t back)
{
	struct pair_receiver *r = &p->r;
	struct weir_edge_in_options o = {.edge = EDGE_ID,
					 .life = ++r->life,
					 .hello = EDGE_HELLO,
					 .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					 .staging_bytes = PAIR_STAGING,
					 .ready_bytes = PAIR_READY,
					 .schema = edge_schema(),
					 .mem = &weir_test_mem};

	if (r->in)
		weir_edge_in_free(r->in);
	r->in = weir_edge_in_new(&o);
	r->frozen_count = 0;
	r->open = false;
	r->applied = 0;
	r->durable_count -= WEIR_MIN(back, r->durable_count);
	if (r->durable_count) {
		const struct pair_place *d = &r->durable[r->durable_count - 1];
		struct weir_reader in = weir_reader_of(d->bytes, d->n);

		r->applied = d->applied;
		if (weir_edge_in_restore(r->in, &in) < 0 || weir_reader_left(&in))
			pair_wrong(p, "a place cannot be restored");
	}
}

#endif
