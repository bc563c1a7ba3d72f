/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/version.h"

static void a_version_is_a_day(void **state)
{
	_cleanup_error_ struct error *err = NULL;
	char text[VERSION_MAX];
	int64_t time;

	(void)state;
	/* date -u -d '2026-11-23' +%s and date -u -d '2028-02-29' +%s */
	assert_ok(version_time("202611.23.0", &time, &err), err);
	assert_int_equal(time, 1795392000);
	assert_ok(version_time("202802.29.17", &time, &err), err);
	assert_int_equal(time, 1835395200);
	version_of_day(1795392000 + 86399, text);
	assert_string_equal(text, "202611.23.0");
}

static void refuses_what_is_no_version(void **state)
{
	static const char *const bad[] = {"", "1", "202611.23", "202611.23.", "202611.23.01", "202613.01.0",
		"202600.01.0", "202602.29.0", "202611.31.0", "202611.00.0", "202611.23.0/..", "202611.23.-1",
		"20261.123.0", "202611.23.0 ", "202611.23.1234567890", "v202611.23.0", "196911.23.0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error *err = NULL;
		int64_t time;

		assert_error(version_time(bad[i], &time, &err), -EINVAL, err, "YYYYMM.DD.N");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_version_is_a_day),
		cmocka_unit_test(refuses_what_is_no_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
