/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "update/check-program.h"

#define AMPLE_MS 60000 /* more than any of these takes on a loaded machine */

static char *environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"ORLOP_SLOT=b", NULL};

static int run(const char *script, uint64_t limit_ms, size_t output_max, struct check_program_result *ret)
{
	const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
	const struct check_program program = {.arguments = arguments,
		.environment = environment,
		.limit_ms = limit_ms,
		.output_max = output_max};

	return check_program_run(&program, ret);
}

static void assert_output(struct check_program_result *result, const char *expected)
{
	buffer_append_u8(&result->output, 0);
	assert_string_equal((char *)result->output.data, expected);
}

static void no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void status_and_output_come_back(void **state)
{
	static const struct {
		const char *script;
		int status;
		const char *output;
	} cases[] = {
		{"echo out; echo message >&2; exit 3", 3, "out\nmessage\n"},
		{":", 0, ""},
		{"kill -SEGV $$", 128 + SIGSEGV, ""},
		{"echo before; kill -KILL $$", 128 + SIGKILL, "before\n"},
		{"exec >&- 2>&-; exit 7", 7, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_check_program_result_ struct check_program_result result = {};

		assert_int_equal(run(cases[i].script, AMPLE_MS, 1000, &result), 0);
		assert_false(result.timed_out);
		assert_int_equal(result.status, cases[i].status);
		assert_output(&result, cases[i].output);
	}
	no_child_is_left();
}

static void a_program_sees_what_it_was_given_and_nothing_else(void **state)
{
	_cleanup_check_program_result_ struct check_program_result result = {};

	(void)state;
	/* A shell adds some of its own. */
	assert_int_equal(run("env | grep -v -e ^PWD= -e ^OLDPWD= -e ^SHLVL= -e ^_= | sort; pwd; cat",
				 AMPLE_MS, 1000, &result),
		0);
	assert_output(&result, "ORLOP_SLOT=b\nPATH=/usr/bin:/bin\n/\n");
}

static void a_flood_is_cut_and_the_program_still_ends(void **state)
{
	_cleanup_check_program_result_ struct check_program_result result = {};

	(void)state;
	assert_int_equal(run("head -c 3000000 /dev/zero | tr '\\0' x; exit 4", AMPLE_MS, 1000, &result), 0);
	assert_false(result.timed_out);
	assert_int_equal(result.status, 4);
	assert_int_equal(result.output.size, 1000);
}

static void an_endless_flood_ends_at_the_limit(void **state)
{
	_cleanup_check_program_result_ struct check_program_result result = {};

	(void)state;
	assert_int_equal(run("yes", 300, 1000, &result), 0);
	assert_true(result.timed_out);
	assert_int_equal(result.output.size, 1000);
	no_child_is_left();
}

/* Whether a process is gone, or about to be: nobody may have taken its status yet. */
static bool process_ends(pid_t pid)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (unsigned i = 0; i < 3000; i++) {
		_cleanup_free_ char *path = string_format("/proc/%d/stat", pid), *text = NULL;
		const char *name_end;

		if (file_read(path, 4096, &text, NULL, NULL) < 0)
			return true;
		name_end = strrchr(text, ')');
		if (name_end && (name_end[2] == 'Z' || name_end[2] == 'X'))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

static pid_t printed_pid(struct check_program_result *result)
{
	buffer_append_u8(&result->output, 0);
	return (pid_t)strtol((char *)result->output.data, NULL, 10);
}

static void what_hangs_is_killed_with_all_that_it_began(void **state)
{
	_cleanup_check_program_result_ struct check_program_result result = {};
	pid_t pid;

	(void)state;
	assert_int_equal(run("trap '' TERM INT HUP; sleep 1000 & echo $!; wait", 2000, 1000, &result), 0);
	assert_true(result.timed_out);
	pid = printed_pid(&result);
	assert_true(pid > 1);
	assert_true(process_ends(pid));
	no_child_is_left();
}

/* A process in the background has the pipe open for longer than its parent lives. */
static void what_is_left_behind_neither_holds_up_nor_stays(void **state)
{
	_cleanup_check_program_result_ struct check_program_result result = {};
	pid_t pid;

	(void)state;
	assert_int_equal(run("sleep 1000 & echo $!", AMPLE_MS, 1000, &result), 0);
	assert_false(result.timed_out);
	assert_int_equal(result.status, 0);
	pid = printed_pid(&result);
	assert_true(pid > 1);
	assert_true(process_ends(pid));
}

/* It left the group, so that it can't be found: the caller is not held up all the same. */
static void a_process_that_left_the_group_does_not_hold_up(void **state)
{
	_cleanup_check_program_result_ struct check_program_result result = {};
	pid_t pid;

	(void)state;
	if (!have_program("setsid"))
		skip();
	assert_int_equal(run("setsid sh -c 'echo $$; exec sleep 1000' & read -r x </dev/null; sleep 0.2",
				 AMPLE_MS, 1000, &result),
		0);
	assert_false(result.timed_out);
	pid = printed_pid(&result);
	if (pid > 1)
		(void)kill(pid, SIGKILL);
}

static void what_can_not_be_run_is_an_error(void **state)
{
	static const struct {
		const char *make;
		int code;
	} cases[] = {
		{"true", -ENOENT},
		{"echo 'true' >program", -EACCES},
		{"mkdir program", -EACCES},
		{"ln -s nowhere program", -ENOENT},
		{"ln -s program program", -ELOOP},
		{"echo 'true' >program; chmod 755 program", -ENOEXEC}, /* no "#!" */
		{"printf '#!/nowhere/sh\\n' >program; chmod 755 program", -ENOENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_scratch_ char *folder = scratch_new();
		_cleanup_free_ char *path = string_format("%s/program", folder);
		const char *const arguments[] = {path, NULL};
		const struct check_program program = {
			.arguments = arguments, .environment = environment, .limit_ms = AMPLE_MS};
		struct check_program_result result = {};

		shell(folder, cases[i].make);
		assert_int_equal(check_program_run(&program, &result), cases[i].code);
	}
	no_child_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_and_output_come_back),
		cmocka_unit_test(a_program_sees_what_it_was_given_and_nothing_else),
		cmocka_unit_test(a_flood_is_cut_and_the_program_still_ends),
		cmocka_unit_test(an_endless_flood_ends_at_the_limit),
		cmocka_unit_test(what_hangs_is_killed_with_all_that_it_began),
		cmocka_unit_test(what_is_left_behind_neither_holds_up_nor_stays),
		cmocka_unit_test(a_process_that_left_the_group_does_not_hold_up),
		cmocka_unit_test(what_can_not_be_run_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
