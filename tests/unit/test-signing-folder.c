/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "boot-data.h"
#include "build/signing-folder.h"
#include "format/disk-format.h"

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What the description of the format says, written by hand. */
static const char example[] =
	"{\"format\": 1, \"edition\": \"small\", \"version\": \"202601.02.3\", \"architecture\": \"amd64\","
	"\"root_hash\": \"" DIGEST "\","
	"\"disk\": {\"esp\": 268435456, \"usr\": 67108864, \"verity\": 2097152, \"signature\": 65536, "
	"\"state\": 5, \"formats\": [\"vhdx\", \"qcow2\"]},"
	"\"files\": [{\"name\": \"db.crt\", \"size\": 1164, \"sha256\": \"" DIGEST "\"},"
	"{\"name\": \"orlop-small_202601.02.3_amd64.usr.erofs\", \"size\": 4096, \"sha256\": \"" DIGEST
	"\"}],"
	"\"requests\": []}";

static void the_example_of_the_format_is_read(void **state)
{
	_cleanup_signing_folder_ struct signing_folder folder = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(signing_folder_parse(example, strlen(example), &folder, &err), err);
	assert_string_equal(folder.edition, "small");
	assert_string_equal(folder.version, "202601.02.3");
	assert_string_equal(folder.architecture, "amd64");
	assert_int_equal(folder.root_hash[1], 0x11);
	assert_int_equal(folder.disk.verity, 2097152);
	assert_int_equal(folder.disk.state, 5);
	assert_int_equal(folder.disk.formats, 1 << DISK_FORMAT_QCOW2 | 1 << DISK_FORMAT_VHDX);
	assert_int_equal(folder.file_count, 2);
	assert_int_equal(signing_folder_find(&folder, "db.crt")->size, 1164);
	assert_null(signing_folder_find(&folder, "PK.crt"));
}

/* Each change to the example is named. */
static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *from, *to, *text;
	} cases[] = {
		{"\"format\": 1", "\"format\": 2", "format"},
		{"\"small\", \"version\"", "\"-small\", \"version\"", "edition: no name"},
		{"\"small\", \"version\"", "\"a/b\", \"version\"", "edition: no name"},
		{"\"small\", \"version\"", "\"abcdefghijklmnopqrstuvwxyz0123456\", \"version\"",
			"edition: longer"},
		{"\"202601.02.3\", \"arch", "\"202613.02.3\", \"arch", "version: not a version"},
		{"\"amd64\"", "\"riscv64\"", "architecture: not amd64 or arm64"},
		{"\"root_hash\": \"00", "\"root_hash\": \"0", "root_hash: not 64"},
		{"\"esp\": 268435456", "\"esp\": -1", "disk.esp"},
		{"\"esp\": 268435456", "\"esp\": 1099511627777", "disk.esp"},
		{", \"state\": 5", "", "disk.state"},
		{"[\"vhdx\", \"qcow2\"]", "7", "disk.formats: not a list"},
		{"\"vhdx\"", "\"raw\"", "disk.formats: has one that isn't known"},
		{"\"vhdx\"", "7", "disk.formats: has one that isn't known"},
		{"\"db.crt\"", "\"../db.crt\"", "files[0].name: no name"},
		{"\"db.crt\"", "\".db.crt\"", "files[0].name: no name"},
		{"\"db.crt\"", "\"\"", "files[0].name: no name"},
		{"\"db.crt\"", "\"orlop-small_202601.02.3_amd64.usr.erofs\"",
			"files[1].name: is there twice"},
		{"\"size\": 4096", "\"size\": \"4096\"", "files[1].size"},
		{"\"size\": 4096", "\"size\": 1099511627777", "files[1].size"},
		{"\"requests\": []", "\"requests\": {}", "requests: not a list"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(example, cases[i].from);
		_cleanup_signing_folder_ struct signing_folder folder = {};
		_cleanup_error_ struct error *err = NULL;
		_cleanup_free_ char *text = NULL;

		assert_non_null(at);
		text = string_format(
			"%.*s%s%s", (int)(at - example), example, cases[i].to, at + strlen(cases[i].from));
		assert_non_null(text);
		assert_error(signing_folder_parse(text, strlen(text), &folder, &err), -EBADMSG, err,
			cases[i].text);
	}
}

