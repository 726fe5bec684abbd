/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets no link: wrong, old and missing certificates, strangers, noise, floods. Refused, counted, and nobody else is disturbed. */
#include <errno.h>
#include <time.h>

#include "gateway/edge/certs_file.h"
#include "tests/unit/gateway/quic_world.h"

/* Ends: 0 eu, 1 us, 2 ap, all right; 3 is the one who should not be let in. 1 and 2 have a link all the time. */
struct case_ {
	struct world *w;
	char other[64]; /* another folder of certificates */
	struct app_link *good;
	struct app_stream *stream;
};

static struct case_ begin(void)
{
	struct case_ c = {.w = world_new(1, 21)};

	strcpy(c.other, "/tmp/weir-test-quic.XXXXXX");
	assert_non_null(mkdtemp(c.other));
	world_open(c.w, 1);
	world_open(c.w, 2);
	c.good = world_dial(c.w, 2, 1, 0);
	assert_true(world_until(c.w, 1000 * MS, c.good->up));
	c.stream = world_stream(c.w, 2, c.good, "x", 1000000);
	assert_true(world_until(c.w, 1000 * MS, c.stream->acked == 1000000));
	return c;
}

static void end(struct case_ *c)
{
	c->stream->limit += 1000000;
	ops_of(&c->w->end[2])->ready(ops_of(&c->w->end[2])->ctx, c->stream->id);
	assert_true(world_until(c->w, 1000 * MS, c->stream->acked == c->stream->limit));
	assert_int_equal(c->good->down, 0);
	assert_int_equal(world_stats(c->w, 1).links, 1);
	assert_int_equal(world_stats(c->w, 1).half_open, 0);
	world_free(c->w);
	world_remove(c->other);
}

static uint64_t refused(const struct world *w, int i, enum weir_quic_refusal r)
{
	struct weir_quic_stats s = world_stats(w, i);

	for (int k = 0; k < WEIR_QUIC_REFUSALS; k++)
		assert_true(s.refused[k] == 0 || k == (int)r);
	return s.refused[r];
}

/* End 3 dials us; its text must have `said` in it, and us must have counted it once. */
static void expect_refused(struct case_ *c, enum weir_quic_refusal r, const char *said)
{
	struct world *w = c->w;
	struct app_link *a = world_dial(w, 3, 1, 0);

	assert_true(world_until(w, 4000 * MS, a->down));
	assert_int_equal(a->up, 0);
	if (!strstr(a->text, said))
		fail_msg("`%s` has no `%s`", a->text, said);
	assert_int_equal(refused(w, 1, r), 1);
	assert_null(world_accepted(w, 3));
	world_run(w, 3500 * MS); /* its last words are forgotten */
	end(c);
}

static void make(const char *dir, const char *cluster, const char *region, uint32_t days)
{
	struct weir_err err = {0};

	if (access(dir, F_OK) || weir_certs_absent(dir, "ca", false, NULL) == 0)
		assert_int_equal(weir_certs_make_ca(dir, cluster, 3650, false, &err), 0);
	assert_int_equal(weir_certs_make_region(dir, cluster, region, days, false, &err), 0);
}

static void copy(const char *from, const char *to, const char *name, const char *as,
		 const char *ending)
{
	struct weir_err err = {0};
	uint8_t *p;
	size_t n;

	assert_int_equal(weir_certs_file(from, name, ending, &p, &n, &err), 0);
	assert_int_equal(weir_certs_store(to, as, ending, p, n, true, &err), 0);
	free(p);
}

static void test_other_ca(void **state)
{
	struct case_ c = begin();

	(void)state;
	make(c.other, "shop", "sa", 30);
	copy(c.w->dir, c.other, "ca", "ca", "pem"); /* trusts us; we do not trust it */
	world_open_as(c.w, 3, 3, 0, c.other, 0);
	expect_refused(&c, WEIR_QUIC_REFUSED_CA,
		       "refused by the peer: the certificate is not signed by the cluster's CA");
}

