/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of a FAT32 file system that change by the write of one sector. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/fat-change.h"

/* A name that gives way to another one. */
struct renaming {
	struct fat_volume *volume;
	struct fat_folder *folder;
	struct fat_set old;
	struct fat_new_set set;
	struct fat_place place;
};

/* Parts of the old long name that are left in sectors before the one that counted. */
static int finish(struct renaming *renaming, struct error **err)
{
	int r = fat_volume_flush(renaming->volume, err);

	if (r >= 0)
		r = fat_folder_write_rest(renaming->volume, renaming->folder, &renaming->old, err);
	return r < 0 ? r : fat_finish(renaming->volume, err);
}

/* The new entries go into the sector of the old short one. */
static int rename_in_place(struct renaming *renaming, struct error **err)
{
	int r = fat_begin(renaming->volume, err);

	fat_folder_free(renaming->folder, renaming->old.first, renaming->old.last + 1);
	if (r >= 0)
		r = fat_place_put(renaming->volume, renaming->folder, &renaming->place, &renaming->set, err);
	return r < 0 ? r : finish(renaming, err);
}

/* Others say in their ".." where this folder is. */
static bool has_folders(const struct fat_folder *folder)
{
	struct fat_set set;

	for (size_t at = 0; fat_folder_next(folder, &at, &set);)
		if (set.entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER)
			return true;
	return false;
}

/*
 * What stands instead of cluster *index* of the folder, where the old name is: the same but for that name,
 * with the new one where there is room in the cluster, else in a second cluster. No end mark in the first one
 * may hide the second, nor one in the second what follows.
 */
static void make_copy(const struct renaming *renaming, size_t index, size_t count, uint8_t *ret)
{
	const size_t entries = renaming->volume->geometry.cluster_size / ENTRY_SIZE, begin = index * entries;
	const size_t first = renaming->place.index - begin, last = first + renaming->set.count;
	const size_t end = renaming->place.end;

	memcpy(ret, renaming->folder->data + begin * ENTRY_SIZE, entries * ENTRY_SIZE);
	memset(ret + entries * ENTRY_SIZE, 0, (count - 1) * entries * ENTRY_SIZE);
	for (size_t i = 0; i < count * entries; i++) {
		uint8_t *entry = ret + i * ENTRY_SIZE;
		bool is_copy = i < entries && begin + i < end;

		if (is_copy && begin + i >= renaming->old.first && begin + i <= renaming->old.last)
			entry[0] = ENTRY_FREE;
		if (is_copy)
			continue;
		/* Behind the end mark: up to the new name nothing, and behind it the end again. */
		memset(entry, 0, ENTRY_SIZE);
		if (i < first || end > begin + entries)
			entry[0] = ENTRY_FREE;
	}
	memcpy(ret + first * ENTRY_SIZE, renaming->set.entries, (last - first) * ENTRY_SIZE);
}

/* Writes the new clusters, which lead on to where the old one leads. */
static int write_copy(
	struct renaming *renaming, size_t index, const struct fat_clusters *clusters, struct error **err)
{
	struct fat_volume *volume = renaming->volume;
	const size_t unit = volume->geometry.cluster_size;
	_cleanup_free_ uint8_t *copy = malloc(clusters->count * unit);
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};
	uint32_t next = renaming->folder->clusters[index];
	int r = copy ? fat_chain_next(volume, &next, err) : error_set_errno(err, -ENOMEM, "a folder");

	if (r < 0)
		return r;
	make_copy(renaming, index, clusters->count, copy);
	if (index == 0 && memcmp(copy, ".          ", SHORT_NAME_SIZE) == 0)
		fat_entry_set_cluster(copy, clusters->numbers[0]);
	for (size_t i = 0; r >= 0 && i < clusters->count; i++) {
		bool is_last = i + 1 == clusters->count;

		r = fat_volume_write_at(volume, fat_geometry_offset(&volume->geometry, clusters->numbers[i]),
			copy + i * unit, unit, err);
		if (r >= 0)
			r = fat_table_put(
				&edit, clusters->numbers[i], is_last ? next : clusters->numbers[i + 1], err);
	}
	if (r >= 0)
		r = fat_table_write(&edit, err);
	return r < 0 ? r : fat_volume_flush(volume, err);
}

/* The one write that counts: of the table, or of the entry that leads to the folder. */
static int link_copy(struct renaming *renaming, size_t index, uint32_t cluster, struct error **err)
{
	const struct fat_folder *folder = renaming->folder;
	uint64_t offset = folder->entry_at % BLOCK_SECTOR;
	uint8_t sector[BLOCK_SECTOR];
	int r;

	if (index > 0)
		return fat_link(renaming->volume, folder->clusters[index - 1], cluster, err);
	r = fat_volume_read_at(renaming->volume, folder->entry_at - offset, sector, sizeof(sector), err);
	if (r < 0)
		return r;
	fat_entry_set_cluster(sector + offset, cluster);
	return fat_volume_write_at(renaming->volume, folder->entry_at - offset, sector, sizeof(sector), err);
}

