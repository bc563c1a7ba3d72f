/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "build/overlay.h"

struct fixture {
	char folder[32];
	struct tree *tree;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->folder, "/tmp/test-overlay.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	fixture->tree = tree_new();
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(remove_tree(fixture->folder, NULL), 0);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

static char *below(const struct fixture *fixture, const char *name)
{
	return string_format("%s/%s", fixture->folder, name);
}

static void put(const struct fixture *fixture, const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = below(fixture, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), mode, NULL), 0);
}

static void adds_and_replaces(void **state)
{
	struct fixture *fixture = *state;
	static const struct tree_attributes package = {.mode = 0600, .uid = 5, .origin = "package"};
	_cleanup_content_ struct content *old = content_copy("old", 3);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *folder = below(fixture, "etc/x"), *link = below(fixture, "etc/link"),
			    *hidden = below(fixture, "etc/.config");
	const struct tree_inode *inode;

	assert_ok(mkdir_parents(folder, &err), err);
	assert_int_equal(mkdir(hidden, 02700), 0);
	put(fixture, "etc/x/conf", "new", 0600);
	put(fixture, "etc/x/tool", "#!", 0700);
	put(fixture, "etc/.hidden", "", 0600);
	put(fixture, "etc/.config/a", "", 0600);
	assert_int_equal(symlink("x/conf", link), 0);
	assert_ok(tree_add_file(fixture->tree, "etc/x/conf", &package, old, NULL, &err), err);

	assert_ok(overlay_add(fixture->tree, fixture->folder, NULL, 9, "edition", &err), err);
	inode = tree_lookup(fixture->tree, "etc/x/conf");
	assert_memory_equal(content_data(inode->content), "new", 4);
	assert_int_equal(inode->mode, S_IFREG | 0644);
	assert_int_equal(inode->uid, 0);
	assert_int_equal(inode->mtime, 9);
	assert_string_equal(inode->origin, "edition");
	assert_int_equal(tree_lookup(fixture->tree, "etc/x/tool")->mode, S_IFREG | 0755);
	assert_string_equal(tree_lookup(fixture->tree, "etc/link")->target, "x/conf");
	assert_int_equal(tree_lookup(fixture->tree, "etc/.hidden")->mode, S_IFREG | 0644);
	assert_int_equal(tree_lookup(fixture->tree, "etc/.config")->mode, S_IFDIR | 0755);
	assert_non_null(tree_lookup(fixture->tree, "etc/.config/a"));
}

/* git, Vim, Emacs and macOS leave the first of each line; the others only look like it. */
static void what_editors_and_version_control_have_is_not_there(void **state)
{
	static const struct {
		const char *name;
		bool there;
	} cases[] = {
		{".gitignore", false},
		{".gitattributes", false},
		{".gitkeep", false},
		{".gitconfig", true},
		{"conf~", false},
		{"~conf", true},
		{".conf.swp", false},
		{".conf.swo", false},
		{"conf.swp", true},
		{".conf.swz", true},
		{".#conf", false},
		{"#conf", true},
		{".DS_Store", false},
		{".DS", true},
	};
	struct fixture *fixture = *state;
	_cleanup_free_ char *folder = below(fixture, "etc"), *git = below(fixture, ".git");
	_cleanup_error_ struct error *err = NULL;

	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(mkdir(git, 0755), 0);
	put(fixture, ".git/config", "", 0644);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *name = string_format("etc/%s", cases[i].name);

		put(fixture, name, "", 0644);
		assert_int_equal(overlay_has(fixture->folder, name), cases[i].there);
	}
	assert_ok(overlay_add(fixture->tree, fixture->folder, NULL, 9, "edition", &err), err);
	assert_int_equal(tree_root(fixture->tree)->entry_count, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool there = tree_child(tree_lookup(fixture->tree, "etc"), cases[i].name);

		if (there != cases[i].there)
			fail_msg("%s", cases[i].name);
	}
	assert_int_equal(overlay_has(fixture->folder, ".git/config"), 0);
	assert_int_equal(overlay_has(fixture->folder, "etc/nothing"), 0);
}

static void refuses_modes_that_would_be_lost(void **state)
{
	static const mode_t modes[] = {04755, 02755, 01644, S_IFDIR | 01777, S_IFDIR | 04755};
	struct fixture *fixture = *state;
	_cleanup_free_ char *path = below(fixture, "odd");

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct error *err = NULL;

		if (S_ISDIR(modes[i]))
			assert_int_equal(mkdir(path, 0755), 0);
		else
			put(fixture, "odd", "", 0644);
		assert_int_equal(chmod(path, modes[i] & 07777), 0);
		assert_error(overlay_add(fixture->tree, fixture->folder, NULL, 0, "edition", &err), -EINVAL,
			err, "/odd is setuid, setgid or sticky");
		assert_int_equal(remove(path), 0);
	}
}

static void what_is_left_out_is_not_there(void **state)
{
	struct fixture *fixture = *state;
	_cleanup_free_ char *folder = below(fixture, "etc/x");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv left_out = {};

	assert_ok(mkdir_parents(folder, &err), err);
	put(fixture, "etc/one", "1", 0600);
	put(fixture, "etc/two", "2", 0600);
	put(fixture, "etc/x/conf", "", 0600);
	assert_int_equal(strv_addf(&left_out, "%s/etc/one", fixture->folder), 0);
	assert_int_equal(strv_add(&left_out, folder), 0);
	assert_ok(overlay_add(fixture->tree, fixture->folder, &left_out, 9, "edition", &err), err);
	assert_null(tree_lookup(fixture->tree, "etc/one"));
	assert_non_null(tree_lookup(fixture->tree, "etc/two"));
	assert_null(tree_lookup(fixture->tree, "etc/x"));
}

static void refuses_a_file_in_a_folders_place_and_special_files(void **state)
{
	struct fixture *fixture = *state;
	static const struct tree_attributes package = {.mode = 0755, .origin = "package"};
	_cleanup_free_ char *fifo = below(fixture, "fifo"), *usr = below(fixture, "usr");
	struct error *err = NULL;

	assert_ok(tree_add_folder(fixture->tree, "usr", &package, NULL, &err), err);
	put(fixture, "usr", "", 0644);
	assert_error(overlay_add(fixture->tree, fixture->folder, NULL, 0, "edition", &err), -EISDIR, err,
		"of package");
	assert_int_equal(unlink(usr), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_error(
		overlay_add(fixture->tree, fixture->folder, NULL, 0, "edition", &err), -EINVAL, err, "/fifo");
	assert_error(overlay_add(fixture->tree, "/nonexistent/x", NULL, 0, "edition", &err), -ENOENT, err,
		"/nonexistent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(adds_and_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_editors_and_version_control_have_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_modes_that_would_be_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_left_out_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			refuses_a_file_in_a_folders_place_and_special_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
