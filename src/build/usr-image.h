/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A folder of a tree as two files: an EROFS image and the dm-verity hash tree over it.
 *
 * Ranges of the image are made, written and hashed by several threads at once, so that its bytes are touched
 * once; the result does not depend on their number.
 */
#pragma once

#include "base/progress.h"
#include "format/erofs.h"
#include "format/verity.h"

struct usr_image_options {
	struct erofs_options erofs;
	struct verity_options verity;
	unsigned threads; /* 0: one for each processor */
	struct progress *progress;
};

struct usr_image_result {
	uint64_t image_size, hash_size; /* bytes */
	uint8_t image_digest[SHA256_SIZE], hash_digest[SHA256_SIZE];
	uint8_t root_hash[SHA256_SIZE];
	struct erofs_statistics statistics;
	struct compression compression;
};

/*
 * Writes *folder* as image to the file *image_path* and its hash tree to *hash_path*. Both appear under their
 * names only when they are complete and on disk. Returns 0 or a negative errno with *err* set.
 */
int usr_image_write(struct tree_inode *folder, const struct usr_image_options *options,
	const char *image_path, const char *hash_path, struct usr_image_result *ret, struct error **err);
