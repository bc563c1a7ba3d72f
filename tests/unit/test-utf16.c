/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/utf16.h"

/* The examples of RFC 3629, section 7, and RFC 2781, section 3.1, and the corners of each length. */
static const struct {
	const char *text;
	uint16_t units[8];
	size_t count;
} pairs[] = {
	{"", {}, 0},
	{"orlop_1", {'o', 'r', 'l', 'o', 'p', '_', '1'}, 7},
	{"A\xe2\x89\xa2\xce\x91.", {0x41, 0x2262, 0x391, 0x2e}, 4},
	{"\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4", {0xd55c, 0xad6d, 0xc5b4}, 3},
	{"\xef\xbb\xbf\xf0\xa3\x8e\xb4", {0xfeff, 0xd84c, 0xdfb4}, 3},
	{"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", {0x80, 0x7ff, 0x800, 0xffff}, 4},
	{"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", {0xd800, 0xdc00, 0xdbff, 0xdfff}, 4},
};

static void text_goes_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		char text[UTF8_SIZE(8)];
		uint16_t units[8];
		size_t count;

		assert_true(utf8_is_valid(pairs[i].text));
		assert_int_equal(utf16_from_utf8(pairs[i].text, units, 8, &count), 0);
		assert_int_equal(count, pairs[i].count);
		assert_memory_equal(units, pairs[i].units, 2 * count);
		assert_true(utf16_to_utf8(pairs[i].units, count, text));
		assert_string_equal(text, pairs[i].text);
	}
}

static void bad_utf8_is_refused(void **state)
{
	/* Stray, overlong, surrogate, too large, cut off. */
	static const char *const wrong[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3",
		"\xe2\x89", "\xf0\xa3\x8e", "\xe2z"};
	uint16_t units[8];
	size_t count;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_false(utf8_is_valid(wrong[i]));
		assert_int_equal(utf16_from_utf8(wrong[i], units, 8, &count), -EILSEQ);
	}
}

static void text_that_is_too_long_is_refused(void **state)
{
	uint16_t units[3];
	size_t count;

	(void)state;
	assert_int_equal(utf16_from_utf8("abc", units, 3, &count), 0);
	assert_int_equal(utf16_from_utf8("abcd", units, 3, &count), -ENAMETOOLONG);
	assert_int_equal(utf16_from_utf8("ab\xf0\xa3\x8e\xb4", units, 3, &count), -ENAMETOOLONG);
}

static void lone_surrogates_become_replacement_characters(void **state)
{
	static const uint16_t units[] = {'a', 0xd800, 'b', 0xdc00, 0xd800};
	char text[UTF8_SIZE(5)];

	(void)state;
	assert_false(utf16_to_utf8(units, 5, text));
	assert_string_equal(text, "a\xef\xbf\xbd"
				  "b\xef\xbf\xbd\xef\xbf\xbd");
	assert_true(utf16_to_utf8((const uint16_t[]){'x', 0, 0xd800}, 3, text));
	assert_string_equal(text, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_goes_both_ways),
		cmocka_unit_test(bad_utf8_is_refused),
		cmocka_unit_test(text_that_is_too_long_is_refused),
		cmocka_unit_test(lone_surrogates_become_replacement_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
