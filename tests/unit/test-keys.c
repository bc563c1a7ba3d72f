/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/string-util.h"
#include "build/keys.h"
#include "format/tuf-write.h"

static char folder[64];

/* Stands in for libc's, by which each finished file gets its name: a signal comes before the one with this
 * number. */
static unsigned link_trap;
static int link_signal;

int link(const char *from, const char *to)
{
	if (link_trap > 0 && --link_trap == 0)
		(void)raise(link_signal);
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

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
	_cleanup_keys_ struct keys trust = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	assert_int_equal(mode_of(dir, "."), 0700);
	assert_int_equal(mode_of(dir, "PK.key"), 0600);
	assert_int_equal(mode_of(dir, "KEK.key"), 0600);
	assert_int_equal(mode_of(dir, "db.key"), 0600);
	assert_int_equal(count_entries(dir), 12);
	assert_ok(keys_open(dir, NULL, &keys, &err), err);
	assert_ok(keys_open_certificates(dir, &trust, &err), err);
	assert_memory_equal(keys.trust.owner.bytes, trust.trust.owner.bytes, UUID_SIZE);
	assert_int_equal(keys.trust.owner.bytes[6] >> 4, 4);
	assert_int_equal(keys.trust.db.size, trust.trust.db.size);
	assert_memory_equal(keys.trust.db.der, trust.trust.db.der, trust.trust.db.size);
	assert_true(keys.trust.pk.size != keys.trust.db.size ||
		    memcmp(keys.trust.pk.der, keys.trust.db.der, keys.trust.pk.size) != 0);
}

/* Each role has one key, whose private half is beside the root that lists it. */
static void the_root_lists_the_release_keys(void **state)
{
	_cleanup_free_ char *dir = string_format("%s/release", folder),
			    *path = string_format("%s/root.json", dir);
	_cleanup_tuf_metadata_ struct tuf_metadata root = {};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;

	(void)state;
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	assert_ok(file_read(path, MiB(1), &text, &size, &err), err);
	assert_ok(tuf_metadata_parse(text, size, TUF_ROOT, &root, &err), err);
	assert_ok(tuf_verify(&root, &root.keys, &root.roles[TUF_ROOT], &err), err);
	assert_true(root.consistent_snapshot);
	assert_int_equal(root.version, 1);
	assert_int_equal(root.keys.count, TUF_TYPES);
	for (enum tuf_type role = TUF_ROOT; role < TUF_TYPES; role++) {
		_cleanup_free_ char *key = string_format("%s/%s.key", dir, tuf_type_name(role));
		_cleanup_tuf_signer_ struct tuf_signer *signer = NULL;

		assert_ok(tuf_signer_load(key, NULL, &signer, &err), err);
		assert_int_equal(mode_of(dir, strrchr(key, '/') + 1), 0600);
		assert_int_equal(root.roles[role].count, 1);
		assert_int_equal(root.roles[role].threshold, 1);
		assert_string_equal(root.roles[role].keyids[0], tuf_signer_id(signer));
	}
}

