/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/draft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/string-util.h"

static void clear_one(const char *parent, const char *path, const struct draft_kind *kind)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	/* Another user's draft could make us undo what was never done. */
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (!kind->recover || kind->recover(parent, path) >= 0)
		(void)remove_tree(path, NULL);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* What can't be removed is in nobody's way: it only takes space, so that is no reason to fail. */
static void clear_abandoned(const char *parent, const struct draft_kind *kind)
{
	_cleanup_(closedirp) DIR *dir = opendir(parent);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *path = startswith(entry->d_name, kind->prefix)
						    ? string_format("%s/%s", parent, entry->d_name)
						    : NULL;

		if (path)
			clear_one(parent, path, kind);
	}
}

int draft_lock(const char *parent, const struct draft_kind *kind, struct error **err)
{
	_cleanup_close_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return error_set_errno(err, -errno, "%s", parent);
	clear_abandoned(parent, kind);
	return TAKE_FD(fd);
}

int draft_open(struct draft *ret, const char *parent, const struct draft_kind *kind, struct error **err)
{
	_cleanup_close_ int parent_lock = draft_lock(parent, kind, err), lock = -1;
	_cleanup_free_ char *path = string_format("%s/%sXXXXXX", parent, kind->prefix);

	if (parent_lock < 0)
		return parent_lock;
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", parent);
	if (!mkdtemp(path))
		return error_set_errno(err, -errno, "%s", parent);
	lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0) {
		int r = error_set_errno(err, -errno, "%s", path);

		(void)rmdir(path);
		return r;
	}
	*ret = (struct draft){.path = TAKE_PTR(path), .lock = TAKE_FD(lock)};
	return 0;
}

void draft_abandon(struct draft *draft)
{
	cleanup_closep(&draft->lock);
	free(draft->path);
	*draft = (struct draft)DRAFT_INIT;
}

void draft_close(struct draft *draft)
{
	if (draft->path)
		(void)remove_tree(draft->path, NULL);
	draft_abandon(draft);
}
