/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "base/work.h"
#include "format/verity.h"

#define UUID_TEXT "00112233-4455-6677-8899-aabbccddeeff"

static const struct verity_options options = {
	.uuid = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
		0xff},
	.salt = {0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
		23, 24, 25, 26, 27, 28, 29, 30, 31, 32},
	.salt_size = 32,
};

struct scratch {
	char folder[64];
	char *data, *hash, *theirs;
};

static int set_up(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	memcpy(scratch->folder, "/tmp/test-verity-XXXXXX", sizeof("/tmp/test-verity-XXXXXX"));
	assert_non_null(mkdtemp(scratch->folder));
	scratch->data = string_format("%s/data", scratch->folder);
	scratch->hash = string_format("%s/hash", scratch->folder);
	scratch->theirs = string_format("%s/theirs", scratch->folder);
	*state = scratch;
	return 0;
}

static int tear_down(void **state)
{
	struct scratch *scratch = *state;

	assert_int_equal(remove_tree(scratch->folder, NULL), 0);
	free(scratch->data);
	free(scratch->hash);
	free(scratch->theirs);
	free(scratch);
	return 0;
}

/* Blocks that all differ. */
static uint8_t *make_data(uint64_t blocks)
{
	uint8_t *data = malloc(blocks * VERITY_BLOCK_SIZE);

	assert_non_null(data);
	for (uint64_t i = 0; i < blocks; i++) {
		memset(data + i * VERITY_BLOCK_SIZE, (int)(i % 251), VERITY_BLOCK_SIZE);
		memcpy(data + i * VERITY_BLOCK_SIZE, &i, sizeof(i));
	}
	return data;
}

struct hashing {
	struct verity *verity;
	const uint8_t *data;
	uint64_t blocks;
};

static int hash_seven(size_t index, void *userdata, struct error **err)
{
	struct hashing *hashing = userdata;
	_cleanup_sha256_ struct sha256 *context = sha256_new();
	uint64_t first = index * 7;

	(void)err;
	verity_hash(hashing->verity, context, first, hashing->data + first * VERITY_BLOCK_SIZE,
		(size_t)MIN((uint64_t)7, hashing->blocks - first));
	return 0;
}

/* Writes data and our hash file; returns the root hash. */
static void make_files(const struct scratch *scratch, const struct verity_options *with, uint64_t blocks,
	uint8_t ret_root[SHA256_SIZE])
{
	_cleanup_free_ uint8_t *data = make_data(blocks);
	_cleanup_verity_ struct verity *verity = NULL;
	_cleanup_error_ struct error *err = NULL;
	const uint8_t *file;

	assert_ok(verity_new(with, blocks, &verity, &err), err);
	struct hashing hashing = {.verity = verity, .data = data, .blocks = blocks};

	assert_ok(work_run(3, (blocks + 6) / 7, hash_seven, &hashing, &err), err);
	assert_ok(verity_finish(verity, &file, ret_root), err);
	assert_ok(file_write_atomic(scratch->data, data, blocks * VERITY_BLOCK_SIZE, 0644, &err), err);
	assert_ok(file_write_atomic(scratch->hash, file, verity_size(verity), 0644, &err), err);
}

static void run_veritysetup(const char *const *arguments, struct process_result *ret)
{
	_cleanup_error_ struct error *err = NULL;
	int r = process_run(arguments, NULL, 0, MiB(1), ret, &err);

	if (r == -ENOENT) {
		print_message("skipped, because veritysetup is not installed\n");
		skip();
	}
	assert_ok(r, err);
}

static void assert_equal_files(const char *a, const char *b)
{
	_cleanup_free_ char *x = NULL, *y = NULL;
	size_t x_size = 0, y_size = 0;

	assert_int_equal(file_read(a, MiB(16), &x, &x_size, NULL), 0);
	assert_int_equal(file_read(b, MiB(16), &y, &y_size, NULL), 0);
	assert_int_equal(x_size, y_size);
	assert_memory_equal(x, y, x_size);
}

/* Numbers of blocks around the places where the tree gets another block or another level. */
static const uint64_t sizes[] = {1, 2, 127, 128, 129, 300, 16384, 16385};