static void test_other_ca_dialled(void **state)
{
	struct case_ c = begin();
	struct app_link *a;

	(void)state;
	make(c.other, "shop", "sa", 30);
	world_open_as(c.w, 3, 3, 0, c.other, 0);
	a = world_dial(c.w, 3, 1, 0);
	assert_true(world_until(c.w, 4000 * MS, a->down));
	assert_string_equal(a->text, "the certificate is not signed by the cluster's CA");
	assert_int_equal(refused(c.w, 3, WEIR_QUIC_REFUSED_CA), 1);
	world_run(c.w, 4000 * MS);
	end(&c);
}

static time_t later(time_t *ret)
{
	time_t t = time(NULL) + (time_t)40 * 86400;

	if (ret)
		*ret = t;
	return t;
}

static time_t earlier(time_t *ret)
{
	time_t t = time(NULL) - (time_t)2 * 86400;

	if (ret)
		*ret = t;
	return t;
}

/* The clock of GnuTLS is put: certificates of 30 days have expired, those of 100 have not. */
static void test_expired(void **state)
{
	struct case_ c = begin();

	(void)state;
	copy(c.w->dir, c.other, "ca", "ca", "pem");
	copy(c.w->dir, c.other, "ca", "ca", "key");
	make(c.other, "shop", "sa", 30);
	make(c.other, "shop", "us", 100);
	copy(c.other, c.w->dir, "us", "us", "pem");
	copy(c.other, c.w->dir, "us", "us", "key");
	assert_int_equal(weir_quic_reload(c.w->end[1].q, NULL), 0);
	world_open_as(c.w, 3, 3, 0, c.other, 0);
	gnutls_global_set_time_function(later);
	expect_refused(&c, WEIR_QUIC_REFUSED_EXPIRED,
		       "refused by the peer: the certificate has expired");
	gnutls_global_set_time_function(time);
}

static void test_not_yet(void **state)
{
	struct case_ c = begin();
	struct app_link *a;

	(void)state;
	world_open(c.w, 3);
	gnutls_global_set_time_function(earlier);
	a = world_dial(c.w, 3, 1, 0);
	assert_true(world_until(c.w, 4000 * MS, a->down));
	gnutls_global_set_time_function(time);
	assert_string_equal(a->text, "the certificate is not valid yet: compare the clocks");
	assert_int_equal(refused(c.w, 3, WEIR_QUIC_REFUSED_EXPIRED), 1);
	world_run(c.w, 4000 * MS);
	end(&c);
}

static void test_missing(void **state)
{
	struct case_ c = begin();

	(void)state;
	world_open(c.w, 3);
	gnutls_certificate_free_keys(c.w->end[3].q->tls->cred);
	expect_refused(&c, WEIR_QUIC_REFUSED_MISSING,
		       "refused by the peer: there is no certificate");
}

/* Signed by our CA, but for others. */
static void test_other_names(void **state)
{
	static const struct {
		const char *cluster, *region, *said;
		enum weir_quic_refusal r;
	} k[] = {
		{"shop", "us", "is for region `us`, which is our own", WEIR_QUIC_REFUSED_REGION},
		{"shop", "mars", "is for region `mars`, which the cluster file does not name",
		 WEIR_QUIC_REFUSED_REGION},
		{"shops", "sa", "is for cluster `shops`, and this is `shop`",
		 WEIR_QUIC_REFUSED_CLUSTER},
	};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(k); i++) {
		struct case_ c = begin();
		struct weir_cluster there = c.w->cluster;
		struct weir_quic_options o = {.io = &c.w->end[3].io,
					      .cluster = &there,
					      .region = 3,
					      .certs = c.other,
					      .source = {app_peek, &c.w->end[3]},
					      .event = app_event,
					      .ctx = &c.w->end[3]};
		struct weir_err err = {0};

		/* What it believes of itself; its own idea of us is right. */
		copy(c.w->dir, c.other, "ca", "ca", "pem");
		copy(c.w->dir, c.other, "ca", "ca", "key");
		make(c.other, k[i].cluster, k[i].region, 30);
		strcpy(there.name, k[i].cluster);
		strcpy(there.region[3].name, k[i].region);
		if (!strcmp(k[i].region, "us"))
			strcpy(there.region[1].name, "sa");
		assert_int_equal(weir_quic_open(&o, &c.w->end[3].q, &err), 0);
		strcpy(there.name, "shop");
		strcpy(there.region[1].name, "us");
		expect_refused(&c, k[i].r, k[i].said);
	}
}

