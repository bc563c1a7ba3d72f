/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-cases.h"

#include "base/encoding.h"
#include "format/release-info.h"

#define ROOT "0011223344556677889900112233445566778899001122334455667788990011"
#define OLD "ff11223344556677889900112233445566778899001122334455667788990011"
#define CERTIFICATE "aa11223344556677889900112233445566778899001122334455667788990011"
#define KERNEL "bb11223344556677889900112233445566778899001122334455667788990011"

static const char good[] =
	"{\"format\": 1, \"edition\": \"container-linux\", \"architecture\": \"amd64\","
	" \"version\": \"202611.23.0\","
	" \"usr\": {\"root_hash\": \"" ROOT
	"\", \"blocks\": 300, \"uuid\": \"00112233-4455-6677-8899-aabbccddeeff\","
	" \"salt\": \"aabb\", \"tree\": {\"name\": \"usr.verity.zst\", \"size\": 5000},"
	" \"image\": {\"name\": \"usr.blocks.zst\", \"size\": 90000, \"index\": 33},"
	" \"from\": [{\"root_hash\": \"" OLD "\", \"blocks\": 299}]},"
	" \"signature\": \"MIIBMA==\", \"certificate_sha256\": \"" CERTIFICATE "\","
	" \"uki\": {\"size\": 25000000, \"sha256\": \"" KERNEL "\", \"later\": 1}, \"later\": []}";

static void reads_all_members(void **state)
{
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_info_parse(good, strlen(good), &info, &err), err);
	assert_string_equal(info.edition, "container-linux");
	assert_string_equal(info.architecture, "amd64");
	assert_string_equal(info.version, "202611.23.0");
	assert_int_equal(info.usr.blocks, 300);
	assert_int_equal(info.usr.delta_count, 1);
	assert_int_equal(info.signature_size, 4);
	assert_memory_equal(info.signature, "\x30\x82\x01\x30", 4);
	assert_int_equal(info.certificate[0], 0xaa);
	assert_int_equal(info.certificate[31], 0x11);
	assert_int_equal(info.uki_size, 25000000);
	assert_int_equal(info.uki_sha256[0], 0xbb);
}

static const struct json_case refused[] = {
	{"{\"format\"", "[{\"format\"", "line 1"},
	{"\"later\": []}", "\"uki\": 1}", "line 1"},
	{"\"format\": 1", "\"format\": 2", "a newer orlop-node is needed"},
	{"\"format\": 1", "\"format\": 0", "format: not a number"},
	{"\"format\": 1", "\"format\": true", "format: not a number"},
	{"\"format\"", "\"x\"", "format: not a number"},
	{"\"edition\"", "\"x\"", "edition: missing"},
	{"\"container-linux\"", "\"../container-linux\"", "edition: not the name"},
	{"\"container-linux\"", "\".\"", "edition: not the name"},
	{"\"container-linux\"", "[]", "edition: missing"},
	{"\"architecture\"", "\"x\"", "architecture: missing"},
	{"\"amd64\"", "\"a/b\"", "architecture: not the name"},
	{"\"version\"", "\"x\"", "version: missing"},
	{"\"202611.23.0\"", "\"~1\"", "version: not a version"},
	{"\"202611.23.0\"", "\"1/../2\"", "version: not a version"},
	{"\"usr\"", "\"x\"", "usr: : not an object"},
	{"\"blocks\": 300", "\"blocks\": 0", "usr: blocks: not a number"},
	{"\"usr.verity.zst\"", "\"../usr.verity.zst\"", "usr: tree.name: not the name"},
	{"\"signature\"", "\"x\"", "signature: missing"},
	{"\"MIIBMA==\"", "7", "signature: missing"},
	{"\"MIIBMA==\"", "\"\"", "signature: not 1 to"},
	{"\"MIIBMA==\"", "\"MIIBMA=\"", "signature: not 1 to"},
	{"\"MIIBMA==\"", "\"MIIB MA==\"", "signature: not 1 to"},
	{"\"certificate_sha256\"", "\"x\"", "certificate_sha256: not 64"},
	{CERTIFICATE, CERTIFICATE "00", "certificate_sha256: not 64"},
	{"\"uki\": {", "\"uki\": 7, \"x\": {", "uki.: not an object"},
	{"\"uki\"", "\"x\"", "uki.: not an object"},
	{"25000000", "0", "uki.size: not a number"},
	{"25000000", "268435457", "uki.size: not a number"},
	{"25000000", "-1", "uki.size: not a number"},
	{"25000000", "\"25000000\"", "uki.size: not a number"},
	{"\"size\": 25000000", "\"x\": 1", "uki.size: not a number"},
	{"\"sha256\"", "\"x\"", "uki.sha256: not 64"},
	{KERNEL, "zz", "uki.sha256: not 64"},
};

