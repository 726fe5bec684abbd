/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buf.h"
#include "engine/core/nexmark.h"

#define FRAME _Alignas(8) uint8_t
#define DIGESTS "tests/data/nexmark-digests.txt"
#define FIRST "tests/data/nexmark-first.jsonl"

static struct weir_nexmark_options opt;
static FRAME mem[WEIR_NEXMARK_FRAME_MAX];
static const struct weir_frame *const frame = (const struct weir_frame *)mem;

static int setup(void **state)
{
	(void)state;
	memset(mem, 0xee, sizeof(mem));
	weir_nexmark_defaults(&opt);
	return 0;
}

/* Builds event n and checks what holds for every event. Gives its schema. */
static const struct weir_schema *build(uint64_t n)
{
	unsigned stream = weir_nexmark_stream_of(n);
	const struct weir_schema *s = weir_nexmark_schema(stream);
	int time_field = weir_schema_find(s, WEIR_STR("dateTime"));
	uint32_t stride = weir_nexmark_event(&opt, n, mem);

	assert_true(stride <= WEIR_NEXMARK_FRAME_MAX);
	assert_int_equal(stride, weir_frame_stride(frame));
	assert_int_equal(weir_frame_check(mem, stride, s), 0);
	assert_int_equal(frame->kind, WEIR_FRAME_DATA);
	assert_int_equal(frame->flags, WEIR_FRAME_F_TIMED);
	assert_int_equal(frame->stream, stream);
	assert_int_equal(frame->key_hash, 0);
	assert_true(frame->time_ns == weir_get_i64(frame, s, (unsigned)time_field));
	for (uint32_t i = frame->size; i < stride; i++)
		assert_int_equal(mem[i], 0);
	return s;
}

static struct weir_str text(const struct weir_schema *s, const char *field)
{
	int i = weir_schema_find(s, weir_str_c(field));

	assert_true(i >= 0);
	return weir_get_str(frame, s, (unsigned)i);
}

static int64_t number(const struct weir_schema *s, const char *field)
{
	int i = weir_schema_find(s, weir_str_c(field));

	assert_true(i >= 0);
	return weir_get_i64(frame, s, (unsigned)i);
}

static bool starts(struct weir_str s, const char *with)
{
	return s.n >= strlen(with) && memcmp(s.p, with, strlen(with)) == 0;
}

static void test_schemas(void **state)
{
	static const char *const name[] = {"person", "auction", "bid"};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct weir_schema *s = weir_nexmark_schema(i);
		struct weir_schema *sealed = malloc(sizeof(*sealed));

		assert_string_equal(weir_nexmark_stream_name(i), name[i]);
		assert_int_equal(s->stream, i);
		assert_string_equal(s->field[s->field_count - 1].name, "region");
		/* Written by hand as a constant: must be what sealing gives. */
		*sealed = *s;
		weir_schema_seal(sealed);
		assert_int_equal(sealed->fixed_size, s->fixed_size);
		assert_int_equal(sealed->null_words, s->null_words);
		free(sealed);
		for (unsigned a = 0; a < s->field_count; a++) {
			assert_false(s->field[a].nullable);
			assert_int_equal(weir_schema_find(s, weir_str_c(s->field[a].name)), a);
		}
	}
}

static void test_proportions(void **state)
{
	(void)state;
	for (uint64_t from = 0; from < 1000; from += 37) {
		uint32_t count[3] = {0, 0, 0};

		for (uint64_t n = from; n < from + 50; n++)
			count[weir_nexmark_stream_of(n)]++;
		assert_int_equal(count[WEIR_NEXMARK_PERSON], 1);
		assert_int_equal(count[WEIR_NEXMARK_AUCTION], 3);
		assert_int_equal(count[WEIR_NEXMARK_BID], 46);
	}
	assert_int_equal(weir_nexmark_stream_of(0), WEIR_NEXMARK_PERSON);
	assert_int_equal(weir_nexmark_stream_of(1), WEIR_NEXMARK_AUCTION);
	assert_int_equal(weir_nexmark_stream_of(3), WEIR_NEXMARK_AUCTION);
	assert_int_equal(weir_nexmark_stream_of(4), WEIR_NEXMARK_BID);
	assert_int_equal(weir_nexmark_stream_of(UINT64_MAX), WEIR_NEXMARK_BID);
}

