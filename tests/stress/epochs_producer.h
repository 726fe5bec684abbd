/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stress/epochs_producer.h - a producer with a name (docs/formats/ingress.md) that comes again after each stop. */
#ifndef WEIR_TESTS_STRESS_EPOCHS_PRODUCER_H
#define WEIR_TESTS_STRESS_EPOCHS_PRODUCER_H

#include "tests/stress/epochs_rig.h"

struct producer {
	char address[64];
	pthread_mutex_t lock; /* address: a new one after each start */
	_Atomic uint64_t durable;
	_Atomic bool leave;
	char *text;
	size_t bytes;
};

static inline int dial(struct producer *q)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *colon;

	pthread_mutex_lock(&q->lock);
	colon = strrchr(q->address, ':');
	a.sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 1));
	pthread_mutex_unlock(&q->lock);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    send(fd, "weir 1 stress\n", 14, MSG_NOSIGNAL) == 14)
		return fd;
	close(fd);
	return -1;
}

/* Sends what is not durable, hears what is; until the connection ends. */
static inline void produce(struct producer *q, int fd)
{
	char said[4096];
	size_t at = 0, n = 0;
	bool ok = false;

	while (!atomic_load(&q->leave)) {
		struct pollfd p = {.fd = fd,
				   .events = ok && at < q->bytes ? POLLIN | POLLOUT : POLLIN};
		char *end;
		ssize_t k;

		poll(&p, 1, 5);
		if (p.revents & POLLOUT) {
			k = send(fd, q->text + at, WEIR_MIN(q->bytes - at, (size_t)20000),
				 MSG_NOSIGNAL | MSG_DONTWAIT);
			at += k > 0 ? (size_t)k : 0;
		}
		if (!(p.revents & ~POLLOUT))
			continue;
		k = recv(fd, said + n, sizeof(said) - 1 - n, 0);
		if (k <= 0)
			return;
		n += (size_t)k;
		said[n] = 0;
		while ((end = strchr(said, '\n'))) {
			uint64_t v = strtoull(strchr(said, ' ') + 1, NULL, 10);

			if (!ok)
				at = (size_t)v;
			ok = true;
			assert_true(v >= atomic_load(&q->durable)); /* never taken back */
			atomic_store(&q->durable, v);
			n -= (size_t)(end + 1 - said);
			memmove(said, end + 1, n + 1);
		}
	}
}

static inline void *producer_main(void *arg)
{
	struct producer *q = arg;

	while (!atomic_load(&q->leave)) {
		int fd = dial(q);

		if (fd >= 0) {
			produce(q, fd);
			close(fd);
		}
		stress_pause(WEIR_NS_PER_MS);
	}
	return NULL;
}

#endif
