/* SPDX-License-Identifier: Apache-2.0 */
/* csv text against a schema of all its types, with and without header, and another delimiter. */
#include "tests/fuzz/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir_schema schema;
	static const struct weir_schema *schemas[] = {&schema};
	static const char *names[] = {NULL};
	static const int32_t time_field[] = {6};
	static struct fuzz z[4];

	if (!z[0].d) {
		fuzz_field(&schema, "b", "bool");
		fuzz_field(&schema, "i", "int64?");
		fuzz_field(&schema, "f", "float64?");
		fuzz_field(&schema, "d", "decimal(7,3)?");
		fuzz_field(&schema, "s", "string?");
		fuzz_field(&schema, "y", "bytes");
		fuzz_field(&schema, "t", "timestamp");
		fuzz_field(&schema, "u", "timestamp(%Y/%m/%d %H:%M:%S)?");
		fuzz_field(&schema, "v", "duration?");
		for (int i = 0; i < 4; i++) {
			z[i].spec = (struct weir_decoder_spec){
				.format = WEIR_FORMAT_CSV,
				.csv = {.delimiter = i & 2 ? ';' : ',',
					.header = i & 1,
					.null_text = i & 2 ? "NULL" : ""},
				.stream_count = 1,
				.schema = schemas,
				.stream_name = names,
				.time_field = time_field,
				.text_max = i & 2 ? 64 : 0};
			fuzz_open(&z[i]);
		}
	}
	for (int i = 0; i < 4; i++)
		fuzz_both(&z[i], data, size);
	return 0;
}
