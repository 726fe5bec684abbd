/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/role.h - the state word of a ring end taken apart, for role.c and the inspector.
 *
 * Claiming and dropping are in shm/segment.h. Pure except weir_role_judge(), which reads /proc.
 */
#ifndef WEIR_SHM_ROLE_H
#define WEIR_SHM_ROLE_H

#include "shm/segment.h"

#define WEIR_ROLE_PID_MAX 0xffffffu /* Linux: PID_MAX_LIMIT is 2^22 */

weir_inline unsigned weir_role_state(uint64_t state_gen)
{
	return (unsigned)(state_gen & 0xff);
}

weir_inline uint32_t weir_role_pid(uint64_t state_gen)
{
	return (uint32_t)(state_gen >> 8) & WEIR_ROLE_PID_MAX;
}

weir_inline uint32_t weir_role_generation(uint64_t state_gen)
{
	return (uint32_t)(state_gen >> 32);
}

weir_inline uint64_t weir_role_word(unsigned state, uint32_t pid, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint64_t)(pid & WEIR_ROLE_PID_MAX) << 8 | state;
}

/* What the word and the start time of one holder say about it now. */
enum weir_peer weir_role_judge(uint64_t state_gen, uint64_t start_time);

/* Start time in the text of /proc/PID/stat; 0: the process has ended, or it is another text. */
uint64_t weir_role_parse_stat(const char *text);

#endif
