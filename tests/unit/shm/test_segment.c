/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shm/verify.h"
#include "tests/unit/shm/seg.h"

static void test_segment_create_then_attach_agree(void **state)
{
	struct weir_err err = {0};
	struct weir_schema schema, want;
	struct weir_segment s, t;

	(void)state;
	seg_create(&s);
	assert_int_equal(weir_segment_attach(dup(s.fd), false, &t, &err), 0);
	assert_string_equal(t.header->name, "test");
	assert_int_equal(weir_load_acquire(&t.header->state), WEIR_SEG_READY);
	assert_int_equal(t.ring_count, 3);
	assert_string_equal(t.ring[1].name, "b to c");
	assert_int_equal(t.ring[1].capacity, 8192);
	assert_int_equal(t.ring[0].producer_doorbell, 0);
	assert_int_equal(t.counter[1].kind, 1);
	assert_string_equal((char *)t.map + t.header->names_off + t.counter[1].name_off,
			    "step.a.lag");
	assert_int_equal(weir_segment_schema(&t, 0, &schema, &err), 0);
	seg_schema(&want);
	assert_true(weir_schema_same(&schema, &want));
	assert_int_equal(schema.stream, 7);
	assert_int_equal(weir_segment_schema(&t, 1, &schema, &err), WEIR_E_RANGE);
	weir_segment_close(&t);
	assert_int_equal(weir_load_acquire(&s.header->state), WEIR_SEG_READY);
	weir_segment_close(&s);
}

static void test_segment_attached_sees_the_same_ring(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s, t;
	struct weir_ring_tx tx;
	struct weir_ring_rx rx;
	const void *m;

	(void)state;
	seg_create(&s);
	assert_int_equal(weir_segment_attach(dup(s.fd), true, &t, &err), 0);
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), 0);
	weir_ring_tx_init(&tx, &s.ring[0], s.ring_base[0]);
	weir_ring_rx_init(&rx, &t.ring[0], t.ring_base[0]);
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_EOS, 0, 0));
	weir_ring_publish(&tx);
	assert_int_equal(weir_ring_peek(&rx, 1, &m), WEIR_CONTROL_BYTES);
	weir_ring_consume(&rx, WEIR_CONTROL_BYTES);
	weir_ring_release(&rx);
	assert_int_equal(weir_load_acquire(&s.ring[0].head), WEIR_CONTROL_BYTES);
	weir_segment_close(&t);
	weir_segment_close(&s);
}

