/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/sparse.h"
#include "format/disk-format-part.h"

#define CHUNK MiB(1) /* read at once: one block or more */

/* A copy on its way. */
struct copy {
	const struct disk_source *source;
	uint32_t block_size;
	int to;
	uint64_t begin; /* of the data in *to* */
	struct disk_blocks *blocks;
	uint8_t *chunk;
};

void disk_blocks_release(struct disk_blocks *blocks)
{
	free(blocks->items);
	*blocks = (struct disk_blocks){};
}

static int add(struct disk_blocks *blocks, uint64_t number)
{
	if (blocks->count == blocks->capacity) {
		size_t capacity = blocks->capacity ? 2 * blocks->capacity : 1024;
		uint32_t *items = reallocarray(blocks->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		blocks->items = items;
		blocks->capacity = capacity;
	}
	blocks->items[blocks->count++] = (uint32_t)number;
	return 0;
}

static bool is_zero(const uint8_t *data, size_t size)
{
	return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* Writes the blocks of a chunk that aren't zero, those that stand together at once. */
static int write_chunk(const struct copy *copy, uint64_t number, size_t count)
{
	size_t size = copy->block_size;
	int r = 0;

	for (size_t i = 0; i < count && r >= 0;) {
		uint64_t to = copy->begin + copy->blocks->count * (uint64_t)size;
		size_t first = i;

		for (; i < count && r >= 0 && !is_zero(copy->chunk + i * size, size); i++)
			r = add(copy->blocks, number + i);
		if (r >= 0 && i > first)
			r = sparse_write(copy->to, copy->chunk + first * size, (i - first) * size, to);
		else
			i++;
	}
	return r;
}

/* Copies the range, from one block's beginning to another one's, or to the disk's end. */
static int copy_range(const struct copy *copy, uint64_t offset, uint64_t end)
{
	int r = 0;

	while (offset < end && r >= 0) {
		size_t size = (size_t)MIN(end - offset, CHUNK);
		size_t whole = (size_t)round_up_u64(size, copy->block_size);

		memset(copy->chunk + size, 0, whole - size);
		r = pread_full(copy->source->fd, copy->chunk, size, offset);
		if (r >= 0)
			r = write_chunk(copy, offset / copy->block_size, whole / copy->block_size);
		progress_add(copy->source->progress, size);
		offset += size;
	}
	return r;
}

static int copy_all(const struct copy *copy)
{
	const struct disk_source *source = copy->source;
	uint64_t done = 0, begin, end;
	int r;

	while ((r = sparse_next_data(source->fd, done, source->size, &begin, &end)) >= 0) {
		begin &= ~(uint64_t)(copy->block_size - 1);
		end = MIN(round_up_u64(end, copy->block_size), source->size);
		progress_add(source->progress, begin - done);
		r = copy_range(copy, begin, end);
		if (r < 0)
			return r;
		done = end;
		if (done == source->size)
			return 0;
	}
	if (r != -ENXIO)
		return r;
	progress_add(source->progress, source->size - done);
	return 0;
}

int disk_blocks_copy(const struct disk_source *source, uint32_t block_size, int to, uint64_t begin,
	struct disk_blocks *ret)
{
	_cleanup_disk_blocks_ struct disk_blocks blocks = {};
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	const struct copy copy = {source, block_size, to, begin, &blocks, chunk};
	struct stat st;
	int r;

	if (!chunk)
		return -ENOMEM;
	if (fstat(source->fd, &st) < 0)
		return -errno;
	/* Behind the end of a file there would be nothing but one hole. */
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < source->size)
		return -ENODATA;
	r = copy_all(&copy);
	if (r < 0)
		return r;
	*ret = blocks;
	blocks = (struct disk_blocks){};
	return 0;
}
