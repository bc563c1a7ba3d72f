/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FAT reader, for file systems of anybody's making. Two things bound what a hostile one can cost: every
 * number of the boot sector is checked against the size of what it stands in, and every cluster is noted when
 * a file or folder claims it, so that neither loops nor shared chains are followed.
 */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "format/fat-layout.h"
#include "format/fat.h"

#define DEPTH_MAX 64	  /* folders in folders */
#define TABLE_WINDOW 4096 /* bytes of the allocation table that are in memory */

struct reader {
	int fd;
	uint64_t offset, size; /* of the file system on *fd* */
	uint64_t max;	       /* bytes of files that may still come */
	struct tree *tree;
	struct fat_info info;

	struct fat_geometry geometry;
	uint8_t *claimed; /* a bit for each cluster */
	uint8_t window[TABLE_WINDOW];
	uint64_t window_at; /* UINT64_MAX: empty */
};

static void reader_release(struct reader *reader)
{
	tree_free(reader->tree);
	free(reader->claimed);
}

static int read_at(const struct reader *reader, uint64_t at, void *data, size_t size, struct error **err)
{
	int r = pread_full(reader->fd, data, size, reader->offset + at);

	return r < 0 ? error_set_errno(err, r == -ENODATA ? -EIO : r, "byte %ju", (uintmax_t)at) : 0;
}

/* A label as text: up to its first NUL, without the spaces at its end, other than printable ASCII as "?". */
static void copy_label(const uint8_t *label, char ret[FAT_LABEL_SIZE])
{
	size_t length = 0;

	for (size_t i = 0; i < SHORT_NAME_SIZE && label[i]; i++) {
		ret[i] = (char)(label[i] >= 0x20 && label[i] < 0x7f ? label[i] : '?');
		if (label[i] != ' ')
			length = i + 1;
	}
	ret[length] = 0;
}

static int read_boot_sector(struct reader *reader, struct error **err)
{
	uint8_t boot[512];
	const uint8_t *extended;
	int r;

	if (reader->size < sizeof(boot))
		return error_set(err, -EMEDIUMTYPE, "too small for a FAT file system");
	r = read_at(reader, 0, boot, sizeof(boot), err);
	if (r < 0)
		return r;
	r = fat_geometry_parse(boot, reader->size, &reader->geometry, err);
	if (r < 0)
		return r;
	reader->info.bits = reader->geometry.bits;
	reader->info.sector_size = reader->geometry.sector_size;
	reader->info.cluster_size = reader->geometry.cluster_size;
	reader->info.clusters = reader->geometry.clusters;
	extended = reader->info.bits == 32 ? boot + BOOT_SIGNATURE : boot + BOOT_16_SIGNATURE;
	if (*extended == 0x29) {
		reader->info.volume_id = read_le32(extended + BOOT_VOLUME_ID - BOOT_SIGNATURE);
		copy_label(extended + BOOT_LABEL - BOOT_SIGNATURE, reader->info.label);
	}
	return 0;
}

/* One byte of the first allocation table. fat_geometry_parse() has seen that it is in there. */
static int table_byte(struct reader *reader, uint64_t at, uint8_t *ret, struct error **err)
{
	uint64_t window = at - at % TABLE_WINDOW;
	int r;

	if (reader->window_at != window) {
		reader->window_at = UINT64_MAX;
		r = read_at(reader, reader->geometry.table + window, reader->window,
			(size_t)MIN(TABLE_WINDOW, reader->geometry.table_size - window), err);
		if (r < 0)
			return r;
		reader->window_at = window;
	}
	*ret = reader->window[at % TABLE_WINDOW];
	return 0;
}

/* What the table says of a cluster: the next one, 0 for a free one, FAT32_END for the last. */
static int table_entry(struct reader *reader, uint32_t cluster, uint32_t *ret, struct error **err)
{
	unsigned bits = reader->info.bits;
	uint64_t at = (uint64_t)cluster * bits / 8;
	uint32_t value = 0, end;

	for (unsigned i = 0; i < (bits + 7) / 8; i++) {
		uint8_t byte = 0;
		int r = table_byte(reader, at + i, &byte, err);

		if (r < 0)
			return r;
		value |= (uint32_t)byte << (8 * i);
	}
	if (bits == 12)
		value = cluster & 1 ? value >> 4 : value & 0xfff;
	if (bits == 32)
		value &= FAT32_END; /* the upper four bits are reserved */
	end = bits == 12 ? 0xff8 : bits == 16 ? 0xfff8 : 0x0ffffff8;
	*ret = value >= end ? FAT32_END : value;
	return 0;
}

