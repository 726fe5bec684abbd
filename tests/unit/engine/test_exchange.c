/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units joined by tiny rings, driven in random order: sources, tasks that build new rows, readers. Every
 * row arrives once, in order, unharmed, after no watermark that excludes it; everything ends.
 */
#include "engine/core/unit.h"
#include "tests/unit/engine/task_rig.h"

#define WIDTH 3 /* parallel units of each kind */
#define UNITS (3 * WIDTH)

struct net;

struct maker {
	struct weir_source s;
	int64_t p, n, count;
	uint64_t seed;
};

/* Builds each row anew in its port's scratch memory, marked with its own number. */
struct stamp {
	int64_t via;
	uint64_t seed;
};

struct reader {
	struct collector c;
	struct net *net;
	uint32_t index;
	int64_t last[WIDTH][WIDTH]; /* [producer][via] */
};

struct member {
	struct weir_unit u;
	struct weir_node node[3];
	struct maker maker;
	struct stamp stamp;
	struct reader reader;
};

struct net {
	struct weir_region region;
	struct member m[UNITS];
	struct rig_ring ring[2 * WIDTH * WIDTH];
	uint32_t width[3], ring_count;
	uint64_t seed;
	int64_t rows;
	uint8_t *seen; /* [producer * rows + n] */
	uint8_t *owner; /* by key: reader + 1 */
	enum weir_spread spread[2];
};

static int maker_run(struct weir_node *n)
{
	struct maker *o = n->op;
	struct weir_port *p = &n->port[0];
	uint32_t room = WEIR_MIN(o->s.budget, weir_port_room(p)), done = 0;

	room = WEIR_MIN(room, 1 + (uint32_t)rig_rand(&o->seed) % 256);
	p->scratch_used = 0;
	while (done < room && o->n < o->count &&
	       p->scratch_cap - p->scratch_used >= ROW_BYTES_MAX + 8) {
		size_t text = rig_rand(&o->seed) % (rig_rand(&o->seed) % 4 ? 20 : ROW_TEXT_MAX);
		struct weir_frame *f = row_build(p->scratch + p->scratch_used, o->p, o->n,
						 (int64_t)(rig_rand(&o->seed) % 50), 0, text);

		p->scratch_used += weir_frame_stride(f);
		weir_port_push(p, f);
		weir_source_saw(&o->s, f->time_ns);
		o->n++;
		o->s.rows++;
		done++;
	}
	o->s.ended = o->n == o->count;
	return done > 0;
}

static int stamp_run(struct weir_node *n)
{
	struct stamp *o = n->op;
	struct weir_batch *in = &n->in;
	struct weir_port *p = &n->port[0];
	uint32_t done = 0, cap;

	while (in->pos < in->count) {
		const struct weir_frame *f = in->row[in->pos];
		struct weir_frame *to;

		if (!weir_port_room(p))
			break;
		to = weir_port_claim(p, n->task->record_max, &cap);
		if (!to)
			break;
		row_check(f);
		row_build(to, row_get(f, ROW_P), row_get(f, ROW_N), row_get(f, ROW_K), o->via,
			  weir_get_str(f, row_schema(), ROW_S).n);
		weir_port_keep(p, weir_frame_stride(to));
		weir_port_push(p, to);
		in->pos++;
		done++;
	}
	if (in->pos == in->count && in->ctl.kind && weir_node_forward_ctl(n))
		done++;
	return done > 0;
}

static const struct weir_op_class maker_class = {.name = "maker", .run = maker_run, .source = true};
static const struct weir_op_class stamp_class = {.name = "stamp", .run = stamp_run};

static void reader_row(struct collector *c, const struct weir_frame *f)
{
	struct reader *r = c->user;
	struct net *net = r->net;
	int64_t p = row_get(f, ROW_P), n = row_get(f, ROW_N), via = row_get(f, ROW_VIA);
	int64_t k = row_get(f, ROW_K);

	assert_in_range(p, 0, net->width[0] - 1);
	assert_in_range(via, 0, net->width[1] - 1);
	assert_in_range(n, 0, net->rows - 1);
	assert_true(n > r->last[p][via]);
	r->last[p][via] = n;
	assert_int_equal(net->seen[p * net->rows + n], 0);
	net->seen[p * net->rows + n] = 1;
	assert_true(f->time_ns > c->watermark);
	if (net->spread[1] == WEIR_SPREAD_KEY) {
		assert_true(f->flags & WEIR_FRAME_F_HASHED);
		assert_true(net->owner[k] == 0 || net->owner[k] == r->index + 1);
		net->owner[k] = (uint8_t)(r->index + 1);
	}
}

static void join(struct net *net, uint32_t stage)
{
	static const uint16_t key[1] = {ROW_K};
	uint32_t from = net->width[stage], to = net->width[stage + 1];
	uint32_t first = net->ring_count;
	bool forward = net->spread[stage] == WEIR_SPREAD_FORWARD;
	uint32_t per = forward ? 1 : to;

	for (uint32_t a = 0; a < from; a++) {
		struct member *m = &net->m[stage * WIDTH + a];
		struct weir_node *n = &m->node[m->u.task.node_count - 1];
		struct weir_outlet *o =
			weir_outlet_init(n, net->spread[stage], row_schema(), key,
					 net->spread[stage] == WEIR_SPREAD_KEY, per, &net->region);

		for (uint32_t b = 0; b < per; b++) {
			struct rig_ring *r = &net->ring[net->ring_count++];

			ring_open(r, UINT64_C(4096) << (rig_rand(&net->seed) % 3),
				  64 + 8 * (rig_rand(&net->seed) % 32));
			weir_ring_tx_init(&o->tx[b], r->block, r->base);
		}
	}
	for (uint32_t b = 0; b < to; b++) {
		struct weir_inlet *in = &net->m[(stage + 1) * WIDTH + b].u.inlet;

		weir_inlet_init(in, forward ? 1 : from, &net->region);
		for (uint32_t a = 0; a < in->ring_count; a++) {
			struct rig_ring *r = &net->ring[first + (forward ? b : a * per + b)];

			weir_ring_rx_init(&in->ring[a].rx, r->block, r->base);
		}
	}
}

