/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

#include "base/encoding.h"
#include "base/sha256.h"

/* The examples of FIPS 180-2, appendix B, and of NIST's "SHA-256 example values"; *repeat* times the text. */
static const struct {
	const char *text;
	size_t repeat;
	const char *digest;
} vectors[] = {
	{"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static void assert_digest(const uint8_t digest[SHA256_SIZE], const char *expected)
{
	char text[SHA256_HEX_SIZE];

	hex_encode(digest, SHA256_SIZE, text);
	assert_string_equal(text, expected);
}

static void digests_are_those_of_fips_180(void **state)
{
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t digest[SHA256_SIZE];

	(void)state;
	assert_non_null(context);
	/* One context for all: it is empty again after each. */
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		for (size_t j = 0; j < vectors[i].repeat; j++)
			sha256_update(context, vectors[i].text, strlen(vectors[i].text));
		sha256_final(context, digest);
		assert_digest(digest, vectors[i].digest);
	}
	assert_int_equal(sha256_bytes("abc", 3, digest), 0);
	assert_digest(digest, vectors[1].digest);
}

static void files_are_hashed_from_their_beginning(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/file", folder), *judged = NULL;
	_cleanup_close_ int fd = -1, folder_fd = -1;
	uint8_t digest[SHA256_SIZE];
	uint64_t size = 0;

	(void)state;
	shell(folder, "seq 1 500000 > file; sha256sum file | cut -c1-64 | tr -d '\\n' > judged");
	judged = scratch_read(folder, "judged", NULL);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && lseek(fd, 1000, SEEK_SET) == 1000);
	assert_int_equal(sha256_file(fd, digest, &size), 0);
	assert_digest(digest, judged);
	assert_int_equal(size, lseek(fd, 0, SEEK_END));
	folder_fd = open(folder, O_RDONLY | O_CLOEXEC);
	assert_int_equal(sha256_file(folder_fd, digest, NULL), -EISDIR);
}

static void holes_count_as_the_zeros_that_they_read_as(void **state)
{
	static const char *const scripts[] = {
		"truncate -s 5000000 file",
		"truncate -s 3000000 file; seq 1 1000 >> file; truncate -s 9000001 file",
		"seq 1 100000 > file; truncate -s 4000000 file; echo x >> file",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_free_ char *path = string_format("%s/file", folder), *judged = NULL;
		_cleanup_close_ int fd = -1;
		uint8_t digest[SHA256_SIZE];
		uint64_t size = 0;

		shell(folder, scripts[i]);
		shell(folder, "sha256sum file | cut -c1-64 | tr -d '\\n' > judged");
		judged = scratch_read(folder, "judged", NULL);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(sha256_file(fd, digest, &size), 0);
		assert_digest(digest, judged);
		assert_int_equal(size, lseek(fd, 0, SEEK_END));
	}
}

static void ranges_of_disks_are_hashed_piece_by_piece(void **state)
{
	static uint8_t data[200000];
	const struct block_io io = block_io_bytes(data, sizeof(data));
	static const struct {
		uint64_t offset, size;
	} ranges[] = {{0, 0}, {0, 1}, {7, 65536}, {1, 65537}, {65535, 131072}, {3, 199997}, {200000, 0}};
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint8_t digest[SHA256_SIZE], expected[SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i >> 3);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		assert_int_equal(sha256_update_io(context, &io, ranges[i].offset, ranges[i].size), 0);
		sha256_final(context, digest);
		assert_int_equal(sha256_bytes(data + ranges[i].offset, (size_t)ranges[i].size, expected), 0);
		assert_memory_equal(digest, expected, SHA256_SIZE);
	}
	assert_int_equal(sha256_io(&io, digest), 0);
	assert_int_equal(sha256_bytes(data, sizeof(data), expected), 0);
	assert_memory_equal(digest, expected, SHA256_SIZE);
	assert_int_equal(sha256_update_io(context, &io, 1, sizeof(data)), -ENXIO);
}

static void what_cannot_be_read_has_no_digest(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/file", folder);
	struct block_file file;
	struct block_io io;
	uint8_t digest[SHA256_SIZE];

	(void)state;
	shell(folder, "seq 1 50000 > file");
	file = (struct block_file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
	assert_true(file.fd >= 0);
	io = block_io_file(&file, (uint64_t)lseek(file.fd, 0, SEEK_END) + 1);
	assert_int_equal(sha256_io(&io, digest), -ENODATA);
	(void)close(file.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_fips_180),
		cmocka_unit_test(files_are_hashed_from_their_beginning),
		cmocka_unit_test(holes_count_as_the_zeros_that_they_read_as),
		cmocka_unit_test(ranges_of_disks_are_hashed_piece_by_piece),
		cmocka_unit_test(what_cannot_be_read_has_no_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
