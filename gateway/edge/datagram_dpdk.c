/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds and loads the DPDK back end, only when it is asked for: without it the gateway needs no DPDK library at all.
 * It stays loaded: DPDK leaves threads and handlers behind.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/edge/datagram_plugin.h"
#include "host/log.h"

#ifndef WEIR_LIBDIR
#define WEIR_LIBDIR "/usr/local/lib"
#endif

/* Folder of the running program, with a / at its end. */
static void program_folder(char *ret, size_t cap)
{
	ssize_t n = readlink("/proc/self/exe", ret, cap - 1);

	while (n > 0 && ret[n - 1] != '/')
		n--;
	ret[n > 0 ? n : 0] = 0;
}

/* Where it may be, in this order; ret: the first that is there. */
static bool find(char *ret, size_t cap)
{
	static const char *const under[] = {"", "../lib/", "../lib/weir/"};
	const char *given = getenv("WEIR_PLUGIN_DIR");
	char folder[PATH_MAX];

	if (given && *given) {
		snprintf(ret, cap, "%s/" WEIR_DPDK_FILE, given);
		return access(ret, R_OK) == 0;
	}
	program_folder(folder, sizeof(folder));
	for (size_t i = 0; i < WEIR_COUNT_OF(under); i++) {
		snprintf(ret, cap, "%s%s" WEIR_DPDK_FILE, folder, under[i]);
		if (access(ret, R_OK) == 0)
			return true;
	}
	snprintf(ret, cap, WEIR_LIBDIR "/weir/" WEIR_DPDK_FILE);
	return access(ret, R_OK) == 0;
}

static void warn(const char *line)
{
	weir_log(WEIR_LOG_WARN, "dpdk", "text", line, NULL);
}

int weir_dgram_dpdk_open(const struct weir_dgram_options *o, struct weir_dgram_io **ret,
			 struct weir_err *err)
{
	static const struct weir_dpdk_program program = {.warn = warn, .panic = weir_panic};
	const struct weir_dpdk_plugin *p;
	weir_dpdk_plugin_fn get;
	char file[PATH_MAX + 32];
	void *so;

	if (!find(file, sizeof(file)))
		return weir_err_set(err, -ENOENT,
				    "no " WEIR_DPDK_FILE " beside the program or in " WEIR_LIBDIR
				    "/weir: build weir where pkg-config finds libdpdk (Debian: "
				    "libdpdk-dev), or choose backend: auto");
	so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!so)
		return weir_err_set(err, -ENOEXEC, "cannot load the DPDK back end: %s", dlerror());
	get = (weir_dpdk_plugin_fn)(uintptr_t)dlsym(so, WEIR_DPDK_SYMBOL);
	p = get ? get() : NULL;
	if (!p || strcmp(p->built, WEIR_DPDK_BUILT)) {
		dlclose(so);
		return weir_err_set(err, WEIR_E_VERSION,
				    "%s is of another build of weir: install both from one", file);
	}
	return p->open(o, &program, ret, err);
}
