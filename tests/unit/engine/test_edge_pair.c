/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of an edge under everything a lane and two regions can do to them. WEIR_SEED=N runs one world alone, WEIR_RUNS=N
 * more of them. In a build with planted bugs each of those of edges must be found.
 */
#include "base/hooks.h"
#include "tests/unit/engine/edge_pair.h"

static jmp_buf panicked;
static char panic_text[200];

static void on_panic(const char *file, int line, const char *what)
{
	snprintf(panic_text, sizeof(panic_text), "%s:%d: %s", file, line, what);
	longjmp(panicked, 1);
}

/* ---- steps ---- */

/* A session's first batch must be where RESUME said: nothing else shows that the sender did as it was told. */
static void check_first(struct pair *p, const struct weir_lane_head *h)
{
	if (h->f.flags != WEIR_LANE_DATA || p->s->zombie ||
	    (uint64_t)h->f.time_ns != p->resumed_session || p->first_of == p->resumed_session)
		return;
	p->first_of = p->resumed_session;
	/* What is durable there, as it hears meanwhile, need not go again. */
	if (h->seq != p->resumed_at && (h->seq < p->resumed_at || h->seq > p->durable_ever))
		pair_wrong(p, "RESUME said %llu, the sender began at %llu",
			   (unsigned long long)p->resumed_at, (unsigned long long)h->seq);
}

static void keep_checked(void *ctx, uint32_t n)
{
	struct pair *p = ctx;

	edge_wire_keep(&p->out, n);
	check_first(p, edge_head(p->out.last));
}

static void *claim_checked(void *ctx, uint32_t n)
{
	return edge_wire_claim(&((struct pair *)ctx)->out, n);
}

/* Frames of earlier days come before all others, in their order. */
static void dig_out(struct pair *p, struct edge_wire *w, uint32_t most)
{
	struct edge_wire found, rest;
	struct edge_wire_frame *f;

	edge_wire_init(&found);
	edge_wire_init(&rest);
	while ((f = edge_wire_pop(&p->grave))) {
		bool from_sender = edge_head(f)->f.flags <= WEIR_LANE_TRIMMED;

		pair_push(from_sender == (w == &p->out) && found.count < most ? &found : &rest, f,
			  false);
		free(f);
	}
	p->grave = rest;
	if (!found.first)
		return;
	found.last->next = w->first;
	w->first = found.first;
	if (!w->last)
		w->last = found.last;
	w->count += found.count;
}

static void spoil(struct pair *p, struct edge_wire *w)
{
	struct edge_wire_frame *f;

	if (p->can.duplicate && w->first && pair_dice(p, 1, 10))
		pair_push(w, w->first, pair_dice(p, 1, 2));
	if (p->can.reorder && w->count > 1 && pair_dice(p, 1, 10)) {
		f = edge_wire_pop(w);
		pair_push(w, f, false);
		free(f);
	}
	if (p->can.old && pair_dice(p, 1, 20))
		dig_out(p, w, pair_dice(p, 1, 2) ? 1 : UINT32_MAX);
	if (p->can.corrupt && w->first && pair_dice(p, 1, 20)) {
		pair_push(w, w->first, true);
		/* Never its size: how long a frame is was looked at before. */
		((uint8_t *)w->first->data)[weir_prng_range(&p->rnd, 4, w->first->n - 1)] ^=
			(uint8_t)weir_prng_range(&p->rnd, 1, 255);
	}
}

static bool tracing;

static void trace(const struct pair *p, const char *who, const struct weir_lane_head *h)
{
	if (tracing)
		printf("%8llu ms  to %-8s %-8s session %llx seq %llu count %u chain %04x fence %llu\n",
		       (unsigned long long)(p->now / PAIR_MS), who, weir_lane_type_name(h->f.flags),
		       (unsigned long long)h->f.time_ns, (unsigned long long)h->seq, h->count,
		       (unsigned)(h->chain & 0xffff), (unsigned long long)h->fence);
}

/* A frame for the receiver (or the sender), when that one listens. */
static bool deliver(struct pair *p, bool to_receiver)
{
	struct edge_wire *w = to_receiver ? &p->out : &p->in;
	struct edge_wire_frame *f;

	if (!(to_receiver ? p->r.open && weir_edge_in_room(p->r.in) : p->s->open))
		return false;
	spoil(p, w);
	f = edge_wire_pop(w);
	if (!f)
		return false;
	w->room++;
	if (pair_dice(p, 1, 16))
		pair_bury(p, f);
	trace(p, to_receiver ? "receiver" : "sender", edge_head(f));
	if (to_receiver)
		pair_receiver_hears(p, f);
	else
		pair_sender_hears(p->s, f);
	free(f);
	return true;
}

