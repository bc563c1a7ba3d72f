/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "build/keys.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strncpy(folder, "/tmp/orlop-test-keys-XXXXXX", sizeof(folder));
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	(void)state;
	return remove_tree(folder, NULL);
}

static mode_t mode_of(const char *dir, const char *name)
{
	_cleanup_free_ char *path = string_format("%s/%s", dir, name);
	struct stat st;

	assert_non_null(path);
	if (lstat(path, &st) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st.st_mode & 07777;
}

static size_t count_entries(const char *dir)
{
	DIR *stream = opendir(dir);
	size_t count = 0;

	assert_non_null(stream);
	for (struct dirent *entry; (entry = readdir(stream));)
		count += !streq(entry->d_name, ".") && !streq(entry->d_name, "..");
	(void)closedir(stream);
	return count;
}

static void makes_private_keys_that_open(void **state)
{
	_cleanup_free_ char *dir = string_format("%s/new/keys", folder);
	_cleanup_keys_ struct keys keys = {};
	_cleanup_keys_trust_ struct keys_trust trust = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, 1700000000, &err), err);
	assert_int_equal(mode_of(dir, "."), 0700);
	assert_int_equal(mode_of(dir, "PK.key"), 0600);
	assert_int_equal(mode_of(dir, "KEK.key"), 0600);
	assert_int_equal(mode_of(dir, "db.key"), 0600);
	assert_int_equal(count_entries(dir), 7);
	assert_ok(keys_open(dir, &keys, &err), err);
	assert_ok(keys_open_trust(dir, &trust, &err), err);
	assert_memory_equal(keys.trust.owner.bytes, trust.trust.owner.bytes, UUID_SIZE);
	assert_int_equal(keys.trust.owner.bytes[6] >> 4, 4);
	assert_int_equal(keys.trust.db.size, trust.trust.db.size);
	assert_memory_equal(keys.trust.db.der, trust.trust.db.der, trust.trust.db.size);
	assert_true(keys.trust.pk.size != keys.trust.db.size ||
		    memcmp(keys.trust.pk.der, keys.trust.db.der, keys.trust.pk.size) != 0);
}

static void overwrites_nothing_and_leaves_nothing_half_made(void **state)
{
	_cleanup_free_ char *dir = string_format("%s/taken", folder);
	_cleanup_free_ char *path = string_format("%s/db.crt", dir);
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_ok(file_write_atomic(path, "mine", 4, 0644, &err), err);
	assert_error(keys_init(dir, 1700000000, &err), -EEXIST, err, path);
	assert_int_equal(count_entries(dir), 1);
	assert_ok(file_read(path, 100, &text, NULL, &err), err);
	assert_string_equal(text, "mine");

	/* A dangling link is in the way too, and nothing is written through it. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nonexistent/elsewhere", path), 0);
	assert_error(keys_init(dir, 1700000000, &err), -EEXIST, err, path);
	assert_int_equal(unlink(path), 0);
	assert_ok(keys_init(dir, 1700000000, &err), err);
	assert_error(keys_init(dir, 1700000000, &err), -EEXIST, err, "PK.key");
}

static void a_folder_that_cannot_be_is_an_error_that_names_it(void **state)
{
	_cleanup_free_ char *file = string_format("%s/file", folder);
	_cleanup_free_ char *below = string_format("%s/file/keys", folder);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(file_write_atomic(file, "", 0, 0644, &err), err);
	assert_error(keys_init(below, 1700000000, &err), -ENOTDIR, err, "/file");
	assert_error(keys_init(file, 1700000000, &err), -ENOTDIR, err, "/file");
}

static void a_set_that_lacks_a_file_does_not_open(void **state)
{
	static const char *const files[] = {
		"PK.key", "PK.crt", "KEK.key", "KEK.crt", "db.key", "db.crt", "owner.guid"};
	_cleanup_free_ char *dir = string_format("%s/partial", folder);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, 1700000000, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = string_format("%s/%s", dir, files[i]);
		_cleanup_free_ char *aside = string_format("%s/aside", dir);
		_cleanup_keys_ struct keys keys = {};

		assert_int_equal(rename(path, aside), 0);
		assert_error(keys_open(dir, &keys, &err), -ENOENT, err, files[i]);
		assert_int_equal(rename(aside, path), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_private_keys_that_open),
		cmocka_unit_test(overwrites_nothing_and_leaves_nothing_half_made),
		cmocka_unit_test(a_folder_that_cannot_be_is_an_error_that_names_it),
		cmocka_unit_test(a_set_that_lacks_a_file_does_not_open),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
