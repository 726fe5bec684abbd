/* SPDX-License-Identifier: Apache-2.0 */
/* Every block of a small journal damaged in turn, files that are gone, verify and repair. */
#include "tests/unit/engine/journal_case.h"

#define LAST 14u /* epochs of small() */

enum harm { FLIP_HEAD, FLIP_BODY, ZERO, UNREADABLE, OTHER, HARMS };

/* A journal with a base, recycled segments and, above the last commit record, a torn tail. */
static struct jcase *small(bool torn)
{
	struct jcase *c = jcase_new(1, 64 * KIB);
	struct weir_journal_stats st;

	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= LAST; e++) {
		jcase_add(c, e, e * e * 150);
		if (e == 10)
			assert_int_equal(jcase_base(c, 5), 0);
	}
	weir_journal_stats(c->j, &st);
	if (torn) {
		assert_int_equal(jcase_append(c, LAST + 1, 70 * KIB), 0);
		c->d.slow = true;
		assert_int_equal(weir_journal_step(c->j, 0, &c->err), 0);
		assert_int_equal(weir_journal_step(c->j, 1, &c->err), 0);
		c->size[LAST + 1] = 0;
	}
	jcase_close(c);
	c->d.slow = false;
	memdisk_cut(&c->d);
	return c;
}

/* The same state of things as c, with a disk of its own. */
static struct jcase *twin(const struct jcase *c)
{
	struct jcase *t = malloc(sizeof(*t));

	assert_non_null(t);
	*t = *c;
	t->j = NULL;
	memdisk_copy(&t->d, &c->d);
	return t;
}

static void harm(struct jcase *c, struct memdisk_file *f, uint64_t block, enum harm what,
		 uint64_t n)
{
	uint8_t *p = f->data + block * WEIR_DISK_BLOCK;
	struct memdisk_file *from = memdisk_find(&c->d, n % 2 ? "journal-00000003" : "commits");

	switch (what) {
	case FLIP_HEAD:
		p[n * 37 % 128] ^= (uint8_t)(1u << n % 8);
		break;
	case FLIP_BODY:
		p[128 + n * 911 % (WEIR_DISK_BLOCK - 128)] ^= (uint8_t)(1u << n % 8);
		break;
	case ZERO:
		memset(p, 0, WEIR_DISK_BLOCK);
		break;
	case UNREADABLE:
		c->d.read_bad = f->name;
		c->d.read_bad_at = block * WEIR_DISK_BLOCK;
		break;
	default:
		memcpy(p, from->data + n % (from->bytes / WEIR_DISK_BLOCK) * WEIR_DISK_BLOCK,
		       WEIR_DISK_BLOCK);
	}
}

struct seen {
	uint32_t count, by_fault[6], done;
	char text[64][300];
};

static void on_finding(void *ctx, const struct weir_journal_finding *f)
{
	struct seen *s = ctx;

	assert_true(f->fault >= 1 && f->fault <= 5 && f->text[0] && f->file[0]);
	s->by_fault[f->fault]++;
	if (s->count < 64)
		snprintf(s->text[s->count], sizeof(s->text[0]), "%s %llu: %s", f->file,
			 (unsigned long long)f->offset, f->text);
	s->count++;
}

static void on_repair(void *ctx, const char *what)
{
	struct seen *s = ctx;

	assert_true(what[0]);
	s->done++;
}

static int verify(struct jcase *c, bool repair, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	return weir_journal_verify(&c->d.disk, &weir_test_mem, repair, on_finding, on_repair, s,
				   &c->err);
}

/* Whole and right, or refused with a finding. */
static bool judge(struct jcase *c)
{
	struct seen s;
	int v, r;

	jcase_close(c);
	v = verify(c, false, &s);
	r = jcase_try_open(c);
	assert_int_equal(v, r);
	if (r < 0) {
		assert_int_equal(r, WEIR_E_CORRUPT);
		assert_true(s.by_fault[WEIR_JOURNAL_DAMAGED] + s.by_fault[WEIR_JOURNAL_MISSING]);
		assert_true(c->report.count > 0);
		return false;
	}
	assert_int_equal(weir_journal_durable(c->j), LAST);
	assert_int_equal(s.by_fault[WEIR_JOURNAL_DAMAGED], 0);
	jcase_replay(c);
	c->d.read_bad = NULL;
	jcase_start(c);
	jcase_add(c, LAST + 5, 100 * KIB);
	jcase_reopen(c);
	assert_int_equal(c->report.count, 0);
	return true;
}

