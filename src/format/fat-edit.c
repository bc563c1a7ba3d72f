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

#define PIECE_ALIGN 4096 /* so that what opens the disk past caches needs no copy */

/* Notes that a write failed: nobody knows what it did. */
static int written(struct fat_volume *volume, int r)
{
	volume->failed = volume->failed || r < 0;
	return r;
}

/* How many of the clusters from the first on are next to each other, *max* at most. */
static size_t run_of(const uint32_t *numbers, size_t count, size_t max)
{
	size_t run = 1;

	while (run < MIN(count, max) && numbers[run] == numbers[run - 1] + 1)
		run++;
	return run;
}

/* Writes the content of a file, whole sectors, the last one filled up with zeros. */
static int copy_content(struct fat_volume *volume, const struct fat_clusters *clusters,
	const struct fat_source *source, uint8_t *piece, size_t max, struct error **err)
{
	const size_t unit = volume->geometry.cluster_size;
	uint64_t left = source->size;

	for (size_t i = 0; left > 0;) {
		size_t run = run_of(clusters->numbers + i, clusters->count - i, max),
		       n = (size_t)MIN((uint64_t)run * unit, left),
		       whole = (size_t)round_up_u64(n, BLOCK_SECTOR);
		int r = source->read(piece, n, source->userdata, err);

		if (r < 0)
			return r;
		memset(piece + n, 0, whole - n);
		r = fat_volume_write_at(volume, fat_geometry_offset(&volume->geometry, clusters->numbers[i]),
			piece, whole, err);
		if (r < 0)
			return written(volume, r);
		left -= n;
		i += run;
	}
	return 0;
}

/*
 * Brings the bytes into clusters that are free and stay free: until there is a chain, nothing leads there.
 * *clusters*: the file's, and the one by which the folder grows, which becomes empty.
 */
static int write_content(struct fat_volume *volume, const struct fat_clusters *clusters,
	const struct fat_source *source, struct error **err)
{
	const size_t unit = volume->geometry.cluster_size, max = MAX(FAT_PIECE_MAX / unit, 1u),
		     count = (size_t)div_round_up_u64(source->size, unit);
	const struct fat_clusters file = {.numbers = clusters->numbers, .count = count};
	_cleanup_free_ void *piece = NULL;
	int r;

	if (posix_memalign(&piece, PIECE_ALIGN, max * unit) != 0)
		return error_set_errno(err, -ENOMEM, "%zu bytes", max * unit);
	r = copy_content(volume, &file, source, piece, max, err);
	if (r >= 0 && source->check)
		r = source->check(source->userdata, err);
	if (r >= 0 && clusters->count > count)
		r = written(volume, fat_write_zeros(volume, clusters->numbers[count], err));
	return r;
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

/* Finds out all that can be in the way, before anything is written. */
static int plan_file(struct fat_volume *volume, const struct fat_folder *folder, const char *name,
	uint64_t size, int64_t time, struct fat_new_set *ret_set, struct fat_place *ret_place,
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

/* The file's content is on its way to the disk, in *clusters*: all the rest. */
static int publish(struct fat_volume *volume, struct fat_folder *folder, const struct fat_clusters *clusters,
	const struct fat_place *place, const struct fat_new_set *set, struct error **err)
{
	int r = fat_begin(volume, err); /* flushes the content, too */

	fat_clusters_take(volume, clusters);
	if (r >= 0)
		r = chain(volume, clusters, clusters->count - place->grow, err);
	if (r >= 0)
		r = fat_volume_flush(volume, err);
	if (r >= 0 && place->grow)
		r = fat_folder_append(volume, folder, clusters->numbers[clusters->count - 1], err);
	if (r >= 0)
		r = fat_place_put(volume, folder, place, set, err);
	return r < 0 ? r : fat_finish(volume, err);
}

static int create(struct fat_volume *volume, const char *path, const struct fat_source *source, int64_t time,
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
		r = plan_file(volume, &folder, name, source->size, time, &set, &place, &clusters, err);
	if (r >= 0)
		r = write_content(volume, &clusters, source, err);
	return r < 0 ? r : publish(volume, &folder, &clusters, &place, &set, err);
}

int fat_volume_create_from(struct fat_volume *volume, const char *path, const struct fat_source *source,
	int64_t time, struct error **err)
{
	return fat_settle(volume, create(volume, path, source, time, err), path, err);
}

/* What is still to come of bytes in memory. */
static int read_bytes(void *data, size_t size, void *userdata, _unused_ struct error **err)
{
	const uint8_t **at = userdata;

	memcpy(data, *at, size);
	*at += size;
	return 0;
}

int fat_volume_create(struct fat_volume *volume, const char *path, const void *data, size_t size,
	int64_t time, struct error **err)
{
	const uint8_t *at = data;
	const struct fat_source source = {.size = size, .read = read_bytes, .userdata = &at};

	return fat_volume_create_from(volume, path, &source, time, err);
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
