/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/op.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/hooks.h"
#include "engine/core/freeze.h"

/* clang-format off */
static const struct weir_schema rejects_schema = {
	.field_count = 6,
	.null_words = 1,
	.fixed_size = 8 * (1 + 6),
	.field = {
		{.name = "reason", .type = {.type = WEIR_STRING}},
		{.name = "step", .type = {.type = WEIR_STRING}},
		{.name = "source", .type = {.type = WEIR_STRING}, .nullable = true},
		{.name = "line", .type = {.type = WEIR_INT64}, .nullable = true},
		{.name = "offset", .type = {.type = WEIR_INT64}, .nullable = true},
		{.name = "record", .type = {.type = WEIR_STRING}},
	},
};
/* clang-format on */

enum { REJ_REASON, REJ_STEP, REJ_SOURCE, REJ_LINE, REJ_OFFSET, REJ_RECORD };

const struct weir_schema *weir_rejects_schema(void)
{
	return &rejects_schema;
}

/* Nothing behind this port still points into its scratch memory: rows that a filter passed on are
 * held by a grandchild, so the whole subtree has to be empty. */
static bool port_drained(const struct weir_port *p)
{
	for (uint32_t i = 0; i < p->target_count; i++) {
		const struct weir_node *t = p->target[i];

		if (!weir_batch_empty(&t->in))
			return false;
		for (uint32_t k = 0; k < t->port_count; k++)
			if (!port_drained(&t->port[k]))
				return false;
	}
	return true;
}

uint32_t weir_port_room(struct weir_port *p)
{
	uint32_t room = WEIR_BATCH_ROWS;

	for (uint32_t i = 0; i < p->target_count; i++) {
		struct weir_batch *b = &p->target[i]->in;

		if (b->ctl.kind)
			return 0;
		if (b->pos == b->count)
			b->pos = b->count = 0;
		room = WEIR_MIN(room, WEIR_BATCH_ROWS - b->count);
	}
	return room;
}

void *weir_port_claim(struct weir_port *p, uint32_t want, uint32_t *ret_cap)
{
	if (p->scratch_used &&
	    (p->scratch_cap - p->scratch_used < want || p->scratch_used >= 65536)) {
		/* Starting over early keeps the scratch memory in the cache. */
		if (port_drained(p))
			p->scratch_used = 0;
		else if (p->scratch_cap - p->scratch_used < want)
			return NULL;
	}
	*ret_cap = p->scratch_cap - p->scratch_used;
	return p->scratch + p->scratch_used;
}

void weir_node_freeze(struct weir_node *n)
{
	weir_assert(!n->frozen && n->in.pos == n->in.count);
	n->frozen = true;
	if (n->part && n->cls->state && !(weir_planted(BARRIER_OVERTAKES) && n->cls->source))
		n->cls->state->freeze(n, n->part);
}

bool weir_node_forward_ctl(struct weir_node *n)
{
	struct weir_ctl ctl = n->in.ctl;

	weir_assert(n->in.pos == n->in.count && ctl.kind);
	if (ctl.kind == WEIR_FRAME_WATERMARK && ctl.value <= n->watermark) {
		n->in.ctl.kind = 0;
		return true;
	}
	for (uint32_t i = 0; i < n->port_count; i++)
		for (uint32_t k = 0; k < n->port[i].target_count; k++)
			if (n->port[i].target[k]->in.ctl.kind)
				return false;
	if (ctl.kind == WEIR_FRAME_BARRIER)
		weir_node_freeze(n); /* I3: nothing behind the barrier has been seen yet */
	for (uint32_t i = 0; i < n->port_count; i++)
		for (uint32_t k = 0; k < n->port[i].target_count; k++)
			n->port[i].target[k]->in.ctl = ctl;
	if (ctl.kind == WEIR_FRAME_WATERMARK)
		n->watermark = ctl.value;
	else if (ctl.kind == WEIR_FRAME_EOS)
		n->watermark = WEIR_TIME_MAX;
	n->in.ctl.kind = 0;
	return true;
}

int weir_task_drain(struct weir_task *t)
{
	int total = 0, progress;

	do {
		progress = 0;
		for (uint32_t i = 0; i < t->node_count; i++) {
			struct weir_node *n = &t->node[i];
			int r;

			if (n->cls->source || weir_batch_empty(&n->in))
				continue;
			r = n->cls->run(n);
			if (weir_unlikely(r < 0))
				return r;
			progress += r;
		}
		total += progress;
	} while (progress);
	return total;
}

bool weir_task_idle(const struct weir_task *t)
{
	for (uint32_t i = 0; i < t->node_count; i++)
		if (!weir_batch_empty(&t->node[i].in))
			return false;
	return true;
}

