/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two of these talk through any back end of gateway/edge/datagram.h; test_dpdk.sh starts them.
 *
 *   dgram_tool echo|ping LISTEN [-b BACKEND] [-e EAL] [-d DEVICE] [-w WAIT] [-p PEER] [-n COUNT] [-s BYTES] [-g] [-t SECONDS]
 *
 * echo: says "ready TEXT" and sends back what comes, until SIGTERM. ping: sends COUNT numbered datagrams, a few at a time, again
 * after 200 ms without an answer, and looks at every byte that comes back. Both end with their counts. Exit 1: not all came back.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/edge/datagram.h"
#include "host/address.h"
#include "host/clock.h"

#define WINDOW 64u
#define REPEAT_NS ((uint64_t)200 * WEIR_NS_PER_MS)

static struct weir_dgram_options options;
static struct weir_dgram_io *io;
static struct sockaddr_storage peer;
static socklen_t peer_len;
static uint32_t count = 1000, size = 1000, seconds = 20;
static bool seg;
static int stop_fd;

static int usage(void)
{
	fprintf(stderr, "dgram_tool echo|ping LISTEN [-b BACKEND] [-p PEER] ...\n");
	return 2;
}

static void say_stats(void)
{
	struct weir_dgram_stats s;

	io->ops->stats(io, &s);
	printf("in %llu out %llu in_dropped %llu out_dropped %llu in_bad %llu\n",
	       (unsigned long long)s.in, (unsigned long long)s.out,
	       (unsigned long long)s.in_dropped, (unsigned long long)s.out_dropped,
	       (unsigned long long)s.in_bad);
	fflush(stdout);
}

static bool stopped(void)
{
	struct signalfd_siginfo info;

	return read(stop_fd, &info, sizeof(info)) == sizeof(info);
}

static int echo(void)
{
	printf("ready %s\n", io->text);
	fflush(stdout);
	while (!stopped()) {
		struct weir_dgram d[WEIR_DGRAM_BURST];
		int n = io->ops->recv(io, d, WEIR_DGRAM_BURST);

		if (n > 0)
			io->ops->send(io, d, (uint32_t)n);
		else if (n < 0 || io->ops->wait(io, stop_fd, false, -1) < 0)
			return 1;
	}
	say_stats();
	return 0;
}

/* Datagram i: its number, then bytes that follow from it. */
static void fill(uint8_t *p, uint32_t i)
{
	memcpy(p, &i, 4);
	for (uint32_t k = 4; k < size; k++)
		p[k] = (uint8_t)(i * 31 + k);
}

/* Congestion marks: eight neighbours have one, so that they may leave as one entry. */
static uint8_t mark_of(uint32_t i)
{
	return (uint8_t)(i / 8 & 3);
}

struct ping {
	uint8_t *done; /* of each number */
	uint64_t *sent_ns;
	uint32_t first, got, wrong;
};

static void look_at(struct ping *g, const uint8_t *p, uint32_t n, uint8_t ecn)
{
	static uint8_t want[65536];
	uint32_t i;

	if (n != size) {
		g->wrong++;
		return;
	}
	memcpy(&i, p, 4);
	if (i >= count || ecn != mark_of(i)) {
		g->wrong++;
		return;
	}
	fill(want, i);
	if (memcmp(want, p, n)) {
		g->wrong++;
	} else if (!g->done[i]) {
		g->done[i] = 1;
		g->got++;
	}
}

static void receive(struct ping *g)
{
	struct weir_dgram d[WEIR_DGRAM_BURST];
	int n = io->ops->recv(io, d, WEIR_DGRAM_BURST);

	for (int i = 0; i < n; i++) {
		uint32_t at = 0, len;
		const uint8_t *p;

		while (weir_dgram_next(&d[i], &at, &p, &len))
			look_at(g, p, len, d[i].ecn);
	}
	while (g->first < count && g->done[g->first])
		g->first++;
}

