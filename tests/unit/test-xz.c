/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/xz.h"

static void decompresses_what_xz_compresses(void **state)
{
	static const char *const commands[] = {"xz -k plain", "xz -k -C crc32 --x86 --lzma2=dict=1MiB plain",
		"xz -k -0 --block-size=4096 plain", "xz -k -C sha256 plain"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_free_ char *plain = NULL, *packed = NULL;
		_cleanup_free_ void *data = NULL;
		_cleanup_error_ struct error *err = NULL;
		size_t plain_size, packed_size, size;

		shell(folder, "seq 1 20000 > plain");
		shell(folder, commands[i]);
		plain = scratch_read(folder, "plain", &plain_size);
		packed = scratch_read(folder, "plain.xz", &packed_size);
		assert_true(xz_is(packed, packed_size));
		assert_false(xz_is(plain, plain_size));
		assert_ok(xz_decode(packed, packed_size, plain_size, &data, &size, &err), err);
		assert_int_equal(size, plain_size);
		assert_memory_equal(data, plain, size);
	}
}

static void refuses_what_is_damaged_or_too_large(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *packed = NULL, *twice = NULL;
	_cleanup_error_ struct error *err = NULL;
	size_t packed_size, twice_size, size;
	void *data;

	(void)state;
	shell(folder,
		"head -c 300000000 /dev/zero | xz -0 > zeros.xz; seq 9 > x; xz x; cat x.xz x.xz > twice");
	packed = scratch_read(folder, "zeros.xz", &packed_size);
	twice = scratch_read(folder, "twice", &twice_size);
	assert_error(xz_decode(packed, packed_size, MiB(1), &data, &size, &err), -EFBIG, err,
		"larger than 1048576 bytes");
	assert_error(xz_decode(twice, twice_size, MiB(1), &data, &size, &err), -EBADMSG, err, "damaged");
	assert_error(
		xz_decode(twice, twice_size / 2 - 1, MiB(1), &data, &size, &err), -EBADMSG, err, "damaged");
	assert_error(xz_decode(twice, 0, MiB(1), &data, &size, &err), -EBADMSG, err, "damaged");
	assert_error(xz_decode(twice, twice_size / 2, 17, &data, &size, &err), -EFBIG, err, "larger than 17");
	twice[twice_size / 4] ^= 1;
	assert_error(xz_decode(twice, twice_size / 2, MiB(1), &data, &size, &err), -EBADMSG, err, "damaged");
}

/* Whatever room the buffer has beyond the limit. */
static void the_limit_holds_in_a_buffer_with_room_to_spare(void **state)
{
	static const size_t rooms[] = {0, 999, MiB(1), MiB(1) + 1, MiB(3), MiB(299)};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *packed = NULL;
	size_t packed_size;

	(void)state;
	shell(folder, "head -c 300000000 /dev/zero | xz -0 > zeros.xz");
	packed = scratch_read(folder, "zeros.xz", &packed_size);
	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		_cleanup_buffer_ struct buffer to = {};
		_cleanup_error_ struct error *err = NULL;

		buffer_append(&to, "before", 6);
		assert_int_equal(buffer_reserve(&to, rooms[i]), 0);
		assert_error(xz_append(packed, packed_size, MiB(1), &to, &err), -EFBIG, err,
			"larger than 1048576 bytes");
		assert_true(to.size <= 6 + MiB(1) + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decompresses_what_xz_compresses),
		cmocka_unit_test(refuses_what_is_damaged_or_too_large),
		cmocka_unit_test(the_limit_holds_in_a_buffer_with_room_to_spare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
