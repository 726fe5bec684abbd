/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/decode.h"

#include "base/assert.h"
#include "engine/core/decode_impl.h"

#define BOM "\xef\xbb\xbf"

static int check_spec(const struct weir_decoder_spec *spec, struct weir_err *err)
{
	if (spec->stream_count == 0 || spec->stream_count > WEIR_STREAMS_MAX)
		return weir_err_set(err, WEIR_E_CONFIG, "%u streams: between 1 and %d are possible",
				    spec->stream_count, WEIR_STREAMS_MAX);
	for (uint32_t i = 0; i < spec->stream_count; i++) {
		const struct weir_schema *s = spec->schema[i];

		if (s->field_count == 0)
			return weir_err_set(err, WEIR_E_CONFIG, "the schema has no fields");
		if (spec->time_field[i] >= s->field_count ||
		    (spec->time_field[i] >= 0 &&
		     s->field[spec->time_field[i]].type.type != WEIR_TIMESTAMP))
			return weir_err_set(err, WEIR_E_CONFIG,
					    "the event time field is not a timestamp");
		if (spec->stream_count > 1 && !spec->stream_name[i])
			return weir_err_set(err, WEIR_E_CONFIG, "stream %u has no name", i);
	}
	if (spec->format == WEIR_FORMAT_JSONL && spec->stream_count > 1 && !spec->type_field)
		return weir_err_set(err, WEIR_E_CONFIG,
				    "several streams need a field that names the stream");
	if (spec->type_field && strlen(spec->type_field) > WEIR_NAME_MAX)
		return weir_err_set(err, WEIR_E_CONFIG, "the name %s is longer than %d bytes",
				    spec->type_field, WEIR_NAME_MAX);
	return 0;
}

static void stream_init(struct weir__stream *s, const struct weir_decoder_spec *spec, uint32_t i,
			struct weir_region *region)
{
	uint32_t n = spec->schema[i]->field_count;

	s->schema = spec->schema[i];
	s->name = spec->stream_name ? spec->stream_name[i] : NULL;
	s->time_field = spec->time_field[i];
	s->want = spec->want[i] || spec->stream_count == 1;
	s->reader = weir_region_array(region, struct weir__reader, n);
	for (uint32_t k = 0; k < n; k++) {
		weir__reader_init(&s->reader[k], &s->schema->field[k]);
		s->full[k / 64] |= UINT64_C(1) << (k % 64);
	}
}

int weir_decoder_new(const struct weir_decoder_spec *spec, struct weir_region *region,
		     struct weir_decoder **ret, struct weir_err *err)
{
	struct weir_decoder *d;
	int rc = check_spec(spec, err);

	if (rc)
		return rc;
	d = weir_region_new(region, struct weir_decoder);
	d->format = spec->format;
	d->csv_options = spec->csv;
	d->type_field = spec->type_field;
	d->type_field_bytes = spec->type_field ? (uint32_t)strlen(spec->type_field) : 0;
	d->text_max = spec->text_max ? spec->text_max : WEIR_TEXT_MAX_DEFAULT;
	d->stream_count = spec->stream_count;
	d->stream = weir_region_array(region, struct weir__stream, spec->stream_count);
	for (uint32_t i = 0; i < spec->stream_count; i++)
		stream_init(&d->stream[i], spec, i, region);
	switch (spec->format) {
	case WEIR_FORMAT_CSV:
		rc = weir__csv_init(d, region, err);
		break;
	case WEIR_FORMAT_JSONL:
		weir__jsonl_init(d);
		break;
	case WEIR_FORMAT_RAW:
		weir__raw_init(d, region);
		break;
	default:
		rc = weir_err_set(err, WEIR_E_CONFIG, "unknown format");
		break;
	}
	if (rc)
		return rc;
	weir_decoder_restart(d);
	*ret = d;
	return 0;
}

void weir_decoder_restart(struct weir_decoder *d)
{
	d->line = 1;
	d->scanned = 0;
	d->at_start = true;
	d->skipping = false;
	d->failed.code = 0;
	d->csv.header_done = false;
	d->raw.head_done = false;
	d->raw.skip_bytes = 0;
	d->raw.record = 0;
}

static uint64_t count_lines(const char *p, size_t n)
{
	uint64_t lines = 0;
	const char *end = p + n;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p++;
	}
	return lines;
}

