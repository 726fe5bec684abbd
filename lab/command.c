/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/command.h"

#include <stdio.h>

#include "base/num.h"

/* Averages over a day between Dublin, Frankfurt, Virginia, Tokyo and Sydney, as published for one cloud's regions in 2017
 * (tenths of a millisecond); more regions begin again. */
static const uint16_t rtt_tenths[5][5] = {{0, 196, 805, 2124, 3096},
					  {196, 0, 886, 2365, 3235},
					  {805, 886, 0, 1453, 2300},
					  {2124, 2365, 1453, 0, 1039},
					  {3096, 3235, 2300, 1039, 0}};

void weir_lab_default(struct weir_lab_net *net)
{
	for (uint32_t a = 0; a < net->regions; a++)
		for (uint32_t b = 0; b < net->regions; b++)
			weir_wan_path(net->wan, a, b)->delay_ns =
				(uint64_t)rtt_tenths[a % 5][b % 5] * 50 * WEIR_NS_PER_US;
}

static struct weir_str word(struct weir_str *s)
{
	struct weir_str w;

	while (s->n && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r'))
		s->p++, s->n--;
	w = (struct weir_str){s->p, 0};
	while (w.n < s->n && s->p[w.n] != ' ' && s->p[w.n] != '\t' && s->p[w.n] != '\r')
		w.n++;
	s->p += w.n;
	s->n -= w.n;
	return w;
}

static int find(const struct weir_lab_net *net, struct weir_str name)
{
	for (uint32_t i = 0; i < net->regions; i++)
		if (weir_str_is(name, net->name[i]))
			return (int)i;
	return -1;
}

/* The paths a command means, as from and to (-1: any), and whether both ways. */
struct paths {
	int from, to;
	bool both;
};

static int paths_of(const struct weir_lab_net *net, struct weir_str s, struct paths *ret,
		    struct weir_err *err)
{
	size_t at = 0;
	struct weir_str a, b;

	*ret = (struct paths){-1, -1, false};
	if (weir_str_is(s, "all"))
		return 0;
	while (at < s.n && s.p[at] != ',' && s.p[at] != ':')
		at++;
	a = (struct weir_str){s.p, at};
	ret->from = find(net, a);
	if (ret->from < 0)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "no region `%.*s` (paths are \"a:b\", \"a,b\", \"a\" or "
				    "\"all\")",
				    (int)WEIR_MIN(a.n, (size_t)40), a.p);
	ret->both = at == s.n || s.p[at] == ',';
	if (at == s.n)
		return 0;
	b = (struct weir_str){s.p + at + 1, s.n - at - 1};
	ret->to = find(net, b);
	if (ret->to < 0 || ret->to == ret->from)
		return weir_err_set(err, WEIR_E_CONFIG, "no other region `%.*s`",
				    (int)WEIR_MIN(b.n, (size_t)40), b.p);
	return 0;
}

static bool means(const struct paths *p, uint32_t from, uint32_t to)
{
	bool there = (p->from < 0 || p->from == (int)from) && (p->to < 0 || p->to == (int)to);
	bool back = (p->from < 0 || p->from == (int)to) && (p->to < 0 || p->to == (int)from);

	return from != to && (there || (p->both && back));
}

/* ---- values ---- */

static int share(struct weir_str v, uint32_t *ret)
{
	double x;

	if (!v.n || v.p[v.n - 1] != '%')
		return WEIR_E_FORMAT;
	if (weir_parse_f64((struct weir_str){v.p, v.n - 1}, &x) < 0 || !(x >= 0 && x <= 100))
		return WEIR_E_FORMAT;
	*ret = (uint32_t)(x * 10000 + 0.5);
	return 0;
}

static int duration(struct weir_str v, uint64_t *ret)
{
	int64_t ns;

	if (weir_parse_duration(v, &ns) < 0 || ns < 0 || ns > 60 * WEIR_NS_PER_S)
		return WEIR_E_FORMAT;
	*ret = (uint64_t)ns;
	return 0;
}

