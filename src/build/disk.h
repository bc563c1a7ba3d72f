/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk images: a GUID partition table and what is in its partitions, as one sparse file.
 *
 * disk_write() writes any list of partitions; disk_image_write() has the layout of Orlop Container Linux
 * (docs/formats/gpt.md): the ESP, two slots of three partitions each, and free space in which the first boot
 * makes the state partition.
 */
#pragma once

#include "base/sha256.h"
#include "format/gpt.h"
#include "format/tree.h"

struct progress;

enum disk_content {
	DISK_NOTHING,
	DISK_BYTES, /* data, data_size */
	DISK_FILE,  /* fd, from its beginning, data_size */
	DISK_FAT,   /* folder, volume_id: a FAT32 file system over the whole partition */
	DISK_THERE, /* data_size bytes that the file has there already */
};

struct disk_partition {
	struct uuid type, id;
	const char *label; /* UTF-8, up to 36 UTF-16 units; also names the partition in errors */
	uint64_t attributes;
	uint64_t size; /* bytes, rounded up to whole MiB */

	enum disk_content content;
	const void *data;
	uint64_t data_size;
	int fd;
	const struct tree_inode *folder;
	uint32_t volume_id;
};

struct disk_options {
	struct uuid id;
	const struct disk_partition *partitions;
	size_t count;
	uint64_t free;		   /* bytes that stay free behind the last partition */
	struct progress *progress; /* bytes written; may be NULL */
};

/*
 * Writes a disk image to *fd*, a new file: partitions in a row from 1 MiB on, at multiples of 1 MiB. Zeros
 * and holes of the contents stay holes, blocks are shared with their files where the file system can do it.
 *
 * Returns 0; -ENOSPC with *err* saying what does not fit where, or that the file system is full; another
 * negative errno.
 */
int disk_write(int fd, const struct disk_options *options, struct error **err);

struct disk_image {
	const char *architecture;				  /* "amd64", "arm64" */
	const char *version;					  /* "202611.23.0" */
	uint64_t esp_size, usr_size, verity_size, signature_size; /* bytes of the partitions, per slot */
	uint64_t state_size; /* bytes left free for the state partition */

	const struct tree_inode *esp; /* what is on the EFI System Partition */
	int usr, verity;	      /* the usr image and its hash tree, whole files */
	bool usr_is_there;	      /* it stands at disk_image_usr() already */
	uint8_t root_hash[SHA256_SIZE];
	const void *signature; /* what the usr-verity-sig partition holds: JSON, padded with zeros by us */
	size_t signature_length;
	struct progress *progress;
};

/* Where a disk image with an ESP of *esp_size* bytes has its usr image: an offset in bytes. */
uint64_t disk_image_usr(uint64_t esp_size);

/*
 * Writes the disk image of a release to *fd*: slot a holds it, slot b is empty. The ids of slot a's data and
 * hash partition are the root hash; all others come from the root hash and version by uuid_from_name(), so
 * that equal input gives equal bytes. Errors as of disk_write().
 */
int disk_image_write(int fd, const struct disk_image *image, struct error **err);
