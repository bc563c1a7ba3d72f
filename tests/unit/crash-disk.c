/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash-disk.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/block-io.h"
#include "base/string-util.h"
#include "trees.h"

#define PARTITIONS_MAX 8

/* A sector as it was before a write that is not flushed yet. */
struct undo {
	uint64_t offset;
	uint8_t data[BLOCK_SECTOR];
};

static struct {
	pthread_mutex_t lock; /* writes come from more than one thread */
	uint8_t *data;	      /* the file, mapped */
	uint64_t size;
	dev_t device;
	ino_t inode;
	struct mirror {
		struct crash_partition of;
		uint8_t *data;
	} mirrors[PARTITIONS_MAX];
	size_t mirror_count;

	enum crash_kind kind;
	uint64_t at, calls, seed;
	struct undo *undo;
	size_t undo_count, undo_capacity;

	bool record;
	struct replay_write *writes;
	size_t write_count, write_capacity;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Files ---- */

static uint8_t *map_file(
	const char *folder, const char *name, const uint8_t *data, uint64_t size, struct stat *ret)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static const uint8_t zeros[4096];
	uint8_t *mapped;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fstat(fd, ret), 0);
	mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(mapped != MAP_FAILED);
	(void)close(fd);
	/* Pages that are zero stay holes. */
	for (uint64_t at = 0; at < size; at += sizeof(zeros)) {
		size_t length = (size_t)MIN(size - at, (uint64_t)sizeof(zeros));

		if (memcmp(zeros, data + at, length) != 0)
			memcpy(mapped + at, data + at, length);
	}
	return mapped;
}

void crash_disk_new(const char *folder, const void *data, uint64_t size,
	const struct crash_partition *partitions, size_t count)
{
	struct stat st;

	assert_null(disk.data);
	assert_true(count <= PARTITIONS_MAX);
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *name = string_format("vda%u", partitions[i].number);

		disk.mirrors[i].of = partitions[i];
		disk.mirrors[i].data = map_file(
			folder, name, (const uint8_t *)data + partitions[i].offset, partitions[i].size, &st);
	}
	disk.mirror_count = count;
	disk.size = size;
	disk.data = map_file(folder, "vda", data, size, &st);
	disk.device = st.st_dev;
	disk.inode = st.st_ino;
}

void crash_disk_release(void)
{
	if (!disk.data)
		return;
	for (size_t i = 0; i < disk.mirror_count; i++)
		(void)munmap(disk.mirrors[i].data, disk.mirrors[i].of.size);
	(void)munmap(disk.data, disk.size);
	free(disk.undo);
	disk.undo = NULL;
	disk.data = NULL;
	replay_writes_free(disk.writes, disk.write_count);
	disk.writes = NULL;
	disk.record = false;
	disk.write_count = disk.write_capacity = 0;
	disk.undo_count = disk.undo_capacity = disk.mirror_count = 0;
	disk.kind = CRASH_NONE;
}

uint8_t *crash_disk_data(void)
{
	return disk.data;
}

uint64_t crash_disk_size(void)
{
	return disk.size;
}

void crash_disk_put(uint64_t offset, const void *data, size_t size)
{
	memcpy(disk.data + offset, data, size);
	for (size_t i = 0; i < disk.mirror_count; i++) {
		const struct crash_partition *of = &disk.mirrors[i].of;
		uint64_t begin = MAX(offset, of->offset), end = MIN(offset + size, of->offset + of->size);

		if (begin < end)
			memcpy(disk.mirrors[i].data + begin - of->offset, disk.data + begin, end - begin);
	}
}

/* ---- Cuts ---- */

void crash_disk_arm(enum crash_kind kind, uint64_t at, uint64_t seed)
{
	disk.kind = kind;
	disk.at = at;
	disk.seed = seed;
	disk.calls = 0;
	disk.undo_count = 0;
}

uint64_t crash_disk_calls(void)
{
	return disk.calls;
}

static void keep_undo(uint64_t offset, size_t size)
{
	for (uint64_t at = offset / BLOCK_SECTOR * BLOCK_SECTOR; at < offset + size; at += BLOCK_SECTOR) {
		if (disk.undo_count == disk.undo_capacity) {
			disk.undo_capacity = disk.undo_capacity ? 2 * disk.undo_capacity : 1024;
			disk.undo = reallocarray(disk.undo, disk.undo_capacity, sizeof(*disk.undo));
			if (!disk.undo)
				abort();
		}
		disk.undo[disk.undo_count].offset = at;
		memcpy(disk.undo[disk.undo_count++].data, disk.data + at, BLOCK_SECTOR);
	}
}

