/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/space.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/address.h"

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -errno : 0;
}

int weir_lab_space_hub(struct weir_err *err)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0) {
		if (unshare(CLONE_NEWNET) == 0)
			return 0;
		return weir_err_set(err, -errno,
				    "no network namespace for the lab: %s (a container needs "
				    "CAP_SYS_ADMIN for it)",
				    strerror(errno));
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return weir_err_set(
			err, -errno,
			"no unprivileged namespaces here: %s (sysctl "
			"kernel.unprivileged_userns_clone or "
			"kernel.apparmor_restrict_unprivileged_userns, or run it as root)",
			strerror(errno));
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	put("/proc/self/gid_map", map);
	return 0;
}

int weir_lab_space_enter(pid_t pid, struct weir_err *err)
{
	static const char *const kind[] = {"user", "net"};

	for (int i = 0; i < 2; i++) {
		char path[64], own[64];
		struct stat a, b;
		int fd, r = 0;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind[i]);
		snprintf(own, sizeof(own), "/proc/self/ns/%s", kind[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &a) == 0 && stat(own, &b) == 0 && a.st_ino != b.st_ino)
			r = setns(fd, 0);
		if (fd < 0 || r < 0) {
			r = -errno;
			if (fd >= 0)
				close(fd);
			return weir_err_set(err, r, "cannot enter the region (process %d): %s",
					    (int)pid, strerror(-r));
		}
		close(fd);
	}
	return 0;
}

/* Runs `ip ARGS` here or, with pid, in that region. */
static int ip(pid_t pid, struct weir_err *err, const char *fmt, ...) weir_printf_like(3, 4);
static int ip(pid_t pid, struct weir_err *err, const char *fmt, ...)
{
	char line[256], *arg[32], *save = NULL;
	int n = 1, status;
	va_list ap;
	pid_t child;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	child = fork();
	if (child == 0) {
		struct weir_err e;

		arg[0] = (char *)(uintptr_t) "ip";
		for (char *w = strtok_r(line, " ", &save); w && n < 31;
		     w = strtok_r(NULL, " ", &save))
			arg[n++] = w;
		arg[n] = NULL;
		if (pid && weir_lab_space_enter(pid, &e) < 0)
			_exit(126);
		execvp("ip", arg);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return weir_err_set(err, -errno, "cannot start `ip`: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return weir_err_set(err, WEIR_E_CONFIG, "`ip` is missing: install iproute2");
	return weir_err_set(err, WEIR_E_IO, "`ip %s` failed", line);
}

/* Frames leave whole and with their checksums: nobody behind the cable would add them. */
static int plain_frames(const char *dev, struct weir_err *err)
{
	static const uint32_t off[] = {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	for (size_t i = 0; fd >= 0 && i < WEIR_COUNT_OF(off); i++) {
		struct ethtool_value v = {.cmd = off[i], .data = 0};
		struct ifreq q = {.ifr_data = (void *)&v};

		snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", dev);
		if (ioctl(fd, SIOCETHTOOL, &q) < 0 && off[i] == ETHTOOL_STXCSUM)
			r = -errno;
	}
	if (fd < 0)
		r = -errno;
	else
		close(fd);
	return r < 0 ? weir_err_set(err, r, "%s: its checksums cannot be switched to software: %s",
				    dev, strerror(-r))
		     : 0;
}

static int in_region(pid_t pid, int (*fn)(const char *dev, struct weir_err *err), const char *dev,
		     struct weir_err *err)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct weir_err e;

		_exit(weir_lab_space_enter(pid, &e) < 0 || fn(dev, &e) < 0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status))
		return weir_err_set(err, WEIR_E_IO, "%s: cannot be set up in its region", dev);
	return 0;
}

/* A process that only holds a namespace. */
static int holder(pid_t *ret, struct weir_err *err)
{
	int ready[2];
	char c = 0;
	pid_t parent = getpid(), pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return weir_err_set(err, -errno, "no pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "weir-region");
		if (getppid() != parent || unshare(CLONE_NEWNET) < 0)
			_exit(1);
		signal(SIGINT, SIG_IGN); /* it goes with the lab */
		signal(SIGTERM, SIG_DFL);
		c = 1;
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &c, 1) != 1)
		c = 0;
	close(ready[0]);
	if (pid < 0 || !c)
		return weir_err_set(err, WEIR_E_IO, "a region's namespace cannot be made");
	*ret = pid;
	return 0;
}

