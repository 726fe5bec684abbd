/* SPDX-License-Identifier: Apache-2.0 */
/* Units made by hand: whole by themselves, but not what the journal would have written. And rare failures. */
#include "tests/unit/engine/journal_case.h"

struct hand {
	struct jcase *c;
	struct memdisk_file *f;
	struct weir_jnl_pos at;
	struct weir_hash128 chain, commit_chain, heads;
	uint64_t number, units, bytes;
	bool other_identity, bad_before; /* of the next unit */
};

static struct hand begin(void)
{
	struct hand h = {.c = jcase_new(1, 64 * KIB), .at = {1, 0}};

	jcase_open(h.c);
	h.chain = h.commit_chain = weir_jnl_origin(h.c->o.identity);
	jcase_close(h.c);
	h.f = memdisk_find(&h.c->d, "journal-00000001");
	return h;
}

static void put(struct hand *h, enum weir_jnl_type type, uint64_t epoch, uint64_t fence,
		const void *body, uint32_t n)
{
	struct weir_jnl_head head = {.type = (uint8_t)type,
				     .epoch = epoch,
				     .fence = fence,
				     .offset = h->at.offset,
				     .segment = h->at.segment,
				     .segment_blocks = 16,
				     .bytes = n,
				     .before = h->chain};
	uint8_t *p = h->f->data + h->at.offset;

	memcpy(head.identity, h->c->o.identity, 16);
	head.identity[5] ^= h->other_identity;
	head.before.lo ^= h->bad_before;
	weir_jnl_seal(&head, body);
	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), body, n);
	h->chain = weir_jnl_head_hash(&head);
	h->heads = weir_hash128_chain(h->heads, h->chain);
	h->units++;
	h->bytes += n;
	h->at.offset += weir_jnl_padded(n);
}

static void data(struct hand *h, uint64_t epoch, uint64_t fence)
{
	put(h, WEIR_JNL_DATA, epoch, fence, "some bytes", 10);
}

static struct weir_jnl_commit record(struct hand *h, uint64_t epoch, uint64_t fence)
{
	return (struct weir_jnl_commit){.number = ++h->number,
					.epoch = epoch,
					.fence = fence,
					.bytes = h->bytes,
					.units = h->units,
					.heads = h->heads,
					.before = h->commit_chain};
}

static void commit_as(struct hand *h, const struct weir_jnl_commit *c, uint64_t epoch,
		      uint64_t fence)
{
	put(h, WEIR_JNL_COMMIT, epoch, fence, c, sizeof(*c));
	h->commit_chain = h->chain;
	h->units = h->bytes = 0;
	h->heads = (struct weir_hash128){0, 0};
}

static void commit(struct hand *h, uint64_t epoch, uint64_t fence)
{
	struct weir_jnl_commit c = record(h, epoch, fence);

	commit_as(h, &c, epoch, fence);
}

static int end(struct hand *h, uint64_t *ret_durable)
{
	int r = jcase_try_open(h->c);

	*ret_durable = r < 0 ? 0 : weir_journal_durable(h->c->j);
	if (r == WEIR_E_CORRUPT)
		assert_true(jcase_found(h->c, WEIR_JOURNAL_DAMAGED, "journal-00000001"));
	jcase_free(h->c);
	return r;
}

static void test_commit_records_that_do_not_fit(void **state)
{
	(void)state;
	for (int i = 0; i < 14; i++) {
		struct hand h = begin();
		struct weir_jnl_commit c;
		uint64_t durable, epoch = 5, fence = 3;
		int r;

		data(&h, 3, 2);
		commit(&h, 3, 2);
		data(&h, i == 8 ? 6 : 5, i == 9 ? 4 : 3);
		epoch = i == 10 ? 3 : i == 11 ? 2 : 5;
		fence = i == 12 ? 1 : 3;
		if (i == 13)
			data(&h, 9, 3);
		c = record(&h, epoch, fence);
		c.number += i == 1;
		c.epoch += i == 2;
		c.fence += i == 3;
		c.bytes -= i == 4;
		c.units += i == 5;
		c.heads.lo ^= i == 6;
		c.before.hi ^= i == 7;
		commit_as(&h, &c, epoch, fence);
		r = end(&h, &durable);
		assert_int_equal(r, i ? WEIR_E_CORRUPT : 0);
		assert_int_equal(durable, i ? 0 : 5);
	}
}

