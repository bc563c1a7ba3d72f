/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FAT file systems (Microsoft's "FAT32 File System Specification", 1.03, which UEFI 2.10, chapter 13.3, makes
 * the EFI System Partition's format): a writer of FAT32 and a reader of FAT12, FAT16 and FAT32. See
 * docs/formats/fat.md.
 */
#pragma once

#include "base/progress.h"
#include "format/tree.h"

#define FAT_SECTOR 512	  /* bytes; of what we write */
#define FAT_LABEL_SIZE 12 /* 11 characters and the NUL */

struct fat_options {
	uint64_t size;	 /* bytes of the whole file system, a multiple of FAT_SECTOR */
	uint64_t hidden; /* bytes before it on the disk: where its partition begins */
	uint32_t volume_id;
	const char *label;	   /* 1 to 11 characters out of A-Z, 0-9, "-" and "_" */
	struct progress *progress; /* counts bytes of files; may be NULL */
};

/*
 * Writes a FAT32 file system with what is in *folder* at *offset* of *fd*, where the file reads as zero: only
 * what is not zero is written. Every name of up to 255 UTF-16 units is kept as it is (long names, with an
 * alias of 8.3 where it needs one); files have the modification time of their inode as UTC. Equal input gives
 * equal bytes.
 *
 * Returns 0; -EINVAL for a name or an inode that FAT can't hold (two names that differ in case alone, a
 * symbolic link) or a size that makes no FAT32 (33 MiB to 2 TiB); -ENOSPC where the files need more room;
 * -EFBIG for a file of 4 GiB and more.
 */
int fat_write(const struct tree_inode *folder, const struct fat_options *options, int fd, uint64_t offset,
	struct error **err);

struct fat_info {
	unsigned bits;			    /* 12, 16 or 32 */
	uint32_t sector_size, cluster_size; /* bytes */
	uint32_t clusters, free_clusters;   /* that could hold data; that nothing uses */
	uint32_t volume_id;
	char label[FAT_LABEL_SIZE]; /* of the root folder, else of the boot sector; without spaces at its end
				     */
};

/*
 * Reads the file system in *size* bytes at *offset* of *fd* into a tree: folders of mode 0755, files of 0644,
 * owned by 0:0. *max* bounds the bytes of all files together. Each cluster may belong to one file only, so
 * that no file system makes more of itself than it is. *ret_info* may be NULL.
 *
 * Returns 0; -EMEDIUMTYPE where there is no FAT file system; -EBADMSG where it is damaged; -EFBIG where it
 * holds more than *max*; another negative errno.
 */
int fat_read(int fd, uint64_t offset, uint64_t size, uint64_t max, struct tree **ret,
	struct fat_info *ret_info, struct error **err);
