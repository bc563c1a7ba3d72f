/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finish-tree.h"

#include <jansson.h>

static const char template[] =
	"# comment\npasswd:         files\ngroup:          files\nshadow:         files\n"
	"gshadow:        files\n\nhosts:          files dns\nnetworks:       files\n";

/* What the postinst scripts of libnss-systemd, libnss-resolve and libnss-myhostname 257 make of it. */
static const char with_modules[] =
	"# comment\npasswd:         files systemd\ngroup:          files systemd\nshadow:         files "
	"systemd\n"
	"gshadow:        files systemd\n\nhosts:          files myhostname resolve [!UNAVAIL=return] dns\n"
	"networks:       files\n";

static void names_the_modules_that_are_there(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new(), other = finish_tree_new(),
				       bare = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "usr/share/libc-bin/nsswitch.conf", template);
	finish_tree_add(&finish, "usr/lib/x86_64-linux-gnu/libnss_systemd.so.2", "");
	finish_tree_add(&finish, "usr/lib/x86_64-linux-gnu/libnss_resolve.so.2", "");
	finish_tree_add(&finish, "usr/lib/x86_64-linux-gnu/libnss_myhostname.so.2", "");
	finish_tree_add(&finish, "etc/hosts", "own");
	assert_ok(finish_name_service(&finish, &err), err);
	assert_string_equal(finish_text(&finish, "etc/nsswitch.conf"), with_modules);
	assert_string_equal(finish_text(&finish, "etc/hosts"), "own");
	finish_tree_add(&other, "usr/share/libc-bin/nsswitch.conf", template);
	assert_ok(finish_name_service(&other, &err), err);
	assert_string_equal(finish_text(&other, "etc/nsswitch.conf"), template);
	assert_non_null(strstr(finish_text(&other, "etc/hosts"), "127.0.0.1 localhost\n"));
	/* Without the template, what libc-bin 2.41-12 has. */
	assert_ok(finish_name_service(&bare, &err), err);
	assert_non_null(strstr(finish_text(&bare, "etc/nsswitch.conf"), "\nservices:       db files\n"));
	assert_non_null(strstr(finish_text(&bare, "etc/nsswitch.conf"), "\nnetgroup:       nis\n"));
}

static void makes_the_environment_but_nothing_of_a_nodes_own(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "usr/share/base-files/profile", "export PATH\n");
	finish_tree_add(&finish, "usr/share/zoneinfo/Etc/UTC", "TZif2");
	finish_tree_add(&finish, "etc/machine-id", "0123");
	finish_tree_add(&finish, "etc/motd", "welcome");
	finish_tree_add(&finish, "usr/share/base-files/motd", "debian");
	assert_ok(finish_folder(&finish, "test", "var/run", 0755, &err), err);
	assert_ok(finish_folder(&finish, "test", "var/lock/subsys", 0755, &err), err);
	assert_ok(finish_environment(&finish, &err), err);
	assert_string_equal(tree_lookup(finish.tree, "var/run")->target, "/run");
	/* A folder with something in it is a package's own affair. */
	assert_true(S_ISDIR(tree_lookup(finish.tree, "var/lock")->mode));
	assert_string_equal(finish_text(&finish, "etc/profile"), "export PATH\n");
	assert_string_equal(finish_text(&finish, "etc/motd"), "welcome");
	assert_string_equal(finish_text(&finish, "etc/default/locale"), "LANG=C.UTF-8\n");
	assert_string_equal(finish_text(&finish, "etc/localtime"), "TZif2");
	assert_null(tree_lookup(finish.tree, "etc/machine-id"));
	assert_int_equal(tree_lookup(finish.tree, "etc/profile")->mtime, finish.mtime);
}

