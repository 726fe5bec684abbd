/* SPDX-License-Identifier: Apache-2.0 */
/* Peers of the cluster file: names and addresses. A host that is a name is looked up at start and reload; one that was not found
 * again when it is dialled, at most every half minute, because the look-up waits for its answer. */
#include <errno.h>
#include <netdb.h>

#include "gateway/edge/quic_priv.h"
#include "host/address.h"

#define RESOLVE_AGAIN_NS (30 * (uint64_t)WEIR_NS_PER_S)

const char *weir_quic__region_name(const struct weir_quic *q, int region)
{
	return region < 0 ? "" : q->o.cluster->region[region].name;
}

const char *weir_quic__gateway_name(const struct weir_quic *q, int region, int gateway)
{
	return region < 0 || gateway < 0 ? "" : q->o.cluster->region[region].gateway[gateway].name;
}

static int look_up(struct weir_quic *q, uint32_t region, uint32_t gateway, struct weir_err *err)
{
	const char *listen = q->o.cluster->region[region].gateway[gateway].listen;
	int family = q->o.io->local.ss_family;
	struct addrinfo hint = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *ai;
	char host[256], port[8];
	int r = weir_address_split(listen, host, sizeof(host), port, sizeof(port), err);

	if (r < 0)
		return r;
	r = getaddrinfo(host, port, &hint, &ai);
	if (r)
		return weir_err_set(err, -EADDRNOTAVAIL, "%s has no %s address: %s", listen,
				    family == AF_INET6 ? "IPv6" : "IPv4", gai_strerror(r));
	memcpy(&q->address[region][gateway].sa, ai->ai_addr, ai->ai_addrlen);
	q->address[region][gateway].len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return 0;
}

int weir_quic__resolve(struct weir_quic *q, uint32_t region, uint32_t gateway, struct weir_err *err)
{
	uint64_t tried = q->address[region][gateway].tried_ns;

	if (q->address[region][gateway].len)
		return 0;
	if (tried && q->now < tried + RESOLVE_AGAIN_NS)
		return weir_err_set(err, -EADDRNOTAVAIL, "the address %s is not known",
				    q->o.cluster->region[region].gateway[gateway].listen);
	q->address[region][gateway].tried_ns = WEIR_MAX(q->now, 1);
	return look_up(q, region, gateway, err);
}

void weir_quic__resolve_all(struct weir_quic *q)
{
	for (uint32_t r = 0; r < q->o.cluster->region_count; r++)
		for (uint32_t g = 0; r != q->o.region && g < q->o.cluster->region[r].gateway_count;
		     g++) {
			socklen_t old = q->address[r][g].len;

			/* A name that is not found just now keeps its old address. */
			if (look_up(q, r, g, NULL) < 0)
				q->address[r][g].len = old;
		}
}
