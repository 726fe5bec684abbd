/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "tests/lib/test.h"

static void test_err_codes_do_not_move(void **state)
{
	(void)state;
	/* Codes cross process borders: append to err.def only. */
	assert_int_equal(WEIR_E_TOO_SMALL, -5000);
	assert_int_equal(WEIR_E_FORMAT, -5001);
	assert_int_equal(WEIR_E_VERSION, -5002);
	assert_int_equal(WEIR_E_CORRUPT, -5003);
	assert_int_equal(WEIR_E_RANGE, -5004);
	assert_int_equal(WEIR_E_DEADLOCK, -5014);
}

static void test_err_every_code_has_a_text(void **state)
{
	(void)state;
	for (int i = 0; i < (int)WEIR_ERR_COUNT; i++) {
		assert_non_null(weir_strerror(-5000 - i));
		assert_string_not_equal(weir_strerror(-5000 - i), "unknown error");
	}
	assert_string_equal(weir_strerror(0), "no error");
	assert_string_equal(weir_strerror(WEIR_E_CORRUPT), "damaged data");
	assert_string_equal(weir_strerror(-ENOENT), "No such file or directory");
	assert_string_equal(weir_strerror(-4000), "unknown system error");
	assert_string_equal(weir_strerror(-5000 - (int)WEIR_ERR_COUNT), "unknown error");
	assert_string_equal(weir_strerror(-4500), "unknown error");
	assert_string_equal(weir_strerror(5), "unknown error");
	assert_string_equal(weir_strerror(INT32_MIN), "unknown error");
}

static void test_err_set_and_prefix(void **state)
{
	struct weir_err err = {0};

	(void)state;
	assert_int_equal(weir_err_set(&err, WEIR_E_RANGE, "%d is too much", 7), WEIR_E_RANGE);
	assert_int_equal(err.code, WEIR_E_RANGE);
	assert_string_equal(err.text, "7 is too much");
	assert_int_equal(weir_err_prefix(&err, "step %s", "felt"), WEIR_E_RANGE);
	assert_string_equal(err.text, "step felt: 7 is too much");
	assert_int_equal(weir_err_set(NULL, WEIR_E_RANGE, "x"), WEIR_E_RANGE);
	assert_int_equal(weir_err_prefix(NULL, "x"), 0);
}

static void test_err_long_texts_are_cut(void **state)
{
	struct weir_err err = {0};
	char long_text[1000];

	(void)state;
	memset(long_text, 'y', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = 0;
	weir_err_set(&err, -1, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	weir_err_prefix(&err, "front");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "front: yyy", 10);
	weir_err_prefix(&err, "%s", long_text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(err.text[0], 'y');
	/* A prefix that leaves room for nothing behind it. */
	weir_err_set(&err, -1, "tail");
	weir_err_prefix(&err, "%.510s", long_text);
	assert_int_equal(strlen(err.text), 510);
}

static void say(const char *file, int line, const char *what)
{
	(void)file;
	(void)line;
	/* The parent reads the exit code instead of the trap. */
	_exit(strcmp(what, "1 + 1 == 3") ? 9 : 7);
}

static int status_of_failed_assert(weir_panic_fn hook)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		weir_panic_set_hook(hook);
		weir_assert(1 + 1 == 3);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_assert_stays_on_and_traps(void **state)
{
	int status;

	(void)state;
	weir_assert(1 + 1 == 2);
	status = status_of_failed_assert(say);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	/* Sanitizers may turn the signal into an exit code of theirs. */
	status = status_of_failed_assert(NULL);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_err_codes_do_not_move),
	cmocka_unit_test(test_err_every_code_has_a_text),
	cmocka_unit_test(test_err_set_and_prefix),
	cmocka_unit_test(test_err_long_texts_are_cut),
	cmocka_unit_test(test_assert_stays_on_and_traps),
};

WEIR_TEST_MAIN("base_err", tests)
