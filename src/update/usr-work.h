/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of an update of /usr: what its parts (new-tree.c, source-map.c, usr-copy.c, usr-fetch.c) share.
 */
#pragma once

#include <zstd.h>

#include "format/verity-reader.h"
#include "update/usr-update.h"

#define USR_BLOCK_SIZE VERITY_BLOCK_SIZE

/* Where a block of the new image comes from: a kind and, for copies, a block of that slot. */
enum source_kind {
	SOURCE_NONE,   /* nowhere: it must be fetched */
	SOURCE_HERE,   /* it is in its place */
	SOURCE_ZERO,   /* all zero */
	SOURCE_ACTIVE, /* in the running slot */
	SOURCE_TARGET, /* elsewhere in the slot that is written */
};

#define SOURCE_KIND_SHIFT 29
#define SOURCE_BLOCK_MAX ((UINT32_C(1) << SOURCE_KIND_SHIFT) - 1)

static inline uint32_t source_make(enum source_kind kind, uint64_t block)
{
	return (uint32_t)kind << SOURCE_KIND_SHIFT | (uint32_t)block;
}

static inline enum source_kind source_kind(uint32_t source)
{
	return (enum source_kind)(source >> SOURCE_KIND_SHIFT);
}

static inline uint64_t source_block(uint32_t source)
{
	return source & SOURCE_BLOCK_MAX;
}

/* An update under way. */
struct usr_work {
	const struct usr_update *update;
	struct usr_update_result *result;
	struct verity_reader *reader; /* of the new tree */
	struct sha256 *context;
	uint8_t zero_digest[SHA256_SIZE];

	/* The blocks of the new image that are being dealt with: one source each. */
	uint64_t begin, count;
	uint32_t *sources;
	uint64_t missing; /* SOURCE_NONE among them */

	/* What was fetched of files once. */
	uint8_t *patch_index, *blocks_index;
	bool no_patch; /* there is none, or it was no good */
};

static inline uint32_t *work_source(const struct usr_work *work, uint64_t block)
{
	return &work->sources[block - work->begin];
}

/* Tells of progress. Returns 0 or what ends the update. */
int work_progress(const struct usr_work *work, enum usr_update_step step, uint64_t done, uint64_t total,
	struct error **err);

/*
 * Writes those of *count* blocks from *first* on that have source *source*_kind in this window and are what
 * they must be; they are SOURCE_HERE afterwards. *ret_wrong* is how many were not what they must be; these
 * stay as they are. Returns 0 or a negative errno with *err* set: the slot can't be written, or its tree
 * can't be read.
 */
int work_write(struct usr_work *work, uint64_t first, const uint8_t *blocks, size_t count,
	uint64_t *ret_wrong, struct error **err);

/* An array for blocks, aligned as direct access to a device wants it. */
uint8_t *work_blocks_new(size_t count);

/* new-tree.c: brings the new hash tree into the slot. */
int new_tree_bring(const struct usr_update *update, struct usr_update_result *result, struct error **err);

/*
 * source-map.c: finds out what is in its place, and where the other blocks of the window are. With
 * *only_here* set, only the former.
 */
int source_map_make(struct usr_work *work, bool only_here, struct error **err);

/* usr-copy.c: copies what own blocks there are. What was not what it should be is SOURCE_NONE afterwards. */
int usr_copy(struct usr_work *work, struct error **err);

/* usr-patch.c, usr-fetch.c: fetch what is missing. */
int usr_patch(struct usr_work *work, struct error **err);
int usr_fetch(struct usr_work *work, struct error **err);

/* usr-stream.c: the same from a server that knows no ranges, for usr-fetch.c. */
int usr_stream(struct usr_work *work, struct error **err);
