/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every execution of the production doorbell (shm/doorbell.[ch]) together with rings: a sleeper never
 * sleeps for ever when something was published after its last look. The futex is the checker's, and
 * orders no memory beyond its own word, so that nothing rests on barriers of a kernel.
 */
#include "tests/model/model.h"

#include <linux/futex.h>
#include <unistd.h>

static long model_syscall(long nr, const void *word, int op, uint32_t value)
{
	(void)nr;
	if (op == FUTEX_WAKE)
		model_futex_wake(word);
	else
		model_futex_wait(word, value);
	return 0;
}

/* The production file calls nothing else of the system. */
#define syscall(nr, word, op, value, timeout, word2, value3)                                       \
	((void)(timeout), model_syscall((nr), (word), (op), (value)))
#include "shm/doorbell.c"
#undef syscall
#include "shm/ring.c"
#include "tests/lib/test.c"

#define CAPACITY 4096u
#define STRIDE 2048u /* two records fit; a ring of one has half of it in reserve */
#define RINGS 2

static struct weir_ring_block block[RINGS];
static struct weir_doorbell for_consumer, for_producer;
static uint8_t data[RINGS][2 * CAPACITY] __attribute__((aligned(64)));

static struct {
	unsigned rings;
	uint64_t records; /* in each ring */
	uint64_t reserve;
	unsigned wanted; /* the consumer ends when it has all of the rings below this */
	bool producer_sleeps; /* when the ring is full; else it spins */
	bool look_before_only; /* planted: no second look between prepare and wait */
	bool ring_first; /* planted: rings, then publishes */
} cfg;

static void setup(void)
{
	static const char *const tail[] = {"tail", "tail of 2"}, *const head[] = {"head",
										  "head of 2"};

	memset(block, 0, sizeof(block));
	memset(&for_consumer, 0, sizeof(for_consumer));
	memset(&for_producer, 0, sizeof(for_producer));
	for (unsigned i = 0; i < cfg.rings; i++) {
		block[i].capacity = CAPACITY;
		block[i].reserve = cfg.reserve;
		model_name(&block[i].tail, tail[i]);
		model_name(&block[i].head, head[i]);
		model_data_area(data[i], CAPACITY, 2, STRIDE);
	}
	model_name(&for_consumer.word, "word");
	model_name(&for_consumer.sleeping, "sleeping");
	model_name(&for_consumer.ticket, "ticket");
	model_name(&for_producer.word, "p word");
	model_name(&for_producer.sleeping, "p sleeping");
	model_name(&for_producer.ticket, "p ticket");
}

static void produce(void *arg)
{
	struct weir_ring_block *b = arg;
	struct {
		struct weir_ring_tx tx;
		uint64_t i;
	} s = {0};

	weir_ring_tx_init(&s.tx, b, data[b - block]);
	while (s.i < cfg.records) {
		uint64_t *p;

		model_at(&s, sizeof(s));
		p = weir_ring_claim(&s.tx, STRIDE);
		if (!p && cfg.producer_sleeps) {
			uint32_t word = weir_doorbell_prepare(&for_producer);

			if (weir_ring_room(&s.tx, STRIDE) < STRIDE)
				weir_doorbell_wait(&for_producer, word, -1);
			weir_doorbell_cancel(&for_producer);
			continue;
		}
		if (!p) {
			model_spin();
			continue;
		}
		*p = s.i++;
		weir_ring_keep(&s.tx, STRIDE);
		if (cfg.ring_first)
			weir_doorbell_ring(&for_consumer);
		weir_ring_publish(&s.tx);
		if (!cfg.ring_first)
			weir_doorbell_ring(&for_consumer);
	}
}

struct consumer {
	struct weir_ring_rx rx[RINGS];
	uint64_t got[RINGS];
};

/* Takes one record from every ring that has one. */
static bool take(struct consumer *s)
{
	bool any = false;

	for (unsigned i = 0; i < cfg.rings; i++) {
		const void *p;

		if (s->got[i] == cfg.records || weir_ring_peek(&s->rx[i], STRIDE, &p) < STRIDE)
			continue;
		model_check(*(const uint64_t *)p == s->got[i]);
		s->got[i]++;
		weir_ring_consume(&s->rx[i], STRIDE);
		weir_ring_release(&s->rx[i]);
		if (cfg.producer_sleeps)
			weir_doorbell_ring(&for_producer);
		any = true;
	}
	return any;
}

static bool anything(struct consumer *s)
{
	const void *p;

	for (unsigned i = 0; i < cfg.rings; i++)
		if (s->got[i] < cfg.records && weir_ring_peek(&s->rx[i], STRIDE, &p) >= STRIDE)
			return true;
	return false;
}

static bool has_all(const struct consumer *s)
{
	for (unsigned i = 0; i < cfg.wanted; i++)
		if (s->got[i] < cfg.records)
			return false;
	return true;
}

