/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>
#include <sys/syscall.h>

#include "base/block-io.h"

#define SIZE (64 * 1024)

/* In place of the library's own, to see what is asked of the kernel. */
static unsigned calls, unaligned;

static void note_call(const void *data, size_t size, off_t offset)
{
	calls++;
	if (((uintptr_t)data | size | (uintptr_t)offset) % 4096 != 0)
		unaligned++;
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	note_call(data, size, offset);
	return syscall(SYS_pread64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	note_call(data, size, offset);
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

static uint64_t chance = 1;

static uint64_t random_below(uint64_t limit)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (chance >> 33) % limit;
}

/* Reads and writes of any size at any place are the same on the disk and in *model*. */
static void check_random_access(const struct block_io *io, uint8_t *model)
{
	uint8_t data[3 * 4096];

	for (unsigned i = 0; i < 2000; i++) {
		size_t size = random_below(2) ? random_below(sizeof(data)) : random_below(64);
		uint64_t offset = random_below(io->size - size + 1);

		if (random_below(2)) {
			memset(data, (int)i, size);
			memcpy(model + offset, data, size);
			assert_int_equal(block_write(io, offset, data, size), 0);
		} else {
			assert_int_equal(block_read(io, offset, data, size), 0);
			assert_memory_equal(data, model + offset, size);
		}
	}
	assert_int_equal(block_flush(io), 0);
}

static void any_range_of_a_file_is_read_and_written(void **state)
{
	static const uint32_t aligns[] = {0, 512, 4096};
	uint8_t *model = calloc(1, SIZE), *all = malloc(SIZE);

	(void)state;
	assert_true(model && all);
	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++) {
		_cleanup_close_ int fd = tool_file(tool_path("disk"), SIZE);
		struct block_file file = {.fd = fd, .align = aligns[i]};
		struct block_io io = block_io_file(&file, SIZE);

		memset(model, 0, SIZE);
		check_random_access(&io, model);
		assert_int_equal(pread_full(fd, all, SIZE, 0), 0);
		assert_memory_equal(all, model, SIZE);
	}
	free(model);
	free(all);
}

/* The system calls of O_DIRECT are whole aligned blocks. */
static void a_device_is_asked_for_whole_aligned_blocks_only(void **state)
{
	_cleanup_close_ int fd = tool_file(tool_path("direct"), SIZE);
	struct block_file file = {.fd = fd, .align = 4096};
	struct block_io io = block_io_file(&file, SIZE);
	_cleanup_free_ uint8_t *model = calloc(1, SIZE);

	(void)state;
	assert_non_null(model);
	calls = unaligned = 0;
	check_random_access(&io, model);
	assert_in_range(calls, 2000, 10000);
	assert_int_equal(unaligned, 0);
	file.align = 0; /* or it proves nothing */
	check_random_access(&io, model);
	assert_in_range(unaligned, 1000, 10000);
}

static void large_ranges_go_piece_by_piece(void **state)
{
	const size_t size = MiB(3);
	_cleanup_close_ int fd = tool_file(tool_path("large"), size + 4096);
	struct block_file file = {.fd = fd, .align = 4096};
	struct block_io io = block_io_file(&file, size + 4096);
	_cleanup_free_ uint8_t *data = malloc(size), *back = malloc(size);

	(void)state;
	assert_true(data && back);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	assert_int_equal(block_write(&io, 1000, data, size), 0);
	assert_int_equal(block_read(&io, 1000, back, size), 0);
	assert_memory_equal(data, back, size);
	assert_int_equal(pread_full(fd, back, size, 1000), 0);
	assert_memory_equal(data, back, size);
}

static void nothing_outside_of_a_part_is_reached(void **state)
{
	_cleanup_close_ int fd = tool_file(tool_path("parts"), 4096);
	struct block_file file = {.fd = fd};
	struct block_io disk = block_io_file(&file, 4096), part, inner;
	uint8_t byte = 7, data[4096];

	(void)state;
	assert_int_equal(block_io_part(&disk, 1024, 2048, &part), 0);
	assert_int_equal(block_io_part(&part, 512, 512, &inner), 0);
	assert_int_equal(block_write(&inner, 511, &byte, 1), 0);
	assert_int_equal(pread_full(fd, data, sizeof(data), 0), 0);
	assert_int_equal(data[1024 + 512 + 511], 7);
	assert_int_equal(block_write(&inner, 512, &byte, 1), -ENXIO);
	assert_int_equal(block_write(&inner, 511, &byte, 2), -ENXIO);
	assert_int_equal(block_read(&inner, UINT64_MAX, &byte, 1), -ENXIO);
	assert_int_equal(block_read(&inner, 512, &byte, 0), 0);
	assert_int_equal(block_io_part(&part, 2048, 1, &inner), -ENXIO);
	assert_int_equal(block_io_part(&part, 1, UINT64_MAX, &inner), -ENXIO);
}

static void errors_come_through(void **state)
{
	_cleanup_close_ int fd = tool_file(tool_path("short"), 100);
	struct block_file file = {.fd = fd}, closed = {.fd = -1, .align = 512};
	struct block_io disk = block_io_file(&file, 200), none = block_io_file(&closed, 200);
	struct block_io bytes = block_io_bytes("abc", 3);
	char data[200];

	(void)state;
	assert_int_equal(block_read(&disk, 0, data, 200), -ENODATA);
	assert_int_equal(block_read(&none, 0, data, 200), -EBADF);
	assert_int_equal(block_write(&none, 0, data, 200), -EBADF);
	assert_int_equal(block_flush(&none), -EBADF);
	assert_int_equal(block_read(&bytes, 1, data, 2), 0);
	assert_memory_equal(data, "bc", 2);
	assert_int_equal(block_read(&bytes, 2, data, 2), -ENXIO);
	assert_int_equal(block_write(&bytes, 0, data, 1), -EROFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_range_of_a_file_is_read_and_written),
		cmocka_unit_test(a_device_is_asked_for_whole_aligned_blocks_only),
		cmocka_unit_test(large_ranges_go_piece_by_piece),
		cmocka_unit_test(nothing_outside_of_a_part_is_reached),
		cmocka_unit_test(errors_come_through),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
