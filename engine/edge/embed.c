/* SPDX-License-Identifier: Apache-2.0 */
/* The embedding half of engine/weir.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/edge/build_ops.h"
#include "engine/edge/engine.h"
#include "engine/edge/pipeline_file.h"
#include "engine/edge/regex.h"
#include "engine/weir.h"

struct weir_handle {
	struct weir_region region;
	struct weir_pipeline *p;
	struct weir_engine *e;
	struct weir_engine_stats *stats;
};

static void set_text(char *err, size_t cap, const char *text)
{
	if (err && cap)
		snprintf(err, cap, "%s", text);
}

static void set_diags(char *err, size_t cap, const char *file, const struct weir_diags *d)
{
	size_t at = 0;

	for (uint32_t i = 0; err && i < d->count && at < cap; i++) {
		int n = snprintf(err + at, cap - at, "%s%s:%u:%u: %s", i ? "\n" : "", file,
				 d->diag[i].pos.line, d->diag[i].pos.column, d->diag[i].text);

		at += n > 0 ? (size_t)n : 0;
	}
}

/* Programs that were built with an older header hand over a shorter structure: what it does not have is 0. */
static struct weir_run_options options_of(const struct weir_run_options *opt)
{
	struct weir_run_options o = {0};

	if (opt)
		memcpy(&o, opt, WEIR_MIN((size_t)opt->size, sizeof(o)));
	return o;
}

WEIR_API struct weir_handle *
weir_pipeline_open(const char *file, const struct weir_run_options *opt, char *err, size_t err_cap)
{
	const struct weir_run_options o = options_of(opt);
	struct weir_engine_options eo = {.regex = weir_regex_pcre2(),
					 .workers = o.workers,
					 .fresh = o.fresh,
					 .no_huge = o.no_huge,
					 .no_pin = o.no_pin};
	struct weir_handle *h = calloc(1, sizeof(*h));
	struct weir_err e = {0};
	struct weir_diags diags;
	int r;

	set_text(err, err_cap, ""); /* the caller's buffer holds anything */
	if (!h) {
		set_text(err, err_cap, "out of memory");
		return NULL;
	}
	weir_region_init(&h->region, &weir_heap_mem);
	r = weir_pipeline_load(file, weir_build_ops(), &h->region, &h->p, &diags, &e);
	if (r == 0 && o.state)
		h->p->state.dir = weir_region_strdup(&h->region, weir_str_c(o.state));
	if (r == 0)
		r = weir_engine_open(h->p, &eo, &h->e, &e);
	else if (r == WEIR_E_CONFIG)
		set_diags(err, err_cap, file, &diags);
	if (r < 0) {
		if (r != WEIR_E_CONFIG || !err || !err_cap || !*err)
			set_text(err, err_cap, e.text);
		weir_region_fini(&h->region);
		free(h);
		return NULL;
	}
	h->stats = weir_engine_stats_new(h->e, &h->region);
	return h;
}

WEIR_API int weir_pipeline_start(struct weir_handle *h, char *err, size_t err_cap)
{
	struct weir_err e = {0};

	if (weir_engine_start(h->e, &e) == 0)
		return 0;
	set_text(err, err_cap, e.text);
	return -1;
}

WEIR_API void weir_pipeline_stop(struct weir_handle *h, int now)
{
	weir_engine_stop(h->e, now != 0);
}

WEIR_API int weir_pipeline_wait(struct weir_handle *h, int timeout_ms, char *err, size_t err_cap)
{
	struct weir_err e = {0};
	int r = weir_engine_wait(h->e, timeout_ms < 0 ? -1 : timeout_ms * WEIR_NS_PER_MS, &e);

	if (r >= 0)
		return r;
	set_text(err, err_cap, e.text);
	return -1;
}

WEIR_API void weir_pipeline_counts(struct weir_handle *h, uint64_t *ret_in, uint64_t *ret_out)
{
	weir_engine_stats_read(h->e, h->stats);
	*ret_in = h->stats->records_in;
	*ret_out = h->stats->records_out;
}

WEIR_API void weir_pipeline_close(struct weir_handle *h)
{
	if (!h)
		return;
	weir_engine_close(h->e);
	weir_region_fini(&h->region);
	free(h);
}

WEIR_API const char *weir_version(void)
{
	return WEIR_VERSION;
}
