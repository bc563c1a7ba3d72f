/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A FAT file system in a file that tools can look at, as a disk that notes every write and flush, can take
 * all writes back, and fails when it is told to.
 */
#pragma once

#include "tool.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/string-util.h"
#include "format/fat-edit.h"
#include "format/fat.h"

#define FAT_DISK_FLUSH UINT64_MAX
#define FAT_DISK_MTIME 1795441062 /* 2026-11-23 13:37:42 UTC */

struct fat_disk_write {
	uint64_t at; /* FAT_DISK_FLUSH: none, but a flush */
	uint8_t data[BLOCK_SECTOR];
};

struct fat_disk {
	char path[PATH_MAX];
	int fd;
	uint8_t *data; /* the file, mapped */
	uint64_t size;
	bool recording;
	struct buffer log,
		undo; /* of struct fat_disk_write: what was written while recording; what was there before */
	uint64_t count, fail_at; /* reads, writes and flushes; the one that fails, 0: none */
};

static inline bool fat_disk_fails(struct fat_disk *disk)
{
	return ++disk->count == disk->fail_at;
}

static inline int fat_disk_read(void *userdata, uint64_t at, void *data, size_t size)
{
	struct fat_disk *disk = userdata;

	if (fat_disk_fails(disk))
		return -EIO;
	memcpy(data, disk->data + at, size);
	return 0;
}

static inline void fat_disk_note(struct buffer *list, uint64_t at, const void *data)
{
	struct fat_disk_write *write = buffer_extend(list, sizeof(*write));

	assert_non_null(write);
	write->at = at;
	if (data)
		memcpy(write->data, data, BLOCK_SECTOR);
}

static inline void fat_disk_put(struct fat_disk *disk, uint64_t at, const void *data)
{
	fat_disk_note(&disk->undo, at, disk->data + at);
	memcpy(disk->data + at, data, BLOCK_SECTOR);
}

static inline int fat_disk_write(void *userdata, uint64_t at, const void *data, size_t size)
{
	struct fat_disk *disk = userdata;

	assert_true(at % BLOCK_SECTOR == 0 && size % BLOCK_SECTOR == 0);
	if (fat_disk_fails(disk))
		return -EIO;
	for (size_t i = 0; i < size; i += BLOCK_SECTOR) {
		if (disk->recording)
			fat_disk_note(&disk->log, at + i, (const uint8_t *)data + i);
		fat_disk_put(disk, at + i, (const uint8_t *)data + i);
	}
	return 0;
}

static inline int fat_disk_flush(void *userdata)
{
	struct fat_disk *disk = userdata;

	if (fat_disk_fails(disk))
		return -EIO;
	if (disk->recording)
		fat_disk_note(&disk->log, FAT_DISK_FLUSH, NULL);
	return 0;
}

static inline struct block_io fat_disk_io(struct fat_disk *disk)
{
	static const struct block_ops ops = {
		.read = fat_disk_read, .write = fat_disk_write, .flush = fat_disk_flush};

	return (struct block_io){.ops = &ops, .userdata = disk, .size = disk->size};
}

/* What was written can't be taken back any more. */
static inline void fat_disk_keep(struct fat_disk *disk)
{
	disk->undo.size = 0;
}

static inline void fat_disk_undo(struct fat_disk *disk)
{
	const struct fat_disk_write *writes = (const void *)disk->undo.data;

	for (size_t i = disk->undo.size / sizeof(*writes); i > 0; i--)
		memcpy(disk->data + writes[i - 1].at, writes[i - 1].data, BLOCK_SECTOR);
	fat_disk_keep(disk);
}

/* An empty file of *size* bytes that is mapped; whoever makes a file system in it writes to the file. */
static inline void fat_disk_new(struct fat_disk *disk, const char *name, uint64_t size)
{
	*disk = (struct fat_disk){.size = size};
	(void)snprintf(disk->path, sizeof(disk->path), "%s", tool_path(name));
	disk->fd = tool_file(disk->path, size);
	disk->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, disk->fd, 0);
	assert_true(disk->data != MAP_FAILED);
}

static inline void fat_disk_release(struct fat_disk *disk)
{
	(void)munmap(disk->data, disk->size);
	(void)close(disk->fd);
	(void)unlink(disk->path);
	buffer_release(&disk->log);
	buffer_release(&disk->undo);
}
#define _cleanup_fat_disk_ _cleanup_(fat_disk_release)

/* By mkfs.fat, with sectors of *sector* bytes and *cluster* sectors in a cluster. */
static inline void fat_disk_mkfs(
	struct fat_disk *disk, const char *name, uint64_t size, const char *sector, const char *cluster)
{
	fat_disk_new(disk, name, size);
	tool_do("mkfs.fat", "-F", "32", "-S", sector, "-s", cluster, "-n", "ESP", disk->path);
}