static void member_init(struct net *net, uint32_t stage, uint32_t i)
{
	struct member *m = &net->m[stage * WIDTH + i];
	struct weir_task *t = &m->u.task;

	t->mem = &weir_test_mem;
	t->record_max = WEIR_ALIGN_UP(ROW_BYTES_MAX, 8);
	t->node = m->node;
	t->node_count = 2;
	t->mono_ns = 1;
	for (uint32_t k = 0; k < 3; k++)
		node_init(&m->node[k], t, "");
	node_ports(&m->node[0], &net->region, 1, &m->node[1],
		   8 * (uint32_t)(200 + rig_rand(&net->seed) % 16000));
	if (stage == 0) {
		m->maker = (struct maker){.p = i, .count = net->rows, .seed = net->seed + i};
		m->maker.s.timed = true;
		m->maker.s.watermark = WEIR_TIME_MIN;
		m->node[0].cls = &maker_class;
		m->node[0].op = &m->maker;
		m->u.source = &m->maker.s;
	} else if (stage == 1) {
		struct weir_op_env env = {0};

		/* stamp, pass, outlet */
		m->stamp.via = i;
		m->node[0].cls = &stamp_class;
		m->node[0].op = &m->stamp;
		t->node_count = 3;
		assert_int_equal(weir_pass_init(&m->node[1], &env), 0);
		node_ports(&m->node[1], &net->region, 1, &m->node[2], 0);
	} else {
		struct weir_op_env env = {0};

		assert_int_equal(weir_pass_init(&m->node[0], &env), 0);
		collector_init(&m->node[1], &m->reader.c);
		m->reader.c.row = reader_row;
		m->reader.c.user = &m->reader;
		m->reader.net = net;
		m->reader.index = i;
		for (int p = 0; p < WIDTH; p++)
			for (int v = 0; v < WIDTH; v++)
				m->reader.last[p][v] = -1;
	}
}

static void run_net(uint64_t seed)
{
	struct net *net = calloc(1, sizeof(*net));
	uint32_t live, quiet = 0;

	assert_non_null(net);
	net->seed = seed * 7919;
	weir_region_init(&net->region, &weir_test_mem);
	net->rows = 200 + (int64_t)(rig_rand(&net->seed) % 2000);
	net->spread[0] = (enum weir_spread)(1 + rig_rand(&net->seed) % 3);
	net->spread[1] = (enum weir_spread)(1 + rig_rand(&net->seed) % 3);
	for (int i = 0; i < 3; i++)
		net->width[i] = 1 + (uint32_t)(rig_rand(&net->seed) % WIDTH);
	for (int i = 0; i < 2; i++)
		if (net->spread[i] == WEIR_SPREAD_FORWARD)
			net->width[i + 1] = net->width[i];
	if (net->spread[0] == WEIR_SPREAD_FORWARD && net->spread[1] == WEIR_SPREAD_FORWARD)
		net->width[1] = net->width[2] = net->width[0];
	net->seen = calloc((size_t)net->rows * WIDTH, 1);
	net->owner = calloc(50, 1);
	for (uint32_t s = 0; s < 3; s++)
		for (uint32_t i = 0; i < net->width[s]; i++)
			member_init(net, s, i);
	join(net, 0);
	join(net, 1);
	do {
		int progress = 0;

		live = 0;
		for (uint32_t k = 0; k < 3 * UNITS; k++) {
			uint32_t s = (uint32_t)rig_rand(&net->seed) % 3;
			struct member *m =
				&net->m[s * WIDTH + rig_rand(&net->seed) % net->width[s]];
			int r;

			if (s == 2)
				m->reader.c.appetite = (uint32_t)rig_rand(&net->seed) % 200;
			m->u.task.mono_ns += rig_rand(&net->seed) % WEIR_WATERMARK_NS;
			r = weir_unit_turn(&m->u, 1 + (uint32_t)rig_rand(&net->seed) % 5);
			assert_true(r >= 0);
			progress += r;
		}
		for (uint32_t s = 0; s < 3; s++)
			for (uint32_t i = 0; i < net->width[s]; i++)
				live += !net->m[s * WIDTH + i].u.done;
		quiet = progress ? 0 : quiet + 1;
		assert_true(quiet < 100);
	} while (live);
	for (uint32_t p = 0; p < net->width[0]; p++)
		for (int64_t n = 0; n < net->rows; n++)
			assert_int_equal(net->seen[p * net->rows + n], 1);
	for (uint32_t i = 0; i < net->width[2]; i++)
		assert_true(net->m[2 * WIDTH + i].reader.c.eos);
	for (uint32_t i = 0; i < net->ring_count; i++) {
		assert_int_equal(net->ring[i].block->head, net->ring[i].block->tail);
		ring_close(&net->ring[i]);
	}
	weir_region_fini(&net->region);
	free(net->seen);
	free(net->owner);
	free(net);
}

static void test_exchange_random_nets_deliver_every_row_once(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		const char *one = getenv("WEIR_SEED");

		if (one && strtoull(one, NULL, 10) != seed)
			continue;
		run_net(seed);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_exchange_random_nets_deliver_every_row_once),
};

WEIR_TEST_MAIN("exchange", tests)
