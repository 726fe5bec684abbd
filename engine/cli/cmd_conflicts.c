/* SPDX-License-Identifier: Apache-2.0 */
/* weir conflicts: writes to a table that lost against one of another region. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/cli/state_rows.h"

#define POLL_MS 500

static const char usage[] =
	"usage: weir conflicts [options] [PIPELINE] STEP\n"
	"\n"
	"Lists the conflicts that a table step of a running pipeline has seen: writes of several regions at\n"
	"the same time, of which one was kept. Oldest first.\n"
	"\n"
	"  -p, --pipeline NAME  which pipeline (default: the only one that runs here)\n"
	"  --limit N            at most N (default 100)\n"
	"  --field NAME         only of this field\n"
	"  --key KEY            only of this key, as in `weir state`\n"
	"  --follow             then wait for new ones, until interrupted; without --limit all are shown\n"
	"  -o text|json         json: one object; with --follow one for each conflict\n"
	"  -h, --help\n"
	"\n"
	"Exit: 0, 1 when there is no answer.\n";

struct args {
	const char *pipeline, *step, *field, *key;
	uint64_t limit;
	bool follow, json;
};

static json_t *request(const struct args *a)
{
	json_t *req = json_pack("{s:s, s:s}", "cmd", "conflicts", "step", a->step);

	if (req && a->field)
		json_object_set_new(req, "field", json_string(a->field));
	if (req && a->key)
		json_object_set_new(req, "key", json_string(a->key));
	return req;
}

static void print_each(const struct args *a, const json_t *rows, bool head)
{
	if (a->json) {
		for (size_t i = 0; i < json_array_size(rows); i++)
			weir_rows_json(stdout, json_array_get(rows, i));
	} else if (json_array_size(rows)) {
		weir_rows_print(stdout, rows, head);
	}
	fflush(stdout);
}

/* Rows as they come, `limit` at most. */
static int follow(int fd, const struct args *a, const json_t *req)
{
	const struct timespec nap = {.tv_nsec = POLL_MS * WEIR_NS_PER_MS};
	struct weir_err err = {0};
	uint64_t shown = 0;
	char *next = NULL;

	for (;;) {
		json_t *answer =
			weir_rows_ask(fd, req, WEIR_MIN(a->limit - shown, 10000u), &next, &err);
		size_t n;

		if (!answer)
			break;
		n = json_array_size(json_object_get(answer, "rows"));
		print_each(a, json_object_get(answer, "rows"), shown == 0);
		json_decref(answer);
		shown += n;
		if (shown >= a->limit)
			break;
		if (n == 0)
			nanosleep(&nap, NULL);
	}
	free(next);
	/* The pipeline ended: so does this, as a tap does. */
	if (err.code == WEIR_E_REJECT)
		return weir_cli_error(WEIR_EXIT_FAILED, "conflicts", "%s", err.text);
	return WEIR_EXIT_OK;
}

static int once(int fd, const struct args *a, const json_t *req)
{
	struct weir_err err = {0};
	char *next = NULL;
	json_t *answer = weir_rows_ask(fd, req, a->limit, &next, &err);

	free(next);
	if (!answer)
		return weir_cli_error(WEIR_EXIT_FAILED, "conflicts", "%s", err.text);
	if (a->json) {
		weir_rows_json(stdout, answer);
	} else {
		weir_rows_title(stdout, answer);
		weir_rows_print(stdout, json_object_get(answer, "rows"), true);
	}
	if (json_is_true(json_object_get(answer, "more")))
		fprintf(stderr, "weir conflicts: there are more: --limit N\n");
	json_decref(answer);
	return WEIR_EXIT_OK;
}

static int parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {{"pipeline", required_argument, NULL, 'p'},
						{"limit", required_argument, NULL, 'n'},
						{"field", required_argument, NULL, 'F'},
						{"key", required_argument, NULL, 'k'},
						{"follow", no_argument, NULL, 'f'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int c;

	while ((c = getopt_long(argc, argv, ":o:p:h", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			a->pipeline = optarg;
			break;
		case 'n':
			if (!weir_cli_count("conflicts", "--limit", optarg, 1, WEIR_ROWS_MAX,
					    &a->limit))
				return WEIR_EXIT_USAGE;
			break;
		case 'F':
			a->field = optarg;
			break;
		case 'k':
			a->key = optarg;
			break;
		case 'f':
			a->follow = true;
			break;
		case 'o':
			if (!weir_cli_output("conflicts", optarg, &a->json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			return weir_cli_bad_option("conflicts", c, argv);
		}
	}
	return WEIR_EXIT_OK;
}

int weir_cmd_conflicts(int argc, char **argv)
{
	struct weir_err err = {0};
	struct args a = {.limit = 0};
	int r = parse(argc, argv, &a), fd;
	json_t *req;

	if (r)
		return r < 0 ? WEIR_EXIT_OK : r;
	if (argc - optind == 2 && !a.pipeline)
		a.pipeline = argv[optind++];
	if (argc - optind != 1)
		return weir_cli_usage("conflicts", "which step?");
	a.step = argv[optind];
	if (!a.limit)
		a.limit = a.follow ? UINT64_MAX : WEIR_ROWS_DEFAULT;
	req = request(&a);
	if (!req)
		return weir_cli_usage("conflicts", "`%s` is no step name", a.step);
	fd = weir_client_connect(a.pipeline, &err);
	if (fd < 0) {
		r = weir_cli_error(WEIR_EXIT_FAILED, "conflicts", "%s", err.text);
	} else {
		r = a.follow ? follow(fd, &a, req) : once(fd, &a, req);
		close(fd);
	}
	json_decref(req);
	return r;
}
