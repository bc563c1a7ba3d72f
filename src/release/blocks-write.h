/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes usr.blocks.zst, a usr image that can be fetched block by block: format/blocks.h.
 */
#pragma once

#include "base/error.h"
#include "base/progress.h"

#define BLOCKS_WRITE_FRAME KiB(64)
#define BLOCKS_WRITE_LEVEL 19

struct blocks_write_options {
	uint32_t frame_size; /* bytes, a multiple of 4096; 0: BLOCKS_WRITE_FRAME, or more for a huge image */
	int level;	     /* of Zstandard; 0: BLOCKS_WRITE_LEVEL */
	unsigned threads;    /* 0: one for each processor; the file does not depend on it */
	struct progress *progress; /* adds the image's bytes to the open step; NULL: tell nobody */
};

struct blocks_write_result {
	uint64_t size;	     /* of the file */
	uint64_t index_size; /* of the seek table at its end */
};

/*
 * Compresses the first *image_size* bytes of *image_fd*, whole blocks, and writes the file at *fd*'s offset.
 * Returns 0; -EINVAL for sizes that the format can't have; the errors of reading and writing.
 */
int blocks_write(int image_fd, uint64_t image_size, int fd, const struct blocks_write_options *options,
	struct blocks_write_result *ret, struct error **err);
