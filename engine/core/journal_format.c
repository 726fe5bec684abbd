/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/core/journal_format.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/hooks.h"

static const char *const bad_text[WEIR_JNL_BAD_COUNT] = {
	[WEIR_JNL_OK] = "nothing is wrong",
	[WEIR_JNL_NO_UNIT] = "no unit starts here",
	[WEIR_JNL_HEAD_CRC] = "the checksum of the head is wrong",
	[WEIR_JNL_OTHER_VERSION] = "its format version is unknown",
	[WEIR_JNL_OTHER_JOURNAL] = "it belongs to another journal",
	[WEIR_JNL_ADDRESS] = "it was written for another place",
	[WEIR_JNL_LENGTH] = "its length is impossible",
	[WEIR_JNL_BODY] = "the hash of the body is wrong",
	[WEIR_JNL_CHAIN] = "it does not follow the unit before it",
	[WEIR_JNL_MISFIT] = "the commit record does not fit the units before it",
	[WEIR_JNL_UNREADABLE] = "it cannot be read",
	[WEIR_JNL_FILE_END] = "the file ends too early",
};

const char *weir_jnl_bad_text(enum weir_jnl_bad bad)
{
	return bad_text[bad];
}

static uint32_t head_crc(const struct weir_jnl_head *h)
{
	struct weir_jnl_head copy = *h;

	copy.crc = 0;
	return weir_crc32c(0, &copy, sizeof(copy));
}

void weir_jnl_seal(struct weir_jnl_head *h, const void *body)
{
	h->magic = WEIR_JNL_MAGIC;
	h->version = WEIR_JNL_VERSION;
	h->body = weir_hash128(body, h->bytes);
	h->crc = head_crc(h);
}

static bool length_ok(const struct weir_jnl_head *h)
{
	uint64_t file = (uint64_t)h->segment_blocks * WEIR_DISK_BLOCK;

	if (h->bytes > WEIR_JNL_UNIT_MAX - WEIR_JNL_HEAD)
		return false;
	switch (h->type) {
	case WEIR_JNL_DATA:
		return h->bytes && h->offset < file &&
		       weir_jnl_padded(h->bytes) <= file - h->offset;
	case WEIR_JNL_COMMIT:
		return h->bytes == sizeof(struct weir_jnl_commit) && h->offset < file;
	case WEIR_JNL_RING:
		return h->bytes == WEIR_JNL_HEAD + sizeof(struct weir_jnl_commit);
	case WEIR_JNL_SUPER:
		return h->bytes == sizeof(struct weir_jnl_super);
	default:
		return false;
	}
}

enum weir_jnl_bad weir_jnl_check(const void *p, const uint8_t *identity, struct weir_jnl_pos at,
				 struct weir_jnl_head *ret)
{
	memcpy(ret, p, sizeof(*ret));
	if (ret->magic != WEIR_JNL_MAGIC)
		return WEIR_JNL_NO_UNIT;
	if (ret->crc != head_crc(ret))
		return WEIR_JNL_HEAD_CRC;
	if (ret->version != WEIR_JNL_VERSION)
		return WEIR_JNL_OTHER_VERSION;
	if (identity && memcmp(identity, ret->identity, sizeof(ret->identity)) != 0)
		return WEIR_JNL_OTHER_JOURNAL;
	if ((ret->segment != at.segment || ret->offset != at.offset) &&
	    !weir_planted(NO_ADDRESS_CHECK))
		return WEIR_JNL_ADDRESS;
	return length_ok(ret) ? WEIR_JNL_OK : WEIR_JNL_LENGTH;
}

bool weir_jnl_body_ok(const struct weir_jnl_head *h, const void *body)
{
	return weir_hash128_eq(h->body, weir_hash128(body, h->bytes)) ||
	       weir_planted(NO_BODY_CHECK);
}

struct weir_hash128 weir_jnl_head_hash(const struct weir_jnl_head *h)
{
	return weir_hash128(h, sizeof(*h));
}

struct weir_hash128 weir_jnl_origin(const uint8_t identity[16])
{
	return weir_hash128(identity, 16);
}

void weir_jnl_commit_block(void *p, const struct weir_jnl_head *h, const struct weir_jnl_commit *c)
{
	memset(p, 0, WEIR_DISK_BLOCK);
	memcpy(p, h, sizeof(*h));
	memcpy((uint8_t *)p + sizeof(*h), c, sizeof(*c));
}

