/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "init/mount.h"

/* Only folders and mount points live on the root: what programs write goes to /run, /tmp, /etc or state. */
#define ROOT_OPTIONS "mode=0755,size=16m,nr_inodes=64k"

static const struct {
	const char *path;
	mode_t mode;
} folders[] = {
	{"boot", 0755},
	{"dev", 0755},
	{"efi", 0755},
	{"etc", 0755},
	{"home", 0755},
	{"media", 0755},
	{"mnt", 0755},
	{"opt", 0755},
	{"proc", 0555},
	{"root", 0700},
	{"run", 0755},
	{"srv", 0755},
	{"sys", 0555},
	{"tmp", 01777},
	{"usr", 0755},
	{"var", 0755},
};

/* Names of folders in /usr that stand in the root as well, where /usr has them. */
static const char *const merged[] = {"bin", "lib", "lib32", "lib64", "libx32", "sbin"};

static int make_folders(struct error **err)
{
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), NEW_ROOT "/%s", folders[i].path);
		if (mkdir(path, folders[i].mode) < 0 || chmod(path, folders[i].mode) < 0)
			return error_set_errno(err, -errno, "%s", path);
	}
	return 0;
}

static int make_links(struct error **err)
{
	char path[64], target[64];

	for (size_t i = 0; i < ARRAY_SIZE(merged); i++) {
		(void)snprintf(path, sizeof(path), NEW_ROOT "/usr/%s", merged[i]);
		if (access(path, F_OK) < 0)
			continue;
		(void)snprintf(path, sizeof(path), NEW_ROOT "/%s", merged[i]);
		(void)snprintf(target, sizeof(target), "usr/%s", merged[i]);
		if (symlink(target, path) < 0)
			return error_set_errno(err, -errno, "%s", path);
	}
	return 0;
}

int root_mount(const char *usr, struct error **err)
{
	int r = mount_at("tmpfs", NEW_ROOT, "tmpfs", 0, ROOT_OPTIONS, err);

	if (r < 0)
		return r;
	r = make_folders(err);
	if (r >= 0)
		r = mount_at(usr, NEW_ROOT "/usr", "erofs", MS_RDONLY | MS_NODEV, NULL, err);
	if (r >= 0)
		r = make_links(err);
	if (r < 0) {
		(void)umount(NEW_ROOT "/usr");
		(void)umount(NEW_ROOT);
	}
	return r;
}

/* Removes what is in the folder *fd*, which is taken over, as far as it is on the file system *device*. */
static void empty_folder(int fd, dev_t device)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		(void)close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		struct stat st;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			st.st_dev != device)
			continue;
		if (S_ISDIR(st.st_mode)) {
			int child = openat(
				dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (child >= 0)
				empty_folder(child, device);
		}
		(void)unlinkat(dirfd(dir), entry->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
	(void)closedir(dir);
}

static int move_mounts(struct error **err)
{
	static const char *const mounts[] = {"dev", "proc", "sys", "run"};
	char from[64], to[64];

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		(void)snprintf(from, sizeof(from), "/%s", mounts[i]);
		(void)snprintf(to, sizeof(to), NEW_ROOT "/%s", mounts[i]);
		if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
			return error_set_errno(err, -errno, "move %s to %s", from, to);
	}
	return 0;
}

int root_switch(const char *init, struct error **err)
{
	char name[256], home[] = "HOME=/", terminal[] = "TERM=linux";
	char *const arguments[] = {name, NULL}, *const environment[] = {home, terminal, NULL};
	_cleanup_close_ int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	(void)snprintf(name, sizeof(name), "%s", init);
	if (old < 0 || fstat(old, &st) < 0)
		return error_set_errno(err, -errno, "/");
	r = move_mounts(err);
	if (r < 0)
		return r;
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
		chdir("/") < 0)
		return error_set_errno(err, -errno, "change of the root");
	empty_folder(TAKE_FD(old), st.st_dev);
	(void)execve(init, arguments, environment);
	return error_set_errno(err, -errno, "%s", init);
}
