/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "base/crc32c.h"

/* RFC 3720, appendix B.4, whose bytes stand there least significant first. */
static void agrees_with_the_examples_of_rfc_3720(void **state)
{
	uint8_t data[32];

	(void)state;
	memset(data, 0, sizeof(data));
	assert_int_equal(~crc32c(~0u, data, sizeof(data)), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(~crc32c(~0u, data, sizeof(data)), 0x62a8ab43);
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	assert_int_equal(~crc32c(~0u, data, sizeof(data)), 0x46dd794e);
	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(31 - i);
	assert_int_equal(~crc32c(~0u, data, sizeof(data)), 0x113fdb5c);
}

static void goes_on_where_it_stopped(void **state)
{
	(void)state;
	assert_int_equal(crc32c(crc32c(7, "abc", 3), "defg", 4), crc32c(7, "abcdefg", 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_examples_of_rfc_3720),
		cmocka_unit_test(goes_on_where_it_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
