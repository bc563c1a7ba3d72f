/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/process.h"
#include "base/string-util.h"
#include "format/os-release.h"

struct good_case {
	const char *text, *expected;
};

/* os-release(5): "variable assignments … shell-compatible". */
static const struct good_case good_cases[] = {
	{"V=plain\n", "plain"},
	{"V=plain", "plain"},
	{"A=1\nV=202611.23.0\nB=2\n", "202611.23.0"},
	{"V=\"two words\"\n", "two words"},
	{"V='two words'\n", "two words"},
	{"V=\"a \\\"quote\\\" \\$5 \\\\ \\`x\\`\"\n", "a \"quote\" $5 \\ `x`"},
	{"V=\"a\\b\"\n", "a\\b"},
	{"V='a\\b'\n", "a\\b"},
	{"V=a\\ b\n", "a b"},
	{"V=\n", ""},
	{"V=\"\"\n", ""},
	{"V=1\nV=2\n", "2"},
	{"XV=1\nV=2\nVX=3\n", "2"},
	{"V=\"it's\"\n", "it's"},
	{"V=plain  \n", "plain"},
	{"V=\"ä\"\n", "ä"},
};

static void values_are_what_a_shell_takes_them_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good_cases); i++) {
		const struct good_case *c = &good_cases[i];
		_cleanup_free_ char *value = NULL, *script = string_format("%s\nprintf %%s \"$V\"", c->text);
		_cleanup_process_result_ struct process_result result = {};
		_cleanup_error_ struct error *err = NULL;

		assert_int_equal(os_release_value(c->text, strlen(c->text), "V", &value), 0);
		assert_string_equal(value, c->expected);
		assert_non_null(script);
		assert_ok(process_run((const char *const[]){"sh", "-c", script, NULL}, NULL, 0, 1000, &result,
				  &err),
			err);
		buffer_append_u8(&result.output, 0);
		assert_string_equal((char *)result.output.data, c->expected);
	}
}

static void what_is_no_value_is_an_error(void **state)
{
	static const char *const bad[] = {"V=\"open\n", "V='open\n", "V=\"a\"b\n", "V=two words\n",
		"V=a\"b\"\n", "V=\"\\", "V='a' 'b'\n"};
	char *value = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(os_release_value(bad[i], strlen(bad[i]), "V", &value), -EBADMSG);
	assert_int_equal(os_release_value("V=a\0b\n", 6, "V", &value), -EBADMSG);
	assert_int_equal(os_release_value("W=1\n", 4, "V", &value), -ENOENT);
	assert_int_equal(os_release_value("# V=1\n", 6, "V", &value), -ENOENT);
	assert_int_equal(os_release_value("V", 1, "V", &value), -ENOENT);
	assert_int_equal(os_release_value("", 0, "V", &value), -ENOENT);
	assert_null(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_what_a_shell_takes_them_for),
		cmocka_unit_test(what_is_no_value_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
