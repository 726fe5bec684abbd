/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One result of a global aggregate. Accumulators are folded in the order of the members, from their bytes: the same bits in
 * every region, rounding of floats included.
 */
#include "base/assert.h"
#include "engine/core/global_int.h"

#define TEXT_WANT 256u /* first guess for the text of a result */

static int damaged(struct global_merge *m, const char *what)
{
	return weir_err_set(&m->node->task->err, WEIR_E_CORRUPT,
			    "step `%s`: the part of a region is damaged: %s", m->node->step_name,
			    what);
}

/* ---- accumulators ---- */

static void release(struct global_merge *m, uint8_t *group)
{
	for (uint32_t i = 0; i < m->agg_count; i++)
		if (m->agg[i].cls->release)
			m->agg[i].cls->release(&m->agg[i], &m->fold_slab, group + m->agg[i].offset);
	memset(group, 0, m->bytes);
}

static const char *load(struct global_merge *m, uint8_t *group, const struct weir_agg_text *body)
{
	struct weir_reader r = weir_reader_of(body->p, body->n);

	memset(group, 0, m->bytes);
	for (uint32_t i = 0; i < m->agg_count; i++) {
		const struct weir_agg *a = &m->agg[i];

		if (a->cls->load(a, &m->fold_slab, group + a->offset, &r) < 0)
			return "an accumulator cannot be read";
	}
	return weir_reader_left(&r) ? "bytes behind its accumulators" : NULL;
}

static void add(struct global_merge *m)
{
	for (uint32_t i = 0; i < m->agg_count; i++) {
		const struct weir_agg *a = &m->agg[i];

		a->cls->merge(a, &m->fold_slab, m->sum + a->offset, m->other + a->offset);
	}
}

const char *weir__global_fold(struct global_merge *m, const void *entry)
{
	const struct global_part *part = global_parts(m, (void *)(uintptr_t)entry);
	uint32_t first = weir_planted(GLOBAL_OWN_FIRST) ? m->here : 0;
	bool begun = false;

	for (uint32_t k = 0; k < m->member_count; k++) {
		const struct global_part *p = &part[(first + k) % m->member_count];
		const char *what;

		if (!p->version)
			continue;
		what = load(m, begun ? m->other : m->sum, &p->body);
		if (what)
			return what;
		if (begun) {
			add(m);
			release(m, m->other);
		}
		begun = true;
	}
	weir_assert(begun);
	return NULL;
}

/* ---- the record ---- */

uint64_t weir__global_out_ver(const struct global_merge *m, const void *entry, uint32_t mask)
{
	const struct global_part *p = global_parts(m, (void *)(uintptr_t)entry);
	uint64_t v = (uint64_t)__builtin_popcount(mask);

	for (uint32_t i = 0; i < m->member_count; i++)
		v += (uint64_t)p[i].version;
	return v;
}

static void build_names(const struct global_merge *m, struct weir_builder *b, unsigned field,
			uint32_t mask)
{
	char text[WEIR_GLOBAL_MEMBERS_MAX * (WEIR_REGION_MAX + 1)];
	struct weir_buf out = weir_buf_of(text, sizeof(text));

	for (uint32_t i = 0; i < m->member_count; i++) {
		if (!(mask >> i & 1))
			continue;
		if (out.len)
			weir_buf_char(&out, ',');
		weir_buf_lit(&out, m->member[i].name);
	}
	weir_assert(!out.full);
	weir_build_str(b, field, (struct weir_str){text, out.len});
}

const char *weir__global_build(struct global_merge *m, const struct global_window *w,
			       const void *entry, const uint64_t *user_key, uint32_t mask,
			       bool final, struct weir_builder *b)
{
	const char *reason = NULL;
	unsigned at = m->user_key.count;

	weir_window_key_build(&m->user_key, user_key, b);
	weir_build_i64(b, at++, w->start);
	weir_build_i64(b, at++, global_end(m, w));
	for (uint32_t i = 0; i < m->agg_count; i++) {
		const struct weir_agg *a = &m->agg[i];
		const char *why = a->cls->build(a, m->sum + a->offset, b, at++);

		reason = reason ? reason : why;
	}
	weir_build_i64(b, at++, (int64_t)weir__global_out_ver(m, entry, mask));
	weir_build_i64(b, at++, final);
	build_names(m, b, at++, mask);
	build_names(m, b, at++, ~mask);
	b->f->flags = WEIR_FRAME_F_TIMED;
	b->f->time_ns = global_end(m, w) - 1;
	return reason;
}

