/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders of a FAT32 file system that is open for changes: paths, lists, and the content of files. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/fat-volume.h"

#define READ_MAX MiB(1) /* bytes of clusters in a row that are read at a time */

void fat_folder_release(struct fat_folder *folder)
{
	free(folder->data);
	free(folder->clusters);
	*folder = (struct fat_folder){};
}

int fat_folder_load(struct fat_volume *volume, uint32_t cluster, struct fat_folder *ret, struct error **err)
{
	const size_t size = volume->geometry.cluster_size;
	const size_t max = (size_t)div_round_up_u64(FOLDER_SIZE_MAX, size);
	_cleanup_buffer_ struct buffer data = {}, clusters = {};
	int r;

	if (!fat_geometry_has(&volume->geometry, cluster))
		return error_set(err, -EBADMSG, "its cluster %u does not exist", cluster);
	while (cluster != FAT32_END) {
		uint32_t *number = buffer_extend(&clusters, sizeof(*number));
		uint8_t *at = buffer_extend(&data, size);

		if (!number || !at)
			return error_set_errno(err, -ENOMEM, "a folder");
		*number = cluster;
		if (clusters.size / sizeof(*number) > max)
			return error_set(
				err, -EBADMSG, "the folder is longer than may be: its clusters loop");
		r = fat_volume_read_at(
			volume, fat_geometry_offset(&volume->geometry, cluster), at, size, err);
		if (r >= 0)
			r = fat_chain_next(volume, &cluster, err);
		if (r < 0)
			return r;
	}
	ret->cluster_count = clusters.size / sizeof(uint32_t);
	ret->clusters = (uint32_t *)(void *)TAKE_PTR(clusters.data);
	ret->count = MIN(data.size, FOLDER_SIZE_MAX) / ENTRY_SIZE;
	ret->data = TAKE_PTR(data.data);
	return 0;
}

size_t fat_folder_end(const struct fat_folder *folder)
{
	size_t at = 0;

	while (at < folder->count && folder->data[at * ENTRY_SIZE] != ENTRY_END)
		at++;
	return at;
}

uint64_t fat_folder_sector_at(const struct fat_volume *volume, const struct fat_folder *folder, size_t index)
{
	uint64_t at = (uint64_t)index * BLOCK_SECTOR;
	uint32_t cluster;

	assert(folder->clusters);
	cluster = folder->clusters[at / volume->geometry.cluster_size];
	return fat_geometry_offset(&volume->geometry, cluster) + at % volume->geometry.cluster_size;
}

bool fat_folder_next(const struct fat_folder *folder, size_t *at, struct fat_set *ret)
{
	struct fat_long_parts parts = {};
	size_t first = 0;

	for (; *at < folder->count; (*at)++) {
		const uint8_t *entry = folder->data + *at * ENTRY_SIZE;
		uint8_t attributes = entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_MASK;

		if (entry[0] == ENTRY_END)
			return false;
		if (entry[0] != ENTRY_FREE && attributes == ATTRIBUTE_LONG_NAME) {
			if (entry[LONG_ORDER] & LONG_LAST)
				first = *at;
			fat_long_parts_take(&parts, entry);
			continue;
		}
		if (entry[0] == ENTRY_FREE || entry[0] == '.' || attributes & ATTRIBUTE_LABEL) {
			parts.open = false;
			continue;
		}
		ret->last = (*at)++;
		ret->first = fat_long_parts_belong(&parts, entry) ? first : ret->last;
		memcpy(ret->entry, entry, ENTRY_SIZE);
		fat_entry_name(&parts, entry, ret->name);
		fat_entry_short_name(entry, ret->alias);
		return true;
	}
	return false;
}

bool fat_folder_find(const struct fat_folder *folder, const char *name, struct fat_set *ret)
{
	for (size_t at = 0; fat_folder_next(folder, &at, ret);)
		if (strcasecmp(ret->name, name) == 0 || strcasecmp(ret->alias, name) == 0)
			return true;
	return false;
}

/* Goes from *folder to the one in it that is called the *length* bytes at *name*. */
static int enter(struct fat_volume *volume, struct fat_folder *folder, const char *name, size_t length,
	struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder next = {};
	char component[UTF8_SIZE(LONG_NAME_MAX)];
	struct fat_set set;
	int r;

	if (length >= sizeof(component))
		return error_set(err, -ENOENT, "there is no such folder");
	memcpy(component, name, length);
	component[length] = 0;
	if (!fat_folder_find(folder, component, &set))
		return error_set(err, -ENOENT, "there is no folder '%s'", component);
	if (!(set.entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER))
		return error_set(err, -ENOTDIR, "'%s' is no folder", component);
	next.entry_at = fat_folder_sector_at(volume, folder, set.last / SECTOR_ENTRIES) +
			set.last % SECTOR_ENTRIES * ENTRY_SIZE;
	r = fat_folder_load(volume, fat_entry_cluster(set.entry), &next, err);
	if (r < 0)
		return r;
	fat_folder_release(folder);
	*folder = next;
	next = (struct fat_folder){};
	return 0;
}

