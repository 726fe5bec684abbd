/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/attach.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/doorbell.h"
#include "shm/rundir.h"

/* A lane that falls to another gateway is left alone so long after it was seen free. */
#define COURTESY_NS (40 * (uint64_t)WEIR_NS_PER_MS)
#define BELL_NS (100 * (int64_t)WEIR_NS_PER_MS) /* the bell's thread looks whether it is to end */

struct lane {
	struct weir_gate_lane gate;
	uint32_t out, in; /* rings; UINT32_MAX: not seen */
	uint32_t counter[WEIR_LANE_COUNTERS]; /* UINT32_MAX: none */
	struct weir_ring_rx rx;
	struct weir_ring_tx tx;
	uint64_t free_since_ns;
	bool held;
};

struct weir_attach {
	struct weir_segment seg;
	uint32_t gateways, gateway;
	uint32_t count, holds, held_count;
	struct lane *lane;
	/* held lanes by edge, as the gate numbers them */
	uint32_t *held;
	struct weir_gate_lane *gate;
	struct weir_gate_lane_ops ops;
	/* doorbell */
	struct weir_doorbell *bell;
	int bell_fd;
	pthread_t thread;
	bool thread_runs;
	_Atomic bool quit;
};

/* ---- the segment ---- */

static int ask(int fd, int *ret_fd, struct weir_err *err)
{
	static const char request[] = "{\"cmd\":\"segment\"}\n";
	char answer[512];
	struct iovec iov = {.iov_base = answer, .iov_len = sizeof(answer) - 1};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = u.bytes,
			   .msg_controllen = sizeof(u.bytes)};
	struct cmsghdr *h;
	ssize_t n;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return weir_err_set(err, -errno, "the engine does not listen: %s", strerror(errno));
	n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return weir_err_set(err, -ECONNREFUSED, "the engine did not answer");
	h = CMSG_FIRSTHDR(&m);
	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
	    h->cmsg_len != CMSG_LEN(sizeof(int))) {
		answer[n] = 0;
		return weir_err_set(err, WEIR_E_FORMAT, "the engine gave no segment: %.200s",
				    answer);
	}
	memcpy(ret_fd, CMSG_DATA(h), sizeof(int));
	return 0;
}

static int segment_of(const char *instance, struct weir_segment *ret, struct weir_err *err)
{
	struct timeval patience = {.tv_usec = 200000}; /* links wait meanwhile */
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int r = weir_run_socket(instance, un.sun_path, sizeof(un.sun_path), err), fd, seg = -1;

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return weir_err_set(err, -errno, "no socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		r = weir_err_set(err, -errno, "no engine at %s: %s", un.sun_path, strerror(errno));
	else
		r = ask(fd, &seg, err);
	close(fd);
	if (r < 0)
		return r;
	r = weir_segment_attach(seg, true, ret, err);
	if (r < 0)
		close(seg);
	return r;
}

static uint32_t counter_of(const struct weir_segment *s, const char *name)
{
	const char *names = (const char *)s->map + s->header->names_off;
	uint64_t size = s->header->schemas_off - s->header->names_off;

	for (uint32_t i = 0; i < s->header->counter_count; i++) {
		uint64_t at = s->counter[i].name_off;

		if (at < size && strnlen(names + at, size - at) < size - at &&
		    strcmp(names + at, name) == 0)
			return i;
	}
	return UINT32_MAX;
}

static struct lane *lane_of(struct weir_attach *a, uint64_t edge, uint32_t peer)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (a->lane[i].gate.edge == edge)
			return a->lane[i].gate.peer == peer ? &a->lane[i] : NULL;
	a->lane[a->count] = (struct lane){
		.gate = {.edge = edge, .peer = peer}, .out = UINT32_MAX, .in = UINT32_MAX};
	return &a->lane[a->count++];
}

