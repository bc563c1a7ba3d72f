/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finish-tree.h"

#include <errno.h>

#include "build/accounts.h"
#include "build/layout.h"
#include "build/own.h"
#include "build/presets.h"

static const char text[] = "name: own\n"
			   "title: Own\n"
			   "suite: trixie\n"
			   "components: [main]\n"
			   "packages: [systemd]\n"
			   "boot-packages: [systemd-boot-efi]\n"
			   "files: own\n"
			   "links:\n"
			   "  etc/shadow: x\n"
			   "  etc/ssl/certs: y\n"
			   "  etc/systemd/system/default.target: nowhere.target\n"
			   "  etc/systemd/system/a.service: ../b.service\n"
			   "  usr/share/orlop/etc/z: z\n"
			   "  var/log: ../srv/log\n"
			   "kernel: {command-line: [], modules: []}\n"
			   "initrd: {modules: [dm_verity, erofs, overlay, efivarfs], devices: []}\n"
			   "disk: {esp: 64M, usr: 64M, verity: 2M, signature: 16K, state: 64M}\n";

/* A tree in which the definition has these files, and all of its links where they are wanted. */
static struct finish own_tree(struct definition *definition, const char *const *files)
{
	const struct tree_attributes attributes = {.mode = 0644, .origin = OWN_ORIGIN};
	_cleanup_content_ struct content *content = content_copy("own\n", 4);
	struct finish finish = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;

	finish.definition = definition;
	for (; *files; files++) {
		const char *target = pairs_get(&definition->links, *files);

		if (target)
			assert_ok(
				tree_add_symlink(finish.tree, *files, &attributes, target, NULL, &err), err);
		else
			assert_ok(tree_add_file(finish.tree, *files, &attributes, content, NULL, &err), err);
	}
	return finish;
}

static struct definition *own_definition(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct definition *definition;

	assert_ok(definition_parse(text, strlen(text), "own.yaml", &definition, &err), err);
	return definition;
}

static int make_accounts(struct finish *finish, struct error **err)
{
	return accounts_make(finish, NULL, err);
}

static int make_certificates(struct finish *finish, struct error **err)
{
	finish_tree_add(finish, "usr/share/ca-certificates/README", "");
	return finish_certificates(finish, err);
}

static int make_os_release(struct finish *finish, struct error **err)
{
	const struct finish_options options = {.name = "own", .title = "Own", .version = "202611.23.0"};

	return finish_os_release(finish, &options, err);
}

static int make_package_list(struct finish *finish, struct error **err)
{
	return finish_package_list(finish, &(struct unpacked){}, err);
}

static int make_masks(struct finish *finish, struct error **err)
{
	const struct strv units = {.items = (char *[]){(char *)"a.service"}, .count = 1};

	return finish_masks(finish, &units, err);
}

static int make_default_target(struct finish *finish, struct error **err)
{
	return finish_default_target(finish, "multi-user.target", err);
}

static int make_layout(struct finish *finish, struct error **err)
{
	finish_tree_add(finish, "usr/lib/tmpfiles.d/var.conf", "d /var/log 0755\n");
	return layout_usr(finish, &(struct strv){}, NULL, err);
}

