/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow - an operator for benchmarks: passes records on, and takes a time for each that can be changed while it runs. Options:
 * {"knob": FILE}, a file with a whole number: microseconds for one record. It is looked at 20 times a second; while it is missing
 * or empty the last number stays. The time is spent waiting, as for a disk or a server: on a small machine a step that computed would
 * take the cores from the other regions as well, and what is to be seen is backpressure, not that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/weir.h"

#define LOOK_NS 50000000
#define WAIT_NS 1000000 /* a wait is at least so long: shorter ones are not kept by the clock */
#define BEHIND_NS 50000000 /* what the clock or the host took is made up for, up to here */

struct slow {
	const struct weir_host *host;
	int64_t cost_ns, looked_ns;
	int64_t free_ns; /* when the records taken so far are done */
	char knob[1024];
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void look(struct slow *s, int64_t now)
{
	FILE *f;
	long us;

	if (s->looked_ns && now - s->looked_ns < LOOK_NS)
		return;
	s->looked_ns = now;
	f = fopen(s->knob, "r");
	if (f && fscanf(f, "%ld", &us) == 1 && us >= 0 && us <= 1000000)
		s->cost_ns = us * 1000;
	if (f)
		fclose(f);
}

static int slow_open(const struct weir_host *host, const char *options,
		     const struct weir_record_info *in, const struct weir_record_info *out,
		     uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	const char *o = strstr(options, "\"knob\":");
	struct slow *s = calloc(1, sizeof(*s));

	(void)in;
	(void)out;
	(void)task;
	(void)tasks;
	if (!s || !o || sscanf(o + 7, " \"%1000[^\"]", s->knob) != 1) {
		snprintf(err, err_cap, "options: {knob: FILE}");
		free(s);
		return -1;
	}
	s->host = host;
	*ret_self = s;
	return 0;
}

static void wait_until(int64_t at_ns)
{
	struct timespec t = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static uint32_t slow_process(void *self, struct weir_context *c, const struct weir_span *in,
			     struct weir_writer *out)
{
	struct slow *s = self;

	(void)c;
	for (uint32_t i = 0; i < in->count; i++) {
		int64_t now = now_ns();

		look(s, now);
		if (!s->host->pass(out, in->record[i]))
			return i;
		/* Time in which there was nothing to do is not made up for, but for what the clock is late. */
		s->free_ns = (s->free_ns < now - BEHIND_NS ? now : s->free_ns) + s->cost_ns;
		if (s->free_ns > now + WAIT_NS)
			wait_until(s->free_ns);
	}
	return in->count;
}

static const struct weir_operator slow = {.abi = WEIR_ABI,
					  .size = sizeof(slow),
					  .open = slow_open,
					  .process = slow_process,
					  .close = free};
WEIR_OPERATOR(slow, slow)
