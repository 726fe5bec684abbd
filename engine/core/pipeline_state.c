/* SPDX-License-Identifier: Apache-2.0 */
/* guarantee and state: what a crash may cost, and where and how often epochs are kept. */
#include "engine/core/cell.h"
#include "engine/core/pipeline_int.h"

#define EPOCH_NS_DEFAULT (200 * WEIR_NS_PER_MS)
#define EPOCH_NS_MAX (3600 * WEIR_NS_PER_S)
#define EPOCH_BYTES_DEFAULT (UINT64_C(64) << 20)
#define EPOCH_BYTES_MIN (UINT64_C(64) << 10)
#define EPOCH_BYTES_MAX (UINT64_C(1) << 30)
#define IN_FLIGHT_DEFAULT 4
#define DEADLINE_NS_DEFAULT (10 * WEIR_NS_PER_S)
#define SEGMENT_BYTES_MAX (UINT64_C(4) << 30)
#define SEGMENT_BYTES_STEP (UINT64_C(1) << 20)
#define BASE_BYTES_DEFAULT (UINT64_C(64) << 20)
#define BASE_BYTES_MIN (UINT64_C(1) << 20)
#define BASE_BYTES_MAX (UINT64_C(1) << 40)

static const struct weir_choice guarantee_choice[] = {
	{"exactly_once", WEIR_GUARANTEE_EXACTLY_ONCE},
	{"at_least_once", WEIR_GUARANTEE_AT_LEAST_ONCE},
	{"none", WEIR_GUARANTEE_NONE},
	{NULL, 0},
};

/* The largest epoch must fit into a bundle with room for state. */
_Static_assert(EPOCH_BYTES_MAX <= WEIR_JOURNAL_BUNDLE_MAX / 4, "epoch_size");

#define SPEC struct weir_state_spec
static const struct weir_opt state_opt[] = {
	WEIR_OPTION("dir", WEIR_OPT_PATH, SPEC, dir),
	WEIR_OPTION("epoch", WEIR_OPT_DURATION, SPEC, epoch_ns, .min = WEIR_NS_PER_MS,
		    .max = EPOCH_NS_MAX),
	WEIR_OPTION("epoch_size", WEIR_OPT_SIZE, SPEC, epoch_bytes, .min = EPOCH_BYTES_MIN,
		    .max = EPOCH_BYTES_MAX),
	WEIR_OPTION("in_flight", WEIR_OPT_U32, SPEC, in_flight, .min = 1,
		    .max = WEIR_EPOCHS_IN_FLIGHT_MAX / 2), /* the cell takes no more */
	WEIR_OPTION("deadline", WEIR_OPT_DURATION, SPEC, deadline_ns, .min = WEIR_NS_PER_MS,
		    .max = EPOCH_NS_MAX),
	WEIR_OPTION("segment_size", WEIR_OPT_SIZE, SPEC, segment_bytes,
		    .min = WEIR_JOURNAL_SEGMENT_MIN, .max = SEGMENT_BYTES_MAX),
	WEIR_OPTION("base_size", WEIR_OPT_SIZE, SPEC, base_bytes, .min = BASE_BYTES_MIN,
		    .max = BASE_BYTES_MAX),
};

static void read_options(struct weir_build *b, const struct weir_doc *doc, SPEC *s)
{
	static const struct weir_walk walk = {"`state`", state_opt, WEIR_COUNT_OF(state_opt)};
	const struct weir_doc *segment;

	if (!weir_walk_map(b, doc, "state"))
		return;
	weir_walk_options(b, doc, &walk, s, NULL);
	segment = weir_doc_get(doc, "segment_size");
	if (segment && s->segment_bytes % SEGMENT_BYTES_STEP)
		weir_diag(b->diags, segment->pos, "`segment_size`: %s is not a multiple of 1MiB",
			  weir_show(b, segment->text));
}

void weir_state_read(struct weir_build *b, const struct weir_doc *top)
{
	SPEC *s = &b->p->state;
	const struct weir_doc *guarantee = weir_doc_get(top, "guarantee");
	const struct weir_doc *state = weir_doc_get(top, "state");
	int g;

	*s = (SPEC){
		.guarantee = WEIR_GUARANTEE_EXACTLY_ONCE,
		.epoch_ns = EPOCH_NS_DEFAULT,
		.epoch_bytes = EPOCH_BYTES_DEFAULT,
		.in_flight = IN_FLIGHT_DEFAULT,
		.deadline_ns = DEADLINE_NS_DEFAULT,
		.segment_bytes = WEIR_JOURNAL_SEGMENT_DEFAULT,
		.base_bytes = BASE_BYTES_DEFAULT,
	};
	if (guarantee && weir_value_choice(b, guarantee, "guarantee", guarantee_choice, &g))
		s->guarantee = (enum weir_guarantee)g;
	if (state && s->guarantee == WEIR_GUARANTEE_NONE)
		weir_diag(b->diags, state->pos,
			  "`state` does not go with `guarantee: none`, which keeps nothing; leave "
			  "one of them out");
	else if (state)
		read_options(b, state, s);
	s->dir_given = s->dir != NULL;
	if (!s->dir)
		s->dir = weir_walk_path(
			b, weir_str_c(weir_region_printf(b->region, ".weir/%s", b->p->name)));
}
