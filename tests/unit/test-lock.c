/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-cases.h"

#include "source/lock.h"

#define SHA "0011223344556677889900112233445566778899001122334455667788990011"

static const char good[] =
	"{\"format\": 1, \"edition\": \"small\", \"architecture\": \"arm64\", \"suite\": \"trixie\","
	" \"version\": \"202601.02.3\","
	" \"wanted\": {\"packages\": [\"bash=1:5.2~rc1-2+b5\", \"tzdata\"], \"boot_packages\": [], "
	"\"absent\": "
	"[\"awk\"]},"
	" \"packages\": ["
	"{\"name\": \"bash\", \"version\": \"1:5.2~rc1-2+b5\", \"architecture\": \"arm64\", \"source\": "
	"\"bash\","
	" \"source_version\": \"5.2-2\", \"suite\": \"trixie-security\", \"component\": \"main\","
	" \"file\": \"pool/main/b/bash/bash_5.2-2+b5_arm64.deb\", \"size\": 1400000, \"installed_size\": 0,"
	" \"sha256\": \"" SHA "\", \"why\": \"sh > bash\", \"later\": 1},"
	"{\"name\": \"tzdata\", \"version\": \"2026a\", \"architecture\": \"all\", \"source\": \"tzdata\","
	" \"source_version\": \"2026a\", \"suite\": \"trixie\", \"component\": \"main\","
	" \"file\": \"pool/main/t/tzdata/tzdata_2026a_all.deb\", \"size\": 7, \"installed_size\": 4096,"
	" \"sha256\": \"" SHA "\", \"why\": \"tzdata\"}],"
	" \"boot_packages\": [], \"later\": {}}";

static void reads_all_members(void **state)
{
	_cleanup_lock_ struct lock lock = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(lock_parse(good, strlen(good), &lock, &err), err);
	assert_string_equal(lock.edition, "small");
	assert_string_equal(lock.architecture, "arm64");
	assert_string_equal(lock.suite, "trixie");
	assert_string_equal(lock.version, "202601.02.3");
	assert_int_equal(lock.wanted.count, 2);
	assert_string_equal(lock.wanted.items[0], "bash=1:5.2~rc1-2+b5");
	assert_int_equal(lock.boot_wanted.count, 0);
	assert_string_equal(lock.absent.items[0], "awk");
	assert_int_equal(lock.packages.count, 2);
	assert_string_equal(lock.packages.items[0].version, "1:5.2~rc1-2+b5");
	assert_string_equal(lock.packages.items[0].source_version, "5.2-2");
	assert_string_equal(lock.packages.items[0].suite, "trixie-security");
	assert_string_equal(lock.packages.items[0].file, "pool/main/b/bash/bash_5.2-2+b5_arm64.deb");
	assert_int_equal(lock.packages.items[0].size, 1400000);
	assert_int_equal(lock.packages.items[0].sha256[1], 0x11);
	assert_string_equal(lock.packages.items[1].architecture, "all");
	assert_int_equal(lock.packages.items[1].installed_size, 4096);
	assert_string_equal(lock.packages.items[0].why, "sh > bash");
	assert_null(lock.packages.items[1].url);
	assert_int_equal(lock.boot_packages.count, 0);
}

static void what_is_written_is_read_again(void **state)
{
	_cleanup_lock_ struct lock lock = {}, again = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(lock_parse(good, strlen(good), &lock, &err), err);
	assert_ok(lock_write(&lock, &once, &err), err);
	assert_ok(lock_parse(once.data, once.size, &again, &err), err);
	assert_ok(lock_write(&again, &twice, &err), err);
	assert_int_equal(once.size, twice.size);
	assert_memory_equal(once.data, twice.data, once.size);
	assert_string_equal(again.packages.items[1].name, "tzdata");
	/* What nobody would read is not written. */
	lock.packages.items[0].file[0] = '/';
	assert_error(lock_write(&lock, &twice, &err), -EINVAL, err, "packages[0].file");
}