static void test_segment_layout_follows_the_format(void **state)
{
	struct weir_segment s;
	const struct weir_seg_header *h;
	uint64_t end = 0;

	(void)state;
	seg_create(&s);
	h = s.header;
	assert_int_equal(h->magic, WEIR_SEG_MAGIC);
	assert_memory_equal(s.map, "WEIRSEG1", 8);
	assert_int_equal(h->version, 1);
	assert_int_equal(h->doorbells_off, 4096);
	assert_int_equal(h->counters_off, 4096 + 2 * 64);
	assert_int_equal(h->rings_off % 128, 0);
	assert_int_equal(h->names_off, h->rings_off + 3 * 384);
	assert_int_equal(h->creator_pid, getpid());
	assert_int_not_equal(h->generation, 0);
	assert_int_equal(weir_seg_verify_header(h, NULL), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(weir_seg_verify_ring(h, &s.ring[i], i, &end, NULL), 0);
	assert_int_equal(end, h->total_size);
	weir_segment_close(&s);
}

/* Every offset of docs/formats/shm.md. A change here is a new format version. */
#define AT(type, field, off)                                                                       \
	{                                                                                          \
#type "." #field, offsetof(struct weir_##type, field), (off)                       \
	}

static const struct {
	const char *field;
	size_t is, published;
} offsets[] = {
	AT(seg_header, magic, 0),
	AT(seg_header, version, 8),
	AT(seg_header, header_size, 12),
	AT(seg_header, total_size, 16),
	AT(seg_header, data_align, 24),
	AT(seg_header, doorbell_count, 32),
	AT(seg_header, counter_count, 36),
	AT(seg_header, ring_count, 40),
	AT(seg_header, schema_count, 44),
	AT(seg_header, doorbells_off, 48),
	AT(seg_header, counters_off, 56),
	AT(seg_header, rings_off, 64),
	AT(seg_header, schemas_off, 72),
	AT(seg_header, names_off, 80),
	AT(seg_header, rings_end, 88),
	AT(seg_header, generation, 96),
	AT(seg_header, created_unix_ns, 104),
	AT(seg_header, creator_pid, 112),
	AT(seg_header, backing, 116),
	AT(seg_header, creator_start_time, 120),
	AT(seg_header, name, 128),
	AT(seg_header, state, 192),
	AT(seg_header, reserved, 196),
	AT(doorbell, word, 0),
	AT(doorbell, sleeping, 4),
	AT(doorbell, ticket, 8),
	AT(doorbell, reserved, 12),
	AT(counter, value, 0),
	AT(counter, name_off, 8),
	AT(counter, kind, 12),
	AT(ring_block, magic, 0),
	AT(ring_block, index, 4),
	AT(ring_block, data_off, 8),
	AT(ring_block, capacity, 16),
	AT(ring_block, reserve, 24),
	AT(ring_block, schema, 32),
	AT(ring_block, frame_max, 36),
	AT(ring_block, producer_doorbell, 40),
	AT(ring_block, consumer_doorbell, 44),
	AT(ring_block, name, 48),
	AT(ring_block, tail, 128),
	AT(ring_block, producer, 136),
	AT(ring_block, blocked_since_ns, 160),
	AT(ring_block, blocked_ns, 168),
	AT(ring_block, head, 256),
	AT(ring_block, consumer, 264),
	AT(ring_role, state_gen, 0),
	AT(ring_role, start_time, 8),
	AT(ring_role, pid, 16),
	AT(ring_role, reserved, 20),
};

static void test_segment_offsets_are_the_published_ones(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WEIR_COUNT_OF(offsets); i++) {
		if (offsets[i].is != offsets[i].published)
			fail_msg("%s is at %zu, published %zu", offsets[i].field, offsets[i].is,
				 offsets[i].published);
	}
}

