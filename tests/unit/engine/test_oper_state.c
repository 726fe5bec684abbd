/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/oper.h"
#include "tests/unit/engine/state_case.h"

#define HEAD 12 /* watermark, generation */

enum { IN_K, IN_KS, IN_V, IN_FIELDS };

struct key_state {
	int64_t count, sum;
	uint8_t last;
};

static const struct weir_host *host;
static const struct weir_record_info *in_info;
static bool stateless;

/* ---- the operator: counts per key, sets timers, drops keys ---- */

static int op_open(const struct weir_host *h, const char *options,
		   const struct weir_record_info *in, const struct weir_record_info *out,
		   uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	(void)options;
	(void)out;
	(void)task;
	(void)tasks;
	(void)ret_self;
	(void)err;
	(void)err_cap;
	host = h;
	in_info = in;
	return 0;
}

static void give(struct weir_writer *w, int64_t count, int64_t sum, int64_t time_ns)
{
	host->set_int(w, 0, count);
	host->set_int(w, 1, sum);
	host->set_int(w, 2, time_ns);
	assert_int_equal(host->emit(w, time_ns), 0);
}

static uint32_t op_process(void *self, struct weir_context *c, const struct weir_span *in,
			   struct weir_writer *w)
{
	(void)self;
	for (uint32_t i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		int64_t v = weir_record_int(r, in_info, IN_V);

		if (!host->begin(w))
			return i;
		if (!stateless) {
			struct key_state *s = host->state(c, r, NULL);

			s->count++;
			s->sum += v;
			s->last = (uint8_t)v;
			give(w, s->count, s->sum, r->time_ns);
		}
		if (v % 3 == 0)
			host->set_timer(c, r, r->time_ns + v % 40);
		if (v % 9 == 0)
			host->set_timer(c, r, r->time_ns + v % 40);
		if (v % 15 == 0)
			host->set_timer(c, r, r->time_ns + 10 * v);
		if (v % 7 == 0)
			host->state_drop(c, r);
	}
	return in->count;
}

static int op_timer(void *self, struct weir_context *c, void *state, int64_t time_ns,
		    struct weir_writer *w)
{
	struct key_state *s = state;

	(void)self;
	(void)c;
	assert_int_equal(host->begin(w), 1);
	give(w, s ? -s->count : 0, s ? s->sum : 0, time_ns);
	if (s)
		s->sum += 1000;
	return s && s->last % 4 == 0;
}

static struct weir_operator op = {.abi = WEIR_ABI,
				  .size = sizeof(op),
				  .state_bytes = sizeof(struct key_state),
				  .open = op_open,
				  .process = op_process,
				  .timer = op_timer};

/* ---- the step ---- */

static struct weir_schema in, out;
static struct weir_step step;
static struct weir_port_def port;

static int init_op(struct weir_node *n, const struct weir_op_env *env)
{
	return weir_oper_init(n, env, &op);
}

static void operator_is(uint32_t keys)
{
	memset(&in, 0, sizeof(in));
	weir_schema_add(&in, WEIR_STR("k"), weir_type_of(WEIR_INT64), true);
	weir_schema_add(&in, WEIR_STR("ks"), weir_type_of(WEIR_STRING), false);
	weir_schema_add(&in, WEIR_STR("v"), weir_type_of(WEIR_INT64), false);
	weir_schema_seal(&in);
	memset(&out, 0, sizeof(out));
	weir_schema_add(&out, WEIR_STR("count"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&out, WEIR_STR("sum"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&out, WEIR_STR("time"), weir_type_of(WEIR_INT64), false);
	weir_schema_seal(&out);
	memset(&step, 0, sizeof(step));
	strcpy(step.name, "mine");
	step.kind = WEIR_STEP_OPERATOR;
	step.port = &port;
	step.port_count = 1;
	port.schema = &out;
	step.late_port = step.rejects_port = -1;
	step.keyed = keys > 0;
	step.key_count = keys;
	step.key[0] = IN_KS;
	step.key[1] = IN_K;
	step.oper.library = "/opt/lib/counter.so";
	step.oper.symbol = "counter";
	step.oper.options = "{\"n\":1}";
	state_init = init_op;
	state_step = &step;
	state_in = &in;
	state_keys = keys;
	memcpy(state_key, step.key, sizeof(state_key));
}

static void operator_steps(uint64_t seed, uint32_t rows)
{
	static const char *const text[] = {"", "a", "bb", "a longer text than the others"};
	struct weir_prng p = weir_prng_of(seed, "rows");
	int64_t now = 0;

	for (uint32_t i = 0; i < rows; i++) {
		struct weir_oprig_value v[IN_FIELDS];
		int64_t k = (int64_t)weir_prng_below(&p, 9);

		v[IN_K] = k ? WEIR_ROW_I(k) : WEIR_ROW_NULL;
		v[IN_KS] = WEIR_ROW_S(text[weir_prng_below(&p, 4)]);
		v[IN_V] = WEIR_ROW_I((int64_t)weir_prng_below(&p, 100));
		now += (int64_t)weir_prng_below(&p, 4);
		state_add(STATE_ROW)->row = weir_oprig_frame(&in, now, v);
		if (i % 50 == 49 || weir_prng_chance(&p, 1, 10))
			state_add(STATE_RUN);
		if (weir_prng_chance(&p, 1, 15))
			state_add(STATE_WATERMARK)->watermark = now - 5;
		if (weir_prng_chance(&p, 1, 12))
			state_add(STATE_BARRIER);
	}
	state_add(STATE_RUN);
}

static void lives(uint64_t seed, uint32_t keys)
{
	static const uint32_t same[] = {1}, change[] = {1, 3, 2}, three[] = {3};
	struct state_run run = {
		.seed = seed, .head = HEAD, .lives = 7, .tasks = same, .task_counts = 1};

	operator_is(keys);
	if (keys && seed % 3 == 0) {
		run.tasks = three;
	} else if (keys && seed % 3 == 1) {
		run.tasks = change;
		run.task_counts = 3;
	}
	operator_steps(seed, 800);
	state_case_run(&run);
	state_case_damage(seed, 12);
	state_case_clear();
}

static void test_oper_lives_equal_one_life(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		lives(seed, 2);
		lives(seed, 1);
		lives(seed, 0);
	}
}

static void test_oper_lives_without_state(void **state)
{
	(void)state;
	stateless = true;
	op.state_bytes = 0;
	for (uint64_t seed = 1; seed <= 10; seed++)
		lives(seed, 2);
	stateless = false;
	op.state_bytes = sizeof(struct key_state);
}

static void test_oper_sign(void **state)
{
	const char *text;

	(void)state;
	operator_is(1);
	text = state_sign();
	assert_memory_equal(text, "operator 1 library=counter.so name=counter state=24 ", 52);
	assert_non_null(strstr(text, "options={\"n\":1} key=("));
}

static void test_oper_damage_names_the_step(void **state)
{
	(void)state;
	operator_is(1);
	assert_string_equal(state_refused("12345678", 8),
			    "step `mine`: its saved state is damaged: it is cut short");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_oper_lives_equal_one_life),
	cmocka_unit_test(test_oper_lives_without_state),
	cmocka_unit_test(test_oper_sign),
	cmocka_unit_test(test_oper_damage_names_the_step),
};

WEIR_TEST_MAIN("engine/oper_state", tests)
