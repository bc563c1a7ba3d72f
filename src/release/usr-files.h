/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes what a server has of a usr image: the image itself, to be fetched block by block; its hash tree; and,
 * for releases that many nodes come from, what leads from each of them here. The files are functions of the
 * images and options alone.
 */
#pragma once

#include "base/progress.h"
#include "format/image-files.h"

/* An image and its hash file, open for reading. */
struct usr_image_files {
	int image_fd, hash_fd;
	uint8_t root[SHA256_SIZE];
};

struct usr_files_options {
	unsigned threads;	   /* 0: one for each processor */
	int level;		   /* of Zstandard for the image; 0: BLOCKS_WRITE_LEVEL */
	uint32_t frame_size;	   /* of the image; 0: BLOCKS_WRITE_FRAME */
	bool no_patch;		   /* only tree deltas from old releases */
	struct progress *progress; /* NULL: tell nobody */
};

/*
 * Writes the files of *image* into *folder*, each at once and flushed: usr.verity.zst, usr.blocks.zst, and
 * from-ROOT.tree and from-ROOT.patch for each of *count* images *old*, where they are smaller than what they
 * save. The image is checked against its tree and root hash first. *ret* describes what was written; the
 * caller releases it.
 *
 * Returns 0; -EBADMSG where an image and its tree don't belong together; the errors of reading and writing.
 */
int usr_files_write(const char *folder, const struct usr_image_files *image,
	const struct usr_image_files *old, size_t count, const struct usr_files_options *options,
	struct image_files *ret, struct error **err);