/* The order of calls, what was in memory before, and how many events there are do not matter. */
static void test_pure(void **state)
{
	static FRAME once[500][WEIR_NEXMARK_FRAME_MAX];
	struct weir_nexmark_options other;

	(void)state;
	for (uint64_t n = 0; n < 500; n++)
		weir_nexmark_event(&opt, n, once[n]);
	other = opt;
	other.events = 7;
	other.first_event = 3;
	other.rate = 1000;
	for (uint64_t n = 500; n-- > 0;) {
		uint32_t stride;

		memset(mem, (int)n, sizeof(mem));
		stride = weir_nexmark_event(&other, n, mem);
		assert_int_equal(stride, weir_frame_stride((struct weir_frame *)once[n]));
		assert_memory_equal(mem, once[n], stride);
	}
}

static void test_seed_changes_everything(void **state)
{
	uint32_t same = 0;

	(void)state;
	for (uint64_t n = 0; n < 1000; n++) {
		FRAME a[WEIR_NEXMARK_FRAME_MAX], b[WEIR_NEXMARK_FRAME_MAX];
		uint32_t x, y;

		opt.seed = 1;
		x = weir_nexmark_event(&opt, n, a);
		opt.seed = 2;
		y = weir_nexmark_event(&opt, n, b);
		same += x == y && memcmp(a, b, x) == 0;
	}
	assert_int_equal(same, 0);
}

/* Ids count up without holes, and everything referred to has been seen before. */
static void test_references(void **state)
{
	static const uint64_t from[] = {0, 50 * 1000 * 1000, UINT64_C(50000000000)};

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(from); i++) {
		int64_t person = 999 + (int64_t)(from[i] / 50);
		int64_t auction = 999 + (int64_t)(from[i] / 50 * 3);

		for (uint64_t n = from[i]; n < from[i] + 20000; n++) {
			const struct weir_schema *s = build(n);

			switch (frame->stream) {
			case WEIR_NEXMARK_PERSON:
				assert_true(number(s, "id") == ++person);
				break;
			case WEIR_NEXMARK_AUCTION:
				assert_true(number(s, "id") == ++auction);
				assert_true(number(s, "seller") >= 1000);
				assert_true(number(s, "seller") <= person);
				assert_true(number(s, "seller") > person - 1000);
				assert_in_range(number(s, "category"), 10, 14);
				assert_true(number(s, "reserve") > number(s, "initialBid"));
				assert_true(number(s, "expires") > number(s, "dateTime"));
				break;
			default:
				assert_true(number(s, "auction") >= 1000);
				assert_true(number(s, "auction") <= auction);
				assert_true(number(s, "auction") >= auction - 100);
				assert_true(number(s, "bidder") >= 1000);
				assert_true(number(s, "bidder") <= person);
				assert_true(number(s, "bidder") > person - 1000);
				break;
			}
		}
	}
}

/* How many of the bids or auctions of a late range name the hot id. */
static void count_hot(uint32_t *ret_auction, uint32_t *ret_bidder, uint32_t *ret_seller,
		      uint32_t *ret_bids, uint32_t *ret_auctions)
{
	*ret_auction = *ret_bidder = *ret_seller = *ret_bids = *ret_auctions = 0;
	for (uint64_t n = 1000000; n < 1200000; n++) {
		const struct weir_schema *s = build(n);
		int64_t people = (int64_t)(n / 50), auctions = (int64_t)(n / 50 * 3 + 2);

		if (frame->stream == WEIR_NEXMARK_BID) {
			(*ret_bids)++;
			*ret_auction += number(s, "auction") == 1000 + auctions / 100 * 100;
			*ret_bidder += number(s, "bidder") == 1001 + people / 100 * 100;
		} else if (frame->stream == WEIR_NEXMARK_AUCTION) {
			(*ret_auctions)++;
			*ret_seller += number(s, "seller") == 1000 + people / 100 * 100;
		}
	}
}

