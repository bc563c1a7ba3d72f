/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/check-program.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>

enum {
	KILL_MS = 2000,	   /* a killed process is gone by then, or waits for something that may never come */
	LAST_READS = 1024, /* of what the pipe still holds; whoever writes on is not the program any more */
};

void check_program_result_release(struct check_program_result *result)
{
	buffer_release(&result->output);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int add_files(posix_spawn_file_actions_t *actions, int output)
{
	int r = posix_spawn_file_actions_addchdir_np(actions, "/");

	/* The output first: /dev/null gets number 0, which may be *output* itself. */
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	return r;
}

/* A process group of its own, and no signal blocked, ignored or handled. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	return r;
}

static int spawn(const struct check_program *program, int output, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = add_files(&actions, output);
	if (r == 0)
		r = set_attributes(&attributes);
	if (r == 0)
		r = posix_spawn(ret, program->arguments[0], &actions, &attributes,
			(char *const *)program->arguments, program->environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Reads once. Returns 1 where there may be more, 0 where there is nothing now, -EPIPE at the end. */
static int take_in(int fd, size_t max, struct buffer *output)
{
	uint8_t chunk[4096];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR ? 1 : errno == EAGAIN ? 0 : -EPIPE;
	if (n == 0)
		return -EPIPE;
	buffer_append(output, chunk, MIN((size_t)n, max - MIN(max, output->size)));
	return 1;
}

/* Waits for the end of the process, taking in its output meanwhile. Returns whether it came in time. */
static bool watch(int process, int output, const struct check_program *program, struct buffer *ret)
{
	uint64_t begin = now_ms(), spent;
	struct pollfd polls[] = {{.fd = process, .events = POLLIN}, {.fd = output, .events = POLLIN}};

	while ((spent = now_ms() - begin) < program->limit_ms) {
		uint64_t left = MIN(program->limit_ms - spent, (uint64_t)60000);

		if (poll(polls, ARRAY_SIZE(polls), (int)left) <= 0)
			continue;
		if (polls[1].revents && take_in(output, program->output_max, ret) < 0)
			polls[1].fd = -1; /* it closed its output, and goes on */
		if (polls[0].revents)
			return true;
	}
	return false;
}

/*
 * Kills the group and takes the process's status. Until that is taken its number is nobody else's, so the
 * group is the right one.
 */
static int finish(pid_t pid, int process, bool ended, struct check_program_result *result)
{
	struct pollfd end = {.fd = process, .events = POLLIN};
	int status;

	(void)kill(-pid, SIGKILL);
	if (!ended && poll(&end, 1, KILL_MS) == 0)
		return 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (ended)
		result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

static int run(pid_t pid, int output, const struct check_program *program, struct check_program_result *ret)
{
	_cleanup_close_ int process = pidfd_open(pid, 0);
	bool ended = false;
	int r;

	if (process < 0) {
		r = -errno;
		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return r;
	}
	ended = watch(process, output, program, &ret->output);
	ret->timed_out = !ended;
	r = finish(pid, process, ended, ret);
	for (unsigned i = 0; i < LAST_READS && take_in(output, program->output_max, &ret->output) > 0; i++)
		;
	return r < 0 ? r : buffer_failed(&ret->output) ? -ENOMEM : 0;
}

int check_program_run(const struct check_program *program, struct check_program_result *ret)
{
	_cleanup_check_program_result_ struct check_program_result result = {};
	_cleanup_close_ int from = -1, to = -1;
	int ends[2], r;
	pid_t pid = -1;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	to = ends[1];
	if (fcntl(from, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = spawn(program, to, &pid);
	if (r < 0)
		return r;
	assert(pid > 0); /* what is killed is the group -pid */
	cleanup_closep(&to);
	to = -1;
	r = run(pid, from, program, &result);
	if (r < 0)
		return r;
	*ret = result;
	result = (struct check_program_result){};
	return 0;
}
