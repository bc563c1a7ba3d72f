/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters of a FAT32 file system: found, taken, linked; and how a change ends. */
#include "format/fat-change.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void fat_clusters_release(struct fat_clusters *clusters)
{
	free(clusters->numbers);
}

int fat_clusters_find(struct fat_volume *volume, uint64_t count, struct fat_clusters *ret, struct error **err)
{
	const struct fat_geometry *geometry = &volume->geometry;

	if (count > volume->free)
		return error_set(err, -ENOSPC, "%ju bytes are needed and %ju are free",
			(uintmax_t)count * geometry->cluster_size, (uintmax_t)fat_volume_free_bytes(volume));
	ret->numbers = calloc((size_t)count + 1, sizeof(*ret->numbers));
	if (!ret->numbers)
		return error_set_errno(err, -ENOMEM, "%ju clusters", (uintmax_t)count);
	for (uint32_t cluster = FAT_FIRST_CLUSTER; ret->count < count; cluster++) {
		uint32_t value;
		int r;

		assert(fat_geometry_has(geometry, cluster));
		if (bit_get(volume->reached, cluster))
			continue;
		r = fat_table_get(volume, cluster, &value, err);
		if (r < 0)
			return r;
		if (value == 0)
			ret->numbers[ret->count++] = cluster;
	}
	return 0;
}

/* Takes them out of what is free; from here on they are the change's. */
void fat_clusters_take(struct fat_volume *volume, const struct fat_clusters *clusters)
{
	for (size_t i = 0; i < clusters->count; i++)
		bit_set(volume->reached, clusters->numbers[i]);
	volume->free -= (uint32_t)clusters->count;
	volume->table_free -= (uint32_t)clusters->count;
	if (clusters->count > 0)
		volume->last = clusters->numbers[clusters->count - 1];
}

int fat_link(struct fat_volume *volume, uint32_t cluster, uint32_t next, struct error **err)
{
	struct fat_table_edit edit = {.volume = volume, .at = UINT64_MAX};
	int r = fat_table_put(&edit, cluster, next, err);

	return r < 0 ? r : fat_table_write(&edit, err);
}

int fat_write_zeros(struct fat_volume *volume, uint32_t cluster, struct error **err)
{
	static const uint8_t zeros[4096];
	uint64_t at = fat_geometry_offset(&volume->geometry, cluster);
	int r = 0;

	for (size_t left = volume->geometry.cluster_size; r >= 0 && left > 0;) {
		size_t n = MIN(left, sizeof(zeros));

		r = fat_volume_write_at(volume, at, zeros, n, err);
		at += n;
		left -= n;
	}
	return r;
}

int fat_folder_append(
	struct fat_volume *volume, struct fat_folder *folder, uint32_t cluster, struct error **err)
{
	const size_t entries = volume->geometry.cluster_size / ENTRY_SIZE;
	uint8_t *data = realloc(folder->data, (folder->count + entries) * ENTRY_SIZE);
	uint32_t *clusters;
	int r;

	if (!data)
		return error_set_errno(err, -ENOMEM, "a folder");
	folder->data = data;
	clusters = reallocarray(folder->clusters, folder->cluster_count + 1, sizeof(*clusters));
	if (!clusters)
		return error_set_errno(err, -ENOMEM, "a folder");
	folder->clusters = clusters;
	r = fat_link(volume, clusters[folder->cluster_count - 1], cluster, err);
	if (r < 0)
		return r;
	memset(data + folder->count * ENTRY_SIZE, 0, entries * ENTRY_SIZE);
	folder->count += entries;
	clusters[folder->cluster_count++] = cluster;
	return 0;
}

int fat_check_usable(const struct fat_volume *volume, struct error **err)
{
	if (volume->failed)
		return error_set(err, -EIO, "an earlier change did not come to its end: repair it first");
	return 0;
}

/* A change that broke off may have left anything that a cut may leave. */
int fat_settle(struct fat_volume *volume, int r, const char *path, struct error **err)
{
	if (volume->changing) {
		volume->changing = false;
		volume->failed = true;
	}
	return r < 0 && err && *err ? error_wrap(err, "/%s", path) : r;
}
