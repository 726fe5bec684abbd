/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/edge/dpdk_args.h"

#include <arpa/inet.h>
#include <stdio.h>

#define MIB ((uint64_t)1 << 20)
#define BUFFER_HEAD 512u /* of DPDK, and room in front of a frame */
#define BUFFER_MIN 2048u
#define PLAIN_MIN (64 * MIB) /* without huge pages memory cannot grow later */

static int number(const char *key, const char *text, uint32_t low, uint32_t high, uint32_t *ret,
		  struct weir_err *err)
{
	uint32_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && v <= high; p++)
		v = v * 10 + (uint32_t)(*p - '0');
	if (*p || p == text || v < low || v > high)
		return weir_err_set(err, WEIR_E_CONFIG, "device: %s=%s: a number from %u to %u",
				    key, text, low, high);
	*ret = v;
	return 0;
}

static int router(const char *text, bool v6, struct weir_dpdk_device *d, struct weir_err *err)
{
	d->router = (struct weir_ip){.v6 = v6};
	d->has_router = true;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, d->router.b) != 1 ||
	    !weir_ip_is_host(&d->router))
		return weir_err_set(err, WEIR_E_CONFIG,
				    "device: router=%s: an IPv%d address, as listen has", text,
				    v6 ? 6 : 4);
	return 0;
}

/* One key=value; *ret_prefix: 0 not said. */
static int option(const char *text, bool v6, struct weir_dpdk_device *d, uint32_t *ret_prefix,
		  struct weir_err *err)
{
	const char *value = strchr(text, '=');
	size_t n = value ? (size_t)(value - text) : 0;

	if (value)
		value++;
	if (n == 6 && !memcmp(text, "queues", n))
		return number("queues", value, 1, WEIR_DPDK_QUEUES_MAX, &d->queues, err);
	if (n == 3 && !memcmp(text, "mtu", n))
		return number("mtu", value, v6 ? 1280 : 576, WEIR_DPDK_MTU_MAX, &d->mtu, err);
	if (n == 6 && !memcmp(text, "prefix", n))
		return number("prefix", value, 1, v6 ? 128 : 32, ret_prefix, err);
	if (n == 6 && !memcmp(text, "router", n))
		return router(value, v6, d, err);
	return weir_err_set(err, WEIR_E_CONFIG,
			    "device: `%s`: write NAME[,queues=N][,mtu=N][,router=ADDRESS,prefix=N]",
			    text);
}

int weir_dpdk_device_parse(const char *text, bool v6, struct weir_dpdk_device *ret,
			   struct weir_err *err)
{
	size_t n = strcspn(text, ",");
	uint32_t prefix = 0;
	char one[80];

	*ret = (struct weir_dpdk_device){0};
	if (n >= sizeof(ret->name))
		return weir_err_set(err, WEIR_E_CONFIG, "device: a name has at most %zu bytes",
				    sizeof(ret->name) - 1);
	memcpy(ret->name, text, n);
	for (text += n; *text; text += n) {
		int r;

		text++;
		n = strcspn(text, ",");
		snprintf(one, sizeof(one), "%.*s", (int)WEIR_MIN(n, sizeof(one)), text);
		r = option(one, v6, ret, &prefix, err);
		if (r < 0)
			return r;
	}
	if (prefix && !ret->has_router)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "device: prefix=%u: say also router=ADDRESS; without a router "
				    "every address is on the link",
				    prefix);
	ret->prefix = (uint8_t)(prefix ? prefix : v6 ? 64 : 24);
	return 0;
}

uint32_t weir_dpdk_buffers(uint32_t queues, uint32_t mtu, uint64_t *ret_bytes)
{
	/* On their way in each queue as many again as its ring holds, and those of the one queue out. */
	uint32_t n = 2 * WEIR_DPDK_RING * WEIR_MAX(queues, 1u) + 2 * WEIR_DPDK_RING - 1;

	*ret_bytes = (uint64_t)n * (WEIR_MAX(mtu, BUFFER_MIN) + BUFFER_HEAD);
	return n;
}

