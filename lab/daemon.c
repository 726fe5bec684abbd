/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/heap.h"
#include "lab/lab.h"
#include "lab/space.h"
#include "lab/wire.h"
#include "shm/rundir.h"

#define FRAMES_MAX 200000u /* that wait in the network; memory comes with use */
#define FILE_BYTES_MAX ((size_t)1 << 20)
#define IDLE_NS ((uint64_t)WEIR_NS_PER_S)

struct lab {
	const struct weir_cluster *cluster;
	struct weir_lab_net *net;
	struct weir_lab_wire *wire;
	struct weir_lab_region region[WEIR_REGIONS_MAX];
	struct sockaddr_un at;
	int listen_fd;
	uint64_t start_ns;
	bool down;
};

static int socket_path(const char *cluster, struct sockaddr_un *ret, struct weir_err *err)
{
	char dir[sizeof(ret->sun_path)];
	int n = -1;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (weir_run_dir(dir, sizeof(dir)) == 0)
		n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s.lab", dir, cluster);
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path))
		return weir_err_set(err, -ENAMETOOLONG,
				    "the path of the lab's socket is too long: set WEIR_RUN_DIR to "
				    "a shorter directory");
	return 0;
}

static int dial(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* One exchange. WEIR_E_PEER: no answer. */
static int ask_once(const struct sockaddr_un *at, const char *cluster, const char *request,
		    FILE *out, struct weir_err *err)
{
	char line[1024];
	FILE *f;
	int fd = dial(at), r;

	if (fd < 0)
		return weir_err_set(err, WEIR_E_UNKNOWN, "no lab `%s` is up", cluster);
	snprintf(line, sizeof(line), "%s\n", request);
	r = send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line);
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return weir_err_set(err, -errno, "%s", strerror(errno));
	}
	r = weir_err_set(err, WEIR_E_PEER, "the lab did not %s", r ? "answer" : "listen");
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, "ok") == 0) {
			r = 0;
			break;
		}
		if (strncmp(line, "error: ", 7) == 0) {
			r = weir_err_set(err, WEIR_E_CONFIG, "%s", line + 7);
			break;
		}
		if (out)
			fprintf(out, "%s\n", line);
	}
	fclose(f);
	return r;
}

int weir_lab_ask(const char *cluster, const char *request, FILE *out, struct weir_err *err)
{
	struct sockaddr_un at;
	int r = socket_path(cluster, &at, err);

	if (r < 0)
		return r;
	/* The network does not wait for one who is slow to ask: on a busy host that may be us. All requests say how things shall be,
	 * so asking twice is fine. */
	for (int i = 0; i < 10; i++) {
		r = ask_once(&at, cluster, request, out, err);
		if (r != WEIR_E_PEER)
			break;
		usleep(100000);
	}
	return r;
}

static int listen_open(struct lab *l, struct weir_err *err)
{
	char dir[sizeof(l->at.sun_path)];
	mode_t mask;
	int fd, r = socket_path(l->cluster->name, &l->at, err);

	if (r < 0)
		return r;
	fd = dial(&l->at);
	if (fd >= 0) {
		close(fd);
		l->at.sun_path[0] = 0; /* it is another's */
		return weir_err_set(err, WEIR_E_BUSY, "the lab `%s` is up already: weir lab down",
				    l->cluster->name);
	}
	unlink(l->at.sun_path);
	if (weir_run_dir(dir, sizeof(dir)) == 0)
		mkdir(dir, 0700);
	mask = umask(0177);
	l->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = bind(l->listen_fd, (struct sockaddr *)&l->at, sizeof(l->at));
	umask(mask);
	if (r < 0 || listen(l->listen_fd, 8) < 0)
		return weir_err_set(err, -errno, "%s: %s", l->at.sun_path, strerror(errno));
	return 0;
}

static int file_read(const char *path, char **ret, size_t *ret_n, struct weir_err *err)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return weir_err_set(err, -errno, "%s: %s", path, strerror(errno));
	*ret = malloc(FILE_BYTES_MAX);
	*ret_n = *ret ? fread(*ret, 1, FILE_BYTES_MAX, f) : 0;
	fclose(f);
	if (!*ret || *ret_n == FILE_BYTES_MAX)
		return weir_err_set(err, WEIR_E_LIMIT, "%s: larger than 1 MiB", path);
	return 0;
}

static int net_open(struct lab *l, const struct weir_lab_start *s, struct weir_err *err)
{
	struct weir_lab_net *n = calloc(1, sizeof(*n));
	char *text = NULL;
	size_t bytes = 0;
	int r = 0;

	if (!n)
		return weir_err_set(err, -ENOMEM, "out of memory");
	l->net = n;
	n->regions = l->cluster->region_count;
	n->seed = 1;
	for (uint32_t i = 0; i < n->regions; i++)
		memcpy(n->name[i], l->cluster->region[i].name, sizeof(n->name[i]));
	if (s->file) {
		r = file_read(s->file, &text, &bytes, err);
		/* The seed is in the file, and the network starts with it. */
		if (r == 0)
			r = weir_lab_commands(n, (struct weir_str){text, bytes}, err);
		n->later_count = 0;
	}
	if (s->seed)
		n->seed = s->seed;
	if (r == 0) {
		struct weir_err ignored;
		uint64_t seed = n->seed;

		n->wan = weir_wan_new(n->regions, seed, FRAMES_MAX, &weir_heap_mem);
		weir_lab_default(n);
		if (text)
			weir_lab_commands(n, (struct weir_str){text, bytes}, &ignored);
		n->seed = seed;
	} else if (text) {
		char why[sizeof(err->text)];

		snprintf(why, sizeof(why), "%s", err->text);
		weir_err_set(err, r, "%s: %s", s->file, why);
	}
	free(text);
	return r;
}

