/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes a FAT32 file system, such as the EFI System Partition, on the disk and without the kernel, in such
 * a way that a power cut at any moment leaves either what was there or what shall be there.
 *
 *     struct fat_volume *volume;
 *     r = fat_volume_open(&partition, &volume, &err);
 *     r = fat_volume_create(volume, "EFI/Linux/a.efi", data, size, time, &err);
 *
 * Rests on one promise of struct block_io: a sector of 512 bytes gets onto the disk whole or not at all. What
 * a name stands for is on the disk before the name is, and a name appears, vanishes and changes with the
 * write of a single sector. A cut may leave behind what no driver minds: clusters in use to which nothing
 * leads, copies of the allocation table that differ, a free count that isn't known, the mark of a volume that
 * is being changed. fat_volume_repair() puts that right. docs/formats/fat.md has the order of the writes.
 *
 * Nobody else may have the file system open for writing, nor mounted.
 *
 * Once a change has failed for the disk's sake (not for want of space or for a name), no other is made with
 * the same volume (-EIO) before fat_volume_repair(), or until it is opened again.
 *
 * Paths are UTF-8, of components separated by "/"; the root is "". As drivers do, look-ups take upper and
 * lower case of ASCII as equal, and take a name's short alias for it. *err* names the path.
 */
#pragma once

#include "base/block-io.h"
#include "base/buffer.h"

/* The longest name in UTF-16 units: its entries must fit into one sector. */
#define FAT_EDIT_NAME_MAX 195

struct fat_volume;

/*
 * Opens the file system in all of *io*, which is copied; what is behind it must outlive the volume. Reads the
 * allocation table and all folders, in memory that does not depend on the size of files: at most half a byte
 * for each cluster, and up to 2 MiB for a folder.
 *
 * Returns 0; -EMEDIUMTYPE where there is no FAT32 file system; -ENOTSUP for one that keeps a single table
 * current (drivers disagree about that), of another version, or of more than 16,777,216 clusters; -EBADMSG
 * where the boot sector makes no sense. Damage of single files and folders is no error here, but of every
 * call that concerns them, and of fat_volume_repair().
 */
int fat_volume_open(const struct block_io *io, struct fat_volume **ret, struct error **err);
struct fat_volume *fat_volume_free(struct fat_volume *volume);
DEFINE_CLEANUP(struct fat_volume *, fat_volume_free);
#define _cleanup_fat_volume_ _cleanup_(fat_volume_freep)

struct fat_entry {
	const char *name;  /* UTF-8; good until the function returns */
	const char *alias; /* the short name where there is a long one, else the same */
	bool is_folder;
	uint32_t size; /* bytes */
	int64_t time;  /* of modification: seconds since 1970, taken as UTC */
};

/* Called for each file and folder, in no order; what is not 0 ends the list and is returned. */
typedef int (*fat_entry_fn)(const struct fat_entry *entry, void *userdata);

/* Returns 0, or what *fn* returned; -ENOENT, -ENOTDIR; -EBADMSG where the folder is damaged. */
int fat_volume_list(
	struct fat_volume *volume, const char *folder, fat_entry_fn fn, void *userdata, struct error **err);

/*
 * Appends a file of at most *max* bytes to *ret*. Returns 0; -ENOENT, -ENOTDIR, -EISDIR; -EFBIG; -EBADMSG
 * where its chain of clusters is damaged.
 */
int fat_volume_read(
	struct fat_volume *volume, const char *path, uint64_t max, struct buffer *ret, struct error **err);

/* The same, handing a file's bytes on in pieces. Where *fn* returns a negative errno with *err* set, that
 * ends it. */
typedef int (*fat_bytes_fn)(const uint8_t *data, size_t size, void *userdata, struct error **err);
int fat_volume_read_to(struct fat_volume *volume, const char *path, uint64_t max, fat_bytes_fn fn,
	void *userdata, struct error **err);

