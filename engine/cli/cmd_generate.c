/* SPDX-License-Identifier: Apache-2.0 */
/* weir generate: the Nexmark events as a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "base/time.h"
#include "engine/cli/cli.h"
#include "engine/core/decode.h"
#include "engine/core/nexmark.h"
#include "engine/edge/output.h"

static const char usage[] =
	"usage: weir generate nexmark [options]\n"
	"\n"
	"Writes Nexmark events. Event n is a function of the options and n: the same call gives the same\n"
	"bytes everywhere.\n"
	"\n"
	"  --events N           how many (default 1000000)\n"
	"  --first N            number of the first one (default 0)\n"
	"  --seed N             (default 0)\n"
	"  --only STREAM        person, auction or bid; default: all three (csv needs this option)\n"
	"  --format csv|jsonl|raw   default by the extension of FILE, else jsonl\n"
	"  --out-of-order DUR   largest displacement of event times (default 0)\n"
	"  --events-per-second N    spacing of event times (default 10000)\n"
	"  --base-time TIME     event time of event 0 (default 2015-07-15T00:00:00Z)\n"
	"  --hot-auctions N, --hot-bidders N, --hot-sellers N   one of N is not hot (default 2, 4, 4)\n"
	"  --region TAG         value of the `region` field\n"
	"  --out FILE           default standard output; .gz and .zst are packed\n"
	"  -h, --help\n"
	"\n"
	"jsonl of all streams has a member `type` that names the stream.\n";

struct generate {
	struct weir_nexmark_options opt;
	int only; /* stream, -1: all */
	enum weir_format format;
	const char *out;
};

static enum weir_format format_of(const char *name)
{
	static const struct {
		const char *ext;
		enum weir_format format;
	} ext[] = {{".csv", WEIR_FORMAT_CSV}, {".raw", WEIR_FORMAT_RAW}};

	for (size_t i = 0; name && i < WEIR_COUNT_OF(ext); i++)
		if (strstr(name, ext[i].ext))
			return ext[i].format;
	return WEIR_FORMAT_JSONL;
}

static int parse_format(const char *arg, enum weir_format *ret)
{
	static const char *const name[] = {"csv", "jsonl", "raw"};

	for (int i = 0; i < 3; i++) {
		if (!strcmp(arg, name[i])) {
			*ret = (enum weir_format)(WEIR_FORMAT_CSV + i);
			return 0;
		}
	}
	return weir_cli_usage("generate", "--format %s: csv, jsonl or raw", arg);
}

static int parse_only(const char *arg, int *ret)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!strcmp(arg, weir_nexmark_stream_name(i))) {
			*ret = (int)i;
			return 0;
		}
	}
	return weir_cli_usage("generate", "--only %s: person, auction or bid", arg);
}

static bool parse_ratio(struct generate *g, int option, const char *arg)
{
	uint64_t v;

	if (!weir_cli_count("generate", "--hot-...", arg, 1, 1000000, &v))
		return false;
	if (option == '1')
		g->opt.hot_auction_ratio = (uint32_t)v;
	else if (option == '2')
		g->opt.hot_bidder_ratio = (uint32_t)v;
	else
		g->opt.hot_seller_ratio = (uint32_t)v;
	return true;
}

