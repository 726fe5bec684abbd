/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/keyhash.h"
#include "engine/edge/cell_impl.h"
#include "engine/edge/engine_impl.h"
#include "shm/doorbell.h"

#define ANSWER_BYTES (2 * (size_t)WEIR_QUERY_BYTES)
#define ANSWER_END 512u /* of them, for what comes behind the rows */
#define ANSWER_NS ((uint64_t)WEIR_NS_PER_S) /* then it says where to go on */

struct weir_ask {
	struct weir_engine *e;
	struct weir_ask_question q; /* texts in text[] */
	uint32_t step, tasks;
	struct engine_task *task; /* of the step: tasks of them */
	/* Where it is. */
	uint32_t key, at_task;
	struct weir_query_at at;
	uint32_t rows;
	bool posted, done;
	uint64_t began_ns, moved_ns;
	struct weir_err err;
	struct weir_buf answer;
	struct weir_query_post post;
	char bytes[ANSWER_BYTES];
	char text[];
};

/* ---- worker ---- */

void weir__query_serve(struct engine_task *t)
{
	struct weir_query_post *p = weir_query_box_take(&t->query);

	if (!p)
		return;
	for (uint32_t i = 0; i < t->step_node_count; i++) {
		struct weir_node *n = &t->unit.task.node[i];

		if (n->step == p->step && n->cls->query)
			p->code = n->cls->query(n, &p->q, &p->out);
	}
	weir_query_box_done(p);
}

/* ---- places: key.task.n0.n1.n2, in hexadecimal ---- */

static bool next_read(struct weir_ask *a, const char *s)
{
	uint64_t v[5] = {0};

	for (size_t i = 0; i < WEIR_COUNT_OF(v); i++) {
		size_t n = strspn(s, "0123456789abcdef");

		if (n == 0 || n > 16 || s[n] != (i + 1 < WEIR_COUNT_OF(v) ? '.' : 0))
			return false;
		v[i] = strtoull(s, NULL, 16);
		s += n + 1;
	}
	if (v[0] >= WEIR_MAX(a->q.key_count, 1u) || v[1] >= a->tasks)
		return false;
	a->key = (uint32_t)v[0];
	a->at_task = (uint32_t)v[1];
	memcpy(a->at.n, v + 2, sizeof(a->at.n));
	return true;
}

static void next_write(const struct weir_ask *a, struct weir_buf *b)
{
	weir_buf_printf(b, "\"%x.%x.%llx.%llx.%llx\"", a->key, a->at_task,
			(unsigned long long)a->at.n[0], (unsigned long long)a->at.n[1],
			(unsigned long long)a->at.n[2]);
}

/* ---- begin ---- */

static int find_step(struct weir_engine *e, const char *name, uint32_t *ret, struct weir_err *err)
{
	const struct weir_pipeline *p = e->p;
	int i = weir_pipeline_find(p, weir_str_c(name));
	const struct engine_task *t;

	if (i < 0)
		return weir_err_set(err, -ENOENT, "no step `%.63s` in this pipeline", name);
	*ret = (uint32_t)i;
	t = &e->task[e->plan.tasks.chain[e->plan.tasks.step_chain[i]].first_task];
	for (uint32_t k = 0; k < t->step_node_count; k++)
		if (t->unit.task.node[k].step == *ret && t->unit.task.node[k].cls->query)
			return 0;
	return weir_err_set(err, WEIR_E_USAGE,
			    "step `%s` (%s) cannot be asked: aggregates and tables can",
			    p->step[i].name, weir_step_kind_name(p->step[i].kind));
}

static const char *copy(char **at, const char *s)
{
	char *to = *at;

	if (!s)
		s = "";
	*at = stpcpy(to, s) + 1;
	return to;
}

static size_t texts_bytes(const struct weir_ask_question *q)
{
	const char *some[] = {q->step, q->prefix, q->field, q->next};
	size_t n = 0;

	for (size_t i = 0; i < WEIR_COUNT_OF(some); i++)
		n += (some[i] ? strlen(some[i]) : 0) + 1;
	for (uint32_t i = 0; i < q->key_count; i++)
		n += strlen(q->key[i]) + 1;
	return n;
}

static void texts_copy(struct weir_ask *a)
{
	char *at = a->text;

	a->q.step = copy(&at, a->q.step);
	a->q.prefix = copy(&at, a->q.prefix);
	a->q.field = copy(&at, a->q.field);
	a->q.next = copy(&at, a->q.next);
	for (uint32_t i = 0; i < a->q.key_count; i++)
		a->q.key[i] = copy(&at, a->q.key[i]);
}

/* The epoch is read first: what is durable then is in all rows. */
static void answer_begin(struct weir_ask *a)
{
	struct weir_engine *e = a->e;
	uint64_t durable = 0;
	struct weir_buf *b = &a->answer;

	if (e->cell) {
		pthread_mutex_lock(&e->cell->lock);
		durable = e->cell->shown.durable;
		pthread_mutex_unlock(&e->cell->lock);
	}
	weir_buf_lit(b, "{\"ok\":true,\"step\":");
	weir_buf_json_str(b, weir_str_c(a->q.step));
	weir_buf_printf(b, ",\"kind\":\"%s\"", weir_step_kind_name(e->p->step[a->step].kind));
	weir_buf_lit(b, ",\"durable\":");
	if (e->cell)
		weir_buf_u64(b, durable);
	else
		weir_buf_lit(b, "null");
	weir_buf_lit(b, ",\"rows\":[");
}

int weir_ask_begin(struct weir_engine *e, const struct weir_ask_question *q, struct weir_ask **ret,
		   struct weir_err *err)
{
	const struct weir_tasks *t = &e->plan.tasks;
	const struct weir_chain *chain;
	struct weir_ask *a;
	uint32_t step = 0;
	int r = find_step(e, q->step, &step, err);

