/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files: whole reads and writes, and files that appear under their name only when they are complete and on
 * disk.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* Read and write exactly *size* bytes. Return 0, -errno, or -ENODATA where a file ends before that. */
int read_full(int fd, void *data, size_t size);
int pread_full(int fd, void *data, size_t size, uint64_t offset);
int write_full(int fd, const void *data, size_t size);
int pwrite_full(int fd, const void *data, size_t size, uint64_t offset);

/*
 * Reads a whole file of at most *max* bytes into a malloc()ed array that the caller frees; one NUL byte that
 * *ret_size does not count stands behind it. Returns 0, -EFBIG where the file is larger, or another negative
 * errno; *err* names the path. *ret_size* may be NULL.
 */
int file_read(const char *path, size_t max, char **ret, size_t *ret_size, struct error **err);
int file_read_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_size, struct error **err);

/*
 * The same for a file that holds a private key: -EPERM, with what to do, where everybody may read it or its
 * group may change it. The terminal of the process does not become it.
 */
int file_read_private(const char *path, size_t max, char **ret, size_t *ret_size, struct error **err);

/* Makes a folder and its missing parents (mode 0777 less the umask). An existing folder is no error. */
int mkdir_parents(const char *path, struct error **err);

/* Opens a file without a name in a folder, for reading and writing, which is gone when it is closed. Returns
 * a descriptor or a negative errno. */
int file_open_scratch(const char *folder, struct error **err);

/* Flushes the folder that holds *path*, so that a rename in it survives a crash. */
int fsync_parent(const char *path, struct error **err);

/*
 * A file being written that has no name yet, or a temporary one where the file system wants one.
 *
 *     struct atomic_file file = ATOMIC_FILE_INIT;       // with _cleanup_atomic_file_
 *     r = atomic_file_open(&file, path, 0644, &err);    // then write to file.fd
 *     r = atomic_file_commit(&file, &err);
 *
 * atomic_file_commit() flushes the file, renames it over *path* and flushes the folder. Whatever has not been
 * committed is gone after atomic_file_discard(), and in most file systems also after a kill. Temporary names
 * begin with "." and end in ".tmp".
 *
 * atomic_file_prepare() does all of a commit that can fail for want of space: who has several files to commit
 * together prepares them all first.
 */
struct atomic_file {
	int fd;
	char *path;
	char *temporary; /* NULL while the file has no name */
};
#define ATOMIC_FILE_INIT \
	{                \
		.fd = -1 \
	}
#define _cleanup_atomic_file_ _cleanup_(atomic_file_discard)

int atomic_file_open(struct atomic_file *file, const char *path, mode_t mode, struct error **err);
int atomic_file_prepare(struct atomic_file *file, struct error **err);
int atomic_file_commit(struct atomic_file *file, struct error **err);
void atomic_file_discard(struct atomic_file *file);

/* Writes a whole file through the above. */
int file_write_atomic(const char *path, const void *data, size_t size, mode_t mode, struct error **err);

/*
 * Adds the names in a folder that end so to *ret*, but for those that begin with ".", and sorts all that is
 * there. An *ending* of "" is all. -ENOENT, … with *err* set.
 */
struct strv;
int folder_list(const char *path, const char *ending, struct strv *ret, struct error **err);

/* Removes a folder with all that is in it, without following links. A path that does not exist is no error.
 */
int remove_tree(const char *path, struct error **err);