/* ---- requests ---- */

static void say_path(FILE *f, struct lab *l, uint32_t a, uint32_t b)
{
	const struct weir_wan_path *p = weir_wan_path(l->net->wan, a, b);
	struct weir_wan_stats s;

	weir_wan_stats(l->net->wan, a, b, &s);
	fprintf(f,
		"path %s:%s %s delay=%.3fms jitter=%.3fms loss=%.4f%% dup=%.4f%% reorder=%.4f%% "
		"corrupt=%.4f%% rate=%llu in=%llu out=%llu bytes=%llu lost=%llu cut=%llu full=%llu "
		"waiting=%llu\n",
		l->net->name[a], l->net->name[b], p->cut ? "cut" : "open",
		(double)p->delay_ns / 1e6, (double)p->jitter_ns / 1e6, p->loss / 1e4, p->dup / 1e4,
		p->reorder / 1e4, p->corrupt / 1e4, (unsigned long long)p->rate,
		(unsigned long long)s.in, (unsigned long long)s.out,
		(unsigned long long)s.bytes_out, (unsigned long long)s.lost,
		(unsigned long long)s.cut, (unsigned long long)s.full,
		(unsigned long long)s.waiting);
}

static void status(FILE *f, struct lab *l)
{
	struct weir_lab_wire_stats s;
	double n;

	weir_lab_wire_stats(l->wire, &s);
	n = s.frames ? (double)s.frames : 1;
	fprintf(f,
		"lab %s up=%.1fs seed=%llu frames=%llu missed=%llu late_us=%.1f late_max_us=%.1f\n",
		l->cluster->name, (double)(weir_mono_ns() - l->start_ns) / 1e9,
		(unsigned long long)l->net->seed, (unsigned long long)s.frames,
		(unsigned long long)s.missed, (double)s.late_ns / n / 1e3,
		(double)s.late_max_ns / 1e3);
	for (uint32_t a = 0; a < l->net->regions; a++)
		for (uint32_t b = 0; b < l->net->regions; b++)
			if (a != b)
				say_path(f, l, a, b);
}

static void answer(struct lab *l, FILE *f, char *line)
{
	struct weir_err err;

	line[strcspn(line, "\r\n")] = 0;
	if (strcmp(line, "status") == 0) {
		status(f, l);
	} else if (strcmp(line, "pids") == 0) {
		for (uint32_t i = 0; i < l->net->regions; i++)
			fprintf(f, "%s %d\n", l->net->name[i], (int)l->region[i].pid);
	} else if (strcmp(line, "down") == 0) {
		l->down = true;
	} else if (weir_lab_command(l->net, weir_str_c(line), false, &err) < 0) {
		fprintf(f, "error: %s\n", err.text);
		return;
	}
	fprintf(f, "ok\n");
}

/* One request; the network stands still meanwhile, at most as long as this. */
static void serve(struct lab *l)
{
	struct timeval patience = {.tv_usec = 200000};
	int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	char line[512];
	FILE *f;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	f = fdopen(fd, "r+");
	if (!f) {
		close(fd);
		return;
	}
	if (fgets(line, sizeof(line), f))
		answer(l, f, line);
	fclose(f);
}

/* ---- life ---- */

static int build(struct lab *l, const struct weir_lab_start *s, struct weir_err *err)
{
	int r = net_open(l, s, err);

	if (r == 0)
		r = listen_open(l, err);
	if (r == 0)
		r = weir_lab_space_hub(err);
	for (uint32_t i = 0; i < l->cluster->region_count && r == 0; i++)
		r = weir_lab_space_region(l->cluster, i, &l->region[i], err);
	if (r == 0)
		r = weir_lab_wire_open(l->net, &l->wire, err);
	return r;
}

static void end(struct lab *l)
{
	weir_lab_space_clear(l->region, l->cluster->region_count);
	if (l->wire)
		weir_lab_wire_close(l->wire);
	for (uint32_t i = 0; i < l->cluster->region_count; i++)
		weir_lab_space_end(&l->region[i]);
	if (l->listen_fd >= 0)
		close(l->listen_fd);
	if (l->at.sun_path[0])
		unlink(l->at.sun_path);
	if (l->net && l->net->wan)
		weir_wan_free(l->net->wan);
	free(l->net);
}

static void tell(int fd, const char *text)
{
	ssize_t n = write(fd, text, strlen(text));

	(void)n;
	close(fd);
}

static volatile sig_atomic_t stopped;

static void on_signal(int s)
{
	(void)s;
	stopped = 1;
}

int weir_lab_daemon(const struct weir_lab_start *s, int ready_fd, struct weir_err *err)
{
	struct lab l = {.cluster = s->cluster, .listen_fd = -1};
	struct sigaction a = {.sa_handler = on_signal};
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGINT, &a, NULL);
	prctl(PR_SET_NAME, "weir-lab");
	r = build(&l, s, err);
	if (r < 0) {
		tell(ready_fd, err->text);
		end(&l);
		return r;
	}
	l.start_ns = weir_mono_ns();
	tell(ready_fd, "ok");
	while (!l.down && !stopped)
		if (weir_lab_wire_step(l.wire, l.listen_fd, l.start_ns, weir_mono_ns() + IDLE_NS))
			serve(&l);
	end(&l);
	return 0;
}
