/* SPDX-License-Identifier: Apache-2.0 */
/* Which back end a directory gets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/edge/disk_impl.h"

#define DEPTH_DEFAULT 64u
#define DEPTH_MAX 4096u
#define POOL_DEFAULT ((size_t)20 << 20) /* 16 MiB on the way, windows, pages */
#define THREADS_MIN 2u
#define THREADS_MAX 4u

static int kind_of_environment(enum weir_disk_kind *kind, struct weir_err *err)
{
	const char *v = getenv("WEIR_DISK");

	if (!v || !*v)
		return 0;
	if (!strcmp(v, "io_uring"))
		*kind = WEIR_DISK_URING;
	else if (!strcmp(v, "threads"))
		*kind = WEIR_DISK_THREADS;
	else
		return weir_err_set(err, WEIR_E_CONFIG,
				    "the environment's WEIR_DISK is `%s`: set it to io_uring or "
				    "threads, or leave it out",
				    v);
	return 0;
}

static int new_back_end(const struct weir_disk_options *o, struct weir_disk_base **ret,
			const struct weir_disk_ops **ret_ops, struct weir_err *err)
{
	int refused = 0, r;

	if (o->kind != WEIR_DISK_THREADS) {
		refused = weir_disk_uring_new(o, ret, ret_ops);
		if (refused == 0)
			return 0;
		if (o->kind == WEIR_DISK_URING)
			return weir_err_set(err, refused, "io_uring is refused: %s",
					    weir_strerror(refused));
	}
	r = weir_disk_threads_new(o, ret, ret_ops);
	if (r < 0)
		return weir_err_set(err, r, "cannot start threads for the disk: %s",
				    weir_strerror(r));
	if (refused)
		snprintf((*ret)->how, sizeof((*ret)->how), "threads (io_uring refused: %s)",
			 weir_strerror(refused));
	return 0;
}

int weir_disk_open(const char *dir, const struct weir_disk_options *o, struct weir_disk *ret,
		   struct weir_err *err)
{
	struct weir_disk_options opt = o ? *o : (struct weir_disk_options){0};
	struct weir_disk_base *b = NULL;
	int r = 0;

	*ret = (struct weir_disk){0};
	if (opt.kind == WEIR_DISK_AUTO)
		r = kind_of_environment(&opt.kind, err);
	if (r < 0)
		return r;
	opt.depth = opt.depth ? WEIR_MIN(opt.depth, DEPTH_MAX) : DEPTH_DEFAULT;
	opt.threads = opt.threads ? WEIR_MIN(WEIR_MAX(opt.threads, THREADS_MIN), THREADS_MAX)
				  : THREADS_MAX;
	opt.pool_bytes = opt.pool_bytes ? opt.pool_bytes : POOL_DEFAULT;
	r = new_back_end(&opt, &b, &ret->ops, err);
	if (r < 0)
		return r;
	ret->ctx = b;
	r = weir_disk_base_init(b, dir, &opt, err);
	if (r < 0) {
		weir_disk_close(ret);
		return r;
	}
	if (b->ready)
		b->ready(b);
	return 0;
}

void weir_disk_close(struct weir_disk *d)
{
	struct weir_disk_base *b = d->ctx;

	if (b)
		b->fini(b);
	*d = (struct weir_disk){0};
}
