/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/engine/decode_lib.h"

#include "base/keyhash.h"

#define HEAD_MAX 4096

static struct bench *raw(const char *schema)
{
	struct bench *b = bench_new(WEIR_FORMAT_RAW);

	schema_of(&b->schema[0], schema);
	return b;
}

static struct weir_encoder_spec encoder(struct bench *b)
{
	return (struct weir_encoder_spec){.format = WEIR_FORMAT_RAW,
					  .stream_count = b->spec.stream_count,
					  .schema = b->schemas,
					  .stream_name = b->names};
}

/* A file with one record for each value of the stream's int64 field 0. */
static struct weir_str file_of(struct bench *b, char *text, size_t cap, const int64_t *value,
			       size_t count)
{
	struct weir_encoder_spec e = encoder(b);
	struct weir_buf buf = weir_buf_of(text, cap);

	weir_encode_head(&e, &buf);
	for (size_t i = 0; i < count; i++) {
		uint64_t mem[64];
		struct weir_builder w;

		weir_build_begin(&w, mem, sizeof(mem), b->schemas[0]);
		weir_build_i64(&w, 0, value[i]);
		assert_true(weir_build_end(&w));
		w.f->flags = WEIR_FRAME_F_HASHED;
		w.f->key_hash = 77;
		weir_encode_record(&e, &buf, w.f);
	}
	assert_false(buf.full);
	return (struct weir_str){text, buf.len};
}

static size_t head_size(struct weir_str text)
{
	uint32_t n;

	memcpy(&n, text.p + 12, 4);
	return n;
}

static void test_head_tells_streams_and_schemas(void **state)
{
	struct bench *b =
		raw("a:int64 b:string? c:decimal(9,3) d:timestamp(%d/%m~%H) l:list<bytes>");
	struct weir_encoder_spec e;
	char text[HEAD_MAX];
	struct weir_buf buf = weir_buf_of(text, sizeof(text));
	struct weir_schema *schema;
	const char **name;
	uint32_t count;
	size_t head;
	struct weir_err err = {0};

	(void)state;
	schema_of(&b->schema[1], "x:duration");
	strcpy(b->schema[1].field[0].name, "odd\tna\\me\n");
	b->names[0] = "first";
	b->names[1] = "second one";
	b->spec.stream_count = 2;
	e = encoder(b);
	weir_encode_head(&e, &buf);
	assert_false(buf.full);
	assert_int_equal(buf.len % 8, 0);
	for (size_t n = 0; n < buf.len; n++)
		assert_int_equal(weir_raw_head_parse(text, n, &b->region, &schema, &name, &count,
						     &head, &err),
				 WEIR_E_TOO_SMALL);
	assert_int_equal(weir_raw_head_parse(text, buf.len, &b->region, &schema, &name, &count,
					     &head, &err),
			 0);
	assert_int_equal(count, 2);
	assert_int_equal(head, buf.len);
	assert_string_equal(name[0], "first");
	assert_string_equal(name[1], "second one");
	for (int i = 0; i < 2; i++) {
		assert_true(weir_schema_same(&schema[i], &b->schema[i]));
		assert_int_equal(schema[i].stream, i);
		assert_int_equal(schema[i].fixed_size, b->schema[i].fixed_size);
	}
	assert_string_equal(schema[0].field[3].format, "%d/%m %H");
	/* No room: nothing half. */
	buf = weir_buf_of(text, 40);
	weir_encode_head(&e, &buf);
	assert_true(buf.full);
	bench_free(b);
}

static void seal(char *text, size_t n)
{
	uint32_t bytes = (uint32_t)n;
	uint64_t sum;

	memcpy(text + 12, &bytes, 4);
	sum = weir_hash_text((struct weir_str){text, n - 8});
	memcpy(text + n - 8, &sum, 8);
}

