/* SPDX-License-Identifier: Apache-2.0 */
/* Every "| `example` | `result` |" at the end of a table row of docs/expressions.md is true. */
#include "tests/unit/engine/expr_lib.h"

/* The last code cell before `end`: sets *ret_start and removes \| escapes. false: no such cell. */
static bool last_cell(char *line, char **end, char **ret_start)
{
	char *close = *end, *open, *out;

	while (close > line && (close[-1] == ' ' || close[-1] == '|' || close[-1] == '\n'))
		close--;
	if (close == line || close[-1] != '`')
		return false;
	close[-1] = 0;
	for (open = close - 2; open > line; open--)
		if (open[0] == '`' && open >= line + 2 && open[-1] == ' ' && open[-2] == '|')
			break;
	if (open <= line)
		return false;
	*end = open;
	*ret_start = out = open + 1;
	for (char *in = out; *in; in++)
		if (!(in[0] == '\\' && in[1] == '|'))
			*out++ = *in;
	*out = 0;
	return true;
}

static void test_examples_of_the_documentation(void **state)
{
	struct expr_world *w = calloc(1, sizeof(*w));
	FILE *f = fopen("docs/expressions.md", "r");
	char line[1000];
	unsigned examples = 0, wrong = 0;
	bool table = false;

	(void)state;
	if (!f) {
		free(w);
		WEIR_SKIP("docs/expressions.md is not here: run from the top of the source tree");
	}
	expr_world_init(w);
	while (fgets(line, sizeof(line), f)) {
		char *end = line + strlen(line), *text, *want, got[1024], *value, escaped[1024];
		struct weir_buf b = weir_buf_of(escaped, sizeof(escaped) - 1);

		if (line[0] != '|')
			table = false;
		if (strstr(line, "example | result |"))
			table = true;
		if (!table || !last_cell(line, &end, &want) || !last_cell(line, &end, &text))
			continue;
		expr_result(w, text, got, sizeof(got));
		/* "int64 7": the table shows values without types. */
		value = strncmp(got, "error", 5) && strcmp(got, "null") && strchr(got, ' ')
				? strchr(got, ' ') + 1
				: got;
		expr_print_bytes(&b, weir_str_c(want));
		escaped[b.len] = 0;
		if (strcmp(value, escaped) != 0) {
			print_error("%s\n  got  %s\n  docs %s\n", text, value, escaped);
			wrong++;
		}
		examples++;
	}
	fclose(f);
	expr_world_fini(w);
	free(w);
	assert_int_equal(wrong, 0);
	assert_true(examples > 75);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_examples_of_the_documentation),
};

WEIR_TEST_MAIN("expr_docs", tests)
