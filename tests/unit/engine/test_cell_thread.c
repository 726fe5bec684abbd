/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a cell: who wakes whom. */
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/build_ops.h"
#include "engine/edge/cell_impl.h"
#include "engine/edge/epochs.h"
#include "engine/edge/pipeline_file.h"
#include "engine/edge/regex.h"
#include "tests/lib/test.h"

static char dir[64];

struct case_engine {
	struct weir_region region;
	struct weir_pipeline *p;
	struct weir_engine *e;
	struct weir_err err;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/weir-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int try_open(struct case_engine *c, const char *yaml)
{
	const struct weir_engine_options o = {
		.workers = 2, .no_huge = true, .regex = weir_regex_pcre2()};
	struct weir_diags diags;
	int r;

	memset(c, 0, sizeof(*c));
	weir_region_init(&c->region, &weir_heap_mem);
	r = weir_pipeline_parse(weir_str_c(yaml), "test", dir, weir_build_ops(), &c->region, &c->p,
				&diags, &c->err);
	if (r == WEIR_E_CONFIG)
		fail_msg("%s", diags.diag[0].text);
	return r < 0 ? r : weir_engine_open(c->p, &o, &c->e, &c->err);
}

static void started(struct case_engine *c, const char *yaml)
{
	if (try_open(c, yaml) || weir_engine_start(c->e, &c->err))
		fail_msg("%s", c->err.text);
}

static void closed(struct case_engine *c)
{
	weir_engine_close(c->e);
	weir_region_fini(&c->region);
}

static struct weir_cell shown(struct case_engine *c)
{
	struct weir_cell x;

	pthread_mutex_lock(&c->e->cell->lock);
	x = c->e->cell->shown;
	pthread_mutex_unlock(&c->e->cell->lock);
	return x;
}

/* Output that grows faster than the cell's appointments come: the cell is told. */
static void test_cell_thread_large_epochs_end_early(void **state)
{
	struct case_engine c;
	uint64_t from = weir_mono_ns();

	(void)state;
	started(&c, "pipeline: large\n"
		    "state: {dir: state, epoch: 1h, epoch_size: 1MiB}\n"
		    "steps:\n"
		    "  events: {source: {nexmark: {events: 60000, rate: 40000}}}\n"
		    "  out: {from: events.bid, fuse: false, sink: {file: {path: out}}}\n");
	if (weir_engine_wait(c.e, 60 * WEIR_NS_PER_S, &c.err))
		fail_msg("%s", c.err.text);
	/* About 14 MB in a second and a half. Were the cell not told, it would look once a second, and sources would
	 * stand still from 2 MiB on. */
	assert_true(shown(&c).bundles >= 5);
	assert_true(weir_mono_ns() - from < (uint64_t)(4500 * WEIR_NS_PER_MS));
	closed(&c);
}

/* A stop does not wait for an appointment that is far away. */
static void test_cell_thread_stop_is_heard(void **state)
{
	struct case_engine c;

	(void)state;
	for (int i = 0; i < 20; i++) {
		uint64_t from;

		started(&c, "pipeline: slow\n"
			    "state: {dir: state, epoch: 1h}\n"
			    "steps:\n"
			    "  events: {source: {nexmark: {rate: 1}}}\n"
			    "  out: {from: events.bid, sink: blackhole}\n");
		usleep((useconds_t)i * 100);
		from = weir_mono_ns();
		weir_engine_stop(c.e, false);
		assert_int_equal(weir_engine_wait(c.e, 60 * WEIR_NS_PER_S, &c.err), 0);
		if (weir_mono_ns() - from > (uint64_t)(900 * WEIR_NS_PER_MS))
			fail_msg("%llu ms", (unsigned long long)((weir_mono_ns() - from) /
								 (uint64_t)WEIR_NS_PER_MS));
		closed(&c);
	}
}

/* Whatever step of the opening fails: everything before it is given back, and the directory is free again. */
static void test_cell_thread_failed_opens(void **state)
{
	static const char good[] = "pipeline: p\nstate: {dir: state}\nsteps:\n"
				   "  events: {source: {nexmark: {events: 100}}}\n"
				   "  out: {from: events.bid, sink: {file: {path: out}}}\n";
	static const char other[] = "pipeline: q\nstate: {dir: state}\nsteps:\n"
				    "  events: {source: {nexmark: {events: 100}}}\n"
				    "  out: {from: events.bid, sink: {file: {path: out}}}\n";
	static const char deaf[] =
		"pipeline: p\nstate: {dir: state}\nsteps:\n"
		"  events: {source: {nexmark: {events: 100}}}\n"
		"  out: {from: events.bid, sink: {tcp: {address: \"127.0.0.1:1\"}}}\n";
	static const char odd[] = "pipeline: p\nstate: {dir: state}\nsteps:\n"
				  "  events: {source: {nexmark: {events: 100, seed: 7}}}\n"
				  "  out: {from: events.bid, sink: {file: {path: out}}}\n";
	struct case_engine c;

	(void)state;
	started(&c, good);
	assert_int_equal(weir_engine_wait(c.e, 60 * WEIR_NS_PER_S, &c.err), 0);
	closed(&c);
	assert_int_equal(try_open(&c, other), WEIR_E_CONFIG); /* the journal's name */
	weir_region_fini(&c.region);
	assert_true(try_open(&c, deaf) < 0); /* a connector */
	weir_region_fini(&c.region);
	assert_true(try_open(&c, odd) < 0); /* state that means something else */
	weir_region_fini(&c.region);
	setenv("WEIR_DISK", "none", 1);
	assert_int_equal(try_open(&c, good), WEIR_E_CONFIG); /* the disk */
	unsetenv("WEIR_DISK");
	weir_region_fini(&c.region);
	started(&c, good);
	assert_true(weir_engine_had_ended(c.e));
	assert_int_equal(weir_engine_wait(c.e, 60 * WEIR_NS_PER_S, &c.err), 0);
	closed(&c);
}

/* A wait comes back when its time is over, and only then. */
static void test_cell_thread_wait_has_a_limit(void **state)
{
	struct case_engine c;
	uint64_t from;

	(void)state;
	started(&c, "pipeline: p\nstate: {dir: state, epoch: 1ms}\nsteps:\n"
		    "  events: {source: {nexmark: {rate: 1000}}}\n"
		    "  out: {from: events.bid, sink: blackhole}\n");
	from = weir_mono_ns();
	assert_int_equal(weir_engine_wait(c.e, 50 * WEIR_NS_PER_MS, &c.err), 1);
	assert_true(weir_mono_ns() - from >= (uint64_t)(50 * WEIR_NS_PER_MS));
	assert_int_equal(weir_engine_wait(c.e, 0, &c.err), 1);
	closed(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(test_cell_thread_large_epochs_end_early),
	TEST(test_cell_thread_stop_is_heard),
	TEST(test_cell_thread_failed_opens),
	TEST(test_cell_thread_wait_has_a_limit),
};

WEIR_TEST_MAIN("cell_thread", tests)
