/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/control_ask.h"

/* A text that may be missing. */
static int text_get(const json_t *req, const char *name, const char **ret, struct weir_err *err)
{
	const json_t *v = json_object_get(req, name);

	*ret = json_string_value(v);
	return v && !*ret ? weir_err_set(err, WEIR_E_USAGE, "`%s` is not a text", name) : 0;
}

static int keys_get(const json_t *req, struct weir_ask_question *q, struct weir_err *err)
{
	const json_t *keys = json_object_get(req, "keys");

	if (!json_is_array(keys) || json_array_size(keys) > WEIR_ASK_KEYS_MAX)
		return weir_err_set(err, WEIR_E_USAGE, "`keys` is not a list of at most %u texts",
				    WEIR_ASK_KEYS_MAX);
	for (; q->key_count < json_array_size(keys); q->key_count++) {
		const char *key = json_string_value(json_array_get(keys, q->key_count));

		if (!key)
			return weir_err_set(err, WEIR_E_USAGE, "a key in `keys` is not a text");
		q->key[q->key_count] = key;
	}
	return 0;
}

static int limit_get(const json_t *req, uint32_t *ret, struct weir_err *err)
{
	const json_t *v = json_object_get(req, "limit");
	json_int_t n = json_integer_value(v);

	if (v && (n < 1 || n > (json_int_t)WEIR_ASK_LIMIT_MAX))
		return weir_err_set(err, WEIR_E_USAGE, "`limit` is not a number from 1 to %u",
				    WEIR_ASK_LIMIT_MAX);
	if (v)
		*ret = (uint32_t)n;
	return 0;
}

int weir_control_ask(struct weir_engine *e, const json_t *req, enum weir_query_verb verb,
		     struct weir_ask **ret, struct weir_err *err)
{
	struct weir_ask_question q = {.verb = verb, .limit = WEIR_ASK_LIMIT};
	const char *key = NULL;
	int r = text_get(req, "step", &q.step, err);

	if (r == 0)
		r = text_get(req, "prefix", &q.prefix, err);
	if (r == 0)
		r = text_get(req, "field", &q.field, err);
	if (r == 0)
		r = text_get(req, "next", &q.next, err);
	if (r == 0)
		r = limit_get(req, &q.limit, err);
	if (r == 0 && verb == WEIR_QUERY_GET)
		r = keys_get(req, &q, err);
	if (r == 0 && verb == WEIR_QUERY_CONFLICTS)
		r = text_get(req, "key", &key, err);
	if (key)
		q.key[q.key_count++] = key;
	if (!q.step)
		q.step = "";
	return r < 0 ? r : weir_ask_begin(e, &q, ret, err);
}
