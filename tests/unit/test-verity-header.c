/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "base/bytes.h"
#include "format/verity-header.h"

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
	struct verity_header header;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	assert_ok(verity_header_parse(data, size, &header, &err), err);
	assert_int_equal(header.blocks, 300);
	assert_int_equal(header.options.salt_size, 3);
	assert_memory_equal(header.options.salt, "\x01\x02\xff", 3);
	assert_memory_equal(
		header.options.uuid, "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
}

/* The hash file has exactly the size that its tree needs: a block less of either is too little. */
static void places_that_are_too_small_are_refused(void **state)
{
	struct verity_header header;
	struct error *err = NULL;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	assert_ok(verity_header_parse(data, size, &header, &err), err);
	assert_ok(verity_header_fits(&header, DATA_SIZE, size, &err), err);
	assert_error(verity_header_fits(&header, DATA_SIZE - 1, size, &err), -EBADMSG, err,
		"300 data blocks of 4096 bytes do not fit");
	assert_error(verity_header_fits(&header, DATA_SIZE, size - 1, &err), -EBADMSG, err, "a hash tree of");
	write_le64(data + 72, VERITY_BLOCKS_MAX);
	assert_ok(verity_header_parse(data, size, &header, &err), err);
	assert_error(verity_header_fits(&header, UINT64_MAX, UINT64_MAX / 4096, &err), -EBADMSG, err,
		"a hash tree of");
}

static void what_is_no_superblock_of_ours_is_refused(void **state)
{
	static const struct {
		size_t offset;
		uint8_t value;
		int code;
		const char *message;
	} cases[] = {
		{0, 'x', -EBADMSG, "no superblock"},
		{8, 2, -ENOTSUP, "version 2"},
		{12, 0, -ENOTSUP, "hash type 0"},
		{32 + 3, '5', -ENOTSUP, "not sha256"},
		{32 + 31, 'x', -ENOTSUP, "not sha256"},
		{64, 1, -ENOTSUP, "data blocks of 4097"},
		{69, 0, -ENOTSUP, "hash blocks of 0 bytes"},
		{81, 2, -EBADMSG, "salt of 515 bytes"},
		{72, 0, -EBADMSG, "counts 0 data blocks"},
		{79, 0xff, -EBADMSG, "data blocks"},
	};
	struct verity_header header;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t copy[VERITY_HEADER_SIZE];
		struct error *err = NULL;

		memcpy(copy, data, sizeof(copy));
		copy[cases[i].offset] = cases[i].value;
		if (cases[i].offset == 72)
			memset(copy + 72, 0, 8);
		assert_error(verity_header_parse(copy, sizeof(copy), &header, &err), cases[i].code, err,
			cases[i].message);
	}
}

static void a_superblock_that_is_cut_is_refused(void **state)
{
	struct verity_header header;
	struct error *err = NULL;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	assert_error(verity_header_parse(data, VERITY_HEADER_SIZE - 1, &header, &err), -EBADMSG, err,
		"511 bytes has no superblock");
	assert_error(verity_header_parse(data, 0, &header, &err), -EBADMSG, err, "has no superblock");
}

static void what_is_written_is_what_veritysetup_writes(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	uint8_t written[VERITY_HEADER_SIZE] = {};
	struct verity_header header;
	size_t size;
	_cleanup_free_ uint8_t *data = make_superblock(&size);

	(void)state;
	assert_ok(verity_header_parse(data, size, &header, &err), err);
	assert_int_equal(header.size, size);
	verity_header_write(&header.options, header.blocks, written);
	assert_memory_equal(written, data, sizeof(written));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_veritysetup_writes),
		cmocka_unit_test(places_that_are_too_small_are_refused),
		cmocka_unit_test(what_is_no_superblock_of_ours_is_refused),
		cmocka_unit_test(a_superblock_that_is_cut_is_refused),
		cmocka_unit_test(what_is_written_is_what_veritysetup_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
