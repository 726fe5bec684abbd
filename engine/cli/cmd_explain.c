/* SPDX-License-Identifier: Apache-2.0 */
/* weir explain: what a pipeline becomes: graph, tasks, cores, rings, memory. */
#include "base/buf.h"
#include "base/num.h"
#include "engine/cli/cli.h"
#include "engine/cli/guarantee.h"
#include "engine/cli/regions.h"
#include "engine/core/sink_ops.h"

static const char usage[] =
	"usage: weir explain [options] FILE\n"
	"\n"
	"Shows how the pipeline would run here: chains of fused steps, tasks, workers, rings, memory.\n"
	"\n"
	"  --dot                a graph for graphviz: weir explain --dot FILE | dot -Tsvg\n" WEIR_CLI_REGIONS_USAGE
	"  --workers N          as for `weir run`\n"
	"  --topology TEXT      plan for another machine, an hwloc synthetic description such as\n"
	"                       \"package:2 numa:2 l3:1 core:8 pu:2\"\n"
	"  --allowed LIST       with --topology: only these cpus, as in 0-3,8\n"
	"  -o text|json\n"
	"  -h, --help\n";

/* Of struct weir_edge_in_options: what came and may not be applied yet, and what waits for the step behind. */
#define STAGING_BYTES ((uint64_t)4 << 20)
#define READY_BYTES ((uint64_t)4 << 20)

struct explain {
	const struct weir_pipeline *p;
	const struct weir_cluster *cluster; /* NULL: without */
	struct weir_engine_plan plan;
};

static void size_text(char *ret, size_t cap, uint64_t bytes)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;
	double v = (double)bytes;

	while (v >= 1024 && u + 1 < WEIR_COUNT_OF(unit)) {
		v /= 1024;
		u++;
	}
	snprintf(ret, cap, u && v < 10 ? "%.1f %s" : "%.0f %s", v, unit[u]);
}

static void print_inputs(const struct explain *x, const struct weir_step *s)
{
	for (uint32_t i = 0; i < s->input_count; i++) {
		const struct weir_step *from = &x->p->step[s->input[i].step];
		const char *port = from->port[s->input[i].port].name;

		printf("%s%s%s%s", i ? ", " : " from ", from->name, *port ? "." : "", port);
	}
}

static void print_chain(const struct explain *x, uint32_t c)
{
	const struct weir_chain *chain = &x->plan.tasks.chain[c];

	printf("chain %u, %u task%s:", c, chain->parallelism, chain->parallelism == 1 ? "" : "s");
	for (uint32_t i = 0; i < chain->parallelism; i++) {
		uint32_t w = x->plan.place.task_worker[chain->first_task + i];

		printf("%s worker %u (cpu %u)", i ? "," : "", w,
		       x->plan.topo.cpu[x->plan.place.worker_cpu[w]].os_index);
	}
	putchar('\n');
	for (uint32_t i = 0; i < chain->step_count; i++) {
		const struct weir_step *s = &x->p->step[chain->step[i]];

		printf("  %-20s %s", s->name, weir_step_kind_name(s->kind));
		print_inputs(x, s);
		putchar('\n');
	}
}

static void print_edges(const struct explain *x)
{
	char lane[32], back[32];

	size_text(lane, sizeof(lane), x->plan.lane_bytes);
	size_text(back, sizeof(back), x->plan.lane_back_bytes);
	for (uint32_t i = 0; i < x->plan.edge_count; i++) {
		const struct weir_edge_spec *s = &x->plan.edge[i];

		printf("edge %s: %s%s%s from %s to %s", x->p->step[s->step].name, s->of,
		       *s->port ? "." : "", s->port, s->from, s->to);
		if (s->keys)
			printf(", key groups %u to %u", s->key_first, s->key_last);
		printf(", rings of %s and %s\n", lane, back);
	}
}

/* Memory of each end beside its rings. */
static void print_edge_memory(const struct explain *x)
{
	static struct weir_edge_spec edge[WEIR_STEPS_MAX];
	uint32_t n = weir_regions_edges(x->p, edge, WEIR_COUNT_OF(edge));
	char a[32], b[32];

	if (n)
		printf("\nedges hold at most:\n");
	for (uint32_t i = 0; i < n; i++) {
		size_text(a, sizeof(a), edge[i].out ? x->cluster->buffer_bytes : STAGING_BYTES);
		size_text(b, sizeof(b), edge[i].out ? x->cluster->spill_bytes : READY_BYTES);
		printf(edge[i].out
			       ? "  %-20s buffer %s that %s has not confirmed; %s, in the journal, while "
				 "it cannot be reached\n"
			       : "  %-20s staging %s from %s, not committed there; ready %s, for the steps "
				 "behind\n",
		       x->p->step[edge[i].step].name, a, edge[i].out ? edge[i].to : edge[i].from,
		       b);
	}
}

