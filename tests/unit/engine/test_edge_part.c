/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"
#include "base/prng.h"
#include "tests/unit/engine/edge_case.h"

static uint8_t room[WEIR_EDGE_BATCH_BYTES] __attribute__((aligned(8)));

static struct weir_edge_writer writer(uint32_t cap)
{
	struct weir_edge_writer w;

	weir_edge_writer_init(&w, &weir_test_mem, room, cap);
	return w;
}

static void test_part_of_no_record_is_nothing(void **state)
{
	struct weir_edge_writer w = writer(sizeof(room));
	struct edge_bytes p = edge_part_of(&w);
	struct weir_edge_walk walk;

	(void)state;
	assert_int_equal(p.n, 0);
	assert_int_equal(weir_edge_walk_begin(&walk, edge_reader(&p)), WEIR_E_CORRUPT);
	free(p.p);
}

static void test_part_is_as_documented(void **state)
{
	struct weir_edge_writer w = writer(sizeof(room));
	struct weir_frame f = {.size = 24,
			       .kind = WEIR_FRAME_DATA,
			       .flags = WEIR_FRAME_F_HASHED | WEIR_FRAME_F_TIMED,
			       .stream = 9,
			       .key_hash = 77,
			       .time_ns = 5};
	struct edge_bytes p;
	uint64_t chain, v;
	uint32_t n;

	(void)state;
	w.pos = w.part = (struct weir_edge_pos){100, 11};
	weir_edge_writer_add(&w, &f);
	weir_edge_writer_add(&w, edge_ctl(WEIR_FRAME_WATERMARK, 42));
	p = edge_part_of(&w);
	assert_int_equal(p.n, 48 + 16 + 48);
	assert_memory_equal(p.p, "WEDG\1\0\0\0", 8);
	memcpy(&v, p.p + 8, 8);
	assert_int_equal(v, 64);
	memcpy(&v, p.p + 16, 8);
	assert_int_equal(v, 100);
	memcpy(&v, p.p + 24, 8);
	assert_int_equal(v, 11);
	memcpy(&v, p.p + 32, 8);
	assert_int_equal(v, 102);
	chain = weir_hash64_seed(p.p + 64, 48, 111);
	memcpy(&v, p.p + 40, 8);
	assert_true(v == chain);
	memcpy(&n, p.p + 48, 4);
	assert_int_equal(n, 48);
	memcpy(&n, p.p + 52, 4);
	assert_int_equal(n, 2);
	memcpy(&v, p.p + 56, 8);
	assert_true(v == chain);
	assert_true(w.pos.seq == 102 && w.pos.chain == chain);
	/* What means something in one process only is left out. */
	memcpy(&f, p.p + 64, sizeof(f));
	assert_int_equal(f.flags, WEIR_FRAME_F_TIMED);
	assert_int_equal(f.stream, 0);
	assert_int_equal(f.key_hash, 0);
	assert_int_equal(f.time_ns, 5);
	free(p.p);
}

/* Number of batches; checks numbers and chains on the way, and that records are 0,1,2.. from `first` on. */
static uint32_t walk_all(const struct edge_bytes *p, uint64_t first, uint64_t *ret_records)
{
	struct weir_edge_walk walk;
	struct weir_edge_batch b;
	uint64_t seq, chain;
	uint32_t batches = 0;
	int r;

	assert_int_equal(weir_edge_walk_begin(&walk, edge_reader(p)), 0);
	seq = walk.at.seq;
	chain = walk.at.chain;
	assert_true(seq == first);
	while ((r = weir_edge_walk_next(&walk, &b)) > 0) {
		uint32_t at = 0;

		assert_true(b.seq == seq && b.chain_before == chain);
		assert_true(b.chain_after == weir_edge_chain(chain, seq, b.p, b.bytes));
		for (uint32_t i = 0; i < b.count; i++) {
			struct weir_frame f;

			memcpy(&f, b.p + at, sizeof(f));
			assert_int_equal(f.time_ns, seq + i);
			at += weir_frame_stride(&f);
		}
		assert_int_equal(at, b.bytes);
		seq += b.count;
		chain = b.chain_after;
		batches++;
	}
	assert_int_equal(r, 0);
	assert_true(walk.end.seq == seq && walk.end.chain == chain);
	*ret_records = seq - first;
	return batches;
}

