/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quic_bench - the gateways' transport alone: 64-byte records out of memory over one stream, no lanes, rings or edges.
 *
 *   quic_bench recv CLUSTER REGION SECONDS     waits for the other one, prints one JSON line, ends
 *   quic_bench send CLUSTER REGION PEER        dials PEER's first gateway and sends until it is told to stop
 *
 * The cluster file (host/cluster.h) says addresses, back ends and certificates, as for a gateway; the two processes stand where
 * the gateways would. The receiver reads every record (a sum), gives credit at once, and counts from one second after the first byte.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/edge/quic.h"
#include "host/clock.h"
#include "host/heap.h"

#define RECORD 64u
#define BLOCK (1u << 20) /* records to send: the same block again and again */
#define WARM_NS ((uint64_t)WEIR_NS_PER_S)

struct bench {
	struct weir_cluster *cluster;
	struct weir_dgram_io *io;
	struct weir_quic *q;
	const struct weir_link_ops *ops;
	uint8_t *block;
	weir_link_id link;
	weir_stream_id stream;
	bool sender, down;
	uint64_t first_ns; /* of the first byte */
	uint64_t from_ns, bytes, sum;
	struct rusage from;
};

static volatile sig_atomic_t stop;

static void on_signal(int n)
{
	(void)n;
	stop = 1;
}

static void fail(const char *what, const struct weir_err *err)
{
	fprintf(stderr, "quic_bench: %s: %s\n", what, err->text);
	exit(1);
}

static uint32_t peek(void *ctx, weir_stream_id stream, uint64_t offset, const uint8_t **ret_p)
{
	struct bench *b = ctx;
	uint32_t at = (uint32_t)(offset % BLOCK);

	(void)stream;
	*ret_p = b->block + at;
	return b->sender ? BLOCK - at : 0;
}

static void data(struct bench *b, const struct weir_link_event *e)
{
	uint64_t now = weir_mono_ns();

	if (!b->first_ns)
		b->first_ns = now;
	if (!b->from_ns && now - b->first_ns > WARM_NS) {
		b->from_ns = now;
		getrusage(RUSAGE_SELF, &b->from);
	}
	for (uint32_t i = 0; i + 8 <= e->n; i += RECORD) {
		uint64_t v;

		memcpy(&v, e->data + i, sizeof(v));
		b->sum += v;
	}
	if (b->from_ns)
		b->bytes += e->n;
	b->ops->credit(b->ops->ctx, e->stream, e->n);
}

static void event(void *ctx, const struct weir_link_event *e)
{
	struct bench *b = ctx;

	switch (e->kind) {
	case WEIR_LINK_UP:
		if (!b->sender || e->link != b->link)
			break;
		b->stream = b->ops->open(b->ops->ctx, e->link, "bench", 5);
		b->ops->ready(b->ops->ctx, b->stream);
		break;
	case WEIR_LINK_STREAM_DATA:
		data(b, e);
		break;
	case WEIR_LINK_DOWN:
		if (b->sender && e->link == b->link) {
			fprintf(stderr, "quic_bench: link: %s\n", e->text);
			b->down = true;
		}
		break;
	default:
		break;
	}
}

static uint32_t region_of(const struct weir_cluster *c, const char *name)
{
	int i = weir_cluster_find(c, weir_str_c(name));

	if (i < 0) {
		fprintf(stderr, "quic_bench: no region %s in the cluster file\n", name);
		exit(2);
	}
	return (uint32_t)i;
}

static void open_all(struct bench *b, const char *file, const char *name)
{
	static struct weir_region memory;
	struct weir_diags diags = {0};
	struct weir_err err = {0};
	struct weir_quic_options o = {.source = {peek, b}, .event = event, .ctx = b};
	struct weir_dgram_options d = {0};

	weir_region_init(&memory, &weir_heap_mem);
	if (weir_cluster_load(file, &memory, &b->cluster, &diags, &err) < 0)
		fail(file, &err);
	o.cluster = b->cluster;
	o.region = region_of(b->cluster, name);
	d.listen = b->cluster->region[o.region].gateway[0].listen;
	d.backend = b->cluster->region[o.region].gateway[0].backend;
	d.eal = b->cluster->region[o.region].gateway[0].eal;
	d.device = b->cluster->region[o.region].gateway[0].device;
	d.wait = b->cluster->region[o.region].gateway[0].wait;
	if (weir_dgram_open(&d, &b->io, &err) < 0)
		fail("socket", &err);
	o.io = b->io;
	if (weir_quic_open(&o, &b->q, &err) < 0)
		fail("quic", &err);
	b->ops = weir_quic_ops(b->q);
}

static double cpu_s(const struct rusage *a, const struct rusage *z)
{
	return (double)(z->ru_utime.tv_sec + z->ru_stime.tv_sec - a->ru_utime.tv_sec -
			a->ru_stime.tv_sec) +
	       (double)(z->ru_utime.tv_usec + z->ru_stime.tv_usec - a->ru_utime.tv_usec -
			a->ru_stime.tv_usec) /
		       1e6;
}

int main(int argc, char **argv)
{
	struct bench b = {0};
	struct rusage end;
	uint64_t length_ns;

	if (argc != 5 || (strcmp(argv[1], "send") != 0 && strcmp(argv[1], "recv") != 0)) {
		fprintf(stderr,
			"usage: quic_bench recv CLUSTER REGION SECONDS | send CLUSTER REGION PEER\n");
		return 2;
	}
	b.sender = !strcmp(argv[1], "send");
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	b.block = malloc(BLOCK);
	for (uint32_t i = 0; i < BLOCK; i++)
		b.block[i] = (uint8_t)(i * 31);
	open_all(&b, argv[2], argv[3]);
	length_ns = b.sender ? 0 : strtoul(argv[4], NULL, 10) * (uint64_t)WEIR_NS_PER_S;
	if (b.sender)
		b.link = b.ops->dial(b.ops->ctx, region_of(b.cluster, argv[4]), 0);
	while (!stop && !b.down) {
		uint64_t now = weir_mono_ns(), next = weir_quic_step(b.q, now);

		if (!b.sender && b.from_ns && weir_mono_ns() - b.from_ns > length_ns)
			break;
		if (next > now)
			b.io->ops->wait(b.io, -1, weir_quic_wants_send(b.q),
					next == UINT64_MAX ? (int64_t)WEIR_NS_PER_S
							   : (int64_t)(next - now));
	}
	getrusage(RUSAGE_SELF, &end);
	if (!b.sender)
		printf("{\"bytes\":%llu,\"seconds\":%.3f,\"cpu_s\":%.3f,\"sum\":%llu}\n",
		       (unsigned long long)b.bytes, (double)(weir_mono_ns() - b.from_ns) / 1e9,
		       cpu_s(&b.from, &end), (unsigned long long)b.sum);
	weir_quic_close(b.q, weir_mono_ns());
	b.io->ops->close(b.io);
	free(b.block);
	return b.down;
}
