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
	" \"command_line\": \"quiet a=b\", \"certificate_sha256\": \"" DIGEST
	"\", \"pcrs\": {\"sha256\": {\"4\": \"" DIGEST "\", \"11\": \"" DIGEST
	"\"}, \"sha256_kernel_start\": {\"11\": \"" DIGEST
	"\"}}, \"netboot\": {\"state\": \"disk\", \"pcrs\": {\"sha256\": {\"9\": \"" DIGEST "\"}}},"
	" \"outputs\": [{\"kind\": \"disk\", \"name\": \"a.raw\", \"size\": 1, \"fsverity\": \"" DIGEST "\"},"
	" {\"kind\": \"usr\", \"name\": \"a.usr.erofs\", \"size\": 8192},"
	" {\"kind\": \"uki\", \"name\": \"a.efi\", \"size\": 4096, \"sha256\": \"" DIGEST "\"}],"
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

static void reads_what_starts_it(void **state)
{
	static const struct {
		bool netboot, kernel_start;
		unsigned index;
	} pcrs[] = {{false, false, 4}, {false, false, 11}, {false, true, 11}, {true, false, 9}};
	_cleanup_release_manifest_ struct release_manifest manifest = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_manifest_parse(good, strlen(good), &manifest, &err), err);
	assert_string_equal(manifest.command_line, "quiet a=b");
	assert_true(manifest.has_certificate);
	assert_int_equal(manifest.certificate[1], 0x11);
	assert_int_equal(manifest.output_count, 3);
	assert_string_equal(manifest.outputs[0].kind, "disk");
	assert_string_equal(manifest.outputs[0].name, "a.raw");
	assert_int_equal(manifest.outputs[0].size, 1);
	assert_string_equal(manifest.outputs[0].digest_name, "fsverity");
	assert_null(manifest.outputs[1].digest_name);
	assert_string_equal(release_manifest_output(&manifest, "uki")->digest_name, "sha256");
	assert_int_equal(release_manifest_output(&manifest, "uki")->digest[31], 0x11);
	assert_null(release_manifest_output(&manifest, "vhd"));
	assert_int_equal(manifest.pcr_count, ARRAY_SIZE(pcrs));
	for (size_t i = 0; i < ARRAY_SIZE(pcrs); i++) {
		assert_int_equal(manifest.pcrs[i].netboot, pcrs[i].netboot);
		assert_int_equal(manifest.pcrs[i].kernel_start, pcrs[i].kernel_start);
		assert_int_equal(manifest.pcrs[i].index, pcrs[i].index);
		assert_int_equal(manifest.pcrs[i].value[1], 0x11);
	}
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
	{"\"kind\": \"disk\"", "\"kind\": \"usr\"", "outputs[1].kind: there are two of it"},
	{"\"kind\": \"disk\"", "\"kind\": \"uki\"", "outputs[2].kind: there are two of it"},
	{"\"kind\": \"disk\"", "\"kind\": \"a b\"", "outputs[0].kind: has characters"},
	{"\"size\": 1,", "\"size\": 0,", "outputs[0].size: not a number"},
	{"\"fsverity\": \"00", "\"fsverity\": \"0", "outputs[0].fsverity: not 64"},
	{"\"quiet a=b\"", "7", "command_line: missing, or not a text"},
	{"quiet a=b", "quiet \xc3\xa4", "command_line: has characters"},
	{"quiet a=b", "quiet\\u001b", "command_line: has control"},
	{"\"certificate_sha256\": \"00", "\"certificate_sha256\": \"0", "certificate_sha256: not 64"},
	{"\"4\": \"00", "\"4\": \"0", "pcrs.sha256.4: not 64"},
	{"\"sha256\": {\"4\"", "\"sha256\": 7, \"x\": {\"4\"", "pcrs.sha256.: not an object"},
	{"\"9\": \"00", "\"9\": \"0", "netboot.pcrs.sha256.9: not 64"},
	{"\"kind\": \"uki\"", "\"kind\": \"x\"", "outputs: there is no kernel image"},
	{"\"size\": 4096", "\"size\": -1", "outputs[2].size: not a number"},
	{"\"size\": 4096", "\"x\": 1", "outputs[2].size: not a number"},
	{"\"sha256\": \"00", "\"sha256\": \"0", "outputs[2].sha256: not 64"},
	{"a.raw", "../a", "outputs[0].name: not the name"},
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
	{"77, \"sha256\": \"00", "77, \"sha256\": \"0", "packages[0].sha256: not 64"},
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

static void what_starts_it_need_not_be_told(void **state)
{
	static const struct json_case cases[] = {
		{"\"command_line\"", "\"a\"", NULL},
		{"\"certificate_sha256\"", "\"b\"", NULL},
		{"\"pcrs\"", "\"c\"", NULL},
		{"\"netboot\"", "\"d\"", NULL},
	};
	_cleanup_free_ char *text = strdup(good);
	_cleanup_release_manifest_ struct release_manifest manifest = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *next = json_case_document(text, &cases[i]);

		free(text);
		text = next;
	}
	assert_ok(release_manifest_parse(text, strlen(text), &manifest, &err), err);
	assert_null(manifest.command_line);
	assert_false(manifest.has_certificate);
	assert_int_equal(manifest.pcr_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_compared),
		cmocka_unit_test(reads_what_starts_it),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(an_image_need_not_be_listed),
		cmocka_unit_test(what_starts_it_need_not_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