static int by_edge(const void *x, const void *y)
{
	const struct lane *a = x, *b = y;

	return a->gate.edge < b->gate.edge ? -1 : a->gate.edge > b->gate.edge;
}

/* Both rings of each lane, by their names. */
static int find_lanes(struct weir_attach *a, const struct weir_cluster *c, struct weir_err *err)
{
	char name[80], peer[WEIR_REGION_MAX + 1];

	for (uint32_t i = 0; i < a->seg.ring_count; i++) {
		const struct weir_ring_block *b = &a->seg.ring[i];
		uint64_t edge;
		struct lane *l;
		bool out;
		int k;

		snprintf(name, sizeof(name), "%.*s", (int)sizeof(b->name), b->name);
		if (!weir_lane_ring_parse(name, &out, &edge, peer))
			continue;
		k = weir_cluster_find(c, weir_str_c(peer));
		if (k < 0)
			return weir_err_set(
				err, WEIR_E_CONFIG,
				"the engine has an edge with region `%s`, which is not in "
				"this gateway's cluster file",
				peer);
		l = lane_of(a, edge, (uint32_t)k);
		if (!l || (out ? l->out : l->in) != UINT32_MAX)
			return weir_err_set(err, WEIR_E_CORRUPT,
					    "two lanes of one edge in the segment");
		*(out ? &l->out : &l->in) = i;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		struct lane *l = &a->lane[i];

		if (l->out == UINT32_MAX || l->in == UINT32_MAX)
			return weir_err_set(err, WEIR_E_CORRUPT, "half a lane in the segment");
		l->gate.frame_max = a->seg.ring[l->in].frame_max;
		l->gate.in_bytes = a->seg.area[l->in].capacity;
		for (unsigned k = 0; k < WEIR_LANE_COUNTERS; k++) {
			weir_lane_counter_name(name, sizeof(name), l->gate.edge,
					       (enum weir_lane_counter)k);
			l->counter[k] = counter_of(&a->seg, name);
		}
	}
	qsort(a->lane, a->count, sizeof(*a->lane), by_edge);
	return 0;
}

