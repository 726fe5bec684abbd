/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "shm/inspect.h"
#include "shm/role.h"
#include "shm/schema_text.h"
#include "tests/unit/shm/seg.h"

/* A private, writable image of a segment with some frames in ring 0 and one in ring 2. */
struct image {
	uint8_t *mem;
	uint64_t size;
	struct weir_seg_header *h;
	struct weir_ring_block *ring;
	struct weir_schema schema;
	uint64_t buf[8192];
	/* findings */
	unsigned problems, notes;
	char text[4000];
};

#define FRAMES 5

static void fill_rings(struct weir_segment *s, const struct weir_schema *schema)
{
	struct weir_ring_tx tx;
	uint64_t mem[32] = {0};

	/* Begins 40 bytes before the end of the data area, so that a frame lies over it. */
	s->ring[0].head = s->ring[0].tail = 4096 - 40;
	weir_ring_tx_init(&tx, &s->ring[0], s->ring_base[0]);
	for (int i = 0; i < FRAMES; i++)
		assert_true(
			weir_ring_put_frame(&tx, seg_frame(mem, schema, 100 + i, i ? "x" : NULL)));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_BARRIER, 3, 0));
	weir_ring_publish(&tx);
	weir_ring_tx_init(&tx, &s->ring[2], s->ring_base[2]);
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_EOS, 0, 0));
	weir_ring_publish(&tx);
}

static int setup(void **state)
{
	struct image *m = test_calloc(1, sizeof(*m));
	struct weir_segment s;

	seg_create(&s);
	seg_schema(&m->schema);
	fill_rings(&s, &m->schema);
	m->size = s.header->total_size;
	m->mem = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(pread(s.fd, m->mem, m->size, 0), m->size);
	m->h = (struct weir_seg_header *)m->mem;
	m->ring = (struct weir_ring_block *)(m->mem + m->h->rings_off);
	weir_segment_close(&s);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct image *m = *state;

	munmap(m->mem, m->size);
	test_free(m);
	return 0;
}

static void open_image(struct image *m, struct weir_inspect *in)
{
	struct weir_err err = {0};

	if (weir_inspect_open(in, m->mem, m->size, &err) < 0)
		fail_msg("%s", err.text);
}

static void on_finding(void *ctx, const struct weir_finding *f)
{
	struct image *m = ctx;

	if (f->problem)
		m->problems++;
	else
		m->notes++;
	strncat(m->text, f->text, sizeof(m->text) - strlen(m->text) - 1);
	strncat(m->text, "\n", sizeof(m->text) - strlen(m->text) - 1);
}

static uint64_t check_size(struct image *m, uint64_t size, bool processes)
{
	struct weir_inspect in;
	struct weir_err err = {0};
	uint64_t n;

	m->problems = m->notes = 0;
	m->text[0] = 0;
	if (weir_inspect_open(&in, m->mem, size, &err) < 0)
		fail_msg("%s", err.text);
	n = weir_inspect_check(&in, processes, m->buf, sizeof(m->buf), on_finding, m);
	assert_int_equal(n, m->problems);
	return n;
}

static uint64_t check(struct image *m)
{
	return check_size(m, m->size, true);
}

#define assert_says(m, part)                                                                       \
	do {                                                                                       \
		if (!strstr((m)->text, (part)))                                                    \
			fail_msg("\"%s\" is not in: %s", (part), (m)->text);                       \
	} while (0)

