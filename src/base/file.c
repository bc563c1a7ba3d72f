/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/string-util.h"

int read_full(int fd, void *data, size_t size)
{
	uint8_t *at = data;

	while (size > 0) {
		ssize_t n = read(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int pread_full(int fd, void *data, size_t size, uint64_t offset)
{
	uint8_t *at = data;

	while (size > 0) {
		ssize_t n = pread(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		offset += (size_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int write_full(int fd, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int pwrite_full(int fd, const void *data, size_t size, uint64_t offset)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += (size_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* Reads to the end of *fd*, whatever fstat() says of its size: files in /proc and /sys say 0 or 4096. */
static int read_to_end(int fd, size_t hint, size_t max, char **ret, size_t *ret_size)
{
	_cleanup_free_ char *data = NULL;
	size_t size = 0, capacity = MIN(hint, max) + 1;

	data = malloc(capacity + 1);
	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, data + size, capacity - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > max)
			return -EFBIG;
		if (size == capacity) {
			size_t larger = capacity + MIN(capacity, max + 1 - capacity);
			char *grown = realloc(data, larger + 1);

			if (!grown)
				return -ENOMEM;
			data = grown;
			capacity = larger;
		}
	}
	data[size] = 0;
	*ret = TAKE_PTR(data);
	if (ret_size)
		*ret_size = size;
	return 0;
}

int file_read_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_size, struct error **err)
{
	struct stat st;
	int r;

	if (max > SIZE_MAX - 2)
		max = SIZE_MAX - 2;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", name);
	if (S_ISDIR(st.st_mode))
		return error_set_errno(err, -EISDIR, "%s", name);
	r = read_to_end(fd, st.st_size > 0 ? (size_t)st.st_size : KiB(4), max, ret, ret_size);
	if (r == -EFBIG)
		return error_set(err, r, "%s: larger than the %zu bytes that it may have", name, max);
	return r < 0 ? error_set_errno(err, r, "%s", name) : 0;
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_size, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, -errno, "%s", path);
	return file_read_fd(fd, path, max, ret, ret_size, err);
}

int file_read_private(const char *path, size_t max, char **ret, size_t *ret_size, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return error_set(err, -EPERM,
			"%s: others may read or change what is private (mode %04o); run: chmod 600 %s", path,
			(unsigned)(st.st_mode & 07777), path);
	return file_read_fd(fd, path, max, ret, ret_size, err);
}

int file_open_scratch(const char *folder, struct error **err)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Not every file system has such files. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		_cleanup_free_ char *path = string_format("%s/XXXXXX", folder);

		fd = path ? mkostemp(path, O_CLOEXEC) : -1;
		if (fd >= 0)
			(void)unlink(path);
	}
	return fd < 0 ? error_set_errno(err, -errno, "%s", folder) : fd;
}

int mkdir_parents(const char *path, struct error **err)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return error_set_errno(err, -ENOMEM, "%s", path);
	for (char *at = copy + 1; *copy && *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			return error_set_errno(err, -errno, "cannot create folder %s", copy);
		*at = '/';
	}
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "cannot create folder %s", path);
	if (stat(path, &st) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return error_set_errno(err, -ENOTDIR, "%s", path);
	return 0;
}

/* The folder that holds *path*, malloc()ed; NULL where memory is out. */
static char *parent_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int fsync_parent(const char *path, struct error **err)
{
	_cleanup_free_ char *parent = parent_folder(path);
	_cleanup_close_ int fd = -1;

	if (!parent)
		return error_set_errno(err, -ENOMEM, "%s", path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_set_errno(err, -errno, "%s", parent);
	return 0;
}

/*
 * Opens a file without a name, which vanishes with the process however that ends. Not every file system has
 * such files: -EOPNOTSUPP then.
 */
static int open_unnamed(const char *path, mode_t mode)
{
	_cleanup_free_ char *parent = parent_folder(path);
	int fd;

	if (!parent)
		return -ENOMEM;
	fd = open(parent, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (fd >= 0)
		return fd;
	/* Kernels and file systems that don't know O_TMPFILE see an attempt to write to a folder. */
	return errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

/* A name beside the final one, with a place for mkostemps() to fill in. */
static char *temporary_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash + 1 - path) : 0;

	return string_format("%.*s.%s.XXXXXX.tmp", folder, path, path + folder);
}

static int open_named(struct atomic_file *file)
{
	int fd;

	file->temporary = temporary_name(file->path);
	if (!file->temporary)
		return -ENOMEM;
	fd = mkostemps(file->temporary, 4, O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	file->temporary = string_free(file->temporary);
	return fd;
}

int atomic_file_open(struct atomic_file *file, const char *path, mode_t mode, struct error **err)
{
	int fd;

	*file = (struct atomic_file)ATOMIC_FILE_INIT;
	file->path = strdup(path);
	if (!file->path)
		return error_set_errno(err, -ENOMEM, "%s", path);
	fd = open_unnamed(path, mode);
	if (fd == -EOPNOTSUPP)
		fd = open_named(file);
	if (fd >= 0) {
		file->fd = fd;
		if (fchmod(fd, mode) == 0)
			return 0;
		fd = -errno;
	}
	atomic_file_discard(file);
	return error_set_errno(err, fd, "%s", path);
}

/* Gives an unnamed file a temporary name. */
static int link_unnamed(struct atomic_file *file)
{
	char self[64];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
	for (unsigned tries = 0; tries < 100; tries++) {
		_cleanup_free_ char *name = temporary_name(file->path);
		int fd;

		/* mkostemps() finds a free name; the file that it makes goes away at once. */
		fd = name ? mkostemps(name, 4, O_CLOEXEC) : -1;
		if (fd < 0)
			return name ? -errno : -ENOMEM;
		(void)close(fd);
		(void)unlink(name);
		if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
			file->temporary = TAKE_PTR(name);
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int atomic_file_prepare(struct atomic_file *file, struct error **err)
{
	int r = 0;

	if (fsync(file->fd) < 0)
		r = -errno;
	if (r == 0 && !file->temporary)
		r = link_unnamed(file);
	return r < 0 ? error_set_errno(err, r, "%s", file->path) : 0;
}

int atomic_file_commit(struct atomic_file *file, struct error **err)
{
	int fd, r;

	r = atomic_file_prepare(file, err);
	if (r < 0)
		return r;
	fd = TAKE_FD(file->fd);
	if (close(fd) < 0 || rename(file->temporary, file->path) < 0)
		return error_set_errno(err, -errno, "%s", file->path);
	file->temporary = string_free(file->temporary);
	r = fsync_parent(file->path, err);
	file->path = string_free(file->path);
	return r;
}

void atomic_file_discard(struct atomic_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	if (file->temporary)
		(void)unlink(file->temporary);
	free(file->temporary);
	free(file->path);
	*file = (struct atomic_file)ATOMIC_FILE_INIT;
}

int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode, struct error **err)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	int r;

	r = atomic_file_open(&file, path, mode, err);
	if (r < 0)
		return r;
	r = write_full(file.fd, data, size);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	return atomic_file_commit(&file, err);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int remove_children(int parent, const char *name)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			continue;
		if (errno == EISDIR || errno == EPERM) {
			int r = remove_children(fd, entry->d_name);

			if (r < 0)
				return r;
			if (unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0)
				continue;
		}
		return -errno;
	}
}

int remove_tree(const char *path, struct error **err)
{
	int r;

	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_set_errno(err, -errno, "%s", path);
	r = remove_children(AT_FDCWD, path);
	if (r < 0)
		return error_set_errno(err, r, "%s", path);
	if (rmdir(path) < 0)
		return error_set_errno(err, -errno, "%s", path);
	return 0;
}

int folder_list(const char *path, const char *ending, struct strv *ret, struct error **err)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return error_set_errno(err, -errno, "%s", path);
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (entry->d_name[0] != '.' && endswith(entry->d_name, ending))
			r = strv_add(ret, entry->d_name);
	if (r == 0)
		r = -errno;
	(void)closedir(dir);
	strv_sort_unique(ret);
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}
