/* SPDX-License-Identifier: Apache-2.0 */
/* weir status: what runs here, and how it does. */
#include <unistd.h>

#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/cli/table.h"

static const char usage[] =
	"usage: weir status [-o text|json] [PIPELINE...]\n"
	"\n"
	"Shows running pipelines of this host (all of them by default): totals since the start.\n"
	"Exit: 0, or 1 when one named does not run.\n";

/* 0, or 1 with the message printed. */
static int show(const char *name, bool json)
{
	struct weir_err err = {0};
	int fd = weir_client_connect(name, &err);
	json_t *a;

	if (fd < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "status", "%s", err.text);
	a = weir_client_ask(fd, "{\"cmd\":\"status\"}\n", &err);
	close(fd);
	if (!a)
		return weir_cli_error(WEIR_EXIT_FAILED, "status", "%s", err.text);
	if (json) {
		json_dumpf(a, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		weir_table_print(stdout, a, NULL);
	}
	json_decref(a);
	return 0;
}

int weir_cmd_status(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	static char name[256][64];
	bool json = false;
	size_t n, shown = 0;
	int c, worst = 0;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		}
		if (c != 'o')
			return weir_cli_bad_option("status", c, argv);
		if (!weir_cli_output("status", optarg, &json))
			return WEIR_EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++)
		worst |= show(argv[i], json);
	if (optind < argc)
		return worst;
	n = weir_client_list(name, WEIR_COUNT_OF(name));
	for (size_t i = 0; i < n; i++) {
		struct weir_err err;
		int fd = weir_client_connect(name[i], &err);

		if (fd < 0)
			continue; /* a socket left from a crash */
		close(fd);
		if (shown++ && !json)
			putchar('\n');
		worst |= show(name[i], json);
	}
	if (!shown && !json)
		printf("no pipeline runs on this host\n");
	return worst;
}