/* The dialled one is another region than the address says: the dialling end refuses. */
static void test_other_region_dialled(void **state)
{
	struct case_ c = begin();
	struct app_link *a;

	(void)state;
	c.w->cluster.region[0].gateway[0].listen = "10.0.0.2:7400"; /* that is us */
	world_open(c.w, 3);
	a = world_dial(c.w, 3, 0, 0);
	assert_true(world_until(c.w, 4000 * MS, a->down));
	assert_string_equal(a->text, "the certificate is for region `us`, dialled was eu");
	assert_int_equal(refused(c.w, 3, WEIR_QUIC_REFUSED_REGION), 1);
	world_run(c.w, 4000 * MS);
	end(&c);
}

static void test_other_gateway(void **state)
{
	struct world *w = world_new(2, 22);
	struct weir_cluster there;
	struct app_link *a;

	(void)state;
	w->cluster.region[1].gateway[0].listen = "10.0.0.4:7400"; /* that is its gw1 */
	world_open(w, 0);
	world_open(w, 3);
	a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 4000 * MS, a->down));
	assert_string_equal(
		a->text, "refused by the peer: this is gateway gw1, and another one was dialled");
	assert_int_equal(refused(w, 3, WEIR_QUIC_REFUSED_GATEWAY), 1);
	/* A gateway that the other's cluster file does not have. */
	there = w->cluster;
	strcpy(there.region[0].gateway[0].name, "new");
	w->end[0].q->o.cluster = &there;
	a = world_dial(w, 0, 1, 1);
	assert_true(world_until(w, 4000 * MS, a->down));
	assert_string_equal(
		a->text,
		"refused by the peer: region eu has no gateway of that name in the cluster file");
	assert_int_equal(refused(w, 3, WEIR_QUIC_REFUSED_GATEWAY), 2);
	/* The dialled one says another name than it was dialled by. */
	w->end[0].q->o.cluster = &w->cluster;
	there = w->cluster;
	strcpy(there.region[1].gateway[0].name, "gw1");
	strcpy(there.region[1].gateway[1].name, "gw0");
	w->end[3].q->o.cluster = &there;
	a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 4000 * MS, a->down || a->up));
	assert_int_equal(a->up, 1); /* consistent in itself */
	world_free(w);
}

static void test_alpn(void **state)
{
	struct case_ c = begin();

	(void)state;
	world_open(c.w, 3);
	c.w->end[3].q->alpn = "h3";
	expect_refused(&c, WEIR_QUIC_REFUSED_ALPN, "it does not speak weir/1");
}

/* A peer that is let in, and then does what none of ours does. */
static void test_bad_control(void **state)
{
	static const uint8_t zero[] = {0, 0}, again[] = {4, 0, 1, 1, 0, 0}, kind[] = {1, 0, 9};
	static const struct {
		const uint8_t *p;
		uint32_t n;
		const char *said;
	} k[] = {{zero, 2, "a malformed control message"},
		 {again, 6, "a control message out of turn"},
		 {kind, 3, "a malformed control message"}};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(k); i++) {
		struct case_ c = begin();
		struct app_link *a;
		struct weir_quic_link *l;

		world_open(c.w, 3);
		a = world_dial(c.w, 3, 1, 0);
		assert_true(world_until(c.w, 1000 * MS, a->up));
		l = c.w->end[3].q->links;
		memcpy(l->control.ring + l->control.tail, k[i].p, k[i].n);
		l->control.tail += k[i].n;
		weir_quic__work(l);
		assert_true(world_until(c.w, 1000 * MS, a->down));
		assert_non_null(strstr(a->text, k[i].said));
		assert_int_equal(refused(c.w, 1, WEIR_QUIC_REFUSED_PROTOCOL), 1);
		world_run(c.w, 4000 * MS);
		end(&c);
	}
}

