/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/cli/cli.h - what the verbs of the command line share.
 *
 * Exit codes: 0 fine, 1 the work failed, 2 usage, 3 the file is wrong.
 */
#ifndef WEIR_ENGINE_CLI_CLI_H
#define WEIR_ENGINE_CLI_CLI_H

#include <getopt.h>
#include <stdio.h>

#include "engine/edge/engine.h"
#include "engine/edge/pipeline_file.h"

enum { WEIR_EXIT_OK = 0, WEIR_EXIT_FAILED = 1, WEIR_EXIT_USAGE = 2, WEIR_EXIT_FILE = 3 };

struct weir_verb {
	const char *name;
	int (*main)(int argc, char **argv); /* argv[0] is the verb */
	const char *help; /* one line */
};

int weir_cmd_run(int argc, char **argv);
int weir_cmd_check(int argc, char **argv);
int weir_cmd_explain(int argc, char **argv);
int weir_cmd_generate(int argc, char **argv);
int weir_cmd_status(int argc, char **argv);
int weir_cmd_top(int argc, char **argv);
int weir_cmd_tap(int argc, char **argv);
int weir_cmd_state(int argc, char **argv);
int weir_cmd_conflicts(int argc, char **argv);
int weir_cmd_epochs(int argc, char **argv);
int weir_cmd_verify(int argc, char **argv);

/* "weir VERB: text" on stderr; returns code. */
int weir_cli_error(int code, const char *verb, const char *fmt, ...) weir_printf_like(3, 4);
/* Usage error: text, then where help is. */
int weir_cli_usage(const char *verb, const char *fmt, ...) weir_printf_like(2, 3);

/* What getopt_long() did not take: c is '?', or ':' (its letters begin with a colon). WEIR_EXIT_USAGE. */
int weir_cli_bad_option(const char *verb, int c, char **argv);

/* "text" or "json". false: neither (message printed). */
bool weir_cli_output(const char *verb, const char *arg, bool *ret_json);

/* Count option: false with a message when it is no number in [min, max]. */
bool weir_cli_count(const char *verb, const char *option, const char *arg, uint64_t min,
		    uint64_t max, uint64_t *ret);

/* Loads a pipeline file and prints what is wrong with it: exit code, 0 when fine. */
int weir_cli_load(const char *verb, const char *file, bool json, struct weir_region *region,
		  struct weir_pipeline **ret);

/* What is wrong with a file: on stderr, or on stdout as one JSON object. */
void weir_cli_diags(const char *file, const struct weir_diags *d, bool json);

/* "12.3 M", "4,567": for people. */
void weir_cli_number(char *ret, size_t cap, double v);

#endif
