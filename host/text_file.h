/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/text_file.h - a whole text file in memory: pipeline files, cluster files.
 *
 * Memory: the caller's region. Errors: a sentence with the path. Thread: any.
 */
#ifndef WEIR_HOST_TEXT_FILE_H
#define WEIR_HOST_TEXT_FILE_H

#include "base/err.h"
#include "base/mem.h"

/*
 * Reads all of a file, "-": stdin; of one that is longer than max the first max + 1 bytes, so that the caller sees it.
 * 0 or -errno.
 */
int weir_text_file_read(const char *path, size_t max, struct weir_region *region,
			struct weir_str *ret, struct weir_err *err);
/* Folder of a path: what paths in the file are relative to. "" is the working directory. */
const char *weir_text_file_folder(const char *path, struct weir_region *region);

#endif
