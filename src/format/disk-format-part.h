/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the writers of disk formats share, for disk-format.c and them alone.
 */
#pragma once

#include "format/disk-format.h"
#include "format/uuid.h"

/* As of disk_format_write(), where the size is one that the format can have. Return 0 or -errno. */
int qcow2_write(const struct disk_source *source, int to);
int vhd_write(const struct disk_source *source, int to);
int vhdx_write(const struct disk_source *source, int to);

/* The blocks of a disk that a file has, in their order: the first of them stands where the data begin. */
struct disk_blocks {
	uint32_t *items; /* the number of each within the disk */
	size_t count, capacity;
};
void disk_blocks_release(struct disk_blocks *blocks);
#define _cleanup_disk_blocks_ _cleanup_(disk_blocks_release)

/*
 * Copies the blocks of *block_size* bytes (a power of two from 4 KiB to 1 MiB) that aren't all zero to *to*,
 * one behind the other from *begin* on, a multiple of 4 KiB. The disk has at most 2^32 of them. Where its
 * last one isn't whole, zeros follow. Returns 0 or -errno.
 */
int disk_blocks_copy(const struct disk_source *source, uint32_t block_size, int to, uint64_t begin,
	struct disk_blocks *ret);

/* The id of *thing* in a file that is made of this image. Returns 0 or -ENOMEM. */
int disk_format_id(const struct disk_source *source, const char *thing, struct uuid *ret);