static void takes_the_best_alternative_that_is_there(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "usr/bin/mawk", "");
	finish_tree_add(&finish, "usr/bin/more", "");
	finish_tree_add(&finish, "usr/bin/bash", "");
	finish_tree_add(&finish, "usr/bin/which", "a package has it");
	finish_tree_add(&finish, "usr/bin/which.debianutils", "");
	finish_tree_add(&finish, "usr/sbin/iptables-legacy", "");
	finish_tree_add(&finish, "usr/sbin/iptables-nft", "");
	assert_ok(finish_alternatives(&finish, &err), err);
	assert_ok(finish_shells(&finish, &err), err);
	assert_string_equal(tree_lookup(finish.tree, "usr/bin/awk")->target, "mawk");
	assert_string_equal(tree_lookup(finish.tree, "usr/bin/pager")->target, "more");
	assert_string_equal(tree_lookup(finish.tree, "usr/bin/sh")->target, "bash");
	assert_string_equal(tree_lookup(finish.tree, "usr/sbin/iptables")->target, "iptables-nft");
	assert_true(S_ISREG(tree_lookup(finish.tree, "usr/bin/which")->mode));
	assert_null(tree_lookup(finish.tree, "usr/sbin/ebtables"));
	assert_string_equal(finish_text(&finish, "etc/shells"),
		"# /etc/shells: valid login shells\n/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n");
}

static void os_release_is_ours_and_read_by_a_shell(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new();
	struct finish_options options = {
		.name = "container-linux", .title = "Orlop Container Linux", .version = "202611.23.0"};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/os-release", folder);
	_cleanup_error_ struct error *err = NULL;
	const char *text;

	(void)state;
	finish_tree_add(&finish, "usr/lib/os-release",
		"PRETTY_NAME=\"Debian\"\nNAME=\"Debian\"\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\nID="
		"debian\n"
		"HOME_URL=\"https://www.debian.org/\"\n");
	assert_ok(finish_os_release(&finish, &options, &err), err);
	text = finish_text(&finish, "usr/lib/os-release");
	assert_null(strstr(text, "debian.org"));
	assert_ok(file_write_atomic(path, text, strlen(text), 0644, &err), err);
	shell(folder, ". ./os-release; [ \"$ID/$ID_LIKE/$NAME\" = \"orlop/debian/Orlop Container Linux\" ];"
		      "[ \"$IMAGE_ID/$IMAGE_VERSION/$VERSION_ID\" = "
		      "orlop-container-linux/202611.23.0/202611.23.0 ];"
		      "[ \"$VERSION_CODENAME/$ARCHITECTURE/$VARIANT_ID\" = trixie/x86-64/container-linux ];"
		      "[ $(cut -d= -f1 os-release | sort | uniq -d | wc -l) = 0 ]");
	options.title = "$(reboot)";
	assert_error(finish_os_release(&finish, &options, &err), -EINVAL, err, "quote");
}

static void the_package_list_is_sorted_json(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new();
	struct control_field b[] = {{(char *)"Version", (char *)"2+b1"},
		{(char *)"Architecture", (char *)"amd64"}, {(char *)"Source", (char *)"src (2)"}};
	struct control_field a[] = {
		{(char *)"Version", (char *)"1"}, {(char *)"Architecture", (char *)"all"}};
	struct unpacked_package packages[] = {
		{.name = (char *)"b",
			.control = {b, ARRAY_SIZE(b)},
			.files = 3,
			.size = 5000000000,
			.left_out = 1},
		{.name = (char *)"a", .control = {a, ARRAY_SIZE(a)}},
	};
	const struct unpacked unpacked = {packages, ARRAY_SIZE(packages)};
	_cleanup_error_ struct error *err = NULL;
	const char *name, *source, *version;
	json_int_t size;
	json_t *root;

	(void)state;
	assert_ok(finish_package_list(&finish, &unpacked, &err), err);
	root = json_loads(finish_text(&finish, "usr/share/orlop/packages.json"), 0, NULL);
	assert_int_equal(json_unpack(root, "{s:[{s:s, s:{s:s, s:s}}, {s:{s:s, s:s}, s:I}]}", "packages",
				 "name", &name, "source", "name", &source, "version", &version, "source",
				 "name", &source, "version", &version, "size", &size),
		0);
	assert_string_equal(name, "a");
	assert_string_equal(source, "src");
	assert_string_equal(version, "2");
	assert_int_equal(size, 5000000000);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_modules_that_are_there),
		cmocka_unit_test(makes_the_environment_but_nothing_of_a_nodes_own),
		cmocka_unit_test(takes_the_best_alternative_that_is_there),
		cmocka_unit_test(os_release_is_ours_and_read_by_a_shell),
		cmocka_unit_test(the_package_list_is_sorted_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