/* Notes that *cluster* belongs to whoever is being read. */
static int claim(struct reader *reader, uint32_t cluster, struct error **err)
{
	uint32_t index = cluster - FAT_FIRST_CLUSTER;

	if (!fat_geometry_has(&reader->geometry, cluster))
		return error_set(err, -EBADMSG, "cluster %u does not exist", cluster);
	if (reader->claimed[index / 8] & 1u << index % 8)
		return error_set(
			err, -EBADMSG, "cluster %u belongs to something else, or comes twice", cluster);
	reader->claimed[index / 8] = (uint8_t)(reader->claimed[index / 8] | 1u << index % 8);
	return 0;
}

/*
 * Reads the chain that begins at *cluster* to its end, or its first *size* bytes. At most FOLDER_ENTRIES_MAX
 * entries where *size* is UINT64_MAX.
 */
static int read_chain(
	struct reader *reader, uint32_t cluster, uint64_t size, struct buffer *ret, struct error **err)
{
	const uint64_t limit = size == UINT64_MAX ? FOLDER_ENTRIES_MAX * ENTRY_SIZE : size;
	int r;

	while (ret->size < limit && cluster != FAT32_END) {
		size_t n = (size_t)MIN(limit - ret->size, reader->info.cluster_size);
		uint8_t *data;

		r = claim(reader, cluster, err);
		if (r < 0)
			return r;
		data = buffer_extend(ret, n);
		if (!data)
			return error_set_errno(err, -ENOMEM, "%ju bytes", (uintmax_t)size);
		r = read_at(reader, fat_geometry_offset(&reader->geometry, cluster), data, n, err);
		if (r == 0)
			r = table_entry(reader, cluster, &cluster, err);
		if (r < 0)
			return r;
	}
	if (size != UINT64_MAX && ret->size < size)
		return error_set(
			err, -EBADMSG, "its clusters end at byte %zu of %ju", ret->size, (uintmax_t)size);
	return 0;
}

static int read_folder(struct reader *reader, const char *path, const struct buffer *entries, unsigned depth,
	struct error **err);

static uint32_t cluster_of(const struct reader *reader, const uint8_t *entry)
{
	uint32_t high = reader->info.bits == 32 ? read_le16(entry + ENTRY_CLUSTER_HIGH) : 0;

	return high << 16 | read_le16(entry + ENTRY_CLUSTER_LOW);
}

static int read_subfolder(
	struct reader *reader, const char *path, const uint8_t *entry, unsigned depth, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0755, .mtime = fat_entry_time(entry)};
	_cleanup_buffer_ struct buffer entries = {};
	int r;

	if (depth == DEPTH_MAX)
		return error_set(err, -EBADMSG, "more than %d folders in each other", DEPTH_MAX);
	r = tree_add_folder(reader->tree, path, &attributes, NULL, err);
	if (r < 0)
		return r;
	r = read_chain(reader, cluster_of(reader, entry), UINT64_MAX, &entries, err);
	if (r < 0) {
		(void)error_wrap(err, "/%s", path);
		return r;
	}
	return read_folder(reader, path, &entries, depth + 1, err);
}

static int read_file(struct reader *reader, const char *path, const uint8_t *entry, struct error **err)
{
	const struct tree_attributes attributes = {.mode = 0644, .mtime = fat_entry_time(entry)};
	_cleanup_content_ struct content *content = NULL;
	_cleanup_buffer_ struct buffer data = {};
	uint32_t size = read_le32(entry + ENTRY_FILE_SIZE);
	int r;

	if (size > reader->max)
		return error_set(err, -EFBIG, "the files are larger than they may be");
	reader->max -= size;
	r = size > 0 ? read_chain(reader, cluster_of(reader, entry), size, &data, err) : 0;
	if (r < 0)
		return r;
	content = content_new(TAKE_PTR(data.data), data.size);
	if (!content)
		return error_set_errno(err, -ENOMEM, "%u bytes", size);
	return tree_add_file(reader->tree, path, &attributes, content, NULL, err);
}

