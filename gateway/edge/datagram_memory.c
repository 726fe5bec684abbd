/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends in one process. A lock and an eventfd each, so that the ends may be in different threads. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/prng.h"
#include "gateway/edge/datagram.h"
#include "host/heap.h"

#define QUEUE_MAX 4096u
#define PORT 7400
#define LOSS_ALL 65536u

struct entry {
	struct entry *next;
	uint32_t n;
	uint16_t seg;
	uint8_t ecn;
	uint8_t data[];
};

struct pair;
struct end {
	struct weir_dgram_io io; /* first */
	struct pair *pair;
	struct end *peer;
	struct entry *first, **last; /* what arrived */
	uint32_t queued;
	struct entry *lent; /* what the last recv() handed out */
	struct weir_prng prng; /* of what this end sends */
	struct weir_dgram_stats stats;
	int wake;
	bool closed;
};

struct pair {
	pthread_mutex_t lock;
	uint32_t loss;
	struct end end[2];
};

static struct end *end_of(struct weir_dgram_io *io)
{
	return (struct end *)(void *)io;
}

static void drop_list(struct entry *e)
{
	while (e) {
		struct entry *next = e->next;

		weir_heap_mem.free(NULL, e, sizeof(*e) + e->n);
		e = next;
	}
}

/* Under the lock. */
static void arrive(struct end *from, const uint8_t *p, uint32_t n, const struct weir_dgram *d)
{
	struct end *to = from->peer;
	uint32_t count = d->seg && n ? (n + d->seg - 1) / d->seg : 1;
	uint64_t one = 1;
	struct entry *e;

	from->stats.out += count;
	from->stats.out_bytes += n;
	if (to->closed || to->queued == QUEUE_MAX) {
		to->stats.in_dropped += count;
		return;
	}
	e = weir_heap_mem.alloc(NULL, sizeof(*e) + n, _Alignof(struct entry));
	*e = (struct entry){.n = n, .seg = n > d->seg ? d->seg : 0, .ecn = d->ecn & 3};
	if (n)
		memcpy(e->data, p, n);
	*to->last = e;
	to->last = &e->next;
	if (to->queued++ == 0)
		weir_assert(write(to->wake, &one, sizeof(one)) == sizeof(one));
}

static bool fits(const struct end *a, const struct weir_dgram *d)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&d->peer;
	const struct sockaddr_in *peer = (const struct sockaddr_in *)&a->peer->io.local;

	return to->sin_family == AF_INET && to->sin_port == peer->sin_port &&
	       to->sin_addr.s_addr == peer->sin_addr.s_addr && d->n <= WEIR_DGRAM_BYTES_MAX &&
	       (d->seg ? d->seg : d->n) <= a->io.payload_max &&
	       weir_dgram_count(d) <= WEIR_DGRAM_SEGS;
}

static void send_one(struct end *a, const struct weir_dgram *d)
{
	uint32_t at = 0, n, start = 0, loss = a->pair->loss;
	const uint8_t *p;

	if (!fits(a, d)) {
		a->stats.out_dropped += weir_dgram_count(d);
		return;
	}
	if (!d->n && !weir_prng_chance(&a->prng, loss, LOSS_ALL))
		arrive(a, d->p, 0, d);
	while (weir_dgram_next(d, &at, &p, &n)) {
		uint32_t here = at - n;

		if (weir_prng_chance(&a->prng, loss, LOSS_ALL)) {
			if (here > start)
				arrive(a, d->p + start, here - start, d);
			a->stats.out++;
			a->stats.out_bytes += n;
			start = at;
		}
	}
	if (d->n > start)
		arrive(a, d->p + start, d->n - start, d);
}

static int memory_send(struct weir_dgram_io *io, const struct weir_dgram *d, uint32_t count)
{
	struct end *a = end_of(io);

	pthread_mutex_lock(&a->pair->lock);
	for (uint32_t i = 0; i < count; i++)
		send_one(a, &d[i]);
	pthread_mutex_unlock(&a->pair->lock);
	return (int)count;
}

