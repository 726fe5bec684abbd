/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/edge/control_ask.h"
#include "engine/edge/engine_impl.h"
#include "engine/edge/status.h"
#include "shm/rundir.h"

#define CLIENTS_MAX 16
#define LINE_MAX_BYTES 4096
#define TAP_MS 20
#define ASK_MS 1
#define TAP_BYTES ((size_t)96 << 10) /* fits a socket buffer that poll() calls writable */
#define TAP_FRAMES 512 /* at most so many records each time we look */

struct client {
	int fd;
	char line[LINE_MAX_BYTES];
	size_t n;
	bool tapping;
	uint64_t tap_left; /* UINT64_MAX: no limit */
	struct weir_ask *ask; /* under way: later lines wait */
};

struct weir_control {
	struct weir_engine *e;
	const char *metrics;
	pthread_t thread;
	bool serving, bound;
	int listen_fd, stop_fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client client[CLIENTS_MAX];
	uint32_t count;
	struct weir_region region;
	struct weir_engine_stats *stats;
	char *out;
	size_t out_cap;
};

static bool send_all(struct client *c, const char *p, size_t n)
{
	/* A status fits the socket buffer; a reader that leaves it full is not worth waiting for. */
	while (n) {
		ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static bool send_error(struct client *c, const char *text)
{
	char line[1024];
	struct weir_buf b = weir_buf_of(line, sizeof(line));

	weir_buf_lit(&b, "{\"ok\":false,\"error\":");
	weir_buf_json_str(&b, weir_str_c(text));
	weir_buf_lit(&b, "}\n");
	return send_all(c, line, b.len);
}

static bool send_segment(struct weir_control *ctl, struct client *c)
{
	static char ok[] = "{\"ok\":true}\n";
	int fd = weir_engine_segment(ctl->e)->fd;
	struct iovec iov = {.iov_base = ok, .iov_len = sizeof(ok) - 1};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = u.bytes,
			   .msg_controllen = sizeof(u.bytes)};
	struct cmsghdr *h;

	memset(&u, 0, sizeof(u));
	h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(c->fd, &m, MSG_NOSIGNAL) > 0;
}

static bool send_status(struct weir_control *ctl, struct client *c)
{
	struct weir_buf b = weir_buf_of(ctl->out, ctl->out_cap);

	weir_engine_stats_read(ctl->e, ctl->stats);
	weir_status_json(&b, ctl->e, ctl->stats, ctl->metrics);
	weir_buf_char(&b, '\n');
	if (b.full)
		return send_error(c, "the status does not fit the buffer");
	return send_all(c, b.p, b.len);
}

/* "step" (the first of its outputs that is read) or "step.output". */
static bool find_output(const struct weir_pipeline *p, const char *name, uint32_t *ret_step,
			uint32_t *ret_port, struct weir_err *err)
{
	const char *dot = NULL;
	const struct weir_step *s;
	int i = weir_pipeline_find(p, weir_str_c(name));

	/* "x.late@eu" is a step: the end of an edge. */
	if (i < 0 && (dot = strrchr(name, '.')))
		i = weir_pipeline_find(p, (struct weir_str){name, (size_t)(dot - name)});

	if (i < 0) {
		weir_err_set(err, -ENOENT, "no step `%.63s` in this pipeline", name);
		return false;
	}
	s = &p->step[i];
	*ret_step = (uint32_t)i;
	*ret_port = 0;
	for (uint32_t k = 0; !dot && k < s->port_count; k++)
		if (s->port[k].uses && !s->port[*ret_port].uses)
			*ret_port = k;
	for (uint32_t k = 0; dot && k < s->port_count; k++) {
		if (!strcmp(s->port[k].name, dot + 1)) {
			*ret_port = k;
			return true;
		}
	}
	if (dot)
		weir_err_set(err, -ENOENT, "step `%s` has no output `%.63s`", s->name, dot + 1);
	return !dot;
}

static bool start_tap(struct weir_control *ctl, struct client *c, json_t *req)
{
	const char *name = json_string_value(json_object_get(req, "step"));
	json_int_t count = json_integer_value(json_object_get(req, "count"));
	struct weir_err err = {0};
	uint32_t step, port;

	if (!find_output(weir_engine_pipeline(ctl->e), name ? name : "", &step, &port, &err) ||
	    weir_engine_tap_start(ctl->e, step, port, &err) < 0)
		return send_error(c, err.text);
	c->tapping = true;
	c->tap_left = count > 0 ? (uint64_t)count : UINT64_MAX;
	return send_all(c, "{\"ok\":true}\n", 12);
}

static bool start_ask(struct weir_control *ctl, struct client *c, const json_t *req,
		      enum weir_query_verb verb);

static bool serve_line(struct weir_control *ctl, struct client *c, size_t n)
{
	json_t *req = json_loadb(c->line, n, JSON_REJECT_DUPLICATES, NULL);
	const char *cmd = json_string_value(json_object_get(req, "cmd"));
	bool ok;

	if (!cmd)
		ok = send_error(c, "expected a JSON object with a member `cmd`");
	else if (!strcmp(cmd, "status"))
		ok = send_status(ctl, c);
	else if (!strcmp(cmd, "segment"))
		ok = send_segment(ctl, c);
	else if (!strcmp(cmd, "tap"))
		ok = start_tap(ctl, c, req);
	else if (!strcmp(cmd, "state"))
		ok = start_ask(ctl, c, req,
			       json_object_get(req, "keys") ? WEIR_QUERY_GET : WEIR_QUERY_LIST);
	else if (!strcmp(cmd, "conflicts"))
		ok = start_ask(ctl, c, req, WEIR_QUERY_CONFLICTS);
	else
		ok = send_error(
			c, "unknown command: status, segment, tap, state and conflicts are known");
	json_decref(req);
	return ok;
}

/* All whole lines, unless one is an ask: then the rest waits for its answer. */
static bool serve_lines(struct weir_control *ctl, struct client *c)
{
	char *nl;

	while (!c->ask && (nl = memchr(c->line, '\n', c->n))) {
		size_t line = (size_t)(nl - c->line), rest = c->n - line - 1;

		if (!serve_line(ctl, c, line))
			return false;
		memmove(c->line, nl + 1, rest);
		c->n = rest;
	}
	return c->ask || c->n < sizeof(c->line);
}

static bool start_ask(struct weir_control *ctl, struct client *c, const json_t *req,
		      enum weir_query_verb verb)
{
	struct weir_err err = {0};

	if (weir_control_ask(ctl->e, req, verb, &c->ask, &err) < 0)
		return send_error(c, err.text);
	return true;
}

/* false: the client is to be dropped. */
static bool pump_ask(struct weir_control *ctl, struct client *c)
{
	struct weir_err err = {0};
	struct weir_str text;
	bool ok;

	if (!weir_ask_poll(c->ask))
		return true;
	if (weir_ask_answer(c->ask, &text, &err) < 0)
		ok = send_error(c, err.text);
	else
		ok = send_all(c, text.p, text.n) && send_all(c, "\n", 1);
	weir_ask_end(c->ask);
	c->ask = NULL;
	return ok && serve_lines(ctl, c);
}

static void drop(struct weir_control *ctl, uint32_t i)
{
	struct client *c = &ctl->client[i];

	if (c->tapping)
		weir_engine_tap_stop(ctl->e);
	weir_ask_end(c->ask);
	close(c->fd);
	*c = ctl->client[--ctl->count];
}

/* false: the client is to be dropped. */
static bool read_client(struct weir_control *ctl, struct client *c)
{
	ssize_t got;

	if (c->n == sizeof(c->line))
		return true; /* behind an ask */
	got = recv(c->fd, c->line + c->n, sizeof(c->line) - c->n, MSG_DONTWAIT);
	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	c->n += (size_t)got;
	return serve_lines(ctl, c);
}

struct tap_out {
	struct client *c;
	struct weir_buf buf;
	uint64_t taken;
};

static void tap_frame(void *ctx, const struct weir_frame *f, const struct weir_schema *s)
{
	struct tap_out *o = ctx;
	size_t at = o->buf.len;

	if (o->taken == o->c->tap_left)
		return;
	weir_buf_record_json(&o->buf, f, s);
	weir_buf_char(&o->buf, '\n');
	if (o->buf.full) {
		o->buf.full = false;
		o->buf.len = at;
		return;
	}
	o->taken++;
}

/* false: done or gone. */
static bool pump_tap(struct weir_control *ctl, struct client *c)
{
	size_t record = (size_t)weir_engine_pipeline(ctl->e)->record_max * 2;
	struct tap_out o = {
		.c = c,
		.buf = weir_buf_of(ctl->out, WEIR_MIN(ctl->out_cap, WEIR_MAX(TAP_BYTES, record)))};
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	uint64_t dropped = 0;

	/* A reader that stands still keeps its tap; what it misses is dropped at the ring. */
	if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLOUT))
		return true;
	weir_engine_tap_read(ctl->e, tap_frame, &o, TAP_FRAMES, &dropped);
	if (o.buf.len && !send_all(c, o.buf.p, o.buf.len))
		return false;
	if (c->tap_left != UINT64_MAX)
		c->tap_left -= o.taken;
	return c->tap_left > 0;
}