static bool own_stack(const struct weir_cluster_gateway *g)
{
	return g->backend == WEIR_NET_DPDK;
}

static int addresses(const struct weir_cluster *c, uint32_t region, pid_t pid, struct weir_err *err)
{
	char host[128], port[16];
	int r = 0;

	for (uint32_t i = 0; i < c->region_count && r == 0; i++)
		for (uint32_t g = 0; g < c->region[i].gateway_count && r == 0; g++) {
			const struct weir_cluster_gateway *w = &c->region[i].gateway[g];
			struct in6_addr six;
			bool v6;

			r = weir_address_split(w->listen, host, sizeof(host), port, sizeof(port),
					       err);
			if (r < 0)
				return r;
			v6 = inet_pton(AF_INET6, host, &six) == 1;
			if (!v6 && inet_pton(AF_INET, host, &six) != 1)
				return weir_err_set(err, WEIR_E_CONFIG,
						    "region %s: the lab needs addresses, not names "
						    "(`%s`)",
						    c->region[i].name, host);
			if (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0)
				return weir_err_set(
					err, WEIR_E_CONFIG,
					"region %s: %s is this host only; in a lab each "
					"region has addresses of its own, as in "
					"examples/clusters/lab.yaml",
					c->region[i].name, host);
			if (i != region)
				r = ip(pid, err, "%s route add %s dev e0", v6 ? "-6" : "-4", host);
			else if (!own_stack(w))
				r = ip(pid, err, "addr add %s/%d dev e0 %s", host, v6 ? 128 : 32,
				       v6 ? "nodad" : "");
		}
	return r;
}

int weir_lab_space_region(const struct weir_cluster *c, uint32_t region,
			  struct weir_lab_region *ret, struct weir_err *err)
{
	char wan[16];
	pid_t pid = 0;
	int r = holder(&pid, err);

	if (r < 0)
		return r;
	ret->pid = pid;
	snprintf(wan, sizeof(wan), "wan%u", region);
	r = ip(0, err, "link add %s mtu 1500 type veth peer name e0 mtu 1500 netns %d", wan,
	       (int)pid);
	if (r == 0)
		r = plain_frames(wan, err);
	if (r == 0)
		r = in_region(pid, plain_frames, "e0", err);
	if (r == 0)
		r = ip(0, err, "link set %s promisc on up", wan);
	if (r == 0)
		r = ip(pid, err, "link set lo up");
	if (r == 0)
		r = ip(pid, err, "link set e0 up");
	if (r == 0)
		r = addresses(c, region, pid, err);
	return r;
}

static bool space_of(pid_t pid, struct stat *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, ret) == 0;
}

/* The region that a process is in besides its holder, or count. */
static uint32_t region_of(const struct stat *at, const struct weir_lab_region *r, uint32_t count,
			  pid_t pid)
{
	for (uint32_t i = 0; i < count; i++) {
		struct stat own;

		if (r[i].pid > 0 && r[i].pid != pid && space_of(r[i].pid, &own) &&
		    own.st_ino == at->st_ino && own.st_dev == at->st_dev)
			return i;
	}
	return count;
}

/* Signals all programs in the regions; how many there are. */
static uint32_t signal_all(const struct weir_lab_region *r, uint32_t count, int number)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	uint32_t n = 0;

	while (d && (e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)atoi(e->d_name);
		struct stat at;

		if (pid <= 0 || pid == getpid() || !space_of(pid, &at) ||
		    region_of(&at, r, count, pid) == count)
			continue;
		n++;
		kill(pid, number);
	}
	if (d)
		closedir(d);
	return n;
}

void weir_lab_space_clear(const struct weir_lab_region *r, uint32_t count)
{
	if (signal_all(r, count, SIGTERM) == 0)
		return;
	for (int i = 0; i < 20; i++) {
		usleep(100000);
		if (signal_all(r, count, 0) == 0)
			return;
	}
	signal_all(r, count, SIGKILL);
}

void weir_lab_space_end(struct weir_lab_region *r)
{
	if (r->pid <= 0)
		return;
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	r->pid = 0;
}
