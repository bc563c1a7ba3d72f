/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "build/stage.h"

/* Stands in for libc's: the rename number *rename_trap* does not happen, and fails or kills the process. */
static unsigned rename_trap;
static bool rename_kills;

int rename(const char *from, const char *to)
{
	if (rename_trap > 0 && --rename_trap == 0) {
		if (rename_kills)
			(void)raise(SIGKILL);
		errno = EIO;
		return -1;
	}
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static int setup(void **state)
{
	*state = strdup("/tmp/test-stage.XXXXXX");
	assert_non_null(mkdtemp(*state));
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(remove_tree(*state, NULL), 0);
	free(*state);
	return 0;
}

static void put(const struct stage *stage, const char *name, const char *text)
{
	_cleanup_free_ char *path = stage_path(stage, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644, NULL), 0);
}

static void assert_content(const char *folder, const char *name, const char *expected)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name), *text = NULL;

	assert_int_equal(file_read(path, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, expected);
}

/* The number of names in a folder, hidden ones too. */
static unsigned count_names(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void shows_everything_at_the_end_and_replaces_what_was_there(void **state)
{
	const char *folder = *state;
	static const char *const names[] = {"disk", "manifest", NULL};
	_cleanup_error_ struct error *err = NULL;

	for (unsigned round = 0; round < 2; round++) {
		_cleanup_stage_ struct stage *stage = NULL;

		assert_ok(stage_open(folder, &stage, &err), err);
		put(stage, "disk", round ? "new" : "old");
		put(stage, "manifest", "m");
		put(stage, "scratch", "s");
		if (round == 0)
			assert_int_equal(count_names(folder), 1);
		assert_ok(stage_commit(stage, names, &err), err);
	}
	assert_content(folder, "disk", "new");
	assert_int_equal(count_names(folder), 2);
}

static void shows_nothing_where_an_output_is_missing(void **state)
{
	const char *folder = *state;
	static const char *const names[] = {"disk", "manifest", NULL};
	_cleanup_stage_ struct stage *stage = NULL;
	struct error *err = NULL;

	assert_ok(stage_open(folder, &stage, &err), err);
	put(stage, "disk", "x");
	assert_error(stage_commit(stage, names, &err), -ENOENT, err, "manifest");
	stage = stage_close(stage);
	assert_int_equal(count_names(folder), 0);
}

static void clears_up_after_a_build_that_was_killed_but_not_after_one_that_lives(void **state)
{
	const char *folder = *state;
	_cleanup_stage_ struct stage *stage = NULL, *second = NULL;
	_cleanup_error_ struct error *err = NULL;
	int status, ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct stage *killed = NULL;

		if (stage_open(folder, &killed, NULL) < 0)
			_exit(1);
		put(killed, "disk", "half");
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_ok(stage_open(folder, &stage, &err), err);
	assert_int_equal(count_names(folder), 2);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_ok(stage_open(folder, &second, &err), err);
	assert_int_equal(count_names(folder), 2);
	close(ready[0]);
	close(ready[1]);
}

static const char *const outputs[] = {"usr", "disk", "manifest", NULL};

/*
 * Builds "usr", "disk" and "manifest" with the same text in each; the rename number *trap* while they are
 * shown is one. Returns what stage_commit() does.
 */
static int build(const char *folder, const char *text, unsigned trap, struct error **err)
{
	_cleanup_stage_ struct stage *stage = NULL;
	int r = stage_open(folder, &stage, err);

	for (size_t i = 0; r >= 0 && outputs[i]; i++)
		put(stage, outputs[i], text);
	if (r < 0)
		return r;
	rename_trap = trap;
	return stage_commit(stage, outputs, err);
}

static bool has(const char *folder, const char *name)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);

	return access(path, F_OK) == 0;
}

/* All outputs are there with this text, or none is where it is NULL; and nothing else. */
static void assert_outputs(const char *folder, const char *text)
{
	for (size_t i = 0; text && outputs[i]; i++)
		assert_content(folder, outputs[i], text);
	assert_int_equal(count_names(folder), text ? 3 : 0);
}

static void whichever_rename_fails_the_older_outputs_are_all_there(void **state)
{
	const char *folder = *state;
	_cleanup_error_ struct error *err = NULL;
	unsigned fails = 0;

	for (unsigned round = 0; round < 2; round++) {
		const char *before = round ? "old" : NULL;

		if (before)
			assert_ok(build(folder, before, 0, &err), err);
		for (unsigned number = 1;; number++) {
			int r;

			r = build(folder, "new", number, &err);
			if (r >= 0)
				break;
			assert_error(r, -EIO, err, folder);
			assert_outputs(folder, before);
			fails++;
		}
		assert_true(rename_trap > 0);
		rename_trap = 0;
		assert_outputs(folder, "new");
		for (size_t i = 0; outputs[i]; i++) {
			_cleanup_free_ char *path = string_format("%s/%s", folder, outputs[i]);

			assert_int_equal(unlink(path), 0);
		}
	}
	/* Three outputs are moved in, three older ones out, and once each the list of their names is made. */
	assert_int_equal(fails, 4 + 7);
}

