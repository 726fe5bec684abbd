/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "shm/rings_tool.h"

static void on_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "weir-rings: bug at %s:%d: %s\n", file, line, what);
}

int main(int argc, char **argv)
{
	weir_panic_set_hook(on_panic);
	return weir_rings_main(argc, argv, stdout, stderr);
}
