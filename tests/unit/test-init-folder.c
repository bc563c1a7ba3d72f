/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

#include "init/folder.h"

static int open_scratch(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Opens "state/PATH" and leaves a file "mark" in it. */
static void mark(const char *folder, const char *path, mode_t mode, struct strv *aside)
{
	_cleanup_free_ char *name = string_format("%s/state", folder);
	_cleanup_close_ int parent = open_scratch(name), fd = -1, file = -1;
	_cleanup_error_ struct error *err = NULL;

	fd = folder_open(parent, path, mode, aside, &err);
	assert_ok(fd, err);
	file = openat(fd, "mark", O_WRONLY | O_CREAT, 0644);
	assert_true(file >= 0);
}

static void makes_what_is_missing_and_keeps_what_is_there(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_strv_ struct strv aside = {};

	(void)state;
	shell(folder, "mkdir -p state/a/b; chmod 750 state/a; echo x >state/a/b/file");
	mark(folder, "a/b", 0700, &aside);
	mark(folder, "a/new/deep", 0700, &aside);
	mark(folder, "top", 0700, &aside);
	assert_int_equal(aside.count, 0);
	shell(folder,
		"test $(cat state/a/b/file) = x; test -e state/a/b/mark; test -e state/a/new/deep/mark; "
		"test \"$(stat -c %a state/a state/a/b state/a/new state/a/new/deep state/top | tr '\\n' ' "
		"')\" = "
		"'750 755 755 700 700 '");
}

static void links_are_set_aside_and_never_followed(void **state)
{
	static const char *const targets[] = {
		"elsewhere", "../elsewhere", "/", "/proc/self/cwd", "nowhere", "home", "."};
	static const char *const paths[] = {"home", "home/orlop/etc", "lib/home/etc"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(targets) * ARRAY_SIZE(paths); i++) {
		const char *path = paths[i % ARRAY_SIZE(paths)], *target = targets[i / ARRAY_SIZE(paths)];
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_strv_ struct strv aside = {};
		_cleanup_free_ char *script = NULL;
		const char *where = startswith(path, "lib/") ? "lib/" : "";

		script = string_format(
			"mkdir -p elsewhere/orlop/etc elsewhere/etc state/lib state/elsewhere/orlop/etc; "
			"ln -s '%s' state/%shome",
			target, where);
		shell(folder, script);
		mark(folder, path, 0755, &aside);
		assert_int_equal(aside.count, 1);
		assert_true(startswith(aside.items[0], where) &&
			    endswith(aside.items[0], "home.orlop-set-aside"));
		free(script);
		script = string_format("test -f state/%s/mark; test ! -L state/%shome; test \"$(readlink "
				       "state/%s)\" = '%s'; "
				       "test -z \"$(find elsewhere state/elsewhere -name mark)\"",
			path, where, aside.items[0], target);
		shell(folder, script);
	}
}

static void what_is_no_folder_is_set_aside_with_its_content(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_strv_ struct strv aside = {};

	(void)state;
	shell(folder, "mkdir state; echo mine >state/home; mkfifo state/opt");
	mark(folder, "home", 0755, &aside);
	mark(folder, "opt", 0755, &aside);
	assert_int_equal(aside.count, 2);
	shell(folder, "test $(cat state/home.orlop-set-aside) = mine; test -p state/opt.orlop-set-aside; "
		      "test -d state/home; test -d state/opt");
}

static void nothing_that_was_set_aside_is_overwritten(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_strv_ struct strv aside = {};

	(void)state;
	shell(folder, "mkdir state");
	for (unsigned i = 1; i <= 3; i++) {
		_cleanup_free_ char *script = string_format("rm -rf state/home; echo %u >state/home", i);

		shell(folder, script);
		mark(folder, "home", 0755, &aside);
	}
	assert_int_equal(aside.count, 3);
	assert_string_equal(aside.items[2], "home.orlop-set-aside-3");
	shell(folder,
		"test \"$(cat state/home.orlop-set-aside state/home.orlop-set-aside-[23] | tr '\\n' ' ')\" = "
		"'1 2 3 '");
}

static void a_name_that_cannot_be_had_is_an_error_that_says_which(void **state)
{
	static const char long_name[] =
		"a/0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345"
		"6789012345678901234567890123456789012345678901234567890123456789012345678901"
		"2345678901234567890123456789012345678901234567890123456789/x";
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_close_ int parent = open_scratch(folder);
	_cleanup_strv_ struct strv aside = {};
	struct error *err = NULL;

	(void)state;
	assert_error(folder_open(parent, long_name, 0755, &aside, &err), -ENAMETOOLONG, err, "a/0123");
	assert_int_equal(aside.count, 0);
}

static void frees_a_name_without_losing_a_folder(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_close_ int parent = open_scratch(folder);
	_cleanup_strv_ struct strv aside = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "touch keep; ln -s keep link; touch file; mkdir -p dir/deep");
	assert_ok(folder_free_name(parent, "link", &aside, &err), err);
	assert_ok(folder_free_name(parent, "file", &aside, &err), err);
	assert_ok(folder_free_name(parent, "none", &aside, &err), err);
	assert_int_equal(aside.count, 0);
	assert_ok(folder_free_name(parent, "dir", &aside, &err), err);
	assert_int_equal(aside.count, 1);
	shell(folder, "test \"$(ls | tr '\\n' ' ')\" = 'dir.orlop-set-aside keep '; test -d "
		      "dir.orlop-set-aside/deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_what_is_missing_and_keeps_what_is_there),
		cmocka_unit_test(links_are_set_aside_and_never_followed),
		cmocka_unit_test(what_is_no_folder_is_set_aside_with_its_content),
		cmocka_unit_test(nothing_that_was_set_aside_is_overwritten),
		cmocka_unit_test(a_name_that_cannot_be_had_is_an_error_that_says_which),
		cmocka_unit_test(frees_a_name_without_losing_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
