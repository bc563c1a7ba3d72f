/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "format/license.h"

/* Unknown ones are what they are called, in brackets. */
static int note_unknown(const char *name, void *userdata, struct buffer *ret)
{
	size_t *count = userdata;

	(*count)++;
	buffer_printf(ret, "[%s]", name);
	return buffer_failed(ret) ? -ENOMEM : 0;
}

static const struct {
	const char *name, *expression;
	size_t unknown;
} cases[] = {
	/* SPDX 2.3, annex A.1, and the short names of DEP-5. */
	{"Expat", "MIT", 0},
	{"expat", "MIT", 0},
	{"GPL-2", "GPL-2.0-only", 0},
	{"GPL-2+", "GPL-2.0-or-later", 0},
	{"GPL-2.0+", "GPL-2.0-or-later", 0},
	{"gpl-3.0-OR-later", "GPL-3.0-or-later", 0},
	{"GPL-3.0-only", "GPL-3.0-only", 0},
	{"GPL", "GPL-1.0-or-later", 0},
	{"LGPL-2.1+", "LGPL-2.1-or-later", 0},
	{"LGPL-2", "LGPL-2.0-only", 0},
	{"AGPL-3+", "AGPL-3.0-or-later", 0},
	{"GFDL-1.3+", "GFDL-1.3-or-later", 0},
	{"GFDL-NIV-1.2", "GFDL-1.2-no-invariants-only", 0},
	{"BSD-3-clause", "BSD-3-Clause", 0},
	{"OpenLDAP-2.8", "OLDAP-2.8", 0},
	{"CC0", "CC0-1.0", 0},
	{"Perl", "GPL-1.0-or-later OR Artistic-1.0-Perl", 0},
	{"  zlib ", "Zlib", 0},
	/* What is none of them, however near it comes. */
	{"GPL-4", "[GPL-4]", 1},
	{"GPL-2.1", "[GPL-2.1]", 1},
	{"LGPL-1", "[LGPL-1]", 1},
	{"GPL-2+-or-X11", "[GPL-2+-or-X11]", 1},
	{"GPL-", "[GPL-]", 1},
	{"BSD-3-clause-Oracle", "[BSD-3-clause-Oracle]", 1},
	{"public-domain", "[public-domain]", 1},
	{"GPL-2.000000000000000000", "[GPL-2.000000000000000000]", 1},
	{"BSD  like", "[BSD like]", 1},
	/* Exceptions: annex A.2. */
	{"GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note", 0},
	{"GPL-2+ with Libtool exception", "GPL-2.0-or-later WITH Libtool-exception", 0},
	{"GPL-3+ WITH Bison exception", "GPL-3.0-or-later WITH Bison-exception-2.2", 0},
	{"GPL-2+ with Autoconf exception", "[GPL-2+ with Autoconf exception]", 1},
	{"GPL-2+ with Libtool exception and more", "GPL-2.0-or-later WITH Libtool-exception AND [more]", 1},
	{"Foo with Libtool exception", "[Foo with Libtool exception]", 1},
	/* "and" binds closer than "or"; a comma less close than both (DEP-5, "License specification"). */
	{"GPL-2 and MIT", "GPL-2.0-only AND MIT", 0},
	{"GPL-2+ or MIT", "GPL-2.0-or-later OR MIT", 0},
	{"GPL-2+ | MIT", "GPL-2.0-or-later OR MIT", 0},
	{"ISC or MIT and Zlib", "ISC OR MIT AND Zlib", 0},
	{"ISC or MIT, and Zlib", "(ISC OR MIT) AND Zlib", 0},
	{"ISC and MIT, or Zlib and curl", "ISC AND MIT OR Zlib AND curl", 0},
	{"Perl and MIT", "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND MIT", 0},
	{"ISC, MIT and Zlib", "ISC AND MIT AND Zlib", 0},
	{"MIT and MIT and Expat", "MIT", 0},
	{"ISC or ISC or foo", "ISC OR [foo]", 1},
};

static void names_are_translated(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strv_ struct strv operands = {};
		_cleanup_free_ char *text = NULL;
		size_t unknown = 0;

		assert_int_equal(license_translate(cases[i].name, note_unknown, &unknown, &operands), 0);
		text = license_join(&operands);
		assert_non_null(text);
		assert_string_equal(text, cases[i].expression);
		assert_int_equal(unknown, cases[i].unknown);
	}
}

static void operands_of_several_names_are_joined(void **state)
{
	static const char *const names[] = {"GPL-2 or MIT", "ISC", "GPL-2 or MIT", "ISC and Zlib"};
	_cleanup_strv_ struct strv operands = {};
	_cleanup_free_ char *text = NULL;
	size_t unknown = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(license_translate(names[i], note_unknown, &unknown, &operands), 0);
	text = license_join(&operands);
	assert_string_equal(text, "(GPL-2.0-only OR MIT) AND ISC AND Zlib");
	strv_release(&operands);
	assert_null(license_join(&operands));
}

static void faults_add_nothing(void **state)
{
	static const char *const names[] = {"", " ", "and", "or MIT", "MIT or", "MIT and", "MIT and or ISC",
		", MIT", "MIT,", "MIT,, ISC", "MIT , or"};
	_cleanup_free_ char *text = malloc(LICENSE_NAME_MAX + 2);
	size_t unknown = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_strv_ struct strv operands = {};

		if (license_translate(names[i], note_unknown, &unknown, &operands) != -EINVAL ||
			operands.count != 0)
			fail_msg("\"%s\" was taken", names[i]);
	}
	assert_non_null(text);
	memset(text, 'x', LICENSE_NAME_MAX + 1);
	text[LICENSE_NAME_MAX + 1] = 0;
	for (int longer = 1; longer >= 0; longer--) {
		_cleanup_strv_ struct strv operands = {};

		text[LICENSE_NAME_MAX + longer] = 0;
		assert_int_equal(
			license_translate(text, note_unknown, &unknown, &operands), longer ? -EINVAL : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_translated),
		cmocka_unit_test(operands_of_several_names_are_joined),
		cmocka_unit_test(faults_add_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
