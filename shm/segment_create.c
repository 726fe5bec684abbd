/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/segment_create.c - planning the layout, climbing down the ladder of backings, filling in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "shm/backing.h"
#include "shm/schema_text.h"
#include "shm/segment.h"
#include "shm/segment_map.h"
#include "shm/verify.h"

/* Control frames only: a sixteenth of the ring, and never more than this. Few are under way at a time, and
 * the smallest ring has room for four. */
#define SEGMENT_RESERVE_MAX UINT64_C(4096)
_Static_assert(4096 / 16 >= 4 * WEIR_CONTROL_BYTES, "room for a few control frames in any ring");

struct segment_plan {
	const struct weir_segment_options *opt;
	char *texts; /* names, then schemas; constant over all backings */
	uint64_t names_size, schemas_size;
	/* for one backing */
	struct weir_seg_header h;
	struct weir_segment_area *area;
};

static uint64_t segment_reserve(uint64_t capacity)
{
	return WEIR_MIN(capacity / 16, SEGMENT_RESERVE_MAX);
}

/* 0: too large. */
static uint64_t segment_capacity(const struct weir_ring_spec *r, uint64_t align)
{
	uint64_t capacity = align;
	uint64_t frame = WEIR_ALIGN_UP((uint64_t)r->frame_max, UINT64_C(8));

	while (capacity <= WEIR_RING_CAPACITY_MAX) {
		if (capacity >= r->capacity && capacity - segment_reserve(capacity) >= frame)
			return capacity;
		capacity *= 2;
	}
	return 0;
}

static int plan_check(const struct weir_segment_options *opt, struct weir_err *err)
{
	if (!opt->name || !opt->name[0] || strlen(opt->name) > WEIR_NAME_MAX)
		return weir_err_set(err, WEIR_E_RANGE, "segment name is empty or too long");
	if (opt->doorbell_count > WEIR_SEG_DOORBELLS_MAX || opt->ring_count > WEIR_SEG_RINGS_MAX ||
	    opt->counter_count > WEIR_SEG_COUNTERS_MAX || opt->schema_count > WEIR_SEG_SCHEMAS_MAX)
		return weir_err_set(err, WEIR_E_RANGE,
				    "too many doorbells, rings, counters or schemas for a segment");
	for (uint32_t i = 0; i < opt->ring_count; i++) {
		const struct weir_ring_spec *r = &opt->ring[i];

		if (!weir_seg_text_ok(r->name, sizeof(r->name)))
			return weir_err_set(err, WEIR_E_RANGE, "ring %u: name is too long", i);
		if (segment_capacity(r, 4096) == 0)
			return weir_err_set(err, WEIR_E_RANGE, "ring %s: too large", r->name);
		if ((r->schema != UINT32_MAX && r->schema >= opt->schema_count) ||
		    (r->producer_doorbell != UINT32_MAX &&
		     r->producer_doorbell >= opt->doorbell_count) ||
		    (r->consumer_doorbell != UINT32_MAX &&
		     r->consumer_doorbell >= opt->doorbell_count))
			return weir_err_set(err, WEIR_E_RANGE,
					    "ring %s: no such schema or doorbell", r->name);
	}
	for (uint32_t i = 0; i < opt->counter_count; i++) {
		if (!weir_seg_text_ok(opt->counter[i].name, sizeof(opt->counter[i].name)))
			return weir_err_set(err, WEIR_E_RANGE, "counter %u: name is too long", i);
	}
	return 0;
}

static int plan_texts(struct segment_plan *p, struct weir_err *err)
{
	const struct weir_segment_options *opt = p->opt;
	size_t cap = (size_t)opt->counter_count * sizeof(opt->counter[0].name) +
		     (size_t)opt->schema_count * WEIR_SCHEMA_TEXT_MAX + 1;
	struct weir_buf b;

	p->texts = malloc(cap);
	if (!p->texts)
		return weir_err_set(err, -ENOMEM, "no memory for the texts of the segment");
	b = weir_buf_of(p->texts, cap);
	for (uint32_t i = 0; i < opt->counter_count; i++)
		weir_buf_put(&b, opt->counter[i].name, strlen(opt->counter[i].name) + 1);
	p->names_size = b.len;
	for (uint32_t i = 0; i < opt->schema_count; i++) {
		weir_buf_schema_text(&b, opt->schema[i]);
		weir_buf_char(&b, 0);
	}
	p->schemas_size = b.len - p->names_size;
	weir_assert(!b.full);
	if (b.len > WEIR_SEG_TEXTS_MAX)
		return weir_err_set(err, WEIR_E_RANGE, "names and schemas are too long");
	return 0;
}

