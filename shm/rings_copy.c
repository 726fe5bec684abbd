/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-rings copy: a file that the other verbs, and people later, can look at.
 *
 * Each ring is consistent in itself: its tail is read first, then the bytes [head, tail) are
 * copied, then head is read again; only bytes at or behind that head count, and these nobody has
 * written meanwhile. Different rings are of slightly different moments. The file has holes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/rings_tool.h"

#define COPY_CHUNK 65536u

struct copier {
	struct rings_tool *t;
	struct rings_segment s;
	int fd;
	uint64_t bytes; /* of frames */
	bool damaged; /* some ring could not be copied; the others are */
};

static int copy_write(struct copier *c, const void *p, uint64_t n, uint64_t off)
{
	while (n) {
		ssize_t w = pwrite(c->fd, p, n, (off_t)off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return rings_fail(c->t, "%s: %s", c->t->arg[1],
					  w < 0 ? strerror(errno) : "cannot write");
		p = (const char *)p + w;
		n -= (uint64_t)w;
		off += (uint64_t)w;
	}
	return 0;
}

/* The part before the data areas, as far as it is there. */
static int copy_meta(struct copier *c)
{
	const struct weir_inspect *in = &c->s.in;
	uint64_t end = WEIR_MIN(in->h.rings_end, in->size);
	struct weir_seg_header h = in->h;
	int r;

	weir_store_relaxed(&h.state, WEIR_SEG_COPY);
	r = copy_write(c, &h, sizeof(h), 0);
	if (r == 0 && end > sizeof(h))
		r = copy_write(c, in->mem + sizeof(h), end - sizeof(h), sizeof(h));
	return r;
}

static int copy_skip(struct copier *c, uint32_t ring, const char *why)
{
	c->damaged = true;
	rings_fail(c->t, "ring %u: not all frames are copied: %s", ring, why);
	return 0;
}

static int copy_data(struct copier *c, const struct weir_inspect_ring *r)
{
	static uint64_t chunk[COPY_CHUNK / 8];
	uint64_t mask = r->b.capacity - 1;

	for (uint64_t pos = r->head; pos < r->tail;) {
		uint64_t at = pos & mask;
		uint64_t n = WEIR_MIN(r->tail - pos, r->b.capacity - at);
		int e;

		n = WEIR_MIN(n, (uint64_t)COPY_CHUNK);
		if (weir_inspect_bytes(&c->s.in, r, pos, n, chunk) < 0)
			return copy_skip(c, r->b.index, "behind the end of the file");
		e = copy_write(c, chunk, n, r->b.data_off + at);
		if (e)
			return e;
		pos += n;
		c->bytes += n;
	}
	return 0;
}

static int copy_ring(struct copier *c, uint32_t i)
{
	uint64_t off = c->s.in.h.rings_off + (uint64_t)i * sizeof(struct weir_ring_block);
	struct weir_inspect_ring r;
	struct weir_err err = {0};
	uint64_t head;
	int e;

	if (weir_inspect_ring(&c->s.in, i, NULL, &r, &err) < 0 || !r.positions_ok)
		/* The block was copied as it is, so that check finds the same again. */
		return copy_skip(c, i, err.text[0] ? err.text : "head or tail is damaged");
	e = copy_data(c, &r);
	head = weir_inspect_head(&c->s.in, &r);
	if (head > r.tail || head < r.head)
		head = r.tail; /* all of it was given back meanwhile */
	weir_store_relaxed(&r.b.head, head);
	weir_store_relaxed(&r.b.tail, r.tail);
	return e ? e : copy_write(c, &r.b, sizeof(r.b), off);
}

static int copy_open(struct copier *c)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (c->t->force ? 0 : O_EXCL);
	struct stat from, to;

	c->fd = open(c->t->arg[1], flags, 0600);
	if (c->fd < 0)
		return rings_fail(c->t, "%s: %s%s", c->t->arg[1], strerror(errno),
				  errno == EEXIST ? " (--force replaces it)" : "");
	if (fstat(c->s.fd, &from) == 0 && fstat(c->fd, &to) == 0 && from.st_dev == to.st_dev &&
	    from.st_ino == to.st_ino)
		return rings_fail(c->t, "%s: is the segment itself", c->t->arg[1]);
	if (ftruncate(c->fd, 0) < 0 || ftruncate(c->fd, (off_t)c->s.in.h.total_size) < 0)
		return rings_fail(c->t, "%s: %s", c->t->arg[1], strerror(errno));
	return 0;
}

static int copy_run(struct rings_tool *t)
{
	struct copier c = {.t = t, .fd = -1};
	int code = rings_begin(t, &c.s);

	if (code)
		return code;
	code = copy_open(&c);
	if (code == 0)
		code = copy_meta(&c);
	for (uint32_t i = 0; c.fd >= 0 && code == 0 && i < c.s.in.h.ring_count; i++)
		code = copy_ring(&c, i);
	if (c.fd >= 0 && close(c.fd) < 0)
		code = rings_fail(t, "%s: %s", t->arg[1], strerror(errno));
	if (code == 0 && t->json)
		fprintf(t->out, "{\"bytes\":%llu,\"frame_bytes\":%llu}\n",
			(unsigned long long)c.s.in.h.total_size, (unsigned long long)c.bytes);
	else if (code == 0)
		fprintf(t->out, "%s: %llu bytes, %llu of them frames\n", t->arg[1],
			(unsigned long long)c.s.in.h.total_size, (unsigned long long)c.bytes);
	return rings_end(t, &c.s, c.damaged ? RINGS_PROBLEM : code);
}

const struct rings_verb rings_verb_copy = {
	.name = "copy",
	.usage = "copy [-o text|json] [-f] SEGMENT FILE",
	.summary = "save the segment to a file for later",
	.text = "Copies header, counters and the frames between head and tail into FILE (mode "
		"0600), which\n"
		"the other verbs accept as SEGMENT. Each ring is consistent in itself, different "
		"rings\n"
		"are of slightly different moments. The file is sparse.",
	.options = "ofh",
	.args_min = 2,
	.args_max = 2,
	.run = copy_run,
};
