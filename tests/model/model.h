/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/model/model.h - small stateless model checker for C11 release/acquire code.
 *
 * Use:     a test describes threads (functions) and a setup; model_explore() runs every execution of
 *          them: every interleaving of atomic operations, and for every load every message that the
 *          memory model lets it read.
 * Memory:  per location a modification order of messages. A thread has a view (the oldest message it
 *          may still read) of every location; release stores carry the view, acquire loads join it,
 *          seq_cst fences join with one global view. A store may also enter the modification order
 *          before messages its thread has not seen. That is RC11 without load buffering.
 * Data:    bytes handed over (weir_data_written, weir_data_read) are checked for races with vector
 *          clocks: only happens-before orders them, not the luck of an interleaving.
 * Cut:     a state of the machine (memory as the threads can still see it, their views, what each has
 *          read since its last model_at(), who touched which data when) is followed once, known by a
 *          64-bit hash. A failed look in a spin loop is repeated only after something it looked at
 *          has changed. Loads and stores are scheduling points only where others can notice.
 * Thread:  not usable from several threads; the modelled threads are fibers.
 * Source:  Kang et al., "A Promising Semantics for Relaxed-Memory Concurrency", POPL 2017 (views;
 *          without its promises).
 */
#ifndef WEIR_TESTS_MODEL_MODEL_H
#define WEIR_TESTS_MODEL_MODEL_H

#include "base/base.h"
#include "tests/model/model_atomic.h"

#define MODEL_THREADS_MAX 6

struct model_thread {
	const char *name;
	void (*run)(void *arg);
	void *arg;
	bool mortal; /* may be killed before any of its stores, in some executions */
};

struct model_scenario {
	const char *name;
	void (*setup)(void); /* before every execution; plain stores to atomics set their values */
	void (*finish)(void); /* after every complete execution; may be NULL */
	unsigned thread_count;
	struct model_thread thread[MODEL_THREADS_MAX];
	/* To check the checker: every operation is a scheduling point; model_at() does nothing. */
	bool no_reduction, no_merge;
	uint64_t runs_max; /* 0: no limit. Reaching it is a failure: not exhaustive */
};

struct model_result {
	uint64_t states; /* different ones met */
	uint64_t runs; /* executions begun; most end at a state met before */
	uint64_t complete; /* different states in which all threads have ended */
	uint64_t ends; /* sum of the hashes of these: the same set, the same sum */
	uint64_t deaths; /* of these, in how many a thread was killed */
	unsigned steps_max;
	bool failed;
	char text[256]; /* what went wrong first */
};

/* Stops at the first failure, with its steps printed to stderr when print_failure. */
void model_explore(const struct model_scenario *s, bool print_failure, struct model_result *ret);

/* Planted bugs: the atomic operations inside this function become relaxed and its fences vanish. At
 * most one function; NULL: none. */
void model_weaken(const char *func);

/* ---- for modelled threads ---- */

void model_fail(const char *fmt, ...) weir_printf_like(1, 2);
#define model_check(x)                                                                             \
	do {                                                                                       \
		if (!(x))                                                                          \
			model_fail("%s:%d: %s", __FILE__, __LINE__, #x);                           \
	} while (0)

/* A look at shared memory failed: go round the loop again once something read has changed. */
void model_spin(void);
/* Top of a loop: all that this thread does from here depends only on these bytes and on what it will
 * read. Merges ways that lead to the same state; leave it out when in doubt. Zero the padding. */
void model_at(const void *state, size_t n);
/* Waits until thread i ended or died; what it did happened before the return. */
void model_join(unsigned i);
/* What a futex does, atomically: sleep if the newest value is still v. false: it was not. Neither
 * call orders memory beyond that, which is less than a kernel gives. */
bool model_futex_wait(const void *p, uint32_t v);
void model_futex_wake(const void *p);

/* ---- for setup ---- */

/* Every atomic object has to be named, always in the same order. */
void model_name(const void *p, const char *name);
/* Data area of `bytes` (a power of two) that is mapped `copies` times in a row. All spans in it are
 * multiples of `grain` (a power of two from 8 on; a coarse one is faster). */
void model_data_area(const void *p, uint64_t bytes, unsigned copies, unsigned grain);

#endif