static void test_every_block_damaged_in_turn(void **state)
{
	uint32_t refused = 0, fine = 0;

	(void)state;
	for (int torn = 0; torn < 2; torn++) {
		struct jcase *c = small(torn);

		for (uint32_t i = 0; i < MEMDISK_FILES; i++)
			for (uint64_t b = 0; b < c->d.file[i].bytes / WEIR_DISK_BLOCK; b++)
				for (uint32_t h = 0; h < HARMS && c->d.file[i].name[0]; h++) {
					struct jcase *t = twin(c);

					harm(t, memdisk_find(&t->d, c->d.file[i].name), b,
					     (enum harm)h, b + i * 7 + h);
					if (judge(t))
						fine++;
					else
						refused++;
					jcase_free(t);
				}
		jcase_free(c);
	}
	assert_true(refused > 50 && fine > 500);
}

/* Each commit record has two places: any one of them may be bad, also all of one kind. */
static void test_commit_records_come_back_from_their_other_place(void **state)
{
	struct jcase *c = small(false);
	struct jcase *t = twin(c);
	struct memdisk_file *f = memdisk_find(&t->d, "commits");
	struct seen s;

	(void)state;
	memset(f->data, 0, f->bytes);
	assert_int_equal(verify(t, false, &s), 0);
	assert_int_equal(s.by_fault[WEIR_JOURNAL_COPY], LAST - 5);
	assert_int_equal(verify(t, true, &s), 0);
	assert_int_equal(s.done, 1);
	assert_int_equal(verify(t, false, &s), 0);
	assert_int_equal(s.count, 0);
	jcase_free(t);

	t = twin(c);
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		for (uint64_t b = 0; b < t->d.file[i].bytes; b += WEIR_DISK_BLOCK) {
			struct weir_jnl_head *h = (void *)(t->d.file[i].data + b);
			uint32_t n;

			if (weir_jnl_segment_number(t->d.file[i].name, &n) &&
			    h->type == WEIR_JNL_COMMIT && h->segment == n)
				h->epoch ^= 1;
		}
	jcase_open(t);
	assert_int_equal(t->report.count, LAST - 5);
	assert_true(judge(t));
	jcase_free(t);

	/* Both places of the last one: only that nothing else is lost can be said. */
	t = twin(c);
	jcase_open(t);
	jcase_start(t);
	jcase_add(t, LAST + 1, 10);
	jcase_close(t);
	f = memdisk_find(&t->d, "commits");
	memset(f->data + (LAST + 1) * WEIR_DISK_BLOCK, 0, WEIR_DISK_BLOCK);
	t->size[LAST + 1] = 0;
	jcase_open(t);
	jcase_free(t);
	jcase_free(c);
}

/* ---- superblock ---- */

static void test_copies_of_the_superblock(void **state)
{
	struct jcase *c = small(false);

	(void)state;
	for (uint32_t bad = 0; bad < 16; bad++)
		for (uint32_t h = 0; h < HARMS; h++) {
			struct jcase *t = twin(c);
			struct memdisk_file *f = memdisk_find(&t->d, "superblock");
			struct seen s;
			uint32_t n = (uint32_t)__builtin_popcount(bad);
			int r;

			if (h == UNREADABLE)
				h++;
			for (uint32_t i = 0; i < 4; i++)
				if (bad & 1u << i)
					harm(t, f, (uint64_t)i * 4, (enum harm)h,
					     h == FLIP_BODY ? 0 : i + bad);
			if (h == FLIP_BODY)
				for (uint32_t i = 0; i < 4; i++)
					if (bad & 1u << i)
						f->data[i * 16384 + 128 + 130 % 144] ^= 2;
			r = verify(t, false, &s);
			assert_int_equal(r, n > 2 ? WEIR_E_CORRUPT : 0);
			assert_int_equal(s.by_fault[WEIR_JOURNAL_COPY], n > 2 ? 0 : n);
			r = verify(t, true, &s);
			assert_int_equal(s.done, n == 1 || n == 2);
			if (n <= 2)
				assert_int_equal(verify(t, false, &s) || s.count, 0);
			assert_int_equal(judge(t), n <= 2);
			jcase_free(t);
		}
	jcase_free(c);
}

