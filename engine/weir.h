/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/weir.h - the public header of weir: operators of your own, and running a pipeline from your
 * own program (libweir).
 *
 * ---- Operators -------------------------------------------------------------------------------
 * An operator is a shared object that exports a struct weir_operator. A step uses it with
 *
 *     operator: {library: ./dedup.so, name: dedup, options: {field: id}}
 *
 * The engine calls process() with spans of records (batches), gives a writer for new records, and keeps
 * state per key and event-time timers. Nothing has to be linked: the engine hands over a table of
 * functions (struct weir_host).
 *
 * Thread:    all calls of one task come from one thread, one at a time. Several tasks of a step run in
 *            parallel, each with an open() of its own; a key is always with the same task.
 * Memory:    records, schemas and texts are borrowed for the call. State belongs to the engine.
 * Errors:    fail(): the pipeline stops with your text. Do not exit, do not write to stdout.
 * Stability: abi is checked at load. Structures grow at their end only within one ABI version.
 *
 * ---- Embedding -------------------------------------------------------------------------------
 * weir_pipeline_open() .. weir_pipeline_close() at the end of this file; link with -lweir.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_ABI 1u

enum weir_value_type {
	WEIR_VALUE_BOOL = 1,
	WEIR_VALUE_INT64 = 2,
	WEIR_VALUE_FLOAT64 = 3,
	WEIR_VALUE_DECIMAL = 4, /* value * 10^scale as int64 */
	WEIR_VALUE_STRING = 5,
	WEIR_VALUE_BYTES = 6,
	WEIR_VALUE_TIMESTAMP = 7, /* ns since the Unix epoch */
	WEIR_VALUE_DURATION = 8, /* ns */
	WEIR_VALUE_LIST = 9,
};

struct weir_text {
	const char *p; /* not terminated */
	size_t n;
};

struct weir_field_info {
	const char *name;
	uint8_t type; /* enum weir_value_type */
	uint8_t elem; /* of a list */
	uint8_t precision, scale;
	uint8_t nullable;
};

struct weir_record_info {
	uint32_t field_count;
	uint32_t null_words;
	const struct weir_field_info *field;
};

/* A record; the layout is docs/formats/record.md. */
struct weir_record {
	uint32_t size;
	uint8_t kind, flags;
	uint16_t stream;
	uint64_t key_hash;
	int64_t time_ns; /* event time */
	uint64_t word[];
};

struct weir_span {
	const struct weir_record *const *record;
	uint32_t count;
};

/* ---- reading a record ---- */

static inline int weir_record_null(const struct weir_record *r, const struct weir_record_info *s,
				   uint32_t field)
{
	return s->null_words && (r->word[field / 64] >> (field % 64) & 1);
}

/* bool, int64, decimal, timestamp, duration */
static inline int64_t weir_record_int(const struct weir_record *r, const struct weir_record_info *s,
				      uint32_t field)
{
	return (int64_t)r->word[s->null_words + field];
}

static inline double weir_record_float(const struct weir_record *r,
				       const struct weir_record_info *s, uint32_t field)
{
	union {
		uint64_t u;
		double d;
	} v;

	v.u = r->word[s->null_words + field];
	return v.d;
}

/* string, bytes */
static inline struct weir_text weir_record_text(const struct weir_record *r,
						const struct weir_record_info *s, uint32_t field)
{
	uint64_t slot = r->word[s->null_words + field];
	struct weir_text t;

	t.p = (const char *)r->word + (uint32_t)slot;
	t.n = (size_t)(slot >> 32);
	return t;
}

/* Field number by name, or -1. */
static inline int weir_record_field(const struct weir_record_info *s, const char *name)
{
	for (uint32_t i = 0; i < s->field_count; i++) {
		const char *a = s->field[i].name, *b = name;

		while (*a && *a == *b) {
			a++;
			b++;
		}
		if (*a == *b)
			return (int)i;
	}
	return -1;
}

/* ---- what the engine offers ---- */

struct weir_context; /* one task of the step */
struct weir_writer; /* where new records go during one call */

struct weir_host {
	uint32_t abi, size;

	/* schema(): appends a field to the output. 0, or -1: name taken, too long, too many fields. */
	int (*add_field)(void *out, const struct weir_field_info *field);

	/* A record is begun, its fields are set by number, then it is emitted with an event time. A field
	 * that is not set is null (nullable) or zero; setting one that does not exist or has another type ends
	 * the pipeline with an error. begin() returns 0 when there is no room now: return
	 * from process() with the number of records that are done. emit() returns 0, or -1 when the record
	 * is larger than record_max (then it is not emitted). */
	int (*begin)(struct weir_writer *w);
	void (*set_int)(struct weir_writer *w, uint32_t field, int64_t v);
	void (*set_float)(struct weir_writer *w, uint32_t field, double v);
	void (*set_text)(struct weir_writer *w, uint32_t field, const char *p, size_t n);
	int (*emit)(struct weir_writer *w, int64_t time_ns);
	/* Passes an input record on unchanged (same schema only). 0: no room now. */
	int (*pass)(struct weir_writer *w, const struct weir_record *r);

