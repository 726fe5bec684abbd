/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/hooks.h - where the simulator reaches into production code: probes, buggify points, planted bugs.
 *
 *   weir_probe("journal.torn_tail")      this rare path was taken; the simulator reports those never taken
 *   if (weir_buggify("cell.late"))       the unlikely is made likely: true only in a simulation, and only
 *                                        where correct code must cope with it
 *   if (weir_planted(SKIP_CHAIN_CHECK))  a wrong version of the code, compiled in with -DWEIR_PLANTED only;
 *                                        the simulator must find it
 *
 * Cost: one load and an untaken branch; not for the path of a record. Names are static texts,
 *       "component.what"; one name may stand at one place only.
 * Thread: the hooks are set before threads exist (or never).
 */
#ifndef WEIR_BASE_HOOKS_H
#define WEIR_BASE_HOOKS_H

#include "base/base.h"

struct weir_hooks {
	void (*probe)(void *ctx, const char *name);
	bool (*buggify)(void *ctx, const char *name);
	void *ctx;
};

extern const struct weir_hooks *weir_hooks; /* NULL: production */

weir_inline void weir_probe(const char *name)
{
	if (weir_unlikely(weir_hooks != NULL))
		weir_hooks->probe(weir_hooks->ctx, name);
}

weir_inline bool weir_buggify(const char *name)
{
	return weir_unlikely(weir_hooks != NULL) && weir_hooks->buggify(weir_hooks->ctx, name);
}

/* Every planted bug: name, what is wrong. */
#define WEIR_PLANT_LIST(X)                                                                         \
	X(NONE, "nothing")                                                                         \
	X(CANARY, "the checker is told a record twice: must always fail")                          \
	X(NO_ALIGN, "an inlet goes on reading a ring behind its barrier")                          \
	X(BARRIER_OVERTAKES, "a source writes its position before the rows of the batch")          \
	X(FREEZE_LATE, "a window freezes after the rows behind the barrier")                       \
	X(NO_COPY_ON_WRITE, "a changed entry is encoded with its newer value")                     \
	X(LOSE_TOUCHED, "an entry that changes while its epoch is encoded misses the next delta")  \
	X(FORGET_DELETE, "dropped keys are left out of the delta")                                 \
	X(RELEASE_EARLY, "sinks are let go before the epoch is durable")                           \
	X(COMMIT_EARLY, "the commit record is written with the units, not after them")             \
	X(ACK_BEFORE_DURABLE, "an epoch counts as durable when its write was started")             \
	X(NO_CHAIN_CHECK, "the hash of the unit before is not compared")                           \
	X(NO_ADDRESS_CHECK, "a unit's own address is not compared")                                \
	X(NO_BODY_CHECK, "the body checksum is not compared")                                      \
	X(TRUNCATE_COMMITTED, "damage below the frontier is cut off like a torn tail")             \
	X(TRIM_EARLY, "segments are given back before the new base was read back")                 \
	X(BASE_SKIPS, "a base round leaves out the last entries")                                  \
	X(SINK_RETRY, "an unknown outcome is tried again without reading the cursor")              \
	X(SINK_ASSUME, "an unknown outcome is taken for a success")                                \
	X(NO_FENCE, "a restart goes on with the old fence")                                        \
	X(FOLD_LOSES, "the deltas of a folded epoch are thrown away")                              \
	X(WATERMARK_LOST, "the watermark of a ring does not come back after a restart")            \
	X(TIMER_LOST, "timers do not come back after a restart")                                   \
	X(IO_ERROR_IGNORED, "a failed journal write is tried again and counted as written")        \
	X(SUPER_ONE_COPY, "one valid copy of the superblock is believed")                          \
	X(REPLAY_SKIPS, "the newest bundle is left out when state is read back")                   \
	X(STREAM_GOES_ON, "a sink that streams asks for all again, and gets the next epoch")       \
	X(STREAM_UNKEPT, "the base moves past output that a sink that streams has not confirmed")

/* Those in edges: tests/unit/engine/test_edge_pair.c must find each; a simulation of one region has no edge. */
#define WEIR_EDGE_PLANT_LIST(X)                                                                    \
	X(EDGE_SHIP_BEFORE_COMMIT, "a receiver applies what is not committed")                     \
	X(EDGE_HIGH_WATERMARK, "a receiver takes all above what it has seen, not the next only")   \
	X(EDGE_TRIM_ON_RECEIPT, "a sender forgets what was received, but is not durable")          \
	X(EDGE_NO_CHAIN, "chains are not compared")                                                \
	X(EDGE_OLD_SESSION, "frames of another session are taken")                                 \
	X(EDGE_CURSOR_EARLY, "a receiver confirms when it freezes an epoch")                       \
	X(EDGE_SKIP_TRIMMED, "a receiver goes on behind what the sender has no more")              \
	X(EDGE_FENCE_IGNORED, "a sender below the highest fence is listened to")                   \
	X(EDGE_RESUME_GUESS, "a sender goes on where it was, not where it is asked to")            \
	X(EDGE_RESTORE_NO_CHAIN_POS, "a receiver restarts inside of a batch as if one began there")

