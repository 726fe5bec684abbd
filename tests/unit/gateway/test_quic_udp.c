/* SPDX-License-Identifier: Apache-2.0 */
/* Links over real sockets of this host, and over the pair in memory: what the net of the other tests leaves out. Real time. */
#include "host/address.h"
#include "host/clock.h"
#include "tests/unit/gateway/quic_world.h"

#define PATIENCE_NS (30 * (uint64_t)WEIR_NS_PER_S)

static void drive(struct world *w)
{
	uint64_t next = UINT64_MAX;

	w->now = weir_mono_ns();
	for (int i = 0; i < 2; i++)
		if (w->end[i].q)
			next = WEIR_MIN(next, weir_quic_step(w->end[i].q, w->now));
	if (next > w->now) { /* one end sleeps; the other's packets come soon */
		struct weir_dgram_io *io = w->end[0].q->o.io;

		io->ops->wait(io, -1, weir_quic_wants_send(w->end[0].q),
			      (int64_t)WEIR_MIN(next - w->now, (uint64_t)200000));
	}
}

#define until(w, condition)                                                                        \
	({                                                                                         \
		uint64_t end_ = weir_mono_ns() + PATIENCE_NS;                                      \
		while (!(condition) && weir_mono_ns() < end_)                                      \
			drive(w);                                                                  \
		(condition);                                                                       \
	})

static void open_on(struct world *w, int i, struct weir_dgram_io *io)
{
	struct weir_quic_options o = {.io = io,
				      .cluster = &w->cluster,
				      .region = (uint32_t)i,
				      .certs = w->dir,
				      .source = {app_peek, &w->end[i]},
				      .event = app_event,
				      .ctx = &w->end[i]};
	struct weir_err err = {0};

	if (weir_quic_open(&o, &w->end[i].q, &err))
		fail_msg("%s", err.text);
}

static void carry(struct world *w, struct weir_dgram_io *a, struct weir_dgram_io *b, uint64_t bytes)
{
	struct app_link *l;
	struct app_stream *s[4];
	struct weir_quic_link_info info;

	open_on(w, 0, a);
	open_on(w, 1, b);
	w->end[1].reply = bytes / 4;
	l = world_dial(w, 0, 1, 0);
	assert_true(until(w, l->up || l->down));
	if (l->down)
		fail_msg("%s", l->text);
	for (int i = 0; i < 4; i++)
		s[i] = world_stream(w, 0, l, &"abcd"[i], bytes);
	for (int i = 0; i < 4; i++) {
		assert_true(until(w, (s[i]->acked == bytes && s[i]->got == bytes / 4) || l->down));
		assert_int_equal(l->down, 0);
		assert_false(s[i]->wrong || w->end[1].stream[i].wrong);
		assert_int_equal(w->end[1].stream[i].got, bytes);
	}
	assert_true(weir_quic_link_info(w->end[0].q, l->id, &info));
	assert_true(info.bytes_out > 4 * bytes && info.payload >= 1200);
	weir_quic_close(w->end[0].q, weir_mono_ns());
	w->end[0].q = NULL;
	l = world_accepted(w, 1);
	assert_non_null(l);
	for (uint64_t end = weir_mono_ns() + PATIENCE_NS; !l->down && weir_mono_ns() < end;) {
		weir_quic_step(w->end[1].q, weir_mono_ns());
		b->ops->wait(b, -1, false, WEIR_NS_PER_MS);
	}
	assert_string_equal(l->text, "closed by the peer: the gateway stops");
	weir_quic_close(w->end[1].q, weir_mono_ns());
	w->end[1].q = NULL;
}

static void on_sockets(enum weir_net_backend backend, const char *listen)
{
	struct world *w = world_new(1, 31);
	struct weir_dgram_options o = {.listen = listen, .backend = backend};
	struct weir_dgram_io *io[2] = {NULL, NULL};
	struct weir_err err = {0};
	char address[2][80];

	for (int i = 0; i < 2; i++) {
		if (weir_dgram_open(&o, &io[i], &err) < 0) {
			if (io[0])
				io[0]->ops->close(io[0]);
			world_free(w);
			WEIR_SKIP("%s", err.text);
		}
		weir_address_text((const struct sockaddr *)&io[i]->local, io[i]->local_len,
				  address[i], sizeof(address[i]));
		w->cluster.region[i].gateway[0].listen = address[i];
	}
	carry(w, io[0], io[1], 4000000);
	io[0]->ops->close(io[0]);
	io[1]->ops->close(io[1]);
	world_free(w);
}

static void test_epoll(void **state)
{
	(void)state;
	on_sockets(WEIR_NET_EPOLL, "127.0.0.1:0");
}

static void test_epoll_v6(void **state)
{
	(void)state;
	on_sockets(WEIR_NET_EPOLL, "[::1]:0");
}

static void test_uring(void **state)
{
	(void)state;
	on_sockets(WEIR_NET_URING, "127.0.0.1:0");
}

static void on_pair(uint32_t loss)
{
	struct world *w = world_new(1, 32);
	struct weir_dgram_io *a, *b;

	weir_dgram_memory_pair(&a, &b, loss, 7);
	w->cluster.region[0].gateway[0].listen = "192.0.2.1:7400";
	w->cluster.region[1].gateway[0].listen = "192.0.2.2:7400";
	carry(w, a, b, loss ? 200000 : 4000000);
	a->ops->close(a);
	b->ops->close(b);
	world_free(w);
}

static void test_pair(void **state)
{
	(void)state;
	on_pair(0);
	on_pair(655);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_epoll),
	cmocka_unit_test(test_epoll_v6),
	cmocka_unit_test(test_uring),
	cmocka_unit_test(test_pair),
};

WEIR_TEST_MAIN("gateway/quic_udp", tests)