/* Without *data*: a flush. */
static void note(uint64_t offset, const void *data, size_t size)
{
	struct replay_write *write;

	if (disk.write_count == disk.write_capacity) {
		disk.write_capacity = disk.write_capacity ? 2 * disk.write_capacity : 256;
		disk.writes = reallocarray(disk.writes, disk.write_capacity, sizeof(*disk.writes));
		if (!disk.writes)
			abort();
	}
	write = &disk.writes[disk.write_count++];
	*write = (struct replay_write){.offset = offset, .data = data ? malloc(size) : NULL, .size = size};
	if (data && !write->data)
		abort();
	if (data)
		memcpy(write->data, data, size);
}

void crash_disk_record(void)
{
	crash_disk_arm(CRASH_NONE, 0, 0);
	disk.record = true;
}

size_t crash_disk_rewind(struct replay_write **ret)
{
	size_t count = disk.write_count;

	disk.record = false;
	for (; disk.undo_count > 0; disk.undo_count--) {
		const struct undo *undo = &disk.undo[disk.undo_count - 1];

		memcpy(disk.data + undo->offset, undo->data, BLOCK_SECTOR);
	}
	*ret = TAKE_PTR(disk.writes);
	disk.write_count = disk.write_capacity = 0;
	return count;
}

/*
 * Takes some of what was not flushed back, the latest first: all writes up to some one are there, and of
 * those behind it each sector with a chance. A sector that has once kept a write keeps what came before it,
 * too.
 */
static void lose(void)
{
	size_t whole = random_below(&disk.seed, 2) ? random_below(&disk.seed, disk.undo_count + 1) : 0;
	uint64_t chance = random_below(&disk.seed, 17);
	uint8_t *kept = calloc(disk.size / BLOCK_SECTOR, 1);

	if (!kept)
		abort();
	for (size_t i = disk.undo_count; i > whole; i--) {
		const struct undo *undo = &disk.undo[i - 1];
		uint8_t *is_kept = &kept[undo->offset / BLOCK_SECTOR];

		if (!*is_kept && random_below(&disk.seed, 16) < chance)
			crash_disk_put(undo->offset, undo->data, BLOCK_SECTOR);
		else
			*is_kept = 1;
	}
	free(kept);
}

/* One call that concerns the disk; under the lock. Returns whether it may be made. */
static bool begin_call(void)
{
	disk.calls++;
	return disk.kind != CRASH_ERROR || disk.calls != disk.at;
}

/* Ends the process where this call was to be the last. A flush that is cut has not returned: all can be lost.
 */
static void end_call(bool is_flush)
{
	if (disk.calls == disk.at && (disk.kind == CRASH_POWER || disk.kind == CRASH_KILL)) {
		if (disk.kind == CRASH_POWER)
			lose();
		_exit(CRASH_STATUS);
	}
	if (is_flush && !disk.record)
		disk.undo_count = 0;
}

static bool is_disk(int fd)
{
	struct stat st;

	return disk.data && fstat(fd, &st) == 0 && st.st_dev == disk.device && st.st_ino == disk.inode;
}

/* ---- What stands in for libc's ---- */

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	bool may;

	if (!is_disk(fd))
		return syscall(SYS_pwrite64, fd, data, size, offset);
	pthread_mutex_lock(&disk.lock);
	if (offset < 0 || (uint64_t)offset + size > disk.size)
		abort(); /* nobody writes beyond a device's end */
	may = begin_call();
	if (may) {
		if (disk.kind == CRASH_POWER || disk.record)
			keep_undo((uint64_t)offset, size);
		if (disk.record)
			note((uint64_t)offset, data, size);
		crash_disk_put((uint64_t)offset, data, size);
		end_call(false);
	}
	pthread_mutex_unlock(&disk.lock);
	errno = may ? errno : EIO;
	return may ? (ssize_t)size : -1;
}

int fdatasync(int fd)
{
	bool may = true;

	/* No other file here outlives the machine. */
	if (!is_disk(fd))
		return 0;
	pthread_mutex_lock(&disk.lock);
	may = begin_call();
	if (may && disk.record)
		note(0, NULL, 0);
	if (may)
		end_call(true);
	pthread_mutex_unlock(&disk.lock);
	errno = may ? errno : EIO;
	return may ? 0 : -1;
}

int fsync(int fd)
{
	return fdatasync(fd);
}
