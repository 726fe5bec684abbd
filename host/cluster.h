/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/cluster.h - the cluster file: regions, their gateways, certificates. One file for all regions. docs/cluster.md
 *
 *   cluster: shop
 *   certs: certs                          # folder with ca.pem, REGION.pem, REGION.key (weir certs init)
 *   regions:
 *     eu:
 *       data: /var/lib/weir/eu            # state directories; default .weir/REGION beside the file
 *       gateways:
 *         - {listen: "10.1.0.1:7400"}                             # backend: auto (io_uring, else epoll)
 *         - {name: fast, listen: "10.1.0.2:7400", backend: dpdk, eal: "--vdev net_af_packet0,iface=e0", device: net_af_packet0}
 *     us: {gateways: [{listen: "10.2.0.1:7400"}]}
 *   links: {linger: 1ms, window: 32MiB, heartbeat: 250ms, suspect: 1s, dead: 3s, congestion: bbr}
 *   edges: {buffer: 64MiB, spill: 1GiB, compression: auto}
 *
 * Strict like pipeline files: unknown keys are errors, every error is file:line:column: message.
 * Memory: the caller's region. Thread: any.
 */
#ifndef WEIR_HOST_CLUSTER_H
#define WEIR_HOST_CLUSTER_H

#include "base/doc.h"
#include "base/err.h"
#include "base/mem.h"
#include "shm/lane.h"

#define WEIR_REGIONS_MAX 32
#define WEIR_GATEWAYS_MAX 8 /* per region */

enum weir_net_backend {
	WEIR_NET_AUTO = 0, /* io_uring, else epoll */
	WEIR_NET_URING = 1,
	WEIR_NET_EPOLL = 2,
	WEIR_NET_DPDK = 3,
};

struct weir_cluster_gateway {
	char name[WEIR_NAME_MAX + 1]; /* default "gw0", "gw1".. by place */
	const char *listen; /* "host:port", UDP; must not be a wildcard address */
	enum weir_net_backend backend;
	/* dpdk */
	const char *eal; /* EAL arguments behind our own, "" */
	const char *device; /* port by name; "" the first */
	const char *wait; /* "adaptive" (default), "busy" */
};

struct weir_cluster_region {
	char name[WEIR_REGION_MAX + 1];
	const char *data; /* resolved; default <folder of the file>/.weir/REGION */
	uint32_t gateway_count;
	struct weir_cluster_gateway gateway[WEIR_GATEWAYS_MAX];
};

struct weir_cluster {
	char name[WEIR_NAME_MAX + 1];
	const char *file;
	const char *certs; /* resolved; "" not said: gateways do not start */
	uint32_t region_count;
	struct weir_cluster_region region[WEIR_REGIONS_MAX]; /* in the order of the file */
	/* links */
	uint64_t linger_ns; /* default 1 ms */
	uint64_t window_bytes; /* of a connection; default 32 MiB */
	uint64_t heartbeat_ns, suspect_ns, dead_ns; /* default 250 ms, 1 s, 3 s */
	bool cubic; /* congestion: cubic instead of bbr */
	/* edges */
	uint64_t
		buffer_bytes; /* unconfirmed output of an edge while its link is up; default 64 MiB */
	uint64_t spill_bytes; /* while it is down (in the journal); default 1 GiB */
	uint64_t edge_window_bytes; /* under way on one edge; default 8 MiB */
	enum {
		WEIR_COMPRESS_AUTO,
		WEIR_COMPRESS_NONE,
		WEIR_COMPRESS_LZ4,
		WEIR_COMPRESS_ZSTD
	} compression;
};

/* Reads and checks a cluster file. 0, or WEIR_E_CONFIG / -errno with what is wrong in diags (sorted), as weir_pipeline_build(). */
int weir_cluster_load(const char *file, struct weir_region *region, struct weir_cluster **ret,
		      struct weir_diags *diags, struct weir_err *err);
/* The pure part: a document that was parsed. dir: folder of the file. */
int weir_cluster_build(const struct weir_doc *doc, const char *file, const char *dir,
		       struct weir_region *region, struct weir_cluster **ret,
		       struct weir_diags *diags);
int weir_cluster_find(const struct weir_cluster *c, struct weir_str region); /* index or -1 */
int weir_cluster_gateway_find(const struct weir_cluster_region *r, struct weir_str name);

#endif
