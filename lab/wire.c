/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.h"

#define FRAME_BYTES 2048u
#define BLOCK_BYTES (1u << 16)
#define BLOCKS 64u /* 4 MiB a cable: 2048 frames */
#define RING_FRAMES (BLOCK_BYTES / FRAME_BYTES * BLOCKS)
#define BURST 64u
#define MACS 256u

struct cable {
	int fd;
	uint8_t *ring;
	uint32_t at;
	uint64_t missed;
};

struct weir_lab_wire {
	struct weir_lab_net *net;
	struct cable cable[WEIR_WAN_REGIONS_MAX];
	struct {
		uint8_t mac[6];
		uint8_t region;
		bool used;
	} mac[MACS];
	struct weir_lab_wire_stats stats;
};

static int cable_open(struct cable *c, uint32_t region, struct weir_err *err)
{
	struct tpacket_req ring = {BLOCK_BYTES, BLOCKS, FRAME_BYTES, RING_FRAMES};
	int version = TPACKET_V2, one = 1, buffer = 16 << 20;
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	char name[16];

	snprintf(name, sizeof(name), "wan%u", region);
	at.sll_ifindex = (int)if_nametoindex(name);
	c->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || at.sll_ifindex == 0 ||
	    setsockopt(c->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(c->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) < 0)
		return weir_err_set(err, -errno, "%s: no packet socket: %s", name, strerror(errno));
	setsockopt(c->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(c->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	c->ring = mmap(NULL, (size_t)BLOCK_BYTES * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED,
		       c->fd, 0);
	if (c->ring == MAP_FAILED) {
		c->ring = NULL;
		return weir_err_set(err, -errno, "%s: no receive ring: %s", name, strerror(errno));
	}
	if (bind(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return weir_err_set(err, -errno, "%s: %s", name, strerror(errno));
	return 0;
}

int weir_lab_wire_open(struct weir_lab_net *net, struct weir_lab_wire **ret, struct weir_err *err)
{
	struct weir_lab_wire *w = calloc(1, sizeof(*w));

	if (!w)
		return weir_err_set(err, -ENOMEM, "out of memory");
	w->net = net;
	prctl(PR_SET_TIMERSLACK, 1UL);
	for (uint32_t i = 0; i < net->regions; i++)
		w->cable[i].fd = -1;
	for (uint32_t i = 0; i < net->regions; i++) {
		int r = cable_open(&w->cable[i], i, err);

		if (r < 0) {
			weir_lab_wire_close(w);
			return r;
		}
	}
	*ret = w;
	return 0;
}

void weir_lab_wire_close(struct weir_lab_wire *w)
{
	for (uint32_t i = 0; i < w->net->regions; i++) {
		if (w->cable[i].ring)
			munmap(w->cable[i].ring, (size_t)BLOCK_BYTES * BLOCKS);
		if (w->cable[i].fd >= 0)
			close(w->cable[i].fd);
	}
	free(w);
}

/* The region of an address, or -1; learn >= 0 notes it. */
static int known(struct weir_lab_wire *w, const uint8_t *mac, int learn)
{
	uint32_t h = ((uint32_t)mac[5] ^ (uint32_t)mac[4] * 7 ^ (uint32_t)mac[3] * 31) % MACS;

	for (uint32_t i = 0; i < MACS; i++, h = (h + 1) % MACS) {
		if (w->mac[h].used && memcmp(w->mac[h].mac, mac, 6) != 0)
			continue;
		if (learn >= 0) {
			memcpy(w->mac[h].mac, mac, 6);
			w->mac[h].region = (uint8_t)learn;
			w->mac[h].used = true;
		}
		return w->mac[h].used ? w->mac[h].region : -1;
	}
	return -1;
}

static void frame(struct weir_lab_wire *w, uint32_t from, const uint8_t *p, uint32_t n)
{
	uint64_t now = weir_mono_ns(); /* each for itself: a delay is a minimum */
	int to;

	if (n < ETH_HLEN)
		return;
	known(w, p + 6, (int)from);
	to = p[0] & 1 ? -1 : known(w, p, -1);
	if (to == (int)from)
		return;
	for (uint32_t i = 0; i < w->net->regions; i++)
		if (i != from && (to < 0 || to == (int)i))
			weir_wan_put(w->net->wan, from, i, p, n, now);
	w->stats.frames++;
}

static bool receive(struct weir_lab_wire *w)
{
	bool any = false;

	for (uint32_t k = 0; k < w->net->regions; k++)
		for (uint32_t n = 0; n < 256; n++) {
			struct cable *c = &w->cable[k];
			struct tpacket2_hdr *h = (void *)(c->ring + (size_t)c->at * FRAME_BYTES);

			if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
				break;
			if (h->tp_snaplen == h->tp_len)
				frame(w, k, (uint8_t *)h + h->tp_mac, h->tp_snaplen);
			__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
			c->at = (c->at + 1) % RING_FRAMES;
			any = true;
		}
	return any;
}

static bool emit(struct weir_lab_wire *w)
{
	struct weir_wan_frame f;
	uint64_t now = weir_mono_ns();
	uint32_t n = 0;

	for (; n < BURST && weir_wan_next(w->net->wan, now, &f); n++) {
		uint64_t late = now - f.due_ns;

		w->stats.late_ns += late;
		w->stats.late_max_ns = WEIR_MAX(w->stats.late_max_ns, late);
		/* A full cable loses frames, as cables do. */
		if (send(w->cable[f.to].fd, f.p, f.n, MSG_DONTWAIT) < 0)
			continue;
	}
	return n > 0;
}

bool weir_lab_wire_step(struct weir_lab_wire *w, int other_fd, uint64_t start, uint64_t until)
{
	struct pollfd p[WEIR_WAN_REGIONS_MAX + 1];
	uint32_t n = w->net->regions;
	uint64_t now, next = weir_lab_due(w->net, weir_mono_ns() - start);
	bool busy = receive(w);

	busy |= emit(w);
	now = weir_mono_ns();
	if (next != UINT64_MAX)
		until = WEIR_MIN(until, next + start);
	until = WEIR_MIN(until, weir_wan_due(w->net->wan));
	for (uint32_t i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = w->cable[i].fd, .events = POLLIN};
	p[n] = (struct pollfd){.fd = other_fd, .events = POLLIN};
	if (!busy && until > now) {
		struct timespec t = {.tv_sec = (time_t)((until - now) / WEIR_NS_PER_S),
				     .tv_nsec = (long)((until - now) % WEIR_NS_PER_S)};

		ppoll(p, n + 1, &t, NULL);
	} else if (other_fd >= 0) {
		poll(&p[n], 1, 0);
	}
	return p[n].revents != 0;
}

void weir_lab_wire_stats(struct weir_lab_wire *w, struct weir_lab_wire_stats *ret)
{
	for (uint32_t i = 0; i < w->net->regions; i++) {
		struct tpacket_stats s;
		socklen_t n = sizeof(s);

		/* Reading it sets it to 0. */
		if (getsockopt(w->cable[i].fd, SOL_PACKET, PACKET_STATISTICS, &s, &n) == 0)
			w->stats.missed += s.tp_drops;
	}
	*ret = w->stats;
}