/* One argument; too many or too long: what is behind is left out, and the count says so. */
static void add(struct weir_dpdk_args *a, const char *p, size_t n)
{
	if (a->argc == WEIR_DPDK_ARGS_MAX || n >= sizeof(a->text) - a->used) {
		a->used = sizeof(a->text);
		return;
	}
	a->argv[a->argc++] = memcpy(a->text + a->used, p, n);
	a->text[a->used + n] = 0;
	a->used += n + 1;
}

static void add_text(struct weir_dpdk_args *a, const char *p)
{
	add(a, p, strlen(p));
}

/* Whether the caller gave one of these: a long one alone or with =, a short one also with its value behind it. */
static bool said(const char *eal, const char *const *names)
{
	for (size_t n; eal += strspn(eal, " \t"), (n = strcspn(eal, " \t")) > 0; eal += n) {
		for (const char *const *name = names; *name; name++) {
			size_t len = strlen(*name);

			if (n >= len && !memcmp(eal, *name, len) &&
			    (n == len || eal[len] == '=' || (*name)[1] != '-'))
				return true;
		}
	}
	return false;
}

#define SAID(eal, ...) said(eal, (const char *const[]){__VA_ARGS__, NULL})

static void add_memory(struct weir_dpdk_args *a, const char *eal, const struct weir_dpdk_device *d,
		       const struct weir_dpdk_host *host)
{
	char megabytes[24];
	uint64_t bytes;

	weir_dpdk_buffers(d->queues, d->mtu, &bytes);
	/* Half of it again for rings and what DPDK keeps. */
	bytes += bytes / 2;
	a->huge = !SAID(eal, "--no-huge") &&
		  (host->huge_free >= bytes || SAID(eal, "--in-memory", "--huge-dir"));
	if (a->huge) {
		if (!SAID(eal, "--in-memory", "--huge-dir", "--file-prefix"))
			add_text(a, "--in-memory");
		return;
	}
	if (!SAID(eal, "--no-huge"))
		add_text(a, "--no-huge");
	if (!SAID(eal, "--no-shconf", "--file-prefix"))
		add_text(a, "--no-shconf");
	if (!SAID(eal, "-m")) {
		snprintf(megabytes, sizeof(megabytes), "%u",
			 (unsigned)((WEIR_MAX(bytes, PLAIN_MIN) + MIB - 1) / MIB));
		add_text(a, "-m");
		add_text(a, megabytes);
	}
}

int weir_dpdk_args_make(const char *eal, const struct weir_dpdk_device *d,
			const struct weir_dpdk_host *host, struct weir_dpdk_args *ret,
			struct weir_err *err)
{
	char lcores[600];

	*ret = (struct weir_dpdk_args){0};
	add_text(ret, "weir");
	add_memory(ret, eal, d, host);
	if (!SAID(eal, "-a", "--allow", "-b", "--block", "--no-pci"))
		add_text(ret, "--no-pci");
	if (!SAID(eal, "--telemetry", "--no-telemetry"))
		add_text(ret, "--no-telemetry");
	/* 0@(...): the thread that calls is bound to all of them, to none in particular. */
	if (!SAID(eal, "-l", "-c", "--lcores")) {
		snprintf(lcores, sizeof(lcores), "0@(%s)", host->cpus);
		add_text(ret, "--lcores");
		add_text(ret, lcores);
	}
	for (size_t n; eal += strspn(eal, " \t"), (n = strcspn(eal, " \t")) > 0; eal += n)
		add(ret, eal, n);
	return ret->used < sizeof(ret->text)
		       ? 0
		       : weir_err_set(err, WEIR_E_CONFIG, "eal: too many arguments: at most %d",
				      WEIR_DPDK_ARGS_MAX);
}
