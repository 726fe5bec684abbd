/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/engine/edge_rig.h - regions in one process: an engine each, and a thread that is the gateways between them.
 *
 * The thread copies frames from the ring "out" of one region to the ring "in" of the other one, tells the engines OPEN and
 * CLOSED, and loses what is on its way when it is cut. Everything lies in scratch_dir, which scratch_close() cannot empty:
 * rig_clear() does.
 */
#ifndef WEIR_TESTS_UNIT_ENGINE_EDGE_RIG_H
#define WEIR_TESTS_UNIT_ENGINE_EDGE_RIG_H

#include <ftw.h>

#include "engine/core/regions.h"
#include "engine/edge/build_ops.h"
#include "engine/edge/engine.h"
#include "engine/edge/pipeline_file.h"
#include "engine/edge/regex.h"
#include "host/clock.h"
#include "host/cluster.h"
#include "shm/doorbell.h"
#include "tests/unit/engine/file_lib.h"

#include <pthread.h>
#include <stdatomic.h>

#define RIG_REGIONS 3
#define RIG_LANES 8

static const char *const rig_name[RIG_REGIONS] = {"eu", "us", "ap"};

struct rig_region {
	struct weir_region region;
	struct weir_pipeline *p;
	struct weir_engine *e;
	struct weir_err err;
	char dir[PATH_CAP];
};

/* One direction of a lane. */
struct rig_way {
	uint64_t edge;
	struct weir_ring_rx rx; /* the ring "out" of one */
	struct weir_ring_tx tx; /* the ring "in" of the other */
	struct weir_doorbell *from_bell, *to_bell;
	bool open; /* as the reader of tx was told */
	uint64_t frames;
};

struct rig {
	const char *yaml;
	struct weir_cluster cluster;
	struct rig_region r[RIG_REGIONS];
	uint32_t regions;

	pthread_t thread;
	bool runs;
	uint32_t ways;
	struct rig_way way[2 * RIG_LANES];
	_Atomic bool quit;
	_Atomic bool want_open;
	_Atomic bool is_open; /* all ways are as they should be */
	_Atomic uint32_t pause; /* bits: ways that are not served */
	uint64_t session;
	uint64_t lost; /* frames */
	bool drop_all; /* a cut also loses what lies in the rings */
};

static inline void rig_init(struct rig *r, const char *yaml, uint32_t regions)
{
	memset(r, 0, sizeof(*r));
	r->yaml = yaml;
	r->regions = regions;
	strcpy(r->cluster.name, "test");
	r->cluster.certs = "";
	r->cluster.region_count = regions;
	r->cluster.buffer_bytes = (uint64_t)64 << 20;
	r->cluster.spill_bytes = (uint64_t)1 << 30;
	for (uint32_t i = 0; i < regions; i++) {
		strcpy(r->cluster.region[i].name, rig_name[i]);
		r->cluster.region[i].gateway_count = 1;
		snprintf(r->r[i].dir, PATH_CAP, "%.255s/%s", scratch_dir, rig_name[i]);
	}
	atomic_store(&r->want_open, true);
}

static inline int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	return f->level ? remove(path) : 0;
}

