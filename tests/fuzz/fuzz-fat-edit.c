/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file system of anybody's making is opened, listed, changed and repaired. The first byte says which of the
 * changes are made; then comes a list of sectors, each with its number before it (24 bits, little-endian);
 * all others are zero. Whatever the file system says, what a change returned as done is there, and the boot
 * sector stays.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/string-util.h"
#include "format/fat-edit.h"

#define SIZE MiB(34)
#define FILES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int disk_read(void *userdata, uint64_t at, void *data, size_t size)
{
	memcpy(data, (const uint8_t *)userdata + at, size);
	return 0;
}

static int disk_write(void *userdata, uint64_t at, const void *data, size_t size)
{
	/* Of the reserved sectors, a change writes FSINFO and a repair clears one bit of the boot sector. */
	assert(at > 0 ||
		(size == BLOCK_SECTOR && memcmp(userdata, data, 65) == 0 &&
			memcmp((uint8_t *)userdata + 66, (const uint8_t *)data + 66, 512 - 66) == 0));
	memcpy((uint8_t *)userdata + at, data, size);
	return 0;
}

static int disk_flush(void *userdata)
{
	(void)userdata;
	return 0;
}

/* The first few names of a folder. */
struct names {
	struct strv list;
	bool folders;
};

static int note(const struct fat_entry *entry, void *userdata)
{
	struct names *names = userdata;

	assert(*entry->name && *entry->alias);
	if (names->list.count == FILES_MAX)
		return 1;
	return entry->is_folder == names->folders ? strv_add(&names->list, entry->name) : 0;
}

static void read_some(struct fat_volume *volume, const char *folder, const struct names *names)
{
	for (size_t i = 0; i < names->list.count; i++) {
		_cleanup_free_ char *path = string_format("%s/%s", folder, names->list.items[i]);
		_cleanup_buffer_ struct buffer data = {};

		assert(path);
		(void)fat_volume_read(volume, path, MiB(1), &data, NULL);
		assert(data.size <= MiB(1));
	}
}

static void change(struct fat_volume *volume, const char *folder, const struct names *names, uint8_t which)
{
	_cleanup_free_ char *new = string_format("%s/orlop_202611.23.0+3.efi", folder), *old = NULL;
	_cleanup_buffer_ struct buffer back = {};
	static const uint8_t content[3000] = "content";
	int r;

	if (which & 1 && names->list.count > 0) {
		old = string_format("%s/%s", folder, names->list.items[0]);
		(void)fat_volume_rename(volume, old, "a-name-that-takes-more-entries-than-before.efi", NULL);
	}
	if (which & 2) {
		r = fat_volume_create(volume, new, content, sizeof(content), 0, NULL);
		if (r == 0) {
			assert(fat_volume_read(volume, new, sizeof(content), &back, NULL) == 0);
			assert(back.size == sizeof(content) && memcmp(back.data, content, back.size) == 0);
		}
	}
	if (which & 4 && names->list.count > 1) {
		old = string_free(old);
		old = string_format("%s/%s", folder, names->list.items[1]);
		(void)fat_volume_remove(volume, old, NULL);
	}
	if (which & 8)
		(void)fat_volume_rename(volume, new, "orlop_202611.23.0.efi", NULL);
}

static void visit(struct fat_volume *volume, uint8_t which)
{
	static const char *const known[] = {"", "EFI/Linux", "D"};
	struct names folders = {.folders = true};

	(void)fat_volume_list(volume, "", note, &folders, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(known) + folders.list.count; i++) {
		const char *folder =
			i < ARRAY_SIZE(known) ? known[i] : folders.list.items[i - ARRAY_SIZE(known)];
		struct names files = {};

		(void)fat_volume_list(volume, folder, note, &files, NULL);
		read_some(volume, folder, &files);
		change(volume, folder, &files, which);
		strv_release(&files.list);
	}
	strv_release(&folders.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct block_ops ops = {.read = disk_read, .write = disk_write, .flush = disk_flush};
	_cleanup_fat_volume_ struct fat_volume *volume = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct fat_repair repair;
	struct block_io io = {.ops = &ops, .size = SIZE};
	uint8_t which = size > 0 ? data[0] : 0;
	int r;

	io.userdata =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(io.userdata != MAP_FAILED);
	for (data += size > 0, size -= size > 0; size >= 3 + BLOCK_SECTOR;
		data += 3 + BLOCK_SECTOR, size -= 3 + BLOCK_SECTOR) {
		uint64_t sector = data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16;

		if (sector < SIZE / BLOCK_SECTOR)
			memcpy((uint8_t *)io.userdata + sector * BLOCK_SECTOR, data + 3, BLOCK_SECTOR);
	}
	r = fat_volume_open(&io, &volume, &err);
	assert(r == 0 ? volume && !err : !volume && err && err->code == r);
	if (volume) {
		if (which & 16)
			(void)fat_volume_repair(volume, &repair, NULL);
		visit(volume, which);
		assert(fat_volume_free_bytes(volume) <= SIZE);
		r = fat_volume_repair(volume, &repair, NULL);
		if (r == 0)
			assert(fat_volume_repair(volume, &repair, NULL) == 0 && repair.lost_clusters == 0 &&
				!repair.dirty && !repair.free_count && repair.table_sectors == 0);
	}
	(void)munmap(io.userdata, SIZE);
	return 0;
}
