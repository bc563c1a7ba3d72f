/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http-process.h"

#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http-server.h"

static _Noreturn void serve(const char *folder, int to, int end)
{
	const char *url = http_server_url(http_server_start(folder));
	char byte;

	if (write(to, url, strlen(url) + 1) < 0)
		_exit(1);
	(void)!read(end, &byte, 1);
	_exit(0);
}

void http_process_start(struct http_process *process, const char *folder)
{
	int end[2], from[2];

	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	process->pid = fork();
	assert_true(process->pid >= 0);
	if (process->pid == 0) {
		(void)close(end[1]);
		serve(folder, from[1], end[0]);
	}
	(void)close(end[0]);
	(void)close(from[1]);
	assert_true(read(from[0], process->url, sizeof(process->url)) > 0);
	(void)close(from[0]);
	process->end = end[1];
}

void http_process_stop(struct http_process *process)
{
	if (process->pid <= 0)
		return;
	(void)close(process->end);
	(void)waitpid(process->pid, NULL, 0);
	process->pid = 0;
}
