/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Contents of files as EROFS stores them compressed: clusters of up to 64 KiB on disk, each of which holds as
 * much of the content as goes into it.
 *
 * A content is compressed in segments of 4 MiB, each by itself: threads share the work, and the result is the
 * same however many there are; a change moves the clusters of its segment and of no other. What does not
 * become smaller is stored block by block as it is.
 */
#pragma once

#include "format/compressor.h"
#include "format/content.h"

struct erofs_store;

#define EROFS_CLUSTER_BLOCKS 16 /* most blocks of one */
#define EROFS_SEGMENT MiB(4)

/* A cluster holds the content from *at* to where the next one begins. */
struct erofs_cluster {
	uint64_t at;	 /* bytes, in the content */
	uint32_t blocks; /* on disk */
	bool is_plain;	 /* one block or, at a segment's end, a part of one, as it is */
};

/* The clusters of a part of the content, as they stand on disk. */
struct erofs_segment {
	struct erofs_cluster *clusters;
	size_t count, capacity;
	uint8_t *data;
	uint64_t blocks;
};

struct erofs_packed {
	struct content *origin; /* what it is of, for the store; not ours */
	const uint8_t *content;
	uint64_t size; /* of the content, bytes */
	struct erofs_segment *segments;
	size_t segment_count;
	uint64_t blocks;    /* of all segments */
	uint32_t last_size; /* bytes of the last cluster where it is compressed and goes into a block, else 0
			     */
	bool is_inline;	    /* the last cluster stands behind the inode, and its block is not written */
	uint64_t first_block; /* where on disk the blocks begin; 0: they have no place yet */
};

/*
 * Compresses contents, of each *origin*, *content* and *size* (at least 1), on up to *threads* threads (0:
 * one for each processor), but for those that *store* (may be NULL) has. Fills in all but the last two
 * members. Returns 0 or -ENOMEM with *err* set; what was filled in is to be released in any case.
 */
int erofs_pack(struct erofs_packed *contents, size_t count, const struct compression *compression,
	const struct erofs_store *store, unsigned threads, struct error **err);
void erofs_packed_release(struct erofs_packed *packed);

/* The blocks that are written of it. */
static inline uint64_t erofs_packed_blocks(const struct erofs_packed *packed)
{
	return packed->blocks - packed->is_inline;
}

/* The last cluster's bytes, *last_size* of them. */
const uint8_t *erofs_packed_last(const struct erofs_packed *packed);
