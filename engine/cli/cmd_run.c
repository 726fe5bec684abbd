/* SPDX-License-Identifier: Apache-2.0 */
/* weir run: a pipeline at work in the foreground until its input ends or a signal says so. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/cli/cli.h"
#include "engine/cli/regions.h"
#include "engine/edge/control.h"
#include "engine/edge/engine_impl.h"
#include "host/log.h"
#include "engine/edge/metrics.h"
#include "engine/edge/regex.h"
#include "engine/edge/status.h"

#define METRICS_DEFAULT "127.0.0.1:9464"

static const char usage[] =
	"usage: weir run [options] FILE\n"
	"\n"
	"Runs the pipeline in FILE until its input ends. Its state is kept in a directory (`state` in the file, default\n"
	".weir/PIPELINE beside it): a run goes on where the last one stopped, however that ended. With a cluster file\n"
	"it runs what one region has to do, as PIPELINE@REGION; state is in the region's folder.\n"
	"SIGTERM or SIGINT stops: input stops, one more epoch is committed. With `guarantee: none` it drains: what is\n"
	"on the way is finished, windows fire with what they have. A second one stops at once.\n"
	"\n"
	"  --fresh              start over: the state directory is emptied, results of earlier runs are replaced\n"
	"  --state DIR          state directory (default: the file's)\n"
	"  --drop-state         go on although the state of changed or removed steps is lost\n" WEIR_CLI_REGIONS_USAGE
	"  --workers N          worker threads (default: the file's, else one per allowed core)\n"
	"  --idle adaptive|poll what a worker without work does (default adaptive: spin, yield, sleep)\n"
	"  --metrics ADDR|off   serve /metrics there (default: the file's, else 127.0.0.1:9464, or any free\n"
	"                       port when that one is taken; port 0 picks one)\n"
	"  --no-huge            do not look for huge pages\n"
	"  --no-pin             do not pin workers to cores\n"
	"  --segment PATH       keep the shared segment in a file (hugetlbfs or any) instead of a memfd\n"
	"  --progress           a line of progress each second (default on a terminal)\n"
	"  -q, --quiet          only warnings and errors\n"
	"  -o text|json         form of the summary at the end (on stderr)\n"
	"  --log-format logfmt|json\n"
	"  -h, --help\n"
	"\n"
	"Exit: 0 the input was processed or a signal stopped it well, 1 the work failed, 2 usage, 3 the file is wrong.\n";

struct run {
	struct weir_engine_options opt;
	struct weir_cli_regions regions;
	const char *file, *metrics_arg, *state_dir;
	bool json, quiet, progress;
	struct weir_region region;
	struct weir_pipeline *p;
	struct weir_engine *e;
	struct weir_control *control;
	struct weir_metrics *metrics;
	struct weir_engine_stats *stats;
	pthread_t signals;
};

static void *signal_main(void *arg)
{
	struct run *run = arg;
	sigset_t set;
	int sig, count = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1); /* the main thread: leave */
	while (sigwait(&set, &sig) == 0 && sig != SIGUSR1) {
		count++;
		weir_log(WEIR_LOG_WARN,
			 count > 1 ? "stopping at once"
			 : weir_engine_keeps_state(run->e)
				 ? "stopping after one more epoch; a second signal "
				   "stops at once"
				 : "draining; a second signal stops at once",
			 "pipeline", weir_pipeline_instance(run->p), NULL);
		weir_engine_stop(run->e, count > 1);
	}
	return NULL;
}

static int parse_idle(struct run *run, const char *arg)
{
	if (!strcmp(arg, "poll"))
		run->opt.idle = WEIR_IDLE_POLL;
	else if (!strcmp(arg, "adaptive"))
		run->opt.idle = WEIR_IDLE_ADAPTIVE;
	else
		return weir_cli_usage("run", "--idle %s: adaptive or poll", arg);
	return 0;
}