void weir_jnl_slot_block(void *p, const struct weir_jnl_head *h, const struct weir_jnl_commit *c)
{
	uint32_t slot = (uint32_t)(c->number % WEIR_JNL_SLOTS);
	struct weir_jnl_head own = {
		.type = WEIR_JNL_RING,
		.fence = h->fence,
		.epoch = h->epoch,
		.segment = WEIR_JNL_IN_RING,
		.offset = (uint64_t)slot * WEIR_DISK_BLOCK,
		.segment_blocks = WEIR_JNL_SLOTS,
		.bytes = sizeof(*h) + sizeof(*c),
	};
	uint8_t *body = (uint8_t *)p + sizeof(own);

	memset(p, 0, WEIR_DISK_BLOCK);
	memcpy(own.identity, h->identity, sizeof(own.identity));
	memcpy(body, h, sizeof(*h));
	memcpy(body + sizeof(*h), c, sizeof(*c));
	weir_jnl_seal(&own, body);
	memcpy(p, &own, sizeof(own));
}

enum weir_jnl_bad weir_jnl_slot_read(const void *p, const uint8_t *identity, uint32_t slot,
				     struct weir_jnl_head *ret_head,
				     struct weir_jnl_commit *ret_commit)
{
	struct weir_jnl_pos at = {WEIR_JNL_IN_RING, (uint64_t)slot * WEIR_DISK_BLOCK};
	const uint8_t *body = (const uint8_t *)p + WEIR_JNL_HEAD;
	struct weir_jnl_head own;
	enum weir_jnl_bad bad = weir_jnl_check(p, identity, at, &own);

	if (bad)
		return bad;
	if (own.type != WEIR_JNL_RING)
		return WEIR_JNL_ADDRESS;
	if (!weir_jnl_body_ok(&own, body))
		return WEIR_JNL_BODY;
	memcpy(ret_head, body, sizeof(*ret_head));
	memcpy(ret_commit, body + sizeof(*ret_head), sizeof(*ret_commit));
	at = (struct weir_jnl_pos){ret_head->segment, ret_head->offset};
	bad = weir_jnl_check(body, identity, at, ret_head);
	if (bad)
		return bad;
	return ret_head->type == WEIR_JNL_COMMIT && weir_jnl_body_ok(ret_head, ret_commit)
		       ? WEIR_JNL_OK
		       : WEIR_JNL_BODY;
}

void weir_jnl_super_block(void *p, const struct weir_jnl_super *s, uint32_t copy)
{
	struct weir_jnl_head own = {
		.type = WEIR_JNL_SUPER,
		.fence = s->fence,
		.epoch = s->covered,
		.segment = WEIR_JNL_IN_SUPER,
		.offset = (uint64_t)copy * WEIR_JNL_COPY_STEP,
		.segment_blocks = WEIR_JNL_COPIES * WEIR_JNL_COPY_STEP / WEIR_DISK_BLOCK,
		.bytes = sizeof(*s),
	};

	memset(p, 0, WEIR_DISK_BLOCK);
	memcpy(own.identity, s->identity, sizeof(own.identity));
	weir_jnl_seal(&own, s);
	memcpy(p, &own, sizeof(own));
	memcpy((uint8_t *)p + sizeof(own), s, sizeof(*s));
}

enum weir_jnl_bad weir_jnl_super_read(const void *p, uint32_t copy, struct weir_jnl_super *ret)
{
	struct weir_jnl_pos at = {WEIR_JNL_IN_SUPER, (uint64_t)copy * WEIR_JNL_COPY_STEP};
	const uint8_t *body = (const uint8_t *)p + WEIR_JNL_HEAD;
	struct weir_jnl_head own;
	enum weir_jnl_bad bad = weir_jnl_check(p, NULL, at, &own);

	if (bad)
		return bad;
	if (own.type != WEIR_JNL_SUPER)
		return WEIR_JNL_ADDRESS;
	if (!weir_jnl_body_ok(&own, body))
		return WEIR_JNL_BODY;
	memcpy(ret, body, sizeof(*ret));
	if (ret->segment == 0 || ret->segment > WEIR_JNL_SEGMENT_LAST ||
	    ret->offset % WEIR_DISK_BLOCK || ret->pipeline[WEIR_JNL_NAME_MAX - 1] ||
	    memcmp(ret->identity, own.identity, sizeof(own.identity)) != 0)
		return WEIR_JNL_LENGTH;
	return WEIR_JNL_OK;
}

void weir_jnl_segment_name(uint32_t segment, char ret[WEIR_JNL_FILE_NAME])
{
	snprintf(ret, WEIR_JNL_FILE_NAME, "journal-%08u", segment);
}

bool weir_jnl_segment_number(const char *name, uint32_t *ret)
{
	char again[WEIR_JNL_FILE_NAME];
	uint64_t n = 0;
	const char *p = name + 8;

	if (strncmp(name, "journal-", 8) != 0)
		return false;
	for (; *p >= '0' && *p <= '9' && p < name + 18; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (n == 0 || n > WEIR_JNL_SEGMENT_LAST)
		return false;
	weir_jnl_segment_name((uint32_t)n, again);
	*ret = (uint32_t)n;
	return strcmp(name, again) == 0;
}
