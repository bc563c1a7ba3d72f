/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/program.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>

#include "init/mount.h"

#define CANNOT_RUN 127

/* In the child: a mount namespace of its own, so that what is mounted for the program goes with it. */
static _Noreturn void run(const char *const *arguments, const char *const *environment)
{
	int null = open("/dev/null", O_RDONLY), log = open("/dev/kmsg", O_WRONLY);

	if (null < 0 || log < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
		dup2(log, STDERR_FILENO) < 0)
		_exit(CANNOT_RUN);
	if (unshare(CLONE_NEWNS) < 0 || mount_bind("/dev", NEW_ROOT "/dev", NULL) < 0 ||
		mount_bind("/proc", NEW_ROOT "/proc", NULL) < 0)
		_exit(CANNOT_RUN);
	if (chroot(NEW_ROOT) < 0 || chdir("/") < 0)
		_exit(CANNOT_RUN);
	(void)execve(arguments[0], (char *const *)arguments, (char *const *)environment);
	_exit(CANNOT_RUN);
}

int program_run(const char *const *arguments, const char *const *environment, struct error **err)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return error_set_errno(err, -errno, "%s", arguments[0]);
	if (child == 0)
		run(arguments, environment);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return error_set_errno(err, -errno, "%s", arguments[0]);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	if (WEXITSTATUS(status) == CANNOT_RUN)
		return error_set(err, -ENOENT, "%s is not in /usr, or does not start", arguments[0]);
	return WEXITSTATUS(status);
}
