/* SPDX-License-Identifier: Apache-2.0 */
/* weir check: is a pipeline file right? */
#include "engine/cli/cli.h"

static const char usage[] =
	"usage: weir check [-o text|json] FILE...\n"
	"\n"
	"Checks pipeline files: syntax, names, types, expressions. Nothing runs, nothing is written.\n"
	"Exit: 0 all are right, 2 usage, 3 at least one is wrong.\n";

int weir_cmd_check(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	bool json = false;
	int c, worst = WEIR_EXIT_OK;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		}
		if (c != 'o')
			return weir_cli_bad_option("check", c, argv);
		if (!weir_cli_output("check", optarg, &json))
			return WEIR_EXIT_USAGE;
	}
	if (optind == argc)
		return weir_cli_usage("check", "which pipeline file?");
	for (int i = optind; i < argc; i++) {
		struct weir_region region;
		struct weir_pipeline *p;
		int r;

		weir_region_init(&region, &weir_heap_mem);
		r = weir_cli_load("check", argv[i], json, &region, &p);
		if (r)
			worst = r;
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