static void print_text(const struct explain *x)
{
	const struct weir_tasks *t = &x->plan.tasks;
	char ring[32], total[32], scratch[32], huge[32];

	printf("pipeline %s\nmachine: %s\n\n", weir_pipeline_instance(x->p), x->plan.topo.summary);
	for (uint32_t c = 0; c < t->chain_count; c++)
		print_chain(x, c);
	if (t->link_count)
		printf("\n");
	for (uint32_t i = 0; i < t->link_count; i++) {
		const struct weir_link *l = &t->link[i];
		const struct weir_step *from = &x->p->step[l->from_step];
		const char *port = from->port[l->from_port].name;

		printf("rings %s%s%s -> %s: %u, %s\n", from->name, *port ? "." : "", port,
		       x->p->step[l->to_step].name, l->ring_count,
		       l->spread == WEIR_SPREAD_KEY	  ? "by key"
		       : l->spread == WEIR_SPREAD_FORWARD ? "one to one"
							  : "in turn");
	}
	print_edges(x);
	size_text(ring, sizeof(ring), x->plan.ring_bytes);
	size_text(total, sizeof(total), x->plan.ring_total);
	size_text(scratch, sizeof(scratch), x->plan.scratch_total);
	size_text(huge, sizeof(huge), x->plan.segment_huge_total);
	printf("\nworkers: %u%s\nmemory: %u rings of %s, %s (on 2 MiB pages, with the rings for taps: %s); "
	       "batches: at most %s; state grows with keys\n",
	       x->plan.place.worker_count,
	       x->plan.place.oversubscribed ? " (more than allowed cpus: not pinned)" : "",
	       t->ring_count, ring, total, huge, scratch);
	print_edge_memory(x);
	weir_guarantee_print(x->p);
}

static void print_dot(const struct explain *x)
{
	const struct weir_tasks *t = &x->plan.tasks;

	printf("digraph \"%s\" {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n",
	       weir_pipeline_instance(x->p));
	for (uint32_t c = 0; c < t->chain_count; c++) {
		printf("  subgraph cluster_%u {\n    label=\"chain %u, %u tasks\";\n", c, c,
		       t->chain[c].parallelism);
		for (uint32_t i = 0; i < t->chain[c].step_count; i++) {
			const struct weir_step *s = &x->p->step[t->chain[c].step[i]];

			printf("    \"%s\" [label=\"%s\\n%s\"];\n", s->name, s->name,
			       weir_step_kind_name(s->kind));
		}
		printf("  }\n");
	}
	for (uint32_t i = 0; i < x->p->step_count; i++) {
		const struct weir_step *s = &x->p->step[i];

		for (uint32_t k = 0; k < s->input_count; k++) {
			const struct weir_step *from = &x->p->step[s->input[k].step];

			printf("  \"%s\" -> \"%s\" [label=\"%s\"];\n", from->name, s->name,
			       from->port[s->input[k].port].name);
		}
	}
	printf("}\n");
}

static void print_json(const struct explain *x)
{
	const struct weir_tasks *t = &x->plan.tasks;

	printf("{\"pipeline\":\"%s\",", x->p->name);
	if (x->cluster)
		printf("\"cluster\":\"%s\",\"region\":\"%s\",\"edge_memory\":{\"buffer_bytes\":%llu,"
		       "\"spill_bytes\":%llu,\"staging_bytes\":%llu,\"ready_bytes\":%llu},",
		       x->p->cluster, x->p->region, (unsigned long long)x->cluster->buffer_bytes,
		       (unsigned long long)x->cluster->spill_bytes,
		       (unsigned long long)STAGING_BYTES, (unsigned long long)READY_BYTES);
	printf("\"machine\":\"%s\",\"workers\":[", x->plan.topo.summary);
	for (uint32_t w = 0; w < x->plan.place.worker_count; w++)
		printf("%s{\"worker\":%u,\"cpu\":%u}", w ? "," : "", w,
		       x->plan.topo.cpu[x->plan.place.worker_cpu[w]].os_index);
	printf("],\"chains\":[");
	for (uint32_t c = 0; c < t->chain_count; c++) {
		printf("%s{\"chain\":%u,\"steps\":[", c ? "," : "", c);
		for (uint32_t i = 0; i < t->chain[c].step_count; i++)
			printf("%s\"%s\"", i ? "," : "", x->p->step[t->chain[c].step[i]].name);
		printf("],\"task_workers\":[");
		for (uint32_t i = 0; i < t->chain[c].parallelism; i++)
			printf("%s%u", i ? "," : "",
			       x->plan.place.task_worker[t->chain[c].first_task + i]);
		printf("]}");
	}
	printf("],\"links\":[");
	for (uint32_t i = 0; i < t->link_count; i++)
		printf("%s{\"from\":\"%s\",\"output\":\"%s\",\"to\":\"%s\",\"spread\":\"%s\",\"rings\":%u}",
		       i ? "," : "", x->p->step[t->link[i].from_step].name,
		       x->p->step[t->link[i].from_step].port[t->link[i].from_port].name,
		       x->p->step[t->link[i].to_step].name, weir_spread_name(t->link[i].spread),
		       t->link[i].ring_count);
	printf("],\"guarantee\":\"%s\",\"ends\":[", weir_guarantee_name(x->p->state.guarantee));
	for (uint32_t i = 0, n = 0; i < x->p->step_count; i++) {
		enum weir_guarantee g;
		const char *text;

		if (weir_guarantee_of(x->p, &x->p->step[i], &g, &text))
			printf("%s{\"step\":\"%s\",\"guarantee\":\"%s\",\"rests_on\":\"%s\"}",
			       n++ ? "," : "", x->p->step[i].name, weir_guarantee_name(g), text);
	}
	printf("],\"edges\":[");
	for (uint32_t i = 0; i < x->plan.edge_count; i++) {
		const struct weir_edge_spec *e = &x->plan.edge[i];

		printf("%s{\"edge\":\"%016llx\",\"step\":\"%s\",\"of\":\"%s\",\"output\":\"%s\","
		       "\"from\":\"%s\",\"to\":\"%s\",\"direction\":\"%s\",\"key_first\":%u,"
		       "\"key_last\":%u}",
		       i ? "," : "", (unsigned long long)e->id, x->p->step[e->step].name, e->of,
		       e->port, e->from, e->to, e->out ? "out" : "in", e->key_first, e->key_last);
	}
	printf("],\"lane_bytes\":%llu,\"lane_back_bytes\":%llu,\"ring_bytes\":%llu,\"rings_bytes\":%llu,\"batches_bytes\":%llu,"
	       "\"segment_huge_bytes\":%llu,\"oversubscribed\":%s}\n",
	       (unsigned long long)x->plan.lane_bytes, (unsigned long long)x->plan.lane_back_bytes,
	       (unsigned long long)x->plan.ring_bytes, (unsigned long long)x->plan.ring_total,
	       (unsigned long long)x->plan.scratch_total,
	       (unsigned long long)x->plan.segment_huge_total,
	       x->plan.place.oversubscribed ? "true" : "false");
}