static void hash_files_equal_those_of_veritysetup(void **state)
{
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_process_result_ struct process_result result = {};
		_cleanup_free_ char *salt = hex_encode_new(options.salt, options.salt_size);
		_cleanup_free_ char *salt_argument = string_format("--salt=%s", salt);
		uint8_t root[SHA256_SIZE];
		char hex[SHA256_HEX_SIZE];

		make_files(scratch, &options, sizes[i], root);
		run_veritysetup((const char *const[]){"veritysetup", "format", "--uuid=" UUID_TEXT,
					salt_argument, scratch->data, scratch->theirs, NULL},
			&result);
		assert_int_equal(result.status, 0);
		assert_equal_files(scratch->hash, scratch->theirs);
		hex_encode(root, sizeof(root), hex);
		buffer_append_u8(&result.output, 0);
		assert_non_null(strstr((char *)result.output.data, hex));
	}
}

static void salts_of_any_length_are_veritysetups(void **state)
{
	static const size_t lengths[] = {0, 1, 63, 256};
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		_cleanup_process_result_ struct process_result result = {};
		_cleanup_free_ char *salt = NULL, *argument = NULL;
		struct verity_options with = options;
		uint8_t root[SHA256_SIZE];

		with.salt_size = lengths[i];
		for (size_t k = 0; k < lengths[i]; k++)
			with.salt[k] = (uint8_t)(k * 7);
		salt = hex_encode_new(with.salt, with.salt_size);
		argument = string_format("--salt=%s", lengths[i] == 0 ? "-" : salt);
		make_files(scratch, &with, 200, root);
		run_veritysetup((const char *const[]){"veritysetup", "format", "--uuid=" UUID_TEXT, argument,
					scratch->data, scratch->theirs, NULL},
			&result);
		assert_int_equal(result.status, 0);
		assert_equal_files(scratch->hash, scratch->theirs);
	}
}

static void veritysetup_verifies_our_files(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_process_result_ struct process_result good = {}, bad = {};
	uint8_t root[SHA256_SIZE];
	char hex[SHA256_HEX_SIZE];

	make_files(scratch, &options, 1000, root);
	hex_encode(root, sizeof(root), hex);
	run_veritysetup(
		(const char *const[]){"veritysetup", "verify", scratch->data, scratch->hash, hex, NULL},
		&good);
	assert_int_equal(good.status, 0);
	hex[5] = hex[5] == '0' ? '1' : '0';
	run_veritysetup(
		(const char *const[]){"veritysetup", "verify", scratch->data, scratch->hash, hex, NULL},
		&bad);
	assert_int_not_equal(bad.status, 0);
}

static int verify(
	const struct scratch *scratch, const uint8_t *root, struct verity_fault *fault, struct error **err)
{
	_cleanup_close_ int data = open(scratch->data, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int hash = open(scratch->hash, O_RDONLY | O_CLOEXEC);

	assert_true(data >= 0 && hash >= 0);
	return verity_verify(data, hash, root, 2, fault, err);
}

static void flip(const char *path, uint64_t offset)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_int_equal(pread_full(fd, &byte, 1, offset), 0);
	byte ^= 0x10;
	assert_int_equal(pwrite_full(fd, &byte, 1, offset), 0);
}

static void verifies_what_is_whole(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_error_ struct error *err = NULL;
		uint8_t root[SHA256_SIZE];

		make_files(*state, &options, sizes[i], root);
		assert_ok(verify(*state, root, NULL, &err), err);
	}
}