static int replace_cluster(
	struct renaming *renaming, size_t index, const struct fat_clusters *clusters, struct error **err)
{
	struct fat_volume *volume = renaming->volume;
	struct fat_folder *folder = renaming->folder;
	const size_t first = index * (volume->geometry.cluster_size / ENTRY_SIZE);
	uint32_t old = folder->clusters[index];
	int r = fat_begin(volume, err);

	fat_clusters_take(volume, clusters);
	if (r >= 0)
		r = write_copy(renaming, index, clusters, err);
	if (r >= 0)
		r = link_copy(renaming, index, clusters->numbers[0], err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	if (r >= 0)
		r = fat_link(volume, old, 0, err);
	if (r < 0)
		return r;
	bit_clear(volume->reached, old);
	volume->free++;
	volume->table_free++;
	/* Parts of the old name that were in a cluster before this one. */
	if (renaming->old.first >= first)
		return fat_finish(volume, err);
	renaming->old.last = first;
	fat_folder_free(folder, renaming->old.first, first);
	return finish(renaming, err);
}

/* Where the new name goes in the copy: somewhere in the cluster, else to the beginning of a second one. */
static int plan_copy(struct renaming *renaming, size_t index, size_t *ret_count, struct error **err)
{
	const struct fat_folder *folder = renaming->folder;
	const size_t entries = renaming->volume->geometry.cluster_size / ENTRY_SIZE;
	const size_t begin = index * entries, behind = MIN(begin + entries, folder->count);

	*ret_count = 1;
	if (fat_place_run(folder, &renaming->old, begin, behind, renaming->set.count, &renaming->place.index))
		return 0;
	*ret_count = 2;
	renaming->place.index = begin + entries;
	if (folder->count + entries > FOLDER_ENTRIES_MAX)
		return error_set(err, -ENOSPC, "the folder can't grow any more");
	return 0;
}

static int rename_by_copy(struct renaming *renaming, struct error **err)
{
	_cleanup_fat_clusters_ struct fat_clusters clusters = {};
	const struct fat_folder *folder = renaming->folder;
	const size_t entries = renaming->volume->geometry.cluster_size / ENTRY_SIZE;
	size_t index = renaming->old.last / entries, count;
	int r;

	if (index == 0 && (folder->entry_at == 0 || has_folders(folder)))
		return error_set(err, -ENOSPC, "its folder has no room for the longer name next to it");
	r = plan_copy(renaming, index, &count, err);
	if (r >= 0)
		r = fat_clusters_find(renaming->volume, count, &clusters, err);
	return r < 0 ? r : replace_cluster(renaming, index, &clusters, err);
}

/* Whether another one has the name, or an alias like it. */
static bool is_taken(const struct renaming *renaming, const char *name)
{
	struct fat_set other;

	for (size_t at = 0; fat_folder_next(renaming->folder, &at, &other);)
		if (other.last != renaming->old.last &&
			(strcasecmp(other.name, name) == 0 || strcasecmp(other.alias, name) == 0))
			return true;
	return false;
}

static int rename_entry(struct fat_volume *volume, const char *path, const char *name, struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	struct renaming renaming = {.volume = volume, .folder = &folder};
	const char *old_name;
	size_t begin;
	int r = fat_check_usable(volume, err);

	if (r >= 0)
		r = fat_locate(volume, path, &folder, &old_name, err);
	if (r < 0)
		return r;
	if (!fat_folder_find(&folder, old_name, &renaming.old))
		return error_set(err, -ENOENT, "there is no such file");
	if (streq(renaming.old.name, name))
		return 0;
	if (is_taken(&renaming, name))
		return error_set(err, -EEXIST, "there is one of the name '%s'", name);
	r = fat_set_encode(&folder, &renaming.old, name, renaming.old.entry, &renaming.set, err);
	if (r < 0)
		return r;
	renaming.place.end = fat_folder_end(&folder);
	begin = renaming.old.last - renaming.old.last % SECTOR_ENTRIES;
	if (fat_place_run(&folder, &renaming.old, begin, begin + SECTOR_ENTRIES, renaming.set.count,
		    &renaming.place.index))
		return rename_in_place(&renaming, err);
	return rename_by_copy(&renaming, err);
}

int fat_volume_rename(struct fat_volume *volume, const char *path, const char *name, struct error **err)
{
	return fat_settle(volume, rename_entry(volume, path, name, err), path, err);
}
