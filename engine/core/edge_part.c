/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of an edge: records numbered, cut into batches and chained. docs/formats/edge.md */
#include "base/assert.h"
#include "base/checksum.h"
#include "engine/core/edge_int.h"

#define MAGIC UINT32_C(0x47444557) /* "WEDG" */
#define VERSION 1u

struct section {
	uint32_t magic;
	uint16_t version, zero;
	uint64_t bytes; /* of the batches behind */
	struct weir_edge_pos from, to;
};
_Static_assert(sizeof(struct section) == 48, "as documented");

struct batch_head {
	uint32_t bytes, count;
	uint64_t chain; /* after it */
};
_Static_assert(sizeof(struct batch_head) == 16, "as documented");

uint64_t weir_edge_chain(uint64_t chain, uint64_t seq, const void *batch, uint32_t bytes)
{
	return weir_hash64_seed(batch, bytes, chain + seq);
}

bool weir__edge_record_kind(unsigned kind)
{
	return kind == WEIR_FRAME_DATA || kind == WEIR_FRAME_WATERMARK || kind == WEIR_FRAME_EOS ||
	       kind == WEIR_FRAME_IDLE;
}

/* ---- writing ---- */

void weir_edge_writer_init(struct weir_edge_writer *w, const struct weir_mem *keep_mem,
			   void *keep_batch, uint32_t cap)
{
	weir_assert(cap % 8 == 0);
	*w = (struct weir_edge_writer){.batch = keep_batch,
				       .cap = WEIR_MIN(cap, WEIR_EDGE_BATCH_BYTES)};
	weir_out_init(&w->out, keep_mem);
}

static void close_batch(struct weir_edge_writer *w, const void *p, uint32_t bytes, uint32_t count)
{
	struct batch_head h = {.bytes = bytes,
			       .count = count,
			       .chain = weir_edge_chain(w->pos.chain, w->pos.seq, p, bytes)};

	weir_out_put(&w->out, &h, sizeof(h));
	weir_out_put(&w->out, p, bytes);
	w->pos.seq += count;
	w->pos.chain = h.chain;
}

static void flush(struct weir_edge_writer *w)
{
	if (w->count)
		close_batch(w, w->batch, w->used, w->count);
	w->used = w->count = 0;
}

/* What means something in this process only is left out, so that the bytes are the same wherever they are made. */
static void copy_record(void *to, const struct weir_frame *f)
{
	struct weir_frame *t = to;

	weir_frame_copy(to, f, weir_frame_stride(f));
	t->stream = 0;
	t->flags &= (uint8_t)~WEIR_FRAME_F_HASHED;
	t->key_hash = 0;
	memset((uint8_t *)to + f->size, 0, weir_frame_stride(f) - f->size);
}

/* A record that fills no room of ours: a batch of its own, straight into the part. */
static void add_large(struct weir_edge_writer *w, const struct weir_frame *f)
{
	uint32_t n = weir_frame_stride(f);
	uint8_t *p;
	struct batch_head h = {.bytes = n, .count = 1};

	p = weir_out_claim(&w->out, sizeof(h) + n);
	copy_record(p + sizeof(h), f);
	h.chain = weir_edge_chain(w->pos.chain, w->pos.seq, p + sizeof(h), n);
	memcpy(p, &h, sizeof(h));
	weir_out_keep(&w->out, sizeof(h) + n);
	w->pos = (struct weir_edge_pos){w->pos.seq + 1, h.chain};
}

void weir_edge_writer_add(struct weir_edge_writer *w, const struct weir_frame *f)
{
	uint32_t n = weir_frame_stride(f);

	weir_assert(weir__edge_record_kind(f->kind));
	if (n > w->cap - w->used)
		flush(w);
	if (n > w->cap) {
		add_large(w, f);
		return;
	}
	copy_record(w->batch + w->used, f);
	w->used += n;
	w->count++;
}

