/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of committed bundles, read back by epoch. */
#include "tests/unit/engine/journal_case.h"

/* Calls that one fetch took; fails when the bytes are not those of the epoch. */
static uint32_t fetched(struct jcase *c, uint64_t epoch, uint64_t from, uint64_t n)
{
	uint8_t *p = malloc(n + 1);
	uint32_t calls = 1;
	int r;

	assert_non_null(p);
	while ((r = weir_journal_fetch(c->j, epoch, from, p, n, &c->err)) == 1)
		calls++;
	if (r < 0)
		fail_msg("%s", c->err.text);
	for (uint64_t i = 0; i < n; i++)
		if (p[i] != jcase_byte(c, epoch, from + i))
			fail_msg("epoch %llu, byte %llu", (unsigned long long)epoch,
				 (unsigned long long)(from + i));
	free(p);
	return calls;
}

static struct jcase *filled(uint64_t seed, uint64_t epochs)
{
	struct jcase *c = jcase_new(seed, 256 * KIB);

	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= epochs; e++)
		jcase_add(c, e * 2, e * 3001);
	return c;
}

static void test_fetch_any_piece_of_any_epoch(void **state)
{
	struct jcase *c = filled(1, 60);
	struct weir_prng p = weir_prng_of(1, "fetch");

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t e = 2 * weir_prng_range(&p, 1, 60), size = c->size[e] - 1;
		uint64_t from = weir_prng_below(&p, size + 1);

		fetched(c, e, from, weir_prng_below(&p, size - from + 1));
	}
	fetched(c, 120, 0, c->size[120] - 1);
	fetched(c, 2, 3001, 0);
	/* Also in a journal that was opened again. */
	jcase_reopen(c);
	jcase_start(c);
	fetched(c, 4, 1, 6000);
	jcase_free(c);
}

static void test_fetch_refuses_what_is_not_there(void **state)
{
	struct jcase *c = filled(2, 20);
	uint8_t b[8];

	(void)state;
	assert_int_equal(weir_journal_fetch(c->j, 0, 0, b, 1, &c->err), WEIR_E_RANGE);
	assert_int_equal(weir_journal_fetch(c->j, 3, 0, b, 1, &c->err), WEIR_E_RANGE);
	assert_int_equal(weir_journal_fetch(c->j, 41, 0, b, 1, &c->err), WEIR_E_RANGE);
	assert_int_equal(weir_journal_fetch(c->j, 2, 3002, b, 0, &c->err), WEIR_E_RANGE);
	assert_int_equal(weir_journal_fetch(c->j, 2, 3000, b, 2, &c->err), WEIR_E_RANGE);
	assert_int_equal(weir_journal_fetch(c->j, 2, UINT64_MAX, b, 2, &c->err), WEIR_E_RANGE);
	assert_non_null(strstr(c->err.text, "no bytes"));
	/* Nor what was given back; what is left is there. */
	assert_int_equal(jcase_base(c, 21), 0);
	assert_int_equal(weir_journal_fetch(c->j, 20, 0, b, 1, &c->err), WEIR_E_RANGE);
	fetched(c, 22, 0, 1000);
	fetched(c, 40, 20, 60000 - 20);
	/* Nor what is only on its way. */
	assert_int_equal(jcase_append(c, 50, 100), 0);
	assert_int_equal(weir_journal_fetch(c->j, 50, 0, b, 1, &c->err), WEIR_E_RANGE);
	assert_int_equal(jcase_drain(c), 0);
	fetched(c, 50, 0, 100);
	jcase_free(c);
}

static void test_fetch_reads_in_pieces_and_begins_anew(void **state)
{
	struct jcase *c = jcase_new(3, 8 * MIB);
	uint8_t *p = malloc(5 * MIB);
	uint64_t reads;

	(void)state;
	assert_non_null(p);
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 5 * MIB);
	jcase_add(c, 2, 5 * MIB);
	assert_true(fetched(c, 1, 0, 5 * MIB) >= 5);
	/* The bytes in front have to be read, those behind have not. */
	reads = c->d.reads;
	assert_int_equal(fetched(c, 2, 100, 1000), 1);
	assert_true(c->d.reads - reads <= 2);
	/* Given up in the middle for another one, and for another place in it. */
	assert_int_equal(weir_journal_fetch(c->j, 1, 0, p, 5 * MIB, &c->err), 1);
	assert_int_equal(weir_journal_fetch(c->j, 2, 0, p, 5 * MIB, &c->err), 1);
	assert_int_equal(weir_journal_fetch(c->j, 2, 7, p, 5 * MIB - 7, &c->err), 1);
	fetched(c, 2, 7, 5 * MIB - 8);
	/* While a base is read back, and while more is written. */
	assert_int_equal(weir_journal_fetch(c->j, 2, 0, p, 5 * MIB, &c->err), 1);
	jcase_add(c, 3, 3 * MIB);
	assert_int_equal(weir_journal_base(c->j, 1, &c->err), 1);
	while (weir_journal_fetch(c->j, 2, 0, p, 5 * MIB, &c->err) == 1)
		;
	for (uint64_t i = 0; i < 5 * MIB; i++)
		assert_int_equal(p[i], jcase_byte(c, 2, i));
	assert_int_equal(jcase_base(c, 1), 0);
	free(p);
	jcase_free(c);
}