/* Heads that are whole, but belong elsewhere: the end of the log, when no commit record follows. */
static void test_heads_that_do_not_belong(void **state)
{
	(void)state;
	for (int i = 0; i < 14; i++) {
		struct hand h = begin();
		uint64_t durable;
		bool committed = i >= 7;
		struct weir_jnl_head *head;

		data(&h, 1, 1);
		commit(&h, 1, 1);
		head = (void *)(h.f->data + h.at.offset);
		h.other_identity = i % 7 == 0;
		h.bad_before = i % 7 == 1;
		data(&h, 2, 1);
		h.other_identity = h.bad_before = false;
		if (i % 7 >= 2) {
			head->type = i % 7 == 2 ? WEIR_JNL_RING : i % 7 == 3 ? 77 : head->type;
			head->bytes = i % 7 == 2   ? 200
				      : i % 7 == 4 ? 2 << 20
				      : i % 7 == 5 ? 0
						   : head->bytes;
			head->version = i % 7 == 6 ? 9 : head->version;
			head->crc = 0;
			head->crc = weir_crc32c(0, head, sizeof(*head));
		}
		if (committed)
			commit(&h, 2, 1);
		assert_int_equal(end(&h, &durable), committed ? WEIR_E_CORRUPT : 0);
		assert_int_equal(durable, !committed);
	}
}

/* A unit that is replaced by another whole one, after the journal was opened. */
static void test_units_that_change_under_way(void **state)
{
	static const uint8_t zero[3968];

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct hand h = begin(), copy;
		uint64_t where[] = {0, 0, 4096, 0, 8192};

		data(&h, 1, 1);
		data(&h, 1, 1);
		commit(&h, 1, 1);
		jcase_open(h.c);
		copy = h;
		copy.at.offset = where[i];
		copy.number = 0;
		copy.bad_before = i == 0;
		copy.chain = copy.commit_chain = weir_jnl_origin(h.c->o.identity);
		if (i == 1)
			commit(&copy, 1, 1);
		else if (i == 4)
			put(&copy, WEIR_JNL_COMMIT, 1, 2, h.f->data + 8192 + 128, 72);
		else if (i == 3)
			put(&copy, WEIR_JNL_DATA, 1, 1, zero, sizeof(zero));
		else
			data(&copy, 1, 9);
		assert_int_equal(jcase_try_replay(h.c), WEIR_E_CORRUPT);
		assert_non_null(strstr(h.c->err.text, "journal-00000001, offset"));
		jcase_free(h.c);
	}
}

/* ---- slots of the ring ---- */

static void test_slots_that_do_not_belong(void **state)
{
	(void)state;
	for (int i = 0; i < 7; i++) {
		struct jcase *c = jcase_new(1, 64 * KIB);
		struct memdisk_file *f;
		struct weir_jnl_head own, inner;
		struct weir_jnl_commit rec;
		uint8_t *p;

		jcase_open(c);
		jcase_start(c);
		jcase_add(c, 1, 10);
		jcase_add(c, 2, 10);
		jcase_close(c);
		f = memdisk_find(&c->d, "commits");
		p = f->data + 2 * WEIR_DISK_BLOCK;
		memcpy(&own, p, sizeof(own));
		memcpy(&inner, p + 128, sizeof(inner));
		memcpy(&rec, p + 256, sizeof(rec));
		if (i == 0)
			p[128 + 150] ^= 1; /* body of the slot */
		if (i == 1)
			inner.epoch++; /* checksum of the record's head */
		if (i == 2)
			rec.units++; /* hash of the record */
		if (i == 3) { /* another record than its number's */
			rec.number++;
			weir_jnl_seal(&inner, &rec);
		}
		if (i == 4) {
			own.type = WEIR_JNL_DATA;
			own.bytes = 10;
		}
		if (i == 5) { /* whole, but not the record that is in the segment */
			rec.units++;
			weir_jnl_seal(&inner, &rec);
		}
		if (i) {
			memcpy(p + 128, &inner, sizeof(inner));
			memcpy(p + 256, &rec, sizeof(rec));
			weir_jnl_seal(&own, p + 128);
			memcpy(p, &own, sizeof(own));
		}
		jcase_open(c);
		assert_int_equal(jcase_found(c, WEIR_JOURNAL_COPY, "commits"), i < 6);
		assert_int_equal(weir_journal_durable(c->j), 2);
		jcase_start(c);
		jcase_reopen(c);
		assert_int_equal(c->report.count, 0);
		jcase_free(c);
	}
}

static void test_a_copy_of_the_superblock_that_is_none(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);
	struct weir_jnl_head *h;
	uint8_t *p;

	(void)state;
	jcase_open(c);
	jcase_close(c);
	p = memdisk_find(&c->d, "superblock")->data + 16384;
	h = (void *)p;
	h->type = WEIR_JNL_RING;
	h->bytes = 200;
	weir_jnl_seal(h, p + 128);
	jcase_open(c);
	assert_true(jcase_found(c, WEIR_JOURNAL_COPY, "superblock"));
	jcase_free(c);
}

/* ---- rare failures ---- */

