/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/pipeline_int.h - what the files that build a pipeline share.
 *
 * Order of the work (weir_pipeline_build() in pipeline.c):
 *
 *   1. pipeline.c        top level and step names
 *      pipeline_state.c  guarantee and state
 *   2. pipeline_step.c   each step's keys: kind, common settings, ports by name
 *      pipeline_{source,sink,conn,schema,window}.c
 *   3. pipeline_graph.c  inputs, cycles, order, readers
 *      pipeline_from.c   inputs as they are written
 *   4. pipeline_type.c   schemas and expressions, in topological order
 *      pipeline_agg.c    aggregate and top
 *      pipeline_table.c  table
 *      pipeline_global.c global aggregates: what they say, and the steps they become at the end
 *
 * An error in a step marks it broken: steps behind it are then not checked against its schema, so
 * that one mistake gives one message. Everything else goes on, so that all mistakes are told at once.
 *
 * Thread: one build, one thread. Memory: the caller's region.
 */
#ifndef WEIR_ENGINE_CORE_PIPELINE_INT_H
#define WEIR_ENGINE_CORE_PIPELINE_INT_H

#include "engine/core/decode.h"
#include "engine/core/pipeline.h"

/* A step while it is being read, in the order of the file. */
struct weir_draft {
	struct weir_step *step;
	const struct weir_doc *doc; /* the step's mapping, NULL when it is not one */
	const struct weir_doc *value; /* of the key that says the kind */
	const char *kind_key; /* "filter", "select", ... NULL: unknown */
	const struct weir_doc *key_by; /* NULL: none */
	bool broken; /* ports or schemas are not known */
	bool ports_known;
	uint32_t plain_ports; /* ports that are neither late nor rejects */
	struct weir_doc_pos from_pos[WEIR_INPUTS_MAX];
	struct weir_doc_pos route_pos; /* of on_error */
};

struct weir_build {
	struct weir_region *region;
	struct weir_diags *diags;
	const struct weir_build_ops *ops;
	const char *dir;
	struct weir_pipeline *p;
	struct weir_draft *draft; /* step_count */
	enum weir_on_error on_error;
};

/* ---- pipeline_walk.c: mappings, names, texts ---- */

enum weir_opt_kind {
	WEIR_OPT_ANY = 0, /* a known key; read by the caller */
	WEIR_OPT_TEXT, /* const char *: not empty */
	WEIR_OPT_PATH, /* const char *: relative to the pipeline file */
	WEIR_OPT_ADDRESS, /* const char *: host:port */
	WEIR_OPT_BOOL, /* bool */
	WEIR_OPT_U32, /* uint32_t within min..max */
	WEIR_OPT_U64, /* uint64_t within min..max */
	WEIR_OPT_SIZE, /* uint64_t bytes within min..max */
	WEIR_OPT_DURATION, /* int64_t ns within min..max */
	WEIR_OPT_TIME, /* int64_t ns since the Unix epoch, RFC 3339 */
	WEIR_OPT_CHOICE, /* enum (int), one of `choice` */
};

struct weir_choice {
	const char *name;
	int value;
};

struct weir_opt {
	const char *key;
	enum weir_opt_kind kind;
	size_t offset; /* of the output in the structure */
	bool required;
	uint64_t min, max;
	const struct weir_choice *choice; /* ends with name NULL */
};

/* WEIR_OPTION("path", WEIR_OPT_PATH, struct weir_source_spec, path, .required = true) */
#define WEIR_OPTION(key_, kind_, type, member, ...)                                                \
	{                                                                                          \
		.key = key_, .kind = kind_, .offset = offsetof(type, member), ##__VA_ARGS__        \
	}
#define WEIR_OPTION_ANY(key_)                                                                      \
	{                                                                                          \
		.key = key_                                                                        \
	}

/* The keys of one mapping. */
struct weir_walk {
	const char *what; /* "a csv source" */
	const struct weir_opt *opt;
	size_t count;
};

/*
 * Reads all options of a mapping into `out`, and reports unknown keys, missing ones and wrong values.
 * Bit i of the result: option i was given (also when its value is wrong). Values that are wrong
 * leave the output as it was. *ret_ok (may be NULL) becomes false when anything was reported.
 */
uint64_t weir_walk_options(struct weir_build *b, const struct weir_doc *map,
			   const struct weir_walk *w, void *out, bool *ret_ok);

/* Reports and gives false unless the value is a mapping (list, text) with something in it. */
bool weir_walk_map(struct weir_build *b, const struct weir_doc *d, const char *what);
bool weir_walk_list(struct weir_build *b, const struct weir_doc *d, const char *what);
bool weir_walk_text(struct weir_build *b, const struct weir_doc *d, const char *what);
/* The same, with the message saying what the text should be: "a whole number". */
bool weir_walk_scalar(struct weir_build *b, const struct weir_doc *d, const char *what,
		      const char *expected);

