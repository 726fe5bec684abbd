/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segment inspector over arbitrary bytes: everything weir-rings shows, and attaching.
 *
 * Most of a segment is zeros, so inputs are short: the image ends where the input ends, and then the
 * same is done with it padded to its full size.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "shm/inspect.h"
#include "shm/segment.h"

#define IMAGE_MAX (256 * 1024)

static uint64_t frame[4096];
static char json[65536];

static void on_finding(void *ctx, const struct weir_finding *f)
{
	uint64_t *count = ctx;

	weir_assert(f->text[0] && strlen(f->text) < sizeof(f->text));
	*count += f->problem;
}

static void read_frames(const struct weir_inspect *in, const struct weir_inspect_ring *r)
{
	struct weir_inspect_frames it;
	struct weir_schema schema;
	const struct weir_frame *f;
	enum weir_inspect_step step;
	uint64_t pos, steps = 0;
	struct weir_err err;
	bool has = weir_inspect_schema(in, r->b.schema, &schema, &err) == 0;

	weir_inspect_frames(&it, in, r, has ? &schema : NULL, frame, sizeof(frame));
	while ((step = weir_inspect_next(&it, &f, &pos, &err)) != WEIR_INSPECT_END) {
		struct weir_buf b = weir_buf_of(json, sizeof(json));

		weir_assert(steps++ <= r->b.capacity / 8);
		if (step == WEIR_INSPECT_FRAME && has && f->kind == WEIR_FRAME_DATA)
			weir_buf_record_json(&b, f, &schema);
	}
}

static void inspect(const void *mem, uint64_t size)
{
	struct weir_inspect in;
	struct weir_inspect_counter c;
	struct weir_err err;
	uint64_t problems = 0, said;
	bool sleeping;
	uint32_t word;

	if (weir_inspect_open(&in, mem, size, &err) < 0)
		return;
	said = weir_inspect_check(&in, false, frame, sizeof(frame), on_finding, &problems);
	weir_assert(said == problems);
	for (uint32_t i = 0; i < in.h.ring_count; i++) {
		struct weir_inspect_ring r;
		int e = weir_inspect_ring(&in, i, NULL, &r, &err);

		if (e == WEIR_E_TOO_SMALL)
			break;
		weir_assert(r.verified == (e == 0));
		read_frames(&in, &r);
	}
	for (uint32_t i = 0; i < 100; i++) {
		(void)weir_inspect_counter(&in, i, &c, &err);
		(void)weir_inspect_doorbell(&in, i, &word, &sleeping, &err);
	}
}

static void attach(const void *mem, uint64_t size)
{
	struct weir_segment s;
	struct weir_err err;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, mem, size, 0) != (ssize_t)size)
		abort();
	if (weir_segment_attach(fd, true, &s, &err) < 0) {
		close(fd);
		return;
	}
	for (uint32_t i = 0; i < s.ring_count && i < 8; i++) {
		struct weir_ring_rx rx;
		const void *p;

		if (weir_segment_map_ring(&s, i, &err) < 0)
			continue;
		/* Whatever the consumer is told to be there can be read. */
		weir_ring_rx_init(&rx, &s.ring[i], s.ring_base[i]);
		for (uint64_t n = weir_ring_peek(&rx, 1, &p), at = 0; at + 8 <= n; at += 4096)
			(void)*(const volatile uint64_t *)((const uint8_t *)p + at);
	}
	weir_segment_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *mem;
	uint64_t total;

	if (size > IMAGE_MAX)
		return 0;
	/* Exactly as long as the input, so that the sanitizer sees every byte too far. */
	if (posix_memalign((void **)&mem, 128, size + (size == 0)))
		abort();
	memcpy(mem, data, size);
	inspect(mem, size);
	free(mem);
	if (size < sizeof(struct weir_seg_header))
		return 0;
	memcpy(&total, data + offsetof(struct weir_seg_header, total_size), sizeof(total));
	if (total < size || total > IMAGE_MAX)
		return 0;
	if (posix_memalign((void **)&mem, 128, total))
		abort();
	memset(mem, 0, total);
	memcpy(mem, data, size);
	inspect(mem, total);
	attach(mem, total);
	free(mem);
	return 0;
}
