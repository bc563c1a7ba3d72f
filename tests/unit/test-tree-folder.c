/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/string-util.h"
#include "build/tree-folder.h"

struct fixture {
	char folder[40];
	char out[64]; /* what is not there yet */
	struct tree *tree;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->folder, "/tmp/test-tree-folder.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	(void)snprintf(fixture->out, sizeof(fixture->out), "%s/a/b", fixture->folder);
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

static void add_file(const struct fixture *fixture, const char *path, mode_t mode, const char *text)
{
	const struct tree_attributes attributes = {.mode = mode, .uid = 5, .origin = "package"};
	_cleanup_content_ struct content *content = content_copy(text, strlen(text));

	assert_int_equal(tree_add_file(fixture->tree, path, &attributes, content, NULL, NULL), 0);
}

static void add_link(const struct fixture *fixture, const char *path, const char *target)
{
	const struct tree_attributes attributes = {.origin = "package"};

	assert_int_equal(tree_add_symlink(fixture->tree, path, &attributes, target, NULL, NULL), 0);
}

static void assert_link(const struct fixture *fixture, const char *name, const char *expected)
{
	_cleanup_free_ char *path = string_format("%s/%s", fixture->out, name);
	char target[256] = {};

	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, expected);
}

static void files_and_folders_are_written(void **state)
{
	const struct fixture *fixture = *state;
	_cleanup_free_ char *library = string_format("%s/usr/lib/x/libx.so.1", fixture->out), *text = NULL;
	_cleanup_free_ char *program = string_format("%s/usr/bin/x", fixture->out);
	_cleanup_error_ struct error *err = NULL;
	struct stat st;

	add_file(fixture, "usr/lib/x/libx.so.1", 0644, "library");
	/* Whoever unpacks must be able to remove it again: a setuid bit, and a missing right to write, stay
	 * behind. */
	add_file(fixture, "usr/bin/x", 04555, "");
	assert_ok(tree_write_folder(fixture->tree, fixture->out, &err), err);
	assert_int_equal(file_read(library, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "library");
	assert_int_equal(stat(library, &st), 0);
	assert_int_equal(st.st_mode & 07111, 0);
	assert_int_equal(stat(program, &st), 0);
	assert_int_equal(st.st_mode & 07700, 0700);
	assert_int_equal(st.st_size, 0);
}

static void a_link_leads_where_it_led_in_the_tree(void **state)
{
	const struct fixture *fixture = *state;
	_cleanup_free_ char *through = string_format("%s/usr/lib/x/libx.so", fixture->out), *text = NULL;
	_cleanup_error_ struct error *err = NULL;

	add_file(fixture, "usr/lib/x/libx.so.1", 0644, "library");
	add_link(fixture, "usr/lib/x/libx.so", "/lib/x/libx.so.1");
	add_link(fixture, "lib", "usr/lib");
	add_link(fixture, "root", "/");
	add_link(fixture, "usr/up", "../lib");
	assert_ok(tree_write_folder(fixture->tree, fixture->out, &err), err);
	assert_link(fixture, "usr/lib/x/libx.so", "../../../lib/x/libx.so.1");
	assert_link(fixture, "lib", "usr/lib");
	assert_link(fixture, "root", ".");
	assert_link(fixture, "usr/up", "../lib");
	assert_int_equal(file_read(through, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "library");
}

static void nothing_is_written_over(void **state)
{
	const struct fixture *fixture = *state;
	_cleanup_free_ char *there = string_format("%s/file", fixture->out), *text = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_int_equal(mkdir_parents(fixture->out, NULL), 0);
	assert_int_equal(file_write_atomic(there, "old", 3, 0644, NULL), 0);
	add_file(fixture, "file", 0644, "new");
	assert_error(tree_write_folder(fixture->tree, fixture->out, &err), -EEXIST, err, "cannot write");
	assert_int_equal(file_read(there, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "old");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_and_folders_are_written, setup, teardown),
		cmocka_unit_test_setup_teardown(a_link_leads_where_it_led_in_the_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_written_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
