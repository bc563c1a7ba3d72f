/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "repository.h"
#include "source/packages.h"

#define TEXT "Package: a\n"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "Suite: a\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n"
#define ENTRY(path) " " DIGEST " 1 " path "\n"

static struct release *release_of(const char *text)
{
	_cleanup_error_ struct error *err = NULL;
	struct release *release = NULL;

	assert_ok(release_parse(text, strlen(text), &release, &err), err);
	return release;
}

static void prefers_xz_to_gzip_to_plain(void **state)
{
	static const struct {
		const char *files, *packed;
	} table[] = {
		{ENTRY("main/binary-amd64/Packages") ENTRY("main/binary-amd64/Packages.gz")
				ENTRY("main/binary-amd64/Packages.xz"),
			"main/binary-amd64/Packages.xz"},
		{ENTRY("main/binary-amd64/Packages") ENTRY("main/binary-amd64/Packages.gz"),
			"main/binary-amd64/Packages.gz"},
		{ENTRY("main/binary-amd64/Packages"), "main/binary-amd64/Packages"},
		{ENTRY("main/binary-amd64/Packages.xz"), NULL},
		{ENTRY("main/binary-arm64/Packages"), NULL},
		{ENTRY("contrib/binary-amd64/Packages"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *text = string_format("%sSHA256:\n%s", HEAD, table[i].files);
		_cleanup_release_ struct release *release = release_of(text);
		struct packages_index index;
		struct error *err = NULL;
		int r = packages_find(release, "main", "amd64", &index, &err);

		if (!table[i].packed) {
			assert_error(r, -ENOENT, err, "main/binary-amd64/Packages");
			continue;
		}
		assert_ok(r, err);
		assert_string_equal(index.packed->path, table[i].packed);
		assert_string_equal(index.plain->path, "main/binary-amd64/Packages");
	}
}

static void asks_by_hash_where_that_is_offered(void **state)
{
	_cleanup_release_ struct release *release =
		release_of(HEAD "SHA256:\n" ENTRY("main/x.xz") ENTRY("y"));
	_cleanup_free_ char *plain =
		packages_url(release, release_find(release, "main/x.xz"), "http://m.test/d");
	_cleanup_free_ char *nested = NULL, *top = NULL;

	(void)state;
	assert_string_equal(plain, "http://m.test/d/main/x.xz");
	release->by_hash = true;
	nested = packages_url(release, release_find(release, "main/x.xz"), "http://m.test/d");
	top = packages_url(release, release_find(release, "y"), "http://m.test/d");
	assert_string_equal(nested, "http://m.test/d/main/by-hash/SHA256/" DIGEST);
	assert_string_equal(top, "http://m.test/d/by-hash/SHA256/" DIGEST);
}

/* TEXT, *count* times, packed by the program that names the ending. */
static char *pack(const char *ending, size_t count, size_t *ret_size)
{
	char folder[] = "/tmp/orlop-test-packages-XXXXXX";
	_cleanup_free_ char *path = NULL, *packed_path = NULL, *packed = NULL;
	_cleanup_buffer_ struct buffer text = {};
	const char *arguments[] = {streq(ending, ".xz") ? "xz" : "gzip", "--keep", NULL, NULL};

	assert_non_null(mkdtemp(folder));
	path = string_format("%s/f", folder);
	packed_path = string_format("%s%s", path, ending);
	for (size_t i = 0; i < count; i++)
		buffer_append_string(&text, TEXT);
	assert_int_equal(file_write_atomic(path, text.data, text.size, 0644, NULL), 0);
	arguments[2] = path;
	if (*ending)
		free(run_program(arguments));
	assert_int_equal(file_read(packed_path, MiB(1), &packed, ret_size, NULL), 0);
	assert_int_equal(remove_tree(folder, NULL), 0);
	return TAKE_PTR(packed);
}

/* Unpacks what pack() made, with the signed size and digest of *count* repetitions. */
static int unpack(const char *ending, const char *packed, size_t size, size_t count, struct buffer *ret,
	struct error **err)
{
	struct release_file plain = {.path = (char *)"Packages", .size = count * strlen(TEXT)};
	_cleanup_free_ char *name = string_format("Packages%s", ending);
	struct release_file file = {.path = name, .size = size};
	struct packages_index index = {.packed = &file, .plain = &plain};
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < count; i++)
		buffer_append_string(&text, TEXT);
	assert_int_equal(sha256_bytes(text.data, text.size, plain.sha256), 0);
	return packages_unpack(&index, packed, size, ret, err);
}

static void unpacks_what_was_signed_and_nothing_else(void **state)
{
	static const char *const endings[] = {".xz", ".gz", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t size;
		_cleanup_free_ char *packed = pack(endings[i], 5000, &size);
		_cleanup_buffer_ struct buffer text = {}, other = {};
		_cleanup_error_ struct error *err = NULL;

		assert_ok(unpack(endings[i], packed, size, 5000, &text, &err), err);
		assert_int_equal(text.size, 5000 * strlen(TEXT));
		assert_memory_equal(text.data, TEXT TEXT, 2 * strlen(TEXT));
		/* More and less than the signed size, a cut stream, bytes behind it. */
		assert_error(unpack(endings[i], packed, size, 4999, &other, &err), -EBADMSG, err,
			"signed Release");
		assert_error(unpack(endings[i], packed, size, 5001, &other, &err), -EBADMSG, err,
			"signed Release");
		assert_error(unpack(endings[i], packed, size - 1, 5000, &other, &err), -EBADMSG, err,
			"signed Release");
		packed[size / 2] ^= 4;
		assert_error(unpack(endings[i], packed, size, 5000, &other, &err), -EBADMSG, err,
			"signed Release");
	}
}

static void an_empty_index_is_one(void **state)
{
	size_t size;
	_cleanup_free_ char *packed = pack(".xz", 0, &size);
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(unpack(".xz", packed, size, 0, &text, &err), err);
	assert_int_equal(text.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefers_xz_to_gzip_to_plain),
		cmocka_unit_test(asks_by_hash_where_that_is_offered),
		cmocka_unit_test(unpacks_what_was_signed_and_nothing_else),
		cmocka_unit_test(an_empty_index_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
