/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot-loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define SECTOR 512
#define FAT_ENTRY 32
#define FAT_END 0x0ffffff8u
#define NAME_PIECE 13 /* characters that one entry of a long name has */

static uint32_t le16(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t le32(const uint8_t *at)
{
	return le16(at) | le16(at + 2) << 16;
}

static uint64_t le64(const uint8_t *at)
{
	return le32(at) | (uint64_t)le32(at + 4) << 32;
}

/* ---- Partition table ---- */

static bool table_is_whole(const uint8_t *disk, uint64_t size, uint64_t lba)
{
	uint8_t header[92];
	uint64_t entries;

	if ((lba + 1) * SECTOR > size)
		return false;
	memcpy(header, disk + lba * SECTOR, sizeof(header));
	if (memcmp(header, "EFI PART", 8) != 0 || le32(header + 12) != sizeof(header) ||
		le64(header + 24) != lba)
		return false;
	memset(header + 16, 0, 4);
	if (crc32(0, header, sizeof(header)) != le32(disk + lba * SECTOR + 16))
		return false;
	entries = le64(header + 72) * SECTOR;
	if (le32(header + 80) != 128 || le32(header + 84) != 128 || entries + 128 * 128 > size)
		return false;
	return crc32(0, disk + entries, 128 * 128) == le32(header + 88);
}

static struct loader_place place_of(const uint8_t *entries, unsigned number)
{
	const uint8_t *entry = entries + (number - 1) * 128;
	uint64_t first = le64(entry + 32), last = le64(entry + 40);

	return (struct loader_place){first * SECTOR, (last + 1 - first) * SECTOR};
}

/* The text form of an id has its first three fields the other way round. */
static void take_id(const uint8_t *entries, unsigned number, uint8_t *ret)
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (size_t i = 0; i < 16; i++)
		ret[i] = entries[(number - 1) * 128 + 16 + order[i]];
}

/* docs/formats/gpt.md: the boot partition, then two slots of three partitions each. */
static const char *read_table(const uint8_t *disk, uint64_t size, struct loader_view *view)
{
	const uint8_t *entries;
	uint64_t lba = 1;

	if (!table_is_whole(disk, size, lba) && !table_is_whole(disk, size, lba = size / SECTOR - 1))
		return "neither partition table is whole";
	entries = disk + le64(disk + lba * SECTOR + 72) * SECTOR;
	view->esp = place_of(entries, 1);
	for (unsigned i = 0; i < LOADER_SLOTS; i++) {
		struct loader_slot *slot = &view->slots[i];
		unsigned first = 2 + 3 * i;

		slot->usr = place_of(entries, first);
		slot->verity = place_of(entries, first + 1);
		slot->signature = place_of(entries, first + 2);
		take_id(entries, first, slot->root);
		take_id(entries, first + 1, slot->root + 16);
		if (slot->signature.offset + slot->signature.size > size)
			return "a partition is beyond the disk's end";
	}
	return NULL;
}

/* ---- FAT32 ---- */

struct fat {
	const uint8_t *disk;
	uint64_t begin, data; /* of the volume, and of its cluster 2: bytes of the disk */
	uint32_t cluster_size, clusters, root;
};

static bool fat_open(const uint8_t *disk, struct loader_place place, struct fat *ret)
{
	const uint8_t *boot = disk + place.offset;
	uint32_t reserved = le16(boot + 14), fats = boot[16], fat_sectors = le32(boot + 36);
	uint64_t data = (uint64_t)reserved + (uint64_t)fats * fat_sectors;

	if (le16(boot + 510) != 0xaa55 || le16(boot + 11) != SECTOR || boot[13] == 0 ||
		data * SECTOR >= place.size)
		return false;
	*ret = (struct fat){.disk = disk,
		.begin = place.offset + (uint64_t)reserved * SECTOR,
		.data = place.offset + data * SECTOR,
		.cluster_size = boot[13] * SECTOR,
		.root = le32(boot + 44)};
	ret->clusters = (uint32_t)((place.size - data * SECTOR) / ret->cluster_size);
	return true;
}

static uint64_t cluster_offset(const struct fat *fat, uint32_t cluster)
{
	return fat->data + (uint64_t)(cluster - 2) * fat->cluster_size;
}

static bool is_cluster(const struct fat *fat, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < fat->clusters;
}

static uint32_t next_cluster(const struct fat *fat, uint32_t cluster)
{
	return le32(fat->disk + fat->begin + 4 * (uint64_t)cluster) & 0x0fffffff;
}

