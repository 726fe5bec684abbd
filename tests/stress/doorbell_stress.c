/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No wake-up is ever lost. All sleepers wait without a limit and every partner waits for the
 * answer, so one lost wake-up stops everything; the main thread watches that numbers keep growing.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/doorbell.h"
#include "tests/stress/stress.h"

#define CLIENTS 3
#define STUCK_NS (20 * WEIR_NS_PER_S)

struct line {
	weir_atomic_u64 value __attribute__((aligned(64)));
};

/* In memory shared by threads and processes. Clients ask, one server answers. */
struct world {
	struct weir_doorbell server, client[CLIENTS];
	struct line asked[CLIENTS], answered[CLIENTS];
	struct line stop;
	weir_atomic_u32 left; /* clients that ended */
};

struct client {
	struct world *w;
	unsigned index;
	uint64_t seed;
};

static void spin(uint64_t *r)
{
	/* Mostly nothing, sometimes about as long as falling asleep takes. */
	uint64_t n = stress_random(r);

	for (n = n % 8 ? n % 16 : n % 20000; n; n--)
		weir_cpu_relax();
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	struct world *w = c->w;
	weir_atomic_u64 *answered = &w->answered[c->index].value;
	uint64_t n = 0, r = c->seed;

	while (!weir_load_acquire(&w->stop.value)) {
		weir_store_release(&w->asked[c->index].value, ++n);
		weir_doorbell_ring(&w->server);
		spin(&r);
		while (weir_load_acquire(answered) != n) {
			uint32_t word = weir_doorbell_prepare(&w->client[c->index]);

			if (weir_load_acquire(answered) != n)
				weir_doorbell_wait(&w->client[c->index], word, -1);
			weir_doorbell_cancel(&w->client[c->index]);
		}
		spin(&r);
	}
	weir_add_acq_rel(&w->left, 1);
	weir_doorbell_ring(&w->server);
	return NULL;
}

static bool serve_once(struct world *w)
{
	bool any = false;

	for (unsigned i = 0; i < CLIENTS; i++) {
		uint64_t n = weir_load_acquire(&w->asked[i].value);

		if (n == weir_load_relaxed(&w->answered[i].value))
			continue;
		any = true;
		weir_store_release(&w->answered[i].value, n);
		weir_doorbell_ring(&w->client[i]);
	}
	return any;
}

static void *server_main(void *arg)
{
	struct world *w = arg;
	uint64_t r = 5;

	while (weir_load_acquire(&w->left) < CLIENTS) {
		uint32_t word;

		if (serve_once(w))
			continue;
		word = weir_doorbell_prepare(&w->server);
		spin(&r);
		if (!serve_once(w) && weir_load_acquire(&w->left) < CLIENTS)
			weir_doorbell_wait(&w->server, word, -1);
		weir_doorbell_cancel(&w->server);
	}
	return NULL;
}

static uint64_t total(struct world *w)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < CLIENTS; i++)
		sum += weir_load_relaxed(&w->answered[i].value);
	return sum;
}

/* Lets the others work for duration_ns, then stops them. false: they got stuck. */
static bool watch(struct world *w, int64_t duration_ns)
{
	int64_t end = stress_now_ns() + duration_ns, grew = stress_now_ns();
	uint64_t last = 0;

	while (weir_load_acquire(&w->left) < CLIENTS) {
		uint64_t now = total(w) + weir_load_relaxed(&w->left);

		stress_pause(WEIR_NS_PER_MS);
		if (now != last)
			grew = stress_now_ns();
		last = now;
		if (stress_now_ns() > end)
			weir_store_release(&w->stop.value, 1);
		if (stress_now_ns() - grew > STUCK_NS)
			return false;
	}
	return true;
}

static struct world *world_new(void)
{
	struct world *w =
		mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(w != MAP_FAILED);
	return w;
}

static void test_doorbell_threads_never_miss(void **state)
{
	struct world *w = world_new();
	struct client c[CLIENTS];
	uint64_t seed = stress_seed();
	pthread_t t[CLIENTS + 1];

	(void)state;
	assert_int_equal(pthread_create(&t[CLIENTS], NULL, server_main, w), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		c[i] = (struct client){w, i, seed + i};
		assert_int_equal(pthread_create(&t[i], NULL, client_main, &c[i]), 0);
	}
	if (!watch(w, stress_part_ns(2)))
		fail_msg("stuck after %llu answers", (unsigned long long)total(w));
	for (unsigned i = 0; i <= CLIENTS; i++)
		pthread_join(t[i], NULL);
	assert_true(total(w) > 0);
	print_message("%llu answers\n", (unsigned long long)total(w));
	munmap(w, sizeof(*w));
}

static void test_doorbell_processes_never_miss(void **state)
{
	struct world *w = world_new();
	uint64_t seed = stress_seed();
	pid_t pid[CLIENTS + 1];
	bool fine;

	(void)state;
	for (unsigned i = 0; i <= CLIENTS; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			struct client c = {w, i, seed + i};

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (i == CLIENTS)
				server_main(w);
			else
				client_main(&c);
			_exit(0);
		}
	}
	fine = watch(w, stress_part_ns(2));
	for (unsigned i = 0; i <= CLIENTS; i++) {
		if (!fine)
			kill(pid[i], SIGKILL);
		assert_int_equal(waitpid(pid[i], NULL, 0), pid[i]);
	}
	if (!fine)
		fail_msg("stuck after %llu answers", (unsigned long long)total(w));
	assert_true(total(w) > 0);
	print_message("%llu answers\n", (unsigned long long)total(w));
	munmap(w, sizeof(*w));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_doorbell_threads_never_miss),
	cmocka_unit_test(test_doorbell_processes_never_miss),
};

WEIR_TEST_MAIN("doorbell_stress", tests)
