/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "shm/rings_tool.h"
#include "shm/role.h"
#include "shm/rundir.h"
#include "tests/unit/shm/seg.h"

/* A directory, a segment file in it made by this process, and the output of the last run. */
struct world {
	char dir[64], path[96], copy[96];
	struct weir_segment s;
	struct weir_schema schema;
	char *out, *err;
	size_t out_n, err_n;
};

static int run(struct world *w, const char *const *argv)
{
	FILE *out, *err;
	int argc = 0, code;

	free(w->out);
	free(w->err);
	out = open_memstream(&w->out, &w->out_n);
	err = open_memstream(&w->err, &w->err_n);
	while (argv[argc])
		argc++;
	code = weir_rings_main(argc, (char *const *)argv, out, err);
	fclose(out);
	fclose(err);
	return code;
}

#define RUN(w, ...) run((w), (const char *const[]){"weir-rings", __VA_ARGS__, NULL})

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		if (!strstr((text), (part)))                                                       \
			fail_msg("\"%s\" is not in: %s", (part), (text));                          \
	} while (0)

static void put_frames(struct world *w, unsigned ring, int count)
{
	struct weir_ring_tx tx;
	uint64_t mem[32] = {0};

	weir_ring_tx_init(&tx, &w->s.ring[ring], w->s.ring_base[ring]);
	for (int i = 0; i < count; i++) {
		struct weir_frame *f = seg_frame(mem, &w->schema, i, "name\n\"x\"");

		f->flags = WEIR_FRAME_F_TIMED | WEIR_FRAME_F_HASHED;
		f->time_ns = i;
		f->key_hash = 0xabc;
		assert_true(weir_ring_put_frame(&tx, f));
	}
	weir_ring_publish(&tx);
}

static void put_controls(struct world *w, unsigned ring)
{
	struct weir_ring_tx tx;

	weir_ring_tx_init(&tx, &w->s.ring[ring], w->s.ring_base[ring]);
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_WATERMARK, 0, WEIR_NS_PER_S));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_WATERMARK, 0, WEIR_TIME_MIN));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_BARRIER, 77, 0));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_MARKER, 0, 12345));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_IDLE, 0, 0));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_WATERMARK, 0, WEIR_TIME_MAX));
	assert_true(weir_ring_put_control(&tx, WEIR_FRAME_EOS, 0, 0));
	weir_ring_publish(&tx);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct weir_err err = {0};
	struct seg_options o;

	strcpy(w->dir, "/tmp/weir-rings-XXXXXX");
	if (!mkdtemp(w->dir))
		return -1;
	snprintf(w->path, sizeof(w->path), "%s/segment", w->dir);
	snprintf(w->copy, sizeof(w->copy), "%s/copy", w->dir);
	setenv("WEIR_RUN_DIR", w->dir, 1);
	seg_schema(&w->schema);
	seg_options(&o);
	o.opt.path = w->path;
	if (weir_segment_create(&o.opt, &w->s, &err) < 0)
		return -1;
	for (uint32_t i = 0; i < 3; i++)
		weir_segment_map_ring(&w->s, i, &err);
	put_frames(w, 0, 3);
	put_controls(w, 1);
	weir_store_relaxed(&w->s.counter[0].value, 42);
	weir_store_relaxed(&w->s.counter[1].value, (uint64_t)-7);
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;

	weir_segment_close(&w->s);
	free(w->out);
	free(w->err);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

/* ---- options ---- */

static void test_tool_help_and_usage(void **state)
{
	static const char *const verb[] = {"list", "stat", "watch", "dump", "check", "copy"};
	struct world *w = *state;

	assert_int_equal(RUN(w, "--help"), 0);
	assert_has(w->out, "Usage: weir-rings");
	assert_int_equal(RUN(w, "help"), 0);
	assert_int_equal(RUN(w, "--version"), 0);
	assert_int_equal(run(w, (const char *const[]){"weir-rings", NULL}), 2);
	assert_has(w->err, "Usage");
	for (unsigned i = 0; i < WEIR_COUNT_OF(verb); i++) {
		assert_int_equal(RUN(w, verb[i], "--help"), 0);
		assert_has(w->out, verb[i]);
		assert_has(w->out, "--help");
		assert_int_equal(RUN(w, verb[i], "--nonsense", "x"), 2);
		assert_has(w->err, "unknown option --nonsense");
		assert_int_equal(RUN(w, verb[i], "a", "b", "c"), 2);
		assert_has(w->err, "too many");
	}
	assert_int_equal(RUN(w, "stat"), 2);
	assert_has(w->err, "missing");
	assert_int_equal(RUN(w, "copy", "x"), 2);
	assert_int_equal(RUN(w, "stats"), 2);
	assert_has(w->err, "did you mean stat?");
	assert_int_equal(RUN(w, "zzzzzzzz"), 2);
	assert_null(strstr(w->err, "did you mean"));
}

