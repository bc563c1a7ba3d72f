/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"

static void compares_beginnings_and_ends(void **state)
{
	(void)state;
	assert_string_equal(startswith("usr/lib", "usr/"), "lib");
	assert_string_equal(startswith("usr", ""), "usr");
	assert_string_equal(startswith("usr", "usr"), "");
	assert_null(startswith("us", "usr"));
	assert_true(endswith("a.ko", ".ko"));
	assert_true(endswith("a", ""));
	assert_false(endswith("o", ".ko"));
	assert_false(endswith("a.ko ", ".ko"));
}

static void numbers_fill_the_whole_string(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"0x1", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		if (parse_u64(cases[i].text, &value) != cases[i].r)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(value, cases[i].r == 0 ? cases[i].value : 77);
	}
}

static void sizes_have_binary_suffixes(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t value;
	} cases[] = {
		{"512", 0, 512},
		{"1K", 0, 1024},
		{"512M", 0, UINT64_C(536870912)},
		{"1GiB", 0, UINT64_C(1073741824)},
		{"3T", 0, UINT64_C(3298534883328)},
		{"16777215T", 0, UINT64_C(18446742974197923840)},
		{"16777216T", -ERANGE, 0},
		{"1k", -EINVAL, 0},
		{"1KB", -EINVAL, 0},
		{"1MM", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"1.5G", -EINVAL, 0},
		{"", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 77;

		if (parse_size(cases[i].text, &value) != cases[i].r)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(value, cases[i].r == 0 ? cases[i].value : 77);
	}
}

static void sizes_are_written_with_one_decimal(void **state)
{
	char text[SIZE_TEXT_MAX];

	(void)state;
	assert_string_equal(format_size(0, text), "0 B");
	assert_string_equal(format_size(1023, text), "1023 B");
	assert_string_equal(format_size(1024, text), "1.0 KiB");
	assert_string_equal(format_size(1536, text), "1.5 KiB");
	assert_string_equal(format_size(1048575, text), "1.0 MiB");
	assert_string_equal(format_size(UINT64_C(3564822528), text), "3.3 GiB");
	assert_string_equal(format_size(UINT64_MAX, text), "16.0 EiB");
}

static void lists_grow_and_end_with_null(void **state)
{
	_cleanup_strv_ struct strv list = {};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(strv_addf(&list, "%03u", i), 0);
		assert_int_equal(list.count, i + 1);
		assert_null(list.items[list.count]);
	}
	assert_string_equal(list.items[0], "000");
	assert_string_equal(list.items[99], "099");
	assert_true(strv_contains(&list, "042"));
	assert_false(strv_contains(&list, "42"));
	assert_int_equal(strv_push(&list, NULL), -ENOMEM);
	assert_int_equal(list.count, 100);
}

static void sorting_drops_repetitions(void **state)
{
	static const char *const items[] = {"b", "a", "b", "", "\xc3\xa9", "B", "a", "b"};
	static const char *const expected[] = {"", "B", "a", "b", "\xc3\xa9"};
	_cleanup_strv_ struct strv list = {}, empty = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		assert_int_equal(strv_add(&list, items[i]), 0);
	strv_sort_unique(&list);
	assert_int_equal(list.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(list.items[i], expected[i]);
	assert_null(list.items[list.count]);
	strv_sort_unique(&empty);
	assert_int_equal(empty.count, 0);
	assert_int_equal(strv_add(&list, "again"), 0);
	assert_null(list.items[list.count]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_beginnings_and_ends),
		cmocka_unit_test(numbers_fill_the_whole_string),
		cmocka_unit_test(sizes_have_binary_suffixes),
		cmocka_unit_test(sizes_are_written_with_one_decimal),
		cmocka_unit_test(lists_grow_and_end_with_null),
		cmocka_unit_test(sorting_drops_repetitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
