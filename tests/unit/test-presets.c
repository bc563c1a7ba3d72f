/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The judge is `systemctl --root preset-all`, for the system and for users, on the same tree.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/process.h"
#include "build/presets.h"

static const struct {
	const char *path, *text;
} files[] = {
	{"usr/lib/systemd/system/a.service",
		"[Unit]\nWantedBy=not.here\n[Install]\nWantedBy=multi-user.target x.target\n"},
	{"usr/lib/systemd/system/b.service",
		"[Install]\n# comment\nWantedBy=multi-user.target\nWantedBy=\nRequiredBy=y.target \\\n  "
		"z.target\n"
		"Alias=b-alias.service\nAlso=b.socket\n"},
	{"usr/lib/systemd/system/b.socket", "[Install]\nWantedBy=sockets.target\nAlso=b.service\n"},
	{"usr/lib/systemd/system/off.service", "[Install]\nWantedBy=multi-user.target\n"},
	{"usr/lib/systemd/system/getty@.service",
		"[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\nAlias=autovt@.service\n"},
	{"usr/lib/systemd/system/many@.service", "[Install]\nWantedBy=multi-user.target\n"},
	{"usr/lib/systemd/system/none@.service", "[Install]\nWantedBy=multi-user.target\n"},
	{"usr/lib/systemd/system/drop.service", "[Unit]\nDescription=x\n"},
	{"usr/lib/systemd/system/drop.service.d/10.conf", "[Install]\nWantedBy=multi-user.target\n"},
	{"usr/lib/systemd/system/multi-user.target", "[Unit]\nDescription=x\n"},
	{"usr/lib/systemd/system/named.service",
		"[Install]\nWantedBy=%p.target pre-%n\nAlias=%N-too.service\n"},
	{"usr/lib/systemd/system/named@.service",
		"[Install]\nWantedBy=%p-of-%i.target\nRequiredBy=%N.target\nDefaultInstance=one\n"},
	{"usr/lib/systemd/system/static.service", "[Service]\nExecStart=/bin/true\n"},
	{"etc/systemd/system/own.service", "[Install]\nWantedBy=multi-user.target\n"},
	{"usr/lib/systemd/system-preset/10-first.preset", "enable off.service\n"},
	{"etc/systemd/system-preset/10-first.preset", "disable off.*\nenable many@.service one two\n"},
	{"usr/lib/systemd/system-preset/90-last.preset",
		"; comment\n\nenable off.service\nenable *.socket\ndisable none@.service\n"},
	/* The presets of one manager are nothing to the other. */
	{"usr/lib/systemd/user/off.service", "[Install]\nWantedBy=default.target\nAlias=alias.service\n"},
	{"usr/lib/systemd/user/none.socket", "[Install]\nWantedBy=sockets.target\n"},
	{"usr/lib/systemd/user/unsaid.service", "[Install]\nWantedBy=default.target\n"},
	{"etc/systemd/user/own.service", "[Install]\nWantedBy=default.target\n"},
	{"usr/lib/systemd/user-preset/90-last.preset", "enable off.service\ndisable none.socket\n"},
};

static void fill(struct tree *tree)
{
	static const struct tree_attributes attributes = {.mode = 0644, .origin = "package"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_content_ struct content *content =
			content_copy(files[i].text, strlen(files[i].text));
		_cleanup_error_ struct error *err = NULL;

		assert_ok(tree_add_file(tree, files[i].path, &attributes, content, NULL, &err), err);
	}
}

static int note_link(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	(void)err;
	if (S_ISLNK(inode->mode))
		return strv_addf(userdata, "%s -> %s", path, inode->target);
	return 0;
}

static char *join(struct strv *lines)
{
	_cleanup_buffer_ struct buffer text = {};

	strv_sort_unique(lines);
	for (size_t i = 0; i < lines->count; i++)
		buffer_printf(&text, "%s\n", lines->items[i]);
	return buffer_take(&text, NULL);
}

