/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Below the links of hostile_tool.c: datagrams that are kept to be sent again, or not listened to; and noise from nobody.
 */
#ifndef WEIR_TESTS_MULTI_HOSTILE_NET_H
#define WEIR_TESTS_MULTI_HOSTILE_NET_H

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prng.h"
#include "gateway/edge/datagram.h"
#include "host/address.h"
#include "host/clock.h"

#define KEPT 4096u

/* The datagrams' io, with a copy of what is sent, and deaf when handshakes are to hang. */
struct wrapped {
	struct weir_dgram_io io; /* first: ops cast it back */
	struct weir_dgram_io *real;
	bool deaf, keep;
	uint32_t kept;
	struct {
		struct sockaddr_storage to;
		socklen_t to_len;
		uint32_t n;
		uint8_t p[1500];
	} sent[KEPT];
};

static int wrap_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap)
{
	struct wrapped *w = (struct wrapped *)io;
	int n = w->real->ops->recv(w->real, ret, cap);

	return n > 0 && w->deaf ? 0 : n;
}

static int wrap_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count)
{
	struct wrapped *w = (struct wrapped *)io;

	for (uint32_t i = 0; w->keep && i < count; i++) {
		const uint8_t *p;
		uint32_t n;

		for (uint32_t at = 0; w->kept < KEPT && weir_dgram_next(&d[i], &at, &p, &n);) {
			if (n > sizeof(w->sent->p))
				continue;
			w->sent[w->kept].to = d[i].peer;
			w->sent[w->kept].to_len = d[i].peer_len;
			w->sent[w->kept].n = n;
			memcpy(w->sent[w->kept++].p, p, n);
		}
	}
	return w->real->ops->send(w->real, d, count);
}

static int wrap_wait(struct weir_dgram_io *io, int fd, bool send, int64_t ns)
{
	struct wrapped *w = (struct wrapped *)io;

	return w->real->ops->wait(w->real, fd, send, ns);
}

static void wrap_stats(struct weir_dgram_io *io, struct weir_dgram_stats *ret)
{
	struct wrapped *w = (struct wrapped *)io;

	w->real->ops->stats(w->real, ret);
}

static void wrap_close(struct weir_dgram_io *io)
{
	struct wrapped *w = (struct wrapped *)io;

	w->real->ops->close(w->real);
}

static inline int wrap_open(struct wrapped *w, const char *listen, struct weir_err *err)
{
	static const struct weir_dgram_ops table = {.name = "wrapped",
						    .recv = wrap_recv,
						    .send = wrap_send,
						    .wait = wrap_wait,
						    .stats = wrap_stats,
						    .close = wrap_close};
	struct weir_dgram_options o = {.listen = listen, .backend = WEIR_NET_EPOLL};
	int r = weir_dgram_open(&o, &w->real, err);

	if (r < 0)
		return r;
	w->io = *w->real;
	w->io.ops = &table;
	return 0;
}

/* ---- from nobody ---- */

static int udp(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		exit(1);
	return fd;
}

/* All that was kept, again and again, from its own address and from others. Returns how many. */
static inline uint64_t replay(struct wrapped *w, uint64_t until)
{
	uint64_t datagrams = 0;

	w->keep = false;
	while (weir_mono_ns() < until && w->kept) {
		int fd = udp(w->sent[0].to.ss_family);

		for (uint32_t i = 0; i < w->kept; i++) {
			struct weir_dgram d = {.peer = w->sent[i].to,
					       .peer_len = w->sent[i].to_len,
					       .p = w->sent[i].p,
					       .n = w->sent[i].n};

			w->real->ops->send(w->real, &d, 1);
			sendto(fd, d.p, d.n, 0, (struct sockaddr *)&d.peer, d.peer_len);
			datagrams += 2;
			if (i % 16 == 0)
				usleep(1000);
		}
		close(fd);
	}
	return datagrams;
}

/* QUIC v1: RFC 9000, section 17. */
static uint32_t nearly(uint8_t *p, uint64_t kind, struct weir_prng *prng)
{
	uint32_t n = 1200 + (uint32_t)weir_prng_below(prng, 200);

	for (uint32_t i = 0; i < n; i += 8) {
		uint64_t v = weir_prng_u64(prng);

		memcpy(p + i, &v, 8);
	}
	switch (kind % 8) {
	case 0: /* anything */
		return 1 + n % 1000;
	case 1: /* an Initial with a length that fits */
	case 2:
		p[0] = 0xc3, memcpy(p + 1, "\0\0\0\1\x08", 5);
		p[14] = 8, p[23] = 0, p[24] = 0x44, p[25] = (uint8_t)(n - 26 - 1024);
		return n;
	case 3: /* with a token */
		p[0] = 0xc3, memcpy(p + 1, "\0\0\0\1\x08", 5);
		p[14] = 8, p[23] = 0x28;
		return n;
	case 4: /* another version */
		p[0] |= 0xc0;
		return n;
	case 5: /* a connection that is not there */
		p[0] = 0x40 | (p[0] & 0x3f);
		return 60;
	case 6: /* ids that are too long */
		p[0] = 0xc0, memcpy(p + 1, "\0\0\0\1\xff", 5);
		return n;
	}
	return 0;
}

static inline uint64_t flood(const char *address, uint64_t until, struct weir_prng *prng)
{
	static const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	char host[256], port[32];
	struct addrinfo *to;
	struct weir_err err;
	uint64_t datagrams = 0;
	int fd;

	if (weir_address_split(address, host, sizeof(host), port, sizeof(port), &err) < 0 ||
	    getaddrinfo(host, port, &hints, &to) != 0)
		exit(1);
	fd = udp(to->ai_family);
	while (weir_mono_ns() < until) {
		for (int i = 0; i < 32; i++) {
			uint8_t buf[1500];

			sendto(fd, buf, nearly(buf, datagrams, prng), 0, to->ai_addr,
			       to->ai_addrlen);
			datagrams++;
		}
		usleep(1000);
	}
	freeaddrinfo(to);
	close(fd);
	return datagrams;
}

#endif
