/* SPDX-License-Identifier: Apache-2.0 */
/* weir check: is a pipeline file right? */
#include "base/buf.h"
#include "engine/cli/cli.h"
#include "engine/cli/regions.h"
#include "engine/core/cell.h"
#include "engine/edge/regex.h"
#include "engine/edge/steps.h"

static const char usage[] =
	"usage: weir check [--cluster FILE [--region NAME]] [-o text|json] FILE...\n"
	"       weir check --against DIR [--cluster FILE --region NAME] [-o text|json] FILE\n"
	"\n"
	"Checks pipeline files: syntax, names, types, expressions. Nothing runs, nothing is written.\n"
	"--cluster: checks the cluster file, and what each of its regions (or the one named) makes of the pipelines.\n"
	"--against: also says what a run of FILE on the state directory DIR would keep, convert and drop.\n"
	"Exit: 0 all are right, 1 state would be dropped (or DIR cannot be read), 2 usage, 3 at least one is wrong.\n";

static const char *const change_name[] = {"kept", "converted", "dropped", "new"};

static void print_change(const struct weir_state_change *c, bool json, bool first)
{
	char line[1024];
	struct weir_buf b = weir_buf_of(line, sizeof(line));

	if (!json) {
		printf("%-10s %-24s %s\n", change_name[c->what], c->step, c->text);
		return;
	}
	weir_buf_lit(&b, first ? "{\"step\":" : ",{\"step\":");
	weir_buf_json_str(&b, weir_str_c(c->step));
	weir_buf_printf(&b, ",\"state\":\"%s\",\"text\":", change_name[c->what]);
	weir_buf_json_str(&b, weir_str_c(c->text));
	weir_buf_char(&b, '}');
	fwrite(b.p, 1, b.len, stdout);
}

static int against(const char *dir, const struct weir_pipeline *p, bool json,
		   struct weir_region *region)
{
	static struct weir_state_change change[2 * WEIR_STEPS_MAX];
	static const char *name[WEIR_STEPS_MAX];
	struct weir_bundle_head *then = weir_region_new(region, struct weir_bundle_head);
	struct weir_bundle_head *now = weir_region_new(region, struct weir_bundle_head);
	struct weir_engine_options opt = {.regex = weir_regex_pcre2()};
	struct weir_err err = {0};
	uint64_t epoch;
	uint32_t n = 0, dropped = 0;
	int r = weir_steps_table(p, &opt, region, now, &err);

	if (r == 0)
		r = weir_steps_then(dir, weir_pipeline_instance(p), region, then, name, &epoch,
				    &err);
	if (r < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "check", "%s: %s", dir, err.text);
	if (r == 0)
		memset(then, 0, sizeof(*then)); /* an empty directory: everything is new */
	n = weir_state_compare(then, now, name, change, WEIR_COUNT_OF(change));
	if (json)
		printf("{\"ok\":true,\"pipeline\":\"%s\",\"epoch\":%llu,\"state\":[", p->name,
		       (unsigned long long)epoch);
	for (uint32_t i = 0; i < n; i++) {
		print_change(&change[i], json, i == 0);
		dropped += change[i].what == WEIR_STATE_DROPPED;
	}
	if (json)
		printf("]}\n");
	else if (dropped)
		printf("%s: `weir run` would refuse; with --drop-state it goes on without the state that is "
		       "dropped\n",
		       dir);
	return dropped ? WEIR_EXIT_FAILED : WEIR_EXIT_OK;
}

/* Of what runs in a region: steps of the file, and ends of edges. */
struct counts {
	uint32_t steps, out, in;
};

/* Ends of edges, and what a step was divided into, have names that no step of a file can have. */
static bool of_file(const struct weir_step *s)
{
	return !strpbrk(s->name, "@>=+");
}

static uint32_t file_steps(const struct weir_pipeline *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->step_count; i++)
		n += of_file(&p->step[i]);
	return n;
}

static struct counts count(const struct weir_pipeline *p)
{
	static struct weir_edge_spec edge[WEIR_STEPS_MAX];
	uint32_t n = weir_regions_edges(p, edge, WEIR_COUNT_OF(edge));
	struct counts c = {0};