struct fat_file {
	char name[LOADER_NAME_SIZE];
	uint64_t pieces[LOADER_NAME_SIZE / NAME_PIECE + 1];
	uint32_t cluster, size;
	bool folder;
};

static uint64_t character_offset(unsigned index)
{
	static const uint8_t offsets[NAME_PIECE] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};

	return offsets[index];
}

/* Takes an entry of a long name in, of which the last piece comes first. */
static void take_piece(const struct fat *fat, uint64_t at, struct fat_file *file)
{
	unsigned piece = (fat->disk[at] & 0x3f) - 1u;

	if (fat->disk[at] & 0x40)
		*file = (struct fat_file){};
	if (piece >= LOADER_NAME_SIZE / NAME_PIECE)
		return;
	file->pieces[piece] = at;
	for (unsigned i = 0; i < NAME_PIECE && piece * NAME_PIECE + i < LOADER_NAME_SIZE - 1; i++) {
		uint32_t character = le16(fat->disk + at + character_offset(i));

		file->name[piece * NAME_PIECE + i] = character < 0x80 ? (char)character : '?';
		if (character == 0)
			break;
	}
}

static void take_short_name(const uint8_t *entry, char *name)
{
	for (unsigned i = 0; i < 11; i++) {
		if (i == 8 && entry[8] != ' ')
			*name++ = '.';
		if (entry[i] != ' ')
			*name++ = (char)entry[i];
	}
	*name = 0;
}

/* Calls *fn* for each file of a folder until that returns true. */
static bool list(const struct fat *fat, uint32_t cluster, bool (*fn)(struct fat_file *file, void *userdata),
	void *userdata)
{
	struct fat_file file = {};

	for (unsigned steps = 0; is_cluster(fat, cluster) && steps < 1000; steps++) {
		for (uint64_t at = cluster_offset(fat, cluster), end = at + fat->cluster_size; at < end;
			at += FAT_ENTRY) {
			const uint8_t *entry = fat->disk + at;

			if (entry[0] == 0)
				return false;
			if (entry[0] == 0xe5) {
				file = (struct fat_file){};
				continue;
			}
			if (entry[11] == 0x0f) {
				take_piece(fat, at, &file);
				continue;
			}
			if (!file.name[0])
				take_short_name(entry, file.name);
			file.cluster = le16(entry + 20) << 16 | le16(entry + 26);
			file.size = le32(entry + 28);
			file.folder = entry[11] & 0x10;
			if (!(entry[11] & 0x08) && fn(&file, userdata))
				return true;
			file = (struct fat_file){};
		}
		cluster = next_cluster(fat, cluster);
	}
	return false;
}

struct folder_search {
	const char *name;
	uint32_t cluster; /* 0: not found */
};

static bool is_folder(struct fat_file *file, void *userdata)
{
	struct folder_search *search = userdata;

	if (!file->folder || strcasecmp(file->name, search->name) != 0)
		return false;
	search->cluster = file->cluster;
	return true;
}

static uint8_t *read_file(const struct fat *fat, const struct fat_file *file)
{
	uint8_t *data = malloc(file->size + 1u);
	uint32_t cluster = file->cluster;

	for (uint32_t at = 0; data && at < file->size; at += fat->cluster_size) {
		uint32_t length = file->size - at < fat->cluster_size ? file->size - at : fat->cluster_size;

		if (!is_cluster(fat, cluster)) {
			free(data);
			return NULL;
		}
		memcpy(data + at, fat->disk + cluster_offset(fat, cluster), length);
		cluster = next_cluster(fat, cluster);
	}
	return data;
}

/* ---- Entries ---- */

struct entry_search {
	const struct fat *fat;
	struct loader_view *view;
	const char *why;
};

/* "orlop_VERSION[+LEFT[-DONE]].efi" */
static bool parse_name(const char *name, struct loader_entry *ret)
{
	size_t length = strlen(name);
	const char *plus = strrchr(name, '+');
	size_t end = plus ? (size_t)(plus - name) : length - 4;
	int numbers = 0;

	if (length < 11 || strncasecmp(name, "orlop_", 6) != 0 || strcasecmp(name + length - 4, ".efi") != 0)
		return false;
	memcpy(ret->version, name + 6, end - 6);
	ret->version[end - 6] = 0;
	if (plus)
		numbers = sscanf(plus, "+%u-%u.", &ret->left, &ret->done);
	ret->counted = numbers > 0;
	ret->begun = numbers > 1;
	return !plus || numbers > 0;
}

