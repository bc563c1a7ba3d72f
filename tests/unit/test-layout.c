/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "build/layout.h"

static void put(struct tree *tree, const char *path, mode_t mode)
{
	const struct tree_attributes attributes = {
		.mode = mode, .mtime = 1, .uid = 0, .gid = 7, .origin = "pkg"};
	_cleanup_content_ struct content *content = content_copy("x", 1);
	_cleanup_error_ struct error *err = NULL;

	if (S_ISDIR(mode))
		assert_ok(tree_add_folder(tree, path, &attributes, NULL, &err), err);
	else
		assert_ok(tree_add_file(tree, path, &attributes, content, NULL, &err), err);
}

static void only_usr_is_left_with_etc_and_var_inside(void **state)
{
	static const char expected[] = "d /var/lib 0755 0 0 -\n"
				       "d /var/lib/a%%b 2775 0 7 -\n"
				       "L /var/run - - - - ../run\n";
	static const struct tree_attributes plain = {.origin = "pkg"};
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree, .mtime = 99};
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv setuid = {};
	const struct tree_inode *inode;
	size_t stripped;

	(void)state;
	put(tree, "usr/bin/su", 04755);
	put(tree, "usr/bin/wall", 02755);
	put(tree, "etc/conf", 0600);
	put(tree, "var/lib/a%b", S_IFDIR | 02775);
	put(tree, "srv", S_IFDIR | 0755);
	assert_ok(tree_add_symlink(tree, "bin", &plain, "usr/bin", NULL, &err), err);
	assert_ok(tree_add_symlink(tree, "var/run", &plain, "../run", NULL, &err), err);
	assert_int_equal(strv_add(&setuid, "usr/bin/su"), 0);

	assert_ok(layout_usr(&finish, &setuid, &stripped, &err), err);
	assert_int_equal(tree_root(tree)->entry_count, 1);
	assert_int_equal(stripped, 1);
	assert_int_equal(tree_lookup(tree, "usr/bin/su")->mode & 07777, 04755);
	assert_int_equal(tree_lookup(tree, "usr/bin/wall")->mode & 07777, 0755);
	inode = tree_lookup(tree, "usr/share/orlop/etc/conf");
	assert_int_equal(inode->mode & 07777, 0600);
	assert_int_equal(inode->mtime, 99);
	inode = tree_lookup(tree, LAYOUT_TMPFILES);
	assert_string_equal(strchr((const char *)content_data(inode->content), '\n') + 1, expected);
}

/*
 * "L" is made, "d!" too, "z" only adjusted; a path that begins like another one is none of its own; a file in
 * /etc hides one in /usr.
 */
static void var_is_left_to_tmpfiles_that_speak_of_it(void **state)
{
	static const char package[] = "# d /var/lib 0755\n"
				      "L\t/var/run - - - - ../run\n"
				      "q /var/tmp/x 0700\n"
				      " z /var/lib 0700\n"
				      "d /run/var 0755";
	static const char own[] = "d! /var/cache 0700\nq";
	static const char *const folders[] = {"var/lib", "var/run", "var/cache", "var/tmp", "run/var"};
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree};
	_cleanup_error_ struct error *err = NULL;
	struct strv setuid = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		put(tree, folders[i], S_IFDIR | 0755);
	assert_ok(finish_file(&finish, "test", "usr/lib/tmpfiles.d/pkg.conf", 0644, package, strlen(package),
			  &err),
		err);
	assert_ok(finish_file(&finish, "test", "etc/tmpfiles.d/own.conf", 0644, own, strlen(own), &err), err);
	assert_ok(finish_file(&finish, "test", "usr/lib/tmpfiles.d/own.conf", 0644, "d /var/tmp", 10, &err),
		err);
	assert_ok(finish_file(&finish, "test", "etc/tmpfiles.d/README", 0644, "d /var/tmp", 10, &err), err);
	assert_ok(layout_usr(&finish, &setuid, NULL, &err), err);
	assert_string_equal(
		strchr((const char *)content_data(tree_lookup(tree, LAYOUT_TMPFILES)->content), '\n') + 1,
		"d /var/lib 0755 0 7 -\nd /var/tmp 0755 0 7 -\n");
}

/* A mode that is none, a line that only adjusts, and a file are left alone. */
static void folders_of_etc_have_the_modes_of_tmpfiles(void **state)
{
	static const char lines[] =
		"d /etc/secret 0700 root root\nd!\t/etc/other 750\nz /etc/adjusted 0700\n"
		"d /etc/unsaid -\nd /etc/mask ~0700\nd /etc/long 00700\nf /etc/file 0600\n"
		"d /etc/nothing 0700\nd /etc/bare";
	static const struct {
		const char *path;
		mode_t mode;
	} cases[] = {
		{"etc/secret", 0700},
		{"etc/other", 0750},
		{"etc/adjusted", 0755},
		{"etc/unsaid", 0755},
		{"etc/mask", 0755},
		{"etc/long", 0755},
		{"etc/bare", 0755},
	};
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree};
	_cleanup_error_ struct error *err = NULL;
	struct strv setuid = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		put(tree, cases[i].path, S_IFDIR | 0755);
	put(tree, "etc/file", 0644);
	assert_ok(finish_file(&finish, "test", "usr/lib/tmpfiles.d/x.conf", 0644, lines, strlen(lines), &err),
		err);
	assert_ok(layout_usr(&finish, &setuid, NULL, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path = string_format("usr/share/orlop/%s", cases[i].path);
		const struct tree_inode *folder = tree_lookup(tree, path);

		assert_int_equal(folder->mode, S_IFDIR | cases[i].mode);
	}
	assert_int_equal(tree_lookup(tree, "usr/share/orlop/etc/file")->mode & 07777, 0644);
	assert_null(tree_lookup(tree, "usr/share/orlop/etc/nothing"));
}

static void what_would_get_lost_is_an_error(void **state)
{
	static const char *const lost[] = {
		"var/lib/data", "opt/x/file", "root/.profile", "boot/vmlinuz-1", "file", "var/lib/a b/c"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		_cleanup_tree_ struct tree *tree = tree_new();
		struct finish finish = {.tree = tree};
		struct strv setuid = {};
		struct error *err = NULL;

		put(tree, "usr/bin/su", 04755);
		put(tree, lost[i], 0644);
		assert_error(layout_usr(&finish, &setuid, NULL, &err), -EINVAL, err, "of pkg");
	}
}

static void the_setuid_list_names_files_that_are_there(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree};
	struct strv setuid = {};
	struct error *err = NULL;

	(void)state;
	put(tree, "usr/bin/plain", 0755);
	assert_int_equal(strv_add(&setuid, "usr/bin/plain"), 0);
	assert_error(layout_usr(&finish, &setuid, NULL, &err), -ENOENT, err, "usr/bin/plain");
	strv_release(&setuid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_usr_is_left_with_etc_and_var_inside),
		cmocka_unit_test(var_is_left_to_tmpfiles_that_speak_of_it),
		cmocka_unit_test(folders_of_etc_have_the_modes_of_tmpfiles),
		cmocka_unit_test(what_would_get_lost_is_an_error),
		cmocka_unit_test(the_setuid_list_names_files_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
