/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "base/http.h"

static void reads_content_range(void **state)
{
	static const struct {
		const char *line;
		bool good;
		struct http_range range;
	} cases[] = {
		{"Content-Range: bytes 0-499/1234\r\n", true, {0, 500, 1234}},
		{"content-range: bytes 500-999/1234\r\n", true, {500, 1000, 1234}},
		{"Content-Range: bytes 42-1233/*\r\n", true, {42, 1234, UINT64_MAX}},
		{"Content-Range:bytes 0-0/1\r\n", true, {0, 1, 1}},
		{"Content-Range: bytes */1234\r\n", false, {}},
		{"Content-Range: bytes 5-4/1234\r\n", false, {}},
		{"Content-Range: bytes 0-18446744073709551615/*\r\n", false, {}},
		{"Content-Range: bytes 0-499\r\n", false, {}},
		{"Content-Range: bytes 0-499/x\r\n", false, {}},
		{"Content-Range: bytes 0--2/*\r\n", false, {}},
		{"Content-Range: bytes +0-1/2\r\n", false, {}},
		{"Content-Range: bytes 0-499/99999999999999999999\r\n", false, {}},
		{"Content-Range: lines 0-499/1234\r\n", false, {}},
		{"Content-Length: 500\r\n", false, {}},
		{"\r\n", false, {}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_range range = {};

		assert_int_equal(
			http_parse_range(cases[i].line, strlen(cases[i].line), &range), cases[i].good);
		assert_int_equal(range.begin, cases[i].range.begin);
		assert_int_equal(range.end, cases[i].range.end);
		assert_true(range.total == cases[i].range.total);
	}
}

static void pauses_double_and_are_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		assert_in_range(http_pause_ms(1, 100), 50, 150);
		assert_in_range(http_pause_ms(4, 100), 400, 1200);
		assert_in_range(http_pause_ms(1000, 100), 15000, 45000);
	}
}

static void faults_of_the_moment_are_told_from_lasting_ones(void **state)
{
	static const long passing[] = {408, 425, 429, 500, 502, 503, 504, 520};
	static const long lasting[] = {400, 401, 403, 404, 410, 416, 501, 505, 511};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		assert_true(http_status_is_passing(passing[i]));
	for (size_t i = 0; i < ARRAY_SIZE(lasting); i++)
		assert_false(http_status_is_passing(lasting[i]));
	assert_true(http_code_is_lasting(CURLE_PEER_FAILED_VERIFICATION));
	assert_false(http_code_is_lasting(CURLE_COULDNT_CONNECT));
	assert_false(http_code_is_lasting(CURLE_OPERATION_TIMEDOUT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_content_range),
		cmocka_unit_test(pauses_double_and_are_bounded),
		cmocka_unit_test(faults_of_the_moment_are_told_from_lasting_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
