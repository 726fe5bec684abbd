/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame from the network: first byte 1 is an IPv6 host, 2 and 4 what the device has checked; the rest the frame.
 * What is taken lies within it and can be built again; what is answered is a frame that the same code reads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "gateway/edge/ip_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((uint64_t)100 * WEIR_NS_PER_S)

static struct weir_ip_host host;
static uint8_t reply[2048], again[70000];

static void set_host(bool v6)
{
	host = (struct weir_ip_host){.mac = {{2, 0, 0, 0, 0, 0xb}}, .port = 7401};
	host.ip = v6 ? (struct weir_ip){.b = {0x20, 1, 0xd, 0xb8, [13] = 7, [14] = 8, [15] = 9},
					.v6 = true}
		     : (struct weir_ip){.b = {10, 1, 0, 2}};
	host.has_router = true;
	host.router = host.ip;
	host.router.b[v6 ? 15 : 3] = 254;
	host.prefix = v6 ? 64 : 24;
}

static void rebuild(const struct weir_ip_frame *f)
{
	struct weir_ip_flow flow = {.from_mac = f->from_mac,
				    .to_mac = f->to_mac,
				    .from = f->from,
				    .to = f->to,
				    .from_port = f->from_port,
				    .to_port = f->to_port};
	uint32_t head = weir_ip_udp_head(f->from.v6);
	struct weir_ip_frame g;

	/* The longest that IPv4 has; an IPv6 packet may be longer by 20. */
	if (f->n > 65507)
		return;
	memcpy(again + head, f->p, f->n);
	weir_ip_put_udp(again, &flow, f->ecn, f->p, f->n, 0);
	weir_assert(weir_ip_parse(again, head + f->n, 0, &g) == WEIR_IP_UDP);
	weir_assert(g.n == f->n && g.ecn == f->ecn && weir_ip_same(&g.from, &f->from));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact, ask[WEIR_IP_SMALL];
	size_t n = size ? size - 1 : 0;
	struct weir_ip_frame f, g;
	struct weir_mac to;
	uint32_t bytes, asked;

	if (!size || size > 66000)
		return 0;
	/* A copy of exactly this size, so that the sanitizer sees the first byte too many. */
	exact = malloc(n ? n : 1);
	memcpy(exact, data + 1, n);
	set_host(data[0] & 1);
	switch (weir_ip_host_in(&host, exact, n, data[0] >> 1 & 3, NOW, &f, reply, sizeof(reply),
				&bytes)) {
	case WEIR_IP_DATAGRAM:
		weir_assert(f.p >= exact && f.p + f.n <= exact + n);
		rebuild(&f);
		break;
	case WEIR_IP_REPLY:
		weir_assert(bytes >= WEIR_ETH_HEAD && bytes <= sizeof(reply));
		weir_assert(weir_ip_parse(reply, bytes, 0, &g) != WEIR_IP_BAD);
		break;
	default:
		weir_assert(bytes == 0);
	}
	if (weir_ip_host_route(&host, &f.from, NOW, &to, ask, &asked) > 0)
		weir_assert(!(to.b[0] & 1));
	weir_assert(asked == 0 || weir_ip_parse(ask, asked, 0, &g) > WEIR_IP_OTHER);
	free(exact);
	return 0;
}
