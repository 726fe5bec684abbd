/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/assert.h"
#include "tests/sim/disk.h"
#include "tests/sim/hooks.h"
#include "tests/sim/life.h"
#include "tests/sim/regions.h"
#include "tests/sim/sink.h"
#include "tests/sim/situation.h"

#define CALM_NS_MAX ((uint64_t)120 * WEIR_NS_PER_S) /* to the end, once faults have ended (L1) */
#define EVENT_NS ((uint64_t)10 * WEIR_NS_PER_MS) /* the world looks for faults so often */
#define KILL_WAIT_NS ((uint64_t)200 * WEIR_NS_PER_MS) /* for the moment of a kill */
#define LIVES_MAX 300

struct sim *sim_now;

struct sim_scratch_block {
	struct sim_scratch_block *next;
	uint64_t data[];
};

void *sim_scratch(struct sim *s, size_t n)
{
	struct sim_scratch_block *b = sim_alloc(sizeof(*b) + n);

	b->next = s->scratch;
	s->scratch = b;
	return b->data;
}

void sim_fail(struct sim *s, const char *id, const char *fmt, ...)
{
	va_list ap;

	snprintf(s->verdict.id, sizeof(s->verdict.id), "%s", id);
	va_start(ap, fmt);
	vsnprintf(s->verdict.text, sizeof(s->verdict.text), fmt, ap);
	va_end(ap);
	longjmp(s->out, SIM_JUMP_FAIL);
}

/* An assertion of the production code: it found the bug before any checker did. */
static void on_panic(const char *file, int line, const char *what)
{
	if (sim_now)
		sim_fail(sim_now, "ASSERT", "%s:%d: %s", file, line, what);
}

/* ---- kills ---- */

void sim_moment(struct sim *s, enum sim_moment at)
{
	struct sim_kill *k = &s->kill;

	if (s->story && s->story->kill && s->story->kill(s, at, &k->power))
		longjmp(s->out, SIM_JUMP_KILL);
	if (!k->armed || s->calm)
		return;
	if (at == SIM_AT_ROUND && s->now >= k->until_ns)
		k->at = SIM_AT_ROUND, k->left = 0;
	if (k->at != at || k->left-- > 0)
		return;
	longjmp(s->out, SIM_JUMP_KILL);
}

static void arm(struct sim *s)
{
	struct sim_kill *k = &s->kill;

	k->armed = true;
	k->power = sim_fault(s, SIM_POWER, 500000);
	k->at = SIM_AT_ROUND;
	k->left = 0;
	if (sim_fault(s, SIM_KILL_AT, 700000)) {
		k->at = SIM_AT_DISK + (enum sim_moment)sim_fault_pick(s, SIM_KILL_AT, 5);
		k->left = (uint32_t)sim_fault_pick(s, SIM_KILL_AT, k->at < SIM_AT_MAKE ? 12 : 2);
	}
	k->until_ns = s->now + KILL_WAIT_NS;
}

static uint64_t next_kill(struct sim *s)
{
	return s->now + weir_prng_below(&s->prng_kill, 2 * s->opt.kill_every_ns + 1);
}

/* What was going on when it was killed. */
static void killed(struct sim *s)
{
	const struct sim_life *l = s->life;
	bool starting = l && !l->cell_open;

	if (starting && s->killed_starting)
		sim_situation(SIM_SAW_KILL_STARTING);
	s->killed_starting = starting;
	if (!l || starting)
		return;
	if (s->disk->reading)
		sim_situation(SIM_SAW_KILL_BASE_READ);
	if (l->cell.round)
		sim_situation(SIM_SAW_KILL_ROUND);
	if (s->check->folding)
		sim_situation(SIM_SAW_KILL_FOLDED);
	if (l->stop && !l->cell.finished)
		sim_situation(SIM_SAW_KILL_STOPPING);
	if (l->cell.hold && !l->stop && !l->cell.ended)
		sim_situation(SIM_SAW_KILL_HELD);
}

static void dead(struct sim *s)
{
	struct sim_life *l = s->life;
	bool power = s->kill.power;

	s->kill.armed = false;
	for (uint32_t i = 0; l && l->cell_open && i < l->cell.sink_count; i++)
		if (l->job[i].busy && sim_fault(s, SIM_ZOMBIE, 500000))
			sim_sink_zombie(s, &l->job[i].job,
					sim_fault_pick(s, SIM_ZOMBIE, 2000) * WEIR_NS_PER_MS);
	sim_disk_kill(s->disk, power);
	sim_stores_kill(s->stores, power);
	if (l)
		sim_life_end(l);
	if (s->life_then)
		sim_life_end(s->life_then);
	s->life = s->life_then = NULL;
}

