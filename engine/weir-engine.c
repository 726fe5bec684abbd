/* SPDX-License-Identifier: Apache-2.0 */
/* weir-engine: run, check, explain, generate. `weir` forwards to it. */
#include "base/assert.h"
#include "engine/cli/cli.h"

static const struct weir_verb verbs[] = {
	{"run", weir_cmd_run, "run a pipeline in the foreground"},
	{"check", weir_cmd_check, "check pipeline files"},
	{"explain", weir_cmd_explain, "show how a pipeline would run"},
	{"generate", weir_cmd_generate, "write Nexmark events to a file"},
};

static void on_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "weir-engine: assertion failed at %s:%d: %s\n", file, line, what);
}

static void help(FILE *f)
{
	fprintf(f, "usage: weir-engine VERB ...\n\n");
	for (size_t i = 0; i < WEIR_COUNT_OF(verbs); i++)
		fprintf(f, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	fprintf(f, "\n`weir-engine VERB --help` says more; --version prints the version\n");
}

int main(int argc, char **argv)
{
	weir_panic_set_hook(on_panic);
	if (argc < 2) {
		help(stderr);
		return WEIR_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return WEIR_EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("weir-engine %s (%s)\n", WEIR_VERSION, WEIR_VARIANT);
		return WEIR_EXIT_OK;
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].main(argc - 1, argv + 1);
	fprintf(stderr, "weir-engine: unknown verb `%s`\n", argv[1]);
	help(stderr);
	return WEIR_EXIT_USAGE;
}
