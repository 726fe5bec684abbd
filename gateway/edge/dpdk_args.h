/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/dpdk_args.h - what the cluster file says about DPDK, made into what DPDK wants. Knows no DPDK type.
 *
 * Device: NAME[,queues=N][,mtu=N][,router=ADDRESS[,prefix=N]], as in "net_af_packet0,router=10.1.0.254,prefix=24". NAME may
 *         be empty: the first port. Without a router every address is on the link.
 * EAL:    the caller's words, split at spaces, behind ours. Ours: huge pages when enough are free, else ordinary memory; nothing
 *         shared with other processes, no files; no PCI device unless one is allowed (-a); threads float over the cpus of
 *         this process. What the caller says himself is left out of ours.
 * Errors: WEIR_E_CONFIG with a sentence. Pure; thread: any.
 */
#ifndef WEIR_GATEWAY_EDGE_DPDK_ARGS_H
#define WEIR_GATEWAY_EDGE_DPDK_ARGS_H

#include "base/err.h"
#include "gateway/edge/ip.h"

#define WEIR_DPDK_ARGS_MAX 64
#define WEIR_DPDK_QUEUES_MAX 16u
#define WEIR_DPDK_MTU_MAX 9600u
#define WEIR_DPDK_RING 1024u /* descriptors of a queue */

struct weir_dpdk_device {
	char name[64]; /* "": the first */
	uint32_t queues; /* 0: not said */
	uint32_t mtu; /* 0: as the device has it */
	bool has_router;
	struct weir_ip router;
	uint8_t prefix; /* default 24, 64 */
};

struct weir_dpdk_host {
	uint64_t huge_free; /* bytes of free huge pages */
	const char *cpus; /* this process may run on, "0-1,4" */
};

struct weir_dpdk_args {
	int argc;
	char *argv[WEIR_DPDK_ARGS_MAX + 1]; /* DPDK may change their order; NULL at the end */
	char text[4096];
	size_t used;
	bool huge;
};

int weir_dpdk_device_parse(const char *text, bool v6, struct weir_dpdk_device *ret,
			   struct weir_err *err);
/* Buffers for packets: how many, and the bytes of all. */
uint32_t weir_dpdk_buffers(uint32_t queues, uint32_t mtu, uint64_t *ret_bytes);
/* ret->argv points into *ret. */
int weir_dpdk_args_make(const char *eal, const struct weir_dpdk_device *d,
			const struct weir_dpdk_host *host, struct weir_dpdk_args *ret,
			struct weir_err *err);

#endif
