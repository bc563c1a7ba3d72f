/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"

static void appends_values_in_their_byte_order(void **state)
{
	_cleanup_buffer_ struct buffer b = {};
	static const uint8_t expected[] = {0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e, 0x0d, 0x0c,
		0x0b, 0x0a, 0x09, 0x08, 0x10, 0x11, 0x12, 0x13, 'a', 'b', '4', '2', 0, 0};

	(void)state;
	buffer_append_u8(&b, 0x01);
	buffer_append_le16(&b, 0x0203);
	buffer_append_le32(&b, 0x04050607);
	buffer_append_le64(&b, UINT64_C(0x08090a0b0c0d0e0f));
	buffer_append_be32(&b, 0x10111213);
	buffer_append_string(&b, "ab");
	buffer_printf(&b, "%d", 42);
	buffer_append_zeros(&b, 2);
	assert_false(buffer_failed(&b));
	assert_int_equal(b.size, sizeof(expected));
	assert_memory_equal(b.data, expected, sizeof(expected));
}

static void aligns_to_the_next_multiple_only(void **state)
{
	static const struct {
		size_t size, align, aligned;
	} cases[] = {{0, 8, 0}, {1, 1, 1}, {1, 8, 8}, {8, 8, 8}, {9, 8, 16}, {4095, 4096, 4096}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buffer_ struct buffer b = {};

		buffer_append_zeros(&b, cases[i].size);
		buffer_align(&b, cases[i].align);
		assert_int_equal(b.size, cases[i].aligned);
	}
}

static void stays_failed_once_memory_is_out(void **state)
{
	_cleanup_buffer_ struct buffer b = {};
	size_t size = 99;

	(void)state;
	buffer_append_string(&b, "before");
	assert_null(buffer_extend(&b, SIZE_MAX - 3)); /* overflows */
	assert_true(buffer_failed(&b));
	buffer_append_string(&b, "after");
	assert_int_equal(b.size, strlen("before"));
	assert_int_equal(buffer_reserve(&b, 0), -ENOMEM);
	assert_null(buffer_take(&b, &size));
	assert_int_equal(size, 99);
	assert_false(buffer_failed(&b)); /* empty, and new */
	assert_null(buffer_extend(&b, (size_t)PTRDIFF_MAX));
	assert_true(buffer_failed(&b));
}

static void taken_content_ends_with_a_byte_that_does_not_count(void **state)
{
	_cleanup_buffer_ struct buffer b = {};
	_cleanup_free_ char *empty = NULL, *text = NULL;
	size_t size;

	(void)state;
	empty = buffer_take(&b, &size);
	assert_int_equal(size, 0);
	assert_string_equal(empty, "");
	for (unsigned i = 0; i < 1000; i++)
		buffer_append_string(&b, "x");
	text = buffer_take(&b, &size);
	assert_int_equal(size, 1000);
	assert_int_equal(strlen(text), 1000);
	assert_int_equal(b.size, 0);
	assert_null(b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_values_in_their_byte_order),
		cmocka_unit_test(aligns_to_the_next_multiple_only),
		cmocka_unit_test(stays_failed_once_memory_is_out),
		cmocka_unit_test(taken_content_ends_with_a_byte_that_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
