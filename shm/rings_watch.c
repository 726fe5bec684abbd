/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-rings watch: occupancy and rates, again and again.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "shm/rings_tool.h"

struct sample {
	uint64_t head, tail, blocked_ns;
	bool there;
};

static volatile sig_atomic_t watch_stopped;

static void watch_stop(int sig)
{
	(void)sig;
	watch_stopped = 1;
}

static int64_t watch_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * WEIR_NS_PER_S + t.tv_nsec;
}

static void watch_sleep(int64_t ns)
{
	struct timespec t = {.tv_sec = ns / WEIR_NS_PER_S, .tv_nsec = ns % WEIR_NS_PER_S};

	nanosleep(&t, NULL); /* a signal ends it: then watch_stopped is set */
}

struct rates {
	double in, out, blocked; /* bytes/s, bytes/s, share of the time */
};

static struct rates watch_rates(const struct sample *old, const struct weir_inspect_ring *r,
				int64_t passed_ns, int64_t now_ns)
{
	double seconds = (double)passed_ns / 1e9;
	uint64_t blocked = r->blocked_ns;
	struct rates v;

	/* A block that still lasts is not in the total yet; clocks of other machines' copies are not
	 * comparable, so only a start in the past counts. */
	if (r->blocked_since_ns && (int64_t)r->blocked_since_ns < now_ns)
		blocked += (uint64_t)WEIR_MIN(now_ns - (int64_t)r->blocked_since_ns, passed_ns);
	v.in = (double)(r->tail - old->tail) / seconds;
	v.out = (double)(r->head - old->head) / seconds;
	v.blocked = (double)(blocked - old->blocked_ns) / (double)passed_ns;
	if (r->tail < old->tail || r->head < old->head || blocked < old->blocked_ns)
		v = (struct rates){0};
	if (v.blocked > 1)
		v.blocked = 1;
	return v;
}

static void watch_json(struct rings_tool *t, const struct weir_inspect_ring *r, bool rated,
		       const struct rates *v, bool first)
{
	char line[RINGS_LINE];
	struct weir_buf b = weir_buf_of(line, sizeof(line));

	weir_buf_lit(&b, first ? "{" : ",{");
	rings_key_u64(&b, "ring", r->b.index);
	rings_key_str(&b, "name", r->b.name);
	rings_key_u64(&b, "used", rings_used(r));
	rings_key(&b, "used_share");
	weir_buf_printf(&b, "%.4f", rings_used_share(r));
	if (rated) {
		rings_key(&b, "in_bytes_per_second");
		weir_buf_printf(&b, "%.0f", v->in);
		rings_key(&b, "out_bytes_per_second");
		weir_buf_printf(&b, "%.0f", v->out);
		rings_key(&b, "blocked_share");
		weir_buf_printf(&b, "%.3f", v->blocked);
	}
	weir_buf_char(&b, '}');
	rings_flush(t, &b);
}

static void watch_text(struct rings_tool *t, const struct weir_inspect_ring *r, bool rated,
		       const struct rates *v)
{
	char name[sizeof(r->b.name)];

	strcpy(name, r->b.name);
	rings_clean(name);
	fprintf(t->out, "%5u %-32s %12llu %6.1f%%", r->b.index, name,
		(unsigned long long)rings_used(r), 100 * rings_used_share(r));
	if (rated)
		fprintf(t->out, " %12.3f %12.3f %7.1f%%\n", v->in / 1e6, v->out / 1e6,
			100 * v->blocked);
	else
		fprintf(t->out, " %12s %12s %8s\n", "-", "-", "-");
}

/* One round. Returns RINGS_PROBLEM when a ring could not be read. */
static int watch_once(struct rings_tool *t, struct rings_segment *s, struct sample *sample,
		      int64_t passed_ns)
{
	int64_t now = watch_now();
	int code = RINGS_FINE;
	bool any = false;

	if (t->json)
		fprintf(t->out, "{\"state\":\"%s\",\"rings\":[",
			rings_state_name(weir_inspect_state(&s->in)));
	else
		fprintf(t->out, "%5s %-32s %12s %7s %12s %12s %8s\n", "RING", "NAME", "USED",
			"USED", "IN MB/s", "OUT MB/s", "BLOCKED");
	for (uint32_t i = 0; i < s->in.h.ring_count; i++) {
		struct weir_inspect_ring r;
		struct weir_err err = {0};
		struct rates v = {0};
		int e = weir_inspect_ring(&s->in, i, NULL, &r, &err);

		if (e < 0) {
			code = rings_fail(t, "%s", err.text);
			if (e == WEIR_E_TOO_SMALL)
				break;
			continue;
		}
		if (!rings_wanted(t, i, &r))
			continue;
		if (sample[i].there)
			v = watch_rates(&sample[i], &r, passed_ns, now);
		if (t->json)
			watch_json(t, &r, sample[i].there, &v, !any);
		else
			watch_text(t, &r, sample[i].there, &v);
		sample[i] = (struct sample){r.head, r.tail, r.blocked_ns, true};
		any = true;
	}
	fputs(t->json ? "]}\n" : "\n", t->out);
	if (!any && t->ring)
		code = rings_fail(t, "no ring is called \"%s\"", t->ring);
	return code;
}

static int watch_run(struct rings_tool *t)
{
	struct sigaction sa = {.sa_handler = watch_stop}, old_int, old_term;
	struct rings_segment s;
	struct sample *sample;
	int64_t last = 0;
	int code = rings_begin(t, &s);

	if (code)
		return code;
	sample = calloc((size_t)s.in.h.ring_count + 1, sizeof(*sample));
	if (!sample)
		return rings_end(t, &s, rings_fail(t, "no memory"));
	watch_stopped = 0;
	sigaction(SIGINT, &sa, &old_int);
	sigaction(SIGTERM, &sa, &old_term);
	for (uint64_t n = 0; !watch_stopped && code == RINGS_FINE; n++) {
		int64_t now = watch_now();

		code = watch_once(t, &s, sample, WEIR_MAX(now - last, 1));
		last = now;
		fflush(t->out);
		if (n + 1 == t->count || rings_was_cut() || ferror(t->out) ||
		    weir_inspect_state(&s.in) == WEIR_SEG_CLOSED)
			break;
		watch_sleep(t->interval_ns);
	}
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	free(sample);
	return rings_end(t, &s, code);
}

const struct rings_verb rings_verb_watch = {
	.name = "watch",
	.usage = "watch [-o text|json] [-i TIME] [-n N] [-r RING] SEGMENT",
	.summary = "occupancy and rates of the rings, repeatedly",
	.text = "Prints for every ring how full it is, bytes per second in and out, and the share "
		"of\n"
		"time its producer was blocked, every second (-i) until SIGINT, the end of the "
		"pipeline,\n"
		"or N samples (-n). The first sample has no rates. With -o json one line per "
		"sample.",
	.options = "oinrh",
	.args_min = 1,
	.args_max = 1,
	.run = watch_run,
};
