/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The judges of what is written are other tests: systemd reads it on a node, accounts.c and presets.c in a
 * build.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "build/own.h"
#include "build/settings.h"

static const char head[] = "name: some\n"
			   "title: Some\n"
			   "suite: trixie\n"
			   "components: [main]\n"
			   "packages: [a]\n"
			   "boot-packages: [b]\n"
			   "kernel: {command-line: [a], modules: []}\n"
			   "initrd: {modules: [dm-verity, erofs, overlay, efivarfs], devices: []}\n"
			   "disk: {esp: 512M, usr: 1G, verity: 16M, signature: 1M, state: 4G}\n";

static struct definition *define(const char *more)
{
	_cleanup_free_ char *text = string_format("%s%s", head, more);
	_cleanup_error_ struct error *err = NULL;
	struct definition *definition = NULL;

	assert_ok(definition_parse(text, strlen(text), "x.yaml", &definition, &err), err);
	return definition;
}

static const char *text_of(const struct tree *tree, const char *path)
{
	const struct tree_inode *inode = tree_lookup(tree, path);

	assert_non_null(inode);
	assert_int_equal(inode->mode, S_IFREG | 0644);
	assert_int_equal(inode->mtime, 5);
	assert_string_equal(inode->origin, OWN_ORIGIN);
	return (const char *)content_data(inode->content);
}

static void what_is_set_stands_in_the_files_that_systemd_reads(void **state)
{
	_cleanup_definition_ struct definition *definition =
		define("sysctl: {vm.swappiness: 10, 'net.ipv4.conf.*.rp_filter': 0}\n"
		       "users:\n"
		       "  one: {description: The First, groups: [disk, kvm]}\n"
		       "  two: {description: b, home: /var/two, shell: /bin/bash}\n"
		       "units:\n"
		       "  a.service: enable\n"
		       "  g@x.service: enable\n"
		       "  b.timer: disable\n"
		       "  g@y.socket: enable\n"
		       "  g@y.service: enable\n"
		       "  g@z.service: disable\n"
		       "  t@.service: enable\n"
		       "  c.path: mask\n");
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv masked = {};

	(void)state;
	assert_ok(settings_add(definition, tree, 5, &err), err);
	assert_string_equal(text_of(tree, "usr/lib/sysctl.d/60-some.conf"),
		"vm.swappiness = 10\nnet.ipv4.conf.*.rp_filter = 0\n");
	assert_string_equal(text_of(tree, "usr/lib/sysusers.d/some.conf"),
		"u! one - \"The First\" - -\nm one disk\nm one kvm\nu two - \"b\" /var/two /bin/bash\n");
	assert_string_equal(text_of(tree, "usr/lib/systemd/system-preset/00-some.preset"),
		"enable a.service\n"
		"enable g@.service x y\n"
		"disable b.timer\n"
		"enable g@.socket y\n"
		"disable g@z.service\n"
		"enable t@.service\n");
	assert_ok(settings_units(definition, "mask", &masked, &err), err);
	assert_int_equal(masked.count, 1);
	assert_string_equal(masked.items[0], "c.path");
}

static void nothing_set_makes_no_file(void **state)
{
	_cleanup_definition_ struct definition *definition = define("units: {c.path: mask}\n");
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(settings_add(definition, tree, 5, &err), err);
	assert_int_equal(tree_root(tree)->entry_count, 0);
}

static void a_file_that_is_there_already_is_an_error(void **state)
{
	static const struct tree_attributes package = {.mode = 0644, .origin = "package"};
	_cleanup_definition_ struct definition *definition = define("sysctl: {vm.swappiness: 10}\n");
	_cleanup_content_ struct content *content = content_copy("x", 1);
	_cleanup_tree_ struct tree *tree = tree_new();
	struct error *err = NULL;

	(void)state;
	assert_ok(tree_add_file(tree, "usr/lib/sysctl.d/60-some.conf", &package, content, NULL, &err), err);
	assert_error(settings_add(definition, tree, 5, &err), -EEXIST, err, "package");
	tree_lookup(tree, "usr/lib/sysctl.d/60-some.conf")->origin = tree_intern(tree, OWN_ORIGIN);
	assert_error(settings_add(definition, tree, 5, &err), -EINVAL, err,
		": files: /usr/lib/sysctl.d/60-some.conf is made by the build, by `sysctl`");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_set_stands_in_the_files_that_systemd_reads),
		cmocka_unit_test(nothing_set_makes_no_file),
		cmocka_unit_test(a_file_that_is_there_already_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
