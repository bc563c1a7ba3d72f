/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "init/report.h"

#define ASIDE_MAX 100 /* names that are tried */

/* *before* is the path of *folder* with a "/" behind it, or empty: for *aside* and for people. */
static int set_aside(int folder, const char *before, const char *name, struct strv *aside, struct error **err)
{
	for (unsigned i = 1; i < ASIDE_MAX; i++) {
		_cleanup_free_ char *other = i == 1 ? string_format("%s.orlop-set-aside", name)
						    : string_format("%s.orlop-set-aside-%u", name, i);

		if (!other)
			return error_set_errno(err, -ENOMEM, "%s%s", before, name);
		if (renameat2(folder, name, folder, other, RENAME_NOREPLACE) == 0)
			return strv_addf(aside, "%s%s", before, other) < 0
				       ? error_set_errno(err, -ENOMEM, "%s%s", before, name)
				       : 0;
		if (errno != EEXIST)
			break;
	}
	return error_set_errno(err, -errno, "%s%s is in the way and can't be set aside", before, name);
}

/* Makes the folder *name*, or opens the one that is there. -ENOTDIR where it is none. */
static int make_and_open(int folder, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(folder, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ELOOP ? -ENOTDIR : -errno;
}

static int open_component(
	int folder, const char *before, const char *name, mode_t mode, struct strv *aside, struct error **err)
{
	int fd = make_and_open(folder, name, mode);

	if (fd == -ENOTDIR) {
		int r = set_aside(folder, before, name, aside, err);

		if (r < 0)
			return r;
		fd = make_and_open(folder, name, mode);
	}
	return fd < 0 ? error_set_errno(err, fd, "%s%s", before, name) : fd;
}

int folder_open(int parent, const char *path, mode_t mode, struct strv *aside, struct error **err)
{
	_cleanup_close_ int folder = -1;

	for (const char *at = path;;) {
		size_t length = strcspn(at, "/");
		_cleanup_free_ char *name = strndup(at, length), *before = strndup(path, (size_t)(at - path));
		int fd;

		if (!name || !before)
			return error_set_errno(err, -ENOMEM, "%s", path);
		fd = open_component(
			folder < 0 ? parent : folder, before, name, at[length] ? 0755 : mode, aside, err);
		if (fd < 0 || !at[length])
			return fd;
		cleanup_closep(&folder);
		folder = fd;
		at += length + 1;
	}
}

int folder_free_name(int folder, const char *name, struct strv *aside, struct error **err)
{
	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_set_errno(err, -errno, "%s", name);
	return set_aside(folder, "", name, aside, err);
}

void folder_report_aside(const char *folder, const struct strv *aside)
{
	for (size_t i = 0; i < aside->count; i++)
		report(REPORT_WARNING, "%s: something else was in a folder's place; it is called %s/%s now",
			folder, folder, aside->items[i]);
}