/* The code for a head with this text, checksum and all. */
static int head_of(const char *lines)
{
	char text[HEAD_MAX] = "weir-raw\1\0\0\0";
	size_t n = 16 + strlen(lines);
	struct weir_region region;
	struct weir_schema *schema;
	const char **name;
	uint32_t count;
	size_t head;
	struct weir_err err = {0};
	int rc;

	weir_region_init(&region, &weir_test_mem);
	memcpy(text + 16, lines, strlen(lines));
	n = (n + 7) / 8 * 8 + 8;
	seal(text, n);
	rc = weir_raw_head_parse(text, n, &region, &schema, &name, &count, &head, &err);
	if (rc)
		assert_string_equal(err.text, "damaged head: the text of stream 0 makes no sense");
	weir_region_fini(&region);
	return rc;
}

static void test_head_with_wrong_text(void **state)
{
	static const char *const bad[] = {
		"",
		"stream\ta",
		"stream\ta\n",
		"stream\ta\nfield\tx\tint64",
		"stream\ta\tb\nfield\tx\tint64\n",
		"stream\ta\nfield\tx\n",
		"stream\ta\nfield\tx\tint65\n",
		"stream\ta\nfield\tx\tint64\tz\n",
		"stream\ta\nfield\t\tint64\n",
		"stream\ta\nfield\tx\tint64\nfield\tx\tint64\n",
		"stream\ta\nfoo\tx\tint64\n",
		"river\ta\nfield\tx\tint64\n",
		"field\tx\tint64\n",
		"stream\ta\\\nfield\tx\tint64\n",
		"stream\ta\\x\nfield\tx\tint64\n",
		"stream\taaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nfield\tx"
		"\t"
		"int64\n",
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++)
		assert_int_equal(head_of(bad[i]), WEIR_E_CORRUPT);
	assert_int_equal(head_of("stream\t\nfield\tx\tint64?\n"), 0);
}

static void test_head_that_is_no_head(void **state)
{
	struct bench *b = raw("a:int64");
	char text[HEAD_MAX], broken[HEAD_MAX];
	const int64_t v = 5;
	struct weir_str file = file_of(b, text, sizeof(text), &v, 1);
	size_t head = head_size(file);

	(void)state;
	bench_open(b);
	expect(b, "id,name\n1,x\n", "E not a raw file: it does not start with \"weir-raw\"\n");
	expect_bytes(b, (struct weir_str){text, head - 1}, "E the file ends inside its head\n");
	expect_bytes(b, (struct weir_str){text, 9}, "E the file ends inside its head\n");
	expect(b, "", "");
	/* No byte of the head can change without being noticed. */
	for (size_t i = 0; i < head; i++) {
		memcpy(broken, text, file.n);
		broken[i] ^= 0x40;
		assert_memory_equal(transcript(b, (struct weir_str){broken, file.n}, SIZE_MAX,
					       FRAME_CAP),
				    "E ", 2);
	}
	memcpy(broken, text, file.n);
	broken[8] = 2;
	expect_bytes(b, (struct weir_str){broken, file.n},
		     "E raw format version 2; this program knows version 1\n");
	broken[8] = 1;
	broken[12] = 9;
	expect_bytes(b, (struct weir_str){broken, file.n},
		     "E damaged head: its size cannot be 9\n");
	bench_free(b);
}

static void test_records_and_their_time(void **state)
{
	struct bench *b = raw("t:timestamp? s:string?");
	char text[HEAD_MAX];
	const int64_t v[] = {1, 2000000000};
	struct weir_str file = file_of(b, text, sizeof(text), v, 2);

	(void)state;
	/* The file's numbers of streams are not ours. */
	b->schema[0].stream = 9;
	bench_open(b);
	expect_bytes(b, file,
		     "{\"t\":\"1970-01-01T00:00:00.000000001Z\",\"s\":\"\"}\n"
		     "{\"t\":\"1970-01-01T00:00:02Z\",\"s\":\"\"}\n");
	b->time_field[0] = 0;
	bench_open(b);
	expect_bytes(b, file,
		     "@1{\"t\":\"1970-01-01T00:00:00.000000001Z\",\"s\":\"\"}\n"
		     "@2000000000{\"t\":\"1970-01-01T00:00:02Z\",\"s\":\"\"}\n");
	/* The first record's null bit of t. */
	text[head_size(file) + 24] |= 1;
	memset(text + head_size(file) + 32, 0, 8);
	assert_memory_equal(transcript(b, file, 1, FRAME_CAP), "! 1:0 event time field t is null [",
			    34);
	bench_free(b);
}

