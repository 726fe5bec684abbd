/* SPDX-License-Identifier: Apache-2.0 */
/* engine/weir.h as a program sees it: state directories, options of older programs, stops. */
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/weir.h"
#include "tests/lib/test.h"

#define BIDS 9200 /* of 10000 events */

static char dir[64], file[128], err[4096];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_pipeline(const char *top, unsigned events, unsigned rate)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fprintf(f,
		"pipeline: embedded\n%s"
		"steps:\n"
		"  events: {source: {nexmark: {events: %u, rate: %u}}}\n"
		"  bids: {from: events.bid, select: [auction, price]}\n"
		"  out: {from: bids, sink: {file: {path: out}}}\n",
		top, events, rate);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/weir-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/p.yaml", dir);
	write_pipeline("state: {epoch: 1ms}\n", 10000, 0);
	return 0;
}

static bool is_there(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

static struct weir_handle *opened(const struct weir_run_options *opt)
{
	struct weir_handle *h = weir_pipeline_open(file, opt, err, sizeof(err));

	if (!h)
		fail_msg("%s", err);
	return h;
}

/* To its end; records that came in. */
static uint64_t finish(struct weir_handle *h)
{
	uint64_t in, out;

	if (weir_pipeline_wait(h, 60000, err, sizeof(err)))
		fail_msg("wait: %s", err);
	weir_pipeline_counts(h, &in, &out);
	weir_pipeline_close(h);
	return in;
}

static uint64_t run(const struct weir_run_options *opt)
{
	struct weir_handle *h = opened(opt);

	if (weir_pipeline_start(h, err, sizeof(err)))
		fail_msg("start: %s", err);
	return finish(h);
}

static void test_embed_state_directory(void **state)
{
	char here[128], there[128];
	struct weir_run_options o = {.size = sizeof(o), .workers = 2, .no_huge = 1, .state = here};

	(void)state;
	snprintf(here, sizeof(here), "%s/here", dir);
	snprintf(there, sizeof(there), "%s/a/there", dir);
	assert_int_equal(run(&o), BIDS);
	assert_true(is_there("here/superblock"));
	assert_false(is_there(".weir"));
	assert_int_equal(run(&o), 0); /* had ended */
	/* A new state directory does not take over results of another one. */
	o.state = there;
	assert_null(weir_pipeline_open(file, &o, err, sizeof(err)));
	assert_non_null(strstr(err, "out"));
	o.fresh = 1;
	assert_int_equal(run(&o), BIDS);
	assert_true(is_there("a/there/superblock"));
}

/* The structure once ended before `state`: what lies behind is not looked at, what it has counts. */
static void test_embed_older_program(void **state)
{
	struct weir_run_options o = {.size = (uint32_t)offsetof(struct weir_run_options, state),
				     .workers = 1,
				     .no_huge = 1,
				     .state = (const char *)(uintptr_t)1};

	(void)state;
	assert_int_equal(run(&o), BIDS);
	assert_true(is_there(".weir/embedded/superblock"));
	assert_int_equal(run(&o), 0);
	o.fresh = 1;
	assert_int_equal(run(&o), BIDS);
	o.size = 8;
	assert_int_equal(run(&o), 0);
	assert_int_equal(run(NULL), 0);
}

static void test_embed_without_state(void **state)
{
	(void)state;
	write_pipeline("guarantee: none\n", 10000, 0);
	assert_int_equal(run(NULL), BIDS);
	assert_false(is_there(".weir"));
}

/* Each run counts the records it took in, and together they took each one once. */
static void test_embed_goes_on_after_a_stop(void **state)
{
	const struct weir_run_options o = {.size = sizeof(o), .workers = 2, .no_huge = 1};
	uint64_t in, sum = 0;

	(void)state;
	write_pipeline("state: {epoch: 5ms}\n", 40000, 100000);
	for (int i = 0; i < 5; i++) {
		struct weir_handle *h = opened(&o);

		assert_int_equal(weir_pipeline_start(h, err, sizeof(err)), 0);
		usleep(30000);
		weir_pipeline_stop(h, 0);
		in = finish(h);
		sum += in;
	}
	sum += run(&o);
	assert_int_equal(sum, 4 * BIDS);
	assert_int_equal(run(&o), 0);
}

static void test_embed_stops_at_any_time(void **state)
{
	struct weir_handle *h = opened(NULL);

	(void)state;
	assert_null(weir_pipeline_open(file, NULL, err, sizeof(err))); /* one at a time */
	assert_non_null(strstr(err, "in use"));
	weir_pipeline_close(h); /* never started */
	weir_pipeline_close(NULL);

	h = opened(NULL);
	weir_pipeline_stop(h, 0); /* before the start */
	assert_int_equal(weir_pipeline_start(h, err, sizeof(err)), 0);
	finish(h);

	h = opened(NULL);
	weir_pipeline_stop(h, 1);
	assert_int_equal(weir_pipeline_start(h, err, sizeof(err)), 0);
	assert_int_equal(weir_pipeline_wait(h, 60000, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "goes on"));
	weir_pipeline_close(h);

	h = opened(NULL);
	assert_int_equal(weir_pipeline_start(h, err, sizeof(err)), 0);
	weir_pipeline_close(h); /* at once */
	run(NULL);
	assert_int_equal(run(NULL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_embed_state_directory),   TEST(test_embed_older_program),
	TEST(test_embed_without_state),	    TEST(test_embed_goes_on_after_a_stop),
	TEST(test_embed_stops_at_any_time),
};

WEIR_TEST_MAIN("embed", tests)