	if (r < 0)
		return r;
	a = calloc(1, sizeof(*a) + texts_bytes(q));
	if (!a)
		return weir_err_set(err, -ENOMEM, "out of memory");
	chain = &t->chain[t->step_chain[step]];
	a->e = e;
	a->q = *q;
	texts_copy(a);
	a->step = step;
	a->task = &e->task[chain->first_task];
	a->tasks = chain->parallelism;
	a->answer = weir_buf_of(a->bytes, sizeof(a->bytes));
	a->began_ns = a->moved_ns = weir_mono_ns();
	if (*a->q.next && !next_read(a, a->q.next)) {
		free(a);
		return weir_err_set(err, WEIR_E_USAGE,
				    "`next` is not what an earlier answer to this question gave");
	}
	answer_begin(a);
	*ret = a;
	return 0;
}

/* ---- going on ---- */

static void answer_end(struct weir_ask *a, bool more)
{
	weir_buf_printf(&a->answer, "],\"more\":%s,\"next\":", more ? "true" : "false");
	/* Later conflicts will be behind the last one. */
	if (more || a->q.verb == WEIR_QUERY_CONFLICTS)
		next_write(a, &a->answer);
	else
		weir_buf_lit(&a->answer, "null");
	weir_buf_char(&a->answer, '}');
	a->done = true;
}

static void fail(struct weir_ask *a, int code, const char *why)
{
	weir_err_set(&a->err, code, "step `%s` %s", a->q.step, why);
	a->done = true;
}

static void try_post(struct weir_ask *a)
{
	struct weir_query_post *p = &a->post;
	struct engine_task *t = &a->task[a->at_task];
	uint32_t keys = a->q.key_count;

	p->q = (struct weir_query){.verb = a->q.verb,
				   .prefix = weir_str_c(a->q.prefix),
				   .field = weir_str_c(a->q.field),
				   .at = a->at};
	if (keys)
		p->q.key = weir_str_c(a->q.key[WEIR_MIN(a->key, keys - 1)]);
	p->step = a->step;
	p->code = 0;
	weir_query_out_init(&p->out, p->rows, a->q.limit - a->rows);
	a->posted = weir_query_box_post(&t->query, p);
	if (a->posted)
		weir_doorbell_ring(t->worker->doorbell);
}

/* The piece was the last one of its task. false: of all. */
static bool next_task(struct weir_ask *a)
{
	const struct weir_query_out *out = &a->post.out;
	uint32_t owner = a->tasks;

	if (a->q.verb == WEIR_QUERY_GET && out->hashed) {
		/* The outlet's rule (engine/core/outlet.c). */
		owner = (uint32_t)((uint64_t)weir_key_group(out->hash) * a->tasks /
				   WEIR_KEY_GROUPS);
		if (owner <= a->at_task)
			owner = a->tasks;
	} else if (a->at_task + 1 < a->tasks) {
		owner = a->at_task + 1;
	}
	if (owner == a->tasks && a->q.verb == WEIR_QUERY_CONFLICTS)
		return false; /* stays at the end of the last task */
	a->at = (struct weir_query_at){0};
	a->at_task = owner;
	if (owner < a->tasks)
		return true;
	a->at_task = 0;
	return a->q.verb == WEIR_QUERY_GET && ++a->key < a->q.key_count;
}

static void take_piece(struct weir_ask *a, uint64_t now)
{
	struct weir_query_out *out = &a->post.out;
	bool more = true;

	a->posted = false;
	a->moved_ns = now;
	if (a->post.code < 0) {
		a->err = out->err;
		a->done = true;
		return;
	}
	if (out->count && a->rows)
		weir_buf_char(&a->answer, ',');
	weir_buf_put(&a->answer, out->rows.p, out->rows.len);
	a->rows += out->count;
	a->at = out->at;
	if (a->post.code == 0)
		more = next_task(a);
	if (!more || a->rows >= a->q.limit || now - a->began_ns > ANSWER_NS ||
	    a->answer.cap - a->answer.len < WEIR_QUERY_BYTES + ANSWER_END)
		answer_end(a, more);
}

bool weir_ask_poll(struct weir_ask *a)
{
	uint64_t now = weir_mono_ns();
	struct engine_task *t;

	if (a->done)
		return true;
	if (a->posted && weir_query_box_answered(&a->post))
		take_piece(a, now);
	if (a->done)
		return true;
	t = &a->task[a->at_task];
	if (!a->posted)
		try_post(a);
	if (atomic_load(&t->worker->left) || now - a->moved_ns > WEIR_ASK_BUSY_NS) {
		/* The flag is set behind the worker's last look. */
		bool left = atomic_load(&t->worker->left);

		if (a->posted && weir_query_box_cancel(&t->query, &a->post))
			take_piece(a, now);
		else if (left)
			fail(a, WEIR_E_STOPPED, "has ended");
		else
			fail(a, WEIR_E_BUSY,
			     "is busy: one of its tasks has not come to the end of a turn for 5 s; "
			     "ask again, `weir top` shows what it waits for");
		a->posted = false;
	}
	return a->done;
}

int weir_ask_answer(const struct weir_ask *a, struct weir_str *ret, struct weir_err *err)
{
	if (a->err.code) {
		*err = a->err;
		return err->code;
	}
	*ret = (struct weir_str){a->answer.p, a->answer.len};
	return 0;
}

void weir_ask_end(struct weir_ask *a)
{
	if (a && a->posted)
		weir_query_box_cancel(&a->task[a->at_task].query, &a->post);
	free(a);
}
