/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The explorer. One execution is one walk through a tree of choices: which thread steps next, which
 * message a load reads, where a store enters the modification order. The walk is repeated from the
 * start with the recorded choices up to the last one that has an alternative left.
 *
 * A thread announces its next operation, then yields; the operation takes place when it is chosen. At
 * that point the state of the machine is looked up; one that was met before is not followed again.
 */
#include "tests/model/model_machine.h"

#include <stdarg.h>

#define STACK_BYTES (256 * 1024)

static char stack[MODEL_THREADS_MAX][STACK_BYTES] __attribute__((aligned(64)));
static const char *weakened;

/* ---- failures and steps ---- */

/* Gives the execution up from inside a thread. */
static void leave(void)
{
	m.cut = true;
	swapcontext(&m.thread[m.self].ctx, &m.main);
}

void model_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!m.result->failed)
		vsnprintf(m.result->text, sizeof(m.result->text), fmt, ap);
	m.result->failed = true;
	va_end(ap);
	if (!m.in_finish)
		leave();
}

static void print_steps(void)
{
	static const char *const op_name[] = {
		[OP_LOAD] = "load",   [OP_STORE] = "store",	[OP_RMW] = "rmw",
		[OP_FENCE] = "fence", [OP_FUTEX_WAIT] = "wait", [OP_FUTEX_WAKE] = "wake",
		[OP_JOIN] = "join",   [OP_RESUME] = "woken",	[OP_KILL] = "killed",
	};

	fprintf(stderr, "model: %s: %s\n", m.scenario->name, m.result->text);
	for (unsigned i = 0; i < m.step_count; i++) {
		const struct step *s = &m.step[i];

		fprintf(stderr, "  %3u %-10s %-6s %-12s %8llu %s%s\n", i,
			m.scenario->thread[s->thread].name, op_name[s->kind],
			s->loc == NO_LOC ? "" : m.loc[s->loc].name, (unsigned long long)s->value,
			s->func, s->old ? " (an old value)" : "");
	}
}

static void note_step(uint64_t value, bool old)
{
	struct thread *t = &m.thread[m.self];

	t->history = mix(mix(t->history, (uint64_t)t->op << 8 | t->op_loc), value);
	if (m.step_count == STEPS_MAX)
		broken("an execution has too many steps; an unbounded loop without model_spin()?");
	m.step[m.step_count++] = (struct step){.func = t->op_func,
					       .value = value,
					       .thread = (uint8_t)m.self,
					       .kind = (uint8_t)t->op,
					       .loc = t->op_loc,
					       .old = old};
}

/* ---- locations ---- */

static void plain_put(const struct loc *x, uint64_t v)
{
	if (x->size == 8)
		*(uint64_t *)(uintptr_t)x->p = v;
	else
		*(uint32_t *)(uintptr_t)x->p = (uint32_t)v;
}

static uint8_t loc_of(const void *p, size_t size)
{
	for (unsigned i = 0; i < m.loc_count; i++) {
		struct loc *x = &m.loc[i];

		if (x->p != p)
			continue;
		if (x->count == 0) {
			/* Message 0 is the value the setup left. Everybody has seen it. */
			x->size = size;
			x->count = 1;
			x->order[0] = 0;
			memset(&x->msg[0], 0, sizeof(x->msg[0]));
			x->msg[0].value = size == 8 ? *(const uint64_t *)p : *(const uint32_t *)p;
		}
		return (uint8_t)i;
	}
	broken("an atomic object that the setup did not name");
}

void model_name(const void *p, const char *name)
{
	if (m.loc_count == LOCS_MAX)
		broken("too many locations");
	m.loc[m.loc_count].p = p;
	m.loc[m.loc_count].name = name;
	m.loc[m.loc_count++].count = 0;
}

/* ---- choices ---- */

static unsigned choose(unsigned count)
{
	struct choice *c = &m.choice[m.at];

	if (count == 1)
		return 0;
	if (m.at == CHOICES_MAX)
		broken("too many choices");
	if (m.at == m.depth) {
		*c = (struct choice){.count = (uint16_t)count};
		m.depth++;
	} else if (c->enabled || c->count != count) {
		broken("the scenario is not deterministic");
	}
	m.at++;
	return c->chosen;
}

static bool enabled(const struct thread *t)
{
	if (t->state != READY)
		return false;
	if (t->op == OP_JOIN)
		return is_gone(&m.thread[t->op_thread]);
	if (!t->awaiting)
		return true;
	for (unsigned i = 0; i < t->last_count; i++)
		if (place(t->last_look[i].loc, newest(t->last_look[i].loc)) >
		    place(t->last_look[i].loc, t->last_look[i].msg))
			return true;
	return false;
}