static void test_file_of_another_schema(void **state)
{
	struct bench *b = raw("a:int64 b:string");
	char text[HEAD_MAX];
	struct weir_str file;

	(void)state;
	b->names[0] = "bid";
	file = file_of(b, text, sizeof(text), NULL, 0);
	schema_of(&b->schema[0], "a:int64 b:string?");
	bench_open(b);
	expect_bytes(b, file, "E stream \"bid\": field 2 is b string in the file, not b string?\n");
	schema_of(&b->schema[0], "a:int64 c:string");
	bench_open(b);
	expect_bytes(b, file, "E stream \"bid\": field 2 is b string in the file, not c string\n");
	schema_of(&b->schema[0], "a:int64");
	bench_open(b);
	expect_bytes(b, file, "E stream \"bid\": the file has 2 fields, not 1\n");
	b->names[0] = "person";
	bench_open(b);
	expect_bytes(b, file, "E the file has no stream \"person\"\n");
	bench_free(b);
}

static void test_several_streams(void **state)
{
	struct bench *b = raw("a:int64");
	char text[HEAD_MAX];
	struct weir_encoder_spec e;
	struct weir_buf buf = weir_buf_of(text, sizeof(text));
	uint64_t mem[64];
	struct weir_builder w;

	(void)state;
	schema_of(&b->schema[1], "x:bool");
	schema_of(&b->schema[2], "y:float64");
	for (int i = 0; i < 3; i++)
		b->schema[i].stream = (uint16_t)(i + 4);
	b->names[0] = "one";
	b->names[1] = "two";
	b->names[2] = "three";
	b->spec.stream_count = 3;
	e = encoder(b);
	weir_encode_head(&e, &buf);
	for (int i = 0; i < 9; i++) {
		weir_build_begin(&w, mem, sizeof(mem), &b->schema[i % 3]);
		weir_build_slot(&w, 0, i & 1);
		assert_true(weir_build_end(&w));
		weir_encode_record(&e, &buf, w.f);
	}
	b->spec.want[0] = false;
	bench_open(b);
	expect_bytes(b, (struct weir_str){text, buf.len},
		     "1{\"x\":true}\n2{\"y\":0}\n1{\"x\":false}\n2{\"y\":5e-324}\n1{\"x\":true}\n2{"
		     "\"y\":0}\n");
	/* Two of them, the other way round. */
	b->schemas[0] = &b->schema[2];
	b->names[0] = "three";
	b->spec.want[0] = true;
	b->spec.stream_count = 2;
	bench_open(b);
	expect_bytes(b, (struct weir_str){text, buf.len},
		     "1{\"x\":true}\n0{\"y\":0}\n1{\"x\":false}\n0{\"y\":5e-324}\n1{\"x\":true}\n0{"
		     "\"y\":0}\n");
	/* One without a name cannot be told from the others. */
	b->schemas[0] = &b->schema[0];
	b->names[0] = NULL;
	b->spec.stream_count = 1;
	bench_open(b);
	expect_bytes(b, (struct weir_str){text, buf.len},
		     "E the file has several streams; say which one is meant\n");
	/* Two of one name. */
	b->spec.stream_count = 2;
	b->names[0] = b->names[1] = "two";
	b->schemas[0] = b->schemas[1];
	e = encoder(b);
	buf.len = 0;
	weir_encode_head(&e, &buf);
	b->spec.stream_count = 1;
	bench_open(b);
	expect_bytes(b, (struct weir_str){text, buf.len}, "E the file has stream \"two\" twice\n");
	bench_free(b);
}