static bool collect(struct fat_file *file, void *userdata)
{
	struct entry_search *search = userdata;
	struct loader_entry *entry = &search->view->entries[search->view->count];

	if (file->folder || !parse_name(file->name, entry))
		return false;
	if (search->view->count == LOADER_ENTRIES - 1) {
		search->why = "there are more boot entries than two releases have";
		return true;
	}
	memcpy(entry->name, file->name, sizeof(entry->name));
	memcpy(entry->pieces, file->pieces, sizeof(entry->pieces));
	entry->size = file->size;
	entry->data = read_file(search->fat, file);
	if (!entry->data) {
		search->why = "a boot entry's clusters end before it does";
		return true;
	}
	search->view->count++;
	return false;
}

const char *loader_look(const uint8_t *disk, uint64_t size, struct loader_view *ret)
{
	struct entry_search entries = {.view = ret};
	struct folder_search search;
	const char *why;
	struct fat fat;

	memset(ret, 0, sizeof(*ret));
	why = read_table(disk, size, ret);
	if (why)
		return why;
	if (!fat_open(disk, ret->esp, &fat))
		return "the boot partition has no file system";
	search = (struct folder_search){.name = "EFI"};
	(void)list(&fat, fat.root, is_folder, &search);
	search.name = "Linux";
	if (search.cluster == 0 || !list(&fat, search.cluster, is_folder, &search))
		return "the boot partition has no folder EFI/Linux";
	entries.fat = &fat;
	(void)list(&fat, search.cluster, collect, &entries);
	return entries.why;
}

void loader_release(struct loader_view *view)
{
	for (size_t i = 0; i < view->count; i++)
		free(view->entries[i].data);
	view->count = 0;
}

/* ---- Which one starts ---- */

int loader_compare_versions(const char *a, const char *b)
{
	unsigned of_a[3] = {}, of_b[3] = {};

	(void)sscanf(a, "%u.%u.%u", &of_a[0], &of_a[1], &of_a[2]);
	(void)sscanf(b, "%u.%u.%u", &of_b[0], &of_b[1], &of_b[2]);
	for (size_t i = 0; i < 3; i++)
		if (of_a[i] != of_b[i])
			return of_a[i] < of_b[i] ? -1 : 1;
	return 0;
}

bool loader_is_last(const struct loader_entry *entry)
{
	return entry->counted && entry->left == 0;
}

/* "Sorting": entries without tries left are last; of the others, and of those, the newest version is first.
 */
static bool comes_before(const struct loader_entry *a, const struct loader_entry *b)
{
	if (loader_is_last(a) != loader_is_last(b))
		return loader_is_last(b);
	return loader_compare_versions(a->version, b->version) > 0;
}

struct loader_entry *loader_choose(struct loader_view *view)
{
	struct loader_entry *best = NULL;

	for (size_t i = 0; i < view->count; i++)
		if (!best || comes_before(&view->entries[i], best))
			best = &view->entries[i];
	return best;
}

static void put_character(uint8_t *disk, const struct loader_entry *entry, unsigned index, uint16_t character)
{
	uint8_t *at = disk + entry->pieces[index / NAME_PIECE] + character_offset(index % NAME_PIECE);

	at[0] = (uint8_t)character;
	at[1] = (uint8_t)(character >> 8);
}

/*
 * "Boot counting": one fewer left, one more done. systemd-boot also counts the starts of an entry that has
 * none left. The new name lies where the old one does.
 */
void loader_count(uint8_t *disk, struct loader_entry *entry)
{
	char name[2 * LOADER_NAME_SIZE];
	unsigned length, room = ((unsigned)strlen(entry->name) + NAME_PIECE - 1) / NAME_PIECE * NAME_PIECE;

	if (!entry->counted)
		return;
	entry->left -= entry->left > 0;
	entry->done++;
	length = (unsigned)snprintf(
		name, sizeof(name), "orlop_%s+%u-%u.efi", entry->version, entry->left, entry->done);
	if (length > room)
		abort(); /* firmware would make another entry of the folder for the name: nobody's names are
			    that long */
	memcpy(entry->name, name, length + 1);
	for (unsigned i = 0; i < room; i++)
		put_character(disk, entry, i, i < length ? (uint8_t)name[i] : i == length ? 0 : 0xffff);
}
