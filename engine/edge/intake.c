/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/intake.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/edge/engine_impl.h"
#include "engine/edge/producers.h"

#define CONNECTIONS_MAX 256
#define TIMEOUT_S 30
#define QUEUE_MAX 1024u
#define HELD_MAX ((size_t)64 << 20)
#define STUCK_NS (2 * (uint64_t)WEIR_NS_PER_S) /* a body that waits so long: the input is held */
#define LAST_ANSWERS_NS ((uint64_t)WEIR_NS_PER_S)

struct request {
	struct request *next; /* of those that wait */
	struct MHD_Connection *c;
	struct weir_intake_body *body;
	size_t cap; /* bytes of the body's memory that are counted */
	unsigned status; /* 0: not decided */
	uint64_t ticket; /* waits until this one is settled */
	uint64_t records;
	bool duplicate;
	bool over; /* too much, or no room for it: bytes that still come are thrown away */
	const char *why;
};

struct weir_intake {
	struct weir_intake_options opt;
	struct MHD_Daemon *daemon;

	pthread_mutex_t lock; /* all below */
	struct weir_intake_body *first, *last;
	uint32_t queued;
	uint64_t moved_ns; /* the queue moved, or was empty */
	size_t held; /* bytes of bodies */
	uint64_t ticket, settled;
	struct request *waiting;
	uint32_t active; /* requests */
	bool closing;
	struct weir_ids ids;
};

static const char stopping_text[] =
	"stopping; whether it was taken is not known: send it again with the "
	"same Weir-Id";

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const struct weir_buf *b)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(b->len, b->p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ok;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "application/json");
	if (status == 503)
		MHD_add_response_header(r, "Retry-After", "1");
	if (status == 405)
		MHD_add_response_header(r, "Allow", "POST");
	ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result answer_error(struct MHD_Connection *c, unsigned status, const char *why)
{
	char text[512];
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	weir_buf_lit(&b, "{\"error\":");
	weir_buf_json_str(&b, weir_str_c(why));
	weir_buf_lit(&b, "}\n");
	return answer(c, status, &b);
}

static enum MHD_Result answer_request(const struct request *q)
{
	char text[128];
	struct weir_buf b = weir_buf_of(text, sizeof(text));

	if (q->status != 200)
		return answer_error(q->c, q->status, q->why);
	if (q->duplicate)
		weir_buf_lit(&b, "{\"duplicate\":true}\n");
	else
		weir_buf_printf(&b, "{\"records\":%llu}\n", (unsigned long long)q->records);
	return answer(q->c, 200, &b);
}

static void decide(struct request *q, unsigned status, const char *why)
{
	q->status = status;
	q->why = why;
}

/* ---- reading ---- */

static void give_back(struct weir_intake *in, struct request *q)
{
	free(q->body);
	q->body = NULL;
	pthread_mutex_lock(&in->lock);
	in->held -= q->cap;
	pthread_mutex_unlock(&in->lock);
	q->cap = 0;
}

static bool reserve(struct weir_intake *in, struct request *q, size_t n)
{
	size_t have = q->body ? q->body->n : 0, cap;
	struct weir_intake_body *more;
	bool fits;

	if (have + n <= q->cap)
		return true;
	cap = WEIR_MIN(WEIR_MAX(q->cap * 2, WEIR_MAX(have + n, (size_t)4096)),
		       WEIR_INTAKE_BODY_MAX);
	pthread_mutex_lock(&in->lock);
	fits = in->held + (cap - q->cap) <= HELD_MAX;
	if (fits)
		in->held += cap - q->cap;
	pthread_mutex_unlock(&in->lock);
	if (!fits)
		return false;
	more = realloc(q->body, sizeof(*more) + cap);
	if (!more) {
		pthread_mutex_lock(&in->lock);
		in->held -= cap - q->cap;
		pthread_mutex_unlock(&in->lock);
		return false;
	}
	more->n = have;
	q->body = more;
	q->cap = cap;
	return true;
}

static void take_bytes(struct weir_intake *in, struct request *q, const char *p, size_t n)
{
	if (q->over)
		return;
	if ((q->body ? q->body->n : 0) + n > WEIR_INTAKE_BODY_MAX)
		decide(q, 413, "the body has more than 8 MiB: send it in several parts");
	else if (!reserve(in, q, n))
		decide(q, 503, "too many bodies at once");
	if (q->status) {
		q->over = true;
		give_back(in, q);
		return;
	}
	memcpy(q->body->data + q->body->n, p, n);
	q->body->n += n;
}

