/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/string-util.h"
#include "format/image-files.h"

#define ROOT "0011223344556677889900112233445566778899001122334455667788990011"
#define OLD "ff11223344556677889900112233445566778899001122334455667788990011"

/* What stands for A to H is replaced, one at a time. */
static const char good[] =
	"{\"root_hash\": \"" ROOT "\", \"blocks\": 300, \"uuid\": \"00112233-4455-6677-8899-aabbccddeeff\","
	" \"salt\": \"aabb\", \"tree\": {\"name\": \"usr.verity.zst\", \"size\": 5000},"
	" \"image\": {\"name\": \"usr.blocks.zst\", \"size\": 90000, \"index\": 33},"
	" \"from\": [{\"root_hash\": \"" OLD
	"\", \"blocks\": 299, \"tree\": {\"name\": \"a.tree\", \"size\": 77},"
	" \"patch\": {\"name\": \"a.patch\", \"size\": 88, \"index\": 40}}], \"later\": [1]}";

static int parse(const char *text, struct image_files *ret, struct error **err)
{
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	int r;

	assert_non_null(json);
	r = image_files_parse(json, ret, err);
	json_decref(json);
	return r;
}

static void reads_all_members(void **state)
{
	_cleanup_image_files_ struct image_files files = {};
	_cleanup_error_ struct error *err = NULL;
	const struct image_delta *delta;

	(void)state;
	assert_ok(parse(good, &files, &err), err);
	assert_int_equal(files.root[1], 0x11);
	assert_int_equal(files.blocks, 300);
	assert_int_equal(files.verity.uuid[15], 0xff);
	assert_int_equal(files.verity.salt_size, 2);
	assert_int_equal(files.verity.salt[1], 0xbb);
	assert_string_equal(files.tree.name, "usr.verity.zst");
	assert_int_equal(files.image.index, 33);
	assert_int_equal(files.delta_count, 1);
	assert_null(image_files_delta(&files, files.root));
	delta = image_files_delta(&files, files.deltas[0].from);
	assert_ptr_equal(delta, &files.deltas[0]);
	assert_int_equal(delta->from_blocks, 299);
	assert_int_equal(delta->tree.size, 77);
	assert_int_equal(delta->patch.index, 40);
}

static void what_is_written_reads_the_same(void **state)
{
	_cleanup_image_files_ struct image_files files = {}, again = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *json;

	(void)state;
	assert_ok(parse(good, &files, &err), err);
	json = image_files_json(&files);
	assert_non_null(json);
	assert_ok(image_files_parse(json, &again, &err), err);
	json_decref(json);
	assert_memory_equal(&files.verity, &again.verity, sizeof(files.verity));
	assert_memory_equal(files.root, again.root, SHA256_SIZE);
	assert_int_equal(again.delta_count, 1);
	assert_memory_equal(files.deltas, again.deltas, sizeof(*files.deltas));
}

static char *replace(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	return string_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void lies_are_refused_by_name(void **state)
{
	static const struct {
		const char *from, *to, *text;
	} cases[] = {
		{"\"" ROOT "\"", "\"" ROOT "00\"", "root_hash: not 64"},
		{"\"" ROOT "\"", "\"xx\"", "root_hash: not 64"},
		{"\"" ROOT "\"", "5", "root_hash: not 64"},
		{": 300", ": 0", "blocks: not a number"},
		{": 300", ": -1", "blocks: not a number"},
		{": 300", ": 16777217", "blocks: not a number"},
		{": 300", ": 1.5", "blocks: not a number"},
		{": 300", ": \"300\"", "blocks: not a number"},
		{"00112233-", "0011223-", "uuid: not a UUID"},
		{"\"aabb\"", "\"aab\"", "salt: not"},
		{"\"aabb\"", "\"aaxx\"", "salt: not"},
		{"\"usr.verity.zst\"", "\"../usr.verity.zst\"", "tree.name: not the name"},
		{"\"usr.verity.zst\"", "\"a/b\"", "tree.name: not the name"},
		{"\"usr.verity.zst\"", "\".hidden\"", "tree.name: not the name"},
		{"\"usr.verity.zst\"", "\"\"", "tree.name: not the name"},
		{"\"usr.verity.zst\"", "\"a%2fb\"", "tree.name: not the name"},
		{"\"usr.verity.zst\"", "\"a\\u0000b\"", "tree.name: not the name"},
		{"\"usr.verity.zst\"", "\"a?b\"", "tree.name: not the name"},
		{"5000}", "0}", "tree.size: not a number"},
		{"\"index\": 33", "\"index\": 90001", "image.index: not a number"},
		{"\"index\": 33", "\"other\": 33", "image.index: not a number"},
		{"\"tree\": {\"name\": \"a.tree\", \"size\": 77}", "\"tree\": 7",
			"from[0].tree.: not an object"},
		{"\"size\": 88", "\"size\": 39", "from[0].patch.index: not a number"},
		{"\"" OLD "\"", "\"zz\"", "from[0].root_hash: not 64"},
		{": 299", ": null", "from[0].blocks: not a number"},
		{"[{\"root_hash\"", "[7, {\"root_hash\"", "from[0].: not an object"},
		{"}], \"later\"", "}, {\"root_hash\": \"" OLD "\", \"blocks\": 3}], \"later\"", "twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = replace(good, cases[i].from, cases[i].to);
		_cleanup_image_files_ struct image_files files = {};
		_cleanup_error_ struct error *err = NULL;
		json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);

		assert_non_null(json);
		assert_error(image_files_parse(json, &files, &err), -EBADMSG, err, cases[i].text);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_members),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(lies_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
