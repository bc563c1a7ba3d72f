/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>

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

static void open_file(struct fixture *f, struct kernel_file *ret)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(kernel_file_open(&f->node, ret, &err), err);
}

static bool is(const struct kernel_file *file, const char *text)
{
	uint8_t digest[SHA256_SIZE];

	assert_int_equal(sha256_bytes(text, strlen(text), digest), 0);
	return kernel_file_is(file, strlen(text), digest);
}

static void put(struct fixture *f, const char *text)
{
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	open_file(f, &file);
	assert_ok(kernel_file_begin(&file, &err), err);
	for (const char *c = text; *c; c++)
		assert_ok(kernel_file_add((const uint8_t *)c, 1, &file, &err), err);
	assert_ok(kernel_file_end(&file, &err), err);
	assert_true(is(&file, text));
}

static void what_was_put_there_is_there_for_the_next_one(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;

	put(f, "a longer kernel image");
	put(f, "a kernel image");
	shell(f->folder, "[ $(stat -c %a var/lib/orlop/update/kernel) = 600 ]");
	open_file(f, &file);
	assert_true(is(&file, "a kernel image"));
	assert_false(is(&file, "a kernel imagE"));
	assert_false(is(&file, "a kernel"));
	assert_false(is(&file, "a kernel image and more"));
	kernel_file_remove(&file);
	shell(f->folder, "[ ! -e var/lib/orlop/update/kernel ]");
}

/* A try that ends before anything came has spoiled nothing. */
static void what_is_not_overwritten_stays(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	put(f, "a kernel image");
	open_file(f, &file);
	assert_ok(kernel_file_begin(&file, &err), err);
	assert_true(is(&file, "a kernel image"));
	assert_ok(kernel_file_add((const uint8_t *)"THE", 3, &file, &err), err);
	assert_true(is(&file, "THEernel image"));
	assert_ok(kernel_file_end(&file, &err), err);
	assert_true(is(&file, "THE"));
}

/* What is on a disk that fails is as good as nothing, and nobody dies of it. */
static void what_cannot_be_read_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct kernel_file file = {.fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
	uint8_t digest[SHA256_SIZE] = {};

	(void)f;
	assert_true(file.fd >= 0);
	file.path = strdup("broken");
	assert_false(kernel_file_is(&file, 4096, digest));
	kernel_file_release(&file);
}

static void another_size_keeps_what_is_there(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;

	put(f, "a kernel image");
	open_file(f, &file);
	assert_ok(kernel_file_resize(&file, 8192, &err), err);
	shell(f->folder, "[ $(stat -c %s var/lib/orlop/update/kernel) = 8192 ] && [ $(stat -c %b "
			 "var/lib/orlop/update/kernel) -ge 16 ]");
	assert_ok(kernel_file_resize(&file, 8, &err), err);
	assert_true(is(&file, "a kernel"));
}

static void no_room_is_said_with_what_to_do(void **state)
{
	struct fixture *f = *state;
	_cleanup_kernel_file_ struct kernel_file file = KERNEL_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;
	struct kernel_file full = {.fd = open("/dev/full", O_RDWR | O_CLOEXEC), .path = (char *)"full"};

	open_file(f, &file);
	assert_error(kernel_file_add((const uint8_t *)"x", 1, &full, &err), -ENOSPC, err,
		"free some space on /var");
	(void)close(full.fd);
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
		TEST(what_is_not_overwritten_stays),
		TEST(what_cannot_be_read_is_not_there),
		TEST(another_size_keeps_what_is_there),
		TEST(no_room_is_said_with_what_to_do),
		TEST(a_link_is_not_followed_and_a_folder_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
