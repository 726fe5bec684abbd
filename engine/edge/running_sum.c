/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/running_sum.h"

#include <errno.h>
#include <unistd.h>

void weir_running_sum_start(struct weir_running_sum *s)
{
	s->chain = (struct weir_hash128){0};
	s->bytes = 0;
	s->fill = 0;
}

static void add_block(struct weir_running_sum *s, const void *p)
{
	s->chain = weir_hash128_chain(s->chain, weir_hash128(p, WEIR_RUNNING_SUM_BLOCK));
}

void weir_running_sum_add(struct weir_running_sum *s, const void *p, size_t n)
{
	const uint8_t *at = (const uint8_t *)p;

	s->bytes += n;
	while (n) {
		size_t k = WEIR_MIN(n, WEIR_RUNNING_SUM_BLOCK - s->fill);

		if (k == WEIR_RUNNING_SUM_BLOCK) {
			add_block(s, at);
		} else {
			memcpy(s->block + s->fill, at, k);
			s->fill += k;
			if (s->fill == WEIR_RUNNING_SUM_BLOCK) {
				add_block(s, s->block);
				s->fill = 0;
			}
		}
		at += k;
		n -= k;
	}
}

struct weir_hash128 weir_running_sum_get(const struct weir_running_sum *s)
{
	return s->fill ? weir_hash128_chain(s->chain, weir_hash128(s->block, s->fill)) : s->chain;
}

int weir_running_sum_read(struct weir_running_sum *s, int fd, uint64_t bytes)
{
	uint8_t piece[16384];
	uint64_t at = 0;

	weir_running_sum_start(s);
	while (at < bytes) {
		ssize_t k =
			pread(fd, piece, (size_t)WEIR_MIN(bytes - at, sizeof(piece)), (off_t)at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return k < 0 ? -errno : 0;
		weir_running_sum_add(s, piece, (size_t)k);
		at += (uint64_t)k;
	}
	return 1;
}
