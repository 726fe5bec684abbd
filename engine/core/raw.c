/* SPDX-License-Identifier: Apache-2.0 */
/* raw files: frames as they stand in rings. Layout: docs/formats/raw.md. */
#include "engine/core/decode_impl.h"
#include "engine/core/raw_head.h"

#define NOT_OURS 255

void weir__raw_init(struct weir_decoder *d, struct weir_region *region)
{
	d->raw.scratch = weir_region_new(region, struct weir_schema);
}

/* Which of our streams the file's stream is; NOT_OURS when nobody asked for it. */
static uint8_t stream_of(const struct weir_decoder *d, const char *name)
{
	for (uint32_t i = 0; i < d->stream_count; i++) {
		if (d->stream[i].name && strcmp(d->stream[i].name, name) == 0)
			return (uint8_t)i;
	}
	return NOT_OURS;
}

static int other_schema(const struct weir_schema *ours, const struct weir_schema *file,
			const char *name, struct weir_err *err)
{
	for (unsigned i = 0; i < ours->field_count && i < file->field_count; i++) {
		char a[160] = "", b[160] = "";
		struct weir_buf text = weir_buf_of(a, sizeof(a) - 1);

		if (strcmp(ours->field[i].name, file->field[i].name) == 0 &&
		    memcmp(&ours->field[i].type, &file->field[i].type,
			   sizeof(struct weir_typeinfo)) == 0 &&
		    ours->field[i].nullable == file->field[i].nullable)
			continue;
		weir_buf_type(&text, &ours->field[i]);
		text = weir_buf_of(b, sizeof(b) - 1);
		weir_buf_type(&text, &file->field[i]);
		return weir_err_set(err, WEIR_E_CONFIG,
				    "stream \"%s\": field %u is %s %s in the file, not %s %s", name,
				    i + 1, file->field[i].name, b, ours->field[i].name, a);
	}
	return weir_err_set(err, WEIR_E_CONFIG, "stream \"%s\": the file has %u fields, not %u",
			    name, file->field_count, ours->field_count);
}

/* Joins the file's streams to ours, by name; a file with one stream fits a spec without names. */
static int match_streams(struct weir_decoder *d, struct weir__raw_head *h, struct weir_err *err)
{
	char name[WEIR_NAME_MAX + 1];
	uint32_t found = 0;
	bool unnamed = d->stream_count == 1 && (!d->stream[0].name || !d->stream[0].name[0]);
	int rc;

	d->raw.streams = 0;
	while ((rc = weir__raw_head_next(h, name, d->raw.scratch, err)) > 0) {
		uint8_t ours = unnamed ? 0 : stream_of(d, name);

		d->raw.stream[d->raw.streams++] = ours;
		if (ours == NOT_OURS)
			continue;
		if (unnamed && d->raw.streams > 1)
			return weir_err_set(err, WEIR_E_CONFIG,
					    "the file has several streams; say which one is meant");
		if (found & 1u << ours)
			return weir_err_set(err, WEIR_E_CORRUPT, "the file has stream \"%s\" twice",
					    name);
		if (!weir_schema_same(d->stream[ours].schema, d->raw.scratch))
			return other_schema(d->stream[ours].schema, d->raw.scratch, name, err);
		found |= 1u << ours;
	}
	for (uint32_t i = 0; rc == 0 && i < d->stream_count; i++) {
		if (!(found & 1u << i) && d->stream[i].want)
			return weir_err_set(err, WEIR_E_CONFIG, "the file has no stream \"%s\"",
					    d->stream[i].name);
	}
	return rc;
}

static int read_head(struct weir_decoder *d, const char *p, size_t n, bool eof,
		     struct weir_decoded *ret, struct weir_err *err)
{
	struct weir__raw_head h;
	int rc = weir__raw_head_open(&h, p, n, err);

	if (rc == WEIR_E_TOO_SMALL && !eof && n < WEIR__RAW_HEAD_MAX) {
		err->code = 0;
		return 0;
	}
	if (rc == WEIR_E_TOO_SMALL)
		return weir_err_set(err, WEIR_E_CORRUPT, "the file ends inside its head");
	if (!rc)
		rc = match_streams(d, &h, err);
	if (rc)
		return rc;
	d->raw.head_done = true;
	ret->kind = WEIR_DECODE_SKIP;
	ret->consumed = h.bytes;
	return 0;
}

/* The rest of a frame that did not fit; d->raw.skip_bytes > 0. */
static void skip_rest(struct weir_decoder *d, size_t n, struct weir_decoded *ret)
{
	/* Whole words only, so that frames stay aligned. */
	uint64_t k = WEIR_MIN(d->raw.skip_bytes, (uint64_t)n & ~UINT64_C(7));

	if (k == 0)
		return;
	d->raw.skip_bytes -= k;
	ret->kind = WEIR_DECODE_SKIP;
	ret->consumed = (size_t)k;
}

