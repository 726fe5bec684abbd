/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/pace.h"

#define MS (UINT64_C(1000) * 1000)
#define ROW (UINT64_C(1000) * MS) /* of credit */
#define FREE (WEIR_BRAKE_MAX / 2)
#define AIM (WEIR_BRAKE_MAX * 3 / 4)
#define STEPS (WEIR_BRAKE_MAX / 4) /* from AIM to either end */
#define SCALE 1024u /* of fast and slow */
#define BASE_MAX (UINT64_C(1) << 32)

#define LOOK_NS (50 * MS)
#define DT_MAX (250 * MS) /* a longer time between two looks counts as this */
#define FAST_NS (400 * MS)
#define SLOW_NS (1200 * MS)
#define RATE_NS (1000 * MS)
#define FREE_UP_NS (400 * MS)
#define FREE_DOWN_NS (8000 * MS)
#define BASE_NS (3000 * MS)
#define FULL_NS (400 * MS) /* where the edge is as good as full, the base is far too high */
#define FULL (STEPS * 15 / 16)
#define CREDIT_NS (20 * MS) /* what is not used in this time is lost */

/* dt / tau of the way from a to b. */
static uint64_t nearer(uint64_t a, uint64_t b, uint64_t dt, uint64_t tau)
{
	uint64_t gap = a < b ? b - a : a - b, step = (uint64_t)((weir_u128)gap * dt / tau);

	return a < b ? a + step : a - step;
}

/* What the base grows or falls by: fast where the edge is full or nearly free, little near the aim. */
static uint64_t part_of(const struct weir_pace *p, uint64_t dt)
{
	uint64_t aim = (uint64_t)AIM * SCALE, off = p->fast > aim ? p->fast - aim : aim - p->fast;

	off = WEIR_MIN(off, (uint64_t)STEPS * SCALE);
	if (p->fast > aim && off > FULL * SCALE)
		return (uint64_t)((weir_u128)p->base * dt / FULL_NS);
	off /= STEPS;
	return (uint64_t)((weir_u128)p->base * (off * off) * dt / (BASE_NS * SCALE * SCALE));
}

static void look(struct weir_pace *p, uint64_t elapsed)
{
	uint64_t dt = WEIR_MIN(elapsed, DT_MAX);
	uint64_t rate = (uint64_t)((weir_u128)p->rows * ROW / elapsed);
	uint32_t brake = p->brake * SCALE;

	p->rows = 0;
	p->rate = nearer(p->rate, rate, dt, RATE_NS);
	p->fast = (uint32_t)nearer(p->fast, brake, dt, FAST_NS);
	p->slow = (uint32_t)nearer(p->slow, brake, dt, SLOW_NS);
	if (!p->base)
		p->base = rate;
	else if (p->fast <= FREE * SCALE)
		/* What it gives while it is free; not at once, as that may be a short rush. */
		p->base = rate > p->base ? WEIR_MIN(rate, p->base + p->base * dt / FREE_UP_NS)
					 : nearer(p->base, rate, dt, FREE_DOWN_NS);
	else if (p->fast > AIM * SCALE && p->fast >= p->slow)
		p->base -= part_of(p, dt);
	else if (p->fast < AIM * SCALE && p->fast <= p->slow && p->rate >= p->base / 2)
		p->base += part_of(p, dt);
	p->base = WEIR_MIN(WEIR_MAX(p->base, WEIR_PACE_BASE_MIN), BASE_MAX);
}

/* Rows per second that the brake leaves. */
static uint64_t allowed(const struct weir_pace *p)
{
	return p->base * (WEIR_BRAKE_MAX - p->brake) / STEPS;
}

void weir_pace_turn(struct weir_pace *p, uint32_t brake, uint64_t now_ns)
{
	uint64_t dt = now_ns - p->at_ns, most;

	if (!p->at_ns) {
		p->time_ns = p->looked_ns = now_ns;
		dt = 0;
	}
	p->at_ns = now_ns;
	p->brake = WEIR_MIN(brake, WEIR_BRAKE_MAX);
	if (now_ns - p->looked_ns >= LOOK_NS) {
		look(p, now_ns - p->looked_ns);
		p->looked_ns = now_ns;
	}
	if (p->brake <= FREE) {
		p->time_ns += dt;
		p->credit = 0;
		return;
	}
	p->time_ns += (uint64_t)((weir_u128)dt * 2 * (WEIR_BRAKE_MAX - p->brake) / WEIR_BRAKE_MAX);
	most = p->brake == WEIR_BRAKE_MAX ? 0 : WEIR_MAX(allowed(p) * CREDIT_NS, ROW);
	p->credit = WEIR_MIN(p->credit + allowed(p) * WEIR_MIN(dt, CREDIT_NS), most);
}

uint64_t weir_pace_wait(const struct weir_pace *p)
{
	uint64_t rate = allowed(p);

	if (p->brake <= FREE || p->credit >= ROW)
		return 0;
	if (!rate)
		return WEIR_PACE_NS_MAX;
	return WEIR_MIN(WEIR_MAX((ROW - p->credit) / rate + 1, WEIR_PACE_NS_MIN), WEIR_PACE_NS_MAX);
}

uint32_t weir_pace_rows(const struct weir_pace *p, uint32_t most)
{
	return p->brake <= FREE ? most : (uint32_t)WEIR_MIN(p->credit / ROW, (uint64_t)most);
}

void weir_pace_took(struct weir_pace *p, uint64_t rows)
{
	p->rows += rows;
	p->credit -= WEIR_MIN(p->credit, rows * ROW);
}
