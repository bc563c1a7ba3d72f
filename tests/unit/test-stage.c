/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "build/stage.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			shows_everything_at_the_end_and_replaces_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(shows_nothing_where_an_output_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			clears_up_after_a_build_that_was_killed_but_not_after_one_that_lives, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
