/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - an operator for benchmarks: takes records that carry the moment they should have been sent as
 * their event time (nexmark with `live: true`) and keeps a histogram of how late they are here. Options:
 * {"out": FILE, "skip": SECONDS of warm-up, "field": NAME of a timestamp to take instead}. Writes FILE at the end: one line "upper_ns count" a bucket,
 * 64 buckets for each power of two (error below 1.6 %).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/weir.h"

#define SUB 64u
#define BUCKETS (64u * SUB)

struct probe {
	uint64_t count[BUCKETS];
	int64_t start_ns, skip_ns;
	const struct weir_record_info *in;
	int64_t field; /* -1: the event time */
	char out[1024];
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static unsigned bucket(uint64_t v)
{
	unsigned top;

	if (v < SUB)
		return (unsigned)v;
	top = 63u - (unsigned)__builtin_clzll(v);
	return (top - 5) * SUB + (unsigned)(v >> (top - 6)) - SUB;
}

static uint64_t upper(unsigned b)
{
	unsigned top;

	if (b < SUB)
		return b;
	top = b / SUB + 5;
	return ((uint64_t)(b % SUB + SUB + 1) << (top - 6)) - 1;
}

static int probe_open(const struct weir_host *host, const char *options,
		      const struct weir_record_info *in, const struct weir_record_info *out,
		      uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	const char *o = strstr(options, "\"out\":"), *s = strstr(options, "\"skip\":");
	const char *f = strstr(options, "\"field\":");
	char field[64] = "";
	struct probe *p = calloc(1, sizeof(*p));

	(void)host;
	(void)out;
	(void)tasks;
	if (!p || !o || sscanf(o + 6, " \"%1000[^\"]", p->out) != 1) {
		snprintf(err, err_cap, "options: {out: FILE, skip: SECONDS}");
		free(p);
		return -1;
	}
	if (task)
		snprintf(p->out + strlen(p->out), 16, ".%u", task);
	p->skip_ns = s ? strtol(s + 7 + (s[7] == '"'), NULL, 10) * 1000000000 : 0;
	p->in = in;
	p->field = -1;
	if (f && sscanf(f + 8, " \"%63[^\"]", field) == 1)
		for (uint32_t i = 0; i < in->field_count; i++)
			if (strcmp(in->field[i].name, field) == 0)
				p->field = i;
	if (field[0] && p->field < 0) {
		snprintf(err, err_cap, "there is no field %s", field);
		free(p);
		return -1;
	}
	p->start_ns = now_ns();
	*ret_self = p;
	return 0;
}

static uint32_t probe_process(void *self, struct weir_context *c, const struct weir_span *in,
			      struct weir_writer *w)
{
	struct probe *p = self;
	int64_t now = now_ns();

	(void)c;
	(void)w;
	if (now - p->start_ns < p->skip_ns)
		return in->count;
	for (uint32_t i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		int64_t late = now;

		if (p->field < 0)
			late -= r->time_ns;
		else if (weir_record_null(r, p->in, (uint32_t)p->field))
			continue;
		else
			late -= weir_record_int(r, p->in, (uint32_t)p->field);

		p->count[bucket(late > 0 ? (uint64_t)late : 0)]++;
	}
	return in->count;
}

static void probe_close(void *self)
{
	struct probe *p = self;
	FILE *f = fopen(p->out, "w");

	for (unsigned b = 0; f && b < BUCKETS; b++)
		if (p->count[b])
			fprintf(f, "%llu %llu\n", (unsigned long long)upper(b),
				(unsigned long long)p->count[b]);
	if (f)
		fclose(f);
	free(p);
}

static const struct weir_operator probe = {.abi = WEIR_ABI,
					   .size = sizeof(probe),
					   .open = probe_open,
					   .process = probe_process,
					   .close = probe_close};
WEIR_OPERATOR(probe, probe)

/* tally - counts records per key in its state and passes them on: every record changes a key of the open epoch. */
static const struct weir_host *tally_host;

static int tally_open(const struct weir_host *host, const char *options,
		      const struct weir_record_info *in, const struct weir_record_info *out,
		      uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	(void)options;
	(void)in;
	(void)out;
	(void)task;
	(void)tasks;
	(void)err;
	(void)err_cap;
	tally_host = host;
	*ret_self = NULL;
	return 0;
}

static uint32_t tally_process(void *self, struct weir_context *c, const struct weir_span *in,
			      struct weir_writer *w)
{
	(void)self;
	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t *count = tally_host->state(c, in->record[i], NULL);

		if (!tally_host->pass(w, in->record[i]))
			return i;
		++*count;
	}
	return in->count;
}

static const struct weir_operator tally = {.abi = WEIR_ABI,
					   .size = sizeof(tally),
					   .state_bytes = 64,
					   .open = tally_open,
					   .process = tally_process};
WEIR_OPERATOR(tally, tally)