static void test_part_batches_are_cut_at_their_size(void **state)
{
	struct weir_edge_writer w = writer(4096);
	uint64_t records;
	struct edge_bytes p;
	struct weir_edge_walk walk;
	struct weir_edge_batch b;

	(void)state;
	/* 24 + 16 + 16 of text: 56 bytes a record, 73 of them in a batch. */
	for (uint64_t i = 0; i < 1000; i++)
		weir_edge_writer_add(&w, edge_row(i, 16));
	p = edge_part_of(&w);
	assert_int_equal(walk_all(&p, 0, &records), (1000 + 72) / 73);
	assert_int_equal(records, 1000);
	assert_int_equal(weir_edge_walk_begin(&walk, edge_reader(&p)), 0);
	assert_int_equal(weir_edge_walk_next(&walk, &b), 1);
	assert_int_equal(b.count, 73);
	free(p.p);
	/* The next part goes on. */
	weir_edge_writer_add(&w, edge_row(1000, 16));
	p = edge_part_of(&w);
	assert_int_equal(walk_all(&p, 1000, &records), 1);
	free(p.p);
}

static void test_part_a_large_record_is_a_batch_of_its_own(void **state)
{
	struct weir_edge_writer w = writer(sizeof(room));
	uint64_t records;
	struct edge_bytes p;

	(void)state;
	weir_edge_writer_add(&w, edge_row(0, 10));
	weir_edge_writer_add(&w, edge_row(1, 100003));
	weir_edge_writer_add(&w, edge_row(2, 40000));
	weir_edge_writer_add(&w, edge_row(3, 10));
	weir_edge_writer_add(&w, edge_row(4, 10));
	p = edge_part_of(&w);
	assert_int_equal(walk_all(&p, 0, &records), 4);
	assert_int_equal(records, 5);
	free(p.p);
}

static void test_part_same_records_give_same_bytes(void **state)
{
	struct weir_edge_writer a = writer(4096), b = writer(4096);
	struct weir_frame odd;
	struct edge_bytes p, q;

	(void)state;
	for (uint64_t i = 0; i < 300; i++)
		weir_edge_writer_add(&a, edge_row(i, (uint32_t)i));
	p = edge_part_of(&a);
	for (uint64_t i = 0; i < 300; i++) {
		struct weir_frame *f = (struct weir_frame *)(uintptr_t)edge_row(i, (uint32_t)i);

		odd = *f;
		f->stream = 3;
		f->flags |= WEIR_FRAME_F_HASHED;
		f->key_hash = i;
		weir_edge_writer_add(&b, f);
		*f = odd;
	}
	q = edge_part_of(&b);
	assert_int_equal(p.n, q.n);
	assert_memory_equal(p.p, q.p, p.n);
	free(p.p);
	free(q.p);
}

