/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changes of a FAT32 file system are made of: entries for a new name, a place for them, clusters; for
 * fat-place.c, fat-edit.c, fat-rename.c and fat-repair.c alone.
 */
#pragma once

#include "format/fat-volume.h"

/* The entries of a name that is to be, as they will be on the disk. */
struct fat_new_set {
	uint8_t entries[BLOCK_SECTOR];
	size_t count;
};

/* Where they go, and what that takes. */
struct fat_place {
	size_t index; /* the first one's */
	size_t end;   /* of the folder's entries in use, before */
	bool grow;    /* the folder needs another cluster first: *index* is in that */
};

/*
 * Makes the entries of *name*, the last of which is *entry* but for its name. Nobody but *but* has that name
 * or alias yet. The alias is one that nobody in the folder has, apart from *but* (may be NULL). -EINVAL,
 * -ENAMETOOLONG; -ENOSPC where all aliases are taken.
 */
int fat_set_encode(const struct fat_folder *folder, const struct fat_set *but, const char *name,
	const uint8_t entry[ENTRY_SIZE], struct fat_new_set *ret, struct error **err);

/* Has the set's last entry, the short one, lead to a cluster. */
void fat_entry_set_cluster(uint8_t entry[ENTRY_SIZE], uint32_t cluster);

/*
 * Finds *count* free entries next to each other in one sector, among those from *from* up to *to*. Those of
 * *but* (may be NULL) count as free.
 */
bool fat_place_run(const struct fat_folder *folder, const struct fat_set *but, size_t from, size_t to,
	size_t count, size_t *ret);

/* Anywhere in the folder; behind its end where there is no other room. -ENOSPC where it can't grow. */
int fat_place_find(const struct fat_volume *volume, const struct fat_folder *folder, size_t count,
	struct fat_place *ret, struct error **err);

/*
 * Puts a set into the folder, which has grown if it must: after this, it is written, and not flushed. It
 * comes with the last write, of one sector; so does what the caller has changed of that sector in memory.
 *
 * Entries behind the end mark are not there for firmware, which stops at it, and may hold anything; Linux
 * goes on and shows them. So nothing is ever prepared there. Where the mark moves within its sector, all
 * behind it is cleared in the same write. Where it moves on, the sector that will hold it is cleared first,
 * if it has anything, then the mark is moved there, and then the set is written.
 */
int fat_place_put(struct fat_volume *volume, struct fat_folder *folder, const struct fat_place *place,
	const struct fat_new_set *set, struct error **err);

/* In memory: marks the entries from *from* up to *to* as free. */
void fat_folder_free(struct fat_folder *folder, size_t from, size_t to);

/* Writes one sector of the folder. */
int fat_folder_write(
	struct fat_volume *volume, const struct fat_folder *folder, size_t index, struct error **err);

/*
 * Writes the sectors, but for that of the short entry, in which entries of a set that is no more were: parts
 * of its long name that belong to nothing.
 */
int fat_folder_write_rest(struct fat_volume *volume, const struct fat_folder *folder,
	const struct fat_set *set, struct error **err);

/*
 * Hangs a cluster that is on the disk, empty and with its entry in the table, behind the folder's last one.
 * Does not flush: what then goes into the cluster is there when both writes are, in whatever order.
 */
int fat_folder_append(
	struct fat_volume *volume, struct fat_folder *folder, uint32_t cluster, struct error **err);

/* Clusters for one purpose, in ascending order. */
struct fat_clusters {
	uint32_t *numbers;
	size_t count;
};
void fat_clusters_release(struct fat_clusters *clusters);
#define _cleanup_fat_clusters_ _cleanup_(fat_clusters_release)

/* Looks for free clusters, and changes nothing. -ENOSPC. */
int fat_clusters_find(
	struct fat_volume *volume, uint64_t count, struct fat_clusters *ret, struct error **err);

/* Takes them out of what is free; from here on they are the change's. */
void fat_clusters_take(struct fat_volume *volume, const struct fat_clusters *clusters);

/* Has cluster *cluster* lead to *next* (FAT32_END: nowhere, 0: it is free), in all tables. */
int fat_link(struct fat_volume *volume, uint32_t cluster, uint32_t next, struct error **err);

int fat_write_zeros(struct fat_volume *volume, uint32_t cluster, struct error **err);

/* Whether a change can be begun. */
int fat_check_usable(const struct fat_volume *volume, struct error **err);

/* Ends a change: one that broke off may have left anything that a cut may leave. Returns *r*. */
int fat_settle(struct fat_volume *volume, int r, const char *path, struct error **err);
