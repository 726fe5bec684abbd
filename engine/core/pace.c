/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/pace.h"

#define COST_NS_MAX                                                                                \
	(UINT64_C(1) * 1000 * 1000) /* of one batch: the rest of the time went elsewhere */

static uint32_t duty_of(uint32_t brake)
{
	if (brake <= WEIR_BRAKE_MAX / 2)
		return WEIR_BRAKE_MAX;
	return 2 * (WEIR_BRAKE_MAX - WEIR_MIN(brake, WEIR_BRAKE_MAX));
}

void weir_pace_turn(struct weir_pace *p, uint32_t brake, uint64_t now_ns)
{
	uint64_t dt = now_ns - p->at_ns, earned;

	if (!p->at_ns) {
		p->time_ns = now_ns;
		dt = 0;
	}
	p->at_ns = now_ns;
	p->duty = duty_of(brake);
	earned = (uint64_t)((weir_u128)dt * p->duty / WEIR_BRAKE_MAX);
	p->time_ns += earned;
	if (!dt)
		return;
	if (p->ran)
		p->debt_ns += WEIR_MIN(dt, COST_NS_MAX);
	p->debt_ns -= WEIR_MIN(p->debt_ns, earned);
	p->ran = false;
}

uint64_t weir_pace_wait(const struct weir_pace *p)
{
	uint64_t wait;

	if (!p->duty)
		return WEIR_PACE_NS_MAX;
	wait = p->duty == WEIR_BRAKE_MAX ? 0 : p->debt_ns * WEIR_BRAKE_MAX / p->duty;
	return wait < WEIR_PACE_NS_MIN ? 0 : WEIR_MIN(wait, WEIR_PACE_NS_MAX);
}

bool weir_pace_through(const struct weir_pace *p)
{
	return p->ran && p->duty < WEIR_BRAKE_MAX;
}
