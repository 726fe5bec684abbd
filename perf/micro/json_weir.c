/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/micro/json_weir.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/core/decode.h"
#include "engine/core/nexmark.h"
#include "engine/edge/engine.h"

uint64_t json_weir(const char *p, size_t n)
{
	static _Alignas(64) uint8_t frame[65536];
	const struct weir_schema *s = weir_nexmark_schema(WEIR_NEXMARK_BID);
	const char *name = "";
	int32_t time_field = weir_schema_find(s, WEIR_STR("dateTime"));
	struct weir_decoder_spec spec = {.format = WEIR_FORMAT_JSONL,
					 .stream_count = 1,
					 .schema = &s,
					 .stream_name = &name,
					 .time_field = &time_field,
					 .want = {true}};
	struct weir_decoder *d;
	struct weir_region region;
	struct weir_err err;
	uint64_t sum = 0;

	weir_region_init(&region, &weir_heap_mem);
	if (weir_decoder_new(&spec, &region, &d, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	while (n) {
		const struct weir_frame *f = (const void *)frame;
		struct weir_decoded r;

		if (weir_decode(d, p, n, true, frame, sizeof(frame), &r, &err) < 0 ||
		    r.kind == WEIR_DECODE_REJECT) {
			fprintf(stderr, "line %llu: %s\n", (unsigned long long)r.line, r.reason);
			exit(1);
		}
		p += r.consumed;
		n -= r.consumed;
		if (r.kind == WEIR_DECODE_MORE)
			break;
		for (unsigned i = 0; i < 3; i++)
			sum += (uint64_t)weir_get_i64(f, s, i);
		for (unsigned i = 3; i < s->field_count; i++)
			if (s->field[i].type.type == WEIR_STRING)
				sum += weir_get_str(f, s, i).n;
	}
	weir_region_fini(&region);
	return sum;
}