/* Loads the folder that the *length* bytes at *path* lead to. */
static int load_path(struct fat_volume *volume, const char *path, size_t length, struct fat_folder *ret,
	struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	const char *end = path + length;
	int r = fat_folder_load(volume, volume->geometry.root_cluster, &folder, err);

	while (r >= 0 && path < end) {
		size_t n = 0;

		while (path + n < end && path[n] != '/')
			n++;
		if (n > 0)
			r = enter(volume, &folder, path, n, err);
		path += n + (path + n < end);
	}
	if (r < 0)
		return r;
	*ret = folder;
	folder = (struct fat_folder){};
	return 0;
}

int fat_locate(struct fat_volume *volume, const char *path, struct fat_folder *ret, const char **ret_name,
	struct error **err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int r;

	if (!fat_name_is_component(name))
		return error_set(err, -EINVAL, "'%s' names no file", path);
	r = load_path(volume, path, (size_t)(name - path), ret, err);
	if (r >= 0)
		*ret_name = name;
	return r;
}

static int list(
	struct fat_volume *volume, const char *path, fat_entry_fn fn, void *userdata, struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	struct fat_set set;
	int r = load_path(volume, path, strlen(path), &folder, err);

	for (size_t at = 0; r == 0 && fat_folder_next(&folder, &at, &set);) {
		const struct fat_entry entry = {
			.name = set.name,
			.alias = set.alias,
			.is_folder = set.entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER,
			.size = read_le32(set.entry + ENTRY_FILE_SIZE),
			.time = fat_entry_time(set.entry),
		};

		if (!fat_name_is_component(set.name))
			return error_set(err, -EBADMSG, "'%s' can't be a name", set.name);
		r = fn(&entry, userdata);
	}
	return r;
}

/* Wraps the error that goes with *r*, if there is one, with the path. */
static int with_path(int r, const char *path, struct error **err)
{
	if (r < 0 && err && *err)
		(void)error_wrap(err, "/%s", path);
	return r;
}

int fat_volume_list(
	struct fat_volume *volume, const char *folder, fat_entry_fn fn, void *userdata, struct error **err)
{
	return with_path(list(volume, folder, fn, userdata, err), folder, err);
}

/* How many clusters in a row the chain has from *cluster on, of *max; moves *cluster behind them. */
static int take_run(struct fat_volume *volume, uint32_t *cluster, size_t max, size_t *ret, struct error **err)
{
	uint32_t before;
	size_t count = 0;
	int r;

	do {
		before = *cluster;
		r = fat_chain_next(volume, cluster, err);
		if (r < 0)
			return r;
		count++;
	} while (count < max && *cluster == before + 1);
	*ret = count;
	return 0;
}

static int read_chain(struct fat_volume *volume, uint32_t cluster, size_t size, fat_bytes_fn fn,
	void *userdata, struct error **err)
{
	const size_t unit = volume->geometry.cluster_size, most = MAX(READ_MAX / unit, 1u);
	_cleanup_free_ uint8_t *piece = malloc(most * unit);
	int r = piece ? 0 : error_set_errno(err, -ENOMEM, "%zu bytes", most * unit);

	for (size_t left = size; r >= 0 && left > 0;) {
		uint64_t from;
		size_t run, n;

		if (!fat_geometry_has(&volume->geometry, cluster))
			return error_set(
				err, -EBADMSG, "its clusters end at byte %zu of %zu", size - left, size);
		from = fat_geometry_offset(&volume->geometry, cluster);
		r = take_run(volume, &cluster, (size_t)MIN(most, div_round_up_u64(left, unit)), &run, err);
		if (r < 0)
			return r;
		n = MIN(run * unit, left);
		r = fat_volume_read_at(volume, from, piece, n, err);
		if (r >= 0)
			r = fn(piece, n, userdata, err);
		left -= n;
	}
	return r;
}

static int read_file(struct fat_volume *volume, const char *path, uint64_t max, fat_bytes_fn fn,
	void *userdata, struct error **err)
{
	_cleanup_fat_folder_ struct fat_folder folder = {};
	const char *name;
	struct fat_set set;
	uint32_t size;
	int r = fat_locate(volume, path, &folder, &name, err);

	if (r < 0)
		return r;
	if (!fat_folder_find(&folder, name, &set))
		return error_set(err, -ENOENT, "there is no such file");
	if (set.entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER)
		return error_set(err, -EISDIR, "it is a folder");
	size = read_le32(set.entry + ENTRY_FILE_SIZE);
	if (size > max)
		return error_set(err, -EFBIG, "it has %u bytes, more than %ju", size, (uintmax_t)max);
	if (size > volume->geometry.clusters * (uint64_t)volume->geometry.cluster_size)
		return error_set(err, -EBADMSG, "it has %u bytes, more than the file system", size);
	return size > 0 ? read_chain(volume, fat_entry_cluster(set.entry), size, fn, userdata, err) : 0;
}

int fat_volume_read_to(struct fat_volume *volume, const char *path, uint64_t max, fat_bytes_fn fn,
	void *userdata, struct error **err)
{
	return with_path(read_file(volume, path, max, fn, userdata, err), path, err);
}

static int append(const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct buffer *buffer = userdata;

	buffer_append(buffer, data, size);
	return buffer_failed(buffer) ? error_set_errno(err, -ENOMEM, "%zu bytes", size) : 0;
}

int fat_volume_read(
	struct fat_volume *volume, const char *path, uint64_t max, struct buffer *ret, struct error **err)
{
	const size_t begin = ret->size;
	int r = fat_volume_read_to(volume, path, max, append, ret, err);

	if (r < 0)
		ret->size = MIN(begin, ret->size);
	return r;
}
