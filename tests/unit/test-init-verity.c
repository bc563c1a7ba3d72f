/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <sys/sysmacros.h>

#include "base/bytes.h"
#include "init/verity.h"

#define DATA_SIZE (300 * 4096)

/* A hash file that veritysetup made for DATA_SIZE bytes of data. */
static uint8_t *make_superblock(size_t *ret_size)
{
	_cleanup_scratch_ char *folder = scratch_new();

	shell(folder, "head -c 1228800 /dev/zero >data; "
		      "veritysetup format --salt=0102ff --uuid=00112233-4455-6677-8899-aabbccddeeff data "
		      "hash >/dev/null");
	return (uint8_t *)scratch_read(folder, "hash", ret_size);
}

static void reads_what_veritysetup_writes(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	struct verity_parameters parameters;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	assert_ok(verity_superblock_parse(data, DATA_SIZE, size, &parameters, &err), err);
	assert_int_equal(parameters.data_blocks, 300);
	assert_int_equal(parameters.data_block_size, 4096);
	assert_int_equal(parameters.hash_block_size, 4096);
	assert_int_equal(parameters.salt_size, 3);
	assert_memory_equal(parameters.salt, "\x01\x02\xff", 3);
	assert_memory_equal(
		parameters.uuid, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
}

/* The hash file has exactly the size that its tree needs: a block less on either partition is too little. */
static void partitions_that_are_too_small_are_refused(void **state)
{
	struct verity_parameters parameters;
	struct error *err = NULL;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	assert_error(verity_superblock_parse(data, DATA_SIZE - 1, size, &parameters, &err), -EBADMSG, err,
		"300 data blocks of 4096 bytes do not fit");
	assert_error(verity_superblock_parse(data, DATA_SIZE, size - 1, &parameters, &err), -EBADMSG, err,
		"a hash tree of");
	write_le64(data + 72, UINT64_MAX / 4096);
	assert_error(verity_superblock_parse(data, UINT64_MAX, UINT64_MAX / 2048, &parameters, &err),
		-EBADMSG, err, "a hash tree of");
}

static void what_is_no_superblock_of_ours_is_refused(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
		const char *message;
	} cases[] = {
		{0, 'x', "no verity superblock"},
		{8, 2, "version 2"},
		{12, 0, "hash type 0"},
		{32 + 3, '5', "not sha256"},
		{32 + 31, 'x', "not sha256"},
		{64, 1, "block sizes"},
		{69, 0, "block sizes 4096 and 0"},
		{81, 2, "salt of 515 bytes"},
		{72, 0, "do not fit"},
	};
	struct verity_parameters parameters;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t copy[VERITY_SUPERBLOCK_SIZE];
		struct error *err = NULL;

		memcpy(copy, data, sizeof(copy));
		copy[cases[i].offset] = cases[i].value;
		if (cases[i].offset == 72)
			memset(copy + 72, 0, 8);
		assert_error(verity_superblock_parse(copy, DATA_SIZE, size, &parameters, &err), -EBADMSG, err,
			cases[i].message);
	}
}

static void assert_table(const struct verity_target *target, const char *expected)
{
	_cleanup_buffer_ struct buffer table = {};

	verity_table(target, &table);
	assert_false(buffer_failed(&table));
	assert_string_equal((char *)table.data, expected);
}

/* The order of the fields is that of the kernel's verity.rst. */
static void table_is_as_the_kernel_documents(void **state)
{
	static const char hash[] = "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076";
	struct verity_parameters parameters = {.data_block_size = 4096,
		.hash_block_size = 4096,
		.data_blocks = 262144,
		.salt = {0x12, 0x34},
		.salt_size = 2};
	struct verity_target target = {
		.parameters = &parameters, .data = makedev(8, 2), .hash = makedev(259, 3), .root_hash = hash};

	(void)state;
	assert_table(&target, "1 8:2 259:3 4096 4096 262144 1 sha256 "
			      "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 1234");
	parameters.salt_size = 0;
	target.signature_key = "key";
	assert_table(&target, "1 8:2 259:3 4096 4096 262144 1 sha256 "
			      "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 - "
			      "2 root_hash_sig_key_desc key");
	target.corruption = CORRUPTION_RESTART;
	assert_table(&target, "1 8:2 259:3 4096 4096 262144 1 sha256 "
			      "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 - "
			      "3 restart_on_corruption root_hash_sig_key_desc key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_veritysetup_writes),
		cmocka_unit_test(partitions_that_are_too_small_are_refused),
		cmocka_unit_test(what_is_no_superblock_of_ours_is_refused),
		cmocka_unit_test(table_is_as_the_kernel_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