static void test_segment_memfd_is_private_and_sealed(void **state)
{
	struct weir_segment s;
	struct stat st;

	(void)state;
	seg_create(&s);
	assert_int_equal(fstat(s.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, s.header->total_size);
	assert_int_equal(ftruncate(s.fd, 4096), -1);
	assert_int_equal(ftruncate(s.fd, st.st_size + 4096), -1);
	assert_int_equal(fcntl(s.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	weir_segment_close(&s);
}

static void test_segment_mapping_touches_nothing(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s;
	struct seg_options o;
	unsigned char present[256] = {0};
	unsigned count = 0;

	(void)state;
	seg_options(&o);
	o.ring[0].capacity = 1 << 20;
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
	assert_int_equal(weir_segment_populate_ring(&s, 0), WEIR_E_RANGE); /* not mapped yet */
	assert_int_equal(weir_segment_map_ring(&s, 0, &err), 0);
	assert_int_equal(mincore(s.ring_base[0], 1 << 20, present), 0);
	for (unsigned i = 0; i < 256; i++)
		count += present[i] & 1;
	assert_int_equal(count, 0);
	assert_int_equal(weir_segment_populate_ring(&s, 0), 0);
	assert_int_equal(mincore(s.ring_base[0], 1 << 20, present), 0);
	for (unsigned i = 0; i < 256; i++)
		count += present[i] & 1;
	assert_int_equal(count, 256);
	assert_int_equal(weir_segment_populate_ring(&s, 99), WEIR_E_RANGE);
	weir_segment_close(&s);
}

static void test_segment_map_ring_is_idempotent_and_bounded(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s;
	uint8_t *base;

	(void)state;
	seg_create(&s);
	base = s.ring_base[0];
	assert_int_equal(weir_segment_map_ring(&s, 0, &err), 0);
	assert_ptr_equal(s.ring_base[0], base);
	assert_int_equal(weir_segment_map_ring(&s, 3, &err), WEIR_E_RANGE);
	weir_segment_close(&s);
}

static void test_segment_read_only_cannot_write(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s, t;
	char name[40];
	int fd, status;
	pid_t pid;

	(void)state;
	seg_create(&s);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", s.fd);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(weir_segment_attach(fd, true, &t, &err), -EACCES);
	assert_int_equal(weir_segment_attach(fd, false, &t, &err), 0);
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), 0);
	assert_int_equal(weir_segment_populate_ring(&t, 0), -EACCES);
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		t.ring_base[0][0] = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_not_equal(status, 0);
	weir_segment_close(&t);
	weir_segment_close(&s);
}

static void test_segment_close_marks_only_for_the_creator(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s, t, u;
	int fd;
	pid_t pid;

	(void)state;
	seg_create(&s);
	fd = dup(s.fd);
	pid = fork();
	if (pid == 0) {
		weir_segment_close(&s); /* a copy of the creator's struct */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(weir_load_acquire(&s.header->state), WEIR_SEG_READY);
	weir_segment_close(&s);
	assert_int_equal(s.fd, -1);
	weir_segment_close(&s); /* twice is fine */
	assert_int_equal(weir_segment_attach(fd, true, &t, &err), WEIR_E_STOPPED);
	assert_non_null(strstr(err.text, "closed"));
	assert_int_equal(weir_segment_attach(fd, false, &u, &err), 0);
	assert_int_equal(weir_load_acquire(&u.header->state), WEIR_SEG_CLOSED);
	weir_segment_close(&u);
}

static void test_segment_attach_by_state(void **state)
{
	static const struct {
		unsigned state;
		int rw, ro;
		const char *word;
	} row[] = {
		{WEIR_SEG_CREATING, WEIR_E_STOPPED, WEIR_E_STOPPED, "not ready"},
		{WEIR_SEG_READY, 0, 0, ""},
		{WEIR_SEG_CLOSED, WEIR_E_STOPPED, 0, "closed"},
		{WEIR_SEG_COPY, WEIR_E_STOPPED, 0, "a copy"},
		{77, WEIR_E_STOPPED, 0, "closed"},
	};
	struct weir_err err = {0};
	struct weir_segment s, t;

	(void)state;
	seg_create(&s);
	for (unsigned i = 0; i < WEIR_COUNT_OF(row); i++) {
		for (int rw = 0; rw < 2; rw++) {
			int want = rw ? row[i].rw : row[i].ro, fd = dup(s.fd);

			weir_store_release(&s.header->state, row[i].state);
			assert_int_equal(weir_segment_attach(fd, rw, &t, &err), want);
			if (want == 0) {
				weir_segment_close(&t);
			} else {
				assert_non_null(strstr(err.text, row[i].word));
				close(fd);
			}
		}
	}
	weir_segment_close(&s);
}

static void test_segment_options_out_of_range_are_refused(void **state)
{
	struct weir_err err;
	struct weir_segment s = {.fd = 42};
	struct seg_options o;

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		seg_options(&o);                                                                   \
		err.text[0] = 0;                                                                   \
		change;                                                                            \
		assert_int_equal(weir_segment_create(&o.opt, &s, &err), WEIR_E_RANGE);             \
		assert_int_not_equal(err.text[0], 0);                                              \
	} while (0)
	REFUSED(o.opt.name = NULL);
	REFUSED(o.opt.name = "");
	REFUSED(o.opt.name = "0123456789012345678901234567890123456789012345678901234567890123");
	REFUSED(o.opt.doorbell_count = UINT32_MAX);
	REFUSED(o.opt.ring_count = UINT32_MAX);
	REFUSED(o.opt.counter_count = UINT32_MAX);
	REFUSED(o.opt.schema_count = UINT32_MAX);
	REFUSED(memset(o.ring[1].name, 'x', sizeof(o.ring[1].name)));
	REFUSED(memset(o.counter[1].name, 'x', sizeof(o.counter[1].name)));
	REFUSED(o.ring[1].capacity = UINT64_MAX);
	REFUSED(o.ring[1].schema = 1);
	REFUSED(o.ring[1].producer_doorbell = 2);
	REFUSED(o.ring[1].consumer_doorbell = 2);
#undef REFUSED
	assert_int_equal(s.fd, 42); /* untouched */
}

static void test_segment_rings_too_large_together(void **state)
{
	struct weir_err err;
	struct weir_segment s;
	static struct weir_ring_spec ring[100];
	struct weir_segment_options opt = {
		.name = "big", .ring_count = 100, .ring = ring, .node = -1};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		ring[i] = (struct weir_ring_spec){
			"r", WEIR_RING_CAPACITY_MAX, SEG_NONE, 0, SEG_NONE, SEG_NONE};
	assert_int_equal(weir_segment_create(&opt, &s, &err), WEIR_E_RANGE);
	assert_non_null(strstr(err.text, "together"));
	opt.huge = true;
	assert_int_equal(weir_segment_create(&opt, &s, &err), WEIR_E_RANGE);
}

static void test_segment_capacity_fits_the_largest_frame(void **state)
{
	struct weir_err err;
	struct weir_segment s;
	struct seg_options o;

	(void)state;
	seg_options(&o);
	o.ring[0].capacity = 1;
	o.ring[0].frame_max = 4096; /* with the reserve it takes the next power of two */
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
	assert_int_equal(s.ring[0].capacity, 8192);
	assert_true(s.ring[0].reserve >= 4 * WEIR_CONTROL_BYTES);
	/* In the smallest ring there is also room for a few. */
	assert_int_equal(s.ring[2].capacity, 4096);
	assert_true(s.ring[2].reserve >= 4 * WEIR_CONTROL_BYTES);
	weir_segment_close(&s);
}

static void test_segment_without_anything_in_it(void **state)
{
	struct weir_segment_options opt = {.name = "empty", .node = -1};
	struct weir_err err = {0};
	struct weir_segment s, t;

	(void)state;
	assert_int_equal(weir_segment_create(&opt, &s, &err), 0);
	assert_int_equal(weir_segment_attach(dup(s.fd), true, &t, &err), 0);
	assert_int_equal(t.ring_count, 0);
	weir_segment_close(&t);
	weir_segment_close(&s);
}

static void test_segment_generations_differ(void **state)
{
	struct weir_segment a, b;

	(void)state;
	seg_create(&a);
	seg_create(&b);
	assert_int_not_equal(a.header->generation, b.header->generation);
	weir_segment_close(&a);
	weir_segment_close(&b);
}

/* ---- damage ---- */

struct damage {
	const char *what;
	size_t off;
	unsigned bytes;
	uint64_t value;
	int want;
};

#define HDR(field, v, e)                                                                           \
	{                                                                                          \
#field, offsetof(struct weir_seg_header, field),                                   \
			sizeof(((struct weir_seg_header *)0)->field), (v), (e)                     \
	}
#define RING(field, v, e)                                                                          \
	{                                                                                          \
#field, SIZE_MAX / 2 + offsetof(struct weir_ring_block, field),                    \
			sizeof(((struct weir_ring_block *)0)->field), (v), (e)                     \
	}

static const struct damage damages[] = {
	HDR(magic, 1, WEIR_E_FORMAT),
	HDR(version, 2, WEIR_E_VERSION),
	HDR(header_size, 4095, WEIR_E_CORRUPT),
	HDR(total_size, 4096, WEIR_E_CORRUPT),
	HDR(total_size, 4097 * 4096, WEIR_E_TOO_SMALL),
	HDR(total_size, UINT64_MAX, WEIR_E_CORRUPT),
	HDR(total_size, 32769, WEIR_E_CORRUPT),
	HDR(data_align, 0, WEIR_E_CORRUPT),
	HDR(data_align, 2048, WEIR_E_CORRUPT),
	HDR(data_align, 12288, WEIR_E_CORRUPT),
	HDR(data_align, UINT64_C(1) << 40, WEIR_E_CORRUPT),
	HDR(doorbell_count, UINT32_MAX, WEIR_E_CORRUPT),
	HDR(doorbell_count, 4000, WEIR_E_CORRUPT),
	HDR(counter_count, UINT32_MAX, WEIR_E_CORRUPT),
	HDR(counter_count, 40000, WEIR_E_CORRUPT),
	HDR(ring_count, UINT32_MAX, WEIR_E_CORRUPT),
	HDR(ring_count, 100, WEIR_E_CORRUPT),
	HDR(ring_count, 4, WEIR_E_CORRUPT),
	HDR(schema_count, UINT32_MAX, WEIR_E_CORRUPT),
	HDR(schema_count, 0, WEIR_E_CORRUPT),
	HDR(doorbells_off, 0, WEIR_E_CORRUPT),
	HDR(doorbells_off, 4104, WEIR_E_CORRUPT),
	HDR(doorbells_off, UINT64_MAX & ~UINT64_C(63), WEIR_E_CORRUPT),
	HDR(counters_off, 4096, WEIR_E_CORRUPT),
	HDR(rings_off, 4096, WEIR_E_CORRUPT),
	HDR(names_off, 4096, WEIR_E_CORRUPT),
	HDR(schemas_off, 4096, WEIR_E_CORRUPT),
	HDR(rings_end, 4096, WEIR_E_CORRUPT),
	HDR(rings_end, UINT64_C(1) << 40, WEIR_E_CORRUPT),
	HDR(generation, 0, WEIR_E_CORRUPT),
	RING(magic, 0, WEIR_E_CORRUPT),
	RING(index, 1, WEIR_E_CORRUPT),
	RING(capacity, 0, WEIR_E_CORRUPT),
	RING(capacity, 2048, WEIR_E_CORRUPT),
	RING(capacity, 12288, WEIR_E_CORRUPT),
	RING(capacity, UINT64_C(1) << 62, WEIR_E_CORRUPT),
	RING(capacity, UINT64_C(1) << 30, WEIR_E_CORRUPT),
	RING(capacity, 8192, WEIR_E_CORRUPT), /* overlaps the next one */
	RING(data_off, 0, WEIR_E_CORRUPT),
	RING(data_off, 4100, WEIR_E_CORRUPT),
	RING(data_off, UINT64_MAX & ~UINT64_C(4095), WEIR_E_CORRUPT),
	RING(reserve, 4096, WEIR_E_CORRUPT),
	RING(reserve, 7, WEIR_E_CORRUPT),
	RING(frame_max, 4096, WEIR_E_CORRUPT),
	RING(schema, 1, WEIR_E_CORRUPT),
	RING(producer_doorbell, 2, WEIR_E_CORRUPT),
	RING(consumer_doorbell, 2, WEIR_E_CORRUPT),
};

static void test_segment_attach_refuses_every_damage(void **state)
{
	struct weir_err err;
	struct weir_segment s, t = {.fd = 42};

	(void)state;
	seg_create(&s);
	for (unsigned i = 0; i < WEIR_COUNT_OF(damages); i++) {
		const struct damage *d = &damages[i];
		uint8_t *at = d->off < SIZE_MAX / 2 ? s.map + d->off
						    : (uint8_t *)s.ring + (d->off - SIZE_MAX / 2);
		uint64_t old = 0;
		int r;

		memcpy(&old, at, d->bytes);
		memcpy(at, &d->value, d->bytes);
		err.text[0] = 0;
		r = weir_segment_attach(s.fd, true, &t, &err);
		if (r != d->want || !err.text[0])
			fail_msg("%s = %llu: %d (%s)", d->what, (unsigned long long)d->value, r,
				 err.text);
		memcpy(at, &old, d->bytes);
	}
	memset(s.header->name, 'x', 64);
	assert_int_equal(weir_segment_attach(s.fd, true, &t, &err), WEIR_E_CORRUPT);
	strcpy(s.header->name, "x");
	memset(s.ring[1].name, 'x', 72);
	assert_int_equal(weir_segment_attach(s.fd, true, &t, &err), WEIR_E_CORRUPT);
	assert_int_equal(t.fd, 42); /* untouched */
	weir_segment_close(&s);
}

static void test_segment_map_ring_refuses_damaged_positions(void **state)
{
	struct weir_err err;
	struct weir_segment s, t;

	(void)state;
	seg_create(&s);
	assert_int_equal(weir_segment_attach(dup(s.fd), true, &t, &err), 0);
	s.ring[0].tail = 4096 + 8;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), WEIR_E_CORRUPT);
	s.ring[0].tail = 0;
	s.ring[0].head = 8;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), WEIR_E_CORRUPT);
	s.ring[0].tail = 12;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), WEIR_E_CORRUPT);
	s.ring[0].tail = s.ring[0].head = 3;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), WEIR_E_CORRUPT);
	s.ring[0].tail = s.ring[0].head = 8;
	s.ring[0].capacity = 8192; /* changed after it was validated */
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), WEIR_E_CORRUPT);
	s.ring[0].capacity = 4096;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), 0);
	weir_segment_close(&t);
	weir_segment_close(&s);
}

