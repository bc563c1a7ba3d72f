/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that is run to see whether something works: with a time limit, its output taken in up to a bound,
 * in a process group of its own that is gone afterwards, so that a check which hangs, crashes, floods its
 * output or leaves processes behind does no harm to whoever asked.
 */
#pragma once

#include "base/buffer.h"

struct check_program {
	const char *const *arguments; /* ended by NULL; the first is the program's path */
	char *const *environment;     /* ended by NULL: all that the program sees */
	uint64_t limit_ms;
	size_t output_max; /* bytes; what comes behind them is read and dropped */
};

struct check_program_result {
	bool timed_out;
	int status; /* exit status; 128 + the signal's number where a signal ended it; 0 where it timed out */
	struct buffer output; /* standard output and standard error, as they came */
};

void check_program_result_release(struct check_program_result *result);
#define _cleanup_check_program_result_ _cleanup_(check_program_result_release)

/*
 * Runs the program in "/" with an empty standard input. At the time limit, or when the program has ended,
 * what is left of its process group is killed. A program that can't even be killed (it waits for a dead disk)
 * is left alone after two seconds.
 *
 * Returns 0 where the program ran, however it ended; a negative errno where it could not be run.
 */
int check_program_run(const struct check_program *program, struct check_program_result *ret);