static void accept_client(struct weir_control *ctl)
{
	struct timeval slow = {.tv_sec = 1};
	int fd = accept4(ctl->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		/* Out of descriptors: the one waiting would wake us again at once. */
		if (errno == EMFILE || errno == ENFILE)
			poll(NULL, 0, TAP_MS);
		return;
	}
	/* Somebody who connected and says nothing does not keep others out. */
	for (uint32_t i = 0; ctl->count == CLIENTS_MAX && i < CLIENTS_MAX; i++)
		if (!ctl->client[i].tapping && !ctl->client[i].ask)
			drop(ctl, i);
	if (ctl->count == CLIENTS_MAX) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slow, sizeof(slow));
	memset(&ctl->client[ctl->count], 0, sizeof(ctl->client[0]));
	ctl->client[ctl->count++].fd = fd;
}

static void *control_main(void *arg)
{
	struct weir_control *ctl = arg;

	pthread_setname_np(pthread_self(), "weir-control");
	for (;;) {
		struct pollfd p[CLIENTS_MAX + 2];
		uint32_t n = ctl->count;
		int timeout = -1;

		p[0] = (struct pollfd){.fd = ctl->stop_fd, .events = POLLIN};
		p[1] = (struct pollfd){.fd = ctl->listen_fd, .events = POLLIN};
		for (uint32_t i = 0; i < n; i++) {
			p[i + 2] = (struct pollfd){.fd = ctl->client[i].fd, .events = POLLIN};
			if (ctl->client[i].tapping && timeout < 0)
				timeout = TAP_MS;
			if (ctl->client[i].ask)
				timeout = ASK_MS;
			/* Its next line waits anyway, or it would wake us all the time; a hang-up is still seen. */
			if (ctl->client[i].ask && ctl->client[i].n == LINE_MAX_BYTES)
				p[i + 2].events = 0;
		}
		if (poll(p, n + 2, timeout) < 0 && errno != EINTR)
			break;
		if (p[0].revents)
			break;
		/* Backwards: drop() moves the last client into the gap. */
		for (uint32_t i = n; i-- > 0;) {
			bool keep = true;

			if (p[i + 2].revents)
				keep = read_client(ctl, &ctl->client[i]);
			if (ctl->client[i].ask && (p[i + 2].revents & (POLLHUP | POLLERR)))
				keep = false; /* also when its lines are full */
			if (keep && ctl->client[i].tapping)
				keep = pump_tap(ctl, &ctl->client[i]);
			if (keep && ctl->client[i].ask)
				keep = pump_ask(ctl, &ctl->client[i]);
			if (!keep)
				drop(ctl, i);
		}
		if (p[1].revents)
			accept_client(ctl);
	}
	/* The last records of a pipeline that came to its end. */
	for (uint32_t i = 0; i < ctl->count; i++)
		if (ctl->client[i].tapping)
			pump_tap(ctl, &ctl->client[i]);
	while (ctl->count)
		drop(ctl, 0);
	return NULL;
}

