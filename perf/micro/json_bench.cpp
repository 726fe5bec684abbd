// SPDX-License-Identifier: Apache-2.0
// JSON parsing alone: the same lines of Nexmark bids into the same eight values, by weir's reader (into
// frames), by simdjson (on demand, fields in order) and by jansson (tree). Prints a table and JSON lines.
// usage: json_bench FILE.jsonl [ROUNDS]
#include <jansson.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include "perf/micro/json_weir.h"
}

static const char *const text_field[] = {"channel", "url", "dateTime", "extra", "region"};
static const char *const int_field[] = {"auction", "bidder", "price"};

struct line {
	const char *p;
	size_t n;
};

static uint64_t by_simdjson(const std::vector<line> &lines, const char *end)
{
	simdjson::ondemand::parser parser;
	uint64_t sum = 0;

	for (const line &l : lines) {
		size_t room = std::min<size_t>(size_t(end - l.p), l.n + simdjson::SIMDJSON_PADDING);
		auto doc = parser.iterate(simdjson::padded_string_view(l.p, l.n, room));
		auto o = doc.get_object();
		for (const char *f : int_field)
			sum += uint64_t(int64_t(o.find_field_unordered(f)));
		for (const char *f : text_field)
			sum += std::string_view(o.find_field_unordered(f)).size();
	}
	return sum;
}

static uint64_t by_jansson(const std::vector<line> &lines)
{
	uint64_t sum = 0;

	for (const line &l : lines) {
		json_t *o = json_loadb(l.p, l.n, 0, nullptr);
		for (const char *f : int_field)
			sum += uint64_t(json_integer_value(json_object_get(o, f)));
		for (const char *f : text_field)
			sum += json_string_length(json_object_get(o, f));
		json_decref(o);
	}
	return sum;
}

template <class F> static double seconds(F f)
{
	auto a = std::chrono::steady_clock::now();
	f();
	return std::chrono::duration<double>(std::chrono::steady_clock::now() - a).count();
}

int main(int argc, char **argv)
{
	FILE *f = argc > 1 ? std::fopen(argv[1], "rb") : nullptr;
	int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
	if (!f) {
		std::fprintf(stderr, "usage: json_bench FILE.jsonl [ROUNDS]\n");
		return 2;
	}
	std::fseek(f, 0, SEEK_END);
	size_t n = size_t(std::ftell(f));
	std::rewind(f);
	std::string data(n + simdjson::SIMDJSON_PADDING, '\0');
	if (std::fread(&data[0], 1, n, f) != n)
		return 1;
	std::fclose(f);
	std::vector<line> lines;
	for (const char *p = data.data(), *end = p + n; p < end;) {
		const char *nl = static_cast<const char *>(std::memchr(p, '\n', size_t(end - p)));
		lines.push_back({p, size_t(nl - p)});
		p = nl + 1;
	}
	struct contestant {
		const char *name;
		std::vector<double> s;
	} c[3] = {{"weir, into frames", {}}, {"simdjson on demand", {}}, {"jansson", {}}};
	uint64_t check[3] = {};
	for (int r = 0; r < rounds; r++) {
		c[0].s.push_back(seconds([&] { check[0] = json_weir(data.data(), n); }));
		c[1].s.push_back(
			seconds([&] { check[1] = by_simdjson(lines, data.data() + data.size()); }));
		c[2].s.push_back(seconds([&] { check[2] = by_jansson(lines); }));
	}
	double base = 0;
	for (int i = 2; i >= 0; i--) {
		std::sort(c[i].s.begin(), c[i].s.end());
		double s = c[i].s[c[i].s.size() / 2];
		if (i == 2)
			base = s;
		std::printf("  %-20s %6.0f MB/s  %5.2f M records/s  %5.1f times jansson\n",
			    c[i].name, double(n) / s / 1e6, double(lines.size()) / s / 1e6,
			    base / s);
		std::fprintf(stderr,
			     "{\"benchmark\": \"json\", \"reader\": \"%s\", \"bytes_per_second\": "
			     "%.0f}\n",
			     c[i].name, double(n) / s);
	}
	// Texts of dateTime become numbers in weir's frames, so only the others agree exactly.
	if (check[1] != check[2] || check[0] == 0) {
		std::printf("the readers disagree\n");
		return 1;
	}
	return 0;
}