static int rate(struct weir_str v, uint64_t *ret)
{
	static const struct {
		const char *unit;
		uint64_t factor;
	} units[] = {{"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000}};

	for (size_t i = 0; i < WEIR_COUNT_OF(units); i++) {
		uint64_t n;

		if (v.n <= 4 || memcmp(v.p + v.n - 4, units[i].unit, 4) != 0)
			continue;
		if (weir_parse_count((struct weir_str){v.p, v.n - 4}, &n) < 0 || n > 1000000)
			return WEIR_E_FORMAT;
		*ret = n * units[i].factor;
		return 0;
	}
	return weir_str_is(v, "0") ? (int)(*ret = 0) : WEIR_E_FORMAT;
}

/* One key=value into *p. */
static int set(struct weir_wan_path *p, struct weir_str kv, struct weir_err *err)
{
	size_t at = 0;
	struct weir_str k, v;
	uint64_t n;
	int r = WEIR_E_CONFIG;

	while (at < kv.n && kv.p[at] != '=')
		at++;
	k = (struct weir_str){kv.p, at};
	v = (struct weir_str){kv.p + WEIR_MIN(at + 1, kv.n), kv.n - WEIR_MIN(at + 1, kv.n)};
	if (weir_str_is(k, "rtt")) {
		r = duration(v, &p->delay_ns);
		p->delay_ns /= 2;
	} else if (weir_str_is(k, "delay")) {
		r = duration(v, &p->delay_ns);
	} else if (weir_str_is(k, "jitter")) {
		r = duration(v, &p->jitter_ns);
	} else if (weir_str_is(k, "loss")) {
		r = share(v, &p->loss);
	} else if (weir_str_is(k, "dup")) {
		r = share(v, &p->dup);
	} else if (weir_str_is(k, "reorder")) {
		r = share(v, &p->reorder);
	} else if (weir_str_is(k, "corrupt")) {
		r = share(v, &p->corrupt);
	} else if (weir_str_is(k, "rate")) {
		r = rate(v, &p->rate);
	} else if (weir_str_is(k, "limit")) {
		r = weir_parse_count(v, &n);
		p->limit = (uint32_t)WEIR_MIN(n, (uint64_t)1000000);
	} else {
		return weir_err_set(err, WEIR_E_CONFIG,
				    "`%.*s`: known are rtt delay jitter loss dup reorder corrupt "
				    "rate limit",
				    (int)WEIR_MIN(k.n, (size_t)40), k.p);
	}
	if (r < 0)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "`%.*s`: a duration is 40ms, a share 0.5%%, a rate 10Mbit",
				    (int)WEIR_MIN(kv.n, (size_t)60), kv.p);
	return 0;
}

/* Applies the words of `rest` to each path that is meant; with net->wan NULL only checks them. */
static int settings(struct weir_lab_net *net, const struct paths *p, struct weir_str rest,
		    struct weir_err *err)
{
	for (int apply = 0; apply <= (net->wan ? 1 : 0); apply++)
		for (uint32_t a = 0; a < net->regions; a++)
			for (uint32_t b = 0; b < net->regions; b++) {
				struct weir_wan_path scratch = {0};
				struct weir_str words = rest, w;
				int r;

				if (!means(p, a, b))
					continue;
				for (w = word(&words); w.n; w = word(&words)) {
					r = set(apply ? weir_wan_path(net->wan, a, b) : &scratch, w,
						err);
					if (r < 0)
						return r;
				}
			}
	return 0;
}

static int later(struct weir_lab_net *net, struct weir_str rest, struct weir_err *err)
{
	struct weir_str when = word(&rest);
	struct weir_lab_net dry = {.regions = net->regions};
	uint64_t at;
	uint32_t i = net->later_count;
	int64_t ns;
	int r;

	if (weir_parse_duration(when, &ns) < 0 || ns < 0)
		return weir_err_set(err, WEIR_E_CONFIG, "`at` wants a duration: at 10s cut eu,us");
	at = (uint64_t)ns;
	if (rest.n >= sizeof(net->later[0].text) || net->later_count == WEIR_LAB_SCHEDULE_MAX)
		return weir_err_set(err, WEIR_E_LIMIT, "the schedule is too long");
	memcpy(dry.name, net->name, sizeof(dry.name));
	r = weir_lab_command(&dry, rest, false, err);
	if (r < 0)
		return r;
	if (dry.later_count)
		return weir_err_set(err, WEIR_E_CONFIG, "`at` in `at`");
	for (; i > net->later_next && net->later[i - 1].at_ns > at; i--)
		net->later[i] = net->later[i - 1];
	net->later[i].at_ns = at;
	memcpy(net->later[i].text, rest.p, rest.n);
	net->later[i].text[rest.n] = 0;
	net->later_count++;
	return 0;
}

int weir_lab_command(struct weir_lab_net *net, struct weir_str text, bool first,
		     struct weir_err *err)
{
	struct weir_str rest = text, w = word(&rest);
	struct paths p;
	int cut = weir_str_is(w, "cut") ? 1 : weir_str_is(w, "heal") ? 0 : -1, r;

	if (!w.n || w.p[0] == '#')
		return 0;
	if (weir_str_is(w, "seed")) {
		if (!first || weir_parse_count(word(&rest), &net->seed) < 0)
			return weir_err_set(err, WEIR_E_CONFIG,
					    "`seed N` is for the beginning of a file");
		return 0;
	}
	if (weir_str_is(w, "at"))
		return later(net, rest, err);
	if (cut >= 0)
		w = word(&rest);
	r = paths_of(net, w, &p, err);
	if (r < 0)
		return r;
	if (cut < 0) {
		if (!word(&(struct weir_str){rest.p, rest.n}).n)
			return weir_err_set(err, WEIR_E_CONFIG,
					    "what about these paths? eu,us rtt=80ms loss=1%%");
		return settings(net, &p, rest, err);
	}
	if (word(&rest).n)
		return weir_err_set(err, WEIR_E_CONFIG, "`cut` and `heal` take paths only");
	for (uint32_t a = 0; net->wan && a < net->regions; a++)
		for (uint32_t b = 0; b < net->regions; b++)
			if (means(&p, a, b))
				weir_wan_path(net->wan, a, b)->cut = cut;
	return 0;
}

int weir_lab_commands(struct weir_lab_net *net, struct weir_str text, struct weir_err *err)
{
	bool first = true;

	for (uint32_t line = 1; text.n; line++) {
		struct weir_str l = {text.p, 0}, peek;
		struct weir_err why;
		int r;

		while (l.n < text.n && text.p[l.n] != '\n')
			l.n++;
		text.p += WEIR_MIN(l.n + 1, text.n);
		text.n -= WEIR_MIN(l.n + 1, text.n);
		r = weir_lab_command(net, l, first, &why);
		if (r < 0)
			return weir_err_set(err, r, "line %u: %s", line, why.text);
		peek = word(&l);
		first &= !peek.n || peek.p[0] == '#';
	}
	return 0;
}

uint64_t weir_lab_due(struct weir_lab_net *net, uint64_t now)
{
	while (net->later_next < net->later_count && net->later[net->later_next].at_ns <= now) {
		struct weir_err err;
		const char *t = net->later[net->later_next++].text;

		/* It was checked when it was taken. */
		weir_lab_command(net, weir_str_c(t), false, &err);
	}
	return net->later_next < net->later_count ? net->later[net->later_next].at_ns : UINT64_MAX;
}
