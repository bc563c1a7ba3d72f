/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A disk as the code sees it that changes one sector by sector: reads, writes, and flushes behind which all
 * that was written before is on disk. Behind it stand a block device, an image file, an array, or whatever a
 * test makes of it. What it sees may be a part of the disk, such as a partition.
 *
 *     struct block_file file = {.fd = fd, .align = 4096};   // must outlive the next two
 *     struct block_io disk = block_io_file(&file, size), partition;
 *     r = block_io_part(&disk, offset, length, &partition);
 *     r = block_write(&partition, 0, sector, sizeof(sector));
 *     r = block_flush(&partition);
 *
 * Until a flush has returned 0, each sector of 512 bytes that was written since the last one may be on disk
 * or not, whatever the order of the writes; a sector is never on disk by half.
 */
#pragma once

#include "base/error.h"

#define BLOCK_SECTOR 512 /* bytes that get onto a disk together, or not at all */

/* What stands behind a disk. All return 0 or -errno; reads and writes are whole. */
struct block_ops {
	int (*read)(void *userdata, uint64_t offset, void *data, size_t size);
	int (*write)(void *userdata, uint64_t offset, const void *data, size_t size);
	int (*flush)(void *userdata);
};

/* Copied by value. *userdata* belongs to somebody else and must outlive all copies. */
struct block_io {
	const struct block_ops *ops;
	void *userdata;
	uint64_t begin, size; /* bytes: the part of what is behind it that this is */
};

/* Both return -ENXIO where the range is not within the disk. */
int block_read(const struct block_io *io, uint64_t offset, void *data, size_t size);
int block_write(const struct block_io *io, uint64_t offset, const void *data, size_t size);
int block_flush(const struct block_io *io);

/* A part of a disk. Returns 0, or -ENXIO where it has no such range. */
int block_io_part(const struct block_io *io, uint64_t offset, uint64_t size, struct block_io *ret);

/*
 * An open block device or file. Where *align* is not 0, offsets, sizes and addresses of all system calls are
 * multiples of it (the device's sector size), as O_DIRECT wants it: who changes a disk of which a partition
 * is mounted from time to time must open it so, since the kernel keeps one cache for the disk and another for
 * the partition.
 *
 * Reads and writes may come from several threads at once. Two writes to one aligned block must not.
 */
struct block_file {
	int fd;
	uint32_t align;
};
struct block_io block_io_file(const struct block_file *file, uint64_t size);

/* Bytes in memory, which can only be read. */
struct block_io block_io_bytes(const void *data, size_t size);
