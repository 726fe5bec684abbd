/* SPDX-License-Identifier: Apache-2.0 */
/* weir tap: look at the records a step emits, while it runs. */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/cli/cli.h"
#include "engine/cli/client.h"

static const char usage[] =
	"usage: weir tap [options] [PIPELINE] STEP[.OUTPUT]\n"
	"\n"
	"Prints what the step emits on OUTPUT (by default the first that is read), one JSON object a line,\n"
	"until interrupted. The pipeline is never slowed: when records come faster than they can be shown,\n"
	"some are left out.\n"
	"\n"
	"  --count N            end after N records\n"
	"  -o json|text         the same: records are JSON\n"
	"  -h, --help\n";

/* The answer line, then records. */
static int stream(int fd, const char *step, uint64_t count)
{
	struct weir_err err = {0};
	char command[256], buf[65536];
	bool first = true;
	FILE *in = fdopen(dup(fd), "r");

	snprintf(command, sizeof(command), "{\"cmd\":\"tap\",\"step\":\"%s\",\"count\":%llu}\n",
		 step, (unsigned long long)count);
	if (!in || send(fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "tap", "the pipeline ended");
	while (fgets(buf, sizeof(buf), in)) {
		if (first) {
			json_t *a = json_loads(buf, 0, NULL);
			const char *why = json_string_value(json_object_get(a, "error"));

			if (!json_is_true(json_object_get(a, "ok")))
				weir_err_set(&err, -1, "%s", why ? why : "refused");
			json_decref(a);
			if (err.code)
				break;
			first = false;
			continue;
		}
		fputs(buf, stdout);
		fflush(stdout);
	}
	fclose(in);
	return err.code ? weir_cli_error(WEIR_EXIT_FAILED, "tap", "%s", err.text) : WEIR_EXIT_OK;
}

int weir_cmd_tap(int argc, char **argv)
{
	static const struct option options[] = {
		{"count", required_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct weir_err err = {0};
	uint64_t count = 0;
	bool json;
	int c, fd, r;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		switch (c) {
		case 'n':
			if (!weir_cli_count("tap", "--count", optarg, 1, INT64_MAX, &count))
				return WEIR_EXIT_USAGE;
			break;
		case 'o':
			if (!weir_cli_output("tap", optarg, &json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		default:
			return weir_cli_bad_option("tap", c, argv);
		}
	}
	if (optind == argc || argc - optind > 2)
		return weir_cli_usage("tap", "which step?");
	if (strpbrk(argv[argc - 1], "\"\\") || strlen(argv[argc - 1]) > 2 * WEIR_NAME_MAX + 1)
		return weir_cli_usage("tap", "`%s` is no step name", argv[argc - 1]);
	fd = weir_client_connect(argc - optind == 2 ? argv[optind] : NULL, &err);
	if (fd < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "tap", "%s", err.text);
	r = stream(fd, argv[argc - 1], count);
	close(fd);
	return r;
}
