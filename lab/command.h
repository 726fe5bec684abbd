/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab/command.h - what one says to the emulated network, in a file, on the command line, or in a schedule.
 *
 *   seed 7                            first line of a file only
 *   PATHS key=value ..                rtt delay jitter (durations; rtt is two delays), loss dup reorder corrupt (1%, 0.05%),
 *                                     rate (10Mbit, 1Gbit, 0), limit (frames)
 *   cut PATHS                         nothing goes through
 *   heal PATHS                        something does
 *   at DURATION COMMAND               later, counted from the start
 *   # comment
 * PATHS: "eu:us" from eu to us; "eu,us" both ways; "eu" all to and from eu; "all".
 *
 * Pure. Errors: WEIR_E_CONFIG with a sentence; nothing is changed then.
 */
#ifndef WEIR_LAB_COMMAND_H
#define WEIR_LAB_COMMAND_H

#include "base/err.h"
#include "base/str.h"
#include "lab/wan.h"
#include "shm/lane.h"

#define WEIR_LAB_SCHEDULE_MAX 1024

struct weir_lab_later {
	uint64_t at_ns;
	char text[200];
};

struct weir_lab_net {
	uint32_t regions;
	char name[WEIR_WAN_REGIONS_MAX][WEIR_REGION_MAX + 1];
	struct weir_wan *wan;
	uint64_t seed;
	uint32_t later_count, later_next; /* sorted by time; those before next are done */
	struct weir_lab_later later[WEIR_LAB_SCHEDULE_MAX];
};

/* One command. first: `seed` is allowed. */
int weir_lab_command(struct weir_lab_net *net, struct weir_str text, bool first,
		     struct weir_err *err);
/* A whole file; errors name the line. dry (net->wan is NULL): only looks, and takes the seed. */
int weir_lab_commands(struct weir_lab_net *net, struct weir_str text, struct weir_err *err);
/* Does what is due; returns the time of the next, UINT64_MAX: none. */
uint64_t weir_lab_due(struct weir_lab_net *net, uint64_t since_start_ns);
/* Round trips between five public cloud regions, for clusters without a file: pairs by place in the cluster file. */
void weir_lab_default(struct weir_lab_net *net);

#endif
