/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cli/cli.h"

#include <stdarg.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "engine/edge/build_ops.h"

int weir_cli_error(int code, const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "weir %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

int weir_cli_usage(const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "weir %s: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n`weir %s --help` shows the usage\n", verb);
	return WEIR_EXIT_USAGE;
}

int weir_cli_bad_option(const char *verb, int c, char **argv)
{
	const char *arg = argv[optind - 1];

	if (c == ':')
		return weir_cli_usage(verb, "`%s` needs a value", arg);
	/* Of letters only the one is wrong; it may stand between others. */
	if (optopt && strncmp(arg, "--", 2))
		return weir_cli_usage(verb, "unknown option `-%c`", optopt);
	return weir_cli_usage(verb, "unknown option `%s`", arg);
}

bool weir_cli_output(const char *verb, const char *arg, bool *ret_json)
{
	*ret_json = !strcmp(arg, "json");
	if (!*ret_json && strcmp(arg, "text")) {
		weir_cli_usage(verb, "-o %s: text or json", arg);
		return false;
	}
	return true;
}

bool weir_cli_count(const char *verb, const char *option, const char *arg, uint64_t min,
		    uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (weir_parse_count(weir_str_c(arg), &v) < 0 || v < min || v > max) {
		weir_cli_usage(verb, "%s %s: a number from %llu to %llu", option, arg,
			       (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*ret = v;
	return true;
}

void weir_cli_diags(const char *file, const struct weir_diags *d, bool json)
{
	char text[1024];

	if (!json) {
		for (uint32_t i = 0; i < d->count; i++)
			fprintf(stderr, "%s:%u:%u: %s\n", file, d->diag[i].pos.line,
				d->diag[i].pos.column, d->diag[i].text);
		if (d->dropped)
			fprintf(stderr, "%s: and %u more\n", file, d->dropped);
		return;
	}
	printf("{\"ok\":false,\"file\":");
	for (uint32_t i = 0; i <= d->count; i++) {
		struct weir_buf b = weir_buf_of(text, sizeof(text));

		if (i == 0) {
			weir_buf_json_str(&b, weir_str_c(file));
			weir_buf_lit(&b, ",\"errors\":[");
		} else {
			weir_buf_printf(
				&b, "%s{\"line\":%u,\"column\":%u,\"message\":", i > 1 ? "," : "",
				d->diag[i - 1].pos.line, d->diag[i - 1].pos.column);
			weir_buf_json_str(&b, weir_str_c(d->diag[i - 1].text));
			weir_buf_char(&b, '}');
		}
		fwrite(b.p, 1, b.len, stdout);
	}
	printf("],\"more\":%u}\n", d->dropped);
}

int weir_cli_load(const char *verb, const char *file, bool json, struct weir_region *region,
		  struct weir_pipeline **ret)
{
	struct weir_diags diags;
	struct weir_err err = {0};
	int r = weir_pipeline_load(file, weir_build_ops(), region, ret, &diags, &err);

	if (r == 0)
		return 0;
	if (r != WEIR_E_CONFIG && json)
		weir_diag(&diags, (struct weir_doc_pos){0, 0}, "%s", err.text);
	else if (r != WEIR_E_CONFIG)
		return weir_cli_error(WEIR_EXIT_FILE, verb, "%s", err.text);
	weir_cli_diags(file, &diags, json);
	return WEIR_EXIT_FILE;
}

void weir_cli_number(char *ret, size_t cap, double v)
{
	static const char *const unit[] = {"", " k", " M", " G", " T"};
	size_t u = 0;

	while (v >= 10000 && u + 1 < WEIR_COUNT_OF(unit)) {
		v /= 1000;
		u++;
	}
	snprintf(ret, cap, u && v < 100 ? "%.1f%s" : "%.0f%s", v, unit[u]);
}
