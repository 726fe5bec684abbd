/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that both ends of an edge write and read in the same way. */
#include "engine/core/edge_int.h"

void weir__edge_text(const struct weir_lane_head *h, char *ret, size_t cap)
{
	size_t n = WEIR_MIN((size_t)(h->f.size - EDGE_HEAD), cap - 1);

	memcpy(ret, h + 1, n);
	ret[n] = 0;
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)ret[i] < 0x20 || ret[i] == 0x7f)
			ret[i] = '?';
}

bool weir__edge_write(const struct weir_lane_io *io, enum weir_lane_type type,
		      const struct weir_lane_head *fields, struct weir_str body)
{
	uint32_t n = WEIR_ALIGN_UP(EDGE_HEAD + (uint32_t)body.n, 8u);
	struct weir_lane_head *h = io->claim(io->ctx, n);

	if (!h) {
		weir_probe("edge.answer_no_room");
		return false;
	}
	*h = *fields;
	if (body.n)
		memcpy(h + 1, body.p, body.n);
	weir_lane_seal_body(h, type, (uint32_t)body.n);
	io->keep(io->ctx, n);
	return true;
}
