/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "format/canonical-json.h"
#include "format/json-text.h"

#define MARK "\xef\xbf\xbd" /* U+FFFD */

static void what_is_not_utf8_is_text_all_the_same(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"", ""}, {"out/a", "out/a"}, {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"o\xe9", "o" MARK}, {"\xff\xfe/x", MARK MARK "/x"},
		/* Where one byte is none of UTF-8, the others beyond ASCII are not known to be. */
		{"\xc3\xbc\xe9", MARK MARK MARK}, {"cut \xe2\x82", "cut " MARK MARK},
		{"\xed\xa0\x80", MARK MARK MARK}, /* a surrogate */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *value = json_text(cases[i].text);

		assert_non_null(value);
		assert_string_equal(json_string_value(value), cases[i].expected);
	}
}

static void no_text_is_null(void **state)
{
	_cleanup_json_ json_t *value = json_text(NULL);

	(void)state;
	assert_true(json_is_null(value));
}

static void a_text_with_a_size_may_have_a_nul(void **state)
{
	_cleanup_json_ json_t *plain = json_text_sized("a\0b", 3), *other = json_text_sized("\xe9\0b|", 3);

	(void)state;
	assert_int_equal(json_string_length(plain), 3);
	assert_memory_equal(json_string_value(plain), "a\0b", 4);
	assert_int_equal(json_string_length(other), 5);
	assert_memory_equal(json_string_value(other), MARK "\0b", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_utf8_is_text_all_the_same),
		cmocka_unit_test(no_text_is_null),
		cmocka_unit_test(a_text_with_a_size_may_have_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
