/* SPDX-License-Identifier: Apache-2.0 */
/* Listening addresses of gateways: of one host, and written so that equal ones look equal. */
#include <arpa/inet.h>
#include <string.h>

#include "base/num.h"
#include "host/cluster_walk.h"

#define HOST_MAX 253 /* of a name, RFC 1035 */

/* Splits at the last colon. false: not "host:port" or "[v6]:port". */
static bool split(struct weir_str s, struct weir_str *ret_host, uint64_t *ret_port)
{
	size_t colon = s.n;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon < 2 || weir_parse_count((struct weir_str){s.p + colon, s.n - colon}, ret_port) ||
	    *ret_port > 65535)
		return false;
	*ret_host = (struct weir_str){s.p, colon - 1};
	if (s.p[0] != '[')
		return true;
	*ret_host = (struct weir_str){s.p + 1, colon - 3};
	return colon > 3 && s.p[colon - 2] == ']';
}

/* What is wrong with an IPv4 address; NULL: nothing. */
static const char *wrong_v4(uint32_t a)
{
	if (a == 0)
		return "is any address of the host";
	if (a >> 28 >= 14)
		return "is no address of one host";
	return NULL;
}

static const char *wrong_v6(const struct in6_addr *a)
{
	uint32_t v4;

	if (IN6_IS_ADDR_UNSPECIFIED(a))
		return "is any address of the host";
	if (IN6_IS_ADDR_MULTICAST(a))
		return "is no address of one host";
	if (!IN6_IS_ADDR_V4MAPPED(a))
		return NULL;
	memcpy(&v4, &a->s6_addr[12], sizeof(v4));
	return wrong_v4(ntohl(v4));
}

static bool name_ok(struct weir_str s)
{
	bool letter = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] | 0x20;

		letter = letter || (c >= 'a' && c <= 'z');
		if (!((c >= 'a' && c <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.' ||
		      s.p[i] == '-' || s.p[i] == '_'))
			return false;
	}
	/* "0", "127.1" and "0x0" are addresses to the resolver, in a spelling nobody expects. */
	return letter && s.n <= HOST_MAX &&
	       !(s.p[0] >= '0' && s.p[0] <= '9' && s.n > 1 && (s.p[1] | 0x20) == 'x');
}

/* The host as ret says it; false: not one. *ret_wrong: why not this one. */
static bool canonical(struct weir_str host, bool brackets, char *ret, size_t cap,
		      const char **ret_wrong)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (host.n == 0 || host.n > HOST_MAX || host.n >= cap)
		return false;
	memcpy(ret, host.p, host.n);
	ret[host.n] = 0;
	if (strcmp(ret, "*") == 0) {
		*ret_wrong = "is any address of the host";
		return true;
	}
	if (brackets) {
		if (inet_pton(AF_INET6, ret, &v6) != 1)
			return false;
		*ret_wrong = wrong_v6(&v6);
		inet_ntop(AF_INET6, &v6, ret, (socklen_t)cap);
		return true;
	}
	if (inet_pton(AF_INET, ret, &v4) == 1) {
		*ret_wrong = wrong_v4(ntohl(v4.s_addr));
		return true;
	}
	for (char *c = ret; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	return name_ok(host);
}

void weir__cluster_listen(struct weir_cluster_read *r, const struct weir_doc *d, const char *key,
			  struct weir_clisten *ret)
{
	const char *wrong = NULL;
	char same[HOST_MAX + 1];
	struct weir_str host;
	uint64_t port;

	if (!split(d->text, &host, &port) ||
	    !canonical(host, d->text.p[0] == '[', same, sizeof(same), &wrong)) {
		weir_diag(r->diags, d->pos,
			  "`%s`: expected an address and a port such as 10.1.0.1:7400 or "
			  "[fd00::1]:7400, found `%s`",
			  key, weir__cluster_show(r, d->text));
		return;
	}
	if (wrong) {
		weir_diag(r->diags, d->pos,
			  "`%s`: %s %s; say the one where the other regions reach this gateway",
			  key, weir__cluster_show(r, host), wrong);
		return;
	}
	if (port == 0) {
		weir_diag(r->diags, d->pos,
			  "`%s`: port 0 is any free one, which the other regions cannot know; say "
			  "a number",
			  key);
		return;
	}
	ret->text = weir_region_strdup(r->region, d->text);
	ret->same = weir_region_printf(r->region, "%s %u", same, (unsigned)port);
	ret->pos = d->pos;
}