static void test_inspect_reads_what_was_written(void **state)
{
	struct image *m = *state;
	struct weir_inspect in;
	struct weir_inspect_ring r;
	struct weir_inspect_counter c;
	struct weir_schema schema;
	struct weir_err err;
	uint32_t word;
	bool sleeping;

	open_image(m, &in);
	assert_int_equal(weir_inspect_ring(&in, 0, NULL, &r, &err), 0);
	assert_true(r.verified && r.steady && r.positions_ok);
	assert_string_equal(r.b.name, "a to b");
	assert_int_equal(r.tail - r.head, m->ring[0].tail - m->ring[0].head);
	assert_int_equal(r.producer.state, WEIR_ROLE_FREE);
	assert_int_equal(weir_inspect_counter(&in, 1, &c, &err), 0);
	assert_string_equal(c.name, "step.a.lag");
	assert_int_equal(c.kind, 1);
	assert_int_equal(weir_inspect_schema(&in, 0, &schema, &err), 0);
	assert_true(weir_schema_same(&schema, &m->schema));
	assert_int_equal(weir_inspect_doorbell(&in, 1, &word, &sleeping, &err), 0);
	assert_int_equal(word, 0);
	assert_false(sleeping);
	assert_true(weir_inspect_same(&in));
	/* Behind the last one of each. */
	assert_int_equal(weir_inspect_ring(&in, 3, NULL, &r, &err), WEIR_E_TOO_SMALL);
	assert_int_equal(weir_inspect_counter(&in, 2, &c, &err), WEIR_E_TOO_SMALL);
	assert_int_equal(weir_inspect_doorbell(&in, 2, &word, &sleeping, &err), WEIR_E_TOO_SMALL);
	assert_int_equal(weir_inspect_schema(&in, 1, &schema, &err), WEIR_E_CORRUPT);
}

static void begin_frames(struct image *m, struct weir_inspect *in, struct weir_inspect_frames *it,
			 uint64_t cap)
{
	struct weir_inspect_ring r;

	open_image(m, in);
	assert_int_equal(weir_inspect_ring(in, 0, NULL, &r, NULL), 0);
	weir_inspect_frames(it, in, &r, &m->schema, m->buf, cap);
}

static void test_inspect_frames_from_head_to_tail(void **state)
{
	struct image *m = *state;
	struct weir_inspect_frames it;
	struct weir_inspect in;
	const struct weir_frame *f;
	struct weir_err err;
	uint64_t pos, want = 4096 - 40;

	begin_frames(m, &in, &it, sizeof(m->buf));
	for (int i = 0; i < FRAMES; i++) {
		assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_FRAME);
		assert_int_equal(pos, want);
		assert_int_equal(weir_get_i64(f, &m->schema, 0), 100 + i);
		assert_int_equal(weir_null(f, &m->schema, 1), i == 0);
		want += weir_frame_stride(f);
	}
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_FRAME);
	assert_int_equal(f->kind, WEIR_FRAME_BARRIER);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_END);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_END);
}

static void test_inspect_large_frame_shows_its_header(void **state)
{
	struct image *m = *state;
	struct weir_inspect_frames it;
	struct weir_inspect in;
	const struct weir_frame *f;
	struct weir_err err;
	uint64_t pos;

	/* The first one has no text and just fits, the others do not. */
	begin_frames(m, &in, &it, 48);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_FRAME);
	for (int i = 1; i < FRAMES; i++) {
		assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_LARGE);
		assert_int_equal(f->kind, WEIR_FRAME_DATA);
	}
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_LARGE);
	assert_int_equal(f->kind, WEIR_FRAME_BARRIER);
	assert_int_equal(f->key_hash, 3);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_END);
}

static void test_inspect_overtaken_frames_are_never_shown(void **state)
{
	struct image *m = *state;
	struct weir_inspect_frames it;
	struct weir_inspect in;
	const struct weir_frame *f;
	struct weir_err err;
	uint64_t pos, second;

	begin_frames(m, &in, &it, sizeof(m->buf));
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_FRAME);
	second = it.pos;
	/* The consumer gives three frames back and the producer writes there. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_FRAME);
	weir_store_release(&m->ring[0].head, it.pos);
	it.pos = second;
	memset(m->mem + m->ring[0].data_off + (second & 4095), 0xff, 24);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_CHANGED);
	assert_int_equal(pos, second);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_FRAME);
	assert_int_equal(weir_get_i64(f, &m->schema, 0), 103);
	/* All of it given back, and more: nothing is left of what was sampled. */
	weir_store_release(&m->ring[0].head, it.end + 4096);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_CHANGED);
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_END);
}

static void test_inspect_replaced_segment_ends_the_walk(void **state)
{
	struct image *m = *state;
	struct weir_inspect_frames it;
	struct weir_inspect in;
	const struct weir_frame *f;
	struct weir_err err;
	uint64_t pos;

	begin_frames(m, &in, &it, sizeof(m->buf));
	m->h->generation++;
	assert_false(weir_inspect_same(&in));
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_BAD);
	assert_non_null(strstr(err.text, "replaced"));
	assert_int_equal(weir_inspect_next(&it, &f, &pos, &err), WEIR_INSPECT_END);
}