static int parse(struct generate *g, int argc, char **argv)
{
	static const struct option options[] = {{"events", required_argument, NULL, 'e'},
						{"first", required_argument, NULL, 'f'},
						{"seed", required_argument, NULL, 's'},
						{"only", required_argument, NULL, 'y'},
						{"format", required_argument, NULL, 'F'},
						{"out-of-order", required_argument, NULL, 'd'},
						{"events-per-second", required_argument, NULL, 'p'},
						{"base-time", required_argument, NULL, 'b'},
						{"hot-auctions", required_argument, NULL, '1'},
						{"hot-bidders", required_argument, NULL, '2'},
						{"hot-sellers", required_argument, NULL, '3'},
						{"region", required_argument, NULL, 'r'},
						{"out", required_argument, NULL, 'O'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		const char *verb = "generate";
		bool ok = true;

		switch (c) {
		case 'e':
			ok = weir_cli_count(verb, "--events", optarg, 1, UINT64_MAX / 2,
					    &g->opt.events);
			break;
		case 'f':
			ok = weir_cli_count(verb, "--first", optarg, 0, UINT64_MAX / 2,
					    &g->opt.first_event);
			break;
		case 's':
			ok = weir_cli_count(verb, "--seed", optarg, 0, UINT64_MAX, &g->opt.seed);
			break;
		case 'p':
			ok = weir_cli_count(verb, "--events-per-second", optarg, 1, 1000000000,
					    &g->opt.events_per_second);
			break;
		case 'y':
			r = parse_only(optarg, &g->only);
			break;
		case 'F':
			r = parse_format(optarg, &g->format);
			break;
		case 'd':
			if (weir_parse_duration(weir_str_c(optarg), &g->opt.out_of_order_ns) < 0)
				r = weir_cli_usage(verb, "--out-of-order %s: a duration such as 2s",
						   optarg);
			break;
		case '1':
		case '2':
		case '3':
			ok = parse_ratio(g, c, optarg);
			break;
		case 'b':
			if (weir_time_parse_rfc3339(weir_str_c(optarg), &g->opt.base_time_ns) < 0)
				r = weir_cli_usage(verb,
						   "--base-time %s: a time such as "
						   "2015-07-15T00:00:00Z",
						   optarg);
			break;
		case 'r':
			g->opt.region = optarg;
			break;
		case 'O':
			g->out = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			return weir_cli_bad_option(verb, c, argv);
		}
		if (!ok)
			return WEIR_EXIT_USAGE;
	}
	if (r)
		return r;
	if (optind + 1 != argc || strcmp(argv[optind], "nexmark"))
		return weir_cli_usage("generate", "generate what? only `nexmark` is known");
	if (!g->format)
		g->format = format_of(g->out);
	if (g->format == WEIR_FORMAT_CSV && g->only < 0)
		return weir_cli_usage("generate",
				      "a csv file holds one kind of record: add --only bid");
	return 0;
}

static int write_events(const struct generate *g, struct weir_output *out, struct weir_err *err)
{
	const struct weir_schema *schema[3];
	const char *name[3];
	struct weir_schema *only = NULL;
	struct weir_encoder_spec enc = {.format = g->format,
					.csv = {.delimiter = ',', .header = true, .null_text = ""},
					.stream_count = g->only < 0 ? 3 : 1,
					.schema = schema,
					.stream_name = name,
					.type_field = g->only < 0 ? "type" : NULL};
	_Alignas(8) uint8_t frame[WEIR_NEXMARK_FRAME_MAX];
	char *text = malloc(1 << 16);
	struct weir_buf b = weir_buf_of(text, 1 << 16);
	int r;

	for (unsigned i = 0; i < enc.stream_count; i++) {
		unsigned s = g->only < 0 ? i : (unsigned)g->only;

		schema[i] = weir_nexmark_schema(s);
		name[i] = weir_nexmark_stream_name(s);
	}
	if (g->only >= 0) {
		/* Alone in its file the stream is number 0. */
		only = malloc(sizeof(*only));
		*only = *schema[0];
		only->stream = 0;
		schema[0] = only;
	}
	weir_encode_head(&enc, &b);
	r = weir_output_write(out, b.p, b.len, err);
	for (uint64_t n = g->opt.first_event; r >= 0 && n < g->opt.first_event + g->opt.events;
	     n++) {
		if (g->only >= 0 && weir_nexmark_stream_of(n) != (unsigned)g->only)
			continue;
		weir_nexmark_event(&g->opt, n, frame);
		if (g->only >= 0)
			((struct weir_frame *)(void *)frame)->stream = 0;
		b.len = 0;
		weir_encode_record(&enc, &b, (const struct weir_frame *)(const void *)frame);
		r = weir_output_write(out, b.p, b.len, err);
	}
	free(text);
	free(only);
	return r < 0 ? r : weir_output_finish(out, err);
}

int weir_cmd_generate(int argc, char **argv)
{
	struct generate g = {.only = -1};
	struct weir_output_options opt = {.fd = STDOUT_FILENO, .name = "standard output"};
	struct weir_output *out;
	struct weir_err err = {0};
	int r;

	weir_nexmark_defaults(&g.opt);
	g.opt.events = 1000000;
	r = parse(&g, argc, argv);
	if (r)
		return r < 0 ? WEIR_EXIT_OK : r;
	if (g.out) {
		opt.fd = open(g.out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
		if (opt.fd < 0)
			return weir_cli_error(WEIR_EXIT_FAILED, "generate", "cannot create %s: %s",
					      g.out, weir_strerror(-errno));
		opt.name = g.out;
	} else if (isatty(STDOUT_FILENO) && g.format == WEIR_FORMAT_RAW) {
		return weir_cli_usage("generate", "raw is binary: name a file with --out");
	}
	r = weir_output_open(&opt, &out, &err);
	if (r == 0) {
		r = write_events(&g, out, &err);
		weir_output_close(out);
	}
	if (g.out && close(opt.fd) && r >= 0)
		r = weir_err_set(&err, -errno, "cannot close %s: %s", g.out, weir_strerror(-errno));
	return r < 0 ? weir_cli_error(WEIR_EXIT_FAILED, "generate", "%s", err.text) : WEIR_EXIT_OK;
}
