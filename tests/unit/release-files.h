/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images for tests of updates, published into a folder, and a remote that reads that folder and misbehaves as
 * it is told.
 */
#pragma once

#include "format/image-files.h"
#include "release/image-write.h"
#include "update/remote.h"

/* Of all images. */
extern const struct verity_options test_verity;

/* An image in memory with its hash file. */
struct test_image {
	uint8_t *data, *hash;
	size_t blocks, hash_size;
	uint8_t root[SHA256_SIZE];
};
void test_image_release(struct test_image *image);

/* Blocks that look like programs: text that repeats, numbers that grow, some zeros. */
void test_image_make(struct test_image *ret, size_t blocks, uint64_t seed);

/* A later one: most blocks as before but elsewhere, some with a few bytes changed, some new. */
void test_image_change(const struct test_image *old, struct test_image *ret, uint64_t seed);

/* Sets tree and root hash right after the data was changed. */
void test_image_hash(struct test_image *image);

/* Publishes *image* into *folder*, with what leads there from *count* *old* ones. */
void test_publish(const char *folder, const struct test_image *image, const struct test_image *old,
	size_t count, struct image_files *ret);

/* A remote that reads files of a folder. */
struct test_remote {
	const char *folder;
	const char *damaged; /* name of a file with a wrong byte at *damage_at*, NULL: none … */
	uint64_t damage_at;
	bool damaged_in_cache; /* … but not where it is asked for again */
	const char *absent;    /* name of a file that is not there */
	size_t chunk;	       /* bytes that are handed on at a time; 0: 1000 */
	struct remote_counts counts;
	uint64_t fetched_of_patch, fetched_of_image;
};
struct remote test_remote(struct test_remote *remote);
