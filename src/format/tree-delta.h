/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * from-<root hash>.tree: the digests of a new image's blocks, told by those of an old one. What is in both is
 * a run of the old tree's lowest level, and only the others are sent.
 *
 * Format: docs/formats/delta.md. The file comes from an untrusted place and needs no trust: what it makes is
 * a tree with the signed root hash or nothing.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"

#define TREE_DELTA_MAX MiB(4) /* of a whole file; a node holds it in memory */

/* A number of new digests, then a run of old ones. */
struct tree_delta_step {
	uint64_t fresh;
	const uint8_t *digests; /* of the *fresh* blocks */
	uint64_t copied;
	uint64_t from; /* block of the old image, where *copied* is not 0 */
};

/* A file that was read and found sound; refers to its bytes. */
struct tree_delta {
	uint64_t old_blocks, new_blocks; /* of the images */
	const uint8_t *steps, *steps_end;
	const uint8_t *digests;
	uint64_t digest_count;
};

/*
 * Reads a file between images of these sizes. Returns 0; -EBADMSG where it is none, or one between others, or
 * a step reaches behind an image.
 */
int tree_delta_parse(const uint8_t *data, size_t size, uint64_t old_blocks, uint64_t new_blocks,
	struct tree_delta *ret, struct error **err);

/* Goes through the steps: begin with `= {}`. Returns false behind the last one. */
struct tree_delta_cursor {
	const uint8_t *at;
	uint64_t digests; /* used so far */
	uint64_t old_end; /* of the last run */
};
bool tree_delta_next(
	const struct tree_delta *delta, struct tree_delta_cursor *cursor, struct tree_delta_step *ret);

/*
 * Makes the file from the digests of the blocks of both images. Returns 0; -EFBIG where it would be larger
 * than TREE_DELTA_MAX; -ENOMEM.
 */
int tree_delta_write(const uint8_t *old_digests, uint64_t old_blocks, const uint8_t *new_digests,
	uint64_t new_blocks, struct buffer *ret, struct error **err);
