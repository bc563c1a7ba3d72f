/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/file.h"

#define STAGE_PREFIX ".orlop-build-"

struct stage {
	char *output;
	char *folder;
	int lock; /* the folder itself, locked for as long as the build lives */
};

static int is_stage(const struct dirent *entry)
{
	return startswith(entry->d_name, STAGE_PREFIX) != NULL;
}

/* Removes a stage that nobody holds the lock of any more. */
static void remove_abandoned(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)remove_tree(path, NULL);
}

/* What can't be removed is in nobody's way: it only takes space, so that is no reason to fail. */
static void remove_all_abandoned(const char *output)
{
	struct dirent **entries;
	int n = scandir(output, &entries, is_stage, NULL);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = string_format("%s/%s", output, entries[i]->d_name);

		if (path)
			remove_abandoned(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* Makes and locks the folder; another build may take it for an abandoned one in between, so it has to be
 * there still. */
static int make_folder(struct stage *stage, struct error **err)
{
	for (unsigned tries = 0; tries < 10; tries++) {
		struct stat by_name, by_lock;

		stage->folder = string_free(stage->folder);
		stage->folder = string_format("%s/" STAGE_PREFIX "XXXXXX", stage->output);
		if (!stage->folder)
			return error_set_errno(err, -ENOMEM, "%s", stage->output);
		if (!mkdtemp(stage->folder)) {
			int r = error_set_errno(
				err, -errno, "cannot write to the output folder %s", stage->output);

			stage->folder = string_free(stage->folder);
			return r;
		}
		stage->lock = open(stage->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (stage->lock >= 0 && flock(stage->lock, LOCK_EX | LOCK_NB) == 0 &&
			fstat(stage->lock, &by_lock) == 0 && stat(stage->folder, &by_name) == 0 &&
			by_lock.st_ino == by_name.st_ino)
			return 0;
		cleanup_closep(&stage->lock);
		stage->lock = -1;
	}
	return error_set_errno(err, -EBUSY, "%s", stage->output);
}

int stage_open(const char *output, struct stage **ret, struct error **err)
{
	_cleanup_stage_ struct stage *stage = calloc(1, sizeof(*stage));
	int r;

	if (!stage)
		return error_set_errno(err, -ENOMEM, "%s", output);
	stage->lock = -1;
	stage->output = strdup(output);
	if (!stage->output)
		return error_set_errno(err, -ENOMEM, "%s", output);
	r = mkdir_parents(output, err);
	if (r < 0)
		return r;
	remove_all_abandoned(output);
	r = make_folder(stage, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(stage);
	return 0;
}

char *stage_path(const struct stage *stage, const char *name)
{
	return string_format("%s/%s", stage->folder, name);
}

static char *final_path(const struct stage *stage, const char *name)
{
	return string_format("%s/%s", stage->output, name);
}

static int flush(const struct stage *stage, const char *name, struct error **err)
{
	_cleanup_free_ char *path = stage_path(stage, name);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (fd < 0 || fsync(fd) < 0)
		return error_set_errno(err, -errno, "%s", path);
	return 0;
}

static int show(const struct stage *stage, const char *name, struct error **err)
{
	_cleanup_free_ char *from = stage_path(stage, name), *to = final_path(stage, name);

	if (!from || !to)
		return error_set_errno(err, -ENOMEM, "%s", name);
	return rename(from, to) < 0 ? error_set_errno(err, -errno, "%s", to) : 0;
}

static int withdraw(const struct stage *stage, const char *name, struct error **err)
{
	_cleanup_free_ char *path = final_path(stage, name);

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	if (unlink(path) == 0)
		return fsync_parent(path, err);
	return errno == ENOENT ? 0 : error_set_errno(err, -errno, "%s", path);
}

int stage_commit(struct stage *stage, const char *const *names, struct error **err)
{
	size_t count = 0;
	int r = 0;

	for (; r >= 0 && names[count]; count++)
		r = flush(stage, names[count], err);
	if (r >= 0 && count > 0)
		r = withdraw(stage, names[count - 1], err);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = show(stage, names[i], err);
	return r < 0 ? r : fsync_parent(stage->folder, err);
}

struct stage *stage_close(struct stage *stage)
{
	if (stage) {
		if (stage->folder)
			(void)remove_tree(stage->folder, NULL);
		cleanup_closep(&stage->lock);
		free(stage->folder);
		free(stage->output);
		free(stage);
	}
	return NULL;
}
