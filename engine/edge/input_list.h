/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/input_list.h - the files that a path means: itself, those in a directory, or those that
 * match a pattern; sorted by the bytes of their names. Listing again adds what is new at the end.
 *
 * Memory: own (malloc). Thread: one.
 */
#ifndef WEIR_ENGINE_EDGE_INPUT_LIST_H
#define WEIR_ENGINE_EDGE_INPUT_LIST_H

#include "base/err.h"
#include "base/str.h"

struct weir_input_list {
	char *path;
	char *base; /* what all names begin with: the path of a file, the directory and a slash */
	bool several; /* a directory or pattern: more may appear */
	char **name;
	uint32_t count, cap;
	uint64_t bytes; /* size of all, as of the first listing */
};

/* 0, -errno or WEIR_E_CONFIG. An empty directory or a pattern without match is an error unless
 * may_be_empty. */
int weir_input_list_open(struct weir_input_list *l, const char *path, bool may_be_empty,
			 struct weir_err *err);
/* Adds files that were not there before. 0, or -errno. */
int weir_input_list_again(struct weir_input_list *l, struct weir_err *err);
/* Empties the list; then adds names (without the base) in the order they shall have. -ENOMEM. */
void weir_input_list_clear(struct weir_input_list *l);
int weir_input_list_put(struct weir_input_list *l, struct weir_str rest, struct weir_err *err);
void weir_input_list_close(struct weir_input_list *l);

#endif
