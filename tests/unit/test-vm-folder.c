/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "vm/child.h"
#include "vm/folder.h"

static int make_runtime(void **state)
{
	char path[] = "/tmp/test-vm-folder.XXXXXX";

	*state = strdup(mkdtemp(path));
	return vm_runtime_prepare(*state, NULL);
}

static int remove_runtime(void **state)
{
	int r = remove_tree(*state, NULL);

	free(*state);
	return r;
}

/*
 * A process that makes a machine's folder and holds its lock, as a supervisor does, until it is killed. (A
 * lock that this process held would be no lock to itself only through the same descriptor: but a crash needs
 * a process.)
 */
static pid_t hold(const char *runtime, const char *name)
{
	int pair[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct vm_folder folder = VM_FOLDER_INIT;

		if (vm_folder_create(runtime, name, &folder, NULL) < 0 ||
			vm_folder_set_supervisor(&folder, getpid(), NULL) < 0)
			_exit(1);
		(void)write_full(pair[1], "x", 1);
		for (;;)
			(void)pause();
	}
	(void)close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	(void)close(pair[0]);
	return pid;
}

static void crash(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)child_wait(pid);
}

static void a_machine_is_there_as_long_as_its_lock_is_held(void **state)
{
	_cleanup_vm_folder_ struct vm_folder folder = VM_FOLDER_INIT, second = VM_FOLDER_INIT;
	_cleanup_strv_ struct strv names = {}, later = {};
	_cleanup_close_ int supervisor = -1;
	struct error *err = NULL;
	pid_t one, two;

	assert_error(vm_folder_open(*state, "one", &folder, &err), -ENOENT, err, "no machine one runs");
	two = hold(*state, "two");
	one = hold(*state, "one");
	assert_ok(vm_folder_list(*state, &names, &err), err);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "one");
	assert_string_equal(names.items[1], "two");
	assert_error(vm_folder_create(*state, "one", &second, &err), -EEXIST, err, "runs already");
	assert_ok(vm_folder_open(*state, "one", &folder, &err), err);
	assert_ok(supervisor = vm_folder_supervisor(&folder, &err), err);

	crash(one);
	assert_error(vm_folder_supervisor(&folder, &err), -ENOENT, err, "has ended");
	assert_ok(vm_folder_list(*state, &later, &err), err);
	assert_int_equal(later.count, 1);
	assert_string_equal(later.items[0], "two");
	assert_int_equal(access(folder.path, F_OK), -1);
	assert_ok(vm_folder_create(*state, "one", &second, &err), err);
	crash(two);
}

static void what_a_crash_left_is_removed_by_who_meets_it(void **state)
{
	_cleanup_vm_folder_ struct vm_folder folder = VM_FOLDER_INIT, made = VM_FOLDER_INIT;
	_cleanup_free_ char *file = NULL, *half = NULL;
	struct error *err = NULL;

	crash(hold(*state, "one"));
	half = string_format("%s/vm/half", (char *)*state); /* killed between mkdir() and the lock */
	assert_int_equal(mkdir(half, 0700), 0);
	assert_error(vm_folder_open(*state, "half", &folder, &err), -ENOENT, err, "no machine");
	assert_int_equal(access(half, F_OK), -1);

	file = string_format("%s/vm/one/left", (char *)*state);
	assert_ok(file_write_atomic(file, "", 0, 0600, &err), err);
	assert_ok(vm_folder_create(*state, "one", &made, &err), err);
	assert_int_equal(access(file, F_OK), -1);
	assert_ok(vm_folder_remove(&made, &err), err);
	assert_int_equal(access(made.path, F_OK), -1);
}

static void a_folder_that_others_can_write_to_is_refused(void **state)
{
	struct error *err = NULL;

	assert_int_equal(chmod(*state, 0777), 0);
	assert_error(vm_runtime_prepare(*state, &err), -EPERM, err, "not a folder of ours");
	assert_int_equal(chmod(*state, 0700), 0);
	assert_ok(vm_runtime_prepare(*state, &err), err);
}

static void a_link_is_no_runtime_folder(void **state)
{
	_cleanup_free_ char *link = string_format("%s/link", (char *)*state);
	struct error *err = NULL;

	assert_int_equal(symlink(*state, link), 0);
	assert_error(vm_runtime_prepare(link, &err), -EPERM, err, "not a folder of ours");
}

static void a_path_that_is_too_long_for_sockets_is_refused(void **state)
{
	_cleanup_vm_folder_ struct vm_folder folder = VM_FOLDER_INIT;
	_cleanup_free_ char *deep = string_format("%s/%080d", (char *)*state, 0);
	struct error *err = NULL;

	assert_ok(vm_runtime_prepare(deep, &err), err);
	assert_error(vm_folder_create(deep, "name", &folder, &err), -ENAMETOOLONG, err, "XDG_RUNTIME_DIR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_machine_is_there_as_long_as_its_lock_is_held, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(
			what_a_crash_left_is_removed_by_who_meets_it, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(
			a_folder_that_others_can_write_to_is_refused, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(a_link_is_no_runtime_folder, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(
			a_path_that_is_too_long_for_sockets_is_refused, make_runtime, remove_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