/* Nobody can step: all have ended, or somebody never will. */
static void nobody_left(void)
{
	uint64_t h = state_hash();

	for (unsigned i = 0; i < m.scenario->thread_count; i++) {
		const struct thread *t = &m.thread[i];

		if (is_gone(t))
			continue;
		m.result->failed = true;
		snprintf(m.result->text, sizeof(m.result->text), "%s %s for ever",
			 m.scenario->thread[i].name, t->state == SLEEPING ? "sleeps" : "waits");
		return;
	}
	if (!visit(h))
		return;
	m.result->complete++;
	m.result->ends += h;
	m.result->deaths += m.died;
	m.in_finish = true;
	if (m.scenario->finish)
		m.scenario->finish();
	m.in_finish = false;
}

/* Picks the next transition. Returns true and sets self, or false when the execution is over. */
static bool pick(void)
{
	struct choice *c = &m.choice[m.at];
	uint32_t set = 0;

	for (unsigned i = 0; i < m.scenario->thread_count; i++) {
		const struct thread *t = &m.thread[i];

		if (!enabled(t))
			continue;
		set |= 1u << i;
		if (m.scenario->thread[i].mortal)
			set |= 1u << (i + MODEL_THREADS_MAX);
	}
	if (!set) {
		nobody_left();
		return false;
	}
	if (m.at == CHOICES_MAX)
		broken("too many choices");
	if (m.at == m.depth) {
		if (!visit(state_hash())) {
			m.cut = true;
			return false;
		}
		*c = (struct choice){.enabled = set};
		/* Going on with the same thread first saves switches. */
		c->chosen = (uint16_t)(set >> m.self & 1 ? m.self : (unsigned)__builtin_ctz(set));
		c->tried = 1u << c->chosen;
		m.depth++;
	} else if (c->enabled != set) {
		broken("the scenario is not deterministic");
	}
	m.at++;
	m.self = c->chosen % MODEL_THREADS_MAX;
	if (c->chosen >= MODEL_THREADS_MAX) {
		m.thread[m.self].op = OP_KILL;
		m.thread[m.self].state = DEAD;
		m.died = true;
		note_step(0, false);
		return pick();
	}
	return true;
}

/* Gives the processor from thread `from` (which may be gone) to whoever is picked. */
static void go_on(unsigned from)
{
	if (!pick())
		swapcontext(&m.thread[from].ctx, &m.main);
	else if (m.self != from)
		swapcontext(&m.thread[from].ctx, &m.thread[m.self].ctx);
}

/*
 * Announces an operation and returns when it may take place. Others step in between only where that can
 * make a difference:
 * - A load may wait until just before the next operation of its thread that others can notice, as
 *   the message it reads does not go away. So nobody steps in after a load.
 * - A store may take place right after the previous operation, as the others may still read what was
 *   there before. So nobody steps in before a store (but death may).
 */
static struct thread *announce(enum op_kind kind, uint8_t l, const char *func)
{
	struct thread *t = &m.thread[m.self];
	bool first = !t->op_func, after_load = t->op == OP_LOAD, apart;

	apart = m.scenario->no_reduction || first || t->awaiting || kind == OP_JOIN ||
		!(after_load || (kind == OP_STORE && !m.scenario->thread[m.self].mortal));
	t->op = kind;
	t->op_loc = l;
	t->op_func = func;
	if (m.in_prologue)
		swapcontext(&t->ctx, &m.main);
	else if (apart)
		go_on(m.self);
	return t;
}

/* ---- atomic operations ---- */

static unsigned weak(unsigned order, const char *func)
{
	return weakened && !strcmp(weakened, func) ? MODEL_RELAXED : order;
}

void model_weaken(const char *func)
{
	weakened = func;
}

static void forget_looks(struct thread *t)
{
	t->look_count = t->last_count = 0;
	t->awaiting = false;
}

/* The last look at each location counts. */
static void note_look(struct thread *t, uint8_t l, uint8_t msg)
{
	unsigned i = 0;

	while (i < t->look_count && t->look[i].loc != l)
		i++;
	if (i == LOOKS_MAX)
		broken("a spin loop looks at too many locations");
	t->look[i] = (struct seen){l, msg};
	t->look_count = WEIR_MAX(t->look_count, i + 1);
}

static void read_from(struct thread *t, uint8_t l, uint8_t msg, unsigned order)
{
	const struct msg *from = &m.loc[l].msg[msg];

	see(t, l, msg);
	view_join(&t->acq, &from->view);
	if (order & MODEL_ACQUIRE)
		view_join(&t->cur, &from->view);
}

