/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/num.h"
#include "shm/rings_tool.h"

static const struct rings_verb *const verbs[] = {
	&rings_verb_list, &rings_verb_stat,  &rings_verb_watch,
	&rings_verb_dump, &rings_verb_check, &rings_verb_copy,
};

static const struct {
	struct option option;
	const char *help;
} rings_option[] = {
	{{"output", required_argument, NULL, 'o'}, "-o, --output text|json    how to print"},
	{{"ring", required_argument, NULL, 'r'}, "-r, --ring NAME|INDEX     only this ring"},
	{{"limit", required_argument, NULL, 'l'}, "-l, --limit N             at most N frames"},
	{{"interval", required_argument, NULL, 'i'}, "-i, --interval TIME       1s, 200ms"},
	{{"count", required_argument, NULL, 'n'}, "-n, --count N             N samples, then end"},
	{{"force", no_argument, NULL, 'f'}, "-f, --force               replace FILE"},
	{{"help", no_argument, NULL, 'h'}, "-h, --help                this text"},
};

static void rings_help(FILE *out)
{
	fputs("Usage: weir-rings VERB [options] [SEGMENT]\n\n"
	      "Looks into the shared memory of a pipeline, live or copied, without disturbing "
	      "it.\n\n",
	      out);
	for (unsigned i = 0; i < WEIR_COUNT_OF(verbs); i++)
		fprintf(out, "  %-7s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\nSEGMENT is the name of a running pipeline, a file, or PID:FD (a descriptor of a "
	      "process).\n"
	      "weir-rings VERB --help says more. Exit code: 0 fine, 1 a problem was found, 2 wrong "
	      "usage.\n",
	      out);
}

static void rings_verb_help(FILE *out, const struct rings_verb *v)
{
	fprintf(out, "Usage: weir-rings %s\n\n%s\n\n", v->usage, v->text);
	for (unsigned i = 0; i < WEIR_COUNT_OF(rings_option); i++) {
		if (strchr(v->options, rings_option[i].option.val))
			fprintf(out, "  %s\n", rings_option[i].help);
	}
}

static int rings_usage(struct rings_tool *t, const struct rings_verb *v, const char *fmt, ...)
	weir_printf_like(3, 4);

static int rings_usage(struct rings_tool *t, const struct rings_verb *v, const char *fmt, ...)
{
	va_list ap;

	fprintf(t->err, "weir-rings %s: ", v->name);
	va_start(ap, fmt);
	vfprintf(t->err, fmt, ap);
	va_end(ap);
	fprintf(t->err, "\nUsage: weir-rings %s\n", v->usage);
	return RINGS_USAGE;
}

static int rings_option_value(struct rings_tool *t, const struct rings_verb *v, int c,
			      const char *value)
{
	switch (c) {
	case 'o':
		t->json = strcmp(value, "json") == 0;
		if (!t->json && strcmp(value, "text") != 0)
			return rings_usage(t, v, "--output is text or json, not \"%s\"", value);
		break;
	case 'r':
		t->ring = value;
		break;
	case 'l':
		if (weir_parse_count(weir_str_c(value), &t->limit) < 0)
			return rings_usage(t, v, "--limit: \"%s\" is not a number", value);
		break;
	case 'n':
		if (weir_parse_count(weir_str_c(value), &t->count) < 0 || t->count == 0)
			return rings_usage(t, v, "--count: \"%s\" is not a number from 1 on",
					   value);
		break;
	case 'i':
		if (weir_parse_duration(weir_str_c(value), &t->interval_ns) < 0 ||
		    t->interval_ns <= 0)
			return rings_usage(
				t, v, "--interval: \"%s\" is not a time like 1s or 200ms", value);
		break;
	default:
		t->force = true;
		break;
	}
	return -1;
}

int rings_options(struct rings_tool *t, const struct rings_verb *v, int argc, char *const *argv)
{
	struct option known[WEIR_COUNT_OF(rings_option) + 1] = {0};
	char letters[2 * WEIR_COUNT_OF(rings_option) + 2] = ":";
	unsigned n = 0;
	int c, r;

	for (unsigned i = 0; i < WEIR_COUNT_OF(rings_option); i++) {
		const struct option *o = &rings_option[i].option;
		size_t len = strlen(letters);

		if (!strchr(v->options, o->val))
			continue;
		known[n++] = *o;
		letters[len] = (char)o->val;
		letters[len + 1] = o->has_arg == required_argument ? ':' : 0;
	}
	optind = 0; /* starts afresh, also in a program that has used getopt before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, known, NULL)) != -1) {
		if (c == 'h') {
			rings_verb_help(t->out, v);
			return RINGS_FINE;
		}
		if (c == ':')
			return rings_usage(t, v, "%s needs a value", argv[optind - 1]);
		if (c == '?')
			return rings_usage(t, v, "unknown option %s", argv[optind - 1]);
		r = rings_option_value(t, v, c, optarg);
		if (r >= 0)
			return r;
	}
	if (argc - optind < v->args_min || argc - optind > v->args_max)
		return rings_usage(t, v,
				   argc - optind < v->args_min ? "something is missing"
							       : "too many arguments");
	while (optind < argc)
		t->arg[t->arg_count++] = argv[optind++];
	return -1;
}

int weir_rings_main(int argc, char *const *argv, FILE *out, FILE *err)
{
	struct rings_tool t = {
		.out = out, .err = err, .limit = UINT64_MAX, .interval_ns = WEIR_NS_PER_S};
	const char *verb = argc > 1 ? argv[1] : NULL;
	const char *names[WEIR_COUNT_OF(verbs)], *near;

	if (!verb) {
		rings_help(err);
		return RINGS_USAGE;
	}
	if (!strcmp(verb, "--help") || !strcmp(verb, "-h") || !strcmp(verb, "help")) {
		rings_help(out);
		return RINGS_FINE;
	}
	if (!strcmp(verb, "--version")) {
		fprintf(out, "weir-rings %s\n", WEIR_VERSION);
		return RINGS_FINE;
	}
	for (unsigned i = 0; i < WEIR_COUNT_OF(verbs); i++) {
		int r;

		names[i] = verbs[i]->name;
		if (strcmp(verb, verbs[i]->name) != 0)
			continue;
		r = rings_options(&t, verbs[i], argc - 1, argv + 1);
		return r >= 0 ? r : verbs[i]->run(&t);
	}
	near = weir_str_suggest(weir_str_c(verb), names, WEIR_COUNT_OF(names));
	fprintf(err, "weir-rings: unknown verb \"%s\"%s%s%s (weir-rings --help)\n", verb,
		near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
	return RINGS_USAGE;
}
