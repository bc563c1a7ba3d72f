/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char *in(const char *folder, const char *name)
{
	char *path = string_format("%s/%s", folder, name);

	assert_non_null(path);
	return path;
}

static void assert_listing(const char *folder, const char *expected)
{
	_cleanup_process_result_ struct process_result result = {};
	const char *const list[] = {"ls", "-A", folder, NULL};

	assert_int_equal(process_run(list, NULL, 0, MiB(1), &result, NULL), 0);
	buffer_append_u8(&result.output, 0);
	assert_string_equal((char *)result.output.data, expected);
}

static void whole_files_are_read_up_to_a_limit(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "file"), *data = NULL, *proc = NULL;
	_cleanup_error_ struct error *err = NULL;
	char *none = NULL;
	size_t size;

	(void)state;
	shell(folder, "printf 12345 > file");
	assert_ok(file_read(path, 5, &data, &size, &err), err);
	assert_int_equal(size, 5);
	assert_string_equal(data, "12345");
	assert_error(file_read(path, 4, &none, &size, &err), -EFBIG, err, "file: larger than the 4 bytes");
	assert_error(file_read(path, 0, &none, &size, &err), -EFBIG, err, "larger than the 0 bytes");
	assert_error(file_read(folder, 9, &none, NULL, &err), -EISDIR, err, folder);
	assert_error(file_read("/nowhere/x", 9, &none, NULL, &err), -ENOENT, err, "/nowhere/x");
	assert_null(none);
	/* says that it has no bytes */
	assert_ok(file_read("/proc/self/maps", SIZE_MAX, &proc, &size, &err), err);
	assert_true(size > 500 && strlen(proc) == size);
}

static void exact_reads_and_writes_take_all_or_fail(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "file");
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char data[8] = {};

	(void)state;
	assert_int_equal(write_full(fd, "abcdef", 6), 0);
	assert_int_equal(pwrite_full(fd, "XY", 2, 2), 0);
	assert_int_equal(pread_full(fd, data, 6, 0), 0);
	assert_string_equal(data, "abXYef");
	assert_int_equal(pread_full(fd, data, 3, 4), -ENODATA);
	assert_int_equal(pread_full(fd, data, 0, 99), 0);
	assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
	assert_int_equal(read_full(fd, data, 2), 0);
	assert_memory_equal(data, "ef", 2);
	assert_int_equal(read_full(fd, data, 1), -ENODATA);
	assert_int_equal(read_full(-1, data, 1), -EBADF);
	assert_int_equal(write_full(-1, data, 1), -EBADF);
}

static void parents_are_made(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *deep = in(folder, "a//b/./c/"), *over_file = in(folder, "file/x");
	_cleanup_free_ char *file = in(folder, "file"), *link = in(folder, "link/y");
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, ": > file; mkdir real; ln -s real link");
	assert_ok(mkdir_parents(deep, &err), err);
	assert_ok(mkdir_parents(deep, &err), err);
	shell(folder, "test -d a/b/c");
	assert_error(mkdir_parents(over_file, &err), -ENOTDIR, err, "file/x");
	assert_error(mkdir_parents(file, &err), -ENOTDIR, err, "file");
	assert_ok(mkdir_parents(link, &err), err);
	shell(folder, "test -d real/y");
}

static void a_file_shows_itself_when_it_is_complete(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "file"), *text = NULL;
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	_cleanup_error_ struct error *err = NULL;
	struct stat st;

	(void)state;
	shell(folder, "echo old > file");
	assert_ok(atomic_file_open(&file, path, 0640, &err), err);
	assert_int_equal(write_full(file.fd, "new\n", 4), 0);
	shell(folder, "test \"$(cat file)\" = old");
	assert_ok(atomic_file_commit(&file, &err), err);
	text = scratch_read(folder, "file", NULL);
	assert_string_equal(text, "new\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_listing(folder, "file\n");
}

static void what_is_discarded_leaves_nothing(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "file");
	_cleanup_error_ struct error *err = NULL;
	struct atomic_file file = ATOMIC_FILE_INIT;

	(void)state;
	assert_ok(atomic_file_open(&file, path, 0644, &err), err);
	assert_int_equal(write_full(file.fd, "x", 1), 0);
	atomic_file_discard(&file);
	assert_int_equal(file.fd, -1);
	assert_listing(folder, "");
	/* also when it had its name in between */
	assert_ok(atomic_file_open(&file, path, 0644, &err), err);
	assert_ok(atomic_file_prepare(&file, &err), err);
	atomic_file_discard(&file);
	assert_listing(folder, "");
	atomic_file_discard(&file); /* twice does no harm */
}

