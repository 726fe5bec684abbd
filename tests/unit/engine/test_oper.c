/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/oper.h"
#include "tests/lib/oprig.h"

#include <string.h>

/* ---- the operator under test: calls of it are played by functions of the test ---- */

struct key_state {
	int64_t count;
	int64_t k;
};

static struct played {
	uint32_t (*process)(struct weir_context *c, const struct weir_span *in,
			    struct weir_writer *out);
	int (*timer)(struct weir_context *c, struct key_state *s, int64_t time_ns,
		     struct weir_writer *out);
	int opened, closed;
	bool open_fails, keep_self;
	uint32_t calls;
	const struct weir_record_info *in, *out;
	char log[4096];
} played;

static const struct weir_host *host;

static uint32_t op_process(void *self, struct weir_context *c, const struct weir_span *in,
			   struct weir_writer *out)
{
	assert_ptr_equal(self, &played);
	played.calls++;
	return played.process(c, in, out);
}

static int op_timer(void *self, struct weir_context *c, void *state, int64_t time_ns,
		    struct weir_writer *out)
{
	assert_ptr_equal(self, &played);
	assert_true(host->watermark(c) >= time_ns);
	return played.timer(c, state, time_ns, out);
}

static int op_open(const struct weir_host *h, const char *options,
		   const struct weir_record_info *in, const struct weir_record_info *out,
		   uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	assert_int_equal(h->abi, WEIR_ABI);
	assert_string_equal(options, "{}");
	assert_int_equal(task, 0);
	assert_int_equal(tasks, 1);
	host = h;
	played.opened++;
	played.in = in;
	played.out = out;
	*ret_self = &played;
	if (!played.open_fails)
		return 0;
	if (!played.keep_self)
		snprintf(err, err_cap, "no such dictionary");
	return -1;
}

static void op_close(void *self)
{
	assert_ptr_equal(self, &played);
	played.closed++;
}

static const struct weir_operator op = {.abi = WEIR_ABI,
					.size = sizeof(op),
					.state_bytes = sizeof(struct key_state),
					.open = op_open,
					.process = op_process,
					.timer = op_timer,
					.close = op_close};

/* ---- the rig ---- */

enum { IN_K, IN_V, IN_S, IN_FIELDS };

static struct weir_schema in, out;
static struct weir_step step;
static struct weir_port_def port;
static struct weir_oprig rig;
static const struct weir_operator *under_test;

static int init_op(struct weir_node *n, const struct weir_op_env *env)
{
	return weir_oper_init(n, env, under_test);
}

static int start_with(const struct weir_operator *o, bool same)
{
	memset(&in, 0, sizeof(in));
	weir_schema_add(&in, WEIR_STR("k"), weir_type_of(WEIR_INT64), true);
	weir_schema_add(&in, WEIR_STR("v"), weir_type_of(WEIR_INT64), false);
	weir_schema_add(&in, WEIR_STR("s"), weir_type_of(WEIR_STRING), false);
	weir_schema_seal(&in);
	out = in;
	if (!same) {
		memset(&out, 0, sizeof(out));
		weir_schema_add(&out, WEIR_STR("i"), weir_type_of(WEIR_INT64), true);
		weir_schema_add(&out, WEIR_STR("f"), weir_type_of(WEIR_FLOAT64), true);
		weir_schema_add(&out, WEIR_STR("s"), weir_type_of(WEIR_STRING), true);
		weir_schema_add(&out, WEIR_STR("b"), weir_type_of(WEIR_BOOL), false);
		weir_schema_seal(&out);
	}
	memset(&step, 0, sizeof(step));
	strcpy(step.name, "mine");
	step.kind = WEIR_STEP_OPERATOR;
	step.port = &port;
	step.port_count = 1;
	port.schema = &out;
	step.late_port = step.rejects_port = -1;
	step.keyed = true;
	step.key_count = 1;
	step.key[0] = IN_K;
	step.oper.options = "{}";
	under_test = o;
	return weir_oprig_init(&rig, init_op, &step, &in);
}

static void
start(uint32_t (*process)(struct weir_context *, const struct weir_span *, struct weir_writer *),
      int (*timer)(struct weir_context *, struct key_state *, int64_t, struct weir_writer *),
      bool same)
{
	memset(&played, 0, sizeof(played));
	played.process = process;
	played.timer = timer;
	assert_int_equal(start_with(&op, same), 0);
}