static void consume(void *arg)
{
	struct consumer s = {0};

	(void)arg;
	for (unsigned i = 0; i < cfg.rings; i++)
		weir_ring_rx_init(&s.rx[i], &block[i], data[i]);
	while (!has_all(&s)) {
		uint32_t word;

		model_at(&s, sizeof(s));
		if (take(&s))
			continue;
		word = weir_doorbell_prepare(&for_consumer);
		if (cfg.look_before_only || !anything(&s))
			weir_doorbell_wait(&for_consumer, word, -1);
		weir_doorbell_cancel(&for_consumer);
	}
}

#define PRODUCER                                                                                   \
	{                                                                                          \
		.name = "producer", .run = produce, .arg = &block[0]                               \
	}
#define OTHER                                                                                      \
	{                                                                                          \
		.name = "other", .run = produce, .arg = &block[1]                                  \
	}
#define CONSUMER                                                                                   \
	{                                                                                          \
		.name = "consumer", .run = consume                                                 \
	}

static void explore(struct model_scenario *s, struct model_result *r)
{
	s->setup = setup;
	s->runs_max = 10000000;
	model_explore(s, true, r);
	print_message("%-36s %8llu states, %8llu executions, %4llu ends, <= %u steps\n", s->name,
		      (unsigned long long)r->states, (unsigned long long)r->runs,
		      (unsigned long long)r->complete, r->steps_max);
	if (r->failed)
		fail_msg("%s: %s", s->name, r->text);
	assert_true(r->complete > 0);
}

static void configure(unsigned rings, uint64_t records, uint64_t reserve)
{
	memset(&cfg, 0, sizeof(cfg));
	cfg.rings = cfg.wanted = rings;
	cfg.records = records;
	cfg.reserve = reserve;
}

static void test_one_ringer(void **state)
{
	struct model_scenario s = {
		.name = "one ringer", .thread_count = 2, .thread = {PRODUCER, CONSUMER}};
	struct model_result all, r;

	(void)state;
	/* The shortcuts of the checker lose nothing; see test_ring_model.c. */
	configure(1, 1, 0);
	s.no_reduction = s.no_merge = true;
	explore(&s, &all);
	s.no_reduction = false;
	s.name = "  the same, reduced";
	explore(&s, &r);
	assert_int_equal(r.complete, all.complete);
	assert_int_equal(r.ends, all.ends);
	configure(1, 3, 0);
	s.no_merge = false;
	s.name = "  three times as long, merged";
	explore(&s, &r);
}

static void test_both_sleep(void **state)
{
	struct model_scenario s = {.name = "both sides sleep, ring of 1",
				   .thread_count = 2,
				   .thread = {PRODUCER, CONSUMER}};
	struct model_result r;

	(void)state;
	configure(1, 3, STRIDE);
	cfg.producer_sleeps = true;
	explore(&s, &r);
}

static void test_two_ringers(void **state)
{
	struct model_scenario s = {
		.name = "two ringers", .thread_count = 3, .thread = {PRODUCER, OTHER, CONSUMER}};
	struct model_result r;

	(void)state;
	configure(2, 1, 0);
	explore(&s, &r);
}

/* A ringer that dies at any point does not keep the other one's news from the sleeper. */
static void test_ringer_dies(void **state)
{
	struct model_scenario s = {.name = "two ringers, one dies",
				   .thread_count = 3,
				   .thread = {PRODUCER, OTHER, CONSUMER}};
	struct model_result r;

	(void)state;
	configure(2, 1, 0);
	cfg.wanted = 1;
	s.thread[1].mortal = true;
	explore(&s, &r);
}

/* ---- planted bugs ---- */

static void find(const char *name, const char *weak)
{
	struct model_scenario s = {
		.name = name, .setup = setup, .thread_count = 2, .thread = {PRODUCER, CONSUMER}};
	struct model_result r;

	s.runs_max = 10000000;
	model_weaken(weak);
	model_explore(&s, false, &r);
	model_weaken(NULL);
	if (!r.failed)
		fail_msg("%s: not found in %llu executions", name, (unsigned long long)r.runs);
	print_message("planted: %-36s found after %llu executions: %s\n", name,
		      (unsigned long long)r.runs, r.text);
	assert_non_null(strstr(r.text, "consumer sleeps for ever"));
}

static void test_planted(void **state)
{
	(void)state;
	configure(1, 2, 0);
	find("no fence when ringing", "weir_doorbell_ring");
	find("no fence when preparing to sleep", "weir_doorbell_prepare");
	cfg.look_before_only = true;
	find("no second look", NULL);
	cfg.look_before_only = false;
	cfg.ring_first = true;
	find("rings before it publishes", NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_one_ringer),  cmocka_unit_test(test_both_sleep),
	cmocka_unit_test(test_two_ringers), cmocka_unit_test(test_ringer_dies),
	cmocka_unit_test(test_planted),
};

WEIR_TEST_MAIN("doorbell_model", tests)