/* Fills in sizes and offsets for one backing. */
static int plan_layout(struct segment_plan *p, enum weir_backing b, struct weir_err *err)
{
	const struct weir_segment_options *opt = p->opt;
	uint64_t align = weir_backing_align(b), huge = weir_backing_align(WEIR_BACKING_2M);
	struct weir_seg_header *h = &p->h;
	uint64_t at = sizeof(*h);

	h->backing = b;
	h->data_align = align;
	h->doorbells_off = at;
	at += (uint64_t)opt->doorbell_count * sizeof(struct weir_doorbell);
	h->counters_off = at;
	at += (uint64_t)opt->counter_count * sizeof(struct weir_counter);
	h->rings_off = at = WEIR_ALIGN_UP(at, UINT64_C(128));
	at += (uint64_t)opt->ring_count * sizeof(struct weir_ring_block);
	h->names_off = at;
	h->schemas_off = at += p->names_size;
	h->rings_end = at = WEIR_ALIGN_UP(at + p->schemas_size, UINT64_C(8));
	at = WEIR_ALIGN_UP(at, align);
	for (uint32_t i = 0; i < opt->ring_count; i++) {
		uint64_t capacity = segment_capacity(&opt->ring[i], align);

		/* A transparent huge page covers only whole 2 MiB of the file. */
		if (b == WEIR_BACKING_THP && capacity >= huge)
			at = WEIR_ALIGN_UP(at, huge);
		p->area[i] = (struct weir_segment_area){at, capacity};
		at += capacity;
		if (capacity == 0 || at > WEIR_SEG_SIZE_MAX)
			return weir_err_set(err, WEIR_E_RANGE, "the rings are too large together");
	}
	h->total_size = at;
	return 0;
}

/* Next lower rung's reason replaces the one before, except that the first reason is what matters to
 * people: why there are no huge pages at all. */
static int ladder_memfd(struct segment_plan *p, int *ret_fd, char *ret_text, struct weir_err *err)
{
	static const enum weir_backing rung[] = {WEIR_BACKING_1G, WEIR_BACKING_2M, WEIR_BACKING_THP,
						 WEIR_BACKING_PAGES};
	char why[WEIR_BACKING_TEXT_MAX] = "huge pages not asked for", text[WEIR_BACKING_TEXT_MAX];
	uint64_t small_total;
	int r;

	r = plan_layout(p, WEIR_BACKING_2M, err);
	small_total = p->h.total_size;
	for (unsigned i = p->opt->huge ? 0 : 3; r == 0; i++) {
		enum weir_backing b = rung[i];

		r = plan_layout(p, b, err);
		if (b == WEIR_BACKING_1G && (r < 0 || p->h.total_size > small_total / 4 * 5)) {
			r = 0; /* mostly empty pages: not worth it */
			continue;
		}
		if (r < 0)
			break;
		r = weir_backing_memfd(b, p->opt->name, p->h.total_size, ret_fd, text);
		if (r == 0) {
			bool huge = b == WEIR_BACKING_2M || b == WEIR_BACKING_1G;

			snprintf(ret_text, WEIR_BACKING_TEXT_MAX, "%s%s%.150s",
				 weir_backing_name(b), huge ? "" : ": ", huge ? "" : why);
			return 0;
		}
		if (b == WEIR_BACKING_PAGES)
			return weir_err_set(err, r, "%s", text);
		if (b == WEIR_BACKING_2M)
			strcpy(why, text);
		r = 0;
	}
	return r;
}

