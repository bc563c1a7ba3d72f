/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replay-disk.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "trees.h"

struct replay_undo {
	uint64_t offset;
	uint8_t data[BLOCK_SECTOR];
};

static int call(struct replay_disk *disk)
{
	disk->calls++;
	if (disk->fail_at == 0)
		return 0;
	return disk->calls == disk->fail_at || (disk->dead && disk->calls > disk->fail_at) ? -EIO : 0;
}

static int disk_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	struct replay_disk *disk = userdata;
	int r = call(disk);

	if (r >= 0)
		memcpy(data, disk->data + offset, size);
	return r;
}

static void note(struct replay_disk *disk, uint64_t offset, const void *data, size_t size)
{
	struct replay_write *write;

	if (disk->count == disk->capacity) {
		disk->capacity = disk->capacity ? 2 * disk->capacity : 256;
		disk->writes = realloc(disk->writes, disk->capacity * sizeof(*disk->writes));
		assert_non_null(disk->writes);
	}
	write = &disk->writes[disk->count++];
	*write = (struct replay_write){.offset = offset, .data = data ? malloc(size) : NULL, .size = size};
	if (data)
		memcpy(write->data, data, size);
}

static void keep_undo(struct replay_disk *disk, uint64_t offset, size_t size)
{
	for (uint64_t at = offset / BLOCK_SECTOR * BLOCK_SECTOR; at < offset + size; at += BLOCK_SECTOR) {
		struct replay_undo *undo;

		if (disk->undo_count == disk->undo_capacity) {
			disk->undo_capacity = disk->undo_capacity ? 2 * disk->undo_capacity : 256;
			disk->undo = realloc(disk->undo, disk->undo_capacity * sizeof(*disk->undo));
			assert_non_null(disk->undo);
		}
		undo = &disk->undo[disk->undo_count++];
		undo->offset = at;
		memcpy(undo->data, disk->data + at, BLOCK_SECTOR);
	}
}

static void change(struct replay_disk *disk, uint64_t offset, const void *data, size_t size)
{
	if (disk->marked)
		keep_undo(disk, offset, size);
	memcpy(disk->data + offset, data, size);
}

static int disk_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	struct replay_disk *disk = userdata;
	int r = call(disk);

	if (r < 0)
		return r;
	if (disk->record)
		note(disk, offset, data, size);
	change(disk, offset, data, size);
	return 0;
}

static int disk_flush(void *userdata)
{
	struct replay_disk *disk = userdata;
	int r = call(disk);

	if (r >= 0 && disk->record)
		note(disk, 0, NULL, 0);
	return r;
}

void replay_disk_init(struct replay_disk *disk, uint8_t *data, uint64_t size)
{
	assert_true(size % BLOCK_SECTOR == 0);
	*disk = (struct replay_disk){.data = data, .size = size};
}

void replay_writes_free(struct replay_write *writes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(writes[i].data);
	free(writes);
}

void replay_disk_release(struct replay_disk *disk)
{
	replay_writes_free(disk->writes, disk->count);
	free(disk->undo);
	free(disk->data);
	*disk = (struct replay_disk){};
}

struct block_io replay_disk_io(struct replay_disk *disk)
{
	static const struct block_ops ops = {.read = disk_read, .write = disk_write, .flush = disk_flush};

	return (struct block_io){.ops = &ops, .userdata = disk, .size = disk->size};
}

void replay_mark(struct replay_disk *disk)
{
	assert_false(disk->marked);
	disk->undo_count = 0;
	disk->marked = true;
}

void replay_restore(struct replay_disk *disk)
{
	assert_true(disk->marked);
	while (disk->undo_count > 0) {
		const struct replay_undo *undo = &disk->undo[--disk->undo_count];

		memcpy(disk->data + undo->offset, undo->data, BLOCK_SECTOR);
	}
	disk->marked = false;
}

static void apply(struct replay_disk *disk, const struct replay_write *write)
{
	change(disk, write->offset, write->data, write->size);
}

/* Some sectors of the writes, each on disk with a chance that differs from mixture to mixture; later ones of
 * a sector win. */
static void apply_some(
	struct replay_disk *disk, const struct replay_write *writes, size_t count, uint64_t *seed)
{
	uint64_t chance = 1 + random_below(seed, 15);

	for (size_t i = 0; i < count; i++)
		for (size_t at = 0; at < writes[i].size; at += BLOCK_SECTOR)
			if (random_below(seed, 16) < chance)
				change(disk, writes[i].offset + at, writes[i].data + at,
					MIN((size_t)BLOCK_SECTOR, writes[i].size - at));
}

/* One mixture: mostly a beginning of the writes and some of what follows, as disks with a cache leave it. */
static void mix(struct replay_disk *disk, const struct replay_write *writes, size_t count, uint64_t *seed)
{
	size_t whole = random_below(seed, 2) ? random_below(seed, count + 1) : 0;

	for (size_t i = 0; i < whole; i++)
		apply(disk, &writes[i]);
	apply_some(disk, writes + whole, count - whole, seed);
}

static size_t show_epoch(struct replay_disk *disk, const struct replay_write *writes, size_t count,
	size_t mixtures, uint64_t *seed, void (*fn)(struct replay_disk *disk, void *userdata), void *userdata)
{
	size_t states = 0;

	for (size_t i = 0; i < mixtures && count > 0; i++, states++) {
		replay_mark(disk);
		mix(disk, writes, count, seed);
		fn(disk, userdata);
		replay_restore(disk);
	}
	for (size_t i = 0; i < count; i++)
		apply(disk, &writes[i]);
	replay_mark(disk);
	fn(disk, userdata);
	replay_restore(disk);
	return states + 1;
}

size_t replay_states(struct replay_disk *disk, const struct replay_write *writes, size_t count,
	size_t per_epoch, uint64_t seed, void (*fn)(struct replay_disk *disk, void *userdata), void *userdata)
{
	size_t begin = 0, states = 0;

	for (size_t i = 0; i <= count; i++)
		if (i == count || !writes[i].data) {
			states += show_epoch(disk, writes + begin, i - begin, per_epoch, &seed, fn, userdata);
			begin = i + 1;
		}
	return states;
}
