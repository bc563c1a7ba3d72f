/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/process.h"
#include "base/string-util.h"

#define SH(script) ((const char *const[]){"sh", "-c", (script), NULL})

static void run(const char *script, const char *input, struct process_result *ret)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(process_run(SH(script), input, input ? strlen(input) : 0, 1 << 20, ret, &err), err);
	buffer_append_u8(&ret->output, 0);
	buffer_append_u8(&ret->message, 0);
}

static void takes_in_both_outputs_and_the_status(void **state)
{
	_cleanup_process_result_ struct process_result result = {};

	(void)state;
	run("echo out; echo message >&2; exit 3", NULL, &result);
	assert_int_equal(result.status, 3);
	assert_string_equal((char *)result.output.data, "out\n");
	assert_string_equal((char *)result.message.data, "message\n");
}

static void a_signal_is_a_status_over_128(void **state)
{
	_cleanup_process_result_ struct process_result result = {};

	(void)state;
	run("kill -TERM $$", NULL, &result);
	assert_int_equal(result.status, 128 + SIGTERM);
}

static void input_reaches_the_program_whole(void **state)
{
	_cleanup_process_result_ struct process_result result = {}, none = {};
	_cleanup_free_ char *input = malloc(700001);

	(void)state;
	assert_non_null(input);
	memset(input, 'i', 700000);
	input[700000] = 0;
	run("cat", input, &result);
	assert_int_equal(result.output.size, 700001);
	assert_string_equal((char *)result.output.data, input);
	run("cat", NULL, &none);
	assert_string_equal((char *)none.output.data, "");
}

static void a_program_need_not_read_its_input(void **state)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_free_ char *input = calloc(1, 4 << 20);
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(process_run(SH("exec <&-; exit 5"), input, 4 << 20, 100, &result, &err), err);
	assert_int_equal(result.status, 5);
}

static void too_much_output_is_an_error_and_ends_the_program(void **state)
{
	struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_error(process_run(SH("yes"), NULL, 0, 1000, &result, &err), -EFBIG, err, "sh");
	assert_error(process_run(SH("yes >&2"), NULL, 0, 1000, &result, &err), -EFBIG, err, "sh");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	assert_int_equal(errno, ECHILD);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;
	const char *const arguments[] = {"/nowhere/program", NULL};

	(void)state;
	assert_error(process_run(arguments, NULL, 0, 100, &result, &err), -ENOENT, err, "/nowhere/program");
}

static void a_program_sees_files_marked_inheritable_alone(void **state)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_close_ int ours = open("/dev/null", O_RDONLY | O_CLOEXEC),
			    theirs = fcntl(ours, F_DUPFD, 200);
	_cleanup_free_ char *script = NULL;

	(void)state;
	assert_true(ours >= 0 && theirs >= 0);
	script = string_format("test ! -e /proc/self/fd/%d && test -e /proc/self/fd/%d", ours, theirs);
	assert_non_null(script);
	run(script, NULL, &result);
	assert_int_equal(result.status, 0);
}

/* A service may begin with none of the three open, so that the pipes themselves get the numbers 0 to 2. */
static void works_without_standard_files_of_our_own(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct process_result result = {};
		const char *script = "cat; echo message >&2";
		int r;

		for (int fd = 0; fd < 3; fd++)
			(void)close(fd);
		r = process_run(SH(script), "in", 2, 1000, &result, NULL);
		if (r < 0 || result.status != 0)
			_exit(1);
		_exit(result.output.size == 2 && memcmp(result.output.data, "in", 2) == 0 &&
					result.message.size == 8
				? 0
				: 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_in_both_outputs_and_the_status),
		cmocka_unit_test(a_signal_is_a_status_over_128),
		cmocka_unit_test(input_reaches_the_program_whole),
		cmocka_unit_test(a_program_need_not_read_its_input),
		cmocka_unit_test(too_much_output_is_an_error_and_ends_the_program),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
		cmocka_unit_test(a_program_sees_files_marked_inheritable_alone),
		cmocka_unit_test(works_without_standard_files_of_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