/* A new message of t right behind place `after`. */
static uint8_t write_to(struct thread *t, uint8_t l, unsigned after, uint64_t v, unsigned order)
{
	struct loc *x = &m.loc[l];
	uint8_t n = (uint8_t)x->count;
	struct msg *y = &x->msg[n];

	if (n == MSGS_MAX)
		broken("too many messages in one location");
	for (unsigned i = x->count; i > after + 1; i--) {
		x->order[i] = x->order[i - 1];
		x->msg[x->order[i]].place = (uint8_t)i;
	}
	x->order[after + 1] = n;
	x->count++;
	y->value = v;
	y->place = (uint8_t)(after + 1);
	y->rmw_follows = false;
	see(t, l, n);
	y->view = order & MODEL_RELEASE ? t->cur : t->rel;
	/* Even a relaxed message tells its reader where it stands itself. */
	y->view.msg[l] = n;
	t->clock_handed_out = true;
	plain_put(x, x->msg[newest(l)].value);
	return n;
}

uint64_t model_load(const void *p, size_t size, unsigned order, const char *func)
{
	uint8_t l = loc_of(p, size), msg;
	struct thread *t = announce(OP_LOAD, l, func);
	struct loc *x = &m.loc[l];
	unsigned oldest = place(l, t->cur.msg[l]), back;

	/* Only something new ends a wait. */
	if (t->awaiting && t->last_count == 1 && t->last_look[0].loc == l)
		oldest = WEIR_MAX(oldest, place(l, t->last_look[0].msg) + 1);
	t->awaiting = false;
	back = choose(x->count - oldest);
	msg = x->order[x->count - 1 - back];
	read_from(t, l, msg, weak(order, func));
	note_look(t, l, msg);
	note_step(x->msg[msg].value, back > 0);
	return x->msg[msg].value;
}

void model_store(void *p, size_t size, uint64_t v, unsigned order, const char *func)
{
	uint8_t l = loc_of(p, size);
	struct thread *t = announce(OP_STORE, l, func);
	struct loc *x = &m.loc[l];
	uint8_t after[MSGS_MAX];
	unsigned count = 0;

	for (unsigned i = x->count; i-- > place(l, t->cur.msg[l]);)
		if (!x->msg[x->order[i]].rmw_follows)
			after[count++] = (uint8_t)i;
	forget_looks(t);
	write_to(t, l, after[choose(count)], v, weak(order, func));
	note_step(v, false);
}

/* expected NULL: unconditional. Returns the value read; *ret_done says whether it was replaced. */
static uint64_t rmw(void *p, size_t size, const uint64_t *expected, uint64_t operand, bool add,
		    unsigned order, const char *func, bool *ret_done)
{
	uint8_t l = loc_of(p, size);
	struct thread *t = announce(OP_RMW, l, func);
	struct loc *x = &m.loc[l];
	uint8_t from[MSGS_MAX], msg, n;
	unsigned count = 0;
	uint64_t v;

	order = weak(order, func);
	for (unsigned i = x->count; i-- > place(l, t->cur.msg[l]);) {
		msg = x->order[i];
		if (!x->msg[msg].rmw_follows || (expected && x->msg[msg].value != *expected))
			from[count++] = msg;
	}
	msg = from[choose(count)];
	v = x->msg[msg].value;
	forget_looks(t);
	read_from(t, l, msg, order);
	*ret_done = !expected || *expected == v;
	if (*ret_done) {
		uint64_t next = add ? v + operand : operand;

		n = write_to(t, l, place(l, msg), size == 4 ? (uint32_t)next : next, order);
		x->msg[msg].rmw_follows = true;
		/* Release sequence: what the message read carried is carried on. */
		view_join(&x->msg[n].view, &x->msg[msg].view);
	}
	note_step(v, false);
	return v;
}

uint64_t model_exchange(void *p, size_t size, uint64_t v, unsigned order, const char *func)
{
	bool done;

	return rmw(p, size, NULL, v, false, order, func, &done);
}

uint64_t model_fetch_add(void *p, size_t size, uint64_t v, unsigned order, const char *func)
{
	bool done;

	return rmw(p, size, NULL, v, true, order, func, &done);
}

bool model_cas(void *p, size_t size, uint64_t expected, uint64_t v, unsigned order,
	       const char *func, uint64_t *ret_seen)
{
	bool done;

	*ret_seen = rmw(p, size, &expected, v, false, order, func, &done);
	return done;
}

