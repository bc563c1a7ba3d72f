/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A folder of a tree as two files: an EROFS image and the dm-verity hash tree over it.
 *
 * Ranges of the image are made, written and hashed by several threads at once, so that its bytes are touched
 * once; the result does not depend on their number.
 */
#pragma once

#include "base/progress.h"
#include "base/sha256.h"
#include "format/erofs.h"
#include "format/verity.h"

struct usr_image_options {
	struct erofs_options erofs;
	struct verity_options verity; /* without salt: the leaves of the tree are those of fs-verity, too */
	unsigned threads;	      /* 0: one for each processor */
	int copy; /* a file that gets the image as well, from *copy_offset* on; -1: none */
	uint64_t copy_offset;
	struct progress *progress;
};

struct usr_image_result {
	uint64_t image_size, hash_size;	   /* bytes */
	uint8_t image_digest[SHA256_SIZE]; /* fs-verity's */
	uint8_t hash_digest[SHA256_SIZE];  /* SHA-256 of the whole file */
	uint8_t root_hash[SHA256_SIZE];
	struct erofs_statistics statistics;
	struct compression compression;
	uint8_t *leaves; /* the digests of all blocks of the image */
};

void usr_image_result_release(struct usr_image_result *result);
#define _cleanup_usr_image_result_ _cleanup_(usr_image_result_release)

/*
 * Writes *folder* as image to the file *image_path* and its hash tree to *hash_path*. Both appear under their
 * names only when they are complete and on disk; the copy is not flushed. Returns 0 or a negative errno with
 * *err* set.
 */
int usr_image_write(struct tree_inode *folder, const struct usr_image_options *options,
	const char *image_path, const char *hash_path, struct usr_image_result *ret, struct error **err);