static void test_segment_attach_refuses_other_files(void **state)
{
	struct weir_err err;
	struct weir_segment s;
	int fd, p[2];

	(void)state;
	assert_int_equal(weir_segment_attach(-1, false, &s, &err), -EBADF);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(weir_segment_attach(p[0], false, &s, &err), WEIR_E_FORMAT);
	close(p[0]);
	close(p[1]);
	fd = memfd_create("x", 0);
	assert_int_equal(weir_segment_attach(fd, false, &s, &err), WEIR_E_TOO_SMALL);
	assert_int_equal(ftruncate(fd, 100000), 0);
	assert_int_equal(weir_segment_attach(fd, false, &s, &err), WEIR_E_FORMAT);
	close(fd);
	fd = open("/tmp", O_TMPFILE | O_WRONLY, 0600);
	if (fd >= 0) {
		assert_int_equal(weir_segment_attach(fd, false, &s, &err), -EBADF);
		close(fd);
	}
	fd = open("/dev/null", O_WRONLY);
	assert_int_equal(weir_segment_attach(fd, false, &s, &err), WEIR_E_FORMAT);
	close(fd);
}

/* ---- mapping ---- */

static void test_segment_without_descriptors_fails_cleanly(void **state)
{
	struct rlimit old, none = {0};
	struct weir_err err = {0};
	struct weir_segment s;
	struct seg_options o;
	int r;

	(void)state;
	seg_options(&o);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = weir_segment_create(&o.opt, &s, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r, -EMFILE);
	assert_non_null(strstr(err.text, "memfd_create"));
}

