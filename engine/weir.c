/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir: the command line. Verbs that look at running pipelines are done here, the others by the program
 * they belong to, which stands beside this one (or in PATH).
 */
#include <errno.h>
#include <unistd.h>

#include "engine/cli/cli.h"

static const struct weir_verb own[] = {
	{"status", weir_cmd_status, "what runs on this host, and how it does"},
	{"top", weir_cmd_top, "rates, busy shares, ring fill and bottleneck, live"},
	{"tap", weir_cmd_tap, "print the records a step emits"},
	{"state", weir_cmd_state, "what a step keeps, by key"},
	{"conflicts", weir_cmd_conflicts, "writes to a table that lost against another region's"},
	{"epochs", weir_cmd_epochs, "how far epochs are: live, or in a state directory"},
	{"verify", weir_cmd_verify, "check a state directory, and repair what is safe"},
};

static const struct {
	const char *verb, *program, *help;
	bool whole; /* the program is the verb: it gets no verb of its own */
} forward[] = {
	{"run", "weir-engine", "run a pipeline in the foreground", false},
	{"check", "weir-engine", "check pipeline files", false},
	{"explain", "weir-engine", "show how a pipeline would run: tasks, cores, rings", false},
	{"generate", "weir-engine", "write Nexmark events to a file", false},
	{"certs", "weir-gateway", "make and show the certificates of a cluster's regions", false},
	{"sim", "weir-sim", "run a pipeline under simulated crashes and faults", true},
	{"gateway", "weir-gateway", "join this region with the others", true},
	{"lab", "weir-lab", "regions as network namespaces on this machine", true},
	{"rings", "weir-rings", "inspect shared-memory rings, live or from a copy", true},
};

static void help(FILE *f)
{
	fprintf(f, "usage: weir VERB ...\n\nweir %s: data streams across regions\n\n",
		WEIR_VERSION);
	for (size_t i = 0; i < WEIR_COUNT_OF(forward); i++)
		fprintf(f, "  %-10s %s\n", forward[i].verb, forward[i].help);
	for (size_t i = 0; i < WEIR_COUNT_OF(own); i++)
		fprintf(f, "  %-10s %s\n", own[i].name, own[i].help);
	fprintf(f, "\n`weir VERB --help` says more; `weir --version` prints the version\n");
}

static int forward_to(size_t i, int argc, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char **args = forward[i].whole ? argv + 1 : argv;

	(void)argc;
	args[0] = (char *)(uintptr_t)forward[i].program;
	if (n > 0) {
		char *slash;

		path[n] = 0;
		slash = strrchr(path, '/');
		strcpy(slash + 1, forward[i].program);
		execv(path, args);
	}
	execvp(forward[i].program, args);
	fprintf(stderr, "weir: cannot start %s: %s\n", forward[i].program, strerror(errno));
	return WEIR_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return WEIR_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return WEIR_EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("weir %s (%s)\n", WEIR_VERSION, WEIR_VARIANT);
		return WEIR_EXIT_OK;
	}
	for (size_t i = 0; i < WEIR_COUNT_OF(own); i++)
		if (!strcmp(argv[1], own[i].name))
			return own[i].main(argc - 1, argv + 1);
	for (size_t i = 0; i < WEIR_COUNT_OF(forward); i++)
		if (!strcmp(argv[1], forward[i].verb))
			return forward_to(i, argc, argv);
	fprintf(stderr, "weir: unknown verb `%s`\n", argv[1]);
	help(stderr);
	return WEIR_EXIT_USAGE;
}
