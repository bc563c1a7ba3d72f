/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "update/kernel-file.h"

struct fixture {
	char *folder;
	struct node node;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = f->node.root = scratch_new();
	shell(f->folder, "mkdir -p var/lib/orlop/update");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	scratch_remove(&f->folder);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *text)
{
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(kernel_file_open(&f->node, &file, &err), err);
	assert_ok(kernel_file_begin(&file, &err), err);
	assert_null(file.data);
	for (const char *c = text; *c; c++)
		assert_ok(kernel_file_add((const uint8_t *)c, 1, &file, &err), err);
	assert_ok(kernel_file_end(&file, &err), err);
	assert_int_equal(file.size, strlen(text));
	if (*text)
		assert_memory_equal(file.data, text, strlen(text));
}

static void what_was_put_there_is_there_for_the_next_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	put(f, "a longer kernel image");
	put(f, "a kernel image");
	shell(f->folder, "[ $(stat -c %a var/lib/orlop/update/kernel) = 600 ]");
	assert_ok(kernel_file_open(&f->node, &file, &err), err);
	assert_int_equal(file.size, 14);
	kernel_file_forget(&file);
	assert_memory_equal(file.data, "a kernel image", 14);
	kernel_file_remove(&file);
	assert_null(file.data);
	shell(f->folder, "[ ! -e var/lib/orlop/update/kernel ]");
}

static void an_empty_one_has_no_data(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(kernel_file_open(&f->node, &file, &err), err);
	assert_null(file.data);
	assert_int_equal(file.size, 0);
	kernel_file_forget(&file);
	kernel_file_release(&file);
	put(f, "");
}

static void a_link_is_not_followed_and_a_folder_is_named(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	shell(f->folder, "echo precious >other && ln -s ../../../../other var/lib/orlop/update/kernel");
	assert_error(kernel_file_open(&f->node, &file, &err), -ELOOP, err, "/var/lib/orlop/update/kernel");
	shell(f->folder, "[ \"$(cat other)\" = precious ] && rm -r var/lib");
	assert_error(kernel_file_open(&f->node, &file, &err), -ENOENT, err, "/var/lib/orlop/update/kernel");
	assert_int_equal(file.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		TEST(what_was_put_there_is_there_for_the_next_one),
		TEST(an_empty_one_has_no_data),
		TEST(a_link_is_not_followed_and_a_folder_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
