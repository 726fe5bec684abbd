/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/source.h"

#include <stdio.h>

#include "base/buf.h"
#include "engine/core/freeze.h"
#include "engine/core/source.h"
#include "engine/core/source_state.h"
#include "tests/sim/check.h"

struct sim_source {
	struct weir_source source; /* first */
	struct sim *s;
	uint32_t task;
	uint32_t count;
	const struct weir_schema *schema;
};

/* ---- the input ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	struct weir_prng p = {.state = a ^ b * UINT64_C(0x9e3779b97f4a7c15)};

	return weir_prng_u64(&p);
}

uint32_t sim_record_count(const struct sim_options *o, uint32_t task)
{
	return o->records / o->sources + (task < o->records % o->sources);
}

static int64_t key_of(const struct sim_options *o, uint64_t h)
{
	uint64_t n = o->keys, half = 0;

	if (!o->zipf)
		return (int64_t)(h % n);
	/* Half of the records have one key, half of the others the next ... */
	while (half + 1 < n && half < 62 && (h >> half & 1))
		half++;
	return half < 20 ? (int64_t)half : (int64_t)(mix(h, 7) % n);
}

void sim_record_of(const struct sim *s, uint32_t task, uint32_t i, struct sim_record *ret)
{
	const struct sim_options *o = &s->opt;
	uint64_t h = mix(mix(s->seed, task + 1u), i);

	ret->id = SIM_ID(task, i) + SIM_REGION_ID(s->number);
	ret->k = key_of(o, mix(h, 1));
	ret->amount = (int64_t)(mix(h, 2) % 2001) - 1000;
	ret->t = SIM_TIME_BASE + (int64_t)(i * o->spread_ns);
	if (o->disorder_ns && mix(h, 3) % 3 == 0)
		ret->t -= (int64_t)(mix(h, 4) % (o->disorder_ns + 1));
	ret->note = (uint32_t)(mix(h, 5) % (o->text_max + 1));
}

size_t sim_key_text(int64_t k, char *to, size_t cap)
{
	int n = snprintf(to, cap, "key-%lld-%.*s", (long long)k, (int)(k % 40),
			 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");

	return (size_t)n;
}

/* ---- the node ---- */

/* Records that are due by now. */
static uint32_t due(const struct sim_source *g)
{
	const struct sim_options *o = &g->s->opt;
	uint64_t t = g->s->now - SIM_START_NS;

	if (t >= o->run_ns)
		return g->count;
	return (uint32_t)((weir_u128)g->count * t / o->run_ns);
}

static bool emit(struct sim_source *g, struct weir_port *port, uint32_t i)
{
	struct sim_record r;
	struct weir_builder b;
	char text[512];
	uint32_t cap;
	void *mem = weir_port_claim(port, 1024, &cap);

	if (!mem)
		return false;
	sim_record_of(g->s, g->task, i, &r);
	weir_build_begin(&b, mem, cap, g->schema);
	weir_build_i64(&b, SIM_F_T, r.t);
	weir_build_i64(&b, SIM_F_ID, r.id);
	weir_build_i64(&b, SIM_F_K, r.k);
	weir_build_str(&b, SIM_F_KS,
		       (struct weir_str){text, sim_key_text(r.k, text, sizeof(text))});
	weir_build_i64(&b, SIM_F_AMOUNT, r.amount);
	memset(text, 'a' + (int)(i % 26), sizeof(text));
	weir_build_str(&b, SIM_F_NOTE, (struct weir_str){text, r.note});
	if (!weir_build_end(&b))
		return false;
	b.f->time_ns = r.t;
	b.f->flags = WEIR_FRAME_F_TIMED;
	weir_port_keep(port, weir_frame_stride(b.f));
	weir_port_push(port, b.f);
	weir_source_saw(&g->source, r.t);
	return true;
}

/* To the next record; a millisecond at least. */
static uint64_t wait_of(const struct sim_source *g)
{
	const struct sim_options *o = &g->s->opt;
	uint64_t t = g->s->now - SIM_START_NS, at;

	if (g->source.rows >= g->count)
		return (uint64_t)WEIR_NS_PER_MS;
	at = (uint64_t)((weir_u128)(g->source.rows + 1) * o->run_ns / g->count) + 1;
	return WEIR_MAX(at > t ? at - t : 0, (uint64_t)WEIR_NS_PER_MS);
}

static int source_run(struct weir_node *n)
{
	struct sim_source *g = n->op;
	struct weir_port *port = &n->port[0];
	uint32_t upto = due(g), rows = 0;

	while (rows < g->source.budget && g->source.rows < upto && weir_port_room(port) &&
	       emit(g, port, (uint32_t)g->source.rows)) {
		g->source.rows++;
		rows++;
	}
	if (g->source.rows >= g->count)
		g->source.ended = true;
	g->source.wait_ns = rows ? 0 : wait_of(g);
	return rows > 0 || g->source.ended;
}

static void source_freeze(struct weir_node *n, struct weir_out *o)
{
	struct sim_source *g = n->op;

	weir_source_put(&g->source, o);
	sim_check_position(g->s, g->task, n->task->epoch, g->source.rows);
}

static int source_restore(struct weir_node *n, struct weir_restore *r)
{
	struct sim_source *g = n->op;
	int rc = weir_source_get(n, r);

	if (rc < 0)
		return rc;
	g->source.ended = g->source.rows >= g->count;
	return 0;
}

static void source_sign(const struct weir_node *n, struct weir_buf *b)
{
	(void)n;
	weir_buf_lit(b, "sim source");
}

static const struct weir_state_ops source_state = {
	.freeze = source_freeze, .restore = source_restore, .sign = source_sign};

static const struct weir_op_class source_class = {
	.name = "sim source", .run = source_run, .source = true, .state = &source_state};

int sim_source_init(struct sim *s, struct weir_node *n, const struct weir_op_env *env)
{
	struct sim_source *g = weir_region_new(env->region, struct sim_source);

	g->s = s;
	g->task = env->instance;
	g->count = sim_record_count(&s->opt, env->instance);
	g->schema = env->step->port[0].schema;
	g->source.timed = true;
	g->source.watermark = WEIR_TIME_MIN;
	g->source.lateness_ns = (int64_t)s->opt.lateness_ns;
	n->cls = &source_class;
	n->op = g;
	return 0;
}
