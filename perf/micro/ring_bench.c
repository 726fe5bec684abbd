/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_bench - weir's ring against DPDK rte_ring, ck_ring and boost spsc_queue on two cores.
 *
 * Cells: records of 8 and 64 bytes x batches of 1 and 32 x rings of 1 Ki and 64 Ki records, and the
 * round trip of 8 bytes over two rings. In every round each contestant runs once in each cell, with
 * each way to wait (1, 32 or 256 pauses after a failed try); its best way counts. See perf/README.md.
 */
#include "perf/micro/ring_bench.h"

#include <getopt.h>

#define POOL_BYTES ((size_t)32 << 20)
#define RUNS_MAX 256

static const unsigned sizes[] = {1024, 65536};
static const unsigned waits[] = {1, 32, 256};
#define WAITS 3
#define ROUNDS_MIN 3 /* fewer say nothing */

struct run {
	const struct ring_contestant *c;
	uint64_t size; /* records; 0: round trip */
	uint64_t n; /* records or round trips in one round */
	struct bench_samples s[WAITS];
	int waits;
};

struct job {
	const struct run *run;
	void *q, *q2;
	unsigned wait;
	uint64_t sum;
};

static struct {
	struct run run[RUNS_MAX];
	int count;
	struct bench_pair pair;
	struct ring_pool pool;
	uint8_t *memory;
	int rounds;
	double target_ms;
	FILE *json;
} b;

static void add(const struct ring_contestants *list, const char *only)
{
	for (size_t i = 0; i < list->count; i++) {
		for (size_t k = 0; k < 3; k++) {
			const struct ring_contestant *c = &list->c[i];
			struct run *r = &b.run[b.count];

			if (only && strcmp(c->name, "weir") && !strstr(c->name, only))
				continue;
			if (k == 2 && !c->ping)
				continue;
			if (b.count == RUNS_MAX) {
				fprintf(stderr, "too many contestants\n");
				exit(1);
			}
			r->c = c;
			r->size = k == 2 ? 0 : sizes[k];
			r->waits = k == 2 ? 1 : WAITS;
			r->n = k == 2 ? 20000 : 1 << 18;
			b.count++;
		}
	}
}

/* Contestants of one cell run right after each other. */
static int cell_order(const void *x, const void *y)
{
	const struct run *p = x, *q = y;
	long a = (long)p->c->record * 1000 + p->c->batch,
	     d = (long)q->c->record * 1000 + q->c->batch;

	if (p->size != q->size)
		return p->size < q->size ? -1 : 1;
	return a < d ? -1 : a > d;
}

static void produce(void *arg)
{
	struct job *j = arg;

	if (j->run->size)
		j->run->c->produce(j->q, j->run->n, j->wait);
	else
		j->run->c->ping(j->q, j->q2, j->run->n);
}

static void consume(void *arg)
{
	struct job *j = arg;

	if (j->run->size)
		j->sum = j->run->c->consume(j->q, j->run->n, j->wait);
	else
		j->run->c->pong(j->q2, j->q, j->run->n);
}

static uint64_t expected_sum(unsigned record, uint64_t n)
{
	return record == 8 ? n * (n + 1) / 2 : 8 * (n * (n - 1) / 2) + 28 * n;
}

/* One round of one contestant; the value is M records/s or ns of a round trip. */
static void once(struct run *r, int wait, bool keep)
{
	struct job j = {.run = r, .wait = waits[wait]};
	unsigned record = r->c->record;
	double ms;
	int cls;

	b.pool.at = b.memory;
	b.pool.end = b.memory + POOL_BYTES;
	j.q = r->c->open(&b.pool, r->size ? r->size : sizes[0], record);
	if (!r->size)
		j.q2 = r->c->open(&b.pool, sizes[0], record);
	cls = bench_pair_run(&b.pair, produce, consume, &j);
	r->c->close(j.q);
	if (j.q2)
		r->c->close(j.q2);
	if (r->size && j.sum != expected_sum(record, r->n)) {
		fprintf(stderr, "%s: wrong sum over %u-byte records\n", r->c->name, record);
		exit(1);
	}
	if (keep && r->size)
		bench_samples_add(&r->s[wait], cls, (double)r->n * 1e3 / (double)b.pair.span_ns);
	else if (keep)
		bench_samples_add(&r->s[wait], cls, (double)b.pair.wall_ns[0] / (double)r->n);
	/* Towards the wanted length; always a multiple of the batch. */
	ms = (double)b.pair.span_ns / 1e6;
	if (cls != BENCH_DIRTY && (ms < b.target_ms / 2 || ms > b.target_ms * 2)) {
		double f = b.target_ms / ms;

		f = f > 8 ? 8 : f < 0.125 ? 0.125 : f;
		r->n = ((uint64_t)((double)r->n * f) + 1023) & ~UINT64_C(1023);
		if (r->n < 4096)
			r->n = 4096;
	}
}

