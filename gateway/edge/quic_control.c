/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control stream: the dialling end opens it as its first stream and says HELLO; the other end answers with its own, and both are
 * UP. Messages wait in a ring of memory until they are acknowledged; what does not fit is not taken.
 */
#include "base/assert.h"
#include "gateway/edge/quic_priv.h"
#include "host/heap.h"

void weir_quic__control_open(struct weir_quic_link *l, int64_t qid)
{
	l->control.qid = qid;
	l->control.ring = (uint8_t *)weir_heap_mem.alloc(NULL, WEIR_QUIC_CONTROL_RING, 16);
}

void weir_quic__control_free(struct weir_quic_link *l)
{
	if (l->control.ring)
		weir_heap_mem.free(NULL, l->control.ring, WEIR_QUIC_CONTROL_RING);
	l->control.ring = NULL;
}

bool weir_quic__control_put(struct weir_quic_link *l, const struct weir_quic_message *m)
{
	struct weir_quic_control *c = &l->control;
	uint8_t buf[WEIR_QUIC_FRAME_MAX];
	uint32_t n = weir_quic_message_put(buf, m), at, first;

	if (!c->ring || c->tail - c->acked + n > WEIR_QUIC_CONTROL_RING)
		return false;
	at = (uint32_t)(c->tail % WEIR_QUIC_CONTROL_RING);
	first = WEIR_MIN(n, WEIR_QUIC_CONTROL_RING - at);
	memcpy(c->ring + at, buf, first);
	memcpy(c->ring, buf + first, n - first);
	c->tail += n;
	weir_quic__work(l);
	return true;
}

static void say_hello(struct weir_quic_link *l)
{
	const struct weir_quic *q = l->q;
	struct weir_quic_message m = {
		.kind = WEIR_QUIC_HELLO,
		.gateway =
			weir_str_c(weir_quic__gateway_name(q, (int)q->o.region, (int)q->o.gateway)),
		.wanted = weir_str_c(l->ours ? weir_quic__gateway_name(q, l->region, l->gateway)
					     : "")};

	weir_quic__control_put(l, &m);
	l->control.hello_end = l->control.tail;
}

/* The dialling end begins when TLS is done. */
void weir_quic__control_work(struct weir_quic_link *l)
{
	int64_t qid;

	if (!l->ours || l->control.ring || !ngtcp2_conn_get_handshake_completed(l->conn) ||
	    ngtcp2_conn_open_bidi_stream(l->conn, &qid, NULL))
		return;
	weir_quic__control_open(l, qid);
	say_hello(l);
}

static void hello(struct weir_quic_link *l, const struct weir_quic_message *m)
{
	const struct weir_quic *q = l->q;
	const struct weir_cluster_region *here = &q->o.cluster->region[q->o.region];
	int gateway = weir_cluster_gateway_find(&q->o.cluster->region[l->region], m->gateway);

	if (gateway < 0) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_GATEWAY,
				  "region %s has no gateway of that name in the cluster file",
				  weir_quic__region_name(q, l->region));
	} else if (l->ours && gateway != l->gateway) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_GATEWAY,
				  "gateway %s answers where %s was dialled",
				  weir_quic__gateway_name(q, l->region, gateway),
				  weir_quic__gateway_name(q, l->region, l->gateway));
	} else if (!l->ours && !weir_str_is(m->wanted, here->gateway[q->o.gateway].name)) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_GATEWAY,
				  "this is gateway %s, and another one was dialled",
				  here->gateway[q->o.gateway].name);
	} else {
		l->gateway = gateway;
		if (!l->ours)
			say_hello(l);
		weir_quic__up(l);
	}
}

static void message(struct weir_quic_link *l, const struct weir_quic_message *m)
{
	if ((m->kind == WEIR_QUIC_HELLO) != (l->state == WEIR_QUIC_HANDSHAKE)) {
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_PROTOCOL, "a control message out of turn");
		return;
	}
	switch (m->kind) {
	case WEIR_QUIC_HELLO:
		hello(l, m);
		break;
	case WEIR_QUIC_MESSAGE:
		weir_quic__emit(l->q, &(struct weir_link_event){.kind = WEIR_LINK_CONTROL,
								.link = l->id,
								.data = m->body,
								.n = m->n});
		break;
	case WEIR_QUIC_SHUT:
		weir_quic__shut_told(l, m);
		break;
	}
}

void weir_quic__control_data(struct weir_quic_link *l, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct weir_quic_message m;
	int r = 0;

	while (l->refusal < 0 && !l->want_close &&
	       (r = weir_quic_framer_next(&l->control.in, &p, end, &m)) > 0)
		message(l, &m);
	if (r < 0)
		weir_quic__refuse(l, WEIR_QUIC_REFUSED_PROTOCOL, "a malformed control message");
}

size_t weir_quic__control_peek(const struct weir_quic_link *l, ngtcp2_vec *ret)
{
	const struct weir_quic_control *c = &l->control;
	uint64_t n = c->tail - c->sent;
	uint32_t at = (uint32_t)(c->sent % WEIR_QUIC_CONTROL_RING);

	if (!n || c->blocked)
		return 0;
	ret[0].base = c->ring + at;
	ret[0].len = WEIR_MIN(n, (uint64_t)(WEIR_QUIC_CONTROL_RING - at));
	ret[1].base = c->ring;
	ret[1].len = n - ret[0].len;
	return ret[1].len ? 2 : 1;
}