	/* state_bytes of zeroed memory for the record's key (8-byte aligned), made on first use; stays until
	 * state_drop(). The pointer is valid until the next call of this function. *ret_new may be NULL. */
	void *(*state)(struct weir_context *c, const struct weir_record *r, int *ret_new);
	void (*state_drop)(struct weir_context *c, const struct weir_record *r);

	/* Calls timer() for the record's key once the watermark has reached time_ns. Setting the same time
	 * twice for a key calls once. */
	void (*set_timer)(struct weir_context *c, const struct weir_record *r, int64_t time_ns);
	int64_t (*watermark)(struct weir_context *c); /* INT64_MIN: none yet */

	/* The pipeline stops with this text. */
	void (*fail)(struct weir_context *c, const char *text);
};

/* ---- what an operator exports ---- */

struct weir_operator {
	uint32_t abi; /* WEIR_ABI */
	uint32_t size; /* sizeof(struct weir_operator) */
	uint32_t state_bytes; /* per key; 0: no state */
	uint32_t flags; /* 0 */

	/* Output schema. options: the step's `options` as JSON text. NULL: same as the input. 0, or -1 with a
	 * sentence in err. */
	int (*schema)(const struct weir_host *host, const char *options,
		      const struct weir_record_info *in, void *out, char *err, size_t err_cap);

	/* One task starts; *ret_self is handed to all other calls. May be NULL. 0, or -1 with err. */
	int (*open)(const struct weir_host *host, const char *options,
		    const struct weir_record_info *in, const struct weir_record_info *out,
		    uint32_t task, uint32_t tasks, void **ret_self, char *err, size_t err_cap);

	/* Takes records from the front of the span; returns how many are done (all, or fewer when the
	 * writer has no room: the rest comes again). Taking none and giving none with room left is an error. */
	uint32_t (*process)(void *self, struct weir_context *c, const struct weir_span *in,
			    struct weir_writer *out);

	/* A timer fires: state of its key (NULL without state). The writer has room for 16 records; giving
	 * more than fit ends the pipeline with an error. What is begun and not emitted is dropped. Returning
	 * nonzero drops the key's state. May be NULL. */
	int (*timer)(void *self, struct weir_context *c, void *state, int64_t time_ns,
		     struct weir_writer *out);

	void (*close)(void *self); /* may be NULL */
};

/* Exports `op` under `name`, the name a pipeline file uses. */
#define WEIR_OPERATOR(name, op)                                                                    \
	__attribute__((visibility("default")))                                                     \
	const struct weir_operator *weir_operator_##name(void);                                    \
	const struct weir_operator *weir_operator_##name(void)                                     \
	{                                                                                          \
		return &(op);                                                                      \
	}

/* ---- embedding ---- */

struct weir_handle;

/*
 * A pipeline keeps its state in a directory (`state` in the file, `.weir/PIPELINE` beside it by default): however a run
 * ended, the next open of the same file goes on where the last commit was, and what sinks have got neither
 * is lost nor comes twice (`guarantee` in the file, `weir explain`). A directory serves one handle at a time, in all
 * processes of the machine; a program may open many pipelines at once. With `guarantee: none` there is no directory.
 */

/* What is 0 is as the file says. */
struct weir_run_options {
	uint32_t size; /* sizeof(struct weir_run_options) */
	uint32_t workers; /* 0: as the file says */
	int fresh; /* start over: the state directory is emptied, sinks replace earlier results */
	int no_huge, no_pin;
	const char *state; /* state directory, from the working directory; NULL: the file's */
};

/* Loads and checks a pipeline file, opens everything it needs, and takes back the state of an earlier run. NULL with a
 * text in err (several lines when the file has several mistakes). opt may be NULL; its texts are copied. */
struct weir_handle *weir_pipeline_open(const char *file, const struct weir_run_options *opt,
				       char *err, size_t err_cap);
/* Starts the threads. 0, or -1 with err: then only close. A pipeline whose input had ended in an earlier run ends at
 * once. */
int weir_pipeline_start(struct weir_handle *h, char *err, size_t err_cap);
/* With a state directory: input stops, one more epoch is committed, and the next run goes on there. With `guarantee:
 * none`: input ends, what is on the way is finished. now: at once; the next run goes on from the last commit. From any
 * thread, also before the start. */
void weir_pipeline_stop(struct weir_handle *h, int now);
/* Waits up to timeout_ms (-1: for ever). 1: still running; 0: all is processed, or it stopped as asked with everything
 * committed; -1: failed, or stopped at once, err says why. */
int weir_pipeline_wait(struct weir_handle *h, int timeout_ms, char *err, size_t err_cap);
/* Records that came from sources and went to sinks so far. */
void weir_pipeline_counts(struct weir_handle *h, uint64_t *ret_in, uint64_t *ret_out);
/* Stops at once what still runs. A sink that waits for its receiver may take a second. h may be NULL. */
void weir_pipeline_close(struct weir_handle *h);
const char *weir_version(void);

#ifdef __cplusplus
}
#endif

#endif