static void stop(void)
{
	weir_oprig_fini(&rig);
	assert_int_equal(played.closed, 1);
}

static void put(int64_t time, int64_t k, int64_t v)
{
	struct weir_oprig_value x[IN_FIELDS] = {k < 0 ? WEIR_ROW_NULL : WEIR_ROW_I(k),
						WEIR_ROW_I(v), WEIR_ROW_S("text")};

	weir_oprig_put(&rig, time, x);
}

static const char *text(uint32_t i)
{
	return weir_oprig_text(&rig, 0, i);
}

static void expect_error(int code, const char *what)
{
	weir_oprig_run(&rig);
	assert_int_equal(rig.failed, code);
	assert_string_equal(rig.task.err.text, what);
	stop();
}

static int64_t value(const struct weir_record *r)
{
	return weir_record_int(r, played.in, IN_V);
}

/* ---- schema ---- */

static int schema_try(const struct weir_host *h, const char *options,
		      const struct weir_record_info *i, void *o, char *err, size_t cap)
{
	struct weir_field_info f = {.name = "total", .type = WEIR_VALUE_DECIMAL};

	assert_int_equal(i->field_count, 3);
	assert_string_equal(i->field[2].name, "s");
	assert_int_equal(weir_record_field(i, "v"), 1);
	assert_int_equal(weir_record_field(i, "w"), -1);
	if (!strcmp(options, "nothing"))
		return 0;
	if (!strcmp(options, "refused"))
		return -1;
	if (!strcmp(options, "explained")) {
		memset(err, 'x', cap); /* not terminated */
		return -1;
	}
	assert_int_equal(h->add_field(o, &f), -1); /* precision 0 */
	f.precision = 19;
	assert_int_equal(h->add_field(o, &f), -1);
	f.precision = 10;
	f.scale = 11;
	assert_int_equal(h->add_field(o, &f), -1);
	f.scale = 2;
	assert_int_equal(h->add_field(o, &f), 0);
	assert_int_equal(h->add_field(o, &f), -1); /* twice */
	f.name = NULL;
	assert_int_equal(h->add_field(o, &f), -1);
	f.name = "l";
	f.type = WEIR_VALUE_LIST;
	assert_int_equal(h->add_field(o, &f), -1);
	f.elem = WEIR_VALUE_LIST;
	assert_int_equal(h->add_field(o, &f), -1);
	f.elem = WEIR_VALUE_INT64;
	f.nullable = 1;
	assert_int_equal(h->add_field(o, &f), 0);
	f.name = "odd";
	f.type = 0;
	assert_int_equal(h->add_field(o, &f), -1);
	f.type = 200;
	assert_int_equal(h->add_field(o, &f), -1);
	return 0;
}

static void test_oper_schema(void **state)
{
	struct weir_operator o = op;
	struct weir_schema s;
	struct weir_err err = {0};

	(void)state;
	start(NULL, NULL, true);
	assert_int_equal(weir_oper_schema(&o, "{}", &in, &s, &rig.region, &err), 0);
	assert_true(weir_schema_same(&s, &in));
	o.schema = schema_try;
	assert_int_equal(weir_oper_schema(&o, "{}", &in, &s, &rig.region, &err), 0);
	assert_int_equal(s.field_count, 2);
	assert_int_equal(s.fixed_size, 24);
	assert_string_equal(s.field[0].name, "total");
	assert_true(s.field[1].nullable);
	assert_int_equal(weir_oper_schema(&o, "nothing", &in, &s, &rig.region, &err),
			 WEIR_E_CONFIG);
	assert_string_equal(err.text, "the operator declares no output fields");
	assert_int_equal(weir_oper_schema(&o, "refused", &in, &s, &rig.region, &err),
			 WEIR_E_CONFIG);
	assert_string_equal(err.text, "the operator refuses its input or options");
	assert_int_equal(weir_oper_schema(&o, "explained", &in, &s, &rig.region, &err),
			 WEIR_E_CONFIG);
	assert_int_equal(strlen(err.text), 255);
	stop();
}

