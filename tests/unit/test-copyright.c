/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/copyright.h"

#define FORMAT "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"

static void parse(const char *text, struct copyright *ret)
{
	assert_int_equal(copyright_parse(text, strlen(text), ret), 0);
}

static void assert_list(const struct strv *list, const char *expected)
{
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < list->count; i++)
		buffer_printf(&text, "%s%s", i > 0 ? "|" : "", list->items[i]);
	buffer_append_u8(&text, 0);
	assert_string_equal((const char *)text.data, expected);
}

static void names_texts_and_holders_are_read(void **state)
{
	_cleanup_copyright_ struct copyright copyright = {};

	(void)state;
	parse(FORMAT "Upstream-Name: X\nLicense: summary\n\n"
		     "Files: *\nCopyright: 2020, A\n  2021, B\nLicense: GPL-2+ or MIT\n\n"
		     "Files: debian/*\nCopyright:\n 2021, B\n .\n 2022, C\nLicense: mine\n One line.\n .\n "
		     "Another.\n\n"
		     "Files: x\nCopyright: 2020, A\nLicense: GPL-2+ or MIT\n\n"
		     "License: MIT\n Permission is granted.\n\n"
		     "License: GPL-2+\n See /usr/share/common-licenses/GPL-2.\n",
		&copyright);
	assert_true(copyright.machine_readable);
	assert_list(&copyright.names, "GPL-2+ or MIT|mine");
	assert_list(&copyright.holders, "2020, A|2021, B|2022, C");
	assert_list(&copyright.common, "GPL-2");
	assert_string_equal(copyright_text(&copyright, "mine"), "One line.\n\nAnother.");
	assert_string_equal(copyright_text(&copyright, "mit"), "Permission is granted.");
	assert_null(copyright_text(&copyright, "GPL-2+ or MIT"));
	assert_null(copyright_text(&copyright, "summary"));
}

static void a_header_counts_where_no_paragraph_says_more(void **state)
{
	_cleanup_copyright_ struct copyright copyright = {};

	(void)state;
	parse(FORMAT "Copyright: 2020, A\nLicense: ISC\n Text.\n", &copyright);
	assert_list(&copyright.names, "ISC");
	assert_list(&copyright.holders, "2020, A");
	assert_string_equal(copyright_text(&copyright, "ISC"), "Text.");
}

static void a_paragraph_with_a_fault_hides_no_other(void **state)
{
	_cleanup_copyright_ struct copyright copyright = {};

	(void)state;
	parse(FORMAT "\nFiles: a\nCopyright: A\nLicense: ISC\n\n"
		     "Files: b\nthis is no field\nLicense: lost\n\n"
		     "Files: c\nFiles: c\nLicense: lost\n   \nFiles: d\nLicense: Zlib\n",
		&copyright);
	assert_list(&copyright.names, "ISC|Zlib");
}

static void prose_says_only_which_common_licences_it_points_to(void **state)
{
	_cleanup_copyright_ struct copyright copyright = {};

	(void)state;
	parse("This package was made by A.\n\nLicense: GPL\nIt is in `/usr/share/common-licenses/GPL-3', or\n"
	      "/usr/share/common-licenses/LGPL-2.1. See /usr/share/common-licenses/GPL-3 and\n"
	      "/usr/share/common-licenses/\n",
		&copyright);
	assert_false(copyright.machine_readable);
	assert_list(&copyright.common, "GPL-3|LGPL-2.1");
	assert_int_equal(copyright.names.count, 0);
	assert_int_equal(copyright.text_count, 0);
}

static void nothing_is_read_behind_a_nul(void **state)
{
	static const char text[] = FORMAT "\nFiles: a\nLicense: ISC\n\0\nFiles: b\nLicense: MIT\n";
	_cleanup_copyright_ struct copyright copyright = {};

	(void)state;
	assert_int_equal(copyright_parse(text, sizeof(text) - 1, &copyright), 0);
	assert_list(&copyright.names, "ISC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_texts_and_holders_are_read),
		cmocka_unit_test(a_header_counts_where_no_paragraph_says_more),
		cmocka_unit_test(a_paragraph_with_a_fault_hides_no_other),
		cmocka_unit_test(prose_says_only_which_common_licences_it_points_to),
		cmocka_unit_test(nothing_is_read_behind_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