/* Text from the file for a message: cut when long, control characters replaced. */
const char *weir_show(struct weir_build *b, struct weir_str s);
/* An error text of another module, which may have text from the file in it. */
const char *weir_show_error(struct weir_build *b, const char *text);

const char *weir_doc_kind_name(const struct weir_doc *d); /* "a mapping", "a list", ... */

/* [A-Za-z_][A-Za-z0-9_-]*, at most WEIR_NAME_MAX. Reports with `what` ("step name"). */
bool weir_walk_name(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos,
		    const char *what);
bool weir_name_ok(struct weir_str name);
/* Any text of 1 .. WEIR_NAME_MAX bytes without control bytes and outer spaces. */
bool weir_walk_field_name(struct weir_build *b, struct weir_str name, struct weir_doc_pos pos);

/* "; did you mean `x`?" or "; known are a, b, c", in the region. */
const char *weir_walk_hint(struct weir_build *b, struct weir_str name, const char *const *known,
			   size_t count);
/* The same for the fields of a schema. */
const char *weir_walk_field_hint(struct weir_build *b, struct weir_str name,
				 const struct weir_schema *s);

/* Names in a list, or one text. Number of names; 0: reported. *ret in the region. */
uint32_t weir_walk_names(struct weir_build *b, const struct weir_doc *d, const char *what,
			 struct weir_str **ret_name, struct weir_doc_pos **ret_pos);

void weir_name_copy(char *to, struct weir_str name);

/* A path of the file, which is relative to the file's folder; in the region. */
const char *weir_walk_path(struct weir_build *b, struct weir_str path);

/* ---- pipeline_value.c: single values with hints for doubtful spellings ---- */

bool weir_value_bool(struct weir_build *b, const struct weir_doc *d, const char *key, bool *ret);
bool weir_value_count(struct weir_build *b, const struct weir_doc *d, const char *key, uint64_t min,
		      uint64_t max, uint64_t *ret);
bool weir_value_size(struct weir_build *b, const struct weir_doc *d, const char *key, uint64_t min,
		     uint64_t max, uint64_t *ret_bytes);
bool weir_value_duration(struct weir_build *b, const struct weir_doc *d, const char *key,
			 int64_t min_ns, int64_t max_ns, int64_t *ret_ns);
bool weir_value_time(struct weir_build *b, const struct weir_doc *d, const char *key,
		     int64_t *ret_ns);
bool weir_value_address(struct weir_build *b, const struct weir_doc *d, const char *key,
			const char **ret);
bool weir_value_choice(struct weir_build *b, const struct weir_doc *d, const char *key,
		       const struct weir_choice *choice, int *ret);

/* ---- pipeline_step.c ---- */

void weir_draft_read(struct weir_build *b, struct weir_draft *d);
/* Declares the outputs: `plain` named ones, then late and rejects as the step has them. */
void weir_draft_ports(struct weir_build *b, struct weir_draft *d, const char *const *name,
		      uint32_t plain);
/* Value of the key, or of one that is a misspelling of it (and was reported); NULL: none. */
const struct weir_doc *weir_draft_meant(const struct weir_draft *d, const char *key);
bool weir_step_has_rejects(enum weir_step_kind kind);
bool weir_step_has_late(enum weir_step_kind kind);

/* ---- pipeline_conn.c: what sources and sinks share ---- */

struct weir_connector_def {
	const char *name;
	enum weir_connector connector;
	struct weir_walk walk;
};

/* Which connector a `source:` or `sink:` names, and its options (an empty mapping when none are
 * given). NULL: reported. */
const struct weir_connector_def *weir_connector_pick(struct weir_build *b,
						     const struct weir_doc *value, const char *what,
						     const struct weir_connector_def *def,
						     size_t count,
						     const struct weir_doc **ret_options);
extern const struct weir_choice weir_format_choice[];
/* "x.csv.gz" is csv; 0: the name does not say. */
int weir_format_of(const char *path);
/* Options `delimiter`, `header` and `null`; format 0: not known; header: its default. */
bool weir_csv_read(struct weir_build *b, const struct weir_doc *options, int format, bool header,
		   struct weir_csv_options *ret);
/* csv has no lists. */
bool weir_csv_fits(struct weir_build *b, const struct weir_schema *s, struct weir_doc_pos pos);

/* ---- pipeline_source.c, pipeline_sink.c, pipeline_schema.c, pipeline_window.c ---- */

