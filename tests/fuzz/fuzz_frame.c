/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame. The first byte chooses the schema. What weir_frame_check() lets through
 * must be printable and copyable without reading outside, and the copy must say the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/keyhash.h"
#include "base/schema.h"

#define COPY_BYTES ((size_t)64 * 1024)
#define JSON_BYTES ((size_t)256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const field_types[][8] = {
	{"int64", "string", "decimal(10,2)?", "list<string>"},
	{"bool?", "float64?", "timestamp?", "duration?", "bytes?", "list<bool>?", "list<float64>"},
	{"string", "bytes", "string"},
	{"list<bytes>", "list<timestamp>", "list<decimal(18,9)>", "list<string>?"},
};

static struct weir_schema *schema_of(unsigned which)
{
	static struct weir_schema s;
	char name[] = "a";

	memset(&s, 0, sizeof(s));
	for (unsigned i = 0; i < 8 && field_types[which][i]; i++) {
		struct weir_field f;

		weir_assert(weir_type_parse(weir_str_c(field_types[which][i]), &f, NULL) == 0);
		name[0] = (char)('a' + i);
		weir_assert(weir_schema_add(&s, weir_str_c(name), f.type, f.nullable) == (int)i);
	}
	weir_schema_seal(&s);
	return &s;
}

/* false when it does not fit cap bytes: texts may share bytes, and grow by copying. */
static bool copy(const struct weir_frame *f, const struct weir_schema *s, void *mem, size_t cap)
{
	struct weir_builder b;

	weir_build_begin(&b, mem, cap, s);
	for (unsigned i = 0; i < s->field_count; i++)
		weir_build_copy(&b, i, f, s, i);
	if (!weir_build_end(&b))
		return false;
	weir_assert(weir_frame_check(mem, cap, s) == 0);
	return true;
}

static void hash_keys(const struct weir_frame *f, const struct weir_schema *s)
{
	for (uint16_t i = 0; i < s->field_count; i++)
		if (s->field[i].type.type != WEIR_LIST)
			weir_key_hash(f, s, &i, 1);
}

static void use(const struct weir_frame *f, size_t available, const struct weir_schema *s)
{
	char *json = malloc(JSON_BYTES), *again = malloc(JSON_BYTES);
	size_t tight = WEIR_MIN((size_t)weir_frame_stride(f), available);
	void *small = malloc(tight), *large = malloc(COPY_BYTES);
	struct weir_buf a = weir_buf_of(json, JSON_BYTES), b = weir_buf_of(again, JSON_BYTES);

	weir_assert(weir_frame_stride(f) <= available);
	weir_buf_record_json(&a, f, s);
	hash_keys(f, s);
	copy(f, s, small, tight);
	if (copy(f, s, large, COPY_BYTES)) {
		weir_buf_record_json(&b, large, s);
		weir_assert(a.full == b.full);
		weir_assert(a.full || (a.len == b.len && memcmp(a.p, b.p, a.len) == 0));
	}
	free(json);
	free(again);
	free(small);
	free(large);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_schema *s;
	size_t n = size - 1;
	void *exact;

	if (size == 0)
		return 0;
	s = schema_of(data[0] % WEIR_COUNT_OF(field_types));
	/* A copy of exactly this size, so that the sanitizer sees the first byte too many. */
	exact = malloc(n ? n : 1);
	memcpy(exact, data + 1, n);
	weir_frame_check(exact, n, NULL);
	if (weir_frame_check(exact, n, s) == 0 &&
	    ((struct weir_frame *)exact)->kind == WEIR_FRAME_DATA)
		use(exact, n, s);
	free(exact);
	return 0;
}
