/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/edge/operator.h"

#include <dlfcn.h>
#include <stdio.h>

#include "engine/core/oper.h"
#include "engine/edge/engine.h"

static const struct weir_operator *lookup(const struct weir_step *step, void *lib,
					  struct weir_err *err)
{
	const struct weir_operator *(*get)(void);
	const struct weir_operator *op;
	char symbol[WEIR_NAME_MAX + 32];
	void *sym;

	snprintf(symbol, sizeof(symbol), "weir_operator_%s", step->oper.symbol);
	sym = dlsym(lib, symbol);
	if (!sym) {
		weir_err_set(
			err, WEIR_E_CONFIG,
			"%s exports no operator `%s` (no symbol %s; see WEIR_OPERATOR in weir.h)",
			step->oper.library, step->oper.symbol, symbol);
		return NULL;
	}
	memcpy(&get, &sym, sizeof(get)); /* ISO C has no cast from object to function pointer */
	op = get();
	if (!op || op->abi != WEIR_ABI) {
		weir_err_set(
			err, WEIR_E_VERSION,
			"operator `%s` in %s was built for ABI %u, this engine has %u: rebuild it",
			step->oper.symbol, step->oper.library, op ? op->abi : 0, WEIR_ABI);
		return NULL;
	}
	if (op->size < sizeof(*op) || !op->process) {
		weir_err_set(err, WEIR_E_CONFIG, "operator `%s` in %s has no process() function",
			     step->oper.symbol, step->oper.library);
		return NULL;
	}
	return op;
}

int weir_operator_schema(void *ctx, struct weir_step *step, const struct weir_schema *in,
			 struct weir_schema *ret_out, struct weir_err *err)
{
	const struct weir_operator *op;
	struct weir_region region;
	char path[4096];
	void *lib;
	int r;

	(void)ctx;
	/* A name without a folder is a file here, not one in the system's library folders. */
	snprintf(path, sizeof(path), "%s%s", strchr(step->oper.library, '/') ? "" : "./",
		 step->oper.library);
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return weir_err_set(err, WEIR_E_CONFIG, "cannot load it: %s", dlerror());
	op = lookup(step, lib, err);
	if (!op) {
		dlclose(lib);
		return err->code;
	}
	step->oper.handle = (void *)(uintptr_t)op;
	weir_region_init(&region, &weir_heap_mem);
	r = weir_oper_schema(op, step->oper.options, in, ret_out, &region, err);
	weir_region_fini(&region);
	return r;
}

int weir_operator_init(struct weir_node *n, const struct weir_op_env *env)
{
	return weir_oper_init(n, env, env->step->oper.handle);
}
