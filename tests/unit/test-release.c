/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/encoding.h"
#include "base/string-util.h"
#include "source/release.h"

#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "Suite: stable\nCodename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n"

/* Results of GNU date: date -u -d "2026-11-21 09:15:44" +%s and so on. */
#define DATE 1795252544
#define DAY 86400

static int parse(const char *text, struct release **ret, struct error **err)
{
	return release_parse(text, strlen(text), ret, err);
}

static void reads_what_a_suite_says_of_itself(void **state)
{
	static const char text[] =
		"Origin: Debian\n" HEAD "Valid-Until: Sat, 28 Nov 2026 00:53:03 UTC\n"
		"Acquire-By-Hash: yes\nMD5Sum:\n 00 5 main/x\nSHA256:\n " DIGEST "     7 main/z\n " DIGEST
		" 18446744073709551615 main/binary-amd64/Packages.xz\n";
	_cleanup_release_ struct release *release = NULL;
	_cleanup_error_ struct error *err = NULL;
	const struct release_file *file;
	uint8_t digest[SHA256_SIZE];

	(void)state;
	assert_ok(parse(text, &release, &err), err);
	assert_string_equal(release->suite, "stable");
	assert_string_equal(release->codename, "trixie");
	assert_int_equal(release->date, DATE);
	assert_int_equal(release->valid_until, 1795827183);
	assert_true(release->by_hash);
	assert_int_equal(release->file_count, 2);
	file = release_find(release, "main/binary-amd64/Packages.xz");
	assert_non_null(file);
	assert_true(file->size == UINT64_MAX);
	assert_int_equal(hex_decode(DIGEST, digest, SHA256_SIZE), 0);
	assert_memory_equal(file->sha256, digest, SHA256_SIZE);
	assert_int_equal(release_find(release, "main/z")->size, 7);
	assert_null(release_find(release, "main/x"));
	assert_null(release_find(release, "main/"));
}

static void refuses_malformed_files(void **state)
{
	static const struct {
		const char *text, *message;
	} table[] = {
		{"", "one is missing"},
		{HEAD, "one is missing"},
		{"Date: Sat, 21 Nov 2026 09:15:44 UTC\nSHA256:\n " DIGEST " 1 a\n", "one is missing"},
		{"Suite: stable\nSHA256:\n " DIGEST " 1 a\n", "one is missing"},
		{HEAD "SHA256:\n " DIGEST " 1 a\n\nOrigin: b\n", "one stanza"},
		{HEAD "Suite: stable\n", "a second time"},
		{HEAD "Date: Sat, 21 Nov 2026 09:15:44 UTC\n", "a second time"},
		{HEAD "SHA256:\n " DIGEST " 1 a\nSHA256:\n " DIGEST " 1 b\n", "a second time"},
		{HEAD "SHA256:\n " DIGEST " 1 a\n " DIGEST " 1 a\n", "lists a twice"},
		{HEAD "SHA256:\n " DIGEST " 1\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 1 a\n 00 1 b\n", "entry 2"},
		{HEAD "SHA256:\n x" DIGEST " 1 a\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " -1 a\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 18446744073709551616 a\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 1 /a\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 1 a/../b\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 1 ..\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 1 a//b\n", "entry 1"},
		{HEAD "SHA256:\n " DIGEST " 1 a/\n", "entry 1"},
		{HEAD "Valid-Until: tomorrow\n", "no date"},
		{"junk\n", "line 1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct release *release = NULL;
		struct error *err = NULL;

		assert_error(parse(table[i].text, &release, &err), -EBADMSG, err, table[i].message);
		assert_null(release);
	}
}

static void reads_dates(void **state)
{
	static const struct {
		const char *text;
		time_t date;
	} good[] = {
		{"Sat, 21 Nov 2026 09:15:44 UTC", DATE},
		{"Sat, 21 Nov 2026 09:15:44 +0000", DATE},
		{"Sat, 21 Nov 2026 09:15:44 GMT", DATE},
		{"Sat, 21 Nov 2026 9:15:44 Z", DATE},
		{"Thu, 01 Jan 1970 00:00:00 UTC", 0},
		{"Thu, 29 Feb 2024 23:59:59 UTC", 1709251199},
		{"Mon, 18 Jan 2038 03:14:08 UTC", 2147397248},
	};
	static const char *const bad[] = {"", "Sat, 21 Nov 2026 09:15:44", "Sat, 21 Nov 2026 09:15:44 +0100",
		"Sat, 21 Nov 2026 09:15:44 CET", "Sat, 31 Nov 2026 09:15:44 UTC",
		"Wed, 29 Feb 2023 00:00:00 UTC", "Sat, 21 Foo 2026 09:15:44 UTC",
		"Sat, 21 Nov 2026 24:15:44 UTC", "Sat, 21 Nov 2026 09:15:44 UTC x", "2026-11-21 09:15:44 UTC",
		"Sat, -1 Nov 2026 09:15:44 UTC"};
	time_t date;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(release_parse_date(good[i].text, &date), 0);
		assert_int_equal(date, good[i].date);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(release_parse_date(bad[i], &date), -EINVAL);
}

static void checks_suite_and_time(void **state)
{
	struct release release = {.suite = (char *)"stable",
		.codename = (char *)"trixie",
		.date = DATE,
		.valid_until = DATE + 7 * DAY};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_check(&release, "trixie", DATE, &err), err);
	assert_ok(release_check(&release, "stable", DATE + 7 * DAY, &err), err);
	assert_error(release_check(&release, "forky", DATE, &err), -EINVAL, err, "forky was asked for");
	assert_error(release_check(&release, "trixie", DATE + 7 * DAY + 1, &err), -ESTALE, err,
		"valid until 2026-11-28 09:15:44 UTC, and it is 2026-11-28 09:15:45");
	assert_ok(release_check(&release, "trixie", DATE - DAY, &err), err);
	assert_error(release_check(&release, "trixie", DATE - DAY - 1, &err), -ESTALE, err, "in the future");
	release.valid_until = 0;
	assert_ok(release_check(&release, "trixie", DATE + 1000 * DAY, &err), err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_a_suite_says_of_itself),
		cmocka_unit_test(refuses_malformed_files),
		cmocka_unit_test(reads_dates),
		cmocka_unit_test(checks_suite_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