static void test_inspect_fine_segment_has_no_problem(void **state)
{
	struct image *m = *state;

	m->h->state = WEIR_SEG_READY;
	assert_int_equal(check(m), 0);
	assert_int_equal(m->notes, 0);
	m->h->state = WEIR_SEG_CLOSED;
	assert_int_equal(check(m), 0);
	assert_int_equal(m->notes, 1);
}

static void test_inspect_check_finds_bad_frames(void **state)
{
	struct image *m = *state;
	uint8_t *data = m->mem + m->ring[0].data_off;
	struct weir_frame *first = (struct weir_frame *)(data + 4096 - 40);

	m->h->state = WEIR_SEG_READY;
	first->kind = 99;
	assert_int_equal(check(m), 1);
	assert_says(m, "unknown kind");
	first->kind = WEIR_FRAME_DATA;
	first->size = 24; /* shorter than its fields: the next one begins in the middle */
	assert_true(check(m) > 0);
	first->size = 0;
	assert_int_equal(check(m), 1);
	assert_says(m, "frame size is 0");
	first->size = 23;
	assert_int_equal(check(m), 1);
	first->size = UINT32_MAX;
	assert_int_equal(check(m), 1);
	first->size = 48;
	assert_int_equal(check(m), 0);
	m->ring[0].tail -= 8;
	assert_int_equal(check(m), 1);
	assert_says(m, "frame size is 64, 56 bytes are published");
	m->ring[0].tail -= 40;
	assert_int_equal(check(m), 1);
	assert_says(m, "16 bytes before the tail are no frame");
	m->ring[0].tail += 48;
	/* Many wrong ones are counted, not listed. */
	for (uint64_t at = 0, i = 0; i < FRAMES; i++) {
		struct weir_frame *f =
			(struct weir_frame *)(data + ((m->ring[0].head + at) & 4095));

		at += weir_frame_stride(f);
		f->kind = 0;
	}
	assert_int_equal(check(m), 4);
	assert_says(m, "2 more wrong frames");
}

static void test_inspect_check_finds_damaged_positions(void **state)
{
	static const struct {
		uint64_t head, tail;
	} bad[] = {
		{8, 0}, {0, 4104}, {0, 12}, {4, 8}, {UINT64_MAX - 7, 0}, {0, UINT64_MAX - 7},
	};
	struct image *m = *state;

	for (unsigned i = 0; i < WEIR_COUNT_OF(bad); i++) {
		m->ring[0].head = bad[i].head;
		m->ring[0].tail = bad[i].tail;
		assert_int_equal(check(m), 1);
		assert_says(m, "R1 is broken");
	}
}

static void test_inspect_check_finds_damaged_constants(void **state)
{
	struct image *m = *state;
	uint32_t *name_off = &((struct weir_counter *)(m->mem + m->h->counters_off))[1].name_off;
	uint32_t *kind = &((struct weir_counter *)(m->mem + m->h->counters_off))[0].kind;
	char *texts = (char *)m->mem + m->h->names_off;
	uint64_t texts_size = m->h->rings_end - m->h->names_off;
	uint32_t old;

	old = *name_off;
	*name_off = UINT32_MAX;
	assert_int_equal(check(m), 1);
	assert_says(m, "name_off");
	*name_off = old;
	*kind = 2;
	assert_int_equal(check(m), 1);
	assert_says(m, "kind is 2");
	*kind = 0;
	m->h->backing = 9;
	assert_int_equal(check(m), 1);
	assert_says(m, "backing is 9");
	m->h->backing = 0;
	m->h->state = 9;
	assert_int_equal(check(m), 1);
	assert_says(m, "state is 9");
	m->h->state = WEIR_SEG_READY;
	m->ring[1].capacity = 12345;
	assert_int_equal(check(m), 1);
	assert_says(m, "capacity is 12345");
	m->ring[1].capacity = 8192;
	m->ring[1].data_off = m->ring[0].data_off;
	assert_int_equal(check(m), 1);
	assert_says(m, "overlaps");
	m->ring[1].data_off = m->ring[0].data_off + 4096;
	assert_int_equal(check(m), 0);
	texts[m->h->schemas_off - m->h->names_off] = 'X';
	assert_int_equal(check(m), 1);
	assert_says(m, "no stream line");
	memset(texts, 'x', texts_size);
	assert_true(check(m) >= 3);
	assert_says(m, "text has no end");
	assert_says(m, "name has no end");
}