static void test_ended_control(void **state)
{
	struct case_ c = begin();
	struct app_link *a;
	struct weir_quic_link *l;

	(void)state;
	world_open(c.w, 3);
	a = world_dial(c.w, 3, 1, 0);
	assert_true(world_until(c.w, 1000 * MS, a->up));
	l = c.w->end[3].q->links;
	weir_ng_shutdown_stream(l->conn, 0, 7);
	weir_quic__work(l);
	assert_true(world_until(c.w, 1000 * MS, a->down));
	assert_non_null(strstr(a->text, "the control stream has ended"));
	world_run(c.w, 4000 * MS);
	end(&c);
}

/* A stream before the hello. */
static void test_early_stream(void **state)
{
	struct case_ c = begin();
	struct app_link *a;
	struct weir_quic_link *l;

	(void)state;
	world_open(c.w, 3);
	a = world_dial(c.w, 3, 1, 0);
	l = c.w->end[3].q->links;
	world_moment(c.w);
	l->state = WEIR_QUIC_UP; /* as it sees it */
	a->up = 1;
	l->control.ring = (uint8_t *)calloc(1, WEIR_QUIC_CONTROL_RING); /* no hello */
	world_stream(c.w, 3, a, "early", 10);
	assert_true(world_until(c.w, 1000 * MS, a->down));
	/* The stream is the first one: it is taken for the control stream, and is none. */
	assert_non_null(strstr(a->text, "refused by the peer"));
	assert_int_equal(refused(c.w, 1, WEIR_QUIC_REFUSED_PROTOCOL), 1);
	world_run(c.w, 4000 * MS);
	end(&c);
}

/* TLS is done, and then nothing is said. */
static void test_silent(void **state)
{
	struct case_ c = begin();
	struct app_link *a;
	uint64_t at;

	(void)state;
	world_open(c.w, 3);
	a = world_dial(c.w, 3, 1, 0);
	world_moment(c.w);
	at = c.w->now;
	c.w->end[3].q->links->control.ring =
		(uint8_t *)calloc(1, WEIR_QUIC_CONTROL_RING); /* as if it had said hello */
	assert_true(world_until(c.w, 10000 * MS,
				world_stats(c.w, 1).refused[WEIR_QUIC_REFUSED_TIMEOUT] == 1));
	assert_true(c.w->now - at <= 3010 * MS);
	assert_true(world_until(c.w, 10000 * MS, a->down));
	world_run(c.w, 4000 * MS);
	end(&c);
}

/* ---- noise ---- */

struct tape {
	uint32_t count, n[400];
	uint8_t data[400][1500];
	int from[400], to[400];
};

static bool record(struct world *w, int from, int to, const uint8_t *p, uint32_t n)
{
	struct tape *t = (struct tape *)w->hook_ctx;

	if (t->count < WEIR_COUNT_OF(t->n) && (from == 3 || to == 3)) {
		t->n[t->count] = n;
		t->from[t->count] = from;
		t->to[t->count] = to;
		memcpy(t->data[t->count++], p, n);
	}
	return true;
}

static void test_replayed(void **state)
{
	struct case_ c = begin();
	struct tape *t = (struct tape *)calloc(1, sizeof(*t));
	struct app_link *a;
	struct app_stream *s;
	uint64_t got;

	(void)state;
	world_open(c.w, 3);
	c.w->hook = record;
	c.w->hook_ctx = t;
	a = world_dial(c.w, 3, 1, 0);
	assert_true(world_until(c.w, 1000 * MS, a->up));
	s = world_stream(c.w, 3, a, "y", 100000);
	assert_true(world_until(c.w, 1000 * MS, s->acked == 100000));
	c.w->hook = NULL;
	got = c.w->end[1].stream[c.w->end[1].streams - 1].got;
	/* While the link is up, and after its end: nothing comes of it. */
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < t->count; i++)
			world_post(c.w, t->from[i], t->to[i], t->data[i], t->n[i]);
		world_run(c.w, 200 * MS);
		if (round == 0) {
			assert_int_equal(a->down, 0);
			assert_int_equal(world_stats(c.w, 1).accepted, 2);
			assert_int_equal(c.w->end[1].stream[c.w->end[1].streams - 1].got, got);
			world_close(c.w, 3);
			world_run(c.w, 200 * MS);
		}
		if (round == 1)
			world_run(c.w, 5000 * MS);
	}
	world_run(c.w, 8000 * MS); /* handshakes from the tape end by themselves */
	assert_int_equal(world_stats(c.w, 1).accepted, 2);
	free(t);
	end(&c);
}

