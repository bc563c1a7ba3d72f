/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/draft.h"

static int recovered, recover_result;

static int count_recovery(const char *parent, const char *path)
{
	assert_true(startswith(path, parent) && strstr(path, "/.test-"));
	recovered++;
	return recover_result;
}

static const struct draft_kind kind = {".test-", count_recovery}, plain = {".test-", NULL};

static unsigned count_drafts(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += startswith(entry->d_name, ".test-") != NULL;
	(void)closedir(dir);
	return n;
}

/* Opens a draft with a file in it in a process that is killed then. */
static void leave_draft(const char *folder)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct draft draft;
		_cleanup_free_ char *path = NULL;

		if (draft_open(&draft, folder, &plain, NULL) >= 0 &&
			(path = string_format("%s/file", draft.path)) &&
			file_write_atomic(path, "x", 1, 0600, NULL) >= 0)
			(void)raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_draft_is_private_and_goes_with_its_content(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *path = NULL;
	struct draft draft;
	struct stat st;

	(void)state;
	assert_ok(draft_open(&draft, folder, &plain, &err), err);
	assert_int_equal(stat(draft.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	path = string_format("%s/file", draft.path);
	assert_ok(file_write_atomic(path, "x", 1, 0600, &err), err);
	draft_close(&draft);
	assert_int_equal(count_drafts(folder), 0);
	draft_close(&draft);
}

static void a_killed_process_s_draft_is_cleared_away_and_one_in_use_is_not(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_draft_ struct draft living = DRAFT_INIT, next = DRAFT_INIT;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	recovered = recover_result = 0;
	assert_ok(draft_open(&living, folder, &kind, &err), err);
	leave_draft(folder);
	assert_int_equal(count_drafts(folder), 2);
	assert_ok(draft_open(&next, folder, &kind, &err), err);
	assert_int_equal(count_drafts(folder), 2);
	assert_int_equal(access(living.path, F_OK), 0);
	assert_int_equal(recovered, 1);
}

static void a_draft_that_cannot_be_recovered_waits_for_the_next(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	recovered = 0;
	leave_draft(folder);
	for (unsigned round = 0; round < 3; round++) {
		_cleanup_close_ int lock = -1;

		recover_result = round < 2 ? -EIO : 0;
		lock = draft_lock(folder, &kind, &err);
		assert_ok(lock, err);
		assert_int_equal(count_drafts(folder), round < 2 ? 1 : 0);
	}
	assert_int_equal(recovered, 3);
}

static void links_and_files_of_such_a_name_are_left_alone(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_close_ int lock = -1;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	shell(folder, "mkdir elsewhere; touch elsewhere/keep .test-file; ln -s elsewhere .test-link");
	lock = draft_lock(folder, &plain, &err);
	assert_ok(lock, err);
	shell(folder, "test -e elsewhere/keep; test -e .test-file; test -L .test-link");
}

static void the_parent_is_locked_by_one_at_a_time(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_close_ int other = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_draft_ struct draft draft = DRAFT_INIT;
	int lock;

	(void)state;
	lock = draft_lock(folder, &plain, &err);
	assert_ok(lock, err);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	(void)close(lock);
	/* Nor does a draft hold on to it. */
	assert_ok(draft_open(&draft, folder, &plain, &err), err);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_error(draft_lock("/nonexistent", &plain, &err), -ENOENT, err, "/nonexistent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_draft_is_private_and_goes_with_its_content),
		cmocka_unit_test(a_killed_process_s_draft_is_cleared_away_and_one_in_use_is_not),
		cmocka_unit_test(a_draft_that_cannot_be_recovered_waits_for_the_next),
		cmocka_unit_test(links_and_files_of_such_a_name_are_left_alone),
		cmocka_unit_test(the_parent_is_locked_by_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
