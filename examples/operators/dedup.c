/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dedup: lets a record pass when none with its key has passed within the last `ttl` (event time).
 *
 *     key_by: [id]
 *     operator: {library: ./dedup.so, name: dedup, options: {ttl: 10s}}
 *
 * Shows all there is to an operator: options, state per key, timers. Built by `make all` here; elsewhere:
 *
 *     cc -O2 -fPIC -shared -o dedup.so dedup.c $(pkg-config --cflags weir)
 */
#ifdef WEIR_INSTALLED
#include <weir/weir.h>
#else
#include "engine/weir.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dedup {
	const struct weir_host *host;
	int64_t ttl_ns;
};

/* Of one key. New state is all zero. */
struct seen {
	int64_t valid;
	int64_t until_ns; /* event time from which on a record passes again */
};

static const struct {
	const char *unit;
	int64_t ns;
} units[] = {
	{"ms", 1000000},
	{"s", 1000000000},
	{"m", 60 * INT64_C(1000000000)},
	{"h", 3600 * INT64_C(1000000000)},
};

/* Options are a JSON object: {"ttl":"10s"}. 0, or -1. */
static int parse_ttl(const char *options, int64_t *ret_ns)
{
	const char *p = strstr(options, "\"ttl\":\"");
	char *end;
	long n;

	if (!p)
		return -1;
	n = strtol(p + strlen("\"ttl\":\""), &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].unit);

		if (n > 0 && n < 1000000 && !strncmp(end, units[i].unit, len) && end[len] == '"') {
			*ret_ns = n * units[i].ns;
			return 0;
		}
	}
	return -1;
}

/* One of these for each parallel task of the step. */
static int dedup_open(const struct weir_host *host, const char *options,
		      const struct weir_record_info *in, const struct weir_record_info *out,
		      uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	struct dedup *d = calloc(1, sizeof(*d));

	(void)in;
	(void)out;
	(void)task;
	(void)tasks;
	if (!d || parse_ttl(options, &d->ttl_ns)) {
		snprintf(err, err_cap, "%s", d ? "options: write {ttl: 10s}" : "out of memory");
		free(d);
		return -1;
	}
	d->host = host;
	*ret_self = d;
	return 0;
}

static uint32_t dedup_process(void *self, struct weir_context *c, const struct weir_span *in,
			      struct weir_writer *out)
{
	struct dedup *d = self;

	for (uint32_t i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		struct seen *s = d->host->state(c, r, NULL);

		if (s->valid && r->time_ns < s->until_ns)
			continue;
		/* No room: the engine comes again with this record and those behind it. Nothing has been
		 * changed yet. */
		if (!d->host->pass(out, r))
			return i;
		s->valid = 1;
		s->until_ns = r->time_ns + d->ttl_ns;
		d->host->set_timer(c, r, s->until_ns);
	}
	return in->count;
}

/* The watermark is there: no record of this key can still be a duplicate. */
static int dedup_timer(void *self, struct weir_context *c, void *state, int64_t time_ns,
		       struct weir_writer *out)
{
	const struct seen *s = state;

	(void)self;
	(void)c;
	(void)out;
	return s->until_ns <= time_ns; /* else a later timer is set */
}

static const struct weir_operator dedup = {
	.abi = WEIR_ABI,
	.size = sizeof(struct weir_operator),
	.state_bytes = sizeof(struct seen),
	.open = dedup_open,
	.process = dedup_process,
	.timer = dedup_timer,
	.close = free,
};

WEIR_OPERATOR(dedup, dedup)