static bool mangle(struct world *w, int from, int to, const uint8_t *p, uint32_t n)
{
	struct weir_prng *r = (struct weir_prng *)w->hook_ctx;
	uint8_t bad[1500];

	if ((from != 3 && to != 3) || !weir_prng_chance(r, 1, 3))
		return true;
	memcpy(bad, p, n);
	switch (weir_prng_below(r, 4)) {
	case 0:
		bad[weir_prng_below(r, n)] ^= (uint8_t)(1u << weir_prng_below(r, 8));
		break;
	case 1:
		n = (uint32_t)weir_prng_below(r, n);
		break;
	case 2:
		for (uint32_t i = 0; i < n; i++)
			bad[i] = (uint8_t)weir_prng_u64(r);
		break;
	default:
		memset(bad + n / 2, 0, n - n / 2);
		break;
	}
	if (n)
		world_post(w, from, to, bad, n);
	return weir_prng_chance(r, 1, 2); /* in its place, or beside it */
}

static void test_garbage(void **state)
{
	struct case_ c = begin();
	struct weir_prng r = weir_prng_of(5, "garbage");
	struct app_link *a;
	struct app_stream *s;
	uint8_t noise[1500];
	uint64_t before = c.w->end[1].sent_segments;

	(void)state;
	world_open(c.w, 3);
	c.w->hook = mangle;
	c.w->hook_ctx = &r;
	for (int tries = 0;; tries++) { /* a link under such conditions */
		assert_true(tries < 20);
		a = world_dial(c.w, 3, 1, 0);
		if (world_until(c.w, 4000 * MS, a->up || a->down) && !a->down)
			break;
	}
	s = world_stream(c.w, 3, a, "y", 300000);
	assert_true(world_until(c.w, 60000 * MS, s->acked == 300000 || a->down));
	assert_int_equal(a->down, 0);
	assert_false(c.w->end[1].stream[c.w->end[1].streams - 1].wrong);
	c.w->hook = NULL;
	world_close(c.w, 3);
	world_run(c.w, 5000 * MS);
	/* Only noise now, in all sizes and with all first bytes: few answers, no memory. */
	before = world_stats(c.w, 1).resets + world_stats(c.w, 1).retries;
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t n = 1 + (uint32_t)weir_prng_below(&r, sizeof(noise) - 1);

		for (uint32_t k = 0; k < n; k++)
			noise[k] = (uint8_t)weir_prng_u64(&r);
		if (i & 1) { /* looks like version 1 */
			noise[0] |= 0xc0;
			memcpy(noise + 1, "\0\0\0\1", WEIR_MIN(n - 1, 4u));
			if (n > 6)
				noise[5] &= 15;
		}
		world_post(c.w, 3, 1, noise, n);
		if (i % 200 == 0)
			world_run(c.w, MS);
	}
	world_run(c.w, 100 * MS);
	assert_true(world_stats(c.w, 1).garbage > 1000);
	assert_true(world_stats(c.w, 1).unknown > 1000);
	assert_true(world_stats(c.w, 1).resets + world_stats(c.w, 1).retries - before <= 200);
	assert_true(world_stats(c.w, 1).half_open <= 64);
	world_run(c.w, 8000 * MS);
	end(&c);
}

/* ---- floods ---- */

static uint32_t swallow_to = 1;

/* Of what end 3 sends only the first packet of each handshake passes; its address is another one each time when ctx says so. */
static bool first_only(struct world *w, int from, int to, const uint8_t *p, uint32_t n)
{
	bool *spread = (bool *)w->hook_ctx;

	if (to == 3 || (*spread && to >= 4))
		return false;
	if (from != 3)
		return true;
	if ((p[0] & 0xf0) != 0xc0 || n < 1200)
		return false;
	if (*spread) {
		world_post(w, 4 + (int)(swallow_to++ % 4), to, p, n);
		return false;
	}
	return true;
}

