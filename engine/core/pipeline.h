/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/core/pipeline.h - a pipeline file after it was read and checked.
 *
 * weir_pipeline_build() walks the document, reports every error with its place, and gives a graph
 * in which every name is resolved, every schema is known and every expression has been compiled
 * once for checking. Nothing has run yet and nothing outside was touched.
 *
 * Memory: all in the caller's region. Pure.
 */
#ifndef WEIR_ENGINE_CORE_PIPELINE_H
#define WEIR_ENGINE_CORE_PIPELINE_H

#include "base/doc.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/schema.h"
#include "engine/core/expr.h"
#include "engine/core/op.h"
#include "shm/lane.h"

#define WEIR_STEPS_MAX 256
#define WEIR_INPUTS_MAX 64
#define WEIR_PARALLELISM_MAX 1024
#define WEIR_AGGREGATES_MAX 64
#define WEIR_KEYS_MAX 16

enum weir_step_kind {
	WEIR_STEP_SOURCE = 1,
	WEIR_STEP_FILTER = 2,
	WEIR_STEP_MAP = 3, /* map, select, drop, set */
	WEIR_STEP_FLAT_MAP = 4,
	WEIR_STEP_UNION = 5,
	WEIR_STEP_SPLIT = 6,
	WEIR_STEP_KEY_BY = 7, /* only repartitions */
	WEIR_STEP_AGGREGATE = 8,
	WEIR_STEP_TOP = 9,
	WEIR_STEP_OPERATOR = 10, /* from a shared object */
	WEIR_STEP_SINK = 11,
	WEIR_STEP_KEYS =
		12, /* each key group to the region that owns it; made by weir_regions_plan() only */
	WEIR_STEP_GLOBAL_MARK =
		14, /* A+mark and the merging A of `scope: global`; engine/core/global.h */
	WEIR_STEP_GLOBAL_MERGE = 15,
	WEIR_STEP_TABLE = 13, /* replicated over regions: engine/core/table.h */
	WEIR_STEP_TABLE_OPS =
		16, /* a table's input as changes; made by weir_pipeline_build() only */
	WEIR_STEP_KIND_COUNT
};

enum weir_format { WEIR_FORMAT_CSV = 1, WEIR_FORMAT_JSONL = 2, WEIR_FORMAT_RAW = 3 };
enum weir_compression {
	WEIR_COMPRESSION_AUTO = 0, /* by extension */
	WEIR_COMPRESSION_NONE = 1,
	WEIR_COMPRESSION_GZIP = 2,
	WEIR_COMPRESSION_ZSTD = 3,
};

struct weir_csv_options {
	char delimiter; /* default ',' */
	bool header; /* default true: names choose the fields; without: schema order */
	const char *null_text; /* default "": an empty field of a nullable column is null */
};

struct weir_nexmark_options {
	uint64_t events; /* 0: endless */
	uint64_t first_event; /* default 0 */
	uint64_t seed;
	uint64_t rate; /* events per second of wall clock; 0: as fast as possible */
	bool live; /* event n has the moment it is due as its event time: the start + n / rate */
	int64_t base_time_ns; /* event time of event 0 */
	uint64_t events_per_second; /* spacing of event times; default 10000 */
	int64_t out_of_order_ns; /* largest displacement of event times; default 0 */
	uint32_t hot_auction_ratio, hot_bidder_ratio, hot_seller_ratio; /* 1 of n is NOT hot */
	const char *region; /* region tag, or "" */
};

enum weir_connector {
	WEIR_CONN_FILE = 1,
	WEIR_CONN_STDIO = 2, /* stdin or stdout */
	WEIR_CONN_TCP = 3,
	WEIR_CONN_NEXMARK = 4,
	WEIR_CONN_BLACKHOLE = 5,
	WEIR_CONN_MEMORY =
		6, /* source: the file is read into memory before the start (benchmarks) */
	WEIR_CONN_HTTP = 7, /* source: POST of records, answered when they are durable */
	WEIR_CONN_POSTGRES = 8, /* sink */
	WEIR_CONN_EDGE = 9, /* from or to another region; made by weir_regions_plan() only */
};