static void test_oper_open_fails(void **state)
{
	(void)state;
	memset(&played, 0, sizeof(played));
	played.open_fails = true;
	assert_int_equal(start_with(&op, true), WEIR_E_CONFIG);
	assert_string_equal(rig.task.err.text, "step `mine`: no such dictionary");
	weir_oprig_fini(&rig);
	assert_int_equal(played.closed, 0); /* never open */
	played.keep_self = true;
	assert_int_equal(start_with(&op, true), WEIR_E_CONFIG);
	assert_string_equal(rig.task.err.text, "step `mine`: the operator does not start");
	weir_oprig_fini(&rig);
}

static void test_oper_list_is_no_key(void **state)
{
	(void)state;
	start(NULL, NULL, true);
	stop();
	in.field[IN_K].type = (struct weir_typeinfo){.type = WEIR_LIST, .elem = WEIR_INT64};
	memset(&played, 0, sizeof(played));
	assert_int_equal(weir_oprig_init(&rig, init_op, &step, &in), WEIR_E_TYPE);
	assert_string_equal(rig.task.err.text, "step `mine`: a list cannot be a key");
	assert_int_equal(played.opened, 0);
	weir_oprig_fini(&rig);
}

/* ---- writing ---- */

/* Each input v gives v records, numbered; keeps its place in state. */
static uint32_t repeat(struct weir_context *c, const struct weir_span *rows, struct weir_writer *w)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		struct key_state *s = host->state(c, rows->record[i], NULL);

		for (; s->count < value(rows->record[i]); s->count++) {
			if (!host->begin(w))
				return i;
			host->set_int(w, 0, s->count);
			assert_int_equal(host->begin(w), 1); /* goes on with the same record */
			if (s->count % 2)
				host->set_float(w, 1, 0.5);
			if (s->count % 3)
				host->set_text(w, 2, "abcdef", (size_t)s->count % 6);
			host->set_int(w, 3, 7);
			assert_int_equal(host->emit(w, rows->record[i]->time_ns), 0);
			assert_int_equal(host->emit(w, 0), -1); /* nothing begun */
		}
		s->count = 0;
	}
	return rows->count;
}

static void test_oper_emits_at_every_room(void **state)
{
	(void)state;
	for (uint32_t room = 1; room <= 40; room++) {
		uint32_t n = 0;

		start(repeat, NULL, false);
		rig.room = room;
		rig.seed = room % 2 ? room : 0;
		for (int64_t i = 0; i < 10; i++)
			put(i, i, i * 3);
		weir_oprig_eos(&rig);
		assert_int_equal(rig.failed, 0);
		assert_int_equal(rig.out[0].rows, 135);
		for (int64_t i = 0; i < 10; i++) {
			for (int64_t k = 0; k < i * 3; k++, n++) {
				char expected[128];
				char f[16] = "null", s[16] = "null";

				if (k % 2)
					strcpy(f, "0.5");
				if (k % 3)
					snprintf(s, sizeof(s), "\"%.*s\"", (int)(k % 6), "abcdef");
				snprintf(expected, sizeof(expected),
					 "{\"i\":%d,\"f\":%s,\"s\":%s,\"b\":true}", (int)k, f, s);
				assert_string_equal(text(n), expected);
				assert_int_equal(rig.out[0].frame[n]->time_ns, i);
				assert_int_equal(rig.out[0].frame[n]->flags, WEIR_FRAME_F_TIMED);
			}
		}
		assert_string_equal(text(n), "eos");
		assert_int_equal(rig.node[0].rows_in, 10);
		stop();
	}
}

static uint32_t too_large(struct weir_context *c, const struct weir_span *rows,
			  struct weir_writer *w)
{
	static char big[5000];

	(void)c;
	for (uint32_t i = 0; i < rows->count; i++) {
		if (!host->begin(w))
			return i;
		host->set_text(w, 2, big, sizeof(big));
		host->set_int(w, 0, 1); /* ignored by now */
		host->set_float(w, 1, 1);
		assert_int_equal(host->emit(w, 1), -1);
		if (!host->begin(w))
			return i;
		host->set_text(w, 2, "ok", 2);
		assert_int_equal(host->emit(w, 1), 0);
	}
	return rows->count;
}

