/* SPDX-License-Identifier: Apache-2.0 */
/* weir verify: reads a whole state directory and says what is wrong with it. */
#include "base/buf.h"
#include "engine/cli/cli.h"
#include "engine/core/journal.h"
#include "engine/edge/disk.h"
#include "engine/edge/state_dir.h"

static const char usage[] =
	"usage: weir verify [--repair] [-o text|json] DIR\n"
	"\n"
	"Reads every unit of the state directory DIR, which no engine may be using, and checks place, lineage and bytes.\n"
	"Nothing is changed, unless --repair is given: then what is safe is done (bad copies are written again\n"
	"from good ones, a torn end above every commit is cleared, files that do not belong there are moved to\n"
	"quarantine/), and each action is printed. Nothing is ever deleted.\n"
	"\n"
	"Exit: 0 all committed epochs are there and whole, 1 they are not, 2 usage.\n";

struct show {
	bool json;
	uint32_t findings, actions;
	struct weir_buf b;
	char line[2048];
};

static const char *fault_name(unsigned f)
{
	static const char *const name[] = {"?", "torn", "damaged", "copy", "missing", "strange"};

	return f < WEIR_COUNT_OF(name) ? name[f] : name[0];
}

static void finding(void *ctx, const struct weir_journal_finding *f)
{
	struct show *s = ctx;

	if (!s->json) {
		printf("%-8s %s", fault_name(f->fault), f->file);
		if (f->bytes)
			printf(" offset %llu, %llu bytes", (unsigned long long)f->offset,
			       (unsigned long long)f->bytes);
		if (f->epoch_last)
			printf(", epochs %llu to %llu", (unsigned long long)f->epoch_first,
			       (unsigned long long)f->epoch_last);
		printf(": %s\n", f->text);
	} else {
		s->b.len = 0;
		weir_buf_lit(&s->b, "{\"fault\":");
		weir_buf_json_str(&s->b, weir_str_c(fault_name(f->fault)));
		weir_buf_lit(&s->b, ",\"file\":");
		weir_buf_json_str(&s->b, weir_str_c(f->file));
		weir_buf_printf(&s->b,
				",\"offset\":%llu,\"bytes\":%llu,\"epoch_first\":%llu,"
				"\"epoch_last\":%llu,\"text\":",
				(unsigned long long)f->offset, (unsigned long long)f->bytes,
				(unsigned long long)f->epoch_first,
				(unsigned long long)f->epoch_last);
		weir_buf_json_str(&s->b, weir_str_c(f->text));
		printf("%s%.*s}", s->findings ? "," : "", (int)s->b.len, s->b.p);
	}
	s->findings++;
}

static void action(void *ctx, const char *what)
{
	struct show *s = ctx;

	s->actions++;
	/* JSON is one document: actions go to the other stream. */
	fprintf(s->json ? stderr : stdout, "repaired %s\n", what);
}

static int verify(const char *path, bool repair, bool json)
{
	static struct show s;
	struct weir_disk_options d = {.read_only = !repair};
	struct weir_state_dir dir;
	struct weir_disk disk = {0};
	struct weir_err err = {0};
	int r = weir_state_dir_open(path, repair ? WEIR_STATE_DIR_REPAIR : WEIR_STATE_DIR_READ,
				    &dir, &err);

	if (r < 0)
		return weir_cli_error(WEIR_EXIT_FAILED, "verify", "%s", err.text);
	s.json = json;
	s.b = weir_buf_of(s.line, sizeof(s.line));
	r = weir_disk_open(path, &d, &disk, &err);
	if (json)
		printf("{\"findings\":[");
	if (r == 0)
		r = weir_journal_verify(&disk, &weir_heap_mem, repair, finding, action, &s, &err);
	if (json)
		printf("],\"ok\":%s}\n", r == 0 ? "true" : "false");
	else if (r == 0)
		printf("%s: all committed epochs are there and whole%s\n", path,
		       s.findings && !repair ? " (see above; --repair does what is safe)" : "");
	if (r < 0)
		r = weir_cli_error(WEIR_EXIT_FAILED, "verify", "%s: %s", path, err.text);
	weir_disk_close(&disk);
	weir_state_dir_close(&dir);
	return r;
}

int weir_cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {
		{"repair", no_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
	bool json = false, repair = false;
	int c;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			repair = true;
			break;
		case 'o':
			if (!weir_cli_output("verify", optarg, &json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		default:
			return weir_cli_bad_option("verify", c, argv);
		}
	}
	if (optind + 1 != argc)
		return weir_cli_usage("verify", "which state directory?");
	return verify(argv[optind], repair, json);
}