static const struct json_case refused[] = {
	{"{\"format\"", "[{\"format\"", "line 1"},
	{"\"format\": 1", "\"format\": 2", "a newer orlop build is needed"},
	{"\"edition\"", "\"x\"", "edition: missing"},
	{"\"small\"", "\"sm all\"", "edition: has other characters"},
	{"\"architecture\": \"arm64\", \"suite\"", "\"architecture\": \"amd64\", \"suite\"",
		"packages[0].architecture: neither that of the lock"},
	{"\"suite\": \"trixie\",", "\"suite\": \"\",", "suite: has other characters"},
	{"\"version\": \"202601.02.3\"", "\"version\": 7", "version: missing"},
	{"202601.02.3", "nonsense", "version: not of the form YYYYMM.DD.N"},
	{"202601.02.3", "202613.02.3", "version: not of the form YYYYMM.DD.N"},
	{"202601.02.3", "1.2", "version: not of the form YYYYMM.DD.N"},
	{"\"wanted\"", "\"x\"", "wanted.: not an object"},
	{"[\"bash=1:5.2~rc1-2+b5\", \"tzdata\"]", "{}", "wanted.packages"},
	{"\"tzdata\"]", "7]", "wanted.packages: not a list of names"},
	{"\"tzdata\"]", "\"a\\n\"]", "wanted.packages: not a list of names"},
	{"\"tzdata\"]", "\"tz\"]", "packages: lacks \"tz\", which is wanted"},
	{"\"tzdata\"]", "\"tzdata2\"]", "packages: lacks \"tzdata2\", which is wanted"},
	{"\"tzdata\"]", "\"tzdata=2026b\"]", "packages: lacks \"tzdata=2026b\", which is wanted"},
	{"\"bash=1:5.2~rc1-2+b5\"", "\"bash=5.2~rc1-2+b5\"", "packages: lacks \"bash=5.2~rc1-2+b5\""},
	{"\"boot_packages\": [], \"absent\"", "\"boot_packages\": [\"bash\"], \"absent\"",
		"boot_packages: lacks \"bash\", which is wanted"},
	{"\"absent\"", "\"x\"", "wanted.absent"},
	{"\"packages\": [{", "\"x\": [{", "packages"},
	{"\"boot_packages\": [], \"later\"", "\"later\"", "boot_packages"},
	{"\"name\": \"bash\"", "\"x\": \"bash\"", "packages[0].name: missing"},
	{"\"name\": \"bash\"", "\"name\": \"Bash\"", "packages[0].name: has other characters"},
	{"\"name\": \"bash\"", "\"name\": \"../bash\"", "packages[0].name: has other characters"},
	{"\"name\": \"bash\"", "\"name\": \"tzdata\"", "packages[1].name: not behind the one before it"},
	{"\"name\": \"bash\"", "\"name\": \"zsh\"", "packages[1].name: not behind the one before it"},
	{"\"version\": \"1:5.2~rc1-2+b5\"", "\"version\": \"1 5\"",
		"packages[0].version: has other characters"},
	{"pool/main/b/bash/bash_", "/pool/main/b/bash/bash_", "packages[0].file: not a path below"},
	{"pool/main/b/bash/bash_", "pool/../../bash_", "packages[0].file: not a path below"},
	{"pool/main/b/bash/bash_", "pool?main/b/bash/bash_", "packages[0].file: has other characters"},
	{"1400000", "0", "packages[0].size: not a number"},
	{"1400000", "-1", "packages[0].size: not a number"},
	{"\"installed_size\": 4096", "\"installed_size\": 1.5", "packages[1].installed_size: not a number"},
	{SHA, "00", "packages[0].sha256: not 64"},
	{"\"why\"", "\"x\"", "packages[0].why: missing"},
	{"sh > bash", "sh & bash", "packages[0].why: has other characters"},
};

static void refuses_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *text = json_case_document(good, &refused[i]);
		_cleanup_lock_ struct lock lock = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(lock_parse(text, strlen(text), &lock, &err), -EBADMSG, err, refused[i].text);
		assert_null(lock.edition);
	}
}

/* A version may be written in several ways, of which Debian's comparison makes one. */
static void a_wanted_version_is_compared_as_one(void **state)
{
	static const struct json_case same = {
		"\"bash=1:5.2~rc1-2+b5\", \"tzdata\"", "\"bash=01:5.02~rc1-2+b5\", \"tzdata=0:2026a\"", ""};
	_cleanup_free_ char *text = json_case_document(good, &same);
	_cleanup_lock_ struct lock lock = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(lock_parse(text, strlen(text), &lock, &err), err);
}

static void copies_what_it_has_of_packages(void **state)
{
	_cleanup_lock_ struct lock lock = {};
	_cleanup_package_list_ struct package_list copy = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(lock_parse(good, strlen(good), &lock, &err), err);
	assert_ok(package_list_copy(&lock.packages, &copy, &err), err);
	assert_int_equal(copy.count, 2);
	assert_string_equal(
		package_list_find(&copy, "tzdata")->file, "pool/main/t/tzdata/tzdata_2026a_all.deb");
	assert_int_equal(copy.items[0].size, 1400000);
	assert_memory_equal(copy.items[0].sha256, lock.packages.items[0].sha256, SHA256_SIZE);
	assert_ptr_not_equal(copy.items[0].name, lock.packages.items[0].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_members),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(a_wanted_version_is_compared_as_one),
		cmocka_unit_test(copies_what_it_has_of_packages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
