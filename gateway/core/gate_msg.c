/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/core/gate_msg.h"

#include "base/assert.h"

/* ---- writing: into memory that is known to suffice ---- */

struct put {
	uint8_t *p;
	uint32_t n, cap;
};

static void put_bytes(struct put *o, const void *p, size_t n)
{
	weir_assert(n <= o->cap - o->n);
	if (n)
		memcpy(o->p + o->n, p, n);
	o->n += (uint32_t)n;
}

static void put_u8(struct put *o, uint8_t v)
{
	put_bytes(o, &v, 1);
}

static void put_u16(struct put *o, uint16_t v)
{
	put_bytes(o, &v, 2);
}

static void put_u64(struct put *o, uint64_t v)
{
	put_bytes(o, &v, 8);
}

/* Names are short: one byte of varint. */
static void put_text(struct put *o, struct weir_str s)
{
	weir_assert(s.n < 128);
	put_u8(o, (uint8_t)s.n);
	put_bytes(o, s.p, s.n);
}

uint32_t weir_gate_msg_put(void *p, const struct weir_gate_msg *m)
{
	struct put o = {.p = (uint8_t *)p, .cap = WEIR_LINK_CONTROL_MAX};

	put_u8(&o, (uint8_t)m->kind);
	switch (m->kind) {
	case WEIR_GATE_MSG_HELLO:
		put_u16(&o, m->hello.version);
		put_u64(&o, m->hello.incarnation);
		put_text(&o, m->hello.cluster);
		put_text(&o, m->hello.region);
		put_text(&o, m->hello.gateway);
		break;
	case WEIR_GATE_MSG_BEAT:
		put_u64(&o, m->beat.time);
		put_u64(&o, m->beat.echo);
		put_u64(&o, m->beat.held);
		put_u8(&o, (uint8_t)m->beat.count);
		for (uint32_t i = 0; i < m->beat.count; i++) {
			put_text(&o, m->beat.of[i].region);
			put_u8(&o, m->beat.of[i].state);
		}
		break;
	case WEIR_GATE_MSG_LANES:
		put_u16(&o, (uint16_t)m->held.count);
		put_bytes(&o, m->held.id, (size_t)m->held.count * 8);
		break;
	}
	return o.n;
}

uint32_t weir_gate_header_put(void *p, const struct weir_gate_header *h)
{
	struct put o = {.p = (uint8_t *)p, .cap = WEIR_GATE_HEADER_MAX};

	put_u8(&o, (uint8_t)WEIR_GATE_VERSION);
	put_u8(&o, h->hop);
	put_u64(&o, h->edge);
	put_text(&o, h->from);
	put_text(&o, h->to);
	return o.n;
}

/* ---- reading ---- */

static struct weir_str read_name(struct weir_reader *r, size_t max)
{
	struct weir_str s = weir_read_text(r);

	if (s.n == 0 || s.n > max)
		r->bad = true;
	return s;
}

static void read_hello(struct weir_reader *r, struct weir_gate_hello *ret)
{
	ret->version = weir_read_u16(r);
	ret->incarnation = weir_read_u64(r);
	/* What another version says behind this is not known: the version is the answer. */
	if (ret->version != WEIR_GATE_VERSION) {
		r->p = r->end;
		ret->cluster = ret->region = ret->gateway = (struct weir_str){"", 0};
		return;
	}
	ret->cluster = read_name(r, WEIR_NAME_MAX);
	ret->region = read_name(r, WEIR_REGION_MAX);
	ret->gateway = read_name(r, WEIR_NAME_MAX);
}

static void read_beat(struct weir_reader *r, struct weir_gate_beat *ret)
{
	ret->time = weir_read_u64(r);
	ret->echo = weir_read_u64(r);
	ret->held = weir_read_u64(r);
	ret->count = weir_read_u8(r);
	if (ret->count > WEIR_GATE_REGIONS_MAX) {
		ret->count = 0;
		r->bad = true;
	}
	for (uint32_t i = 0; i < ret->count; i++) {
		ret->of[i].region = read_name(r, WEIR_REGION_MAX);
		ret->of[i].state = weir_read_u8(r);
		if ((ret->of[i].state & ~WEIR_GATE_REACH) > WEIR_GATE_DEAD)
			r->bad = true;
	}
}

static void read_lanes(struct weir_reader *r, struct weir_gate_held *ret)
{
	ret->count = weir_read_u16(r);
	ret->id = (const uint8_t *)weir_read(r, (size_t)ret->count * 8);
	if (r->bad || ret->count > WEIR_GATE_LANES_MAX) {
		r->bad = true;
		return;
	}
	for (uint32_t i = 1; i < ret->count; i++)
		if (weir_gate_held_id(ret, i - 1) >= weir_gate_held_id(ret, i))
			r->bad = true;
}

int weir_gate_msg_read(const void *p, uint32_t n, struct weir_gate_msg *ret)
{
	struct weir_reader r = weir_reader_of(p, n);
	uint8_t kind = weir_read_u8(&r);

	if (n > WEIR_LINK_CONTROL_MAX || kind == 0)
		return WEIR_E_CORRUPT;
	switch (kind) {
	case WEIR_GATE_MSG_HELLO:
		read_hello(&r, &ret->hello);
		break;
	case WEIR_GATE_MSG_BEAT:
		read_beat(&r, &ret->beat);
		break;
	case WEIR_GATE_MSG_LANES:
		read_lanes(&r, &ret->held);
		break;
	default:
		return 1;
	}
	ret->kind = (enum weir_gate_msg_kind)kind;
	return r.bad || r.p != r.end ? WEIR_E_CORRUPT : 0;
}

int weir_gate_header_read(const void *p, uint32_t n, struct weir_gate_header *ret)
{
	struct weir_reader r = weir_reader_of(p, n);
	uint8_t version = weir_read_u8(&r);

	ret->hop = weir_read_u8(&r);
	ret->edge = weir_read_u64(&r);
	ret->from = read_name(&r, WEIR_REGION_MAX);
	ret->to = read_name(&r, WEIR_REGION_MAX);
	if (r.bad || r.p != r.end || n > WEIR_GATE_HEADER_MAX)
		return WEIR_E_CORRUPT;
	if (version != WEIR_GATE_VERSION)
		return WEIR_E_VERSION;
	return ret->hop <= WEIR_GATE_RELAYED ? 0 : WEIR_E_CORRUPT;
}