static void test_oper_record_larger_than_record_max_is_not_emitted(void **state)
{
	(void)state;
	start(too_large, NULL, false);
	put(1, 1, 1);
	put(2, 1, 1);
	weir_oprig_run(&rig);
	assert_int_equal(rig.out[0].rows, 2);
	assert_string_equal(text(1), "{\"i\":null,\"f\":null,\"s\":\"ok\",\"b\":false}");
	stop();
}

/* A record is begun, then the input is passed on, then the first one is emitted. */
static uint32_t pass_inside(struct weir_context *c, const struct weir_span *rows,
			    struct weir_writer *w)
{
	(void)c;
	for (uint32_t i = 0; i < rows->count; i++) {
		if (!host->begin(w))
			return i;
		if (!host->pass(w, rows->record[i]))
			return i; /* what was begun is dropped */
		host->set_int(w, IN_V, -value(rows->record[i]));
		host->set_text(w, IN_S, "x", 1);
		assert_int_equal(host->emit(w, 0), 0);
	}
	return rows->count;
}

static void test_oper_pass_leaves_room_for_what_was_begun(void **state)
{
	(void)state;
	for (uint32_t room = 2; room < 12; room++) {
		start(pass_inside, NULL, true);
		rig.room = room;
		for (int64_t i = 1; i <= 20; i++)
			put(i, i, i);
		weir_oprig_eos(&rig);
		assert_int_equal(rig.failed, 0);
		assert_int_equal(rig.out[0].rows, 40);
		for (uint32_t i = 0; i < 40; i++)
			assert_int_equal(weir_get_i64(rig.out[0].frame[i], &out, IN_V),
					 i % 2 ? -(int64_t)(i / 2 + 1) : i / 2 + 1);
		stop();
	}
}

static uint32_t pass_all(struct weir_context *c, const struct weir_span *rows,
			 struct weir_writer *w)
{
	(void)c;
	for (uint32_t i = 0; i < rows->count; i++)
		if (!host->pass(w, rows->record[i]))
			return i;
	return rows->count;
}

static void test_oper_pass_needs_the_same_schema(void **state)
{
	(void)state;
	start(pass_all, NULL, false);
	put(1, 1, 1);
	expect_error(WEIR_E_TYPE,
		     "step `mine`: the operator passes a record on, but its output has "
		     "other fields than its input");
}

/* ---- mistakes ---- */

static uint32_t mistake; /* which one */

static uint32_t mistaken(struct weir_context *c, const struct weir_span *rows,
			 struct weir_writer *w)
{
	if (mistake == 0)
		host->set_int(w, 0, 1); /* before begin() */
	if (mistake == 7)
		return rows->count + 1;
	if (mistake == 8)
		return 0;
	if (mistake == 9) {
		(host->fail)(c, "out of luck");
		(host->fail)(c, "and again");
		return 0;
	}
	assert_int_equal(host->begin(w), 1);
	switch (mistake) {
	case 1:
		host->set_int(w, 1, 1);
		break;
	case 2:
		host->set_int(w, 2, 1);
		break;
	case 3:
		host->set_float(w, 0, 1);
		break;
	case 4:
		host->set_text(w, 0, "x", 1);
		break;
	case 5:
		host->set_text(w, 4, "x", 1);
		host->set_int(w, 0, 1);
		host->set_text(w, 1, "x", 1); /* the first mistake is told */
		break;
	case 6:
		host->set_float(w, UINT32_MAX, 1);
		break;
	}
	host->emit(w, 0);
	return rows->count;
}

static void test_oper_mistakes_end_the_pipeline(void **state)
{
	static const struct {
		int code;
		const char *text;
	} expected[] = {
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_int() for field 0 of its output, "
		 "without begin()"},
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_int() for field 1 of its output, "
		 "float64"},
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_int() for field 2 of its output, "
		 "string"},
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_float() for field 0 of its output, "
		 "int64"},
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_text() for field 0 of its output, "
		 "int64"},
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_text() for field 4 of its output, "
		 "which does not exist"},
		{WEIR_E_TYPE,
		 "step `mine`: the operator calls set_float() for field 4294967295 of its "
		 "output, which does not exist"},
		{WEIR_E_RANGE, "step `mine`: the operator took 3 of 2 records"},
		{WEIR_E_DEADLOCK, "step `mine`: the operator took none of 2 records and gave none, "
				  "although there was room"},
		{WEIR_E_REJECT, "step `mine`: out of luck"},
	};

	(void)state;
	for (mistake = 0; mistake < WEIR_COUNT_OF(expected); mistake++) {
		start(mistaken, NULL, false);
		put(1, 1, 1);
		put(1, 1, 1);
		expect_error(expected[mistake].code, expected[mistake].text);
	}
}

