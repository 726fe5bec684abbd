/* SPDX-License-Identifier: Apache-2.0 */
/* Which back end a gateway gets. */
#include "gateway/edge/datagram.h"

#include <stdio.h>

#include "base/assert.h"

static int open_auto(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
		     struct weir_err *err)
{
	struct weir_err refused = {0};
	size_t n;
	int r;

	if (weir_dgram_uring_open(o, ret, &refused) == 0)
		return 0;
	/* An address that cannot be used fails here again, with its own text. */
	r = weir_dgram_epoll_open(o, ret, err);
	if (r < 0)
		return r;
	n = strlen((*ret)->text);
	snprintf((*ret)->text + n, sizeof((*ret)->text) - n, "; %s", refused.text);
	return 0;
}

int weir_dgram_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
		    struct weir_err *err)
{
	*ret = NULL;
	switch (o->backend) {
	case WEIR_NET_AUTO:
		return open_auto(o, ret, err);
	case WEIR_NET_URING:
		return weir_dgram_uring_open(o, ret, err);
	case WEIR_NET_EPOLL:
		return weir_dgram_epoll_open(o, ret, err);
	case WEIR_NET_DPDK:
		return weir_dgram_dpdk_open(o, ret, err);
	}
	weir_assert(!"a back end");
	return WEIR_E_CONFIG;
}