/* One end of an edge between two regions: the connector's options of WEIR_CONN_EDGE. Both ends have the same values. */
struct weir_edge_end {
	uint64_t id; /* weir_edge_id() */
	const char *of, *port; /* step and output as the file says; "" the main one */
	const char *from, *to; /* regions */
	bool keys; /* only key groups key_first .. key_last come here; a WEIR_STEP_KEYS step before the sink sees to it */
	uint32_t key_first, key_last; /* else 0 .. WEIR_KEY_GROUPS - 1 */
	bool renewable; /* engine/core/edge.h */
};

/* Number of a nexmark stream is also its port. */
enum { WEIR_NEXMARK_PERSON = 0, WEIR_NEXMARK_AUCTION = 1, WEIR_NEXMARK_BID = 2 };

struct weir_source_spec {
	enum weir_connector connector;
	enum weir_format format;
	enum weir_compression compression;
	const char *path; /* file: absolute or relative to the working directory (already resolved
			     * against the pipeline file); a file, a directory or a glob pattern */
	bool follow; /* keep reading a growing file */
	uint64_t loop; /* memory: read the data this many times; default 1 */
	const char *listen; /* tcp, http: "127.0.0.1:9000", port 0 picks one */
	bool ack; /* tcp: named producers, told what is durable (docs/formats/ingress.md) */
	struct weir_csv_options csv;
	struct weir_nexmark_options nexmark;
	const char *
		type_field; /* jsonl with several streams: field that names the stream, else NULL */
	uint32_t stream_count; /* ports 0 .. stream_count-1 are the streams; 1 without type_field */
	int32_t time_field; /* of stream 0 (same name in all streams), -1: untimed */
	int64_t lateness_ns; /* watermark = highest time - lateness - 1 */
	int64_t idle_ns; /* no record for so long: idle; 0: never */
	uint64_t rate; /* records per second over all tasks, 0: no limit */
	struct weir_edge_end edge;
};

struct weir_sink_spec {
	enum weir_connector connector;
	enum weir_format format;
	enum weir_compression compression;
	const char *path; /* file: directory of part files */
	uint64_t part_bytes; /* roll to a new part; default 256 MiB */
	int64_t part_ns; /* and after this time; default 10 s; 0: never */
	const char *address; /* tcp: "host:port" */
	const char *connection; /* postgres: libpq connection string or URI */
	const char *table; /* postgres: "table" or "schema.table" */
	bool truncate; /* postgres: a fresh run empties the table */
	struct weir_csv_options csv;
	struct weir_edge_end edge;
};

struct weir_map_field {
	char name[WEIR_NAME_MAX + 1];
	const char *text; /* expression, compiled against the input schema */
	struct weir_doc_pos pos;
};

enum weir_window_kind {
	WEIR_WINDOW_TUMBLING = 1,
	WEIR_WINDOW_SLIDING = 2,
	WEIR_WINDOW_SESSION = 3,
};

struct weir_window_spec {
	enum weir_window_kind kind;
	int64_t size_ns; /* tumbling, sliding: length; session: gap */
	int64_t slide_ns; /* sliding; tumbling: = size */
	int64_t offset_ns; /* shifts the alignment, 0 <= offset < slide; default 0 = Unix epoch */
	int64_t lateness_ns; /* allowed lateness: a window takes records until end + lateness and
			      * fires again for each change after its end */
};

enum weir_agg_fn {
	WEIR_AGG_COUNT = 1, /* count() or count(x): x not null */
	WEIR_AGG_SUM = 2,
	WEIR_AGG_MIN = 3,
	WEIR_AGG_MAX = 4,
	WEIR_AGG_AVG = 5,
	WEIR_AGG_FIRST = 6,
	WEIR_AGG_LAST = 7,
	WEIR_AGG_ARG_MIN = 8,
	WEIR_AGG_ARG_MAX = 9,
	WEIR_AGG_DISTINCT = 10, /* exact distinct count */
	WEIR_AGG_FN_COUNT
};

