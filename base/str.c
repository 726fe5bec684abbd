/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#define DIST_MAX 63
#define DIST_FAR 1000u

int weir_str_cmp(struct weir_str a, struct weir_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned replace_cost(char x, char y)
{
	if (x == y)
		return 0;
	return lower(x) == lower(y) ? 1 : 2;
}

/* Optimal string alignment (restricted Damerau-Levenshtein) over three rows. */
unsigned weir_str_distance(struct weir_str a, struct weir_str b)
{
	unsigned row[3][DIST_MAX + 1];

	if (a.n > DIST_MAX || b.n > DIST_MAX)
		return DIST_FAR;
	for (size_t j = 0; j <= b.n; j++)
		row[0][j] = (unsigned)(2 * j);
	for (size_t i = 1; i <= a.n; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

		cur[0] = (unsigned)(2 * i);
		for (size_t j = 1; j <= b.n; j++) {
			unsigned best = prev[j - 1] + replace_cost(a.p[i - 1], b.p[j - 1]);

			best = WEIR_MIN(best, prev[j] + 2);
			best = WEIR_MIN(best, cur[j - 1] + 2);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				best = WEIR_MIN(best, prev2[j - 2] + 2);
			cur[j] = best;
		}
	}
	return row[a.n % 3][b.n];
}

const char *weir_str_suggest(struct weir_str name, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	unsigned best_d = DIST_FAR;

	for (size_t i = 0; i < count; i++) {
		struct weir_str c = weir_str_c(candidates[i]);
		unsigned d = weir_str_distance(name, c);
		/* A third of the letters may be wrong; at least one, so that short names match. */
		unsigned limit = (unsigned)(2 * WEIR_MAX(WEIR_MAX(name.n, c.n) / 3, (size_t)1));

		if (d <= limit && d < best_d) {
			best = candidates[i];
			best_d = d;
		}
	}
	return best;
}
