/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/lib/winref.h - naive windows and aggregates: what the window operators are compared with.
 *
 * Keeps all rows and looks through them again for every result. The rows have a fixed schema and all
 * aggregate functions are asked for; results are compared as sorted JSON lines. Floats are multiples
 * of 1/4, so that sums are exact in any order.
 */
#ifndef WEIR_TESTS_LIB_WINREF_H
#define WEIR_TESTS_LIB_WINREF_H

#include "tests/lib/oprig.h"

enum { WINREF_K, WINREF_KS, WINREF_V, WINREF_F, WINREF_S, WINREF_D, WINREF_FIELDS };
#define WINREF_ROWS_MAX 20000

enum winref_key { WINREF_KEY_INT, WINREF_KEY_BOTH, WINREF_KEY_NONE, WINREF_KEY_FLOAT };

struct winref_group {
	int64_t start, end; /* sessions: first, last + gap */
	uint32_t *row;
	uint32_t count, cap;
	uint32_t key_row; /* a row with its key */
	bool gone; /* sessions: no longer takes rows */
	bool merged; /* into another one: no result */
};

struct winref {
	struct weir_schema in, out;
	struct weir_port_def port[3];
	struct weir_step step;
	struct weir_frame *row[WINREF_ROWS_MAX];
	uint32_t row_count;
	struct winref_group *group;
	uint32_t group_count, group_cap;
	int64_t watermark;
	uint64_t late;
};

/* Step with ports main, late, rejects: all aggregates over the window. */
void winref_init(struct winref *w, struct weir_window_spec window, enum winref_key key);
/* Turns the step into top. */
void winref_top(struct winref *w, const char *by, uint32_t k, bool smallest, bool ties);
void winref_fini(struct winref *w);

/* A random row for time t. */
struct weir_frame *winref_random(struct winref *w, uint64_t *seed, int64_t t);
/* Takes the frame; it is late, or goes into its windows as of w->watermark. */
void winref_add(struct winref *w, struct weir_frame *f);
void winref_watermark(struct winref *w, int64_t watermark);

/* Sorted JSON lines of all windows as they are now, and of the operator's output: the last result of
 * each key and window. Lines are joined by newlines, in the rig's region. */
char *winref_expected(struct winref *w, struct weir_oprig *rig);
char *winref_expected_top(struct winref *w, struct weir_oprig *rig, const char *by, uint32_t k,
			  bool smallest, bool ties);
char *winref_actual(struct winref *w, struct weir_oprig *rig, bool last_only);

uint64_t winref_rand(uint64_t *seed);

#endif
