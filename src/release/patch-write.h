/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes a patch from one image to another: format/patch.h. Every frame is made from those parts of the old
 * image that are most like it, in each way that there is, and the smallest is taken.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/progress.h"

#define PATCH_WRITE_FRAME_BLOCKS 32   /* 128 KiB */
#define PATCH_WRITE_SOURCE_BLOCKS 128 /* 512 KiB */

struct patch_images {
	int old_fd, new_fd;
	uint64_t old_blocks, new_blocks;
	const uint8_t *old_digests, *new_digests; /* of all blocks, with the same salt */
};

struct patch_write_options {
	uint32_t frame_blocks; /* of the new image in a frame; 0: PATCH_WRITE_FRAME_BLOCKS */
	uint32_t
		source_blocks; /* of the old image, that a frame is made from; 0: PATCH_WRITE_SOURCE_BLOCKS */
	bool no_difference;    /* Zstandard with a prefix alone */
	unsigned threads;      /* 0: one for each processor; the file does not depend on it */
	struct progress *progress;
};

/*
 * Appends the whole file to *ret*; *ret_index* is the size of header and index, 0 where nothing is missing
 * and nothing was appended. Returns 0; -EFBIG where the images have so little in common that a patch is none;
 * -ENOMEM; the errors of reading.
 */
int patch_write(const struct patch_images *images, const struct patch_write_options *options,
	struct buffer *ret, uint64_t *ret_index, struct error **err);
