/* SPDX-License-Identifier: Apache-2.0 */
/* weir epochs: frontiers of a running pipeline, or the bundles in a state directory. */
#include <unistd.h>

#include "base/buf.h"
#include "base/time.h"
#include "engine/cli/cli.h"
#include "engine/cli/client.h"
#include "engine/core/bundle.h"
#include "engine/core/journal.h"
#include "engine/edge/disk.h"
#include "engine/edge/state_dir.h"

static const char usage[] =
	"usage: weir epochs [-o text|json] [PIPELINE]\n"
	"       weir epochs [-o text|json] --dir DIR\n"
	"\n"
	"Of a running pipeline: how far its epochs are (open, aligned, durable, covered by a base), the journal, and\n"
	"the cursor of each sink. With --dir: the committed bundles of a state directory that nobody uses.\n"
	"Exit: 0, or 1 when it does not run, or the directory is damaged.\n";

/* ---- live ---- */

static double num(json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_live(json_t *status, json_t *x)
{
	char a[24], w[24];
	json_t *sinks = json_object_get(x, "sinks"), *s;
	size_t i;

	if (!json_is_true(json_object_get(x, "kept"))) {
		printf("%s keeps no state (guarantee: none)\n", text(status, "pipeline"));
		return;
	}
	printf("%s  %s  state %s  (%s)\n", text(status, "pipeline"), text(x, "guarantee"),
	       text(x, "state"), text(x, "disk"));
	printf("fence %.0f  open %.0f  aligned %.0f  durable %.0f  covered %.0f%s%s\n",
	       num(x, "fence"), num(x, "open"), num(x, "aligned"), num(x, "durable"),
	       num(x, "covered"), json_is_true(json_object_get(x, "hold")) ? "  input held" : "",
	       json_is_true(json_object_get(x, "space_low")) ? " (disk nearly full)" : "");
	weir_cli_number(a, sizeof(a), num(x, "last_bundle_bytes"));
	weir_cli_number(w, sizeof(w), num(x, "journal_live_bytes"));
	printf("bundles %.0f  folded %.0f  last %s bytes  align %.1f ms  commit %.1f ms  a recovery reads %s "
	       "bytes\n",
	       num(x, "bundles"), num(x, "folded"), a, num(x, "align_ns") / 1e6,
	       num(x, "commit_ns") / 1e6, w);
	if (json_array_size(sinks))
		printf("%-24s %5s %12s %8s %12s\n", "SINK", "TASK", "CURSOR", "WAITING", "BYTES");
	json_array_foreach(sinks, i, s)
		printf("%-24.24s %5.0f %12.0f %8.0f %12.0f%s\n", text(s, "step"), num(s, "task"),
		       num(s, "cursor"), num(s, "waiting_epochs"), num(s, "waiting_bytes"),
		       json_is_true(json_object_get(s, "unknown")) ? "  outcome unknown" : "");
}

static int live(const char *name, bool json)
{
	struct weir_err err = {0};
	int fd = weir_client_connect(name, &err);
	json_t *a, *x;

	if (fd < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "epochs", "%s", err.text);
	a = weir_client_ask(fd, "{\"cmd\":\"status\"}\n", &err);
	close(fd);
	if (!a)
		return weir_cli_error(WEIR_EXIT_FAILED, "epochs", "%s", err.text);
	x = json_object_get(a, "epochs");
	if (json) {
		json_dumpf(x, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_live(a, x);
	}
	json_decref(a);
	return WEIR_EXIT_OK;
}

/* ---- at rest ---- */

struct list {
	bool json;
	uint64_t count;
	struct weir_bundle_head *head;
	struct weir_err *err;
};

static int print_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *bundle)
{
	struct list *l = ctx;
	size_t bytes = weir_reader_left(bundle);
	uint64_t kind_bytes[WEIR_PART_SINK + 1] = {0};
	char when[64];
	struct weir_buf b = weir_buf_of(when, sizeof(when) - 1);
	struct weir_part part;
	int r = weir_bundle_head_read(bundle, l->head, l->err);

	if (r < 0)
		return r;
	while ((r = weir_bundle_part_read(bundle, l->head, &part, l->err)) > 0)
		kind_bytes[part.kind] += weir_reader_left(&part.in);
	if (r < 0)
		return r;
	weir_buf_time(&b, l->head->wall_ns);
	when[b.len] = 0;
	if (l->json)
		printf("%s{\"epoch\":%llu,\"fence\":%llu,\"time\":\"%s\",\"bytes\":%zu,\"state_bytes\":%llu,"
		       "\"sink_bytes\":%llu,\"folded_from\":%llu,\"ended\":%s}",
		       l->count ? "," : "", (unsigned long long)epoch, (unsigned long long)fence,
		       when, bytes, (unsigned long long)kind_bytes[WEIR_PART_NODE],
		       (unsigned long long)kind_bytes[WEIR_PART_SINK],
		       (unsigned long long)l->head->folded_from,
		       l->head->flags & WEIR_BUNDLE_ENDED ? "true" : "false");
	else
		printf("%12llu %6llu %-30s %12zu %12llu %12llu%s\n", (unsigned long long)epoch,
		       (unsigned long long)fence, when, bytes,
		       (unsigned long long)kind_bytes[WEIR_PART_NODE],
		       (unsigned long long)kind_bytes[WEIR_PART_SINK],
		       l->head->flags & WEIR_BUNDLE_ENDED ? "  end of the input" : "");
	l->count++;
	return 0;
}

static int list_bundles(struct weir_journal *j, bool json, struct weir_region *region,
			struct weir_err *err)
{
	struct list l = {
		.json = json, .head = weir_region_new(region, struct weir_bundle_head), .err = err};
	int r;

	if (json)
		printf("{\"ok\":true,\"durable\":%llu,\"covered\":%llu,\"fence\":%llu,\"bundles\":[",
		       (unsigned long long)weir_journal_durable(j),
		       (unsigned long long)weir_journal_covered(j),
		       (unsigned long long)weir_journal_fence(j));
	else
		printf("%12s %6s %-30s %12s %12s %12s\n", "EPOCH", "FENCE", "TIME", "BYTES",
		       "STATE", "SINKS");
	r = weir_journal_replay(j, print_bundle, &l, err);
	if (json)
		printf("]}\n");
	return r;
}

static int at_rest(const char *path, bool json)
{
	static struct weir_journal_report rep;
	struct weir_journal_options o = {.read_only = true};
	struct weir_disk_options d = {.read_only = true};
	struct weir_state_dir dir;
	struct weir_disk disk = {0};
	struct weir_journal *j = NULL;
	struct weir_region region;
	struct weir_err err = {0};
	int r = weir_state_dir_open(path, WEIR_STATE_DIR_READ, &dir, &err);

	if (r < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "epochs", "%s", err.text);
	weir_region_init(&region, &weir_heap_mem);
	r = weir_disk_open(path, &d, &disk, &err);
	if (r == 0)
		r = weir_journal_open(&o, &disk, &weir_heap_mem, &j, &rep, &err);
	if (r == 0)
		r = list_bundles(j, json, &region, &err);
	if (r < 0)
		r = weir_cli_error(WEIR_EXIT_FAILED, "epochs",
				   "%s: %s (`weir verify %s` says more)", path, err.text, path);
	if (j)
		weir_journal_close(j);
	weir_disk_close(&disk);
	weir_state_dir_close(&dir);
	weir_region_fini(&region);
	return r;
}

int weir_cmd_epochs(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *dir = NULL;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		switch (c) {
		case 'd':
			dir = optarg;
			break;
		case 'o':
			if (!weir_cli_output("epochs", optarg, &json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		default:
			return weir_cli_bad_option("epochs", c, argv);
		}
	}
	if (optind + (dir ? 0 : 1) < argc)
		return weir_cli_usage("epochs", dir ? "--dir or a pipeline, not both"
						    : "one pipeline at a time");
	return dir ? at_rest(dir, json) : live(argv[optind], json);
}
