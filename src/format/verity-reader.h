/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The digests of a dm-verity hash tree, read from where it lies and proved against the root hash as they are
 * asked for: a hash block counts only once its own digest is what the block above it says, as in the kernel.
 * Holds one block of each level, so that it needs next to no memory whatever the tree's size; who asks for
 * digests in order reads and checks every hash block once.
 *
 * Takes blocks of a tree that is still on its way, too, from the top down: verity_reader_accept().
 */
#pragma once

#include "base/block-io.h"
#include "base/sha256.h"
#include "format/verity-header.h"

struct verity_reader;

/*
 * A reader of the tree over *blocks* data blocks that begins, superblock included, at the beginning of
 * *hash*. The superblock itself is not read. Returns 0; -EINVAL for a number of blocks that no tree has;
 * -ENOSPC where *hash* is too small for it; -ENOMEM.
 */
int verity_reader_new(const struct block_io *hash, const struct verity_options *options, uint64_t blocks,
	const uint8_t root[SHA256_SIZE], struct verity_reader **ret, struct error **err);
struct verity_reader *verity_reader_free(struct verity_reader *reader);
DEFINE_CLEANUP(struct verity_reader *, verity_reader_free);
#define _cleanup_verity_reader_ _cleanup_(verity_reader_freep)

/*
 * The digest that data block *block* must have; *ret points to it until the next call. Returns 0; -EBADMSG
 * where a hash block on the way to it is not the one that the root stands for; the errors of reading.
 */
int verity_reader_digest(
	struct verity_reader *reader, uint64_t block, const uint8_t **ret, struct error **err);

/*
 * Whether *data* is what block *block* of the hash file must be: 0, or -EBADMSG. The blocks above it must
 * have been written to where the tree lies; block 0, the superblock, is nobody's to prove and never accepted.
 */
int verity_reader_accept(
	struct verity_reader *reader, uint64_t block, const uint8_t *data, struct error **err);