static inline struct fat_volume *fat_disk_open(struct fat_disk *disk)
{
	struct block_io io = fat_disk_io(disk);
	_cleanup_error_ struct error *err = NULL;
	struct fat_volume *volume = NULL;

	assert_ok(fat_volume_open(&io, &volume, &err), err);
	return volume;
}

/* Tells one content from another. */
static inline uint32_t fat_disk_sum(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + at[i];
	return sum;
}

/* Bytes that tell one file from another. */
static inline void fat_disk_fill(const char *name, uint8_t *data, size_t size)
{
	uint32_t state = fat_disk_sum((uint32_t)size, name, strlen(name));

	for (size_t i = 0; i < size; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = (uint8_t)(state >> 24);
	}
}

static inline int fat_disk_create(
	struct fat_volume *volume, const char *path, size_t size, struct error **err)
{
	_cleanup_free_ uint8_t *data = malloc(size + 1);

	assert_non_null(data);
	fat_disk_fill(path, data, size);
	return fat_volume_create(volume, path, data, size, FAT_DISK_MTIME, err);
}

/* The names, sizes and sums of all files, sorted, as one text. */
struct fat_disk_list {
	struct fat_volume *volume;
	struct strv lines;
	const char *folder;
};

static inline int fat_disk_list_entry(const struct fat_entry *entry, void *userdata)
{
	struct fat_disk_list *list = userdata;
	_cleanup_buffer_ struct buffer data = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *path =
		string_format("%s%s%s", list->folder, *list->folder ? "/" : "", entry->name);
	struct fat_disk_list inner = {.volume = list->volume, .folder = path, .lines = list->lines};

	assert_non_null(path);
	if (entry->is_folder) {
		assert_int_equal(strv_addf(&inner.lines, "%s/\n", path), 0);
		assert_ok(fat_volume_list(list->volume, path, fat_disk_list_entry, &inner, &err), err);
		list->lines = inner.lines;
		return 0;
	}
	assert_ok(fat_volume_read(list->volume, path, entry->size, &data, &err), err);
	assert_int_equal(data.size, entry->size);
	return strv_addf(&list->lines, "%s %zu %08x %lld\n", path, data.size,
		fat_disk_sum(0, data.data, data.size), (long long)entry->time);
}

static inline char *fat_disk_join(struct strv *lines)
{
	_cleanup_buffer_ struct buffer text = {};

	strv_sort_unique(lines);
	for (size_t i = 0; i < lines->count; i++)
		buffer_append_string(&text, lines->items[i]);
	buffer_append_u8(&text, 0);
	return buffer_take(&text, NULL);
}

/* As the code under test sees it. */
static inline char *fat_disk_listing(struct fat_volume *volume)
{
	struct fat_disk_list list = {.volume = volume, .folder = ""};
	_cleanup_error_ struct error *err = NULL;
	char *text;

	assert_ok(fat_volume_list(volume, "", fat_disk_list_entry, &list, &err), err);
	text = fat_disk_join(&list.lines);
	strv_release(&list.lines);
	return text;
}

static inline int fat_disk_note_inode(
	const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	struct strv *lines = userdata;

	(void)err;
	if (!*path)
		return 0;
	if (S_ISDIR(inode->mode))
		return strv_addf(lines, "%s/\n", path);
	return strv_addf(lines, "%s %zu %08x %lld\n", path, (size_t)content_size(inode->content),
		fat_disk_sum(0, content_data(inode->content), content_size(inode->content)),
		(long long)inode->mtime);
}

/* The same, as fat_read() sees it, which refuses any cluster that belongs to two. */
static inline char *fat_disk_reading(struct fat_disk *disk)
{
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct strv lines = {};
	char *text;

	assert_ok(fat_read(disk->fd, 0, disk->size, disk->size, &tree, NULL, &err), err);
	assert_ok(tree_walk(tree, fat_disk_note_inode, &lines, &err), err);
	text = fat_disk_join(&lines);
	strv_release(&lines);
	return text;
}

/* fsck.fat finds nothing, or only what one of *allowed* (ended by NULL) begins. Returns whether it found any.
 */
static inline bool fat_disk_fsck(struct fat_disk *disk, const char *const *allowed)
{
	const char *const arguments[] = {"fsck.fat", "-n", disk->path, NULL};
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *whole = NULL;
	bool found = false;

	assert_ok(process_run(arguments, NULL, 0, MiB(1), &result, &err), err);
	buffer_append_u8(&result.output, 0);
	whole = strdup((char *)result.output.data);
	assert_non_null(whole);
	for (char *at = (char *)result.output.data, *line; (line = strsep(&at, "\n"));) {
		bool ok = !*line || startswith(line, "fsck.fat ") || startswith(line, disk->path) ||
			  streq(line, "Leaving filesystem unchanged.");

		for (size_t i = 0; !ok && allowed && allowed[i]; i++)
			ok = found = startswith(line, allowed[i]);
		if (!ok)
			fail_msg("fsck.fat: %s\n%s", line, whole);
	}
	if (result.status != 0 && !found)
		fail_msg("fsck.fat: exit status %d", result.status);
	return found;
}
