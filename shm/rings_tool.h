/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shm/rings_tool.h - the parts of weir-rings: options, opening a segment, one function per verb.
 *
 * Exit codes: RINGS_FINE, RINGS_PROBLEM, RINGS_USAGE. Verbs print to t->out and complain on t->err,
 * so that tests run them in their own process.
 * Thread: one; opening installs a SIGBUS handler (files may shrink while they are read).
 */
#ifndef WEIR_SHM_RINGS_TOOL_H
#define WEIR_SHM_RINGS_TOOL_H

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "shm/inspect.h"
#include "shm/segment.h"

enum { RINGS_FINE = 0, RINGS_PROBLEM = 1, RINGS_USAGE = 2 };

struct rings_tool {
	FILE *out, *err;
	/* options; each verb allows some of them */
	bool json;
	bool force;
	const char *ring; /* name or index, NULL: all */
	uint64_t limit; /* frames, UINT64_MAX: all */
	uint64_t count; /* samples, 0: until a signal */
	int64_t interval_ns;
	const char *arg[2];
	int arg_count;
};

struct rings_verb {
	const char *name;
	const char *usage; /* "dump [options] SEGMENT" */
	const char *summary; /* one line */
	const char *text; /* what it prints, for --help */
	const char *options; /* short letters of struct rings_tool's options it knows */
	int args_min, args_max;
	int (*run)(struct rings_tool *t);
};

extern const struct rings_verb rings_verb_list, rings_verb_stat, rings_verb_watch, rings_verb_dump,
	rings_verb_check, rings_verb_copy;

/* The whole program. */
int weir_rings_main(int argc, char *const *argv, FILE *out, FILE *err);

/* Parses argv[1..] of a verb. -1: go on, else the exit code (help was shown, or wrong usage). */
int rings_options(struct rings_tool *t, const struct rings_verb *v, int argc, char *const *argv);

/* "weir-rings: text" on err; returns RINGS_PROBLEM. */
int rings_fail(struct rings_tool *t, const char *fmt, ...) weir_printf_like(2, 3);

/* ---- segment ---- */

struct rings_segment {
	int fd;
	void *map;
	uint64_t size;
	struct weir_inspect in;
	/* schemas parsed when first asked for */
	struct weir_schema schema;
	uint32_t schema_index;
};

/* SEGMENT of the command line: a path, PID:FD, or the name of a running pipeline. */
int rings_open(const char *segment, struct rings_segment *ret, struct weir_err *err);
/* Keeps fd, also on failure. */
int rings_open_fd(int keep_fd, struct rings_segment *ret, struct weir_err *err);
void rings_close(struct rings_segment *s);
/* The file became shorter while it was mapped: what was read behind its end were zeros. */
bool rings_was_cut(void);
/* Asks the control socket for the segment. 0 and a descriptor, or negative. */
int rings_ask(const char *socket_path, int *ret_fd, struct weir_err *err);

/* NULL: the ring has none, or it cannot be read. Valid until the next call. */
const struct weir_schema *rings_schema(struct rings_segment *s, uint32_t index);

/* Opens t->arg[0] and says what is wrong. 0 or an exit code. */
int rings_begin(struct rings_tool *t, struct rings_segment *ret);
/* Closes; `code`, or RINGS_PROBLEM when the file was cut or the output could not be written. */
int rings_end(struct rings_tool *t, struct rings_segment *s, int code);

/* Is this ring asked for by -r? */
bool rings_wanted(const struct rings_tool *t, uint32_t index, const struct weir_inspect_ring *r);

/* ---- output ---- */

#define RINGS_LINE 8192 /* enough for one ring, counter or header as JSON */

/* Writes b to out and empties it. What did not fit is a bug. */
void rings_flush(struct rings_tool *t, struct weir_buf *b);
/* The same with a newline. */
void rings_put(struct rings_tool *t, struct weir_buf *b);
/* "key":"text" with a comma in front unless it is the first after { or [. */
void rings_key(struct weir_buf *b, const char *key);
void rings_key_str(struct weir_buf *b, const char *key, const char *text);
void rings_key_u64(struct weir_buf *b, const char *key, uint64_t v);
void rings_key_bool(struct weir_buf *b, const char *key, bool v);

const char *rings_state_name(uint32_t state);
/* "free", "1234", "1234 (dead)", "1234 (left)". Processes are not looked for in a copy. */
void rings_role_text(char *ret, size_t cap, const struct weir_inspect *in,
		     const struct weir_inspect_role *role);
void rings_role_json(struct weir_buf *b, const char *key, const struct weir_inspect *in,
		     const struct weir_inspect_role *role);
/* "name":"test","state":"ready", .. without braces. */
void rings_header_json(struct weir_buf *b, const struct weir_inspect *in);
/* One object. err: what is wrong with it, or NULL. */
void rings_ring_json(struct weir_buf *b, const struct weir_inspect *in,
		     const struct weir_inspect_ring *r, const char *problem);
uint64_t rings_used(const struct weir_inspect_ring *r); /* bytes between head and tail */
double rings_used_share(const struct weir_inspect_ring *r);
/* Control bytes of names that may be anything, replaced. */
void rings_clean(char *text);

#endif