static void refuses_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *text = json_case_document(good, &refused[i]);
		_cleanup_release_info_ struct release_info info = {};
		_cleanup_error_ struct error *err = NULL;

		assert_error(
			release_info_parse(text, strlen(text), &info, &err), -EBADMSG, err, refused[i].text);
		assert_null(info.edition);
	}
}

/* *bytes* of signature. */
static char *document_with_signature(size_t bytes)
{
	_cleanup_free_ uint8_t *zeros = calloc(1, bytes);
	_cleanup_free_ char *base64 = base64_encode_new(zeros, bytes);
	struct json_case one = {"MIIBMA==", base64, NULL};

	assert_non_null(base64);
	return json_case_document(good, &one);
}

static void takes_a_signature_up_to_its_bound(void **state)
{
	_cleanup_free_ char *most = document_with_signature(RELEASE_SIGNATURE_MAX),
			    *more = document_with_signature(RELEASE_SIGNATURE_MAX + 1),
			    *much = document_with_signature(4 * RELEASE_SIGNATURE_MAX);
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_info_parse(most, strlen(most), &info, &err), err);
	assert_int_equal(info.signature_size, RELEASE_SIGNATURE_MAX);
	release_info_release(&info);
	assert_error(
		release_info_parse(more, strlen(more), &info, &err), -EBADMSG, err, "signature: not 1 to");
	assert_error(release_info_parse(much, strlen(much), &info, &err), -EBADMSG, err, "signature: longer");
}

static void has_the_kernel_image_as_blocks(void **state)
{
	static const char image[] =
		"\"later\": 1, \"image\": {\"root_hash\": \"" ROOT "\", \"blocks\": 6104,"
		" \"uuid\": \"00112233-4455-6677-8899-aabbccddeeff\", \"salt\": \"aabb\","
		" \"tree\": {\"name\": \"uki.verity.zst\", \"size\": 5000},"
		" \"image\": {\"name\": \"uki.blocks.zst\", \"size\": 90000, \"index\": 33}}";
	static const struct json_case with = {"\"later\": 1", image, NULL};
	static const struct json_case wrong[] = {{"6104", "6103", "uki.image: 6103 blocks are not those of"},
		{"6104", "6105", "uki.image: 6105 blocks"}, {"6104", "0", "uki.image: blocks: not a number"},
		{"\"uki.blocks.zst\"", "\"a/b\"", "uki.image: image.name: not the name"},
		{"\"image\": {\"root_hash\"", "\"image\": 7, \"x\": {\"root_hash\"",
			"uki.image: : not an object"}};
	_cleanup_free_ char *text = json_case_document(good, &with);
	_cleanup_release_info_ struct release_info info = {}, again = {};
	_cleanup_buffer_ struct buffer written = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_info_parse(text, strlen(text), &info, &err), err);
	assert_int_equal(info.uki.blocks, 6104);
	assert_string_equal(info.uki.image.name, "uki.blocks.zst");
	assert_ok(release_info_write(&info, &written, &err), err);
	assert_ok(release_info_parse(written.data, written.size, &again, &err), err);
	assert_int_equal(again.uki.blocks, 6104);
	assert_int_equal(again.uki.image.index, 33);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_free_ char *bad = json_case_document(text, &wrong[i]);
		_cleanup_release_info_ struct release_info none = {};
		_cleanup_error_ struct error *fault = NULL;

		assert_error(
			release_info_parse(bad, strlen(bad), &none, &fault), -EBADMSG, fault, wrong[i].text);
	}
}

