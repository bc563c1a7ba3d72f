/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The web server of http-server.h in a process of its own, for a test that forks: with another thread in it
 * that could hold a lock of malloc() just then.
 */
#pragma once

#include <sys/types.h>

struct http_process {
	pid_t pid;
	int end; /* closed: it ends */
	char url[64];
};

/* Serves *folder* until http_process_stop(). Fails the test where it can't. */
void http_process_start(struct http_process *process, const char *folder);
void http_process_stop(struct http_process *process);
