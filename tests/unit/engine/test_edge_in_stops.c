/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/edge_in_case.h"

/* ---- what ends it ---- */

static void stopped(struct rig *r, int code, const char *what)
{
	assert_int_equal(r->err.code, code);
	if (!strstr(r->err.text, what))
		fail_msg("\"%s\" says nothing of \"%s\"", r->err.text, what);
	/* For good. */
	assert_int_equal(batch(r, 0), code);
	assert_non_null(strstr(r->err.text, what));
	assert_int_equal(weir_edge_in_deadline(r->i), 0);
	rig_free(r);
}

static void fork_is_told(struct rig *r, uint64_t seq)
{
	struct weir_lane_head h;

	r->wire.room = 0;
	step(r);
	r->wire.room = 5;
	step(r);
	h = edge_wire_expect(&r->wire, WEIR_LANE_FORK);
	assert_int_equal(h.seq, seq);
	step(r);
	edge_wire_nothing(&r->wire);
	stopped(r, WEIR_E_CORRUPT, "not those that came before number");
}

static void test_in_fork_of_a_batch(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h;

	(void)state;
	batch(r, 0);
	h = at(r, 5, 77);
	assert_int_equal(hear_frame(r, data_frame(r, h, &r->b[1], 0)), WEIR_E_CORRUPT);
	fork_is_told(r, 5);
	/* Cut otherwise. */
	r = rig_open();
	batch(r, 0);
	h = at(r, 3, 0);
	assert_int_equal(hear_frame(r, data_frame(r, h, &r->b[1], 0)), WEIR_E_CORRUPT);
	fork_is_told(r, 5);
}

static void test_in_fork_of_a_commit(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	for (int k = 0; k < 3; k++)
		batch(r, k);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 15, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 15);
	/* Between batches, and another chain; inside of one; the same place twice. */
	r = rig_open();
	for (int k = 0; k < 3; k++)
		batch(r, k);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 10, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 10);
	r = rig_open();
	batch(r, 0);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 3, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 3);
	r = rig_open();
	commit(r, 2);
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 15, 77), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	fork_is_told(r, 15);
	/* It came first, and the batches are others. */
	r = rig_open();
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 5, 77), (struct weir_str){0}), 0);
	assert_int_equal(batch(r, 0), WEIR_E_CORRUPT);
	nothing_to_take(r);
	fork_is_told(r, 0);
	r = rig_open();
	assert_int_equal(hear(r, WEIR_LANE_COMMIT, at(r, 3, 77), (struct weir_str){0}), 0);
	assert_int_equal(batch(r, 0), WEIR_E_CORRUPT);
	nothing_to_take(r);
	fork_is_told(r, 0);
}

static void test_in_fork_of_the_batch_it_was_in(void **state)
{
	struct rig *r = rig_open();
	struct edge_bytes p;

	(void)state;
	commit(r, 0);
	batch(r, 0);
	take(r, 0, 3);
	p = place_of(r);
	assert_int_equal(restart(r, &p, 4), 0);
	ask(r);
	say_hello(r, r->session, 5, EDGE_HELLO);
	rig_batches(r, 1000, 200); /* the same chain before it, other records */
	assert_int_equal(batch(r, 0), WEIR_E_CORRUPT);
	free(p.p);
	fork_is_told(r, 0);
}

static void test_in_told_of_a_fork(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	assert_int_equal(hear(r, WEIR_LANE_FORK, at(r, 44, 0), (struct weir_str){0}),
			 WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "number 44");
}

static void test_in_trimmed(void **state)
{
	struct rig *r = rig_open();
	uint64_t before;

	(void)state;
	batch(r, 0);
	commit(r, 0);
	before = info_of(r).dropped;
	assert_int_equal(hear(r, WEIR_LANE_TRIMMED, at(r, 5, 0), (struct weir_str){0}), 0);
	assert_int_equal(info_of(r).dropped, before + 1);
	assert_int_equal(hear(r, WEIR_LANE_TRIMMED, at(r, 30, 0), (struct weir_str){0}),
			 WEIR_E_LIMIT);
	stopped(r, WEIR_E_LIMIT, "records 5 to 29");
}

static void test_in_another_hello(void **state)
{
	struct rig *r = rig_open();

	(void)state;
	assert_int_equal(say_hello(r, 0, 5, WEIR_STR("Hello")), WEIR_E_CONFIG);
	stopped(r, WEIR_E_CONFIG, "records mean something else: the other end has another version");
}