/*
 * Makes a file, in a folder that exists, that is there with all its bytes or not at all. *time*: of
 * modification, seconds since 1970.
 *
 * Returns 0 when it is on the disk; -EEXIST where there is such a name or alias; -ENOSPC where it or the
 * folder's growth needs more clusters than are free, -EFBIG from 4 GiB on, -EINVAL or -ENAMETOOLONG for what
 * can't be a name: then nothing was written.
 */
int fat_volume_create(struct fat_volume *volume, const char *path, const void *data, size_t size,
	int64_t time, struct error **err);

/* Where the bytes of a file come from that is not in memory. */
struct fat_source {
	uint64_t size; /* bytes */

	/* Fills *data* with the next *size* bytes: all of them, from the first to the last, at most
	 * FAT_PIECE_MAX at a time, or a cluster where that is larger. */
	int (*read)(void *data, size_t size, void *userdata, struct error **err);

	/* Asked when all were read and written, before the file has its name: whether they were the right
	 * ones. May be NULL. */
	int (*check)(void *userdata, struct error **err);
	void *userdata;
};
#define FAT_PIECE_MAX KiB(256)

/*
 * The same, with the bytes of *source*. Where one of its functions returns a negative errno with *err* set,
 * that is returned: the bytes so far went to clusters that are still free, and nothing else was written. Of a
 * file, one piece at a time is in memory, and four bytes for each cluster.
 */
int fat_volume_create_from(struct fat_volume *volume, const char *path, const struct fat_source *source,
	int64_t time, struct error **err);

/*
 * Removes a file: its name first, then its clusters become free. Where other software put the name's entries
 * across the border of two sectors, the name vanishes with the first write; parts of the long name that a cut
 * then leaves are nobody's, and fat_volume_repair() drops them.
 *
 * Returns 0; -ENOENT, -EISDIR; -EBADMSG where its clusters are somebody else's as well.
 */
int fat_volume_remove(struct fat_volume *volume, const char *path, struct error **err);

/*
 * Gives a file or folder another name in the same folder: at every moment exactly one of both is there. Names
 * that differ only in case are different ones for this. The new name's entries go into the sector in which
 * the old name's short entry is. If they find no room there, they go behind the end of the folder, unseen
 * until the one write that takes the old name away; or the folder's cluster is replaced by two new ones, by
 * the one write that links them in.
 *
 * Returns 0, also where the name is the old one; -ENOENT; -EEXIST; -EINVAL, -ENAMETOOLONG; -ENOSPC where
 * there is no cluster free for the folder's growth, or no way to do it in one write: the name is among the
 * first in the root, or in a folder that has folders in it.
 */
int fat_volume_rename(struct fat_volume *volume, const char *path, const char *name, struct error **err);

/* What was found, and put right. */
struct fat_repair {
	uint32_t lost_clusters; /* in use, and nothing led to them: now free */
	uint32_t table_sectors; /* in which a copy of the allocation table was not as the first one */
	uint32_t name_parts;	/* entries with parts of long names that belonged to nothing */
	bool free_count;	/* was wrong or not known */
	bool dirty;		/* the volume was marked as being changed */
};

/*
 * Puts right what a cut leaves behind; the first allocation table is the one that counts, as it is for
 * firmware and Linux. May itself be cut at any moment. Changes nothing that a file or folder needs.
 *
 * Returns 0; -EBADMSG where a chain of clusters is damaged (it loops, belongs to two, leads to what is free
 * or does not exist, is shorter than its file): then nothing was written, since nobody knows what is lost.
 */
int fat_volume_repair(struct fat_volume *volume, struct fat_repair *ret, struct error **err);

/* False where the volume was marked as being changed when it was opened: somebody's change was cut. */
bool fat_volume_is_clean(const struct fat_volume *volume);

/* Bytes in clusters that are free: what a file may have, if its folder need not grow. */
uint64_t fat_volume_free_bytes(const struct fat_volume *volume);
