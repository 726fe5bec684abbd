/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nonce: stamps each record with a random number that nobody can predict, the time of processing and its place
 * among the records of its key.
 *
 *     key_by: [key]
 *     operator: {library: ./nonce.so, name: nonce}
 *
 * A run that starts over from a wrong place gives other nonces to records that are out already: two sinks then
 * disagree, or one has an id twice. State of a key is a count and a pattern made of it, which is checked: state that
 * came back from another epoch than the rest, or mixed, stops the pipeline.
 */
#include "engine/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define PATTERN 60 /* words: bundles shall be large enough for base rounds all the time */
#define NONCE_BITS 40 /* the sum of all fits into int64 */
#define POOL 512

enum { ID, KEY, KIND, AMOUNT, T, FIELDS_IN };
enum { OUT_NONCE = FIELDS_IN, OUT_SEQ, OUT_STAMPED };

struct state {
	uint64_t count;
	uint64_t key_hash;
	uint64_t pattern[PATTERN];
};

struct nonce {
	const struct weir_host *host;
	const struct weir_record_info *in;
	uint64_t pool[POOL];
	uint32_t left;
};

static int nonce_schema(const struct weir_host *host, const char *options,
			const struct weir_record_info *in, void *out, char *err, size_t err_cap)
{
	static const char *const name[FIELDS_IN] = {"id", "key", "kind", "amount", "t"};
	static const struct weir_field_info more[] = {
		{.name = "nonce", .type = WEIR_VALUE_INT64},
		{.name = "seq", .type = WEIR_VALUE_INT64},
		{.name = "stamped", .type = WEIR_VALUE_TIMESTAMP},
	};

	(void)options;
	for (uint32_t i = 0; i < FIELDS_IN; i++) {
		if (i >= in->field_count || strcmp(in->field[i].name, name[i])) {
			snprintf(err, err_cap, "field %u must be `%s`", i, name[i]);
			return -1;
		}
		if (host->add_field(out, &in->field[i]))
			return -1;
	}
	for (uint32_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		if (host->add_field(out, &more[i]))
			return -1;
	return 0;
}

static int nonce_open(const struct weir_host *host, const char *options,
		      const struct weir_record_info *in, const struct weir_record_info *out,
		      uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap)
{
	struct nonce *o = calloc(1, sizeof(*o));

	(void)options;
	(void)out;
	(void)task;
	(void)tasks;
	if (!o) {
		snprintf(err, err_cap, "out of memory");
		return -1;
	}
	o->host = host;
	o->in = in;
	*ret_self = o;
	return 0;
}

static int draw(struct nonce *o, int64_t *ret)
{
	if (o->left == 0) {
		/* Up to 256 bytes come whole; more may be cut short. */
		for (uint32_t i = 0; i < POOL; i += 32)
			if (getrandom(o->pool + i, 256, 0) != 256)
				return -1;
		o->left = POOL;
	}
	*ret = (int64_t)(o->pool[--o->left] >> (64 - NONCE_BITS));
	return 0;
}

/* FNV-1a of the key's text: the record's own hash is there only when it went to another task by key. */
static uint64_t hash_of(const struct nonce *o, const struct weir_record *r)
{
	struct weir_text key = weir_record_text(r, o->in, KEY);
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t mix(uint64_t key, uint64_t count, uint64_t i)
{
	uint64_t x = key ^ (count * UINT64_C(0x9e3779b97f4a7c15)) ^ (i << 56);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ (x >> 27);
}

static int whole(const struct state *s, uint64_t key)
{
	if (s->key_hash != key)
		return 0;
	for (uint64_t i = 0; i < PATTERN; i++)
		if (s->pattern[i] != mix(key, s->count, i))
			return 0;
	return 1;
}

static void count_one(struct state *s, uint64_t key)
{
	s->count++;
	s->key_hash = key;
	for (uint64_t i = 0; i < PATTERN; i++)
		s->pattern[i] = mix(key, s->count, i);
}

static int stamp(struct nonce *o, const struct weir_record *r, const struct state *s, int64_t nonce,
		 struct weir_writer *out)
{
	const struct weir_host *h = o->host;
	struct weir_text key = weir_record_text(r, o->in, KEY);
	struct weir_text kind = weir_record_text(r, o->in, KIND);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	h->set_int(out, ID, weir_record_int(r, o->in, ID));
	h->set_text(out, KEY, key.p, key.n);
	h->set_text(out, KIND, kind.p, kind.n);
	h->set_int(out, AMOUNT, weir_record_int(r, o->in, AMOUNT));
	h->set_int(out, T, weir_record_int(r, o->in, T));
	h->set_int(out, OUT_NONCE, nonce);
	h->set_int(out, OUT_SEQ, (int64_t)s->count + 1);
	/* Microseconds: what a database keeps. */
	h->set_int(out, OUT_STAMPED, now.tv_sec * INT64_C(1000000000) + now.tv_nsec / 1000 * 1000);
	return h->emit(out, r->time_ns);
}

static uint32_t nonce_process(void *self, struct weir_context *c, const struct weir_span *in,
			      struct weir_writer *out)
{
	struct nonce *o = self;

	for (uint32_t i = 0; i < in->count; i++) {
		const struct weir_record *r = in->record[i];
		uint64_t hash = hash_of(o, r);
		struct state *s;
		int fresh;
		int64_t nonce;

		if (!o->host->begin(out))
			return i;
		s = o->host->state(c, r, &fresh);
		if (!fresh && !whole(s, hash)) {
			o->host->fail(c, "nonce: the state of a key is not what was stored in it");
			return i;
		}
		if (draw(o, &nonce) || stamp(o, r, s, nonce, out)) {
			o->host->fail(c, "nonce: no random bytes, or a record that is too large");
			return i;
		}
		count_one(s, hash);
	}
	return in->count;
}

static const struct weir_operator nonce = {
	.abi = WEIR_ABI,
	.size = sizeof(struct weir_operator),
	.state_bytes = sizeof(struct state),
	.schema = nonce_schema,
	.open = nonce_open,
	.process = nonce_process,
	.close = free,
};

WEIR_OPERATOR(nonce, nonce)
