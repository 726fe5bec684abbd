/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/regions.h - several regions in one world: engines with edges, gateways, and the network between them.
 *
 *   region 0: life ─ rings ─ gates ─┐            ┌─ gates ─ rings ─ life: region 1
 *                                   └─ network ──┘
 *
 * Each region is a struct sim of its own (disk, stores, lives, checks); the nodes of its edges are the engine's
 * (engine/edge/sink_edge.c, source_edge.c), its gates are the gateway's core (gateway/core). The network is a model of
 * gateway/core/link.h. Clock and schedule are shared; the world's own decisions come from a struct sim as well.
 *
 *   regions.c          a run: who is next, faults, calm, the end
 *   regions_options.c  what a seed chooses
 *   regions_graph.c    the pipeline, planned for each region
 *   regions_edge.c     lanes of a life, nodes of edges, with the checks around them
 *   regions_gate.c     gateways: lanes they hold, kills
 *   regions_harm.c     gateways that are not to be trusted
 *   regions_net.c      links and streams; regions_fault.c what happens to them
 *   regions_check.c    what the sender committed against what the receiver applies
 *   regions_end.c      all sinks of all regions against all inputs
 *
 * Lanes: belong to a life; what a gate still holds of a dead one stays in memory until it lets go.
 */
#ifndef WEIR_TESTS_SIM_REGIONS_H
#define WEIR_TESTS_SIM_REGIONS_H

#include "engine/core/regions.h"
#include "engine/edge/edge_end.h"
#include "gateway/core/gate.h"
#include "host/cluster.h"
#include "tests/sim/life.h"
#include "tests/sim/mem.h"
#include "tests/sim/world.h"

#define SIM_REGIONS_MAX 16u
#define SIM_GATES_MAX 2u /* of a region */
#define SIM_NODES_MAX (SIM_REGIONS_MAX * SIM_GATES_MAX)

/* ---- lanes ---- */

struct sim_lane {
	uint64_t edge;
	uint32_t step, peer;
	bool out; /* records leave here */
	struct sim_ring *to_gate, *to_engine;
	struct weir_lane_end end;
	struct weir_node *node;
	uint32_t task; /* of the node */
	uint32_t holder; /* gate + 1; 0: nobody */
	uint32_t generation;
	uint64_t free_ns; /* nobody holds it since */
	uint64_t gone_ns; /* the engine sees then that its holder is gone; 0: nothing to see */
	uint64_t seen; /* positions of the rings when the gates were last rung */
	uint64_t fence; /* highest that was handed to the engine */
	uint64_t commit; /* the newest that was handed over, and its session */
	int64_t commit_session;
	uint64_t kept; /* bytes of the stream that is open which were handed to the engine */
};

struct sim_lanes {
	uint32_t refs; /* the life, and gates */
	bool dead; /* the life is over */
	uint32_t count;
	struct sim_lane *lane;
	uint16_t of_task[256]; /* source tasks: lane + 1 */
};
void sim_lanes_new(struct sim_life *l);
void sim_lanes_end(struct sim_lanes *ls); /* of a life */
void sim_lanes_unref(struct sim_lanes *ls);

/* ---- an edge, as the checker sees it ---- */

struct sim_edge {
	uint64_t id;
	uint32_t from, to;
	char name[64];
	/* what the sender froze, in the lineage that counts */
	struct sim_edge_row {
		uint64_t hash, epoch;
	} * row;
	uint32_t rows;
	size_t row_cap;
	struct sim_marks seq; /* next sequence behind each epoch */
	uint64_t next_seq, chain; /* behind the last part */
	/* what the receiver handed on */
	struct sim_marks applied; /* rows up to its epochs */
	uint64_t cursor; /* the sender's, as last seen */
	uint64_t fence; /* highest that became durable at the receiver */
	uint64_t most; /* unconfirmed bytes that were seen */
	struct sim_bytes
		old[8]; /* batches that went to the receiver; gateways hand them over again */
	struct sim_bytes hello; /* that asked for a session */
	struct sim_bytes back[8]; /* frames that went to the sender */
	uint32_t backs;
};

/* ---- gates and network ---- */

struct sim_gate {
	uint32_t region, number, node; /* node: over all regions */
	struct sim_mem mem;
	struct weir_gate *g; /* NULL: dead */
	uint32_t life;
	uint64_t due, up_ns, look_ns, slow_until_ns;
	struct sim_lanes *lanes; /* that it is attached to */
	struct sim_lanes *old; /* to be let go behind the next step */
	uint32_t held_count;
	struct sim_gate_held {
		uint32_t lane;
		struct weir_ring_rx rx;
		struct weir_ring_tx tx;
	} held[WEIR_GATE_LANES_MAX];
	struct weir_link_ops link;
	struct weir_gate_lane_ops ops;
	uint64_t again_ns; /* a ring had no room: it steps then; 0 */
	uint64_t forged_ns; /* it lost or forged something, and all its links break then; 0 */
};

struct sim_net;
struct sim_site;

