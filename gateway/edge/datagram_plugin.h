/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/datagram_plugin.h - the border between the gateway and weir-dpdk.so: no DPDK type crosses it.
 *
 * Use:    datagram_dpdk.c loads the file, calls weir_dpdk_plugin(), compares what was built, then open().
 * Rules:  both sides are built from one tree; `built` says which, and a plug-in of another one is not used. DPDK can be opened
 *         once in a process: it does not survive its own end. The plug-in has its own copy of what is below it (base, host):
 *         what must be the program's own is handed in.
 * Errors: open() as weir_dgram_open(). DPDK's own last words are part of the text.
 */
#ifndef WEIR_GATEWAY_EDGE_DATAGRAM_PLUGIN_H
#define WEIR_GATEWAY_EDGE_DATAGRAM_PLUGIN_H

#include "base/assert.h"
#include "gateway/edge/datagram.h"

#define WEIR_DPDK_FILE "weir-dpdk.so"
#define WEIR_DPDK_SYMBOL "weir_dpdk_plugin"
#define WEIR_DPDK_BUILT "weir " WEIR_VERSION " " WEIR_VARIANT " plug-in 1"

struct weir_dpdk_program {
	void (*warn)(const char *line); /* what DPDK says while it runs; any thread */
	weir_panic_fn panic;
};

struct weir_dpdk_plugin {
	const char *built; /* WEIR_DPDK_BUILT; first, in every version */
	const char *dpdk; /* its version */
	int (*open)(const struct weir_dgram_options *o, const struct weir_dpdk_program *program,
		    struct weir_dgram_io **ret, struct weir_err *err);
};

typedef const struct weir_dpdk_plugin *(*weir_dpdk_plugin_fn)(void);
WEIR_API const struct weir_dpdk_plugin *weir_dpdk_plugin(void);

#endif