static void test_part_parts_of_folded_epochs_are_one(void **state)
{
	struct weir_edge_writer w = writer(1024), again = writer(1024);
	struct edge_bytes all = {.p = malloc(1 << 20)};
	uint64_t id = 0, records;
	struct weir_edge_walk walk;
	struct weir_edge_batch b;

	(void)state;
	for (int part = 0; part < 5; part++) {
		struct edge_bytes p;

		for (int i = 0; i < 40; i++)
			weir_edge_writer_add(&w, edge_row(id++, 20));
		p = edge_part_of(&w);
		memcpy(all.p + all.n, p.p, p.n);
		all.n += p.n;
		free(p.p);
	}
	assert_int_equal(walk_all(&all, 0, &records), 5 * 3); /* 17 in a batch */
	assert_int_equal(records, 200);
	/* The writer of the next life goes on behind the last one. */
	assert_int_equal(weir_edge_writer_restore(&again, edge_reader(&all)), 0);
	assert_true(again.pos.seq == 200 && again.pos.chain == w.pos.chain);
	assert_true(again.part.seq == 200);
	/* Bytes that change under the walk. */
	assert_int_equal(weir_edge_walk_begin(&walk, edge_reader(&all)), 0);
	all.p[all.n / 5] ^= 1;
	for (int i = 0; i < 3; i++)
		assert_int_equal(weir_edge_walk_next(&walk, &b), 1);
	assert_int_equal(weir_edge_walk_next(&walk, &b), WEIR_E_CORRUPT);
	all.p[all.n / 5] ^= 1;
	/* A part that does not go on where the one before ended. */
	memmove(all.p + all.n, all.p, all.n);
	all.n *= 2;
	assert_int_equal(weir_edge_walk_begin(&walk, edge_reader(&all)), WEIR_E_CORRUPT);
	assert_int_equal(weir_edge_writer_restore(&again, edge_reader(&all)), WEIR_E_CORRUPT);
	assert_true(again.pos.seq == 200);
	free(all.p);
}

static int walk_result(const struct edge_bytes *p)
{
	struct weir_edge_walk walk;
	struct weir_edge_batch b;
	int r = weir_edge_walk_begin(&walk, edge_reader(p));

	while (r == 0 && (r = weir_edge_walk_next(&walk, &b)) == 1)
		r = 0;
	return r;
}

/* A change that is seen as damage, or not seen at all (what the chain is for). Never reads outside. */
static void test_part_damage_is_seen_or_harmless(void **state)
{
	struct weir_edge_writer w = writer(1024);
	struct weir_prng rnd = weir_prng_of(3, "part");
	uint32_t seen = 0;
	struct edge_bytes p, q;

	(void)state;
	for (uint64_t i = 0; i < 60; i++)
		weir_edge_writer_add(&w, edge_row(i, 20));
	p = edge_part_of(&w);
	q.p = malloc(p.n);
	assert_int_equal(walk_result(&p), 0);
	for (q.n = 0; q.n < p.n; q.n++) {
		uint8_t *exact = malloc(q.n ? q.n : 1);
		struct edge_bytes cut = {exact, q.n};

		memcpy(exact, p.p, q.n);
		assert_int_equal(walk_result(&cut), WEIR_E_CORRUPT);
		free(exact);
	}
	q.n = p.n;
	for (int i = 0; i < 20000; i++) {
		memcpy(q.p, p.p, p.n);
		for (uint64_t k = weir_prng_range(&rnd, 1, 3); k; k--)
			q.p[weir_prng_below(&rnd, i & 1 ? p.n : 64)] = (uint8_t)weir_prng_u64(&rnd);
		seen += walk_result(&q) < 0;
	}
	assert_true(seen > 8000);
	free(p.p);
	free(q.p);
}

static void test_part_heads_that_make_no_sense(void **state)
{
	struct weir_edge_writer w = writer(1024);
	struct edge_bytes p, q;

	(void)state;
	weir_edge_writer_add(&w, edge_row(0, 20));
	weir_edge_writer_add(&w, edge_row(1, 20));
	p = edge_part_of(&w);
	q = (struct edge_bytes){malloc(p.n + 8), p.n};
#define BAD(at, type, v)                                                                           \
	memcpy(q.p, p.p, p.n);                                                                     \
	memcpy(q.p + (at), &(type){v}, sizeof(type));                                              \
	assert_int_equal(walk_result(&q), WEIR_E_CORRUPT)
	BAD(0, uint32_t, 0);
	BAD(4, uint16_t, 2);
	BAD(6, uint16_t, 1);
	BAD(8, uint64_t, 0);
	BAD(8, uint64_t, UINT64_MAX);
	BAD(8, uint64_t, p.n - 48 + 1);
	BAD(8, uint64_t, 16); /* behind it there is no section */
	BAD(32, uint64_t, 0); /* ends where it began */
	BAD(32, uint64_t, 1); /* more records than it says */
	BAD(32, uint64_t, 3); /* fewer */
	BAD(40, uint64_t, 0); /* chain of the end */
	BAD(48, uint32_t, 121);
	BAD(48, uint32_t, 40); /* two records need 48 */
	BAD(48, uint32_t, 4096);
	BAD(52, uint32_t, 0);
	BAD(52, uint32_t, 1);
	BAD(56, uint64_t, 0); /* chain behind the batch, and so of the end */
#undef BAD
	/* Bytes behind the last batch that are no head. */
	memcpy(q.p, p.p, p.n);
	memset(q.p + p.n, 0, 8);
	memcpy(q.p + 8, &(uint64_t){p.n - 48 + 8}, 8);
	q.n = p.n + 8;
	assert_int_equal(walk_result(&q), WEIR_E_CORRUPT);
	free(p.p);
	free(q.p);
}

