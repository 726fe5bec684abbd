/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/role.c - who holds an end of a ring, and is that process still there.
 *
 * A claim is one CAS that names the winner (state CLAIMING, pid, generation). Then the winner
 * writes start_time and pid and stores ATTACHED. Until then others judge it by the pid alone: a
 * claimant that dies in these few instructions looks alive only if its pid is used again at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/segment.h"
#include "shm/role.h"

uint64_t weir_role_parse_stat(const char *text)
{
	const char *p = strrchr(text, ')'); /* the name may hold blanks and parentheses */
	unsigned long long start;
	long threads;
	char state;

	if (!p || sscanf(p + 1,
			 " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld"
			 " %*s %llu",
			 &state, &threads, &start) != 3)
		return 0;
	/* A process that ended and was not waited for runs no code any more. With threads left it
	 * does: only its first thread has ended. */
	if (state == 'X' || (state == 'Z' && threads <= 1))
		return 0;
	return start;
}

uint64_t weir_process_start_time(uint32_t pid)
{
	char path[40], text[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0; /* it may have ended between open and read */
	return weir_role_parse_stat(text);
}

enum weir_peer weir_role_judge(uint64_t state_gen, uint64_t start_time)
{
	uint32_t pid = weir_role_pid(state_gen);
	uint64_t now;

	switch (weir_role_state(state_gen)) {
	case WEIR_ROLE_FREE:
		return WEIR_PEER_NONE;
	case WEIR_ROLE_DETACHED:
		return WEIR_PEER_LEFT;
	case WEIR_ROLE_CLAIMING:
		return weir_process_start_time(pid) ? WEIR_PEER_ALIVE : WEIR_PEER_DEAD;
	case WEIR_ROLE_ATTACHED:
		now = weir_process_start_time(pid);
		return now && now == start_time ? WEIR_PEER_ALIVE : WEIR_PEER_DEAD;
	default:
		return WEIR_PEER_DEAD; /* not a state at all: nobody can hold it */
	}
}

enum weir_peer weir_ring_role_peer(const struct weir_ring_role *role)
{
	enum weir_peer peer;
	uint64_t before;

	/* A start time of one holder must not be compared with the pid of another. */
	do {
		before = weir_load_acquire(&role->state_gen);
		peer = weir_role_judge(before, weir_load_acquire(&role->start_time));
	} while (weir_load_acquire(&role->state_gen) != before);
	return peer;
}

int weir_ring_role_claim(struct weir_ring_role *role, bool *ret_was_dead)
{
	uint32_t pid = (uint32_t)getpid();
	uint64_t start = weir_process_start_time(pid);
	uint64_t seen, mine;
	enum weir_peer peer;

	do {
		seen = weir_load_acquire(&role->state_gen);
		peer = weir_role_judge(seen, weir_load_acquire(&role->start_time));
		/* A newer holder may have written start_time after `seen` was read: then the CAS fails and
		 * the judgement is made again. */
		if (peer == WEIR_PEER_ALIVE)
			return WEIR_E_BUSY;
		mine = weir_role_word(WEIR_ROLE_CLAIMING, pid, weir_role_generation(seen) + 1);
	} while (!weir_cas_acq_rel(&role->state_gen, &seen, mine));
	weir_store_release(&role->start_time, start);
	weir_store_release(&role->pid, pid);
	weir_store_release(&role->state_gen,
			   weir_role_word(WEIR_ROLE_ATTACHED, pid, weir_role_generation(mine)));
	if (ret_was_dead)
		*ret_was_dead = peer == WEIR_PEER_DEAD;
	return 0;
}

void weir_ring_role_drop(struct weir_ring_role *role)
{
	uint64_t seen = weir_load_acquire(&role->state_gen);
	uint32_t pid = (uint32_t)getpid();

	if (weir_role_state(seen) != WEIR_ROLE_ATTACHED || weir_role_pid(seen) != pid)
		return; /* not ours (any more) */
	weir_cas_acq_rel(&role->state_gen, &seen,
			 weir_role_word(WEIR_ROLE_DETACHED, pid, weir_role_generation(seen)));
}
