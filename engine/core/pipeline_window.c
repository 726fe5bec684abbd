/* SPDX-License-Identifier: Apache-2.0 */
/* window: tumbling, sliding, session. */
#include "base/buf.h"
#include "base/num.h"
#include "engine/core/pipeline_int.h"

#define WINDOW_MAX ((uint64_t)(3660 * 86400 * WEIR_NS_PER_S))
#define OVERLAP_MAX 10000 /* windows that one record may be in */

struct window_options {
	int64_t tumbling, sliding, session, every, offset, lateness;
};

enum { TUMBLING, SLIDING, SESSION, EVERY, OFFSET, LATENESS };

static const struct weir_opt window_opt[] = {
	[TUMBLING] = WEIR_OPTION("tumbling", WEIR_OPT_DURATION, struct window_options, tumbling,
				 .min = 1, .max = WINDOW_MAX),
	[SLIDING] = WEIR_OPTION("sliding", WEIR_OPT_DURATION, struct window_options, sliding,
				.min = 1, .max = WINDOW_MAX),
	[SESSION] = WEIR_OPTION("session", WEIR_OPT_DURATION, struct window_options, session,
				.min = 1, .max = WINDOW_MAX),
	[EVERY] = WEIR_OPTION("every", WEIR_OPT_DURATION, struct window_options, every, .min = 1,
			      .max = WINDOW_MAX),
	[OFFSET] = WEIR_OPTION("offset", WEIR_OPT_DURATION, struct window_options, offset,
			       .max = WINDOW_MAX),
	[LATENESS] = WEIR_OPTION("lateness", WEIR_OPT_DURATION, struct window_options, lateness,
				 .max = WINDOW_MAX),
};

static struct weir_doc_pos key_pos(const struct weir_doc *map, const char *key)
{
	for (uint32_t i = 0; i < map->count; i++) {
		if (weir_str_is(map->entry[i].key, key))
			return map->entry[i].pos;
	}
	return map->pos;
}

/* Exactly one kind, and only the keys that go with it. */
static bool check_keys(struct weir_build *b, const struct weir_doc *doc, uint64_t given)
{
	unsigned kinds = (unsigned)(given & (1u << TUMBLING | 1u << SLIDING | 1u << SESSION));
	bool ok = true;

	if (kinds == 0) {
		weir_diag(b->diags, doc->pos,
			  "`window` needs one of {tumbling: 1h}, {sliding: 1h, every: 5m}, "
			  "{session: 30m}");
		return false;
	}
	if (kinds & (kinds - 1)) {
		weir_diag(b->diags, doc->pos,
			  "`window`: only one of tumbling, sliding and session can be used");
		return false;
	}
	if (kinds == 1u << SLIDING && !(given & 1u << EVERY)) {
		weir_diag(b->diags, doc->pos,
			  "`window`: a sliding window needs `every`: how often a new one begins");
		ok = false;
	}
	if (kinds != 1u << SLIDING && given & 1u << EVERY) {
		weir_diag(b->diags, key_pos(doc, "every"),
			  "`every` goes with a sliding window only: {sliding: 1h, every: 5m}");
		ok = false;
	}
	if (kinds == 1u << SESSION && given & 1u << OFFSET) {
		weir_diag(b->diags, key_pos(doc, "offset"),
			  "`offset` does not go with a session window, which is not aligned");
		ok = false;
	}
	return ok;
}

bool weir_window_read(struct weir_build *b, const struct weir_doc *doc,
		      struct weir_window_spec *ret)
{
	struct weir_walk walk = {"a window", window_opt, WEIR_COUNT_OF(window_opt)};
	struct window_options o = {0};
	bool ok = true;
	uint64_t given;

	if (!weir_walk_map(b, doc, "window"))
		return false;
	given = weir_walk_options(b, doc, &walk, &o, &ok);
	/* A misspelt key may be the kind: one message is enough. */
	if (!ok || !check_keys(b, doc, given))
		return false;
	ret->lateness_ns = o.lateness;
	ret->offset_ns = o.offset;
	if (given & 1u << SESSION) {
		ret->kind = WEIR_WINDOW_SESSION;
		ret->size_ns = o.session;
		return true;
	}
	ret->kind = given & 1u << SLIDING ? WEIR_WINDOW_SLIDING : WEIR_WINDOW_TUMBLING;
	ret->size_ns = given & 1u << SLIDING ? o.sliding : o.tumbling;
	ret->slide_ns = given & 1u << SLIDING ? o.every : o.tumbling;
	if ((ret->size_ns - 1) / ret->slide_ns >= OVERLAP_MAX) {
		weir_diag(b->diags, key_pos(doc, "every"),
			  "`every`: each record would be in more than %d windows; use a longer "
			  "`every`",
			  OVERLAP_MAX);
		return false;
	}
	if (ret->offset_ns >= ret->slide_ns) {
		weir_diag(b->diags, key_pos(doc, "offset"),
			  "`offset` must be shorter than %s, the step from window to window",
			  given & 1u << SLIDING ? "`every`" : "`tumbling`");
		return false;
	}
	return true;
}