static void test_inspect_check_finds_dead_processes(void **state)
{
	struct image *m = *state;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	m->h->state = WEIR_SEG_READY;
	m->ring[0].producer.state_gen = weir_role_word(WEIR_ROLE_ATTACHED, (uint32_t)pid, 1);
	m->ring[0].consumer.state_gen = weir_role_word(WEIR_ROLE_ATTACHED, (uint32_t)getpid(), 1);
	m->ring[0].consumer.start_time = weir_process_start_time((uint32_t)getpid());
	assert_int_equal(check(m), 1);
	assert_says(m, "producer (process");
	m->ring[1].consumer.state_gen = 200;
	assert_int_equal(check(m), 2);
	assert_says(m, "role state is 200");
	m->ring[1].consumer.state_gen = 0;
	m->h->creator_start_time++;
	assert_int_equal(check(m), 2);
	assert_says(m, "has not closed the segment");
	/* Nobody is looked for on request, in a copy, and when it was closed. */
	assert_int_equal(check_size(m, m->size, false), 0);
	m->h->state = WEIR_SEG_COPY;
	assert_int_equal(check(m), 0);
	m->h->state = WEIR_SEG_CLOSED;
	assert_int_equal(check(m), 0);
	m->h->state = WEIR_SEG_CREATING;
	m->h->creator_start_time--;
	m->ring[0].producer.state_gen = 0;
	assert_int_equal(check(m), 1);
	assert_says(m, "not ready");
}

static void test_inspect_every_length_is_survived(void **state)
{
	struct image *m = *state;
	struct weir_inspect in;
	struct weir_err err;
	long page = sysconf(_SC_PAGESIZE);
	uint64_t pages = (m->size + page - 1) / page;
	uint8_t *area = mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *whole = m->mem;

	/* Every cut at a page, with an unreadable page behind it; then every 128 bytes before the
	 * data areas, where parts begin and end. */
	assert_int_equal(mprotect(area + pages * page, page, PROT_NONE), 0);
	for (uint64_t size = 0; size <= m->size; size += size < 8192 ? 128 : 4096) {
		m->mem = area + pages * page - WEIR_ALIGN_UP(size, UINT64_C(128));
		memcpy(m->mem, whole, size);
		if (size < 4096) {
			assert_int_equal(weir_inspect_open(&in, m->mem, size, &err),
					 WEIR_E_TOO_SMALL);
			continue;
		}
		if (size < m->size) {
			assert_true(check_size(m, size, true) > 0);
			assert_says(m, "cut:");
		} else {
			assert_int_equal(check_size(m, size, true), 0);
		}
	}
	m->mem = whole;
	munmap(area, (pages + 1) * page);
}

static void test_inspect_frame_cut_in_the_middle(void **state)
{
	struct image *m = *state;
	uint8_t *data = m->mem + m->ring[0].data_off;

	/* Moved to the start of the area, so that its header is there and its end is not. */
	m->h->state = WEIR_SEG_READY;
	memmove(data, data + 4096 - 40, 40);
	m->ring[0].head = 4096;
	m->ring[0].tail = 4096 + 48;
	assert_true(check_size(m, m->ring[0].data_off + 32, true) > 0);
	assert_says(m, "frame at 4096: the frame is behind the end of the file");
}

static void test_inspect_check_says_what_it_left_out(void **state)
{
	struct image *m = *state;
	struct weir_inspect in;

	m->h->state = WEIR_SEG_READY;
	open_image(m, &in);
	assert_int_equal(weir_inspect_check(&in, true, m->buf, 24, on_finding, m), 0);
	assert_says(m, "6 frames are too large to look into\n1 frames are");
}

static void test_inspect_refuses_what_is_no_segment(void **state)
{
	struct image *m = *state;
	struct weir_inspect in;
	struct weir_err err;

	m->h->magic++;
	assert_int_equal(weir_inspect_open(&in, m->mem, m->size, &err), WEIR_E_FORMAT);
	m->h->magic--;
	m->h->version = 2;
	assert_int_equal(weir_inspect_open(&in, m->mem, m->size, &err), WEIR_E_VERSION);
	m->h->version = 1;
	m->h->ring_count = UINT32_MAX;
	assert_int_equal(weir_inspect_open(&in, m->mem, m->size, &err), WEIR_E_CORRUPT);
}