/* A socket file that nobody answers is left from a crash. */
static bool answers(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

/* Two that start at once: one after the other looks, replaces and binds. */
static int lock_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && flock(fd, LOCK_EX) && errno == EINTR)
		;
	return fd;
}

static int bind_socket(struct weir_control *ctl, const char *name, const struct sockaddr_un *un,
		       struct weir_err *err)
{
	mode_t mask;
	int r;

	if (answers(un))
		return weir_err_set(err, WEIR_E_BUSY,
				    "a pipeline `%s` runs already on this host (%s answers)", name,
				    ctl->path);
	unlink(ctl->path);
	ctl->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->listen_fd < 0)
		return weir_err_set(err, -errno, "cannot open a socket: %s", weir_strerror(-errno));
	mask = umask(0177);
	r = bind(ctl->listen_fd, (const struct sockaddr *)un, sizeof(*un)) ? -errno : 0;
	umask(mask);
	ctl->bound = r == 0;
	if (r == 0 && listen(ctl->listen_fd, 16))
		r = -errno;
	return r < 0 ? weir_err_set(err, r, "cannot listen on %s: %s", ctl->path, weir_strerror(r))
		     : 0;
}

static int open_socket(struct weir_control *ctl, const char *name, struct weir_err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char dir[sizeof(un.sun_path)];
	int r = weir_run_socket(name, ctl->path, sizeof(ctl->path), err), lock;

	if (r < 0)
		return r;
	weir_run_dir(dir, sizeof(dir));
	if (mkdir(dir, 0700) && errno != EEXIST)
		return weir_err_set(err, -errno,
				    "cannot create %s: %s (WEIR_RUN_DIR names another)", dir,
				    weir_strerror(-errno));
	strcpy(un.sun_path, ctl->path);
	lock = lock_folder(dir);
	r = bind_socket(ctl, name, &un, err);
	if (lock >= 0)
		close(lock);
	return r;
}

