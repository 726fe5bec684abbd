/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/status.h"

#include <unistd.h>

#include "base/time.h"
#include "engine/edge/edge_stats.h"
#include "engine/edge/epochs.h"

/* ---- JSON ---- */

static void key(struct weir_buf *b, const char *k)
{
	if (b->len && b->p[b->len - 1] != '{' && b->p[b->len - 1] != '[')
		weir_buf_char(b, ',');
	weir_buf_json_str(b, weir_str_c(k));
	weir_buf_char(b, ':');
}

static void key_str(struct weir_buf *b, const char *k, const char *v)
{
	key(b, k);
	weir_buf_json_str(b, weir_str_c(v));
}

static void key_u64(struct weir_buf *b, const char *k, uint64_t v)
{
	key(b, k);
	weir_buf_u64(b, v);
}

static void key_f64(struct weir_buf *b, const char *k, double v)
{
	key(b, k);
	weir_buf_printf(b, "%.3f", v);
}

static void key_bool(struct weir_buf *b, const char *k, bool v)
{
	key(b, k);
	weir_buf_lit(b, v ? "true" : "false");
}

static void key_time(struct weir_buf *b, const char *k, int64_t t)
{
	key(b, k);
	if (t == WEIR_TIME_MIN || t == WEIR_TIME_MAX) {
		weir_buf_lit(b, t == WEIR_TIME_MIN ? "null" : "\"end\"");
		return;
	}
	weir_buf_char(b, '"');
	weir_buf_time(b, t);
	weir_buf_char(b, '"');
}

static void step_json(struct weir_buf *b, struct weir_engine *e, const struct weir_engine_stats *s,
		      uint32_t i)
{
	const struct weir_step *step = &weir_engine_pipeline(e)->step[i];
	const struct weir_step_stats *st = &s->step[i];

	weir_buf_char(b, '{');
	key_str(b, "step", step->name);
	key_str(b, "kind", weir_step_kind_name(step->kind));
	key_u64(b, "tasks", st->tasks);
	key_u64(b, "chain", weir_engine_plan_of(e)->tasks.step_chain[i]);
	key_u64(b, "records_in", st->rows_in);
	key_u64(b, "records_out", st->rows_out);
	key_u64(b, "late", st->late);
	key_u64(b, "rejected", st->rejects);
	key_u64(b, "busy_ns", st->busy_ns);
	key_u64(b, "blocked_ns", st->blocked_ns);
	key_f64(b, "ring_fill", st->ring_fill);
	key_f64(b, "out_fill", st->out_fill);
	key_time(b, "watermark", st->watermark);
	key(b, "watermark_lag_ns");
	if (st->watermark == WEIR_TIME_MIN || st->watermark == WEIR_TIME_MAX)
		weir_buf_lit(b, "null");
	else
		weir_buf_printf(b, "%.0f", (double)s->wall_ns - (double)st->watermark);
	if (*weir_engine_address(e, i))
		key_str(b, "address", weir_engine_address(e, i));
	weir_buf_char(b, '}');
}

