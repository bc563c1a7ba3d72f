/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The superblock at the beginning of a dm-verity hash file or partition, and the shape of the tree behind it
 * (cryptsetup: "On-disk format", version 1). Needs no library: orlop-init has it too.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

#define VERITY_BLOCK_SIZE 4096 /* of data and of hashes, in bytes */
#define VERITY_HEADER_SIZE 512
#define VERITY_SALT_MAX 256
#define VERITY_LEVELS_MAX 10 /* 128 to the power of 10 is more blocks than 64 bits can count */
#define VERITY_BLOCKS_MAX (UINT64_MAX / VERITY_BLOCK_SIZE / 2)

struct verity_options {
	uint8_t uuid[16];
	uint8_t salt[VERITY_SALT_MAX];
	size_t salt_size; /* bytes; keep salt and size from release to release, or no digest ever matches */
};

/* What the superblock of a hash file says. */
struct verity_header {
	struct verity_options options;
	uint64_t blocks; /* data blocks */
	uint64_t size;	 /* of the hash file that belongs to it, in bytes */
};

/*
 * Where each level of the tree lies, in blocks of the hash file: the root first, behind the superblock's
 * block. Level 0 holds the digests of the data.
 */
struct verity_shape {
	unsigned levels;
	uint64_t start[VERITY_LEVELS_MAX], count[VERITY_LEVELS_MAX];
	uint64_t blocks; /* of the whole file */
};

/* The shape over 1 to VERITY_BLOCKS_MAX data blocks. */
struct verity_shape verity_shape(uint64_t data_blocks);

/* Writes the superblock of a tree over *data_blocks* blocks; *ret* holds zeros before. */
void verity_header_write(
	const struct verity_options *options, uint64_t data_blocks, uint8_t ret[VERITY_HEADER_SIZE]);

/*
 * Reads the superblock at the beginning of *data*. Nothing of it needs trust: a wrong salt or number makes
 * another root hash. Returns 0; -EBADMSG where it is none; -ENOTSUP for another version, hash type, algorithm
 * or block size.
 */
int verity_header_parse(const uint8_t *data, size_t size, struct verity_header *ret, struct error **err);

/* Whether data and tree fit places of *data_size* and *hash_size* bytes: 0, or -EBADMSG with *err* set. */
int verity_header_fits(
	const struct verity_header *header, uint64_t data_size, uint64_t hash_size, struct error **err);
