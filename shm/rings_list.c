/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir-rings list: the running pipelines, or the rings of one segment.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "shm/backing.h"
#include "shm/rings_tool.h"
#include "shm/rundir.h"

#define LIST_MAX 1024

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of NAME.sock in dir, sorted. Number, or negative errno. Free each and the array. */
static int list_names(const char *dir, char ***ret)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char **name;
	int n = 0;

	*ret = NULL;
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	name = calloc(LIST_MAX, sizeof(*name));
	while (name && n < LIST_MAX && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len <= 5 || strcmp(e->d_name + len - 5, ".sock") != 0)
			continue;
		name[n] = strndup(e->d_name, len - 5);
		if (name[n])
			n++;
	}
	closedir(d);
	if (name)
		qsort(name, (size_t)n, sizeof(*name), by_name);
	*ret = name;
	return n;
}

static int list_pipeline(struct rings_tool *t, const char *name, bool first)
{
	struct rings_segment s;
	struct weir_err err = {0};
	char line[RINGS_LINE];
	struct weir_buf b = weir_buf_of(line, sizeof(line));
	int r = rings_open(name, &s, &err);

	if (t->json) {
		fputs(first ? "{" : ",{", t->out);
		if (r < 0) {
			rings_key_str(&b, "name", name);
			rings_key_str(&b, "problem", err.text);
		} else {
			rings_header_json(&b, &s.in);
		}
		weir_buf_char(&b, '}');
		rings_flush(t, &b);
	} else if (r < 0) {
		fprintf(t->out, "%-24s no answer: %s\n", name, err.text);
	} else {
		fprintf(t->out, "%-24s %-8s %8u %6u %14llu  %s\n", name,
			rings_state_name(weir_inspect_state(&s.in)), s.in.h.creator_pid,
			s.in.h.ring_count, (unsigned long long)s.in.h.total_size,
			weir_backing_name(s.in.h.backing));
	}
	if (r < 0)
		return RINGS_PROBLEM;
	rings_close(&s);
	return RINGS_FINE;
}

static int list_pipelines(struct rings_tool *t)
{
	char dir[256], **name;
	int n, code = RINGS_FINE;

	if (weir_run_dir(dir, sizeof(dir)) < 0)
		return rings_fail(t, "the path of the run directory is too long");
	n = list_names(dir, &name);
	if (n < 0)
		return rings_fail(t, "%s: %s", dir, weir_strerror(n));
	if (t->json)
		fputs("{\"pipelines\":[", t->out);
	else if (n == 0)
		fprintf(t->out, "No pipeline runs (%s).\n", dir);
	else
		fprintf(t->out, "%-24s %-8s %8s %6s %14s  %s\n", "PIPELINE", "STATE", "PID",
			"RINGS", "BYTES", "MEMORY");
	for (int i = 0; i < n; i++) {
		if (list_pipeline(t, name[i], i == 0) != RINGS_FINE)
			code = RINGS_PROBLEM;
		free(name[i]);
	}
	free(name);
	if (t->json)
		fputs("]}\n", t->out);
	return code;
}

static void list_row(struct rings_tool *t, struct rings_segment *s,
		     const struct weir_inspect_ring *r)
{
	char producer[40], consumer[40], name[sizeof(r->b.name)];

	strcpy(name, r->b.name);
	rings_clean(name);
	rings_role_text(producer, sizeof(producer), &s->in, &r->producer);
	rings_role_text(consumer, sizeof(consumer), &s->in, &r->consumer);
	fprintf(t->out, "%5u %-32s %12llu %6.1f%% %16s %16s\n", r->b.index, name,
		(unsigned long long)r->b.capacity, 100 * rings_used_share(r), producer, consumer);
}

static int list_rings(struct rings_tool *t)
{
	char line[RINGS_LINE];
	struct weir_buf b = weir_buf_of(line, sizeof(line));
	struct rings_segment s;
	int code = rings_begin(t, &s);

	if (code)
		return code;
	if (t->json)
		fputs("{\"rings\":[", t->out);
	else
		fprintf(t->out, "%5s %-32s %12s %7s %16s %16s\n", "RING", "NAME", "CAPACITY",
			"USED", "PRODUCER", "CONSUMER");
	for (uint32_t i = 0; i < s.in.h.ring_count; i++) {
		struct weir_inspect_ring r;
		struct weir_err err = {0};
		int e = weir_inspect_ring(&s.in, i, NULL, &r, &err);

		if (e < 0)
			code = rings_fail(t, "%s", err.text);
		if (e == WEIR_E_TOO_SMALL)
			break;
		if (t->json) {
			fputs(i ? "," : "", t->out);
			rings_ring_json(&b, &s.in, &r, e < 0 ? err.text : NULL);
			rings_flush(t, &b);
		} else if (e == 0) {
			list_row(t, &s, &r);
		}
	}
	if (t->json)
		fputs("]}\n", t->out);
	return rings_end(t, &s, code);
}

static int list_run(struct rings_tool *t)
{
	return t->arg_count ? list_rings(t) : list_pipelines(t);
}

const struct rings_verb rings_verb_list = {
	.name = "list",
	.usage = "list [-o text|json] [SEGMENT]",
	.summary = "running pipelines, or the rings of one",
	.text = "Without SEGMENT: every pipeline that has a control socket in $WEIR_RUN_DIR,\n"
		"$XDG_RUNTIME_DIR/weir, /run/weir (root) or /tmp/weir-UID. With SEGMENT: its "
		"rings,\n"
		"how full they are, and which processes hold their ends.",
	.options = "oh",
	.args_max = 1,
	.run = list_run,
};
