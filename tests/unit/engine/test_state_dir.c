/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory: made, locked against a second process, emptied only when all of it is ours. */
#include "tests/unit/engine/file_lib.h"

#include <errno.h>
#include <sys/wait.h>

#include "engine/edge/state_dir.h"

static struct weir_err err;

static const char *in(const char *name)
{
	static char text[4][32];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, sizeof(text[0]), "s/%.29s", name);
	return p;
}

static int setup(void **state)
{
	memset(&err, 0, sizeof(err));
	return scratch_open(state);
}

static int teardown(void **state)
{
	static const char *const file[] = {
		"lock",	  "superblock", "commits",   "journal-00000001", "notes",
		".new-x", ".hidden",	"journal-1", "journal-00000001x"};

	for (size_t i = 0; i < WEIR_COUNT_OF(file); i++)
		unlink(path_of(in(file[i])));
	rmdir(path_of(in("quarantine")));
	rmdir(path_of(in("sub")));
	rmdir(path_of("s"));
	return scratch_close(state);
}

static struct weir_state_dir open_ok(const char *path, enum weir_state_dir_use use)
{
	struct weir_state_dir d;

	if (weir_state_dir_open(path, use, &d, &err))
		fail_msg("%s", err.text);
	return d;
}

static void test_made(void **state)
{
	struct weir_state_dir d;
	struct stat st;
	mode_t mask = umask(0022);

	(void)state;
	snprintf(d.path, sizeof(d.path), "%s//x/y/", scratch_dir);
	d = open_ok(strdupa(d.path), WEIR_STATE_DIR_RUN);
	umask(mask);
	assert_int_equal(stat(path_of("x"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(stat(path_of("x/y"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(path_of("x/y/lock"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fcntl(d.lock_fd, F_GETFD), FD_CLOEXEC);
	weir_state_dir_close(&d);
	weir_state_dir_close(&d); /* harmless */
	unlink(path_of("x/y/lock"));
	rmdir(path_of("x/y"));
	rmdir(path_of("x"));
}

static void test_relative_path(void **state)
{
	struct weir_state_dir d;
	char before[4096];

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(scratch_dir), 0);
	d = open_ok("s", WEIR_STATE_DIR_RUN);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(access(path_of("s/lock"), F_OK), 0);
	weir_state_dir_close(&d);
}

static void test_not_a_directory(void **state)
{
	char text[5000];
	struct weir_state_dir d;

	(void)state;
	write_file("file", "");
	assert_int_equal(weir_state_dir_open(path_of("file"), WEIR_STATE_DIR_RUN, &d, &err),
			 -ENOTDIR);
	assert_int_equal(weir_state_dir_open(path_of("file/s"), WEIR_STATE_DIR_RUN, &d, &err),
			 -ENOTDIR);
	assert_non_null(strstr(err.text, "cannot make the state directory"));
	assert_int_equal(weir_state_dir_open("", WEIR_STATE_DIR_RUN, &d, &err), -EINVAL);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_int_equal(weir_state_dir_open(text, WEIR_STATE_DIR_RUN, &d, &err), -ENAMETOOLONG);
	/* Only RUN makes one. */
	assert_int_equal(weir_state_dir_open(path_of("s"), WEIR_STATE_DIR_READ, &d, &err), -ENOENT);
	assert_int_equal(weir_state_dir_open(path_of("s"), WEIR_STATE_DIR_REPAIR, &d, &err),
			 -ENOENT);
	assert_int_equal(access(path_of("s"), F_OK), -1);
}

/* In a process of its own: the code that opening gives, with the text in a file. */
static int other_process(enum weir_state_dir_use use)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct weir_state_dir d;
		struct weir_err e = {0};
		int r = weir_state_dir_open(path_of("s"), use, &d, &e), fd;

		fd = open(path_of("text"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		_exit(fd < 0 || write(fd, e.text, strlen(e.text)) < 0 ? 99
		      : r == WEIR_E_BUSY			      ? 1
		      : r == 0					      ? 0
								      : 2);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect_text(const char *part)
{
	char text[1024] = "";
	int fd = open(path_of("text"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	if (!strstr(text, part))
		fail_msg("`%s` is not in: %s", part, text);
}

static void test_two_processes(void **state)
{
	struct weir_state_dir d = open_ok(path_of("s"), WEIR_STATE_DIR_RUN), e;
	char who[64];

	(void)state;
	snprintf(who, sizeof(who), "in use by process %ld:", (long)getpid());
	assert_int_equal(other_process(WEIR_STATE_DIR_RUN), 1);
	expect_text(who);
	assert_int_equal(other_process(WEIR_STATE_DIR_REPAIR), 1);
	expect_text(who);
	assert_int_equal(other_process(WEIR_STATE_DIR_READ), 1);
	expect_text(who);
	/* The same process twice, too. */
	assert_int_equal(weir_state_dir_open(path_of("s"), WEIR_STATE_DIR_RUN, &e, &err),
			 WEIR_E_BUSY);
	assert_int_equal(truncate(path_of("s/lock"), 0), 0);
	assert_int_equal(other_process(WEIR_STATE_DIR_RUN), 1);
	expect_text("in use by another process:");
	weir_state_dir_close(&d);

	assert_int_equal(other_process(WEIR_STATE_DIR_RUN), 0); /* and its end lets go of it */
	d = open_ok(path_of("s"), WEIR_STATE_DIR_READ);
	assert_int_equal(other_process(WEIR_STATE_DIR_READ), 0);
	assert_int_equal(other_process(WEIR_STATE_DIR_RUN), 1);
	weir_state_dir_close(&d);
	d = open_ok(path_of("s"), WEIR_STATE_DIR_REPAIR);
	assert_int_equal(other_process(WEIR_STATE_DIR_READ), 1);
	weir_state_dir_close(&d);
}

static void test_lock_that_is_none(void **state)
{
	struct weir_state_dir d;

	(void)state;
	assert_int_equal(mkdir(path_of("s"), 0700), 0);
	d = open_ok(path_of("s"), WEIR_STATE_DIR_READ); /* a copy without `lock` */
	assert_int_equal(d.lock_fd, -1);
	weir_state_dir_close(&d);
	assert_int_equal(symlink("/dev/null", path_of("s/lock")), 0);
	assert_int_equal(weir_state_dir_open(path_of("s"), WEIR_STATE_DIR_RUN, &d, &err), -ELOOP);
	assert_non_null(strstr(err.text, "cannot open"));
}

static void test_clear(void **state)
{
	struct weir_state_dir d = open_ok(path_of("s"), WEIR_STATE_DIR_RUN);

	(void)state;
	assert_int_equal(weir_state_dir_clear(&d, &err), 0); /* nothing to do */
	write_file(in("superblock"), "x");
	write_file(in("commits"), "x");
	write_file(in("journal-00000001"), "x");
	write_file(in(".new-x"), "x");
	assert_int_equal(mkdir(path_of(in("quarantine")), 0700), 0);
	assert_int_equal(weir_state_dir_clear(&d, &err), 0);
	assert_int_equal(access(path_of(in("superblock")), F_OK), -1);
	assert_int_equal(access(path_of(in("commits")), F_OK), -1);
	assert_int_equal(access(path_of(in("journal-00000001")), F_OK), -1);
	assert_int_equal(access(path_of(in(".new-x")), F_OK), -1);
	assert_int_equal(access(path_of(in("quarantine")), F_OK), 0); /* never deleted */
	assert_int_equal(access(path_of(in("lock")), F_OK), 0);
	weir_state_dir_close(&d);
}

static void refuses(struct weir_state_dir *d, const char *name)
{
	char text[64];

	memset(&err, 0, sizeof(err));
	write_file(in("superblock"), "x");
	assert_int_equal(weir_state_dir_clear(d, &err), -ENOTEMPTY);
	snprintf(text, sizeof(text), "holds `%s`", name);
	assert_non_null(strstr(err.text, text));
	assert_int_equal(access(path_of(in("superblock")), F_OK), 0); /* nothing was removed */
}

static void test_clear_refuses(void **state)
{
	static const char *const foreign[] = {"notes", ".hidden", "journal-1", "journal-00000001x"};
	struct weir_state_dir d = open_ok(path_of("s"), WEIR_STATE_DIR_RUN);

	(void)state;
	for (size_t i = 0; i < WEIR_COUNT_OF(foreign); i++) {
		write_file(in(foreign[i]), "mine");
		refuses(&d, foreign[i]);
		assert_int_equal(unlink(path_of(in(foreign[i]))), 0);
	}
	assert_int_equal(mkdir(path_of(in("sub")), 0700), 0);
	refuses(&d, "sub");
	assert_int_equal(rmdir(path_of(in("sub"))), 0);
	/* Our name, but not a file; a file where a directory should be. */
	assert_int_equal(symlink("/dev/null", path_of(in("commits"))), 0);
	refuses(&d, "commits");
	assert_int_equal(unlink(path_of(in("commits"))), 0);
	write_file(in("quarantine"), "x");
	refuses(&d, "quarantine");
	assert_int_equal(unlink(path_of(in("quarantine"))), 0);
	assert_int_equal(weir_state_dir_clear(&d, &err), 0);
	weir_state_dir_close(&d);
}

static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	T(test_made),	       T(test_relative_path),	  T(test_not_a_directory),
	T(test_two_processes), T(test_lock_that_is_none), T(test_clear),
	T(test_clear_refuses),
};

WEIR_TEST_MAIN("state_dir", tests)