/*
 * No end of the record within text_max bytes. The record is cut off exactly there, so that what comes
 * out does not depend on how much the window happened to hold.
 */
static void too_long(struct weir_decoder *d, const char *p, struct weir_decoded *ret)
{
	ret->record.n = d->text_max;
	weir__reject(ret, NULL, "the record is longer than %u bytes", d->text_max);
	ret->consumed = d->text_max;
	d->line += count_lines(p, d->text_max);
	d->skipping = true;
}

static void skip_rest(struct weir_decoder *d, const char *p, size_t n, struct weir_decoded *ret)
{
	const char *eol = memchr(p, '\n', n);

	ret->kind = WEIR_DECODE_SKIP;
	ret->consumed = eol ? (size_t)(eol - p) + 1 : n;
	d->skipping = !eol;
	d->line += eol != NULL;
}

/* A byte order mark; false: none. */
static bool skip_bom(struct weir_decoder *d, const char *p, size_t n, bool eof,
		     struct weir_decoded *ret)
{
	if (memcmp(p, BOM, WEIR_MIN(n, (size_t)3)) != 0 || (n < 3 && eof)) {
		d->at_start = false;
		return false;
	}
	if (n >= 3) {
		d->at_start = false;
		ret->kind = WEIR_DECODE_SKIP;
		ret->consumed = 3;
	}
	return true;
}

static int decode_text(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
		       size_t cap, struct weir_decoded *ret, struct weir_err *err)
{
	size_t all = n;
	int rc = 0;

	if (n == 0)
		return 0;
	if (d->skipping) {
		skip_rest(d, p, n, ret);
		return 0;
	}
	if (d->at_start && skip_bom(d, p, n, eof, ret))
		return 0;
	if (n >= d->text_max) {
		n = d->text_max;
		eof = false;
	}
	/* A record ends with a line feed, and there is none in what was looked at before. */
	if (!d->scanned || d->scanned > n || eof || all >= d->text_max ||
	    memchr(p + d->scanned, '\n', n - d->scanned) != NULL) {
		if (d->format == WEIR_FORMAT_JSONL)
			weir__jsonl_decode(d, p, n, eof, mem, cap, ret);
		else
			rc = weir__csv_decode(d, p, n, eof, mem, cap, ret, err);
	}
	if (weir_unlikely(ret->kind == WEIR_DECODE_MORE && rc == 0)) {
		if (all < d->text_max) {
			d->scanned = n;
			return 0;
		}
		too_long(d, p, ret);
	}
	d->scanned = 0;
	return rc;
}

static void begin(const struct weir_decoder *d, const char *p, struct weir_decoded *ret)
{
	ret->kind = WEIR_DECODE_MORE;
	ret->consumed = 0;
	ret->stream = 0;
	ret->line = d->line;
	ret->column = 0;
	ret->reason[0] = 0;
	ret->record = (struct weir_str){p, 0};
}

/* What is wrong with the file as a whole stays wrong until the next one. */
static int keep_failure(struct weir_decoder *d, int rc, struct weir_err *err)
{
	if (err)
		*err = d->failed;
	return rc;
}

int weir_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem, size_t cap,
		struct weir_decoded *ret, struct weir_err *err)
{
	int rc;

	begin(d, p, ret);
	if (weir_unlikely(d->failed.code))
		return keep_failure(d, d->failed.code, err);
	if (d->format == WEIR_FORMAT_RAW)
		rc = weir__raw_decode(d, p, n, eof, mem, cap, ret, &d->failed);
	else
		rc = decode_text(d, p, n, eof, mem, cap, ret, &d->failed);
	return weir_unlikely(rc) ? keep_failure(d, rc, err) : 0;
}

int weir_raw_next(struct weir_decoder *d, char *p, size_t n, bool eof,
		  const struct weir_frame **ret_frame, struct weir_decoded *ret,
		  struct weir_err *err)
{
	int rc;

	weir_assert(d->format == WEIR_FORMAT_RAW);
	weir_assert(n == 0 || (uintptr_t)p % 8 == 0);
	*ret_frame = NULL;
	begin(d, p, ret);
	if (weir_unlikely(d->failed.code))
		return keep_failure(d, d->failed.code, err);
	rc = weir__raw_in_place(d, p, n, eof, ret_frame, ret, &d->failed);
	return weir_unlikely(rc) ? keep_failure(d, rc, err) : 0;
}
