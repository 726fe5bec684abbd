/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/bundle.h"

#include "base/assert.h"

#define MAGIC UINT32_C(0x4c444257) /* "WBDL" */
#define VERSION 1u
#define TASKS_MAX 65536u
#define SIGN_MAX 65536u

void weir_bundle_head_put(struct weir_out *o, const struct weir_bundle_head *h)
{
	weir_out_u32(o, MAGIC);
	weir_out_u16(o, VERSION);
	weir_out_u16(o, h->flags);
	weir_out_u64(o, h->folded_from);
	weir_out_i64(o, h->wall_ns);
	weir_out_u64(o, h->route);
	weir_out_varint(o, h->step_count);
	for (uint32_t i = 0; i < h->step_count; i++) {
		const struct weir_bundle_step *s = &h->step[i];

		weir_out_text(o, s->name);
		weir_out_varint(o, s->tasks);
		weir_out_u8(o, s->kind);
		weir_out_text(o, s->sign);
	}
}

void weir_bundle_part_put(struct weir_out *o, enum weir_part_kind kind, uint32_t step,
			  uint32_t task, struct weir_out *from)
{
	weir_out_u8(o, (uint8_t)kind);
	weir_out_varint(o, step);
	weir_out_varint(o, task);
	weir_out_varint(o, from->bytes);
	weir_out_append(o, from);
}

static int corrupt(struct weir_err *err, const char *what)
{
	return weir_err_set(err, WEIR_E_CORRUPT, "a bundle is damaged: %s", what);
}

int weir_bundle_head_read(struct weir_reader *r, struct weir_bundle_head *ret, struct weir_err *err)
{
	uint64_t count;
	uint16_t version;

	memset(ret, 0, offsetof(struct weir_bundle_head, step));
	if (weir_read_u32(r) != MAGIC)
		return corrupt(err, "it does not begin as one");
	version = weir_read_u16(r);
	if (!r->bad && version != VERSION)
		return weir_err_set(err, WEIR_E_VERSION,
				    "a bundle has version %u, this program reads %u: use the "
				    "version of weir that wrote it",
				    version, VERSION);
	ret->flags = weir_read_u16(r);
	ret->folded_from = weir_read_u64(r);
	ret->wall_ns = weir_read_i64(r);
	ret->route = weir_read_u64(r);
	count = weir_read_varint(r);
	if (r->bad || count > WEIR_STEPS_MAX)
		return corrupt(err, "number of steps");
	for (uint32_t i = 0; i < count; i++) {
		struct weir_bundle_step *s = &ret->step[i];
		uint64_t tasks;

		s->name = weir_read_text(r);
		tasks = weir_read_varint(r);
		s->kind = weir_read_u8(r);
		s->sign = weir_read_text(r);
		if (r->bad || tasks == 0 || tasks > TASKS_MAX || s->name.n == 0 ||
		    s->name.n > WEIR_NAME_MAX || s->sign.n > SIGN_MAX || s->kind == 0 ||
		    s->kind >= WEIR_STEP_KIND_COUNT)
			return corrupt(err, "step table");
		s->tasks = (uint32_t)tasks;
	}
	ret->step_count = (uint32_t)count;
	return 0;
}

int weir_bundle_part_read(struct weir_reader *r, const struct weir_bundle_head *h,
			  struct weir_part *ret, struct weir_err *err)
{
	uint64_t step, task, bytes;
	uint8_t kind;

	if (weir_reader_left(r) == 0 && !r->bad)
		return 0;
	kind = weir_read_u8(r);
	step = weir_read_varint(r);
	task = weir_read_varint(r);
	bytes = weir_read_varint(r);
	if (r->bad || kind < WEIR_PART_NODE || kind > WEIR_PART_SINK || step >= h->step_count ||
	    task >= h->step[step].tasks || bytes > weir_reader_left(r))
		return corrupt(err, "head of a part");
	ret->kind = (enum weir_part_kind)kind;
	ret->step = (uint32_t)step;
	ret->task = (uint32_t)task;
	ret->in = weir_read_part(r, (size_t)bytes);
	return 1;
}