static int reject(struct global_merge *m, struct weir_builder *b, const char *reason)
{
	if (b->full) {
		weir_build_begin(b, b->f, b->cap, m->out);
		weir_assert(weir_build_end(b));
	}
	return weir_node_reject(m->node, m->policy, m->rejects_port, reason, b->f, m->out);
}

static int emit(struct global_merge *m, const struct global_window *w, const void *entry,
		const uint64_t *user_key, uint32_t mask, bool final)
{
	struct weir_port *p = &m->node->port[0];
	uint32_t record_max = m->node->task->record_max, want = m->want;
	const char *reason;
	struct weir_builder b;

	for (;;) {
		uint32_t cap;
		void *mem = weir_port_claim(p, want, &cap);

		if (!mem)
			return 1;
		cap = WEIR_MIN(cap, record_max);
		weir_build_begin(&b, mem, cap, m->out);
		reason = weir__global_build(m, w, entry, user_key, mask, final, &b);
		if (weir_likely(weir_build_end(&b)))
			break;
		if (cap == record_max) {
			reason = "window result larger than record_max";
			break;
		}
		want = record_max;
	}
	if (weir_unlikely(reason != NULL))
		return reject(m, &b, reason);
	weir_port_keep(p, weir_frame_stride(b.f));
	weir_port_push(p, b.f);
	return 0;
}

/* The key as the file's step has it: words of an entry. */
const char *weir__global_user_key(struct global_merge *m, const void *entry,
				  uint64_t ret[GLOBAL_KEY_WORDS])
{
	struct weir_str bytes;
	struct weir_reader r;

	memcpy(&bytes, (const uint8_t *)entry + m->key.at[0], sizeof(bytes));
	r = weir_reader_of(bytes.p, bytes.n);
	memset(ret, 0, m->user_key.bytes);
	*ret = weir_read_u64(&r);
	if (r.bad || weir_window_key_load(&m->user_key, &r, &m->fold_slab, ret) < 0 ||
	    weir_reader_left(&r))
		return "its key cannot be read";
	return NULL;
}

int weir__global_emit(struct global_merge *m, const struct global_window *w, const void *entry,
		      uint32_t mask, bool final)
{
	uint64_t key[GLOBAL_KEY_WORDS];
	const char *what;
	int r;

	if (!weir_port_room(&m->node->port[0]))
		return 1;
	what = weir__global_user_key(m, entry, key);
	if (!what)
		what = weir__global_fold(m, entry);
	r = what ? damaged(m, what) : emit(m, w, entry, key, mask, final);
	weir_slab_reset(&m->fold_slab);
	return r;
}

/* ---- set-up ---- */

int weir__global_result_init(struct global_merge *m, const struct weir_op_env *env)
{
	const struct weir_aggregate_spec *spec = &env->step->aggregate;
	struct weir_node *n = m->node;
	uint32_t smallest = (uint32_t)sizeof(struct weir_frame) + m->out->fixed_size;

	if (smallest > n->task->record_max)
		return weir_err_set(&n->task->err, WEIR_E_RANGE,
				    "step `%s`: window results are larger than record_max",
				    n->step_name);
	m->want = WEIR_MIN(n->task->record_max, smallest + TEXT_WANT);
	m->spec = spec->agg;
	m->agg = weir_region_array(env->region, struct weir_agg, spec->agg_count);
	for (; m->agg_count < spec->agg_count; m->agg_count++) {
		struct weir_agg *a = &m->agg[m->agg_count];

		weir_assert(weir_agg_init(a, &spec->agg[m->agg_count]) == 0); /* as in A+part */
		a->offset = m->bytes;
		m->bytes += a->size;
	}
	weir_assert(weir_window_key_init(&m->user_key, spec->global->in, spec->key,
					 spec->key_count) == 0);
	m->sum = weir_region_alloc(env->region, WEIR_MAX(m->bytes, 8u));
	m->other = weir_region_alloc(env->region, WEIR_MAX(m->bytes, 8u));
	weir_slab_init(&m->fold_slab, n->task->mem);
	return 0;
}

void weir__global_result_fini(struct global_merge *m)
{
	weir_slab_fini(&m->fold_slab);
}