void weir_status_json(struct weir_buf *b, struct weir_engine *e, const struct weir_engine_stats *s,
		      const char *metrics)
{
	const struct weir_pipeline *p = weir_engine_pipeline(e);
	uint64_t until = s->ended_ns ? s->ended_ns : s->mono_ns;

	weir_buf_lit(b, "{\"ok\":true");
	key_str(b, "pipeline", weir_pipeline_instance(p));
	if (p->region)
		key_str(b, "region", p->region);
	key_str(b, "file", p->file);
	key_u64(b, "pid", (uint64_t)getpid());
	key_bool(b, "running", s->running);
	key_bool(b, "failed", s->failed);
	key_u64(b, "time_ns", (uint64_t)s->wall_ns);
	key_u64(b, "uptime_ns", s->started_ns ? until - s->started_ns : 0);
	key_u64(b, "records_in", s->records_in);
	key_u64(b, "records_out", s->records_out);
	key_u64(b, "state_bytes", s->state_bytes);
	key_str(b, "metrics", metrics);
	key_str(b, "memory", weir_segment_backing_text(weir_engine_segment(e)));
	key(b, "bottleneck");
	if (s->bottleneck >= 0)
		weir_buf_json_str(b, weir_str_c(p->step[s->bottleneck].name));
	else
		weir_buf_lit(b, "null");
	weir_edges_json(b, e, s);
	key(b, "epochs");
	weir_epochs_json(b, e);
	key(b, "steps");
	weir_buf_char(b, '[');
	for (uint32_t i = 0; i < s->step_count; i++) {
		if (i)
			weir_buf_char(b, ',');
		step_json(b, e, s, i);
	}
	weir_buf_char(b, ']');
	key(b, "workers");
	weir_buf_char(b, '[');
	for (uint32_t i = 0; i < s->worker_count; i++) {
		weir_buf_lit(b, i ? ",{" : "{");
		key_u64(b, "worker", i);
		key_u64(b, "cpu", s->worker[i].cpu);
		key_u64(b, "busy_ns", s->worker[i].busy_ns);
		key_u64(b, "sleep_ns", s->worker[i].sleep_ns);
		weir_buf_char(b, '}');
	}
	weir_buf_lit(b, "]}");
}

/* ---- OpenMetrics ---- */

static void label(struct weir_buf *b, const char *name, const char *value)
{
	weir_buf_lit(b, name);
	weir_buf_lit(b, "=\"");
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			weir_buf_char(b, '\\');
		weir_buf_char(b, *p == '\n' ? ' ' : *p);
	}
	weir_buf_char(b, '"');
}

