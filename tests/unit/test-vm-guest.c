/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "base/process.h"
#include "vm/guest.h"

/* Judged by a real shell: each word comes out of it as it went in. */
static void a_shell_sees_each_word_as_it_is(void **state)
{
	const char *const words[] = {"printf", "%s|", "", "a b", "it's", "$HOME `id` \\ \"", "new\nline", "*",
		"''", "-n", "\xc3\xa4"};
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_free_ char *line = vm_guest_quote(words, ARRAY_SIZE(words));
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_non_null(line);
	assert_ok(process_run((const char *const[]){"sh", "-c", line, NULL}, NULL, 0, 4096, &result, &err),
		err);
	buffer_append_u8(&result.output, 0);
	assert_string_equal(
		(char *)result.output.data, "|a b|it's|$HOME `id` \\ \"|new\nline|*|''|-n|\xc3\xa4|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shell_sees_each_word_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