static void test_errors_while_healing(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct jcase *c = jcase_new(1, 64 * KIB);
		struct memdisk_file *f;
		uint8_t *unit;

		jcase_open(c);
		jcase_start(c);
		jcase_add(c, 1, 10);
		jcase_add(c, 2, 150 * KIB);
		jcase_close(c);
		f = memdisk_find(&c->d, "journal-00000001");
		unit = f->data + 4096;
		if (i == 0)
			unit[0] ^= 1; /* the record is taken from the ring */
		if (i == 1 || i == 2)
			memdisk_find(&c->d, "commits")->data[4096 + 9] ^= 1;
		if (i == 3)
			memdisk_remove(&c->d, "commits");
		if (i == 4)
			memdisk_put(&c->d, "superblock.new", "", 0, 4096);
		jcase_open(c);
		c->d.open_error = i == 0 ? -EMFILE : 0;
		if (i == 1)
			unit[3] ^= 1; /* lost after it was read */
		c->d.fail_write = i == 2 ? c->d.writes + 5 : 0;
		c->d.create_error = i == 3 ? -ENOSPC : 0;
		c->d.unlink_error = i == 4 ? -EACCES : 0;
		assert_int_equal(weir_journal_start(c->j, &c->err), WEIR_E_IO);
		assert_int_equal(weir_journal_start(c->j, &c->err), WEIR_E_IO);
		if (i == 1)
			unit[3] ^= 1;
		c->d.fail_write = 0;
		jcase_reopen(c);
		jcase_start(c);
		jcase_reopen(c);
		assert_int_equal(c->report.count, 0);
		jcase_free(c);
	}
}

static void test_the_segment_of_a_commit_record_does_not_open(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);

	(void)state;
	jcase_open(c);
	jcase_start(c);
	/* The record fills the segment: its handle is given back when the units are durable. */
	assert_int_equal(jcase_append(c, 1, 60 * KIB - 128), 0);
	c->d.open_error = -EMFILE;
	assert_int_equal(jcase_drain(c), WEIR_E_IO);
	assert_non_null(strstr(c->err.text, "journal-00000001, offset 61440"));
	assert_int_equal(weir_journal_durable(c->j), 0);
	jcase_reopen(c);
	jcase_free(c);
}

static void test_other_errors(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);

	(void)state;
	/* The ring of an interrupted creation is shorter. */
	memdisk_put(&c->d, "commits", "", 0, 8192);
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 10);
	jcase_close(c);
	/* A ring that does not open is not a ring that is gone. */
	c->d.open_error_at = 2;
	c->d.open_error = -EMFILE;
	assert_int_equal(jcase_try_open(c), -EMFILE);
	jcase_reopen(c);
	jcase_free(c);
}

static void on_finding(void *ctx, const struct weir_journal_finding *f)
{
	(void)ctx;
	(void)f;
}

static void test_errors_of_verify(void **state)
{
	struct hand h = begin();
	struct jcase *c = h.c;

	(void)state;
	commit(&h, 1, 1);
	assert_int_equal(weir_journal_verify(&c->d.disk, &weir_test_mem, true, on_finding, NULL,
					     NULL, &c->err),
			 0);
	data(&h, 2, 1);
	/* A handle for: superblock, ring, segment; then the list, and the segment once more. */
	c->d.read_bad = "journal-00000001";
	c->d.read_error = -ENOMEM;
	assert_int_equal(weir_journal_verify(&c->d.disk, &weir_test_mem, false, on_finding, NULL,
					     NULL, &c->err),
			 -ENOMEM);
	c->d.read_bad = NULL;
	c->d.list_error_at = 2;
	c->d.list_error = -EACCES;
	assert_int_equal(weir_journal_verify(&c->d.disk, &weir_test_mem, true, on_finding, NULL,
					     NULL, &c->err),
			 -EACCES);
	/* The spare segment was read last, so that the one with the tail is opened again to cut it. */
	memdisk_put(&c->d, "journal-00000002", "", 0, 64 * KIB);
	c->d.open_error_at = 5;
	c->d.open_error = -EMFILE;
	assert_int_equal(weir_journal_verify(&c->d.disk, &weir_test_mem, true, on_finding, NULL,
					     NULL, &c->err),
			 WEIR_E_IO);
	assert_int_equal(weir_journal_verify(&c->d.disk, &weir_test_mem, true, on_finding, NULL,
					     NULL, &c->err),
			 0);
	jcase_free(c);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_commit_records_that_do_not_fit),
	cmocka_unit_test(test_heads_that_do_not_belong),
	cmocka_unit_test(test_units_that_change_under_way),
	cmocka_unit_test(test_slots_that_do_not_belong),
	cmocka_unit_test(test_a_copy_of_the_superblock_that_is_none),
	cmocka_unit_test(test_errors_while_healing),
	cmocka_unit_test(test_the_segment_of_a_commit_record_does_not_open),
	cmocka_unit_test(test_other_errors),
	cmocka_unit_test(test_errors_of_verify),
};

WEIR_TEST_MAIN("journal_units", tests)
