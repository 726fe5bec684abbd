/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cli/table.h"

#include "engine/cli/cli.h"

static double num(json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text(json_t *o, const char *key, const char *none)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : none;
}

static void rate(char *ret, size_t cap, json_t *now, json_t *before, const char *key,
		 double seconds)
{
	if (before)
		weir_cli_number(ret, cap, (num(now, key) - num(before, key)) / seconds);
	else
		weir_cli_number(ret, cap, num(now, key));
}

static void share(char *ret, size_t cap, json_t *now, json_t *before, const char *key, double ns)
{
	double v = num(now, key) - (before ? num(before, key) : 0);

	snprintf(ret, cap, "%.0f%%", ns > 0 ? 100 * v / ns : 0);
}

/* How far the step's event time is behind the clock on the wall. */
static void lag_text(char *ret, size_t cap, double seconds)
{
	if (seconds < 1000)
		snprintf(ret, cap, "%.2f s", seconds);
	else if (seconds < 172800)
		snprintf(ret, cap, "%.1f h", seconds / 3600);
	else
		snprintf(ret, cap, "%.0f d", seconds / 86400);
}

static void print_step(FILE *f, json_t *s, json_t *b, double seconds, double life_ns)
{
	double ns = (b ? seconds * 1e9 : life_ns) * (num(s, "tasks") > 0 ? num(s, "tasks") : 1);
	char in[24], out[24], busy[16], blocked[16], lag[32] = "-";

	if (json_is_number(json_object_get(s, "watermark_lag_ns")))
		lag_text(lag, sizeof(lag), num(s, "watermark_lag_ns") / 1e9);

	rate(in, sizeof(in), s, b, "records_in", seconds);
	rate(out, sizeof(out), s, b, "records_out", seconds);
	share(busy, sizeof(busy), s, b, "busy_ns", ns);
	share(blocked, sizeof(blocked), s, b, "blocked_ns", ns);
	fprintf(f, "%-20.20s %-9.9s %5.0f %10s %10s %5s %7s %5.0f%% %8.0f %8.0f %9s  %s\n",
		text(s, "step", "?"), text(s, "kind", "?"), num(s, "tasks"), in, out, busy, blocked,
		100 * num(s, "ring_fill"), num(s, "late"), num(s, "rejected"), lag,
		text(s, "watermark", "-"));
}

/* ---- edges ---- */

static void bytes_text(char *ret, size_t cap, double v)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;

	while (v >= 1000 && u + 1 < WEIR_COUNT_OF(unit)) {
		v /= 1024;
		u++;
	}
	snprintf(ret, cap, u && v < 100 ? "%.1f %s" : "%.0f %s", v, unit[u]);
}

static void print_edge(FILE *f, json_t *x, json_t *b, double seconds)
{
	bool out = strcmp(text(x, "direction", ""), "out") == 0;
	double sent = num(x, "bytes") - (b ? num(b, "bytes") : 0);
	char records[24], bytes[24], waiting[24], pair[40], state[24];

	rate(records, sizeof(records), x, b, "records", seconds);
	bytes_text(bytes, sizeof(bytes), b ? sent / seconds : sent);
	bytes_text(waiting, sizeof(waiting), num(x, "outstanding_bytes"));
	snprintf(pair, sizeof(pair), "%s>%s", text(x, "from", "?"), text(x, "to", "?"));
	snprintf(state, sizeof(state), "%s%s", text(x, "state", "?"),
		 json_is_true(json_object_get(x, "relayed")) ? ", relayed" : "");
	fprintf(f, "%-20.20s %-15.15s %-14.14s %10s %10s %4.0f%% %10s ", text(x, "step", "?"), pair,
		state, records, bytes,
		num(x, "raw_bytes") > 0 ? 100 * num(x, "bytes") / num(x, "raw_bytes") : 0, waiting);
	if (out)
		fprintf(f, "%7.0f %7.2f s", num(x, "outstanding_epochs"),
			num(x, "unconfirmed_ns") / 1e9);
	else
		fprintf(f, "%7s %9s", "-", "-");
	fprintf(f, " %5.0f %5.0f", num(x, "resent"), num(x, "gaps"));
	if (*text(x, "blocked_by", ""))
		fprintf(f, "  waits for %s", text(x, "blocked_by", ""));
	else if (*text(x, "reason", ""))
		fprintf(f, "  %s", text(x, "reason", ""));
	putc('\n', f);
}

static void print_edges(FILE *f, json_t *edges, json_t *old, double seconds)
{
	size_t i;

	if (!json_array_size(edges))
		return;
	fprintf(f, "%-20s %-15s %-14s %10s %10s %5s %10s %7s %9s %5s %5s\n", "EDGE", "REGIONS",
		"STATE", old ? "RECORDS/s" : "RECORDS", old ? "SENT/s" : "SENT", "SIZE", "WAITING",
		"EPOCHS", "AGE", "AGAIN", "GAPS");
	for (i = 0; i < json_array_size(edges); i++)
		print_edge(f, json_array_get(edges, i), json_array_get(old, i), seconds);
}

/* Who waits for whom in the end; the root of all is said once. */
static void print_roots(FILE *f, json_t *now)
{
	const char *root = text(now, "root", NULL);
	json_t *rings = json_object_get(now, "blocked_rings");

	for (size_t i = 0; i < json_array_size(rings); i++) {
		json_t *x = json_array_get(rings, i);

		if (!root || strcmp(root, text(x, "root", "")))
			fprintf(f, "%s waits for %s\n", text(x, "ring", "?"), text(x, "root", "?"));
	}
	if (root)
		fprintf(f, "bottleneck: %s (others wait for it)\n", root);
}

void weir_table_print(FILE *f, json_t *now, json_t *before)
{
	json_t *steps = json_object_get(now, "steps"), *old = json_object_get(before, "steps"), *s;
	double seconds = before ? (num(now, "time_ns") - num(before, "time_ns")) / 1e9 : 0;
	size_t i;

	if (before && seconds <= 0)
		seconds = 1e-9;
	fprintf(f, "%s  pid %.0f  %s  up %.1f s  state %.1f MiB  %s\n", text(now, "pipeline", "?"),
		num(now, "pid"),
		json_is_true(json_object_get(now, "running")) ? "running" : "ended",
		num(now, "uptime_ns") / 1e9, num(now, "state_bytes") / 1048576,
		text(now, "metrics", ""));
	fprintf(f, "%-20s %-9s %5s %10s %10s %5s %7s %6s %8s %8s %9s  %s\n", "STEP", "KIND",
		"TASKS", before ? "IN/s" : "IN", before ? "OUT/s" : "OUT", "BUSY", "BLOCKED",
		"RING", "LATE", "REJECTED", "LAG", "WATERMARK");
	json_array_foreach(steps, i, s)
		print_step(f, s, json_array_get(old, i), seconds, num(now, "uptime_ns"));
	print_edges(f, json_object_get(now, "edges"), json_object_get(before, "edges"), seconds);
	print_roots(f, now);
}
