/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of a FAT32 file system that appear, vanish and change their names by the write of one sector.
 *
 * A flush stands between any two writes of which the second makes the first one count.
 */
#include "format/fat-edit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "format/fat-change.h"

#define WRITE_MAX MiB(1) /* bytes of clusters in a row that are written at a time */

/* Writes the content of a file, whole sectors, the last one filled up with zeros. */
static int write_content(struct fat_volume *volume, const struct fat_clusters *clusters, const uint8_t *data,
	size_t size, struct error **err)
{
	const size_t unit = volume->geometry.cluster_size, max = MAX(WRITE_MAX / unit, 1u);
	uint8_t tail[BLOCK_SECTOR] = {};

	for (size_t i = 0, run; i < clusters->count; i += run) {
		uint64_t at = fat_geometry_offset(&volume->geometry, clusters->numbers[i]);
		size_t n, whole;
		int r = 0;

		for (run = 1; run < max && i + run < clusters->count; run++)
			if (clusters->numbers[i + run] != clusters->numbers[i] + run)
				break;
		n = MIN(run * unit, size - i * unit);
		whole = n - n % BLOCK_SECTOR;
		if (whole > 0)
			r = fat_volume_write_at(volume, at, data + i * unit, whole, err);
		if (r >= 0 && n > whole) {
			memcpy(tail, data + i * unit + whole, n - whole);
			r = fat_volume_write_at(volume, at + whole, tail, sizeof(tail), err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int chain(
	struct fat_volume *volume, const struct fat_clusters *clusters, size_t file_count, struct error **err)
{
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};
	int r = 0;

	/* Behind those of the file comes the one by which the folder grows. */
	for (size_t i = 0; r >= 0 && i < clusters->count; i++)
		r = fat_table_put(&edit, clusters->numbers[i],
			i + 1 < file_count ? clusters->numbers[i + 1] : FAT32_END, err);
	return r < 0 ? r : fat_table_write(&edit, err);
}

/* Brings everything but the name onto the disk: content, chain, and the folder's new last cluster. */
static int write_file(struct fat_volume *volume, const struct fat_clusters *clusters, const void *data,
	size_t size, struct error **err)
{
	const size_t count = (size_t)div_round_up_u64(size, volume->geometry.cluster_size);
	const struct fat_clusters file = {.numbers = clusters->numbers, .count = count};
	int r = write_content(volume, &file, data, size, err);

	if (r >= 0 && clusters->count > count)
		r = fat_write_zeros(volume, clusters->numbers[count], err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	if (r >= 0)
		r = chain(volume, clusters, count, err);
	return r < 0 ? r : fat_volume_flush(volume, err);
}

/* Finds out all that can be in the way, before anything is written. */
static int plan_file(struct fat_volume *volume, const struct fat_folder *folder, const char *name,
	size_t size, int64_t time, struct fat_new_set *ret_set, struct fat_place *ret_place,
	struct fat_clusters *ret_clusters, struct error **err)
{
	static const uint8_t no_name[SHORT_NAME_SIZE];
	uint8_t entry[ENTRY_SIZE];
	struct fat_set old;
	int r = 0;

	if (size > UINT32_MAX)
		r = error_set(err, -EFBIG, "a file on FAT must be smaller than 4 GiB");
	else if (fat_folder_find(folder, name, &old))
		r = error_set(err, -EEXIST, "there is one of that name");
	fat_entry_encode(entry, no_name, ATTRIBUTE_ARCHIVE, 0, (uint32_t)size, time);
	if (r >= 0)
		r = fat_set_encode(folder, NULL, name, entry, ret_set, err);
	if (r >= 0)
		r = fat_place_find(volume, folder, ret_set->count, ret_place, err);
	if (r >= 0)
		r = fat_clusters_find(volume,
			div_round_up_u64(size, volume->geometry.cluster_size) + ret_place->grow, ret_clusters,
			err);
	if (r >= 0 && size > 0)
		fat_entry_set_cluster(
			ret_set->entries + (ret_set->count - 1) * ENTRY_SIZE, ret_clusters->numbers[0]);
	return r;
}

static int create(struct fat_volume *volume, const char *path, const void *data, size_t size, int64_t time,
	struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	_cleanup_fat_clusters_ struct fat_clusters clusters = {};
	struct fat_new_set set = {};
	struct fat_place place;
	const char *name;
	int r = fat_check_usable(volume, err);

	if (r >= 0)
		r = fat_locate(volume, path, &folder, &name, err);
	if (r >= 0)
		r = plan_file(volume, &folder, name, size, time, &set, &place, &clusters, err);
	if (r < 0)
		return r;
	r = fat_begin(volume, err);
	fat_clusters_take(volume, &clusters);
	if (r >= 0)
		r = write_file(volume, &clusters, data, size, err);
	if (r >= 0 && place.grow)
		r = fat_folder_append(volume, &folder, clusters.numbers[clusters.count - 1], err);
	if (r >= 0)
		r = fat_place_put(volume, &folder, &place, &set, err);
	return r < 0 ? r : fat_finish(volume, err);
}

int fat_volume_create(struct fat_volume *volume, const char *path, const void *data, size_t size,
	int64_t time, struct error **err)
{
	return fat_settle(volume, create(volume, path, data, size, time, err), path, err);
}

/* The chain is whole and nobody else's. */
static int check_chain(struct fat_volume *volume, uint32_t cluster, struct error **err)
{
	for (uint32_t count = 0; cluster != FAT32_END; count++) {
		int r;

		if (!fat_geometry_has(&volume->geometry, cluster))
			return error_set(err, -EBADMSG, "its cluster %u does not exist", cluster);
		if (count == volume->geometry.clusters || bit_get(volume->shared, cluster))
			return error_set(err, -EBADMSG,
				"cluster %u belongs to something else, too, or comes twice", cluster);
		r = fat_chain_next(volume, &cluster, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int free_chain(struct fat_volume *volume, uint32_t cluster, struct error **err)
{
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};

	while (cluster != FAT32_END) {
		uint32_t next = cluster;
		int r = fat_chain_next(volume, &next, err);

		if (r >= 0)
			r = fat_table_put(&edit, cluster, 0, err);
		if (r < 0)
			return r;
		bit_clear(volume->reached, cluster);
		volume->free++;
		volume->table_free++;
		cluster = next;
	}
	return fat_table_write(&edit, err);
}

static int remove_set(struct fat_volume *volume, struct fat_folder *folder, const struct fat_set *set,
	uint32_t cluster, struct error **err)
{
	int r = fat_begin(volume, err);

	fat_folder_free(folder, set->first, set->last + 1);
	if (r >= 0)
		r = fat_folder_write(volume, folder, set->last / SECTOR_ENTRIES, err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	if (r >= 0)
		r = fat_folder_write_rest(volume, folder, set, err);
	if (r >= 0)
		r = free_chain(volume, cluster, err);
	return r < 0 ? r : fat_finish(volume, err);
}

static int remove_file(struct fat_volume *volume, const char *path, struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	uint32_t cluster;
	const char *name;
	struct fat_set set;
	int r = fat_check_usable(volume, err);

	if (r >= 0)
		r = fat_locate(volume, path, &folder, &name, err);
	if (r < 0)
		return r;
	if (!fat_folder_find(&folder, name, &set))
		return error_set(err, -ENOENT, "there is no such file");
	if (set.entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER)
		return error_set(err, -EISDIR, "it is a folder");
	cluster = fat_entry_cluster(set.entry);
	if (cluster == 0 && read_le32(set.entry + ENTRY_FILE_SIZE) == 0)
		cluster = FAT32_END;
	r = check_chain(volume, cluster, err);
	return r < 0 ? r : remove_set(volume, &folder, &set, cluster, err);
}

int fat_volume_remove(struct fat_volume *volume, const char *path, struct error **err)
{
	return fat_settle(volume, remove_file(volume, path, err), path, err);
}
