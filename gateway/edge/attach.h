/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/edge/attach.h - an engine's segment as the gateway sees it: lanes to hold, rings, doorbells, counters.
 *
 * Open:    asks the engine's control socket for the segment's descriptor and maps it. docs/formats/shm.md, "Lanes".
 * Holding: claim() takes the gateway's ends of lanes nobody alive holds. Of several gateways of a region each takes the lanes whose edge
 *          number falls to it, and the others after they were free for a while. What is held is kept until close() or death.
 * Alive:   the engine is gone when its process is, or when it closed the segment.
 * Thread:  one, but for the bell's own: it sleeps on the gateway's doorbell and makes bell_fd readable.
 */
#ifndef WEIR_GATEWAY_EDGE_ATTACH_H
#define WEIR_GATEWAY_EDGE_ATTACH_H

#include "base/err.h"
#include "gateway/core/gate.h"
#include "host/cluster.h"
#include "shm/segment.h"

struct weir_attach;

/* instance: "PIPELINE@REGION". -ENOENT, -ECONNREFUSED: no engine yet; other errors say what is wrong. */
int weir_attach_open(const char *instance, const struct weir_cluster *c, uint32_t region,
		     uint32_t gateway, struct weir_attach **ret, struct weir_err *err);
void weir_attach_close(struct weir_attach *a); /* drops what is held */

bool weir_attach_alive(const struct weir_attach *a);
uint32_t weir_attach_pid(const struct weir_attach *a);
uint32_t weir_attach_count(const struct weir_attach *a); /* lanes of the engine */

/* Claims what may be claimed now. true: the lanes that are held have changed. */
bool weir_attach_claim(struct weir_attach *a, uint64_t mono_ns);
/* What is held, for weir_gate_lanes(). */
uint32_t weir_attach_lanes(struct weir_attach *a, const struct weir_gate_lane **ret_lane,
			   const struct weir_gate_lane_ops **ret_ops);
/* Writes the counters of the lanes that are held. */
void weir_attach_show(struct weir_attach *a, const struct weir_gate *g);

int weir_attach_bell_fd(const struct weir_attach *a); /* -1: no doorbell in this segment */
/* Around a sleep: announce it, look at the lanes once more, sleep, take it back. */
void weir_attach_sleep(struct weir_attach *a);
void weir_attach_woke(struct weir_attach *a);

#endif