void weir_edge_writer_part(struct weir_edge_writer *w, struct weir_out *ret_part)
{
	struct section s = {.magic = MAGIC, .version = VERSION, .from = w->part};

	flush(w);
	if (w->out.bytes == 0)
		return;
	s.bytes = w->out.bytes;
	s.to = w->pos;
	weir_out_put(ret_part, &s, sizeof(s));
	weir_out_append(ret_part, &w->out);
	w->part = w->pos;
}

int weir_edge_writer_restore(struct weir_edge_writer *w, struct weir_reader part)
{
	struct weir_edge_walk walk;
	int r = weir_edge_walk_begin(&walk, part);

	if (r < 0)
		return r;
	weir_assert(w->count == 0 && w->out.bytes == 0);
	w->pos = w->part = walk.end;
	return 0;
}

/* ---- reading ---- */

static bool pos_eq(struct weir_edge_pos a, struct weir_edge_pos b)
{
	return a.seq == b.seq && a.chain == b.chain;
}

static bool section_read(struct weir_reader *r, struct section *ret)
{
	const void *p = weir_read(r, sizeof(*ret));

	if (!p)
		return false;
	memcpy(ret, p, sizeof(*ret));
	return ret->magic == MAGIC && ret->version == VERSION && ret->zero == 0 &&
	       ret->bytes >= sizeof(struct batch_head) && ret->bytes <= weir_reader_left(r) &&
	       ret->from.seq < ret->to.seq;
}

static void section_enter(struct weir_edge_walk *w, const struct section *s)
{
	w->at = s->from;
	w->stop = s->to;
	w->left = s->bytes;
}

int weir_edge_walk_begin(struct weir_edge_walk *w, struct weir_reader part)
{
	struct section first, s;

	memset(w, 0, sizeof(*w));
	w->in = part;
	if (!section_read(&w->in, &first))
		return WEIR_E_CORRUPT;
	section_enter(w, &first);
	w->end = first.to;
	/* The heads of all sections, to know the end. */
	part = w->in;
	weir_read(&part, (size_t)first.bytes);
	while (weir_reader_left(&part)) {
		if (!section_read(&part, &s) || !pos_eq(s.from, w->end))
			return WEIR_E_CORRUPT;
		weir_read(&part, (size_t)s.bytes);
		w->end = s.to;
	}
	return 0;
}

/* The section is through: into the next one. 1, 0: there is none, <0. */
static int next_section(struct weir_edge_walk *w)
{
	struct section s;

	if (!pos_eq(w->at, w->stop))
		return WEIR_E_CORRUPT;
	if (weir_reader_left(&w->in) == 0)
		return 0;
	if (!section_read(&w->in, &s))
		return WEIR_E_CORRUPT;
	section_enter(w, &s);
	return 1;
}

int weir_edge_walk_next(struct weir_edge_walk *w, struct weir_edge_batch *ret)
{
	struct batch_head h;
	const void *p;
	int r;

	if (w->left == 0) {
		r = next_section(w);
		if (r <= 0)
			return r;
	}
	if (w->left < sizeof(h))
		return WEIR_E_CORRUPT;
	memcpy(&h, w->in.p, sizeof(h));
	if (h.count == 0 || h.bytes % 8 || h.bytes > w->left - sizeof(h) ||
	    h.bytes / sizeof(struct weir_frame) < h.count || w->stop.seq - w->at.seq < h.count)
		return WEIR_E_CORRUPT;
	p = weir_read(&w->in, sizeof(h) + h.bytes);
	weir_assert(p); /* section_read(): all of `left` is there */
	*ret = (struct weir_edge_batch){.seq = w->at.seq,
					.count = h.count,
					.bytes = h.bytes,
					.chain_before = w->at.chain,
					.chain_after = h.chain,
					.p = (const uint8_t *)p + sizeof(h)};
	w->left -= sizeof(h) + h.bytes;
	w->at = (struct weir_edge_pos){w->at.seq + h.count, h.chain};
	return 1;
}