static void test_tool_option_values_are_checked(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(w, "stat", "-o", "yaml", w->path), 2);
	assert_has(w->err, "text or json");
	assert_int_equal(RUN(w, "stat", w->path, "-o"), 2);
	assert_has(w->err, "needs a value");
	assert_int_equal(RUN(w, "dump", "--limit", "-1", w->path), 2);
	assert_int_equal(RUN(w, "watch", "-n", "0", w->path), 2);
	assert_int_equal(RUN(w, "watch", "-i", "5", w->path), 2);
	assert_has(w->err, "1s or 200ms");
	assert_int_equal(RUN(w, "watch", "-i", "0s", w->path), 2);
	assert_int_equal(RUN(w, "check", "-f", w->path), 2); /* another verb's */
}

/* ---- opening ---- */

static void test_tool_segment_by_path_and_descriptor(void **state)
{
	struct world *w = *state;
	char name[64];

	assert_int_equal(RUN(w, "check", w->path), 0);
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), w->s.fd);
	assert_int_equal(RUN(w, "check", name), 0);
	snprintf(name, sizeof(name), "%d:%d", getpid(), w->s.fd);
	assert_int_equal(RUN(w, "check", name), 0);
	assert_has(w->out, "fine: 3 rings, 2 counters, 1 schemas");
}

static void test_tool_segment_in_the_working_directory(void **state)
{
	struct world *w = *state;
	char old[256];

	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir(w->dir), 0);
	assert_int_equal(RUN(w, "check", "segment"), 0);
	assert_int_equal(chdir(old), 0);
}

static void test_tool_what_is_no_segment(void **state)
{
	struct world *w = *state;
	char other[128];
	FILE *f;

	assert_int_equal(RUN(w, "check", "nosuch"), 1);
	assert_has(w->err, "no pipeline of this name runs");
	assert_int_equal(RUN(w, "check", "/nonexistent/x"), 1);
	assert_has(w->err, "No such file");
	assert_int_equal(RUN(w, "check", w->dir), 1);
	assert_int_equal(RUN(w, "check", "/dev/null"), 1);
	assert_has(w->err, "not a file");
	snprintf(other, sizeof(other), "%s/other", w->dir);
	f = fopen(other, "w");
	fclose(f);
	assert_int_equal(RUN(w, "check", other), 1);
	assert_has(w->err, "0 bytes");
	f = fopen(other, "w");
	for (int i = 0; i < 10000; i++)
		fputc('x', f);
	fclose(f);
	assert_int_equal(RUN(w, "check", other), 1);
	assert_has(w->err, "wrong magic");
	setenv("WEIR_RUN_DIR",
	       "/0123456789012345678901234567890123456789012345678901234567890123456789"
	       "0123456789012345678901234567890123456789",
	       1);
	assert_int_equal(RUN(w, "check", "name"), 1);
	assert_has(w->err, "too long");
}

/* ---- the control socket ---- */

enum answer { ANSWER_FINE, ANSWER_SLOWLY, ANSWER_TWO, ANSWER_NO_FD, ANSWER_ERROR, ANSWER_NOTHING };

struct server {
	int listen_fd, fd;
	enum answer answer;
	bool asked_right;
};

