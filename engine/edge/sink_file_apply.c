/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File sink, the sink thread's side of epochs: parts are synced before the commit and become visible after it.
 *
 * Cursor: the manifest is written only when a part becomes visible. An epoch that made none visible changes
 * nothing that a reader of the directory sees: it is in as soon as it is committed. So open() answers `known`:
 * what a crash kept from becoming visible is in the bundles that are replayed, and restored() catches up
 * on it before the first run(). apply() skips parts that the manifest counts: it may come again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/edge/durable.h"
#include "engine/edge/sink_file.h"

/* ---- start ---- */

static int older(const struct weir_file_dir *d, const struct weir_file_manifest *m, uint64_t fence,
		 uint64_t known, struct weir_err *err)
{
	return weir_err_set(
		err, WEIR_E_CONFIG,
		"step `%s`: the results in %s are newer than the state directory (epoch "
		"%llu and fence %llu there, %llu and %llu here): use the state directory "
		"that belongs to them, or start over with --fresh",
		d->step, d->path, (unsigned long long)m->epoch, (unsigned long long)m->fence,
		(unsigned long long)known, (unsigned long long)fence);
}

static int new_id(const struct weir_file_dir *d, struct weir_file_manifest *m, struct weir_err *err)
{
	*m = (struct weir_file_manifest){0};
	if (getrandom(m->id, sizeof(m->id), 0) == (ssize_t)sizeof(m->id))
		return 0;
	return weir_err_set(err, -EIO, "step `%s`: the system gives no random bytes", d->step);
}

/* A state directory without output of ours: the directory must hold none, either. */
static int begin(const struct weir_file_dir *d, uint64_t fence, bool fresh,
		 struct weir_file_manifest *m, struct weir_err *err)
{
	int r = 0;

	if (!fresh) {
		r = weir__file_manifest_read(d, m, err);
		if (r >= 0)
			r = weir__file_refuse(d, r > 0 && (m->part > 0 || m->fence > fence), err);
	}
	if (r == 0)
		r = weir__file_clean(d, fresh, 0, err);
	return r < 0 ? r : new_id(d, m, err);
}

static int resume(const struct weir_file_dir *d, uint64_t fence, uint64_t known,
		  struct weir_file_manifest *m, struct weir_err *err)
{
	int r = weir__file_manifest_read(d, m, err);

	if (r < 0)
		return r;
	if (r == 0)
		return weir_err_set(
			err, WEIR_E_CONFIG,
			"step `%s`: %s/%s is gone; the state directory goes on with "
			"results in the directory where it was: give that path, or start "
			"over with --fresh",
			d->step, d->path, d->manifest);
	if (m->fence > fence || m->epoch > known)
		return older(d, m, fence, known, err);
	return 0;
}

static int file_open(struct weir_node *n, uint64_t fence, uint64_t known, bool fresh,
		     uint64_t *ret_cursor, struct weir_err *err)
{
	struct weir_file_sink *o = n->op;
	struct weir_file_outbox *b = &o->box;
	int r = fresh || known == 0 ? begin(&o->dir, fence, fresh, &b->m, err)
				    : resume(&o->dir, fence, known, &b->m, err);

	if (r < 0)
		return r;
	b->m.fence = fence;
	r = weir__file_manifest_write(&o->dir, &b->m, err);
	if (r < 0)
		return r;
	memcpy(o->id, b->m.id, sizeof(o->id));
	/* Should there be no bundle with a part of ours left: numbers go on behind what is visible. */
	o->number = b->m.part;
	o->headed |= b->m.part > 0;
	b->known = b->applied = known;
	b->open = true;
	*ret_cursor = known;
	return 0;
}

/* ---- before the commit ---- */

