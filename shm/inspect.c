/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/inspect.h"

#include "base/assert.h"
#include "shm/role.h"
#include "shm/schema_text.h"
#include "shm/verify.h"

#define INSPECT_TRIES 1000

/* [off, off + n) is there. */
static bool inspect_has(const struct weir_inspect *in, uint64_t off, uint64_t n)
{
	return off <= in->size && n <= in->size - off;
}

static int inspect_cut(struct weir_err *err, const char *what, uint32_t i)
{
	return weir_err_set(err, WEIR_E_TOO_SMALL, "%s %u is behind the end of the file", what, i);
}

/* Words one by one, so that none is torn while another process writes. */
static void inspect_words(uint64_t *to, const uint8_t *from, uint64_t n)
{
	const weir_atomic_u64 *p = (const weir_atomic_u64 *)from;

	for (uint64_t i = 0; i < n / 8; i++)
		to[i] = weir_load_relaxed(&p[i]);
}

int weir_inspect_open(struct weir_inspect *ret, const void *borrow_mem, uint64_t size,
		      struct weir_err *err)
{
	struct weir_inspect in = {.mem = borrow_mem, .size = size};
	int r;

	weir_assert((uintptr_t)borrow_mem % 128 == 0);
	if (size < sizeof(in.h))
		return weir_err_set(err, WEIR_E_TOO_SMALL,
				    "not a weir segment (%llu bytes, its header alone has %zu)",
				    (unsigned long long)size, sizeof(in.h));
	inspect_words((uint64_t *)&in.h, in.mem, sizeof(in.h));
	r = weir_seg_verify_header(&in.h, err);
	if (r < 0)
		return r;
	*ret = in;
	return 0;
}

bool weir_inspect_same(const struct weir_inspect *in)
{
	const struct weir_seg_header *h = (const struct weir_seg_header *)in->mem;
	uint64_t magic, generation;

	inspect_words(&magic, (const uint8_t *)&h->magic, 8);
	inspect_words(&generation, (const uint8_t *)&h->generation, 8);
	return magic == in->h.magic && generation == in->h.generation;
}

uint32_t weir_inspect_state(const struct weir_inspect *in)
{
	return weir_load_acquire(&((const struct weir_seg_header *)in->mem)->state);
}

static const struct weir_ring_block *inspect_block(const struct weir_inspect *in, uint32_t i)
{
	uint64_t off = in->h.rings_off + (uint64_t)i * sizeof(struct weir_ring_block);

	if (!inspect_has(in, off, sizeof(struct weir_ring_block)))
		return NULL;
	return (const struct weir_ring_block *)(in->mem + off);
}

static void inspect_role(const struct weir_ring_role *role, struct weir_inspect_role *ret)
{
	uint64_t before, after;
	unsigned tries = 0;

	do {
		before = weir_load_acquire(&role->state_gen);
		ret->start_time = weir_load_acquire(&role->start_time);
		after = weir_load_acquire(&role->state_gen);
	} while (before != after && ++tries < INSPECT_TRIES);
	ret->state_gen = before;
	ret->state = weir_role_state(before);
	ret->generation = weir_role_generation(before);
	ret->pid = weir_role_pid(before);
}

/* Head, tail, head: when head stood still, there was a moment with exactly these two. */
static void inspect_positions(const struct weir_ring_block *b, struct weir_inspect_ring *r)
{
	for (unsigned i = 0; i < INSPECT_TRIES && !r->steady; i++) {
		r->head = weir_load_acquire(&b->head);
		r->tail = weir_load_acquire(&b->tail);
		weir_fence_acquire();
		r->steady = weir_load_acquire(&b->head) == r->head;
	}
	if (!r->steady && r->tail - r->head > r->b.capacity)
		/* Head moved on in between: shown as full. */
		r->head = r->tail - r->b.capacity;
	r->positions_ok = r->tail >= r->head && r->tail - r->head <= r->b.capacity &&
			  r->head % 8 == 0 && r->tail % 8 == 0;
}

int weir_inspect_ring(const struct weir_inspect *in, uint32_t i, uint64_t *inout_data_end,
		      struct weir_inspect_ring *ret, struct weir_err *err)
{
	const struct weir_ring_block *b = i < in->h.ring_count ? inspect_block(in, i) : NULL;
	uint64_t data_end = 0;
	int r;

