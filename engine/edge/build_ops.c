/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/build_ops.h"

#include "engine/core/decode.h"
#include "engine/edge/input.h"
#include "engine/edge/operator.h"
#include "engine/edge/regex.h"

/* Reads the head of the first file. */
static int read_head(struct weir_byte_input *in, const char *path, struct weir_region *region,
		     struct weir_schema **ret_schema, const char ***ret_name, uint32_t *ret_count,
		     struct weir_err *err)
{
	for (;;) {
		struct weir_input_window w;
		size_t head;
		int r = weir_input_fill(in, err);

		if (r < 0)
			return r;
		weir_input_window(in, &w);
		if (r == WEIR_INPUT_END || r == WEIR_INPUT_WAIT)
			return weir_err_set(err, WEIR_E_FORMAT, "%s: no raw head in it", path);
		r = weir_raw_head_parse(w.p, w.n, region, ret_schema, ret_name, ret_count, &head,
					err);
		if (r == WEIR_E_TOO_SMALL && !w.eof)
			continue;
		if (r == WEIR_E_TOO_SMALL)
			weir_err_set(err, WEIR_E_FORMAT, "the raw head is cut short");
		return r < 0 ? weir_err_prefix(err, "%s", path) : r;
	}
}

static int raw_schemas(void *ctx, const char *path, struct weir_region *region,
		       struct weir_schema **ret_schema, const char ***ret_name, uint32_t *ret_count,
		       struct weir_err *err)
{
	struct weir_input_options opt = {.path = path};
	struct weir_byte_input *in;
	int r = weir_input_open(&opt, &in, err);

	(void)ctx;
	if (r < 0)
		return r;
	r = read_head(in, path, region, ret_schema, ret_name, ret_count, err);
	weir_input_close(in);
	return r;
}

const struct weir_build_ops *weir_build_ops(void)
{
	static struct weir_build_ops ops = {.raw_schemas = raw_schemas,
					    .operator_schema = weir_operator_schema};

	ops.regex = weir_regex_pcre2();
	return &ops;
}
