/* SPDX-License-Identifier: Apache-2.0 */
/* weir-sim: runs seeds, says what was found. Exit: 0 nothing found, 1 an invariant failed, 2 wrong use. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "tests/sim/campaign.h"
#include "tests/sim/story.h"

/* Lives take and give back the same megabytes over and over: jemalloc keeps them for a second, and gives them away
 * in pieces. */
WEIR_API extern const char *malloc_conf;
const char *malloc_conf =
	"narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0,lg_extent_max_active_fit:24";

static const char usage[] =
	"usage: weir-sim [OPTION]... [PIPELINE]\n"
	"Lets a pipeline run through crashes, power cuts, damaged disks and lost answers, and looks\n"
	"whether anything is lost or doubled. Nothing of it is real: one thread, its own clock, disk and\n"
	"sinks in memory. No file is written. A seed, a number, decides everything, so that each run can\n"
	"be had again.\n"
	"\n"
	"PIPELINE is a pipeline file. It runs without faults first; then each seed must leave the same\n"
	"records in its sinks. Sources: file, memory, nexmark, with an end. Sinks of all kinds are replaced.\n"
	"Without PIPELINE the engine itself is tested, with a pipeline made up for each seed.\n"
	"\n"
	"  --seed N          one seed, in detail\n"
	"  --seeds A-B       these seeds (default: 1-100, with PIPELINE 1-20)\n"
	"  --time S          seeds from A on, for S seconds of CPU time\n"
	"  --regions N       so many regions, 3 to 16, with gateways and links between them\n"
	"  --once            each seed once; without it twice, and both must do the very same\n"
	"  --trace           every event as a line\n"
	"  --shrink          leaves faults of a failing seed out as long as it fails the same way,\n"
	"                    and prints the ones that are needed\n"
	"  -o json           the result as JSON\n"
	"  -h, --help        this text\n"
	"\n"
	"For work on the engine:\n"
	"  --list-probes     places in the code and situations, how often they were met, which never\n"
	"  --story NAME      a scripted run; prints what happens\n"
	"  --list-stories    their names\n"
	"  --plant NAME      with a bug planted on purpose (make VARIANT=planted): seeds until found\n"
	"  --plants          the same for all of them, as a table\n"
	"  --list-plants     their names\n"
	"\n"
	"Exit: 0 nothing found, 1 something was lost, doubled or stuck, 2 wrong use or a pipeline that\n"
	"cannot be simulated.\n";

static int bad_use(const char *what, const char *arg)
{
	fprintf(stderr, "weir-sim: %s: %s\nTry weir-sim --help.\n", what, arg);
	return 2;
}

static bool number(const char *text, uint64_t *ret, const char **ret_end)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_end = end;
	return end != text && errno == 0 && *text != '-';
}

static bool seeds(const char *text, struct sim_campaign *c)
{
	const char *end;

	if (!number(text, &c->first, &end))
		return false;
	c->last = c->first;
	if (*end == '-' && !number(end + 1, &c->last, &end))
		return false;
	return *end == 0 && c->last >= c->first;
}

static int list_plants(void)
{
	for (unsigned i = 1; i < WEIR_GATE_PLANT_END; i++)
		printf("%-20s %s\n", sim_plant_name(i), sim_plant_text(i));
	return 0;
}

/* Options with a value; <0: not one of them. */
static int with_value(struct sim_campaign *c, const char *opt, const char *value)
{
	const char *end;
	uint64_t n;

	if (strcmp(opt, "--seed") == 0 || strcmp(opt, "--seeds") == 0) {
		if (!value || !seeds(value, c))
			return bad_use("a number or A-B is needed behind", opt);
		c->detail = c->first == c->last;
		c->given = true;
	} else if (strcmp(opt, "--time") == 0) {
		if (!value || !number(value, &n, &end) || *end || !n)
			return bad_use("a number of seconds is needed behind", opt);
		c->seconds = n;
	} else if (strcmp(opt, "--regions") == 0) {
		if (!value || !number(value, &n, &end) || *end || n < 3 || n > 16)
			return bad_use("a number from 3 to 16 is needed behind", opt);
		c->regions = (uint32_t)n;
	} else if (strcmp(opt, "--plant") == 0) {
		c->plant = value ? sim_plant_find(value) : 0;
		if (!c->plant)
			return bad_use("no planted bug of this name", value ? value : "(none)");
	} else if (strcmp(opt, "--story") == 0) {
		c->story = value ? sim_story_find(value) : NULL;
		if (!c->story)
			return bad_use("no story of this name", value ? value : "(none)");
	} else if (strcmp(opt, "-o") == 0) {
		if (!value || strcmp(value, "json") != 0)
			return bad_use("-o knows only", "json");
		c->json = true;
	} else {
		return -1;
	}
	return 0;
}

static int parse(struct sim_campaign *c, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		int r;

		if (strcmp(a, "--once") == 0) {
			c->once = true;
		} else if (strcmp(a, "--trace") == 0) {
			c->trace = true;
		} else if (strcmp(a, "--shrink") == 0) {
			c->shrink = true;
		} else if (strcmp(a, "--plants") == 0) {
			c->plants = true;
		} else if (strcmp(a, "--list-probes") == 0) {
			c->probes = true;
		} else if (*a != '-') {
			if (c->pipeline)
				return bad_use("one pipeline at a time", a);
			c->pipeline = a;
		} else {
			r = with_value(c, a, i + 1 < argc ? argv[i + 1] : NULL);
			if (r < 0)
				return bad_use("unknown option", a);
			if (r > 0)
				return r;
			i++;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sim_campaign c = {.first = 1, .last = 100};
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--list-plants") == 0)
			return list_plants();
		if (strcmp(argv[i], "--list-stories") == 0)
			return sim_story_list();
	}
	r = parse(&c, argc, argv);
	if (r)
		return r;
	if (c.regions && (c.pipeline || c.story))
		return bad_use("has no regions", c.pipeline ? c.pipeline : "--story");
	if (c.pipeline && !c.given)
		c.last = 20;
	if (c.story)
		return sim_story_run(c.story, c.trace);
	if (c.plants)
		return sim_campaign_plants(&c);
	return sim_campaign_run(&c);
}