	if (!b)
		return inspect_cut(err, "ring", i);
	memset(ret, 0, sizeof(*ret));
	inspect_words((uint64_t *)&ret->b, (const uint8_t *)b, sizeof(*b));
	r = weir_seg_verify_ring(&in->h, &ret->b, i, inout_data_end ? inout_data_end : &data_end,
				 err);
	ret->verified = r == 0;
	ret->b.name[sizeof(ret->b.name) - 1] = 0;
	inspect_positions(b, ret);
	ret->blocked_since_ns = weir_load_relaxed(&b->blocked_since_ns);
	ret->blocked_ns = weir_load_relaxed(&b->blocked_ns);
	inspect_role(&b->producer, &ret->producer);
	inspect_role(&b->consumer, &ret->consumer);
	return r;
}

int weir_inspect_counter(const struct weir_inspect *in, uint32_t i,
			 struct weir_inspect_counter *ret, struct weir_err *err)
{
	uint64_t off = in->h.counters_off + (uint64_t)i * sizeof(struct weir_counter);
	uint64_t names = in->h.schemas_off - in->h.names_off;
	const struct weir_counter *c = (const struct weir_counter *)(in->mem + off);
	struct weir_inspect_counter v = {0};
	uint32_t name_off;

	if (i >= in->h.counter_count || !inspect_has(in, off, sizeof(*c)))
		return inspect_cut(err, "counter", i);
	v.value = weir_load_relaxed(&c->value);
	v.kind = c->kind;
	name_off = c->name_off;
	if (name_off >= names)
		return weir_err_set(err, WEIR_E_CORRUPT, "counter %u: name_off is %u", i, name_off);
	names = WEIR_MIN(names - name_off, (uint64_t)sizeof(v.name));
	if (!inspect_has(in, in->h.names_off + name_off, names))
		return inspect_cut(err, "name of counter", i);
	memcpy(v.name, in->mem + in->h.names_off + name_off, names);
	if (!weir_seg_text_ok(v.name, names))
		return weir_err_set(err, WEIR_E_CORRUPT, "counter %u: name has no end", i);
	if (v.kind > 1)
		return weir_err_set(err, WEIR_E_CORRUPT, "counter %u: kind is %u", i, v.kind);
	*ret = v;
	return 0;
}

int weir_inspect_doorbell(const struct weir_inspect *in, uint32_t i, uint32_t *ret_word,
			  bool *ret_sleeping, struct weir_err *err)
{
	uint64_t off = in->h.doorbells_off + (uint64_t)i * sizeof(struct weir_doorbell);
	const struct weir_doorbell *d = (const struct weir_doorbell *)(in->mem + off);

	if (i >= in->h.doorbell_count || !inspect_has(in, off, sizeof(*d)))
		return inspect_cut(err, "doorbell", i);
	*ret_word = weir_load_relaxed(&d->word);
	*ret_sleeping = weir_load_relaxed(&d->sleeping) != 0;
	return 0;
}

int weir_inspect_schema(const struct weir_inspect *in, uint32_t i, struct weir_schema *ret,
			struct weir_err *err)
{
	uint64_t end = WEIR_MIN(in->h.rings_end, in->size);
	struct weir_str text;

	if (i >= in->h.schema_count || in->h.schemas_off >= end ||
	    !weir_schema_text_at((struct weir_str){(const char *)in->mem + in->h.schemas_off,
						   end - in->h.schemas_off},
				 i, &text)) {
		if (in->size < in->h.rings_end)
			return inspect_cut(err, "schema", i);
		return weir_err_set(err, WEIR_E_CORRUPT, "schema %u: text has no end", i);
	}
	return weir_schema_text_parse(text, ret, err);
}

int weir_inspect_bytes(const struct weir_inspect *in, const struct weir_inspect_ring *r,
		       uint64_t pos, uint64_t n, void *ret)
{
	uint64_t at = pos & (r->b.capacity - 1);
	uint64_t first = WEIR_MIN(n, r->b.capacity - at);

	if (!r->verified || n > r->b.capacity || pos % 8 || n % 8 ||
	    !inspect_has(in, r->b.data_off + at, first) ||
	    !inspect_has(in, r->b.data_off, n - first))
		return WEIR_E_TOO_SMALL;
	inspect_words(ret, in->mem + r->b.data_off + at, first);
	inspect_words((uint64_t *)((uint8_t *)ret + first), in->mem + r->b.data_off, n - first);
	return 0;
}