static void a_text_that_is_cut_off_is_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size < strlen(example); size++) {
		_cleanup_signing_folder_ struct signing_folder folder = {};

		assert_int_equal(signing_folder_parse(example, size, &folder, NULL), -EBADMSG);
	}
}

static void sign(struct signing *list, const struct signer *by, const char *name, const char *data)
{
	_cleanup_buffer_ struct buffer signature = {};
	_cleanup_error_ struct error *err = NULL;
	const struct signer *signer;

	assert_ok(signing_request(list, by, name, "a test", &signer, &err), err);
	assert_ok(signer_sign(signer, data, strlen(data), &signature, &err), err);
}

static void add_data(struct signing_folder *folder, const char *name, const char *data)
{
	_cleanup_error_ struct error *err = NULL;
	uint8_t digest[SHA256_SIZE];

	assert_int_equal(sha256_bytes(data, strlen(data), digest), 0);
	assert_ok(signing_folder_add(folder, name, strlen(data), digest, &err), err);
}

static void what_is_written_is_read_and_asks_for_the_same_signatures(void **state)
{
	_cleanup_boot_trust_ struct boot_trust trust = boot_trust();
	const struct signer *const signers[] = {trust.pk, trust.db};
	static const char *const names[] = {"PK.crt", "db.crt"};
	const struct signing_certificates certificates = {signers, names, ARRAY_SIZE(names)};
	_cleanup_signing_folder_ struct signing_folder folder = {}, again = {};
	_cleanup_signing_ struct signing list = {}, more = {}, changed = {};
	_cleanup_error_ struct error *err = NULL, *fewer = NULL, *other = NULL, *file = NULL;
	_cleanup_buffer_ struct buffer text = {};
	uint8_t digest[SHA256_SIZE] = {7};

	(void)state;
	assert_ok(signing_folder_parse(example, strlen(example), &folder, &err), err);
	assert_ok(signing_folder_add(&folder, "PK.crt", 3, digest, &err), err);
	sign(&list, trust.db, "one", "data");
	sign(&list, trust.pk, "two", "more data");
	add_data(&folder, "one.tbs", "data");
	add_data(&folder, "two.tbs", "more data");
	assert_ok(signing_folder_write(&folder, &list, &certificates, &text, &err), err);
	assert_ok(signing_folder_parse(text.data, text.size, &again, &err), err);
	assert_int_equal(again.file_count, 5);
	assert_int_equal(again.disk.formats, folder.disk.formats);
	assert_int_equal(signing_folder_find(&again, "PK.crt")->sha256[0], 7);
	assert_int_equal(again.disk.usr, folder.disk.usr);
	assert_ok(signing_folder_compare(&again, &list, &certificates, &err), err);
	/* What others sign has to be what is listed. */
	again.files[4].sha256[0] ^= 1;
	assert_error(
		signing_folder_compare(&again, &list, &certificates, &file), -EBADMSG, file, "requests[1]");
	again.files[4].sha256[0] ^= 1;
	sign(&more, trust.db, "one", "data");
	assert_error(signing_folder_compare(&again, &more, &certificates, &fewer), -EBADMSG, fewer,
		"2 signatures, but the files need 1");
	sign(&changed, trust.db, "one", "data");
	sign(&changed, trust.pk, "two", "other data");
	assert_error(signing_folder_compare(&again, &changed, &certificates, &other), -EBADMSG, other,
		"requests[1]: not what the files need");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_format_is_read),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_text_that_is_cut_off_is_refused),
		cmocka_unit_test(what_is_written_is_read_and_asks_for_the_same_signatures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
