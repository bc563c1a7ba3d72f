/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes what a server has of an image, that of /usr or a kernel image: the image itself, to be fetched block
 * by block; its hash tree; and, for releases that many nodes come from, what leads from each of them here.
 * The files are functions of the images and options alone.
 */
#pragma once

#include "base/progress.h"
#include "format/image-files.h"

/* An image and its hash file, open for reading. */
struct image_source {
	int image_fd, hash_fd;
	uint8_t root[SHA256_SIZE];
};

struct image_write_options {
	const char *name;	   /* that files begin with; NULL: "usr" */
	unsigned threads;	   /* 0: one for each processor */
	int level;		   /* of Zstandard for the image; 0: BLOCKS_WRITE_LEVEL */
	uint32_t frame_size;	   /* of the image; 0: BLOCKS_WRITE_FRAME */
	bool no_patch;		   /* only tree deltas from old releases */
	struct progress *progress; /* NULL: tell nobody */
};

/*
 * Writes the files of *image* into *folder*, each at once and flushed: NAME.verity.zst, NAME.blocks.zst, and
 * from-ROOT.tree and from-ROOT.patch for each of *count* images *old*, where they are smaller than what they
 * save. The image is checked against its tree and root hash first. *ret* describes what was written; the
 * caller releases it.
 *
 * Returns 0; -EBADMSG where an image and its tree don't belong together; the errors of reading and writing.
 */
int image_write(const char *folder, const struct image_source *image, const struct image_source *old,
	size_t count, const struct image_write_options *options, struct image_files *ret, struct error **err);