	for (uint32_t i = 0; i < n; i++)
		++*(edge[i].out ? &c.out : &c.in);
	c.steps = file_steps(p);
	return c;
}

/* What each region makes of it; when one cannot, the others could not either, nearly always. */
static int print_regions(const struct weir_cli_regions *r, const char *file,
			 const struct weir_pipeline *p, bool json, struct weir_region *region)
{
	struct weir_pipeline *planned[WEIR_REGIONS_MAX];
	uint32_t first = r->name ? r->region : 0;
	uint32_t end = r->name ? first + 1 : r->cluster->region_count;

	for (uint32_t i = first; i < end; i++) {
		planned[i] = (struct weir_pipeline *)(uintptr_t)p;
		if (weir_cli_plan(r, i, file, json, region, &planned[i]))
			return WEIR_EXIT_FILE;
	}
	if (json)
		printf("{\"ok\":true,\"pipeline\":\"%s\",\"steps\":%u,\"cluster\":\"%s\",\"regions\":[",
		       p->name, file_steps(p), r->cluster->name);
	else
		printf("%s: pipeline `%s` with %u steps is right\n", file, p->name, file_steps(p));
	for (uint32_t i = first; i < end; i++) {
		const char *name = r->cluster->region[i].name;
		struct counts c = count(planned[i]);

		if (json)
			printf("%s{\"region\":\"%s\",\"steps\":%u,\"edges_out\":%u,\"edges_in\":%u}",
			       i > first ? "," : "", name, c.steps, c.out, c.in);
		else if (c.steps)
			printf("  %-15s %u step%s, edges: %u out, %u in\n", name, c.steps,
			       c.steps == 1 ? "" : "s", c.out, c.in);
		else
			printf("  %-15s nothing runs there\n", name);
	}
	if (json)
		printf("]}\n");
	return 0;
}

static int check(const struct weir_cli_regions *r, const char *file, const char *dir, bool json,
		 struct weir_region *region)
{
	struct weir_pipeline *p;
	int rc = weir_cli_load("check", file, json, region, &p);

	if (rc)
		return rc;
	if (!r->cluster && weir_regions_used(p))
		return weir_cli_needs_cluster("check", file);
	if (dir) {
		rc = weir_cli_region("check", r, file, json, region, &p);
		return rc ? rc : against(dir, p, json, region);
	}
	if (r->cluster)
		return print_regions(r, file, p, json, region);
	if (json)
		printf("{\"ok\":true,\"pipeline\":\"%s\",\"steps\":%u}\n", p->name, file_steps(p));
	else
		printf("%s: pipeline `%s` with %u steps is right\n", file, p->name, file_steps(p));
	return 0;
}

int weir_cmd_check(int argc, char **argv)
{
	static const struct option options[] = {{"against", required_argument, NULL, 'a'},
						{"cluster", required_argument, NULL, 'c'},
						{"region", required_argument, NULL, 'r'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct weir_cli_regions regions = {0};
	struct weir_region cluster;
	const char *dir = NULL;
	bool json = false;
	int c, worst = WEIR_EXIT_OK;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		}
		if (c == 'a' || c == 'c' || c == 'r') {
			*(c == 'a' ? &dir : c == 'c' ? &regions.file : &regions.name) = optarg;
			continue;
		}
		if (c != 'o')
			return weir_cli_bad_option("check", c, argv);
		if (!weir_cli_output("check", optarg, &json))
			return WEIR_EXIT_USAGE;
	}
	if (optind == argc)
		return weir_cli_usage("check", "which pipeline file?");
	if (dir && optind + 1 != argc)
		return weir_cli_usage("check", "--against: one pipeline file at a time");
	weir_region_init(&cluster, &weir_heap_mem);
	worst = weir_cli_cluster("check", &regions, dir != NULL, json, &cluster);
	if (worst)
		optind = argc;
	for (int i = optind; i < argc; i++) {
		struct weir_region region;
		int r;

		weir_region_init(&region, &weir_heap_mem);
		r = check(&regions, argv[i], dir, json, &region);
		if (r)
			worst = r;
		weir_region_fini(&region);
	}
	weir_region_fini(&cluster);
	return worst;
}
