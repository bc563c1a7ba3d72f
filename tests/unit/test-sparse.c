/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>

#include "base/sparse.h"

#define PATTERN_SIZE KiB(40)

/* Blocks of 4 KiB: data, zeros, data that begins late, data that ends early, zeros, one byte at the very end.
 */
static void fill_pattern(uint8_t *pattern)
{
	memset(pattern, 0, PATTERN_SIZE);
	memset(pattern, 'a', 4096);
	memset(pattern + 3 * 4096 - 5, 'b', 5);
	memset(pattern + 3 * 4096, 'c', 10);
	pattern[PATTERN_SIZE - 1] = 'd';
}

static void assert_reads(int fd, uint64_t offset, const uint8_t *expected, size_t size)
{
	_cleanup_free_ uint8_t *seen = malloc(size);

	assert_non_null(seen);
	assert_int_equal(pread_full(fd, seen, size, offset), 0);
	assert_memory_equal(seen, expected, size);
}

static uint64_t used(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void zeros_are_not_written(void **state)
{
	static const uint64_t offsets[] = {0, 1, 4095, 4096, 12345};
	uint8_t pattern[PATTERN_SIZE];

	(void)state;
	fill_pattern(pattern);
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		_cleanup_close_ int fd = tool_file(tool_path("sparse"), MiB(1));

		assert_int_equal(sparse_write(fd, pattern, sizeof(pattern), offsets[i]), 0);
		assert_reads(fd, offsets[i], pattern, sizeof(pattern));
		assert_in_range(used(fd), 4096, 6 * 4096);
	}
}

static void holes_and_zeros_stay_holes_in_a_copy(void **state)
{
	static const struct {
		uint64_t from, to, size;
	} ranges[] = {{0, 0, MiB(8)}, {0, MiB(1), MiB(8)}, {1, 4096, MiB(8) - 1}, {4096, 4097, MiB(4)},
		{MiB(4) + 100, 0, MiB(4) - 100}, {MiB(6), 0, MiB(2)}, {0, 0, 0}};
	_cleanup_close_ int from = tool_file(tool_path("from"), MiB(8));
	_cleanup_free_ uint8_t *all = calloc(1, MiB(8));
	uint8_t pattern[PATTERN_SIZE];

	(void)state;
	assert_non_null(all);
	fill_pattern(pattern);
	assert_int_equal(pwrite_full(from, pattern, sizeof(pattern), 0), 0);
	assert_int_equal(pwrite_full(from, pattern, sizeof(pattern), MiB(4)), 0);
	assert_int_equal(pread_full(from, all, MiB(8), 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		_cleanup_close_ int to = tool_file(tool_path("to"), MiB(16));

		assert_int_equal(
			sparse_copy(from, ranges[i].from, to, ranges[i].to, ranges[i].size, NULL), 0);
		if (ranges[i].size > 0)
			assert_reads(to, ranges[i].to, all + ranges[i].from, ranges[i].size);
		assert_in_range(used(to), 0, 2 * PATTERN_SIZE);
	}
}

static void a_copy_beyond_the_end_is_an_error(void **state)
{
	_cleanup_close_ int from = tool_file(tool_path("from"), 1000), to = tool_file(tool_path("to"), 5000);

	(void)state;
	assert_int_equal(sparse_copy(from, 0, to, 0, 1000, NULL), 0);
	assert_int_equal(sparse_copy(from, 0, to, 0, 1001, NULL), -ENODATA);
	assert_int_equal(sparse_copy(from, 1, to, 0, 1000, NULL), -ENODATA);
	assert_int_equal(sparse_copy(from, 2, to, 0, UINT64_MAX - 1, NULL), -EOVERFLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeros_are_not_written),
		cmocka_unit_test(holes_and_zeros_stay_holes_in_a_copy),
		cmocka_unit_test(a_copy_beyond_the_end_is_an_error),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
