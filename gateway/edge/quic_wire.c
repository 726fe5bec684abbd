/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/quic_wire.h"

#include "base/assert.h"
#include "base/bytes.h"

/* A text of at most cap bytes, as base/bytes.h writes them. */
static uint8_t *put_text(uint8_t *at, struct weir_str s, size_t cap)
{
	size_t n = WEIR_MIN(s.n, cap);

	*at++ = (uint8_t)n; /* below 128: one byte of varint */
	if (n)
		memcpy(at, s.p, n);
	return at + n;
}

static uint8_t *put_varint(uint8_t *at, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		*at++ = (uint8_t)(v | 128);
	*at++ = (uint8_t)v;
	return at;
}

uint32_t weir_quic_message_put(uint8_t *ret, const struct weir_quic_message *m)
{
	uint8_t *at = ret + 2;
	uint16_t n;

	*at++ = (uint8_t)m->kind;
	switch (m->kind) {
	case WEIR_QUIC_HELLO:
		*at++ = WEIR_QUIC_WIRE_VERSION;
		at = put_text(at, m->gateway, WEIR_NAME_MAX);
		at = put_text(at, m->wanted, WEIR_NAME_MAX);
		break;
	case WEIR_QUIC_MESSAGE:
		weir_assert(m->n <= WEIR_LINK_CONTROL_MAX);
		if (m->n)
			memcpy(at, m->body, m->n);
		at += m->n;
		break;
	case WEIR_QUIC_SHUT:
		at = put_varint(at, (uint64_t)m->stream);
		at = put_text(at, m->why, WEIR_QUIC_WHY_MAX);
		break;
	}
	n = (uint16_t)(at - ret - 2);
	memcpy(ret, &n, 2);
	return n + 2u;
}

static int decode(const uint8_t *p, uint32_t n, struct weir_quic_message *ret)
{
	struct weir_reader r = weir_reader_of(p, n);

	*ret = (struct weir_quic_message){.kind = (enum weir_quic_kind)weir_read_u8(&r)};
	switch (ret->kind) {
	case WEIR_QUIC_HELLO:
		if (weir_read_u8(&r) != WEIR_QUIC_WIRE_VERSION)
			return WEIR_E_CORRUPT;
		ret->gateway = weir_read_text(&r);
		ret->wanted = weir_read_text(&r);
		if (ret->gateway.n > WEIR_NAME_MAX || ret->wanted.n > WEIR_NAME_MAX)
			return WEIR_E_CORRUPT;
		break;
	case WEIR_QUIC_MESSAGE:
		ret->n = (uint32_t)weir_reader_left(&r);
		ret->body = (const uint8_t *)weir_read(&r, ret->n);
		break;
	case WEIR_QUIC_SHUT: {
		uint64_t id = weir_read_varint(&r);

		ret->why = weir_read_text(&r);
		if (id >> 62 || ret->why.n > WEIR_QUIC_WHY_MAX)
			return WEIR_E_CORRUPT;
		ret->stream = (int64_t)id;
		break;
	}
	default:
		return WEIR_E_CORRUPT;
	}
	return r.bad || weir_reader_left(&r) ? WEIR_E_CORRUPT : 1;
}

int weir_quic_framer_next(struct weir_quic_framer *f, const uint8_t **p, const uint8_t *end,
			  struct weir_quic_message *ret)
{
	for (;;) {
		uint16_t n = 0;
		uint32_t want = 2, take;

		if (f->have >= 2) {
			memcpy(&n, f->buf, 2);
			if (n == 0 || n > WEIR_QUIC_MESSAGE_MAX)
				return WEIR_E_CORRUPT;
			want += n;
		}
		if (n && f->have == want) {
			f->have = 0;
			return decode(f->buf + 2, n, ret);
		}
		take = (uint32_t)WEIR_MIN((size_t)(end - *p), (size_t)(want - f->have));
		if (!take)
			return 0;
		memcpy(f->buf + f->have, *p, take);
		f->have += take;
		*p += take;
	}
}

size_t weir_quic_header_feed(struct weir_quic_header *h, const uint8_t *p, size_t n)
{
	size_t used = 0;

	if (!h->done && !h->have && n)
		h->buf[h->have++] = p[used++];
	if (!h->done && h->have) {
		size_t take = WEIR_MIN(n - used, (size_t)(1u + h->buf[0] - h->have));

		if (take)
			memcpy(h->buf + h->have, p + used, take);
		h->have += (uint32_t)take;
		used += take;
		h->done = h->have == 1u + h->buf[0];
	}
	return used;
}

void weir_quic_header_set(struct weir_quic_header *h, const void *p, uint32_t n)
{
	weir_assert(n <= WEIR_QUIC_HEADER_MAX);
	*h = (struct weir_quic_header){.have = 1 + n, .done = true};
	h->buf[0] = (uint8_t)n;
	if (n)
		memcpy(h->buf + 1, p, n);
}

void weir_quic_why_clean(char *ret, const void *p, size_t n)
{
	const uint8_t *from = (const uint8_t *)p;

	n = WEIR_MIN(n, (size_t)WEIR_QUIC_WHY_MAX);
	for (size_t i = 0; i < n; i++)
		ret[i] = from[i] >= ' ' && from[i] < 127 ? (char)from[i] : '?';
	ret[n] = 0;
}