/* At most n bytes of a text, and no half of a UTF-8 character at its end. */
static struct weir_str text_cut(struct weir_str s, size_t n)
{
	if (s.n <= n)
		return s;
	/* Bytes that are no UTF-8 at all are cut anywhere. */
	for (size_t back = 0; back < 4 && back < n; back++)
		if (((uint8_t)s.p[n - back] & 0xc0) != 0x80)
			return (struct weir_str){s.p, n - back};
	return (struct weir_str){s.p, n};
}

static void reject_text(struct weir_buf *b, const struct weir_frame *f, const struct weir_schema *s)
{
	weir_buf_record_json(b, f, s);
	if (b->full) {
		b->full = false;
		b->len = text_cut((struct weir_str){b->p, b->len}, b->cap - 3).n;
		weir_buf_lit(b, "...");
	}
}

/* A reject with everything but its record. false: no room. */
static bool reject_begin(struct weir_node *n, int reject_port, struct weir_str reason,
			 struct weir_str source, struct weir_builder *ret_b)
{
	struct weir_port *p = &n->port[reject_port];
	uint32_t record_max = n->task->record_max, cap;
	void *mem;

	if (!weir_port_room(p))
		return false;
	mem = weir_port_claim(p, record_max, &cap);
	if (!mem)
		return false;
	weir_build_begin(ret_b, mem, WEIR_MIN(cap, record_max), &rejects_schema);
	/* Texts are cut where they could fill the record: a reject always fits. */
	weir_build_str(ret_b, REJ_REASON, text_cut(reason, record_max / 4));
	weir_build_str(ret_b, REJ_STEP, weir_str_c(n->step_name));
	if (source.p)
		weir_build_str(ret_b, REJ_SOURCE, text_cut(source, record_max / 4));
	else
		weir_build_null(ret_b, REJ_SOURCE);
	return true;
}

static size_t reject_room(const struct weir_builder *b)
{
	return b->cap - sizeof(struct weir_frame) - b->tail;
}

static void reject_end(struct weir_node *n, int reject_port, struct weir_builder *b)
{
	weir_assert(weir_build_end(b));
	weir_port_keep(&n->port[reject_port], weir_frame_stride(b->f));
	weir_port_push(&n->port[reject_port], b->f);
	n->rejects++;
}

static int reject_record(struct weir_node *n, int reject_port, const char *reason,
			 const struct weir_frame *f, const struct weir_schema *s)
{
	struct weir_builder b;
	struct weir_buf text;
	uint32_t at;

	if (!reject_begin(n, reject_port, weir_str_c(reason), (struct weir_str){0}, &b))
		return 1;
	/* Written where it stays: it may be as long as any record. */
	text = weir_buf_of((uint8_t *)(b.f + 1) + b.tail, reject_room(&b));
	reject_text(&text, f, s);
	weir_assert(weir_build_tail(&b, text.len, 1, &at));
	weir_build_slot(&b, REJ_RECORD, (uint64_t)at | (uint64_t)text.len << 32);
	weir_build_null(&b, REJ_LINE);
	weir_build_null(&b, REJ_OFFSET);
	reject_end(n, reject_port, &b);
	return 0;
}

int weir_node_reject(struct weir_node *n, enum weir_on_error policy, int reject_port,
		     const char *reason, const struct weir_frame *f, const struct weir_schema *s)
{
	char text[1024];
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	if (policy == WEIR_ON_ERROR_SKIP) {
		n->rejects++;
		return 0;
	}
	if (policy == WEIR_ON_ERROR_ROUTE && reject_port >= 0)
		return reject_record(n, reject_port, reason, f, s);
	reject_text(&b, f, s);
	text[text_cut((struct weir_str){text, b.len}, 200).n] = 0;
	return weir_err_set(&n->task->err, WEIR_E_REJECT,
			    "step `%s`: %s in record %s (on_error: skip or route would go on)",
			    n->step_name, reason, text);
}

int weir_node_reject_text(struct weir_node *n, int reject_port, const char *reason,
			  const char *source, uint64_t line, int64_t offset, struct weir_str record)
{
	struct weir_str from = {source, source ? strlen(source) : 0};
	struct weir_builder b;

	if (!reject_begin(n, reject_port, weir_str_c(reason), from, &b))
		return 1;
	if (line)
		weir_build_i64(&b, REJ_LINE, (int64_t)line);
	else
		weir_build_null(&b, REJ_LINE);
	if (offset >= 0)
		weir_build_i64(&b, REJ_OFFSET, offset);
	else
		weir_build_null(&b, REJ_OFFSET);
	weir_build_str(&b, REJ_RECORD, text_cut(record, reject_room(&b)));
	reject_end(n, reject_port, &b);
	return 0;
}