static int map_lanes(struct weir_attach *a, struct weir_err *err)
{
	for (uint32_t i = 0; i < a->count; i++) {
		int r = weir_segment_map_ring(&a->seg, a->lane[i].out, err);

		if (r == 0)
			r = weir_segment_map_ring(&a->seg, a->lane[i].in, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the bell ---- */

static void *bell_main(void *arg)
{
	struct weir_attach *a = arg;
	uint32_t last = weir_load_acquire(&a->bell->word);
	const uint64_t one = 1;

	while (!atomic_load(&a->quit)) {
		uint32_t now;

		weir_doorbell_wait(a->bell, last, BELL_NS);
		now = weir_load_acquire(&a->bell->word);
		if (now != last && write(a->bell_fd, &one, sizeof(one)) < 0)
			continue; /* it is full: readable anyway */
		last = now;
	}
	return NULL;
}

static int bell_open(struct weir_attach *a, struct weir_err *err)
{
	uint32_t first = counter_of(&a->seg, "lane.doorbell.first");
	uint32_t count = counter_of(&a->seg, "lane.doorbell.count");
	uint64_t n;

	if (first == UINT32_MAX || count == UINT32_MAX)
		return 0;
	n = weir_load_relaxed(&a->seg.counter[first].value) + a->gateway;
	if (a->gateway >= weir_load_relaxed(&a->seg.counter[count].value) ||
	    n >= a->seg.header->doorbell_count)
		return weir_err_set(
			err, WEIR_E_CONFIG,
			"the engine knows fewer gateways of this region: it was started "
			"with another cluster file");
	a->bell = &a->seg.doorbell[n];
	a->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->bell_fd < 0 || pthread_create(&a->thread, NULL, bell_main, a) != 0)
		return weir_err_set(err, -errno, "no thread for the doorbell");
	a->thread_runs = true;
	return 0;
}

int weir_attach_bell_fd(const struct weir_attach *a)
{
	return a->bell_fd;
}

void weir_attach_sleep(struct weir_attach *a)
{
	if (a->bell)
		weir_doorbell_prepare(a->bell);
}

void weir_attach_woke(struct weir_attach *a)
{
	uint64_t n;

	if (!a->bell)
		return;
	weir_doorbell_cancel(a->bell);
	while (read(a->bell_fd, &n, sizeof(n)) > 0)
		;
}

/* ---- rings, for the gate ---- */

static struct lane *held(void *ctx, uint32_t lane)
{
	struct weir_attach *a = ctx;

	return &a->lane[a->held[lane]];
}

static void ring_bell(struct weir_attach *a, uint32_t number)
{
	if (number < a->seg.header->doorbell_count)
		weir_doorbell_ring(&a->seg.doorbell[number]);
}

static uint64_t out_peek(void *ctx, uint32_t lane, uint64_t skip, const uint8_t **ret_p)
{
	struct lane *l = held(ctx, lane);
	const void *p;
	uint64_t n = weir_ring_peek(&l->rx, UINT64_MAX, &p);

	if (n <= skip)
		return 0;
	*ret_p = (const uint8_t *)p + skip;
	return n - skip;
}

static void out_done(void *ctx, uint32_t lane, uint64_t bytes)
{
	struct lane *l = held(ctx, lane);
	struct weir_attach *a = ctx;

	weir_ring_consume(&l->rx, bytes);
	weir_ring_release(&l->rx);
	ring_bell(a, a->seg.ring[l->out].producer_doorbell);
}

static void *in_claim(void *ctx, uint32_t lane, uint32_t size)
{
	return weir_ring_claim(&held(ctx, lane)->tx, size);
}

static void in_keep(void *ctx, uint32_t lane, uint32_t size)
{
	struct lane *l = held(ctx, lane);
	struct weir_attach *a = ctx;

	weir_ring_keep(&l->tx, size);
	weir_ring_publish(&l->tx);
	ring_bell(a, a->seg.ring[l->in].consumer_doorbell);
}

static uint64_t in_used(void *ctx, uint32_t lane)
{
	struct lane *l = held(ctx, lane);
	uint64_t head = weir_load_acquire(&l->tx.block->head);

	return l->tx.tail - WEIR_MIN(head, l->tx.tail);
}

/* ---- holding ---- */

static bool free_now(const struct weir_ring_role *role)
{
	enum weir_peer p = weir_ring_role_peer(role);

	return p != WEIR_PEER_ALIVE;
}

static bool claim(struct weir_attach *a, struct lane *l)
{
	struct weir_ring_block *out = &a->seg.ring[l->out], *in = &a->seg.ring[l->in];

	if (weir_ring_role_claim(&out->consumer, NULL) < 0)
		return false;
	if (weir_ring_role_claim(&in->producer, NULL) < 0) {
		weir_ring_role_drop(&out->consumer);
		return false;
	}
	weir_ring_rx_init(&l->rx, out, a->seg.ring_base[l->out]);
	weir_ring_tx_init(&l->tx, in, a->seg.ring_base[l->in]);
	return true;
}

bool weir_attach_claim(struct weir_attach *a, uint64_t now)
{
	bool changed = false;

	for (uint32_t i = 0; i < a->count && a->holds < WEIR_GATE_LANES_MAX; i++) {
		struct lane *l = &a->lane[i];

		if (l->held)
			continue;
		if (!free_now(&a->seg.ring[l->in].producer) ||
		    !free_now(&a->seg.ring[l->out].consumer)) {
			l->free_since_ns = 0;
			continue;
		}
		if (!l->free_since_ns)
			l->free_since_ns = now;
		if (l->gate.edge % a->gateways != a->gateway &&
		    now - l->free_since_ns < COURTESY_NS)
			continue;
		l->held = claim(a, l);
		a->holds += l->held;
		changed |= l->held;
	}
	if (!changed)
		return false;
	a->held_count = 0;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->lane[i].held) {
			a->held[a->held_count] = i;
			a->gate[a->held_count++] = a->lane[i].gate;
		}
	return true;
}

uint32_t weir_attach_lanes(struct weir_attach *a, const struct weir_gate_lane **ret_lane,
			   const struct weir_gate_lane_ops **ret_ops)
{
	*ret_lane = a->gate;
	*ret_ops = &a->ops;
	return a->held_count;
}

static void set(struct weir_attach *a, const struct lane *l, enum weir_lane_counter c, uint64_t v)
{
	if (l->counter[c] != UINT32_MAX)
		weir_store_relaxed(&a->seg.counter[l->counter[c]].value, v);
}

void weir_attach_show(struct weir_attach *a, const struct weir_gate *g)
{
	for (uint32_t i = 0; i < a->held_count; i++) {
		const struct lane *l = &a->lane[a->held[i]];
		struct weir_gate_lane_info info;

		weir_gate_lane_info(g, i, &info);
		set(a, l, WEIR_LANE_WIRE_OUT, info.bytes_out);
		set(a, l, WEIR_LANE_WIRE_IN, info.bytes_in);
		set(a, l, WEIR_LANE_RTT_NS, info.rtt_ns);
		set(a, l, WEIR_LANE_STATE, (uint64_t)info.state);
	}
}

/* ---- life ---- */

bool weir_attach_alive(const struct weir_attach *a)
{
	const struct weir_seg_header *h = a->seg.header;

	return weir_load_acquire(&h->state) == WEIR_SEG_READY &&
	       weir_process_start_time(h->creator_pid) == h->creator_start_time;
}

uint32_t weir_attach_pid(const struct weir_attach *a)
{
	return a->seg.header->creator_pid;
}

uint32_t weir_attach_count(const struct weir_attach *a)
{
	return a->count;
}

int weir_attach_open(const char *instance, const struct weir_cluster *c, uint32_t region,
		     uint32_t gateway, struct weir_attach **ret, struct weir_err *err)
{
	struct weir_attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return weir_err_set(err, -ENOMEM, "out of memory");
	a->bell_fd = -1;
	a->gateways = c->region[region].gateway_count;
	a->gateway = gateway;
	r = segment_of(instance, &a->seg, err);
	if (r < 0) {
		free(a);
		return r;
	}
	a->ops = (struct weir_gate_lane_ops){.out_peek = out_peek,
					     .out_done = out_done,
					     .in_claim = in_claim,
					     .in_keep = in_keep,
					     .in_used = in_used,
					     .ctx = a};
	a->lane = calloc(a->seg.ring_count + 1, sizeof(*a->lane));
	a->held = calloc(a->seg.ring_count + 1, sizeof(*a->held));
	a->gate = calloc(a->seg.ring_count + 1, sizeof(*a->gate));
	r = a->lane && a->held && a->gate ? 0 : weir_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = find_lanes(a, c, err);
	if (r == 0)
		r = map_lanes(a, err);
	if (r == 0)
		r = bell_open(a, err);
	if (r < 0) {
		weir_attach_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

void weir_attach_close(struct weir_attach *a)
{
	if (a->thread_runs) {
		atomic_store(&a->quit, true);
		pthread_join(a->thread, NULL);
	}
	if (a->bell_fd >= 0)
		close(a->bell_fd);
	for (uint32_t i = 0; i < a->count; i++) {
		if (!a->lane[i].held)
			continue;
		weir_ring_role_drop(&a->seg.ring[a->lane[i].in].producer);
		weir_ring_role_drop(&a->seg.ring[a->lane[i].out].consumer);
	}
	weir_segment_close(&a->seg);
	free(a->lane);
	free(a->held);
	free(a->gate);
	free(a);
}