static bool path_ok(const struct weir_intake *in, const char *url)
{
	return !strcmp(url, "/") || (url[0] == '/' && !strcmp(url + 1, in->opt.step));
}

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static enum MHD_Result begin(struct weir_intake *in, struct MHD_Connection *c, const char *url,
			     const char *method, void **state)
{
	const char *length = header(c, "Content-Length"), *id = header(c, "Weir-Id");
	const char *coding = header(c, "Content-Encoding");
	struct request *q;

	if (!path_ok(in, url))
		return answer_error(c, 404, "records are sent to / or to /STEP");
	if (strcmp(method, "POST"))
		return answer_error(c, 405, "only POST");
	if (coding && strcasecmp(coding, "identity"))
		return answer_error(c, 415, "the body must not be encoded");
	if (id && !weir_producer_name_ok(weir_str_c(id)))
		return answer_error(c, 400, "Weir-Id: 1 to 200 visible ASCII characters");
	if (length && strtoull(length, NULL, 10) > WEIR_INTAKE_BODY_MAX)
		return answer_error(c, 413,
				    "the body has more than 8 MiB: send it in several parts");
	q = calloc(1, sizeof(*q));
	if (!q)
		return MHD_NO;
	q->c = c;
	pthread_mutex_lock(&in->lock);
	in->active++;
	pthread_mutex_unlock(&in->lock);
	*state = q;
	return MHD_YES;
}

/* ---- the queue ---- */

/* Lock held; so nobody can wake the connection before it sleeps. */
static void sleep_until(struct weir_intake *in, struct request *q, uint64_t ticket)
{
	q->ticket = ticket;
	q->next = in->waiting;
	in->waiting = q;
	MHD_suspend_connection(q->c);
}

/* Lock held. true: it is a repetition, and answered or asleep. */
static bool known(struct weir_intake *in, struct request *q, struct weir_hash128 id)
{
	const struct weir_id *have = weir_ids_find(&in->ids, id);

	if (!have)
		return false;
	q->duplicate = true;
	if (have->ticket <= in->settled)
		decide(q, 200, NULL);
	else
		sleep_until(in, q, have->ticket);
	return true;
}

/* true: the connection sleeps, and the request is the worker's from now on. */
static bool enqueue(struct weir_intake *in, struct request *q, const char *id)
{
	struct weir_hash128 hash = weir_hash128(id ? id : "", id ? strlen(id) : 0);
	uint64_t now = weir_mono_ns();
	bool asleep;

	pthread_mutex_lock(&in->lock);
	if (in->closing) {
		decide(q, 503, "stopping");
	} else if (id && known(in, q, hash)) {
		;
	} else if (in->queued == QUEUE_MAX || (in->queued && now - in->moved_ns > STUCK_NS)) {
		decide(q, 503, "the pipeline does not take input now");
	} else {
		if (in->queued == 0)
			in->moved_ns = now;
		q->body->next = NULL;
		q->body->ticket = ++in->ticket;
		if (in->last)
			in->last->next = q->body;
		else
			in->first = q->body;
		in->last = q->body;
		in->queued++;
		q->body = NULL;
		in->held -= q->cap; /* counted as what it is until it is taken */
		in->held += in->last->n;
		q->cap = 0;
		if (id)
			weir_ids_add(&in->ids, hash, in->ticket);
		sleep_until(in, q, in->ticket);
	}
	asleep = !q->status;
	pthread_mutex_unlock(&in->lock);
	return asleep;
}

/* The body is there. */
static enum MHD_Result whole(struct weir_intake *in, struct request *q)
{
	char text[512];
	struct weir_buf b = weir_buf_of(text, sizeof(text));
	int64_t records;

	weir_buf_char(&b, '{');
	records = q->body ? in->opt.check(in->opt.ctx, q->body->data, q->body->n, &b) : 0;
	if (records < 0) {
		weir_buf_lit(&b, "}\n");
		return answer(q->c, 400, &b);
	}
	q->records = (uint64_t)records;
	if (records == 0)
		decide(q, 200, NULL);
	else if (enqueue(in, q, header(q->c, "Weir-Id")))
		return MHD_YES;
	return answer_request(q);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	struct weir_intake *in = cls;
	struct request *q = *state;

