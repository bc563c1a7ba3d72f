/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A dm-verity hash tree made from the digests of its data blocks, given in order: each hash block is handed
 * out as soon as it is full, and the root hash comes last. Holds one block of each level, whatever the tree's
 * size.
 */
#pragma once

#include "base/sha256.h"
#include "format/verity-header.h"

/* Takes block *block* of the hash file. Returns 0 or a negative errno with *err* set. */
typedef int (*verity_block_fn)(
	uint64_t block, const uint8_t data[VERITY_BLOCK_SIZE], void *userdata, struct error **err);

struct verity_builder;

/* A builder of the tree over *blocks* data blocks. *fn* may be NULL: then only the root hash is of interest.
 */
int verity_builder_new(const struct verity_options *options, uint64_t blocks, verity_block_fn fn,
	void *userdata, struct verity_builder **ret, struct error **err);
struct verity_builder *verity_builder_free(struct verity_builder *builder);
DEFINE_CLEANUP(struct verity_builder *, verity_builder_free);
#define _cleanup_verity_builder_ _cleanup_(verity_builder_freep)

/* Adds the digests of the next *count* data blocks. There must not be more than were announced. */
int verity_builder_add(
	struct verity_builder *builder, const uint8_t *digests, size_t count, struct error **err);

/* Hands out what is left, up to the top. All digests must have been added. */
int verity_builder_finish(struct verity_builder *builder, uint8_t ret_root[SHA256_SIZE], struct error **err);
