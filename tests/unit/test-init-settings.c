/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "init/settings.h"

#define TYPES "usr-type=u\nverity-type=v\nsignature-type=s\n"

static void what_is_not_said_is_strict(void **state)
{
	_cleanup_settings_ struct settings settings = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(settings_parse("# comment\n\n" TYPES, &settings, &err), err);
	assert_true(settings.secure_boot && settings.tpm2 && settings.signature && settings.state);
	assert_true(settings.state_required);
	assert_false(settings.carried);
	assert_int_equal(settings.failure, FAILURE_RESTART);
	assert_int_equal(settings.corruption, CORRUPTION_ERROR);
	assert_null(settings.command_line);
	assert_null(settings.etc);
	assert_string_equal(settings.state_label, "state");
	assert_string_equal(settings.state_type, "4d21b016-b534-45c2-a9fb-5c16e091fd2d");
	assert_string_equal(settings.init, "/usr/lib/systemd/systemd");
}

static void reads_every_setting(void **state)
{
	_cleanup_settings_ struct settings settings = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(settings_parse(TYPES
			  "command-line=a b=\"c d\" \netc=/e\nsealed=/s\ninit=/i\nstate-label=l\n"
			  "state-type=t\nsecure-boot=no\ntpm2=no\nroot-hash-signature=none\nstate=no\n"
			  "state-failure=volatile\nstate-minimum=2G\nverity-corruption=panic\n"
			  "failure=poweroff\nfailure-delay=0\ndisk-timeout=7\nusr-from=initrd",
			  &settings, &err),
		err);
	assert_string_equal(settings.command_line, "a b=\"c d\" ");
	assert_string_equal(settings.etc, "/e");
	assert_string_equal(settings.sealed, "/s");
	assert_string_equal(settings.init, "/i");
	assert_string_equal(settings.state_label, "l");
	assert_string_equal(settings.state_type, "t");
	assert_false(settings.secure_boot || settings.tpm2 || settings.signature || settings.state);
	assert_false(settings.state_required);
	assert_int_equal(settings.state_minimum, GiB(2));
	assert_int_equal(settings.corruption, CORRUPTION_PANIC);
	assert_int_equal(settings.failure, FAILURE_POWEROFF);
	assert_int_equal(settings.failure_delay, 0);
	assert_int_equal(settings.disk_timeout, 7);
	assert_true(settings.carried);
}

static void a_mistake_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"# x\nsecureboot=yes\n", "init.conf:2: unknown setting \"secureboot\""},
		{"tpm2\n", "init.conf:1: unknown setting \"tpm2\""},
		{"tpm2=no\n\ntpm2=no\n", "init.conf:3: tpm2 is given twice"},
		{"tpm2=maybe\n", "init.conf:1: tpm2 cannot be \"maybe\""},
		{"tpm2=\n", "tpm2 cannot be \"\""},
		{"tpm2=yesyes\n", "tpm2 cannot be"},
		{"etc=relative\n", "etc cannot be \"relative\""},
		{"state-label=\n", "state-label cannot be"},
		{"disk-timeout=3601\n", "disk-timeout cannot be"},
		{"disk-timeout=-1\n", "disk-timeout cannot be"},
		{"state-minimum=1X\n", "state-minimum cannot be"},
		{"usr-from=network\n", "usr-from cannot be \"network\""},
		{"failure=shell\n", "failure cannot be \"shell\""},
		{"tpm2=no\n", "usr-type is missing"},
		{"usr-type=u\n", "verity-type is missing"},
		{"usr-type=u\nverity-type=v\n", "signature-type is missing"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings settings = {};
		struct error *err = NULL;

		assert_error(settings_parse(cases[i].text, &settings, &err), -EINVAL, err, cases[i].message);
		assert_null(settings.init);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_is_strict),
		cmocka_unit_test(reads_every_setting),
		cmocka_unit_test(a_mistake_is_named_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
