/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/sink_rig.h"

#include <errno.h>

#include "engine/edge/durable.h"
#include "engine/edge/running_sum.h"

/* Empties the scratch directory for the next round. */
static void sweep(void)
{
	scratch_close(NULL);
	assert_int_equal(mkdir(scratch_dir, 0700), 0);
}

static void file_rig(struct rig *r, enum weir_format format, enum weir_compression c)
{
	rig_init(r, WEIR_CONN_FILE, format);
	r->step.sink.compression = c;
}

static const char *first_of(int (*which)(const struct dirent *e))
{
	static char name[256];
	struct dirent **list;
	int n = scandir(scratch_dir, &list, which, alphasort);

	assert_true(n > 0);
	snprintf(name, sizeof(name), "%s", list[0]->d_name);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return name;
}

static off_t size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_size;
}

static void flip(const char *name, off_t at)
{
	int fd = open(path_of(name), O_RDWR);
	char c = 0;

	assert_true(fd >= 0 && pread(fd, &c, 1, at) == 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void assert_says(const struct rig *r, const char *what)
{
	if (!strstr(r->err.text, what))
		fail_msg("\"%s\" is not in: %s", what, r->err.text);
}

/* ---- epochs ---- */

static void test_a_part_spans_epochs(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	rig_up(&r);
	for (int i = 0; i < 5; i++) {
		rig_epoch(&r, 100);
		assert_int_equal(rig_count(rig_visible), 0);
		assert_int_equal(rig_count(rig_hidden), 1);
	}
	rig_finish(&r);
	assert_int_equal(rig_count(rig_visible), 1);
	assert_int_equal(rig_count(rig_hidden), 0);
	assert_string_equal(first_of(rig_visible), "part-out-00000001.jsonl");
	rig_check(&r, 500);
	rig_fini(&r);
}

static void test_nothing_new_is_no_part(void **state)
{
	struct rig r;
	size_t n;
	char *text;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_GZIP);
	rig_up(&r);
	assert_null(rig_barrier(&r));
	rig_rows(&r, 3);
	assert_non_null(rig_barrier(&r));
	assert_null(rig_barrier(&r));
	/* A base round: what is known is said again, also without news. */
	assert_true(r.node.cls->state->touch(&r.node, true, 1));
	assert_non_null(rig_barrier(&r));
	assert_null(rig_barrier(&r));
	for (uint32_t i = 0; i < r.count; i++) {
		rig_commit(&r, &r.e[i]);
		assert_int_equal(rig_apply(&r, &r.e[i]), 0);
	}
	rig_finish(&r);
	assert_null(rig_end(&r));
	text = rig_content(&n);
	rig_check_rows(&r, text, n, 3);
	free(text);
	rig_fini(&r);
}

static void test_parts_roll_by_size_and_age(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 100000;
	r.step.sink.part_ns = 1000000;
	rig_up(&r);
	rig_epoch(&r, 20000); /* about 700 KB: several parts in one epoch */
	assert_true(rig_count(rig_visible) >= 3);
	rig_epoch(&r, 10);
	r.now_ns += 999999;
	rig_epoch(&r, 0);
	assert_int_equal(rig_count(rig_hidden), 1);
	r.now_ns += 2;
	rig_epoch(&r, 0); /* nothing new, but old enough */
	assert_int_equal(rig_count(rig_hidden), 0);
	rig_check(&r, 20010);
	rig_finish(&r);
	rig_check(&r, 20010);
	rig_fini(&r);
}

static void test_ticks_show_nothing(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_ns = 1;
	rig_up(&r);
	rig_rows(&r, 20000);
	r.now_ns += 1000;
	assert_null(r.node.cls->tick);
	assert_int_equal(rig_count(rig_visible), 0);
	/* Also a sealed part waits for its commit. */
	rig_commit(&r, rig_barrier(&r));
	assert_int_equal(rig_count(rig_visible), 0);
	assert_int_equal(rig_apply(&r, &r.e[0]), 0);
	rig_check(&r, 20000);
	rig_fini(&r);
}

static void test_apply_may_come_again(void **state)
{
	struct rig r;
	uint64_t cursor = 0;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_epoch(&r, 1000);
	rig_epoch(&r, 1000);
	assert_int_equal(rig_apply(&r, &r.e[0]), 0);
	assert_int_equal(rig_apply(&r, &r.e[1]), 0);
	assert_int_equal(r.node.cls->sink->cursor(&r.node, &cursor, &r.err), 0);
	assert_int_equal(cursor, r.known);
	rig_check(&r, 2000);
	rig_fini(&r);
}

static void test_a_left_out_epoch_is_an_error(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	rig_up(&r);
	rig_epoch(&r, 1);
	rig_rows(&r, 1);
	rig_commit(&r, rig_barrier(&r));
	rig_rows(&r, 1);
	rig_commit(&r, rig_barrier(&r));
	assert_int_equal(rig_apply(&r, &r.e[2]), WEIR_E_CORRUPT);
	assert_says(&r, "epoch 3 follows on 2");
	rig_fini(&r);
}

/* Parts of folded epochs stand one behind the other. */
static void test_folded_epochs(void **state)
{
	struct rig r;
	struct rig_epoch *a, *b;
	uint8_t *both;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_rows(&r, 500);
	a = rig_barrier(&r);
	rig_rows(&r, 500);
	b = rig_barrier(&r);
	both = malloc(a->bytes + b->bytes);
	assert_non_null(both);
	memcpy(both, a->part, a->bytes);
	memcpy(both + a->bytes, b->part, b->bytes);
	free(a->part);
	free(b->part);
	*a = (struct rig_epoch){.epoch = 2, .part = both, .bytes = a->bytes + b->bytes};
	r.count = 1;
	rig_commit(&r, a);
	rig_down(&r);
	rig_up(&r);
	rig_check(&r, 1000);
	assert_int_equal(rig_apply(&r, a), 0);
	rig_epoch(&r, 10);
	rig_finish(&r);
	rig_check(&r, 1010);
	rig_fini(&r);
}

/* ---- crashes ---- */

enum crash {
	BEFORE_BARRIER,
	BEFORE_PREPARE,
	BEFORE_COMMIT,
	BEFORE_APPLY,
	BEFORE_MANIFEST,
	AFTER_APPLY,
	CRASHES
};

static void save_manifest(char *text, size_t cap)
{
	int fd = open(path_of(".out.manifest"), O_RDONLY);
	ssize_t n = read(fd, text, cap - 1);

	assert_true(fd >= 0 && n > 0);
	text[n] = 0;
	close(fd);
}

/* One epoch that ends in a crash; rows of an epoch that is not committed come again. */
static void crash_at(struct rig *r, enum crash at, uint32_t rows)
{
	int64_t before = r->n;
	char manifest[1024];
	struct rig_epoch *e = NULL;

	rig_rows(r, rows);
	if (at > BEFORE_BARRIER)
		e = rig_barrier(r);
	if (at > BEFORE_PREPARE)
		assert_int_equal(rig_prepare(r, e), 0);
	if (at > BEFORE_COMMIT)
		rig_commit(r, e);
	else
		r->n = before;
	save_manifest(manifest, sizeof(manifest));
	if (at >= BEFORE_MANIFEST)
		assert_int_equal(rig_apply(r, e), 0);
	if (at == BEFORE_MANIFEST)
		write_file(".out.manifest", manifest);
	rig_down(r);
}

static void check_crashes(enum weir_format format, enum weir_compression c, uint64_t part_bytes)
{
	struct rig r;

	file_rig(&r, format, c);
	r.step.sink.part_bytes = part_bytes;
	rig_up(&r);
	rig_epoch(&r, 50);
	for (unsigned at = 0; at < CRASHES; at++)
		for (uint32_t rows = 7; rows < 20000; rows *= 50) {
			crash_at(&r, at, rows);
			rig_up(&r);
			rig_epoch(&r, 30);
		}
	rig_down(&r);
	rig_up(&r);
	rig_finish(&r);
	assert_int_equal(rig_count(rig_hidden), 0);
	rig_check(&r, r.n);
	rig_fini(&r);
	sweep();
}

static void test_crashes_lose_and_double_nothing(void **state)
{
	static const enum weir_compression c[] = {WEIR_COMPRESSION_NONE, WEIR_COMPRESSION_GZIP,
						  WEIR_COMPRESSION_ZSTD};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(c); i++) {
		check_crashes(WEIR_FORMAT_JSONL, c[i], (uint64_t)1 << 30);
		check_crashes(WEIR_FORMAT_JSONL, c[i], 4096);
		check_crashes(WEIR_FORMAT_CSV, c[i], (uint64_t)1 << 30);
		check_crashes(WEIR_FORMAT_CSV, c[i], 4096);
	}
}