/* ---- starts ---- */

/* A stop with an error: was there a reason? */
static void excuse(struct sim *s, const struct weir_err *err, int r)
{
	struct sim_disk *d = s->disk;

	sim_trace(s, SIM_EV_ERROR, (uint64_t)-r, 0, 0);
	if (sim_disk_hurt(d) && (r == WEIR_E_CORRUPT || d->lost)) {
		s->verdict.damage_found++;
		sim_situation(SIM_SAW_DAMAGE_SEEN);
		sim_disk_heal(d);
		return;
	}
	if (d->write_failed || d->read_failed || d->full_seen || s->stores->away_seen)
		return;
	if (s->region && sim_region_excuse(s, err, r))
		return;
	sim_fail(s, r == WEIR_E_CORRUPT ? "I33" : "L1",
		 "the engine stops without a reason: %s (code %d)", err->text, r);
}

static uint32_t pick_parallelism(struct sim *s)
{
	if (s->life_count && sim_fault(s, SIM_RESCALE, 300000))
		return 1 + (uint32_t)sim_fault_pick(s, SIM_RESCALE, 4);
	return s->opt.parallelism;
}

/* What it starts with. */
static void started(struct sim *s, uint32_t before)
{
	const struct weir_cell *c = &s->life->cell;
	uint32_t waiting = 0, old = 0;

	for (uint32_t i = 0; i < c->sink_count; i++) {
		struct weir_cell_sink_info info;

		weir_cell_sink_info(c, i, &info);
		waiting += info.waiting > 0;
		old += info.waiting > 1;
	}
	if (waiting > 1)
		sim_situation(SIM_SAW_OUTBOX_TWO);
	if (old)
		sim_situation(SIM_SAW_OUTBOX_OLD);
	if (waiting && c->ended)
		sim_situation(SIM_SAW_ENDED_OUTBOX);
	if (!before || before == s->life->parallelism || !c->durable || c->ended) {
		s->rescales = 0;
		return;
	}
	if (s->opt.window == WEIR_WINDOW_SESSION)
		sim_situation(SIM_SAW_RESCALE_SESSIONS);
	if (++s->rescales == 2)
		sim_situation(SIM_SAW_RESCALE_BACK);
}

/* true: at work. false: it could not start, try again later. */
static bool start(struct sim *s, uint32_t parallelism)
{
	bool must_report = sim_disk_must_report(s->disk);
	int r;

	sim_trace(s, SIM_EV_START, ++s->life_count, parallelism, 0);
	sim_check(s, s->life_count < LIVES_MAX, "L1", "%d starts", LIVES_MAX);
	if (sim_fault(s, SIM_KILL_START, 250000)) {
		s->kill = (struct sim_kill){.armed = true, .at = SIM_AT_DISK};
		s->kill.power = sim_fault(s, SIM_POWER, 500000);
		s->kill.left = (uint32_t)sim_fault_pick(s, SIM_KILL_START, 80);
		s->kill.until_ns = s->now + KILL_WAIT_NS;
		if (sim_fault_pick(s, SIM_KILL_START, 5) == 0) {
			s->kill.at = SIM_AT_MAKE;
			s->kill.left = 0;
		}
	}
	r = sim_life_start(s, parallelism, &s->life);
	if (r < 0) {
		if (s->life_count == 1 && s->user)
			sim_fail(s, "START", "%s", s->life->err.text);
		excuse(s, &s->life->err, r);
		return false;
	}
	sim_check(s, !must_report, "I33",
		  "the superblock is damaged beyond its copies, and it starts");
	sim_check_life(s, weir_journal_fence(s->life->journal), s->life->cell.durable);
	sim_trace(s, SIM_EV_READY, weir_journal_fence(s->life->journal), s->life->cell.durable, 0);
	started(s, s->parallelism);
	s->parallelism = parallelism;
	if (s->region)
		sim_region_started(s);
	return true;
}

/* ---- what happens by itself ---- */

