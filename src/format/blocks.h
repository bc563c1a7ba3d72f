/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usr.blocks.zst: a usr image in Zstandard's seekable format, so that any run of its blocks can be fetched by
 * itself. `zstd -d` makes the image of it.
 *
 * Format: contrib/seekable_format/zstd_seekable_compression_format.md of Zstandard, and RFC 8878 for what is
 * in a frame; docs/formats/blocks.md says what is narrower here.
 *
 * The file comes from an untrusted place: sizes that are not signed are bounded by those that are.
 */
#pragma once

#include <zstd.h>

#include "base/buffer.h"
#include "base/error.h"

#define BLOCKS_BLOCK_SIZE 4096
#define BLOCKS_FRAME_MAX MiB(1)	  /* bytes of an image in one frame */
#define BLOCKS_FRAMES_MAX 131072u /* so the seek table is 1 MiB, half as much again with checksums */
#define BLOCKS_INDEX_MAX MiB(2)

/* Bytes of a seek table for *frames* frames, as it is written here. */
uint64_t blocks_index_size(uint64_t frames);

/*
 * Appends the seek table of *frames* frames whose compressed *sizes* are given: each holds *frame_size* bytes
 * of the image, the last one what is left of *image_size*.
 */
void blocks_index_write(
	const uint32_t *sizes, size_t frames, uint32_t frame_size, uint64_t image_size, struct buffer *ret);

/* A seek table that was read; refers to its bytes. */
struct blocks_index {
	uint64_t image_blocks;
	uint32_t frame_blocks; /* in each frame but the last */
	size_t frames;
	const uint8_t *entries;
	size_t entry_size;
};

/*
 * Reads the seek table *data* of a file of *file_size* bytes with an image of *image_blocks* blocks. Returns
 * 0; -EBADMSG where it is none, or does not belong to such a file and image; -EFBIG where frames are more or
 * larger than the limits above.
 */
int blocks_index_parse(const uint8_t *data, size_t size, uint64_t file_size, uint64_t image_blocks,
	struct blocks_index *ret, struct error **err);

/* The compressed size of a frame, and the blocks in it. */
uint32_t blocks_frame_size(const struct blocks_index *index, size_t frame);
uint32_t blocks_frame_blocks(const struct blocks_index *index, size_t frame);

/*
 * Decompresses a frame of exactly *size* bytes to exactly *ret_size* bytes. Returns 0; -EBADMSG where it is
 * something else; -ENOMEM.
 */
int blocks_frame_decode(ZSTD_DCtx *context, const uint8_t *data, size_t size, uint8_t *ret, size_t ret_size,
	struct error **err);
