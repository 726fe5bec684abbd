/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node of a table: records in, and at each barrier what other regions have to know, then the rows that changed.
 *
 * Everything of an epoch goes out before its barrier is passed on, so it is in the same bundle as the changes.
 */
#include "base/assert.h"
#include "engine/core/table_node.h"

/* ---- out ---- */

/* Room for a record of this port; NULL: later. */
static bool begin(struct weir_node *n, struct weir_port *p, struct weir_builder *b)
{
	uint32_t max = n->task->record_max, cap;
	void *mem;

	if (!weir_port_room(p))
		return false;
	mem = weir_port_claim(p, max, &cap);
	if (!mem)
		return false;
	weir_build_begin(b, mem, WEIR_MIN(cap, max), p->schema);
	return true;
}

static void push(struct weir_port *p, struct weir_builder *b)
{
	weir_port_keep(p, weir_frame_stride(b->f));
	weir_port_push(p, b->f);
}

static bool put(void *ctx, uint32_t peer, const struct weir_rtable_msg *m)
{
	struct weir_node *n = ctx;
	struct weir_rtable *o = n->op;
	struct weir_port *p = &n->port[o->spec->peer_port[o->machine.peer[peer].region]];
	struct weir_builder b;

	if (!begin(n, p, &b))
		return false;
	weir_build_i64(&b, WEIR_TABLE_F_KIND, m->kind);
	weir_build_i64(&b, WEIR_TABLE_F_WRITER, (int64_t)m->writer);
	weir_build_i64(&b, WEIR_TABLE_F_VERSION, (int64_t)m->version);
	weir_build_str(&b, WEIR_TABLE_F_KEY, m->key);
	weir_build_str(&b, WEIR_TABLE_F_BODY, m->body);
	weir_assert(weir_build_end(&b)); /* record_max of the machine sees to it */
	push(p, &b);
	return true;
}

static int too_large(struct weir_node *n)
{
	if (((const struct weir_rtable *)n->op)->policy == WEIR_ON_ERROR_SKIP) {
		n->rejects++;
		return 1;
	}
	return weir_err_set(
		&n->task->err, WEIR_E_LIMIT,
		"step `%s`: a row is larger than record_max (on_error: skip would leave "
		"it out)",
		n->step_name);
}

/* One of those that changed. 1: done, 0: no room. */
static int give_one(struct weir_node *n, uint32_t number)
{
	struct weir_rtable *o = n->op;
	struct weir_rtable_store *s = &o->machine.store;
	struct weir_rtable_entry *e = weir_rtable_at(s, number);
	bool conflict = weir_rtable_is_conflict(s, number);
	struct weir_port *p = &n->port[conflict ? WEIR_TABLE_PORT_CONFLICTS : WEIR_TABLE_PORT_ROWS];
	bool gone = !conflict && weir_rtable_deleted(s, number);
	struct weir_builder b;

	/* Nobody knows the row, so nobody has to hear that it is not there. */
	if (p->target_count && !(gone && !(e->flags & WEIR_TABLE_KNOWN))) {
		if (!begin(n, p, &b))
			return 0;
		if (!(conflict ? weir_rtable_conflict_build(s, o->spec, n->port[0].schema, number,
							    &b)
			       : weir_rtable_row_build(s, o->spec, number, &b)))
			return too_large(n);
		push(p, &b);
	}
	e->flags &= ~(WEIR_TABLE_OUT | WEIR_TABLE_KNOWN);
	if (!conflict && !gone)
		e->flags |= WEIR_TABLE_KNOWN;
	return 1;
}

/* 1: all given, 0: no room, <0: error. */
static int give_all(struct weir_node *n)
{
	struct weir_rtable *o = n->op;
	struct weir_rtable_store *s = &o->machine.store;

	for (; o->out_at < s->out_count; o->out_at++) {
		uint32_t number = s->out[o->out_at];
		int r;

		if (!(weir_rtable_at(s, number)->flags & WEIR_TABLE_OUT))
			continue;
		r = give_one(n, number);
		if (r <= 0)
			return r;
	}
	o->out_at = s->out_count = 0;
	return 1;
}

/* All that an epoch gives. 1: all out, 0: no room, <0: error. */
static int flush(struct weir_node *n)
{
	struct weir_rtable *o = n->op;
	const struct weir_rtable_io io = {.put = put, .ctx = n};
	int r;

	if (!o->flushing) {
		weir_rtable_begin(&o->machine, n->task->now_ns);
		o->flushing = true;
		o->peer_at = 0;
	}
	for (; o->peer_at < o->machine.peer_count; o->peer_at++)
		if (!weir_rtable_say(&o->machine, o->peer_at, &io, n->task->now_ns))
			return 0;
	r = give_all(n);
	if (r <= 0)
		return r;
	weir_rtable_end(&o->machine);
	o->flushing = false;
	return 1;
}

/* ---- in ---- */

static int refused(struct weir_node *n, const struct weir_frame *f, int code, uint32_t value)
{
	const struct weir_rtable *o = n->op;
	const char *name = value ? o->spec->field[value - 1].name : "";
	char reason[160];
	struct weir_buf b = weir_buf_of(reason, sizeof(reason) - 1);
	int r;

	weir_buf_printf(&b, "field `%s` of the table does not take it: %s", name,
			code == WEIR_E_LIMIT ? "it would be too large"
					     : "out of range, or more than there is a right to");
	reason[b.len] = 0;
	r = weir_node_reject(n, o->policy, -1, reason, f, o->in);
	return r < 0 ? r : 0;
}