static void what_the_build_makes_is_refused_with_file_line_and_key(void **state)
{
	static const struct {
		finisher_fn run;
		const char *path, *message;
	} cases[] = {
		{make_accounts, "etc/passwd",
			"own.yaml:7: files: /etc/passwd is made by the build, by its finisher accounts "
			"(accounts come from `users`, and from sysusers.d(5))"},
		{make_accounts, "etc/gshadow", "own.yaml:7: files: /etc/gshadow is made by the build"},
		{make_accounts, "etc/shadow", "own.yaml:9: links: /etc/shadow is made by the build"},
		/* Even where it is a folder. */
		{make_accounts, "etc/group/x", "own.yaml:7: files: /etc/group is made by the build"},
		{finish_environment, "etc/machine-id",
			"own.yaml:7: files: /etc/machine-id is made by the build, by its finisher "
			"environment (each node makes its own)"},
		{make_certificates, "etc/ssl/certs/ca-certificates.crt",
			"(certificates come from usr/share/ca-certificates/*.crt)"},
		{make_certificates, "etc/ssl/certs", "own.yaml:10: links: /etc/ssl/certs is made"},
		{make_os_release, "usr/lib/os-release", "(`name` and `title` are in it)"},
		{make_package_list, "usr/share/orlop/packages.json",
			"own.yaml:7: files: /usr/share/orlop/packages.json is made by the build, by its "
			"finisher packages"},
		{make_masks, "etc/systemd/system/a.service",
			"own.yaml:12: links: /etc/systemd/system/a.service is made by the build, by its "
			"finisher units (`units` masks it)"},
		{make_default_target, "etc/systemd/system/default.target",
			"own.yaml:11: links: /etc/systemd/system/default.target leads to no unit"},
		{make_layout, LAYOUT_TMPFILES, "own.yaml:7: files: /usr/lib/tmpfiles.d/orlop-var.conf is"},
		{make_layout, "usr/share/orlop/etc/z", "own.yaml:13: links: /usr/share/orlop/etc is"},
		{make_layout, "opt/tool",
			"own.yaml:7: files: /opt: only /usr, /etc and folders in /var can be part of an "
			"image; tmpfiles.d(5)"},
		{make_layout, "etc", ": /etc: only /usr"},
		{make_layout, "var/lib/file", "own.yaml:7: files: /var/lib/file: the image can't carry"},
		{make_layout, "var/log", "own.yaml:14: links: /var/log: a file in tmpfiles.d makes that"},
	};
	_cleanup_definition_ struct definition *definition = own_definition();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const files[] = {cases[i].path, NULL};
		_cleanup_finish_ struct finish finish = own_tree(definition, files);
		_cleanup_error_ struct error *err = NULL;

		assert_error(cases[i].run(&finish, &err), -EINVAL, err, cases[i].message);
	}
}

static void what_the_definition_may_have_stays(void **state)
{
	static const struct {
		finisher_fn run;
		const char *path;
	} cases[] = {
		{finish_shells, "etc/shells"},
		{finish_name_service, "etc/hosts"},
		{finish_environment, "etc/hostname"},
		{finish_environment, "etc/locale.conf"},
		{finish_environment, "var/lib/dbus/machine-id"},
		{make_default_target, "usr/lib/systemd/system/default.target"},
	};
	_cleanup_definition_ struct definition *definition = own_definition();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const files[] = {cases[i].path, NULL};
		_cleanup_finish_ struct finish finish = own_tree(definition, files);
		_cleanup_error_ struct error *err = NULL;

		assert_ok(cases[i].run(&finish, &err), err);
		assert_string_equal(finish_text(&finish, cases[i].path), "own\n");
	}
}

/* A package's go, or are made anew: nobody has asked for them. */
static void what_a_package_has_does_not(void **state)
{
	_cleanup_definition_ struct definition *definition = own_definition();
	_cleanup_finish_ struct finish finish = own_tree(definition, (const char *const[]){NULL});
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "etc/hostname", "package");
	finish_tree_add(&finish, "etc/machine-id", "package");
	finish_tree_add(&finish, "etc/shells", "package");
	finish_tree_add(&finish, "etc/passwd", "package");
	assert_ok(finish_environment(&finish, &err), err);
	assert_ok(finish_shells(&finish, &err), err);
	assert_ok(make_accounts(&finish, &err), err);
	assert_null(tree_lookup(finish.tree, "etc/hostname"));
	assert_null(tree_lookup(finish.tree, "etc/machine-id"));
	assert_string_equal(finish_text(&finish, "etc/shells"), "# /etc/shells: valid login shells\n");
	assert_string_equal(tree_lookup(finish.tree, "etc/passwd")->origin, "finisher:accounts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_build_makes_is_refused_with_file_line_and_key),
		cmocka_unit_test(what_the_definition_may_have_stays),
		cmocka_unit_test(what_a_package_has_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
