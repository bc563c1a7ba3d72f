/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node's disk as a build makes it, small, in memory: a release in slot a, and its kernel image on the boot
 * partition.
 */
#pragma once

#include "format/signer.h"
#include "release-files.h"
#include "update/node-disk.h"

struct release_disk_options {
	const char *folder; /* for files on the way */
	const char *version;
	const struct test_image *image;
	const char *signature; /* text of its partition */
	const void *uki;
	size_t uki_size;
};

struct release_disk {
	uint8_t *data; /* malloc()ed */
	size_t size;
	struct node_disk node; /* its table */
};

/* Fails the test where it can't. */
void release_disk_make(const struct release_disk_options *options, struct release_disk *ret);
void release_disk_release(struct release_disk *disk);

/* The text of a signature partition (docs/formats/verity.md); the caller frees it. */
char *release_disk_signature(
	const struct signer *signer, const uint8_t root[SHA256_SIZE], const void *signature, size_t size);