static inline void rig_clear(void)
{
	assert_int_equal(nftw(scratch_dir, rig_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- engines ---- */

static inline int rig_try_up(struct rig *r, uint32_t i)
{
	struct weir_regions_env env = {.cluster = r->cluster.name,
				       .region = rig_name,
				       .region_count = r->regions,
				       .here = i};
	struct weir_engine_options o = {.workers = 1,
					.no_huge = true,
					.no_pin = true,
					.regex = weir_regex_pcre2(),
					.cluster = &r->cluster,
					.region = i};
	struct rig_region *x = &r->r[i];
	struct weir_pipeline *p;
	struct weir_diags diags;
	int k;

	weir_region_init(&x->region, &weir_heap_mem);
	memset(&x->err, 0, sizeof(x->err));
	x->e = NULL;
	k = weir_pipeline_parse(weir_str_c(r->yaml), "test", scratch_dir, weir_build_ops(),
				&x->region, &p, &diags, &x->err);
	if (k == 0) {
		weir_diags_init(&diags, &x->region);
		k = weir_regions_plan(p, &env, &x->region, &x->p, &diags);
	}
	if (k == WEIR_E_CONFIG && diags.count)
		fail_msg("%s", diags.diag[0].text);
	assert_int_equal(k, 0);
	x->p->state.dir = x->dir;
	k = weir_engine_open(x->p, &o, &x->e, &x->err);
	return k < 0 ? k : weir_engine_start(x->e, &x->err);
}

static inline void rig_up(struct rig *r, uint32_t i)
{
	if (rig_try_up(r, i) < 0)
		fail_msg("%s: %s", rig_name[i], r->r[i].err.text);
}

/* The input has ended and all has been handed on. */
static inline void rig_ended(struct rig *r, uint32_t i)
{
	struct rig_region *x = &r->r[i];
	int k = weir_engine_wait(x->e, 120 * WEIR_NS_PER_S, &x->err);

	if (k)
		fail_msg("%s: %s", rig_name[i], k > 0 ? "does not end" : x->err.text);
}

/* ---- gateways ---- */

static inline void rig_kick(struct weir_doorbell *d)
{
	weir_doorbell_ring(d);
}

static inline bool rig_tell(struct rig_way *w, enum weir_lane_type type, uint64_t session,
			    const char *why)
{
	uint32_t body = (uint32_t)strlen(why), n = WEIR_ALIGN_UP(64 + body, 8u);
	struct weir_lane_head *h = weir_ring_claim(&w->tx, n);

	if (!h)
		return false;
	memset(h, 0, n);
	h->f.key_hash = w->edge;
	h->f.time_ns = (int64_t)session;
	memcpy(h + 1, why, body);
	weir_lane_seal(h, type, body);
	weir_ring_keep(&w->tx, n);
	weir_ring_publish(&w->tx);
	rig_kick(w->to_bell);
	return true;
}

/* true: a frame went over. */
static inline bool rig_pass_one(struct rig *r, struct rig_way *w, bool lose)
{
	const void *p;
	uint64_t n = weir_ring_peek(&w->rx, 64, &p);
	int64_t stride = weir_lane_stride(p, n, w->rx.block->frame_max);
	void *to;

	assert_true(stride >= 0);
	if (stride == 0)
		return false;
	assert_int_equal(weir_lane_check(p, (uint64_t)stride), 0);
	if (lose) {
		r->lost++;
	} else {
		to = weir_ring_claim(&w->tx, (uint64_t)stride);
		if (!to)
			return false;
		memcpy(to, p, (size_t)stride);
		weir_ring_keep(&w->tx, (uint64_t)stride);
		w->frames++;
	}
	weir_ring_consume(&w->rx, (uint64_t)stride);
	return true;
}

static inline bool rig_serve(struct rig *r, struct rig_way *w, bool open)
{
	bool moved = false;

	if (w->open != open) {
		while (!open && r->drop_all && rig_pass_one(r, w, true))
			;
		weir_ring_release(&w->rx);
		if (!rig_tell(w, open ? WEIR_LANE_OPEN : WEIR_LANE_CLOSED, r->session,
			      open ? "" : "cut by the test"))
			return false;
		w->open = open;
	}
	for (int i = 0; open && i < 64 && rig_pass_one(r, w, false); i++)
		moved = true;
	if (!moved)
		return false;
	weir_ring_publish(&w->tx);
	weir_ring_release(&w->rx);
	rig_kick(w->to_bell);
	rig_kick(w->from_bell);
	return true;
}

static inline void *rig_gateway(void *arg)
{
	struct rig *r = arg;

	while (!atomic_load(&r->quit)) {
		bool open = atomic_load(&r->want_open), moved = false, same = true;

		if (open && !atomic_load(&r->is_open))
			r->session++;
		for (uint32_t i = 0; i < r->ways; i++) {
			if (!(atomic_load(&r->pause) & 1u << i))
				moved |= rig_serve(r, &r->way[i], open);
			same &= r->way[i].open == open;
		}
		atomic_store(&r->is_open, same && open);
		if (!moved)
			usleep(200);
	}
	return NULL;
}

static inline const struct weir_ring_block *rig_ring(const struct weir_segment *s, bool out,
						     uint64_t edge)
{
	for (uint32_t i = 0; i < s->ring_count; i++) {
		char peer[WEIR_REGION_MAX + 1];
		uint64_t id;
		bool o;

		if (weir_lane_ring_parse(s->ring[i].name, &o, &id, peer) && o == out && id == edge)
			return &s->ring[i];
	}
	return NULL;
}

static inline void rig_way(struct rig *r, const struct weir_segment *a,
			   const struct weir_segment *b, uint64_t edge)
{
	const struct weir_ring_block *out = rig_ring(a, true, edge), *in = rig_ring(b, false, edge);
	struct rig_way *w = &r->way[r->ways];

	if (!out || !in)
		return;
	r->ways++;
	assert_true(r->ways <= WEIR_COUNT_OF(r->way));
	memset(w, 0, sizeof(*w));
	w->edge = edge;
	weir_ring_role_claim(&a->ring[out->index].consumer, NULL);
	weir_ring_role_claim(&b->ring[in->index].producer, NULL);
	weir_ring_rx_init(&w->rx, &a->ring[out->index], a->ring_base[out->index]);
	weir_ring_tx_init(&w->tx, &b->ring[in->index], b->ring_base[in->index]);
	w->from_bell = &a->doorbell[out->producer_doorbell];
	w->to_bell = &b->doorbell[in->consumer_doorbell];
}

/* All lanes between engines that are up. Ways in the order of regions and edges. */
static inline void rig_connect(struct rig *r)
{
	r->ways = 0;
	for (uint32_t i = 0; i < r->regions; i++) {
		struct weir_edge_spec edge[RIG_LANES];
		uint32_t n;

		if (!r->r[i].e)
			continue;
		n = weir_regions_edges(r->r[i].p, edge, RIG_LANES);
		for (uint32_t k = 0; k < n; k++)
			for (uint32_t j = 0; j < r->regions; j++)
				if (j != i && r->r[j].e)
					rig_way(r, weir_engine_segment(r->r[i].e),
						weir_engine_segment(r->r[j].e), edge[k].id);
	}
	atomic_store(&r->quit, false);
	atomic_store(&r->is_open, false);
	assert_int_equal(pthread_create(&r->thread, NULL, rig_gateway, r), 0);
	r->runs = true;
}

static inline void rig_disconnect(struct rig *r)
{
	if (!r->runs)
		return;
	atomic_store(&r->quit, true);
	pthread_join(r->thread, NULL);
	r->runs = false;
	for (uint32_t i = 0; i < r->ways; i++) {
		weir_ring_role_drop(&r->way[i].rx.block->consumer);
		weir_ring_role_drop(&r->way[i].tx.block->producer);
	}
}

/* now: as a crash would, as far as what lies on the disk goes. */
static inline void rig_down(struct rig *r, uint32_t i, bool now)
{
	struct rig_region *x = &r->r[i];

	rig_disconnect(r); /* it uses the engine's segment */
	if (!x->e)
		return;
	weir_engine_stop(x->e, now);
	if (!now)
		assert_int_equal(weir_engine_wait(x->e, 30 * WEIR_NS_PER_S, &x->err), 0);
	weir_engine_close(x->e);
	x->e = NULL;
	weir_region_fini(&x->region);
}

static inline void rig_fini(struct rig *r)
{
	for (uint32_t i = 0; i < r->regions; i++)
		rig_down(r, i, true);
	rig_clear();
}

/* ---- results ---- */

struct rig_lines {
	char *text;
	char **line;
	size_t bytes, count;
};

static inline int rig_line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines of all parts of a file sink, sorted. */
static inline struct rig_lines rig_read(const char *name)
{
	struct rig_lines l = {0};
	DIR *d = opendir(path_of(name));
	struct dirent *e;
	char path[2 * PATH_CAP];

	while (d && (e = readdir(d))) {
		struct stat st;
		int fd;

		if (strncmp(e->d_name, "part-", 5))
			continue;
		snprintf(path, sizeof(path), "%s/%s", path_of(name), e->d_name);
		fd = open(path, O_RDONLY);
		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		l.text = realloc(l.text, l.bytes + (size_t)st.st_size + 1);
		assert_non_null(l.text);
		assert_int_equal(read(fd, l.text + l.bytes, (size_t)st.st_size), st.st_size);
		l.bytes += (size_t)st.st_size;
		close(fd);
	}
	if (d)
		closedir(d);
	for (size_t i = 0; i < l.bytes; i++)
		l.count += l.text[i] == '\n';
	l.line = calloc(l.count + 1, sizeof(*l.line));
	for (size_t i = 0, k = 0, from = 0; i < l.bytes; i++) {
		if (l.text[i] != '\n')
			continue;
		l.text[i] = 0;
		l.line[k++] = l.text + from;
		from = i + 1;
	}
	qsort(l.line, l.count, sizeof(*l.line), rig_line_cmp);
	return l;
}

static inline void rig_lines_free(struct rig_lines *l)
{
	free(l->text);
	free(l->line);
}

static inline size_t rig_count(const char *name)
{
	struct rig_lines l = rig_read(name);
	size_t n = l.count;

	rig_lines_free(&l);
	return n;
}

static inline void rig_same(const char *name, const char *expected)
{
	struct rig_lines a = rig_read(name), b = rig_read(expected);

	assert_true(b.count > 0);
	for (size_t i = 0; i < WEIR_MIN(a.count, b.count); i++)
		if (strcmp(a.line[i], b.line[i]))
			fail_msg("line %zu is %s, expected %s", i, a.line[i], b.line[i]);
	assert_int_equal(a.count, b.count);
	rig_lines_free(&a);
	rig_lines_free(&b);
}

/* Statistics of the first edge of an engine. */
static inline struct weir_edge_stats rig_edge(struct rig *r, uint32_t i)
{
	struct weir_region region;
	struct weir_engine_stats *s;
	struct weir_edge_stats x;

	weir_region_init(&region, &weir_heap_mem);
	s = weir_engine_stats_new(r->r[i].e, &region);
	weir_engine_stats_read(r->r[i].e, s);
	assert_true(s->edge_count > 0);
	x = s->edge[0];
	weir_region_fini(&region);
	return x;
}

static inline bool rig_soon(uint64_t from, uint64_t ms)
{
	usleep(2000);
	return weir_mono_ns() - from < ms * (uint64_t)WEIR_NS_PER_MS;
}

/* Waits for a condition, at most so long. */
#define RIG_WAIT(ms, cond)                                                                         \
	do {                                                                                       \
		uint64_t from_ = weir_mono_ns();                                                   \
                                                                                                   \
		while (!(cond) && rig_soon(from_, ms))                                             \
			;                                                                          \
		if (!(cond))                                                                       \
			fail_msg("not within " #ms " ms: " #cond);                                 \
	} while (0)

#endif
