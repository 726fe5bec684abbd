/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edges seen from outside: what the sender froze, epoch by epoch, against what the receiver hands on.
 *
 *   I7   a record is handed on only when its epoch is durable at the sender
 *   I8,9 record k at the receiver is record k of the sender, byte for byte; nothing is left out
 *   I10  what the sender counts as confirmed is durable at the receiver
 *   I11  no receiver listens to a sender below the highest fence it has seen: then it has to give up a session (and does so for
 *        no other reason here, where senders are right)
 *   L5   unconfirmed output, staged and ready records stay under their limits
 * A sender that starts again forgets what was not durable, a receiver what it had not made durable.
 */
#include "base/checksum.h"
#include "tests/sim/hooks.h"
#include "tests/sim/regions.h"

/* What one epoch may go beyond a limit: sources slow down by what was closed, not by what is open. */
#define OVER_BYTES ((uint64_t)4 << 20)

struct sim_edge *sim_edge_of(struct sim_regions *w, const struct weir_edge_end *end)
{
	struct sim_edge *e;

	for (uint32_t i = 0; i < w->edge_count; i++)
		if (w->edge[i].id == end->id)
			return &w->edge[i];
	sim_regions_check(w->edge_count < w->edge_cap, "START", "too many edges");
	e = &w->edge[w->edge_count++];
	e->id = end->id;
	snprintf(e->name, sizeof(e->name), "%s %s>%s%s", end->of, end->from, end->to,
		 end->keys ? "#keys" : "");
	for (uint32_t r = 0; r < w->count; r++) {
		if (strcmp(w->name[r], end->from) == 0)
			e->from = r;
		if (strcmp(w->name[r], end->to) == 0)
			e->to = r;
	}
	return e;
}

static uint64_t frame_hash(const void *p)
{
	struct weir_frame f;

	memcpy(&f, p, sizeof(f));
	return weir_hash64_seed(p, f.size, 1);
}

static void add_rows(struct sim_edge *e, uint64_t epoch, const struct weir_edge_batch *b)
{
	for (uint32_t at = 0; at < b->bytes;) {
		struct weir_frame f; /* of any alignment */

		memcpy(&f, b->p + at, sizeof(f));
		if (f.kind == WEIR_FRAME_DATA) {
			e->row = sim_grow(e->row, &e->row_cap, e->rows + 1, sizeof(*e->row));
			e->row[e->rows++] = (struct sim_edge_row){frame_hash(b->p + at), epoch};
		}
		at += (uint32_t)weir_frame_stride(&f);
	}
}

void sim_edge_froze(struct sim_regions *w, struct sim_edge *e, uint64_t epoch, const uint8_t *part,
		    size_t n)
{
	struct weir_edge_batch b = {0};
	struct weir_edge_walk walk;
	int r = weir_edge_walk_begin(&walk, weir_reader_of(part, n));

	(void)w;
	sim_regions_check(r == 0, "I8", "edge %s: its part of epoch %llu is none", e->name,
			  (unsigned long long)epoch);
	sim_regions_check(walk.at.seq == e->next_seq, "I8",
			  "edge %s: epoch %llu begins with number %llu, the one before ended at "
			  "%llu",
			  e->name, (unsigned long long)epoch, (unsigned long long)walk.at.seq,
			  (unsigned long long)e->next_seq);
	while ((r = weir_edge_walk_next(&walk, &b)) > 0)
		add_rows(e, epoch, &b);
	sim_regions_check(r == 0, "I8", "edge %s: a damaged part", e->name);
	e->next_seq = walk.end.seq;
	sim_mark(&e->seq, epoch, e->next_seq);
}

void sim_edge_applied(struct sim_regions *w, struct sim_edge *e, uint64_t index,
		      const struct weir_frame *f)
{
	const struct sim *from = w->region[e->from].s;

	sim_regions_check(index < e->rows, "I9",
			  "edge %s: record %llu is handed on, the sender has %u", e->name,
			  (unsigned long long)index, e->rows);
	sim_regions_check(e->row[index].epoch <= from->check->durable, "I7",
			  "edge %s: record %llu of epoch %llu is handed on, at the sender %llu is "
			  "durable",
			  e->name, (unsigned long long)index,
			  (unsigned long long)e->row[index].epoch,
			  (unsigned long long)from->check->durable);
	sim_regions_check(e->row[index].hash == frame_hash(f), "I9",
			  "edge %s: record %llu is not what the sender committed", e->name,
			  (unsigned long long)index);
}

/* ---- starts ---- */

static uint64_t rows_upto(const struct sim_edge *e, uint64_t epoch)
{
	uint32_t n = e->rows;

	while (n > 0 && e->row[n - 1].epoch > epoch)
		n--;
	return n;
}