static void steps(struct pair *p)
{
	weir_edge_out_step(p->s->out, &p->out.io, p->now);
	weir_edge_in_step(p->r.in, &p->in.io, "", p->now);
}

static void crash_sender(struct pair *p)
{
	struct pair_sender *old = p->s;
	uint32_t keep;

	/* A commit may have reached the disk and nobody heard of it. */
	if (pair_dice(p, 1, 3))
		pair_commit(old);
	keep = old->committed;
	if (p->can.old_sender && !p->forked && pair_dice(p, 1, 3) && keep > 1) {
		uint64_t end;

		/* Both start, so that nothing is on its way: what the receiver has for good is all that counts. */
		pair_receiver_start(p, 0);
		keep = (uint32_t)weir_prng_below(&p->rnd, keep);
		p->forked = true;
		end = keep ? old->epoch[keep - 1].end : 0;
		if (p->r.applied > end)
			p->must_stop = true;
		else
			p->truth_count = end;
		p->durable_ever = WEIR_MIN(p->durable_ever, p->r.applied);
	}
	pair_sender_start(p, old, keep);
	if (p->forked)
		p->s->newest +=
			1000; /* the journal takes a new fence, and goes on with other epochs */
	if (p->can.zombie && !p->dead && !p->forked) {
		old->zombie = true;
		p->dead = old;
	} else {
		pair_sender_end(old);
	}
	if (p->forked || pair_dice(p, 3, 4))
		pair_close(p);
	else if (pair_dice(p, 1, 2))
		pair_open_side(p, true, true); /* and nobody tells the receiver */
	p->resumed_session = p->first_of = 0;
}

static void crash_receiver(struct pair *p)
{
	uint32_t back = 0;

	/* A bundle may be durable and nobody heard of it. */
	if (pair_dice(p, 1, 3))
		pair_receiver_durable(p, false);
	if (p->can.old_receiver && pair_dice(p, 1, 3))
		back = (uint32_t)weir_prng_below(&p->rnd, PAIR_OLD);
	pair_receiver_start(p, back);
	if (pair_dice(p, 3, 4))
		pair_close(p);
	else
		pair_open_side(p, false, true); /* and nobody tells the sender */
}

/* The sender before this one is not dead after all, and gets the lane. It also believes that it has committed. */
static void zombie(struct pair *p)
{
	struct pair_sender *living = p->s, *z = p->dead;
	struct weir_edge_in_info info;

	weir_edge_in_info(p->r.in, &info);
	if (!z || info.fence <= z->fence)
		return;
	pair_close(p);
	p->s = z;
	z->open = false;
	pair_open_side(p, true, true);
	pair_open_side(p, false, true);
	for (int i = 0; i < 60 && p->dead && !p->why[0] && !p->stopped; i++) {
		p->now += 40 * PAIR_MS;
		steps(p);
		pair_produce(z, 3);
		pair_freeze(z);
		pair_commit(z);
		pair_apply(z);
		deliver(p, true);
		deliver(p, false);
		pair_take(p);
	}
	p->s = living;
	p->dead = NULL;
	pair_lose_all(p);
	living->open = false;
	if (p->r.open)
		pair_open_side(p, false, false);
	pair_open_side(p, true, false);
	pair_sender_end(z);
}

static void lane_moves(struct pair *p)
{
	if (p->can.close && pair_dice(p, 1, 8))
		pair_close(p);
	if (!p->s->open && pair_dice(p, 1, 2))
		pair_open_side(p, true, true);
	if (!p->r.open && pair_dice(p, 1, 2))
		pair_open_side(p, false, true);
	if (p->can.narrow)
		p->out.room = pair_dice(p, 1, 2) ? 0 : (uint32_t)weir_prng_below(&p->rnd, 6);
}

static void random_step(struct pair *p)
{
	uint64_t dice = weir_prng_below(&p->rnd, 100);

	p->now += weir_prng_below(&p->rnd, pair_dice(p, 1, 20) ? 1000 * PAIR_MS : 20 * PAIR_MS);
	if (dice < 10)
		pair_produce(p->s, weir_prng_below(&p->rnd, 30));
	else if (dice < 17)
		pair_freeze(p->s);
	else if (dice < 24)
		pair_prepare(p->s);
	else if (dice < 31)
		pair_commit(p->s);
	else if (dice < 40)
		pair_apply(p->s);
	else if (dice < 55)
		for (uint64_t n = weir_prng_below(&p->rnd, 12); n && deliver(p, true); n--)
			;
	else if (dice < 65)
		for (uint64_t n = weir_prng_below(&p->rnd, 6); n && deliver(p, false); n--)
			;
	else if (dice < 78)
		pair_take(p);
	else if (dice < 82)
		pair_receiver_freeze(p);
	else if (dice < 86)
		pair_receiver_durable(p, true);
	else if (dice < 95)
		steps(p);
	else if (dice < 97)
		lane_moves(p);
	else if (dice < 98 && p->can.crash)
		crash_sender(p);
	else if (dice < 99 && p->can.crash)
		crash_receiver(p);
	else if (p->can.zombie)
		zombie(p);
}

