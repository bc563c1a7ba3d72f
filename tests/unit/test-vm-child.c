/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/file.h"
#include "vm/child.h"

static pid_t spawn(const char *const *arguments, int output, const int *keep, size_t count)
{
	const struct child_spec spec = {.arguments = arguments,
		.input = -1,
		.output = output,
		.message = -1,
		.keep = keep,
		.keep_count = count,
		.folder = "/usr"};
	_cleanup_error_ struct error *err = NULL;
	pid_t pid = 0;

	assert_ok(child_spawn(&spec, &pid, &err), err);
	return pid;
}

#define SHELL(line) ((const char *const[]){"sh", "-c", line, NULL})

static void a_program_gets_its_files_and_folder_and_nothing_else(void **state)
{
	_cleanup_close_ int output = memfd_create("output", MFD_CLOEXEC),
			    kept = memfd_create("kept", MFD_CLOEXEC);
	_cleanup_close_ int other = memfd_create("other", MFD_CLOEXEC);
	char line[256], said[256] = {};

	(void)state;
	(void)snprintf(line, sizeof(line),
		"pwd; read x || echo eof; echo kept >&%d; test -e /proc/self/fd/%d && echo leaked; exit 7",
		kept, other);
	assert_int_equal(child_wait(spawn(SHELL(line), output, &kept, 1)), 7);
	assert_true(pread(output, said, sizeof(said) - 1, 0) > 0);
	assert_string_equal(said, "/usr\neof\n");
	memset(said, 0, sizeof(said));
	assert_int_equal(pread(kept, said, sizeof(said) - 1, 0), 5);
}

static void a_program_that_is_missing_is_an_error(void **state)
{
	const struct child_spec spec = {.arguments = (const char *const[]){"no-such-program", NULL},
		.input = -1,
		.output = -1,
		.message = -1};
	struct error *err = NULL;
	pid_t pid = 0;

	(void)state;
	assert_error(child_spawn(&spec, &pid, &err), -ENOENT, err, "cannot run no-such-program");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to wait for */
	assert_int_equal(errno, ECHILD);
}

static void a_signal_counts_as_128_and_its_number(void **state)
{
	(void)state;
	assert_int_equal(child_wait(spawn(SHELL("kill -TERM $$"), -1, NULL, 0)), 128 + SIGTERM);
}

static void signals_that_we_hold_back_are_free_in_the_program(void **state)
{
	sigset_t block, before;

	(void)state;
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &block, &before), 0);
	(void)signal(SIGINT, SIG_IGN);
	assert_int_equal(child_wait(spawn(SHELL("kill -TERM $$; exit 3"), -1, NULL, 0)), 128 + SIGTERM);
	assert_int_equal(child_wait(spawn(SHELL("kill -INT $$; exit 3"), -1, NULL, 0)), 128 + SIGINT);
	(void)signal(SIGINT, SIG_DFL);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

/* The program holds the pipe's writing end: its end is seen as the end of the pipe. */
static void a_program_dies_with_who_started_it(void **state)
{
	int pair[2];
	pid_t middle;
	struct pollfd poll_fd;
	char byte;

	(void)state;
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	middle = fork();
	assert_true(middle >= 0);
	if (middle == 0) {
		(void)spawn((const char *const[]){"sleep", "1000", NULL}, pair[1], NULL, 0);
		(void)write_full(pair[1], "s", 1);
		(void)raise(SIGKILL);
	}
	(void)close(pair[1]);
	assert_int_equal(child_wait(middle), 128 + SIGKILL);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	poll_fd = (struct pollfd){.fd = pair[0], .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
	assert_int_equal(read(pair[0], &byte, 1), 0);
	(void)close(pair[0]);
}

static void closes_all_but_what_is_named(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (int fd = 3; fd < 10; fd++)
			(void)dup2(0, fd);
		if (close_all_but((const int[]){8, -1, 4, 5}, 4) < 0)
			_exit(1);
		for (int fd = 0; fd < 10; fd++)
			if ((fcntl(fd, F_GETFD) >= 0) != (fd < 3 || fd == 4 || fd == 5 || fd == 8))
				_exit(10 + fd);
		_exit(0);
	}
	assert_int_equal(child_wait(pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_gets_its_files_and_folder_and_nothing_else),
		cmocka_unit_test(a_program_that_is_missing_is_an_error),
		cmocka_unit_test(a_signal_counts_as_128_and_its_number),
		cmocka_unit_test(signals_that_we_hold_back_are_free_in_the_program),
		cmocka_unit_test(a_program_dies_with_who_started_it),
		cmocka_unit_test(closes_all_but_what_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