static uint32_t begin_and_leave(struct weir_context *c, const struct weir_span *rows,
				struct weir_writer *w)
{
	(void)c;
	/* In the first call a record is begun and left. It must not come with the second call. */
	if (played.calls == 1) {
		assert_int_equal(host->begin(w), 1);
		host->set_int(w, 0, 99);
	} else {
		assert_int_equal(host->emit(w, 0), -1);
	}
	return rows->count;
}

static void test_oper_what_is_begun_and_left_is_gone(void **state)
{
	(void)state;
	start(begin_and_leave, NULL, false);
	put(1, 1, 1);
	weir_oprig_run(&rig);
	put(1, 1, 1);
	weir_oprig_run(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.out[0].rows, 0);
	stop();
}

/* ---- state ---- */

/* Counts per key; v < 0 drops the key. Logs "k:count" and a star for a new key. */
static uint32_t counting(struct weir_context *c, const struct weir_span *rows,
			 struct weir_writer *w)
{
	(void)w;
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct weir_record *r = rows->record[i];
		size_t at = strlen(played.log);
		struct key_state *s;
		int is_new = -1;

		if (value(r) < 0) {
			host->state_drop(c, r);
			continue;
		}
		s = host->state(c, r, &is_new);
		s->k = weir_record_null(r, played.in, IN_K) ? -1
							    : weir_record_int(r, played.in, IN_K);
		s->count++;
		if (value(r) > 0)
			host->set_timer(c, r, value(r));
		if (at < sizeof(played.log) - 64)
			snprintf(played.log + at, 64, "%d:%d%s ", (int)s->k, (int)s->count,
				 is_new ? "*" : "");
	}
	return rows->count;
}

static void test_oper_state_per_key(void **state)
{
	(void)state;
	start(counting, NULL, true);
	put(1, 1, 0);
	put(1, 2, 0);
	put(1, 1, 0);
	put(1, -1, 0); /* null is a key */
	put(1, -1, 0);
	put(1, 0, 0); /* and not 0 */
	put(1, 1, -1);
	put(1, 1, -1); /* nothing there any more */
	put(1, 7, -1);
	put(1, 1, 0);
	put(1, 2, 0);
	weir_oprig_eos(&rig);
	assert_string_equal(played.log, "1:1* 2:1* 1:2 -1:1* -1:2 0:1* 1:1* 2:2 ");
	stop();
}

static void test_oper_state_of_many_keys(void **state)
{
	(void)state;
	start(counting, NULL, true);
	for (int round = 0; round < 2; round++) {
		for (int64_t k = 0; k < 3000; k++) {
			put(1, k, 0);
			put(1, k, k % 3 ? 0 : -1);
		}
		weir_oprig_run(&rig);
	}
	strcpy(played.log, "");
	put(1, 3, 0);
	put(1, 4, 0);
	weir_oprig_eos(&rig);
	assert_string_equal(played.log, "3:1* 4:5 ");
	stop();
}

/* ---- timers ---- */

static bool timer_drops;

static int log_timer(struct weir_context *c, struct key_state *s, int64_t time_ns,
		     struct weir_writer *w)
{
	size_t at = strlen(played.log);

	(void)c;
	snprintf(played.log + at, sizeof(played.log) - at, "%d@%d(%d) ", (int)s->k, (int)time_ns,
		 (int)s->count);
	assert_int_equal(host->begin(w), 1);
	host->set_int(w, IN_K, s->k);
	host->set_int(w, IN_V, time_ns);
	host->set_text(w, IN_S, "", 0);
	assert_int_equal(host->emit(w, time_ns), 0);
	return timer_drops;
}

