/* SPDX-License-Identifier: Apache-2.0 */
/* weir-lab: regions of a cluster as network namespaces on one machine, joined by an emulated wide-area network. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "host/heap.h"
#include "lab/lab.h"
#include "lab/space.h"

enum { OK = 0, FAILED = 1, USAGE = 2, BAD_FILE = 3 };

static const char usage[] =
	"usage: weir lab up CLUSTER [--wan FILE] [--seed N] [--foreground]\n"
	"       weir lab down CLUSTER\n"
	"       weir lab status CLUSTER\n"
	"       weir lab net CLUSTER COMMAND...\n"
	"       weir lab exec CLUSTER REGION [--] PROGRAM [ARG...]\n"
	"\n"
	"Regions of a cluster file as network namespaces on this machine, joined by an emulated wide-area network. Works as\n"
	"root, and without it where unprivileged namespaces are allowed. `down` leaves nothing behind, and so does a crash.\n"
	"\n"
	"  CLUSTER       the cluster file (its addresses must not be loopback), for all but `up` also its name\n"
	"  --wan FILE    commands, one a line; without it: published round trips between five public regions (20 to 320 ms)\n"
	"  --seed N      of what is lost, delayed, damaged\n"
	"\n"
	"COMMAND: PATHS key=value...   rtt delay jitter (40ms), loss dup reorder corrupt (1%), rate (10Mbit), limit (frames)\n"
	"         cut PATHS | heal PATHS | at DURATION COMMAND\n"
	"PATHS:   eu:us (from eu to us), eu,us (both ways), eu (all of eu's), all\n"
	"Exit: 0 fine, 1 it failed, 2 usage, 3 the cluster file is wrong. exec: the program's own.\n";

static int complain(int code, const char *text)
{
	fprintf(stderr, "weir lab: %s\n", text);
	return code;
}

static int bad_usage(const char *text)
{
	complain(USAGE, text);
	fprintf(stderr, "`weir lab --help` says how\n");
	return USAGE;
}

static int load(const char *file, struct weir_region *region, struct weir_cluster **ret)
{
	struct weir_diags diags = {0};
	struct weir_err err = {0};
	int r;

	weir_region_init(region, &weir_heap_mem);
	r = weir_cluster_load(file, region, ret, &diags, &err);
	if (r == 0)
		return OK;
	for (uint32_t i = 0; i < diags.count; i++)
		fprintf(stderr, "%s:%u:%u: %s\n", file, diags.diag[i].pos.line,
			diags.diag[i].pos.column, diags.diag[i].text);
	if (!diags.count)
		complain(FAILED, err.text);
	return diags.count ? BAD_FILE : FAILED;
}

/* The name of a cluster, as given, or from its file: a name has no dot and no slash. */
static int name_of(const char *arg, char *ret, size_t cap)
{
	struct weir_region region;
	struct weir_cluster *c;
	int r;

	if (!strpbrk(arg, "./")) {
		snprintf(ret, cap, "%s", arg);
		return OK;
	}
	r = load(arg, &region, &c);
	if (r == OK)
		snprintf(ret, cap, "%s", c->name);
	weir_region_fini(&region);
	return r;
}

static int ask(const char *arg, const char *request)
{
	char name[WEIR_NAME_MAX + 1];
	struct weir_err err;
	int r = name_of(arg, name, sizeof(name));

	if (r)
		return r;
	r = weir_lab_ask(name, request, stdout, &err);
	return r < 0 ? complain(r == WEIR_E_CONFIG ? USAGE : FAILED, err.text) : OK;
}

static int child(const struct weir_lab_start *s, int ready_fd, bool foreground)
{
	struct weir_err err;

	if (!foreground) {
		setsid();
		if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			return FAILED;
	}
	return weir_lab_daemon(s, ready_fd, &err) < 0 ? FAILED : OK;
}

