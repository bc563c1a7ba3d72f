/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "init/folder.h"
#include "init/mount.h"
#include "init/state.h"

#define LAYERS "lib/orlop/etc" /* in state */
#define SEALED_MAX KiB(64)
#define UPDATED ".updated"

static bool is_plain_path(const char *path)
{
	for (const char *at = path;; at++) {
		size_t length = strcspn(at, "/");

		if (length == 0 || (length == 1 && at[0] == '.') ||
			(length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += length;
		if (!*at)
			return true;
	}
}

int etc_parse_sealed(const char *text, struct strv *ret, struct error **err)
{
	_cleanup_strv_ struct strv paths = {};

	for (unsigned number = 1; *text; number++) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, length);

		if (!line)
			return error_set_errno(err, -ENOMEM, "sealed paths");
		text += length + (text[length] == '\n');
		if (!*line || *line == '#')
			continue;
		if (!is_plain_path(line))
			return error_set(
				err, -EINVAL, "sealed paths:%u: not a path below /etc: %s", number, line);
		if (strv_push(&paths, TAKE_PTR(line)) < 0)
			return error_set_errno(err, -ENOMEM, "sealed paths");
	}
	*ret = paths;
	paths = (struct strv){};
	return 0;
}

/* Removes a name with all below it. */
static int remove_name(int folder, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return 0;
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		int r = 0;

		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			r = remove_name(fd, entry->d_name);
		if (r < 0)
			return r;
	}
	return unlinkat(folder, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* Removes the marks of overlayfs that make a folder of the upper layer something else than the sum of both
 * layers. */
static void remove_marks(int folder)
{
	(void)fremovexattr(folder, "trusted.overlay.opaque");
	(void)fremovexattr(folder, "trusted.overlay.redirect");
}

/* Enters a folder of the upper layer. Returns its descriptor; -ENOENT where there is none, now or before. */
static int enter(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno == ENOENT)
		return fd >= 0 ? fd : -ENOENT;
	if (errno != ENOTDIR && errno != ELOOP && errno != ENXIO)
		return -errno;
	return unlinkat(folder, name, 0) < 0 ? -errno : -ENOENT;
}

int etc_unseal_upper(int upper, const char *path)
{
	_cleanup_close_ int folder = fcntl(upper, F_DUPFD_CLOEXEC, 3);

	if (folder < 0)
		return -errno;
	for (;;) {
		size_t length = strcspn(path, "/");
		_cleanup_free_ char *name = strndup(path, length);
		int child;

		if (!name)
			return -ENOMEM;
		remove_marks(folder);
		if (!path[length])
			return remove_name(folder, name);
		child = enter(folder, name);
		if (child < 0)
			return child == -ENOENT ? 0 : child;
		(void)close(folder);
		folder = child;
		path += length + 1;
	}
}

static int unseal_all(int upper, const struct strv *sealed, struct error **err)
{
	for (size_t i = 0; i < sealed->count; i++) {
		int r = etc_unseal_upper(upper, sealed->items[i]);

		if (r < 0)
			return error_set_errno(err, r, "what state says of /etc/%s", sealed->items[i]);
	}
	return 0;
}

/* Mounts the image's copies over the sealed paths. A link can't be mounted over: it is restored at boot only.
 */
static int seal_all(const char *lower, const struct strv *sealed, struct error **err)
{
	for (size_t i = 0; i < sealed->count; i++) {
		_cleanup_free_ char *from = string_format(NEW_ROOT "%s/%s", lower, sealed->items[i]);
		_cleanup_free_ char *to = string_format(NEW_ROOT "/etc/%s", sealed->items[i]);
		struct stat st;

		if (!from || !to)
			return error_set_errno(err, -ENOMEM, "sealed paths");
		if (lstat(from, &st) < 0 || S_ISLNK(st.st_mode))
			continue;
		if (mount(from, to, NULL, MS_BIND, NULL) < 0 ||
			mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV, NULL) < 0)
			return error_set_errno(err, -errno, "seal /etc/%s", sealed->items[i]);
	}
	return 0;
}

/* Says in *path* that it fits a /usr of the time *usr*, as systemd-update-done.service(8) does after an
 * update. */
static int note_updated(const char *path, const struct timespec *usr, struct error **err)
{
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	const struct timespec times[] = {*usr, *usr};
	_cleanup_strv_ struct strv aside = {};
	struct stat st;
	int r;

	if (folder < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (fstatat(folder, UPDATED, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		st.st_mtim.tv_sec == usr->tv_sec)
		return 0;
	r = folder_free_name(folder, UPDATED, &aside, err);
	folder_report_aside(path + strlen(NEW_ROOT), &aside);
	if (r < 0)
		return error_wrap(err, "%s", path);
	fd = openat(folder, UPDATED, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 ||
		dprintf(fd,
			"# Written by orlop-init: the time of the /usr that this folder "
			"fits.\nTIMESTAMP_NSEC=%llu\n",
			(unsigned long long)usr->tv_sec * 1000000000 + (unsigned long long)usr->tv_nsec) <
			0 ||
		futimens(fd, times) < 0)
		return error_set_errno(err, -errno, "%s/" UPDATED, path);
	return 0;
}

static int read_sealed(const char *sealed, struct strv *ret, struct error **err)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	int r;

	if (!sealed)
		return 0;
	path = string_format(NEW_ROOT "%s", sealed);
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", sealed);
	r = file_read(path, SEALED_MAX, &text, NULL, err);
	return r < 0 ? r : etc_parse_sealed(text, ret, err);
}

/* The layers go by path here, so that the running system's list of mounts can be read: all that leads to them
 * was seen to be folders, and there is nobody yet who could change that. */
static int mount_overlay(const char *lower, struct error **err)
{
	_cleanup_free_ char *options = NULL;

	/* Whatever state says, no name leads to another one's content. */
	options = string_format("lowerdir=" NEW_ROOT "%s,upperdir=" NEW_ROOT "/var/" LAYERS
				"/upper,workdir=" NEW_ROOT "/var/" LAYERS "/work,"
				"redirect_dir=nofollow,metacopy=off,index=off,xino=off",
		lower);
	if (!options)
		return error_set_errno(err, -ENOMEM, "/etc");
	return mount_at("etc", NEW_ROOT "/etc", "overlay", MS_NOSUID | MS_NODEV, options, err);
}

static int prepare_layers(const struct strv *sealed, struct error **err)
{
	_cleanup_close_ int upper = state_folder(LAYERS "/upper", 0755, err), work = -1;

	if (upper < 0)
		return upper;
	work = state_folder(LAYERS "/work", 0755, err);
	return work < 0 ? work : unseal_all(upper, sealed, err);
}

int etc_mount(const char *lower, const char *sealed, struct error **err)
{
	_cleanup_strv_ struct strv paths = {};
	struct stat usr;
	int r = read_sealed(sealed, &paths, err);

	if (r >= 0)
		r = prepare_layers(&paths, err);
	if (r >= 0)
		r = mount_overlay(lower, err);
	if (r >= 0)
		r = seal_all(lower, &paths, err);
	if (r < 0)
		return r;
	if (stat(NEW_ROOT "/usr", &usr) < 0)
		return error_set_errno(err, -errno, "/usr");
	r = note_updated(NEW_ROOT "/etc", &usr.st_mtim, err);
	return r < 0 ? r : note_updated(NEW_ROOT "/var", &usr.st_mtim, err);
}
