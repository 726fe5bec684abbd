/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving end of an edge: what it says. */
#include "engine/core/edge_int.h"

static const struct weir_str nothing;

static bool say(struct weir_edge_in *i, const struct weir_lane_io *io, enum weir_lane_type type,
		struct weir_lane_head h, struct weir_str body)
{
	h.f.key_hash = i->edge;
	h.fence = i->fence;
	if (type != WEIR_LANE_FENCED)
		h.f.time_ns = (int64_t)i->session_number;
	return weir__edge_write(io, type, &h, body);
}

/* RESUME and GAP: where to go on. */
static bool say_place(struct weir_edge_in *i, const struct weir_lane_io *io,
		      enum weir_lane_type type)
{
	uint32_t front = i->staged.first ? 0 : i->front;
	struct weir_lane_head h = {.seq = i->expect.seq + front,
				   .chain = front ? i->behind : i->expect.chain,
				   .count = front,
				   .epoch = i->staging_max};

	return say(i, io, type, h, nothing);
}

static void say_bad_news(struct weir_edge_in *i, const struct weir_lane_io *io)
{
	if (i->say_fork) {
		struct weir_lane_head h = {.seq = i->fork_seq, .chain = i->fork_chain};

		i->say_fork = !say(i, io, WEIR_LANE_FORK, h, nothing);
	}
	if (i->say_fenced) {
		struct weir_lane_head h = {.f = {.time_ns = (int64_t)i->fenced_session}};

		i->say_fenced = !say(i, io, WEIR_LANE_FENCED, h, nothing);
	}
}

static void say_resume(struct weir_edge_in *i, const struct weir_lane_io *io, uint64_t now)
{
	if (edge_timer_due(&i->resume_timer, now)) {
		if (i->broken) {
			weir__edge_in_session(i, now);
		} else {
			weir_probe("edge.in_resume_again");
			i->say_resume = true;
			edge_timer_again(&i->resume_timer, now);
		}
	}
	if (i->say_resume)
		i->say_resume = !say_place(i, io, WEIR_LANE_RESUME);
}

static bool hole_open(const struct weir_edge_in *i)
{
	return i->heard && i->expect.seq < i->hole;
}

static void say_gap(struct weir_edge_in *i, const struct weir_lane_io *io, uint64_t now)
{
	if (hole_open(i) && edge_timer_due(&i->gap_timer, now)) {
		weir_probe("edge.in_gap_again");
		i->say_gap = true;
	}
	if (!i->say_gap || !say_place(i, io, WEIR_LANE_GAP))
		return;
	i->say_gap = false;
	/* What is asked for once more has time, and more each time. */
	if (i->asked == i->expect.seq + 1)
		edge_timer_again(&i->gap_timer, now);
	else
		edge_timer_start(&i->gap_timer, now);
	i->asked = i->expect.seq + 1;
}

static void say_progress(struct weir_edge_in *i, const struct weir_lane_io *io, uint64_t now)
{
	struct weir_lane_head h = {.seq = i->durable};

	if (i->told_durable != i->durable + 1 && say(i, io, WEIR_LANE_DURABLE, h, nothing))
		i->told_durable = i->durable + 1;
	if (i->told_received == i->next + 1 || now - i->tell_ns < EDGE_TELL_NS)
		return;
	h.seq = i->next;
	h.epoch = i->staging_max;
	if (say(i, io, WEIR_LANE_RECEIVED, h, nothing)) {
		i->told_received = i->next + 1;
		i->tell_ns = now;
	}
}

static void say_status(struct weir_edge_in *i, const struct weir_lane_io *io,
		       const char *blocked_by)
{
	struct weir_lane_head h = {.seq = i->next};
	size_t n = WEIR_MIN(strlen(blocked_by), (size_t)EDGE_BLOCKED_MAX);

	if (strncmp(blocked_by, i->told_blocked, EDGE_BLOCKED_MAX) == 0)
		return;
	if (!say(i, io, WEIR_LANE_STATUS, h, (struct weir_str){blocked_by, n}))
		return;
	memcpy(i->told_blocked, blocked_by, n);
	i->told_blocked[n] = 0;
}

void weir_edge_in_step(struct weir_edge_in *i, const struct weir_lane_io *io,
		       const char *blocked_by, uint64_t mono_ns)
{
	if (!i->info.lane_open)
		return;
	say_bad_news(i, io);
	if (i->fail.code)
		return;
	if (i->doubt_ns && mono_ns >= i->doubt_ns) {
		weir_probe("edge.in_lost_session");
		weir__edge_in_session(i, mono_ns);
	}
	if (!i->heard) {
		say_resume(i, io, mono_ns);
		return;
	}
	say_gap(i, io, mono_ns);
	say_progress(i, io, mono_ns);
	say_status(i, io, blocked_by ? blocked_by : "");
}

uint64_t weir_edge_in_deadline(const struct weir_edge_in *i)
{
	uint64_t at = UINT64_MAX;

	if (!i->info.lane_open || i->fail.code)
		return 0;
	if (!i->heard)
		return i->resume_timer.at_ns;
	if (hole_open(i) && i->gap_timer.at_ns)
		at = i->gap_timer.at_ns;
	if (i->doubt_ns)
		at = WEIR_MIN(at, i->doubt_ns);
	if (i->told_received != i->next + 1)
		at = WEIR_MIN(at, i->tell_ns + EDGE_TELL_NS);
	return at == UINT64_MAX ? 0 : at;
}