static void receiver_started(struct sim *s, struct sim_edge *e, uint64_t epoch)
{
	const struct sim_life *l = s->life;

	sim_mark_cut(&e->applied, epoch);
	for (uint32_t t = 0; t < l->tasks.task_count; t++) {
		const struct weir_step *step = &l->p->step[l->unit[t].task.node[0].step];
		uint64_t want = sim_mark_at(&e->applied, epoch);

		if (!l->unit[t].source || step->source.connector != WEIR_CONN_EDGE ||
		    step->source.edge.id != e->id || l->cell.ended)
			continue;
		sim_regions_check(l->unit[t].source->rows == want, "I5",
				  "edge %s goes on at record %llu, epoch %llu ended at %llu",
				  e->name, (unsigned long long)l->unit[t].source->rows,
				  (unsigned long long)epoch, (unsigned long long)want);
	}
}

void sim_region_started(struct sim *s)
{
	struct sim_regions *w = s->region->w;
	uint64_t epoch = s->life->cell.durable;

	for (uint32_t i = 0; i < w->edge_count; i++) {
		struct sim_edge *e = &w->edge[i];

		if (e->from == s->region->number) {
			e->rows = (uint32_t)rows_upto(e, epoch);
			sim_mark_cut(&e->seq, epoch);
			e->next_seq = sim_mark_at(&e->seq, epoch);
			e->cursor = 0;
		} else if (e->to == s->region->number) {
			receiver_started(s, e, epoch);
		}
	}
}

/* ---- after each turn of a region ---- */

struct sim_edge *sim_edge_find(struct sim_regions *w, uint64_t id)
{
	for (uint32_t i = 0; i < w->edge_count; i++)
		if (w->edge[i].id == id)
			return &w->edge[i];
	return NULL;
}

static void check_sender(struct sim_region *g, struct sim_edge *e, uint32_t sink)
{
	const struct weir_cell *c = &g->s->life->cell;
	const struct sim *to = g->w->region[e->to].s;
	struct weir_cell_sink_info info;
	uint64_t durable;

	weir_cell_sink_info(c, sink, &info);
	if (info.cursor == e->cursor)
		return;
	sim_regions_check(info.cursor > e->cursor, "I10", "edge %s: its cursor goes back", e->name);
	e->cursor = info.cursor;
	durable = sim_mark_at(&e->applied, to->check->durable);
	sim_trace(g->s, SIM_EV_CONFIRMED, e->id, e->cursor, 0);
	sim_regions_check(rows_upto(e, e->cursor) <= durable, "I10",
			  "edge %s: epoch %llu is taken for confirmed, so %llu records; %llu are "
			  "durable at the receiver",
			  e->name, (unsigned long long)e->cursor,
			  (unsigned long long)rows_upto(e, e->cursor), (unsigned long long)durable);
}

static void check_memory(struct sim_region *g, struct sim_edge *e, const struct sim_lane *k)
{
	struct weir_edge_view v;

	weir_source_edge_view(k->node, &v);
	sim_regions_check(v.in.staged_bytes <= ((uint32_t)5 << 20) &&
				  v.in.ready_bytes <= ((uint32_t)9 << 20),
			  "L5", "edge %s: %u bytes staged, %u ready", e->name, v.in.staged_bytes,
			  v.in.ready_bytes);
	sim_regions_check(v.in.fence <= g->w->region[e->from].s->check->fence, "I11",
			  "edge %s: the receiver has seen fence %llu, the sender is at %llu",
			  e->name, (unsigned long long)v.in.fence,
			  (unsigned long long)g->w->region[e->from].s->check->fence);
}

static void check_streams(struct sim_region *g)
{
	const struct sim_life *l = g->s->life;

	for (uint32_t i = 0; i < l->cell.stream_count; i++) {
		const struct weir_cell_stream *x = &l->cell.stream[i];
		const struct weir_step *step = &l->p->step[x->node->step];
		struct sim_edge *e;

		if (step->sink.connector != WEIR_CONN_EDGE)
			continue;
		e = sim_edge_of_node(x->node);
		check_sender(g, e, x->sink);
		e->most = WEIR_MAX(e->most, x->outstanding);
		sim_regions_check(x->outstanding <= x->limit + OVER_BYTES, "L5",
				  "edge %s: %llu bytes are unconfirmed, the limit is %llu", e->name,
				  (unsigned long long)x->outstanding, (unsigned long long)x->limit);
	}
}

void sim_region_check(struct sim_region *g)
{
	const struct sim_life *l = g->s->life;
	const struct sim_lane *k;

	if (!l || !l->cell_open || g->through)
		return;
	check_streams(g);
	sim_regions_check(
		g->w->broken->hits == g->w->broken_before, "I11",
		"a receiver gives up a session: it listened to somebody else than its sender");
	/* One lane at a time: nothing of it changes within a moment. */
	k = l->lanes->count ? &l->lanes->lane[g->lane_turn++ % l->lanes->count] : NULL;
	if (k && !k->out && k->node)
		check_memory(g, sim_edge_of_node(k->node), k);
}
