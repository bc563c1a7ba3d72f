/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A FAT32 file system that is open for changes: its allocation table, folders and a survey of who uses which
 * cluster; for fat-volume.c, fat-folder.c, fat-survey.c, fat-edit.c and fat-repair.c alone.
 */
#pragma once

#include "format/fat-edit.h"
#include "format/fat-layout.h"

#define TABLE_WINDOW 65536 /* bytes of the allocation table that are in memory */
#define SECTOR_ENTRIES (BLOCK_SECTOR / ENTRY_SIZE)
#define FOLDER_SIZE_MAX ((size_t)FOLDER_ENTRIES_MAX * ENTRY_SIZE)
#define VOLUME_CLUSTERS_MAX (1u << 24)

struct fat_volume {
	struct block_io io;
	struct fat_geometry geometry;
	uint64_t fsinfo_at; /* bytes; 0: there is none */
	uint8_t fsinfo[BLOCK_SECTOR];
	bool clean;    /* was marked so when it was opened */
	bool changing; /* between fat_begin() and fat_finish() */
	bool failed;   /* a change did not come to its end */

	uint8_t *reached;    /* a bit for each cluster to which something leads */
	uint8_t *shared;     /* … at which a second chain was found */
	uint32_t free;	     /* clusters that the table calls free, and to which nothing leads */
	uint32_t table_free; /* clusters that the table calls free: what FSINFO counts */
	uint32_t last;	     /* the last one that was allocated; FSINFO_UNKNOWN: none */

	uint8_t window[TABLE_WINDOW];
	uint64_t window_at; /* UINT64_MAX: empty */
};

static inline bool bit_get(const uint8_t *bits, uint32_t cluster)
{
	uint32_t i = cluster - FAT_FIRST_CLUSTER;

	return bits[i / 8] >> i % 8 & 1;
}

static inline void bit_set(uint8_t *bits, uint32_t cluster)
{
	uint32_t i = cluster - FAT_FIRST_CLUSTER;

	bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
}

static inline void bit_clear(uint8_t *bits, uint32_t cluster)
{
	uint32_t i = cluster - FAT_FIRST_CLUSTER;

	bits[i / 8] = (uint8_t)(bits[i / 8] & ~(1u << i % 8));
}

int fat_volume_read_at(
	const struct fat_volume *volume, uint64_t at, void *data, size_t size, struct error **err);
int fat_volume_write_at(
	const struct fat_volume *volume, uint64_t at, const void *data, size_t size, struct error **err);
int fat_volume_flush(const struct fat_volume *volume, struct error **err);

/* An entry of the first table, as it stands on the disk: the lower 28 bits. */
int fat_table_get(struct fat_volume *volume, uint32_t cluster, uint32_t *ret, struct error **err);

/*
 * Goes from a cluster that exists to the next one of its chain; FAT32_END where it is the last. -EBADMSG
 * where the table leads nowhere.
 */
int fat_chain_next(struct fat_volume *volume, uint32_t *cluster, struct error **err);

/* Changes of the tables, sector by sector: begin with {.volume = …, .at = UINT64_MAX}. */
struct fat_table_edit {
	struct fat_volume *volume;
	uint64_t at; /* bytes from the table's beginning; UINT64_MAX: none is being changed */
	uint8_t sector[BLOCK_SECTOR];
};
int fat_table_put(struct fat_table_edit *edit, uint32_t cluster, uint32_t value, struct error **err);

/* Writes what fat_table_put() still holds, to every copy. Does not flush. */
int fat_table_write(struct fat_table_edit *edit, struct error **err);

/*
 * Marks the volume as being changed, and the free count as not known, before a change; flushes. And puts both
 * right behind it, when all that was written is on the disk.
 */
int fat_begin(struct fat_volume *volume, struct error **err);
int fat_finish(struct fat_volume *volume, struct error **err);

/* A folder in memory. */
struct fat_folder {
	uint8_t *data; /* all of its clusters */
	size_t count;  /* entries in them */
	uint32_t *clusters;
	size_t cluster_count;
	uint64_t entry_at; /* bytes: where the entry that leads here is; 0 for the root */
};
void fat_folder_release(struct fat_folder *folder);
#define _cleanup_fat_folder_ _cleanup_(fat_folder_release)

/* -EBADMSG where the chain is damaged, or longer than a folder may be. */
int fat_folder_load(struct fat_volume *volume, uint32_t cluster, struct fat_folder *ret, struct error **err);

/* The entries of one name. */
struct fat_set {
	size_t first, last; /* the first part of the long name, the short entry; equal without a long name */
	uint8_t entry[ENTRY_SIZE]; /* the short one */
	char name[UTF8_SIZE(LONG_NAME_MAX)], alias[SHORT_TEXT_SIZE];
};

/* Finds the next name from entry *at on, which is moved on behind it. The label, "." and ".." are none. */
bool fat_folder_next(const struct fat_folder *folder, size_t *at, struct fat_set *ret);
bool fat_folder_find(const struct fat_folder *folder, const char *name, struct fat_set *ret);

/* The first entry that nothing follows: folder->count where all are in use. */
size_t fat_folder_end(const struct fat_folder *folder);

/* Where sector *index* of the folder is, in bytes. */
uint64_t fat_folder_sector_at(const struct fat_volume *volume, const struct fat_folder *folder, size_t index);

static inline uint32_t fat_entry_cluster(const uint8_t entry[ENTRY_SIZE])
{
	return (uint32_t)entry[ENTRY_CLUSTER_HIGH + 1] << 24 | (uint32_t)entry[ENTRY_CLUSTER_HIGH] << 16 |
	       (uint32_t)entry[ENTRY_CLUSTER_LOW + 1] << 8 | entry[ENTRY_CLUSTER_LOW];
}

/*
 * Loads the folder in which the last component of *path* is, or is to be, and has *ret_name* point at that
 * component. -ENOENT, -ENOTDIR, -EBADMSG; -EINVAL where *path* has no last component.
 */
int fat_locate(struct fat_volume *volume, const char *path, struct fat_folder *ret, const char **ret_name,
	struct error **err);

/* Who uses what, from the root on. */
struct fat_survey {
	uint8_t *reached; /* a bit for each cluster that something leads to */
	uint8_t *shared;  /* … where a second chain came by */
	uint32_t table_free, free;
	bool hidden;	      /* in some folder there is something behind the end mark */
	struct error *damage; /* the first thing that is wrong with a chain; NULL: none */
};
void fat_survey_release(struct fat_survey *survey);
#define _cleanup_fat_survey_ _cleanup_(fat_survey_release)

/* Told of every folder that can be read. May be NULL. */
typedef int (*fat_survey_fn)(
	struct fat_volume *volume, const struct fat_folder *folder, void *userdata, struct error **err);
int fat_survey_run(struct fat_volume *volume, fat_survey_fn fn, void *userdata, struct fat_survey *ret,
	struct error **err);

/* Makes the survey's result the volume's. */
void fat_survey_apply(struct fat_survey *survey, struct fat_volume *volume);
