/* SPDX-License-Identifier: Apache-2.0 */
/* weir check: is a pipeline file right? */
#include "base/buf.h"
#include "engine/cli/cli.h"
#include "engine/core/cell.h"
#include "engine/edge/regex.h"
#include "engine/edge/steps.h"

static const char usage[] =
	"usage: weir check [-o text|json] FILE...\n"
	"       weir check --against DIR [-o text|json] FILE\n"
	"\n"
	"Checks pipeline files: syntax, names, types, expressions. Nothing runs, nothing is written.\n"
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
		r = weir_steps_then(dir, p->name, region, then, name, &epoch, &err);
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

int weir_cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{"against", required_argument, NULL, 'a'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *dir = NULL;
	bool json = false;
	int c, worst = WEIR_EXIT_OK;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		}
		if (c == 'a') {
			dir = optarg;
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
	for (int i = optind; i < argc; i++) {
		struct weir_region region;
		struct weir_pipeline *p;
		int r;

		weir_region_init(&region, &weir_heap_mem);
		r = weir_cli_load("check", argv[i], json, &region, &p);
		if (r)
			worst = r;
		else if (dir)
			worst = against(dir, p, json, &region);
		else if (json)
			printf("{\"ok\":true,\"pipeline\":\"%s\",\"steps\":%u}\n", p->name,
			       p->step_count);
		else
			printf("%s: pipeline `%s` with %u steps is right\n", argv[i], p->name,
			       p->step_count);
		weir_region_fini(&region);
	}
	return worst;
}