/* Several epochs are on their way while the first is not yet committed. */
static void test_epochs_in_flight(void **state)
{
	struct rig r;
	struct rig_epoch *e[4];

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_ZSTD);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	for (int i = 0; i < 4; i++) {
		rig_rows(&r, 5000);
		e[i] = rig_barrier(&r);
	}
	for (int i = 0; i < 2; i++)
		rig_commit(&r, e[i]);
	assert_int_equal(rig_apply(&r, e[0]), 0);
	r.n = 10000;
	rig_down(&r);
	rig_up(&r); /* e[1] is caught up on, e[2] and e[3] never happened */
	rig_finish(&r);
	rig_check(&r, 10000);
	rig_fini(&r);
}

/* Rows that a base round left in the journal only. */
static void test_base_round_is_enough(void **state)
{
	struct rig r;
	struct rig_epoch *e;

	(void)state;
	file_rig(&r, WEIR_FORMAT_CSV, WEIR_COMPRESSION_GZIP);
	rig_up(&r);
	rig_epoch(&r, 50);
	r.node.cls->state->touch(&r.node, true, 1);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	assert_int_equal(rig_apply(&r, e), 0);
	/* The journal before it is trimmed. */
	free(r.e[0].part);
	r.e[0] = r.e[1];
	r.count = 1;
	rig_down(&r);
	rig_up(&r);
	rig_epoch(&r, 50);
	rig_finish(&r);
	rig_check(&r, 100);
	rig_fini(&r);
}

