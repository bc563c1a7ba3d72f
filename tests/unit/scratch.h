/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A folder of its own for a test that needs files, and the programs that make them.
 */
#pragma once

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"

static inline char *scratch_new(void)
{
	char *path = strdup("/tmp/orlop-test-XXXXXX");

	assert_non_null(path);
	assert_non_null(mkdtemp(path));
	return path;
}

static inline void scratch_remove(char **path)
{
	if (*path)
		(void)remove_tree(*path, NULL);
	free(*path);
}
#define _cleanup_scratch_ _cleanup_(scratch_remove)

/* Runs a shell script in *folder*; it has to succeed. */
static inline void shell(const char *folder, const char *script)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_free_ char *text = string_format("set -eu; umask 022; cd '%s'; %s", folder, script);
	_cleanup_error_ struct error *err = NULL;

	assert_non_null(text);
	assert_ok(process_run((const char *const[]){"sh", "-c", text, NULL}, NULL, 0, MiB(16), &result, &err),
		err);
	if (result.status != 0) {
		buffer_append_u8(&result.message, 0);
		fail_msg("%s: %s", script, result.message.data);
	}
}

static inline bool have_program(const char *name)
{
	_cleanup_process_result_ struct process_result result = {};
	const char *const which[] = {"sh", "-c", "command -v \"$0\"", name, NULL};

	return process_run(which, NULL, 0, MiB(1), &result, NULL) == 0 && result.status == 0;
}

static inline char *scratch_read(const char *folder, const char *name, size_t *ret_size)
{
	_cleanup_free_ char *path = string_format("%s/%s", folder, name);
	_cleanup_error_ struct error *err = NULL;
	char *data = NULL;

	assert_non_null(path);
	assert_ok(file_read(path, GiB(1), &data, ret_size, &err), err);
	return data;
}
