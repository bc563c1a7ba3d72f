/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-run RESULT.json COMMAND [ARGUMENT]…
 *
 * Runs a command and writes what it cost, with all processes that it starts: seconds of the clock, processor
 * seconds (user and system), and the peak of memory in bytes. It ends when the last of these processes has,
 * also one that was started into the background, and passes the command's exit status on.
 *
 * Peak memory is the largest sum, at any moment, of the high-water marks of the resident sets (VmHWM) of the
 * processes that live at that moment. They are looked at each few milliseconds. The kernel keeps the marks,
 * so only what a process grows by in its last few milliseconds can be missed; the sum is an upper bound,
 * since processes need not peak at once, and pages that they share count for each.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_NANOSECONDS 4000000
#define PROCESSES_MAX 4096

struct process {
	long pid, parent;
	uint64_t peak; /* bytes */
	bool ours;
};

static double clock_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Reads /proc/PID/status. False where the process is gone, or a zombie, which has no memory. */
static bool read_status(long pid, struct process *ret)
{
	char path[64], text[4096];
	const char *parent, *peak;
	ssize_t size;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return false;
	text[size] = 0;
	parent = strstr(text, "\nPPid:");
	peak = strstr(text, "\nVmHWM:");
	if (!parent || !peak)
		return false;
	*ret = (struct process){.pid = pid,
		.parent = strtol(parent + strlen("\nPPid:"), NULL, 10),
		.peak = strtoull(peak + strlen("\nVmHWM:"), NULL, 10) * 1024};
	return true;
}

static size_t read_processes(struct process *list, size_t max)
{
	size_t count = 0;
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	while (folder && count < max && (entry = readdir(folder))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && read_status(pid, &list[count]))
			count++;
	}
	if (folder)
		closedir(folder);
	return count;
}

/* Sums the peaks of all processes below *root*. */
static uint64_t sum_peaks(struct process *list, size_t count, long root)
{
	uint64_t sum = 0;
	bool found;

	do {
		found = false;
		for (size_t i = 0; i < count; i++) {
			bool below = list[i].parent == root;

			for (size_t j = 0; j < count && !below; j++)
				below = list[j].ours && list[j].pid == list[i].parent;
			if (!below || list[i].ours)
				continue;
			list[i].ours = found = true;
			sum += list[i].peak;
		}
	} while (found);
	return sum;
}

/* Waits until no process is left. Returns the wait status of *child*. */
static int wait_all(pid_t child, uint64_t *ret_peak)
{
	static struct process list[PROCESSES_MAX];
	int child_status = 0;

	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid < 0)
			return child_status;
		if (pid == child)
			child_status = status;
		if (pid == 0) {
			uint64_t peak = sum_peaks(list, read_processes(list, PROCESSES_MAX), getpid());

			if (peak > *ret_peak)
				*ret_peak = peak;
			(void)nanosleep(&(struct timespec){.tv_nsec = SAMPLE_NANOSECONDS}, NULL);
		}
	}
}

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static int write_result(const char *path, double seconds, uint64_t peak, int code)
{
	struct rusage usage;
	FILE *file = fopen(path, "we");

	if (!file) {
		perror(path);
		return 1;
	}
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	if ((uint64_t)usage.ru_maxrss * 1024 > peak) /* of a process too short-lived to be seen */
		peak = (uint64_t)usage.ru_maxrss * 1024;
	fprintf(file, "{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"peak_rss\": %ju, \"status\": %d}\n",
		seconds, seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime), (uintmax_t)peak, code);
	if (fclose(file) != 0) {
		perror(path);
		return 1;
	}
	return code;
}

int main(int argc, char **argv)
{
	uint64_t peak = 0;
	double begun;
	pid_t child;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: bench-run RESULT.json COMMAND [ARGUMENT]…\n");
		return 2;
	}
	/* Processes whose parent ended are handed to this one. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	begun = clock_now();
	child = fork();
	if (child < 0) {
		perror("fork");
		return 1;
	}
	if (child == 0) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	status = wait_all(child, &peak);
	return write_result(argv[1], clock_now() - begun, peak,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
