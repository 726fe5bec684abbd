/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/rings_tool.h"

#include "base/assert.h"
#include "base/time.h"
#include "shm/backing.h"
#include "shm/role.h"

void rings_flush(struct rings_tool *t, struct weir_buf *b)
{
	weir_assert(!b->full);
	fwrite(b->p, 1, b->len, t->out);
	b->len = 0;
}

void rings_put(struct rings_tool *t, struct weir_buf *b)
{
	rings_flush(t, b);
	fputc('\n', t->out);
}

void rings_key(struct weir_buf *b, const char *key)
{
	if (b->len && b->p[b->len - 1] != '{' && b->p[b->len - 1] != '[')
		weir_buf_char(b, ',');
	weir_buf_json_str(b, weir_str_c(key));
	weir_buf_char(b, ':');
}

void rings_key_str(struct weir_buf *b, const char *key, const char *text)
{
	rings_key(b, key);
	weir_buf_json_str(b, weir_str_c(text));
}

void rings_key_u64(struct weir_buf *b, const char *key, uint64_t v)
{
	rings_key(b, key);
	weir_buf_u64(b, v);
}

void rings_key_bool(struct weir_buf *b, const char *key, bool v)
{
	rings_key(b, key);
	weir_buf_lit(b, v ? "true" : "false");
}

const char *rings_state_name(uint32_t state)
{
	static const char *const name[] = {
		[WEIR_SEG_CREATING] = "creating",
		[WEIR_SEG_READY] = "ready",
		[WEIR_SEG_CLOSED] = "closed",
		[WEIR_SEG_COPY] = "copy",
	};

	return state < WEIR_COUNT_OF(name) ? name[state] : "unknown";
}

static const char *role_name(const struct weir_inspect *in, const struct weir_inspect_role *role)
{
	if (role->state > WEIR_ROLE_CLAIMING)
		return "damaged";
	if (role->state == WEIR_ROLE_FREE)
		return "free";
	if (role->state == WEIR_ROLE_DETACHED)
		return "left";
	/* In a copy the holder was there when it was made; a process of today says nothing. */
	if (weir_inspect_state(in) == WEIR_SEG_COPY)
		return "held";
	return weir_role_judge(role->state_gen, role->start_time) == WEIR_PEER_DEAD ? "dead"
										    : "alive";
}

void rings_role_text(char *ret, size_t cap, const struct weir_inspect *in,
		     const struct weir_inspect_role *role)
{
	const char *name = role_name(in, role);

	if (!strcmp(name, "free") || !strcmp(name, "damaged"))
		snprintf(ret, cap, "%s", name);
	else if (!strcmp(name, "alive") || !strcmp(name, "held"))
		snprintf(ret, cap, "%u", role->pid);
	else
		snprintf(ret, cap, "%u (%s)", role->pid, name);
}

void rings_role_json(struct weir_buf *b, const char *key, const struct weir_inspect *in,
		     const struct weir_inspect_role *role)
{
	rings_key(b, key);
	weir_buf_char(b, '{');
	rings_key_str(b, "state", role_name(in, role));
	rings_key_u64(b, "pid", role->pid);
	rings_key_u64(b, "generation", role->generation);
	weir_buf_char(b, '}');
}

void rings_clean(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

uint64_t rings_used(const struct weir_inspect_ring *r)
{
	return r->positions_ok ? r->tail - r->head : 0;
}

double rings_used_share(const struct weir_inspect_ring *r)
{
	return r->b.capacity ? (double)rings_used(r) / (double)r->b.capacity : 0;
}

void rings_header_json(struct weir_buf *b, const struct weir_inspect *in)
{
	const struct weir_seg_header *h = &in->h;
	bool alive = weir_process_start_time(h->creator_pid) == h->creator_start_time;

	rings_key_str(b, "name", h->name);
	rings_key_str(b, "state", rings_state_name(weir_inspect_state(in)));
	rings_key_u64(b, "version", h->version);
	rings_key(b, "generation");
	weir_buf_printf(b, "\"%016llx\"", (unsigned long long)h->generation);
	rings_key(b, "created");
	weir_buf_char(b, '"');
	weir_buf_time(b, (int64_t)h->created_unix_ns);
	weir_buf_char(b, '"');
	rings_key_u64(b, "creator_pid", h->creator_pid);
	rings_key_bool(b, "creator_alive", alive);
	rings_key_str(b, "backing", weir_backing_name(h->backing));
	rings_key_u64(b, "bytes", h->total_size);
	rings_key_u64(b, "bytes_there", WEIR_MIN(in->size, h->total_size));
	rings_key_u64(b, "ring_count", h->ring_count);
}

void rings_ring_json(struct weir_buf *b, const struct weir_inspect *in,
		     const struct weir_inspect_ring *r, const char *problem)
{
	weir_buf_char(b, '{');
	rings_key_u64(b, "ring", r->b.index);
	rings_key_str(b, "name", r->b.name);
	if (problem)
		rings_key_str(b, "problem", problem);
	rings_key_u64(b, "capacity", r->b.capacity);
	rings_key_u64(b, "reserve", r->b.reserve);
	rings_key_u64(b, "frame_max", r->b.frame_max);
	rings_key(b, "schema");
	if (r->b.schema == UINT32_MAX)
		weir_buf_lit(b, "null");
	else
		weir_buf_u64(b, r->b.schema);
	rings_key_u64(b, "head", r->head);
	rings_key_u64(b, "tail", r->tail);
	rings_key_bool(b, "positions_ok", r->positions_ok);
	rings_key_u64(b, "used", rings_used(r));
	rings_key(b, "used_share");
	weir_buf_printf(b, "%.4f", rings_used_share(r));
	rings_key_bool(b, "blocked", r->blocked_since_ns != 0);
	rings_key_u64(b, "blocked_ns", r->blocked_ns);
	rings_role_json(b, "producer", in, &r->producer);
	rings_role_json(b, "consumer", in, &r->consumer);
	weir_buf_char(b, '}');
}