static int change(struct weir_node *n, const struct weir_frame *f)
{
	struct weir_rtable *o = n->op;
	uint32_t value = 0;
	int r;

	/* A table that starts needs its writer before the first change. */
	if (!o->machine.store.me)
		weir_rtable_begin(&o->machine, n->task->now_ns);
	r = weir_rtable_change(&o->machine.store, weir_get_str(f, o->in, WEIR_TABLE_F_KEY),
			       weir_get_str(f, o->in, WEIR_TABLE_F_BODY), n->task->now_ns, &value);
	return r < 0 ? refused(n, f, r, value) : 0;
}

static int take(struct weir_node *n, const struct weir_frame *f)
{
	struct weir_rtable *o = n->op;
	uint32_t region = (uint32_t)f->stream - 1;
	struct weir_rtable_msg m;

	if (f->stream == 0)
		return change(n, f);
	weir_assert(region < WEIR_TABLE_PEERS_MAX && o->spec->peer_port[region]);
	m.kind = (unsigned)weir_get_i64(f, o->in, WEIR_TABLE_F_KIND);
	m.writer = (weir_writer)weir_get_i64(f, o->in, WEIR_TABLE_F_WRITER);
	m.version = (uint64_t)weir_get_i64(f, o->in, WEIR_TABLE_F_VERSION);
	m.key = weir_get_str(f, o->in, WEIR_TABLE_F_KEY);
	m.body = weir_get_str(f, o->in, WEIR_TABLE_F_BODY);
	if (!o->machine.store.me)
		weir_rtable_begin(&o->machine, n->task->now_ns);
	return weir_rtable_hear(&o->machine, o->peer_of[region], &m, n->task->now_ns);
}

static bool flushes(const struct weir_ctl *c)
{
	return c->kind == WEIR_FRAME_BARRIER || c->kind == WEIR_FRAME_EOS;
}

static int table_run(struct weir_node *n)
{
	struct weir_rtable *o = n->op;
	int progress = 0, r;

	while (n->in.pos < n->in.count) {
		r = take(n, n->in.row[n->in.pos]);
		if (r < 0)
			return r;
		n->in.pos++;
		n->rows_in++;
		progress = 1;
	}
	/* Without epochs there are no barriers to wait for. */
	if (flushes(&n->in.ctl) || (!o->epochs && o->machine.store.out_count)) {
		uint32_t before = o->out_at;

		r = flush(n);
		if (r <= 0)
			return r < 0 ? r : progress || o->out_at != before;
		progress = 1;
	}
	if (n->in.ctl.kind && weir_node_forward_ctl(n))
		progress = 1;
	return progress;
}

/* ---- set-up ---- */

static void table_fini(struct weir_node *n)
{
	struct weir_rtable *o = n->op;
	const struct weir_mem *mem = n->task->mem;

	for (uint32_t i = 0; i < o->machine.peer_count; i++)
		if (o->machine.peer[i].seen_cap)
			mem->free(mem->ctx, o->machine.peer[i].seen,
				  o->machine.peer[i].seen_cap * sizeof(struct weir_rtable_version));
	weir_rtable_store_fini(&o->machine.store);
}

static const struct weir_op_class table_class = {
	.name = "table",
	.run = table_run,
	.fini = table_fini,
	.state = &weir__rtable_state,
	.query = weir__rtable_query,
};

static uint64_t sign_hash(const struct weir_table_spec *spec, const struct weir_schema *out)
{
	char text[16384];
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	weir_rtable_sign(spec, out, &b);
	return weir_hash_text((struct weir_str){text, b.len});
}

int weir_rtable_init(struct weir_node *n, const struct weir_op_env *env)
{
	struct weir_rtable *o = weir_region_new(env->region, struct weir_rtable);
	const struct weir_table_spec *spec = env->step->table;
	struct weir_rtable_machine *m = &o->machine;
	struct weir_crdt *crdt =
		weir_region_array(env->region, struct weir_crdt, spec->field_count + 1);

	for (uint32_t i = 0; i < spec->field_count; i++)
		crdt[i] = spec->field[i].crdt;
	o->spec = spec;
	o->in = env->in;
	o->epochs = env->epochs;
	o->policy = env->step->on_error;
	weir_rtable_store_init(&m->store, n, env->epochs, crdt, spec->field_count,
			       spec->delete_text != NULL, spec->conflicts, env->region);
	m->here = spec->here;
	m->send_window = spec->send_window;
	m->digest_ns = spec->digest_ns;
	m->record_max = n->task->record_max - WEIR_TABLE_BODY_FIXED;
	m->sign = sign_hash(spec, env->step->port[0].schema);
	m->peer = weir_region_array(env->region, struct weir_rtable_peer, WEIR_TABLE_PEERS_MAX);
	for (uint32_t r = 0; r < WEIR_TABLE_PEERS_MAX; r++) {
		if (!spec->peer_port[r])
			continue;
		o->peer_of[r] = m->peer_count;
		m->peer[m->peer_count].ack_serial = UINT64_MAX;
		m->peer[m->peer_count].ours_serial = UINT64_MAX;
		m->peer[m->peer_count++].region = r;
	}
	m->store.cursor_count = m->peer_count;
	n->cls = &table_class;
	n->op = o;
	return 0;
}

void weir_rtable_info(const struct weir_node *n, struct weir_rtable_info *ret)
{
	const struct weir_rtable *o = n->op;

	*ret = o->machine.info;
	ret->rows = o->machine.store.row_count;
	ret->conflicts = o->machine.store.conflict_count;
}
