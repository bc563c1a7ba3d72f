/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>

#include "base/encoding.h"
#include "format/fsverity.h"

/* Data that differs from block to block, so that a block out of its place is seen. */
static void write_data(int fd, uint64_t offset, uint64_t size)
{
	_cleanup_free_ uint8_t *data = malloc((size_t)size);

	assert_non_null(data);
	for (uint64_t i = 0; i < size; i++)
		data[i] = (uint8_t)((offset + i) * 2654435761u >> 21);
	assert_int_equal(pwrite_full(fd, data, (size_t)size, offset), 0);
}

static void assert_judged(int fd, const char *path, uint64_t size)
{
	_cleanup_free_ char *judged = tool_run("fsverity", "digest", "--compact", path);

	for (unsigned threads = 1; threads <= 3; threads += 2) {
		_cleanup_error_ struct error *err = NULL;
		uint8_t digest[SHA256_SIZE];
		char hex[SHA256_HEX_SIZE];
		uint64_t found = 0;

		assert_ok(fsverity_digest(fd, threads, NULL, digest, &found, &err), err);
		hex_encode(digest, SHA256_SIZE, hex);
		assert_int_equal(found, size);
		assert_memory_equal(judged, hex, SHA256_HEX_SIZE - 1);
	}
}

static void digests_of_all_sizes_are_those_of_fsverity_utils(void **state)
{
	/* Around a block, a hash block, one range of a thread, a second level. */
	static const uint64_t sizes[] = {0, 1, 4095, 4096, 4097, 128 * 4096, 128 * 4096 + 1, MiB(4) - 1,
		MiB(4), MiB(4) + 5000, MiB(64), MiB(64) + 4096, MiB(70) + 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const char *path = tool_path("file");
		_cleanup_close_ int fd = tool_file(path, sizes[i]);

		write_data(fd, 0, sizes[i]);
		assert_judged(fd, path, sizes[i]);
	}
}

static void holes_count_as_the_zeros_that_they_read_as(void **state)
{
	static const struct {
		uint64_t size, at, length; /* of the file; of the data in it */
	} files[] = {
		{MiB(9), 0, 0},
		{MiB(9), 0, 1},
		{MiB(9), MiB(9) - 1, 1},
		{MiB(9), MiB(4) - 4096, 8192},
		{MiB(9) + 77, MiB(5) + 123, KiB(300)},
		{GiB(3) + 512, GiB(2), MiB(1)},
		{5000, 4096, 904},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *path = tool_path("file");
		_cleanup_close_ int fd = tool_file(path, files[i].size);

		write_data(fd, files[i].at, files[i].length);
		assert_judged(fd, path, files[i].size);
	}
}

/* Their digests count, whatever the file has there: so it is seen that they are not read. */
static void known_blocks_are_not_read(void **state)
{
	/* Inside a range of a thread, over its border, up to the end, nothing. */
	static const struct {
		uint64_t offset, blocks;
	} known[] = {{8192, 3}, {MiB(4) - 4096, 2}, {MiB(3), MiB(6) / 4096}, {MiB(9), 0}, {0, MiB(9) / 4096}};
	const char *path = tool_path("file");
	_cleanup_close_ int fd = tool_file(path, MiB(9) + 50);
	_cleanup_free_ uint8_t *digests = malloc(MiB(9) / 4096 * SHA256_SIZE), *block = malloc(4096);
	uint8_t right[SHA256_SIZE], digest[SHA256_SIZE];
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		struct fsverity_known list = {known[i].offset, known[i].blocks, digests};

		write_data(fd, 0, MiB(9) + 50);
		assert_ok(fsverity_digest(fd, 2, NULL, right, NULL, &err), err);
		for (uint64_t k = 0; k < known[i].blocks; k++) {
			assert_int_equal(pread_full(fd, block, 4096, known[i].offset + k * 4096), 0);
			assert_int_equal(sha256_bytes(block, 4096, digests + k * SHA256_SIZE), 0);
			block[k % 4096] ^= 1;
			assert_int_equal(pwrite_full(fd, block, 4096, known[i].offset + k * 4096), 0);
		}
		assert_ok(fsverity_digest(fd, 2, &list, digest, NULL, &err), err);
		assert_memory_equal(digest, right, SHA256_SIZE);
	}
}

static void what_is_no_regular_file_is_refused(void **state)
{
	_cleanup_close_ int fd = open(tool_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE];

	(void)state;
	assert_int_equal(fsverity_digest(fd, 1, NULL, digest, NULL, &err), -EINVAL);
	assert_non_null(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_of_all_sizes_are_those_of_fsverity_utils),
		cmocka_unit_test(holes_count_as_the_zeros_that_they_read_as),
		cmocka_unit_test(known_blocks_are_not_read),
		cmocka_unit_test(what_is_no_regular_file_is_refused),
	};

	return cmocka_run_group_tests(tests, tool_setup, tool_cleanup);
}