/* Copies that were left behind at an older version: the newest that two copies hold counts. */
static void test_old_copies_of_the_superblock(void **state)
{
	struct jcase *old = jcase_new(1, 64 * KIB), *c;
	uint8_t before[4 * 16384];

	(void)state;
	jcase_open(old);
	jcase_start(old);
	for (uint64_t e = 1; e <= LAST; e++)
		jcase_add(old, e, 30 * KIB);
	memcpy(before, memdisk_find(&old->d, "superblock")->data, sizeof(before));
	assert_int_equal(jcase_base(old, 10), 0);
	jcase_close(old);
	for (uint32_t bad = 0; bad < 15; bad++) {
		c = twin(old);
		for (uint32_t i = 0; i < 4; i++)
			if (bad & 1u << i)
				memcpy(memdisk_find(&c->d, "superblock")->data + i * 16384,
				       before + i * 16384, 4096);
		/* Three old ones: where they start is no more. */
		assert_int_equal(judge(c), __builtin_popcount(bad) <= 2);
		jcase_free(c);
	}
	jcase_free(old);
}

static void super_of(struct jcase *c, struct weir_jnl_super *s)
{
	assert_int_equal(weir_jnl_super_read(memdisk_find(&c->d, "superblock")->data, 0, s), 0);
}

static void super_all(struct jcase *c, const struct weir_jnl_super *s)
{
	for (uint32_t i = 0; i < 4; i++)
		weir_jnl_super_block(memdisk_find(&c->d, "superblock")->data + i * 16384, s, i);
}

static void test_superblocks_without_sense(void **state)
{
	struct jcase *c = small(false);
	struct weir_jnl_super s;
	struct weir_jnl_head *h;

	(void)state;
	super_of(c, &s);
	for (int i = 0; i < 6; i++) {
		struct jcase *t = twin(c);
		struct weir_jnl_super bad = s;

		bad.segment = i == 0 ? 0 : i == 1 ? UINT32_MAX : i == 5 ? 99 : s.segment;
		bad.offset = i == 2 ? 17 : i == 3 ? (uint64_t)1 << 60 : s.offset;
		bad.pipeline[63] = i == 4;
		super_all(t, &bad);
		assert_false(judge(t));
		jcase_free(t);
	}
	/* Another version of weir. */
	for (uint32_t i = 0; i < 4; i++) {
		h = (void *)(memdisk_find(&c->d, "superblock")->data + i * 16384);
		h->version = 2;
		h->crc = 0;
		h->crc = weir_crc32c(0, h, sizeof(*h));
	}
	assert_int_equal(jcase_try_open(c), WEIR_E_VERSION);
	jcase_free(c);
}

/* ---- files ---- */

static void test_files_that_are_gone(void **state)
{
	struct jcase *c = small(true);
	struct weir_jnl_super sb;
	uint32_t gone = 0, spare = 0;

	(void)state;
	super_of(c, &sb);
	for (uint32_t i = 0; i < MEMDISK_FILES; i++) {
		struct jcase *t;
		uint32_t n;

		if (!weir_jnl_segment_number(c->d.file[i].name, &n))
			continue;
		t = twin(c);
		memdisk_remove(&t->d, c->d.file[i].name);
		if (judge(t)) {
			spare++;
		} else {
			gone++;
			assert_int_equal(jcase_try_open(t), WEIR_E_CORRUPT);
			assert_true(jcase_found(t, WEIR_JOURNAL_MISSING, c->d.file[i].name) ||
				    jcase_found(t, WEIR_JOURNAL_DAMAGED, c->d.file[i].name));
		}
		jcase_free(t);
	}
	assert_true(gone >= 3 && spare >= 1);
	jcase_free(c);
}

static void test_the_superblock_is_gone(void **state)
{
	struct jcase *c = small(false);
	struct seen s;

	(void)state;
	memdisk_remove(&c->d, "superblock");
	assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
	assert_true(jcase_found(c, WEIR_JOURNAL_MISSING, "superblock"));
	assert_int_equal(verify(c, true, &s), WEIR_E_CORRUPT);
	/* Nothing was made in its place. */
	assert_null(memdisk_find(&c->d, "superblock"));
	memdisk_remove(&c->d, "commits");
	assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
	jcase_free(c);
	c = jcase_new(1, 64 * KIB);
	assert_int_equal(verify(c, true, &s), -ENOENT);
	jcase_free(c);
}

