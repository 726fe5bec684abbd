/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

static weir_panic_fn panic_hook;

void weir_panic_set_hook(weir_panic_fn fn)
{
	panic_hook = fn;
}

_Noreturn void weir_panic(const char *file, int line, const char *what)
{
	if (panic_hook)
		panic_hook(file, line, what);
	__builtin_trap();
}