static void finds_the_first_bad_block(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_error_ struct error *err = NULL;
	struct verity_fault fault = {};
	uint8_t root[SHA256_SIZE];

	make_files(scratch, &options, 3000, root);
	flip(scratch->data, 2999 * 4096 + 4095);
	assert_error(verify(scratch, root, &fault, &err), -EBADMSG, err, "data block 2999");
	flip(scratch->data, 700 * 4096 + 1);
	assert_error(verify(scratch, root, &fault, &err), -EBADMSG, err, "data block 700");
	assert_false(fault.in_tree);
	assert_int_equal(fault.block, 700);
	flip(scratch->data, 3 * 4096);
	assert_error(verify(scratch, root, &fault, &err), -EBADMSG, err, "data block 3 ");
	assert_int_equal(fault.block, 3);
	/* The tree: block 0 superblock, 1 root, 2 to 25 the lowest level. */
	flip(scratch->hash, 25 * 4096 + 4000);
	assert_error(verify(scratch, root, &fault, &err), -EBADMSG, err, "block 25 of the hash tree");
	assert_true(fault.in_tree);
	assert_int_equal(fault.block, 25);
	flip(scratch->hash, 1 * 4096);
	assert_error(verify(scratch, root, &fault, &err), -EBADMSG, err, "another tree's");
	assert_int_equal(fault.block, 1);
}

static void an_image_of_one_block_has_only_a_root(void **state)
{
	const struct scratch *scratch = *state;
	_cleanup_error_ struct error *err = NULL;
	struct verity_fault fault = {};
	uint8_t root[SHA256_SIZE];

	make_files(scratch, &options, 1, root);
	flip(scratch->data, 9);
	assert_error(verify(scratch, root, &fault, &err), -EBADMSG, err, "data block 0");
}

static void cut_files_and_foreign_superblocks_are_refused(void **state)
{
	static const struct {
		uint64_t offset;
		uint8_t value;
		int code;
		const char *text;
	} cases[] = {
		{0, 'V', -EBADMSG, "no superblock"},
		{8, 2, -ENOTSUP, "version 2"},
		{12, 0, -ENOTSUP, "hash type 0"},
		{35, '5', -ENOTSUP, "sha256"},
		{65, 2, -ENOTSUP, "data blocks of 512"},
		{69, 4, -ENOTSUP, "hash blocks of 1024"},
		{81, 2, -EBADMSG, "salt of 544"},
		{79, 0xff, -EBADMSG, "data blocks"},
		{76, 1, -ENODATA, "superblock says"},
		{73, 4, -ENODATA, "superblock says"},
	};
	const struct scratch *scratch = *state;
	_cleanup_error_ struct error *err = NULL;
	uint8_t root[SHA256_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_files(scratch, &options, 200, root);
		_cleanup_close_ int fd = open(scratch->hash, O_RDWR | O_CLOEXEC);

		assert_int_equal(pwrite_full(fd, &cases[i].value, 1, cases[i].offset), 0);
		assert_error(verify(scratch, root, NULL, &err), cases[i].code, err, cases[i].text);
	}
	make_files(scratch, &options, 200, root);
	assert_int_equal(truncate(scratch->data, 199 * 4096 + 4095), 0);
	assert_error(verify(scratch, root, NULL, &err), -ENODATA, err, "reading the data");
	make_files(scratch, &options, 200, root);
	assert_int_equal(truncate(scratch->hash, 4 * 4096 - 1), 0);
	assert_error(verify(scratch, root, NULL, &err), -ENODATA, err, "superblock says");
	assert_int_equal(truncate(scratch->hash, 100), 0);
	assert_error(verify(scratch, root, NULL, &err), -ENODATA, err, "superblock");
}

static void refuses_impossible_trees(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	struct verity_options with = options;
	struct verity *verity = NULL;

	(void)state;
	assert_error(verity_new(&options, 0, &verity, &err), -EINVAL, err, "empty");
	assert_error(verity_new(&options, UINT64_MAX, &verity, &err), -E2BIG, err, "too many");
	with.salt_size = 257;
	assert_error(verity_new(&with, 1, &verity, &err), -EINVAL, err, "salt");
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCRATCH(hash_files_equal_those_of_veritysetup),
		WITH_SCRATCH(salts_of_any_length_are_veritysetups),
		WITH_SCRATCH(veritysetup_verifies_our_files),
		WITH_SCRATCH(verifies_what_is_whole),
		WITH_SCRATCH(finds_the_first_bad_block),
		WITH_SCRATCH(an_image_of_one_block_has_only_a_root),
		WITH_SCRATCH(cut_files_and_foreign_superblocks_are_refused),
		cmocka_unit_test(refuses_impossible_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