static int explain(const char *file, struct weir_engine_options *opt,
		   struct weir_cli_regions *regions, bool dot, bool json)
{
	struct explain x;
	struct weir_region region;
	struct weir_err err = {0};
	struct weir_pipeline *p;
	int r;

	weir_region_init(&region, &weir_heap_mem);
	r = weir_cli_cluster("explain", regions, true, json, &region);
	if (r == 0)
		r = weir_cli_load("explain", file, json, &region, &p);
	if (r == 0)
		r = weir_cli_region("explain", regions, file, json, &region, &p);
	if (r == 0) {
		x.p = p;
		x.cluster = opt->cluster = regions->cluster;
		opt->region = regions->region;
		r = weir_engine_plan(p, opt, &region, &x.plan, &err);
		if (r < 0)
			r = weir_cli_error(WEIR_EXIT_FAILED, "explain", "%s", err.text);
		else if (dot)
			print_dot(&x);
		else if (json)
			print_json(&x);
		else
			print_text(&x);
	}
	weir_region_fini(&region);
	return r;
}

int weir_cmd_explain(int argc, char **argv)
{
	static const struct option options[] = {{"dot", no_argument, NULL, 'd'},
						{"workers", required_argument, NULL, 'w'},
						{"cluster", required_argument, NULL, 'c'},
						{"region", required_argument, NULL, 'r'},
						{"topology", required_argument, NULL, 't'},
						{"allowed", required_argument, NULL, 'a'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	static struct weir_topo topo;
	struct weir_engine_options opt = {0};
	struct weir_cli_regions regions = {0};
	const char *topology = NULL, *allowed = NULL;
	struct weir_err err = {0};
	bool dot = false, json = false;
	uint64_t v;
	int c;

	while ((c = getopt_long(argc, argv, ":o:h", options, NULL)) >= 0) {
		switch (c) {
		case 'd':
			dot = true;
			break;
		case 'w':
			if (!weir_cli_count("explain", "--workers", optarg, 1, 1024, &v))
				return WEIR_EXIT_USAGE;
			opt.workers = (uint32_t)v;
			break;
		case 'c':
			regions.file = optarg;
			break;
		case 'r':
			regions.name = optarg;
			break;
		case 't':
			topology = optarg;
			break;
		case 'a':
			allowed = optarg;
			break;
		case 'o':
			if (!weir_cli_output("explain", optarg, &json))
				return WEIR_EXIT_USAGE;
			break;
		case 'h':
			fputs(usage, stdout);
			return WEIR_EXIT_OK;
		default:
			return weir_cli_bad_option("explain", c, argv);
		}
	}
	if (optind + 1 != argc)
		return weir_cli_usage("explain", "which pipeline file?");
	if (topology) {
		if (weir_topo_synthetic(topology, allowed, &topo, &err) < 0)
			return weir_cli_usage("explain", "--topology: %s", err.text);
		opt.topo = &topo;
	}
	return explain(argv[optind], &opt, &regions, dot, json);
}