static void test_oper_timers_fire_in_order_and_once(void **state)
{
	(void)state;
	timer_drops = false;
	start(counting, log_timer, true);
	put(1, 1, 50);
	put(1, 2, 30);
	put(1, 1, 30);
	put(1, 2, 30); /* twice the same */
	put(1, 1, 50);
	put(1, 3, 10);
	put(1, 1, 70);
	weir_oprig_run(&rig);
	strcpy(played.log, "");
	weir_oprig_watermark(&rig, 9);
	assert_string_equal(played.log, "");
	weir_oprig_watermark(&rig, 10);
	weir_oprig_ctl(&rig, WEIR_FRAME_MARKER, 1000);
	weir_oprig_ctl(&rig, WEIR_FRAME_IDLE, 0);
	assert_string_equal(played.log, "3@10(1) ");
	weir_oprig_watermark(&rig, 60);
	/* Equal times: keys in the order they were made. */
	assert_string_equal(played.log, "3@10(1) 1@30(4) 2@30(2) 1@50(4) ");
	weir_oprig_eos(&rig);
	assert_string_equal(played.log, "3@10(1) 1@30(4) 2@30(2) 1@50(4) 1@70(4) ");
	assert_string_equal(text(rig.out[0].count - 1), "eos");
	/* The records come before the watermark that made them. */
	assert_string_equal(text(0), "watermark 9");
	assert_string_equal(text(1), "{\"k\":3,\"v\":10,\"s\":\"\"}");
	assert_string_equal(text(2), "watermark 10");
	stop();
}

static void test_oper_timers_of_dropped_keys_do_not_fire(void **state)
{
	(void)state;
	timer_drops = false;
	start(counting, log_timer, true);
	put(1, 1, 10);
	put(1, 2, 20);
	put(1, 1, -1);
	put(1, 3, 15); /* may take the place of key 1 */
	put(1, 1, 30); /* a new life of key 1 */
	weir_oprig_run(&rig);
	strcpy(played.log, "");
	weir_oprig_eos(&rig);
	assert_string_equal(played.log, "3@15(1) 2@20(1) 1@30(1) ");
	stop();
	/* A timer that drops its key takes the key's later timers along. */
	timer_drops = true;
	start(counting, log_timer, true);
	put(1, 1, 10);
	put(1, 1, 20);
	put(1, 2, 15);
	weir_oprig_run(&rig);
	strcpy(played.log, "");
	weir_oprig_watermark(&rig, 30);
	put(31, 1, 0);
	weir_oprig_eos(&rig);
	assert_string_equal(played.log, "1@10(2) 2@15(1) 1:1* ");
	stop();
}

static int quiet_timer(struct weir_context *c, struct key_state *s, int64_t time_ns,
		       struct weir_writer *w)
{
	(void)c;
	assert_int_equal(host->begin(w), 1);
	host->set_int(w, IN_K, s->k);
	host->set_int(w, IN_V, time_ns);
	assert_int_equal(host->emit(w, time_ns), 0);
	return 0;
}

static void test_oper_many_timers_wait_for_room(void **state)
{
	(void)state;
	start(counting, quiet_timer, true);
	rig.room = 40;
	rig.seed = 3;
	for (int64_t k = 0; k < 2000; k++)
		put(1, k % 700, 1 + (k * 7919) % 1000);
	weir_oprig_watermark(&rig, 500);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.out[0].rows, 2000); /* no two of them are alike */
	for (uint32_t i = 1, last = 0; i < rig.out[0].count; i++) {
		if (rig.out[0].frame[i]->kind != WEIR_FRAME_DATA)
			continue;
		assert_true(rig.out[0].frame[i]->time_ns >= rig.out[0].frame[last]->time_ns);
		last = i;
	}
	stop();
}

static int count_timer(struct weir_context *c, struct key_state *s, int64_t time_ns,
		       struct weir_writer *w)
{
	static char big[4000];

	(void)c;
	for (int64_t i = 0; i < s->count; i++) {
		if (!host->begin(w))
			return 0;
		host->set_int(w, IN_V, time_ns);
		host->set_text(w, IN_S, big, sizeof(big));
		assert_int_equal(host->emit(w, time_ns), 0);
	}
	return 1;
}