static void test_segment_ring_that_cannot_be_mapped(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s, t;
	int fd;

	(void)state;
	seg_create(&s);
	assert_int_equal(weir_segment_attach(dup(s.fd), true, &t, &err), 0);
	fd = t.fd;
	t.fd = -1;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), -EBADF);
	assert_non_null(strstr(err.text, "cannot map"));
	t.fd = fd;
	/* Advice that the kernel may refuse is no reason to fail. */
	t.header->backing = WEIR_BACKING_THP;
	assert_int_equal(weir_segment_map_ring(&t, 0, &err), 0);
	weir_segment_close(&t);
	weir_segment_close(&s);
}

static void test_segment_populate_without_help_of_the_kernel(void **state)
{
	struct weir_segment s;
	uint8_t *base, *none;

	(void)state;
	seg_create(&s);
	base = s.ring_base[0];
	memset(base, 0x5a, 4096);
	s.ring_base[0] = base + 8; /* "invalid", as on kernels that do not know the advice */
	assert_int_equal(weir_segment_populate_ring(&s, 0), 0);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(base[i], 0x5a);
	/* Nothing is mapped there any more. */
	none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(none, 4096);
	s.ring_base[0] = none;
	assert_int_equal(weir_segment_populate_ring(&s, 0), -ENOMEM);
	s.ring_base[0] = base;
	weir_segment_close(&s);
}

