/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every draw is a hash of (seed, n, field number), so that no event depends on another. Texts are
 * slices of one table. Copies are of a constant size wherever a text has a small limit: what is
 * copied too much is overwritten by the next text, or lies behind the frame in memory that the
 * caller gave for it.
 */
#include "engine/core/nexmark.h"

#include "base/assert.h"
#include "engine/core/nexmark_table.h"

/* As in the known generators. */
#define EPOCH_EVENTS 50u
#define EPOCH_AUCTIONS 3u
#define FIRST_ID 1000
#define FIRST_CATEGORY 10
#define CATEGORIES 5
#define HOT_EVERY 100u /* the hot id changes with every 100 new ones */
#define IN_FLIGHT_AUCTIONS 100u
#define ACTIVE_PEOPLE 1000u
#define CHANNELS 10000u
#define HOT_CHANNELS 4u
#define PERSON_BYTES 200 /* average payload, without what the frame adds */
#define AUCTION_BYTES 500
#define BID_BYTES 100

/* Events until as many auctions as can be in flight have started: the mean life of an auction is
 * the time these take. */
#define AUCTION_LIFE_EVENTS (IN_FLIGHT_AUCTIONS * EPOCH_EVENTS / EPOCH_AUCTIONS)

#define FIELD(n, t)                                                                                \
	{                                                                                          \
		.name = (n), .type = {.type = (t) }                                                \
	}

static const struct weir_schema schemas[] = {
	[WEIR_NEXMARK_PERSON] =
		{
			.stream = WEIR_NEXMARK_PERSON,
			.field_count = 9,
			.fixed_size = 9 * 8,
			.field =
				{
					FIELD("id", WEIR_INT64),
					FIELD("name", WEIR_STRING),
					FIELD("emailAddress", WEIR_STRING),
					FIELD("creditCard", WEIR_STRING),
					FIELD("city", WEIR_STRING),
					FIELD("state", WEIR_STRING),
					FIELD("dateTime", WEIR_TIMESTAMP),
					FIELD("extra", WEIR_STRING),
					FIELD("region", WEIR_STRING),
				},
		},
	[WEIR_NEXMARK_AUCTION] =
		{
			.stream = WEIR_NEXMARK_AUCTION,
			.field_count = 11,
			.fixed_size = 11 * 8,
			.field =
				{
					FIELD("id", WEIR_INT64),
					FIELD("itemName", WEIR_STRING),
					FIELD("description", WEIR_STRING),
					FIELD("initialBid", WEIR_INT64),
					FIELD("reserve", WEIR_INT64),
					FIELD("dateTime", WEIR_TIMESTAMP),
					FIELD("expires", WEIR_TIMESTAMP),
					FIELD("seller", WEIR_INT64),
					FIELD("category", WEIR_INT64),
					FIELD("extra", WEIR_STRING),
					FIELD("region", WEIR_STRING),
				},
		},
	[WEIR_NEXMARK_BID] =
		{
			.stream = WEIR_NEXMARK_BID,
			.field_count = 8,
			.fixed_size = 8 * 8,
			.field =
				{
					FIELD("auction", WEIR_INT64),
					FIELD("bidder", WEIR_INT64),
					FIELD("price", WEIR_INT64),
					FIELD("channel", WEIR_STRING),
					FIELD("url", WEIR_STRING),
					FIELD("dateTime", WEIR_TIMESTAMP),
					FIELD("extra", WEIR_STRING),
					FIELD("region", WEIR_STRING),
				},
		},
};

void weir_nexmark_defaults(struct weir_nexmark_options *o)
{
	*o = (struct weir_nexmark_options){
		.base_time_ns = INT64_C(1436918400) * WEIR_NS_PER_S, /* 2015-07-15T00:00:00Z */
		.events_per_second = 10000,
		.hot_auction_ratio = 2,
		.hot_bidder_ratio = 4,
		.hot_seller_ratio = 4,
		.region = "",
	};
}