static void test_the_ring_is_gone(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct jcase *c = small(false);
		struct seen s;

		memdisk_remove(&c->d, "commits");
		if (how == 1)
			memdisk_put(&c->d, "commits", "x", 1, 8192);
		assert_int_equal(verify(c, how == 2, &s), 0);
		assert_int_equal(s.by_fault[WEIR_JOURNAL_MISSING], 1);
		assert_int_equal(s.done, how == 2);
		jcase_open(c);
		assert_int_equal(jcase_found(c, WEIR_JOURNAL_MISSING, "commits"), how < 2);
		assert_true(judge(c));
		jcase_free(c);
		/* With a torn tail nobody can say whether the tail was committed. */
		c = small(true);
		memdisk_remove(&c->d, "commits");
		assert_false(judge(c));
		jcase_free(c);
	}
}

static void test_a_file_is_shorter_or_longer(void **state)
{
	struct jcase *c = small(false);
	struct jcase *t;
	struct memdisk_file *f;
	struct weir_jnl_super sb;
	char name[WEIR_JNL_FILE_NAME];

	(void)state;
	super_of(c, &sb);
	t = twin(c);
	weir_jnl_segment_name(sb.segment, name);
	f = memdisk_find(&t->d, name);
	f->bytes = sb.offset + 8192;
	assert_false(judge(t));
	jcase_free(t);
	t = twin(c);
	f = memdisk_find(&t->d, name);
	f->data = realloc(f->data, f->bytes + 8192);
	f->bytes += 8192;
	assert_true(judge(t));
	jcase_free(t);
	/* A segment that was not made to its end is made again. */
	t = twin(c);
	for (uint32_t n = 99; n; n--) {
		weir_jnl_segment_name(n, name);
		f = memdisk_find(&t->d, name);
		if (f)
			break;
	}
	f->bytes = 0;
	assert_true(judge(t));
	jcase_free(t);
	jcase_free(c);
}

/* The last segment, cut right behind its last unit: nothing is lost, but it cannot go on there. */
static void test_a_file_ends_at_the_frontier(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);
	struct seen s;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	jcase_add(c, 1, 10);
	jcase_close(c);
	memdisk_find(&c->d, "journal-00000001")->bytes = 8192;
	assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
	assert_int_equal(verify(c, true, &s), WEIR_E_CORRUPT);
	assert_int_equal(s.done, 0);
	jcase_free(c);
}

/* ---- repair ---- */

static void test_repair_cuts_the_tail_and_moves_strange_files(void **state)
{
	struct jcase *c = small(true);
	struct seen s;

	(void)state;
	memdisk_put(&c->d, "core.4711", "x", 1, 1);
	memdisk_put(&c->d, "journal-1", "x", 1, 1);
	memdisk_put(&c->d, "lock", "", 0, 0);
	memdisk_put(&c->d, "superblock.new", "", 0, 65536);
	assert_int_equal(verify(c, false, &s), 0);
	assert_int_equal(s.by_fault[WEIR_JOURNAL_TORN], 1);
	assert_int_equal(s.by_fault[WEIR_JOURNAL_STRANGE], 3);
	jcase_open(c);
	jcase_start(c);
	jcase_close(c);
	assert_null(memdisk_find(&c->d, "superblock.new"));
	assert_int_equal(verify(c, true, &s), 0);
	assert_int_equal(s.done, 3);
	assert_non_null(memdisk_find(&c->d, "quarantine/core.4711"));
	assert_non_null(memdisk_find(&c->d, "lock"));
	assert_int_equal(verify(c, true, &s), 0);
	assert_int_equal(s.count + s.done, 0);
	assert_true(judge(c));
	jcase_free(c);
}

static void test_repair_leaves_damage_alone(void **state)
{
	struct jcase *c = small(true), *before;
	struct weir_jnl_super sb;
	char name[WEIR_JNL_FILE_NAME];
	struct seen s;

	(void)state;
	super_of(c, &sb);
	weir_jnl_segment_name(sb.segment, name);
	memdisk_find(&c->d, name)->data[sb.offset + 300] ^= 1;
	before = twin(c);
	assert_int_equal(verify(c, true, &s), WEIR_E_CORRUPT);
	assert_int_equal(s.done, 0);
	for (uint32_t i = 0; i < MEMDISK_FILES; i++)
		if (before->d.file[i].name[0])
			assert_memory_equal(before->d.file[i].data,
					    memdisk_find(&c->d, before->d.file[i].name)->data,
					    before->d.file[i].bytes);
	jcase_free(before);
	jcase_free(c);
}