/* The links that systemctl makes in a folder with the same files. */
static char *links_of_systemctl(void)
{
	char folder[] = "/tmp/test-presets.XXXXXX";
	_cleanup_process_result_ struct process_result made = {}, made_users = {}, found = {};
	_cleanup_strv_ struct strv lines = {};
	const char *preset[] = {"systemctl", "--root", folder, "preset-all", "--quiet", NULL};
	const char *preset_users[] = {
		"systemctl", "--root", folder, "--global", "preset-all", "--quiet", NULL};
	const char *find[] = {"find", folder, "-type", "l", "-printf", "%P -> %l\n", NULL};
	char *line, *rest;

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = string_format("%s/%s", folder, files[i].path);
		_cleanup_free_ char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));

		assert_int_equal(mkdir_parents(parent, NULL), 0);
		assert_int_equal(
			file_write_atomic(path, files[i].text, strlen(files[i].text), 0644, NULL), 0);
	}
	assert_int_equal(process_run(preset, NULL, 0, MiB(1), &made, NULL), 0);
	assert_int_equal(made.status, 0);
	assert_int_equal(process_run(preset_users, NULL, 0, MiB(1), &made_users, NULL), 0);
	assert_int_equal(made_users.status, 0);
	assert_int_equal(process_run(find, NULL, 0, MiB(1), &found, NULL), 0);
	buffer_append_u8(&found.output, 0);
	for (line = strtok_r((char *)found.output.data, "\n", &rest); line;
		line = strtok_r(NULL, "\n", &rest)) {
		/* systemctl writes the path with the root in front for units in /etc. */
		const char *target = strstr(line, " -> ") + 4;

		if (startswith(target, folder))
			assert_int_equal(strv_addf(&lines, "%.*s%s", (int)(target - line), line,
						 startswith(target, folder)),
				0);
		else
			assert_int_equal(strv_add(&lines, line), 0);
	}
	assert_int_equal(remove_tree(folder, NULL), 0);
	return join(&lines);
}

static void makes_the_links_that_systemctl_makes(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree, .architecture = "amd64", .mtime = 3};
	_cleanup_free_ char *ours = NULL, *theirs = links_of_systemctl();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv lines = {};

	(void)state;
	fill(tree);
	assert_ok(finish_presets(&finish, &err), err);
	assert_ok(tree_walk(tree, note_link, &lines, &err), err);
	ours = join(&lines);
	assert_non_null(strstr(theirs, "multi-user.target.wants/many@two.service -> "));
	assert_string_equal(ours, theirs);
}

static void masks_and_default_target_want_units_that_exist(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree};
	struct strv masks = {};
	struct error *err = NULL;

	(void)state;
	fill(tree);
	assert_int_equal(strv_add(&masks, "a.service"), 0);
	assert_int_equal(strv_add(&masks, "own.service"), 0);
	assert_ok(finish_masks(&finish, &masks, &err), err);
	assert_string_equal(tree_lookup(tree, "etc/systemd/system/own.service")->target, "/dev/null");
	assert_int_equal(strv_add(&masks, "typo.service"), 0);
	assert_error(finish_masks(&finish, &masks, &err), -ENOENT, err, "typo.service");
	assert_error(finish_default_target(&finish, "typo.target", &err), -ENOENT, err, "typo.target");
	assert_ok(finish_default_target(&finish, "multi-user.target", &err), err);
	assert_string_equal(tree_lookup(tree, "etc/systemd/system/default.target")->target,
		"/usr/lib/systemd/system/multi-user.target");
	strv_release(&masks);
}

static void what_is_enabled_must_be_there_and_say_what_starts_it(void **state)
{
	static const struct {
		const char *unit;
		int code;
		const char *text;
	} cases[] = {
		{"a.service", 0, NULL},
		{"b.socket", 0, NULL},
		{"drop.service", 0, NULL},
		{"many@x.service", 0, NULL},
		{"own.service", 0, NULL},
		{"static.service", -EINVAL, "static.service has no [Install] section"},
		{"typo.service", -ENOENT, "no package has the unit \"typo.service\""},
		{"typo@x.service", -ENOENT, "no package has the unit \"typo@x.service\""},
	};
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree};

	(void)state;
	fill(tree);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strv units = {.items = (char *[]){(char *)cases[i].unit, NULL}, .count = 1};
		struct error *err = NULL;

		if (cases[i].code == 0) {
			assert_ok(finish_check_enabled(&finish, &units, &err), err);
			continue;
		}
		assert_int_equal(finish_check_enabled(&finish, &units, &err), cases[i].code);
		assert_string_equal(err->subject, cases[i].unit);
		assert_non_null(strstr(error_message(err), cases[i].text));
		error_free(err);
	}
}

static void a_preset_file_that_makes_no_sense_is_an_error(void **state)
{
	static const struct tree_attributes attributes = {.mode = 0644, .origin = "package"};
	_cleanup_content_ struct content *content = content_copy("\n\nstart a.service\n", 18);
	_cleanup_tree_ struct tree *tree = tree_new();
	struct finish finish = {.tree = tree};
	struct error *err = NULL;

	(void)state;
	assert_ok(tree_add_file(
			  tree, "usr/lib/systemd/system-preset/x.preset", &attributes, content, NULL, &err),
		err);
	assert_error(finish_presets(&finish, &err), -EINVAL, err, "x.preset:3: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_links_that_systemctl_makes),
		cmocka_unit_test(masks_and_default_target_want_units_that_exist),
		cmocka_unit_test(what_is_enabled_must_be_there_and_say_what_starts_it),
		cmocka_unit_test(a_preset_file_that_makes_no_sense_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