static void hello_put(struct rig *r, const char *pipeline, const char *name, const char *type,
		      struct edge_bytes *ret)
{
	struct weir_schema s;
	struct weir_field f;
	struct weir_out o;

	(void)r;
	memset(&s, 0, sizeof(s));
	assert_int_equal(weir_type_parse(weir_str_c(type), &f, NULL), 0);
	weir_schema_add(&s, WEIR_STR("id"), weir_type_of(WEIR_INT64), false);
	if (*name)
		weir_schema_add(&s, weir_str_c(name), f.type, f.nullable);
	weir_out_init(&o, &weir_test_mem);
	weir_edge_hello_put(&o, "home", pipeline, "parse", "", "eu", "us", &s);
	*ret = edge_bytes_of(&o);
}

static void test_in_says_what_is_different(void **state)
{
	static const struct {
		const char *pipeline, *name, *type, *what;
		int cut; /* bytes of the other end's text that are missing */
	} other[] = {
		{"p2", "a", "string", "pipeline is `p1` here and `p2` there", 0},
		{"p\n", "a", "string", "`p?` there", 0},
		{"p1", "b", "string", "field 2 is `a: string` here and `b: string` there", 0},
		{"p1", "a", "list<int64>", "`a: list<int64>` there", 0},
		{"p1", "a", "decimal(9,2)?", "`a: decimal(9,2)?` there", 0},
		{"p1", "", "string", "2 fields here and 1 there", 0},
		{"p1", "a", "string", "no description of records", 1},
		{"p1", "a", "string", "no description of records", 25},
	};

	(void)state;
	for (size_t k = 0; k < WEIR_COUNT_OF(other); k++) {
		struct rig *r = rig_new();
		struct edge_bytes ours, theirs;

		hello_put(r, "p1", "a", "string", &ours);
		hello_put(r, other[k].pipeline, other[k].name, other[k].type, &theirs);
		theirs.n -= (size_t)other[k].cut;
		weir_edge_in_free(r->i);
		r->opt.hello = (struct weir_str){(char *)ours.p, ours.n};
		r->i = weir_edge_in_new(&r->opt);
		ask(r);
		assert_int_equal(
			say_hello(r, r->session, 5, (struct weir_str){(char *)ours.p, ours.n}), 0);
		assert_int_equal(say_hello(r, 0, 5, (struct weir_str){(char *)theirs.p, theirs.n}),
				 WEIR_E_CONFIG);
		free(ours.p);
		free(theirs.p);
		stopped(r, WEIR_E_CONFIG, other[k].what);
	}
}

/* Bytes of a batch are replaced, and everything about them is right but that. */
static void no_records(uint32_t at_byte, uint8_t v, uint32_t count, uint8_t codec)
{
	struct rig *r = rig_open();
	struct weir_edge_batch b = r->b[0];

	((uint8_t *)(uintptr_t)b.p)[at_byte] = v;
	b.count = count;
	assert_int_equal(hear_frame(r, data_frame(r, at(r, 0, 0), &b, codec)), WEIR_E_CORRUPT);
	nothing_to_take(r);
	stopped(r, WEIR_E_CORRUPT, "are no records of this edge");
}

static void test_in_records_that_are_none(void **state)
{
	(void)state;
	no_records(4, WEIR_FRAME_BARRIER, ROWS, WEIR_LANE_PLAIN);
	no_records(4, WEIR_FRAME_MARKER, ROWS, WEIR_LANE_PLAIN);
	no_records(4, WEIR_FRAME_LANE, ROWS, WEIR_LANE_PLAIN);
	no_records(0, 23, ROWS, WEIR_LANE_PLAIN);
	no_records(2, 1, ROWS, WEIR_LANE_PLAIN);
	no_records(39, 255, ROWS, WEIR_LANE_PLAIN); /* length of the text */
	no_records(0, 240, ROWS - 1, WEIR_LANE_PLAIN);
	no_records(0, 240, ROWS + 1, WEIR_LANE_PLAIN);
	no_records(0, 240, ROWS, WEIR_LANE_LZ4); /* nobody unpacks */
}

static void test_in_a_batch_larger_than_the_lane(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h = at(r, 0, 0);
	struct weir_lane_data d = {.raw_bytes = WEIR_LANE_FRAME_MIN_MAX, .codec = WEIR_LANE_ZSTD};
	uint64_t body[4] = {0};

	(void)state;
	memcpy(body, &d, sizeof(d));
	h.count = 1;
	assert_int_equal(hear(r, WEIR_LANE_DATA, h, (struct weir_str){(char *)body, sizeof(body)}),
			 WEIR_E_CORRUPT);
	stopped(r, WEIR_E_CORRUPT, "are no records of this edge");
}