/* ---- hello ---- */

static struct edge_bytes hello_of(const char *pipeline, const struct weir_schema *s)
{
	struct weir_out o;

	weir_out_init(&o, &weir_test_mem);
	weir_edge_hello_put(&o, "home", pipeline, "parse", "", "eu", "us", s);
	return edge_bytes_of(&o);
}

static void test_hello_says_all_that_must_agree(void **state)
{
	struct weir_schema s = *edge_schema(), t = s;
	struct edge_bytes a, b;

	(void)state;
	a = hello_of("orders", &s);
	t.stream = 12; /* a number of this process */
	snprintf(t.field[0].format, sizeof(t.field[0].format), "%%Y"); /* only texts differ */
	b = hello_of("orders", &t);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.p, b.p, a.n);
	free(b.p);
	t.field[0].nullable = true;
	b = hello_of("orders", &t);
	assert_true(a.n == b.n && memcmp(a.p, b.p, a.n) != 0);
	free(b.p);
	b = hello_of("other", &s);
	assert_true(a.n != b.n);
	free(a.p);
	free(b.p);
}

static void test_ids_differ(void **state)
{
	static const char *const base[] = {"home", "orders", "parse", "", "eu", "us", ""};
	uint64_t id[32];
	uint32_t n = 0;

	(void)state;
	id[n++] = weir_edge_id("home", "orders", "parse", "", "eu", "us", 0, "");
	id[n++] = weir_edge_id("home", "orders", "parse", "", "eu", "us", 1, "");
	for (uint32_t i = 0; i < WEIR_COUNT_OF(base); i++) {
		const char *t[7];

		memcpy(t, base, sizeof(t));
		t[i] = "x";
		id[n++] = weir_edge_id(t[0], t[1], t[2], t[3], t[4], t[5], 0, t[6]);
	}
	/* Where one text ends and the next begins. */
	id[n++] = weir_edge_id("home", "ordersparse", "", "", "eu", "us", 0, "");
	id[n++] = weir_edge_id("homeorders", "", "parse", "", "eu", "us", 0, "");
	id[n++] = weir_edge_id("home", "orders", "parse", "", "us", "eu", 0, "");
	for (uint32_t i = 0; i < n; i++) {
		assert_true(id[i] != 0);
		for (uint32_t k = 0; k < i; k++)
			assert_true(id[i] != id[k]);
	}
	/* Part of a published format: ring names and frames carry it. */
	assert_true(id[0] == UINT64_C(0xf492ed19d86905b6));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_part_of_no_record_is_nothing),
	cmocka_unit_test(test_part_is_as_documented),
	cmocka_unit_test(test_part_batches_are_cut_at_their_size),
	cmocka_unit_test(test_part_a_large_record_is_a_batch_of_its_own),
	cmocka_unit_test(test_part_same_records_give_same_bytes),
	cmocka_unit_test(test_part_parts_of_folded_epochs_are_one),
	cmocka_unit_test(test_part_damage_is_seen_or_harmless),
	cmocka_unit_test(test_part_heads_that_make_no_sense),
	cmocka_unit_test(test_hello_says_all_that_must_agree),
	cmocka_unit_test(test_ids_differ),
};

WEIR_TEST_MAIN("engine/edge_part", tests)