static void test_hot_keys(void **state)
{
	uint32_t auction, bidder, seller, bids, auctions;

	(void)state;
	count_hot(&auction, &bidder, &seller, &bids, &auctions);
	/* 1 of 2, 1 of 4 and 1 of 4 are not hot; a few of these hit the hot one by chance. */
	assert_in_range(auction * UINT64_C(1000) / bids, 495, 515);
	assert_in_range(bidder * UINT64_C(1000) / bids, 735, 760);
	assert_in_range(seller * UINT64_C(1000) / auctions, 735, 765);

	opt.hot_auction_ratio = opt.hot_bidder_ratio = opt.hot_seller_ratio = 1;
	count_hot(&auction, &bidder, &seller, &bids, &auctions);
	assert_true(auction * UINT64_C(1000) / bids < 20);
	assert_true(bidder * UINT64_C(1000) / bids < 5);
	assert_true(seller * UINT64_C(1000) / auctions < 5);

	opt.hot_auction_ratio = 100;
	count_hot(&auction, &bidder, &seller, &bids, &auctions);
	assert_true(auction * UINT64_C(1000) / bids > 985);
}

static uint64_t digits(struct weir_str s)
{
	uint64_t v = 0;

	assert_true(s.n > 0 && s.n <= 10);
	for (size_t i = 0; i < s.n; i++) {
		assert_in_range(s.p[i], '0', '9');
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	assert_true(s.n == 1 || s.p[0] != '0');
	return v;
}

static uint32_t reversed(uint32_t v)
{
	uint32_t r = 0;

	for (unsigned i = 0; i < 32; i++)
		r |= (v >> i & 1) << (31 - i);
	return r;
}

/* https://www.nexmark.com/aaa/bbbb/c_c/item.htm?query=1 and then what is given back. */
static struct weir_str check_url(struct weir_str url)
{
	size_t at = strlen("https://www.nexmark.com/");

	assert_true(starts(url, "https://www.nexmark.com/"));
	for (int i = 0; i < 3; i++) {
		size_t from = at;

		for (; at < url.n && url.p[at] != '/'; at++)
			assert_true(url.p[at] == '_' || (url.p[at] >= 'a' && url.p[at] <= 'z'));
		assert_in_range(at - from, 3, 4);
		at++;
	}
	url.p += at;
	url.n -= at;
	assert_true(starts(url, "item.htm?query=1"));
	url.p += strlen("item.htm?query=1");
	url.n -= strlen("item.htm?query=1");
	return url;
}

static void test_channels(void **state)
{
	static uint8_t seen[10000];
	uint32_t hot[4] = {0}, cold = 0, with_id = 0, different = 0;

	(void)state;
	for (uint64_t n = 0; n < 200000; n++) {
		const struct weir_schema *s = weir_nexmark_schema(WEIR_NEXMARK_BID);
		struct weir_str channel, rest;

		if (weir_nexmark_stream_of(n) != WEIR_NEXMARK_BID)
			continue;
		build(n);
		channel = text(s, "channel");
		rest = check_url(text(s, "url"));
		if (!starts(channel, "channel-")) {
			assert_int_equal(rest.n, 0);
			hot[0] += weir_str_is(channel, "Google");
			hot[1] += weir_str_is(channel, "Facebook");
			hot[2] += weir_str_is(channel, "Baidu");
			hot[3] += weir_str_is(channel, "Apple");
			continue;
		}
		channel.p += 8;
		channel.n -= 8;
		cold++;
		if (rest.n > 0) {
			uint32_t r = reversed((uint32_t)digits(channel));

			assert_true(starts(rest, "&channel_id="));
			rest.p += 12;
			rest.n -= 12;
			assert_true(digits(rest) == (r >> 31 ? 0 - r : r));
			with_id++;
		}
		assert_true(digits(channel) < 10000);
		different += !seen[digits(channel)];
		seen[digits(channel)] = 1;
	}
	assert_in_range(cold * UINT64_C(1000) / (cold + hot[0] + hot[1] + hot[2] + hot[3]), 490,
			510);
	for (int i = 0; i < 4; i++)
		assert_in_range(hot[i] * UINT64_C(1000) / cold, 235, 265);
	assert_in_range(with_id * UINT64_C(1000) / cold, 890, 910);
	assert_true(different > 9990);
}

/* Same channel, same url, whatever the seed. */
static void test_channel_url_is_fixed(void **state)
{
	static char url[10000][96];

	(void)state;
	for (opt.seed = 0; opt.seed < 3; opt.seed++) {
		for (uint64_t n = 0; n < 50000; n++) {
			const struct weir_schema *s = weir_nexmark_schema(WEIR_NEXMARK_BID);
			struct weir_str channel, u;
			char *have;

			if (weir_nexmark_stream_of(n) != WEIR_NEXMARK_BID)
				continue;
			build(n);
			channel = text(s, "channel");
			if (!starts(channel, "channel-"))
				continue;
			u = text(s, "url");
			have = url[digits((struct weir_str){channel.p + 8, channel.n - 8})];
			assert_true(u.n < 96);
			if (have[0])
				assert_true(weir_str_is(u, have));
			else
				memcpy(have, u.p, u.n);
		}
	}
}

/* Log-uniform from 1 to 1 000 000 dollars, in cents: a sixth in each power of ten. */
static void test_prices(void **state)
{
	uint32_t count[6] = {0}, bids = 0;

	(void)state;
	for (uint64_t n = 0; n < 300000; n++) {
		const struct weir_schema *s;
		int64_t price;
		int power = -1;

		if (weir_nexmark_stream_of(n) != WEIR_NEXMARK_BID)
			continue;
		s = build(n);
		price = number(s, "price");
		assert_true(price >= 100 && price <= 100000000);
		for (int64_t limit = 100; limit <= price && power < 5; limit *= 10)
			power++;
		count[power]++;
		bids++;
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(count[i] * UINT64_C(6000) / bids, 980, 1020);
}

static void test_texts(void **state)
{
	uint64_t size[3] = {0}, count[3] = {0};

	(void)state;
	for (uint64_t n = 0; n < 100000; n++) {
		const struct weir_schema *s = build(n);
		struct weir_str extra = text(s, "extra");
		uint64_t texts = 0, numbers = 0;

		for (unsigned i = 0; i < s->field_count; i++) {
			if (s->field[i].type.type == WEIR_STRING)
				texts += weir_get_str(frame, s, i).n;
			else
				numbers += 8;
		}
		if (frame->stream == WEIR_NEXMARK_BID)
			texts = extra.n; /* channel and url do not count */
		size[frame->stream] += texts + numbers;
		count[frame->stream]++;
		for (size_t i = 0; i < extra.n; i++)
			assert_in_range(extra.p[i], 'a', 'z');
		if (frame->stream == WEIR_NEXMARK_AUCTION) {
			struct weir_str d = text(s, "description");
			struct weir_str name = text(s, "itemName");

			assert_in_range(name.n, 3, 19);
			assert_in_range(d.n, 3, 99);
			assert_true(d.p[0] != ' ' && d.p[d.n - 1] != ' ');
			assert_true(name.p[0] != ' ' && name.p[name.n - 1] != ' ');
		} else if (frame->stream == WEIR_NEXMARK_PERSON) {
			struct weir_str card = text(s, "creditCard");
			struct weir_str mail = text(s, "emailAddress");

			assert_int_equal(card.n, 19);
			assert_int_equal(card.p[4], ' ');
			assert_non_null(memchr(mail.p, '@', mail.n));
			assert_memory_equal(mail.p + mail.n - 4, ".com", 4);
			assert_non_null(memchr(text(s, "name").p, ' ', text(s, "name").n));
			assert_int_equal(text(s, "state").n, 2);
		}
	}
	/* Averages of the known generators, which leave one time field out of persons and auctions. */
	assert_in_range(size[WEIR_NEXMARK_PERSON] / count[WEIR_NEXMARK_PERSON], 203, 211);
	assert_in_range(size[WEIR_NEXMARK_AUCTION] / count[WEIR_NEXMARK_AUCTION], 504, 512);
	assert_in_range(size[WEIR_NEXMARK_BID] / count[WEIR_NEXMARK_BID], 98, 102);
}

static void test_times_in_order(void **state)
{
	int64_t base = opt.base_time_ns;

	(void)state;
	assert_true(base == INT64_C(1436918400) * WEIR_NS_PER_S);
	build(0);
	assert_true(frame->time_ns == base);
	build(1);
	assert_true(frame->time_ns == base + 100000);
	build(UINT64_C(10000) * 3600);
	assert_true(frame->time_ns == base + 3600 * WEIR_NS_PER_S);
	/* A spacing that is no whole number of ns does not drift. */
	opt.events_per_second = 3;
	build(1);
	assert_true(frame->time_ns == base + 333333333);
	build(3000001);
	assert_true(frame->time_ns == base + 1000000 * WEIR_NS_PER_S + 333333333);
	opt.events_per_second = UINT64_C(3000000000000); /* more than one per ns */
	build(UINT64_C(3000000000000) * 5 - 1);
	assert_true(frame->time_ns == base + 5 * WEIR_NS_PER_S - 1);
}

/* Beyond what 64 bits of ns hold, times stop; they never wrap, and the watermark stays right. */
static void test_end_of_time(void **state)
{
	static const uint64_t n[] = {UINT64_C(7000000000), UINT64_C(8000000000),
				     UINT64_C(18446744073709), UINT64_MAX};
	int64_t last = INT64_MIN;

	(void)state;
	opt.events_per_second = 1;
	opt.out_of_order_ns = WEIR_NS_PER_S;
	for (size_t i = 0; i < WEIR_COUNT_OF(n); i++) {
		build(n[i]);
		assert_true(frame->time_ns > weir_nexmark_watermark(&opt, n[i]));
		assert_true(frame->time_ns < WEIR_TIME_MAX);
		assert_true(weir_nexmark_watermark(&opt, n[i]) >= last);
		last = weir_nexmark_watermark(&opt, n[i]);
	}
	opt.base_time_ns = WEIR_TIME_MIN;
	assert_true(weir_nexmark_watermark(&opt, 0) == WEIR_TIME_MIN);
}

/* No event at or behind n is at or below watermark(n), and it could not be higher. */
static void test_watermark(void **state)
{
	static const int64_t disorder[] = {0, 1, 1000000, 5 * WEIR_NS_PER_S};

	(void)state;
	for (size_t d = 0; d < WEIR_COUNT_OF(disorder); d++) {
		uint32_t swapped = 0, in_place = 0;
		int64_t before = INT64_MIN;

		opt.out_of_order_ns = disorder[d];
		for (uint64_t n = 0; n < 20000; n++) {
			int64_t mark = weir_nexmark_watermark(&opt, n);

			build(n);
			assert_true(mark >= (n ? weir_nexmark_watermark(&opt, n - 1) : mark));
			assert_true(frame->time_ns > mark);
			assert_true(frame->time_ns <= mark + 1 + disorder[d]);
			swapped += frame->time_ns < before;
			in_place += frame->time_ns == mark + 1;
			before = frame->time_ns;
		}
		if (disorder[d] <= 1)
			assert_int_equal(swapped, 0);
		else
			assert_true(swapped > 5000);
		if (disorder[d] == 0)
			assert_int_equal(in_place, 20000);
		if (disorder[d] == 1)
			assert_in_range(in_place, 9500, 10500);
	}
}

/* Disorder moves times and nothing else. */
static void test_disorder_keeps_the_rest(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 2000; n++) {
		FRAME plain[WEIR_NEXMARK_FRAME_MAX];
		const struct weir_schema *s;

		opt.out_of_order_ns = 0;
		weir_nexmark_event(&opt, n, plain);
		opt.out_of_order_ns = 3 * WEIR_NS_PER_S;
		s = build(n);
		assert_int_equal(frame->size, ((struct weir_frame *)plain)->size);
		for (unsigned i = 0; i < s->field_count; i++)
			if (s->field[i].type.type != WEIR_TIMESTAMP)
				assert_true(weir_slot(frame, s, i) ==
					    weir_slot((struct weir_frame *)plain, s, i));
	}
}

static void test_region(void **state)
{
	char longest[WEIR_NAME_MAX + 1];

	(void)state;
	memset(longest, 'r', WEIR_NAME_MAX);
	longest[WEIR_NAME_MAX] = '\0';
	for (uint64_t n = 0; n < 3000; n++) {
		opt.region = "";
		assert_int_equal(text(build(n), "region").n, 0);
		opt.region = "eu-west";
		assert_true(weir_str_is(text(build(n), "region"), "eu-west"));
		opt.region = longest;
		assert_true(weir_str_is(text(build(n), "region"), longest));
	}
}

/* ---- golden files: a difference means that every stored expectation of Nexmark is void ---- */

static uint64_t digest_of(uint64_t first, uint64_t count)
{
	XXH3_state_t *x = XXH3_createState();
	uint64_t digest;

	XXH3_64bits_reset(x);
	for (uint64_t n = first; n < first + count; n++)
		XXH3_64bits_update(x, mem, weir_nexmark_event(&opt, n, mem));
	digest = XXH3_64bits_digest(x);
	XXH3_freeState(x);
	return digest;
}

static void test_golden_digests(void **state)
{
	FILE *f = fopen(DIGESTS, "re");
	unsigned wrong = 0, lines = 0;
	char line[256], region[64];

	(void)state;
	if (!f)
		fail_msg("cannot open %s (tests run in the top folder)", DIGESTS);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long seed, first, count, want, have;
		long long disorder;

		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%llu %llu %llu %lld %63s %llx", &seed, &first,
					&count, &disorder, region, &want),
				 6);
		weir_nexmark_defaults(&opt);
		opt.seed = seed;
		opt.out_of_order_ns = disorder;
		opt.region = strcmp(region, "-") == 0 ? "" : region;
		have = digest_of(first, count);
		if (have != want) {
			print_error("%llu %llu %llu %lld %s %016llx\n", seed, first, count,
				    disorder, region, have);
			wrong++;
		}
		lines++;
	}
	fclose(f);
	assert_true(lines >= 8);
	assert_int_equal(wrong, 0);
}

