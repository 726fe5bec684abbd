/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/cluster_walk.h - reads mappings of the cluster file by tables of keys; only host/cluster*.c.
 *
 * The same rules and words as for pipeline files (engine/core/pipeline_walk.c), which host cannot use: it is below engine.
 */
#ifndef WEIR_HOST_CLUSTER_WALK_H
#define WEIR_HOST_CLUSTER_WALK_H

#include "base/doc.h"

struct weir_cluster_read {
	struct weir_region *region;
	struct weir_diags *diags;
	const char *dir; /* of the file */
};

enum weir_ckey_kind {
	WEIR_CKEY_ANY = 0, /* known; read by the caller */
	WEIR_CKEY_NAME, /* char[WEIR_NAME_MAX + 1]: as steps and pipelines are named */
	WEIR_CKEY_TEXT, /* const char *, not empty */
	WEIR_CKEY_PATH, /* const char *: relative to the file */
	WEIR_CKEY_LISTEN, /* struct weir_clisten */
	WEIR_CKEY_SIZE, /* uint64_t bytes within min..max */
	WEIR_CKEY_DURATION, /* uint64_t ns within min..max */
	WEIR_CKEY_CHOICE, /* int, one of `choice` */
};

/* "host:port" that other hosts can reach: no wildcard, a port of its own. */
struct weir_clisten {
	const char *text; /* NULL: wrong */
	const char *same; /* equal texts for the same address, however it is spelt */
	struct weir_doc_pos pos;
};

struct weir_cchoice {
	const char *name;
	int value;
};

struct weir_ckey {
	const char *key;
	enum weir_ckey_kind kind;
	size_t offset;
	bool required;
	uint64_t min, max;
	const struct weir_cchoice *choice; /* ends with name NULL */
};

/* All keys of a mapping into `out`; unknown, missing and wrong ones are reported. Bit i: key i was given. */
uint64_t weir__cluster_keys(struct weir_cluster_read *r, const struct weir_doc *map,
			    const char *what, const struct weir_ckey *key, size_t count, void *out);

/* Reports and gives false unless it is a mapping or a list with something in it. */
bool weir__cluster_map(struct weir_cluster_read *r, const struct weir_doc *d, const char *what);
bool weir__cluster_list(struct weir_cluster_read *r, const struct weir_doc *d, const char *what);

/* Text from the file for a message: one line, not long. */
const char *weir__cluster_show(struct weir_cluster_read *r, struct weir_str s);

/* A path of the file, which is relative to the file's folder. Not empty. */
const char *weir__cluster_path(struct weir_cluster_read *r, struct weir_str path);

/* cluster_address.c: a text that is not empty. Reports what is wrong. */
void weir__cluster_listen(struct weir_cluster_read *r, const struct weir_doc *d, const char *key,
			  struct weir_clisten *ret);

#endif
