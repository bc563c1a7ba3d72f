/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that are run to their end, with their output taken in.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

struct process_result {
	int status;	       /* exit status; 128 + the signal's number where a signal ended it */
	struct buffer output;  /* standard output */
	struct buffer message; /* standard error */
};

void process_result_release(struct process_result *result);
#define _cleanup_process_result_ _cleanup_(process_result_release)

/*
 * Runs *arguments* (ended by NULL, the program looked up in PATH) with *input* (may be NULL) as standard
 * input, and takes in up to *max* bytes each of standard output and standard error; more than that is -EFBIG
 * and the program is killed. The program sees no other open file of ours than those marked inheritable.
 *
 * Returns 0 where the program ran, whatever its status; -ENOENT where there is none; another negative errno.
 */
int process_run(const char *const *arguments, const void *input, size_t input_size, size_t max,
	struct process_result *ret, struct error **err);