/* The best way to wait of those with enough rounds. */
static double result(struct run *r, int cls)
{
	double best = 0;

	for (int w = 0; w < r->waits; w++)
		if (r->s[w].n[cls] >= ROUNDS_MIN)
			best = bench_larger(best, bench_samples_median(&r->s[w], cls));
	return best;
}

static struct run *find(const char *name, unsigned record, unsigned batch, uint64_t size)
{
	for (int i = 0; i < b.count; i++) {
		struct run *r = &b.run[i];

		if (!strcmp(r->c->name, name) && r->c->record == record && r->size == size &&
		    (r->c->batch == batch || r->c->batch == 0 || !size))
			return r;
	}
	return NULL;
}

static void put_json(struct run *r)
{
	for (int w = 0; w < r->waits; w++) {
		for (int c = 0; c < BENCH_CLASSES; c++) {
			struct bench_samples *s = &r->s[w];

			if (!s->n[c])
				continue;
			fprintf(b.json,
				"{\"bench\":\"ring\",\"contestant\":\"%s\",\"record_bytes\":%u,"
				"\"batch\":%u,\"ring_records\":%llu,\"pauses\":%u,\"class\":\"%s\","
				"\"unit\":\"%s\",\"median\":%.2f,\"p10\":%.2f,\"p90\":%.2f,"
				"\"rounds\":%d,\"huge\":%s,\"machine\":\"%s\",\"commit\":\"%s\"}\n",
				r->c->name, r->c->record, r->c->batch, (unsigned long long)r->size,
				waits[w], bench_class_name(c), r->size ? "Mrecords/s" : "ns",
				bench_samples_median(s, c), bench_samples_quantile(s, c, 0.1),
				bench_samples_quantile(s, c, 0.9), s->n[c],
				b.pool.huge ? "true" : "false", bench_machine(), bench_commit());
		}
	}
}

static const struct cell {
	unsigned record, batch, size;
} cells[] = {{8, 1, 1024},   {8, 1, 65536},  {8, 32, 1024},   {8, 32, 65536}, {64, 1, 1024},
	     {64, 1, 65536}, {64, 32, 1024}, {64, 32, 65536}, {8, 1, 0}};
#define CELLS (sizeof(cells) / sizeof(cells[0]))