static void test_damaged_records(void **state)
{
	struct bench *b = raw("a:int64 s:string?");
	char text[HEAD_MAX], broken[HEAD_MAX];
	const int64_t v[] = {1, 2, 3};
	struct weir_str file = file_of(b, text, sizeof(text), v, 3), damaged = {broken, file.n};
	size_t head = head_size(file), stride = (file.n - head) / 3;
	const char *said;

	(void)state;
	bench_open(b);
	/* A slot that points outside: this record only. */
	memcpy(broken, text, file.n);
	memset(broken + head + stride + 40, 0x7f, 8);
	said = transcript(b, damaged, 5, FRAME_CAP);
	assert_non_null(strstr(said, "{\"a\":1,\"s\":\"\"}\n! 2:0 damaged record: a field points "
				     "outside of it ["));
	assert_non_null(strstr(said, " bytes]\n{\"a\":3,\"s\":\"\"}\n"));
	/* A stream that the head does not have. */
	memcpy(broken, text, file.n);
	broken[head + 6] = 1;
	assert_non_null(strstr(transcript(b, damaged, 5, FRAME_CAP),
			       "! 1:0 stream 1 is not in the file's head ["));
	/* A header without sense: nothing behind it can be found. */
	memcpy(broken, text, file.n);
	memset(broken + head + stride, 0, 8);
	expect_bytes(b, damaged,
		     "{\"a\":1,\"s\":\"\"}\nE damaged data: record 2 has no sound header, so the "
		     "ones behind it cannot be found\n");
	/* Control frames are passed over. */
	memcpy(broken, text, head);
	memset(broken + head, 0, 24);
	broken[head] = 24;
	broken[head + 4] = WEIR_FRAME_WATERMARK;
	memcpy(broken + head + 24, text + head, stride);
	expect_bytes(b, (struct weir_str){broken, head + 24 + stride}, "{\"a\":1,\"s\":\"\"}\n");
	/* Cut off anywhere: a reject at the end. */
	for (size_t n = 1; n < stride; n++) {
		said = transcript(b, (struct weir_str){text, head + stride + n}, 3, FRAME_CAP);
		assert_non_null(strstr(said, "{\"a\":1,\"s\":\"\"}\n! 2:0 the file ends inside a "
					     "record ["));
	}
	bench_free(b);
}

static void test_record_that_is_too_large(void **state)
{
	struct bench *b = raw("s:string");
	struct weir_encoder_spec e = encoder(b);
	char text[HEAD_MAX], long_text[300];
	struct weir_buf buf = weir_buf_of(text, sizeof(text));
	const char *said;

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	weir_encode_head(&e, &buf);
	for (size_t i = 0; i < 3; i++) {
		uint64_t mem[64];
		struct weir_builder w;

		weir_build_begin(&w, mem, sizeof(mem), b->schemas[0]);
		weir_build_str(&w, 0, (struct weir_str){long_text, i == 1 ? 300 : 3});
		assert_true(weir_build_end(&w));
		weir_encode_record(&e, &buf, w.f);
	}
	bench_open(b);
	said = transcript(b, (struct weir_str){text, buf.len}, 1, 64);
	assert_non_null(strstr(said, "{\"s\":\"xxx\"}\n! 2:0 the record is larger than record_max "
				     "(64 bytes) ["));
	assert_non_null(strstr(said, " bytes]\n{\"s\":\"xxx\"}\n"));
	b->spec.text_max = 128;
	bench_open(b);
	expect_bytes(b, (struct weir_str){text, buf.len},
		     "{\"s\":\"xxx\"}\n! 2:0 the record has 336 bytes, more than 128 [0 bytes]\n"
		     "{\"s\":\"xxx\"}\n");
	/* The large one is the last, and cut. */
	said = transcript(b, (struct weir_str){text, buf.len - 60}, 1, FRAME_CAP);
	assert_non_null(strstr(said, "the record has 336 bytes, more than 128 [0 bytes]\n"
				     "! 3:0 the file ends inside a record ["));
	bench_free(b);
}