/* A file left by a process that died or has closed it may be replaced; nothing else. */
static int path_clear(const char *path, struct weir_err *err)
{
	struct weir_seg_header h;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : weir_err_set(err, -errno, "%s: %s", path, strerror(errno));
	n = pread(fd, &h, sizeof(h), 0);
	close(fd);
	if (n != (ssize_t)sizeof(h) || weir_seg_verify_header(&h, NULL) < 0)
		return weir_err_set(err, -EEXIST, "%s: exists and is not a weir segment", path);
	if (weir_load_relaxed(&h.state) == WEIR_SEG_COPY)
		return weir_err_set(err, -EEXIST, "%s: exists and is a copy of a segment", path);
	if (weir_load_relaxed(&h.state) != WEIR_SEG_CLOSED &&
	    weir_process_start_time(h.creator_pid) == h.creator_start_time)
		return weir_err_set(err, WEIR_E_BUSY, "%s: in use by process %u", path,
				    h.creator_pid);
	if (unlink(path) < 0 && errno != ENOENT)
		return weir_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int ladder_path(struct segment_plan *p, int *ret_fd, char *ret_text, struct weir_err *err)
{
	const char *path = p->opt->path;
	enum weir_backing b;
	int fd, r;

	r = path_clear(path, err);
	if (r == 0)
		r = weir_backing_file(path, &fd, &b, err);
	if (r < 0)
		return r;
	r = plan_layout(p, b, err);
	if (r == 0)
		r = weir_backing_file_size(fd, b, p->h.total_size, path, err);
	if (r < 0) {
		unlink(path);
		close(fd);
		return r;
	}
	snprintf(ret_text, WEIR_BACKING_TEXT_MAX, "%s%s", weir_backing_name(b),
		 b == WEIR_BACKING_PAGES ? ": the path is not on hugetlbfs" : "");
	*ret_fd = fd;
	return 0;
}

static void fill_header(struct segment_plan *p)
{
	const struct weir_segment_options *opt = p->opt;
	struct weir_seg_header *h = &p->h;
	struct timespec now;

	h->magic = WEIR_SEG_MAGIC;
	h->version = WEIR_SEG_VERSION;
	h->header_size = sizeof(*h);
	h->doorbell_count = opt->doorbell_count;
	h->counter_count = opt->counter_count;
	h->ring_count = opt->ring_count;
	h->schema_count = opt->schema_count;
	clock_gettime(CLOCK_REALTIME, &now);
	h->created_unix_ns = (uint64_t)now.tv_sec * (uint64_t)WEIR_NS_PER_S + (uint64_t)now.tv_nsec;
	h->creator_pid = (uint32_t)getpid();
	h->creator_start_time = weir_process_start_time(h->creator_pid);
	if (getrandom(&h->generation, sizeof(h->generation), 0) != sizeof(h->generation))
		h->generation = h->created_unix_ns;
	h->generation += h->generation == 0;
	strcpy(h->name, opt->name);
}

static void fill_rings(struct segment_plan *p, struct weir_segment *s)
{
	for (uint32_t i = 0; i < p->opt->ring_count; i++) {
		const struct weir_ring_spec *spec = &p->opt->ring[i];
		struct weir_ring_block *b = &s->ring[i];

		b->magic = WEIR_RING_MAGIC;
		b->index = i;
		b->data_off = p->area[i].data_off;
		b->capacity = p->area[i].capacity;
		b->reserve = segment_reserve(b->capacity);
		b->schema = spec->schema;
		b->frame_max = spec->frame_max;
		b->producer_doorbell = spec->producer_doorbell;
		b->consumer_doorbell = spec->consumer_doorbell;
		strcpy(b->name, spec->name);
	}
}

static void fill_counters(struct segment_plan *p, struct weir_segment *s)
{
	uint32_t name_off = 0;

	for (uint32_t i = 0; i < p->opt->counter_count; i++) {
		s->counter[i].name_off = name_off;
		s->counter[i].kind = p->opt->counter[i].kind;
		name_off += (uint32_t)strlen(p->opt->counter[i].name) + 1;
	}
}

static int segment_fill(struct segment_plan *p, struct weir_segment *s, struct weir_err *err)
{
	int r;

	fill_header(p);
	weir_backing_prefer_node(s->fd, p->h.total_size, p->opt->node);
	r = weir__segment_map(s, weir_seg_meta_size(&p->h), err);
	if (r < 0)
		return r;
	memcpy(s->map, &p->h, sizeof(p->h));
	weir__segment_pointers(s, &p->h);
	memcpy(s->map + p->h.names_off, p->texts, p->names_size + p->schemas_size);
	fill_rings(p, s);
	fill_counters(p, s);
	memcpy(s->area, p->area, p->opt->ring_count * sizeof(*s->area));
	weir_store_release(&s->header->state, WEIR_SEG_READY);
	return 0;
}

int weir_segment_create(const struct weir_segment_options *opt, struct weir_segment *ret,
			struct weir_err *err)
{
	struct weir_segment s = {.fd = -1, .writable = true, .created = true};
	struct segment_plan p = {.opt = opt};
	int r;

	r = plan_check(opt, err);
	if (r == 0)
		r = plan_texts(&p, err);
	if (r < 0)
		goto out;
	p.area = calloc((size_t)opt->ring_count + 1, sizeof(*p.area));
	if (opt->path)
		s.path = strdup(opt->path);
	r = weir__segment_tables(&s, opt->ring_count);
	if (r < 0 || !p.area || (opt->path && !s.path)) {
		r = weir_err_set(err, -ENOMEM, "no memory for %u rings", opt->ring_count);
		goto out;
	}
	r = opt->path ? ladder_path(&p, &s.fd, s.backing_text, err)
		      : ladder_memfd(&p, &s.fd, s.backing_text, err);
	if (r < 0)
		goto out;
	r = segment_fill(&p, &s, err);
	if (r == 0)
		*ret = s;
	else if (opt->path)
		unlink(opt->path);
out:
	if (r < 0) {
		weir__segment_drop(&s);
		if (s.fd >= 0)
			close(s.fd);
	}
	free(p.area);
	free(p.texts);
	return r;
}
