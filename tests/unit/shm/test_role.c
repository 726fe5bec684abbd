/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "shm/role.h"
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

static void test_role_free_then_claimed_then_dropped(void **state)
{
	struct weir_ring_role *role = *state;
	bool was_dead = true;

	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_NONE);
	assert_int_equal(weir_ring_role_claim(role, &was_dead), 0);
	assert_false(was_dead);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_ALIVE);
	assert_int_equal(weir_load_relaxed(&role->pid), getpid());
	assert_int_equal(weir_load_relaxed(&role->start_time),
			 weir_process_start_time((uint32_t)getpid()));
	assert_int_equal(weir_role_generation(weir_load_relaxed(&role->state_gen)), 1);
	weir_ring_role_drop(role);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_LEFT);
	assert_int_equal(weir_ring_role_claim(role, NULL), 0);
	assert_int_equal(weir_role_generation(weir_load_relaxed(&role->state_gen)), 2);
}

static void test_role_held_by_a_living_process_is_busy(void **state)
{
	struct weir_ring_role *role = *state;
	uint64_t word;
	bool was_dead = true;

	assert_int_equal(weir_ring_role_claim(role, NULL), 0);
	word = weir_load_relaxed(&role->state_gen);
	assert_int_equal(weir_ring_role_claim(role, &was_dead), WEIR_E_BUSY);
	assert_true(was_dead); /* outputs stay untouched on failure */
	assert_int_equal(weir_load_relaxed(&role->state_gen), word);
}

/* Claims in a child and kills it. reap: also takes its status, so that the pid is gone. */
static pid_t claim_and_die(struct weir_ring_role *role, bool reap)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0) {
		if (weir_ring_role_claim(role, NULL) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_status, SIGKILL);
	if (reap)
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void test_role_of_a_dead_process_is_taken_over(void **state)
{
	struct weir_ring_role *role = *state;
	bool was_dead = false;

	claim_and_die(role, true);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_DEAD);
	assert_int_equal(weir_ring_role_claim(role, &was_dead), 0);
	assert_true(was_dead);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_ALIVE);
	assert_int_equal(weir_role_generation(weir_load_relaxed(&role->state_gen)), 2);
}

static void test_role_of_an_unreaped_process_is_dead(void **state)
{
	struct weir_ring_role *role = *state;
	pid_t pid = claim_and_die(role, false);

	assert_int_equal(weir_process_start_time((uint32_t)pid), 0);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_DEAD);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_role_of_a_reused_pid_is_dead(void **state)
{
	struct weir_ring_role *role = *state;
	bool was_dead = false;

	assert_int_equal(weir_ring_role_claim(role, NULL), 0);
	/* Same pid, but the process that claimed started at another time. */
	weir_store_relaxed(&role->start_time, weir_load_relaxed(&role->start_time) - 1);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_DEAD);
	assert_int_equal(weir_ring_role_claim(role, &was_dead), 0);
	assert_true(was_dead);
}

static void test_role_half_claimed_is_judged_by_the_pid(void **state)
{
	struct weir_ring_role *role = *state;
	pid_t pid;

	weir_store_relaxed(&role->state_gen,
			   weir_role_word(WEIR_ROLE_CLAIMING, (uint32_t)getpid(), 7));
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_ALIVE);
	assert_int_equal(weir_ring_role_claim(role, NULL), WEIR_E_BUSY);
	pid = claim_and_die(&role[1], true);
	weir_store_relaxed(&role->state_gen, weir_role_word(WEIR_ROLE_CLAIMING, (uint32_t)pid, 7));
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_DEAD);
	assert_int_equal(weir_ring_role_claim(role, NULL), 0);
	assert_int_equal(weir_role_generation(weir_load_relaxed(&role->state_gen)), 8);
}

static void test_role_garbage_is_nobody(void **state)
{
	struct weir_ring_role *role = *state;

	memset(role, 0xee, sizeof(*role));
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_DEAD);
	assert_int_equal(weir_ring_role_claim(role, NULL), 0);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_ALIVE);
}

static void test_role_drop_of_another_holder_does_nothing(void **state)
{
	struct weir_ring_role *role = *state;
	int status;
	pid_t pid;

	weir_ring_role_drop(role);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_NONE);
	assert_int_equal(weir_ring_role_claim(role, NULL), 0);
	pid = fork();
	if (pid == 0) {
		weir_ring_role_drop(role);
		_exit(weir_ring_role_claim(role, NULL) == WEIR_E_BUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_ALIVE);
}

