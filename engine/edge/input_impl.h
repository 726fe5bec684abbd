/* SPDX-License-Identifier: Apache-2.0 */
/* engine/edge/input_impl.h - inside of an input; only engine/edge/input.c and input_place.c. */
#ifndef WEIR_ENGINE_EDGE_INPUT_IMPL_H
#define WEIR_ENGINE_EDGE_INPUT_IMPL_H

#include <sys/types.h>

#include "base/checksum.h"
#include "engine/edge/input.h"
#include "engine/edge/input_list.h"
#include "engine/edge/unpack.h"

#define WEIR__INPUT_PAST                                                                           \
	((size_t)4096) /* bytes of a file that are kept for its fingerprint: first, and last consumed */

/* Where the next byte comes from; kept in a part. */
enum weir__input_where { WEIR__INPUT_BETWEEN = 0, WEIR__INPUT_IN_FILE = 1, WEIR__INPUT_AGAIN = 2 };

/* The newest one that was restored. */
struct weir__input_saved {
	bool there;
	bool gap; /* names are missing: a later part has to bring all of them */
	uint8_t where;
	uint64_t opened;
	uint64_t offset, file_bytes;
	struct weir_hash128 head, past;
};

struct weir_byte_input {
	struct weir_input_list list;
	enum weir_compression compression;
	bool follow, from_fd;
	uint32_t instance, instances;
	size_t window_max;
	struct weir_err failed;
	char note[600];
	bool noted;

	uint32_t next; /* in the list */
	uint32_t opened; /* of our files; the last one may be open still */
	uint32_t
		dealt; /* so many first names of the list are ours, whatever the rule says: put back */
	uint32_t told_at,
		told; /* names of the list, and ours among them, that are in a part already */
	struct weir__input_saved saved;
	const char *name;
	char *fd_name;
	int fd;
	bool open, eof, again; /* again: the same name once more */
	bool regular;
	dev_t dev;
	ino_t ino;
	uint64_t looked_ns;

	char *buf; /* WEIR__INPUT_PAST + window_max + WEIR_INPUT_CHUNK bytes; at >= WEIR__INPUT_PAST: what was consumed last stays before it */
	size_t at, n;
	uint64_t offset; /* of buf + at in the unpacked file */
	uint64_t file_bytes, bytes;
	char head
		[WEIR__INPUT_PAST]; /* first bytes of the unpacked file, as far as they were read */

	struct weir_unpack *unpack;
	char *packed; /* WEIR_INPUT_CHUNK bytes; [packed_at, packed_at + packed_n) wait */
	size_t packed_at, packed_n;
	bool packed_end;
};

/* Bytes before the window that are still there. */
weir_inline size_t weir__input_past(const struct weir_byte_input *in)
{
	return (size_t)WEIR_MIN(in->offset, (uint64_t)WEIR__INPUT_PAST);
}

bool weir__input_ours(const struct weir_byte_input *in, uint32_t i);
int weir__input_open_next(struct weir_byte_input *in, struct weir_err *err);
/* The window, and what was consumed last, to the front of the buffer. */
void weir__input_slide(struct weir_byte_input *in);
/* Reads behind the window, for which there is room. */
int weir__input_more(struct weir_byte_input *in, struct weir_err *err);

#endif
