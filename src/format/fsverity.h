/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fs-verity digest of a file: that of a tree of digests over its blocks, so that threads can share the
 * work, and holes cost next to none of it. `fsverity digest FILE` (fsverity-utils) prints it, and a file
 * system with fs-verity enforces it.
 *
 * Format: the kernel's Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor"; here
 * with SHA-256, blocks of 4 KiB and no salt, which is what `fsverity digest` takes where it is told nothing.
 */
#pragma once

#include "base/error.h"
#include "base/sha256.h"

#define FSVERITY_BLOCK_SIZE 4096

/* Blocks whose digests are there already, such as those of a dm-verity tree without salt: they are not read.
 */
struct fsverity_known {
	uint64_t offset; /* of the first one in the file, in bytes: a multiple of FSVERITY_BLOCK_SIZE */
	uint64_t blocks; /* whole ones, inside the file */
	const uint8_t *digests;
};

/*
 * The digest of all that *fd* holds, a regular file, read on up to *threads* threads (0: one for each
 * processor), but for the blocks of *known* (may be NULL); its file offset may change. *ret_size* (may be
 * NULL) gets the file's size in bytes. Takes 8 bytes of memory for a KiB of the file. Returns 0; -ENODATA
 * where the file becomes shorter meanwhile; -ENOMEM; the errors of reading.
 */
int fsverity_digest(int fd, unsigned threads, const struct fsverity_known *known, uint8_t ret[SHA256_SIZE],
	uint64_t *ret_size, struct error **err);
