/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl text against a schema of all types, and against two streams told apart by a member. */
#include "tests/fuzz/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_schema schema[3];
	static const struct weir_schema *schemas[] = {&schema[0], &schema[1], &schema[2]};
	static const char *names[] = {"a", "b", "c"};
	static const int32_t time_field[] = {-1, -1, -1}, timed[] = {6};
	static struct fuzz all, streams;

	if (!all.d) {
		fuzz_field(&schema[0], "b", "bool?");
		fuzz_field(&schema[0], "i", "int64?");
		fuzz_field(&schema[0], "f", "float64?");
		fuzz_field(&schema[0], "d", "decimal(7,3)?");
		fuzz_field(&schema[0], "s", "string?");
		fuzz_field(&schema[0], "y", "bytes?");
		fuzz_field(&schema[0], "t", "timestamp");
		fuzz_field(&schema[0], "q", "timestamp(%Q)?");
		fuzz_field(&schema[0], "v", "duration?");
		fuzz_field(&schema[0], "l", "list<int64>?");
		fuzz_field(&schema[0], "ls", "list<string>?");
		fuzz_field(&schema[0], "a_name_of_more_than_16_bytes", "list<float64>?");
		fuzz_field(&schema[1], "i", "int64");
		fuzz_field(&schema[1], "type", "string");
		fuzz_field(&schema[2], "s", "string?");
		schema[1].stream = 1;
		schema[2].stream = 2;
		all.spec = (struct weir_decoder_spec){.format = WEIR_FORMAT_JSONL,
						      .stream_count = 1,
						      .schema = schemas,
						      .stream_name = names,
						      .time_field = timed};
		fuzz_open(&all);
		streams.spec = (struct weir_decoder_spec){.format = WEIR_FORMAT_JSONL,
							  .stream_count = 3,
							  .schema = schemas,
							  .stream_name = names,
							  .time_field = time_field,
							  .type_field = "type",
							  .want = {true, true, false},
							  .text_max = 100};
		fuzz_open(&streams);
	}
	fuzz_both(&all, data, size);
	fuzz_both(&streams, data, size);
	return 0;
}
