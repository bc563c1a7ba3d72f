/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finish-tree.h"

/* The frame that libpam-runtime's templates put around the modules. */
static void add_template(struct finish *finish, const char *file, const char *type, const char *name)
{
	_cleanup_free_ char *path = string_format("usr/share/pam/%s", file);
	_cleanup_free_ char *text =
		string_format("# a comment\n\n$%s_primary\n# more\n%s\trequisite\t\t\tpam_deny.so\n"
			      "%s\trequired\t\t\tpam_permit.so\n$%s_additional\n",
			name, type, type, name);

	finish_tree_add(finish, path, text);
}

static struct finish with_templates(void)
{
	struct finish finish = finish_tree_new();

	add_template(&finish, "common-account", "account", "account");
	add_template(&finish, "common-auth", "auth", "auth");
	add_template(&finish, "common-password", "password", "password");
	add_template(&finish, "common-session", "session", "session");
	add_template(&finish, "common-session-noninteractive", "session", "session_nonint");
	return finish;
}

/* Without comments and empty lines. */
static char *bare(const char *text)
{
	_cleanup_buffer_ struct buffer kept = {};

	for (size_t length; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		if (length > 0 && *text != '#')
			buffer_printf(&kept, "%.*s\n", (int)length, text);
	}
	return buffer_take(&kept, NULL);
}

static void makes_the_stacks_that_pam_auth_update_makes(void **state)
{
	static const char *const profiles[] = {"first", "local", "seat", "unwanted"};
	static const char *const stacks[] = {"common-account", "common-auth", "common-password",
		"common-session", "common-session-noninteractive"};
	_cleanup_free_ char *data = string_format("%s/pam", getenv("ORLOP_TEST_DATA"));
	_cleanup_finish_ struct finish finish = with_templates();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		_cleanup_free_ char *name = string_format("profiles/%s", profiles[i]);
		_cleanup_free_ char *path = string_format("usr/share/pam-configs/%s", profiles[i]);
		_cleanup_free_ char *text = scratch_read(data, name, NULL);

		finish_tree_add(&finish, path, text);
	}
	assert_ok(finish_pam(&finish, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		_cleanup_free_ char *path = string_format("etc/pam.d/%s", stacks[i]);
		_cleanup_free_ char *golden = scratch_read(data, stacks[i], NULL), *expected = bare(golden);
		_cleanup_free_ char *made = bare(finish_text(&finish, path));

		assert_string_equal(made, expected);
	}
}

static void leaves_what_the_definition_has(void **state)
{
	const struct tree_attributes attributes = {.mode = 0644, .origin = OWN_ORIGIN};
	_cleanup_content_ struct content *content = content_copy("own", 3);
	_cleanup_finish_ struct finish finish = with_templates();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "etc/pam.d/common-account", "package");
	assert_ok(tree_add_file(finish.tree, "etc/pam.d/common-auth", &attributes, content, NULL, &err), err);
	assert_ok(finish_pam(&finish, &err), err);
	assert_string_equal(finish_text(&finish, "etc/pam.d/common-auth"), "own");
	assert_non_null(strstr(finish_text(&finish, "etc/pam.d/common-account"), "pam_deny.so"));
}

static void refuses_profiles_that_conflict(void **state)
{
	_cleanup_finish_ struct finish finish = with_templates();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "usr/share/pam-configs/a", "Name: a\nDefault: yes\nConflicts: x, b\n");
	assert_ok(finish_pam(&finish, &err), err);
	finish_tree_add(&finish, "usr/share/pam-configs/b", "Name: b\nDefault: yes\n");
	assert_error(finish_pam(&finish, &err), -EEXIST, err, "\"a\" and \"b\" conflict");
}

static void refuses_a_tree_without_the_templates(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(finish_pam(&finish, &err), err);
	finish_tree_add(&finish, "usr/share/pam/README", "");
	assert_error(finish_pam(&finish, &err), -ENOENT, err, "usr/share/pam/common-account");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_stacks_that_pam_auth_update_makes),
		cmocka_unit_test(leaves_what_the_definition_has),
		cmocka_unit_test(refuses_profiles_that_conflict),
		cmocka_unit_test(refuses_a_tree_without_the_templates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
