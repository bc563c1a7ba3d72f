/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * from-<root hash>.patch: blocks of a new image that an old one lacks, each group of them made from runs of
 * old blocks that the publisher chose. Frames are small, so a node needs little memory, and can take those
 * alone that it has a use for.
 *
 * Format: docs/formats/delta.md. The file comes from an untrusted place and needs no trust: whoever uses it
 * compares each block with its digest. So a damaged old block harms no more than the blocks made from it.
 */
#pragma once

#include <zstd.h>

#include "base/buffer.h"
#include "base/error.h"

#define PATCH_BLOCK_SIZE 4096
#define PATCH_FRAME_BLOCKS 256u	  /* of the new image, in a frame: 1 MiB */
#define PATCH_SOURCE_BLOCKS 1024u /* of the old image, that a frame is made from: 4 MiB */
#define PATCH_DIFFERENCE_MAX(blocks_size) (2 * (blocks_size)) /* bytes of a difference, decompressed */
#define PATCH_LZMA_DICTIONARY MiB(1)
#define PATCH_FRAMES_MAX 65536u
#define PATCH_INDEX_MAX MiB(2) /* header and index; a node holds it in memory */

/* How a frame's blocks are made from its source, the runs of old blocks one behind the other. */
enum patch_method {
	PATCH_PREFIX = 1,     /* Zstandard with the source as prefix */
	PATCH_DIFFERENCE = 2, /* bytes added to runs of the source, and new ones between them, in Zstandard */
	PATCH_DIFFERENCE_LZMA = 3, /* the same in LZMA2 */
};

/* Runs of blocks. Goes through them with patch_run_next(). */
struct patch_runs {
	const uint8_t *at, *end;
	uint64_t left;	   /* runs */
	uint64_t position; /* where the last one ended */
	bool ascending;
};

struct patch_frame {
	enum patch_method method;
	uint64_t offset; /* of its bytes in the file */
	uint32_t size;
	uint32_t target_blocks, source_blocks;
	struct patch_runs
		targets; /* of the new image: ascending, apart from each other, behind the last frame's */
	struct patch_runs sources; /* of the old image */
};

/* An index that was read and found sound; refers to its bytes. */
struct patch_index {
	uint64_t old_blocks, new_blocks; /* of the images */
	size_t frames;
	uint64_t payload; /* where the frames' bytes begin */
	const uint8_t *entries, *end;
};

/*
 * Reads header and index, the first *size* bytes of a file of *file_size* between images of these sizes.
 * Returns 0; -EBADMSG where they are none, or do not fit file and images; -EFBIG beyond the limits above.
 */
int patch_index_parse(const uint8_t *data, size_t size, uint64_t file_size, uint64_t old_blocks,
	uint64_t new_blocks, struct patch_index *ret, struct error **err);

/* Goes through the frames: begin with `= {}`. Returns false behind the last one. */
struct patch_cursor {
	const uint8_t *at;
	uint64_t offset;
	uint64_t target_end;
};
bool patch_index_next(const struct patch_index *index, struct patch_cursor *cursor, struct patch_frame *ret);

/* The next run: *ret_count* blocks from *ret_first* on. Returns false behind the last one. */
bool patch_run_next(struct patch_runs *runs, uint64_t *ret_first, uint64_t *ret_count);

/* What decoding needs besides. Initialise with `= {}`. */
struct patch_decoder {
	ZSTD_DCtx *context;
	uint8_t *scratch;
};
void patch_decoder_release(struct patch_decoder *decoder);

/*
 * Makes *ret_size* bytes of the frame *data*, *size* bytes. Returns 0; -EBADMSG where it is damaged, or makes
 * more or less; -ENOMEM.
 */
int patch_frame_decode(struct patch_decoder *decoder, enum patch_method method, const uint8_t *data,
	size_t size, const uint8_t *source, size_t source_size, uint8_t *ret, size_t ret_size,
	struct error **err);

/* ---- Writing ---- */

struct patch_run {
	uint64_t first, count;
};

/* One frame of an index to be written, with runs as above. */
struct patch_entry {
	enum patch_method method;
	uint32_t size;
	const struct patch_run *targets, *sources;
	size_t target_count, source_count;
};

/* Appends header and index. Returns 0; -EFBIG beyond the limits; -ENOMEM. */
int patch_index_write(const struct patch_entry *entries, size_t count, uint64_t old_blocks,
	uint64_t new_blocks, struct buffer *ret, struct error **err);

/* One step of a difference: *added* bytes of the source, *literal* new ones; then the source is moved on by
 * *seek*. */
struct patch_step {
	uint32_t added, literal;
	int64_t seek;
};

/*
 * Makes the content of a difference before compression: *differences* has the bytes that are added, of all
 * steps; *literals* the new ones.
 */
void patch_difference_write(const struct patch_step *steps, size_t count, const struct buffer *differences,
	const struct buffer *literals, struct buffer *ret);