/* ---- runs ---- */

static bool going(const struct pair *p)
{
	return !p->why[0] && !p->stopped;
}

/* Nothing bad happens any more: everything committed has to arrive (I12). */
static void heal(struct pair *p)
{
	uint64_t newest;

	if (tracing)
		printf("healing\n");

	memset(&p->can, 0, offsetof(struct pair_faults, old_receiver));
	p->out.room = p->in.room = UINT32_MAX / 2;
	if (pair_dice(p, 1, 2))
		pair_close(p);
	if (!p->s->open)
		pair_open_side(p, true, true);
	if (!p->r.open)
		pair_open_side(p, false, true);
	pair_produce(p->s, 10);
	pair_freeze(p->s);
	while (p->s->committed < p->s->count)
		pair_commit(p->s);
	newest = p->s->count ? p->s->epoch[p->s->count - 1].epoch : 0;
	for (int i = 0; going(p) && i < 2000; i++) {
		p->now += 25 * PAIR_MS;
		steps(p);
		pair_apply(p->s);
		for (int k = 0; k < 50 && going(p) && deliver(p, true); k++)
			;
		for (int k = 0; k < 50 && going(p) && deliver(p, false); k++)
			;
		if (!going(p))
			return;
		for (int k = 0; k < 4; k++)
			pair_take(p);
		pair_receiver_freeze(p);
		pair_receiver_durable(p, true);
		if (p->r.applied == p->truth_count && weir_edge_out_cursor(p->s->out) == newest)
			return;
	}
	if (going(p))
		pair_wrong(p, "stuck: %llu of %llu applied, cursor %llu of %llu",
			   (unsigned long long)p->r.applied, (unsigned long long)p->truth_count,
			   (unsigned long long)weir_edge_out_cursor(p->s->out),
			   (unsigned long long)newest);
}

static void set_up(struct pair *p, uint64_t seed)
{
	struct pair_faults *can = &p->can;

	p->rnd = weir_prng_of(seed, "edge pair");
	can->duplicate = pair_dice(p, 1, 3);
	can->reorder = pair_dice(p, 1, 3);
	can->corrupt = pair_dice(p, 1, 3);
	can->old = pair_dice(p, 1, 2);
	can->crash = pair_dice(p, 2, 3);
	can->close = pair_dice(p, 1, 2);
	can->narrow = pair_dice(p, 1, 4);
	can->zombie = can->crash && pair_dice(p, 1, 3);
	can->old_receiver = can->crash && pair_dice(p, 1, 4);
	can->old_sender = can->crash && !can->old_receiver && !can->zombie && pair_dice(p, 1, 4);
	weir_region_init(&p->region, &weir_test_mem);
	p->now = 1000 * PAIR_MS;
	edge_wire_init(&p->out);
	p->out.io = (struct weir_lane_io){claim_checked, keep_checked, p};
	edge_wire_init(&p->in);
	edge_wire_init(&p->grave);
	pair_sender_start(p, NULL, 0);
	pair_receiver_start(p, 0);
}

static void tear_down(struct pair *p)
{
	pair_sender_end(p->s);
	if (p->dead && p->dead != p->s)
		pair_sender_end(p->dead);
	weir_edge_in_free(p->r.in);
	edge_wire_clear(&p->out);
	edge_wire_clear(&p->in);
	edge_wire_clear(&p->grave);
	weir_region_fini(&p->region);
}

static struct pair world;