static const char *const names[] = {
	"weir",	   "rte_ring",	       "rte_ring bulk",		  "rte_ring in place",
	"ck_ring", "boost spsc_queue", "boost spsc_queue arrays", "limit"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void print_ratio(const char *what, int cls, const char *against, bool others)
{
	printf("%-26s", what);
	for (size_t k = 0; k < CELLS; k++) {
		const struct cell *c = &cells[k];
		struct run *weir = find("weir", c->record, c->batch, c->size);
		double best = 0, mine = weir ? result(weir, cls) : 0;

		for (size_t i = 1; i < NAMES; i++) {
			struct run *r = find(names[i], c->record, c->batch, c->size);
			double v = r ? result(r, cls) : 0;

			if (others ? !strcmp(names[i], "limit") : strcmp(names[i], against) != 0)
				continue;
			if (v > 0 && (best == 0 || (c->size ? v > best : v < best)))
				best = v;
		}
		if (best > 0 && mine > 0)
			printf(" %10.2f", c->size ? mine / best : best / mine);
		else
			printf(" %10s", "-");
	}
	printf("\n");
}

static void print_class(int cls)
{
	bool any = false;

	for (int i = 0; i < b.count; i++)
		for (int w = 0; w < b.run[i].waits; w++)
			any |= b.run[i].s[w].n[cls] >= ROUNDS_MIN;
	if (!any)
		return;
	printf("\nclass %s, M records/s (last column: ns of a round trip)\n%-26s",
	       bench_class_name(cls), "");
	for (size_t k = 0; k + 1 < CELLS; k++)
		printf(" %3uB x%-2u%3uK", cells[k].record, cells[k].batch, cells[k].size / 1024);
	printf(" %10s\n", "ns");
	for (size_t i = 0; i < NAMES; i++) {
		printf("%-26s", names[i]);
		for (size_t k = 0; k < CELLS; k++) {
			struct run *r =
				find(names[i], cells[k].record, cells[k].batch, cells[k].size);

			if (r && result(r, cls) > 0)
				printf(" %10.1f", result(r, cls));
			else
				printf(" %10s", "-");
		}
		printf("\n");
	}
	print_ratio("weir / best of the others", cls, NULL, true);
	print_ratio("weir / rte_ring bulk", cls, "rte_ring bulk", false);
	print_ratio("weir / limit", cls, "limit", false);
}

static void usage(FILE *f)
{
	fprintf(f, "usage: ring_bench [--rounds N] [--ms N] [--json FILE] [--only NAME]\n"
		   "  --rounds N   rounds over all contestants (default 21)\n"
		   "  --ms N       length of one measurement (default 20)\n"
		   "  --json FILE  one line for each contestant, cell and class\n"
		   "  --only NAME  weir and the contestants with NAME in their name\n");
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {{"rounds", 1, NULL, 'r'}, {"ms", 1, NULL, 'm'},
					     {"json", 1, NULL, 'j'},   {"only", 1, NULL, 'o'},
					     {"help", 0, NULL, 'h'},   {0}};
	const char *only = NULL;
	int o, dirty = 0, total = 0;

	b.rounds = 21;
	b.target_ms = 20;
	while ((o = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (o == 'r' && atoi(optarg) > 0)
			b.rounds = atoi(optarg);
		else if (o == 'm' && atof(optarg) > 0)
			b.target_ms = atof(optarg);
		else if (o == 'j' && (b.json = fopen(optarg, "w")))
			continue;
		else if (o == 'o')
			only = optarg;
		else {
			usage(o == 'h' ? stdout : stderr);
			return o == 'h' ? 0 : 2;
		}
	}
	if (!bench_two_cores(b.pair.cpu)) {
		fprintf(stderr, "two cores are needed\n");
		return 1;
	}
	b.pool.huge = true;
	b.memory = bench_map(POOL_BYTES, &b.pool.huge);
	add(&ring_weir, only);
	add(&ring_dpdk, only);
	add(&ring_ck, only);
	add(&ring_boost, only);
	add(&ring_limit, only);
	qsort(b.run, (size_t)b.count, sizeof(b.run[0]), cell_order);

	for (int r = -3; r < b.rounds; r++) {
		/* There and back again, so that nobody always comes first. */
		for (int i = 0; i < b.count; i++) {
			struct run *run = &b.run[r & 1 ? b.count - 1 - i : i];

			for (int w = 0; w < run->waits; w++)
				once(run, w, r >= 0);
		}
		if (isatty(2))
			fprintf(stderr, "\rround %d of %d", r + 1, b.rounds);
	}
	if (isatty(2))
		fprintf(stderr, "\n");
	for (int i = 0; i < b.count; i++) {
		for (int w = 0; w < b.run[i].waits; w++) {
			dirty += b.run[i].s[w].n[BENCH_DIRTY] + b.run[i].s[w].n[BENCH_MIXED];
			for (int c = 0; c < BENCH_CLASSES; c++)
				total += b.run[i].s[w].n[c];
		}
	}
	printf("%s, commit %s, cores %d and %d, %s, %d rounds, %d of %d measurements left out\n",
	       bench_machine(), bench_commit(), b.pair.cpu[0], b.pair.cpu[1],
	       b.pool.huge ? "huge pages" : "no free huge pages", b.rounds, dirty, total);
	for (int c = 0; c <= BENCH_FAR; c++)
		print_class(c);
	for (int i = 0; b.json && i < b.count; i++)
		put_json(&b.run[i]);
	if (b.json && fclose(b.json)) {
		perror("writing the results");
		return 1;
	}
	return 0;
}
