/* SPDX-License-Identifier: Apache-2.0 */
/* certs init, add, show: the private CA of a cluster and its regions' certificates. */
#include "gateway/edge/cmd_certs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/edge/certs.h"
#include "gateway/edge/certs_file.h"
#include "host/clock.h"
#include "host/cluster.h"
#include "host/heap.h"

enum { OK = 0, FAILED = 1, USAGE = 2, BAD_FILE = 3 };

static const char usage[] =
	"usage: weir certs init CLUSTER_FILE [--dir DIR] [--days N] [--force]\n"
	"       weir certs add REGION CLUSTER_FILE [--dir DIR] [--days N] [--force]\n"
	"       weir certs show CLUSTER_FILE [--dir DIR]\n"
	"\n"
	"init makes a private CA and a certificate with key for each region of the cluster file; add makes those of one region, for\n"
	"a region that is new, or with --force to renew them; show says what there is and exits with 1 when something is wrong.\n"
	"\n"
	"  --dir DIR   folder instead of the cluster file's `certs`\n"
	"  --days N    how long the regions' certificates are valid (365); the CA is for 10 years or as long as they are\n"
	"  --force     replace what is there (init: then all regions need their new files)\n"
	"\n"
	"A gateway needs ca.pem, REGION.pem and REGION.key. ca.key makes certificates: keep it where nobody else reads it.\n"
	"\n"
	"Exit: 0 done, 1 failed, 2 usage, 3 the cluster file is wrong.\n";

struct args {
	const char *verb, *region, *file, *dir;
	uint32_t days;
	bool force;
	const struct weir_cluster *cluster;
};

static int complain(int code, const char *text)
{
	fprintf(stderr, "weir certs: %s\n", text);
	return code;
}

static int misuse(const char *text)
{
	complain(USAGE, text);
	fprintf(stderr, "`weir certs --help` says more\n");
	return USAGE;
}

static void wrote(const char *dir, const char *name)
{
	printf("wrote %s/%s.pem and %s.key\n", dir, name, name);
}

static int make_region(const struct args *a, const char *region)
{
	struct weir_err err = {0};

	if (weir_certs_make_region(a->dir, a->cluster->name, region, a->days, a->force, &err) < 0)
		return complain(FAILED, err.text);
	wrote(a->dir, region);
	return OK;
}

static int init(const struct args *a)
{
	const struct weir_cluster *c = a->cluster;
	struct weir_err err = {0};
	int r = weir_certs_folder(a->dir, &err);

	/* All or nothing, as far as that can be seen before. */
	if (r == 0)
		r = weir_certs_absent(a->dir, "ca", a->force, &err);
	for (uint32_t i = 0; r == 0 && i < c->region_count; i++)
		r = weir_certs_absent(a->dir, c->region[i].name, a->force, &err);
	if (r == 0)
		r = weir_certs_make_ca(a->dir, c->name, a->days, a->force, &err);
	if (r < 0)
		return complain(FAILED, err.text);
	wrote(a->dir, "ca");
	for (uint32_t i = 0; i < c->region_count; i++)
		if (make_region(a, c->region[i].name))
			return FAILED;
	return OK;
}

static int add(const struct args *a)
{
	char text[256];

	if (weir_cluster_find(a->cluster, weir_str_c(a->region)) < 0) {
		snprintf(text, sizeof(text), "%.150s has no region `%.50s`", a->file, a->region);
		return complain(FAILED, text);
	}
	return make_region(a, a->region);
}

static void day(char *ret, size_t cap, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(ret, cap, "%Y-%m-%d", &tm);
}

/* One line about a certificate; false: something is wrong with it. */
static bool show_one(const struct args *a, const char *name)
{
	struct weir_certs_info i;
	struct weir_err err = {0};
	int64_t now = weir_wall_ns() / WEIR_NS_PER_S;
	char from[16], until[16];
	const char *wrong = NULL;

	if (weir_certs_read(a->dir, name, &i, &err) < 0) {
		printf("%-16s %s\n", name, err.text);
		return false;
	}
	if (now >= i.until_s)
		wrong = "it has expired";
	else if (now < i.from_s)
		wrong = "it is not valid yet";
	else if (!i.signed_by_ca)
		wrong = "it is not signed by ca.pem";
	else if (!i.ca && (strcmp(i.id.cluster, a->cluster->name) || strcmp(i.id.region, name)))
		wrong = "it is for another region or cluster";
	else if (i.open)
		wrong = "others may read its key: chmod 600";
	else if (!i.key && !i.ca)
		wrong = "its key is not here, or another one";
	day(from, sizeof(from), i.from_s);
	day(until, sizeof(until), i.until_s);
	printf("%-16s %s to %s, %lld days left: %s\n", name, from, until,
	       (long long)(i.until_s > now ? (i.until_s - now) / (24 * 3600) : 0),
	       wrong   ? wrong
	       : i.key ? "fine"
		       : "fine; its key is not here");
	return !wrong;
}

static int show(const struct args *a)
{
	bool fine = show_one(a, "ca");

	for (uint32_t i = 0; i < a->cluster->region_count; i++)
		fine &= show_one(a, a->cluster->region[i].name);
	return fine ? OK : FAILED;
}

static int run(struct args *a)
{
	struct weir_region region;
	struct weir_cluster *cluster = NULL;
	struct weir_diags diags;
	struct weir_err err = {0};
	int r;

	weir_region_init(&region, &weir_heap_mem);
	weir_diags_init(&diags, &region);
	r = weir_cluster_load(a->file, &region, &cluster, &diags, &err);
	for (uint32_t i = 0; i < diags.count; i++)
		fprintf(stderr, "%s:%u:%u: %s\n", a->file, diags.diag[i].pos.line,
			diags.diag[i].pos.column, diags.diag[i].text);
	if (r < 0) {
		r = diags.count ? BAD_FILE : complain(BAD_FILE, err.text);
	} else if (!a->dir && !cluster->certs[0]) {
		r = misuse("the cluster file names no `certs` folder: give --dir");
	} else {
		a->cluster = cluster;
		if (!a->dir)
			a->dir = cluster->certs;
		r = !strcmp(a->verb, "init") ? init(a) : !strcmp(a->verb, "add") ? add(a) : show(a);
	}
	weir_region_fini(&region);
	return r;
}

static bool parse_days(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*ret = (uint32_t)n;
	return *text >= '0' && *text <= '9' && !*end && n >= 1 && n <= WEIR_CERTS_DAYS_MAX;
}

int weir_cmd_certs(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'},
		{"days", required_argument, NULL, 'n'},
		{"force", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct args a = {.days = WEIR_CERTS_DAYS};
	int c, left;

	optind = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			a.dir = optarg;
			break;
		case 'n':
			if (!parse_days(optarg, &a.days))
				return misuse("--days is a number from 1 to 36500");
			break;
		case 'f':
			a.force = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return OK;
		default:
			return misuse("that is no option of it");
		}
	}
	left = argc - optind;
	a.verb = left > 0 ? argv[optind] : "";
	if (!strcmp(a.verb, "add") && left == 3) {
		a.region = argv[optind + 1];
		a.file = argv[optind + 2];
	} else if ((!strcmp(a.verb, "init") || !strcmp(a.verb, "show")) && left == 2) {
		a.file = argv[optind + 1];
	} else {
		fputs(usage, stderr);
		return USAGE;
	}
	return run(&a);
}