static void send_fds(int sock, const char *text, int fd, unsigned count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	int fds[2] = {fd, fd};
	struct iovec iov = {(void *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (count) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	(void)!sendmsg(sock, &m, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	int sock = accept(s->listen_fd, NULL, NULL);
	char line[100] = "";
	ssize_t n = read(sock, line, sizeof(line) - 1);

	s->asked_right = n > 0 && !strcmp(line, "{\"cmd\":\"segment\"}\n");
	switch (s->answer) {
	case ANSWER_FINE:
		send_fds(sock, "{\"ok\":true}\n", s->fd, 1);
		break;
	case ANSWER_SLOWLY:
		send_fds(sock, "{\"ok\"", s->fd, 1);
		sched_yield();
		send_fds(sock, ":true}\n", -1, 0);
		break;
	case ANSWER_TWO:
		send_fds(sock, "{\"ok\":true}\n", s->fd, 2);
		break;
	case ANSWER_NO_FD:
		send_fds(sock, "{\"ok\":true}\n", -1, 0);
		break;
	case ANSWER_ERROR:
		send_fds(sock, "{\"ok\":false,\"error\":\"not today\"}\n", s->fd, 1);
		break;
	case ANSWER_NOTHING:
		break;
	}
	close(sock);
	return NULL;
}

static void listen_as(struct world *w, struct server *s, const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s.sock", w->dir, name);
	s->fd = w->s.fd;
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(s->listen_fd, 4), 0);
}

static int run_served(struct world *w, struct server *s, const char *const *argv)
{
	pthread_t t;
	int code;

	assert_int_equal(pthread_create(&t, NULL, serve, s), 0);
	code = run(w, argv);
	pthread_join(t, NULL);
	assert_true(s->asked_right);
	return code;
}

static void test_tool_asks_the_running_engine(void **state)
{
	static const struct {
		enum answer answer;
		int code;
		const char *says;
	} row[] = {
		{ANSWER_FINE, 0, ""},
		{ANSWER_SLOWLY, 0, ""},
		{ANSWER_TWO, 0, ""},
		{ANSWER_NO_FD, 1, "no descriptor"},
		{ANSWER_ERROR, 1, "not today"},
		{ANSWER_NOTHING, 1, "engine says"},
	};
	const char *const argv[] = {"weir-rings", "check", "pipe", NULL};
	struct world *w = *state;
	struct server s = {0};
	int before, after;

	listen_as(w, &s, "pipe");
	before = dup(0);
	close(before);
	for (unsigned i = 0; i < WEIR_COUNT_OF(row); i++) {
		s.answer = row[i].answer;
		assert_int_equal(run_served(w, &s, argv), row[i].code);
		assert_has(w->err, row[i].says);
	}
	after = dup(0);
	close(after);
	assert_int_equal(before, after); /* no descriptor is left behind */
	close(s.listen_fd);
	/* The socket of a dead engine. */
	assert_int_equal(RUN(w, "check", "pipe"), 1);
	assert_has(w->err, "refused");
}

static void test_tool_lists_running_pipelines(void **state)
{
	const char *const argv[] = {"weir-rings", "list", NULL};
	const char *const json[] = {"weir-rings", "list", "-o", "json", NULL};
	struct world *w = *state;
	struct server s = {.answer = ANSWER_FINE}, dead = {0};

	assert_int_equal(run(w, argv), 0);
	assert_has(w->out, "No pipeline runs");
	assert_int_equal(run(w, json), 0);
	assert_string_equal(w->out, "{\"pipelines\":[]}\n");
	listen_as(w, &s, "beta");
	assert_int_equal(run_served(w, &s, argv), 0);
	assert_has(w->out, "beta");
	assert_has(w->out, "ready");
	listen_as(w, &dead, "alpha");
	close(dead.listen_fd);
	assert_int_equal(run_served(w, &s, argv), 1);
	assert_has(w->out, "alpha                    no answer");
	assert_true(strstr(w->out, "alpha") < strstr(w->out, "beta"));
	assert_int_equal(run_served(w, &s, json), 1);
	assert_has(w->out, "{\"pipelines\":[{\"name\":\"alpha\",\"problem\":");
	assert_has(w->out, "},{\"name\":\"test\",\"state\":\"ready\"");
	close(s.listen_fd);
	setenv("WEIR_RUN_DIR", "/nonexistent/dir", 1);
	assert_int_equal(run(w, argv), 0);
	setenv("WEIR_RUN_DIR", w->path, 1);
	assert_int_equal(run(w, argv), 1);
	assert_has(w->err, "Not a directory");
}

static void test_run_directory_by_environment(void **state)
{
	char dir[200], *xdg = getenv("XDG_RUNTIME_DIR");
	char *old = xdg ? strdup(xdg) : NULL;

	(void)state;
	assert_int_equal(weir_run_dir(dir, sizeof(dir)), 0);
	assert_string_equal(dir, getenv("WEIR_RUN_DIR"));
	assert_int_equal(weir_run_dir(dir, 3), -ENAMETOOLONG);
	setenv("WEIR_RUN_DIR", "", 1);
	setenv("XDG_RUNTIME_DIR", "/x", 1);
	assert_int_equal(weir_run_dir(dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/x/weir");
	unsetenv("WEIR_RUN_DIR");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(weir_run_dir(dir, sizeof(dir)), 0);
	if (geteuid() == 0)
		assert_string_equal(dir, "/run/weir");
	else
		assert_int_equal(strncmp(dir, "/tmp/weir-", 10), 0);
	if (old)
		setenv("XDG_RUNTIME_DIR", old, 1);
	free(old);
}

/* ---- verbs ---- */

static void test_tool_list_shows_rings(void **state)
{
	struct world *w = *state;

	assert_int_equal(weir_ring_role_claim(&w->s.ring[0].producer, NULL), 0);
	assert_int_equal(weir_ring_role_claim(&w->s.ring[1].producer, NULL), 0);
	weir_ring_role_drop(&w->s.ring[1].producer);
	w->s.ring[1].consumer.state_gen = 99;
	assert_int_equal(RUN(w, "list", w->path), 0);
	assert_has(w->out, "a to b");
	assert_has(w->out, "(left)");
	assert_has(w->out, "damaged");
	assert_has(w->out, "free");
	assert_int_equal(RUN(w, "list", "-o", "json", w->path), 0);
	assert_has(w->out, "{\"rings\":[{\"ring\":0,\"name\":\"a to b\"");
	assert_has(w->out, "\"producer\":{\"state\":\"alive\"");
	w->s.ring[1].magic = 1;
	assert_int_equal(RUN(w, "list", w->path), 1);
	assert_has(w->err, "ring 1: magic");
	assert_int_equal(RUN(w, "list", "-o", "json", w->path), 1);
	assert_has(w->out, "\"problem\":\"ring 1: magic is 1\"");
}

static void test_tool_stat_shows_everything(void **state)
{
	struct world *w = *state;

	weir_store_relaxed(&w->s.doorbell[1].sleeping, 5);
	w->s.ring[0].blocked_since_ns = 1;
	assert_int_equal(RUN(w, "stat", w->path), 0);
	assert_has(w->out, "segment     test\n");
	assert_has(w->out, "ring 2: plain");
	assert_has(w->out, "step.a.rows_in                           42\n");
	assert_has(w->out, "step.a.lag                               -7\n");
	assert_has(w->out, "its owner sleeps");
	assert_has(w->out, "blocked   yes");
	assert_int_equal(RUN(w, "stat", "-o", "json", w->path), 0);
	assert_has(w->out, "\"counters\":{\"step.a.rows_in\":42,\"step.a.lag\":-7}");
	assert_has(w->out, "\"doorbells\":[{\"word\":0,\"sleeping\":false},"
			   "{\"word\":0,\"sleeping\":true}]}");
	assert_has(w->out, "\"schema\":null");
	assert_int_equal(RUN(w, "stat", "-r", "b to c", w->path), 0);
	assert_null(strstr(w->out, "ring 0"));
	assert_has(w->out, "ring 1: b to c");
	assert_null(strstr(w->out, "rows_in"));
	assert_int_equal(RUN(w, "stat", "-r", "2", w->path), 0);
	assert_has(w->out, "ring 2: plain");
	assert_int_equal(RUN(w, "stat", "-r", "nosuch", w->path), 1);
	assert_has(w->err, "no ring is called");
}

static void test_tool_stat_reports_damage(void **state)
{
	struct world *w = *state;

	strcpy(w->s.ring[1].name, "evil\033[31m");
	w->s.ring[1].head = 100;
	w->s.ring[1].tail = 0;
	w->s.ring[0].capacity = 5;
	w->s.counter[0].kind = 9;
	assert_int_equal(RUN(w, "stat", w->path), 1);
	assert_null(strchr(w->out, '\033'));
	assert_has(w->out, "positions are damaged");
	assert_has(w->err, "ring 0: capacity is 5");
	assert_has(w->err, "counter 0: kind is 9");
	assert_int_equal(RUN(w, "stat", "-o", "json", w->path), 1);
	assert_null(strchr(w->out, '\033'));
}

static void test_tool_dump_decodes_frames(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN(w, "dump", w->path), 0);
	assert_has(w->out, "a to b @0 data ");
	assert_has(w->out, "{\"id\":0,\"name\":\"name\\n\\\"x\\\"\"}\n");
	assert_has(w->out, "key 0000000000000abc");
	assert_has(w->out, "watermark 64 bytes at 1970-01-01T00:00:01Z\n");
	assert_has(w->out, "watermark 64 bytes at none\n");
	assert_has(w->out, "watermark 64 bytes at end\n");
	assert_has(w->out, "barrier 64 bytes epoch 77\n");
	assert_has(w->out, "marker 64 bytes at 12345 ns");
	assert_has(w->out, "eos 64 bytes\n");
	assert_int_equal(RUN(w, "dump", "-o", "json", "-l", "1", w->path), 0);
	assert_has(w->out, "{\"ring\":0,\"name\":\"a to b\",\"position\":0,\"kind\":\"data\"");
	assert_has(w->out, "\"record\":{\"id\":0,");
	assert_ptr_equal(strchr(w->out, '\n'), w->out + w->out_n - 1);
	assert_int_equal(RUN(w, "dump", "-o", "json", "-r", "1", w->path), 0);
	assert_has(w->out, "\"kind\":\"barrier\",\"size\":64,\"stream\":0,\"epoch\":77}");
	assert_has(w->out, "\"monotonic_ns\":12345}");
	assert_null(strstr(w->out, "record"));
	assert_int_equal(RUN(w, "dump", "-r", "nosuch", w->path), 1);
	assert_int_equal(RUN(w, "dump", "-l", "0", w->path), 0);
	assert_int_equal(w->out_n, 0);
}

static void test_tool_dump_reports_damage(void **state)
{
	struct world *w = *state;

	((struct weir_frame *)w->s.ring_base[0])->kind = 50;
	w->s.ring[1].tail = UINT64_MAX;
	w->s.ring[2].capacity = 3;
	assert_int_equal(RUN(w, "dump", w->path), 1);
	assert_has(w->out, "@0 problem: kind 50");
	assert_has(w->out, "{\"id\":1"); /* goes on behind it */
	assert_has(w->err, "ring 1: head or tail");
	assert_has(w->err, "ring 2: capacity");
	assert_int_equal(RUN(w, "dump", "-o", "json", w->path), 1);
	assert_has(w->out, "\"problem\":\"kind 50");
	/* A schema that cannot be read: headers only. */
	memset(w->s.map + w->s.header->schemas_off, 'x', 6);
	((struct weir_frame *)w->s.ring_base[0])->kind = WEIR_FRAME_DATA;
	assert_int_equal(RUN(w, "dump", "-r", "0", w->path), 1);
	assert_has(w->out, "@0 data");
	assert_null(strstr(w->out, "{"));
}

static void test_tool_dump_leaves_out_what_would_be_too_long(void **state)
{
	struct world *w = *state;
	struct weir_err err = {0};
	struct weir_schema schema = {0};
	const struct weir_schema *schemas[] = {&schema};
	const uint32_t count = 20000, text = 10000;
	struct weir_ring_spec ring = {"long", 1 << 20, 0, 1 << 19, SEG_NONE, SEG_NONE};
	struct weir_segment_options opt = {.name = "long",
					   .path = w->copy,
					   .ring_count = 1,
					   .ring = &ring,
					   .schema_count = 1,
					   .schema = schemas,
					   .node = -1};
	struct weir_segment s;
	struct weir_ring_tx tx;
	struct weir_builder b;
	uint32_t list, at;
	uint64_t *elem;

	weir_schema_add(&schema, WEIR_STR("l"),
			(struct weir_typeinfo){.type = WEIR_LIST, .elem = WEIR_STRING}, false);
	weir_schema_seal(&schema);
	assert_int_equal(weir_segment_create(&opt, &s, &err), 0);
	assert_int_equal(weir_segment_map_ring(&s, 0, &err), 0);
	weir_ring_tx_init(&tx, &s.ring[0], s.ring_base[0]);
	/* Every element of the list is the same long text: 200 MB as JSON. */
	weir_build_begin(&b, weir_ring_claim(&tx, 1 << 19), 1 << 19, &schema);
	elem = weir_build_tail(&b, 8 * (size_t)count, 8, &list);
	memset(weir_build_tail(&b, text, 1, &at), 'a', text);
	for (uint32_t i = 0; i < count; i++)
		elem[i] = at | (uint64_t)text << 32;
	weir_build_slot(&b, 0, list | (uint64_t)count << 32);
	assert_true(weir_build_end(&b));
	weir_ring_keep(&tx, weir_frame_stride(b.f));
	weir_ring_publish(&tx);
	assert_int_equal(RUN(w, "dump", w->copy), 0);
	assert_has(w->out, "(too large to show)");
	assert_int_equal(RUN(w, "dump", "-o", "json", w->copy), 0);
	assert_has(w->out, "\"too_large\":true}");
	weir_segment_close(&s);
}

static void test_tool_check_finds_problems(void **state)
{
	struct world *w = *state;

	w->s.ring[0].head = 5;
	assert_int_equal(RUN(w, "check", w->path), 1);
	assert_has(w->out, "problem: ring 0: R1 is broken");
	assert_has(w->out, "1 problems");
	assert_int_equal(RUN(w, "check", "-o", "json", w->path), 1);
	assert_has(w->out, "{\"findings\":[{\"problem\":true,\"ring\":0,\"text\":\"R1 is broken");
	assert_has(w->out, "],\"problems\":1}\n");
	w->s.ring[0].head = 0;
	weir_store_release(&w->s.header->state, WEIR_SEG_CLOSED);
	assert_int_equal(RUN(w, "check", "-o", "json", w->path), 0);
	assert_has(w->out, "{\"findings\":[{\"problem\":false,\"text\":\"closed");
	w->s.ring[0].index = 9;
	w->s.ring[1].index = 9;
	assert_int_equal(RUN(w, "check", "-o", "json", w->path), 1);
	assert_has(w->out, "\"problems\":2}\n");
}

static void test_tool_check_finds_a_dead_producer(void **state)
{
	struct world *w = *state;
	pid_t pid = fork();

	if (pid == 0)
		_exit(weir_ring_role_claim(&w->s.ring[0].producer, NULL) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(RUN(w, "check", w->path), 1);
	assert_has(w->out, "is dead");
	assert_int_equal(RUN(w, "list", w->path), 0);
	assert_has(w->out, "(dead)");
}

static void test_tool_watch_counts_samples(void **state)
{
	struct world *w = *state;
	const char *p;
	unsigned lines = 0;

	assert_int_equal(RUN(w, "watch", "-n", "3", "-i", "1ms", "-o", "json", w->path), 0);
	for (p = w->out; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 3);
	assert_has(w->out, "\"in_bytes_per_second\":0");
	assert_int_equal(RUN(w, "watch", "-n", "2", "-i", "1ms", w->path), 0);
	assert_has(w->out, "a to b");
	assert_int_equal(RUN(w, "watch", "-n", "2", "-i", "1ms", "-r", "2", w->path), 0);
	assert_null(strstr(w->out, "a to b"));
	assert_int_equal(RUN(w, "watch", "-n", "2", "-i", "1ms", "-r", "x", w->path), 1);
	/* Damaged rings are said and left out, and it does not go on for ever. */
	w->s.ring[0].capacity = 1;
	assert_int_equal(RUN(w, "watch", "-i", "1ms", w->path), 1);
	w->s.ring[0].capacity = 4096;
	/* The pipeline ends. */
	weir_store_release(&w->s.header->state, WEIR_SEG_CLOSED);
	assert_int_equal(RUN(w, "watch", "-i", "1ms", w->path), 0);
}

static void *move_ring(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < 50; i++) {
		put_frames(w, 0, 1);
		weir_store_release(&w->s.ring[0].head, weir_load_acquire(&w->s.ring[0].tail));
		usleep(100);
	}
	kill(getpid(), SIGINT);
	return NULL;
}

static void test_tool_watch_ends_on_a_signal(void **state)
{
	struct world *w = *state;
	sigset_t block, old;
	pthread_t t;

	/* The signal is for this thread: it interrupts the pause. Before watch has its handler it would
	 * end the test, so it is ignored until then. */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	signal(SIGINT, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	assert_int_equal(pthread_create(&t, NULL, move_ring, w), 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(RUN(w, "watch", "-i", "2ms", "-n", "2000", "-o", "json", w->path), 0);
	pthread_join(t, NULL);
	signal(SIGINT, SIG_DFL);
	assert_has(w->out, "\"used\":");
}

static void test_tool_watch_shows_rates(void **state)
{
	struct world *w = *state;

	weir_store_release(&w->s.ring[0].blocked_since_ns, 1); /* since the machine started */
	assert_int_equal(RUN(w, "watch", "-i", "1ms", "-n", "2", "-o", "json", w->path), 0);
	assert_has(w->out, "\"blocked_share\":1.000");
	assert_has(w->out, "\"blocked_share\":0.000");
}

static void test_tool_copy_is_a_segment(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(weir_ring_role_claim(&w->s.ring[0].producer, NULL), 0);
	assert_int_equal(RUN(w, "copy", w->path, w->copy), 0);
	assert_has(w->out, "of them frames");
	assert_int_equal(stat(w->copy, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, w->s.header->total_size);
	assert_int_equal(RUN(w, "check", w->copy), 0);
	assert_has(w->out, "a copy");
	assert_int_equal(RUN(w, "dump", w->path), 0);
	{
		char *live = strdup(w->out);

		assert_int_equal(RUN(w, "dump", w->copy), 0);
		assert_string_equal(w->out, live);
		free(live);
	}
	assert_int_equal(RUN(w, "list", "-o", "json", w->copy), 0);
	assert_has(w->out, "\"state\":\"held\"");
	assert_int_equal(RUN(w, "copy", w->path, w->copy), 1);
	assert_has(w->err, "--force");
	assert_int_equal(RUN(w, "copy", "-f", "-o", "json", w->path, w->copy), 0);
	assert_has(w->out, "\"frame_bytes\":");
	/* A copy of a copy is the same again. */
	assert_int_equal(RUN(w, "copy", "-f", w->copy, w->copy), 1);
	assert_has(w->err, "is the segment itself");
	assert_int_equal(RUN(w, "check", w->copy), 0);
	assert_int_equal(RUN(w, "copy", w->path, "/nonexistent/x"), 1);
	assert_int_equal(RUN(w, "copy", "/nonexistent/x", w->copy), 1);
}

static void test_tool_copy_wraps_and_skips_damaged_rings(void **state)
{
	struct world *w = *state;
	struct weir_frame *f;

	w->s.ring[0].head = w->s.ring[0].tail = 4096 - 24;
	put_frames(w, 0, 2);
	w->s.ring[1].tail = 3;
	assert_int_equal(RUN(w, "copy", w->path, w->copy), 1);
	assert_has(w->err, "ring 1: not all frames are copied");
	assert_int_equal(RUN(w, "dump", "-r", "0", w->copy), 0);
	assert_has(w->out, "{\"id\":1");
	f = (struct weir_frame *)(w->s.ring_base[0] + 4096 - 24);
	assert_int_equal(f->kind, WEIR_FRAME_DATA);
	w->s.ring[2].data_off = 8;
	assert_int_equal(RUN(w, "copy", "-f", w->path, w->copy), 1);
	assert_has(w->err, "ring 2: data_off");
}

static void test_tool_full_output_is_an_error(void **state)
{
	struct world *w = *state;
	FILE *full = fopen("/dev/full", "w");
	char *argv[] = {(char *)"weir-rings", (char *)"stat", w->path, NULL};

	if (!full)
		WEIR_SKIP("no /dev/full");
	assert_int_equal(weir_rings_main(3, argv, full, stderr), 1);
	fclose(full);
	assert_int_equal(RUN(w, "copy", "-f", w->path, "/dev/full"), 1);
}

static void test_tool_cut_file_is_read_as_far_as_it_goes(void **state)
{
	struct world *w = *state;
	uint64_t meta = w->s.header->rings_off;

	assert_int_equal(RUN(w, "copy", w->path, w->copy), 0);
	/* Without the data areas. */
	assert_int_equal(truncate(w->copy, 8192), 0);
	assert_int_equal(RUN(w, "stat", w->copy), 1);
	assert_has(w->out, "cut         only 8192 bytes");
	assert_has(w->out, "a to b");
	assert_int_equal(RUN(w, "dump", w->copy), 1);
	assert_has(w->out, "behind the end");
	assert_int_equal(RUN(w, "check", w->copy), 1);
	assert_has(w->out, "cut: 8192 of");
	{
		char again[112];

		snprintf(again, sizeof(again), "%s2", w->copy);
		assert_int_equal(RUN(w, "copy", w->copy, again), 1);
		assert_has(w->err, "behind the end of the file");
	}
	/* In the middle of the ring blocks, of the counters, of the doorbells. */
	assert_int_equal(truncate(w->copy, meta + 384 + 10), 0);
	assert_int_equal(RUN(w, "list", w->copy), 1);
	assert_has(w->out, "a to b");
	assert_has(w->err, "ring 1 is behind");
	assert_int_equal(RUN(w, "watch", "-n", "1", w->copy), 1);
	assert_int_equal(RUN(w, "dump", w->copy), 1);
	assert_int_equal(truncate(w->copy, 4096 + 128 + 20), 0);
	assert_int_equal(RUN(w, "stat", w->copy), 1);
	assert_has(w->err, "counter");
	assert_int_equal(truncate(w->copy, 4096 + 70), 0);
	assert_int_equal(RUN(w, "stat", "-o", "json", w->copy), 1);
	assert_has(w->err, "doorbell 1 is behind");
	assert_int_equal(truncate(w->copy, 4095), 0);
	assert_int_equal(RUN(w, "stat", w->copy), 1);
}

static void test_tool_file_that_shrinks_while_it_is_read(void **state)
{
	struct world *w = *state;
	struct rings_tool t = {.out = stdout, .err = stderr, .arg = {w->copy}, .arg_count = 1};
	struct weir_inspect_ring r;
	struct rings_segment s;
	struct weir_err err;
	uint64_t bytes[4];

	assert_int_equal(RUN(w, "copy", w->path, w->copy), 0);
	t.err = fopen("/dev/null", "w");
	assert_int_equal(rings_begin(&t, &s), 0);
	assert_int_equal(weir_inspect_ring(&s.in, 0, NULL, &r, &err), 0);
	assert_false(rings_was_cut());
	assert_int_equal(truncate(w->copy, 4096), 0);
	assert_int_equal(weir_inspect_bytes(&s.in, &r, 0, 32, bytes), 0);
	assert_int_equal(bytes[0], 0); /* not there any more */
	assert_true(rings_was_cut());
	assert_int_equal(weir_inspect_ring(&s.in, 0, NULL, &r, &err), WEIR_E_CORRUPT);
	assert_int_equal(rings_end(&t, &s, RINGS_FINE), RINGS_PROBLEM);
	fclose(t.err);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
static const struct CMUnitTest tests[] = {
	T(test_tool_help_and_usage),
	T(test_tool_option_values_are_checked),
	T(test_tool_segment_by_path_and_descriptor),
	T(test_tool_segment_in_the_working_directory),
	T(test_tool_what_is_no_segment),
	T(test_tool_asks_the_running_engine),
	T(test_tool_lists_running_pipelines),
	T(test_run_directory_by_environment),
	T(test_tool_list_shows_rings),
	T(test_tool_stat_shows_everything),
	T(test_tool_stat_reports_damage),
	T(test_tool_dump_decodes_frames),
	T(test_tool_dump_reports_damage),
	T(test_tool_dump_leaves_out_what_would_be_too_long),
	T(test_tool_check_finds_problems),
	T(test_tool_check_finds_a_dead_producer),
	T(test_tool_watch_counts_samples),
	T(test_tool_watch_shows_rates),
	T(test_tool_watch_ends_on_a_signal),
	T(test_tool_copy_is_a_segment),
	T(test_tool_copy_wraps_and_skips_damaged_rings),
	T(test_tool_full_output_is_an_error),
	T(test_tool_cut_file_is_read_as_far_as_it_goes),
	T(test_tool_file_that_shrinks_while_it_is_read),
};

WEIR_TEST_MAIN("rings_tool", tests)
