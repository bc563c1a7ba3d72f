/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sparse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/file.h"

#define BLOCK KiB(4)
#define CHUNK MiB(1)

static bool is_zero(const uint8_t *data, size_t size)
{
	return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

int sparse_write(int fd, const void *data, size_t size, uint64_t offset)
{
	const uint8_t *at = data;

	while (size > 0) {
		size_t run = 0, block = 0;

		/* A run of blocks that are not zero, in one write. Blocks are those of the file. */
		for (; run < size; run += block) {
			block = MIN(BLOCK - (offset + run) % BLOCK, size - run);
			if (is_zero(at + run, block))
				break;
		}
		if (run > 0) {
			int r = pwrite_full(fd, at, run, offset);

			if (r < 0)
				return r;
		} else {
			run = block;
		}
		at += run;
		offset += run;
		size -= run;
	}
	return 0;
}

int sparse_next_data(int fd, uint64_t offset, uint64_t end, uint64_t *ret_begin, uint64_t *ret_end)
{
	off_t begin = lseek(fd, (off_t)offset, SEEK_DATA), hole;

	if (begin < 0 && errno == EINVAL) { /* the file system knows no holes */
		*ret_begin = offset;
		*ret_end = end;
		return 0;
	}
	if (begin < 0)
		return -errno;
	if ((uint64_t)begin >= end)
		return -ENXIO;
	hole = lseek(fd, begin, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*ret_begin = (uint64_t)begin;
	*ret_end = MIN((uint64_t)hole, end);
	return 0;
}

/* Copies bytes that are no hole by reading and writing, which finds the zeros that were written out. */
static int copy_data(
	int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size, struct progress *progress)
{
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);

	if (!chunk)
		return -ENOMEM;
	while (size > 0) {
		size_t n = (size_t)MIN(size, CHUNK);
		int r;

		r = pread_full(from, chunk, n, from_offset);
		if (r < 0)
			return r;
		r = sparse_write(to, chunk, n, to_offset);
		if (r < 0)
			return r;
		progress_add(progress, n);
		from_offset += n;
		to_offset += n;
		size -= n;
	}
	return 0;
}

/* Shares the whole blocks of the range. True where that has been done, holes and all. */
static bool clone_range(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size)
{
	struct file_clone_range range = {
		.src_fd = from,
		.src_offset = from_offset,
		.src_length = size,
		.dest_offset = to_offset,
	};

	return ioctl(to, FICLONERANGE, &range) == 0;
}

bool sparse_can_share(int from, int to)
{
	return ioctl(to, FICLONERANGE, &(struct file_clone_range){.src_fd = from}) == 0;
}

static int check_length(int fd, uint64_t end)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && (uint64_t)st.st_size < end ? -ENODATA : 0;
}

int sparse_copy(
	int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t size, struct progress *progress)
{
	uint64_t end, whole = size & ~(BLOCK - 1), begin = 0, stop = 0, done = 0;
	int r;

	if (!checked_add(from_offset, size, &end))
		return -EOVERFLOW;
	r = check_length(from, end);
	if (r < 0)
		return r;
	if (whole > 0 && clone_range(from, from_offset, to, to_offset, whole)) {
		progress_add(progress, whole);
		done = whole;
	}
	while (done < size) {
		r = sparse_next_data(from, from_offset + done, end, &begin, &stop);
		if (r == -ENXIO) {
			progress_add(progress, size - done);
			return 0;
		}
		if (r < 0)
			return r;
		progress_add(progress, begin - from_offset - done);
		r = copy_data(from, begin, to, to_offset + (begin - from_offset), stop - begin, progress);
		if (r < 0)
			return r;
		done = stop - from_offset;
	}
	return 0;
}
