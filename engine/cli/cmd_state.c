/* SPDX-License-Identifier: Apache-2.0 */
/* weir state: what a step of a running pipeline keeps, by key. */
#include <stdlib.h>
#include <unistd.h>

#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/cli/state_rows.h"

#define KEYS_AT_ONCE 64
#define KEYS_BYTES 3000u /* in a line of a request, with all that JSON makes of them */

static const char usage[] =
	"usage: weir state get [options] STEP [KEY...]\n"
	"       weir state list [options] [PIPELINE] STEP\n"
	"\n"
	"Shows what a step of a running pipeline keeps: of an aggregate the open windows with what they\n"
	"would give now, of a table its rows. `get` shows keys, `list` all keys. Values are those of the\n"
	"moment: of the open epoch, which is not durable yet.\n"
	"\n"
	"A KEY of several fields is `a,b`, a field with a comma stands in double quotes, `\\N` is null. Of a\n"
	"step without key fields there is one state: `get` without a KEY.\n"
	"\n"
	"  -p, --pipeline NAME  which pipeline (default: the only one that runs here)\n"
	"  --limit N            list: at most N rows (default 100)\n"
	"  --prefix TEXT        list: keys whose first field begins so\n"
	"  -o text|json\n"
	"  -h, --help\n"
	"\n"
	"Exit: 0 (also when there is nothing of a key), 1 when there is no answer.\n";

struct args {
	const char *pipeline, *step, *prefix;
	char **key;
	int key_count;
	uint64_t limit;
	bool list, json;
};

/* Keys from *io_first on, as many as fit a request. NULL when one alone does not. */
static json_t *keys_of(const struct args *a, int *io_first)
{
	json_t *keys = json_array();
	size_t bytes = 0;

	while (*io_first < a->key_count && json_array_size(keys) < KEYS_AT_ONCE) {
		json_t *key = json_string(a->key[*io_first]);
		char *s = key ? json_dumps(key, JSON_ENCODE_ANY) : NULL;

		bytes += s ? strlen(s) + 1 : KEYS_BYTES + 1;
		free(s);
		if (bytes > KEYS_BYTES) {
			json_decref(key);
			break;
		}
		json_array_append_new(keys, key);
		++*io_first;
	}
	if (a->key_count && !json_array_size(keys)) {
		json_decref(keys);
		return NULL;
	}
	return keys;
}

static json_t *request(const struct args *a, json_t *keys)
{
	json_t *req = json_pack("{s:s, s:s}", "cmd", "state", "step", a->step);

	if (req && keys)
		json_object_set(req, "keys", keys);
	if (req && a->prefix && json_object_set_new(req, "prefix", json_string(a->prefix))) {
		json_decref(req);
		return NULL;
	}
	return req;
}

/* Rows of all keys, or of the list; *ret_next as the last request left it. */
static json_t *ask_all(int fd, const struct args *a, struct weir_err *err)
{
	json_t *all = NULL;
	int first = 0;

	do {
		json_t *keys = a->list ? NULL : keys_of(a, &first);
		json_t *req = a->list || keys ? request(a, keys) : NULL, *answer = NULL;
		char *next = NULL;

		if (!req)
			weir_err_set(err, WEIR_E_USAGE,
				     "a name or key is not UTF-8, or longer than %u bytes",
				     KEYS_BYTES);
		else
			answer = weir_rows_ask(fd, req, a->limit, &next, err);
		free(next);
		json_decref(req);
		json_decref(keys);
		if (!answer) {
			json_decref(all);
			return NULL;
		}
		if (all) {
			weir_rows_join(all, answer);
			json_decref(answer);
		} else {
			all = answer;
		}
	} while (!a->list && first < a->key_count);
	return all;
}

static int show(const struct args *a)
{
	struct weir_err err = {0};
	int fd = weir_client_connect(a->pipeline, &err);
	json_t *answer;

	if (fd < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "state", "%s", err.text);
	answer = ask_all(fd, a, &err);
	close(fd);
	if (!answer)
		return weir_cli_error(WEIR_EXIT_FAILED, "state", "%s", err.text);
	if (a->json) {
		weir_rows_json(stdout, answer);
	} else {
		weir_rows_title(stdout, answer);
		weir_rows_print(stdout, json_object_get(answer, "rows"), true);
	}
	if (json_is_true(json_object_get(answer, "more")))
		fprintf(stderr, "weir state: there are more: --limit N, or --prefix TEXT\n");
	json_decref(answer);
	return WEIR_EXIT_OK;
}

static int parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {{"pipeline", required_argument, NULL, 'p'},
						{"limit", required_argument, NULL, 'n'},
						{"prefix", required_argument, NULL, 'x'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int c;

	while ((c = getopt_long(argc, argv, ":o:p:h", options, NULL)) >= 0) {
		switch (c) {
		case 'p':
			a->pipeline = optarg;
			break;
		case 'n':
			if (!weir_cli_count("state", "--limit", optarg, 1, WEIR_ROWS_MAX,
					    &a->limit))
				return WEIR_EXIT_USAGE;
			break;
		case 'x':
			a->prefix = optarg;
			break;
		case 'o':
			if (!weir_cli_output("state", optarg, &a->json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			return weir_cli_bad_option("state", c, argv);
		}
	}
	return WEIR_EXIT_OK;
}

int weir_cmd_state(int argc, char **argv)
{
	struct args a = {.limit = 0};
	int r = parse(argc, argv, &a), at = optind;
	const char *verb = at < argc ? argv[at++] : "";

	if (r)
		return r < 0 ? WEIR_EXIT_OK : r;
	a.list = !strcmp(verb, "list");
	if (!a.list && strcmp(verb, "get"))
		return weir_cli_usage("state", "get or list?");
	if (!a.list && (a.limit || a.prefix))
		return weir_cli_usage("state", "--limit and --prefix belong to `list`");
	if (a.list && argc - at == 2 && !a.pipeline)
		a.pipeline = argv[at++];
	if (at == argc)
		return weir_cli_usage("state", "which step?");
	a.step = argv[at++];
	a.key = argv + at;
	a.key_count = argc - at;
	if (a.list && a.key_count)
		return weir_cli_usage("state", "`list` takes no keys: --prefix, or `get`");
	if (!a.limit)
		a.limit = a.list ? WEIR_ROWS_DEFAULT : WEIR_ROWS_MAX;
	return show(&a);
}
