/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Not FUTEX_PRIVATE: ringers and the sleeper may be different processes. */
static long doorbell_futex(weir_atomic_u32 *word, int op, uint32_t value,
			   const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

uint32_t weir_doorbell_prepare(struct weir_doorbell *d)
{
	/* The word before the ticket (the release store keeps this order): whoever takes the ticket away
	 * has added to the word after this load, so the wait below does not start (D0). */
	uint32_t word = weir_load_acquire(&d->word);
	uint32_t ticket = weir_load_relaxed(&d->ticket) + 1;

	if (ticket == 0)
		ticket = 1;
	weir_store_relaxed(&d->ticket, ticket);
	weir_store_release(&d->sleeping, ticket); /* D3: pairs with D4 in weir_doorbell__wake() */
	weir_fence_seq_cst(); /* D2: pairs with D1 in weir_doorbell_ring() */
	return word;
}

void weir_doorbell_cancel(struct weir_doorbell *d)
{
	weir_store_relaxed(&d->sleeping, 0);
}

void weir_doorbell_wait(struct weir_doorbell *d, uint32_t word, int64_t timeout_ns)
{
	struct timespec t;

	if (timeout_ns == 0)
		return;
	if (timeout_ns > 0) {
		t.tv_sec = (time_t)(timeout_ns / WEIR_NS_PER_S);
		t.tv_nsec = (long)(timeout_ns % WEIR_NS_PER_S);
	}
	/* Rung already (EAGAIN), a signal (EINTR), too late (ETIMEDOUT): the caller looks again. */
	doorbell_futex(&d->word, FUTEX_WAIT, word, timeout_ns > 0 ? &t : NULL);
}

void weir_doorbell__wake(struct weir_doorbell *d)
{
	uint32_t ticket = weir_load_acquire(&d->sleeping); /* D4: pairs with D3 */

	if (ticket == 0)
		return; /* woken by another ringer, or by itself, meanwhile */
	weir_add_acq_rel(&d->word, 1);
	doorbell_futex(&d->word, FUTEX_WAKE, 1, NULL);
	/* Last, so that a ringer that dies above leaves the ticket for the next one. */
	weir_cas_acq_rel(&d->sleeping, &ticket, 0);
}