int weir_control_open(const char *pipeline, struct weir_control **ret, struct weir_err *err)
{
	struct weir_control *ctl = calloc(1, sizeof(*ctl));
	int r;

	if (!ctl)
		return weir_err_set(err, -ENOMEM, "out of memory");
	ctl->listen_fd = -1;
	ctl->stop_fd = eventfd(0, EFD_CLOEXEC);
	weir_region_init(&ctl->region, &weir_heap_mem);
	r = ctl->stop_fd < 0
		    ? weir_err_set(err, -errno, "cannot open an event: %s", weir_strerror(-errno))
		    : open_socket(ctl, pipeline, err);
	if (r < 0) {
		weir_control_stop(ctl);
		return r;
	}
	*ret = ctl;
	return 0;
}

int weir_control_serve(struct weir_control *ctl, struct weir_engine *keep_e,
		       const char *keep_metrics, struct weir_err *err)
{
	int r;

	ctl->e = keep_e;
	ctl->metrics = keep_metrics;
	ctl->stats = weir_engine_stats_new(keep_e, &ctl->region);
	ctl->out_cap = WEIR_MAX((size_t)1 << 20, (size_t)ctl->stats->step_count * 1024);
	ctl->out = weir_region_alloc(&ctl->region, ctl->out_cap);
	r = -pthread_create(&ctl->thread, NULL, control_main, ctl);
	if (r < 0)
		return weir_err_set(err, r, "cannot start the control thread: %s",
				    weir_strerror(r));
	ctl->serving = true;
	return 0;
}

void weir_control_stop(struct weir_control *ctl)
{
	uint64_t one = 1;

	if (!ctl)
		return;
	if (ctl->serving && write(ctl->stop_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(ctl->thread, NULL);
	if (ctl->bound)
		unlink(ctl->path);
	if (ctl->listen_fd >= 0)
		close(ctl->listen_fd);
	if (ctl->stop_fd >= 0)
		close(ctl->stop_fd);
	weir_region_fini(&ctl->region);
	free(ctl);
}
