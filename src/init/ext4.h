/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What orlop-init needs to know of an ext4 file system (Linux: Documentation/filesystems/ext4/super.rst).
 */
#pragma once

#include "base/error.h"

#define EXT4_SUPERBLOCK_OFFSET 1024
#define EXT4_SUPERBLOCK_SIZE 1024

struct ext4_info {
	uint32_t block_size; /* bytes */
	uint64_t blocks;
	bool errors; /* the kernel found errors since the last check */
};

/* Reads a superblock. Returns 0, or -EBADMSG where it is none. */
int ext4_parse(const uint8_t data[EXT4_SUPERBLOCK_SIZE], struct ext4_info *ret);

/* Reads the superblock of a device. Returns 0, -EBADMSG or another negative errno. */
int ext4_read(const char *device, struct ext4_info *ret);

/* Makes a file system on *device*, on disk when this returns. *config* is an mke2fs.conf in the new root or
 * NULL. */
int ext4_make(const char *device, const char *label, const char *config, struct error **err);

/* Repairs what can be repaired without a question. Returns 0; -EBADMSG where more is wrong. */
int ext4_repair(const char *device, struct error **err);

/*
 * Grows the file system mounted at *path* to *size* bytes. The kernel does it in its journal, so that a cut
 * leaves a whole file system of some size in between.
 */
int ext4_grow(const char *path, const struct ext4_info *info, uint64_t size, struct error **err);
