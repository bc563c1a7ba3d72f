/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-cases.h"

#include "release/manifest-read.h"

#define DIGEST "0011223344556677889900112233445566778899001122334455667788990011"
#define PACKAGE(name)                                                                    \
	"{\"name\": \"" name                                                             \
	"\", \"version\": \"1:2-3+b1\", \"architecture\": \"all\", \"source\": \"src\"," \
	" \"source_version\": \"1:2-3\", \"suite\": \"trixie\", \"size\": 77, \"sha256\": \"" DIGEST "\"}"

static const char good[] =
	"{\"edition\": \"container-linux\", \"title\": \"A\", \"version\": \"202611.23.0\","
	" \"architecture\": \"amd64\", \"kernel\": \"6.12.1+deb13-cloud-amd64\", \"root_hash\": \"" DIGEST
	"\", \"usr\": {\"size\": 8192, \"files\": 3},"
	" \"outputs\": [{\"kind\": \"disk\", \"name\": \"a.raw\", \"size\": 1},"
	" {\"kind\": \"usr\", \"name\": \"a.usr.erofs\", \"size\": 8192},"
	" {\"kind\": \"uki\", \"name\": \"a.efi\", \"size\": 4096}],"
	" \"packages\": [" PACKAGE("b") ", " PACKAGE("a") "],"
							  " \"boot_packages\": [" PACKAGE(
								  "boot") ", " PACKAGE("b") "]}";

static void reads_what_is_compared(void **state)
{
	_cleanup_release_manifest_ struct release_manifest manifest = {};
	_cleanup_error_ struct error *err = NULL;
	const struct package *package;

	(void)state;
	assert_ok(release_manifest_parse(good, strlen(good), &manifest, &err), err);
	assert_string_equal(manifest.edition, "container-linux");
	assert_string_equal(manifest.version, "202611.23.0");
	assert_string_equal(manifest.architecture, "amd64");
	assert_string_equal(manifest.kernel, "6.12.1+deb13-cloud-amd64");
	assert_int_equal(manifest.usr_size, 8192);
	assert_int_equal(manifest.uki_size, 4096);
	assert_string_equal(manifest.usr_name, "a.usr.erofs");
	assert_int_equal(manifest.root_hash[1], 0x11);
	/* Of both lists, by name, none twice. */
	assert_int_equal(manifest.packages.count, 3);
	assert_string_equal(manifest.packages.items[0].name, "a");
	assert_string_equal(manifest.packages.items[1].name, "b");
	assert_string_equal(manifest.packages.items[2].name, "boot");
	package = package_list_find(&manifest.packages, "a");
	assert_string_equal(package->version, "1:2-3+b1");
	assert_string_equal(package->source, "src");
	assert_string_equal(package->source_version, "1:2-3");
	assert_int_equal(package->size, 77);
	assert_int_equal(package->sha256[31], 0x11);
}

static const struct json_case refused[] = {
	{"{\"edition\"", "{\"x\"", "edition: missing"},
	{"\"container-linux\"", "\"\"", "edition: empty"},
	{"\"container-linux\"", "\"a b\"", "edition: has characters"},
	{"\"container-linux\"", "\"a`b\"", "edition: has characters"},
	{"\"container-linux\"", "\"a|b\"", "edition: has characters"},
	{"\"container-linux\"", "\"\xc3\xa4\"", "edition: has characters"},
	{"\"container-linux\"", "\"a\\u001bb\"", "edition: has control"},
	{"\"202611.23.0\"", "7", "version: missing"},
	{"\"architecture\": \"amd64\"", "\"x\": 1", "architecture: missing"},
	{"\"kernel\"", "\"x\"", "kernel: missing"},
	{"\"root_hash\"", "\"x\"", "root_hash: not 64"},
	{"\"usr\": {", "\"usr\": 7, \"x\": {", "usr.: not an object"},
	{"{\"size\": 8192", "{\"size\": 0", "usr.size: not a number"},
	{"\"outputs\"", "\"x\"", "outputs: not a list"},
	{"{\"kind\": \"disk\"", "7, {\"kind\": \"disk\"", "outputs[0].: not an object"},
	{"\"kind\": \"disk\"", "\"kind\": \"usr\"", "outputs[1].kind: a second image"},
	{"\"kind\": \"uki\"", "\"kind\": \"x\"", "outputs: there is no kernel image"},
	{"\"size\": 4096", "\"size\": -1", "outputs[2].size: not a number"},
	{"a.usr.erofs", "../a", "outputs[1].name: not the name"},
	{"a.usr.erofs", "/a", "outputs[1].name: not the name"},
	{"a.usr.erofs", ".", "outputs[1].name: not the name"},
	{"\"packages\": [", "\"x\": [", "packages: not a list"},
	{"\"packages\": [", "\"packages\": [7, ", "packages[0].: not an object"},
	{"\"boot_packages\"", "\"x\"", "boot_packages: not a list"},
	{"\"name\": \"b\"", "\"name\": \"a\"", "packages: a is listed twice"},
	{"\"name\": \"boot\"", "\"name\": \"b\"", "boot_packages: b is listed twice"},
	{"\"name\": \"b\"", "\"x\": \"b\"", "packages[0].name: missing"},
	{"\"1:2-3+b1\"", "\"1<b>\"", "packages[0].version: has characters"},
	{"\"architecture\": \"all\"", "\"architecture\": null", "packages[0].architecture: missing"},
	{"\"source\"", "\"x\"", "packages[0].source: missing"},
	{"\"source_version\"", "\"x\"", "packages[0].source_version: missing"},
	{"\"size\": 77", "\"size\": \"77\"", "packages[0].size: not a number"},
	{"\"sha256\": \"00", "\"sha256\": \"0", "packages[0].sha256: not 64"},
};

static void refuses_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *text = json_case_document(good, &refused[i]);
		_cleanup_release_manifest_ struct release_manifest manifest = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(release_manifest_parse(text, strlen(text), &manifest, &err), -EBADMSG, err,
			refused[i].text);
	}
}

static void an_image_need_not_be_listed(void **state)
{
	static const struct json_case one = {"\"kind\": \"usr\"", "\"kind\": \"other\"", NULL};
	_cleanup_free_ char *text = json_case_document(good, &one);
	_cleanup_release_manifest_ struct release_manifest manifest = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_manifest_parse(text, strlen(text), &manifest, &err), err);
	assert_null(manifest.usr_name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_compared),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(an_image_need_not_be_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
