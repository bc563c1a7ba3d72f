/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FAT reader, for file systems of anybody's making. Two things bound what a hostile one can cost: every
 * number of the boot sector is checked against the size of what it stands in, and every cluster is noted when
 * a file or folder claims it, so that neither loops nor shared chains are followed.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "base/utf16.h"
#include "format/fat-layout.h"
#include "format/fat.h"

#define DEPTH_MAX 64	  /* folders in folders */
#define TABLE_WINDOW 4096 /* bytes of the allocation table that are in memory */

/* A long name being put together from its parts; *next* is the order that the next part must have. */
struct long_name {
	uint16_t units[20 * LONG_UNITS];
	size_t count;
	unsigned next;
	uint8_t checksum;
	bool open;
};

struct reader {
	int fd;
	uint64_t offset, size; /* of the file system on *fd* */
	uint64_t max;	       /* bytes of files that may still come */
	struct tree *tree;
	struct fat_info info;

	uint64_t table, table_size; /* bytes from the beginning of the file system */
	uint64_t root, root_size;   /* of FAT12 and FAT16 */
	uint32_t root_cluster;	    /* of FAT32 */
	uint64_t data;		    /* where cluster 2 begins */

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

static bool is_sector_size(uint32_t size)
{
	return is_power_of_two_u64(size) && size >= 512 && size <= 4096;
}

/* Works out where everything is. Each part is checked to end within the file system. */
static int place_parts(struct reader *reader, const uint8_t *boot, struct error **err)
{
	uint32_t sector = read_le16(boot + BOOT_BYTES_PER_SECTOR);
	uint32_t reserved = read_le16(boot + BOOT_RESERVED_SECTORS);
	uint64_t sectors = read_le16(boot + BOOT_SECTORS_16) ?: read_le32(boot + BOOT_SECTORS_32);
	uint64_t table = read_le16(boot + BOOT_FAT_SECTORS_16) ?: read_le32(boot + BOOT_FAT_SECTORS_32);
	uint64_t root = div_round_up_u64((uint64_t)read_le16(boot + BOOT_ROOT_ENTRIES) * ENTRY_SIZE, sector);
	uint64_t before = reserved + boot[BOOT_FATS] * table + root;
	uint64_t clusters;

	if (sectors > reader->size / sector)
		return error_set(err, -EBADMSG,
			"a file system of %ju sectors of %u bytes in %ju bytes: is it cut off?",
			(uintmax_t)sectors, sector, (uintmax_t)reader->size);
	if (before >= sectors || reserved == 0 || table == 0 || boot[BOOT_FATS] == 0)
		return error_set(err, -EBADMSG, "the boot sector leaves no room for data");
	clusters = (sectors - before) / boot[BOOT_SECTORS_PER_CLUSTER];
	if (clusters == 0 || clusters > FAT32_CLUSTERS_MAX)
		return error_set(err, -EBADMSG, "%ju clusters are not possible", (uintmax_t)clusters);
	reader->info.sector_size = sector;
	reader->info.cluster_size = sector * boot[BOOT_SECTORS_PER_CLUSTER];
	reader->info.clusters = (uint32_t)clusters;
	reader->info.bits = clusters <= FAT12_CLUSTERS_MAX ? 12 : clusters <= FAT16_CLUSTERS_MAX ? 16 : 32;
	reader->table = (uint64_t)reserved * sector;
	reader->table_size = table * sector;
	reader->root_size = (uint64_t)read_le16(boot + BOOT_ROOT_ENTRIES) * ENTRY_SIZE;
	reader->data = before * sector;
	reader->root = reader->data - root * sector;
	if (reader->table_size * 8 / reader->info.bits < clusters + FAT_FIRST_CLUSTER)
		return error_set(err, -EBADMSG, "the allocation table is too small for %ju clusters",
			(uintmax_t)clusters);
	return 0;
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
	if (read_le16(boot + BOOT_END) != 0xaa55 || (boot[0] != 0xeb && boot[0] != 0xe9) ||
		!is_sector_size(read_le16(boot + BOOT_BYTES_PER_SECTOR)) ||
		!is_power_of_two_u64(boot[BOOT_SECTORS_PER_CLUSTER]))
		return error_set(err, -EMEDIUMTYPE, "no FAT file system");
	r = place_parts(reader, boot, err);
	if (r < 0)
		return r;
	if ((reader->info.bits == 32) != (reader->root_size == 0))
		return error_set(err, -EBADMSG, "a root folder of %ju bytes is not possible with %u clusters",
			(uintmax_t)reader->root_size, reader->info.clusters);
	reader->root_cluster = read_le32(boot + BOOT_ROOT_CLUSTER);
	extended = reader->info.bits == 32 ? boot + BOOT_SIGNATURE : boot + BOOT_16_SIGNATURE;
	if (*extended == 0x29) {
		reader->info.volume_id = read_le32(extended + BOOT_VOLUME_ID - BOOT_SIGNATURE);
		copy_label(extended + BOOT_LABEL - BOOT_SIGNATURE, reader->info.label);
	}
	return 0;
}

/* One byte of the first allocation table. place_parts() has seen that it is in there. */
static int table_byte(struct reader *reader, uint64_t at, uint8_t *ret, struct error **err)
{
	uint64_t window = at - at % TABLE_WINDOW;
	int r;

	if (reader->window_at != window) {
		reader->window_at = UINT64_MAX;
		r = read_at(reader, reader->table + window, reader->window,
			(size_t)MIN(TABLE_WINDOW, reader->table_size - window), err);
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

	if (cluster < FAT_FIRST_CLUSTER || index >= reader->info.clusters)
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
		uint64_t at = (uint64_t)(cluster - FAT_FIRST_CLUSTER) * reader->info.cluster_size;
		size_t n = (size_t)MIN(limit - ret->size, reader->info.cluster_size);
		uint8_t *data;

		r = claim(reader, cluster, err);
		if (r < 0)
			return r;
		data = buffer_extend(ret, n);
		if (!data)
			return error_set_errno(err, -ENOMEM, "%ju bytes", (uintmax_t)size);
		r = read_at(reader, reader->data + at, data, n, err);
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

/* UTC; a date that is none is the beginning of the file system's calendar. */
static int64_t time_of(const uint8_t *entry)
{
	uint16_t date = read_le16(entry + ENTRY_DATE), time = read_le16(entry + ENTRY_TIME);
	struct tm tm = {
		.tm_year = (date >> 9) + 80,
		.tm_mon = MAX(date >> 5 & 15, 1) - 1,
		.tm_mday = MAX(date & 31, 1),
		.tm_hour = time >> 11,
		.tm_min = time >> 5 & 63,
		.tm_sec = 2 * (time & 31),
	};

	return timegm(&tm);
}

/* Takes one part of a long name; parts that don't follow each other leave no name. */
static void take_long_part(struct long_name *name, const uint8_t *entry)
{
	unsigned order = entry[LONG_ORDER] & ~LONG_LAST;

	if (entry[LONG_ORDER] & LONG_LAST) {
		name->open = order >= 1 && order <= ARRAY_SIZE(name->units) / LONG_UNITS;
		name->checksum = entry[LONG_CHECKSUM];
		name->count = order * LONG_UNITS;
	} else if (order != name->next || entry[LONG_CHECKSUM] != name->checksum || order == 0) {
		name->open = false;
	}
	if (!name->open)
		return;
	for (size_t i = 0; i < LONG_UNITS; i++)
		name->units[(order - 1) * LONG_UNITS + i] = read_le16(entry + fat_long_unit_offset(i));
	name->next = order - 1;
}

/* Appends the characters of a short name's part. Bytes beyond ASCII are of a code page that nothing names. */
static char *append_short(char *at, const uint8_t *part, size_t size, bool lower)
{
	while (size > 0 && part[size - 1] == ' ')
		size--;
	for (size_t i = 0; i < size; i++) {
		uint8_t c = part[i];

		if (c < 0x20 || c >= 0x7f)
			c = '_';
		*at++ = (char)(lower && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	return at;
}

/* Sizes of the result: a long name as UTF-8; eight and three characters, a dot and a NUL are fewer. */
static void name_of(const struct long_name *name, const uint8_t *entry, char ret[UTF8_SIZE(LONG_NAME_MAX)])
{
	uint8_t letters[SHORT_NAME_SIZE];
	char *at = ret;

	if (name->open && name->next == 0 && name->checksum == fat_short_checksum(entry)) {
		(void)utf16_to_utf8(name->units, MIN(name->count, (size_t)LONG_NAME_MAX), ret);
		return;
	}
	memcpy(letters, entry, sizeof(letters));
	if (letters[0] == 0x05) /* stands for 0xe5, which would mark a free entry */
		letters[0] = 0xe5;
	at = append_short(at, letters, 8, entry[ENTRY_CASE] & 8);
	if (letters[8] != ' ') {
		*at++ = '.';
		at = append_short(at, letters + 8, 3, entry[ENTRY_CASE] & 16);
	}
	*at = 0;
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
	const struct tree_attributes attributes = {.mode = 0755, .mtime = time_of(entry)};
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
	const struct tree_attributes attributes = {.mode = 0644, .mtime = time_of(entry)};
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

/* A name from outside must be one component of a path. */
static bool is_component(const char *name)
{
	return *name && !strchr(name, '/') && !streq(name, ".") && !streq(name, "..");
}

static int read_entry(struct reader *reader, const char *folder, const struct long_name *long_name,
	const uint8_t *entry, unsigned depth, struct error **err)
{
	char name[UTF8_SIZE(LONG_NAME_MAX)];
	_cleanup_free_ char *path = NULL;
	int r;

	name_of(long_name, entry, name);
	if (!is_component(name))
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
	struct long_name name = {};
	int r;

	for (size_t at = 0; at + ENTRY_SIZE <= entries->size; at += ENTRY_SIZE) {
		const uint8_t *entry = entries->data + at;
		uint8_t attributes = entry[ENTRY_ATTRIBUTES] & ATTRIBUTE_MASK;

		if (entry[0] == 0) /* nothing follows */
			break;
		if (entry[0] == 0xe5) { /* free */
			name.open = false;
		} else if (attributes == ATTRIBUTE_LONG_NAME) {
			take_long_part(&name, entry);
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
		r = read_chain(reader, reader->root_cluster, UINT64_MAX, &entries, err);
	} else {
		data = buffer_extend(&entries, (size_t)reader->root_size);
		if (!data)
			return error_set_errno(err, -ENOMEM, "FAT");
		r = read_at(reader, reader->root, data, (size_t)reader->root_size, err);
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