	(void)version;
	if (!q)
		return begin(in, c, url, method, state);
	if (*size) {
		take_bytes(in, q, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return q->status ? answer_request(q) : whole(in, q);
}

static void completed(void *cls, struct MHD_Connection *c, void **state,
		      enum MHD_RequestTerminationCode code)
{
	struct weir_intake *in = cls;
	struct request *q = *state;

	(void)c;
	(void)code;
	if (!q)
		return;
	give_back(in, q);
	pthread_mutex_lock(&in->lock);
	in->active--;
	pthread_mutex_unlock(&in->lock);
	free(q);
}

/* ---- the worker's side ---- */

struct weir_intake_body *weir_intake_next(struct weir_intake *in)
{
	struct weir_intake_body *b;

	pthread_mutex_lock(&in->lock);
	b = in->first;
	if (b) {
		in->first = b->next;
		if (!b->next)
			in->last = NULL;
		in->queued--;
		in->held -= b->n;
		in->moved_ns = weir_mono_ns();
	}
	pthread_mutex_unlock(&in->lock);
	return b;
}

/* Lock held. Wakes those up to `ticket`; 0: all. */
static void wake(struct weir_intake *in, uint64_t ticket, unsigned status, const char *why)
{
	struct request **at = &in->waiting, *q;

	while ((q = *at)) {
		if (ticket && q->ticket > ticket) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		decide(q, status, why);
		/* From here on it may be gone at any moment. */
		MHD_resume_connection(q->c);
	}
}

void weir_intake_settle(struct weir_intake *in, uint64_t ticket)
{
	if (ticket <= in->settled)
		return; /* only the worker changes it */
	pthread_mutex_lock(&in->lock);
	in->settled = ticket;
	wake(in, ticket, 200, NULL);
	pthread_mutex_unlock(&in->lock);
}

void weir_intake_close(struct weir_intake *in)
{
	struct weir_intake_body *b, *next;
	uint64_t before = 0;
	struct request **at, *q;

	pthread_mutex_lock(&in->lock);
	in->closing = true;
	if (in->first)
		before = in->first->ticket;
	for (b = in->first; b; b = next) {
		next = b->next;
		in->held -= b->n;
		free(b);
	}
	in->first = in->last = NULL;
	in->queued = 0;
	for (at = &in->waiting; before && (q = *at);) {
		if (q->ticket < before) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		decide(q, 503, "stopping");
		MHD_resume_connection(q->c);
	}
	pthread_mutex_unlock(&in->lock);
}

struct weir_ids *weir_intake_ids_lock(struct weir_intake *in)
{
	pthread_mutex_lock(&in->lock);
	return &in->ids;
}

void weir_intake_ids_unlock(struct weir_intake *in)
{
	pthread_mutex_unlock(&in->lock);
}

/* ---- life ---- */

int weir_intake_new(const struct weir_intake_options *o, struct weir_intake **ret)
{
	struct weir_intake *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->opt = *o;
	pthread_mutex_init(&in->lock, NULL);
	*ret = in;
	return weir_ids_init(&in->ids);
}

int weir_intake_listen(struct weir_intake *in, int fd)
{
	in->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
		NULL, handle, in, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
		MHD_OPTION_NOTIFY_COMPLETED, completed, in, MHD_OPTION_END);
	return in->daemon ? 0 : -EIO;
}

static uint32_t active(struct weir_intake *in)
{
	uint32_t n;

	pthread_mutex_lock(&in->lock);
	n = in->active;
	pthread_mutex_unlock(&in->lock);
	return n;
}

static void stop(struct weir_intake *in)
{
	uint64_t start = weir_mono_ns();
	int fd = MHD_quiesce_daemon(in->daemon);

	weir_intake_close(in);
	pthread_mutex_lock(&in->lock);
	wake(in, 0, 503, stopping_text);
	pthread_mutex_unlock(&in->lock);
	/* The answers that were just given are worth a moment. */
	while (active(in) && weir_mono_ns() - start < LAST_ANSWERS_NS) {
		struct timespec nap = {0, WEIR_NS_PER_MS};

		nanosleep(&nap, NULL);
	}
	MHD_stop_daemon(in->daemon);
	if (fd >= 0)
		close(fd);
}

void weir_intake_free(struct weir_intake *in)
{
	if (!in)
		return;
	if (in->daemon)
		stop(in);
	weir_ids_fini(&in->ids);
	pthread_mutex_destroy(&in->lock);
	free(in);
}
