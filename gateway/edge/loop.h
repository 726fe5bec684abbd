/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/loop.h - the gateway at work: engine, gate, links and datagrams in one loop.
 *
 * Life:   open (certificates, socket; nothing waits for anybody) -> run until stop() -> close. Engines and peers may come and go.
 * Stop:   links are closed with a reason, lanes are dropped; what was on its way comes again by itself.
 * Thread: one; stop() and reload() from a signal handler too.
 */
#ifndef WEIR_GATEWAY_EDGE_LOOP_H
#define WEIR_GATEWAY_EDGE_LOOP_H

#include "base/err.h"
#include "host/cluster.h"

struct weir_loop_options {
	const struct weir_cluster *cluster;
	uint32_t region, gateway;
	const char *pipeline;
	const char *listen; /* NULL: as the cluster file says */
	const char *metrics; /* address of the HTTP server; NULL: none */
	bool metrics_free; /* when that one is taken: any free port, or none */
};

struct weir_loop;
int weir_loop_open(const struct weir_loop_options *o, struct weir_loop **ret, struct weir_err *err);
int weir_loop_run(struct weir_loop *l, struct weir_err *err); /* 0 after stop(), <0 */
void weir_loop_stop(struct weir_loop *l);
void weir_loop_reload(struct weir_loop *l); /* certificates are read again */
void weir_loop_close(struct weir_loop *l);

#endif