/* Many small ones in a row do not read the disk for each. */
static void test_fetch_uses_what_was_read(void **state)
{
	struct jcase *c = jcase_new(4, 4 * MIB);
	uint64_t reads;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 100; e++)
		jcase_add(c, e, 100);
	fetched(c, 1, 0, 100);
	reads = c->d.reads;
	for (uint64_t e = 2; e <= 100; e++)
		fetched(c, e, 10, 90);
	assert_true(c->d.reads - reads <= 2);
	/* But nothing that came behind the reading: the window may have old bytes there. */
	jcase_add(c, 101, 100);
	fetched(c, 101, 0, 100);
	jcase_free(c);
}

static void damage(struct jcase *c, uint64_t at)
{
	memdisk_find(&c->d, "journal-00000001")->data[at] ^= 1;
}

static void test_fetch_finds_damage(void **state)
{
	struct jcase *c = filled(5, 4);
	uint8_t b[4000];

	(void)state;
	/* Epoch 2 is one unit at the begin, epoch 4 the next behind its commit record. */
	damage(c, 128 + 7);
	assert_int_equal(weir_journal_fetch(c->j, 2, 2000, b, 1000, &c->err), WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "journal-00000001, offset 0: epoch 2 is damaged"));
	fetched(c, 4, 0, 6002);
	damage(c, 128 + 7);
	fetched(c, 2, 0, 3001);
	jcase_free(c);
}

/* A unit of another epoch at the right place and with the right lineage: not ours. */
static void test_fetch_finds_a_unit_of_another_epoch(void **state)
{
	struct jcase *c = jcase_new(6, 256 * KIB);
	struct memdisk_file *f;
	struct weir_jnl_head *h;
	uint8_t b[100], *was = malloc(WEIR_DISK_BLOCK);

	(void)state;
	assert_non_null(was);
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 100);
	f = memdisk_find(&c->d, "journal-00000001");
	memcpy(was, f->data, WEIR_DISK_BLOCK);
	h = (struct weir_jnl_head *)(void *)f->data;
	h->epoch = 2;
	weir_jnl_seal(h, f->data + WEIR_JNL_HEAD);
	assert_int_equal(weir_journal_fetch(c->j, 1, 0, b, 100, &c->err), WEIR_E_CORRUPT);
	memcpy(f->data, was, WEIR_DISK_BLOCK);
	h->fence++;
	weir_jnl_seal(h, f->data + WEIR_JNL_HEAD);
	assert_int_equal(weir_journal_fetch(c->j, 1, 0, b, 100, &c->err), WEIR_E_CORRUPT);
	memcpy(f->data, was, WEIR_DISK_BLOCK);
	fetched(c, 1, 0, 100);
	free(was);
	jcase_free(c);
}

/* Other bytes of the same epoch, with a head that is right for them: the commit record knows better. */
static void test_base_finds_other_bytes_of_the_epoch(void **state)
{
	struct jcase *c = jcase_new(8, 256 * KIB);
	struct memdisk_file *f;
	struct weir_jnl_head *h;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 100);
	jcase_add(c, 2, 100);
	f = memdisk_find(&c->d, "journal-00000001");
	h = (struct weir_jnl_head *)(void *)(f->data + 2 * WEIR_DISK_BLOCK);
	assert_int_equal(h->epoch, 2);
	f->data[2 * WEIR_DISK_BLOCK + WEIR_JNL_HEAD] ^= 1;
	weir_jnl_seal(h, f->data + 2 * WEIR_DISK_BLOCK + WEIR_JNL_HEAD);
	assert_int_equal(jcase_base(c, 1), WEIR_E_CORRUPT);
	assert_non_null(strstr(c->err.text, "epoch 2 is damaged"));
	jcase_free(c);
}

static void test_bytes_above(void **state)
{
	struct jcase *c = filled(7, 10);
	struct weir_journal_stats st;

	(void)state;
	weir_journal_stats(c->j, &st);
	assert_int_equal(weir_journal_bytes_above(c->j, 0), st.bytes_live);
	assert_int_equal(weir_journal_bytes_above(c->j, 1), st.bytes_live);
	assert_int_equal(weir_journal_bytes_above(c->j, 20), 0);
	assert_int_equal(weir_journal_bytes_above(c->j, 99), 0);
	/* The last one: 30010 bytes in one or two units, and a commit record. */
	assert_in_range(weir_journal_bytes_above(c->j, 19), 30010 + 4096, 30010 + 4 * 4096);
	assert_int_equal(jcase_base(c, 19), 0);
	weir_journal_stats(c->j, &st);
	assert_int_equal(weir_journal_bytes_above(c->j, 19), st.bytes_live);
	jcase_free(c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fetch_any_piece_of_any_epoch),
	cmocka_unit_test(test_fetch_refuses_what_is_not_there),
	cmocka_unit_test(test_fetch_reads_in_pieces_and_begins_anew),
	cmocka_unit_test(test_fetch_uses_what_was_read),
	cmocka_unit_test(test_fetch_finds_damage),
	cmocka_unit_test(test_fetch_finds_a_unit_of_another_epoch),
	cmocka_unit_test(test_base_finds_other_bytes_of_the_epoch),
	cmocka_unit_test(test_bytes_above),
};

WEIR_TEST_MAIN("journal fetch", tests)
