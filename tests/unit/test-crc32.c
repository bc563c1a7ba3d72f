/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <zlib.h>

#include "base/crc32.h"

/* The check value that every catalogue of CRCs gives for "123456789". */
static void check_value_is_right_in_one_piece_and_in_two(void **state)
{
	(void)state;
	assert_int_equal(crc32_update(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(crc32_update(crc32_update(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(crc32_update(0, "", 0), 0);
}

static void zlib_says_the_same_of_every_byte(void **state)
{
	uint8_t bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)i;
		assert_int_equal(crc32_update(0, bytes, i + 1), crc32(0, bytes, (uInt)i + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_value_is_right_in_one_piece_and_in_two),
		cmocka_unit_test(zlib_says_the_same_of_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
