/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping. DPDK's way is not to: five gateways that spin on two cores answer fifty times later than five that sleep. A few
 * looks at empty queues, then, as the driver allows: poll() on the sockets it reads from, receive interrupts, or naps.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "gateway/dpdk/port.h"
#include "host/clock.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif

#define LOOKS 4
#define TRUST_NS (100 * WEIR_NS_PER_MS) /* a bell that is lost costs no more */
#define NAP_MIN_NS (50 * WEIR_NS_PER_US)
#define NAP_MAX_NS (1000 * WEIR_NS_PER_US)

/* Packets are read from a socket of this family; 0: they are not. */
static int family_of(const struct weir_dpdk_io *d)
{
	if (!strcmp(d->info.driver_name, "net_af_packet"))
		return AF_PACKET;
	return strcmp(d->info.driver_name, "net_af_xdp") ? 0 : AF_XDP;
}

bool weir_dpdk_wait_interrupts(const struct weir_dpdk_io *d)
{
	return d->sleep != WEIR_DPDK_BUSY && !family_of(d);
}

static bool is_theirs(const struct weir_dpdk_io *d, int fd, int family)
{
	struct sockaddr_ll ll = {0};
	socklen_t len = sizeof(int);
	int domain = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != family)
		return false;
	/* An XDP socket does not tell its interface; there are none but of the device that was set up. */
	if (family == AF_XDP)
		return true;
	len = sizeof(ll);
	return getsockname(fd, (struct sockaddr *)&ll, &len) == 0 &&
	       ll.sll_ifindex == (int)d->info.if_index;
}

/* DPDK does not hand the driver's sockets out: they are looked for among ours. */
static void find_sockets(struct weir_dpdk_io *d)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	while (dir && (e = readdir(dir)) && d->fd_count < (int)WEIR_DPDK_QUEUES_MAX) {
		char *end;
		long fd = strtol(e->d_name, &end, 10);

		if (end != e->d_name && is_theirs(d, (int)fd, family_of(d)))
			d->fd[d->fd_count++] = (int)fd;
	}
	if (dir)
		closedir(dir);
}

/* One epoll descriptor for the interrupts of all queues. */
static bool join_interrupts(struct weir_dpdk_io *d)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return false;
	for (uint16_t q = 0; q < d->queues; q++) {
		if (rte_eth_dev_rx_intr_ctl_q(d->port, q, epoll, RTE_INTR_EVENT_ADD, NULL) < 0) {
			close(epoll);
			return false;
		}
	}
	d->fd[0] = epoll;
	d->fd_count = 1;
	return true;
}

void weir_dpdk_wait_init(struct weir_dpdk_io *d, bool interrupts)
{
	d->nap_ns = NAP_MIN_NS;
	if (d->sleep == WEIR_DPDK_BUSY)
		return;
	d->sleep = WEIR_DPDK_NAPS;
	if (family_of(d)) {
		find_sockets(d);
		if (d->fd_count)
			d->sleep = WEIR_DPDK_SOCKETS;
	} else if (interrupts && join_interrupts(d)) {
		d->sleep = WEIR_DPDK_INTERRUPTS;
	}
}

void weir_dpdk_wait_fini(struct weir_dpdk_io *d)
{
	if (d->sleep != WEIR_DPDK_INTERRUPTS)
		return;
	for (uint16_t q = 0; q < d->queues; q++)
		rte_eth_dev_rx_intr_ctl_q(d->port, q, d->fd[0], RTE_INTR_EVENT_DEL, NULL);
	close(d->fd[0]);
}

const char *weir_dpdk_wait_text(const struct weir_dpdk_io *d)
{
	static const char *const text[] = {"busy", "sleeps in poll", "sleeps for interrupts",
					   "sleeps in naps"};

	return text[d->sleep];
}

/* Keeps what came for recv(). */
static bool look(struct weir_dpdk_io *d, int times)
{
	if (d->ready_at < d->ready_count)
		return true;
	d->ready_at = d->ready_count = 0;
	for (int i = 0; i < times && !d->ready_count; i++)
		d->ready_count = weir_dpdk_look(d, d->ready, WEIR_DGRAM_BURST);
	return d->ready_count > 0;
}

/* 1: one of them is readable, 0: time is up or a signal came. timeout_ns <0: never up. */
static int sleep_on(const int *fd, int fd_count, int other_fd, int64_t timeout_ns)
{
	struct pollfd p[WEIR_DPDK_QUEUES_MAX + 2] = {{.fd = other_fd, .events = POLLIN}};
	struct timespec ts = {.tv_sec = timeout_ns / WEIR_NS_PER_S,
			      .tv_nsec = timeout_ns % WEIR_NS_PER_S};
	int r;

	for (int i = 0; i < fd_count; i++)
		p[i + 1] = (struct pollfd){.fd = fd[i], .events = POLLIN};
	r = ppoll(p, (nfds_t)fd_count + 1, timeout_ns < 0 ? NULL : &ts, NULL);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r > 0;
}

static int sleep_for_interrupt(struct weir_dpdk_io *d, int other_fd, int64_t timeout_ns)
{
	struct rte_epoll_event ev[WEIR_DPDK_QUEUES_MAX];
	int r = 0;

	/* Some drivers' are always on and say that they cannot be switched. */
	for (uint16_t q = 0; q < d->queues; q++)
		rte_eth_dev_rx_intr_enable(d->port, q);
	/* What came before they were on rings no bell. */
	if (!look(d, 1)) {
		r = sleep_on(d->fd, d->fd_count, other_fd,
			     timeout_ns < 0 ? TRUST_NS : WEIR_MIN(timeout_ns, TRUST_NS));
		rte_epoll_wait(d->fd[0], ev, WEIR_DPDK_QUEUES_MAX, 0);
	}
	for (uint16_t q = 0; q < d->queues; q++)
		rte_eth_dev_rx_intr_disable(d->port, q);
	return r;
}

/* Naps grow while nothing comes. */
static int nap(struct weir_dpdk_io *d, int other_fd, int64_t timeout_ns)
{
	uint64_t start = weir_mono_ns();

	for (;;) {
		int64_t left =
			timeout_ns < 0 ? INT64_MAX : timeout_ns - (int64_t)(weir_mono_ns() - start);
		int r;

		if (left <= 0)
			return 0;
		r = sleep_on(NULL, 0, other_fd, WEIR_MIN(left, d->nap_ns));
		if (r)
			return r;
		if (look(d, 1)) {
			d->nap_ns = NAP_MIN_NS;
			return 0;
		}
		d->nap_ns = WEIR_MIN(d->nap_ns * 2, NAP_MAX_NS);
	}
}

int weir_dpdk_wait(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns)
{
	struct weir_dpdk_io *d = (struct weir_dpdk_io *)(void *)io;
	int r = 0;

	/* There is always room: what has none is dropped. */
	if (want_send || look(d, LOOKS))
		return 0;
	switch (d->sleep) {
	case WEIR_DPDK_BUSY:
		break;
	case WEIR_DPDK_SOCKETS:
		r = sleep_on(d->fd, d->fd_count, other_fd, timeout_ns);
		break;
	case WEIR_DPDK_INTERRUPTS:
		r = sleep_for_interrupt(d, other_fd, timeout_ns);
		break;
	case WEIR_DPDK_NAPS:
		r = nap(d, other_fd, timeout_ns);
		break;
	}
	return WEIR_MIN(r, 0);
}