/*
 * Finds the next frame. 0 and *ret_frame_bytes > 0: a checked data frame of stream ret->stream stands at
 * p; with 0 bytes ret says what there is instead.
 */
static int next_frame(struct weir_decoder *d, const char *p, size_t n, bool eof,
		      struct weir_decoded *ret, uint32_t *ret_frame_bytes, struct weir_err *err)
{
	struct weir_frame h;
	uint32_t stride;
	uint8_t ours;
	int rc;

	*ret_frame_bytes = 0;
	ret->line = d->raw.record + 1;
	if (n == 0)
		return 0;
	if (weir_unlikely(!d->raw.head_done))
		return read_head(d, p, n, eof, ret, err);
	if (weir_unlikely(d->raw.skip_bytes)) {
		skip_rest(d, n, ret);
		if (ret->kind == WEIR_DECODE_SKIP || !eof)
			return 0;
		goto cut_short;
	}
	rc = weir_frame_check(p, n, NULL);
	if (weir_unlikely(rc == WEIR_E_CORRUPT))
		return weir_err_set(err, rc,
				    "damaged data: record %llu has no sound header, so the ones "
				    "behind it cannot be found",
				    (unsigned long long)d->raw.record + 1);
	if (weir_unlikely(n < sizeof(h))) {
		if (!eof)
			return 0;
		goto cut_short;
	}
	memcpy(&h, p, sizeof(h));
	stride = weir_frame_stride(&h);
	if (weir_unlikely(stride > d->text_max)) {
		d->raw.record++;
		weir__reject(ret, NULL, "the record has %u bytes, more than %u", stride,
			     d->text_max);
		ret->consumed = sizeof(h);
		d->raw.skip_bytes = stride - sizeof(h);
		return 0;
	}
	if (weir_unlikely(rc)) {
		if (!eof)
			return 0;
		goto cut_short;
	}
	d->raw.record++;
	ret->consumed = stride;
	if (weir_unlikely(h.kind != WEIR_FRAME_DATA)) {
		ret->kind = WEIR_DECODE_SKIP;
		return 0;
	}
	ret->record = (struct weir_str){p, h.size};
	if (weir_unlikely(h.stream >= d->raw.streams)) {
		weir__reject(ret, NULL, "stream %u is not in the file's head", h.stream);
		return 0;
	}
	ours = d->raw.stream[h.stream];
	if (ours == NOT_OURS || !d->stream[ours].want) {
		ret->kind = WEIR_DECODE_SKIP;
		return 0;
	}
	ret->stream = ours;
	if (weir_unlikely(weir_frame_check(p, n, d->stream[ours].schema))) {
		weir__reject(ret, NULL, "damaged record: a field points outside of it");
		return 0;
	}
	*ret_frame_bytes = stride;
	return 0;
cut_short:
	d->raw.skip_bytes = 0;
	ret->record = (struct weir_str){p, n};
	weir__reject(ret, NULL, "the file ends inside a record");
	ret->consumed = n;
	return 0;
}

/* Sets what the spec decides: time, and no key hash. Twice gives the same as once. */
static void adopt(const struct weir__stream *s, struct weir_frame *f, struct weir_decoded *ret)
{
	int64_t time_ns = 0;
	uint8_t flags = 0;

	if (s->time_field >= 0) {
		if (weir_null(f, s->schema, (unsigned)s->time_field)) {
			weir__reject(ret, NULL, "event time field %s is null",
				     s->schema->field[s->time_field].name);
			return;
		}
		time_ns = weir_get_i64(f, s->schema, (unsigned)s->time_field);
		flags = WEIR_FRAME_F_TIMED;
	}
	f->flags = flags;
	f->key_hash = 0;
	f->time_ns = time_ns;
	ret->kind = WEIR_DECODE_RECORD;
}

int weir__raw_decode(struct weir_decoder *d, const char *p, size_t n, bool eof, void *mem,
		     size_t cap, struct weir_decoded *ret, struct weir_err *err)
{
	uint32_t bytes;
	int rc = next_frame(d, p, n, eof, ret, &bytes, err);

	if (rc || bytes == 0)
		return rc;
	if (bytes > cap) {
		weir__reject(ret, NULL, "the record is larger than record_max (%zu bytes)", cap);
		return 0;
	}
	memcpy(mem, p, bytes);
	((struct weir_frame *)mem)->stream = d->stream[ret->stream].schema->stream;
	adopt(&d->stream[ret->stream], mem, ret);
	return 0;
}

int weir__raw_in_place(struct weir_decoder *d, char *p, size_t n, bool eof,
		       const struct weir_frame **ret_frame, struct weir_decoded *ret,
		       struct weir_err *err)
{
	uint32_t bytes;
	int rc = next_frame(d, p, n, eof, ret, &bytes, err);

	if (rc || bytes == 0)
		return rc;
	adopt(&d->stream[ret->stream], (struct weir_frame *)(void *)p, ret);
	if (ret->kind == WEIR_DECODE_RECORD)
		*ret_frame = (const struct weir_frame *)(const void *)p;
	return 0;
}
