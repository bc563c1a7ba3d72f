/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <sys/stat.h>

#include "build/accounts.h"

static const char passwd_master[] =
	"root:*:0:0:root:/root:/bin/bash\ndaemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
	"nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char group_master[] =
	"root:*:0:\ndaemon:*:1:\nadm:*:4:\nshadow:*:42:\nusers:*:100:\nnogroup:*:65534:\n";

struct file {
	const char *path, *text;
};

static struct finish new_finish(const struct file *files)
{
	static const struct tree_attributes attributes = {.mode = 0644, .origin = "p"};
	struct finish finish = {.tree = tree_new(), .architecture = "amd64", .mtime = 86400 * 20000LL};
	_cleanup_error_ struct error *err = NULL;

	for (; files->path; files++) {
		_cleanup_content_ struct content *content = content_copy(files->text, strlen(files->text));

		assert_ok(tree_add_file(finish.tree, files->path, &attributes, content, NULL, &err), err);
	}
	return finish;
}

/* Writes the same files for systemd-sysusers, with the accounts of the master files in place. */
static void write_files(const char *folder, const struct file *files)
{
	_cleanup_error_ struct error *err = NULL;

	for (; files->path; files++) {
		_cleanup_free_ char *path = string_format("%s/%s", folder, files->path),
				    *parent = strdup(path);

		*strrchr(parent, '/') = 0;
		assert_ok(mkdir_parents(parent, &err), err);
		assert_ok(file_write_atomic(path, files->text, strlen(files->text), 0644, &err), err);
	}
	shell(folder, "mkdir -p etc; sed 's/:\\*:/:x:/' usr/share/base-passwd/passwd.master > etc/passwd;"
		      "sed 's/:\\*:/:x:/' usr/share/base-passwd/group.master > etc/group");
}

static const struct file every_kind[] = {
	{"usr/share/base-passwd/passwd.master", passwd_master},
	{"usr/share/base-passwd/group.master", group_master},
	{"usr/lib/sysusers.d/b.conf",
		"# comment\n\nu root 0 - /root /bin/bash\ng adm 4 -\ng fresh - -\ng five 500 -\ng taken 42 "
		"-\n"
		"u first - \"First user\" /var/lib/first\nu fixed 700 'a \"quoted\" name' /home /bin/sh\n"
		"u pair 701:adm - - -\nu numbered 702:4 -\nu sshd -:nogroup \"sshd user\" /run/sshd\n"
		"u collides 700 \"Someone else has it\"\nu same 500 -\n"},
	{"usr/lib/sysusers.d/a.conf",
		"m member adm\nm first fresh\nm new-one new-group\ng same 501 -\nu percent - 50%%\n"
		"u last - \"\"\nm daemon five\nm first five\n"},
	{"usr/lib/sysusers.d/c.conf", "u overridden - -\n"},
	{"etc/sysusers.d/c.conf", "g instead - -\n"},
	{"usr/lib/sysusers.d/ignored.txt", "u ignored - -\n"},
	{NULL, NULL},
};

static void assert_file(const struct finish *finish, const char *path, const char *folder)
{
	size_t size;
	_cleanup_free_ char *expected = scratch_read(folder, path, &size);

	assert_non_null(finish_text(finish, path));
	assert_string_equal(finish_text(finish, path), expected);
}

static void gives_the_ids_that_systemd_sysusers_gives(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	struct finish finish = new_finish(every_kind);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	if (!have_program("systemd-sysusers")) {
		tree_free(finish.tree);
		skip(); /* because systemd-sysusers is not installed */
	}
	write_files(folder, every_kind);
	shell(folder, "systemd-sysusers --root=\"$PWD\"");
	assert_ok(accounts_make(&finish, NULL, &err), err);
	assert_file(&finish, "etc/passwd", folder);
	assert_file(&finish, "etc/group", folder);
	tree_free(finish.tree);
}

