/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/datagram_socket.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "host/address.h"

/* Of newer C libraries. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define BUFFER_DEFAULT (4u << 20)
#define MTU_DEFAULT 1500u
#define HEAD_V4 28u /* IPv4 and UDP */
#define HEAD_V6 48u

static bool wildcard(const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

	return sa->sa_family == AF_INET ? v4->sin_addr.s_addr == 0
					: IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

int weir_dgram_resolve(const struct weir_dgram_options *o, struct sockaddr_storage *ret,
		       socklen_t *ret_len, struct weir_err *err)
{
	struct addrinfo hint = {.ai_socktype = SOCK_DGRAM}, *ai;
	char host[256], port[8];
	int r = weir_address_split(o->listen, host, sizeof(host), port, sizeof(port), err);

	if (r < 0)
		return r;
	r = getaddrinfo(host, port, &hint, &ai);
	if (r)
		return weir_err_set(err, -EADDRNOTAVAIL, "cannot resolve %s: %s", o->listen,
				    gai_strerror(r));
	*ret = (struct sockaddr_storage){0};
	memcpy(ret, ai->ai_addr, ai->ai_addrlen);
	*ret_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	if (wildcard((const struct sockaddr *)ret))
		return weir_err_set(err, WEIR_E_CONFIG,
				    "%s means all addresses of the host: name the one that the "
				    "other regions reach",
				    o->listen);
	return 0;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)(const void *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)(const void *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (!a || a->sa_family != b->ss_family)
		return false;
	return a->sa_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
				       : !memcmp(&a6->sin6_addr, &b6->sin6_addr, 16);
}

/* Of the interface that has the address. */
static uint32_t mtu_of(int fd, const struct sockaddr_storage *local)
{
	struct ifaddrs *list, *i;
	uint32_t mtu = MTU_DEFAULT;

	if (getifaddrs(&list) < 0)
		return mtu;
	for (i = list; i; i = i->ifa_next) {
		struct ifreq q = {0};

		if (!same_address(i->ifa_addr, local))
			continue;
		snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", i->ifa_name);
		if (ioctl(fd, SIOCGIFMTU, &q) == 0 && q.ifr_mtu > 0)
			mtu = (uint32_t)q.ifr_mtu;
		break;
	}
	freeifaddrs(list);
	return mtu;
}

/* As much as is allowed: with CAP_NET_ADMIN all, else what net.core.rmem_max says. Half of what the kernel tells is its own. */
static uint32_t set_buffer(int fd, int force, int plain, uint32_t bytes)
{
	int v = (int)WEIR_MIN(bytes, (uint32_t)INT32_MAX / 2);
	socklen_t len = sizeof(v);

	if (setsockopt(fd, SOL_SOCKET, force, &v, sizeof(v)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &v, sizeof(v));
	if (getsockopt(fd, SOL_SOCKET, plain, &v, &len) < 0)
		return 0;
	return (uint32_t)v / 2;
}

static bool set_on(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static void set_options(struct weir_dgram_socket *s, bool v6)
{
	if (v6) {
		set_on(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set_on(s->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		set_on(s->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
		set_on(s->fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
	} else {
		set_on(s->fd, IPPROTO_IP, IP_RECVTOS, 1);
		set_on(s->fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	}
	s->gro = set_on(s->fd, IPPROTO_UDP, UDP_GRO, 1);
	s->io.gso = set_on(s->fd, IPPROTO_UDP, UDP_SEGMENT, 0);
}

static void say(struct weir_dgram_socket *s, uint32_t got, uint32_t asked)
{
	static const char *const offload[4] = {"no GSO, no GRO", "GRO, no GSO", "GSO, no GRO",
					       "GSO and GRO"};
	int n = snprintf(s->io.text, sizeof(s->io.text), "%s, %s", s->io.ops->name,
			 offload[s->io.gso * 2 + s->gro]);

	if (got < asked)
		snprintf(s->io.text + n, sizeof(s->io.text) - (size_t)n,
			 ", receive buffer %u of %u KiB (raise net.core.rmem_max)", got >> 10,
			 asked >> 10);
}

int weir_dgram_socket_open(struct weir_dgram_socket *s, const struct weir_dgram_options *o,
			   const struct weir_dgram_ops *ops, struct weir_err *err)
{
	uint32_t asked = o->buffer_bytes ? o->buffer_bytes : BUFFER_DEFAULT, got;
	int r = weir_dgram_resolve(o, &s->io.local, &s->io.local_len, err);
	bool v6 = s->io.local.ss_family == AF_INET6;

	if (r < 0)
		return r;
	s->fd = socket(s->io.local.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return weir_err_set(err, -errno, "cannot open a UDP socket: %s",
				    weir_strerror(-errno));
	s->io.ops = ops;
	set_options(s, v6);
	if (bind(s->fd, (const struct sockaddr *)&s->io.local, s->io.local_len) < 0) {
		r = -errno;
		close(s->fd);
		return weir_err_set(
			err, r, "cannot receive on %s: %s%s", o->listen, weir_strerror(r),
			r == -EADDRINUSE ? " (another program, perhaps another gateway, has this "
					   "port)"
			: r == -EADDRNOTAVAIL ? " (no interface of this host has this address)"
					      : "");
	}
	s->io.local_len = sizeof(s->io.local);
	getsockname(s->fd, (struct sockaddr *)&s->io.local, &s->io.local_len);
	set_buffer(s->fd, SO_SNDBUFFORCE, SO_SNDBUF, asked);
	got = set_buffer(s->fd, SO_RCVBUFFORCE, SO_RCVBUF, asked);
	s->io.payload_max = mtu_of(s->fd, &s->io.local) - (v6 ? HEAD_V6 : HEAD_V4);
	s->io.payload_max = WEIR_MIN(s->io.payload_max, WEIR_DGRAM_BYTES_MAX);
	say(s, got, asked);
	return 0;
}

void weir_dgram_socket_close(struct weir_dgram_socket *s)
{
	close(s->fd);
}

void weir_dgram_socket_stats(struct weir_dgram_io *io, struct weir_dgram_stats *ret)
{
	const struct weir_dgram_socket *s = (const struct weir_dgram_socket *)(const void *)io;
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	*ret = s->stats;
	/* Datagrams that found the receive buffer full, or had a wrong checksum. */
	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0)
		ret->in_dropped += info[SK_MEMINFO_DROPS];
}

/* ---- sending ------------------------------------------------------------------------------- */

static void *put_control(struct weir_dgram_out *m, int level, int type, const void *p, size_t n)
{
	uint8_t *at = (uint8_t *)m->control + m->h.msg_controllen;
	struct cmsghdr *c = (struct cmsghdr *)(void *)at;

	m->h.msg_control = m->control;
	m->h.msg_controllen += CMSG_SPACE(n);
	weir_assert(m->h.msg_controllen <= sizeof(m->control));
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};
	return memcpy(CMSG_DATA(c), p, n);
}

static void put(struct weir_dgram_out *m, const struct weir_dgram *d, const uint8_t *p, uint32_t n,
		uint32_t entry)
{
	int ecn = d->ecn & 3;

	m->v = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	m->h = (struct msghdr){.msg_name = (void *)(uintptr_t)&d->peer,
			       .msg_namelen = d->peer_len,
			       .msg_iov = &m->v,
			       .msg_iovlen = 1};
	m->entry = entry;
	m->parts = d->seg && n > d->seg ? (n + d->seg - 1) / d->seg : 1;
	m->result = -EAGAIN;
	if (ecn && d->peer.ss_family == AF_INET6)
		put_control(m, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn));
	else if (ecn)
		put_control(m, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn));
	if (m->parts > 1)
		put_control(m, IPPROTO_UDP, UDP_SEGMENT, &d->seg, sizeof(d->seg));
}

/* Messages of as many whole entries as fit. */
static uint32_t plan(struct weir_dgram_socket *s, const struct weir_dgram *d, uint32_t count,
		     struct weir_dgram_out *m, uint32_t *ret_entries)
{
	uint32_t n = 0, i;

	for (i = 0; i < count; i++) {
		uint32_t parts = weir_dgram_count(&d[i]), at = 0, len;
		const uint8_t *p;

		if (parts > WEIR_DGRAM_SEGS || d[i].n > WEIR_DGRAM_BYTES_MAX) {
			s->stats.out_dropped += parts;
			continue;
		}
		if (n + (s->io.gso ? 1 : parts) > WEIR_DGRAM_BURST)
			break;
		if (s->io.gso || parts == 1) {
			put(&m[n++], &d[i], d[i].p, d[i].n, i);
			continue;
		}
		while (weir_dgram_next(&d[i], &at, &p, &len))
			put(&m[n++], &d[i], p, len, i);
	}
	*ret_entries = i;
	return n;
}

/* Counts; how many entries are through. */
static uint32_t settle(struct weir_dgram_socket *s, const struct weir_dgram_out *m, uint32_t n,
		       uint32_t entries)
{
	uint32_t through = n;

	while (through && m[through - 1].result == -EAGAIN)
		through--;
	if (through < n)
		entries = through ? m[through - 1].entry + 1 : m[0].entry;
	for (uint32_t i = 0; i < n && m[i].entry < entries; i++) {
		if (m[i].result == 0) {
			s->stats.out += m[i].parts;
			s->stats.out_bytes += m[i].v.iov_len;
			continue;
		}
		s->stats.out_dropped += m[i].parts;
		/* The device computes no checksums and the kernel is too old to do it for a GSO message. */
		if (m[i].result == -EIO && m[i].parts > 1)
			s->io.gso = false;
	}
	return entries;
}

int weir_dgram_socket_send(struct weir_dgram_socket *s, const struct weir_dgram *d, uint32_t count,
			   void (*push)(struct weir_dgram_socket *s, struct weir_dgram_out *m,
					uint32_t n))
{
	struct weir_dgram_out m[WEIR_DGRAM_BURST];
	uint32_t done = 0;

	while (done < count) {
		uint32_t entries, n = plan(s, d + done, count - done, m, &entries), taken;

		if (n)
			push(s, m, n);
		taken = settle(s, m, n, entries);
		done += taken;
		if (taken < entries)
			break;
	}
	return (int)done;
}

/* ---- receiving ----------------------------------------------------------------------------- */

bool weir_dgram_socket_took(struct weir_dgram_socket *s, const struct msghdr *h, uint32_t n,
			    struct weir_dgram *ret)
{
	struct msghdr m = *h; /* CMSG_NXTHDR() takes no const */
	int v;

	ret->n = n;
	ret->seg = 0;
	ret->ecn = 0;
	if (h->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		s->stats.in_bad++;
		return false;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			ret->ecn = *CMSG_DATA(c) & 3;
			continue;
		}
		memcpy(&v, CMSG_DATA(c), sizeof(v));
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			ret->ecn = v & 3;
		else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && (uint32_t)v < n)
			ret->seg = (uint16_t)v;
	}
	s->stats.in += weir_dgram_count(ret);
	s->stats.in_bytes += n;
	return true;
}