static void test_in_place_frames_are_those_of_a_copy_also_the_second_time(void **state)
{
	struct bench *b = raw("t:timestamp s:string?");
	uint64_t memory[HEAD_MAX / 8];
	char *text = (char *)memory;
	const int64_t v[] = {11, 22, 33};
	struct weir_str file = file_of(b, text, sizeof(memory), v, 3);

	(void)state;
	/* One is damaged, and the numbers of the streams differ. */
	memset(text + head_size(file) + (file.n - head_size(file)) / 3 + 40, 0x7f, 8);
	b->time_field[0] = 0;
	b->schema[0].stream = 3;
	bench_open(b);
	for (int pass = 0; pass < 2; pass++) {
		size_t at = 0, i = 0, rejects = 0;

		weir_decoder_restart(b->d);
		for (;;) {
			const struct weir_frame *f;
			struct weir_decoded r;
			struct weir_err err = {0};

			assert_int_equal(
				weir_raw_next(b->d, text + at, file.n - at, true, &f, &r, &err), 0);
			if (r.kind == WEIR_DECODE_MORE)
				break;
			rejects += r.kind == WEIR_DECODE_REJECT;
			assert_int_equal(r.kind == WEIR_DECODE_RECORD, f != NULL);
			if (f) {
				assert_ptr_equal(f, text + at);
				assert_int_equal(f->time_ns, v[i == 1 ? 2 : i]);
				assert_int_equal(f->flags, WEIR_FRAME_F_TIMED);
				assert_int_equal(f->key_hash, 0);
				i++;
			}
			at += r.consumed;
		}
		assert_int_equal(at, file.n);
		assert_int_equal(i, 2);
		assert_int_equal(rejects, 1);
	}
	text[0] = 'x';
	for (int i = 0; i < 2; i++) {
		const struct weir_frame *f;
		struct weir_decoded r;
		struct weir_err err = {0};

		if (i == 0)
			weir_decoder_restart(b->d);
		assert_int_equal(weir_raw_next(b->d, text, file.n, true, &f, &r, &err),
				 WEIR_E_FORMAT);
		assert_null(f);
		assert_int_equal(err.code, WEIR_E_FORMAT);
	}
	bench_free(b);
}

static void test_encode_then_decode_gives_the_same(void **state)
{
	struct bench *b = raw("b:bool i:int64? f:float64 d:decimal(10,2) s:string? y:bytes "
			      "t:timestamp u:duration? l:list<string>? m:list<int64>");

	(void)state;
	schema_of(&b->schema[1], "s:string l:list<bytes>?");
	b->schema[1].stream = 1;
	b->names[0] = "a";
	b->names[1] = "b";
	b->spec.stream_count = 2;
	bench_open(b);
	round_trip(b, 60);
	bench_free(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_head_tells_streams_and_schemas),
	cmocka_unit_test(test_head_with_wrong_text),
	cmocka_unit_test(test_head_that_is_no_head),
	cmocka_unit_test(test_records_and_their_time),
	cmocka_unit_test(test_file_of_another_schema),
	cmocka_unit_test(test_several_streams),
	cmocka_unit_test(test_damaged_records),
	cmocka_unit_test(test_record_that_is_too_large),
	cmocka_unit_test(test_in_place_frames_are_those_of_a_copy_also_the_second_time),
	cmocka_unit_test(test_encode_then_decode_gives_the_same),
};

WEIR_TEST_MAIN("raw", tests)
