/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

static int place(int fd, int target)
{
	_cleanup_close_ int null = -1;

	if (fd < 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			return -errno;
		fd = null;
	}
	/* A descriptor that is already in its place only loses its mark. */
	if (fd == target) {
		TAKE_FD(null);
		return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
	}
	return dup2(fd, target) < 0 ? -errno : 0;
}

/* In the child: dies with its parent, has the right descriptors and no signal held back. */
static int prepare(const struct child_spec *spec, pid_t parent)
{
	const int files[3] = {spec->input, spec->output, spec->message};
	sigset_t none;
	int r = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != parent) /* it died before the line above */
		_exit(EXIT_FAILURE);
	for (int signal_number = 1; signal_number < SIGRTMIN; signal_number++)
		(void)signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	for (int i = 0; i < 3 && r == 0; i++)
		r = place(files[i], i);
	for (size_t i = 0; i < spec->keep_count && r == 0; i++)
		r = fcntl(spec->keep[i], F_SETFD, 0) < 0 ? -errno : 0;
	if (r == 0 && spec->folder && chdir(spec->folder) < 0)
		r = -errno;
	return r;
}

int child_spawn(const struct child_spec *spec, pid_t *ret, struct error **err)
{
	_cleanup_close_ int report_read = -1, report_write = -1;
	int pair[2], code = 0, r;
	pid_t parent = getpid(), pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "cannot run %s", spec->arguments[0]);
	report_read = pair[0];
	report_write = pair[1];
	pid = fork();
	if (pid < 0)
		return error_set_errno(err, -errno, "cannot run %s", spec->arguments[0]);
	if (pid == 0) {
		r = prepare(spec, parent);
		if (r == 0) {
			(void)execvp(spec->arguments[0], (char *const *)spec->arguments);
			r = -errno;
		}
		(void)write_full(report_write, &r, sizeof(r));
		_exit(EXIT_FAILURE);
	}
	cleanup_closep(&report_write);
	report_write = -1;
	if (read_full(report_read, &code, sizeof(code)) == 0) {
		(void)child_wait(pid);
		return error_set_errno(err, code, "cannot run %s", spec->arguments[0]);
	}
	*ret = pid;
	return 0;
}

int child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int compare_ints(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

int close_all_but(const int *keep, size_t count)
{
	_cleanup_free_ int *sorted = malloc((count + 1) * sizeof(*sorted));
	unsigned next = 3;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = keep[i];
	qsort(sorted, count, sizeof(*sorted), compare_ints);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] < (int)next)
			continue;
		if ((unsigned)sorted[i] > next && close_range(next, (unsigned)sorted[i] - 1, 0) < 0)
			return -errno;
		next = (unsigned)sorted[i] + 1;
	}
	return close_range(next, ~0U, 0) < 0 ? -errno : 0;
}

uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
