/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK's environment: arguments, log, start. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "gateway/dpdk/port.h"

static struct {
	pthread_mutex_t lock;
	char words[240];
	char asked[240];
	void (*warn)(const char *line);
	bool running;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The first words say what is wrong, those behind them what follows from it. */
static void keep(const char *line)
{
	size_t n = strlen(log_state.words);

	snprintf(log_state.words + n, sizeof(log_state.words) - n, "%s%s", n ? "; " : "", line);
}

/* One call of rte_log() is one write. */
static ssize_t on_log(void *ctx, const char *p, size_t n)
{
	void (*warn)(const char *line) = NULL;
	char line[160];
	size_t end = n;

	(void)ctx;
	while (end && (p[end - 1] == '\n' || p[end - 1] == ' '))
		end--;
	if (!end)
		return (ssize_t)n;
	snprintf(line, sizeof(line), "%.*s", (int)WEIR_MIN(end, sizeof(line)), p);
	pthread_mutex_lock(&log_state.lock);
	if (log_state.running)
		warn = log_state.warn;
	else if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR)
		keep(line);
	pthread_mutex_unlock(&log_state.lock);
	if (warn)
		warn(line);
	return (ssize_t)n;
}

const char *weir_dpdk_eal_words(void)
{
	pthread_mutex_lock(&log_state.lock);
	memcpy(log_state.asked, log_state.words, sizeof(log_state.words));
	log_state.words[0] = 0;
	pthread_mutex_unlock(&log_state.lock);
	return log_state.asked;
}

void weir_dpdk_eal_running(void)
{
	pthread_mutex_lock(&log_state.lock);
	log_state.running = true;
	pthread_mutex_unlock(&log_state.lock);
}

static void open_log(const struct weir_dpdk_program *program)
{
	cookie_io_functions_t io = {.write = on_log};
	FILE *f = fopencookie(NULL, "w", io);

	log_state.warn = program->warn;
	if (!f)
		return;
	setvbuf(f, NULL, _IONBF, 0);
	rte_openlog_stream(f);
	rte_log_set_global_level(RTE_LOG_WARNING);
}

/* Of all sizes. */
static uint64_t huge_free(void)
{
	static const char dir[] = "/sys/kernel/mm/hugepages";
	struct dirent *e;
	DIR *d = opendir(dir);
	uint64_t sum = 0;

	while (d && (e = readdir(d))) {
		unsigned long kib, pages;
		char file[400];
		FILE *f;

		if (sscanf(e->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(file, sizeof(file), "%s/%s/free_hugepages", dir, e->d_name);
		f = fopen(file, "r");
		if (f && fscanf(f, "%lu", &pages) == 1)
			sum += (uint64_t)pages * kib << 10;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return sum;
}

/* "0-1,4": what this thread may run on. Too many pieces: the first ones. */
static void cpu_list(char *ret, size_t cap)
{
	cpu_set_t set;
	size_t n = 0;

	snprintf(ret, cap, "0");
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (int i = 0; i < CPU_SETSIZE && n + 16 < cap; i++) {
		int last = i;

		if (!CPU_ISSET(i, &set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
			last++;
		n += (size_t)snprintf(ret + n, cap - n, last > i ? "%s%d-%d" : "%s%d", n ? "," : "",
				      i, last);
		i = last;
	}
}

int weir_dpdk_eal_start(const struct weir_dgram_options *o, const struct weir_dpdk_device *d,
			const struct weir_dpdk_program *program, bool *ret_huge,
			struct weir_err *err)
{
	static struct weir_dpdk_args args; /* DPDK keeps pointers into it */
	static bool before;
	char cpus[512];
	struct weir_dpdk_host host = {.huge_free = huge_free(), .cpus = cpus};
	const char *words;
	int r;

	if (before)
		return weir_err_set(err, WEIR_E_BUSY,
				    "DPDK starts once in a process: start the gateway anew");
	cpu_list(cpus, sizeof(cpus));
	r = weir_dpdk_args_make(o->eal ? o->eal : "", d, &host, &args, err);
	if (r < 0)
		return r;
	before = true;
	open_log(program);
	*ret_huge = args.huge;
	if (rte_eal_init(args.argc, args.argv) >= 0)
		return 0;
	words = weir_dpdk_eal_words();
	return weir_err_set(err, WEIR_E_IO,
			    "DPDK does not start: %s%s%s (huge pages: %llu MiB free)",
			    rte_strerror(rte_errno), *words ? "; " : "", words,
			    (unsigned long long)(host.huge_free >> 20));
}
