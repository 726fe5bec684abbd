/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state directory out of arbitrary bytes: open, verify, repair, replay, and going on must not crash, and what
 * opens must replay and be found whole by verify.
 *
 * Input: entries of { u8 file, u8 what, u16 block, u16 bytes } and the bytes, which go to that block of the file (0:
 * superblock, 1: commits, 2 and more: segments). what, bit 0: the block's head gets its checksums, address and
 * identity right, so that the rest is reached; bit 1: all four copies of a superblock.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "engine/core/journal.h"
#include "engine/core/journal_format.h"
#include "tests/lib/memdisk.h"

#define FILES 6u
#define SEGMENT_BYTES ((uint64_t)64 << 10)

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

static const struct weir_mem mem = {.alloc = mem_alloc, .free = mem_free};
static struct memdisk disk;

static void file_name(uint32_t n, char ret[WEIR_JNL_FILE_NAME])
{
	if (n < 2)
		memcpy(ret, n ? WEIR_JNL_FILE_RING : WEIR_JNL_FILE_SUPER, n ? 8 : 11);
	else
		weir_jnl_segment_name(n - 1, ret);
}

static void seal(uint8_t *p, uint32_t file, uint64_t offset)
{
	struct weir_jnl_head h;

	memcpy(&h, p, sizeof(h));
	memset(h.identity, 0, sizeof(h.identity));
	h.offset = offset;
	h.segment = file == 0 ? WEIR_JNL_IN_SUPER : file == 1 ? WEIR_JNL_IN_RING : file - 1;
	h.bytes %= WEIR_DISK_BLOCK - WEIR_JNL_HEAD;
	weir_jnl_seal(&h, p + WEIR_JNL_HEAD);
	memcpy(p, &h, sizeof(h));
}

static void entry(struct weir_reader *in)
{
	uint32_t file = weir_read_u8(in) % FILES, what = weir_read_u8(in);
	uint64_t block = weir_read_u16(in), n = weir_read_u16(in);
	struct memdisk_file *f;
	char name[WEIR_JNL_FILE_NAME];
	const void *p;

	n = WEIR_MIN(n, (uint64_t)weir_reader_left(in));
	n = WEIR_MIN(n, (uint64_t)WEIR_DISK_BLOCK);
	p = weir_read(in, n);
	if (!p)
		return;
	file_name(file, name);
	f = memdisk_find(&disk, name);
	if (!f) {
		memdisk_put(&disk, name, NULL, 0,
			    file == 1 ? (uint64_t)WEIR_JNL_SLOTS * WEIR_DISK_BLOCK : SEGMENT_BYTES);
		f = memdisk_find(&disk, name);
	}
	block = block * WEIR_DISK_BLOCK % f->bytes;
	for (int i = 0; i < (what & 2 && file == 0 ? 4 : 1); i++) {
		memcpy(f->data + block, p, n);
		if (what & 1)
			seal(f->data + block, file, block);
		block = (block + WEIR_JNL_COPY_STEP) % f->bytes;
	}
}

static void on_finding(void *ctx, const struct weir_journal_finding *f)
{
	uint64_t *bad = ctx;

	weir_assert(f->text[0] && strlen(f->text) < sizeof(f->text));
	*bad += f->fault == WEIR_JOURNAL_DAMAGED;
}

static void on_done(void *ctx, const char *what)
{
	(void)ctx;
	weir_assert(what[0]);
}

static int on_bundle(void *ctx, uint64_t epoch, uint64_t fence, struct weir_reader *in)
{
	uint64_t *last = ctx;
	size_t n = weir_reader_left(in);
	const uint8_t *p = weir_read(in, n);
	volatile uint8_t sum = 0;

	(void)fence;
	weir_assert(epoch > *last);
	*last = epoch;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	return 0;
}

/* What opened must go on: one more bundle, and it is there after another open. */
static void go_on(struct weir_journal *j)
{
	struct weir_err err;
	struct weir_out out;
	uint64_t epoch = weir_journal_durable(j) + 1;
	int r = weir_journal_start(j, &err);

	if (r < 0 || epoch == 0)
		return;
	weir_out_init(&out, &mem);
	weir_out_put(&out, "bundle", 6);
	r = weir_journal_append(j, epoch, &out, &err);
	while (r == 0 && !weir_journal_idle(j))
		r = weir_journal_step(j, 1, &err);
	weir_out_fini(&out);
	weir_assert(r < 0 || weir_journal_durable(j) == epoch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_journal_options o = {.pipeline = "fuzz", .segment_bytes = SEGMENT_BYTES};
	static struct weir_journal_report report;
	struct weir_reader in = weir_reader_of(data, size);
	struct weir_journal *j;
	struct weir_err err;
	uint64_t bad = 0, last;
	int v, r;

	memdisk_init(&disk, size);
	while (weir_reader_left(&in) && !in.bad)
		entry(&in);
	v = weir_journal_verify(&disk.disk, &mem, false, on_finding, on_done, &bad, &err);
	weir_assert(v != 0 || bad == 0);
	r = weir_journal_open(&o, &disk.disk, &mem, &j, &report, &err);
	if (r == 0) {
		weir_assert(v == 0 || v == -ENOENT);
		last = weir_journal_covered(j);
		weir_assert(weir_journal_replay(j, on_bundle, &last, &err) == 0);
		weir_assert(last == weir_journal_durable(j));
		go_on(j);
		weir_journal_close(j);
		memdisk_cut(&disk);
	}
	weir_journal_verify(&disk.disk, &mem, true, on_finding, on_done, &bad, &err);
	memdisk_fini(&disk);
	return 0;
}
