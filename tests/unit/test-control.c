/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "format/control.h"

static void reads_paragraphs_with_continued_lines_and_comments(void **state)
{
	static const char text[] =
		"\n# above\nPackage: a  \nDescription: one\n two \n .\n# inside\n\tthree\nEmpty:\n\n \n"
		"# between\nPackage:b\nFiles:\n x\n y";
	const char *at = text, *end = text + strlen(text);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_control_ struct control first = {}, second = {};

	(void)state;
	assert_int_equal(control_next(&at, end, "t", &first, &err), 1);
	assert_int_equal(first.count, 3);
	assert_string_equal(control_get(&first, "PACKAGE"), "a");
	assert_string_equal(control_get(&first, "Description"), "one\ntwo\n.\nthree");
	assert_string_equal(control_get(&first, "Empty"), "");
	assert_null(control_get(&first, "Files"));
	assert_int_equal(control_next(&at, end, "t", &second, &err), 1);
	assert_string_equal(control_get(&second, "Package"), "b");
	assert_string_equal(control_get(&second, "Files"), "\nx\ny");
	assert_int_equal(control_next(&at, end, "t", &second, &err), 0);
	assert_ptr_equal(at, end);
}

static void refuses_what_is_no_field(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} wrong[] = {
		{"no colon\n", "\"no colon\" is no field"},
		{": value\n", "is no field"},
		{"-a: value\n", "is no field"},
		{"two words: value\n", "is no field"},
		{" begins: with a blank\n", "is no field"},
		{"A: 1\na: 2\n", "\"a\" stands twice"},
		{"\xc3\xa4: 1\n", "is no field"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *at = wrong[i].text;
		_cleanup_error_ struct error *err = NULL;
		_cleanup_control_ struct control control = {};

		assert_error(control_next(&at, at + strlen(at), "t", &control, &err), -EBADMSG, err,
			wrong[i].says);
	}
}

static void refuses_nul_bytes_and_endless_fields(void **state)
{
	static const char nul[] = "A: x\0y\n";
	size_t size = 5 << 20;
	char *large = malloc(size);
	const char *at = nul;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_control_ struct control control = {};

	(void)state;
	assert_error(
		control_next(&at, nul + sizeof(nul) - 1, "t", &control, &err), -EBADMSG, err, "NUL byte");
	assert_non_null(large);
	memset(large, 'x', size);
	memcpy(large, "A:", 2);
	at = large;
	assert_error(control_next(&at, large + size, "t", &control, &err), -EBADMSG, err, "4 MiB");
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_paragraphs_with_continued_lines_and_comments),
		cmocka_unit_test(refuses_what_is_no_field),
		cmocka_unit_test(refuses_nul_bytes_and_endless_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
