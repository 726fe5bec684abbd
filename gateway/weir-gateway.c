/* SPDX-License-Identifier: Apache-2.0 */
/* weir-gateway: joins the engine of one region with the gateways of the others. `weir gateway` and `weir certs` forward to it. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "gateway/edge/cmd_certs.h"
#include "gateway/edge/loop.h"
#include "host/heap.h"
#include "host/log.h"

#define METRICS_DEFAULT "127.0.0.1:9465"

enum { OK = 0, FAILED = 1, USAGE = 2, BAD_FILE = 3 };

static const char usage[] =
	"usage: weir gateway --cluster FILE --region NAME [--gateway NAME] [options] PIPELINE\n"
	"       weir certs init|add|show ...\n"
	"\n"
	"Carries the edges of a pipeline between its engine on this host and the gateways of the other regions, over encrypted\n"
	"links with certificates on both sides. Holds nothing that could be lost: it may be killed and started again at any time.\n"
	"Waits for the engine and for peers that are not there.\n"
	"\n"
	"  --cluster FILE         the cluster file\n"
	"  --region NAME          of this host\n"
	"  --gateway NAME         which of the region's gateways this is; the first\n"
	"  --listen HOST:PORT     instead of the address in the cluster file\n"
	"  --metrics ADDR|off     serves /metrics, /livez and /readyz over HTTP there (default: 127.0.0.1:9465, or any\n"
	"                         free port when that one is taken)\n"
	"  --log-format logfmt|json, --log-level info|warn|error\n"
	"  --help, --version\n"
	"\n"
	"SIGHUP reads the certificates again, SIGTERM and SIGINT stop. Exit: 0 stopped, 1 failed, 2 usage, 3 the cluster file is wrong.\n";

static struct weir_loop *loop;

static void on_signal(int s)
{
	if (!loop)
		_exit(OK);
	if (s == SIGHUP)
		weir_loop_reload(loop);
	else
		weir_loop_stop(loop);
}

static void on_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "weir-gateway: assertion failed at %s:%d: %s\n", file, line, what);
}

static int complain(int code, const char *text)
{
	fprintf(stderr, "weir gateway: %s\n", text);
	if (code == USAGE)
		fprintf(stderr, "`weir gateway --help` says how\n");
	return code;
}

static int load(const char *file, struct weir_region *region, struct weir_cluster **ret)
{
	struct weir_diags diags = {0};
	struct weir_err err = {0};
	int r = weir_cluster_load(file, region, ret, &diags, &err);

	if (r == 0)
		return OK;
	for (uint32_t i = 0; i < diags.count; i++)
		fprintf(stderr, "%s:%u:%u: %s\n", file, diags.diag[i].pos.line,
			diags.diag[i].pos.column, diags.diag[i].text);
	return diags.count ? BAD_FILE : complain(FAILED, err.text);
}

struct arguments {
	const char *cluster, *region, *gateway, *listen, *metrics, *pipeline;
};

/* >= 0: exit code. */
static int arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"cluster", required_argument, NULL, 'c'},
		{"region", required_argument, NULL, 'r'},
		{"gateway", required_argument, NULL, 'g'},
		{"listen", required_argument, NULL, 'l'},
		{"metrics", required_argument, NULL, 'm'},
		{"log-format", required_argument, NULL, 'f'},
		{"log-level", required_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	static const char *const level[] = {"info", "warn", "error"};
	int c;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (c == 'h') {
			fputs(usage, stdout);
			return OK;
		}
		if (c == 'V') {
			printf("weir-gateway %s (%s)\n", WEIR_VERSION, WEIR_VARIANT);
			return OK;
		}
		if (c == 'c')
			a->cluster = optarg;
		else if (c == 'r')
			a->region = optarg;
		else if (c == 'g')
			a->gateway = optarg;
		else if (c == 'l')
			a->listen = optarg;
		else if (c == 'm')
			a->metrics = optarg;
		else if (c == 'f' && (!strcmp(optarg, "json") || !strcmp(optarg, "logfmt")))
			weir_log_format_json(!strcmp(optarg, "json"));
		else if (c == 'v') {
			uint32_t i = 0;

			while (i < WEIR_COUNT_OF(level) && strcmp(level[i], optarg) != 0)
				i++;
			if (i == WEIR_COUNT_OF(level))
				return complain(USAGE, "--log-level: info, warn or error");
			weir_log_level((enum weir_log_level)i);
		} else
			return complain(
				USAGE, c == 'f'
					       ? "--log-format: logfmt or json"
					       : "an option that is not known, or lacks its value");
	}
	if (!a->cluster || !a->region)
		return complain(USAGE, "--cluster FILE and --region NAME are needed");
	if (optind + 1 != argc)
		return complain(USAGE, "which pipeline?");
	a->pipeline = argv[optind];
	return -1;
}

static int choose(const struct arguments *a, const struct weir_cluster *c,
		  struct weir_loop_options *ret)
{
	int region = weir_cluster_find(c, weir_str_c(a->region)), gateway = 0;
	char text[300];

	if (region < 0) {
		snprintf(text, sizeof(text), "no region `%s` in %s", a->region, a->cluster);
		return complain(USAGE, text);
	}
	if (a->gateway)
		gateway = weir_cluster_gateway_find(&c->region[region], weir_str_c(a->gateway));
	if (gateway < 0 || !c->region[region].gateway_count) {
		snprintf(text, sizeof(text), "region `%s` has no gateway `%s` in %s", a->region,
			 a->gateway ? a->gateway : "", a->cluster);
		return complain(USAGE, text);
	}
	if (!*c->certs) {
		snprintf(text, sizeof(text),
			 "%s: `certs` names no folder; `weir certs init %s` makes one", a->cluster,
			 a->cluster);
		return complain(BAD_FILE, text);
	}
	*ret = (struct weir_loop_options){.cluster = c,
					  .region = (uint32_t)region,
					  .gateway = (uint32_t)gateway,
					  .pipeline = a->pipeline,
					  .listen = a->listen,
					  .metrics = a->metrics ? a->metrics : METRICS_DEFAULT,
					  .metrics_free = !a->metrics};
	if (!strcmp(ret->metrics, "off"))
		ret->metrics = NULL;
	return OK;
}

static int run(const struct weir_loop_options *o)
{
	struct sigaction a = {.sa_handler = on_signal};
	struct weir_err err;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	r = weir_loop_open(o, &loop, &err);
	if (r < 0)
		return complain(FAILED, err.text);
	r = weir_loop_run(loop, &err);
	if (r < 0)
		complain(FAILED, err.text);
	weir_loop_close(loop);
	return r < 0 ? FAILED : OK;
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	struct weir_loop_options o;
	struct weir_cluster *cluster;
	struct weir_region region;
	int r;

	weir_panic_set_hook(on_panic);
	if (argc > 1 && !strcmp(argv[1], "certs"))
		return weir_cmd_certs(argc - 1, argv + 1);
	r = arguments(argc, argv, &a);
	if (r >= 0)
		return r;
	weir_region_init(&region, &weir_heap_mem);
	r = load(a.cluster, &region, &cluster);
	if (r == OK)
		r = choose(&a, cluster, &o);
	if (r == OK)
		r = run(&o);
	weir_region_fini(&region);
	return r;
}
