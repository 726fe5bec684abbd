/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what comes over a link: the control stream, in pieces whose size the first byte gives, the header of a stream, the
 * name of a certificate, and frames of a packet. Messages that are taken are written again, and must be the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "gateway/edge/certs.h"
#include "gateway/edge/quic_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void control(const uint8_t *p, size_t n, size_t piece)
{
	static struct weir_quic_framer f;
	uint8_t again[WEIR_QUIC_FRAME_MAX];
	size_t at = 0, seen = 0;
	int r = 0;

	f.have = 0;
	while (at < n && r >= 0) {
		size_t take = WEIR_MIN(piece, n - at);
		/* A copy of exactly this size, so that the sanitizer sees the first byte too many. */
		uint8_t *exact = (uint8_t *)malloc(take);
		const uint8_t *from = exact;
		struct weir_quic_message m;

		memcpy(exact, p + at, take);
		while ((r = weir_quic_framer_next(&f, &from, exact + take, &m)) > 0) {
			uint32_t k = weir_quic_message_put(again, &m);

			weir_assert(seen + k <= n && !memcmp(again, p + seen, k));
			weir_assert(m.n <= WEIR_LINK_CONTROL_MAX && m.stream >= 0);
			seen += k;
		}
		weir_assert(r < 0 || from == exact + take);
		at += take;
		free(exact);
	}
}

static void header(const uint8_t *p, size_t n, size_t piece)
{
	struct weir_quic_header h = {0};
	size_t used = 0;

	for (size_t at = 0; at < n; at += piece)
		used += weir_quic_header_feed(&h, p + at, WEIR_MIN(piece, n - at));
	weir_assert(used == h.have && !memcmp(h.buf, p, used));
	weir_assert(h.done == (n && n > p[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_certs_id id;
	char why[WEIR_QUIC_WHY_MAX + 1];
	size_t piece;

	if (!size)
		return 0;
	piece = 1 + data[0];
	data++;
	size--;
	control(data, size, piece);
	header(data, size, piece);
	weir_assert(weir_quic__count_stream_bytes(data, size) <= size);
	weir_quic_why_clean(why, data, size);
	if (weir_certs_identity(data, size, &id) == 0)
		weir_assert(id.cluster[0] && id.region[0]);
	return 0;
}