static bool unpack(void *ctx, uint8_t codec, const void *in, uint32_t n, void *out, uint32_t raw)
{
	const struct rig *r = ctx;

	assert_int_equal(codec, WEIR_LANE_LZ4);
	assert_memory_equal(in, "packed", n);
	memcpy(out, r->b[0].p, raw);
	return n == 6;
}

static void test_in_unpacks(void **state)
{
	struct rig *r = rig_new();
	struct weir_lane_codecs codecs = {.unpack = unpack, .ctx = r};
	struct weir_lane_data d = {.codec = WEIR_LANE_LZ4};
	struct weir_lane_head h;
	uint8_t body[sizeof(d) + 6];

	(void)state;
	weir_edge_in_free(r->i);
	r->opt.codecs = &codecs;
	r->i = weir_edge_in_new(&r->opt);
	ask(r);
	say_hello(r, r->session, 5, EDGE_HELLO);
	d.raw_bytes = r->b[0].bytes;
	memcpy(body, &d, sizeof(d));
	memcpy(body + sizeof(d), "packed", 6);
	h = at(r, 0, 0);
	h.count = ROWS;
	assert_int_equal(hear(r, WEIR_LANE_DATA, h, (struct weir_str){(char *)body, sizeof(body)}),
			 0);
	commit(r, 0);
	take(r, 0, 5);
	rig_free(r);
}

/* ---- what does not belong here ---- */

static void test_in_frames_that_do_not_belong_here(void **state)
{
	struct rig *r = rig_open();
	struct weir_lane_head h = at(r, 0, 0);
	struct edge_wire_frame *f;
	uint64_t dropped = 0;

	(void)state;
#define DROPPED(type, body)                                                                        \
	assert_int_equal(hear(r, type, h, body), 0);                                               \
	assert_int_equal(info_of(r).dropped, ++dropped)
	DROPPED(WEIR_LANE_RESUME, (struct weir_str){0});
	DROPPED(WEIR_LANE_STATUS, WEIR_STR("x"));
	DROPPED(WEIR_LANE_DURABLE, (struct weir_str){0});
	h.f.key_hash = 99;
	DROPPED(WEIR_LANE_COMMIT, (struct weir_str){0});
	h.f.key_hash = 0;
	h.chain = 1; /* not the hash of the body */
	DROPPED(WEIR_LANE_HELLO, EDGE_HELLO);
	h.f.time_ns--;
	DROPPED(WEIR_LANE_COMMIT, (struct weir_str){0});
	DROPPED(WEIR_LANE_TRIMMED, (struct weir_str){0});
	DROPPED(WEIR_LANE_FORK, (struct weir_str){0});
#undef DROPPED
	f = data_frame(r, at(r, 0, 0), &r->b[0], 0);
	((uint8_t *)f->data)[100] ^= 1;
	assert_int_equal(hear_frame(r, f), 0);
	assert_int_equal(info_of(r).dropped, ++dropped);
	/* Numbers at the end of all numbers. */
	f = data_frame(r, at(r, UINT64_MAX - 2, 0), &r->b[0], 0);
	assert_int_equal(hear_frame(r, f), 0);
	assert_int_equal(info_of(r).duplicates, 1);
	hear(r, WEIR_LANE_CLOSED, (struct weir_lane_head){0}, WEIR_STR("a"));
	assert_int_equal(batch(r, 0), 0);
	assert_int_equal(info_of(r).dropped, ++dropped);
	nothing_to_take(r);
	rig_free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_in_fork_of_a_batch),
	cmocka_unit_test(test_in_fork_of_a_commit),
	cmocka_unit_test(test_in_fork_of_the_batch_it_was_in),
	cmocka_unit_test(test_in_told_of_a_fork),
	cmocka_unit_test(test_in_trimmed),
	cmocka_unit_test(test_in_another_hello),
	cmocka_unit_test(test_in_says_what_is_different),
	cmocka_unit_test(test_in_records_that_are_none),
	cmocka_unit_test(test_in_a_batch_larger_than_the_lane),
	cmocka_unit_test(test_in_unpacks),
	cmocka_unit_test(test_in_frames_that_do_not_belong_here),
};

WEIR_TEST_MAIN("engine/edge_in_stops", tests)
