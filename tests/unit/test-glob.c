/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "base/glob.h"

static const struct {
	const char *pattern, *path;
	bool matches, below;
} cases[] = {
	{"usr/bin/x", "usr/bin/x", true, true},
	{"/usr/bin/x", "/usr/bin/x", true, true},
	{"usr/bin/x", "usr/bin/xy", false, false},
	{"usr/bin/xy", "usr/bin/x", false, false},
	{"usr/*/x", "usr/bin/x", true, true},
	{"usr/*/x", "usr/a/b/x", false, false},
	{"usr/**/x", "usr/a/b/x", true, true},
	{"usr/**/x", "usr/x", false, false},
	{"usr/share/doc/**", "usr/share/doc", false, false},
	{"usr/share/doc/**", "usr/share/doc/a/b", true, true},
	{"usr/share/doc/", "usr/share/doc/a", false, false},
	{"usr/share/doc", "usr/share/doc/a/b", false, true},
	{"usr/share/doc", "usr/share/docs", false, false},
	{"usr/share/d?c", "usr/share/doc", true, true},
	{"usr?share", "usr/share", false, false},
	{"**", "a/b", true, true},
	{"*", "a/b", false, true},
	{"*", "", true, true},
	{"", "a", false, false},
	{"a*b*c", "aXbYbZc", true, true},
	{"a*b*c", "aXbYbZ", false, false},
	{"**/*.so*", "lib/x/y.so.1", true, true},
	{"**/a*/b", "x/aa/c/ab/b", true, true},
	{"**a/*b**c", "xa/ya/zzb/q/c", true, true},
	{"a[bc]", "a[bc]", true, true},
	{"a[bc]", "ab", false, false},
};

static void stars_stop_at_slashes_and_double_stars_do_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (glob_match(cases[i].pattern, cases[i].path) != cases[i].matches)
			fail_msg("%s %s", cases[i].pattern, cases[i].path);
		if (glob_match_below(cases[i].pattern, cases[i].path) != cases[i].below)
			fail_msg("below: %s %s", cases[i].pattern, cases[i].path);
	}
}

/* Were every star tried at every place, this would take longer than anybody waits. */
static void many_stars_take_no_longer_than_length_times_length(void **state)
{
	char path[4000] = "";

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	assert_false(glob_match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
	assert_false(glob_match("**a**a*a**a*a**a*a**a*a**a*a**a*a**b", path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stars_stop_at_slashes_and_double_stars_do_not),
		cmocka_unit_test(many_stars_take_no_longer_than_length_times_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