/* ---- schema text ---- */

static void test_schema_text_round_trip_of_odd_names(void **state)
{
	static char text[WEIR_SCHEMA_TEXT_MAX];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	struct weir_schema s = {.stream = 65535}, back;
	struct weir_err err;
	int i;

	(void)state;
	weir_schema_add(&s, WEIR_STR("a b\\x20\n\x7f"), weir_type_of(WEIR_INT64), true);
	i = weir_schema_add(&s, WEIR_STR("t"), weir_type_of(WEIR_TIMESTAMP), false);
	strcpy(s.field[i].format, "%Y %m\\%d");
	weir_schema_add(&s, WEIR_STR("d"),
			(struct weir_typeinfo){.type = WEIR_DECIMAL, .precision = 10, .scale = 2},
			false);
	weir_schema_add(&s, WEIR_STR("\xc3\xa9"),
			(struct weir_typeinfo){.type = WEIR_LIST, .elem = WEIR_STRING}, true);
	weir_schema_seal(&s);
	weir_buf_schema_text(&b, &s);
	assert_false(b.full);
	if (weir_schema_text_parse((struct weir_str){b.p, b.len}, &back, &err) < 0)
		fail_msg("%s: %.*s", err.text, (int)b.len, b.p);
	assert_true(weir_schema_same(&s, &back));
	assert_int_equal(back.stream, 65535);
	assert_string_equal(back.field[1].format, "%Y %m\\%d");
	assert_int_equal(back.fixed_size, s.fixed_size);
}

static void test_schema_text_largest_fits(void **state)
{
	static char text[WEIR_SCHEMA_TEXT_MAX];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	static struct weir_schema s, back;
	struct weir_err err;
	char name[WEIR_NAME_MAX];

	(void)state;
	memset(name, 1, sizeof(name));
	for (unsigned i = 0; i < WEIR_FIELDS_MAX; i++) {
		name[0] = (char)(i + 1);
		assert_int_equal(weir_schema_add(&s, (struct weir_str){name, sizeof(name)},
						 weir_type_of(WEIR_TIMESTAMP), true),
				 i);
		memset(s.field[i].format, '\\', WEIR_FORMAT_MAX);
	}
	weir_schema_seal(&s);
	weir_buf_schema_text(&b, &s);
	assert_false(b.full);
	(void)weir_schema_text_parse((struct weir_str){b.p, b.len}, &back, &err);
}

