/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that live no longer than the process which started them: the kernel kills them when it dies,
 * however it dies.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct child_spec {
	const char *const *arguments; /* ended by NULL; the program is looked up in PATH */
	int input, output, message;   /* become the three standard files; -1: /dev/null */
	const int *keep;	      /* further descriptors that the program gets, with the same numbers */
	size_t keep_count;
	const char *folder; /* where it runs; NULL: here */
};

/*
 * Starts a program; signals are neither blocked nor ignored in it. Returns 0 when it is running; where it
 * can't be executed a negative errno with *err* set, -ENOENT where there is no such program. The caller must
 * be a process with a single thread, since the child dies with the thread that made it.
 */
int child_spawn(const struct child_spec *spec, pid_t *ret, struct error **err);

/* Waits for its end: the exit status, 128 + the signal's number where a signal ended it, or a negative errno.
 */
int child_wait(pid_t pid);

/* Closes every descriptor from 3 on but those in *keep*. */
int close_all_but(const int *keep, size_t count);

/* Milliseconds on the clock that never goes back. */
uint64_t now_ms(void);
