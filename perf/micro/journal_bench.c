/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the disk's bandwidth the journal gives: bundles through engine/core/journal.h against a bare loop of
 * io_uring appends with the same durability (O_DIRECT | O_DSYNC), unit size, bytes and writes on their way.
 *
 * usage: journal_bench [--rounds N] [--mib N] [--json FILE] DIR
 * Rounds take turns, and every second one begins with the other contestant, so that a drift of the disk hits both. The
 * ratio is the median of the ratios of the rounds. The bare loop has its file reserved before the clock starts; the
 * journal makes its segments while it runs. Bundles are built before the clock starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/core/journal.h"
#include "engine/edge/disk.h"
#include "engine/edge/engine.h"
#include "perf/lib/bench.h"

#define UNIT ((size_t)1 << 20) /* the largest of the journal */
#define DEPTH 16u /* so many of them are the journal's default in_flight */
#define ROUNDS_MAX 101

struct job {
	const char *dir; /* of this run, empty */
	uint64_t bytes; /* in all */
	size_t bundle;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "journal_bench: %s: %s\n", what, why);
	exit(1);
}

static void check(const char *what, int r)
{
	if (r < 0)
		die(what, strerror(-r));
}

/* Bytes that no disk can make fewer. */
static void noise(uint8_t *p, size_t n)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i + 8 <= n; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(p + i, &x, 8);
	}
}

/* ---- the bare loop ---- */

struct raw {
	struct io_uring ring;
	int fd;
	uint8_t *mem;
	size_t unit;
	uint64_t at, end;
};

static void raw_next(struct raw *w, unsigned slot)
{
	struct io_uring_sqe *sqe;

	if (w->at == w->end)
		return;
	sqe = io_uring_get_sqe(&w->ring);
	io_uring_prep_write_fixed(sqe, w->fd, w->mem + slot * UNIT, (unsigned)w->unit, w->at, 0);
	io_uring_sqe_set_data64(sqe, slot);
	w->at += w->unit;
}

static void raw_loop(struct raw *w)
{
	struct io_uring_cqe *cqe;

	for (unsigned i = 0; i < DEPTH; i++)
		raw_next(w, i);
	for (uint64_t done = 0; done < w->end;) {
		check("submit", io_uring_submit_and_wait(&w->ring, 1));
		while (done < w->end && io_uring_peek_cqe(&w->ring, &cqe) == 0) {
			unsigned slot = (unsigned)io_uring_cqe_get_data64(cqe);

			if (cqe->res != (int)w->unit)
				die("write", cqe->res < 0 ? strerror(-cqe->res) : "short");
			io_uring_cqe_seen(&w->ring, cqe);
			done += w->unit;
			raw_next(w, slot);
		}
	}
}

static double raw_run(const struct job *job)
{
	struct raw w = {.unit = WEIR_MIN(UNIT, job->bundle), .end = job->bytes};
	char path[4200];
	struct iovec v;
	int64_t t;

	snprintf(path, sizeof(path), "%s/raw", job->dir);
	w.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_DIRECT | O_DSYNC, 0600);
	if (w.fd < 0 || fallocate(w.fd, 0, 0, (off_t)job->bytes) || fsync(w.fd))
		die(path, strerror(errno));
	if (posix_memalign((void **)&w.mem, 4096, DEPTH * UNIT))
		die("memory", "none left");
	noise(w.mem, DEPTH * UNIT);
	v = (struct iovec){.iov_base = w.mem, .iov_len = DEPTH * UNIT};
	check("io_uring", io_uring_queue_init(DEPTH, &w.ring, 0));
	check("registering buffers (ulimit -l)", io_uring_register_buffers(&w.ring, &v, 1));
	t = bench_now_ns();
	raw_loop(&w);
	t = bench_now_ns() - t;
	io_uring_queue_exit(&w.ring);
	close(w.fd);
	free(w.mem);
	unlink(path);
	return (double)job->bytes / (double)t * 1e9;
}

/* ---- the journal ---- */

static struct weir_out *build(const struct job *job, uint64_t count)
{
	struct weir_out *out = calloc(count, sizeof(*out));
	uint8_t *p = malloc(UNIT);

	if (!out || !p)
		die("memory", "none left");
	noise(p, UNIT);
	for (uint64_t i = 0; i < count; i++) {
		weir_out_init(&out[i], &weir_heap_mem);
		for (size_t at = 0; at < job->bundle; at += UNIT)
			weir_out_put(&out[i], p, WEIR_MIN(UNIT, job->bundle - at));
	}
	free(p);
	return out;
}

static void remove_files(const char *dir)
{
	static const char *const name[] = {"superblock", "commits"};
	char path[4200];

	for (size_t i = 0; i < WEIR_COUNT_OF(name); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		unlink(path);
	}
	for (unsigned i = 0, gone = 0; gone < 16; i++) {
		snprintf(path, sizeof(path), "%s/journal-%08u", dir, i);
		gone = unlink(path) ? gone + 1 : 0;
	}
}