static void head(struct weir_buf *b, const char *name, const char *type, const char *help)
{
	weir_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void sample_step(struct weir_buf *b, const char *name, const char *pipeline,
			const char *step)
{
	weir_buf_lit(b, name);
	weir_buf_char(b, '{');
	label(b, "pipeline", pipeline);
	weir_buf_char(b, ',');
	label(b, "step", step);
	weir_buf_lit(b, "} ");
}

enum { M_IN, M_OUT, M_LATE, M_REJECTED, M_BUSY, M_BLOCKED, M_FILL, M_WATERMARK, M_LAG, M_COUNT };

static const struct {
	const char *name, *type, *help;
} step_metric[M_COUNT] = {
	{"weir_step_records_in_total", "counter", "Records a step has taken."},
	{"weir_step_records_out_total", "counter", "Records a step has emitted, all outputs."},
	{"weir_step_late_records_total", "counter", "Records that came after their windows."},
	{"weir_step_rejected_records_total", "counter", "Records or lines that could not be used."},
	{"weir_step_busy_seconds_total", "counter", "Time the tasks of the step's chain worked."},
	{"weir_step_blocked_seconds_total", "counter", "Time they waited for room behind them."},
	{"weir_step_ring_fill_ratio", "gauge", "Fill of the fullest ring in front of the step."},
	{"weir_step_watermark_timestamp_seconds", "gauge", "Event time the step has reached."},
	{"weir_step_watermark_lag_seconds", "gauge", "Wall clock minus watermark."},
};

static bool step_value(struct weir_buf *b, const struct weir_engine_stats *s, uint32_t i,
		       int metric)
{
	const struct weir_step_stats *st = &s->step[i];
	bool timed = st->watermark != WEIR_TIME_MIN && st->watermark != WEIR_TIME_MAX;

	switch (metric) {
	case M_IN:
		weir_buf_u64(b, st->rows_in);
		return true;
	case M_OUT:
		weir_buf_u64(b, st->rows_out);
		return true;
	case M_LATE:
		weir_buf_u64(b, st->late);
		return true;
	case M_REJECTED:
		weir_buf_u64(b, st->rejects);
		return true;
	case M_BUSY:
		weir_buf_printf(b, "%.9f", (double)st->busy_ns / 1e9);
		return true;
	case M_BLOCKED:
		weir_buf_printf(b, "%.9f", (double)st->blocked_ns / 1e9);
		return true;
	case M_FILL:
		weir_buf_printf(b, "%.4f", st->ring_fill);
		return true;
	case M_WATERMARK:
		if (!timed)
			return false;
		weir_buf_printf(b, "%.3f", (double)st->watermark / 1e9);
		return true;
	default:
		if (!timed)
			return false;
		weir_buf_printf(b, "%.3f", ((double)s->wall_ns - (double)st->watermark) / 1e9);
		return true;
	}
}

static void step_metrics(struct weir_buf *b, const struct weir_pipeline *p,
			 const struct weir_engine_stats *s)
{
	for (int m = 0; m < M_COUNT; m++) {
		head(b, step_metric[m].name, step_metric[m].type, step_metric[m].help);
		for (uint32_t i = 0; i < s->step_count; i++) {
			size_t at = b->len;

			sample_step(b, step_metric[m].name, weir_pipeline_instance(p),
				    p->step[i].name);
			if (step_value(b, s, i, m))
				weir_buf_char(b, '\n');
			else
				b->len = at; /* no event time: no sample */
		}
	}
}

static void ring_metrics(struct weir_buf *b, struct weir_engine *e, const char *pipeline)
{
	const struct weir_segment *seg = weir_engine_segment(e);
	uint32_t rings = weir_engine_plan_of(e)->tasks.ring_count;

	for (int pass = 0; pass < 2; pass++) {
		const char *name = pass ? "weir_ring_capacity_bytes" : "weir_ring_used_bytes";

		head(b, name, "gauge", pass ? "Size of a ring." : "Bytes waiting in a ring.");
		for (uint32_t i = 0; i < rings; i++) {
			const struct weir_ring_block *r = &seg->ring[i];
			uint64_t rd = weir_load_acquire(&r->head), wr = weir_load_acquire(&r->tail);

			weir_buf_lit(b, name);
			weir_buf_char(b, '{');
			label(b, "pipeline", pipeline);
			weir_buf_char(b, ',');
			label(b, "ring", r->name);
			weir_buf_lit(b, "} ");
			weir_buf_u64(b, pass ? r->capacity : wr - rd);
			weir_buf_char(b, '\n');
		}
	}
}

static void worker_metrics(struct weir_buf *b, const char *pipeline,
			   const struct weir_engine_stats *s)
{
	for (int pass = 0; pass < 2; pass++) {
		const char *name =
			pass ? "weir_worker_sleep_seconds_total" : "weir_worker_busy_seconds_total";

		head(b, name, "counter",
		     pass ? "Time a worker slept." : "Time a worker ran tasks.");
		for (uint32_t i = 0; i < s->worker_count; i++) {
			weir_buf_printf(b, "%s{", name);
			label(b, "pipeline", pipeline);
			weir_buf_printf(b, ",worker=\"%u\",cpu=\"%u\"} %.9f\n", i, s->worker[i].cpu,
					(double)(pass ? s->worker[i].sleep_ns
						      : s->worker[i].busy_ns) /
						1e9);
		}
	}
}

void weir_status_metrics(struct weir_buf *b, struct weir_engine *e,
			 const struct weir_engine_stats *s)
{
	const struct weir_pipeline *p = weir_engine_pipeline(e);
	const char *name = weir_pipeline_instance(p);

	step_metrics(b, p, s);
	ring_metrics(b, e, name);
	worker_metrics(b, name, s);
	weir_epochs_metrics(b, e);
	weir_edges_metrics(b, e, s);
	head(b, "weir_state_bytes", "gauge", "Memory of the arenas: state and set-up.");
	weir_buf_printf(b, "weir_state_bytes{");
	label(b, "pipeline", name);
	weir_buf_printf(b, "} %llu\n", (unsigned long long)s->state_bytes);
	head(b, "weir_pipeline_running", "gauge", "1 while the pipeline runs.");
	weir_buf_printf(b, "weir_pipeline_running{");
	label(b, "pipeline", name);
	weir_buf_printf(b, "} %d\n", s->running);
	head(b, "weir_build_info", "gauge", "Version of the engine.");
	weir_buf_printf(b, "weir_build_info{version=\"%s\"} 1\n", WEIR_VERSION);
	weir_buf_lit(b, "# EOF\n");
}