static int read_entry(struct reader *reader, const char *folder, const struct fat_long_parts *long_name,
	const uint8_t *entry, unsigned depth, struct error **err)
{
	char name[UTF8_SIZE(LONG_NAME_MAX)];
	_cleanup_free_ char *path = NULL;
	int r;

	fat_entry_name(long_name, entry, name);
	if (!fat_name_is_component(name))
		return error_set(err, -EBADMSG, "/%s: '%s' can't be a name", folder, name);
	path = string_format("%s%s%s", folder, *folder ? "/" : "", name);
	if (!path)
		return error_set_errno(err, -ENOMEM, "FAT");
	if (strlen(path) > 4096)
		return error_set(err, -EBADMSG, "/%s: path too long", folder);
	if (tree_lookup(reader->tree, path))
		return error_set(err, -EBADMSG, "/%s: the name comes twice", path);
	if (entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_FOLDER)
		return read_subfolder(reader, path, entry, depth, err);
	r = read_file(reader, path, entry, err);
	if (r < 0)
		(void)error_wrap(err, "/%s", path);
	return r;
}

static int read_folder(struct reader *reader, const char *path, const struct buffer *entries, unsigned depth,
	struct error **err)
{
	struct fat_long_parts name = {};
	int r;

	for (size_t at = 0; at + ENTRY_SIZE <= entries->size; at += ENTRY_SIZE) {
		const uint8_t *entry = entries->data + at;
		uint8_t attributes = entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_MASK;

		if (entry[0] == ENTRY_END)
			break;
		if (entry[0] == ENTRY_FREE) {
			name.open = false;
		} else if (attributes == ATTRIBUTE_LONG_NAME) {
			fat_long_parts_take(&name, entry);
		} else if (attributes & ATTRIBUTE_LABEL) {
			if (depth == 0)
				copy_label(entry, reader->info.label);
			name.open = false;
		} else if (entry[0] == '.') {
			name.open = false; /* "." and "..": no other name begins so */
		} else {
			r = read_entry(reader, path, &name, entry, depth, err);
			if (r < 0)
				return r;
			name.open = false;
		}
	}
	return 0;
}

static int read_root(struct reader *reader, struct error **err)
{
	_cleanup_buffer_ struct buffer entries = {};
	void *data;
	int r;

	if (reader->info.bits == 32) {
		r = read_chain(reader, reader->geometry.root_cluster, UINT64_MAX, &entries, err);
	} else {
		data = buffer_extend(&entries, (size_t)reader->geometry.root_size);
		if (!data)
			return error_set_errno(err, -ENOMEM, "FAT");
		r = read_at(reader, reader->geometry.root, data, (size_t)reader->geometry.root_size, err);
	}
	return r < 0 ? r : read_folder(reader, "", &entries, 0, err);
}

/* Counts what the table calls free, which is what a driver would use. */
static int count_free(struct reader *reader, struct error **err)
{
	for (uint32_t i = 0; i < reader->info.clusters; i++) {
		uint32_t value = 1;
		int r = table_entry(reader, i + FAT_FIRST_CLUSTER, &value, err);

		if (r < 0)
			return r;
		reader->info.free_clusters += value == 0;
	}
	return 0;
}

int fat_read(int fd, uint64_t offset, uint64_t size, uint64_t max, struct tree **ret,
	struct fat_info *ret_info, struct error **err)
{
	_cleanup_(reader_release) struct reader reader = {
		.fd = fd, .offset = offset, .size = size, .max = max, .window_at = UINT64_MAX};
	uint64_t end;
	int r;

	if (!checked_add(offset, size, &end) || end > INT64_MAX)
		return error_set(err, -EINVAL, "%ju bytes at %ju are no range of a file", (uintmax_t)size,
			(uintmax_t)offset);
	r = read_boot_sector(&reader, err);
	if (r < 0)
		return r;
	reader.tree = tree_new();
	reader.claimed = calloc(1, div_round_up_u64(reader.info.clusters, 8));
	if (!reader.tree || !reader.claimed)
		return error_set_errno(err, -ENOMEM, "FAT");
	r = read_root(&reader, err);
	if (r == 0 && ret_info)
		r = count_free(&reader, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(reader.tree);
	if (ret_info)
		*ret_info = reader.info;
	return 0;
}