static void test_verify_tells_every_place(void **state)
{
	struct jcase *c = jcase_new(1, 64 * KIB);
	struct seen s;

	(void)state;
	jcase_open(c);
	jcase_start(c);
	for (uint64_t e = 1; e <= 40; e++)
		jcase_add(c, e, 20 * KIB);
	jcase_close(c);
	for (uint32_t n = 1; n <= 40; n++) {
		char name[WEIR_JNL_FILE_NAME];
		struct memdisk_file *f;

		weir_jnl_segment_name(n, name);
		f = memdisk_find(&c->d, name);
		for (uint64_t b = 0; f && b < 64 * KIB; b += 16 * KIB)
			f->data[b + 200] ^= 1;
	}
	assert_int_equal(verify(c, false, &s), WEIR_E_CORRUPT);
	assert_true(s.by_fault[WEIR_JOURNAL_DAMAGED] > 32);
	assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
	assert_int_equal(c->report.count, 32);
	assert_true(c->report.more);
	assert_int_equal(c->report.finding[0].epoch_first, 1);
	assert_true(c->report.finding[0].epoch_last <= 2);
	jcase_free(c);
}

static void test_errors_while_repairing(void **state)
{
	struct seen s;

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct jcase *c = small(true);
		int r;

		memdisk_put(&c->d, "strange", "x", 1, 1);
		if (i == 1 || i == 2)
			memdisk_find(&c->d, "superblock")->data[7] ^= 1;
		if (i == 3)
			memset(memdisk_find(&c->d, "commits")->data, 0, 64 * 4096);
		c->d.list_error = i == 0 ? -EACCES : 0;
		c->d.rename_error = i == 5 ? -EACCES : 0;
		c->d.writes = 0;
		c->d.fail_write = i == 5 ? 0 : 1;
		c->d.read_bad = i == 2 ? "superblock" : NULL;
		c->d.read_error = -EACCES;
		r = verify(c, true, &s);
		/* Without the ring nobody knows whether the bundle at the end was committed. */
		assert_int_equal(r, i == 0 || i == 2 ? -EACCES
				    : i == 3	     ? WEIR_E_CORRUPT
						     : WEIR_E_IO);
		c->d.read_bad = NULL;
		c->d.fail_write = 0;
		if (i == 3)
			assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
		else
			assert_true(judge(c));
		jcase_free(c);
	}
}

/* The ring says where the log ends. Without it a segment that was cut, here behind everything that is left, may have held
 * more; with it nothing is missing. */
static void test_cut_segment_without_a_ring(void **state)
{
	(void)state;
	for (int ring = 0; ring < 2; ring++) {
		struct jcase *c = small(false);
		struct memdisk_file *last = NULL;
		struct seen s;

		for (int i = 1; i < 20; i++) {
			char name[32];
			struct memdisk_file *f;

			snprintf(name, sizeof(name), "journal-%08d", i);
			f = memdisk_find(&c->d, name);
			for (uint64_t at = 0; f && at < f->bytes; at += 4096)
				if (memcmp(f->data + at, "weirjrnl", 8) == 0)
					last = f;
		}
		assert_non_null(last);
		last->bytes -= 4096;
		if (!ring)
			memset(memdisk_find(&c->d, "commits")->data, 0, 64 * 4096);
		assert_int_equal(verify(c, false, &s), ring ? 0 : WEIR_E_CORRUPT);
		if (!ring)
			assert_int_equal(jcase_try_open(c), WEIR_E_CORRUPT);
		jcase_free(c);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_block_damaged_in_turn),
	cmocka_unit_test(test_commit_records_come_back_from_their_other_place),
	cmocka_unit_test(test_copies_of_the_superblock),
	cmocka_unit_test(test_old_copies_of_the_superblock),
	cmocka_unit_test(test_superblocks_without_sense),
	cmocka_unit_test(test_files_that_are_gone),
	cmocka_unit_test(test_the_superblock_is_gone),
	cmocka_unit_test(test_the_ring_is_gone),
	cmocka_unit_test(test_a_file_is_shorter_or_longer),
	cmocka_unit_test(test_a_file_ends_at_the_frontier),
	cmocka_unit_test(test_repair_cuts_the_tail_and_moves_strange_files),
	cmocka_unit_test(test_repair_leaves_damage_alone),
	cmocka_unit_test(test_verify_tells_every_place),
	cmocka_unit_test(test_errors_while_repairing),
	cmocka_unit_test(test_cut_segment_without_a_ring),
};

WEIR_TEST_MAIN("journal_damage", tests)
