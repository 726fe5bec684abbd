/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/edge/sink_file.h - inside of the file sink; only engine/edge/sink_file*.c.
 *
 *   sink_file.c           the node: rows into the buffer, the buffer into the part; without epochs everything
 *   sink_file_epoch.c     parts over several epochs: cut, seal, freeze, restore
 *   sink_file_apply.c     what the sink thread does: open, prepare, apply, cursor
 *   sink_file_dir.c       names, and which files of a directory are ours
 *   sink_file_manifest.c  the manifest
 *
 * Files and bytes: docs/formats/file-sink.md; why: docs/adr/0011-part-files.md.
 * Thread: struct weir_file_dir does not change after open; struct weir_file_outbox is the sink thread's; the rest of
 *         struct weir_file_sink is the worker's. Before the start all is the main thread's.
 */
#ifndef WEIR_ENGINE_EDGE_SINK_FILE_H
#define WEIR_ENGINE_EDGE_SINK_FILE_H

#include "engine/core/freeze.h"
#include "engine/core/sink_ops.h"
#include "engine/edge/output.h"
#include "engine/edge/running_sum.h"
#include "engine/edge/sink.h"

#define WEIR_FILE_NAME_CAP 192
#define WEIR_FILE_ID_BYTES 16

struct weir_file_dir {
	const char *path, *pipeline, *step;
	char suffix[48]; /* "-t1.jsonl.zst" */
	char manifest[WEIR_FILE_NAME_CAP];
	uint32_t instance, instances;
	int fd;
};

/* A part file as an epoch left it. */
struct weir_file_part {
	uint64_t number, length;
	struct weir_hash128 sum;
};

struct weir_file_manifest {
	uint8_t id[WEIR_FILE_ID_BYTES]; /* random; ties the directory to the state directory */
	uint64_t fence;
	uint64_t epoch; /* whose output made the newest part visible, or a later one */
	uint64_t part; /* the newest visible one; 0: none */
};

struct weir_file_outbox {
	bool open;
	struct weir_file_manifest m; /* as last written */
	uint64_t known, applied;
	int fd; /* of the hidden part that was synced last, -1: none */
	uint64_t number; /* its */
	struct weir_running_sum *sum;
};

/* What freeze() wrote, read back. */
struct weir_file_state {
	bool headed, has_open;
	uint8_t id[WEIR_FILE_ID_BYTES];
	uint64_t serial, number;
	struct weir_file_part open;
	uint32_t sealed_count;
	struct weir_reader sealed; /* weir__file_part_read() */
};

struct weir_file_sink {
	struct weir_sink_text text;
	const struct weir_sink_spec *spec;
	struct weir_node *node;
	struct weir_task *task;
	struct weir_file_dir dir;
	int fd; /* of the open part, -1: none */
	struct weir_output *out;
	uint64_t number; /* of the open part, else the last one */
	uint64_t opened_ns; /* monotonic; 0: before the first turn */
	char tmp[WEIR_FILE_NAME_CAP], name[WEIR_FILE_NAME_CAP]; /* of the open part */
	bool headed; /* the header line is out */
	bool begun; /* a file with the name tmp is there */

	bool epochs;
	uint8_t id[WEIR_FILE_ID_BYTES]; /* box.m.id, for this thread */
	bool touched; /* a base round: say again what is known */
	uint64_t serial; /* of the newest part of a bundle */
	uint64_t frozen; /* length of the open part at the last barrier */
	struct weir_running_sum *sum; /* of the open part */
	struct weir_out sealed; /* since the last barrier */
	uint32_t sealed_count;
	uint32_t pending_count, pending_cap; /* restore(): sealed parts that are not visible yet */
	struct weir_file_part *pending;
	struct weir_file_part restored; /* the part to go on with; number 0: none */

	struct weir_file_outbox box;
};

/* ---- sink_file.c ---- */

int weir__file_part_open(struct weir_file_sink *o); /* a new part, with its header */
/* The output of an open file; fd, tmp and number are set. */
int weir__file_output(struct weir_file_sink *o);
int weir__file_write_out(struct weir_file_sink *o);
/* Completes the text in task->err; returns r. */
int weir__file_failed(struct weir_file_sink *o, int r);

/* ---- sink_file_epoch.c ---- */

extern const struct weir_state_ops weir__file_state_ops;

/* At a barrier or the end: everything so far is in files that may be cut here; full parts are sealed. */
int weir__file_collect(struct weir_file_sink *o, bool end);
int weir__file_seal(struct weir_file_sink *o);
/* One of possibly several states in the bytes; 1, 0 at the end, or WEIR_E_CORRUPT. */
int weir__file_state_read(struct weir_reader *r, struct weir_file_state *ret);
struct weir_file_part weir__file_part_read(struct weir_reader *r);

/* ---- sink_file_apply.c ---- */

/* Parts become visible, oldest first; then the manifest. check: their bytes are read, too. */
int weir__file_show(struct weir_file_sink *o, const struct weir_file_part *part, uint32_t count,
		    uint64_t epoch, bool check, struct weir_err *err);

/* ---- sink_file_dir.c ---- */

int weir__file_fail(const struct weir_file_dir *d, struct weir_err *err, int code,
		    const char *doing, const char *what);
void weir__file_name(const struct weir_file_dir *d, uint64_t number, bool hidden,
		     char ret[WEIR_FILE_NAME_CAP]);

enum weir_file_kind { WEIR_FILE_OTHER = 0, WEIR_FILE_PART, WEIR_FILE_HIDDEN, WEIR_FILE_MANIFEST };

struct weir_file_entry {
	enum weir_file_kind kind;
	uint64_t number;
	bool mine; /* of this task; or of a task that is none of the step's now, and we are the first */
};

/* What a name of the directory is to this step; OTHER: not its file. */
struct weir_file_entry weir__file_entry(const struct weir_file_dir *d, const char *name);

/* 0, or -EEXIST with text when this task finds parts here (with `manifests`: or a manifest). */
int weir__file_refuse(const struct weir_file_dir *d, bool manifests, struct weir_err *err);
/* Removes this task's files: all, or hidden ones but that of part `keep`. */
int weir__file_clean(const struct weir_file_dir *d, bool all, uint64_t keep, struct weir_err *err);

/* ---- sink_file_manifest.c ---- */

/* 1: read and ours, 0: there is none, <0: damaged, of another pipeline. */
int weir__file_manifest_read(const struct weir_file_dir *d, struct weir_file_manifest *ret,
			     struct weir_err *err);
int weir__file_manifest_write(const struct weir_file_dir *d, const struct weir_file_manifest *m,
			      struct weir_err *err);

#endif
