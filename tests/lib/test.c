/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "base/assert.h"

static void *mem_alloc(void *ctx, size_t size, size_t align)
{
	void *p = NULL;

	(void)ctx;
	if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size ? size : 1))
		abort();
	memset(p, 0, size);
	return p;
}

static void mem_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
}

const struct weir_mem weir_test_mem = {.alloc = mem_alloc, .free = mem_free};

static void on_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "assertion failed at %s:%d: %s\n", file, line, what);
}

int weir_test_main(const char *name, const struct CMUnitTest *tests, size_t count)
{
	const char *filter = getenv("WEIR_TEST");
	const char *xml = getenv("WEIR_TEST_XML");

	setvbuf(stdout, NULL, _IOLBF, 0);
	weir_panic_set_hook(on_panic);
	if (filter)
		cmocka_set_test_filter(filter);
	if (xml) {
		setenv("CMOCKA_XML_FILE", xml, 1);
		cmocka_set_message_output(CM_OUTPUT_XML);
	}
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL) ? 1 : 0;
}