static int parse(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {{"fresh", no_argument, NULL, 'f'},
						{"workers", required_argument, NULL, 'w'},
						{"idle", required_argument, NULL, 'i'},
						{"metrics", required_argument, NULL, 'm'},
						{"no-huge", no_argument, NULL, 'H'},
						{"no-pin", no_argument, NULL, 'P'},
						{"segment", required_argument, NULL, 's'},
						{"state", required_argument, NULL, 'S'},
						{"drop-state", no_argument, NULL, 'D'},
						{"cluster", required_argument, NULL, 'c'},
						{"region", required_argument, NULL, 'r'},
						{"progress", no_argument, NULL, 'p'},
						{"quiet", no_argument, NULL, 'q'},
						{"log-format", required_argument, NULL, 'l'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	uint64_t v;
	int c;

	while ((c = getopt_long(argc, argv, ":qo:h", options, NULL)) >= 0) {
		switch (c) {
		case 'f':
			run->opt.fresh = true;
			break;
		case 'w':
			if (!weir_cli_count("run", "--workers", optarg, 1, 1024, &v))
				return WEIR_EXIT_USAGE;
			run->opt.workers = (uint32_t)v;
			break;
		case 'i':
			if (parse_idle(run, optarg))
				return WEIR_EXIT_USAGE;
			break;
		case 'm':
			run->metrics_arg = optarg;
			break;
		case 'H':
			run->opt.no_huge = true;
			break;
		case 'P':
			run->opt.no_pin = true;
			break;
		case 's':
			run->opt.segment_path = optarg;
			break;
		case 'S':
			run->state_dir = optarg;
			break;
		case 'D':
			run->opt.drop_state = true;
			break;
		case 'c':
			run->regions.file = optarg;
			break;
		case 'r':
			run->regions.name = optarg;
			break;
		case 'p':
			run->progress = true;
			break;
		case 'q':
			run->quiet = true;
			break;
		case 'o':
			if (!weir_cli_output("run", optarg, &run->json))
				return WEIR_EXIT_USAGE;
			break;
		case 'l':
			if (strcmp(optarg, "json") && strcmp(optarg, "logfmt"))
				return weir_cli_usage("run", "--log-format %s: logfmt or json",
						      optarg);
			weir_log_format_json(!strcmp(optarg, "json"));
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			return weir_cli_bad_option("run", c, argv);
		}
	}
	if (optind + 1 != argc)
		return weir_cli_usage("run", optind < argc ? "one pipeline file at a time"
							   : "which pipeline file?");
	run->file = argv[optind];
	return 0;
}

static void print_progress(struct run *run, uint64_t *last_in, uint64_t *last_ns, bool tty)
{
	char in[24], rate[24], out[24];
	struct weir_engine_stats *s = run->stats;

	weir_engine_stats_read(run->e, s);
	weir_cli_number(in, sizeof(in), (double)s->records_in);
	weir_cli_number(out, sizeof(out), (double)s->records_out);
	weir_cli_number(rate, sizeof(rate),
			(double)(s->records_in - *last_in) * 1e9 /
				(double)WEIR_MAX(s->mono_ns - *last_ns, (uint64_t)1));
	fprintf(stderr, "%s%s: %s records in (%s/s), %s out, %.0f s%s%s%s", tty ? "\r\033[K" : "",
		weir_pipeline_instance(run->p), in, rate, out,
		(double)(s->mono_ns - s->started_ns) / 1e9,
		s->bottleneck >= 0 ? ", waiting for " : "",
		s->bottleneck >= 0 ? run->p->step[s->bottleneck].name : "", tty ? "" : "\n");
	*last_in = s->records_in;
	*last_ns = s->mono_ns;
}

static void print_summary(struct run *run, int result)
{
	struct weir_engine_stats *s = run->stats;
	uint64_t late = 0, rejected = 0;
	double seconds;

	weir_engine_stats_read(run->e, s);
	seconds = (double)(s->ended_ns - s->started_ns) / 1e9;
	for (uint32_t i = 0; i < s->step_count; i++) {
		late += s->step[i].late;
		rejected += s->step[i].rejects;
	}
	if (run->json) {
		size_t cap = ((size_t)1 << 20) + (size_t)s->step_count * 1024;
		struct weir_buf b = weir_buf_of(weir_region_alloc(&run->region, cap), cap);

		weir_status_json(&b, run->e, s, "");
		weir_buf_char(&b, '\n');
		fwrite(b.p, 1, b.len, stderr);
		return;
	}
	fprintf(stderr, "%s: %s%llu records in, %llu out, %llu late, %llu rejected, %.2f s\n",
		weir_pipeline_instance(run->p), result ? "failed after " : "",
		(unsigned long long)s->records_in, (unsigned long long)s->records_out,
		(unsigned long long)late, (unsigned long long)rejected, seconds);
	for (uint32_t i = 0; i < s->step_count; i++)
		if (s->step[i].late &&
		    !run->p->step[i].port[WEIR_MAX(run->p->step[i].late_port, 0)].uses)
			fprintf(stderr,
				"%s: %llu late records were left out of step `%s`: raise "
				"`event_time.lateness` or read them from `%s.late`\n",
				weir_pipeline_instance(run->p), (unsigned long long)s->step[i].late,
				run->p->step[i].name, run->p->step[i].name);
}

static void wait_for_end(struct run *run, struct weir_err *err, int *ret_result)
{
	bool tty = isatty(STDERR_FILENO), show = !run->quiet && (tty || run->progress);
	uint64_t last_in = 0, last_ns = weir_mono_ns();
	bool shown = false;
	int r;

	while ((r = weir_engine_wait(run->e, WEIR_NS_PER_S, err)) == 1) {
		if (show)
			print_progress(run, &last_in, &last_ns, tty);
		shown = show;
	}
	if (shown && tty)
		fputs("\r\033[K", stderr);
	*ret_result = r;
}

/* Other input than the last time, perhaps: a file is the same one, a pipe is not. */
static bool reads_stdin(const struct weir_pipeline *p)
{
	for (uint32_t i = 0; i < p->step_count; i++)
		if (p->step[i].kind == WEIR_STEP_SOURCE &&
		    p->step[i].source.connector == WEIR_CONN_STDIO)
			return true;
	return false;
}

static void say_start(struct run *run)
{
	const struct weir_engine_plan *plan = weir_engine_plan_of(run->e);
	char tasks[16], workers[16], rings[16];

	snprintf(tasks, sizeof(tasks), "%u", plan->tasks.task_count);
	snprintf(workers, sizeof(workers), "%u", plan->place.worker_count);
	snprintf(rings, sizeof(rings), "%u", plan->tasks.ring_count);
	weir_log(WEIR_LOG_INFO, "running", "pipeline", weir_pipeline_instance(run->p), "tasks",
		 tasks, "workers", workers, "rings", rings, "memory",
		 weir_segment_backing_text(weir_engine_segment(run->e)), NULL);
	if (weir_engine_had_ended(run->e) && reads_stdin(run->p))
		weir_log(
			WEIR_LOG_WARN,
			"the input of this pipeline had ended in an earlier run: what stands on stdin now is "
			"not read; --fresh starts over",
			"pipeline", weir_pipeline_instance(run->p), NULL);
	else if (weir_engine_had_ended(run->e))
		weir_log(WEIR_LOG_INFO,
			 "an earlier run has processed the whole input; --fresh starts over",
			 "pipeline", weir_pipeline_instance(run->p), NULL);
	else if (weir_engine_keeps_state(run->e))
		weir_log(WEIR_LOG_INFO,
			 weir_engine_continued(run->e) ? "going on where the last run stopped"
						       : "keeping state",
			 "state", weir_engine_state_dir(run->e), "disk", weir_engine_disk(run->e),
			 NULL);
	if (run->metrics)
		weir_log(WEIR_LOG_INFO, "serving metrics", "address",
			 weir_metrics_address(run->metrics), NULL);
	for (uint32_t i = 0; i < run->p->step_count; i++)
		if (*weir_engine_address(run->e, i))
			weir_log(WEIR_LOG_INFO, "listening", "step", run->p->step[i].name,
				 "address", weir_engine_address(run->e, i), NULL);
	if (plan->place.oversubscribed)
		weir_log(WEIR_LOG_WARN,
			 "more workers than allowed cpus: workers are not pinned and share cores",
			 "workers", workers, NULL);
}

static int start(struct run *run, struct weir_err *err)
{
	const char *metrics = run->metrics_arg ? run->metrics_arg : run->p->metrics;
	/* First of all: sinks may replace files that belong to a pipeline of this name. */
	int r = weir_control_open(weir_pipeline_instance(run->p), &run->control, err);

	if (r == 0)
		r = weir_engine_open(run->p, &run->opt, &run->e, err);
	if (r < 0)
		return r;
	run->stats = weir_engine_stats_new(run->e, &run->region);
	if (!metrics) {
		/* Nobody asked: a taken port is no reason not to run. */
		r = weir_metrics_start(run->e, METRICS_DEFAULT, &run->metrics, err);
		if (r < 0)
			r = weir_metrics_start(run->e, "127.0.0.1:0", &run->metrics, err);
		if (r < 0)
			weir_log(WEIR_LOG_WARN, "no metrics", "reason", err->text, NULL);
	} else if (*metrics && strcmp(metrics, "off")) {
		r = weir_metrics_start(run->e, metrics, &run->metrics, err);
		if (r < 0)
			return r;
	}
	r = weir_control_serve(run->control, run->e, weir_metrics_address(run->metrics), err);
	if (r < 0)
		return r;
	say_start(run);
	if (pthread_create(&run->signals, NULL, signal_main, run))
		return weir_err_set(err, -EAGAIN, "cannot start the signal thread");
	r = weir_engine_start(run->e, err);
	if (r < 0) {
		pthread_kill(run->signals, SIGUSR1);
		pthread_join(run->signals, NULL);
	}
	return r;
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The cluster and the pipeline, and what this region makes of it. */
static int load(struct run *run)
{
	int r = weir_cli_cluster("run", &run->regions, true, false, &run->region);

	if (r == 0)
		r = weir_cli_load("run", run->file, false, &run->region, &run->p);
	if (r == 0)
		r = weir_cli_region("run", &run->regions, run->file, false, &run->region, &run->p);
	run->opt.cluster = run->regions.cluster;
	run->opt.region = run->regions.region;
	return r;
}

int weir_cmd_run(int argc, char **argv)
{
	struct run run = {.opt.regex = weir_regex_pcre2()};
	struct weir_err err = {0};
	int r = parse(&run, argc, argv);

	if (r)
		return r < 0 ? WEIR_EXIT_OK : r;
	if (run.quiet)
		weir_log_level(WEIR_LOG_WARN);
	block_signals();
	weir_region_init(&run.region, &weir_heap_mem);
	r = load(&run);
	if (r == 0 && run.state_dir && run.p->state.guarantee == WEIR_GUARANTEE_NONE)
		r = weir_cli_usage("run", "--state: %s says `guarantee: none` and keeps no state",
				   run.file);
	if (r == 0) {
		if (run.state_dir)
			run.p->state.dir = run.state_dir;
		r = start(&run, &err);
		if (r == 0) {
			wait_for_end(&run, &err, &r);
			pthread_kill(run.signals, SIGUSR1);
			pthread_join(run.signals, NULL);
			if (!run.quiet || run.json || r < 0)
				print_summary(&run, r);
		}
		if (r < 0)
			r = weir_cli_error(WEIR_EXIT_FAILED, "run", "%s", err.text);
	}
	weir_control_stop(run.control);
	weir_metrics_stop(run.metrics);
	weir_engine_close(run.e);
	weir_region_fini(&run.region);
	return r;
}