/* ---- path ---- */

static char dir[64];

static int path_setup(void **state)
{
	static char path[96];

	strcpy(dir, "/tmp/weir-seg-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/segment", dir);
	*state = path;
	return 0;
}

static int path_teardown(void **state)
{
	unlink(*state);
	return rmdir(dir);
}

static void test_segment_path_lives_as_long_as_its_creator(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s, t;
	struct seg_options o;
	struct stat st;

	seg_options(&o);
	o.opt.path = *state;
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
	assert_int_equal(stat(*state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, s.header->total_size);
	assert_int_equal(weir_segment_attach(open(*state, O_RDWR), true, &t, &err), 0);
	weir_segment_close(&t);
	/* A second one with the same path is refused while this process lives. */
	assert_int_equal(weir_segment_create(&o.opt, &t, &err), WEIR_E_BUSY);
	assert_non_null(strstr(err.text, "in use"));
	weir_segment_close(&s);
	assert_int_equal(access(*state, F_OK), -1);
}

static void test_segment_path_of_a_dead_process_is_replaced(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s;
	struct seg_options o;
	int status;
	pid_t pid;

	seg_options(&o);
	o.opt.path = *state;
	pid = fork();
	if (pid == 0)
		_exit(weir_segment_create(&o.opt, &s, &err) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(*state, F_OK), 0); /* left for inspection */
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
	/* Closed and still there: also replaced. */
	weir_store_release(&s.header->state, WEIR_SEG_CLOSED);
	s.created = false;
	weir_segment_close(&s);
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
	weir_segment_close(&s);
}

static void test_segment_path_never_replaces_other_files(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s;
	struct seg_options o;
	FILE *f;

	seg_options(&o);
	o.opt.path = *state;
	f = fopen(*state, "w");
	fputs("precious", f);
	fclose(f);
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not a weir segment"));
	assert_int_equal(access(*state, F_OK), 0);
	unlink(*state);
	/* Nor a copy made for inspection. */
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), 0);
	weir_store_release(&s.header->state, WEIR_SEG_COPY);
	assert_int_equal(weir_segment_create(&o.opt, &(struct weir_segment){0}, &err), -EEXIST);
	weir_segment_close(&s);
	/* Nor through a symbolic link, nor where there is no directory. */
	assert_int_equal(symlink("/nonexistent/file", *state), 0);
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), -ELOOP);
	unlink(*state);
	o.opt.path = "/nonexistent/segment";
	assert_int_equal(weir_segment_create(&o.opt, &s, &err), -ENOENT);
}