/* Sixteen records of nearly record_max from one timer fit, whatever else is going on. */
static void test_oper_timer_has_room_for_16_records(void **state)
{
	(void)state;
	start(counting, count_timer, true);
	rig.room = 60;
	rig.seed = 5;
	for (int64_t k = 0; k < 30; k++)
		for (int i = 0; i < 16; i++)
			put(1, k, 100 - k);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, 0);
	assert_int_equal(rig.out[0].rows, 30 * 16);
	for (uint32_t i = 1; i < 30 * 16; i++)
		assert_true(rig.out[0].frame[i]->time_ns >= rig.out[0].frame[i - 1]->time_ns);
	stop();
	/* More than can be promised: said, not lost. */
	start(counting, count_timer, true);
	rig.room = 16;
	for (int i = 0; i < 17; i++)
		put(1, 1, 5);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, WEIR_E_LIMIT);
	assert_non_null(
		strstr(rig.task.err.text, "one call of timer() gives more than 16 records"));
	stop();
}

static int failing_timer(struct weir_context *c, struct key_state *s, int64_t time_ns,
			 struct weir_writer *w)
{
	(void)s;
	(void)time_ns;
	(void)w;
	(host->fail)(c, "timer");
	return 0;
}

static void test_oper_timer_can_fail(void **state)
{
	(void)state;
	start(counting, failing_timer, true);
	put(1, 1, 5);
	weir_oprig_eos(&rig);
	assert_int_equal(rig.failed, WEIR_E_REJECT);
	assert_string_equal(rig.task.err.text, "step `mine`: timer");
	stop();
}

static int stateless_timer(struct weir_context *c, struct key_state *s, int64_t time_ns,
			   struct weir_writer *w)
{
	(void)c;
	(void)time_ns;
	(void)w;
	assert_null(s);
	strcat(played.log, "t");
	return 0;
}

static uint32_t only_timers(struct weir_context *c, const struct weir_span *rows,
			    struct weir_writer *w)
{
	(void)w;
	for (uint32_t i = 0; i < rows->count; i++)
		host->set_timer(c, rows->record[i], value(rows->record[i]));
	return rows->count;
}

static void test_oper_timers_without_state_or_function(void **state)
{
	struct weir_operator o = op;

	(void)state;
	memset(&played, 0, sizeof(played));
	played.process = only_timers;
	played.timer = stateless_timer;
	o.state_bytes = 0;
	assert_int_equal(start_with(&o, true), 0);
	for (int64_t i = 0; i < 600; i++)
		put(1, i % 2, i);
	weir_oprig_eos(&rig);
	assert_int_equal(strlen(played.log), 600);
	stop();
	/* Timers that nobody listens to are let go. */
	memset(&played, 0, sizeof(played));
	played.process = only_timers;
	o.timer = NULL;
	assert_int_equal(start_with(&o, true), 0);
	put(1, 1, 1);
	weir_oprig_eos(&rig);
	assert_string_equal(text(0), "eos");
	stop();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_oper_schema),
	cmocka_unit_test(test_oper_open_fails),
	cmocka_unit_test(test_oper_list_is_no_key),
	cmocka_unit_test(test_oper_emits_at_every_room),
	cmocka_unit_test(test_oper_record_larger_than_record_max_is_not_emitted),
	cmocka_unit_test(test_oper_pass_leaves_room_for_what_was_begun),
	cmocka_unit_test(test_oper_pass_needs_the_same_schema),
	cmocka_unit_test(test_oper_mistakes_end_the_pipeline),
	cmocka_unit_test(test_oper_what_is_begun_and_left_is_gone),
	cmocka_unit_test(test_oper_state_per_key),
	cmocka_unit_test(test_oper_state_of_many_keys),
	cmocka_unit_test(test_oper_timers_fire_in_order_and_once),
	cmocka_unit_test(test_oper_timers_of_dropped_keys_do_not_fire),
	cmocka_unit_test(test_oper_many_timers_wait_for_room),
	cmocka_unit_test(test_oper_timer_has_room_for_16_records),
	cmocka_unit_test(test_oper_timer_can_fail),
	cmocka_unit_test(test_oper_timers_without_state_or_function),
};

WEIR_TEST_MAIN("oper", tests)
