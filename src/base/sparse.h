/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing into a new file, whose bytes read as zero wherever nothing was written: what is zero is left out,
 * so that it costs neither space nor time.
 */
#pragma once

#include "base/error.h"
#include "base/progress.h"

/* Writes *data* at *offset*, but for its blocks of 4 KiB that are all zero. Returns 0 or -errno. */
int sparse_write(int fd, const void *data, size_t size, uint64_t offset);

/*
 * Where the next bytes of a file from *offset* on that are no hole begin and end, before *end*; its file
 * offset changes. Where the file system knows no holes, all of it. Returns 0; -ENXIO where there are none;
 * another negative errno.
 */
int sparse_next_data(int fd, uint64_t offset, uint64_t end, uint64_t *ret_begin, uint64_t *ret_end);

/* Whether sparse_copy() would share blocks of *from*, which is still empty, with *to*. */
bool sparse_can_share(int from, int to);

/*
 * Copies *size* bytes of the file *from* to *to*, holes left out, sharing blocks with *from* where both files
 * are on one file system that can do that. *progress* (may be NULL) counts bytes. Returns 0, -ENODATA where
 * *from* ends before, or another negative errno.
 */
int sparse_copy(
	int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size, struct progress *progress);