/* Readers may take visible parts away. */
static void test_visible_parts_may_go(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_epoch(&r, 1000);
	assert_int_equal(unlink(path_of(first_of(rig_visible))), 0);
	rig_down(&r);
	rig_up(&r);
	assert_int_equal(rig_apply(&r, &r.e[0]), 0);
	rig_epoch(&r, 1000);
	assert_string_equal(first_of(rig_visible), "part-out-00000002.jsonl");
	/* Also when no bundle of ours is left: numbers go on behind the manifest's. */
	rig_down(&r);
	while (r.count)
		free(r.e[--r.count].part);
	rig_up(&r);
	rig_epoch(&r, 1000);
	assert_int_equal(access(path_of("part-out-00000003.jsonl"), F_OK), 0);
	rig_fini(&r);
}

static void test_raw_parts_stand_alone(void **state)
{
	struct rig r;
	char *a = calloc(1, 1), *b = calloc(1, 1);
	size_t an = 0, bn = 0;

	(void)state;
	file_rig(&r, WEIR_FORMAT_RAW, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_epoch(&r, 4000);
	rig_down(&r);
	rig_up(&r);
	rig_epoch(&r, 4000);
	a = rig_read("part-out-00000001.raw", a, &an);
	b = rig_read("part-out-00000002.raw", b, &bn);
	assert_memory_equal(a, "weir-raw", 8);
	assert_memory_equal(b, "weir-raw", 8);
	free(a);
	free(b);
	rig_fini(&r);
}

/* ---- a directory that is not as it was left ---- */

static void test_other_bytes_under_the_name(void **state)
{
	struct rig r;
	struct rig_epoch *e;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_rows(&r, 1000);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	write_file("part-out-00000001.jsonl", "somebody else's\n");
	assert_int_equal(rig_apply(&r, e), -EEXIST);
	assert_says(&r, "part-out-00000001.jsonl");
	assert_says(&r, ".part-out-00000001.jsonl.tmp");
	rig_down(&r);
	assert_int_equal(rig_start(&r, false), -EEXIST);
	rig_down(&r);
	assert_int_equal(rename(path_of("part-out-00000001.jsonl"), path_of("x")), 0);
	rig_up(&r);
	rig_check(&r, 1000);
	rig_fini(&r);
}

/* Both names on the same bytes: a rename in two steps that was interrupted. */
static void test_same_bytes_under_the_name(void **state)
{
	struct rig r;
	struct rig_epoch *e;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_rows(&r, 1000);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	assert_int_equal(link(path_of(".part-out-00000001.jsonl.tmp"),
			      path_of("part-out-00000001.jsonl")),
			 0);
	assert_int_equal(rig_apply(&r, e), 0);
	assert_int_equal(rig_count(rig_hidden), 0);
	rig_check(&r, 1000);
	rig_fini(&r);
}

static void test_damaged_open_part(void **state)
{
	const char *name = ".part-out-00000001.jsonl.tmp";
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	rig_up(&r);
	rig_epoch(&r, 5000);
	rig_down(&r);
	append_file(name, "torn");
	rig_up(&r);
	rig_down(&r);
	flip(name, 70000);
	assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	assert_says(&r, name);
	assert_says(&r, "other bytes");
	rig_down(&r);
	flip(name, 70000);
	rig_up(&r);
	rig_down(&r);
	assert_int_equal(truncate(path_of(name), size_of(name) - 1), 0);
	assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	assert_says(&r, "shorter");
	rig_down(&r);
	assert_int_equal(unlink(path_of(name)), 0);
	assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	assert_says(&r, "is gone");
	assert_says(&r, "--fresh");
	rig_fini(&r);
}

static void test_damaged_sealed_part(void **state)
{
	const char *name = ".part-out-00000001.jsonl.tmp";
	struct rig r;
	struct rig_epoch *e;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_rows(&r, 1000);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	append_file(name, "x");
	assert_int_equal(rig_apply(&r, e), WEIR_E_CORRUPT);
	assert_says(&r, name);
	assert_int_equal(truncate(path_of(name), size_of(name) - 1), 0);
	rig_down(&r);
	flip(name, 9);
	assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	assert_says(&r, name);
	rig_down(&r);
	assert_int_equal(unlink(path_of(name)), 0);
	assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	assert_says(&r, "neither");
	rig_fini(&r);
}

static void test_state_directory_and_results_apart(void **state)
{
	struct rig r, old;
	char manifest[1024];

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_epoch(&r, 1000);
	rig_epoch(&r, 1000);
	rig_down(&r);
	save_manifest(manifest, sizeof(manifest));

	/* An older state directory: one epoch less, or only its fence. */
	old = r;
	old.count = 1;
	old.known = old.e[0].epoch;
	assert_int_equal(rig_start(&old, false), WEIR_E_CONFIG);
	assert_says(&old, "newer than the state directory");
	rig_down(&old);
	old = r;
	old.fence = 0;
	rig_up(&r);
	rig_down(&r);
	assert_int_equal(rig_start(&old, false), WEIR_E_CONFIG);
	assert_says(&old, "fence");
	rig_down(&old);

	/* None at all. */
	rig_init(&old, WEIR_CONN_FILE, WEIR_FORMAT_JSONL);
	assert_int_equal(rig_start(&old, false), -EEXIST);
	assert_says(&old, "--fresh");
	rig_fini(&old);

	/* Another directory than the one that belongs to it. */
	assert_int_equal(unlink(path_of(".out.manifest")), 0);
	assert_int_equal(rig_start(&r, false), WEIR_E_CONFIG);
	assert_says(&r, "is gone");
	rig_down(&r);
	manifest[strcspn(manifest, "\n") + 12]++;
	write_file(".out.manifest", manifest);
	assert_int_equal(rig_start(&r, false), WEIR_E_CORRUPT);
	assert_says(&r, "is damaged");
	rig_down(&r);
	write_file(".out.manifest", "weir file sink 2\nwhatever\n");
	assert_int_equal(rig_start(&r, false), WEIR_E_VERSION);
	rig_fini(&r);
}

static void test_results_of_others(void **state)
{
	struct rig r, other;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	rig_up(&r);
	rig_epoch(&r, 10);
	rig_down(&r);
	/* The same numbers, but made by another pipeline, or by the same with another state directory. */
	file_rig(&other, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	strcpy(other.pipeline.name, "else");
	other.fence = 7;
	assert_int_equal(rig_start(&other, false), WEIR_E_CONFIG);
	assert_says(&other, "`quakes`");
	rig_fini(&other);
	file_rig(&other, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	other.fence = 7;
	assert_int_equal(rig_start(&other, true), 0);
	rig_epoch(&other, 10);
	rig_down(&other);
	r.fence = 20;
	assert_int_equal(rig_start(&r, false), WEIR_E_CONFIG);
	assert_says(&r, "another state directory");
	rig_fini(&r);
	rig_fini(&other);
}

/* Somebody with a higher fence took over while we were paused. */
static void test_taken_over(void **state)
{
	struct rig r, next;
	struct rig_epoch *e;
	uint64_t cursor;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_epoch(&r, 1000);
	rig_rows(&r, 1000);
	e = rig_barrier(&r);
	rig_commit(&r, e);
	next = r;
	next.is_up = false;
	rig_up(&next);
	rig_check(&next, 2000);
	assert_int_equal(r.node.cls->sink->cursor(&r.node, &cursor, &r.err), WEIR_E_CONFIG);
	rig_rows(&r, 1000);
	e = rig_barrier(&r);
	e->committed = true;
	e->prev = 0;
	assert_int_equal(rig_apply(&r, e), WEIR_E_CONFIG);
	assert_says(&r, "taken over");
	rig_check(&next, 2000);
	rig_down(&next);
	rig_fini(&r);
}

/* ---- fresh, tasks, the mode without epochs ---- */

static void test_fresh_removes_what_is_ours(void **state)
{
	static const char *const keep[] = {"part-outer-00000001.jsonl", "part-out-1-00000001.jsonl",
					   ".outer.manifest", "notes", "part-out-0001.jsonl"};
	static const char *const gone[] = {
		"part-out-00000001.jsonl",    "part-out-00000007-t3.csv.gz",
		".out.t5.manifest",	      ".out.manifest.3.tmp",
		".part-out-00000009.raw.tmp", "part-out-123456789.jsonl",
	};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(keep); i++)
		write_file(keep[i], "x");
	for (size_t i = 0; i < WEIR_COUNT_OF(gone); i++)
		write_file(gone[i], "x");
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	assert_int_equal(rig_start(&r, false), -EEXIST);
	rig_down(&r);
	assert_int_equal(rig_start(&r, true), 0);
	for (size_t i = 0; i < WEIR_COUNT_OF(keep); i++)
		assert_int_equal(access(path_of(keep[i]), F_OK), 0);
	for (size_t i = 0; i < WEIR_COUNT_OF(gone); i++)
		assert_int_not_equal(access(path_of(gone[i]), F_OK), 0);
	rig_epoch(&r, 3);
	rig_fini(&r);
}

static void test_tasks_keep_apart(void **state)
{
	struct rig r[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		file_rig(&r[i], WEIR_FORMAT_CSV, WEIR_COMPRESSION_NONE);
		r[i].instance = i;
		r[i].instances = 2;
		assert_int_equal(rig_start(&r[i], true), 0);
	}
	rig_epoch(&r[0], 5);
	rig_down(&r[0]);
	rig_up(&r[0]);
	r[1].n = 5;
	rig_epoch(&r[1], 5);
	rig_down(&r[1]);
	rig_up(&r[1]);
	rig_finish(&r[0]);
	rig_finish(&r[1]);
	assert_string_equal(first_of(rig_visible), "part-out-00000001-t0.csv");
	assert_int_equal(access(path_of(".out.t1.manifest"), F_OK), 0);
	rig_check(&r[0], 10);
	/* Another number of tasks. */
	rig_down(&r[1]);
	assert_int_equal(rig_make(&r[1], false), 0);
	assert_int_equal(r[1].node.cls->sink->open(&r[1].node, 9, r[1].known, false, &r[1].cursor,
						   &r[1].err),
			 0);
	assert_int_equal(r[1].node.cls->state->restore(
				 &r[1].node,
				 &(struct weir_restore){.in = weir_reader_of(r[1].e[0].part,
									     r[1].e[0].bytes),
							.instances_then = 3,
							.instances = 2}),
			 WEIR_E_CONFIG);
	rig_fini(&r[0]);
	rig_fini(&r[1]);
}

static void test_without_epochs(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.pipeline.state.guarantee = WEIR_GUARANTEE_NONE;
	r.step.sink.part_ns = 1000;
	assert_int_equal(rig_make(&r, false), 0);
	assert_null(r.node.cls->sink);
	rig_rows(&r, 10);
	assert_int_equal(r.node.cls->tick(&r.node), 0);
	r.task.mono_ns += 1000;
	assert_int_equal(r.node.cls->tick(&r.node), 0);
	assert_int_equal(rig_count(rig_visible), 1);
	rig_rows(&r, 10);
	rig_ctl(&r, WEIR_FRAME_EOS);
	assert_int_equal(rig_count(rig_visible), 2);
	rig_check(&r, 20);
	rig_rows(&r, 1);
	assert_int_equal(r.node.cls->tick(&r.node), 0);
	rig_down(&r); /* in the middle of a part: it goes */
	assert_int_equal(rig_count(rig_hidden), 0);
	assert_int_equal(rig_make(&r, false), -EEXIST);
	rig_down(&r);
	assert_int_equal(rig_make(&r, true), 0);
	assert_int_equal(rig_count(rig_visible), 0);
	rig_fini(&r);
}

/* It does not destroy the open part of a state directory. */
static void test_without_epochs_spares_a_state_directory(void **state)
{
	struct rig r;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	rig_up(&r);
	rig_epoch(&r, 10);
	rig_down(&r);
	r.pipeline.state.guarantee = WEIR_GUARANTEE_NONE;
	assert_int_equal(rig_make(&r, false), -EEXIST);
	rig_down(&r);
	r.pipeline.state.guarantee = WEIR_GUARANTEE_AT_LEAST_ONCE;
	rig_up(&r);
	rig_finish(&r);
	rig_check(&r, 10);
	rig_fini(&r);
}

static void test_no_space(void **state)
{
	struct rig r;
	int k = 0;

	(void)state;
	if (access("/dev/full", W_OK))
		WEIR_SKIP("no /dev/full");
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	rig_up(&r);
	rig_rows(&r, 10);
	k = rig_barrier(&r) != NULL;
	assert_int_equal(k, 1);
	/* The open descriptor now leads to a device that is always full. */
	for (int fd = 3; fd < 64 && k == 1; fd++) {
		char link_name[64], to[PATH_CAP] = "";

		snprintf(link_name, sizeof(link_name), "/proc/self/fd/%d", fd);
		if (readlink(link_name, to, sizeof(to) - 1) > 0 && strstr(to, ".part-out-")) {
			int full = open("/dev/full", O_WRONLY);

			assert_int_equal(dup2(full, fd), fd);
			close(full);
			k = 2;
		}
	}
	assert_int_equal(k, 2);
	rig_rows(&r, 10);
	r.node.in.ctl = (struct weir_ctl){.kind = WEIR_FRAME_BARRIER};
	assert_int_equal(rig_run(&r), -ENOSPC);
	assert_says(&r, "No space left on device");
	assert_says(&r, "Nothing is lost");
	rig_fini(&r);
}

/* ---- what a bundle holds is not believed ---- */

static void test_any_bytes_for_a_part(void **state)
{
	struct rig r;
	uint8_t *copy;
	size_t bytes;

	(void)state;
	file_rig(&r, WEIR_FORMAT_JSONL, WEIR_COMPRESSION_NONE);
	r.step.sink.part_bytes = 4096;
	rig_up(&r);
	rig_rows(&r, 5000);
	rig_barrier(&r);
	rig_commit(&r, &r.e[0]);
	bytes = r.e[0].bytes;
	copy = malloc(bytes);
	assert_non_null(copy);
	memcpy(copy, r.e[0].part, bytes);
	for (size_t n = 1; n < bytes; n++) {
		r.e[0].bytes = n;
		assert_int_equal(rig_prepare(&r, &r.e[0]), WEIR_E_CORRUPT);
		assert_int_equal(rig_apply(&r, &r.e[0]), WEIR_E_CORRUPT);
	}
	r.e[0].bytes = bytes;
	for (size_t i = 0; i < bytes; i++) {
		r.e[0].part[i] ^= 0xff;
		rig_down(&r);
		/* An error, or a serial or header flag that nothing depends on; never a crash. */
		rig_start(&r, false);
		r.e[0].part[i] = copy[i];
	}
	rig_down(&r);
	rig_up(&r);
	rig_check(&r, 5000);
	free(copy);
	rig_fini(&r);
}

static void test_sign(void **state)
{
	char text[2][512];
	struct rig r;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct weir_buf b = weir_buf_of(text[i & 1], sizeof(text[0]) - 1);

		file_rig(&r, i < 2 ? WEIR_FORMAT_CSV : WEIR_FORMAT_JSONL, WEIR_COMPRESSION_GZIP);
		if (i & 1)
			weir_schema_add(&r.schema, WEIR_STR("more"), weir_type_of(WEIR_INT64),
					true);
		assert_int_equal(rig_make(&r, false), 0);
		r.node.cls->state->sign(&r.node, &b);
		b.p[b.len] = 0;
		rig_fini(&r);
		if (i == 1)
			assert_string_not_equal(text[0], text[1]);
		if (i == 3)
			assert_string_equal(text[0], text[1]);
	}
	assert_string_equal(text[0], "file .jsonl.gz jsonl");
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

static const struct CMUnitTest tests[] = {
	IN_SCRATCH(test_a_part_spans_epochs),
	IN_SCRATCH(test_nothing_new_is_no_part),
	IN_SCRATCH(test_parts_roll_by_size_and_age),
	IN_SCRATCH(test_ticks_show_nothing),
	IN_SCRATCH(test_apply_may_come_again),
	IN_SCRATCH(test_a_left_out_epoch_is_an_error),
	IN_SCRATCH(test_folded_epochs),
	IN_SCRATCH(test_crashes_lose_and_double_nothing),
	IN_SCRATCH(test_epochs_in_flight),
	IN_SCRATCH(test_base_round_is_enough),
	IN_SCRATCH(test_visible_parts_may_go),
	IN_SCRATCH(test_raw_parts_stand_alone),
	IN_SCRATCH(test_other_bytes_under_the_name),
	IN_SCRATCH(test_same_bytes_under_the_name),
	IN_SCRATCH(test_damaged_open_part),
	IN_SCRATCH(test_damaged_sealed_part),
	IN_SCRATCH(test_state_directory_and_results_apart),
	IN_SCRATCH(test_results_of_others),
	IN_SCRATCH(test_taken_over),
	IN_SCRATCH(test_fresh_removes_what_is_ours),
	IN_SCRATCH(test_tasks_keep_apart),
	IN_SCRATCH(test_without_epochs),
	IN_SCRATCH(test_without_epochs_spares_a_state_directory),
	IN_SCRATCH(test_no_space),
	IN_SCRATCH(test_any_bytes_for_a_part),
	IN_SCRATCH(test_sign),
};

WEIR_TEST_MAIN("sink_file", tests)
