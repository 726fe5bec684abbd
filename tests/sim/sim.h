/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/sim.h - one run of the simulator: what all its parts share.
 *
 * One seed gives one run: options, faults, schedule, contents. One thread, virtual time. The production code (tasks,
 * cell, journal) runs as it is; the disk, the sinks, the clocks and the schedule are models.
 * A "life" is one process of the engine: it starts, works, and ends by a kill, a power cut, an error, a stop or the end
 * of the input. The world (disk, sinks, sources) goes on.
 * Randomness: one generator per purpose, so that drawing more for one does not change another.
 * Failure: sim_fail() ends the run; production assertions end there too.
 */
#ifndef WEIR_TESTS_SIM_SIM_H
#define WEIR_TESTS_SIM_SIM_H

#include <setjmp.h>

#include "base/checksum.h"
#include "base/hooks.h"
#include "base/mem.h"
#include "base/prng.h"
#include "tests/sim/fault.h"
#include "tests/sim/moment.h"
#include "tests/sim/options.h"
#include "tests/sim/trace.h"

#define SIM_START_NS ((uint64_t)WEIR_NS_PER_S) /* the monotonic clock at the start */

struct sim_disk;
struct sim_stores;
struct sim_life;
struct sim_check;
struct sim_story;
struct sim_user;
struct sim_scratch_block;
struct sim_region;

enum sim_end {
	SIM_RUNNING = 0,
	SIM_DONE = 1,
	SIM_FAILED = 2,
};

struct sim_verdict {
	enum sim_end end;
	char id[16]; /* invariant */
	char text[480];
	struct weir_hash128 hash; /* of the trace */
	uint64_t events, sim_ns, epochs, lives, faults, rows;
	uint32_t damage_found; /* times a report named damage that was there */
};

/* A kill that waits for its moment. */
struct sim_kill {
	bool armed, power;
	enum sim_moment at;
	uint32_t left; /* moments of that kind before it strikes */
	uint64_t until_ns; /* it waits no longer */
};

struct sim {
	uint64_t seed;
	struct sim_options opt;
	struct sim_faults fault;
	struct sim_trace trace;
	struct weir_prng prng_schedule, prng_disk, prng_sink, prng_nonce, prng_kill, prng_hook;
	uint64_t now; /* monotonic; does not start at 0 */
	int64_t wall_offset; /* wall clock = now + this */
	bool calm; /* liveness phase: no more faults */
	bool end_seen; /* the end was reached; one more start comes after it */
	uint64_t calm_from_ns;
	struct sim_disk *disk;
	struct sim_stores *stores;
	struct sim_life *life; /* NULL: the engine is down */
	struct sim_life *life_shadow; /* a checker's, while it compares */
	struct sim_life *life_then; /* the one before it, while their states are compared */
	struct sim_check *check;
	const struct sim_story *story; /* a scripted scenario, or NULL */
	struct sim_user *user; /* a pipeline file of the user, or NULL */
	uint32_t life_count;
	uint32_t parallelism; /* of the last life that got to work; 0: none has */
	uint32_t rescales; /* one after the other */
	bool killed_starting; /* the last life did not get to work */
	struct sim_kill kill;
	uint64_t next_event, kill_at, stop_at; /* when the world looks for faults */
	/* one region of several (regions.h): the clock is everybody's */
	struct sim_region *region; /* NULL: the only one */
	uint32_t number;
	uint64_t idle_until; /* nobody has anything to do before this */
	uint64_t down_until; /* there is no engine before this */
	struct sim_scratch_block *scratch;
	jmp_buf out; /* kills and failures leave production code here */
	struct sim_verdict verdict;
};

enum { SIM_JUMP_KILL = 1, SIM_JUMP_FAIL = 2 };

/* The run under way: hooks, operators and the panic hook get no context. */
extern struct sim *sim_now;

_Noreturn void sim_fail(struct sim *s, const char *id, const char *fmt, ...) weir_printf_like(3, 4);

#define sim_check(s, cond, id, ...)                                                                \
	do {                                                                                       \
		if (weir_unlikely(!(cond)))                                                        \
			sim_fail((s), (id), __VA_ARGS__);                                          \
	} while (0)

weir_inline int64_t sim_wall(const struct sim *s)
{
	return (int64_t)s->now + s->wall_offset;
}

/* Memory of the simulator itself. */
void *sim_alloc(size_t n);
void *sim_grow(void *p, size_t *cap, size_t want, size_t item);
/* Zeroed; stays until the run is over, however it ends. */
void *sim_scratch(struct sim *s, size_t n);

#endif
