/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>

#include "base/string-util.h"
#include "release/file-changes.h"

static const struct tree_attributes plain = {.mode = 0644, .origin = "test"};

static struct tree_inode *add_file(struct tree *tree, const char *path, const char *text, mode_t mode)
{
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));
	const struct tree_attributes attributes = {.mode = mode, .origin = "test"};
	struct tree_inode *inode = NULL;

	assert_ok(tree_add_file(tree, path, &attributes, content, &inode, NULL), NULL);
	return inode;
}

/* A tree with one of everything. */
static struct tree *sample(void)
{
	struct tree *tree = tree_new();

	assert_non_null(tree);
	add_file(tree, "bin/a", "one", 0755);
	add_file(tree, "bin/a.b", "two", 0644);
	add_file(tree, "etc/f", "", 0600);
	assert_ok(tree_add_symlink(tree, "bin/l", &plain, "a", NULL, NULL), NULL);
	assert_int_equal(inode_set_xattr(tree_lookup(tree, "etc/f"), "security.capability", "\1\2", 2), 0);
	return tree;
}

/* What the text says of the two behind its first two lines. */
static void check_text(const struct tree *before, const struct tree *after, const char *expected)
{
	_cleanup_file_changes_ struct file_changes changes = {};
	_cleanup_buffer_ struct buffer text = {};
	_cleanup_error_ struct error *err = NULL;
	const char *rest;

	assert_ok(file_changes_find(before, after, &changes, &err), err);
	assert_ok(file_changes_text(&changes, &text, &err), err);
	buffer_append_u8(&text, 0);
	rest = startswith((const char *)text.data, "\nFiles of /usr (");
	assert_non_null(rest);
	assert_string_equal(strchr(rest, '\n') + 1, expected);
}

static void equal_trees_have_no_differences(void **state)
{
	_cleanup_tree_ struct tree *a = sample(), *b = sample();

	(void)state;
	tree_lookup(b, "bin/a")->mtime = 7;
	tree_lookup(b, "bin/l")->mode = S_IFLNK | 0777;
	check_text(a, b, "");
}

static void each_kind_of_difference_is_told(void **state)
{
	_cleanup_tree_ struct tree *a = sample(), *b = sample();

	(void)state;
	tree_root(b)->mode = S_IFDIR | 0700;
	tree_lookup(b, "bin/a")->mode = S_IFREG | 04755;
	tree_lookup(b, "bin/a")->uid = 4000000000;
	assert_int_equal(inode_set_xattr(tree_lookup(b, "bin/a"), "user.new", "x", 1), 0);
	assert_int_equal(inode_set_xattr(tree_lookup(b, "etc/f"), "security.capability", "\1\3", 2), 0);
	check_text(a, b,
		"  * /\n"
		"    mode 0755 -> 0700\n"
		"  * bin/a\n"
		"    mode 0755 -> 4755\n"
		"    owner 0:0 -> 4000000000:0\n"
		"    xattr added user.new\n"
		"  * etc/f\n"
		"    xattr another security.capability\n");
	check_text(b, a,
		"  * /\n"
		"    mode 0700 -> 0755\n"
		"  * bin/a\n"
		"    mode 4755 -> 0755\n"
		"    owner 4000000000:0 -> 0:0\n"
		"    xattr removed user.new\n"
		"  * etc/f\n"
		"    xattr another security.capability\n");
}

/* Digests as sha256sum prints them. */
static void contents_are_told_by_size_and_digest(void **state)
{
	_cleanup_tree_ struct tree *a = sample(), *b = sample();
	_cleanup_content_ struct content *content = content_copy("One", 3);

	(void)state;
	inode_set_content(tree_lookup(b, "bin/a"), content);
	assert_ok(tree_remove(b, "bin/l", NULL), NULL);
	assert_ok(tree_add_symlink(b, "bin/l", &plain, "a\n", NULL, NULL), NULL);
	check_text(a, b,
		"  * bin/a\n"
		"    content 3 bytes 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed\n"
		"         -> 3 bytes 8b12507783d5becacbf2ebe5b01a60024d8728a8f86dcc818bce699e8b3320bc\n"
		"  * bin/l\n"
		"    target a -> a?\n");
}

static void what_is_in_one_alone_is_told_with_all_below(void **state)
{
	_cleanup_tree_ struct tree *a = sample(), *b = sample();

	(void)state;
	add_file(a, "bin/a.c/x/y", "", 0644);
	assert_ok(tree_remove(b, "etc", NULL), NULL);
	assert_ok(tree_add_symlink(b, "etc", &plain, "bin", NULL, NULL), NULL);
	check_text(a, b,
		"  - bin/a.c\n"
		"  - bin/a.c/x\n"
		"  - bin/a.c/x/y\n"
		"  * etc\n"
		"    type folder -> link\n"
		"  - etc/f\n");
}

static void json_has_text_for_names_that_are_none(void **state)
{
	_cleanup_tree_ struct tree *a = sample(), *b = sample();
	_cleanup_file_changes_ struct file_changes changes = {};
	_cleanup_error_ struct error *err = NULL;
	json_t *json;

	(void)state;
	add_file(b, "\xff\xe4", "", 0644);
	assert_ok(file_changes_find(a, b, &changes, &err), err);
	json = file_changes_json(&changes);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json, 0), "path")),
		"\xef\xbf\xbd\xef\xbf\xbd");
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_trees_have_no_differences),
		cmocka_unit_test(each_kind_of_difference_is_told),
		cmocka_unit_test(contents_are_told_by_size_and_digest),
		cmocka_unit_test(what_is_in_one_alone_is_told_with_all_below),
		cmocka_unit_test(json_has_text_for_names_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
