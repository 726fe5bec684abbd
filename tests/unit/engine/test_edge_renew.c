/* SPDX-License-Identifier: Apache-2.0 */
/* Renewable edges: one end has lost its state directory, and the other goes on with it. Both ends, and a lane that loses nothing. */
#include "tests/unit/engine/edge_case.h"

#define MS ((uint64_t)WEIR_NS_PER_MS)
#define EPOCHS 16
#define ROWS 10

struct pair {
	bool renewable;
	struct edge_wire to_in, to_out;
	struct weir_edge_writer w;
	uint64_t batch[160];
	struct edge_bytes part[EPOCHS + 1];
	struct weir_edge_pos end[EPOCHS + 1];
	uint64_t epochs; /* of the sender's directory */
	uint64_t lineage, fence, life;
	uint64_t next_id;
	struct weir_edge_out *out;
	struct weir_edge_in *in;
	uint64_t in_epoch, now;
	bool taking;
	uint64_t applied[EPOCHS * ROWS];
	uint32_t count;
	struct weir_err out_err, in_err;
};

static struct pair pair;

static void sender_start(struct pair *p)
{
	uint64_t cursor = p->out ? weir_edge_out_cursor(p->out) : 0;
	struct weir_edge_out_options o = {.edge = EDGE_ID,
					  .renewable = p->renewable,
					  .fence = weir_edge_fence(p->lineage, ++p->fence),
					  .knows_end = true,
					  .end = p->w.pos.seq,
					  .hello = EDGE_HELLO,
					  .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					  .mem = &weir_test_mem};

	if (p->out)
		weir_edge_out_free(p->out);
	p->out_err = (struct weir_err){0};
	p->out = weir_edge_out_new(&o, cursor, p->end[cursor]);
}

static void parts_free(struct pair *p)
{
	for (uint64_t e = 1; e <= p->epochs; e++)
		free(p->part[e].p);
	p->epochs = 0;
}

static void sender_wiped(struct pair *p, uint64_t lineage)
{
	parts_free(p);
	weir_edge_writer_init(&p->w, &weir_test_mem, p->batch, 1200);
	weir_edge_out_free(p->out);
	p->out = NULL;
	p->lineage = lineage;
	p->fence = 0;
	sender_start(p);
}

static void receiver_start(struct pair *p)
{
	struct weir_edge_in_options o = {.edge = EDGE_ID,
					 .renewable = p->renewable,
					 .life = ++p->life,
					 .hello = EDGE_HELLO,
					 .frame_max = WEIR_LANE_FRAME_MIN_MAX,
					 .schema = edge_schema(),
					 .mem = &weir_test_mem};

	if (p->in)
		weir_edge_in_free(p->in);
	p->in_err = (struct weir_err){0};
	p->in = weir_edge_in_new(&o);
	p->in_epoch = 0;
}

static void receiver_restart(struct pair *p)
{
	struct weir_out o;
	struct edge_bytes place;
	struct weir_reader r;

	weir_out_init(&o, &weir_test_mem);
	weir_edge_in_put(p->in, &o);
	place = edge_bytes_of(&o);
	receiver_start(p);
	r = edge_reader(&place);
	assert_int_equal(weir_edge_in_restore(p->in, &r), 0);
	free(place.p);
}

static struct pair *pair_new(bool renewable)
{
	struct pair *p = &pair;

	memset(p, 0, sizeof(*p));
	p->renewable = renewable;
	p->taking = true;
	p->lineage = 100;
	p->now = 1000 * MS;
	edge_wire_init(&p->to_in);
	edge_wire_init(&p->to_out);
	weir_edge_writer_init(&p->w, &weir_test_mem, p->batch, 1200);
	sender_start(p);
	receiver_start(p);
	return p;
}

static void pair_free(struct pair *p)
{
	parts_free(p);
	edge_wire_clear(&p->to_in);
	edge_wire_clear(&p->to_out);
	weir_edge_out_free(p->out);
	weir_edge_in_free(p->in);
}

static void epoch(struct pair *p)
{
	uint64_t e = ++p->epochs;

	for (int i = 0; i < ROWS; i++)
		weir_edge_writer_add(&p->w, edge_row(p->next_id++, 200));
	p->part[e] = edge_part_of(&p->w);
	p->end[e] = p->w.pos;
}

static void open_lane(struct pair *p)
{
	static const struct weir_lane_head h = {.f = {.key_hash = EDGE_ID, .time_ns = 1}};

	edge_wire_clear(&p->to_in);
	edge_wire_clear(&p->to_out);
	for (int i = 0; i < 2; i++) {
		struct edge_wire_frame *f = edge_frame(WEIR_LANE_OPEN, h, "", 0);
		struct weir_err err = {0};

		if (i)
			weir_edge_in_receive(p->in, edge_head(f), p->now, &err);
		else
			weir_edge_out_receive(p->out, edge_head(f), p->now, &err);
		free(f);
	}
}

static void take(struct pair *p)
{
	const struct weir_frame *row[4], *ctl;
	uint32_t n;

	while (p->taking && (n = weir_edge_in_take(p->in, row, 4, &ctl)) > 0)
		for (uint32_t i = 0; i < n; i++)
			p->applied[p->count++] = (uint64_t)weir_get_i64(row[i], edge_schema(), 0);
	weir_edge_in_frozen(p->in, ++p->in_epoch);
	weir_edge_in_durable(p->in, p->in_epoch);
}