bool weir_source_read(struct weir_build *b, struct weir_draft *d);
bool weir_sink_read(struct weir_build *b, struct weir_draft *d);
/* schema: {field: type} */
bool weir_schema_read(struct weir_build *b, const struct weir_doc *doc, struct weir_schema *ret);
/* event_time: FIELD or {field, lateness, idle}. time_name: field when none is given, or NULL. The
 * field must be there in every plain port of the source. */
bool weir_event_time_read(struct weir_build *b, struct weir_draft *d, const struct weir_doc *doc,
			  const char *time_name);
bool weir_window_read(struct weir_build *b, const struct weir_doc *doc,
		      struct weir_window_spec *ret);

/* ---- pipeline_state.c ---- */

/* `guarantee` and `state` of the top level, after the pipeline's name. */
void weir_state_read(struct weir_build *b, const struct weir_doc *top);

/* ---- pipeline_json.c ---- */

/* A document as JSON text, in the region. */
const char *weir_doc_json(struct weir_build *b, const struct weir_doc *doc);

/* ---- pipeline_from.c ---- */

struct weir_from {
	struct weir_str ref; /* "step" or "step.output" */
	struct weir_doc_pos pos;
	const struct weir_remote *remote; /* NULL: from the same region */
	bool broken; /* something was reported; only the step's name counts */
};

/* Inputs of a step: names and mappings. How many; 0: reported. *ret in the region. */
uint32_t weir_from_read(struct weir_build *b, struct weir_draft *d, const struct weir_doc *doc,
			struct weir_from **ret);
/* `regions`: all, a name or a list of names. false: reported. */
bool weir_region_list_read(struct weir_build *b, const struct weir_doc *d,
			   struct weir_region_list *ret);

/* ---- pipeline_graph.c ---- */

/* Inputs by name, cycles. order[0..result) are indices of drafts, inputs first; steps of a cycle and
 * behind it are left out (and reported). */
uint32_t weir_graph_resolve(struct weir_build *b, uint16_t *order);
/* Outputs nobody reads. */
void weir_graph_readers(struct weir_build *b);
/* Puts the steps into this order and renumbers their inputs. */
void weir_graph_reorder(struct weir_build *b, const uint16_t *order);

/* ---- pipeline_type.c, pipeline_agg.c, pipeline_expr.c ---- */

void weir_draft_type(struct weir_build *b, struct weir_draft *d);
/* The step's window needs event times on all inputs. */
bool weir_need_times(struct weir_build *b, struct weir_draft *d);
/* key_by of the step, if any, to fields of the input. */
bool weir_keys_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in);
bool weir_aggregate_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in);
bool weir_top_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in);

/* ---- pipeline_global.c: `scope: global` ---- */

/* `scope` and `provisional`, after the window. */
bool weir_global_read(struct weir_build *b, struct weir_draft *d);
/* Adds to the result's fields what it says about regions. */
bool weir_global_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in,
		      struct weir_schema *out);
/* Puts the three steps of each global aggregate into its place; steps are in order. */
void weir_global_rewrite(struct weir_build *b);

/* pipeline_table.c; expand: each table gets a step before it, when all is right. */
bool weir_table_type(struct weir_build *b, struct weir_draft *d, const struct weir_schema *in);
void weir_table_expand(struct weir_build *b);

struct weir_expr_info {
	struct weir_typeinfo type;
	bool nullable;
	int field; /* the expression is just this field, else -1 */
};

/*
 * Compiles text, which is a part of scalar d, `from` bytes behind its start. Errors are reported at
 * their place. false: reported.
 */
bool weir_expr_check(struct weir_build *b, const struct weir_doc *d, size_t from,
		     struct weir_str text, const struct weir_schema *schema,
		     struct weir_expr_info *ret);
/* The whole scalar, which must be a text; the text in the region. */
bool weir_expr_check_doc(struct weir_build *b, const struct weir_doc *d, const char *what,
			 const struct weir_schema *schema, const char **ret_text,
			 struct weir_expr_info *ret);
/* Place of a byte of a scalar's text, as well as it can be known. */
struct weir_doc_pos weir_doc_at(const struct weir_doc *d, size_t offset);
/* Index behind the string or quoted name that begins at `at`; s.n when it has no end. */
size_t weir_expr_skip_quoted(struct weir_str s, size_t at);
/* A `(` without `)`: in { } a comma ends the text. Reports; true when that is so. */
bool weir_expr_cut(struct weir_build *b, const struct weir_doc *d);
/* The entry is what was left behind such a comma: it was reported with the entry before. */
bool weir_expr_is_rest(const struct weir_doc *map, uint32_t entry);

struct weir_buf;
const char *weir_type_text(struct weir_build *b, struct weir_typeinfo type);

#endif
