/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"

struct pipes {
	int child[3];  /* the program's ends */
	int parent[3]; /* ours; not blocking */
};

static void pipes_release(struct pipes *pipes)
{
	for (size_t i = 0; i < 3; i++) {
		cleanup_closep(&pipes->child[i]);
		cleanup_closep(&pipes->parent[i]);
		pipes->child[i] = pipes->parent[i] = -1;
	}
}

/*
 * Makes the program's three standard files. Its input is one end of a socket, since writing to a pipe that
 * nobody reads would raise SIGPIPE in us; with MSG_NOSIGNAL it is just an error.
 */
static int pipes_open(struct pipes *pipes)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pipes->child[0] = pair[0];
	pipes->parent[0] = pair[1];
	for (size_t i = 1; i < 3; i++) {
		if (pipe2(pair, O_CLOEXEC) < 0)
			return -errno;
		pipes->parent[i] = pair[0];
		pipes->child[i] = pair[1];
	}
	for (size_t i = 0; i < 3; i++)
		if (fcntl(pipes->parent[i], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
	return 0;
}

static int spawn(const char *const *arguments, struct pipes *pipes, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, pipe_signal;
	pid_t pid = -1;
	int r;

	sigemptyset(&none);
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
	r = 0;
	for (int i = 0; i < 3 && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(&actions, pipes->child[i], i);
	if (r == 0)
		r = posix_spawnp(
			&pid, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	*ret = pid;
	return -r;
}

/* Feeds the program some input; closes its end where all has gone or the program does not want more. */
static int feed(struct pipes *pipes, const uint8_t **input, size_t *left)
{
	ssize_t n = *left > 0 ? send(pipes->parent[0], *input, *left, MSG_NOSIGNAL) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		return -errno;
	if (n > 0) {
		*input += n;
		*left -= (size_t)n;
	}
	if (n < 0 || *left == 0)
		cleanup_closep(&pipes->parent[0]), pipes->parent[0] = -1;
	return 0;
}

static int drain(int *fd, struct buffer *into, size_t max)
{
	uint8_t chunk[16384];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0) {
		cleanup_closep(fd);
		*fd = -1;
		return 0;
	}
	if (into->size + (size_t)n > max)
		return -EFBIG;
	buffer_append(into, chunk, (size_t)n);
	return buffer_failed(into) ? -ENOMEM : 0;
}

static int exchange(
	struct pipes *pipes, const uint8_t *input, size_t left, size_t max, struct process_result *result)
{
	struct buffer *into[3] = {NULL, &result->output, &result->message};
	int r = feed(pipes, &input, &left);

	while (r >= 0 && (pipes->parent[1] >= 0 || pipes->parent[2] >= 0)) {
		struct pollfd polls[3] = {
			{.fd = pipes->parent[0], .events = POLLOUT},
			{.fd = pipes->parent[1], .events = POLLIN},
			{.fd = pipes->parent[2], .events = POLLIN},
		};

		if (poll(polls, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (polls[0].revents)
			r = feed(pipes, &input, &left);
		for (size_t i = 1; i < 3 && r >= 0; i++)
			if (polls[i].revents)
				r = drain(&pipes->parent[i], into[i], max);
	}
	return r;
}

static int await(pid_t pid, int *ret_status)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

int process_run(const char *const *arguments, const void *input, size_t input_size, size_t max,
	struct process_result *ret, struct error **err)
{
	_cleanup_(pipes_release) struct pipes pipes = {{-1, -1, -1}, {-1, -1, -1}};
	_cleanup_process_result_ struct process_result result = {};
	pid_t pid;
	int r, exchanged;

	r = pipes_open(&pipes);
	if (r == 0)
		r = spawn(arguments, &pipes, &pid);
	if (r != 0)
		return error_set_errno(err, r, "cannot run %s", arguments[0]);
	for (size_t i = 0; i < 3; i++)
		cleanup_closep(&pipes.child[i]), pipes.child[i] = -1;
	exchanged = exchange(&pipes, input, input ? input_size : 0, max, &result);
	if (exchanged < 0)
		(void)kill(pid, SIGKILL);
	r = await(pid, &result.status);
	if (exchanged < 0)
		r = exchanged;
	if (r < 0)
		return error_set_errno(err, r, "running %s", arguments[0]);
	*ret = result;
	result = (struct process_result){};
	return 0;
}

void process_result_release(struct process_result *result)
{
	buffer_release(&result->output);
	buffer_release(&result->message);
}