struct weir_agg_spec {
	char name[WEIR_NAME_MAX + 1];
	enum weir_agg_fn fn;
	const char *arg; /* expression, NULL for count() */
	const char *by; /* arg_min, arg_max */
	struct weir_typeinfo arg_type, by_type, result_type;
	bool arg_nullable, by_nullable, result_nullable;
};

/* `scope: global` (engine/core/global.h). */
struct weir_global_spec {
	int64_t provisional_ns; /* from one provisional result of a window to the next; 0: only final ones */
	const struct weir_schema *in; /* of the records that are aggregated: the keys' types */
	/* Regions whose records are in it, in the order of the cluster; filled by weir_regions_plan(). */
	uint32_t member_count;
	const char *const *member;
	const char *here;
};

struct weir_aggregate_spec {
	const struct weir_global_spec *global; /* NULL: of this region alone */
	struct weir_window_spec window;
	uint32_t key_count, agg_count;
	uint16_t key[WEIR_KEYS_MAX]; /* fields of the input */
	struct weir_agg_spec agg[WEIR_AGGREGATES_MAX];
};

/* Whole records with the largest (or smallest) `by` per key and window; ties: all of them. */
struct weir_top_spec {
	struct weir_window_spec window;
	uint32_t key_count;
	uint16_t key[WEIR_KEYS_MAX];
	uint32_t k;
	bool smallest;
	bool ties; /* keep everything equal to the k-th */
	const char *by;
};

/* Names of regions as the file has them; whether they exist is seen with a cluster file (engine/core/regions.h). */
struct weir_region_ref {
	char name[WEIR_REGION_MAX + 1];
	struct weir_doc_pos pos;
};
struct weir_region_list {
	uint32_t count; /* 0: all */
	const struct weir_region_ref *ref;
};

/* Where else an input comes from. */
struct weir_remote {
	struct weir_region_list regions; /* none: all in which the step it reads from runs */
	bool keys; /* spread: keys */
	bool own; /* made for `scope: global`: without a cluster it is the step itself */
};

struct weir_input {
	uint16_t step, port;
	struct weir_doc_pos pos;
	const struct weir_remote *remote; /* NULL: from the same region */
};

struct weir_port_def {
	char name[WEIR_NAME_MAX + 1]; /* "" main, "late", "rejects", or a stream or split name */
	struct weir_schema *schema;
	uint16_t uses; /* how many inputs refer to it */
};

struct weir_step {
	char name[WEIR_NAME_MAX + 1];
	enum weir_step_kind kind;
	struct weir_doc_pos pos;
	uint32_t parallelism; /* 0: the planner chooses */
	bool fuse; /* false: always starts a task of its own */
	enum weir_on_error on_error;
	uint32_t input_count;
	struct weir_input input[WEIR_INPUTS_MAX];
	uint32_t port_count;
	struct weir_port_def *port;
	int32_t late_port, rejects_port; /* -1: none declared for this kind */
	/* What the input must be partitioned by; 0 keys with keyed=true: all to one task. */
	bool keyed;
	uint32_t key_count;
	uint16_t key[WEIR_KEYS_MAX];
	bool timed; /* records of the main output carry event times */
	struct weir_region_list regions; /* where it runs; a planned pipeline says nothing */
	union {
		struct weir_source_spec source;
		struct weir_sink_spec sink;
		struct {
			const char *text;
		} filter;
		struct {
			uint32_t count;
			struct weir_map_field *field; /* the whole output, in order */
		} map;
		struct {
			uint16_t field; /* list field to unfold */
			char as[WEIR_NAME_MAX + 1]; /* name of the element in the output */
		} flat_map;
		struct {
			uint32_t
				count; /* port i gets records for which text[i] is the first true one;
					 * the last port, "rest", gets what remains */
			const char **text;
		} split;
		struct weir_aggregate_spec aggregate;
		struct weir_top_spec top;
		struct {
			/* Port i gets the i-th of port_count equal parts of the key groups. */
			uint32_t key_count;
			uint16_t key[WEIR_KEYS_MAX];
		} keys;
		struct {
			const char *library; /* path of the shared object, resolved */
			const char *symbol; /* name of the operator in it */
			const char *options; /* JSON text of the options mapping, "{}" when none */
			/* Filled by weir_operator_load() through ops->resolve. */
			void *handle;
		} oper;
		struct weir_table_spec
			*table; /* engine/core/table.h; shared with its TABLE_OPS step */
	};
};

