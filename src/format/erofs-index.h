/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The index of a compressed file: a header, and for each 4 KiB of the content (a logical cluster) whether a
 * cluster begins in it, where in it, and where that lies on disk. It stands behind the inode and its
 * attributes.
 *
 * Format: the kernel's fs/erofs/erofs_fs.h, "z_erofs_map_header" and "compacted" indexes, of which groups of
 * 16 take 32 bytes where they are aligned so, and groups of 2 take 8 bytes before and behind these;
 * docs/formats/erofs.md.
 */
#pragma once

#include "format/erofs-pack.h"

/* Where the index ends, in bytes from the inode's beginning, with *head* bytes of inode and attributes, for a
 * content of *size* bytes. What stands behind the inode of a content comes there. */
uint64_t erofs_index_end(uint64_t head, uint64_t size);

/*
 * Writes header and index at *inode*, the place of an inode (which is a multiple of EROFS_SLOT) whose *head*
 * bytes are followed by zeros up to erofs_index_end(). *packed* has its place on disk. Returns 0 or -ENOMEM.
 */
int erofs_index_encode(const struct erofs_packed *packed, enum compression_algorithm algorithm, uint64_t head,
	uint8_t *inode);