/* Those in the gateway's core: the simulator must find each, with several regions. */
#define WEIR_GATE_PLANT_LIST(X)                                                                    \
	X(LANE_GIVE_EARLY, "ring memory is given back when it was sent, not when it has come")     \
	X(LANE_GIVE_PART, "ring memory is given back in the middle of a frame")                    \
	X(LANE_NO_CHECK, "a frame's body is not checked before the engine gets it")                \
	X(LANE_KEEPS_HALF, "half a frame outlives its stream")                                     \
	X(LANE_DROPS_FULL, "what finds no room in the ring is dropped")                            \
	X(LANE_OVERTAKES, "new bytes overtake those that wait for room")                           \
	X(LANE_CREDIT_EARLY, "credit is given for what the engine has not taken yet")              \
	X(GATE_NO_ANNOUNCE, "lanes that come later are not announced")                             \
	X(GATE_PATIENT, "a link that says nothing is never closed")                                \
	X(GATE_NO_REACH, "what links reach is not told, so nobody asks for a relay")               \
	X(GATE_RELAY_FORGETS, "a relay forgets all it holds when some of it has come")             \
	X(GATE_RELAY_HALF, "a relay of which one half has ended keeps the other one")

/* Those in aggregates over all regions: tests/unit/engine/test_global_worlds.c must find each. */
#define WEIR_GLOBAL_PLANT_LIST(X)                                                                  \
	X(GLOBAL_BY_VALUE, "the larger accumulator of a region counts, not the newer one")         \
	X(GLOBAL_FINAL_EARLY, "a result is final although one region may still add to it")         \
	X(GLOBAL_OLD_PART, "a part that comes again replaces a newer one")                         \
	X(GLOBAL_OWN_FIRST, "each region folds its own part first")                                \
	X(GLOBAL_MARK_FIRST, "a region tells its watermark before the parts it covers")            \
	X(GLOBAL_MASK_SHRINKS, "how far the regions are does not come back after a restart")       \
	X(GLOBAL_TOLD_LOST, "which results were given does not come back after a restart")         \
	X(GLOBAL_VERSION_LOST, "a region numbers from the beginning after a restart")

/* Those in tables: tests/unit/engine/test_table_worlds.c must find each. */
#define WEIR_TABLE_PLANT_LIST(X)                                                                   \
	X(TABLE_SKIP_PART, "the vector moves over a part that was not applied")                    \
	X(TABLE_NO_DIGEST, "sums of other regions are not compared")                               \
	X(TABLE_XOR_DIGEST, "sums are XORs, and not of what is in a row: pairs cancel")            \
	X(TABLE_REUSE_WRITER, "a region that lost its state goes on under its old identity")       \
	X(TABLE_STABLE_EARLY, "what one other region has counts as what all have")                 \
	X(TABLE_CONFLICT_TWICE, "each region gives a conflict an id of its own")                   \
	X(TABLE_NO_FORMER, "what a region wrote in an earlier life is not given back to it")       \
	X(TABLE_VERSION_LOST, "a region numbers its changes from the beginning after a restart")

enum weir_plant {
#define WEIR_PLANT_X(name, text) WEIR_PLANT_##name,
	WEIR_PLANT_LIST(WEIR_PLANT_X) WEIR_PLANT_COUNT,
	WEIR_PLANT_EDGES = WEIR_PLANT_COUNT - 1, /* the first of them has the next number */
	WEIR_EDGE_PLANT_LIST(WEIR_PLANT_X) WEIR_EDGE_PLANT_END,
	WEIR_PLANT_GATES = WEIR_EDGE_PLANT_END - 1,
	WEIR_GATE_PLANT_LIST(WEIR_PLANT_X) WEIR_GATE_PLANT_END,
	WEIR_PLANT_GLOBALS = WEIR_GATE_PLANT_END - 1,
	WEIR_GLOBAL_PLANT_LIST(WEIR_PLANT_X) WEIR_GLOBAL_PLANT_END,
	WEIR_PLANT_TABLES = WEIR_GLOBAL_PLANT_END - 1,
	WEIR_TABLE_PLANT_LIST(WEIR_PLANT_X) WEIR_TABLE_PLANT_END
#undef WEIR_PLANT_X
};

#ifdef WEIR_PLANTED
extern enum weir_plant weir_plant_now;
#define weir_planted(name) (weir_plant_now == WEIR_PLANT_##name)
#else
#define weir_planted(name) false
#endif

#endif