static void a_commit_over_a_folder_fails_and_leaves_nothing(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "taken"), *nowhere = in(folder, "no/file");
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "mkdir taken; : > taken/x");
	assert_error(file_write_atomic(path, "x", 1, 0644, &err), -EISDIR, err, "taken");
	assert_error(file_write_atomic(nowhere, "x", 1, 0644, &err), -ENOENT, err, "no/file");
	assert_listing(folder, "taken\n");
}

/* A limit on files' sizes stands for the full disk: the write stops part of the way. */
static void a_full_disk_leaves_the_old_file(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "file"), *data = calloc(1, KiB(64)), *text = NULL;
	struct rlimit old, limit;
	struct error *err = NULL;
	int r;

	(void)state;
	shell(folder, "echo old > file");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){.rlim_cur = KiB(16), .rlim_max = old.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = file_write_atomic(path, data, KiB(64), 0644, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_error(r, -EFBIG, err, "file: File too large");
	text = scratch_read(folder, "file", NULL);
	assert_string_equal(text, "old\n");
	assert_listing(folder, "file\n");
}

static void a_killed_writer_leaves_the_old_file(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = in(folder, "file");
	int status;
	pid_t pid;

	(void)state;
	shell(folder, "echo old > file");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct atomic_file file = ATOMIC_FILE_INIT;

		if (atomic_file_open(&file, path, 0644, NULL) < 0 || write_full(file.fd, "half", 4) < 0)
			_exit(1);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	shell(folder, "test \"$(cat file)\" = old; test \"$(ls)\" = file"); /* a hidden rest may be there */
}

static void removing_a_tree_does_not_follow_links(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *tree = in(folder, "tree"), *link = in(folder, "link"),
			    *slash = in(folder, "link/");
	_cleanup_free_ char *missing = in(folder, "missing"), *file = in(folder, "outside/kept");
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "mkdir -p tree/a/b/c outside; : > outside/kept; ln -s ../outside tree/out; ln -s "
		      "../../../outside tree/a/b/l\n"
		      "ln -s gone tree/dangling; : > tree/.hidden; : > tree/a/f; ln -s outside link");
	assert_ok(remove_tree(tree, &err), err);
	assert_listing(folder, "link\noutside\n");
	shell(folder, "test -e outside/kept");
	if (remove_tree(slash, &err) < 0)
		err = error_free(err);
	shell(folder, "test -e outside/kept");
	assert_ok(remove_tree(link, &err), err);
	assert_ok(remove_tree(missing, &err), err);
	assert_listing(folder, "outside\n");
	assert_ok(remove_tree(file, &err), err);
	shell(folder, "test ! -e outside/kept");
}

static void a_parent_is_flushed_whatever_the_path_looks_like(void **state)
{
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(fsync_parent("name", &err), err);
	assert_ok(fsync_parent("/name", &err), err);
	assert_error(fsync_parent("/nowhere/name", &err), -ENOENT, err, "/nowhere");
}

static void lists_a_folder(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ struct strv names = {}, all = {};
	_cleanup_free_ char *missing = string_format("%s/none", folder);

	(void)state;
	shell(folder, "touch b.json a.json .json .a.json c.txt json");
	assert_ok(folder_list(folder, ".json", &names, &err), err);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "a.json");
	assert_string_equal(names.items[1], "b.json");
	assert_ok(folder_list(folder, "", &all, &err), err);
	assert_int_equal(all.count, 4);
	assert_error(folder_list(missing, "", &all, &err), -ENOENT, err, "/none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_files_are_read_up_to_a_limit),
		cmocka_unit_test(exact_reads_and_writes_take_all_or_fail),
		cmocka_unit_test(parents_are_made),
		cmocka_unit_test(a_file_shows_itself_when_it_is_complete),
		cmocka_unit_test(what_is_discarded_leaves_nothing),
		cmocka_unit_test(a_commit_over_a_folder_fails_and_leaves_nothing),
		cmocka_unit_test(a_full_disk_leaves_the_old_file),
		cmocka_unit_test(a_killed_writer_leaves_the_old_file),
		cmocka_unit_test(removing_a_tree_does_not_follow_links),
		cmocka_unit_test(lists_a_folder),
		cmocka_unit_test(a_parent_is_flushed_whatever_the_path_looks_like),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
