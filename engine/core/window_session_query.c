/* SPDX-License-Identifier: Apache-2.0 */
/* Open sessions, the newest of a key first. */
#include "engine/core/window_key_text.h"
#include "engine/core/window_query.h"
#include "engine/core/window_session_int.h"

/* The sessions of a key that begin before *below. false: no room, *below is behind the last one that is in. */
static bool show(struct weir_window_op *op, struct weir_window_ask *a, uint32_t key, int64_t *below)
{
	const struct sessions *d = op->state;

	for (struct session *s = *weir_session_list(op, key); s; s = s->next) {
		int64_t end = weir_session_end(op, s);

		if (s->first >= *below || end - 1 <= op->watermark)
			continue;
		if (!weir_query_room(a->out, 1) ||
		    !weir_window_ask_row(op, a, weir_table_entry(&d->keys.table, key),
					 weir_session_state(s), s->first, end))
			return false;
		*below = s->first;
	}
	return true;
}

/* A place of 0 is the beginning: no bound. */
static int64_t bound(uint64_t place)
{
	return place ? weir_query_value(place) : INT64_MAX;
}

int weir_sessions_query(struct weir_window_op *op, struct weir_window_ask *a)
{
	const struct sessions *d = op->state;
	int64_t below = bound(a->q->at.n[1]);
	uint64_t key = a->q->at.n[0];
	bool fits = true;

	if (a->key) {
		uint32_t e = weir_table_find(&d->keys.table, a->hash, weir_window_key_is_entry,
					     a->key, &op->key);

		if (e != WEIR_TABLE_NONE)
			fits = show(op, a, e, &below);
	} else {
		for (; key < d->keys.table.high; key++, below = INT64_MAX) {
			uint32_t e = (uint32_t)key;

			fits = weir_query_room(a->out, 1);
			/* A key that is gone has no session. */
			if (fits && *weir_session_list(op, e) &&
			    weir_window_key_begins(&op->key, weir_table_entry(&d->keys.table, e),
						   a->q->prefix))
				fits = show(op, a, e, &below);
			if (!fits)
				break;
		}
	}
	if (fits)
		return 0;
	a->out->at = (struct weir_query_at){{key, weir_query_place(below)}};
	return 1;
}