static void test_golden_first(void **state)
{
	FILE *f = fopen(FIRST, "re");
	char line[4096], json[4096];
	uint64_t n = 0;

	(void)state;
	if (!f)
		fail_msg("cannot open %s (tests run in the top folder)", FIRST);
	for (; fgets(line, sizeof(line), f); n++) {
		struct weir_buf b = weir_buf_of(json, sizeof(json) - 1);

		weir_buf_record_json(&b, frame, build(n));
		assert_false(b.full);
		json[b.len] = '\0';
		line[strcspn(line, "\n")] = '\0';
		assert_string_equal(json, line);
	}
	fclose(f);
	assert_true(n >= 12);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

static const struct CMUnitTest tests[] = {
	TEST(test_schemas),	   TEST(test_proportions),
	TEST(test_pure),	   TEST(test_seed_changes_everything),
	TEST(test_references),	   TEST(test_hot_keys),
	TEST(test_channels),	   TEST(test_channel_url_is_fixed),
	TEST(test_prices),	   TEST(test_texts),
	TEST(test_times_in_order), TEST(test_end_of_time),
	TEST(test_watermark),	   TEST(test_disorder_keeps_the_rest),
	TEST(test_region),	   TEST(test_golden_digests),
	TEST(test_golden_first),
};

WEIR_TEST_MAIN("nexmark", tests)