const struct weir_schema *weir_nexmark_schema(unsigned stream)
{
	weir_assert(stream < WEIR_COUNT_OF(schemas));
	return &schemas[stream];
}

const char *weir_nexmark_stream_name(unsigned stream)
{
	static const char *const name[] = {"person", "auction", "bid"};

	weir_assert(stream < WEIR_COUNT_OF(name));
	return name[stream];
}

unsigned weir_nexmark_stream_of(uint64_t n)
{
	uint64_t offset = n % EPOCH_EVENTS;

	if (offset == 0)
		return WEIR_NEXMARK_PERSON;
	return offset <= EPOCH_AUCTIONS ? WEIR_NEXMARK_AUCTION : WEIR_NEXMARK_BID;
}

/* ---- draws ---- */

/* The output function of splitmix64 (Steele, Lea, Flood 2014). */
weir_inline uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

weir_inline uint64_t event_key(uint64_t seed, uint64_t n)
{
	return mix(mix(seed + UINT64_C(0x9e3779b97f4a7c15)) + n * UINT64_C(0xd1342543de82ef95));
}

weir_inline uint64_t draw(uint64_t key, unsigned field)
{
	return mix(key + (uint64_t)(field + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

weir_inline uint32_t low(uint64_t r)
{
	return (uint32_t)r;
}

weir_inline uint32_t high(uint64_t r)
{
	return (uint32_t)(r >> 32);
}

/* 0 .. n-1; 0 for n = 0. */
weir_inline uint32_t below(uint32_t r, uint32_t n)
{
	return (uint32_t)((uint64_t)r * n >> 32);
}

weir_inline uint64_t below64(uint64_t r, uint64_t n)
{
	return (uint64_t)((weir_u128)r * n >> 64);
}

/* 100 * 10^(6u) for u in [0, 1): straight lines between 256 points of the curve. */
weir_inline int64_t price_of(uint32_t r)
{
	uint64_t a = weir_nexmark_price[r >> 24], b = weir_nexmark_price[(r >> 24) + 1];
	uint64_t cents_256 = a + ((b - a) * (r & 0xffffff) >> 24);

	return (int64_t)((cents_256 + 128) >> 8);
}

/* ---- time ---- */

/* Event times stop below WEIR_TIME_MAX instead of wrapping (in the year 2262). */
static int64_t add_time(int64_t t_ns, uint64_t more_ns)
{
	int64_t sum;

	if (more_ns > INT64_MAX || __builtin_add_overflow(t_ns, (int64_t)more_ns, &sum))
		return WEIR_TIME_MAX - 1;
	return WEIR_MIN(sum, WEIR_TIME_MAX - 1);
}

static int64_t time_in_order(const struct weir_nexmark_options *o, uint64_t n)
{
	uint64_t seconds, rest, rest_ns, sum;

	weir_assert(o->events_per_second > 0);
	seconds = n / o->events_per_second;
	rest = n % o->events_per_second;
	if (weir_likely(rest <= UINT64_MAX / WEIR_NS_PER_S))
		rest_ns = rest * WEIR_NS_PER_S / o->events_per_second;
	else
		rest_ns = (uint64_t)((weir_u128)rest * WEIR_NS_PER_S / o->events_per_second);
	if (__builtin_mul_overflow(seconds, (uint64_t)WEIR_NS_PER_S, &sum) ||
	    __builtin_add_overflow(sum, rest_ns, &sum))
		return WEIR_TIME_MAX - 1;
	return add_time(o->base_time_ns, sum);
}

/* Events are displaced forward only: the time in order bounds all later events from below. */
static int64_t event_time(const struct weir_nexmark_options *o, uint64_t n, uint64_t key)
{
	int64_t t_ns = time_in_order(o, n);

	if (o->out_of_order_ns <= 0)
		return t_ns;
	return add_time(t_ns, below64(draw(key, 15), (uint64_t)o->out_of_order_ns + 1));
}

int64_t weir_nexmark_watermark(const struct weir_nexmark_options *o, uint64_t n)
{
	int64_t t_ns = time_in_order(o, n);

	return t_ns == WEIR_TIME_MIN ? t_ns : t_ns - 1;
}

/* ---- who and what: numbers from 0 ---- */

/* The last person up to event n, itself included. Event 0 is one, so there always is one. */
weir_inline uint64_t last_person(uint64_t n)
{
	return n / EPOCH_EVENTS;
}

/* The last auction up to event n, itself included; n is an auction or a bid. */
weir_inline uint64_t last_auction(uint64_t n)
{
	return n / EPOCH_EVENTS * EPOCH_AUCTIONS +
	       WEIR_MIN(n % EPOCH_EVENTS, (uint64_t)EPOCH_AUCTIONS) - 1;
}

weir_inline int64_t any_person(uint64_t last, uint32_t r)
{
	uint64_t active = WEIR_MIN(last + 1, (uint64_t)ACTIVE_PEOPLE);

	return FIRST_ID + (int64_t)(last + 1 - active + below(r, (uint32_t)active));
}

/* 1 of `ratio` is drawn from all active people, the others are the hot one. */
weir_inline int64_t person_for(uint64_t n, uint64_t r, uint32_t ratio, uint32_t hot_offset)
{
	uint64_t last = last_person(n);
	uint64_t hot = last / HOT_EVERY * HOT_EVERY + hot_offset;

	if (below(low(r), ratio) > 0)
		return FIRST_ID + (int64_t)WEIR_MIN(hot, last);
	return any_person(last, high(r));
}

weir_inline int64_t auction_for(uint64_t n, uint64_t r, uint32_t ratio)
{
	uint64_t last = last_auction(n);
	uint64_t live = WEIR_MIN(last, (uint64_t)IN_FLIGHT_AUCTIONS) + 1;

	if (below(low(r), ratio) > 0)
		return FIRST_ID + (int64_t)(last / HOT_EVERY * HOT_EVERY);
	return FIRST_ID + (int64_t)(last + 1 - live + below(high(r), (uint32_t)live));
}

/* ---- writing ---- */

struct writer {
	struct weir_frame *f;
	char *payload;
	uint32_t tail;
};

static struct writer begin(void *mem, unsigned stream, int64_t t_ns)
{
	struct writer w = {.f = mem, .payload = (char *)((struct weir_frame *)mem + 1)};

	*w.f = (struct weir_frame){
		.kind = WEIR_FRAME_DATA,
		.flags = WEIR_FRAME_F_TIMED,
		.stream = (uint16_t)stream,
		.time_ns = t_ns,
	};
	w.tail = schemas[stream].fixed_size;
	return w;
}

weir_inline void put_i64(struct writer *w, unsigned field, int64_t v)
{
	memcpy(w->payload + 8 * field, &v, 8);
}

/* The text of this field starts at the tail. */
weir_inline char *text_at(const struct writer *w)
{
	return w->payload + w->tail;
}

/* And ends here. */
weir_inline void text_end(struct writer *w, unsigned field, const char *end)
{
	uint32_t n = (uint32_t)(end - text_at(w));
	uint64_t slot = (uint64_t)w->tail | (uint64_t)n << 32;

	memcpy(w->payload + 8 * field, &slot, 8);
	w->tail += n;
}

/* Copies `size` bytes, a constant not below n, and goes on behind the first n. */
weir_inline char *append(char *to, const void *from, uint32_t n, size_t size)
{
	memcpy(to, from, size);
	return to + n;
}

#define APPEND_LIT(to, lit) append((to), (lit), sizeof(lit) - 1, sizeof(lit) - 1)

weir_inline const char *letters_at(uint32_t r)
{
	return weir_nexmark_letters + r % WEIR_NEXMARK_LETTERS;
}

/* Letters so that the event has on average `average` bytes of payload; up to a fifth more or less. */
weir_inline uint32_t extra_length(uint32_t have, uint32_t average, uint32_t r)
{
	uint32_t want = average > have ? average - have : 0;
	uint32_t delta = (2 * want + 5) / 10;

	return want - delta + below(r, 2 * delta);
}

/* The last two fields of every stream; closes the frame. */
weir_inline uint32_t end(struct writer *w, const struct weir_nexmark_options *o, unsigned extra,
			 uint32_t extra_size)
{
	size_t region_size = o->region[0] ? strlen(o->region) : 0;
	char *p = text_at(w) + extra_size;
	uint32_t stride;
	uint64_t zero = 0;

	text_end(w, extra, p);
	weir_assert(region_size <= WEIR_NAME_MAX);
	if (region_size)
		memcpy(p, o->region, region_size);
	text_end(w, extra + 1, p + region_size);
	w->f->size = (uint32_t)sizeof(struct weir_frame) + w->tail;
	memcpy(text_at(w), &zero, 8);
	stride = WEIR_ALIGN_UP(w->f->size, 8u);
	weir_verify(stride <= WEIR_NEXMARK_FRAME_MAX);
	return stride;
}

static const char digit_pair[] = "00010203040506070809"
				 "10111213141516171819"
				 "20212223242526272829"
				 "30313233343536373839"
				 "40414243444546474849"
				 "50515253545556575859"
				 "60616263646566676869"
				 "70717273747576777879"
				 "80818283848586878889"
				 "90919293949596979899";

/* Digits as bytes of a word, the first one lowest: little endian, as frames are. */
weir_inline uint32_t two_digits(uint32_t v)
{
	return (uint32_t)(uint8_t)digit_pair[2 * v] | (uint32_t)(uint8_t)digit_pair[2 * v + 1] << 8;
}

weir_inline uint32_t four_digits(uint32_t v)
{
	return two_digits(v / 100) | two_digits(v % 100) << 16;
}

/* v < 10000, without leading zeros. */
weir_inline char *append_4(char *to, uint32_t v)
{
	uint32_t zeros = (v < 1000) + (v < 100) + (v < 10);
	uint32_t digits = four_digits(v) >> (8 * zeros);

	return append(to, &digits, 4 - zeros, 4);
}

/* Without leading zeros, up to ten digits. */
weir_inline char *append_u32(char *to, uint32_t v)
{
	uint64_t digits;

	if (v < 10000)
		return append_4(to, v);
	if (v < 100000000) {
		to = append_4(to, v / 10000);
		return append(to, &(uint32_t){four_digits(v % 10000)}, 4, 4);
	}
	to = append_4(to, v / 100000000);
	v %= 100000000;
	digits = four_digits(v / 10000) | (uint64_t)four_digits(v % 10000) << 32;
	return append(to, &digits, 8, 8);
}

/* ---- the three streams ---- */

static uint32_t person(const struct weir_nexmark_options *o, uint64_t n, void *mem)
{
	static const char first[][8] = {"Peter", "Paul",  "Luke",  "John",   "Saul",  "Vicky",
					"Kate",	 "Julie", "Sarah", "Deiter", "Walter"};
	static const char last[][8] = {"Shultz", "Abrams", "Spencer", "White", "Bartels",
				       "Walton", "Smith",  "Jones",   "Noris"};
	static const char city[][16] = {"Phoenix",  "Los Angeles", "San Francisco", "Boise",
					"Portland", "Bend",	   "Redmond",	    "Seattle",
					"Kent",	    "Cheyenne"};
	static const char state[][2] = {{'A', 'Z'}, {'C', 'A'}, {'I', 'D'},
					{'O', 'R'}, {'W', 'A'}, {'W', 'Y'}};
	uint64_t key = event_key(o->seed, n);
	int64_t t_ns = event_time(o, n, key);
	struct writer w = begin(mem, WEIR_NEXMARK_PERSON, t_ns);
	uint64_t r = draw(key, 0);
	uint32_t size, i = below(low(r), WEIR_COUNT_OF(first));
	uint32_t k = below(high(r), WEIR_COUNT_OF(last));
	char *p = text_at(&w);

	put_i64(&w, 0, FIRST_ID + (int64_t)last_person(n));
	p = append(p, first[i], (uint32_t)strnlen(first[i], 8), 8);
	*p++ = ' ';
	p = append(p, last[k], (uint32_t)strnlen(last[k], 8), 8);
	text_end(&w, 1, p);

	r = draw(key, 1);
	p = append(p, letters_at(low(r)), 3 + (low(r) >> 30), 8);
	*p++ = '@';
	p = append(p, letters_at(high(r)), 3 + (high(r) >> 31), 8);
	p = APPEND_LIT(p, ".com");
	text_end(&w, 2, p);

	r = draw(key, 2);
	for (i = 0; i < 4; i++) {
		if (i > 0)
			*p++ = ' ';
		/* 16 bits each: a number comes up 6 or 7 times in 65536. */
		p = append(p,
			   &(uint32_t){four_digits(below((uint32_t)(r >> (16 * i)) << 16, 10000))},
			   4, 4);
	}
	text_end(&w, 3, p);

	r = draw(key, 3);
	i = below(low(r), WEIR_COUNT_OF(city));
	p = append(p, city[i], (uint32_t)strnlen(city[i], 16), 16);
	text_end(&w, 4, p);
	p = append(p, state[below(high(r), WEIR_COUNT_OF(state))], 2, 2);
	text_end(&w, 5, p);

	put_i64(&w, 6, t_ns);
	r = draw(key, 4);
	size = extra_length(8 + w.tail - schemas[WEIR_NEXMARK_PERSON].fixed_size, PERSON_BYTES,
			    high(r));
	memcpy(p, letters_at(low(r)), size);
	return end(&w, o, 7, size);
}

/* 1 .. 25, from the low bits. */
weir_inline uint32_t word_length(uint64_t bits)
{
	return 1 + (uint32_t)(bits & 31) * 25 / 32;
}

/* Words: letters with a space after every 1 to 25, never at either end. */
static char *append_words(char *to, uint32_t n, uint32_t r, uint64_t lengths)
{
	memcpy(to, letters_at(r), n);
	for (uint32_t at = word_length(lengths); at < n - 1; at += 1 + word_length(lengths)) {
		to[at] = ' ';
		lengths = lengths >> 5 | lengths << 59;
	}
	return to + n;
}

static uint32_t auction(const struct weir_nexmark_options *o, uint64_t n, void *mem)
{
	uint64_t key = event_key(o->seed, n), r = draw(key, 0);
	int64_t t_ns = event_time(o, n, key), initial = price_of(low(r));
	uint64_t life_ns =
		(uint64_t)(2 * AUCTION_LIFE_EVENTS * WEIR_NS_PER_S) / o->events_per_second;
	struct writer w = begin(mem, WEIR_NEXMARK_AUCTION, t_ns);
	char *p = text_at(&w);
	uint32_t size;

	put_i64(&w, 0, FIRST_ID + (int64_t)last_auction(n));
	put_i64(&w, 3, initial);
	put_i64(&w, 4, initial + price_of(high(r)));
	r = draw(key, 1);
	p = append_words(p, 3 + below(high(r), 17), low(r), draw(key, 2));
	text_end(&w, 1, p);
	r = draw(key, 3);
	p = append_words(p, 3 + below(high(r), 97), low(r), draw(key, 4));
	text_end(&w, 2, p);
	put_i64(&w, 5, t_ns);
	put_i64(&w, 6, add_time(t_ns, (uint64_t)WEIR_NS_PER_MS + below64(draw(key, 5), life_ns)));
	put_i64(&w, 7, person_for(n, draw(key, 6), o->hot_seller_ratio, 0));
	r = draw(key, 7);
	put_i64(&w, 8, FIRST_CATEGORY + below(high(draw(key, 8)), CATEGORIES));
	size = extra_length(48 + w.tail - schemas[WEIR_NEXMARK_AUCTION].fixed_size, AUCTION_BYTES,
			    high(r));
	memcpy(p, letters_at(low(r)), size);
	return end(&w, o, 9, size);
}

struct hot_channel {
	char name[8], url[64];
	uint8_t name_size, url_size;
};

#define URL_BASE "https://www.nexmark.com/"
#define URL_ITEM "/item.htm?query=1"
#define HOT(channel, path)                                                                         \
	{                                                                                          \
		.name = channel, .url = URL_BASE path URL_ITEM, .name_size = sizeof(channel) - 1,  \
		.url_size = sizeof(URL_BASE path URL_ITEM) - 1                                     \
	}

/* "channel-N". Its url depends on N alone: 3 or 4 letters (some with an underscore) in each of three
 * folders; 9 of 10 name the channel again, as N with its 32 bits reversed. */
static char *append_channel(char *to, uint32_t number)
{
	return append_4(APPEND_LIT(to, "channel-"), number);
}

static uint32_t reverse_bits(uint32_t v)
{
	v = (v & 0x55555555) << 1 | (v >> 1 & 0x55555555);
	v = (v & 0x33333333) << 2 | (v >> 2 & 0x33333333);
	v = (v & 0x0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f);
	return __builtin_bswap32(v);
}

static char *append_channel_url(char *to, uint32_t number)
{
	uint64_t h = mix(number * UINT64_C(0x9e3779b97f4a7c15) + 1);
	uint32_t id = reverse_bits(number);

	to = APPEND_LIT(to, URL_BASE);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t bits = (uint32_t)(h >> (19 * i)) & 0x7ffff;
		char *folder = to;

		to = append(to, letters_at(bits), 3 + (bits >> 12 & 1), 4);
		if (bits >> 13 < 20)
			folder[bits >> 13 & 1] = '_';
		*to++ = '/';
	}
	to = APPEND_LIT(to - 1, URL_ITEM);
	if (below(low(mix(h)), 10) == 0)
		return to;
	to = APPEND_LIT(to, "&channel_id=");
	/* The absolute value as a signed number, as in the known generators. */
	return append_u32(to, id >> 31 ? 0 - id : id);
}

static uint32_t bid(const struct weir_nexmark_options *o, uint64_t n, void *mem)
{
	static const struct hot_channel hot[HOT_CHANNELS] = {
		HOT("Google", "lzo/ifq/vwe_"),
		HOT("Facebook", "k_hm/zpt/brsj"),
		HOT("Baidu", "wdx/aun_/qcy"),
		HOT("Apple", "ogp/m_ve/tiul"),
	};
	uint64_t key = event_key(o->seed, n), r = draw(key, 0);
	int64_t t_ns = event_time(o, n, key);
	struct writer w = begin(mem, WEIR_NEXMARK_BID, t_ns);
	char *p = text_at(&w);

	put_i64(&w, 0, auction_for(n, r, o->hot_auction_ratio));
	put_i64(&w, 1, person_for(n, draw(key, 1), o->hot_bidder_ratio, 1));
	r = draw(key, 2);
	put_i64(&w, 2, price_of(low(r)));
	if (r >> 63) {
		const struct hot_channel *c = &hot[r >> 61 & (HOT_CHANNELS - 1)];

		p = append(p, c->name, c->name_size, sizeof(c->name));
		text_end(&w, 3, p);
		p = append(p, c->url, c->url_size, sizeof(c->url));
	} else {
		uint32_t number = below(high(r) << 1, CHANNELS);

		p = append_channel(p, number);
		text_end(&w, 3, p);
		p = append_channel_url(p, number);
	}
	text_end(&w, 4, p);
	put_i64(&w, 5, t_ns);
	r = draw(key, 3);
	append(p, letters_at(low(r)), 0, 96); /* extra_length() is below 82 here */
	return end(&w, o, 6, extra_length(32, BID_BYTES, high(r)));
}

uint32_t weir_nexmark_event(const struct weir_nexmark_options *o, uint64_t n, void *mem)
{
	switch (weir_nexmark_stream_of(n)) {
	case WEIR_NEXMARK_PERSON:
		return person(o, n, mem);
	case WEIR_NEXMARK_AUCTION:
		return auction(o, n, mem);
	default:
		return bid(o, n, mem);
	}
}