static void happen(struct sim *s)
{
	struct sim_disk *d = s->disk;
	uint32_t rate = s->opt.disk_rate;

	if (sim_fault(s, SIM_ROT, s->opt.damage_rate * 5))
		sim_disk_rot(d);
	sim_disk_twins(d);
	if (sim_fault(s, SIM_FULL, rate * 2))
		d->full_until_ns = s->now + sim_fault_pick(s, SIM_FULL, 1000) * WEIR_NS_PER_MS;
	if (sim_fault(s, SIM_SLOW_DISK, rate * 2))
		d->slow_until_ns = s->now + sim_fault_pick(s, SIM_SLOW_DISK, 500) * WEIR_NS_PER_MS;
	if (sim_fault(s, SIM_CLOCK, 20000))
		s->wall_offset +=
			((int64_t)sim_fault_pick(s, SIM_CLOCK, 7200) - 3600) * WEIR_NS_PER_S;
	if (sim_fault(s, SIM_SUSPEND, 5000))
		s->now += sim_fault_pick(s, SIM_SUSPEND, 5000) * WEIR_NS_PER_MS;
	/* Damage that nobody reads goes away one day: another one may come. */
	if (sim_disk_hurt(d) && weir_prng_chance(&s->prng_disk, 1, 100))
		sim_disk_heal(d);
}

void sim_world_calm(struct sim *s)
{
	s->calm = true;
	s->calm_from_ns = s->now;
	s->kill.armed = false;
	sim_trace(s, SIM_EV_CALM, 0, 0, 0);
}

static void calm_down(struct sim *s)
{
	if (s->calm || s->region || s->now - SIM_START_NS < s->opt.fault_ns)
		return;
	sim_world_calm(s);
}

static void events(struct sim *s)
{
	if (s->now < s->next_event)
		return;
	s->next_event = s->now + EVENT_NS;
	calm_down(s);
	happen(s);
	if (s->now >= s->kill_at && !s->kill.armed) {
		s->kill_at = next_kill(s);
		if (sim_fault(s, SIM_KILL, 900000))
			arm(s);
	}
	if (s->now >= s->stop_at && !s->life->stop) {
		s->stop_at = next_kill(s) + s->opt.kill_every_ns;
		s->life->stop = sim_fault(s, SIM_STOP, 900000);
		s->life->cell_rung = true;
	}
}

/* ---- a life ---- */

enum life_end { LIFE_WORKS, LIFE_OVER, LIFE_ENDED };

static enum life_end over(struct sim *s)
{
	struct sim_life *l = s->life;
	bool ended = l->cell.ended && !l->stop;

	if (ended) {
		sim_trace(s, SIM_EV_ENDED, l->cell.durable, 0, 0);
		return LIFE_ENDED;
	}
	sim_trace(s, SIM_EV_STOPPED, s->life_count, l->cell.durable, 0);
	return LIFE_OVER;
}

static void down(struct sim *s)
{
	uint64_t ms = s->calm ? 1 : weir_prng_range(&s->prng_kill, 1, 100);

	if (s->region)
		s->down_until = s->idle_until = s->now + ms * WEIR_NS_PER_MS;
	else
		s->now += ms * WEIR_NS_PER_MS;
	sim_stores_settle(s->stores);
	calm_down(s);
}

/* It stopped with an error, or could not start. */
static void give_up(struct sim *s)
{
	s->kill = (struct sim_kill){0};
	dead(s);
	down(s);
}

/* Stopped in good order, or at the end: the next one must find the very same state (I4). */
static void restart_and_compare(struct sim *s)
{
	struct sim_life *then = s->life;
	bool ended = then->cell.ended;

	s->kill = (struct sim_kill){0};
	weir_cell_close(&then->cell);
	then->cell_open = false;
	if (s->region)
		sim_region_stopped(then);
	sim_disk_kill(s->disk, false);
	sim_stores_kill(s->stores, false);
	s->life_then = then;
	s->life = NULL;
	if (!start(s, then->parallelism)) {
		give_up(s);
		return;
	}
	sim_check(s, s->life->cell.ended == ended, "I4", "the end of the input was forgotten");
	if (!ended && !s->user)
		sim_check_state(s, then, s->life);
	s->life_then = NULL;
	sim_life_end(then);
}

void sim_world_begin(struct sim *s)
{
	s->next_event = 0;
	s->kill_at = next_kill(s);
	s->stop_at = next_kill(s);
}

