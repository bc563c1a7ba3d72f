/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "init/cmdline.h"

static void splits_as_the_kernel_does(void **state)
{
	_cleanup_strv_ struct strv arguments = {};

	(void)state;
	assert_int_equal(
		cmdline_split("  quiet\tusrhash=ab  dyndbg=\"file a.c +p\" \"x y=1\" e= -- usrhash=no\n",
			&arguments),
		0);
	assert_int_equal(arguments.count, 5);
	assert_string_equal(arguments.items[0], "quiet");
	assert_string_equal(arguments.items[1], "usrhash=ab");
	assert_string_equal(arguments.items[2], "dyndbg=file a.c +p");
	assert_string_equal(arguments.items[3], "x y=1");
	assert_string_equal(arguments.items[4], "e=");
}

static void an_argument_with_two_values_is_refused(void **state)
{
	_cleanup_strv_ struct strv arguments = {};
	_cleanup_error_ struct error *err = NULL;
	const char *value = NULL;

	(void)state;
	assert_int_equal(cmdline_split("a=1 b=2 a=1 usrhashes=4 usrhash=1 b=3 c", &arguments), 0);
	assert_ok(cmdline_get(&arguments, "a", &value, &err), err);
	assert_string_equal(value, "1");
	assert_ok(cmdline_get(&arguments, "usrhash", &value, &err), err);
	assert_string_equal(value, "1");
	assert_int_equal(cmdline_get(&arguments, "c", &value, &err), -ENOENT);
	assert_null(err);
	assert_error(cmdline_get(&arguments, "b", &value, &err), -ENOTUNIQ, err, "b=: \"2\" and \"3\"");
}

static void assert_parameters(const char *line, const char *module, const char *expected)
{
	_cleanup_strv_ struct strv arguments = {};
	_cleanup_buffer_ struct buffer parameters = {};

	assert_int_equal(cmdline_split(line, &arguments), 0);
	cmdline_module_parameters(&arguments, module, &parameters);
	assert_false(buffer_failed(&parameters));
	assert_string_equal((char *)parameters.data, expected);
}

static void module_parameters_are_found_whichever_dash_is_used(void **state)
{
	(void)state;
	assert_parameters("dm_verity.require_signatures=1 x", "dm-verity", "require_signatures=1");
	assert_parameters(
		"dm-verity.require_signatures=1 dm_verity.b", "dm_verity", "require_signatures=1 b");
	assert_parameters("dm_verity2.a=1 dm_verit.a=1 dm_verity=1 dm_verity.", "dm_verity", "");
	assert_parameters("m.\"a=1 2\" -- m.b", "m", "\"a=1 2\"");
	assert_parameters("", "m", "");
}

static void assert_differs(const char *actual, const char *expected, const char *text)
{
	_cleanup_error_ struct error *err = NULL;

	assert_error(cmdline_compare(actual, expected, &err), -EPERM, err, text);
}

static void a_changed_command_line_is_refused_and_the_change_named(void **state)
{
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(cmdline_compare("a b=1 c\n", "a b=1 c", &err), err);
	assert_ok(cmdline_compare(" a ", "a", &err), err);
	assert_differs("a b=1 c init=/bin/sh\n", "a b=1 c", "does not allow: init=/bin/sh");
	assert_differs("a a b", "a b", "does not allow: a");
	assert_differs("a b=2", "a b=1", "does not allow: b=2");
	assert_differs("a", "a b", "lacks the argument b");
	assert_differs("b a", "a b", "order or spaces");
	assert_differs("a  b", "a b", "order or spaces");
	assert_differs("a b -- init", "a b", "order or spaces");
	assert_differs("", "a", "lacks the argument a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_as_the_kernel_does),
		cmocka_unit_test(an_argument_with_two_values_is_refused),
		cmocka_unit_test(module_parameters_are_found_whichever_dash_is_used),
		cmocka_unit_test(a_changed_command_line_is_refused_and_the_change_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
