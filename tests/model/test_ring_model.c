/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every execution of the production ring (shm/ring.h) under the C11 memory model, on a ring so small
 * that it is full and empty all the time. Records carry their number, so that the consumer can tell
 * lost, doubled, reordered and torn ones; the checker finds accesses that are not ordered.
 */
#include "tests/model/model.h"

#include <sys/mman.h>
#include <unistd.h>

/* Only the program of a model test has no archive for these. */
#include "shm/ring.c"
#include "tests/lib/test.c"

#define CAPACITY 4096u

static struct weir_ring_block block;
static uint8_t *base;

static struct {
	unsigned records; /* data records the producer has to bring across */
	unsigned stride; /* bytes of one */
	unsigned batch; /* kept before a publish */
	unsigned release; /* consumed before a release */
	uint64_t reserve;
	unsigned grain;
	bool discard; /* the producer throws half of its records away once */
	bool release_early; /* planted: gives a record back, then reads it */
	bool keep_late; /* planted: publishes, then writes */
} cfg;

static int map_twice(void **state)
{
	int fd = memfd_create("ring", 0);

	(void)state;
	if (fd < 0 || ftruncate(fd, CAPACITY))
		return -1;
	base = mmap(NULL, 2 * CAPACITY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++)
		if (mmap(base + i * CAPACITY, CAPACITY, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return -1;
	close(fd);
	return 0;
}

static void setup(void)
{
	memset(&block, 0, sizeof(block));
	block.magic = WEIR_RING_MAGIC;
	block.capacity = CAPACITY;
	block.reserve = cfg.reserve;
	block.schema = UINT32_MAX;
	model_name(&block.tail, "tail");
	model_name(&block.head, "head");
	model_data_area(base, CAPACITY, 2, cfg.grain);
}

static void finish_all_read(void)
{
	model_check(block.tail == (uint64_t)cfg.records * cfg.stride);
	model_check(block.head == block.tail);
}

/* ---- records: the number of the record at both ends ---- */

static void write_record(uint8_t *p, uint64_t number)
{
	memcpy(p, &number, 8);
	memcpy(p + cfg.stride - 8, &number, 8);
}

static void check_record(const uint8_t *p, uint64_t number)
{
	uint64_t a, b;

	weir_data_read(p, cfg.stride);
	memcpy(&a, p, 8);
	memcpy(&b, p + cfg.stride - 8, 8);
	if (a != number || b != number)
		model_fail("wrong content: %llu and %llu instead of record %llu",
			   (unsigned long long)a, (unsigned long long)b,
			   (unsigned long long)number);
}

static void produce(void *arg)
{
	struct {
		struct weir_ring_tx tx;
		uint64_t next, kept, discard;
	} s = {0};

	(void)arg;
	weir_ring_tx_init(&s.tx, &block, base);
	/* A producer that takes over goes on behind what was published. */
	s.next = s.tx.tail / cfg.stride;
	s.discard = cfg.discard;
	while (s.next < cfg.records) {
		void *p;

		model_at(&s, sizeof(s));
		p = weir_ring_claim(&s.tx, cfg.stride);
		if (!p && s.kept) {
			weir_ring_publish(&s.tx);
			s.kept = 0;
			continue;
		}
		if (!p) {
			model_spin();
			continue;
		}
		model_check(weir_ring_room(&s.tx, 0) <= CAPACITY - cfg.reserve);
		if (cfg.keep_late) {
			weir_ring_keep(&s.tx, cfg.stride);
			weir_ring_publish(&s.tx);
			weir_data_written(p, cfg.stride);
			write_record(p, s.next++);
			continue;
		}
		write_record(p, s.discard ? 999 : s.next);
		weir_ring_keep(&s.tx, cfg.stride);
		if (s.discard) {
			weir_ring_discard(&s.tx);
			s.discard = s.kept = 0;
			s.next = s.tx.tail / cfg.stride;
			continue;
		}
		s.next++;
		if (++s.kept == cfg.batch) {
			weir_ring_publish(&s.tx);
			s.kept = 0;
			s.discard = cfg.discard && s.next == 2 * cfg.batch;
		}
	}
	weir_ring_publish(&s.tx);
}

static void consume(void *arg)
{
	struct {
		struct weir_ring_rx rx;
		uint64_t next, consumed;
	} s = {0};

	(void)arg;
	weir_ring_rx_init(&s.rx, &block, base);
	s.next = s.rx.head / cfg.stride;
	while (s.next < cfg.records) {
		const void *p;
		uint64_t n;

		model_at(&s, sizeof(s));
		n = weir_ring_peek(&s.rx, cfg.stride, &p);
		model_check(n <= CAPACITY && n % cfg.stride == 0);
		if (n < cfg.stride && s.consumed) {
			weir_ring_release(&s.rx);
			s.consumed = 0;
			continue;
		}
		if (n < cfg.stride) {
			model_spin();
			continue;
		}
		if (!cfg.release_early)
			check_record(p, s.next);
		weir_ring_consume(&s.rx, cfg.stride);
		s.next++;
		if (++s.consumed == cfg.release) {
			weir_ring_release(&s.rx);
			s.consumed = 0;
		}
		if (cfg.release_early)
			check_record(p, s.next - 1);
	}
	weir_ring_release(&s.rx);
}

/* ---- frames: data leaves the reserve alone, control gets through a full ring ---- */

/* Three of them and a control frame do not fit; two leave the reserve and less than a control frame. */
#define FRAME_BYTES 1360u

static uint64_t in_reserve; /* barriers that found no room but the reserve, over all executions */

static void produce_frames(void *arg)
{
	static uint8_t mem[FRAME_BYTES] __attribute__((aligned(8)));
	struct weir_frame *f = (struct weir_frame *)mem;
	struct weir_ring_tx tx;

	(void)arg;
	weir_ring_tx_init(&tx, &block, base);
	f->size = FRAME_BYTES - 3; /* the stride is rounded up */
	f->kind = WEIR_FRAME_DATA;
	for (unsigned i = 0; i < cfg.records; i++) {
		f->key_hash = i;
		memcpy(mem + FRAME_BYTES - 8, &i, sizeof(i));
		while (!weir_ring_put_frame(&tx, f)) {
			weir_ring_publish(&tx);
			if (!weir_ring_put_frame(&tx, f))
				model_spin();
			else
				break;
		}
		/* A barrier behind the last data frame, though the ring may be full for data. */
		if (i + 1 == cfg.records) {
			in_reserve +=
				tx.tail - tx.head_cache + WEIR_CONTROL_BYTES > tx.data_capacity;
			while (!weir_ring_put_control(&tx, WEIR_FRAME_BARRIER, 7, -1))
				model_fail("no room for a control frame in the reserve");
		}
		weir_ring_publish(&tx);
	}
}

static void consume_frames(void *arg)
{
	struct weir_ring_rx rx;
	unsigned data = 0;
	bool end = false;

	(void)arg;
	weir_ring_rx_init(&rx, &block, base);
	while (!end) {
		const void *p;
		uint64_t n = weir_ring_peek(&rx, 1, &p);

		if (n == 0) {
			model_spin();
			continue;
		}
		while (n > 0) {
			const struct weir_frame *f = p;
			unsigned last = 0;

			model_check(n >= sizeof(*f) && n >= weir_frame_stride(f));
			if (f->kind == WEIR_FRAME_DATA) {
				memcpy(&last, (const uint8_t *)f + FRAME_BYTES - 8, sizeof(last));
				model_check(f->size == FRAME_BYTES - 3);
				model_check(f->key_hash == data && last == data);
				data++;
			} else {
				model_check(f->kind == WEIR_FRAME_BARRIER && f->key_hash == 7);
				model_check(f->time_ns == -1 && f->size == WEIR_CONTROL_BYTES);
				model_check(data == cfg.records);
				end = true;
			}
			p = (const uint8_t *)p + weir_frame_stride(f);
			n -= weir_frame_stride(f);
			weir_ring_consume(&rx, weir_frame_stride(f));
		}
		weir_ring_release(&rx);
	}
	model_check(data == cfg.records);
}

/* ---- taking over from a dead peer ---- */

static void produce_after(void *arg)
{
	(void)arg;
	model_join(0); /* it died, or there is nothing left to do */
	produce(NULL);
}

static void consume_after(void *arg)
{
	(void)arg;
	model_join(1);
	consume(NULL);
}

/* ---- running ---- */

#define TWO                                                                                        \
	{.name = "producer", .run = produce},                                                      \
	{                                                                                          \
		.name = "consumer", .run = consume                                                 \
	}

static void explore(struct model_scenario *s, struct model_result *r)
{
	s->setup = setup;
	s->runs_max = 3000000;
	model_explore(s, true, r);
	print_message("%-36s %8llu states, %8llu executions, %4llu ends, <= %u steps\n", s->name,
		      (unsigned long long)r->states, (unsigned long long)r->runs,
		      (unsigned long long)r->complete, r->steps_max);
	if (r->failed)
		fail_msg("%s: %s", s->name, r->text);
	assert_true(r->complete > 0);
}

static void configure(unsigned records, unsigned stride, unsigned batch, unsigned release)
{
	memset(&cfg, 0, sizeof(cfg));
	cfg.records = records;
	cfg.stride = stride;
	cfg.batch = batch;
	cfg.release = release;
	cfg.grain = 64;
}

/*
 * A short run with every operation a scheduling point and every history kept apart; the same with
 * fewer scheduling points, which has to end with the same set of histories; then a long one, with
 * equal states merged.
 */
static void run_all(const char *name)
{
	struct model_scenario s = {
		.name = name, .finish = finish_all_read, .thread_count = 2, .thread = {TWO}};
	struct model_result all, reduced;

	s.no_reduction = s.no_merge = true;
	explore(&s, &all);
	s.no_reduction = false;
	s.name = "  the same, reduced";
	explore(&s, &reduced);
	assert_int_equal(reduced.complete, all.complete);
	assert_int_equal(reduced.ends, all.ends);
	s.no_merge = false;
	s.name = "  three times as long, merged";
	cfg.records *= 3;
	explore(&s, &reduced);
}

static void test_one_by_one(void **state)
{
	(void)state;
	configure(4, 2048, 1, 1); /* two fit: full half of the time */
	run_all("one by one, ring of 2");
	configure(3, 4096, 1, 1); /* one fits */
	run_all("one by one, ring of 1");
	configure(4, 1344, 1, 1); /* records lie across the end */
	run_all("one by one, across the end");
}

static void test_batches(void **state)
{
	(void)state;
	configure(4, 2048, 2, 1);
	run_all("publish 2, release 1, ring of 2");
	configure(6, 1024, 2, 2);
	run_all("publish 2, release 2, ring of 4");
	configure(5, 1344, 1, 2);
	run_all("publish 1, release 2, ring of 3");
	configure(6, 1024, 3, 2);
	run_all("publish 3, release 2, ring of 4");
}

static void test_discard(void **state)
{
	(void)state;
	configure(4, 1344, 2, 1);
	cfg.discard = true;
	run_all("discard, ring of 3");
}

static void test_control_in_reserve(void **state)
{
	struct model_scenario s = {.name = "frames and a barrier in the reserve",
				   .thread_count = 2,
				   .thread = {{.name = "producer", .run = produce_frames},
					      {.name = "consumer", .run = consume_frames}}};
	struct model_result r;

	(void)state;
	configure(4, FRAME_BYTES, 1, 1);
	/* A data frame that took it would leave no room for the barrier. */
	cfg.reserve = FRAME_BYTES;
	cfg.grain = 8;
	in_reserve = 0;
	explore(&s, &r);
	assert_true(in_reserve > 0);
}

static void test_dead_producer(void **state)
{
	struct model_scenario s = {.name = "producer dies, another goes on",
				   .finish = finish_all_read,
				   .thread_count = 3,
				   .thread = {TWO, {.name = "heir", .run = produce_after}}};
	struct model_result r;

	(void)state;
	s.thread[0].mortal = true;
	configure(4, 1344, 2, 1);
	explore(&s, &r);
	assert_true(r.deaths > 0 && r.deaths < r.complete);
}

static void test_dead_consumer(void **state)
{
	struct model_scenario s = {.name = "consumer dies, another goes on",
				   .finish = finish_all_read,
				   .thread_count = 3,
				   .thread = {TWO, {.name = "heir", .run = consume_after}}};
	struct model_result r;

	(void)state;
	s.thread[1].mortal = true;
	configure(4, 1344, 1, 2);
	explore(&s, &r);
	assert_true(r.deaths > 0 && r.deaths < r.complete);
}

static void test_both_die(void **state)
{
	struct model_scenario s = {.name = "both die, both are replaced",
				   .finish = finish_all_read,
				   .thread_count = 4,
				   .thread = {TWO,
					      {.name = "heir of p", .run = produce_after},
					      {.name = "heir of c", .run = consume_after}}};
	struct model_result r;

	(void)state;
	s.thread[0].mortal = s.thread[1].mortal = true;
	configure(3, 2048, 1, 1);
	explore(&s, &r);
	assert_true(r.deaths > 0 && r.deaths < r.complete);
}

/* ---- planted bugs: each must be found, or the checker proves nothing ---- */

static void find(const char *name, const char *weak, const char *expected)
{
	struct model_scenario s = {
		.name = name, .setup = setup, .thread_count = 2, .thread = {TWO}};
	struct model_result r;

	model_weaken(weak);
	model_explore(&s, false, &r);
	model_weaken(NULL);
	if (!r.failed)
		fail_msg("%s: not found in %llu executions", name, (unsigned long long)r.runs);
	print_message("planted: %-40s found after %llu executions: %s\n", name,
		      (unsigned long long)r.runs, r.text);
	if (!strstr(r.text, expected))
		fail_msg("%s: found '%s' instead of '%s'", name, r.text, expected);
}

static void test_planted(void **state)
{
	(void)state;
	configure(4, 2048, 1, 1);
	find("relaxed publish", "weir_ring_publish", "data race: read");
	find("relaxed peek", "weir_ring_peek", "data race: read");
	find("relaxed release", "weir_ring_release", "data race: write");
	find("relaxed look at the head", "weir_ring__free", "data race: write");
	cfg.release_early = true;
	find("release before read", NULL, "data race");
	cfg.release_early = false;
	cfg.keep_late = true;
	find("write after publish", NULL, "data race");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_one_by_one),    cmocka_unit_test(test_batches),
	cmocka_unit_test(test_discard),	      cmocka_unit_test(test_control_in_reserve),
	cmocka_unit_test(test_dead_producer), cmocka_unit_test(test_dead_consumer),
	cmocka_unit_test(test_both_die),      cmocka_unit_test(test_planted),
};

int main(void)
{
	if (map_twice(NULL)) {
		perror("mapping a page twice");
		return 1;
	}
	return weir_test_main("ring_model", tests, WEIR_COUNT_OF(tests));
}