bool sim_world_step(struct sim *s)
{
	int r;

	if (!s->life && s->now < s->down_until) {
		s->idle_until = s->down_until;
		return true;
	}
	if (!s->life && !start(s, pick_parallelism(s))) {
		give_up(s);
		return true;
	}
	if (s->life->cell.finished) {
		/* Once more after the end: it must know that it has ended. */
		if (over(s) == LIFE_ENDED && s->end_seen)
			return false;
		s->end_seen |= s->life->cell.ended && !s->life->stop;
		restart_and_compare(s);
		return true;
	}
	r = sim_round(s);
	if (r < 0) {
		excuse(s, &s->life->err, r);
		give_up(s);
		return true;
	}
	events(s);
	sim_check(s, !s->calm || s->region || s->now - s->calm_from_ns < CALM_NS_MAX, "L1",
		  "faults ended %.0f s ago, and it is not through",
		  (double)(s->now - s->calm_from_ns) / 1e9);
	return true;
}

static void work(struct sim *s)
{
	sim_world_begin(s);
	while (sim_world_step(s))
		;
}

/* ---- a run ---- */

void sim_world_open(struct sim *s, const struct sim_run *run)
{
	memset(s, 0, sizeof(*s));
	s->seed = run->seed;
	if (run->opt)
		s->opt = *run->opt;
	else
		sim_options_of(&s->opt, run->seed);
	s->story = run->story;
	s->user = run->user;
	s->trace.lines = run->lines;
	s->trace.golden = run->golden;
	sim_faults_init(&s->fault, run->seed, run->mask);
	s->prng_schedule = weir_prng_of(run->seed, "schedule");
	s->prng_disk = weir_prng_of(run->seed, "disk");
	s->prng_sink = weir_prng_of(run->seed, "sink");
	s->prng_nonce = weir_prng_of(run->seed, "nonce");
	s->prng_kill = weir_prng_of(run->seed, "kill");
	s->prng_hook = weir_prng_of(run->seed, "hook");
	s->now = SIM_START_NS;
	s->wall_offset = INT64_C(1700000000) * WEIR_NS_PER_S;
	s->disk = sim_disk_new(s);
	s->stores = sim_stores_new(s);
	s->check = sim_alloc(sizeof(*s->check));
	sim_now = s;
	if (!run->regions)
		sim_hooks_begin(s);
	weir_panic_set_hook(on_panic);
}

void sim_world_close(struct sim *s)
{
	weir_hooks = NULL;
	if (s->life)
		sim_life_end(s->life);
	if (s->life_then)
		sim_life_end(s->life_then);
	if (s->life_shadow)
		sim_life_end(s->life_shadow);
	sim_disk_free(s->disk);
	sim_stores_free(s->stores);
	for (uint32_t i = 0; i < SIM_TASKS_MAX; i++)
		free(s->check->position[i].m);
	free(s->check);
	while (s->scratch) {
		struct sim_scratch_block *b = s->scratch;

		s->scratch = b->next;
		free(b);
	}
	sim_now = NULL;
}

static void verdict(struct sim *s, const struct sim_run *run, struct sim_verdict *ret)
{
	struct sim_verdict *v = &s->verdict;

	v->hash = s->trace.hash;
	v->events = s->trace.events;
	v->sim_ns = s->now - SIM_START_NS;
	v->lives = s->life_count;
	v->faults = s->fault.done;
	if (run->counts)
		memcpy(run->counts, s->fault.count, sizeof(s->fault.count));
	if (v->end == SIM_FAILED && run->dump && s->life && s->life->cell_open)
		sim_life_dump(s->life, run->dump);
	*ret = *v;
}

void sim_world_killed(struct sim *s)
{
	sim_trace(s, SIM_EV_KILL, s->life_count, 0, 0);
	killed(s);
	dead(s);
	down(s);
}

void sim_world_run(const struct sim_run *run, struct sim_verdict *ret)
{
	struct sim *s;

	if (run->regions) {
		sim_regions_run(run, ret);
		return;
	}
	s = sim_alloc(sizeof(*s));
	sim_world_open(s, run);
	switch (setjmp(s->out)) {
	case SIM_JUMP_FAIL:
		s->verdict.end = SIM_FAILED;
		break;
	case SIM_JUMP_KILL:
		sim_world_killed(s);
		/* fall through */
	default:
		work(s);
		sim_check_end(s);
		s->verdict.end = SIM_DONE;
		break;
	}
	verdict(s, run, ret);
	sim_world_close(s);
	free(s);
}
