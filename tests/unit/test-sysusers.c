/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the lines mean is told by sysusers.d(5); how words are quoted, by "QUOTING" in systemd.syntax(7). */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/sysusers.h"

static int parse(const char *text, struct sysusers *ret, struct error **err)
{
	return sysusers_parse(text, strlen(text), "x.conf", "x86-64", ret, err);
}

static void reads_the_fields_of_every_type(void **state)
{
	static const char text[] = "# a comment\n"
				   "\n"
				   "u httpd 404 \"HTTP User\" /srv/www /bin/sh\n"
				   "  u!\tlocked 998:nogroup -\n"
				   "g input - -\n"
				   "m _me input\r\n"
				   "r - 500-900";
	static const struct {
		enum sysusers_type type;
		bool locked;
		const char *fields[5];
	} expected[] = {
		{SYSUSERS_USER, false, {"httpd", "404", "HTTP User", "/srv/www", "/bin/sh"}},
		{SYSUSERS_USER, true, {"locked", "998:nogroup", NULL, NULL, NULL}},
		{SYSUSERS_GROUP, false, {"input", NULL, NULL, NULL, NULL}},
		{SYSUSERS_MEMBER, false, {"_me", "input", NULL, NULL, NULL}},
		{SYSUSERS_RANGE, false, {NULL, "500-900", NULL, NULL, NULL}},
	};
	_cleanup_sysusers_ struct sysusers sysusers = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(parse(text, &sysusers, &err), err);
	assert_int_equal(sysusers.count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < sysusers.count; i++) {
		const struct sysusers_line *line = &sysusers.lines[i];
		const char *const found[] = {line->name, line->id, line->gecos, line->home, line->shell};

		assert_int_equal(line->type, expected[i].type);
		assert_int_equal(line->locked, expected[i].locked);
		for (size_t k = 0; k < ARRAY_SIZE(found); k++) {
			const char *wanted = expected[i].fields[k];

			assert_int_equal(found[k] == NULL, wanted == NULL);
			if (wanted)
				assert_string_equal(found[k], wanted);
		}
	}
}

static void takes_off_quotes_and_expands_what_is_the_same_everywhere(void **state)
{
	static const struct {
		const char *written, *gecos;
	} cases[] = {
		{"'one \"two\"'", "one \"two\""},
		{"\"it's\"", "it's"},
		{"a\\ b", "a b"},
		{"\"a\\\"b\"", "a\"b"},
		{"'a\\b'", "a\\b"}, /* between single quotes a backslash is one */
		{"one' two'", "one two"},
		{"100%%", "100%"},
		{"%T/x", "/tmp/x"},
		{"%V/x", "/var/tmp/x"},
		{"on-%a", "on-x86-64"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = string_format("u a 1 %s", cases[i].written);
		_cleanup_sysusers_ struct sysusers sysusers = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(parse(text, &sysusers, &err), err);
		assert_int_equal(sysusers.count, 1);
		assert_string_equal(sysusers.lines[0].gecos, cases[i].gecos);
	}
}

static void names_the_line_that_makes_no_sense(void **state)
{
	static const char *const lines[] = {
		"x a 1",
		"u",
		"u 1a 1",
		"u a 1 g relative",
		"u a 1 g /home bin/sh",
		"u a 1 g /home /bin/sh more",
		"u! ",
		"g! a 1",
		"u? a 1",
		"g a 1 gecos",
		"m a",
		"m a 1b",
		"r a 5-9",
		"r -",
		"u a:b 1",
		"u a 1 g /ho:me",
		"u a 1 \"open",
		"u a 1 'open",
		"u a 1 end\\",
		"u a 1 \\n",
		"u a 1 %",
		"u a 1 %H", /* the host's name */
		"u abcdefghijabcdefghijabcdefghijab 1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *text = string_format("g before 1\n%s\ng behind 2\n", lines[i]);
		_cleanup_sysusers_ struct sysusers sysusers = {};
		struct error *err = NULL;

		assert_error(parse(text, &sysusers, &err), -EBADMSG, err, "x.conf:2: ");
		assert_int_equal(sysusers.count, 1);
	}
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = "g a 1\0 g b 2\n";
	_cleanup_sysusers_ struct sysusers sysusers = {};
	struct error *err = NULL;

	(void)state;
	assert_error(sysusers_parse(text, sizeof(text) - 1, "x.conf", "x86-64", &sysusers, &err), -EBADMSG,
		err, "x.conf:1: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_fields_of_every_type),
		cmocka_unit_test(takes_off_quotes_and_expands_what_is_the_same_everywhere),
		cmocka_unit_test(names_the_line_that_makes_no_sense),
		cmocka_unit_test(a_nul_byte_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
