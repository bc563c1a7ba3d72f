/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dm-verity: a tree of SHA-256 digests over the blocks of an image, in the form that veritysetup and the
 * kernel use (superblock version 1, hash type 1: the salt goes before the data; 4096-byte data and hash
 * blocks).
 *
 * Format: the kernel's Documentation/admin-guide/device-mapper/verity.rst and cryptsetup's dm-verity on-disk
 * format; docs/formats/verity.md.
 *
 * Building: verity_new() for a known number of blocks, verity_hash() for every range of them in any order and
 * from several threads, then verity_finish() once.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"
#include "format/verity-header.h"

/* The digest of one data or hash block: SHA-256 of salt and block. *context* is empty before and after. */
void verity_digest(const struct verity_options *options, struct sha256 *context, const uint8_t *block,
	uint8_t ret[SHA256_SIZE]);

struct verity;

/* A tree for *blocks* (at least 1) data blocks. Returns 0, -EINVAL, -E2BIG or -ENOMEM with *err* set. */
int verity_new(
	const struct verity_options *options, uint64_t blocks, struct verity **ret, struct error **err);
struct verity *verity_free(struct verity *verity);
DEFINE_CLEANUP(struct verity *, verity_free);
#define _cleanup_verity_ _cleanup_(verity_freep)

/*
 * Hashes *count* blocks that begin at block *first* into the tree's lowest level. *context* is empty, and is
 * empty again afterwards. Threads may do this at once with contexts of their own and ranges that don't
 * overlap.
 */
void verity_hash(
	struct verity *verity, struct sha256 *context, uint64_t first, const uint8_t *blocks, size_t count);

/* The digests of all data blocks, in their order, once they are hashed; they belong to *verity*. */
const uint8_t *verity_leaves(const struct verity *verity);

/* The size of the hash file in bytes: superblock and tree, a multiple of VERITY_BLOCK_SIZE. */
uint64_t verity_size(const struct verity *verity);

/*
 * Makes the upper levels once all blocks are hashed. *ret_file* is the whole hash file, verity_size() bytes
 * that belong to *verity*. Returns 0 or -ENOMEM.
 */
int verity_finish(struct verity *verity, const uint8_t **ret_file, uint8_t ret_root[SHA256_SIZE]);

/*
 * Hashes the *blocks* blocks (at least 1) that a file begins with, and writes their hash file from the
 * beginning of *hash_fd* on. Returns 0; -ENODATA where the file is shorter; the errors of reading and
 * writing.
 */
int verity_write(int data_fd, uint64_t blocks, const struct verity_options *options, int hash_fd,
	uint8_t ret_root[SHA256_SIZE], struct error **err);

/* Where an image and its hash file don't belong together. */
struct verity_fault {
	bool in_tree;	/* a block of the hash file, else of the data */
	uint64_t block; /* in its file, from 0 */
};

/*
 * Checks a whole image: every block of the hash file's tree against *root*, every block of *data_fd* against
 * the tree, on up to *threads* threads (0: one for each processor). Both files are read from their beginning;
 * the data may be longer than the tree says.
 *
 * Returns 0; -EBADMSG with *ret_fault* (may be NULL) the first bad block, those of the tree first; -ENODATA
 * where a file is too short; the errors of verity_header_parse() and of reading.
 */
int verity_verify(int data_fd, int hash_fd, const uint8_t root[SHA256_SIZE], unsigned threads,
	struct verity_fault *ret_fault, struct error **err);

/* Bytes of a file, such as a partition of a disk image. */
struct verity_range {
	int fd;
	uint64_t offset, size;
};

/* The same for parts of files. */
int verity_verify_ranges(const struct verity_range *data, const struct verity_range *hash,
	const uint8_t root[SHA256_SIZE], unsigned threads, struct verity_fault *ret_fault,
	struct error **err);

/*
 * Whether the hash tree is the one that *root* stands for: hashes its top block alone (the data, where that
 * is a single block). Says nothing about the blocks below. Returns 0; -EBADMSG where it is another tree's
 * root hash; -ENODATA where the range is shorter than its superblock says; the errors of
 * verity_header_parse() and of reading.
 */
int verity_check_root(const struct verity_range *data, const struct verity_range *hash,
	const uint8_t root[SHA256_SIZE], struct error **err);