static int up(int argc, char **argv)
{
	static const struct option options[] = {{"wan", required_argument, NULL, 'w'},
						{"seed", required_argument, NULL, 's'},
						{"foreground", no_argument, NULL, 'f'},
						{0}};
	struct weir_lab_start s = {0};
	struct weir_region region;
	struct weir_cluster *cluster;
	bool foreground = false;
	char said[512];
	int c, ready[2], r;
	ssize_t n;
	pid_t pid;

	while ((c = getopt_long(argc, argv, ":", options, NULL)) >= 0) {
		if (c == 'w')
			s.file = optarg;
		else if (c == 'f')
			foreground = true;
		else if (c != 's' || weir_parse_count(weir_str_c(optarg), &s.seed) < 0)
			return bad_usage("up CLUSTER [--wan FILE] [--seed N] [--foreground]");
	}
	if (optind + 1 != argc)
		return bad_usage("up: which cluster file?");
	r = load(argv[optind], &region, &cluster);
	if (r) {
		weir_region_fini(&region);
		return r;
	}
	s.cluster = cluster;
	if (pipe(ready) < 0 || (pid = fork()) < 0)
		return complain(FAILED, strerror(errno));
	if (pid == 0) {
		close(ready[0]);
		_exit(child(&s, ready[1], foreground));
	}
	close(ready[1]);
	n = read(ready[0], said, sizeof(said) - 1);
	said[WEIR_MAX(n, 0)] = 0;
	if (strcmp(said, "ok") != 0) {
		waitpid(pid, NULL, 0);
		weir_region_fini(&region);
		return complain(FAILED, n > 0 ? said : "the lab did not come up");
	}
	printf("%s: %u regions are up; weir lab exec %s REGION -- PROGRAM, weir lab down %s\n",
	       cluster->name, cluster->region_count, cluster->name, cluster->name);
	fflush(stdout);
	weir_region_fini(&region);
	return foreground ? (waitpid(pid, &r, 0) < 0 || r ? FAILED : OK) : OK;
}

static int down(const char *arg)
{
	char name[WEIR_NAME_MAX + 1];
	struct weir_err err;
	int r = ask(arg, "down");

	if (r || name_of(arg, name, sizeof(name)))
		return r;
	for (int i = 0; i < 100; i++) {
		if (weir_lab_ask(name, "pids", NULL, &err) == WEIR_E_UNKNOWN)
			return OK;
		usleep(50000);
	}
	return complain(FAILED, "it is still there after 5 s");
}

static int exec(int argc, char **argv)
{
	char name[WEIR_NAME_MAX + 1], text[4096] = "", region[32];
	struct weir_err err;
	FILE *f = fmemopen(text, sizeof(text), "w");
	int r = f ? name_of(argv[0], name, sizeof(name)) : FAILED, pid = 0, first = 2;

	if (r == OK && weir_lab_ask(name, "pids", f, &err) < 0)
		r = complain(FAILED, err.text);
	if (f)
		fclose(f);
	if (r)
		return r;
	for (char *line = strtok(text, "\n"); line && !pid; line = strtok(NULL, "\n"))
		if (sscanf(line, "%31s %d", region, &pid) != 2 || strcmp(region, argv[1]) != 0)
			pid = 0;
	if (!pid)
		return complain(USAGE, "no such region in this lab");
	if (argc > 2 && strcmp(argv[2], "--") == 0)
		first++;
	if (first >= argc)
		return bad_usage("exec: which program?");
	if (weir_lab_space_enter(pid, &err) < 0)
		return complain(FAILED, err.text);
	execvp(argv[first], argv + first);
	fprintf(stderr, "weir lab: cannot start %s: %s\n", argv[first], strerror(errno));
	return 127;
}

static int command(int argc, char **argv)
{
	char text[512];
	size_t n = 0;

	for (int i = 1; i < argc; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 1 ? " " : "",
				      argv[i]);
	if (n >= sizeof(text) - 1)
		return bad_usage("net: the command is too long");
	return ask(argv[0], text);
}

int main(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return OK;
	}
	if (argc < 3)
		return bad_usage("up, down, status, net or exec, and a cluster");
	if (!strcmp(argv[1], "up"))
		return up(argc - 1, argv + 1);
	if (!strcmp(argv[1], "down") && argc == 3)
		return down(argv[2]);
	if (!strcmp(argv[1], "status") && argc == 3)
		return ask(argv[2], "status");
	if (!strcmp(argv[1], "net") && argc > 3)
		return command(argc - 2, argv + 2);
	if (!strcmp(argv[1], "exec") && argc > 4)
		return exec(argc - 2, argv + 2);
	return bad_usage("up, down, status, net or exec");
}