enum weir_guarantee {
	WEIR_GUARANTEE_NONE = 1, /* no state directory: a crash loses what was not written out */
	WEIR_GUARANTEE_AT_LEAST_ONCE = 2,
	WEIR_GUARANTEE_EXACTLY_ONCE = 3,
};

/* `guarantee` and `state` of the file. */
struct weir_state_spec {
	enum weir_guarantee guarantee; /* default exactly_once */
	const char *dir; /* default .weir/PIPELINE beside the file; resolved like other paths */
	bool dir_given; /* the file says it */
	int64_t epoch_ns; /* default 200 ms */
	uint64_t epoch_bytes; /* output that ends an epoch early; default 64 MiB */
	uint32_t in_flight; /* epochs between open and durable; default 4 */
	int64_t deadline_ns; /* of an alignment; default 10 s */
	uint64_t segment_bytes; /* of the journal; default 32 MiB */
	uint64_t
		base_bytes; /* journal behind the last base that makes a new one due; default 64 MiB */
};

struct weir_pipeline {
	char name[WEIR_NAME_MAX + 1];
	struct weir_doc_pos pos; /* of the name */
	/* Filled by weir_regions_plan(); "" and NULL for a pipeline that runs without regions. */
	char instance[WEIR_NAME_MAX + 1]; /* PIPELINE@REGION: see weir_pipeline_instance() */
	const char *cluster, *region;
	const char *file; /* as given */
	uint32_t workers; /* 0: one per allowed core */
	uint32_t parallelism; /* default of the steps; 0: the planner chooses */
	uint64_t ring_bytes; /* of each ring; default 1 MiB */
	uint32_t record_max; /* bytes; default 64 KiB */
	struct weir_state_spec state;
	const char *metrics; /* listen address; "" off; NULL: not said (the engine's default) */
	uint32_t step_count;
	struct weir_step *step; /* inputs before users: topological order */
};

/* What the build needs from outside; all optional. */
struct weir_build_ops {
	const struct weir_regex_ops *regex;
	/* Streams of a raw file: schemas are in the file's header. Fills schema[0..*count), names. */
	int (*raw_schemas)(void *ctx, const char *path, struct weir_region *region,
			   struct weir_schema **ret_schema, const char ***ret_name,
			   uint32_t *ret_count, struct weir_err *err);
	/* Loads an operator and asks for its output schema; sets step->oper.handle. */
	int (*operator_schema)(void *ctx, struct weir_step *step, const struct weir_schema *in,
			       struct weir_schema *ret_out, struct weir_err *err);
	void *ctx;
};

/*
 * 0, or WEIR_E_CONFIG with all errors in `diags` (sorted by place). dir: folder of the file, to
 * which paths in it are relative ("" is the working directory).
 */
int weir_pipeline_build(const struct weir_doc *doc, const char *dir,
			const struct weir_build_ops *ops, struct weir_region *region,
			struct weir_pipeline **ret_pipeline, struct weir_diags *diags);

/*
 * What a run of the pipeline is called: control socket, journal, segment, cursors in sinks, logs. The name, and with
 * regions PIPELINE@REGION, so that two regions never take each other's things.
 */
const char *weir_pipeline_instance(const struct weir_pipeline *p);

/* Index of the step, or -1. */
int weir_pipeline_find(const struct weir_pipeline *p, struct weir_str name);
const char *weir_step_kind_name(unsigned kind);

/* What the extension of a file name says: .gz, .zst, .zstd, else none. */
enum weir_compression weir_compression_of(const char *path);

#endif