static void run(struct pair *p, uint64_t ms)
{
	for (uint64_t end = p->now + ms * MS; p->now < end; p->now += 10 * MS) {
		struct edge_wire_frame *f;

		weir_edge_out_step(p->out, &p->to_in.io, p->now);
		weir_edge_out_again(p->out);
		for (uint64_t e = weir_edge_out_cursor(p->out) + 1;
		     e <= p->epochs && !p->out_err.code; e++)
			if (weir_edge_out_offer(p->out, e, e - 1, edge_reader(&p->part[e]), true,
						&p->to_in.io, p->now, &p->out_err))
				break;
		while ((f = edge_wire_pop(&p->to_in))) {
			if (!p->in_err.code)
				weir_edge_in_receive(p->in, edge_head(f), p->now, &p->in_err);
			free(f);
		}
		take(p);
		weir_edge_in_step(p->in, &p->to_out.io, "", p->now);
		while ((f = edge_wire_pop(&p->to_out))) {
			if (!p->out_err.code)
				weir_edge_out_receive(p->out, edge_head(f), p->now, &p->out_err);
			free(f);
		}
	}
}

static void applied_are(const struct pair *p, uint32_t from, uint64_t first, uint32_t n)
{
	assert_int_equal(p->count, from + n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(p->applied[from + i], first + i);
}

static struct pair *three_epochs(bool renewable)
{
	struct pair *p = pair_new(renewable);

	for (int e = 0; e < 3; e++)
		epoch(p);
	open_lane(p);
	run(p, 1000);
	applied_are(p, 0, 0, 30);
	assert_int_equal(weir_edge_out_cursor(p->out), 3);
	return p;
}

static void test_receiver_lost_its_directory(void **state)
{
	struct pair *p = three_epochs(true);

	(void)state;
	receiver_start(p);
	open_lane(p);
	epoch(p);
	run(p, 3000);
	applied_are(p, 30, 30, 10); /* what was given up is not there, and nobody says so */
	assert_int_equal(weir_edge_out_cursor(p->out), 4);
	/* What it has now is a place like any other. */
	receiver_restart(p);
	sender_start(p);
	open_lane(p);
	epoch(p);
	run(p, 3000);
	applied_are(p, 40, 40, 10);
	assert_int_equal(p->out_err.code, 0);
	assert_int_equal(p->in_err.code, 0);
	pair_free(p);
}

static void test_sender_lost_its_directory(void **state)
{
	struct pair *p = three_epochs(true);

	(void)state;
	sender_wiped(p, 101);
	p->next_id = 1000;
	epoch(p);
	open_lane(p);
	run(p, 6000);
	applied_are(p, 30, 1000, 10);
	assert_int_equal(weir_edge_out_cursor(p->out), 1);
	receiver_restart(p);
	sender_start(p);
	epoch(p);
	open_lane(p);
	run(p, 6000);
	applied_are(p, 40, 1010, 10);
	pair_free(p);
}

static void test_both_lost_theirs(void **state)
{
	struct pair *p = three_epochs(true);

	(void)state;
	sender_wiped(p, 200);
	receiver_start(p);
	epoch(p);
	open_lane(p);
	run(p, 6000);
	applied_are(p, 30, 30, 10);
	pair_free(p);
}

/* A copy of a directory that was replaced since must not come back. */
static void test_old_lineage_is_fenced(void **state)
{
	struct pair *p = three_epochs(true);

	(void)state;
	sender_wiped(p, 99);
	epoch(p);
	open_lane(p);
	run(p, 6000);
	assert_int_equal(p->out_err.code, WEIR_E_BUSY);
	assert_int_equal(p->in_err.code, 0);
	applied_are(p, 0, 0, 30);
	pair_free(p);
}

/* What the old one committed is applied before the new one begins. */
static void test_old_records_first(void **state)
{
	struct pair *p = three_epochs(true);

	(void)state;
	p->taking = false;
	epoch(p);
	run(p, 500);
	sender_wiped(p, 101);
	p->next_id = 1000;
	epoch(p);
	open_lane(p);
	run(p, 3000);
	assert_int_equal(p->count, 30);
	p->taking = true;
	run(p, 12000);
	assert_int_equal(p->count, 50);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(p->applied[30 + i], 30 + i);
		assert_int_equal(p->applied[40 + i], 1000 + i);
	}
	pair_free(p);
}

/* The same directory, older than what was confirmed: an error here too. */
static void test_older_copy_is_a_fork(void **state)
{
	struct pair *p = three_epochs(true);

	(void)state;
	sender_wiped(p, 100);
	p->fence = 50;
	sender_start(p);
	epoch(p);
	open_lane(p);
	run(p, 6000);
	assert_int_equal(p->out_err.code, WEIR_E_CORRUPT);
	applied_are(p, 0, 0, 30);
	pair_free(p);
}

static void test_other_edges_stop(void **state)
{
	struct pair *p = three_epochs(false);

	(void)state;
	receiver_start(p);
	open_lane(p);
	epoch(p);
	run(p, 3000);
	assert_int_equal(p->in_err.code, WEIR_E_LIMIT);
	applied_are(p, 0, 0, 30);
	pair_free(p);
	p = three_epochs(false);
	sender_wiped(p, 101);
	epoch(p);
	open_lane(p);
	run(p, 6000);
	assert_int_equal(p->out_err.code, WEIR_E_CORRUPT);
	applied_are(p, 0, 0, 30);
	pair_free(p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_receiver_lost_its_directory),
	cmocka_unit_test(test_sender_lost_its_directory),
	cmocka_unit_test(test_both_lost_theirs),
	cmocka_unit_test(test_old_lineage_is_fenced),
	cmocka_unit_test(test_old_records_first),
	cmocka_unit_test(test_older_copy_is_a_fork),
	cmocka_unit_test(test_other_edges_stop),
};

WEIR_TEST_MAIN("engine/edge_renew", tests)
