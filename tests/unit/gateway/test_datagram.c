/* SPDX-License-Identifier: Apache-2.0 */
/* The pair in memory: what a protocol above is tested with. */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "gateway/edge/datagram.h"
#include "tests/lib/test.h"

static struct weir_dgram to(const struct weir_dgram_io *io, const void *p, uint32_t n, uint16_t seg)
{
	return (struct weir_dgram){
		.peer = io->local, .peer_len = io->local_len, .p = p, .n = n, .seg = seg, .ecn = 2};
}

static void test_memory(void **state)
{
	struct weir_dgram_io *a, *b;
	struct weir_dgram d[4], in[8];
	struct weir_dgram_stats s;
	uint8_t bytes[3000];
	const uint8_t *p;
	uint32_t n, at = 0, parts = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	weir_dgram_memory_pair(&a, &b, 0, 1);
	assert_int_equal(b->ops->recv(b, in, 8), 0);
	d[0] = to(b, bytes, 100, 0);
	d[1] = to(b, bytes, 3000, 1200);
	d[2] = to(b, bytes, 1473, 0); /* too large */
	d[3] = to(a, bytes, 10, 0); /* to itself */
	assert_int_equal(a->ops->send(a, d, 4), 4);
	assert_int_equal(b->ops->wait(b, -1, false, -1), 0);
	assert_int_equal(b->ops->recv(b, in, 1), 1);
	assert_int_equal(in[0].n, 100);
	assert_int_equal(in[0].ecn, 2);
	assert_memory_equal(in[0].p, bytes, 100);
	assert_memory_equal(&in[0].peer, &a->local, a->local_len);
	assert_int_equal(b->ops->wait(b, -1, false, -1), 0);
	assert_int_equal(b->ops->recv(b, in, 8), 1);
	assert_int_equal(weir_dgram_count(&in[0]), 3);
	while (weir_dgram_next(&in[0], &at, &p, &n)) {
		assert_int_equal(n, parts < 2 ? 1200 : 600);
		assert_memory_equal(p, bytes + 1200 * parts, n);
		parts++;
	}
	assert_int_equal(parts, 3);
	a->ops->stats(a, &s);
	assert_int_equal(s.out, 4);
	assert_int_equal(s.out_bytes, 3100);
	assert_int_equal(s.out_dropped, 2);
	b->ops->stats(b, &s);
	assert_int_equal(s.in, 4);
	assert_int_equal(s.in_bytes, 3100);
	b->ops->close(b);
	assert_int_equal(a->ops->send(a, d, 1), 1);
	a->ops->close(a);
}

static void test_memory_loss(void **state)
{
	uint64_t got[2] = {0};

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct weir_dgram_io *a, *b;
		struct weir_dgram d, in[WEIR_DGRAM_BURST];
		uint8_t bytes[1000];

		weir_dgram_memory_pair(&a, &b, 65536 / 10, 7);
		for (uint32_t i = 0; i < 1000; i++) {
			for (uint32_t j = 0; j < 10; j++)
				memset(bytes + j * 100, (int)j, 100);
			d = to(b, bytes, 1000, 100);
			assert_int_equal(a->ops->send(a, &d, 1), 1);
			for (int n; (n = b->ops->recv(b, in, WEIR_DGRAM_BURST)) > 0;) {
				for (int k = 0; k < n; k++) {
					uint32_t at = 0, m;
					const uint8_t *p;

					while (weir_dgram_next(&in[k], &at, &p, &m)) {
						assert_int_equal(m, 100);
						assert_int_equal(p[0], p[99]);
						got[round]++;
					}
				}
			}
		}
		a->ops->close(a);
		b->ops->close(b);
	}
	assert_int_equal(got[0], got[1]);
	assert_in_range(got[0], 8800, 9200);
}

static void test_memory_wait(void **state)
{
	struct weir_dgram_io *a, *b;
	struct weir_dgram d, in[1];
	struct weir_dgram_stats s;
	int fd[2];

	(void)state;
	weir_dgram_memory_pair(&a, &b, 0, 1);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
	assert_int_equal(b->ops->wait(b, fd[0], false, -1), 0);
	assert_int_equal(b->ops->wait(b, -1, false, 1000000), 0);
	assert_int_equal(b->ops->wait(b, -1, true, -1), 0);
	close(fd[0]);
	close(fd[1]);
	/* A full queue drops; an empty datagram is an entry without parts. */
	d = to(b, "", 0, 0);
	for (int i = 0; i < 4097; i++)
		assert_int_equal(a->ops->send(a, &d, 1), 1);
	b->ops->stats(b, &s);
	assert_int_equal(s.in_dropped, 1);
	assert_int_equal(b->ops->recv(b, in, 1), 1);
	assert_int_equal(in[0].n, 0);
	a->ops->close(a);
	b->ops->close(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_memory),
	cmocka_unit_test(test_memory_loss),
	cmocka_unit_test(test_memory_wait),
};

WEIR_TEST_MAIN("datagram", tests)
