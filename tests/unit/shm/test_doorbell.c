/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "shm/doorbell.h"
#include "tests/unit/shm/seg.h"

static int setup(void **state)
{
	*state = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return *state == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	return munmap(*state, 4096);
}

static void test_doorbell_prepare_announces_and_cancel_takes_back(void **state)
{
	struct weir_doorbell *d = *state;
	uint32_t word = weir_doorbell_prepare(d);

	assert_int_equal(word, weir_load_relaxed(&d->word));
	assert_int_not_equal(weir_load_relaxed(&d->sleeping), 0);
	weir_doorbell_cancel(d);
	assert_int_equal(weir_load_relaxed(&d->sleeping), 0);
}

static void test_doorbell_ring_without_a_sleeper_does_nothing(void **state)
{
	struct weir_doorbell *d = *state;

	weir_doorbell_ring(d);
	assert_int_equal(weir_load_relaxed(&d->word), 0);
	/* The sleeper left between the look of ring() and __wake(). */
	weir_doorbell__wake(d);
	assert_int_equal(weir_load_relaxed(&d->word), 0);
}

static void test_doorbell_rung_before_the_wait_does_not_sleep(void **state)
{
	struct weir_doorbell *d = *state;
	uint32_t word = weir_doorbell_prepare(d);

	weir_doorbell_ring(d);
	assert_int_equal(weir_load_relaxed(&d->sleeping), 0);
	weir_doorbell_wait(d, word, -1); /* hangs when the ring was lost */
	weir_doorbell_cancel(d);
}

static void test_doorbell_rings_once_for_each_ticket(void **state)
{
	struct weir_doorbell *d = *state;
	uint32_t word = weir_doorbell_prepare(d);

	weir_doorbell_ring(d);
	weir_doorbell_ring(d);
	assert_int_equal(weir_load_relaxed(&d->word), word + 1);
}

static void test_doorbell_tickets_differ_and_skip_zero(void **state)
{
	struct weir_doorbell *d = *state;
	uint32_t first;

	weir_doorbell_prepare(d);
	first = weir_load_relaxed(&d->sleeping);
	weir_doorbell_cancel(d);
	weir_doorbell_prepare(d);
	assert_int_not_equal(weir_load_relaxed(&d->sleeping), first);
	weir_store_relaxed(&d->ticket, UINT32_MAX);
	weir_doorbell_prepare(d);
	assert_int_equal(weir_load_relaxed(&d->sleeping), 1);
}

static void test_doorbell_limit_zero_returns_at_once(void **state)
{
	struct weir_doorbell *d = *state;

	weir_doorbell_wait(d, weir_doorbell_prepare(d), 0);
	assert_int_not_equal(weir_load_relaxed(&d->sleeping), 0);
}

static void test_doorbell_limit_passes(void **state)
{
	struct weir_doorbell *d = *state;
	struct timespec a, b;
	int64_t waited;

	clock_gettime(CLOCK_MONOTONIC, &a);
	weir_doorbell_wait(d, weir_doorbell_prepare(d), 3 * WEIR_NS_PER_MS);
	clock_gettime(CLOCK_MONOTONIC, &b);
	waited = (b.tv_sec - a.tv_sec) * WEIR_NS_PER_S + (b.tv_nsec - a.tv_nsec);
	assert_true(waited >= 3 * WEIR_NS_PER_MS);
	/* More than a second goes to the other field of the limit. */
	weir_doorbell_wait(d, weir_load_relaxed(&d->word) + 1, 2 * WEIR_NS_PER_S);
}

static void *ring_when_asleep(void *arg)
{
	struct weir_doorbell *d = arg;

	while (!weir_load_acquire(&d->sleeping))
		weir_cpu_relax();
	weir_doorbell_ring(d);
	return NULL;
}

static void test_doorbell_wakes_a_thread(void **state)
{
	struct weir_doorbell *d = *state;
	pthread_t t;

	for (int i = 0; i < 200; i++) {
		uint32_t word;

		assert_int_equal(pthread_create(&t, NULL, ring_when_asleep, d), 0);
		word = weir_doorbell_prepare(d);
		while (weir_load_acquire(&d->word) == word)
			weir_doorbell_wait(d, word, -1);
		weir_doorbell_cancel(d);
		pthread_join(t, NULL);
	}
}

static void test_doorbell_wakes_another_process(void **state)
{
	struct weir_doorbell *d = *state;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		uint32_t word = weir_doorbell_prepare(d);

		while (weir_load_acquire(&d->word) == word)
			weir_doorbell_wait(d, word, -1);
		_exit(0);
	}
	ring_when_asleep(d);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_doorbell_dying_ringer_leaves_the_ticket(void **state)
{
	struct weir_doorbell *d = *state;
	uint32_t word = weir_doorbell_prepare(d), ticket = weir_load_relaxed(&d->sleeping);

	/* Killed after it added to the word: the sleeper does not start to sleep, and if it slept
	 * already the next ringer sees the ticket. */
	weir_add_acq_rel(&d->word, 1);
	assert_int_equal(weir_load_relaxed(&d->sleeping), ticket);
	weir_doorbell_wait(d, word, -1);
	weir_doorbell_ring(d);
	assert_int_equal(weir_load_relaxed(&d->word), word + 2);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_doorbell_signal_ends_the_wait(void **state)
{
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	struct weir_doorbell *d = *state;
	struct itimerspec when = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_t timer;

	sigaction(SIGALRM, &sa, &old);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
	weir_doorbell_wait(d, weir_doorbell_prepare(d), -1);
	timer_delete(timer);
	sigaction(SIGALRM, &old, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(test_doorbell_prepare_announces_and_cancel_takes_back),
	T(test_doorbell_ring_without_a_sleeper_does_nothing),
	T(test_doorbell_rung_before_the_wait_does_not_sleep),
	T(test_doorbell_rings_once_for_each_ticket),
	T(test_doorbell_tickets_differ_and_skip_zero),
	T(test_doorbell_limit_zero_returns_at_once),
	T(test_doorbell_limit_passes),
	T(test_doorbell_wakes_a_thread),
	T(test_doorbell_wakes_another_process),
	T(test_doorbell_dying_ringer_leaves_the_ticket),
	T(test_doorbell_signal_ends_the_wait),
};

WEIR_TEST_MAIN("doorbell", tests)
