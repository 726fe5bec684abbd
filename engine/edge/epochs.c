/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/epochs.h"

#include "engine/edge/cell_impl.h"

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

static void key_bool(struct weir_buf *b, const char *k, bool v)
{
	weir_buf_printf(b, ",\"%s\":%s", k, v ? "true" : "false");
}

static void sinks_json(struct weir_buf *b, const struct engine_cell *x)
{
	weir_buf_lit(b, ",\"sinks\":[");
	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		const struct weir_cell_sink_info *s = &x->sink_shown[i];

		weir_buf_lit(b, i ? ",{\"step\":" : "{\"step\":");
		weir_buf_json_str(b, weir_str_c(x->engine->p->step[s->step].name));
		key_u64(b, "task", s->task);
		key_u64(b, "cursor", s->cursor);
		key_u64(b, "waiting_epochs", s->waiting);
		key_u64(b, "waiting_bytes", s->waiting_bytes);
		key_bool(b, "unknown", s->unknown);
		weir_buf_char(b, '}');
	}
	weir_buf_char(b, ']');
}

void weir_epochs_json(struct weir_buf *b, struct weir_engine *e)
{
	struct engine_cell *x = e->cell;
	const struct weir_cell *c;

	if (!x) {
		weir_buf_lit(b, "{\"kept\":false}");
		return;
	}
	pthread_mutex_lock(&x->lock);
	c = &x->shown;
	weir_buf_lit(b, "{\"kept\":true");
	key_str(b, "state", e->p->state.dir);
	key_str(b, "guarantee", weir_guarantee_name(e->p->state.guarantee));
	key_str(b, "disk", x->disk_text);
	key_u64(b, "fence", x->fence);
	key_u64(b, "open", c->open);
	key_u64(b, "aligned", c->aligned);
	key_u64(b, "durable", c->durable);
	key_u64(b, "covered", c->covered);
	key_u64(b, "bundles", c->bundles);
	key_u64(b, "folded", c->folded);
	key_u64(b, "base_rounds", c->round);
	key_u64(b, "bundle_bytes", c->bundle_bytes);
	key_u64(b, "last_bundle_bytes", c->last_bundle_bytes);
	key_u64(b, "align_ns", c->align_ns);
	key_u64(b, "align_max_ns", c->align_max_ns);
	key_u64(b, "commit_ns", c->commit_ns);
	key_u64(b, "journal_live_bytes", x->journal_shown.bytes_live);
	key_u64(b, "journal_written_bytes", x->journal_shown.bytes_written);
	key_u64(b, "journal_segments", x->journal_shown.segments);
	key_u64(b, "disk_free_bytes", x->journal_shown.space_free);
	key_bool(b, "hold", c->hold);
	key_bool(b, "space_low", c->space_low);
	sinks_json(b, x);
	weir_buf_char(b, '}');
	pthread_mutex_unlock(&x->lock);
}

/* ---- OpenMetrics ---- */

static void labels(struct weir_buf *b, const struct weir_engine *e)
{
	weir_buf_lit(b, "{pipeline=\"");
	weir_buf_lit(b, weir_pipeline_instance(e->p));
	weir_buf_char(b, '"');
}

static void metric(struct weir_buf *b, const struct weir_engine *e, const char *name,
		   const char *type, const char *help, double v)
{
	weir_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s", name, help, name, type, name);
	labels(b, e);
	weir_buf_printf(b, "} %.15g\n", v);
}

static void sink_metric(struct weir_buf *b, const struct engine_cell *x, const char *name,
			const char *help, int which)
{
	weir_buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
	for (uint32_t i = 0; i < x->cell.sink_count; i++) {
		const struct weir_cell_sink_info *s = &x->sink_shown[i];
		uint64_t v = which == 0 ? s->cursor : which == 1 ? s->waiting : s->waiting_bytes;

		weir_buf_lit(b, name);
		labels(b, x->engine);
		weir_buf_printf(b, ",step=\"%s\",task=\"%u\"} %llu\n",
				x->engine->p->step[s->step].name, s->task, (unsigned long long)v);
	}
}

void weir_epochs_metrics(struct weir_buf *b, struct weir_engine *e)
{
	static const char *const frontier[] = {"open", "aligned", "durable", "covered"};
	struct engine_cell *x = e->cell;
	const struct weir_cell *c;
	uint64_t v[WEIR_COUNT_OF(frontier)];

	if (!x)
		return;
	pthread_mutex_lock(&x->lock);
	c = &x->shown;
	v[0] = c->open;
	v[1] = c->aligned;
	v[2] = c->durable;
	v[3] = c->covered;
	weir_buf_lit(b, "# HELP weir_epoch_frontier Newest epoch at each step of the ladder.\n"
			"# TYPE weir_epoch_frontier gauge\n");
	for (size_t i = 0; i < WEIR_COUNT_OF(frontier); i++) {
		weir_buf_lit(b, "weir_epoch_frontier");
		labels(b, e);
		weir_buf_printf(b, ",frontier=\"%s\"} %llu\n", frontier[i],
				(unsigned long long)v[i]);
	}
	metric(b, e, "weir_fence", "gauge", "Number of this ownership of the cell.",
	       (double)x->fence);
	metric(b, e, "weir_epochs_folded_total", "counter",
	       "Epochs that missed their deadline and went into the next one.", (double)c->folded);
	metric(b, e, "weir_bundles_total", "counter", "Bundles that became durable.",
	       (double)c->bundles);
	metric(b, e, "weir_bundle_bytes_total", "counter", "Bytes of all bundles.",
	       (double)c->bundle_bytes);
	metric(b, e, "weir_epoch_align_seconds", "gauge",
	       "From the barrier to the last task's report, newest epoch.",
	       (double)c->align_ns / 1e9);
	metric(b, e, "weir_epoch_commit_seconds", "gauge",
	       "From there until it was durable, newest epoch.", (double)c->commit_ns / 1e9);
	metric(b, e, "weir_journal_live_bytes", "gauge", "What a recovery would read.",
	       (double)x->journal_shown.bytes_live);
	metric(b, e, "weir_journal_written_bytes_total", "counter", "Bytes written to the journal.",
	       (double)x->journal_shown.bytes_written);
	metric(b, e, "weir_state_disk_free_bytes", "gauge",
	       "Free space of the state directory's file system.",
	       (double)x->journal_shown.space_free);
	metric(b, e, "weir_input_held", "gauge", "1 while sources are asked to emit nothing.",
	       c->hold);
	sink_metric(b, x, "weir_sink_cursor_epoch", "Newest epoch that is in the sink.", 0);
	sink_metric(b, x, "weir_sink_waiting_epochs",
		    "Epochs that are durable or soon, and not in "
		    "the sink.",
		    1);
	sink_metric(b, x, "weir_sink_waiting_bytes", "Output of those epochs.", 2);
	pthread_mutex_unlock(&x->lock);
}