uint64_t weir_inspect_head(const struct weir_inspect *in, const struct weir_inspect_ring *r)
{
	const struct weir_ring_block *b = inspect_block(in, r->b.index);

	weir_fence_acquire(); /* after the bytes that were copied before */
	return b ? weir_load_acquire(&b->head) : 0;
}

void weir_inspect_frames(struct weir_inspect_frames *c, const struct weir_inspect *borrow_in,
			 const struct weir_inspect_ring *ring,
			 const struct weir_schema *borrow_schema, void *borrow_buf, uint64_t cap)
{
	weir_assert(cap >= sizeof(struct weir_frame) && (uintptr_t)borrow_buf % 8 == 0);
	*c = (struct weir_inspect_frames){
		.in = borrow_in,
		.ring = *ring,
		.schema = borrow_schema,
		.buf = borrow_buf,
		.cap = cap,
		.pos = ring->head,
		.end = ring->verified && ring->positions_ok ? ring->tail : ring->head,
	};
}

/* The consumer gave the bytes at pos back (and maybe more): go on at its head. */
static bool frames_overtaken(struct weir_inspect_frames *c)
{
	uint64_t head = weir_inspect_head(c->in, &c->ring);

	if (head <= c->pos)
		return false;
	c->pos = head % 8 || head > c->end ? c->end : head;
	return true;
}

/* Chain broken: nobody knows where the next frame begins. */
static enum weir_inspect_step frames_broken(struct weir_inspect_frames *c)
{
	c->pos = c->end;
	return WEIR_INSPECT_BAD;
}

enum weir_inspect_step weir_inspect_next(struct weir_inspect_frames *c,
					 const struct weir_frame **ret_frame, uint64_t *ret_pos,
					 struct weir_err *err)
{
	uint64_t available = c->end - c->pos, stride;
	struct weir_frame *f = c->buf;
	int r;

	*ret_frame = f;
	*ret_pos = c->pos;
	if (available == 0)
		return WEIR_INSPECT_END;
	if (!weir_inspect_same(c->in)) {
		weir_err_set(err, WEIR_E_CORRUPT, "the segment was replaced while it was read");
		return frames_broken(c);
	}
	if (available < sizeof(*f)) {
		weir_err_set(err, WEIR_E_CORRUPT, "%llu bytes before the tail are no frame",
			     (unsigned long long)available);
		return frames_broken(c);
	}
	r = weir_inspect_bytes(c->in, &c->ring, c->pos, sizeof(*f), f);
	if (frames_overtaken(c))
		return WEIR_INSPECT_CHANGED;
	if (r < 0) {
		weir_err_set(err, r, "the frame is behind the end of the file");
		return frames_broken(c);
	}
	stride = WEIR_ALIGN_UP((uint64_t)f->size, UINT64_C(8));
	if (f->size < sizeof(*f) || stride > available) {
		weir_err_set(err, WEIR_E_CORRUPT, "frame size is %u, %llu bytes are published",
			     f->size, (unsigned long long)available);
		return frames_broken(c);
	}
	if (stride > c->cap) {
		c->pos += stride;
		return WEIR_INSPECT_LARGE;
	}
	r = weir_inspect_bytes(c->in, &c->ring, c->pos, stride, f);
	if (frames_overtaken(c))
		return WEIR_INSPECT_CHANGED;
	c->pos += stride;
	if (r < 0) {
		weir_err_set(err, r, "the frame is behind the end of the file");
		return WEIR_INSPECT_BAD;
	}
	/* The size was read twice. In a damaged file both agree; on a live ring they do as long as
	 * the frame was not given back, unless somebody breaks R2. */
	if (WEIR_ALIGN_UP((uint64_t)f->size, UINT64_C(8)) != stride) {
		weir_err_set(err, WEIR_E_CORRUPT, "the frame is written to after it was published");
		return frames_broken(c);
	}
	r = weir_frame_check(f, stride, c->schema);
	if (r < 0) {
		weir_err_set(err, r, "kind %u, %u bytes: %s", f->kind, f->size,
			     f->kind == WEIR_FRAME_NONE || f->kind >= WEIR_FRAME_KIND_COUNT
				     ? "unknown kind"
				     : "a field points outside, or a size is wrong");
		return WEIR_INSPECT_BAD;
	}
	return WEIR_INSPECT_FRAME;
}
