/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/block-io.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"

#define BOUNCE_MAX MiB(1) /* bytes copied at a time where a buffer is not aligned */

static bool is_within(const struct block_io *io, uint64_t offset, uint64_t size)
{
	return offset <= io->size && size <= io->size - offset;
}

int block_read(const struct block_io *io, uint64_t offset, void *data, size_t size)
{
	if (!is_within(io, offset, size))
		return -ENXIO;
	return io->ops->read(io->userdata, io->begin + offset, data, size);
}

int block_write(const struct block_io *io, uint64_t offset, const void *data, size_t size)
{
	if (!is_within(io, offset, size))
		return -ENXIO;
	return io->ops->write(io->userdata, io->begin + offset, data, size);
}

int block_flush(const struct block_io *io)
{
	return io->ops->flush(io->userdata);
}

int block_io_part(const struct block_io *io, uint64_t offset, uint64_t size, struct block_io *ret)
{
	if (!is_within(io, offset, size))
		return -ENXIO;
	*ret = (struct block_io){
		.ops = io->ops, .userdata = io->userdata, .begin = io->begin + offset, .size = size};
	return 0;
}

static bool is_aligned(const struct block_file *file, uint64_t offset, const void *data, size_t size)
{
	return file->align == 0 || ((offset | size | (uintptr_t)data) & (file->align - 1)) == 0;
}

/* A range of whole aligned blocks, at most BOUNCE_MAX long, around the beginning of what is to be moved. */
struct bounce {
	uint8_t *data; /* aligned */
	uint64_t offset;
	size_t size;
	size_t lead;  /* bytes before what is to be moved */
	size_t moved; /* bytes of that which are in here */
};

static void bounce_release(struct bounce *bounce)
{
	free(bounce->data);
}
#define _cleanup_bounce_ _cleanup_(bounce_release)

static void bounce_aim(struct bounce *bounce, uint32_t align, uint64_t offset, size_t size)
{
	bounce->lead = (size_t)(offset & (align - 1));
	bounce->offset = offset - bounce->lead;
	bounce->moved = MIN(size, (size_t)BOUNCE_MAX - bounce->lead);
	bounce->size = (size_t)round_up_u64(bounce->lead + bounce->moved, align);
}

static int bounce_init(struct bounce *bounce, uint32_t align, size_t size)
{
	size_t room = (size_t)MIN(BOUNCE_MAX, round_up_u64(size, align) + align);
	void *data;

	if (posix_memalign(&data, align, room) != 0)
		return -ENOMEM;
	bounce->data = data;
	return 0;
}

static int device_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	const struct block_file *file = userdata;
	_cleanup_bounce_ struct bounce bounce = {};
	uint8_t *at = data;
	int r;

	if (is_aligned(file, offset, data, size))
		return pread_full(file->fd, data, size, offset);
	r = bounce_init(&bounce, file->align, size);
	for (; r == 0 && size > 0; size -= bounce.moved, offset += bounce.moved, at += bounce.moved) {
		bounce_aim(&bounce, file->align, offset, size);
		r = pread_full(file->fd, bounce.data, bounce.size, bounce.offset);
		if (r == 0)
			memcpy(at, bounce.data + bounce.lead, bounce.moved);
	}
	return r;
}

/* What a write leaves alone of the aligned blocks at both of its ends. */
static int bounce_fill_edges(const struct bounce *bounce, const struct block_file *file)
{
	size_t last = bounce->size - file->align;
	int r = 0;

	if (bounce->lead > 0)
		r = pread_full(file->fd, bounce->data, file->align, bounce->offset);
	if (r == 0 && bounce->lead + bounce->moved < bounce->size && (last > 0 || bounce->lead == 0))
		r = pread_full(file->fd, bounce->data + last, file->align, bounce->offset + last);
	return r;
}

static int device_write(void *userdata, uint64_t offset, const void *data, size_t size)
{
	const struct block_file *file = userdata;
	_cleanup_bounce_ struct bounce bounce = {};
	const uint8_t *at = data;
	int r;

	if (is_aligned(file, offset, data, size))
		return pwrite_full(file->fd, data, size, offset);
	r = bounce_init(&bounce, file->align, size);
	for (; r == 0 && size > 0; size -= bounce.moved, offset += bounce.moved, at += bounce.moved) {
		bounce_aim(&bounce, file->align, offset, size);
		r = bounce_fill_edges(&bounce, file);
		if (r < 0)
			break;
		memcpy(bounce.data + bounce.lead, at, bounce.moved);
		r = pwrite_full(file->fd, bounce.data, bounce.size, bounce.offset);
	}
	return r;
}

static int device_flush(void *userdata)
{
	const struct block_file *file = userdata;

	return fdatasync(file->fd) < 0 ? -errno : 0;
}

struct block_io block_io_file(const struct block_file *file, uint64_t size)
{
	static const struct block_ops ops = {
		.read = device_read, .write = device_write, .flush = device_flush};

	return (struct block_io){.ops = &ops, .userdata = (void *)file, .size = size};
}

static int bytes_read(void *userdata, uint64_t offset, void *data, size_t size)
{
	memcpy(data, (const uint8_t *)userdata + offset, size);
	return 0;
}

static int bytes_write(
	_unused_ void *userdata, _unused_ uint64_t offset, _unused_ const void *data, _unused_ size_t size)
{
	return -EROFS;
}

static int bytes_flush(_unused_ void *userdata)
{
	return 0;
}

struct block_io block_io_bytes(const void *data, size_t size)
{
	static const struct block_ops ops = {.read = bytes_read, .write = bytes_write, .flush = bytes_flush};

	return (struct block_io){.ops = &ops, .userdata = (void *)data, .size = size};
}