/* A folder that an earlier version made. */
static void builds_need_no_release_keys(void **state)
{
	static const char *const files[] = {
		"root.key", "targets.key", "snapshot.key", "timestamp.key", "root.json"};
	_cleanup_free_ char *dir = string_format("%s/older", folder);
	_cleanup_keys_ struct keys keys = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = string_format("%s/%s", dir, files[i]);

		assert_int_equal(unlink(path), 0);
	}
	assert_ok(keys_open(dir, NULL, &keys, &err), err);
	assert_null(keys_exposed(dir));
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
	assert_error(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), -EEXIST, err, path);
	assert_int_equal(count_entries(dir), 1);
	assert_ok(file_read(path, 100, &text, NULL, &err), err);
	assert_string_equal(text, "mine");

	/* A dangling link is in the way too, and nothing is written through it. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nonexistent/elsewhere", path), 0);
	assert_error(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), -EEXIST, err, path);
	assert_int_equal(unlink(path), 0);
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	assert_error(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), -EEXIST, err, "PK.key");
}

static void a_folder_that_cannot_be_is_an_error_that_names_it(void **state)
{
	_cleanup_free_ char *file = string_format("%s/file", folder);
	_cleanup_free_ char *below = string_format("%s/file/keys", folder);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(file_write_atomic(file, "", 0, 0644, &err), err);
	assert_error(
		keys_init(below, &(struct keys_options){.now = 1700000000}, &err), -ENOTDIR, err, "/file");
	assert_error(
		keys_init(file, &(struct keys_options){.now = 1700000000}, &err), -ENOTDIR, err, "/file");
}

static void a_set_that_lacks_a_file_does_not_open(void **state)
{
	static const char *const files[] = {
		"PK.key", "PK.crt", "KEK.key", "KEK.crt", "db.key", "db.crt", "owner.guid"};
	_cleanup_free_ char *dir = string_format("%s/partial", folder);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = string_format("%s/%s", dir, files[i]);
		_cleanup_free_ char *aside = string_format("%s/aside", dir);
		_cleanup_keys_ struct keys keys = {};

		assert_int_equal(rename(path, aside), 0);
		assert_error(keys_open(dir, NULL, &keys, &err), -ENOENT, err, files[i]);
		assert_int_equal(rename(aside, path), 0);
	}
}

#define FILES 12

/* keys_init() in a process that gets a signal before the file *number* gets its name. Returns its status. */
static int init_with_signal(const char *dir, unsigned number, int signal_number)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		link_trap = number;
		link_signal = signal_number;
		_exit(keys_init(dir, &(struct keys_options){.now = 1700000000}, NULL) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void what_a_killed_process_left_is_removed_by_the_next(void **state)
{
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (unsigned number = 1; number <= FILES; number += 2) {
		_cleanup_free_ char *dir = string_format("%s/killed-%u", folder, number);
		_cleanup_keys_ struct keys keys = {};

		assert_true(WIFSIGNALED(init_with_signal(dir, number, SIGKILL)));
		assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
		assert_int_equal(count_entries(dir), FILES);
		assert_ok(keys_open(dir, NULL, &keys, &err), err);
	}
}

/* The private keys of a set that is there are nobody's to remove, whatever lies beside it. */
static void a_whole_set_outlives_a_process_that_was_killed_after_it(void **state)
{
	_cleanup_free_ char *dir = string_format("%s/whole", folder);
	_cleanup_free_ char *draft = string_format("%s/.keys-left", dir);
	_cleanup_free_ char *left = string_format("%s/db.key", draft), *key = string_format("%s/db.key", dir);
	_cleanup_keys_ struct keys keys = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	assert_int_equal(mkdir(draft, 0700), 0);
	assert_ok(file_write_atomic(left, "other", 5, 0600, &err), err);
	assert_error(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), -EEXIST, err, "PK.key");
	assert_int_equal(count_entries(dir), FILES);
	assert_int_equal(access(key, F_OK), 0);
	assert_ok(keys_open(dir, NULL, &keys, &err), err);
}

static void signals_leave_a_whole_set_or_none(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		_cleanup_free_ char *dir = string_format("%s/signal-%zu", folder, i);
		int status = init_with_signal(dir, 4, signals[i]);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
		assert_int_equal(count_entries(dir), FILES);
	}
}

static void names_the_keys_that_their_group_may_read(void **state)
{
	_cleanup_free_ char *dir = string_format("%s/group", folder);
	_cleanup_free_ char *db = string_format("%s/db.key", dir), *pk = string_format("%s/PK.key", dir);
	_cleanup_free_ char *none = NULL, *one = NULL, *two = NULL, *both = string_format("%s %s", pk, db);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(keys_init(dir, &(struct keys_options){.now = 1700000000}, &err), err);
	none = keys_exposed(dir);
	assert_null(none);
	assert_int_equal(chmod(db, 0640), 0);
	one = keys_exposed(dir);
	assert_string_equal(one, db);
	assert_int_equal(chmod(pk, 0440), 0);
	two = keys_exposed(dir);
	assert_string_equal(two, both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_private_keys_that_open),
		cmocka_unit_test(the_root_lists_the_release_keys),
		cmocka_unit_test(builds_need_no_release_keys),
		cmocka_unit_test(overwrites_nothing_and_leaves_nothing_half_made),
		cmocka_unit_test(a_folder_that_cannot_be_is_an_error_that_names_it),
		cmocka_unit_test(a_set_that_lacks_a_file_does_not_open),
		cmocka_unit_test(what_a_killed_process_left_is_removed_by_the_next),
		cmocka_unit_test(a_whole_set_outlives_a_process_that_was_killed_after_it),
		cmocka_unit_test(signals_leave_a_whole_set_or_none),
		cmocka_unit_test(names_the_keys_that_their_group_may_read),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