struct sim_region {
	struct sim_regions *w;
	struct sim *s;
	uint32_t number;
	char name[8], tag[8];
	bool through;
	uint64_t slow_until_ns;
	uint32_t lane_turn; /* the lane whose memory is looked at next */
	struct sim_gate *gate[SIM_GATES_MAX];
};

struct sim_regions {
	struct sim *s; /* the world's own: options, faults, trace */
	uint64_t now;
	struct weir_prng prng;
	uint32_t count, gates;
	const char *name[SIM_REGIONS_MAX];
	uint32_t gate_count[SIM_REGIONS_MAX];
	const char *const *gate_name[SIM_REGIONS_MAX];
	struct weir_cluster cluster;
	struct weir_lane_pack *pack;
	struct sim_region region[SIM_REGIONS_MAX];
	struct sim_net *net;
	struct sim_edge *edge;
	uint32_t edge_count;
	size_t edge_cap;
	uint64_t excuse_ns; /* edges may stop until then: a gateway has forged frames */
	uint64_t calm_ns;
	const struct sim_site *broken; /* hit: a receiver has given up on a session's sender */
	uint64_t broken_before;
	jmp_buf *out; /* the world's: where kills of a gate leave it */
};

/* regions.c */
void sim_regions_run(const struct sim_run *run, struct sim_verdict *ret);
/* The run fails: for what is no region's own. */
#define sim_regions_check(cond, id, ...) sim_check(sim_now, cond, id, __VA_ARGS__)
bool sim_region_excuse(struct sim *s, const struct weir_err *err, int r);
void sim_region_wake(struct sim_region *g); /* something came through a ring */

/* regions_graph.c */
size_t sim_regions_text(const struct sim_options *o, uint32_t parallelism, char *to, size_t cap);
int sim_region_build(struct sim_life *l);

/* regions_edge.c */
int sim_edge_source_init(struct sim_life *l, struct weir_node *n, const struct weir_op_env *env);
int sim_edge_sink_init(struct sim_life *l, struct weir_node *n, const struct weir_op_env *env);
struct sim_edge *sim_edge_of_node(const struct weir_node *n); /* of an edge */
bool sim_edge_is_source(const struct sim_life *l, uint32_t task);
bool sim_edge_rung(const struct sim_life *l,
		   uint32_t task); /* it has something to do, now or by time */
int sim_edge_attend(struct sim_life *l, uint32_t task);
void sim_region_stopped(struct sim_life *l); /* in good order: its nodes are closed */
void sim_region_look(struct sim_region *g); /* rings: who has to be woken */

/* regions_gate.c */
void sim_gate_init(struct sim_regions *w, uint32_t region, uint32_t number);
void sim_gate_fini(struct sim_gate *k);
void sim_gate_kill(struct sim_regions *w, struct sim_gate *k);
bool sim_gate_turn(struct sim_regions *w, struct sim_gate *k); /* true: it did something */
uint64_t sim_gate_next(const struct sim_gate *k);
void sim_gate_event(struct sim_regions *w, struct sim_gate *k, const struct weir_link_event *e);
/* So many bytes it has allowed the peer to send on a stream of that edge. */
void sim_gate_credit(const struct sim_gate *k, uint64_t edge, uint64_t allowed);

/* regions_harm.c: the frame that was claimed goes into the ring: it, another one, several or none. */
void sim_harm_keep(struct sim_regions *w, struct sim_gate *k, struct sim_gate_held *x,
		   uint32_t size);

/* regions_net.c */
struct sim_net *sim_net_new(struct sim_regions *w);
void sim_net_free(struct sim_net *n);
void sim_net_link_ops(struct sim_regions *w, struct sim_gate *k);
void sim_net_gate_gone(struct sim_regions *w, const struct sim_gate *k);
bool sim_net_deliver(struct sim_regions *w); /* what is due */
bool sim_net_pump(struct sim_regions *w); /* streams send what they may */
uint64_t sim_net_next(const struct sim_net *n);
bool sim_net_rotten(const struct sim_net *n); /* bytes of streams were changed */
void sim_net_faults(struct sim_regions *w); /* regions_fault.c: every 10 ms */
void sim_net_calm(struct sim_regions *w);
void sim_net_break_gate(struct sim_regions *w, const struct sim_gate *k);
void sim_net_dump(const struct sim_regions *w, FILE *to);

/* regions_check.c */
struct sim_edge *sim_edge_of(struct sim_regions *w, const struct weir_edge_end *e);
struct sim_edge *sim_edge_find(struct sim_regions *w, uint64_t id); /* NULL: none */
void sim_edge_froze(struct sim_regions *w, struct sim_edge *e, uint64_t epoch, const uint8_t *part,
		    size_t n);
void sim_edge_applied(struct sim_regions *w, struct sim_edge *e, uint64_t index,
		      const struct weir_frame *f);
void sim_region_started(struct sim *s);
void sim_region_check(struct sim_region *g); /* after its turn */

/* regions_end.c */
void sim_regions_end(struct sim_regions *w);

#endif
