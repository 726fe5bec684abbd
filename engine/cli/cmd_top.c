/* SPDX-License-Identifier: Apache-2.0 */
/* weir top: a running pipeline, looked at again and again. */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/cli/table.h"

static const char usage[] =
	"usage: weir top [options] [PIPELINE]\n"
	"\n"
	"Per step: records/s in and out, busy and blocked share of the time, fill of the fullest ring in\n"
	"front of it, watermark; and which step holds the others up.\n"
	"\n"
	"  --interval SECONDS   1 to 3600 (default 1)\n"
	"  --count N            end after N samples (default: until interrupted, or the pipeline ends)\n"
	"  -o text|json         json: one object a sample, totals as in `weir status`\n"
	"  -h, --help\n";

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static int watch(int fd, uint64_t interval, uint64_t count, bool json)
{
	bool tty = isatty(STDOUT_FILENO);
	struct weir_err err = {0};
	json_t *before = NULL;
	int r = 0;

	for (uint64_t i = 0; !interrupted && (!count || i <= count); i++) {
		struct timespec ts = {.tv_sec = (time_t)interval};
		json_t *now = weir_client_ask(fd, "{\"cmd\":\"status\"}\n", &err);

		if (!now) {
			if (i == 0)
				r = weir_cli_error(WEIR_EXIT_FAILED, "top", "%s", err.text);
			break; /* the pipeline came to its end while we looked */
		}
		if (json) {
			if (i) {
				json_dumpf(now, stdout, JSON_COMPACT);
				putchar('\n');
			}
		} else if (before) {
			if (tty)
				fputs("\033[H\033[2J", stdout);
			weir_table_print(stdout, now, before);
		}
		fflush(stdout);
		json_decref(before);
		before = now;
		if (!count || i < count)
			nanosleep(&ts, NULL);
	}
	json_decref(before);
	return r;
}

int weir_cmd_top(int argc, char **argv)
{
	static const struct option options[] = {{"interval", required_argument, NULL, 'i'},
						{"count", required_argument, NULL, 'n'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	struct sigaction sa = {.sa_handler = on_interrupt};
	uint64_t interval = 1, count = 0;
	struct weir_err err = {0};
	bool json = false;
	int c, fd, r;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		switch (c) {
		case 'i':
			if (!weir_cli_count("top", "--interval", optarg, 1, 3600, &interval))
				return WEIR_EXIT_USAGE;
			break;
		case 'n':
			if (!weir_cli_count("top", "--count", optarg, 1, UINT64_MAX, &count))
				return WEIR_EXIT_USAGE;
			break;
		case 'o':
			if (!weir_cli_output("top", optarg, &json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		default:
			return weir_cli_bad_option("top", c, argv);
		}
	}
	if (argc - optind > 1)
		return weir_cli_usage("top", "one pipeline at a time");
	sigaction(SIGINT, &sa, NULL);
	fd = weir_client_connect(optind < argc ? argv[optind] : NULL, &err);
	if (fd < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "top", "%s", err.text);
	r = watch(fd, interval, count, json);
	close(fd);
	return r;
}
