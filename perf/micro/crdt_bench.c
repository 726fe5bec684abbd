/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a merge of shared state costs: for each type, values of five regions, joined in pairs on one core.
 *
 * usage: crdt_bench [--json FILE] [--ms N]
 * Each value is made by five writers with 20 changes each; one side misses the last changes of two of them. Merges per second are the
 * best of five runs: whole join(), with the check of both inputs, into memory that is given back.
 */
#include <stdio.h>
#include <stdlib.h>

#include "perf/lib/bench.h"
#include "state/crdt.h"

#define WRITERS 5
#define CHANGES 20
#define RUNS 5

static void *take(void *ctx, size_t size, size_t align)
{
	void *p = calloc(1, size);

	(void)ctx;
	(void)align;
	if (!p)
		abort();
	return p;
}

static void give(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

static const struct weir_mem mem = {.alloc = take, .free = give};

static int64_t larger(void *ctx, const void *a, size_t an, const void *b, size_t bn, void *out,
		      size_t cap)
{
	struct weir_str x = {a, an}, y = {b, bn};
	const struct weir_str *best = weir_str_cmp(x, y) >= 0 ? &x : &y;

	(void)ctx;
	if (best->n > cap)
		return -1;
	memcpy(out, best->p, best->n);
	return (int64_t)best->n;
}

static struct weir_str out_take(struct weir_out *o)
{
	char *p = malloc(o->bytes + 1);
	struct weir_str s = {p, (size_t)o->bytes};

	if (!p)
		abort();
	weir_out_copy(o, p);
	weir_out_fini(o);
	return s;
}

static struct weir_str join(const struct weir_crdt *t, struct weir_str a, struct weir_str b)
{
	struct weir_out o;

	weir_out_init(&o, &mem);
	if (weir_crdt_join(t, a, b, &o, NULL))
		abort();
	return out_take(&o);
}

/* The part of one writer after so many changes. */
static struct weir_str part(const struct weir_crdt *t, uint32_t region, int changes)
{
	static const enum weir_crdt_verb verbs[] = {WEIR_CRDT_ADD, WEIR_CRDT_SET, WEIR_CRDT_PUT};
	struct weir_str x = {"", 0};
	char text[32];

	for (int i = 0; i < changes; i++) {
		struct weir_dot dot = {weir_writer_of(region, 1), (uint64_t)i + 1,
				       ((uint64_t)i << 16) + region};
		struct weir_crdt_op op = {.amount = 3};
		uint8_t number[8];

		snprintf(text, sizeof(text), "key %u/%02d", region % 2, i);
		weir_crdt_f64(i * 1.7 + region, number);
		op.key = op.value = weir_str_c(text);
		if (t->type == WEIR_CRDT_DDSKETCH)
			op.value = (struct weir_str){(const char *)number, 8};
		for (unsigned v = 0; v < 3; v++) {
			struct weir_out o;

			op.verb = verbs[v];
			weir_out_init(&o, &mem);
			if (weir_crdt_apply(t, x, &op, &dot, &o) == 0) {
				x = out_take(&o);
				break;
			}
			weir_out_fini(&o);
		}
	}
	return x;
}

static double per_second(const struct weir_crdt *t, struct weir_str a, struct weir_str b,
			 int64_t run_ns)
{
	double best = 0;

	for (int run = 0; run < RUNS; run++) {
		int64_t begin = bench_now_ns(), now = begin, n = 0;

		for (; now - begin < run_ns; now = bench_now_ns()) {
			for (int i = 0; i < 64; i++, n++) {
				struct weir_out o;

				weir_out_init(&o, &mem);
				if (weir_crdt_join(t, n & 1 ? a : b, n & 1 ? b : a, &o, NULL))
					abort();
				weir_out_fini(&o);
			}
		}
		best = WEIR_MAX(best, (double)n * 1e9 / (double)(now - begin));
	}
	return best;
}

int main(int argc, char **argv)
{
	const struct weir_crdt_custom custom = {.join = larger};
	int64_t run_ns = 100 * WEIR_NS_PER_MS;
	FILE *json = NULL;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--json") == 0)
			json = fopen(argv[i + 1], "w");
		else if (strcmp(argv[i], "--ms") == 0)
			run_ns = atoll(argv[i + 1]) * WEIR_NS_PER_MS;
	}
	printf("%-10s %10s %14s %10s\n", "type", "bytes", "merges/s", "MB/s");
	for (unsigned i = 1; i < WEIR_CRDT_TYPE_COUNT; i++) {
		struct weir_crdt t = {.type = (enum weir_crdt_type)i, .custom = &custom};
		struct weir_str a = {"", 0}, b = {"", 0};
		double rate;

		if (i == WEIR_CRDT_CUSTOM)
			t.limit = 256;
		for (uint32_t w = 1; w <= WRITERS; w++) {
			a = join(&t, a, part(&t, w, CHANGES));
			b = join(&t, b, part(&t, w, w < 4 ? CHANGES : CHANGES - 2));
		}
		rate = per_second(&t, a, b, run_ns);
		printf("%-10s %10zu %14.0f %10.1f\n", weir_crdt_name(i), a.n, rate,
		       rate * (double)(a.n + b.n) / 1e6);
		if (json)
			fprintf(json,
				"{\"bench\":\"crdt\",\"type\":\"%s\",\"bytes\":%zu,\"merges_per_s\":%.0f}\n",
				weir_crdt_name(i), a.n, rate);
	}
	return json ? fclose(json) : 0;
}
