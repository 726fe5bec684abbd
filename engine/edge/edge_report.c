/* SPDX-License-Identifier: Apache-2.0 */
/* Edges in the status object and in /metrics. docs/control.md */
#include "engine/edge/edge_stats.h"
#include "engine/edge/roots.h"

#define ROOT_MAX (3 * WEIR_NAME_MAX)

/* ---- JSON ---- */

static void key_u64(struct weir_buf *b, const char *k, uint64_t v)
{
	weir_buf_printf(b, ",\"%s\":", k);
	weir_buf_u64(b, v);
}

static void key_str(struct weir_buf *b, const char *k, const char *v)
{
	weir_buf_printf(b, ",\"%s\":", k);
	weir_buf_json_str(b, weir_str_c(v));
}

static void edge_json(struct weir_buf *b, const struct weir_engine *e,
		      const struct weir_edge_stats *x)
{
	const struct weir_edge_spec *s = x->edge;

	weir_buf_printf(b, "{\"edge\":\"%016llx\"", (unsigned long long)s->id);
	key_str(b, "step", e->p->step[s->step].name);
	key_str(b, "of", s->of);
	key_str(b, "output", s->port);
	key_str(b, "from", s->from);
	key_str(b, "to", s->to);
	key_str(b, "direction", s->out ? "out" : "in");
	key_str(b, "state", weir_edge_state_name(x->state));
	weir_buf_printf(b, ",\"relayed\":%s", x->relayed ? "true" : "false");
	key_u64(b, "records", x->records);
	key_u64(b, "raw_bytes", x->raw_bytes);
	key_u64(b, "frames", x->frames);
	key_u64(b, "bytes", x->bytes);
	key_u64(b, "wire_out_bytes", x->wire_out);
	key_u64(b, "wire_in_bytes", x->wire_in);
	key_u64(b, "outstanding_bytes", x->outstanding_bytes);
	key_u64(b, "outstanding_epochs", x->outstanding_epochs);
	key_u64(b, "limit_bytes", x->limit);
	key_u64(b, "unconfirmed_ns", x->age_ns);
	key_u64(b, "lag_records", x->lag);
	key_u64(b, "sessions", x->sessions);
	key_u64(b, "resent", x->resent);
	key_u64(b, "gaps", x->gaps);
	key_u64(b, "duplicates", x->duplicates);
	key_u64(b, "dropped", x->dropped);
	key_u64(b, "broken", x->broken);
	key_u64(b, "rtt_ns", x->rtt_ns);
	weir_buf_printf(b, ",\"fill\":%.3f", x->fill);
	key_str(b, "blocked_by", x->blocked_by);
	key_str(b, "reason", x->reason);
	weir_buf_char(b, '}');
}

static bool is_blocked(const struct weir_segment *seg, uint32_t ring)
{
	return weir_load_relaxed(&seg->ring[ring].blocked_since_ns) != 0;
}

void weir_edges_json(struct weir_buf *b, struct weir_engine *e, const struct weir_engine_stats *s)
{
	const struct weir_segment *seg = weir_engine_segment(e);
	char root[ROOT_MAX];
	uint32_t n = 0;

	weir_root(e, s, root, sizeof(root));
	if (*root)
		key_str(b, "root", root);
	else
		weir_buf_lit(b, ",\"root\":null");
	weir_buf_lit(b, ",\"blocked_rings\":[");
	for (uint32_t i = 0; s->running && i < e->plan.tasks.ring_count; i++) {
		if (!is_blocked(seg, i))
			continue;
		weir_root_of_ring(e, s, i, root, sizeof(root));
		weir_buf_lit(b, n++ ? ",{\"ring\":" : "{\"ring\":");
		weir_buf_json_str(b, weir_str_c(seg->ring[i].name));
		key_str(b, "root", root);
		weir_buf_char(b, '}');
	}
	weir_buf_lit(b, "],\"edges\":[");
	for (uint32_t i = 0; i < s->edge_count; i++) {
		if (i)
			weir_buf_char(b, ',');
		edge_json(b, e, &s->edge[i]);
	}
	weir_buf_char(b, ']');
}

/* ---- OpenMetrics ---- */

static void label(struct weir_buf *b, const char *name, const char *value)
{
	weir_buf_printf(b, "%s=\"", name);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			weir_buf_char(b, '\\');
		weir_buf_char(b, *p == '\n' ? ' ' : *p);
	}
	weir_buf_char(b, '"');
}

