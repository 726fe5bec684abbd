/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source: memory. The whole input is read before the start and then replayed, as often as asked. For
 * benchmarks: what is measured is the pipeline, not the disk. Raw frames are passed on in place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/checksum.h"
#include "engine/core/source_state.h"
#include "engine/edge/input.h"
#include "engine/edge/records.h"

struct source_memory {
	struct weir_records r;
	char *data;
	size_t size, cap, at;
	size_t *file_end; /* where each file ends in data */
	uint32_t files, file;
	uint64_t loops_left;
	struct weir_frame **frame; /* raw: all of them */
	size_t frames, frame_cap;
	/* Event times go on from round to round, so that a repeated stream is one long stream. */
	int64_t first_ns, last_ns, shift_ns; /* last_ns: of this round */
	uint64_t round; /* from 0 */
	struct weir_hash128 hash; /* of the input */
	struct weir_decoder_place place; /* restored */
	bool put_back; /* there is something to go back to */
};

static size_t file_start(const struct source_memory *o, uint32_t file)
{
	return file ? WEIR_ALIGN_UP(o->file_end[file - 1], (size_t)8) : 0;
}

static int append(struct source_memory *o, const char *p, size_t n, struct weir_err *err)
{
	if (n == 0)
		return 0;
	if (o->size + n > o->cap) {
		size_t cap = WEIR_MAX(o->cap * 2, (o->size + n + 0xfffff) & ~(size_t)0xfffff);
		char *m = o->data ? mremap(o->data, o->cap, cap, MREMAP_MAYMOVE)
				  : mmap(NULL, cap, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (m == MAP_FAILED)
			return weir_err_set(err, WEIR_E_LIMIT,
					    "the input does not fit into memory (%zu bytes so far)",
					    o->size);
		madvise(m, cap, MADV_HUGEPAGE);
		o->data = m;
		o->cap = cap;
	}
	memcpy(o->data + o->size, p, n);
	o->size += n;
	return 0;
}

static int read_all(struct source_memory *o, struct weir_byte_input *in, struct weir_err *err)
{
	for (;;) {
		struct weir_input_window w;
		int r = weir_input_fill(in, err);

		if (r < 0)
			return r;
		if (r == WEIR_INPUT_END)
			return 0;
		if (r == WEIR_INPUT_FILE) {
			o->files++;
			/* Raw frames stay aligned also when files follow each other. */
			while (o->size % 8) {
				r = append(o, "\n", 1, err);
				if (r < 0)
					return r;
			}
		}
		weir_input_window(in, &w);
		r = append(o, w.p, w.n, err);
		if (r < 0)
			return r;
		weir_input_consume(in, w.n);
		if (o->files)
			o->file_end[o->files - 1] = o->size;
	}
}

/*
 * Raw: every frame is checked once, at the start; from then on rows are pointers into our memory. Only
 * raw input is shifted in time on later rounds: the field the time was taken from stays as it is.
 */
static int index_raw(struct weir_node *n, struct source_memory *o)
{
	for (uint32_t file = 0; file < o->files; file++) {
		size_t at = file_start(o, file);

		weir_decoder_restart(o->r.decoder);
		for (;;) {
			const struct weir_frame *f;
			struct weir_decoded d;
			int r = weir_raw_next(o->r.decoder, o->data + at, o->file_end[file] - at,
					      true, &f, &d, &n->task->err);

			if (r < 0)
				return r;
			if (d.kind == WEIR_DECODE_MORE)
				break;
			if (d.kind == WEIR_DECODE_REJECT)
				return weir_err_set(&n->task->err, WEIR_E_REJECT,
						    "%s: record %llu: %s", o->r.spec->path,
						    (unsigned long long)d.line, d.reason);
			at += d.consumed;
			if (!f)
				continue;
			if (o->frames == o->frame_cap) {
				size_t cap = WEIR_MAX(o->frame_cap * 2, (size_t)65536);
				struct weir_frame **list = realloc(o->frame, cap * sizeof(*list));

				if (!list)
					return weir_err_set(&n->task->err, WEIR_E_LIMIT,
							    "out of memory");
				o->frame = list;
				o->frame_cap = cap;
			}
			o->frame[o->frames] = (struct weir_frame *)(uintptr_t)f;
			o->frame[o->frames++]->stream = (uint16_t)d.stream; /* its port */
			o->first_ns = WEIR_MIN(o->first_ns, f->time_ns);
			o->last_ns = WEIR_MAX(o->last_ns, f->time_ns);
		}
	}
	return 0;
}

/* The next round begins where this one ended. */
static int shift_time(struct weir_node *n, struct source_memory *o)
{
	if (!o->r.source.timed)
		return 0;
	if ((o->shift_ns == 0 && (__builtin_sub_overflow(o->last_ns, o->first_ns, &o->shift_ns) ||
				  __builtin_add_overflow(o->shift_ns, 1, &o->shift_ns))) ||
	    __builtin_add_overflow(o->last_ns, o->shift_ns, &o->last_ns))
		return weir_err_set(
			&n->task->err, WEIR_E_RANGE,
			"step `%s`: with %llu rounds still to come event times leave the "
			"range of a timestamp: a smaller `loop`",
			n->step_name, (unsigned long long)o->loops_left);
	return 0;
}

static int run_raw(struct weir_node *n, struct source_memory *o)
{
	struct weir_source *s = &o->r.source;
	uint32_t room = s->budget;
	int r;

	if (o->at == o->frames) {
		if (o->loops_left <= 1 || o->frames == 0) {
			s->ended = true;
			return 1;
		}
		o->loops_left--;
		o->round++;
		o->at = 0;
		r = shift_time(n, o);
		if (r < 0)
			return r;
	}
	for (uint32_t i = 0; i < o->r.stream_count; i++)
		room = WEIR_MIN(room, weir_port_room(&n->port[i]));
	room = (uint32_t)WEIR_MIN((size_t)room, o->frames - o->at);
	if (s->timed) {
		for (uint32_t i = 0; i < room; i++) {
			struct weir_frame *f = o->frame[o->at + i];

			f->time_ns += o->shift_ns;
			weir_source_saw(s, f->time_ns);
		}
	}
	if (o->r.stream_count == 1) {
		weir_port_push_rows(&n->port[0], (const struct weir_frame *const *)o->frame + o->at,
				    room);
	} else {
		for (uint32_t i = 0; i < room; i++)
			weir_port_push(&n->port[o->frame[o->at + i]->stream], o->frame[o->at + i]);
	}
	o->at += room;
	s->rows += room;
	return room > 0;
}

static int source_memory_run(struct weir_node *n)
{
	struct source_memory *o = n->op;
	size_t end, used;
	int r;

	if (o->r.spec->format == WEIR_FORMAT_RAW)
		return run_raw(n, o);
	if (o->file == o->files) {
		if (o->loops_left <= 1) {
			o->r.source.ended = true;
			return 1;
		}
		o->loops_left--;
		o->round++;
		o->file = 0;
		o->at = 0;
		weir_decoder_restart(o->r.decoder);
	}
	o->r.fresh = true;
	end = o->file_end[o->file];
	r = weir_records_emit(&o->r, n, o->data + o->at, end - o->at, true, o->r.spec->path,
			      (int64_t)o->at, &used);
	if (r < 0)
		return r;
	o->at += used;
	if (r == WEIR_RECORDS_MORE) {
		o->file++;
		if (o->file < o->files) {
			o->at = file_start(o, o->file);
			weir_decoder_restart(o->r.decoder);
		}
	}
	return 1;
}

static void source_memory_fini(struct weir_node *n)
{
	struct source_memory *o = n->op;

	free(o->frame);
	if (o->data)
		munmap(o->data, o->cap);
}

/* ---- state ---- */

static void note_input(struct source_memory *o)
{
	o->hash = weir_hash128_chain(weir_hash128(o->data, o->size),
				     weir_hash128(o->file_end, o->files * sizeof(*o->file_end)));
}

static void source_memory_freeze(struct weir_node *n, struct weir_out *out)
{
	const struct source_memory *o = n->op;
	struct weir_decoder_place place;

	weir_source_put(&o->r.source, out);
	weir_out_u64(out, o->hash.lo);
	weir_out_u64(out, o->hash.hi);
	weir_out_varint(out, o->round);
	weir_out_varint(out, o->file);
	weir_out_varint(out, o->at);
	weir_decoder_place(o->r.decoder, &place);
	weir_source_place_put(out, &place);
}

static int source_memory_restore(struct weir_node *n, struct weir_restore *r)
{
	struct source_memory *o = n->op;
	int rc = weir_source_get(n, r);
	struct weir_hash128 hash;
	uint64_t file, at;

	if (rc)
		return rc;
	hash.lo = weir_read_u64(&r->in);
	hash.hi = weir_read_u64(&r->in);
	o->round = weir_read_varint(&r->in);
	file = weir_read_varint(&r->in);
	at = weir_read_varint(&r->in);
	weir_source_place_get(&r->in, &o->place);
	if (r->in.bad || weir_reader_left(&r->in))
		return weir_source_damaged(n, "no place in the input");
	if (!weir_hash128_eq(hash, o->hash))
		return weir_err_set(
			&n->task->err, WEIR_E_CONFIG,
			"step `%s`: the input %s is not the one that was read: put that "
			"one back, or start over with --fresh",
			n->step_name, o->r.spec->path);
	if (o->r.spec->format == WEIR_FORMAT_RAW
		    ? file != 0 || at > o->frames
		    : file > o->files || (file < o->files && (at > o->file_end[file] ||
							      at < file_start(o, (uint32_t)file))))
		return weir_source_damaged(n, "a place outside of the input");
	o->file = (uint32_t)file;
	o->at = at;
	o->put_back = true;
	return 0;
}

/* Frames of this round that were emitted have its times, the others still those of the round before. */
static int shift_back(struct weir_node *n, struct source_memory *o)
{
	int64_t all, before;

	if (!o->r.source.timed || o->round == 0 || o->frames == 0)
		return 0;
	if (__builtin_sub_overflow(o->last_ns, o->first_ns, &o->shift_ns) ||
	    __builtin_add_overflow(o->shift_ns, 1, &o->shift_ns) ||
	    __builtin_mul_overflow(o->shift_ns, o->round, &all) ||
	    __builtin_add_overflow(o->last_ns, all, &o->last_ns))
		return weir_source_damaged(n, "a round that cannot be");
	before = all - o->shift_ns;
	for (size_t i = 0; i < o->frames; i++)
		o->frame[i]->time_ns += i < o->at ? all : before;
	return 0;
}

/* The columns of a csv file are found in its head again. */
static int decode_back(struct weir_node *n, struct source_memory *o)
{
	struct weir_decoder_place at = {0};
	size_t from = file_start(o, o->file), end = o->file_end[o->file];
	struct weir_decoded d;

	weir_decoder_restart(o->r.decoder);
	while (o->place.headed && weir_decoder_has_head(o->r.decoder) && !at.headed) {
		int r = weir_decode(o->r.decoder, o->data + from, end - from, true, NULL, 0, &d,
				    &n->task->err);

		if (r < 0)
			return r;
		if (d.kind == WEIR_DECODE_MORE)
			return weir_source_damaged(n, "a head that is not there");
		from += d.consumed;
		weir_decoder_place(o->r.decoder, &at);
	}
	if (from > o->at)
		return weir_source_damaged(n, "a place inside the head");
	weir_decoder_put_back(o->r.decoder, &o->place);
	return 0;
}

static int source_memory_restored(struct weir_node *n)
{
	struct source_memory *o = n->op;
	uint64_t loops = WEIR_MAX(o->r.spec->loop, (uint64_t)1);

	if (!o->put_back || o->r.source.ended)
		return 0;
	o->loops_left = loops > o->round ? loops - o->round : 1;
	if (o->r.spec->format == WEIR_FORMAT_RAW)
		return shift_back(n, o);
	return o->file < o->files ? decode_back(n, o) : 0;
}

static void source_memory_sign(const struct weir_node *n, struct weir_buf *b)
{
	const struct source_memory *o = n->op;

	weir_buf_printf(b, "memory %s",
			o->r.spec->format == WEIR_FORMAT_CSV	 ? "csv"
			: o->r.spec->format == WEIR_FORMAT_JSONL ? "jsonl"
								 : "raw");
	if (o->r.spec->format == WEIR_FORMAT_CSV && o->r.spec->csv.header)
		weir_buf_lit(b, " header");
}

static const struct weir_state_ops source_memory_state = {
	.freeze = source_memory_freeze,
	.restore = source_memory_restore,
	.restored = source_memory_restored,
	.sign = source_memory_sign,
};

static const struct weir_op_class source_memory_class = {
	.name = "memory",
	.run = source_memory_run,
	.fini = source_memory_fini,
	.source = true,
	.state = &source_memory_state,
};

int weir_source_memory_open(struct weir_node *n, const struct weir_conn_env *env)
{
	const struct weir_source_spec *s = &env->step->source;
	struct source_memory *o = weir_region_new(env->region, struct source_memory);
	struct weir_input_options opt = {.path = s->path,
					 .compression = s->compression,
					 .instance = env->instance,
					 .instances = env->instances};
	struct weir_byte_input *in;
	int r;

	n->cls = &source_memory_class;
	n->op = o;
	o->loops_left = WEIR_MAX(s->loop, (uint64_t)1);
	o->first_ns = WEIR_TIME_MAX;
	o->last_ns = WEIR_TIME_MIN;
	r = weir_records_init(&o->r, n, env);
	if (r < 0 || env->dry)
		return r;
	r = weir_input_open(&opt, &in, &n->task->err);
	if (r == 0) {
		o->file_end = weir_region_array(env->region, size_t, weir_input_file_count(in));
		r = read_all(o, in, &n->task->err);
		weir_input_close(in);
	}
	if (r == 0)
		note_input(o); /* before times are shifted in it */
	if (r == 0 && s->format == WEIR_FORMAT_RAW)
		r = index_raw(n, o);
	if (r < 0)
		weir_err_prefix(&n->task->err, "step `%s`", n->step_name);
	return r;
}
