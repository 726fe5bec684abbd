/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab/wire.h - the hub: frames from the regions' cables through the emulated network (lab/wan.h) and out again.
 *
 * A switch that learns which region a MAC address is in; what it does not know goes to all. Packet sockets with a receive ring, one per
 * cable. Between two looks at the receive rings at most one batch is sent: draining the queue first starves them.
 * Thread: one.
 */
#ifndef WEIR_LAB_WIRE_H
#define WEIR_LAB_WIRE_H

#include "base/err.h"
#include "lab/command.h"

struct weir_lab_wire;
/* Cables "wan0", "wan1".. of this namespace. */
int weir_lab_wire_open(struct weir_lab_net *keep_net, struct weir_lab_wire **ret,
		       struct weir_err *err);
void weir_lab_wire_close(struct weir_lab_wire *w);
/* Sleeps until something comes, is due, or other_fd is readable; at most until_ns. Then does what there is to do.
 * true: other_fd is readable. */
bool weir_lab_wire_step(struct weir_lab_wire *w, int other_fd, uint64_t start_ns,
			uint64_t until_ns);

struct weir_lab_wire_stats {
	uint64_t frames, missed; /* missed: the receive ring was full */
	uint64_t late_ns, late_max_ns; /* sum over frames, largest: the emulator's own error */
};
void weir_lab_wire_stats(struct weir_lab_wire *w, struct weir_lab_wire_stats *ret);

#endif