/* Kept open while it is the newest: errors of earlier writes are told to each descriptor once. */
static int sync_part(struct weir_file_sink *o, uint64_t number, struct weir_err *err)
{
	struct weir_file_outbox *b = &o->box;
	char tmp[WEIR_FILE_NAME_CAP];
	int r;

	if (number <= b->m.part)
		return 0;
	weir__file_name(&o->dir, number, true, tmp);
	if (b->fd < 0 || b->number != number) {
		if (b->fd >= 0)
			close(b->fd);
		b->fd = openat(o->dir.fd, tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		b->number = number;
		if (b->fd < 0)
			return weir__file_fail(&o->dir, err, -errno, "open", tmp);
		r = weir_durable_dir(o->dir.fd); /* its name */
		if (r < 0)
			return weir__file_fail(&o->dir, err, r, "sync", "");
	}
	return fdatasync(b->fd) ? weir__file_fail(&o->dir, err, -errno, "sync", tmp) : 0;
}

static int damaged(const struct weir_file_sink *o, uint64_t epoch, struct weir_err *err)
{
	return weir_err_set(err, WEIR_E_CORRUPT, "step `%s`: its part of epoch %llu is damaged",
			    o->dir.step, (unsigned long long)epoch);
}

static int file_prepare(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct weir_file_sink *o = n->op;
	struct weir_reader part = e->part;
	struct weir_file_state s;
	int k, r = 0;

	while ((k = weir__file_state_read(&part, &s)) > 0) {
		for (uint32_t i = 0; i < s.sealed_count && r == 0; i++)
			r = sync_part(o, weir__file_part_read(&s.sealed).number, err);
		if (r == 0 && s.has_open)
			r = sync_part(o, s.open.number, err);
		if (r < 0)
			return r;
	}
	return k < 0 ? damaged(o, e->epoch, err) : 0;
}

/* ---- after it ---- */

/* 1: the file has the part's length (and bytes), 0: not, -errno. */
static int same(struct weir_file_sink *o, int fd, const struct weir_file_part *p, bool check)
{
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size != p->length)
		return 0;
	if (!check)
		return 1;
	r = weir_running_sum_read(o->box.sum, fd, p->length);
	return r <= 0 ? r : weir_hash128_eq(weir_running_sum_get(o->box.sum), p->sum);
}

static int spoilt(struct weir_file_sink *o, const char *tmp, struct weir_err *err)
{
	return weir_err_set(
		err, WEIR_E_CORRUPT,
		"step `%s`: %s/%s is not what was written when its epoch was committed: "
		"put it back from a copy, or start over with --fresh",
		o->dir.step, o->dir.path, tmp);
}

/* The final name is taken: by the same bytes (an earlier call got so far), or by somebody else's. */
static int look_at_final(struct weir_file_sink *o, const struct weir_file_part *p, const char *tmp,
			 const char *name, struct weir_err *err)
{
	int fd = openat(o->dir.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0 && errno == ENOENT)
		return weir_err_set(
			err, WEIR_E_CORRUPT,
			"step `%s`: in %s neither %s nor %s is there, and the epoch that "
			"wrote it is committed: put one back from a copy, or start over "
			"with --fresh",
			o->dir.step, o->dir.path, tmp, name);
	if (fd < 0)
		return weir__file_fail(&o->dir, err, -errno, "open", name);
	r = same(o, fd, p, true);
	close(fd);
	if (r < 0)
		return weir__file_fail(&o->dir, err, r, "read", name);
	if (r == 0)
		return weir_err_set(
			err, -EEXIST,
			"step `%s`: in %s there is already a %s, with other bytes than %s, "
			"which was to get its name: something else writes there. Move it "
			"away and start again; nothing is lost",
			o->dir.step, o->dir.path, name, tmp);
	return 0;
}

static int show_hidden(struct weir_file_sink *o, int fd, const struct weir_file_part *p,
		       const char *tmp, const char *name, bool check, struct weir_err *err)
{
	int r = same(o, fd, p, check);

	if (r < 0)
		return weir__file_fail(&o->dir, err, r, "read", tmp);
	if (r == 0)
		return spoilt(o, tmp, err);
	r = weir_durable_rename(o->dir.fd, fd, tmp, name, false);
	if (r == 0)
		return 0;
	if (r != -EEXIST)
		return weir__file_fail(&o->dir, err, r, "put in place", name);
	r = look_at_final(o, p, tmp, name, err);
	if (r == 0 && unlinkat(o->dir.fd, tmp, 0))
		r = weir__file_fail(&o->dir, err, -errno, "remove", tmp);
	return r;
}

static int show_one(struct weir_file_sink *o, const struct weir_file_part *p, bool check,
		    struct weir_err *err)
{
	char tmp[WEIR_FILE_NAME_CAP], name[WEIR_FILE_NAME_CAP];
	int fd, r;