static void flood(bool spread, uint32_t *ret_half, struct weir_quic_stats *ret)
{
	struct case_ c = begin();
	struct app_link *a;

	world_open(c.w, 3);
	c.w->hook = first_only;
	c.w->hook_ctx = &spread;
	*ret_half = 0;
	for (int i = 0; i < 300; i++) {
		a = world_dial(c.w, 3, 1, 0);
		world_run(c.w, MS);
		*ret_half = WEIR_MAX(*ret_half, world_stats(c.w, 1).half_open);
	}
	*ret = world_stats(c.w, 1);
	/* In the middle of it one who means it gets in, at once or at the second try. */
	world_open(c.w, 0);
	for (int tries = 0;; tries++) {
		assert_true(tries < 2);
		a = world_dial(c.w, 0, 1, 0);
		if (world_until(c.w, 4000 * MS, a->up || a->down) && a->up)
			break;
	}
	world_close(c.w, 0);
	world_close(c.w, 3);
	c.w->hook = NULL;
	world_run(c.w, 8000 * MS);
	end(&c);
}

static void test_flood(void **state)
{
	struct weir_quic_stats s;
	uint32_t half;

	(void)state;
	flood(false, &half, &s);
	assert_int_equal(half, 16); /* one host: a quarter */
	assert_true(s.refused[WEIR_QUIC_REFUSED_BUSY] > 250);
	assert_int_equal(s.retries, 0);
	flood(true, &half,
	      &s); /* four hosts that do not answer: half, then they must prove themselves */
	assert_int_equal(half, 32);
	assert_true(s.retries > 100);
}

/* With all unproven places taken a peer proves its address, and comes in. */
static void test_retry(void **state)
{
	struct world *w = world_new(1, 23);
	struct app_link *a;

	(void)state;
	world_open(w, 0);
	world_open_as(w, 1, 1, 0, w->dir, 1);
	a = world_dial(w, 0, 1, 0);
	assert_true(world_until(w, 3000 * MS, a->up));
	assert_int_equal(world_stats(w, 1).retries, 1);
	/* A token that is not ours. */
	memset(w->end[1].q->token_secret, 1, 32);
	a = world_dial(w, 0, 1, 0);
	w->hook = NULL;
	world_run(w, 3);
	memset(w->end[1].q->token_secret, 2, 32);
	world_run(w, 2 * MS + 1);
	memset(w->end[1].q->token_secret, 3, 32);
	assert_true(world_until(w, 4000 * MS, a->down));
	assert_true(world_stats(w, 1).garbage > 0);
	world_free(w);
}

static void test_too_many_links(void **state)
{
	struct world *w = world_new(1, 24);
	struct app_link *a;
	struct weir_quic_stats s;

	(void)state;
	world_open(w, 0);
	world_open(w, 1);
	w->end[1].q->o.links_max = 3;
	for (int i = 0; i < 5; i++) {
		a = world_dial(w, 0, 1, 0);
		world_until(w, 500 * MS, a->up);
	}
	s = world_stats(w, 1);
	assert_int_equal(s.links, 3);
	assert_true(s.refused[WEIR_QUIC_REFUSED_BUSY] > 0);
	w->end[0].q->o.links_max = 5;
	a = world_dial(w, 0, 1, 0);
	world_run(w, MS);
	assert_int_equal(a->down, 1);
	assert_string_equal(a->text, "there are 5 links already");
	world_free(w);
}

/* ---- files ---- */

static void expect_open(struct world *w, const char *dir, int code, const char *said)
{
	struct weir_quic_options o = {
		.io = &w->end[0].io, .cluster = &w->cluster, .certs = dir, .event = app_event};
	struct weir_quic *q = NULL;
	struct weir_err err = {0};

	assert_int_equal(weir_quic_open(&o, &q, &err), code);
	if (!strstr(err.text, said))
		fail_msg("`%s` has no `%s`", err.text, said);
	assert_null(q);
}

