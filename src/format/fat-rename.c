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

static size_t short_sector(const struct renaming *renaming)
{
	return renaming->old.last / SECTOR_ENTRIES;
}

/* The new entries go into the sector of the old short one, or behind the end mark that is in there. */
static bool find_room(struct renaming *renaming)
{
	const struct fat_folder *folder = renaming->folder;
	const size_t sector = short_sector(renaming), begin = sector * SECTOR_ENTRIES;
	struct fat_place *place = &renaming->place;

	place->end = fat_folder_end(folder);
	place->grow = false;
	if (fat_place_run(folder, &renaming->old, begin, begin + SECTOR_ENTRIES, renaming->set.count,
		    &place->index))
		return true;
	place->index = begin + SECTOR_ENTRIES;
	place->grow = place->index == folder->count;
	return place->end < place->index &&
	       (!place->grow || folder->count + renaming->volume->geometry.cluster_size / ENTRY_SIZE <=
					FOLDER_ENTRIES_MAX);
}

static int grow(struct renaming *renaming, uint32_t cluster, struct error **err)
{
	struct fat_volume *volume = renaming->volume;
	int r = fat_write_zeros(volume, cluster, err);

	if (r >= 0)
		r = fat_volume_flush(volume, err);
	if (r >= 0)
		r = fat_link(volume, cluster, FAT32_END, err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	return r < 0 ? r : fat_folder_append(volume, renaming->folder, cluster, err);
}

/* Parts of the old long name that are left in sectors before the one that counted. */
static int finish(struct renaming *renaming, struct error **err)
{
	int r = fat_volume_flush(renaming->volume, err);

	if (r >= 0)
		r = fat_folder_write_rest(renaming->volume, renaming->folder, &renaming->old, err);
	return r < 0 ? r : fat_finish(renaming->volume, err);
}

static int rename_in_place(struct renaming *renaming, struct error **err)
{
	_cleanup_fat_clusters_ struct fat_clusters clusters = {};
	struct fat_volume *volume = renaming->volume;
	size_t sector;
	int r = fat_clusters_find(volume, renaming->place.grow, &clusters, err);

	if (r < 0)
		return r;
	r = fat_begin(volume, err);
	fat_clusters_take(volume, &clusters);
	if (r >= 0 && renaming->place.grow)
		r = grow(renaming, clusters.numbers[0], err);
	if (r < 0)
		return r;
	fat_folder_free(renaming->folder, renaming->old.first, renaming->old.last + 1);
	r = fat_place_put(volume, renaming->folder, &renaming->place, &renaming->set, &sector, err);
	if (r >= 0)
		r = fat_folder_write(volume, renaming->folder, sector, err);
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
 * What stands in the cluster of the old name instead: two clusters, the first as it was but for that name,
 * the second with the new one. No end mark in the first one may hide the second, nor one in the second what
 * follows.
 */
static void make_copy(const struct renaming *renaming, size_t index, uint8_t *ret)
{
	const size_t unit = renaming->volume->geometry.cluster_size, entries = unit / ENTRY_SIZE;
	const size_t begin = index * entries, end = renaming->place.end;
	const struct fat_folder *folder = renaming->folder;
	size_t at = entries + renaming->set.count;

	memcpy(ret, folder->data + begin * ENTRY_SIZE, unit);
	memset(ret + unit, 0, unit);
	memcpy(ret + unit, renaming->set.entries, renaming->set.count * ENTRY_SIZE);
	for (size_t i = 0; i < entries; i++)
		if (begin + i >= end || (begin + i >= renaming->old.first && begin + i <= renaming->old.last))
			ret[i * ENTRY_SIZE] = ENTRY_FREE;
	if (end > begin + entries)
		for (; at < 2 * entries; at++)
			ret[at * ENTRY_SIZE] = ENTRY_FREE;
}

/* Writes the two clusters, which lead on to where the old one leads. */
static int write_copy(
	struct renaming *renaming, size_t index, const struct fat_clusters *clusters, struct error **err)
{
	struct fat_volume *volume = renaming->volume;
	const size_t unit = volume->geometry.cluster_size;
	_cleanup_free_ uint8_t *copy = malloc(2 * unit);
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};
	uint32_t next = renaming->folder->clusters[index];
	int r = copy ? fat_chain_next(volume, &next, err) : error_set_errno(err, -ENOMEM, "a folder");

	if (r < 0)
		return r;
	make_copy(renaming, index, copy);
	if (index == 0) /* begins with "." */
		fat_entry_set_cluster(copy, clusters->numbers[0]);
	for (size_t i = 0; r >= 0 && i < 2; i++)
		r = fat_volume_write_at(volume, fat_geometry_offset(&volume->geometry, clusters->numbers[i]),
			copy + i * unit, unit, err);
	if (r >= 0)
		r = fat_table_put(&edit, clusters->numbers[0], clusters->numbers[1], err);
	if (r >= 0)
		r = fat_table_put(&edit, clusters->numbers[1], next, err);
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

static int rename_by_copy(struct renaming *renaming, struct error **err)
{
	_cleanup_fat_clusters_ struct fat_clusters clusters = {};
	struct fat_volume *volume = renaming->volume;
	const struct fat_folder *folder = renaming->folder;
	size_t entries = volume->geometry.cluster_size / ENTRY_SIZE, index = renaming->old.last / entries;
	int r;

	if (index == 0 && (folder->entry_at == 0 || has_folders(folder)))
		return error_set(err, -ENOSPC, "its folder has no room for the longer name next to it");
	if (folder->count + entries > FOLDER_ENTRIES_MAX)
		return error_set(err, -ENOSPC, "the folder can't grow any more");
	r = fat_clusters_find(volume, 2, &clusters, err);
	return r < 0 ? r : replace_cluster(renaming, index, &clusters, err);
}

static int rename_entry(struct fat_volume *volume, const char *path, const char *name, struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	struct renaming renaming = {.volume = volume, .folder = &folder};
	const char *old_name;
	struct fat_set other;
	int r = fat_check_usable(volume, err);

	if (r >= 0)
		r = fat_locate(volume, path, &folder, &old_name, err);
	if (r < 0)
		return r;
	if (!fat_folder_find(&folder, old_name, &renaming.old))
		return error_set(err, -ENOENT, "there is no such file");
	if (streq(renaming.old.name, name))
		return 0;
	for (size_t at = 0; fat_folder_next(&folder, &at, &other);)
		if (other.last != renaming.old.last &&
			(strcasecmp(other.name, name) == 0 || strcasecmp(other.alias, name) == 0))
			return error_set(err, -EEXIST, "there is one of the name '%s'", name);
	r = fat_set_encode(&folder, &renaming.old, name, renaming.old.entry, &renaming.set, err);
	if (r < 0)
		return r;
	return find_room(&renaming) ? rename_in_place(&renaming, err) : rename_by_copy(&renaming, err);
}

int fat_volume_rename(struct fat_volume *volume, const char *path, const char *name, struct error **err)
{
	return fat_settle(volume, rename_entry(volume, path, name, err), path, err);
}