static void labels(struct weir_buf *b, const struct weir_engine *e, const char *name)
{
	weir_buf_lit(b, name);
	weir_buf_char(b, '{');
	label(b, "pipeline", weir_pipeline_instance(e->p));
	weir_buf_char(b, ',');
}

static void pair_labels(struct weir_buf *b, const struct weir_edge_spec *s)
{
	label(b, "from", s->from);
	weir_buf_char(b, ',');
	label(b, "to", s->to);
}

static void head(struct weir_buf *b, const char *name, const char *type, const char *help)
{
	weir_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

enum value {
	V_RECORDS,
	V_RAW,
	V_BYTES,
	V_WIRE_OUT,
	V_WIRE_IN,
	V_OUTSTANDING,
	V_EPOCHS,
	V_AGE,
	V_STATE,
	V_SESSIONS,
	V_RESENT,
	V_GAPS,
	V_DROPPED,
	V_LAG,
	V_RTT,
	V_FILL,
	V_COUNT
};

static const struct {
	const char *name, *type, *help;
} metric[V_COUNT] = {
	[V_RECORDS] = {"weir_edge_records_total", "counter", "Records through this end."},
	[V_RAW] = {"weir_edge_raw_bytes_total", "counter", "Their bytes in memory."},
	[V_BYTES] = {"weir_edge_bytes_total", "counter",
		     "Bytes of frames, packed; resent ones count again."},
	[V_WIRE_OUT] = {"weir_edge_wire_sent_bytes_total", "counter",
			"Bytes given to the transport."},
	[V_WIRE_IN] = {"weir_edge_wire_received_bytes_total", "counter",
		       "Bytes the transport gave."},
	[V_OUTSTANDING] = {"weir_edge_outstanding_bytes", "gauge",
			   "Sender: not confirmed; receiver: read and not handed on."},
	[V_EPOCHS] = {"weir_edge_outstanding_epochs", "gauge", "Epochs that are not confirmed."},
	[V_AGE] = {"weir_edge_unconfirmed_seconds", "gauge", "Age of the oldest of them."},
	[V_STATE] = {"weir_edge_state", "gauge", "0 no gateway, 1 closed, 2 open, 3 live."},
	[V_SESSIONS] = {"weir_edge_sessions_total", "counter", "Sessions begun."},
	[V_RESENT] = {"weir_edge_resent_batches_total", "counter", "Batches that went out again."},
	[V_GAPS] = {"weir_edge_gaps_total", "counter", "Times a batch was missing."},
	[V_DROPPED] = {"weir_edge_dropped_frames_total", "counter",
		       "Frames that did not belong there, or broken."},
	[V_LAG] = {"weir_edge_lag_records", "gauge",
		   "Records that are not durable at the receiver."},
	[V_RTT] = {"weir_edge_rtt_seconds", "gauge", "Round trip of the link, smoothed."},
	[V_FILL] = {"weir_edge_fill_ratio", "gauge",
		    "Sender: outstanding of what may be; receiver: of the lane's ring."},
};

/* Summed over the edges of a pair of regions. */
static const struct {
	enum value value;
	const char *name, *type, *help;
} pair_metric[] = {
	{V_RECORDS, "weir_region_pair_records_total", "counter",
	 "Records of all edges of the pair."},
	{V_RAW, "weir_region_pair_raw_bytes_total", "counter", "Their bytes in memory."},
	{V_BYTES, "weir_region_pair_bytes_total", "counter", "Bytes of frames, packed."},
	{V_WIRE_OUT, "weir_region_pair_wire_sent_bytes_total", "counter",
	 "Bytes given to the transport."},
	{V_WIRE_IN, "weir_region_pair_wire_received_bytes_total", "counter",
	 "Bytes the transport gave."},
	{V_OUTSTANDING, "weir_region_pair_outstanding_bytes", "gauge",
	 "Not confirmed, or not handed on."},
};

static double value_of(const struct weir_edge_stats *x, enum value v)
{
	switch (v) {
	case V_RECORDS:
		return (double)x->records;
	case V_RAW:
		return (double)x->raw_bytes;
	case V_BYTES:
		return (double)x->bytes;
	case V_WIRE_OUT:
		return (double)x->wire_out;
	case V_WIRE_IN:
		return (double)x->wire_in;
	case V_OUTSTANDING:
		return (double)x->outstanding_bytes;
	case V_EPOCHS:
		return (double)x->outstanding_epochs;
	case V_AGE:
		return (double)x->age_ns / 1e9;
	case V_STATE:
		return (double)x->state;
	case V_SESSIONS:
		return (double)x->sessions;
	case V_RESENT:
		return (double)x->resent;
	case V_GAPS:
		return (double)x->gaps;
	case V_DROPPED:
		return (double)(x->dropped + x->broken);
	case V_LAG:
		return (double)x->lag;
	case V_RTT:
		return (double)x->rtt_ns / 1e9;
	default:
		return x->fill;
	}
}

static void edge_metrics(struct weir_buf *b, const struct weir_engine *e,
			 const struct weir_engine_stats *s)
{
	for (int m = 0; m < V_COUNT; m++) {
		head(b, metric[m].name, metric[m].type, metric[m].help);
		for (uint32_t i = 0; i < s->edge_count; i++) {
			const struct weir_edge_spec *spec = s->edge[i].edge;

			labels(b, e, metric[m].name);
			label(b, "step", e->p->step[spec->step].name);
			weir_buf_char(b, ',');
			pair_labels(b, spec);
			weir_buf_printf(b, "} %.15g\n", value_of(&s->edge[i], (enum value)m));
		}
	}
}

static bool same_pair(const struct weir_edge_spec *a, const struct weir_edge_spec *b)
{
	return !strcmp(a->from, b->from) && !strcmp(a->to, b->to);
}

static void pair_metrics(struct weir_buf *b, const struct weir_engine *e,
			 const struct weir_engine_stats *s)
{
	for (size_t m = 0; m < WEIR_COUNT_OF(pair_metric); m++) {
		head(b, pair_metric[m].name, pair_metric[m].type, pair_metric[m].help);
		for (uint32_t i = 0; i < s->edge_count; i++) {
			const struct weir_edge_spec *spec = s->edge[i].edge;
			double sum = 0;
			uint32_t first = 0;

			while (!same_pair(s->edge[first].edge, spec))
				first++;
			if (first < i)
				continue; /* its first edge has said it */
			for (uint32_t k = i; k < s->edge_count; k++)
				if (same_pair(s->edge[k].edge, spec))
					sum += value_of(&s->edge[k], pair_metric[m].value);
			labels(b, e, pair_metric[m].name);
			pair_labels(b, spec);
			weir_buf_printf(b, "} %.15g\n", sum);
		}
	}
}

/* Who waits, and for whom: a sample only while it does. */
static void root_metrics(struct weir_buf *b, const struct weir_engine *e,
			 const struct weir_engine_stats *s)
{
	char root[ROOT_MAX];

	head(b, "weir_ring_blocked", "gauge",
	     "1 while a producer waits for room; root: the step that it waits for in the end.");
	for (uint32_t i = 0; s->running && i < e->plan.tasks.ring_count; i++) {
		if (!is_blocked(&e->segment, i))
			continue;
		weir_root_of_ring(e, s, i, root, sizeof(root));
		labels(b, e, "weir_ring_blocked");
		label(b, "ring", e->segment.ring[i].name);
		weir_buf_char(b, ',');
		label(b, "root", root);
		weir_buf_lit(b, "} 1\n");
	}
	head(b, "weir_edge_blocked", "gauge",
	     "1 while the other region is held up; root: the step that it waits for.");
	for (uint32_t i = 0; i < s->edge_count; i++) {
		const struct weir_edge_stats *x = &s->edge[i];

		if (!*x->blocked_by)
			continue;
		labels(b, e, "weir_edge_blocked");
		label(b, "step", e->p->step[x->edge->step].name);
		weir_buf_char(b, ',');
		pair_labels(b, x->edge);
		weir_buf_char(b, ',');
		label(b, "root", x->blocked_by);
		weir_buf_lit(b, "} 1\n");
	}
}

void weir_edges_metrics(struct weir_buf *b, struct weir_engine *e,
			const struct weir_engine_stats *s)
{
	if (s->edge_count) {
		edge_metrics(b, e, s);
		pair_metrics(b, e, s);
	}
	root_metrics(b, e, s);
}
