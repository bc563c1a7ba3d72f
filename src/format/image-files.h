/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of an image lies on a server, as the signed metadata of its release describes it: root hash, shape
 * of the hash tree, and the name and size of each file to fetch. Sizes are what a node bounds everything by
 * that comes from the network.
 *
 * Format: a JSON object, docs/formats/image-files.md.
 */
#pragma once

#include <jansson.h>

#include "base/sha256.h"
#include "format/verity-header.h"

#define IMAGE_BLOCKS_MAX (GiB(64) / VERITY_BLOCK_SIZE)
#define IMAGE_DELTAS_MAX 64
#define IMAGE_NAME_MAX 128

struct image_file {
	char name[IMAGE_NAME_MAX +
		  1];	/* letters, digits, ".", "_" and "-", no "." first; "" where there is none */
	uint64_t size;	/* bytes */
	uint64_t index; /* bytes of its index, for those that have one */
};

/* What leads from one old release to this one. */
struct image_delta {
	uint8_t from[SHA256_SIZE]; /* the old root hash */
	uint64_t from_blocks;	   /* of the old image */
	struct image_file tree;	   /* tree-delta.h */
	struct image_file patch;   /* patch.h; the index is at its beginning */
};

struct image_files {
	uint8_t root[SHA256_SIZE];
	struct verity_options verity;
	uint64_t blocks;	 /* of the image */
	struct image_file tree;	 /* the hash file, compressed with Zstandard */
	struct image_file image; /* blocks.h; the index is at its end */
	struct image_delta *deltas;
	size_t delta_count;
};

void image_files_release(struct image_files *files);
#define _cleanup_image_files_ _cleanup_(image_files_release)

/* The delta from the release with this root hash, NULL where there is none. */
const struct image_delta *image_files_delta(const struct image_files *files, const uint8_t *from);

/* Reads the object; members that it does not know are a later release's affair. Returns 0; -EBADMSG with
 * *err* naming the member; -ENOMEM. */
int image_files_parse(const json_t *json, struct image_files *ret, struct error **err);

/* The object as a new reference, NULL where memory is out. */
json_t *image_files_json(const struct image_files *files);
