/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the health checks share.
 */
#pragma once

#include "update/health.h"

struct health_work {
	const struct health_options *options;
	char **environment; /* of programs, ended by NULL */
	uint64_t deadline;  /* on the options' clock */
};

/* Does a check and fills in *outcome* and *detail*; *path* is that of a program, NULL for what is built in.
 */
typedef void (*health_check_fn)(const struct health_work *work, const char *path, struct health_check *ret);

struct health_builtin {
	const char *name;
	health_check_fn check;
};

/* The first of them is the one that tells whether the node has come up. Ended by an entry without a name. */
extern const struct health_builtin health_builtins[];

/* The check that is a program in the folder. */
void health_check_hook(const struct health_work *work, const char *path, struct health_check *ret);

/* Sets the outcome, and the detail to the formatted text as far as it has room, made fit for a line. */
void health_set(struct health_check *check, enum health_outcome outcome, const char *format, ...)
	_printf_(3, 4);

/* Copies *text* so that it is UTF-8 without control characters, and ends within *size* bytes. */
void health_clean(char *ret, size_t size, const char *text, size_t length);
