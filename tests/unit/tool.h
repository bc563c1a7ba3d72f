/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other people's tools as judges: runs one and checks its exit status, and a scratch folder for the files
 * that it looks at.
 */
#pragma once

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/process.h"

#include "unit.h"

/* A folder of the test's own, removed by tool_cleanup(); both are for cmocka's group set-up and tear-down. */
static char tool_folder[PATH_MAX];

static inline int tool_setup(void **state)
{
	const char *parent = getenv("TMPDIR");
	const char *path = getenv("PATH");
	char paths[PATH_MAX];

	(void)state;
	/* sfdisk, sgdisk and mkfs.fat are where only root's PATH leads. */
	(void)snprintf(paths, sizeof(paths), "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	(void)setenv("PATH", paths, 1);
	(void)setenv("LC_ALL", "C.UTF-8", 1);
	(void)snprintf(tool_folder, sizeof(tool_folder), "%s/orlop-test-XXXXXX", parent ? parent : "/tmp");
	return mkdtemp(tool_folder) ? 0 : -1;
}

static inline int tool_cleanup(void **state)
{
	(void)state;
	return remove_tree(tool_folder, NULL);
}

/* A path in the scratch folder; good until the fourth call after. */
static inline const char *tool_path(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 4];

	assert_in_range(snprintf(path, PATH_MAX, "%s/%s", tool_folder, name), 1, PATH_MAX - 1);
	return path;
}

/* A new file of *size* bytes, all zero, open for reading and writing. */
static inline int tool_file(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* Runs a tool that must exit with 0; what it wrote on standard output, which the caller frees. */
static inline char *tool_input(const char *const *arguments, const char *input)
{
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_error_ struct error *err = NULL;

	assert_ok(process_run(arguments, input, input ? strlen(input) : 0, MiB(64), &result, &err), err);
	buffer_append_u8(&result.message, 0);
	buffer_append_u8(&result.output, 0);
	if (result.status != 0)
		fail_msg("%s: exit status %d: %s%s", arguments[0], result.status, (char *)result.output.data,
			(char *)result.message.data);
	return buffer_take(&result.output, NULL);
}

#define tool_run(...) tool_input((const char *const[]){__VA_ARGS__, NULL}, NULL)

/* The same, where what it says does not matter. */
static inline void tool_quiet(const char *const *arguments, const char *input)
{
	free(tool_input(arguments, input));
}

#define tool_do(...) tool_quiet((const char *const[]){__VA_ARGS__, NULL}, NULL)

/* The same, where its output must hold *text*. */
static inline void tool_says(const char *text, const char *const *arguments)
{
	_cleanup_free_ char *output = tool_input(arguments, NULL);

	if (!strstr(output, text))
		fail_msg("%s does not say '%s' but: %s", arguments[0], text, output);
}

#define assert_tool_says(text, ...) tool_says(text, (const char *const[]){__VA_ARGS__, NULL})