static void test_files(void **state)
{
	struct case_ c = begin();
	struct world *w = c.w;
	struct weir_err err = {0};
	struct app_link *a;

	(void)state;
	expect_open(w, NULL, WEIR_E_CONFIG, "names no `certs` folder");
	expect_open(w, "/nowhere", -ENOENT, "cannot read /nowhere/ca.pem");
	weir_certs_store(c.other, "ca", "pem", "", 0, true, &err);
	expect_open(w, c.other, -ENOENT, "eu.pem");
	copy(w->dir, c.other, "us", "eu", "pem");
	expect_open(w, c.other, -ENOENT, "eu.key");
	copy(w->dir, c.other, "us", "eu", "key");
	expect_open(w, c.other, WEIR_E_CONFIG, "ca.pem holds no certificate");
	copy(w->dir, c.other, "ca", "ca", "pem");
	expect_open(w, c.other, WEIR_E_CONFIG,
		    "eu.pem is for weir://shop/us, and weir://shop/eu is wanted");
	copy(w->dir, c.other, "eu", "eu", "pem");
	expect_open(w, c.other, WEIR_E_CONFIG, "eu.pem and eu.key do not go together");
	copy(w->dir, c.other, "eu", "eu", "key");
	copy(w->dir, c.other, "ca", "eu", "pem");
	expect_open(w, c.other, WEIR_E_CONFIG, "is no certificate for weir://shop/eu");
	/* Reload with bad files: an error, and all goes on. */
	world_open(w, 3);
	weir_certs_store(w->dir, "ca", "pem", "x", 1, true, &err);
	assert_int_equal(weir_quic_reload(w->end[3].q, &err), WEIR_E_CONFIG);
	a = world_dial(w, 3, 1, 0);
	assert_true(world_until(w, 1000 * MS, a->up));
	world_close(w, 3);
	world_run(w, 4000 * MS);
	end(&c);
}

/* All regions move to a new CA, one after the other; links that are up stay. */
static void test_new_ca(void **state)
{
	struct case_ c = begin();
	struct app_link *a;

	(void)state;
	world_remove(c.w->dir);
	world_certs(c.w->dir, "shop", world_region, 4, 30);
	assert_int_equal(weir_quic_reload(c.w->end[1].q, NULL), 0);
	a = world_dial(c.w, 2, 1, 0);
	assert_true(world_until(c.w, 4000 * MS, a->down));
	assert_int_equal(weir_quic_reload(c.w->end[2].q, NULL), 0);
	a = world_dial(c.w, 2, 1, 0);
	assert_true(world_until(c.w, 4000 * MS, a->up));
	ops_of(&c.w->end[2])->close(ops_of(&c.w->end[2])->ctx, a->id, "done");
	world_run(c.w, 4000 * MS);
	end(&c);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(weir_quic_refusal_name(WEIR_QUIC_REFUSED_CA), "ca");
	assert_string_equal(weir_quic_refusal_name(WEIR_QUIC_REFUSED_BUSY), "busy");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_other_ca),
	cmocka_unit_test(test_other_ca_dialled),
	cmocka_unit_test(test_expired),
	cmocka_unit_test(test_not_yet),
	cmocka_unit_test(test_missing),
	cmocka_unit_test(test_other_names),
	cmocka_unit_test(test_other_region_dialled),
	cmocka_unit_test(test_other_gateway),
	cmocka_unit_test(test_alpn),
	cmocka_unit_test(test_bad_control),
	cmocka_unit_test(test_ended_control),
	cmocka_unit_test(test_early_stream),
	cmocka_unit_test(test_silent),
	cmocka_unit_test(test_replayed),
	cmocka_unit_test(test_garbage),
	cmocka_unit_test(test_flood),
	cmocka_unit_test(test_retry),
	cmocka_unit_test(test_too_many_links),
	cmocka_unit_test(test_files),
	cmocka_unit_test(test_new_ca),
	cmocka_unit_test(test_names),
};

WEIR_TEST_MAIN("gateway/quic_refuse", tests)
