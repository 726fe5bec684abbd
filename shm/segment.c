/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/backing.h"
#include "shm/mirror.h"
#include "shm/schema_text.h"
#include "shm/segment_map.h"
#include "shm/verify.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int weir__segment_map(struct weir_segment *s, uint64_t size, struct weir_err *err)
{
	int prot = s->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	uint8_t *p = mmap(NULL, size, prot, MAP_SHARED, s->fd, 0);

	if (p == MAP_FAILED)
		return weir_err_set(err, -errno, "cannot map the segment: %s",
				    weir_strerror(-errno));
	s->map = p;
	s->map_size = size;
	s->header = (struct weir_seg_header *)p;
	return 0;
}

void weir__segment_pointers(struct weir_segment *s, const struct weir_seg_header *h)
{
	s->doorbell = (struct weir_doorbell *)(s->map + h->doorbells_off);
	s->counter = (struct weir_counter *)(s->map + h->counters_off);
	s->ring = (struct weir_ring_block *)(s->map + h->rings_off);
	s->schemas = (const char *)s->map + h->schemas_off;
	s->schemas_size = h->rings_end - h->schemas_off;
	s->schema_count = h->schema_count;
	s->data_align = h->data_align;
	s->ring_count = h->ring_count;
}

int weir__segment_tables(struct weir_segment *s, uint32_t ring_count)
{
	s->ring_base = calloc((size_t)ring_count + 1, sizeof(*s->ring_base));
	s->area = calloc((size_t)ring_count + 1, sizeof(*s->area));
	return s->ring_base && s->area ? 0 : -ENOMEM;
}

void weir__segment_drop(struct weir_segment *s)
{
	for (uint32_t i = 0; s->ring_base && i < s->ring_count; i++)
		weir_mirror_unmap(s->ring_base[i], s->area[i].capacity);
	free(s->ring_base);
	free(s->area);
	free(s->path);
	if (s->map)
		munmap(s->map, s->map_size);
}