static void test_segment_path_too_large_leaves_no_file(void **state)
{
	struct weir_err err = {0};
	struct weir_segment s;
	struct seg_options o;

	seg_options(&o);
	o.opt.path = *state;
	o.ring[0].capacity = UINT64_C(1) << 39; /* no such disk here, or a limit of the system */
	assert_true(weir_segment_create(&o.opt, &s, &err) < 0);
	assert_non_null(strstr(err.text, "bytes of 4 KiB pages"));
	assert_int_equal(access(*state, F_OK), -1);
}

#define P(f) cmocka_unit_test_setup_teardown(f, path_setup, path_teardown)
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_segment_create_then_attach_agree),
	cmocka_unit_test(test_segment_attached_sees_the_same_ring),
	cmocka_unit_test(test_segment_layout_follows_the_format),
	cmocka_unit_test(test_segment_offsets_are_the_published_ones),
	cmocka_unit_test(test_segment_memfd_is_private_and_sealed),
	cmocka_unit_test(test_segment_mapping_touches_nothing),
	cmocka_unit_test(test_segment_map_ring_is_idempotent_and_bounded),
	cmocka_unit_test(test_segment_read_only_cannot_write),
	cmocka_unit_test(test_segment_close_marks_only_for_the_creator),
	cmocka_unit_test(test_segment_attach_by_state),
	cmocka_unit_test(test_segment_options_out_of_range_are_refused),
	cmocka_unit_test(test_segment_rings_too_large_together),
	cmocka_unit_test(test_segment_capacity_fits_the_largest_frame),
	cmocka_unit_test(test_segment_without_anything_in_it),
	cmocka_unit_test(test_segment_generations_differ),
	cmocka_unit_test(test_segment_attach_refuses_every_damage),
	cmocka_unit_test(test_segment_map_ring_refuses_damaged_positions),
	cmocka_unit_test(test_segment_attach_refuses_other_files),
	cmocka_unit_test(test_segment_without_descriptors_fails_cleanly),
	cmocka_unit_test(test_segment_ring_that_cannot_be_mapped),
	cmocka_unit_test(test_segment_populate_without_help_of_the_kernel),
	P(test_segment_path_lives_as_long_as_its_creator),
	P(test_segment_path_of_a_dead_process_is_replaced),
	P(test_segment_path_never_replaces_other_files),
	P(test_segment_path_too_large_leaves_no_file),
};

WEIR_TEST_MAIN("segment", tests)