void model_fence_acquire(const char *func)
{
	struct thread *t = &m.thread[m.self];

	/* Concerns nobody else, so it is no step of its own. */
	if (weak(MODEL_ACQUIRE, func))
		view_join(&t->cur, &t->acq);
}

void model_fence_seq_cst(const char *func)
{
	struct thread *t;

	if (!weak(MODEL_ACQ_REL, func))
		return;
	t = announce(OP_FENCE, NO_LOC, func);
	forget_looks(t);
	view_join(&t->cur, &t->acq);
	msgs_join(&t->cur, &m.fences);
	msgs_join(&m.fences, &t->cur);
	t->acq = t->rel = t->cur;
	t->clock_handed_out = true;
	note_step(0, false);
}

/* ---- waiting ---- */

void model_spin(void)
{
	struct thread *t = &m.thread[m.self];

	if (t->look_count == 0)
		broken("model_spin() without a load before it");
	/* The same failed look twice: another execution has it once. */
	if (t->look_count == t->last_count &&
	    !memcmp(t->look, t->last_look, t->look_count * sizeof(t->look[0])))
		leave();
	memcpy(t->last_look, t->look, sizeof(t->look));
	t->last_count = t->look_count;
	t->look_count = 0;
	t->awaiting = true;
}

void model_at(const void *state, size_t n)
{
	if (!m.scenario->no_merge)
		m.thread[m.self].history = mix_bytes((uintptr_t)state, state, n);
}

void model_join(unsigned i)
{
	struct thread *t = &m.thread[m.self];

	t->op_thread = i;
	announce(OP_JOIN, NO_LOC, __func__);
	forget_looks(t);
	view_join(&t->cur, &m.thread[i].cur);
	view_join(&t->acq, &t->cur);
	note_step(i, false);
}

bool model_futex_wait(const void *p, uint32_t v)
{
	uint8_t l = loc_of(p, 4), msg;
	struct thread *t = announce(OP_FUTEX_WAIT, l, __func__);

	forget_looks(t);
	/* The kernel compares under a lock that every waker takes. The load is one of this thread, so
	 * it cannot read an older word afterwards. */
	msg = newest(l);
	see(t, l, msg);
	note_step(m.loc[l].msg[msg].value, false);
	if (m.loc[l].msg[msg].value != v)
		return false;
	t->state = SLEEPING;
	go_on(m.self);
	note_step(0, false);
	return true;
}

void model_futex_wake(const void *p)
{
	uint8_t l = loc_of(p, 4);

	forget_looks(announce(OP_FUTEX_WAKE, l, __func__));
	note_step(0, false);
	for (unsigned i = 0; i < m.scenario->thread_count; i++) {
		struct thread *u = &m.thread[i];

		if (u->state == SLEEPING && u->op_loc == l) {
			u->state = READY;
			u->op = OP_RESUME;
		}
	}
}

/* ---- data ---- */

void model_data_area(const void *p, uint64_t bytes, unsigned copies, unsigned grain)
{
	struct area *a = &m.area[m.area_count++];

	if (m.area_count == AREAS_MAX || bytes / grain > AREA_GRAINS_MAX || !WEIR_IS_POW2(bytes))
		broken("data area");
	a->p = p;
	a->bytes = bytes;
	a->copies = copies;
	a->grain = grain;
	a->hash = 0;
}

static struct area *area_of(const void *p, uint64_t n, const char *func)
{
	for (unsigned i = 0; i < m.area_count; i++) {
		struct area *a = &m.area[i];
		uint64_t off = (uint64_t)((const uint8_t *)p - a->p);

		if ((const uint8_t *)p < a->p || off >= a->bytes * a->copies)
			continue;
		if (n % a->grain || off % a->grain)
			broken("a span that does not fit the grain");
		if (n > a->bytes || off + n > a->bytes * a->copies)
			model_fail("span outside the data area in %s", func);
		return a;
	}
	model_fail("pointer outside every data area in %s", func);
	return NULL;
}

/* The grain is taken out of the hash; the caller changes it and puts it back. */
static struct grain *grain_take(struct area *a, uint64_t at)
{
	struct grain *w = &a->shadow[at];

	if (w->execution == m.execution) {
		a->hash -= grain_hash(w, at);
		return w;
	}
	memset(w, 0, sizeof(*w));
	w->execution = m.execution;
	w->writer = MODEL_THREADS_MAX;
	return w;
}

static void race(const char *what, unsigned other, const char *func)
{
	model_fail("data race: %s in %s of %s without order after %s", what, func,
		   m.scenario->thread[m.self].name, m.scenario->thread[other].name);
}