static void test_role_has_one_winner(void **state)
{
	struct weir_ring_role *role = *state;
	weir_atomic_u32 *go = (weir_atomic_u32 *)&role[10];

	for (int round = 0; round < 40; round++) {
		pid_t pid[4];
		int winners = 0;

		memset(role, 0, 4096);
		if (round % 2)
			claim_and_die(role, true);
		for (int i = 0; i < 4; i++) {
			pid[i] = fork();
			if (pid[i] == 0) {
				while (!weir_load_acquire(go))
					weir_cpu_relax();
				if (weir_ring_role_claim(role, NULL) < 0)
					_exit(1);
				/* Hold it until all have tried. */
				weir_add_acq_rel(go, 1);
				for (;;)
					pause();
			}
		}
		weir_store_release(go, 1);
		for (int i = 0, waited = 0; waited < 3; i = (i + 1) % 4) {
			int status;

			if (pid[i] > 0 && waitpid(pid[i], &status, WNOHANG) == pid[i]) {
				assert_int_equal(WEXITSTATUS(status), 1);
				pid[i] = 0;
				waited++;
			}
		}
		for (int i = 0; i < 4; i++) {
			if (pid[i] == 0)
				continue;
			winners++;
			while (weir_load_acquire(go) != 2)
				weir_cpu_relax();
			assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_ALIVE);
			assert_int_equal(weir_load_relaxed(&role->pid), pid[i]);
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
			assert_int_equal(weir_ring_role_peer(role), WEIR_PEER_DEAD);
		}
		assert_int_equal(winners, 1);
	}
}

static void test_start_time_of_odd_names_and_of_nobody(void **state)
{
	uint32_t self = (uint32_t)getpid();
	uint64_t before = weir_process_start_time(self);
	char old[16];

	(void)state;
	assert_int_not_equal(before, 0);
	prctl(PR_GET_NAME, old);
	prctl(PR_SET_NAME, "a) S 1 (b) ) 2");
	assert_int_equal(weir_process_start_time(self), before);
	prctl(PR_SET_NAME, old);
	assert_int_equal(weir_process_start_time(0), 0);
	assert_int_equal(weir_process_start_time(UINT32_MAX), 0);
	assert_int_not_equal(weir_process_start_time(1), 0);
}

static void test_start_time_of_other_texts(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} row[] = {
		{"", 0},
		{"1 (x", 0},
		{"1 (x)", 0},
		{"1 (x) S 1 2 3", 0},
		{"1 (x) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", 22},
		{"1 (x) Z 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", 22},
		{"1 (x) Z 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 1 21 22 23", 0},
		{"1 (x) X 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23", 0},
	};

	(void)state;
	for (unsigned i = 0; i < WEIR_COUNT_OF(row); i++)
		assert_int_equal(weir_role_parse_stat(row[i].text), row[i].want);
}

static void *outlive(void *arg)
{
	char c;

	if (read(*(int *)arg, &c, 1) < 0)
		_exit(1);
	_exit(0);
}

static void test_start_time_with_only_the_first_thread_gone(void **state)
{
	int ready[2], hold[2], status;
	uint64_t start;
	char name[40], text[256], c;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		close(hold[1]);
		if (pthread_create(&t, NULL, outlive, &hold[0]) || write(ready[1], "x", 1) != 1)
			_exit(1);
		pthread_exit(NULL);
	}
	close(hold[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	do {
		FILE *f = fopen(name, "r");

		assert_non_null(f);
		assert_non_null(fgets(text, sizeof(text), f));
		fclose(f);
	} while (!strstr(text, ") Z "));
	start = weir_process_start_time((uint32_t)pid);
	assert_int_not_equal(start, 0);
	close(hold[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(test_role_free_then_claimed_then_dropped),
	T(test_role_held_by_a_living_process_is_busy),
	T(test_role_of_a_dead_process_is_taken_over),
	T(test_role_of_an_unreaped_process_is_dead),
	T(test_role_of_a_reused_pid_is_dead),
	T(test_role_half_claimed_is_judged_by_the_pid),
	T(test_role_garbage_is_nobody),
	T(test_role_drop_of_another_holder_does_nothing),
	T(test_role_has_one_winner),
	T(test_start_time_of_odd_names_and_of_nobody),
	T(test_start_time_of_other_texts),
	T(test_start_time_with_only_the_first_thread_gone),
};

WEIR_TEST_MAIN("role", tests)
