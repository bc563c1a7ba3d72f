/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "format/tree.h"

static const struct tree_attributes plain = {.mode = 0644, .mtime = 7, .origin = "a"};
static const struct tree_attributes other = {.mode = 0600, .uid = 3, .gid = 4, .origin = "b"};

static struct tree *tree_with(const char *const *files)
{
	_cleanup_content_ struct content *content = content_copy("text", 4);
	_cleanup_error_ struct error *err = NULL;
	struct tree *tree = tree_new();

	assert_non_null(tree);
	for (; *files; files++)
		assert_ok(tree_add_file(tree, *files, &plain, content, NULL, &err), err);
	return tree;
}

static int note_path(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)err;
	buffer_printf(userdata, "%s%s ", path, S_ISDIR(inode->mode) ? "/" : "");
	return 0;
}

static void assert_walk(const struct tree *tree, const char *expected)
{
	_cleanup_buffer_ struct buffer seen = {};

	assert_int_equal(tree_walk(tree, note_path, &seen, NULL), 0);
	buffer_append_u8(&seen, 0);
	assert_string_equal((char *)seen.data, expected);
}

static void walks_in_byte_order_with_parents_made(void **state)
{
	_cleanup_tree_ struct tree *tree =
		tree_with((const char *const[]){"/b/x", "a-", "./a/./z", "a/B//y", "b/A", "a.", NULL});

	(void)state;
	assert_walk(tree, "a/ a/B/ a/B/y a/z a- a. b/ b/A b/x ");
	assert_int_equal(tree_lookup(tree, "a/B")->mode, S_IFDIR | 0755);
	assert_int_equal(tree_lookup(tree, "a/B")->mtime, 7);
	assert_null(tree_lookup(tree, "a/q"));
	assert_null(tree_lookup(tree, "a/z/q"));
}

static void follows_links_inside_the_tree_only(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_with((const char *const[]){"usr/lib/x", "etc/conf", NULL});
	_cleanup_content_ struct content *content = content_copy("", 0);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(tree_add_symlink(tree, "lib", &plain, "usr/lib", NULL, &err), err);
	assert_ok(tree_add_symlink(tree, "usr/lib/up", &plain, "../../../../etc/conf", NULL, &err), err);
	assert_ok(tree_add_symlink(tree, "loop", &plain, "loop", NULL, &err), err);
	assert_ok(tree_add_symlink(tree, "abs", &plain, "/usr", NULL, &err), err);
	assert_ok(tree_add_file(tree, "lib/new", &other, content, NULL, &err), err);
	assert_ok(tree_add_file(tree, "abs/new", &other, content, NULL, &err), err);

	assert_non_null(tree_lookup(tree, "usr/lib/new"));
	assert_non_null(tree_lookup(tree, "usr/new"));
	assert_ptr_equal(tree_resolve(tree, "lib/up"), tree_lookup(tree, "etc/conf"));
	assert_true(S_ISLNK(tree_lookup(tree, "lib/up")->mode));
	assert_null(tree_resolve(tree, "loop"));
	assert_error(tree_add_file(tree, "loop/x", &plain, content, NULL, &err), -ENOTDIR, err, "loop");
}

static void refuses_paths_that_escape_and_names_that_are_taken(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_with((const char *const[]){"a/x", NULL});
	_cleanup_content_ struct content *content = content_copy("", 0);
	_cleanup_error_ struct error *err = NULL;
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_error(tree_add_file(tree, "../x", &other, content, NULL, &err), -EINVAL, err, "leads out");
	assert_error(tree_add_file(tree, "a/..", &other, content, NULL, &err), -EINVAL, err, "leads out");
	assert_error(tree_add_file(tree, "a/../b", &other, content, NULL, &err), -EINVAL, err, "leads out");
	assert_error(tree_add_file(tree, name, &other, content, NULL, &err), -EINVAL, err, "longer than 255");
	assert_error(tree_add_file(tree, "/", &other, content, NULL, &err), -EINVAL, err, "names nothing");
	assert_error(tree_add_file(tree, "a/x", &other, content, NULL, &err), -EEXIST, err, "a file of a");
	assert_error(
		tree_add_file(tree, "a/x/y", &other, content, NULL, &err), -ENOTDIR, err, "not a folder");
	assert_error(tree_add_folder(tree, "a/x", &other, NULL, &err), -EEXIST, err, "of b");
	assert_ok(tree_add_folder(tree, "a", &other, NULL, &err), err);
	assert_int_equal(tree_lookup(tree, "a")->uid, 0);
}

static void hard_links_share_an_inode_until_the_last_name_goes(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_with((const char *const[]){"a/x", NULL});
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(tree_add_link(tree, "b/y", "a/x", &err), err);
	assert_ptr_equal(tree_lookup(tree, "b/y"), tree_lookup(tree, "a/x"));
	assert_int_equal(tree_lookup(tree, "b/y")->links, 2);
	assert_ok(tree_remove(tree, "a", &err), err);
	assert_int_equal(tree_lookup(tree, "b/y")->links, 1);
	assert_memory_equal(content_data(tree_lookup(tree, "b/y")->content), "text", 5);
	assert_error(tree_add_link(tree, "c", "a/x", &err), -ENOENT, err, "no file");
	assert_error(tree_add_link(tree, "c", "b", &err), -ENOENT, err, "no file");
	assert_error(tree_remove(tree, "a", &err), -ENOENT, err, "a");
}

static void moves_folders_but_not_into_themselves(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_with((const char *const[]){"etc/a/x", "etc/b", "m", NULL});
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(tree_move(tree, "etc", "usr/share/etc", &err), err);
	assert_ok(tree_move(tree, "m", "a", &err), err);
	assert_ok(tree_move(tree, "a", "z", &err), err);
	assert_walk(
		tree, "usr/ usr/share/ usr/share/etc/ usr/share/etc/a/ usr/share/etc/a/x usr/share/etc/b z ");
	assert_error(tree_move(tree, "usr", "usr/share/etc/usr", &err), -EINVAL, err, "into itself");
	assert_error(tree_move(tree, "z", "usr", &err), -EEXIST, err, "there already");
	assert_error(tree_move(tree, "q", "r", &err), -ENOENT, err, "q");
}

static void xattrs_are_sorted_replaced_and_removed(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_with((const char *const[]){"x", NULL});
	struct tree_inode *inode = tree_lookup(tree, "x");

	(void)state;
	assert_int_equal(inode_set_xattr(inode, "user.b", "2", 1), 0);
	assert_int_equal(inode_set_xattr(inode, "security.capability", "123", 3), 0);
	assert_int_equal(inode_set_xattr(inode, "user.b", "22", 2), 0);
	assert_int_equal(inode->xattr_count, 2);
	assert_string_equal(inode->xattrs[0].name, "security.capability");
	assert_int_equal(inode_get_xattr(inode, "user.b")->size, 2);
	assert_int_equal(inode_set_xattr(inode, "user.b", NULL, 0), 0);
	assert_null(inode_get_xattr(inode, "user.b"));
	assert_int_equal(inode->xattr_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_in_byte_order_with_parents_made),
		cmocka_unit_test(follows_links_inside_the_tree_only),
		cmocka_unit_test(refuses_paths_that_escape_and_names_that_are_taken),
		cmocka_unit_test(hard_links_share_an_inode_until_the_last_name_goes),
		cmocka_unit_test(moves_folders_but_not_into_themselves),
		cmocka_unit_test(xattrs_are_sorted_replaced_and_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