void model_data_written(const void *p, uint64_t n, const char *func)
{
	struct area *a = area_of(p, n, func);
	struct thread *t = &m.thread[m.self];
	const uint32_t *clock = t->cur.clock;

	for (uint64_t i = 0; i < n; i += a->grain) {
		const uint8_t *q = (const uint8_t *)p + i;
		uint64_t at = ((uint64_t)(q - a->p) & (a->bytes - 1)) / a->grain;
		struct grain *w = grain_take(a, at);

		if (w->writer < MODEL_THREADS_MAX && w->write_clock > clock[w->writer])
			race("write", w->writer, func);
		for (unsigned u = 0; u < MODEL_THREADS_MAX; u++)
			if (w->read_clock[u] > clock[u])
				race("write", u, func);
		memcpy(&w->content, q, 8);
		w->writer = m.self;
		w->write_clock = now(t);
		a->hash += grain_hash(w, at);
	}
}

void model_data_read(const void *p, uint64_t n, const char *func)
{
	struct thread *t = &m.thread[m.self];
	const uint32_t *clock = t->cur.clock;
	struct area *a;

	if (n == 0)
		return;
	a = area_of(p, n, func);
	for (uint64_t i = 0; i < n; i += a->grain) {
		const uint8_t *q = (const uint8_t *)p + i;
		uint64_t at = ((uint64_t)(q - a->p) & (a->bytes - 1)) / a->grain;
		struct grain *w = grain_take(a, at);

		if (w->writer < MODEL_THREADS_MAX && w->write_clock > clock[w->writer])
			race("read", w->writer, func);
		w->read_clock[m.self] = now(t);
		a->hash += grain_hash(w, at);
	}
}

/* ---- exploring ---- */

static void fiber(int i)
{
	m.scenario->thread[i].run(m.scenario->thread[i].arg);
	m.thread[i].state = ENDED;
	if (m.in_prologue)
		swapcontext(&m.thread[i].ctx, &m.main);
	else
		go_on((unsigned)i);
	broken("an ended thread was resumed");
}

static void thread_begin(unsigned i)
{
	struct thread *t = &m.thread[i];

	t->state = READY;
	t->history = 0;
	t->op_func = NULL;
	t->clock_handed_out = false;
	forget_looks(t);
	memset(&t->cur, 0, sizeof(t->cur));
	t->cur.clock[i] = 1; /* 0 means never */
	t->acq = t->cur;
	memset(&t->rel, 0, sizeof(t->rel));
	getcontext(&t->ctx);
	t->ctx.uc_stack.ss_sp = stack[i];
	t->ctx.uc_stack.ss_size = STACK_BYTES;
	t->ctx.uc_link = NULL;
	makecontext(&t->ctx, (void (*)(void))fiber, 1, (int)i);
	m.self = i;
	swapcontext(&m.main, &t->ctx);
}

static void run_once(void)
{
	m.execution++;
	m.result->runs++;
	m.loc_count = m.area_count = m.step_count = m.at = 0;
	m.died = m.cut = false;
	memset(&m.fences, 0, sizeof(m.fences));
	if (m.scenario->setup)
		m.scenario->setup();
	m.in_prologue = true;
	for (unsigned i = 0; i < m.scenario->thread_count && !m.cut; i++)
		thread_begin(i); /* up to its first operation */
	m.in_prologue = false;
	m.self = 0;
	if (!m.cut && pick())
		swapcontext(&m.main, &m.thread[m.self].ctx);
	m.result->steps_max = WEIR_MAX(m.result->steps_max, m.step_count);
}

/* Moves the last choice that has an alternative on to it. false: there is none, all is explored. */
static bool next_branch(void)
{
	for (; m.depth > 0; m.depth--) {
		struct choice *c = &m.choice[m.depth - 1];
		uint32_t left = c->enabled & ~c->tried;

		if (left) {
			c->chosen = (uint16_t)__builtin_ctz(left);
			c->tried |= 1u << c->chosen;
			return true;
		}
		if (!c->enabled && ++c->chosen < c->count)
			return true;
	}
	return false;
}

void model_explore(const struct model_scenario *s, bool print_failure, struct model_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	m.scenario = s;
	m.result = ret;
	m.depth = 0;
	do {
		run_once();
		if (!ret->failed && s->runs_max && ret->runs >= s->runs_max) {
			ret->failed = true;
			snprintf(ret->text, sizeof(ret->text), "more than %llu executions",
				 (unsigned long long)s->runs_max);
		}
	} while (!ret->failed && next_branch());
	if (ret->failed && print_failure)
		print_steps();
	ret->states = m.visited.count;
	free(m.visited.slot);
	m.visited = (struct visited){0};
	m.scenario = NULL;
}