static int memory_recv(struct weir_dgram_io *io, struct weir_dgram *ret, uint32_t cap)
{
	struct end *b = end_of(io);
	struct entry **tail = &b->lent;
	uint64_t clear;
	uint32_t n = 0;

	drop_list(b->lent);
	b->lent = NULL;
	pthread_mutex_lock(&b->pair->lock);
	for (; n < cap && b->first; n++) {
		struct entry *e = b->first;

		b->first = e->next;
		if (!b->first)
			b->last = &b->first;
		e->next = NULL;
		*tail = e;
		tail = &e->next;
		ret[n] = (struct weir_dgram){.peer = b->peer->io.local,
					     .peer_len = b->peer->io.local_len,
					     .p = e->data,
					     .n = e->n,
					     .seg = e->seg,
					     .ecn = e->ecn};
		b->stats.in += weir_dgram_count(&ret[n]);
		b->stats.in_bytes += e->n;
	}
	b->queued -= n;
	if (n && !b->queued)
		weir_assert(read(b->wake, &clear, sizeof(clear)) == sizeof(clear));
	pthread_mutex_unlock(&b->pair->lock);
	return (int)n;
}

static int memory_wait(struct weir_dgram_io *io, int other_fd, bool want_send, int64_t timeout_ns)
{
	struct pollfd p[2] = {{.fd = end_of(io)->wake, .events = POLLIN},
			      {.fd = other_fd, .events = POLLIN}};
	struct timespec ts = {.tv_sec = timeout_ns / WEIR_NS_PER_S,
			      .tv_nsec = timeout_ns % WEIR_NS_PER_S};

	if (!want_send && ppoll(p, 2, timeout_ns < 0 ? NULL : &ts, NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static void memory_stats(struct weir_dgram_io *io, struct weir_dgram_stats *ret)
{
	struct end *a = end_of(io);

	pthread_mutex_lock(&a->pair->lock);
	*ret = a->stats;
	pthread_mutex_unlock(&a->pair->lock);
}

static void memory_close(struct weir_dgram_io *io)
{
	struct end *a = end_of(io);
	struct pair *pair = a->pair;
	bool last;

	drop_list(a->lent);
	pthread_mutex_lock(&pair->lock);
	a->closed = true;
	drop_list(a->first);
	a->first = NULL;
	last = a->peer->closed;
	pthread_mutex_unlock(&pair->lock);
	if (!last)
		return;
	for (int i = 0; i < 2; i++)
		close(pair->end[i].wake);
	pthread_mutex_destroy(&pair->lock);
	weir_heap_mem.free(NULL, pair, sizeof(*pair));
}

static const struct weir_dgram_ops memory_ops = {
	.name = "memory",
	.recv = memory_recv,
	.send = memory_send,
	.wait = memory_wait,
	.stats = memory_stats,
	.close = memory_close,
};

void weir_dgram_memory_pair(struct weir_dgram_io **ret_a, struct weir_dgram_io **ret_b,
			    uint32_t loss, uint64_t seed)
{
	static const char *const purpose[2] = {"dgram a", "dgram b"};
	struct pair *pair = weir_heap_mem.alloc(NULL, sizeof(*pair), _Alignof(struct pair));

	weir_assert(loss <= LOSS_ALL);
	pthread_mutex_init(&pair->lock, NULL);
	pair->loss = loss;
	for (uint32_t i = 0; i < 2; i++) {
		struct end *a = &pair->end[i];
		struct sockaddr_in *sin = (struct sockaddr_in *)&a->io.local;

		sin->sin_family = AF_INET;
		sin->sin_port = htons(PORT);
		sin->sin_addr.s_addr = htonl(UINT32_C(0xc0000201) + i);
		a->io.local_len = sizeof(*sin);
		a->io.ops = &memory_ops;
		a->io.payload_max = WEIR_DGRAM_PAYLOAD_V4;
		a->io.gso = true;
		strcpy(a->io.text, "memory");
		a->pair = pair;
		a->peer = &pair->end[1 - i];
		a->last = &a->first;
		a->prng = weir_prng_of(seed, purpose[i]);
		a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		weir_assert(a->wake >= 0);
	}
	*ret_a = &pair->end[0].io;
	*ret_b = &pair->end[1].io;
}