	weir__file_name(&o->dir, p->number, true, tmp);
	weir__file_name(&o->dir, p->number, false, name);
	fd = openat(o->dir.fd, tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return look_at_final(o, p, tmp, name, err);
	if (fd < 0)
		return weir__file_fail(&o->dir, err, -errno, "open", tmp);
	r = show_hidden(o, fd, p, tmp, name, check, err);
	close(fd);
	return r;
}

/* The directory is as we left it: nobody with another fence or state directory has been here. */
static int still_ours(struct weir_file_sink *o, struct weir_err *err)
{
	const struct weir_file_manifest *m = &o->box.m;
	struct weir_file_manifest now = {0};
	int r = weir__file_manifest_read(&o->dir, &now, err);

	if (r < 0)
		return r;
	if (r > 0 && !memcmp(now.id, m->id, sizeof(m->id)) && now.fence == m->fence &&
	    now.epoch == m->epoch && now.part == m->part)
		return 0;
	return weir_err_set(
		err, WEIR_E_CONFIG,
		"step `%s`: another run has taken over %s (fence %llu there, %llu here): "
		"this one stops",
		o->dir.step, o->dir.path, (unsigned long long)now.fence,
		(unsigned long long)m->fence);
}

int weir__file_show(struct weir_file_sink *o, const struct weir_file_part *part, uint32_t count,
		    uint64_t epoch, bool check, struct weir_err *err)
{
	struct weir_file_manifest m = o->box.m;
	int r;

	if (count == 0 || part[count - 1].number <= m.part)
		return 0;
	r = still_ours(o, err);
	for (uint32_t i = 0; i < count && r == 0; i++) {
		if (part[i].number <= m.part)
			continue;
		r = show_one(o, &part[i], check, err);
		m.part = part[i].number;
	}
	if (r < 0)
		return r;
	m.epoch = WEIR_MAX(m.epoch, epoch);
	r = weir__file_manifest_write(&o->dir, &m, err);
	if (r == 0)
		o->box.m = m;
	return r;
}

static int apply_state(struct weir_file_sink *o, struct weir_file_state *s, uint64_t epoch,
		       struct weir_err *err)
{
	struct weir_file_part *part;
	int r;

	if (s->sealed_count == 0)
		return 0;
	part = malloc(s->sealed_count * sizeof(*part));
	if (!part)
		return weir_err_set(err, -ENOMEM, "step `%s`: no memory left", o->dir.step);
	for (uint32_t i = 0; i < s->sealed_count; i++)
		part[i] = weir__file_part_read(&s->sealed);
	r = weir__file_show(o, part, s->sealed_count, epoch, false, err);
	free(part);
	return r;
}

static int file_apply(struct weir_node *n, const struct weir_sink_epoch *e, struct weir_err *err)
{
	struct weir_file_sink *o = n->op;
	struct weir_file_outbox *b = &o->box;
	struct weir_reader part = e->part;
	struct weir_file_state s;
	int k;

	if (e->epoch <= b->applied)
		return 0;
	if (e->prev > b->applied) /* I25: none is left out */
		return weir_err_set(err, WEIR_E_CORRUPT,
				    "step `%s`: epoch %llu follows on %llu, but %s is at %llu",
				    o->dir.step, (unsigned long long)e->epoch,
				    (unsigned long long)e->prev, o->dir.path,
				    (unsigned long long)b->applied);
	while ((k = weir__file_state_read(&part, &s)) > 0) {
		k = apply_state(o, &s, e->epoch, err);
		if (k < 0)
			return k;
	}
	if (k < 0)
		return damaged(o, e->epoch, err);
	if (b->fd >= 0 && b->number <= b->m.part) { /* a reader may remove it now */
		close(b->fd);
		b->fd = -1;
	}
	b->applied = e->epoch;
	return 0;
}

static int file_cursor(struct weir_node *n, uint64_t *ret_cursor, struct weir_err *err)
{
	struct weir_file_sink *o = n->op;
	int r = still_ours(o, err);

	*ret_cursor = o->box.applied;
	return r;
}

const struct weir_sink_ops weir_sink_file_ops = {
	.best = WEIR_GUARANTEE_EXACTLY_ONCE,
	.rests_on =
		"parts are synced before the commit and get their names after it, by a rename that "
		"replaces nothing; a manifest keeps fence and epoch",
	.open = file_open,
	.prepare = file_prepare,
	.apply = file_apply,
	.cursor = file_cursor,
};