/* A build of "new" that is killed at the rename *number*. Returns false where it has fewer. */
static bool killed_at(const char *folder, unsigned number)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		rename_kills = true;
		_exit(build(folder, "new", number, NULL) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static void whenever_it_is_killed_what_has_a_manifest_is_whole_and_the_next_build_clears_up(void **state)
{
	const char *folder = *state;
	_cleanup_error_ struct error *err = NULL;

	for (unsigned round = 0; round < 2; round++) {
		const char *before = round ? "old" : NULL;

		for (unsigned number = 1;; number++) {
			_cleanup_stage_ struct stage *next = NULL;

			if (before)
				assert_ok(build(folder, before, 0, &err), err);
			if (!killed_at(folder, number))
				break;
			for (size_t i = 0; has(folder, "manifest") && outputs[i]; i++)
				assert_content(folder, outputs[i], before);
			assert_ok(stage_open(folder, &next, &err), err);
			next = stage_close(next);
			assert_outputs(folder, before);
		}
		assert_outputs(folder, "new");
	}
}

/* Clearing up after a killed build can be killed as well, at any point, any number of times. */
static void clearing_up_can_be_killed_too(void **state)
{
	const char *folder = *state;
	_cleanup_error_ struct error *err = NULL;
	struct stage *next = NULL;

	for (unsigned first = 1; first <= 7; first++) {
		assert_ok(build(folder, "old", 0, &err), err);
		assert_true(killed_at(folder, first));
		for (unsigned number = 1; number < 10; number++) {
			pid_t pid = fork();

			if (pid == 0) {
				rename_trap = number;
				rename_kills = true;
				_exit(stage_open(folder, &next, NULL) < 0);
			}
			assert_int_equal(waitpid(pid, NULL, 0), pid);
		}
		assert_ok(stage_open(folder, &next, &err), err);
		next = stage_close(next);
		assert_outputs(folder, "old");
	}
}

static void a_finished_set_that_came_after_a_killed_build_is_left_alone(void **state)
{
	const char *folder = *state;
	_cleanup_stage_ struct stage *waiting = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(build(folder, "old", 0, &err), err);
	assert_ok(stage_open(folder, &waiting, &err), err);
	assert_true(killed_at(folder, 6));
	for (size_t i = 0; outputs[i]; i++)
		put(waiting, outputs[i], "other");
	assert_ok(stage_commit(waiting, outputs, &err), err);
	waiting = stage_close(waiting);
	assert_outputs(folder, "other");
}

static void a_folder_in_an_outputs_place_is_not_removed(void **state)
{
	const char *folder = *state;
	_cleanup_free_ char *path = string_format("%s/disk", folder);
	struct error *err = NULL;

	assert_int_equal(mkdir(path, 0755), 0);
	assert_error(build(folder, "x", 0, &err), -EISDIR, err, path);
	assert_int_equal(count_names(folder), 1);
}

static void a_stage_whose_list_leads_elsewhere_is_not_followed(void **state)
{
	const char *folder = *state;
	_cleanup_free_ char *output = string_format("%s/out", folder);
	_cleanup_free_ char *planted = string_format("%s/.orlop-build-planted", output);
	_cleanup_free_ char *list = string_format("%s/.shown", planted);
	_cleanup_free_ char *file = string_format("%s/file", folder);
	_cleanup_stage_ struct stage *stage = NULL;
	_cleanup_error_ struct error *err = NULL;

	assert_ok(mkdir_parents(planted, &err), err);
	assert_ok(file_write_atomic(list, "../file\nmanifest\n", 17, 0644, &err), err);
	assert_ok(file_write_atomic(file, "x", 1, 0644, &err), err);
	assert_ok(stage_open(output, &stage, &err), err);
	assert_content(folder, "file", "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			shows_everything_at_the_end_and_replaces_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(shows_nothing_where_an_output_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			clears_up_after_a_build_that_was_killed_but_not_after_one_that_lives, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			whichever_rename_fails_the_older_outputs_are_all_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			whenever_it_is_killed_what_has_a_manifest_is_whole_and_the_next_build_clears_up,
			setup, teardown),
		cmocka_unit_test_setup_teardown(clearing_up_can_be_killed_too, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_finished_set_that_came_after_a_killed_build_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_in_an_outputs_place_is_not_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_stage_whose_list_leads_elsewhere_is_not_followed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
