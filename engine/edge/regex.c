/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_STEPS_MAX 1000000
#define MATCH_DEPTH_MAX 10000
#define MATCH_HEAP_KIB 8192
#define PATTERN_MAX 16384 /* bytes */
#define JIT_STACK_MIN ((size_t)32 * 1024)
#define JIT_STACK_MAX ((size_t)1024 * 1024)

struct regex {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	pcre2_jit_stack *stack;
	unsigned groups;
};

static void regex_free(void *ctx, void *re)
{
	struct regex *x = re;

	(void)ctx;
	if (!x)
		return;
	pcre2_jit_stack_free(x->stack);
	pcre2_match_context_free(x->limits);
	pcre2_match_data_free(x->match);
	pcre2_code_free(x->code);
	free(x);
}

static pcre2_code *compile_pattern(struct weir_str pattern, struct weir_err *err)
{
	PCRE2_UCHAR text[200];
	PCRE2_SIZE at;
	pcre2_code *code;
	int rc;

	if (pattern.n > PATTERN_MAX) {
		weir_err_set(err, WEIR_E_LIMIT, "pattern longer than %d bytes", PATTERN_MAX);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
			     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &rc,
			     &at, NULL);
	if (!code) {
		pcre2_get_error_message(rc, text, sizeof(text));
		weir_err_set(err, WEIR_E_FORMAT, "%s (at byte %zu of the pattern)", (char *)text,
			     (size_t)at);
	}
	return code;
}

static void *regex_compile(void *ctx, struct weir_str pattern, struct weir_err *err)
{
	pcre2_code *code = compile_pattern(pattern, err);
	struct regex *x;
	uint32_t groups = 0;

	(void)ctx;
	if (!code)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (!x) {
		pcre2_code_free(code);
		goto no_memory;
	}
	x->code = code;
	x->match = pcre2_match_data_create_from_pattern(code, NULL);
	x->limits = pcre2_match_context_create(NULL);
	if (!x->match || !x->limits) {
		regex_free(NULL, x);
		goto no_memory;
	}
	pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	x->groups = groups;
	pcre2_set_match_limit(x->limits, MATCH_STEPS_MAX);
	pcre2_set_depth_limit(x->limits, MATCH_DEPTH_MAX);
	pcre2_set_heap_limit(x->limits, MATCH_HEAP_KIB);
	/* Where machine code cannot be made, pcre2_match() interprets the pattern. */
	if (pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0) {
		x->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
		if (x->stack)
			pcre2_jit_stack_assign(x->limits, NULL, x->stack);
	}
	return x;

no_memory:
	weir_err_set(err, WEIR_E_LIMIT, "no memory for a regular expression");
	return NULL;
}

static int regex_match(void *ctx, void *re, struct weir_str subject, struct weir_str *group,
		       unsigned groups)
{
	struct regex *x = re;
	const char *p = subject.p ? subject.p : "";
	const PCRE2_SIZE *at;
	int rc = pcre2_match(x->code, (PCRE2_SPTR)p, subject.n, 0, 0, x->match, x->limits);

	(void)ctx;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0)
		return -1;
	at = pcre2_get_ovector_pointer(x->match);
	for (unsigned i = 0; i < groups; i++) {
		/* Groups behind the last one that took part are not filled in. \K can turn a match
		 * around: its end may come before its start. */
		bool set =
			i < (unsigned)rc && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1];

		group[i] = set ? (struct weir_str){p + at[2 * i], at[2 * i + 1] - at[2 * i]}
			       : (struct weir_str){0};
	}
	return 1;
}

static unsigned regex_groups(void *ctx, void *re)
{
	(void)ctx;
	return ((struct regex *)re)->groups;
}

const struct weir_regex_ops *weir_regex_pcre2(void)
{
	static const struct weir_regex_ops ops = {.compile = regex_compile,
						  .match = regex_match,
						  .free = regex_free,
						  .groups = regex_groups};

	return &ops;
}