static void locks_every_account_and_hides_the_shadow_files(void **state)
{
	static const struct file files[] = {
		{"usr/share/base-passwd/passwd.master", passwd_master},
		{"usr/share/base-passwd/group.master", group_master},
		{"usr/lib/sysusers.d/a.conf", "u! expired - -\nu open - -\nm open adm\nm daemon adm\n"},
		{NULL, NULL},
	};
	struct finish finish = new_finish(files);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(accounts_make(&finish, NULL, &err), err);
	assert_string_equal(finish_text(&finish, "etc/shadow"),
		"root:!*:20000::::::\ndaemon:!*:20000::::::\nnobody:!*:20000::::::\nexpired:!*:20000:::::1:\n"
		"open:!*:20000::::::\n");
	assert_string_equal(finish_text(&finish, "etc/gshadow"),
		"root:!*::\ndaemon:!*::\nadm:!*::open,daemon\nshadow:!*::\nusers:!*::\nnogroup:!*::\nexpired:"
		"!*::\n"
		"open:!*::\n");
	assert_int_equal(tree_lookup(finish.tree, "etc/shadow")->mode, S_IFREG | 0640);
	assert_int_equal(tree_lookup(finish.tree, "etc/shadow")->gid, 42);
	assert_int_equal(tree_lookup(finish.tree, "etc/passwd")->gid, 0);
	assert_string_equal(finish_text(&finish, "etc/subuid"), "");
	assert_string_equal(tree_lookup(finish.tree, "etc/passwd")->origin, "finisher:accounts");
	tree_free(finish.tree);
}

static void fixed_ids_are_kept_from_all_others(void **state)
{
	static const struct file files[] = {
		{"usr/lib/sysusers.d/a.conf",
			"g nogroup 65534 -\ng z - -\nu a - -\nu sshd -:nogroup -\nu b 980 -\n"},
		{NULL, NULL},
	};
	struct pair items[] = {
		{(char *)"b", (char *)"999"}, {(char *)"sshd", (char *)"998"}, {(char *)"z", (char *)"42"}};
	const struct pairs fixed = {items, ARRAY_SIZE(items)};
	struct finish finish = new_finish(files);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(accounts_make(&finish, &fixed, &err), err);
	assert_string_equal(finish_text(&finish, "etc/passwd"),
		"a:x:997:997::/:/usr/sbin/nologin\nsshd:x:998:65534::/:/usr/sbin/nologin\n"
		"b:x:999:999::/:/usr/sbin/nologin\n");
	assert_string_equal(
		finish_text(&finish, "etc/group"), "nogroup:x:65534:\nz:x:42:\na:x:997:\nb:x:999:\n");
	items[0].value = (char *)"65534";
	assert_error(accounts_make(&finish, &fixed, &err), -EEXIST, err, "65534");
	items[0].value = (char *)"x";
	assert_error(accounts_make(&finish, &fixed, &err), -EINVAL, err, "\"x\"");
	items[0] = (struct pair){(char *)"nobody", (char *)"7"};
	assert_error(
		accounts_make(&finish, &fixed, &err), -ENOENT, err, "nobody: no package has such an account");
	tree_free(finish.tree);
}

static void refuses_lines_that_sysusers_does_not_know(void **state)
{
	static const struct file wrong[] = {
		{"u", "package p: /usr/lib/sysusers.d/x.conf:1"},
		{"\nu a:b - -", "x.conf:2"},
		{"x a - -", "x.conf:1"},
		{"u a - \"open", "x.conf:1"},
		{"u a - a:b", "x.conf:1"},
		{"u a - - relative", "x.conf:1"},
		{"u a%H - -", "x.conf:1"},
		{"g a - gecos home", "x.conf:1"},
		{"u 9a - -", "x.conf:1"},
		{"u a - - - - more", "x.conf:1"},
		{"u! a 1:nowhere -", "nowhere"},
		{"u a 1:77 -", "group 77"},
		{"u a 1:", "no id"},
		{"u a 65535 -", "no id"},
		{"u a /usr/bin/x -", "no id"},
		{"r - 9-1", "no range"},
		{"r - 900-900\ng a - -\ng b - -", "no id is left"},
		{NULL, NULL},
	};

	(void)state;
	for (const struct file *line = wrong; line->path; line++) {
		const struct file files[] = {{"usr/lib/sysusers.d/x.conf", line->path}, {NULL, NULL}};
		struct finish finish = new_finish(files);
		_cleanup_error_ struct error *err = NULL;
		int r = accounts_make(&finish, NULL, &err);

		if (r >= 0 || !strstr(error_message(err), line->text))
			fail_msg("\"%s\": %d %s", line->path, r, error_message(err));
		tree_free(finish.tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_ids_that_systemd_sysusers_gives),
		cmocka_unit_test(locks_every_account_and_hides_the_shadow_files),
		cmocka_unit_test(fixed_ids_are_kept_from_all_others),
		cmocka_unit_test(refuses_lines_that_sysusers_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