/* Of the window, what was not sent lately; with -g neighbours go as one entry. */
static void transmit(struct ping *g, uint64_t now)
{
	static uint8_t bytes[WEIR_DGRAM_BYTES_MAX + 65536];
	uint32_t end = WEIR_MIN(g->first + WINDOW, count);

	for (uint32_t i = g->first; i < end; i++) {
		struct weir_dgram d = {.peer = peer, .peer_len = peer_len, .p = bytes};
		uint32_t k = i;

		if (g->done[i] || (g->sent_ns[i] && now - g->sent_ns[i] < REPEAT_NS))
			continue;
		do {
			fill(bytes + d.n, k);
			d.n += size;
			g->sent_ns[k++] = now;
		} while (seg && k < end && k % 8 && !g->done[k] && !g->sent_ns[k] &&
			 d.n + size <= WEIR_DGRAM_BYTES_MAX);
		d.seg = seg ? (uint16_t)size : 0;
		d.ecn = mark_of(i);
		i = k - 1;
		if (io->ops->send(io, &d, 1) != 1) {
			memset(&g->sent_ns[k - d.n / size], 0, d.n / size * sizeof(g->sent_ns[0]));
			io->ops->wait(io, -1, true, WEIR_NS_PER_MS);
			return;
		}
	}
}

static int ping(void)
{
	struct ping g = {.done = calloc(count, 1), .sent_ns = calloc(count, 8)};
	uint64_t end = weir_mono_ns() + (uint64_t)seconds * WEIR_NS_PER_S;

	printf("ready %s\n", io->text);
	while (g.got < count && weir_mono_ns() < end && !stopped()) {
		transmit(&g, weir_mono_ns());
		io->ops->wait(io, stop_fd, false, 20 * WEIR_NS_PER_MS);
		receive(&g);
	}
	printf("%u of %u came back, %u wrong\n", g.got, count, g.wrong);
	say_stats();
	free(g.done);
	free(g.sent_ns);
	return g.got < count || g.wrong;
}

static int set_peer(const char *text)
{
	struct addrinfo hint = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST}, *ai;
	char host[64], port[8];

	if (weir_address_split(text, host, sizeof(host), port, sizeof(port), NULL) < 0 ||
	    getaddrinfo(host, port, &hint, &ai))
		return usage();
	memcpy(&peer, ai->ai_addr, ai->ai_addrlen);
	peer_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

static int set_backend(const char *name)
{
	static const char *const names[] = {"auto", "io_uring", "epoll", "dpdk"};

	for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
		if (!strcmp(name, names[i])) {
			options.backend = (enum weir_net_backend)i;
			return 0;
		}
	}
	return usage();
}

static int read_options(int argc, char **argv)
{
	int o, r = 0;

	while (r == 0 && (o = getopt(argc, argv, "b:e:d:w:p:n:s:gt:")) != -1) {
		if (o == 'b')
			r = set_backend(optarg);
		else if (o == 'e')
			options.eal = optarg;
		else if (o == 'd')
			options.device = optarg;
		else if (o == 'w')
			options.wait = optarg;
		else if (o == 'p')
			r = set_peer(optarg);
		else if (o == 'n')
			count = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 's')
			size = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 'g')
			seg = true;
		else if (o == 't')
			seconds = (uint32_t)strtoul(optarg, NULL, 10);
		else
			r = usage();
	}
	return r || size < 4 || size > 65000 ? usage() : 0;
}

int main(int argc, char **argv)
{
	struct weir_err err = {0};
	sigset_t set;
	bool is_echo;
	int r;

	if (argc < 3)
		return usage();
	is_echo = !strcmp(argv[1], "echo");
	options.listen = argv[2];
	if (read_options(argc - 2, argv + 2))
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stop_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (weir_dgram_open(&options, &io, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 3;
	}
	r = is_echo ? echo() : ping();
	io->ops->close(io);
	return r;
}