static void takes_a_uki_up_to_its_bound(void **state)
{
	static const struct json_case one = {"25000000", "268435456", NULL};
	_cleanup_free_ char *text = json_case_document(good, &one);
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_info_parse(text, strlen(text), &info, &err), err);
	assert_int_equal(info.uki_size, RELEASE_UKI_MAX);
}

static void refuses_what_is_too_large(void **state)
{
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	buffer_append_string(&text, good);
	while (text.size <= RELEASE_INFO_MAX)
		buffer_append_u8(&text, ' ');
	assert_false(buffer_failed(&text));
	assert_error(release_info_parse(text.data, text.size, &info, &err), -EBADMSG, err, "larger than");
}

static void what_is_written_reads_and_writes_the_same(void **state)
{
	_cleanup_release_info_ struct release_info first = {}, second = {};
	_cleanup_buffer_ struct buffer once = {}, twice = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_info_parse(good, strlen(good), &first, &err), err);
	assert_ok(release_info_write(&first, &once, &err), err);
	assert_ok(release_info_parse(once.data, once.size, &second, &err), err);
	assert_ok(release_info_write(&second, &twice, &err), err);
	assert_int_equal(once.size, twice.size);
	assert_memory_equal(once.data, twice.data, once.size);
	assert_string_equal(second.version, first.version);
	assert_memory_equal(second.usr.root, first.usr.root, SHA256_SIZE);
	assert_int_equal(second.usr.delta_count, 1);
	assert_int_equal(second.signature_size, 4);
	assert_memory_equal(second.signature, first.signature, 4);
	assert_memory_equal(second.certificate, first.certificate, SHA256_SIZE);
	assert_memory_equal(second.uki_sha256, first.uki_sha256, SHA256_SIZE);
	assert_int_equal(second.uki_size, 25000000);
}

static void does_not_write_what_no_node_would_read(void **state)
{
	_cleanup_release_info_ struct release_info info = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(release_info_parse(good, strlen(good), &info, &err), err);
	info.uki_size = RELEASE_UKI_MAX + 1;
	assert_error(release_info_write(&info, &text, &err), -EINVAL, err, "uki.size: not a number");
	info.uki_size = 1;
	info.version[0] = '/';
	assert_error(release_info_write(&info, &text, &err), -EINVAL, err, "version: not a version");
	assert_int_equal(text.size, 0);
}

static void names_paths_below_the_targets(void **state)
{
	_cleanup_free_ char *file = release_path("container-linux", "202611.23.0", "amd64", "release.json"),
			    *folder = release_path("container-linux", "202611.23.0", "amd64", "");

	(void)state;
	assert_string_equal(file, "container-linux/202611.23.0/amd64/release.json");
	assert_string_equal(folder, "container-linux/202611.23.0/amd64/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_members),
		cmocka_unit_test(refuses_by_name),
		cmocka_unit_test(takes_a_signature_up_to_its_bound),
		cmocka_unit_test(has_the_kernel_image_as_blocks),
		cmocka_unit_test(takes_a_uki_up_to_its_bound),
		cmocka_unit_test(refuses_what_is_too_large),
		cmocka_unit_test(what_is_written_reads_and_writes_the_same),
		cmocka_unit_test(does_not_write_what_no_node_would_read),
		cmocka_unit_test(names_paths_below_the_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
