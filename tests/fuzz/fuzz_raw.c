/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw files. The head's size and checksum are made right first, as no fuzzer would guess them; then the
 * file is read by whatever schemas it names, copied and in place.
 */
#include "engine/core/raw_head.h"
#include "tests/fuzz/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fix_head(uint8_t *p, size_t n)
{
	uint32_t bytes;
	uint64_t sum;

	memcpy(&bytes, p + 12, 4);
	bytes &= ~7u;
	if (bytes < WEIR__RAW_HEAD_MIN || bytes > n)
		return;
	memcpy(p, WEIR__RAW_MAGIC, 8);
	memcpy(p + 12, &bytes, 4);
	sum = weir_hash_text((struct weir_str){(const char *)p, bytes - 8});
	memcpy(p + bytes - 8, &sum, 8);
}

static void in_place(struct fuzz *z, uint8_t *p, size_t n)
{
	size_t at = 0;

	weir_decoder_restart(z->d);
	for (;;) {
		const struct weir_frame *f;
		struct weir_decoded r;
		int rc = weir_raw_next(z->d, (char *)p + at, n - at, true, &f, &r, NULL);

		if (rc || r.kind == WEIR_DECODE_MORE)
			break;
		weir_assert((r.kind == WEIR_DECODE_RECORD) == (f != NULL));
		at += r.consumed;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_region region;
	struct weir_schema *schema;
	const char **name;
	uint32_t count;
	size_t head;
	uint8_t *copy;

	if (size < 24)
		return 0;
	weir_region_init(&region, &fuzz_mem);
	copy = malloc(size);
	weir_assert(copy);
	memcpy(copy, data, size);
	fix_head(copy, size);
	if (weir_raw_head_parse(copy, size, &region, &schema, &name, &count, &head, NULL) == 0) {
		const struct weir_schema *schemas[WEIR_STREAMS_MAX];
		int32_t time_field[WEIR_STREAMS_MAX];
		struct fuzz z = {.spec = {.format = WEIR_FORMAT_RAW,
					  .stream_count = count,
					  .schema = schemas,
					  .stream_name = name,
					  .time_field = time_field,
					  .text_max = FUZZ_CAP}};

		for (uint32_t i = 0; i < count; i++) {
			schemas[i] = &schema[i];
			time_field[i] = -1;
			if (schema[i].field[0].type.type == WEIR_TIMESTAMP)
				time_field[i] = 0;
			z.spec.want[i] = i != 1;
		}
		if (weir_decoder_new(&z.spec, &region, &z.d, NULL) == 0) {
			z.enc = (struct weir_encoder_spec){.format = WEIR_FORMAT_JSONL,
							   .stream_count = count,
							   .schema = schemas,
							   .stream_name = name};
			fuzz_both(&z, copy, size);
			in_place(&z, copy, size);
		}
	}
	free(copy);
	weir_region_fini(&region);
	return 0;
}