/* true: right. */
static bool run(uint64_t seed, char *ret_why, size_t cap)
{
	struct pair *p = &world;
	uint64_t n;

	memset(p, 0, sizeof(*p));
	if (setjmp(panicked)) {
		snprintf(ret_why, cap, "assertion: %s", panic_text);
		return false; /* what it held is lost */
	}
	set_up(p, seed);
	n = weir_prng_range(&p->rnd, 50, 1500);
	for (uint64_t i = 0; i < n && going(p); i++)
		random_step(p);
	if (going(p))
		heal(p);
	if (p->must_stop && going(p))
		pair_wrong(p, "the records of both ends differ, and nobody stopped");
	snprintf(ret_why, cap, "%s", p->why);
	tear_down(p);
	return !ret_why[0];
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void test_pair_random_worlds(void **state)
{
	uint64_t seed = number_of("WEIR_SEED", 0), runs = number_of("WEIR_RUNS", 2000), i;
	char why[300];

	(void)state;
	tracing = seed != 0;
	for (i = seed ? seed : 1; i <= (seed ? seed : runs); i++)
		if (!run(i, why, sizeof(why)))
			fail_msg("seed %llu: %s", (unsigned long long)i, why);
}

/* Every place that the protocol takes on the way. */
#define PROBES_MAX 128
static const char *probe[PROBES_MAX];
static uint64_t hits[PROBES_MAX];

static void on_probe(void *ctx, const char *name)
{
	(void)ctx;
	for (int i = 0; i < PROBES_MAX; i++) {
		if (!probe[i])
			probe[i] = name;
		if (strcmp(probe[i], name) == 0) {
			hits[i]++;
			return;
		}
	}
}

static bool on_buggify(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return pair_dice(&world, 1, 20);
}

static void test_pair_worlds_are_various(void **state)
{
	static const char *const must[] = {
		"edge.in_front_cut",	 "edge.in_gap",		 "edge.in_gap_again",
		"edge.in_commit_first",	 "edge.in_old_session",	 "edge.in_lost_session",
		"edge.in_fenced",	 "edge.in_trimmed",	 "edge.in_before_hello",
		"edge.in_resume_again",	 "edge.in_new_sender",	 "edge.in_no_frame",
		"edge.in_duplicate",	 "edge.in_old_commit",	 "edge.in_old_hello",
		"edge.out_fork",	 "edge.out_fenced",	 "edge.out_gap",
		"edge.out_trimmed",	 "edge.out_ship_early",	 "edge.out_no_credit",
		"edge.out_too_new",	 "edge.out_old_gap",	 "edge.out_old_resume",
		"edge.out_resume_twice", "edge.out_same_chain",	 "edge.out_ring_full",
		"edge.out_hello_again",	 "edge.out_old_session", "edge.answer_no_room",
	};
	struct weir_hooks hooks = {.probe = on_probe, .buggify = on_buggify};
	char why[300];

	(void)state;
	weir_hooks = &hooks;
	for (uint64_t seed = 1; seed <= 500; seed++)
		if (!run(seed, why, sizeof(why))) {
			weir_hooks = NULL;
			fail_msg("seed %llu with hooks: %s", (unsigned long long)seed, why);
		}
	weir_hooks = NULL;
	for (size_t i = 0; i < WEIR_COUNT_OF(must); i++) {
		uint64_t n = 0;

		for (int k = 0; k < PROBES_MAX && probe[k]; k++)
			if (strcmp(probe[k], must[i]) == 0)
				n = hits[k];
		if (getenv("WEIR_PROBES"))
			printf("%-28s %llu\n", must[i], (unsigned long long)n);
		if (!n)
			fail_msg("never met: %s", must[i]);
	}
}

static void test_pair_finds_planted_bugs(void **state)
{
	(void)state;
#ifdef WEIR_PLANTED
	static const char *const name[] = {
#define NAME(name, text) #name,
		WEIR_EDGE_PLANT_LIST(NAME)
#undef NAME
	};
	unsigned missed = 0;

	for (unsigned i = 0; i < WEIR_COUNT_OF(name); i++) {
		uint64_t seed = 1;
		char why[300] = "";

		weir_plant_now = (enum weir_plant)(WEIR_PLANT_EDGES + 1 + i);
		while (seed <= 3000 && run(seed, why, sizeof(why)))
			seed++;
		weir_plant_now = WEIR_PLANT_NONE;
		missed += seed > 3000;
		printf("%-28s %6llu  %.150s\n", name[i], (unsigned long long)seed, why);
	}
	assert_int_equal(missed, 0);
#else
	WEIR_SKIP("no bugs are planted in this build");
#endif
}

static int setup(void **state)
{
	(void)state;
	weir_panic_set_hook(on_panic);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_panic_set_hook(NULL);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_pair_random_worlds, setup, teardown),
	cmocka_unit_test_setup_teardown(test_pair_worlds_are_various, setup, teardown),
	cmocka_unit_test_setup_teardown(test_pair_finds_planted_bugs, setup, teardown),
};

WEIR_TEST_MAIN("engine/edge_pair", tests)