static int segment_read_header(int fd, struct weir_seg_header *ret, uint64_t *ret_size,
			       struct weir_err *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return weir_err_set(err, -errno, "cannot look at the segment: %s",
				    weir_strerror(-errno));
	if (!S_ISREG(st.st_mode))
		return weir_err_set(err, WEIR_E_FORMAT, "not a weir segment (not a file)");
	n = pread(fd, ret, sizeof(*ret), 0);
	if (n < 0)
		return weir_err_set(err, -errno, "cannot read the segment: %s",
				    weir_strerror(-errno));
	if (n < (ssize_t)sizeof(*ret))
		return weir_err_set(err, WEIR_E_TOO_SMALL,
				    "not a weir segment (shorter than its header)");
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int segment_check_state(const struct weir_seg_header *h, bool writable, struct weir_err *err)
{
	uint32_t state = weir_load_relaxed(&h->state);

	if (state == WEIR_SEG_READY || (!writable && state != WEIR_SEG_CREATING))
		return 0;
	return weir_err_set(err, WEIR_E_STOPPED, "the segment is %s",
			    state == WEIR_SEG_CREATING ? "not ready yet"
			    : state == WEIR_SEG_COPY   ? "a copy"
						       : "closed");
}

int weir_segment_attach(int keep_fd, bool writable, struct weir_segment *ret, struct weir_err *err)
{
	struct weir_segment s = {.fd = keep_fd, .writable = writable};
	uint64_t size = 0, data_end = 0;
	struct weir_seg_header h;
	int r;

	r = segment_read_header(keep_fd, &h, &size, err);
	if (r < 0)
		return r;
	r = weir_seg_verify_header(&h, err);
	if (r < 0)
		return r;
	if (size < h.total_size)
		return weir_err_set(err, WEIR_E_TOO_SMALL, "segment is cut: %llu of %llu bytes",
				    (unsigned long long)size, (unsigned long long)h.total_size);
	r = segment_check_state(&h, writable, err);
	if (r < 0)
		return r;
	r = weir__segment_tables(&s, h.ring_count);
	if (r == 0)
		r = weir__segment_map(&s, weir_seg_meta_size(&h), err);
	else
		weir_err_set(err, r, "no memory for %u rings", h.ring_count);
	if (r < 0)
		goto fail;
	weir__segment_pointers(&s, &h);
	for (uint32_t i = 0; i < s.ring_count; i++) {
		struct weir_ring_block b;

		memcpy(&b, &s.ring[i], sizeof(b));
		r = weir_seg_verify_ring(&h, &b, i, &data_end, err);
		if (r < 0)
			goto fail;
		s.area[i] = (struct weir_segment_area){b.data_off, b.capacity};
	}
	strcpy(s.backing_text, weir_backing_name(h.backing));
	*ret = s;
	return 0;
fail:
	s.ring_count = 0;
	weir__segment_drop(&s);
	return r;
}

/* Positions come from another process; a consumer that believed any would leave its mapping. */
static bool segment_positions_ok(const struct weir_ring_block *b, uint64_t capacity)
{
	uint64_t head = weir_load_acquire(&b->head);
	uint64_t tail = weir_load_acquire(&b->tail);

	/* Tail is read later: on a live ring it may have moved on by what was released meanwhile. */
	for (unsigned i = 0; tail - head > capacity && i < 1000; i++) {
		head = weir_load_acquire(&b->head);
		tail = weir_load_acquire(&b->tail);
	}
	return tail - head <= capacity && head % 8 == 0 && tail % 8 == 0;
}

int weir_segment_map_ring(struct weir_segment *s, uint32_t ring, struct weir_err *err)
{
	const struct weir_segment_area *area;
	bool thp = s->header->backing == WEIR_BACKING_THP;
	uint64_t align = s->data_align;
	uint64_t huge = weir_backing_align(WEIR_BACKING_2M);
	uint8_t *base;
	int r;

	if (ring >= s->ring_count)
		return weir_err_set(err, WEIR_E_RANGE, "ring %u: there are %u", ring,
				    s->ring_count);
	if (s->ring_base[ring])
		return 0;
	area = &s->area[ring];
	if (s->ring[ring].capacity != area->capacity ||
	    s->ring[ring].reserve > area->capacity / 2 ||
	    !segment_positions_ok(&s->ring[ring], area->capacity))
		return weir_err_set(err, WEIR_E_CORRUPT, "ring %u: damaged positions", ring);
	if (area->capacity >= huge)
		align = WEIR_MAX(s->data_align, huge);
	r = weir_mirror_map(s->fd, area->data_off, area->capacity, align, s->writable, &base);
	if (r < 0)
		return weir_err_set(err, r, "ring %u: cannot map %llu bytes: %s", ring,
				    (unsigned long long)area->capacity, weir_strerror(r));
	if (thp)
		(void)madvise(base, 2 * area->capacity, MADV_HUGEPAGE);
	s->ring_base[ring] = base;
	return 0;
}

/* The other way, for kernels before 5.14: adds nothing to one word of each page. */
static void segment_touch(uint8_t *base, uint64_t size)
{
	uint64_t step = (uint64_t)sysconf(_SC_PAGESIZE);

	for (uint64_t at = 0; at < size; at += step)
		__atomic_fetch_or((uint64_t *)(base + at), 0, __ATOMIC_RELAXED);
}

int weir_segment_populate_ring(struct weir_segment *s, uint32_t ring)
{
	uint8_t *base;

	if (!s->writable)
		return -EACCES;
	if (ring >= s->ring_count || !s->ring_base[ring])
		return WEIR_E_RANGE;
	base = s->ring_base[ring];
	if (madvise(base, s->area[ring].capacity, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	segment_touch(base, s->area[ring].capacity);
	return 0;
}

int weir_segment_schema(const struct weir_segment *s, uint32_t i, struct weir_schema *ret,
			struct weir_err *err)
{
	struct weir_str text;

	if (i >= s->schema_count ||
	    !weir_schema_text_at((struct weir_str){s->schemas, s->schemas_size}, i, &text))
		return weir_err_set(err, WEIR_E_RANGE, "schema %u is not in the segment", i);
	return weir_schema_text_parse(text, ret, err);
}

void weir_segment_close(struct weir_segment *s)
{
	if (!s->map)
		return;
	/* Not in a forked child, which has a copy of this struct. */
	if (s->created && s->header->creator_pid == (uint32_t)getpid()) {
		weir_store_release(&s->header->state, WEIR_SEG_CLOSED);
		if (s->path)
			unlink(s->path);
	}
	weir__segment_drop(s);
	close(s->fd);
	*s = (struct weir_segment){.fd = -1};
}

const char *weir_segment_backing_text(const struct weir_segment *s)
{
	return s->backing_text;
}