static double journal_run(const struct job *job)
{
	uint64_t count = job->bytes / job->bundle;
	struct weir_out *out = build(job, count);
	struct weir_journal_options o = {.pipeline = "bench", .in_flight = DEPTH * UNIT};
	struct weir_journal_report *report = calloc(1, sizeof(*report));
	struct weir_journal *j = NULL;
	struct weir_disk disk;
	struct weir_err err = {0};
	int64_t t;
	int r = 0;

	memset(o.identity, 7, sizeof(o.identity));
	if (weir_disk_open(job->dir, NULL, &disk, &err) < 0 ||
	    weir_journal_open(&o, &disk, &weir_heap_mem, &j, report, &err) < 0 ||
	    weir_journal_start(j, &err) < 0)
		die(job->dir, err.text);
	t = bench_now_ns();
	for (uint64_t i = 0; i < count && r >= 0; i++)
		while ((r = weir_journal_append(j, i + 1, &out[i], &err)) == WEIR_E_BUSY) {
			r = weir_journal_step(j, WEIR_NS_PER_S, &err);
			if (r < 0)
				break;
		}
	while (r >= 0 && weir_journal_durable(j) < count)
		r = weir_journal_step(j, WEIR_NS_PER_S, &err);
	t = bench_now_ns() - t;
	if (r < 0)
		die(job->dir, err.text);
	weir_journal_close(j);
	weir_disk_close(&disk);
	remove_files(job->dir);
	for (uint64_t i = 0; i < count; i++)
		weir_out_fini(&out[i]);
	free(out);
	free(report);
	return (double)job->bytes / (double)t * 1e9;
}

/* ---- rounds ---- */

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), bench_compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void compare(const struct job *job, unsigned rounds, FILE *json)
{
	double raw[ROUNDS_MAX], journal[ROUNDS_MAX], ratio[ROUNDS_MAX], a, b, c;

	for (unsigned i = 0; i < rounds; i++) {
		if (i % 2)
			journal[i] = journal_run(job);
		raw[i] = raw_run(job);
		if (i % 2 == 0)
			journal[i] = journal_run(job);
		ratio[i] = journal[i] / raw[i];
	}
	a = median(journal, rounds);
	b = median(raw, rounds);
	c = median(ratio, rounds);
	printf("%6zu KiB  %8.1f MB/s  %8.1f MB/s  %6.3f  (%.3f to %.3f)\n", job->bundle >> 10,
	       a / 1e6, b / 1e6, c, ratio[0], ratio[rounds - 1]);
	fflush(stdout);
	if (json)
		fprintf(json,
			"{\"bench\": \"journal\", \"bundle\": %zu, \"bytes\": %llu, \"rounds\": %u, "
			"\"journal_bytes_per_second\": %.0f, \"raw_bytes_per_second\": %.0f, "
			"\"ratio\": %.4f, \"ratio_min\": %.4f, \"ratio_max\": %.4f, "
			"\"commit\": \"%s\", \"machine\": \"%s\"}\n",
			job->bundle, (unsigned long long)job->bytes, rounds, a, b, c, ratio[0],
			ratio[rounds - 1], bench_commit(), bench_machine());
}

static void say_disk(const char *dir)
{
	struct weir_disk disk;
	struct weir_err err = {0};

	if (weir_disk_open(dir, NULL, &disk, &err) < 0)
		die(dir, err.text);
	printf("journal: %s; bare loop: io_uring, O_DIRECT, registered buffers; %u units of %zu KiB "
	       "on their way\n",
	       disk.ops->describe(disk.ctx), DEPTH, UNIT >> 10);
	printf("    bundle       journal      bare loop   ratio\n");
	weir_disk_close(&disk);
}

int main(int argc, char **argv)
{
	static const size_t bundle[] = {(size_t)256 << 10, (size_t)1 << 20, (size_t)4 << 20,
					(size_t)16 << 20};
	struct job job = {.bytes = (uint64_t)256 << 20};
	unsigned rounds = 15;
	const char *parent = NULL;
	FILE *json = NULL;
	char dir[4096];

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			rounds = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--mib") && i + 1 < argc)
			job.bytes = (uint64_t)strtoul(argv[++i], NULL, 10) << 20;
		else if (!strcmp(argv[i], "--json") && i + 1 < argc)
			json = fopen(argv[++i], "a");
		else
			parent = argv[i];
	}
	if (!parent || !rounds || rounds > ROUNDS_MAX || job.bytes < bundle[3] ||
	    job.bytes % bundle[3])
		die("usage", "journal_bench [--rounds N] [--mib MULTIPLE_OF_16] [--json FILE] DIR");
	snprintf(dir, sizeof(dir), "%.4000s/journal-bench-XXXXXX", parent);
	if (!mkdtemp(dir))
		die(dir, strerror(errno));
	job.dir = dir;
	say_disk(dir);
	for (size_t i = 0; i < WEIR_COUNT_OF(bundle); i++) {
		job.bundle = bundle[i];
		compare(&job, rounds, json);
	}
	if (json)
		fclose(json);
	return rmdir(dir) ? 1 : 0;
}