static void test_schema_text_refuses_other_texts(void **state)
{
	static const char *const bad[] = {
		"",
		"stream 1",
		"stream \n",
		"stream x\n",
		"stream 65536\n",
		"strum 1\n",
		"stream 1\nid int64",
		"stream 1\nid\n",
		"stream 1\n int64\n",
		"stream 1\nid int65\n",
		"stream 1\nid int64\nid int64\n",
		"stream 1\ni\\x0 int64\n",
		"stream 1\ni\\y00 int64\n",
		"stream 1\ni\\x00 int64\n",
		"stream 1\ni\\xg0 int64\n",
		"stream 1\ni\\x0G int64\n",
		("stream 1\n0123456789012345678901234567890123456789012345678901234567890123 "
		 "int64\n"),
	};
	struct weir_schema s;
	struct weir_err err;

	(void)state;
	for (unsigned i = 0; i < WEIR_COUNT_OF(bad); i++) {
		err.text[0] = 0;
		if (weir_schema_text_parse(weir_str_c(bad[i]), &s, &err) >= 0 || !err.text[0])
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(weir_schema_text_parse(WEIR_STR("stream 1\n"), &s, &err), 0);
	assert_int_equal(s.field_count, 0);
}

static void test_schema_text_of_many(void **state)
{
	struct weir_str all = {"one\0two\0\0four", 13}, text;

	(void)state;
	assert_true(weir_schema_text_at(all, 0, &text));
	assert_true(weir_str_is(text, "one"));
	assert_true(weir_schema_text_at(all, 1, &text));
	assert_true(weir_str_is(text, "two"));
	assert_true(weir_schema_text_at(all, 2, &text));
	assert_int_equal(text.n, 0);
	assert_false(weir_schema_text_at(all, 3, &text)); /* has no end */
	assert_false(weir_schema_text_at(all, UINT32_MAX, &text));
	assert_false(weir_schema_text_at((struct weir_str){NULL, 0}, 0, &text));
}

/* ---- live ---- */

static void test_inspect_live_ring_shows_only_whole_frames(void **state)
{
	struct weir_segment s;
	struct weir_schema schema;
	struct weir_inspect in;
	struct weir_err err;
	uint64_t buf[64], seen = 0, changed = 0;
	pid_t pid;

	(void)state;
	seg_create(&s);
	seg_schema(&schema);
	pid = fork();
	if (pid == 0) {
		struct weir_ring_tx tx;
		struct weir_ring_rx rx;
		const void *p;

		weir_ring_tx_init(&tx, &s.ring[0], s.ring_base[0]);
		weir_ring_rx_init(&rx, &s.ring[0], s.ring_base[0]);
		for (uint64_t i = 0;; i++) {
			struct weir_builder b;
			void *at = weir_ring_claim(&tx, 64);
			char text[24];

			snprintf(text, sizeof(text), "%016llx", (unsigned long long)i);
			weir_build_begin(&b, at, 64, &schema);
			weir_build_i64(&b, 0, (int64_t)i);
			weir_build_str(&b, 1, weir_str_c(text));
			weir_build_end(&b);
			weir_ring_keep(&tx, 64);
			weir_ring_publish(&tx);
			if (i >= 50) {
				weir_ring_peek(&rx, 64, &p);
				weir_ring_consume(&rx, 64);
				weir_ring_release(&rx);
			}
		}
	}
	assert_int_equal(weir_inspect_open(&in, s.map, s.header->total_size, &err), 0);
	/* The mapping of the header does not reach the data: map all of it. */
	in.mem = mmap(NULL, s.header->total_size, PROT_READ, MAP_SHARED, s.fd, 0);
	while (seen < 20000) {
		struct weir_inspect_frames it;
		struct weir_inspect_ring r;
		enum weir_inspect_step step;
		const struct weir_frame *f;
		uint64_t pos;

		assert_int_equal(weir_inspect_ring(&in, 0, NULL, &r, &err), 0);
		assert_true(r.positions_ok);
		weir_inspect_frames(&it, &in, &r, &schema, buf, sizeof(buf));
		while ((step = weir_inspect_next(&it, &f, &pos, &err)) != WEIR_INSPECT_END) {
			char text[24];

			if (step == WEIR_INSPECT_CHANGED) {
				changed++;
				continue;
			}
			if (step != WEIR_INSPECT_FRAME)
				fail_msg("step %d: %s", step, err.text);
			seen++;
			assert_int_equal(weir_get_i64(f, &schema, 0), pos / 64);
			snprintf(text, sizeof(text), "%016llx", (unsigned long long)pos / 64);
			assert_true(weir_str_is(weir_get_str(f, &schema, 1), text));
		}
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	print_message("%llu frames, overtaken %llu times\n", (unsigned long long)seen,
		      (unsigned long long)changed);
	munmap((void *)in.mem, s.header->total_size);
	weir_segment_close(&s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(test_inspect_reads_what_was_written),
	T(test_inspect_frames_from_head_to_tail),
	T(test_inspect_large_frame_shows_its_header),
	T(test_inspect_overtaken_frames_are_never_shown),
	T(test_inspect_replaced_segment_ends_the_walk),
	T(test_inspect_fine_segment_has_no_problem),
	T(test_inspect_check_finds_bad_frames),
	T(test_inspect_check_finds_damaged_positions),
	T(test_inspect_check_finds_damaged_constants),
	T(test_inspect_check_finds_dead_processes),
	T(test_inspect_every_length_is_survived),
	T(test_inspect_frame_cut_in_the_middle),
	T(test_inspect_check_says_what_it_left_out),
	T(test_inspect_refuses_what_is_no_segment),
	cmocka_unit_test(test_schema_text_round_trip_of_odd_names),
	cmocka_unit_test(test_schema_text_largest_fits),
	cmocka_unit_test(test_schema_text_refuses_other_texts),
	cmocka_unit_test(test_schema_text_of_many),
	cmocka_unit_test(test_inspect_live_ring_shows_only_whole_frames),
};

WEIR_TEST_MAIN("inspect", tests)
