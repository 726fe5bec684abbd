/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/rundir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

int weir_run_dir(char *ret, size_t cap)
{
	const char *own = getenv("WEIR_RUN_DIR"), *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (own && *own)
		n = snprintf(ret, cap, "%s", own);
	else if (xdg && *xdg)
		n = snprintf(ret, cap, "%s/weir", xdg);
	else if (geteuid() == 0)
		n = snprintf(ret, cap, "/run/weir");
	else
		n = snprintf(ret, cap, "/tmp/weir-%u", (unsigned)geteuid());
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

int weir_run_socket(const char *pipeline, char *ret, size_t cap, struct weir_err *err)
{
	struct sockaddr_un un;
	char dir[sizeof(un.sun_path)];
	int n;

	if (weir_run_dir(dir, sizeof(dir)) < 0)
		n = -1;
	else
		n = snprintf(ret, cap, "%s/%s.sock", dir, pipeline);
	if (n < 0 || (size_t)n >= cap || (size_t)n >= sizeof(un.sun_path))
		return weir_err_set(
			err, -ENAMETOOLONG,
			"the path of the control socket is too long: set WEIR_RUN_DIR to "
			"a shorter directory");
	return 0;
}
